//! Logistic regression with an L2 penalty, by Newton's method.

use serde::{Deserialize, Serialize};

/// Why nothing can be fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    #[error("{real} real and {fake} fake crops to fit on; both kinds are needed")]
    OneClass { real: usize, fake: usize },
    #[error("row {row} has {found} features, not {expected}")]
    Length {
        row: usize,
        found: usize,
        expected: usize,
    },
    #[error("row {row} has a feature that is no number")]
    NoNumber { row: usize },
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Of each feature in the training rows: its mean, and its standard deviation, or 1 where
    /// it does not vary.
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// Of the standardised features; the last is the intercept.
    weights: Vec<f64>,
}

/// Steps of Newton's method at most; it converges in about eight.
const STEPS: usize = 50;

impl Model {
    /// Fits rows of features and whether each is fake. Both classes weigh the same, however
    /// many rows they have. `penalty` is that of the squared weights (not the intercept) in
    /// units of rows; it must be positive, so that there is one best answer.
    pub fn fit(rows: &[(Vec<f64>, bool)], penalty: f64) -> Result<Self, FitError> {
        let fake = rows.iter().filter(|r| r.1).count();
        let real = rows.len() - fake;
        if fake == 0 || real == 0 {
            return Err(FitError::OneClass { real, fake });
        }
        let expected = rows[0].0.len();
        for (row, (features, _)) in rows.iter().enumerate() {
            let found = features.len();
            if found != expected {
                return Err(FitError::Length {
                    row,
                    found,
                    expected,
                });
            }
            if features.iter().any(|f| !f.is_finite()) {
                return Err(FitError::NoNumber { row });
            }
        }
        let (mean, scale) = moments(rows);
        let mut model = Self {
            mean,
            scale,
            weights: vec![0.0; expected + 1],
        };
        let n = rows.len() as f64;
        let share = |fake_row: bool| n / (2.0 * if fake_row { fake } else { real } as f64);
        let standard: Vec<(Vec<f64>, f64, f64)> = rows
            .iter()
            .map(|(f, is_fake)| {
                (
                    model.standard(f),
                    f64::from(u8::from(*is_fake)),
                    share(*is_fake),
                )
            })
            .collect();
        for _ in 0..STEPS {
            let step = model.step(&standard, penalty);
            // Halved until it does not overshoot.
            let before = model.loss(&standard, penalty);
            let from = model.weights.clone();
            let mut factor = 1.0;
            loop {
                for ((w, f), s) in model.weights.iter_mut().zip(&from).zip(&step) {
                    *w = f - factor * s;
                }
                if model.loss(&standard, penalty) <= before || factor < 1e-6 {
                    break;
                }
                factor /= 2.0;
            }
            if step.iter().all(|s| (factor * s).abs() < 1e-9) {
                break;
            }
        }
        Ok(model)
    }

    /// The probability of being fake, 0 to 1, where both classes are as likely.
    pub fn score(&self, features: &[f64]) -> f64 {
        logistic(dot(&self.weights, &self.standard(features)))
    }

    /// Standardised, with a 1 for the intercept.
    fn standard(&self, features: &[f64]) -> Vec<f64> {
        let moments = self.mean.iter().zip(&self.scale);
        let standard = features.iter().zip(moments).map(|(f, (m, s))| (f - m) / s);
        standard.chain([1.0]).collect()
    }

    fn loss(&self, rows: &[(Vec<f64>, f64, f64)], penalty: f64) -> f64 {
        let (_, slopes) = self.weights.split_last().unwrap_or((&0.0, &[]));
        let squares: f64 = slopes.iter().map(|w| w * w).sum();
        let loss = |(x, y, share): &(Vec<f64>, f64, f64)| {
            let z = dot(&self.weights, x);
            // ln(1 + e^z) - yz, without overflow.
            share * (z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z)
        };
        rows.iter().map(loss).sum::<f64>() + 0.5 * penalty * squares
    }

    /// Newton's step: the inverse of the second derivatives times the first.
    fn step(&self, rows: &[(Vec<f64>, f64, f64)], penalty: f64) -> Vec<f64> {
        let d = self.weights.len();
        let mut gradient = vec![0.0; d];
        let mut hessian = vec![0.0; d * d];
        for (x, y, share) in rows {
            let p = logistic(dot(&self.weights, x));
            let curvature = share * p * (1.0 - p);
            for i in 0..d {
                gradient[i] += share * (p - y) * x[i];
                for j in 0..=i {
                    hessian[i * d + j] += curvature * x[i] * x[j];
                }
            }
        }
        for i in 0..d {
            // The intercept's is only there to keep it solvable.
            let penalty = if i + 1 < d { penalty } else { 1e-9 };
            hessian[i * d + i] += penalty;
            gradient[i] += if i + 1 < d {
                penalty * self.weights[i]
            } else {
                0.0
            };
        }
        solve(hessian, gradient)
    }
}

fn moments(rows: &[(Vec<f64>, bool)]) -> (Vec<f64>, Vec<f64>) {
    let n = rows.len() as f64;
    let features = 0..rows[0].0.len();
    let mean: Vec<f64> = features
        .map(|i| rows.iter().map(|r| r.0[i]).sum::<f64>() / n)
        .collect();
    let deviation = |(i, m): (usize, &f64)| {
        let squares = rows.iter().map(|r| (r.0[i] - m).powi(2)).sum::<f64>();
        let deviation = (squares / n).sqrt();
        if deviation > 1e-9 { deviation } else { 1.0 }
    };
    let scale = mean.iter().enumerate().map(deviation).collect();
    (mean, scale)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// Solves `matrix * x = right` by Cholesky's decomposition; the matrix is symmetric, positive
/// definite, and only its lower half is read.
fn solve(mut matrix: Vec<f64>, right: Vec<f64>) -> Vec<f64> {
    let d = right.len();
    for i in 0..d {
        for j in 0..=i {
            let dots: f64 = (0..j).map(|k| matrix[i * d + k] * matrix[j * d + k]).sum();
            let rest = matrix[i * d + j] - dots;
            matrix[i * d + j] = match i == j {
                true => rest.max(1e-12).sqrt(),
                false => rest / matrix[j * d + j],
            };
        }
    }
    let mut x = right;
    for i in 0..d {
        let dots: f64 = (0..i).map(|k| matrix[i * d + k] * x[k]).sum();
        x[i] = (x[i] - dots) / matrix[i * d + i];
    }
    for i in (0..d).rev() {
        let dots: f64 = (i + 1..d).map(|k| matrix[k * d + i] * x[k]).sum();
        x[i] = (x[i] - dots) / matrix[i * d + i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let matrix = vec![4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 1.0, 3.0, 6.0];
        let x = solve(matrix, vec![9.0, 21.0, 25.0]);
        // 4 2 1; 2 5 3; 1 3 6 times (1, 2, 3) is (11, 21, 25).
        let whole = [[4.0, 2.0, 1.0], [2.0, 5.0, 3.0], [1.0, 3.0, 6.0]];
        for (row, right) in whole.iter().zip([9.0, 21.0, 25.0]) {
            assert!((dot(row, &x) - right).abs() < 1e-9, "{x:?}");
        }
    }

    #[test]
    fn it_is_where_the_loss_is_flat() {
        // Two features, one useless; not separable.
        let rows: Vec<(Vec<f64>, bool)> = (0..40)
            .map(|i| {
                let x = f64::from(i % 10);
                let noise = f64::from(i * 7 % 13);
                (vec![x, noise], x + f64::from(i * 3 % 7) > 8.0)
            })
            .collect();
        let model = Model::fit(&rows, 0.5).unwrap();
        assert_eq!(Model::fit(&rows, 0.5).unwrap(), model);
        assert!(model.weights[0] > model.weights[1].abs(), "{model:?}");
        let fake = rows.iter().filter(|r| r.1).count() as f64;
        let n = rows.len() as f64;
        let standard: Vec<_> = rows
            .iter()
            .map(|(f, y)| {
                let of = if *y { fake } else { n - fake };
                (model.standard(f), f64::from(u8::from(*y)), n / (2.0 * of))
            })
            .collect();
        let least = model.loss(&standard, 0.5);
        for i in 0..3 {
            for off in [-1e-3, 1e-3] {
                let mut other = model.clone();
                other.weights[i] += off;
                assert!(other.loss(&standard, 0.5) > least);
            }
        }
    }

    #[test]
    fn separable_rows_have_an_answer_and_one_class_has_none() {
        let rows: Vec<_> = (0..10).map(|i| (vec![f64::from(i), 7.0], i >= 8)).collect();
        let model = Model::fit(&rows, 0.1).unwrap();
        assert!(model.score(&[9.0, 7.0]) > 0.9 && model.score(&[0.0, 7.0]) < 0.1);
        // Of the feature that never varied, nothing was learned.
        assert_eq!(model.weights[1], 0.0);
        let one = &rows[..8];
        let none = FitError::OneClass { real: 8, fake: 0 };
        assert_eq!(Model::fit(one, 0.1), Err(none));
        let uneven = vec![(vec![1.0], true), (vec![1.0, 2.0], false)];
        assert!(matches!(
            Model::fit(&uneven, 0.1),
            Err(FitError::Length { row: 1, .. })
        ));
        let nan = vec![(vec![1.0], true), (vec![f64::NAN], false)];
        assert_eq!(Model::fit(&nan, 0.1), Err(FitError::NoNumber { row: 1 }));
    }
}
