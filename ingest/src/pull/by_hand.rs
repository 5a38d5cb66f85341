//! `fairframe recall`: a list that somebody brings, applied to what they keep.
//!
//! A copy or installation remembers the list before it removes anything, so that no
//! later pull or ingest brings anybody back; and nothing but media is removed there,
//! for the list may be a stranger's. In any other folder every file that the list
//! names is removed.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use fairframe_schemas::{Layout, RecallList};

use super::{PullError, lock, papers, recalls, record::Record};
use crate::{
    disk::Held,
    recall::{self, RecallError, Recalled},
    store::Store,
};

/// Applies a list to a folder. With `dry_run` nothing is written or removed.
pub fn recall(folder: &Path, list: RecallList, dry_run: bool) -> Result<Recalled, PullError> {
    let layout = Layout::new(folder);
    if !layout.manifests().is_dir() && !layout.store().is_dir() {
        return Ok(recall::apply(folder, &list, dry_run)?);
    }
    if recall::versions(&layout, &list.dataset)?.is_empty() {
        let (list, root) = (list.dataset, folder.to_owned());
        return Err(RecallError::NotHeld { list, root }.into());
    }
    let pulled = layout.pulled().is_dir();
    let _of_pulls = pulled.then(|| lock(&layout)).transpose()?;
    let _of_ingests = ingests_wait(&layout, &list)?;
    let kept = recall::read_published(&layout, &list.dataset)?;
    let list = match kept {
        Some(kept) => recall::union(kept, list),
        None => list,
    };
    let list = recall::complete(&layout, list)?;
    if !dry_run {
        recall::keep(&layout, &list)?;
    }
    let record = match pulled {
        true => Some(Record::open(&layout.pulled().join("record.sqlite"))?),
        false => None,
    };
    let done = recalls::from_media(&layout, record.as_ref(), &list, dry_run)?;
    if let Some(record) = record.filter(|_| !dry_run) {
        let store = Store::open(&layout).map_err(|error| PullError::Io {
            path: layout.store(),
            error,
        })?;
        papers::rewrite(&layout, &store, &record)?;
    }
    Ok(done)
}

/// Holds the lock of the dataset's ingests, where there were any.
fn ingests_wait(layout: &Layout, list: &RecallList) -> Result<Option<Held>, PullError> {
    let path = layout.journal(&list.dataset).with_extension("lock");
    let Ok(file) = File::options().append(true).open(&path) else {
        return Ok(None);
    };
    match Held::try_lock(file) {
        Ok(held) => Ok(Some(held)),
        Err(TryLockError::WouldBlock) => Err(PullError::Ingesting(path)),
        Err(TryLockError::Error(error)) => Err(PullError::Io { path, error }),
    }
}
