//! Actor videos to a deepfake corpus, one stage a file or folder, in the order of the way:
//!
//! ```text
//! cast -> pair -> frame -> swap -> compress -> clips -> (ingest: a release)
//! ```
//!
//! A stage makes *items*: one folder each that appears whole by one rename, so that what is
//! there is done and a killed run goes on. Media are decoded in processes of their own
//! (`worker`). Nobody is swapped without the consent of both sides: `cast` judges it, `pair`
//! and `swap` ask it, and the release asks again.

// Who is there, and what they agreed to.
pub mod cast;
pub mod item;

// What the stages work with.
pub mod face;
pub mod video;
pub mod worker;

// The stages.
pub mod clips;
pub mod compress;
pub mod frame;
pub mod label;
pub mod pair;
pub mod swap;

// What is done with what was made.
pub mod detector;
pub mod layouts;
pub mod truth;
pub mod withdraw;
