//! The runner: one job after the other, each a child process of the same binary.
//!
//! A child that dies (of a hostile file, for want of memory) takes no server with it, and
//! is ended by a signal: it can be killed at any moment and goes on the next time.

use std::{
    fs,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use fairframe_ingest::decided;
use fairframe_schemas::{DatasetVersion, Layout, Name, SourceToml};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    contribute,
    state::{
        Db, StateError,
        jobs::{self, Job, Kind, MAX_MESSAGES, Progress, State},
        proposals,
    },
};

/// How often a running job's row is brought up to date.
const NOTED_EVERY: Duration = Duration::from_millis(500);

/// How often the runner looks for jobs that nobody woke it for.
const LOOKED_EVERY: Duration = Duration::from_secs(5);

/// Longest line read of a child, and most bytes of its answer.
const MAX_LINE: u64 = 64 << 10;
const MAX_ANSWER: u64 = 16 << 20;

/// A line that a child writes to stderr with `--progress-lines`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    Stage {
        name: String,
        done: u64,
        total: Option<u64>,
    },
    Message {
        text: String,
    },
}

/// A dataset's declared sources.
#[derive(Debug, Clone)]
pub struct Declared {
    pub dataset: Name,
    /// Each a `source.toml`, sorted.
    pub files: Vec<PathBuf>,
}

/// What jobs are done with.
#[derive(Debug, Clone, Default)]
pub struct Workshop {
    /// The binary to start; none: no jobs here.
    pub program: Option<PathBuf>,
    /// A folder of folders with a `source.toml` each.
    pub sources: Option<PathBuf>,
}

impl Workshop {
    /// The declared sources, sorted by file. One that cannot be read is left out and named in
    /// the log.
    pub fn sources(&self) -> Vec<(PathBuf, SourceToml)> {
        let Some(Ok(folders)) = self.sources.as_ref().map(fs::read_dir) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = folders
            .flatten()
            .map(|entry| entry.path().join("source.toml"))
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        let read = |file: PathBuf| {
            let text = fs::read_to_string(&file).map_err(|e| e.to_string());
            match text.and_then(|t| SourceToml::parse(&t).map_err(|e| e.to_string())) {
                Ok(toml) => Some((file, toml)),
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "a source is passed over");
                    None
                }
            }
        };
        files.into_iter().filter_map(read).collect()
    }

    /// The datasets that can be ingested, by name; an actor corpus is made by a command of its
    /// own.
    pub fn declared(&self) -> Vec<Declared> {
        let mut found: Vec<Declared> = Vec::new();
        for (file, toml) in self.sources() {
            if toml.corpus.is_some() {
                continue;
            }
            match found.iter_mut().find(|d| d.dataset == toml.dataset) {
                Some(declared) => declared.files.push(file),
                None => found.push(Declared {
                    dataset: toml.dataset,
                    files: vec![file],
                }),
            }
        }
        found.sort_by(|a, b| a.dataset.cmp(&b.dataset));
        found
    }

    pub fn of(&self, dataset: &Name) -> Option<Declared> {
        self.declared().into_iter().find(|d| d.dataset == *dataset)
    }
}

/// What goes wrong with a job, as its page says it.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("no sources are declared for this dataset; start the server with `--sources`")]
    NoSources,
    #[error("the server was started without a way to run jobs")]
    NoProgram,
    #[error("hand over the decisions: {0}")]
    Decisions(std::io::Error),
    #[error(transparent)]
    Contributions(#[from] contribute::HandOverError),
    #[error("start the job: {0}")]
    Start(std::io::Error),
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    State(#[from] StateError),
}

/// Runs jobs until it is dropped.
pub struct Runner {
    pub db: Db,
    pub layout: Arc<Layout>,
    pub workshop: Workshop,
    pub wake: Arc<Notify>,
}

impl Runner {
    pub async fn run(self) {
        if let Err(error) = self.recover().await {
            tracing::error!(%error, "jobs that were under way could not be taken up");
        }
        loop {
            match jobs::take(&self.db).await {
                Ok(Some(job)) => {
                    if let Err(error) = self.one(&job).await {
                        tracing::error!(%error, job = job.seq, "a job's end could not be noted");
                        tokio::time::sleep(LOOKED_EVERY).await;
                    }
                }
                Ok(None) => {
                    let _ = tokio::time::timeout(LOOKED_EVERY, self.wake.notified()).await;
                }
                Err(error) => {
                    tracing::error!(%error, "jobs could not be looked for");
                    tokio::time::sleep(LOOKED_EVERY).await;
                }
            }
        }
    }

    async fn recover(&self) -> Result<(), StateError> {
        let mut write = self.db.write().await?;
        jobs::recover(&mut write).await?;
        write.commit().await
    }

    async fn one(&self, job: &Job) -> Result<(), StateError> {
        let result = self.work(job).await;
        let mut write = self.db.write().await?;
        match result {
            Ok(Some(version)) => {
                if let Some(proposal) = job.proposal {
                    proposals::released(&mut write, proposal, version).await?;
                }
                jobs::end(&mut write, job, State::Done, &version.to_string()).await?;
            }
            Ok(None) => jobs::end(&mut write, job, State::Cancelled, "").await?,
            Err(error) => jobs::end(&mut write, job, State::Failed, &error.to_string()).await?,
        }
        write.commit().await
    }

    /// Does a job; the version it led to, or none if it was cancelled.
    async fn work(&self, job: &Job) -> Result<Option<DatasetVersion>, RunError> {
        if job.cancel {
            return Ok(None);
        }
        let program = self.workshop.program.as_ref().ok_or(RunError::NoProgram)?;
        let declared = self.workshop.of(&job.dataset).ok_or(RunError::NoSources)?;
        if let Some(proposal) = job.proposal
            && let Some(proposal) = proposals::find(&self.db, proposal).await?
        {
            decided::write(&self.layout, &proposal.decided).map_err(RunError::Decisions)?;
        }
        for call in contribute::calls(&self.workshop) {
            if call.dataset == job.dataset {
                contribute::hand_over(&self.db, &call).await?;
            }
        }
        let mut command = Command::new(program);
        command
            .arg("--root")
            .arg(self.layout.root())
            .args([
                "--json",
                "--progress-lines",
                &std::process::id().to_string(),
            ])
            .arg("ingest")
            .args(&declared.files);
        match job.kind {
            Kind::Ingest => {}
            Kind::Retry => {
                command.arg("--retry-failures");
            }
            Kind::Release => {
                command.arg("--as-listed");
            }
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(RunError::Start)?;
        let (status, cancelled, answer, said) = self.follow(job, &mut child).await?;
        if cancelled {
            return Ok(None);
        }
        if !status.success() {
            let last = said.lines().last().unwrap_or_default();
            let how = if last.is_empty() {
                status.to_string()
            } else {
                last.to_owned()
            };
            return Err(RunError::Failed(how));
        }
        #[derive(Deserialize)]
        struct Answer {
            version: DatasetVersion,
        }
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|error| RunError::Failed(format!("its answer cannot be read: {error}")))?;
        Ok(Some(answer.version))
    }

    /// Reads what a child says until it ends, notes it, ends it when somebody asks for that.
    async fn follow(
        &self,
        job: &Job,
        child: &mut Child,
    ) -> Result<(ExitStatus, bool, Vec<u8>, String), RunError> {
        let answer = child.stdout.take().map(|out| tokio::spawn(all(out)));
        let mut lines = child.stderr.take().map(BufReader::new);
        let mut progress = Progress::default();
        let mut cancelled = false;
        let mut tick = interval(NOTED_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                line = next(&mut lines) => match line {
                    Some(line) => take_up(&mut progress, &line),
                    None => break,
                },
                _ = tick.tick() => {
                    if jobs::note(&self.db, job.seq, &progress).await? && !cancelled {
                        cancelled = true;
                        child.start_kill().map_err(RunError::Start)?;
                    }
                }
            }
        }
        let status = child.wait().await.map_err(RunError::Start)?;
        // A decoder that outlives its parent may hold the pipe for a moment.
        let until = Instant::now() + Duration::from_secs(10);
        let answer = match answer {
            Some(task) => tokio::time::timeout_at(until, task)
                .await
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default(),
            None => Vec::new(),
        };
        cancelled |= jobs::note(&self.db, job.seq, &progress).await? && !status.success();
        Ok((status, cancelled, answer, progress.messages))
    }
}

async fn all(out: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = out.take(MAX_ANSWER).read_to_end(&mut bytes).await;
    bytes
}

/// The next line, cut where it is too long; none at the end.
async fn next<R: AsyncRead + Unpin>(lines: &mut Option<BufReader<R>>) -> Option<String> {
    let mut line = Vec::new();
    let mut limited = lines.as_mut()?.take(MAX_LINE);
    match limited.read_until(b'\n', &mut line).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
    }
}

fn take_up(progress: &mut Progress, line: &str) {
    let text = match serde_json::from_str(line) {
        Ok(Line::Stage { name, done, total }) => {
            progress.stage = name;
            progress.done = i64::try_from(done).unwrap_or(i64::MAX);
            progress.total = total.and_then(|t| i64::try_from(t).ok());
            return;
        }
        Ok(Line::Message { text }) => text,
        // Its last words, where it fails.
        Err(_) => line.to_owned(),
    };
    progress.messages.push_str(&text);
    progress.messages.push('\n');
    let over = progress.messages.len().saturating_sub(MAX_MESSAGES);
    if over > 0 {
        // Whole lines go. A line's end is one byte, whatever characters stand around it.
        let rest = &progress.messages.as_bytes()[over..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let cut = end.map_or(progress.messages.len(), |at| over + at + 1);
        progress.messages.drain(..cut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_messages_are_kept_and_a_stage_is_noted() {
        let mut progress = Progress::default();
        for n in 0..2_000 {
            take_up(
                &mut progress,
                &format!("{{\"message\":{{\"text\":\"été {n} €\"}}}}"),
            );
        }
        assert!(progress.messages.len() <= MAX_MESSAGES);
        assert!(
            progress.messages.starts_with("été ") && progress.messages.ends_with("été 1999 €\n")
        );
        take_up(
            &mut progress,
            "{\"stage\":{\"name\":\"writing\",\"done\":3,\"total\":null}}",
        );
        assert_eq!(
            (progress.stage.as_str(), progress.done, progress.total),
            ("writing", 3, None)
        );
        take_up(&mut progress, "failed to ingest: no");
        assert!(progress.messages.ends_with("failed to ingest: no\n"));
    }
}
