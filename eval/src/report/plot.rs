//! Dots and intervals: one line per group on one scale, as inline SVG whose lengths are
//! in percent, so that the chart is as wide as its column and its text stays text.

use fairframe_schemas::report::{Cell, Estimate, MetricReport, Verdict};

/// Percent of the width kept free on either side, so that ends and their labels fit.
const MARGIN: f64 = 6.0;

/// The scale that all groups of a chart share.
pub struct Scale {
    from: f64,
    to: f64,
    pub ticks: Vec<Tick>,
    /// Where the overall value stands.
    pub overall: Option<String>,
}

pub struct Tick {
    pub x: String,
    pub text: String,
}

/// A group's value and interval; lengths in percent.
pub struct Mark {
    pub low: String,
    pub value: String,
    pub high: String,
}

impl Scale {
    /// Holds every value and interval that is shown; None where none is.
    pub fn over(metric: &MetricReport, cells: &[&Cell]) -> Option<Self> {
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
        let mut scale = Self {
            from,
            to,
            ticks: Vec::new(),
            overall: None,
        };
        let steps = ((to - from) / step).round() as i32;
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        scale.ticks = (0..=steps)
            .map(|at| {
                let value = from + f64::from(at) * step;
                Tick {
                    x: scale.x(value),
                    text: format!("{value:.decimals$}"),
                }
            })
            .collect();
        scale.overall = metric.overall.value.map(|value| scale.x(value));
        Some(scale)
    }

    fn x(&self, value: f64) -> String {
        let share = (value - self.from) / (self.to - self.from);
        format!("{:.2}", MARGIN + share * (100.0 - 2.0 * MARGIN))
    }

    /// None where the value is not shown.
    pub fn mark(&self, estimate: &Estimate) -> Option<Mark> {
        let value = estimate
            .value
            .filter(|_| estimate.verdict == Verdict::Shown)?;
        let (low, high) = estimate
            .interval
            .map_or((value, value), |i| (i.low, i.high));
        Some(Mark {
            low: self.x(low),
            value: self.x(value),
            high: self.x(high),
        })
    }
}

/// Worse than the whole beyond its interval.
pub fn is_worse(metric: &MetricReport, estimate: &Estimate) -> bool {
    match (estimate.interval, metric.overall.value) {
        (Some(interval), Some(all)) if metric.higher_is_better => interval.high < all,
        (Some(interval), Some(all)) => interval.low > all,
        _ => false,
    }
}

/// 1, 2 or 5 times a power of ten, so that about four steps fit.
fn nice_step(range: f64) -> f64 {
    let rough = (range / 4.0).max(1e-3);
    let power = 10f64.powf(rough.log10().floor());
    match rough / power {
        f if f <= 1.0 => power,
        f if f <= 2.0 => 2.0 * power,
        f if f <= 5.0 => 5.0 * power,
        _ => 10.0 * power,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for (range, step) in [
            (1.0, 0.5),
            (0.07, 0.02),
            (0.3, 0.1),
            (0.0, 0.001),
            (12.0, 5.0),
        ] {
            assert!((nice_step(range) - step).abs() < 1e-12, "{range}");
        }
    }
}
