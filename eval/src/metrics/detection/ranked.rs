//! Items of a cell by falling score, packed into what is sorted.

use rayon::prelude::*;

use super::Scored;

/// Items in the order of [`sort`], among equals by number; score, class and
/// number packed into what is sorted.
pub(super) enum Ranked {
    /// Scores in single precision, as detectors write them: half the memory,
    /// and sorted much faster.
    Single(Vec<u64>),
    Double(Vec<(u64, bool, u32)>),
}

/// The bit of a class beside the number of an item.
const FAKE: u32 = 1 << 31;

impl Ranked {
    pub fn of(scored: &[Scored], items: &[u32]) -> Self {
        let is_single = |item: &u32| {
            let score = scored[*item as usize].score;
            f64::from(score as f32) == score && score.is_sign_positive()
        };
        if scored.len() >= FAKE as usize || !items.par_iter().all(is_single) {
            let key = |item: &u32| {
                let Scored { score, fake } = scored[*item as usize];
                (!in_order(score.to_bits()), fake, *item)
            };
            let mut keys: Vec<(u64, bool, u32)> = items.par_iter().map(key).collect();
            keys.par_sort_unstable();
            return Ranked::Double(keys);
        }
        let key = |item: &u32| {
            let Scored { score, fake } = scored[*item as usize];
            let class = if fake { FAKE } else { 0 };
            u64::from(!(score as f32).to_bits()) << 32 | u64::from(class | *item)
        };
        let mut keys: Vec<u64> = items.par_iter().map(key).collect();
        keys.par_sort_unstable();
        Ranked::Single(keys)
    }

    pub fn len(&self) -> usize {
        match self {
            Ranked::Single(keys) => keys.len(),
            Ranked::Double(keys) => keys.len(),
        }
    }

    /// The item at a rank, and its number.
    #[inline]
    pub fn get(&self, at: usize) -> (Scored, u32) {
        match self {
            Ranked::Single(keys) => {
                let key = keys[at];
                let scored = Scored {
                    score: f64::from(f32::from_bits(!((key >> 32) as u32))),
                    fake: key as u32 & FAKE > 0,
                };
                (scored, key as u32 & !FAKE)
            }
            Ranked::Double(keys) => {
                let (key, fake, item) = keys[at];
                let score = f64::from_bits(in_order(!key ^ SIGN) ^ SIGN);
                (Scored { score, fake }, item)
            }
        }
    }
}

const SIGN: u64 = 1 << 63;

/// The bits of a number as a whole number that is ordered as `total_cmp` has
/// it.
fn in_order(bits: u64) -> u64 {
    bits ^ (((bits as i64 >> 63) as u64) >> 1) ^ SIGN
}
