//! Noise residuals as in steganalysis (Fridrich & Kodovský 2012, "Rich models for steganalysis
//! of digital images"), few of them.

use super::Grey;

/// Residuals are quantised by this and cut off at two steps on either side.
const STEP: f64 = 2.0;
const LEVELS: usize = 5;
/// Directions: along rows, along columns.
const DIRECTIONS: [(usize, usize); 2] = [(1, 0), (0, 1)];
/// Log variance and kurtosis of three residuals; the co-occurrence of the second.
pub const FEATURES: usize = 6 + LEVELS * LEVELS;

/// High-pass filters along a line of five pixels: first, second, third difference.
const FILTERS: [[f64; 5]; 3] = [
    [0.0, 0.0, -1.0, 1.0, 0.0],
    [0.0, 0.5, -1.0, 0.5, 0.0],
    [0.0, 1.0 / 3.0, -1.0, 1.0, -1.0 / 3.0],
];

/// Statistics of both directions together.
pub fn features(grey: &Grey) -> Vec<f64> {
    let mut found = Vec::with_capacity(FEATURES);
    for filter in &FILTERS {
        found.extend(moments(grey, filter));
    }
    found.extend(pairs(grey, &FILTERS[1]));
    found
}

/// Calls with each residual along a direction and, where there is one, the next on its line.
fn each(
    grey: &Grey,
    filter: &[f64; 5],
    (dx, dy): (usize, usize),
    mut with: impl FnMut(f64, Option<f64>),
) {
    let value = |x: usize, y: usize| -> f64 {
        (0..5)
            .map(|i| filter[i] * grey.at(x + dx * i, y + dy * i))
            .sum()
    };
    let columns = grey.width.saturating_sub(4 * dx);
    let rows = grey.height.saturating_sub(4 * dy);
    for y in 0..rows {
        for x in 0..columns {
            let next = (x + dx < columns && y + dy < rows).then(|| value(x + dx, y + dy));
            with(value(x, y), next);
        }
    }
}

/// Log variance, kurtosis; of nothing, those of no noise.
fn moments(grey: &Grey, filter: &[f64; 5]) -> [f64; 2] {
    let (mut n, mut squares, mut fourths) = (0.0, 0.0, 0.0);
    for direction in DIRECTIONS {
        each(grey, filter, direction, |r, _| {
            n += 1.0;
            squares += r * r;
            fourths += r * r * r * r;
        });
    }
    let n = f64::max(n, 1.0);
    let variance = squares / n;
    let kurtosis = match variance > 0.0 {
        true => fourths / n / (variance * variance),
        false => 0.0,
    };
    // Heavy tails: its logarithm is nearer to a normal distribution.
    [(variance + 1e-3).ln(), (kurtosis + 1.0).ln()]
}

/// How often a quantised residual is followed by another: shares, summing to one.
fn pairs(grey: &Grey, filter: &[f64; 5]) -> Vec<f64> {
    let level = |r: f64| ((r / STEP).round().clamp(-2.0, 2.0) + 2.0) as usize;
    let (mut counts, mut n) = (vec![0.0; LEVELS * LEVELS], 0.0);
    for direction in DIRECTIONS {
        each(grey, filter, direction, |r, next| {
            if let Some(next) = next {
                counts[level(r) * LEVELS + level(next)] += 1.0;
                n += 1.0;
            }
        });
    }
    counts.iter_mut().for_each(|c| *c /= f64::max(n, 1.0));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, luma: impl Fn(usize, usize) -> f64) -> Grey {
        Grey {
            width,
            height,
            luma: (0..width * height)
                .map(|i| luma(i % width, i / width))
                .collect(),
        }
    }

    #[test]
    fn a_slope_has_a_first_difference_and_no_other() {
        let slope = grey(12, 12, |x, y| (3 * x + 3 * y) as f64);
        let [first, ..] = moments(&slope, &FILTERS[0]);
        assert!((first - 9.001f64.ln()).abs() < 1e-9);
        for filter in &FILTERS[1..] {
            assert!((moments(&slope, filter)[0] - 1e-3f64.ln()).abs() < 1e-9);
        }
        // All pairs are (0, 0).
        let pairs = pairs(&slope, &FILTERS[1]);
        assert_eq!(pairs[2 * LEVELS + 2], 1.0);
    }

    #[test]
    fn pairs_follow_the_line() {
        // Columns 0 40 0 40 ...: along rows the second difference alternates, -40 and 40.
        let stripes = grey(10, 10, |x, _| if x % 2 == 0 { 0.0 } else { 40.0 });
        let pairs = pairs(&stripes, &FILTERS[1]);
        let at = |a: usize, b: usize| pairs[a * LEVELS + b];
        // Half of the pairs, those along columns, are (0, 0).
        assert_eq!(at(2, 2), 0.5);
        assert!((at(0, 4) + at(4, 0) - 0.5).abs() < 1e-12);
    }
}
