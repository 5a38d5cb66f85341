//! `[corpus.compress]`: the qualities every clip, real or fake, is written in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressRule {
    pub rungs: Vec<Rung>,
}

/// One quality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// E.g. `c23`; a part of file names.
    pub name: String,
    /// Of libx264: 0 (lossless) to 51.
    pub crf: u8,
}

impl Default for CompressRule {
    fn default() -> Self {
        let rung = |name: &str, crf| Rung {
            name: name.to_owned(),
            crf,
        };
        Self {
            rungs: vec![rung("c0", 0), rung("c23", 23), rung("c40", 40)],
        }
    }
}
