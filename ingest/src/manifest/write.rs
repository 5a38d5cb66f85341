//! Writing a release's Parquet files: `part-*.parquet`, `excluded.parquet` and
//! the restricted columns.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use arrow_array::RecordBatch;
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

/// And bytes of their texts: a column of texts holds less than 2 GiB.
const BATCH_BYTES: usize = 128 << 20;

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

/// Rows to be written together.
#[derive(Default)]
struct Waiting {
    rows: Vec<Sample>,
    bytes: usize,
}

impl Waiting {
    /// Takes a row; whether it is time to write.
    fn push(&mut self, sample: Sample) -> bool {
        self.bytes += rows::text_bytes(&sample);
        self.rows.push(sample);
        self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn take(
        &mut self,
        columns: impl Iterator<Item = Column>,
        stamp: &Stamp,
    ) -> Result<RecordBatch, ParquetError> {
        let batch = rows::batch(columns, &self.rows, stamp)?;
        self.rows.clear();
        self.bytes = 0;
        Ok(batch)
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
    accepted_rows: Waiting,
    excluded_rows: Waiting,
    restricted_rows: Waiting,
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
            accepted_rows: Waiting::default(),
            excluded_rows: Waiting::default(),
            restricted_rows: Waiting::default(),
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
        if (sample.consent_id.is_some() || precise) && self.restricted_rows.push(sample.clone()) {
            self.flush_restricted()?;
        }
        if sample.status == Status::Accepted {
            if self.accepted_rows.push(sample) {
                self.flush_accepted()?;
            }
        } else if self.excluded_rows.push(sample) {
            self.flush_excluded()?;
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
        let batch = self.accepted_rows.take(Column::public(), &self.stamp)?;
        if let Some((part, rows)) = &mut self.part {
            *rows += batch.num_rows() as u64;
            part.write(batch)?;
        }
        Ok(())
    }

    fn flush_excluded(&mut self) -> Result<(), ParquetError> {
        let batch = self.excluded_rows.take(Column::public(), &self.stamp)?;
        self.excluded.write(batch)
    }

    fn flush_restricted(&mut self) -> Result<(), ParquetError> {
        let batch = self
            .restricted_rows
            .take(Column::restricted(), &self.stamp)?;
        self.restricted.write(batch)
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
