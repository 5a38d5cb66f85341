//! The actors' clips framed by the real binary.

use std::{fs, path::Path};

use crate::support::{datasets, fairframe, ok, tree};
use fairframe_corpus::frame::read;
use serde_json::Value;

/// Before one of the three withdraws.
const BEFORE: &str = "2026-05-01T00:00:00Z";

fn frame(root: &Path, source: &Path, rule: &str, at: &str) -> Value {
    let toml = format!(
        "dataset = \"fakes\"\nsource = \"fakes\"\n\
         [corpus]\nactors = \"actors/source.toml\"\n\
         [corpus.frame]\nsample = {{ count = 3 }}\n{rule}\n"
    );
    fs::write(source, toml).unwrap();
    let mut command = fairframe(root);
    command.args(["frame", "--json", "--at", at]).arg(source);
    serde_json::from_slice(&ok(&mut command).stdout).unwrap()
}

#[test]
fn clips_are_framed_once_and_a_broken_one_is_a_row() {
    let house = tempfile::tempdir().unwrap();
    for (name, bytes) in tree(&datasets().join("actors")) {
        let path = house.path().join("actors").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let root = house.path().join("data");
    ok(fairframe(&root)
        .args(["ingest", "--at", BEFORE])
        .arg(house.path().join("actors/source.toml")));
    let source = house.path().join("source.toml");
    // One clip's bytes are gone bad since.
    let store = tree(&root.join("store"));
    let (broken, bytes) = store.iter().next().unwrap();
    fs::write(root.join("store").join(broken), &bytes[..bytes.len() / 2]).unwrap();

    let first = frame(&root, &source, "", BEFORE);
    let refused = first["refused"].as_array().unwrap();
    let reasons: Vec<&str> = refused
        .iter()
        .filter_map(|r| r["reason"].as_str())
        .collect();
    assert_eq!(
        reasons.iter().filter(|r| r.starts_with("media-")).count(),
        1
    );
    let videos = first["videos"].as_u64().unwrap();
    assert_eq!(videos + refused.len() as u64, 15);
    assert!(videos > 5, "{first}");
    assert_eq!(
        (&first["kept"], &first["frames"]),
        (&0.into(), &(3 * videos).into())
    );
    assert_eq!(first["crops"], first["frames"]);

    // Framed items with their rows; again, nothing is done.
    let frames = root.join("corpora/fakes/frames");
    let framed = fs::read_dir(&frames).unwrap().map(|e| e.unwrap().path());
    let framed: Vec<_> = framed
        .filter(|f| f.join("frames.parquet").exists())
        .collect();
    assert_eq!(framed.len() as u64, videos);
    assert!(framed.iter().all(|f| read(f).unwrap().len() == 3));
    let made = tree(&frames);
    let again = frame(&root, &source, "", BEFORE);
    assert_eq!(
        (&again["kept"], &again["made"]),
        (&videos.into(), &0.into())
    );
    assert_eq!(tree(&frames), made);

    // Another rule: all anew, and the same for the same.
    let other = frame(&root, &source, "size = 256", BEFORE);
    assert_eq!(
        (&other["kept"], &other["made"]),
        (&0.into(), &(3 * videos).into())
    );
    frame(&root, &source, "", BEFORE);
    assert_eq!(tree(&frames), made);
}
