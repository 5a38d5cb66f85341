//! The cast of a corpus: the videos of the actors' newest release, and what the people in
//! them agreed to, now.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use fairframe_ingest::{
    admit::{ConsentLedger, LedgerLimits, Standing},
    decided::{self, ReadError},
    manifest::{ManifestError, ReleaseReader},
    source::{SourceError, actors::ActorsSource},
    versions::Versions,
};
use fairframe_schemas::{
    DatasetVersion, Layout, MediaType, Name, Purpose, Reason, Sample, SampleId, SourceToml, Status,
    Timestamp, source::SourceTomlError,
};

/// Why there is no cast.
#[derive(Debug, thiserror::Error)]
pub enum CastError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Toml {
        path: PathBuf,
        error: SourceTomlError,
    },
    #[error("{}: it has no `[{kind}]`; name {remedy}", path.display())]
    Kind {
        path: PathBuf,
        kind: &'static str,
        remedy: &'static str,
    },
    #[error("dataset `{0}` has no release; run `fairframe ingest` on its `source.toml` first")]
    NoRelease(Name),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Decided(#[from] ReadError),
}

/// A video of the actors' newest release, accepted or not.
#[derive(Debug, Clone)]
pub struct Video {
    pub sample: Sample,
    /// Its bytes in the store; they may be gone.
    pub file: Option<PathBuf>,
}

impl Video {
    /// The reason it is not accepted, if it is not.
    pub fn against(&self) -> Option<Reason> {
        let status = self.sample.status;
        let gravest = self.sample.reasons.iter().find(|r| r.status() == status);
        (status != Status::Accepted).then(|| gravest.copied().unwrap_or(Reason::Withdrawn))
    }

    pub fn scene(&self) -> Option<&str> {
        self.sample
            .labels
            .iter()
            .find(|l| l.origin == SCENE)
            .map(|l| l.label.as_str())
    }
}

/// The origin of the label that names a video's scene.
pub const SCENE: &str = "scene";

/// Everybody who may be shown.
#[derive(Debug)]
pub struct Cast {
    pub dataset: Name,
    pub version: DatasetVersion,
    /// By sample id.
    pub videos: Vec<Video>,
    source: String,
    ledger: ConsentLedger,
    as_of: Timestamp,
}

impl Cast {
    /// Reads the newest release of the actors' `source.toml` and their consent records as
    /// they stand on the disk; consents are judged at `as_of`.
    pub fn open(layout: &Layout, actors: &Path, as_of: Timestamp) -> Result<Self, CastError> {
        let wrap = |path: &Path| {
            let path = path.to_owned();
            move |error| CastError::Io { path, error }
        };
        let text = std::fs::read_to_string(actors).map_err(wrap(actors))?;
        let toml = SourceToml::parse(&text).map_err(|error| CastError::Toml {
            path: actors.to_owned(),
            error,
        })?;
        if toml.actors.is_none() {
            return Err(CastError::Kind {
                path: actors.to_owned(),
                kind: "actors",
                remedy: "the `source.toml` of videos of consenting actors in `corpus.actors`",
            });
        }
        let folder = actors.parent().unwrap_or(Path::new("."));
        let records = ActorsSource::open(&toml, folder)?.consents()?;
        let records = records.into_iter().map(|(name, bytes)| (name, Ok(bytes)));
        let mut ledger = ConsentLedger::from_files(&toml.source, records, LedgerLimits::default());
        ledger.withdraw(&decided::read(layout, &toml.dataset)?.withdrew);
        let versions = Versions::of(&layout.dataset(&toml.dataset))
            .map_err(wrap(&layout.dataset(&toml.dataset)))?;
        let Some(version) = versions.versions.last().copied() else {
            return Err(CastError::NoRelease(toml.dataset));
        };
        let release = ReleaseReader::open(&layout.release(&toml.dataset, version))?;
        let mut videos = BTreeMap::new();
        for rows in release.accepted().chain(release.excluded()) {
            for sample in rows? {
                if sample.source == toml.source.as_str() && sample.media_type == MediaType::Video {
                    let file = sample.media_sha256.map(|d| layout.media(&d));
                    videos.insert(sample.sample_id, Video { sample, file });
                }
            }
        }
        Ok(Self {
            dataset: toml.dataset,
            version,
            videos: videos.into_values().collect(),
            source: toml.source.to_string(),
            ledger,
            as_of,
        })
    }

    pub fn video(&self, id: SampleId) -> Option<&Video> {
        let at = self
            .videos
            .binary_search_by_key(&id, |v| v.sample.sample_id);
        at.ok().map(|at| &self.videos[at])
    }

    /// Every video, and what forbids to manipulate it.
    pub fn manipulable(&self) -> BTreeMap<SampleId, Option<Reason>> {
        let each = |v: &Video| (v.sample.sample_id, self.against_manipulating(v));
        self.videos.iter().map(each).collect()
    }

    /// Where a person's consent stands for these purposes.
    pub fn standing(&self, subject: &str, purposes: &[Purpose]) -> Standing {
        self.ledger
            .covers(&self.source, subject, purposes, self.as_of)
    }

    /// What forbids to show this video at all: it is not accepted, or consent has ended since.
    pub fn against_showing(&self, video: &Video) -> Option<Reason> {
        let standing = |subject: &String| self.standing(subject, &[]).against;
        video
            .against()
            .or_else(|| video.sample.subject_ids.iter().find_map(standing))
    }

    /// What forbids to show this video's person with another face, or their face elsewhere:
    /// the video is not accepted, nobody or more than one is named, or consent to
    /// `manipulate` is not in force.
    pub fn against_manipulating(&self, video: &Video) -> Option<Reason> {
        if let Some(reason) = video.against() {
            return Some(reason);
        }
        let [subject] = video.sample.subject_ids.as_slice() else {
            return Some(Reason::SubjectsNotOne);
        };
        self.standing(subject, &[Purpose::Manipulate]).against
    }
}

#[cfg(test)]
impl Cast {
    /// Of these videos and consent records, without a release.
    pub(crate) fn of(videos: Vec<Video>, records: Vec<Vec<u8>>, as_of: Timestamp) -> Self {
        let name = Name::new("actors").unwrap();
        let records = records.into_iter().enumerate();
        let records = records.map(|(i, bytes)| (format!("{i}.json"), Ok(bytes)));
        Self {
            ledger: ConsentLedger::from_files(&name, records, LedgerLimits::default()),
            source: name.to_string(),
            version: DatasetVersion::FIRST,
            dataset: name,
            videos,
            as_of,
        }
    }
}
