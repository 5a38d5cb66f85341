//! What submissions scored.

use fairframe_competitions::board::{Entry, Scored, Side};
use fairframe_schemas::Name;
use sqlx::Row;

use super::{
    super::{Db, Result, StateError, Write, time},
    queue::{self, Task},
    submissions,
};

/// A score of one side of a stage's items.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    pub side: Side,
    /// What ranks; none where it is undefined.
    pub value: Option<f64>,
    /// What the public board shows of the team after it: the Ladder's, or the best so far.
    pub shown: Option<f64>,
    /// The submission whose score `shown` is.
    pub best: Option<i64>,
    /// The board's columns, as JSON.
    pub columns: String,
}

/// What a team's board showed before a submission: the best of what its earlier ones led to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Before {
    pub shown: f64,
    pub best: i64,
}

/// The best a team's earlier submissions to the stage led to, by a truth.
pub async fn before(db: &Db, task: &Task, higher_is_better: bool) -> Result<Option<Before>> {
    let (Some(team), Some(submission)) = (task.team, task.submission) else {
        return Ok(None);
    };
    let order = if higher_is_better { "DESC" } else { "ASC" };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT c.shown, c.best FROM score c JOIN submission s ON s.seq = c.submission
         WHERE s.team = ? AND s.stage = ? AND s.seq < ? AND c.truth = ? AND c.usage = 'public'
           AND c.shown IS NOT NULL AND c.best IS NOT NULL
         ORDER BY c.shown {order}, c.submission LIMIT 1"
    ));
    let row = sqlx::query(sql)
        .bind(team)
        .bind(task.stage.as_str())
        .bind(submission)
        .bind(task.truth)
        .fetch_optional(db.read())
        .await?;
    Ok(row.map(|row| Before {
        shown: row.get(0),
        best: row.get(1),
    }))
}

/// Writes what a task found. False where the task was not its worker's any more: nothing is
/// written then.
pub async fn write(write: &mut Write, task: &Task, scores: &[Score]) -> Result<bool> {
    let Some(submission) = task.submission else {
        return Ok(false);
    };
    if !queue::finish(write, task, "").await? {
        return Ok(false);
    }
    for score in scores {
        sqlx::query(
            "INSERT INTO score (submission, truth, usage, value, shown, best, columns)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(submission)
        .bind(task.truth)
        .bind(score.side.as_str())
        .bind(score.value)
        .bind(score.shown)
        .bind(score.best)
        .bind(&score.columns)
        .execute(write.sql())
        .await?;
    }
    if queue::decides(write, task).await? {
        submissions::scored(write, submission).await?;
    }
    queue::ask_report(write, task).await?;
    Ok(true)
}

/// A submission's scores by a truth: public, private.
pub async fn of(db: &Db, submission: i64, truth: i64) -> Result<[Option<Score>; 2]> {
    let rows = sqlx::query(
        "SELECT usage, value, shown, best, columns FROM score WHERE submission = ? AND truth = ?",
    )
    .bind(submission)
    .bind(truth)
    .fetch_all(db.read())
    .await?;
    let mut found = [None, None];
    for row in rows {
        let usage: &str = row.get(0);
        let (at, side) = match usage {
            "public" => (0, Side::Public),
            _ => (1, Side::Private),
        };
        found[at] = Some(Score {
            side,
            value: row.get(1),
            shown: row.get(2),
            best: row.get(3),
            columns: row.get(4),
        });
    }
    Ok(found)
}

/// All that was scored of a stage by a truth, in the order it came; of constant answers of one
/// name the newest that was asked for by it, which was made from it or is as if it were.
pub async fn all(db: &Db, competition: &Name, stage: &Name, truth: i64) -> Result<Vec<Entry>> {
    let rows = sqlx::query(
        "SELECT s.seq, s.team, coalesce(t.name, s.name), s.at, s.selected,
                c.usage, c.value, c.shown, c.best, c.columns
         FROM submission s JOIN score c ON c.submission = s.seq AND c.truth = ?
         LEFT JOIN team t ON t.id = s.team
         WHERE s.competition = ? AND s.stage = ? AND s.state <> 'cancelled'
           AND (s.team IS NOT NULL OR NOT EXISTS (
                SELECT 1 FROM submission n
                JOIN scoring k ON k.submission = n.seq AND k.kind = 'score' AND k.truth = c.truth
                WHERE n.team IS NULL AND n.competition = s.competition AND n.stage = s.stage
                  AND n.name = s.name AND n.seq > s.seq))
         ORDER BY s.seq, c.usage",
    )
    .bind(truth)
    .bind(competition.as_str())
    .bind(stage.as_str())
    .fetch_all(db.read())
    .await?;
    let mut entries: Vec<Entry> = Vec::new();
    for row in rows {
        let submission: i64 = row.get(0);
        if entries.last().is_none_or(|e| e.submission != submission) {
            entries.push(Entry {
                submission,
                team: row.get(1),
                name: row.get(2),
                at: time(row.get(3))?,
                selected: row.get(4),
                public: None,
                private: None,
            });
        }
        let columns: &str = row.get(9);
        let scored = Some(Scored {
            value: row.get(6),
            shown: row.get(7),
            best: row.get(8),
            columns: serde_json::from_str(columns)
                .map_err(|_| StateError::stored("the columns of a score", columns))?,
        });
        let usage: &str = row.get(5);
        if let Some(entry) = entries.last_mut() {
            match usage {
                "public" => entry.public = scored,
                _ => entry.private = scored,
            }
        }
    }
    Ok(entries)
}
