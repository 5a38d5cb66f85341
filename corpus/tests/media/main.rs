//! Real clips, what `ffmpeg` makes of them, and hostile bytes: decoded, encoded, and worked on
//! in real worker processes.

mod compress;
mod encode;
mod fuzz;
mod hard;
mod label;
mod make;
mod misbehave;
mod program;
mod video;
mod worker;
