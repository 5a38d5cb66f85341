//! Sources to releases, one stage a file, in the order of the pipeline:
//!
//! ```text
//! source -> fetch -> store -> admit -> describe -> assemble -> decide -> release
//! ```
//!
//! The only crate with network and ffmpeg. `run` goes the whole way.

// What a source is read with.
pub mod archive;
pub mod html;
pub mod licence;
pub mod server;
pub mod source;
pub mod table;

// Bytes into the store.
pub mod fetch;
pub mod http;
pub mod opt_out;
pub mod ssrf;
pub mod store;

// What may stay, what it shows, where it was.
pub mod admit;
pub mod media;
pub mod place;
pub mod receipt;

// Rows and what only the whole dataset decides.
pub mod assemble;
pub mod decide;
pub mod decided;
pub mod dedupe;
pub mod prior;
pub mod split;

// The release.
pub mod attribution;
pub mod card;
pub mod contributed;
pub mod croissant;
pub mod manifest;
pub mod recall;
pub mod release;
pub mod summary;
pub mod sums;
pub mod versions;

// The way from end to end, and what is done with a release.
pub mod diff;
pub mod journal;
pub mod pull;
pub mod reporter;
pub mod run;
pub mod submit;
pub mod verify;

pub mod atomic;
pub mod digest;
pub mod disk;
mod strict_json;

#[cfg(test)]
mod test_recorded;
#[cfg(test)]
mod test_server;
