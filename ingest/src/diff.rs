//! `fairframe diff`: what one release changes against another.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use fairframe_schemas::{Column, Sample, SampleId, Status, version::Change};

use sha2::{Digest as _, Sha256};

use crate::manifest::{ManifestError, ReleaseReader};

/// The difference between two releases, by sample id.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
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
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
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

/// Compares two release folders, reading each twice. Holds a digest of every row, and the rows that
/// changed whole.
pub fn diff(before: &Path, after: &Path) -> Result<Diff, ManifestError> {
    let old = sketches(before)?;
    let mut new = sketches(after)?;
    let mut diff = Diff::default();
    let mut changed = BTreeSet::new();
    let mut lost = BTreeSet::new();
    for (id, was) in &old {
        let now = new.remove(id);
        let kept = now.as_ref().is_some_and(|s| s.status == Status::Accepted);
        match (was.status == Status::Accepted, now) {
            (true, Some(now)) if kept => match now.digest == was.digest {
                true => diff.unchanged += 1,
                false => drop(changed.insert(*id)),
            },
            (true, _) => drop(lost.insert(*id)),
            (false, Some(now))
                if was.status != Status::Withdrawn && now.status == Status::Withdrawn =>
            {
                lost.insert(*id);
            }
            (false, Some(_)) if kept => drop(diff.added.insert(*id)),
            (false, Some(now)) if now == *was => diff.unchanged += 1,
            (false, _) => drop(diff.excluded_changed.insert(*id)),
        }
    }
    for (id, now) in new {
        match now.status {
            Status::Accepted => diff.added.insert(id),
            Status::Withdrawn => lost.insert(id),
            _ => diff.excluded_changed.insert(id),
        };
    }
    let was = rows(before, &changed)?;
    for (id, now) in rows(after, &changed.union(&lost).copied().collect())? {
        match was.get(&id) {
            Some(was) => diff.changed.insert(id, differing(was, &now)).map(drop),
            None => diff.removed.insert(id, gone(Some(&now))).map(drop),
        };
    }
    for id in lost {
        diff.removed.entry(id).or_insert_with(|| gone(None));
    }
    Ok(diff)
}

/// Enough of a row to know another one of the same sample from it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sketch {
    status: Status,
    /// Half a SHA-256 of the row as JSON.
    digest: [u8; 16],
}

fn sketches(folder: &Path) -> Result<BTreeMap<SampleId, Sketch>, ManifestError> {
    let mut out = BTreeMap::new();
    each(folder, |sample| {
        // A sample always has a JSON.
        let text = serde_json::to_vec(&sample).unwrap_or_default();
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(text)[..16]);
        let status = sample.status;
        out.insert(sample.sample_id, Sketch { status, digest });
    })?;
    Ok(out)
}

/// The rows of some samples.
fn rows(
    folder: &Path,
    wanted: &BTreeSet<SampleId>,
) -> Result<BTreeMap<SampleId, Sample>, ManifestError> {
    let mut out = BTreeMap::new();
    if !wanted.is_empty() {
        each(folder, |sample| {
            if wanted.contains(&sample.sample_id) {
                out.insert(sample.sample_id, sample);
            }
        })?;
    }
    Ok(out)
}

fn each(folder: &Path, mut with: impl FnMut(Sample)) -> Result<(), ManifestError> {
    let reader = ReleaseReader::open(folder)?;
    for batch in reader.accepted().chain(reader.excluded()) {
        batch?.into_iter().for_each(&mut with);
    }
    Ok(())
}

fn gone(now: Option<&Sample>) -> Gone {
    let reasons = now.into_iter().flat_map(|s| &s.reasons);
    Gone {
        status: now.map(|s| s.status),
        reasons: reasons.map(|r| r.to_string()).collect(),
    }
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
