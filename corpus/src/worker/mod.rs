//! Work done in a process of its own, which may touch little.
//!
//! A [`Task`] is what one item of a stage needs done: a pure function of its fields that writes
//! below one folder. [`Workers::run`] starts `fairframe-media` by the task's name, with the
//! task as JSON on its standard input, and reads what came of it from its standard output.
//! Before the child looks at a file it limits itself (`confine`): memory, CPU time, open files,
//! what it may read and write, no network, no other programs. The parent watches the clock and
//! the bytes written, and kills it on trouble: that is one refused item.
//! [`Workers::run_program`] runs programs of others under the same eyes; a [`ForkServer`] does
//! many small tasks, without a program being loaded for each.

mod child;
mod confine;
mod fork_server;
mod parallel;
mod program;
mod run;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::item::Refusal;

pub use child::{serve, worker_main};
pub use fairframe_ingest::media::WorkerCommand;
pub use fork_server::{ForkServer, serve_forks};
pub use parallel::parallel_map;
pub use program::{PROGRAM, Program};
pub use run::{WorkerError, Workers};

/// What one item needs done.
pub trait Task: Serialize + DeserializeOwned {
    /// Small: it travels as JSON. What is large is written below `out`.
    type Done: Serialize + DeserializeOwned;
    /// As `child` lists it.
    const NAME: &'static str;

    /// The only files, or folders with all in them, that it may read.
    fn reads(&self) -> Vec<PathBuf>;

    /// Does it; writes nothing outside of `out`. Also runs without a process, in tests. A
    /// refusal for [`Reason::StoreFailed`](fairframe_schemas::Reason::StoreFailed) is the
    /// machine's affair and ends the run.
    fn work(self, out: &Path) -> Result<Self::Done, Refusal>;
}

/// What one task may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub memory_mb: u64,
    /// Seconds of CPU time, all threads together.
    pub cpu_s: u64,
    /// Seconds from its start to its answer. Other work may hold the processors.
    pub wall_s: u64,
    /// All it writes, and so also its largest file.
    pub output_mb: u64,
    pub output_files: u64,
    pub open_files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mb: 2048,
            cpu_s: 3600,
            wall_s: 4 * 3600,
            output_mb: 8192,
            output_files: 500_000,
            open_files: 256,
        }
    }
}

/// What the child is told.
#[derive(Serialize, Deserialize)]
struct Job<T> {
    task: T,
    out: PathBuf,
    limits: Limits,
    /// The process to end with; a fork ends with its server.
    parent: i32,
}

/// Bytes of address space for code, libraries and stacks, beyond the memory limit.
const CODE: u64 = 2 << 30;
/// Exit code of a worker that could not limit itself and so touched no file.
const NO_LIMITS: u8 = 3;
/// Exit code of a worker that does not know the task, or cannot read it.
const NO_TASK: u8 = 2;
/// Longest answer and longest task, in bytes.
const MAX_MESSAGE: u64 = 256 << 20;
