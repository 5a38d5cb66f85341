//! `[actors]`: videos of consenting actors.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Videos of consenting actors: a session folder or a list of names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Actors {
    /// The session folder, relative to the `source.toml`.
    pub path: PathBuf,
    /// Pattern of file names with `{subject}`, `{scene}`, `{take}` or any other `{word}`;
    /// DeepFakeDetection's by default.
    #[serde(default = "dfd_pattern")]
    pub pattern: String,
    /// Subjects and their self-reported attributes.
    #[serde(default = "subjects_csv")]
    pub subjects: PathBuf,
    #[serde(default = "scenes_csv")]
    pub scenes: PathBuf,
    #[serde(default = "super::consents_folder")]
    pub consents: PathBuf,
    /// A table `file,subject,...` where names do not say who is shown.
    pub files: Option<PathBuf>,
    /// A list of clips with `path,sha256,size` and no media, as CREMA-D's.
    pub list: Option<PathBuf>,
    /// Column of `subjects` that holds the pseudonym.
    #[serde(default = "subject_column")]
    pub subject_column: String,
    pub licence: Option<String>,
    pub licence_url: Option<String>,
    pub creator: Option<String>,
    /// ISO 3166-1 alpha-2 code of where the session took place.
    pub country: Option<String>,
}

fn dfd_pattern() -> String {
    "{subject}__{scene}".to_owned()
}
fn subjects_csv() -> PathBuf {
    "subjects.csv".into()
}
fn scenes_csv() -> PathBuf {
    "scenes.csv".into()
}
fn subject_column() -> String {
    "subject".to_owned()
}
