//! Moments drawn at random, the same ones again where a run that failed is repeated.

use std::hash::{BuildHasher, Hasher};

/// SplitMix64 (Steele et al. 2014). `FAIRFRAME_SEED` repeats the numbers of a run.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let seed = match std::env::var("FAIRFRAME_SEED") {
            Ok(text) => text.parse().expect("FAIRFRAME_SEED is a number"),
            Err(_) => std::hash::RandomState::new().build_hasher().finish(),
        };
        // Shown when the test fails.
        println!("FAIRFRAME_SEED={seed} repeats these moments");
        Self(seed)
    }

    /// From 0 to 1.
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Under `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() * n as f64) as u64
    }
}
