//! Real submissions: Inclusive Images, DFDC, ImageNet-X, and CLIP on Dollar Street. They stand in
//! the shared folder (`FAIRFRAME_SHARED`), as their licences keep them out of the tree.

use std::path::{Path, PathBuf};

use crate::support::{Said, found, hold_all, oracle, python, shared};
use fairframe_eval::{EvalOptions, evaluate, report};
use fairframe_schemas::report::{DefectKind, InputRole, IntervalMethod, Level, Report, TaskForm};

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
    let python = python();
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
        if let Some(python) = &python {
            let files = [&options.solution, &options.submission].map(|path| text(path));
            let wanted = oracle(python, &["multi-label", files[0], files[1]]);
            let found = found(&report, Level::Image, "");
            hold_all("Inclusive Images, 2 submissions", &found, &wanted);
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Real data as the oracle wrote it for both sides.
struct Plain {
    python: PathBuf,
    solution: String,
    submission: String,
    _folder: tempfile::TempDir,
}

impl Plain {
    /// None, said plainly, where they or the oracle are absent.
    fn new(name: &str) -> Option<Self> {
        let (python, folder) = (python()?, shared(name)?);
        let out = tempfile::tempdir().unwrap();
        oracle(&python, &["files", name, text(&folder), text(out.path())]);
        let file = |name: &str| text(&out.path().join(name)).to_owned();
        Some(Self {
            python,
            solution: file("solution.csv"),
            submission: file("submission.csv"),
            _folder: out,
        })
    }

    fn options(&self, form: TaskForm) -> EvalOptions {
        EvalOptions::new(form, (&self.solution).into(), (&self.submission).into())
    }

    /// What the oracle says of them, by a group.
    fn oracle(&self, form: &str, group: &str, more: &[&str]) -> Said {
        let args = [form, &self.solution, &self.submission, group];
        oracle(&self.python, &[&args[..], more].concat())
    }
}

/// Every group is judged, however small.
fn by(groups: &[&[&str]], options: EvalOptions) -> EvalOptions {
    let owned = |group: &&[&str]| group.iter().map(|c| (*c).to_owned()).collect();
    EvalOptions {
        groups: groups.iter().map(owned).collect(),
        min_n: 1,
        resamples: 100,
        permutations: 0,
        ..options
    }
}

#[test]
fn dfdc_frames_and_videos_are_what_scikit_learn_and_fairlearn_say() {
    let Some(plain) = Plain::new("dfdc") else {
        return;
    };
    // Here as they were published.
    let folder = shared("dfdc").unwrap();
    let published = EvalOptions::new(
        TaskForm::Detection,
        folder.join("folds.csv"),
        folder.join("predictions_1.json"),
    );
    let report = evaluate(&by(&[&["fold"]], published)).unwrap().report;
    for (level, flag, data) in [
        (Level::Frame, "--frames", "DFDC, 2,666 frames by fold"),
        (Level::Video, "--videos", "DFDC, 93 videos by fold"),
    ] {
        let found = found(&report, level, "fold");
        hold_all(data, &found, &plain.oracle("detection", "fold", &[flag]));
    }
}

#[test]
fn the_16_factors_of_imagenet_x_are_what_scikit_learn_and_fairlearn_say() {
    let Some(plain) = Plain::new("imagenet-x") else {
        return;
    };
    let options = plain.options(TaskForm::Classification);
    let report = evaluate(&by(&[&["factor"]], options)).unwrap().report;
    // The factors, and the images of which none is told.
    assert_eq!(report.metrics[0].by_group[0].cells.len(), 17);
    let wanted = plain.oracle("classification", "factor", &[]);
    let found = found(&report, Level::Image, "factor");
    hold_all(
        "ImageNet-X, ViT, 50,000 images by 16 factors",
        &found,
        &wanted,
    );
}

/// How often CLIP sees what an image shows: the truth has one class, so that what rests on the
/// other is undefined.
#[test]
fn clip_by_country_and_income_is_what_scikit_learn_and_fairlearn_say() {
    let Some(plain) = Plain::new("dollar-street") else {
        return;
    };
    let options = EvalOptions {
        threshold: 0.35,
        ..plain.options(TaskForm::Detection)
    };
    let groups: [&[&str]; 3] = [&["country"], &["income"], &["country", "income"]];
    let report = evaluate(&by(&groups, options)).unwrap().report;
    assert!(!report.refused(), "{:?}", report.defects);
    for group in groups.map(|columns| columns.join("+")) {
        let found = found(&report, Level::Sample, &group);
        let data = format!("CLIP on Dollar Street, 35,353 images by {group}");
        let wanted = plain.oracle("detection", &group, &["--threshold=0.35"]);
        hold_all(&data, &found, &wanted);
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
