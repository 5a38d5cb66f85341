//! Every metric beside scikit-learn and fairlearn, to 1e-12.

use std::fmt::Write as _;

use crate::support::{Differences, Numbers, found, hold_all, oracle, python, write};
use fairframe_eval::{EvalOptions, evaluate};
use fairframe_schemas::report::{Level, TaskForm};

/// Made up, with ties and what else is awkward.
const DATA: &str = "golden";

fn options(form: TaskForm, solution: &str, submission: &str, group: &str) -> EvalOptions {
    EvalOptions {
        groups: vec![vec![group.to_owned()]],
        min_n: 1,
        resamples: 100,
        ..EvalOptions::new(form, solution.into(), submission.into())
    }
}

#[test]
fn multi_label_is_what_scikit_learn_and_fairlearn_say() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(1);
    let mut list = |most: u64| -> String {
        let n = numbers.below(most + 1);
        (0..n)
            .map(|_| format!("/m/{}", numbers.below(12)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (mut solution, mut submission) = (
        "image_id,labels,country\n".to_owned(),
        "image_id,labels\n".to_owned(),
    );
    for at in 0..900 {
        let country = ["ZA", "IN", "BR"][at % 3];
        writeln!(solution, "i{at},{},{country}", list(5)).unwrap();
        if at % 10 != 0 {
            writeln!(submission, "i{at},{}", list(6)).unwrap();
        }
    }
    let solution = write(folder.path(), "solution.csv", &solution);
    let submission = write(folder.path(), "submission.csv", &submission);
    let options = options(TaskForm::MultiLabel, &solution, &submission, "country");
    let report = evaluate(&options).unwrap().report;
    let wanted = oracle(&python, &["multi-label", &solution, &submission, "country"]);
    hold_all(DATA, &found(&report, Level::Image, "country"), &wanted);
}

#[test]
fn detection_is_what_scikit_learn_and_fairlearn_say() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(2);
    let (mut solution, mut submission) = (
        "filename,label,region\n".to_owned(),
        "filename,label\n".to_owned(),
    );
    for at in 0..2000 {
        let fake = numbers.below(3) > 0;
        let region = ["Africa", "Asia", "Europe", "Oceania"][numbers.below(4) as usize];
        writeln!(solution, "{at}.mp4,{},{region}", u8::from(fake)).unwrap();
        // Some ties, some at the ends, some missing.
        let score = match numbers.below(6) {
            0 => 0.5,
            1 => (numbers.below(11) as f64) / 10.0,
            _ => (numbers.unit() + if fake { 0.25 } else { 0.0 }).min(1.0),
        };
        if at % 50 != 7 {
            writeln!(submission, "{at}.mp4,{score}").unwrap();
        }
    }
    let solution = write(folder.path(), "solution.csv", &solution);
    let submission = write(folder.path(), "submission.csv", &submission);
    let options = options(TaskForm::Detection, &solution, &submission, "region");
    let report = evaluate(&options).unwrap().report;
    let wanted = oracle(&python, &["detection", &solution, &submission, "region"]);
    hold_all(DATA, &found(&report, Level::Sample, "region"), &wanted);
}

#[test]
fn frames_and_videos_are_what_scikit_learn_and_fairlearn_say() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(3);
    let (mut solution, mut submission) = (
        "video_id,label,method\n".to_owned(),
        "video_id,frame,score\n".to_owned(),
    );
    for video in 0..160 {
        let fake = video % 2;
        let method = ["Deepfakes", "Face2Face"][video / 2 % 2];
        writeln!(solution, "v{video},{fake},{method}").unwrap();
        for frame in 0..=numbers.below(12) {
            let score = (numbers.unit() * 0.8 + 0.2 * fake as f64 * numbers.unit()).min(1.0);
            writeln!(submission, "v{video},{frame},{score}").unwrap();
        }
    }
    let solution = write(folder.path(), "solution.csv", &solution);
    let submission = write(folder.path(), "submission.csv", &submission);
    let options = options(TaskForm::Detection, &solution, &submission, "method");
    let report = evaluate(&options).unwrap().report;
    for (level, flag) in [(Level::Frame, "--frames"), (Level::Video, "--videos")] {
        let args = ["detection", &solution, &submission, "method", flag];
        let found = found(&report, level, "method");
        hold_all(DATA, &found, &oracle(&python, &args));
    }
}

/// With as many distinct scores as fill the bins alike scikit-learn's quantile bins are of equal
/// mass too.
#[test]
fn curves_are_what_scikit_learn_says() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(9);
    let (mut solution, mut submission) =
        ("filename,label\n".to_owned(), "filename,label\n".to_owned());
    for at in 0..600 {
        let score = (f64::from(at * 7919 % 600) + 0.25) / 600.0;
        let fake = u8::from(numbers.unit() < score);
        writeln!(solution, "{at}.mp4,{fake}").unwrap();
        writeln!(submission, "{at}.mp4,{score}").unwrap();
    }
    let solution = write(folder.path(), "solution.csv", &solution);
    let submission = write(folder.path(), "submission.csv", &submission);
    let options = EvalOptions {
        groups: Vec::new(),
        ..options(TaskForm::Detection, &solution, &submission, "")
    };
    let report = evaluate(&options).unwrap().report;
    let wanted = oracle(&python, &["curves", &solution, &submission]);
    let mut differences = Differences::new(DATA);
    let mut hold = |key: &str, found: f64, wanted_value: f64| {
        differences.hold(key, wanted.by(key), (found, wanted_value), 1e-12);
    };
    let ece = report.metrics.iter().find(|m| m.metric == "ece").unwrap();
    hold("ece", ece.overall.value.unwrap(), wanted.values["ece"]);
    let curve = &report.curves[0].lines[0];
    assert_eq!(curve.reliability.len(), 15);
    for (at, bin) in curve.reliability.iter().enumerate() {
        for (name, found) in [
            ("calibration_score", bin.mean_score),
            ("calibration_share", bin.share_of_fakes),
        ] {
            hold(name, found, wanted.values[&format!("{name}/{at}")]);
        }
    }
    // Ours is thinned: each of its points is one of scikit-learn's.
    let number = |name: &str, at: usize| wanted.values.get(&format!("{name}/{at}")).copied();
    let point = |at| number("roc_fpr", at).zip(number("roc_tpr", at));
    let points: Vec<(f64, f64)> = (0..).map_while(point).collect();
    assert!(curve.roc.len() > 50);
    for (x, y) in &curve.roc {
        let distance = |p: &&(f64, f64)| (p.0 - x).abs() + (p.1 - y).abs();
        let nearer = |a: &&_, b: &&_| distance(a).total_cmp(&distance(b));
        let nearest = points.iter().min_by(nearer).unwrap();
        hold("roc_fpr", *x, nearest.0);
        hold("roc_tpr", *y, nearest.1);
    }
}

/// Writes a solution and a submission, and compares all their values, by region and by what
/// groups the form has of its own.
fn beside_the_oracle(form: TaskForm, level: Level, solution: &str, submission: &str) {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let solution = write(folder.path(), "solution.csv", solution);
    let submission = write(folder.path(), "submission.csv", submission);
    let report = evaluate(&options(form, &solution, &submission, "region"))
        .unwrap()
        .report;
    assert!(!report.refused(), "{:?}", report.defects);
    let more = (form == TaskForm::DetectionLabels).then_some("method");
    for group in std::iter::once("region").chain(more) {
        let wanted = oracle(&python, &[form.as_str(), &solution, &submission, group]);
        hold_all(DATA, &found(&report, level, group), &wanted);
        // And the oracle knows every metric of the report.
        for metric in &report.metrics {
            let name = &metric.metric;
            assert!(wanted.values.contains_key(name), "{name}");
        }
    }
}

const REGIONS: [&str; 3] = ["Africa", "Asia", "Europe"];

#[test]
fn recognition_is_what_scikit_learn_says() {
    let mut numbers = Numbers(4);
    let mut solution = "id,landmarks,region\n".to_owned();
    let mut submission = "id,landmarks\n".to_owned();
    for at in (0..1500).rev() {
        let region = REGIONS[numbers.below(3) as usize];
        let (a, b) = (numbers.below(30), numbers.below(30));
        let truth = match numbers.below(4) {
            0 => format!("{a}"),
            1 => format!("{a} {b}"),
            _ => String::new(),
        };
        writeln!(solution, "q{at},{truth},{region}").unwrap();
        // Confidences of two decimals: many ties.
        let confidence = numbers.below(101) as f64 / 100.0;
        match numbers.below(10) {
            0 => {}
            1 => writeln!(submission, "q{at},").unwrap(),
            n if n < 7 => writeln!(submission, "q{at},{a} {confidence}").unwrap(),
            _ => writeln!(submission, "q{at},{b} {confidence}").unwrap(),
        }
    }
    beside_the_oracle(TaskForm::Recognition, Level::Query, &solution, &submission);
}

#[test]
fn retrieval_is_what_scikit_learn_says() {
    let mut numbers = Numbers(5);
    let mut solution = "id,images,region\n".to_owned();
    let mut submission = "id,images\n".to_owned();
    for at in 0..400 {
        let mut list = |n: u64, of: u64| {
            let ids: Vec<String> = (0..n).map(|_| format!("i{}", numbers.below(of))).collect();
            ids.join(" ")
        };
        // Some truths of more than a hundred; answers with repeats, some too long.
        let truth = list([1, 3, 20, 160][at % 4], 400);
        let answer = list([0, 4, 100, 130][at / 4 % 4], [30, 400][at % 2]);
        let region = REGIONS[at % 3];
        writeln!(solution, "q{at},{truth},{region}").unwrap();
        if at % 9 != 0 {
            writeln!(submission, "q{at},{answer}").unwrap();
        }
    }
    beside_the_oracle(TaskForm::Retrieval, Level::Query, &solution, &submission);
}

#[test]
fn classification_is_what_scikit_learn_says() {
    let mut numbers = Numbers(6);
    let mut solution = "id,label,region\n".to_owned();
    let mut lists = "id,label\n".to_owned();
    let mut columns = "id,label_1,label_2,label_3,label_4,label_5\n".to_owned();
    for at in 0..900 {
        // Every class stands in every region.
        let truth = at % 12;
        writeln!(solution, "{at},c{truth},{}", REGIONS[at / 12 % 3]).unwrap();
        let shift = if numbers.below(3) == 0 {
            0
        } else {
            numbers.below(12)
        };
        let guess: Vec<String> = (0..5)
            .map(|rank| format!("c{}", (truth as u64 + shift + 5 * rank) % 12))
            .collect();
        writeln!(lists, "{at},{}", guess.join(" ")).unwrap();
        writeln!(columns, "{at},{}", guess.join(",")).unwrap();
    }
    for submission in [lists, columns] {
        let form = TaskForm::Classification;
        beside_the_oracle(form, Level::Image, &solution, &submission);
    }
}

#[test]
fn labels_are_what_scikit_learn_says() {
    let mut numbers = Numbers(7);
    let mut solution = "id,label,method,region\n".to_owned();
    let mut submission = "id,label\n".to_owned();
    for at in 0..700 {
        let method = ["pristine", "Deepfakes", "Face2Face"][numbers.below(3) as usize];
        let truth = if method == "pristine" { "real" } else { "fake" };
        let answer = if numbers.below(5) == 0 { "real" } else { truth };
        let region = REGIONS[numbers.below(3) as usize];
        writeln!(solution, "{at:04}.png,{truth},{method},{region}").unwrap();
        writeln!(submission, "{at:04}.png,{answer}").unwrap();
    }
    let form = TaskForm::DetectionLabels;
    beside_the_oracle(form, Level::Image, &solution, &submission);
}
