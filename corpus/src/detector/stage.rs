//! Fits the detector on a release's training split, and answers its test split.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use fairframe_ingest::{
    atomic,
    manifest::{ManifestError, ReleaseReader},
    reporter::Reporter,
};
use fairframe_schemas::{
    Column, Layout, Name, SampleId, Split, corpus::frame::FrameRow, source::MediaLimits,
};
use serde::Serialize;

use super::{
    FitError, Model,
    look::{LookTask, Place},
};
use crate::{
    frame::{self, Framed, FramesError},
    item::{Made, Stage},
    truth::{Judged, TruthError, solution},
    video,
    worker::{WorkerError, Workers, parallel_map},
};

/// Faces of a clip that are looked at, evenly spaced.
const FACES: usize = 24;
/// Penalty of the weights, in rows.
const PENALTY: f64 = 10.0;
/// The score of a clip in which no face is found: it says nothing.
const NO_SCORE: f64 = 0.5;

pub const SOLUTION: &str = "solution.csv";
pub const SUBMISSION: &str = "submission.csv";
pub const MODEL: &str = "detector.json";

/// Why there is no submission.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Frames(#[from] FramesError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error(transparent)]
    Truth(#[from] TruthError),
    #[error(
        "{0}: the training split must hold real and fake clips; see `[split]`, and `within_subject` of `[corpus.pair]`"
    )]
    Fit(#[from] FitError),
    #[error("no clip of the release is in the test split; see `[split]`")]
    NoTest,
    #[error("the submission cannot be written: {0}")]
    Csv(#[from] csv::Error),
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Detected {
    pub solution: PathBuf,
    pub submission: PathBuf,
    pub trained_on: u64,
    pub answered: u64,
    /// Clips in which no face was found, answered with 0.5.
    pub blind: u64,
}

struct Clip {
    id: SampleId,
    fake: bool,
    split: Split,
    task: LookTask,
}

/// Writes the model, the solution of the test split and the answers to it to `out`.
pub fn run(
    layout: &Layout,
    corpus: &Name,
    release: &Path,
    media: &MediaLimits,
    workers: &Workers,
    reporter: &dyn Reporter,
    out: &Path,
) -> Result<Detected, DetectorError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| DetectorError::Io { path, error }
    };
    let reader = ReleaseReader::open(release)?;
    let clips = clips(layout, corpus, &reader, media)?;
    reporter.stage("look", Some(clips.len() as u64));
    let looked = parallel_map(&clips, workers.parallel(), reporter, |clip| {
        let scratch = tempfile::tempdir().map_err(io(out))?;
        match workers.run(clip.task.clone(), scratch.path()) {
            // Not even its own file can be read: there is nothing to see in it.
            Err(WorkerError::Refused(_)) => Ok(Vec::new()),
            other => other.map_err(DetectorError::from),
        }
    })?;
    let seen = || clips.iter().zip(&looked);
    let mut rows = Vec::new();
    for (clip, crops) in seen().filter(|(c, _)| c.split == Split::Train) {
        rows.extend(crops.iter().map(|features| (features.clone(), clip.fake)));
    }
    let model = Model::fit(&rows, PENALTY)?;
    let mut answers: Vec<(SampleId, Option<f64>)> = seen()
        .filter(|(c, _)| c.split == Split::Test)
        .map(|(clip, crops)| {
            let scores = crops.iter().map(|f| model.score(f));
            let mean = scores.sum::<f64>() / crops.len() as f64;
            (clip.id, (!crops.is_empty()).then_some(mean))
        })
        .collect();
    if answers.is_empty() {
        return Err(DetectorError::NoTest);
    }
    answers.sort_by_key(|a| a.0);
    std::fs::create_dir_all(out).map_err(io(out))?;
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([Column::SampleId.name(), "score"])?;
    for (id, score) in &answers {
        csv.write_record([id.to_string(), score.unwrap_or(NO_SCORE).to_string()])?;
    }
    let bytes = csv
        .into_inner()
        .map_err(|e| csv::Error::from(e.into_error()))?;
    let detected = Detected {
        solution: out.join(SOLUTION),
        submission: out.join(SUBMISSION),
        trained_on: clips.iter().filter(|c| c.split == Split::Train).count() as u64,
        answered: answers.len() as u64,
        blind: answers.iter().filter(|a| a.1.is_none()).count() as u64,
    };
    atomic::write(&detected.submission, &bytes).map_err(io(&detected.submission))?;
    let model = serde_json::to_vec_pretty(&model).map_err(|e| io(out)(e.into()))?;
    atomic::write(&out.join(MODEL), &model).map_err(io(out))?;
    let file = File::create(&detected.solution).map_err(io(&detected.solution))?;
    solution(&reader, Split::Test, file)?;
    Ok(detected)
}

/// Real and fake clips of the training and test splits, with the faces to look at: those of
/// the video whose head they show.
fn clips(
    layout: &Layout,
    corpus: &Name,
    release: &ReleaseReader,
    media: &MediaLimits,
) -> Result<Vec<Clip>, DetectorError> {
    let limits = video::Limits {
        media: media.clone(),
        ..video::Limits::default()
    };
    let mut places: BTreeMap<SampleId, Vec<Place>> = BTreeMap::new();
    let mut clips = Vec::new();
    for samples in release.accepted() {
        for sample in samples? {
            let Some(split) = sample.split.filter(|s| *s != Split::Validation) else {
                continue;
            };
            let (Some(judged), Some(target), Some(digest)) = (
                Judged::of(&sample),
                sample.derived_from.first(),
                sample.media_sha256,
            ) else {
                continue;
            };
            if !places.contains_key(target) {
                places.insert(*target, faces(layout, corpus, *target)?);
            }
            clips.push(Clip {
                id: sample.sample_id,
                fake: judged.fake,
                split,
                task: LookTask {
                    clip: layout.media(&digest),
                    places: places[target].clone(),
                    limits: limits.clone(),
                },
            });
        }
    }
    clips.sort_by_key(|c| c.id);
    Ok(clips)
}

/// Where a video's face stands in evenly spaced frames of those that have one.
fn faces(layout: &Layout, corpus: &Name, video: SampleId) -> Result<Vec<Place>, DetectorError> {
    let folder = frame::folder(layout, corpus, &video);
    let stage = Stage::new(&layout.corpus(corpus), frame::STAGE);
    let outcome = stage.outcome::<Framed>(&video.to_string());
    let outcome = outcome.map_err(|error| DetectorError::Io {
        path: folder.clone(),
        error,
    })?;
    let Some(Made::Done(framed)) = outcome.map(|o| o.result) else {
        return Ok(Vec::new());
    };
    let (width, height) = (framed.facts.width as f32, framed.facts.height as f32);
    let rows = frame::read(&folder)?;
    let place = |row: &FrameRow| {
        let [x, y, w, h]: [f32; 4] = row.bounds.as_deref()?.try_into().ok()?;
        Some(Place {
            time_s: row.time_s,
            bounds: [x / width, y / height, w / width, h / height],
        })
    };
    let seen: Vec<Place> = rows.iter().filter_map(place).collect();
    let step = (seen.len() as f64 / FACES as f64).max(1.0);
    let at = (0..seen.len().min(FACES)).map(|i| (i as f64 * step) as usize);
    Ok(at.filter_map(|i| seen.get(i).cloned()).collect())
}
