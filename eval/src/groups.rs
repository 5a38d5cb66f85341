//! Groups: columns of the items, and crossings of up to three of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use fairframe_schemas::report::{
    Cell, Estimate, Grouping, Interval, IntervalMethod, UNKNOWN_GROUP, Verdict,
};
use rayon::prelude::*;

use crate::codes::Codes;
use crate::intervals::{Resampling, bootstrap, cell_key, wilson};
use crate::metrics::{Asked, EvaluateCells, Form, Found, Metric, Rests};
use crate::names::{Names, renumbered};
use crate::parts::parts;

/// Most columns that may be crossed.
pub const MAX_CROSSED: usize = 3;

/// One column of group values, a code per item.
#[derive(Debug, Clone)]
pub struct GroupColumn {
    pub name: String,
    /// Index into `values`, per item.
    pub codes: Arc<Codes>,
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
            .collect::<Vec<u32>>();
        Self::of(name, Arc::new(codes.into()), &names)
    }

    /// From numbers of names.
    pub(crate) fn of(name: &str, codes: Arc<Codes>, names: &Names) -> Self {
        Self {
            name: name.to_owned(),
            codes,
            values: names.iter().map(str::to_owned).collect(),
        }
    }

    pub fn value(&self, item: usize) -> &str {
        &self.values[self.codes.get(item) as usize]
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

/// Crossings of at most so many are numbered by a table.
const TABLE: usize = 1 << 20;

/// Items that have the same values in all of some columns.
struct Strata<'a> {
    columns: Vec<&'a GroupColumn>,
    /// The stratum of each item.
    codes: Codes,
    /// Of each stratum, its value in each column.
    values: Vec<Vec<u32>>,
}

impl<'a> Strata<'a> {
    /// None is empty.
    fn of(columns: &[&'a GroupColumn], items: usize) -> Self {
        let mut codes = Codes::of(items, 0, |_| 0);
        let mut values = vec![Vec::new(); items.min(1)];
        let mut left = match items {
            0 => &[],
            _ => columns,
        };
        while !left.is_empty() {
            // As many columns at once as a table can cross with what there is.
            let mut count = values.len();
            let within = |column: &&&GroupColumn| {
                count = count.saturating_mul(column.values.len());
                count <= TABLE
            };
            let n = left.iter().take_while(within).count();
            let here = left.split_off(..n.max(1)).unwrap_or_default();
            let keys: Vec<Vec<u32>>;
            (codes, keys) = match n {
                0 => crossed_by_hash(&codes, here[0]),
                _ => crossed_by_table(&codes, values.len(), here),
            };
            let with = |key: &Vec<u32>| -> Vec<u32> {
                let before: &Vec<u32> = &values[key[0] as usize];
                before.iter().chain(&key[1..]).copied().collect()
            };
            values = keys.iter().map(with).collect();
        }
        Self {
            columns: columns.to_vec(),
            codes,
            values,
        }
    }

    /// The cells of a grouping by some of the columns, in the order of their names, `unknown`
    /// last; and the cell of each stratum.
    fn cells(&self, grouping: &[&GroupColumn]) -> (Vec<Vec<String>>, Vec<u32>) {
        let place = |wanted: &&GroupColumn| {
            let mut columns = self.columns.iter();
            columns.position(|column| column.name == wanted.name)
        };
        let places: Vec<usize> = grouping.iter().filter_map(place).collect();
        let name = |stratum: &Vec<u32>| -> Vec<&str> {
            let value = |at: &usize| {
                let column = self.columns[*at];
                column.values[stratum[*at] as usize].as_str()
            };
            places.iter().map(value).collect()
        };
        let named: Vec<Vec<&str>> = self.values.iter().map(name).collect();
        let mut order: Vec<u32> = (0..named.len() as u32).collect();
        order.par_sort_by(|a, b| by_name(&named[*a as usize]).cmp(by_name(&named[*b as usize])));
        let (mut names, mut cells) = (Vec::new(), vec![0; named.len()]);
        let mut last = None;
        for stratum in order {
            let name = &named[stratum as usize];
            if last != Some(name) {
                last = Some(name);
                names.push(name.iter().map(|value| (*value).to_owned()).collect());
            }
            cells[stratum as usize] = names.len() as u32 - 1;
        }
        (names, cells)
    }
}

/// The cells of a grouping in the order of their names, `unknown` last, and the items of each.
pub(crate) fn cells_of(columns: &[&GroupColumn], items: usize) -> Vec<(Vec<String>, Vec<u32>)> {
    let strata = Strata::of(columns, items);
    let (names, cells) = strata.cells(columns);
    let items = items_of(&strata, &cells, names.len());
    names.into_iter().zip(items).collect()
}

fn items_of(strata: &Strata<'_>, cells: &[u32], count: usize) -> Vec<Vec<u32>> {
    let codes = strata.codes.renumbered(cells);
    let mut sizes = vec![0; count];
    codes.iter().for_each(|code| sizes[code as usize] += 1);
    let mut items: Vec<Vec<u32>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for (item, code) in (0..).zip(codes.iter()) {
        items[code as usize].push(item);
    }
    items
}

/// Numbers for what items are in columns and were before, of `count` kinds: of each item, and
/// what each stands for, first what it was before.
fn crossed_by_table(
    before: &Codes,
    count: usize,
    columns: &[&GroupColumn],
) -> (Codes, Vec<Vec<u32>>) {
    let widths: Vec<u32> = columns.iter().map(|c| c.values.len() as u32).collect();
    let all = count as u32 * widths.iter().product::<u32>();
    let keys = Codes::of(before.len(), all.saturating_sub(1), |item| {
        let with =
            |key: u32, (column, width): (&&GroupColumn, &u32)| key * width + column.codes.get(item);
        columns.iter().zip(&widths).fold(before.get(item), with)
    });
    let used = |items: Range<usize>| {
        let mut used = vec![false; all as usize];
        items.for_each(|item| used[keys.get(item) as usize] = true);
        used
    };
    let either = |mut a: Vec<bool>, b: Vec<bool>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a |= b);
        a
    };
    let used = parts(keys.len()).into_par_iter().map(used);
    let used = used.reduce(|| vec![false; all as usize], either);
    let (mut numbers, mut meaning) = (vec![0; all as usize], Vec::new());
    for key in (0..all).filter(|key| used[*key as usize]) {
        numbers[key as usize] = meaning.len() as u32;
        let mut rest = key;
        let mut value = |width: &u32| {
            let value = rest % width;
            rest /= width;
            value
        };
        let mut values: Vec<u32> = widths.iter().rev().map(&mut value).collect();
        values.push(rest);
        values.reverse();
        meaning.push(values);
    }
    (keys.renumbered(&numbers), meaning)
}

/// As [`crossed_by_table`], with one column of whatever many values.
fn crossed_by_hash(before: &Codes, column: &GroupColumn) -> (Codes, Vec<Vec<u32>>) {
    let pairs = before.iter().zip(column.codes.iter());
    let pairs = pairs.map(|(a, b)| u64::from(a) << 32 | u64::from(b));
    let (codes, pairs) = renumbered(pairs);
    let both = |pair: &u64| vec![(pair >> 32) as u32, *pair as u32];
    (codes.into(), pairs.iter().map(both).collect())
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
    pub clusters: Option<&'a Codes>,
}

/// One cell: every metric's estimate.
pub struct JudgedCell {
    pub group: Vec<String>,
    /// None where values alone were judged, all cells at once.
    pub items: Vec<u32>,
    pub estimates: Vec<Estimate>,
    /// Where a metric is read off at a threshold of its own, per metric.
    pub thresholds: Vec<Option<f64>>,
}

/// Judges the whole, and every cell of each grouping.
pub fn judge_all<F: Form>(
    form: &F,
    groupings: &[Vec<&GroupColumn>],
    judging: &Judging<'_>,
) -> (JudgedCell, Vec<Vec<JudgedCell>>) {
    let at_once = form.evaluate_cells();
    let Some(at_once) = at_once.filter(|_| judging.resampling.resamples == 0) else {
        let cell_by_cell = |columns: &Vec<_>| judge_groups(form, columns, judging);
        return rayon::join(
            || judge_overall(form, judging),
            || groupings.par_iter().map(cell_by_cell).collect(),
        );
    };
    // The whole is the one cell of a grouping by nothing.
    let whole = std::iter::once(Vec::new());
    let groupings: Vec<Vec<&GroupColumn>> = whole.chain(groupings.iter().cloned()).collect();
    let (mut left, mut judged) = (groupings.as_slice(), Vec::new());
    while !left.is_empty() {
        // As many groupings at once as a table can cross.
        let within = |n: &usize| crossings(&columns_of(&left[..*n])) <= TABLE;
        let n = (1..=left.len()).take_while(within).last();
        let here = left.split_off(..n.unwrap_or(1)).unwrap_or_default();
        judged.extend(match n {
            Some(_) => cells_at_once(form, at_once, here, judging),
            None => vec![judge_groups(form, &here[0], judging)],
        });
    }
    let overall = judged.remove(0).pop();
    (
        overall.unwrap_or_else(|| judge_overall(form, judging)),
        judged,
    )
}

/// The columns of some groupings, each once.
fn columns_of<'a>(groupings: &[Vec<&'a GroupColumn>]) -> Vec<&'a GroupColumn> {
    let mut columns: Vec<&GroupColumn> = Vec::new();
    for column in groupings.iter().flatten() {
        if columns.iter().all(|known| known.name != column.name) {
            columns.push(column);
        }
    }
    columns
}

/// How many strata there may be.
fn crossings(columns: &[&GroupColumn]) -> usize {
    let all = |all: usize, column: &&GroupColumn| all.saturating_mul(column.values.len());
    columns.iter().fold(1, all)
}

/// The values of all cells of some groupings at once.
fn cells_at_once<F: Form>(
    form: &F,
    evaluate_cells: EvaluateCells<F>,
    groupings: &[Vec<&GroupColumn>],
    judging: &Judging<'_>,
) -> Vec<Vec<JudgedCell>> {
    let columns = columns_of(groupings);
    let strata = Strata::of(&columns, form.len());
    let counted = Counted::of(form, &strata, judging.clusters);
    let (mut asked, mut cells) = (Vec::new(), Vec::new());
    for columns in groupings {
        let min_n = if columns.is_empty() { 1 } else { judging.min_n };
        let (names, of_strata) = strata.cells(columns);
        let counts = counted.of_cells(&of_strata, names.len());
        let size = |counts: &Denominators| {
            let shown = counts.enough(Rests::OnItems, min_n);
            shown.then_some((counts.items, counts.positives.unwrap_or_default()))
        };
        asked.push(Asked {
            cells: of_strata,
            sizes: counts.iter().map(size).collect(),
        });
        cells.push((names, counts, min_n));
    }
    let found = evaluate_cells(form, &strata.codes, &asked);
    let metrics = form.metrics();
    let judge = |((group, counts), found): ((_, Denominators), Option<Found>), min_n| {
        let none = || vec![None; metrics.len()];
        let (values, thresholds) = match found {
            Some(found) => (found.values, found.thresholds),
            None => (none(), none()),
        };
        let estimates = metrics.iter().zip(values).map(|(metric, value)| {
            let enough = counts.enough(metric.rests, min_n);
            let own = counts.own_interval(metric, value, judging);
            counts.estimate(metric.rests, value, own, enough)
        });
        JudgedCell {
            estimates: estimates.collect(),
            group,
            items: Vec::new(),
            thresholds,
        }
    };
    let judged = cells.into_iter().zip(found);
    judged
        .map(|((names, counts, min_n), found)| {
            let cells = names.into_iter().zip(counts).zip(found);
            cells.map(|cell| judge(cell, min_n)).collect()
        })
        .collect()
}

/// Judges the whole. It is never suppressed: it shows no smaller group.
fn judge_overall<F: Form>(form: &F, judging: &Judging<'_>) -> JudgedCell {
    let items = (0..form.len() as u32).collect();
    let strata = Strata::of(&[], form.len());
    let counted = Counted::of(form, &strata, judging.clusters);
    let counts = counted.of_cells(&[0], 1);
    judge(form, &[], Vec::new(), items, &counts[0], judging, 1)
}

/// Judges every cell of a grouping.
pub fn judge_groups<F: Form>(
    form: &F,
    columns: &[&GroupColumn],
    judging: &Judging<'_>,
) -> Vec<JudgedCell> {
    let column_names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let strata = Strata::of(columns, form.len());
    let (names, cells) = strata.cells(columns);
    let counted = Counted::of(form, &strata, judging.clusters);
    let counts = counted.of_cells(&cells, names.len());
    let items = items_of(&strata, &cells, names.len());
    let cells = names.into_par_iter().zip(items).zip(counts);
    let min_n = judging.min_n;
    let judge = |((group, items), counts)| {
        judge(form, &column_names, group, items, &counts, judging, min_n)
    };
    cells.map(judge).collect()
}

fn judge<F: Form>(
    form: &F,
    columns: &[String],
    group: Vec<String>,
    items: Vec<u32>,
    counts: &Denominators,
    judging: &Judging<'_>,
    min_n: u64,
) -> JudgedCell {
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
                let own = counts.own_interval(metric, value, judging);
                counts.estimate(metric.rests, value, own.or(resampled), enough)
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
pub(crate) fn local_clusters(order: &[u32], clusters: &Codes) -> Vec<u32> {
    let of = |item: &u32| u64::from(clusters.get(*item as usize));
    renumbered(order.iter().map(of)).0
}

/// Items of each class in each stratum, and which clusters they are of.
struct Counted {
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
    fn of<F: Form>(form: &F, strata: &Strata<'_>, clusters: Option<&Codes>) -> Self {
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
        let parts: Vec<_> = parts.into_par_iter().map(count).collect();
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
    fn of_cells(&self, cells: &[u32], count: usize) -> Vec<Denominators> {
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
struct Denominators {
    items: u64,
    positives: Option<u64>,
    negatives: Option<u64>,
    /// Clusters with any item, with a positive, with a negative.
    clusters: Option<[u64; 3]>,
}

impl Denominators {
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

    /// Wilson's, of a share of independent items.
    fn own_interval(
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

    fn judging(min_n: u64, clusters: Option<&Codes>) -> Judging<'_> {
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
        let clusters = Codes::of(300, 2, |at| at as u32 / 100);
        let column = GroupColumn::new("g", (0..300).map(|_| Some("all")));
        let judged = judge_groups(&form(300), &[&column], &judging(30, Some(&clusters)));
        assert_eq!(verdict(&judged[0], "accuracy"), Verdict::InsufficientData);
        assert_eq!(judged[0].estimates[2].denominators["clusters"], 3);
    }

    /// A column of so many values, each on `run` items together.
    fn column(name: &str, n: usize, values: usize, run: usize) -> GroupColumn {
        let names: Vec<String> = (0..values).map(|value| format!("{name}{value}")).collect();
        let value = |at: usize| names.get(at / run * 7 % (values + 1)).map(String::as_str);
        GroupColumn::new(name, (0..n).map(value))
    }

    #[test]
    fn all_cells_at_once_are_as_cell_by_cell() {
        let n = 40_000;
        let [few, many, ids] = [("few", 3, 40), ("many", 400, 1), ("ids", 9_000, 4)]
            .map(|(name, values, run)| column(name, n, values, run));
        let groupings = [vec![&few], vec![&many, &few], vec![&ids, &many], vec![&ids]];
        let clusters = Codes::of(n, n as u32, |at| (at / 20 * 13 % 1_999) as u32);
        // Of single and of double precision, many alike.
        for divisor in [256.0, 255.0] {
            let scored = |at: usize| Scored {
                score: (at * 7_919 % 257) as f64 / divisor % 1.0,
                fake: at * 31 % 5 < 2 && at % 800 > 40,
            };
            let form = Detection {
                items: (0..n).map(scored).collect(),
                options: Options::default(),
            };
            for clusters in [None, Some(&clusters)] {
                let mut judging = judging(30, clusters);
                judging.resampling.resamples = 0;
                let (overall, cells) = judge_all(&form, &groupings, &judging);
                let same = |one: &JudgedCell, other: &JudgedCell| {
                    assert_eq!(one.group, other.group);
                    assert_eq!(one.estimates, other.estimates);
                    assert_eq!(one.thresholds, other.thresholds);
                };
                same(&overall, &judge_overall(&form, &judging));
                let mut shown = 0;
                for (grouping, cells) in groupings.iter().zip(&cells) {
                    let wanted = judge_groups(&form, grouping, &judging);
                    assert_eq!(cells.len(), wanted.len());
                    cells
                        .iter()
                        .zip(&wanted)
                        .for_each(|(one, other)| same(one, other));
                    let verdicts = cells.iter().map(|cell| verdict(cell, "auc"));
                    shown += verdicts.filter(|v| *v == Verdict::Shown).count();
                }
                assert!(shown > 3, "{shown}");
            }
        }
    }

    #[test]
    fn nothing_has_no_cells() {
        let empty = column("g", 0, 3, 1);
        let mut judging = judging(30, None);
        for resamples in [0, 50] {
            judging.resampling.resamples = resamples;
            let (overall, cells) = judge_all(&form(0), &[vec![&empty]], &judging);
            assert_eq!(verdict(&overall, "accuracy"), Verdict::Undefined);
            assert_eq!(cells[0].len(), 0);
        }
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
