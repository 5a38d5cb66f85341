//! How a head is turned: its points against those of the canonical face.

use super::{FaceError, Mesh, POINTS};

/// Vertices of MediaPipe's canonical face in centimetres, and its triangles.
const OBJ: &str = include_str!("../../models/canonical_face.obj");

/// Points that move little with the expression, and their weights: the Procrustes basis of
/// MediaPipe's face geometry module.
const STEADY: [(usize, f64); 33] = [
    (4, 0.070909939706326),
    (6, 0.032100144773722),
    (10, 0.008446550928056),
    (33, 0.058724168688059),
    (54, 0.007667080033571),
    (67, 0.009078059345484),
    (117, 0.009791937656701),
    (119, 0.014565368182957),
    (121, 0.018591361120343),
    (127, 0.005197994410992),
    (129, 0.120625205338001),
    (132, 0.005560018587857),
    (133, 0.05328618362546),
    (136, 0.066890455782413),
    (143, 0.014816547743976),
    (147, 0.014262833632529),
    (198, 0.025462191551924),
    (205, 0.047252278774977),
    (263, 0.058724168688059),
    (284, 0.007667080033571),
    (297, 0.009078059345484),
    (346, 0.009791937656701),
    (348, 0.014565368182957),
    (350, 0.018591361120343),
    (356, 0.005197994410992),
    (358, 0.120625205338001),
    (361, 0.005560018587857),
    (362, 0.05328618362546),
    (365, 0.066890455782413),
    (372, 0.014816547743976),
    (376, 0.014262833632529),
    (420, 0.025462191551924),
    (425, 0.047252278774977),
];

/// An upright face looking straight ahead, in the mesh's order and axes.
#[derive(Debug, Clone)]
pub struct Canonical {
    /// x to the right, y down, z away from the viewer, in centimetres.
    pub points: [[f32; 3]; POINTS],
    /// The surface, by places in the mesh; counter-clockwise seen from the front.
    pub triangles: Vec<[usize; 3]>,
}

/// A head's angles in degrees; all 0 for one that looks straight ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Positive towards the picture's right.
    pub yaw: f32,
    /// Positive downwards.
    pub pitch: f32,
    /// Positive clockwise.
    pub roll: f32,
}

impl Canonical {
    pub fn new() -> Result<Self, FaceError> {
        Self::parse(OBJ).ok_or_else(|| FaceError::new("canonical_face", "it cannot be read"))
    }

    fn parse(obj: &str) -> Option<Self> {
        let (mut points, mut triangles) = (Vec::new(), Vec::new());
        for line in obj.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("v") => {
                    let mut next = || words.next()?.parse::<f32>().ok();
                    // There y points up and z towards the viewer.
                    points.push([next()?, -next()?, -next()?]);
                }
                Some("f") => {
                    let mut next = || words.next()?.split('/').next()?.parse::<usize>().ok();
                    let corners = [next()?, next()?, next()?];
                    if corners.iter().any(|c| !(1..=POINTS).contains(c)) {
                        return None;
                    }
                    triangles.push(corners.map(|c| c - 1));
                }
                _ => {}
            }
        }
        let points = points.try_into().ok()?;
        Some(Self { points, triangles })
    }

    /// How the head of a mesh is turned.
    pub fn pose(&self, mesh: &Mesh) -> Pose {
        let r = rotation(&self.points, &mesh.points);
        // r = roll about z, after pitch about x, after yaw about y.
        let degrees = |v: f64| v.to_degrees() as f32;
        Pose {
            yaw: degrees(r[2][0].atan2(r[2][2])),
            pitch: degrees(r[2][1].clamp(-1.0, 1.0).asin()),
            roll: degrees((-r[0][1]).atan2(r[1][1])),
        }
    }
}

/// The rotation that brings `from` nearest to `to`, scale and shift aside, in least squares
/// over the steady points (Horn 1987, "Closed-form solution of absolute orientation using
/// unit quaternions").
fn rotation(from: &[[f32; 3]; POINTS], to: &[[f32; 3]; POINTS]) -> [[f64; 3]; 3] {
    let mean = |points: &[[f32; 3]; POINTS]| -> [f64; 3] {
        let total: f64 = STEADY.iter().map(|s| s.1).sum();
        std::array::from_fn(|axis| {
            let weighted = |&(i, w): &(usize, f64)| w * f64::from(points[i][axis]);
            STEADY.iter().map(weighted).sum::<f64>() / total
        })
    };
    let (mf, mt) = (mean(from), mean(to));
    let mut s = [[0.0f64; 3]; 3];
    for &(i, w) in &STEADY {
        for (a, row) in s.iter_mut().enumerate() {
            for (b, sum) in row.iter_mut().enumerate() {
                *sum += w * (f64::from(from[i][a]) - mf[a]) * (f64::from(to[i][b]) - mt[b]);
            }
        }
    }
    let [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = s;
    let n = [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, yy - xx - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, zz - xx - yy],
    ];
    let [w, x, y, z] = first_eigenvector(n);
    [
        [
            w * w + x * x - y * y - z * z,
            2.0 * (x * y - w * z),
            2.0 * (x * z + w * y),
        ],
        [
            2.0 * (y * x + w * z),
            w * w - x * x + y * y - z * z,
            2.0 * (y * z - w * x),
        ],
        [
            2.0 * (z * x - w * y),
            2.0 * (z * y + w * x),
            w * w - x * x - y * y + z * z,
        ],
    ]
}

/// The unit eigenvector of the largest eigenvalue of a symmetric matrix, by Jacobi rotations.
fn first_eigenvector(mut m: [[f64; 4]; 4]) -> [f64; 4] {
    let mut v: [[f64; 4]; 4] =
        std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    // It converges quadratically: 4 x 4 needs about six sweeps.
    for _ in 0..16 {
        for p in 0..4 {
            for q in p + 1..4 {
                if m[p][q] == 0.0 {
                    continue;
                }
                let angle = 0.5 * (2.0 * m[p][q]).atan2(m[q][q] - m[p][p]);
                let (s, c) = angle.sin_cos();
                for row in &mut m {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                for k in 0..4 {
                    (m[p][k], m[q][k]) = (c * m[p][k] - s * m[q][k], s * m[p][k] + c * m[q][k]);
                    (v[k][p], v[k][q]) = (c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]);
                }
            }
        }
    }
    let largest = (1..4).fold(0, |best, i| if m[i][i] > m[best][best] { i } else { best });
    v.map(|row| row[largest])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The canonical face turned: roll after pitch after yaw.
    fn turned(canonical: &Canonical, pose: Pose) -> Mesh {
        let [yaw, pitch, roll] = [pose.yaw, pose.pitch, pose.roll].map(f32::to_radians);
        let points = canonical.points.map(|[x, y, z]| {
            let (s, c) = yaw.sin_cos();
            // To the right: what is near (negative z) goes to larger x.
            let (x, z) = (c * x - s * z, s * x + c * z);
            let (s, c) = pitch.sin_cos();
            // Down: what is near goes to larger y.
            let (y, z) = (c * y - s * z, s * y + c * z);
            let (s, c) = roll.sin_cos();
            let (x, y) = (c * x - s * y, s * x + c * y);
            [30.0 * x + 200.0, 30.0 * y + 100.0, 30.0 * z]
        });
        Mesh { points, score: 1.0 }
    }

    #[test]
    fn angles_are_found_again() {
        let canonical = Canonical::new().unwrap();
        for (yaw, pitch, roll) in [
            (0.0, 0.0, 0.0),
            (25.0, 0.0, 0.0),
            (-40.0, 10.0, 5.0),
            (10.0, -20.0, -30.0),
            (0.0, 0.0, 170.0),
        ] {
            let pose = Pose { yaw, pitch, roll };
            let found = canonical.pose(&turned(&canonical, pose));
            assert!((found.yaw - yaw).abs() < 0.01, "{found:?}");
            assert!((found.pitch - pitch).abs() < 0.01, "{found:?}");
            assert!((found.roll - roll).abs() < 0.01, "{found:?}");
        }
    }

    #[test]
    fn the_canonical_face_is_whole() {
        let canonical = Canonical::new().unwrap();
        assert_eq!(canonical.triangles.len(), 898);
        // The person's right eye is on the left; the nose is nearest.
        assert!(canonical.points[33][0] < canonical.points[263][0]);
        let nearest = canonical.points.iter().map(|p| p[2]).fold(0.0, f32::min);
        assert_eq!(canonical.points[4][2], nearest);
        assert!(Canonical::parse("v 1 2").is_none());
    }
}
