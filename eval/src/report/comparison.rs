//! `comparison.html` and `comparison.json`: two submissions side by side.

use std::path::{Path, PathBuf};

use askama::Template;
use fairframe_schemas::comparison::{Compared, Comparison, MetricComparison};
use fairframe_schemas::report::Verdict;

use super::plot::{Drawn, Mark, Scale};
use super::text;
use crate::evaluate::EvalError;

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page<'a> {
    comparison: &'a Comparison,
    headline: String,
    /// All metrics, and the first one by group.
    tables: Vec<Rows>,
    /// The others by group.
    others: Vec<Rows>,
    level_percent: String,
}

struct Rows {
    id: String,
    title: String,
    caption: String,
    /// The head of the first column.
    head: &'static str,
    rows: Vec<Row>,
    /// Whether any row holds right answers against each other.
    mcnemar: bool,
    /// Of the differences, where the rows are of one metric.
    scale: Option<Scale>,
}

struct Row {
    name: String,
    n: String,
    a: String,
    b: String,
    difference: String,
    interval: String,
    mcnemar: String,
    /// `good` or `bad` where the interval leaves no doubt for whom it is.
    sign: &'static str,
    drawn: Option<Drawn>,
    mark: Option<Mark>,
}

fn row(metric: &MetricComparison, name: String, compared: &Compared) -> Row {
    let shown = |value: Option<f64>| match (value, compared.verdict) {
        (Some(value), _) => text::value(value),
        (None, Verdict::InsufficientData) => "insufficient data".to_owned(),
        (None, _) => "undefined".to_owned(),
    };
    let better = compared.interval.map(|i| match metric.higher_is_better {
        true => (i.low > 0.0, i.high < 0.0),
        false => (i.high < 0.0, i.low > 0.0),
    });
    Row {
        name,
        n: text::count(compared.n),
        a: shown(compared.a),
        b: shown(compared.b),
        difference: compared.difference.map_or_else(String::new, text::value),
        interval: compared.interval.map(text::interval).unwrap_or_default(),
        mcnemar: compared.mcnemar.map_or_else(String::new, |test| {
            let kind = match test.chi_square {
                Some(_) => "",
                None => ", exact",
            };
            format!(
                "{} against {}: p = {}{kind}",
                text::count(test.only_a),
                text::count(test.only_b),
                text::chance(test.p)
            )
        }),
        sign: match better {
            Some((true, _)) => "good",
            Some((_, true)) => "bad",
            _ => "",
        },
        drawn: compared.difference.map(|value| (value, compared.interval)),
        mark: None,
    }
}

fn rows(id: String, title: String, caption: String, head: &'static str, rows: Vec<Row>) -> Rows {
    Rows {
        scale: None,
        mcnemar: rows.iter().any(|row| !row.mcnemar.is_empty()),
        id,
        title,
        caption,
        head,
        rows,
    }
}

impl Rows {
    /// Draws the differences of all rows on one scale, around none.
    fn drawn(mut self) -> Self {
        let drawn: Vec<Drawn> = self.rows.iter().filter_map(|row| row.drawn).collect();
        self.scale = Scale::over(&drawn, Some(0.0));
        for row in &mut self.rows {
            row.mark = self
                .scale
                .as_ref()
                .zip(row.drawn)
                .map(|(s, drawn)| s.mark(drawn));
        }
        self
    }
}

/// Renders a comparison.
pub fn comparison_page(comparison: &Comparison) -> Result<String, askama::Error> {
    let direction = |metric: &MetricComparison| match metric.higher_is_better {
        true => "higher is better",
        false => "lower is better",
    };
    let first = comparison.metrics.first();
    let levels = comparison.metrics.iter();
    let several = levels
        .clone()
        .any(|m| Some(m.level) != first.map(|m| m.level));
    let overall = levels.map(|metric| {
        let (title, level) = (&metric.title, text::items(metric.level));
        let name = format!("{title} of {level}, {}", direction(metric));
        row(metric, name, &metric.overall)
    });
    let overall = overall.collect();
    let (title, caption) = ("All metrics", "Both submissions over all items");
    let mut tables = vec![rows(
        "overall".to_owned(),
        title.to_owned(),
        caption.to_owned(),
        "Metric",
        overall,
    )];
    let mut others = Vec::new();
    for metric in &comparison.metrics {
        let (title, level) = (&metric.title, text::items(metric.level));
        for grouping in &metric.by_group {
            let columns = grouping.columns.join(" × ").replace('_', " ");
            let cells = grouping.cells.iter().map(|cell| {
                let name = text::group(&grouping.columns, &cell.group);
                row(metric, name, &cell.compared)
            });
            let table = rows(
                format!("t{}", tables.len() + others.len()),
                match several {
                    true => format!("{title} by {columns}, {level}"),
                    false => format!("{title} by {columns}"),
                },
                format!("{title} of {level} by {columns}, {}", direction(metric)),
                "Group",
                cells.collect(),
            )
            .drawn();
            match first.is_some_and(|first| first.metric == metric.metric) {
                true => tables.push(table),
                false => others.push(table),
            }
        }
    }
    let headline = comparison.metrics.first().map(|metric| {
        let row = row(metric, String::new(), &metric.overall);
        let verdict = match row.sign {
            "good" => "A is better",
            "bad" => "B is better",
            _ => "the difference may be none",
        };
        format!(
            "{}: {} against {}, a difference of {} ({}): {verdict}.",
            metric.title, row.a, row.b, row.difference, row.interval
        )
    });
    Page {
        headline: headline.unwrap_or_default(),
        tables,
        others,
        level_percent: text::percent(comparison.settings.interval_level),
        comparison,
    }
    .render()
}

/// Writes both files; each is whole or not there.
pub fn write_comparison(comparison: &Comparison, folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    super::prepare(folder)?;
    let form_error = |name: &str, message: String| EvalError::WriteForm {
        path: folder.join(name),
        message,
    };
    let (json_name, page_name) = ("comparison.json", "comparison.html");
    let mut json = serde_json::to_vec_pretty(comparison)
        .map_err(|error| form_error(json_name, error.to_string()))?;
    json.push(b'\n');
    let page = comparison_page(comparison).map_err(|e| form_error(page_name, e.to_string()))?;
    let mut written = Vec::new();
    for (name, bytes) in [(json_name, json), (page_name, page.into_bytes())] {
        let path = folder.join(name);
        super::write_whole(&path, &bytes).map_err(|source| EvalError::Write {
            path: path.clone(),
            source,
        })?;
        written.push(path);
    }
    Ok(written)
}
