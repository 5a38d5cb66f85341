//! Sources to manifests, one stage a file, in the order of the pipeline:
//!
//! ```text
//! source -> fetch -> store -> admit -> describe -> dedupe -> split -> write
//! ```
//!
//! The only crate with network and ffmpeg.

pub mod attribution;
pub mod card;
pub mod croissant;
pub mod dedupe;
pub mod http;
pub mod manifest;
pub mod media;
pub mod opt_out;
pub mod place;
pub mod source;
pub mod ssrf;
pub mod store;
pub mod summary;

#[cfg(test)]
mod test_server;
