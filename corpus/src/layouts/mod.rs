//! Layouts: a released corpus as other corpora are laid out, and such folders read back as rows.
//!
//! Each layout is one file that says where a clip stands and what lists go with it, and reads
//! both. Names from outside are hostile: `tree` judges them and follows no link.

mod deepfakebench;
mod dfdc;
mod faceforensics;
mod released;
mod table;
mod tree;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use fairframe_ingest::{manifest::ManifestError, recall::RecallError, source::SourceError};
use fairframe_schemas::{
    Layout, SampleId,
    corpus::{ClipLabel, ClipRow},
};
use parquet::errors::ParquetError;

pub use released::{Clip, released};
pub use table::{csv, parquet};

/// How a corpus is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// FaceForensics++ and DeepFakeDetection: folders and names tell all.
    FaceForensics,
    /// DFDC: one folder and `metadata.json`.
    Dfdc,
    /// DeepfakeBench: a JSON list over FaceForensics' folders.
    DeepfakeBench,
    /// `clips.parquet` beside the media.
    Parquet,
}

impl Form {
    pub const ALL: [Form; 4] = [
        Form::FaceForensics,
        Form::Dfdc,
        Form::DeepfakeBench,
        Form::Parquet,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Form::FaceForensics => "faceforensics",
            Form::Dfdc => "dfdc",
            Form::DeepfakeBench => "deepfakebench",
            Form::Parquet => "parquet",
        }
    }

    /// Where each clip goes (`None`: the layout has no place for it), and the lists.
    fn lay(self, dataset: &str, clips: &[Clip]) -> Result<Laid, LayoutError> {
        match self {
            Form::FaceForensics => faceforensics::lay(clips),
            Form::Dfdc => dfdc::lay(clips),
            Form::DeepfakeBench => deepfakebench::lay(dataset, clips),
            Form::Parquet => table::lay(clips),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No layout we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of `faceforensics`, `dfdc`, `deepfakebench`, `parquet`")]
pub struct UnknownForm(String);

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        let mut all = Form::ALL.into_iter();
        all.find(|f| f.as_str() == text)
            .ok_or_else(|| UnknownForm(text.to_owned()))
    }
}

/// Why a corpus cannot be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Recall(#[from] RecallError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{}: {error}", path.display())]
    Parquet { path: PathBuf, error: ParquetError },
    #[error("{}: it is there and not empty; name a new folder", .0.display())]
    NotEmpty(PathBuf),
    #[error("sample {sample}: {problem}; {remedy}")]
    Sample {
        sample: SampleId,
        problem: String,
        remedy: &'static str,
    },
    #[error("`{one}` and `{other}` would both be called `{name}`; rename one of them")]
    Ambiguous {
        one: String,
        other: String,
        name: String,
    },
    #[error("two clips would stand at `{0}`")]
    Twice(String),
    #[error("the release has no clips of a corpus")]
    NoClips,
    #[error("{}: {problem}; {remedy}", path.display())]
    Tree {
        path: PathBuf,
        problem: String,
        remedy: &'static str,
    },
}

/// A layout before it is written.
#[derive(Debug, Default)]
struct Laid {
    /// As many as there are clips.
    rows: Vec<Option<ClipRow>>,
    /// Name and bytes.
    lists: Vec<(String, Vec<u8>)>,
}

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    pub real: u64,
    pub fake: u64,
    pub masks: u64,
    /// Clips that the layout has no place for.
    pub left_out: u64,
    /// Accepted rows that were withdrawn since the release.
    pub recalled: u64,
    /// Clips whose media are not in the store.
    pub missing: Vec<SampleId>,
    #[serde(skip)]
    pub rows: Vec<ClipRow>,
}

/// How media come into an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// As hard links to the store where that is possible: no space, but one file. Whoever
    /// writes into it changes the store.
    Link,
    Copy,
}

/// Lays out a release in the folder `to`, which appears whole. Rows that are not accepted, or
/// were withdrawn since, stay out.
pub fn export(
    layout: &Layout,
    release: &Path,
    form: Form,
    to: &Path,
    media: Media,
) -> Result<Exported, LayoutError> {
    tree::check_free(to)?;
    let found = released(layout, release)?;
    if found.clips.is_empty() && found.recalled == 0 {
        return Err(LayoutError::NoClips);
    }
    let (there, missing): (Vec<Clip>, Vec<Clip>) =
        found.clips.into_iter().partition(|c| c.media.is_file());
    let laid = form.lay(&found.dataset, &there)?;
    let mut names = BTreeSet::new();
    for row in laid.rows.iter().flatten() {
        if !names.insert(row.file.as_str()) {
            return Err(LayoutError::Twice(row.file.clone()));
        }
    }
    let made = tree::Making::begin(to)?;
    let mut exported = Exported {
        recalled: found.recalled,
        missing: missing.iter().map(|c| c.sample).collect(),
        ..Exported::default()
    };
    for (clip, row) in there.iter().zip(laid.rows) {
        let Some(row) = row else {
            exported.left_out += 1;
            continue;
        };
        made.place(&clip.media, &row.file, media)?;
        match row.label {
            ClipLabel::Real => exported.real += 1,
            ClipLabel::Fake => exported.fake += 1,
            ClipLabel::Mask => exported.masks += 1,
        }
        exported.rows.push(row);
    }
    for (name, bytes) in laid.lists {
        made.write(&name, &bytes)?;
    }
    made.finish()?;
    exported.rows.sort();
    Ok(exported)
}

/// What was read from a folder of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// By file.
    pub rows: Vec<ClipRow>,
    /// Rows of lists whose file is not there.
    pub missing: u64,
    /// Files that stand where no clip stands in this layout.
    pub unknown: Vec<String>,
}

/// Reads a folder, or for [`Form::Parquet`] also a table, as rows.
pub fn import(form: Form, from: &Path) -> Result<Imported, LayoutError> {
    let mut imported = match form {
        Form::FaceForensics => faceforensics::read(from),
        Form::Dfdc => dfdc::read(from),
        Form::DeepfakeBench => deepfakebench::read(from),
        Form::Parquet => table::read(from),
    }?;
    imported.rows.sort();
    Ok(imported)
}
