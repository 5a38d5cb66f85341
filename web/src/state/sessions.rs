//! Browsers that have logged in.

use std::time::Duration;

use sqlx::Row;

use super::{
    Db, Result, Write,
    accounts::{self, Account, AccountError, By},
    secret, text, time,
};

/// A session unused for so long has ended.
pub const IDLE: Duration = Duration::from_secs(12 * 3600);

/// So long after logging in, a session ends whatever happens.
pub const LASTS: Duration = Duration::from_secs(7 * 24 * 3600);

/// Noting each use would be a write a request.
const NOTED_EVERY: Duration = Duration::from_secs(300);

/// A session as a request meets it.
#[derive(Debug, Clone)]
pub struct Session {
    pub account: Account,
    /// What its forms carry.
    pub csrf: String,
    secret_sha256: String,
}

/// Begins a session. Gives the secret for the browser.
pub async fn begin(write: &mut Write, account: &str) -> Result<String, AccountError> {
    let now = write.now;
    sqlx::query("DELETE FROM session WHERE seen_at <= ? OR created_at <= ?")
        .bind(text(now - IDLE))
        .bind(text(now - LASTS))
        .execute(write.sql())
        .await?;
    let drawn = secret::draw()?;
    sqlx::query(
        "INSERT INTO session (secret_sha256, account, csrf, created_at, seen_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(secret::digest(&drawn))
    .bind(account)
    .bind(secret::draw()?)
    .bind(text(now))
    .bind(text(now))
    .execute(write.sql())
    .await?;
    Ok(drawn)
}

/// The session that a browser's secret belongs to, if it still lasts.
pub async fn find(db: &Db, drawn: &str) -> Result<Option<Session>> {
    let now = db.now();
    let secret_sha256 = secret::digest(drawn);
    let row = sqlx::query(
        "SELECT account, csrf, seen_at FROM session WHERE secret_sha256 = ? AND seen_at > ? AND created_at > ?",
    )
    .bind(&secret_sha256)
    .bind(text(now - IDLE))
    .bind(text(now - LASTS))
    .fetch_optional(db.read())
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let Some(account) = accounts::find(db, By::Id(row.get(0))).await? else {
        return Ok(None);
    };
    if account.disabled {
        return Ok(None);
    }
    if time(row.get(2))? + NOTED_EVERY < now {
        let mut write = db.write().await?;
        sqlx::query("UPDATE session SET seen_at = ? WHERE secret_sha256 = ?")
            .bind(text(now))
            .bind(&secret_sha256)
            .execute(write.sql())
            .await?;
        write.commit().await?;
    }
    Ok(Some(Session {
        account,
        csrf: row.get(1),
        secret_sha256,
    }))
}

pub async fn end(write: &mut Write, session: &Session) -> Result<()> {
    sqlx::query("DELETE FROM session WHERE secret_sha256 = ?")
        .bind(&session.secret_sha256)
        .execute(write.sql())
        .await?;
    Ok(())
}

pub(super) async fn end_all(write: &mut Write, account: &str) -> Result<()> {
    sqlx::query("DELETE FROM session WHERE account = ?")
        .bind(account)
        .execute(write.sql())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::tests::Fixture, *};

    #[tokio::test]
    async fn a_session_ends_unused_after_hours_and_used_after_days() {
        let f = Fixture::new().await;
        let mut w = f.db.write().await.unwrap();
        let id = accounts::create(&mut w, "console", "mira", &BTreeSet::new())
            .await
            .unwrap();
        let drawn = begin(&mut w, &id).await.unwrap();
        w.commit().await.unwrap();
        assert!(find(&f.db, "nonsense").await.unwrap().is_none());
        let mut used = Duration::ZERO;
        while used + IDLE / 2 < LASTS {
            f.pass(IDLE / 2);
            used += IDLE / 2;
            assert!(find(&f.db, &drawn).await.unwrap().is_some(), "{used:?}");
        }
        f.pass(IDLE / 2);
        assert!(find(&f.db, &drawn).await.unwrap().is_none());

        let mut w = f.db.write().await.unwrap();
        let drawn = begin(&mut w, &id).await.unwrap();
        w.commit().await.unwrap();
        f.pass(IDLE);
        assert!(find(&f.db, &drawn).await.unwrap().is_none());
    }
}
