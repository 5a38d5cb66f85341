//! The pool of decoding processes.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fairframe_schemas::{Reason, source::MediaLimits};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Semaphore,
    time::timeout,
};

use super::{
    Facts, MediaFailure,
    worker::{Answer, Job, MAX_LINE},
};

/// How a worker is started.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

impl WorkerCommand {
    /// This very binary, as `worker`.
    pub fn this_binary() -> std::io::Result<WorkerCommand> {
        Ok(WorkerCommand {
            program: std::env::current_exe()?,
            arguments: vec!["worker".to_owned()],
        })
    }
}

/// Files a worker describes before it is replaced: bounds what leaks in decoders may add up to.
const JOBS_A_WORKER: u32 = 2_000;

/// Describes media files in worker processes, `parallel` at a time.
///
/// A worker that dies, answers nonsense or runs over its limits is killed and
/// replaced. A crash of a worker that had served before is tried again in a
/// fresh one, so that what a file leads to does not depend on the files before it.
#[derive(Debug)]
pub struct Describer {
    limits: MediaLimits,
    command: WorkerCommand,
    /// Longest wait for one answer: four times the CPU time allowed, and 10 s,
    /// as other work may hold the processors.
    wall_clock: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

#[derive(Debug)]
struct Worker {
    // Killed when dropped.
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    served: u32,
}

/// What went wrong with a worker, rather than with a file.
enum Lost {
    Start(std::io::Error),
    Died,
    Hung,
}

impl Describer {
    pub fn new(limits: &MediaLimits, worker: WorkerCommand, parallel: usize) -> Describer {
        Describer {
            limits: limits.clone(),
            command: worker,
            wall_clock: Duration::from_secs(limits.cpu_s * 4 + 10),
            permits: Semaphore::new(parallel.max(1)),
            idle: Mutex::default(),
        }
    }

    /// Another longest wait for one answer.
    pub fn with_wall_clock(mut self, wall_clock: Duration) -> Describer {
        self.wall_clock = wall_clock;
        self
    }

    /// Describes one file; with `thumbnail`, writes a JPEG there whose longer
    /// side is that of the limits (smaller pictures keep their size).
    pub async fn describe(
        &self,
        path: &Path,
        thumbnail: Option<&Path>,
    ) -> Result<Facts, MediaFailure> {
        let absolute = |path: &Path| {
            let path = std::path::absolute(path).ok()?;
            path.to_str().is_some().then_some(path)
        };
        let (Some(file), Some(thumbnail)) = (
            absolute(path),
            thumbnail.map_or(Some(None), |t| absolute(t).map(Some)),
        ) else {
            let message = format!("path `{}` is not valid Unicode", path.display());
            return Err(MediaFailure::new(Reason::FileRefused, message));
        };
        let job = Job {
            path: file,
            thumbnail,
            limits: self.limits.clone(),
        };
        let mut line = serde_json::to_vec(&job).map_err(|e| {
            MediaFailure::new(Reason::FileRefused, format!("`{}`: {e}", path.display()))
        })?;
        line.push(b'\n');

        // Never closed, so it always gives a permit.
        let _permit = self.permits.acquire().await.ok();
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let reused = idle.is_some();
        let mut result = self.serve(idle, &line).await;
        if reused && matches!(result, Err(Lost::Died)) {
            result = self.serve(None, &line).await;
        }
        let crashed = |message: String| MediaFailure::new(Reason::WorkerCrashed, message);
        result.unwrap_or_else(|lost| {
            Err(crashed(match lost {
                Lost::Start(e) => format!(
                    "the decoder `{}` cannot be started: {e}",
                    self.command.program.display()
                ),
                Lost::Died => "the decoder died or ran over its limits".to_owned(),
                Lost::Hung => format!("the decoder gave no answer in {:?}", self.wall_clock),
            }))
        })
    }

    /// Lets the idle workers end and waits for them: their time then counts as ours.
    pub async fn finish(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for Worker {
            mut child, input, ..
        } in idle
        {
            drop(input);
            let _ = timeout(Duration::from_secs(5), child.wait()).await;
        }
    }

    /// One job by one worker, which goes back among the idle ones if it did well.
    async fn serve(&self, worker: Option<Worker>, line: &[u8]) -> Result<Answer, Lost> {
        let mut worker = match worker {
            Some(worker) => worker,
            None => self.start().map_err(Lost::Start)?,
        };
        let answer = timeout(self.wall_clock, worker.ask(line))
            .await
            .map_err(|_| Lost::Hung)?
            .ok_or(Lost::Died)?;
        if worker.served < JOBS_A_WORKER {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(worker);
        }
        Ok(answer)
    }

    fn start(&self) -> std::io::Result<Worker> {
        let mut child = Command::new(&self.command.program)
            .args(&self.command.arguments)
            // Nothing of our environment is a decoder's business.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let gone = || std::io::Error::other("its pipes are missing");
        Ok(Worker {
            input: child.stdin.take().ok_or_else(gone)?,
            output: BufReader::new(child.stdout.take().ok_or_else(gone)?),
            child,
            served: 0,
        })
    }
}

impl Worker {
    /// Sends a job and reads its answer; none when the worker died or answered nonsense.
    async fn ask(&mut self, line: &[u8]) -> Option<Answer> {
        self.served += 1;
        self.input.write_all(line).await.ok()?;
        self.input.flush().await.ok()?;
        let mut answer = Vec::new();
        (&mut self.output)
            .take(MAX_LINE)
            .read_until(b'\n', &mut answer)
            .await
            .ok()?;
        serde_json::from_slice(&answer).ok()
    }
}
