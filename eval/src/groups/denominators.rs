//! What the metrics of a cell divide by, and what is said where that is too little.

use std::collections::BTreeMap;
use std::ops::Range;

use fairframe_schemas::report::{Estimate, Interval, IntervalMethod, Verdict};
use rayon::prelude::*;

use super::Judging;
use super::strata::Strata;
use crate::codes::Codes;
use crate::intervals::wilson;
use crate::metrics::{Form, Metric, Rests};
use crate::parts::{each, parts};

/// Items of each class in each stratum, and which clusters they are of.
pub(super) struct Counted {
    strata: Vec<[u64; 3]>,
    /// Distinct [keys](CELL), sorted.
    clusters: Option<Vec<u64>>,
}

/// Bits of a key: the class of an item, then its cluster, then its stratum or cell.
const NEGATIVE: u64 = 1;
const POSITIVE: u64 = 2;
const CLUSTER: u32 = 2;
const CELL: u32 = CLUSTER + u32::BITS;

impl Counted {
    pub(super) fn of<F: Form>(form: &F, strata: &Strata<'_>, clusters: Option<&Codes>) -> Self {
        let count = |items: Range<usize>| {
            let (mut counts, mut seen) = (vec![[0u32; 3]; strata.values.len()], Vec::new());
            let mut last = None;
            for item in items {
                let stratum = strata.codes.get(item);
                let class = match form.positive(item as u32) {
                    Some(true) => POSITIVE,
                    Some(false) => NEGATIVE,
                    None => 0,
                };
                counts[stratum as usize][class as usize] += 1;
                if let Some(clusters) = clusters {
                    let cluster = u64::from(clusters.get(item));
                    let key = u64::from(stratum) << CELL | cluster << CLUSTER | class;
                    if last != Some(key) {
                        last = Some(key);
                        seen.push(key);
                    }
                }
            }
            (counts, seen)
        };
        let mut parts = parts(form.len());
        // Each part has counts of its own: of many strata there is one part.
        if strata.values.len() * parts.len() > form.len() {
            parts = std::iter::once(0..form.len()).collect();
        }
        let parts = each(parts, count);
        let mut all = vec![[0; 3]; strata.values.len()];
        let mut seen = Vec::new();
        for (counts, here) in parts {
            for (all, counts) in all.iter_mut().flatten().zip(counts.iter().flatten()) {
                *all += u64::from(*counts);
            }
            seen.extend(here);
        }
        Self {
            strata: all,
            clusters: clusters.map(|_| distinct(seen)),
        }
    }

    /// What the cells divide by; `cells` has the cell of each stratum.
    pub(super) fn of_cells(&self, cells: &[u32], count: usize) -> Vec<Denominators> {
        let mut counts = vec![[0; 3]; count];
        for (cell, stratum) in cells.iter().zip(&self.strata) {
            let counts = counts[*cell as usize].iter_mut();
            counts.zip(stratum).for_each(|(all, n)| *all += n);
        }
        let clusters = self.clusters.as_ref().map(|keys| {
            let of_cell = |key: &u64| {
                let cell = cells[(key >> CELL) as usize];
                u64::from(cell) << CELL | key & !(!0 << CELL)
            };
            clusters_of_cells(distinct(keys.iter().map(of_cell).collect()), count)
        });
        let of_cell = |(cell, classes): (usize, [u64; 3])| {
            let items: u64 = classes.iter().sum();
            let [negatives, positives] = [NEGATIVE, POSITIVE].map(|class| classes[class as usize]);
            let has_classes = positives + negatives > 0;
            Denominators {
                items,
                positives: has_classes.then_some(positives),
                // What has no class is not of the positive one.
                negatives: has_classes.then_some(items - positives),
                clusters: clusters.as_ref().map(|clusters| clusters[cell]),
            }
        };
        counts.into_iter().enumerate().map(of_cell).collect()
    }
}

fn distinct(mut keys: Vec<u64>) -> Vec<u64> {
    keys.par_sort_unstable();
    keys.dedup();
    keys
}

/// How many of each cell's clusters there are: with any item, with a positive, with a negative.
fn clusters_of_cells(keys: Vec<u64>, cells: usize) -> Vec<[u64; 3]> {
    let mut found = vec![[0; 3]; cells];
    let mut last = None;
    for key in keys {
        let [any, positive, negative] = &mut found[(key >> CELL) as usize];
        if last != Some(key >> CLUSTER) {
            last = Some(key >> CLUSTER);
            *any += 1;
        }
        match key & !(!0 << CLUSTER) {
            POSITIVE => *positive += 1,
            NEGATIVE => *negative += 1,
            _ => {}
        }
    }
    found
}

/// What the metrics of a cell divide by.
pub(super) struct Denominators {
    pub(super) items: u64,
    pub(super) positives: Option<u64>,
    negatives: Option<u64>,
    /// Clusters with any item, with a positive, with a negative.
    clusters: Option<[u64; 3]>,
}

impl Denominators {
    /// Items and clusters both must reach the minimum: a hundred frames of
    /// one video are one observation.
    pub(super) fn enough(&self, rests: Rests, min_n: u64) -> bool {
        let class = |n: Option<u64>, cluster: usize| {
            n.is_none_or(|n| n >= min_n) && self.clusters.is_none_or(|c| c[cluster] >= min_n)
        };
        match rests {
            Rests::OnItems => class(Some(self.items), 0),
            Rests::OnPositives => class(self.positives, 1),
            Rests::OnNegatives => class(self.negatives, 2),
            Rests::OnBoth => class(self.positives, 1) && class(self.negatives, 2),
        }
    }

    /// Wilson's, of a share of independent items.
    pub(super) fn own_interval(
        &self,
        metric: &Metric,
        value: Option<f64>,
        judging: &Judging<'_>,
    ) -> Option<Interval> {
        let own = metric.proportion && judging.clusters.is_none();
        let value = value.filter(|_| own)?;
        self.wilson(metric.rests, value, judging.resampling.level)
    }

    fn wilson(&self, rests: Rests, value: f64, level: f64) -> Option<Interval> {
        let n = match rests {
            Rests::OnPositives => self.positives?,
            Rests::OnNegatives => self.negatives?,
            Rests::OnItems | Rests::OnBoth => self.items,
        };
        let (low, high) = wilson((value * n as f64).round(), n, level)?;
        Some(Interval {
            method: IntervalMethod::Wilson,
            level,
            low,
            high,
            undefined_resamples: 0,
        })
    }

    pub(super) fn estimate(
        &self,
        rests: Rests,
        value: Option<f64>,
        interval: Option<Interval>,
        enough: bool,
    ) -> Estimate {
        let mut denominators = BTreeMap::new();
        let mut put = |name: &str, n: Option<u64>| {
            if let Some(n) = n {
                denominators.insert(name.to_owned(), n);
            }
        };
        let cluster = |at: usize| self.clusters.map(|clusters| clusters[at]);
        match rests {
            Rests::OnItems => {
                put("items", Some(self.items));
                put("clusters", cluster(0));
            }
            Rests::OnPositives => {
                put("positives", self.positives);
                put("positive_clusters", cluster(1));
            }
            Rests::OnNegatives => {
                put("negatives", self.negatives);
                put("negative_clusters", cluster(2));
            }
            Rests::OnBoth => {
                put("positives", self.positives);
                put("negatives", self.negatives);
                put("positive_clusters", cluster(1));
                put("negative_clusters", cluster(2));
            }
        }
        // A class that is wholly absent makes a metric undefined whatever n
        // is wanted; a small one makes it insufficient.
        let absent = match rests {
            Rests::OnItems => self.items == 0,
            Rests::OnPositives => self.positives == Some(0),
            Rests::OnNegatives => self.negatives == Some(0),
            Rests::OnBoth => self.positives == Some(0) || self.negatives == Some(0),
        };
        let verdict = match value {
            _ if absent => Verdict::Undefined,
            _ if !enough => Verdict::InsufficientData,
            None => Verdict::Undefined,
            Some(_) => Verdict::Shown,
        };
        let shown = verdict == Verdict::Shown;
        Estimate {
            n: self.items,
            denominators,
            value: value.filter(|_| shown),
            interval: interval.filter(|_| shown),
            verdict,
        }
    }
}
