//! Removing what a list names from a folder that somebody keeps.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use fairframe_schemas::{Digest, SampleId, recall::RecallList, release::Summary};

use super::RecallError;
use crate::digest;

/// What applying a recall list did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Recalled {
    pub removed: Vec<PathBuf>,
    /// Recalled samples of which the copy holds nothing.
    pub absent: u64,
}

/// Removes from a downloaded copy every file named after a recalled sample
/// (`<sample_id>.<ext>`) or recalled bytes (`<sha256>.<ext>`), or holding such bytes. Links
/// are not followed. With `dry_run` nothing is removed.
pub fn apply(copy: &Path, list: &RecallList, dry_run: bool) -> Result<Recalled, RecallError> {
    apply_knowing(copy, list, dry_run, &|_| None)
}

/// As [`apply`], without reading files whose digest is already known.
pub fn apply_knowing(
    copy: &Path,
    list: &RecallList,
    dry_run: bool,
    known: &dyn Fn(&Path) -> Option<Digest>,
) -> Result<Recalled, RecallError> {
    if let Ok(text) = fs::read_to_string(copy.join("summary.json"))
        && let Ok(summary) = serde_json::from_str::<Summary>(&text)
        && summary.dataset != list.dataset
    {
        let (list, copy) = (list.dataset.clone(), summary.dataset);
        return Err(RecallError::OtherDataset { list, copy });
    }
    let ids: BTreeMap<String, SampleId> = list
        .entries
        .iter()
        .map(|e| (e.sample_id.to_string(), e.sample_id))
        .collect();
    let digests: BTreeMap<Digest, SampleId> = list
        .entries
        .iter()
        .filter_map(|e| Some((e.media_sha256?, e.sample_id)))
        .collect();
    let mut done = Recalled::default();
    let mut found = BTreeSet::new();
    let mut folders = vec![copy.to_owned()];
    while let Some(folder) = folders.pop() {
        let wrap = |error| RecallError::Io {
            path: folder.clone(),
            error,
        };
        let mut entries: Vec<fs::DirEntry> = fs::read_dir(&folder)
            .map_err(wrap)?
            .collect::<io::Result<_>>()
            .map_err(wrap)?;
        entries.sort_by_key(fs::DirEntry::path);
        for entry in entries {
            let kind = entry.file_type().map_err(wrap)?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            if !kind.is_file() {
                continue;
            }
            let stem = path.file_stem().and_then(|s| s.to_str());
            let named = stem.and_then(|s| ids.get(s).copied());
            let by_digest = stem.and_then(|s| digests.get(&s.parse().ok()?).copied());
            let id = match named.or(by_digest) {
                Some(id) => Some(id),
                None if digests.is_empty() => None,
                None => {
                    let digest = match known(&path) {
                        Some(digest) => digest,
                        None => {
                            let read = digest::of_file(&path);
                            read.map_err(|error| RecallError::Io {
                                path: path.clone(),
                                error,
                            })?
                            .0
                        }
                    };
                    digests.get(&digest).copied()
                }
            };
            if let Some(id) = id {
                if !dry_run {
                    fs::remove_file(&path).map_err(|error| RecallError::Io {
                        path: path.clone(),
                        error,
                    })?;
                }
                found.insert(id);
                done.removed.push(path);
            }
        }
    }
    done.removed.sort();
    done.absent = (ids.len() - found.len()) as u64;
    Ok(done)
}
