//! The Wikimedia source against a real MediaWiki with real photos: category,
//! continuation in small batches, subcategories with a cycle, a page deleted
//! between two batches, a file replaced, a file renamed.

use std::path::Path;

use fairframe_ingest::{
    http::{Http, HttpConfig},
    source::{Batch, Listed, MediaRef, Source, wikimedia::WikimediaSource},
};
use fairframe_schemas::{MediaType, Reason, SourceToml, Status};
use serde_json::Value;

use crate::support::mediawiki::{Import, TestWiki, clip, photo};

fn source_toml(wiki: &TestWiki, wikimedia: &str) -> SourceToml {
    let text = format!(
        "dataset = \"test\"\nsource = \"wiki\"\n[fetch]\nallow_private = [\"127.0.0.1\"]\n\
         [wikimedia]\napi = \"{}\"\n{wikimedia}\n",
        wiki.api()
    );
    SourceToml::parse(&text).expect("a source.toml")
}

fn open(toml: &SourceToml) -> WikimediaSource {
    let http = Http::new(HttpConfig::from(&toml.fetch)).expect("a client");
    WikimediaSource::new(toml, Path::new("."), http).expect("a source")
}

/// The batch after `checkpoint`, asked by a new source as after a crash.
async fn batch(toml: &SourceToml, checkpoint: Option<&Value>) -> Option<Batch> {
    open(toml).next(checkpoint).await.expect("a batch")
}

async fn all(toml: &SourceToml) -> Vec<Listed> {
    let mut rows = Vec::new();
    let mut checkpoint = None;
    while let Some(more) = batch(toml, checkpoint.as_ref()).await {
        rows.extend(more.listed);
        checkpoint = Some(more.checkpoint);
    }
    rows
}

fn titles(rows: &[Listed]) -> Vec<&str> {
    fn title(row: &Listed) -> Option<&str> {
        row.sample.title.as_deref()
    }
    let mut found: Vec<&str> = Vec::new();
    for row in rows {
        found.push(match &row.sample.title {
            Some(title) => title,
            None => title(row).unwrap_or("?"),
        });
    }
    found.sort_unstable();
    found
}

fn find<'a>(rows: &'a [Listed], title: &str) -> &'a Listed {
    let found = rows
        .iter()
        .find(|r| r.sample.title.as_deref() == Some(title));
    found.unwrap_or_else(|| panic!("no `{title}` in {:?}", titles(rows)))
}

fn sha1_of(path: &Path) -> String {
    use std::process::Command;
    let output = Command::new("sha1sum").arg(path).output().expect("sha1sum");
    String::from_utf8_lossy(&output.stdout)[..40].to_owned()
}

const NIKON: &str = "; License : cc-by-sa-4.0\n; LicenseShortName : CC BY-SA 4.0\n\
    ; Artist : <a href=\"//example.org/nikon\">exif-samples</a>\n\
    ; GPSLatitude : 43.46715\n; GPSLongitude : 11.88539\n\
    ; ImageDescription : <p>A <i>farmhouse</i>&nbsp;below <a href=\"//example.org/p\">pines</a></p>\n\
    ; DateTimeOriginal : 2008-10-22 16:28:39\n; Restrictions : personality|trademarked\n\
    [[Category:Photos]] [[Category:Arezzo]]";

fn fill(wiki: &TestWiki) {
    let files = [
        ("DSCN0010.jpg", photo("DSCN0010.jpg"), NIKON),
        ("DSCN0012.jpg", photo("DSCN0012.jpg"), "[[Category:Photos]]"),
        (
            "Canon 40D.jpg",
            photo("Canon_40D.jpg"),
            "[[Category:Photos]]",
        ),
        (
            "Landscape.jpg",
            photo("landscape_6.jpg"),
            "[[Category:Landscapes]]",
        ),
        ("Again.mkv", clip("again.mkv"), "[[Category:Clips]]"),
    ];
    let imports: Vec<Import<'_>> = files
        .iter()
        .map(|(name, from, page)| Import { from, name, page })
        .collect();
    wiki.import(&imports);
    // Photos > Landscapes > Clips > Photos: a cycle.
    wiki.edit("Category:Photos", "[[Category:Clips]]");
    wiki.edit("Category:Landscapes", "[[Category:Photos]]");
    wiki.edit("Category:Clips", "[[Category:Landscapes]]");
}

/// One wiki for all: installing takes most of the time.
#[tokio::test]
async fn a_real_mediawiki() {
    let Some(wiki) = TestWiki::start() else {
        return;
    };
    fill(&wiki);
    what_a_page_says(&wiki).await;
    small_batches_list_the_same(&wiki).await;
    depth_and_cycle(&wiki).await;
    properties_over_several_parts(&wiki).await;
    other_ways_to_ask(&wiki).await;
    what_this_wiki_cannot(&wiki).await;
    // From here on the wiki changes.
    a_renamed_file(&wiki).await;
    a_replaced_file(&wiki).await;
    a_page_deleted_between_batches(&wiki).await;
}

async fn what_a_page_says(wiki: &TestWiki) {
    let rows = all(&source_toml(wiki, "categories = [\"Photos\"]")).await;
    assert_eq!(
        titles(&rows),
        ["Canon 40D.jpg", "DSCN0010.jpg", "DSCN0012.jpg"]
    );
    let row = find(&rows, "DSCN0010.jpg");
    let sample = &row.sample;
    let path = photo("DSCN0010.jpg");
    assert_eq!(row.expected.sha1, Some(sha1_of(&path)));
    assert_eq!(
        row.expected.bytes,
        std::fs::metadata(&path).ok().map(|m| m.len())
    );
    assert_eq!((sample.width, sample.height), (Some(640), Some(480)));
    assert_eq!(sample.mime.as_deref(), Some("image/jpeg"));
    assert_eq!(sample.media_type, MediaType::Image);
    assert_eq!(sample.creator.as_deref(), Some("exif-samples"));
    assert_eq!(
        sample.creator_url.as_deref(),
        Some("http://example.org/nikon") // of an http wiki
    );
    assert_eq!(
        sample.description.as_deref(),
        Some("A farmhouse below pines")
    );
    let evidence = sample.licence_evidence.as_deref().expect("evidence");
    let evidence: Value = serde_json::from_str(evidence).expect("JSON");
    assert_eq!(
        evidence["Artist"], "<a href=\"//example.org/nikon\">exif-samples</a>",
        "verbatim"
    );
    assert_eq!(sample.licence.as_deref(), Some("CC-BY-SA-4.0"));
    assert_eq!(sample.status, Status::Accepted, "{:?}", sample.reasons);
    assert_eq!(sample.latitude, Some(43.46715));
    assert_eq!(sample.restrictions, ["personality", "trademarked"]);
    assert!(sample.upstream_revision_at.is_some());
    let labels: Vec<&str> = sample.labels.iter().map(|l| l.label.as_str()).collect();
    assert_eq!(labels, ["Arezzo", "Photos"]);
    let MediaRef::Url(url) = &row.media else {
        panic!("{:?}", row.media);
    };
    // The bytes are there, with the sha1 the wiki states.
    let http = Http::new(HttpConfig {
        allow_private: vec!["127.0.0.1".to_owned()],
        ..HttpConfig::default()
    })
    .expect("a client");
    let url = url.parse().expect("an address");
    let answer = http.get(&url, Default::default()).await.expect("the file");
    let bytes = answer.bytes(1 << 20).await.expect("its bytes");
    assert_eq!(bytes, std::fs::read(&path).expect("the photo"));
    // Nothing is said of the others' licence.
    let bare = &find(&rows, "Canon 40D.jpg").sample;
    assert!(
        bare.reasons.contains(&Reason::LicenceMissing),
        "{:?}",
        bare.reasons
    );
    assert_eq!(bare.credit.as_deref(), Some("uploaded by Admin"));
}

async fn small_batches_list_the_same(wiki: &TestWiki) {
    let asked = |n: u32| format!("categories = [\"Photos\"]\ndepth = 3\nbatch = {n}");
    // The order of a listing is the wiki's; a release sorts by id.
    let by_key = |mut rows: Vec<Listed>| {
        rows.sort_by(|a, b| a.sample.source_key.cmp(&b.sample.source_key));
        rows
    };
    let whole = by_key(all(&source_toml(wiki, &asked(500))).await);
    for n in [1, 2] {
        let rows = by_key(all(&source_toml(wiki, &asked(n))).await);
        assert_eq!(rows, whole, "batches of {n}");
    }
    // The same checkpoint gives the same batch.
    let toml = source_toml(wiki, &asked(1));
    let first = batch(&toml, None).await.expect("the first");
    let one = batch(&toml, Some(&first.checkpoint))
        .await
        .expect("the second");
    let two = batch(&toml, Some(&first.checkpoint))
        .await
        .expect("the second");
    assert_eq!((one.listed, one.checkpoint), (two.listed, two.checkpoint));
}

async fn depth_and_cycle(wiki: &TestWiki) {
    for (depth, count) in [(0, 3), (1, 4), (2, 5), (50, 5)] {
        let asked = format!("categories = [\"Category:photos\"]\ndepth = {depth}");
        let rows = all(&source_toml(wiki, &asked)).await;
        assert_eq!(rows.len(), count, "depth {depth}: {:?}", titles(&rows));
    }
    // Without the one between, nothing leads to the clips.
    let asked = "categories = [\"Photos\"]\ndepth = 50\nexclude_categories = [\"landscapes\"]";
    assert_eq!(all(&source_toml(wiki, asked)).await.len(), 3);
    let rows = all(&source_toml(wiki, "categories = [\"Clips\"]")).await;
    assert_eq!(rows[0].sample.media_type, MediaType::Video);
    let asked = "categories = [\"Clips\"]\nmedia_types = [\"image\"]";
    let rows = all(&source_toml(wiki, asked)).await;
    assert!(rows[0].sample.reasons.contains(&Reason::MediaTypeNotWanted));
}

/// The API gives at most 500 categories an answer: three pages with 200 each
/// come in several parts.
async fn properties_over_several_parts(wiki: &TestWiki) {
    let names = ["One.jpg", "Two.jpg", "Three.jpg"];
    let page: String = (0..200)
        .map(|i| format!("[[Category:Many {i:03}]]\n"))
        .collect();
    let photos = [
        photo("DSCN0010.jpg"),
        photo("DSCN0012.jpg"),
        photo("landscape_6.jpg"),
    ];
    let imports: Vec<Import<'_>> = names
        .iter()
        .zip(&photos)
        .map(|(name, from)| Import {
            from,
            name,
            page: &page,
        })
        .collect();
    wiki.import(&imports);
    let rows = all(&source_toml(wiki, "categories = [\"Many 000\"]\nbatch = 3")).await;
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert_eq!(row.sample.labels.len(), 200, "{:?}", row.sample.title);
        assert!(row.sample.upstream_sha1.is_some());
    }
}

async fn other_ways_to_ask(wiki: &TestWiki) {
    wiki.index();
    let rows = all(&source_toml(wiki, "search = \"DSCN0010\"")).await;
    assert!(titles(&rows).contains(&"DSCN0010.jpg"));
    let range = "{ from = \"2000-01-01T00:00:00Z\", to = \"2100-01-01T00:00:00Z\" }";
    let asked = format!("uploaded = {range}\nbatch = 3");
    let rows = all(&source_toml(wiki, &asked)).await;
    assert_eq!(rows.len(), 8, "{:?}", titles(&rows));
    let id = find(&rows, "DSCN0012.jpg").sample.source_key.clone();
    let asked = format!("page_ids = [{id}, 999999, 1]");
    let rows = all(&source_toml(wiki, &asked)).await;
    let reasons = |key: &str| {
        let row = rows.iter().find(|r| r.sample.source_key == key);
        row.unwrap_or_else(|| panic!("no `{key}`"))
            .sample
            .reasons
            .clone()
    };
    assert_eq!(find(&rows, "DSCN0012.jpg").sample.source_key, id);
    assert_eq!(reasons("999999"), [Reason::UpstreamMissing]);
    assert_eq!(reasons("1"), [Reason::UpstreamNotAFile]);
    // A table of addresses of files.
    let MediaRef::Url(url) = &find(&rows, "DSCN0012.jpg").media else {
        panic!("no address");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let table = format!("id,url,landmark_id\na,{url},140690\nb,{url}.png,7\n");
    std::fs::write(folder.path().join("train.csv"), table).expect("a table");
    let toml = source_toml(wiki, "file_urls = [\"train.csv\"]");
    let http = Http::new(HttpConfig::from(&toml.fetch)).expect("a client");
    let mut source = WikimediaSource::new(&toml, folder.path(), http).expect("a source");
    let rows = source
        .next(None)
        .await
        .expect("a batch")
        .expect("rows")
        .listed;
    let row = find(&rows, "DSCN0012.jpg");
    assert_eq!(row.sample.source_key, id);
    assert!(
        row.sample
            .labels
            .iter()
            .any(|l| l.label == "140690" && l.origin == "landmark_id")
    );
    let gone = find(&rows, "DSCN0012.jpg.png");
    assert_eq!(gone.sample.reasons, [Reason::UpstreamMissing]);
}

/// GeoData and Wikibase are no part of MediaWiki itself.
async fn what_this_wiki_cannot(wiki: &TestWiki) {
    let near = "geosearch = [{ latitude = 43.0, longitude = 11.0, radius_m = 100 }]";
    let error = open(&source_toml(wiki, near))
        .next(None)
        .await
        .expect_err("no GeoData");
    assert!(error.to_string().contains("badgenerator"), "{error}");
    assert!(error.to_string().contains("leave it out"), "{error}");
    let toml = source_toml(wiki, "categories = [\"A<B\"]");
    let error = open(&toml).next(None).await.expect_err("no title");
    assert!(error.to_string().contains("invalidtitle"), "{error}");
    // A page instead of the API.
    let mut toml = source_toml(wiki, "categories = [\"Photos\"]");
    if let Some(w) = &mut toml.wikimedia {
        w.api = wiki.api().replace("api.php", "index.php");
    }
    let error = open(&toml).next(None).await.expect_err("no API");
    assert!(
        error.to_string().contains("check `api` in `[wikimedia]`"),
        "{error}"
    );
}

async fn a_renamed_file(wiki: &TestWiki) {
    let toml = source_toml(wiki, "titles = [\"Landscape.jpg\", \"Nothing.jpg\"]");
    let before = all(&toml).await;
    let id = find(&before, "Landscape.jpg").sample.source_key.clone();
    wiki.rename("File:Landscape.jpg", "File:Standing landscape.jpg");
    let rows = all(&toml).await;
    let renamed = &find(&rows, "Standing landscape.jpg").sample;
    assert_eq!(renamed.source_key, id, "the page keeps its id");
    assert!(renamed.reasons.contains(&Reason::UpstreamRenamed));
    let redirect = &find(&rows, "Landscape.jpg").sample;
    assert_ne!(redirect.source_key, id);
    assert_eq!(redirect.reasons, [Reason::UpstreamRedirect]);
    let missing = &find(&rows, "Nothing.jpg").sample;
    assert_eq!(missing.source_key, "title:File:Nothing.jpg");
    assert_eq!(missing.reasons, [Reason::UpstreamMissing]);
    // Its category lists it under the new name.
    let rows = all(&source_toml(wiki, "categories = [\"Landscapes\"]")).await;
    assert_eq!(titles(&rows), ["Standing landscape.jpg"]);
}

async fn a_replaced_file(wiki: &TestWiki) {
    let toml = source_toml(wiki, "titles = [\"Canon 40D.jpg\"]");
    let before = all(&toml).await.remove(0);
    wiki.replace("Canon 40D.jpg", &photo("DSCN0010.jpg"));
    let after = all(&toml).await.remove(0);
    assert_eq!(after.sample.sample_id, before.sample.sample_id);
    assert_ne!(after.expected.sha1, before.expected.sha1);
    assert_eq!(after.expected.sha1, Some(sha1_of(&photo("DSCN0010.jpg"))));
    assert!(after.sample.upstream_revision_at >= before.sample.upstream_revision_at);
    assert_eq!(after.sample.width, Some(640));
}

async fn a_page_deleted_between_batches(wiki: &TestWiki) {
    // One of what is still to come is deleted after the first batch.
    let toml = source_toml(wiki, "categories = [\"Many 000\"]\nbatch = 1");
    let before = all(&toml).await;
    assert_eq!(before.len(), 3);
    let first = batch(&toml, None).await.expect("the first");
    let next = before[1].sample.title.clone().expect("a title");
    let last = before[2].sample.title.clone().expect("a title");
    wiki.delete(&format!("File:{next}"));
    let second = batch(&toml, Some(&first.checkpoint))
        .await
        .expect("the second");
    assert_eq!(titles(&second.listed), [last.as_str()]);
    assert!(batch(&toml, Some(&second.checkpoint)).await.is_none());
    // Asked for by name or id it is a row with a reason.
    let toml = source_toml(wiki, &format!("titles = [\"{next}\"]"));
    let rows = all(&toml).await;
    assert_eq!(find(&rows, &next).sample.reasons, [Reason::UpstreamMissing]);
    let id = &before[1].sample.source_key;
    let rows = all(&source_toml(wiki, &format!("page_ids = [{id}]"))).await;
    assert_eq!(rows[0].sample.sample_id, before[1].sample.sample_id);
    assert_eq!(rows[0].sample.reasons, [Reason::UpstreamMissing]);
}
