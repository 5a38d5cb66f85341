//! `[corpus.pair]`: who is swapped with whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sample::text_enum;

/// How pairs are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PairRule {
    pub seed: u64,
    /// Pairs asked for, each in both directions; all there are when not given.
    pub pairs: Option<u64>,
    pub scenes: Scenes,
}

impl Default for PairRule {
    fn default() -> Self {
        Self {
            seed: 0,
            pairs: None,
            scenes: Scenes::Matched,
        }
    }
}

text_enum! {
    /// Whether both sides of a pair show the same scene.
    Scenes { Matched = "matched", Free = "free", }
}
