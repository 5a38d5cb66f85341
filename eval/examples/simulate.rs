//! Coverage of the intervals, and whether the permutation p is uniform, by
//! simulation: the tables of docs/method.md. Some ten minutes on two cores; ROW leaves all
//! but the rows that begin so out.
//!
//! `cargo run --release -p fairframe-eval --example simulate [WORLDS [ROW]]`

use fairframe_eval::codes::Codes;
use fairframe_eval::groups::{GroupColumn, Judging, judge_groups};
use fairframe_eval::intervals::{Resampling, bootstrap, cell_key, normal_quantile, wilson};
use fairframe_eval::metrics::detection::{Detection, Options, Scored};
use fairframe_eval::metrics::{Form, Metric, Rests};
use fairframe_eval::permutation::nulls;
use fairframe_schemas::report::Bootstrap;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

/// The mean of some values, as cheaply as can be.
struct Mean(Vec<f64>);

const MEAN: &[Metric] = &[Metric {
    name: "mean",
    title: "Mean",
    definition: "The mean.",
    higher_is_better: true,
    proportion: false,
    rests: Rests::OnItems,
}];

impl Form for Mean {
    type Cell = Vec<u32>;
    type Scratch = ();

    fn metrics(&self) -> &'static [Metric] {
        MEAN
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn positive(&self, _: u32) -> Option<bool> {
        None
    }

    fn prepare(&self, items: &[u32]) -> Vec<u32> {
        items.to_vec()
    }

    fn order(cell: &Vec<u32>) -> &[u32] {
        cell
    }

    fn evaluate(&self, cell: &Vec<u32>, weights: Option<&[u32]>, (): &mut ()) -> Vec<Option<f64>> {
        let (mut n, mut sum) = (0u64, 0.0);
        for (at, item) in cell.iter().enumerate() {
            let weight = weights.map_or(1, |weights| weights[at]);
            n += u64::from(weight);
            sum += f64::from(weight) * self.0[*item as usize];
        }
        vec![(n > 0).then(|| sum / n as f64)]
    }
}

struct Draw(ChaCha8Rng);

impl Draw {
    fn of(world: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(world))
    }

    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        normal_quantile(self.unit().clamp(1e-15, 1.0 - 1e-15))
    }
}

const SIZES: [usize; 4] = [30, 100, 1_000, 10_000];

fn resampling(kind: Bootstrap) -> Resampling {
    Resampling {
        resamples: 1000,
        seed: 0,
        level: 0.95,
        kind,
    }
}

fn covers(
    form: &impl Form,
    metric: usize,
    clusters: Option<&[u32]>,
    world: u64,
    kind: Bootstrap,
    truth: f64,
) -> Option<bool> {
    let cell = form.prepare(&(0..form.len() as u32).collect::<Vec<_>>());
    let key = cell_key(world, "simulation", &[], &[]);
    let found = bootstrap(form, &cell, clusters, key, &resampling(kind))[metric]?;
    Some(found.low <= truth && truth <= found.high)
}

/// Fewer worlds where each costs the most.
fn worlds_at(n: usize, worlds: u64) -> u64 {
    if n < 10_000 { worlds } else { worlds / 5 }
}

/// The share of worlds whose interval holds the truth.
fn coverage(worlds: u64, each: impl Fn(u64) -> Option<bool> + Sync) -> String {
    let held: Vec<bool> = (0..worlds).into_par_iter().filter_map(&each).collect();
    let share = held.iter().filter(|h| **h).count() as f64 / held.len() as f64;
    format!("{:.1}%", 100.0 * share)
}

fn row(name: &str, cells: impl Iterator<Item = String>) {
    let wanted = std::env::args().nth(2).unwrap_or_default();
    if !name.starts_with(&wanted) {
        return;
    }
    println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

fn both(
    name: &str,
    worlds: u64,
    sizes: &[usize],
    truth: f64,
    value: impl Fn(&mut Draw) -> f64 + Sync,
) {
    for kind in [Bootstrap::Percentile, Bootstrap::Bca] {
        let cells = sizes.iter().map(|n| {
            coverage(worlds_at(*n, worlds), |world| {
                let mut draw = Draw::of(world);
                let form = Mean((0..*n).map(|_| value(&mut draw)).collect());
                covers(&form, 0, None, world, kind, truth)
            })
        });
        row(&format!("{name}: {}", kind.as_str()), cells);
    }
}

/// Clusters of 1 to 9 items that share half of their variance.
fn clustered(draw: &mut Draw, clusters: usize) -> (Vec<f64>, Vec<u32>) {
    let (mut values, mut of) = (Vec::new(), Vec::new());
    for cluster in 0..clusters {
        let shared = draw.normal();
        for _ in 0..1 + (draw.unit() * 9.0) as usize {
            values.push((shared + draw.normal()) / 2f64.sqrt());
            of.push(cluster as u32);
        }
    }
    (values, of)
}

/// Fakes score N(1, 1), reals N(0, 1): an AUC of Phi(1 / sqrt 2).
fn detection(draw: &mut Draw, n: usize, apart: f64) -> Detection {
    let items = (0..n).map(|at| {
        let fake = at % 2 == 0;
        let z = draw.normal() + if fake { apart } else { 0.0 };
        Scored {
            score: 1.0 / (1.0 + (-z).exp()),
            fake,
        }
    });
    Detection {
        items: items.collect(),
        options: Options::default(),
    }
}

fn metric(name: &str) -> usize {
    let form = Detection::default();
    let at = form.metrics().iter().position(|metric| metric.name == name);
    at.expect("a metric of detection")
}

fn intervals(worlds: u64) {
    println!(
        "| nominal 95%, {worlds} worlds (10,000: a fifth), 1,000 resamples | 30 | 100 | 1,000 | 10,000 |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for share in [0.7, 0.95] {
        let cells = SIZES.iter().map(|n| {
            coverage(20 * worlds, |world| {
                let mut draw = Draw::of(world);
                let hits = (0..*n).filter(|_| draw.unit() < share).count();
                let (low, high) = wilson(hits as f64, *n as u64, 0.95)?;
                Some(low <= share && share <= high)
            })
        });
        row(&format!("share {share}: Wilson"), cells);
        both(&format!("share {share}"), worlds, &SIZES, share, |draw| {
            f64::from(u8::from(draw.unit() < share))
        });
    }
    // Mean F2 of one label among a few: 0, 1, or something between.
    both("mean F2", worlds, &SIZES, 0.44, |draw| match draw.unit() {
        u if u < 0.4 => 0.0,
        u if u < 0.6 => 1.0,
        u if u < 0.8 => 0.5,
        _ => 0.7,
    });
    both("log loss (exponential)", worlds, &SIZES, 1.0, |draw| {
        -(1.0 - draw.unit()).ln()
    });
    for (name, whole) in [("clusters drawn whole", true), ("clusters ignored", false)] {
        for kind in [Bootstrap::Percentile, Bootstrap::Bca] {
            let cells = SIZES.iter().map(|n| {
                coverage(worlds_at(*n, worlds), |world| {
                    let (values, of) = clustered(&mut Draw::of(world), *n);
                    let clusters = whole.then_some(&of[..]);
                    covers(&Mean(values), 0, clusters, world, kind, 0.0)
                })
            });
            row(&format!("{name}: {}", kind.as_str()), cells);
        }
    }
    let auc = 0.760_249_938_906_523_8;
    for kind in [Bootstrap::Percentile, Bootstrap::Bca] {
        let cells = SIZES.iter().map(|n| {
            coverage(worlds_at(*n, worlds), |world| {
                let form = detection(&mut Draw::of(world), *n, 1.0);
                covers(&form, metric("auc"), None, world, kind, auc)
            })
        });
        row(&format!("AUC: {}", kind.as_str()), cells);
    }
}

fn permutations(worlds: u64) {
    println!(
        "\n| p where groups do not differ, {worlds} worlds, 199 permutations | p <= 0.01 | p <= 0.05 | p <= 0.10 | p <= 0.50 | distance to uniform |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (name, at, sizes, per_cluster) in [
        ("3 groups of 30, Brier", "brier", &[30, 30, 30][..], 1),
        ("30, 60, 300, Brier", "brier", &[30, 60, 300], 1),
        ("3 groups of 60, AUC", "auc", &[60, 60, 60], 1),
        (
            "3 groups of 30, accuracy (ties)",
            "accuracy",
            &[30, 30, 30],
            1,
        ),
        ("10 groups of 50, accuracy (ties)", "accuracy", &[50; 10], 1),
        (
            "3 groups of 30 clusters of 5, Brier",
            "brier",
            &[150, 150, 150],
            5,
        ),
        ("the same, clusters ignored", "brier", &[150, 150, 150], 0),
    ] {
        let wanted = std::env::args().nth(2).unwrap_or_default();
        if !name.starts_with(&wanted) {
            continue;
        }
        let n: usize = sizes.iter().sum();
        let names = sizes.iter().enumerate();
        let names: Vec<String> = names.flat_map(|(g, n)| vec![format!("g{g}"); *n]).collect();
        let column = GroupColumn::new("g", names.iter().map(|g| Some(g.as_str())));
        let mut ps: Vec<f64> = (0..worlds)
            .into_par_iter()
            .filter_map(|world| {
                let mut draw = Draw::of(world);
                let mut form = detection(&mut draw, n, 0.5);
                let clusters = Codes::of(n, n as u32, |at| at as u32 / 5);
                if per_cluster != 1 {
                    let mut scored: Vec<Scored> = form.items.iter().collect();
                    for (cluster, items) in scored.chunks_mut(5).enumerate() {
                        let shared = draw.unit();
                        for item in items {
                            item.fake = cluster % 2 == 0;
                            item.score = (item.score + shared) / 2.0;
                        }
                    }
                    form.items = scored.into_iter().collect();
                }
                let judging = Judging {
                    min_n: 1,
                    resampling: Resampling {
                        resamples: 0,
                        seed: world,
                        level: 0.95,
                        kind: Bootstrap::Percentile,
                    },
                    level: "sample",
                    clusters: (per_cluster > 1).then_some(&clusters),
                };
                let cells = judge_groups(&form, &[&column], &judging);
                Some(
                    nulls(&form, &["g".to_owned()], &cells, &judging, 199)[metric(at)]
                        .as_ref()?
                        .p,
                )
            })
            .collect();
        ps.sort_unstable_by(f64::total_cmp);
        let n = ps.len() as f64;
        // p = k / 200 is uniform on its 200 values: compared at each of them.
        let distance = (1..=200).map(|k| {
            let at = f64::from(k) / 200.0;
            (ps.partition_point(|p| *p <= at + 1e-12) as f64 / n - at).abs()
        });
        let under = [0.01, 0.05, 0.1, 0.5]
            .map(|at| format!("{:.3}", ps.partition_point(|p| *p <= at + 1e-12) as f64 / n));
        let distance = format!("{:.3}", distance.fold(0.0, f64::max));
        row(name, under.into_iter().chain([distance]));
    }
}

fn main() {
    let worlds = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let worlds = worlds.unwrap_or(2000);
    intervals(worlds);
    permutations(worlds);
}
