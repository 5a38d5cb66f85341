//! Detection, real against fake: a score is the probability of fake.

mod ranked;

use std::sync::OnceLock;

use rayon::prelude::*;

use self::ranked::{Key, Ranked};
use super::{Asked, EvaluateCells, Form, Found, Metric, Rests};
use crate::codes::Codes;
use crate::read::Numbers;
use crate::statistics::Sum;

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

/// All metrics of scores in the order of [`sort`], each with its loss and
/// counted `weights[i]` times, or once. Metrics that need both classes are None where one is
/// missing.
///
/// Log loss, AUC (Mann and Whitney 1947), average precision and Brier (1950)
/// as scikit-learn defines them; see docs/method.md.
pub fn evaluate(
    n: usize,
    sorted: impl Fn(usize) -> Scored,
    loss: impl Fn(usize) -> Loss,
    weights: Option<&[u32]>,
    options: &Options,
) -> Values {
    let weight = |at: usize| weights.map_or(1, |w| u64::from(w[at]));
    let (mut positives, mut negatives) = (0u64, 0u64);
    for at in 0..n {
        *(if sorted(at).fake {
            &mut positives
        } else {
            &mut negatives
        }) += weight(at);
    }
    let mut walk = Walk::new(positives, negatives, options);
    for at in 0..n {
        match weight(at) {
            0 => {}
            weight => walk.add(sorted(at), weight, loss(at)),
        }
    }
    walk.values()
}

/// All metrics, as they are found from the highest score down.
struct Walk {
    positives: u64,
    negatives: u64,
    threshold: f64,
    // Real, then fake: by index, as the next class is not to be guessed.
    log: [Sum; 2],
    brier: Sum,
    /// Of each class, how many are called fake.
    called: [u64; 2],
    curve: Curve,
    bins: Bins,
    /// The score that was added last, and of each class how many of it.
    score: f64,
    tied: [u64; 2],
}

impl Walk {
    fn new(positives: u64, negatives: u64, options: &Options) -> Self {
        Self {
            positives,
            negatives,
            threshold: options.threshold,
            log: [Sum::default(); 2],
            brier: Sum::default(),
            called: [0; 2],
            curve: Curve::new(positives, negatives),
            bins: Bins::new(options.bins, positives + negatives),
            score: f64::NAN,
            tied: [0; 2],
        }
    }

    // Within a loop whose weights are all 1 much of what follows falls away.
    #[inline(always)]
    fn add(&mut self, item: Scored, weight: u64, loss: Loss) {
        if item.score != self.score {
            self.settle();
            self.score = item.score;
        }
        let (class, wide) = (usize::from(item.fake), weight as f64);
        self.tied[class] += weight;
        self.log[class].add(loss.log * wide);
        self.brier.add(loss.brier * wide);
    }

    /// No more items have the score.
    #[inline(always)]
    fn settle(&mut self) {
        let [real, fake] = std::mem::take(&mut self.tied);
        if real + fake == 0 {
            return;
        }
        if self.score >= self.threshold {
            self.called[0] += real;
            self.called[1] += fake;
        }
        self.bins.add(self.score, fake, real + fake);
        self.curve.step(self.score, fake, real);
    }

    fn values(mut self) -> Values {
        self.settle();
        let (positives, negatives) = (self.positives, self.negatives);
        let (all, both) = (positives + negatives, positives > 0 && negatives > 0);
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let [accused, caught] = self.called;
        let tpr = share(caught, positives);
        let fpr = share(accused, negatives);
        let mean = |sum: f64, n: u64| (n > 0).then(|| sum / n as f64);
        let halves = |a: Option<f64>, b: Option<f64>| Some((a? + b?) / 2.0);
        let [log_real, log_fake] = self.log;
        let mut log_all = log_fake;
        log_all.add(log_real.value());
        let curve = &self.curve;
        Values {
            values: [
                mean(log_all.value(), all),
                halves(
                    mean(log_fake.value(), positives),
                    mean(log_real.value(), negatives),
                ),
                share(caught + negatives - accused, all),
                halves(tpr, fpr.map(|fpr| 1.0 - fpr)),
                both.then(|| curve.auc()),
                both.then(|| curve.average_precision.value()),
                both.then_some(curve.eer).flatten().map(|(rate, _)| rate),
                both.then(|| share(curve.caught_at[0], positives)).flatten(),
                both.then(|| share(curve.caught_at[1], positives)).flatten(),
                tpr,
                fpr,
                mean(self.brier.value(), all),
                self.bins.error(),
            ],
            eer_threshold: both.then_some(curve.eer).flatten().map(|(_, at)| at),
        }
    }
}

/// The ROC curve as it is walked from the highest score down.
struct Curve {
    positives: u64,
    negatives: u64,
    tp: u64,
    fp: u64,
    /// Twice the number of (fake, real) pairs in the right order.
    twice_pairs: u128,
    average_precision: Sum,
    last_score: Option<f64>,
    eer: Option<(f64, f64)>,
    /// The most reals that may be accused at 1% and at 0.1%, and the fakes caught there.
    most: [u64; 2],
    caught_at: [u64; 2],
}

impl Curve {
    fn new(positives: u64, negatives: u64) -> Self {
        Self {
            positives,
            negatives,
            tp: 0,
            fp: 0,
            twice_pairs: 0,
            average_precision: Sum::default(),
            last_score: None,
            eer: None,
            most: [0.01, 0.001].map(|limit| most_within(negatives, limit)),
            caught_at: [0; 2],
        }
    }

    #[inline(always)]
    fn step(&mut self, score: f64, fake: u64, real: u64) {
        self.twice_pairs += u128::from(real) * u128::from(2 * self.tp + fake);
        let before = (self.tp, self.fp);
        self.tp += fake;
        self.fp += real;
        // Without a fake 0 is added: whether there is one cannot be guessed.
        let precision = self.tp as f64 / (self.tp + self.fp) as f64;
        let gained = fake as f64 / self.positives.max(1) as f64;
        self.average_precision.add(gained * precision);
        let [most, least] = self.most;
        if self.fp <= most {
            self.caught_at[0] = self.tp;
            if self.fp <= least {
                self.caught_at[1] = self.tp;
            }
        }
        if self.eer.is_none() {
            self.eer = self.crossing(before, score);
        }
        self.last_score = Some(score);
    }

    /// Where FNR = FPR between two points of the curve, if it is there.
    fn crossing(&self, before: (u64, u64), score: f64) -> Option<(f64, f64)> {
        // Over the common denominator, exact.
        let rates = |(tp, fp): (u64, u64)| {
            let missed = u128::from(self.positives - tp) * u128::from(self.negatives);
            (missed, u128::from(fp) * u128::from(self.positives))
        };
        let (missed, accused) = rates((self.tp, self.fp));
        if missed > accused {
            return None;
        }
        let gap = |(missed, accused): (u128, u128)| missed as i128 - accused as i128;
        let (from, to) = (gap(rates(before)), gap((missed, accused)));
        if from <= 0 {
            return None;
        }
        let t = from as f64 / (from - to) as f64;
        let rate = |fp: u64| fp as f64 / self.negatives as f64;
        let eer = rate(before.1) + t * (rate(self.fp) - rate(before.1));
        // Above the highest score there is no threshold to interpolate from.
        let last = self.last_score.unwrap_or(score);
        Some((eer, last + t * (score - last)))
    }

    fn auc(&self) -> f64 {
        let pairs = u128::from(self.positives) * u128::from(self.negatives);
        self.twice_pairs as f64 / (2 * pairs) as f64
    }
}

/// The most of so many whose share, as it is rounded, is within a limit.
fn most_within(all: u64, limit: f64) -> u64 {
    let within = |n: u64| n as f64 / all as f64 <= limit;
    let near = (all as f64 * limit) as u64;
    let around = near.saturating_sub(2)..=near + 2;
    around.rev().find(|n| within(*n)).unwrap_or(0)
}

/// Bins of equal mass. Equal scores share the bin of the middle of their run,
/// so that the order of ties has no say.
pub(crate) struct Bins {
    all: u64,
    seen: u64,
    /// Bins that are full, and how many there are to be.
    full: Vec<Bin>,
    count: u64,
    /// Twice what is seen where the next bin begins.
    next: u64,
    bin: Bin,
}

/// Items, fakes and summed scores.
#[derive(Clone, Copy, Default)]
struct Bin(u64, u64, Sum);

impl Bins {
    pub fn new(count: u32, all: u64) -> Self {
        let mut bins = Self {
            all,
            seen: 0,
            full: Vec::new(),
            count: count.max(1).into(),
            next: 0,
            bin: Bin::default(),
        };
        bins.next = bins.end();
        bins
    }

    /// Twice what is seen where the bin ends that is being filled; the last one has no end.
    fn end(&self) -> u64 {
        let at = self.full.len() as u64 + 1;
        let end = u128::from(2 * at) * u128::from(self.all);
        match at < self.count {
            true => end.div_ceil(self.count.into()) as u64,
            false => u64::MAX,
        }
    }

    #[inline(always)]
    pub fn add(&mut self, score: f64, fake: u64, n: u64) {
        // The middle of the run lies before the end of its bin.
        while 2 * self.seen + n >= self.next {
            self.full.push(std::mem::take(&mut self.bin));
            self.next = self.end();
        }
        self.seen += n;
        self.bin.0 += n;
        self.bin.1 += fake;
        self.bin.2.add(score * n as f64);
    }

    /// Items, fakes and summed scores of each bin, the highest scores first.
    pub fn each(&self) -> impl Iterator<Item = (u64, u64, f64)> {
        let bins = self.full.iter().chain([&self.bin]);
        let bins = bins.map(|Bin(n, fakes, scores)| (*n, *fakes, scores.value()));
        let left = self.count as usize - self.full.len() - 1;
        bins.chain(std::iter::repeat_n((0, 0, 0.0), left))
    }

    fn error(&self) -> Option<f64> {
        let mut error = Sum::default();
        for (_, fake, scores) in self.each() {
            error.add((scores - fake as f64).abs());
        }
        (self.all > 0).then(|| error.value() / self.all as f64)
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
