//! Items of a cell by falling score, packed into what is sorted.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rayon::prelude::*;

use super::{Scored, ScoredItems};
use crate::codes::Codes;
use crate::parts::parts;
use crate::read::Numbers;

/// Items in the order of [`sort`](super::sort), among equals by number; score, class and
/// number packed into what is sorted.
pub(super) enum Ranked {
    /// Half the memory, and sorted much faster.
    Single(Vec<SingleKey>),
    Double(Vec<DoubleKey>),
}

impl Ranked {
    pub fn of(scored: &ScoredItems, items: &[u32]) -> Self {
        match fits_single(scored) {
            true => {
                let key = |item: &u32| SingleKey::of(scored.get(*item as usize), *item);
                let keys: Vec<SingleKey> = items.par_iter().map(key).collect();
                Ranked::Single(sorted(keys))
            }
            false => {
                let key = |item: &u32| DoubleKey::of(scored.get(*item as usize), *item);
                let mut keys: Vec<DoubleKey> = items.par_iter().map(key).collect();
                keys.par_sort_unstable();
                Ranked::Double(keys)
            }
        }
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
            Ranked::Single(keys) => keys[at].item(),
            Ranked::Double(keys) => keys[at].item(),
        }
    }
}

/// Whether [`SingleKey`]s hold all of an item.
pub(super) fn fits_single(scored: &ScoredItems) -> bool {
    scored.len() < FAKE as usize && matches!(scored.scores, Numbers::Single(_))
}

/// An item by its falling score, and some number under [`FAKE`].
pub(super) trait Key: Copy + Ord + Send + Sync {
    /// Where one is put by whichever core comes upon it.
    type Slot: Default + Send + Sync;

    fn of(item: Scored, number: u32) -> Self;
    fn item(self) -> (Scored, u32);
    fn put(self, slot: &Self::Slot);
    fn taken(slot: &Self::Slot) -> Self;
}

/// Scores in single precision, as detectors write them: score, class, number.
pub(super) type SingleKey = u64;
pub(super) type DoubleKey = (u64, bool, u32);

/// The bit of a class beside a number.
const FAKE: u32 = 1 << 31;

impl Key for SingleKey {
    type Slot = AtomicU64;

    #[inline]
    fn of(item: Scored, number: u32) -> Self {
        let class = if item.fake { FAKE } else { 0 };
        let score = single_in_order((item.score as f32).to_bits());
        u64::from(!score) << 32 | u64::from(class | number)
    }

    #[inline]
    fn item(self) -> (Scored, u32) {
        let key = (self >> 32) as u32;
        let score = f32::from_bits(single_in_order(!key ^ FAKE) ^ FAKE);
        let scored = Scored {
            score: score.into(),
            fake: self as u32 & FAKE > 0,
        };
        (scored, self as u32 & !FAKE)
    }

    #[inline]
    fn put(self, slot: &AtomicU64) {
        slot.store(self, Ordering::Relaxed);
    }

    #[inline]
    fn taken(slot: &AtomicU64) -> Self {
        slot.load(Ordering::Relaxed)
    }
}

impl Key for DoubleKey {
    type Slot = (AtomicU64, AtomicU32);

    #[inline]
    fn of(item: Scored, number: u32) -> Self {
        (!in_order(item.score.to_bits()), item.fake, number)
    }

    #[inline]
    fn item(self) -> (Scored, u32) {
        let (key, fake, number) = self;
        let score = f64::from_bits(in_order(!key ^ SIGN) ^ SIGN);
        (Scored { score, fake }, number)
    }

    #[inline]
    fn put(self, (score, number): &Self::Slot) {
        let class = if self.1 { FAKE } else { 0 };
        score.store(self.0, Ordering::Relaxed);
        number.store(class | self.2, Ordering::Relaxed);
    }

    #[inline]
    fn taken((score, number): &Self::Slot) -> Self {
        let number = number.load(Ordering::Relaxed);
        let score = score.load(Ordering::Relaxed);
        (score, number & FAKE > 0, number & !FAKE)
    }
}

/// Keys that are handed on at once.
const BLOCK: usize = 1 << 18;
/// Keys that are sorted at once, within a core's cache, but for a bucket that has more.
const RUN: usize = 1 << 14;
/// Keys that are held at once, but for a bucket that has more.
const HELD: usize = 1 << 24;

/// The bits of one half.
const HALF: u32 = 0.5f32.to_bits();

/// Where a score stands among others, falling: as the bits of a number of single precision up to
/// one half, and mirrored from there on, as scores crowd at both ends.
#[inline]
fn place(score: f64) -> u32 {
    match score < 0.5 {
        true => 2 * HALF - (score.max(0.0) as f32).to_bits(),
        false => ((1.0 - score).max(0.0) as f32).to_bits(),
    }
}

/// Runs over all items by falling score, among equals the reals first, block by block, each item
/// with its number in `numbers`. While `each` has a block, the next is sorted.
pub(super) fn each_block<K: Key>(
    scored: &ScoredItems,
    numbers: &Codes,
    mut each: impl FnMut(&[K]) + Send,
) {
    // 256 buckets to each power of two; few items are one bucket.
    let shift = if scored.len() <= BLOCK { 31 } else { 15 };
    let bucket = |item: &Scored| (place(item.score) >> shift) as usize;
    let buckets = ((2 * HALF) >> shift) as usize + 1;
    let parts = parts(scored.len());
    let count = |part: &Range<usize>| {
        let mut counts = vec![0u32; buckets];
        let items = part.clone().map(|item| scored.get(item));
        items.for_each(|item| counts[bucket(&item)] += 1);
        counts
    };
    let counts: Vec<Vec<u32>> = parts.par_iter().map(count).collect();
    let size_of = |bucket: usize| counts.iter().map(|part| part[bucket] as usize).sum();
    let sizes: Vec<usize> = (0..buckets).map(size_of).collect();
    let mut slots: Vec<K::Slot> = Vec::new();
    let mut first = 0;
    while first < buckets {
        let held = first_within(&sizes[first..], HELD);
        let here = first..first + held;
        // Where each part's keys of each bucket begin.
        let mut begin = 0;
        let mut places = vec![vec![0; held]; parts.len()];
        for bucket in here.clone() {
            for (places, counts) in places.iter_mut().zip(&counts) {
                places[bucket - first] = begin;
                begin += counts[bucket] as usize;
            }
        }
        if slots.len() < begin {
            let new = (0..begin).into_par_iter().map(|_| K::Slot::default());
            new.collect_into_vec(&mut slots);
        }
        parts.par_iter().zip(places).for_each(|(part, mut places)| {
            for item in part.clone() {
                let scored = scored.get(item);
                let bucket = bucket(&scored);
                if here.contains(&bucket) {
                    let place = &mut places[bucket - first];
                    K::of(scored, numbers.get(item)).put(&slots[*place]);
                    *place += 1;
                }
            }
        });
        let (mut slots, mut sizes) = (&slots[..begin], &sizes[here.clone()]);
        let mut blocks = std::iter::from_fn(|| {
            let block = sizes.split_off(..first_within(sizes, BLOCK))?;
            let keys = slots.split_off(..block.iter().sum())?;
            (!block.is_empty()).then_some((keys, block))
        });
        let sorted = |(slots, buckets)| sorted_buckets(slots, buckets);
        let mut next: Option<Vec<K>> = blocks.next().map(sorted);
        while let Some(keys) = next {
            let after = blocks.next();
            (next, _) = rayon::join(
                || after.map(sorted),
                || keys.chunks(BLOCK).for_each(&mut each),
            );
        }
        first = here.end;
    }
}

/// How many of the first come to no more than `most`, at least one.
fn first_within(sizes: &[usize], most: usize) -> usize {
    let mut all = 0;
    let within = |size: &&usize| {
        all += **size;
        all <= most
    };
    let within = sizes.iter().take_while(within).count();
    within.max(1).min(sizes.len())
}

/// Keys of buckets that follow each other, sorted.
fn sorted_buckets<K: Key>(slots: &[K::Slot], mut buckets: &[usize]) -> Vec<K> {
    let mut keys: Vec<K> = slots.par_iter().map(K::taken).collect();
    let (mut rest, mut runs) = (keys.as_mut_slice(), Vec::new());
    while let Some(run) = buckets.split_off(..first_within(buckets, RUN)) {
        let Some(keys) = rest.split_off_mut(..run.iter().sum()) else {
            break;
        };
        match run {
            [] => break,
            _ => runs.push(keys),
        }
    }
    runs.into_par_iter()
        .for_each(|keys: &mut [K]| match keys.len() {
            0..=BLOCK => keys.sort_unstable(),
            _ => keys.par_sort_unstable(),
        });
    keys
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

const fn single_in_order(bits: u32) -> u32 {
    bits ^ (((bits as i32 >> 31) as u32) >> 1) ^ FAKE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scores_that_crowd_are_handed_on_in_order() {
        // More than a block at 0, at 1, near both and between.
        let n = 3 * BLOCK as u32;
        let score = |item: u32| match item % 6 {
            0 => 0.0,
            1 => 1.0,
            2 => f64::from(item.wrapping_mul(2_654_435_761)) * 1e-30,
            3 => 1.0 - f64::from(item.wrapping_mul(2_654_435_761)) * 1e-17,
            4 => 0.5 + (f64::from(item % 1_000) - 500.0) * 1e-10,
            _ => f64::from(item.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX),
        };
        let of = |narrow: bool| -> ScoredItems {
            let scored = |item| Scored {
                score: if narrow {
                    f64::from(score(item) as f32)
                } else {
                    score(item)
                },
                fake: item % 5 < 2,
            };
            (0..n).map(scored).collect()
        };
        fn check<K: Key>(items: &ScoredItems) {
            let numbers = Codes::of(items.len(), u32::MAX, |item| item as u32);
            let (mut seen, mut last): (usize, Option<K>) = (0, None);
            each_block(items, &numbers, |keys: &[K]| {
                assert!(keys.len() <= BLOCK && keys.is_sorted() && last < keys.first().copied());
                for (scored, number) in keys.iter().map(|key| key.item()) {
                    assert_eq!(scored, items.get(number as usize));
                }
                seen += keys.len();
                last = keys.last().copied();
            });
            assert_eq!(seen, items.len());
        }
        assert!(fits_single(&of(true)) && !fits_single(&of(false)));
        check::<SingleKey>(&of(true));
        check::<DoubleKey>(&of(false));
    }

    proptest! {
        #[test]
        fn blocks_are_in_the_order_of_ranks(
            scores in prop::collection::vec((-2i32..260, any::<bool>()), 1..40_000),
            divisor in prop::sample::select(vec![255.0, 256.0]),
        ) {
            // 255ths are of double precision.
            let scored = |(score, fake): &(i32, bool)| Scored { score: f64::from(*score) / divisor, fake: *fake };
            let items: ScoredItems = scores.iter().map(scored).collect();
            let all: Vec<u32> = (0..items.len() as u32).collect();
            let ranked = Ranked::of(&items, &all);
            prop_assert_eq!(fits_single(&items), matches!(ranked, Ranked::Single(_)));
            let wanted: Vec<(Scored, u32)> = (0..ranked.len()).map(|at| ranked.get(at)).collect();
            let mut sorted: Vec<(Scored, u32)> = items.iter().zip(all).collect();
            sorted.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score).then(a.fake.cmp(&b.fake)));
            prop_assert_eq!(&wanted, &sorted);
            let numbers = Codes::of(items.len(), u32::MAX, |item| item as u32);
            fn walked<K: Key>(items: &ScoredItems, numbers: &Codes) -> Vec<(Scored, u32)> {
                let mut found = Vec::new();
                each_block(items, numbers, |keys: &[K]| found.extend(keys.iter().map(|key| key.item())));
                found
            }
            let found = match fits_single(&items) {
                true => walked::<SingleKey>(&items, &numbers),
                false => walked::<DoubleKey>(&items, &numbers),
            };
            prop_assert_eq!(&found, &wanted);
        }

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
