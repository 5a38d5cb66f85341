//! What becomes of tasks that were begun and not done: their worker died or failed, the machine
//! could not begin them, or a host wants them again.

use std::time::Duration;

use fairframe_schemas::Name;

use super::{
    super::{
        super::{Db, Result, Write, text},
        submissions,
    },
    Kind, MAX_ATTEMPTS, State, Task, ask, ask_board_if_scored, ask_score, board, decides, find_in,
};

/// How long a task whose worker died waits before it is begun again; doubled each time.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// How long a task waits that this machine could not begin.
pub(super) const MACHINE_PAUSE: Duration = Duration::from_secs(30);

/// What a team is told of a submission that could not be scored; hosts see why.
pub(super) const OUR_FAULT: &str = "the server failed at it, and the competition's hosts see why";

/// A task failed for a reason that is ours: it is tried again after a pause, or set aside.
pub async fn failed(db: &Db, task: &Task, problem: &str) -> Result<()> {
    let mut write = db.write().await?;
    let ours: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM scoring WHERE id = ? AND state = 'running' AND worker = ? AND attempts = ?",
    )
    .bind(task.id)
    .bind(&task.worker)
    .bind(task.attempts)
    .fetch_one(write.sql())
    .await?;
    if ours > 0 {
        give_up(&mut write, task.id, problem).await?;
        write.commit().await?;
    }
    Ok(())
}

/// A submission's task that this machine could not begin: it waits a while, and that is no try.
pub async fn put_back(db: &Db, task: &Task, problem: &str) -> Result<()> {
    let mut write = db.write().await?;
    sqlx::query(
        "UPDATE scoring SET state = 'queued', attempts = attempts - 1, not_before = ?, problem = ?,
                            worker = NULL, leased_to = NULL
         WHERE id = ? AND state = 'running' AND worker = ? AND attempts = ?",
    )
    .bind(text(write.now + MACHINE_PAUSE))
    .bind(problem)
    .bind(task.id)
    .bind(&task.worker)
    .bind(task.attempts)
    .execute(write.sql())
    .await?;
    write.commit().await
}

/// A worker process ended: what it had is free again at once.
pub async fn died(db: &Db, worker: &str, problem: &str) -> Result<()> {
    let mut write = db.write().await?;
    let had: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM scoring WHERE state = 'running' AND worker = ?")
            .bind(worker)
            .fetch_all(write.sql())
            .await?;
    for id in had {
        give_up(&mut write, id, problem).await?;
    }
    write.commit().await
}

/// What a server that starts does: workers of the one before are gone with it, which is no fault of
/// their tasks.
pub async fn recover(db: &Db) -> Result<()> {
    let mut write = db.write().await?;
    let under_way: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM scoring WHERE state = 'running' ORDER BY id")
            .fetch_all(write.sql())
            .await?;
    for id in under_way {
        if another_board_waits(&mut write, id).await? {
            continue;
        }
        sqlx::query(
            "UPDATE scoring SET state = 'queued', attempts = attempts - 1, worker = NULL, leased_to = NULL
             WHERE id = ?",
        )
        .bind(id)
        .execute(write.sql())
        .await?;
    }
    write.commit().await
}

/// Ends a board that was not finished where the same one was asked for anew while it was made:
/// one board of a truth waits at a time, and the other is as good.
async fn another_board_waits(write: &mut Write, id: i64) -> Result<bool> {
    let now = text(write.now);
    let ended = sqlx::query(
        "UPDATE scoring SET state = 'cancelled', ended_at = ?
         WHERE id = ? AND kind = 'board' AND EXISTS (
             SELECT 1 FROM scoring w
             WHERE w.kind = 'board' AND w.state = 'queued' AND w.competition = scoring.competition
               AND w.stage = scoring.stage AND w.truth = scoring.truth)",
    )
    .bind(now)
    .bind(id)
    .execute(write.sql())
    .await?;
    Ok(ended.rows_affected() == 1)
}

pub(super) async fn give_up(write: &mut Write, id: i64, problem: &str) -> Result<()> {
    let Some(task) = find_in(write, id).await? else {
        return Ok(());
    };
    if another_board_waits(write, id).await? {
        return Ok(());
    }
    let now = text(write.now);
    if task.attempts < MAX_ATTEMPTS {
        let doubled = 1 << (task.attempts - 1).clamp(0, 10);
        sqlx::query(
            "UPDATE scoring SET state = 'queued', not_before = ?, problem = ?, worker = NULL, leased_to = NULL WHERE id = ?",
        )
        .bind(text(write.now + PAUSE * doubled))
        .bind(problem)
        .bind(id)
        .execute(write.sql())
        .await?;
        return Ok(());
    }
    sqlx::query("UPDATE scoring SET state = 'set-aside', ended_at = ?, problem = ? WHERE id = ?")
        .bind(now)
        .bind(problem)
        .bind(id)
        .execute(write.sql())
        .await?;
    if task.kind == Kind::Score {
        if let Some(seq) = task.submission
            && decides(write, &task).await?
        {
            submissions::not_scored(write, seq, OUR_FAULT).await?;
        }
        let (competition, stage) = (&task.competition, &task.stage);
        ask_board_if_scored(write, competition, stage, task.truth).await?;
    }
    Ok(())
}

/// Begins a task anew that was set aside.
pub async fn retry(write: &mut Write, competition: &Name, id: i64) -> Result<bool> {
    let found = find_in(write, id).await?;
    let ours = |t: &Task| t.competition == *competition && t.state == State::SetAside;
    let Some(task) = found.filter(ours) else {
        return Ok(false);
    };
    if task.kind == Kind::Board {
        // Another one may wait already: it is as good.
        sqlx::query("UPDATE scoring SET state = 'cancelled' WHERE id = ?")
            .bind(id)
            .execute(write.sql())
            .await?;
        let (competition, stage) = (&task.competition, &task.stage);
        ask(write, board(competition, stage, task.truth)).await?;
        return Ok(true);
    }
    let now = text(write.now);
    sqlx::query(
        "UPDATE scoring SET state = 'queued', attempts = 0, not_before = ?, ended_at = NULL, worker = NULL
         WHERE id = ?",
    )
    .bind(now)
    .bind(id)
    .execute(write.sql())
    .await?;
    if let (Kind::Score, Some(seq)) = (task.kind, task.submission) {
        submissions::queued_again(write, seq).await?;
        // By the truth that counts by now, too.
        ask_score(write, &task.competition, &task.stage, seq, task.team).await?;
    }
    Ok(true)
}
