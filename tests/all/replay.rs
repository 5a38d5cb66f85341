//! The recorded Commons of the demo, listed through the real client.

use std::path::{Path, PathBuf};

use fairframe_ingest::{
    http::{Http, HttpConfig},
    source::{Listed, MediaRef, Source, wikimedia::WikimediaSource},
};
use fairframe_schemas::{PlaceOrigin, Reason, SourceToml, Status};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/demo-commons")
}

async fn listed(toml: &SourceToml, http: &Http) -> Vec<Listed> {
    let mut source = WikimediaSource::new(toml, &folder(), http.clone()).expect("a source");
    let mut rows = Vec::new();
    let mut checkpoint = None;
    while let Some(batch) = source.next(checkpoint.as_ref()).await.expect("a batch") {
        rows.extend(batch.listed);
        checkpoint = Some(batch.checkpoint);
    }
    rows
}

#[tokio::test]
async fn the_demo_lists_recorded_and_shipped_files() {
    let (address, server) = crate::support::replay::serve(&folder().join("replay"), 0)
        .await
        .expect("the server");
    let text = std::fs::read_to_string(folder().join("source.toml")).expect("source.toml");
    let mut toml = SourceToml::parse(&text).expect("source.toml");
    if let Some(wiki) = &mut toml.wikimedia {
        wiki.api = format!("http://{address}/w/api.php");
    }
    let http = Http::new(HttpConfig::from(&toml.fetch)).expect("a client");
    let rows = listed(&toml, &http).await;
    // 11 titles, 28 pages of the recorded time range, each once.
    assert_eq!(rows.len(), 39);
    let mut keys: Vec<&str> = rows.iter().map(|r| r.sample.source_key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 39);

    let find = |title: &str| {
        let row = rows
            .iter()
            .find(|r| r.sample.title.as_deref() == Some(title));
        row.unwrap_or_else(|| panic!("no `{title}`"))
    };
    let sound = find("Nl-Javaanse herten.ogg");
    assert!(sound.sample.reasons.contains(&Reason::MediaTypeNotWanted));
    let missing = find("This file was never there.jpg");
    assert_eq!(missing.sample.reasons, [Reason::UpstreamMissing]);
    let hubble = find("Hubble eXtreme Deep Field (scikit-image sample image).jpg");
    assert!(hubble.sample.reasons.contains(&Reason::LicenceUnknown));
    let china = &find("China (scikit-learn sample image).jpg").sample;
    assert_eq!(china.licence.as_deref(), Some("CC-BY-2.0"));
    assert_eq!(china.creator.as_deref(), Some("danielbuechele"));
    // Those of the recorded pages; the eight that were not recorded have none.
    let described = |row: &&Listed| row.sample.description.is_some();
    assert_eq!(rows.iter().filter(described).count(), 29);
    let obama = &find("Barack Obama, Oval Office, 6 December 2012.jpg").sample;
    assert_eq!(obama.restrictions, ["personality"]);
    assert_eq!(obama.place_origin, Some(PlaceOrigin::Extmetadata));
    assert_eq!(obama.status, Status::Accepted, "{:?}", obama.reasons);

    // What is shipped is what its page says, to the byte; the rest is not there.
    let mut shipped = 0;
    for row in &rows {
        let MediaRef::Url(url) = &row.media else {
            continue;
        };
        let url = url.parse().expect("an address");
        let answer = http.get(&url, Default::default()).await.expect("an answer");
        if answer.status() == 404 {
            assert!(url.as_str().contains("/upload/wikipedia/commons/"), "{url}");
            continue;
        }
        assert_eq!(answer.status(), 200);
        let bytes = answer.bytes(1 << 20).await.expect("the bytes");
        assert_eq!(Some(bytes.len() as u64), row.expected.bytes);
        shipped += 1;
    }
    assert_eq!(shipped, 8);
    server.abort();
}

/// A creator that is an item is named by the item's label, over real HTTP.
#[tokio::test]
async fn a_creator_that_is_an_item_has_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &Value| {
        std::fs::write(folder.path().join(name), text.to_string()).expect("a file");
    };
    std::fs::create_dir(folder.path().join("media")).expect("a folder");
    let page = |id: u64| {
        json!({"pageid": id, "ns": 6, "title": format!("File:{id}.jpg"), "imageinfo": [
            {"url": format!("{{server}}/media/{id}.jpg"), "mediatype": "BITMAP"}]})
    };
    let by = |item: &str| {
        json!({"statements": {"P170": [{"rank": "normal", "mainsnak": {"property": "P170",
            "snaktype": "value", "datavalue": {"value": {"id": item}}}}]}})
    };
    write("index.json", &json!([]));
    write(
        "pages.json",
        &json!({"File:1.jpg": page(1), "File:2.jpg": page(2)}),
    );
    write(
        "entities.json",
        &json!({"M1": by("Q41406"), "M2": by("Q999999999999"),
            "Q41406": {"labels": {"en": {"language": "en", "value": "Edvard Munch"}}}}),
    );
    let (address, server) = crate::support::replay::serve(folder.path(), 0)
        .await
        .expect("the server");
    let toml = SourceToml::parse(&format!(
        "dataset = \"d\"\nsource = \"s\"\n[fetch]\nallow_private = [\"127.0.0.1\"]\n[wikimedia]\n\
         api = \"http://{address}/w/api.php\"\ntitles = [\"1.jpg\", \"2.jpg\"]\n"
    ))
    .expect("source.toml");
    let http = Http::new(HttpConfig::from(&toml.fetch)).expect("a client");
    let rows = listed(&toml, &http).await;
    let said = |i: usize| {
        let sample = &rows[i].sample;
        (sample.creator.as_deref(), sample.creator_url.as_deref())
    };
    let item = "https://www.wikidata.org/wiki/Q41406";
    assert_eq!(said(0), (Some("Edvard Munch"), Some(item)));
    assert_eq!(said(1).0, None, "nobody knows this item");
    server.abort();
}
