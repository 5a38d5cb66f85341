//! Parquet to tables, column by column.

mod part;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use rayon::prelude::*;

pub(crate) use self::part::cell_text;
use self::part::{Part, empty_for};
use crate::read::{Limits, Lines, ReadError, Table};

/// As often as the bytes that may be kept may so many be decoded.
const MOST_DECODED: u64 = 16;
/// Rows of a batch.
const BATCH: usize = 65_536;

/// Reads the wanted columns that this module understands, row groups in
/// parallel; others are left out.
pub(crate) fn read_table(
    path: &Path,
    limits: &Limits,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Table, ReadError> {
    let mut table = Table::default();
    let file = Opened::new(path, limits, true)?;
    let fields = file.metadata.schema().fields();
    let mut roots = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        match empty_for(field.data_type()) {
            Some(_) if wanted(field.name()) => {
                table.names.push(field.name().clone());
                roots.push(at);
            }
            Some(_) => table.unread.push(field.name().clone()),
            None => {}
        }
    }
    let groups: Vec<usize> = (0..file.metadata.metadata().num_row_groups()).collect();
    let seen = Seen::default();
    let parts: Result<Vec<Vec<Part>>, ReadError> = groups
        .into_par_iter()
        .map(|group| {
            let of = |at: &usize| Part::of(fields[*at].data_type());
            let mut parts: Vec<Part> = roots.iter().map(of).collect();
            let mut before = 0;
            file.batches(limits, &roots, Some(group), &seen, &mut |batch, _| {
                for (part, array) in parts.iter_mut().zip(batch.columns()) {
                    part.append(array);
                }
                let kept = parts.iter().map(Part::memory).sum();
                kept - std::mem::replace(&mut before, kept)
            })?;
            parts.iter_mut().for_each(Part::forget_dictionary);
            Ok(parts)
        })
        .collect();
    let mut parts = parts?;
    table.lines = Lines::first(seen.rows.into_inner() as usize);
    // A column at a time, so that its parts go as soon as they are joined.
    let columns: Vec<Vec<Part>> = (0..roots.len())
        .rev()
        .map(|_| parts.iter_mut().filter_map(Vec::pop).collect())
        .collect();
    table.columns = columns.into_par_iter().rev().map(Part::joined).collect();
    Ok(table)
}

/// Runs over the batches of the top-level columns that `wanted` accepts.
pub(crate) fn for_each_batch(
    path: &Path,
    limits: &Limits,
    wanted: &dyn Fn(&str) -> bool,
    each: &mut dyn FnMut(&RecordBatch),
) -> Result<(), ReadError> {
    let file = Opened::new(path, limits, false)?;
    let fields = file.metadata.schema().fields().iter().enumerate();
    let roots: Vec<usize> = fields
        .filter(|(_, field)| wanted(field.name()))
        .map(|(at, _)| at)
        .collect();
    file.batches(
        limits,
        &roots,
        None,
        &Seen::default(),
        &mut |batch, bytes| {
            each(batch);
            bytes
        },
    )
}

/// What has been read of a file so far, and the bytes that are kept of it.
#[derive(Default)]
struct Seen {
    rows: AtomicU64,
    bytes: AtomicU64,
    decoded: AtomicU64,
}

/// A file whose description is read.
struct Opened<'a> {
    path: &'a Path,
    metadata: ArrowReaderMetadata,
}

impl<'a> Opened<'a> {
    /// `coded` texts come as the file has them: each once, where it is so.
    fn new(path: &'a Path, limits: &Limits, coded: bool) -> Result<Self, ReadError> {
        let file = crate::read::open(path)?;
        let metadata = guarded(path, || {
            let options = ArrowReaderOptions::new();
            let plain = ArrowReaderMetadata::load(&file, options.clone())?;
            if !coded {
                return Ok(plain);
            }
            let fields = plain
                .schema()
                .fields()
                .iter()
                .map(|field| match field.data_type() {
                    DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(
                        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
                    )),
                    _ => field.clone(),
                });
            let schema = Schema::new_with_metadata(
                fields.collect::<Vec<_>>(),
                plain.schema().metadata().clone(),
            );
            ArrowReaderMetadata::try_new(
                plain.metadata().clone(),
                options.with_schema(Arc::new(schema)),
            )
        })?;
        let too_large = |limit, what| ReadError::TooLarge {
            path: path.to_owned(),
            limit,
            what,
        };
        if metadata.schema().fields().len() > limits.columns {
            return Err(too_large(limits.columns as u64, "columns"));
        }
        let rows = metadata.metadata().file_metadata().num_rows();
        if u64::try_from(rows).map_or(true, |rows| rows > limits.rows) {
            return Err(too_large(limits.rows, "rows"));
        }
        Ok(Self { path, metadata })
    }

    /// Runs over the batches of one row group, or of all, and tells of each the bytes it takes;
    /// `each` says how many are kept of it.
    fn batches(
        &self,
        limits: &Limits,
        roots: &[usize],
        group: Option<usize>,
        seen: &Seen,
        each: &mut dyn FnMut(&RecordBatch, usize) -> usize,
    ) -> Result<(), ReadError> {
        // Its own descriptor: readers in parallel must not share a position.
        let file = crate::read::open(self.path)?;
        let too_large = |limit, what| ReadError::TooLarge {
            path: self.path.to_owned(),
            limit,
            what,
        };
        guarded(self.path, || {
            let builder =
                ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
            let mask = ProjectionMask::roots(builder.parquet_schema(), roots.iter().copied());
            let builder = builder.with_projection(mask).with_batch_size(BATCH);
            let reader = match group {
                Some(group) => builder.with_row_groups(vec![group]),
                None => builder,
            };
            let mut dictionaries = Vec::new();
            for batch in reader.build()? {
                let batch = batch?;
                let add =
                    |to: &AtomicU64, n: usize| to.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
                if add(&seen.rows, batch.num_rows()) > limits.rows {
                    return Ok(Err(too_large(limits.rows, "rows")));
                }
                let bytes = memory(&batch, &mut dictionaries);
                if add(&seen.bytes, 0) + bytes as u64 > limits.bytes {
                    return Ok(Err(too_large(limits.bytes, "bytes")));
                }
                // What is not kept takes its time, too.
                let most = limits.bytes.saturating_mul(MOST_DECODED);
                if add(&seen.decoded, bytes) > most {
                    return Ok(Err(too_large(most, "bytes of which most are not kept")));
                }
                add(&seen.bytes, each(&batch, bytes));
            }
            Ok(Ok(()))
        })?
    }
}

/// Bytes of a batch. A dictionary that the batch before had is there once.
fn memory(batch: &RecordBatch, dictionaries: &mut Vec<ArrayRef>) -> usize {
    let mut bytes = 0;
    let before = std::mem::take(dictionaries);
    for column in batch.columns() {
        match column.as_any_dictionary_opt() {
            Some(coded) => {
                let values = coded.values();
                bytes += coded.keys().get_array_memory_size();
                if !before.iter().any(|known| same(known, values)) {
                    bytes += values.get_array_memory_size();
                }
                dictionaries.push(values.clone());
            }
            None => bytes += column.get_array_memory_size(),
        }
    }
    bytes
}

/// Whether both are one in memory.
fn same(one: &ArrayRef, other: &ArrayRef) -> bool {
    one.to_data().ptr_eq(&other.to_data())
}

/// The decoder is told lengths by the file; should a lie make it panic, that
/// is a defect of the file and not the end of the run.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ReadError> {
    let parquet_error = |message: String| ReadError::Parquet {
        path: path.to_owned(),
        message,
    };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| parquet_error(error.to_string())),
        Err(_) => Err(parquet_error("its lengths contradict each other".into())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float32Array, Int64Array, StringArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn read(bytes: &[u8], limits: &Limits) -> Result<Table, ReadError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        read_table(file.path(), limits, &|_| true)
    }

    #[test]
    fn a_dictionary_of_many_batches_is_in_memory_once() {
        use arrow_array::types::Int32Type;
        use arrow_array::{DictionaryArray, Int16Array, Int32Array, UInt64Array};
        // Names of 20,000 videos, 10 batches of rows; the last is absent.
        let names: Vec<String> = (0..20_000).map(|at| format!("video {at:07}")).collect();
        let rows = 10 * BATCH;
        let keys: Int32Array = (0..rows)
            .map(|row| (row + 1 < rows).then_some((row / 40) as i32))
            .collect();
        let videos =
            DictionaryArray::<Int32Type>::try_new(keys, Arc::new(StringArray::from(names)));
        let small: Int16Array = (0..rows)
            .map(|row| (row % 3 > 0).then_some(row as i16))
            .collect();
        let large: UInt64Array = (0..rows)
            .map(|row| Some(u64::MAX - row as u64 % 2))
            .collect();
        let batch = RecordBatch::try_from_iter([
            ("video", Arc::new(videos.unwrap()) as ArrayRef),
            ("small", Arc::new(small) as ArrayRef),
            ("large", Arc::new(large) as ArrayRef),
        ])
        .unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let limits = |bytes| Limits {
            bytes,
            ..Limits::default()
        };
        let table = read(&bytes, &limits(8 << 20)).unwrap();
        let text = |column: usize, row: usize| table.columns[column].text(row).into_owned();
        for row in [0, 1, 39, 40, 70_000, rows - 2] {
            assert_eq!(text(0, row), format!("video {:07}", row / 40));
            let wanted = (row % 3 > 0).then(|| (row as i16).to_string());
            assert_eq!(text(1, row), wanted.unwrap_or_default());
            assert_eq!(text(2, row), (u64::MAX - row as u64 % 2).to_string());
        }
        assert_eq!(text(0, rows - 1), "");
        let error = read(&bytes, &limits(3 << 20)).unwrap_err();
        assert!(
            error.to_string().contains("more than 3145728 bytes"),
            "{error}"
        );
    }

    #[test]
    fn what_is_decoded_and_not_kept_is_bounded_too() {
        let rows = 3 << 20;
        let zeros: arrow_array::Int16Array = std::iter::repeat_n(Some(0), rows).collect();
        let batch = RecordBatch::try_from_iter([("zero", Arc::new(zeros) as ArrayRef)]).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let of = |bytes| {
            let limits = Limits {
                bytes,
                ..Limits::default()
            };
            let opened = Opened::new(file.path(), &limits, false)?;
            let mut seen = 0;
            opened.batches(&limits, &[0], None, &Seen::default(), &mut |batch, _| {
                seen += batch.num_rows();
                0
            })?;
            Ok::<usize, ReadError>(seen)
        };
        assert_eq!(of(1 << 20).unwrap(), rows);
        let error = of(200 << 10).unwrap_err().to_string();
        assert!(
            error.contains("more than 3276800 bytes of which most"),
            "{error}"
        );
    }

    fn sample() -> Vec<u8> {
        let batch = RecordBatch::try_from_iter([
            (
                "id",
                Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef,
            ),
            ("score", Arc::new(Float32Array::from(vec![Some(0.5), None]))),
            ("frame", Arc::new(Int64Array::from(vec![3, 4]))),
        ])
        .unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn numbers_and_text_come_through_and_null_is_nan() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&sample()).unwrap();
        let table = read_table(file.path(), &Limits::default(), &|_| true).unwrap();
        assert_eq!(table.names, ["id", "score", "frame"]);
        assert_eq!(table.columns[1].number(0), Some(0.5));
        assert!(table.columns[1].number(1).unwrap().is_nan());
        assert_eq!(table.columns[2].text(1), "4");
        assert_eq!([0, 1].map(|row| table.line(row)), [1, 2]);
    }

    #[test]
    fn any_cut_or_flipped_byte_is_an_error_or_a_table_and_never_a_crash() {
        let whole = sample();
        for at in (0..whole.len()).step_by(3) {
            for damaged in [whole[..at].to_vec(), {
                let mut copy = whole.clone();
                copy[at] ^= 0x5a;
                copy
            }] {
                let mut file = tempfile::NamedTempFile::new().unwrap();
                file.write_all(&damaged).unwrap();
                let _ = read_table(file.path(), &Limits::default(), &|_| true);
            }
        }
    }
}
