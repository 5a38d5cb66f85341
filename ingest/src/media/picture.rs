//! Decoded pixels: making them small, turning them upright, writing a thumbnail.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use fairframe_schemas::Reason;
use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};
use turbojpeg::{Compressor, PixelFormat, Subsamp};

use super::{DescribeError, Facts, MediaFailure, THUMBNAIL_QUALITY, perceptual_hash, quality};

/// RGB, 8 bits a channel, rows without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// Longer side of the picture that is hashed, whatever the size of thumbnails.
pub const HASH_SIDE: u32 = 256;

/// Fits `width` x `height` into a square of `side` without enlarging; no side becomes 0.
pub fn fit(width: usize, height: usize, side: u32) -> (usize, usize) {
    let side = side as usize;
    let longer = width.max(height);
    if longer <= side {
        return (width, height);
    }
    let scaled = |length: usize| ((length * side + longer / 2) / longer).max(1);
    (scaled(width), scaled(height))
}

/// RGB of 8 bits a channel, `from` (width, height) made `to`; why not, where the bytes are fewer.
///
/// All resizing goes through here: what the library resizes with is compiled anew for each place
/// that asks for it, and for every kind of pixel where the kind is not named.
pub fn resize_rgb(
    rgb: &[u8],
    from: (u32, u32),
    to: (u32, u32),
    filter: FilterType,
) -> Result<Vec<u8>, String> {
    let view = TypedImageRef::<U8x3>::from_buffer(from.0, from.1, rgb);
    let view = view.map_err(|e| e.to_string())?;
    let mut resized = vec![0; 3 * to.0 as usize * to.1 as usize];
    let mut into =
        TypedImage::<U8x3>::from_buffer(to.0, to.1, &mut resized).map_err(|e| e.to_string())?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new()
        .resize_typed(&view, &mut into, &options)
        .map_err(|e| e.to_string())?;
    Ok(resized)
}

impl Picture {
    /// Averaged down to `width` x `height` (Hamming window: as sharp as bicubic, at the cost of bilinear).
    pub fn resized(&self, width: usize, height: usize) -> Result<Picture, MediaFailure> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let from = (self.width as u32, self.height as u32);
        let to = (width as u32, height as u32);
        let rgb = resize_rgb(&self.rgb, from, to, FilterType::Hamming).map_err(|e| {
            MediaFailure::new(
                Reason::MediaCorrupt,
                format!("the picture cannot be resized: {e}"),
            )
        })?;
        Ok(Picture { width, height, rgb })
    }

    /// Turned upright, by EXIF orientation (TIFF 6.0, tag 274): 1 is upright.
    pub fn upright(self, orientation: u8) -> Picture {
        let (w, h) = (self.width, self.height);
        let (width, height) = if orientation >= 5 { (h, w) } else { (w, h) };
        // Where the pixel shown at (x, y) is stored.
        let stored = |x: usize, y: usize| match orientation {
            2 => (w - 1 - x, y),
            3 => (w - 1 - x, h - 1 - y),
            4 => (x, h - 1 - y),
            5 => (y, x),
            6 => (y, h - 1 - x),
            7 => (w - 1 - y, h - 1 - x),
            8 => (w - 1 - y, x),
            _ => (x, y),
        };
        if !(2..=8).contains(&orientation) {
            return self;
        }
        let mut rgb = Vec::with_capacity(self.rgb.len());
        for y in 0..height {
            for x in 0..width {
                let (sx, sy) = stored(x, y);
                let at = (sy * w + sx) * 3;
                rgb.extend_from_slice(&self.rgb[at..at + 3]);
            }
        }
        Picture { width, height, rgb }
    }
}

/// Hashes the decoded picture and writes its thumbnail; both upright.
pub fn finish(
    facts: &mut Facts,
    decoded: Picture,
    thumbnail: Option<&Path>,
    side: u32,
) -> Result<(), DescribeError> {
    let (w, h) = fit(decoded.width, decoded.height, HASH_SIDE);
    let hashed = decoded.resized(w, h)?.upright(facts.orientation);
    facts.perceptual_hash = perceptual_hash(&hashed.rgb, hashed.width, hashed.height);
    let (width, height) = fit(decoded.width, decoded.height, quality::SIDE);
    let quality = quality::measure(&decoded.resized(width, height)?.rgb, width);
    (facts.sharpness, facts.luminance) = (quality.sharpness, quality.luminance);
    if let Some(path) = thumbnail.filter(|_| side > 0) {
        let shown = match fit(decoded.width, decoded.height, side) {
            size if size == (w, h) => hashed,
            (w, h) => decoded.resized(w, h)?.upright(facts.orientation),
        };
        write_thumbnail(path, &shown)?;
    }
    Ok(())
}

/// Writes to a temporary name beside `path`, then renames. Not flushed to the
/// disk: a thumbnail is made again from the media at any time, and flushing
/// one by one would cost more than decoding.
fn write_thumbnail(path: &Path, picture: &Picture) -> Result<(), DescribeError> {
    let jpeg = encode(picture).map_err(|e| {
        MediaFailure::new(
            Reason::MediaCorrupt,
            format!("the thumbnail cannot be encoded: {e}"),
        )
    })?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary: PathBuf = path.with_file_name(name);
    let written = (|| {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        File::create(&temporary)?.write_all(&jpeg)?;
        std::fs::rename(&temporary, path)
    })();
    written.map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        DescribeError::machine(path, &e)
    })
}

fn encode(picture: &Picture) -> turbojpeg::Result<Vec<u8>> {
    let mut compressor = Compressor::new()?;
    compressor.set_quality(THUMBNAIL_QUALITY)?;
    compressor.set_subsamp(Subsamp::Sub2x2)?;
    compressor.compress_to_vec(turbojpeg::Image {
        pixels: &picture.rgb[..],
        width: picture.width,
        pitch: picture.width * 3,
        height: picture.height,
        format: PixelFormat::RGB,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_keep_their_shape() {
        assert_eq!(fit(1600, 1200, 256), (256, 192));
        assert_eq!(fit(1200, 1600, 256), (192, 256));
        assert_eq!(fit(100, 50, 256), (100, 50));
        assert_eq!(fit(100_000, 1, 256), (256, 1));
    }

    #[test]
    fn all_eight_orientations() {
        // Shown upright:  1 2 3
        //                 4 5 6
        let shown: [u8; 6] = [1, 2, 3, 4, 5, 6];
        let stored: [(u8, usize, usize, [u8; 6]); 8] = [
            (1, 3, 2, [1, 2, 3, 4, 5, 6]),
            (2, 3, 2, [3, 2, 1, 6, 5, 4]),
            (3, 3, 2, [6, 5, 4, 3, 2, 1]),
            (4, 3, 2, [4, 5, 6, 1, 2, 3]),
            (5, 2, 3, [1, 4, 2, 5, 3, 6]),
            (6, 2, 3, [3, 6, 2, 5, 1, 4]),
            (7, 2, 3, [6, 3, 5, 2, 4, 1]),
            (8, 2, 3, [4, 1, 5, 2, 6, 3]),
        ];
        let grey = |values: &[u8]| values.iter().flat_map(|v| [*v; 3]).collect::<Vec<u8>>();
        for (orientation, width, height, values) in stored {
            let picture = Picture {
                width,
                height,
                rgb: grey(&values),
            };
            let upright = picture.upright(orientation);
            assert_eq!((upright.width, upright.height), (3, 2), "{orientation}");
            assert_eq!(upright.rgb, grey(&shown), "{orientation}");
        }
    }
}
