//! The consent desk and takedown requests: who sees what, what goes, what is forgotten.

mod support;

use std::{fs, net::IpAddr, time::Duration};

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
use support::{
    Release, as_of, keep, publish,
    site::{Answer, Browser, Site},
};

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

#[tokio::test]
async fn the_ledger_counts_filters_and_finds() {
    let site = site().await;
    let [.., mut mira, _] = people(&site).await;
    let page = mira.get("/datasets/studio/consents").await;
    assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
    let text = page.text();
    assert!(text.contains("5 people in version 1.0.0"), "{text}");
    let row = |text: &str, person: &str| {
        let rows = text
            .split("<tr>")
            .find(|r| r.contains(&format!(">{person}<")));
        let row = rows.unwrap_or_else(|| panic!("{person}: {text}"));
        let cells = row
            .split("</td>")
            .map(|c| c.rsplit('>').next().unwrap().trim().to_owned());
        cells.collect::<Vec<_>>()
    };
    // Accepted, others, derived.
    assert_eq!(row(text, "person-a")[3..6], ["1", "1", "2"]);
    assert_eq!(row(text, "person-b")[3..6], ["1", "0", "1"]);
    assert_eq!(row(text, "person-c")[3..6], ["0", "0", "0"]);
    assert!(text.contains("2026-03-20"));
    for (query, there, away) in [
        ("state=expired", "person-c", "person-a"),
        ("state=given&q=SON-B", "person-b", "person-a"),
        ("q=-d", "person-d", "person-b"),
    ] {
        let page = mira
            .get(&format!("/datasets/studio/consents?{query}"))
            .await;
        let has = |person: &str| page.text().contains(&format!(">{person}<"));
        assert!(has(there) && !has(away), "{query}");
    }
    let none = mira.get("/datasets/studio/consents?state=refused").await;
    assert!(none.text().contains("Nobody fits."));
    for (query, status) in [
        ("state=nonsense", 422),
        (&format!("q={}", "x".repeat(65)), 422),
        ("page=2", 404),
        ("page=0", 404),
        ("page=x", 404),
    ] {
        let page = mira
            .get(&format!("/datasets/studio/consents?{query}"))
            .await;
        assert_eq!(page.status.as_u16(), status, "{query}");
    }
    let page = mira
        .get("/datasets/studio/consents?q=%3Cscript%3E%22")
        .await;
    assert!(!page.text().contains("<script>"));

    // What ends when, the first first; time passes without an ingest.
    let order = |text: &str| {
        let people = ["person-b", "person-c", "person-d", "person-e"];
        let mut found: Vec<_> = people.map(|p| (text.find(&format!(">{p}<")), p)).to_vec();
        found.sort();
        found.into_iter().map(|(_, p)| p).collect::<Vec<_>>()
    };
    let page = mira.get("/datasets/studio/consents/expiry").await;
    assert_eq!(
        order(page.text()),
        ["person-c", "person-b", "person-d", "person-e"]
    );
    let counts = |text: &str| {
        let cells = text
            .split("<dd>")
            .skip(1)
            .map(|d| d.split('<').next().unwrap().to_owned());
        cells.collect::<Vec<_>>()
    };
    assert_eq!(counts(page.text()), ["1", "1", "1", "1", "1"]);
    site.pass(20 * DAY);
    let mut noor = site.member("noor", &[(Role::Curator, None)]).await;
    let page = noor.get("/datasets/studio/consents/expiry").await;
    assert_eq!(counts(page.text()), ["2", "0", "1", "1", "1"]);
    let page = noor.get("/datasets/studio/consents?state=expired").await;
    assert!(page.text().contains(">person-b<"));
}

#[tokio::test]
async fn a_receipt_is_handed_out_as_it_stands_and_no_evidence_anywhere() {
    let site = site().await;
    let [.., mut mira, _] = people(&site).await;
    let answer = mira.get(&format!("{A}/receipts/c-person-a")).await;
    let folder = site.layout.receipts(&Name::new("studio").unwrap());
    let file = fs::read(folder.join("studio--c-person-a.jsonld")).unwrap();
    assert_eq!(answer.bytes, file);
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/ld+json");
    let proof = Digest::of(PROOF.as_bytes()).to_string();
    for page in [
        A,
        "/datasets/studio/consents",
        "/datasets/studio/consents/expiry",
    ] {
        assert!(!mira.get(page).await.text().contains(&proof), "{page}");
    }
    for other in [
        "c-person-b",
        "..%2f..%2fstate.sqlite",
        "c-person-a.jsonld",
        "%00",
    ] {
        let answer = mira.get(&format!("{A}/receipts/{other}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{other}");
    }
    // What is no receipt is said to be none.
    fs::write(folder.join("studio--broken.jsonld"), "{").unwrap();
    let page = mira.get("/datasets/studio/consents").await;
    assert!(page.text().contains("1 receipts cannot be read"));
}

#[tokio::test]
async fn a_withdrawal_shows_before_what_goes_and_stops_media_at_once() {
    let site = site().await;
    let [mut visitor, _, _, mut mira, _] = people(&site).await;
    for (source, key) in [
        ("studio", "a"),
        ("studio", "b"),
        ("studio", "cut"),
        ("studio", "fake"),
        ("studio", "landscape"),
        ("copies", "small"),
    ] {
        assert_eq!(
            media(&mut visitor, source, key).await,
            [200, 200],
            "{source} {key}"
        );
    }
    assert_eq!(media(&mut mira, "studio", "waits").await, [200, 200]);
    let (before, _) = audit::head(&site.app.db).await.unwrap();
    let preview = mira.get(A).await;
    let text = preview.text();
    for (key, there) in [
        ("a", true),
        ("waits", true),
        ("cut", true),
        ("fake", true),
        ("b", false),
    ] {
        assert_eq!(
            text.contains(&id("studio", key).to_string()),
            there,
            "{key}"
        );
    }
    assert!(
        text.contains("<strong>4</strong> samples of studio"),
        "{text}"
    );
    assert!(
        text.contains("<strong>1</strong> of <a href=\"/datasets/copies\">"),
        "{text}"
    );

    let why = [("why", "They wrote to us.")];
    let answer = mira.post(&format!("{A}/withdraw"), &why).await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, A));
    for browser in [&mut visitor, &mut mira] {
        for (source, key, status) in [
            ("studio", "a", 404),
            ("studio", "waits", 404),
            ("studio", "cut", 404),
            ("studio", "fake", 404),
            ("copies", "small", 404),
            ("studio", "b", 200),
            ("studio", "landscape", 200),
        ] {
            assert_eq!(
                media(browser, source, key).await,
                [status; 2],
                "{source} {key}"
            );
        }
    }
    // Nobody's pages show them, in any version.
    let samples = "/datasets/studio/1.0.0/samples";
    for browser in [&mut visitor, &mut mira] {
        let grid = browser.get(samples).await;
        for (key, status) in [("a", 410), ("fake", 410), ("cut", 410), ("b", 200)] {
            let id = id("studio", key);
            let page = browser.get(&format!("{samples}/{id}")).await;
            assert_eq!(page.status.as_u16(), status, "{key}");
            assert_eq!(
                grid.text().contains(&id.to_string()),
                status == 200,
                "{key}"
            );
        }
    }
    let page = mira.get(A).await;
    assert!(
        page.text()
            .contains("follow with the next approved release"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("Nothing is left to withdraw."));
    let ledger = mira.get("/datasets/studio/consents?state=waiting").await;
    assert!(ledger.text().contains(">person-a<") && !ledger.text().contains(">person-b<"));
    let again = mira.post(&format!("{A}/withdraw"), &why).await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    let studio = Name::new("studio").unwrap();
    let withdrew = decisions::withdrew(&site.app.db, &studio).await.unwrap();
    assert_eq!(withdrew.len(), 1);
    let standing = decisions::standing(&site.app.db, &studio).await.unwrap();
    assert_eq!(standing.len(), 4);
    let check = audit::verify(&site.app.db).await.unwrap().unwrap();
    assert_eq!(check.entries, before + 2);
}

#[tokio::test]
async fn a_sample_that_is_withdrawn_is_refused_until_that_is_undone() {
    let site = site().await;
    let [mut visitor, _, _, mut mira, _] = people(&site).await;
    let mine = ask(&site, "https://origin.example/studio/landscape.mp4").await;
    let page = mira.get("/takedowns/1").await;
    assert!(page.text().contains(&id("studio", "landscape").to_string()));
    assert!(page.text().contains("It goes alone"));
    assert_eq!(media(&mut visitor, "studio", "landscape").await, [200, 200]);
    let done = mira
        .post("/takedowns/1/withdraw", &[("why", "It is theirs.")])
        .await;
    assert_eq!(
        (done.status, done.to()),
        (StatusCode::SEE_OTHER, "/takedowns")
    );
    assert_eq!(media(&mut visitor, "studio", "landscape").await, [404, 404]);
    assert_eq!(media(&mut visitor, "studio", "a").await, [200, 200]);
    assert!(
        visitor
            .get(&mine)
            .await
            .text()
            .contains("It was taken down.")
    );
    // Once more is too late.
    for action in ["withdraw", "decline"] {
        let path = format!("/takedowns/1/{action}");
        let late = mira.post(&path, &[("why", "x")]).await;
        assert_eq!(late.status, StatusCode::CONFLICT);
    }
    let studio = Name::new("studio").unwrap();
    let batch = decisions::batches(&site.app.db, &studio, 1).await.unwrap()[0].seq;
    let mut write = site.app.db.write().await.unwrap();
    decisions::undo(&mut write, &studio, "mira", batch)
        .await
        .unwrap();
    write.commit().await.unwrap();
    assert_eq!(media(&mut visitor, "studio", "landscape").await, [200, 200]);
    assert!(audit::verify(&site.app.db).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_request_about_a_person_is_answered_by_their_withdrawal() {
    let site = site().await;
    let [mut visitor, _, mut kofi, mut mira, _] = people(&site).await;
    let about = format!(
        "http://data.example/datasets/studio/1.0.0/samples/{}",
        id("studio", "b")
    );
    let mine = ask(&site, &about).await;
    let person = "/datasets/studio/consents/studio/person-b";
    let page = mira.get("/takedowns/1").await;
    let link = format!("{person}?case=1");
    assert!(page.text().contains(&link), "{}", page.text());
    assert!(mira.get(&link).await.text().contains("takedown request 1"));
    assert_eq!(kofi.get("/takedowns/1").await.status, StatusCode::NOT_FOUND);
    let form = [("why", "On request."), ("case", "1")];
    let done = mira.post(&format!("{person}/withdraw"), &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert!(
        visitor
            .get(&mine)
            .await
            .text()
            .contains("It was taken down.")
    );
    assert_eq!(media(&mut visitor, "studio", "b").await, [404, 404]);
    assert_eq!(media(&mut visitor, "studio", "fake").await, [404, 404]);
    assert_eq!(media(&mut visitor, "studio", "cut").await, [200, 200]);
    // A case that is closed closes nothing again.
    let answer = mira.post(&format!("{A}/withdraw"), &form).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(media(&mut visitor, "studio", "a").await, [200, 200]);
}

#[tokio::test]
async fn a_case_is_linked_by_hand_where_nothing_was_found() {
    let site = site().await;
    let [_, _, mut kofi, mut mira, _] = people(&site).await;
    ask(&site, "the picture of me by the river").await;
    let late = mira.post("/takedowns/1/withdraw", &[("why", "x")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    let digest = Digest::of(b"bytes of studio a").to_string();
    let media = format!("https://data.example/media/{digest}");
    let linked = kofi
        .post("/takedowns/1/sample", &[("sample", &media)])
        .await;
    // He handed it to the studio's curators.
    assert_eq!(linked.to(), "/takedowns");
    assert_eq!(kofi.get("/takedowns/1").await.status, StatusCode::NOT_FOUND);
    let page = mira.get("/takedowns/1").await;
    assert!(page.text().contains(&id("studio", "a").to_string()));
    assert!(page.text().contains("3 samples go"), "{}", page.text());
}

#[tokio::test]
async fn hostile_texts_are_shown_as_they_are_or_refused() {
    let site = site().await;
    let [_, .., mut mira, _] = people(&site).await;
    let script = "<script>alert(1)</script>\"' onmouseover=\"x";
    let mut form = request(script);
    form[2].1 = "line\r\nnext \u{202e}gpj.exe \u{0}\u{7}\u{1b}[31m שלום";
    form[3].1 = "\"><img src=x>";
    let mut visitor = site.visitor();
    let sent = visitor.post("/takedown", &form).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    for path in ["/takedowns", "/takedowns/1"] {
        let page = mira.get(path).await;
        let text = page.text();
        assert!(
            !text.contains("<script>alert") && !text.contains("<img src=x>"),
            "{path}"
        );
        assert!(
            !text.contains(['\u{202e}', '\u{0}', '\u{7}', '\u{1b}']),
            "{path}"
        );
    }
    assert!(mira.get("/takedowns/1").await.text().contains("שלום"));
    let filled = visitor.get("/takedown?about=%3Cscript%3E%22").await;
    assert!(!filled.text().contains("<script>\""));

    let long = "x".repeat(100 << 10);
    for (field, text) in [
        ("about", long.as_str()),
        ("reason", long.as_str()),
        ("contact", long.as_str()),
        ("about", " \u{202e} "),
        ("reason", ""),
        ("relation", "owner"),
        ("website", "https://spam.example"),
    ] {
        let mut form = request("x").to_vec();
        form.retain(|(name, _)| *name != field);
        form.push((field, text));
        // From elsewhere each time: the limit is another test's.
        let answer = site_from(&site, field.len() as u8 + text.len() as u8, &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        assert!(!answer.text().contains("has arrived"));
    }
    assert_eq!(mira.get("/takedowns/2").await.status, StatusCode::NOT_FOUND);
}

/// Sends a request from an address.
async fn site_from(site: &Site, address: u8, form: &[(&str, &str)]) -> Answer {
    let mut visitor = site.visitor();
    let client = fairframe_web::access::Client(IpAddr::from([10, 0, 0, address]));
    visitor.router = visitor.router.layer(axum::Extension(client));
    visitor.post("/takedown", form).await
}

#[tokio::test]
async fn an_address_runs_out_of_requests_and_others_do_not() {
    let site = site().await;
    for n in 0..access::FORMS.get() {
        let sent = site_from(&site, 1, &request("x")).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{n}");
    }
    let more = site_from(&site, 1, &request("x")).await;
    assert_eq!(more.status, StatusCode::TOO_MANY_REQUESTS);
    let other = site_from(&site, 2, &request("x")).await;
    assert_eq!(other.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_case_is_seen_by_its_link_only_and_forgotten_when_closed() {
    let site = site().await;
    let [mut visitor, .., mut mira, mut root] = people(&site).await;
    let about = format!("zq-about {}", id("studio", "a"));
    let mine = ask(&site, &about).await;
    let secret = mine.strip_prefix("/takedown/").unwrap();
    assert_eq!(secret.len(), 64);
    let other = ask(&site, &about).await;
    assert_ne!(mine, other);
    for guess in [
        "1",
        "takedown",
        &"0".repeat(64),
        &secret[..63],
        &secret.to_uppercase(),
    ] {
        let answer = visitor.get(&format!("/takedown/{guess}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{guess}");
    }
    let page = visitor.get(&mine).await;
    assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(page.header(header::REFERRER_POLICY), "no-referrer");
    assert!(
        page.text()
            .contains("An answer is due by <time datetime=\"2026-03-31")
    );
    // Whoever looks over a shoulder learns nothing of the person.
    for secret in ["zq-contact", "zq-about", "I never agreed", "studio"] {
        assert!(!page.text().contains(secret), "{secret}");
    }
    let case = mira.get("/takedowns/1").await;
    assert_eq!(case.header(header::CACHE_CONTROL), "no-store");
    assert!(case.text().contains("zq-contact-5550100") && case.text().contains("zq-about"));

    let declined = mira
        .post(
            "/takedowns/1/decline",
            &[("why", "It shows somebody else.")],
        )
        .await;
    assert_eq!(declined.status, StatusCode::SEE_OTHER);
    let page = visitor.get(&mine).await;
    assert!(
        page.text().contains("It shows somebody else."),
        "{}",
        page.text()
    );
    let mut chain = String::new();
    for path in ["/takedowns/1", "/audit/export"] {
        let page = root.get(path).await;
        assert_eq!(page.status, StatusCode::OK);
        for secret in ["zq-contact", "zq-about", "I never agreed"] {
            assert!(!page.text().contains(secret), "{path}: {secret}");
        }
        chain = page.text().to_owned();
    }
    assert!(chain.contains("takedown request 1") && !chain.contains(secret));
    assert!(audit::verify(&site.app.db).await.unwrap().is_ok());
}

#[tokio::test]
async fn late_answers_stand_out() {
    let site = site().await;
    let mine = ask(&site, "x").await;
    site.pass(29 * DAY);
    ask(&site, "y").await;
    site.pass(2 * DAY);
    let mut mira = site.member("mira", &[(Role::Curator, None)]).await;
    let page = mira.get("/takedowns").await;
    let text = page.text();
    assert!(
        text.contains("1 overdue") && text.contains("overdue since 2026-03-31"),
        "{text}"
    );
    assert!(text.contains("28 days left"), "{text}");
    assert!(text.find("/takedowns/1\"").unwrap() < text.find("/takedowns/2\"").unwrap());
    assert!(
        site.visitor()
            .get(&mine)
            .await
            .text()
            .contains("The answer is late.")
    );
}
