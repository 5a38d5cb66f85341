//! Faces laid flat, and put back onto a mesh: per triangle an affine map.

use super::{
    canonical::{EXTENT, LAYOUT, TRIANGLES},
    grid::{Colours, Grid, Plane, cubic, smoothstep},
};
use crate::face::{Mesh, Rgb};

/// Which triangle each texel of a square texture lies in; the same for every face.
#[derive(Debug)]
pub struct Atlas {
    side: usize,
    /// Triangle and barycentric weights of its corners; none outside the face.
    texels: Vec<Option<(u16, [f32; 3])>>,
}

impl Atlas {
    /// Of textures of `side` x `side` texels.
    pub fn new(side: usize) -> Self {
        let mut texels = vec![None; side * side];
        for (index, triangle) in TRIANGLES.iter().enumerate() {
            let corners = triangle.map(|i| LAYOUT[i as usize].map(|v| v * side as f32));
            cover(corners, side, side, |x, y, weights| {
                texels[y * side + x] = Some((index as u16, weights));
            });
        }
        Self { side, texels }
    }

    pub fn side(&self) -> usize {
        self.side
    }

    /// Whether a texel lies on the face.
    pub fn covered(&self) -> Grid<bool> {
        Grid {
            width: self.side,
            height: self.side,
            data: self.texels.iter().map(Option::is_some).collect(),
        }
    }

    /// The face of a picture, laid flat. Texels outside the face, or behind the picture's
    /// edges, hold what is nearest to them.
    pub fn unwrap(&self, picture: &Rgb, mesh: &Mesh) -> Colours {
        // Pixels of the picture a texel covers, at most: what is finer is averaged first.
        let texels = self.side as f32 / EXTENT[1];
        let mut halved = 0;
        let mut ratio = eyes(mesh) / texels;
        let mut owned: Option<Rgb> = None;
        while ratio >= 2.0 && picture.width >> halved > 2 && picture.height >> halved > 2 {
            owned = Some(half(owned.as_ref().unwrap_or(picture)));
            halved += 1;
            ratio /= 2.0;
        }
        let picture = owned.as_ref().unwrap_or(picture);
        let scale = 1.0 / (1 << halved) as f32;
        let (width, height) = (picture.width as usize, picture.height as usize);
        let colour = |at: usize| {
            let p = &picture.data[at * 3..at * 3 + 3];
            [f32::from(p[0]), f32::from(p[1]), f32::from(p[2])]
        };
        let mut texture = Grid::filled(self.side, self.side, [0.0; 3]);
        for (texel, out) in self.texels.iter().zip(&mut texture.data) {
            if let Some((triangle, weights)) = texel {
                let [x, y] = place(mesh, *triangle, *weights);
                *out =
                    cubic(width, height, x * scale, y * scale, colour).map(|v| v.clamp(0.0, 255.0));
            }
        }
        texture
    }
}

fn place(mesh: &Mesh, triangle: u16, weights: [f32; 3]) -> [f32; 2] {
    let corners = TRIANGLES[triangle as usize];
    let mut at = [0.0; 2];
    for (corner, weight) in corners.into_iter().zip(weights) {
        let point = mesh.points[corner as usize];
        at[0] += point[0] * weight;
        at[1] += point[1] * weight;
    }
    at
}

/// Distance of the outer corners of the eyes in pixels, in depth too: a turned head has the
/// same.
pub fn eyes(mesh: &Mesh) -> f32 {
    let (a, b) = (mesh.points[33], mesh.points[263]);
    let squares = (0..3).map(|i| (a[i] - b[i]).powi(2));
    squares.sum::<f32>().sqrt()
}

/// A picture of half the size; each pixel is the mean of four.
fn half(picture: &Rgb) -> Rgb {
    let (width, height) = (picture.width / 2, picture.height / 2);
    let line = picture.width as usize * 3;
    let mut data = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height as usize {
        for x in 0..width as usize {
            for c in 0..3 {
                let at = 2 * y * line + 6 * x + c;
                let four = [at, at + 3, at + line, at + line + 3];
                let sum: u16 = four.iter().map(|&i| u16::from(picture.data[i])).sum();
                data.push(((sum + 2) / 4) as u8);
            }
        }
    }
    Rgb {
        width,
        height,
        data,
    }
}

/// Calls `visit` with each cell whose centre lies in a triangle, and its barycentric weights.
fn cover(
    corners: [[f32; 2]; 3],
    width: usize,
    height: usize,
    mut visit: impl FnMut(usize, usize, [f32; 3]),
) {
    let [a, b, c] = corners;
    let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    if area == 0.0 || !area.is_finite() {
        return;
    }
    let span = |i: usize, n: usize| {
        let low = a[i].min(b[i]).min(c[i]) - 0.5;
        let high = a[i].max(b[i]).max(c[i]) - 0.5;
        let low = low.ceil().clamp(0.0, n as f32) as usize;
        let high = (high.floor() + 1.0).clamp(0.0, n as f32) as usize;
        low..high
    };
    // Cells on an edge belong to both sides: no hole between neighbours.
    const EDGE: f32 = -1e-4;
    for y in span(1, height) {
        for x in span(0, width) {
            let p = [x as f32 + 0.5, y as f32 + 0.5];
            let v = ((p[0] - a[0]) * (c[1] - a[1]) - (p[1] - a[1]) * (c[0] - a[0])) / area;
            let w = ((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])) / area;
            let u = 1.0 - v - w;
            if u >= EDGE && v >= EDGE && w >= EDGE {
                visit(x, y, [u, v, w]);
            }
        }
    }
}

/// A face as it stands in a picture: for each pixel of a window its place in a texture.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub left: usize,
    pub top: usize,
    /// Place in the texture, from 0 to 1, and how far it faces the viewer (1: fully).
    pub pixels: Grid<Option<([f32; 2], f32)>>,
}

/// Draws a mesh into a picture of this size: what is nearest is seen, backs are not.
pub fn draw(mesh: &Mesh, width: usize, height: usize) -> Drawn {
    let bound = |i: usize, n: usize| {
        let values = mesh.points.iter().map(|p| p[i]);
        let low = values.clone().fold(f32::INFINITY, f32::min);
        let high = values.fold(f32::NEG_INFINITY, f32::max);
        let low = low.floor().clamp(0.0, n as f32) as usize;
        (low, (high.ceil().clamp(0.0, n as f32) as usize).max(low))
    };
    let ((left, right), (top, bottom)) = (bound(0, width), bound(1, height));
    let (width, height) = (right - left, bottom - top);
    let facing = facing(mesh);
    let mut pixels = Grid::filled(width, height, None);
    let mut depth: Plane = Grid::filled(width, height, f32::INFINITY);
    for triangle in &TRIANGLES {
        let corners = triangle.map(usize::from);
        let points = corners.map(|i| mesh.points[i]);
        let flat = points.map(|p| [p[0] - left as f32, p[1] - top as f32]);
        let [a, b, c] = flat;
        if (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0.0 {
            continue; // seen from behind
        }
        cover(flat, width, height, |x, y, weights| {
            let z: f32 = (0..3).map(|i| points[i][2] * weights[i]).sum();
            let at = y * width + x;
            if z < depth.data[at] {
                depth.data[at] = z;
                let mut place = [0.0; 2];
                let mut front = 0.0;
                for (i, weight) in corners.into_iter().zip(weights) {
                    place[0] += LAYOUT[i][0] * weight;
                    place[1] += LAYOUT[i][1] * weight;
                    front += facing[i] * weight;
                }
                pixels.data[at] = Some((place, front));
            }
        });
    }
    Drawn { left, top, pixels }
}

/// How far the surface at each landmark faces the viewer: 1 fully, 0 from the side.
fn facing(mesh: &Mesh) -> Vec<f32> {
    let mut normals = vec![[0.0f32; 3]; mesh.points.len()];
    for triangle in &TRIANGLES {
        let [a, b, c] = triangle.map(|i| mesh.points[i as usize]);
        let p: [f32; 3] = std::array::from_fn(|i| b[i] - a[i]);
        let q: [f32; 3] = std::array::from_fn(|i| c[i] - a[i]);
        let normal = [
            p[1] * q[2] - p[2] * q[1],
            p[2] * q[0] - p[0] * q[2],
            p[0] * q[1] - p[1] * q[0],
        ];
        for &i in triangle {
            for (sum, n) in normals[i as usize].iter_mut().zip(normal) {
                *sum += n;
            }
        }
    }
    let front = |(n, at): ([f32; 3], [f32; 2])| {
        let length = n.iter().map(|v| v * v).sum::<f32>().sqrt();
        let front = if length > 0.0 { -n[2] / length } else { 0.0 };
        // Only the outline turns away from the viewer as a whole; a nose has steep sides, too.
        let [x, y] = [at[0] - 0.5, (at[1] - 0.5) * 0.9];
        front.max(1.0 - smoothstep(0.22, 0.34, (x * x + y * y).sqrt()))
    };
    normals.into_iter().zip(LAYOUT).map(front).collect()
}
