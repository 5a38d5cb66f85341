//! How full each column of a release is: read from the statistics that Parquet keeps, and from
//! the rows of the columns that are written without them (digests and addresses).

use std::{collections::BTreeSet, fs::File, path::Path};

use arrow_array::Array;

use fairframe_ingest::manifest::ReleaseReader;
use fairframe_schemas::Column;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::{catalog::Release, error::AppError};

/// Of the accepted samples.
#[derive(Debug, Default)]
pub struct Filled {
    pub rows: u64,
    /// How many rows are without each public column: null, or an empty list.
    pub columns: Vec<(Column, u64)>,
}

pub async fn of(release: &Release) -> Result<Filled, AppError> {
    let folder = release.folder.clone();
    tokio::task::spawn_blocking(move || read(&folder))
        .await
        .map_err(AppError::internal)?
}

/// The first leaf of a column has one entry for each row that is without: its record and its
/// list's items are never null.
fn read(folder: &Path) -> Result<Filled, AppError> {
    let reader = ReleaseReader::open(folder).map_err(AppError::internal)?;
    let mut filled = Filled {
        rows: 0,
        columns: Column::public().map(|column| (column, 0)).collect(),
    };
    let mut uncounted: BTreeSet<Column> = BTreeSet::new();
    for part in reader.parts() {
        let file = File::open(part).map_err(AppError::internal)?;
        let file = SerializedFileReader::new(file).map_err(AppError::internal)?;
        for group in file.metadata().row_groups() {
            let rows = group.num_rows().unsigned_abs();
            filled.rows += rows;
            for (column, without) in &mut filled.columns {
                let mut leaves = group.columns().iter();
                let leaf = leaves.find(|leaf| {
                    let path = leaf.column_path().parts();
                    path.first().is_some_and(|name| name == column.name())
                });
                match leaf {
                    // Of a release from before the column.
                    None => *without += rows,
                    Some(leaf) => match leaf.statistics().and_then(|s| s.null_count_opt()) {
                        Some(nulls) => *without += nulls,
                        None => _ = uncounted.insert(*column),
                    },
                }
            }
        }
    }
    let uncounted: Vec<Column> = uncounted.into_iter().collect();
    let read = (!uncounted.is_empty()).then(|| reader.columns(&uncounted));
    let mut nulls = vec![0u64; uncounted.len()];
    for batch in read.into_iter().flatten() {
        let batch = batch.map_err(AppError::internal)?;
        for (column, nulls) in uncounted.iter().zip(&mut nulls) {
            *nulls += match batch.column_by_name(column.name()) {
                Some(array) => array.null_count() as u64,
                None => batch.num_rows() as u64,
            };
        }
    }
    for (column, without) in &mut filled.columns {
        if let Some(at) = uncounted.iter().position(|c| c == column) {
            *without = nulls[at];
        }
    }
    Ok(filled)
}
