//! Coverage: how samples are spread over places, against a target distribution.
//!
//! A target is a weight for each place; only their proportions matter. All is counted in whole
//! numbers, and the one division comes last. `docs/method.md` has the formulas.

/// The samples of a place and its weight in the target; either may be 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub have: u64,
    pub weight: u64,
}

fn sums(cells: &[Cell]) -> (u128, u128) {
    let add = |(have, weight): (u128, u128), cell: &Cell| {
        (
            have + u128::from(cell.have),
            weight + u128::from(cell.weight),
        )
    };
    cells.iter().fold((0, 0), add)
}

/// The total variation distance of the samples from the target, `1/2 sum |p - t|` (Levin, Peres,
/// Wilmer, *Markov Chains and Mixing Times*, 4.1): the share of samples that would have to be
/// elsewhere. None without samples or without a target.
pub fn distance(cells: &[Cell]) -> Option<f64> {
    let (have, weight) = sums(cells);
    if have == 0 || weight == 0 {
        return None;
    }
    let gaps = cells
        .iter()
        .map(|c| (u128::from(c.have) * weight).abs_diff(u128::from(c.weight) * have));
    Some(gaps.sum::<u128>() as f64 / (2 * have * weight) as f64)
}

/// How many equally frequent places are as varied as these counts: `(sum n)^2 / sum n^2`, the
/// inverse of Simpson's index (Hill 1973: doi 10.2307/1934352, order 2). None where all are 0.
pub fn effective(counts: impl Iterator<Item = u64> + Clone) -> Option<f64> {
    let total: u128 = counts.clone().map(u128::from).sum();
    let squares: u128 = counts.map(|n| u128::from(n) * u128::from(n)).sum();
    (total > 0).then(|| (total as f64).powi(2) / squares as f64)
}

/// The smallest total at which no place of the target has more samples than its share: what is
/// reached by adding alone, `max ceil(n W / w)` over places of positive weight. Samples of places
/// without weight are beside the target. None without a target.
pub fn reach(cells: &[Cell]) -> Option<u64> {
    let (_, weight) = sums(cells);
    let wanted = cells.iter().filter(|c| c.weight > 0);
    let totals = wanted.map(|c| (u128::from(c.have) * weight).div_ceil(u128::from(c.weight)));
    totals
        .max()
        .map(|most| u64::try_from(most).unwrap_or(u64::MAX))
}

/// A total dealt out by weight: whole shares first, what is left to the largest remainders
/// (Hamilton's method), equal ones in their order. Sums to the total, unless no weight is positive.
pub fn apportion(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let shares = weights.iter().map(|w| u128::from(*w) * u128::from(total));
    let (mut dealt, rests): (Vec<u64>, Vec<u128>) = shares
        .map(|share| ((share / sum) as u64, share % sum))
        .unzip();
    let left = total - dealt.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(rests[*at]));
    for at in order.into_iter().take(left as usize) {
        dealt[at] += 1;
    }
    dealt
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells(pairs: &[(u64, u64)]) -> Vec<Cell> {
        let cell = |(have, weight): &(u64, u64)| Cell {
            have: *have,
            weight: *weight,
        };
        pairs.iter().map(cell).collect()
    }

    /// The example of `docs/method.md`.
    #[test]
    fn the_worked_example() {
        let example = cells(&[(60, 1), (30, 1), (10, 2), (0, 1)]);
        assert_eq!(distance(&example), Some(0.5));
        let haves = example.iter().map(|c| c.have);
        assert!((effective(haves).unwrap() - 10_000.0 / 4_600.0).abs() < 1e-12);
        assert_eq!(reach(&example), Some(300));
        assert_eq!(apportion(300, &[1, 1, 2, 1]), [60, 60, 120, 60]);
        assert_eq!(apportion(7, &[1, 1, 2, 1]), [2, 1, 3, 1]);
    }

    #[test]
    fn nothing_is_no_number() {
        for none in [&[][..], &[(0, 0)], &[(3, 0)]] {
            assert_eq!(distance(&cells(none)), None);
            assert_eq!(reach(&cells(none)), None);
        }
        assert_eq!(distance(&cells(&[(0, 5)])), None);
        assert_eq!(reach(&cells(&[(0, 5)])), Some(0));
        assert_eq!(effective([0, 0].into_iter()), None);
        assert_eq!(effective([7].into_iter()), Some(1.0));
        assert_eq!(apportion(5, &[0, 0]), [0, 0]);
        assert_eq!(apportion(5, &[0, 9]), [0, 5]);
    }

    proptest! {
        #[test]
        fn adding_alone_reaches_the_target_and_no_smaller_total_does(
            pairs in prop::collection::vec((0u64..5_000, 0u64..9_000_000_000), 1..40)
        ) {
            let cells = cells(&pairs);
            let weight: u128 = pairs.iter().map(|p| u128::from(p.1)).sum();
            prop_assume!(weight > 0);
            let total = reach(&cells).unwrap();
            let fits = |total: u64| pairs.iter().all(|(have, w)| {
                *w == 0 || u128::from(*have) * weight <= u128::from(total) * u128::from(*w)
            });
            prop_assert!(fits(total));
            prop_assert!(total == 0 || !fits(total - 1));
            let weights: Vec<u64> = pairs.iter().map(|p| p.1).collect();
            let goals = apportion(total, &weights);
            for ((have, w), goal) in pairs.iter().zip(&goals) {
                prop_assert!(*w == 0 || goal >= have);
            }
        }

        #[test]
        fn a_total_is_dealt_out_whole_and_nobody_is_off_by_one(
            total in 0u64..1_000_000,
            weights in prop::collection::vec(0u64..1_000_000, 1..40)
        ) {
            let sum: u64 = weights.iter().sum();
            prop_assume!(sum > 0);
            let dealt = apportion(total, &weights);
            prop_assert_eq!(dealt.iter().sum::<u64>(), total);
            for (got, w) in dealt.iter().zip(&weights) {
                let quota = total as f64 * *w as f64 / sum as f64;
                prop_assert!((*got as f64 - quota).abs() < 1.0);
            }
        }

        #[test]
        fn distances_are_those_of_the_shares(
            pairs in prop::collection::vec((0u64..5_000, 0u64..9_000_000_000), 1..40)
        ) {
            let cells = cells(&pairs);
            let sums = pairs.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0 as f64, s.1 + p.1 as f64));
            prop_assume!(sums.0 > 0.0 && sums.1 > 0.0);
            let share = |p: &(u64, u64)| (p.0 as f64 / sums.0 - p.1 as f64 / sums.1).abs();
            let naive = pairs.iter().map(share).sum::<f64>() / 2.0;
            let found = distance(&cells).unwrap();
            prop_assert!((found - naive).abs() < 1e-9 && (0.0..=1.0 + 1e-12).contains(&found));
        }
    }
}
