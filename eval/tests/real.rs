//! Real submissions: Inclusive Images and DFDC. They stand in the shared
//! folder (`FAIRFRAME_SHARED`), as their licences keep them out of the tree.

use std::path::PathBuf;

use fairframe_eval::{EvalOptions, evaluate, report};
use fairframe_schemas::report::{DefectKind, InputRole, IntervalMethod, Level, Report, TaskForm};

/// A folder of the shared data; None, said plainly, where it is absent.
fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FAIRFRAME_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let folder = root.join("data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: `{}` is absent (FAIRFRAME_SHARED)",
        folder.display()
    );
    None
}

fn value(report: &Report, metric: &str, level: Level) -> f64 {
    let found = report
        .metrics
        .iter()
        .find(|m| m.metric == metric && m.level == level);
    found.unwrap().overall.value.unwrap()
}

fn defects(report: &Report, kind: DefectKind) -> u64 {
    let of_kind = report.defects.iter().filter(|d| d.kind == kind);
    of_kind.map(|d| d.count).sum()
}

#[test]
fn inclusive_images_submissions_score_as_published() {
    let Some(folder) = shared("inclusive-images") else {
        return;
    };
    for (team, wanted) in [("team_a_4", 0.296012), ("team_a_16", 0.299916)] {
        let options = EvalOptions::new(
            TaskForm::MultiLabel,
            folder.join("inclusive_images_stage_1_solutions.csv.gz"),
            folder.join("submissions").join(format!("{team}.csv.gz")),
        );
        let report = evaluate(&options).unwrap().report;
        let f2 = value(&report, "f2_mean", Level::Image);
        assert!((f2 - wanted).abs() < 5e-7, "{team}: {f2}");
        let counts = &report.counts;
        assert_eq!((counts.scored, counts.unanswered), (32_088, 1));
        assert_eq!(counts.unknown, 493);
        assert_eq!(defects(&report, DefectKind::UnknownId), 493);
        assert!(!report.refused());
        let interval = report.metrics[0].overall.interval.unwrap();
        assert_eq!(interval.method, IntervalMethod::Bootstrap);
        assert!(interval.low < f2 && f2 < interval.high);
        assert_eq!(report.baselines.len(), 10);
    }
}

#[test]
fn dfdc_frames_are_refused_until_told_how_to_read_smoothed_truth() {
    let Some(folder) = shared("dfdc") else {
        return;
    };
    let predictions = folder.join("predictions_1.json");
    let mut options = EvalOptions::new(TaskForm::Detection, predictions.clone(), predictions);
    let refused = evaluate(&options).unwrap().report;
    assert!(refused.refused() && refused.metrics.is_empty());
    let soft = &refused.defects[0];
    assert_eq!(
        (soft.file, soft.kind),
        (InputRole::Solution, DefectKind::SoftTruth)
    );
    assert_eq!((soft.count, soft.shown.len()), (2_666, 20));
    assert!(soft.kind.remedy().contains("--truth-threshold 0.5"));

    options.truth_threshold = Some(0.5);
    let told = evaluate(&options).unwrap().report;
    assert!(!told.refused());
    let n = |level| {
        let metric = told.metrics.iter().find(|m| m.level == level).unwrap();
        metric.overall.n
    };
    assert_eq!((n(Level::Video), n(Level::Frame)), (93, 2_666));
    // The list of truths beside it says the same of every video.
    options.solution = folder.join("folds.csv");
    options.truth_threshold = None;
    options.groups = vec![vec!["fold".to_owned()]];
    let listed = evaluate(&options).unwrap().report;
    assert!(!listed.refused(), "{:?}", listed.defects);
    for metric in ["auc", "log_loss", "eer"] {
        let (a, b) = (
            value(&told, metric, Level::Video),
            value(&listed, metric, Level::Video),
        );
        assert!((a - b).abs() < 1e-12, "{metric}: {a} and {b}");
    }
}

#[test]
fn the_same_inputs_and_seed_give_the_same_bytes() {
    let Some(folder) = shared("dfdc") else {
        return;
    };
    let predictions = folder.join("predictions_1.json");
    let options = EvalOptions {
        truth_threshold: Some(0.5),
        ..EvalOptions::new(TaskForm::Detection, predictions.clone(), predictions)
    };
    let read = |threads: usize| {
        let out = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| report::write(&evaluate(&options).unwrap(), out.path()).unwrap())
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(read(1), read(3));
}

#[test]
fn a_real_classifier_is_judged_by_what_sets_its_images_apart() {
    let Some(folder) = shared("imagenet-x") else {
        return;
    };
    let (truth, answers) = (
        folder.join("filename_label.csv.gz"),
        folder.join("ViT.csv.gz"),
    );
    let options = EvalOptions {
        id: Some("file_name".to_owned()),
        groups: vec![vec!["label".to_owned()]],
        resamples: 100,
        permutations: 0,
        ..EvalOptions::new(TaskForm::Classification, truth, answers)
    };
    let report = evaluate(&options).unwrap().report;
    assert!(!report.refused(), "{:?}", report.defects);
    let top_1 = &report.metrics[0];
    // Counted with pandas.
    assert_eq!(top_1.overall.n, 50_000);
    let right = top_1.overall.value.unwrap() * 50_000.0;
    assert_eq!(right.round(), 39003.0);
    // Fifty images of each of a thousand classes: the mean over them is the share.
    let mean = report.metrics[1].overall.value.unwrap();
    assert!((mean * 50_000.0 - right).abs() < 1e-6, "{mean}");
    assert_eq!(top_1.by_group[0].cells.len(), 1000);
}
