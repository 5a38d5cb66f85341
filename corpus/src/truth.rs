//! Truth: what a detector's answers to a released corpus are judged by.

use std::io::{self, Write};

use fairframe_ingest::manifest::{ManifestError, ReleaseReader};
use fairframe_schemas::{Column, Sample, Split};

use crate::clips::{COMPRESSION, KIND, Kind};

/// What the method of a clip that nobody changed is called, as FaceForensics does.
pub const PRISTINE: &str = "pristine";

/// A clip of a released corpus, as its row tells.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    pub sample: &'a Sample,
    pub fake: bool,
    pub method: &'a str,
    pub compression: &'a str,
}

impl<'a> Judged<'a> {
    /// `None` for masks, and for rows that are no clips of a corpus.
    pub fn of(sample: &'a Sample) -> Option<Self> {
        let label = |origin: &str| {
            let mut labels = sample.labels.iter();
            labels
                .find(|l| l.origin == origin)
                .map(|l| l.label.as_str())
        };
        let kind = label(KIND)?;
        let fake = kind == Kind::Fake.as_str();
        if !fake && kind != Kind::Real.as_str() {
            return None;
        }
        let method = sample.manipulation.as_ref().map(|m| m.method.as_str());
        Some(Self {
            sample,
            fake,
            method: method.unwrap_or(PRISTINE),
            compression: label(COMPRESSION)?,
        })
    }
}

/// Why there is no solution.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("the solution cannot be written: {0}")]
    Io(#[from] io::Error),
    #[error("the solution cannot be written: {0}")]
    Csv(#[from] csv::Error),
}

/// Writes the solution of one split of a release, for `fairframe eval --form detection`:
/// `sample_id,label,method,compression,target`, sorted by id. `target` is the video whose
/// head and background a clip shows: its qualities and fakes are alike, so a task names it as
/// its cluster and they are resampled together. Region, country and what people say of themselves are joined from the manifest by id.
/// Returns how many clips it names.
pub fn solution(release: &ReleaseReader, split: Split, out: impl Write) -> Result<u64, TruthError> {
    let mut rows = Vec::new();
    for samples in release.accepted() {
        for sample in samples? {
            if sample.split != Some(split) {
                continue;
            }
            if let Some(judged) = Judged::of(&sample) {
                let text = |t: &str| t.to_owned();
                let target = sample.derived_from.first().map(ToString::to_string);
                rows.push([
                    sample.sample_id.to_string(),
                    text(if judged.fake { "fake" } else { "real" }),
                    text(judged.method),
                    text(judged.compression),
                    target.unwrap_or_default(),
                ]);
            }
        }
    }
    rows.sort();
    let mut csv = csv::Writer::from_writer(out);
    let id = Column::SampleId.name();
    csv.write_record([id, "label", "method", "compression", "target"])?;
    for row in &rows {
        csv.write_record(row)?;
    }
    csv.flush()?;
    Ok(rows.len() as u64)
}
