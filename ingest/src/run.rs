//! An ingest from end to end: list, fetch, describe into the journal; then
//! decide and write a release. Every step finds what an earlier, killed
//! process did and does the rest.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    DatasetVersion, Digest, Layout, Name, Reason, Sample, SampleId, SourceToml, Status, Timestamp,
    release::{SourceSummary, Summary},
    version::Change,
};
use futures_util::{StreamExt, stream};
use sha2::{Digest as _, Sha256};

use crate::{
    admit::{ConsentLedger, InvalidConsent as Invalid, LedgerLimits},
    assemble::{Rules, assemble, refused_before_fetching, scrub},
    decide::{Decisions, Gathered},
    fetch::Fetcher,
    http::{Http, HttpConfig, HttpError},
    journal::{Entry, FactsRecord, FetchOutcome, FetchRecord, Journal, JournalError, Start},
    manifest::{ManifestError, ReleaseReader, Stamp},
    media::{Describer, WorkerCommand},
    prior::{Prior, versions},
    recall::{self, RecallError, Withdrawals},
    release::{ReleaseError, ReleaseWriter, schema_version},
    reporter::Reporter,
    source::{
        AnySource, Batch, Expected, Listed, MediaRef, Source, SourceError,
        wikimedia::WikimediaSource,
    },
    store::Store,
};

/// A `source.toml` and where it stands.
#[derive(Debug, Clone)]
pub struct Declared {
    pub toml: SourceToml,
    pub text: String,
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
    #[error("another ingest of dataset `{0}` is running; wait for it to end")]
    Locked(Name),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
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

/// Samples fetched and decoded at a time; hosts and decoders have limits of their own.
const IN_FLIGHT: usize = 64;

/// Outcomes committed together.
const COMMIT: usize = 64;

/// Entries read from the journal at a time.
const PAGE: usize = 2_000;

/// One source with all that its samples need.
struct Context {
    declared: Declared,
    ledger: ConsentLedger,
    /// For the source's API and its files alike: a host sees one pace.
    http: Http,
    fetcher: Fetcher,
    describer: Describer,
}

pub async fn run(settings: &Settings, reporter: &dyn Reporter) -> Result<Outcome, IngestError> {
    let dataset = check(&settings.sources)?;
    let layout = &settings.layout;
    let _lock = lock(layout, &dataset)?;
    let mut journal = Journal::open(&layout.journal(&dataset))?;
    let run = journal.begin(&Start {
        settings: &digest(&settings.sources),
        asked: settings.as_of,
        now: settings.now,
        prior: versions(layout, &dataset).pop(),
        restart: settings.restart,
    })?;
    if run.continued {
        reporter.message("an unfinished ingest is continued");
    }
    let prior = Prior::load(layout, &dataset, run.prior)?;
    let (contexts, mut sources) = open(settings)?;
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

    list(
        &mut sources,
        &contexts,
        &mut journal,
        &prior,
        layout,
        reporter,
    )
    .await?;
    gather(&contexts, &mut journal, run.as_of, layout, reporter).await?;
    let outcome = release(
        &contexts, &journal, &prior, &dataset, run.as_of, layout, reporter,
    )?;
    recall::publish(layout, &dataset, &outcome.folder)?;
    write_receipts(&contexts, &dataset, run.as_of, layout)?;
    remove_withdrawn(&outcome, &contexts, layout)?;
    journal.finish()?;
    Ok(outcome)
}

/// One dataset, sources told apart, agreed on what concerns all of them.
fn check(sources: &[Declared]) -> Result<Name, IngestError> {
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
    Ok(first.dataset.clone())
}

fn lock(layout: &Layout, dataset: &Name) -> Result<File, IngestError> {
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
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(IngestError::Locked(dataset.clone())),
        Err(fs::TryLockError::Error(error)) => Err(wrap(error)),
    }
}

fn digest(sources: &[Declared]) -> String {
    let mut hasher = Sha256::new();
    for source in sources {
        hasher.update(source.text.as_bytes());
        hasher.update([0]);
    }
    hex::encode(hasher.finalize())
}

type Opened = (BTreeMap<String, Context>, BTreeMap<String, AnySource>);

fn open(settings: &Settings) -> Result<Opened, IngestError> {
    let store = Store::open(&settings.layout).map_err(|error| IngestError::Io {
        path: settings.layout.store(),
        error,
    })?;
    let mut opened = Opened::default();
    for declared in &settings.sources {
        let toml = &declared.toml;
        let http = Http::new(HttpConfig::from(&toml.fetch))?;
        let source = AnySource::open(toml, &declared.folder, &http)?;
        let consents = source
            .consents()?
            .into_iter()
            .map(|(name, bytes)| (name, Ok(bytes)));
        let context = Context {
            declared: declared.clone(),
            ledger: ConsentLedger::from_files(&toml.source, consents, LedgerLimits::default()),
            fetcher: Fetcher::with_http(http.clone(), &toml.fetch, store.clone()),
            http,
            describer: Describer::new(
                &toml.media,
                settings.worker.clone(),
                settings.parallel.max(1),
            ),
        };
        opened.0.insert(toml.source.to_string(), context);
        opened.1.insert(toml.source.to_string(), source);
    }
    Ok(opened)
}

/// Lists every source to its end, then asks about samples of the latest
/// release that were not listed again.
async fn list(
    sources: &mut BTreeMap<String, AnySource>,
    contexts: &BTreeMap<String, Context>,
    journal: &mut Journal,
    prior: &Prior,
    layout: &Layout,
    reporter: &dyn Reporter,
) -> Result<(), IngestError> {
    for (name, source) in sources {
        reporter.stage(&format!("listing {name}"), None);
        list_one(name, source, journal, reporter).await?;
    }
    carry_over(contexts, journal, prior, layout, reporter).await
}

async fn list_one(
    name: &str,
    source: &mut impl Source,
    journal: &mut Journal,
    reporter: &dyn Reporter,
) -> Result<(), IngestError> {
    loop {
        let (checkpoint, done) = journal.checkpoint(name)?;
        if done {
            return Ok(());
        }
        match source.next(checkpoint.as_ref()).await? {
            Some(batch) => {
                journal.list(name, &batch)?;
                reporter.advance(batch.listed.len() as u64);
            }
            None => journal.listed_to_the_end(name)?,
        }
    }
}

/// The name under which carried-over rows stand among the journal's sources.
const CARRIED: &str = "carried over";

/// Rows of the latest release that no source listed again stay, as rows with
/// a reason: nothing vanishes. A wiki is asked whether such pages still exist.
async fn carry_over(
    contexts: &BTreeMap<String, Context>,
    journal: &mut Journal,
    prior: &Prior,
    layout: &Layout,
    reporter: &dyn Reporter,
) -> Result<(), IngestError> {
    let (_, done) = journal.checkpoint(CARRIED)?;
    let Some(context) = contexts.values().next().filter(|_| !done) else {
        return Ok(());
    };
    let Some(version) = prior.version else {
        return Ok(());
    };
    let reader = ReleaseReader::open(&layout.release(&context.declared.toml.dataset, version))?;
    let mut asked: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for rows in reader.accepted().chain(reader.excluded()) {
        let mut listed = Vec::new();
        for mut sample in rows? {
            if !journal.is_listed(sample.sample_id)? {
                let page = sample.source_key.parse().ok();
                if sample.status == Status::Accepted {
                    if let Some(page) = page {
                        asked.entry(sample.source.clone()).or_default().push(page);
                    }
                    sample.add_reason(Reason::UpstreamUnlisted);
                }
                listed.push(Listed {
                    sample,
                    media: MediaRef::None,
                    expected: Expected::default(),
                });
            }
        }
        journal.list(
            CARRIED,
            &Batch {
                listed,
                checkpoint: serde_json::Value::Null,
            },
        )?;
    }
    for (name, pages) in asked {
        let Some(context) = contexts.get(&name) else {
            continue;
        };
        let mut toml = context.declared.toml.clone();
        let Some(wiki) = &mut toml.wikimedia else {
            continue;
        };
        reporter.stage(&format!("asking {name} about {} pages", pages.len()), None);
        wiki.categories.clear();
        wiki.search = None;
        wiki.geosearch.clear();
        wiki.titles.clear();
        wiki.uploaded = None;
        wiki.file_urls.clear();
        wiki.limit = None;
        wiki.page_ids = pages;
        let http = context.http.clone();
        let mut source = WikimediaSource::new(&toml, &context.declared.folder, http)?;
        let mut checkpoint = None;
        while let Some(mut batch) = source.next(checkpoint.as_ref()).await? {
            for listed in &mut batch.listed {
                listed.sample.add_reason(Reason::UpstreamUnlisted);
                listed.media = MediaRef::None;
            }
            journal.list(CARRIED, &batch)?;
            checkpoint = Some(batch.checkpoint);
        }
    }
    journal.listed_to_the_end(CARRIED)?;
    Ok(())
}

/// Fetches and describes what is not yet.
async fn gather(
    contexts: &BTreeMap<String, Context>,
    journal: &mut Journal,
    as_of: Timestamp,
    layout: &Layout,
    reporter: &dyn Reporter,
) -> Result<(), IngestError> {
    reporter.stage("fetching and describing", Some(journal.count()?));
    let mut after = None;
    loop {
        let page = journal.page(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.listed.sample.sample_id);
        let total = page.len() as u64;
        let todo: Vec<Entry> = page
            .into_iter()
            .filter(|e| is_wanted(e, contexts, as_of))
            .collect();
        reporter.advance(total - todo.len() as u64);
        let work = todo.into_iter().filter_map(|entry| {
            let context = contexts.get(&entry.listed.sample.source)?;
            Some(gather_one(entry, context, as_of, layout))
        });
        let mut results = stream::iter(work)
            .buffer_unordered(IN_FLIGHT)
            .ready_chunks(COMMIT);
        while let Some(done) = results.next().await {
            let mut fetched = Vec::new();
            let mut facts = Vec::new();
            for (record, described) in done {
                reporter.advance(1);
                fetched.extend(record);
                facts.extend(described);
            }
            journal.record(&fetched, &facts)?;
        }
    }
    for context in contexts.values() {
        context.describer.finish().await;
    }
    if let Some(context) = contexts.values().next() {
        let path = layout.store();
        context
            .fetcher
            .store()
            .sync()
            .map_err(|error| IngestError::Io { path, error })?;
    }
    Ok(())
}

/// What a fetched record answers: when it changes, the bytes are fetched again.
fn question(listed: &Listed) -> String {
    let Expected {
        sha1,
        sha256,
        bytes,
    } = &listed.expected;
    let media = serde_json::to_string(&listed.media).unwrap_or_default();
    format!("{media} {sha1:?} {sha256:?} {bytes:?}")
}

fn is_wanted(entry: &Entry, contexts: &BTreeMap<String, Context>, as_of: Timestamp) -> bool {
    let Some(context) = contexts.get(&entry.listed.sample.source) else {
        return false;
    };
    if entry.listed.media == MediaRef::None || !context.declared.toml.fetch.media {
        return false;
    }
    let current = entry
        .fetched
        .as_ref()
        .filter(|r| r.asked == question(&entry.listed));
    match current.map(|r| &r.outcome) {
        Some(FetchOutcome::Failed { .. }) => return false,
        Some(FetchOutcome::Stored { sha256, .. })
            if entry.facts.is_some() && context.fetcher.store().contains(sha256) =>
        {
            return false;
        }
        _ => {}
    }
    !refused_before_fetching(entry, &rules(context, as_of))
}

fn rules(context: &Context, as_of: Timestamp) -> Rules<'_> {
    Rules {
        source: &context.declared.toml,
        ledger: &context.ledger,
        as_of,
    }
}

type Gained = (
    Option<(SampleId, FetchRecord)>,
    Option<(Digest, FactsRecord)>,
);

async fn gather_one(entry: Entry, context: &Context, as_of: Timestamp, layout: &Layout) -> Gained {
    let Listed {
        sample,
        media,
        expected,
    } = &entry.listed;
    let asked = question(&entry.listed);
    let kept = entry
        .fetched
        .filter(|r| r.asked == asked)
        .and_then(|r| match r.outcome {
            FetchOutcome::Stored { sha256, .. } => Some(sha256),
            FetchOutcome::Failed { .. } => None,
        });
    let kept = kept.filter(|sha256| context.fetcher.store().contains(sha256));
    let mut record = None;
    let sha256 = match kept {
        Some(sha256) => sha256,
        None => {
            let outcome = match context
                .fetcher
                .fetch(sample.sample_id, media, expected)
                .await
            {
                Ok(f) => FetchOutcome::Stored {
                    sha256: f.sha256,
                    sha1: f.sha1,
                    bytes: f.bytes,
                    content_type: f.content_type,
                    opt_out: f.opt_out,
                },
                Err(f) => {
                    tracing::info!(
                        sample.id = %sample.sample_id, reason = f.reason.code(), "fetch failed: {}", f.message
                    );
                    FetchOutcome::Failed {
                        reason: f.reason,
                        message: f.message,
                        opt_out: f.opt_out,
                    }
                }
            };
            let stored = match &outcome {
                FetchOutcome::Stored { sha256, .. } => Some(*sha256),
                FetchOutcome::Failed { .. } => None,
            };
            record = Some((
                sample.sample_id,
                FetchRecord {
                    asked,
                    at: as_of,
                    outcome,
                },
            ));
            match stored {
                Some(sha256) => sha256,
                None => return (record, None),
            }
        }
    };
    let wants_thumbnail = context.declared.toml.media.thumbnail > 0;
    let thumbnail = layout.thumbnail(&sha256);
    let thumbnail = wants_thumbnail.then_some(thumbnail.as_path());
    let path = context.fetcher.store().path(&sha256);
    let facts = match context.describer.describe(&path, thumbnail).await {
        Ok(facts) => FactsRecord::Facts(Box::new(facts)),
        Err(f) => {
            tracing::info!(
                sample.id = %sample.sample_id, reason = f.reason.code(), "describing failed: {}", f.message
            );
            FactsRecord::Failed {
                reason: f.reason,
                message: f.message,
            }
        }
    };
    (record, Some((sha256, facts)))
}

/// Assembles a journal entry. A carried-over row of a source that is no longer
/// given stays as it was.
fn row(
    entry: Entry,
    contexts: &BTreeMap<String, Context>,
    prior: &Prior,
    as_of: Timestamp,
) -> Sample {
    let mut sample = match contexts.get(&entry.listed.sample.source) {
        Some(context) => assemble(entry, &rules(context, as_of)),
        None => entry.listed.sample,
    };
    prior.compare_upstream(&mut sample);
    if sample.status == Status::Withdrawn {
        scrub(&mut sample);
    }
    sample
}

fn release(
    contexts: &BTreeMap<String, Context>,
    journal: &Journal,
    prior: &Prior,
    dataset: &Name,
    as_of: Timestamp,
    layout: &Layout,
    reporter: &dyn Reporter,
) -> Result<Outcome, IngestError> {
    let count = journal.count()?;
    let Some(first) = contexts.values().next() else {
        return Err(IngestError::NoSources);
    };
    let toml = &first.declared.toml;

    reporter.stage("deciding", Some(count));
    let mut gathered = Gathered::new(count as usize, toml.split.by_creator);
    each(journal, |entry| {
        gathered.add(&row(entry, contexts, prior, as_of));
        reporter.advance(1);
        Ok(())
    })?;
    let decisions = gathered.decide(&toml.dedupe, &toml.split, prior);

    let change = match prior.version {
        None => Change::None,
        Some(_) => change(journal, contexts, prior, &decisions, as_of)?,
    };
    let version = match prior.version {
        None => DatasetVersion::FIRST,
        Some(before) => before.after(change),
    };
    let folder = layout.release(dataset, version);
    // There already: nothing changed, or an earlier process was killed right after its last step.
    if folder.exists() {
        let summary = read_summary(&folder)?;
        let written = change != Change::None || prior.version.is_none();
        return Ok(Outcome {
            dataset: dataset.clone(),
            version,
            folder,
            change,
            written,
            summary,
        });
    }

    let mut withdrawals = Withdrawals::after(dataset, prior.recall.clone());
    each(journal, |entry| {
        let sample = row(entry, contexts, prior, as_of);
        let released = prior.rows.get(&sample.sample_id).and_then(|r| r.digest);
        withdrawals.add(&sample, released, version, as_of);
        Ok(())
    })?;
    let recall = withdrawals.list();

    reporter.stage("writing", Some(count));
    let stamp = Stamp {
        dataset: dataset.clone(),
        version,
        recall_version: recall.recall_version,
    };
    let mut writer = ReleaseWriter::create(layout, &stamp)?;
    for &at in decisions.order() {
        if let Some(entry) = journal.entry(decisions.id(at))? {
            let mut sample = row(entry, contexts, prior, as_of);
            decisions.apply(at, &mut sample);
            writer.add(sample)?;
        }
        reporter.advance(1);
    }
    let refused = contexts
        .values()
        .map(|c| c.ledger.invalid().len() as u64)
        .sum();
    let summary = Summary {
        dataset: dataset.clone(),
        version,
        previous: prior.version,
        change,
        as_of,
        generator: format!("fairframe {}", env!("CARGO_PKG_VERSION")),
        schema_version: schema_version(),
        about: toml.about.clone(),
        sources: contexts
            .values()
            .map(|c| source_summary(&c.declared.toml))
            .collect(),
        counts: Default::default(),
        files: Vec::new(),
    };
    let summary = writer.finish(summary, &recall, count, refused)?;
    Ok(Outcome {
        dataset: dataset.clone(),
        version,
        folder,
        change,
        written: true,
        summary,
    })
}

fn each(
    journal: &Journal,
    mut work: impl FnMut(Entry) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    let mut after = None;
    loop {
        let page = journal.page(after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.listed.sample.sample_id);
        for entry in page {
            work(entry)?;
        }
    }
}

fn change(
    journal: &Journal,
    contexts: &BTreeMap<String, Context>,
    prior: &Prior,
    decisions: &Decisions,
    as_of: Timestamp,
) -> Result<Change, IngestError> {
    let mut change = Change::None;
    let mut at = 0;
    each(journal, |entry| {
        let mut sample = row(entry, contexts, prior, as_of);
        decisions.apply(at, &mut sample);
        at += 1;
        change = change.max(prior.change(&sample));
        Ok(())
    })?;
    Ok(change)
}

fn source_summary(toml: &SourceToml) -> SourceSummary {
    let (kind, origin) = match (&toml.wikimedia, &toml.crowdsourced, &toml.actors) {
        (Some(w), _, _) => ("wikimedia", Some(w.api.clone())),
        (_, Some(c), _) => ("crowdsourced", name_of(&c.path)),
        (_, _, Some(a)) => ("actors", name_of(&a.path)),
        _ => ("unknown", None),
    };
    SourceSummary {
        source: toml.source.clone(),
        kind: kind.to_owned(),
        origin,
        by_status: BTreeMap::new(),
    }
}

fn name_of(path: &Path) -> Option<String> {
    path.file_name().map(|n| n.to_string_lossy().into_owned())
}

fn read_summary(folder: &Path) -> Result<Summary, IngestError> {
    let path = folder.join("summary.json");
    let wrap = |error| IngestError::Io {
        path: path.clone(),
        error,
    };
    let text = fs::read_to_string(&path).map_err(wrap)?;
    serde_json::from_str(&text).map_err(|e| wrap(io::Error::other(e)))
}

/// Writes the receipt of every consent record, for the people themselves.
fn write_receipts(
    contexts: &BTreeMap<String, Context>,
    dataset: &Name,
    as_of: Timestamp,
    layout: &Layout,
) -> Result<(), IngestError> {
    let folder = layout.receipts(dataset);
    let wrap = |error| IngestError::Io {
        path: folder.clone(),
        error,
    };
    for context in contexts.values() {
        for (source, id, receipt) in context.ledger.receipts(as_of) {
            fs::create_dir_all(&folder).map_err(wrap)?;
            let temporary = folder.join(".tmp-receipt");
            fs::write(&temporary, receipt).map_err(wrap)?;
            fs::rename(&temporary, folder.join(format!("{source}--{id}.jsonld"))).map_err(wrap)?;
        }
    }
    Ok(())
}

/// Takes the bytes of withdrawn samples out of the store, with their
/// thumbnails, unless an accepted sample has the same bytes.
fn remove_withdrawn(
    outcome: &Outcome,
    contexts: &BTreeMap<String, Context>,
    layout: &Layout,
) -> Result<(), IngestError> {
    let list = recall::read_list(&outcome.folder.join("recall.json"))?;
    let mut gone: std::collections::BTreeSet<Digest> =
        list.entries.iter().filter_map(|e| e.media_sha256).collect();
    if gone.is_empty() {
        return Ok(());
    }
    for rows in ReleaseReader::open(&outcome.folder)?.accepted() {
        for sample in rows? {
            if let Some(digest) = sample.media_sha256 {
                gone.remove(&digest);
            }
        }
    }
    let Some(context) = contexts.values().next() else {
        return Ok(());
    };
    for digest in gone {
        let path = context.fetcher.store().path(&digest);
        context
            .fetcher
            .store()
            .remove(&digest)
            .map_err(|error| IngestError::Io { path, error })?;
        let path = layout.thumbnail(&digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(IngestError::Io { path, error });
            }
            _ => {}
        }
    }
    Ok(())
}
