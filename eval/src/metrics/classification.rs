//! Classification: the class of an image, best guess first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Form, Metric, Rests};
use crate::metrics::multi_label::Lists;
use crate::statistics::Sum;

pub const TOP_1: &str = "top_1";

const fn share(name: &'static str, title: &'static str, definition: &'static str) -> Metric {
    Metric {
        name,
        title,
        definition,
        higher_is_better: true,
        proportion: true,
        rests: Rests::OnItems,
    }
}

pub(crate) const METRICS: &[Metric] = &[
    share(
        TOP_1,
        "Top-1 accuracy",
        "Share of the images whose first answer is right.",
    ),
    Metric {
        name: "mean_per_class",
        title: "Mean per-class accuracy",
        definition: "Top-1 accuracy of each class of the truth, averaged over classes; an image with several true classes counts in each.",
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnItems,
    },
    share(
        "top_5",
        "Top-5 accuracy",
        "Share of the images for which one of the first five answers is right.",
    ),
];

/// Rank of the first right answer, from 1; 0 where there is none.
pub type Rank = u32;

/// All that the classification metrics need of any number of images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassificationState {
    pub(crate) n: u64,
    pub(crate) first: u64,
    pub(crate) five: u64,
    /// Images of each class, and those whose first answer is right.
    pub(crate) classes: BTreeMap<u32, (u64, u64)>,
}

impl ClassificationState {
    pub fn update(&mut self, truth: &[u32], rank: Rank) {
        self.n += 1;
        self.first += u64::from(rank == 1);
        self.five += u64::from((1..=5).contains(&rank));
        for class in truth {
            let (n, right) = self.classes.entry(*class).or_default();
            *n += 1;
            *right += u64::from(rank == 1);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.first += other.first;
        self.five += other.five;
        for (class, (n, right)) in &other.classes {
            let known = self.classes.entry(*class).or_default();
            *known = (known.0 + n, known.1 + right);
        }
    }

    /// Top-1, mean per class, top-5.
    pub fn evaluate(&self) -> [Option<f64>; 3] {
        values(
            self.n,
            self.first,
            self.five,
            self.classes.values().copied(),
        )
    }
}

fn values(
    n: u64,
    first: u64,
    five: u64,
    classes: impl Iterator<Item = (u64, u64)>,
) -> [Option<f64>; 3] {
    let (mut sum, mut seen) = (Sum::default(), 0u64);
    for (n, right) in classes.filter(|(n, _)| *n > 0) {
        seen += 1;
        sum.add(right as f64 / n as f64);
    }
    let share = |part: u64| (n > 0).then(|| part as f64 / n as f64);
    [
        share(first),
        (seen > 0).then(|| sum.value() / seen as f64),
        share(five),
    ]
}

/// Truth of the images, and where the first right answer stands.
#[derive(Debug, Clone, Default)]
pub struct Classification {
    pub truth: Lists,
    pub ranks: Vec<Rank>,
    /// Whether any image has more than one answer: without, there is no top-5.
    pub several: bool,
}

/// A cell of images.
pub struct Images {
    items: Vec<u32>,
    ranks: Vec<Rank>,
    /// Classes of each image, counted from 0 within the cell.
    truth: Lists,
    classes: usize,
}

impl Classification {
    /// The metrics of some images if every answer were `constant`, best first.
    pub fn constant(&self, items: &[u32], constant: &[u32]) -> [Option<f64>; 3] {
        let mut state = ClassificationState::default();
        for item in items {
            let truth = self.truth.get(*item as usize);
            let right = |class: &u32| truth.binary_search(class).is_ok();
            let rank = constant
                .iter()
                .position(right)
                .map_or(0, |at| at as u32 + 1);
            state.update(truth, rank);
        }
        state.evaluate()
    }
}

impl Form for Classification {
    type Cell = Images;
    /// Per class: images drawn, and those whose first answer is right.
    type Scratch = Vec<(u64, u64)>;

    fn metrics(&self) -> &[Metric] {
        if self.several { METRICS } else { &METRICS[..2] }
    }

    fn len(&self) -> usize {
        self.ranks.len()
    }

    fn positive(&self, _: u32) -> Option<bool> {
        None
    }

    fn right(&self, item: u32) -> Option<bool> {
        Some(self.ranks[item as usize] == 1)
    }

    fn part(&self, metric: usize, item: u32) -> Option<f64> {
        let rank = self.ranks[item as usize];
        let first = match METRICS[metric].name {
            TOP_1 => rank == 1,
            "top_5" => (1..=5).contains(&rank),
            _ => return None,
        };
        Some(f64::from(u8::from(first)))
    }

    fn prepare(&self, items: &[u32]) -> Images {
        // Numbered in the order of their codes: sums then run as in the state.
        let truth_of = |item: &u32| self.truth.get(*item as usize);
        let known: BTreeSet<u32> = items.iter().flat_map(truth_of).copied().collect();
        let local: HashMap<u32, u32> = known.into_iter().zip(0..).collect();
        let mut truth = Lists::default();
        for item in items {
            truth.push(&mut truth_of(item).iter().map(|class| local[class]).collect());
        }
        Images {
            items: items.to_vec(),
            ranks: items.iter().map(|at| self.ranks[*at as usize]).collect(),
            truth,
            classes: local.len(),
        }
    }

    fn order(cell: &Images) -> &[u32] {
        &cell.items
    }

    fn evaluate(
        &self,
        cell: &Images,
        weights: Option<&[u32]>,
        classes: &mut Vec<(u64, u64)>,
    ) -> Vec<Option<f64>> {
        classes.clear();
        classes.resize(cell.classes, (0, 0));
        let (mut n, mut first, mut five) = (0, 0, 0);
        for (at, rank) in cell.ranks.iter().enumerate() {
            let times = weights.map_or(1, |weights| u64::from(weights[at]));
            let right = if *rank == 1 { times } else { 0 };
            n += times;
            first += right;
            five += if (1..=5).contains(rank) { times } else { 0 };
            for class in cell.truth.get(at) {
                let counts = &mut classes[*class as usize];
                *counts = (counts.0 + times, counts.1 + right);
            }
        }
        let mut values = values(n, first, five, classes.iter().copied()).to_vec();
        values.truncate(self.metrics().len());
        values
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(rows: &[(&[u32], Rank)]) -> Classification {
        let mut form = Classification {
            several: true,
            ..Classification::default()
        };
        for (truth, rank) in rows {
            form.truth.push(&mut truth.to_vec());
            form.ranks.push(*rank);
        }
        form
    }

    #[test]
    fn top_one_top_five_and_the_mean_over_classes() {
        let form = form(&[(&[0], 1), (&[0], 1), (&[0], 2), (&[1], 6), (&[1, 2], 1)]);
        let cell = form.prepare(&[0, 1, 2, 3, 4]);
        let values = form.evaluate(&cell, None, &mut Vec::new());
        // Classes: 2 of 3, 1 of 2, 1 of 1.
        let mean = (2.0 / 3.0 + 0.5 + 1.0) / 3.0;
        assert_eq!(values, [Some(0.6), Some(mean), Some(0.8)]);
        // Always class 1, then class 0.
        let constant = form.constant(&[0, 1, 2, 3, 4], &[1, 0]);
        assert_eq!(constant[0], Some(0.4));
        assert_eq!(constant[2], Some(1.0));
        assert_eq!(ClassificationState::default().evaluate(), [None; 3]);
    }

    #[test]
    fn single_answers_have_no_top_five() {
        let mut form = form(&[(&[0], 1)]);
        form.several = false;
        assert_eq!(form.metrics().len(), 2);
        let cell = form.prepare(&[0]);
        assert_eq!(form.evaluate(&cell, None, &mut Vec::new()).len(), 2);
    }

    proptest! {
        #[test]
        fn any_partition_merges_to_the_same_bits_and_a_weight_is_a_repeat(
            rows in prop::collection::vec((prop::collection::btree_set(0u32..6, 1..3), 0u32..8, 0usize..3, 0u32..4), 1..60)
        ) {
            let mut whole = ClassificationState::default();
            let mut parts = vec![ClassificationState::default(); 3];
            let mut plain = form(&[]);
            let mut repeated = ClassificationState::default();
            for (truth, rank, part, times) in &rows {
                let truth: Vec<u32> = truth.iter().copied().collect();
                whole.update(&truth, *rank);
                parts[*part].update(&truth, *rank);
                (0..*times).for_each(|_| repeated.update(&truth, *rank));
                plain.truth.push(&mut truth.clone());
                plain.ranks.push(*rank);
            }
            let mut merged = ClassificationState::default();
            for part in parts.iter().rev() {
                merged.merge(part);
            }
            prop_assert_eq!(&whole, &merged);
            let weights: Vec<u32> = rows.iter().map(|r| r.3).collect();
            let cell = plain.prepare(&(0..rows.len() as u32).collect::<Vec<_>>());
            let weighted = plain.evaluate(&cell, Some(&weights), &mut Vec::new());
            for (a, b) in weighted.iter().zip(repeated.evaluate()) {
                prop_assert_eq!(a.is_none(), b.is_none());
                prop_assert!(a.zip(b).is_none_or(|(a, b)| (a - b).abs() < 1e-12));
            }
        }
    }
}
