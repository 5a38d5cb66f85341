//! Files that arrive in pieces. How much of one is there, its file on the disk says.

use std::time::Duration;

use fairframe_schemas::{Name, Timestamp};
use sqlx::Row;

use super::super::{Db, Result, StateError, Write, secret, text, time};

/// Uploads of an account that may be under way at a time.
pub const MAX_OPEN: i64 = 5;

/// How long an upload that is not finished is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub id: String,
    pub competition: Name,
    pub account: String,
    pub name: String,
    /// Of the whole file.
    pub bytes: u64,
    pub at: Timestamp,
}

/// Why an upload is not begun.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("{MAX_OPEN} uploads of yours are under way; finish or cancel one first.")]
    Many,
    #[error("make a name for the upload: {0}")]
    Random(#[from] secret::NoRandom),
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for UploadError {
    fn from(error: sqlx::Error) -> Self {
        UploadError::State(error.into())
    }
}

/// Begins an upload. Gives its name.
pub async fn begin(
    write: &mut Write,
    competition: &Name,
    account: &str,
    name: &str,
    bytes: u64,
) -> Result<String, UploadError> {
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM upload WHERE account = ?")
        .bind(account)
        .fetch_one(write.sql())
        .await?;
    if open >= MAX_OPEN {
        return Err(UploadError::Many);
    }
    let id = secret::draw()?;
    let now = text(write.now);
    sqlx::query(
        "INSERT INTO upload (id, competition, account, name, bytes, at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(competition.as_str())
    .bind(account)
    .bind(name)
    .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
    .bind(now)
    .execute(write.sql())
    .await?;
    Ok(id)
}

/// An upload of that account; nobody else's is found.
pub async fn find(db: &Db, id: &str, account: &str) -> Result<Option<Upload>> {
    let row = sqlx::query(
        "SELECT id, competition, account, name, bytes, at FROM upload WHERE id = ? AND account = ?",
    )
    .bind(id)
    .bind(account)
    .fetch_optional(db.read())
    .await?;
    row.map(|row| {
        Ok(Upload {
            id: row.get(0),
            competition: super::named(row.get(1))?,
            account: row.get(2),
            name: row.get(3),
            bytes: u64::try_from(row.get::<i64, _>(4)).unwrap_or(0),
            at: time(row.get(5))?,
        })
    })
    .transpose()
}

/// Ends an upload: its bytes stand elsewhere, or are not wanted.
pub async fn end(write: &mut Write, id: &str) -> Result<()> {
    sqlx::query("DELETE FROM upload WHERE id = ?")
        .bind(id)
        .execute(write.sql())
        .await?;
    Ok(())
}

/// Forgets what was begun before a moment.
pub async fn forget(write: &mut Write, before: Timestamp) -> Result<()> {
    sqlx::query("DELETE FROM upload WHERE at < ?")
        .bind(text(before))
        .execute(write.sql())
        .await?;
    Ok(())
}
