//! `[corpus]`: real and fake clips made from the videos of consenting actors.

mod compress;
mod frame;
mod pair;
mod swap;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use compress::{CompressRule, Rung, RungPixels, RungPreset};
pub use frame::{Crops, FrameRule, Sampling};
pub use pair::{MAX_PAIRS, PairRule, Scenes};
pub use swap::{ExternalMethod, FACE_SWAP, SwapRule};

/// A deepfake corpus: its samples are made, not found. What is made stands below
/// `corpora/<dataset>/`; an ingest of this source releases it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// The `source.toml` of the actors' videos and consents, relative to this one. The
    /// newest release of its dataset is what pairs are drawn from.
    pub actors: PathBuf,
    #[serde(default)]
    pub pair: PairRule,
    #[serde(default)]
    pub frame: FrameRule,
    #[serde(default)]
    pub swap: SwapRule,
    #[serde(default)]
    pub compress: CompressRule,
}
