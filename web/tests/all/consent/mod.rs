//! The consent desk and takedown requests: who sees what, what goes, what is forgotten.

mod desk;
mod requests;

use std::{fs, net::IpAddr, time::Duration};

use crate::support::{
    Release, as_of, keep, publish,
    site::{Answer, Browser, Site},
};
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use fairframe_ingest::receipt::receipt;
use fairframe_schemas::{
    ConsentRecord, ConsentState, Digest, Layout, Manipulation, MediaType, Name, Purpose, Reason,
    Sample, SampleId, source::About, version::Change,
};
use fairframe_web::{
    access,
    state::{accounts::Role, audit, decisions},
};
use serde_json::json;

const DAY: Duration = Duration::from_secs(24 * 3600);
const PROOF: &str = "the signed form";

/// An accepted sample of people who agreed, with bytes of its own.
fn sample(layout: &Layout, source: &str, key: &str, people: &[&str]) -> Sample {
    let mut s = Sample::new(source, key, MediaType::Clip);
    s.media_sha256 = Some(keep(layout, format!("bytes of {source} {key}").as_bytes()));
    s.mime = Some("video/mp4".to_owned());
    s.retrieved_at = Some(as_of());
    s.licence = Some("CC0-1.0".to_owned());
    s.source_url = Some(format!("https://origin.example/{source}/{key}.mp4"));
    s.subject_ids = people.iter().map(|p| (*p).to_owned()).collect();
    if !people.is_empty() {
        s.consent_id = Some(format!("c-{}", people.join(" c-")));
        s.consent_state = Some(ConsentState::Given);
        s.consent_purposes = Purpose::ALL.to_vec();
    }
    s
}

fn id(source: &str, key: &str) -> SampleId {
    SampleId::new(source, key)
}

fn consent(layout: &Layout, person: &str, until: Option<&str>) {
    let mut given = json!({ "state": "ConsentGiven", "time": "2026-01-10T10:00:00Z",
        "entity_id": person, "event_type": "ExplicitlyExpressedConsent" });
    if let Some(until) = until {
        given["valid_until"] = json!(format!("{until}T00:00:00Z"));
    }
    let record = json!({
        "schema_version": "fairframe-consent-1", "record_id": format!("c-{person}"),
        "pii_principal_id": person,
        "processing": {
            "privacy_notice": "https://example.org/notice/1", "language": "en",
            "purposes": Purpose::ALL, "pii_information": ["pd:Picture"],
            "storage_locations": ["DE"], "retention_period": "until-withdrawn",
            "jurisdiction": "EU", "withdrawal_method": "mailto:withdraw@example.org"
        },
        "parties": [{ "party_id": "lab", "role": "dpv:DataController",
                      "name": "Example Laboratory", "contact": "mailto:p@example.org" }],
        "events": [given],
        "evidence": { "sha256": Digest::of(PROOF.as_bytes()), "held_by": "lab" }
    });
    let record = ConsentRecord::parse(&record.to_string()).unwrap();
    let folder = layout.receipts(&Name::new("studio").unwrap());
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("studio--c-{person}.jsonld"));
    fs::write(file, receipt(&record, as_of())).unwrap();
}

/// Two datasets: a studio with two people, what was made from their clips, and a landscape; and
/// one with a clip made from the studio's.
fn publish_all(layout: &Layout) {
    let a = sample(layout, "studio", "a", &["person-a"]);
    let b = sample(layout, "studio", "b", &["person-b"]);
    let mut waits = sample(layout, "studio", "waits", &["person-a"]);
    waits.add_reason(Reason::LicenceContradiction);
    // Of a cut nobody says whom it shows.
    let mut cut = sample(layout, "studio", "cut", &[]);
    cut.derived_from = vec![a.sample_id];
    let mut fake = sample(layout, "studio", "fake", &["person-a", "person-b"]);
    fake.derived_from = vec![cut.sample_id];
    fake.manipulation = Some(Manipulation {
        method: "swap".to_owned(),
        target_sample: cut.sample_id,
        source_sample: b.sample_id,
        mask_sha256: None,
        compression: None,
        parameters: None,
    });
    let mut other = sample(layout, "copies", "small", &[]);
    other.derived_from = vec![cut.sample_id];
    let landscape = sample(layout, "studio", "landscape", &[]);
    let release = |dataset, samples| Release {
        dataset,
        version: "1.0.0",
        previous: None,
        change: Change::None,
        about: About::default(),
        samples,
        recall: None,
    };
    publish(
        layout,
        release("studio", vec![a, b, waits, cut, fake, landscape]),
    );
    publish(layout, release("copies", vec![other]));
    consent(layout, "person-a", None);
    consent(layout, "person-b", Some("2026-03-20"));
    consent(layout, "person-c", Some("2026-02-20"));
    consent(layout, "person-d", Some("2026-05-15"));
    consent(layout, "person-e", Some("2027-05-15"));
}

async fn site() -> Site {
    let site = Site::new().await;
    publish_all(&site.layout);
    site
}

/// Nobody, a researcher, a curator of another dataset, a curator of this one, an administrator.
async fn people(site: &Site) -> [Browser; 5] {
    [
        site.visitor(),
        site.member("rosa", &[(Role::Researcher, Some("studio"))])
            .await,
        site.member("kofi", &[(Role::Curator, Some("copies"))])
            .await,
        site.member("mira", &[(Role::Curator, Some("studio"))])
            .await,
        site.member("root", &[(Role::Admin, None)]).await,
    ]
}

async fn media(browser: &mut Browser, source: &str, key: &str) -> [u16; 2] {
    let digest = Digest::of(format!("bytes of {source} {key}").as_bytes());
    let mut status = [0; 2];
    for (place, path) in ["media", "thumbnails"].into_iter().enumerate() {
        let answer = browser.get(&format!("/{path}/{digest}")).await;
        status[place] = answer.status.as_u16();
    }
    status
}

const A: &str = "/datasets/studio/consents/studio/person-a";

/// What a request is sent with.
fn request(about: &str) -> [(&str, &str); 4] {
    [
        ("about", about),
        ("relation", "shown"),
        ("reason", "I never agreed to this."),
        ("contact", "zq-contact-5550100"),
    ]
}

/// Sends a request; gives the page on which its sender sees what becomes of it.
async fn ask(site: &Site, about: &str) -> String {
    let sent = site.visitor().post("/takedown", &request(about)).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    sent.to().to_owned()
}

#[tokio::test]
async fn every_route_asks_who_asks() {
    let site = site().await;
    let mut people = people(&site).await;
    ask(&site, &id("studio", "a").to_string()).await;
    ask(&site, "the one by the river").await;
    let get = Method::GET;
    let receipt = format!("{A}/receipts/c-person-a");
    let withdraw = format!("{A}/withdraw");
    for (method, path, statuses) in [
        (&get, "/datasets/studio/consents", [303, 403, 403, 200, 200]),
        (
            &get,
            "/datasets/studio/consents/expiry",
            [303, 403, 403, 200, 200],
        ),
        (&get, A, [303, 403, 403, 200, 200]),
        (&get, receipt.as_str(), [303, 403, 403, 200, 200]),
        (
            &get,
            "/datasets/nothing/consents",
            [303, 403, 403, 403, 404],
        ),
        (
            &get,
            "/datasets/studio/consents/studio/person-z",
            [303, 403, 403, 404, 404],
        ),
        (
            &get,
            "/datasets/studio/consents/copies/person-a",
            [303, 403, 403, 404, 404],
        ),
        (&get, "/takedowns", [303, 403, 200, 200, 200]),
        // About the studio: to others there is no such case.
        (&get, "/takedowns/1", [303, 403, 404, 200, 200]),
        // Nobody knows about what.
        (&get, "/takedowns/2", [303, 403, 200, 200, 200]),
        (&get, "/takedowns/3", [303, 403, 404, 404, 404]),
        (&get, "/takedowns/x", [303, 403, 404, 404, 404]),
        (&get, "/takedown", [200, 200, 200, 200, 200]),
        (&get, "/takedown/0000", [404, 404, 404, 404, 404]),
        // Without a reason nothing happens to those who may.
        (&Method::POST, withdraw.as_str(), [303, 403, 403, 422, 422]),
        (
            &Method::POST,
            "/takedowns/1/withdraw",
            [303, 403, 404, 422, 422],
        ),
        (
            &Method::POST,
            "/takedowns/1/decline",
            [303, 403, 404, 422, 422],
        ),
        (
            &Method::POST,
            "/takedowns/1/sample",
            [303, 403, 404, 404, 404],
        ),
        (
            &Method::POST,
            "/takedowns/2/withdraw",
            [303, 403, 409, 409, 409],
        ),
        // Wrong methods.
        (&get, withdraw.as_str(), [405; 5]),
        (&get, "/takedowns/1/decline", [405; 5]),
        (&Method::DELETE, "/takedown", [405; 5]),
        (&Method::DELETE, A, [405; 5]),
        (&Method::PUT, "/takedowns", [405; 5]),
    ] {
        for (browser, status) in people.iter_mut().zip(statuses) {
            let answer = match *method {
                Method::POST => browser.post(path, &[]).await,
                _ => browser.ask(method.clone(), path, &[], Body::empty()).await,
            };
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{method} {path}: {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn a_form_of_another_page_changes_nothing() {
    let site = site().await;
    let [.., mut mira, _] = people(&site).await;
    ask(&site, &id("studio", "a").to_string()).await;
    let before = audit::head(&site.app.db).await.unwrap();
    let withdraw = format!("{A}/withdraw");
    for path in [
        withdraw.as_str(),
        "/takedowns/1/withdraw",
        "/takedowns/1/decline",
        "/takedowns/1/sample",
        "/takedown",
    ] {
        for csrf in ["", "wrong"] {
            let form = [("csrf", csrf), ("why", "x"), ("sample", "x")];
            let answer = mira.post_raw(path, &form).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    let body = format!("csrf={}&why=x", mira.csrf);
    let headers = [
        (header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
        (header::ORIGIN, "https://evil.example"),
    ];
    let answer = mira.ask(Method::POST, &withdraw, &headers, body).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(audit::head(&site.app.db).await.unwrap(), before);
}
