//! Consent records for tests.

use fairframe_schemas::{ConsentRecord, Timestamp};
use serde_json::{Value, json};

/// Midnight UTC of a day.
pub fn at(day: &str) -> Timestamp {
    format!("{day}T00:00:00Z").parse().unwrap()
}

/// A record as JSON; its id is `consent-` and the subject. An event is its kind,
/// with purposes after a colon (`withdrawn:train,evaluate`), and its day. After
/// `given` two more days may stand, from and until: `given@2026-02-01/2026-03-01`.
pub fn record_json(subject: &str, events: &[(&str, &str)]) -> Value {
    let events: Vec<Value> = events
        .iter()
        .map(|(kind, day)| {
            let (kind, window) = kind.split_once('@').unwrap_or((kind, ""));
            let (kind, purposes) = kind.split_once(':').unwrap_or((kind, ""));
            let state = match kind {
                "given" => "ConsentGiven",
                "withdrawn" => "ConsentWithdrawn",
                "refused" => "ConsentRefused",
                "requested" => "ConsentRequested",
                "expired" => "ConsentExpired",
                "invalidated" => "ConsentInvalidated",
                other => panic!("{other}"),
            };
            let time = |day: &str| format!("{day}T00:00:00Z");
            let mut event = json!({ "state": state, "time": time(day), "entity_id": subject });
            if kind == "given" {
                event["event_type"] = json!("ExplicitlyExpressedConsent");
            }
            if !purposes.is_empty() {
                event["purposes"] = json!(purposes.split(',').collect::<Vec<_>>());
            }
            if let Some((from, until)) = window.split_once('/') {
                event["valid_from"] = json!(time(from));
                event["valid_until"] = json!(time(until));
            }
            event
        })
        .collect();
    json!({
        "schema_version": "fairframe-consent-1",
        "record_id": format!("consent-{subject}"),
        "pii_principal_id": subject,
        "processing": {
            "privacy_notice": "https://example.org/notice/1",
            "language": "en",
            "purposes": ["collect", "redistribute", "train", "evaluate", "manipulate"],
            "pii_information": ["pd:Picture"],
            "storage_locations": ["DE"],
            "retention_period": "P10Y",
            "jurisdiction": "EU",
            "withdrawal_method": "https://example.org/withdraw"
        },
        "parties": [{
            "party_id": "lab",
            "role": "dpv:DataController",
            "name": "Example Laboratory",
            "contact": "mailto:privacy@example.org"
        }],
        "events": events,
    })
}

pub fn record(subject: &str, events: &[(&str, &str)]) -> ConsentRecord {
    ConsentRecord::parse(&record_json(subject, events).to_string()).unwrap()
}

/// As [`record`], under another id.
pub fn record_as(id: &str, subject: &str, events: &[(&str, &str)]) -> ConsentRecord {
    let mut json = record_json(subject, events);
    json["record_id"] = json!(id);
    ConsentRecord::parse(&json.to_string()).unwrap()
}
