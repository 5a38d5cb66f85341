//! What an administrator may switch.

use super::{Db, Result, Write};

/// Whether whoever proposes a release may be the only one who approves it: `true` unless set.
pub const TWO_PERSONS: &str = "two-persons";

pub async fn get(db: &Db, name: &str) -> Result<Option<String>> {
    let found = sqlx::query_scalar("SELECT value FROM setting WHERE name = ?")
        .bind(name)
        .fetch_optional(db.read())
        .await?;
    Ok(found)
}

pub async fn get_in(write: &mut Write, name: &str) -> Result<Option<String>> {
    let found = sqlx::query_scalar("SELECT value FROM setting WHERE name = ?")
        .bind(name)
        .fetch_optional(write.sql())
        .await?;
    Ok(found)
}

pub async fn set(write: &mut Write, name: &str, value: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO setting (name, value) VALUES (?, ?)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(write.sql())
    .await?;
    Ok(())
}
