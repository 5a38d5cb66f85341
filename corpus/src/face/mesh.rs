//! The points of a face: Face Mesh (Kartynnik et al. 2019, "Real-time facial surface geometry
//! from monocular video on mobile GPUs").

use super::{
    Affine, Face, FaceError, Rgb,
    model::{Model, sigmoid},
};

const MODEL: &[u8] = include_bytes!("../../models/face_landmark.onnx");
const SIDE: u32 = 192;
/// Points of a mesh.
pub const POINTS: usize = 468;
/// What is looked at, as a multiple of the face's box.
const AROUND: f32 = 1.5;
/// Outer corners of the eyes, by place in the mesh: the person's right, left.
const EYES: [usize; 2] = [33, 263];

/// The turned square of a picture in which the points are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roi {
    /// Its middle.
    pub x: f32,
    pub y: f32,
    /// In pixels.
    pub side: f32,
    /// Clockwise in radians: the direction from the person's right eye to the left.
    pub angle: f32,
}

/// A face's points.
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    /// x, y; z has the same scale, smaller is nearer.
    pub points: [[f32; 3]; POINTS],
    /// How sure it is that there is a face, 0 to 1.
    pub score: f32,
}

/// Finds the points of a face.
#[derive(Debug, Clone)]
pub struct Landmarker {
    model: Model,
}

impl Roi {
    fn new(bounds: [f32; 4], from: [f32; 2], to: [f32; 2]) -> Self {
        Self {
            x: bounds[0] + bounds[2] / 2.0,
            y: bounds[1] + bounds[3] / 2.0,
            side: AROUND * bounds[2].max(bounds[3]),
            angle: (to[1] - from[1]).atan2(to[0] - from[0]),
        }
    }

    /// Around a face that was just found.
    pub fn of_face(face: &Face) -> Self {
        Self::new(face.bounds, face.points[0], face.points[1])
    }

    /// Around the points of the frame before, or of a first look.
    pub fn of_mesh(mesh: &Mesh) -> Self {
        let eye = |i: usize| [mesh.points[i][0], mesh.points[i][1]];
        Self::new(mesh.bounds(), eye(EYES[0]), eye(EYES[1]))
    }

    /// From positions in a square of `side` pixels to the picture.
    fn to_picture(self, side: f32) -> Affine {
        let scale = self.side / side;
        let (sin, cos) = self.angle.sin_cos();
        let (a, b) = (scale * cos, scale * sin);
        let half = side / 2.0;
        Affine([
            [a, -b, self.x - (a - b) * half],
            [b, a, self.y - (b + a) * half],
        ])
    }
}

impl Mesh {
    /// The box of its points: x, y, width, height.
    pub fn bounds(&self) -> [f32; 4] {
        let mut low = [f32::INFINITY; 2];
        let mut high = [f32::NEG_INFINITY; 2];
        for point in &self.points {
            for i in 0..2 {
                low[i] = low[i].min(point[i]);
                high[i] = high[i].max(point[i]);
            }
        }
        [low[0], low[1], high[0] - low[0], high[1] - low[1]]
    }
}

impl Landmarker {
    pub fn new() -> Result<Self, FaceError> {
        let model = Model::load("face_landmark", MODEL, SIDE as usize)?;
        Ok(Self { model })
    }

    /// The points of the face in a region; `None` when it looks at none.
    pub fn mesh(&self, picture: &Rgb, roi: Roi) -> Result<Option<Mesh>, FaceError> {
        let numbers = [roi.x, roi.y, roi.side, roi.angle];
        if roi.side < 1.0 || numbers.iter().any(|n| !n.is_finite()) {
            return Ok(None);
        }
        let side = self.model.side();
        let to_picture = roi.to_picture(side as f32);
        let seen = picture.warp(&to_picture, side, side);
        let input: Vec<f32> = seen.data.iter().map(|&v| f32::from(v) / 255.0).collect();
        let outputs = self.model.run(&input)?;
        let (Some(points), Some(score)) = (
            outputs.iter().find(|o| o.len() == 3 * POINTS),
            outputs.iter().find(|o| o.len() == 1),
        ) else {
            return Err(self.model.misfit());
        };
        let score = sigmoid(score[0]);
        if score < 0.5 || points.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let scale = to_picture.scale();
        let points = std::array::from_fn(|i| {
            let (x, y) = to_picture.apply(points[3 * i], points[3 * i + 1]);
            [x, y, scale * points[3 * i + 2]]
        });
        Ok(Some(Mesh { points, score }))
    }

    /// The points of a face just found: looked for twice, so that they do not depend on how
    /// well its box fits.
    pub fn first(&self, picture: &Rgb, face: &Face) -> Result<Option<Mesh>, FaceError> {
        match self.mesh(picture, Roi::of_face(face))? {
            Some(rough) => self.mesh(picture, Roi::of_mesh(&rough)),
            None => Ok(None),
        }
    }
}
