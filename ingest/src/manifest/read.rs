//! Reading a release: every file checked for its format before a row is used.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
};

use arrow_array::{RecordBatch, cast::AsArray};
use arrow_schema::Schema;
use fairframe_schemas::{
    Column, Sample, SampleId, SchemaVersion,
    column::{release_schema, restricted_schema},
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};

use super::{EXCLUDED, rows};
use crate::disk;

/// What can be wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("`{}` holds no `part-*.parquet`; name the folder of a release", .0.display())]
    NoParts(PathBuf),
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Io {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: {error}", path.display())]
    Parquet {
        path: PathBuf,
        error: parquet::errors::ParquetError,
    },
    #[error("{}: {error}", path.display())]
    Version {
        path: PathBuf,
        error: fairframe_schemas::version::VersionError,
    },
    #[error("{}: the file does not state `fairframe.schema_version`; it is no Fairframe manifest", .0.display())]
    NotOurs(PathBuf),
    #[error("column `{column}` is missing; the file was not written by this format")]
    ColumnMissing { column: &'static str },
    #[error("column `{column}` is {found}, not {expected}")]
    ColumnType {
        column: &'static str,
        found: String,
        expected: String,
    },
    #[error("column `{column}`, row {row} of the batch: {problem}")]
    Value {
        column: &'static str,
        row: u64,
        problem: String,
    },
    #[error("{}: {error}", path.display())]
    In {
        path: PathBuf,
        error: Box<ManifestError>,
    },
    #[error(transparent)]
    Recall(#[from] crate::recall::RecallError),
}

/// A release folder opened for reading.
#[derive(Debug, Clone)]
pub struct ReleaseReader {
    folder: PathBuf,
    parts: Vec<PathBuf>,
}

impl ReleaseReader {
    pub fn open(folder: &Path) -> Result<Self, ManifestError> {
        let entries = std::fs::read_dir(folder).map_err(|error| ManifestError::Io {
            path: folder.to_owned(),
            error,
        })?;
        let mut parts: Vec<PathBuf> = entries
            .filter_map(|e| Some(e.ok()?.path()))
            .filter(|p| {
                let name = p.file_name().and_then(|n| n.to_str()).unwrap_or_default();
                name.starts_with("part-") && name.ends_with(".parquet")
            })
            .collect();
        parts.sort();
        if parts.is_empty() {
            return Err(ManifestError::NoParts(folder.to_owned()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            parts,
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn parts(&self) -> &[PathBuf] {
        &self.parts
    }

    /// The file of the rows that were not accepted, where there is one.
    pub(super) fn excluded_path(&self) -> Option<PathBuf> {
        let path = self.folder.join(EXCLUDED);
        path.exists().then_some(path)
    }

    /// All accepted samples, in manifest order, batch by batch.
    pub fn accepted(&self) -> impl Iterator<Item = Result<Vec<Sample>, ManifestError>> {
        self.parts.clone().into_iter().flat_map(read_samples)
    }

    /// At most `limit` accepted samples from row `offset` on, in manifest order; the pages before
    /// them are not decoded.
    pub fn slice(&self, offset: u64, limit: u64) -> Result<Vec<Sample>, ManifestError> {
        let (mut skip, mut want) = (offset, limit);
        let mut out = Vec::new();
        for path in &self.parts {
            if want == 0 {
                break;
            }
            let in_parquet = |error| ManifestError::Parquet {
                path: path.clone(),
                error,
            };
            let file = File::open(path).map_err(|error| ManifestError::Io {
                path: path.clone(),
                error,
            })?;
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default());
            let metadata = metadata.map_err(in_parquet)?;
            check_format(path, &metadata, &release_schema())?;
            let rows = metadata.metadata().file_metadata().num_rows().max(0) as u64;
            if skip >= rows {
                skip -= rows;
                continue;
            }
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
                .with_offset(skip as usize)
                .with_limit(want as usize)
                .build()
                .map_err(in_parquet)?;
            skip = 0;
            for batch in reader {
                let samples = rows::samples(&batch.map_err(|e| in_parquet(e.into()))?)?;
                want -= samples.len() as u64;
                out.extend(samples);
            }
        }
        Ok(out)
    }

    /// The rows that were not accepted.
    pub fn excluded(&self) -> impl Iterator<Item = Result<Vec<Sample>, ManifestError>> {
        self.excluded_path().into_iter().flat_map(read_samples)
    }

    /// Record batches of some columns of the accepted rows.
    pub fn columns(
        &self,
        columns: &[Column],
    ) -> impl Iterator<Item = Result<RecordBatch, ManifestError>> {
        let columns = columns.to_vec();
        self.parts
            .clone()
            .into_iter()
            .flat_map(move |path| read_batches(path, Some(&columns), &release_schema()))
    }

    /// As [`Self::columns`], of the rows that were not accepted too.
    pub fn all_columns(
        &self,
        columns: &[Column],
    ) -> impl Iterator<Item = Result<RecordBatch, ManifestError>> {
        let columns = columns.to_vec();
        let files = self.parts.iter().cloned();
        let files: Vec<PathBuf> = files.chain(self.excluded_path()).collect();
        files
            .into_iter()
            .flat_map(move |path| read_batches(path, Some(&columns), &release_schema()))
    }
}

/// The consent records that samples named, of a file of restricted columns.
pub fn consent_ids(path: &Path) -> Result<HashMap<SampleId, String>, ManifestError> {
    let columns = [Column::SampleId, Column::ConsentId];
    let mut found = HashMap::new();
    for batch in read_batches(path.to_owned(), Some(&columns), &restricted_schema()) {
        let batch = batch?;
        let texts = |column: Column| {
            let array = batch.column_by_name(column.name());
            array.and_then(|a| a.as_string_opt::<i32>())
        };
        let (Some(ids), Some(consents)) = (texts(columns[0]), texts(columns[1])) else {
            continue; // the format was checked
        };
        for (id, consent) in ids.iter().zip(consents) {
            if let (Some(Ok(id)), Some(consent)) = (id.map(str::parse), consent) {
                found.insert(id, consent.to_owned());
            }
        }
    }
    Ok(found)
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ManifestError>>>;

fn failed<T: 'static>(error: ManifestError) -> Box<dyn Iterator<Item = Result<T, ManifestError>>> {
    Box::new(std::iter::once(Err(error)))
}

fn read_samples(path: PathBuf) -> Box<dyn Iterator<Item = Result<Vec<Sample>, ManifestError>>> {
    let batches = read_batches(path.clone(), None, &release_schema());
    Box::new(batches.map(move |batch| {
        rows::samples(&batch?).map_err(|error| ManifestError::In {
            path: path.clone(),
            error: Box::new(error),
        })
    }))
}

fn read_batches(path: PathBuf, columns: Option<&[Column]>, schema: &Schema) -> Batches {
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) => return failed(ManifestError::Io { path, error }),
    };
    let in_parquet = |error| ManifestError::Parquet {
        path: path.clone(),
        error,
    };
    let metadata = match ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()) {
        Ok(metadata) => metadata,
        Err(error) => return failed(in_parquet(error)),
    };
    if let Err(error) = check_format(&path, &metadata, schema) {
        return failed(error);
    }
    let mask = match columns {
        None => ProjectionMask::all(),
        Some(columns) => {
            let names = columns.iter().map(|c| c.name());
            ProjectionMask::columns(metadata.parquet_schema(), names)
        }
    };
    let groups = 0..metadata.metadata().num_row_groups();
    Box::new(groups.flat_map(move |group| {
        // One at a time: the writer bounds the bytes of each, and so of a batch.
        let batches = || {
            let file = file.try_clone()?;
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(mask.clone())
                .with_batch_size(8 * 1024)
                .build()
        };
        let path = path.clone();
        let in_parquet = move |error| ManifestError::Parquet {
            path: path.clone(),
            error,
        };
        match batches() {
            Err(error) => failed(in_parquet(error)),
            Ok(reader) => {
                Box::new(reader.map(move |b| b.map_err(|e| in_parquet(e.into())))) as Batches
            }
        }
    }))
}

pub(super) fn check_format(
    path: &Path,
    metadata: &ArrowReaderMetadata,
    schema: &Schema,
) -> Result<(), ManifestError> {
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    let version = pairs
        .into_iter()
        .flatten()
        .find(|kv| kv.key == "fairframe.schema_version")
        .and_then(|kv| kv.value.as_deref())
        .ok_or_else(|| ManifestError::NotOurs(path.to_owned()))?;
    SchemaVersion::check(version).map_err(|error| ManifestError::Version {
        path: path.to_owned(),
        error,
    })?;
    for field in schema.fields() {
        let name = Column::by_name(field.name()).map_or("", Column::name);
        let error = match metadata.schema().field_with_name(name) {
            Err(_) if Column::by_name(name).is_some_and(Column::may_be_absent) => continue,
            Err(_) => ManifestError::ColumnMissing { column: name },
            Ok(found) if found.data_type() != field.data_type() => ManifestError::ColumnType {
                column: name,
                found: found.data_type().to_string(),
                expected: field.data_type().to_string(),
            },
            Ok(_) => continue,
        };
        return Err(ManifestError::In {
            path: path.to_owned(),
            error: Box::new(error),
        });
    }
    Ok(())
}
