//! Fetching and describing what is not yet.

use std::{
    io,
    time::{Duration, Instant},
};

use fairframe_schemas::{Digest, Layout, SampleId, Timestamp};
use futures_util::{StreamExt, stream};
use tokio::task::JoinHandle;

use super::{Context, IngestError, PAGE, Work};
use crate::{
    assemble::refused_before_fetching,
    fetch::FetchError,
    journal::{Entry, FactsRecord, FetchOutcome, FetchRecord, Journal},
    media::DescribeError,
    source::{Expected, Listed, MediaRef},
};

/// Samples fetched and decoded at a time; hosts and decoders have limits of their own.
const IN_FLIGHT: usize = 64;

/// Outcomes committed together.
const COMMIT: usize = 64;

/// Outcomes wait no longer than this for others, so that a kill costs little.
const AT_LATEST: Duration = Duration::from_secs(1);

/// Outcomes that are not in the journal yet.
#[derive(Default)]
struct Batch {
    fetched: Vec<(SampleId, FetchRecord)>,
    facts: Vec<(Digest, FactsRecord)>,
}

impl Batch {
    fn len(&self) -> usize {
        self.fetched.len().max(self.facts.len())
    }
}

type Syncing = (JoinHandle<io::Result<()>>, Batch);

impl Work<'_> {
    /// Fetches and describes what is not yet. What goes wrong with a sample is
    /// its record; where this machine fails (a full disk, say) the run ends,
    /// with everything that was done until then in the journal.
    pub(super) async fn gather(&self, journal: &mut Journal) -> Result<(), IngestError> {
        self.reporter
            .stage("fetching and describing", Some(journal.count()?));
        let mut after = None;
        let mut batch = Batch::default();
        let mut syncing: Option<Syncing> = None;
        let mut begun = Instant::now();
        loop {
            let page = journal.page(after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.listed.sample.sample_id);
            let total = page.len() as u64;
            let todo: Vec<Entry> = page.into_iter().filter(|e| self.is_wanted(e)).collect();
            self.reporter.advance(total - todo.len() as u64);
            let work = todo.into_iter().filter_map(|entry| {
                let context = self.contexts.get(&entry.listed.sample.source)?;
                Some(gather_one(entry, context, self.as_of, self.layout))
            });
            let mut results = stream::iter(work)
                .buffer_unordered(IN_FLIGHT)
                .ready_chunks(COMMIT);
            while let Some(done) = results.next().await {
                let mut failed = None;
                for gained in done {
                    self.reporter.advance(1);
                    match gained {
                        Ok((record, described)) => {
                            batch.fetched.extend(record);
                            batch.facts.extend(described);
                        }
                        Err(error) => failed = failed.or(Some(error)),
                    }
                }
                if let Some(error) = failed {
                    // What this machine can still keep is kept.
                    let rest = syncing.into_iter().chain([self.sync(batch)]);
                    for before in rest {
                        let _ = self.record(before, journal).await;
                    }
                    return Err(error);
                }
                if batch.len() >= COMMIT || begun.elapsed() >= AT_LATEST {
                    if let Some(before) = syncing.replace(self.sync(std::mem::take(&mut batch))) {
                        self.record(before, journal).await?;
                    }
                    begun = Instant::now();
                }
            }
        }
        if let Some(before) = syncing {
            self.record(before, journal).await?;
        }
        if batch.len() > 0 {
            self.record(self.sync(batch), journal).await?;
        }
        for context in self.contexts.values() {
            context.describer.finish().await;
        }
        Ok(())
    }

    /// Begins to bring the bytes of a batch to the disk, while the next one is gathered.
    fn sync(&self, batch: Batch) -> Syncing {
        let store = self.contexts.values().next();
        let store = store.map(|c| c.fetcher.store().clone());
        let sync = move || store.map_or(Ok(()), |s| s.sync());
        (tokio::task::spawn_blocking(sync), batch)
    }

    /// Commits a batch once its bytes would survive a power cut.
    async fn record(
        &self,
        (sync, batch): Syncing,
        journal: &mut Journal,
    ) -> Result<(), IngestError> {
        let synced = sync.await.map_err(io::Error::other).flatten();
        synced.map_err(|error| IngestError::Io {
            path: self.layout.store(),
            error,
        })?;
        journal.record(&batch.fetched, &batch.facts)?;
        Ok(())
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        let Some(context) = self.contexts.get(&entry.listed.sample.source) else {
            return false;
        };
        // What was recalled does not come back; so its bytes are not wanted.
        if self.prior.recalled(entry.listed.sample.sample_id).is_some() {
            return false;
        }
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
                if entry.facts.as_ref().is_some_and(FactsRecord::is_whole)
                    && context.fetcher.store().contains(sha256) =>
            {
                return false;
            }
            _ => {}
        }
        !refused_before_fetching(entry, &context.rules(self.as_of))
    }
}

/// What a fetched record answers: when it changes, the bytes are fetched again.
fn question(listed: &Listed) -> String {
    let Expected {
        sha1,
        sha256,
        bytes,
        state,
    } = &listed.expected;
    let media = serde_json::to_string(&listed.media).unwrap_or_default();
    let asked = format!("{media} {sha1:?} {sha256:?} {bytes:?}");
    match state {
        Some(state) => format!("{asked} {state}"),
        None => asked,
    }
}

type Gained = (
    Option<(SampleId, FetchRecord)>,
    Option<(Digest, FactsRecord)>,
);

async fn gather_one(
    entry: Entry,
    context: &Context,
    as_of: Timestamp,
    layout: &Layout,
) -> Result<Gained, IngestError> {
    let Listed {
        sample,
        media,
        expected,
    } = &entry.listed;
    let asked = question(&entry.listed);
    let before = entry.fetched.and_then(|r| match r.outcome {
        FetchOutcome::Stored { sha256, .. } => Some((r.asked, r.at, sha256)),
        FetchOutcome::Failed { .. } => None,
    });
    let kept = before
        .as_ref()
        .filter(|(before, _, _)| *before == asked)
        .map(|(_, _, sha256)| *sha256)
        .filter(|sha256| context.fetcher.store().contains(sha256));
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
                    bytes: f.bytes,
                    content_type: f.content_type,
                    opt_out: f.opt_out,
                },
                Err(FetchError::Disk(error)) => return Err(error.into()),
                Err(FetchError::Sample(f)) => {
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
            // The same bytes as before (a file was only touched): they were
            // retrieved then, and nothing in the manifest changes.
            let at = match before {
                Some((_, at, sha256)) if stored == Some(sha256) => at,
                _ => as_of,
            };
            record = Some((sample.sample_id, FetchRecord { asked, at, outcome }));
            match stored {
                Some(sha256) => sha256,
                None => return Ok((record, None)),
            }
        }
    };
    let wants_thumbnail = context.declared.toml.media.thumbnail > 0;
    let thumbnail = layout.thumbnail(&sha256);
    let thumbnail = wants_thumbnail.then_some(thumbnail.as_path());
    let path = context.fetcher.store().path(&sha256);
    let facts = match context.describer.describe(&path, thumbnail).await {
        Ok(facts) => FactsRecord::Facts(Box::new(facts)),
        Err(error @ DescribeError::Machine { .. }) => return Err(IngestError::Describe(error)),
        Err(DescribeError::File(f)) => {
            tracing::info!(
                sample.id = %sample.sample_id, reason = f.reason.code(), "describing failed: {}", f.message
            );
            FactsRecord::Failed {
                reason: f.reason,
                message: f.message,
            }
        }
    };
    Ok((record, Some((sha256, facts))))
}
