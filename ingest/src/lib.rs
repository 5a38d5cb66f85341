//! Sources to manifests, one stage a file, in the order of the pipeline:
//!
//! ```text
//! source -> fetch -> store -> admit -> describe -> dedupe -> split -> write
//! ```
//!
//! The only crate with network and ffmpeg.

pub mod dedupe;
pub mod manifest;
pub mod place;
pub mod source;
