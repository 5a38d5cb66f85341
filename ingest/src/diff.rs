//! `fairframe diff`: what one release changes against another.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use fairframe_schemas::{Column, Sample, SampleId, Status, version::Change};

use crate::manifest::{ManifestError, ReleaseReader};

/// The difference between two releases, by sample id.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Diff {
    /// Accepted now, not accepted or not there before.
    pub added: BTreeSet<SampleId>,
    /// Accepted before and not now, or withdrawn now whatever it was before; with
    /// the status and reasons of now.
    pub removed: BTreeMap<SampleId, Gone>,
    /// Accepted in both, with the columns that differ.
    pub changed: BTreeMap<SampleId, Vec<String>>,
    /// Excluded in either, and otherwise than before.
    pub excluded_changed: BTreeSet<SampleId>,
    pub unchanged: u64,
}

/// Where a sample that was accepted stands now.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Gone {
    /// Absent when the later release has no row at all.
    pub status: Option<Status>,
    pub reasons: Vec<String>,
}

impl Diff {
    /// The change by Croissant's rule.
    pub fn change(&self) -> Change {
        let moved = |columns: &Vec<String>| {
            columns
                .iter()
                .any(|c| c == Column::MediaSha256.name() || c == Column::Split.name())
        };
        if !self.removed.is_empty() || self.changed.values().any(moved) {
            Change::Major
        } else if !self.added.is_empty() {
            Change::Minor
        } else if !self.changed.is_empty() || !self.excluded_changed.is_empty() {
            Change::Patch
        } else {
            Change::None
        }
    }
}

/// Compares two release folders. Holds the rows of both: some 1 kB a sample.
pub fn diff(before: &Path, after: &Path) -> Result<Diff, ManifestError> {
    let old = rows(before)?;
    let mut new = rows(after)?;
    let mut diff = Diff::default();
    for (id, was) in &old {
        let now = new.remove(id);
        let kept = now.as_ref().is_some_and(|s| s.status == Status::Accepted);
        match (was.status == Status::Accepted, now) {
            (true, Some(now)) if kept => {
                let columns = differing(was, &now);
                if columns.is_empty() {
                    diff.unchanged += 1;
                } else {
                    diff.changed.insert(*id, columns);
                }
            }
            (true, now) => {
                diff.removed.insert(*id, gone(now.as_ref()));
            }
            (false, Some(now))
                if was.status != Status::Withdrawn && now.status == Status::Withdrawn =>
            {
                diff.removed.insert(*id, gone(Some(&now)));
            }
            (false, Some(_)) if kept => {
                diff.added.insert(*id);
            }
            (false, Some(now)) if now == *was => diff.unchanged += 1,
            (false, _) => {
                diff.excluded_changed.insert(*id);
            }
        }
    }
    for (id, now) in new {
        if now.status == Status::Accepted {
            diff.added.insert(id);
        } else if now.status == Status::Withdrawn {
            diff.removed.insert(id, gone(Some(&now)));
        } else {
            diff.excluded_changed.insert(id);
        }
    }
    Ok(diff)
}

fn gone(now: Option<&Sample>) -> Gone {
    let reasons = now.into_iter().flat_map(|s| &s.reasons);
    Gone {
        status: now.map(|s| s.status),
        reasons: reasons.map(|r| r.to_string()).collect(),
    }
}

fn rows(folder: &Path) -> Result<BTreeMap<SampleId, Sample>, ManifestError> {
    let reader = ReleaseReader::open(folder)?;
    let mut rows = BTreeMap::new();
    for batch in reader.accepted().chain(reader.excluded()) {
        rows.extend(batch?.into_iter().map(|s| (s.sample_id, s)));
    }
    Ok(rows)
}

/// Names of the columns in which two rows differ.
fn differing(a: &Sample, b: &Sample) -> Vec<String> {
    let (Ok(serde_json::Value::Object(a)), Ok(serde_json::Value::Object(b))) =
        (serde_json::to_value(a), serde_json::to_value(b))
    else {
        return Vec::new();
    };
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names
        .into_iter()
        .filter(|n| a.get(*n) != b.get(*n))
        .cloned()
        .collect()
}
