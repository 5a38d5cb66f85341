//! The gap between groups by chance alone: group labels permuted over items,
//! or over the parts of clusters, and the gap measured again (Fisher 1935).

use std::collections::HashMap;

use fairframe_schemas::report::{GapNull, Verdict};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::codes::Codes;
use crate::groups::{JudgedCell, Judging};
use crate::intervals::{below, cell_key, quantile};
use crate::metrics::{Form, Rests};
use crate::parts::mapped;

/// A gap this little under the observed one is the same gap, rounded otherwise.
const SAME: f64 = 1e-12;

/// Permutations per generator stream.
const BLOCK: u32 = 25;

/// What moves as one, and among what it may move.
struct Units {
    /// The unit of each item, in the order of the cell.
    of_item: Vec<u32>,
    /// The group of each unit.
    labels: Vec<u32>,
    /// Units whose labels may be exchanged: all, or those of one class.
    strata: Vec<Vec<u32>>,
}

impl Units {
    /// `group` gives an item's group. A cluster that lies in several groups
    /// moves in as many parts.
    fn of<F: Form>(
        form: &F,
        order: &[u32],
        clusters: Option<&Codes>,
        group: &dyn Fn(u32) -> u32,
        by_class: bool,
    ) -> Self {
        let mut known: HashMap<(u32, u32), u32> = HashMap::new();
        let mut labels = Vec::new();
        // Bit 0: has a negative; bit 1: has a positive.
        let mut classes: Vec<u8> = Vec::new();
        let of_item = order
            .iter()
            .map(|item| {
                let label = group(*item);
                let next = labels.len() as u32;
                let unit = match clusters {
                    Some(clusters) => *known
                        .entry((clusters.get(*item as usize), label))
                        .or_insert(next),
                    None => next,
                };
                if unit == next {
                    labels.push(label);
                    classes.push(0);
                }
                if by_class {
                    let positive = form.positive(*item) == Some(true);
                    classes[unit as usize] |= 1 << u8::from(positive);
                }
                unit
            })
            .collect();
        let mut strata = vec![Vec::new(); 4];
        for (unit, class) in classes.iter().enumerate() {
            strata[usize::from(*class)].push(unit as u32);
        }
        strata.retain(|units| units.len() > 1);
        Self {
            of_item,
            labels,
            strata,
        }
    }

    /// Permutes the labels within each stratum (Fisher and Yates 1938).
    fn shuffle(&self, labels: &mut [u32], rng: &mut ChaCha8Rng) {
        labels.copy_from_slice(&self.labels);
        for units in &self.strata {
            for at in (1..units.len()).rev() {
                let other = below(rng, at as u32 + 1) as usize;
                labels.swap(units[at] as usize, units[other] as usize);
            }
        }
    }
}

/// The null of each metric's gap over the cells of one grouping; None where
/// fewer than two groups are shown.
///
/// Metrics that rest on a class permute labels within the classes: groups
/// keep their numbers of positives and negatives, and what is asked is
/// whether answers depend on the group among items of one truth.
pub fn nulls<F: Form>(
    form: &F,
    columns: &[String],
    cells: &[JudgedCell],
    judging: &Judging<'_>,
    permutations: u32,
) -> Vec<Option<GapNull>> {
    let metrics = form.metrics();
    let mut found = vec![None; metrics.len()];
    let shown = |cell: &JudgedCell, metric: usize| {
        let estimate = &cell.estimates[metric];
        (estimate.verdict == Verdict::Shown)
            .then_some(estimate.value)
            .flatten()
    };
    // Groups that no metric shows are only there to be exchanged with.
    let kept: Vec<&JudgedCell> = cells
        .iter()
        .filter(|cell| (0..metrics.len()).any(|metric| shown(cell, metric).is_some()))
        .collect();
    if permutations == 0 || kept.len() < 2 {
        return found;
    }
    let mut group_of: HashMap<u32, u32> = HashMap::new();
    for (code, cell) in kept.iter().enumerate() {
        group_of.extend(cell.items.iter().map(|item| (*item, code as u32)));
    }
    let none = kept.len() as u32;
    let group = |item: u32| group_of.get(&item).copied().unwrap_or(none);
    let mut items: Vec<u32> = cells.iter().flat_map(|c| c.items.iter().copied()).collect();
    items.sort_unstable();
    let whole = form.prepare(&items);
    for by_class in [false, true] {
        let wanted: Vec<(usize, Vec<bool>, f64)> = metrics
            .iter()
            .enumerate()
            .filter(|(_, metric)| (metric.rests != Rests::OnItems) == by_class)
            .filter_map(|(at, _)| {
                let values: Vec<Option<f64>> = kept.iter().map(|cell| shown(cell, at)).collect();
                let gap = gap(values.iter().copied())?;
                Some((at, values.iter().map(Option::is_some).collect(), gap))
            })
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let order = F::order(&whole);
        let units = Units::of(form, order, judging.clusters, &group, by_class);
        let name = format!("permutation {by_class} {}", judging.level);
        let key = cell_key(judging.resampling.seed, &name, columns, &[]);
        let gaps = permuted(form, &whole, &units, &wanted, kept.len(), key, permutations);
        for (place, (metric, _, observed)) in wanted.iter().enumerate() {
            let gaps: Vec<f64> = gaps.iter().filter_map(|gaps| gaps[place]).collect();
            found[*metric] = summary(gaps, *observed, permutations);
        }
    }
    found
}

/// Per permutation and wanted metric: the gap.
fn permuted<F: Form>(
    form: &F,
    whole: &F::Cell,
    units: &Units,
    wanted: &[(usize, Vec<bool>, f64)],
    groups: usize,
    key: [u8; 32],
    permutations: u32,
) -> Vec<Vec<Option<f64>>> {
    let of_block = |block: usize| {
        let block = block as u32;
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(block.into());
        let mut labels = vec![0; units.labels.len()];
        let mut codes = vec![0; units.of_item.len()];
        let mut scratch = F::Scratch::default();
        let here = BLOCK.min(permutations - block * BLOCK);
        (0..here)
            .map(|_| {
                units.shuffle(&mut labels, &mut rng);
                for (code, unit) in codes.iter_mut().zip(&units.of_item) {
                    *code = labels[*unit as usize];
                }
                let values = form.evaluate_groups(whole, &codes, groups, &mut scratch);
                let gaps = wanted.iter().map(|(metric, shown, _)| {
                    let among = values.iter().zip(shown).filter(|(_, shown)| **shown);
                    gap(among.map(|(values, _)| values[*metric]))
                });
                gaps.collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };
    let blocks = permutations.div_ceil(BLOCK) as usize;
    mapped(blocks, of_block).into_iter().flatten().collect()
}

/// Largest less smallest; None of fewer than two values.
fn gap(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut n, mut low, mut high) = (0, f64::INFINITY, f64::NEG_INFINITY);
    for value in values.flatten() {
        n += 1;
        low = low.min(value);
        high = high.max(value);
    }
    (n > 1).then_some(high - low)
}

fn summary(mut gaps: Vec<f64>, observed: f64, permutations: u32) -> Option<GapNull> {
    gaps.sort_unstable_by(f64::total_cmp);
    let n = gaps.len();
    let p95 = quantile(&gaps, 0.95)?;
    let under = gaps.partition_point(|gap| *gap < observed - SAME);
    let p = (1 + n - under) as f64 / (1 + n) as f64;
    Some(GapNull {
        permutations: n as u64,
        undefined_permutations: u64::from(permutations) - n as u64,
        mean: gaps.iter().sum::<f64>() / n as f64,
        p95,
        p,
        q: p,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::{GroupColumn, judge_groups};
    use crate::intervals::Resampling;
    use crate::metrics::detection::{Detection, METRICS, Options, Scored};

    fn judging(seed: u64, clusters: Option<&Codes>) -> Judging<'_> {
        Judging {
            min_n: 1,
            resampling: Resampling {
                resamples: 0,
                seed,
                level: 0.95,
                kind: Default::default(),
            },
            level: "sample",
            clusters,
        }
    }

    fn null(
        form: &Detection,
        column: &GroupColumn,
        metric: &str,
        judging: &Judging<'_>,
        permutations: u32,
    ) -> (f64, GapNull) {
        let cells = judge_groups(form, &[column], judging);
        let at = METRICS.iter().position(|m| m.name == metric).unwrap();
        let observed = gap(cells.iter().map(|cell| cell.estimates[at].value)).unwrap();
        let columns = [column.name.clone()];
        let found = nulls(form, &columns, &cells, judging, permutations);
        (observed, found[at].clone().unwrap())
    }

    fn names(n: usize, group: impl Fn(usize) -> usize) -> GroupColumn {
        let texts: Vec<String> = (0..n).map(|at| format!("g{:02}", group(at))).collect();
        GroupColumn::new("g", texts.iter().map(|t| Some(t.as_str())))
    }

    /// Ten groups of 50 with 350 of 500 right: the contract's worked gap, 0.198.
    #[test]
    fn ten_groups_of_fifty_gape_by_chance() {
        let items = (0..500).map(|at| Scored {
            score: if at % 10 < 7 { 0.9 } else { 0.1 },
            fake: true,
        });
        let form = Detection {
            items: items.collect(),
            options: Options::default(),
        };
        let column = names(500, |at| at / 50);
        let (observed, found) = null(&form, &column, "accuracy", &judging(1, None), 4000);
        assert_eq!(observed, 0.0);
        assert!((found.mean - 0.198).abs() < 0.004, "{found:?}");
        assert!(found.p95 > 0.26 && found.p95 < 0.31, "{found:?}");
        // No gap at all is the least surprising one there is.
        assert_eq!((found.p, found.permutations), (1.0, 4000));
    }

    #[test]
    fn a_real_difference_has_the_least_p_there_is() {
        let items = (0..400).map(|at| Scored {
            score: if at < 200 || at % 2 == 0 { 0.9 } else { 0.1 },
            fake: true,
        });
        let form = Detection {
            items: items.collect(),
            options: Options::default(),
        };
        let column = names(400, |at| at / 200);
        let (observed, found) = null(&form, &column, "accuracy", &judging(0, None), 999);
        assert_eq!(observed, 0.5);
        assert_eq!(found.p, 0.001);
        assert!(found.p95 < 0.15);
    }

    /// Videos of ten alike frames: as frames the groups differ beyond doubt,
    /// as videos they do not.
    #[test]
    fn clusters_are_permuted_whole() {
        let mut draw = Draw(3);
        let right: Vec<bool> = (0..40).map(|_| draw.unit() < 0.6).collect();
        let items = (0..400).map(|at| Scored {
            score: if right[at / 10] { 0.9 } else { 0.1 },
            fake: true,
        });
        let form = Detection {
            items: items.collect(),
            options: Options::default(),
        };
        let column = names(400, |at| at / 200);
        let clusters = Codes::of(400, 39, |at| at as u32 / 10);
        let frames = null(&form, &column, "accuracy", &judging(0, None), 499).1;
        let videos = null(
            &form,
            &column,
            "accuracy",
            &judging(0, Some(&clusters)),
            499,
        )
        .1;
        let wider = videos.mean / frames.mean;
        assert!((wider - 10f64.sqrt()).abs() < 0.4, "{wider}");
        assert!(videos.p >= frames.p);
    }

    /// A group with a twentieth of the positives keeps them: labels of a
    /// metric on positives move among positives.
    #[test]
    fn what_rests_on_a_class_is_permuted_within_it() {
        let items = (0..1000).map(|at| Scored {
            score: if at % 3 > 0 { 0.9 } else { 0.1 },
            fake: at < 500 || at % 20 == 0,
        });
        let form = Detection {
            items: items.collect(),
            options: Options::default(),
        };
        let column = names(1000, |at| at / 500);
        let found = null(&form, &column, "tpr", &judging(0, None), 2000).1;
        assert_eq!(found.undefined_permutations, 0);
        // |difference| of two shares of 500 and 25 at 0.67: sd 0.0955.
        let mean = 0.0955 * (2.0 / std::f64::consts::PI).sqrt();
        assert!((found.mean - mean).abs() < 0.006, "{found:?}");
    }

    struct Draw(u64);

    impl Draw {
        fn unit(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (self.0 >> 33) as f64 / (1u64 << 31) as f64
        }
    }

    /// Under no difference p is uniform: 200 worlds of three groups, by the
    /// distance of Kolmogorov and Smirnov (its 1% point at 200 is 0.115).
    /// `examples/simulate.rs` does it at size.
    #[test]
    fn p_is_uniform_where_groups_do_not_differ() {
        let mut draw = Draw(11);
        let column = names(90, |at| at % 3);
        for metric in ["brier", "auc"] {
            let mut ps: Vec<f64> = (0..200)
                .map(|world| {
                    let items = (0..90).map(|at| Scored {
                        score: draw.unit(),
                        fake: at % 2 == 0,
                    });
                    let form = Detection {
                        items: items.collect(),
                        options: Options::default(),
                    };
                    null(&form, &column, metric, &judging(world, None), 199).1.p
                })
                .collect();
            ps.sort_unstable_by(f64::total_cmp);
            let distance = ps.iter().enumerate().map(|(at, p)| {
                let (low, high) = (at as f64 / 200.0, (at + 1) as f64 / 200.0);
                (p - low).abs().max((p - high).abs())
            });
            let distance = distance.fold(0.0, f64::max);
            assert!(distance < 0.115, "{metric}: {distance}");
        }
    }

    #[test]
    fn fewer_than_two_groups_have_no_null() {
        let form = Detection {
            items: std::iter::repeat_n(
                Scored {
                    score: 0.5,
                    fake: true,
                },
                10,
            )
            .collect(),
            options: Options::default(),
        };
        let column = names(10, |_| 0);
        let judging = judging(0, None);
        let cells = judge_groups(&form, &[&column], &judging);
        assert!(
            nulls(&form, &["g".into()], &cells, &judging, 100)
                .iter()
                .all(Option::is_none)
        );
    }
}
