//! Multi-label: F2 as Inclusive Images asks, and its micro and macro forms.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::OnceLock;

use ahash::RandomState;
use rayon::prelude::*;

use super::{Form, Metric, Rests};
use crate::statistics::{MultiLabelState, Sum, Tally, for_each_label};

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
        self.append(list);
    }

    /// Appends a list as it is.
    pub(crate) fn append(&mut self, list: &[u32]) {
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

    /// Lists end to end.
    pub(crate) fn concat(parts: &[Self]) -> Self {
        let mut all = Self::default();
        all.labels
            .reserve(parts.iter().map(|part| part.labels.len()).sum());
        all.ends.reserve(parts.iter().map(Self::len).sum());
        for part in parts {
            let start = all.labels.len();
            all.labels.extend_from_slice(&part.labels);
            all.ends
                .extend(part.ends[1..].iter().map(|end| start + end));
        }
        all
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Truth and answers of the images that are scored, held against each other.
#[derive(Debug, Clone)]
pub struct MultiLabel {
    pub truth: Lists,
    pub answer: Lists,
    /// The tallies that there are, each once, and which of them an image has.
    tallies: Vec<Tally>,
    kinds: Vec<u32>,
    /// Per image `3 * label + hit`; where macro F2 is wanted.
    hits: Lists,
    labels: usize,
    /// Whether micro F2 is not wanted, and macro F2.
    without_micro: bool,
    without_macro: bool,
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

/// A part of the images, with tallies of its own.
#[derive(Default)]
struct Walked {
    tallies: Numbers<Tally>,
    kinds: Vec<u32>,
    hits: Lists,
}

/// Numbers for what is told apart by hashing, from 0 up.
struct Numbers<K>(HashMap<K, u32, RandomState>, Vec<K>);

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self(HashMap::default(), Vec::new())
    }
}

impl<K: Copy + Eq + Hash> Numbers<K> {
    fn of(&mut self, key: K) -> u32 {
        *self.0.entry(key).or_insert_with(|| {
            self.1.push(key);
            self.1.len() as u32 - 1
        })
    }
}

impl MultiLabel {
    /// From as many lists of truths as of answers.
    pub fn new(truth: Lists, answer: Lists, without_micro: bool, without_macro: bool) -> Self {
        let walk = |from: usize| {
            let mut found = Walked::default();
            let mut hits = Vec::new();
            for item in from..(from + CHUNK).min(truth.len()) {
                let mut tally = Tally::default();
                for_each_label(truth.get(item), answer.get(item), |label, hit| {
                    tally.merge(hit.tally());
                    if !without_macro {
                        hits.push(3 * label + hit as u32);
                    }
                });
                found.kinds.push(found.tallies.of(tally));
                found.hits.append(&hits);
                hits.clear();
            }
            found
        };
        let starts: Vec<usize> = (0..truth.len()).step_by(CHUNK).collect();
        let parts: Vec<Walked> = starts.into_par_iter().map(walk).collect();
        let mut tallies = Numbers::default();
        let (mut kinds, mut hits) = (Vec::with_capacity(truth.len()), Vec::new());
        for part in parts {
            let known: Vec<u32> = part.tallies.1.iter().map(|t| tallies.of(*t)).collect();
            kinds.extend(part.kinds.iter().map(|kind| known[*kind as usize]));
            hits.push(part.hits);
        }
        let hits = Lists::concat(&hits);
        Self {
            labels: hits
                .labels
                .par_iter()
                .max()
                .map_or(0, |hit| *hit as usize / 3 + 1),
            tallies: tallies.1,
            kinds,
            hits,
            truth,
            answer,
            without_micro,
            without_macro,
        }
    }

    /// F2 of one image.
    pub fn f2(&self, item: usize) -> f64 {
        self.tally(item).f2().unwrap_or(1.0)
    }

    fn tally(&self, item: usize) -> Tally {
        self.tallies[self.kinds[item] as usize]
    }

    /// What is counted of some images.
    fn state(&self, items: &[u32]) -> MultiLabelState {
        let mut images = vec![0u64; self.tallies.len()];
        let mut hits = vec![0u32; 3 * self.labels];
        for item in items {
            images[self.kinds[*item as usize] as usize] += 1;
            for hit in self.hits.get(*item as usize) {
                hits[*hit as usize] += 1;
            }
        }
        let mut state = MultiLabelState::default();
        let images = self.tallies.iter().zip(images);
        images.for_each(|(tally, n)| state.add_images(*tally, n));
        let (labels, _) = hits.as_chunks::<3>();
        let tally = |of: &[u32; 3]| {
            let [tp, fn_, fp] = of.map(u64::from);
            Tally { tp, fn_, fp }
        };
        state.labels = labels.iter().map(tally).collect();
        state
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
            let mut local = Numbers::default();
            for item in &cell.items {
                let at = *item as usize;
                found.f2.push(self.f2(at));
                found.tally.push(self.tally(at));
                let hits = self.hits.get(at).iter();
                found
                    .hits
                    .extend(hits.map(|hit| 3 * local.of(hit / 3) + hit % 3));
                found.ends.push(found.hits.len());
            }
            found.labels = local.1.len();
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
        // What counts of each tally, and the place of those that are the same.
        let kind = |tally: &Tally| match self.without_micro {
            true => (tally.f2().unwrap_or(1.0).to_bits(), Tally::default()),
            false => (0, *tally),
        };
        let mut same = Numbers::default();
        let same: Vec<u32> = self.tallies.iter().map(|t| same.of(kind(t))).collect();
        let mut places = vec![None; same.len()];
        let (mut items, mut counts) = (Vec::new(), Vec::new());
        for item in &cell.items {
            let kind = same[self.kinds[*item as usize] as usize];
            let place = *places[kind as usize].get_or_insert_with(|| {
                items.push(*item);
                counts.push(0);
                items.len() - 1
            });
            counts[place] += 1;
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
            let chunks = cell.items.par_chunks(CHUNK).map(|items| self.state(items));
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
        let all = [
            (vec![0, 1, 2], vec![4, 3, 1, 0, 0]),
            (vec![0], vec![0]),
            (vec![1], vec![]),
        ];
        images(&all, false)
    }

    pub(crate) fn images(all: &[(Vec<u32>, Vec<u32>)], without_macro: bool) -> MultiLabel {
        let (mut truths, mut answers) = <(Lists, Lists)>::default();
        for (truth, answer) in all {
            truths.push(&mut truth.clone());
            answers.push(&mut answer.clone());
        }
        MultiLabel::new(truths, answers, false, without_macro)
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
        let form = images(&[(vec![], vec![]), (vec![], vec![7])], false);
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
