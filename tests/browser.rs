//! The web interface as a curator sees it: the real server, a real Chromium.

mod support;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use support::{fairframe, ok, python, text, workspace};

/// The server, ended with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(root: &Path) -> Self {
        let mut child = fairframe(root)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("stderr"))
            .read_line(&mut line)
            .expect("a line");
        let address = line.split_whitespace().last().unwrap_or_default();
        assert!(address.starts_with("http://127.0.0.1:"), "{line}");
        let address = address.to_owned();
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Chromium to look with; never none in CI.
fn has_chromium() -> bool {
    let name = std::env::var_os("FAIRFRAME_CHROMIUM").unwrap_or_else(|| "chromium".into());
    let found = Command::new(&name).arg("--version").output();
    if found.is_ok_and(|said| said.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none_or(|v| v != "true"),
        "no {name:?} here"
    );
    eprintln!("skipped: no {name:?} (`make test-packages` installs it)");
    false
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
    ok(fairframe(root.path()).arg("demo"));
    let server = Server::start(root.path());
    let mut browse = Command::new(python);
    browse
        .arg(workspace().join("tests/python/browse.py"))
        .arg(&server.address);
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
