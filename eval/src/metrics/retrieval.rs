//! Retrieval: the images that show what a query shows, best first.

use super::{Form, Metric, Rests};
use crate::statistics::Sum;

pub const MAP: &str = "map_at_100";
/// Answers that count.
pub const MAX_ANSWERS: usize = 100;

pub(crate) const METRICS: &[Metric] = &[
    Metric {
        name: MAP,
        title: "mAP@100",
        definition: "Precision at each right one of a query's first 100 answers, summed, over the number of right images (at most 100); averaged over queries. A repeated image uses its rank and counts for nothing.",
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnItems,
    },
    Metric {
        name: "precision_at_1",
        title: "First answer right",
        definition: "Share of the queries whose first answer is right.",
        higher_is_better: true,
        proportion: true,
        rests: Rests::OnItems,
    },
    Metric {
        name: "precision_at_10",
        title: "Precision of the first ten",
        definition: "Right ones among a query's first ten answers, over ten; averaged over queries.",
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnItems,
    },
];

/// What one query scores.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scored {
    pub ap: f64,
    pub first: bool,
    /// Right ones among the first ten.
    pub ten: u8,
}

impl Scored {
    /// From the ranks of the right answers, from 1 up, and the number of
    /// images that are right.
    ///
    /// `sum of P(k) rel(k) / min(m, 100)` (Google Landmarks).
    pub fn new(ranks: &[u8], right: usize) -> Self {
        let mut sum = 0.0;
        for (at, rank) in ranks.iter().enumerate() {
            sum += (at + 1) as f64 / f64::from(*rank);
        }
        let most = right.min(MAX_ANSWERS);
        Self {
            ap: if most == 0 { 0.0 } else { sum / most as f64 },
            first: ranks.first() == Some(&1),
            ten: ranks.iter().filter(|rank| **rank <= 10).count() as u8,
        }
    }
}

/// All that the retrieval metrics need of any number of queries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetrievalState {
    pub(crate) ap: Vec<f64>,
    pub(crate) first: u64,
    pub(crate) ten: u64,
}

impl RetrievalState {
    pub fn update(&mut self, query: Scored) {
        self.ap.push(query.ap);
        self.first += u64::from(query.first);
        self.ten += u64::from(query.ten);
    }

    pub fn merge(&mut self, other: &Self) {
        self.ap.extend_from_slice(&other.ap);
        self.first += other.first;
        self.ten += other.ten;
    }

    /// mAP@100, and precision at 1 and 10. Sums in order of size, so that
    /// the order in which queries came has no say.
    pub fn evaluate(&self) -> [Option<f64>; 3] {
        let mut sorted = self.ap.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut sum = Sum::default();
        sorted.into_iter().for_each(|ap| sum.add(ap));
        means(sum.value(), self.first, self.ten, self.ap.len() as u64)
    }
}

fn means(ap: f64, first: u64, ten: u64, n: u64) -> [Option<f64>; 3] {
    let over = |sum: f64, by: f64| (n > 0).then(|| sum / (by * n as f64));
    [
        over(ap, 1.0),
        over(first as f64, 1.0),
        over(ten as f64, 10.0),
    ]
}

/// Queries with what they score.
#[derive(Debug, Clone, Default)]
pub struct Retrieval {
    pub queries: Vec<Scored>,
}

/// A cell of queries.
pub struct Queries {
    items: Vec<u32>,
    scored: Vec<Scored>,
}

impl Form for Retrieval {
    type Cell = Queries;
    type Scratch = ();

    fn metrics(&self) -> &[Metric] {
        METRICS
    }

    fn len(&self) -> usize {
        self.queries.len()
    }

    fn positive(&self, _: u32) -> Option<bool> {
        None
    }

    fn part(&self, metric: usize, item: u32) -> Option<f64> {
        let query = self.queries[item as usize];
        Some(
            [
                query.ap,
                f64::from(u8::from(query.first)),
                f64::from(query.ten) / 10.0,
            ][metric],
        )
    }

    fn prepare(&self, items: &[u32]) -> Queries {
        let scored = items.iter().map(|at| self.queries[*at as usize]);
        Queries {
            scored: scored.collect(),
            items: items.to_vec(),
        }
    }

    fn order(cell: &Queries) -> &[u32] {
        &cell.items
    }

    fn evaluate(&self, cell: &Queries, weights: Option<&[u32]>, (): &mut ()) -> Vec<Option<f64>> {
        let Some(weights) = weights else {
            let mut state = RetrievalState::default();
            cell.scored.iter().for_each(|query| state.update(*query));
            return state.evaluate().to_vec();
        };
        let (mut ap, mut first, mut ten, mut n) = (0.0, 0u64, 0u64, 0u64);
        for (query, weight) in cell.scored.iter().zip(weights) {
            let times = u64::from(*weight);
            n += times;
            ap += f64::from(*weight) * query.ap;
            first += times * u64::from(query.first);
            ten += times * u64::from(query.ten);
        }
        means(ap, first, ten, n).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_worked_example_holds() {
        // Truth {x,y,z}; the list x,n,y,x: right at ranks 1 and 3.
        let query = Scored::new(&[1, 3], 3);
        assert!((query.ap - 0.5556).abs() < 5e-5);
        let mut state = RetrievalState::default();
        state.update(query);
        assert_eq!(state.evaluate()[0], Some(query.ap));
        state.update(Scored::new(&[], 5));
        let [map, first, ten] = state.evaluate();
        assert!((map.unwrap() - 0.2778).abs() < 5e-5);
        assert_eq!((first, ten), (Some(0.5), Some(0.1)));
        assert_eq!(RetrievalState::default().evaluate(), [None; 3]);
    }

    #[test]
    fn more_than_a_hundred_right_images_divide_by_a_hundred() {
        let ranks: Vec<u8> = (1..=100).collect();
        assert_eq!(Scored::new(&ranks, 300).ap, 1.0);
        assert_eq!(Scored::new(&[], 0), Scored::default());
    }

    proptest! {
        #[test]
        fn any_partition_merges_to_the_same_bits(
            rows in prop::collection::vec((prop::collection::btree_set(1u8..101, 0..9), 1usize..200, 0usize..4), 1..60)
        ) {
            let mut whole = RetrievalState::default();
            let mut parts = vec![RetrievalState::default(); 4];
            for (ranks, right, part) in &rows {
                let ranks: Vec<u8> = ranks.iter().copied().collect();
                let query = Scored::new(&ranks, *right);
                whole.update(query);
                parts[*part].update(query);
            }
            let mut merged = RetrievalState::default();
            for part in parts.iter().rev() {
                merged.merge(part);
            }
            prop_assert_eq!(whole.evaluate(), merged.evaluate());
        }

        #[test]
        fn a_weight_counts_like_a_repeated_query(
            rows in prop::collection::vec((0.0f64..1.0, any::<bool>(), 0u8..10, 0u32..4), 1..40)
        ) {
            let scored = |r: &(f64, bool, u8, u32)| Scored { ap: r.0, first: r.1, ten: r.2 };
            let form = Retrieval { queries: rows.iter().map(scored).collect() };
            let all: Vec<u32> = (0..rows.len() as u32).collect();
            let weights: Vec<u32> = rows.iter().map(|r| r.3).collect();
            let weighted = form.evaluate(&form.prepare(&all), Some(&weights), &mut ());
            let again: Vec<u32> = all.iter().flat_map(|at| std::iter::repeat_n(*at, weights[*at as usize] as usize)).collect();
            let repeated = form.evaluate(&form.prepare(&again), None, &mut ());
            for (a, b) in weighted.iter().zip(&repeated) {
                prop_assert!(a.zip(*b).is_none_or(|(a, b)| (a - b).abs() < 1e-12));
                prop_assert_eq!(a.is_none(), b.is_none());
            }
        }
    }
}
