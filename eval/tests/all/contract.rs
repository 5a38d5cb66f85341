//! The worked examples of `docs/method.md` through the whole evaluation. Where they are fractions
//! they are held to 1e-12, else to the digits they are given with.

use std::collections::BTreeMap;

use crate::support::{Differences, found, write};
use fairframe_eval::{EvalOptions, evaluate};
use fairframe_schemas::report::{Level, TaskForm};

const EXACT: f64 = 1e-12;

/// Key, value, and how near to it.
fn hold(found: &BTreeMap<String, f64>, data: &str, wanted: &[(&str, f64, f64)]) {
    let mut differences = Differences::new(data);
    for (key, value, within) in wanted {
        let oracle = if *within == EXACT {
            "worked example"
        } else {
            "worked example, to its digits"
        };
        differences.hold(key, oracle, (found[*key], *value), *within);
    }
}

/// Values of a solution and a submission by level; rows are parted by `;`.
fn judged(form: TaskForm, group: &str, eps: f64, files: [&str; 2]) -> [BTreeMap<String, f64>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let [solution, submission] = ["solution.csv", "submission.csv"];
    let path = |name, text: &str| write(folder.path(), name, &text.replace(';', "\n")).into();
    let options = EvalOptions {
        groups: Vec::new(),
        eps,
        min_n: 1,
        values_only: true,
        ..EvalOptions::new(form, path(solution, files[0]), path(submission, files[1]))
    };
    let report = evaluate(&options).unwrap().report;
    assert!(!report.refused(), "{:?}", report.defects);
    [report.headline.1, Level::Frame].map(|level| found(&report, level, group))
}

fn values(form: TaskForm, files: [&str; 2]) -> BTreeMap<String, f64> {
    let [values, _] = judged(form, "", 1e-15, files);
    values
}

#[test]
fn labels_of_images() {
    let found = values(
        TaskForm::MultiLabel,
        [
            "image_id,labels;1,a b c;2,a;3,b;",
            "image_id,labels;1,a b d e;2,a;3,;",
        ],
    );
    let wanted = [
        ("f2_mean", 1.625 / 3.0, EXACT),
        ("f2_micro", 0.6, EXACT),
        ("f2_macro", (1.0 + 5.0 / 9.0) / 5.0, EXACT),
    ];
    hold(&found, "example of F2", &wanted);
}

#[test]
fn landmarks() {
    let found = values(
        TaskForm::Recognition,
        [
            "id,landmarks;1,a;2,a;3,a;4,a;5,a;6,a;7,a;8,a;",
            "id,landmarks;1,a 0.9;2,a 0.8;3,b 0.7;4,a 0.6;5,a 0.5;6,a 0.4;7,b 0.3;",
        ],
    );
    let gap = (1.0 + 1.0 + 3.0 / 4.0 + 4.0 / 5.0 + 5.0 / 6.0) / 8.0;
    hold(&found, "example of GAP", &[("gap", gap, EXACT)]);
}

#[test]
fn images_alike() {
    let answers = "id,images;1,x n y x;";
    for (truth, map) in [
        ("id,images;1,x y z;", 5.0 / 9.0),
        ("id,images;1,x y z;2,x;", 5.0 / 18.0),
    ] {
        let found = values(TaskForm::Retrieval, [truth, answers]);
        hold(&found, "example of mAP@100", &[("map_at_100", map, EXACT)]);
    }
}

#[test]
fn log_losses() {
    for (eps, wanted) in [(1e-15, 8.9459), (0.01, 1.4625), (0.025, 1.2334)] {
        let files = [
            "filename,label;1,1;2,0;3,1;4,0;",
            "filename,label;1,0.9;2,0.2;3,0;4,0.6;",
        ];
        let [found, _] = judged(TaskForm::Detection, "", eps, files);
        hold(&found, "example of log loss", &[("log_loss", wanted, 5e-5)]);
    }
    let files = ["filename,label;1,1;2,0;", "filename,label;1,0.5;2,0.5;"];
    let found = values(TaskForm::Detection, files);
    let wanted = [("log_loss", std::f64::consts::LN_2, EXACT)];
    hold(&found, "example of log loss", &wanted);
}

#[test]
fn frames_and_videos() {
    let scores = [
        ("r1", [0.10, 0.20, 0.15]),
        ("r2", [0.40, 0.55, 0.35]),
        ("f1", [0.95, 0.90, 0.85]),
        ("f2", [0.30, 0.35, 0.40]),
        ("f3", [0.80, 0.75, 0.70]),
        ("f4", [0.20, 0.60, 0.55]),
    ];
    let mut submission = "video_id,frame,score;".to_owned();
    for (video, frames) in scores {
        for (frame, score) in frames.iter().enumerate() {
            submission += &format!("{video},{frame},{score};");
        }
    }
    let solution = "video_id,label;r1,0;r2,0;f1,1;f2,1;f3,1;f4,1;";
    let files = [solution, submission.as_str()];
    let [videos, frames] = judged(TaskForm::Detection, "", 1e-15, files);
    let wanted = [
        ("auc", 61.0 / 72.0, EXACT),
        ("average_precision", 0.917668, 5e-7),
        ("eer", 5.0 / 18.0, EXACT),
    ];
    hold(&frames, "example of frames", &wanted);
    hold(&videos, "example of frames", &[("auc", 0.875, EXACT)]);
}

#[test]
fn methods() {
    let mut solution = "image,method;".to_owned();
    let mut submission = "image,label;".to_owned();
    for (method, right, n) in [
        ("Deepfakes", 105, 110),
        ("Face2Face", 131, 137),
        ("FaceSwap", 96, 103),
        ("NeuralTextures", 145, 150),
        ("pristine", 496, 500),
    ] {
        for at in 0..n {
            let fake = (method != "pristine") == (at < right);
            solution += &format!("{method}{at}.png,{method};");
            submission += &format!("{method}{at}.png,{};", if fake { "fake" } else { "real" });
        }
    }
    let files = [solution.as_str(), submission.as_str()];
    let [found, _] = judged(TaskForm::DetectionLabels, "method", 1e-15, files);
    let wanted = [
        ("accuracy", 973.0 / 1000.0, EXACT),
        ("accuracy_pristine", 496.0 / 500.0, EXACT),
        ("accuracy/Deepfakes", 105.0 / 110.0, EXACT),
        ("accuracy/Face2Face", 131.0 / 137.0, EXACT),
        ("accuracy/FaceSwap", 96.0 / 103.0, EXACT),
        ("accuracy/NeuralTextures", 145.0 / 150.0, EXACT),
    ];
    hold(&found, "example of FaceForensics", &wanted);
}
