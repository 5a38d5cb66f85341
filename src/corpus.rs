//! `fairframe corpus`: the whole way from actor videos to a released corpus; and what every
//! command of that way begins and ends with.

use std::path::{Path, PathBuf};

use fairframe_corpus::{
    cast::Cast,
    clips::{self, Splits},
    compress::{self, Compress},
    detector::{self, DetectorError},
    frame,
    item::Made,
    label::Signer,
    pair, swap, video,
    withdraw::{self, DeclaredAt, Gone},
    worker::{Limits, Workers},
};
use fairframe_ingest::{
    disk::Held,
    media::WorkerCommand,
    run::{Declared, Outcome, Settings},
    versions::Versions,
};
use fairframe_schemas::{
    Layout, Name, Timestamp,
    corpus::{PairRow, pair::PAIRS},
    source::Corpus,
};

use crate::{
    Common,
    exit::{self, Doing, Failure},
    ingest::{declared, describe, ingest, moment},
    progress::Progress,
};

/// The whole way from actor videos to a released corpus.
///
/// Pairs people who agreed to it, frames their faces, swaps them, writes real and fake clips in
/// every quality, and releases them. What is made already stays; a killed run goes on.
#[derive(Debug, clap::Args)]
pub struct CorpusArgs {
    #[command(flatten)]
    stage: StageArgs,
    /// Draw the pairs anew, instead of adding to those of the plan that is there
    #[arg(long)]
    redraw: bool,
    /// Do not let the baseline detector answer the test split
    #[arg(long)]
    no_detector: bool,
}

/// What every command is told that works on videos, pairs or clips.
#[derive(Debug, clap::Args)]
pub struct StageArgs {
    /// `source.toml` of a corpus
    #[arg(value_name = "SOURCE.TOML")]
    source: PathBuf,
    /// The moment at which consents are judged [default: now]
    #[arg(long, value_name = "RFC 3339")]
    at: Option<Timestamp>,
    /// Videos, pairs or clips at a time [default: all cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

impl StageArgs {
    /// Does one stage and says what came of it.
    pub fn run<O: serde::Serialize>(
        &self,
        common: &Common,
        stage: impl FnOnce(&Opened, &Workers, &Common) -> Result<O, Failure>,
        describe: impl FnOnce(&O) -> String,
    ) -> Result<u8, Failure> {
        let mut opened = Opened::at(&self.source, self.at, common)?;
        let outcome = stage(&opened, &workers(self.workers)?, common)?;
        opened.again(self.at, common)?;
        match common.json {
            true => exit::print_json(&outcome)?,
            false => exit::print(&describe(&outcome))?,
        }
        Ok(exit::OK)
    }
}

impl CorpusArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let outcome = make(&self, common)?;
        if common.json {
            exit::print_json(&outcome.summary)?;
        } else {
            exit::print(&describe(&outcome))?;
        }
        Ok(exit::OK)
    }
}

impl CorpusArgs {
    /// With all else left as it is by default.
    pub fn new(source: PathBuf, at: Timestamp) -> Self {
        Self {
            stage: StageArgs {
                source,
                at: Some(at),
                workers: None,
            },
            redraw: false,
            no_detector: false,
        }
    }
}

/// Lets the baseline detector answer a release's test split, and judges it: real against fake
/// by method, compression and region.
pub fn detect(
    opened: &Opened,
    release: &Path,
    workers: &Workers,
    common: &Common,
) -> Result<(), Failure> {
    let doing = || format!("detect the fakes of {}", release.display());
    let dataset = opened.dataset();
    let out = detector::folder(&opened.layout, dataset);
    let detected = match detector::run(
        &opened.layout,
        dataset,
        release,
        &opened.declared.toml.media,
        workers,
        &Progress::new(common),
        &out,
    ) {
        // The release is there; there is nobody to learn from, or to be asked about.
        Err(why @ (DetectorError::Fit(_) | DetectorError::NoTest)) => {
            eprintln!("no baseline: {why}");
            return Ok(());
        }
        other => other.doing(doing())?,
    };
    let groups = ["method", "compression", "method+compression", "region"];
    let mut more = vec!["--manifest", release.to_str().unwrap_or_default()];
    more.extend(["--cluster", "target", "--min-n", "3"]);
    more.extend(groups.iter().flat_map(|g| ["--group", g]));
    let (truth, answers) = (&detected.solution, &detected.submission);
    crate::eval::judge("detection", truth, answers, &more, &out)
}

/// Every stage, then the release.
pub fn make(args: &CorpusArgs, common: &Common) -> Result<Outcome, Failure> {
    let StageArgs {
        source,
        at,
        workers,
    } = &args.stage;
    let mut opened = Opened::at(source, *at, common)?;
    let workers = self::workers(*workers)?;
    let say = |text: &str| {
        if !common.quiet {
            eprint!("{text}");
        }
    };
    let extend = !args.redraw && opened.folder().join(PAIRS).is_file();
    say(&crate::pair::describe(&opened.pair(extend)?));
    say(&crate::frame::describe(&opened.frame(&workers, common)?));
    say(&crate::swap::describe(&opened.swap(&workers, common)?));
    opened.compress(&workers, common)?;
    // Whoever withdrew meanwhile is heard before anything is released.
    opened.again(*at, common)?;
    let outcome = opened.release(common)?;
    if !args.no_detector {
        detect(&opened, &outcome.folder, &workers, common)?;
    }
    Ok(outcome)
}

pub fn workers(parallel: Option<usize>) -> Result<Workers, Failure> {
    let command = WorkerCommand::beside().doing("find what decodes media")?;
    let parallel = parallel.unwrap_or_else(cores);
    Ok(Workers::new(command, parallel, Limits::default()))
}

/// What `compress` came to: files, masks among them.
#[derive(Debug, serde::Serialize)]
pub struct Compressed {
    pub made: u64,
    pub refused: u64,
    pub folder: PathBuf,
}

/// A corpus that a command works on; nobody else does meanwhile.
pub struct Opened {
    pub layout: Layout,
    pub declared: Declared,
    pub rule: Corpus,
    pub cast: Cast,
    pub as_of: Timestamp,
    _held: Held,
}

impl Opened {
    /// Opens a corpus by its `source.toml`, and takes away what nobody answers for any more.
    pub fn at(path: &Path, at: Option<Timestamp>, common: &Common) -> Result<Self, Failure> {
        let declared = declared(path)?;
        let doing = || format!("open the corpus of {}", path.display());
        let Some(rule) = declared.toml.corpus.clone() else {
            return Err("it has no `[corpus]`; name the `source.toml` of a corpus").doing(doing());
        };
        let layout = Layout::new(&common.root);
        let dataset = declared.toml.dataset.clone();
        let _held = withdraw::hold(&layout, &dataset).doing(doing())?;
        let as_of = moment(at);
        let actors = declared.folder.join(&rule.actors);
        let cast = Cast::open(&layout, &actors, as_of).doing(doing())?;
        if cast.dataset == dataset {
            let why =
                format!("`{dataset}` is the dataset of its actors; give the corpus one of its own");
            return Err(why).doing(doing());
        }
        let at = DeclaredAt {
            source: std::path::absolute(path).doing(doing())?,
            actors: actors.canonicalize().doing(doing())?,
            actors_dataset: cast.dataset.clone(),
        };
        withdraw::remember(&layout, &dataset, &at).doing(doing())?;
        let opened = Self {
            layout,
            declared,
            rule,
            cast,
            as_of,
            _held,
        };
        opened.withdraw(common)?;
        Ok(opened)
    }

    pub fn dataset(&self) -> &Name {
        &self.declared.toml.dataset
    }

    /// The corpus's folder.
    pub fn folder(&self) -> PathBuf {
        self.layout.corpus(self.dataset())
    }

    fn doing(&self, stage: &str) -> String {
        format!("{stage} {}", self.declared.file.display())
    }

    /// Plans the pairs; `extend`: adds to the plan that is there.
    pub fn pair(&self, extend: bool) -> Result<pair::Outcome, Failure> {
        let settings = pair::Settings {
            layout: &self.layout,
            source: &self.declared.toml,
            file: &self.declared.file,
            as_of: self.as_of,
            extend,
        };
        pair::run(&settings).doing(self.doing("pair"))
    }

    pub fn frame(&self, workers: &Workers, common: &Common) -> Result<frame::Outcome, Failure> {
        let (rule, media) = (&self.rule.frame, &self.declared.toml.media);
        let (layout, cast) = (&self.layout, &self.cast);
        let progress = Progress::new(common);
        frame::run(
            layout,
            self.dataset(),
            rule,
            media,
            cast,
            workers,
            &progress,
        )
        .doing(self.doing("frame"))
    }

    pub fn swap(&self, workers: &Workers, common: &Common) -> Result<swap::Outcome, Failure> {
        let settings = swap::Settings {
            layout: &self.layout,
            source: &self.declared.toml,
            workers,
            reporter: &Progress::new(common),
        };
        swap::run(&settings, &self.cast, &self.plan("swap")?).doing(self.doing("swap"))
    }

    fn plan(&self, stage: &str) -> Result<Vec<PairRow>, Failure> {
        let plan = pair::read(&self.folder()).doing(self.doing(stage))?;
        if plan.is_empty() {
            return Err("no pairs are planned; run `fairframe pair` first")
                .doing(self.doing(stage));
        }
        Ok(plan)
    }

    /// Writes all clips in every quality, and the list of them.
    pub fn compress(&self, workers: &Workers, common: &Common) -> Result<Compressed, Failure> {
        let doing = || self.doing("compress");
        let (folder, rule, toml) = (self.folder(), &self.rule, &self.declared.toml);
        let pairs = self.plan("compress")?;
        let clips = clips::clips(&folder, &self.cast, &pairs, &rule.swap.methods).doing(doing())?;
        let inputs = clips::inputs(&folder, self.dataset(), &clips);
        let limits = video::Limits {
            media: toml.media.clone(),
            ..video::Limits::default()
        };
        let settings = Compress {
            corpus: &folder,
            rule: &rule.compress,
            limits: &limits,
            workers,
            signer: &Signer::of_installation(&self.layout.signing()).doing(doing())?,
            at: self.as_of,
        };
        let progress = Progress::new(common);
        let made = compress::run(&settings, &inputs, &progress).doing(doing())?;
        let splits = Splits::of(&pairs);
        let rows = clips::rows(&toml.source, &clips, &rule.compress.rungs, &made, &splits);
        clips::write(&folder, rows, &self.cast).doing(doing())?;
        let refused = made.iter().filter(|m| matches!(m.result, Made::Refused(_)));
        let refused = refused.count() as u64;
        Ok(Compressed {
            made: made.len() as u64 - refused,
            refused,
            folder,
        })
    }

    fn withdraw(&self, common: &Common) -> Result<Gone, Failure> {
        let gone = withdraw::withdraw(&self.layout, self.dataset(), &self.cast)
            .doing(format!("withdraw from corpus `{}`", self.dataset()))?;
        if gone.any() && !common.quiet {
            eprintln!("{}", says(self.dataset(), &gone));
        }
        Ok(gone)
    }

    /// Asks everybody again: who withdrew while something was made of them is heard before
    /// anything is released.
    pub fn again(&mut self, at: Option<Timestamp>, common: &Common) -> Result<(), Failure> {
        let doing = self.doing("open");
        let actors = self.declared.folder.join(&self.rule.actors);
        self.as_of = moment(at);
        self.cast = Cast::open(&self.layout, &actors, self.as_of).doing(doing)?;
        self.withdraw(common).map(drop)
    }

    /// A release of what was made.
    pub fn release(&self, common: &Common) -> Result<Outcome, Failure> {
        release(&self.layout, self.declared.clone(), self.as_of, common)
    }
}

/// What was withdrawn from the people of a dataset is withdrawn from every corpus made of
/// them: the files at once, then by a release that recalls them.
pub fn follow(
    layout: &Layout,
    actors: &Name,
    as_of: Timestamp,
    common: &Common,
) -> Result<Vec<Outcome>, Failure> {
    let mut outcomes = Vec::new();
    for (corpus, at) in
        withdraw::made_from(layout, actors).doing(format!("find the corpora made of `{actors}`"))?
    {
        let doing = || format!("withdraw from corpus `{corpus}`");
        let _held = withdraw::hold(layout, &corpus).doing(doing())?;
        let cast = Cast::open(layout, &at.actors, as_of).doing(doing())?;
        let gone = withdraw::withdraw(layout, &corpus, &cast).doing(doing())?;
        if gone.any() && !common.quiet {
            eprintln!("{}", says(&corpus, &gone));
        }
        // The plan keeps a refused row for each pair that may not be made any more.
        let declared = declared(&at.source)?;
        let planned = layout.corpus(&corpus).join(PAIRS).is_file();
        if planned && gone.any() {
            let settings = pair::Settings {
                layout,
                source: &declared.toml,
                file: &declared.file,
                as_of,
                extend: true,
            };
            pair::run(&settings).doing(doing())?;
        }
        let released = Versions::of(&layout.dataset(&corpus)).doing(doing())?;
        if !released.versions.is_empty() {
            outcomes.push(release(layout, declared, as_of, common)?);
        }
    }
    Ok(outcomes)
}

fn release(
    layout: &Layout,
    declared: Declared,
    as_of: Timestamp,
    common: &Common,
) -> Result<Outcome, Failure> {
    let settings = Settings {
        layout: layout.clone(),
        sources: vec![declared],
        as_of: Some(as_of),
        now: as_of,
        restart: false,
        listing: Default::default(),
        worker: WorkerCommand::beside().doing("find what decodes media")?,
        parallel: cores(),
    };
    ingest(&settings, common)
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

fn says(corpus: &Name, gone: &Gone) -> String {
    format!(
        "corpus `{corpus}`: withdrawn and removed: {} framed videos, {} fakes, {} clips; {} pairs are not made any more",
        gone.frames, gone.fakes, gone.clips, gone.pairs
    )
}
