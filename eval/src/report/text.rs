//! Numbers become text in one place.

use fairframe_schemas::report::{Estimate, Interval, IntervalMethod, Verdict};

/// A value, with three decimals.
pub fn value(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" {
        "0.000".into()
    } else {
        text
    }
}

/// A whole number with thin spaces between thousands.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
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

/// A group's name.
pub fn group(values: &[String]) -> String {
    values.join(" · ")
}

pub fn method(interval: Interval) -> String {
    let name = match interval.method {
        IntervalMethod::Wilson => "Wilson",
        IntervalMethod::Bootstrap => "bootstrap",
        IntervalMethod::ClusterBootstrap => "cluster bootstrap",
    };
    match interval.undefined_resamples {
        0 => name.to_owned(),
        n => format!("{name}; {} resamples without a value", count(n)),
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

pub fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_alike() {
        assert_eq!(value(0.2960123), "0.296");
        assert_eq!(value(-0.0001), "0.000");
        assert_eq!(count(32_088), "32\u{202f}088");
        assert_eq!(count(999), "999");
        assert_eq!(percent(0.95), "95%");
        assert_eq!(percent(0.999), "99.9%");
        assert_eq!(bytes(1_234_567), "1.2 MB");
    }
}
