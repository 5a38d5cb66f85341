//! A worker: takes tasks from the queue and does them, one at a time, in a process of its own.
//!
//! Submissions are read by a [`Judge`], in a process of its own that can do little else. A task that
//! takes longer than it may ends the worker and what it started, which costs that task a try and
//! nothing else: the server starts another worker.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fairframe_competitions::{
    board::{self, Side},
    groups,
    items::{ItemScores, ItemsError},
    ladder,
    score::{self, Outcome, ScoreOptions, Scored},
    vault::{Vault, VaultError, groups_of},
};
use fairframe_schemas::{Layout, Name};

use super::{Competitions, vault};
use crate::{
    error::AppError,
    state::{
        Db, StateError,
        competitions::{
            self as state,
            queue::{self, Kind, LEASE, Task},
            scores::{self, Before, Score},
            submissions::{self, Submission},
            truths,
        },
    },
};

/// Characters kept of why a task was not done.
const MAX_PROBLEM: usize = 1_000;

/// How often a worker looks for tasks when it found none.
const LOOKED_EVERY: Duration = Duration::from_millis(100);

/// Who reads a submission, which is hostile until it was.
pub trait Judge: Send + Sync {
    /// As [`score::score`]; what a score leaves as files ([`score::Scored::keep`]) is kept in `out`.
    ///
    /// # Errors
    /// [`JudgeError`], none of which is the team's fault for sure.
    fn score(&self, options: &ScoreOptions<'_>, out: &Path) -> Result<Outcome, JudgeError>;

    /// As [`score::report`].
    ///
    /// # Errors
    /// As [`Judge::score`].
    fn report(&self, options: &ScoreOptions<'_>, out: &Path) -> Result<(), JudgeError>;
}

/// Why a submission was not judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    #[error("{0}")]
    Score(#[from] score::ScoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The process it was read in ended badly, or says so.
    #[error("{0}")]
    Process(String),
    /// No process could be started: whatever submission came would have met it.
    #[error("{0}")]
    Machine(String),
}

/// Reads submissions in this very process: what the process that is started for it does, too.
#[derive(Debug, Clone, Copy)]
pub struct InProcess;

impl Judge for InProcess {
    fn score(&self, options: &ScoreOptions<'_>, out: &Path) -> Result<Outcome, JudgeError> {
        let outcome = score::score(options)?;
        if let Outcome::Scored(scored) = &outcome {
            scored.keep(out)?;
        }
        Ok(outcome)
    }

    fn report(&self, options: &ScoreOptions<'_>, out: &Path) -> Result<(), JudgeError> {
        Ok(score::report(options, out)?)
    }
}

/// A worker of the queue.
pub struct Worker {
    pub db: Db,
    pub layout: Arc<Layout>,
    /// Nobody else's.
    pub name: String,
    /// Reads submissions.
    pub judge: Arc<dyn Judge>,
    /// Ends the process: what is under way cannot be ended otherwise.
    pub exit: fn() -> !,
}

/// Why a task could not be done, by no fault of a submission.
#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{0}")]
    Definition(AppError),
    #[error("{0}")]
    Judge(#[from] JudgeError),
    #[error("{0}")]
    Board(#[from] board::BoardError),
    #[error(transparent)]
    Items(#[from] ItemsError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("what is kept cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("what it is about is not there any more")]
    Gone,
    #[error("the work panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

/// What is known of a task before it is begun.
struct Job {
    task: Task,
    competition: Arc<fairframe_competitions::definition::Competition>,
    vault: Vault,
    /// The prepared truth's folder.
    truth: PathBuf,
}

impl Worker {
    /// Does tasks until the process ends.
    pub async fn run(&self) {
        let definitions = Competitions::default();
        loop {
            match queue::take(&self.db, &self.name).await {
                Ok(Some(task)) => self.one(&definitions, task).await,
                Ok(None) => tokio::time::sleep(LOOKED_EVERY).await,
                Err(error) => {
                    tracing::error!(%error, "the queue could not be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Does tasks until none is left.
    pub async fn run_dry(&self) -> Result<usize, StateError> {
        let definitions = Competitions::default();
        let mut done = 0;
        while let Some(task) = queue::take(&self.db, &self.name).await? {
            self.one(&definitions, task).await;
            done += 1;
        }
        Ok(done)
    }

    async fn one(&self, definitions: &Competitions, task: Task) {
        if let Err(error) = self.work(definitions, &task).await {
            tracing::warn!(task = task.id, %error, "a task of the queue was not done");
            let problem: String = error.to_string().chars().take(MAX_PROBLEM).collect();
            let noted = match error {
                WorkError::Judge(JudgeError::Machine(_)) => {
                    queue::put_back(&self.db, &task, &problem).await
                }
                _ => queue::failed(&self.db, &task, &problem).await,
            };
            if let Err(error) = noted {
                tracing::error!(task = task.id, %error, "that could not be noted");
            }
        }
    }

    async fn work(&self, definitions: &Competitions, task: &Task) -> Result<(), WorkError> {
        let row = state::find(&self.db, &task.competition).await?;
        let row = row.ok_or(WorkError::Gone)?;
        let definition = definitions.definition(&self.layout, &row);
        let vault = vault(&self.layout, &task.competition);
        let truths = truths::list(&self.db, &task.competition, &task.stage).await?;
        let own = truths.iter().find(|t| t.version == task.truth);
        let own = own.ok_or(WorkError::Gone)?;
        let job = Job {
            task: task.clone(),
            competition: definition.map_err(WorkError::Definition)?,
            truth: vault.truth(&task.stage, &own.digest),
            vault,
        };
        match task.kind {
            Kind::Score => self.score(job).await,
            Kind::Report => self.report(job).await,
            Kind::Board => self.board(job).await,
        }
    }

    /// Runs work of its own thread within the limits of the competition, the lease renewed.
    async fn within<T: Send + 'static>(
        &self,
        job: &Job,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        let limits = &job.competition.toml.limits;
        let most = Duration::from_secs(u64::from(limits.score_seconds));
        let mut running = tokio::task::spawn_blocking(work);
        let deadline = tokio::time::sleep(most);
        tokio::pin!(deadline);
        let mut beat = tokio::time::interval(LEASE / 4);
        beat.tick().await;
        loop {
            tokio::select! {
                done = &mut running => return Ok(done?),
                () = &mut deadline => {
                    self.too_long(job, most).await;
                    (self.exit)();
                }
                _ = beat.tick() => {
                    match queue::renew(&self.db, &job.task).await {
                        Ok(true) => {}
                        // Cancelled, or given to another: nobody wants it from here.
                        Ok(false) => (self.exit)(),
                        // The lease is four beats long.
                        Err(error) => tracing::warn!(%error, "a lease was not renewed"),
                    }
                }
            }
        }
    }

    async fn too_long(&self, job: &Job, most: Duration) {
        let problem = format!("it takes longer than {} seconds", most.as_secs());
        let note = async {
            let mut write = self.db.write().await?;
            if job.task.kind == Kind::Score
                && queue::finish(&mut write, &job.task, &problem).await?
                && let Some(seq) = job.task.submission
            {
                if queue::decides(&mut write, &job.task).await? {
                    submissions::not_scored(&mut write, seq, &problem).await?;
                }
                write.commit().await?;
            }
            Ok::<(), StateError>(())
        };
        if let Err(error) = note.await {
            tracing::error!(task = job.task.id, %error, "a task that takes too long could not be ended");
        }
    }

    async fn submission(&self, job: &Job) -> Result<Submission, WorkError> {
        let seq = job.task.submission.ok_or(WorkError::Gone)?;
        let found = submissions::find(&self.db, seq).await?;
        found.ok_or(WorkError::Gone)
    }

    /// Has a submission read, with a folder for what is found: gives that, and the folder.
    async fn judged<T: Send + 'static>(
        &self,
        job: &Job,
        submission: &Submission,
        judging: impl FnOnce(&dyn Judge, &ScoreOptions<'_>, &Path) -> Result<T, JudgeError>
        + Send
        + 'static,
    ) -> Result<(T, PathBuf), WorkError> {
        let file = job.vault.submission(&submission.sha256);
        let (competition, truth) = (job.competition.clone(), job.truth.clone());
        let (stage, judge) = (job.task.stage.clone(), self.judge.clone());
        let made = job.vault.fresh()?;
        let out = made.clone();
        let found = self.within(job, move || {
            let options = ScoreOptions {
                competition: &competition,
                stage: &stage,
                truth: &truth,
                submission: &file,
            };
            judging(judge.as_ref(), &options, &out)
        });
        match found.await? {
            Ok(found) => Ok((found, made)),
            Err(error) => {
                job.vault.discard(&made);
                Err(error.into())
            }
        }
    }

    async fn score(&self, job: Job) -> Result<(), WorkError> {
        let submission = self.submission(&job).await?;
        let judging =
            |judge: &dyn Judge, options: &ScoreOptions<'_>, out: &Path| judge.score(options, out);
        let (outcome, made) = self.judged(&job, &submission, judging).await?;
        let scored = match outcome {
            Outcome::Scored(scored) => scored,
            Outcome::Invalid(defects) => {
                job.vault.discard(&made);
                let defects = serde_json::to_string(&defects)?;
                let counts = job.competition.toml.limits.count_invalid && submission.team.is_some();
                let mut write = self.db.write().await?;
                if queue::finish(&mut write, &job.task, "").await? {
                    if queue::decides(&mut write, &job.task).await? {
                        let seq = submission.seq;
                        submissions::refused(&mut write, seq, &defects, counts).await?;
                    }
                    write.commit().await?;
                }
                return Ok(());
            }
        };
        // What is kept beside the scores is on the disk before the database names them.
        let results = job.vault.results(submission.seq, job.task.truth);
        job.vault.keep_scores(&made, &results)?;
        let public = self.shown(&job, &submission, &scored).await?;
        let private = Score {
            side: Side::Private,
            value: scored.private.value,
            shown: None,
            best: None,
            columns: serde_json::to_string(&scored.private.columns)?,
        };
        let mut write = self.db.write().await?;
        if scores::write(&mut write, &job.task, &[public, private]).await? {
            write.commit().await?;
        }
        Ok(())
    }

    /// The public score, with what the board shows of it.
    async fn shown(
        &self,
        job: &Job,
        submission: &Submission,
        scored: &Scored,
    ) -> Result<Score, WorkError> {
        let results = |seq: i64| job.vault.results(seq, job.task.truth);
        let (form, higher) = (
            job.competition.toml.board.ladder,
            job.competition.higher_is_better,
        );
        let before = scores::before(&self.db, &job.task, higher).await?;
        let public = &scored.public;
        let climbs = match (public.value, before) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(value), Some(Before { shown, best })) => {
                let items = |seq| ItemScores::read(&ladder::public_items(&results(seq)));
                let own = ladder::public_items(&results(submission.seq));
                let own = own.exists().then(|| items(submission.seq)).transpose()?;
                ladder::better(form, higher, shown, value, own.as_ref(), || items(best))?
            }
        };
        let value = public.value.filter(|_| climbs);
        // Not of `items`, which are blocks of items where the metric is no mean of them.
        let n = Some(public.n);
        Ok(Score {
            side: Side::Public,
            value: public.value,
            shown: match value {
                Some(value) => Some(ladder::rounded(form, value, n)),
                None => before.map(|b| b.shown),
            },
            best: match climbs {
                true => Some(submission.seq),
                false => before.map(|b| b.best),
            },
            columns: serde_json::to_string(&public.columns)?,
        })
    }

    async fn report(&self, job: Job) -> Result<(), WorkError> {
        let submission = self.submission(&job).await?;
        let judging =
            |judge: &dyn Judge, options: &ScoreOptions<'_>, out: &Path| judge.report(options, out);
        let ((), made) = self.judged(&job, &submission, judging).await?;
        let results = job.vault.results(submission.seq, job.task.truth);
        job.vault.keep_results(&made, &results.join("report"))?;
        let mut write = self.db.write().await?;
        if queue::finish(&mut write, &job.task, "").await? {
            write.commit().await?;
        }
        Ok(())
    }

    async fn board(&self, job: Job) -> Result<(), WorkError> {
        let (competition, stage): (&Name, &Name) = (&job.task.competition, &job.task.stage);
        let truth = job.task.truth;
        let entries = scores::all(&self.db, competition, stage, truth).await?;
        let now = self.db.now();
        let (definition, vault) = (job.competition.clone(), job.vault.clone());
        let its = stage.clone();
        let made = self
            .within(&job, move || {
                let items = |seq: i64| vault.results(seq, truth);
                let board = board::make(&definition, &its, truth, now, &entries, &items)?;
                let scores = |seq: i64| groups::read(&groups_of(&items(seq)));
                let rows = board.rows(Side::Private);
                let spread = groups::spread(rows, board.higher_is_better, scores)?;
                Ok::<_, WorkError>((serde_json::to_vec(&board)?, serde_json::to_vec(&spread)?))
            })
            .await??;
        let (board, spread) = made;
        job.vault.keep_board(stage, truth, &board, &spread)?;
        let mut write = self.db.write().await?;
        if queue::finish(&mut write, &job.task, "").await? {
            write.commit().await?;
        }
        Ok(())
    }
}
