//! From the journal to a release: decide, compare with the latest, write, and
//! take out of the store what is withdrawn.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use fairframe_schemas::{
    DatasetVersion, Digest, Sample, SourceToml, Status,
    release::{SourceSummary, Summary},
    version::Change,
};

use super::{IngestError, Outcome, PAGE, Work};
use crate::{
    assemble::{assemble, scrub},
    decide::{Decisions, Gathered},
    journal::{Entry, Journal},
    manifest::{ReleaseReader, Stamp},
    recall::{self, Withdrawals},
    release::{ReleaseWriter, schema_version},
    sums::SUMS,
};

impl Work<'_> {
    /// Assembles a journal entry. A carried-over row of a source that is no longer
    /// given stays as it was, and so does one that was withdrawn.
    fn row(&self, entry: Entry) -> Sample {
        let listed = &entry.listed.sample;
        let context = self.contexts.get(&listed.source);
        let mut sample = match context.filter(|_| listed.status != Status::Withdrawn) {
            Some(context) => assemble(entry, &context.rules(self.as_of)),
            None => entry.listed.sample,
        };
        self.prior.compare_upstream(&mut sample);
        if let Some(reason) = self.prior.recalled(sample.sample_id) {
            sample.add_reason(reason);
        }
        if sample.status == Status::Withdrawn {
            scrub(&mut sample);
        }
        sample
    }

    /// Decides, compares and writes.
    pub(super) fn release(&self, journal: &Journal) -> Result<Outcome, IngestError> {
        let count = journal.count()?;
        let Some(first) = self.contexts.values().next() else {
            return Err(IngestError::NoSources);
        };
        let toml = &first.declared.toml;

        self.reporter.stage("deciding", Some(count));
        let mut gathered = Gathered::new(count as usize, toml.split.by_creator);
        each(journal, |entry| {
            gathered.add(&self.row(entry));
            self.reporter.advance(1);
            Ok(())
        })?;
        let decisions = gathered.decide(&toml.dedupe, &toml.split, &self.prior);

        let change = match self.prior.version {
            None => Change::None,
            Some(_) => self.change(journal, &decisions)?,
        };
        let version = match self.prior.version {
            None => DatasetVersion::FIRST,
            Some(before) => before.after(change),
        };
        let folder = self.layout.release(&self.dataset, version);
        // There already: nothing changed, or an earlier process was killed right after its last step.
        if folder.exists() {
            if !folder.join(SUMS).is_file() {
                return Err(IngestError::NoRelease(folder));
            }
            let summary = read_summary(&folder)?;
            let written = change != Change::None || self.prior.version.is_none();
            return Ok(Outcome {
                dataset: self.dataset.clone(),
                version,
                folder,
                change,
                written,
                summary,
            });
        }

        let mut withdrawals = Withdrawals::after(&self.dataset, self.prior.recall.clone());
        each(journal, |entry| {
            let sample = self.row(entry);
            let released = self
                .prior
                .rows
                .get(&sample.sample_id)
                .and_then(|r| r.digest);
            withdrawals.add(&sample, released, version, self.as_of);
            Ok(())
        })?;
        let list = withdrawals.list();

        self.reporter.stage("writing", Some(count));
        let stamp = Stamp {
            dataset: self.dataset.clone(),
            version,
            recall_version: list.recall_version,
        };
        let mut writer = ReleaseWriter::create(self.layout, &stamp)?;
        for &at in decisions.order() {
            if let Some(entry) = journal.entry(decisions.id(at))? {
                let mut sample = self.row(entry);
                decisions.apply(at, &mut sample);
                writer.add(sample)?;
            }
            self.reporter.advance(1);
        }
        let refused = self
            .contexts
            .values()
            .map(|c| c.ledger.invalid().len() as u64)
            .sum();
        let summary = Summary {
            dataset: self.dataset.clone(),
            version,
            previous: self.prior.version,
            change,
            as_of: self.as_of,
            generator: format!("fairframe {}", env!("CARGO_PKG_VERSION")),
            schema_version: schema_version(),
            about: self.about.clone(),
            sources: self
                .contexts
                .values()
                .map(|c| source_summary(&c.declared.toml))
                .collect(),
            counts: Default::default(),
            files: Vec::new(),
        };
        let summary = writer.finish(summary, &list, count, refused)?;
        Ok(Outcome {
            dataset: self.dataset.clone(),
            version,
            folder,
            change,
            written: true,
            summary,
        })
    }

    fn change(&self, journal: &Journal, decisions: &Decisions) -> Result<Change, IngestError> {
        let mut change = Change::None;
        let mut at = 0;
        each(journal, |entry| {
            let mut sample = self.row(entry);
            decisions.apply(at, &mut sample);
            at += 1;
            change = change.max(self.prior.change(&sample));
            Ok(())
        })?;
        Ok(change)
    }

    /// Writes the receipt of every consent record, for the people themselves.
    pub(super) fn write_receipts(&self) -> Result<(), IngestError> {
        let folder = self.layout.receipts(&self.dataset);
        let wrap = |error| IngestError::Io {
            path: folder.clone(),
            error,
        };
        for context in self.contexts.values() {
            for (source, id, receipt) in context.ledger.receipts(self.as_of) {
                fs::create_dir_all(&folder).map_err(wrap)?;
                let temporary = folder.join(".tmp-receipt");
                fs::write(&temporary, receipt).map_err(wrap)?;
                fs::rename(&temporary, folder.join(format!("{source}--{id}.jsonld")))
                    .map_err(wrap)?;
            }
        }
        Ok(())
    }

    /// Takes the bytes of withdrawn samples out of the store, with their
    /// thumbnails, unless an accepted sample has the same bytes.
    pub(super) fn remove_withdrawn(&self, outcome: &Outcome) -> Result<(), IngestError> {
        let list = recall::read_list(&outcome.folder.join("recall.json"))?;
        let mut gone: BTreeSet<Digest> =
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
        let Some(context) = self.contexts.values().next() else {
            return Ok(());
        };
        for digest in gone {
            let path = context.fetcher.store().path(&digest);
            context
                .fetcher
                .store()
                .remove(&digest)
                .map_err(|error| IngestError::Io { path, error })?;
            let path = self.layout.thumbnail(&digest);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(IngestError::Io { path, error });
                }
                _ => {}
            }
        }
        Ok(())
    }
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
