//! Fakes by programs of others, run by the real binary: one that does what it should, some that
//! want more than they were given; and what is left of somebody who took consent back.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{datasets, fairframe, ok, tree};
use fairframe_schemas::SampleId;
use serde_json::Value;

/// Before the person of `milk` withdraws, and after.
const BEFORE: &str = "2026-05-01T00:00:00Z";
const AFTER: &str = "2026-11-01T00:00:00Z";
/// Of two people.
const CLIPS: [&str; 2] = ["milk", "student"];

/// Two clips of the actors, ingested, paired both ways, and framed; `corpus.swap` is `rule`.
fn house(folder: &Path, rule: &str) {
    let (from, actors) = (datasets().join("actors"), folder.join("actors"));
    for part in ["clips", "consents"] {
        fs::create_dir_all(actors.join(part)).unwrap();
    }
    let files = fs::read_to_string(from.join("files.csv")).unwrap();
    let kept = |line: &&str| {
        let named = |clip: &&str| line.starts_with(&format!("clips/{clip}."));
        line.starts_with("file,") || CLIPS.iter().any(named)
    };
    let files: Vec<&str> = files.lines().filter(kept).collect();
    fs::write(actors.join("files.csv"), files.join("\n")).unwrap();
    let copied = ["source.toml", "subjects.csv", "scenes.csv"].map(str::to_owned);
    let clips = CLIPS.map(|clip| format!("clips/{clip}.mkv"));
    let consents = ["a", "b", "c"].map(|p| format!("consents/person-{p}.json"));
    for name in copied.iter().chain(&clips).chain(&consents) {
        fs::copy(from.join(name), actors.join(name)).unwrap();
    }
    let toml = format!(
        "dataset = \"fakes\"\nsource = \"fakes\"\n\
         [split]\ntrain = 1.0\nvalidation = 0.0\ntest = 0.0\n\
         [corpus]\nactors = \"actors/source.toml\"\n[corpus.pair]\nscenes = \"free\"\n[corpus.frame]\ncrops = \"none\"\n{rule}\n"
    );
    fs::write(folder.join("source.toml"), toml).unwrap();
    let source = actors.join("source.toml");
    ok(fairframe(&folder.join("data"))
        .args(["ingest", "--at", BEFORE])
        .arg(source));
    for stage in ["pair", "frame"] {
        stage_of(folder, stage, BEFORE);
    }
}

/// What a stage says.
fn stage_of(folder: &Path, stage: &str, at: &str) -> Value {
    let mut command = fairframe(&folder.join("data"));
    command.args([stage, "--json", "--at", at]);
    let said = ok(command.arg(folder.join("source.toml"))).stdout;
    serde_json::from_slice(&said).unwrap()
}

#[test]
fn a_program_gets_what_it_needs_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let swapper = datasets()
        .join("../corpus/testdata/swapper.py")
        .canonicalize();
    let swapper = swapper.unwrap();
    // What each tries, and what it is told.
    let elsewhere = folder.path().join("elsewhere");
    let consent = folder.path().join("actors/consents/person-a.json");
    let tries = [
        ("phone", "import socket; socket.socket()".to_owned()),
        ("painter", format!("open('{}', 'w')", elsewhere.display())),
        ("reader", format!("open('{}')", consent.display())),
        (
            "thief",
            format!("import os; os.listdir('{}')", root.join("store").display()),
        ),
    ];
    let mut rule = "[corpus.swap]\nmost_seam = 1000.0\nmethods = [\"bars\"".to_owned();
    for (name, _) in &tries {
        rule.push_str(&format!(", \"{name}\""));
    }
    rule.push_str("]\n[corpus.swap.external]\n");
    let command = |name: &str, words: &[&str]| {
        let command = serde_json::to_string(words).unwrap();
        format!("{name} = {{ command = {command}, timeout_s = 60 }}\n")
    };
    rule.push_str(&command("bars", &["python3", swapper.to_str().unwrap()]));
    for (name, script) in &tries {
        rule.push_str(&command(name, &["python3", "-c", script]));
    }
    house(folder.path(), &rule);
    let said = stage_of(folder.path(), "swap", BEFORE);
    let fakes = said["fakes"].as_array().unwrap();
    assert_eq!(fakes.len(), 2 * (1 + tries.len()));
    for fake in fakes {
        let item = fake["item"].as_str().unwrap();
        let stands = root.join("corpora/fakes/fakes").join(item);
        assert!(!stands.join("exchange").exists());
        if item.ends_with("--bars") {
            let done = &fake["result"]["done"];
            let (frames, swapped) = (&done["frames"], &done["swapped"]);
            let (frames, swapped) = (frames.as_u64().unwrap(), swapped.as_u64().unwrap());
            assert_eq!(swapped, frames - frames / 10, "{fake}");
            assert!(stands.join("master.mkv").is_file());
        } else {
            let refused = &fake["result"]["refused"];
            assert_eq!(refused["reason"], "swap-method-failed", "{fake}");
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains("PermissionError"), "{message}");
            assert!(!stands.join("master.mkv").exists());
        }
    }
    assert!(!elsewhere.exists());
}

/// The record on the disk says so, and nothing else was run since.
#[test]
fn whoever_took_consent_back_is_gone_with_the_next_command() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let swapper = datasets()
        .join("../corpus/testdata/swapper.py")
        .canonicalize();
    let command = serde_json::to_string(&["python3", swapper.unwrap().to_str().unwrap()]);
    let rule = format!(
        "[corpus.swap]\nmost_seam = 1000.0\nmethods = [\"bars\"]\n\
         [corpus.swap.external]\nbars = {{ command = {} }}\n\
         [[corpus.compress.rungs]]\nname = \"c40\"\ncrf = 40\n",
        command.unwrap()
    );
    house(folder.path(), &rule);
    for stage in ["swap", "compress"] {
        stage_of(folder.path(), stage, BEFORE);
    }
    let corpus = root.join("corpora/fakes");
    let items = |stage: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(corpus.join(stage)).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.collect()
    };
    assert_eq!(items("frames").len(), 2);
    assert_eq!(items("fakes").len(), 2);
    // Two real clips, two fakes, two masks.
    assert_eq!(items("clips").len(), 6);
    // A swap was killed while a program worked, and a detector has learned from all.
    let pair = items("fakes").pop_first().unwrap();
    let half = corpus.join(format!("fakes/.tmp-{pair}/exchange/target"));
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("000000.png"), "a face").unwrap();
    let learned = root.join("reports/fakes-baseline");
    fs::create_dir_all(&learned).unwrap();
    fs::write(learned.join("detector.json"), "{}").unwrap();

    stage_of(folder.path(), "frame", AFTER);
    let other = SampleId::new("actors", "clips/student.mkv").to_string();
    assert_eq!(items("frames"), BTreeSet::from([other.clone()]));
    assert_eq!(items("clips"), BTreeSet::from([format!("{other}--c40")]));
    assert!(items("fakes").is_empty());
    assert!(!learned.exists());
    let faces = |name: &String| name.ends_with(".png") || name.ends_with(".jpg");
    let pictures = tree(&corpus).into_keys().filter(faces);
    assert!(pictures.into_iter().all(|name| name.contains(&other)));
    // The list withdraws the rows, for the release to recall them.
    let list = fs::read_to_string(corpus.join("clips.jsonl")).unwrap();
    let lines = list
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap());
    for line in lines {
        let theirs = line["sample"]["derived_from"] != serde_json::json!([other]);
        assert_eq!(line["sample"]["status"] == "withdrawn", theirs, "{line}");
        assert_eq!(line["file"].is_null(), theirs);
    }
}
