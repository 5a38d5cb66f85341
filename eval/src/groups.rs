//! Groups: columns of the items, and crossings of up to three of them.

use std::collections::BTreeMap;

use fairframe_schemas::report::{
    Cell, Estimate, Grouping, Interval, IntervalMethod, UNKNOWN_GROUP, Verdict,
};
use rayon::prelude::*;

use crate::intervals::{Resampling, bootstrap, cell_key, wilson};
use crate::metrics::{Form, Rests};
use crate::names::{Names, renumbered};

/// Most columns that may be crossed.
pub const MAX_CROSSED: usize = 3;

/// One column of group values, a code per item.
#[derive(Debug, Clone)]
pub struct GroupColumn {
    pub name: String,
    /// Index into `values`, per item.
    pub codes: Vec<u32>,
    pub values: Vec<String>,
}

/// The group of an item whose cell says so; `unknown` where it is empty.
pub(crate) fn group_name(cell: &str) -> &str {
    match cell.trim() {
        "" => UNKNOWN_GROUP,
        text => text,
    }
}

impl GroupColumn {
    /// Absent and empty values become `unknown`.
    pub fn new<'a>(name: &str, cells: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut names = Names::default();
        let codes = cells
            .map(|cell| names.code(group_name(cell.unwrap_or_default())))
            .collect();
        Self::of(name, codes, &names)
    }

    /// From numbers of names.
    pub(crate) fn of(name: &str, codes: Vec<u32>, names: &Names) -> Self {
        Self {
            name: name.to_owned(),
            codes,
            values: names.iter().map(str::to_owned).collect(),
        }
    }

    pub fn value(&self, item: usize) -> &str {
        &self.values[self.codes[item] as usize]
    }

    /// The code of what is not known, if there is any.
    pub(crate) fn unknown(&self) -> Option<u32> {
        let at = self
            .values
            .iter()
            .position(|value| value == UNKNOWN_GROUP)?;
        Some(at as u32)
    }
}

/// The cells of a grouping in the order of their names, `unknown` last.
pub(crate) fn cells_of(columns: &[&GroupColumn], items: usize) -> Vec<(Vec<String>, Vec<u32>)> {
    // Columns are crossed one by one: each item's code so far, and what each
    // code stands for.
    let mut codes = vec![0; items];
    let mut names: Vec<Vec<&str>> = vec![Vec::new()];
    for column in columns {
        let pairs = codes.iter().zip(&column.codes);
        let (next, keys) = renumbered(pairs.map(|(a, b)| u64::from(*a) << 32 | u64::from(*b)));
        let name = |key: &u64| {
            let mut name = names[(key >> 32) as usize].clone();
            name.push(&column.values[(key & 0xffff_ffff) as usize]);
            name
        };
        names = keys.iter().map(name).collect();
        codes = next;
    }
    let mut sizes = vec![0; names.len()];
    codes.iter().for_each(|code| sizes[*code as usize] += 1);
    let mut cells: Vec<Vec<u32>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for (item, code) in (0..).zip(&codes) {
        cells[*code as usize].push(item);
    }
    let mut cells: Vec<(Vec<&str>, Vec<u32>)> = names.into_iter().zip(cells).collect();
    cells.retain(|(_, items)| !items.is_empty());
    cells.sort_by(|(a, _), (b, _)| by_name(a).cmp(by_name(b)));
    let owned = |name: Vec<&str>| name.into_iter().map(str::to_owned).collect();
    cells
        .into_iter()
        .map(|(name, items)| (owned(name), items))
        .collect()
}

/// What a name is sorted by: `unknown` comes last.
fn by_name<'a>(name: &'a [&'a str]) -> impl Iterator<Item = (bool, &'a str)> {
    name.iter().map(|value| (*value == UNKNOWN_GROUP, *value))
}

/// How cells are judged.
#[derive(Debug, Clone, Copy)]
pub struct Judging<'a> {
    /// Smallest denominator of a cell that is shown.
    pub min_n: u64,
    pub resampling: Resampling,
    /// The level's name: part of the key of each cell's generator.
    pub level: &'a str,
    /// The cluster of each item; None where items are independent.
    pub clusters: Option<&'a [u32]>,
}

/// One cell: every metric's estimate.
pub struct JudgedCell {
    pub group: Vec<String>,
    pub items: Vec<u32>,
    pub estimates: Vec<Estimate>,
    /// Where a metric is read off at a threshold of its own, per metric.
    pub thresholds: Vec<Option<f64>>,
}

/// Judges the whole. It is never suppressed: it shows no smaller group.
pub fn judge_overall<F: Form>(form: &F, judging: &Judging<'_>) -> JudgedCell {
    let items = (0..form.len() as u32).collect();
    judge(form, &[], Vec::new(), items, judging, 1)
}

/// Judges every cell of a grouping.
pub fn judge_groups<F: Form>(
    form: &F,
    columns: &[&GroupColumn],
    judging: &Judging<'_>,
) -> Vec<JudgedCell> {
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    cells_of(columns, form.len())
        .into_par_iter()
        .map(|(group, items)| judge(form, &names, group, items, judging, judging.min_n))
        .collect()
}

fn judge<F: Form>(
    form: &F,
    columns: &[String],
    group: Vec<String>,
    items: Vec<u32>,
    judging: &Judging<'_>,
    min_n: u64,
) -> JudgedCell {
    let counts = Denominators::of(form, &items, judging.clusters);
    let metrics = form.metrics();
    if counts.enough(Rests::OnItems, min_n) {
        let cell = form.prepare(&items);
        let values = form.evaluate(&cell, None, &mut F::Scratch::default());
        let local = judging
            .clusters
            .filter(|_| judging.resampling.resamples > 0)
            .map(|clusters| local_clusters(F::order(&cell), clusters));
        let key = cell_key(judging.resampling.seed, judging.level, columns, &group);
        let intervals = bootstrap(form, &cell, local.as_deref(), key, &judging.resampling);
        let estimates = metrics
            .iter()
            .zip(values)
            .zip(intervals)
            .map(|((metric, value), resampled)| {
                let enough = counts.enough(metric.rests, min_n);
                let level = judging.resampling.level;
                let interval = match value {
                    Some(value) if metric.proportion && judging.clusters.is_none() => {
                        counts.wilson(metric.rests, value, level)
                    }
                    _ => resampled,
                };
                counts.estimate(metric.rests, value, interval, enough)
            })
            .collect();
        let threshold = |at| form.at_threshold(&cell, at);
        return JudgedCell {
            thresholds: (0..metrics.len()).map(threshold).collect(),
            group,
            items,
            estimates,
        };
    }
    let estimates = metrics
        .iter()
        .map(|metric| counts.estimate(metric.rests, None, None, false))
        .collect();
    JudgedCell {
        thresholds: vec![None; metrics.len()],
        group,
        items,
        estimates,
    }
}

/// Numbers the clusters of a cell's items from 0, in order of appearance.
pub(crate) fn local_clusters(order: &[u32], clusters: &[u32]) -> Vec<u32> {
    let of = |item: &u32| u64::from(clusters[*item as usize]);
    renumbered(order.iter().map(of)).0
}

/// Clusters with any item, with a positive, with a negative.
fn distinct_clusters<F: Form>(form: &F, items: &[u32], clusters: &[u32]) -> [u64; 3] {
    let of = |item: &u32| u64::from(clusters[*item as usize]);
    let (local, distinct) = renumbered(items.iter().map(of));
    // Bit 0: has a negative; bit 1: has a positive.
    let mut classes = vec![0u8; distinct.len()];
    for (item, cluster) in items.iter().zip(local) {
        if let Some(positive) = form.positive(*item) {
            classes[cluster as usize] |= 1 << u8::from(positive);
        }
    }
    let with = |bit: u8| classes.iter().filter(|class| *class & bit > 0).count() as u64;
    [distinct.len() as u64, with(2), with(1)]
}

/// What the metrics of a cell divide by.
struct Denominators {
    items: u64,
    positives: Option<u64>,
    negatives: Option<u64>,
    /// Clusters with any item, with a positive, with a negative.
    clusters: Option<[u64; 3]>,
}

impl Denominators {
    fn of<F: Form>(form: &F, items: &[u32], clusters: Option<&[u32]>) -> Self {
        let has_classes = items.iter().any(|item| form.positive(*item).is_some());
        let positives = items
            .iter()
            .filter(|item| form.positive(**item) == Some(true))
            .count() as u64;
        let all = items.len() as u64;
        Self {
            items: all,
            positives: has_classes.then_some(positives),
            negatives: has_classes.then_some(all - positives),
            clusters: clusters.map(|clusters| distinct_clusters(form, items, clusters)),
        }
    }

    /// Items and clusters both must reach the minimum: a hundred frames of
    /// one video are one observation.
    fn enough(&self, rests: Rests, min_n: u64) -> bool {
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

    fn estimate(
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

/// One metric's view of the judged cells; baselines are put in later.
pub fn grouping(columns: &[&GroupColumn], cells: &[JudgedCell], metric: usize) -> Grouping {
    Grouping {
        columns: columns.iter().map(|column| column.name.clone()).collect(),
        cells: cells
            .iter()
            .map(|cell| Cell {
                group: cell.group.clone(),
                estimate: cell.estimates[metric].clone(),
                baseline: None,
                beats_baseline: None,
            })
            .collect(),
        disparity: None,
        within: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::detection::{Detection, METRICS, Options, Scored};

    fn form(n: usize) -> Detection {
        Detection {
            items: (0..n)
                .map(|at| Scored {
                    score: at as f64 / n as f64,
                    fake: at % 3 == 0,
                })
                .collect(),
            options: Options::default(),
        }
    }

    fn judging(min_n: u64, clusters: Option<&[u32]>) -> Judging<'_> {
        Judging {
            min_n,
            resampling: Resampling {
                resamples: 50,
                seed: 0,
                level: 0.95,
                kind: Default::default(),
            },
            level: "sample",
            clusters,
        }
    }

    fn verdict(cell: &JudgedCell, metric: &str) -> Verdict {
        let at = METRICS.iter().position(|m| m.name == metric).unwrap();
        cell.estimates[at].verdict
    }

    #[test]
    fn unknown_is_a_group_and_stands_last() {
        let column = GroupColumn::new(
            "country",
            [Some("ZA"), None, Some(" "), Some("AR")].into_iter(),
        );
        let cells = cells_of(&[&column], 4);
        let names: Vec<_> = cells.iter().map(|(name, _)| name[0].as_str()).collect();
        assert_eq!(names, ["AR", "ZA", "unknown"]);
        assert_eq!(cells[2].1, [1, 2]);
    }

    #[test]
    fn counts_of_a_crossing_sum_to_the_whole() {
        let a = GroupColumn::new("a", (0..60).map(|i| Some(["x", "y"][i % 2])));
        let b = GroupColumn::new("b", (0..60).map(|i| (i % 3 != 0).then_some("z")));
        let cells = judge_groups(&form(60), &[&a, &b], &judging(30, None));
        assert_eq!(cells.len(), 4);
        assert_eq!(cells.iter().map(|c| c.items.len()).sum::<usize>(), 60);
    }

    #[test]
    fn a_small_class_suppresses_only_what_rests_on_it() {
        // 60 items, 20 of them fake.
        let cells = judge_groups(
            &form(60),
            &[&GroupColumn::new("g", (0..60).map(|_| Some("all")))],
            &judging(30, None),
        );
        assert_eq!(verdict(&cells[0], "accuracy"), Verdict::Shown);
        assert_eq!(verdict(&cells[0], "fpr"), Verdict::Shown);
        assert_eq!(verdict(&cells[0], "tpr"), Verdict::InsufficientData);
        assert_eq!(verdict(&cells[0], "auc"), Verdict::InsufficientData);
        let auc = &cells[0].estimates[4];
        assert_eq!((auc.value, auc.interval), (None, None));
        assert_eq!(auc.denominators["positives"], 20);
    }

    #[test]
    fn many_frames_of_few_videos_are_insufficient() {
        let clusters: Vec<u32> = (0..300).map(|at| at / 100).collect();
        let column = GroupColumn::new("g", (0..300).map(|_| Some("all")));
        let judged = judge_groups(&form(300), &[&column], &judging(30, Some(&clusters)));
        assert_eq!(verdict(&judged[0], "accuracy"), Verdict::InsufficientData);
        assert_eq!(judged[0].estimates[2].denominators["clusters"], 3);
    }

    #[test]
    fn a_cells_interval_does_not_depend_on_its_neighbours() {
        let form = form(120);
        let halves = GroupColumn::new("g", (0..120).map(|i| Some(if i < 60 { "a" } else { "b" })));
        let thirds = GroupColumn::new(
            "g",
            (0..120).map(|i| {
                Some(if i < 60 {
                    "a"
                } else if i < 90 {
                    "b"
                } else {
                    "c"
                })
            }),
        );
        let one = judge_groups(&form, &[&halves], &judging(1, None));
        let two = judge_groups(&form, &[&thirds], &judging(1, None));
        assert_eq!(one[0].estimates, two[0].estimates);
    }
}
