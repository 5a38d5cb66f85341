//! The stage: every accepted video of the cast.

use std::{collections::BTreeMap, io, path::PathBuf};

use fairframe_ingest::reporter::Reporter;
use fairframe_schemas::{
    Digest, Layout, Name, Reason, SampleId,
    source::{FrameRule, MediaLimits},
};
use serde::Serialize;

use super::{FrameDone, FrameTask, Framed, Spent, VERSION};
use crate::{
    cast::{Cast, Video},
    item::{self, Made, Refusal, Stage},
    video::Limits,
    worker::{WorkerError, Workers, parallel_map},
};

/// The stage's folder below the corpus's.
pub const STAGE: &str = "frames";

/// Why the run ended; what is wrong with one video is a [`Refused`].
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// A video that was not framed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refused {
    pub sample: SampleId,
    pub key: String,
    #[serde(flatten)]
    pub refusal: Refusal,
}

/// What became of all.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Videos that are framed; of these, those that were so before.
    pub videos: u64,
    pub kept: u64,
    /// Of these, videos without any crop.
    pub without_face: u64,
    /// Frames looked at, of all videos; of these, with the subject's face; cut out.
    pub frames: u64,
    pub faces: u64,
    pub crops: u64,
    pub padded: u64,
    /// Frames without a crop, by the reason.
    pub reasons: BTreeMap<Reason, u64>,
    pub refused: Vec<Refused>,
    /// Frames made in this run, and what they took.
    pub made: u64,
    pub spent: Spent,
    pub folder: PathBuf,
}

/// Where a video's frames stand, or would.
pub fn folder(layout: &Layout, corpus: &Name, video: &SampleId) -> PathBuf {
    Stage::new(&layout.corpus(corpus), STAGE).folder(&video.to_string())
}

enum Became {
    Framed { made: Framed, spent: Option<Spent> },
    Refused(Refusal),
}

/// Frames the videos of a cast that are accepted and whose people still consent. What is
/// framed already, from the same bytes by the same rule, stays; what nobody may see any
/// longer is removed.
pub fn run(
    layout: &Layout,
    corpus: &Name,
    rule: &FrameRule,
    media: &MediaLimits,
    cast: &Cast,
    workers: &Workers,
    reporter: &dyn Reporter,
) -> Result<Outcome, FrameError> {
    let stage = Stage::new(&layout.corpus(corpus), STAGE);
    let limits = Limits {
        media: media.clone(),
        ..Limits::default()
    };
    reporter.stage("framing", Some(cast.videos.len() as u64));
    let became = parallel_map(&cast.videos, workers.parallel(), reporter, |video| {
        one(&stage, rule, &limits, cast, video, workers)
    })?;
    let mut outcome = Outcome {
        folder: layout.corpus(corpus).join(STAGE),
        ..Outcome::default()
    };
    for (video, became) in cast.videos.iter().zip(became) {
        match became {
            Became::Framed { made, spent } => outcome.add(&made, spent),
            Became::Refused(refusal) => outcome.refused.push(Refused {
                sample: video.sample.sample_id,
                key: video.sample.source_key.clone(),
                refusal,
            }),
        }
    }
    Ok(outcome)
}

fn one(
    stage: &Stage,
    rule: &FrameRule,
    limits: &Limits,
    cast: &Cast,
    video: &Video,
    workers: &Workers,
) -> Result<Became, FrameError> {
    let id = video.sample.sample_id.to_string();
    let in_folder = |error| FrameError::Io {
        path: stage.folder(&id),
        error,
    };
    if let Some(reason) = cast.against_showing(video) {
        stage.remove(&id).map_err(in_folder)?;
        return Ok(Became::Refused(Refusal::new(reason, reason.text())));
    }
    let (Some(file), Some(digest)) = (&video.file, &video.sample.media_sha256) else {
        let text = Reason::FileMissing.text();
        return Ok(Became::Refused(Refusal::new(Reason::FileMissing, text)));
    };
    let made_from = made_from(digest, rule, limits);
    if let Some(made) = stage.done::<Framed>(&id, &made_from).map_err(in_folder)? {
        return Ok(match made {
            Made::Done(made) => Became::Framed { made, spent: None },
            Made::Refused(refusal) => Became::Refused(refusal),
        });
    }
    let task = FrameTask {
        video: file.clone(),
        title: video.sample.source_key.clone(),
        rule: rule.clone(),
        limits: limits.clone(),
    };
    let work = stage.begin(&id).map_err(in_folder)?;
    match workers.run(task, work.folder()) {
        Ok(FrameDone { made, spent }) => {
            finish(work, made_from, Made::Done(made.clone())).map_err(in_folder)?;
            let spent = Some(spent);
            Ok(Became::Framed { made, spent })
        }
        Err(WorkerError::Refused(refusal)) => {
            // Begun anew: what it wrote before it failed is no frames.
            let work = stage.begin(&id).map_err(in_folder)?;
            finish(work, made_from, Made::Refused(refusal.clone())).map_err(in_folder)?;
            Ok(Became::Refused(refusal))
        }
        Err(machine) => Err(machine.into()),
    }
}

fn finish(work: item::Work, made_from: String, result: Made<Framed>) -> io::Result<()> {
    work.finish(&item::Outcome { made_from, result })
}

/// Digest of all that a clip's frames depend on.
fn made_from(video: &Digest, rule: &FrameRule, limits: &Limits) -> String {
    let all = serde_json::json!({
        "version": VERSION,
        "video": video,
        "rule": rule,
        "limits": limits,
    });
    Digest::of(all.to_string().as_bytes()).to_string()
}

impl Outcome {
    fn add(&mut self, made: &Framed, spent: Option<Spent>) {
        self.videos += 1;
        self.without_face += u64::from(made.crops == 0);
        self.frames += made.frames;
        self.faces += made.faces;
        self.crops += made.crops;
        self.padded += made.padded;
        for (reason, n) in &made.reasons {
            *self.reasons.entry(*reason).or_default() += n;
        }
        match spent {
            Some(spent) => {
                self.made += made.frames;
                self.spent.add(&spent);
            }
            None => self.kept += 1,
        }
    }
}
