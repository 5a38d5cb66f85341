//! Every layout read back, real names of others, and folders that mean harm.

use std::{fs, os::unix::fs::symlink};

use fairframe_schemas::{Split, corpus::ClipColumn};

use super::{released::Side, *};
use crate::pair;

/// Names of DeepFakeDetection as they are.
const DFD: [&str; 5] = [
    "original_sequences/actors/c23/videos/01__exit_phone_room.mp4",
    "original_sequences/actors/c40/videos/28__walking_outside_cafe_disgusted.mp4",
    "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__YVGY8LOK.mp4",
    "manipulated_sequences/DeepFakeDetection/masks/videos/01_02__exit_phone_room__YVGY8LOK.mp4",
    "manipulated_sequences/DeepFakeDetection/c23/videos/01_20__outside_talking_still_laughing__OTGHOG4Z.mp4",
];

fn files(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, *name).unwrap();
    }
}

/// Two people in a scene each, real and swapped, in two qualities, with masks; and one alone.
fn clips(folder: &Path) -> Vec<Clip> {
    let side = |person: &str| Side {
        video: SampleId::new("actors", person),
        subject: person.to_owned(),
        scene: format!("walk_{person}"),
    };
    let media = folder.join("media.bin");
    fs::write(&media, "bytes").unwrap();
    let clip = |label, target: &str, source: Option<&str>, rung: Option<&str>, split| {
        let (target, source) = (side(target), source.map(side));
        let key = format!("{label} {} {source:?} {rung:?}", target.subject);
        Clip {
            sample: SampleId::new("corpus", &key),
            media: media.clone(),
            ending: "mp4",
            label,
            method: source.as_ref().map(|_| "FaceSwap".to_owned()),
            compression: rung.map(str::to_owned),
            code: source.as_ref().map(|s| pair::code(target.video, s.video)),
            target,
            source,
            split: Some(split),
        }
    };
    let mut clips = Vec::new();
    for rung in ["c23", "c40"] {
        for (target, source) in [("a", "b"), ("b", "a")] {
            clips.push(clip(
                ClipLabel::Real,
                target,
                None,
                Some(rung),
                Split::Train,
            ));
            clips.push(clip(
                ClipLabel::Fake,
                target,
                Some(source),
                Some(rung),
                Split::Train,
            ));
        }
        clips.push(clip(
            ClipLabel::Real,
            "c",
            None,
            Some(rung),
            Split::Validation,
        ));
    }
    clips.push(clip(ClipLabel::Mask, "a", Some("b"), None, Split::Train));
    clips.push(clip(ClipLabel::Mask, "b", Some("a"), None, Split::Train));
    clips
}

/// Writes a layout and reads it back.
fn round(form: Form) -> (Vec<ClipRow>, Imported, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clips = clips(folder.path());
    let laid = form.lay("demo", &clips).unwrap();
    let to = folder.path().join("out");
    let made = tree::Making::begin(&to).unwrap();
    let mut rows = Vec::new();
    for (clip, row) in clips.iter().zip(laid.rows) {
        if let Some(row) = row {
            made.place(&clip.media, &row.file, Media::Copy).unwrap();
            rows.push(row);
        }
    }
    for (name, bytes) in laid.lists {
        made.write(&name, &bytes).unwrap();
    }
    made.finish().unwrap();
    rows.sort();
    let read = import(form, &to).unwrap();
    (rows, read, folder)
}

#[test]
fn what_is_laid_out_is_read_back() {
    for form in Form::ALL {
        let (mut rows, read, _folder) = round(form);
        let masks = rows.iter().filter(|r| r.label == ClipLabel::Mask).count();
        match form {
            Form::Dfdc => assert_eq!((rows.len(), masks), (10, 0)),
            _ => assert_eq!((rows.len(), masks), (12, 2)),
        }
        if form == Form::DeepfakeBench {
            rows.retain(|r| r.label != ClipLabel::Mask);
        }
        assert_eq!(read.rows, rows, "{form}");
        assert_eq!((read.missing, read.unknown.len()), (0, 0), "{form}");
        let fakes = rows.iter().filter(|r| r.label == ClipLabel::Fake);
        assert!(fakes.clone().all(|r| r.original.is_some()));
        assert_eq!(fakes.count(), 4);
    }
}

#[test]
fn names_are_those_of_deepfakedetection() {
    let (rows, _, folder) = round(Form::FaceForensics);
    let swaps: Vec<&ClipRow> = rows
        .iter()
        .filter(|r| r.label == ClipLabel::Fake && r.compression.as_deref() == Some("c23"))
        .collect();
    let code = swaps[0].code.as_deref().unwrap();
    let method = "manipulated_sequences/FaceSwap/c23/videos";
    assert_eq!(swaps[0].file, format!("{method}/a_b__walk_a__{code}.mp4"));
    assert_eq!(swaps[1].file, format!("{method}/b_a__walk_b__{code}.mp4"));
    let list =
        |name: &str| fs::read_to_string(folder.path().join("out/splits").join(name)).unwrap();
    assert_eq!(list("train.json"), r#"[["a","b"]]"#);
    assert_eq!(list("val.json"), r#"[["c","c"]]"#);
    assert_eq!(list("test.json"), "[]");
    // Our own lists and tables have nothing in two splits.
    let verify = |path: PathBuf| {
        let found = fairframe_ingest::verify::splits::verify_splits(&[path], None).unwrap();
        assert!(found.is_sound(), "{:?}", found.problems);
        found.rows
    };
    assert_eq!(verify(folder.path().join("out/splits")), 2);
    let table = folder.path().join("clips.csv");
    csv(&rows, fs::File::create(&table).unwrap()).unwrap();
    assert_eq!(verify(table.clone()), 12);
    assert_eq!(import(Form::Parquet, &table).unwrap().rows, rows);
}

#[test]
fn real_names_of_faceforensics_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let youtube = [
        "original_sequences/youtube/c23/videos/000.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
    ];
    files(folder.path(), &DFD);
    files(folder.path(), &youtube);
    files(
        folder.path(),
        &[
            "README.txt",
            "loose.mp4",
            "original_sequences/actors/c23/videos/0 1.txt",
        ],
    );
    fs::write(
        folder.path().join("train.json"),
        r#"[["000", "003"], ["01", "02"]]"#,
    )
    .unwrap();
    let read = import(Form::FaceForensics, folder.path()).unwrap();
    assert_eq!(read.unknown, ["loose.mp4"]);
    let row = |file: &str| read.rows.iter().find(|r| r.file == file).unwrap();
    let fake = row(DFD[2]);
    assert_eq!(
        (
            fake.target.as_deref(),
            fake.source.as_deref(),
            fake.code.as_deref()
        ),
        (Some("01"), Some("02"), Some("YVGY8LOK"))
    );
    assert_eq!(fake.scene.as_deref(), Some("exit_phone_room"));
    assert_eq!(fake.original.as_deref(), Some(DFD[0]));
    assert_eq!(fake.split, Some(Split::Train));
    assert_eq!(row(DFD[3]).label, ClipLabel::Mask);
    assert_eq!(row(DFD[4]).original, None);
    let swap = row(youtube[1]);
    assert_eq!(
        (swap.target.as_deref(), swap.scene.as_deref()),
        (Some("000"), None)
    );
    assert_eq!(swap.original.as_deref(), Some(youtube[0]));
    assert_eq!(swap.cell(ClipColumn::Subjects).as_deref(), Some("000|003"));
}

#[test]
fn what_leads_out_is_refused() {
    let said = |form, setup: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        setup(folder.path());
        import(form, folder.path()).unwrap_err().to_string()
    };
    let link = said(Form::FaceForensics, &|f| {
        symlink("/etc", f.join("original_sequences")).unwrap()
    });
    assert!(link.contains("is a link"), "{link}");
    for name in [
        "../a.mp4",
        "/etc/a.mp4",
        "c:/a.mp4",
        "a\\b.mp4",
        "a\u{7}.mp4",
        "",
    ] {
        let metadata = serde_json::json!({ name: { "label": "REAL", "split": "train" } });
        let original = serde_json::json!({ "a.mp4": { "label": "FAKE", "original": name } });
        for list in [metadata, original] {
            let text = list.to_string();
            let error = said(Form::Dfdc, &|f| {
                fs::write(f.join("metadata.json"), &text).unwrap()
            });
            assert!(error.contains("the name `"), "{error}");
        }
        let bench =
            serde_json::json!({ "d": { "d_real": { "train": { name: { "frames": [] } } } } });
        let text = bench.to_string();
        let error = said(Form::DeepfakeBench, &|f| {
            fs::write(f.join("d.json"), &text).unwrap()
        });
        assert!(error.contains("the name `"), "{error}");
        let mut table = Vec::new();
        let mut rows = csv::Writer::from_writer(&mut table);
        rows.write_record(["file", "label"]).unwrap();
        rows.write_record([name, "real"]).unwrap();
        drop(rows);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clips.csv");
        fs::write(&path, table).unwrap();
        assert!(import(Form::Parquet, &path).is_err(), "{name:?}");
    }
    let deep = ["d"; tree::MAX_DEPTH + 2].join("/");
    let deep = said(Form::FaceForensics, &|f| {
        fs::create_dir_all(f.join(&deep)).unwrap()
    });
    assert!(deep.contains("folders deep"), "{deep}");
}

#[test]
fn lists_that_are_none_say_where_and_why() {
    for (form, file, text, expected) in [
        (Form::Dfdc, "metadata.json", "[]", "is no object"),
        (
            Form::Dfdc,
            "metadata.json",
            r#"{"a.mp4": {"label": "?"}}"#,
            "has no `label`",
        ),
        (
            Form::Dfdc,
            "metadata.json",
            r#"{"a.mp4": {"label": "REAL", "split": "x"}}"#,
            "has a `split`",
        ),
        (
            Form::DeepfakeBench,
            "d.json",
            r#"{"d": 1}"#,
            "is no list of DeepfakeBench",
        ),
        (
            Form::DeepfakeBench,
            "d.json",
            r#"{"d": {"d_real": {"train": {"c23": {"a": 1}}}}}"#,
            "has no `frames`",
        ),
        (
            Form::FaceForensics,
            "train.json",
            r#"[["a", 1]]"#,
            "is no list of names",
        ),
        (Form::Dfdc, "other.json", "{}", "metadata.json"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(file), text).unwrap();
        let error = import(form, folder.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn an_export_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out");
    let made = tree::Making::begin(&to).unwrap();
    made.write("a/b.json", b"{}").unwrap();
    for name in ["../x", "/x", "a//b", "a/../b"] {
        assert!(made.write(name, b"").is_err(), "{name}");
    }
    drop(made);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::create_dir(&to).unwrap();
    tree::check_free(&to).unwrap();
    fs::write(to.join("x"), "").unwrap();
    assert!(matches!(
        tree::check_free(&to),
        Err(LayoutError::NotEmpty(_))
    ));
}
