//! `[corpus.swap]`: how fakes are made, and which are refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How fakes are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SwapRule {
    /// Methods by name; every pair is made by each.
    pub methods: Vec<String>,
}

impl Default for SwapRule {
    fn default() -> Self {
        Self {
            methods: vec!["face-swap".to_owned()],
        }
    }
}
