//! The demo, as its user runs it, and what it promises.

mod support;

use std::path::Path;

use support::{datasets, fairframe, ok, python, text, tree, workspace};

fn demo(root: &Path) -> String {
    text(&ok(fairframe(root).arg("demo")).stdout)
}

fn release(root: &Path, dataset: &str, version: &str) -> std::path::PathBuf {
    root.join("manifests").join(dataset).join(version)
}

#[test]
fn the_whole_way_on_the_bundled_samples() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let said = demo(root);
    assert!(said.contains("5 files removed: recalled"), "{said}");
    assert_eq!(said.matches(": sound;").count(), 2, "{said}");

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
    for folder in ["manifests/demo-actors", "restricted", "receipts", "reports"] {
        let (a, b) = (
            tree(&one.path().join(folder)),
            tree(&two.path().join(folder)),
        );
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
        for (name, bytes) in a {
            assert_eq!(bytes, b[&name], "{folder}/{name}");
        }
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
    ok(&mut bare);
    let output = fairframe(root.path()).arg("nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
