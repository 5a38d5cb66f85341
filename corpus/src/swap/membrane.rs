//! Poisson blending (Pérez et al. 2003) of a face laid flat.
//!
//! Keeping the source's gradients and the target's values along a ring is the same as adding
//! to the source a correction without curvature: it equals the difference of the two where
//! both are seen in the ring, and solves Laplace's equation elsewhere. Where something hides
//! the ring nothing is asked (a natural boundary), so that a hand's colour does not run in.

use super::grid::{Colours, Grid, Mixed, Plane};

/// Texels across in which the correction is solved: it is smooth, so few do.
const SIDE: usize = 64;
/// Sweeps of the relaxation, and its factor; what is left is under a hundredth of a level.
const SWEEPS: usize = 120;
const FACTOR: f32 = 1.9;
/// How firmly a fully seen texel of the ring holds the correction.
const HOLD: f32 = 4.0;
/// Levels that are added at most: a shadow at the outline does not cover the face.
const MOST: f32 = 45.0;

/// The correction to add to `source`, `SIDE` texels across. `known` weighs the texels at which
/// the difference is to be met; `like` is the solution of a frame before, to start from.
pub fn correction(
    target: &Colours,
    source: &Colours,
    known: &Plane,
    inside: &Grid<bool>,
) -> Colours {
    let side = target.width;
    // Means of the difference over the texels that each coarse one covers.
    let mut sums: Grid<[f32; 3]> = Grid::filled(SIDE, SIDE, [0.0; 3]);
    let mut weights: Plane = Grid::filled(SIDE, SIDE, 0.0);
    let mut part: Plane = Grid::filled(SIDE, SIDE, 0.0);
    for y in 0..side {
        for x in 0..side {
            let at = y * side + x;
            if !inside.data[at] {
                continue;
            }
            let coarse = y * SIDE / side * SIDE + x * SIDE / side;
            part.data[coarse] += 1.0;
            let weight = known.data[at];
            weights.data[coarse] += weight;
            for k in 0..3 {
                sums.data[coarse][k] += weight * (target.data[at][k] - source.data[at][k]);
            }
        }
    }
    let mut mean = [0.0; 3];
    let total: f32 = weights.data.iter().sum();
    if total <= 0.0 {
        return Grid::filled(SIDE, SIDE, [0.0; 3]);
    }
    for sum in &sums.data {
        for k in 0..3 {
            mean[k] += sum[k] / total;
        }
    }
    let mean = mean.map(|v| v.clamp(-MOST, MOST));
    let cell = (side as f32 / SIDE as f32).powi(2);
    let hold = weights.map(|w| HOLD * w / cell);
    let wanted = sums.zip(&weights, |s, &w| {
        s.map(|v| {
            if w > 0.0 {
                (v / w).clamp(-MOST, MOST)
            } else {
                0.0
            }
        })
    });
    let on = part.map(|&p| p > 0.0);
    let mut out = Grid::filled(SIDE, SIDE, mean);
    for _ in 0..SWEEPS {
        for y in 0..SIDE {
            for x in 0..SIDE {
                let at = y * SIDE + x;
                if !on.data[at] {
                    continue;
                }
                let mut sum = wanted.data[at].map(|v| v * hold.data[at]);
                let mut n = hold.data[at];
                let mut add = |near: usize| {
                    if on.data[near] {
                        n += 1.0;
                        sum = sum.plus(out.data[near], 1.0);
                    }
                };
                if x > 0 {
                    add(at - 1);
                }
                if x + 1 < SIDE {
                    add(at + 1);
                }
                if y > 0 {
                    add(at - SIDE);
                }
                if y + 1 < SIDE {
                    add(at + SIDE);
                }
                if n > 0.0 {
                    for (now, sum) in out.data[at].iter_mut().zip(sum) {
                        *now += FACTOR * (sum / n - *now);
                    }
                }
            }
        }
    }
    out
}
