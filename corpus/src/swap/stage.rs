//! Which swaps are made, with whose leave, and what became of them.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    thread,
};

use fairframe_ingest::reporter::Reporter;
use fairframe_schemas::{
    Digest, Layout, Name, PairId, Reason, SampleId, SourceToml,
    corpus::PairRow,
    source::{Corpus, ExternalMethod, FACE_SWAP, SwapRule},
};
use serde::{Serialize, de::IgnoredAny};

use super::{
    Consented, FAKES, VERSION,
    external::{HandOut, TakeIn},
    item,
    spent::Spent,
    task::{MASK, MASTER, SHEET, Side, SwapDone, SwapTask},
};
use crate::{
    cast::{Cast, Video},
    frame,
    item::{self as items, Refusal, Stage},
    video,
    worker::{self, Program, WorkerError, Workers, parallel_map},
};

/// Where a program's frames stand while it works.
const EXCHANGE: &str = "exchange";

/// Why the stage cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    #[error("source `{0}` has no `[corpus]`; name the `source.toml` of a corpus")]
    NoCorpus(Name),
    #[error("`{0}` is neither `face-swap` nor a key of `corpus.swap.external`")]
    UnknownMethod(Name),
    #[error("`{0}` has not been framed; run `fairframe frame` first")]
    NotFramed(SampleId),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// What fakes are made with.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    pub layout: &'a Layout,
    /// A corpus.
    pub source: &'a SourceToml,
    pub workers: &'a Workers,
    pub reporter: &'a dyn Reporter,
}

/// One fake, made or not.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    pub item: String,
    /// It was there already, made from the same.
    pub found: bool,
    pub result: items::Made<SwapDone>,
    /// What making it took; of one that was there or refused, nothing is known.
    pub spent: Option<Spent>,
}

/// What became of all.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub folder: PathBuf,
    /// In the order of the plan.
    pub fakes: Vec<Made>,
    /// Fakes taken away, as their pair may not be made any more.
    pub removed: u64,
}

impl Outcome {
    /// Refused fakes by reason.
    pub fn refused(&self) -> BTreeMap<Reason, u64> {
        let mut counts = BTreeMap::new();
        for made in &self.fakes {
            if let items::Made::Refused(refusal) = &made.result {
                *counts.entry(refusal.reason).or_default() += 1;
            }
        }
        counts
    }
}

/// A fake to be made.
pub(super) struct Wanted<'a> {
    pub pair: PairId,
    target: SampleId,
    source: SampleId,
    method: &'a Name,
}

impl<'a> Wanted<'a> {
    pub fn new(target: SampleId, source: SampleId, method: &'a Name) -> Self {
        Self {
            pair: PairId::new(target, source),
            target,
            source,
            method,
        }
    }
}

/// Makes the fakes of all accepted pairs of a plan by all methods. What is there, made from the
/// same, is left; what lost its consent is replaced by its refusal.
pub fn run(settings: &Settings<'_>, cast: &Cast, plan: &[PairRow]) -> Result<Outcome, SwapError> {
    let source = settings.source;
    let corpus = source.corpus.as_ref();
    let corpus = corpus.ok_or_else(|| SwapError::NoCorpus(source.source.clone()))?;
    let rule = &corpus.swap;
    for method in &rule.methods {
        if method.as_str() != FACE_SWAP && !rule.external.contains_key(method) {
            return Err(SwapError::UnknownMethod(method.clone()));
        }
    }
    let folder = settings.layout.corpus(&source.dataset);
    let making = Making::new(settings, corpus, &folder, cast);
    let mut wanted = Vec::new();
    let mut removed = 0;
    for row in plan {
        for method in &rule.methods {
            match row.accepted() {
                Some((target, source)) => wanted.push(Wanted::new(target, source, method)),
                None => removed += u64::from(making.remove(&item(row.pair_id, method))?),
            }
        }
    }
    let (reporter, threads) = (settings.reporter, settings.workers.parallel());
    reporter.stage("swap", Some(wanted.len() as u64));
    let fakes = parallel_map(&wanted, threads, reporter, |wanted| making.make(wanted))?;
    Ok(Outcome {
        folder: folder.join(FAKES),
        fakes,
        removed,
    })
}

/// Makes one fake after another.
pub(super) struct Making<'a> {
    settings: &'a Settings<'a>,
    corpus: &'a Corpus,
    stage: Stage,
    frames: Stage,
    videos: BTreeMap<SampleId, &'a Video>,
    cast: &'a Cast,
}

impl<'a> Making<'a> {
    pub fn new(
        settings: &'a Settings<'a>,
        corpus: &'a Corpus,
        folder: &Path,
        cast: &'a Cast,
    ) -> Self {
        let videos = cast.videos.iter();
        Self {
            settings,
            corpus,
            stage: Stage::new(folder, FAKES),
            frames: Stage::new(folder, frame::STAGE),
            videos: videos.map(|v| (v.sample.sample_id, v)).collect(),
            cast,
        }
    }

    fn io<T>(&self, item: &str, result: io::Result<T>) -> Result<T, SwapError> {
        result.map_err(|error| SwapError::Io {
            path: self.stage.folder(item),
            error,
        })
    }

    fn remove(&self, item: &str) -> Result<bool, SwapError> {
        self.io(item, self.stage.remove(item))
    }

    pub fn make(&self, wanted: &Wanted<'_>) -> Result<Made, SwapError> {
        let name = item(wanted.pair, wanted.method);
        // Asked first and for every fake, made or not: the plan may be older than a withdrawal.
        let ready = match self.consented(wanted) {
            Ok(consented) => self.ready(&consented)?,
            Err(refusal) => Err(refusal),
        };
        let made_from = self.made_from(wanted.method, &ready);
        if let Some(result) = self.io(&name, self.stage.done(&name, &made_from))? {
            return Ok(Made {
                item: name,
                found: true,
                result,
                spent: None,
            });
        }
        // An earlier fake goes before anything is made in its place.
        self.remove(&name)?;
        let work = self.io(&name, self.stage.begin(&name))?;
        let made = match ready {
            Ok(ready) => self.swap(wanted.method, ready, work.folder()),
            Err(refusal) => Err(refusal.into()),
        };
        let exchange = work.folder().join(EXCHANGE);
        self.io(&name, gone(fs::remove_dir_all(&exchange)))?;
        let (result, spent) = match made {
            Ok((done, spent)) => (items::Made::Done(done), Some(spent)),
            Err(WorkerError::Refused(refusal)) => {
                for file in [MASTER, MASK, SHEET] {
                    self.io(&name, gone(fs::remove_file(work.folder().join(file))))?;
                }
                (items::Made::Refused(refusal), None)
            }
            Err(error) => return Err(error.into()),
        };
        let outcome = items::Outcome { made_from, result };
        self.io(&name, work.finish(&outcome))?;
        Ok(Made {
            item: name,
            found: false,
            result: outcome.result,
            spent,
        })
    }

    fn consented(&self, wanted: &Wanted<'_>) -> Result<Consented<'_>, Refusal> {
        let video = |id: &SampleId| {
            self.videos.get(id).copied().ok_or_else(|| {
                let message = format!("`{id}` is not in the actors' newest release");
                Refusal::new(Reason::UpstreamUnlisted, message)
            })
        };
        Consented::check(self.cast, video(&wanted.target)?, video(&wanted.source)?)
    }

    /// Files and settings of a swap that both sides agreed to; a refusal where a video's bytes
    /// or face are not there.
    fn ready(&self, consented: &Consented<'_>) -> Result<Result<Ready, Refusal>, SwapError> {
        let mut sides = Vec::with_capacity(2);
        let mut digests = Vec::with_capacity(4);
        for video in [consented.target(), consented.source()] {
            let id = video.sample.sample_id;
            let file = video.file.as_ref().filter(|f| f.is_file());
            let (Some(file), Some(digest)) = (file, video.sample.media_sha256) else {
                let message = format!("the bytes of `{id}` are not in the store");
                return Ok(Err(Refusal::new(Reason::FileMissing, message)));
            };
            let framed = self.frames.outcome::<IgnoredAny>(&id.to_string());
            let framed = framed.map_err(|error| SwapError::Io {
                path: self.frames.folder(&id.to_string()),
                error,
            })?;
            let framed = framed.ok_or(SwapError::NotFramed(id))?;
            if let items::Made::Refused(refusal) = framed.result {
                return Ok(Err(refusal));
            }
            digests.push(digest.to_string());
            digests.push(framed.made_from);
            sides.push(Side {
                video: file.clone(),
                frames: self.frames.folder(&id.to_string()),
            });
        }
        let [target, source]: [Side; 2] = match sides.try_into() {
            Ok(sides) => sides,
            Err(_) => unreachable!("both sides were just pushed"),
        };
        Ok(Ok(Ready {
            target,
            source,
            digests,
        }))
    }

    fn made_from(&self, method: &Name, ready: &Result<Ready, Refusal>) -> String {
        let rule = &self.corpus.swap;
        let external = rule.external.get(method);
        // Only what changes the result: another method declared beside it does not.
        let limits = SwapRule {
            methods: Vec::new(),
            external: BTreeMap::new(),
            ..rule.clone()
        };
        let media = &self.settings.source.media;
        let inputs = match ready {
            Ok(ready) => ready.digests.clone(),
            Err(refusal) => vec![refusal.to_string()],
        };
        let all = serde_json::json!([VERSION, method, external, limits, media, inputs]);
        Digest::of(all.to_string().as_bytes()).to_string()
    }

    fn swap(
        &self,
        method: &Name,
        ready: Ready,
        out: &Path,
    ) -> Result<(SwapDone, Spent), WorkerError> {
        let rule = &self.corpus.swap;
        let limits = video::Limits {
            media: self.settings.source.media.clone(),
            ..video::Limits::default()
        };
        let Ready { target, source, .. } = ready;
        match rule.external.get(method) {
            Some(program) if method.as_str() != FACE_SWAP => {
                self.external(program, target, source, limits, out)
            }
            _ => self.settings.workers.run(
                SwapTask {
                    target,
                    source,
                    rule: rule.clone(),
                    limits,
                },
                out,
            ),
        }
    }

    fn external(
        &self,
        program: &ExternalMethod,
        target: Side,
        source: Side,
        limits: video::Limits,
        out: &Path,
    ) -> Result<(SwapDone, Spent), WorkerError> {
        let workers = self.settings.workers;
        let exchange = out.join(EXCHANGE);
        let machine = |error: io::Error| WorkerError::Machine {
            path: exchange.clone(),
            problem: error.to_string(),
        };
        fs::create_dir(&exchange).map_err(machine)?;
        let exchange = std::path::absolute(&exchange).map_err(machine)?;
        let hand_out = HandOut {
            target: target.clone(),
            source,
            limits: limits.clone(),
        };
        workers.run(hand_out, &exchange)?;
        workers.run_program(&confined(program), &exchange)?;
        let take_in = TakeIn {
            target,
            exchange,
            rule: self.corpus.swap.clone(),
            limits,
        };
        workers.run(take_in, out)
    }
}

/// What a swap works on; only from a [`Consented`].
struct Ready {
    target: Side,
    source: Side,
    digests: Vec<String>,
}

/// A declared program with what it may use. `timeout_s` is of the clock: all processors may be
/// busy with it for so long.
fn confined(method: &ExternalMethod) -> Program {
    let cores = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    Program {
        command: method.command.clone(),
        reads: method.reads.clone(),
        devices: method.devices.clone(),
        limits: worker::Limits {
            memory_mb: method.memory_mb,
            cpu_s: method.timeout_s.saturating_mul(cores),
            wall_s: method.timeout_s,
            open_files: 1024,
            ..worker::Limits::default()
        },
    }
}

/// Not there is as good as removed.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
