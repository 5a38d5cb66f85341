//! The queue of scoring: who is next, who works on what, and what becomes of it.
//!
//! A task is leased to a worker, which renews the lease while it works. A lease that ran out
//! (the worker died, or hung) gives the task to another, [`MAX_ATTEMPTS`] times in all; then it is
//! set aside and shown. What a worker found is written by whoever holds the lease only, once, in one
//! transaction: nothing is scored twice and nothing stays under way for ever.
//!
//! Teams take turns, as start-time fair queueing has them (Goyal, Vin and Cheng 1996): a task's turn
//! is the one after its team's last, and not before the one under way. A team's submissions are
//! scored in the order they came, which the Ladder needs.

use std::time::Duration;

use fairframe_schemas::{Name, Timestamp};
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    super::{Db, Result, StateError, Write, text, time},
    named, truths,
};

mod undone;

use undone::give_up;
pub use undone::{died, failed, put_back, recover, retry};

/// Times a task is begun before it is set aside.
pub const MAX_ATTEMPTS: i64 = 3;

/// How long a worker has a task without renewing its lease.
pub const LEASE: Duration = Duration::from_secs(30);

/// A board is made before further submissions are scored once it was asked for that long ago.
const BOARD_WAITS: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Checks a submission and scores it.
    Score,
    /// Ranks all of a stage.
    Board,
    /// Writes a submission's report, with intervals.
    Report,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Score, Kind::Board, Kind::Report];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Score => "score",
            Kind::Board => "board",
            Kind::Report => "report",
        }
    }
}

/// What comes first: new submissions, boards, submissions by a corrected truth, reports.
const NEW: i64 = 0;
const BOARD: i64 = 1;
const AGAIN: i64 = 2;
const REPORT: i64 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Queued,
    Running,
    Done,
    /// Begun too often without an end.
    SetAside,
    Cancelled,
}

impl State {
    const ALL: [State; 5] = [
        State::Queued,
        State::Running,
        State::Done,
        State::SetAside,
        State::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Done => "done",
            State::SetAside => "set-aside",
            State::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub id: i64,
    pub kind: Kind,
    pub submission: Option<i64>,
    pub competition: Name,
    pub stage: Name,
    pub truth: i64,
    pub team: Option<i64>,
    pub state: State,
    /// Times it was begun.
    pub attempts: i64,
    pub worker: Option<String>,
    pub asked_at: Timestamp,
    pub began_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub problem: String,
}

/// What is asked for; `submission` is absent for a board.
struct Asked<'a> {
    kind: Kind,
    rank: i64,
    submission: Option<i64>,
    team: Option<i64>,
    competition: &'a Name,
    stage: &'a Name,
    truth: i64,
}

async fn ask(write: &mut Write, asked: Asked<'_>) -> Result<()> {
    let now = text(write.now);
    let present = present_turn(write, asked.rank).await?;
    let last: Option<i64> =
        sqlx::query_scalar("SELECT max(turn) FROM scoring WHERE team = ? AND rank = ?")
            .bind(asked.team)
            .bind(asked.rank)
            .fetch_one(write.sql())
            .await?;
    let turn = last.map_or(present, |last| present.max(last + 1));
    sqlx::query(
        "INSERT INTO scoring (id, submission, competition, stage, truth, kind, rank, turn, team, state,
                              not_before, asked_at)
         SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ? FROM scoring WHERE true
         ON CONFLICT DO NOTHING",
    )
    .bind(asked.submission)
    .bind(asked.competition.as_str())
    .bind(asked.stage.as_str())
    .bind(asked.truth)
    .bind(asked.kind.as_str())
    .bind(asked.rank)
    .bind(turn)
    .bind(asked.team)
    .bind(&now)
    .bind(&now)
    .execute(write.sql())
    .await?;
    Ok(())
}

/// The turn that was come to: what is tried again later has an earlier one.
async fn present_turn(write: &mut Write, rank: i64) -> Result<i64> {
    let turn: Option<i64> =
        sqlx::query_scalar("SELECT max(turn) FROM scoring WHERE rank = ? AND began_at IS NOT NULL")
            .bind(rank)
            .fetch_one(write.sql())
            .await?;
    Ok(turn.unwrap_or_default())
}

/// Asks for a new submission's score, by the truth that counts and by one that is being corrected.
pub(super) async fn ask_score(
    write: &mut Write,
    competition: &Name,
    stage: &Name,
    submission: i64,
    team: Option<i64>,
) -> Result<()> {
    for truth in truths::list_in(write, competition, stage).await? {
        ask_score_by(write, &truth, competition, stage, (submission, team)).await?;
    }
    Ok(())
}

/// The same by one truth; by one of the past there is none.
pub(super) async fn ask_score_by(
    write: &mut Write,
    truth: &truths::Truth,
    competition: &Name,
    stage: &Name,
    (submission, team): (i64, Option<i64>),
) -> Result<()> {
    let rank = match truth.state {
        truths::TruthState::Current => NEW,
        truths::TruthState::Scoring => AGAIN,
        truths::TruthState::Past => return Ok(()),
    };
    let asked = Asked {
        kind: Kind::Score,
        rank,
        submission: Some(submission),
        team,
        competition,
        stage,
        truth: truth.version,
    };
    ask(write, asked).await
}

/// Asks for all submissions of a stage to be scored by another truth.
pub(super) async fn ask_rescoring(
    write: &mut Write,
    competition: &Name,
    stage: &Name,
    truth: i64,
) -> Result<()> {
    let now = text(write.now);
    let present = present_turn(write, AGAIN).await?;
    sqlx::query(
        "INSERT INTO scoring (id, submission, competition, stage, truth, kind, rank, turn, team, state,
                              not_before, asked_at)
         SELECT (SELECT coalesce(max(id), 0) FROM scoring) + row_number() OVER (ORDER BY seq),
                seq, competition, stage, ?, 'score', ?,
                ? + row_number() OVER (PARTITION BY team ORDER BY seq), team, 'queued', ?, ?
         FROM submission
         WHERE competition = ? AND stage = ? AND state IN ('queued', 'scored', 'invalid')",
    )
    .bind(truth)
    .bind(AGAIN)
    .bind(present)
    .bind(&now)
    .bind(&now)
    .bind(competition.as_str())
    .bind(stage.as_str())
    .execute(write.sql())
    .await?;
    // Where nothing was handed in, the board of nothing is made by the new truth.
    ask_board_if_scored(write, competition, stage, truth).await
}

/// Asks for the board of the truth that counts, unless one waits already.
pub async fn ask_board(write: &mut Write, competition: &Name, stage: &Name) -> Result<()> {
    let truths = truths::list_in(write, competition, stage).await?;
    let current = |t: &&truths::Truth| t.state == truths::TruthState::Current;
    let Some(truth) = truths.iter().find(current) else {
        return Ok(());
    };
    ask(write, board(competition, stage, truth.version)).await
}

/// Asks for the boards of all stages: what teams are called, or who they are, has changed.
pub(super) async fn ask_boards(write: &mut Write, competition: &Name) -> Result<()> {
    let stages: Vec<String> =
        sqlx::query_scalar("SELECT stage FROM truth WHERE competition = ? AND state = 'current'")
            .bind(competition.as_str())
            .fetch_all(write.sql())
            .await?;
    for stage in stages {
        ask_board(write, competition, &named(&stage)?).await?;
    }
    Ok(())
}

fn board<'a>(competition: &'a Name, stage: &'a Name, truth: i64) -> Asked<'a> {
    Asked {
        kind: Kind::Board,
        rank: BOARD,
        submission: None,
        team: None,
        competition,
        stage,
        truth,
    }
}

/// A board of a truth that is being scored is made once nothing is left to score by it.
async fn ask_board_if_scored(
    write: &mut Write,
    competition: &Name,
    stage: &Name,
    truth: i64,
) -> Result<()> {
    let is_scoring: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM truth
         WHERE competition = ? AND stage = ? AND version = ? AND state = 'scoring'",
    )
    .bind(competition.as_str())
    .bind(stage.as_str())
    .bind(truth)
    .fetch_one(write.sql())
    .await?;
    if is_scoring > 0 && unscored(write, competition, stage, truth).await? {
        return Ok(());
    }
    ask(write, board(competition, stage, truth)).await
}

/// Whether submissions are still to be scored by a truth.
async fn unscored(write: &mut Write, competition: &Name, stage: &Name, truth: i64) -> Result<bool> {
    let one: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM scoring WHERE competition = ? AND stage = ? AND truth = ?
         AND kind = 'score' AND state IN ('queued', 'running') LIMIT 1",
    )
    .bind(competition.as_str())
    .bind(stage.as_str())
    .bind(truth)
    .fetch_optional(write.sql())
    .await?;
    Ok(one.is_some())
}

/// Leases the next task to a worker. Tasks whose lease ran out are free again first.
pub async fn take(db: &Db, worker: &str) -> Result<Option<Task>> {
    // Nothing to write most of the time.
    let waiting: Option<i64> =
        sqlx::query_scalar("SELECT id FROM scoring WHERE state IN ('queued', 'running') LIMIT 1")
            .fetch_optional(db.read())
            .await?;
    if waiting.is_none() {
        return Ok(None);
    }
    let mut write = db.write().await?;
    let late = text(write.now);
    let lost: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT id, attempts FROM scoring WHERE state = 'running' AND leased_to < ?",
    )
    .bind(&late)
    .fetch_all(write.sql())
    .await?;
    for (id, _) in lost {
        give_up(&mut write, id, "its worker stopped answering").await?;
    }
    let now = text(write.now);
    let overdue = format!("s.rank = {BOARD} AND s.asked_at <= ? ORDER BY s.asked_at, s.id");
    let waited = text(write.now - BOARD_WAITS);
    let next = match next(&mut write, &overdue, &waited).await? {
        Some(board) => Some(board),
        None => {
            next(
                &mut write,
                "s.asked_at <= ? ORDER BY s.rank, s.turn, s.id",
                &now,
            )
            .await?
        }
    };
    let Some(id) = next else {
        write.commit().await?;
        return Ok(None);
    };
    sqlx::query(
        "UPDATE scoring SET state = 'running', attempts = attempts + 1, worker = ?, leased_to = ?,
         began_at = ? WHERE id = ?",
    )
    .bind(worker)
    .bind(text(write.now + LEASE))
    .bind(&now)
    .bind(id)
    .execute(write.sql())
    .await?;
    let task = find_in(&mut write, id).await?;
    write.commit().await?;
    Ok(task)
}

/// The first task that may begin, of those that were asked for until `asked_until`.
async fn next(write: &mut Write, of: &str, asked_until: &str) -> Result<Option<i64>> {
    let sql = format!(
        "SELECT s.id FROM scoring s
         WHERE s.state = 'queued' AND s.not_before <= ?
           AND (s.kind <> 'score' OR s.team IS NULL OR NOT EXISTS (
                SELECT 1 FROM scoring e
                WHERE e.team = s.team AND e.stage = s.stage AND e.truth = s.truth
                  AND e.kind = 'score' AND e.state IN ('queued', 'running')
                  AND e.submission < s.submission))
           AND (s.kind <> 'board' OR NOT EXISTS (
                SELECT 1 FROM scoring e
                WHERE e.kind = 'board' AND e.state = 'running'
                  AND e.competition = s.competition AND e.stage = s.stage))
           AND {of} LIMIT 1"
    );
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(text(write.now))
        .bind(asked_until)
        .fetch_optional(write.sql())
        .await?)
}

/// Renews a lease. False where the task is not this worker's any more: it was cancelled, or
/// given to another.
pub async fn renew(db: &Db, task: &Task) -> Result<bool> {
    let mut write = db.write().await?;
    let until = text(write.now + LEASE);
    let done = sqlx::query(
        "UPDATE scoring SET leased_to = ? WHERE id = ? AND state = 'running' AND worker = ? AND attempts = ?",
    )
    .bind(until)
    .bind(task.id)
    .bind(&task.worker)
    .bind(task.attempts)
    .execute(write.sql())
    .await?;
    write.commit().await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a task out of a worker's hands to write what it found. False where it is not in them
/// any more: then nothing may be written.
pub async fn finish(write: &mut Write, task: &Task, problem: &str) -> Result<bool> {
    let now = text(write.now);
    let done = sqlx::query(
        "UPDATE scoring SET state = 'done', ended_at = ?, problem = ?
         WHERE id = ? AND state = 'running' AND worker = ? AND attempts = ?",
    )
    .bind(now)
    .bind(problem)
    .bind(task.id)
    .bind(&task.worker)
    .bind(task.attempts)
    .execute(write.sql())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    match task.kind {
        Kind::Score => {
            let (competition, stage) = (&task.competition, &task.stage);
            ask_board_if_scored(write, competition, stage, task.truth).await?;
        }
        Kind::Board => {
            let (competition, stage) = (&task.competition, &task.stage);
            let state = truths::list_in(write, competition, stage).await?;
            let own = state.iter().find(|t| t.version == task.truth);
            let scoring = own.is_some_and(|t| t.state == truths::TruthState::Scoring);
            if scoring && !unscored(write, competition, stage, task.truth).await? {
                truths::make_current(write, competition, stage, task.truth).await?;
            }
        }
        Kind::Report => {}
    }
    Ok(true)
}

/// Whether what a task finds says what its submission is: not while its truth is being scored, when
/// another one counts. A constant answer may be there for that truth alone.
pub async fn decides(write: &mut Write, task: &Task) -> Result<bool> {
    if task.team.is_none() {
        return Ok(true);
    }
    let truths = truths::list_in(write, &task.competition, &task.stage).await?;
    let own = truths.iter().find(|t| t.version == task.truth);
    Ok(own.is_some_and(|t| t.state != truths::TruthState::Scoring))
}

/// Asks for a scored submission's report.
pub(super) async fn ask_report(write: &mut Write, task: &Task) -> Result<()> {
    let asked = Asked {
        kind: Kind::Report,
        rank: REPORT,
        submission: task.submission,
        team: task.team,
        competition: &task.competition,
        stage: &task.stage,
        truth: task.truth,
    };
    ask(write, asked).await
}

/// Ends what waits or runs for a submission. A worker that has it finds out when it renews.
pub(super) async fn cancel(write: &mut Write, submission: i64) -> Result<()> {
    let now = text(write.now);
    let ended = sqlx::query(
        "UPDATE scoring SET state = 'cancelled', ended_at = ?
         WHERE submission = ? AND state IN ('queued', 'running')
         RETURNING competition, stage, truth",
    )
    .bind(now)
    .bind(submission)
    .fetch_all(write.sql())
    .await?;
    for row in ended {
        // It may have been the last that a corrected truth waited for.
        let (competition, stage) = (named(row.get(0))?, named(row.get(1))?);
        ask_board_if_scored(write, &competition, &stage, row.get(2)).await?;
    }
    Ok(())
}

/// How far a submission's report by a truth is; none where none was asked for.
pub async fn report(db: &Db, submission: i64, truth: i64) -> Result<Option<State>> {
    let state: Option<String> = sqlx::query_scalar(
        "SELECT state FROM scoring WHERE submission = ? AND truth = ? AND kind = 'report'",
    )
    .bind(submission)
    .bind(truth)
    .fetch_optional(db.read())
    .await?;
    state.as_deref().map(state_of).transpose()
}

/// Tasks before this one, as the queue stands: none once it is under way.
pub async fn before(db: &Db, submission: i64) -> Result<Option<i64>> {
    let found: Option<(i64, i64, String)> = sqlx::query_as(
        "SELECT id, turn, state FROM scoring WHERE submission = ? AND kind = 'score'
         AND state IN ('queued', 'running') ORDER BY id LIMIT 1",
    )
    .bind(submission)
    .fetch_optional(db.read())
    .await?;
    let Some((id, turn, state)) = found else {
        return Ok(None);
    };
    if state == "running" {
        return Ok(Some(0));
    }
    let n: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM scoring WHERE kind = 'score' AND rank = ?
         AND (turn < ? OR turn = ? AND id < ?) AND state IN ('queued', 'running')",
    )
    .bind(NEW)
    .bind(turn)
    .bind(turn)
    .bind(id)
    .fetch_one(db.read())
    .await?;
    Ok(Some(n + 1))
}

const COLUMNS: &str =
    "SELECT id, kind, submission, competition, stage, truth, team, state, attempts,
    worker, asked_at, began_at, ended_at, problem FROM scoring";

async fn find_in(write: &mut Write, id: i64) -> Result<Option<Task>> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = ?"));
    let row = sqlx::query(sql)
        .bind(id)
        .fetch_optional(write.sql())
        .await?;
    row.as_ref().map(task).transpose()
}

/// What hosts look at: tasks that are not over or were set aside, then the newest others.
pub async fn of(db: &Db, competition: &Name, limit: u32) -> Result<Vec<Task>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE competition = ?
         ORDER BY CASE state WHEN 'set-aside' THEN 0 WHEN 'running' THEN 1 WHEN 'queued' THEN 2 ELSE 3 END,
                  id DESC LIMIT ?"
    ));
    let rows = sqlx::query(sql)
        .bind(competition.as_str())
        .bind(limit)
        .fetch_all(db.read())
        .await?;
    rows.iter().map(task).collect()
}

/// Tasks by state.
pub async fn counts(db: &Db, competition: &Name) -> Result<Vec<(String, i64)>> {
    Ok(sqlx::query_as(
        "SELECT state, count(*) FROM scoring WHERE competition = ? GROUP BY state ORDER BY state",
    )
    .bind(competition.as_str())
    .fetch_all(db.read())
    .await?)
}

fn state_of(text: &str) -> Result<State> {
    let mut all = State::ALL.into_iter();
    all.find(|state| state.as_str() == text)
        .ok_or_else(|| StateError::stored("the state of a task", text))
}

fn task(row: &SqliteRow) -> Result<Task> {
    let stored = StateError::stored;
    let (kind, state): (&str, &str) = (row.get(1), row.get(7));
    let at = |i| row.get::<Option<String>, _>(i).map(time).transpose();
    Ok(Task {
        id: row.get(0),
        kind: Kind::ALL
            .into_iter()
            .find(|k| k.as_str() == kind)
            .ok_or_else(|| stored("the kind of task", kind))?,
        submission: row.get(2),
        competition: named(row.get(3))?,
        stage: named(row.get(4))?,
        truth: row.get(5),
        team: row.get(6),
        state: state_of(state)?,
        attempts: row.get(8),
        worker: row.get(9),
        asked_at: time(row.get(10))?,
        began_at: at(11)?,
        ended_at: at(12)?,
        problem: row.get(13),
    })
}

#[cfg(test)]
mod tests;
