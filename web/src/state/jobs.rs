//! Jobs: asked for by people, done one after the other by the server's runner.
//!
//! A job is in the database before anything is done, so a server that is killed goes on
//! with it when it starts again. What a job does (an ingest) can itself be repeated: it
//! goes on where it stopped.

use fairframe_schemas::{Name, Timestamp};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{Db, Result, StateError, Write, audit::Act, text, time};

/// Times a job is begun: one that takes the server down each time is set aside.
pub const MAX_STARTS: i64 = 5;

/// Most bytes of messages kept of a job: the newest.
pub const MAX_MESSAGES: usize = 16_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lists the sources anew.
    Ingest,
    /// Tries again what failed.
    Retry,
    /// Releases what is there with what was decided.
    Release,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Ingest, Kind::Retry, Kind::Release];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Ingest => "ingest",
            Kind::Retry => "retry",
            Kind::Release => "release",
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Kind::Ingest => "Ingest",
            Kind::Retry => "Retry of failures",
            Kind::Release => "Release",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl State {
    const ALL: [State; 5] = [
        State::Queued,
        State::Running,
        State::Done,
        State::Failed,
        State::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }

    pub fn is_over(self) -> bool {
        !matches!(self, State::Queued | State::Running)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub seq: i64,
    pub kind: Kind,
    pub dataset: Name,
    pub proposal: Option<i64>,
    pub state: State,
    /// Somebody asked for its end.
    pub cancel: bool,
    pub asked_by: String,
    pub asked_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub stage: String,
    pub done: i64,
    pub total: Option<i64>,
    pub messages: String,
    pub outcome: String,
}

/// Why a job is not taken.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("A job of this dataset is under way already; wait for it, or cancel it.")]
    Another,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for JobError {
    fn from(error: sqlx::Error) -> Self {
        JobError::State(error.into())
    }
}

/// Asks for a job. Gives its number.
pub async fn ask(
    write: &mut Write,
    kind: Kind,
    dataset: &Name,
    actor: &str,
    proposal: Option<i64>,
) -> Result<i64, JobError> {
    let active: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM job WHERE dataset = ? AND state IN ('queued', 'running')",
    )
    .bind(dataset.as_str())
    .fetch_one(write.sql())
    .await?;
    if active > 0 {
        return Err(JobError::Another);
    }
    let subject = format!("{} of {dataset}", kind.as_str());
    let act = Act {
        actor,
        act: "ask",
        subject: &subject,
        details: json!({ "proposal": proposal }),
        why: "",
    };
    let seq = write.tell(act).await?;
    let at = text(write.now);
    sqlx::query(
        "INSERT INTO job (seq, kind, dataset, proposal, state, asked_by, asked_at)
         VALUES (?, ?, ?, ?, 'queued', ?, ?)",
    )
    .bind(seq)
    .bind(kind.as_str())
    .bind(dataset.as_str())
    .bind(proposal)
    .bind(actor)
    .bind(at)
    .execute(write.sql())
    .await?;
    Ok(seq)
}

/// Asks for the end of a job that is not over. True if it was not.
pub async fn cancel(write: &mut Write, job: &Job, actor: &str) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE job SET cancel = 1 WHERE seq = ? AND state IN ('queued', 'running') AND cancel = 0",
    )
    .bind(job.seq)
    .execute(write.sql())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let subject = format!("{} of {}", job.kind.as_str(), job.dataset);
    let act = Act {
        actor,
        act: "cancel",
        subject: &subject,
        details: json!({ "job": job.seq }),
        why: "",
    };
    write.tell(act).await?;
    Ok(true)
}

/// What a server that starts does first: jobs it was killed in are begun again, but not
/// for ever.
pub async fn recover(write: &mut Write) -> Result<()> {
    let now = text(write.now);
    sqlx::query(
        "UPDATE job SET state = 'failed', ended_at = ?,
         outcome = 'the server ended while it ran, again and again; look into its log'
         WHERE state = 'running' AND starts >= ?",
    )
    .bind(now)
    .bind(MAX_STARTS)
    .execute(write.sql())
    .await?;
    sqlx::query("UPDATE job SET state = 'queued' WHERE state = 'running'")
        .execute(write.sql())
        .await?;
    Ok(())
}

/// Takes the oldest job that waits.
pub async fn take(db: &Db) -> Result<Option<Job>> {
    let mut write = db.write().await?;
    let next: Option<i64> =
        sqlx::query_scalar("SELECT seq FROM job WHERE state = 'queued' ORDER BY seq LIMIT 1")
            .fetch_optional(write.sql())
            .await?;
    let Some(seq) = next else {
        return Ok(None);
    };
    let now = text(write.now);
    sqlx::query(
        "UPDATE job SET state = 'running', starts = starts + 1, started_at = ? WHERE seq = ?",
    )
    .bind(now)
    .bind(seq)
    .execute(write.sql())
    .await?;
    write.commit().await?;
    find(db, seq).await
}

/// Where a running job is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    pub stage: String,
    pub done: i64,
    pub total: Option<i64>,
    pub messages: String,
}

/// Notes where a job is; says whether somebody asked for its end.
pub async fn note(db: &Db, seq: i64, progress: &Progress) -> Result<bool> {
    let mut write = db.write().await?;
    sqlx::query("UPDATE job SET stage = ?, done = ?, total = ?, messages = ? WHERE seq = ?")
        .bind(&progress.stage)
        .bind(progress.done)
        .bind(progress.total)
        .bind(&progress.messages)
        .bind(seq)
        .execute(write.sql())
        .await?;
    let cancel: bool = sqlx::query_scalar("SELECT cancel FROM job WHERE seq = ?")
        .bind(seq)
        .fetch_one(write.sql())
        .await?;
    write.commit().await?;
    Ok(cancel)
}

/// A job is over.
pub async fn end(write: &mut Write, job: &Job, state: State, outcome: &str) -> Result<()> {
    let now = text(write.now);
    sqlx::query("UPDATE job SET state = ?, ended_at = ?, outcome = ? WHERE seq = ?")
        .bind(state.as_str())
        .bind(now)
        .bind(outcome)
        .bind(job.seq)
        .execute(write.sql())
        .await?;
    let subject = format!("{} of {}", job.kind.as_str(), job.dataset);
    let act = Act {
        actor: "server",
        act: state.as_str(),
        subject: &subject,
        details: json!({ "job": job.seq, "outcome": outcome }),
        why: "",
    };
    write.tell(act).await?;
    Ok(())
}

const COLUMNS: &str = "SELECT seq, kind, dataset, proposal, state, cancel, asked_by, asked_at,
    started_at, ended_at, stage, done, total, messages, outcome FROM job";

pub async fn find(db: &Db, seq: i64) -> Result<Option<Job>> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE seq = ?"));
    let row = sqlx::query(sql).bind(seq).fetch_optional(db.read()).await?;
    row.as_ref().map(job).transpose()
}

/// The newest jobs.
pub async fn newest(db: &Db, limit: u32) -> Result<Vec<Job>> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY seq DESC LIMIT ?"));
    let rows = sqlx::query(sql).bind(limit).fetch_all(db.read()).await?;
    rows.iter().map(job).collect()
}

fn job(row: &SqliteRow) -> Result<Job> {
    let stored = StateError::stored;
    let (kind, dataset, state): (&str, &str, &str) = (row.get(1), row.get(2), row.get(4));
    let at = |i| row.get::<Option<String>, _>(i).map(time).transpose();
    Ok(Job {
        seq: row.get(0),
        kind: Kind::ALL
            .into_iter()
            .find(|k| k.as_str() == kind)
            .ok_or_else(|| stored("the kind of job", kind))?,
        dataset: Name::new(dataset).map_err(|_| stored("the dataset", dataset))?,
        proposal: row.get(3),
        state: State::ALL
            .into_iter()
            .find(|s| s.as_str() == state)
            .ok_or_else(|| stored("the state", state))?,
        cancel: row.get(5),
        asked_by: row.get(6),
        asked_at: time(row.get(7))?,
        started_at: at(8)?,
        ended_at: at(9)?,
        stage: row.get(10),
        done: row.get(11),
        total: row.get(12),
        messages: row.get(13),
        outcome: row.get(14),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Fixture, *};

    #[tokio::test]
    async fn a_job_the_server_dies_in_is_begun_again_but_not_for_ever() {
        let f = Fixture::new().await;
        let name = Name::new("photos").unwrap();
        let mut write = f.db.write().await.unwrap();
        let seq = ask(&mut write, Kind::Ingest, &name, "mira", None)
            .await
            .unwrap();
        assert!(matches!(
            ask(&mut write, Kind::Retry, &name, "mira", None).await,
            Err(JobError::Another)
        ));
        write.commit().await.unwrap();
        for _ in 0..MAX_STARTS {
            assert_eq!(take(&f.db).await.unwrap().unwrap().seq, seq);
            assert!(take(&f.db).await.unwrap().is_none());
            let mut write = f.db.write().await.unwrap();
            recover(&mut write).await.unwrap();
            write.commit().await.unwrap();
        }
        assert!(take(&f.db).await.unwrap().is_none());
        let job = find(&f.db, seq).await.unwrap().unwrap();
        assert_eq!(job.state, State::Failed);
        assert!(job.outcome.contains("again and again"));
    }

    #[tokio::test]
    async fn a_cancelled_job_is_told_so_once() {
        let f = Fixture::new().await;
        let name = Name::new("photos").unwrap();
        let mut write = f.db.write().await.unwrap();
        ask(&mut write, Kind::Ingest, &name, "mira", None)
            .await
            .unwrap();
        write.commit().await.unwrap();
        let job = take(&f.db).await.unwrap().unwrap();
        let progress = Progress {
            stage: "fetching".to_owned(),
            done: 3,
            total: Some(10),
            messages: "hello".to_owned(),
        };
        assert!(!note(&f.db, job.seq, &progress).await.unwrap());
        let mut write = f.db.write().await.unwrap();
        assert!(cancel(&mut write, &job, "noor").await.unwrap());
        assert!(!cancel(&mut write, &job, "noor").await.unwrap());
        write.commit().await.unwrap();
        assert!(note(&f.db, job.seq, &progress).await.unwrap());
        let mut write = f.db.write().await.unwrap();
        end(&mut write, &job, State::Cancelled, "").await.unwrap();
        write.commit().await.unwrap();
        let job = &newest(&f.db, 5).await.unwrap()[0];
        assert_eq!(
            (job.state, job.done, job.total),
            (State::Cancelled, 3, Some(10))
        );
    }
}
