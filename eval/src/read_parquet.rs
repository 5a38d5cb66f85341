//! Parquet to tables, column by column.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use rayon::prelude::*;

use crate::codes::Codes;
use crate::names::Names;
use crate::read::{Limits, Lines, Numbers, ReadError, Table, Texts, Values};

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

/// Whole numbers from 0 up that are looked up in a list.
const SMALL: usize = 1 << 12;
/// A value that has no code yet.
const UNSEEN: u32 = u32::MAX;

/// One column of one row group.
enum Part {
    Text(Texts),
    Single(Vec<f32>),
    Double(Vec<f64>),
    Coded {
        codes: Codes,
        /// Of one batch.
        here: Vec<u32>,
        names: Box<Names>,
        /// The dictionary seen last, as a row group has one for many batches; and the codes of
        /// its values, those that were seen.
        last: Option<(ArrayRef, Vec<u32>)>,
        /// The codes of small whole numbers, and of others.
        small: Vec<u32>,
        large: HashMap<i64, u32, RandomState>,
    },
}

impl Part {
    fn of(kind: &DataType) -> Self {
        match empty_for(kind) {
            Some(Values::Number(Numbers::Single(_))) => Part::Single(Vec::new()),
            Some(Values::Number(Numbers::Double(_))) => Part::Double(Vec::new()),
            Some(Values::Coded { .. }) => Part::Coded {
                codes: Codes::default(),
                here: Vec::new(),
                names: Box::default(),
                last: None,
                small: Vec::new(),
                large: HashMap::default(),
            },
            _ => Part::Text(Texts::default()),
        }
    }

    fn append(&mut self, array: &ArrayRef) {
        match self {
            Part::Single(numbers) => match array.as_primitive::<Float32Type>() {
                array if array.null_count() == 0 => numbers.extend_from_slice(array.values()),
                array => numbers.extend(array.iter().map(|number| number.unwrap_or(f32::NAN))),
            },
            Part::Double(numbers) => match array.as_primitive::<Float64Type>() {
                array if array.null_count() == 0 => numbers.extend_from_slice(array.values()),
                array => numbers.extend(array.iter().map(|number| number.unwrap_or(f64::NAN))),
            },
            Part::Text(texts) => {
                for row in 0..array.len() {
                    texts.push(&cell_text(array, row).unwrap_or_default());
                }
            }
            Part::Coded {
                codes,
                here,
                names,
                last,
                small,
                large,
            } => {
                here.clear();
                macro_rules! whole {
                    ($kind:ty) => {{
                        let array = array.as_primitive::<$kind>();
                        small.resize(SMALL, UNSEEN);
                        let absent = (array.null_count() > 0).then(|| names.code(""));
                        let mut code = |value: <$kind as ArrowPrimitiveType>::Native| {
                            let code = match small.get_mut(value as usize) {
                                Some(code) => code,
                                None => large.entry(value as i64).or_insert(UNSEEN),
                            };
                            if *code == UNSEEN {
                                *code = names.code(&value.to_string());
                            }
                            *code
                        };
                        match absent {
                            None => here.extend(array.values().iter().map(|value| code(*value))),
                            Some(absent) => {
                                here.extend(array.iter().map(|v| v.map_or(absent, &mut code)))
                            }
                        }
                    }};
                }
                match array.data_type() {
                    DataType::Int8 => whole!(Int8Type),
                    DataType::Int16 => whole!(Int16Type),
                    DataType::Int32 => whole!(Int32Type),
                    DataType::Int64 => whole!(Int64Type),
                    DataType::UInt8 => whole!(UInt8Type),
                    DataType::UInt16 => whole!(UInt16Type),
                    DataType::UInt32 => whole!(UInt32Type),
                    // Distinct values have distinct bits.
                    DataType::UInt64 => whole!(UInt64Type),
                    DataType::Dictionary(key, _) if **key == DataType::Int32 => {
                        let array = array.as_dictionary::<Int32Type>();
                        let values = array.values();
                        let mut known = match last.take() {
                            Some((known, codes)) if same(&known, values) => codes,
                            _ => vec![UNSEEN; values.len()],
                        };
                        let keys = array.keys();
                        let absent = (keys.null_count() > 0).then(|| names.code(""));
                        let mut code = |key: i32| {
                            let code = &mut known[key as usize];
                            if *code == UNSEEN {
                                let text = cell_text(values, key as usize);
                                *code = names.code(&text.unwrap_or_default());
                            }
                            *code
                        };
                        match absent {
                            None => here.extend(keys.values().iter().map(|key| code(*key))),
                            Some(absent) => {
                                here.extend(keys.iter().map(|key| key.map_or(absent, &mut code)))
                            }
                        }
                        *last = Some((values.clone(), known));
                    }
                    _ => {
                        let cells = (0..array.len()).map(|row| cell_text(array, row));
                        here.extend(
                            cells.map(|cell| names.code(cell.as_deref().unwrap_or_default())),
                        );
                    }
                }
                codes.extend(here);
            }
        }
    }

    /// The bytes it takes.
    fn memory(&self) -> usize {
        match self {
            Part::Text(texts) => texts.memory(),
            Part::Single(numbers) => size_of_val(numbers.as_slice()),
            Part::Double(numbers) => size_of_val(numbers.as_slice()),
            Part::Coded { codes, names, .. } => codes.memory() + names.memory(),
        }
    }

    /// Lets go of what is only there to add to it.
    fn forget_dictionary(&mut self) {
        if let Part::Coded {
            here,
            last,
            small,
            large,
            names,
            ..
        } = self
        {
            (*here, *last, *small) = Default::default();
            *large = HashMap::default();
            names.forget_index();
        }
    }

    /// The parts of one column, end to end.
    fn joined(parts: Vec<Part>) -> Values {
        let mut parts = parts.into_iter();
        let Some(mut all) = parts.next() else {
            return Values::Text(Texts::default());
        };
        for part in parts {
            match (&mut all, part) {
                (Part::Single(all), Part::Single(more)) => all.extend_from_slice(&more),
                (Part::Double(all), Part::Double(more)) => all.extend_from_slice(&more),
                (Part::Text(all), Part::Text(more)) => {
                    (0..more.len()).for_each(|row| all.push(more.get(row)));
                }
                (
                    Part::Coded { codes, names, .. },
                    Part::Coded {
                        codes: more,
                        names: others,
                        ..
                    },
                ) => {
                    let known: Vec<u32> = others.iter().map(|name| names.code(name)).collect();
                    codes.append(&more.renumbered(&known));
                }
                _ => {}
            }
        }
        match all {
            Part::Text(texts) => Values::Text(texts),
            Part::Single(numbers) => Values::Number(Numbers::Single(Arc::new(numbers))),
            Part::Double(numbers) => Values::Number(Numbers::Double(Arc::new(numbers))),
            Part::Coded {
                codes, mut names, ..
            } => {
                names.forget_index();
                Values::Coded {
                    codes: Arc::new(codes),
                    names: *names,
                }
            }
        }
    }
}

fn coded() -> Values {
    Values::Coded {
        codes: Arc::default(),
        names: Names::default(),
    }
}

/// What a column of such a kind becomes; none where it is left out.
fn empty_for(kind: &DataType) -> Option<Values> {
    match kind {
        DataType::Float32 => Some(Values::Number(Numbers::Single(Arc::default()))),
        DataType::Float64 => Some(Values::Number(Numbers::Double(Arc::default()))),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Some(Values::Text(Texts::default()))
        }
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Some(coded()),
        DataType::List(item) | DataType::LargeList(item)
            if matches!(
                item.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            ) =>
        {
            Some(Values::Text(Texts::default()))
        }
        DataType::Dictionary(_, value) if empty_for(value).is_some() => Some(coded()),
        _ => None,
    }
}

/// One cell as text: lists are joined with spaces; none where it is null or
/// of a kind that has no text.
pub(crate) fn cell_text(array: &dyn Array, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    macro_rules! number {
        ($kind:ty) => {
            array.as_primitive::<$kind>().value(row).to_string()
        };
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
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
        DataType::List(_) => joined(array.as_list::<i32>().value(row).as_ref()),
        DataType::LargeList(_) => joined(array.as_list::<i64>().value(row).as_ref()),
        DataType::Dictionary(_, _) => {
            // A slice of one: `normalized_keys` turns over every key it is given.
            let one = array.slice(row, 1);
            let dictionary = one.as_any_dictionary_opt()?;
            let key = *dictionary.normalized_keys().first()?;
            return cell_text(dictionary.values().as_ref(), key);
        }
        _ => return None,
    })
}

fn joined(items: &dyn Array) -> String {
    (0..items.len())
        .filter_map(|at| cell_text(items, at))
        .collect::<Vec<_>>()
        .join(" ")
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
