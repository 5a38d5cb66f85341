//! The source's colours brought to the target's.

use super::grid::Colours;

/// Mean and standard deviation of the three channels of lαβ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Palette {
    mean: [f32; 3],
    deviation: [f32; 3],
}

/// A deviation is scaled by no less and no more than this: what a face is known by stays, and
/// noise is not blown up.
const STRETCH: [f32; 2] = [0.85, 1.3];

impl Palette {
    /// Of the texels that count, by weight. `None` when nothing does.
    pub fn of(colours: &Colours, weights: impl Iterator<Item = f32>) -> Option<Self> {
        let mut sums = [0.0f64; 3];
        let mut squares = [0.0f64; 3];
        let mut total = 0.0f64;
        for (colour, weight) in colours.data.iter().zip(weights) {
            if weight <= 0.0 {
                continue;
            }
            let weight = f64::from(weight);
            let lab = lab(*colour);
            total += weight;
            for k in 0..3 {
                let v = f64::from(lab[k]);
                sums[k] += v * weight;
                squares[k] += v * v * weight;
            }
        }
        (total > 0.0).then(|| Self {
            mean: sums.map(|s| (s / total) as f32),
            deviation: std::array::from_fn(|k| {
                let mean = sums[k] / total;
                (squares[k] / total - mean * mean).max(0.0).sqrt() as f32
            }),
        })
    }

    /// A colour of this palette as it would be in another: shifted and scaled per channel of
    /// lαβ (Reinhard et al. 2001).
    pub fn carry(&self, to: &Self, colour: [f32; 3]) -> [f32; 3] {
        let from = lab(colour);
        rgb(std::array::from_fn(|k| {
            let stretch = if self.deviation[k] > 1e-6 {
                (to.deviation[k] / self.deviation[k]).clamp(STRETCH[0], STRETCH[1])
            } else {
                1.0
            };
            (from[k] - self.mean[k]) * stretch + to.mean[k]
        }))
    }
}

/// Of the paper: RGB to LMS, logarithm, decorrelated. Black has no logarithm: one level stands
/// for it.
pub fn lab(rgb: [f32; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(|v| v.max(0.0) + 1.0);
    let l = (0.3811 * r + 0.5783 * g + 0.0402 * b).log10();
    let m = (0.1967 * r + 0.7244 * g + 0.0782 * b).log10();
    let s = (0.0241 * r + 0.1288 * g + 0.8444 * b).log10();
    [
        (l + m + s) / 3f32.sqrt(),
        (l + m - 2.0 * s) / 6f32.sqrt(),
        (l - m) / 2f32.sqrt(),
    ]
}

fn rgb(lab: [f32; 3]) -> [f32; 3] {
    let [a, b, c] = [
        lab[0] / 3f32.sqrt(),
        lab[1] / 6f32.sqrt(),
        lab[2] / 2f32.sqrt(),
    ];
    let l = 10f32.powf(a + b + c);
    let m = 10f32.powf(a + b - c);
    let s = 10f32.powf(a - 2.0 * b);
    // The inverse of the matrix above.
    [
        4.468_67 * l - 3.588_69 * m + 0.119_60 * s,
        -1.219_72 * l + 2.383_08 * m - 0.162_63 * s,
        0.058_51 * l - 0.261_08 * m + 1.205_67 * s,
    ]
    .map(|v| (v - 1.0).clamp(0.0, 255.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for colour in [
            [0.0; 3],
            [255.0; 3],
            [200.0, 150.0, 120.0],
            [10.0, 250.0, 3.0],
        ] {
            let back = rgb(lab(colour));
            for (a, b) in colour.into_iter().zip(back) {
                assert!((a - b).abs() < 0.2, "{colour:?} {back:?}");
            }
        }
    }

    #[test]
    fn a_palette_carries_onto_itself_and_onto_a_mean() {
        let from = Colours::of(8, 8, |x, y| [100.0 + x as f32, 80.0 + y as f32, 60.0]);
        let to = from.map(|c| c.map(|v| v * 1.5));
        let all = || std::iter::repeat(1.0);
        let (a, b) = (
            Palette::of(&from, all()).unwrap(),
            Palette::of(&to, all()).unwrap(),
        );
        for (&colour, &wanted) in from.data.iter().zip(&to.data) {
            for (x, y) in a.carry(&a, colour).into_iter().zip(colour) {
                assert!((x - y).abs() < 0.2);
            }
            for (x, y) in a.carry(&b, colour).into_iter().zip(wanted) {
                assert!((x - y).abs() < 1.5, "{x} {y}");
            }
        }
        assert_eq!(Palette::of(&from, std::iter::repeat(0.0)), None);
    }
}
