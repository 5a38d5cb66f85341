//! What teams hand in, and how often they may.

use std::ops::Range;

use fairframe_schemas::{Digest, Name, Timestamp};
use serde_json::json;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    super::{Db, Result, StateError, Write, audit::Act, text, time},
    digest, named, queue,
    truths::{self, Truth, TruthState},
};

/// Longest note a team writes to a submission, and longest name of a file, in bytes.
pub const MAX_NOTE: usize = 1_000;
pub const MAX_FILE_NAME: usize = 200;

/// Files a team may send in a day for each submission that counts: refused ones are free, not
/// endless.
pub const TRIES: i64 = 10;

/// Submissions of a team that may wait at a time.
pub const MAX_WAITING: i64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waits for its score, or is being scored.
    Queued,
    Scored,
    /// Has defects: see there.
    Invalid,
    /// Could not be scored, by no fault of the team's; does not count.
    Failed,
    Cancelled,
}

impl State {
    pub const ALL: [State; 5] = [
        State::Queued,
        State::Scored,
        State::Invalid,
        State::Failed,
        State::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Scored => "scored",
            State::Invalid => "invalid",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    pub seq: i64,
    pub competition: Name,
    pub stage: Name,
    /// None: a constant answer of ours.
    pub team: Option<i64>,
    /// Of whoever sent it.
    pub account: Option<String>,
    pub name: String,
    pub sha256: Digest,
    pub bytes: u64,
    pub note: String,
    /// What was declared of outside data, as JSON.
    pub external: Option<String>,
    pub at: Timestamp,
    pub state: State,
    pub counts: bool,
    pub problem: String,
    /// JSON.
    pub defects: Option<String>,
    pub selected: bool,
}

/// A file that has arrived, for a team.
#[derive(Debug, Clone)]
pub struct New<'a> {
    pub competition: &'a Name,
    pub stage: &'a Name,
    pub team: i64,
    /// Id and name of the account.
    pub account: (&'a str, &'a str),
    pub name: &'a str,
    pub sha256: Digest,
    pub bytes: u64,
    pub note: &'a str,
    pub external: Option<&'a str>,
}

/// How often a team may hand in.
#[derive(Debug, Clone)]
pub struct Allowance {
    /// Today, in the competition's zone.
    pub day: Range<Timestamp>,
    pub per_day: u32,
    pub total: Option<u32>,
    /// Days of this stage on which whoever submitted once may not again.
    pub block_days: Option<u32>,
}

/// What a team has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub today: u32,
    pub in_all: Option<u32>,
    /// Until when a blocked team waits.
    pub blocked_until: Option<Timestamp>,
}

/// Why a submission is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("Your team has used its {0} submissions of today; the next day begins at {1}.")]
    Today(u32, String),
    #[error("Your team has used its {0} submissions of this stage.")]
    Total(u32),
    #[error("Your team submitted less than {0} days ago; it may again at {1}.")]
    Blocked(u32, String),
    #[error(
        "{MAX_WAITING} submissions of your team wait for their scores; send another when one has it."
    )]
    Waiting,
    #[error(
        "Your team sent {0} files today that were refused or failed; check them with the sample submission, and try again tomorrow."
    )]
    Tries(i64),
    #[error("A note has at most {MAX_NOTE} bytes, a file's name {MAX_FILE_NAME}.")]
    Long,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for SubmitError {
    fn from(error: sqlx::Error) -> Self {
        SubmitError::State(error.into())
    }
}

/// Whether a team may hand in once more, as it stands: asked before a long upload.
pub async fn may_now(
    db: &Db,
    team: i64,
    stage: &Name,
    allowed: &Allowance,
) -> Result<(), SubmitError> {
    let mut sql = db.read().acquire().await?;
    may(&mut sql, db.now(), team, stage, allowed).await
}

/// Whether a team may hand in once more: asked again within the transaction that takes it, so that two
/// at once cannot both be the last.
async fn may(
    sql: &mut SqliteConnection,
    now: Timestamp,
    team: i64,
    stage: &Name,
    allowed: &Allowance,
) -> Result<(), SubmitError> {
    let shown = |at: Timestamp| at.format("%Y-%m-%d %H:%M UTC").to_string();
    let (today, in_all, last, waiting, tries): (i64, i64, Option<String>, i64, i64) =
        sqlx::query_as(
            "SELECT count(CASE WHEN counts = 1 AND at >= ? THEN 1 END),
                    count(CASE WHEN counts = 1 THEN 1 END), max(CASE WHEN counts = 1 THEN at END),
                    count(CASE WHEN state = 'queued' THEN 1 END), count(CASE WHEN at >= ? THEN 1 END)
             FROM submission WHERE team = ? AND stage = ?",
        )
        .bind(text(allowed.day.start))
        .bind(text(allowed.day.start))
        .bind(team)
        .bind(stage.as_str())
        .fetch_one(sql)
        .await?;
    if today >= i64::from(allowed.per_day) {
        return Err(SubmitError::Today(allowed.per_day, shown(allowed.day.end)));
    }
    if let Some(total) = allowed.total
        && in_all >= i64::from(total)
    {
        return Err(SubmitError::Total(total));
    }
    if let Some(days) = allowed.block_days {
        let block = chrono::Duration::days(i64::from(days));
        if let Some(last) = last.map(time).transpose()?
            && last + block > now
        {
            return Err(SubmitError::Blocked(days, shown(last + block)));
        }
    }
    if waiting >= MAX_WAITING {
        return Err(SubmitError::Waiting);
    }
    let most = TRIES * i64::from(allowed.per_day);
    if tries >= most {
        return Err(SubmitError::Tries(most));
    }
    Ok(())
}

/// Takes a submission, whose bytes are on the disk, and asks for its score. Gives its number.
pub async fn submit(
    write: &mut Write,
    new: &New<'_>,
    allowed: &Allowance,
) -> Result<i64, SubmitError> {
    if new.note.len() > MAX_NOTE || new.name.len() > MAX_FILE_NAME {
        return Err(SubmitError::Long);
    }
    let now = write.now;
    may(write.sql(), now, new.team, new.stage, allowed).await?;
    let subject = format!("{}/{}", new.competition, new.stage);
    let act = Act {
        actor: new.account.1,
        act: "submit to",
        subject: &subject,
        details: json!({ "team": new.team, "sha256": new.sha256, "bytes": new.bytes }),
        why: "",
    };
    let seq = write.tell(act).await?;
    insert(write, seq, new, Some((new.team, new.account.0))).await?;
    queue::ask_score(write, new.competition, new.stage, seq, Some(new.team)).await?;
    Ok(seq)
}

/// Takes a constant answer of ours, made from a truth that counts or is being scored, unless the
/// newest of its name is the same and was not given up. By a corrected truth it stands in the place of
/// the one before.
pub async fn submit_baseline(
    write: &mut Write,
    competition: &Name,
    stage: &Name,
    truth: &Digest,
    name: &str,
    (sha256, bytes): (Digest, u64),
) -> Result<()> {
    let truths = truths::list_in(write, competition, stage).await?;
    let made_from = |t: &&Truth| t.digest == *truth && t.state != TruthState::Past;
    let Some(truth) = truths.iter().find(made_from) else {
        return Ok(());
    };
    let newest: Option<(String, String)> = sqlx::query_as(
        "SELECT sha256, state FROM submission
         WHERE competition = ? AND stage = ? AND team IS NULL AND name = ?
         ORDER BY seq DESC LIMIT 1",
    )
    .bind(competition.as_str())
    .bind(stage.as_str())
    .bind(name)
    .fetch_optional(write.sql())
    .await?;
    let same = |(there, state): &(String, String)| {
        *there == sha256.to_string() && state != State::Failed.as_str()
    };
    if newest.as_ref().is_some_and(same) {
        return Ok(());
    }
    let subject = format!("{competition}/{stage}");
    let act = Act {
        actor: "server",
        act: "answer",
        subject: &subject,
        details: json!({ "baseline": name, "sha256": sha256 }),
        why: "",
    };
    let seq = write.tell(act).await?;
    let new = New {
        competition,
        stage,
        team: 0,
        account: ("", ""),
        name,
        sha256,
        bytes,
        note: "",
        external: None,
    };
    insert(write, seq, &new, None).await?;
    queue::ask_score_by(write, truth, competition, stage, (seq, None)).await
}

async fn insert(write: &mut Write, seq: i64, new: &New<'_>, by: Option<(i64, &str)>) -> Result<()> {
    let now = text(write.now);
    sqlx::query(
        "INSERT INTO submission (seq, competition, stage, team, account, name, sha256, bytes, note,
                                 external, at, state, counts)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
    )
    .bind(seq)
    .bind(new.competition.as_str())
    .bind(new.stage.as_str())
    .bind(by.map(|(team, _)| team))
    .bind(by.map(|(_, account)| account))
    .bind(new.name)
    .bind(new.sha256.to_string())
    .bind(i64::try_from(new.bytes).unwrap_or(i64::MAX))
    .bind(new.note)
    .bind(new.external)
    .bind(now)
    .bind(by.is_some())
    .execute(write.sql())
    .await?;
    Ok(())
}

/// Whether any submission of a competition has these bytes.
pub async fn has(write: &mut Write, competition: &Name, sha256: &Digest) -> Result<bool> {
    let n: i64 =
        sqlx::query_scalar("SELECT count(*) FROM submission WHERE competition = ? AND sha256 = ?")
            .bind(competition.as_str())
            .bind(sha256.to_string())
            .fetch_one(write.sql())
            .await?;
    Ok(n > 0)
}

/// Whether teams have handed anything in to a competition.
pub async fn any(db: &Db, competition: &Name) -> Result<bool> {
    let n: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM submission WHERE competition = ? AND team IS NOT NULL",
    )
    .bind(competition.as_str())
    .fetch_one(db.read())
    .await?;
    Ok(n > 0)
}

/// What a team may still hand in.
pub async fn left(db: &Db, team: i64, stage: &Name, allowed: &Allowance) -> Result<Left> {
    let (today, in_all, last): (i64, i64, Option<String>) = sqlx::query_as(
        "SELECT count(CASE WHEN at >= ? THEN 1 END), count(*), max(at)
         FROM submission WHERE team = ? AND stage = ? AND counts = 1",
    )
    .bind(text(allowed.day.start))
    .bind(team)
    .bind(stage.as_str())
    .fetch_one(db.read())
    .await?;
    let rest = |most: u32, used: i64| most.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
    let blocked_until = match (allowed.block_days, last.map(time).transpose()?) {
        (Some(days), Some(last)) => Some(last + chrono::Duration::days(i64::from(days))),
        _ => None,
    };
    Ok(Left {
        today: rest(allowed.per_day, today),
        in_all: allowed.total.map(|total| rest(total, in_all)),
        blocked_until: blocked_until.filter(|until| *until > db.now()),
    })
}

/// A submission was refused for its defects.
pub async fn refused(write: &mut Write, seq: i64, defects: &str, counts: bool) -> Result<()> {
    sqlx::query(
        "UPDATE submission SET state = 'invalid', defects = ?, counts = ?, selected = 0
         WHERE seq = ? AND state = 'queued'",
    )
    .bind(defects)
    .bind(counts)
    .bind(seq)
    .execute(write.sql())
    .await?;
    Ok(())
}

/// A submission could not be scored: it does not count. One that has a score keeps it.
pub async fn not_scored(write: &mut Write, seq: i64, problem: &str) -> Result<()> {
    sqlx::query(
        "UPDATE submission SET state = 'failed', counts = 0, problem = ?
         WHERE seq = ? AND state = 'queued'",
    )
    .bind(problem)
    .bind(seq)
    .execute(write.sql())
    .await?;
    Ok(())
}

pub(super) async fn queued_again(write: &mut Write, seq: i64) -> Result<()> {
    sqlx::query(
        "UPDATE submission SET state = 'queued', counts = CASE WHEN team IS NULL THEN 0 ELSE 1 END, problem = ''
         WHERE seq = ? AND state = 'failed'",
    )
    .bind(seq)
    .execute(write.sql())
    .await?;
    Ok(())
}

/// A corrected truth counts from now on: what has a score by it is scored, whatever the one before
/// said of it.
pub(super) async fn scored_by(
    write: &mut Write,
    competition: &Name,
    stage: &Name,
    truth: i64,
) -> Result<()> {
    sqlx::query(
        "UPDATE submission SET state = 'scored', problem = '',
                counts = CASE WHEN team IS NULL THEN 0 ELSE 1 END
         WHERE competition = ? AND stage = ? AND state IN ('queued', 'invalid', 'failed')
           AND seq IN (SELECT submission FROM score WHERE truth = ?)",
    )
    .bind(competition.as_str())
    .bind(stage.as_str())
    .bind(truth)
    .execute(write.sql())
    .await?;
    Ok(())
}

pub(super) async fn scored(write: &mut Write, seq: i64) -> Result<()> {
    sqlx::query(
        "UPDATE submission SET state = 'scored', problem = '' WHERE seq = ? AND state = 'queued'",
    )
    .bind(seq)
    .execute(write.sql())
    .await?;
    Ok(())
}

/// Takes a submission back that has no score yet: it does not count.
pub async fn cancel(write: &mut Write, submission: &Submission, by: &str) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE submission SET state = 'cancelled', counts = 0 WHERE seq = ? AND state = 'queued'",
    )
    .bind(submission.seq)
    .execute(write.sql())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    queue::cancel(write, submission.seq).await?;
    let subject = format!("submission {}", submission.seq);
    let act = Act {
        actor: by,
        act: "cancel",
        subject: &subject,
        details: json!({}),
        why: "",
    };
    write.tell(act).await?;
    Ok(true)
}

/// Why a choice of final submissions is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    #[error("Choose at most {0}.")]
    Many(u32),
    #[error("Only submissions of your team that have a score can be chosen.")]
    NotYours,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for SelectError {
    fn from(error: sqlx::Error) -> Self {
        SelectError::State(error.into())
    }
}

/// Chooses a team's submissions of a stage to be judged by; those not named are not chosen.
pub async fn select(
    write: &mut Write,
    by: &str,
    (team, competition, stage): (i64, &Name, &Name),
    chosen: &[i64],
    most: u32,
) -> Result<(), SelectError> {
    if chosen.len() > most as usize {
        return Err(SelectError::Many(most));
    }
    sqlx::query("UPDATE submission SET selected = 0 WHERE team = ? AND stage = ?")
        .bind(team)
        .bind(stage.as_str())
        .execute(write.sql())
        .await?;
    for seq in chosen {
        let done = sqlx::query(
            "UPDATE submission SET selected = 1
             WHERE seq = ? AND team = ? AND stage = ? AND state = 'scored'",
        )
        .bind(seq)
        .bind(team)
        .bind(stage.as_str())
        .execute(write.sql())
        .await?;
        if done.rows_affected() == 0 {
            return Err(SelectError::NotYours);
        }
    }
    let subject = format!("final submissions to {competition}/{stage}");
    let act = Act {
        actor: by,
        act: "choose",
        subject: &subject,
        details: json!({ "team": team, "submissions": chosen }),
        why: "",
    };
    write.tell(act).await?;
    queue::ask_board(write, competition, stage).await?;
    Ok(())
}

/// Changes a team's own note.
pub async fn note(write: &mut Write, seq: i64, note: &str) -> Result<(), SubmitError> {
    if note.len() > MAX_NOTE {
        return Err(SubmitError::Long);
    }
    sqlx::query("UPDATE submission SET note = ? WHERE seq = ?")
        .bind(note)
        .bind(seq)
        .execute(write.sql())
        .await?;
    Ok(())
}

const COLUMNS: &str = "SELECT seq, competition, stage, team, account, name, sha256, bytes, note,
    external, at, state, counts, problem, defects, selected FROM submission";

pub async fn find(db: &Db, seq: i64) -> Result<Option<Submission>> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE seq = ?"));
    let row = sqlx::query(sql).bind(seq).fetch_optional(db.read()).await?;
    row.as_ref().map(submission).transpose()
}

/// A team's submissions, newest first.
pub async fn of_team(db: &Db, competition: &Name, team: i64) -> Result<Vec<Submission>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE competition = ? AND team = ? ORDER BY seq DESC"
    ));
    let rows = sqlx::query(sql)
        .bind(competition.as_str())
        .bind(team)
        .fetch_all(db.read())
        .await?;
    rows.iter().map(submission).collect()
}

/// A stage's, oldest first.
pub async fn of_stage(db: &Db, competition: &Name, stage: &Name) -> Result<Vec<Submission>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE competition = ? AND stage = ? ORDER BY seq"
    ));
    let rows = sqlx::query(sql)
        .bind(competition.as_str())
        .bind(stage.as_str())
        .fetch_all(db.read())
        .await?;
    rows.iter().map(submission).collect()
}

fn submission(row: &SqliteRow) -> Result<Submission> {
    let state: &str = row.get(11);
    Ok(Submission {
        seq: row.get(0),
        competition: named(row.get(1))?,
        stage: named(row.get(2))?,
        team: row.get(3),
        account: row.get(4),
        name: row.get(5),
        sha256: digest(row.get(6))?,
        bytes: u64::try_from(row.get::<i64, _>(7)).unwrap_or(0),
        note: row.get(8),
        external: row.get(9),
        at: time(row.get(10))?,
        state: State::ALL
            .into_iter()
            .find(|s| s.as_str() == state)
            .ok_or_else(|| StateError::stored("the state of a submission", state))?,
        counts: row.get(12),
        problem: row.get(13),
        defects: row.get(14),
        selected: row.get(15),
    })
}
