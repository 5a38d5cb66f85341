//! The parent's side: starting, watching, killing.

use std::{
    fmt::Display,
    fs, io,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use fairframe_ingest::media::program::{NOT_OURS, OTHER_VERSION};
use fairframe_schemas::Reason;

use super::{Job, Limits, MAX_MESSAGE, NO_LIMITS, NO_TASK, Task, WorkerCommand};
use crate::item::Refusal;

/// Why there is no answer: the item's affair, or this machine's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The worker cannot be started or limited, the disk is full: whatever item came would
    /// have met it, so it ends the run.
    #[error("{}: {problem}", path.display())]
    Machine { path: PathBuf, problem: String },
}

/// Does tasks in processes of their own, `parallel` at a time however many threads ask.
#[derive(Debug)]
pub struct Workers {
    pub(super) command: WorkerCommand,
    limits: Limits,
    parallel: usize,
    free: Mutex<usize>,
    freed: Condvar,
}

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Workers {
    pub fn new(command: WorkerCommand, parallel: usize, limits: Limits) -> Self {
        let parallel = parallel.max(1);
        Self {
            command,
            limits,
            parallel,
            free: Mutex::new(parallel),
            freed: Condvar::new(),
        }
    }

    /// How many work at a time.
    pub fn parallel(&self) -> usize {
        self.parallel
    }

    /// Does a task in a process that may write below `out`, which must be there. What a task
    /// that failed has written is left there.
    pub fn run<T: Task>(&self, task: T, out: &Path) -> Result<T::Done, WorkerError> {
        let out = std::path::absolute(out).map_err(|e| self.machine(&e))?;
        let parent = rustix::process::getpid().as_raw_pid();
        let job = Job {
            task,
            out,
            limits: self.limits.clone(),
            parent,
        };
        let text = serde_json::to_vec(&job).map_err(|e| self.machine(&e))?;
        self.take();
        let answer = self.answer(T::NAME, text, &job.out);
        self.give_back();
        decoded::<T>(&answer?, &job.out)
    }

    fn take(&self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self
                .freed
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
    }

    fn give_back(&self) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
    }

    pub(super) fn machine(&self, problem: &dyn Display) -> WorkerError {
        machine(&self.command, problem)
    }

    /// What the child writes, if it ends well.
    fn answer(&self, name: &str, text: Vec<u8>, out: &Path) -> Result<Vec<u8>, WorkerError> {
        let start = |e: &dyn Display| self.machine(&format!("the worker cannot be started: {e}"));
        let child = worker(&self.command, name).spawn();
        let mut running = Running(child.map_err(|e| start(&e))?);
        let (Some(mut input), Some(output)) = (running.0.stdin.take(), running.0.stdout.take())
        else {
            return Err(start(&"its pipes are missing"));
        };
        // Threads of their own, as neither side may wait for the other.
        let writing = thread::spawn(move || {
            let _ = input.write_all(&text);
        });
        let reading = thread::spawn(move || {
            let mut answer = Vec::new();
            let whole = output.take(MAX_MESSAGE).read_to_end(&mut answer);
            whole.map(|_| answer)
        });
        let ended = watch(&mut running.0, &self.limits, out);
        // Closes the pipes, so that both threads end.
        drop(running);
        let _ = writing.join();
        let answer = reading.join();
        let status = ended.map_err(|e| self.machine(&e))?;
        let status = status.map_err(|why| crashed(&format!("the worker was stopped: {why}")))?;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            _ => return Err(crashed("the worker's answer cannot be read")),
        };
        answer_of(&self.command, name, status, answer)
    }
}

/// A worker of that name: a task comes in, an answer goes out.
pub(super) fn worker(command: &WorkerCommand, name: &str) -> Command {
    let mut worker = Command::new(&command.program);
    worker.args(&command.arguments).arg(name);
    // Nothing of our environment is a decoder's business.
    worker.env_clear();
    worker.stdin(Stdio::piped()).stdout(Stdio::piped());
    worker.stderr(Stdio::null());
    worker
}

pub(super) fn machine(command: &WorkerCommand, problem: &dyn Display) -> WorkerError {
    WorkerError::Machine {
        path: command.program.clone(),
        problem: problem.to_string(),
    }
}

/// The answer of a worker that ended well, or why there is none.
pub(super) fn answer_of(
    command: &WorkerCommand,
    name: &str,
    status: ExitStatus,
    answer: Vec<u8>,
) -> Result<Vec<u8>, WorkerError> {
    let code = status.code();
    if status.success() {
        Ok(answer)
    } else if code == Some(i32::from(NO_LIMITS)) {
        let problem =
            "the worker cannot limit itself; see that `ulimit` allows what its limits ask for";
        Err(machine(command, &problem))
    } else if code == Some(i32::from(OTHER_VERSION)) {
        Err(machine(command, &NOT_OURS))
    } else if code == Some(i32::from(NO_TASK)) {
        Err(machine(
            command,
            &format!("it does not know the task `{name}`"),
        ))
    } else {
        let problem = format!("the worker died or ran over its limits ({status})");
        Err(crashed(&problem))
    }
}

/// What an answer says.
pub(super) fn decoded<T: Task>(answer: &[u8], out: &Path) -> Result<T::Done, WorkerError> {
    let answer: Result<T::Done, Refusal> = serde_json::from_slice(answer)
        .map_err(|_| crashed("the worker's answer cannot be read"))?;
    answer.map_err(|refusal| match refusal.reason {
        Reason::StoreFailed => WorkerError::Machine {
            path: out.to_owned(),
            problem: refusal.message,
        },
        _ => refusal.into(),
    })
}

/// Between two looks at what was written.
pub(super) const LOOK: Duration = Duration::from_millis(300);

/// Waits for a child's end; or why it must be stopped: it takes too long, or writes too much
/// below `out`.
pub(super) fn watch(
    child: &mut Child,
    limits: &Limits,
    out: &Path,
) -> io::Result<Result<ExitStatus, String>> {
    let wall_clock = Duration::from_secs(limits.wall_s);
    let started = Instant::now();
    let mut looked = started;
    let mut pause = Duration::from_micros(500);
    loop {
        let ended = child.try_wait()?;
        let now = Instant::now();
        if ended.is_some() || now - looked > LOOK {
            looked = now;
            if let Some(why) = too_much(limits, out)? {
                return Ok(Err(why));
            }
        }
        if let Some(status) = ended {
            return Ok(Ok(status));
        }
        if now - started > wall_clock {
            return Ok(Err(format!("it did not end in {} s", limits.wall_s)));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Why a task must be stopped for what it wrote below `out`, if it must.
pub(super) fn too_much(limits: &Limits, out: &Path) -> io::Result<Option<String>> {
    let (mut bytes, mut files) = (0u64, 0u64);
    let mut folders = vec![out.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            // Gone since it was seen.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            files += 1;
            match entry.metadata() {
                Ok(m) if m.is_dir() => folders.push(entry.path()),
                Ok(m) => bytes = bytes.saturating_add(m.len()),
                Err(_) => {}
            }
            let (most_mb, most_files) = (limits.output_mb, limits.output_files);
            if bytes > most_mb << 20 || files > most_files {
                let most = format!("more than {most_mb} MB or {most_files} files");
                return Ok(Some(format!("it wrote {most}")));
            }
        }
    }
    Ok(None)
}

pub(super) fn crashed(message: &str) -> WorkerError {
    Refusal::new(Reason::WorkerCrashed, message).into()
}
