//! Whether consent records reach anybody: a withdrawal under a misspelt
//! pseudonym must not pass in silence.

use std::collections::{BTreeMap, BTreeSet};

use super::{IngestError, Work};
use crate::{journal::Journal, source::AnySource};

/// A pseudonym this close to another is perhaps a slip of the pen.
const NEAR: usize = 2;

/// Who is shown by the samples of a source, and which records they name.
#[derive(Default)]
struct Known {
    shown: BTreeSet<String>,
    named: BTreeSet<String>,
}

impl Work<'_> {
    /// Says which records are of nobody whom a sample shows, and stops at one
    /// that withdraws: it may be meant for somebody else.
    pub(super) fn check_reach(
        &self,
        sources: &BTreeMap<String, AnySource>,
        journal: &Journal,
    ) -> Result<(), IngestError> {
        let asked = |name: &str| {
            self.contexts
                .get(name)
                .is_some_and(|c| !c.ledger.is_empty())
        };
        if !self.contexts.keys().any(|name| asked(name)) {
            return Ok(());
        }
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        for (name, source) in sources {
            let known = known.entry(name.clone()).or_default();
            // Somebody of the session may have no clip in it.
            let session = match source {
                AnySource::Actors(session) => session,
                AnySource::Corpus(made) => made.actors(),
                AnySource::Wikimedia(_) | AnySource::Crowdsourced(_) => continue,
            };
            known.shown.extend(session.subjects().map(str::to_owned));
        }
        super::release::each(journal, |entry| {
            let sample = entry.listed.sample;
            if let Some(known) = known.get_mut(&sample.source) {
                known.shown.extend(sample.subject_ids);
                let ids = sample.consent_id.unwrap_or_default();
                known
                    .named
                    .extend(ids.split_whitespace().map(str::to_owned));
            }
            Ok(())
        })?;
        let mut stop = None;
        for (name, context) in &self.contexts {
            let Some(Known { shown, named }) = known.get(name) else {
                continue;
            };
            for record in context.ledger.unreached(shown, named) {
                let distance = |s: &&String| strsim::damerau_levenshtein(s, &record.subject);
                let near = shown.iter().filter(|s| distance(s) <= NEAR);
                let near = near.min_by_key(distance).cloned();
                if record.withdraws {
                    let unreached = IngestError::Unreached {
                        source_name: name.clone(),
                        file: record.file,
                        subject: record.subject,
                        near,
                    };
                    self.reporter.message(&unreached.to_string());
                    stop.get_or_insert(unreached);
                    continue;
                }
                let near = near.map(|n| format!(" (`{n}` is near)"));
                self.reporter.message(&format!(
                    "source `{name}`: consent record `{}` is of `{}`, whom no sample of the source shows{}",
                    record.file,
                    record.subject,
                    near.unwrap_or_default()
                ));
            }
        }
        stop.map_or(Ok(()), Err)
    }
}
