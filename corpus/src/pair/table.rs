//! `pairs.parquet`: rows to columns and back.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use arrow_array::{
    Array, ArrayRef, BooleanArray, ListArray, RecordBatch, StringArray, StructArray, UInt64Array,
    builder::{ListBuilder, StringBuilder},
    cast::AsArray,
    types::UInt64Type,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use fairframe_ingest::manifest::{ColumnKind, ParallelWriter};
use fairframe_schemas::{
    PairId, SchemaVersion,
    column::list_item,
    corpus::pair::{PairColumn, PairRow, PairStratum, stratum_fields},
};
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder, errors::ParquetError,
    file::metadata::KeyValue,
};

/// Most rows that are read: twice the most pairs, and as many refused.
pub const MAX_ROWS: u64 = 40_000_000;

/// Why a plan cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    #[error("{}: {error}", path.display())]
    Io {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: {error}; remove the file to plan anew", path.display())]
    Parquet { path: PathBuf, error: ParquetError },
    #[error("{}: column `{column}` is {found}, not {expected}; it was written by another release: remove it to plan anew", path.display())]
    Column {
        path: PathBuf,
        column: &'static str,
        found: String,
        expected: String,
    },
    #[error("{}, row {row}, column `{column}`: `{value}` cannot be read; remove the file to plan anew", path.display())]
    Value {
        path: PathBuf,
        row: u64,
        column: &'static str,
        value: String,
    },
    #[error("{}: {rows} rows, more than {MAX_ROWS}; it is no plan of ours", path.display())]
    TooLarge { path: PathBuf, rows: u64 },
}

/// The file's bytes: the same rows give the same.
pub fn bytes(rows: &[PairRow]) -> Result<Vec<u8>, ParquetError> {
    let kinds = BTreeMap::from([(PairColumn::PairId.name(), ColumnKind::Unordered)]);
    let stamp = vec![KeyValue::new(
        "fairframe.schema_version".to_owned(),
        SchemaVersion::CURRENT.to_string(),
    )];
    let mut writer = ParallelWriter::new(Vec::new(), PairColumn::schema(), &kinds, stamp)?;
    for rows in rows.chunks(64 * 1024) {
        let arrays = PairColumn::ALL.iter().map(|c| array(*c, rows)).collect();
        let batch = RecordBatch::try_new(PairColumn::schema(), arrays);
        writer.write(batch.map_err(|e| ParquetError::ArrowError(e.to_string()))?)?;
    }
    writer.finish(|sink| Ok(std::mem::take(sink)))
}

fn array(column: PairColumn, rows: &[PairRow]) -> ArrayRef {
    fn text<T: ToString>(rows: &[PairRow], get: impl Fn(&PairRow) -> Option<T>) -> ArrayRef {
        let texts = rows.iter().map(|r| get(r).map(|v| v.to_string()));
        Arc::new(texts.collect::<StringArray>())
    }
    fn list<T: ToString>(rows: &[PairRow], get: impl Fn(&PairRow) -> &[T]) -> ArrayRef {
        let mut builder =
            ListBuilder::new(StringBuilder::new()).with_field(list_item(DataType::Utf8));
        for row in rows {
            for item in get(row) {
                builder.values().append_value(item.to_string());
            }
            builder.append(true);
        }
        Arc::new(builder.finish())
    }
    match column {
        PairColumn::PairId => text(rows, |r| Some(r.pair_id)),
        PairColumn::Code => text(rows, |r| r.code.clone()),
        PairColumn::Direction => text(rows, |r| r.direction),
        PairColumn::WithinSubject => {
            let flags = rows.iter().map(|r| Some(r.within_subject));
            Arc::new(flags.collect::<BooleanArray>())
        }
        PairColumn::TargetSample => text(rows, |r| r.target_sample),
        PairColumn::SourceSample => text(rows, |r| r.source_sample),
        PairColumn::TargetSubject => text(rows, |r| r.target_subject.clone()),
        PairColumn::SourceSubject => text(rows, |r| r.source_subject.clone()),
        PairColumn::Scene => text(rows, |r| r.scene.clone()),
        PairColumn::SourceScene => text(rows, |r| r.source_scene.clone()),
        PairColumn::Strata => {
            let all = || rows.iter().flat_map(|r| &r.strata);
            let names: StringArray = all().map(|s| Some(s.name.as_str())).collect();
            let targets: StringArray = all().map(|s| s.target.as_deref()).collect();
            let sources: StringArray = all().map(|s| s.source.as_deref()).collect();
            let columns: Vec<ArrayRef> =
                vec![Arc::new(names), Arc::new(targets), Arc::new(sources)];
            let items = StructArray::new(stratum_fields(), columns, None);
            let lengths = OffsetBuffer::from_lengths(rows.iter().map(|r| r.strata.len()));
            let field = list_item(items.data_type().clone());
            Arc::new(ListArray::new(field, lengths, Arc::new(items), None))
        }
        PairColumn::Split => text(rows, |r| r.split),
        PairColumn::SplitGroup => text(rows, |r| r.split_group),
        PairColumn::Seed => Arc::new(rows.iter().map(|r| Some(r.seed)).collect::<UInt64Array>()),
        PairColumn::TargetConsents => list(rows, |r| &r.target_consents),
        PairColumn::SourceConsents => list(rows, |r| &r.source_consents),
        PairColumn::Status => text(rows, |r| Some(r.status)),
        PairColumn::Reasons => list(rows, |r| &r.reasons),
    }
}

/// All rows of a plan, in order; `None` when there is none.
pub fn read(path: &Path) -> Result<Option<Vec<PairRow>>, PairsError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| PairsError::Io {
            path: path.to_owned(),
            error,
        })?,
    };
    let in_parquet = |error| PairsError::Parquet {
        path: path.to_owned(),
        error,
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(in_parquet)?;
    for column in PairColumn::ALL {
        let found = builder.schema().field_with_name(column.name());
        let found = found.map(|f| f.data_type().to_string());
        let expected = column.arrow_type().to_string();
        if found.as_ref().ok() != Some(&expected) {
            return Err(PairsError::Column {
                path: path.to_owned(),
                column: column.name(),
                found: found.unwrap_or_else(|_| "missing".to_owned()),
                expected,
            });
        }
    }
    let count = builder.metadata().file_metadata().num_rows();
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    if count > MAX_ROWS {
        return Err(PairsError::TooLarge {
            path: path.to_owned(),
            rows: count,
        });
    }
    let mut rows = Vec::new();
    for batch in builder.build().map_err(in_parquet)? {
        let batch = batch.map_err(|e| in_parquet(e.into()))?;
        for index in 0..batch.num_rows() {
            let at = Cells {
                batch: &batch,
                index,
            };
            let row = at.row().map_err(|(column, value)| PairsError::Value {
                path: path.to_owned(),
                row: rows.len() as u64 + 1,
                column: column.name(),
                value,
            })?;
            // What is made of a pair is kept and removed by its id: it may not name another's.
            if let Some((target, source)) = row.target_sample.zip(row.source_sample)
                && row.pair_id != PairId::new(target, source)
            {
                return Err(PairsError::Value {
                    path: path.to_owned(),
                    row: rows.len() as u64 + 1,
                    column: PairColumn::PairId.name(),
                    value: row.pair_id.to_string(),
                });
            }
            rows.push(row);
        }
    }
    Ok(Some(rows))
}

/// One row of a batch whose columns were checked. An error is column and value.
struct Cells<'a> {
    batch: &'a RecordBatch,
    index: usize,
}

type Wrong = (PairColumn, String);

impl Cells<'_> {
    fn column(&self, column: PairColumn) -> Result<&ArrayRef, Wrong> {
        let array = self.batch.column_by_name(column.name());
        array.ok_or_else(|| (column, String::new()))
    }

    fn optional<T: FromStr>(&self, column: PairColumn) -> Result<Option<T>, Wrong> {
        let array = self.column(column)?.as_string::<i32>();
        if array.is_null(self.index) {
            return Ok(None);
        }
        let text = array.value(self.index);
        text.parse()
            .map(Some)
            .map_err(|_| (column, text.to_owned()))
    }

    fn value<T: FromStr>(&self, column: PairColumn) -> Result<T, Wrong> {
        let value = self.optional(column)?;
        value.ok_or_else(|| (column, "null".to_owned()))
    }

    fn list<T: FromStr>(&self, column: PairColumn) -> Result<Vec<T>, Wrong> {
        let items = self.column(column)?.as_list::<i32>().value(self.index);
        let texts = items.as_string::<i32>().iter().flatten();
        texts
            .map(|t| t.parse().map_err(|_| (column, t.to_owned())))
            .collect()
    }

    fn strata(&self) -> Result<Vec<PairStratum>, Wrong> {
        let items = self.column(PairColumn::Strata)?.as_list::<i32>();
        let items = items.value(self.index);
        let items = items.as_struct();
        let cell = |column: usize, at: usize| {
            let texts = items.column(column).as_string::<i32>();
            (!texts.is_null(at)).then(|| texts.value(at).to_owned())
        };
        let one = |at: usize| PairStratum {
            name: cell(0, at).unwrap_or_default(),
            target: cell(1, at),
            source: cell(2, at),
        };
        Ok((0..items.len()).map(one).collect())
    }

    fn row(&self) -> Result<PairRow, Wrong> {
        Ok(PairRow {
            pair_id: self.value(PairColumn::PairId)?,
            code: self.optional(PairColumn::Code)?,
            direction: self.optional(PairColumn::Direction)?,
            within_subject: self
                .column(PairColumn::WithinSubject)?
                .as_boolean()
                .value(self.index),
            target_sample: self.optional(PairColumn::TargetSample)?,
            source_sample: self.optional(PairColumn::SourceSample)?,
            target_subject: self.optional(PairColumn::TargetSubject)?,
            source_subject: self.optional(PairColumn::SourceSubject)?,
            scene: self.optional(PairColumn::Scene)?,
            source_scene: self.optional(PairColumn::SourceScene)?,
            strata: self.strata()?,
            split: self.optional(PairColumn::Split)?,
            split_group: self.optional(PairColumn::SplitGroup)?,
            seed: self
                .column(PairColumn::Seed)?
                .as_primitive::<UInt64Type>()
                .value(self.index),
            target_consents: self.list(PairColumn::TargetConsents)?,
            source_consents: self.list(PairColumn::SourceConsents)?,
            status: self.value(PairColumn::Status)?,
            reasons: self.list(PairColumn::Reasons)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::{Reason, SampleId, Split, Status, corpus::pair::Direction};

    use super::*;

    fn rows() -> Vec<PairRow> {
        let (a, b) = (SampleId::new("s", "a"), SampleId::new("s", "b"));
        let whole = PairRow {
            pair_id: PairId::new(a, b),
            code: Some("00AB12YZ".to_owned()),
            direction: Some(Direction::Reverse),
            within_subject: true,
            target_sample: Some(a),
            source_sample: Some(b),
            target_subject: Some("p".to_owned()),
            source_subject: Some("q".to_owned()),
            scene: Some("walk".to_owned()),
            source_scene: Some("talk".to_owned()),
            strata: vec![
                PairStratum {
                    name: "region".to_owned(),
                    target: Some("Africa".to_owned()),
                    source: None,
                },
                PairStratum {
                    name: "tone".to_owned(),
                    target: None,
                    source: Some("7".to_owned()),
                },
            ],
            split: Some(Split::Test),
            split_group: Some(a),
            seed: u64::MAX,
            target_consents: vec!["c1".to_owned(), "c2".to_owned()],
            source_consents: vec!["c3".to_owned()],
            status: Status::Withdrawn,
            reasons: vec![Reason::ConsentMissing, Reason::Withdrawn],
        };
        let bare = PairRow {
            pair_id: PairId::of_subject("p"),
            code: None,
            direction: None,
            within_subject: false,
            target_sample: None,
            source_sample: None,
            target_subject: None,
            source_subject: None,
            scene: None,
            source_scene: None,
            strata: Vec::new(),
            split: None,
            split_group: None,
            target_consents: Vec::new(),
            source_consents: Vec::new(),
            reasons: Vec::new(),
            ..whole.clone()
        };
        vec![bare.clone(), whole, bare]
    }

    #[test]
    fn rows_come_back_and_bytes_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.parquet");
        assert!(read(&path).unwrap().is_none());
        for rows in [rows(), Vec::new()] {
            std::fs::write(&path, bytes(&rows).unwrap()).unwrap();
            assert_eq!(bytes(&rows).unwrap(), std::fs::read(&path).unwrap());
            assert_eq!(read(&path).unwrap(), Some(rows));
        }
    }

    #[test]
    fn what_is_no_plan_is_refused_with_its_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.parquet");
        std::fs::write(&path, "no parquet").unwrap();
        assert!(matches!(read(&path), Err(PairsError::Parquet { .. })));
        let other = StringArray::from(vec!["x"]);
        let batch = RecordBatch::try_from_iter([("code", Arc::new(other) as ArrayRef)]).unwrap();
        let mut writer =
            ParallelWriter::new(Vec::new(), batch.schema(), &BTreeMap::new(), Vec::new()).unwrap();
        writer.write(batch).unwrap();
        let written = writer.finish(|sink| Ok(std::mem::take(sink))).unwrap();
        std::fs::write(&path, written).unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains("column `pair_id` is missing"), "{said}");
        // A pair under the id of another: what was made of that one would be taken for this one's.
        let mut forged = rows();
        forged[1].pair_id = PairId::new(SampleId::new("s", "b"), SampleId::new("s", "c"));
        std::fs::write(&path, bytes(&forged).unwrap()).unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains("row 2, column `pair_id`"), "{said}");
    }
}
