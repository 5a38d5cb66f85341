//! The ladder, through real worker processes.

use std::path::{Path, PathBuf};

use fairframe_corpus::{
    compress::{self, ClipIn, ClipOut, Compress, CompressDone, CompressError, Kind},
    item::Made,
    label::Signer,
    video::{Decoder, Frame, Limits},
    worker::{self, WorkerCommand, Workers},
};
use fairframe_ingest::reporter::Silent;
use fairframe_schemas::{
    Digest, Reason,
    source::{CompressRule, Rung, RungPixels},
};

use crate::{
    label::{at, label},
    make::{clip, difference, ffmpeg, probe},
    worker::command,
};

fn run(
    corpus: &Path,
    rule: &CompressRule,
    clips: &[ClipIn],
) -> Result<Vec<ClipOut>, CompressError> {
    let workers = Workers::new(command(), 2, worker::Limits::default());
    let signer = Signer::of_installation(&corpus.parent().unwrap().join("signing")).unwrap();
    let compress = Compress {
        corpus,
        rule,
        limits: &Limits::default(),
        workers: &workers,
        signer: &signer,
        at: at(),
    };
    compress::run(&compress, clips, &Silent)
}

fn frames(file: &Path) -> Vec<Frame> {
    let decoder = Decoder::open(file, &Limits::default()).unwrap();
    decoder.map(|f| f.unwrap()).collect()
}

fn clip_in(name: &str, file: &Path, kind: Kind) -> ClipIn {
    ClipIn {
        name: name.to_owned(),
        file: file.to_owned(),
        kind,
    }
}

fn done(out: &ClipOut) -> &CompressDone {
    match &out.result {
        Made::Done(done) => done,
        Made::Refused(refusal) => panic!("{}: {refusal}", out.item),
    }
}

fn short(folder: &Path) -> PathBuf {
    ffmpeg(
        folder,
        "short.mkv",
        "-i IN -vf crop=321:241:exact=1,format=gbrp -c:v ffv1 -frames:v 12",
    )
}

#[test]
fn real_fake_and_mask_through_the_ladder() {
    let root = tempfile::tempdir().unwrap();
    let corpus = root.path().join("corpus");
    let input = short(root.path());
    let broken = root.path().join("broken.mkv");
    std::fs::write(&broken, &std::fs::read(&input).unwrap()[..9000]).unwrap();
    let clips = [
        clip_in("real", &input, Kind::Real),
        clip_in("fake", &input, Kind::Fake(label())),
        clip_in("fake-mask", &input, Kind::Mask),
        clip_in("broken", &broken, Kind::Real),
    ];
    let rule = CompressRule::default();
    let outs = run(&corpus, &rule, &clips).unwrap();
    let items: Vec<&str> = outs.iter().map(|o| o.item.as_str()).collect();
    assert_eq!(
        items,
        [
            "real--c0",
            "real--c23",
            "real--c40",
            "fake--c0",
            "fake--c23",
            "fake--c40",
            "fake-mask--mask",
            "broken--c0",
            "broken--c23",
            "broken--c40"
        ]
    );
    let file = |out: &ClipOut| corpus.join("clips").join(&out.item).join(&done(out).file);
    let source = frames(&input);
    let mut bytes = u64::MAX;
    for (out, (worst, mean)) in outs[..3].iter().zip([(0, 0.0), (255, 5.0), (255, 12.0)]) {
        let done = done(out);
        assert_eq!((done.width, done.height, done.frames), (320, 240, 12));
        assert!(done.bytes < bytes);
        bytes = done.bytes;
        for (a, b) in frames(&file(out)).iter().zip(&source) {
            let cut: Vec<u8> = b
                .rgb
                .data
                .chunks(321 * 3)
                .take(240)
                .flat_map(|r| &r[..960])
                .copied()
                .collect();
            let (most, average) = difference(&a.rgb.data, &cut);
            assert!(
                most <= worst && average <= mean,
                "{}: {most} {average}",
                out.item
            );
        }
    }
    assert!(done(&outs[0]).encoder.arguments.contains("-c:v libx264rgb"));
    assert!(
        done(&outs[1])
            .encoder
            .arguments
            .contains("-crf 23 -pix_fmt yuv420p")
    );
    assert!(
        done(&outs[1])
            .encoder
            .x264
            .as_ref()
            .unwrap()
            .contains("crf=23.0")
    );
    // The same pixels real and fake; only the fake says what it is.
    for (real, fake) in outs[..3].iter().zip(&outs[3..6]) {
        assert!(frames(&file(real)) == frames(&file(fake)));
        let comment = "-show_entries format_tags=comment";
        assert!(probe(&file(real), comment).is_empty());
        assert!(probe(&file(fake), comment)[0].contains("fairframe_manipulated=true"));
    }
    let mask = frames(&file(&outs[6]));
    assert_eq!(mask.len(), 12);
    assert_eq!((mask[0].rgb.width, mask[0].rgb.height), (320, 240));
    for (mask, frame) in mask.iter().zip(&source) {
        let red = frame.rgb.pixel(5, 7)[0];
        assert_eq!(mask.rgb.pixel(5, 7), [red; 3]);
    }
    for out in &outs[7..] {
        let Made::Refused(refusal) = &out.result else {
            panic!("{out:?}");
        };
        assert!([Reason::MediaTruncated, Reason::MediaCorrupt].contains(&refusal.reason));
    }

    // Nothing is made again, unless it would be otherwise.
    let made = |out: &ClipOut| {
        let folder = corpus.join("clips").join(&out.item);
        std::fs::metadata(folder.join("outcome.json"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before: Vec<_> = outs.iter().map(made).collect();
    let mut rule = rule;
    rule.rungs[2].crf = 41;
    let again = run(&corpus, &rule, &clips).unwrap();
    for (n, (now, before)) in again.iter().zip(before).enumerate() {
        assert_eq!(made(now) != before, [2, 5, 9].contains(&n), "{}", now.item);
    }
    // From nothing: the same bytes, but for the salt of a fake's signature.
    let other = root.path().join("other");
    let anew = run(&other, &rule, &clips).unwrap();
    for (a, b) in again.iter().zip(&anew).take(3) {
        assert_eq!(done(a), done(b));
    }
    let twice = [clips[0].clone(), clips[0].clone()];
    assert!(matches!(
        run(&corpus, &rule, &twice),
        Err(CompressError::Twice(_))
    ));
}

#[test]
fn a_clip_that_is_gone_is_a_row_and_the_others_are_made() {
    let root = tempfile::tempdir().unwrap();
    let corpus = root.path().join("corpus");
    let input = short(root.path());
    let gone = root.path().join("gone.mkv");
    let clips = [
        clip_in("gone", &gone, Kind::Real),
        clip_in("real", &input, Kind::Real),
    ];
    let rule = CompressRule {
        rungs: CompressRule::default().rungs[2..].to_vec(),
        ..CompressRule::default()
    };
    let outs = run(&corpus, &rule, &clips).unwrap();
    let Made::Refused(refusal) = &outs[0].result else {
        panic!("{:?}", outs[0]);
    };
    assert_eq!(refusal.reason, Reason::FileMissing);
    assert!(refusal.message.contains("gone.mkv"), "{refusal}");
    done(&outs[1]);
    // Back again: made, as nothing was kept against it.
    std::fs::copy(&input, &gone).unwrap();
    let outs = run(&corpus, &rule, &clips).unwrap();
    done(&outs[0]);
}

#[test]
fn further_rungs() {
    let root = tempfile::tempdir().unwrap();
    let corpus = root.path().join("corpus");
    let rung = |name: &str, change: &dyn Fn(&mut Rung)| {
        let mut rung = Rung::plain(name, 23);
        change(&mut rung);
        rung
    };
    let rule = CompressRule {
        seed: 3,
        rungs: vec![
            rung("plain", &|_| {}),
            rung("quarter", &|r| r.scale = Some(0.25)),
            rung("15fps", &|r| r.frame_rate = Some(15)),
            rung("noise", &|r| r.noise = Some(8.0)),
            rung("twice", &|r| r.before = vec![30, 35]),
            rung("full-colour", &|r| r.pixels = RungPixels::Yuv444p),
        ],
    };
    let clips = [clip_in("yes", &clip(), Kind::Real)];
    let outs = run(&corpus, &rule, &clips).unwrap();
    let of = |n: usize| done(&outs[n]);
    assert_eq!((of(1).width, of(1).height), (160, 120));
    assert_eq!(of(2).timing.rate, (15, 1));
    assert_eq!(of(2).frames, of(0).frames.div_ceil(2));
    assert!(of(3).bytes > of(0).bytes * 2);
    assert_eq!(of(4).before.len(), 2);
    assert!(of(4).before[1].arguments.contains("-crf 35"));
    assert!(of(5).encoder.arguments.contains("yuv444p"));
    let folder = corpus.join("clips/yes--twice");
    let left = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(left, 2, "the clip and its outcome");
    let at = |n: usize| frames(&corpus.join("clips").join(&outs[n].item).join("clip.mp4"));
    let real = frames(&clip());
    let lost = |n: usize| difference(&at(n)[20].rgb.data, &real[20].rgb.data).1;
    assert!(lost(0) < lost(4));
    let half: Vec<f64> = at(2).iter().map(|f| f.time_s).collect();
    assert!((half[10] - 10.0 / 15.0).abs() < 1e-4);
}

#[test]
fn a_worker_does_not_say_which_file_is_released() {
    let root = tempfile::tempdir().unwrap();
    let input = short(root.path());
    let clips = [clip_in("real", &input, Kind::Real)];
    let rule = CompressRule {
        rungs: CompressRule::default().rungs[..1].to_vec(),
        ..CompressRule::default()
    };
    let made = run(&root.path().join("honest"), &rule, &clips).unwrap();
    let forged = CompressDone {
        file: "../../../secret".to_owned(),
        ..done(&made[0]).clone()
    };
    std::fs::write(root.path().join("secret"), "a key").unwrap();
    let forged = serde_json::json!({ "Ok": forged }).to_string();
    std::fs::write(root.path().join("answer"), forged).unwrap();
    // A worker that somebody took over: it writes a clip, and tells of another file.
    let script = format!(
        "[ $0 = libraries ] && exec echo '{{\"Ok\":[\"a\",\"b\",\"c\"]}}'; out=$(sed 's/.*\"out\":\"\\([^\"]*\\)\".*/\\1/'); echo clip > $out/clip.mp4; cat {}",
        root.path().join("answer").display()
    );
    let command = WorkerCommand {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script],
    };
    let corpus = root.path().join("corpus");
    let compress = Compress {
        corpus: &corpus,
        rule: &rule,
        limits: &Limits::default(),
        workers: &Workers::new(command, 1, worker::Limits::default()),
        signer: &Signer::of_installation(&root.path().join("signing")).unwrap(),
        at: at(),
    };
    let outs = compress::run(&compress, &clips, &Silent).unwrap();
    assert_eq!(done(&outs[0]).file, "clip.mp4");
    assert_eq!(done(&outs[0]).sha256, Digest::of(b"clip\n"));
}
