//! Intervals: Wilson for shares of independent items, the bootstrap (over
//! items, or over whole clusters; percentile or BCa) for everything else.

use std::collections::BTreeMap;
use std::ops::Range;

use fairframe_schemas::report::{Bootstrap, Interval, IntervalMethod};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_distr::{Binomial, Distribution};
use sha2::{Digest, Sha256};

use crate::bca;
use crate::metrics::Form;
use crate::parts::{each, mapped, parts_of};

/// Wilson's score interval (1927) for `hits` of `n` at a nominal coverage.
pub fn wilson(hits: f64, n: u64, level: f64) -> Option<(f64, f64)> {
    if n == 0 {
        return None;
    }
    let n = n as f64;
    let z = normal_quantile(0.5 + level / 2.0);
    let p = hits / n;
    let square = z * z / n;
    let centre = (p + square / 2.0) / (1.0 + square);
    let half = z / (1.0 + square) * (p * (1.0 - p) / n + square / (4.0 * n)).sqrt();
    Some(((centre - half).max(0.0), (centre + half).min(1.0)))
}

/// Newcombe's interval (1998, method 10) for the difference of two independent shares, `one` less
/// `other`, each as hits and n: their Wilson intervals put together.
pub fn difference(one: (f64, u64), other: (f64, u64), level: f64) -> Option<(f64, f64)> {
    let (low, high) = wilson(one.0, one.1, level)?;
    let (other_low, other_high) = wilson(other.0, other.1, level)?;
    let [p, q] = [one, other].map(|(hits, n)| hits / n as f64);
    let below = (p - low).hypot(other_high - q);
    let above = (high - p).hypot(q - other_low);
    Some((p - q - below, p - q + above))
}

/// The standard normal quantile: Acklam's approximation with one step of
/// Halley's refinement, right to about 1e-15 on (0, 1).
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.383_577_518_672_69e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 5] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] = [
        7.784695709041462e-3,
        3.224671290700398e-1,
        2.445134137142996,
        3.754408661907416,
    ];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |q: f64| horner(&C, q) / (horner(&D, q) * q + 1.0);
    let x = if p < 0.02425 {
        tail((-2.0 * p.ln()).sqrt())
    } else if p > 1.0 - 0.02425 {
        -tail((-2.0 * (1.0 - p).ln()).sqrt())
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    };
    let e = 0.5 * erfc(-x / std::f64::consts::SQRT_2) - p;
    let u = e * (2.0 * std::f64::consts::PI).sqrt() * (x * x / 2.0).exp();
    x - u / (1.0 + x * u / 2.0)
}

/// The standard normal distribution function.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x / std::f64::consts::SQRT_2)
}

/// The complementary error function by its series (small arguments) or its
/// continued fraction (Abramowitz and Stegun 7.1.6, 7.1.14).
fn erfc(x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 2.0 {
        let (mut term, mut sum, mut n) = (z, z, 0.0);
        while term.abs() > 1e-17 * sum.abs() && n < 200.0 {
            n += 1.0;
            term *= 2.0 * z * z / (2.0 * n + 1.0);
            sum += term;
        }
        1.0 - 2.0 / std::f64::consts::PI.sqrt() * (-z * z).exp() * sum
    } else {
        let fraction = (1..=120)
            .rev()
            .fold(z, |below, k| z + f64::from(k) / 2.0 / below);
        (-z * z).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    if x < 0.0 { 2.0 - value } else { value }
}

/// How to resample.
#[derive(Debug, Clone, Copy)]
pub struct Resampling {
    pub resamples: u32,
    pub seed: u64,
    /// Nominal coverage.
    pub level: f64,
    pub kind: Bootstrap,
}

/// The generator of one cell: its key is the seed and the cell's name, so
/// that a cell's interval does not depend on which other cells there are.
pub fn cell_key(seed: u64, level: &str, columns: &[String], group: &[String]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    for part in std::iter::once(level).chain(columns.iter().chain(group).map(String::as_str)) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

/// Replicates per generator stream.
const BLOCK: u32 = 25;

/// Every metric over bootstrap resamples of a cell (Efron 1979): draws as many
/// clusters as there are, with replacement, and evaluates the items of those
/// drawn, each as often as its cluster was. `clusters` numbers the cluster of
/// each item of the cell, in the cell's order, from 0 without gaps; None
/// draws the items themselves.
pub fn replicates<F: Form>(
    form: &F,
    cell: &F::Cell,
    clusters: Option<&[u32]>,
    key: [u8; 32],
    resamples: u32,
) -> Vec<Vec<Option<f64>>> {
    let items = F::order(cell).len();
    let units = units(items, clusters);
    if units == 0 {
        return Vec::new();
    }
    let strata = match clusters {
        None => strata(form, F::order(cell)),
        Some(_) => Vec::new(),
    };
    // Which of many alike items were drawn has no say, only how many were.
    let alike = match clusters {
        None if strata.is_empty() => form.alike(cell),
        _ => None,
    };
    let kinds = alike.map(|(items, counts)| (form.prepare(&items), counts));
    let of_block = |block: usize| {
        let block = block as u32;
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(block.into());
        let mut counts = vec![0u32; kinds.as_ref().map_or(units, |(_, counts)| counts.len())];
        let mut weights = vec![0u32; if clusters.is_some() { items } else { 0 }];
        let mut scratch = F::Scratch::default();
        let here = BLOCK.min(resamples - block * BLOCK);
        (0..here)
            .map(|_| {
                if let Some((kinds, sizes)) = &kinds {
                    multinomial(&mut rng, sizes, &mut counts);
                    return form.evaluate(kinds, Some(&counts), &mut scratch);
                }
                counts.fill(0);
                draw(&mut rng, &strata, &mut counts);
                let weights = match clusters {
                    Some(clusters) => {
                        for (weight, cluster) in weights.iter_mut().zip(clusters) {
                            *weight = counts[*cluster as usize];
                        }
                        &weights
                    }
                    None => &counts,
                };
                form.evaluate(cell, Some(weights), &mut scratch)
            })
            .collect::<Vec<_>>()
    };
    let blocks = resamples.div_ceil(BLOCK) as usize;
    mapped(blocks, of_block).into_iter().flatten().collect()
}

/// Places of a cell's items, stratum by stratum; none where there is one only.
fn strata<F: Form>(form: &F, order: &[u32]) -> Vec<Vec<u32>> {
    let mut places: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let of = form
        .strata()
        .into_iter()
        .flat_map(|of| order.iter().map(|item| of[*item as usize]));
    for (place, stratum) in (0..).zip(of) {
        places.entry(stratum).or_default().push(place);
    }
    match places.len() {
        0 | 1 => Vec::new(),
        _ => places.into_values().collect(),
    }
}

/// Draws as many units as there are, of each stratum as many as it has.
fn draw(rng: &mut ChaCha8Rng, strata: &[Vec<u32>], counts: &mut [u32]) {
    if strata.is_empty() {
        let units = counts.len() as u32;
        for _ in 0..units {
            counts[below(rng, units) as usize] += 1;
        }
    }
    for places in strata {
        for _ in places {
            let drawn = places[below(rng, places.len() as u32) as usize];
            counts[drawn as usize] += 1;
        }
    }
}

fn units(items: usize, clusters: Option<&[u32]>) -> usize {
    match clusters {
        Some(clusters) => clusters.iter().max().map_or(0, |last| *last as usize + 1),
        None => items,
    }
}

/// Bootstrap interval of every metric of a cell: one entry per metric, None
/// where no resample had a value.
pub fn bootstrap<F: Form>(
    form: &F,
    cell: &F::Cell,
    clusters: Option<&[u32]>,
    key: [u8; 32],
    resampling: &Resampling,
) -> Vec<Option<Interval>> {
    let metrics = form.metrics().len();
    // The order of a cell need not be there where nothing is drawn.
    if resampling.resamples == 0 {
        return vec![None; metrics];
    }
    let units = units(F::order(cell).len(), clusters);
    if units == 0 {
        return vec![None; metrics];
    }
    let replicates = replicates(form, cell, clusters, key, resampling.resamples);
    let whole = (resampling.kind == Bootstrap::Bca).then(|| {
        let values = form.evaluate(cell, None, &mut F::Scratch::default());
        (values, jackknife(form, cell, clusters, units, key))
    });
    let level = resampling.level;
    (0..metrics)
        .map(|metric| {
            let mut values: Vec<f64> = replicates.iter().filter_map(|r| r[metric]).collect();
            values.sort_unstable_by(f64::total_cmp);
            let corrected = whole.as_ref().and_then(|(whole, left_out)| {
                let left_out: Vec<f64> = left_out.iter().filter_map(|v| v[metric]).collect();
                bca::interval(&values, whole[metric]?, bca::acceleration(&left_out), level)
            });
            let outside = (1.0 - level) / 2.0;
            let (low, high) = match corrected {
                Some(ends) => ends,
                None => (
                    quantile(&values, outside)?,
                    quantile(&values, 1.0 - outside)?,
                ),
            };
            Some(Interval {
                method: match (corrected, clusters) {
                    (None, None) => IntervalMethod::Bootstrap,
                    (None, Some(_)) => IntervalMethod::ClusterBootstrap,
                    (Some(_), None) => IntervalMethod::Bca,
                    (Some(_), Some(_)) => IntervalMethod::ClusterBca,
                },
                level,
                low,
                high,
                undefined_resamples: (replicates.len() - values.len()) as u64,
            })
        })
        .collect()
}

/// The metrics with each unit left out once; beyond [`bca::BLOCKS`] units
/// with each of so many blocks of them, drawn at random, left out.
fn jackknife<F: Form>(
    form: &F,
    cell: &F::Cell,
    clusters: Option<&[u32]>,
    units: usize,
    key: [u8; 32],
) -> Vec<Vec<Option<f64>>> {
    let blocks = units.min(bca::BLOCKS);
    let mut order: Vec<u32> = (0..units as u32).collect();
    if units > blocks {
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(u64::MAX);
        for at in (1..units).rev() {
            order.swap(at, below(&mut rng, at as u32 + 1) as usize);
        }
    }
    let mut block_of = vec![0; units];
    for (at, unit) in order.iter().enumerate() {
        block_of[*unit as usize] = at % blocks;
    }
    let unit_of = |item: usize| clusters.map_or(item, |clusters| clusters[item] as usize);
    let items = F::order(cell).len();
    let without = |blocks: Range<usize>| {
        let (mut weights, mut scratch) = (vec![1; items], F::Scratch::default());
        let value = |block| {
            for (item, weight) in weights.iter_mut().enumerate() {
                *weight = u32::from(block_of[unit_of(item)] != block);
            }
            form.evaluate(cell, Some(&weights), &mut scratch)
        };
        blocks.map(value).collect::<Vec<_>>()
    };
    each(parts_of(blocks, 1), without)
        .into_iter()
        .flatten()
        .collect()
}

/// A uniform whole number under `bound`, without bias (Lemire 2019).
pub fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    let mut product = u64::from(rng.next_u32()) * u64::from(bound);
    if (product as u32) < bound {
        let refused = bound.wrapping_neg() % bound;
        while (product as u32) < refused {
            product = u64::from(rng.next_u32()) * u64::from(bound);
        }
    }
    (product >> 32) as u32
}

/// How many of each kind are drawn where as many items as there are are drawn
/// with replacement: kind by kind, binomial among those that are left.
fn multinomial(rng: &mut ChaCha8Rng, sizes: &[u32], drawn: &mut [u32]) {
    let mut items: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
    let mut left = items;
    for (size, drawn) in sizes.iter().zip(drawn) {
        let share = f64::from(*size) / items as f64;
        // A share is within 0 and 1, so that there is a distribution.
        let here = Binomial::new(left, share).map_or(0, |kind| kind.sample(rng));
        *drawn = here as u32;
        left -= here;
        items -= u64::from(*size);
    }
}

/// Quantile of sorted values, interpolated linearly (type 7 of Hyndman and
/// Fan 1996, numpy's default).
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q * last as f64;
    let low = (at.floor() as usize).min(last);
    let high = (low + 1).min(last);
    Some(sorted[low] + (at - low as f64) * (sorted[high] - sorted[low]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::detection::{Detection, Options, Scored};
    use crate::metrics::multi_label::MultiLabel;
    use crate::metrics::multi_label::tests::images as multi_label;

    #[test]
    fn wilson_at_the_worked_values() {
        let (low, high) = wilson(18.0, 20, 0.95).unwrap();
        assert!((low - 0.699).abs() < 5e-4 && (high - 0.972).abs() < 5e-4);
        let (low, high) = wilson(0.0, 7, 0.95).unwrap();
        assert!(low == 0.0 && (high - 0.354).abs() < 5e-4);
        let (low, high) = wilson(7.0, 7, 0.95).unwrap();
        assert!((low - 0.646).abs() < 5e-4 && high == 1.0);
        assert_eq!(wilson(0.0, 0, 0.95), None);
    }

    #[test]
    fn differences_at_newcombes_values() {
        // Newcombe 1998, table II, method 10: 56/70 - 48/80, and 9/10 - 3/10.
        for (one, other, low, high) in [
            ((56.0, 70), (48.0, 80), 0.0524, 0.3339),
            ((9.0, 10), (3.0, 10), 0.1705, 0.8090),
            ((10.0, 10), (0.0, 10), 0.6075, 1.0),
        ] {
            let (l, h) = difference(one, other, 0.95).unwrap();
            assert!((l - low).abs() < 5e-5 && (h - high).abs() < 5e-5, "{l} {h}");
        }
        assert_eq!(difference((0.0, 0), (1.0, 2), 0.95), None);
    }

    #[test]
    fn normal_quantiles() {
        for (p, z) in [
            (0.975, 1.959963984540054),
            (0.5, 0.0),
            (0.01, -2.3263478740408408),
            (0.9995, 3.2905267314918945),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-12, "{p}");
        }
    }

    #[test]
    fn quantiles_as_numpy() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.25), Some(1.75));
        assert_eq!(quantile(&[5.0], 0.975), Some(5.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    fn images(n: usize, without_macro: bool) -> MultiLabel {
        let image = |at: usize| (vec![0], vec![u32::from(at.is_multiple_of(2))]);
        multi_label(&(0..n).map(image).collect::<Vec<_>>(), without_macro)
    }

    const RESAMPLING: Resampling = Resampling {
        resamples: 2000,
        seed: 0,
        level: 0.95,
        kind: Bootstrap::Percentile,
    };

    #[test]
    fn the_bootstrap_of_a_mean_is_as_wide_as_theory_says() {
        let form = images(400, false);
        let cell = form.prepare(&(0..400).collect::<Vec<_>>());
        let key = cell_key(0, "image", &[], &[]);
        let interval = bootstrap(&form, &cell, None, key, &RESAMPLING)[0].unwrap();
        // Mean of 400 values 0 or 1, half each: standard error 0.025.
        assert!((interval.low - (0.5 - 0.049)).abs() < 0.006, "{interval:?}");
        assert!(
            (interval.high - (0.5 + 0.049)).abs() < 0.006,
            "{interval:?}"
        );
        let again = bootstrap(&form, &cell, None, key, &RESAMPLING)[0].unwrap();
        assert_eq!(interval, again);
    }

    #[test]
    fn clusters_widen_the_interval_as_they_hold_alike_items() {
        // 40 clusters of 10 alike images: the standard error is that of 40.
        let image = |at: u32| (vec![0], vec![u32::from((at / 10).is_multiple_of(2))]);
        let form = multi_label(&(0..400).map(image).collect::<Vec<_>>(), false);
        let cell = form.prepare(&(0..400).collect::<Vec<_>>());
        let clusters: Vec<u32> = (0..400).map(|at| at / 10).collect();
        let key = cell_key(0, "image", &[], &[]);
        let interval = bootstrap(&form, &cell, Some(&clusters), key, &RESAMPLING)[0].unwrap();
        let wide = 1.96 * 0.5 / 40f64.sqrt();
        assert!((interval.low - (0.5 - wide)).abs() < 0.02, "{interval:?}");
        assert_eq!(interval.method, IntervalMethod::ClusterBootstrap);
    }

    #[test]
    fn resamples_without_a_value_are_counted_and_no_spread_is_no_width() {
        let form = Detection {
            items: [(0.9, true), (0.1, false), (0.2, false)]
                .map(|(score, fake)| Scored { score, fake })
                .into_iter()
                .collect(),
            options: Options::default(),
        };
        let cell = form.prepare(&[0, 1, 2]);
        let intervals = bootstrap(&form, &cell, None, cell_key(1, "s", &[], &[]), &RESAMPLING);
        let auc = intervals[4].unwrap();
        // No fake is drawn with chance 8/27, no real with 1/27.
        let share = auc.undefined_resamples as f64 / 2000.0;
        assert!((share - 1.0 / 3.0).abs() < 0.04, "{share}");
        assert_eq!((auc.low, auc.high), (1.0, 1.0));
    }

    /// A mean of skewed values: BCa leans to the long tail, as scipy's does.
    #[test]
    fn bca_leans_with_the_skew_and_blocks_change_little() {
        let form = |n: usize| Detection {
            items: (0..n)
                .map(|at| Scored {
                    score: if at % 12 == 0 { 0.0 } else { 0.98 },
                    fake: true,
                })
                .collect(),
            options: Options {
                eps: 0.01,
                ..Options::default()
            },
        };
        let log_loss = |n: usize, kind| {
            let form = form(n);
            let cell = form.prepare(&(0..n as u32).collect::<Vec<_>>());
            let resampling = Resampling { kind, ..RESAMPLING };
            let key = cell_key(0, "sample", &[], &[]);
            let mean = form.evaluate(&cell, None, &mut ())[0].unwrap();
            let found = bootstrap(&form, &cell, None, key, &resampling)[0].unwrap();
            (mean - found.low, found.high - mean, found.method)
        };
        let plain = log_loss(60, Bootstrap::Percentile);
        let bca = log_loss(60, Bootstrap::Bca);
        assert_eq!(bca.2, IntervalMethod::Bca);
        assert!(bca.1 / bca.0 > 1.2 * plain.1 / plain.0, "{plain:?} {bca:?}");
        // Beyond a thousand items random blocks are left out: the
        // acceleration is the same but for noise.
        let form = form(2400);
        let cell = form.prepare(&(0..2400).collect::<Vec<_>>());
        let left_out = jackknife(&form, &cell, None, 2400, [1; 32]);
        let left_out: Vec<f64> = left_out.iter().filter_map(|v| v[0]).collect();
        assert_eq!(left_out.len(), bca::BLOCKS);
        let found = bca::acceleration(&left_out);
        assert!((found - 0.010_257_6).abs() < 0.002, "{found}");
    }

    /// Kinds drawn at once are spread as items drawn one by one are.
    #[test]
    fn drawing_kinds_is_drawing_items() {
        let mut rng = ChaCha8Rng::from_seed([3; 32]);
        let (sizes, mut drawn) = ([600, 1, 399], [0; 3]);
        let (mut sums, mut squares) = ([0.0; 3], [0.0; 3]);
        for _ in 0..4000 {
            multinomial(&mut rng, &sizes, &mut drawn);
            assert_eq!(drawn.iter().sum::<u32>(), 1000);
            for kind in 0..3 {
                sums[kind] += f64::from(drawn[kind]);
                squares[kind] += f64::from(drawn[kind]).powi(2);
            }
        }
        for (kind, size) in sizes.iter().enumerate() {
            let (mean, p) = (sums[kind] / 4000.0, f64::from(*size) / 1000.0);
            let variance = squares[kind] / 4000.0 - mean * mean;
            assert!((mean - f64::from(*size)).abs() < 1.0, "{kind}: {mean}");
            let wanted = 1000.0 * p * (1.0 - p);
            assert!((variance / wanted - 1.0).abs() < 0.1, "{kind}: {variance}");
        }
        let form = images(400, true);
        let cell = form.prepare(&(0..400).collect::<Vec<_>>());
        let (items, counts) = form.alike(&cell).unwrap();
        assert_eq!((items, counts), (vec![0, 1], vec![200, 200]));
        let cell = form.prepare(&(0..400).collect::<Vec<_>>());
        let key = cell_key(0, "image", &[], &[]);
        let interval = bootstrap(&form, &cell, None, key, &RESAMPLING)[0].unwrap();
        assert!((interval.low - (0.5 - 0.049)).abs() < 0.006, "{interval:?}");
    }

    #[test]
    fn whole_numbers_are_uniform() {
        let mut rng = ChaCha8Rng::from_seed([7; 32]);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[below(&mut rng, 7) as usize] += 1;
        }
        assert!(
            counts.iter().all(|n| n.abs_diff(10_000) < 400),
            "{counts:?}"
        );
    }
}
