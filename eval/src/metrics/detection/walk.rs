//! All metrics of scores that come from the highest down.

use super::{Loss, Options, Scored, Values};
use crate::statistics::Sum;

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
pub(super) struct Walk {
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
    pub(super) fn new(positives: u64, negatives: u64, options: &Options) -> Self {
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
    pub(super) fn add(&mut self, item: Scored, weight: u64, loss: Loss) {
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

    pub(super) fn values(mut self) -> Values {
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
pub(super) fn most_within(all: u64, limit: f64) -> u64 {
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
