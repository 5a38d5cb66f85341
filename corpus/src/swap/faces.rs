//! What is known of the two clips' faces before a frame is swapped.

use super::{
    canonical::{EXTENT, LANDMARKS, LAYOUT},
    choose,
    grid::{Grid, median},
    looks::{Sampled, rounded},
    pose::{Placed, Pose},
    regions::Regions,
    smooth::smoothed,
    texture::{Atlas, eyes},
};
use crate::face::{Mesh, Rgb};

/// Frames of each clip that are looked at to learn what its face looks like.
const SAMPLES: usize = 64;
/// Texels across for a pixel of the target.
const DETAIL: f32 = 1.25;
const SIDES: [usize; 2] = [96, 512];

/// A clip's faces: its mesh in each frame, at seconds that rise.
#[derive(Debug, Clone)]
pub struct Faces {
    pub meshes: Vec<Option<Mesh>>,
    pub poses: Vec<Option<Pose>>,
    /// Mean of all meshes, in the coordinates of the mean face, made symmetric.
    pub shape: Vec<[f32; 3]>,
}

impl Faces {
    pub fn of(meshes: &[Option<Mesh>], seconds: &[f64]) -> Self {
        let mut meshes = smoothed(meshes, seconds);
        let mut shape = vec![[0.0f32; 3]; LANDMARKS];
        let mut poses = Vec::with_capacity(meshes.len());
        let mut n = 0;
        for slot in &mut meshes {
            let found = slot.as_ref().and_then(|mesh| {
                let finite = mesh.points.iter().flatten().all(|v| v.is_finite());
                let placed = Placed::of(mesh).filter(|_| finite)?;
                Some((placed, Pose::of(mesh)?, mesh))
            });
            poses.push(found.map(|(_, pose, _)| pose));
            let Some((placed, _, mesh)) = found else {
                *slot = None;
                continue;
            };
            n += 1;
            for (sum, point) in shape.iter_mut().zip(&mesh.points) {
                let point = placed.undone(*point);
                for k in 0..3 {
                    sum[k] += (point[k] - sum[k]) / n as f32;
                }
            }
        }
        let other = mirror();
        let shape = (0..LANDMARKS)
            .map(|i| {
                let (own, other) = (shape[i], shape[other[i]]);
                std::array::from_fn(|k| {
                    let sign = if k == 0 { -1.0 } else { 1.0 };
                    (own[k] + sign * other[k]) / 2.0
                })
            })
            .collect();
        Self {
            meshes,
            poses,
            shape,
        }
    }

    fn eyes(&self) -> f32 {
        median(&mut self.meshes.iter().flatten().map(eyes).collect::<Vec<_>>())
    }

    /// At most `most` frames with a face, evenly spaced.
    fn even(&self, most: usize) -> Vec<usize> {
        let there: Vec<usize> = (0..self.meshes.len())
            .filter(|&i| self.meshes[i].is_some())
            .collect();
        let n = there.len().min(most);
        (0..n).map(|i| there[i * there.len() / n]).collect()
    }
}

/// The landmark on the other side of the face of each.
fn mirror() -> Vec<usize> {
    let nearest = |[u, v]: [f32; 2]| {
        let apart = |i: &usize| {
            let [x, y] = LAYOUT[*i];
            (x - (1.0 - u)).powi(2) + (y - v).powi(2)
        };
        (0..LANDMARKS).min_by(|a, b| apart(a).total_cmp(&apart(b)))
    };
    LAYOUT
        .iter()
        .enumerate()
        .map(|(i, at)| nearest(*at).unwrap_or(i))
        .collect()
}

/// Collects textures of a clip while its frames pass by.
pub struct Sampler<'a> {
    atlas: &'a Atlas,
    faces: &'a Faces,
    /// Frames, sorted.
    pub wanted: Vec<usize>,
    /// Their textures, as far as they were seen.
    pub samples: Vec<Sampled>,
}

impl Sampler<'_> {
    /// Frames come in order; those after the last one wanted need not.
    pub fn see(&mut self, index: usize, picture: &Rgb) {
        let next = self.wanted.get(self.samples.len());
        if next == Some(&index)
            && let Some(mesh) = &self.faces.meshes[index]
        {
            self.samples
                .push(rounded(&self.atlas.unwrap(picture, mesh)));
        }
    }
}

/// What is known before any frame is looked at.
pub struct Plan {
    pub target: Faces,
    pub source: Faces,
    pub atlas: Atlas,
    pub regions: Regions,
    /// Texels on the face.
    pub inside: Grid<bool>,
}

impl Plan {
    pub fn new(target: Faces, source: Faces) -> Self {
        let side = (target.eyes() * EXTENT[0] * DETAIL) as usize;
        let side = side.next_multiple_of(32).clamp(SIDES[0], SIDES[1]);
        let atlas = Atlas::new(side);
        let inside = atlas.covered();
        Self {
            target,
            source,
            regions: Regions::new(side),
            atlas,
            inside,
        }
    }

    /// To be shown the source's frames.
    pub fn of_source(&self) -> Sampler<'_> {
        self.sampler(&self.source, choose::spread(&self.source.poses, SAMPLES))
    }

    /// To be shown the target's.
    pub fn of_target(&self) -> Sampler<'_> {
        self.sampler(&self.target, self.target.even(SAMPLES))
    }

    fn sampler<'a>(&'a self, faces: &'a Faces, wanted: Vec<usize>) -> Sampler<'a> {
        Sampler {
            atlas: &self.atlas,
            faces,
            wanted,
            samples: Vec::new(),
        }
    }
}
