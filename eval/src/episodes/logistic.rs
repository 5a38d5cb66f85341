//! Multinomial logistic regression, fitted anew in every episode: the linear
//! classifier of scikit-learn's `LogisticRegression(C=1)`.
//!
//! Minimises `sum of cross entropy + |W|^2 / 2`, intercepts free, by L-BFGS
//! (Nocedal and Wright 2006, algorithm 7.5) from zero until no entry of the
//! gradient is over 1e-7 of the samples.

use super::classify::Task;

const MEMORY: usize = 10;
const MOST_STEPS: usize = 1000;
const TOLERANCE: f64 = 1e-7;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The class of each query.
pub fn linear(task: &Task<'_>) -> Vec<u32> {
    let wide = |row: &[f32]| row.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let mut rows: Vec<Vec<f64>> = task.support.iter().map(|(row, _)| wide(row)).collect();
    let mut queries: Vec<Vec<f64>> = task.query.iter().map(|row| wide(row)).collect();
    if rows.is_empty() {
        return vec![u32::MAX; queries.len()];
    }
    if rows.len() < rows[0].len() {
        (rows, queries) = in_their_span(&rows, &queries);
    }
    let mut present: Vec<u32> = task.support.iter().map(|(_, class)| *class).collect();
    present.sort_unstable();
    present.dedup();
    let class = |class: u32| present.binary_search(&class).unwrap_or_default();
    let truth: Vec<usize> = task.support.iter().map(|(_, c)| class(*c)).collect();
    let model = fit(&rows, &truth, present.len());
    let stride = rows[0].len() + 1;
    queries
        .iter()
        .map(|query| {
            let mut best = (f64::NEG_INFINITY, 0);
            for (at, weights) in model.chunks_exact(stride).enumerate() {
                let score = dot(&weights[..stride - 1], query) + weights[stride - 1];
                if score > best.0 {
                    best = (score, at);
                }
            }
            present[best.1]
        })
        .collect()
}

/// Coordinates with the same inner products, as few as there are rows: by
/// Cholesky's factor of the Gram matrix. What the penalty sees is the same.
fn in_their_span(rows: &[Vec<f64>], queries: &[Vec<f64>]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let n = rows.len();
    let scale = rows.iter().map(|row| dot(row, row)).fold(0.0, f64::max);
    let mut factor = vec![vec![0.0; n]; n];
    let mut pivots = vec![0.0; n];
    for i in 0..n {
        for j in 0..=i {
            let inner = dot(&rows[i], &rows[j]) - dot(&factor[i][..j], &factor[j][..j]);
            if i == j {
                // A row in the span of those before it adds no coordinate.
                pivots[i] = if inner > 1e-12 * scale {
                    inner.sqrt()
                } else {
                    0.0
                };
                factor[i][i] = pivots[i];
            } else if pivots[j] > 0.0 {
                factor[i][j] = inner / pivots[j];
            }
        }
    }
    let queries = queries
        .iter()
        .map(|query| {
            let mut place = vec![0.0; n];
            for j in 0..n {
                if pivots[j] > 0.0 {
                    let inner = dot(query, &rows[j]) - dot(&place[..j], &factor[j][..j]);
                    place[j] = inner / pivots[j];
                }
            }
            place
        })
        .collect();
    (factor, queries)
}

/// Loss, with its gradient put into `gradient`. Weights are class after
/// class, each with its intercept last.
fn loss(
    rows: &[Vec<f64>],
    truth: &[usize],
    classes: usize,
    model: &[f64],
    gradient: &mut [f64],
) -> f64 {
    let stride = rows[0].len() + 1;
    gradient.copy_from_slice(model);
    let mut total = 0.0;
    for class in 0..classes {
        let weights = &model[class * stride..(class + 1) * stride - 1];
        total += dot(weights, weights) / 2.0;
        gradient[(class + 1) * stride - 1] = 0.0;
    }
    let mut shares = vec![0.0; classes];
    for (row, truth) in rows.iter().zip(truth) {
        for (class, share) in shares.iter_mut().enumerate() {
            let weights = &model[class * stride..(class + 1) * stride];
            *share = dot(&weights[..stride - 1], row) + weights[stride - 1];
        }
        let most = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = shares.iter().map(|s| (s - most).exp()).sum();
        total += most + sum.ln() - shares[*truth];
        for (class, share) in shares.iter().enumerate() {
            let error = (share - most).exp() / sum - f64::from(u8::from(class == *truth));
            let part = &mut gradient[class * stride..(class + 1) * stride];
            for (g, x) in part.iter_mut().zip(row) {
                *g += error * x;
            }
            part[stride - 1] += error;
        }
    }
    total
}

fn fit(rows: &[Vec<f64>], truth: &[usize], classes: usize) -> Vec<f64> {
    let n = classes * (rows[0].len() + 1);
    let (mut model, mut gradient) = (vec![0.0; n], vec![0.0; n]);
    let mut value = loss(rows, truth, classes, &model, &mut gradient);
    let (mut next, mut next_gradient) = (vec![0.0; n], vec![0.0; n]);
    let mut memory: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    for _ in 0..MOST_STEPS {
        let steepest = gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
        if steepest <= TOLERANCE * rows.len() as f64 {
            break;
        }
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut alphas = Vec::with_capacity(memory.len());
        for (step, change, curvature) in memory.iter().rev() {
            let alpha = dot(step, &direction) / curvature;
            direction
                .iter_mut()
                .zip(change)
                .for_each(|(d, y)| *d -= alpha * y);
            alphas.push(alpha);
        }
        if let Some((_, change, curvature)) = memory.last() {
            let scale = curvature / dot(change, change);
            direction.iter_mut().for_each(|d| *d *= scale);
        }
        for ((step, change, curvature), alpha) in memory.iter().zip(alphas.into_iter().rev()) {
            let beta = dot(change, &direction) / curvature;
            direction
                .iter_mut()
                .zip(step)
                .for_each(|(d, s)| *d += (alpha - beta) * s);
        }
        let slope = dot(&gradient, &direction);
        let mut length = match memory.is_empty() {
            true => 1.0 / dot(&gradient, &gradient).sqrt().max(1.0),
            false => 1.0,
        };
        // Armijo's rule; the loss is convex, so some step of it is taken.
        let reached = (0..60).find_map(|_| {
            for ((to, from), d) in next.iter_mut().zip(&model).zip(&direction) {
                *to = from + length * d;
            }
            let there = loss(rows, truth, classes, &next, &mut next_gradient);
            let enough = there <= value + 1e-4 * length * slope;
            length /= 2.0;
            enough.then_some(there)
        });
        let Some(there) = reached else { break };
        let step: Vec<f64> = next.iter().zip(&model).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next_gradient
            .iter()
            .zip(&gradient)
            .map(|(a, b)| a - b)
            .collect();
        let curvature = dot(&step, &change);
        if curvature > 0.0 {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((step, change, curvature));
        }
        std::mem::swap(&mut model, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = there;
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_vanishes_at_the_fit_and_the_span_changes_nothing() {
        let rows: Vec<Vec<f64>> = (0..12)
            .map(|at| {
                (0..20)
                    .map(|d| ((at * 7 + d * 3) % 11) as f64 / 5.0 - 1.0)
                    .collect()
            })
            .collect();
        let truth: Vec<usize> = (0..12).map(|at| at % 3).collect();
        let model = fit(&rows, &truth, 3);
        let mut gradient = vec![0.0; model.len()];
        let whole = loss(&rows, &truth, 3, &model, &mut gradient);
        assert!(gradient.iter().all(|g| g.abs() < 2e-6));
        let (short, _) = in_their_span(&rows, &[]);
        let model = fit(&short, &truth, 3);
        let mut gradient = vec![0.0; model.len()];
        let span = loss(&short, &truth, 3, &model, &mut gradient);
        assert!((whole - span).abs() < 1e-9, "{whole} {span}");
    }
}
