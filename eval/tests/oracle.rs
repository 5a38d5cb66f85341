//! Every metric beside scikit-learn and fairlearn, to 1e-12.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fairframe_eval::{EvalOptions, evaluate};
use fairframe_schemas::report::{Grouping, Level, Report, TaskForm};
use support::{Numbers, oracle, python, write};

/// All values of a level, keyed as the oracle keys them.
fn found(report: &Report, level: Level) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for metric in report.metrics.iter().filter(|m| m.level == level) {
        let name = &metric.metric;
        let mut put = |key: String, value: Option<f64>| {
            if let Some(value) = value {
                values.insert(key, value);
            }
        };
        put(name.clone(), metric.overall.value);
        let asked = |g: &&Grouping| metric.by_group.len() == 1 || g.columns != ["method"];
        for grouping in metric.by_group.iter().filter(asked) {
            for cell in &grouping.cells {
                put(format!("{name}/{}", cell.group[0]), cell.estimate.value);
            }
            if let Some(d) = &grouping.disparity {
                put(format!("{name}#difference"), Some(d.difference));
                put(format!("{name}#ratio"), d.ratio);
                put(
                    format!("{name}#difference_to_overall"),
                    d.difference_to_overall,
                );
                put(format!("{name}#ratio_to_overall"), d.ratio_to_overall);
            }
        }
    }
    values
}

fn compare(found: &BTreeMap<String, f64>, wanted: &BTreeMap<String, f64>) {
    assert!(wanted.len() > 2);
    let mut largest = 0f64;
    for (key, wanted) in wanted {
        let found = found.get(key).unwrap_or_else(|| panic!("no `{key}`"));
        let difference = (found - wanted).abs();
        assert!(difference <= 1e-12, "{key}: {found} is not {wanted}");
        largest = largest.max(difference);
    }
    eprintln!("{} values, largest difference {largest:e}", wanted.len());
}

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
    compare(&found(&report, Level::Image), &wanted);
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
    compare(&found(&report, Level::Sample), &wanted);
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
        compare(&found(&report, level), &oracle(&python, &args));
    }
}

/// Writes a solution and a submission, and compares all their values.
fn beside_the_oracle(form: TaskForm, level: Level, solution: &str, submission: &str) {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let solution = write(folder.path(), "solution.csv", solution);
    let submission = write(folder.path(), "submission.csv", submission);
    let report = evaluate(&options(form, &solution, &submission, "region"))
        .unwrap()
        .report;
    assert!(!report.refused(), "{:?}", report.defects);
    let wanted = oracle(&python, &[form.as_str(), &solution, &submission, "region"]);
    let found = found(&report, level);
    compare(&found, &wanted);
    // And the oracle knows every metric of the report.
    for metric in &report.metrics {
        assert!(wanted.contains_key(&metric.metric), "{}", metric.metric);
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
