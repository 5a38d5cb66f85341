//! Changes asked for under a key: a program that does not know whether it was heard asks again
//! with the same key, and the change is done once.

use std::time::Duration;

use fairframe_schemas::Digest;
use sqlx::Row;

use super::{Result, StateError, Write, text};

/// Longest key, in bytes.
pub const MAX_KEY: usize = 200;

/// How long a key is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);

/// A key, who gave it, and the digest of what was asked.
#[derive(Debug, Clone)]
pub struct Key {
    pub actor: String,
    pub key: String,
    pub request: Digest,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("The key was used for another request already.")]
    Other,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for KeyError {
    fn from(error: sqlx::Error) -> Self {
        KeyError::State(error.into())
    }
}

/// The number of what was done under a key; none where nothing was.
pub async fn done(write: &mut Write, key: &Key) -> Result<Option<i64>, KeyError> {
    let old = text(write.now - REMEMBERED);
    sqlx::query("DELETE FROM asked_once WHERE at < ?")
        .bind(old)
        .execute(write.sql())
        .await?;
    let row = sqlx::query("SELECT request_sha256, seq FROM asked_once WHERE actor = ? AND key = ?")
        .bind(&key.actor)
        .bind(&key.key)
        .fetch_optional(write.sql())
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    match row.get::<&str, _>(0) == key.request.to_string() {
        true => Ok(Some(row.get(1))),
        false => Err(KeyError::Other),
    }
}

/// Notes what was done.
pub async fn note(write: &mut Write, key: &Key, seq: i64) -> Result<()> {
    let now = text(write.now);
    sqlx::query(
        "INSERT INTO asked_once (actor, key, request_sha256, seq, at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&key.actor)
    .bind(&key.key)
    .bind(key.request.to_string())
    .bind(seq)
    .bind(now)
    .execute(write.sql())
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Fixture, *};

    #[tokio::test]
    async fn a_key_stands_for_one_request_of_one_person_for_a_week() {
        let f = Fixture::new().await;
        let key = |actor: &str, request: &[u8]| Key {
            actor: actor.to_owned(),
            key: "k".to_owned(),
            request: Digest::of(request),
        };
        let mira = key("mira", b"a");
        let mut w = f.db.write().await.unwrap();
        assert_eq!(done(&mut w, &mira).await.unwrap(), None);
        note(&mut w, &mira, 7).await.unwrap();
        assert_eq!(done(&mut w, &mira).await.unwrap(), Some(7));
        let other = done(&mut w, &key("mira", b"b")).await;
        assert!(matches!(other, Err(KeyError::Other)));
        assert_eq!(done(&mut w, &key("noor", b"b")).await.unwrap(), None);
        w.commit().await.unwrap();
        f.pass(REMEMBERED + Duration::from_secs(1));
        let mut w = f.db.write().await.unwrap();
        assert_eq!(done(&mut w, &mira).await.unwrap(), None);
    }
}
