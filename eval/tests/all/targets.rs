//! What is fuzzed: each parser of the evaluator, given any bytes. A target panics only where the
//! evaluator does, or where what it made breaks a promise. Both cargo-fuzz (`fuzz/`) and
//! `eval/tests/all/fuzz.rs`, which any stable compiler runs, call these.

use std::cell::OnceCell;
use std::path::PathBuf;

use fairframe_eval::read::Limits;
use fairframe_eval::weights::Weights;
use fairframe_eval::{EvalError, EvalOptions, evaluate, report};
use fairframe_schemas::TaskToml;
use fairframe_schemas::report::TaskForm;
use tempfile::TempDir;

/// Small, so that what exceeds them is reached.
const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    line_bytes: 1 << 16,
    rows: 10_000,
    columns: 64,
    json_bytes: 1 << 18,
    entries: 8,
    ratio: 200,
};

const FORMS: [(TaskForm, &str); 7] = [
    (TaskForm::MultiLabel, "image_id,labels\na,x y\nb,z\n"),
    (TaskForm::Detection, "filename,label,region\na,1,X\nb,0,Y\n"),
    (
        TaskForm::DetectionLabels,
        "image,method\na,Deepfakes\nb,pristine\n",
    ),
    (TaskForm::Recognition, "id,landmarks\na,1 2\nb,\n"),
    (TaskForm::Retrieval, "id,images\na,x y\nb,z\n"),
    (TaskForm::Classification, "id,label\na,1\nb,2\n"),
    (
        TaskForm::FewShot,
        "dataset,held_out,episode,class,role,sample_id\nd,false,0,c,support,s\nd,false,0,k,support,t\nd,false,0,c,query,a\nd,false,0,k,query,b\n",
    ),
];

struct Desk {
    folder: TempDir,
    given: PathBuf,
}

thread_local! {
    static DESK: OnceCell<Desk> = const { OnceCell::new() };
}

/// Runs with a file of these bytes and one of each form's solution beside it.
fn with_file(bytes: &[u8], run: impl FnOnce(&Desk)) {
    DESK.with(|desk| {
        let desk = desk.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            for (form, solution) in FORMS {
                std::fs::write(folder.path().join(form.as_str()), solution).expect("room");
            }
            let given = folder.path().join("given");
            Desk { folder, given }
        });
        std::fs::write(&desk.given, bytes).expect("room");
        run(desk);
    });
}

/// The bytes as a submission, and as a solution, of these forms.
fn judged(bytes: &[u8], forms: &[TaskForm]) {
    with_file(bytes, |desk| {
        for form in forms {
            let other = desk.folder.path().join(form.as_str());
            for turned in [false, true] {
                let (solution, submission) = match turned {
                    false => (other.clone(), desk.given.clone()),
                    true => (desk.given.clone(), other.clone()),
                };
                let options = EvalOptions {
                    resamples: 100,
                    permutations: 100,
                    min_n: 1,
                    limits: LIMITS,
                    ..EvalOptions::new(*form, solution, submission)
                };
                match evaluate(&options) {
                    Ok(found) => {
                        let report = &found.report;
                        assert_eq!(report.refused(), report.metrics.is_empty());
                        report::page(report).expect("a page");
                        let json = serde_json::to_string(report).expect("JSON");
                        let back: fairframe_schemas::report::Report =
                            serde_json::from_str(&json).expect("what was written is read");
                        assert_eq!(back.defects, report.defects);
                    }
                    // What is asked is right: then nothing would be read.
                    Err(EvalError::Option { .. }) => panic!("wrong options"),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    });
}

const ALL: [TaskForm; 7] = [
    TaskForm::MultiLabel,
    TaskForm::Detection,
    TaskForm::DetectionLabels,
    TaskForm::Recognition,
    TaskForm::Retrieval,
    TaskForm::Classification,
    TaskForm::FewShot,
];

/// CSV, told from its first bytes: what is anything else is another target's.
pub fn csv(bytes: &[u8]) {
    judged(bytes, &ALL);
}

/// JSON: one object of ids, scores by frame, episodes by line.
pub fn json(bytes: &[u8]) {
    let forms = [
        TaskForm::Detection,
        TaskForm::DetectionLabels,
        TaskForm::FewShot,
    ];
    judged(
        &[b"{", bytes.strip_prefix(b"{").unwrap_or(bytes)].concat(),
        &forms,
    );
}

/// Parquet between its two marks.
pub fn parquet(bytes: &[u8]) {
    let inner = bytes.strip_prefix(b"PAR1").unwrap_or(bytes);
    let inner = inner.strip_suffix(b"PAR1").unwrap_or(inner);
    let whole = [b"PAR1", inner, b"PAR1"].concat();
    judged(&whole, &[TaskForm::Detection, TaskForm::Classification]);
}

/// Zip, 7z, gzip, zstd: whatever the bytes begin as.
pub fn archive(bytes: &[u8]) {
    judged(bytes, &[TaskForm::DetectionLabels]);
}

/// Embeddings as a numpy matrix.
pub fn npy(bytes: &[u8]) {
    let rest = bytes.strip_prefix(b"\x93NUMPY").unwrap_or(bytes);
    judged(&[b"\x93NUMPY", rest].concat(), &[TaskForm::FewShot]);
}

/// A task and a file of weights.
pub fn settings(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(error) = TaskToml::parse(text)
    {
        assert!(!error.to_string().is_empty());
    }
    with_file(bytes, |desk| {
        if let Ok(weights) = Weights::read(&desk.given) {
            assert!(weights.total() >= 0.0);
        }
    });
}

/// A target.
pub type Target = fn(&[u8]);

/// By name, as the folders of `fuzz/corpus` are.
pub const TARGETS: [(&str, Target); 6] = [
    ("csv", csv),
    ("json", json),
    ("parquet", parquet),
    ("archive", archive),
    ("npy", npy),
    ("settings", settings),
];
