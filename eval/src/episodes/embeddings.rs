//! Embeddings per sample: a Parquet with `sample_id` and a list of numbers,
//! or a numpy matrix with its ids in a table beside it.

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use fairframe_schemas::Column;
use rayon::prelude::*;

use crate::names::Names;
use crate::read::{JsonPart, Limits, ReadError, is_parquet, read_table, starts_with};
use crate::read_parquet::{cell_text, for_each_batch};

/// Numbers of one embedding, at most.
const MAX_DIMENSION: usize = 65_536;
/// Bytes of a matrix that are read at once.
const PIECE: usize = 1 << 22;

/// Rows of equal length.
#[derive(Debug, Clone, Default)]
pub struct Embeddings {
    pub dimension: usize,
    pub values: Vec<f32>,
    /// The samples, by row.
    pub rows: Names,
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
        let finite = row.iter().all(|v| v.is_finite());
        if self.named(id, line, row.len(), finite) {
            self.values.extend_from_slice(row);
        }
    }

    /// Names the next row, if it is an embedding.
    fn named(&mut self, id: &str, line: u64, length: usize, finite: bool) -> bool {
        let why = match () {
            () if length == 0 || length > MAX_DIMENSION => "has no usable length",
            () if length != self.dimension => "has another length than the first",
            () if !finite => "holds what is not a number",
            () if self.rows.find(id).is_some() => "is there twice",
            () => {
                self.rows.code(id);
                return true;
            }
        };
        self.bad.push((line, format!("{id}: its embedding {why}")));
        false
    }
}

/// Whether a file is a numpy array.
pub fn is_npy(path: &Path) -> bool {
    starts_with(path, b"\x93NUMPY")
}

/// Whether a file is of a kind that can hold embeddings.
pub fn can_be(path: &Path) -> bool {
    is_npy(path) || is_parquet(path)
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
        let finite: Vec<bool> = values
            .par_chunks_exact(dimension)
            .map(|row| row.iter().all(|v| v.is_finite()))
            .collect();
        found.dimension = dimension;
        found.values = values;
        for (at, finite) in finite.into_iter().enumerate() {
            let id = names.columns[column].text(at);
            let next = found.rows.len();
            let good = found.named(id.trim(), at as u64 + 1, dimension, finite);
            if good && next < at {
                // Rows that are no embedding have gone before it.
                let from = at * dimension;
                found
                    .values
                    .copy_within(from..from + dimension, next * dimension);
            }
        }
        found.values.truncate(found.rows.len() * dimension);
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
                found.push(id.trim(), line + row as u64 + 1, &values);
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
    let start = offset + header;
    // Pieces in parallel: copying from the page cache is most of the work.
    let read = |into: &mut [u8], at: usize| {
        let from = start + (at * PIECE) as u64;
        file.read_exact_at(into, from).map_err(io_error)
    };
    let cells = (rows * columns) as usize;
    let values = match width {
        4 => {
            let mut values = vec![0f32; cells];
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut values);
            let pieces = bytes.par_chunks_mut(PIECE).enumerate();
            pieces.try_for_each(|(at, piece)| read(piece, at))?;
            if cfg!(target_endian = "big") {
                let turned = |v: &mut f32| *v = f32::from_bits(v.to_bits().swap_bytes());
                values.iter_mut().for_each(turned);
            }
            values
        }
        _ => {
            let mut values = vec![0f32; cells];
            let pieces = values.par_chunks_mut(PIECE / 8).enumerate();
            pieces.try_for_each(|(at, piece)| -> Result<(), ReadError> {
                let mut bytes = vec![0; 8 * piece.len()];
                read(&mut bytes, at)?;
                let (numbers, _) = bytes.as_chunks::<8>();
                for (value, number) in piece.iter_mut().zip(numbers) {
                    *value = f64::from_le_bytes(*number) as f32;
                }
                Ok(())
            })?;
            values
        }
    };
    Ok((columns as usize, values))
}
