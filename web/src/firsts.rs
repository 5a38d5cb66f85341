//! The first rows of releases, for the pictures at the head of their pages: read once, as releases do
//! not change.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use fairframe_ingest::manifest::{ManifestError, ReleaseReader};
use fairframe_schemas::Digest;

/// Rows read of a release: not all have a picture that may be shown.
const ROWS: u64 = 32;

/// Releases kept.
const KEPT: usize = 256;

/// A row that has media.
#[derive(Debug, Clone)]
pub struct First {
    pub digest: Digest,
    /// Its id where it has none.
    pub title: String,
}

type Held = VecDeque<(PathBuf, Arc<[First]>)>;

#[derive(Default)]
pub struct Firsts {
    held: Mutex<Held>,
}

impl Firsts {
    /// Of the release in that folder; where it is not held yet, this reads files.
    ///
    /// # Errors
    /// Where the release cannot be read.
    pub fn of(&self, folder: &Path) -> Result<Arc<[First]>, ManifestError> {
        let held = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = held().iter().find(|(own, _)| own == folder) {
            return Ok(found.clone());
        }
        let rows = ReleaseReader::open(folder)?.slice(0, ROWS)?.into_iter();
        let first = rows.filter_map(|sample| {
            Some(First {
                digest: sample.media_sha256?,
                title: sample.title.unwrap_or_else(|| sample.sample_id.to_string()),
            })
        });
        let found: Arc<[First]> = first.collect();
        let mut held = held();
        held.push_front((folder.to_owned(), found.clone()));
        held.truncate(KEPT);
        Ok(found)
    }
}
