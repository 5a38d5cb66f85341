//! `report.html`: one file, no script, nothing loaded from elsewhere.

use askama::Template;
use fairframe_schemas::report::{FewShotReport, InputRole, MetricReport, Report, TaskForm};

use super::{
    brief::{Headline, brief},
    by_group::{Section, sections},
    curves::{Charts, charts},
    text,
};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    title: String,
    submission: &'a str,
    /// None where it is not named: a team's report does not tell of the truth.
    solution: Option<&'a str>,
    refused: bool,
    headline: Option<Headline>,
    level: &'static str,
    /// Whether the submission beats every constant answer, and the words for it.
    baseline: Option<(bool, String)>,
    counts: Vec<(String, String)>,
    metrics: Vec<LevelRows>,
    few_shot: Option<&'a FewShotReport>,
    baselines: Vec<BaselineRow>,
    groupings: Vec<Section>,
    charts: Vec<Charts>,
    worst: Vec<WorstRows>,
    defects: Vec<DefectRow>,
    settings: Vec<(String, String)>,
    inputs: Vec<InputRow>,
    level_percent: String,
    definitions: Vec<(&'a str, &'a str)>,
}

struct LevelRows {
    level: &'static str,
    rows: Vec<MetricRow>,
}

struct MetricRow {
    title: String,
    value: String,
    interval: String,
    method: String,
    rests_on: String,
    direction: &'static str,
    baseline: String,
    /// Some(false) where a constant answer is as good.
    beats: Option<bool>,
}

struct BaselineRow {
    name: String,
    metric: String,
    level: &'static str,
    n: String,
    value: String,
    submission: String,
    beaten: Option<bool>,
}

/// The items of one level that score worst.
struct WorstRows {
    level: &'static str,
    score: String,
    frames: bool,
    more: String,
    rows: Vec<WorstRow>,
}

struct WorstRow {
    id: String,
    frame: String,
    truth: String,
    answer: String,
    answered: bool,
    score: String,
}

struct DefectRow {
    file: &'static str,
    title: String,
    fatal: bool,
    count: String,
    remedy: Vec<(bool, &'static str)>,
    shown: Vec<String>,
    more: String,
}

struct InputRow {
    role: &'static str,
    name: String,
    bytes: String,
    sha256: String,
}

/// Renders a report.
pub fn page(report: &Report) -> Result<String, askama::Error> {
    let input = |role| {
        let mut inputs = report.inputs.iter();
        let input = inputs.find(|input| input.role == role);
        input.map(|input| input.name.as_str())
    };
    let mut definitions: Vec<(&str, &str)> = Vec::new();
    for metric in &report.metrics {
        let entry = (metric.title.as_str(), metric.definition.as_str());
        if !definitions.contains(&entry) {
            definitions.push(entry);
        }
    }
    let brief = brief(report);
    Page {
        title: brief.title,
        submission: input(InputRole::Submission).unwrap_or_default(),
        solution: input(InputRole::Solution),
        refused: report.refused(),
        level: report.headline.1.as_str(),
        baseline: report.headline_metric().and_then(baseline),
        headline: brief.headline,
        counts: counts(report),
        metrics: metric_rows(report),
        few_shot: report.few_shot.as_ref(),
        baselines: baseline_rows(report),
        groupings: sections(report),
        charts: charts(report),
        worst: worst_rows(report),
        defects: defect_rows(report),
        settings: settings(report),
        inputs: report
            .inputs
            .iter()
            .map(|input| InputRow {
                role: input.role.as_str(),
                name: input.name.clone(),
                bytes: text::size(input.bytes),
                sha256: input.sha256.to_string(),
            })
            .collect(),
        level_percent: text::percent(report.settings.interval_level),
        definitions,
        report,
    }
    .render()
}

fn baseline(metric: &MetricReport) -> Option<(bool, String)> {
    let (beats, value) = metric.beats_baseline.zip(metric.baseline)?;
    let words = match beats {
        true => "Better than every constant answer; the best of them scores",
        false => "Not better than a constant answer, which scores",
    };
    Some((beats, format!("{words} {value:.4}.")))
}

fn counts(report: &Report) -> Vec<(String, String)> {
    let counts = &report.counts;
    let mut rows = vec![
        ("rows in the solution", Some(counts.solution_rows)),
        (
            "of them not scored by usage",
            Some(counts.solution_ignored).filter(|n| *n > 0),
        ),
        ("rows in the submission", Some(counts.submission_rows)),
        ("ids scored", Some(counts.scored)),
        ("of them answered", Some(counts.answered)),
        ("of them without an answer", Some(counts.unanswered)),
        (
            "answers to ids the solution does not have",
            Some(counts.unknown),
        ),
    ];
    if report.task_form == TaskForm::MultiLabel {
        let name = "images with neither truth nor answer (score 1)";
        rows.push((name, Some(counts.both_empty)));
    }
    rows.push(("ids found in the manifest", counts.joined));
    rows.into_iter()
        .filter_map(|(name, n)| Some((name.to_owned(), text::count(n?))))
        .collect()
}

fn metric_rows(report: &Report) -> Vec<LevelRows> {
    let mut levels: Vec<LevelRows> = Vec::new();
    for metric in &report.metrics {
        let level = text::items(metric.level);
        if levels.last().is_none_or(|last| last.level != level) {
            let rows = Vec::new();
            levels.push(LevelRows { level, rows });
        }
        let estimate = &metric.overall;
        let at = metric.at_threshold;
        let row = MetricRow {
            title: match at {
                Some(at) => format!("{} (at threshold {})", metric.title, text::value(at)),
                None => metric.title.clone(),
            },
            value: text::estimate(estimate),
            interval: estimate.interval.map(text::interval).unwrap_or_default(),
            method: estimate.interval.map(text::method).unwrap_or_default(),
            rests_on: text::denominators(estimate),
            direction: text::direction(metric),
            baseline: metric.baseline.map(text::value).unwrap_or_default(),
            beats: metric.beats_baseline,
        };
        if let Some(last) = levels.last_mut() {
            last.rows.push(row);
        }
    }
    levels
}

fn baseline_rows(report: &Report) -> Vec<BaselineRow> {
    report
        .baselines
        .iter()
        .map(|baseline| {
            let metric = report
                .metrics
                .iter()
                .find(|m| m.metric == baseline.metric && m.level == baseline.level);
            let value = metric.and_then(|m| m.overall.value);
            BaselineRow {
                name: baseline.name.clone(),
                metric: metric.map_or_else(String::new, |m| m.title.clone()),
                level: baseline.level.as_str(),
                n: text::count(baseline.n),
                value: baseline.value.map_or("undefined".into(), text::value),
                submission: value.map_or("undefined".into(), text::value),
                beaten: metric
                    .zip(value)
                    .zip(baseline.value)
                    .map(|((m, v), b)| crate::baselines::beats(v, b, m.higher_is_better)),
            }
        })
        .collect()
}

fn worst_rows(report: &Report) -> Vec<WorstRows> {
    let rows = report.worst_items.iter().filter(|w| !w.items.is_empty());
    rows.map(|worst| WorstRows {
        level: text::items(worst.level),
        score: text::sentence(&worst.metric.replace('_', " ")),
        frames: worst.items.iter().any(|item| item.frame.is_some()),
        more: match worst.more_alike {
            0 => String::new(),
            n => text::count(n),
        },
        rows: worst
            .items
            .iter()
            .map(|item| WorstRow {
                id: item.id.clone(),
                frame: item.frame.clone().unwrap_or_default(),
                truth: item.truth.clone(),
                answer: item.answer.clone(),
                answered: item.answered,
                score: text::value(item.score),
            })
            .collect(),
    })
    .collect()
}

/// A sentence with what stands between backticks apart: it is to be typed.
fn typed(text: &'static str) -> Vec<(bool, &'static str)> {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| (at % 2 == 1, part)).collect()
}

fn defect_rows(report: &Report) -> Vec<DefectRow> {
    report
        .defects
        .iter()
        .map(|defect| DefectRow {
            file: defect.file.as_str(),
            title: text::sentence(defect.kind.title()),
            fatal: defect.fatal,
            count: text::count(defect.count),
            remedy: typed(defect.kind.remedy()),
            shown: defect
                .shown
                .iter()
                .map(|at| {
                    let mut text = String::new();
                    if let Some(row) = at.row {
                        text.push_str(&format!("row {row}"));
                    }
                    if let Some(column) = &at.column {
                        let comma = if text.is_empty() { "" } else { ", " };
                        text.push_str(&format!("{comma}{column}"));
                    }
                    match (text.is_empty(), at.text.is_empty()) {
                        (true, _) => at.text.clone(),
                        (false, true) => text,
                        (false, false) => format!("{text}: {}", at.text),
                    }
                })
                .collect(),
            more: match defect.count - defect.shown.len() as u64 {
                0 => String::new(),
                n => text::count(n),
            },
        })
        .collect()
}

fn settings(report: &Report) -> Vec<(String, String)> {
    let settings = &report.settings;
    let mut rows = vec![
        (
            "resamples",
            match settings.values_only {
                true => "none: only values were asked for".to_owned(),
                false => text::count(settings.resamples.into()),
            },
        ),
        ("seed", settings.seed.to_string()),
        ("least n of a group", settings.min_n.to_string()),
        ("bootstrap interval", settings.bootstrap.as_str().to_owned()),
        (
            "permutations behind each gap",
            text::count(settings.permutations.into()),
        ),
        (
            "resampled by",
            match &settings.cluster {
                Some(cluster) => format!("cluster `{cluster}`"),
                None => "item (frames: video)".to_owned(),
            },
        ),
    ];
    if report.task_form == TaskForm::Detection {
        rows.push(("threshold", settings.threshold.to_string()));
        rows.push(("pooling of frames", settings.pooling.to_string()));
        rows.push(("score of what has none", settings.no_score.to_string()));
        rows.push(("eps of the log loss", format!("{:e}", settings.eps)));
        rows.push(("calibration bins", settings.calibration_bins.to_string()));
        if let Some(at) = settings.truth_threshold {
            rows.push(("truth threshold", at.to_string()));
        }
    }
    if !settings.controls.is_empty() {
        rows.push(("control columns", settings.controls.join(", ")));
    }
    if let Some(weights) = &settings.weights {
        rows.push(("weights of groups", weights.clone()));
    }
    if let Some(usage) = &settings.usage {
        rows.push(("usage", usage.clone()));
    }
    rows.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
