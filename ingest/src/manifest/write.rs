//! Writing a release's Parquet files: `part-*.parquet`, `excluded.parquet` and
//! the restricted columns.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use arrow_schema::SchemaRef;
use fairframe_schemas::{
    Column, DatasetVersion, Name, Sample, SchemaVersion, Status,
    column::{release_schema, restricted_schema},
};
use parquet::{errors::ParquetError, file::metadata::KeyValue};

use super::{ColumnKind, ParallelWriter, rows};
use crate::disk::DiskError;

/// The file with the rows that were not accepted.
pub const EXCLUDED: &str = "excluded.parquet";

/// The file with what a release must not hold, in a folder of its own.
pub const RESTRICTED: &str = "restricted.parquet";

/// Rows of one `part-*.parquet`.
const PART_ROWS: u64 = 4 * 1024 * 1024;

/// Rows turned into columns at a time.
const BATCH_ROWS: usize = 16 * 1024;

/// What is written on every row and file of a release.
#[derive(Debug, Clone)]
pub struct Stamp {
    pub dataset: Name,
    pub version: DatasetVersion,
    pub recall_version: u64,
}

impl Stamp {
    fn key_values(&self) -> Vec<KeyValue> {
        let pair = |key: &str, value: String| KeyValue::new(format!("fairframe.{key}"), value);
        vec![
            pair("schema_version", SchemaVersion::CURRENT.to_string()),
            pair("dataset", self.dataset.to_string()),
            pair("version", self.version.to_string()),
            pair(
                "generator",
                format!("fairframe {}", env!("CARGO_PKG_VERSION")),
            ),
            pair("recall_version", self.recall_version.to_string()),
        ]
    }
}

type Sink = ParallelWriter<BufWriter<File>>;

/// Writes rows, given in manifest order, to the files of a release.
pub struct ManifestWriter {
    folder: PathBuf,
    stamp: Stamp,
    part: Option<(Sink, u64)>,
    parts: u32,
    excluded: Sink,
    restricted: Sink,
    accepted_rows: Vec<Sample>,
    excluded_rows: Vec<Sample>,
    restricted_rows: Vec<Sample>,
}

impl ManifestWriter {
    /// `folder` takes the release, `restricted` (a file name) what must not stand in it.
    pub fn create(folder: &Path, restricted: &Path, stamp: Stamp) -> Result<Self, ParquetError> {
        let excluded = open(&folder.join(EXCLUDED), release_schema(), &stamp)?;
        let restricted = open(restricted, restricted_schema(), &stamp)?;
        let mut writer = Self {
            folder: folder.to_owned(),
            stamp,
            part: None,
            parts: 0,
            excluded,
            restricted,
            accepted_rows: Vec::with_capacity(BATCH_ROWS),
            excluded_rows: Vec::new(),
            restricted_rows: Vec::new(),
        };
        writer.next_part()?; // an empty release still has a part to open
        Ok(writer)
    }

    fn next_part(&mut self) -> Result<(), ParquetError> {
        if let Some((part, _)) = self.part.take() {
            close(part)?;
        }
        let path = self.folder.join(format!("part-{:05}.parquet", self.parts));
        self.part = Some((open(&path, release_schema(), &self.stamp)?, 0));
        self.parts += 1;
        Ok(())
    }

    pub fn add(&mut self, sample: Sample) -> Result<(), ParquetError> {
        let precise = rows::shows_people(&sample) && sample.latitude.is_some();
        if sample.consent_id.is_some() || precise {
            self.restricted_rows.push(sample.clone());
            if self.restricted_rows.len() == BATCH_ROWS {
                self.flush_restricted()?;
            }
        }
        if sample.status == Status::Accepted {
            self.accepted_rows.push(sample);
            if self.accepted_rows.len() == BATCH_ROWS {
                self.flush_accepted()?;
            }
        } else {
            self.excluded_rows.push(sample);
            if self.excluded_rows.len() == BATCH_ROWS {
                self.flush_excluded()?;
            }
        }
        Ok(())
    }

    fn flush_accepted(&mut self) -> Result<(), ParquetError> {
        if self
            .part
            .as_ref()
            .is_some_and(|(_, rows)| *rows >= PART_ROWS)
        {
            self.next_part()?;
        }
        let batch = rows::batch(Column::public(), &self.accepted_rows, &self.stamp)?;
        if let Some((part, rows)) = &mut self.part {
            *rows += batch.num_rows() as u64;
            part.write(batch)?;
        }
        self.accepted_rows.clear();
        Ok(())
    }

    fn flush_excluded(&mut self) -> Result<(), ParquetError> {
        let batch = rows::batch(Column::public(), &self.excluded_rows, &self.stamp)?;
        self.excluded.write(batch)?;
        self.excluded_rows.clear();
        Ok(())
    }

    fn flush_restricted(&mut self) -> Result<(), ParquetError> {
        let batch = rows::batch(Column::restricted(), &self.restricted_rows, &self.stamp)?;
        self.restricted.write(batch)?;
        self.restricted_rows.clear();
        Ok(())
    }

    /// Writes what is left, closes and syncs every file.
    pub fn finish(mut self) -> Result<(), ParquetError> {
        self.flush_accepted()?;
        self.flush_excluded()?;
        self.flush_restricted()?;
        if let Some((part, _)) = self.part.take() {
            close(part)?;
        }
        close(self.excluded)?;
        close(self.restricted)
    }
}

fn open(path: &Path, schema: SchemaRef, stamp: &Stamp) -> Result<Sink, ParquetError> {
    let file = File::create(path).map_err(|e| at(path, e))?;
    let kinds = BTreeMap::from([
        (Column::SampleId.name(), ColumnKind::Key),
        (Column::MediaSha256.name(), ColumnKind::Unordered),
        (Column::SourceKey.name(), ColumnKind::Unordered),
        (Column::SourceUrl.name(), ColumnKind::Unordered),
        (Column::LandingUrl.name(), ColumnKind::Unordered),
        (Column::UpstreamSha1.name(), ColumnKind::Unordered),
        (Column::PerceptualHash.name(), ColumnKind::Unordered),
        (Column::Title.name(), ColumnKind::Unordered),
        (Column::Latitude.name(), ColumnKind::Distinct),
        (Column::Longitude.name(), ColumnKind::Distinct),
    ]);
    ParallelWriter::new(BufWriter::new(file), schema, &kinds, stamp.key_values())
}

fn close(writer: Sink) -> Result<(), ParquetError> {
    writer.finish(|file| file.get_ref().sync_all())
}

fn at(path: &Path, error: io::Error) -> ParquetError {
    let path = path.to_owned();
    ParquetError::External(Box::new(DiskError { path, error }))
}
