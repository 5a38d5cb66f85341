//! Nulls, q-values, bootstraps, weights and controls through the whole evaluation, and the
//! formulas they rest on, beside scipy and fairlearn.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::support::{Differences, Numbers, Said, hold_all, oracle, python, write};
use fairframe_eval::compare::{compare, mcnemar};
use fairframe_eval::coverage::{Cell, distance, effective};
use fairframe_eval::intervals::{difference, normal_cdf, normal_quantile, quantile, wilson};
use fairframe_eval::weights::Weights;
use fairframe_eval::{EvalOptions, evaluate, report};
use fairframe_schemas::report::{
    Bootstrap, Grouping, Interval, IntervalMethod, MetricReport, Report, TaskForm,
};

fn metric<'a>(report: &'a Report, name: &str) -> &'a MetricReport {
    report.metrics.iter().find(|m| m.metric == name).unwrap()
}

fn grouping<'a>(report: &'a Report, name: &str) -> &'a Grouping {
    &metric(report, name).by_group[0]
}

/// 600 samples of three countries, two methods; those of ZA are scored worse.
fn files(folder: &Path) -> (String, String) {
    let mut numbers = Numbers(5);
    let (mut solution, mut submission) = (
        "filename,label,country,method,source\n".to_owned(),
        "filename,label\n".to_owned(),
    );
    for at in 0..600u64 {
        let fake = numbers.below(2);
        let country = ["ZA", "IN", "BR"][numbers.below(3) as usize];
        let method = ["Deepfakes", "Face2Face"][numbers.below(2) as usize];
        // Sources of one to several samples.
        let source = at / (1 + at % 7);
        writeln!(solution, "{at}.mp4,{fake},{country},{method},s{source}").unwrap();
        let noise = if country == "ZA" { 1.0 } else { 0.7 };
        let score = (1.0 - noise) * fake as f64 + noise * numbers.unit();
        writeln!(submission, "{at}.mp4,{score}").unwrap();
    }
    (
        write(folder, "solution.csv", &solution),
        write(folder, "submission.csv", &submission),
    )
}

fn options(folder: &Path) -> EvalOptions {
    let (solution, submission) = files(folder);
    EvalOptions {
        groups: vec![vec!["country".to_owned()]],
        resamples: 200,
        permutations: 500,
        ..EvalOptions::new(TaskForm::Detection, solution.into(), submission.into())
    }
}

#[test]
fn every_gap_stands_beside_its_null_and_q_values_are_scipys() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.groups.push(vec!["method".to_owned()]);
    let found = evaluate(&options).unwrap().report;
    let mut nulls = Vec::new();
    for metric in &found.metrics {
        for grouping in &metric.by_group {
            let disparity = grouping.disparity.as_ref().unwrap();
            let null = disparity.null.clone().unwrap();
            assert_eq!(null.permutations, 500);
            assert!(null.mean > 0.0 && null.mean < null.p95, "{}", metric.metric);
            assert!(null.p <= null.q && null.q <= 1.0);
            nulls.push(null);
        }
    }
    assert_eq!(nulls.len(), 26);
    // The countries differ, the methods do not.
    let null = |at: usize| {
        let disparity = metric(&found, "auc").by_group[at].disparity.as_ref();
        disparity.unwrap().null.clone().unwrap()
    };
    assert!(null(0).q < 0.05, "{:?}", null(0));
    assert!(null(1).p > 0.05, "{:?}", null(1));
    // Nothing is permuted where nothing is asked for.
    let none = EvalOptions {
        permutations: 0,
        ..options.clone()
    };
    let none = evaluate(&none).unwrap().report;
    assert!(
        grouping(&none, "auc")
            .disparity
            .as_ref()
            .unwrap()
            .null
            .is_none()
    );

    let Some(python) = python() else { return };
    let ps: Vec<String> = nulls.iter().map(|null| null.p.to_string()).collect();
    let wanted = oracle(&python, &["q-values", &ps.join(",")]);
    let qs = nulls.iter().enumerate();
    let qs = qs.map(|(at, null)| (format!("q/{at}"), null.q));
    let qs: BTreeMap<String, f64> = qs.collect();
    hold_all("golden, 26 gaps", &qs, &wanted);
}

#[test]
fn the_permutation_test_of_two_groups_is_scipys() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(8);
    let (mut solution, mut submission) = (
        "filename,label,g\n".to_owned(),
        "filename,label\n".to_owned(),
    );
    let mut losses = [Vec::new(), Vec::new()];
    for at in 0..100 {
        let group = usize::from(at % 5 > 2);
        let score = numbers.unit() * if group == 0 { 0.95 } else { 0.8 };
        writeln!(solution, "{at},0,{}", ["a", "b"][group]).unwrap();
        writeln!(submission, "{at},{score}").unwrap();
        losses[group].push((score * score).to_string());
    }
    let solution = write(folder.path(), "solution.csv", &solution);
    let submission = write(folder.path(), "submission.csv", &submission);
    let options = EvalOptions {
        groups: vec![vec!["g".to_owned()]],
        permutations: 20_000,
        ..EvalOptions::new(TaskForm::Detection, solution.into(), submission.into())
    };
    let found = evaluate(&options).unwrap().report;
    let null = grouping(&found, "brier").disparity.as_ref().unwrap();
    let null = null.null.as_ref().unwrap();
    let wanted = oracle(
        &python,
        &["permutation", &losses[0].join(","), &losses[1].join(",")],
    );
    // 20,000 permutations each: four standard errors of the difference of two.
    let p = wanted.values["p"];
    let error = 4.0 * (2.0 * p * (1.0 - p) / 20_000.0).sqrt();
    let mut differences = Differences::new("golden, 100 samples, 20,000 permutations each");
    for (key, found, within) in [
        ("p", null.p, error),
        ("mean", null.mean, 0.03 * wanted.values["mean"]),
        ("p95", null.p95, 0.03 * wanted.values["p95"]),
    ] {
        let what = format!("{key} of a gap");
        let values = (found, wanted.values[key]);
        differences.hold(&what, wanted.by(key), values, within);
    }
}

/// Both ends, in widths of the interval: with 20,000 resamples each they differ by noise only.
fn hold_interval(what: &str, interval: Interval, wanted: &Said) {
    let (low, high) = (wanted.values["low"], wanted.values["high"]);
    let width = high - low;
    let mut differences = Differences::new("golden, 600 samples, 20,000 resamples each");
    for (ours, scipys) in [(interval.low, low), (interval.high, high)] {
        let values = (ours / width, scipys / width);
        differences.hold(what, wanted.by("low"), values, 0.05);
    }
}

#[test]
fn bca_is_scipys_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.bootstrap = Bootstrap::Bca;
    options.resamples = 20_000;
    options.groups.clear();
    let found = evaluate(&options).unwrap();
    let interval = metric(&found.report, "log_loss").overall.interval.unwrap();
    assert_eq!(interval.method, IntervalMethod::Bca);
    // Shares of independent items keep Wilson's.
    let accuracy = metric(&found.report, "accuracy").overall.interval.unwrap();
    assert_eq!(accuracy.method, IntervalMethod::Wilson);
    options.cluster = Some("source".to_owned());
    options.resamples = 200;
    let clustered = evaluate(&options).unwrap().report;
    let method = metric(&clustered, "accuracy").overall.interval.unwrap();
    assert_eq!(method.method, IntervalMethod::ClusterBca);

    let Some(python) = python() else { return };
    let losses: Vec<String> = found.items[0].score.iter().map(f64::to_string).collect();
    let wanted = oracle(&python, &["bootstrap", "BCa", &losses.join(",")]);
    hold_interval("BCa interval (in widths)", interval, &wanted);
}

#[test]
fn percentiles_clusters_and_pairs_are_scipys() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = EvalOptions {
        groups: Vec::new(),
        metrics: vec!["log_loss".to_owned()],
        resamples: 20_000,
        permutations: 0,
        ..options(folder.path())
    };
    let join = |values: Vec<f64>| {
        let texts: Vec<String> = values.iter().map(f64::to_string).collect();
        texts.join(",")
    };

    let text = std::fs::read_to_string(&options.submission).unwrap();
    let mut squared = "filename,label\n".to_owned();
    for line in text.lines().skip(1) {
        let (id, score) = line.split_once(',').unwrap();
        let score: f64 = score.parse().unwrap();
        writeln!(squared, "{id},{}", score * score).unwrap();
    }
    let rival = write(folder.path(), "squared.csv", &squared);
    let (a, b, comparison) = compare(&options, rival.as_ref()).unwrap();
    let (losses, rivals) = (&a.items[0].score, &b.items[0].score);
    let wanted = oracle(&python, &["bootstrap", "percentile", &join(losses.clone())]);
    let interval = metric(&a.report, "log_loss").overall.interval.unwrap();
    hold_interval("percentile interval (in widths)", interval, &wanted);

    let apart = losses.iter().zip(rivals).map(|(a, b)| a - b).collect();
    let wanted = oracle(&python, &["bootstrap", "percentile", &join(apart)]);
    let interval = comparison.unwrap().metrics[0].overall.interval.unwrap();
    hold_interval(
        "interval of a paired difference (in widths)",
        interval,
        &wanted,
    );

    // Clusters drawn whole: their sums, over their numbers of items.
    let solution = std::fs::read_to_string(&options.solution).unwrap();
    let mut clusters: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (line, loss) in solution.lines().skip(1).zip(losses) {
        let (sum, n) = clusters
            .entry(line.rsplit(',').next().unwrap())
            .or_default();
        *sum += loss;
        *n += 1.0;
    }
    let sums = join(clusters.values().map(|of| of.0).collect());
    let counts = join(clusters.values().map(|of| of.1).collect());
    for (kind, method, what) in [
        (
            Bootstrap::Percentile,
            "percentile",
            "cluster percentile interval (in widths)",
        ),
        (Bootstrap::Bca, "BCa", "cluster BCa interval (in widths)"),
    ] {
        let clustered = EvalOptions {
            cluster: Some("source".to_owned()),
            bootstrap: kind,
            ..options.clone()
        };
        let found = evaluate(&clustered).unwrap().report;
        let wanted = oracle(&python, &["bootstrap", method, &sums, &counts]);
        let interval = metric(&found, "log_loss").overall.interval.unwrap();
        hold_interval(what, interval, &wanted);
    }
}

/// A formula of the numbers that stand in the key.
fn formula(key: &str) -> f64 {
    let (name, rest) = key.split_once('/').unwrap();
    let list = |text: &str| text.split(',').map(|n| n.parse().unwrap()).collect();
    let lists: Vec<Vec<f64>> = rest.split('/').map(list).collect();
    let number = |at: usize| lists[at][0];
    let newcombe = || {
        let shares = [0, 2].map(|at| (number(at), number(at + 1) as u64));
        difference(shares[0], shares[1], 0.95).unwrap()
    };
    let wilson = || wilson(number(0), number(1) as u64, number(2)).unwrap();
    let test = || {
        let (only_a, only_b) = (number(0) as usize, number(1) as usize);
        let a = [vec![true; only_a], vec![false; only_b]].concat();
        let b: Vec<bool> = a.iter().map(|right| !right).collect();
        mcnemar(&a, &b)
    };
    let cell = |(have, weight): (&f64, &f64)| Cell {
        have: *have as u64,
        weight: *weight as u64,
    };
    let cells = || -> Vec<Cell> { lists[0].iter().zip(&lists[1]).map(cell).collect() };
    match name {
        "wilson_low" => wilson().0,
        "wilson_high" => wilson().1,
        "newcombe_low" => newcombe().0,
        "newcombe_high" => newcombe().1,
        "normal_quantile" => normal_quantile(number(0)),
        "normal_cdf" => normal_cdf(number(0)),
        "quantile" => {
            let squares: Vec<f64> = (1..12).map(|n| f64::from(n * n)).collect();
            quantile(&squares, number(0)).unwrap()
        }
        "mcnemar_chi_square" => test().chi_square.unwrap(),
        "mcnemar_p" => test().p,
        "coverage_distance" => distance(&cells()).unwrap(),
        "effective_places" => effective(cells().iter().map(|cell| cell.have)).unwrap(),
        _ => panic!("no formula `{name}`"),
    }
}

#[test]
fn formulas_are_scipys() {
    let Some(python) = python() else { return };
    let wanted = oracle(&python, &["formulas"]);
    let keys = wanted.values.keys();
    let found: BTreeMap<_, _> = keys.map(|key| (key.clone(), formula(key))).collect();
    hold_all("a grid of numbers", &found, &wanted);
}

#[test]
fn groups_within_a_control_are_what_fairlearn_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.controls = vec!["method".to_owned()];
    options.min_n = 1;
    let found = evaluate(&options).unwrap();
    let within = &grouping(&found.report, "accuracy").within;
    let names: Vec<&str> = within.iter().map(|w| w.level[0].as_str()).collect();
    assert_eq!(names, ["Deepfakes", "Face2Face"]);
    let mut values = BTreeMap::new();
    for level in within {
        let name = &level.level[0];
        let mut put = |key: String, value: Option<f64>| {
            values.insert(format!("accuracy/{name}{key}"), value.unwrap());
        };
        for cell in &level.cells {
            put(format!("|{}", cell.group[0]), cell.estimate.value);
        }
        let found = level.disparity.as_ref().unwrap();
        assert!(found.null.is_some());
        for (key, value) in [
            ("", level.overall.value),
            ("#difference", Some(found.difference)),
            ("#ratio", found.ratio),
            ("#difference_to_overall", found.difference_to_overall),
            ("#ratio_to_overall", found.ratio_to_overall),
        ] {
            put(key.to_owned(), value);
        }
    }
    // The page has a table of them, the table of groups a row for each.
    let page = report::page(&found.report).unwrap();
    assert!(page.contains("The same groups among samples alike in method"));
    report::write(&found, folder.path()).unwrap();

    // A fourth column would cross too many.
    let mut crossed = options.clone();
    crossed.groups = vec![["country", "source", "label"].map(str::to_owned).to_vec()];
    let said = evaluate(&crossed).unwrap_err().to_string();
    assert!(said.contains("country+source+label+method"), "{said}");

    let Some(python) = python() else { return };
    let (solution, submission) = (options.solution, options.submission);
    let paths = [solution.to_str().unwrap(), submission.to_str().unwrap()];
    let wanted = oracle(
        &python,
        &["controlled", paths[0], paths[1], "country", "method"],
    );
    assert_eq!(wanted.values.len(), 16);
    hold_all("golden, within levels of a control", &values, &wanted);
}

#[test]
fn weights_make_a_mean_over_groups() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    let people = write(
        folder.path(),
        "people.csv",
        "country,weight\nZA,3\nIN,5\nKE,2\n",
    );
    options.weights = Some(Weights::read(people.as_ref()).unwrap());
    let found = evaluate(&options).unwrap().report;
    let grouping = grouping(&found, "accuracy");
    let value = |name: &str| {
        let cell = grouping.cells.iter().find(|c| c.group == [name]);
        cell.unwrap().estimate.value.unwrap()
    };
    let mean = grouping.disparity.as_ref().unwrap().weighted_mean.as_ref();
    let mean = mean.unwrap();
    let wanted = (3.0 * value("ZA") + 5.0 * value("IN")) / 8.0;
    assert!((mean.value - wanted).abs() < 1e-15);
    assert_eq!((mean.groups, mean.share_of_weight), (2, 0.8));
    assert_eq!(found.settings.weights.as_deref(), Some("people.csv"));
    let page = report::page(&found).unwrap();
    assert!(page.contains("if groups counted by people.csv"));
    let interval = mean.interval.unwrap();
    assert!(interval.low < mean.value && mean.value < interval.high);
    // Two groups of their own: the variance of the mean is the weighted sum of theirs.
    let half = |name: &str| {
        let cell = grouping.cells.iter().find(|c| c.group == [name]);
        let interval = cell.unwrap().estimate.interval.unwrap();
        (interval.high - interval.low) / 2.0
    };
    let theory = ((3.0 * half("ZA")).powi(2) + (5.0 * half("IN")).powi(2)).sqrt() / 8.0;
    let found = (interval.high - interval.low) / 2.0;
    assert!((found / theory - 1.0).abs() < 0.15, "{found} {theory}");
}
