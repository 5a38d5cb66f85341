//! Whoever withdraws is gone from everywhere, and stays so.

use fairframe_schemas::recall::RecallEntry;

use super::*;

const GIVEN: (&str, &str) = ("ConsentGiven", "2026-01-01T00:00:00Z");
const WITHDRAWN: (&str, &str) = ("ConsentWithdrawn", "2026-02-01T00:00:00Z");
/// Between the moments of two runs.
const LATER: (&str, &str) = ("ConsentWithdrawn", "2026-06-15T00:00:00Z");
const JUNE: &str = "2026-06-01T00:00:00Z";
const JULY: &str = "2026-07-01T00:00:00Z";

fn name() -> Name {
    Name::new("test").unwrap()
}

impl House {
    /// A drop whose media are fetched; describing them fails, which does not matter here.
    fn media_drop(&self, rows: &[&str]) -> Declared {
        let mut source = self.drop("a", rows);
        source.text = source.text.replace("media = false", "media = true");
        source.toml = SourceToml::parse(&source.text).unwrap();
        source
    }

    /// Puts a file into the drop; its digest.
    fn file(&self, name: &str, says: &str) -> Digest {
        let bytes = [b"\xff\xd8\xff\xe0", says.as_bytes()].concat();
        fs::write(self.path(&format!("a/{name}")), &bytes).unwrap();
        Digest::of(&bytes)
    }

    fn store(&self) -> Store {
        Store::open(&self.layout()).unwrap()
    }

    /// Makes every ingest fail where it would write its first release.
    fn block(&self) -> PathBuf {
        let at = self.layout().release(&name(), DatasetVersion::FIRST);
        let blocked = at.with_file_name(".tmp-1.0.0");
        fs::create_dir_all(blocked.parent().unwrap()).unwrap();
        fs::write(&blocked, "in the way").unwrap();
        blocked
    }

    fn published(&self) -> RecallList {
        let list = crate::recall::read_published(&self.layout(), &name());
        list.unwrap().unwrap()
    }

    /// Whether the journal's file says a digest anywhere.
    fn journal_says(&self, digest: &Digest) -> bool {
        let journal = fs::read(self.layout().journal(&name())).unwrap();
        let hex = digest.to_string();
        journal.windows(hex.len()).any(|w| w == hex.as_bytes())
            || journal.windows(32).any(|w| w == digest.as_bytes())
    }
}

fn digests_of(list: &RecallList, key: &str) -> Vec<Digest> {
    let id = SampleId::new("a", key);
    let of = list.entries.iter().filter(|e| e.sample_id == id);
    of.filter_map(|e| e.media_sha256).collect()
}

#[test]
fn every_digest_a_sample_ever_had_is_recalled() {
    let house = House::new();
    let source = house.media_drop(&["1.jpg,person-a", "2.jpg,", "3.jpg,"]);
    let sources = std::slice::from_ref(&source);
    house.consent("a", "person-a", &[GIVEN]);
    let mut had = Vec::new();
    let other = house.file("3.jpg", "other");
    for says in ["first", "the second", "and the third"] {
        had.push(house.file("1.jpg", says));
        // Somebody else keeps the first bytes; they show the same person.
        if had.len() == 1 {
            house.file("2.jpg", says);
        }
        assert!(house.version(sources).1);
    }
    let there = crate::recall::versions(&house.layout(), &name()).unwrap();
    let last = *there.last().unwrap();
    let store = house.store();
    assert!(had.iter().all(|d| store.contains(d)));
    let part = store.partial(SampleId::new("a", "1.jpg"));
    fs::write(&part, "a part").unwrap();

    house.consent("a", "person-a", &[GIVEN, WITHDRAWN]);
    let (version, written) = house.version(sources);
    assert!(written);
    let after: DatasetVersion = version.parse().unwrap();
    assert_eq!(after, last.after(Change::Major));
    let list = house.recall(&version);
    had.sort();
    assert_eq!(digests_of(&list, "1.jpg"), had);
    assert_eq!(house.rows(&version)["a/2.jpg"].status, Status::Withdrawn);
    assert!(had.iter().all(|d| !store.contains(d)) && store.contains(&other));
    assert!(!part.exists());
    assert!(had.iter().all(|d| !house.journal_says(d)) && house.journal_says(&other));
    assert_eq!(house.version(sources), (version, false));
    assert_eq!(house.published(), list);
}

#[test]
fn bytes_that_were_never_released_go_too() {
    let house = House::new();
    let source = house.media_drop(&["1.jpg,person-a", "2.jpg,"]);
    let sources = std::slice::from_ref(&source);
    house.consent("a", "person-a", &[GIVEN]);
    let (gone, other) = (house.file("1.jpg", "person"), house.file("2.jpg", "none"));
    let blocked = house.block();
    house.ingest_at(sources, JUNE).unwrap_err();
    let store = house.store();
    assert!(store.contains(&gone) && store.contains(&other));
    let thumbnail = house.layout().thumbnail(&gone);
    fs::create_dir_all(thumbnail.parent().unwrap()).unwrap();
    fs::write(&thumbnail, "small").unwrap();

    house.consent("a", "person-a", &[GIVEN, LATER]);
    fs::remove_file(blocked).unwrap();
    let outcome = house.ingest_at(sources, JULY).unwrap();
    assert_eq!(outcome.version, DatasetVersion::FIRST);
    assert_eq!(outcome.summary.as_of, JULY.parse::<Timestamp>().unwrap());
    let row = &house.rows("1.0.0")["a/1.jpg"];
    assert_eq!(row.reasons, [Reason::ConsentWithdrawn], "never released");
    assert!(!store.contains(&gone) && store.contains(&other) && !thumbnail.exists());
    assert!(!house.journal_says(&gone) && house.journal_says(&other));
    // They are on the list, so that they do not come in under another name.
    assert_eq!(digests_of(&house.recall("1.0.0"), "1.jpg"), [gone]);
    house.file("4.jpg", "person");
    let more = house.media_drop(&["1.jpg,person-a", "2.jpg,", "4.jpg,"]);
    let outcome = house.ingest_at(&[more], JULY).unwrap();
    let row = &house.rows(&outcome.version.to_string())["a/4.jpg"];
    assert_eq!(row.status, Status::Withdrawn);
    assert!(!store.contains(&gone));
}

#[test]
fn a_continued_run_keeps_its_moment_unless_consents_moved() {
    let house = House::new();
    let source = house.drop("a", &["1.jpg,person-a"]);
    let sources = std::slice::from_ref(&source);
    house.consent("a", "person-a", &[GIVEN]);
    let blocked = house.block();
    house.ingest_at(sources, JUNE).unwrap_err();
    fs::remove_file(&blocked).unwrap();
    let outcome = house.ingest_at(sources, JULY).unwrap();
    assert_eq!(outcome.summary.as_of, JUNE.parse::<Timestamp>().unwrap());
    assert_eq!(house.rows("1.0.0")["a/1.jpg"].status, Status::Accepted);
}

#[test]
fn a_run_killed_after_its_release_was_there_does_not_hide_a_withdrawal() {
    let house = House::new();
    let source = house.drop("a", &["1.jpg,person-a"]);
    let sources = std::slice::from_ref(&source);
    house.consent("a", "person-a", &[GIVEN]);
    assert_eq!(house.version(sources), is("1.0.0", true));
    let unfinish = || {
        let db = rusqlite::Connection::open(house.layout().journal(&name())).unwrap();
        let run = "UPDATE run SET finished = 0, prior = NULL";
        assert_eq!(db.execute(run, []).unwrap(), 1);
    };
    unfinish();
    assert_eq!(house.version(sources), is("1.0.0", false));
    unfinish();
    house.consent("a", "person-a", &[GIVEN, WITHDRAWN]);
    assert_eq!(house.version(sources), is("2.0.0", true));
    assert_eq!(house.rows("2.0.0")["a/1.jpg"].status, Status::Withdrawn);
}

#[test]
fn a_deleted_release_does_not_shorten_the_published_list() {
    let house = House::new();
    let source = house.drop("a", &["1.jpg,person-a", "2.jpg,"]);
    let sources = std::slice::from_ref(&source);
    house.consent("a", "person-a", &[GIVEN]);
    house.version(sources);
    house.consent("a", "person-a", &[GIVEN, WITHDRAWN]);
    assert_eq!(house.version(sources), is("2.0.0", true));
    let list = house.published();
    assert_eq!(list.entries.len(), 1);
    let delete = |version: &str| {
        let folder = house.layout().release(&name(), version.parse().unwrap());
        fs::remove_dir_all(folder).unwrap();
    };

    // The record is lost with it; the list still holds.
    house.consent("a", "person-a", &[GIVEN]);
    delete("2.0.0");
    assert_eq!(house.version(sources), is("2.0.0", true));
    assert_eq!(house.rows("2.0.0")["a/1.jpg"].status, Status::Withdrawn);
    assert_eq!(house.published().entries, list.entries);
    delete("1.0.0");
    delete("2.0.0");
    assert_eq!(house.version(sources), is("1.0.0", true));
    assert_eq!(house.rows("1.0.0")["a/1.jpg"].status, Status::Withdrawn);
    assert_eq!(house.recall("1.0.0").entries, list.entries);

    let path = house.layout().recall(&name());
    for (bad, says) in [
        ("{", "put back the `recall.json`"),
        (
            r#"{"dataset":"other","recall_version":0,"entries":[]}"#,
            "`other`",
        ),
    ] {
        fs::write(&path, bad).unwrap();
        let error = house.ingest(sources).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), bad, "left as it is");
    }
}

#[test]
fn a_withdrawal_that_reaches_nobody_stops_the_ingest() {
    let house = House::new();
    let source = house.drop("a", &["1.jpg,person-a", "2.jpg,"]);
    let sources = std::slice::from_ref(&source);
    // A consent of somebody else is said and no more.
    house.consent("a", "perso-a", &[GIVEN]);
    assert_eq!(house.version(sources), is("1.0.0", true));
    house.consent("a", "perso-a", &[GIVEN, WITHDRAWN]);
    let error = house.ingest(sources).unwrap_err();
    assert!(matches!(error, IngestError::Unreached { .. }), "{error}");
    let said = error.to_string();
    for word in [
        "record.json",
        "`perso-a`",
        "`person-a` is near",
        "source `a`",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    // So does one that cannot even be read, but for whose it is.
    let record = house.path("a/consents/record.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("\"language\"", "\"tongue\"")).unwrap();
    let error = house.ingest(sources).unwrap_err();
    assert!(matches!(error, IngestError::Unreached { .. }), "{error}");

    // Put right in the record or in the table, it counts, without `--restart`.
    fs::write(&record, text).unwrap();
    let corrected = house.drop("a", &["1.jpg,perso-a", "2.jpg,"]);
    assert_eq!(house.version(&[corrected]), is("2.0.0", true));
    assert_eq!(house.rows("2.0.0")["a/1.jpg"].status, Status::Withdrawn);
    // Once withdrawn, the file may leave the drop, and the record stay.
    let less = house.drop("a", &["2.jpg,"]);
    let sources = std::slice::from_ref(&less);
    assert_eq!(house.version(sources), is("2.0.0", false));
    let more = house.drop("a", &["2.jpg,", "3.jpg,"]);
    assert_eq!(house.version(&[more]), is("2.1.0", true));
    let more = house.drop("a", &["2.jpg,", "3.jpg,", "4.jpg,"]);
    assert_eq!(house.version(&[more]), is("2.2.0", true));
}

/// Who gave a picture is known by the record it names alone, which no release holds.
#[test]
fn a_withdrawal_reaches_what_is_no_longer_listed() {
    let house = House::new();
    let source = house.drop("a", &[]);
    let table = |rows: &str| {
        let text = format!("file,consent,licence\n{rows}");
        fs::write(house.path("a/contributions.csv"), text).unwrap();
    };
    let sources = std::slice::from_ref(&source);
    house.consent("a", "giver", &[GIVEN]);
    table("1.jpg,example-consent-a,CC-BY-4.0\n2.jpg,,CC-BY-4.0\n");
    assert_eq!(house.version(sources), is("1.0.0", true));
    assert_eq!(house.rows("1.0.0")["a/1.jpg"].status, Status::Accepted);
    table("2.jpg,,CC-BY-4.0\n");
    assert_eq!(house.version(sources), is("2.0.0", true));
    assert_eq!(house.rows("2.0.0")["a/1.jpg"].status, Status::Rejected);
    table("2.jpg,,CC-BY-4.0\n3.jpg,,CC-BY-4.0\n");
    assert_eq!(house.version(sources), is("2.1.0", true));
    house.consent("a", "giver", &[GIVEN, WITHDRAWN]);
    assert_eq!(house.version(sources), is("3.0.0", true));
    let row = &house.rows("3.0.0")["a/1.jpg"];
    assert!(row.reasons.contains(&Reason::ConsentWithdrawn), "{row:?}");
    assert!(house.published().samples().contains(&row.sample_id));
}

#[test]
fn bytes_that_another_dataset_recalls_are_nobodys_here_either() {
    let house = House::new();
    let source = house.media_drop(&["1.jpg,", "2.jpg,"]);
    let shared = house.file("1.jpg", "shared");
    let own = house.file("2.jpg", "own");
    let mut list = RecallList::new(Name::new("elsewhere").unwrap());
    list.extend([RecallEntry {
        sample_id: SampleId::new("b", "x"),
        media_sha256: Some(shared),
        reason: Reason::ConsentWithdrawn,
        withdrawn_in: "2.0.0".parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
    }]);
    crate::recall::keep(&house.layout(), &list).unwrap();
    assert_eq!(house.version(&[source]), is("1.0.0", true));
    assert_eq!(house.rows("1.0.0")["a/1.jpg"].reasons, [Reason::Withdrawn]);
    let store = house.store();
    assert!(!store.contains(&shared) && store.contains(&own));
    assert_eq!(digests_of(&house.published(), "1.jpg"), [shared]);
}
