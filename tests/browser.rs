//! The web interface as a curator sees it: the real server, a real Chromium.

mod support;

use std::{fs, process::Command};

use support::{Serving, datasets, fairframe, has_chromium, ok, python, text, workspace};

/// Links, downloads, scripts off, no errors, nothing from elsewhere, widths, accessibility:
/// `tests/python/browse.py` says what is looked at.
#[test]
fn a_curator_finds_everything_and_every_page_is_sound() {
    let Some(python) = python() else { return };
    if !has_chromium() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    ok(fairframe(root.path()).args(["demo", "--no-corpus"]));
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
    let (root, sources) = (folder.path().join("data"), folder.path().join("sources"));
    fs::create_dir(&sources).unwrap();
    for source in ["drop", "actors", "contributions"] {
        ok(Command::new("cp")
            .arg("-r")
            .arg(datasets().join(source))
            .arg(&sources));
    }
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
