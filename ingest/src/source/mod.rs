//! Where samples come from. One origin, one file.
//!
//! A source *lists*: it says which samples there are and what upstream says of
//! each. It fetches no media. Listing goes batch by batch; with each batch
//! comes a **checkpoint**, a small JSON value from which a new process can go
//! on. The run commits a batch and its checkpoint in one journal transaction,
//! so after `kill -9` a sample is listed **exactly once**: either batch and
//! checkpoint are both there, or the batch is asked for again. A source must
//! therefore answer the same checkpoint with the same batch wherever upstream
//! still does; a sample listed again (a moved page, a changed category)
//! replaces its earlier row, by sample id.

mod declared;
mod drop;
mod pattern;

pub mod actors;
pub mod corpus;
pub mod crowdsourced;
pub mod wikimedia;

use std::path::{Path, PathBuf};

use fairframe_schemas::{Digest, Layout, Sample, SourceToml};
use serde::{Deserialize, Serialize};

use crate::http::Http;

/// One sample as its source lists it: nothing is fetched or judged yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// What upstream says, in the manifest's terms. Problems found while
    /// listing are already among its reasons.
    pub sample: Sample,
    pub media: MediaRef,
    pub expected: Expected,
}

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaRef {
    /// A record without media.
    None,
    Url(String),
    /// A file below the drop's root; opened without following links out of it.
    File {
        root: PathBuf,
        path: PathBuf,
    },
    /// A member of a zip or tar drop.
    Member {
        archive: PathBuf,
        name: String,
    },
}

/// What the source says the bytes will be; checked after fetching.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    pub sha1: Option<String>,
    pub sha256: Option<Digest>,
    pub bytes: Option<u64>,
    /// Of a file of a drop: what tells this state of it from another. Where it
    /// changes, the file is read again. It is not checked.
    pub state: Option<String>,
}

/// Samples, and where to go on after them.
#[derive(Debug, Clone)]
pub struct Batch {
    pub listed: Vec<Listed>,
    pub checkpoint: serde_json::Value,
    /// What whoever runs the ingest should know of the listing, with a remedy.
    pub messages: Vec<String>,
}

/// Longest `description`, in characters; longer ones are cut and end in `…`.
pub const MAX_DESCRIPTION: usize = 4_000;

/// What a sample shows, in its source's words, bounded; `None` when it is empty.
fn description(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| cut(text, MAX_DESCRIPTION))
}

/// At most so many characters, and `…` where there were more.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Why a source cannot be listed. A bad *sample* is not an error: it is a row
/// with a reason.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Names file, row (1 = first line of the file), column and remedy.
    #[error("{file}{}{}: {problem}; {remedy}",
        row.map(|r| format!(", row {r}")).unwrap_or_default(),
        column.as_ref().map(|c| format!(", column `{c}`")).unwrap_or_default(),
        file = file.display())]
    Table {
        file: PathBuf,
        row: Option<u64>,
        column: Option<String>,
        problem: String,
        remedy: String,
    },
    #[error("{url}: {problem}; {remedy}")]
    Api {
        url: String,
        problem: String,
        remedy: String,
    },
    #[error("{}: {error}", path.display())]
    Io {
        path: PathBuf,
        error: std::io::Error,
    },
}

/// A source that can be listed.
#[allow(async_fn_in_trait)]
pub trait Source {
    /// The batch after `checkpoint` (`None`: from the start), or `None` at the end.
    async fn next(
        &mut self,
        checkpoint: Option<&serde_json::Value>,
    ) -> Result<Option<Batch>, SourceError>;
}
/// A source of any kind.
pub enum AnySource {
    Wikimedia(Box<wikimedia::WikimediaSource>),
    Crowdsourced(Box<crowdsourced::CrowdsourcedSource>),
    Actors(Box<actors::ActorsSource>),
    Corpus(Box<corpus::CorpusSource>),
}

impl AnySource {
    /// Opens what a `source.toml` in `folder` declares; a corpus stands in the data folder.
    pub fn open(
        toml: &SourceToml,
        folder: &Path,
        layout: &Layout,
        http: &Http,
    ) -> Result<Self, SourceError> {
        Ok(if toml.wikimedia.is_some() {
            let source = wikimedia::WikimediaSource::new(toml, folder, http.clone())?;
            Self::Wikimedia(Box::new(source))
        } else if toml.actors.is_some() {
            Self::Actors(Box::new(actors::ActorsSource::open(toml, folder)?))
        } else if toml.corpus.is_some() {
            let source = corpus::CorpusSource::open(toml, folder, layout)?;
            Self::Corpus(Box::new(source))
        } else {
            Self::Crowdsourced(Box::new(crowdsourced::CrowdsourcedSource::open(
                toml, folder,
            )?))
        })
    }

    /// Consent records that come with the source: name and bytes.
    pub fn consents(&self) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        match self {
            Self::Wikimedia(_) => Ok(Vec::new()),
            Self::Crowdsourced(source) => source.consents(),
            Self::Actors(source) => source.consents(),
            Self::Corpus(source) => source.consents(),
        }
    }
}

impl Source for AnySource {
    async fn next(
        &mut self,
        checkpoint: Option<&serde_json::Value>,
    ) -> Result<Option<Batch>, SourceError> {
        match self {
            Self::Wikimedia(source) => source.next(checkpoint).await,
            Self::Crowdsourced(source) => source.next(checkpoint).await,
            Self::Actors(source) => source.next(checkpoint).await,
            Self::Corpus(source) => source.next(checkpoint).await,
        }
    }
}

#[cfg(test)]
mod drop_tests;
