//! The program that decodes, and how it is started.
//!
//! It is a program of its own as FFmpeg's libraries bring 130 others: only what decodes waits for them
//! to be loaded.

use std::{env, io, path::PathBuf};

/// It stands beside `fairframe`.
pub const NAME: &str = "fairframe-media";
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Comes before the version of the program that starts it: one may be replaced while the other runs,
/// and what they tell each other is of one version.
pub const FOR: &str = "--for";
/// The task of [`worker_main`](super::worker_main).
pub const DESCRIBE: &str = "describe";
/// Exit code where the versions differ; then nothing was done.
pub const OTHER_VERSION: u8 = 5;
/// The same in words.
pub const NOT_OURS: &str = concat!(
    "it is not of version ",
    env!("CARGO_PKG_VERSION"),
    " as the program that started it; install both of one version and start again"
);

/// How a worker is started; its task is the argument after these.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

impl WorkerCommand {
    /// `fairframe-media` in the folder of the running program.
    pub fn beside() -> io::Result<Self> {
        let program = env::current_exe()?.with_file_name(NAME);
        if program.is_file() {
            return Ok(Self::of(program));
        }
        let remedy = "install it beside `fairframe` (`cargo build --release` builds both)";
        let problem = format!("{} is not there; {remedy}", program.display());
        Err(io::Error::new(io::ErrorKind::NotFound, problem))
    }

    /// `fairframe-media` at this path.
    pub fn of(program: PathBuf) -> Self {
        Self {
            program,
            arguments: [FOR, VERSION].map(str::to_owned).into(),
        }
    }
}
