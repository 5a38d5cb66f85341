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
