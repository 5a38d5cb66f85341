//! What becomes of samples from one release to the next, on records without
//! media. With media, a real wiki and the real binary: `tests/all/mediawiki_ingest.rs`.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use fairframe_schemas::{Digest, Reason, Sample, SampleId, Status, recall::RecallList};
use serde_json::{Value, json};

mod decided;
mod withdrawals;

use super::*;
use crate::{manifest::ReleaseReader, reporter::Silent, test_server::TestServer, verify::verify};

const HEAD: &str = "dataset = \"test\"\n[policy]\nlicences = [\"CC-BY-4.0\"]\n\
    [fetch]\nmedia = false\nallow_private = [\"127.0.0.1\"]\n";

/// A data folder with drops beside it.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn layout(&self) -> Layout {
        Layout::new(self.path("data"))
    }

    /// A drop of records; `rows` are `file,subjects`.
    fn drop(&self, name: &str, rows: &[&str]) -> Declared {
        fs::create_dir_all(self.path(name).join("consents")).unwrap();
        let rows: String = rows.iter().map(|r| format!("{r},CC-BY-4.0\n")).collect();
        let table = format!("file,subjects,licence\n{rows}");
        fs::write(self.path(name).join("contributions.csv"), table).unwrap();
        self.declared(name, "[crowdsourced]\npath = \".\"\n")
    }

    fn declared(&self, name: &str, kind: &str) -> Declared {
        let text = format!("source = \"{name}\"\n{HEAD}{kind}");
        Declared {
            toml: SourceToml::parse(&text).unwrap(),
            text,
            file: self.path(name).join("source.toml"),
            folder: self.path(name),
        }
    }

    fn consent(&self, name: &str, subject: &str, events: &[(&str, &str)]) {
        let bundled =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/actors/consents/person-a.json");
        let mut record: Value =
            serde_json::from_str(&fs::read_to_string(bundled).unwrap()).unwrap();
        record["pii_principal_id"] = subject.into();
        let event = |(state, time): &(&str, &str)| json!({ "state": state, "time": time, "entity_id": subject, "event_type": "ExplicitlyExpressedConsent" });
        record["events"] = events.iter().map(event).collect();
        let path = self.path(name).join("consents/record.json");
        fs::write(path, record.to_string()).unwrap();
    }

    fn ingest(&self, sources: &[Declared]) -> Result<Outcome, IngestError> {
        self.ingest_at(sources, "2026-06-01T00:00:00Z")
    }

    fn ingest_at(&self, sources: &[Declared], now: &str) -> Result<Outcome, IngestError> {
        self.run(sources, now, Listing::Anew)
    }

    fn run(
        &self,
        sources: &[Declared],
        now: &str,
        listing: Listing,
    ) -> Result<Outcome, IngestError> {
        let settings = Settings {
            layout: self.layout(),
            sources: sources.to_vec(),
            as_of: None,
            now: now.parse().unwrap(),
            restart: false,
            listing,
            // Most tests fetch nothing; where one does, describing fails.
            worker: WorkerCommand {
                program: "false".into(),
                arguments: Vec::new(),
            },
            parallel: 1,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        // A decoder being started holds whatever locks this process holds until it is
        // another program, those of other tests too.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        runtime.block_on(run(&settings, &Silent))
    }

    /// Ingests; the version and whether it is new. The release is sound.
    fn version(&self, sources: &[Declared]) -> (String, bool) {
        let outcome = self.ingest(sources).unwrap();
        let found = verify(&outcome.folder, None).unwrap();
        assert!(found.is_sound(), "{:?}", found.problems);
        (outcome.version.to_string(), outcome.written)
    }

    /// The rows of a release by source and key.
    fn rows(&self, version: &str) -> BTreeMap<String, Sample> {
        let name = Name::new("test").unwrap();
        let folder = self.layout().release(&name, version.parse().unwrap());
        let reader = ReleaseReader::open(&folder).unwrap();
        let rows = reader.accepted().chain(reader.excluded());
        rows.flat_map(Result::unwrap)
            .map(|s| (format!("{}/{}", s.source, s.source_key), s))
            .collect()
    }

    /// Status and reasons of each row of a release.
    fn stands(&self, version: &str) -> Vec<(String, Status, Vec<Reason>)> {
        let rows = self.rows(version).into_iter();
        rows.map(|(key, s)| (key, s.status, s.reasons)).collect()
    }

    fn recall(&self, version: &str) -> RecallList {
        let name = Name::new("test").unwrap();
        let folder = self.layout().release(&name, version.parse().unwrap());
        crate::recall::read_list(&folder.join("recall.json")).unwrap()
    }
}

fn is(version: &str, written: bool) -> (String, bool) {
    (version.to_owned(), written)
}

fn stands(key: &str, status: Status, reasons: &[Reason]) -> (String, Status, Vec<Reason>) {
    (key.to_owned(), status, reasons.to_vec())
}

#[test]
fn what_is_no_longer_listed_stays_with_a_reason_and_may_come_back() {
    let house = House::new();
    let both = |h: &House| h.drop("a", &["1.jpg,", "2.jpg,"]);
    assert_eq!(house.version(&[both(&house)]), is("1.0.0", true));
    let one = house.drop("a", &["1.jpg,"]);
    assert_eq!(house.version(std::slice::from_ref(&one)), is("2.0.0", true));
    let expected = [
        stands("a/1.jpg", Status::Accepted, &[]),
        stands("a/2.jpg", Status::Rejected, &[Reason::UpstreamUnlisted]),
    ];
    assert_eq!(house.stands("2.0.0"), expected);
    assert!(house.recall("2.0.0").entries.is_empty(), "not a withdrawal");
    assert_eq!(house.version(&[one]), is("2.0.0", false));
    assert_eq!(house.version(&[both(&house)]), is("2.1.0", true));
    assert!(
        house
            .stands("2.1.0")
            .iter()
            .all(|s| s.1 == Status::Accepted)
    );
}

#[test]
fn a_source_that_cannot_be_listed_changes_nothing() {
    let house = House::new();
    let sources = [
        house.drop("a", &["1.jpg,"]),
        house.drop("b", &["2.jpg,", "3.jpg,"]),
    ];
    assert_eq!(house.version(&sources), is("1.0.0", true));
    let table = house.path("b/contributions.csv");
    let good = fs::read(&table).unwrap();
    for bad in [&b""[..], b"no,such,columns\n1,2,3\n"] {
        fs::write(&table, bad).unwrap();
        house.ingest(&sources).unwrap_err();
    }
    fs::remove_file(&table).unwrap();
    house.ingest(&sources).unwrap_err();
    let name = Name::new("test").unwrap();
    let there = Versions::of(&house.layout().dataset(&name)).unwrap();
    assert_eq!(there.versions.len(), 1);
    fs::write(&table, good).unwrap();
    assert_eq!(house.version(&sources), is("1.0.0", false));
}

#[test]
fn samples_of_a_source_that_is_no_longer_given_are_set_aside() {
    let house = House::new();
    let (a, b) = (house.drop("a", &["1.jpg,"]), house.drop("b", &["2.jpg,"]));
    let both = [a.clone(), b];
    assert_eq!(house.version(&both), is("1.0.0", true));
    // Without its records nobody knows of a withdrawal: not accepted, not recalled.
    assert_eq!(house.version(std::slice::from_ref(&a)), is("2.0.0", true));
    let expected = [
        stands("a/1.jpg", Status::Accepted, &[]),
        stands("b/2.jpg", Status::Rejected, &[Reason::UpstreamUnlisted]),
    ];
    assert_eq!(house.stands("2.0.0"), expected);
    assert!(house.recall("2.0.0").entries.is_empty());
    assert_eq!(house.version(&[a]), is("2.0.0", false));
    assert_eq!(house.version(&both), is("2.1.0", true));
}

#[test]
fn what_was_recalled_stays_withdrawn() {
    let house = House::new();
    let given = ("ConsentGiven", "2026-01-01T00:00:00Z");
    let withdrawn = ("ConsentWithdrawn", "2026-02-01T00:00:00Z");
    let again = ("ConsentGiven", "2026-03-01T00:00:00Z");
    let source = house.drop("a", &["1.jpg,person-a", "2.jpg,"]);
    let sources = std::slice::from_ref(&source);
    house.consent("a", "person-a", &[given]);
    assert_eq!(house.version(sources), is("1.0.0", true));
    assert_eq!(house.rows("1.0.0")["a/1.jpg"].status, Status::Accepted);

    house.consent("a", "person-a", &[given, withdrawn]);
    assert_eq!(house.version(sources), is("2.0.0", true));
    let row = &house.rows("2.0.0")["a/1.jpg"];
    assert_eq!(row.reasons, [Reason::ConsentWithdrawn]);
    assert!(row.subject_ids.is_empty(), "nothing about the person");
    let list = house.recall("2.0.0");
    assert_eq!((list.recall_version, list.entries.len()), (1, 1));

    // Consent is given again: the id is on the list of every copy.
    house.consent("a", "person-a", &[given, withdrawn, again]);
    house.version(sources);
    assert_eq!(house.rows("2.0.1")["a/1.jpg"].status, Status::Withdrawn);
    assert_eq!(house.recall("2.0.1"), list);

    // No longer listed: it stays as it was.
    let less = house.drop("a", &["2.jpg,"]);
    let before = house.rows("2.0.1");
    assert_eq!(
        house.version(std::slice::from_ref(&less)),
        is("2.0.1", false)
    );
    assert_eq!(house.rows("2.0.1"), before);
    // The row with it, for another sample's sake.
    let more = house.drop("a", &["2.jpg,", "3.jpg,"]);
    assert_eq!(house.version(&[more]), is("2.1.0", true));
    assert_eq!(house.rows("2.1.0")["a/1.jpg"], before["a/1.jpg"]);
    assert_eq!(house.recall("2.1.0"), list);
}

/// Bytes that two samples share go with the one whose subject withdraws: copies
/// remove them whoever holds them. Neither was accepted, and yet it is MAJOR.
#[test]
fn recalled_bytes_are_nobodys_and_are_forgotten() {
    let house = House::new();
    let given = ("ConsentGiven", "2026-01-01T00:00:00Z");
    let withdrawn = ("ConsentWithdrawn", "2026-02-01T00:00:00Z");
    let mut source = house.drop("a", &["1.jpg,person-a", "2.jpg,", "3.jpg,"]);
    source.text = source.text.replace("media = false", "media = true");
    source.toml = SourceToml::parse(&source.text).unwrap();
    for (name, bytes) in [("1", "shared"), ("2", "shared"), ("3", "other")] {
        let bytes = [b"\xff\xd8\xff\xe0", bytes.as_bytes()].concat();
        fs::write(house.path(&format!("a/{name}.jpg")), bytes).unwrap();
    }
    let sources = std::slice::from_ref(&source);
    house.consent("a", "person-a", &[given]);
    assert_eq!(house.version(sources), is("1.0.0", true));
    let before = house.rows("1.0.0");
    let digest = before["a/1.jpg"].media_sha256.unwrap();
    let other = before["a/3.jpg"].media_sha256.unwrap();
    assert_eq!(before["a/2.jpg"].media_sha256, Some(digest));
    assert_eq!(before["a/2.jpg"].status, Status::Failed);

    house.consent("a", "person-a", &[given, withdrawn]);
    assert_eq!(house.version(sources), is("2.0.0", true));
    let after = house.rows("2.0.0");
    assert_eq!(after["a/1.jpg"].reasons, [Reason::ConsentWithdrawn]);
    assert_eq!(after["a/2.jpg"].reasons, [Reason::Withdrawn]);
    assert_eq!(after["a/2.jpg"].media_sha256, None, "scrubbed");
    assert_eq!(after["a/3.jpg"], before["a/3.jpg"]);
    let list = house.recall("2.0.0");
    let recalled = list.entries.iter().map(|e| e.media_sha256);
    assert_eq!(recalled.collect::<Vec<_>>(), [Some(digest); 2]);

    let name = Name::new("test").unwrap();
    let release = |v: &str| house.layout().release(&name, v.parse().unwrap());
    let found = crate::diff::diff(&release("1.0.0"), &release("2.0.0")).unwrap();
    assert_eq!((found.change(), found.removed.len()), (Change::Major, 2));

    let store = Store::open(&house.layout()).unwrap();
    assert!(!store.contains(&digest) && store.contains(&other));
    let path = house.layout().journal(&name);
    let journal = fs::read(&path).unwrap();
    let says = |digest: &Digest| {
        let hex = digest.to_string();
        journal.windows(hex.len()).any(|w| w == hex.as_bytes())
    };
    assert!(!says(&digest) && says(&other));
    assert_eq!(house.version(sources), is("2.0.0", false));

    // The bytes come back under another name.
    let bytes = fs::read(house.path("a/1.jpg")).unwrap();
    fs::write(house.path("a/4.jpg"), bytes).unwrap();
    house.drop("a", &["1.jpg,person-a", "2.jpg,", "3.jpg,", "4.jpg,"]);
    assert_eq!(house.version(sources), is("3.0.0", true));
    assert_eq!(house.rows("3.0.0")["a/4.jpg"].reasons, [Reason::Withdrawn]);
    assert!(!store.contains(&digest));
    assert_eq!(house.version(sources), is("3.0.0", false));
}

#[test]
fn time_does_not_go_back() {
    let house = House::new();
    let source = house.drop("a", &["1.jpg,"]);
    let sources = std::slice::from_ref(&source);
    assert_eq!(house.version(sources), is("1.0.0", true));
    let error = house
        .ingest_at(sources, "2026-05-31T23:59:59Z")
        .unwrap_err();
    assert!(matches!(error, IngestError::Back { .. }));
    let said = error.to_string();
    let told = ["2026-06-01T00:00:00Z", "2026-05-31T23:59:59Z", "--at"];
    assert!(told.iter().all(|t| said.contains(t)), "{said}");
    // The refused run left nothing behind that the next would have to continue.
    assert_eq!(house.version(sources), is("1.0.0", false));
    house.ingest_at(sources, "2026-06-02T00:00:00Z").unwrap();
}

#[test]
fn a_damaged_recall_list_stops_the_next_ingest() {
    let house = House::new();
    let source = house.drop("a", &["1.jpg,"]);
    let outcome = house.ingest(std::slice::from_ref(&source)).unwrap();
    fs::write(outcome.folder.join("recall.json"), "{").unwrap();
    let error = house.ingest(&[source]).unwrap_err();
    assert!(error.to_string().contains("not a recall list"), "{error}");
}

/// A wiki on loopback: pages that it lists, that it has without listing them,
/// and whether it answers questions about single pages.
#[derive(Default)]
struct Wiki {
    listed: Vec<u64>,
    unlisted: Vec<u64>,
    down: bool,
}

fn page(id: u64) -> Value {
    json!({ "pageid": id, "ns": 6, "title": format!("File:{id}.jpg"), "imageinfo": [{
        "url": format!("http://127.0.0.1/{id}.jpg"), "mediatype": "BITMAP", "mime": "image/jpeg",
        "extmetadata": { "License": { "value": "cc-by-4.0" }, "LicenseShortName": { "value": "CC BY 4.0" } },
    }] })
}

fn answer(wiki: &Wiki, question: &url::Url) -> Value {
    let asked: BTreeMap<String, String> = question.query_pairs().into_owned().collect();
    let Some(ids) = asked.get("pageids") else {
        let pages: Vec<Value> = wiki.listed.iter().map(|id| page(*id)).collect();
        return json!({ "batchcomplete": true, "query": { "pages": pages } });
    };
    if wiki.down {
        return json!({ "error": { "code": "internal", "info": "down" } });
    }
    let ids = ids.split('|').map(|id| id.parse().unwrap());
    let pages: Vec<Value> = ids
        .map(
            |id| match wiki.listed.contains(&id) || wiki.unlisted.contains(&id) {
                true => page(id),
                false => json!({ "pageid": id, "missing": true }),
            },
        )
        .collect();
    json!({ "batchcomplete": true, "query": { "pages": pages } })
}

#[test]
fn a_wiki_is_asked_what_became_of_pages_it_no_longer_lists() {
    let wiki = Arc::new(Mutex::new(Wiki {
        listed: vec![1, 2, 3, 4],
        ..Wiki::default()
    }));
    let server = TestServer::start({
        let wiki = wiki.clone();
        move |asked, out| {
            let url = url::Url::parse("http://wiki").unwrap();
            let body = answer(&wiki.lock().unwrap(), &url.join(&asked.path).unwrap()).to_string();
            let json = [("Content-Type", "application/json")];
            out.answer("200 OK", &json, body.as_bytes());
        }
    });
    let house = House::new();
    let api = server.url("/api.php");
    let source = house.declared(
        "wiki",
        &format!("[wikimedia]\napi = \"{api}\"\ncategories = [\"A\"]\nstructured_data = false\n"),
    );
    let sources = [source];
    assert_eq!(house.version(&sources), is("1.0.0", true));
    assert_eq!(house.rows("1.0.0").len(), 4);

    // 2 and 3 are gone, 4 has left the category. The wiki fails in between:
    // the run is not finished, and the next one asks about all three.
    *wiki.lock().unwrap() = Wiki {
        listed: vec![1],
        unlisted: vec![4],
        down: true,
    };
    let error = house.ingest(&sources).unwrap_err();
    assert!(error.to_string().contains("internal"), "{error}");
    wiki.lock().unwrap().down = false;
    assert_eq!(house.version(&sources), is("2.0.0", true));
    let status = |version: &str, id: u64| house.rows(version)[&format!("wiki/{id}")].status;
    assert_eq!(status("2.0.0", 1), Status::Accepted);
    assert_eq!(status("2.0.0", 2), Status::Withdrawn);
    assert_eq!(status("2.0.0", 3), Status::Withdrawn);
    assert_eq!(status("2.0.0", 4), Status::Rejected);
    let deleted = |key: &str| SampleId::new("wiki", key);
    let recalled = |version: &str| -> BTreeMap<SampleId, Reason> {
        let entries = house.recall(version).entries.into_iter();
        entries.map(|e| (e.sample_id, e.reason)).collect()
    };
    let two = BTreeMap::from([
        (deleted("2"), Reason::UpstreamDeleted),
        (deleted("3"), Reason::UpstreamDeleted),
    ]);
    assert_eq!(recalled("2.0.0"), two);
    assert_eq!(house.version(&sources), is("2.0.0", false));

    // What left the category is deleted later; what was deleted is there again.
    *wiki.lock().unwrap() = Wiki {
        listed: vec![1, 2],
        ..Wiki::default()
    };
    assert_eq!(house.version(&sources), is("3.0.0", true));
    assert_eq!(status("3.0.0", 2), Status::Withdrawn);
    assert_eq!(status("3.0.0", 4), Status::Withdrawn);
    assert_eq!(recalled("3.0.0").len(), 3);
    let release = |v: &str| {
        let name = Name::new("test").unwrap();
        house.layout().release(&name, v.parse().unwrap())
    };
    let found = crate::diff::diff(&release("2.0.0"), &release("3.0.0")).unwrap();
    assert_eq!(found.change(), Change::Major);
    let removed: Vec<&SampleId> = found.removed.keys().collect();
    assert_eq!(removed, [&deleted("4")]);
}
