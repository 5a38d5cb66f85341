//! Files as they should not be: each gives a report that names the defect,
//! or an error that names the file and the remedy; never a crash.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fairframe_eval::{EvalError, EvalOptions, Evaluation, evaluate, report};
use fairframe_schemas::report::{DefectKind, Report, TaskForm, Verdict};
use tempfile::TempDir;

struct Case {
    folder: TempDir,
    options: EvalOptions,
}

impl Case {
    fn new(form: TaskForm, solution: &str, submission: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let solution = put("solution.csv", solution.as_bytes());
        let submission = put("submission.csv", submission.as_ref());
        let options = EvalOptions {
            resamples: 100,
            min_n: 1,
            ..EvalOptions::new(form, solution, submission)
        };
        Self { folder, options }
    }

    fn evaluate(&self) -> Evaluation {
        let evaluation = evaluate(&self.options).unwrap();
        // Whatever happened, the five files can be written.
        let written = report::write(&evaluation, &self.folder.path().join("out")).unwrap();
        assert_eq!(written.len(), 5);
        evaluation
    }

    fn refused(&self) -> Report {
        let report = self.evaluate().report;
        assert!(report.refused(), "{:?}", report.defects);
        assert!(report.metrics.is_empty());
        report
    }
}

const DETECTION: &str = "filename,label,region\na,1,X\nb,0,X\nc,1,Y\nd,0,Y\n";
const IMAGES: &str = "image_id,labels\ni,x y\nj,z\n";

fn counts(report: &Report, kind: DefectKind) -> u64 {
    let of_kind = report.defects.iter().filter(|d| d.kind == kind);
    of_kind.map(|d| d.count).sum()
}

#[test]
fn empty_and_header_only() {
    for (form, solution, header) in [
        (TaskForm::Detection, DETECTION, "filename,label\n"),
        (TaskForm::MultiLabel, IMAGES, "image_id,labels\n"),
    ] {
        for submission in ["", header] {
            let report = Case::new(form, solution, submission).refused();
            assert_eq!(counts(&report, DefectKind::NoRows), 1);
        }
    }
}

#[test]
fn all_ids_wrong() {
    let report = Case::new(TaskForm::Detection, DETECTION, "filename,label\nz,0.5\n").refused();
    assert_eq!(counts(&report, DefectKind::NoIdKnown), 1);
    assert_eq!(counts(&report, DefectKind::MissingId), 4);
    let report = Case::new(TaskForm::MultiLabel, IMAGES, "image_id,labels\nz,x\n").refused();
    assert_eq!(counts(&report, DefectKind::NoIdKnown), 1);
}

#[test]
fn numbers_that_are_no_probabilities() {
    let text = "filename,label\na,nan\nb,NaN\nc,\nd,0,5\n";
    let report = Case::new(TaskForm::Detection, DETECTION, text).refused();
    assert_eq!(counts(&report, DefectKind::NotANumber), 3);
    assert_eq!(counts(&report, DefectKind::RaggedRow), 1);
    let text = "filename,label\na,inf\nb,-inf\nc,1.0000001\nd,-1e-9\n";
    let report = Case::new(TaskForm::Detection, DETECTION, text).refused();
    assert_eq!(counts(&report, DefectKind::OutOfRange), 4);
}

#[test]
fn one_id_with_two_answers() {
    let text = "filename,label\na,0.9\na,0.1\nb,0.1\nc,1\nd,0\n";
    let report = Case::new(TaskForm::Detection, DETECTION, text).refused();
    let defect = &report.defects[0];
    assert_eq!(defect.kind, DefectKind::ConflictingId);
    assert_eq!(defect.shown[0].row, Some(3));
    let text = "image_id,labels\ni,x\ni,x z\n";
    let report = Case::new(TaskForm::MultiLabel, IMAGES, text).refused();
    assert_eq!(counts(&report, DefectKind::ConflictingId), 1);
    // The same answer twice, in another order, is no reason to refuse.
    let text = "image_id,labels\ni,x y\ni,y x x\nj,z\n";
    let report = Case::new(TaskForm::MultiLabel, IMAGES, text)
        .evaluate()
        .report;
    assert!(!report.refused());
    assert_eq!(report.metrics[0].overall.value, Some(1.0));
}

#[test]
fn a_truth_of_one_class_leaves_what_needs_two_undefined() {
    let solution = "filename,label\na,1\nb,1\n";
    let report = Case::new(
        TaskForm::Detection,
        solution,
        "filename,label\na,0.9\nb,0.2\n",
    )
    .evaluate()
    .report;
    for metric in &report.metrics {
        let undefined = [
            "log_loss_balanced",
            "balanced_accuracy",
            "auc",
            "average_precision",
        ]
        .contains(&metric.metric.as_str())
            || metric.metric.starts_with("tpr_at")
            || ["eer", "fpr"].contains(&metric.metric.as_str());
        let verdict = metric.overall.verdict;
        assert_eq!(
            verdict == Verdict::Undefined,
            undefined,
            "{}",
            metric.metric
        );
        assert_eq!(
            metric.overall.value.is_none(),
            undefined,
            "{}",
            metric.metric
        );
    }
}

#[test]
fn a_perfect_submission_has_no_spread_and_no_trouble() {
    let text = "filename,label\na,1\nb,0\nc,1\nd,0\n";
    let mut case = Case::new(TaskForm::Detection, DETECTION, text);
    case.options.groups = vec![vec!["region".into()]];
    let report = case.evaluate().report;
    let auc = report.metrics.iter().find(|m| m.metric == "auc").unwrap();
    let interval = auc.overall.interval.unwrap();
    assert_eq!((interval.low, interval.high), (1.0, 1.0));
    let disparity = auc.by_group[0].disparity.as_ref().unwrap();
    assert_eq!((disparity.difference, disparity.ratio), (0.0, Some(1.0)));
}

#[test]
fn a_line_without_end_and_a_bomb() {
    let mut case = Case::new(TaskForm::MultiLabel, IMAGES, vec![b'a'; 1 << 20]);
    case.options.limits.line_bytes = 1 << 16;
    let error = evaluate(&case.options).unwrap_err().to_string();
    assert!(error.contains("bytes without a line end"), "{error}");
    assert!(error.contains("submission.csv"), "{error}");

    let zeros = zstd::encode_all(&vec![b'\n'; 64 << 20][..], 19).unwrap();
    assert!(zeros.len() < 1 << 16);
    let mut case = Case::new(TaskForm::MultiLabel, IMAGES, zeros);
    case.options.limits.bytes = 1 << 20;
    let error = evaluate(&case.options).unwrap_err().to_string();
    assert!(error.contains("more than 1048576 bytes"), "{error}");
}

#[test]
fn a_million_labels_in_one_row() {
    let mut text = "image_id,labels\ni,".to_owned();
    for at in 0..1_000_000 {
        write!(text, "{at} ").unwrap();
    }
    text.push_str("\nj,z\n");
    let report = Case::new(TaskForm::MultiLabel, IMAGES, text)
        .evaluate()
        .report;
    assert_eq!(report.metrics[0].overall.value, Some(0.5));
}

#[test]
fn a_group_column_in_which_every_value_is_another() {
    let (mut solution, mut submission) = (
        "image_id,labels,who\n".to_owned(),
        "image_id,labels\n".to_owned(),
    );
    for at in 0..20_000 {
        writeln!(solution, "{at},x,w{at}").unwrap();
        writeln!(submission, "{at},x").unwrap();
    }
    let mut case = Case::new(TaskForm::MultiLabel, &solution, submission);
    case.options.groups = vec![vec!["who".into()]];
    case.options.min_n = 30;
    let report = case.evaluate().report;
    let cells = &report.metrics[0].by_group[0].cells;
    assert_eq!(cells.len(), 20_000);
    assert!(
        cells
            .iter()
            .all(|c| c.estimate.value.is_none() && c.estimate.n == 1)
    );
    let page = std::fs::metadata(case.folder.path().join("out/report.html")).unwrap();
    assert!(page.len() < 300_000, "{}", page.len());
}

#[test]
fn names_that_are_markup_stay_text() {
    let solution = "image_id,labels,where\ni,x,<script>alert(1)</script>\nj,x,b&c\n";
    let mut case = Case::new(
        TaskForm::MultiLabel,
        solution,
        "image_id,labels\ni,x\nj,y\n<img>,x\n",
    );
    case.options.groups = vec![vec!["where".into()]];
    case.evaluate();
    let page = std::fs::read_to_string(case.folder.path().join("out/report.html")).unwrap();
    assert!(!page.contains("<script>") && !page.contains("<img>"));
    assert!(page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"));
}

#[test]
fn what_cannot_be_asked_is_said_with_what_can() {
    let mut case = Case::new(TaskForm::Detection, DETECTION, "filename,label\na,0.5\n");
    case.options.groups = vec![vec!["country".into()]];
    let error = evaluate(&case.options).unwrap_err();
    assert!(matches!(error, EvalError::UnknownColumn { .. }));
    assert!(error.to_string().contains("`region`"), "{error}");
    case.options.groups = vec![vec!["region".into(); 4]];
    assert!(matches!(
        evaluate(&case.options),
        Err(EvalError::TooManyCrossed { n: 4, .. })
    ));
    case.options.groups.clear();
    case.options.eps = 0.0;
    assert!(matches!(
        evaluate(&case.options),
        Err(EvalError::Option { .. })
    ));
    case.options.eps = 1e-15;
    case.options.submission = Path::new("absent.csv").into();
    let error = evaluate(&case.options).unwrap_err().to_string();
    assert!(error.contains("`absent.csv`"), "{error}");
}

#[test]
fn what_is_no_regular_file_is_refused_and_not_waited_for() {
    let mut case = Case::new(TaskForm::Detection, DETECTION, "filename,label\na,0.5\n");
    let pipe = case.folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let socket = case.folder.path().join("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let right = case.options.clone();
    for (path, what) in [
        (pipe.clone(), "is a pipe"),
        (socket, "is a socket"),
        ("/dev/zero".into(), "is a device"),
        (case.folder.path().to_owned(), "is a folder"),
    ] {
        for solution in [true, false] {
            case.options = right.clone();
            match solution {
                true => case.options.solution = path.clone(),
                false => case.options.submission = path.clone(),
            }
            let error = evaluate(&case.options).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("save"), "{error}");
        }
    }
    // A part of a manifest too.
    case.options = right;
    let manifest = case.folder.path().join("manifest");
    std::fs::create_dir(&manifest).unwrap();
    std::fs::rename(&pipe, manifest.join("part-00000.parquet")).unwrap();
    case.options.manifest = Some(manifest);
    let error = evaluate(&case.options).unwrap_err().to_string();
    assert!(error.contains("is a pipe"), "{error}");
}

/// A solution of each form with a submission's header, and an id that it has.
const FORMS: [(TaskForm, &str, &str, &str); 5] = [
    (
        TaskForm::Recognition,
        "id,landmarks\na,x\nb,\n",
        "id,landmarks\n",
        "a",
    ),
    (
        TaskForm::Retrieval,
        "id,images\na,x y\nb,z\n",
        "id,images\n",
        "a",
    ),
    (
        TaskForm::Classification,
        "id,label\na,x\nb,y\n",
        "id,label\n",
        "a",
    ),
    (
        TaskForm::DetectionLabels,
        "image,method\na,Deepfakes\nb,pristine\n",
        "image,label\n",
        "a",
    ),
    (TaskForm::MultiLabel, IMAGES, "image_id,labels\n", "i"),
];

#[test]
fn every_form_refuses_nothing_a_bare_header_wrong_ids_and_two_answers() {
    for (form, solution, header, id) in FORMS {
        for submission in ["", header] {
            let report = Case::new(form, solution, submission).refused();
            assert_eq!(counts(&report, DefectKind::NoRows), 1, "{form:?}");
        }
        let (one, other) = match form {
            TaskForm::Recognition => ("x 0.5", "y 0.5"),
            TaskForm::DetectionLabels => ("fake", "real"),
            _ => ("x", "y"),
        };
        let report = Case::new(form, solution, format!("{header}zz,{one}\n")).refused();
        assert_eq!(counts(&report, DefectKind::NoIdKnown), 1, "{form:?}");
        assert_eq!(counts(&report, DefectKind::UnknownId), 1, "{form:?}");
        let twice = format!("{header}{id},{one}\n{id},{other}\n");
        let report = Case::new(form, solution, twice).refused();
        assert_eq!(counts(&report, DefectKind::ConflictingId), 1, "{form:?}");
        // The same answer twice is counted once; the other id is missing.
        let again = format!("{header}{id},{one}\n{id},{one}\n");
        let report = Case::new(form, solution, again).evaluate().report;
        assert!(!report.refused(), "{form:?}: {:?}", report.defects);
        assert_eq!(report.counts.unanswered, 1);
        assert!(report.metrics.iter().all(|m| m.overall.n == 2));
    }
}

#[test]
fn confidences_are_finite_and_labels_exact() {
    let (form, solution, header, _) = FORMS[0];
    for (answer, fatal) in [
        ("x nan", true),
        ("x inf", true),
        ("x", true),
        ("x 0.5 y 0.4", true),
        ("", false),
        ("x -7", false),
    ] {
        let case = Case::new(form, solution, format!("{header}a,{answer}\n"));
        let report = case.evaluate().report;
        assert_eq!(
            counts(&report, DefectKind::BadPair),
            u64::from(fatal),
            "{answer}"
        );
    }
    let (form, solution, header, _) = FORMS[3];
    for answer in ["Fake", "1", "", "fake fake"] {
        let report = Case::new(form, solution, format!("{header}a,{answer}\n")).refused();
        assert_eq!(counts(&report, DefectKind::BadLabel), 1, "{answer}");
    }
    let json = r#"{"a": "fake", "b": null, "c": 0}"#;
    let report = Case::new(form, solution, json).refused();
    assert_eq!(counts(&report, DefectKind::BadLabel), 2);
}

#[test]
fn a_truth_without_landmarks_or_of_one_kind_is_undefined() {
    let submission = "id,landmarks\na,x 0.5\n";
    let report = Case::new(TaskForm::Recognition, "id,landmarks\na,\nb,\n", submission);
    for metric in report.evaluate().report.metrics {
        assert_eq!(
            metric.overall.verdict,
            Verdict::Undefined,
            "{}",
            metric.metric
        );
    }
    let case = Case::new(
        TaskForm::DetectionLabels,
        "image,method\na,Deepfakes\n",
        "image,label\na,fake\n",
    );
    for metric in case.evaluate().report.metrics {
        let two = ["balanced_accuracy", "accuracy_pristine"].contains(&metric.metric.as_str());
        assert_eq!(metric.overall.value.is_none(), two, "{}", metric.metric);
    }
}

#[test]
fn answers_to_what_is_left_out_are_no_defects() {
    let solution = "id,images,Usage\na,x,Public\nb,y,Private\nc,None,Ignored\nd,,Public\n";
    let submission = "id,images\na,x\nb,y\nc,y\nd,z\ne,z\n";
    let mut case = Case::new(TaskForm::Retrieval, solution, submission);
    case.options.usage = Some("Public".to_owned());
    let report = case.evaluate().report;
    assert_eq!(counts(&report, DefectKind::UnknownId), 1);
    assert_eq!(counts(&report, DefectKind::EmptyTruth), 1);
    assert_eq!(
        (report.counts.scored, report.counts.solution_ignored),
        (1, 2)
    );
    assert_eq!(report.metrics[0].overall.value, Some(1.0));
}

#[test]
fn a_row_of_a_million_ids_and_a_line_of_200_mb() {
    let mut text = "id,images\na,".to_owned();
    for at in 0..1_000_000 {
        write!(text, "{at} ").unwrap();
    }
    let report = Case::new(TaskForm::Retrieval, FORMS[1].1, text)
        .evaluate()
        .report;
    assert_eq!(counts(&report, DefectKind::TooManyAnswers), 1);
    assert_eq!(report.metrics[0].overall.value, Some(0.0));

    let case = Case::new(TaskForm::Retrieval, FORMS[1].1, vec![b'a'; 200 << 20]);
    let error = evaluate(&case.options).unwrap_err().to_string();
    assert!(
        error.contains("67108864 bytes without a line end"),
        "{error}"
    );
}

#[test]
fn the_benchmarks_json_is_read_as_it_is_sent_in() {
    let mut solution = "image,method\n".to_owned();
    let mut answers = Vec::new();
    let asked = [
        ("Deepfakes", 105, 110),
        ("Face2Face", 131, 137),
        ("FaceSwap", 96, 103),
        ("NeuralTextures", 145, 150),
        ("pristine", 496, 500),
    ];
    for (method, right, n) in asked {
        for at in 0..n {
            let image = answers.len();
            writeln!(solution, "{image:04}.png,{method}").unwrap();
            let fake = (method != "pristine") == (at < right);
            let label = if fake { "fake" } else { "real" };
            answers.push(format!("\"{image:04}.png\": \"{label}\""));
        }
    }
    let json = format!("{{{}}}", answers.join(", "));
    let mut case = Case::new(TaskForm::DetectionLabels, &solution, json);
    case.options.min_n = 30;
    let report = case.evaluate().report;
    assert_eq!(report.metrics[0].overall.value, Some(0.973));
    let by_method = &report.metrics[0].by_group[0];
    assert_eq!(by_method.columns, ["method"]);
    for ((method, right, n), cell) in asked.iter().zip(&by_method.cells) {
        assert_eq!(cell.group, [*method]);
        let wanted = f64::from(*right) / f64::from(*n);
        assert_eq!(cell.estimate.value, Some(wanted), "{method}");
    }
}

#[test]
fn files_without_a_header_are_read_by_place() {
    for (form, solution, submission, value) in [
        (
            TaskForm::Recognition,
            "a,x,Public\nb,,Public\n",
            "a,x 0.5\n",
            1.0,
        ),
        (TaskForm::Retrieval, "a,x y,Public\n", "a,x\n", 0.5),
        (
            TaskForm::Classification,
            "a,x\nb,y\n",
            "a,z,x\nb,y,x\n",
            0.5,
        ),
        (
            TaskForm::DetectionLabels,
            "a,Face2Face\nb,real\n",
            "a,fake\nb,fake\n",
            0.5,
        ),
    ] {
        let report = Case::new(form, solution, submission).evaluate().report;
        assert_eq!(report.metrics[0].overall.value, Some(value), "{form:?}");
    }
}
