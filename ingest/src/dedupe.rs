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

mod kernel;
mod looks;
#[cfg(test)]
mod tests;
mod union;

use rayon::prelude::*;

use kernel::Kernel;
pub use looks::{Look, near_pairs};
use union::{Union, union_one_bit};

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
