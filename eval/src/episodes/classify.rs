//! Plain classifiers on embeddings, fitted anew in every episode.

/// Support and query of one episode, as embeddings.
pub struct Task<'a> {
    pub way: usize,
    pub support: Vec<(&'a [f32], u32)>,
    pub query: Vec<&'a [f32]>,
}

const LANES: usize = 16;

/// In lanes that the compiler turns into vector instructions; the same
/// result on every machine.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

fn distance(query: &[f32], point: &[f64]) -> f64 {
    let apart = query.iter().zip(point).map(|(x, y)| f64::from(*x) - y);
    apart.map(|d| d * d).sum()
}

/// The place of the nearest point to each query, by Euclidean distance; the
/// first among equals. Single precision finds it; where that leaves a doubt,
/// double precision decides.
fn nearest(points: &[Vec<f64>], queries: &[&[f32]]) -> Vec<u32> {
    let short: Vec<Vec<f32>> = points
        .iter()
        .map(|point| point.iter().map(|v| *v as f32).collect())
        .collect();
    let norms: Vec<f32> = short.iter().map(|point| dot(point, point)).collect();
    queries
        .iter()
        .map(|query| {
            let score = |at: usize| norms[at] - 2.0 * dot(query, &short[at]);
            let scores: Vec<f32> = (0..points.len()).map(score).collect();
            let least = scores.iter().copied().fold(f32::INFINITY, f32::min);
            let largest = norms.iter().copied().fold(0.0, f32::max);
            // Rounding grows with the numbers that are summed in one lane.
            let summed = (query.len() / LANES + 2 * LANES) as f32;
            let doubt = f32::max(1e-5, summed * f32::EPSILON) * (dot(query, query) + largest);
            // Squares beyond single precision tell nothing.
            let told = doubt.is_finite() && scores.iter().all(|score| score.is_finite());
            let near = (0..points.len()).filter(|at| !told || scores[*at] <= least + doubt);
            let near: Vec<usize> = near.collect();
            let exact = |at: &usize| distance(query, &points[*at]);
            let best = match near.as_slice() {
                [only] => *only,
                _ => {
                    near.iter()
                        .map(|at| (exact(at), *at))
                        .fold((f64::INFINITY, 0), |a, b| if b.0 < a.0 { b } else { a })
                        .1
                }
            };
            best as u32
        })
        .collect()
}

/// The class of the nearest support sample.
pub fn nearest_neighbour(task: &Task<'_>) -> Vec<u32> {
    let wide = |row: &[f32]| row.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let points: Vec<Vec<f64>> = task.support.iter().map(|(row, _)| wide(row)).collect();
    let found = nearest(&points, &task.query).into_iter();
    found.map(|at| task.support[at as usize].1).collect()
}

/// The class whose mean is nearest (Snell, Swersky, Zemel 2017).
pub fn nearest_centroid(task: &Task<'_>) -> Vec<u32> {
    let dimension = task.support.first().map_or(0, |(row, _)| row.len());
    let mut sums = vec![(vec![0f64; dimension], 0usize); task.way];
    for (row, class) in &task.support {
        let (sum, n) = &mut sums[*class as usize];
        sum.iter_mut()
            .zip(*row)
            .for_each(|(s, v)| *s += f64::from(*v));
        *n += 1;
    }
    // A class without support is never the nearest.
    let classes: Vec<u32> = (0..task.way as u32)
        .filter(|c| sums[*c as usize].1 > 0)
        .collect();
    let means: Vec<Vec<f64>> = classes
        .iter()
        .map(|class| {
            let (sum, n) = &sums[*class as usize];
            sum.iter().map(|s| s / *n as f64).collect()
        })
        .collect();
    let found = nearest(&means, &task.query).into_iter();
    found.map(|at| classes[at as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[[f32; 2]]) -> Vec<Vec<f32>> {
        values.iter().map(|row| row.to_vec()).collect()
    }

    #[test]
    fn neighbours_and_centroids_may_differ_and_ties_go_to_the_first() {
        let support = rows(&[[0.0, 0.0], [4.0, 0.0], [2.5, 1.0], [20.0, 0.0]]);
        let query = rows(&[[2.4, 0.5], [11.0, 0.0], [2.0, 0.0]]);
        let task = Task {
            way: 2,
            support: support
                .iter()
                .map(Vec::as_slice)
                .zip([0, 0, 1, 1])
                .collect(),
            query: query.iter().map(Vec::as_slice).collect(),
        };
        assert_eq!(nearest_neighbour(&task), [1, 0, 1]);
        // Means (2, 0) and (11.25, 0.5).
        assert_eq!(nearest_centroid(&task), [0, 1, 0]);
        let tied = Task {
            way: 2,
            support: vec![(&support[1], 1), (&support[1], 0)],
            query: vec![&query[0]],
        };
        assert_eq!(nearest_neighbour(&tied), [1]);
        assert_eq!(nearest_centroid(&tied), [0]);
    }

    #[test]
    fn what_single_precision_cannot_tell_double_does() {
        let base = vec![1000.0f32; 64];
        let mut near = base.clone();
        near[3] += 0.001;
        let mut query = base.clone();
        query[3] += 0.002;
        let task = Task {
            way: 2,
            support: vec![(&base, 0), (&near, 1)],
            query: vec![&query],
        };
        assert_eq!(nearest_neighbour(&task), [1]);
        assert_eq!(nearest_centroid(&task), [1]);
    }

    #[test]
    fn squares_beyond_single_precision_are_compared_in_double() {
        let far = 2f32.powi(70);
        let support = rows(&[[far, 0.0], [0.0, far]]);
        let query = rows(&[[0.0, far]]);
        let task = Task {
            way: 2,
            support: vec![(&support[0], 0), (&support[1], 1)],
            query: vec![&query[0]],
        };
        assert_eq!(nearest_neighbour(&task), [1]);
        assert_eq!(nearest_centroid(&task), [1]);
    }
}
