//! What the newest releases still have, but was withdrawn on this server: people and samples,
//! and all that was made from them, in whichever dataset. It is refused at once; the release
//! follows when it is approved.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use fairframe_ingest::manifest::ReleaseReader;
use fairframe_schemas::{Digest, Layout, Name, Pseudonym, SampleId, Status};

use crate::{
    allowed::State,
    browse::{Change, Overlay},
    error::AppError,
    state::withdrawn::Withdrawn,
    ties::{self, Made, Row},
};

/// For one state of the data folder and of the database.
#[derive(Debug, Default)]
pub struct Withheld {
    state: State,
    withdrawn: Arc<Withdrawn>,
    digests: HashSet<Digest>,
    samples: BTreeMap<Name, BTreeSet<SampleId>>,
    /// What pages show of each dataset instead.
    overlays: BTreeMap<Name, Arc<Overlay>>,
}

/// Set in the revision of an overlay that has withdrawals only, so that it is never taken for
/// one of all decisions.
const WITHDRAWALS_ONLY: u64 = 1 << 63;

impl Withheld {
    pub(crate) fn is_of(&self, state: &State, withdrawn: &Arc<Withdrawn>) -> bool {
        let same = Arc::ptr_eq(&self.withdrawn, withdrawn) || self.withdrawn == *withdrawn;
        same && self.state == *state
    }

    /// Reads every row's ties, if anything is withdrawn at all.
    pub(crate) fn read(layout: &Layout, state: State, withdrawn: Arc<Withdrawn>) -> Self {
        let mut rows: Vec<(&Name, Row)> = Vec::new();
        let mut first: BTreeSet<SampleId> = BTreeSet::new();
        let nothing = withdrawn.samples.is_empty() && withdrawn.people.is_empty();
        for (name, (version, _)) in state.iter().filter(|_| !nothing) {
            let is_withdrawn = |row: &Row| is_withdrawn(&withdrawn, name, row);
            let reader = ReleaseReader::open(&layout.release(name, *version));
            let read = reader.map_err(AppError::internal).and_then(|reader| {
                ties::rows(&reader, |row| !row.parents.is_empty() || is_withdrawn(row))
            });
            match read {
                Ok(read) => {
                    first.extend(read.iter().filter(|r| is_withdrawn(r)).map(|r| r.id));
                    rows.extend(read.into_iter().map(|row| (name, row)));
                }
                // What cannot be read is not served either.
                Err(error) => tracing::error!(dataset = %name, ?error, "its people are unknown"),
            }
        }
        let gone = Made::new(rows.iter().map(|(_, row)| row)).with(first);
        let mut digests = HashSet::new();
        let mut samples: BTreeMap<Name, BTreeSet<SampleId>> = BTreeMap::new();
        for (name, row) in rows.into_iter().filter(|(_, row)| gone.contains(&row.id)) {
            digests.extend(row.digest);
            samples.entry(name.clone()).or_default().insert(row.id);
        }
        let overlay = |samples: &BTreeSet<SampleId>| {
            let change = Change {
                status: Some(Status::Withdrawn),
                ..Change::default()
            };
            Arc::new(Overlay {
                revision: WITHDRAWALS_ONLY | withdrawn.head.unsigned_abs(),
                changes: samples.iter().map(|id| (*id, change.clone())).collect(),
            })
        };
        Self {
            overlays: samples
                .iter()
                .map(|(n, s)| (n.clone(), overlay(s)))
                .collect(),
            state,
            withdrawn,
            digests,
            samples,
        }
    }

    /// The withdrawals, over the samples of a dataset.
    pub fn overlay(&self, dataset: &Name) -> Arc<Overlay> {
        self.overlays.get(dataset).cloned().unwrap_or_default()
    }

    /// Whether bytes are refused, whoever else may hold the same.
    pub fn refuses(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    pub fn has(&self, dataset: &Name, sample: SampleId) -> bool {
        let samples = self.samples.get(dataset);
        samples.is_some_and(|samples| samples.contains(&sample))
    }
}

fn is_withdrawn(withdrawn: &Withdrawn, dataset: &Name, row: &Row) -> bool {
    let is_person = |subject: &String| {
        let source = Name::new(&row.source).ok();
        let person = source.zip(Pseudonym::new(subject).ok());
        let person = person.map(|(source, subject)| (dataset.clone(), source, subject));
        person.is_some_and(|person| withdrawn.people.contains(&person))
    };
    withdrawn.samples.contains(&(dataset.clone(), row.id)) || row.subjects.iter().any(is_person)
}
