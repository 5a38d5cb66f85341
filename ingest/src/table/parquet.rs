//! Parquet rows as texts.

use std::{
    fs::File,
    io::{BufRead, Seek},
    panic::{AssertUnwindSafe, catch_unwind},
};

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{
        Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_schema::{DataType, TimeUnit};
use csv::StringRecord;
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{
        ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    },
};

use super::{BadRow, Fail, TableLimits};
use crate::source::SourceError;

const BATCH: usize = 1024;

pub(super) struct ParquetRows {
    file: File,
    metadata: ArrowReaderMetadata,
    projection: ProjectionMask,
    reader: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    at: usize,
    row: u64,
}

/// Column names, and those that are left out with their types.
type Columns = (Vec<String>, Vec<(String, String)>);

/// The library may panic on damaged files: that is an error about the file.
fn guarded<T>(
    fail: Fail<'_>,
    action: impl FnOnce() -> Result<T, parquet::errors::ParquetError>,
) -> Result<T, SourceError> {
    let damaged = |why: String| {
        fail.table(
            None,
            None,
            &format!("is no readable Parquet file ({why})"),
            "write it again",
        )
    };
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(_) => Err(damaged("it is damaged".to_owned())),
    }
}

/// Column chunks up to this many bytes are always decoded.
const LEAST_COLUMN: usize = 16 << 20;

impl ParquetRows {
    /// Parquet is read from its end: the bytes are kept in an unnamed temporary file.
    pub fn open(
        mut read: Box<dyn BufRead + Send>,
        limits: &TableLimits,
        fail: Fail<'_>,
    ) -> Result<(Self, Vec<String>, Vec<(String, String)>), SourceError> {
        let mut file = tempfile::tempfile().map_err(|e| fail.io(e))?;
        std::io::copy(&mut read, &mut file).map_err(|e| fail.io(e))?;
        file.rewind().map_err(|e| fail.io(e))?;
        let metadata = guarded(fail, || {
            ArrowReaderMetadata::load(&file, Default::default())
        })?;
        let rows = metadata.metadata().file_metadata().num_rows();
        if u64::try_from(rows).map_or(true, |n| n > limits.rows) {
            let problem = format!("claims {rows} rows, more than {}", limits.rows);
            return Err(fail.table(None, None, &problem, "split it"));
        }
        let (columns, unreadable) = columns(&metadata);
        let roots: Vec<usize> = metadata
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, f)| readable(f.data_type()))
            .map(|(i, _)| i)
            .collect();
        for (index, group) in metadata.metadata().row_groups().iter().enumerate() {
            // Pages are decoded whole: what no row may be is refused before.
            let rows = usize::try_from(group.num_rows()).unwrap_or(usize::MAX);
            let most = rows.saturating_mul(limits.row_bytes).max(LEAST_COLUMN);
            for (leaf, column) in group.columns().iter().enumerate() {
                if !roots.contains(&metadata.parquet_schema().get_column_root_idx(leaf)) {
                    continue;
                }
                let bytes = usize::try_from(column.uncompressed_size()).unwrap_or(usize::MAX);
                if bytes > most {
                    let name = column.column_path().string();
                    let problem = format!(
                        "row group {index} claims {bytes} bytes for {rows} rows, more than a row may have"
                    );
                    return Err(fail.table(None, Some(&name), &problem, "shorten its cells"));
                }
            }
        }
        let projection = ProjectionMask::roots(metadata.parquet_schema(), roots.iter().copied());
        let reader = reader(&file, &metadata, &projection, 0, fail)?;
        let rows = Self {
            file,
            metadata,
            projection,
            reader,
            batch: None,
            at: 0,
            row: 0,
        };
        Ok((rows, columns, unreadable))
    }

    pub fn skip_to(&mut self, rows: u64, fail: Fail<'_>) -> Result<(), SourceError> {
        self.reader = reader(&self.file, &self.metadata, &self.projection, rows, fail)?;
        (self.batch, self.at, self.row) = (None, 0, rows);
        Ok(())
    }

    pub fn read(
        &mut self,
        record: &mut StringRecord,
        limits: &TableLimits,
        fail: Fail<'_>,
    ) -> Result<Option<Result<u64, BadRow>>, SourceError> {
        while self.batch.as_ref().is_none_or(|b| self.at >= b.num_rows()) {
            let reader = &mut self.reader;
            let next = guarded(fail, || reader.next().transpose().map_err(Into::into))?;
            match next {
                None => return Ok(None),
                batch => (self.batch, self.at) = (batch, 0),
            }
        }
        let Some(batch) = &self.batch else {
            return Ok(None);
        };
        let at = self.at;
        self.at += 1;
        self.row += 1;
        record.clear();
        let mut bytes = 0;
        for (i, column) in batch.columns().iter().enumerate() {
            let text = cell(column, at);
            bytes += text.len();
            if bytes > limits.row_bytes || text.contains('\0') {
                let name = batch.schema().field(i).name().clone();
                return Ok(Some(Err(BadRow {
                    row: self.row,
                    problem: format!("is too long, or has a NUL, in `{name}`"),
                    remedy: "shorten it, or remove the NUL",
                })));
            }
            record.push_field(&text);
        }
        Ok(Some(Ok(self.row)))
    }
}

fn reader(
    file: &File,
    metadata: &ArrowReaderMetadata,
    projection: &ProjectionMask,
    offset: u64,
    fail: Fail<'_>,
) -> Result<ParquetRecordBatchReader, SourceError> {
    let file = file.try_clone().map_err(|e| fail.io(e))?;
    guarded(fail, || {
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
            .with_batch_size(BATCH)
            .with_projection(projection.clone())
            .with_offset(usize::try_from(offset).unwrap_or(usize::MAX))
            .build()
    })
}

fn columns(metadata: &ArrowReaderMetadata) -> Columns {
    let (mut names, mut unreadable) = (Vec::new(), Vec::new());
    for field in metadata.schema().fields() {
        if readable(field.data_type()) {
            names.push(field.name().trim().to_owned());
        } else {
            unreadable.push((
                field.name().trim().to_owned(),
                field.data_type().to_string(),
            ));
        }
    }
    (names, unreadable)
}

fn scalar(kind: &DataType) -> bool {
    use DataType::{
        Boolean, Date32, Float32, Float64, Int8, Int16, Int32, Int64, LargeUtf8, Null, Timestamp,
        UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    matches!(
        kind,
        Null | Boolean
            | Int8
            | Int16
            | Int32
            | Int64
            | UInt8
            | UInt16
            | UInt32
            | UInt64
            | Float32
            | Float64
            | Utf8
            | LargeUtf8
            | Utf8View
            | Date32
            | Timestamp(..)
    )
}

fn readable(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => scalar(value),
        DataType::List(item) | DataType::LargeList(item) => scalar(item.data_type()),
        other => scalar(other),
    }
}

/// A value as text; null is empty. Numbers are written shortest, times as RFC 3339.
fn cell(array: &dyn Array, at: usize) -> String {
    if array.is_null(at) {
        return String::new();
    }
    macro_rules! number {
        ($kind:ty) => {
            array.as_primitive::<$kind>().value(at).to_string()
        };
    }
    macro_rules! time {
        ($kind:ty) => {
            array
                .as_primitive::<$kind>()
                .value_as_datetime(at)
                .map(|t| {
                    t.and_utc()
                        .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
                })
                .unwrap_or_default()
        };
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(at).to_string(),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => number!(Float32Type),
        DataType::Float64 => number!(Float64Type),
        DataType::Utf8 => array.as_string::<i32>().value(at).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(at).to_owned(),
        DataType::Utf8View => array.as_string_view().value(at).to_owned(),
        DataType::Date32 => array
            .as_primitive::<Date32Type>()
            .value_as_date(at)
            .map(|d| d.to_string())
            .unwrap_or_default(),
        DataType::Timestamp(TimeUnit::Second, _) => time!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => time!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => time!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => time!(TimestampNanosecondType),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            // The reader has checked that keys lie within the values.
            let key = cell(dictionary.keys(), at).parse();
            key.map_or_else(|_| String::new(), |key| cell(dictionary.values(), key))
        }
        DataType::List(_) => list(&array.as_list::<i32>().value(at)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(at)),
        _ => String::new(),
    }
}

fn list(items: &dyn Array) -> String {
    let texts: Vec<String> = (0..items.len()).map(|i| cell(items, i)).collect();
    texts.join("|")
}
