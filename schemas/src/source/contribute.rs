//! `[crowdsourced.contribute]`: what people may contribute on the server's pages, and the texts
//! they consent to.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::consent::{Party, Processing};

/// Lets people contribute by way of `fairframe serve`. What they give is kept in the folder that
/// `path` names, as a drop whose table is `contributions.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contribute {
    /// What they read before they give anything, as text.
    pub call: String,
    /// SPDX expressions they choose from; the first is proposed.
    pub licences: Vec<String>,
    /// Labels that are proposed; others may be written.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Folder of consent texts, `<version>.toml` each, relative to the `source.toml`; the last by
    /// name is the one in use, the others tell what earlier contributors read.
    #[serde(default = "texts")]
    pub texts: PathBuf,
}

fn texts() -> PathBuf {
    "texts".into()
}

/// A version of the text by which somebody who is shown consents, and what their consent record
/// says with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentText {
    /// What the person reads, in full.
    pub text: String,
    /// For how long it is given, in days; until withdrawn when absent.
    pub days: Option<u32>,
    pub processing: Processing,
    pub parties: Vec<Party>,
}
