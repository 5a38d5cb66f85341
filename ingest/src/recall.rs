//! Withdrawals: recall lists, the bytes they mean, and applying one to a folder.

mod apply;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use arrow_array::{Array, StringArray, cast::AsArray};
use fairframe_schemas::{
    Column, DatasetVersion, Digest, Layout, Name, Reason, Sample, SampleId, Timestamp,
    recall::{RecallEntry, RecallList},
};

pub use apply::{Recalled, apply, apply_knowing};

use crate::{
    atomic, disk,
    manifest::{ManifestError, ReleaseReader},
    versions::Versions,
};

/// Digests by sample.
pub type Bytes = BTreeMap<SampleId, BTreeSet<Digest>>;

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
    #[error(
        "{}: not a recall list ({error}); what was withdrawn is not known without it, so put back the `recall.json` of the newest release", path.display()
    )]
    Published {
        path: PathBuf,
        error: serde_json::Error,
    },
    #[error("the recall list is of dataset `{list}`, the copy of `{copy}`")]
    OtherDataset { list: Name, copy: Name },
    #[error(
        "{}: it holds no release of dataset `{list}`, whose recall list this is; name the folder of a copy of that dataset", root.display()
    )]
    NotHeld { list: Name, root: PathBuf },
}

/// The entries of a sample withdrawn in `version`: one for each digest it had.
pub fn entries(
    sample: &Sample,
    bytes: Option<&BTreeSet<Digest>>,
    version: DatasetVersion,
    at: Timestamp,
) -> Vec<RecallEntry> {
    let mut withdrawing = sample.reasons.iter().copied();
    let reason = withdrawing.find(|r| r.status() == sample.status);
    let entry = |media_sha256| RecallEntry {
        sample_id: sample.sample_id,
        media_sha256,
        reason: reason.unwrap_or(Reason::Withdrawn),
        withdrawn_in: version,
        at,
    };
    let known = bytes.into_iter().flatten().map(|d| entry(Some(*d)));
    known.chain([entry(None)]).collect()
}

/// The list of the next release: with these entries, and counted if they say anything new.
pub fn after(before: &RecallList, entries: impl IntoIterator<Item = RecallEntry>) -> RecallList {
    let mut list = before.clone();
    list.extend(entries);
    list.recall_version += u64::from(list.entries != before.entries);
    list
}

pub fn read_list(path: &Path) -> Result<RecallList, RecallError> {
    let wrap = |error| RecallError::Io {
        path: path.to_owned(),
        error,
    };
    if fs::metadata(path).map_err(wrap)?.len() > RecallList::MAX_BYTES {
        return Err(wrap(io::Error::other("larger than 256 MiB")));
    }
    let text = fs::read_to_string(path).map_err(wrap)?;
    serde_json::from_str(&text).map_err(|error| RecallError::List {
        path: path.to_owned(),
        error,
    })
}

/// The list beside a dataset's versions; `None` where none was published yet.
pub fn read_published(layout: &Layout, dataset: &Name) -> Result<Option<RecallList>, RecallError> {
    let list = match read_list(&layout.recall(dataset)) {
        Ok(list) => list,
        Err(RecallError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(RecallError::List { path, error }) => {
            return Err(RecallError::Published { path, error });
        }
        Err(other) => return Err(other),
    };
    if list.dataset != *dataset {
        let (list, copy) = (list.dataset, dataset.clone());
        return Err(RecallError::OtherDataset { list, copy });
    }
    Ok(Some(list))
}

/// The lists of all datasets of a data folder but one: what they recall is nobody's either.
pub fn read_others(layout: &Layout, dataset: &Name) -> Result<Vec<RecallList>, RecallError> {
    let names = datasets(layout).map_err(|error| RecallError::Io {
        path: layout.manifests(),
        error,
    })?;
    let others = names.iter().filter(|name| *name != dataset);
    others
        .filter_map(|name| read_published(layout, name).transpose())
        .collect()
}

/// Datasets that have a folder, sorted.
pub fn datasets(layout: &Layout) -> io::Result<Vec<Name>> {
    let entries = match fs::read_dir(layout.manifests()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().and_then(|n| Name::new(n).ok());
        names.extend(name.filter(|_| entry.path().is_dir()));
    }
    names.sort();
    Ok(names)
}

/// The releases of a dataset that are there, oldest first.
pub fn versions(layout: &Layout, dataset: &Name) -> Result<Vec<DatasetVersion>, RecallError> {
    let path = layout.dataset(dataset);
    match Versions::of(&path) {
        Ok(there) => Ok(there.versions),
        Err(error) => Err(RecallError::Io { path, error }),
    }
}

/// One list with the entries of both: no list takes back what another withdrew.
pub fn union(mut one: RecallList, other: RecallList) -> RecallList {
    one.recall_version = one.recall_version.max(other.recall_version);
    one.extend(other.entries);
    one
}

/// Every digest that any release here names for these samples.
pub fn released(
    layout: &Layout,
    dataset: &Name,
    samples: &BTreeSet<SampleId>,
) -> Result<Bytes, ManifestError> {
    let mut found = Bytes::new();
    if samples.is_empty() {
        return Ok(found);
    }
    for version in versions(layout, dataset)? {
        let reader = ReleaseReader::open(&layout.release(dataset, version))?;
        for batch in reader.all_columns(&[Column::SampleId, Column::MediaSha256]) {
            let batch = batch?;
            let texts = |column: Column| -> Option<StringArray> {
                let array = batch.column_by_name(column.name())?;
                array.as_string_opt::<i32>().cloned()
            };
            let (Some(ids), Some(digests)) = (texts(Column::SampleId), texts(Column::MediaSha256))
            else {
                continue; // the format was checked
            };
            for row in (0..batch.num_rows()).filter(|row| digests.is_valid(*row)) {
                if let Ok(id) = ids.value(row).parse()
                    && samples.contains(&id)
                    && let Ok(digest) = digests.value(row).parse()
                {
                    found.entry(id).or_default().insert(digest);
                }
            }
        }
    }
    Ok(found)
}

/// The list with an entry for every digest that the releases here name for its
/// samples: a list may know of the newest bytes of a sample only.
pub fn complete(layout: &Layout, mut list: RecallList) -> Result<RecallList, ManifestError> {
    let bytes = released(layout, &list.dataset, &list.samples())?;
    let more: Vec<RecallEntry> = list
        .entries
        .iter()
        .flat_map(|entry| {
            let digests = bytes.get(&entry.sample_id).into_iter().flatten();
            digests.map(|digest| RecallEntry {
                media_sha256: Some(*digest),
                ..entry.clone()
            })
        })
        .collect();
    list.extend(more);
    Ok(list)
}

/// Puts the list of the newest release where it is found without knowing which
/// one that is ([`Layout::recall`]): copies of older releases ask there. What
/// stands there already stays.
pub fn publish(layout: &Layout, dataset: &Name, release: &Path) -> Result<RecallList, RecallError> {
    let released = read_list(&release.join("recall.json"))?;
    let list = match read_published(layout, dataset)? {
        Some(there) => union(released, there),
        None => released,
    };
    keep(layout, &list)?;
    Ok(list)
}

/// Writes a dataset's list beside its versions, unless it stands there so; returns when
/// it is on the disk.
pub fn keep(layout: &Layout, list: &RecallList) -> Result<(), RecallError> {
    let path = layout.recall(&list.dataset);
    let text = list.to_json();
    if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    atomic::write(&path, text.as_bytes()).map_err(|error| RecallError::Io { path, error })
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

    fn list(rows: &[(&str, &[&str])]) -> RecallList {
        let before = RecallList::new(Name::new("demo").unwrap());
        let entries = rows.iter().flat_map(|(key, bytes)| {
            let bytes = bytes.iter().map(|b| Digest::of(b.as_bytes())).collect();
            let at = Timestamp::UNIX_EPOCH;
            entries(&withdrawn(key), Some(&bytes), DatasetVersion::FIRST, at)
        });
        after(&before, entries)
    }

    #[test]
    fn entries_stay_and_the_version_counts_releases_that_withdrew() {
        let one = list(&[("a", &["a", "older"]), ("b", &[])]);
        assert_eq!((one.recall_version, one.entries.len()), (1, 3));
        let at = Timestamp::UNIX_EPOCH;
        let again = entries(&withdrawn("a"), None, "2.0.0".parse().unwrap(), at);
        assert_eq!(after(&one, again), one);
        assert_eq!(
            after(&one, list(&[("c", &["c"])]).entries).recall_version,
            2
        );
    }

    #[test]
    fn a_published_list_is_joined_and_a_damaged_one_refused() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let name = Name::new("demo").unwrap();
        let release = layout.release(&name, DatasetVersion::FIRST);
        fs::create_dir_all(&release).unwrap();
        let put = |list: &RecallList| fs::write(release.join("recall.json"), list.to_json());
        put(&list(&[("a", &["a"])])).unwrap();
        let one = publish(&layout, &name, &release).unwrap();
        assert_eq!(one, list(&[("a", &["a"])]));
        put(&list(&[("b", &["b"])])).unwrap();
        let both = publish(&layout, &name, &release).unwrap();
        assert_eq!(both.samples().len(), 2);
        assert_eq!(read_published(&layout, &name).unwrap(), Some(both));

        let other = RecallList::new(Name::new("other").unwrap());
        fs::write(layout.recall(&name), other.to_json()).unwrap();
        let error = publish(&layout, &name, &release).unwrap_err().to_string();
        assert!(
            error.contains("`other`") && error.contains("`demo`"),
            "{error}"
        );
        fs::write(layout.recall(&name), "{").unwrap();
        let error = publish(&layout, &name, &release).unwrap_err().to_string();
        assert!(error.contains("put back the `recall.json`"), "{error}");
        assert_eq!(fs::read_to_string(layout.recall(&name)).unwrap(), "{");
    }

    #[test]
    fn a_copy_loses_recalled_files_by_name_and_by_bytes_and_keeps_the_rest() {
        let copy = tempfile::tempdir().unwrap();
        let id = withdrawn("a").sample_id;
        fs::create_dir(copy.path().join("sub")).unwrap();
        let by_name = copy.path().join(format!("{id}.mp4"));
        let by_bytes = copy.path().join("sub/renamed.bin");
        let by_digest = copy.path().join(format!("{}.jpg", Digest::of(b"a")));
        let other = copy.path().join("other.jpg");
        fs::write(&by_name, b"re-encoded").unwrap();
        fs::write(&by_bytes, b"a").unwrap();
        fs::write(&by_digest, b"a thumbnail").unwrap();
        fs::write(&other, b"b").unwrap();
        let list = list(&[("a", &["a"]), ("never-had", &[])]);
        let dry = apply(copy.path(), &list, true).unwrap();
        assert!(by_name.exists() && by_bytes.exists());
        let done = apply(copy.path(), &list, false).unwrap();
        assert_eq!(dry, done);
        assert_eq!((done.removed.len(), done.absent), (3, 1));
        assert!(!by_name.exists() && !by_bytes.exists() && !by_digest.exists());
        assert!(other.exists());
    }
}
