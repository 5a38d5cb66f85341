//! The demo, as its user runs it, and what it promises.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::Stdio,
    sync::{LazyLock, Mutex, PoisonError},
};

use crate::support::{datasets, fairframe, free_port, ok, python, text, tree, workspace};
use fairframe_ingest::manifest::ReleaseReader;

/// One at a time: a release holds the address its media came from, and so the port.
static ONE: Mutex<()> = Mutex::new(());

/// A port that was free, the same for every demo here but the one that takes minutes.
fn port() -> String {
    static PORT: LazyLock<String> = LazyLock::new(free_port);
    PORT.clone()
}

/// Without the corpus, which takes minutes: one test makes it.
fn demo(root: &Path) -> String {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut demo = fairframe(root);
    text(&ok(demo.args(["demo", "--no-corpus", "--replay-port", &port()])).stdout)
}

fn release(root: &Path, dataset: &str, version: &str) -> std::path::PathBuf {
    root.join("manifests").join(dataset).join(version)
}

#[test]
fn the_whole_way_on_the_bundled_samples() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let said = ok(fairframe(root).args(["demo", "--replay-port", &free_port()]));
    let said = text(&said.stdout);
    assert!(said.contains("5 files removed: recalled"), "{said}");
    assert_eq!(said.matches(": sound;").count(), 3, "{said}");
    let corpus = release(root, "demo-corpus", "2.0.0");
    assert!(corpus.join("card.html").is_file());
    // Judged anew: what the detector had learned of whom withdrew went with them.
    assert!(
        root.join("reports/demo-corpus-baseline/report.html")
            .is_file()
    );

    // The person who withdrew: excluded, recalled, gone from the store; nothing of them in any row.
    let second = release(root, "demo-actors", "2.0.0");
    let recall: serde_json::Value =
        serde_json::from_slice(&std::fs::read(second.join("recall.json")).unwrap()).unwrap();
    let entries = recall["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 5);
    for entry in entries {
        let digest = entry["media_sha256"].as_str().unwrap();
        for folder in ["store", "thumbnails"] {
            let at = root.join(folder).join(&digest[..2]).join(&digest[2..4]);
            let left = at.read_dir().into_iter().flatten().flatten();
            assert!(
                left.into_iter()
                    .all(|e| !e.file_name().to_string_lossy().starts_with(digest))
            );
        }
    }
    for (name, bytes) in tree(&second) {
        let has = |needle: &str| bytes.windows(needle.len()).any(|w| w == needle.as_bytes());
        assert!(!has("person-b"), "{name} names the subject who withdrew");
        assert!(!has("example-consent"), "{name} names a consent record");
    }

    // What changed, by the tool that says so.
    let first = release(root, "demo-actors", "1.0.0");
    let said = ok(fairframe(root)
        .arg("diff")
        .arg(&first)
        .arg(&second)
        .arg("--json"));
    let diff: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(diff["removed"].as_object().unwrap().len(), 5);
    assert!(diff["added"].as_array().unwrap().is_empty());

    // What was read of the clips stands in the rows, the frame rate exactly.
    let rows = ReleaseReader::open(&second).unwrap();
    let rows: Vec<_> = rows.accepted().flat_map(Result::unwrap).collect();
    assert_eq!(rows.len(), 10);
    for row in &rows {
        let ratio = row.frame_rate_ratio.as_deref().unwrap();
        let (numerator, denominator) = ratio.split_once('/').unwrap();
        let exact: f64 = numerator.parse::<f64>().unwrap() / denominator.parse::<f64>().unwrap();
        assert_eq!(row.frame_rate, Some(exact), "{ratio}");
        let frames = row.frame_count.unwrap() as f64;
        let length = row.duration_s.unwrap();
        assert!((frames / exact - length).abs() < 0.15, "{frames} {length}");
        assert_eq!(row.has_audio, Some(false));
        assert!(row.variable_frame_rate.is_some());
        assert_eq!(row.video_codec.as_deref(), Some("h264"));
    }

    // A changed byte is found.
    let card = second.join("card.html");
    std::fs::write(&card, "<p>other</p>").unwrap();
    let found = fairframe(root).arg("verify").arg(&second).output().unwrap();
    assert_eq!(found.status.code(), Some(3));
    assert!(
        text(&found.stdout).contains("digest: card.html"),
        "{}",
        text(&found.stdout)
    );
}

#[test]
fn two_demos_write_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for root in [&one, &two] {
        demo(root.path());
    }
    assert_same(&made(one.path()), &made(two.path()));
}

#[test]
fn a_demo_may_be_served() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let root = tempfile::tempdir().unwrap();
    let mut child = fairframe(root.path())
        .args([
            "demo",
            "--no-corpus",
            "--serve",
            "--listen",
            "127.0.0.1:0",
            "--replay-port",
            &port(),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says where it serves once all is made; a demo that fails ends its stderr.
    let mut said = Vec::new();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut address = None;
    for line in lines.map_while(Result::ok) {
        if let Some((_, found)) = line.split_once(" at http://") {
            address = Some(found.trim_end_matches('/').to_owned());
            break;
        }
        said.push(line);
    }
    let answer = address.map(|address| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let asked = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let answer = answer.unwrap_or_else(|| panic!("it never served: {said:?}"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("Fairframe demo: actors"), "{answer}");
}

/// What a demo made: all but journals, which hold times, and the copy's record of inodes.
fn made(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = tree(root);
    all.retain(|name, _| !name.starts_with("journal/") && !name.ends_with("record.sqlite"));
    for part in [
        "manifests/demo/",
        "manifests/demo-actors/",
        "restricted/",
        "receipts/",
    ] {
        assert!(all.keys().any(|name| name.starts_with(part)), "{part}");
    }
    all
}

fn assert_same(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

#[test]
fn a_second_demo_tells_the_same_story() {
    let root = tempfile::tempdir().unwrap();
    let said = demo(root.path());
    let first = made(root.path());
    assert_eq!(demo(root.path()), said);
    assert_same(&first, &made(root.path()));
}

#[test]
fn a_folder_no_demo_made_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("mine"), "mine").unwrap();
    let output = fairframe(root.path()).arg("demo").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("is not empty") && said.contains("--root"),
        "{said}"
    );
    assert_eq!(tree(root.path()).len(), 1);
}

/// Real submissions that are not shipped, where they are.
#[test]
fn shared_submissions_are_judged_too() {
    let shared = std::env::var_os("FAIRFRAME_SHARED")
        .map_or_else(|| workspace().join("../shared"), Into::into);
    if !shared.join("data/inclusive-images").is_dir() {
        eprintln!(
            "skipped: `{}` is absent (FAIRFRAME_SHARED)",
            shared.display()
        );
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let said = ok(fairframe(root.path())
        .args(["demo", "--no-corpus", "--replay-port", &port()])
        .env("FAIRFRAME_SHARED", &shared));
    let said = text(&said.stdout);
    for value in ["f2_mean (image): 0.296012", "f2_mean (image): 0.299916"] {
        assert!(said.contains(value), "{value}: {said}");
    }
    for name in [
        "dfdc",
        "dfdc-frames",
        "inclusive-images-team-a-4",
        "inclusive-images-team-a-16",
    ] {
        assert!(
            root.path()
                .join("reports")
                .join(name)
                .join("report.html")
                .is_file(),
            "{name}"
        );
    }
}

/// The five readers and the Croissant validator, the real packages.
#[test]
fn releases_open_in_five_readers_and_pass_the_validator() {
    let Some(python) = python() else { return };
    let root = tempfile::tempdir().unwrap();
    demo(root.path());
    for (dataset, version) in [("demo", "1.0.0"), ("demo-actors", "2.0.0")] {
        let folder = release(root.path(), dataset, version);
        let mut readers = std::process::Command::new(&python);
        readers.arg(workspace().join("tests/python/read_manifest.py"));
        readers.arg(&folder).args(["part-00000.parquet"]);
        let said = text(&ok(&mut readers).stdout);
        for reader in ["pyarrow", "polars", "pandas", "duckdb", "datasets"] {
            assert!(said.contains(reader), "{reader} is missing in {said}");
        }
        let mut validator = std::process::Command::new(&python);
        validator
            .arg(workspace().join("tests/python/check_croissant.py"))
            .arg(&folder);
        ok(&mut validator);
    }
}

#[test]
fn wrong_sources_are_refused_with_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("source.toml");
    std::fs::write(
        &path,
        "dataset = \"d\"\nsource = \"s\"\n[wikimedia]\ncategorys = []\n",
    )
    .unwrap();
    let output = fairframe(root.path())
        .arg("ingest")
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("source.toml") && said.contains("did you mean `categories`?"),
        "{said}"
    );
    // A bare name in the folder itself.
    let mut bare = fairframe(root.path());
    bare.current_dir(datasets().join("drop"))
        .args(["ingest", "source.toml", "--check"]);
    let said = text(&ok(&mut bare).stdout);
    assert!(
        said.contains("(crowdsourced): ") && said.contains(" rows"),
        "{said}"
    );
    let output = fairframe(root.path()).arg("nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// `--check` opens what is declared, reaches no network and leaves nothing behind.
#[test]
fn check_says_what_a_source_holds() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let check = |path: &Path| {
        let mut command = fairframe(&root);
        command.args(["ingest", "--check", "--json"]).arg(path);
        command.output().unwrap()
    };
    for (source, kind) in [
        ("drop", "crowdsourced"),
        ("actors", "actors"),
        ("demo-commons", "wikimedia"),
    ] {
        let output = check(&datasets().join(source).join("source.toml"));
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said[0]["kind"], kind);
        assert_eq!(said[0]["rows"].as_u64().is_none(), kind == "wikimedia");
        if kind == "actors" {
            assert_eq!(
                (&said[0]["rows"], &said[0]["consents"]),
                (&15.into(), &3.into())
            );
        }
    }
    let path = folder.path().join("source.toml");
    for (table, says) in [
        ("[crowdsourced]\npath = \"nowhere\"", "which is not there"),
        ("[wikimedia]", "nothing is asked for"),
        (
            "[wikimedia]\ndepth = \"x\"",
            "source.toml: line 4, column 9: ",
        ),
    ] {
        std::fs::write(&path, format!("dataset = \"d\"\nsource = \"s\"\n{table}\n")).unwrap();
        let output = check(&path);
        assert_eq!(output.status.code(), Some(1), "{table}");
        let said = text(&output.stderr);
        assert!(
            said.contains(says) && said.contains("source.toml"),
            "{said}"
        );
    }
    assert!(!root.exists());
}

#[test]
fn a_closed_pipe_ends_quietly() {
    for what in ["columns", "reasons", "summary"] {
        let root = tempfile::tempdir().unwrap();
        let mut child = fairframe(root.path())
            .args(["schema", what])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{what}");
        assert_eq!(text(&output.stderr), "", "{what}");
    }
}
