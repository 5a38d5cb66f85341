//! Parts of the face, as weights of texels.

use super::{
    canonical::{EXTENT, LAYOUT},
    grid::{Grid, Plane, smoothstep},
};

/// The face's outline, in order.
const OVAL: [usize; 36] = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
];
/// Lids, brows, lips and nose: what moves or shines, and is not the colour of skin.
const FEATURES: [usize; 86] = [
    33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, // lids
    263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, //
    70, 63, 105, 66, 107, 46, 53, 52, 65, 55, // brows
    300, 293, 334, 296, 336, 276, 283, 282, 295, 285, //
    61, 39, 0, 269, 291, 181, 17, 405, 13, 14, 78, 308, 84, 314, // lips
    98, 327, 2, 94, 97, 326, 60, 290, 75, 305, // nostrils
    1, 4, 5, 195, 197, 6, 45, 275, 51, 281, // back of the nose, which shines
];

/// The first of these that are no lids.
const LIDS: usize = 32;
/// Distances of the eyes around a lid that a socket reaches.
const SOCKET: [f32; 2] = [0.14, 0.36];
/// Distances of the eyes within the outline over which a fake face fades in.
const FADE: [f32; 2] = [0.05, 0.30];
/// Of the ring in which both faces are made to agree.
const RING: [f32; 2] = [0.07, 0.24];

/// Weights of the texels of a texture.
#[derive(Debug)]
pub struct Regions {
    /// What is replaced: 1 inside, fading out towards the outline.
    pub face: Plane,
    /// Where the faces are made to agree: 1 in a ring within the outline, 0 elsewhere.
    pub ring: Plane,
    /// Lids, brows, lips, nose.
    pub features: Plane,
    /// Eyes and what lies in their shadow.
    pub sockets: Plane,
    /// Cheeks and forehead.
    pub skin: Plane,
}

impl Regions {
    pub fn new(side: usize) -> Self {
        let place = |x: usize, y: usize| {
            let scale = |v: usize, k: usize| (v as f32 + 0.5) / side as f32 * EXTENT[k];
            [scale(x, 0), scale(y, 1)]
        };
        let point = |i: usize| [LAYOUT[i][0] * EXTENT[0], LAYOUT[i][1] * EXTENT[1]];
        let oval = OVAL.map(point);
        let depth = Grid::of(side, side, |x, y| within(&oval, place(x, y)));
        let features = FEATURES.map(point);
        let near = |points: &[[f32; 2]], [low, high]: [f32; 2]| {
            Grid::of(side, side, |x, y| {
                let [x, y] = place(x, y);
                let nearest = points
                    .iter()
                    .map(|p| (p[0] - x).powi(2) + (p[1] - y).powi(2))
                    .fold(f32::INFINITY, f32::min);
                1.0 - smoothstep(low, high, nearest.sqrt())
            })
        };
        let sockets = near(&features[..LIDS], SOCKET);
        let features = near(&features, [0.05, 0.12]);
        Self {
            sockets,
            face: depth.map(|&d| smoothstep(FADE[0], FADE[1], d)),
            ring: depth.map(|&d| f32::from(u8::from(d > RING[0] && d < RING[1]))),
            skin: depth.zip(&features, |&d, &f| smoothstep(0.2, 0.35, d) * (1.0 - f)),
            features,
        }
    }
}

/// Distance of a point from a polygon's border; negative outside.
fn within(polygon: &[[f32; 2]], p: [f32; 2]) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    for (i, a) in polygon.iter().enumerate() {
        let b = polygon[(i + 1) % polygon.len()];
        let (d, e) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
        let t = ((d[0] * e[0] + d[1] * e[1]) / (d[0] * d[0] + d[1] * d[1])).clamp(0.0, 1.0);
        let off = [e[0] - t * d[0], e[1] - t * d[1]];
        nearest = nearest.min(off[0] * off[0] + off[1] * off[1]);
        if (a[1] > p[1]) != (b[1] > p[1]) && e[0] < d[0] * e[1] / d[1] {
            inside = !inside;
        }
    }
    if inside {
        nearest.sqrt()
    } else {
        -nearest.sqrt()
    }
}
