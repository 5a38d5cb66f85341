//! `comparison.html` and `comparison.json`: two submissions side by side.

use std::path::{Path, PathBuf};

use askama::Template;
use fairframe_schemas::comparison::{Compared, Comparison, MetricComparison};
use fairframe_schemas::report::Verdict;

use super::text;
use crate::evaluate::EvalError;

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page<'a> {
    comparison: &'a Comparison,
    headline: String,
    tables: Vec<Rows>,
    level_percent: String,
}

struct Rows {
    id: String,
    title: String,
    caption: String,
    rows: Vec<Row>,
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
    }
}

/// Renders a comparison.
pub fn comparison_page(comparison: &Comparison) -> Result<String, askama::Error> {
    let mut tables = vec![Rows {
        id: "overall".to_owned(),
        title: "All metrics".to_owned(),
        caption: "Both submissions over all items".to_owned(),
        rows: Vec::new(),
    }];
    let direction = |metric: &MetricComparison| match metric.higher_is_better {
        true => "higher is better",
        false => "lower is better",
    };
    for metric in &comparison.metrics {
        let (title, level) = (&metric.title, text::items(metric.level));
        let name = format!("{title} of {level}, {}", direction(metric));
        tables[0].rows.push(row(metric, name, &metric.overall));
        for grouping in &metric.by_group {
            let columns = grouping.columns.join(" × ").replace('_', " ");
            let cells = grouping.cells.iter();
            tables.push(Rows {
                id: format!("t{}", tables.len()),
                title: format!("{title} by {columns}"),
                caption: format!("{title} of {level} by {columns}, {}", direction(metric)),
                rows: cells
                    .map(|cell| {
                        let name = text::group(&grouping.columns, &cell.group);
                        row(metric, name, &cell.compared)
                    })
                    .collect(),
            });
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
