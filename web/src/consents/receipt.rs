//! Receipts, read back: where each purpose stood when they were made, and until when.

use std::{collections::BTreeMap, fs, io, path::Path};

use fairframe_schemas::{ConsentState, Name, Pseudonym, Purpose, Timestamp};
use serde::Deserialize;

use super::Key;
use crate::{catalog, error::AppError};

/// Largest receipt read, in bytes: a record has at most 64 KiB, and says most things once.
const MAX_BYTES: u64 = 1 << 20;

/// A consent record, as its receipt tells it.
#[derive(Debug, Clone)]
pub struct Record {
    pub id: String,
    /// Name of the receipt's file.
    pub file: String,
    /// The moment it tells of.
    pub as_of: Timestamp,
    /// How many rows of the newest release rest on it.
    pub rests: u64,
    purposes: BTreeMap<Purpose, Stands>,
}

#[derive(Debug, Clone, Copy)]
struct Stands {
    state: ConsentState,
    /// Of what was given last.
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Stands {
    fn at(&self, now: Timestamp) -> ConsentState {
        let over = self.until.is_some_and(|until| until <= now);
        let begun = self.from.is_some_and(|from| from <= now);
        match self.state {
            ConsentState::Given if over => ConsentState::Expired,
            // Given, but its time had not come.
            ConsentState::Unknown if begun && over => ConsentState::Expired,
            ConsentState::Unknown if begun => ConsentState::Given,
            state => state,
        }
    }
}

impl Record {
    /// Purposes in force at a moment, and when each ends.
    pub fn given_at(&self, now: Timestamp) -> impl Iterator<Item = (Purpose, Option<Timestamp>)> {
        let given = move |s: &Stands| s.at(now) == ConsentState::Given;
        let all = self.purposes.iter();
        all.filter(move |(_, s)| given(s))
            .map(|(p, s)| (*p, s.until))
    }

    pub fn withdrawn_at(&self, now: Timestamp) -> impl Iterator<Item = Purpose> {
        let gone = [ConsentState::Withdrawn, ConsentState::Invalidated];
        let all = self.purposes.iter();
        all.filter(move |(_, s)| gone.contains(&s.at(now)))
            .map(|(p, _)| *p)
    }

    /// Given while one purpose is; else the gravest of what became of them, as the record has it.
    pub fn state_at(&self, now: Timestamp) -> ConsentState {
        let any = |state: &ConsentState| self.purposes.values().any(|s| s.at(now) == *state);
        let gravity = [
            ConsentState::Given,
            ConsentState::Withdrawn,
            ConsentState::Invalidated,
            ConsentState::Refused,
            ConsentState::Expired,
        ];
        let waits = |s: &Stands| s.from.is_some() && s.at(now) == ConsentState::Unknown;
        match gravity.into_iter().find(any) {
            Some(state) => state,
            None if self.purposes.values().any(waits) => ConsentState::Unknown,
            None if any(&ConsentState::Requested) => ConsentState::Requested,
            None => ConsentState::Unknown,
        }
    }

    /// When purposes end or have ended.
    pub fn ends(&self) -> impl Iterator<Item = Timestamp> {
        self.purposes.values().filter_map(|s| s.until)
    }
}

#[derive(Deserialize)]
struct Receipt {
    #[serde(rename = "dct:created")]
    created: Timestamp,
    #[serde(rename = "dpv:hasRecordOfActivity")]
    record: Activity,
}

#[derive(Deserialize)]
struct Activity {
    #[serde(rename = "dct:identifier")]
    id: String,
    #[serde(rename = "dpv:hasDataSubject")]
    subject: Subject,
    #[serde(rename = "dpv:hasProcess")]
    process: Process,
    #[serde(rename = "dct:hasPart", default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(rename = "dct:identifier")]
    pseudonym: Pseudonym,
}

#[derive(Deserialize)]
struct Iri {
    #[serde(rename = "@id")]
    id: String,
}

#[derive(Deserialize)]
struct Process {
    #[serde(rename = "dpv:hasPurpose")]
    purposes: Vec<PurposeOf>,
}

#[derive(Deserialize)]
struct PurposeOf {
    #[serde(rename = "@id")]
    id: String,
    #[serde(rename = "dpv:hasConsentStatus")]
    status: Iri,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "dct:valid")]
    valid: Option<String>,
    #[serde(rename = "dpv:hasPurpose", default)]
    purposes: Vec<Iri>,
}

fn state(iri: &Iri) -> Option<ConsentState> {
    iri.id.strip_prefix("dpv:")?.parse().ok()
}

fn purpose(id: &str) -> Option<Purpose> {
    id.strip_prefix("purpose:")?.parse().ok()
}

/// Reads a receipt; none where it is not of the form that an ingest writes.
fn parse(file: &str, text: &str) -> Option<(Key, Record)> {
    let Receipt { created, record } = serde_json::from_str(text).ok()?;
    let end = format!("--{}.jsonld", record.id);
    let source = Name::new(file.strip_suffix(&end)?).ok()?;
    let mut purposes = BTreeMap::new();
    for found in &record.process.purposes {
        let stands = Stands {
            state: state(&found.status)?,
            from: None,
            until: None,
        };
        purposes.insert(purpose(&found.id)?, stands);
    }
    for event in &record.events {
        let Some((from, until)) = event.valid.as_deref().and_then(|v| v.split_once('/')) else {
            continue;
        };
        let end = match until {
            ".." => None,
            moment => Some(moment.parse().ok()?),
        };
        for named in event.purposes.iter().filter_map(|iri| purpose(&iri.id)) {
            if let Some(stands) = purposes.get_mut(&named) {
                (stands.from, stands.until) = (Some(from.parse().ok()?), end);
            }
        }
    }
    let read = Record {
        id: record.id,
        file: file.to_owned(),
        as_of: created,
        rests: 0,
        purposes,
    };
    Some(((source, record.subject.pseudonym), read))
}

/// Every receipt of a folder, and how many could not be read.
pub fn all(folder: &Path) -> Result<(Vec<(Key, Record)>, u64), AppError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        other => other.map_err(AppError::internal)?,
    };
    let (mut out, mut unreadable) = (Vec::new(), 0);
    for entry in entries {
        let entry = entry.map_err(AppError::internal)?;
        let is_file = entry.file_type().is_ok_and(|t| t.is_file());
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|n| is_file && n.ends_with(".jsonld")) else {
            continue;
        };
        let text = catalog::read_at_most(&entry.path(), MAX_BYTES);
        match text.ok().and_then(|text| parse(name, &text)) {
            Some(read) => out.push(read),
            None => unreadable += 1,
        }
    }
    Ok((out, unreadable))
}

#[cfg(test)]
mod tests {
    use fairframe_ingest::receipt::receipt;
    use fairframe_schemas::ConsentRecord;
    use serde_json::json;

    use super::*;

    fn at(day: &str) -> Timestamp {
        format!("{day}T00:00:00Z").parse().unwrap()
    }

    fn record(events: serde_json::Value) -> ConsentRecord {
        let record = json!({
            "schema_version": "fairframe-consent-1", "record_id": "c--1",
            "pii_principal_id": "person-a",
            "processing": {
                "privacy_notice": "https://example.org/notice/1", "language": "en",
                "purposes": ["collect", "redistribute", "manipulate"],
                "pii_information": ["pd:Picture"], "storage_locations": ["DE"],
                "retention_period": "until-withdrawn", "jurisdiction": "EU",
                "withdrawal_method": "mailto:withdraw@example.org"
            },
            "parties": [{ "party_id": "lab", "role": "dpv:DataController",
                          "name": "Example Laboratory", "contact": "mailto:p@example.org" }],
            "events": events
        });
        ConsentRecord::parse(&record.to_string()).unwrap()
    }

    /// A receipt reads back to what the record itself says, at later moments too.
    #[test]
    fn a_receipt_tells_what_its_record_tells() {
        let given = json!({ "state": "ConsentGiven", "time": "2026-01-10T10:00:00Z",
            "entity_id": "person-a", "event_type": "ExplicitlyExpressedConsent",
            "valid_from": "2026-02-01T00:00:00Z", "valid_until": "2026-06-01T00:00:00Z" });
        let part = json!({ "state": "ConsentWithdrawn", "time": "2026-03-01T00:00:00Z",
            "entity_id": "person-a", "purposes": ["manipulate"] });
        let again = json!({ "state": "ConsentGiven", "time": "2026-03-05T00:00:00Z",
            "entity_id": "person-a", "event_type": "ExplicitlyExpressedConsent",
            "purposes": ["redistribute"] });
        let refused = json!({ "state": "ConsentRefused", "time": "2026-01-10T10:00:00Z",
            "entity_id": "person-a" });
        let back = json!({ "state": "ConsentWithdrawn", "time": "2026-03-06T00:00:00Z",
            "entity_id": "person-a",
            "purposes": ["collect", "redistribute"] });
        for events in [
            json!([given]),
            json!([given, part]),
            json!([given, part, again]),
            json!([refused]),
            json!([given, part, again, back]),
        ] {
            let record = record(events.clone());
            for made in ["2026-01-15", "2026-02-02", "2026-03-10"] {
                let text = receipt(&record, at(made));
                let (key, read) = parse("studio--c--1.jsonld", &text).unwrap();
                assert_eq!((key.0.as_str(), key.1.as_str()), ("studio", "person-a"));
                // Until something else happens than time passing.
                let last = record
                    .events
                    .iter()
                    .map(|e| e.time)
                    .filter(|t| *t > at(made));
                let until = last.min().unwrap_or(at("2027-01-01"));
                for now in [made, "2026-02-02", "2026-05-31", "2026-06-01"].map(at) {
                    if now < at(made) || now >= until {
                        continue;
                    }
                    let told: Vec<_> = read.given_at(now).map(|(p, _)| p).collect();
                    let known: Vec<_> = record.purposes_at(now).into_iter().collect();
                    assert_eq!(told, known, "{events} made {made} at {now}");
                    assert_eq!(
                        read.state_at(now),
                        record.state_at(now),
                        "{events} {made} {now}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_receipt_is_not_read() {
        let refused = json!({ "state": "ConsentRefused", "time": "2026-01-10T10:00:00Z",
            "entity_id": "person-a" });
        let record = record(json!([refused]));
        let text = receipt(&record, at("2026-01-15"));
        assert!(parse("studio--c--1.jsonld", &text).is_some());
        for (file, text) in [
            ("studio--other.jsonld", text.clone()),
            ("No Name--c--1.jsonld", text.clone()),
            (
                "studio--c--1.jsonld",
                text.replace("person-a", "Anna Schmidt"),
            ),
            ("studio--c--1.jsonld", "{}".to_owned()),
            ("studio--c--1.jsonld", text.replace("dpv:Consent", "dpv:X")),
        ] {
            assert!(parse(file, &text).is_none(), "{file}");
        }
    }
}
