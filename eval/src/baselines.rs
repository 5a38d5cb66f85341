//! Constant answers that come free with each report.

use crate::metrics::detection::Detection;
use crate::metrics::multi_label::Lists;
use crate::names::Names;

/// Most frequent labels that are answered together, at most.
pub const MAX_LABELS: usize = 10;

/// Detection metrics for which a constant score is a fair rival. A constant
/// trivially wins or loses the others (its calibration error is 0, its TPR 0
/// or 1).
pub const RIVALLED: &[&str] = &[
    "log_loss",
    "log_loss_balanced",
    "accuracy",
    "balanced_accuracy",
    "auc",
    "average_precision",
    "eer",
    "brier",
];

/// The most frequent labels of the truth, the first first; among equals the
/// first by name.
pub fn most_frequent(truth: &Lists, names: &Names) -> Vec<u32> {
    let mut counts = vec![0u64; names.len()];
    for item in 0..truth.len() {
        for label in truth.get(item) {
            counts[*label as usize] += 1;
        }
    }
    let mut order: Vec<u32> = (0..names.len() as u32)
        .filter(|label| counts[*label as usize] > 0)
        .collect();
    order.sort_by(|a, b| {
        let count = |label: u32| counts[label as usize];
        let by_name = || names.get(*a).cmp(names.get(*b));
        count(*b).cmp(&count(*a)).then_with(by_name)
    });
    order.truncate(MAX_LABELS);
    order
}

/// The k most frequent labels of the truth for k = 1 to 10, each sorted by
/// code.
pub fn frequent_labels(truth: &Lists, names: &Names) -> Vec<Vec<u32>> {
    let order = most_frequent(truth, names);
    (1..=order.len())
        .map(|k| {
            let mut labels = order[..k].to_vec();
            labels.sort_unstable();
            labels
        })
        .collect()
}

/// The share of fakes: the constant score with the smallest log loss.
pub fn base_rate(form: &Detection) -> Option<f64> {
    let all = form.items.len();
    let fakes = form.items.iter().filter(|item| item.fake).count();
    (all > 0).then(|| fakes as f64 / all as f64)
}

/// Whether `value` is better than the baseline's.
pub fn beats(value: f64, baseline: f64, higher_is_better: bool) -> bool {
    if higher_is_better {
        value > baseline
    } else {
        value < baseline
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::multi_label::tests::example;

    #[test]
    fn frequent_labels_are_ordered_by_count_then_name() {
        let mut names = Names::default();
        for name in ["a", "b", "c", "d", "e"] {
            names.code(name);
        }
        // Truth: {a,b,c}, {a}, {b}: a and b twice, c once, d and e never.
        let lists = frequent_labels(&example().truth, &names);
        assert_eq!(lists, [vec![0], vec![0, 1], vec![0, 1, 2]]);
    }
}
