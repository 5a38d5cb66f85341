//! Few-shot: accuracy over an episode's queries, averaged over episodes.

use super::{Form, Metric, Rests};
use crate::statistics::Sum;

const fn accuracy(name: &'static str, title: &'static str, definition: &'static str) -> Metric {
    Metric {
        name,
        title,
        definition,
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnItems,
    }
}

/// Of predictions that were handed in.
pub const PREDICTED: &[Metric] = &[accuracy(
    "accuracy",
    "Accuracy",
    "Share of an episode's queries whose class is named rightly, averaged over episodes.",
)];

pub const NEAREST_CENTROID: &str = "accuracy_nearest_centroid";
pub const NEAREST_NEIGHBOUR: &str = "accuracy_nearest_neighbour";

/// Of embeddings, one for each classifier fitted in every episode.
pub const EMBEDDED: &[Metric] = &[
    accuracy(
        NEAREST_CENTROID,
        "Accuracy, nearest centroid",
        "As accuracy, the class being that whose support has the nearest mean.",
    ),
    accuracy(
        NEAREST_NEIGHBOUR,
        "Accuracy, nearest neighbour",
        "As accuracy, the class being that of the nearest support sample.",
    ),
    accuracy(
        "accuracy_linear",
        "Accuracy, linear classifier",
        "As accuracy, by multinomial logistic regression fitted on the support, penalty |W|^2 / 2.",
    ),
];

/// Right and asked, per episode; the metrics are of the columns in turn.
#[derive(Debug, Clone)]
pub struct FewShot {
    pub metrics: Vec<Metric>,
    /// Queries named rightly, one list per metric.
    pub right: Vec<Vec<u32>>,
    pub queries: Vec<u32>,
    /// The dataset of each.
    pub datasets: Vec<u32>,
}

impl FewShot {
    pub fn accuracy(&self, metric: usize, episode: usize) -> f64 {
        f64::from(self.right[metric][episode]) / f64::from(self.queries[episode])
    }
}

impl Form for FewShot {
    type Cell = Vec<u32>;
    type Scratch = ();

    fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    fn len(&self) -> usize {
        self.queries.len()
    }

    fn positive(&self, _: u32) -> Option<bool> {
        None
    }

    fn part(&self, metric: usize, item: u32) -> Option<f64> {
        Some(self.accuracy(metric, item as usize))
    }

    fn strata(&self) -> Option<&[u32]> {
        Some(&self.datasets)
    }

    fn prepare(&self, items: &[u32]) -> Vec<u32> {
        items.to_vec()
    }

    fn order(cell: &Vec<u32>) -> &[u32] {
        cell
    }

    fn evaluate(&self, cell: &Vec<u32>, weights: Option<&[u32]>, (): &mut ()) -> Vec<Option<f64>> {
        let weight = |at: usize| weights.map_or(1, |weights| u64::from(weights[at]));
        let n: u64 = (0..cell.len()).map(weight).sum();
        (0..self.metrics.len())
            .map(|metric| {
                let mut sum = Sum::default();
                for (at, item) in cell.iter().enumerate() {
                    sum.add(weight(at) as f64 * self.accuracy(metric, *item as usize));
                }
                (n > 0).then(|| sum.value() / n as f64)
            })
            .collect()
    }
}

/// Mean and half the width of its interval: 1.96 population standard
/// deviations over the root of n.
pub fn mean_and_half(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let (mut sum, mut square) = (Sum::default(), Sum::default());
    values.iter().for_each(|v| sum.add(*v));
    let mean = sum.value() / n;
    values.iter().for_each(|v| square.add((v - mean).powi(2)));
    Some((mean, 1.96 * (square.value() / n).sqrt() / n.sqrt()))
}

/// Ranks of some results (mean, half width), 1 the best: tied with the best
/// are all whose distance to it is within their common interval, and ties
/// share the mean of their ranks; then the same of the rest.
pub fn ranks(results: &[(f64, f64)]) -> Vec<f64> {
    let mut left: Vec<usize> = (0..results.len()).collect();
    left.sort_by(|a, b| results[*b].0.total_cmp(&results[*a].0).then(a.cmp(b)));
    let (mut ranks, mut given) = (vec![0.0; results.len()], 0);
    while let Some(best) = left.first().copied() {
        // (1.96 s / sqrt n)^2 is a half width squared.
        let tied = |at: &usize| {
            let common = (results[best].1.powi(2) + results[*at].1.powi(2)).sqrt();
            results[best].0 - results[*at].0 <= common
        };
        let (with, rest): (Vec<usize>, Vec<usize>) = left.iter().partition(|at| tied(at));
        let mean = given as f64 + (with.len() as f64 + 1.0) / 2.0;
        with.iter().for_each(|at| ranks[*at] = mean);
        given += with.len();
        left = rest;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_of_the_population_deviation() {
        let (mean, half) = mean_and_half(&[0.5, 0.7, 0.9, 0.7]).unwrap();
        assert!((mean - 0.7).abs() < 1e-15);
        // sd = sqrt(0.02).
        assert!((half - 1.96 * 0.02f64.sqrt() / 2.0).abs() < 1e-15);
        assert_eq!(mean_and_half(&[0.3]), Some((0.3, 0.0)));
        assert_eq!(mean_and_half(&[]), None);
    }

    #[test]
    fn ties_share_the_mean_rank() {
        assert_eq!(
            ranks(&[(0.9, 0.01), (0.5, 0.01), (0.7, 0.01)]),
            [1.0, 3.0, 2.0]
        );
        // 0.70 is within sqrt(2) 0.02 of 0.72, and 0.60 of neither.
        assert_eq!(
            ranks(&[(0.72, 0.02), (0.70, 0.02), (0.60, 0.02)]),
            [1.5, 1.5, 3.0]
        );
        // Ties are with the best, not in chains: 0.68 is too far from 0.72.
        assert_eq!(
            ranks(&[(0.72, 0.02), (0.70, 0.02), (0.68, 0.02)]),
            [1.5, 1.5, 3.0]
        );
        assert_eq!(ranks(&[(0.5, 0.0)]), [1.0]);
    }

    #[test]
    fn episodes_count_alike_whatever_their_queries() {
        let form = FewShot {
            metrics: PREDICTED.to_vec(),
            right: vec![vec![5, 30]],
            queries: vec![10, 40],
            datasets: vec![0, 0],
        };
        let cell = form.prepare(&[0, 1]);
        assert_eq!(form.evaluate(&cell, None, &mut ()), [Some(0.625)]);
        assert_eq!(form.evaluate(&cell, Some(&[2, 0]), &mut ()), [Some(0.5)]);
    }

    #[test]
    fn episodes_are_drawn_within_their_dataset() {
        // Nothing varies within a dataset, all between them.
        let form = FewShot {
            metrics: PREDICTED.to_vec(),
            right: vec![(0..30).map(|at| 10 * (at % 3 / 2)).collect()],
            queries: vec![10; 30],
            datasets: (0..30).map(|at| at % 3 / 2).collect(),
        };
        let cell = form.prepare(&(0..30).collect::<Vec<_>>());
        let drawn = crate::intervals::replicates(&form, &cell, None, [7; 32], 100);
        assert_eq!(drawn.len(), 100);
        assert!(drawn.iter().all(|values| *values == [Some(1.0 / 3.0)]));
    }
}
