//! The bias-corrected and accelerated interval (Efron 1987).

use crate::intervals::{normal_cdf, normal_quantile, quantile};

/// Units are left out one by one up to this many, and beyond in as many blocks.
pub const BLOCKS: usize = 1000;

/// Acceleration from values with one unit (or block) left out each: a sixth of
/// the skewness of the influence; 0 where they are all alike.
pub fn acceleration(left_out: &[f64]) -> f64 {
    let n = left_out.len() as f64;
    let mean = left_out.iter().sum::<f64>() / n;
    let (mut square, mut cube) = (0.0, 0.0);
    for value in left_out {
        let d = mean - value;
        square += d * d;
        cube += d * d * d;
    }
    // What rounding leaves of values that are alike has no skewness.
    if square <= n * (mean * 1e-14).powi(2) {
        return 0.0;
    }
    cube / (6.0 * square.powf(1.5))
}

/// The interval from sorted replicates around the value they resample. None
/// where all replicates lie on one side of it: there is no bias to correct by.
pub fn interval(sorted: &[f64], value: f64, acceleration: f64, level: f64) -> Option<(f64, f64)> {
    let n = sorted.len() as f64;
    let under = sorted.partition_point(|replicate| *replicate < value) as f64;
    let not_over = sorted.partition_point(|replicate| *replicate <= value) as f64;
    // Equal replicates count half, as scipy counts them.
    let share = (under + not_over) / (2.0 * n);
    if sorted.is_empty() || share <= 0.0 || share >= 1.0 {
        return None;
    }
    let bias = normal_quantile(share);
    let outside = (1.0 - level) / 2.0;
    let at = |z: f64| {
        let moved = bias + z;
        let z = bias + moved / (1.0 - acceleration * moved);
        quantile(sorted, normal_cdf(z).clamp(0.0, 1.0))
    };
    let z = normal_quantile(1.0 - outside);
    Some((at(-z)?, at(z)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_bias_and_skew_it_is_the_percentile_interval() {
        let sorted: Vec<f64> = (0..=1000).map(f64::from).collect();
        let (low, high) = interval(&sorted, 500.0, 0.0, 0.9).unwrap();
        assert!((low - 50.0).abs() < 1e-9 && (high - 950.0).abs() < 1e-9);
    }

    /// As scipy's `_bca_interval` computes it from the same numbers.
    #[test]
    fn skew_and_bias_move_both_ends() {
        let a = acceleration(&[2.0, 2.1, 2.2, 2.3, 1.2]);
        assert!((a - 0.094_116_751_289_527_4).abs() < 1e-15, "{a}");
        let sorted: Vec<f64> = (0..=1000).map(f64::from).collect();
        let (low, high) = interval(&sorted, 450.0, a, 0.95).unwrap();
        assert!((low - 30.821_509_213_096).abs() < 1e-9, "{low}");
        assert!((high - 981.767_341_616_078_9).abs() < 1e-9, "{high}");
    }

    #[test]
    fn no_spread_has_no_skew_and_one_side_no_interval() {
        assert_eq!(acceleration(&[0.3, 0.3, 0.3]), 0.0);
        assert_eq!(interval(&[1.0, 2.0, 3.0], 0.0, 0.0, 0.95), None);
        assert_eq!(interval(&[], 0.0, 0.0, 0.95), None);
        // All replicates equal to the value: no width.
        assert_eq!(interval(&[1.0, 1.0], 1.0, 0.0, 0.95), Some((1.0, 1.0)));
    }
}
