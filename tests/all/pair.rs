//! Pairs planned by the real binary over CREMA-D: 91 people and 7,442 names of clips, no media.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use crate::support::{datasets, fairframe, ok, text, tree};
use fairframe_corpus::pair::read;
use fairframe_schemas::{
    Reason, Status,
    corpus::{PairRow, Pairing},
};
use serde_json::{Value, json};

/// People who did not agree at first.
const SILENT: [u32; 3] = [1003, 1040, 1077];

struct House(tempfile::TempDir);

impl House {
    fn new() -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(house.path("cremad/consents")).unwrap();
        for (name, bytes) in tree(&datasets().join("cremad")) {
            fs::write(house.path("cremad").join(name), bytes).unwrap();
        }
        for person in (1001..=1091).filter(|p| !SILENT.contains(p)) {
            house.consent(person, &[]);
        }
        ok(fairframe(&house.path("data"))
            .args(["ingest", "--at", "2026-06-01T00:00:00Z"])
            .arg(house.path("cremad/source.toml")));
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The example record, of another person, with further events.
    fn consent(&self, person: u32, further: &[Value]) {
        let example = fs::read(datasets().join("actors/consents/person-a.json")).unwrap();
        let mut record: Value = serde_json::from_slice(&example).unwrap();
        record["record_id"] = format!("consent-{person}").into();
        record["pii_principal_id"] = person.to_string().into();
        let events = record["events"].as_array_mut().unwrap();
        events[1]["entity_id"] = person.to_string().into();
        events.extend_from_slice(further);
        let path = self.path(&format!("cremad/consents/{person}.json"));
        fs::write(path, record.to_string()).unwrap();
    }

    fn pair(&self, rule: &str, arguments: &[&str]) -> Pairing {
        let toml = format!(
            "dataset = \"fakes\"\nsource = \"fakes\"\n[split]\nseed = 7\n\
             [corpus]\nactors = \"cremad/source.toml\"\n\
             [corpus.pair]\nscene = [\"sentence\", \"emotion\"]\n\
             strata = [\"Sex\", \"Race\", \"Age\"]\nbands = {{ Age = [30, 50] }}\n{rule}\n"
        );
        fs::write(self.path("source.toml"), toml).unwrap();
        let mut command = fairframe(&self.path("data"));
        command.args(["pair", "--json", "--at", "2026-06-01T00:00:00Z"]);
        let said = ok(command.args(arguments).arg(self.path("source.toml"))).stdout;
        let said: Value = serde_json::from_slice(&said).unwrap();
        serde_json::from_value(said["pairing"].clone()).unwrap()
    }

    fn rows(&self) -> Vec<PairRow> {
        read(&self.path("data/corpora/fakes")).unwrap()
    }
}

#[test]
fn ten_thousand_pairs_of_cremad() {
    let house = House::new();
    let plan = house.pair("pairs = 10000", &[]);
    assert_eq!(plan.pairs.across, 10_000);
    assert_eq!(plan.splits.values().map(|s| s.subjects).sum::<u64>(), 88);
    // Whoever did not agree is in no pair; each of their clips is a row that says so.
    let rows = house.rows();
    let silent: BTreeSet<String> = SILENT.iter().map(u32::to_string).collect();
    let mut refused = 0;
    let mut split_of = BTreeMap::new();
    let mut sides = BTreeMap::new();
    for row in &rows {
        let Some((target, source)) = row.accepted() else {
            assert_eq!(row.reasons, [Reason::ConsentMissing]);
            assert!(silent.contains(row.target_subject.as_ref().unwrap()));
            refused += 1;
            continue;
        };
        assert_ne!(target, source);
        assert_eq!(row.scene, row.source_scene);
        assert_eq!(row.strata.len(), 3);
        for (subject, consents) in [
            (&row.target_subject, &row.target_consents),
            (&row.source_subject, &row.source_consents),
        ] {
            let subject = subject.clone().unwrap();
            assert!(!silent.contains(&subject));
            assert_eq!(*consents, [format!("consent-{subject}")]);
            let split = row.split.unwrap();
            assert_eq!(*split_of.entry(subject.clone()).or_insert(split), split);
            *sides.entry(subject).or_insert(0) += 1;
        }
    }
    assert_eq!(refused, plan.refused[&Reason::ConsentMissing]);
    assert!((200..300).contains(&refused), "{refused}");
    assert_eq!(rows.len() as u64, 20_000 + refused);
    // Nobody is left out for the sake of balance.
    assert_eq!(sides.len(), 88);

    // The same inputs give the same bytes.
    let bytes = tree(&house.path("data/corpora/fakes"));
    assert_eq!(house.pair("pairs = 10000", &[]), plan);
    assert!(tree(&house.path("data/corpora/fakes")) == bytes);

    // One takes it back, the silent agree: what stands stays, bit by bit.
    let back =
        json!({ "state": "ConsentWithdrawn", "time": "2026-05-01T00:00:00Z", "entity_id": "1001" });
    house.consent(1001, &[back]);
    SILENT.iter().for_each(|p| house.consent(*p, &[]));
    let more = house.pair("pairs = 11000", &["--extend"]);
    assert_eq!(more.pairs.across, 11_000);
    let after = house.rows();
    let mut fallen = 0;
    for (old, new) in rows.iter().zip(&after).take(20_000) {
        let with = [&old.target_subject, &old.source_subject];
        if with.iter().any(|s| s.as_deref() == Some("1001")) {
            assert_eq!((new.pair_id, new.status), (old.pair_id, Status::Withdrawn));
            assert_eq!(new.reasons, [Reason::ConsentWithdrawn]);
            fallen += 1;
        } else {
            let old_group = PairRow {
                split_group: old.split_group,
                ..new.clone()
            };
            assert_eq!(&old_group, old);
        }
    }
    assert!(fallen > 100, "{fallen}");
    assert_eq!(more.kept, 10_000 - fallen / 2);
    let accepted: Vec<_> = after.iter().filter(|r| r.accepted().is_some()).collect();
    let people: BTreeSet<_> = accepted.iter().flat_map(|r| &r.target_subject).collect();
    // Whoever agreed since is in pairs, and refused no more.
    assert!(silent.iter().all(|s| people.contains(s)));
    for row in after.iter().filter(|r| r.accepted().is_none()) {
        assert!(!silent.contains(row.target_subject.as_ref().unwrap()));
    }
    assert!(!people.contains(&"1001".to_owned()));
    // Both directions of each, still.
    let sides: BTreeSet<_> = accepted.iter().filter_map(|r| r.accepted()).collect();
    assert!(sides.iter().all(|(a, b)| sides.contains(&(*b, *a))));
}

#[test]
fn what_cannot_be_planned_says_why() {
    let house = House::new();
    let failed = |arguments: &[&str]| {
        let mut command = fairframe(&house.path("data"));
        let output = command.arg("pair").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let source = house.path("cremad/source.toml");
    let said = failed(&[source.to_str().unwrap()]);
    assert!(said.contains("it has no `[corpus]`"), "{said}");
    let corpus = house.path("source.toml");
    let toml =
        "dataset = \"fakes\"\nsource = \"fakes\"\n[corpus]\nactors = \"cremad/source.toml\"\n";
    fs::write(&corpus, toml).unwrap();
    // A release of the corpus would withdraw all videos that it does not list: the actors'.
    fs::write(
        &corpus,
        toml.replace("dataset = \"fakes\"", "dataset = \"cremad\""),
    )
    .unwrap();
    let said = failed(&[corpus.to_str().unwrap()]);
    assert!(
        said.contains("`cremad` is the dataset of its actors"),
        "{said}"
    );
    fs::write(&corpus, toml).unwrap();
    let said = failed(&["--extend", corpus.to_str().unwrap()]);
    assert!(said.contains("there is no plan to extend"), "{said}");
    fs::remove_dir_all(house.path("data")).unwrap();
    let said = failed(&[corpus.to_str().unwrap()]);
    assert!(said.contains("dataset `cremad` has no release"), "{said}");
}
