//! What is written down of a corpus while it is made.

pub mod clip;
pub mod frame;
pub mod pair;
pub mod quality;
mod table;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use clip::{ClipColumn, ClipLabel, ClipRow};
pub use frame::{FrameColumn, FrameRow};
pub use pair::{PairRow, Pairing};
pub use quality::{QUALITY, QualityColumn, QualityRow};

use crate::{Digest, Sample};

/// The file of a corpus's folder that holds a [`ClipLine`] a line.
pub const CLIPS: &str = "clips.jsonl";

/// A sample of the release to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipLine {
    /// Its media, below the corpus's folder; none where nothing was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    pub sample: Sample,
}
