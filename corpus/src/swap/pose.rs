//! How a head is turned, and how far mouth and eyes are open.

use super::canonical::POINTS;
use crate::face::Mesh;

/// Landmarks that move with the skull, hardly with the jaw, lids or lips.
const RIGID: [usize; 36] = [
    10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 33, 133, 263, 362, 127, 356, 234, 454, 93, 323, 54,
    284, 103, 332, 67, 297, 109, 338, 21, 251, 162, 389, 129, 358, 98,
];

/// Of the face of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pose {
    /// Degrees. Yaw: turned to the viewer's right; pitch: looking down; roll: leaning to the
    /// viewer's right.
    pub yaw: f32,
    pub pitch: f32,
    pub roll: f32,
    /// In distances of the eyes.
    pub mouth: f32,
    pub smile: f32,
    pub lids: f32,
}

/// The similarity that takes the mean face onto a mesh: `scale * turn * p + shift`.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    pub scale: f32,
    pub turn: [[f32; 3]; 3],
    pub shift: [f32; 3],
}

impl Placed {
    /// Least squares over the landmarks that move with the skull: the turn is the nearest
    /// rotation to their covariance (polar decomposition by Newton's iteration, Higham 1986).
    /// `None` where the points lie too flat to tell.
    pub fn of(mesh: &Mesh) -> Option<Self> {
        let n = RIGID.len() as f64;
        let mean = |point: &dyn Fn(usize) -> [f32; 3]| {
            let mut sum = [0.0f64; 3];
            for &i in &RIGID {
                for (s, v) in sum.iter_mut().zip(point(i)) {
                    *s += f64::from(v) / n;
                }
            }
            sum
        };
        let from = mean(&|i| POINTS[i]);
        let to = mean(&|i| mesh.points[i]);
        let mut covariance = [[0.0f64; 3]; 3];
        let mut spread = 0.0;
        for &i in &RIGID {
            let a: [f64; 3] = std::array::from_fn(|k| f64::from(POINTS[i][k]) - from[k]);
            let b: [f64; 3] = std::array::from_fn(|k| f64::from(mesh.points[i][k]) - to[k]);
            spread += a.iter().map(|v| v * v).sum::<f64>();
            for (row, b) in covariance.iter_mut().zip(b) {
                for (cell, a) in row.iter_mut().zip(a) {
                    *cell += b * a;
                }
            }
        }
        let turn = rotation(covariance)?;
        let along: f64 = (0..9)
            .map(|i| turn[i / 3][i % 3] * covariance[i / 3][i % 3])
            .sum();
        let scale = along / spread;
        let shift = |k: usize| to[k] - scale * (0..3).map(|j| turn[k][j] * from[j]).sum::<f64>();
        (scale.is_finite() && scale > 0.0).then(|| Self {
            scale: scale as f32,
            turn: turn.map(|row| row.map(|v| v as f32)),
            shift: std::array::from_fn(|k| shift(k) as f32),
        })
    }

    /// A direction of the mean face, as it stands in the picture.
    pub fn turned(&self, p: [f32; 3]) -> [f32; 3] {
        self.turn
            .map(|row| self.scale * (row[0] * p[0] + row[1] * p[1] + row[2] * p[2]))
    }

    /// A point of the picture, in the mean face's coordinates.
    pub fn undone(&self, p: [f32; 3]) -> [f32; 3] {
        let d: [f32; 3] = std::array::from_fn(|k| (p[k] - self.shift[k]) / self.scale);
        std::array::from_fn(|j| (0..3).map(|k| self.turn[k][j] * d[k]).sum())
    }
}

fn rotation(mut m: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    for _ in 0..60 {
        let cofactor = |i: usize, j: usize| {
            let (a, b) = ((i + 1) % 3, (i + 2) % 3);
            let (c, d) = ((j + 1) % 3, (j + 2) % 3);
            m[a][c] * m[b][d] - m[a][d] * m[b][c]
        };
        let determinant: f64 = (0..3).map(|j| m[0][j] * cofactor(0, j)).sum();
        // A mirrored or flat cloud has no rotation.
        if determinant.is_nan() || determinant <= 1e-12 {
            return None;
        }
        let size = determinant.cbrt();
        let next: [[f64; 3]; 3] = std::array::from_fn(|i| {
            std::array::from_fn(|j| (m[i][j] / size + cofactor(i, j) / determinant * size) / 2.0)
        });
        let change: f64 = (0..9)
            .map(|i| (next[i / 3][i % 3] - m[i / 3][i % 3]).abs())
            .sum();
        m = next;
        if change < 1e-10 {
            break;
        }
    }
    Some(m)
}

impl Pose {
    pub fn of(mesh: &Mesh) -> Option<Self> {
        let placed = Placed::of(mesh)?;
        let turn = placed.turn;
        let apart = |a: usize, b: usize| {
            let squares = (0..3).map(|k| (mesh.points[a][k] - mesh.points[b][k]).powi(2));
            squares.sum::<f32>().sqrt() / placed.scale
        };
        Some(Self {
            yaw: (-turn[0][2]).atan2(turn[2][2]).to_degrees(),
            pitch: (-turn[1][2]).clamp(-1.0, 1.0).asin().to_degrees(),
            roll: turn[1][0].atan2(turn[1][1]).to_degrees(),
            mouth: apart(13, 14),
            smile: apart(61, 291),
            lids: (apart(159, 145) + apart(386, 374)) / 2.0,
        })
    }

    /// How far two heads are turned from each other, in degrees; leaning hardly matters, since
    /// a picture can be turned in its plane.
    pub fn gap(&self, other: &Self) -> f32 {
        let roll = 0.3 * (self.roll - other.roll);
        let (yaw, pitch) = (self.yaw - other.yaw, self.pitch - other.pitch);
        (yaw * yaw + pitch * pitch + roll * roll).sqrt()
    }

    /// Distance of two faces for choosing: 10 degrees count as much as 0.05 distances of the
    /// eyes that the mouth opens further.
    pub fn unlike(&self, other: &Self) -> f32 {
        let square = |v: f32| v * v;
        square(self.gap(other) / 10.0)
            + square((self.mouth - other.mouth) / 0.05)
            + square((self.smile - other.smile) / 0.1)
            + square((self.lids - other.lids) / 0.04)
    }
}
