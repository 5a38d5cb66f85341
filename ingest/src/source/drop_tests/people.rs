//! Whom a drop shows: actors, their pseudonyms, their consents.

use super::*;

#[tokio::test]
async fn the_bundled_actors() {
    let mut source = ActorsSource::open(&bundled("actors"), &datasets("actors")).unwrap();
    assert_eq!(
        source.subjects().collect::<Vec<_>>(),
        ["person-a", "person-b", "person-c"]
    );
    let listed = all(&mut source).await;
    assert_eq!(listed.len(), 15);
    assert!(listed.iter().all(|l| l.sample.reasons.is_empty()
        && l.sample.media_type == MediaType::Video
        && l.sample.subject_ids.len() == 1
        && l.sample.licence.as_deref() == Some("CC-BY-4.0")));
    let walk = by_key(&listed, "clips/walk.mkv");
    assert_eq!(walk.sample.subject_ids, ["person-c"]);
    assert_eq!(walk.sample.title.as_deref(), Some("The sign for \"walk\""));
    assert_eq!(walk.sample.labels[0].label, "walk");
    assert_eq!(walk.expected.bytes, Some(250_749));
    // Nobody's attributes are invented.
    assert!(
        listed
            .iter()
            .all(|l| l.sample.subject_attributes.is_empty())
    );
}

#[tokio::test]
async fn cremad_by_list() {
    let mut source = ActorsSource::open(&bundled("cremad"), &datasets("cremad")).unwrap();
    assert_eq!(source.subjects().count(), 91);
    let first = source.next(None).await.unwrap().unwrap();
    assert_eq!(first.listed.len(), 1_000);
    let listed = all(&mut source).await;
    assert_eq!(listed.len(), 7_442);
    assert_eq!(listed[..1_000], first.listed);
    let clip = by_key(&listed, "VideoFlash/1001_DFA_ANG_XX.flv");
    assert_eq!(clip.media, MediaRef::None);
    assert_eq!(clip.expected.bytes, Some(265_922));
    assert!(
        clip.expected
            .sha256
            .unwrap()
            .to_string()
            .starts_with("10dc3fd1")
    );
    let s = &clip.sample;
    assert_eq!(s.subject_ids, ["1001"]);
    let labels: Vec<_> = s
        .labels
        .iter()
        .map(|l| (l.origin.as_str(), l.label.as_str()))
        .collect();
    assert_eq!(
        labels,
        [("sentence", "DFA"), ("emotion", "ANG"), ("level", "XX")]
    );
    let attributes: Vec<_> = s
        .subject_attributes
        .iter()
        .map(|a| (a.name.as_str(), a.value.as_str()))
        .collect();
    assert_eq!(
        attributes,
        [
            ("Age", "51"),
            ("Sex", "Male"),
            ("Race", "Caucasian"),
            ("Ethnicity", "Not Hispanic")
        ]
    );
    assert!(listed.iter().all(|l| l.sample.reasons.is_empty()));
}

#[tokio::test]
async fn a_zip_drop_with_consents() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("drop.zip")).unwrap();
    let mut zip = zip::ZipWriter::new(file);
    for (name, text) in [
        (
            "contributions.csv",
            "file,licence\nmedia/a.jpg,MIT\nmedia/b.jpg,MIT\n",
        ),
        ("media/a.jpg", "photo"),
        ("consents/one.json", "{}"),
        ("consents/Two.JSON", "{}"),
        ("consents/readme.txt", "no record"),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    let config = toml("[crowdsourced]\npath = \"drop.zip\"\n");
    let mut source = CrowdsourcedSource::open(&config, folder.path()).unwrap();
    let listed = all(&mut source).await;
    assert!(matches!(&listed[0].media, MediaRef::Member { name, .. } if name == "media/a.jpg"));
    assert_eq!(listed[1].sample.reasons, [Reason::FileMissing]);
    let consents = source.consents().unwrap();
    let names: Vec<_> = consents.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["consents/Two.JSON", "consents/one.json"]);
    assert_eq!(source.consents_folder(), None);
}

#[test]
fn a_consent_record_under_another_name_is_not_passed_over() {
    let drop = folder(&[
        ("contributions.csv", "file,licence\na.jpg,MIT\n"),
        ("consents/withdrawal.json.txt", "{}"),
    ]);
    let source = crowd(drop.path(), "").unwrap();
    let text = source.consents().unwrap_err().to_string();
    assert!(text.contains("withdrawal.json.txt"), "{text}");
    assert!(text.contains("does not end in `.json`"), "{text}");
}

#[tokio::test]
async fn names_and_addresses_are_no_pseudonyms() {
    let drop = folder(&[(
        "contributions.csv",
        "file,licence,subjects\na.jpg,MIT,jane@example.org|p-1\nb.jpg,MIT,Jane Doe\n",
    )]);
    let listed = all(&mut crowd(drop.path(), "").unwrap()).await;
    assert_eq!(listed[0].sample.subject_ids, ["p-1"]);
    for row in &listed {
        assert!(row.sample.reasons.contains(&Reason::SubjectUnknown));
        assert_eq!(row.sample.status, Status::Rejected);
        assert!(!format!("{row:?}").to_lowercase().contains("jane"));
    }
}

/// Names of DeepFakeDetection's videos: 30 originals, 40 swaps.
const DFD_NAMES: &str = include_str!("../../../tests/data/faceforensics/dfd-names.txt");

#[tokio::test]
async fn deepfakedetection_by_name() {
    let names: Vec<&str> = DFD_NAMES.lines().collect();
    assert_eq!(names.len(), 70);
    let session = folder(&[
        ("subjects.csv", "subject,age_band\n01,18-24\n02,\n03,\n"),
        ("notes.txt", ""),
    ]);
    for name in &names {
        std::fs::write(session.path().join(name), "video").unwrap();
    }
    let open = |more: &str| {
        ActorsSource::open(
            &toml(&format!(
                "[actors]\npath = \".\"\nlicence = \"CC0-1.0\"\n{more}"
            )),
            session.path(),
        )
    };
    let listed = all(&mut open("").unwrap()).await;
    assert_eq!(listed.len(), names.len());
    let one = by_key(&listed, "01__exit_phone_room.mp4");
    assert_eq!(one.sample.subject_ids, ["01"]);
    assert_eq!(one.sample.labels[0].label, "exit_phone_room");
    assert_eq!(one.sample.subject_attributes[0].value, "18-24");
    assert!(one.sample.reasons.is_empty());
    // A swap's name fits the pattern of originals, but its subject is nobody declared.
    let swap = by_key(&listed, "01_02__exit_phone_room__YVGY8LOK.mp4");
    assert_eq!(swap.sample.reasons, [Reason::SubjectUnknown]);

    let pattern = "pattern = \"{target}_{source}__{scene}__{code}\"";
    let listed = all(&mut open(pattern).unwrap()).await;
    let swap = by_key(&listed, "01_02__exit_phone_room__YVGY8LOK.mp4");
    assert_eq!(swap.sample.subject_ids, ["01", "02"]);
    assert!(swap.sample.reasons.is_empty());
    let one = by_key(&listed, "01__exit_phone_room.mp4");
    assert!(
        one.sample.status == Status::Rejected,
        "{:?}",
        one.sample.reasons
    );

    let text = open("pattern = \"{subject}{scene}\"")
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(text.contains("nothing between them"), "{text}");
}

#[test]
fn personal_data_and_doubled_subjects_are_refused() {
    let message = |subjects: &str| {
        let session = folder(&[("subjects.csv", subjects)]);
        let config = toml("[actors]\npath = \".\"\n");
        ActorsSource::open(&config, session.path())
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let text = message("subject,E-Mail\n01,\n");
    assert!(
        text.contains("column `E-Mail`: holds personal data"),
        "{text}"
    );
    for column in ["real_name", "Contact", "notes", "home address"] {
        let text = message(&format!("subject,{column}\n01,\n"));
        assert!(text.contains("holds personal data"), "{column}: {text}");
    }
    assert!(message("subject\nana@example.org\n").contains("row 2, column `subject`"));
    assert!(
        message("subject\n01\n02\n01\n")
            .contains("row 4, column `subject`: names a subject a second time")
    );
    assert!(message("ActorID\n01\n").contains("column `subject`: is missing"));
}

#[tokio::test]
async fn a_table_of_files_with_bad_rows() {
    let session = folder(&[
        ("subjects.csv", "subject,consent\n01,c-01\n02,c-02\n"),
        ("scenes.csv", "scene,title\nwalk,Walking\n"),
        (
            "files.csv",
            "file,subject,scene,sha256\na.mp4,01,walk,\nb.mp4,01|02,x,\nc.mp4,09,,\nd.mp4,,,\n/e.mp4,01,,\na.mp4,01,walk,12\n",
        ),
        ("a.mp4", "v"),
        ("b.mp4", "v"),
        ("c.mp4", "v"),
        ("d.mp4", "v"),
    ]);
    let config = toml("[actors]\npath = \".\"\nfiles = \"files.csv\"\ncountry = \"de\"\n");
    let listed = all(&mut ActorsSource::open(&config, session.path()).unwrap()).await;
    let a = &listed[0].sample;
    assert_eq!(
        (a.title.as_deref(), a.country.as_deref()),
        (Some("Walking"), Some("DE"))
    );
    assert_eq!(
        (a.consent_id.as_deref(), a.reasons.as_slice()),
        (Some("c-01"), &[Reason::LicenceMissing][..])
    );
    assert_eq!(
        (
            listed[1].sample.consent_id.as_deref(),
            listed[1].sample.subject_ids.len()
        ),
        (None, 2)
    );
    for (i, reason) in [
        (2, Reason::SubjectUnknown),
        (3, Reason::SubjectUnknown),
        (4, Reason::FileRefused),
        (5, Reason::RowInvalid),
        (5, Reason::KeyRepeated),
    ] {
        assert!(
            listed[i].sample.reasons.contains(&reason),
            "{i}: {:?}",
            listed[i].sample.reasons
        );
    }
}

/// Whom a row shows decides whose consent is asked: nobody falls out of it unsaid.
#[tokio::test]
async fn people_that_cannot_be_kept_are_a_reason() {
    let many: Vec<String> = (0..1_001).map(|i| format!("p{i}")).collect();
    let table = format!(
        "file,subjects,labels\na.jpg,{},x\nb.jpg,{},x\nc.jpg,p1,{}\n",
        "a".repeat(501),
        many.join("|"),
        "l".repeat(501),
    );
    let drop = folder(&[
        ("contributions.csv", &table),
        ("a.jpg", "a"),
        ("b.jpg", "b"),
        ("c.jpg", "c"),
    ]);
    let listed = all(&mut crowd(drop.path(), "licence = \"CC0-1.0\"\n").unwrap()).await;
    let reasons = |key| by_key(&listed, key).sample.reasons.clone();
    assert_eq!(reasons("a.jpg"), [Reason::SubjectUnknown]);
    assert_eq!(reasons("b.jpg"), [Reason::SubjectUnknown]);
    assert_eq!(reasons("c.jpg"), [Reason::RowInvalid]);
}

#[tokio::test]
async fn no_name_of_a_person_comes_into_a_manifest_as_a_pseudonym() {
    let actors = |folder: &tempfile::TempDir| {
        let table = "[actors]\npath = \".\"\nfiles = \"files.csv\"\nlicence = \"CC-BY-4.0\"\n";
        ActorsSource::open(&toml(table), folder.path())
    };
    let drop = folder(&[
        ("subjects.csv", "subject\np1\n"),
        (
            "files.csv",
            "file,subject\na.mp4,jane@example.org|Jane Doe|p1\n",
        ),
        ("a.mp4", "a"),
    ]);
    let listed = all(&mut actors(&drop).unwrap()).await;
    assert_eq!(listed[0].sample.subject_ids, ["p1"]);
    assert_eq!(listed[0].sample.reasons, [Reason::SubjectUnknown]);
    let drop = folder(&[
        ("subjects.csv", "subject\nJane Doe\n"),
        ("files.csv", "file,subject\n"),
    ]);
    let said = actors(&drop).unwrap_err().to_string();
    assert!(
        said.contains("subjects.csv, row 2, column `subject`"),
        "{said}"
    );
    assert!(!said.contains("Jane"), "{said}");
}
