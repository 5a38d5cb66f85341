//! Frames of videos, one a second, as `benches/compare.py` times it: the middle square of each,
//! 256 x 256, as JPEG.
//!
//! `cargo run --release -p fairframe-corpus --example frames_each_second -- OUT FILE...`
//!
//! Two at a time: files, or the halves of a single one.

use std::{fs, path::Path};

use fairframe_corpus::{
    video::{Decoder, Limits},
    worker::parallel_map,
};
use fairframe_ingest::{media::Picture, reporter::Silent};
use turbojpeg::{Compressor, PixelFormat, Subsamp};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, files @ ..] = &arguments[..] else {
        return Err("give a folder and files".into());
    };
    fs::create_dir_all(out)?;
    let parts = if files.len() == 1 { 2 } else { 1 };
    let work: Vec<(&String, usize)> = files
        .iter()
        .flat_map(|file| (0..parts).map(move |part| (file, part)))
        .collect();
    let written = parallel_map(&work, 2, &Silent, |(file, part)| {
        frames(Path::new(file), Path::new(out), (*part, parts))
    })?;
    println!("{} frames", written.iter().sum::<u64>());
    Ok(())
}

/// Writes the first frame of each second of one part of a file.
fn frames(
    file: &Path,
    out: &Path,
    (part, parts): (usize, usize),
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let mut decoder = Decoder::open(file, &Limits::default())?;
    let mut second = 0.0;
    let wanted: Vec<u64> = (0..)
        .zip(decoder.times())
        .filter(|(_, time_s)| {
            let first = *time_s > second - 1e-6;
            if first {
                second += 1.0;
            }
            first
        })
        .map(|(n, _)| n)
        .collect();
    let first = wanted.len() * part / parts;
    let wanted = wanted[first..wanted.len() * (part + 1) / parts].to_vec();
    decoder.only(wanted);
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut compressor = Compressor::new()?;
    compressor.set_quality(92)?;
    compressor.set_subsamp(Subsamp::Sub2x2)?;
    let mut written = first;
    while let Some(frame) = decoder.next_frame()? {
        let (width, height) = (frame.rgb.width as usize, frame.rgb.height as usize);
        let side = width.min(height);
        let (x, y) = ((width - side) / 2, (height - side) / 2);
        let rows = frame.rgb.data.chunks(width * 3).skip(y).take(side);
        let square = Picture {
            width: side,
            height: side,
            rgb: rows
                .flat_map(|row| &row[x * 3..(x + side) * 3])
                .copied()
                .collect(),
        };
        let small = square.resized(256, 256)?;
        let jpeg = compressor.compress_to_vec(turbojpeg::Image {
            pixels: &small.rgb[..],
            width: 256,
            pitch: 256 * 3,
            height: 256,
            format: PixelFormat::RGB,
        })?;
        fs::write(out.join(format!("{name}_{written:04}.jpg")), jpeg)?;
        written += 1;
    }
    Ok((written - first) as u64)
}
