//! Clusters that threads join together.

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

/// A union-find that threads share: parents only ever get smaller, so the
/// roots reached in the end do not depend on the order of joins.
pub(super) struct Union {
    parents: Vec<AtomicU32>,
}

impl Union {
    pub(super) fn new(n: usize) -> Union {
        Union {
            parents: (0..n as u32).map(AtomicU32::new).collect(),
        }
    }

    pub(super) fn find(&self, mut at: u32) -> u32 {
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

    pub(super) fn join(&self, a: u32, b: u32) {
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

    pub(super) fn all_one(&self, a: &[u32], b: &[u32]) -> bool {
        let Some(&first) = a.first() else { return true };
        let root = self.find(first);
        a.iter().chain(b).all(|&at| self.find(at) == root)
    }
}

/// Joins hashes that differ in exactly one bit. `sorted` ascends without repeats.
///
/// Each hash with a bit cleared is looked for among the others: flipping a
/// high bit keeps neighbours in step, so one merging walk a bit suffices.
pub(super) fn union_one_bit(sorted: &[u64], union: &Union) {
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
