//! A released corpus laid out as others do and read back, with the real binary: real clips
//! of two people, stood in for fakes and masks by other clips.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::support::{datasets, fairframe, ok, text, tree};
use fairframe_corpus::layouts::{Form, Media, export, import};
use fairframe_schemas::{
    Digest, Label, Layout, Manipulation, MediaType, Sample, SampleId, Split,
    corpus::{CLIPS, ClipLabel, ClipLine, ClipRow},
};

/// Person b withdraws on 1 October.
const BEFORE: &str = "2026-09-01T00:00:00Z";
const AFTER: &str = "2026-11-01T00:00:00Z";

struct House(tempfile::TempDir);

impl House {
    fn new() -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        for (name, bytes) in tree(&datasets().join("actors")) {
            let path = house.path("actors").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let toml = "dataset = \"demo-corpus\"\nsource = \"corpus\"\n\
            [policy]\nlicences = [\"CC-BY-4.0\"]\nconsent = \"always\"\n\
            purposes = [\"collect\", \"redistribute\", \"manipulate\"]\n\
            [corpus]\nactors = \"actors/source.toml\"\n";
        fs::write(house.path("source.toml"), toml).unwrap();
        house.write_clips();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Every clip has bytes of its own.
    fn write_clips(&self) {
        let folder = self.path("data/corpora/demo-corpus");
        fs::create_dir_all(folder.join("clips")).unwrap();
        let mut media = fs::read_dir(datasets().join("actors/clips"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect::<Vec<_>>();
        media.sort();
        // Bytes of the one who withdraws stand for clips of theirs only: they are recalled.
        let b = ["bird", "milk", "please", "sorry", "thanks"];
        let is_of_b = |path: &PathBuf| b.iter().any(|clip| path.ends_with(format!("{clip}.mkv")));
        let (of_b, others): (Vec<_>, Vec<_>) = media.into_iter().partition(is_of_b);
        let (mut of_b, mut others) = (of_b.into_iter(), others.into_iter());
        let (a, b) = ("person-a", "person-b");
        let mut lines = String::new();
        let mut add = |label: &str, target: &str, source: Option<&str>, rung: Option<&str>| {
            let key = format!(
                "{label}-{target}-{}-{}",
                source.unwrap_or("x"),
                rung.unwrap_or("x")
            );
            let file = PathBuf::from(format!("clips/{key}.mkv"));
            let theirs = target == "person-b" || source == Some("person-b");
            let path = match theirs {
                true => of_b.next().or_else(|| others.next()),
                false => others.next(),
            };
            let bytes = fs::read(path.unwrap()).unwrap();
            fs::write(folder.join(&file), &bytes).unwrap();
            let sample = sample(&key, label, target, source, rung);
            let line = ClipLine {
                file: Some(file),
                sha256: Some(Digest::of(&bytes)),
                sample,
            };
            lines.push_str(&serde_json::to_string(&line).unwrap());
            lines.push('\n');
        };
        for rung in ["c23", "c40"] {
            for (target, source) in [(a, b), (b, a)] {
                add("real", target, None, Some(rung));
                add("fake", target, Some(source), Some(rung));
            }
        }
        // Somebody else stands in another split.
        add("real", "person-c", None, Some("c23"));
        add("real", "person-c", None, Some("c40"));
        add("mask", a, Some(b), None);
        add("mask", b, Some(a), None);
        fs::write(folder.join(CLIPS), lines).unwrap();
    }

    fn ingest(&self, at: &str) -> PathBuf {
        for source in ["actors/source.toml", "source.toml"] {
            ok(fairframe(&self.path("data"))
                .args(["ingest", "--at", at])
                .arg(self.path(source)));
        }
        let manifests = self.path("data/manifests/demo-corpus");
        let mut versions: Vec<_> = fs::read_dir(&manifests)
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.is_dir())
            .collect();
        versions.sort();
        versions.pop().unwrap()
    }
}

fn sample(
    key: &str,
    label: &str,
    target: &str,
    source: Option<&str>,
    rung: Option<&str>,
) -> Sample {
    let video = |person: &str| match person {
        "person-a" => SampleId::new("actors", "clips/again.mkv"),
        "person-b" => SampleId::new("actors", "clips/bird.mkv"),
        _ => SampleId::new("actors", "clips/book.mkv"),
    };
    let mut sample = Sample::new("corpus", key, MediaType::Clip);
    let says = |label: &str, origin: &str| Label {
        label: label.to_owned(),
        confidence: None,
        origin: origin.to_owned(),
    };
    sample.labels = vec![
        says(label, "corpus"),
        says(&format!("scene_{target}"), "scene"),
    ];
    sample.labels.extend(rung.map(|r| says(r, "compression")));
    sample.licence = Some("CC-BY-4.0".to_owned());
    sample.split = Some(match target {
        "person-c" => Split::Test,
        _ => Split::Train,
    });
    let people: BTreeSet<&str> = source.into_iter().chain([target]).collect();
    sample.subject_ids = people.into_iter().map(str::to_owned).collect();
    sample.derived_from = source.into_iter().chain([target]).map(video).collect();
    sample.manipulation = source.map(|source| Manipulation {
        method: "face-swap".to_owned(),
        target_sample: video(target),
        source_sample: video(source),
        mask_sha256: None,
        compression: rung.map(str::to_owned),
        parameters: None,
    });
    sample
}

fn counts(rows: &[ClipRow]) -> [usize; 3] {
    [ClipLabel::Real, ClipLabel::Fake, ClipLabel::Mask]
        .map(|label| rows.iter().filter(|r| r.label == label).count())
}

#[test]
fn a_release_goes_out_and_comes_back() {
    let house = House::new();
    let release = house.ingest(BEFORE);
    let layout = Layout::new(house.path("data"));
    for form in Form::ALL {
        let to = house.path(form.as_str());
        let exported = export(&layout, &release, form, &to, Media::Link).unwrap();
        let read = import(form, &to).unwrap();
        assert_eq!((read.missing, read.unknown.len()), (0, 0), "{form}");
        let mut rows = exported.rows;
        match form {
            Form::Dfdc => assert_eq!(counts(&rows), [6, 4, 0]),
            _ => assert_eq!(counts(&rows), [6, 4, 2]),
        }
        if form == Form::DeepfakeBench {
            rows.retain(|r| r.label != ClipLabel::Mask);
        }
        assert_eq!(read.rows, rows, "{form}");
        // The bytes are those of the store, and no others.
        for row in &rows {
            let bytes = fs::read(to.join(&row.file)).unwrap();
            assert!(layout.media(&Digest::of(&bytes)).is_file(), "{}", row.file);
        }
    }
    let linked = house.path("faceforensics/original_sequences/actors/c23/videos");
    let linked = linked.join("person-a__scene_person-a.mkv");
    assert_eq!(fs::metadata(&linked).unwrap().nlink(), 5, "no bytes twice");

    // The same by the command line; and what it wrote has nothing in two splits.
    let to = house.path("again");
    ok(fairframe(&house.path("data"))
        .args(["export", "--layout", "faceforensics", "--copy", "--to"])
        .arg(&to)
        .arg(house.path("source.toml")));
    assert!(tree(&to) == tree(&house.path("faceforensics")));
    let table = house.path("clips.csv");
    ok(fairframe(&house.path("data"))
        .args(["import", "--layout", "faceforensics", "--to"])
        .arg(&table)
        .arg(&to));
    for lists in [&table, &to.join("splits")] {
        ok(fairframe(&house.path("data"))
            .args(["verify", "--splits"])
            .arg(lists));
    }
    let refused = fairframe(&house.path("data"))
        .args(["export", "--layout", "dfdc", "--to"])
        .arg(&to)
        .arg(&release)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("it is there and not empty"));
}

#[test]
fn what_was_withdrawn_is_not_exported_not_even_from_an_old_release() {
    let house = House::new();
    let old = house.ingest(BEFORE);
    let new = house.ingest(AFTER);
    assert_ne!(old, new);
    let layout = Layout::new(house.path("data"));
    let names = |folder: &Path| tree(folder).into_keys().collect::<Vec<_>>();
    for (release, to) in [(&old, "old"), (&new, "new")] {
        let to = house.path(to);
        let exported = export(&layout, release, Form::FaceForensics, &to, Media::Copy).unwrap();
        assert_eq!(counts(&exported.rows), [4, 0, 0]);
        assert!(
            names(&to).iter().all(|n| !n.contains("person-b")),
            "{:?}",
            names(&to)
        );
        assert!(
            !fs::read_to_string(to.join("splits/train.json"))
                .unwrap()
                .contains("person-b")
        );
        assert_eq!(exported.recalled, if release == &old { 8 } else { 0 });
    }
}
