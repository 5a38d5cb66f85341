//! The pool of decoding processes.

use std::{
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
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
    DescribeError, Facts, MediaFailure, WorkerCommand,
    program::{DESCRIBE, NOT_OURS, OTHER_VERSION},
    worker::{Answer, Job, MAX_LINE, NO_LIMITS},
};

/// Files a worker describes before it is replaced: bounds what leaks in decoders may add up to.
const JOBS_A_WORKER: u32 = 2_000;

/// Describes media files in worker processes, `parallel` at a time.
///
/// A worker that dies, answers nonsense or runs over its limits is killed and
/// replaced. A crash of a worker that had served before is tried again in a
/// fresh one, so that what a file leads to does not depend on the files before it.
/// Sources of one run have limits of their own and share the pool ([`Describer::within`]).
#[derive(Debug)]
pub struct Describer {
    limits: MediaLimits,
    /// Longest wait for one answer: four times the CPU time allowed, and 10 s,
    /// as other work may hold the processors.
    wall_clock: Duration,
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    command: WorkerCommand,
    parallel: usize,
    permits: Semaphore,
    /// Each with the limits it has worked within: one that was let use more
    /// memory may hold on to it, and would fail within less.
    idle: Mutex<Vec<(MediaLimits, Worker)>>,
}

impl Pool {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(MediaLimits, Worker)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    NoLimits,
    OtherVersion,
    Died,
    Hung,
}

impl Describer {
    pub fn new(limits: &MediaLimits, worker: WorkerCommand, parallel: usize) -> Describer {
        let parallel = parallel.max(1);
        let pool = Pool {
            command: worker,
            parallel,
            permits: Semaphore::new(parallel),
            idle: Mutex::default(),
        };
        Describer::over(limits, Arc::new(pool))
    }

    /// Other limits, by the workers of the same pool.
    pub fn within(&self, limits: &MediaLimits) -> Describer {
        Describer::over(limits, self.pool.clone())
    }

    fn over(limits: &MediaLimits, pool: Arc<Pool>) -> Describer {
        Describer {
            limits: limits.clone(),
            wall_clock: Duration::from_secs(limits.cpu_s * 4 + 10),
            pool,
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
    ) -> Result<Facts, DescribeError> {
        let absolute = |path: &Path| {
            let path = std::path::absolute(path).ok()?;
            path.to_str().is_some().then_some(path)
        };
        let (Some(file), Some(thumbnail)) = (
            absolute(path),
            thumbnail.map_or(Some(None), |t| absolute(t).map(Some)),
        ) else {
            return Err(DescribeError::Machine {
                path: path.to_owned(),
                problem: "the path is not valid Unicode; choose another data folder".to_owned(),
            });
        };
        let job = Job {
            path: file,
            thumbnail,
            limits: self.limits.clone(),
        };
        let mut line =
            serde_json::to_vec(&job).map_err(|e| DescribeError::machine(path, &e.into()))?;
        line.push(b'\n');

        // Never closed, so it always gives a permit.
        let _permit = self.pool.permits.acquire().await.ok();
        let idle = {
            let mut idle = self.pool.idle();
            let alike = idle.iter().rposition(|(limits, _)| *limits == self.limits);
            alike.map(|at| idle.remove(at).1)
        };
        let reused = idle.is_some();
        let mut result = self.serve(idle, &line).await;
        if reused && matches!(result, Err(Lost::Died)) {
            result = self.serve(None, &line).await;
        }
        let ours = |problem: String| {
            Err(DescribeError::Machine {
                path: self.pool.command.program.clone(),
                problem,
            })
        };
        let crashed =
            |message: String| Err(MediaFailure::new(Reason::WorkerCrashed, message).into());
        result.unwrap_or_else(|lost| match lost {
            Lost::Start(e) => ours(format!("the decoder cannot be started: {e}")),
            Lost::NoLimits => ours(
                "the decoder cannot limit itself; see that `/proc` is mounted and `ulimit` allows it"
                    .to_owned(),
            ),
            Lost::OtherVersion => ours(NOT_OURS.to_owned()),
            Lost::Died => crashed("the decoder died or ran over its limits".to_owned()),
            Lost::Hung => crashed(format!("the decoder gave no answer in {:?}", self.wall_clock)),
        })
    }

    /// Lets the idle workers end and waits for them: their time then counts as ours.
    pub async fn finish(&self) {
        let idle = std::mem::take(&mut *self.pool.idle());
        for (_, worker) in idle {
            let Worker {
                mut child, input, ..
            } = worker;
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
            .map_err(|_| Lost::Hung)?;
        let Some(answer) = answer else {
            let end = timeout(Duration::from_millis(100), worker.child.wait()).await;
            let code = end.ok().and_then(Result::ok).and_then(|s| s.code());
            let ended_with = |known: u8| code == Some(known.into());
            return Err(if ended_with(NO_LIMITS) {
                Lost::NoLimits
            } else if ended_with(OTHER_VERSION) {
                Lost::OtherVersion
            } else {
                Lost::Died
            });
        };
        if worker.served < JOBS_A_WORKER {
            let mut idle = self.pool.idle();
            // No more processes than may work at a time: the longest idle one goes.
            if idle.len() == self.pool.parallel {
                idle.remove(0);
            }
            idle.push((self.limits.clone(), worker));
        }
        Ok(answer)
    }

    fn start(&self) -> std::io::Result<Worker> {
        let mut child = Command::new(&self.pool.command.program)
            .args(&self.pool.command.arguments)
            .arg(DESCRIBE)
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
