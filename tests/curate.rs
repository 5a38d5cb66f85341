//! A curator's day against the real server: decide, propose, approve, release; and servers
//! that are killed in the middle of it.

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use fairframe_schemas::{Layout, Name, Summary};
use support::{Serving, datasets, fairframe, ok, text};

const PASSWORD: &str = "otter lantern gravel mosaic";
const FORM: &str = "application/x-www-form-urlencoded";

/// Somebody's browser, as far as forms go.
#[derive(Default)]
struct Browser {
    cookie: String,
    csrf: String,
}

impl Browser {
    /// The status line, where one is sent on to, and the page.
    fn send(&mut self, server: &Serving, request: &str, body: &str) -> (String, String, String) {
        let address = server
            .url
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        let cookie = &self.cookie;
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Type: {FORM}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let all = text(&all);
        let (head, page) = all.split_once("\r\n\r\n").unwrap();
        let header = |name: &str| {
            let line = head
                .lines()
                .find_map(|l| l.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_default().to_owned()
        };
        if let Some(pair) = header("set-cookie")
            .split(';')
            .next()
            .filter(|p| !p.is_empty())
        {
            self.cookie = pair.to_owned();
        }
        let mark = "name=\"csrf\" value=\"";
        if let Some(at) = page.find(mark) {
            self.csrf = page[at + mark.len()..]
                .split('"')
                .next()
                .unwrap()
                .to_owned();
        }
        (
            head.lines().next().unwrap().to_owned(),
            header("location"),
            page.to_owned(),
        )
    }

    fn get(&mut self, server: &Serving, path: &str) -> String {
        let (status, _, page) = self.send(server, &format!("GET {path}"), "");
        assert!(status.contains(" 200 "), "{path}: {status}\n{page}");
        page
    }

    /// Sends a form and gives where it leads to.
    fn post(&mut self, server: &Serving, path: &str, form: &str) -> String {
        let body = format!("csrf={}&{form}", self.csrf);
        let (status, to, page) = self.send(server, &format!("POST {path}"), &body);
        assert!(status.contains(" 303 "), "{path}: {status}\n{page}");
        to
    }

    /// Sets a password by a one-time link and is logged in by that.
    fn enter(server: &Serving, link: &str) -> Self {
        let mut browser = Self::default();
        browser.get(server, link);
        let words = PASSWORD.replace(' ', "+");
        browser.post(server, link, &format!("password={words}&again={words}"));
        browser.get(server, "/account");
        browser
    }

    /// The page of a job once it is over.
    fn wait(&mut self, server: &Serving, job: &str) -> String {
        let begun = Instant::now();
        loop {
            let page = self.get(server, job);
            if !page.contains("data-events") {
                return page;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{page}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

struct House {
    root: tempfile::TempDir,
    sources: PathBuf,
}

impl House {
    /// The drop, ingested.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let sources = root.path().join("sources");
        let drop = sources.join("drop");
        fs::create_dir_all(&sources).unwrap();
        ok(Command::new("cp")
            .arg("-r")
            .arg(datasets().join("drop"))
            .arg(&drop));
        let house = Self { root, sources };
        ok(fairframe(&house.data())
            .arg("ingest")
            .arg(drop.join("source.toml")));
        house
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn serve(&self) -> Serving {
        Serving::with(&self.data(), &["--sources", self.sources.to_str().unwrap()])
    }

    fn link(&self, name: &str) -> String {
        text(&ok(fairframe(&self.data()).args(["account", name])).stdout)
            .trim()
            .to_owned()
    }
}

fn summary(root: &Path, version: &str) -> Summary {
    let layout = Layout::new(root);
    let folder = layout.release(&Name::new("demo").unwrap(), version.parse().unwrap());
    serde_json::from_str(&fs::read_to_string(folder.join("summary.json")).unwrap()).unwrap()
}

/// Addresses of samples on a page.
fn samples(page: &str, version: &str) -> Vec<String> {
    let base = format!("/datasets/demo/{version}/samples/");
    let mut found: Vec<String> = page
        .split(&format!("href=\"{base}"))
        .skip(1)
        .map(|rest| rest[..32].to_owned())
        .collect();
    found.dedup();
    found
}

#[test]
fn two_persons_decide_and_release() {
    let house = House::new();
    let server = house.serve();
    let mut mira = Browser::enter(&server, &house.link("admin"));
    let page = {
        let body = format!("csrf={}&name=noor&role=curator", mira.csrf);
        mira.send(&server, "POST /admin/accounts", &body).2
    };
    let at = page.find("/welcome/").unwrap();
    let link: String = page[at..].chars().take_while(|c| *c != '<').collect();
    let mut noor = Browser::enter(&server, &link);

    let listed = mira.get(&server, "/datasets/demo/1.0.0/samples?status=accepted");
    let ids = samples(&listed, "1.0.0");
    assert!(ids.len() > 1, "{listed}");
    mira.get(&server, &format!("/datasets/demo/1.0.0/samples/{}", ids[0]));
    let form = format!("sample={}&change=reject&why=blurred", ids[0]);
    mira.post(&server, "/datasets/demo/decide", &form);
    let form = format!("sample={}&change=label&labels=tree%0Ahouse", ids[1]);
    mira.post(&server, "/datasets/demo/decide", &form);
    let page = mira.get(&server, "/datasets/demo/release");
    assert!(
        page.contains("the next one is <strong>2.0.0</strong>"),
        "{page}"
    );
    mira.post(&server, "/datasets/demo/release", "notes=One+is+out.");
    // Not by the one who proposed it.
    let page = mira.get(&server, "/datasets/demo/release");
    assert!(page.contains("Somebody else must approve it."));
    let at = page.find("/decline").unwrap();
    let proposal = page[..at].rsplit('/').next().unwrap().to_owned();
    let approve = format!("/datasets/demo/release/{proposal}/approve");
    let body = format!("csrf={}", mira.csrf);
    let (status, _, _) = mira.send(&server, &format!("POST {approve}"), &body);
    assert!(status.contains(" 409 "), "{status}");
    noor.get(&server, "/datasets/demo/release");
    let job = noor.post(&server, &approve, "");
    let page = noor.wait(&server, &job);
    assert!(page.contains("Done:") && page.contains("2.0.0"), "{page}");

    let made = summary(&house.data(), "2.0.0");
    let approval = made.approval.unwrap();
    assert_eq!(
        (approval.persons, approval.notes.as_str()),
        (2, "One is out.")
    );
    let before = summary(&house.data(), "1.0.0").counts.accepted();
    assert_eq!(made.counts.accepted(), before - 1);
    ok(fairframe(&house.data())
        .arg("verify")
        .arg(house.data().join("manifests/demo/2.0.0")));
    let audit = ["audit", "--holds", &approval.audit_hash];
    ok(fairframe(&house.data()).args(audit));
    let page = mira.get(&server, "/datasets/demo/release");
    assert!(
        page.contains("Nothing that would change version 2.0.0."),
        "{page}"
    );
    let relabelled = mira.get(&server, &format!("/datasets/demo/2.0.0/samples/{}", ids[1]));
    assert!(relabelled.contains("curator"), "{relabelled}");
}

/// A server that is killed at any moment loses no decision and no job, and no job runs twice
/// at a time: its child ends with it.
#[test]
fn a_killed_server_loses_nothing() {
    let house = House::new();
    let mut server = house.serve();
    let mut mira = Browser::enter(&server, &house.link("admin"));
    let listed = mira.get(&server, "/datasets/demo/1.0.0/samples?status=accepted");
    let ids = samples(&listed, "1.0.0");
    let mut jobs = Vec::new();
    for round in 0..12u64 {
        let id = &ids[round as usize % ids.len()];
        let form = format!("sample={id}&change=quarantine&why=round+{round}");
        mira.post(&server, "/datasets/demo/decide", &form);
        let job = mira.post(&server, "/jobs", "dataset=demo&kind=ingest");
        std::thread::sleep(Duration::from_millis(60 * round));
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        server = house.serve();
        let page = mira.wait(&server, &job);
        let main = page.split("<main").nth(1).unwrap();
        assert!(page.contains("Done:"), "round {round}: {main}");
        jobs.push(job);
    }
    let page = mira.get(&server, "/datasets/demo/decisions");
    for round in 0..12 {
        assert!(page.contains(&format!("round {round}")), "{round}");
    }
    ok(fairframe(&house.data()).arg("audit"));
    jobs.dedup();
    assert_eq!(jobs.len(), 12);
    // Nothing was released by ingests that found nothing new, however often they began.
    assert!(!house.data().join("manifests/demo/1.0.1").exists());
}
