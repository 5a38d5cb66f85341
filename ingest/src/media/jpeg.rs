//! JPEG: markers walked by hand, pixels by libjpeg-turbo at a reduced scale.

use fairframe_schemas::{MediaType, Reason, source::MediaLimits};
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

use super::{
    Facts, MediaFailure, check_size, exif,
    picture::{HASH_SIDE, Picture},
};

/// Scans a progressive JPEG may have: libjpeg-turbo's own guard against files
/// that take hours (its `TJFLAG_LIMITSCANS`).
const MAX_SCANS: u32 = 500;

/// What stands before the first scan.
#[derive(Debug, Default)]
pub struct Markers<'a> {
    /// TIFF bytes of the first EXIF segment.
    pub exif: Option<&'a [u8]>,
    /// An Adobe segment: CMYK values are stored inverted.
    pub adobe: bool,
    /// An APP11 segment with a JUMBF box, as C2PA uses.
    pub jumbf: bool,
}

/// Walks the marker segments up to the first scan (ISO/IEC 10918-1, annex B).
pub fn markers(bytes: &[u8]) -> Markers<'_> {
    let mut found = Markers::default();
    let mut at = 2;
    while let Some(&[0xff, code]) = bytes.get(at..at + 2).and_then(|b| b.first_chunk::<2>()) {
        match code {
            0xff => {
                at += 1;
                continue;
            }
            0x01 | 0xd0..=0xd7 => {
                at += 2;
                continue;
            }
            0xd9 | 0xda => break,
            _ => {}
        }
        let Some(length) = bytes.get(at + 2..at + 4).and_then(|b| b.first_chunk::<2>()) else {
            break;
        };
        let length = usize::from(u16::from_be_bytes(*length));
        let Some(body) = bytes.get(at + 4..at + 2 + length.max(2)) else {
            break;
        };
        match code {
            0xe1 if found.exif.is_none() => found.exif = body.strip_prefix(b"Exif\0\0"),
            0xee if body.starts_with(b"Adobe") => found.adobe = true,
            0xeb if body.starts_with(b"JP") && body.get(12..16) == Some(b"jumb") => {
                found.jumbf = true;
            }
            _ => {}
        }
        at += 2 + length.max(2);
    }
    found
}

/// Facts and pixels, the latter only as large as the thumbnail and the hash need.
pub fn decode(
    bytes: &[u8],
    limits: &MediaLimits,
    markers: &Markers,
) -> Result<(Facts, Picture), MediaFailure> {
    let failed = |e: turbojpeg::Error| failure(bytes, &e.to_string());
    let mut decompressor = Decompressor::new().map_err(failed)?;
    let header = decompressor.read_header(bytes).map_err(failed)?;
    let (width, height) = (header.width, header.height);
    // A progressive JPEG keeps all its coefficients: 2 bytes a sample, up to 4 samples a pixel.
    let coefficients = if header.is_progressive { 8 } else { 0 };
    check_size(limits, width as u64, height as u64, coefficients + 1)?;
    decompressor.set_scan_limit(MAX_SCANS).map_err(failed)?;

    let need = limits.thumbnail.max(HASH_SIDE) as usize;
    let factor = [
        ScalingFactor::ONE_EIGHTH,
        ScalingFactor::ONE_QUARTER,
        ScalingFactor::ONE_HALF,
    ]
    .into_iter()
    .find(|f| !header.is_lossless && f.scale(width.max(height)) >= need)
    .unwrap_or(ScalingFactor::ONE);
    decompressor.set_scaling_factor(factor).map_err(failed)?;
    let small = header.scaled(factor);
    let format = match header.colorspace {
        Colorspace::CMYK | Colorspace::YCCK => PixelFormat::CMYK,
        _ => PixelFormat::RGB,
    };
    check_size(limits, small.width as u64, small.height as u64, 8)?;
    let mut pixels = vec![0; small.width * small.height * format.size()];
    let decoded = decompressor.decompress(
        bytes,
        Image {
            pixels: &mut pixels[..],
            width: small.width,
            pitch: small.width * format.size(),
            height: small.height,
            format,
        },
    );
    if let Err(error) = decoded {
        let message = error.to_string();
        // Stray bytes between segments harm nothing, as long as the end is there.
        if !message.contains("extraneous bytes before marker") || !has_end(bytes) {
            return Err(failure(bytes, &message));
        }
    }
    if format == PixelFormat::CMYK {
        pixels = cmyk_to_rgb(&pixels, markers.adobe);
    }
    let mut facts = Facts::new(MediaType::Image, "image/jpeg", width as u32, height as u32);
    if let Some(raw) = markers.exif {
        exif::read_into(&mut facts, raw);
    }
    let picture = Picture {
        width: small.width,
        height: small.height,
        rgb: pixels,
    };
    Ok((facts, picture))
}

/// Without a colour profile the usual approximation; Adobe stores the inks inverted.
fn cmyk_to_rgb(cmyk: &[u8], inverted: bool) -> Vec<u8> {
    let light = |v: u8| u32::from(if inverted { v } else { 255 - v });
    cmyk.as_chunks::<4>()
        .0
        .iter()
        .flat_map(|&[c, m, y, k]| [c, m, y].map(|ink| (light(ink) * light(k) / 255) as u8))
        .collect()
}

/// Whether an end-of-image marker stands in the file's last 64 KiB (some
/// cameras append data after it).
fn has_end(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(1 << 16)..];
    tail.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}

/// libjpeg's words told apart: cut off, unsupported, or broken.
fn failure(bytes: &[u8], message: &str) -> MediaFailure {
    let reason = if message.contains("precision") || message.contains("not implemented") {
        Reason::MediaTypeUnknown
    } else if message.contains("Premature end of JPEG file") || !has_end(bytes) {
        Reason::MediaTruncated
    } else {
        Reason::MediaCorrupt
    };
    MediaFailure::new(reason, message)
}
