use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A record with everything in it.
fn full() -> Value {
    json!({
        "schema_version": "fairframe-consent-1",
        "record_id": "5e9f0e0c-7d5c-4b0a-9b1e-2f6f1c1b1a01",
        "pii_principal_id": "person-a",
        "remark": "An example.",
        "processing": {
            "privacy_notice": "https://example.org/notice/1",
            "language": "en",
            "purposes": ["collect", "redistribute", "train", "evaluate", "manipulate"],
            "pii_information": ["pd:Picture", "pd:Voice"],
            "storage_locations": ["DE"],
            "retention_period": "P10Y",
            "jurisdiction": "EU",
            "recipient_third_parties": ["researchers who sign the terms of use"],
            "withdrawal_method": "https://example.org/withdraw"
        },
        "parties": [
            {
                "party_id": "lab",
                "role": "dpv:DataController",
                "name": "Example Laboratory",
                "contact": "mailto:privacy@example.org",
                "address": "1 Example Street"
            },
            { "party_id": "guardian-1", "role": "dpv:Representative", "name": "guardian", "contact": "https://example.org/g1" }
        ],
        "events": [
            { "state": "ConsentRequested", "time": "2026-01-01T09:00:00Z", "entity_id": "lab" },
            {
                "state": "ConsentGiven",
                "time": "2026-01-01T10:00:00+01:00",
                "entity_id": "person-a",
                "event_type": "ExplicitlyExpressedConsent",
                "valid_until": "2027-01-01T00:00:00Z"
            }
        ],
        "evidence": {
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "held_by": "lab"
        }
    })
}

fn parse(value: &Value) -> Result<ConsentRecord, ConsentError> {
    ConsentRecord::parse(&value.to_string())
}

/// The full record with one value put in by JSON pointer (`null` takes it out).
fn with(pointer: &str, value: Value) -> Value {
    let mut record = full();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match record.pointer_mut(parent).unwrap() {
        Value::Object(map) if value.is_null() => {
            map.remove(key);
        }
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    record
}

/// A record of all five purposes with these events: state, time, more.
fn events(list: &[(&str, &str, Value)]) -> Value {
    let events: Vec<Value> = list
        .iter()
        .map(|(state, time, more)| {
            let mut event = json!({ "state": state, "time": time, "entity_id": "person-a" });
            if *state == "ConsentGiven" {
                event["event_type"] = json!("ExpressedConsent");
            }
            for (key, value) in more.as_object().unwrap() {
                event[key] = value.clone();
            }
            event
        })
        .collect();
    with("/events", Value::Array(events))
}

fn at(text: &str) -> Timestamp {
    parse_time(text).unwrap()
}

#[test]
fn a_full_record_parses_and_reads_back() {
    let record = parse(&full()).unwrap();
    assert_eq!(record.pii_principal_id.as_str(), "person-a");
    assert_eq!(ConsentRecord::parse(&record.to_json()).unwrap(), record);
    let bom = format!("\u{feff}{}", full());
    assert_eq!(ConsentRecord::parse(&bom).unwrap(), record);
    // What may be left out.
    for pointer in [
        "/remark",
        "/evidence",
        "/processing/recipient_third_parties",
        "/parties/0/address",
        "/events/1/valid_until",
    ] {
        parse(&with(pointer, Value::Null)).unwrap();
    }
}

/// Each bad value is refused with the path of the field and a remedy.
#[test]
fn bad_values_name_the_field_and_a_remedy() {
    let long = "x".repeat(MAX_TEXT_CHARS + 1);
    for (pointer, value, path) in [
        (
            "/schema_version",
            json!("fairframe-consent-2"),
            "schema_version",
        ),
        ("/schema_version", Value::Null, "."),
        ("/record_id", json!("a b"), "record_id"),
        ("/record_id", json!(""), "record_id"),
        ("/record_id", json!("-a"), "record_id"),
        ("/record_id", json!("x".repeat(129)), "record_id"),
        ("/record_id", json!(7), "record_id"),
        (
            "/pii_principal_id",
            json!("anna@example.org"),
            "pii_principal_id",
        ),
        ("/name", json!("Anna"), "name"),
        ("/remark", json!(long), "remark"),
        ("/remark", json!("a\u{7}"), "remark"),
        ("/processing/email", json!("x"), "processing.email"),
        (
            "/processing/privacy_notice",
            json!("javascript:alert(1)"),
            "processing.privacy_notice",
        ),
        (
            "/processing/privacy_notice",
            json!("https://"),
            "processing.privacy_notice",
        ),
        (
            "/processing/privacy_notice",
            json!("mailto:a@b.example"),
            "processing.privacy_notice",
        ),
        (
            "/processing/language",
            json!("English"),
            "processing.language",
        ),
        ("/processing/purposes", json!([]), "processing.purposes"),
        (
            "/processing/purposes",
            json!(["collect", "collect"]),
            "processing.purposes",
        ),
        (
            "/processing/purposes",
            json!(["sell"]),
            "processing.purposes[0]",
        ),
        (
            "/processing/pii_information",
            json!([]),
            "processing.pii_information",
        ),
        (
            "/processing/pii_information",
            json!(["face"]),
            "processing.pii_information[0]",
        ),
        (
            "/processing/storage_locations",
            json!(["Germany"]),
            "processing.storage_locations[0]",
        ),
        (
            "/processing/retention_period",
            json!("10 years"),
            "processing.retention_period",
        ),
        (
            "/processing/retention_period",
            json!("P"),
            "processing.retention_period",
        ),
        (
            "/processing/retention_period",
            json!("P1D1Y"),
            "processing.retention_period",
        ),
        (
            "/processing/jurisdiction",
            json!("de"),
            "processing.jurisdiction",
        ),
        (
            "/processing/recipient_third_parties",
            json!([" "]),
            "processing.recipient_third_parties[0]",
        ),
        ("/processing/withdrawal_method", Value::Null, "processing"),
        (
            "/processing/withdrawal_method",
            json!("ask us"),
            "processing.withdrawal_method",
        ),
        ("/parties", json!([]), "parties"),
        ("/parties/0/role", json!("dpv:Recipient"), "parties"),
        ("/parties/0/role", json!("boss"), "parties[0].role"),
        ("/parties/0/contact", json!("privacy"), "parties[0].contact"),
        (
            "/parties/0/party_id",
            json!("person-a"),
            "parties[0].party_id",
        ),
        ("/parties/1/party_id", json!("lab"), "parties[1].party_id"),
        ("/evidence/held_by", json!("nobody"), "evidence.held_by"),
        ("/evidence/sha256", json!("abc"), "evidence.sha256"),
        ("/evidence/scan", json!("base64"), "evidence.scan"),
        ("/events", json!([]), "events"),
        (
            "/events/0/entity_id",
            json!("stranger"),
            "events[0].entity_id",
        ),
        ("/events/1/entity_id", json!("lab"), "events[1].entity_id"),
        ("/events/1/event_type", Value::Null, "events[1].event_type"),
        ("/events/1/state", json!("given"), "events[1].state"),
        (
            "/events/0/state",
            json!("ConsentUnknown"),
            "events[0].state",
        ),
        ("/events/1/purposes", json!([]), "events[1].purposes"),
        (
            "/events/1/purposes",
            json!(["train", "train"]),
            "events[1].purposes",
        ),
        (
            "/events/1/valid_until",
            json!("2026-01-01T09:00:00Z"),
            "events[1].valid_until",
        ),
        (
            "/events/1/valid_from",
            json!("2025-12-31T00:00:00Z"),
            "events[1].valid_from",
        ),
        (
            "/events/0/valid_until",
            json!("2027-01-01T00:00:00Z"),
            "events[0].valid_from",
        ),
        (
            "/events/0/time",
            json!("2026-06-01T09:00:00Z"),
            "events[1].time",
        ),
        (
            "/events/0/time",
            json!("2026-01-01T09:00:00"),
            "events[0].time",
        ),
    ] {
        let error = parse(&with(pointer, value.clone())).expect_err(pointer);
        assert_eq!(error.path, path, "{pointer} = {value}: {error}");
        assert!(!error.remedy.is_empty());
    }
}

#[test]
fn a_purpose_of_an_event_must_be_one_of_the_record() {
    let mut record = with("/processing/purposes", json!(["collect"]));
    record["events"][1]["purposes"] = json!(["train"]);
    assert_eq!(parse(&record).unwrap_err().path, "events[1].purposes");
}

#[test]
fn sizes_and_counts_are_bounded() {
    let wide = format!("{}{}", full(), " ".repeat(MAX_RECORD_BYTES));
    assert!(
        ConsentRecord::parse(&wide)
            .unwrap_err()
            .problem
            .contains("larger")
    );
    let many = vec![json!("pd:Picture"); MAX_ITEMS + 1];
    let error = parse(&with("/processing/pii_information", json!(many))).unwrap_err();
    assert_eq!(error.path, "processing.pii_information");
    let asked: Vec<_> = (0..=MAX_EVENTS)
        .map(|_| json!({ "state": "ConsentRequested", "time": "2026-01-01T09:00:00Z", "entity_id": "lab" }))
        .collect();
    assert_eq!(
        parse(&with("/events", json!(asked))).unwrap_err().path,
        "events"
    );
    let deep = "[".repeat(30_000);
    assert!(ConsentRecord::parse(&deep).is_err());
}

#[test]
fn what_is_no_single_json_object_is_refused() {
    for text in [
        "",
        "null",
        "[]",
        "{",
        "<html>",
        "{\"schema_version\":\"fairframe-consent-1\",\"schema_version\":\"fairframe-consent-1\"}",
    ] {
        assert!(ConsentRecord::parse(text).is_err(), "{text}");
    }
    let two = format!("{}{}", full(), full());
    assert_eq!(ConsentRecord::parse(&two).unwrap_err().path, ".");
}

#[test]
fn a_refused_pseudonym_is_not_repeated() {
    for text in [
        "",
        "anna@example.org",
        "Anna Schmidt",
        "Anna-Schmidt",
        "Anna_Maria_Schmidt",
        "AnnaSchmidt",
        "555-123-4567",
        "00491701234567",
        "+491701234567",
        "日本",
        "a/b",
        "..",
        &"a".repeat(65),
    ] {
        let error = Pseudonym::new(text).expect_err(text).to_string();
        assert!(text.is_empty() || !error.contains(text), "{error}");
    }
    let error = parse(&with("/pii_principal_id", json!("Anna-Schmidt"))).unwrap_err();
    assert!(!error.to_string().contains("Schmidt"), "{error}");
    for text in [
        "person-a", "p001", "1001", "Person-A", "S_07", "ActorTwo", "a1B2c3", "Anna",
    ] {
        assert!(Pseudonym::new(text).is_ok(), "{text}");
    }
}

#[test]
fn moments_need_their_offset() {
    assert_eq!(at("2026-03-01T10:30:00+01:00"), at("2026-03-01T09:30:00Z"));
    assert_eq!(
        at("2026-03-01T09:30:00.123456Z").timestamp_subsec_micros(),
        123_456
    );
    for text in [
        "2026-03-01",
        "2026-03-01T09:30:00",
        "2026-03-01 09:30:00Z",
        "2026-03-01T09:30Z",
        "2026-03-01T09:30:00-00:00",
        "2026-03-01t09:30:00z",
        "2026-02-30T09:30:00Z",
        "2026-03-01T25:00:00Z",
        "2026-06-30T23:59:60Z",
        "2026-03-01T09:30:00.1234567Z",
        "1026-03-01T09:30:00Z",
        "9999-03-01T09:30:00Z",
        "1772357400",
        "",
    ] {
        assert_eq!(parse_time(text), None, "{text}");
    }
}

#[test]
fn states_follow_the_events() {
    let record = parse(&events(&[
        ("ConsentRequested", "2026-01-01T00:00:00Z", json!({})),
        (
            "ConsentGiven",
            "2026-02-01T00:00:00Z",
            json!({ "valid_from": "2026-03-01T00:00:00Z", "valid_until": "2026-06-01T00:00:00Z" }),
        ),
        ("ConsentWithdrawn", "2026-07-01T00:00:00Z", json!({})),
        (
            "ConsentGiven",
            "2026-08-01T00:00:00Z",
            json!({ "purposes": ["train"] }),
        ),
    ]))
    .unwrap();
    for (time, state, purposes, later) in [
        ("2025-12-31T00:00:00Z", ConsentState::Unknown, 0, true),
        ("2026-01-01T00:00:00Z", ConsentState::Requested, 0, true),
        ("2026-02-15T00:00:00Z", ConsentState::Unknown, 0, true),
        ("2026-03-01T00:00:00Z", ConsentState::Given, 5, false),
        ("2026-05-31T23:59:59Z", ConsentState::Given, 5, false),
        // The window is closed at its end.
        ("2026-06-01T00:00:00Z", ConsentState::Expired, 0, false),
        ("2026-07-01T00:00:00Z", ConsentState::Withdrawn, 0, false),
        ("2026-08-01T00:00:00Z", ConsentState::Given, 1, false),
    ] {
        let t = at(time);
        assert_eq!(record.state_at(t), state, "{time}");
        assert_eq!(record.purposes_at(t).len(), purposes, "{time}");
        assert_eq!(record.begins_after(t), later, "{time}");
    }
    assert_eq!(record.withdrawn_at(at("2026-09-01T00:00:00Z")).len(), 4);
}

#[test]
fn purposes_are_withdrawn_singly() {
    let record = parse(&events(&[
        (
            "ConsentGiven",
            "2026-01-01T00:00:00Z",
            json!({ "purposes": ["collect", "train", "manipulate"] }),
        ),
        (
            "ConsentWithdrawn",
            "2026-02-01T00:00:00Z",
            json!({ "purposes": ["manipulate"] }),
        ),
        (
            "ConsentWithdrawn",
            "2026-03-01T00:00:00Z",
            json!({ "purposes": ["collect", "train"] }),
        ),
    ]))
    .unwrap();
    let between = at("2026-02-02T00:00:00Z");
    assert_eq!(record.state_at(between), ConsentState::Given);
    assert_eq!(
        record.purposes_at(between),
        BTreeSet::from([Purpose::Collect, Purpose::Train])
    );
    assert_eq!(
        record.withdrawn_at(between),
        BTreeSet::from([Purpose::Manipulate])
    );
    assert_eq!(
        record.state_at(at("2026-03-01T00:00:00Z")),
        ConsentState::Withdrawn
    );
}

#[test]
fn other_states() {
    let after = at("2027-01-01T00:00:00Z");
    for (second, state) in [
        ("ConsentExpired", ConsentState::Expired),
        ("ConsentInvalidated", ConsentState::Invalidated),
        ("ConsentWithdrawn", ConsentState::Withdrawn),
        ("ConsentRequested", ConsentState::Given),
    ] {
        let record = events(&[
            ("ConsentGiven", "2026-01-01T00:00:00Z", json!({})),
            (second, "2026-02-01T00:00:00Z", json!({})),
        ]);
        assert_eq!(parse(&record).unwrap().state_at(after), state, "{second}");
    }
    let refused = events(&[("ConsentRefused", "2026-01-01T00:00:00Z", json!({}))]);
    assert_eq!(
        parse(&refused).unwrap().state_at(after),
        ConsentState::Refused
    );
}

#[test]
fn contradictory_events_are_refused() {
    let given = |time| ("ConsentGiven", time, json!({}));
    let one = "2026-01-01T00:00:00Z";
    let two = "2026-02-01T00:00:00Z";
    for list in [
        vec![("ConsentWithdrawn", one, json!({}))],
        vec![("ConsentExpired", one, json!({}))],
        vec![("ConsentInvalidated", one, json!({}))],
        vec![
            ("ConsentRefused", one, json!({})),
            ("ConsentWithdrawn", two, json!({})),
        ],
        vec![given(one), ("ConsentRefused", two, json!({}))],
        // Given and withdrawn in one moment: which holds?
        vec![given(one), ("ConsentWithdrawn", one, json!({}))],
        vec![given(two), ("ConsentWithdrawn", one, json!({}))],
        // Withdrawn as a whole though only a part was given.
        vec![
            ("ConsentGiven", one, json!({ "purposes": ["train"] })),
            ("ConsentWithdrawn", two, json!({})),
        ],
    ] {
        let error = parse(&events(&list)).expect_err(&format!("{list:?}"));
        assert!(error.path.starts_with("events["), "{error}");
    }
    // One moment, different purposes: no contradiction.
    let both = events(&[
        ("ConsentGiven", one, json!({ "purposes": ["train"] })),
        ("ConsentRefused", one, json!({ "purposes": ["manipulate"] })),
    ]);
    parse(&both).unwrap();
}

#[test]
fn a_guardian_may_give_and_anybody_may_report_a_withdrawal() {
    let mut record = full();
    record["events"][1]["entity_id"] = json!("guardian-1");
    parse(&record).unwrap();
    let record = events(&[
        ("ConsentGiven", "2026-01-01T00:00:00Z", json!({})),
        (
            "ConsentWithdrawn",
            "2026-02-01T00:00:00Z",
            json!({ "entity_id": "lab" }),
        ),
    ]);
    parse(&record).unwrap();
}

#[test]
fn the_json_schema_is_closed() {
    let schema = schemars::schema_for!(ConsentRecord);
    let value = schema.as_value();
    assert_eq!(value["additionalProperties"], json!(false));
    let required = value["required"].as_array().unwrap();
    for field in [
        "record_id",
        "pii_principal_id",
        "processing",
        "parties",
        "events",
    ] {
        assert!(required.contains(&json!(field)), "{field}");
    }
    let event = &value["$defs"]["ConsentEvent"];
    assert_eq!(event["additionalProperties"], json!(false));
    assert_eq!(event["properties"]["time"]["format"], json!("date-time"));
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,200}") {
        let _ = ConsentRecord::parse(&text);
        let _ = Pseudonym::new(&text);
        let _ = parse_time(&text);
    }

    /// Given purposes, then some withdrawn: none of those is in force afterwards.
    #[test]
    fn a_withdrawn_purpose_is_never_in_force(
        given in proptest::sample::subsequence(Purpose::ALL.to_vec(), 1..=5),
        pick in proptest::collection::vec(any::<bool>(), 5),
        seconds in 0i64..100_000_000,
    ) {
        let gone: Vec<_> = given.iter().zip(&pick).filter(|(_, p)| **p).map(|(g, _)| *g).collect();
        prop_assume!(!gone.is_empty());
        let record = parse(&events(&[
            ("ConsentGiven", "2026-01-01T00:00:00Z", json!({ "purposes": given })),
            ("ConsentWithdrawn", "2026-06-01T00:00:00Z", json!({ "purposes": gone })),
        ])).unwrap();
        let time = at("2026-06-01T00:00:00Z") + chrono::TimeDelta::seconds(seconds);
        let force = record.purposes_at(time);
        prop_assert!(gone.iter().all(|g| !force.contains(g)));
        prop_assert_eq!(force.len() + gone.len(), given.len());
        let all = gone.len() == given.len();
        prop_assert_eq!(record.state_at(time) == ConsentState::Withdrawn, all);
    }
}
