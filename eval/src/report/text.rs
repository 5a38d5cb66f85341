//! Numbers become text in one place.

use crate::run::SEVERAL_GROUP;
use fairframe_schemas::report::{
    Estimate, Interval, IntervalMethod, Level, MetricReport, UNKNOWN_GROUP, Verdict,
};
pub use fairframe_schemas::text::{count, sentence, size};

/// A value, with three decimals.
pub fn value(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" {
        "0.000".into()
    } else {
        text
    }
}

pub fn interval(interval: Interval) -> String {
    format!("{} to {}", value(interval.low), value(interval.high))
}

/// An estimate's value, or the words that stand in its place.
pub fn estimate(estimate: &Estimate) -> String {
    match (estimate.verdict, estimate.value) {
        (Verdict::Shown, Some(shown)) => value(shown),
        (Verdict::InsufficientData, _) => "insufficient data".to_owned(),
        _ => "undefined".to_owned(),
    }
}

/// A group's name; a value that says nothing by itself stands with its column: `fold 0`.
pub fn group(columns: &[String], values: &[String]) -> String {
    let bare = |value: &str| value.parse::<f64>().is_ok() || matches!(value, "true" | "false");
    let none = |value: &str| matches!(value, UNKNOWN_GROUP | SEVERAL_GROUP);
    let named = values.iter().enumerate().map(|(at, value)| {
        let column = columns.get(at).map(|column| column.replace('_', " "));
        match column {
            Some(column) if bare(value) => format!("{column} {value}"),
            Some(column) if none(value) => format!("{value} ({column})"),
            _ => value.clone(),
        }
    });
    named.collect::<Vec<_>>().join(" · ")
}

pub fn direction(metric: &MetricReport) -> &'static str {
    if metric.higher_is_better {
        "higher is better"
    } else {
        "lower is better"
    }
}

/// The plural of a level, for counting.
pub fn items(level: Level) -> &'static str {
    match level {
        Level::Image => "images",
        Level::Query => "queries",
        Level::Sample => "samples",
        Level::Frame => "frames",
        Level::Video => "videos",
        Level::Episode => "episodes",
    }
}

pub fn method(interval: Interval) -> String {
    let name = match interval.method {
        IntervalMethod::Wilson => "Wilson",
        IntervalMethod::Bootstrap => "bootstrap",
        IntervalMethod::ClusterBootstrap => "cluster bootstrap",
        IntervalMethod::Bca => "BCa bootstrap",
        IntervalMethod::ClusterBca => "BCa cluster bootstrap",
        IntervalMethod::Normal => "normal",
    };
    match interval.undefined_resamples {
        0 => name.to_owned(),
        n => format!("{name}; {} resamples without a value", count(n)),
    }
}

/// A p- or q-value: as many decimals as say something.
pub fn chance(p: f64) -> String {
    match p {
        p if p < 0.000_05 => "under 0.0001".to_owned(),
        p if p < 0.1 => format!("{p:.4}").trim_end_matches('0').to_owned(),
        p => format!("{p:.2}"),
    }
}

/// Level in words, such as `95%`.
pub fn percent(level: f64) -> String {
    format!("{}%", (level * 1000.0).round() / 10.0)
}

/// The denominators of an estimate, such as `120 positives, 30 negatives`.
pub fn denominators(estimate: &Estimate) -> String {
    estimate
        .denominators
        .iter()
        .map(|(name, n)| format!("{} {}", count(*n), name.replace('_', " ")))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_values_stand_with_their_column() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let columns = words(&["age_group", "country"]);
        assert_eq!(
            group(&columns, &words(&["3", "Kenya"])),
            "age group 3 · Kenya"
        );
        assert_eq!(
            group(&columns, &words(&["unknown", "several"])),
            "unknown (age group) · several (country)"
        );
        assert_eq!(group(&[], &words(&["3"])), "3");
    }

    #[test]
    fn numbers_are_written_alike() {
        assert_eq!(value(0.2960123), "0.296");
        assert_eq!(value(-0.0001), "0.000");
        assert_eq!(percent(0.95), "95%");
        assert_eq!(percent(0.999), "99.9%");
        let chances = [0.000_01, 0.001, 0.0499, 0.5, 1.0].map(chance);
        assert_eq!(chances, ["under 0.0001", "0.001", "0.0499", "0.50", "1.00"]);
    }
}
