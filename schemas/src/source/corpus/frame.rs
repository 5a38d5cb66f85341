//! `[corpus.frame]`: which frames are looked at, and how faces are cut out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How faces are found and cropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FrameRule {
    /// Side of a crop in pixels.
    pub size: u32,
    /// Side of the crop as a multiple of the face's box.
    pub margin: f64,
}

impl Default for FrameRule {
    fn default() -> Self {
        Self {
            size: 299,
            margin: 1.3,
        }
    }
}
