//! Pictures: what they are and how they look.

use std::{io::Cursor, path::Path};

use fairframe_schemas::{MediaType, Reason, source::MediaLimits};
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
};

use super::{
    DescribeError, Facts, MediaFailure, c2pa, check_size, exif, jpeg,
    picture::{self, Picture},
    sniff::Kind,
};

/// Describes a picture held in memory.
pub fn describe(
    bytes: &[u8],
    kind: Kind,
    thumbnail: Option<&Path>,
    limits: &MediaLimits,
) -> Result<Facts, DescribeError> {
    let (mut facts, decoded, jumbf) = if kind == Kind::Jpeg {
        let markers = jpeg::markers(bytes);
        let (facts, decoded) = jpeg::decode(bytes, limits, &markers)?;
        (facts, decoded, markers.jumbf)
    } else {
        let (facts, decoded) = decode(bytes, kind, limits)?;
        (facts, decoded, c2pa::may_be_in(bytes))
    };
    if facts.animated && !limits.allow_animated {
        facts.reasons.push(Reason::MediaAnimated);
    }
    if jumbf {
        facts.c2pa_opt_out = c2pa::opt_outs(&facts.mime, Cursor::new(bytes));
    }
    picture::finish(&mut facts, decoded, thumbnail, limits.thumbnail)?;
    facts.reasons.sort_unstable();
    Ok(facts)
}

/// All formats but JPEG.
fn decode(
    bytes: &[u8],
    kind: Kind,
    limits: &MediaLimits,
) -> Result<(Facts, Picture), MediaFailure> {
    let (format, mime) = match kind {
        Kind::Png => (ImageFormat::Png, "image/png"),
        Kind::Gif => (ImageFormat::Gif, "image/gif"),
        Kind::WebP => (ImageFormat::WebP, "image/webp"),
        Kind::Tiff => (ImageFormat::Tiff, "image/tiff"),
        _ => (ImageFormat::Bmp, "image/bmp"),
    };
    let failed = |e: ImageError| failure(bytes, kind, &e);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut allowed = Limits::default();
    allowed.max_alloc = Some((limits.memory_mb << 20) / 4 * 3);
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let depth = u64::from(decoder.color_type().bytes_per_pixel());
    // Decoded, once more as RGB, and the decoder's own copy.
    check_size(limits, width.into(), height.into(), depth * 2 + 3)?;

    let mut facts = Facts::new(MediaType::Image, mime, width, height);
    facts.animated = animated(bytes, kind);
    let block = match kind {
        // A TIFF file is its own EXIF block; only its first bytes are looked at if it is large.
        Kind::Tiff if bytes.len() <= exif::MAX_BYTES => Some(bytes.to_vec()),
        Kind::Tiff => {
            facts.orientation = decoder.orientation().map_or(1, |o| o.to_exif());
            if facts.orientation >= 5 {
                std::mem::swap(&mut facts.width, &mut facts.height);
            }
            None
        }
        _ => decoder.exif_metadata().ok().flatten(),
    };
    if let Some(block) = block {
        exif::read_into(
            &mut facts,
            block.strip_prefix(b"Exif\0\0").unwrap_or(&block),
        );
    }
    let decoded = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let picture = Picture {
        width: width as usize,
        height: height as usize,
        rgb: on_white(decoded),
    };
    Ok((facts, picture))
}

/// RGB with 8 bits a channel; what shines through is white.
fn on_white(decoded: DynamicImage) -> Vec<u8> {
    if !decoded.color().has_alpha() {
        return decoded.into_rgb8().into_raw();
    }
    let rgba = decoded.into_rgba8().into_raw();
    rgba.as_chunks::<4>()
        .0
        .iter()
        .flat_map(|&[r, g, b, a]| {
            let a = u32::from(a);
            [r, g, b].map(|v| ((u32::from(v) * a + 255 * (255 - a) + 127) / 255) as u8)
        })
        .collect()
}

/// Whether a GIF or WebP has a second frame, or a PNG an animation chunk.
fn animated(bytes: &[u8], kind: Kind) -> bool {
    let cursor = Cursor::new(bytes);
    match kind {
        Kind::Gif => GifDecoder::new(cursor)
            .is_ok_and(|gif| gif.into_frames().take(2).filter(Result::is_ok).count() > 1),
        Kind::WebP => WebPDecoder::new(cursor).is_ok_and(|webp| webp.has_animation()),
        Kind::Png => PngDecoder::new(cursor).is_ok_and(|png| png.is_apng().unwrap_or(false)),
        _ => false,
    }
}

/// A decoder's error told apart: too large, unsupported, cut off, or broken.
fn failure(bytes: &[u8], kind: Kind, error: &ImageError) -> MediaFailure {
    let reason = match error {
        ImageError::Limits(_) => Reason::MediaTooLarge,
        ImageError::Unsupported(_) => Reason::MediaTypeUnknown,
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            Reason::MediaTruncated
        }
        _ if cut_off(bytes, kind) => Reason::MediaTruncated,
        _ => Reason::MediaCorrupt,
    };
    MediaFailure::new(reason, error.to_string())
}

/// Whether the format's own end or length says that bytes are missing.
fn cut_off(bytes: &[u8], kind: Kind) -> bool {
    let length_at = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|b| b.first_chunk::<4>())
            .map_or(0, |b| u64::from(u32::from_le_bytes(*b)))
    };
    let tail = &bytes[bytes.len().saturating_sub(4096)..];
    match kind {
        Kind::Png => !tail.windows(4).any(|w| w == b"IEND"),
        Kind::Gif => !tail.ends_with(&[0x3b]),
        Kind::WebP => length_at(4) + 8 > bytes.len() as u64,
        Kind::Bmp => length_at(2) > bytes.len() as u64,
        _ => false,
    }
}
