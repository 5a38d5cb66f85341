//! Every consent record of a run, read and checked before the first sample is judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::Path,
};

use fairframe_schemas::{
    ConsentRecord, ConsentState, Name, Timestamp,
    consent::{ConsentEvent, MAX_RECORD_BYTES},
    decision::PersonWithdrew,
};
use serde_json::Value;

use crate::receipt::receipt;

/// How much a folder of consent records may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerLimits {
    /// Most files read. With more, no consent of the source is relied on: an
    /// unread file may be a withdrawal.
    pub files: usize,
    /// Most bytes of one file.
    pub file_bytes: usize,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self {
            files: 200_000,
            file_bytes: MAX_RECORD_BYTES,
        }
    }
}

/// A record that could not be read, or that contradicts another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConsent {
    pub source: String,
    /// Name of the file, without its folder.
    pub file: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The pseudonym in it, where one can be made out: its samples are refused.
    pub subject: Option<String>,
    pub record_id: Option<String>,
    /// Whether it takes something back.
    pub withdraws: bool,
}

/// A record of somebody whom no sample shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreachedConsent {
    pub file: String,
    pub subject: String,
    /// Whether it takes something back, which then nobody would have done.
    pub withdraws: bool,
}

/// The consent records of a dataset's sources. A pseudonym means a person in
/// its own source only.
#[derive(Debug, Clone, Default)]
pub struct ConsentLedger {
    /// By source and record id.
    records: BTreeMap<(String, String), ConsentRecord>,
    /// The file of each record.
    files: BTreeMap<(String, String), String>,
    /// Ids of a subject's records, by source and pseudonym.
    subjects: BTreeMap<(String, String), BTreeSet<String>>,
    invalid: Vec<InvalidConsent>,
    invalid_subjects: BTreeSet<(String, String)>,
    invalid_ids: BTreeSet<(String, String)>,
    /// Sources with a record of which nobody can say whose it is: no consent
    /// of theirs is relied on.
    unread: BTreeSet<String>,
}

impl ConsentLedger {
    /// Reads every `*.json` of a folder, sorted by name; not those of folders
    /// in it. A folder that is not there is empty. Nothing stops it: what cannot be
    /// read is an entry of [`Self::invalid`].
    pub fn load(source: &Name, folder: &Path) -> Self {
        Self::load_within(source, folder, LedgerLimits::default())
    }

    /// As [`Self::load`], with other limits.
    pub fn load_within(source: &Name, folder: &Path, limits: LedgerLimits) -> Self {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                let mut ledger = Self::default();
                let file = folder.file_name().unwrap_or_default();
                ledger.refuse(source, &file.to_string_lossy(), error.to_string(), None);
                ledger.unread.insert(source.to_string());
                return ledger;
            }
        };
        let entries: Vec<_> = entries.collect();
        let unlisted = entries.iter().any(Result::is_err);
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .filter(|name| {
                Path::new(name)
                    .extension()
                    .is_some_and(|e| e.eq_ignore_ascii_case("json"))
            })
            .collect();
        names.sort();
        let files = names.into_iter().map(|name| {
            let read = read_file(&folder.join(&name), limits.file_bytes);
            (name, read)
        });
        let mut ledger = Self::from_files(source, files, limits);
        if unlisted {
            ledger.unread.insert(source.to_string());
        }
        ledger
    }

    /// From files that somebody else has read (of an archive), each with its
    /// name, and its bytes or why there are none.
    pub fn from_files(
        source: &Name,
        files: impl IntoIterator<Item = (String, Result<Vec<u8>, String>)>,
        limits: LedgerLimits,
    ) -> Self {
        let mut ledger = Self::default();
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for (i, (file, read)) in files.into_iter().enumerate() {
            if i >= limits.files {
                let message = format!(
                    "more than {} consent records, the rest is not read; split the source",
                    limits.files
                );
                ledger.refuse(source, &file, message, None);
                ledger.unread.insert(source.to_string());
                break;
            }
            let bytes = match read {
                Ok(bytes) if bytes.len() > limits.file_bytes => {
                    let message = format!(
                        "larger than {} bytes; keep proofs elsewhere and name their digest in `evidence`",
                        limits.file_bytes
                    );
                    ledger.refuse(source, &file, message, Some(&bytes));
                    continue;
                }
                Ok(bytes) => bytes,
                Err(message) => {
                    ledger.refuse(source, &file, message, None);
                    continue;
                }
            };
            let parsed = std::str::from_utf8(&bytes)
                .map_err(|_| "not UTF-8; save it as UTF-8".to_owned())
                .and_then(|text| ConsentRecord::parse(text).map_err(|e| e.to_string()));
            match parsed {
                Ok(record) => ledger.add(source, &file, record, &mut seen),
                Err(message) => ledger.refuse(source, &file, message, Some(&bytes)),
            }
        }
        ledger
    }

    /// From records that were parsed before. Of two different ones with one id neither holds.
    pub fn from_records(source: &Name, records: impl IntoIterator<Item = ConsentRecord>) -> Self {
        let mut ledger = Self::default();
        let mut seen = BTreeMap::new();
        for record in records {
            let file = format!("{}.json", record.record_id);
            ledger.add(source, &file, record, &mut seen);
        }
        ledger
    }

    fn add(
        &mut self,
        source: &Name,
        file: &str,
        record: ConsentRecord,
        seen: &mut BTreeMap<String, String>,
    ) {
        let id = record.record_id.clone();
        let subject = record.pii_principal_id.to_string();
        let key = (source.to_string(), id.clone());
        let Some(first) = seen.get(&id) else {
            seen.insert(id.clone(), file.to_owned());
            let subject = (source.to_string(), subject);
            self.subjects.entry(subject).or_default().insert(id);
            self.files.insert(key.clone(), file.to_owned());
            self.records.insert(key, record);
            return;
        };
        if self.records.get(&key) == Some(&record) {
            return;
        }
        // Which of the two holds is not ours to say; both people are affected.
        let message = format!(
            "`record_id`: `{id}` stands in `{first}` with different content; give each record an id of its own"
        );
        let mut withdraws = record.withdraws();
        if let Some(earlier) = self.records.remove(&key) {
            withdraws |= earlier.withdraws();
            let earlier = (source.to_string(), earlier.pii_principal_id.to_string());
            if let Some(ids) = self.subjects.get_mut(&earlier) {
                ids.remove(&id);
            }
            self.invalid_subjects.insert(earlier);
        }
        self.invalid_subjects
            .insert((source.to_string(), subject.clone()));
        self.invalid_ids.insert(key);
        self.invalid.push(InvalidConsent {
            source: source.to_string(),
            file: file.to_owned(),
            message,
            subject: Some(subject),
            record_id: Some(id),
            withdraws,
        });
    }

    fn refuse(&mut self, source: &Name, file: &str, message: String, bytes: Option<&[u8]>) {
        // Whose it is may be plain even where the rest is not; a withdrawal with
        // a slip of the pen must not leave an older consent standing.
        let value: Option<Value> = bytes.and_then(|b| {
            let b = b.strip_prefix(b"\xef\xbb\xbf").unwrap_or(b);
            serde_json::from_slice(b).ok()
        });
        let field = |name: &str| {
            let text = value.as_ref()?.get(name)?.as_str()?;
            (text.len() <= 128).then(|| text.to_owned())
        };
        let events = value.as_ref().and_then(|v| v.get("events")?.as_array());
        let withdraws = events.is_some_and(|events| {
            let state = |e: &Value| e.get("state")?.as_str().map(str::to_owned);
            let taken_back = ConsentState::Withdrawn.as_str();
            events
                .iter()
                .any(|e| state(e).as_deref() == Some(taken_back))
        });
        let (subject, record_id) = (field("pii_principal_id"), field("record_id"));
        if subject.is_none() {
            // It may be anybody's withdrawal.
            self.unread.insert(source.to_string());
        }
        let keyed = |text: &String| (source.to_string(), text.clone());
        self.invalid_subjects.extend(subject.iter().map(keyed));
        self.invalid_ids.extend(record_id.iter().map(keyed));
        self.invalid.push(InvalidConsent {
            source: source.to_string(),
            file: file.to_owned(),
            message,
            subject,
            record_id,
            withdraws,
        });
    }

    /// Adds what people withdrew by way of the server to each of their records.
    pub fn withdraw(&mut self, withdrew: &[PersonWithdrew]) {
        for person in withdrew {
            let subject = (person.source.to_string(), person.subject_id.to_string());
            for id in self.subjects.get(&subject).into_iter().flatten() {
                let Some(record) = self.records.get_mut(&(subject.0.clone(), id.clone())) else {
                    continue;
                };
                let event = ConsentEvent {
                    state: ConsentState::Withdrawn,
                    time: person.at,
                    entity_id: person.subject_id.clone(),
                    purposes: None,
                    event_type: None,
                    valid_from: None,
                    valid_until: None,
                };
                let after = record.events.partition_point(|e| e.time <= person.at);
                record.events.insert(after, event);
            }
        }
    }

    /// Takes in the records of another source.
    pub fn extend(&mut self, other: ConsentLedger) {
        self.records.extend(other.records);
        self.files.extend(other.files);
        for (subject, ids) in other.subjects {
            self.subjects.entry(subject).or_default().extend(ids);
        }
        self.invalid.extend(other.invalid);
        self.invalid_subjects.extend(other.invalid_subjects);
        self.invalid_ids.extend(other.invalid_ids);
        self.unread.extend(other.unread);
    }

    /// Records that hold.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.invalid.is_empty()
    }

    /// Records that do not, in the order they were met.
    pub fn invalid(&self) -> &[InvalidConsent] {
        &self.invalid
    }

    /// The record of that id in a source.
    pub fn record(&self, source: &str, id: &str) -> Option<&ConsentRecord> {
        self.records.get(&(source.to_owned(), id.to_owned()))
    }

    /// A subject's records, sorted by id.
    pub fn of_subject(&self, source: &str, subject: &str) -> Vec<&ConsentRecord> {
        let ids = self.subjects.get(&(source.to_owned(), subject.to_owned()));
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.record(source, id))
            .collect()
    }

    /// Whether some record of the subject cannot be relied on.
    pub fn invalid_of(&self, source: &str, subject: &str) -> bool {
        let key = (source.to_owned(), subject.to_owned());
        self.unread.contains(source) || self.invalid_subjects.contains(&key)
    }

    /// Whether the record of that id cannot be relied on.
    pub fn invalid_id(&self, source: &str, id: &str) -> bool {
        let key = (source.to_owned(), id.to_owned());
        self.unread.contains(source) || self.invalid_ids.contains(&key)
    }

    /// Where every consent stands at a moment. Two moments at which it is the
    /// same are the same to every sample.
    pub fn standing(&self, at: Timestamp) -> impl Iterator<Item = impl PartialEq> {
        self.records.iter().map(move |(key, record)| {
            let states = record.processing.purposes.iter();
            let states = states.map(|p| (record.purpose_state_at(*p, at), record.begins_after(at)));
            (key, states.collect::<Vec<_>>(), record.decided_at(at))
        })
    }

    /// The records of subjects who are none of `shown`, and which none of the samples
    /// names (`named`), in the order of their ids; those that do not hold last.
    pub fn unreached(
        &self,
        shown: &BTreeSet<String>,
        named: &BTreeSet<String>,
    ) -> Vec<UnreachedConsent> {
        let of_record = self.records.iter().map(|(key, record)| {
            let file = self.files.get(key).cloned().unwrap_or_default();
            let subject = record.pii_principal_id.to_string();
            (&key.1, file, subject, record.withdraws())
        });
        let nameless = String::new();
        let of_invalid = self.invalid.iter().filter_map(|i| {
            let id = i.record_id.as_ref().unwrap_or(&nameless);
            Some((id, i.file.clone(), i.subject.clone()?, i.withdraws))
        });
        of_record
            .chain(of_invalid)
            .filter(|(id, _, subject, _)| !shown.contains(subject) && !named.contains(*id))
            .map(|(_, file, subject, withdraws)| UnreachedConsent {
                file,
                subject,
                withdraws,
            })
            .collect()
    }

    /// The receipt of every record, as (source, record id, JSON-LD), sorted.
    pub fn receipts(&self, as_of: Timestamp) -> impl Iterator<Item = (&str, &str, String)> {
        self.records.iter().map(move |((source, id), record)| {
            (source.as_str(), id.as_str(), receipt(record, as_of))
        })
    }
}

/// A plain file's bytes, one more than allowed at most; links are not followed.
fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    let plain = std::fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !plain.is_file() {
        return Err("not a plain file; put the record itself here".to_owned());
    }
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}
