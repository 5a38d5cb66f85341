//! What the latest release said of each sample, kept small: enough to see what
//! changed and to keep splits where they are.

use std::collections::HashMap;

use fairframe_schemas::{
    DatasetVersion, Digest, Layout, Name, Reason, Sample, SampleId, Split, Status,
    recall::RecallList, version::Change,
};
use sha2::{Digest as _, Sha256};

use crate::{
    manifest::{ManifestError, ReleaseReader, as_released},
    recall,
};

/// One row of the latest release.
#[derive(Debug, Clone, Copy)]
pub struct PriorRow {
    pub status: Status,
    pub digest: Option<Digest>,
    pub split: Option<Split>,
    /// Of [`LASTING`], those that stand in the row.
    lasting: [bool; LASTING.len()],
    set_aside: bool,
    title: u64,
    row: u64,
}

/// What happened upstream once is said of the sample from then on.
const LASTING: [Reason; 2] = [Reason::UpstreamRenamed, Reason::UpstreamReplaced];

/// The latest release of a dataset.
#[derive(Default)]
pub struct Prior {
    pub version: Option<DatasetVersion>,
    pub rows: HashMap<SampleId, PriorRow>,
    /// Its recall list and the one beside the versions, which outlives any of them.
    pub recall: Option<RecallList>,
}

fn short(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    let mut eight = [0u8; 8];
    eight.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(eight)
}

/// Released once, then no longer listed, and not withdrawn.
pub fn set_aside(sample: &Sample) -> bool {
    sample.status == Status::Rejected && sample.reasons.contains(&Reason::UpstreamUnlisted)
}

/// A number that changes with anything a release says of a sample.
fn row_hash(sample: &Sample) -> u64 {
    short(&serde_json::to_vec(&as_released(sample)).unwrap_or_default())
}

fn title_hash(sample: &Sample) -> u64 {
    short(sample.title.as_deref().unwrap_or_default().as_bytes())
}

impl From<&Sample> for PriorRow {
    fn from(sample: &Sample) -> Self {
        Self {
            status: sample.status,
            digest: sample.media_sha256,
            split: sample.split,
            lasting: LASTING.map(|r| sample.reasons.contains(&r)),
            set_aside: set_aside(sample),
            title: title_hash(sample),
            row: row_hash(sample),
        }
    }
}

impl Prior {
    pub fn load(
        layout: &Layout,
        dataset: &Name,
        version: Option<DatasetVersion>,
    ) -> Result<Self, ManifestError> {
        let published = recall::read_published(layout, dataset)?;
        let Some(version) = version else {
            return Ok(Self {
                recall: published,
                ..Self::default()
            });
        };
        let folder = layout.release(dataset, version);
        let reader = ReleaseReader::open(&folder)?;
        let mut rows = HashMap::new();
        for batch in reader.accepted().chain(reader.excluded()) {
            for sample in batch? {
                rows.insert(sample.sample_id, PriorRow::from(&sample));
            }
        }
        // Without the list, what was withdrawn would come back unsaid.
        let mut recall = recall::read_list(&folder.join("recall.json"))?;
        if let Some(published) = published {
            recall = recall::union(recall, published);
        }
        recall.extend([]); // in order
        Ok(Self {
            version: Some(version),
            rows,
            recall: Some(recall),
        })
    }

    /// Why a sample stands on the recall list, if it does. It stays withdrawn
    /// whatever its source says by now: copies that follow the list would lose
    /// it again.
    pub fn recalled(&self, id: SampleId) -> Option<Reason> {
        let entries = &self.recall.as_ref()?.entries;
        let at = entries.binary_search_by_key(&id, |e| e.sample_id).ok()?;
        Some(entries[at].reason)
    }

    /// Notes on a row what happened upstream since the latest release.
    pub fn compare_upstream(&self, sample: &mut Sample) {
        let Some(before) = self.rows.get(&sample.sample_id) else {
            return;
        };
        let lost = [Reason::UpstreamMissing, Reason::UpstreamHidden];
        let was_there =
            matches!(before.status, Status::Accepted | Status::Withdrawn) || before.set_aside;
        if was_there && sample.reasons.iter().any(|r| lost.contains(r)) {
            sample.add_reason(Reason::UpstreamDeleted);
        }
        if sample.status != Status::Accepted {
            return;
        }
        for (reason, stands) in LASTING.into_iter().zip(before.lasting) {
            if stands {
                sample.add_reason(reason);
            }
        }
        if before.status != Status::Accepted {
            return;
        }
        if sample.landing_url.is_some() && title_hash(sample) != before.title {
            sample.add_reason(Reason::UpstreamRenamed);
        }
        if sample.media_sha256.is_some()
            && before
                .digest
                .is_some_and(|d| sample.media_sha256 != Some(d))
        {
            sample.add_reason(Reason::UpstreamReplaced);
        }
    }

    /// What one row changes: MAJOR when something accepted is gone or other
    /// than it was (bytes, split) or something is withdrawn, MINOR when it is new, PATCH for the rest.
    pub fn change(&self, sample: &Sample) -> Change {
        let accepted = sample.status == Status::Accepted;
        match self.rows.get(&sample.sample_id) {
            None if accepted => Change::Minor,
            None if sample.status == Status::Withdrawn => Change::Major,
            None => Change::Patch,
            Some(before) => match (before.status == Status::Accepted, accepted) {
                (true, false) => Change::Major,
                // Copies must follow a new entry of the recall list, whatever the row was before.
                (false, false)
                    if before.status != Status::Withdrawn && sample.status == Status::Withdrawn =>
                {
                    Change::Major
                }
                (true, true)
                    if before.digest != sample.media_sha256 || before.split != sample.split =>
                {
                    Change::Major
                }
                (false, true) => Change::Minor,
                _ if before.row != row_hash(sample) => Change::Patch,
                _ => Change::None,
            },
        }
    }
}
