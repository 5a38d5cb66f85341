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
        let keys: Vec<u64> = items.par_iter().map(key).collect();
        Ranked::Single(sorted(keys))
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

/// Bits of a key that one pass sorts by.
const DIGIT: u32 = 11;
/// Where the digits begin: above the number of an item, whose order a stable sort keeps.
const DIGITS: [u32; 3] = [31, 31 + DIGIT, 31 + 2 * DIGIT];
/// Fewer are sorted by comparing.
const FEW: usize = 1 << 12;

/// Sorts keys that are in order of their items: by their digits, the lowest first (Knuth,
/// volume 3, 5.2.5), which takes the same three passes however many there are.
fn sorted(mut keys: Vec<u64>) -> Vec<u64> {
    let digit = |key: u64, from: u32| (key >> from) as usize & ((1 << DIGIT) - 1);
    if keys.len() < FEW || !keys.is_sorted_by_key(|key| *key as u32 & !FAKE) {
        keys.par_sort_unstable();
        return keys;
    }
    let mut counts = [[0u32; 1 << DIGIT]; DIGITS.len()];
    for key in &keys {
        for (counts, from) in counts.iter_mut().zip(DIGITS) {
            counts[digit(*key, from)] += 1;
        }
    }
    let mut other = vec![0; keys.len()];
    for (counts, from) in counts.iter().zip(DIGITS) {
        let mut next = 0;
        let mut places = counts.map(|count| {
            next += count;
            next - count
        });
        for key in &keys {
            let place = &mut places[digit(*key, from)];
            other[*place as usize] = *key;
            *place += 1;
        }
        std::mem::swap(&mut keys, &mut other);
    }
    keys
}

const SIGN: u64 = 1 << 63;

/// The bits of a number as a whole number that is ordered as `total_cmp` has
/// it.
fn in_order(bits: u64) -> u64 {
    bits ^ (((bits as i64 >> 63) as u64) >> 1) ^ SIGN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_sort_as_comparing_does(scores in prop::collection::vec(0u8..=255, FEW..2 * FEW), skip in 1u32..9) {
            let keys: Vec<u64> = (0..).zip(&scores).map(|(at, score)| {
                let score = f32::from(*score) / 255.0;
                u64::from(!score.to_bits()) << 32 | u64::from((at * skip % 2 * FAKE) | (at * skip))
            }).collect();
            let mut wanted = keys.clone();
            wanted.sort_unstable();
            prop_assert_eq!(sorted(keys), wanted);
        }
    }
}
