//! Dots and intervals: one line per group on one scale, as inline SVG whose lengths are
//! in percent, so that the chart is as wide as its column and its text stays text.

use fairframe_schemas::report::{Estimate, Interval, MetricReport, Verdict};

/// Percent of the width kept free on either side, so that ends and their labels fit.
const MARGIN: f64 = 6.0;

/// The scale that all groups of a chart share.
pub struct Scale {
    from: f64,
    to: f64,
    pub ticks: Vec<Tick>,
    /// Where the value stands that all are held against.
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
    /// Holds every value with its interval, and the one that all are held against; None where
    /// there is no value.
    pub fn over(drawn: &[Drawn], overall: Option<f64>) -> Option<Self> {
        if drawn.is_empty() {
            return None;
        }
        let intervals = drawn.iter().filter_map(|(_, interval)| *interval);
        let mut ends: Vec<f64> = intervals.flat_map(|i| [i.low, i.high]).collect();
        ends.extend(drawn.iter().map(|(value, _)| value).chain(&overall));
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
        scale.overall = overall.map(|value| scale.x(value));
        Some(scale)
    }

    fn x(&self, value: f64) -> String {
        let share = (value - self.from) / (self.to - self.from);
        format!("{:.2}", MARGIN + share * (100.0 - 2.0 * MARGIN))
    }

    pub fn mark(&self, (value, interval): Drawn) -> Mark {
        let (low, high) = interval.map_or((value, value), |i| (i.low, i.high));
        Mark {
            low: self.x(low),
            value: self.x(value),
            high: self.x(high),
        }
    }
}

/// A value, with its interval where it has one.
pub type Drawn = (f64, Option<Interval>);

/// What is drawn of an estimate; None where it is not shown.
pub fn drawn(estimate: &Estimate) -> Option<Drawn> {
    let value = estimate.value;
    let value = value.filter(|_| estimate.verdict == Verdict::Shown)?;
    Some((value, estimate.interval))
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
