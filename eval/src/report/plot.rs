//! The forest plot: one line per group, value and interval, as inline SVG.

use fairframe_schemas::report::{Cell, MetricReport, Verdict};

use super::text;

const LABEL: f64 = 190.0;
const WIDTH: f64 = 760.0;
const RIGHT: f64 = 150.0;
const ROW: f64 = 22.0;
const TOP: f64 = 14.0;
const AXIS: f64 = 40.0;
/// Characters of a group's name that fit the label column.
const MAX_LABEL: usize = 27;

/// Coordinates are in the units of the view box.
pub struct Plot {
    pub width: f64,
    pub height: f64,
    /// Where the axis begins and ends.
    pub left: f64,
    pub right: f64,
    pub axis: f64,
    pub ticks: Vec<Tick>,
    /// The overall value.
    pub overall: Option<f64>,
    pub overall_text: String,
    pub rows: Vec<Row>,
    /// In words, for those who do not see it.
    pub description: String,
}

pub struct Tick {
    pub x: f64,
    pub text: String,
}

pub struct Row {
    pub y: f64,
    pub label: String,
    pub full_label: String,
    pub mark: Option<Mark>,
    /// Value and n, or why there is none.
    pub note: String,
    pub worse: bool,
}

pub struct Mark {
    pub low: f64,
    pub value: f64,
    pub high: f64,
}

/// Draws the cells in the order given; None where none has a value.
pub fn forest(metric: &MetricReport, cells: &[&Cell]) -> Option<Plot> {
    let shown = || {
        cells
            .iter()
            .filter(|c| c.estimate.verdict == Verdict::Shown)
    };
    let mut ends: Vec<f64> = shown()
        .filter_map(|cell| cell.estimate.interval)
        .flat_map(|interval| [interval.low, interval.high])
        .chain(shown().filter_map(|cell| cell.estimate.value))
        .collect();
    if ends.is_empty() {
        return None;
    }
    ends.extend(metric.overall.value);
    let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = nice_step(high - low);
    let (from, to) = ((low / step).floor() * step, (high / step).ceil() * step);
    let to = if to > from { to } else { from + step };
    let (left, right) = (LABEL, WIDTH - RIGHT);
    let x = |value: f64| round(left + (value - from) / (to - from) * (right - left));
    let steps = ((to - from) / step).round() as i32;
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let ticks = (0..=steps)
        .map(|at| {
            let value = from + f64::from(at) * step;
            Tick {
                x: x(value),
                text: format!("{value:.decimals$}"),
            }
        })
        .collect();
    let rows: Vec<Row> = cells
        .iter()
        .enumerate()
        .map(|(at, cell)| row(metric, cell, TOP + (at as f64 + 0.5) * ROW, &x))
        .collect();
    let axis = TOP + cells.len() as f64 * ROW;
    Some(Plot {
        width: WIDTH,
        height: axis + AXIS,
        left,
        right,
        axis,
        ticks,
        overall: metric.overall.value.map(x),
        overall_text: metric.overall.value.map(text::value).unwrap_or_default(),
        description: describe(metric, cells),
        rows,
    })
}

fn row(metric: &MetricReport, cell: &Cell, y: f64, x: &dyn Fn(f64) -> f64) -> Row {
    let full_label = text::group(&cell.group);
    let label = match full_label.chars().count() {
        0..=MAX_LABEL => full_label.clone(),
        _ => full_label
            .chars()
            .take(MAX_LABEL - 1)
            .chain(['…'])
            .collect(),
    };
    let estimate = &cell.estimate;
    let n = text::count(estimate.n);
    let shown = estimate
        .value
        .filter(|_| estimate.verdict == Verdict::Shown);
    let mark = shown.map(|value| {
        let (low, high) = estimate
            .interval
            .map_or((value, value), |i| (i.low, i.high));
        Mark {
            low: x(low),
            value: x(value),
            high: x(high),
        }
    });
    let note = match shown {
        Some(value) => format!("{}   n = {n}", text::value(value)),
        None => format!("{}   n = {n}", text::estimate(estimate)),
    };
    // Worse than the whole beyond its interval.
    let worse = match (estimate.interval, metric.overall.value) {
        (Some(interval), Some(all)) if metric.higher_is_better => interval.high < all,
        (Some(interval), Some(all)) => interval.low > all,
        _ => false,
    };
    Row {
        y: round(y),
        label,
        full_label,
        mark,
        note,
        worse,
    }
}

fn describe(metric: &MetricReport, cells: &[&Cell]) -> String {
    let shown = cells.iter().filter(|c| c.estimate.value.is_some()).count();
    let overall = match metric.overall.value {
        Some(value) => format!(
            " The overall value, {}, is a dashed line.",
            text::value(value)
        ),
        None => String::new(),
    };
    format!(
        "{} of {shown} groups with intervals, and {} groups without a value.{overall} The table below holds the same numbers.",
        metric.title,
        cells.len() - shown,
    )
}

/// 1, 2 or 5 times a power of ten, so that about five steps fit.
fn nice_step(range: f64) -> f64 {
    let rough = (range / 5.0).max(1e-3);
    let power = 10f64.powf(rough.log10().floor());
    match rough / power {
        f if f <= 1.0 => power,
        f if f <= 2.0 => 2.0 * power,
        f if f <= 5.0 => 5.0 * power,
        _ => 10.0 * power,
    }
}

fn round(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for (range, step) in [
            (1.0, 0.2),
            (0.07, 0.02),
            (0.3, 0.1),
            (0.0, 0.001),
            (12.0, 5.0),
        ] {
            assert!((nice_step(range) - step).abs() < 1e-12, "{range}");
        }
    }
}
