//! Distributions as drawn: one axis for all groups.

use fairframe_eval::intervals::quantile;

use super::words::Measure;

/// Quantiles drawn of a group: a line between the outer ones, a bar between the inner ones.
const DRAWN: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// Quantiles as places in percent, and in words.
pub struct Strip {
    pub line: [String; 2],
    pub bar: [String; 2],
    pub median: String,
    pub words: String,
}

/// Where a value stands in a drawn distribution.
pub struct Scale {
    measure: &'static Measure,
    from: f64,
    to: f64,
}

impl Scale {
    /// From the first to the 99th hundredth of all, and as far as the threshold.
    pub fn new(measure: &'static Measure, all: &[f64], edge: f64) -> Self {
        let end = |q| quantile(all, q).unwrap_or(edge);
        Self {
            measure,
            from: end(0.01).min(edge),
            to: end(0.99).max(edge),
        }
    }

    fn share(&self, value: f64) -> f64 {
        let [value, from, to] = [value, self.from, self.to].map(|v| self.measure.drawn(v));
        ((value - from) / (to - from).max(1e-9)).clamp(0.0, 1.0) * 100.0
    }

    pub fn place(&self, value: f64) -> String {
        format!("{:.2}%", self.share(value))
    }

    pub fn ends(&self) -> [String; 2] {
        [self.from, self.to].map(|v| self.measure.said(v))
    }

    pub fn strip(&self, values: &[f64]) -> Option<Strip> {
        let mut at = [0.0; DRAWN.len()];
        for (at, q) in at.iter_mut().zip(DRAWN) {
            *at = quantile(values, q)?;
        }
        let [low, lower, median, upper, high] = at;
        let width = |a: f64, b: f64| format!("{:.2}%", (self.share(b) - self.share(a)).max(0.3));
        let said = |v: f64| self.measure.said(v);
        Some(Strip {
            line: [self.place(low), width(low, high)],
            bar: [self.place(lower), width(lower, upper)],
            median: self.place(median),
            words: format!(
                "90% between {} and {}, half between {} and {}, median {}",
                said(low),
                said(high),
                said(lower),
                said(upper),
                said(median)
            ),
        })
    }
}
