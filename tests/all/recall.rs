//! Recalls by the real binary: on copies, on installations, and between datasets of
//! one copy; and what `verify` says of a release that has not followed one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::files::{Act, Files};
use crate::support::{datasets, fairframe, ok, text, tree};
use fairframe_schemas::{
    Digest, Layout, MediaType, Name, Reason, RecallList, Sample, SampleId, Split,
    recall::RecallEntry,
};

const AT: &str = "2026-09-01T00:00:00Z";

/// Exit code, and all that was said.
fn run(root: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = fairframe(root);
    let output = command.args(arguments).output().expect("the binary starts");
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code(), said)
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A release of samples, each with the bytes that it shows; the bytes are in the store.
fn released(root: &Path, dataset: &str, version: &str, samples: &[(&str, &str)]) -> PathBuf {
    let layout = Layout::new(root);
    let mut rows: Vec<Sample> = samples
        .iter()
        .map(|(key, says)| {
            let mut sample = Sample::new("s", key, MediaType::Image);
            let digest = Digest::of(says.as_bytes());
            let path = layout.media(&digest);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, says).unwrap();
            sample.media_sha256 = Some(digest);
            sample.bytes = Some(says.len() as i64);
            sample.licence = Some("CC0-1.0".to_owned());
            sample.split = Some(Split::Train);
            sample
        })
        .collect();
    rows.sort_by_key(|s| s.sample_id);
    crate::support::releases::write(root, dataset, version, rows, None)
}

/// A list that recalls samples by id and bytes.
fn list(dataset: &str, entries: &[(&str, Option<&str>)]) -> RecallList {
    let mut list = RecallList::new(Name::new(dataset).unwrap());
    list.recall_version = 1;
    list.extend(entries.iter().map(|(key, says)| RecallEntry {
        sample_id: SampleId::new("s", key),
        media_sha256: says.map(|s| Digest::of(s.as_bytes())),
        reason: Reason::Withdrawn,
        withdrawn_in: "9.0.0".parse().unwrap(),
        at: AT.parse().unwrap(),
    }));
    list
}

fn file(folder: &Path, list: &RecallList) -> String {
    let path = folder.join("list.json");
    fs::write(&path, list.to_json()).unwrap();
    shown(&path).to_owned()
}

fn holds(root: &Path, says: &str) -> bool {
    Layout::new(root)
        .media(&Digest::of(says.as_bytes()))
        .exists()
}

/// The samples that a copy says it holds of a release.
fn papers(copy: &Path, dataset: &str, version: &str) -> BTreeSet<String> {
    let folder = copy.join("pulled").join(dataset).join(version);
    let ids = |name: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let rows = text.lines().skip(1);
        rows.map(|row| row.split(',').next().unwrap().to_owned())
            .collect()
    };
    let samples = ids("samples.csv");
    assert_eq!(ids("ATTRIBUTION.csv"), samples, "{dataset} {version}");
    samples
}

fn pull(release: &str, copy: &Path) -> serde_json::Value {
    let mut command = fairframe(copy);
    command.args(["--json", "pull", release, "--to"]).arg(copy);
    serde_json::from_slice(&ok(&mut command).stdout).unwrap()
}

fn ids(keys: &[&str]) -> BTreeSet<String> {
    let ids = keys.iter().map(|key| SampleId::new("s", key).to_string());
    ids.collect()
}

#[test]
fn a_copy_remembers_a_recall_and_a_stale_origin_brings_nobody_back() {
    let root = tempfile::tempdir().unwrap();
    // The file of `a` was replaced; the list that comes knows of the newer bytes only.
    let one = released(root.path(), "one", "1.0.0", &[("a", "older"), ("b", "b")]);
    let two = released(root.path(), "one", "2.0.0", &[("a", "newer"), ("b", "b")]);
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path();
    for release in [&one, &two] {
        assert_eq!(pull(shown(release), copy)["held"], 2);
    }
    let outside = tempfile::tempdir().unwrap();
    let came = file(outside.path(), &list("one", &[("a", Some("newer"))]));
    let before = tree(copy);
    let dry = ["recall", shown(copy), &came, "--dry-run"];
    let (code, said) = run(copy, &dry);
    assert!(
        code == Some(0) && said.contains("2 files would be"),
        "{said}"
    );
    assert!(tree(copy).keys().eq(before.keys()) && holds(copy, "older"));

    let (code, said) = run(copy, &dry[..3]);
    assert!(
        code == Some(0) && said.contains("2 files removed"),
        "{said}"
    );
    assert!(!holds(copy, "older") && !holds(copy, "newer") && holds(copy, "b"));
    for version in ["1.0.0", "2.0.0"] {
        assert_eq!(papers(copy, "one", version), ids(&["b"]));
    }
    let kept = fs::read_to_string(copy.join("manifests/one/recall.json")).unwrap();
    let kept: RecallList = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept.digests().len(), 2, "{kept:?}");

    // The origin knows of no withdrawal, and has all the bytes.
    for release in [&one, &two] {
        let done = pull(shown(release), copy);
        assert_eq!(
            (&done["held"], &done["samples"]["recalled"]),
            (&1.into(), &1.into())
        );
    }
    assert!(!holds(copy, "older") && !holds(copy, "newer"));
    assert_eq!(papers(copy, "one", "1.0.0"), ids(&["b"]));
    let (code, said) = run(copy, &["verify", shown(&copy.join("manifests/one/2.0.0"))]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_recall_touches_nothing_but_media_and_only_of_a_dataset_that_is_there() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    released(root.path(), "one", "1.0.0", &[("a", "a"), ("b", "b")]);
    let thumbnail = layout.thumbnail(&Digest::of(b"a"));
    fs::create_dir_all(thumbnail.parent().unwrap()).unwrap();
    fs::write(&thumbnail, "small").unwrap();
    let part = layout
        .store()
        .join("partial")
        .join(SampleId::new("s", "a").to_string());
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, "half").unwrap();
    let mine = root.path().join("notes.txt");
    fs::write(&mine, "mine").unwrap();
    let outside = tempfile::tempdir().unwrap();
    let recall = |list: &RecallList| {
        let came = file(outside.path(), list);
        run(root.path(), &["recall", shown(root.path()), &came])
    };

    // A stranger's list, of files that are no media.
    let card = layout
        .dataset(&Name::new("one").unwrap())
        .join("1.0.0/card.html");
    let card = fs::read_to_string(card).unwrap();
    let hostile = [("x", Some("mine")), ("y", Some(card.as_str()))];
    let before = tree(root.path());
    let (code, said) = recall(&list("other", &hostile));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no release of dataset `other`"), "{said}");
    assert_eq!(tree(root.path()), before);

    let (code, said) = recall(&list("one", &hostile));
    assert!(
        code == Some(0) && said.contains("0 files removed"),
        "{said}"
    );
    let (code, said) = recall(&list("one", &[("a", None)]));
    assert!(
        code == Some(0) && said.contains("3 files removed"),
        "{said}"
    );
    assert!(!holds(root.path(), "a") && !thumbnail.exists() && !part.exists());
    assert!(holds(root.path(), "b") && mine.exists());
    let (code, said) = run(
        root.path(),
        &["verify", shown(&root.path().join("manifests/one/1.0.0"))],
    );
    assert_eq!(code, Some(0), "{said}");

    // A damaged list of its own is not written over.
    let own = layout.recall(&Name::new("one").unwrap());
    fs::write(&own, "{").unwrap();
    let (code, said) = recall(&list("one", &[("b", None)]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("put back the `recall.json`"), "{said}");
    assert!(holds(root.path(), "b"));
}

#[test]
fn an_address_gives_the_release_it_names_or_nothing() {
    let root = tempfile::tempdir().unwrap();
    released(root.path(), "one", "1.0.0", &[("a", "a")]);
    released(root.path(), "two", "1.0.0", &[("b", "b")]);
    released(root.path(), "one", "2.0.0", &[("a", "a")]);
    for (asked, given) in [("two/1.0.0", "one/1.0.0"), ("one/1.0.0", "one/2.0.0")] {
        // A server that answers every question about one release with the files of another.
        let files = |name: &str| tree(&root.path().join("manifests").join(name));
        let lies = files(given);
        let prefix = format!("manifests/{asked}/");
        let server = Files::serve(root.path(), move |(path, _)| {
            match path.strip_prefix(&prefix).and_then(|name| lies.get(name)) {
                Some(bytes) => Act::Instead(bytes.clone()),
                None => Act::Serve,
            }
        });
        let copy = tempfile::tempdir().unwrap();
        let url = server.url(&format!("manifests/{asked}"));
        let (code, said) = run(copy.path(), &["pull", &url, "--to", shown(copy.path())]);
        assert_eq!(code, Some(1), "{said}");
        let (asked, given) = (asked.replace('/', " "), given.replace('/', " "));
        assert!(
            said.contains(&format!("names {asked}")) && said.contains(&given),
            "{said}"
        );
        assert!(!copy.path().join("manifests").exists());
    }
}

#[test]
fn what_one_dataset_recalls_no_dataset_of_the_copy_holds() {
    let root = tempfile::tempdir().unwrap();
    let one = released(root.path(), "one", "1.0.0", &[("a", "shared"), ("b", "b")]);
    let two = released(root.path(), "two", "1.0.0", &[("c", "shared"), ("d", "d")]);
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path();
    pull(shown(&one), copy);
    assert_eq!(pull(shown(&two), copy)["held"], 2);
    let list = list("one", &[("a", Some("shared"))]);
    fs::write(one.parent().unwrap().join("recall.json"), list.to_json()).unwrap();
    assert_eq!(
        pull(shown(&one), copy)["removed"].as_array().unwrap().len(),
        1
    );
    assert!(!holds(copy, "shared"));
    assert_eq!(papers(copy, "one", "1.0.0"), ids(&["b"]));
    assert_eq!(papers(copy, "two", "1.0.0"), ids(&["d"]));
    // And it does not come back with the other.
    assert_eq!(pull(shown(&two), copy)["held"], 1);
    assert!(!holds(copy, "shared") && holds(copy, "d"));
}

/// Writes a file of a release anew, and its line of `SHA256SUMS`.
fn tamper(release: &Path, name: &str, bytes: &str) {
    fs::write(release.join(name), bytes).unwrap();
    let sums = fs::read_to_string(release.join("SHA256SUMS")).unwrap();
    let line = |line: &str| match line.ends_with(&format!("  {name}")) {
        true => format!("{}  {name}\n", Digest::of(bytes.as_bytes())),
        false => format!("{line}\n"),
    };
    let sums: String = sums.lines().map(line).collect();
    fs::write(release.join("SHA256SUMS"), sums).unwrap();
}

#[test]
fn verify_sees_recalled_bytes_and_rows_of_another_release() {
    let root = tempfile::tempdir().unwrap();
    let release = released(root.path(), "one", "1.0.0", &[("a", "a"), ("b", "b")]);
    let verify = || run(root.path(), &["verify", shown(&release)]);
    let (code, said) = verify();
    assert_eq!(code, Some(0), "{said}");
    let summary = fs::read_to_string(release.join("summary.json")).unwrap();
    let other = summary.replace("\"version\": \"1.0.0\"", "\"version\": \"1.0.1\"");
    assert_ne!(summary, other);
    tamper(&release, "summary.json", &other);
    let (code, said) = verify();
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("1.0.1") && said.contains("`version` `1.0.0`"),
        "{said}"
    );
    tamper(&release, "summary.json", &summary);
    // The bytes of `a`, recalled as those of somebody else.
    let list = list("one", &[("x", Some("a"))]);
    tamper(&release, "recall.json", &list.to_json());
    let (code, said) = verify();
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains(&SampleId::new("s", "a").to_string()),
        "{said}"
    );
    assert!(said.contains("on the recall list"), "{said}");
}

/// The whole way: an installation that recalled, and the actors' next release.
#[test]
fn an_installation_remembers_too() {
    let root = tempfile::tempdir().unwrap();
    let source = datasets().join("actors/source.toml");
    let ingest = || {
        ok(fairframe(root.path())
            .arg("ingest")
            .arg(&source)
            .args(["--at", AT]))
    };
    ingest();
    let layout = Layout::new(root.path());
    let name = Name::new("demo-actors").unwrap();
    let all = attributed(root.path(), "1.0.0");
    let id = all.iter().next().unwrap();
    let mut recalled = list("demo-actors", &[("", None)]);
    recalled.entries[0].sample_id = id.parse().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let came = file(outside.path(), &recalled);
    let (code, said) = run(root.path(), &["recall", shown(root.path()), &came]);
    assert!(code == Some(0), "{said}");
    ingest();
    assert_eq!(attributed(root.path(), "2.0.0").len(), all.len() - 1);
    assert!(!attributed(root.path(), "2.0.0").contains(id));
    let list = fs::read_to_string(
        layout
            .release(&name, "2.0.0".parse().unwrap())
            .join("recall.json"),
    );
    assert!(list.unwrap().contains(id));
    let release = root.path().join("manifests/demo-actors/2.0.0");
    let (code, said) = run(root.path(), &["verify", "--media", shown(&release)]);
    assert_eq!(code, Some(0), "{said}");
}

/// The accepted samples of a release of the actors.
fn attributed(root: &Path, version: &str) -> BTreeSet<String> {
    let path = root
        .join("manifests/demo-actors")
        .join(version)
        .join("ATTRIBUTION.csv");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1);
    rows.map(|row| row.split(',').next().unwrap().to_owned())
        .collect()
}
