//! What curators decide, released.

use fairframe_schemas::{Decision, Pseudonym, Ruling, decision::PersonWithdrew};

use super::*;

impl House {
    /// Writes what curators decided, as the server does.
    fn decide(&self, decisions: &[(&str, Option<Ruling>)], withdrew: &[(&str, &str)]) {
        let name = Name::new("test").unwrap();
        let mut decided = Decided::none(name.clone());
        for (key, ruling) in decisions {
            let (source, key) = key.split_once('/').unwrap();
            decided.samples.push(Decision {
                sample_id: SampleId::new(source, key),
                ruling: *ruling,
                labels: ruling.is_none().then(|| vec!["tree".to_owned()]),
            });
        }
        decided.samples.sort_by_key(|d| d.sample_id);
        decided
            .withdrew
            .extend(withdrew.iter().map(|(source, subject)| PersonWithdrew {
                source: Name::new(source).unwrap(),
                subject_id: Pseudonym::new(subject).unwrap(),
                at: "2026-05-01T00:00:00Z".parse().unwrap(),
            }));
        let path = self.layout().decisions(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, serde_json::to_string(&decided).unwrap()).unwrap();
    }
}

/// A release of what is there, with what was decided: nothing is listed, the release says
/// it, withdrawals reach copies, and a ruling taken back is as if it had not been.
#[test]
fn decisions_are_released_without_listing_again() {
    let house = House::new();
    let given = ("ConsentGiven", "2026-01-01T00:00:00Z");
    let source = house.drop("a", &["1.jpg,person-a", "2.jpg,", "3.jpg,", "4.jpg,"]);
    house.consent("a", "person-a", &[given]);
    let sources = std::slice::from_ref(&source);
    let now = "2026-06-01T00:00:00Z";
    // Nothing was ever listed.
    let early = house.run(sources, now, Listing::AsListed);
    assert!(matches!(
        early,
        Err(IngestError::Journal(JournalError::NotListed(_)))
    ));
    assert_eq!(house.version(sources), ("1.0.0".to_owned(), true));

    // What the source has by now is another matter.
    fs::remove_file(house.path("a").join("contributions.csv")).unwrap();
    house.decide(
        &[
            ("a/2.jpg", Some(Ruling::Reject)),
            ("a/3.jpg", Some(Ruling::Withdraw)),
            ("a/4.jpg", None),
        ],
        &[("a", "person-a")],
    );
    let source = house.drop(
        "a",
        &["1.jpg,person-a", "2.jpg,", "3.jpg,", "4.jpg,", "5.jpg,"],
    );
    let sources = std::slice::from_ref(&source);
    let outcome = house.run(sources, now, Listing::AsListed).unwrap();
    assert_eq!(outcome.version.to_string(), "2.0.0");
    let found = verify(&outcome.folder, None).unwrap();
    assert!(found.is_sound(), "{:?}", found.problems);
    let rows = house.rows("2.0.0");
    assert_eq!(rows.len(), 4);
    assert_eq!(rows["a/1.jpg"].status, Status::Withdrawn);
    assert_eq!(rows["a/1.jpg"].reasons, [Reason::ConsentWithdrawn]);
    assert_eq!(rows["a/2.jpg"].reasons, [Reason::CuratorRejected]);
    assert_eq!(rows["a/2.jpg"].status, Status::Rejected);
    assert_eq!(rows["a/3.jpg"].status, Status::Withdrawn);
    assert_eq!(rows["a/4.jpg"].status, Status::Accepted);
    assert_eq!(rows["a/4.jpg"].labels[0].label, "tree");
    let recalled = house.recall("2.0.0").samples();
    let ids = [rows["a/1.jpg"].sample_id, rows["a/3.jpg"].sample_id];
    assert_eq!(recalled, ids.into());

    // Again: nothing new. Then the rejection is taken back; the withdrawals stay.
    assert!(!house.run(sources, now, Listing::AsListed).unwrap().written);
    house.decide(&[], &[]);
    let outcome = house.run(sources, now, Listing::AsListed).unwrap();
    assert_eq!(outcome.version.to_string(), "2.1.0");
    let rows = house.rows("2.1.0");
    assert_eq!(rows["a/2.jpg"].status, Status::Accepted);
    assert_eq!(rows["a/3.jpg"].status, Status::Withdrawn);
    assert_eq!(rows["a/1.jpg"].status, Status::Withdrawn);
    // A listing finds the new one, too.
    assert_eq!(house.version(sources), ("2.2.0".to_owned(), true));
    assert_eq!(house.rows("2.2.0").len(), 5);
}

#[test]
fn a_file_of_decisions_that_cannot_be_read_stops_the_ingest() {
    let house = House::new();
    let source = house.drop("a", &["1.jpg,"]);
    house.decide(&[("a/1.jpg", Some(Ruling::Reject))], &[]);
    let path = house.layout().decisions(&Name::new("test").unwrap());
    fs::write(&path, "{").unwrap();
    let error = house.ingest(&[source]).unwrap_err().to_string();
    assert!(
        error.contains("test.json") && error.contains("line 1"),
        "{error}"
    );
}
