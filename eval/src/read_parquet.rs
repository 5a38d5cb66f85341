//! Parquet to tables, column by column.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::read::{Limits, ReadError, Table, Texts, Values};

/// Reads every column this module understands; others are left out.
pub(crate) fn read_table(path: &Path, limits: &Limits) -> Result<Table, ReadError> {
    let mut table = Table::default();
    for_each_batch(path, limits, &|_| true, &mut |batch| {
        if table.names.is_empty() {
            for field in batch.schema().fields() {
                if let Some(values) = empty_for(field.data_type()) {
                    table.names.push(field.name().clone());
                    table.columns.push(values);
                }
            }
        }
        let known = batch
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| empty_for(field.data_type()).is_some())
            .map(|(at, _)| at)
            .collect::<Vec<_>>();
        for (column, at) in table.columns.iter_mut().zip(known) {
            append(column, batch.column(at).as_ref());
        }
        let first = table.rows.len() as u64 + 1;
        table.rows.extend(first..first + batch.num_rows() as u64);
    })?;
    Ok(table)
}

/// Runs over the batches of the top-level columns that `wanted` accepts.
pub(crate) fn for_each_batch(
    path: &Path,
    limits: &Limits,
    wanted: &dyn Fn(&str) -> bool,
    each: &mut dyn FnMut(&RecordBatch),
) -> Result<(), ReadError> {
    let parquet_error = |message: String| ReadError::Parquet {
        path: path.to_owned(),
        message,
    };
    let too_large = |limit, what| ReadError::TooLarge {
        path: path.to_owned(),
        limit,
        what,
    };
    let file = crate::read::open(path)?;
    // The decoder is told lengths by the file; should a lie make it panic,
    // that is a defect of the file and not the end of the run.
    let guarded = std::panic::AssertUnwindSafe(|| -> Result<(), ReadError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)
            .map_err(|e| parquet_error(e.to_string()))?;
        let metadata = builder.metadata().clone();
        if builder.schema().fields().len() > limits.columns {
            return Err(too_large(limits.columns as u64, "columns"));
        }
        let rows = metadata.file_metadata().num_rows();
        if u64::try_from(rows).map_or(true, |rows| rows > limits.rows) {
            return Err(too_large(limits.rows, "rows"));
        }
        let roots: Vec<usize> = builder
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| wanted(field.name()))
            .map(|(at, _)| at)
            .collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let reader = builder
            .with_projection(mask)
            .with_batch_size(8192)
            .build()
            .map_err(|e| parquet_error(e.to_string()))?;
        let (mut seen_rows, mut seen_bytes) = (0u64, 0u64);
        for batch in reader {
            let batch = batch.map_err(|e| parquet_error(e.to_string()))?;
            seen_rows += batch.num_rows() as u64;
            seen_bytes += batch.get_array_memory_size() as u64;
            if seen_rows > limits.rows {
                return Err(too_large(limits.rows, "rows"));
            }
            if seen_bytes > limits.bytes {
                return Err(too_large(limits.bytes, "bytes"));
            }
            each(&batch);
        }
        Ok(())
    });
    std::panic::catch_unwind(guarded)
        .unwrap_or_else(|_| Err(parquet_error("its lengths contradict each other".into())))
}

fn empty_for(kind: &DataType) -> Option<Values> {
    match kind {
        DataType::Float32 | DataType::Float64 => Some(Values::Number(Vec::new())),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Some(Values::Text(Texts::default())),
        DataType::List(item) | DataType::LargeList(item)
            if matches!(
                item.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            ) =>
        {
            Some(Values::Text(Texts::default()))
        }
        DataType::Dictionary(_, value) if empty_for(value).is_some() => {
            Some(Values::Text(Texts::default()))
        }
        _ => None,
    }
}

fn append(column: &mut Values, array: &dyn Array) {
    match column {
        Values::Number(numbers) => match array.data_type() {
            DataType::Float32 => {
                let array = array.as_primitive::<Float32Type>();
                numbers.extend(array.iter().map(|v| v.map_or(f64::NAN, f64::from)));
            }
            _ => {
                let array = array.as_primitive::<Float64Type>();
                numbers.extend(array.iter().map(|v| v.unwrap_or(f64::NAN)));
            }
        },
        Values::Text(texts) => {
            for row in 0..array.len() {
                texts.push(&cell_text(array, row).unwrap_or_default());
            }
        }
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
        let table = read_table(file.path(), &Limits::default()).unwrap();
        assert_eq!(table.names, ["id", "score", "frame"]);
        assert_eq!(table.columns[1].number(0), Some(0.5));
        assert!(table.columns[1].number(1).unwrap().is_nan());
        assert_eq!(table.columns[2].text(1), "4");
        assert_eq!(table.rows, [1, 2]);
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
                let _ = read_table(file.path(), &Limits::default());
            }
        }
    }
}
