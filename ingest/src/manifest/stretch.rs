//! A release cut into stretches of rows that can be read on their own: for
//! reading on all cores, and for reading one row among many.

use std::{fs::File, path::PathBuf};

use arrow_array::RecordBatch;
use fairframe_schemas::{Column, Sample, column::release_schema};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
            ParquetRecordBatchReaderBuilder,
        },
    },
    file::metadata::PageIndexPolicy,
};

use super::{ManifestError, ReleaseReader, read::check_format, rows};

/// Rows of one record batch.
const BATCH_ROWS: usize = 8 * 1024;

/// Rows of one file that follow each other.
#[derive(Debug, Clone)]
pub struct Stretch {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    offset: u64,
    rows: u64,
    accepted: bool,
}

impl ReleaseReader {
    /// All rows in stretches of at most `rows`, accepted ones first, in manifest order. The format
    /// of every file is checked here.
    pub fn stretches(&self, rows: u64) -> Result<Vec<Stretch>, ManifestError> {
        let mut out = Vec::new();
        let parts = self.parts().iter().map(|path| (path.clone(), true));
        let excluded = self.excluded_path().map(|path| (path, false));
        for (path, accepted) in parts.chain(excluded) {
            let file = File::open(&path).map_err(|error| ManifestError::Io {
                path: path.clone(),
                error,
            })?;
            let options =
                ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
            let metadata = ArrowReaderMetadata::load(&file, options);
            let metadata = metadata.map_err(|error| ManifestError::Parquet {
                path: path.clone(),
                error,
            })?;
            check_format(&path, &metadata, &release_schema())?;
            let total = metadata.metadata().file_metadata().num_rows().max(0) as u64;
            let mut offset = 0;
            while offset < total {
                let rows = rows.max(1).min(total - offset);
                out.push(Stretch {
                    path: path.clone(),
                    metadata: metadata.clone(),
                    offset,
                    rows,
                    accepted,
                });
                offset += rows;
            }
        }
        Ok(out)
    }
}

impl Stretch {
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the rows stand in a `part-*.parquet`.
    pub fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// Some columns of the rows; a column that may be absent is left out where it is.
    pub fn columns(
        &self,
        columns: &[Column],
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ManifestError>> + use<>, ManifestError>
    {
        let names = columns.iter().map(|c| c.name());
        let mask = ProjectionMask::columns(self.metadata.parquet_schema(), names);
        let reader = self.reader(mask, self.offset, self.rows)?;
        let path = self.path.clone();
        Ok(reader.map(move |batch| {
            batch.map_err(|e| ManifestError::Parquet {
                path: path.clone(),
                error: e.into(),
            })
        }))
    }

    /// The sample at row `at` of the stretch; none beyond its end. Pages without it are not decoded.
    pub fn sample(&self, at: u64) -> Result<Option<Sample>, ManifestError> {
        if at >= self.rows {
            return Ok(None);
        }
        let mut found = None;
        for batch in self.reader(ProjectionMask::all(), self.offset + at, 1)? {
            let batch = batch.map_err(|e| ManifestError::Parquet {
                path: self.path.clone(),
                error: e.into(),
            })?;
            let samples = rows::samples(&batch).map_err(|error| ManifestError::In {
                path: self.path.clone(),
                error: Box::new(error),
            })?;
            found = found.or_else(|| samples.into_iter().next());
        }
        Ok(found)
    }

    fn reader(
        &self,
        mask: ProjectionMask,
        offset: u64,
        rows: u64,
    ) -> Result<ParquetRecordBatchReader, ManifestError> {
        let file = File::open(&self.path).map_err(|error| ManifestError::Io {
            path: self.path.clone(),
            error,
        })?;
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS.min(rows as usize))
            .with_offset(offset as usize)
            .with_limit(rows as usize)
            .build()
            .map_err(|error| ManifestError::Parquet {
                path: self.path.clone(),
                error,
            })
    }
}
