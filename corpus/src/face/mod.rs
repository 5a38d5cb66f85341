//! Faces in pictures: where they are, their 468-point mesh, their pose and sharpness.
//!
//! The models are MediaPipe's BlazeFace and Face Mesh (`corpus/models/README.md`), built
//! into the program and run in process.
//!
//! All positions are in pixels of the whole picture, x to the right and y down; (0, 0) is
//! the outer corner of its first pixel, whose middle is (0.5, 0.5).

mod align;
mod detect;
mod mesh;
mod model;
mod picture;
mod pose;
mod warp;

pub use align::{Similarity, five_points, template};
pub use detect::{Detector, Face, overlap};
pub use mesh::{Landmarker, Mesh, POINTS, Roi};
pub use model::FaceError;
pub use picture::Rgb;
pub use pose::{Canonical, Pose};
pub use warp::Affine;

#[cfg(test)]
mod tests;
