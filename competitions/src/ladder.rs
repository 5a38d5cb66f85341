//! The Ladder (Blum and Hardt, "The Ladder: A Reliable Leaderboard for Machine Learning
//! Competitions", ICML 2015, arXiv:1502.04585): a public score changes only where a submission is
//! better than the best before it by more than chance would make it. Whoever submits often to find
//! out about the hidden public items then learns almost nothing.
//!
//! - Step form (algorithm 1): better by the step `eta` at least; scores are rounded to it.
//! - Parameter-free form (algorithm 2): better by the standard error of the paired difference of
//!   the items' scores, `sd(l_t - l_best) / sqrt(n)`; scores are rounded to `1 / n`.

use std::path::Path;

use fairframe_schemas::competition::LadderToml;

use crate::items::{ItemScores, ItemsError};

/// Where a stage's public items' scores of a submission stand in its folder of results.
pub fn public_items(results: &Path) -> std::path::PathBuf {
    results.join("items").join("public.f64")
}

/// The same, in private.
pub fn private_items(results: &Path) -> std::path::PathBuf {
    results.join("items").join("private.f64")
}

/// Whether a new score takes the place of the best before it. `before` is what the board shows,
/// `of_new` and `of_best` the items' scores, or the pseudo-values of what is no mean of them
/// ([`crate::jackknife`]), read where they are needed only.
///
/// In parameter-free form a stage with too few items for either has no standard error: a new score
/// never takes the place of the first.
///
/// # Errors
/// Where the items of the best cannot be read.
pub fn better(
    ladder: Option<LadderToml>,
    higher_is_better: bool,
    before: f64,
    value: f64,
    of_new: Option<&ItemScores>,
    of_best: impl FnOnce() -> Result<ItemScores, ItemsError>,
) -> Result<bool, ItemsError> {
    let gain = match higher_is_better {
        true => value - before,
        false => before - value,
    };
    Ok(match ladder {
        None => gain > 0.0,
        // `before` is rounded; so is what a better one would show.
        Some(LadderToml::Step { step }) => gain > step,
        Some(LadderToml::ParameterFree) => {
            let Some(new) = of_new else {
                return Ok(false);
            };
            if gain <= 0.0 {
                return Ok(false);
            }
            match new.paired(&of_best()?) {
                // No spread: better on every item by the same, or the same answer.
                Some(paired) => gain > paired.error,
                None => false,
            }
        }
    })
}

/// What the board shows of a score: rounded to the step, or to `1 / n` of its items.
pub fn rounded(ladder: Option<LadderToml>, value: f64, n: Option<usize>) -> f64 {
    let to = |step: f64| (value / step).round() * step;
    match (ladder, n) {
        (Some(LadderToml::Step { step }), _) => to(step),
        (Some(LadderToml::ParameterFree), Some(n)) if n > 0 => {
            (value * n as f64).round() / n as f64
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::Digest;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn items(scores: Vec<f64>) -> ItemScores {
        ItemScores {
            ids: Digest::of(b"items"),
            scores,
        }
    }

    fn none() -> Result<ItemScores, ItemsError> {
        unreachable!("the items of the best are not asked for")
    }

    #[test]
    fn a_step_has_to_be_gained_and_scores_are_rounded_to_it() {
        let step = Some(LadderToml::Step { step: 0.01 });
        let climbs =
            |before, value, higher| better(step, higher, before, value, None, none).unwrap();
        assert!(!climbs(0.50, 0.509, true) && climbs(0.50, 0.512, true));
        // Of a loss less is better.
        assert!(!climbs(0.50, 0.491, false) && climbs(0.50, 0.488, false));
        assert_eq!(rounded(step, 0.512, None), 0.51);
        assert_eq!(rounded(None, 0.512_345, Some(7)), 0.512_345);
    }

    #[test]
    fn without_a_step_the_gain_is_more_than_its_standard_error() {
        let free = Some(LadderToml::ParameterFree);
        // Four items; the new one gains on one of them: difference 1/4, standard error 1/4.
        let best = items(vec![1.0, 0.0, 0.0, 0.0]);
        let one = items(vec![1.0, 1.0, 0.0, 0.0]);
        let three = items(vec![1.0, 1.0, 1.0, 1.0]);
        let climbs = |new: &ItemScores, value: f64| {
            better(free, true, 0.25, value, Some(new), || Ok(best.clone())).unwrap()
        };
        assert!(!climbs(&one, 0.5));
        assert!(climbs(&three, 1.0));
        assert!(!better(free, true, 0.25, 0.2, Some(&one), none).unwrap());
        assert!(!better(free, true, 0.25, 0.9, None, none).unwrap());
        assert_eq!(rounded(free, 0.333_4, Some(3)), 1.0 / 3.0);
    }

    /// The attack of the paper (section 4): random answers, of which those that the board says are
    /// better than a half are put together by majority.
    fn attack(ladder: Option<LadderToml>) -> f64 {
        const N: usize = 2_000;
        const TRIES: usize = 400;
        let mut draw = ChaCha8Rng::seed_from_u64(7);
        let truth: Vec<bool> = (0..N).map(|_| draw.random()).collect();
        let score = |answer: &[bool]| {
            let right = answer
                .iter()
                .zip(&truth)
                .map(|(a, t)| f64::from(u8::from(a == t)));
            items(right.collect())
        };
        let mean = |scores: &ItemScores| scores.scores.iter().sum::<f64>() / N as f64;
        let start = score(&vec![true; N]);
        let (mut shown, mut best) = (rounded(ladder, mean(&start), Some(N)), start);
        let mut votes = vec![0i32; N];
        for _ in 0..TRIES {
            let answer: Vec<bool> = (0..N).map(|_| draw.random()).collect();
            let own = score(&answer);
            let value = mean(&own);
            // What the attacker sees: without a ladder the score itself, with one the board's.
            let seen = match ladder {
                None => value,
                Some(_) => {
                    let held = best.clone();
                    if better(ladder, true, shown, value, Some(&own), || Ok(held)).unwrap() {
                        (shown, best) = (rounded(ladder, value, Some(N)), own);
                        shown
                    } else {
                        // Nothing is learnt: any answer may have been better or worse.
                        continue;
                    }
                }
            };
            let vote = if seen > 0.5 { 1 } else { -1 };
            for (at, yes) in answer.iter().enumerate() {
                votes[at] += if *yes { vote } else { -vote };
            }
        }
        let together: Vec<bool> = votes.iter().map(|v| *v >= 0).collect();
        mean(&score(&together))
    }

    #[test]
    fn an_attack_that_climbs_a_plain_board_does_not_climb_the_ladder() {
        let plain = attack(None);
        assert!(plain > 0.62, "{plain}");
        for ladder in [LadderToml::Step { step: 0.05 }, LadderToml::ParameterFree] {
            let held = attack(Some(ladder));
            assert!(held < 0.56, "{ladder:?} {held}");
        }
    }
}
