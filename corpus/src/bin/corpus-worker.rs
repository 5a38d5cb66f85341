//! The working process alone, as `fairframe-media` runs it: for the tests of this crate,
//! which cannot see the programs above it. It also knows a task that misbehaves, and can be the
//! parent of one.

#[path = "../../tests/media/misbehave.rs"]
mod misbehave;

use std::process::ExitCode;

use fairframe_corpus::worker::{Limits, Task, WorkerCommand, Workers, serve, worker_main};
use misbehave::Misbehave;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [Misbehave::NAME] => serve::<Misbehave>(),
        ["parent", out] => {
            let Ok(program) = std::env::current_exe() else {
                return ExitCode::FAILURE;
            };
            let arguments = Vec::new();
            let command = WorkerCommand { program, arguments };
            let workers = Workers::new(command, 1, Limits::default());
            let _ = workers.run(Misbehave::Sleep, out.as_ref());
            ExitCode::SUCCESS
        }
        [name] => worker_main(name),
        _ => ExitCode::FAILURE,
    }
}
