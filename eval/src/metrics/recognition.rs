//! Recognition: which landmark a query shows, if any. GAP ranks the
//! predictions of all queries together.

use super::{Form, Metric, Rests};
use crate::statistics::Sum;

pub const GAP: &str = "gap";

pub(crate) const METRICS: &[Metric] = &[
    Metric {
        name: GAP,
        title: "GAP",
        definition: "Predictions of all queries from the surest down; precision at each right one, summed, over the number of queries with a landmark (the positives). A prediction for a query without a landmark lowers precision.",
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnPositives,
    },
    Metric {
        name: "gap_landmarks",
        title: "GAP, queries with a landmark only",
        definition: "GAP as if queries without a landmark had not been asked.",
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnPositives,
    },
    Metric {
        name: "top_1",
        title: "Right landmark",
        definition: "Share of the queries with a landmark for which it is named, however surely.",
        higher_is_better: true,
        proportion: true,
        rests: Rests::OnPositives,
    },
];

/// One query with what was answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query {
    /// Whether it shows a landmark.
    pub landmark: bool,
    /// Whether a landmark was named.
    pub answered: bool,
    /// Whether it is one of those shown.
    pub right: bool,
}

/// Queries with their place in the ranking of all predictions: by confidence
/// from the highest, then by id, then by class.
#[derive(Debug, Clone, Default)]
pub struct Recognition {
    pub queries: Vec<Query>,
    /// Per query; a query without a prediction comes after all that have one.
    pub places: Vec<u32>,
    /// The same if all were answered with one confidence: by id alone.
    pub by_id: Vec<u32>,
}

/// What the surest-first walk sums up.
#[derive(Debug, Clone, Copy, Default)]
struct Ranking {
    rank: u64,
    right: u64,
    sum: Sum,
}

impl Ranking {
    /// `times` equal predictions, one after the other.
    fn step(&mut self, right: bool, times: u64) {
        if right {
            for _ in 0..times {
                self.rank += 1;
                self.right += 1;
                self.sum.add(self.right as f64 / self.rank as f64);
            }
        } else {
            self.rank += times;
        }
    }
}

/// GAP (Google Landmarks; micro average precision, Perronnin et al. 2009), the
/// same among queries with a landmark, and the share of those that are right.
/// `ranked` goes from the surest prediction down; weights are numbers of
/// copies, which stand side by side.
fn evaluate(ranked: impl Iterator<Item = (Query, u64)>) -> [Option<f64>; 3] {
    let (mut all, mut landmarks, mut positives) = (Ranking::default(), Ranking::default(), 0u64);
    for (query, times) in ranked {
        positives += if query.landmark { times } else { 0 };
        if query.answered {
            all.step(query.right, times);
            if query.landmark {
                landmarks.step(query.right, times);
            }
        }
    }
    let share = |sum: f64| (positives > 0).then(|| sum / positives as f64);
    [
        share(all.sum.value()),
        share(landmarks.sum.value()),
        share(all.right as f64),
    ]
}

/// All that GAP needs of any number of queries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecognitionState {
    pub(crate) predictions: Vec<Prediction>,
    /// Queries with a landmark and without an answer.
    pub(crate) silent: u64,
}

/// One prediction: what orders it, and whether it is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub confidence: f64,
    pub id: String,
    pub class: String,
    pub landmark: bool,
    pub right: bool,
}

impl Prediction {
    /// Surest first, then by id, then by class.
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        order(
            (self.confidence, &self.id, &self.class),
            (other.confidence, &other.id, &other.class),
        )
    }
}

/// Surest first, then by id, then by class.
pub fn order(a: (f64, &str, &str), b: (f64, &str, &str)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0)
        .then_with(|| a.1.cmp(b.1))
        .then_with(|| a.2.cmp(b.2))
}

impl RecognitionState {
    /// Adds a query that was answered.
    pub fn update(&mut self, prediction: Prediction) {
        self.predictions.push(prediction);
    }

    /// Adds a query that was not.
    pub fn update_silent(&mut self, landmark: bool) {
        self.silent += u64::from(landmark);
    }

    pub fn merge(&mut self, other: &Self) {
        self.predictions.extend_from_slice(&other.predictions);
        self.silent += other.silent;
    }

    /// GAP, GAP among queries with a landmark, and the share of those that
    /// are right.
    pub fn evaluate(&self) -> [Option<f64>; 3] {
        let mut sorted: Vec<&Prediction> = self.predictions.iter().collect();
        sorted.sort_unstable_by(|a, b| {
            let equal_order = (a.landmark, a.right).cmp(&(b.landmark, b.right));
            a.order(b).then(equal_order)
        });
        let answered = sorted.into_iter().map(|prediction| Query {
            landmark: prediction.landmark,
            answered: true,
            right: prediction.right,
        });
        let silent = Query {
            landmark: true,
            ..Query::default()
        };
        evaluate(
            answered
                .map(|query| (query, 1))
                .chain([(silent, self.silent)]),
        )
    }
}

/// A cell of queries, the surest first.
pub struct Ranked {
    order: Vec<u32>,
    queries: Vec<Query>,
}

impl Recognition {
    /// What each query adds to the sum of GAP over all: precision at its
    /// place if it is right, else 0.
    pub fn parts(&self) -> Vec<f64> {
        let all: Vec<u32> = (0..self.queries.len() as u32).collect();
        let cell = self.prepare(&all);
        let mut parts = vec![0.0; self.queries.len()];
        let mut ranking = Ranking::default();
        for (item, query) in cell.order.iter().zip(&cell.queries) {
            if query.answered {
                ranking.step(query.right, 1);
                if query.right {
                    parts[*item as usize] = ranking.right as f64 / ranking.rank as f64;
                }
            }
        }
        parts
    }

    /// The metrics of some queries if every answer were one class with one
    /// confidence. `right` says where it would be right.
    pub fn constant(&self, items: &[u32], right: &[bool]) -> [Option<f64>; 3] {
        let mut order = items.to_vec();
        order.sort_unstable_by_key(|item| self.by_id[*item as usize]);
        evaluate(order.into_iter().map(|item| {
            let query = Query {
                landmark: self.queries[item as usize].landmark,
                answered: true,
                right: right[item as usize],
            };
            (query, 1)
        }))
    }
}

impl Form for Recognition {
    type Cell = Ranked;
    type Scratch = ();

    fn metrics(&self) -> &[Metric] {
        METRICS
    }

    fn len(&self) -> usize {
        self.queries.len()
    }

    fn positive(&self, item: u32) -> Option<bool> {
        Some(self.queries[item as usize].landmark)
    }

    fn prepare(&self, items: &[u32]) -> Ranked {
        let mut order = items.to_vec();
        order.sort_unstable_by_key(|item| self.places[*item as usize]);
        let queries = order
            .iter()
            .map(|item| self.queries[*item as usize])
            .collect();
        Ranked { order, queries }
    }

    fn order(cell: &Ranked) -> &[u32] {
        &cell.order
    }

    /// Resampled queries keep their order: they are ranked anew by walking,
    /// without sorting.
    fn evaluate(&self, cell: &Ranked, weights: Option<&[u32]>, (): &mut ()) -> Vec<Option<f64>> {
        let weight = |at: usize| weights.map_or(1, |weights| u64::from(weights[at]));
        let ranked = cell.queries.iter().enumerate();
        evaluate(ranked.map(|(at, query)| (*query, weight(at)))).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prediction(confidence: f64, id: &str, right: bool) -> Prediction {
        Prediction {
            confidence,
            id: id.to_owned(),
            class: "c".to_owned(),
            landmark: right,
            right,
        }
    }

    #[test]
    fn the_worked_example_holds() {
        // Right, right, wrong, right, right, right, wrong; 8 queries with a landmark.
        let mut state = RecognitionState::default();
        for (at, right) in [1, 1, 0, 1, 1, 1, 0].into_iter().enumerate() {
            let confidence = 1.0 - at as f64 / 10.0;
            state.update(prediction(confidence, &format!("q{at}"), right == 1));
        }
        (0..3).for_each(|_| state.update_silent(true));
        let [gap, landmarks, top] = state.evaluate();
        assert!((gap.unwrap() - 0.547917).abs() < 5e-7, "{gap:?}");
        // The wrong ones were given to queries without a landmark.
        assert_eq!((landmarks, top), (Some(5.0 / 8.0), Some(5.0 / 8.0)));
    }

    #[test]
    fn ties_are_ranked_by_id_whatever_order_they_came_in() {
        for ids in [["a", "b"], ["b", "a"]] {
            let mut state = RecognitionState::default();
            for id in ids {
                state.update(prediction(0.5, id, id == "b"));
            }
            assert_eq!(state.evaluate()[0], Some(0.5));
        }
    }

    #[test]
    fn nothing_and_no_landmark_give_none() {
        assert_eq!(RecognitionState::default().evaluate(), [None; 3]);
        let mut state = RecognitionState::default();
        state.update(prediction(0.5, "a", false));
        state.update_silent(false);
        assert_eq!(state.evaluate(), [None; 3]);
    }

    fn form(rows: &[(u8, bool, bool, bool)]) -> Recognition {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|at| (!rows[*at].2, std::cmp::Reverse(rows[*at].0), *at));
        let mut places = vec![0; rows.len()];
        for (place, at) in order.into_iter().enumerate() {
            places[at] = place as u32;
        }
        let query = |row: &(u8, bool, bool, bool)| Query {
            landmark: row.1,
            answered: row.2,
            right: row.1 && row.2 && row.3,
        };
        Recognition {
            queries: rows.iter().map(query).collect(),
            places,
            by_id: (0..rows.len() as u32).collect(),
        }
    }

    proptest! {
        #[test]
        fn any_partition_merges_to_the_same_bits(
            rows in prop::collection::vec((0u8..9, "[a-c]{1,2}", any::<[bool; 3]>(), 0usize..4), 1..80)
        ) {
            let mut whole = RecognitionState::default();
            let mut parts = vec![RecognitionState::default(); 4];
            for (confidence, id, [landmark, answered, right], part) in &rows {
                for state in [&mut whole, &mut parts[*part]] {
                    if *answered {
                        let right = *right && *landmark;
                        let confidence = f64::from(*confidence) / 8.0;
                        state.update(Prediction { landmark: *landmark, ..prediction(confidence, id, right) });
                    } else {
                        state.update_silent(*landmark);
                    }
                }
            }
            let mut merged = RecognitionState::default();
            for part in parts.iter().rev() {
                merged.merge(part);
            }
            prop_assert_eq!(whole.evaluate(), merged.evaluate());
        }

        #[test]
        fn a_weight_counts_like_repeated_queries_ranked_anew(
            rows in prop::collection::vec((0u8..5, any::<bool>(), any::<bool>(), any::<bool>(), 0u32..4), 1..40)
        ) {
            let plain: Vec<_> = rows.iter().map(|r| (r.0, r.1, r.2, r.3)).collect();
            let weighted = form(&plain);
            let cell = weighted.prepare(&(0..rows.len() as u32).collect::<Vec<_>>());
            let weights: Vec<u32> = Recognition::order(&cell).iter().map(|at| rows[*at as usize].4).collect();
            let repeated: Vec<_> = rows
                .iter()
                .flat_map(|r| std::iter::repeat_n((r.0, r.1, r.2, r.3), r.4 as usize))
                .collect();
            let again = form(&repeated);
            let all = again.prepare(&(0..repeated.len() as u32).collect::<Vec<_>>());
            prop_assert_eq!(
                weighted.evaluate(&cell, Some(&weights), &mut ()),
                again.evaluate(&all, None, &mut ())
            );
        }
    }
}
