//! The release folder: everything is written under a temporary name, synced,
//! then renamed; no half release is ever visible.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    Layout, Sample, SchemaVersion, Status,
    recall::RecallList,
    release::{ReleaseFile, SourceSummary, Summary},
};
use parquet::{errors::ParquetError, file::reader::FileReader};

use crate::{
    attribution::{AttributionCsv, AttributionHtml},
    card::card,
    croissant::croissant,
    digest, disk,
    manifest::{ManifestWriter, RESTRICTED, Stamp},
    summary::SummaryBuilder,
};

/// What can go wrong while a release is written.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Parquet { path: PathBuf, error: ParquetError },
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Csv { path: PathBuf, error: csv::Error },
    #[error("the card cannot be drawn: {0}")]
    Card(#[from] crate::card::CardError),
}

/// A release being written.
pub struct ReleaseWriter {
    temporary: PathBuf,
    folder: PathBuf,
    restricted: PathBuf,
    restricted_temporary: PathBuf,
    manifest: ManifestWriter,
    csv: AttributionCsv<BufWriter<File>>,
    html: AttributionHtml,
    counts: SummaryBuilder,
}

impl ReleaseWriter {
    pub fn create(layout: &Layout, stamp: &Stamp) -> Result<Self, ReleaseError> {
        let folder = layout.release(&stamp.dataset, stamp.version);
        let temporary = folder.with_file_name(format!(".tmp-{}", stamp.version));
        let restricted = layout.restricted(&stamp.dataset, stamp.version);
        let restricted_temporary = restricted.with_file_name(format!(".tmp-{}", stamp.version));
        for leftover in [&temporary, &restricted_temporary] {
            if leftover.exists() {
                fs::remove_dir_all(leftover).map_err(|e| io_at(leftover, e))?;
            }
            fs::create_dir_all(leftover).map_err(|e| io_at(leftover, e))?;
        }
        let kept = restricted_temporary.join(RESTRICTED);
        let manifest =
            ManifestWriter::create(&temporary, &kept, stamp.clone()).map_err(|error| {
                ReleaseError::Parquet {
                    path: temporary.clone(),
                    error,
                }
            })?;
        let path = temporary.join("ATTRIBUTION.csv");
        let file = BufWriter::new(File::create(&path).map_err(|e| io_at(&path, e))?);
        let csv = AttributionCsv::new(file).map_err(|error| ReleaseError::Csv { path, error })?;
        Ok(Self {
            temporary,
            folder,
            restricted,
            restricted_temporary,
            manifest,
            csv,
            html: AttributionHtml::new(),
            counts: SummaryBuilder::new(),
        })
    }

    /// Rows come in manifest order.
    pub fn add(&mut self, sample: Sample) -> Result<(), ReleaseError> {
        self.counts.add(&sample);
        if sample.status == Status::Accepted {
            let path = || self.temporary.join("ATTRIBUTION.csv");
            self.csv.add(&sample).map_err(|error| ReleaseError::Csv {
                path: path(),
                error,
            })?;
            self.html
                .add(&sample)
                .map_err(|e| io_at(&self.temporary, e))?;
        }
        self.manifest
            .add(sample)
            .map_err(|error| ReleaseError::Parquet {
                path: self.temporary.clone(),
                error,
            })
    }

    /// Writes what is made from the counts, the digests, and makes it all visible.
    /// `summary` comes with everything but counts and files.
    pub fn finish(
        self,
        mut summary: Summary,
        recall: &RecallList,
        listed: u64,
        consents_refused: u64,
    ) -> Result<Summary, ReleaseError> {
        let folder = self.temporary;
        self.manifest
            .finish()
            .map_err(|error| ReleaseError::Parquet {
                path: folder.clone(),
                error,
            })?;
        let csv = self
            .csv
            .finish()
            .map_err(|e| io_at(&folder.join("ATTRIBUTION.csv"), e))?;
        let csv = csv
            .into_inner()
            .map_err(|e| io_at(&folder, e.into_error()))?;
        csv.sync_all().map_err(|e| io_at(&folder, e))?;
        put(&folder.join("recall.json"), recall.to_json().as_bytes())?;

        let tally = self.counts.finish(listed, consents_refused);
        for source in &mut summary.sources {
            let own = tally.by_source.get(source.source.as_str());
            *source = SourceSummary {
                by_status: own.cloned().unwrap_or_default(),
                ..source.clone()
            };
        }
        summary.counts = tally.counts;
        summary.files = files(&folder)?;

        let mut html = Vec::new();
        self.html
            .finish(&summary, &mut html)
            .map_err(|e| io_at(&folder, e))?;
        put(&folder.join("ATTRIBUTION.html"), &html)?;
        put(
            &folder.join("croissant.json"),
            croissant(&summary).as_bytes(),
        )?;
        put(&folder.join("card.html"), card(&summary)?.as_bytes())?;
        put(&folder.join("summary.json"), summary.to_json().as_bytes())?;
        let mut sums = String::new();
        for file in files(&folder)? {
            sums.push_str(&format!("{}  {}\n", file.sha256, file.name));
        }
        put(&folder.join("SHA256SUMS"), sums.as_bytes())?;
        sync_folder(&folder)?;
        sync_folder(&self.restricted_temporary)?;

        // The restricted columns first: a release is never there without them.
        if self.restricted.exists() {
            fs::remove_dir_all(&self.restricted).map_err(|e| io_at(&self.restricted, e))?;
        }
        show(&self.restricted_temporary, &self.restricted)?;
        show(&folder, &self.folder)?;
        Ok(summary)
    }
}

fn io_at(path: &Path, error: io::Error) -> ReleaseError {
    ReleaseError::Io {
        path: path.to_owned(),
        error,
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), ReleaseError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| io_at(path, e))
}

fn sync_folder(folder: &Path) -> Result<(), ReleaseError> {
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(|e| io_at(folder, e))
}

fn show(temporary: &Path, name: &Path) -> Result<(), ReleaseError> {
    fs::rename(temporary, name).map_err(|e| io_at(name, e))?;
    name.parent().map_or(Ok(()), sync_folder)
}

/// Every file of a folder with size, digest and rows, sorted by name.
pub fn files(folder: &Path) -> Result<Vec<ReleaseFile>, ReleaseError> {
    let entries = fs::read_dir(folder).map_err(|e| io_at(folder, e))?;
    let mut names: Vec<String> = entries
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let path = folder.join(&name);
            let (sha256, bytes) = digest::of_file(&path).map_err(|e| io_at(&path, e))?;
            let rows = if name.ends_with(".parquet") {
                let file = File::open(&path).map_err(|e| io_at(&path, e))?;
                let reader =
                    parquet::file::reader::SerializedFileReader::new(file).map_err(|error| {
                        ReleaseError::Parquet {
                            path: path.clone(),
                            error,
                        }
                    })?;
                u64::try_from(reader.metadata().file_metadata().num_rows()).ok()
            } else {
                None
            };
            Ok(ReleaseFile {
                name,
                bytes,
                sha256,
                rows,
            })
        })
        .collect()
}

/// The format version as written in `summary.json`.
pub fn schema_version() -> String {
    SchemaVersion::CURRENT.to_string()
}
