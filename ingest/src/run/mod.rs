//! An ingest from end to end: list, fetch, describe into the journal; then
//! decide and write a release. Every step finds what an earlier, killed
//! process did and does the rest.

mod gather;
mod list;
mod reach;
mod release;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::PathBuf,
};

use fairframe_schemas::{
    DatasetVersion, Decided, Layout, Name, SourceToml, Timestamp, release::Summary, source::About,
    version::Change,
};
use sha2::{Digest as _, Sha256};

use crate::{
    admit::{ConsentLedger, InvalidConsent as Invalid, LedgerLimits},
    assemble::Rules,
    decided::{self, ReadError},
    disk::{self, DiskError, Held},
    fetch::Fetcher,
    http::{Http, HttpConfig, HttpError, Paces},
    journal::{Journal, JournalError, Listing, Start},
    manifest::ManifestError,
    media::{DescribeError, Describer, WorkerCommand},
    prior::Prior,
    recall::{self, RecallError},
    release::ReleaseError,
    reporter::Reporter,
    source::{AnySource, SourceError},
    store::Store,
    versions::Versions,
};

/// A `source.toml` and where it stands.
#[derive(Debug, Clone)]
pub struct Declared {
    pub toml: SourceToml,
    pub text: String,
    /// The `source.toml` itself.
    pub file: PathBuf,
    /// The folder that relative paths in it start from.
    pub folder: PathBuf,
}

/// What an ingest is asked to do.
#[derive(Debug, Clone)]
pub struct Settings {
    pub layout: Layout,
    /// Sources of one dataset.
    pub sources: Vec<Declared>,
    /// The moment consents are judged at and `retrieved_at` states; an
    /// unfinished run keeps its own.
    pub as_of: Option<Timestamp>,
    pub now: Timestamp,
    /// Forget an unfinished run instead of continuing it.
    pub restart: bool,
    pub listing: Listing,
    pub worker: WorkerCommand,
    /// Decoders at a time.
    pub parallel: usize,
}

/// What an ingest led to.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub dataset: Name,
    pub version: DatasetVersion,
    pub folder: PathBuf,
    pub change: Change,
    /// False when nothing had changed, so that no release was written.
    pub written: bool,
    pub summary: Summary,
}

/// Why an ingest stopped. What was done stands in the journal.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("no sources are given; name at least one `source.toml`")]
    NoSources,
    #[error(
        "the sources feed different datasets (`{0}` and `{1}`); ingest them one dataset at a time"
    )]
    Datasets(Name, Name),
    #[error("source `{0}` is given twice; a source has one `source.toml`")]
    Repeated(Name),
    #[error(
        "sources `{0}` and `{1}` of one dataset disagree about `[{2}]`; state it alike in both"
    )]
    Disagree(Name, Name, &'static str),
    #[error(
        "{} and {} state different things under `[about]`, key `{key}`; state it in one of them, or alike in both",
        one.display(), other.display()
    )]
    About {
        one: PathBuf,
        other: PathBuf,
        key: &'static str,
    },
    #[error(
        "{}: holds files and no `SHA256SUMS`, so it is no whole release; bring back the file, or move the folder away",
        .0.display()
    )]
    NoRelease(PathBuf),
    #[error("another ingest of dataset `{0}` is running; wait for it to end")]
    Locked(Name),
    #[error(
        "`{dataset}` {version} was judged as of `{released:?}`, and `{asked:?}` is earlier: what was withdrawn between would come back; give `--at` the first moment or a later one"
    )]
    Back {
        dataset: Name,
        version: DatasetVersion,
        released: Timestamp,
        asked: Timestamp,
    },
    #[error(
        "source `{source_name}`: consent record `{file}` withdraws for `{subject}`, whom no sample of the source shows, so it would reach nobody; correct its `pii_principal_id`{}, or keep the record elsewhere if nothing of this person was ever in the source",
        near.as_ref().map(|n| format!(" (`{n}` is near)")).unwrap_or_default()
    )]
    Unreached {
        source_name: String,
        file: String,
        subject: String,
        near: Option<String>,
    },
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Decided(#[from] ReadError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Describe(DescribeError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    Recall(#[from] RecallError),
}

/// Entries read from the journal at a time.
const PAGE: usize = 2_000;

/// One source with all that its samples need.
struct Context {
    declared: Declared,
    ledger: ConsentLedger,
    /// For the source's API and its files alike: a host sees one pace, and the
    /// same one from all sources.
    http: Http,
    fetcher: Fetcher,
    describer: Describer,
}

impl Context {
    fn rules(&self, as_of: Timestamp) -> Rules<'_> {
        Rules {
            source: &self.declared.toml,
            ledger: &self.ledger,
            as_of,
        }
    }
}

/// What every stage of a run goes by.
struct Work<'a> {
    dataset: Name,
    about: About,
    as_of: Timestamp,
    /// By name of the source.
    contexts: BTreeMap<String, Context>,
    /// The latest release when the run began.
    prior: Prior,
    /// What curators decided.
    decided: Decided,
    layout: &'a Layout,
    reporter: &'a dyn Reporter,
}

pub async fn run(settings: &Settings, reporter: &dyn Reporter) -> Result<Outcome, IngestError> {
    let (dataset, about) = check(&settings.sources)?;
    let layout = &settings.layout;
    let _lock = lock(layout, &dataset)?;
    // First, so that a source that does not open leaves no unfinished run.
    let decided = decided::read(layout, &dataset)?;
    let (contexts, mut sources) = open(settings, &decided)?;
    let there = Versions::of(&layout.dataset(&dataset)).map_err(|error| IngestError::Io {
        path: layout.dataset(&dataset),
        error,
    })?;
    for folder in there.strange {
        if fs::read_dir(&folder).is_ok_and(|mut files| files.next().is_some()) {
            return Err(IngestError::NoRelease(folder));
        }
        reporter.message(&format!(
            "{} is named like a version and holds no release; it is passed over: remove it",
            folder.display()
        ));
    }
    let mut journal = Journal::open(&layout.journal(&dataset))?;
    let latest = there.versions.last().copied();
    let unfinished = journal.unfinished()?;
    // With its release there, or the one before gone, an unfinished run has nothing left to do.
    let restart = settings.restart || unfinished.is_some_and(|run| run.prior != latest);
    // It keeps its moment only while that is as good as now: what was withdrawn meanwhile counts.
    let anew = settings.as_of.is_none()
        && unfinished.is_some_and(|run| {
            let ledgers = contexts.values().map(|c| &c.ledger);
            let mut moved = ledgers.map(|l| l.standing(run.as_of).ne(l.standing(settings.now)));
            moved.any(|moved| moved)
        });
    let asked = settings.as_of.unwrap_or(settings.now);
    if let Some(version) = latest {
        let released = release::read_summary(&layout.release(&dataset, version))?.as_of;
        if asked < released {
            return Err(IngestError::Back {
                dataset,
                version,
                released,
                asked,
            });
        }
    }
    let run = journal.begin(&Start {
        settings: &digest(&settings.sources),
        asked: settings.as_of,
        now: settings.now,
        prior: latest,
        restart,
        anew,
        listing: settings.listing,
    })?;
    if run.continued {
        reporter.message("an unfinished ingest is continued");
    } else if anew && !restart {
        reporter.message("consents stand otherwise than when the unfinished ingest began: it begins anew, and keeps what it fetched");
    }
    let prior = Prior::load(layout, &dataset, run.prior)?;
    for invalid in contexts.values().flat_map(|c| c.ledger.invalid()) {
        let Invalid {
            source,
            file,
            message,
            ..
        } = invalid;
        reporter.message(&format!(
            "{source}: consent record {file} is not relied on: {message}"
        ));
    }

    let work = Work {
        dataset,
        about,
        as_of: run.as_of,
        contexts,
        prior,
        decided,
        layout,
        reporter,
    };
    work.list(&mut sources, &mut journal).await?;
    if let Err(unreached) = work.check_reach(&sources, &journal) {
        // What will be corrected may be the table: it is listed again.
        journal.finish()?;
        return Err(unreached);
    }
    work.gather(&mut journal).await?;
    let (outcome, recalled) = work.release(&journal)?;
    let list = recall::publish(layout, &work.dataset, &outcome.folder)?;
    work.write_receipts()?;
    work.remove_withdrawn(&list, &recalled, &mut journal)?;
    journal.finish()?;
    Ok(outcome)
}

/// One dataset, sources told apart, agreed on what concerns all of them. What
/// they say about the dataset is put together.
fn check(sources: &[Declared]) -> Result<(Name, About), IngestError> {
    let first = &sources.first().ok_or(IngestError::NoSources)?.toml;
    for (index, Declared { toml, .. }) in sources.iter().enumerate() {
        if toml.dataset != first.dataset {
            return Err(IngestError::Datasets(
                first.dataset.clone(),
                toml.dataset.clone(),
            ));
        }
        if sources[..index]
            .iter()
            .any(|d| d.toml.source == toml.source)
        {
            return Err(IngestError::Repeated(toml.source.clone()));
        }
        let names = || (first.source.clone(), toml.source.clone());
        if toml.split != first.split {
            let (a, b) = names();
            return Err(IngestError::Disagree(a, b, "split"));
        }
        if toml.dedupe != first.dedupe {
            let (a, b) = names();
            return Err(IngestError::Disagree(a, b, "dedupe"));
        }
    }
    let mut about = About::default();
    for (index, Declared { toml, file, .. }) in sources.iter().enumerate() {
        about = about.join(&toml.about).map_err(|key| {
            let contradicts =
                |d: &&Declared| d.toml.about.clone().join(&toml.about).err() == Some(key);
            let one = sources[..index].iter().find(contradicts);
            IngestError::About {
                one: one.unwrap_or(&sources[0]).file.clone(),
                other: file.clone(),
                key,
            }
        })?;
    }
    Ok((first.dataset.clone(), about))
}

fn lock(layout: &Layout, dataset: &Name) -> Result<Held, IngestError> {
    let path = layout.journal(dataset).with_extension("lock");
    let wrap = |error| IngestError::Io {
        path: path.clone(),
        error,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrap)?;
    }
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(wrap)?;
    match Held::try_lock(file) {
        Ok(held) => Ok(held),
        Err(fs::TryLockError::WouldBlock) => Err(IngestError::Locked(dataset.clone())),
        Err(fs::TryLockError::Error(error)) => Err(wrap(error)),
    }
}

/// The same in whatever order the sources are given.
fn digest(sources: &[Declared]) -> String {
    let mut hasher = Sha256::new();
    let mut sources: Vec<&Declared> = sources.iter().collect();
    sources.sort_by_key(|s| &s.toml.source);
    for source in sources {
        hasher.update(source.text.as_bytes());
        hasher.update([0]);
    }
    hex::encode(hasher.finalize())
}

type Opened = (BTreeMap<String, Context>, BTreeMap<String, AnySource>);

fn open(settings: &Settings, decided: &Decided) -> Result<Opened, IngestError> {
    let store = Store::open(&settings.layout).map_err(|error| IngestError::Io {
        path: settings.layout.store(),
        error,
    })?;
    let mut opened = Opened::default();
    // One of each over the whole run, however many sources there are.
    let paces = Paces::default();
    let mut decoders: Option<Describer> = None;
    for declared in &settings.sources {
        let toml = &declared.toml;
        let http = Http::in_step(HttpConfig::from(&toml.fetch), &paces)?;
        let source = AnySource::open(toml, &declared.folder, &settings.layout, &http)?;
        let consents = source
            .consents()?
            .into_iter()
            .map(|(name, bytes)| (name, Ok(bytes)));
        let mut ledger = ConsentLedger::from_files(&toml.source, consents, LedgerLimits::default());
        ledger.withdraw(&decided.withdrew);
        let context = Context {
            declared: declared.clone(),
            ledger,
            fetcher: Fetcher::with_http(http.clone(), &toml.fetch, store.clone()),
            http,
            describer: match &decoders {
                Some(first) => first.within(&toml.media),
                None => Describer::new(&toml.media, settings.worker.clone(), settings.parallel),
            },
        };
        decoders.get_or_insert_with(|| context.describer.within(&toml.media));
        opened.0.insert(toml.source.to_string(), context);
        opened.1.insert(toml.source.to_string(), source);
    }
    Ok(opened)
}
