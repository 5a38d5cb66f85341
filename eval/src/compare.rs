//! Two submissions on the same items: a paired bootstrap of the difference
//! (Efron and Tibshirani 1993), and McNemar's test (1947) of right answers.

use std::path::Path;
use std::sync::Arc;

use fairframe_schemas::comparison::{
    COMPARISON_VERSION, Compared, ComparedCell, ComparedGrouping, Comparison, McNemar,
    MetricComparison,
};
use fairframe_schemas::report::{
    Estimate, Input, InputRole, Interval, IntervalMethod, Level, MetricReport, Verdict,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

use crate::codes::Codes;
use crate::evaluate::{EvalError, Evaluation, evaluate_keeping};
use crate::groups::{GroupColumn, cells_of, local_clusters};
use crate::intervals::{below, cell_key, normal_cdf, quantile};
use crate::join::Identity;
use crate::metrics::{Form, Metric};
use crate::options::EvalOptions;

/// Under so many items that only one has right the test is exact.
const EXACT_UNDER: u64 = 25;
/// Resamples per generator stream.
const BLOCK: u32 = 25;

/// One level of a submission's items, kept to be held against another's, or to
/// be judged further: only what is in it is behind the report's values.
pub struct Side {
    pub level: Level,
    pub identity: Identity,
    pub columns: Vec<GroupColumn>,
    pub clusters: Option<Arc<Codes>>,
    pub form: Box<dyn Kept>,
}

/// A [`Form`] of any kind.
pub trait Kept: Send + Sync {
    fn metrics(&self) -> &[Metric];
    fn prepare<'a>(&'a self, items: &[u32]) -> Box<dyn Prepared + 'a>;
    fn right(&self, item: u32) -> Option<bool>;
    /// See [`Form::part`].
    fn part(&self, metric: usize, item: u32) -> Option<f64>;
}

/// A cell of any kind.
pub trait Prepared: Sync {
    /// The items in the order their weights are given.
    fn order(&self) -> &[u32];
    /// One value per metric, each item counted `weights[i]` times, or once.
    fn evaluate(&self, weights: Option<&[u32]>) -> Vec<Option<f64>>;
}

struct Cell<'a, F: Form>(&'a F, F::Cell);

impl<F: Form> Prepared for Cell<'_, F> {
    fn order(&self) -> &[u32] {
        F::order(&self.1)
    }

    fn evaluate(&self, weights: Option<&[u32]>) -> Vec<Option<f64>> {
        self.0
            .evaluate(&self.1, weights, &mut F::Scratch::default())
    }
}

impl<F: Form + Send> Kept for F {
    fn metrics(&self) -> &[Metric] {
        Form::metrics(self)
    }

    fn part(&self, metric: usize, item: u32) -> Option<f64> {
        Form::part(self, metric, item)
    }

    fn prepare<'a>(&'a self, items: &[u32]) -> Box<dyn Prepared + 'a> {
        Box::new(Cell(self, Form::prepare(self, items)))
    }

    fn right(&self, item: u32) -> Option<bool> {
        Form::right(self, item)
    }
}

/// Evaluates both submissions and holds the first against the second, by all metrics; no
/// comparison where one of them was refused.
pub fn compare(
    options: &EvalOptions,
    against: &Path,
) -> Result<(Evaluation, Evaluation, Option<Comparison>), EvalError> {
    let options = &EvalOptions {
        metrics: Vec::new(),
        ..options.clone()
    };
    let other = EvalOptions {
        submission: against.to_owned(),
        ..options.clone()
    };
    let (a, a_sides) = evaluate_keeping(options)?;
    let (b, b_sides) = evaluate_keeping(&other)?;
    if a.report.refused() || b.report.refused() {
        return Ok((a, b, None));
    }
    let mut notes = Vec::new();
    let mut metrics = Vec::new();
    for (side, rival) in a_sides.iter().zip(&b_sides) {
        let same = side.level == rival.level && side.identity.same_items(&rival.identity);
        if !same {
            notes.push(format!(
                "The two submissions do not answer the same items at {} level: it is not compared.",
                side.level.as_str()
            ));
            continue;
        }
        metrics.extend(level(options, side, rival, [&a, &b]));
    }
    let clustered = a_sides.iter().any(|side| side.clusters.is_some());
    if clustered {
        notes.push(
            "Clusters are resampled whole; McNemar's test, which wants independent items, is not made where there are any."
                .to_owned(),
        );
    }
    let input = |evaluation: &Evaluation| -> Option<Input> {
        let mut inputs = evaluation.report.inputs.iter();
        inputs
            .find(|input| input.role == InputRole::Submission)
            .cloned()
    };
    let comparison = input(&a).zip(input(&b)).map(|(first, second)| Comparison {
        comparison_version: COMPARISON_VERSION,
        fairframe: a.report.fairframe.clone(),
        task_form: a.report.task_form,
        settings: a.report.settings.clone(),
        a: first,
        b: second,
        metrics,
        notes,
    });
    Ok((a, b, comparison))
}

/// Every metric of one level.
fn level(
    options: &EvalOptions,
    side: &Side,
    rival: &Side,
    [a, b]: [&Evaluation; 2],
) -> Vec<MetricComparison> {
    let of_level = |evaluation: &Evaluation| -> Vec<MetricReport> {
        let metrics = evaluation.report.metrics.iter();
        metrics.filter(|m| m.level == side.level).cloned().collect()
    };
    let (ours, theirs) = (of_level(a), of_level(b));
    let all: Vec<u32> = (0..side.identity.len() as u32).collect();
    let estimates = |metrics: &[MetricReport]| -> Vec<Estimate> {
        metrics.iter().map(|m| m.overall.clone()).collect()
    };
    let names: Vec<&str> = ours.iter().map(|m| m.metric.as_str()).collect();
    let judge =
        |items: &[u32], columns: &[String], group: &[String], estimates: [Vec<Estimate>; 2]| {
            cell(
                options, side, rival, &names, items, columns, group, estimates,
            )
        };
    let overall = judge(&all, &[], &[], [estimates(&ours), estimates(&theirs)]);
    let mut found: Vec<MetricComparison> = ours
        .iter()
        .zip(overall)
        .map(|(metric, overall)| MetricComparison {
            metric: metric.metric.clone(),
            title: metric.title.clone(),
            level: metric.level,
            higher_is_better: metric.higher_is_better,
            overall,
            by_group: Vec::new(),
        })
        .collect();
    let groupings = ours.first().map_or(&[][..], |metric| &metric.by_group);
    for (at, grouping) in groupings.iter().enumerate() {
        let column = |name: &String| side.columns.iter().find(|column| column.name == *name);
        let crossed: Vec<&GroupColumn> = grouping.columns.iter().filter_map(column).collect();
        let cells = cells_of(&crossed, all.len());
        let compared: Vec<Vec<Compared>> = cells
            .par_iter()
            .enumerate()
            .map(|(place, (group, items))| {
                let of = |metrics: &[MetricReport]| -> Vec<Estimate> {
                    let cells = metrics.iter().map(|m| &m.by_group[at].cells[place]);
                    cells.map(|cell| cell.estimate.clone()).collect()
                };
                judge(items, &grouping.columns, group, [of(&ours), of(&theirs)])
            })
            .collect();
        for (metric, found) in found.iter_mut().enumerate() {
            let cells = cells.iter().zip(&compared);
            found.by_group.push(ComparedGrouping {
                columns: grouping.columns.clone(),
                cells: cells
                    .map(|((group, _), compared)| ComparedCell {
                        group: group.clone(),
                        compared: compared[metric].clone(),
                    })
                    .collect(),
            });
        }
    }
    found
}

#[allow(clippy::too_many_arguments)]
fn cell(
    options: &EvalOptions,
    side: &Side,
    rival: &Side,
    names: &[&str],
    items: &[u32],
    columns: &[String],
    group: &[String],
    [ours, theirs]: [Vec<Estimate>; 2],
) -> Vec<Compared> {
    let shown =
        |at: usize| ours[at].verdict == Verdict::Shown && theirs[at].verdict == Verdict::Shown;
    let intervals = match (0..names.len()).any(shown) && !options.values_only {
        true => paired(options, side, rival, items, columns, group),
        false => vec![None; names.len()],
    };
    let right = |side: &Side| -> Option<Vec<bool>> {
        items.iter().map(|item| side.form.right(*item)).collect()
    };
    let tested = match side.clusters {
        None => right(side).zip(right(rival)),
        Some(_) => None,
    };
    intervals
        .into_iter()
        .enumerate()
        .map(|(at, interval)| {
            let (a, b) = (&ours[at], &theirs[at]);
            let verdict = match (a.verdict, b.verdict) {
                (Verdict::Shown, other) => other,
                (other, _) => other,
            };
            let difference = a.value.zip(b.value).map(|(a, b)| a - b);
            // The share of right answers, by the name it has in the form.
            let share = matches!(names[at], "accuracy" | "top_1");
            Compared {
                n: a.n,
                a: a.value,
                b: b.value,
                difference,
                interval: interval.filter(|_| difference.is_some()),
                verdict,
                mcnemar: tested
                    .as_ref()
                    .filter(|_| share && difference.is_some())
                    .map(|(a, b)| mcnemar(a, b)),
            }
        })
        .collect()
}

/// Percentile interval of each metric's difference over resamples that both
/// submissions share.
fn paired(
    options: &EvalOptions,
    side: &Side,
    rival: &Side,
    items: &[u32],
    columns: &[String],
    group: &[String],
) -> Vec<Option<Interval>> {
    let units_of: Vec<u32> = match &side.clusters {
        Some(clusters) => local_clusters(items, clusters),
        None => (0..items.len() as u32).collect(),
    };
    let units = units_of.iter().max().map_or(0, |last| last + 1);
    let (a, b) = (side.form.prepare(items), rival.form.prepare(items));
    // The unit of each place of either order; items are sorted.
    let placed = |cell: &dyn Prepared| -> Vec<u32> {
        let at = |item: &u32| items.binary_search(item).unwrap_or_default();
        cell.order().iter().map(|item| units_of[at(item)]).collect()
    };
    let (a_units, b_units) = (placed(a.as_ref()), placed(b.as_ref()));
    let name = format!("paired {}", side.level.as_str());
    let key = cell_key(options.seed, &name, columns, group);
    let differences: Vec<Vec<Option<f64>>> = (0..options.resamples.div_ceil(BLOCK))
        .into_par_iter()
        .flat_map_iter(|block| {
            let mut rng = ChaCha8Rng::from_seed(key);
            rng.set_stream(block.into());
            let here = BLOCK.min(options.resamples - block * BLOCK);
            let mut counts = vec![0u32; units as usize];
            (0..here)
                .map(|_| {
                    counts.fill(0);
                    for _ in 0..units {
                        counts[below(&mut rng, units) as usize] += 1;
                    }
                    let values = |cell: &dyn Prepared, units: &[u32]| {
                        let weights: Vec<u32> =
                            units.iter().map(|unit| counts[*unit as usize]).collect();
                        cell.evaluate(Some(&weights))
                    };
                    let (a, b) = (values(a.as_ref(), &a_units), values(b.as_ref(), &b_units));
                    let both = a.into_iter().zip(b);
                    both.map(|(a, b)| Some(a? - b?)).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let metrics = differences.first().map_or(0, Vec::len);
    let outside = (1.0 - options.interval_level) / 2.0;
    (0..metrics)
        .map(|metric| {
            let mut values: Vec<f64> = differences.iter().filter_map(|d| d[metric]).collect();
            values.sort_unstable_by(f64::total_cmp);
            Some(Interval {
                method: match side.clusters {
                    Some(_) => IntervalMethod::ClusterBootstrap,
                    None => IntervalMethod::Bootstrap,
                },
                level: options.interval_level,
                low: quantile(&values, outside)?,
                high: quantile(&values, 1.0 - outside)?,
                undefined_resamples: (differences.len() - values.len()) as u64,
            })
        })
        .collect()
}

/// McNemar's test of two lists of right answers to the same items: the exact
/// binomial under 25 discordant items, else chi square with the continuity
/// correction of Edwards (1948).
pub fn mcnemar(a: &[bool], b: &[bool]) -> McNemar {
    let both = || a.iter().zip(b);
    let only_a = both().filter(|(a, b)| **a && !**b).count() as u64;
    let only_b = both().filter(|(a, b)| !**a && **b).count() as u64;
    let n = only_a + only_b;
    if n < EXACT_UNDER {
        // 2 P(X <= least) of a fair coin, in whole numbers: n is small.
        let (mut ways, mut sum) = (1u64, 0u64);
        for k in 0..=only_a.min(only_b) {
            sum += ways;
            ways = ways * (n - k) / (k + 1);
        }
        let p = (2.0 * sum as f64 / (1u64 << n) as f64).min(1.0);
        return McNemar {
            only_a,
            only_b,
            chi_square: None,
            p,
        };
    }
    let apart = (only_a.abs_diff(only_b) as f64 - 1.0).max(0.0);
    let chi_square = apart * apart / n as f64;
    McNemar {
        only_a,
        only_b,
        chi_square: Some(chi_square),
        p: (2.0 * normal_cdf(-chi_square.sqrt())).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(only_a: usize, only_b: usize) -> McNemar {
        let mut a = vec![true; only_a];
        a.extend(vec![false; only_b]);
        a.extend([true, false]);
        let mut b: Vec<bool> = a.iter().map(|right| !right).collect();
        let n = b.len();
        b[n - 2..].copy_from_slice(&[true, false]);
        mcnemar(&a, &b)
    }

    /// Exact: `scipy.stats.binomtest(b, b + c).pvalue`; else
    /// `scipy.stats.chi2.sf((|b - c| - 1)^2 / (b + c), 1)`.
    #[test]
    fn mcnemar_as_scipy() {
        for (only_a, only_b, p) in [
            (0, 0, 1.0),
            (0, 5, 0.0625),
            (3, 9, 0.14599609375),
            (6, 6, 1.0),
            (20, 4, 0.001543879508972168),
            (121, 59, 5.450094825427117e-06),
            (13, 13, 1.0),
        ] {
            let found = test(only_a, only_b);
            assert_eq!((found.only_a, found.only_b), (only_a as u64, only_b as u64));
            assert!((found.p - p).abs() < 1e-12, "{only_a} {only_b}: {found:?}");
            assert_eq!(found.chi_square.is_some(), only_a + only_b >= 25);
        }
    }
}
