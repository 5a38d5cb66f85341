//! Duplicates side by side, keeping one, and what stands in two splits.

mod leaks;

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{
    Release,
    site::{Browser, Site},
};
use axum::http::{Method, StatusCode};
use fairframe_ingest::verify::splits::verify_splits;
use fairframe_schemas::{
    Digest, MediaType, Reason, Sample, SampleId, Split, Status, source::About, version,
};
use fairframe_web::{
    browse::{Alike, Change, Index, Overlay, Scope, Shared, View, WITHIN},
    state::{accounts::Role, audit},
};

const PAGE: &str = "/datasets/photos/1.0.0/duplicates";
const KEEP: &str = "/datasets/photos/duplicates/keep";

/// A sample with a hash and a split.
fn sample(key: &str, hash: u64, split: Split) -> Sample {
    let mut s = Sample::new("drop", key, MediaType::Image);
    s.title = Some(format!("<i>{key}</i>"));
    s.licence = Some("CC0-1.0".to_owned());
    s.media_sha256 = Some(Digest::of(key.as_bytes()));
    s.perceptual_hash = Some(hash);
    s.split = Some(split);
    s.split_group = Some(s.sample_id.to_string());
    s
}

/// Far from each other: no two of them within 8 bits.
fn far(at: u32) -> u64 {
    u64::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A pair alike across sources, three of the same bytes, look-alikes in two splits, and what is no
/// duplicate of anything.
fn rows() -> Vec<Sample> {
    use Split::{Test, Train};
    let mut rows = vec![
        sample("near-1", far(1), Train),
        sample("near-2", far(1) ^ 0b111, Train),
        sample("same-1", far(2), Train),
        sample("same-2", far(2), Train),
        sample("same-3", far(2), Train),
        sample("leak-1", far(3), Train),
        sample("leak-2", far(3) ^ 0xff, Test),
        sample("alone", far(4), Test),
        sample("refused", far(4) ^ 1, Test),
        sample("clip", far(5), Train),
        sample("its-cut", far(5), Test),
        sample("portrait-1", far(6), Train),
        sample("portrait-2", far(7), Test),
    ];
    let at = |key: &str| rows.iter().position(|s| s.source_key == key).unwrap();
    let (near, same, refused) = (at("near-2"), [at("same-2"), at("same-3")], at("refused"));
    let (clip, cut, portraits) = (
        at("clip"),
        at("its-cut"),
        [at("portrait-1"), at("portrait-2")],
    );
    let other = Sample::new("archive", "near-2", MediaType::Image);
    (rows[near].source, rows[near].sample_id) = (other.source, other.sample_id);
    for same in same {
        rows[same].media_sha256 = Some(Digest::of(b"same-1"));
        rows[same].add_reason(Reason::DuplicateExact);
        rows[same].split = None;
        rows[same].split_group = None;
    }
    rows[refused].add_reason(Reason::LicenceUnknown);
    rows[refused].add_reason(Reason::LicenceNotAllowed);
    rows[cut].derived_from = vec![rows[clip].sample_id];
    for portrait in portraits {
        rows[portrait].subject_ids = vec!["p-01".to_owned()];
        rows[portrait].consent_state = Some(fairframe_schemas::ConsentState::Given);
    }
    rows
}

fn release(samples: Vec<Sample>) -> Release {
    Release {
        dataset: "photos",
        version: "1.0.0",
        previous: None,
        change: version::Change::None,
        about: About::default(),
        samples,
        recall: None,
    }
}

struct Desk {
    site: Site,
    samples: Vec<Sample>,
    mira: Browser,
}

impl Desk {
    async fn new() -> Self {
        let site = Site::new().await;
        let samples = rows();
        crate::support::publish(&site.layout, release(samples.clone()));
        let mira = site
            .member("mira", &[(Role::Curator, Some("photos"))])
            .await;
        Self {
            site,
            samples,
            mira,
        }
    }

    fn id(&self, key: &str) -> String {
        let found = self.samples.iter().find(|s| s.source_key == key);
        found.unwrap().sample_id.to_string()
    }

    async fn keep(&mut self, key: &str, others: &str) -> StatusCode {
        let id = self.id(key);
        let fields = [
            ("keep", id.as_str()),
            ("kind", "all"),
            ("within", "6"),
            ("others", others),
            ("next", "/datasets/photos/1.0.0/duplicates?show=all"),
        ];
        self.mira.post(KEEP, &fields).await.status
    }
}

async fn page(browser: &mut Browser, query: &str) -> String {
    loop {
        let answer = browser.get(&format!("{PAGE}{query}")).await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text());
            return answer.text().to_owned();
        }
    }
}

/// The keys of each cluster shown.
fn clusters(text: &str) -> Vec<BTreeSet<String>> {
    let parts = text.split("<article").skip(1);
    parts
        .map(|part| {
            let titles = part.split("<span dir=\"auto\">&#60;i&#62;").skip(1);
            titles
                .map(|t| t.split("&#60;").next().unwrap().to_owned())
                .collect()
        })
        .collect()
}

fn sets(of: &[&[&str]]) -> Vec<BTreeSet<String>> {
    let set = |keys: &&[&str]| keys.iter().map(|k| (*k).to_owned()).collect();
    of.iter().map(set).collect()
}

/// The same clusters, in whatever order.
fn same(text: &str, of: &[&[&str]]) {
    let (mut found, mut wanted) = (clusters(text), sets(of));
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn clusters_are_shown_by_kind_distance_source_and_split() {
    let mut desk = Desk::new().await;
    let near: &[&str] = &["near-1", "near-2"];
    let three: &[&str] = &["same-1", "same-2", "same-3"];
    let leak: &[&str] = &["leak-1", "leak-2"];
    // The machine has rejected two of three already: one stands.
    same(&page(&mut desk.mira, "").await, &[near]);
    same(&page(&mut desk.mira, "?show=all").await, &[three, near]);
    same(
        &page(&mut desk.mira, "?show=all&kind=exact").await,
        &[three],
    );
    same(&page(&mut desk.mira, "?show=all&kind=near").await, &[near]);
    same(&page(&mut desk.mira, "?show=all&within=2").await, &[three]);
    same(&page(&mut desk.mira, "?within=8").await, &[leak, near]);
    same(
        &page(&mut desk.mira, "?within=8&show=splits").await,
        &[leak],
    );
    same(&page(&mut desk.mira, "?show=sources").await, &[near]);
    // What was rejected is nobody else's to see.
    same(&page(&mut desk.site.visitor(), "?show=all").await, &[near]);

    let text = page(&mut desk.mira, "?kind=near").await;
    assert!(
        text.contains("3 of 64 bits differ from the first"),
        "{text}"
    );
    assert!(
        text.contains(">Source</th><td><bdi>"),
        "the sources differ: {text}"
    );
    assert!(
        text.contains("licence <bdi>CC0-1.0</bdi>"),
        "the licence does not: {text}"
    );
    let text = page(&mut desk.mira, "?within=8&show=splits").await;
    assert!(text.contains("in test and train"), "{text}");
}

#[tokio::test]
async fn one_is_kept_and_the_others_are_rejected_and_all_of_it_is_undone() {
    let mut desk = Desk::new().await;
    page(&mut desk.mira, "").await;
    assert_eq!(desk.keep("near-2", "1").await, StatusCode::SEE_OTHER);
    same(&page(&mut desk.mira, "").await, &[]);
    let text = page(&mut desk.mira, "?show=all&kind=near").await;
    assert!(
        text.contains("one stands") && text.contains("rejected"),
        "{text}"
    );
    // Neither can be kept once more: one was rejected, the other has no duplicates left.
    assert_eq!(desk.keep("near-1", "1").await, StatusCode::CONFLICT);
    assert_eq!(desk.keep("near-2", "1").await, StatusCode::CONFLICT);
    // Others see what was released.
    same(
        &page(&mut desk.site.visitor(), "").await,
        &[&["near-1", "near-2"]],
    );

    let decisions = desk.mira.get("/datasets/photos/decisions").await;
    let why = format!("duplicate of {}", desk.id("near-2"));
    assert!(decisions.text().contains(&why), "{}", decisions.text());
    let at = decisions.text().find("/undo").unwrap();
    let batch = decisions.text()[..at].rsplit('/').next().unwrap();
    let undo = format!("/datasets/photos/decisions/{batch}/undo");
    assert_eq!(
        desk.mira.post(&undo, &[]).await.status,
        StatusCode::SEE_OTHER
    );
    same(&page(&mut desk.mira, "").await, &[&["near-1", "near-2"]]);

    // Of three with the same bytes, another than the machine's choice: both others go, as one.
    assert_eq!(desk.keep("same-3", "2").await, StatusCode::SEE_OTHER);
    let text = page(&mut desk.mira, "?show=all&kind=exact").await;
    assert!(!text.contains("none stands"), "{text}");
    assert!(
        text.contains("<span class=\"tag\">one stands with the next release</span>"),
        "{text}"
    );
    // It is said of the one that was kept, beside the two that were rejected.
    let heads = text.split("<th scope=\"col\">").skip(1);
    let said: Vec<bool> = heads
        .map(|head| head.split("</th>").next().unwrap())
        .map(|head| head.contains("stands with the next release"))
        .collect();
    assert_eq!(said.iter().filter(|s| **s).count(), 1, "{text}");
    let kept = text
        .split("stands with the next release</span></th>")
        .next()
        .unwrap();
    let kept = kept.rsplit("<th scope=\"col\">").next().unwrap();
    assert!(kept.contains(&desk.id("same-3")), "{kept}");
    let decisions = desk.mira.get("/datasets/photos/decisions").await;
    assert!(decisions.text().contains("reject (2 samples)"));
    assert!(audit::verify(&desk.site.app.db).await.unwrap().is_ok());
}

#[tokio::test]
async fn who_may_not_and_what_cannot_be_kept() {
    let mut desk = Desk::new().await;
    page(&mut desk.mira, "").await;
    let id = desk.id("near-1");
    let (alone, refused) = (desk.id("alone"), desk.id("refused"));
    let fields = |keep: &str, kind: &str, within: &str, others: &str| {
        [
            ("keep", keep),
            ("kind", kind),
            ("within", within),
            ("others", others),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
    };
    for (keep, kind, within, others, status) in [
        (id.as_str(), "all", "6", "2", 409),
        (&id, "all", "6", "0", 409),
        (&id, "exact", "6", "1", 409),
        (&id, "all", "2", "1", 409),
        (&alone, "all", "6", "1", 409),
        (&refused, "all", "6", "1", 409),
        (&id, "some", "6", "1", 400),
        (&id, "all", "7", "1", 400),
        (&id, "all", "-1", "1", 400),
        (&id, "all", "6", "x", 422),
        ("x", "all", "6", "1", 404),
        (&"0".repeat(32), "all", "6", "1", 404),
    ] {
        let fields = fields(keep, kind, within, others);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let answer = desk.mira.post(KEEP, &fields).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{fields:?}: {}",
            answer.text()
        );
    }
    let good = fields(&id, "all", "6", "1");
    let good: Vec<(&str, &str)> = good.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    // Without the form's secret, without an account, and as everybody else.
    assert_eq!(
        desk.mira.post_raw(KEEP, &good).await.status,
        StatusCode::FORBIDDEN
    );
    let answer = desk.site.visitor().post(KEEP, &good).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.to().starts_with("/login"), "{}", answer.to());
    for (name, role, dataset) in [
        ("olaf", Role::Curator, Some("other")),
        ("rhea", Role::Researcher, None),
        ("pia", Role::Participant, None),
        ("hana", Role::Host, None),
    ] {
        let mut member = desk.site.member(name, &[(role, dataset)]).await;
        let text = page(&mut member, "").await;
        assert!(!text.contains("Keep this one"), "{name}");
        let answer = member.post(KEEP, &good).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
    assert!(page(&mut desk.mira, "").await.contains("Keep this one"));
    let none = desk
        .mira
        .post("/datasets/nothing/duplicates/keep", &good)
        .await;
    assert!(none.status == StatusCode::FORBIDDEN || none.status == StatusCode::NOT_FOUND);
    let answer = desk.mira.ask(Method::GET, KEEP, &[], "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    // Nothing was decided by any of it; and one is sent on to our own pages only.
    let decisions = desk.mira.get("/datasets/photos/decisions").await;
    assert!(decisions.text().contains("Nothing stands decided"));
    let away = [good.as_slice(), &[("next", "https://elsewhere.example/")]].concat();
    let answer = desk.mira.post(KEEP, &away).await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, PAGE));
}

#[tokio::test]
async fn addresses_that_make_no_sense_are_refused() {
    let mut desk = Desk::new().await;
    let text = page(&mut desk.mira, "?show=all").await;
    assert!(!text.contains("<i>near"), "{text}");
    for query in [
        "kind=fuzzy",
        "within=5",
        "within=64",
        "within=x",
        "show=%3Cscript%3E",
        "page=-1",
        "page=x",
        "colour=red",
        "region=Africa",
    ] {
        let answer = desk.mira.get(&format!("{PAGE}?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(!answer.text().contains("<script>"), "{query}");
    }
    for query in ["page=0", "page=2", "page=99999999999999999999999"] {
        let answer = desk.mira.get(&format!("{PAGE}?{query}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{query}");
    }
    let none = desk.mira.get("/datasets/photos/9.0.0/duplicates").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_was_withdrawn_is_in_no_cluster() {
    let site = Site::new().await;
    let mut samples = rows();
    samples[1].add_reason(Reason::Withdrawn);
    crate::support::publish(&site.layout, release(samples));
    let text = page(&mut site.visitor(), "?show=all").await;
    same(&text, &[]);
}
