//! On recorded answers of Wikimedia Commons (`tests/data/wikimedia`, with
//! their licences).

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use fairframe_schemas::{CapturedPrecision, MediaType, PlaceOrigin, Reason, SourceToml, Status};
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    client::Answerer,
    entity::Entity,
    merge::{self, Merged},
    page::{Asked, Context},
    query::WikimediaSource,
    when::Reading,
};
use crate::{
    http::HttpError,
    source::{Listed, MediaRef, Source, SourceError},
};

mod bounds;
mod entities;
mod listing;
mod names;
mod titles;
mod video;
mod words;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wikimedia")
}

fn recorded(name: &str) -> Value {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn source_toml(wikimedia: &str) -> SourceToml {
    let text = format!(
        "dataset = \"demo\"\nsource = \"commons\"\n[fetch]\n\
         user_agent = \"fairframe-tests (test@example.org)\"\n[wikimedia]\n{wikimedia}\n"
    );
    SourceToml::parse(&text).unwrap()
}

/// Reads one page as it would be listed.
fn listed(page: &Map<String, Value>, entity: Option<&Entity>) -> Listed {
    let toml = source_toml("");
    let api = Url::parse("https://commons.wikimedia.org/w/api.php").unwrap();
    let context = Context {
        source: "commons",
        wiki: toml.wikimedia.as_ref().unwrap(),
        api: &api,
    };
    context.listed(page, entity, &Asked::default())
}

fn page(name: &str) -> Map<String, Value> {
    object(recorded(&format!("api/{name}")))
}

/// A page around a recorded `imageinfo` entry.
fn page_of_info(name: &str) -> Map<String, Value> {
    let info = recorded(&format!("api/{name}"));
    object(json!({"pageid": 1, "ns": 6, "title": "File:A.jpg", "imageinfo": [info]}))
}

/// An entity with one recorded statement.
fn entity(names: &[&str]) -> Entity {
    let statement = |name: &&str| recorded(&format!("structured-data/{name}.json"));
    let statements: Vec<Value> = names.iter().map(statement).collect();
    Entity::read(&object(json!({ "claims": statements })))
}

fn date_of(names: &[&str]) -> String {
    match entity(names).taken {
        Some(Reading::Date((time, precision))) => format!("{} {precision}", time.date_naive()),
        other => format!("{other:?}"),
    }
}

#[test]
fn recorded_parts_merge_to_the_recorded_whole() {
    let part = |name: &str| object(recorded(&format!("api/continuation/{name}.json")));
    for (parts, whole) in [
        (&["wmc_pretty1", "wmc_pretty2"][..], "wmc_pretty1plus2"),
        (
            &["wmc_pretty1", "wmc_pretty2", "wmc_pretty3"],
            "wmc_pretty123",
        ),
    ] {
        let mut merged = Merged::default();
        for name in parts {
            merged.add("test", &mut part(name)).unwrap();
        }
        let expected = part(whole);
        let expected = expected["query"]["pages"].as_object().unwrap();
        assert_eq!(merged.pages.len(), expected.len());
        for page in &merged.pages {
            let id = page["pageid"].to_string();
            assert_eq!(
                Value::Object(page.clone()),
                expected[&id],
                "{id} of {whole}"
            );
        }
    }
    // One page by itself: what came first stays, lists are joined.
    let left = part("page_44672185_left");
    let mut merged = Merged::default();
    for half in [left.clone(), part("page_44672185_right")] {
        let mut answer = object(json!({"query": {"pages": [half]}}));
        merged.add("test", &mut answer).unwrap();
    }
    assert_eq!(merged.pages, [left]);
}

#[test]
fn where_recorded_answers_go_on() {
    for (name, complete, goes_on) in [
        ("api/continuation/wmc_pretty1.json", false, true),
        ("api/continuation/wmc_pretty2.json", false, true),
        ("api/continuation/wmc_pretty3.json", true, true),
        ("api/continuation/wmc_pretty123.json", true, true),
        ("api/continuation/wmc_continue_max_iter.json", false, true),
        ("api/continuation/wmc_raw.json", true, false),
        ("api/response_small_with_continue.json", true, true),
        ("api/response_small_with_continue_2.json", true, true),
        ("api/response_small_no_continue.json", true, false),
        ("api/response_small_missing_continue.json", true, false),
        ("api/response_large_0.json", true, true),
        ("api/response_large_1.json", true, false),
    ] {
        let answer = object(recorded(name));
        assert_eq!(merge::is_complete(&answer), complete, "{name}");
        assert_eq!(merge::continuation(&answer).is_some(), goes_on, "{name}");
    }
}

#[test]
fn a_recorded_page_is_read_whole() {
    let row = listed(&page("image_data_example.json"), None);
    let sample = &row.sample;
    assert_eq!(sample.source_key, "81754323");
    assert_eq!(sample.media_type, MediaType::Image);
    assert_eq!(
        sample.title.as_deref(),
        Some("20120925 PlozevetBretagne LoneTree DSC07971 PtrQs.jpg")
    );
    assert_eq!(sample.creator.as_deref(), Some("PtrQs"));
    assert_eq!(
        sample.creator_url.as_deref(),
        Some("https://commons.wikimedia.org/wiki/User:PtrQs")
    );
    assert_eq!(sample.credit.as_deref(), Some("Photo by PtrQs"));
    assert_eq!(sample.licence.as_deref(), Some("CC-BY-SA-4.0"));
    assert_eq!(sample.attribution_required, Some(true));
    assert_eq!(sample.bytes, Some(11_863_148));
    assert_eq!((sample.width, sample.height), (Some(5514), Some(3102)));
    assert_eq!(sample.captured_precision, Some(CapturedPrecision::Second));
    assert_eq!(
        sample.captured_at.unwrap().to_rfc3339(),
        "2012-09-25T16:23:02+00:00"
    );
    assert_eq!(sample.status, Status::Accepted, "{:?}", sample.reasons);
    assert!(sample.restrictions.is_empty());
    assert_eq!(sample.labels.len(), 6);
    let url = "https://upload.wikimedia.org/wikipedia/commons/2/25/20120925_PlozevetBretagne_LoneTree_DSC07971_PtrQs.jpg";
    assert_eq!(row.media, MediaRef::Url(url.to_owned()));
    assert_eq!(row.expected.bytes, Some(11_863_148));
    // Verbatim, compact, sorted.
    let evidence = sample.licence_evidence.as_deref().unwrap();
    assert!(evidence.starts_with("{\"Artist\":\"<a href="), "{evidence}");
    let words: BTreeMap<String, Value> = serde_json::from_str(evidence).unwrap();
    assert_eq!(words["LicenseShortName"], "CC BY-SA 4.0");
    assert_eq!(serde_json::to_string(&words).unwrap(), evidence);
}

#[test]
fn all_recorded_pages_are_read_and_none_is_lost() {
    let mut answer = object(recorded("api/continuation/wmc_raw.json"));
    let mut merged = Merged::default();
    merged.add("test", &mut answer).unwrap();
    let rows: Vec<Listed> = merged.pages.iter().map(|p| listed(p, None)).collect();
    assert_eq!(rows.len(), 28);
    for row in &rows {
        let sample = &row.sample;
        assert!(
            matches!(row.media, MediaRef::Url(_)),
            "{}",
            sample.source_key
        );
        assert!(sample.creator.is_some() || sample.credit.is_some());
        assert!(sample.licence_evidence.is_some());
        assert!(
            !sample.reasons.contains(&Reason::DateInvalid),
            "{}",
            sample.source_key
        );
        let text = format!("{:?} {:?}", sample.creator, sample.credit);
        assert!(!text.contains('<'), "{text}");
    }
    let of = |id: &str| {
        &rows
            .iter()
            .find(|r| r.sample.source_key == id)
            .unwrap()
            .sample
    };
    // Heidelberg has coordinates; a port of a licence has a name of its own.
    let heidelberg = of("44672185");
    assert_eq!(heidelberg.latitude, Some(49.411580));
    assert_eq!(heidelberg.longitude, Some(8.705512));
    assert_eq!(heidelberg.place_origin, Some(PlaceOrigin::Extmetadata));
    assert_eq!(heidelberg.creator.as_deref(), Some("Eckhard Henkel"));
    assert_eq!(heidelberg.captured_precision, Some(CapturedPrecision::Day));
    // "1891" with a hidden statement; "circa 1617" is no date.
    let munch = of("44672212");
    assert_eq!(munch.captured_precision, Some(CapturedPrecision::Year));
    assert_eq!(of("44672214").captured_at, None);
    assert_eq!(of("18263872").attribution_required, Some(false));
}

#[test]
fn recorded_artists_become_text_and_link() {
    for (name, text, link) in [
        ("image_info_artist_string.json", "Artist Name", None),
        (
            "image_info_artist_link.json",
            "link text",
            Some("https://test.com/linkspot"),
        ),
        (
            "image_info_artist_partial_link.json",
            "Jeff & Brian from Eastbourne",
            Some("https://www.flickr.com/people/16707908@N07"),
        ),
        ("image_info_artist_div.json", "Jona Lendering", None),
    ] {
        let sample = listed(&page_of_info(name), None).sample;
        assert_eq!(sample.creator.as_deref(), Some(text), "{name}");
        assert_eq!(sample.creator_url.as_deref(), link, "{name}");
    }
    let internal = listed(&page_of_info("image_info_artist_internal_link.json"), None).sample;
    assert_eq!(internal.creator.as_deref(), Some("NotaRealUser"));
    // What comes without an address cannot be fetched.
    assert!(internal.reasons.contains(&Reason::UpstreamNoImageinfo));
}

#[test]
fn recorded_gaps_become_reasons() {
    for (name, reason) in [
        (
            "image_data_missing_imageinfo.json",
            Reason::UpstreamNoImageinfo,
        ),
        (
            "image_data_missing_image_url.json",
            Reason::UpstreamNoImageinfo,
        ),
    ] {
        let row = listed(&page(name), None);
        assert!(row.sample.reasons.contains(&reason), "{name}");
        assert_eq!(row.media, MediaRef::None, "{name}");
        assert_eq!(row.sample.status, Status::Rejected, "{name}");
    }
    // No page around it: readable, with the title as key.
    for name in [
        "image_data_minimal.json",
        "image_data_missing_foreign_url.json",
    ] {
        let row = listed(&page(name), None);
        assert_eq!(row.sample.source_key, "title:", "{name}");
        assert!(matches!(row.media, MediaRef::Url(_)), "{name}");
    }
    // A missing licence URL leaves the licence readable by code and name.
    let row = listed(&page_of_info("image_info_missing_license_url.json"), None);
    assert_eq!(row.sample.licence.as_deref(), Some("CC-BY-SA-4.0"));
    assert!(!row.sample.licence_evidence.unwrap().contains("LicenseUrl"));
    let whole = listed(&page_of_info("image_info_from_example_data.json"), None);
    assert!(
        whole
            .sample
            .licence_evidence
            .unwrap()
            .contains("LicenseUrl")
    );
    // HTML in the description does not hide who made it.
    for row in [
        listed(&page("image_data_html_description.json"), None),
        listed(&page_of_info("image_info_html_description.json"), None),
    ] {
        assert_eq!(row.sample.creator.as_deref(), Some("PtrQs"));
    }
}

#[test]
fn recorded_sound_is_not_wanted() {
    for name in ["audio_filedata_ogg.json", "audio_filedata_wav.json"] {
        let row = listed(&page_of_info(name), None);
        assert_eq!(
            row.sample
                .reasons
                .iter()
                .filter(|r| **r == Reason::MediaTypeNotWanted)
                .count(),
            1,
            "{name}"
        );
        assert_eq!(row.media, MediaRef::None, "{name}");
        assert_eq!(row.sample.duration_s, Some(2.9));
    }
}

#[test]
fn what_the_wiki_says_against_a_page() {
    let info = json!([{"url": "https://upload.wikimedia.org/a.jpg", "mediatype": "BITMAP"}]);
    for (extra, reason) in [
        (json!({"missing": true}), Reason::UpstreamMissing),
        (json!({"missing": "", "pageid": 9}), Reason::UpstreamMissing),
        (
            json!({"redirect": true, "imageinfo": info}),
            Reason::UpstreamRedirect,
        ),
        (json!({"invalid": true}), Reason::RowInvalid),
        (json!({"ns": 0, "pageid": 9}), Reason::UpstreamNotAFile),
        (json!({"special": true, "ns": -1}), Reason::UpstreamNotAFile),
        (
            json!({"imageinfo": [{"filehidden": true}]}),
            Reason::UpstreamHidden,
        ),
        (
            json!({"imageinfo": [{"filemissing": true}]}),
            Reason::UpstreamMissing,
        ),
        (
            json!({"imageinfo": [{"suppressed": true, "filehidden": true}]}),
            Reason::UpstreamHidden,
        ),
        (json!({"imagerepository": ""}), Reason::UpstreamNoImageinfo),
        (json!({"imageinfo": "x"}), Reason::UpstreamNoImageinfo),
        (
            json!({"imageinfo": [{"url": "javascript:alert(1)", "mime": "image/png"}]}),
            Reason::UpstreamNoImageinfo,
        ),
    ] {
        let mut page = object(json!({"ns": 6, "title": "File:A.jpg"}));
        page.extend(object(extra.clone()));
        let row = listed(&page, None);
        assert!(
            row.sample.reasons.contains(&reason),
            "{extra}: {:?}",
            row.sample.reasons
        );
        assert_eq!(row.media, MediaRef::None, "{extra}");
    }
    // A file of a shared repository has no page here and is a file all the same.
    let shared =
        json!({"ns": 6, "title": "File:A.jpg", "missing": true, "known": true, "imageinfo": info});
    let row = listed(&object(shared), None);
    assert_eq!(row.sample.source_key, "title:File:A.jpg");
    assert!(matches!(row.media, MediaRef::Url(_)));
}

#[test]
fn hostile_pages_give_bounded_rows() {
    let long = "x".repeat(1_000_000);
    let deep = "<div>".repeat(10_000);
    let page = json!({"pageid": 1, "ns": 6, "title": format!("File:{long}"), "imageinfo": [{
    "url": format!("https://upload.wikimedia.org/{long}"), "sha1": "nope", "size": -1,
    "width": 1e300, "duration": "long", "timestamp": "yesterday", "mediatype": "BITMAP",
    "extmetadata": {
        "Artist": {"value": format!("{deep}{long}")}, "Credit": {"value": {"a": 1}},
        "License": {"value": long}, "Restrictions": {"value": "a|".repeat(100_000)},
        "GPSLatitude": {"value": "north"}, "GPSLongitude": {"value": 8.5},
        "DateTimeOriginal": {"value": long},
    }}]});
    let row = listed(&object(page), None);
    let sample = &row.sample;
    assert!(serde_json::to_string(&row).unwrap().len() < 100_000);
    assert!(sample.reasons.contains(&Reason::PlaceInvalid));
    assert!(sample.reasons.contains(&Reason::DateInvalid));
    assert_eq!(sample.restrictions, ["a"]);
    assert_eq!((sample.bytes, sample.width), (None, None));
    assert_eq!(sample.upstream_sha1, None);
}

/// Answers from a function of the parameters; remembers what was asked.
struct Fake<F> {
    answer: F,
    asked: RefCell<Vec<BTreeMap<String, String>>>,
}

impl<F: Fn(&BTreeMap<String, String>, usize) -> Value> Fake<F> {
    fn new(answer: F) -> Self {
        Self {
            answer,
            asked: RefCell::default(),
        }
    }
}

impl<F: Fn(&BTreeMap<String, String>, usize) -> Value> Answerer for &Fake<F> {
    async fn answer(&self, url: &Url, _: u64) -> Result<(Value, HeaderMap), HttpError> {
        let params: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert!(url.as_str().len() < 8_000, "the address is too long");
        let count = self.asked.borrow().len();
        self.asked.borrow_mut().push(params.clone());
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("0"));
        Ok(((self.answer)(&params, count), headers))
    }
}

/// Lists everything, resuming from the checkpoint's text each time as a new
/// process would, and asking twice: the answer must be the same.
async fn list<F: Fn(&BTreeMap<String, String>, usize) -> Value>(
    toml: &SourceToml,
    base: &Path,
    fake: &Fake<F>,
) -> Result<Vec<Listed>, SourceError> {
    let mut rows = Vec::new();
    let mut checkpoint: Option<Value> = None;
    for _ in 0..1_000 {
        let mut source = WikimediaSource::with_answerer(toml, base, fake)?;
        let Some(batch) = source.next(checkpoint.as_ref()).await? else {
            return Ok(rows);
        };
        rows.extend(batch.listed);
        checkpoint = Some(serde_json::from_str(&batch.checkpoint.to_string()).unwrap());
    }
    panic!("the listing does not end");
}

const NO_ENTITIES: &str = "structured_data = false\n";

fn file(id: u64, title: &str) -> Value {
    json!({"pageid": id, "ns": 6, "title": title, "imagerepository": "local", "imageinfo": [{
        "url": format!("https://upload.wikimedia.org/{id}.jpg"), "mediatype": "BITMAP",
        "sha1": "5d66eec547469a1817bda4abe35c801359b2bb55",
    }]})
}

/// MediaWiki says percent-encoded how a title was spelled that is not in normal form C.
#[tokio::test]
async fn titles_in_another_unicode_form_are_found() {
    let toml = source_toml(&format!("titles = [\"Cafe\u{301}.jpg\"]\n{NO_ENTITIES}"));
    let fake = Fake::new(|_, _| {
        json!({"batchcomplete": true, "query": {
            "normalized": [{"fromencoded": true, "from": "File%3ACafe%CC%81.jpg", "to": "File:Café.jpg"}],
            "pages": [file(7, "File:Café.jpg")],
        }})
    });
    let rows = list(&toml, Path::new("."), &fake).await.unwrap();
    let keys: Vec<&str> = rows.iter().map(|r| r.sample.source_key.as_str()).collect();
    assert_eq!(keys, ["7"]);
}

#[test]
fn an_answer_of_too_many_pages_is_refused_before_they_are_compared() {
    let pages = vec![json!({}); 1_000_000];
    let mut answer = object(json!({"query": {"pages": pages}}));
    let refused = super::merge::Merged::default().add("u", &mut answer);
    assert!(refused.unwrap_err().to_string().contains("5000 pages"));
}

#[tokio::test]
async fn a_category_without_anything_is_said() {
    let toml = source_toml(&format!(
        "categories = [\"Brigdes\", \"Bridges\"]\n{NO_ENTITIES}"
    ));
    let fake = Fake::new(|params, _| match params["gcmtitle"].as_str() {
        "Category:Bridges" => {
            json!({"batchcomplete": true, "query": {"pages": [file(7, "File:A.jpg")]}})
        }
        _ => json!({"batchcomplete": true}),
    });
    let mut source = WikimediaSource::with_answerer(&toml, Path::new("."), &fake).unwrap();
    let batch = source.next(None).await.unwrap().unwrap();
    assert_eq!((batch.listed.len(), batch.messages.len()), (0, 1));
    assert!(batch.messages[0].contains("`Category:Brigdes` lists nothing"));
    let batch = source.next(Some(&batch.checkpoint)).await.unwrap().unwrap();
    assert_eq!((batch.listed.len(), batch.messages.len()), (1, 0));
}
