//! How a submission does by group: the table with its chart, the worst group, the words.

use fairframe_schemas::report::{
    Cell, Disparity, Estimate, GapNull, Grouping, Level, MetricReport, Report, Verdict, Within,
};

use super::{
    map::{Map, map},
    pivot::{Pivot, pivot},
    plot::{self, Mark, Scale},
    text,
};

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
    "top_1",
    "top_5",
    "mean_per_class",
    "gap_landmarks",
    "precision_at_1",
    "precision_at_10",
    "accuracy_fake",
    "accuracy_pristine",
];

/// One grouping at one level.
pub struct Section {
    pub id: String,
    pub title: String,
    pub metric: String,
    pub level: &'static str,
    pub direction: &'static str,
    pub overall: String,
    pub ends: Vec<End>,
    pub scale: Option<Scale>,
    pub words: Vec<String>,
    /// The names of the control columns; empty where there are none.
    pub controls: String,
    pub within: Vec<LevelRow>,
    pub others: Vec<String>,
    pub rows: Vec<GroupRow>,
    pub left_out: String,
    pub map: Option<Map>,
    pub pivot: Option<Pivot>,
}

/// The worst group, the best, and what lies between.
pub struct End {
    pub name: &'static str,
    pub group: String,
    pub value: String,
    pub rests_on: String,
}

/// One group.
pub struct GroupRow {
    pub group: String,
    pub n: String,
    pub value: String,
    pub interval: String,
    pub suppressed: bool,
    pub mark: Option<Mark>,
    /// Worse than the whole, with all of its interval.
    pub worse: bool,
    /// `worst` or `best`.
    pub end: &'static str,
    pub baseline: String,
    pub beats: Option<bool>,
    pub others: Vec<(String, String)>,
}

/// The groups' gap within one level of the controls.
pub struct LevelRow {
    pub level: String,
    pub n: String,
    pub value: String,
    /// Empty where fewer than two groups are shown.
    pub gap: String,
    pub by_chance: String,
    pub worst: String,
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

/// Every grouping at every level, for the headline metric.
pub fn sections(report: &Report) -> Vec<Section> {
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
    let is = |group: &[String], cell: &Cell| cell.group == group;
    let ends = grouping.disparity.as_ref();
    let worst = |cell: &Cell| ends.is_some_and(|d| is(&d.worst_group, cell));
    let best = |cell: &Cell| ends.is_some_and(|d| is(&d.best_group, cell));
    if left_out > 0 {
        // Keep the largest, the worst and the best, then put them in order again.
        let mut by_n = cells.clone();
        by_n.sort_by_key(|(place, cell)| {
            let end = worst(cell) || best(cell);
            (!end, std::cmp::Reverse(cell.estimate.n), *place)
        });
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
    let shown = cells.iter().map(|(_, cell)| &cell.estimate);
    let marks: Vec<plot::Drawn> = shown.filter_map(plot::drawn).collect();
    let scale = Scale::over(&marks, metric.overall.value);
    let rows = cells.iter().map(|(place, cell)| GroupRow {
        group: text::group(&grouping.columns, &cell.group),
        n: text::count(cell.estimate.n),
        value: text::estimate(&cell.estimate),
        interval: interval(&cell.estimate),
        suppressed: cell.estimate.verdict != Verdict::Shown,
        mark: scale
            .as_ref()
            .and_then(|scale| Some(scale.mark(plot::drawn(&cell.estimate)?))),
        worse: plot::is_worse(metric, &cell.estimate),
        end: match () {
            () if worst(cell) => "worst",
            () if best(cell) => "best",
            () => "",
        },
        baseline: cell.baseline.map(text::value).unwrap_or_default(),
        beats: cell.beats_baseline,
        others: others
            .iter()
            .map(|other| &other.by_group[at].cells[*place].estimate)
            .map(|estimate| (text::estimate(estimate), interval(estimate)))
            .collect(),
    });
    let name = grouping.columns.join(" × ").replace('_', " ");
    Section {
        id: format!("by-{at}-{}", metric.level.as_str()),
        title: match name_level {
            true => format!("By {name}, {}", text::items(metric.level)),
            false => format!("By {name}"),
        },
        metric: metric.title.clone(),
        level: text::items(metric.level),
        direction: text::direction(metric),
        overall: metric.overall.value.map(text::value).unwrap_or_default(),
        ends: ends.map_or_else(Vec::new, |found| extremes(metric, grouping, found)),
        words: words(report, metric, grouping),
        controls: report.settings.controls.join(" × ").replace('_', " "),
        within: grouping
            .within
            .iter()
            .map(|level| level_row(report, grouping, level))
            .collect(),
        others: others.iter().map(|m| m.title.clone()).collect(),
        rows: rows.collect(),
        left_out: match left_out {
            0 => String::new(),
            n => text::count(n),
        },
        map: map(metric, grouping, &report.places),
        pivot: pivot(report, metric.level, grouping),
        scale,
    }
}

fn level_row(report: &Report, grouping: &Grouping, level: &Within) -> LevelRow {
    let found = level.disparity.as_ref();
    LevelRow {
        level: text::group(&report.settings.controls, &level.level),
        n: text::count(level.overall.n),
        value: text::estimate(&level.overall),
        gap: found.map_or_else(String::new, |d| text::value(d.difference)),
        by_chance: found
            .and_then(|d| d.null.as_ref())
            .map_or_else(String::new, |null| {
                format!("{}, p = {}", text::value(null.mean), text::chance(null.p))
            }),
        worst: found.map_or_else(
            || "fewer than two groups".to_owned(),
            |d| {
                let group = text::group(&grouping.columns, &d.worst_group);
                format!("{group}, {}", text::value(d.worst_value))
            },
        ),
    }
}

fn interval(estimate: &Estimate) -> String {
    estimate.interval.map(text::interval).unwrap_or_default()
}

fn extremes(metric: &MetricReport, grouping: &Grouping, found: &Disparity) -> Vec<End> {
    let end = |name, group: &[String], value: f64| {
        let cell = grouping.cells.iter().find(|cell| cell.group == group);
        let rests_on = cell.map_or_else(String::new, |cell| {
            format!(
                "{}, n = {}",
                interval(&cell.estimate),
                text::count(cell.estimate.n)
            )
        });
        End {
            name,
            group: text::group(&grouping.columns, group),
            value: text::value(value),
            rests_on,
        }
    };
    vec![
        end("Worst group", &found.worst_group, found.worst_value),
        end("Best group", &found.best_group, found.best_value),
        End {
            name: "Gap",
            group: format!("between {} groups", text::count(found.groups_shown)),
            value: text::value(found.difference),
            rests_on: match (&found.null, found.ratio) {
                (Some(null), _) => format!(
                    "{} on average by chance, p = {}",
                    text::value(null.mean),
                    text::chance(null.p)
                ),
                (None, Some(ratio)) => format!("a ratio of {}", text::value(ratio)),
                (None, None) => String::new(),
            },
        },
        End {
            name: "Overall",
            group: format!("all {}", text::items(metric.level)),
            value: text::estimate(&metric.overall),
            rests_on: match &found.weighted_mean {
                Some(mean) => format!(
                    "{} if groups counted by {}",
                    text::value(mean.value),
                    mean.weights
                ),
                None => format!(
                    "{} if every group counted alike",
                    text::value(found.macro_mean)
                ),
            },
        },
    ]
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
    let mut words = Vec::new();
    words.extend(
        found
            .null
            .as_ref()
            .map(|null| by_chance(report, found, null)),
    );
    if let Some(ratio) = found.ratio {
        words.push(format!(
            "The lowest group's value is {} of the highest's.",
            text::percent(ratio)
        ));
    }
    words.extend(found.weighted_mean.as_ref().map(|mean| {
        format!(
            "The mean over groups is {} if every group counted alike, and {}{} if groups counted by {} ({} groups with {} of all weight).",
            text::value(found.macro_mean),
            text::value(mean.value),
            mean.interval.map_or_else(String::new, |i| format!(
                " ({} interval {})",
                text::percent(i.level),
                text::interval(i)
            )),
            mean.weights,
            text::count(mean.groups),
            text::percent(mean.share_of_weight),
        )
    }));
    if let (Some(gap), Some(ratio)) = (found.difference_to_overall, found.ratio_to_overall) {
        words.push(format!(
            "Against the overall value, the largest difference of a group is {} and the least ratio {}.",
            text::value(gap),
            text::value(ratio),
        ));
    }
    let odds = report.equalised_odds.iter();
    for odds in odds.filter(|o| o.level == metric.level && o.columns == grouping.columns) {
        words.push(format!(
            "Equalised odds difference {}: the share of fakes caught differs by {}, the share of reals accused by {}, at the one threshold {}.",
            text::value(odds.difference),
            text::value(odds.tpr_difference),
            text::value(odds.fpr_difference),
            report.settings.threshold,
        ));
    }
    let not_beaten: Vec<String> = grouping
        .cells
        .iter()
        .filter(|cell| cell.beats_baseline == Some(false))
        .map(|cell| text::group(&grouping.columns, &cell.group))
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
    if found.null.is_none() {
        words.push(
            "Groups that are alike in truth also differ in a sample: a gap of some size arises by chance alone, more so between many or small groups. Read it beside the intervals.".to_owned(),
        );
    }
    words
}

/// The gap beside what it is where groups are only names.
fn by_chance(report: &Report, found: &Disparity, null: &GapNull) -> String {
    let exchanged = match &report.settings.cluster {
        Some(cluster) => format!("exchanged between whole clusters ({cluster})"),
        None => "exchanged at random".to_owned(),
    };
    let verdict = match null.q {
        q if q <= 0.05 => "chance alone does not explain this gap",
        _ => "chance alone may explain this gap",
    };
    format!(
        "With group names {exchanged} the gap is {} on average and under {} in 95% of {} permutations; here it is {}: p = {}, q = {} among all gaps of this report, so {verdict}.",
        text::value(null.mean),
        text::value(null.p95),
        text::count(null.permutations),
        text::value(found.difference),
        text::chance(null.p),
        text::chance(null.q),
    )
}
