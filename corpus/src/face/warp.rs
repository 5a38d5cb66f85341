//! Cutting a turned and scaled piece out of a picture, and how sharp a picture is.

use super::Rgb;

/// An affine map of the plane: `(ax + by + c, dx + ey + f)` for `[[a, b, c], [d, e, f]]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine(pub [[f32; 3]; 2]);

impl Affine {
    pub fn apply(&self, x: f32, y: f32) -> (f32, f32) {
        let [a, b] = self.0;
        (a[0] * x + a[1] * y + a[2], b[0] * x + b[1] * y + b[2])
    }

    /// How much longer things get: the root of the determinant.
    pub fn scale(&self) -> f32 {
        let [a, b] = self.0;
        (a[0] * b[1] - a[1] * b[0]).abs().sqrt()
    }

    /// The way back; `None` when the map makes the plane a line.
    pub fn inverse(&self) -> Option<Self> {
        let [[a, b, c], [d, e, f]] = self.0;
        let det = a * e - b * d;
        if det == 0.0 || !det.is_finite() {
            return None;
        }
        let (ia, ib, id, ie) = (e / det, -b / det, -d / det, a / det);
        Some(Self([
            [ia, ib, -(ia * c + ib * f)],
            [id, ie, -(id * c + ie * f)],
        ]))
    }
}

impl Rgb {
    /// A piece of `width x height` pixels; `from` leads from its positions to this picture's.
    /// Bilinear; where it shrinks, the mean of several samples a pixel. Beyond the edges, the
    /// edge goes on. This picture must not be empty.
    pub fn warp(&self, from: &Affine, width: u32, height: u32) -> Self {
        // More than 8 x 8 samples a pixel are not worth their time.
        let samples = from.scale().round().clamp(1.0, 8.0) as u32;
        let step = 1.0 / samples as f32;
        let weight = step * step;
        let inner = |n: u32, k: u32| n as f32 + (k as f32 + 0.5) * step;
        let mut piece = Self::new(width, height);
        for y in 0..height {
            for x in 0..width {
                let mut sum = [0.5f32; 3];
                for j in 0..samples {
                    for i in 0..samples {
                        let (sx, sy) = from.apply(inner(x, i), inner(y, j));
                        for (s, c) in sum.iter_mut().zip(self.sample(sx, sy)) {
                            *s += c * weight;
                        }
                    }
                }
                piece.set(x, y, sum.map(|s| s as u8));
            }
        }
        piece
    }

    /// The colour at a position, 0 to 255, between the four pixels around it.
    fn sample(&self, x: f32, y: f32) -> [f32; 3] {
        let (x0, x1, fx) = neighbours(x, self.width);
        let (y0, y1, fy) = neighbours(y, self.height);
        let row = 3 * self.width as usize;
        let at = |x: usize, y: usize| &self.data[y * row + 3 * x..][..3];
        let (a, b, c, d) = (at(x0, y0), at(x1, y0), at(x0, y1), at(x1, y1));
        std::array::from_fn(|i| {
            let upper = f32::from(a[i]) + (f32::from(b[i]) - f32::from(a[i])) * fx;
            let lower = f32::from(c[i]) + (f32::from(d[i]) - f32::from(c[i])) * fx;
            upper + (lower - upper) * fy
        })
    }

    /// Luma of each pixel, 0 to 255 (BT.601, full range).
    pub fn luma(&self) -> Vec<f32> {
        self.data
            .chunks_exact(3)
            .map(|p| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]))
            .collect()
    }

    /// The variance of the Laplacian of luma (Pech-Pacheco et al. 2000, "Diatom autofocusing
    /// in brightfield microscopy"). Smaller is more blurred; comparable among pictures of one
    /// size only. 0 for pictures without an inner pixel.
    pub fn sharpness(&self) -> f32 {
        let (w, h) = (self.width as usize, self.height as usize);
        if w < 3 || h < 3 {
            return 0.0;
        }
        let luma = self.luma();
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for y in 1..h - 1 {
            for x in 1..w - 1 {
                let at = y * w + x;
                let around = luma[at - 1] + luma[at + 1] + luma[at - w] + luma[at + w];
                let v = f64::from(around - 4.0 * luma[at]);
                sum += v;
                squares += v * v;
            }
        }
        let n = ((w - 2) * (h - 2)) as f64;
        (squares / n - (sum / n).powi(2)).max(0.0) as f32
    }
}

/// The pixels before and after a position on a line of `n`, and the share of the latter.
fn neighbours(position: f32, n: u32) -> (usize, usize, f32) {
    let last = (n - 1) as f32;
    // `max` before `min`: a position that is no number counts as the edge.
    let p = (position - 0.5).max(0.0).min(last);
    let before = p as usize;
    (before, (before + 1).min(n as usize - 1), p - before as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Rgb {
        let data = (0..4 * 3 * 3).map(|i| (7 * i % 256) as u8).collect();
        Rgb {
            width: 4,
            height: 3,
            data,
        }
    }

    #[test]
    fn the_identity_changes_nothing() {
        let same = Affine([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        assert_eq!(picture().warp(&same, 4, 3), picture());
    }

    #[test]
    fn shrinking_takes_the_mean_and_edges_go_on() {
        let p = picture();
        let whole = Affine([[4.0, 0.0, 0.0], [0.0, 3.0, 0.0]]);
        let mean = p.data.chunks(3).map(|c| f32::from(c[0])).sum::<f32>() / 12.0;
        let small = p.warp(&whole, 1, 1);
        assert!((f32::from(small.data[0]) - mean).abs() < 8.0);
        let outside = Affine([[1.0, 0.0, -50.0], [0.0, 1.0, 90.0]]);
        assert_eq!(p.warp(&outside, 1, 1).pixel(0, 0), p.pixel(0, 2));
    }

    #[test]
    fn there_and_back() {
        let there = Affine([[1.5, -0.5, 7.0], [0.25, 2.0, -3.0]]);
        let (x, y) = there.apply(11.0, 13.0);
        let (x, y) = there.inverse().unwrap().apply(x, y);
        assert!((x - 11.0).abs() < 1e-4 && (y - 13.0).abs() < 1e-4);
        assert_eq!(Affine([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]).inverse(), None);
    }

    #[test]
    fn blur_lowers_sharpness() {
        let mut sharp = Rgb::new(16, 16);
        for y in 0..16 {
            for x in (0..16).filter(|x| (x / 2 + y / 2) % 2 == 0) {
                sharp.set(x, y, [255; 3]);
            }
        }
        let half = Affine([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]);
        let soft = sharp.warp(&half, 16, 16);
        assert!(soft.sharpness() < 0.7 * sharp.sharpness());
        assert_eq!(Rgb::new(16, 16).sharpness(), 0.0);
        assert_eq!(Rgb::new(2, 2).sharpness(), 0.0);
    }
}
