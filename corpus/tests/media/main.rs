//! Real clips, what `ffmpeg` makes of them, and hostile bytes: decoded, encoded, and worked on
//! in real worker processes.

mod compress;
mod encode;
mod fuzz;
mod label;
mod make;
mod misbehave;
mod video;
mod worker;
