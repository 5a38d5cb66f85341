//! The sources that read drops, on the bundled datasets, on real lists and on hostile ones.

mod people;

use std::path::{Path, PathBuf};

use fairframe_schemas::{CapturedPrecision, MediaType, PlaceOrigin, Reason, SourceToml, Status};

use super::{
    Listed, MediaRef, Source, SourceError, actors::ActorsSource, crowdsourced::CrowdsourcedSource,
};

fn datasets(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../datasets")
        .join(name)
}

fn shared(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FAIRFRAME_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let found = folder.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: {} is not there", found.display());
    None
}

fn bundled(name: &str) -> SourceToml {
    let text = std::fs::read_to_string(datasets(name).join("source.toml")).unwrap();
    SourceToml::parse(&text).unwrap()
}

fn toml(table: &str) -> SourceToml {
    SourceToml::parse(&format!("dataset = \"d\"\nsource = \"s\"\n{table}")).unwrap()
}

async fn all(source: &mut impl Source) -> Vec<Listed> {
    let mut listed = Vec::new();
    let mut checkpoint = None;
    while let Some(batch) = source.next(checkpoint.as_ref()).await.unwrap() {
        listed.extend(batch.listed);
        checkpoint = Some(batch.checkpoint);
    }
    listed
}

/// A drop of one table in a fresh folder.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn crowd(folder: &Path, more: &str) -> Result<CrowdsourcedSource, SourceError> {
    CrowdsourcedSource::open(
        &toml(&format!("[crowdsourced]\npath = \".\"\n{more}")),
        folder,
    )
}

fn by_key<'a>(listed: &'a [Listed], key: &str) -> &'a Listed {
    let found = listed.iter().find(|l| l.sample.source_key == key);
    found.unwrap_or_else(|| panic!("no `{key}`"))
}

#[tokio::test]
async fn the_bundled_drop() {
    let mut source = CrowdsourcedSource::open(&bundled("drop"), &datasets("drop")).unwrap();
    let listed = all(&mut source).await;
    assert_eq!(listed.len(), 4);
    assert!(
        listed.iter().all(|l| l.sample.reasons.is_empty()),
        "{listed:#?}"
    );
    assert!(listed.iter().all(|l| l.expected.bytes.is_some()));
    let farm = by_key(&listed, "media/DSCN0010.jpg");
    let s = &farm.sample;
    assert_eq!(s.licence.as_deref(), Some("CC-BY-SA-4.0"));
    assert_eq!((s.latitude, s.longitude), (Some(43.4674), Some(11.8851)));
    assert_eq!(
        (s.country.as_deref(), s.place_origin),
        (Some("IT"), Some(PlaceOrigin::Declared))
    );
    assert_eq!(s.captured_precision, Some(CapturedPrecision::Day));
    assert_eq!(s.labels.len(), 3);
    let waterfall = by_key(&listed, "media/landscape_6.jpg");
    assert_eq!(waterfall.sample.licence.as_deref(), Some("MIT"));
    assert_eq!(waterfall.sample.country, None);
    let mut bytes = Vec::new();
    let mut read = crate::archive::open_media(&farm.media).unwrap();
    std::io::Read::read_to_end(&mut read, &mut bytes).unwrap();
    assert_eq!(Some(bytes.len() as u64), farm.expected.bytes);
    // Every bundled photo has a row.
    for file in std::fs::read_dir(datasets("drop/media")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        by_key(&listed, &format!("media/{name}"));
    }
}

#[tokio::test]
async fn inclusive_images_of_kaggle() {
    let Some(data) = shared("data/inclusive-images") else {
        return;
    };
    let mut config = bundled("inclusive-images");
    config.crowdsourced.as_mut().unwrap().path = data;
    let mut source = CrowdsourcedSource::open(&config, &datasets("inclusive-images")).unwrap();
    let listed = all(&mut source).await;
    assert_eq!(listed.len(), 32_088);
    let s = &by_key(&listed, "2b2b327132556c767a736b3d").sample;
    assert_eq!(s.labels[0].label, "/m/07j7r");
    assert_eq!(s.creator.as_deref(), Some("Nita Ar"));
    assert_eq!(s.licence.as_deref(), Some("CC-BY-4.0"));
    assert_eq!(
        by_key(&listed, "2b2b394755692f303963553d")
            .sample
            .labels
            .len(),
        4
    );
    let named = listed.iter().filter(|l| l.sample.creator.is_some()).count();
    assert!(named > 32_000, "{named}");
    assert!(
        listed
            .iter()
            .all(|l| l.media == MediaRef::None && l.sample.status == Status::Accepted)
    );
}

const TABLE: &str = "\
file,contributor,consent,subjects,licence,country,latitude,longitude,labels,attributes,captured_at,sha256
a.jpg,Ana,c-1,p1|p2,CC-BY-4.0,Kenya,-1.29,36.82,street|night market,p1:age=18-24|p2:monk_tone=7,2024-05,
b.jpg,,,,All rights reserved,Atlantis,91,0,,,03.05.2024,
../c.jpg,,,,CC0-1.0,,,,,,,
link.jpg,,,,CC0-1.0,,,,,,,
missing.jpg,,,,CC0-1.0,,,,,,,
,,,,CC0-1.0,,,,,,,
ragged.jpg,CC0-1.0
d.jpg,,,p1,CC0-1.0,,,,,p9:age=5,,xyz
a.jpg,Ana,c-1,p1|p2,CC-BY-4.0,Kenya,-1.29,36.82,street|night market,p1:age=18-24|p2:monk_tone=7,2024-05,
d.jpg,,,,CC0-1.0,,,,,,,
";

#[tokio::test]
async fn every_bad_row_is_a_row_with_its_reasons() {
    let drop = folder(&[
        ("contributions.csv", TABLE),
        ("a.jpg", "a"),
        ("b.jpg", "b"),
        ("d.jpg", "d"),
    ]);
    std::os::unix::fs::symlink("/etc/passwd", drop.path().join("link.jpg")).unwrap();
    let listed = all(&mut crowd(drop.path(), "").unwrap()).await;
    let reasons: Vec<_> = listed
        .iter()
        .map(|l| (l.sample.source_key.as_str(), l.sample.reasons.clone()))
        .collect();
    use Reason as R;
    assert_eq!(
        reasons,
        [
            ("a.jpg", vec![]),
            (
                "b.jpg",
                vec![
                    R::LicenceUnknown,
                    R::PlaceInvalid,
                    R::CountryUnknown,
                    R::DateInvalid
                ]
            ),
            ("../c.jpg", vec![R::FileRefused]),
            ("link.jpg", vec![R::FileRefused]),
            ("missing.jpg", vec![R::FileMissing]),
            ("contributions.csv#row=7", vec![R::RowInvalid]),
            ("contributions.csv#row=8", vec![R::RowInvalid]),
            ("d.jpg", vec![R::SubjectUnknown, R::RowInvalid]),
            ("a.jpg", vec![]),
            ("d.jpg", vec![R::KeyRepeated]),
        ]
    );
    let a = &listed[0].sample;
    assert_eq!(a.country.as_deref(), Some("KE"));
    assert_eq!(a.consent_id.as_deref(), Some("c-1"));
    assert_eq!(a.labels[1].label, "night market");
    assert_eq!(a.subject_attributes.len(), 2);
    let evidence = listed[1].sample.licence_evidence.as_deref();
    assert_eq!(evidence, Some("{\"licence\":\"All rights reserved\"}"));
    assert_eq!(listed[0], listed[8]);
}

#[tokio::test]
async fn a_contribution_is_described_within_bounds() {
    let long = "ю".repeat(super::MAX_DESCRIPTION + 1);
    let table = format!(
        "file,description,licence\na.jpg, A well ,CC0-1.0\nb.jpg,{long},CC0-1.0\nc.jpg,,CC0-1.0\n"
    );
    let drop = folder(&[("contributions.csv", &table)]);
    let listed = all(&mut crowd(drop.path(), "").unwrap()).await;
    let said: Vec<Option<&str>> = listed
        .iter()
        .map(|l| l.sample.description.as_deref())
        .collect();
    let cut = format!("{}…", "ю".repeat(super::MAX_DESCRIPTION));
    assert_eq!(said, [Some("A well"), Some(cut.as_str()), None]);
}

#[tokio::test]
async fn listing_goes_on_in_a_new_process_and_remembers_keys() {
    let mut table = "file,licence\n".to_owned();
    for i in 0..2_500 {
        table += &format!("{i}.jpg,CC0-1.0\n");
    }
    table += "7.jpg,MIT\n";
    let drop = folder(&[("contributions.csv", &table)]);
    let whole = all(&mut crowd(drop.path(), "").unwrap()).await;
    let mut one = crowd(drop.path(), "").unwrap();
    let first = one.next(None).await.unwrap().unwrap();
    let second = one.next(Some(&first.checkpoint)).await.unwrap().unwrap();
    // The batch is asked for again, by the same process and by a new one.
    for source in [&mut one, &mut crowd(drop.path(), "").unwrap()] {
        let again = source.next(Some(&first.checkpoint)).await.unwrap().unwrap();
        assert_eq!(
            (again.listed, again.checkpoint),
            (second.listed.clone(), second.checkpoint.clone())
        );
    }
    let mut new = crowd(drop.path(), "").unwrap();
    let last = new.next(Some(&second.checkpoint)).await.unwrap().unwrap();
    assert_eq!(last.listed, whole[2_000..]);
    assert!(
        last.listed
            .last()
            .unwrap()
            .sample
            .reasons
            .contains(&Reason::KeyRepeated)
    );
    assert!(new.next(Some(&last.checkpoint)).await.unwrap().is_none());
    let foreign = serde_json::json!({ "gcmcontinue": "x" });
    assert!(new.next(Some(&foreign)).await.is_err());
}

#[tokio::test]
async fn other_forms_of_the_same_table() {
    let jsonl = "{\"file\":\"a.jpg\",\"licence\":\"CC0-1.0\"}\n{\"file\":\"a.jpg\"\n\
        {\"file\":\"b.jpg\",\"lizenz\":\"x\",\"licence\":\"MIT\",\"labels\":[\"one\",\"two words\"],\"latitude\":1.5,\"longitude\":2}\n";
    let drop = folder(&[
        ("contributions.jsonl", jsonl),
        ("a.jpg", "a"),
        ("b.jpg", "b"),
    ]);
    let listed = all(&mut crowd(drop.path(), "").unwrap()).await;
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[1].sample.reasons, [Reason::RowInvalid]);
    let b = &listed[2].sample;
    assert_eq!(
        (b.licence.as_deref(), b.labels.len(), b.latitude),
        (Some("MIT"), 2, Some(1.5))
    );

    // Renamed columns, another encoding, semicolons, a default licence.
    let drop = tempfile::tempdir().unwrap();
    std::fs::write(
        drop.path().join("liste.csv"),
        b"Datei;Urheber\na.jpg;Jos\xe9\n",
    )
    .unwrap();
    let more = "table = \"liste.csv\"\nencoding = \"windows-1252\"\nlicence = \"CC0-1.0\"\n\
        [crowdsourced.columns]\nfile = \"Datei\"\ncontributor = \"Urheber\"\n[fetch]\nmedia = false\n";
    let listed = all(&mut crowd(drop.path(), more).unwrap()).await;
    assert_eq!(listed[0].sample.creator.as_deref(), Some("José"));
    assert!(listed[0].sample.reasons.is_empty() && listed[0].media == MediaRef::None);
}

#[test]
fn what_is_wrong_with_a_drop_is_said_before_the_work() {
    let message = |table: &str, more: &str| {
        let drop = folder(&[("contributions.csv", table)]);
        match crowd(drop.path(), more) {
            Ok(_) => panic!("no error in {table:?} with {more:?}"),
            Err(e) => e.to_string(),
        }
    };
    for (table, more, parts) in [
        (
            "path,licence\n",
            "",
            &["contributions.csv, row 1, column `file`: is missing"][..],
        ),
        (
            "file,license\n",
            "",
            &["column `license`", "`licence` is", "rename it"],
        ),
        ("file,licence,licence\n", "", &["columns 2 and 3"]),
        (
            "file\n",
            "licence = \"CC BY\"",
            &["source.toml, column `licence`", "SPDX"],
        ),
        (
            "file\n",
            "columns = { flie = \"x\" }",
            &["`flie`", "no column of ours"],
        ),
        ("file\n", "table = \"../x.csv\"", &["leaves the drop"]),
        ("file\n", "table = \"x.csv\"", &["no file `x.csv`"]),
    ] {
        let text = message(table, more);
        for part in parts {
            assert!(text.contains(part), "`{part}` not in: {text}");
        }
    }
    let empty = tempfile::tempdir().unwrap();
    let text = crowd(empty.path(), "").map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("has none of `contributions.csv`"), "{text}");
    let gone = crowd(&empty.path().join("gone"), "")
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(gone.contains("which is not there"), "{gone}");
}

#[test]
fn of_two_tables_none_goes_unread() {
    let two = folder(&[
        ("contributions.csv", "file\na.jpg\n"),
        ("contributions.jsonl", "{\"file\": \"b.jpg\"}\n"),
    ]);
    let said = crowd(two.path(), "").unwrap_err().to_string();
    assert!(
        said.contains("several tables: `contributions.csv`, `contributions.jsonl`"),
        "{said}"
    );
    assert!(crowd(two.path(), "table = \"contributions.jsonl\"\n").is_ok());
}
