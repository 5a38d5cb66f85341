//! Programs of others, as somebody declared them: confined as a worker is, but that they may
//! start programs, and read the system's and what was declared.
//!
//! A worker is started as for a task, limits itself (`confine`) and becomes the program.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
};

use fairframe_ingest::media::program::{NOT_OURS, OTHER_VERSION};
use fairframe_schemas::Reason;
use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{Pid, Signal, kill_process_group},
};
use serde::{Deserialize, Serialize};

use super::{
    Limits, MAX_MESSAGE, NO_LIMITS, NO_TASK, WorkerError, Workers, child::end_with, confine,
    run::watch,
};
use crate::item::Refusal;

/// The launcher's name among the tasks.
pub const PROGRAM: &str = "program";
/// What the program says last, in its folder.
const WORDS: &str = "stderr.txt";
/// Bytes of it that are kept.
const KEPT: usize = 300;
/// The only variables that a program has: its home is the folder it works in.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program and what it may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Program and arguments; files that it names by absolute paths may be read and run.
    pub command: Vec<String>,
    /// Further files and folders that it may read and run.
    pub reads: Vec<PathBuf>,
    pub devices: Vec<PathBuf>,
    /// Memory is each process's; address space is not limited, as drivers reserve much.
    pub limits: Limits,
}

#[derive(Serialize, Deserialize)]
struct Job {
    program: Program,
    folder: PathBuf,
    parent: i32,
}

/// Killed with all that it started when dropped: none of them can leave its group.
#[derive(Debug)]
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // Gone already is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

fn failed(message: String) -> WorkerError {
    Refusal::new(Reason::SwapMethodFailed, message).into()
}

impl Workers {
    /// Runs a program in `folder`, which it may read and write, and waits for its end. The
    /// folder's path is added as its last argument. What does not end well is refused for
    /// [`Reason::SwapMethodFailed`].
    pub fn run_program(&self, program: &Program, folder: &Path) -> Result<(), WorkerError> {
        let folder = std::path::absolute(folder).map_err(|e| self.machine(&e))?;
        let Some(name) = program.command.first() else {
            return Err(failed("no command is declared".to_owned()));
        };
        // Ours from the start: whatever the program puts in its place is not read.
        let words = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.join(WORDS));
        let mut words = words.map_err(|e| self.machine(&e))?;
        let job = Job {
            program: program.clone(),
            folder: folder.clone(),
            parent: rustix::process::getpid().as_raw_pid(),
        };
        let job = serde_json::to_vec(&job).map_err(|e| self.machine(&e))?;
        let start = |e: io::Error| self.machine(&format!("the worker cannot be started: {e}"));
        let child = Command::new(&self.command.program)
            .args(&self.command.arguments)
            .arg(PROGRAM)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(words.try_clone().map_err(start)?)
            .process_group(0)
            .spawn();
        let mut running = Running(child.map_err(start)?);
        let (Some(mut input), Some(output)) = (running.0.stdin.take(), running.0.stdout.take())
        else {
            return Err(self.machine(&"its pipes are missing"));
        };
        // Gone already: then it says why.
        let _ = input.write_all(&job);
        drop(input);
        // Closed by the launcher when it becomes the program.
        let mut why_not = String::new();
        let read = output.take(MAX_MESSAGE).read_to_string(&mut why_not);
        read.map_err(|e| self.machine(&e))?;
        let ended =
            watch(&mut running.0, &program.limits, &folder).map_err(|e| self.machine(&e))?;
        // Whatever it left running ends here.
        drop(running);
        let status = ended.map_err(|why| failed(format!("`{name}` was stopped: {why}")))?;
        if !why_not.is_empty() {
            let ended_with = |code: u8| status.code() == Some(i32::from(code));
            return Err(match () {
                () if ended_with(NO_LIMITS) => {
                    self.machine(&format!("it cannot limit itself: {why_not}"))
                }
                () if ended_with(OTHER_VERSION) => self.machine(&NOT_OURS),
                () => failed(format!("`{name}`: {why_not}")),
            });
        }
        match status.success() {
            true => Ok(()),
            false => Err(failed(format!("`{name}`: {status}: {}", last(&mut words)))),
        }
    }
}

/// What a program said at the end, in one line.
fn last(words: &mut File) -> String {
    let mut bytes = Vec::new();
    // An explanation, not more: what cannot be read is left out.
    if words.rewind().is_ok() {
        let _ = words.take(1 << 20).read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(KEPT)..]).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The launcher: limits itself, and becomes the program that standard input names. Comes back
/// only where it cannot, and says why on standard output.
pub fn launch() -> ExitCode {
    let mut text = Vec::new();
    let read = io::stdin().take(MAX_MESSAGE).read_to_end(&mut text);
    let (Ok(_), Ok(job)) = (read, serde_json::from_slice::<Job>(&text)) else {
        return ExitCode::from(NO_TASK);
    };
    // The program gets another standard output; this one closes when it begins.
    let Ok(output) = fcntl_dupfd_cloexec(io::stdout(), 3) else {
        return ExitCode::from(NO_LIMITS);
    };
    let mut output = File::from(output);
    if let Err(why) = limit(&job) {
        let _ = write!(output, "{why}");
        return ExitCode::from(NO_LIMITS);
    }
    let Some((name, arguments)) = job.program.command.split_first() else {
        return ExitCode::from(NO_TASK);
    };
    let why = Command::new(name)
        .args(arguments)
        .arg(&job.folder)
        .current_dir(&job.folder)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .env("HOME", &job.folder)
        .env("TMPDIR", &job.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .exec();
    let _ = write!(output, "{why}");
    ExitCode::FAILURE
}

fn limit(job: &Job) -> Result<(), Box<dyn std::error::Error>> {
    let program = &job.program;
    end_with(job.parent)?;
    confine::resources(&program.limits, None)?;
    let named = program.command.iter().map(PathBuf::from);
    let named = named.filter(|path| path.is_absolute() && path.is_file());
    let reads: Vec<PathBuf> = program.reads.iter().cloned().chain(named).collect();
    confine::files_of_program(&reads, &program.devices, &job.folder)?;
    confine::calls_of_program()?;
    Ok(())
}
