//! What was withdrawn since: never downloaded, and removed where it is there.

use std::collections::HashSet;

use fairframe_schemas::{Digest, Layout, RecallList, Sample, SampleId};

use super::{
    Clients, PullError,
    files::Release,
    origin::{self, Origin},
    record::{Mark, Record},
};
use crate::{
    atomic,
    recall::{Recalled, apply_knowing, union},
    reporter::Reporter,
};

/// Largest `recall.json` read, in bytes.
pub const MAX_RECALL: u64 = 256 << 20;

/// A recall list, made to be asked.
pub(super) struct Withdrawn {
    list: RecallList,
    samples: HashSet<SampleId>,
    bytes: HashSet<Digest>,
}

impl Withdrawn {
    fn new(list: RecallList) -> Self {
        Self {
            samples: list.entries.iter().map(|e| e.sample_id).collect(),
            bytes: list.entries.iter().filter_map(|e| e.media_sha256).collect(),
            list,
        }
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
    reporter: &dyn Reporter,
) -> Result<Withdrawn, PullError> {
    let dataset = &release.summary.dataset;
    let kept = layout.recall(dataset);
    let mut found = origin.recalls(&clients.server, MAX_RECALL).await?;
    if found.is_empty() {
        reporter.message(&format!(
            "{origin}: no recall list of the newest release is there; \
             what was withdrawn after this release is not known"
        ));
    }
    let held = origin::read(&kept, MAX_RECALL)?;
    for path in [&release.folder.join("recall.json"), &kept] {
        if let Some(bytes) = origin::read(path, MAX_RECALL)? {
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
    let text = list.to_json();
    if held.as_deref() != Some(text.as_bytes()) {
        atomic::write(&kept, text.as_bytes())
            .map_err(|error| PullError::Io { path: kept, error })?;
    }
    Ok(Withdrawn::new(list))
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
    let known = |path: &std::path::Path| {
        let digest: Digest = path.file_name()?.to_str()?.parse().ok()?;
        let mark = Mark::of(path).ok()??;
        record.trusts(&digest, &mark).ok()?.then_some(digest)
    };
    let done = apply_knowing(&layout.store(), list, false, &known)?;
    record.applied(&list.dataset, &version)?;
    Ok(done)
}
