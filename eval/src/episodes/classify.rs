//! Plain classifiers on embeddings, fitted anew in every episode.

/// Support and query of one episode, as embeddings.
pub struct Task<'a> {
    pub way: usize,
    pub support: Vec<(&'a [f32], u32)>,
    pub query: Vec<&'a [f32]>,
}

/// Sums kept apart, so that they need not wait for each other.
const LANES: usize = 32;

/// In lanes that the compiler turns into vector instructions; the same result with each set of them.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let mut eight = [0f32; 8];
    for part in sums.as_chunks::<8>().0 {
        for lane in 0..8 {
            eight[lane] += part[lane];
        }
    }
    // In pairs: one after the other each would wait for the last.
    let [a, b, c, d, e, f, g, h] = eight;
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    ((a + b) + (c + d)) + ((e + f) + (g + h)) + rest
}

/// The products of a query with itself and with each of the points, which lie end to end.
#[inline(always)]
fn products_here(query: &[f32], points: &[f32], products: &mut [f32]) -> f32 {
    let points = points.chunks_exact(query.len());
    for (product, point) in products.iter_mut().zip(points) {
        *product = dot(query, point);
    }
    dot(query, query)
}

/// The same, with wider instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn products_avx2(query: &[f32], points: &[f32], products: &mut [f32]) -> f32 {
    products_here(query, points, products)
}

fn products(query: &[f32], points: &[f32], products: &mut [f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just said that it has these instructions.
        return unsafe { products_avx2(query, points, products) };
    }
    products_here(query, points, products)
}

fn distance(query: &[f32], point: &[f64]) -> f64 {
    let apart = query.iter().zip(point).map(|(x, y)| f64::from(*x) - y);
    apart.map(|d| d * d).sum()
}

/// The place of the nearest point to each query, by Euclidean distance; the
/// first among equals. Single precision finds it; where that leaves a doubt,
/// double precision decides, so that it is the same on every machine.
fn nearest(points: &[Vec<f64>], queries: &[&[f32]]) -> Vec<u32> {
    let dimension = points.first().map_or(0, Vec::len);
    if dimension == 0 {
        return vec![0; queries.len()];
    }
    let short: Vec<f32> = points.iter().flatten().map(|v| *v as f32).collect();
    let square = |point: &Vec<f64>| point.iter().map(|v| v * v).sum();
    let norms: Vec<f64> = points.iter().map(square).collect();
    let largest = norms.iter().copied().fold(0.0, f64::max);
    // Two sums of so many products, whatever the order of their terms (Higham 2002, 3.1), and
    // what is too small for single precision.
    let error = 2.0 * (dimension + 4) as f64 * f64::from(f32::EPSILON);
    let tiny = dimension as f64 * f64::from(f32::MIN_POSITIVE);
    let (mut inner, mut scores) = (vec![0.0; points.len()], vec![0.0; points.len()]);
    let of_query = |query: &&[f32]| {
        let square = f64::from(products(query, &short, &mut inner));
        for ((score, norm), product) in scores.iter_mut().zip(&norms).zip(&inner) {
            *score = norm - 2.0 * f64::from(*product);
        }
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let doubt = error * (square + largest) + tiny;
        // Squares beyond single precision tell nothing.
        let told = scores.iter().all(|score| score.is_finite());
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
    };
    queries.iter().map(of_query).collect()
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
