//! From actor videos to a released deepfake corpus, by the real binary: what stands in it,
//! that a kill costs nothing, and that nothing of a person who withdraws is left on the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use crate::support::{datasets, fairframe, ok, text, tree};
use fairframe_ingest::manifest::ReleaseReader;
use fairframe_schemas::{ConsentState, MediaType, Purpose, RecallList, Sample, Split, Status};

/// All three have given consent; later one of them, `person-b`, has withdrawn.
const BEFORE: &str = "2026-09-01T00:00:00Z";
const AFTER: &str = "2026-11-01T00:00:00Z";

/// Five short clips of three people, in a folder of their own.
const CLIPS: [&str; 5] = ["no", "yes", "thanks", "milk", "book"];

/// The demo's declarations with fewer clips and pairs.
fn declared(folder: &Path) -> (PathBuf, PathBuf) {
    let actors = folder.join("actors");
    for part in ["clips", "consents"] {
        fs::create_dir_all(actors.join(part)).unwrap();
    }
    let from = datasets().join("actors");
    let mut files = "file,subject,scene\n".to_owned();
    for line in fs::read_to_string(from.join("files.csv")).unwrap().lines() {
        if let Some(clip) = CLIPS
            .iter()
            .find(|c| line.starts_with(&format!("clips/{c}.mkv")))
        {
            files.push_str(&format!("{line}\n"));
            let name = format!("clips/{clip}.mkv");
            fs::copy(from.join(&name), actors.join(&name)).unwrap();
        }
    }
    fs::write(actors.join("files.csv"), files).unwrap();
    for name in ["source.toml", "subjects.csv", "scenes.csv"] {
        fs::copy(from.join(name), actors.join(name)).unwrap();
    }
    for person in ["a", "b", "c"] {
        let name = format!("consents/person-{person}.json");
        fs::copy(from.join(&name), actors.join(&name)).unwrap();
    }
    let corpus = folder.join("corpus");
    fs::create_dir_all(&corpus).unwrap();
    let text = fs::read_to_string(datasets().join("corpus/source.toml")).unwrap();
    let text = text.replace("pairs = 3", "pairs = 1");
    fs::write(corpus.join("source.toml"), text).unwrap();
    (actors.join("source.toml"), corpus.join("source.toml"))
}

fn ingest(root: &Path, source: &Path, at: &str) {
    ok(fairframe(root).arg("ingest").arg(source).args(["--at", at]));
}

fn corpus(root: &Path, source: &Path, at: &str) -> std::process::Command {
    let mut command = fairframe(root);
    command.arg("corpus").arg(source).args(["--at", at]);
    command
}

fn rows(root: &Path, dataset: &str, version: &str) -> Vec<Sample> {
    let folder = root.join("manifests").join(dataset).join(version);
    let release = ReleaseReader::open(&folder).unwrap();
    let all = release.accepted().chain(release.excluded());
    all.flat_map(|rows| rows.unwrap()).collect()
}

fn kind(sample: &Sample) -> &str {
    let label = sample.labels.iter().find(|l| l.origin == "corpus");
    label.map_or("", |l| &l.label)
}

#[test]
fn a_corpus_is_made_released_and_withdrawn_from() {
    let folder = tempfile::tempdir().unwrap();
    let (actors, declared) = declared(folder.path());
    let root = folder.path().join("root");
    ingest(&root, &actors, BEFORE);
    ok(&mut corpus(&root, &declared, BEFORE));

    let made = rows(&root, "demo-corpus", "1.0.0");
    let people: BTreeMap<String, BTreeSet<String>> = rows(&root, "demo-actors", "1.0.0")
        .into_iter()
        .map(|v| (v.sample_id.to_string(), v.subject_ids.into_iter().collect()))
        .collect();
    let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for sample in &made {
        assert_eq!(sample.status, Status::Accepted, "{:?}", sample.reasons);
        assert_eq!(sample.media_type, MediaType::Clip);
        assert_eq!(sample.consent_state, Some(ConsentState::Given));
        // Everybody it was made from, and nobody else.
        let from = sample.derived_from.iter().map(ToString::to_string);
        let shown: BTreeSet<String> = from.flat_map(|id| people[&id].clone()).collect();
        assert_eq!(shown, sample.subject_ids.iter().cloned().collect());
        for subject in &sample.subject_ids {
            splits.entry(subject).or_default().extend(sample.split);
        }
        match &sample.manipulation {
            None => assert_eq!((kind(sample), sample.derived_from.len()), ("real", 1)),
            Some(how) => {
                assert!(sample.consent_purposes.contains(&Purpose::Manipulate));
                assert_eq!(sample.derived_from, [how.target_sample, how.source_sample]);
                assert_eq!(how.mask_sha256.is_some(), kind(sample) == "fake");
            }
        }
    }
    assert!(splits.values().all(|s| s.len() == 1), "{splits:?}");
    let count = |wanted: &str| made.iter().filter(|s| kind(s) == wanted).count();
    // One pair both ways and one self-swap a person, in three qualities; a mask each.
    let fakes = count("fake") / 3;
    assert!(fakes >= 4, "{fakes}");
    assert_eq!((count("fake"), count("mask")), (fakes * 3, fakes));
    assert_eq!(count("real"), CLIPS.len() * 3);
    let masks: BTreeSet<_> = made.iter().filter(|s| kind(s) == "mask").collect_digests();
    let named: BTreeSet<_> = made
        .iter()
        .filter(|s| kind(s) == "fake")
        .filter_map(|s| s.manipulation.as_ref()?.mask_sha256)
        .collect();
    assert_eq!(masks, named);

    // Again: nothing is made anew, nothing changes.
    let before = tree(&root.join("manifests/demo-corpus"));
    ok(&mut corpus(&root, &declared, BEFORE));
    assert_eq!(before, tree(&root.join("manifests/demo-corpus")));
    let sound = fairframe(&root)
        .arg("verify")
        .arg("--media")
        .arg(root.join("manifests/demo-corpus/1.0.0"))
        .output()
        .unwrap();
    assert!(sound.status.success(), "{}", text(&sound.stdout));

    // One withdraws: the actors' ingest takes everything made of them along.
    let theirs: BTreeSet<String> = made
        .iter()
        .filter(|s| s.subject_ids.iter().any(|p| p == "person-b"))
        .map(|s| s.media_sha256.unwrap().to_string())
        .collect();
    let videos: BTreeSet<String> = people
        .iter()
        .filter(|(_, p)| p.contains("person-b"))
        .map(|(id, _)| id.clone())
        .collect();
    assert!(!theirs.is_empty() && !videos.is_empty());
    ingest(&root, &actors, AFTER);
    let list: RecallList = serde_json::from_slice(
        &fs::read(root.join("manifests/demo-corpus/2.0.0/recall.json")).unwrap(),
    )
    .unwrap();
    let recalled: BTreeSet<String> = list.digests().into_iter().map(|d| d.to_string()).collect();
    assert!(theirs.is_subset(&recalled));
    for (name, bytes) in tree(&root) {
        let is = |id: &String| name.contains(id.as_str());
        assert!(!theirs.iter().any(is), "{name} is left");
        // Their ids stay in the corpus's own list and plan, which say that they are gone.
        let told = ["clips.jsonl", "pairs.parquet", "pairing.json"]
            .iter()
            .any(|n| name.ends_with(n));
        if name.starts_with("corpora/") && !told {
            assert!(!videos.iter().any(is), "{name} is left");
        }
        let digest = fairframe_schemas::Digest::of(&bytes).to_string();
        assert!(!theirs.contains(&digest), "{name} has their bytes");
    }
    for sample in rows(&root, "demo-corpus", "2.0.0") {
        let from = sample.derived_from.iter().map(ToString::to_string);
        let theirs = from.into_iter().any(|id| videos.contains(&id));
        let held = sample.status == Status::Accepted;
        assert!(!(theirs && held), "{:?}", sample.source_key);
        assert!(!sample.subject_ids.iter().any(|s| s == "person-b"));
    }
    let sound = fairframe(&root)
        .arg("verify")
        .arg("--media")
        .arg(root.join("manifests/demo-corpus/2.0.0"))
        .output()
        .unwrap();
    assert!(sound.status.success(), "{}", text(&sound.stdout));
}

trait Digests {
    fn collect_digests(self) -> BTreeSet<fairframe_schemas::Digest>;
}

impl<'a, I: Iterator<Item = &'a Sample>> Digests for I {
    fn collect_digests(self) -> BTreeSet<fairframe_schemas::Digest> {
        self.filter_map(|s| s.media_sha256).collect()
    }
}

/// Moments at which the making is killed.
const KILLS: u32 = 8;

#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (actors, declared) = declared(folder.path());
    let [calm, killed] = ["calm", "killed"].map(|name| folder.path().join(name));
    for root in [&calm, &killed] {
        ingest(root, &actors, BEFORE);
    }
    let begun = std::time::Instant::now();
    ok(&mut corpus(&calm, &declared, BEFORE));
    let whole = begun.elapsed();
    for n in 1..=KILLS {
        let mut command = corpus(&killed, &declared, BEFORE);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        thread::sleep(whole * n / (KILLS + 1) / 2 + Duration::from_millis(37 * u64::from(n)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    ok(&mut corpus(&killed, &declared, BEFORE));
    let stage = |root: &Path, stage: &str| tree(&root.join("corpora/demo-corpus").join(stage));
    // A fake's label is salted at random (C2PA), so its file differs; all else is the same bytes.
    let salted: BTreeSet<String> = stage(&calm, "clips")
        .into_keys()
        .filter(|name| name.contains("--face-swap--c"))
        .collect();
    assert!(!salted.is_empty());
    for part in ["frames", "fakes", "clips"] {
        let [calm, killed] = [&calm, &killed].map(|root| stage(root, part));
        assert!(calm.keys().eq(killed.keys()), "{part}");
        for (name, bytes) in calm {
            let same = bytes == killed[&name];
            assert!(same || salted.contains(&name), "{part}/{name} differs");
        }
    }
    let plan = |root: &Path| fs::read(root.join("corpora/demo-corpus/pairs.parquet")).unwrap();
    assert!(plan(&calm) == plan(&killed));
    let told = |root: &Path| -> Vec<_> {
        let bare = |mut s: Sample| {
            if kind(&s) == "fake" {
                (s.media_sha256, s.bytes) = (None, None);
            }
            s
        };
        rows(root, "demo-corpus", "1.0.0")
            .into_iter()
            .map(bare)
            .collect()
    };
    assert_eq!(told(&calm), told(&killed));
}
