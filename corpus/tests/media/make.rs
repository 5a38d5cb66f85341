//! Files made for tests, by Debian's `ffmpeg`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A real clip: 640 x 480, 30 frames a second, full range.
pub fn clip() -> PathBuf {
    clips().join("yes.mkv")
}

pub fn clips() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/actors/clips")
}

/// Runs `ffmpeg` on the clip (`IN` stands for it) and gives the file it wrote.
pub fn ffmpeg(folder: &Path, name: &str, arguments: &str) -> PathBuf {
    ffmpeg_on(&clip(), folder, name, arguments)
}

/// The same on another file.
pub fn ffmpeg_on(input: &Path, folder: &Path, name: &str, arguments: &str) -> PathBuf {
    let out = folder.join(name);
    let arguments = arguments.split(' ').map(|a| match a {
        "IN" => input.to_str().unwrap(),
        other => other,
    });
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(arguments)
        .arg(&out)
        .stdin(Stdio::null())
        .status()
        .expect("the program `ffmpeg` is installed");
    assert!(status.success(), "{name}");
    out
}

/// FFmpeg's scaler as the decoder asks for it, when nothing is made larger or smaller.
pub const PLAIN: &str = "flags=bilinear+accurate_rnd+full_chroma_int+bitexact";

/// All frames as `ffmpeg` shows them, in RGB, converted by its filter `scale` with these options.
pub fn shown(file: &Path, scale: &str, (width, height): (u32, u32)) -> Vec<Vec<u8>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-map", "0:v:0", "-vf"])
        .arg(format!("scale={scale},format=rgb24"))
        .args(["-vsync", "passthrough", "-f", "rawvideo", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success());
    let frame = width as usize * height as usize * 3;
    assert_eq!(output.stdout.len() % frame, 0);
    output.stdout.chunks(frame).map(<[u8]>::to_vec).collect()
}

/// What `ffprobe` prints of a file, line by line.
pub fn probe(file: &Path, arguments: &str) -> Vec<String> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0"])
        .args(arguments.split(' '))
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|l| l.trim_end_matches(',').to_owned())
        .filter(|l| !l.is_empty())
        .collect()
}

/// Largest and mean difference of two pictures.
pub fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let each = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = each().map(u64::from).sum();
    (each().max().unwrap_or(0), sum as f64 / a.len() as f64)
}
