//! How often each person is to be used, so that all values of a stratum have alike many sides.
//!
//! Weights by iterative proportional fitting (Deming & Stephan, Annals of Mathematical
//! Statistics 11(4), 1940) of the margins of all strata at once, trimmed at both ends, so that
//! few people are not used for a whole region, and nobody is left out for its sake.

/// Rounds of fitting: what does not settle by then has no solution, and is told as such.
const ROUNDS: usize = 200;
const SETTLED: f64 = 1e-6;
/// As far as a factor can be told.
const HALVINGS: usize = 56;

/// Weights of mean 1, each from `1 / reuse` to `reuse`, of people by their values: `values[p][s]` is the
/// value of person `p` in stratum `s`, `None` where it is not known. The known people of a
/// stratum keep their common weight and share it evenly among its values; the others keep theirs.
pub fn weights(values: &[Vec<Option<u32>>], reuse: f64) -> Vec<f64> {
    let mut weights = vec![1.0; values.len()];
    let strata = values.first().map_or(0, Vec::len);
    for _ in 0..ROUNDS {
        let before = weights.clone();
        for stratum in 0..strata {
            fit(&mut weights, values, stratum);
        }
        trim(&mut weights, reuse);
        let moved = weights.iter().zip(&before).map(|(a, b)| (a - b).abs());
        if moved.fold(0.0, f64::max) < SETTLED {
            break;
        }
    }
    weights
}

/// Makes the sums of weights of all values of one stratum alike.
fn fit(weights: &mut [f64], values: &[Vec<Option<u32>>], stratum: usize) {
    let mut sums: Vec<f64> = Vec::new();
    for (weight, values) in weights.iter().zip(values) {
        if let Some(value) = values[stratum] {
            let value = value as usize;
            if sums.len() <= value {
                sums.resize(value + 1, 0.0);
            }
            sums[value] += weight;
        }
    }
    let there = sums.iter().filter(|s| **s > 0.0).count();
    let even = sums.iter().sum::<f64>() / there as f64;
    for (weight, values) in weights.iter_mut().zip(values) {
        if let Some(value) = values[stratum] {
            *weight *= even / sums[value as usize];
        }
    }
}

/// Scales to mean 1 within `1 / reuse` and `reuse`: by the one factor with which the weights,
/// cut off at both ends, have that mean. Their sum grows with the factor, so halving finds it.
fn trim(weights: &mut [f64], reuse: f64) {
    let cut = |weight: f64, factor: f64| (weight * factor).clamp(1.0 / reuse, reuse);
    let n = weights.len() as f64;
    let (mut low, mut high) = (-30.0f64, 30.0f64);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        let factor = middle.exp();
        match weights.iter().map(|w| cut(*w, factor)).sum::<f64>() < n {
            true => low = middle,
            false => high = middle,
        }
    }
    let factor = high.exp();
    weights.iter_mut().for_each(|w| *w = cut(*w, factor));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(weights: &[f64], values: &[Vec<Option<u32>>], stratum: usize, of: u32) -> f64 {
        let known = weights.iter().zip(values);
        let known: Vec<_> = known.filter(|(_, v)| v[stratum].is_some()).collect();
        let sum: f64 = known.iter().map(|(w, _)| **w).sum();
        let its = known.iter().filter(|(_, v)| v[stratum] == Some(of));
        its.map(|(w, _)| **w).sum::<f64>() / sum
    }

    #[test]
    fn two_entangled_strata_are_both_even() {
        // 8 of 0, 2 of 1; the other stratum leans the same way.
        let values: Vec<Vec<Option<u32>>> = (0..10)
            .map(|i| vec![Some((i >= 8).into()), Some((i % 5 == 4).into())])
            .collect();
        let found = weights(&values, 10.0);
        for stratum in 0..2 {
            assert!((shares(&found, &values, stratum, 0) - 0.5).abs() < 1e-3);
        }
        let mean = found.iter().sum::<f64>() / 10.0;
        assert!((mean - 1.0).abs() < 1e-9);
    }

    #[test]
    fn one_person_is_not_used_for_a_whole_region() {
        let values: Vec<_> = (0..100).map(|i| vec![Some((i == 0).into())]).collect();
        let found = weights(&values, 4.0);
        assert_eq!(found[0], 4.0);
        assert!((found[1] - 96.0 / 99.0).abs() < 1e-9);
    }

    #[test]
    fn nobody_and_nothing_known() {
        assert!(weights(&[], 4.0).is_empty());
        assert_eq!(weights(&[vec![], vec![]], 4.0), [1.0, 1.0]);
        assert_eq!(weights(&[vec![None], vec![Some(0)]], 4.0), [1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn weights_are_positive_bounded_and_of_mean_one(
            values in prop::collection::vec(prop::collection::vec(prop::option::of(0u32..4), 3), 1..60),
            reuse in 1.0f64..20.0,
        ) {
            let found = weights(&values, reuse);
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            prop_assert!((mean - 1.0).abs() < 1e-6, "{mean}");
            prop_assert!(found.iter().all(|w| *w >= 1.0 / reuse && *w <= reuse));
        }
    }
}
