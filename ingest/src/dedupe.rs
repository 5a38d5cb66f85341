//! Near-duplicates: all pairs of 64-bit hashes within a Hamming distance, exactly.
//!
//! Multi-index hashing (Norouzi, Punjani, Fleet: "Fast search in Hamming space
//! with multi-index hashing", CVPR 2012), with the pigeonhole principle in its
//! general form (Qin et al., "GPH: similarity search in Hamming space", ICDE
//! 2018): cut the 64 bits into blocks and give block *q* a threshold `t_q` with
//! `sum(t_q + 1) = d + 1`; then two hashes within `d` agree within `t_q` in at
//! least one block. Thresholds are 0 (same bucket) and 1 (same bucket or one of
//! the buckets one bit away). For d = 6 that is three blocks of 17 bits within
//! one bit, and one of 13 bits without. A pair is reported at the first block
//! that finds it, so no set of seen pairs is needed, and memory is bounded by
//! the index: about 12 bytes a hash and block.

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

/// Every pair `i < j` (indices into `hashes`) whose hashes differ in at most
/// `max_distance` bits, sorted.
///
/// The output itself may be large: n equal hashes have n(n-1)/2 pairs. Where
/// the input is not trusted, use [`near_duplicate_clusters`], whose memory is
/// bounded.
///
/// # Panics
/// If there are more than 2^32 - 1 hashes.
pub fn near_duplicates(hashes: &[u64], max_distance: u32) -> Vec<(u32, u32)> {
    let found = for_each_near_pair(hashes, max_distance, Vec::new, |pairs, i, j, _| {
        pairs.push(u64::from(i) << 32 | u64::from(j));
    });
    let mut pairs = found.concat();
    pairs.par_sort_unstable();
    pairs
        .into_par_iter()
        .map(|p| ((p >> 32) as u32, p as u32))
        .collect()
}

/// The clusters that near-duplicates form: for every hash the least index of
/// its cluster, where hashes within `max_distance` of each other stand in one
/// cluster, and so do those joined by a chain of such. A hash without a
/// near-duplicate is its own cluster.
///
/// Equal hashes are collapsed first and no pair is kept, so memory stays at
/// some 60 bytes a hash however alike the input is.
///
/// # Panics
/// If there are more than 2^32 - 1 hashes.
pub fn near_duplicate_clusters(hashes: &[u64], max_distance: u32) -> Vec<u32> {
    let count = checked_len(hashes);
    let mut order: Vec<u32> = (0..count).collect();
    order.par_sort_unstable_by_key(|&i| (hashes[i as usize], i));
    // One entry for each distinct hash: its least index, as the order is by (hash, index).
    let mut distinct = Vec::new();
    let mut least = Vec::new();
    let mut of = vec![0u32; hashes.len()];
    for &i in &order {
        let hash = hashes[i as usize];
        if distinct.last() != Some(&hash) {
            distinct.push(hash);
            least.push(i);
        }
        of[i as usize] = (distinct.len() - 1) as u32;
    }
    drop(order);

    let union = Union::new(distinct.len());
    // Neighbours at one bit first: they are found by search, and let large
    // buckets that already are one cluster be passed over.
    if max_distance >= 1 {
        union_one_bit(&distinct, &union);
    }
    for_each_bucket_pair(
        &distinct,
        max_distance,
        || (),
        &|(), ids_a, ids_b| union.all_one(ids_a, ids_b),
        &|(), i, j, _| union.join(i, j),
    );
    // The least index of each cluster, over its distinct hashes.
    let mut label = vec![u32::MAX; distinct.len()];
    for (at, &index) in least.iter().enumerate() {
        let root = union.find(at as u32) as usize;
        label[root] = label[root].min(index);
    }
    of.par_iter()
        .map(|&at| label[union.find(at) as usize])
        .collect()
}

/// Calls `visit(state, i, j, distance)` once for every pair `i < j` within
/// `max_distance`, in no particular order, on all cores; gives back the states
/// (made by `init`, any number of them).
///
/// # Panics
/// If there are more than 2^32 - 1 hashes.
pub fn for_each_near_pair<S: Send>(
    hashes: &[u64],
    max_distance: u32,
    init: impl Fn() -> S + Sync + Send,
    visit: impl Fn(&mut S, u32, u32, u32) + Sync + Send,
) -> Vec<S> {
    for_each_bucket_pair(hashes, max_distance, init, &|_, _, _| false, &visit)
}

fn checked_len(hashes: &[u64]) -> u32 {
    u32::try_from(hashes.len()).expect("at most 2^32 - 1 hashes")
}

/// A run of bits, and how many of them may differ for it to find a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    shift: u32,
    width: u32,
    threshold: u32,
}

impl Block {
    #[inline(always)]
    fn mask(&self) -> u64 {
        ((1u64 << self.width) - 1) << self.shift
    }

    #[inline(always)]
    fn of(&self, hash: u64) -> usize {
        ((hash & self.mask()) >> self.shift) as usize
    }
}

/// Most bits a block may have: 2^20 buckets are 4 MiB of offsets.
const MAX_WIDTH: u32 = 20;

/// The cheapest cutting for `n` hashes, or none where comparing all is cheaper.
///
/// Costs are counted in comparisons of uniformly spread hashes: a block of
/// width w and threshold 0 makes n^2/2 / 2^w of them, with threshold 1 (w + 1)
/// times as many; plus building the index and walking its buckets.
fn plan(n: usize, max_distance: u32) -> Option<Vec<Block>> {
    let pairs = (n as f64) * (n as f64) / 2.0;
    let mut best: (f64, Option<Vec<Block>>) = (pairs, None);
    for wide in 0..=max_distance.div_ceil(2) {
        let narrow = max_distance + 1 - 2 * wide;
        let count = wide + narrow;
        if count > 16 {
            continue;
        }
        // Widths of the threshold-1 and threshold-0 blocks: near w and near v.
        for w in 1..=MAX_WIDTH {
            if wide * w > 64 {
                break;
            }
            let left = 64 - wide * w;
            let (v, mut spare) = match narrow {
                0 => (0, left),
                _ => ((left / narrow).min(MAX_WIDTH), left % narrow),
            };
            if (narrow > 0 && v == 0) || w > MAX_WIDTH {
                continue;
            }
            if narrow == 0 && spare > wide {
                continue;
            }
            let mut blocks = Vec::new();
            let mut shift = 0;
            let mut cost = 0.0;
            for b in 0..count {
                let threshold = u32::from(b < wide);
                let mut width = if threshold == 1 { w } else { v };
                if spare > 0 && (narrow == 0 || threshold == 0) && width < MAX_WIDTH {
                    width += 1;
                    spare -= 1;
                }
                blocks.push(Block {
                    shift,
                    width,
                    threshold,
                });
                shift += width;
                let buckets = f64::from(1u32 << width);
                let probes = if threshold == 1 {
                    f64::from(width + 1)
                } else {
                    1.0
                };
                cost += pairs * probes / buckets
                    + 4.0 * n as f64 * probes
                    + buckets * probes
                    + 20.0 * n as f64;
            }
            if cost < best.0 {
                best = (cost, Some(blocks));
            }
        }
    }
    best.1
}

/// Hashes sorted by one block.
struct Index {
    block: Block,
    /// Where each bucket starts; one more entry than buckets.
    starts: Vec<u32>,
    hashes: Vec<u64>,
    ids: Vec<u32>,
}

impl Index {
    /// Counting sort, stable, so ids ascend within a bucket.
    fn new(all: &[u64], block: Block) -> Index {
        let buckets = 1usize << block.width;
        let mut starts = vec![0u32; buckets + 1];
        for &hash in all {
            starts[block.of(hash) + 1] += 1;
        }
        for k in 0..buckets {
            starts[k + 1] += starts[k];
        }
        let mut next = starts.clone();
        let mut hashes = vec![0u64; all.len()];
        let mut ids = vec![0u32; all.len()];
        for (id, &hash) in all.iter().enumerate() {
            let slot = &mut next[block.of(hash)];
            hashes[*slot as usize] = hash;
            ids[*slot as usize] = id as u32;
            *slot += 1;
        }
        Index {
            block,
            starts,
            hashes,
            ids,
        }
    }

    fn range(&self, bucket: usize) -> std::ops::Range<usize> {
        self.starts[bucket] as usize..self.starts[bucket + 1] as usize
    }
}

/// Bucket pairs with more comparisons than this are first offered to `skip`.
const LARGE: usize = 1 << 16;

/// Visits pairs bucket by bucket. `skip(state, ids, ids)` may say of two large
/// buckets that nothing in them matters.
fn for_each_bucket_pair<S: Send>(
    hashes: &[u64],
    max_distance: u32,
    init: impl Fn() -> S + Sync + Send,
    skip: &(impl Fn(&S, &[u32], &[u32]) -> bool + Sync),
    visit: &(impl Fn(&mut S, u32, u32, u32) + Sync),
) -> Vec<S> {
    let count = checked_len(hashes);
    let kernel = Kernel::fastest();
    let Some(blocks) = plan(hashes.len(), max_distance) else {
        return (0..hashes.len())
            .into_par_iter()
            .with_min_len(64)
            .fold(&init, |mut state, i| {
                let hash = hashes[i];
                kernel.scan(&[hash], &hashes[i + 1..], max_distance, false, |_, j, d| {
                    visit(&mut state, i as u32, (i + 1 + j) as u32, d);
                });
                state
            })
            .collect();
    };
    debug_assert!(count > 0);
    let indexes: Vec<Index> = blocks
        .par_iter()
        .map(|&block| Index::new(hashes, block))
        .collect();
    // Some 2^11 tasks a block, or fewer buckets a task where there are few.
    let tasks: Vec<(usize, std::ops::Range<usize>)> = blocks
        .iter()
        .enumerate()
        .flat_map(|(b, block)| {
            let buckets = 1usize << block.width;
            let step = (buckets >> 11).max(1);
            (0..buckets)
                .step_by(step)
                .map(move |k| (b, k..(k + step).min(buckets)))
        })
        .collect();
    tasks
        .into_par_iter()
        .fold(&init, |mut state, (b, buckets)| {
            let index = &indexes[b];
            let earlier: Vec<(u64, u32)> = blocks[..b]
                .iter()
                .map(|block| (block.mask(), block.threshold))
                .collect();
            for k in buckets {
                let a = index.range(k);
                if a.is_empty() {
                    continue;
                }
                let probes = if index.block.threshold == 0 {
                    0
                } else {
                    index.block.width
                };
                for probe in 0..=probes {
                    // Probe 0 is the bucket itself, the others flip one bit.
                    let other = if probe == 0 { k } else { k ^ 1 << (probe - 1) };
                    let c = index.range(other);
                    if other < k || c.is_empty() {
                        continue;
                    }
                    let (ids_a, ids_c) = (&index.ids[a.clone()], &index.ids[c.clone()]);
                    if a.len() * c.len() > LARGE && skip(&state, ids_a, ids_c) {
                        continue;
                    }
                    let (from_a, from_c) = (&index.hashes[a.clone()], &index.hashes[c]);
                    kernel.scan(from_a, from_c, max_distance, probe == 0, |i, j, d| {
                        let difference = from_a[i] ^ from_c[j];
                        let found = earlier
                            .iter()
                            .any(|&(mask, t)| (difference & mask).count_ones() <= t);
                        if !found {
                            let (x, y) = (ids_a[i], ids_c[j]);
                            visit(&mut state, x.min(y), x.max(y), d);
                        }
                    });
                }
            }
            state
        })
        .collect()
}

/// How two runs of hashes are compared; the fastest way this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Popcnt,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    fn fastest() -> Kernel {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vpopcntdq")
                && is_x86_feature_detected!("popcnt")
            {
                return Kernel::Avx512;
            }
            if is_x86_feature_detected!("popcnt") {
                return Kernel::Popcnt;
            }
        }
        Kernel::Plain
    }

    /// Calls `hit(i, j, distance)` for all `a[i]`, `b[j]` within `limit`; with
    /// `same`, `a` and `b` are one run and only `i < j` count.
    #[inline(always)]
    fn scan(
        self,
        a: &[u64],
        b: &[u64],
        limit: u32,
        same: bool,
        hit: impl FnMut(usize, usize, u32),
    ) {
        match self {
            Kernel::Plain => scan_plain(a, b, limit, same, hit),
            // SAFETY: `fastest` chose this kernel after finding its features.
            #[cfg(target_arch = "x86_64")]
            Kernel::Popcnt => unsafe { scan_popcnt(a, b, limit, same, hit) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => unsafe { scan_avx512(a, b, limit, same, hit) },
        }
    }
}

#[inline(always)]
fn scan_plain(
    a: &[u64],
    b: &[u64],
    limit: u32,
    same: bool,
    mut hit: impl FnMut(usize, usize, u32),
) {
    for (i, &x) in a.iter().enumerate() {
        let from = if same { i + 1 } else { 0 };
        for (j, &y) in b.iter().enumerate().skip(from) {
            let distance = (x ^ y).count_ones();
            if distance <= limit {
                hit(i, j, distance);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn scan_popcnt(a: &[u64], b: &[u64], limit: u32, same: bool, hit: impl FnMut(usize, usize, u32)) {
    scan_plain(a, b, limit, same, hit);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
fn scan_avx512(
    a: &[u64],
    b: &[u64],
    limit: u32,
    same: bool,
    mut hit: impl FnMut(usize, usize, u32),
) {
    use std::arch::x86_64::{
        _mm512_mask_cmple_epu64_mask, _mm512_maskz_loadu_epi64, _mm512_popcnt_epi64,
        _mm512_set1_epi64, _mm512_xor_si512,
    };
    let bound = _mm512_set1_epi64(i64::from(limit));
    // Eight of `b` at a time stay in a register while all of `a` pass by.
    for (chunk, eight) in b.chunks(8).enumerate() {
        let at = chunk * 8;
        let lanes = 0xffu8 >> (8 - eight.len());
        // SAFETY: only the lanes of the mask are read, and they lie inside `eight`.
        let y8 = unsafe { _mm512_maskz_loadu_epi64(lanes, eight.as_ptr().cast()) };
        let rows = if same { &a[..at + eight.len()] } else { a };
        for (i, &x) in rows.iter().enumerate() {
            let distance = _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_set1_epi64(x as i64), y8));
            let mut near = _mm512_mask_cmple_epu64_mask(lanes, distance, bound);
            if same && i >= at {
                near &= 0xfeu8 << (i - at);
            }
            while near != 0 {
                let lane = near.trailing_zeros() as usize;
                near &= near.wrapping_sub(1);
                hit(i, at + lane, (x ^ eight[lane]).count_ones());
            }
        }
    }
}

/// A union-find that threads share: parents only ever get smaller, so the
/// roots reached in the end do not depend on the order of joins.
struct Union {
    parents: Vec<AtomicU32>,
}

impl Union {
    fn new(n: usize) -> Union {
        Union {
            parents: (0..n as u32).map(AtomicU32::new).collect(),
        }
    }

    fn find(&self, mut at: u32) -> u32 {
        loop {
            let parent = self.parents[at as usize].load(Ordering::Relaxed);
            if parent == at {
                return at;
            }
            let grand = self.parents[parent as usize].load(Ordering::Relaxed);
            if grand != parent {
                // Path halving; losing the race only costs a step.
                let _ = self.parents[at as usize].compare_exchange_weak(
                    parent,
                    grand,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
            at = parent;
        }
    }

    fn join(&self, a: u32, b: u32) {
        let (mut a, mut b) = (self.find(a), self.find(b));
        while a != b {
            if a < b {
                std::mem::swap(&mut a, &mut b);
            }
            // `a` is the larger root: hang it below the smaller, unless it just ceased to be one.
            let hung = self.parents[a as usize].compare_exchange(
                a,
                b,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if hung.is_ok() {
                return;
            }
            (a, b) = (self.find(a), self.find(b));
        }
    }

    fn all_one(&self, a: &[u32], b: &[u32]) -> bool {
        let Some(&first) = a.first() else { return true };
        let root = self.find(first);
        a.iter().chain(b).all(|&at| self.find(at) == root)
    }
}

/// Joins hashes that differ in exactly one bit. `sorted` ascends without repeats.
///
/// Each hash with a bit cleared is looked for among the others: flipping a
/// high bit keeps neighbours in step, so one merging walk a bit suffices.
fn union_one_bit(sorted: &[u64], union: &Union) {
    (0..64u32).into_par_iter().for_each(|bit| {
        let mask = 1u64 << bit;
        // Within the hashes that have the bit clear, and those that have it
        // set, the order after dropping the bit is still ascending.
        let mut set = sorted
            .iter()
            .enumerate()
            .filter(|(_, h)| **h & mask != 0)
            .map(|(at, h)| (at, h & !mask))
            .peekable();
        for (at, &hash) in sorted.iter().enumerate().filter(|(_, h)| **h & mask == 0) {
            while set.next_if(|(_, h)| *h < hash).is_some() {}
            if let Some(&(other, h)) = set.peek()
                && h == hash
            {
                union.join(at as u32, other as u32);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brute(hashes: &[u64], d: u32) -> Vec<(u32, u32)> {
        let mut pairs = Vec::new();
        for i in 0..hashes.len() {
            for j in i + 1..hashes.len() {
                if (hashes[i] ^ hashes[j]).count_ones() <= d {
                    pairs.push((i as u32, j as u32));
                }
            }
        }
        pairs
    }

    /// Clusters by repeated relabelling: slow and plain.
    fn brute_clusters(hashes: &[u64], d: u32) -> Vec<u32> {
        let mut labels: Vec<u32> = (0..hashes.len() as u32).collect();
        loop {
            let before = labels.clone();
            for (i, j) in brute(hashes, d) {
                let least = labels[i as usize].min(labels[j as usize]);
                labels[i as usize] = least;
                labels[j as usize] = least;
            }
            if labels == before {
                return labels;
            }
        }
    }

    /// The generator of SplitMix64 (Steele et al. 2014): enough for test input.
    fn mix(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Clusters of hashes a few flips apart, among strangers.
    fn clustered(n: usize, seed: u64) -> Vec<u64> {
        let mut state = seed;
        let mut hashes: Vec<u64> = Vec::with_capacity(n);
        while hashes.len() < n {
            let centre = mix(&mut state);
            for _ in 0..1 + mix(&mut state) % 6 {
                let mut hash = centre;
                for _ in 0..mix(&mut state) % 9 {
                    hash ^= 1 << (mix(&mut state) % 64);
                }
                hashes.push(hash);
            }
        }
        hashes.truncate(n);
        hashes
    }

    #[test]
    fn every_plan_covers_all_bits_and_its_distance() {
        for n in [10, 3_000, 100_000, 1_000_000, 100_000_000] {
            for d in 0..=16 {
                let Some(blocks) = plan(n, d) else { continue };
                assert_eq!(blocks.iter().map(|b| b.threshold + 1).sum::<u32>(), d + 1);
                let mut at = 0;
                for block in &blocks {
                    assert_eq!(block.shift, at);
                    assert!((1..=MAX_WIDTH).contains(&block.width));
                    at += block.width;
                }
                assert!(at <= 64);
            }
        }
        let widths: Vec<(u32, u32)> = plan(1_000_000, 6)
            .unwrap()
            .iter()
            .map(|b| (b.width, b.threshold))
            .collect();
        assert_eq!(widths, [(17, 1), (17, 1), (17, 1), (13, 0)]);
    }

    #[test]
    fn large_inputs_agree_with_brute_force() {
        let hashes = clustered(12_000, 1);
        for d in [0, 1, 2, 3, 5, 6, 7, 10, 16] {
            assert!(d > 8 || plan(hashes.len(), d).is_some(), "{d}");
            assert_eq!(near_duplicates(&hashes, d), brute(&hashes, d), "{d}");
        }
    }

    #[test]
    fn all_kernels_agree() {
        let hashes = clustered(300, 2);
        let list = |kernel: Kernel, same| {
            let mut hits = Vec::new();
            let (a, b) = if same {
                (&hashes[..], &hashes[..])
            } else {
                hashes.split_at(131)
            };
            kernel.scan(a, b, 6, same, |i, j, d| hits.push((i, j, d)));
            hits.sort_unstable();
            hits
        };
        for same in [true, false] {
            assert!(!list(Kernel::Plain, same).is_empty());
            assert_eq!(list(Kernel::Plain, same), list(Kernel::fastest(), same));
        }
    }

    #[test]
    fn a_million_equal_hashes_are_one_cluster() {
        let labels = near_duplicate_clusters(&vec![0xdead_beef; 1_000_000], 6);
        assert!(labels.iter().all(|&l| l == 0));
    }

    #[test]
    fn dense_distinct_hashes_are_one_cluster() {
        // 2^18 consecutive numbers: billions of pairs, one cluster.
        let hashes: Vec<u64> = (0..1 << 18).collect();
        let labels = near_duplicate_clusters(&hashes, 6);
        assert!(labels.iter().all(|&l| l == 0));
    }

    #[test]
    fn small_cases() {
        assert!(near_duplicates(&[], 6).is_empty());
        assert!(near_duplicate_clusters(&[], 6).is_empty());
        assert!(near_duplicates(&[7], 6).is_empty());
        assert_eq!(near_duplicate_clusters(&[7], 6), [0]);
        assert_eq!(near_duplicates(&[0, u64::MAX], 64), [(0, 1)]);
        assert!(near_duplicates(&[0, u64::MAX], 63).is_empty());
        assert_eq!(near_duplicates(&[5, 5, 5], 0), [(0, 1), (0, 2), (1, 2)]);
        // A chain: the ends are 8 apart, yet one cluster.
        assert_eq!(near_duplicate_clusters(&[0, 0xff, 0xf], 4), [0, 0, 0]);
        assert_eq!(near_duplicate_clusters(&[0, 0xff, 0xf], 3), [0, 1, 2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pairs_and_clusters_are_exact(seed: u64, n in 0usize..6_000, d in 0u32..=9) {
            let hashes = clustered(n, seed);
            prop_assert_eq!(near_duplicates(&hashes, d), brute(&hashes, d));
            prop_assert_eq!(near_duplicate_clusters(&hashes, d), brute_clusters(&hashes, d));
        }

        #[test]
        fn few_bits_are_exact(bits in prop::collection::vec(0u64..64, 0..1_200), shift in 0u32..58, d in 0u32..=3) {
            let hashes: Vec<u64> = bits.iter().map(|b| b << shift).collect();
            prop_assert_eq!(near_duplicate_clusters(&hashes, d), brute_clusters(&hashes, d));
        }
    }
}
