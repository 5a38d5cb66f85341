//! `fairframe ingest`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::SubsecRound;
use fairframe_ingest::{
    http::{Http, HttpConfig},
    journal::Listing,
    media::WorkerCommand,
    run::{Declared, IngestError, Outcome, Settings, run},
    source::{AnySource, Source, SourceError},
};
use fairframe_schemas::{Layout, SourceToml, Status, Timestamp};
use fairframe_web::state::Clock;

use crate::{
    Common, corpus,
    exit::{self, Doing, Failure},
    progress::Progress,
};

/// How long a server's ingest waits for another one of the dataset to end.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub struct IngestArgs {
    /// `source.toml` files of one dataset
    #[arg(required = true, value_name = "SOURCE.TOML")]
    sources: Vec<PathBuf>,
    /// The moment at which consents are judged [default: now]
    #[arg(long, value_name = "RFC 3339")]
    at: Option<Timestamp>,
    /// Forget an unfinished ingest of the dataset
    #[arg(long)]
    restart: bool,
    /// List nothing: try what failed again
    #[arg(long, conflicts_with = "as_listed")]
    retry_failures: bool,
    /// List and fetch nothing: a release of what is there, with what curators decided since
    #[arg(long)]
    as_listed: bool,
    /// Decoders at a time [default: all cores]
    #[arg(long, value_name = "N")]
    decoders: Option<usize>,
    /// Only open the sources and read their tables, without network; nothing is written
    #[arg(long)]
    check: bool,
}

impl IngestArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let sources: Vec<Declared> = self
            .sources
            .iter()
            .map(|path| declared(path))
            .collect::<Result<_, _>>()?;
        if self.check {
            return check(&self.sources, &sources, common);
        }
        let settings = Settings {
            layout: Layout::new(&common.root),
            sources,
            // Manifests keep microseconds: what is judged is what they say.
            as_of: self.at.map(|at| at.trunc_subsecs(6)),
            now: moment(None),
            restart: self.restart,
            listing: match (self.retry_failures, self.as_listed) {
                (true, _) => Listing::RetryFailures,
                (_, true) => Listing::AsListed,
                _ => Listing::Anew,
            },
            worker: WorkerCommand::beside().doing("find what decodes media")?,
            parallel: self.decoders.unwrap_or_else(corpus::cores),
        };
        let outcome = ingest(&settings, common)?;
        if common.json {
            exit::print_json(&outcome.summary)?;
        } else {
            print!("{}", describe(&outcome));
        }
        // Judged at the same moment as the people's own videos.
        let as_of = outcome.summary.as_of;
        for corpus in corpus::follow(&settings.layout, &outcome.dataset, as_of, common)? {
            if corpus.written && !common.quiet {
                eprint!("{}", describe(&corpus));
            }
        }
        Ok(exit::OK)
    }
}

/// The moment that a command judges at: as asked, else now. Manifests keep microseconds:
/// what is judged is what they say.
pub fn moment(at: Option<Timestamp>) -> Timestamp {
    at.unwrap_or_else(chrono::Utc::now).trunc_subsecs(6)
}

/// The clock of a server and of what is done to its database.
pub fn clock() -> Clock {
    Arc::new(chrono::Utc::now)
}

/// What `--check` found in one source.
#[derive(serde::Serialize)]
struct Checked {
    file: PathBuf,
    dataset: String,
    source: String,
    kind: &'static str,
    consents: usize,
    /// Rows of the drop's table; none where only the network can tell.
    rows: Option<u64>,
    /// Of these, rows with a reason against them already.
    refused: Option<u64>,
}

fn check(files: &[PathBuf], sources: &[Declared], common: &Common) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
    let layout = Layout::new(&common.root);
    let mut found = Vec::new();
    for (file, declared) in files.iter().zip(sources) {
        let doing = || format!("check {}", file.display());
        let toml = &declared.toml;
        let http = Http::new(HttpConfig::from(&toml.fetch)).doing(doing())?;
        let mut source = AnySource::open(toml, &declared.folder, &layout, &http).doing(doing())?;
        let consents = source.consents().doing(doing())?.len();
        let kind = match source {
            AnySource::Wikimedia(_) => "wikimedia",
            AnySource::Crowdsourced(_) => "crowdsourced",
            AnySource::Actors(_) => "actors",
            AnySource::Corpus(_) => "corpus",
        };
        let counts = match source {
            AnySource::Wikimedia(_) => None,
            _ => Some(runtime.block_on(count(&mut source)).doing(doing())?),
        };
        found.push(Checked {
            file: file.clone(),
            dataset: toml.dataset.to_string(),
            source: toml.source.to_string(),
            kind,
            consents,
            rows: counts.map(|(rows, _)| rows),
            refused: counts.map(|(_, refused)| refused),
        });
    }
    if common.json {
        exit::print_json(&found)?;
        return Ok(exit::OK);
    }
    for f in found {
        let rows = match (f.rows, f.refused) {
            (Some(rows), Some(refused)) => format!(
                "{rows} rows, {refused} of them refused before fetching, {} consent records",
                f.consents
            ),
            _ => "opens; what it has, only an ingest can ask".to_owned(),
        };
        let (file, dataset, source, kind) = (f.file.display(), f.dataset, f.source, f.kind);
        exit::print(&format!(
            "{file}: `{source}` of `{dataset}` ({kind}): {rows}\n"
        ))?;
    }
    Ok(exit::OK)
}

/// Rows of a drop, and those with a reason against them.
async fn count(source: &mut AnySource) -> Result<(u64, u64), SourceError> {
    let (mut rows, mut refused, mut checkpoint) = (0, 0, None);
    while let Some(batch) = source.next(checkpoint.as_ref()).await? {
        rows += batch.listed.len() as u64;
        let against = batch.listed.iter().filter(|l| !l.sample.reasons.is_empty());
        refused += against.count() as u64;
        checkpoint = Some(batch.checkpoint);
    }
    Ok((rows, refused))
}

/// Reads a `source.toml`.
pub fn declared(path: &Path) -> Result<Declared, Failure> {
    let doing = || format!("read {}", path.display());
    let text = std::fs::read_to_string(path).doing(doing())?;
    let toml = SourceToml::parse(&text).doing(doing())?;
    // Made absolute first: a bare `source.toml` has an empty parent.
    let whole = std::path::absolute(path).doing(doing())?;
    let folder = whole.parent().map(Path::to_owned).unwrap_or_default();
    let file = path.to_owned();
    Ok(Declared {
        toml,
        text,
        file,
        folder,
    })
}

/// Runs an ingest with progress on stderr.
pub fn ingest(settings: &Settings, common: &Common) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .doing("start the runtime")?;
    let progress = Progress::new(common);
    // One that was killed with its server may take a moment to let go.
    let patience = Instant::now()
        + if common.lines.is_some() {
            PATIENCE
        } else {
            Duration::ZERO
        };
    loop {
        match runtime.block_on(run(settings, &progress)) {
            Err(IngestError::Locked(_)) if Instant::now() < patience => {
                std::thread::sleep(Duration::from_millis(100));
            }
            ended => return ended.doing("ingest"),
        }
    }
}

/// What a person reads at the end: counts in and out, where it is.
pub fn describe(outcome: &Outcome) -> String {
    let counts = &outcome.summary.counts;
    let mut text = format!(
        "{} {}{}\n",
        outcome.dataset,
        outcome.version,
        if outcome.written {
            ""
        } else {
            " (nothing changed: no new version)"
        },
    );
    text.push_str(&format!("  {:>9} listed\n", counts.listed));
    for status in Status::ALL {
        let n = counts.of(*status);
        if n > 0 {
            text.push_str(&format!("  {n:>9} {status}\n"));
        }
    }
    for (reason, n) in &counts.by_reason {
        text.push_str(&format!("            {n} {reason}: {}\n", reason.text()));
    }
    text.push_str(&format!("  {}\n", outcome.folder.display()));
    text
}
