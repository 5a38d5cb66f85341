//! Files made for tests.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::clip;

/// Runs `ffmpeg` on the clip (`IN` stands for it) and gives the file it wrote.
pub fn ffmpeg(folder: &Path, name: &str, arguments: &str) -> PathBuf {
    let out = folder.join(name);
    let clip = clip();
    let arguments = arguments.split(' ').map(|a| match a {
        "IN" => clip.to_str().unwrap(),
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

pub fn cut(folder: &Path, whole: &Path, name: &str, share: f64) -> PathBuf {
    let bytes = std::fs::read(whole).unwrap();
    let out = folder.join(name);
    std::fs::write(&out, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
    out
}

/// A YCCK JPEG without an Adobe segment's inversion, as libjpeg-turbo writes CMYK.
pub fn cmyk_jpeg(rgb: &image::RgbImage) -> Vec<u8> {
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    let pixels: Vec<u8> = rgb
        .pixels()
        // Inverted, as Adobe does: libjpeg-turbo adds the Adobe marker.
        .flat_map(|p| {
            let [r, g, b] = p.0;
            [r, g, b, 255]
        })
        .collect();
    compressor
        .compress_to_vec(turbojpeg::Image {
            pixels: &pixels[..],
            width: rgb.width() as usize,
            pitch: rgb.width() as usize * 4,
            height: rgb.height() as usize,
            format: turbojpeg::PixelFormat::CMYK,
        })
        .unwrap()
}

/// CRC-32 as in PNG (ISO 3309), bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
