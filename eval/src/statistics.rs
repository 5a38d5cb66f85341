//! Mergeable statistics: `update`, `merge`, `evaluate`. Evaluating does not
//! consume; a statistic of nothing gives None. Any partition of the rows,
//! merged in any order, gives bit-identical results: what is kept is counts
//! and ordered keys, never a rounded sum.

use std::collections::HashMap;

use ahash::RandomState;

use crate::metrics::detection::{self, Loss, Scored};

/// A sum whose error does not grow with its length (Neumaier 1974).
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    #[inline]
    pub fn add(&mut self, value: f64) {
        let total = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - total) + value
        } else {
            (value - total) + self.sum
        };
        self.sum = total;
    }

    pub fn value(&self) -> f64 {
        self.sum + self.lost
    }
}

/// True positives, false negatives, false positives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Tally {
    pub tp: u64,
    pub fn_: u64,
    pub fp: u64,
}

impl Tally {
    /// F-beta at beta 2 (van Rijsbergen 1979): `5tp / (5tp + 4fn + fp)`;
    /// none where nothing was true and nothing answered.
    pub fn f2(self) -> Option<f64> {
        let hit = 5 * self.tp;
        let all = hit + 4 * self.fn_ + self.fp;
        (all > 0).then(|| hit as f64 / all as f64)
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        self.tp += other.tp;
        self.fn_ += other.fn_;
        self.fp += other.fp;
    }
}

/// All that the multi-label metrics need of any number of images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MultiLabelState {
    /// How many images have each F2, as `5tp` over `5tp + 4fn + fp`.
    pub(crate) ratios: HashMap<(u64, u64), u64, RandomState>,
    pub(crate) total: Tally,
    /// By label.
    pub(crate) labels: Vec<Tally>,
}

/// What is read off a [`MultiLabelState`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MultiLabelValues {
    pub n: u64,
    pub both_empty: u64,
    pub f2_mean: Option<f64>,
    pub f2_micro: Option<f64>,
    pub f2_macro: Option<f64>,
}

impl MultiLabelState {
    /// Adds an image; both lists are sorted and without repeats.
    pub fn update(&mut self, truth: &[u32], answer: &[u32]) {
        let mut image = Tally::default();
        for_each_label(truth, answer, |label, kind| {
            let one = kind.tally();
            image.merge(one);
            self.label(label as usize).merge(one);
        });
        self.add_images(image, 1);
    }

    /// Adds so many images of one tally, but for their labels.
    pub(crate) fn add_images(&mut self, image: Tally, n: u64) {
        if n == 0 {
            return;
        }
        self.total.tp += n * image.tp;
        self.total.fn_ += n * image.fn_;
        self.total.fp += n * image.fp;
        let hit = 5 * image.tp;
        let key = (hit, hit + 4 * image.fn_ + image.fp);
        *self.ratios.entry(key).or_default() += n;
    }

    pub fn merge(&mut self, other: &Self) {
        for (key, n) in &other.ratios {
            *self.ratios.entry(*key).or_default() += n;
        }
        self.total.merge(other.total);
        for (label, tally) in other.labels.iter().enumerate() {
            self.label(label).merge(*tally);
        }
    }

    pub(crate) fn label(&mut self, label: usize) -> &mut Tally {
        if label >= self.labels.len() {
            self.labels.resize(label + 1, Tally::default());
        }
        &mut self.labels[label]
    }

    pub fn evaluate(&self) -> MultiLabelValues {
        let n: u64 = self.ratios.values().sum();
        let mut sum = Sum::default();
        // In order, so that the order in which images came has no say.
        let mut ratios: Vec<_> = self.ratios.iter().collect();
        ratios.sort_unstable();
        for ((hit, all), count) in ratios {
            // Nothing true and nothing answered is a right answer.
            let f2 = if *all == 0 {
                1.0
            } else {
                *hit as f64 / *all as f64
            };
            sum.add(f2 * *count as f64);
        }
        let (mut by_label, mut labels) = (Sum::default(), 0u64);
        for f2 in self.labels.iter().filter_map(|tally| tally.f2()) {
            by_label.add(f2);
            labels += 1;
        }
        MultiLabelValues {
            n,
            both_empty: self.ratios.get(&(0, 0)).copied().unwrap_or(0),
            f2_mean: (n > 0).then(|| sum.value() / n as f64),
            f2_micro: self.total.f2(),
            f2_macro: (labels > 0).then(|| by_label.value() / labels as f64),
        }
    }
}

/// What one label of one image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    TruePositive = 0,
    FalseNegative = 1,
    FalsePositive = 2,
}

impl Hit {
    pub(crate) fn tally(self) -> Tally {
        Tally {
            tp: u64::from(self == Hit::TruePositive),
            fn_: u64::from(self == Hit::FalseNegative),
            fp: u64::from(self == Hit::FalsePositive),
        }
    }
}

/// Walks the union of two sorted lists.
pub fn for_each_label(truth: &[u32], answer: &[u32], mut each: impl FnMut(u32, Hit)) {
    let (mut t, mut a) = (0, 0);
    loop {
        match (truth.get(t), answer.get(a)) {
            (Some(x), Some(y)) if x == y => {
                each(*x, Hit::TruePositive);
                t += 1;
                a += 1;
            }
            (Some(x), Some(y)) if x < y => {
                each(*x, Hit::FalseNegative);
                t += 1;
            }
            (Some(x), None) => {
                each(*x, Hit::FalseNegative);
                t += 1;
            }
            (_, Some(y)) => {
                each(*y, Hit::FalsePositive);
                a += 1;
            }
            (None, None) => return,
        }
    }
}

/// All that the detection metrics need of any number of scores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DetectionState {
    pub(crate) scores: Vec<Scored>,
}

impl DetectionState {
    pub fn update(&mut self, score: f64, fake: bool) {
        self.scores.push(Scored { score, fake });
    }

    pub fn merge(&mut self, other: &Self) {
        self.scores.extend_from_slice(&other.scores);
    }

    pub fn evaluate(&self, options: &detection::Options) -> detection::Values {
        let mut sorted = self.scores.clone();
        detection::sort(&mut sorted);
        let loss = |at: usize| Loss::of(sorted[at], options.eps);
        detection::evaluate(sorted.len(), |at| sorted[at], loss, None, options)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_gives_none() {
        let values = MultiLabelState::default().evaluate();
        assert_eq!((values.n, values.f2_mean), (0, None));
        let values = DetectionState::default().evaluate(&detection::Options::default());
        assert_eq!(values.get("auc"), None);
        assert_eq!(values.get("log_loss"), None);
    }

    #[test]
    fn a_sum_keeps_what_plain_addition_loses() {
        let mut sum = Sum::default();
        for value in [1.0, 1e100, 1.0, -1e100] {
            sum.add(value);
        }
        assert_eq!(sum.value(), 2.0);
    }

    proptest! {
        #[test]
        fn any_partition_merges_to_the_same_bits(
            rows in prop::collection::vec((0.0f64..1.0, any::<bool>(), 0usize..4), 1..80)
        ) {
            let options = detection::Options::default();
            let mut whole = DetectionState::default();
            let mut parts = vec![DetectionState::default(); 4];
            for (score, fake, part) in &rows {
                let score = (score * 20.0).round() / 20.0;
                whole.update(score, *fake);
                parts[*part].update(score, *fake);
            }
            let mut merged = DetectionState::default();
            for part in parts.iter().rev() {
                merged.merge(part);
            }
            prop_assert_eq!(whole.evaluate(&options), merged.evaluate(&options));
        }

        #[test]
        fn any_partition_of_images_merges_to_the_same_bits(
            rows in prop::collection::vec(
                (prop::collection::btree_set(0u32..9, 0..5), prop::collection::btree_set(0u32..9, 0..5), 0usize..3),
                1..60,
            )
        ) {
            let mut whole = MultiLabelState::default();
            let mut parts = vec![MultiLabelState::default(); 3];
            for (truth, answer, part) in &rows {
                let truth: Vec<u32> = truth.iter().copied().collect();
                let answer: Vec<u32> = answer.iter().copied().collect();
                whole.update(&truth, &answer);
                parts[*part].update(&truth, &answer);
            }
            let mut merged = MultiLabelState::default();
            for part in parts.iter().rev() {
                merged.merge(part);
            }
            prop_assert_eq!(&whole, &merged);
            prop_assert_eq!(whole.evaluate(), merged.evaluate());
        }
    }
}
