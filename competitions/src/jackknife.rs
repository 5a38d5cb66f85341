//! The uncertainty of what is no mean of items: pseudo-values of the delete-a-block jackknife
//! (Tukey 1958; Shao and Tu, "The Jackknife and Bootstrap", 1995, section 2.3).
//!
//! Items, or clusters whole, are dealt into blocks. With `g` blocks, `t` the value of all items
//! and `t_b` that without block `b`, the pseudo-value of a block is `g t - (g - 1) t_b`. Their mean
//! is the value without its first-order bias, their standard deviation over the root of `g` its
//! standard error. Of a mean of items they are the means of the blocks. Two submissions on the same
//! items have the same blocks, so the differences of their pseudo-values are paired: what holds of
//! items' scores holds of them.

use fairframe_eval::codes::Codes;
use rayon::prelude::*;

/// Blocks, where there are as many items or clusters.
pub const BLOCKS: usize = 200;

/// With fewer blocks nothing is said of uncertainty.
pub const LEAST_BLOCKS: usize = 20;

/// The block of each item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dealt {
    pub blocks: usize,
    pub of_item: Vec<u32>,
}

impl Dealt {
    /// Deals items in their order, or clusters in the order in which they come first, one after
    /// the other to all blocks: these differ by one item, or cluster, at most. None where there
    /// are too few.
    pub fn new(items: usize, clusters: Option<&Codes>) -> Option<Self> {
        let units: Vec<u32> = match clusters {
            Some(clusters) => clusters.iter().collect(),
            None => (0..u32::try_from(items).ok()?).collect(),
        };
        let count = units.iter().max().map_or(0, |last| *last as usize + 1);
        let blocks = count.min(BLOCKS);
        let dealt = || units.iter().map(|unit| unit % blocks as u32).collect();
        (blocks >= LEAST_BLOCKS).then(|| Self {
            blocks,
            of_item: dealt(),
        })
    }

    /// The pseudo-value of each block. `without` is the value of the items for which the weights
    /// it is given are 1; None where it has none without some block.
    pub fn pseudo_values(
        &self,
        value: f64,
        without: impl Fn(&[u32]) -> Option<f64> + Sync,
    ) -> Option<Vec<f64>> {
        let all = self.blocks as f64;
        let of_block = |block: usize| {
            let left = |of: &u32| u32::from(*of as usize != block);
            let weights: Vec<u32> = self.of_item.iter().map(left).collect();
            Some(all * value - (all - 1.0) * without(&weights)?)
        };
        (0..self.blocks).into_par_iter().map(of_block).collect()
    }
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::Digest;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::items::ItemScores;

    fn weighted_mean(values: &[f64], weights: &[u32]) -> Option<f64> {
        let n: u32 = weights.iter().sum();
        let sum: f64 = values
            .iter()
            .zip(weights)
            .map(|(value, weight)| value * f64::from(*weight))
            .sum();
        (n > 0).then(|| sum / f64::from(n))
    }

    #[test]
    fn of_a_mean_they_are_the_items_or_the_blocks_means() {
        let values: Vec<f64> = (0..40).map(|at| f64::from(at % 7)).collect();
        let mean = values.iter().sum::<f64>() / 40.0;
        let dealt = Dealt::new(40, None).unwrap();
        let found = dealt
            .pseudo_values(mean, |w| weighted_mean(&values, w))
            .unwrap();
        for (found, value) in found.iter().zip(&values) {
            assert!((found - value).abs() < 1e-10, "{found} {value}");
        }
        // 20 clusters of two items that follow each other.
        let clusters = Codes::of(40, 19, |at| at as u32 / 2);
        let dealt = Dealt::new(40, Some(&clusters)).unwrap();
        let found = dealt
            .pseudo_values(mean, |w| weighted_mean(&values, w))
            .unwrap();
        assert_eq!(found.len(), 20);
        let first = (values[0] + values[1]) / 2.0;
        assert!((found[0] - first).abs() < 1e-10, "{found:?}");
    }

    #[test]
    fn too_few_units_say_nothing_and_blocks_are_even() {
        assert_eq!(Dealt::new(19, None), None);
        assert_eq!(Dealt::new(1_000, Some(&Codes::of(1_000, 0, |_| 0))), None);
        let dealt = Dealt::new(1_234, None).unwrap();
        assert_eq!(dealt.blocks, BLOCKS);
        let size = |block: u32| dealt.of_item.iter().filter(|of| **of == block).count();
        assert!((0..200).all(|block| (6..=7).contains(&size(block))));
        let none = Dealt::new(40, None).unwrap().pseudo_values(1.0, |_| None);
        assert_eq!(none, None);
    }

    /// ROC AUC (Mann-Whitney) of scores by class.
    fn auc(scores: &[(f64, bool)], weights: &[u32]) -> Option<f64> {
        let kept: Vec<(f64, bool)> = scores
            .iter()
            .zip(weights)
            .filter(|(_, weight)| **weight > 0)
            .map(|(score, _)| *score)
            .collect();
        let of = |fake: bool| {
            kept.iter()
                .filter(move |(_, f)| *f == fake)
                .map(|(s, _)| *s)
        };
        let mut wins = 0.0;
        for positive in of(true) {
            for negative in of(false) {
                wins += match positive.total_cmp(&negative) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        let pairs = (of(true).count() * of(false).count()) as f64;
        (pairs > 0.0).then(|| wins / pairs)
    }

    /// Two answers of the same quality to the same items differ by less than 1.96 standard errors
    /// in about 95 of 100 draws of the items; the error that takes them for independent would say
    /// so nearly always, as they share what is hard.
    #[test]
    fn the_paired_error_of_an_auc_covers_as_it_says() {
        let mut draw = ChaCha8Rng::seed_from_u64(11);
        let mut within = 0;
        const DRAWS: usize = 200;
        for _ in 0..DRAWS {
            let mut noise = || draw.random::<f64>() + draw.random::<f64>() - 1.0;
            let items: Vec<(bool, f64)> = (0..200).map(|at| (at % 2 == 0, noise())).collect();
            let mut answer = || -> Vec<(f64, bool)> {
                let score = |(fake, hard): &(bool, f64)| {
                    (
                        f64::from(u8::from(*fake)) * 0.5 + hard + 0.5 * noise(),
                        *fake,
                    )
                };
                items.iter().map(score).collect()
            };
            let (a, b) = (answer(), answer());
            let dealt = Dealt::new(200, None).unwrap();
            let of = |scores: &[(f64, bool)]| {
                let value = auc(scores, &[1; 200]).unwrap();
                let scores = dealt.pseudo_values(value, |w| auc(scores, w)).unwrap();
                let ids = Digest::of(b"items");
                ItemScores { ids, scores }
            };
            let paired = of(&a).paired(&of(&b)).unwrap();
            within += usize::from(paired.mean.abs() <= 1.96 * paired.error);
        }
        let share = within as f64 / DRAWS as f64;
        assert!((0.90..=0.985).contains(&share), "{share}");
    }
}
