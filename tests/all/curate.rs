//! A curator's day against the real server: decide, propose, approve, release; people who
//! contribute; and servers that are killed in the middle of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::support::{
    Serving,
    browser::{Browser, multipart},
    datasets, fairframe, ok, text,
};
use fairframe_schemas::{Layout, Name, Summary};

struct House {
    root: tempfile::TempDir,
    sources: PathBuf,
}

impl House {
    /// The drop, ingested.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let sources = root.path().join("sources");
        fs::create_dir_all(&sources).unwrap();
        let house = Self { root, sources };
        let drop = house.declare("drop");
        ok(fairframe(&house.data())
            .arg("ingest")
            .arg(drop.join("source.toml")));
        house
    }

    /// Declares a source that is shipped. Gives its folder.
    fn declare(&self, name: &str) -> PathBuf {
        let folder = self.sources.join(name);
        ok(Command::new("cp")
            .arg("-r")
            .arg(datasets().join(name))
            .arg(&folder));
        folder
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

const CALL: &str = "/contribute/everyday/contributed";

/// Sends pictures by the form; where it leads to, and the page. `written`: what the camera wrote is
/// published too.
fn contribute(
    browser: &mut Browser,
    server: &Serving,
    (shows, written): (&str, bool),
    pictures: &[(&str, &[u8])],
) -> (String, String, String) {
    let csrf = browser.csrf.clone();
    let mut fields: Vec<(&str, Option<&str>, &[u8])> = vec![
        ("csrf", None, csrf.as_bytes()),
        ("country", None, b"KE"),
        ("label", None, b"stove"),
        ("further", None, b"jiko, charcoal"),
        ("licence", None, b"CC0-1.0"),
        ("credit", None, b""),
        ("shows", None, shows.as_bytes()),
        ("agreed", None, b"2026-11-01"),
    ];
    if written {
        fields.push(("written", None, b"keep"));
    }
    for (name, bytes) in pictures {
        fields.push(("pictures", Some(name), bytes));
    }
    let (kind, body) = multipart(&fields);
    browser.send_as(server, &format!("POST {CALL}"), &kind, &body)
}

/// The rows of the newest version of what was contributed.
fn contributed(root: &Path, version: &str) -> Vec<fairframe_schemas::Sample> {
    let layout = Layout::new(root);
    let folder = layout.release(&Name::new("everyday").unwrap(), version.parse().unwrap());
    let reader = fairframe_ingest::manifest::ReleaseReader::open(&folder).unwrap();
    let rows = reader.accepted().chain(reader.excluded());
    rows.flat_map(Result::unwrap).collect()
}

#[test]
fn what_people_contribute_is_ingested_and_can_be_taken_back() {
    let house = House::new();
    let source = house.declare("contributions");
    let server = house.serve();
    let mut admin = Browser::enter(&server, &house.link("admin"));
    let body = format!("csrf={}&name=wanjiru&role=participant", admin.csrf);
    let page = admin.send(&server, "POST /admin/accounts", &body).2;
    let at = page.find("/welcome/").unwrap();
    let link: String = page[at..].chars().take_while(|c| *c != '<').collect();
    let mut wanjiru = Browser::enter(&server, &link);
    let page = wanjiru.get(&server, "/contribute");
    assert!(page.contains(CALL), "{page}");
    wanjiru.get(&server, CALL);

    // The first says where it was taken, in Italy.
    let photos = ["DSCN0010.jpg", "landscape_6.jpg"]
        .map(|name| fs::read(datasets().join("drop/media").join(name)).unwrap());
    let (status, to, page) = contribute(
        &mut wanjiru,
        &server,
        ("nobody", false),
        &[("stove.jpg", &photos[0])],
    );
    assert!(status.contains(" 303 "), "{status}\n{page}");
    let page = wanjiru.get(&server, to.split('#').next().unwrap());
    assert!(page.contains("1 picture arrived"), "{page}");
    let (status, _, page) = contribute(
        &mut wanjiru,
        &server,
        ("me", false),
        &[("me.jpg", &photos[1])],
    );
    assert!(status.contains(" 303 "), "{status}\n{page}");

    let job = admin.post(&server, "/jobs", "dataset=everyday&kind=ingest");
    let page = admin.wait(&server, &job);
    assert!(page.contains("Done:"), "{page}");
    let rows = contributed(&house.data(), "1.0.0");
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert_eq!(row.country.as_deref(), Some("KE"), "{row:?}");
        assert_eq!((row.latitude, row.longitude), (None, None), "{row:?}");
        assert_eq!(row.licence.as_deref(), Some("CC0-1.0"));
        let labels: Vec<&str> = row.labels.iter().map(|l| l.label.as_str()).collect();
        assert_eq!(labels, ["charcoal", "jiko", "stove"]);
    }
    let me = rows.iter().find(|r| !r.subject_ids.is_empty());
    let me = me.unwrap_or_else(|| panic!("{rows:?}"));
    let record = fs::read_dir(source.join("given/consents")).unwrap().next();
    let record = fs::read_to_string(record.unwrap().unwrap().path()).unwrap();
    assert!(record.contains("Consent text 2026-11-01"), "{record}");
    assert!(record.contains(me.subject_ids[0].as_str()));
    assert!(!record.contains("wanjiru"));

    // Taken back: gone at once, and from the versions to come.
    let digest = me.media_sha256.unwrap();
    let media = format!("GET /media/{digest}");
    let page = wanjiru.get(&server, CALL);
    let file = format!("media/{digest}.jpg");
    assert!(page.contains(&file), "{page}");
    wanjiru.post(
        &server,
        &format!("{CALL}/take-back"),
        &format!("file={}", file.replace('/', "%2F")),
    );
    assert!(admin.send(&server, &media, "").0.contains(" 404 "));
    assert!(!source.join("given").join(&file).exists());
    let job = admin.post(&server, "/jobs", "dataset=everyday&kind=ingest");
    let page = admin.wait(&server, &job);
    assert!(page.contains("Done:"), "{page}");
    let gone = contributed(&house.data(), "2.0.0");
    let gone = gone.iter().find(|r| r.sample_id == me.sample_id).unwrap();
    assert_ne!(gone.status, fairframe_schemas::Status::Accepted, "{gone:?}");
    // The last one too: what is asked of nobody is an empty dataset, not an error.
    let other = rows.iter().find(|r| r.sample_id != me.sample_id).unwrap();
    wanjiru.get(&server, CALL);
    wanjiru.post(
        &server,
        &format!("{CALL}/take-back"),
        &format!("file=media%2F{}.jpg", other.media_sha256.unwrap()),
    );
    let job = admin.post(&server, "/jobs", "dataset=everyday&kind=ingest");
    let page = admin.wait(&server, &job);
    assert!(page.contains("Done:"), "{page}");
    let left = contributed(&house.data(), "3.0.0");
    let accepted = |r: &&fairframe_schemas::Sample| r.status == fairframe_schemas::Status::Accepted;
    assert_eq!(left.iter().filter(accepted).count(), 0);
    ok(fairframe(&house.data()).arg("audit"));
}

/// What the page said has arrived is there after any kill, once; what it did not say may be sent
/// again.
#[test]
fn a_server_killed_while_pictures_arrive_keeps_what_it_took() {
    let house = House::new();
    let source = house.declare("contributions");
    let mut server = house.serve();
    let mut admin = Browser::enter(&server, &house.link("admin"));
    let photo = fs::read(datasets().join("drop/media/Canon_40D.jpg")).unwrap();
    let mut arrived = 0;
    for round in 0..10u64 {
        // Other bytes, the same picture: what stands behind a JPEG's end is not read.
        let pictures: Vec<Vec<u8>> = (0..8u8)
            .map(|n| [&photo[..], &[round as u8, n]].concat())
            .collect();
        let named: Vec<(&str, &[u8])> = pictures.iter().map(|p| ("p.jpg", &p[..])).collect();
        admin.get(&server, CALL);
        let said = std::thread::scope(|scope| {
            let (admin, server, named) = (&mut admin, &server, &named);
            let sent = scope.spawn(move || {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    contribute(admin, server, ("nobody", true), named)
                }))
            });
            std::thread::sleep(Duration::from_millis(4 * round));
            let pid = server.child.id().to_string();
            let _ = Command::new("kill").args(["-9", &pid]).status();
            sent.join().unwrap()
        });
        if said.is_ok_and(|(status, ..)| status.contains(" 303 ")) {
            arrived += pictures.len();
        }
        server.child.wait().unwrap();
        server = house.serve();
        let page = admin.get(&server, CALL);
        let listed = page.matches("Take it back").count();
        assert!(listed >= arrived, "round {round}: {listed} of {arrived}");
        assert_eq!(listed % pictures.len(), 0, "all of a form or nothing of it");
        arrived = listed;
    }
    // At the latest now all are sent, and what was there is not taken twice.
    for round in 0..10u8 {
        let pictures: Vec<Vec<u8>> = (0..8u8)
            .map(|n| [&photo[..], &[round, n]].concat())
            .collect();
        let named: Vec<(&str, &[u8])> = pictures.iter().map(|p| ("p.jpg", &p[..])).collect();
        contribute(&mut admin, &server, ("nobody", true), &named);
    }
    let page = admin.get(&server, CALL);
    assert_eq!(page.matches("Take it back").count(), 80);
    assert_eq!(
        fs::read_dir(source.join("given/media")).unwrap().count(),
        80
    );
}

/// A researcher finds a dataset from the command line, and downloads with a token what asks for its
/// terms to be accepted.
#[test]
fn a_token_carries_what_its_account_accepted() {
    let house = House::new();
    let server = house.serve();
    let mut mira = Browser::enter(&server, &house.link("admin"));
    let run = |arguments: &[&str], token: Option<&str>| {
        let mut command = fairframe(&house.root.path().join("elsewhere"));
        command.args(arguments);
        if let Some(token) = token {
            command.env("FAIRFRAME_TOKEN", token);
        }
        let output = command.output().unwrap();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        (output.status.success(), said)
    };
    let (found, said) = run(&["datasets", "--server", &server.url], None);
    assert!(
        found && said.starts_with("demo 1.0.0 (4 samples)"),
        "{said}"
    );

    mira.get(&server, "/datasets/demo/terms");
    mira.post(&server, "/datasets/demo/terms", "text=For+research+only.");
    let body = format!("csrf={}&name=rosa&role=researcher", mira.csrf);
    let page = mira.send(&server, "POST /admin/accounts", &body).2;
    let at = page.find("/welcome/").unwrap();
    let link: String = page[at..].chars().take_while(|c| *c != '<').collect();
    let mut rosa = Browser::enter(&server, &link);
    let token_of = |browser: &mut Browser| {
        browser.get(&server, "/account");
        let body = format!("csrf={}&name=pull&days=7&scope=read", browser.csrf);
        let page = browser.send(&server, "POST /account/tokens", &body).2;
        let token = page.split("<pre tabindex=\"0\"><code>").nth(1).unwrap();
        token.split('<').next().unwrap().to_owned()
    };
    let (curators, token) = (token_of(&mut mira), token_of(&mut rosa));
    let release = format!("{}data/demo/1.0.0/", server.url);
    let pull = |copy: &str, token: Option<&str>| {
        let copy = house.root.path().join(copy);
        run(&["pull", &release, "--to", copy.to_str().unwrap()], token)
    };
    for (token, why) in [
        (None, "403"),
        (Some(token.as_str()), "403"),
        (Some("nonsense"), "401"),
    ] {
        let (pulled, said) = pull("copy", token);
        assert!(!pulled && said.contains(why), "{token:?}: {said}");
        assert!(!said.contains(token.unwrap_or("no token")), "{said}");
    }
    let page = rosa.get(&server, "/datasets/demo/terms");
    let number = page.split("name=\"terms\" value=\"").nth(1).unwrap();
    let number = number.split('"').next().unwrap();
    let accept = "/datasets/demo/terms/accept";
    rosa.post(&server, accept, &format!("terms={number}"));
    // Whoever says the terms need not accept them.
    for (copy, token) in [("copy", &token), ("curators", &curators)] {
        let (pulled, said) = pull(copy, Some(token));
        assert!(pulled, "{said}");
        let copy = house.root.path().join(copy);
        let held = copy.join("manifests/demo/1.0.0");
        ok(fairframe(&copy).arg("verify").arg(held).arg("--media"));
    }
    let copy = house.root.path().join("copy");
    let list = format!("{}data/demo/recall.json", server.url);
    let (followed, said) = run(&["recall", copy.to_str().unwrap(), &list], None);
    assert!(followed && said.contains("0 files removed"), "{said}");
}
