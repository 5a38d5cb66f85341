//! From the journal to a release: decide, compare with the latest, write, and
//! take out of the store what is withdrawn.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::Path,
};

use fairframe_schemas::{
    DatasetVersion, Decision, RecallList, Sample, SampleId, SourceToml, Status,
    release::{SourceSummary, Summary},
    version::Change,
};

use super::{IngestError, Outcome, PAGE, Work};
use crate::{
    assemble::{assemble, scrub},
    decide::{Decisions, Gathered, RecalledBytes},
    journal::{Entry, Journal},
    manifest::Stamp,
    recall,
    release::{ReleaseWriter, schema_version},
    sums::SUMS,
};

impl Work<'_> {
    /// Assembles a journal entry. A carried-over row of a source that is no longer
    /// given stays as it was, and so does one that was withdrawn.
    fn row(&self, entry: Entry, recalled: &RecalledBytes) -> Sample {
        let listed = entry.listed.clone();
        let sample = self.unscrubbed(entry, recalled);
        if sample.status != Status::Withdrawn {
            return sample;
        }
        // What its bytes said is forgotten with them: the row must not tell whether it already is.
        let bare = Entry {
            listed,
            fetched: None,
            facts: None,
        };
        let mut bare = self.unscrubbed(bare, recalled);
        for reason in sample.reasons {
            if reason.status() == Status::Withdrawn {
                bare.add_reason(reason);
            }
        }
        scrub(&mut bare);
        bare
    }

    fn unscrubbed(&self, entry: Entry, recalled: &RecalledBytes) -> Sample {
        let listed = &entry.listed.sample;
        let context = self.contexts.get(&listed.source);
        let mut sample = match context.filter(|_| listed.status != Status::Withdrawn) {
            Some(context) => assemble(entry, &context.rules(self.as_of)),
            None => entry.listed.sample,
        };
        self.prior.compare_upstream(&mut sample);
        // A row of an older release says what was decided then.
        let decision = self.decided.of(sample.sample_id).cloned();
        decision
            .unwrap_or_else(|| Decision::none(sample.sample_id))
            .apply(&mut sample);
        if let Some(reason) = self.prior.recalled(sample.sample_id) {
            sample.add_reason(reason);
        }
        recalled.judge(&mut sample);
        sample
    }

    /// Decides, compares and writes.
    pub(super) fn release(
        &self,
        journal: &Journal,
    ) -> Result<(Outcome, RecalledBytes), IngestError> {
        let count = journal.count()?;
        let Some(first) = self.contexts.values().next() else {
            return Err(IngestError::NoSources);
        };
        let toml = &first.declared.toml;

        let others = recall::read_others(self.layout, &self.dataset)?;
        let mut recalled = RecalledBytes::on(self.prior.recall.iter().chain(&others));
        // Once more only when a withdrawal takes other rows with it.
        let gathered = loop {
            self.reporter.stage("deciding", Some(count));
            let mut gathered = Gathered::new(count as usize, toml.split.by_creator);
            each(journal, |entry| {
                gathered.add(&self.row(entry, &recalled));
                self.reporter.advance(1);
                Ok(())
            })?;
            let withdrawn = recalled.unasked(&gathered);
            let mut bytes = recall::released(self.layout, &self.dataset, &withdrawn)?;
            for (id, fetched) in journal.bytes(&withdrawn)? {
                bytes.entry(id).or_default().extend(fetched);
            }
            if !recalled.grow(withdrawn, bytes, &gathered) {
                break gathered;
            }
        };
        let decisions = gathered.decide(&toml.dedupe, &toml.split, &self.prior);

        let change = match self.prior.version {
            None => Change::None,
            Some(_) => self.change(journal, &decisions, &recalled)?,
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
            let outcome = Outcome {
                dataset: self.dataset.clone(),
                version,
                folder,
                change,
                written,
                summary,
            };
            return Ok((outcome, recalled));
        }

        let mut entries = Vec::new();
        each(journal, |entry| {
            let sample = self.row(entry, &recalled);
            if sample.status == Status::Withdrawn {
                let bytes = recalled.of(sample.sample_id);
                entries.extend(recall::entries(&sample, bytes, version, self.as_of));
            }
            Ok(())
        })?;
        let before = self.prior.recall.clone();
        let before = before.unwrap_or_else(|| RecallList::new(self.dataset.clone()));
        let list = recall::after(&before, entries);

        self.reporter.stage("writing", Some(count));
        let stamp = Stamp {
            dataset: self.dataset.clone(),
            version,
            recall_version: list.recall_version,
        };
        let mut writer = ReleaseWriter::create(self.layout, &stamp)?;
        for &at in decisions.order() {
            if let Some(entry) = journal.entry(decisions.id(at))? {
                let mut sample = self.row(entry, &recalled);
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
            approval: self.decided.approval.clone(),
            sources: self
                .contexts
                .values()
                .map(|c| source_summary(&c.declared.toml))
                .collect(),
            counts: Default::default(),
            files: Vec::new(),
        };
        let summary = writer.finish(summary, &list, count, refused)?;
        let outcome = Outcome {
            dataset: self.dataset.clone(),
            version,
            folder,
            change,
            written: true,
            summary,
        };
        Ok((outcome, recalled))
    }

    fn change(
        &self,
        journal: &Journal,
        decisions: &Decisions,
        recalled: &RecalledBytes,
    ) -> Result<Change, IngestError> {
        let mut change = Change::None;
        let mut at = 0;
        each(journal, |entry| {
            let mut sample = self.row(entry, recalled);
            decisions.apply(at, &mut sample);
            at += 1;
            change = change.max(self.prior.change(&sample));
            Ok(())
        })?;
        Ok(change)
    }

    /// Writes the receipt of every consent record, for the people themselves: all of
    /// them on the disk first, then each under its name.
    pub(super) fn write_receipts(&self) -> Result<(), IngestError> {
        let folder = self.layout.receipts(&self.dataset);
        let staged = folder.join(".tmp");
        let wrap = |error| IngestError::Io {
            path: folder.clone(),
            error,
        };
        let write = || -> io::Result<()> {
            if staged.exists() {
                fs::remove_dir_all(&staged)?;
            }
            let mut names = Vec::new();
            for context in self.contexts.values() {
                for (source, id, receipt) in context.ledger.receipts(self.as_of) {
                    fs::create_dir_all(&staged)?;
                    let name = format!("{source}--{id}.jsonld");
                    fs::write(staged.join(&name), receipt)?;
                    names.push(name);
                }
            }
            if names.is_empty() {
                return Ok(());
            }
            let opened = File::open(&folder)?;
            rustix::fs::syncfs(&opened)?;
            for name in names {
                fs::rename(staged.join(&name), folder.join(&name))?;
            }
            fs::remove_dir(&staged)?;
            opened.sync_all()
        };
        write().map_err(wrap)
    }

    /// Takes the bytes of withdrawn samples out of the store, with their thumbnails and
    /// what a broken transfer left of them, and what was read from them out of the journal.
    pub(super) fn remove_withdrawn(
        &self,
        list: &RecallList,
        recalled: &RecalledBytes,
        journal: &mut Journal,
    ) -> Result<(), IngestError> {
        let Some(context) = self.contexts.values().next() else {
            return Ok(());
        };
        let store = context.fetcher.store();
        let mut gone = recalled.all();
        gone.extend(list.digests());
        let samples: BTreeSet<SampleId> = list.samples();
        let at = |path| move |error| IngestError::Io { path, error };
        for digest in &gone {
            store.remove(digest).map_err(at(store.path(digest)))?;
            let path = self.layout.thumbnail(digest);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(IngestError::Io { path, error });
                }
                _ => {}
            }
        }
        store.forget_partial(&samples).map_err(at(store.root()))?;
        if !gone.is_empty() {
            journal.forget(&gone)?;
        }
        Ok(())
    }
}

pub(super) fn each(
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
    let (kind, origin) = if let Some(w) = &toml.wikimedia {
        ("wikimedia", Some(w.api.clone()))
    } else if let Some(c) = &toml.crowdsourced {
        ("crowdsourced", name_of(&c.path))
    } else if let Some(a) = &toml.actors {
        ("actors", name_of(&a.path))
    } else {
        ("corpus", None)
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

pub(super) fn read_summary(folder: &Path) -> Result<Summary, IngestError> {
    let path = folder.join("summary.json");
    let wrap = |error| IngestError::Io {
        path: path.clone(),
        error,
    };
    let text = fs::read_to_string(&path).map_err(wrap)?;
    serde_json::from_str(&text).map_err(|e| wrap(io::Error::other(e)))
}
