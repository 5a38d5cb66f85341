//! What there is: every source to its end, then what the latest release has
//! and no source listed again.

use std::collections::{BTreeMap, HashMap};

use fairframe_schemas::{Reason, SampleId, Status};

use super::{IngestError, Work};
use crate::{
    journal::Journal,
    manifest::{RESTRICTED, ReleaseReader, consent_ids},
    prior::set_aside,
    reporter::Reporter,
    source::{AnySource, Batch, Expected, Listed, MediaRef, Source, wikimedia::WikimediaSource},
};

/// The name under which carried-over rows stand among the journal's sources.
const CARRIED: &str = "carried over";

impl Work<'_> {
    /// Lists every source to its end, then carries over. A source that cannot
    /// be listed ends the run: nothing is taken for gone on account of it.
    pub(super) async fn list(
        &self,
        sources: &mut BTreeMap<String, AnySource>,
        journal: &mut Journal,
    ) -> Result<(), IngestError> {
        for (name, source) in sources {
            self.reporter.stage(&format!("listing {name}"), None);
            list_one(name, source, journal, self.reporter).await?;
        }
        if journal.checkpoint(CARRIED)?.1 {
            return Ok(());
        }
        // Answers first: a row is carried over, and so no longer asked about,
        // only when all answers are in the journal.
        self.ask_about_unlisted(journal).await?;
        self.carry_over(journal)?;
        Ok(journal.listed_to_the_end(CARRIED)?)
    }

    fn latest(&self) -> Result<Option<ReleaseReader>, IngestError> {
        let version = self.prior.version;
        let open = |v| ReleaseReader::open(&self.layout.release(&self.dataset, v));
        Ok(version.map(open).transpose()?)
    }

    /// Asks a wiki whether pages that were released, and that it does not list
    /// any more, still exist: what it deleted is to be recalled.
    async fn ask_about_unlisted(&self, journal: &mut Journal) -> Result<(), IngestError> {
        let mut asked: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        let Some(latest) = self.latest()? else {
            return Ok(());
        };
        for rows in latest.accepted().chain(latest.excluded()) {
            for sample in rows? {
                // What was set aside may be deleted by now.
                let released = sample.status == Status::Accepted || set_aside(&sample);
                if !released || journal.is_listed(sample.sample_id)? {
                    continue;
                }
                if let Some((name, context)) = self.contexts.get_key_value(&sample.source)
                    && context.declared.toml.wikimedia.is_some()
                    && let Ok(page) = sample.source_key.parse()
                {
                    asked.entry(name).or_default().push(page);
                }
            }
        }
        for (name, pages) in asked {
            let context = &self.contexts[name];
            let mut toml = context.declared.toml.clone();
            let Some(wiki) = &mut toml.wikimedia else {
                continue;
            };
            self.reporter
                .stage(&format!("asking {name} about {} pages", pages.len()), None);
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
        Ok(())
    }

    /// Rows of the latest release that are not in the journal stay, as rows
    /// with a reason: nothing vanishes. Those of a source that is no longer
    /// given too: without its consent records nobody could accept them.
    fn carry_over(&self, journal: &mut Journal) -> Result<(), IngestError> {
        let Some(latest) = self.latest()? else {
            return Ok(());
        };
        // A release does not say which records its samples named; a withdrawal must find them.
        let mut consents = self.consent_ids()?;
        for rows in latest.accepted().chain(latest.excluded()) {
            let mut listed = Vec::new();
            for mut sample in rows? {
                if journal.is_listed(sample.sample_id)? {
                    continue;
                }
                sample.consent_id = consents.remove(&sample.sample_id);
                if sample.status == Status::Accepted {
                    sample.add_reason(Reason::UpstreamUnlisted);
                }
                listed.push(Listed {
                    sample,
                    media: MediaRef::None,
                    expected: Expected::default(),
                });
            }
            let checkpoint = serde_json::Value::Null;
            let batch = Batch {
                listed,
                checkpoint,
                messages: Vec::new(),
            };
            journal.list(CARRIED, &batch)?;
        }
        Ok(())
    }

    /// The consent records that the samples of the latest release named.
    fn consent_ids(&self) -> Result<HashMap<SampleId, String>, IngestError> {
        let Some(version) = self.prior.version else {
            return Ok(HashMap::new());
        };
        let folder = self.layout.restricted(&self.dataset, version);
        let path = folder.join(RESTRICTED);
        if !path.exists() {
            self.reporter.message(&format!(
                "{}: it is not there, so consent records that samples named stay unknown where their source does not list them any more",
                path.display()
            ));
            return Ok(HashMap::new());
        }
        Ok(consent_ids(&path)?)
    }
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
                for message in &batch.messages {
                    reporter.message(message);
                }
                reporter.advance(batch.listed.len() as u64);
            }
            None => journal.listed_to_the_end(name)?,
        }
    }
}
