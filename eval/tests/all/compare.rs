//! Two submissions on the same items, through the whole evaluation.

use std::fmt::Write as _;
use std::path::Path;

use fairframe_eval::compare::compare;
use fairframe_eval::{EvalOptions, report};
use fairframe_schemas::comparison::{Compared, Comparison};
use fairframe_schemas::report::{IntervalMethod, TaskForm, Verdict};

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// 400 samples; B is wrong where A is and in `worse` more of group b.
fn files(folder: &Path, worse: usize) -> (EvalOptions, std::path::PathBuf) {
    let mut solution = "filename,label,g,source\n".to_owned();
    let (mut a, mut b) = ("filename,label\n".to_owned(), "filename,label\n".to_owned());
    for at in 0..400 {
        let (fake, group) = (at % 2, ["a", "b"][usize::from(at >= 200)]);
        writeln!(solution, "{at}.mp4,{fake},{group},s{}", at / 4).unwrap();
        let right = if fake == 1 { 0.8 } else { 0.2 };
        let wrong = at % 10 == 3;
        writeln!(a, "{at}.mp4,{}", if wrong { 1.0 - right } else { right }).unwrap();
        let wrong = wrong || (at >= 200 && at - 200 < worse);
        writeln!(b, "{at}.mp4,{}", if wrong { 1.0 - right } else { right }).unwrap();
    }
    let options = EvalOptions {
        groups: vec![vec!["g".to_owned()]],
        resamples: 500,
        permutations: 0,
        ..EvalOptions::new(
            TaskForm::Detection,
            write(folder, "solution.csv", &solution),
            write(folder, "a.csv", &a),
        )
    };
    (options, write(folder, "b.csv", &b))
}

fn found<'a>(comparison: &'a Comparison, metric: &str) -> [&'a Compared; 3] {
    let metric = comparison.metrics.iter().find(|m| m.metric == metric);
    let metric = metric.unwrap();
    let cells = &metric.by_group[0].cells;
    [&metric.overall, &cells[0].compared, &cells[1].compared]
}

#[test]
fn the_difference_stands_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (options, b) = files(folder.path(), 60);
    let (_, _, comparison) = compare(&options, &b).unwrap();
    let comparison = comparison.unwrap();
    let [all, a, b_group] = found(&comparison, "accuracy");
    // 60 rows of group b, 6 of which A has wrong too.
    assert!((all.difference.unwrap() - 54.0 / 400.0).abs() < 1e-12);
    assert!((b_group.difference.unwrap() - 54.0 / 200.0).abs() < 1e-12);
    let interval = b_group.interval.unwrap();
    // sd of a mean of 200 differences, 54 of them 1.
    let error = (0.27f64 * 0.73 / 200.0).sqrt();
    assert!(
        (interval.high - interval.low - 3.92 * error).abs() < 0.25 * error,
        "{interval:?}"
    );
    assert_eq!(interval.method, IntervalMethod::Bootstrap);
    let test = b_group.mcnemar.unwrap();
    assert_eq!((test.only_a, test.only_b), (54, 0));
    assert!((test.chi_square.unwrap() - 53.0 * 53.0 / 54.0).abs() < 1e-12);
    // Where they are the same there is no difference and no doubt of it.
    let interval = a.interval.unwrap();
    assert_eq!(
        (a.difference, interval.low, interval.high),
        (Some(0.0), 0.0, 0.0)
    );
    assert_eq!(a.mcnemar.unwrap().p, 1.0);
    // Both scores are paired in what is no share too.
    let auc = found(&comparison, "auc")[2];
    assert!(auc.interval.unwrap().low > 0.0 && auc.mcnemar.is_none());
    // A submission against itself, and the other way round.
    let (_, _, same) = compare(&options, &options.submission).unwrap();
    assert_eq!(found(&same.unwrap(), "log_loss")[0].difference, Some(0.0));
    let swapped = EvalOptions {
        submission: b.clone(),
        ..options.clone()
    };
    let (_, _, swapped) = compare(&swapped, &options.submission).unwrap();
    let swapped = swapped.unwrap();
    let (one, other) = (found(&comparison, "auc")[0], found(&swapped, "auc")[0]);
    assert_eq!(one.interval.unwrap().low, -other.interval.unwrap().high);

    let written = report::write_comparison(&comparison, folder.path()).unwrap();
    let page = std::fs::read_to_string(&written[1]).unwrap();
    assert!(page.contains("a.csv against b.csv") && page.contains("A is better"));
    let again: Comparison = serde_json::from_slice(&std::fs::read(&written[0]).unwrap()).unwrap();
    // Read back, but for the last digit of a number.
    assert_eq!((again.a, again.metrics.len()), (comparison.a, 13));
}

#[test]
fn clusters_are_drawn_whole_and_small_groups_are_suppressed() {
    let folder = tempfile::tempdir().unwrap();
    let (options, b) = files(folder.path(), 60);
    let options = EvalOptions {
        cluster: Some("source".to_owned()),
        min_n: 50,
        ..options
    };
    let (_, _, comparison) = compare(&options, &b).unwrap();
    let comparison = comparison.unwrap();
    let [all, _, b_group] = found(&comparison, "accuracy");
    let method = all.interval.unwrap().method;
    assert_eq!(method, IntervalMethod::ClusterBootstrap);
    assert!(b_group.mcnemar.is_none());
    assert!(comparison.notes[0].contains("Clusters are resampled whole"));
    // 50 clusters a group, 200 items: AUC rests on 50 clusters with each class.
    assert_eq!(b_group.verdict, Verdict::Shown);
    let fewer = EvalOptions {
        min_n: 51,
        ..options
    };
    let (_, _, comparison) = compare(&fewer, &b).unwrap();
    let comparison = comparison.unwrap();
    let b_group = found(&comparison, "accuracy")[2];
    assert_eq!(b_group.verdict, Verdict::InsufficientData);
    assert_eq!((b_group.difference, b_group.interval), (None, None));
}

#[test]
fn a_refused_submission_is_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (options, _) = files(folder.path(), 0);
    let bad = write(folder.path(), "bad.csv", "filename,label\n1.mp4,2.0\n");
    let (a, b, comparison) = compare(&options, &bad).unwrap();
    assert!(!a.report.refused() && b.report.refused() && comparison.is_none());
}
