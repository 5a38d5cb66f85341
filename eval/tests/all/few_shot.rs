//! Few-shot episodes through the whole evaluation, beside scikit-learn.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::support::{Numbers, found, hold_all, oracle, python, write};
use fairframe_eval::episodes::{Drawing, Pool, Shape, Wanted, draw, table};
use fairframe_eval::read::Limits;
use fairframe_eval::{EvalOptions, evaluate, report};
use fairframe_schemas::report::{DefectKind, IntervalMethod, Level, Report, TaskForm};

/// Two datasets of 8 classes with 24 samples each, their embeddings of 12
/// numbers as a numpy matrix with its ids, and 20 episodes of each.
fn files(folder: &Path) -> EvalOptions {
    let mut numbers = Numbers(4);
    let (mut values, mut ids) = (Vec::new(), "sample_id\n".to_owned());
    let wanted = Wanted {
        class: "class".to_owned(),
        ..Wanted::default()
    };
    let drawing = Drawing {
        shape: Shape::Varied,
        episodes: 20,
        seed: 3,
    };
    let mut pools = Vec::new();
    for (dataset, spread) in [("near", 1.0), ("far", 3.0)] {
        let mut samples = "sample_id,class\n".to_owned();
        for class in 0..8u64 {
            let mut centre = Numbers(class + 50);
            let centre: Vec<f64> = (0..12).map(|_| spread * centre.unit()).collect();
            for at in 0..24 {
                writeln!(samples, "{dataset}-{class}-{at:02},c{class}").unwrap();
                writeln!(ids, "{dataset}-{class}-{at:02}").unwrap();
                for c in &centre {
                    let noise = numbers.unit() + numbers.unit() - 1.0;
                    values.extend(((c + 1.5 * noise) as f32).to_le_bytes());
                }
            }
        }
        let path = write(folder, &format!("{dataset}.csv"), &samples);
        let pool = Pool::read(dataset, path.as_ref(), &wanted, &Limits::default()).unwrap();
        let drawn = draw(&pool, &drawing).unwrap();
        pools.push((pool, drawn));
    }
    let episodes = folder.join("episodes.parquet");
    std::fs::write(&episodes, table(&pools, &drawing).unwrap()).unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (384, 12), }";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    let padded = format!("{header:<117}\n");
    npy.extend((padded.len() as u16).to_le_bytes());
    npy.extend(padded.as_bytes());
    npy.extend(values);
    let embeddings = folder.join("embeddings.npy");
    std::fs::write(&embeddings, npy).unwrap();
    EvalOptions {
        ids: Some(write(folder, "ids.csv", &ids).into()),
        min_n: 2,
        resamples: 200,
        permutations: 200,
        ..EvalOptions::new(TaskForm::FewShot, episodes, embeddings)
    }
}

fn value(report: &Report, metric: &str, dataset: &str) -> f64 {
    let metric = report.metrics.iter().find(|m| m.metric == metric).unwrap();
    let cells = &metric.by_group[0].cells;
    let cell = cells.iter().find(|c| c.group == [dataset]).unwrap();
    cell.estimate.value.unwrap()
}

#[test]
fn classifiers_on_embeddings_are_scikit_learns() {
    let folder = tempfile::tempdir().unwrap();
    let options = files(folder.path());
    let found = evaluate(&options).unwrap();
    let report = &found.report;
    assert!(!report.refused(), "{:?}", report.defects);
    let names: Vec<&str> = report.metrics.iter().map(|m| m.metric.as_str()).collect();
    assert_eq!(
        names,
        [
            "accuracy_nearest_centroid",
            "accuracy_nearest_neighbour",
            "accuracy_linear"
        ]
    );
    assert_eq!(report.headline.1, Level::Episode);
    assert_eq!(report.metrics[0].overall.n, 40);
    let few = report.few_shot.as_ref().unwrap();
    assert_eq!(few.datasets.len(), 2);
    // The interval of a dataset is the paper's.
    let far = few.datasets.iter().find(|d| d.dataset == "far").unwrap();
    let cell = &report.metrics[0].by_group[0].cells[0];
    let interval = cell.estimate.interval.unwrap();
    assert_eq!(interval.method, IntervalMethod::Normal);
    assert!((interval.high - far.means[0] - far.half_widths[0]).abs() < 1e-12);
    assert_eq!(far.ranks.iter().sum::<f64>(), 6.0);
    assert!(
        far.means[0]
            > few
                .datasets
                .iter()
                .find(|d| d.dataset == "near")
                .unwrap()
                .means[0]
    );
    let classes: u64 = few.shots.iter().map(|s| s.classes).sum();
    assert!(classes >= 40 * 5);
    assert!(report::page(report).unwrap().contains("Rank by dataset"));
    assert_eq!(found.items[0].score.len(), 40);

    let Some(python) = python() else { return };
    let paths = [
        &options.solution,
        &options.submission,
        options.ids.as_ref().unwrap(),
    ]
    .map(|path| path.to_str().unwrap().to_owned());
    let wanted = oracle(&python, &["few-shot", &paths[0], &paths[1], &paths[2]]);
    assert!(wanted.values.len() > 3 * 5);
    hold_all(DATA, &by_dataset_and_shots(report), &wanted);
}

const DATA: &str = "golden, 40 episodes";

/// What a report says of episodes, keyed as the oracle keys it.
fn by_dataset_and_shots(report: &Report) -> BTreeMap<String, f64> {
    let mut values = found(report, Level::Episode, "dataset");
    let few = report.few_shot.as_ref().unwrap();
    for (at, name) in few.metrics.iter().enumerate() {
        for of in &few.datasets {
            let key = format!("{name}/{}#normal_interval", of.dataset);
            values.insert(key, of.half_widths[at]);
        }
        for of in &few.shots {
            values.insert(format!("{name}/{}#by_shots", of.from), of.means[at]);
        }
    }
    values
}

#[test]
fn predictions_are_scored_as_scikit_learn_does() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = predictions(&files(folder.path()), folder.path(), false);
    let right = std::fs::read_to_string(&options.submission).unwrap();
    std::fs::write(&options.submission, right.replace(",c1\n", ",c2\n")).unwrap();
    let report = evaluate(&options).unwrap().report;
    let [episodes, answers] =
        [&options.solution, &options.submission].map(|path| path.to_str().unwrap());
    let wanted = oracle(&python, &["few-shot", episodes, answers]);
    hold_all(DATA, &by_dataset_and_shots(&report), &wanted);
}

/// `near-3-07` is of the class `c3`.
fn predictions(options: &EvalOptions, folder: &Path, wrong: bool) -> EvalOptions {
    let read = fairframe_eval::read::read_table(
        &options.solution,
        &Limits::default(),
        fairframe_eval::read::JsonPart::Probs,
        &|_| true,
    );
    let table = read.unwrap();
    let at = |name: &str| table.find(&[name]).unwrap();
    let mut text = "dataset,episode,sample_id,class\n".to_owned();
    for row in 0..table.len() {
        let cell = |name: &str| table.columns[at(name)].text(row).into_owned();
        let (dataset, episode, id) = (cell("dataset"), cell("episode"), cell("sample_id"));
        if cell("role") == "query" {
            let class = if wrong && dataset == "far" {
                "c99"
            } else {
                &id[id.len() - 4..id.len() - 3]
            };
            let class = if class == "c99" {
                class.to_owned()
            } else {
                format!("c{class}")
            };
            writeln!(text, "{dataset},{episode},{id},{class}").unwrap();
        }
    }
    EvalOptions {
        submission: write(folder, "predictions.csv", &text).into(),
        ids: None,
        ..options.clone()
    }
}

#[test]
fn predictions_are_scored_and_their_defects_named() {
    let folder = tempfile::tempdir().unwrap();
    let base = files(folder.path());
    let options = predictions(&base, folder.path(), true);
    let found = evaluate(&options).unwrap().report;
    assert!(!found.refused(), "{:?}", found.defects);
    assert_eq!(
        (
            value(&found, "accuracy", "near"),
            value(&found, "accuracy", "far")
        ),
        (1.0, 0.0)
    );
    assert_eq!(found.counts.unanswered, 0);

    let text = std::fs::read_to_string(&options.submission).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let fewer = format!(
        "{}\nnear,0,nobody,c1\n",
        lines[..lines.len() - 3].join("\n")
    );
    let options = EvalOptions {
        submission: write(folder.path(), "fewer.csv", &fewer).into(),
        ..options
    };
    let found = evaluate(&options).unwrap().report;
    assert_eq!((found.counts.unanswered, found.counts.unknown), (3, 1));
    let twice = format!("{text}{}\n", lines[1].replace(",c", ",cx"));
    let options = EvalOptions {
        submission: write(folder.path(), "twice.csv", &twice).into(),
        ..options
    };
    let found = evaluate(&options).unwrap().report;
    assert!(found.refused() && found.few_shot.is_none());
    assert!(
        found
            .defects
            .iter()
            .any(|d| d.kind == DefectKind::ConflictingId)
    );
}

#[test]
fn what_is_no_matrix_is_refused_and_never_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let options = files(folder.path());
    let whole = std::fs::read(&options.submission).unwrap();
    for at in (0..200).step_by(23) {
        for damaged in [whole[..at].to_vec(), {
            let mut copy = whole.clone();
            copy[at] ^= 0x5a;
            copy
        }] {
            std::fs::write(&options.submission, damaged).unwrap();
            let _ = evaluate(&options);
        }
    }
    let mut nan = whole.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&options.submission, nan).unwrap();
    let found = evaluate(&options).unwrap().report;
    assert!(found.refused());
    assert_eq!(found.defects[0].kind, DefectKind::NotANumber);
    std::fs::write(&options.submission, &whole).unwrap();
    let none = EvalOptions {
        ids: None,
        ..options
    };
    let said = evaluate(&none).unwrap_err().to_string();
    assert!(said.contains("--ids"), "{said}");
}

#[test]
fn a_sample_stands_once_in_an_episode_and_a_metric_is_one_of_the_form() {
    let folder = tempfile::tempdir().unwrap();
    let header = "episode,class,role,sample_id\n";
    let rows = "0,a,support,s1\n0,b,support,s2\n0,a,query,q1\n0,b,query,q2\n";
    let answers = write(
        folder.path(),
        "answers.csv",
        "episode,sample_id,class\n0,q1,a\n0,q2,b\n",
    );
    let judged = |more: &str, metrics: &[&str]| {
        let episodes = write(folder.path(), "e.csv", &format!("{header}{rows}{more}"));
        let options = EvalOptions {
            min_n: 1,
            metrics: metrics.iter().map(|m| (*m).to_owned()).collect(),
            ..EvalOptions::new(TaskForm::FewShot, episodes.into(), answers.clone().into())
        };
        evaluate(&options).map(|judged| judged.report)
    };
    for (more, kind) in [
        ("0,b,query,q2\n", DefectKind::RepeatedId),
        ("0,a,query,q2\n", DefectKind::ConflictingId),
        ("0,a,query,s1\n", DefectKind::ConflictingId),
    ] {
        let found = judged(more, &[]).unwrap();
        let kinds: Vec<DefectKind> = found.defects.iter().map(|d| d.kind).collect();
        assert_eq!(kinds, [kind], "{more}");
        assert_eq!(found.refused(), kind == DefectKind::ConflictingId);
    }
    // The copy is not a second query.
    let found = judged("0,b,query,q2\n", &[]).unwrap();
    assert_eq!(found.metrics[0].overall.value, Some(1.0));
    // A table with other columns is no file of embeddings.
    let other = EvalOptions::new(
        TaskForm::FewShot,
        write(folder.path(), "e.csv", &format!("{header}{rows}")).into(),
        write(folder.path(), "other.csv", "episode,id,answer\n0,q1,a\n").into(),
    );
    let found = evaluate(&other).unwrap().report;
    assert!(found.refused());
    assert_eq!(found.defects[0].kind, DefectKind::WrongHeader);
    assert!(judged("", &["accuracy"]).is_ok());
    let error = judged("", &["accuracy_linear"]).unwrap_err().to_string();
    assert!(error.contains("`accuracy`"), "{error}");
}
