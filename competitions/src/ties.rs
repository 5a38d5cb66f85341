//! Who shares a rank.
//!
//! By the paired test, a rank is led by the best team that no rank before it holds, and shared by
//! those that follow it, up to the first whose difference from the leader, over the same items, is
//! more than 1.96 standard errors. That one leads the next rank, even if a later team could not be
//! told from the first leader: ranks never fall down a board. (Meta-Dataset ranks methods by the
//! same test, Triantafillou et al. 2020, appendix, with two independent errors in the place of the
//! paired one, and lets such a later one share the rank.) A rank is the place of its first.

use fairframe_schemas::competition::TieRule;

use crate::items::{ItemScores, ItemsError};

/// Two-sided, 95%.
pub const Z: f64 = 1.96;

/// Whether two submissions cannot be told apart.
pub fn tied(a: &ItemScores, b: &ItemScores) -> bool {
    match a.paired(b) {
        Some(paired) => paired.mean.abs() <= Z * paired.error,
        // Other items, or too few: nothing says that they differ, and nothing that they do not.
        None => false,
    }
}

/// The ranks of scores that stand in order, best first: from 1. `items` reads the items' scores of
/// the one at a place, or the pseudo-values of what is no mean of them; where a stage has too few
/// items for either, teams share a rank by equal scores only.
///
/// # Errors
/// Where items' scores cannot be read.
pub fn ranks(
    rule: TieRule,
    scores: &[f64],
    mut items: impl FnMut(usize) -> Result<Option<ItemScores>, ItemsError>,
) -> Result<Vec<u32>, ItemsError> {
    let mut ranks: Vec<u32> = Vec::with_capacity(scores.len());
    let mut first = 0;
    let mut leader: Option<ItemScores> = None;
    for (at, score) in scores.iter().enumerate() {
        let shares = at > 0
            && match rule {
                TieRule::Earlier => false,
                TieRule::Equal => *score == scores[first],
                TieRule::Paired => {
                    *score == scores[first]
                        || match (&leader, items(at)?) {
                            (Some(leader), Some(own)) => tied(leader, &own),
                            _ => false,
                        }
                }
            };
        if !shares {
            first = at;
            if rule == TieRule::Paired {
                leader = items(at)?;
            }
        }
        ranks.push(u32::try_from(first + 1).unwrap_or(u32::MAX));
    }
    Ok(ranks)
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::Digest;
    use proptest::prelude::*;

    use super::*;

    fn right(n: usize, of: usize) -> ItemScores {
        ItemScores {
            ids: Digest::of(b"items"),
            scores: (0..of).map(|i| f64::from(u8::from(i < n))).collect(),
        }
    }

    fn mean(items: &ItemScores) -> f64 {
        items.scores.iter().sum::<f64>() / items.scores.len() as f64
    }

    #[test]
    fn a_rank_is_shared_with_its_leader_not_with_a_neighbour() {
        // Of 100 items: one less than the leader is a tie (z = 1), seven less is not (z = 2.7);
        // 93 and 96 are neighbours that could not be told apart.
        let of = [100, 99, 96, 93].map(|n| right(n, 100));
        let scores: Vec<f64> = of.iter().map(mean).collect();
        let found = ranks(TieRule::Paired, &scores, |at| Ok(Some(of[at].clone()))).unwrap();
        // 96: z = 4/100 / (sqrt(100/99 * 0.04 * 0.96) / 10) = 2.03: not tied with the first.
        assert_eq!(found, [1, 1, 3, 3]);
        let equal = ranks(TieRule::Equal, &scores, |_| Ok(None)).unwrap();
        assert_eq!(equal, [1, 2, 3, 4]);
    }

    #[test]
    fn equal_scores_share_a_rank_unless_the_earlier_stands_before() {
        let scores = [0.9, 0.9, 0.5];
        let none = |_: usize| Ok(None);
        assert_eq!(ranks(TieRule::Paired, &scores, none).unwrap(), [1, 1, 3]);
        assert_eq!(ranks(TieRule::Equal, &scores, none).unwrap(), [1, 1, 3]);
        assert_eq!(ranks(TieRule::Earlier, &scores, none).unwrap(), [1, 2, 3]);
        assert!(ranks(TieRule::Paired, &[], none).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn ranks_are_places_and_never_fall(mut n in prop::collection::vec(0usize..=50, 1..30)) {
            n.sort_by_key(|n| std::cmp::Reverse(*n));
            let of: Vec<ItemScores> = n.iter().map(|n| right(*n, 50)).collect();
            let scores: Vec<f64> = of.iter().map(mean).collect();
            for rule in [TieRule::Paired, TieRule::Equal, TieRule::Earlier] {
                let found = ranks(rule, &scores, |at| Ok(Some(of[at].clone()))).unwrap();
                for (at, rank) in found.iter().enumerate() {
                    // A rank is the place of the first that has it.
                    let first = found.iter().position(|r| r == rank).unwrap();
                    prop_assert_eq!(*rank as usize, first + 1);
                    prop_assert!(at == 0 || found[at - 1] <= *rank);
                    prop_assert!(at == 0 || rule == TieRule::Earlier || scores[at] != scores[at - 1]
                        || found[at] == found[at - 1]);
                }
            }
        }
    }
}
