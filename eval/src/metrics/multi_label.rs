//! Multi-label: F2 as Inclusive Images asks, and its micro and macro forms.

use std::collections::HashMap;
use std::sync::OnceLock;

use ahash::RandomState;
use rayon::prelude::*;

use super::{Form, Metric, Rests};
use crate::statistics::{Hit, MultiLabelState, Sum, Tally, for_each_label};

pub const F2_MEAN: &str = "f2_mean";
pub const F2_MICRO: &str = "f2_micro";
pub const F2_MACRO: &str = "f2_macro";

pub(crate) const METRICS: &[Metric] = &[
    Metric {
        name: F2_MEAN,
        title: "Mean F2",
        definition: "F2 of each image, 5TP / (5TP + 4FN + FP), averaged over images; an image with neither truth nor answer scores 1.",
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnItems,
    },
    Metric {
        name: F2_MICRO,
        title: "Micro F2",
        definition: "F2 of the true positives, misses and false positives of all images together.",
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnItems,
    },
    Metric {
        name: F2_MACRO,
        title: "Macro F2",
        definition: "F2 of each label that is true or answered, averaged over labels.",
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnItems,
    },
];

/// Lists of labels, end to end.
#[derive(Debug, Clone)]
pub struct Lists {
    labels: Vec<u32>,
    ends: Vec<usize>,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            ends: vec![0],
        }
    }
}

impl Lists {
    /// Appends a list, sorted and without repeats.
    pub fn push(&mut self, list: &mut Vec<u32>) {
        list.sort_unstable();
        list.dedup();
        self.labels.extend_from_slice(list);
        self.ends.push(self.labels.len());
    }

    /// From lists that are sorted and without repeats, and where each ends.
    pub(crate) fn of_sorted(labels: Vec<u32>, ends: Vec<usize>) -> Self {
        let ends = std::iter::once(0).chain(ends).collect();
        Self { labels, ends }
    }

    pub fn get(&self, at: usize) -> &[u32] {
        &self.labels[self.ends[at]..self.ends[at + 1]]
    }

    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// The lists of some places; an empty one where there is none.
    pub(crate) fn select(&self, places: impl Iterator<Item = Option<u32>>) -> Self {
        let mut chosen = Self::default();
        chosen.labels.reserve(self.labels.len());
        for place in places {
            let list = place.map_or(&[][..], |at| self.get(at as usize));
            chosen.labels.extend_from_slice(list);
            chosen.ends.push(chosen.labels.len());
        }
        chosen
    }

    /// Appends lists whose labels are numbered otherwise.
    pub(crate) fn append(&mut self, other: &Self, codes: &[u32]) {
        let start = self.labels.len();
        self.labels
            .extend(other.labels.iter().map(|label| codes[*label as usize]));
        for (from, to) in other.ends.iter().zip(&other.ends[1..]) {
            self.labels[start + from..start + to].sort_unstable();
            self.ends.push(start + to);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Truth and answers of the images that are scored.
#[derive(Debug, Clone, Default)]
pub struct MultiLabel {
    pub truth: Lists,
    pub answer: Lists,
    /// Whether micro F2 is not wanted, and macro F2.
    pub without_micro: bool,
    pub without_macro: bool,
}

/// A cell of images.
pub struct Images {
    items: Vec<u32>,
    /// Found once, for resampling.
    resampled: OnceLock<Resampled>,
}

/// What each image of a cell adds.
struct Resampled {
    f2: Vec<f64>,
    tally: Vec<Tally>,
    /// Per image: `3 * label + hit`, labels counted from 0 within the cell.
    hits: Vec<u32>,
    ends: Vec<usize>,
    labels: usize,
}

/// Images that are walked at once.
const CHUNK: usize = 1 << 15;

impl MultiLabel {
    /// F2 of one image.
    pub fn f2(&self, item: usize) -> f64 {
        self.tally(item).f2().unwrap_or(1.0)
    }

    fn tally(&self, item: usize) -> Tally {
        let mut tally = Tally::default();
        for_each_label(
            self.truth.get(item),
            self.answer.get(item),
            |_, hit| match hit {
                Hit::TruePositive => tally.tp += 1,
                Hit::FalseNegative => tally.fn_ += 1,
                Hit::FalsePositive => tally.fp += 1,
            },
        );
        tally
    }

    fn resampled<'a>(&self, cell: &'a Images) -> &'a Resampled {
        cell.resampled.get_or_init(|| {
            let mut found = Resampled {
                f2: Vec::with_capacity(cell.items.len()),
                tally: Vec::with_capacity(cell.items.len()),
                hits: Vec::new(),
                ends: vec![0],
                labels: 0,
            };
            let mut local: HashMap<u32, u32, RandomState> = HashMap::default();
            for item in &cell.items {
                let at = *item as usize;
                let tally = self.tally(at);
                found.f2.push(tally.f2().unwrap_or(1.0));
                found.tally.push(tally);
                let hits = |label, hit| {
                    let next = local.len() as u32;
                    let label = *local.entry(label).or_insert(next);
                    found.hits.push(3 * label + hit as u32);
                };
                if !self.without_macro {
                    for_each_label(self.truth.get(at), self.answer.get(at), hits);
                }
                found.ends.push(found.hits.len());
            }
            found.labels = local.len();
            found
        })
    }

    /// Mean F2 over some items if every answer were the first of `labels`, the
    /// first two, and so on.
    pub fn constant_f2(&self, items: &[u32], labels: &[u32]) -> Vec<Option<f64>> {
        let known = labels.iter().max().map_or(0, |label| *label as usize + 1);
        let mut place = vec![labels.len(); known];
        for (at, label) in labels.iter().enumerate() {
            place[*label as usize] = at;
        }
        let mut sums = vec![Sum::default(); labels.len()];
        let mut hit = vec![0u64; labels.len() + 1];
        for item in items {
            let truth = self.truth.get(*item as usize);
            hit.fill(0);
            for label in truth {
                // What is not among them has a place after them.
                hit[place.get(*label as usize).copied().unwrap_or(labels.len())] += 1;
            }
            let mut tp = 0;
            for (at, sum) in sums.iter_mut().enumerate() {
                tp += hit[at];
                let tally = Tally {
                    tp,
                    fn_: truth.len() as u64 - tp,
                    fp: at as u64 + 1 - tp,
                };
                sum.add(tally.f2().unwrap_or(1.0));
            }
        }
        let mean = |sum: Sum| (!items.is_empty()).then(|| sum.value() / items.len() as f64);
        sums.into_iter().map(mean).collect()
    }
}

impl Form for MultiLabel {
    type Cell = Images;
    type Scratch = Vec<u32>;

    fn metrics(&self) -> &[Metric] {
        METRICS
    }

    fn len(&self) -> usize {
        self.truth.len()
    }

    fn positive(&self, _: u32) -> Option<bool> {
        None
    }

    fn part(&self, metric: usize, item: u32) -> Option<f64> {
        (METRICS[metric].name == F2_MEAN).then(|| self.f2(item as usize))
    }

    fn prepare(&self, items: &[u32]) -> Images {
        Images {
            items: items.to_vec(),
            resampled: OnceLock::new(),
        }
    }

    fn order(cell: &Images) -> &[u32] {
        &cell.items
    }

    /// Without macro F2 labels need not be told apart, and without micro F2
    /// images of the same F2 are the same.
    fn alike(&self, cell: &Images) -> Option<(Vec<u32>, Vec<u32>)> {
        if !self.without_macro {
            return None;
        }
        let mut kinds: HashMap<(u64, Tally), usize, RandomState> = HashMap::default();
        let (mut items, mut counts) = (Vec::new(), Vec::new());
        for item in &cell.items {
            let tally = self.tally(*item as usize);
            let f2 = tally.f2().unwrap_or(1.0).to_bits();
            let key = match self.without_micro {
                true => (f2, Tally::default()),
                false => (f2, tally),
            };
            let kind = *kinds.entry(key).or_insert_with(|| {
                items.push(*item);
                counts.push(0);
                items.len() - 1
            });
            counts[kind] += 1;
        }
        Some((items, counts))
    }

    fn evaluate(
        &self,
        cell: &Images,
        weights: Option<&[u32]>,
        scratch: &mut Vec<u32>,
    ) -> Vec<Option<f64>> {
        let Some(weights) = weights else {
            let chunks = cell.items.par_chunks(CHUNK).map(|items| {
                let mut state = MultiLabelState::default();
                for item in items {
                    let at = *item as usize;
                    state.update(self.truth.get(at), self.answer.get(at));
                }
                state
            });
            let merged = chunks.reduce(MultiLabelState::default, |mut all, more| {
                all.merge(&more);
                all
            });
            let values = merged.evaluate();
            return vec![values.f2_mean, values.f2_micro, values.f2_macro];
        };
        let cell = self.resampled(cell);
        scratch.clear();
        scratch.resize(3 * cell.labels, 0);
        let (mut n, mut sum, mut total) = (0u64, 0.0, Tally::default());
        for (at, weight) in weights.iter().enumerate() {
            if *weight == 0 {
                continue;
            }
            n += u64::from(*weight);
            sum += f64::from(*weight) * cell.f2[at];
            let (tally, weight_wide) = (cell.tally[at], u64::from(*weight));
            total.tp += weight_wide * tally.tp;
            total.fn_ += weight_wide * tally.fn_;
            total.fp += weight_wide * tally.fp;
            for hit in &cell.hits[cell.ends[at]..cell.ends[at + 1]] {
                scratch[*hit as usize] += weight;
            }
        }
        let (mut labels, mut by_label) = (0u64, Sum::default());
        for counts in scratch.chunks_exact(3) {
            let tally = Tally {
                tp: counts[0].into(),
                fn_: counts[1].into(),
                fp: counts[2].into(),
            };
            if let Some(f2) = tally.f2() {
                labels += 1;
                by_label.add(f2);
            }
        }
        vec![
            (n > 0).then(|| sum / n as f64),
            total.f2(),
            (labels > 0).then(|| by_label.value() / labels as f64),
        ]
    }

    /// Only the labels that a group has are counted and cleared again.
    fn evaluate_groups(
        &self,
        cell: &Images,
        codes: &[u32],
        groups: usize,
        scratch: &mut Vec<u32>,
    ) -> Vec<Vec<Option<f64>>> {
        let (places, ends) = super::places_by_group(codes, groups);
        let cell = self.resampled(cell);
        scratch.clear();
        scratch.resize(3 * cell.labels, 0);
        let mut start = 0;
        ends.into_iter()
            .map(|end| {
                let here = &places[std::mem::replace(&mut start, end)..end];
                let (mut sum, mut total) = (0.0, Tally::default());
                let hits = || {
                    let of_image = |at: &u32| {
                        let at = *at as usize;
                        &cell.hits[cell.ends[at]..cell.ends[at + 1]]
                    };
                    here.iter().flat_map(of_image)
                };
                for at in here {
                    let tally = cell.tally[*at as usize];
                    sum += cell.f2[*at as usize];
                    total.tp += tally.tp;
                    total.fn_ += tally.fn_;
                    total.fp += tally.fp;
                }
                for hit in hits() {
                    scratch[*hit as usize] += 1;
                }
                let (mut labels, mut by_label) = (0u64, Sum::default());
                for hit in hits() {
                    let label = (*hit as usize / 3) * 3;
                    let counts = &mut scratch[label..label + 3];
                    let tally = Tally {
                        tp: counts[0].into(),
                        fn_: counts[1].into(),
                        fp: counts[2].into(),
                    };
                    if let Some(f2) = tally.f2() {
                        labels += 1;
                        by_label.add(f2);
                    }
                    counts.fill(0);
                }
                vec![
                    (!here.is_empty()).then(|| sum / here.len() as f64),
                    total.f2(),
                    (labels > 0).then(|| by_label.value() / labels as f64),
                ]
            })
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The worked example of the contract: labels a to e as 0 to 4.
    pub(crate) fn example() -> MultiLabel {
        let mut form = MultiLabel::default();
        for (truth, answer) in [
            (vec![0, 1, 2], vec![4, 3, 1, 0, 0]),
            (vec![0], vec![0]),
            (vec![1], vec![]),
        ] {
            form.truth.push(&mut truth.clone());
            form.answer.push(&mut answer.clone());
        }
        form
    }

    #[test]
    fn the_worked_example_holds() {
        let form = example();
        assert_eq!([form.f2(0), form.f2(1), form.f2(2)], [0.625, 1.0, 0.0]);
        let cell = form.prepare(&[0, 1, 2]);
        for weights in [None, Some(&[1, 1, 1][..])] {
            let values = form.evaluate(&cell, weights, &mut Vec::new());
            assert!((values[0].unwrap() - 1.625 / 3.0).abs() < 1e-15);
            assert!((values[1].unwrap() - 0.6).abs() < 1e-15);
            assert!((values[2].unwrap() - (1.0 + 5.0 / 9.0) / 5.0).abs() < 1e-15);
        }
        assert!((form.evaluate(&cell, None, &mut Vec::new())[0].unwrap() - 0.541667).abs() < 5e-7);
    }

    #[test]
    fn neither_truth_nor_answer_scores_one() {
        let mut form = MultiLabel::default();
        form.truth.push(&mut vec![]);
        form.answer.push(&mut vec![]);
        form.truth.push(&mut vec![]);
        form.answer.push(&mut vec![7]);
        assert_eq!([form.f2(0), form.f2(1)], [1.0, 0.0]);
        let cell = form.prepare(&[0, 1]);
        let values = form.evaluate(&cell, None, &mut Vec::new());
        assert_eq!(values, [Some(0.5), Some(0.0), Some(0.0)]);
    }

    #[test]
    fn a_weight_counts_like_a_repeated_image() {
        let form = example();
        let weighted = form.evaluate(&form.prepare(&[0, 1, 2]), Some(&[2, 0, 1]), &mut Vec::new());
        let repeated = form.evaluate(&form.prepare(&[0, 0, 2]), None, &mut Vec::new());
        for (a, b) in weighted.iter().zip(&repeated) {
            assert!((a.unwrap() - b.unwrap()).abs() < 1e-15);
        }
    }

    #[test]
    fn groups_evaluated_together_are_what_they_are_alone() {
        let form = example();
        let cell = form.prepare(&[0, 1, 2]);
        let both = form.evaluate_groups(&cell, &[1, 0, 1], 2, &mut Vec::new());
        for (group, items) in [vec![1], vec![0, 2]].iter().enumerate() {
            let alone = form.evaluate(&form.prepare(items), None, &mut Vec::new());
            for (a, b) in both[group].iter().zip(&alone) {
                assert!((a.unwrap() - b.unwrap()).abs() < 1e-15);
            }
        }
        let none = form.evaluate_groups(&cell, &[5, 5, 5], 1, &mut Vec::new());
        assert_eq!(none, [[None, None, None]]);
    }

    #[test]
    fn a_constant_answer_is_scored_on_the_truth() {
        let form = example();
        // {a,b,c} 5/(5+8), {a} 1, {b} 0 against {a}
        let value = form.constant_f2(&[0, 1, 2], &[0])[0].unwrap();
        assert!((value - (5.0 / 13.0 + 1.0) / 3.0).abs() < 1e-15);
        assert_eq!(form.constant_f2(&[], &[0]), [None]);
    }
}
