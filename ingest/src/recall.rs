//! Withdrawals: the recall list of a release, and applying it to a copy.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    DatasetVersion, Digest, Layout, Name, Reason, Sample, SampleId, Status, Timestamp,
    recall::{RecallEntry, RecallList},
    release::Summary,
};

use crate::{atomic, digest, disk};

/// Collects what a release withdraws, on top of the list before it.
pub struct Withdrawals {
    list: RecallList,
    known: BTreeMap<SampleId, RecallEntry>,
    added: bool,
}

impl Withdrawals {
    pub fn after(dataset: &Name, before: Option<RecallList>) -> Self {
        let list = before.unwrap_or_else(|| RecallList::new(dataset.clone()));
        let known = list
            .entries
            .iter()
            .map(|e| (e.sample_id, e.clone()))
            .collect();
        Self {
            list,
            known,
            added: false,
        }
    }

    /// Notes a withdrawn row; `released` are the bytes that an earlier release named.
    pub fn add(
        &mut self,
        sample: &Sample,
        released: Option<Digest>,
        version: DatasetVersion,
        at: Timestamp,
    ) {
        if sample.status != Status::Withdrawn || self.known.contains_key(&sample.sample_id) {
            return;
        }
        let reason = sample
            .reasons
            .iter()
            .copied()
            .find(|r| r.status() == Status::Withdrawn);
        let entry = RecallEntry {
            sample_id: sample.sample_id,
            media_sha256: released,
            reason: reason.unwrap_or(Reason::Withdrawn),
            withdrawn_in: version,
            at,
        };
        self.known.insert(sample.sample_id, entry);
        self.added = true;
    }

    pub fn list(&self) -> RecallList {
        RecallList {
            dataset: self.list.dataset.clone(),
            recall_version: self.list.recall_version + u64::from(self.added),
            entries: self.known.values().cloned().collect(),
        }
    }
}

/// What applying a recall list did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Recalled {
    pub removed: Vec<PathBuf>,
    /// Entries of which the copy holds nothing.
    pub absent: u64,
}

/// What can go wrong with a recall.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: not a recall list ({error}); name the `recall.json` of a release", path.display())]
    List {
        path: PathBuf,
        error: serde_json::Error,
    },
    #[error("the recall list is of dataset `{list}`, the copy of `{copy}`")]
    OtherDataset { list: Name, copy: Name },
}

/// Largest `recall.json` read: 1 GiB.
const MAX_LIST: u64 = 1 << 30;

pub fn read_list(path: &Path) -> Result<RecallList, RecallError> {
    let wrap = |error| RecallError::Io {
        path: path.to_owned(),
        error,
    };
    if fs::metadata(path).map_err(wrap)?.len() > MAX_LIST {
        return Err(wrap(io::Error::other("larger than 1 GiB")));
    }
    let text = fs::read_to_string(path).map_err(wrap)?;
    serde_json::from_str(&text).map_err(|error| RecallError::List {
        path: path.to_owned(),
        error,
    })
}

/// One list with the entries of both: no list takes back what another withdrew.
pub fn union(one: RecallList, other: RecallList) -> RecallList {
    let version = one.recall_version.max(other.recall_version);
    let both = other.entries.into_iter().chain(one.entries);
    let known: BTreeMap<SampleId, RecallEntry> = both.map(|e| (e.sample_id, e)).collect();
    RecallList {
        dataset: one.dataset,
        recall_version: version,
        entries: known.into_values().collect(),
    }
}

/// Puts the list of the newest release where it is found without knowing which
/// one that is ([`Layout::recall`]): copies of older releases ask there.
pub fn publish(layout: &Layout, dataset: &Name, release: &Path) -> Result<(), RecallError> {
    let path = layout.recall(dataset);
    let wrap = |error| RecallError::Io {
        path: path.clone(),
        error,
    };
    let list = fs::read(release.join("recall.json")).map_err(wrap)?;
    if fs::read(&path).is_ok_and(|there| there == list) {
        return Ok(());
    }
    atomic::write(&path, &list).map_err(wrap)
}

/// Removes from a downloaded copy every file named after a recalled sample
/// (`<sample_id>.<ext>`) or holding recalled bytes, whatever its name. Links
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
    let mut found = std::collections::BTreeSet::new();
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
            let named = path
                .file_stem()
                .and_then(|s| s.to_str())
                .and_then(|s| ids.get(s));
            let id = match named {
                Some(id) => Some(*id),
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
    done.absent = (list.entries.len() - found.len()) as u64;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::MediaType;

    use super::*;

    fn withdrawn(key: &str) -> Sample {
        let mut s = Sample::new("actors", key, MediaType::Video);
        s.add_reason(Reason::ConsentWithdrawn);
        s
    }

    #[test]
    fn entries_stay_and_the_version_counts_releases_that_withdrew() {
        let name = Name::new("demo").unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let mut first = Withdrawals::after(&name, None);
        first.add(
            &withdrawn("a"),
            Some(Digest::of(b"a")),
            DatasetVersion::FIRST,
            at,
        );
        first.add(
            &Sample::new("actors", "b", MediaType::Video),
            None,
            DatasetVersion::FIRST,
            at,
        );
        let one = first.list();
        assert_eq!((one.recall_version, one.entries.len()), (1, 1));
        let mut second = Withdrawals::after(&name, Some(one.clone()));
        second.add(&withdrawn("a"), None, DatasetVersion::FIRST, at);
        assert_eq!(second.list(), one);
    }

    #[test]
    fn a_copy_loses_recalled_files_by_name_and_by_bytes_and_keeps_the_rest() {
        let copy = tempfile::tempdir().unwrap();
        let id = withdrawn("a").sample_id;
        fs::create_dir(copy.path().join("sub")).unwrap();
        let by_name = copy.path().join(format!("{id}.mp4"));
        let by_bytes = copy.path().join("sub/renamed.bin");
        let other = copy.path().join("other.jpg");
        fs::write(&by_name, b"re-encoded").unwrap();
        fs::write(&by_bytes, b"a").unwrap();
        fs::write(&other, b"b").unwrap();
        let mut list = Withdrawals::after(&Name::new("demo").unwrap(), None);
        let at = Timestamp::UNIX_EPOCH;
        list.add(
            &withdrawn("a"),
            Some(Digest::of(b"a")),
            DatasetVersion::FIRST,
            at,
        );
        list.add(&withdrawn("never-had"), None, DatasetVersion::FIRST, at);
        let dry = apply(copy.path(), &list.list(), true).unwrap();
        assert!(by_name.exists() && by_bytes.exists());
        let done = apply(copy.path(), &list.list(), false).unwrap();
        assert_eq!(dry, done);
        assert_eq!((done.removed.len(), done.absent), (2, 1));
        assert!(!by_name.exists() && !by_bytes.exists() && other.exists());
    }
}
