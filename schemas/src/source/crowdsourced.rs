//! `[crowdsourced]`: a drop of contributions.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A drop of contributions: a folder, zip or tar with a table and media.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crowdsourced {
    /// Folder, `.zip`, `.tar`, `.tar.gz` or `.tar.zst`, relative to the `source.toml`.
    pub path: PathBuf,
    /// The table inside the drop; found by its usual names when absent.
    pub table: Option<PathBuf>,
    /// Consent records (`*.json`) inside the drop.
    #[serde(default = "super::consents_folder")]
    pub consents: PathBuf,
    #[serde(default)]
    pub form: CrowdForm,
    /// Attributions beside an Inclusive Images label file (`image_id,source`).
    pub attributions: Option<PathBuf>,
    /// Text encoding of the table, e.g. `windows-1252`; UTF-8 when absent.
    pub encoding: Option<String>,
    /// Licence of rows that state none.
    pub licence: Option<String>,
    /// Renames columns: ours = theirs.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// People contribute on the server's pages.
    pub contribute: Option<super::Contribute>,
}

/// The shape of a drop's table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrowdForm {
    /// `file, contributor, consent, licence, country, latitude, longitude, labels, captured_at, ...`
    #[default]
    Contributions,
    /// Kaggle Inclusive Images: `image_id,labels`, with or without a header row.
    InclusiveImages,
}
