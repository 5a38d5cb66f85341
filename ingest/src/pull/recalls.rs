//! What was withdrawn since: never downloaded, and removed where it is there.

use std::{collections::BTreeSet, fs, path::Path};

use fairframe_schemas::{Digest, Layout, RecallList, Sample, SampleId};

use super::{
    Clients, PullError,
    files::Release,
    origin::{self, Origin},
    record::{Mark, Record},
};
use crate::recall::{self, RecallError, Recalled, apply_knowing, union};

/// What is withdrawn from a dataset of a copy, made to be asked.
pub(super) struct Withdrawn {
    list: RecallList,
    /// Whether the newest release's list was there.
    pub known: bool,
    samples: BTreeSet<SampleId>,
    /// Those of the copy's other datasets too: recalled bytes are nobody's.
    bytes: BTreeSet<Digest>,
}

impl Withdrawn {
    /// `list` is kept by the copy.
    pub fn new(layout: &Layout, list: RecallList, known: bool) -> Result<Self, RecallError> {
        let mut bytes = list.digests();
        for other in recall::read_others(layout, &list.dataset)? {
            bytes.extend(other.digests());
        }
        Ok(Self {
            known,
            samples: list.samples(),
            bytes,
            list,
        })
    }

    /// By sample or by bytes, whichever row names them.
    pub fn holds(&self, sample: &Sample) -> bool {
        self.samples.contains(&sample.sample_id)
            || sample.media_sha256.is_some_and(|d| self.bytes.contains(&d))
    }
}

/// The list of the newest release, with all that the copy knew before. It is
/// kept in the copy before anything is removed, and never loses an entry.
pub(super) async fn current(
    layout: &Layout,
    origin: &Origin,
    clients: &Clients,
    release: &Release,
) -> Result<Withdrawn, PullError> {
    let dataset = &release.summary.dataset;
    let kept = layout.recall(dataset);
    let mut found = origin
        .recalls(&clients.server, RecallList::MAX_BYTES)
        .await?;
    let known = !found.is_empty();
    for path in [&release.folder.join("recall.json"), &kept] {
        if let Some(bytes) = origin::read(path, RecallList::MAX_BYTES)? {
            found.push((path.display().to_string(), bytes));
        }
    }
    let mut list = RecallList::new(dataset.clone());
    for (at, bytes) in found {
        let wrong = |problem| PullError::Recall {
            at: at.clone(),
            problem,
        };
        let read: RecallList =
            serde_json::from_slice(&bytes).map_err(|e| wrong(format!("it cannot be read: {e}")))?;
        if read.dataset != *dataset {
            return Err(wrong(format!(
                "it is of dataset `{}`, not `{dataset}`",
                read.dataset
            )));
        }
        list = union(list, read);
    }
    // With all the bytes that the releases here know of, which may be older than the list's.
    let list = recall::complete(layout, list)?;
    recall::keep(layout, &list)?;
    Ok(Withdrawn::new(layout, list, known)?)
}

/// Removes what the list names from the copy's store, and from nowhere else:
/// the list is a stranger's. Done once for each list.
pub(super) fn apply(
    layout: &Layout,
    record: &Record,
    withdrawn: &Withdrawn,
) -> Result<Recalled, PullError> {
    let list = &withdrawn.list;
    let version = Digest::of(list.to_json().as_bytes());
    if record.was_applied(&list.dataset, &version)? {
        return Ok(Recalled::default());
    }
    let done = from_media(layout, Some(record), list, false)?;
    record.applied(&list.dataset, &version)?;
    Ok(done)
}

/// Removes what a list names from the media of a data folder and what was made of
/// them. A file that the record trusts is not read again.
pub(super) fn from_media(
    layout: &Layout,
    record: Option<&Record>,
    list: &RecallList,
    dry_run: bool,
) -> Result<Recalled, PullError> {
    let known = |path: &Path| {
        let digest: Digest = path.file_name()?.to_str()?.parse().ok()?;
        let mark = Mark::of(path).ok()??;
        record?.trusts(&digest, &mark).ok()?.then_some(digest)
    };
    let mut done = match layout.store().is_dir() {
        true => apply_knowing(&layout.store(), list, dry_run, &known)?,
        false => Recalled {
            absent: list.samples().len() as u64,
            ..Recalled::default()
        },
    };
    for digest in list.digests() {
        let path = layout.thumbnail(&digest);
        if fs::symlink_metadata(&path).is_ok_and(|m| m.is_file()) {
            if !dry_run {
                fs::remove_file(&path).map_err(|error| PullError::Io {
                    path: path.clone(),
                    error,
                })?;
            }
            done.removed.push(path);
        }
    }
    done.removed.sort();
    Ok(done)
}
