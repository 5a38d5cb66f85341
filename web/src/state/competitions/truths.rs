//! The truth of a stage, in versions. Scores of all submissions by a corrected one are made first;
//! then it counts, for all at once.

use fairframe_schemas::{Digest, Name, Timestamp};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    super::{Db, Result, StateError, Write, audit::Act, text, time},
    digest, queue, submissions,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    pub version: i64,
    /// Of the prepared solution.
    pub digest: Digest,
    pub state: TruthState,
    pub made_by: String,
    pub made_at: Timestamp,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruthState {
    /// Submissions are being scored by it; boards do not show it yet.
    Scoring,
    Current,
    Past,
}

/// Why a truth is not corrected.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    #[error("A correction of this stage is being scored; wait for its end.")]
    Another,
    #[error("That is the truth in use already, byte for byte.")]
    Same,
    #[error(
        "Say why the truth is corrected, in at most {} bytes; participants read it.",
        super::super::audit::MAX_WHY
    )]
    Why,
    #[error("There is no such stage.")]
    None,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for TruthError {
    fn from(error: sqlx::Error) -> Self {
        TruthError::State(error.into())
    }
}

/// The truth a stage begins with.
pub(super) async fn first(
    write: &mut Write,
    by: &str,
    competition: &Name,
    stage: &Name,
    digest: Digest,
) -> Result<()> {
    insert(write, by, (competition, stage), (1, digest), "current", "").await
}

async fn insert(
    write: &mut Write,
    by: &str,
    (competition, stage): (&Name, &Name),
    (version, digest): (i64, Digest),
    state: &str,
    why: &str,
) -> Result<()> {
    let now = text(write.now);
    sqlx::query(
        "INSERT INTO truth (competition, stage, version, digest, state, made_by, made_at, why)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(competition.as_str())
    .bind(stage.as_str())
    .bind(version)
    .bind(digest.to_string())
    .bind(state)
    .bind(by)
    .bind(now)
    .bind(why)
    .execute(write.sql())
    .await?;
    Ok(())
}

/// Takes a corrected truth and asks for all submissions of the stage to be scored by it. Gives its
/// version.
pub async fn correct(
    write: &mut Write,
    by: &str,
    competition: &Name,
    stage: &Name,
    digest: Digest,
    why: &str,
) -> Result<i64, TruthError> {
    let why = why.trim();
    if why.is_empty() || why.len() > super::super::audit::MAX_WHY {
        return Err(TruthError::Why);
    }
    let there = list_in(write, competition, stage).await?;
    let last = there.last().ok_or(TruthError::None)?;
    if there.iter().any(|t| t.state == TruthState::Scoring) {
        return Err(TruthError::Another);
    }
    let same = |t: &&Truth| t.state == TruthState::Current && t.digest == digest;
    if there.iter().any(|t| same(&t)) {
        return Err(TruthError::Same);
    }
    let version = last.version + 1;
    let of = (competition, stage);
    insert(write, by, of, (version, digest), "scoring", why).await?;
    let subject = format!("truth of {competition}/{stage}");
    let act = Act {
        actor: by,
        act: "correct",
        subject: &subject,
        details: json!({ "version": version, "digest": digest }),
        why,
    };
    write.tell(act).await?;
    queue::ask_rescoring(write, competition, stage, version).await?;
    Ok(version)
}

/// Lets a truth count by which all is scored, in the place of the one before.
pub(super) async fn make_current(
    write: &mut Write,
    competition: &Name,
    stage: &Name,
    version: i64,
) -> Result<()> {
    for (from, to, own) in [("current", "past", false), ("scoring", "current", true)] {
        let sql = match own {
            true => {
                "UPDATE truth SET state = ? WHERE competition = ? AND stage = ? AND state = ? AND version = ?"
            }
            false => {
                "UPDATE truth SET state = ? WHERE competition = ? AND stage = ? AND state = ? AND version <> ?"
            }
        };
        sqlx::query(sql)
            .bind(to)
            .bind(competition.as_str())
            .bind(stage.as_str())
            .bind(from)
            .bind(version)
            .execute(write.sql())
            .await?;
    }
    submissions::scored_by(write, competition, stage, version).await?;
    let subject = format!("truth of {competition}/{stage}");
    let act = Act {
        actor: "server",
        act: "count by",
        subject: &subject,
        details: json!({ "version": version }),
        why: "",
    };
    write.tell(act).await?;
    Ok(())
}

const COLUMNS: &str = "SELECT version, digest, state, made_by, made_at, why FROM truth
    WHERE competition = ? AND stage = ? ORDER BY version";

/// All versions, oldest first.
pub async fn list(db: &Db, competition: &Name, stage: &Name) -> Result<Vec<Truth>> {
    let rows = sqlx::query(COLUMNS)
        .bind(competition.as_str())
        .bind(stage.as_str())
        .fetch_all(db.read())
        .await?;
    rows.iter().map(truth).collect()
}

pub(super) async fn list_in(
    write: &mut Write,
    competition: &Name,
    stage: &Name,
) -> Result<Vec<Truth>> {
    let rows = sqlx::query(COLUMNS)
        .bind(competition.as_str())
        .bind(stage.as_str())
        .fetch_all(write.sql())
        .await?;
    rows.iter().map(truth).collect()
}

pub(super) async fn newest_in(
    write: &mut Write,
    competition: &Name,
    stage: &Name,
) -> Result<Option<Truth>> {
    Ok(list_in(write, competition, stage).await?.pop())
}

/// The one that counts.
pub async fn current(db: &Db, competition: &Name, stage: &Name) -> Result<Option<Truth>> {
    let all = list(db, competition, stage).await?;
    Ok(all.into_iter().find(|t| t.state == TruthState::Current))
}

fn truth(row: &SqliteRow) -> Result<Truth> {
    let state: &str = row.get(2);
    Ok(Truth {
        version: row.get(0),
        digest: digest(row.get(1))?,
        state: match state {
            "scoring" => TruthState::Scoring,
            "current" => TruthState::Current,
            "past" => TruthState::Past,
            other => return Err(StateError::stored("the state of a truth", other)),
        },
        made_by: row.get(3),
        made_at: time(row.get(4))?,
        why: row.get(5),
    })
}
