//! Groups: columns of the items, and crossings of up to three of them.

mod denominators;
mod strata;

use std::sync::Arc;

use fairframe_schemas::report::{Cell, Estimate, Grouping, UNKNOWN_GROUP};

use self::denominators::{Counted, Denominators};
pub(crate) use self::strata::cells_of;
use self::strata::{Strata, TABLE, columns_of, crossings, items_of};
use crate::codes::Codes;
use crate::intervals::{Resampling, bootstrap, cell_key};
use crate::metrics::{Asked, EvaluateCells, Form, Found, Rests};
use crate::names::{Names, renumbered};
use crate::parts::{each, mapped};

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
        // The whole first: it is the most work.
        let mut judged = mapped(1 + groupings.len(), |at| match at.checked_sub(1) {
            None => vec![judge_overall(form, judging)],
            Some(at) => judge_groups(form, &groupings[at], judging),
        });
        return (judged.remove(0).remove(0), judged);
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
    let cells = names.into_iter().zip(items).zip(counts).collect();
    let min_n = judging.min_n;
    let judge = |((group, items), counts)| {
        judge(form, &column_names, group, items, &counts, judging, min_n)
    };
    each(cells, judge)
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
    use fairframe_schemas::report::Verdict;

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
