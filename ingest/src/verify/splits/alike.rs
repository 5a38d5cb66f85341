//! Pictures that look alike and stand in two splits, of any number of rows: equal
//! hashes are collapsed, and pairs are counted, not kept.

use std::collections::{BTreeSet, HashMap};

use super::super::{MAX_SHOWN, Verified};
use crate::dedupe::for_each_near_pair;

/// Pictures within this Hamming distance are near-duplicates, as in an ingest.
const MAX_DISTANCE: u32 = 6;

const RULE: &str = "near-duplicate";

/// Distinct hashes in the order in which they came.
#[derive(Default)]
pub struct Alike {
    hashes: Vec<u64>,
    /// Of each: the splits it stands in, each with the first name there.
    held: Vec<Vec<Place>>,
    at: HashMap<u64, usize>,
}

/// Pairs across splits: how many, and the first of them.
#[derive(Default)]
struct Across {
    count: u64,
    first: BTreeSet<(u32, u32)>,
}

impl Alike {
    pub fn add(&mut self, hash: u64, split: &str, name: &str) {
        let at = *self.at.entry(hash).or_insert(self.hashes.len());
        if at == self.hashes.len() {
            self.hashes.push(hash);
            self.held.push(Vec::new());
        }
        if self.held[at].iter().all(|(s, _)| s != split) {
            self.held[at].push((split.to_owned(), name.to_owned()));
        }
    }

    /// A problem for each split more that one hash stands in, and for each two hashes
    /// that are near each other and not both in one split alone.
    pub fn judge(&self, v: &mut Verified) {
        for held in &self.held {
            if let Some((first, others)) = held.split_first() {
                for other in others {
                    say(v, first, other);
                }
            }
        }
        let found = for_each_near_pair(
            &self.hashes,
            MAX_DISTANCE,
            Across::default,
            |across, i, j, _| {
                if self.apart(i, j).is_some() {
                    across.count += 1;
                    across.first.insert((i, j));
                    if across.first.len() as u64 > MAX_SHOWN {
                        across.first.pop_last();
                    }
                }
            },
        );
        let count: u64 = found.iter().map(|across| across.count).sum();
        let pairs: BTreeSet<_> = found.into_iter().flat_map(|across| across.first).collect();
        let shown = count.min(MAX_SHOWN);
        for (i, j) in pairs.into_iter().take(shown as usize) {
            if let Some((a, b)) = self.apart(i, j) {
                say(v, a, b);
            }
        }
        if count > shown {
            *v.counts.entry(RULE).or_default() += count - shown;
        }
    }

    /// A place of one hash and a place of the other in two splits.
    fn apart(&self, i: u32, j: u32) -> Option<(&Place, &Place)> {
        let (one, other) = (&self.held[i as usize], &self.held[j as usize]);
        let mut pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
        pairs.find(|(a, b)| a.0 != b.0)
    }
}

/// Split and name.
type Place = (String, String);

fn say(v: &mut Verified, a: &Place, b: &Place) {
    let problem = format!("in `{}`, looks like `{}` in `{}`", a.0, b.1, b.0);
    v.add(RULE, &a.1, problem);
}
