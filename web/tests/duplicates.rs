//! Duplicates side by side, keeping one, and what stands in two splits.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use fairframe_ingest::verify::splits::verify_splits;
use fairframe_schemas::{
    Digest, MediaType, Reason, Sample, SampleId, Split, Status, source::About, version,
};
use fairframe_web::{
    browse::{Alike, Change, Index, Overlay, Scope, Shared, View, WITHIN},
    state::{accounts::Role, audit},
};
use support::{
    Release,
    site::{Browser, Site},
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
        support::publish(&site.layout, release(samples.clone()));
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
    assert!(
        text.contains("none stands"),
        "until the next release: {text}"
    );
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
async fn leaks_are_said_and_are_those_that_verify_finds() {
    let mut desk = Desk::new().await;
    let text = page(&mut desk.site.visitor(), "").await;
    let leaks = text
        .split("<ul class=\"plain-list leaks\">")
        .nth(1)
        .unwrap();
    let leaks = leaks.split("</ul>").next().unwrap();
    assert_eq!(leaks.matches("<li>").count(), 2, "{leaks}");
    assert!(
        leaks.contains("Subject") && leaks.contains("subject=p-01"),
        "{leaks}"
    );
    assert!(
        leaks.contains("Made from") && leaks.contains(&desk.id("clip")),
        "{leaks}"
    );
    assert!(leaks.contains("train (1 sample)") && leaks.contains("test (1 sample)"));
    page(&mut desk.mira, "").await;

    // `fairframe verify --splits` of the same rows as a list.
    let folder = tempfile::tempdir().unwrap();
    let mut list = String::from("video,split,original,subject_ids\n");
    let standing = desk.samples.iter().filter(|s| s.status == Status::Accepted);
    for s in standing {
        let parent = s.derived_from.first().map(SampleId::to_string);
        list.push_str(&format!(
            "{},{},{},{}\n",
            s.sample_id,
            s.split.unwrap(),
            parent.unwrap_or_default(),
            s.subject_ids.join("|")
        ));
    }
    let path = folder.path().join("list.csv");
    std::fs::write(&path, list).unwrap();
    let verified = verify_splits(&[path], None).unwrap();
    let counts: BTreeMap<&str, u64> = verified.counts.into_iter().collect();
    assert_eq!(
        counts,
        BTreeMap::from([("identity", 1), ("source-video", 1)])
    );

    // Without splits there is nothing to leak.
    let site = Site::new().await;
    let mut samples = rows();
    samples.iter_mut().for_each(|s| s.split = None);
    support::publish(&site.layout, release(samples));
    let text = page(&mut site.visitor(), "").await;
    assert!(
        text.contains("No sample of this release has a split"),
        "{text}"
    );
}

#[tokio::test]
async fn what_was_withdrawn_is_in_no_cluster() {
    let site = Site::new().await;
    let mut samples = rows();
    samples[1].add_reason(Reason::Withdrawn);
    support::publish(&site.layout, release(samples));
    let text = page(&mut site.visitor(), "?show=all").await;
    same(&text, &[]);
}

/// Clusters and leaks of rows drawn at random, against every pair compared.
#[test]
fn clusters_and_leaks_are_those_of_a_plain_walk() {
    let mut state = 7u64;
    let mut random = move |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % n
    };
    let mut rows: Vec<Sample> = (0..250)
        .map(|at| {
            let split = Split::ALL[random(3) as usize];
            let flips = (0..random(4)).fold(0, |bits, _| bits | 1u64 << random(64));
            let mut s = sample(&at.to_string(), far(random(40) as u32) ^ flips, split);
            if random(9) == 0 {
                s.media_sha256 = Some(Digest::of(&[random(6) as u8]));
            }
            if random(5) == 0 {
                s.subject_ids = vec![format!("p-{}", random(12))];
            }
            if random(6) == 0 {
                s.derived_from = vec![SampleId::new("drop", &random(250).to_string())];
            }
            if random(8) == 0 {
                s.split_group = Some(format!("g{}", random(5)));
            }
            if random(4) == 0 {
                s.media_type = MediaType::Video;
                s.duration_s = Some(random(3) as f64);
            }
            match random(12) {
                0 => s.add_reason(Reason::LicenceNotAllowed),
                1 => s.add_reason(Reason::DuplicateExact),
                2 => s.add_reason(Reason::PlaceContradiction),
                3 => s.add_reason(Reason::CuratorRejected),
                _ => {}
            }
            s
        })
        .collect();
    rows.sort_by_key(|s| (s.status != Status::Accepted, s.sample_id));
    let root = tempfile::tempdir().unwrap();
    let layout = fairframe_schemas::Layout::new(root.path());
    support::publish(&layout, release(rows.clone()));
    let name = fairframe_schemas::Name::new("photos").unwrap();
    let folder = layout.release(&name, support::version("1.0.0"));
    let index = Index::build(&folder, &BTreeSet::new()).unwrap();
    let nothing = Overlay::default();

    for scope in [Scope::Accepted, Scope::All] {
        let view = View::new(&index, scope, &nothing);
        let counts = |s: &&Sample| match scope {
            Scope::Accepted => s.status == Status::Accepted,
            Scope::All => {
                matches!(s.status, Status::Accepted | Status::Quarantined)
                    || s.reasons.contains(&Reason::DuplicateExact)
                    || s.reasons.contains(&Reason::CuratorRejected)
            }
        };
        let members: Vec<&Sample> = rows.iter().filter(counts).collect();
        let asked = [Alike::Exact].into_iter().chain(WITHIN.map(Alike::Near));
        for alike in asked {
            let together = |a: &Sample, b: &Sample| {
                let same = a.media_sha256 == b.media_sha256;
                let Alike::Near(within) = alike else {
                    return same;
                };
                let near = (a.perceptual_hash.unwrap() ^ b.perceptual_hash.unwrap()).count_ones();
                let plain = a.derived_from.is_empty() && b.derived_from.is_empty();
                let length = a.media_type == b.media_type && a.duration_s == b.duration_s;
                same || (plain && length && near <= within)
            };
            let mut label: Vec<usize> = (0..members.len()).collect();
            let mut moved = true;
            while moved {
                moved = false;
                for a in 0..members.len() {
                    for b in 0..members.len() {
                        if label[a] < label[b] && together(members[a], members[b]) {
                            label[b] = label[a];
                            moved = true;
                        }
                    }
                }
            }
            let mut expected: BTreeMap<usize, BTreeSet<SampleId>> = BTreeMap::new();
            for (at, s) in members.iter().enumerate() {
                expected.entry(label[at]).or_default().insert(s.sample_id);
            }
            let expected: BTreeSet<BTreeSet<SampleId>> =
                expected.into_values().filter(|c| c.len() > 1).collect();
            let found = view.clusters(alike);
            let found: BTreeSet<BTreeSet<SampleId>> = found
                .iter()
                .map(|c| c.iter().map(|row| index.id(*row)).collect())
                .collect();
            assert!(!expected.is_empty());
            assert_eq!(found, expected, "{scope:?} {alike:?}");
        }

        // Leaks: of what was accepted, whoever looks.
        let mut ties: BTreeMap<(Shared, String), BTreeMap<String, BTreeSet<SampleId>>> =
            BTreeMap::new();
        let accepted: Vec<&Sample> = rows
            .iter()
            .filter(|s| s.status == Status::Accepted)
            .collect();
        let parents: BTreeSet<SampleId> =
            rows.iter().flat_map(|s| s.derived_from.clone()).collect();
        for s in &accepted {
            let mut keys: Vec<(Shared, String)> = Vec::new();
            keys.extend(s.subject_ids.iter().map(|p| (Shared::Subject, p.clone())));
            keys.extend(
                s.derived_from
                    .iter()
                    .map(|p| (Shared::Parent, p.to_string())),
            );
            if parents.contains(&s.sample_id) {
                keys.push((Shared::Parent, s.sample_id.to_string()));
            }
            keys.extend(s.split_group.clone().map(|g| (Shared::SplitGroup, g)));
            keys.extend(s.media_sha256.map(|d| (Shared::Bytes, d.to_string())));
            for key in keys {
                let splits = ties.entry(key).or_default();
                let split = splits.entry(s.split.unwrap().to_string());
                split.or_default().insert(s.sample_id);
            }
        }
        type Counts = BTreeMap<String, u64>;
        let mut expected: Vec<(Shared, Counts)> = ties
            .into_iter()
            .filter(|(_, splits)| splits.len() > 1)
            .map(|((shared, _), splits)| {
                let counts = splits.into_iter().map(|(w, ids)| (w, ids.len() as u64));
                (shared, counts.collect())
            })
            .collect();
        let leaks = view.leaks();
        let mut found: Vec<(Shared, Counts)> = leaks
            .iter()
            .map(|leak| {
                let counts = leak
                    .splits
                    .iter()
                    .map(|(w, rows)| (w.clone(), rows.len() as u64));
                (leak.shared, counts.collect())
            })
            .collect();
        expected.sort();
        found.sort();
        assert!(!expected.is_empty());
        assert_eq!(found, expected, "{scope:?}");

        // What is withdrawn since takes its part in leaks with it.
        let gone = Change {
            status: Some(Status::Withdrawn),
            ..Change::default()
        };
        let first: Vec<u32> = leaks
            .iter()
            .flat_map(|l| l.splits.values().next().cloned())
            .flatten()
            .collect();
        let overlay = Overlay {
            revision: 1,
            changes: first
                .iter()
                .map(|row| (index.id(*row), gone.clone()))
                .collect(),
        };
        let left = View::new(&index, scope, &overlay).leaks();
        assert!(left.len() < leaks.len());
        let mut rows = left.iter().flat_map(|leak| leak.splits.values()).flatten();
        assert!(rows.all(|row| !first.contains(row)));
        assert!(left.iter().all(|leak| leak.splits.len() > 1));
    }
}
