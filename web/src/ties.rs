//! Which samples go when others go: whoever is shown in them, and what they were made from.

use std::collections::{BTreeSet, HashMap};

use arrow_array::{Array, ListArray, RecordBatch, StringArray, StructArray};
use fairframe_ingest::manifest::ReleaseReader;
use fairframe_schemas::{Column, ConsentState, Digest, MediaType, SampleId, Status};
use rayon::prelude::*;

use crate::{
    allowed::{column, text},
    error::AppError,
};

/// What is read of a row.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: SampleId,
    pub digest: Option<Digest>,
    pub media_type: MediaType,
    pub source: String,
    /// Pseudonyms; a person in their own source only.
    pub subjects: Vec<String>,
    /// What it was made from; of a swap both sides.
    pub parents: Vec<SampleId>,
    pub consent: Option<ConsentState>,
    pub status: Status,
}

/// Rows read at a time, on each core.
const STRETCH: u64 = 128 * 1024;

const COLUMNS: [Column; 9] = [
    Column::SampleId,
    Column::MediaSha256,
    Column::MediaType,
    Column::Source,
    Column::SubjectIds,
    Column::DerivedFrom,
    Column::Manipulation,
    Column::ConsentState,
    Column::Status,
];

/// Rows of a release, accepted or not, that are to be kept. Reads every row, on all cores.
pub fn rows(
    reader: &ReleaseReader,
    keep: impl Fn(&Row) -> bool + Sync,
) -> Result<Vec<Row>, AppError> {
    let stretches = reader.stretches(STRETCH).map_err(AppError::internal)?;
    let read = stretches.par_iter().with_max_len(1).map(|stretch| {
        let mut out = Vec::new();
        for batch in stretch.columns(&COLUMNS).map_err(AppError::internal)? {
            of_batch(&batch.map_err(AppError::internal)?, &keep, &mut out)?;
        }
        Ok(out)
    });
    let read: Vec<Vec<Row>> = read.collect::<Result<_, AppError>>()?;
    Ok(read.into_iter().flatten().collect())
}

fn of_batch(
    batch: &RecordBatch,
    keep: impl Fn(&Row) -> bool,
    out: &mut Vec<Row>,
) -> Result<(), AppError> {
    let ids: &StringArray = column(batch, Column::SampleId)?;
    let digests: &StringArray = column(batch, Column::MediaSha256)?;
    let types: &StringArray = column(batch, Column::MediaType)?;
    let sources: &StringArray = column(batch, Column::Source)?;
    let subjects: &ListArray = column(batch, Column::SubjectIds)?;
    let derived: &ListArray = column(batch, Column::DerivedFrom)?;
    let manipulations: &StructArray = column(batch, Column::Manipulation)?;
    let consents: &StringArray = column(batch, Column::ConsentState)?;
    let statuses: &StringArray = column(batch, Column::Status)?;
    let sides: Vec<&StringArray> = ["target_sample", "source_sample"]
        .into_iter()
        .filter_map(|side| manipulations.column_by_name(side)?.as_any().downcast_ref())
        .collect();
    for at in 0..batch.num_rows() {
        let mut parents: Vec<SampleId> = texts(derived, at)
            .iter()
            .filter_map(|id| id.parse().ok())
            .collect();
        if manipulations.is_valid(at) {
            let made_of = sides.iter().filter_map(|side| parsed::<SampleId>(side, at));
            parents.extend(made_of);
        }
        parents.sort();
        parents.dedup();
        let (Some(id), Some(status)) = (parsed(ids, at), parsed(statuses, at)) else {
            continue; // the format was checked
        };
        let row = Row {
            id,
            digest: parsed(digests, at),
            media_type: parsed(types, at).unwrap_or(MediaType::Image),
            source: text(sources, at).unwrap_or_default().to_owned(),
            subjects: texts(subjects, at),
            parents,
            consent: parsed(consents, at),
            status,
        };
        if keep(&row) {
            out.push(row);
        }
    }
    Ok(())
}

/// What was made from what.
#[derive(Debug, Default)]
pub struct Made(HashMap<SampleId, Vec<SampleId>>);

impl Made {
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut from: HashMap<SampleId, Vec<SampleId>> = HashMap::new();
        for row in rows {
            for parent in &row.parents {
                from.entry(*parent).or_default().push(row.id);
            }
        }
        Self(from)
    }

    /// These samples and all that was made from them, step by step.
    pub fn with(&self, from: impl IntoIterator<Item = SampleId>) -> BTreeSet<SampleId> {
        let mut out = BTreeSet::new();
        let mut next: Vec<SampleId> = from.into_iter().collect();
        while let Some(id) = next.pop() {
            if out.insert(id) {
                next.extend(self.0.get(&id).into_iter().flatten());
            }
        }
        out
    }
}

fn parsed<T: std::str::FromStr>(array: &StringArray, row: usize) -> Option<T> {
    text(array, row)?.parse().ok()
}

fn texts(array: &ListArray, row: usize) -> Vec<String> {
    let values = array.value(row);
    let words = values.as_any().downcast_ref::<StringArray>();
    let words = words.into_iter().flat_map(|w| w.iter().flatten());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, parents: &[&str]) -> Row {
        Row {
            id: SampleId::new("s", id),
            digest: None,
            media_type: MediaType::Clip,
            source: "s".to_owned(),
            subjects: Vec::new(),
            parents: parents.iter().map(|p| SampleId::new("s", p)).collect(),
            consent: None,
            status: Status::Accepted,
        }
    }

    #[test]
    fn what_was_made_from_what_was_made_goes_too_also_in_a_circle() {
        let rows = [
            row("video", &[]),
            row("clip", &["video"]),
            row("fake", &["clip", "other"]),
            row("other", &[]),
            row("a", &["b"]),
            row("b", &["a"]),
        ];
        let made = Made::new(&rows);
        let goes = |from: &str| -> Vec<bool> {
            let gone = made.with([SampleId::new("s", from)]);
            rows.iter().map(|r| gone.contains(&r.id)).collect()
        };
        assert_eq!(goes("video"), [true, true, true, false, false, false]);
        assert_eq!(goes("other"), [false, false, true, true, false, false]);
        assert_eq!(goes("a"), [false, false, false, false, true, true]);
        // Of a sample that is in another dataset.
        assert_eq!(made.with([SampleId::new("s", "away")]).len(), 1);
    }
}
