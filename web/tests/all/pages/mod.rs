//! Every route, in process: what is there, what is not, what may not be.

mod files;

use crate::support::site::{Answer, Browser};
use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use fairframe_schemas::{
    Digest, Layout, Name, Reason, RecallList, Sample, SampleId, Summary, Timestamp,
    recall::RecallEntry,
};
use tower::ServiceExt;

struct TestApp {
    router: Router,
    layout: Layout,
    samples: Vec<Sample>,
    summary: Summary,
    _root: tempfile::TempDir,
}

impl TestApp {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let (samples, summary) = crate::support::demo(&layout);
        let report = layout.reports().join("first");
        std::fs::create_dir_all(&report).unwrap();
        std::fs::write(
            report.join("report.html"),
            "<!doctype html><title>r</title>",
        )
        .unwrap();
        std::fs::write(report.join("report.json"), "{}").unwrap();
        std::fs::write(report.join("secret.txt"), "hidden truth").unwrap();
        Self {
            router: crate::support::site::router(layout.clone()).await,
            layout,
            samples,
            summary,
            _root: root,
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(header::HeaderName, &str)],
    ) -> Answer {
        let mut visitor = Browser {
            router: self.router.clone(),
            cookie: None,
            csrf: String::new(),
        };
        visitor.ask(method, path, headers, Body::empty()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    fn digest(&self, title: &str) -> Digest {
        let has = |s: &&Sample| s.title.as_deref().is_some_and(|t| t.contains(title));
        self.samples.iter().find(has).unwrap().media_sha256.unwrap()
    }
}

#[tokio::test]
async fn differences_are_those_of_the_rows() {
    let app = TestApp::new().await;
    let answer = app.get("/datasets/photos/2.0.0/changes.json").await;
    let told: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let version = |v: &str| {
        app.layout
            .release(&Name::new("photos").unwrap(), v.parse().unwrap())
    };
    let found = fairframe_ingest::diff::diff(&version("1.0.0"), &version("2.0.0")).unwrap();
    assert!(!found.removed.is_empty());
    let lost: Vec<String> = found.removed.keys().map(ToString::to_string).collect();
    let said = told["removed"].as_object().unwrap();
    assert!(said.keys().eq(lost.iter()), "{told}");
    assert_eq!(told["unchanged"], found.unchanged);
    assert_eq!(told["change"], "major");
    for path in [
        "/datasets/photos/1.0.0/changes",
        "/datasets/photos/2.0.0/changes?since=9.9.9",
        "/datasets/photos/2.0.0/changes?since=..%2F..",
        "/datasets/none/2.0.0/changes.json",
    ] {
        assert_eq!(app.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn every_page_is_there() {
    let app = TestApp::new().await;
    for (path, word) in [
        ("/", "Photos &#38; places"),
        ("/datasets/photos", "2.0.0"),
        ("/datasets/photos/1.0.0/", "older version"),
        (
            "/datasets/photos/2.0.0/",
            "1 sample withdrawn in this version",
        ),
        (
            "/datasets/photos/2.0.0/samples",
            "Farmhouse below the pines",
        ),
        ("/datasets/photos/2.0.0/samples?page=1", "Italy"),
        (
            "/datasets/photos/2.0.0/changes",
            "do not mix results of the two",
        ),
        (
            "/datasets/photos/2.0.0/changes?since=1.0.0",
            "1.0.0 to 2.0.0",
        ),
        (
            "/datasets/photos/1.0.0/changes?since=2.0.0",
            "2.0.0 to 1.0.0",
        ),
        ("/reports", "first"),
        ("/reports/first/", "report.json"),
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert!(
            answer.text().contains(word),
            "{path} lacks `{word}`:\n{}",
            answer.text()
        );
        assert!(
            answer.header(header::CONTENT_TYPE).starts_with("text/html"),
            "{path}"
        );
    }
    for (from, to) in [
        ("/datasets", "/"),
        ("/datasets/photos/", "/datasets/photos"),
        ("/datasets/photos/2.0.0", "/datasets/photos/2.0.0/"),
        ("/reports/first", "/reports/first/"),
    ] {
        let answer = app.get(from).await;
        assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT, "{from}");
        assert_eq!(answer.header(header::LOCATION), to);
    }
    assert_eq!(app.get("/assets/style.css").await.status, StatusCode::OK);
    assert_eq!(app.get("/assets/icon.svg").await.status, StatusCode::OK);
    assert_eq!(app.get("/healthz").await.text(), "ok\n");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_with_a_way_back() {
    let app = TestApp::new().await;
    for path in [
        "/nowhere",
        "/datasets/none",
        "/datasets/photos/9.9.9/",
        "/datasets/photos/latest/",
        "/datasets/photos/2.0.0/samples?page=0",
        "/datasets/photos/2.0.0/samples?page=2",
        "/datasets/photos/2.0.0/samples?page=99999999999999999999999",
        "/data/photos/2.0.0/nothing.parquet",
        "/reports/none/",
        "/reports/first/groups.parquet",
        "/media/abc",
        "/thumbnails/abc",
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            answer.text().contains("href=\"/\""),
            "{path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn the_newest_recall_list_is_found_without_a_version() {
    let app = TestApp::new().await;
    let released = app.get("/data/photos/2.0.0/recall.json").await;
    let answer = app.get("/data/photos/recall.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.bytes, released.bytes);
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/json");
    // A copy keeps a list that is newer than any release it holds.
    let newer = app.layout.recall(&app.summary.dataset);
    std::fs::write(&newer, "{}").unwrap();
    assert_eq!(app.get("/data/photos/recall.json").await.bytes, b"{}");
    for path in ["/data/nothing/recall.json", "/data/..%2f/recall.json"] {
        assert_eq!(app.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn nothing_can_be_written() {
    let app = TestApp::new().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        for path in [
            "/",
            "/datasets/photos",
            "/data/photos/2.0.0/SHA256SUMS",
            "/media/abc",
        ] {
            let answer = app.ask(method.clone(), path, &[]).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert!(answer.header(header::ALLOW).contains("GET"));
        }
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_a_browser_safe() {
    let app = TestApp::new().await;
    for path in [
        "/",
        "/nowhere",
        "/datasets/photos",
        "/data/photos/2.0.0/SHA256SUMS",
    ] {
        let answer = app.get(path).await;
        assert_eq!(
            answer.header(header::X_CONTENT_TYPE_OPTIONS),
            "nosniff",
            "{path}"
        );
        assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY");
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(
            !policy.contains("unsafe") || policy.contains("sandbox"),
            "{policy}"
        );
        let scripts = policy.split(';').find(|rule| rule.contains("script-src"));
        assert!(
            scripts.is_none_or(|rule| rule.trim() == "script-src 'self'"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn a_fault_inside_shows_nothing_of_the_inside() {
    let app = TestApp::new().await;
    let folder = app
        .layout
        .release(&app.summary.dataset, app.summary.version);
    std::fs::write(folder.join("summary.json"), "{ not json").unwrap();
    let answer = app.get("/datasets/photos").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    for word in ["summary.json", "manifests", "expected", "column"] {
        assert!(!answer.text().contains(word), "{}", answer.text());
    }
    // The list of datasets still stands.
    assert_eq!(app.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_dataset_page_says_how_to_get_it_and_describes_itself_to_machines() {
    let app = TestApp::new().await;
    let page = app.get("/datasets/photos").await;
    let part = "http://data.example/data/photos/2.0.0/part-00000.parquet";
    for line in [
        "curl -fLO -C - ",
        "pl.read_parquet(",
        "pd.read_parquet(",
        "read_parquet([",
        "load_dataset(",
        "fairframe pull ",
    ] {
        assert!(page.text().contains(line), "{line}");
    }
    assert!(page.text().contains(part));
    let start = page
        .text()
        .find("<script type=\"application/ld+json\">")
        .unwrap();
    let json = &page.text()[start..];
    let json = &json[json.find('>').unwrap() + 1..json.find("</script>").unwrap()];
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["name"], "photos");
    let files = json["distribution"].as_array().unwrap();
    let url = |f: &serde_json::Value| f["contentUrl"].as_str().unwrap().to_owned();
    assert!(files.iter().map(url).any(|u| u == part));
}

#[tokio::test]
async fn an_empty_folder_has_pages_too() {
    let root = tempfile::tempdir().unwrap();
    let router = crate::support::site::router(Layout::new(root.path().join("nothing"))).await;
    for path in ["/", "/reports"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
}

/// Real proportions: where Dollar Street's pictures are from, beside where people live.
#[tokio::test]
async fn the_card_of_a_large_dataset_names_who_is_missing() {
    let Some(table) = crate::support::shared("dollar-street/metadata.csv.gz") else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let summary = crate::support::publish(
        &layout,
        crate::support::Release {
            dataset: "dollar-street",
            version: "1.0.0",
            previous: None,
            change: fairframe_schemas::version::Change::None,
            about: Default::default(),
            samples: crate::support::dollar_street(&table),
            recall: None,
        },
    );
    assert_eq!(summary.counts.listed, 13_565);
    assert_eq!(summary.counts.out(), 13_565);
    let folder = layout.release(&summary.dataset, summary.version);
    let card = std::fs::read_to_string(folder.join("card.html")).unwrap();
    for word in ["under-represented", "Sub-Saharan Africa", "China"] {
        assert!(card.contains(word), "{word}");
    }
    if let Some(keep) = option_env!("CARGO_TARGET_TMPDIR") {
        // For looking at.
        let _ = std::fs::write(std::path::Path::new(keep).join("card.html"), &card);
    }
    let router = crate::support::site::router(layout).await;
    let last = 13_565u64.div_ceil(48);
    let path = format!("/datasets/dollar-street/1.0.0/samples?page={last}");
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}
