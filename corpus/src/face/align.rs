//! Laying faces over each other: five points and the similarity between two sets of them.

use super::{Affine, Canonical, Mesh};

/// Contours of the eyes in the mesh: the person's right, left.
const EYES: [[usize; 8]; 2] = [
    [33, 160, 159, 158, 133, 153, 145, 144],
    [263, 387, 386, 385, 362, 380, 374, 373],
];
const NOSE_TIP: usize = 4;
/// Corners of the mouth: the person's right, left.
const MOUTH: [usize; 2] = [61, 291];

/// Middles of the eyes (the person's right, left), tip of the nose, corners of the mouth
/// (right, left).
pub fn five_points(mesh: &Mesh) -> [[f32; 2]; 5] {
    five(&mesh.points)
}

fn five(points: &[[f32; 3]]) -> [[f32; 2]; 5] {
    let point = |i: usize| [points[i][0], points[i][1]];
    let middle = |ring: [usize; 8]| {
        let sum = |axis: usize| ring.iter().map(|&i| points[i][axis]).sum::<f32>();
        [sum(0) / 8.0, sum(1) / 8.0]
    };
    [
        middle(EYES[0]),
        middle(EYES[1]),
        point(NOSE_TIP),
        point(MOUTH[0]),
        point(MOUTH[1]),
    ]
}

/// Where the five points of an upright, frontal face stand in a square of `side` pixels of
/// which the face's box takes `1 / margin`: those of the canonical face, its box in the middle.
pub fn template(canonical: &Canonical, side: f32, margin: f32) -> [[f32; 2]; 5] {
    let mesh = Mesh {
        points: canonical.points,
        score: 1.0,
    };
    let [x, y, w, h] = mesh.bounds();
    let scale = side / (margin * w.max(h));
    five_points(&mesh).map(|p| {
        [
            side / 2.0 + scale * (p[0] - x - w / 2.0),
            side / 2.0 + scale * (p[1] - y - h / 2.0),
        ]
    })
}

/// Turning, scaling, shifting; never mirroring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Scale times cosine, scale times sine of the angle.
    turn: [f32; 2],
    shift: [f32; 2],
}

impl Similarity {
    /// The one that brings `from` nearest to `to` in least squares (Umeyama 1991,
    /// "Least-squares estimation of transformation parameters between two point patterns";
    /// in the plane it has this closed form). `None` when all of `from` are one point.
    pub fn between(from: &[[f32; 2]], to: &[[f32; 2]]) -> Option<Self> {
        let (mf, mt) = (mean(from), mean(to));
        let (mut dot, mut cross, mut spread) = (0.0f64, 0.0f64, 0.0f64);
        for (f, t) in from.iter().zip(to) {
            let (fx, fy) = (f64::from(f[0]) - mf[0], f64::from(f[1]) - mf[1]);
            let (tx, ty) = (f64::from(t[0]) - mt[0], f64::from(t[1]) - mt[1]);
            dot += fx * tx + fy * ty;
            cross += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        if spread <= 0.0 {
            return None;
        }
        let (a, b) = (dot / spread, cross / spread);
        let shift = [mt[0] - a * mf[0] + b * mf[1], mt[1] - b * mf[0] - a * mf[1]];
        Some(Self {
            turn: [a as f32, b as f32],
            shift: shift.map(|v| v as f32),
        })
    }

    pub fn affine(&self) -> Affine {
        let [a, b] = self.turn;
        Affine([[a, -b, self.shift[0]], [b, a, self.shift[1]]])
    }
}

fn mean(points: &[[f32; 2]]) -> [f64; 2] {
    let n = points.len() as f64;
    [0, 1].map(|i| points.iter().map(|p| f64::from(p[i])).sum::<f64>() / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similarity_is_found_again() {
        let from = [[1.0, 2.0], [5.0, -3.0], [0.5, 8.0], [4.0, 4.0]];
        let turned = Affine([[1.2, -0.9, 7.0], [0.9, 1.2, -5.0]]);
        let to = from.map(|p| turned.apply(p[0], p[1]).into());
        let found = Similarity::between(&from, &to).unwrap().affine();
        for (a, b) in found.0.iter().flatten().zip(turned.0.iter().flatten()) {
            assert!((a - b).abs() < 1e-5, "{found:?}");
        }
        assert_eq!(
            Similarity::between(&[[1.0, 1.0]; 3], &[[0.0, 1.0]; 3]),
            None
        );
    }

    #[test]
    fn a_mirrored_set_is_not_mirrored_back() {
        let from = [[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]];
        let to = from.map(|p: [f32; 2]| [-p[0], p[1]]);
        let [a, b] = Similarity::between(&from, &to).unwrap().affine().0;
        assert!(a[0] * b[1] - a[1] * b[0] > 0.0);
    }
}
