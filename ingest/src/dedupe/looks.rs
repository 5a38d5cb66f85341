//! What may be a near-duplicate of what: pictures of pictures, videos of videos of one length.

use std::collections::BTreeMap;

use super::near_duplicate_clusters;

/// Re-encoding and re-wrapping move a video's length by a few frames at most.
const SAME_LENGTH_S: f32 = 0.1;

/// How a sample looks, as far as near-duplicates care.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    pub hash: u64,
    /// Seconds; videos only.
    pub duration: Option<f32>,
}

/// Pairs of indices into `looks`, each a sample and the first that it looks nearly like: joined,
/// they give the clusters. Samples that look like no other stand in no pair.
///
/// # Panics
/// If there are more than 2^32 - 1 looks.
pub fn near_pairs(looks: &[Look], max_distance: u32) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    for alike in comparable(looks) {
        let hashes: Vec<u64> = alike.iter().map(|i| looks[*i as usize].hash).collect();
        let clusters = near_duplicate_clusters(&hashes, max_distance);
        for (index, cluster) in alike.iter().zip(clusters) {
            let first = alike[cluster as usize];
            if first != *index {
                pairs.push((first, *index));
            }
        }
    }
    pairs
}

/// Sets of samples within which near-duplicates are sought: all pictures;
/// and videos of nearly one length, since clips of different people before
/// one wall have a middle frame alike. Any two videos whose lengths differ by
/// at most [`SAME_LENGTH_S`] share a set, none that differ by twice as much do.
fn comparable(looks: &[Look]) -> Vec<Vec<u32>> {
    let mut sets: BTreeMap<(u8, u64), Vec<u32>> = BTreeMap::new();
    for (index, look) in (0u32..).zip(looks) {
        match look.duration {
            None => sets.entry((0, 0)).or_default().push(index),
            Some(seconds) => {
                let at = seconds / (2.0 * SAME_LENGTH_S);
                sets.entry((1, at as u64)).or_default().push(index);
                sets.entry((2, (at + 0.5) as u64)).or_default().push(index);
            }
        }
    }
    sets.into_values().collect()
}
