//! Parquet to tables, column by column.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use rayon::prelude::*;

use crate::names::Names;
use crate::read::{Limits, Lines, ReadError, Table, Texts, Values};

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
            file.batches(limits, &roots, Some(group), &seen, &mut |batch| {
                for (part, array) in parts.iter_mut().zip(batch.columns()) {
                    part.append(array);
                }
            })?;
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
    file.batches(limits, &roots, None, &Seen::default(), each)
}

/// What has been read of a file so far.
#[derive(Default)]
struct Seen {
    rows: AtomicU64,
    bytes: AtomicU64,
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

    /// Runs over the batches of one row group, or of all.
    fn batches(
        &self,
        limits: &Limits,
        roots: &[usize],
        group: Option<usize>,
        seen: &Seen,
        each: &mut dyn FnMut(&RecordBatch),
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
            for batch in reader.build()? {
                let batch = batch?;
                let add =
                    |to: &AtomicU64, n: usize| to.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
                if add(&seen.rows, batch.num_rows()) > limits.rows {
                    return Ok(Err(too_large(limits.rows, "rows")));
                }
                if add(&seen.bytes, batch.get_array_memory_size()) > limits.bytes {
                    return Ok(Err(too_large(limits.bytes, "bytes")));
                }
                each(&batch);
            }
            Ok(Ok(()))
        })?
    }
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

/// One column of one row group.
enum Part {
    Text(Texts),
    Number(Vec<f64>),
    Coded {
        codes: Vec<u32>,
        names: Box<Names>,
        /// The codes of the dictionary seen last: a row group has one for
        /// many batches.
        last: Option<(ArrayRef, Vec<u32>)>,
        whole: HashMap<i64, u32, RandomState>,
    },
}

impl Part {
    fn of(kind: &DataType) -> Self {
        match empty_for(kind) {
            Some(Values::Number(_)) => Part::Number(Vec::new()),
            Some(Values::Coded { .. }) => Part::Coded {
                codes: Vec::new(),
                names: Box::default(),
                last: None,
                whole: HashMap::default(),
            },
            _ => Part::Text(Texts::default()),
        }
    }

    fn append(&mut self, array: &ArrayRef) {
        match self {
            Part::Number(numbers) => match array.data_type() {
                DataType::Float32 => {
                    let array = array.as_primitive::<Float32Type>();
                    if array.null_count() == 0 {
                        return numbers.extend(array.values().iter().map(|v| f64::from(*v)));
                    }
                    numbers.extend(array.iter().map(|v| v.map_or(f64::NAN, f64::from)));
                }
                _ => {
                    let array = array.as_primitive::<Float64Type>();
                    numbers.extend(array.iter().map(|v| v.unwrap_or(f64::NAN)));
                }
            },
            Part::Text(texts) => {
                for row in 0..array.len() {
                    texts.push(&cell_text(array, row).unwrap_or_default());
                }
            }
            Part::Coded {
                codes,
                names,
                last,
                whole,
            } => {
                macro_rules! whole {
                    ($kind:ty) => {{
                        let array = array.as_primitive::<$kind>();
                        codes.extend(array.iter().map(|value| {
                            match value {
                                None => names.code(""),
                                Some(value) => *whole
                                    .entry(value as i64)
                                    .or_insert_with(|| names.code(&value.to_string())),
                            }
                        }))
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
                        let same = |known: &ArrayRef| known.to_data().ptr_eq(&values.to_data());
                        let known = match last.take() {
                            Some((known, codes)) if same(&known) => codes,
                            _ => (0..values.len())
                                .map(|at| names.code(&cell_text(values, at).unwrap_or_default()))
                                .collect(),
                        };
                        codes.extend(array.keys().iter().map(|key| match key {
                            None => names.code(""),
                            Some(key) => known[key as usize],
                        }));
                        *last = Some((values.clone(), known));
                    }
                    _ => {
                        let cells = (0..array.len()).map(|row| cell_text(array, row));
                        codes.extend(
                            cells.map(|cell| names.code(cell.as_deref().unwrap_or_default())),
                        );
                    }
                }
            }
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
                (Part::Number(all), Part::Number(more)) => all.extend_from_slice(&more),
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
                    codes.par_extend(more.par_iter().map(|code| known[*code as usize]));
                }
                _ => {}
            }
        }
        match all {
            Part::Text(texts) => Values::Text(texts),
            Part::Number(numbers) => Values::Number(numbers),
            Part::Coded {
                codes, mut names, ..
            } => {
                names.forget_index();
                Values::Coded {
                    codes,
                    names: *names,
                }
            }
        }
    }
}

fn coded() -> Values {
    Values::Coded {
        codes: Vec::new(),
        names: Names::default(),
    }
}

/// What a column of such a kind becomes; none where it is left out.
fn empty_for(kind: &DataType) -> Option<Values> {
    match kind {
        DataType::Float32 | DataType::Float64 => Some(Values::Number(Vec::new())),
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
