//! Faces in a picture: where they are, and their landmarks.

mod picture;

pub use picture::Rgb;
