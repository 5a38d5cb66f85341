//! Mutated real clips through real worker processes: whatever comes, it is one answer a file.

use std::path::{Path, PathBuf};

use fairframe_corpus::worker::{Limits, WorkerError, Workers, parallel_map};
use fairframe_ingest::reporter::Silent;
use fairframe_schemas::Reason;

use crate::{make::ffmpeg, misbehave::Misbehave, worker::command};

/// Small clips of the containers and codecs that are read.
fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let small = "-i IN -vf scale=96:72 -frames:v 12 -bf 2 -g 6";
    let x264 = format!("{small} -c:v libx264 -pix_fmt yuv420p");
    let made = [
        ("a.mp4", format!("{x264} -movflags +faststart")),
        ("b.mp4", format!("{x264} -metadata:s:v:0 rotate=90")),
        ("c.mkv", x264.clone()),
        ("d.mkv", format!("{small} -c:v ffv1")),
        ("e.webm", format!("{small} -c:v libvpx -deadline realtime")),
        (
            "f.webm",
            format!("{small} -c:v libvpx-vp9 -deadline realtime -cpu-used 8"),
        ),
        ("g.avi", format!("{small} -c:v mpeg4")),
        ("h.ts", x264.clone()),
        (
            "i.mov",
            "-i IN -vf scale=96:72 -frames:v 12 -c:v mjpeg".to_owned(),
        ),
        ("j.flv", format!("{x264} -f flv")),
        ("k.mpg", format!("{small} -c:v mpeg2video -r 25")),
        (
            "l.mp4",
            format!("{small} -c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le"),
        ),
    ];
    let bytes =
        made.map(|(name, arguments)| std::fs::read(ffmpeg(folder, name, &arguments)).unwrap());
    bytes.into()
}

/// A linear congruential generator (Knuth, MMIX), whose upper bits are used.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
}

/// One to eight changes: bits, bytes of extreme values, lengths, pieces moved, cut or repeated;
/// half of them near the start, where the structure is.
fn mutant(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut numbers = Numbers(number);
    numbers.below(2);
    let mut bytes = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(8) {
        let reach = match numbers.below(2) {
            0 => bytes.len().min(2048),
            _ => bytes.len(),
        };
        let at = numbers.below(reach);
        let length = 1 + numbers.below(64);
        let end = (at + length).min(bytes.len());
        match numbers.below(7) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][numbers.below(5)],
            2 => bytes[at..end].fill([0, 0xff, 0x55][numbers.below(3)]),
            3 => bytes[at..end]
                .iter_mut()
                .for_each(|b| *b = numbers.below(256) as u8),
            4 => {
                let value = [0u32, 1, 0x7fff_ffff, u32::MAX, 0x0001_0000][numbers.below(5)];
                let four = (at + 4).min(bytes.len());
                bytes[at..four].copy_from_slice(&value.to_be_bytes()[..four - at]);
            }
            5 => drop(bytes.drain(at..end)),
            _ => {
                let piece = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

/// Has workers decode these mutants, so many at a time; gives how many were whole, and which took
/// their worker along.
fn survive(numbers: std::ops::Range<u64>, at_a_time: usize) -> (u64, Vec<u64>) {
    let folder = tempfile::tempdir().unwrap();
    let seeds = seeds(folder.path());
    let limits = Limits {
        memory_mb: 512,
        cpu_s: 60,
        wall_s: 600,
        ..Limits::default()
    };
    let workers = Workers::new(command(), 2, limits);
    let numbers: Vec<u64> = numbers.collect();
    let batches: Vec<&[u64]> = numbers.chunks(at_a_time).collect();
    let answers = parallel_map(&batches, 2, &Silent, |batch| {
        let out = tempfile::tempdir_in(folder.path()).unwrap();
        let files: Vec<PathBuf> = batch
            .iter()
            .map(|number| {
                let file = out.path().join(number.to_string());
                std::fs::write(&file, mutant(&seeds, *number)).unwrap();
                file
            })
            .collect();
        let decode =
            |files: &[PathBuf]| match workers.run(Misbehave::Decode(files.to_vec()), out.path()) {
                Ok(whole) => Ok(Some(whole.parse::<u64>().unwrap())),
                Err(WorkerError::Refused(refusal)) if refusal.reason == Reason::WorkerCrashed => {
                    Ok(None)
                }
                Err(other) => Err(other),
            };
        if let Some(whole) = decode(&files)? {
            return Ok::<_, WorkerError>((whole, Vec::new()));
        }
        let (mut whole, mut crashed) = (0, Vec::new());
        for (file, number) in files.iter().zip(*batch) {
            match decode(std::slice::from_ref(file))? {
                Some(decoded) => whole += decoded,
                None => crashed.push(*number),
            }
        }
        Ok((whole, crashed))
    })
    .unwrap();
    let whole = answers.iter().map(|(whole, _)| whole).sum();
    (
        whole,
        answers
            .into_iter()
            .flat_map(|(_, crashed)| crashed)
            .collect(),
    )
}

#[test]
fn mutants_are_answered_for() {
    let (whole, crashed) = survive(0..300, 1);
    assert_eq!(crashed, [0; 0], "mutants that took their worker along");
    // The mutants do reach the decoders, and damage is seen.
    assert!((30..200).contains(&whole), "{whole} of 300 were whole");
}

/// By hand: `cargo test --release -p fairframe-corpus --test media many_mutants -- --ignored --nocapture`
#[test]
#[ignore = "takes a quarter of an hour"]
fn many_mutants() {
    let (whole, crashed) = survive(1_000..41_000, 40);
    println!("{whole} of 40000 whole, crashed: {crashed:?}");
}
