//! Exit codes and the one error of the command line.

use std::{
    fmt,
    io::{ErrorKind, Write},
};

/// All went well.
pub const OK: u8 = 0;
/// The command could not do its work; stderr says why. (2 is a wrong command line, by clap.)
pub const FAILED: u8 = 1;
/// The command did its work and found something wrong in what it looked at.
pub const FOUND: u8 = 3;

/// Reads as "failed to {doing}: {why}".
pub struct Failure {
    doing: String,
    why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.why)
    }
}

/// Says what was being done when a library's error came.
pub trait Doing<T> {
    fn doing(self, doing: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|why| Failure {
            doing: doing.to_string(),
            why: why.to_string(),
        })
    }
}

/// Prints a value as JSON.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).doing("write JSON")?;
    print(&format!("{text}\n"))
}

/// Prints; a reader that has read enough (`| head -1`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).doing("print"),
        _ => Ok(()),
    }
}
