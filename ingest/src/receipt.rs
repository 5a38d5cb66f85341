//! The consent receipt: the copy that the person keeps.
//!
//! JSON-LD after the DPV guide for ISO/IEC TS 27560:2023, with its context
//! inside, so that it can be read without a network. Made from the record
//! alone: no evidence, nothing of our own bookkeeping. The same record and
//! moment give the same bytes.

use fairframe_schemas::{
    ConsentRecord, ConsentState, Digest, Purpose, Timestamp,
    consent::{ConsentEvent, Party},
};
use serde_json::{Map, Value, json};

/// The profile that the receipt conforms to.
pub const RECEIPT_PROFILE: &str = "https://w3id.org/dpv/schema/dpv-27560#receipt";
/// The profile that the record in it conforms to.
pub const RECORD_PROFILE: &str = "https://w3id.org/dpv/schema/dpv-27560#record";

/// The receipt of a record as it stands at a moment: pretty JSON-LD with a line end.
pub fn receipt(record: &ConsentRecord, as_of: Timestamp) -> String {
    let record_iri = format!("urn:fairframe:consent:{}", record.record_id);
    let id = receipt_id(record, as_of);
    let mut json = json!({
        "@context": context(),
        "@id": format!("urn:fairframe:receipt:{id}"),
        "@type": "dpv:ConsentReceipt",
        "dct:identifier": id,
        "dct:conformsTo": { "@id": RECEIPT_PROFILE },
        "dct:created": time(as_of),
        "dpv:hasRecordOfActivity": record_json(record, &record_iri, as_of),
    });
    if let (Some(remark), Some(map)) = (&record.remark, json.as_object_mut()) {
        map.insert("rdfs:comment".to_owned(), json!(remark));
    }
    let mut text = serde_json::to_string_pretty(&json).unwrap_or_default();
    text.push('\n');
    text
}

/// Follows from what the receipt says: 32 hex digits.
fn receipt_id(record: &ConsentRecord, as_of: Timestamp) -> String {
    let shown = ConsentRecord {
        evidence: None,
        ..record.clone()
    };
    let basis = format!("{}{}", shown.to_json(), as_of.to_rfc3339());
    Digest::of(basis.as_bytes()).to_string()[..32].to_owned()
}

fn context() -> Value {
    json!({
        "dpv": "https://w3id.org/dpv#",
        "pd": "https://w3id.org/dpv/pd#",
        "dct": "http://purl.org/dc/terms/",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "skos": "http://www.w3.org/2004/02/skos/core#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "purpose": "urn:fairframe:purpose:",
        "dct:created": { "@type": "xsd:dateTime" },
        "dct:date": { "@type": "xsd:dateTime" },
    })
}

fn record_json(record: &ConsentRecord, iri: &str, as_of: Timestamp) -> Value {
    let p = &record.processing;
    let purposes: Vec<_> = p
        .purposes
        .iter()
        .map(|purpose| {
            let mut json = purpose_json(*purpose);
            let state = record.purpose_state_at(*purpose, as_of);
            json["dpv:hasConsentStatus"] = json!({ "@id": status(state) });
            json
        })
        .collect();
    let mut process = json!({
        "@type": "dpv:Process",
        "dpv:hasPurpose": purposes,
        "dpv:hasLegalBasis": { "@id": "dpv:Consent" },
        "dpv:hasPersonalData": p.pii_information.iter().map(|d| json!({ "@id": d })).collect::<Vec<_>>(),
        "dpv:hasStorageCondition": [
            { "@type": "dpv:StorageLocation", "dpv:hasLocation": p.storage_locations },
            { "@type": "dpv:StorageDuration", "dpv:hasDuration": p.retention_period },
        ],
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dpv:hasContact": { "@id": p.withdrawal_method },
        },
    });
    if let (false, Some(map)) = (
        p.recipient_third_parties.is_empty(),
        process.as_object_mut(),
    ) {
        map.insert(
            "dpv:hasRecipient".to_owned(),
            json!(p.recipient_third_parties),
        );
    }
    let mut json = json!({
        "@id": iri,
        "@type": "dpv:ConsentRecord",
        "dct:identifier": record.record_id,
        "dct:conformsTo": { "@id": RECORD_PROFILE },
        "dpv:hasDataSubject": {
            "@type": "dpv:DataSubject",
            "dct:identifier": record.pii_principal_id,
        },
        "dpv:hasNotice": {
            "@id": p.privacy_notice,
            "@type": "dpv:ConsentNotice",
            "dct:language": p.language,
        },
        "dpv:hasJurisdiction": p.jurisdiction,
        "dpv:hasConsentStatus": { "@id": status(record.state_at(as_of)) },
        "dpv:hasProcess": process,
        "dpv:hasEntity": record.parties.iter().map(party_json).collect::<Vec<_>>(),
    });
    let past = record.events.iter().filter(|e| e.time <= as_of);
    let events: Vec<_> = past.map(|e| event_json(record, e)).collect();
    if let (false, Some(map)) = (events.is_empty(), json.as_object_mut()) {
        map.insert("dct:hasPart".to_owned(), json!(events));
    }
    json
}

fn status(state: ConsentState) -> String {
    format!("dpv:{state}")
}

/// Our purposes have names of their own; DPV's broader ones say what they are.
fn purpose_json(purpose: Purpose) -> Value {
    let (broader, processing, label) = match purpose {
        Purpose::Collect => (
            "dpv:ResearchAndDevelopment",
            "dpv:Collect",
            "record and keep pictures of you",
        ),
        Purpose::Redistribute => (
            "dpv:ResearchAndDevelopment",
            "dpv:MakeAvailable",
            "give the pictures to others as part of a dataset",
        ),
        Purpose::Train => (
            "dpv:ResearchAndDevelopment",
            "dpv:Use",
            "train programs with the pictures",
        ),
        Purpose::Evaluate => (
            "dpv:ResearchAndDevelopment",
            "dpv:Assess",
            "measure how well programs do on the pictures",
        ),
        Purpose::Manipulate => (
            "dpv:ResearchAndDevelopment",
            "dpv:Alter",
            "make altered pictures, such as exchanged faces",
        ),
    };
    json!({
        "@id": format!("purpose:{purpose}"),
        "@type": "dpv:Purpose",
        "skos:broader": { "@id": broader },
        "skos:prefLabel": { "@value": label, "@language": "en" },
        "dpv:hasProcessing": { "@id": processing },
    })
}

fn party_json(party: &Party) -> Value {
    let mut json = json!({
        "@id": party_iri(party),
        "@type": party.role.as_str(),
        "dct:identifier": party.party_id,
        "dpv:hasName": party.name,
        "dpv:hasContact": { "@id": party.contact },
    });
    if let (Some(address), Some(map)) = (&party.address, json.as_object_mut()) {
        map.insert("dpv:hasAddress".to_owned(), json!(address));
    }
    json
}

fn party_iri(party: &Party) -> String {
    format!("urn:fairframe:party:{}", party.party_id)
}

fn event_json(record: &ConsentRecord, event: &ConsentEvent) -> Value {
    let mut map = Map::new();
    map.insert(
        "dpv:hasConsentStatus".to_owned(),
        json!({ "@id": status(event.state) }),
    );
    map.insert("dct:date".to_owned(), json!(time(event.time)));
    let who = match record.party(&event.entity_id) {
        Some(party) => json!({ "@id": party_iri(party) }),
        None => json!({ "@type": "dpv:DataSubject", "dct:identifier": event.entity_id }),
    };
    map.insert("dpv:isIndicatedBy".to_owned(), who);
    if let Some(kind) = event.event_type {
        map.insert(
            "dpv:hasLegalBasis".to_owned(),
            json!({ "@id": format!("dpv:{kind}") }),
        );
    }
    if event.state == ConsentState::Given {
        let from = event.valid_from.unwrap_or(event.time);
        let until = event.valid_until.map_or("..".to_owned(), time);
        // An interval as in ISO 8601; `..` is an open end.
        map.insert(
            "dct:valid".to_owned(),
            json!(format!("{}/{until}", time(from))),
        );
    }
    let purposes = event
        .purposes
        .as_ref()
        .unwrap_or(&record.processing.purposes);
    map.insert(
        "dpv:hasPurpose".to_owned(),
        purposes
            .iter()
            .map(|p| json!({ "@id": format!("purpose:{p}") }))
            .collect(),
    );
    Value::Object(map)
}

/// UTC, to the second where that is exact.
fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::admit::fixture::{at, record};

    /// Walks a JSON-LD value: every key and every IRI in short form must have
    /// its prefix in the context; no empty lists or nulls.
    fn check_shape(value: &Value, prefixes: &BTreeSet<String>, path: &str) {
        let known = |text: &str| {
            text.split_once(':').is_some_and(|(p, _)| {
                prefixes.contains(p) || matches!(p, "urn" | "https" | "http" | "mailto")
            })
        };
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    assert!(key.starts_with('@') || known(key), "{path}/{key}");
                    if matches!(key.as_str(), "@id" | "@type") {
                        assert!(known(value.as_str().unwrap()), "{path}/{key}: {value}");
                    }
                    check_shape(value, prefixes, &format!("{path}/{key}"));
                }
            }
            Value::Array(items) => {
                assert!(!items.is_empty(), "{path}");
                items.iter().for_each(|v| check_shape(v, prefixes, path));
            }
            Value::Null => panic!("{path} is null"),
            _ => {}
        }
    }

    #[test]
    fn a_receipt_is_json_ld_that_needs_no_network() {
        let text = receipt(
            &record("person-a", &[("given", "2026-01-01")]),
            at("2026-06-01"),
        );
        let mut json: Value = serde_json::from_str(&text).unwrap();
        let context = json
            .as_object_mut()
            .unwrap()
            .shift_remove("@context")
            .unwrap();
        let context = context.as_object().expect("the context is inline");
        let prefixes: BTreeSet<_> = context
            .iter()
            .filter(|(_, v)| v.is_string())
            .map(|(k, _)| k.clone())
            .collect();
        assert_eq!(context["dpv"], "https://w3id.org/dpv#");
        check_shape(&json, &prefixes, "");
        assert_eq!(json["@type"], "dpv:ConsentReceipt");
        assert_eq!(json["dct:conformsTo"]["@id"], RECEIPT_PROFILE);
        let inner = &json["dpv:hasRecordOfActivity"];
        assert_eq!(inner["@type"], "dpv:ConsentRecord");
        assert_eq!(inner["dpv:hasConsentStatus"]["@id"], "dpv:ConsentGiven");
        assert_eq!(inner["dpv:hasDataSubject"]["dct:identifier"], "person-a");
        assert_eq!(inner["dct:hasPart"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn it_shows_no_evidence_and_no_bookkeeping() {
        let mut record = record("person-a", &[("given", "2026-01-01")]);
        let plain = receipt(&record, at("2026-06-01"));
        let digest = Digest::of(b"signed form");
        record.evidence = Some(fairframe_schemas::consent::Evidence {
            sha256: digest,
            held_by: record.parties[0].party_id.clone(),
        });
        let with = receipt(&record, at("2026-06-01"));
        assert_eq!(plain, with);
        for word in [
            &digest.to_string(),
            "evidence",
            "sha256",
            "schema_version",
            "fairframe-consent-1",
        ] {
            assert!(!with.contains(word), "{word}");
        }
    }

    #[test]
    fn the_same_record_and_moment_give_the_same_bytes() {
        let record = record(
            "person-a",
            &[("given", "2026-01-01"), ("withdrawn", "2026-03-01")],
        );
        let one = receipt(&record, at("2026-06-01"));
        assert_eq!(one, receipt(&record.clone(), at("2026-06-01")));
        assert!(one.ends_with("}\n"));
        let other = receipt(&record, at("2026-06-02"));
        assert_ne!(one, other);
    }

    #[test]
    fn a_withdrawal_shows_as_a_whole_and_by_purpose() {
        let record = record(
            "person-a",
            &[
                ("given", "2026-01-01"),
                ("withdrawn:manipulate", "2026-03-01"),
            ],
        );
        let json: Value = serde_json::from_str(&receipt(&record, at("2026-06-01"))).unwrap();
        let inner = &json["dpv:hasRecordOfActivity"];
        assert_eq!(inner["dpv:hasConsentStatus"]["@id"], "dpv:ConsentGiven");
        for purpose in inner["dpv:hasProcess"]["dpv:hasPurpose"]
            .as_array()
            .unwrap()
        {
            let gone = purpose["@id"] == "purpose:manipulate";
            let want = if gone {
                "dpv:ConsentWithdrawn"
            } else {
                "dpv:ConsentGiven"
            };
            assert_eq!(purpose["dpv:hasConsentStatus"]["@id"], want, "{purpose}");
        }
        // What happens later is not in it.
        let before: Value = serde_json::from_str(&receipt(&record, at("2026-02-01"))).unwrap();
        let events = before["dpv:hasRecordOfActivity"]["dct:hasPart"]
            .as_array()
            .unwrap();
        assert_eq!(events.len(), 1);
    }
}
