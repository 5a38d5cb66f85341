//! Detection, real against fake: a score is the probability of fake.

mod ranked;
mod walk;

use std::sync::OnceLock;

use rayon::prelude::*;

use self::ranked::{Key, Ranked};
pub(crate) use self::walk::Bins;
use self::walk::Walk;
pub use self::walk::evaluate;
use super::{Asked, EvaluateCells, Form, Found, Metric, Rests};
use crate::codes::Codes;
use crate::read::Numbers;

pub const LOG_LOSS: &str = "log_loss";
pub const LOG_LOSS_BALANCED: &str = "log_loss_balanced";

macro_rules! metrics {
    ($($name:literal $title:literal $better:ident $kind:ident $rests:ident $definition:literal;)*) => {
        pub(crate) const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            title: $title,
            definition: $definition,
            higher_is_better: metrics!(@$better),
            proportion: metrics!(@$kind),
            rests: Rests::$rests,
        },)*];
    };
    (@higher) => { true };
    (@lower) => { false };
    (@proportion) => { true };
    (@other) => { false };
}

// The order is that of `Values::as_list`.
metrics! {
    "log_loss" "Log loss" lower other OnItems
        "Mean of -ln of the probability given to the truth, clipped to [eps, 1 - eps]; 0.693 is what one half everywhere scores.";
    "log_loss_balanced" "Log loss, classes balanced" lower other OnBoth
        "Mean of the log loss of the real and that of the fake.";
    "accuracy" "Accuracy" higher proportion OnItems
        "Share that is called rightly at the threshold.";
    "balanced_accuracy" "Balanced accuracy" higher other OnBoth
        "Mean of the share of fakes and the share of reals that are called rightly at the threshold.";
    "auc" "ROC AUC" higher other OnBoth
        "Chance that a random fake scores higher than a random real; a tie counts one half.";
    "average_precision" "Average precision" higher other OnBoth
        "Sum over the scores, from the highest down, of precision times the gain in recall.";
    "eer" "Equal error rate" lower other OnBoth
        "Error rate where as many fakes are missed as reals are accused (shares), interpolated linearly.";
    "tpr_at_fpr_1pct" "Fakes caught at 1% false alarms" higher other OnBoth
        "Largest share of fakes caught at a threshold that accuses at most 1% of the reals.";
    "tpr_at_fpr_0.1pct" "Fakes caught at 0.1% false alarms" higher other OnBoth
        "Largest share of fakes caught at a threshold that accuses at most 0.1% of the reals.";
    "tpr" "Fakes caught (TPR)" higher proportion OnPositives
        "Share of fakes at or over the threshold.";
    "fpr" "Reals accused (FPR)" lower proportion OnNegatives
        "Share of reals at or over the threshold.";
    "brier" "Brier score" lower other OnItems
        "Mean squared distance of the score to the truth.";
    "ece" "Calibration error (ECE)" lower other OnItems
        "Mean distance of the mean score to the share of fakes in bins of equal mass, weighted by their mass.";
}

/// What bears on the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// A score at or over it is called fake.
    pub threshold: f64,
    /// Log loss clips to `[eps, 1 - eps]`.
    pub eps: f64,
    /// Bins of the calibration error.
    pub bins: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            eps: 1e-15,
            bins: 15,
        }
    }
}

/// One score with its truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    pub score: f64,
    pub fake: bool,
}

/// Highest score first; among equals the reals first, so that equal rows
/// stand together whatever order they came in.
pub fn sort(scores: &mut [Scored]) {
    scores.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.fake.cmp(&b.fake)));
}

/// What one item adds to the losses.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    pub log: f64,
    pub brier: f64,
}

impl Loss {
    pub fn of(item: Scored, eps: f64) -> Self {
        let p = item.score.clamp(eps, 1.0 - eps);
        // Half a unit in the last place is lost by `ln(1 - p)` at small p.
        let log = if item.fake { -p.ln() } else { -(-p).ln_1p() };
        let distance = item.score - f64::from(u8::from(item.fake));
        Self {
            log,
            brier: distance * distance,
        }
    }
}

/// One value per metric, and the threshold of the equal error rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    values: [Option<f64>; 13],
    pub eer_threshold: Option<f64>,
}

impl Values {
    pub fn get(&self, name: &str) -> Option<f64> {
        let at = METRICS.iter().position(|metric| metric.name == name)?;
        self.values[at]
    }

    pub fn as_list(&self) -> Vec<Option<f64>> {
        self.values.to_vec()
    }
}

/// Scores with their truth.
#[derive(Debug, Clone, Default)]
pub struct ScoredItems {
    scores: Numbers,
    fake: Vec<bool>,
}

impl ScoredItems {
    /// One of both for each item.
    pub fn new(scores: Numbers, fake: Vec<bool>) -> Self {
        assert_eq!(scores.len(), fake.len());
        Self { scores, fake }
    }

    #[inline]
    pub fn get(&self, at: usize) -> Scored {
        Scored {
            // -0.0 would sort apart from 0.0.
            score: self.scores.get(at) + 0.0,
            fake: self.fake[at],
        }
    }

    pub fn len(&self) -> usize {
        self.fake.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fake.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Scored> {
        (0..self.len()).map(|at| self.get(at))
    }
}

impl FromIterator<Scored> for ScoredItems {
    fn from_iter<I: IntoIterator<Item = Scored>>(items: I) -> Self {
        let both = items.into_iter().map(|item| (item.score, item.fake));
        let (scores, fake): (Vec<f64>, _) = both.unzip();
        Self::new(Numbers::narrowed(scores), fake)
    }
}

/// Scores and truth of the items of one level.
#[derive(Debug, Clone, Default)]
pub struct Detection {
    pub items: ScoredItems,
    pub options: Options,
}

/// A cell of scores, sorted.
pub struct Scores {
    ranked: Ranked,
    /// Found once, for resampling.
    order: OnceLock<Vec<u32>>,
    losses: OnceLock<Vec<Loss>>,
    whole: OnceLock<Values>,
}

impl Scores {
    fn losses(&self, eps: f64) -> &[Loss] {
        let loss = |at| Loss::of(self.ranked.get(at).0, eps);
        let all = || (0..self.ranked.len()).map(loss).collect();
        self.losses.get_or_init(all)
    }
}

impl Detection {
    /// All metrics of a cell, with the threshold of the equal error rate.
    fn values<'a>(&self, cell: &'a Scores) -> &'a Values {
        let sorted = |at| cell.ranked.get(at).0;
        let loss = |at| Loss::of(sorted(at), self.options.eps);
        let all = || evaluate(cell.ranked.len(), sorted, loss, None, &self.options);
        cell.whole.get_or_init(all)
    }

    /// All cells at once, while all scores are walked from the highest down.
    fn walked<K: Key>(&self, strata: &Codes, groupings: &[Asked]) -> Vec<Vec<Option<Walk>>> {
        let walk =
            |(n, positives): &(u64, u64)| Walk::new(*positives, n - positives, &self.options);
        let of_cells = |asked: &Asked| -> Vec<Option<Walk>> {
            let sizes = asked.sizes.iter();
            sizes.map(|size| size.as_ref().map(walk)).collect()
        };
        let mut walks: Vec<Vec<Option<Walk>>> = groupings.iter().map(of_cells).collect();
        ranked::each_block(&self.items, strata, |keys: &[K]| {
            let loss = |key: &K| Loss::of(key.item().0, self.options.eps);
            let losses: Vec<Loss> = keys.par_iter().map(loss).collect();
            let both = walks.par_iter_mut().zip(groupings);
            both.for_each(|(walks, asked)| {
                for (key, loss) in keys.iter().zip(&losses) {
                    let (scored, stratum) = key.item();
                    let cell = asked.cells[stratum as usize];
                    if let Some(walk) = &mut walks[cell as usize] {
                        walk.add(scored, 1, *loss);
                    }
                }
            });
        });
        walks
    }

    fn cells_at_once(&self, strata: &Codes, groupings: &[Asked]) -> Vec<Vec<Option<Found>>> {
        let walks = match ranked::fits_single(&self.items) {
            true => self.walked::<ranked::SingleKey>(strata, groupings),
            false => self.walked::<ranked::DoubleKey>(strata, groupings),
        };
        let eer = METRICS.iter().position(|metric| metric.name == "eer");
        let found = |walk: Walk| {
            let values = walk.values();
            let at = |metric| values.eer_threshold.filter(|_| Some(metric) == eer);
            Found {
                thresholds: (0..METRICS.len()).map(at).collect(),
                values: values.as_list(),
            }
        };
        let of_grouping = |walks: Vec<Option<Walk>>| {
            let walks = walks.into_iter();
            walks.map(|walk| walk.map(found)).collect()
        };
        walks.into_iter().map(of_grouping).collect()
    }

    /// The metrics of some items if every score were `score`.
    pub fn constant(&self, items: &[u32], score: f64) -> Values {
        let mut state = crate::statistics::DetectionState::default();
        for item in items {
            state.update(score, self.items.get(*item as usize).fake);
        }
        state.evaluate(&self.options)
    }
}

impl Form for Detection {
    type Cell = Scores;
    type Scratch = ();

    fn metrics(&self) -> &[Metric] {
        METRICS
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn positive(&self, item: u32) -> Option<bool> {
        Some(self.items.get(item as usize).fake)
    }

    fn right(&self, item: u32) -> Option<bool> {
        let item = self.items.get(item as usize);
        Some((item.score >= self.options.threshold) == item.fake)
    }

    fn part(&self, metric: usize, item: u32) -> Option<f64> {
        let loss = || Loss::of(self.items.get(item as usize), self.options.eps);
        match METRICS[metric].name {
            LOG_LOSS => Some(loss().log),
            "brier" => Some(loss().brier),
            "accuracy" => self.right(item).map(|right| f64::from(u8::from(right))),
            _ => None,
        }
    }

    fn prepare(&self, items: &[u32]) -> Scores {
        Scores {
            ranked: Ranked::of(&self.items, items),
            order: OnceLock::new(),
            losses: OnceLock::new(),
            whole: OnceLock::new(),
        }
    }

    fn order(cell: &Scores) -> &[u32] {
        let number = |at| cell.ranked.get(at).1;
        let all = || (0..cell.ranked.len()).map(number).collect();
        cell.order.get_or_init(all)
    }

    fn evaluate(&self, cell: &Scores, weights: Option<&[u32]>, (): &mut ()) -> Vec<Option<f64>> {
        if weights.is_none() {
            return self.values(cell).as_list();
        }
        let losses = cell.losses(self.options.eps);
        let sorted = |at| cell.ranked.get(at).0;
        let n = cell.ranked.len();
        evaluate(n, sorted, |at| losses[at], weights, &self.options).as_list()
    }

    fn at_threshold(&self, cell: &Scores, metric: usize) -> Option<f64> {
        let is_eer = METRICS[metric].name == "eer";
        self.values(cell).eer_threshold.filter(|_| is_eer)
    }

    fn evaluate_cells(&self) -> Option<EvaluateCells<Self>> {
        Some(Self::cells_at_once)
    }

    /// A group's scores in the cell's order are in order: nothing is sorted again.
    fn evaluate_groups(
        &self,
        cell: &Scores,
        codes: &[u32],
        groups: usize,
        (): &mut (),
    ) -> Vec<Vec<Option<f64>>> {
        let (places, ends) = super::places_by_group(codes, groups);
        let sorted: Vec<Scored> = places
            .iter()
            .map(|at| cell.ranked.get(*at as usize).0)
            .collect();
        let all = cell.losses(self.options.eps);
        let losses: Vec<Loss> = places.iter().map(|at| all[*at as usize]).collect();
        let mut start = 0;
        ends.into_iter()
            .map(|end| {
                let from = std::mem::replace(&mut start, end);
                let (sorted, losses) = (&sorted[from..end], &losses[from..end]);
                let (sorted, loss) = (|at: usize| sorted[at], |at: usize| losses[at]);
                evaluate(end - from, sorted, loss, None, &self.options).as_list()
            })
            .collect()
    }
}
#[cfg(test)]
mod tests;
