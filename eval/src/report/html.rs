//! `report.html`: one file, no script, nothing loaded from elsewhere.

use askama::Template;
use fairframe_schemas::report::{
    Cell, Disparity, Grouping, Level, MetricReport, Report, TaskForm, Verdict,
};

use super::plot::{self, Plot};
use super::text;

/// Groups shown in the page per grouping; `groups.parquet` has them all.
const MAX_GROUPS: usize = 60;

/// Metrics that stand in the table by group; `groups.parquet` has them all.
const BY_GROUP: &[&str] = &[
    "f2_micro",
    "f2_macro",
    "accuracy",
    "balanced_accuracy",
    "auc",
    "eer",
    "tpr",
    "fpr",
];

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    title: String,
    submission: &'a str,
    solution: &'a str,
    refused: bool,
    headline: Option<Headline>,
    counts: Vec<(String, String)>,
    metrics: Vec<LevelRows>,
    baselines: Vec<BaselineRow>,
    groupings: Vec<Section>,
    defects: Vec<DefectRow>,
    settings: Vec<(String, String)>,
    inputs: Vec<InputRow>,
    level_percent: String,
    definitions: Vec<(&'a str, &'a str)>,
}

struct Headline {
    title: String,
    level: &'static str,
    value: String,
    interval: String,
    n: String,
    direction: &'static str,
    baseline: Option<(bool, String)>,
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

struct Section {
    id: String,
    title: String,
    metric: String,
    level: &'static str,
    plot: Option<Plot>,
    words: Vec<String>,
    odds: Option<String>,
    others: Vec<String>,
    rows: Vec<GroupRow>,
    left_out: u64,
}

struct GroupRow {
    group: String,
    n: String,
    value: String,
    interval: String,
    suppressed: bool,
    baseline: String,
    beats: Option<bool>,
    others: Vec<(String, String)>,
}

struct DefectRow {
    file: &'static str,
    title: &'static str,
    fatal: bool,
    count: String,
    remedy: &'static str,
    shown: Vec<String>,
    more: u64,
}

struct InputRow {
    role: &'static str,
    name: String,
    bytes: String,
    sha256: String,
}

/// Renders a report.
pub fn page(report: &Report) -> Result<String, askama::Error> {
    let input = |at: usize| {
        report
            .inputs
            .get(at)
            .map_or("", |input| input.name.as_str())
    };
    let mut definitions: Vec<(&str, &str)> = Vec::new();
    for metric in &report.metrics {
        let entry = (metric.title.as_str(), metric.definition.as_str());
        if !definitions.contains(&entry) {
            definitions.push(entry);
        }
    }
    let task = match report.task_form {
        TaskForm::MultiLabel => "Multi-label",
        TaskForm::Detection => "Real against fake",
    };
    Page {
        title: format!("{task}: {}", input(1)),
        submission: input(1),
        solution: input(0),
        refused: report.refused(),
        headline: report.headline_metric().map(headline),
        counts: counts(report),
        metrics: metric_rows(report),
        baselines: baseline_rows(report),
        groupings: sections(report),
        defects: defect_rows(report),
        settings: settings(report),
        inputs: report
            .inputs
            .iter()
            .map(|input| InputRow {
                role: input.role.as_str(),
                name: input.name.clone(),
                bytes: text::bytes(input.bytes),
                sha256: input.sha256.to_string(),
            })
            .collect(),
        level_percent: text::percent(report.settings.interval_level),
        definitions,
        report,
    }
    .render()
}

fn direction(metric: &MetricReport) -> &'static str {
    if metric.higher_is_better {
        "higher is better"
    } else {
        "lower is better"
    }
}

/// The plural of a level, for counting.
fn items_name(level: Level) -> &'static str {
    match level {
        Level::Image => "images",
        Level::Sample => "samples",
        Level::Frame => "frames",
        Level::Video => "videos",
    }
}

fn headline(metric: &MetricReport) -> Headline {
    let estimate = &metric.overall;
    Headline {
        title: metric.title.clone(),
        level: metric.level.as_str(),
        value: estimate
            .value
            .map_or_else(|| text::estimate(estimate), |v| format!("{v:.4}")),
        interval: estimate
            .interval
            .map_or_else(String::new, |i| format!("{:.4} to {:.4}", i.low, i.high)),
        n: format!("{} {}", text::count(estimate.n), items_name(metric.level)),
        direction: direction(metric),
        baseline: metric
            .beats_baseline
            .zip(metric.baseline)
            .map(|(beats, value)| {
                let words = match beats {
                    true => "Better than every constant answer; the best of them scores",
                    false => "Not better than a constant answer, which scores",
                };
                (beats, format!("{words} {value:.4}."))
            }),
    }
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
        let level = items_name(metric.level);
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
            direction: direction(metric),
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

/// Best first, then those without a value by how many items they have.
fn ordered<'a>(metric: &MetricReport, grouping: &'a Grouping) -> Vec<(usize, &'a Cell)> {
    let mut cells: Vec<(usize, &Cell)> = grouping.cells.iter().enumerate().collect();
    cells.sort_by(|(_, a), (_, b)| {
        let by_value = match (a.estimate.value, b.estimate.value) {
            (Some(a), Some(b)) if metric.higher_is_better => b.total_cmp(&a),
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        by_value.then(b.estimate.n.cmp(&a.estimate.n))
    });
    cells
}

fn sections(report: &Report) -> Vec<Section> {
    let Some(headline) = report.headline_metric() else {
        return Vec::new();
    };
    let mut levels: Vec<Level> = report.metrics.iter().map(|m| m.level).collect();
    levels.dedup();
    let mut sections = Vec::new();
    for at in 0..headline.by_group.len() {
        for level in &levels {
            let found = report
                .metrics
                .iter()
                .find(|m| m.metric == headline.metric && m.level == *level);
            if let Some(metric) = found {
                sections.push(section(report, metric, at, levels.len() > 1));
            }
        }
    }
    sections
}

fn section(report: &Report, metric: &MetricReport, at: usize, name_level: bool) -> Section {
    let grouping = &metric.by_group[at];
    let mut cells = ordered(metric, grouping);
    let left_out = cells.len().saturating_sub(MAX_GROUPS) as u64;
    if left_out > 0 {
        // Keep the largest, then put them in order again.
        let mut by_n = cells.clone();
        by_n.sort_by_key(|(place, cell)| (std::cmp::Reverse(cell.estimate.n), *place));
        by_n.truncate(MAX_GROUPS);
        let kept: std::collections::BTreeSet<usize> =
            by_n.iter().map(|(place, _)| *place).collect();
        cells.retain(|(place, _)| kept.contains(place));
    }
    let others: Vec<&MetricReport> = report
        .metrics
        .iter()
        .filter(|m| m.level == metric.level && BY_GROUP.contains(&m.metric.as_str()))
        .collect();
    let drawn: Vec<&Cell> = cells.iter().map(|(_, cell)| *cell).collect();
    let name = grouping.columns.join(" × ").replace('_', " ");
    Section {
        id: format!("by-{at}-{}", metric.level.as_str()),
        title: match name_level {
            true => format!("By {name}, {}", items_name(metric.level)),
            false => format!("By {name}"),
        },
        metric: metric.title.clone(),
        level: items_name(metric.level),
        plot: plot::forest(metric, &drawn),
        words: words(report, metric, grouping),
        odds: report
            .equalised_odds
            .iter()
            .find(|odds| odds.level == metric.level && odds.columns == grouping.columns)
            .map(|odds| {
                format!(
                    "Equalised odds difference {}: the share of fakes caught differs by {}, the share of reals accused by {}, at the one threshold {}.",
                    text::value(odds.difference),
                    text::value(odds.tpr_difference),
                    text::value(odds.fpr_difference),
                    report.settings.threshold,
                )
            }),
        others: others.iter().map(|m| m.title.clone()).collect(),
        rows: cells
            .iter()
            .map(|(place, cell)| group_row(cell, &others, at, *place))
            .collect(),
        left_out,
    }
}

fn group_row(cell: &Cell, others: &[&MetricReport], at: usize, place: usize) -> GroupRow {
    let estimate = &cell.estimate;
    GroupRow {
        group: text::group(&cell.group),
        n: text::count(estimate.n),
        value: text::estimate(estimate),
        interval: estimate.interval.map(text::interval).unwrap_or_default(),
        suppressed: estimate.verdict != Verdict::Shown,
        baseline: cell.baseline.map(text::value).unwrap_or_default(),
        beats: cell.beats_baseline,
        others: others
            .iter()
            .map(|other| {
                let estimate = &other.by_group[at].cells[place].estimate;
                match estimate.interval {
                    Some(interval) => (text::estimate(estimate), text::interval(interval)),
                    None => (text::estimate(estimate), String::new()),
                }
            })
            .collect(),
    }
}

fn words(report: &Report, metric: &MetricReport, grouping: &Grouping) -> Vec<String> {
    let min_n = report.settings.min_n;
    let too_small = grouping
        .cells
        .iter()
        .filter(|cell| cell.estimate.verdict == Verdict::InsufficientData)
        .count();
    let small = (too_small > 0).then(|| {
        let (groups, verb) = match too_small {
            1 => ("1 group", "rests"),
            n => (&*format!("{n} groups"), "rest"),
        };
        format!(
            "Insufficient data: {groups} {verb} on fewer than {min_n} observations; n is shown, the value is not."
        )
    });
    let Some(found) = &grouping.disparity else {
        let none = "Fewer than two groups have a value: nothing can be said of disparity.";
        return std::iter::once(none.to_owned()).chain(small).collect();
    };
    let mut words = vec![disparity_words(metric, found)];
    if let (Some(bound), Some(overall)) = (found.worst_bound, metric.overall.value) {
        words.push(format!(
            "The interval of {} reaches to {}. Each group counting once, the mean is {}; overall it is {}.",
            text::group(&found.worst_group),
            text::value(bound),
            text::value(found.macro_mean),
            text::value(overall),
        ));
    }
    let not_beaten: Vec<String> = grouping
        .cells
        .iter()
        .filter(|cell| cell.beats_baseline == Some(false))
        .map(|cell| text::group(&cell.group))
        .collect();
    if !not_beaten.is_empty() {
        let more = not_beaten.len().saturating_sub(8);
        let named = not_beaten[..not_beaten.len() - more].join(", ");
        let tail = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        words.push(format!(
            "A constant answer does as well or better in: {named}{tail}."
        ));
    }
    words.extend(small);
    words.push(
        "Groups that are alike in truth also differ in a sample: a gap of some size arises by chance alone, more so between many or small groups. Read it beside the intervals.".to_owned(),
    );
    words
}

fn disparity_words(metric: &MetricReport, found: &Disparity) -> String {
    let ratio = match found.ratio {
        Some(ratio) => format!(", a ratio of {}", text::value(ratio)),
        None => String::new(),
    };
    let to_overall = match (found.difference_to_overall, found.ratio_to_overall) {
        (Some(gap), Some(ratio)) => format!(
            " To the overall value, the largest difference is {} and the least ratio {}.",
            text::value(gap),
            text::value(ratio)
        ),
        _ => String::new(),
    };
    format!(
        "{} is best in {} ({}) and worst in {} ({}) among {} groups: a difference of {}{ratio}.{to_overall}",
        metric.title,
        text::group(&found.best_group),
        text::value(found.best_value),
        text::group(&found.worst_group),
        text::value(found.worst_value),
        found.groups_shown,
        text::value(found.difference),
    )
}

fn defect_rows(report: &Report) -> Vec<DefectRow> {
    report
        .defects
        .iter()
        .map(|defect| DefectRow {
            file: defect.file.as_str(),
            title: defect.kind.title(),
            fatal: defect.fatal,
            count: text::count(defect.count),
            remedy: defect.kind.remedy(),
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
            more: defect.count - defect.shown.len() as u64,
        })
        .collect()
}

fn settings(report: &Report) -> Vec<(String, String)> {
    let settings = &report.settings;
    let mut rows = vec![
        ("resamples", text::count(settings.resamples.into())),
        ("seed", settings.seed.to_string()),
        ("least n of a group", settings.min_n.to_string()),
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
        rows.push(("eps of the log loss", format!("{:e}", settings.eps)));
        rows.push(("calibration bins", settings.calibration_bins.to_string()));
        if let Some(at) = settings.truth_threshold {
            rows.push(("truth threshold", at.to_string()));
        }
    }
    if let Some(usage) = &settings.usage {
        rows.push(("usage", usage.clone()));
    }
    rows.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
