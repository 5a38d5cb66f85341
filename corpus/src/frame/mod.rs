//! Frame: finding, following and cutting out the face of a clip's person.
//!
//! ```text
//! sample -> track (detect, mesh) -> crop (smooth, cut) -> choose -> table, sheet
//! ```
//!
//! A clip is decoded once. What a frame shows is known when it is decoded, but whose track is
//! the subject's only at the end: until then every track's rows and crops are kept on the
//! disk, and a few frames around the present one in memory, so that memory does not grow with
//! the clip.

mod choose;
mod crop;
mod font;
mod sample;
mod sheet;
mod stage;
mod table;
mod task;
mod track;

pub use stage::{FrameError, Outcome, Refused, STAGE, folder, run};
pub use table::{FramesError, Rows, mesh, read, rows};
pub use task::{FrameDone, FrameTask, Framed, Spent};

/// Changes when the same clip and settings give something else.
pub const VERSION: u32 = 1;

#[cfg(test)]
mod tests;
