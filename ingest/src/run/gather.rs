//! Fetching and describing what is not yet.

use fairframe_schemas::{Digest, Layout, SampleId, Timestamp};
use futures_util::{StreamExt, stream};

use super::{Context, IngestError, PAGE, Work};
use crate::{
    assemble::refused_before_fetching,
    journal::{Entry, FactsRecord, FetchOutcome, FetchRecord, Journal},
    source::{Expected, Listed, MediaRef},
};

/// Samples fetched and decoded at a time; hosts and decoders have limits of their own.
const IN_FLIGHT: usize = 64;

/// Outcomes committed together.
const COMMIT: usize = 64;

impl Work<'_> {
    /// Fetches and describes what is not yet.
    pub(super) async fn gather(&self, journal: &mut Journal) -> Result<(), IngestError> {
        self.reporter
            .stage("fetching and describing", Some(journal.count()?));
        let mut after = None;
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
                let mut fetched = Vec::new();
                let mut facts = Vec::new();
                for (record, described) in done {
                    self.reporter.advance(1);
                    fetched.extend(record);
                    facts.extend(described);
                }
                journal.record(&fetched, &facts)?;
            }
        }
        for context in self.contexts.values() {
            context.describer.finish().await;
        }
        if let Some(context) = self.contexts.values().next() {
            let path = self.layout.store();
            context
                .fetcher
                .store()
                .sync()
                .map_err(|error| IngestError::Io { path, error })?;
        }
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
                if entry.facts.is_some() && context.fetcher.store().contains(sha256) =>
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
    } = &listed.expected;
    let media = serde_json::to_string(&listed.media).unwrap_or_default();
    format!("{media} {sha1:?} {sha256:?} {bytes:?}")
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
