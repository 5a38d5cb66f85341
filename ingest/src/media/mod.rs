//! Describe: what a media file is, decoded in a process of its own.
//!
//! [`Describer`] holds a pool of workers: `fairframe-media` ([`program`]), which
//! runs [`worker_main`]. A hostile file can crash, hang or starve its worker; that
//! costs this one sample.
//!
//! The type is read from the content, never from a name. Pictures: JPEG, PNG,
//! GIF, WebP, TIFF, BMP. Video: MP4/MOV, Matroska/WebM, Ogg, AVI, MPEG, FLV, ASF.

mod c2pa;
pub mod demux;
mod exif;
mod hash;
mod image;
mod jpeg;
mod picture;
mod pool;
pub mod program;
mod quality;
pub(crate) mod sniff;
mod video;
mod worker;

use std::path::{Path, PathBuf};

use fairframe_schemas::{CapturedPrecision, MediaType, Reason, Timestamp, source::MediaLimits};
use serde::{Deserialize, Serialize};

use crate::disk;

pub use fast_image_resize::FilterType;
pub use hash::perceptual_hash;
pub use picture::{Picture, resize_rgb};
pub use pool::Describer;
pub use program::WorkerCommand;
pub use worker::{describe_here, worker_main};

/// Quality of thumbnails (JPEG, 4:2:0).
pub const THUMBNAIL_QUALITY: i32 = 90;

/// What a file is. Everything here was read from its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub media_type: MediaType,
    /// E.g. `image/jpeg`, `video/mp4`.
    pub mime: String,
    /// Pixels as shown: after EXIF orientation; video after pixel aspect and rotation.
    pub width: u32,
    pub height: u32,
    /// EXIF orientation 1 to 8 (video: the rotation in the same terms). 1 when none is stated.
    pub orientation: u8,
    /// A picture of several frames.
    pub animated: bool,
    /// Seconds.
    pub duration_s: Option<f64>,
    /// Frames a second.
    pub frame_rate: Option<f64>,
    /// The same, exactly: numerator and denominator.
    pub frame_rate_ratio: Option<(u32, u32)>,
    /// Whether the time between frames varies.
    pub variable_frame_rate: Option<bool>,
    /// Frames in the container.
    pub frame_count: Option<u64>,
    /// FFmpeg's name, e.g. `h264`.
    pub video_codec: Option<String>,
    pub has_audio: bool,
    /// 64-bit DCT hash of the picture as shown, or of a video's middle frame.
    pub perceptual_hash: Option<u64>,
    /// As `sharpness` and `luminance` of the manifest. Facts that earlier releases wrote lack them.
    #[serde(default)]
    pub sharpness: Option<f64>,
    #[serde(default)]
    pub luminance: Option<f64>,
    pub exif_place: Option<ExifPlace>,
    pub exif_captured_at: Option<ExifTime>,
    /// `c2pa:notAllowed`, `c2pa:constrained`.
    pub c2pa_opt_out: Vec<String>,
    /// Findings that do not make the file unusable, e.g. [`Reason::MediaAnimated`].
    pub reasons: Vec<Reason>,
}

impl Facts {
    pub(crate) fn new(media_type: MediaType, mime: &str, width: u32, height: u32) -> Facts {
        Facts {
            media_type,
            mime: mime.to_owned(),
            width,
            height,
            orientation: 1,
            animated: false,
            duration_s: None,
            frame_rate: None,
            frame_rate_ratio: None,
            variable_frame_rate: None,
            frame_count: None,
            video_codec: None,
            has_audio: false,
            perceptual_hash: None,
            sharpness: None,
            luminance: None,
            exif_place: None,
            exif_captured_at: None,
            c2pa_opt_out: Vec::new(),
            reasons: Vec::new(),
        }
    }
}

/// Where EXIF says that the picture was taken, WGS84 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ExifPlace {
    pub latitude: f64,
    pub longitude: f64,
    /// The stated horizontal error, or what the written digits allow.
    pub precision_m: Option<f64>,
}

/// When EXIF says that the picture was taken. Without a stated offset from
/// UTC, the wall clock is taken as UTC and only the day is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExifTime {
    pub at: Timestamp,
    pub precision: CapturedPrecision,
}

/// Why a file could not be described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct MediaFailure {
    pub reason: Reason,
    pub message: String,
}

impl MediaFailure {
    fn new(reason: Reason, message: impl Into<String>) -> MediaFailure {
        MediaFailure {
            reason,
            message: message.into(),
        }
    }
}

/// Why there are no facts: the file's affair, or this machine's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum DescribeError {
    #[error(transparent)]
    File(#[from] MediaFailure),
    /// The store cannot be read, the thumbnail not written, the decoder not
    /// started: whatever file came would have met it, so it ends the run.
    #[error("{}: {problem}", path.display())]
    Machine { path: PathBuf, problem: String },
}

impl DescribeError {
    fn machine(path: &Path, error: &std::io::Error) -> DescribeError {
        DescribeError::Machine {
            path: path.to_owned(),
            problem: format!("{error}{}", disk::remedy(error)),
        }
    }
}

/// Refuses pictures above the limits from their header alone, before any
/// pixel is decoded: `max_pixels`, and `bytes_a_pixel` of working memory
/// within three quarters of `memory_mb`.
fn check_size(
    limits: &MediaLimits,
    width: u64,
    height: u64,
    bytes_a_pixel: u64,
) -> Result<(), MediaFailure> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 {
        let message = format!("the header states {width} x {height} pixels");
        return Err(MediaFailure::new(Reason::MediaCorrupt, message));
    }
    if pixels > limits.max_pixels {
        let message = format!(
            "{width} x {height} pixels are more than the {} allowed",
            limits.max_pixels
        );
        return Err(MediaFailure::new(Reason::MediaTooLarge, message));
    }
    let budget = (limits.memory_mb << 20) / 4 * 3;
    if pixels.saturating_mul(bytes_a_pixel) > budget {
        let message = format!(
            "decoding {width} x {height} pixels takes more than the {} MB allowed",
            limits.memory_mb
        );
        return Err(MediaFailure::new(Reason::MediaTooLarge, message));
    }
    Ok(())
}
