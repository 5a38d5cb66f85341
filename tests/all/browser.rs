//! The web interface as a curator sees it: the real server, a real Chromium.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{
    Serving, datasets, fairframe, free_port, has_chromium, ok, python, text, workspace,
};
use fairframe_schemas::Summary;

/// A folder with these of the declared sources.
fn sources(folder: &Path, names: &[&str]) -> PathBuf {
    let sources = folder.join("sources");
    fs::create_dir(&sources).unwrap();
    for name in names {
        ok(Command::new("cp")
            .arg("-r")
            .arg(datasets().join(name))
            .arg(&sources));
    }
    sources
}

/// Links, downloads, scripts off, no errors, nothing from elsewhere, widths, accessibility:
/// `tests/python/browse.py` says what is looked at.
#[test]
fn a_curator_finds_everything_and_every_page_is_sound() {
    let Some(python) = python() else { return };
    if !has_chromium() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let port = free_port();
    ok(fairframe(root.path()).args(["demo", "--no-corpus", "--replay-port", &port]));
    let server = Serving::start(root.path());
    let mut browse = Command::new(python);
    browse
        .arg(workspace().join("tests/python/browse.py"))
        .arg(&server.url);
    let said = text(&ok(&mut browse).stdout);
    let seen: serde_json::Value = serde_json::from_str(&said).unwrap();
    let pages: Vec<&str> = seen["pages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|page| page.as_str())
        .collect();
    for page in [
        "/",
        "/datasets/demo",
        "/datasets/demo-actors/1.0.0/",
        "/datasets/demo/1.0.0/samples",
        "/datasets/demo/1.0.0/quality",
        "/datasets/demo/1.0.0/duplicates",
        "/datasets/demo/1.0.0/map",
        "/datasets/demo/1.0.0/coverage",
        "/data/demo/1.0.0/card.html",
        "/data/demo-actors/2.0.0/ATTRIBUTION.html",
        "/reports",
        "/reports/dfdc/report.html",
        "/datasets/no-such",
    ] {
        assert!(pages.contains(&page), "`{page}` was not walked: {pages:?}");
    }
    assert!(seen["files"].as_u64() > Some(20), "{said}");
}

/// Pull, look, decide with keys, withdraw one person, release with a second person, receive
/// contributions and takedown requests; every page signed in judged by axe, in light, in dark and
/// on a phone: `tests/python/day.py`.
#[test]
fn a_curators_day() {
    let Some(python) = python() else { return };
    if !has_chromium() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let sources = sources(folder.path(), &["drop", "actors", "contributions"]);
    let server = Serving::with(&root, &["--sources", sources.to_str().unwrap()]);
    let link = text(&ok(fairframe(&root).args(["account", "admin"])).stdout);
    let mut day = Command::new(python);
    day.arg(workspace().join("tests/python/day.py"))
        .args([server.url.as_str(), link.trim()]);
    let said = text(&ok(&mut day).stdout);
    let seen: serde_json::Value = serde_json::from_str(&said).unwrap();
    let pages = seen["pages"].as_array().unwrap().len();
    assert!(pages >= 29, "{said}");
    ok(fairframe(&root).arg("audit"));
    for (dataset, version) in [("demo", "2.0.0"), ("demo-actors", "2.0.0")] {
        let release = root.join("manifests").join(dataset).join(version);
        ok(fairframe(&root).arg("verify").arg(release));
    }
}

/// Find, read the card, accept the terms, download with five tools by the page's own lines, pull,
/// verify, hear of a withdrawal and follow it: `tests/python/hour.py`.
#[test]
fn a_researchers_hour() {
    let Some(python) = python() else { return };
    if !has_chromium() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (root, desk) = (folder.path().join("data"), folder.path().join("desk"));
    fs::create_dir(&desk).unwrap();
    let sources = sources(folder.path(), &["drop", "actors"]);
    for name in ["drop", "actors"] {
        let source = sources.join(name).join("source.toml");
        ok(fairframe(&root).arg("ingest").arg(source));
    }
    let server = Serving::with(&root, &["--sources", sources.to_str().unwrap()]);
    let link = text(&ok(fairframe(&root).args(["account", "admin"])).stdout);
    let mut hour = Command::new(python);
    hour.arg(workspace().join("tests/python/hour.py"))
        .args([server.url.as_str(), link.trim()])
        .arg(env!("CARGO_BIN_EXE_fairframe"))
        .arg(&desk);
    let said = text(&ok(&mut hour).stdout);
    let seen: serde_json::Value = serde_json::from_str(&said).unwrap();
    let accepted = |dataset: &str, version: &str| {
        let summary = root.join(format!("manifests/{dataset}/{version}/summary.json"));
        let summary: Summary = serde_json::from_slice(&fs::read(summary).unwrap()).unwrap();
        summary.counts.accepted()
    };
    let rows = accepted("demo-actors", "1.0.0");
    assert!(rows > 0);
    for tool in [
        "curl",
        "polars",
        "pandas",
        "DuckDB",
        "Hugging Face datasets",
    ] {
        assert_eq!(seen["rows"][tool].as_u64(), Some(rows), "{tool}: {said}");
    }
    assert_eq!(
        seen["croissant"].as_u64(),
        Some(accepted("demo", "1.0.0")),
        "{said}"
    );
    let gone = rows - accepted("demo-actors", "2.0.0");
    assert!(gone > 0);
    assert_eq!(seen["recalled"].as_u64(), Some(gone), "{said}");
}

/// A host takes the Inclusive Images template to a closed stage 2; teams take part; the final board
/// is there for anybody: `tests/python/weeks.py`.
#[test]
fn a_competitions_weeks() {
    let Some(python) = python() else { return };
    if !has_chromium() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let server = Serving::start(root.path());
    let link = text(&ok(fairframe(root.path()).args(["account", "admin"])).stdout);
    let mut weeks = Command::new(python);
    weeks
        .arg(workspace().join("tests/python/weeks.py"))
        .args([server.url.as_str(), link.trim()]);
    let said = text(&ok(&mut weeks).stdout);
    let seen: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        seen["final"],
        serde_json::json!([["1", "ben"], ["2", "North"]]),
        "{said}"
    );
    ok(fairframe(root.path()).arg("audit"));
}
