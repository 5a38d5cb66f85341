//! Compress: real and fake clips in the same qualities.
//!
//! A rung of the ladder takes a clip's decoded frames through the same steps, whether it is real
//! or fake: smaller, at another rate, noisy, encoded before, encoded. Each clip and rung is an
//! item, `clips/<clip>--<rung>/clip.mp4`; a mask is kept once, `clips/<clip>--mask/mask.mkv`.
//!
//! The ladder c0, c23, c40 is FaceForensics' (Rössler et al., "FaceForensics++", ICCV 2019;
//! `dataset/compress.py`): `-c:v libx264rgb -crf 0`, and `-c:v libx264 -crf 23` or `40`, FFmpeg's
//! defaults for the rest. Their script leaves `-pix_fmt` to FFmpeg, which takes `yuv444p` for the
//! PNG it is given; ours is `yuv420p` unless a rung says `pixels = "yuv444p"`. The further steps
//! are those of DFDC's augmentations (Dolhansky et al., arXiv:2006.07397, 2020).

mod frames;
mod task;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use fairframe_ingest::{
    digest,
    reporter::{Reporter, Silent},
};
use fairframe_schemas::{
    Digest, Reason, Timestamp,
    source::{CompressRule, Rung},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    item::{Made, Outcome, Refusal, Stage},
    label::{Label, LabelError, Signer},
    video,
    worker::{WorkerError, Workers, parallel_map},
};

pub use task::{CLIP, Encode, Libraries, MASK};

/// Raised when the same settings would give other bytes.
const VERSION: u32 = 1;
/// The stage's folder.
pub const CLIPS: &str = "clips";

/// A clip to be compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipIn {
    /// A part of file names; unique among clips, and among masks.
    pub name: String,
    pub file: PathBuf,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Real,
    /// Carries its label in every rung.
    Fake(Label),
    /// One channel, kept without loss.
    Mask,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompressDone {
    /// In the item's folder.
    pub file: String,
    /// Of the bytes as they stand, a fake's label included.
    pub sha256: Digest,
    pub bytes: u64,
    pub width: u32,
    pub height: u32,
    pub frames: u64,
    pub timing: video::Timing,
    /// What wrote it: versions and arguments.
    pub encoder: video::Library,
    /// What wrote the versions before, that it was decoded from.
    pub before: Vec<video::Library>,
}

/// A clip in one quality.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipOut {
    pub clip: String,
    /// None of a mask.
    pub rung: Option<String>,
    /// The item's name in [`CLIPS`].
    pub item: String,
    pub result: Made<CompressDone>,
}

/// Why compressing ended. What is done is kept.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    #[error("{}: {error}", path.display())]
    Io {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error(transparent)]
    Worker(WorkerError),
    #[error(transparent)]
    Label(#[from] LabelError),
    #[error("two clips are called `{0}`")]
    Twice(String),
}

/// How clips are compressed, and by whom.
#[derive(Debug)]
pub struct Compress<'a> {
    /// The corpus's folder.
    pub corpus: &'a Path,
    pub rule: &'a CompressRule,
    pub limits: &'a video::Limits,
    pub workers: &'a Workers,
    pub signer: &'a Signer,
    /// When labels say that a fake was made.
    pub at: Timestamp,
}

/// Writes every clip in every quality; what is there already is left. Clips come in the order
/// given, each with its rungs in theirs.
pub fn run(
    compress: &Compress,
    clips: &[ClipIn],
    reporter: &dyn Reporter,
) -> Result<Vec<ClipOut>, CompressError> {
    // A fake and its mask share a name, and no item.
    let mut names: Vec<(&str, bool)> = clips
        .iter()
        .map(|c| (c.name.as_str(), c.kind == Kind::Mask))
        .collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(CompressError::Twice(pair[0].0.to_owned()));
    }
    let each = clips.iter().map(|clip| match clip.kind {
        Kind::Mask => 1,
        _ => compress.rule.rungs.len() as u64,
    });
    reporter.stage("compress", Some(each.sum()));
    if clips.is_empty() {
        return Ok(Vec::new());
    }
    let threads = compress.workers.parallel();
    let libraries = libraries(compress.workers)?;
    let digests = parallel_map(clips, threads, &Silent, |clip| digest_of(&clip.file))?;
    let mut items = Vec::new();
    for (clip, digest) in clips.iter().zip(&digests) {
        match clip.kind {
            Kind::Mask => items.push((clip, digest, None)),
            _ => items.extend(compress.rule.rungs.iter().map(|r| (clip, digest, Some(r)))),
        }
    }
    parallel_map(&items, threads, reporter, |(clip, digest, rung)| {
        one(compress, &libraries, clip, digest, *rung)
    })
}

/// What writes clips; this process does not load it.
fn libraries(workers: &Workers) -> Result<[String; 3], CompressError> {
    let scratch = tempfile::tempdir().map_err(|error| CompressError::Io {
        path: std::env::temp_dir(),
        error,
    })?;
    let answer = workers.run(Libraries, scratch.path());
    answer.map_err(CompressError::Worker)
}

/// A clip's digest, or that somebody took it away: its row says so, the others go on.
fn digest_of(file: &Path) -> Result<Made<Digest>, CompressError> {
    match digest::of_file(file) {
        Ok((digest, _)) => Ok(Made::Done(digest)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message = format!(
                "`{}` is gone; remove what is left of its folder and run the stage that made it again",
                file.display()
            );
            Ok(Made::Refused(Refusal::new(Reason::FileMissing, message)))
        }
        Err(error) => Err(CompressError::Io {
            path: file.to_owned(),
            error,
        }),
    }
}

fn one(
    compress: &Compress,
    libraries: &[String; 3],
    clip: &ClipIn,
    digest: &Made<Digest>,
    rung: Option<&Rung>,
) -> Result<ClipOut, CompressError> {
    let stage = Stage::new(compress.corpus, CLIPS);
    let quality = rung.map_or("mask", |r| r.name.as_str());
    let item = format!("{}--{quality}", clip.name);
    let folder = stage.folder(&item);
    let io = |error| CompressError::Io {
        path: folder.clone(),
        error,
    };
    let out = |result| ClipOut {
        clip: clip.name.clone(),
        rung: rung.map(|r| r.name.clone()),
        item: item.clone(),
        result,
    };
    let digest = match digest {
        Made::Done(digest) => digest,
        Made::Refused(refusal) => return Ok(out(Made::Refused(refusal.clone()))),
    };
    let made_from = made_from(compress, libraries, clip, digest, rung);
    if let Some(done) = stage.done(&item, &made_from).map_err(io)? {
        return Ok(out(done));
    }
    let task = Encode {
        file: std::path::absolute(&clip.file).map_err(io)?,
        rung: rung.cloned(),
        seed: noise_seed(compress.rule.seed, &clip.name),
        tags: match &clip.kind {
            Kind::Fake(label) => label.tags(),
            _ => Vec::new(),
        },
        limits: compress.limits.clone(),
    };
    let mut work = stage.begin(&item).map_err(io)?;
    let result = match compress.workers.run(task, work.folder()) {
        Ok(mut done) => {
            if let Kind::Fake(label) = &clip.kind {
                let (plain, file) = (work.folder().join("plain.mp4"), work.folder().join(CLIP));
                std::fs::rename(&file, &plain).map_err(io)?;
                compress.signer.sign(&plain, &file, label, compress.at)?;
                std::fs::remove_file(&plain).map_err(io)?;
            }
            // Not what the worker calls it: whoever took that over would have another file released.
            let file = if rung.is_some() { CLIP } else { MASK };
            done.file = file.to_owned();
            let file = work.folder().join(file);
            (done.sha256, done.bytes) = digest::of_file(&file).map_err(io)?;
            Made::Done(done)
        }
        Err(WorkerError::Refused(refusal)) => {
            // Without what it has left.
            work = stage.begin(&item).map_err(io)?;
            Made::Refused(refusal)
        }
        Err(machine) => return Err(CompressError::Worker(machine)),
    };
    let outcome = Outcome { made_from, result };
    work.finish(&outcome).map_err(io)?;
    Ok(out(outcome.result))
}

/// Digest of all that a clip's bytes follow from.
fn made_from(
    compress: &Compress,
    libraries: &[String; 3],
    clip: &ClipIn,
    digest: &Digest,
    rung: Option<&Rung>,
) -> String {
    let signed = matches!(clip.kind, Kind::Fake(_)).then(|| compress.signer.certificate());
    let all = serde_json::json!({
        "compress": VERSION,
        "libraries": libraries,
        "file": digest.to_string(),
        "name": clip.name,
        "kind": clip.kind,
        "rung": rung,
        "seed": compress.rule.seed,
        "signed": signed,
        "limits": compress.limits,
    });
    hex::encode(Sha256::digest(all.to_string()))
}

/// A clip's own noise, the same for the same name.
fn noise_seed(seed: u64, name: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name);
    hash.finalize().into()
}
