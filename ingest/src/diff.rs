//! `fairframe diff`: what one release changes against another.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    path::{Path, PathBuf},
    str::FromStr,
};

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, cast::AsArray, new_null_array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use fairframe_schemas::{
    Column, Sample, SampleId, Status, column::release_schema, version::Change,
};
use sha2::{Digest as _, Sha256};

use crate::manifest::{ManifestError, ReleaseReader, samples};

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
    let (old, new) = rayon::join(|| sketches(before), || sketches(after));
    let (old, mut new) = (old?, new?);
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
    let wanted: BTreeSet<SampleId> = changed.union(&lost).copied().collect();
    let (was, now) = rayon::join(|| rows(before, &changed), || rows(after, &wanted));
    let was = was?;
    for (id, now) in now? {
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
    /// Half a SHA-256 of what the row says of the sample, in Arrow's row format, which is the same for
    /// the same values.
    digest: [u8; 16],
}

fn sketches(folder: &Path) -> Result<BTreeMap<SampleId, Sketch>, ManifestError> {
    let schema = release_schema();
    // Whose release a row is in says nothing of the sample.
    let of_release = [Column::Dataset, Column::Version].map(Column::name);
    let told = |name: &str| !of_release.contains(&name);
    let own = || schema.fields().iter().filter(|field| told(field.name()));
    let fields = own().map(|field| SortField::new(field.data_type().clone()));
    let arrow = |error: ArrowError| in_folder(folder, error.into());
    let converter = RowConverter::new(fields.collect()).map_err(arrow)?;
    let mut out = BTreeMap::new();
    each(folder, |batch| {
        let columns: Vec<ArrayRef> = own()
            .map(|field| match batch.column_by_name(field.name()) {
                Some(column) => column.clone(),
                // Of an earlier format: as if it said nothing.
                None => new_null_array(field.data_type(), batch.num_rows()),
            })
            .collect();
        let rows = converter.convert_columns(&columns).map_err(arrow)?;
        let ids = words::<SampleId>(batch, Column::SampleId)?;
        let statuses = words(batch, Column::Status)?;
        for ((id, status), row) in ids.into_iter().zip(statuses).zip(&rows) {
            let mut digest = [0; 16];
            digest.copy_from_slice(&Sha256::digest(row.as_ref())[..16]);
            out.insert(id, Sketch { status, digest });
        }
        Ok(())
    })?;
    Ok(out)
}

/// The rows of some samples.
fn rows(
    folder: &Path,
    wanted: &BTreeSet<SampleId>,
) -> Result<BTreeMap<SampleId, Sample>, ManifestError> {
    let mut out = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(out);
    }
    each(folder, |batch| {
        let ids = words(batch, Column::SampleId)?.into_iter();
        let mask: BooleanArray = ids.map(|id| Some(wanted.contains(&id))).collect();
        if mask.true_count() > 0 {
            let found = filter_record_batch(batch, &mask);
            let found = found.map_err(|error| in_folder(folder, error.into()))?;
            out.extend(samples(&found)?.into_iter().map(|s| (s.sample_id, s)));
        }
        Ok(())
    })?;
    Ok(out)
}

fn each(
    folder: &Path,
    mut with: impl FnMut(&RecordBatch) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    let columns: Vec<Column> = Column::public().collect();
    for batch in ReleaseReader::open(folder)?.all_columns(&columns) {
        with(&batch?).map_err(|error| ManifestError::In {
            path: folder.to_owned(),
            error: Box::new(error),
        })?;
    }
    Ok(())
}

fn in_folder(folder: &Path, error: parquet::errors::ParquetError) -> ManifestError {
    ManifestError::Parquet {
        path: PathBuf::from(folder),
        error,
    }
}

/// A column that has a word in every row.
fn words<T: FromStr<Err: Display>>(
    batch: &RecordBatch,
    column: Column,
) -> Result<Vec<T>, ManifestError> {
    let name = column.name();
    let found = batch.column_by_name(name);
    let texts = found.and_then(|array| array.as_string_opt::<i32>());
    let texts = texts.ok_or(ManifestError::ColumnMissing { column: name })?;
    let word = |(row, text): (usize, Option<&str>)| {
        text.unwrap_or_default()
            .parse()
            .map_err(|error| ManifestError::Value {
                column: name,
                row: row as u64,
                problem: format!("{error}"),
            })
    };
    texts.iter().enumerate().map(word).collect()
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
