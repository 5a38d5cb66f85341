//! Dealing samples to train, validation and test: seeded, whole groups
//! together, each region in the asked proportions.
//!
//! What one split must not share (a subject, an uploader, a picture and its
//! near-duplicates) is joined into groups by union-find; a group goes to one
//! split whole. An earlier release's splits are kept where a group is not torn
//! between two of them, so that adding samples does not move old ones.

use std::collections::BTreeMap;

use fairframe_schemas::{SampleId, Split, source::SplitRule};
use sha2::{Digest as _, Sha256};

/// Disjoint sets over `0..n`.
pub struct Groups {
    parent: Vec<u32>,
}

impl Groups {
    pub fn new(n: usize) -> Self {
        Self {
            parent: (0..n as u32).collect(),
        }
    }

    pub fn find(&mut self, item: u32) -> u32 {
        let mut root = item;
        while self.parent[root as usize] != root {
            root = self.parent[root as usize];
        }
        let mut at = item;
        while self.parent[at as usize] != root {
            at = std::mem::replace(&mut self.parent[at as usize], root);
        }
        root
    }

    /// Joins two groups under the smaller root: the result does not depend on the order of joins.
    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }
}

/// One accepted sample, as far as splitting cares. In the order of sample ids.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub id: SampleId,
    /// Stratum: the region, as any number; unknown is a stratum of its own.
    pub stratum: u32,
    pub previous: Option<Split>,
}

/// Assigns a split to every item; `groups` joins items by index.
pub fn assign(items: &[Item], groups: &mut Groups, rule: &SplitRule) -> Vec<Split> {
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for index in 0..items.len() as u32 {
        members.entry(groups.find(index)).or_default().push(index);
    }
    let fractions = [
        (Split::Train, rule.train),
        (Split::Validation, rule.validation),
        (Split::Test, rule.test),
    ];
    let mut size = BTreeMap::<u32, f64>::new();
    for item in items {
        *size.entry(item.stratum).or_default() += 1.0;
    }
    // What each stratum still lacks of each split.
    let mut quota: BTreeMap<u32, [f64; 3]> = size
        .iter()
        .map(|(s, n)| (*s, fractions.map(|(_, f)| f * n)))
        .collect();
    let mut result = vec![Split::Train; items.len()];
    let mut take = |group: &[u32], chosen: usize, quota: &mut BTreeMap<u32, [f64; 3]>| {
        for &index in group {
            result[index as usize] = fractions[chosen].0;
            if let Some(q) = quota.get_mut(&items[index as usize].stratum) {
                q[chosen] -= 1.0;
            }
        }
    };

    let mut open = Vec::new();
    for (root, group) in &members {
        let mut votes = [0usize; 3];
        for &index in group {
            if let Some(split) = items[index as usize].previous {
                votes[split as usize] += 1;
            }
        }
        // The most frequent earlier split; of equals the first.
        let best = (0..3).rev().max_by_key(|i| votes[*i]).unwrap_or(0);
        if votes[best] > 0 {
            take(group, best, &mut quota);
        } else {
            open.push((
                group.len(),
                draw(rule.seed, items[*root as usize].id),
                group,
            ));
        }
    }
    // Large groups first, while there is room for them; else in seeded order.
    open.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (n, drawn, group) in open {
        let mut lack = [0.0f64; 3];
        for &index in group {
            let q = quota
                .get(&items[index as usize].stratum)
                .copied()
                .unwrap_or_default();
            for (sum, part) in lack.iter_mut().zip(q) {
                *sum += part / n as f64;
            }
        }
        take(
            group,
            choose(lack, fractions.map(|(_, f)| f), n as f64, drawn),
            &mut quota,
        );
    }
    result
}

/// A split drawn in proportion to what each lacks. A group that fits nowhere
/// goes where most is lacking.
fn choose(lack: [f64; 3], fractions: [f64; 3], n: f64, drawn: u64) -> usize {
    let weight: [f64; 3] = std::array::from_fn(|i| {
        let fits = n <= 1.0 || lack[i] >= n * 0.5;
        if fractions[i] > 0.0 && fits {
            lack[i].max(0.0)
        } else {
            0.0
        }
    });
    let total: f64 = weight.iter().sum();
    if total <= 0.0 {
        let allowed = (0..3).filter(|i| fractions[*i] > 0.0);
        return allowed
            .max_by(|a, b| lack[*a].total_cmp(&lack[*b]).then(b.cmp(a)))
            .unwrap_or(0);
    }
    // 53 random bits as a fraction of the total.
    let mut at = (drawn >> 11) as f64 / (1u64 << 53) as f64 * total;
    for (index, w) in weight.iter().enumerate() {
        if *w > 0.0 && at < *w {
            return index;
        }
        at -= w;
    }
    (0..3).rev().find(|i| weight[*i] > 0.0).unwrap_or(0)
}

/// 64 bits that depend on the seed and the group's first id alone.
fn draw(seed: u64, id: SampleId) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(id.as_bytes());
    let digest = hasher.finalize();
    let mut bytes = [0u8; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items(n: usize, strata: u32) -> Vec<Item> {
        (0..n)
            .map(|i| Item {
                id: SampleId::new("s", &i.to_string()),
                stratum: i as u32 % strata,
                previous: None,
            })
            .collect()
    }

    fn shares(splits: &[Split], only: impl Fn(usize) -> bool) -> [f64; 3] {
        let mut counts = [0.0; 3];
        let mut n = 0.0;
        for (i, split) in splits.iter().enumerate().filter(|(i, _)| only(*i)) {
            let _ = i;
            counts[*split as usize] += 1.0;
            n += 1.0;
        }
        counts.map(|c| c / n)
    }

    #[test]
    fn every_stratum_gets_the_asked_proportions() {
        let items = items(3000, 3);
        let splits = assign(&items, &mut Groups::new(3000), &SplitRule::default());
        for stratum in 0..3 {
            let s = shares(&splits, |i| i % 3 == stratum);
            for (found, asked) in s.iter().zip([0.8, 0.1, 0.1]) {
                assert!((found - asked).abs() < 0.005, "{s:?}");
            }
        }
    }

    #[test]
    fn another_seed_deals_otherwise_and_the_same_seed_the_same() {
        let items = items(500, 2);
        let run = |seed| {
            let rule = SplitRule {
                seed,
                ..SplitRule::default()
            };
            assign(&items, &mut Groups::new(500), &rule)
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn earlier_splits_stay_when_samples_are_added() {
        let mut all = items(400, 2);
        let old = assign(&all[..300], &mut Groups::new(300), &SplitRule::default());
        for (item, split) in all.iter_mut().zip(&old) {
            item.previous = Some(*split);
        }
        let new = assign(&all, &mut Groups::new(400), &SplitRule::default());
        assert_eq!(new[..300], old[..]);
    }

    #[test]
    fn a_split_of_nothing_is_never_used_and_nothing_is_fine() {
        let rule = SplitRule {
            train: 1.0,
            validation: 0.0,
            test: 0.0,
            ..SplitRule::default()
        };
        let items = items(50, 1);
        let splits = assign(&items, &mut Groups::new(50), &rule);
        assert!(splits.iter().all(|s| *s == Split::Train));
        assert!(assign(&[], &mut Groups::new(0), &rule).is_empty());
    }

    proptest! {
        #[test]
        fn a_group_is_never_torn(joins in prop::collection::vec((0u32..60, 0u32..60), 0..80), seed: u64) {
            let items = items(60, 4);
            let mut groups = Groups::new(60);
            for (a, b) in joins {
                groups.join(a, b);
            }
            let rule = SplitRule { seed, ..SplitRule::default() };
            let splits = assign(&items, &mut groups, &rule);
            for i in 0..60 {
                let root = groups.find(i);
                prop_assert_eq!(splits[i as usize], splits[root as usize]);
            }
        }
    }
}
