//! Embeddings per sample: a Parquet with `sample_id` and a list of numbers,
//! or a numpy matrix with its ids in a table beside it.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use fairframe_schemas::Column;

use crate::read::{JsonPart, Limits, ReadError, read_table};
use crate::read_parquet::{cell_text, for_each_batch};

/// Numbers of one embedding, at most.
const MAX_DIMENSION: usize = 65_536;

/// Rows of equal length.
#[derive(Debug, Clone, Default)]
pub struct Embeddings {
    pub dimension: usize,
    pub values: Vec<f32>,
    pub rows: HashMap<String, u32>,
    /// Rows that are no embedding: where, and why.
    pub bad: Vec<(u64, String)>,
}

impl Embeddings {
    pub fn row(&self, at: u32) -> &[f32] {
        &self.values[at as usize * self.dimension..][..self.dimension]
    }

    fn push(&mut self, id: &str, line: u64, row: &[f32]) {
        if self.rows.is_empty() {
            self.dimension = row.len();
        }
        let why = match () {
            () if row.is_empty() || row.len() > MAX_DIMENSION => "has no usable length",
            () if row.len() != self.dimension => "has another length than the first",
            () if !row.iter().all(|v| v.is_finite()) => "holds what is not a number",
            () if self.rows.contains_key(id) => "is there twice",
            () => {
                self.rows.insert(id.to_owned(), self.rows.len() as u32);
                self.values.extend_from_slice(row);
                return;
            }
        };
        self.bad.push((line, format!("{id}: its embedding {why}")));
    }
}

/// Whether a file is a numpy array.
pub fn is_npy(path: &Path) -> bool {
    let mut start = [0; 6];
    crate::read::open(path)
        .is_ok_and(|mut file| file.read_exact(&mut start).is_ok() && &start == b"\x93NUMPY")
}

/// Reads embeddings; `ids` names the rows of a numpy matrix.
pub fn read(path: &Path, ids: Option<&Path>, limits: &Limits) -> Result<Embeddings, ReadError> {
    let mut found = Embeddings::default();
    if is_npy(path) {
        let error = |message: &str| ReadError::Npy {
            path: path.to_owned(),
            message: message.to_owned(),
        };
        let ids = ids.ok_or_else(|| error("nothing names its rows; give `--ids`"))?;
        let names = read_table(ids, limits, JsonPart::Probs, &|_| true)?;
        let column = names.find(&[Column::SampleId.name()]);
        let column = column.ok_or_else(|| error("the table of ids has no `sample_id`"))?;
        let (dimension, values) = npy(path, limits)?;
        if names.len() * dimension != values.len() {
            return Err(error("it has another number of rows than there are ids"));
        }
        for (at, row) in values.chunks_exact(dimension).enumerate() {
            found.push(names.columns[column].text(at).trim(), at as u64 + 1, row);
        }
        return Ok(found);
    }
    let mut line = 0;
    for_each_batch(path, limits, &|_| true, &mut |batch| {
        let lists = list_column(batch);
        let ids = batch.column_by_name(Column::SampleId.name());
        if let (Some(lists), Some(ids)) = (lists, ids) {
            for row in 0..batch.num_rows() {
                let id = cell_text(ids.as_ref(), row).unwrap_or_default();
                let values = list_row(lists, row).unwrap_or_default();
                found.push(&id, line + row as u64 + 1, &values);
            }
        }
        line += batch.num_rows() as u64;
    })?;
    Ok(found)
}

/// The first column of lists of floats.
fn list_column(batch: &RecordBatch) -> Option<&ArrayRef> {
    let floats = |kind: &DataType| matches!(kind, DataType::Float32 | DataType::Float64);
    batch
        .columns()
        .iter()
        .find(|column| match column.data_type() {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                floats(item.data_type())
            }
            _ => false,
        })
}

fn list_row(lists: &ArrayRef, row: usize) -> Option<Vec<f32>> {
    if lists.is_null(row) {
        return None;
    }
    let items = match lists.data_type() {
        DataType::List(_) => lists.as_list::<i32>().value(row),
        DataType::LargeList(_) => lists.as_list::<i64>().value(row),
        _ => lists.as_fixed_size_list().value(row),
    };
    Some(match items.data_type() {
        DataType::Float32 => {
            let items = items.as_primitive::<Float32Type>();
            items.iter().map(|v| v.unwrap_or(f32::NAN)).collect()
        }
        _ => {
            let items = items.as_primitive::<Float64Type>();
            items
                .iter()
                .map(|v| v.map_or(f32::NAN, |v| v as f32))
                .collect()
        }
    })
}

/// A matrix of numpy's format 1 or 2 (`numpy/lib/format.py`): its number of
/// columns and its values, row after row.
pub fn npy(path: &Path, limits: &Limits) -> Result<(usize, Vec<f32>), ReadError> {
    let error = |message: String| ReadError::Npy {
        path: path.to_owned(),
        message,
    };
    let io_error = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = crate::read::open(path)?;
    let size = file.metadata().map_err(io_error)?.len();
    if size > limits.bytes {
        return Err(ReadError::TooLarge {
            path: path.to_owned(),
            limit: limits.bytes,
            what: "bytes",
        });
    }
    let mut start = [0; 12];
    file.read_exact(&mut start[..10]).map_err(io_error)?;
    let (header, offset) = match start[6] {
        1 => (u64::from(u16::from_le_bytes([start[8], start[9]])), 10),
        2 | 3 => {
            file.read_exact(&mut start[10..]).map_err(io_error)?;
            let length = [start[8], start[9], start[10], start[11]];
            (u64::from(u32::from_le_bytes(length)), 12)
        }
        other => return Err(error(format!("its format {other} is not known"))),
    };
    if header > 65_536 {
        return Err(error("its header is too long".to_owned()));
    }
    let mut text = vec![0; header as usize];
    file.read_exact(&mut text).map_err(io_error)?;
    let text = String::from_utf8_lossy(&text).replace(' ', "");
    let width: u64 = match text.as_str() {
        t if t.contains("'descr':'<f4'") => 4,
        t if t.contains("'descr':'<f8'") => 8,
        _ => return Err(error("its values are neither `<f4` nor `<f8`".to_owned())),
    };
    let shape = text.split_once("'shape':(").and_then(|(_, rest)| {
        let (rows, columns) = rest.split_once(')')?.0.split_once(',')?;
        Some((rows.parse::<u64>().ok()?, columns.parse::<u64>().ok()?))
    });
    let Some((rows, columns)) = shape.filter(|_| text.contains("'fortran_order':False")) else {
        return Err(error("it is not a matrix, row after row".to_owned()));
    };
    let wanted = rows.checked_mul(columns).and_then(|n| n.checked_mul(width));
    let there = size.saturating_sub(offset + header);
    if columns == 0 || columns > MAX_DIMENSION as u64 || wanted != Some(there) {
        return Err(error(format!(
            "its shape {rows} x {columns} is not that of its bytes"
        )));
    }
    let mut bytes = Vec::with_capacity(there as usize);
    file.take(there).read_to_end(&mut bytes).map_err(io_error)?;
    let values = match width {
        4 => bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        _ => bytes
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
    };
    Ok((columns as usize, values))
}
