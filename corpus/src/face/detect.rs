//! Where faces are: BlazeFace (Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond neural
//! face detection on mobile GPUs"), the 256-pixel variant for back cameras.

use fairframe_ingest::media::{FilterType, resize_rgb};

use super::{
    FaceError, Rgb,
    model::{Model, sigmoid},
};

const MODEL: &[u8] = include_bytes!("../../models/face_detection.onnx");
const SIDE: u32 = 256;
/// Cells of the two grids, and how many boxes a cell answers for.
const GRIDS: [(u32, u32); 2] = [(16, 2), (8, 6)];
/// Centre, size and six points, two numbers each.
const VALUES: usize = 16;
/// Boxes that overlap more are one face.
const SAME: f32 = 0.3;

/// A face found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// x, y, width, height: brows to chin; it may reach beyond the picture.
    pub bounds: [f32; 4],
    /// 0 to 1.
    pub score: f32,
    /// Right eye, left eye (of the person), nose tip, mouth, right ear, left ear.
    pub points: [[f32; 2]; 6],
}

/// Finds faces from 3% of the picture's longer side up.
#[derive(Debug, Clone)]
pub struct Detector {
    model: Model,
    /// The middles of the cells that boxes are told relative to, 0 to 1.
    anchors: Vec<[f32; 2]>,
}

impl Detector {
    pub fn new() -> Result<Self, FaceError> {
        let mut anchors = Vec::new();
        for (cells, boxes) in GRIDS {
            for y in 0..cells {
                for x in 0..cells {
                    let middle = |i: u32| (i as f32 + 0.5) / cells as f32;
                    anchors.extend(std::iter::repeat_n([middle(x), middle(y)], boxes as usize));
                }
            }
        }
        Ok(Self {
            model: Model::load("face_detection", MODEL, SIDE as usize)?,
            anchors,
        })
    }

    /// Faces with at least this score, the surest first.
    pub fn detect(&self, picture: &Rgb, least_score: f32) -> Result<Vec<Face>, FaceError> {
        let (input, letterbox) = letterbox(picture);
        let outputs = self.model.run(&input)?;
        let n = self.anchors.len();
        let (Some(boxes), Some(scores)) = (
            outputs.iter().find(|o| o.len() == n * VALUES),
            outputs.iter().find(|o| o.len() == n),
        ) else {
            return Err(self.model.misfit());
        };
        let mut found: Vec<Face> = self
            .anchors
            .iter()
            .zip(boxes.chunks_exact(VALUES))
            .zip(scores)
            .map(|((anchor, values), &score)| face(*anchor, values, sigmoid(score), &letterbox))
            .filter(|f| f.score >= least_score && f.bounds[2] > 0.0 && f.bounds[3] > 0.0)
            .collect();
        // Stable: ties stay in the order of the anchors.
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(merge(found))
    }
}

/// How the picture stands in the square.
struct Letterbox {
    /// Pixels of the picture in the side of the square.
    extent: f32,
    /// Blank part of the square to the left and above, in pixels of the picture.
    left: f32,
    top: f32,
}

/// The picture in the middle of a black square, -1 to 1.
fn letterbox(picture: &Rgb) -> (Vec<f32>, Letterbox) {
    let (w, h) = (picture.width, picture.height);
    let longer = w.max(h);
    let shrunk = |side: u32| {
        let side = f64::from(side) * f64::from(SIDE) / f64::from(longer);
        (side.round() as u32).clamp(1, SIDE)
    };
    let (sw, sh) = (shrunk(w), shrunk(h));
    // Both have three bytes a pixel and no empty side: nothing is left to fail.
    let small = resize_rgb(&picture.data, (w, h), (sw, sh), FilterType::Bilinear);
    debug_assert!(small.is_ok());
    let small = small.unwrap_or_default();
    let (x0, y0) = ((SIDE - sw) / 2, (SIDE - sh) / 2);
    let mut input = vec![-1.0f32; 3 * (SIDE * SIDE) as usize];
    for (y, row) in small.chunks_exact(3 * sw as usize).enumerate() {
        let at = 3 * ((y0 as usize + y) * SIDE as usize + x0 as usize);
        for (to, &value) in input[at..].iter_mut().zip(row) {
            *to = f32::from(value) / 127.5 - 1.0;
        }
    }
    let extent = longer as f32;
    let letterbox = Letterbox {
        extent,
        left: x0 as f32 * extent / SIDE as f32,
        top: y0 as f32 * extent / SIDE as f32,
    };
    (input, letterbox)
}

fn face(anchor: [f32; 2], values: &[f32], score: f32, letterbox: &Letterbox) -> Face {
    let to = letterbox.extent;
    let scaled = |i: usize| values[i] / SIDE as f32;
    let x = |i: usize| (scaled(i) + anchor[0]) * to - letterbox.left;
    let y = |i: usize| (scaled(i) + anchor[1]) * to - letterbox.top;
    let (w, h) = (scaled(2) * to, scaled(3) * to);
    Face {
        bounds: [x(0) - w / 2.0, y(1) - h / 2.0, w, h],
        score,
        points: std::array::from_fn(|p| [x(4 + 2 * p), y(5 + 2 * p)]),
    }
}

/// One face for all boxes that overlap a surer one: their mean, weighted by score, as
/// BlazeFace has it in place of non-maximum suppression.
fn merge(mut rest: Vec<Face>) -> Vec<Face> {
    let mut merged = Vec::new();
    while let Some(&surest) = rest.first() {
        let (same, others): (Vec<Face>, Vec<Face>) = rest
            .into_iter()
            .partition(|f| *f == surest || overlap(f.bounds, surest.bounds) > SAME);
        let total: f32 = same.iter().map(|f| f.score).sum();
        let mean = |value: &dyn Fn(&Face) -> f32| {
            same.iter().map(|f| f.score * value(f)).sum::<f32>() / total
        };
        merged.push(Face {
            bounds: std::array::from_fn(|i| mean(&|f| f.bounds[i])),
            score: surest.score,
            points: std::array::from_fn(|p| std::array::from_fn(|i| mean(&|f| f.points[p][i]))),
        });
        rest = others;
    }
    merged
}

/// Intersection over union of two boxes, 0 to 1.
pub fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let common = |i: usize| (a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i]);
    let (w, h) = (common(0), common(1));
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    w * h / (a[2] * a[3] + b[2] * b[3] - w * h)
}
