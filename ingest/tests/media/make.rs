//! Files made for tests.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use image::{ImageFormat, RgbImage, imageops::FilterType};

use crate::clip;

/// Endings of the kinds of picture that are read.
pub const PICTURES: [&str; 6] = ["jpg", "png", "webp", "tiff", "gif", "bmp"];

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
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Noise that is the same in every run: a linear congruential generator (Numerical Recipes).
pub fn noise(n: usize) -> Vec<u8> {
    numbers(7).take(n).collect()
}

fn numbers(seed: u32) -> impl Iterator<Item = u8> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(next(&seed), next).map(|state| (state >> 24) as u8)
}

/// A picture of 320 x 240 pixels: soft patches, others for every seed.
pub fn picture(seed: u32) -> RgbImage {
    let patches = numbers(seed.wrapping_mul(2_654_435_761));
    let patches = RgbImage::from_vec(8, 6, patches.take(8 * 6 * 3).collect()).unwrap();
    image::imageops::resize(&patches, 320, 240, FilterType::Triangle)
}

pub fn encode(picture: &RgbImage, ending: &str) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let format = ImageFormat::from_extension(ending).unwrap();
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn le(bytes: &[u8], at: usize, n: usize) -> usize {
    let digits = bytes[at..at + n].iter().rev();
    digits.fold(0, |sum, b| sum << 8 | usize::from(*b))
}

/// Where each entry of the first directory of a little-endian TIFF file stands.
fn tiff_entries(bytes: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let directory = le(bytes, 4, 4);
    (0..le(bytes, directory, 2)).map(move |n| directory + 2 + n * 12)
}

/// The file as long as before, and what is in it broken where the format can show it.
pub fn broken(whole: &[u8], ending: &str) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let (from, n) = match ending {
        // Pixels are stored as they are, so only what stands before them can be broken:
        // the width is negative, the directory is empty.
        "bmp" => {
            bytes[18..22].copy_from_slice(&(-320i32).to_le_bytes());
            return bytes;
        }
        "tiff" => {
            let directory = le(&bytes, 4, 4);
            bytes[directory..directory + 2].fill(0);
            return bytes;
        }
        // Within one block of codes, not over the lengths of blocks.
        "gif" => {
            let block = bytes.windows(2).position(|w| w == [8, 0xff]).unwrap() + 2;
            (block + 16, 200)
        }
        // The codes that all pixels are written in.
        "webp" => (30, 200),
        _ => (bytes.len() / 2, 200),
    };
    bytes[from..from + n].copy_from_slice(&noise(n));
    bytes
}

/// The file with a header that promises far more pixels than there are.
pub fn bomb(whole: &[u8], ending: &str) -> Vec<u8> {
    const SIDE: u32 = 60_000;
    let mut bytes = whole.to_vec();
    match ending {
        "png" => {
            bytes[16..20].copy_from_slice(&SIDE.to_be_bytes());
            bytes[20..24].copy_from_slice(&SIDE.to_be_bytes());
            let crc = crc32(&bytes[12..29]).to_be_bytes();
            bytes[29..33].copy_from_slice(&crc);
        }
        "jpg" => {
            // The last frame header: the first may be that of a small picture in the EXIF block.
            let mut headers = bytes.windows(5);
            let frame = headers
                .rposition(|w| w == [0xff, 0xc0, 0, 0x11, 8])
                .unwrap();
            bytes[frame + 5..frame + 7].copy_from_slice(&(SIDE as u16).to_be_bytes());
            bytes[frame + 7..frame + 9].copy_from_slice(&(SIDE as u16).to_be_bytes());
        }
        "gif" => {
            bytes[6..8].copy_from_slice(&(SIDE as u16).to_le_bytes());
            bytes[8..10].copy_from_slice(&(SIDE as u16).to_le_bytes());
        }
        "webp" => {
            // 14 bits each, less one: 16383 x 16383.
            let rest = le(&bytes, 21, 4) as u32 & 0xf000_0000;
            bytes[21..25].copy_from_slice(&(rest | 0x0fff_bffe).to_le_bytes());
        }
        "tiff" => {
            for entry in tiff_entries(whole) {
                // Width, height and rows of a strip.
                if [256, 257, 278].contains(&le(whole, entry, 2)) {
                    bytes[entry + 8..entry + 12].copy_from_slice(&SIDE.to_le_bytes());
                }
            }
        }
        _ => {
            bytes[18..22].copy_from_slice(&SIDE.to_le_bytes());
            bytes[22..26].copy_from_slice(&SIDE.to_le_bytes());
        }
    }
    bytes
}
