//! Listing by titles, and by the rows of Google-Landmarks.

use super::*;

#[tokio::test]
async fn titles_missing_redirected_invalid_and_elsewhere_are_rows() {
    let fake = Fake::new(|p: &BTreeMap<String, String>, _| {
        if p.contains_key("redirects") {
            assert_eq!(p["titles"], "File:Old.jpg");
            return json!({"batchcomplete": true, "query": {
                "redirects": [{"from": "File:Old.jpg", "to": "File:New.jpg"}],
                "pages": [file(3, "File:New.jpg")]}});
        }
        assert_eq!(
            p["titles"],
            "File:a.jpg|File:Gone.jpg|File:Old.jpg|de:Bild|Main Page"
        );
        json!({"batchcomplete": true, "query": {
        "normalized": [{"fromencoded": false, "from": "File:a.jpg", "to": "File:A.jpg"}],
        "interwiki": [{"title": "de:Bild", "iw": "de"}],
        "pages": [
            {"ns": 6, "title": "File:Gone.jpg", "missing": true},
            file(1, "File:A.jpg"),
            {"pageid": 2, "ns": 6, "title": "File:Old.jpg", "redirect": true},
            {"pageid": 4, "ns": 0, "title": "Main Page"},
        ]}})
    });
    let toml = source_toml(&format!(
        "titles = [\"a.jpg\", \"Gone.jpg\", \"File:Old.jpg\", \"de:Bild\", \"Main Page\", \"a|b.jpg\"]\n{NO_ENTITIES}"
    ));
    // A title without a namespace is a file's.
    let toml = SourceToml {
        wikimedia: toml.wikimedia.map(|mut w| {
            w.titles[4] = ":Main Page".to_owned();
            w
        }),
        ..toml
    };
    let fake = Fake::new(move |p: &BTreeMap<String, String>, n| {
        let mut p = p.clone();
        if let Some(titles) = p.get_mut("titles") {
            *titles = titles.replace(":Main", "Main");
        }
        (fake.answer)(&p, n)
    });
    let rows = list(&toml, Path::new("."), &fake).await.unwrap();
    let said: BTreeMap<&str, &[Reason]> = rows
        .iter()
        .map(|r| (r.sample.source_key.as_str(), r.sample.reasons.as_slice()))
        .collect();
    let has = |key: &str, reason| assert!(said[key].contains(&reason), "{key}: {said:?}");
    has("title:a|b.jpg", Reason::RowInvalid);
    has("title:File:Gone.jpg", Reason::UpstreamMissing);
    has("title:de:Bild", Reason::UpstreamMissing);
    has("2", Reason::UpstreamRedirect);
    has("3", Reason::UpstreamRenamed);
    has("4", Reason::UpstreamNotAFile);
    assert!(!said["1"].contains(&Reason::UpstreamRenamed));
}

#[tokio::test]
async fn landmarks_keep_their_label_through_titles() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.csv");
    let table = "\u{feff}id,url,landmark_id\r\n\
        7e46,https://upload.wikimedia.org/wikipedia/commons/6/6d/A_b.JPG,140690\r\n\
        5366,http://upload.wikimedia.org/wikipedia/commons/6/6d/A_b.JPG,77\r\n\
        39e4,None,165900\r\n\
        1406\r\n\
        1407,https://upload.wikimedia.org/wikipedia/commons/f/f1/C.jpg,137389\r\n";
    std::fs::write(&path, table).unwrap();
    for batch in [1, 2, 50] {
        let fake = Fake::new(|p: &BTreeMap<String, String>, _| {
            let pages: Vec<Value> = p["titles"]
                .split('|')
                .map(|t| match t {
                    "File:A b.JPG" => file(1, t),
                    "File:C.jpg" => json!({"ns": 6, "title": t, "missing": true}),
                    other => panic!("{other}"),
                })
                .collect();
            json!({"batchcomplete": true, "query": {"pages": pages}})
        });
        let toml = source_toml(&format!(
            "file_urls = [\"train.csv\"]\nbatch = {batch}\n{NO_ENTITIES}"
        ));
        let rows = list(&toml, folder.path(), &fake).await.unwrap();
        let labels = |key: &str| -> Vec<&str> {
            let row = rows.iter().rfind(|r| r.sample.source_key == key).unwrap();
            assert!(row.sample.labels.iter().all(|l| l.origin == "landmark_id"));
            row.sample.labels.iter().map(|l| l.label.as_str()).collect()
        };
        // Two rows of one request name one file: both labels. In requests of
        // their own the later row stands.
        let both = ["140690", "77"];
        assert_eq!(labels("1"), if batch == 1 { &both[1..] } else { &both[..] });
        assert_eq!(labels("title:File:C.jpg"), ["137389"]);
        for (key, reason) in [
            ("title:39e4", Reason::RowInvalid),
            ("title:1406", Reason::RowInvalid),
            ("title:File:C.jpg", Reason::UpstreamMissing),
        ] {
            let row = rows.iter().find(|r| r.sample.source_key == key).unwrap();
            assert_eq!(row.sample.reasons, [reason], "batch {batch}: {key}");
        }
    }
    std::fs::write(&path, "id,address\n1,x\n").unwrap();
    let fake = Fake::new(|_: &BTreeMap<String, String>, _| json!({}));
    let toml = source_toml("file_urls = [\"train.csv\"]");
    let error = list(&toml, folder.path(), &fake)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("train.csv, row 1, column `url`"), "{error}");
}

#[tokio::test]
async fn recorded_landmarks_rows_all_name_a_file() {
    let fake = Fake::new(|p: &BTreeMap<String, String>, _| {
        let page = |(i, t): (usize, &str)| file(i as u64 + 1, t);
        let pages: Vec<Value> = p["titles"].split('|').enumerate().map(page).collect();
        json!({"batchcomplete": true, "query": {"pages": pages}})
    });
    let toml = source_toml(&format!("file_urls = [\"train.csv\"]\n{NO_ENTITIES}"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/landmarks");
    let rows = list(&toml, &folder, &fake).await.unwrap();
    assert_eq!(rows.len(), 44);
    for row in &rows {
        assert_eq!(
            row.sample.status,
            Status::Quarantined,
            "only the licence is missing"
        );
        assert_eq!(row.sample.labels.len(), 1);
    }
}
