//! The stage on real clips: `datasets/actors`, CC BY 4.0, with example consents.

use std::{fs, path::Path, process::Command};

use fairframe_ingest::{media::WorkerCommand, reporter::Silent};
use fairframe_schemas::{
    Digest, Layout, Name, Reason, Sample, SampleId, SourceToml, Timestamp,
    corpus::{QUALITY, QualityColumn},
    source::{FACE_SWAP, FrameRule, SwapRule},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{
    Consented, FAKES, HandOut, MASK, MASTER, SHEET, Settings, Side, SwapError, SwapTask, TakeIn,
    item,
    stage::{Making, Wanted},
};
use crate::{
    cast::{Cast, Video},
    frame::{self, FrameTask},
    item::{Made, Outcome, Stage},
    video::{Decoder, Limits},
    worker::{Limits as WorkerLimits, Task, Workers},
};

fn actors(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../datasets/actors")
        .join(file)
}

/// A framed clip.
fn side(clip: &str, folder: &Path) -> Side {
    let video = actors("clips").join(clip);
    let frames = folder.join(clip);
    fs::create_dir(&frames).unwrap();
    let task = FrameTask {
        video: video.clone(),
        title: clip.to_owned(),
        rule: FrameRule::default(),
        limits: Limits::default(),
    };
    task.work(&frames).unwrap();
    Side { video, frames }
}

fn rule() -> SwapRule {
    SwapRule {
        methods: vec![Name::new(FACE_SWAP).unwrap()],
        ..SwapRule::default()
    }
}

/// Frames of the fake that are not the target's, all of them right outside of the mask.
fn replaced(out: &Path, target: &Path) -> usize {
    let open = |path: &Path| Decoder::open(path, &Limits::default()).unwrap();
    let (target, fake, mask) = (open(target), open(&out.join(MASTER)), open(&out.join(MASK)));
    let (mut frames, mut replaced) = (0, 0);
    for ((target, fake), mask) in target.zip(fake).zip(mask) {
        let (target, fake, mask) = (target.unwrap(), fake.unwrap(), mask.unwrap());
        let pixels = target.rgb.data.chunks(3).zip(fake.rgb.data.chunks(3));
        for ((target, fake), mask) in pixels.zip(mask.rgb.data.chunks(3)) {
            assert!(mask[0] > 0 || target == fake, "frame {}", fake.len());
        }
        frames += 1;
        replaced += usize::from(target.rgb != fake.rgb);
    }
    assert_eq!(frames, rows(out));
    replaced
}

fn rows(out: &Path) -> usize {
    let file = fs::File::open(out.join(QUALITY)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(reader.schema().fields(), QualityColumn::schema().fields());
    let batches = reader.build().unwrap();
    batches.map(|b| b.unwrap().num_rows()).sum()
}

#[test]
fn a_pair_of_clips_becomes_a_fake() {
    let root = tempfile::tempdir().unwrap();
    let (target, source) = (
        side("milk.mkv", root.path()),
        side("student.mkv", root.path()),
    );
    let make = |name: &str, rule: SwapRule| {
        let out = root.path().join(name);
        fs::create_dir(&out).unwrap();
        let task = SwapTask {
            target: target.clone(),
            source: source.clone(),
            rule,
            limits: Limits::default(),
        };
        (task.work(&out), out)
    };
    let (done, out) = make("fake", rule());
    let (done, spent) = done.unwrap();
    // Each part of the work took its time.
    assert!(spent.parts().iter().all(|(_, s)| *s > 0.0), "{spent:?}");
    assert_eq!(done.swapped as usize, replaced(&out, &target.video));
    assert!(done.swapped * 10 >= done.frames * 9, "{done:?}");
    assert!(done.landmark_error.unwrap() < 0.15, "{done:?}");
    assert!(done.seam_energy.unwrap() < 1.6, "{done:?}");
    assert!(done.flicker.unwrap() < 1.6, "{done:?}");
    assert!(out.join(SHEET).is_file());
    // The same again, byte for byte.
    let (again, other) = make("again", rule());
    assert_eq!(again.unwrap().0, done);
    for file in [MASTER, MASK, QUALITY, SHEET] {
        let bytes = |folder: &Path| fs::read(folder.join(file)).unwrap();
        assert!(bytes(&out) == bytes(&other), "{file}");
    }
    // No frame is good enough: the clip is refused, and says why for each.
    let strict = SwapRule {
        most_landmark_error: 0.0,
        ..rule()
    };
    let (refused, out) = make("refused", strict);
    let refusal = refused.unwrap_err();
    assert_eq!(refusal.reason, Reason::SwapTooFew);
    assert!(refusal.message.contains("swap-distorted"), "{refusal}");
    assert_eq!(rows(&out), done.frames as usize);
}

#[test]
fn what_a_program_of_others_leaves_becomes_a_fake() {
    let root = tempfile::tempdir().unwrap();
    let (target, source) = (
        side("milk.mkv", root.path()),
        side("student.mkv", root.path()),
    );
    let exchange = root.path().join("exchange");
    let out = root.path().join("fake");
    fs::create_dir(&exchange).unwrap();
    fs::create_dir(&out).unwrap();
    let limits = Limits::default();
    let hand_out = HandOut {
        target: target.clone(),
        source,
        limits: limits.clone(),
    };
    hand_out.work(&exchange).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/swapper.py");
    // How it is run for real, confined: `tests/media/program.rs`.
    let mut program = Command::new("python3");
    let ended = program.arg(script).arg(&exchange).status().unwrap();
    assert!(ended.success());
    let take_in = |target: &Side| TakeIn {
        target: target.clone(),
        exchange: exchange.clone(),
        rule: SwapRule {
            most_seam: 1e3,
            ..rule()
        },
        limits: limits.clone(),
    };
    let (done, _) = take_in(&target).work(&out).unwrap();
    // Every tenth frame is left out by the program.
    assert_eq!(done.kept[&Reason::SwapMethodFailed], done.frames / 10);
    assert_eq!(done.swapped as usize, replaced(&out, &target.video));
    assert!(done.colour_difference.unwrap() > 5.0);
    // One file that is no picture spoils it: nothing is guessed.
    fs::write(exchange.join("fake/000020.png"), "hello").unwrap();
    let refusal = take_in(&target).work(&out).unwrap_err();
    assert_eq!(refusal.reason, Reason::SwapMethodFailed);
}

/// An accepted video of somebody.
fn video(subject: &str) -> Video {
    let id = SampleId::new("actors", subject);
    let sample: Sample = serde_json::from_value(serde_json::json!({
        "sample_id": id,
        "media_type": "video",
        "media_sha256": Digest::of(subject.as_bytes()),
        "source": "actors",
        "source_key": subject,
        "subject_ids": [subject],
        "status": "accepted",
    }))
    .unwrap();
    Video {
        sample,
        file: Some(actors("clips/milk.mkv")),
    }
}

#[test]
fn without_both_consents_no_pixel_is_touched() {
    let as_of: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let record = |name: &str| fs::read(actors("consents").join(name)).unwrap();
    let records = ["person-a.json", "person-b.json", "person-c.json"].map(record);
    // Person B withdrew in October.
    let [a, b, c] = ["person-a", "person-b", "person-c"].map(video);
    let cast = Cast::of(vec![a.clone(), b.clone(), c.clone()], records.into(), as_of);
    assert!(Consented::check(&cast, &a, &c).is_ok());
    for (target, source) in [(&a, &b), (&b, &a)] {
        let refusal = Consented::check(&cast, target, source).unwrap_err();
        assert_eq!(refusal.reason, Reason::ConsentWithdrawn);
    }
    // Whatever the plan says, and although the fake is there from before.
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let toml = "dataset = \"fakes\"\nsource = \"fakes\"\n[corpus]\nactors = \"a.toml\"\n";
    let source = SourceToml::parse(toml).unwrap();
    let folder = layout.corpus(&source.dataset);
    // A worker would leave a file.
    let seen = root.path().join("seen");
    let command = WorkerCommand {
        program: "/bin/sh".into(),
        arguments: ["-c", &format!("touch {}", seen.display())]
            .map(str::to_owned)
            .into(),
    };
    let workers = Workers::new(command, 1, WorkerLimits::default());
    let settings = Settings {
        layout: &layout,
        source: &source,
        workers: &workers,
        reporter: &Silent,
    };
    let corpus = source.corpus.as_ref().unwrap();
    let making = Making::new(&settings, corpus, &folder, &cast);
    let method = Name::new(FACE_SWAP).unwrap();
    let wanted = |target: &Video, source: &Video| Wanted::new(id(target), id(source), &method);
    let fakes = Stage::new(&folder, FAKES);
    let earlier = wanted(&a, &b);
    let name = item(earlier.pair, &method);
    let work = fakes.begin(&name).unwrap();
    fs::write(work.folder().join(MASTER), "a face").unwrap();
    let done = Outcome {
        made_from: "before".to_owned(),
        result: Made::Done(1),
    };
    work.finish(&done).unwrap();

    let made = making.make(&earlier).unwrap();
    let Made::Refused(refusal) = made.result else {
        panic!("{made:?}");
    };
    assert_eq!(refusal.reason, Reason::ConsentWithdrawn);
    assert!(!fakes.folder(&name).join(MASTER).exists());
    // Once is enough.
    assert!(making.make(&earlier).unwrap().found);
    assert!(!seen.exists());

    // With both consents it goes on: to the frames, which are not there, and with them to a
    // worker.
    let error = making.make(&wanted(&a, &c)).unwrap_err();
    assert!(matches!(error, SwapError::NotFramed(_)), "{error}");
    for video in [&a, &c] {
        let work = Stage::new(&folder, frame::STAGE);
        let work = work.begin(&id(video).to_string()).unwrap();
        work.finish(&done).unwrap();
    }
    let made = making.make(&wanted(&a, &c)).unwrap();
    let Made::Refused(refusal) = made.result else {
        panic!("{made:?}");
    };
    assert_eq!(refusal.reason, Reason::WorkerCrashed);
    assert!(seen.exists());
}

fn id(video: &Video) -> SampleId {
    video.sample.sample_id
}
