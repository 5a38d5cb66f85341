//! Videos in and out: decoded frames as shown, encoded clips.
//!
//! [`Decoder`] reads a hostile file: it is opened as one of the containers that `ingest` opens,
//! within [`Limits`], and its frames come as a person would see them: turned upright, with square
//! pixels, as full-range RGB by the matrix and range that the stream states. Interlaced pictures
//! stay woven, HDR is not tone-mapped. [`Encoder`] writes the same bytes for the same frames.

mod decode;
mod encode;

use fairframe_ingest::media::MediaFailure;
use fairframe_schemas::source::MediaLimits;
use serde::{Deserialize, Serialize};

use crate::{face::Rgb, item::Refusal};

pub use decode::Decoder;
pub use encode::{Codec, Encoded, Encoder, Library, Pixels, X264, libraries};

/// What a video may ask of this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Pixels (of one frame), duration, memory.
    pub media: MediaLimits,
    pub max_frames: u64,
    /// Packets that do not decode, and frames that decode with errors.
    pub max_damaged: u64,
    /// Decoding threads; frames do not depend on it.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            media: MediaLimits::default(),
            max_frames: 1_000_000,
            max_damaged: 0,
            threads: 1,
        }
    }
}

/// What a video is, before a frame is decoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// As shown: square pixels, upright.
    pub width: u32,
    pub height: u32,
    pub timing: Timing,
    /// Frames to be shown, as the container has them.
    pub frames: u64,
    pub duration_s: f64,
    /// FFmpeg's name, e.g. `h264`.
    pub codec: String,
    /// FFmpeg's name, e.g. `yuv420p10le`.
    pub pixel_format: String,
    /// Whether luma uses all values, rather than 16 to 235 (of 255).
    pub full_range: bool,
    /// EXIF's 1 to 8: how the stored picture is turned to be shown.
    pub orientation: u8,
}

/// When frames are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Frames a second on average, exactly: numerator and denominator.
    pub rate: (u32, u32),
    /// The time between frames varies.
    pub variable: bool,
}

impl Timing {
    pub fn constant(numerator: u32, denominator: u32) -> Self {
        Self {
            rate: (numerator, denominator),
            variable: false,
        }
    }

    /// Frames a second.
    pub fn per_second(self) -> f64 {
        f64::from(self.rate.0) / f64::from(self.rate.1)
    }
}

/// One decoded frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Among all frames in the order of showing, from 0.
    pub index: u64,
    /// Seconds after the first frame.
    pub time_s: f64,
    pub rgb: Rgb,
}

impl From<MediaFailure> for Refusal {
    fn from(failure: MediaFailure) -> Self {
        Self::new(failure.reason, failure.message)
    }
}
