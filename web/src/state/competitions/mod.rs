//! Competitions: what is open, by which truth, and who hands in what.

pub mod queue;
pub mod scores;
pub mod submissions;
pub mod teams;
pub mod truths;
pub mod uploads;

use fairframe_schemas::{Digest, Name, Timestamp};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{Db, Result, StateError, Write, audit::Act, text, time};

/// A competition as it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub name: Name,
    pub title: String,
    /// Of its folder's files.
    pub definition: Digest,
    /// To hosts only.
    pub hidden: bool,
    pub opened_by: String,
    pub opened_at: Timestamp,
}

/// Why a competition is not opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("There is a competition of that name already; open another version of it instead.")]
    Taken,
    #[error("There is no competition of that name.")]
    None,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        OpenError::State(error.into())
    }
}

/// Opens a competition, to hosts only at first. `stages` are its stages' names and the digests of
/// their prepared truths.
pub async fn open(
    write: &mut Write,
    by: &str,
    name: &Name,
    title: &str,
    definition: Digest,
    stages: &[(Name, Digest)],
) -> Result<(), OpenError> {
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM competition WHERE name = ?")
        .bind(name.as_str())
        .fetch_one(write.sql())
        .await?;
    if there > 0 {
        return Err(OpenError::Taken);
    }
    let now = text(write.now);
    sqlx::query(
        "INSERT INTO competition (name, title, definition, hidden, opened_by, opened_at)
         VALUES (?, ?, ?, 1, ?, ?)",
    )
    .bind(name.as_str())
    .bind(title)
    .bind(definition.to_string())
    .bind(by)
    .bind(now)
    .execute(write.sql())
    .await?;
    for (stage, digest) in stages {
        truths::first(write, by, name, stage, *digest).await?;
    }
    let subject = format!("competition {name}");
    let act = Act {
        actor: by,
        act: "open",
        subject: &subject,
        details: json!({ "definition": definition, "stages": stages }),
        why: "",
    };
    write.tell(act).await?;
    Ok(())
}

/// Puts another definition in the place of the one in use: texts, times, limits, columns. Stages
/// it adds begin with their truth; truths of those there are, are corrected by [`truths::correct`].
pub async fn redefine(
    write: &mut Write,
    by: &str,
    name: &Name,
    title: &str,
    definition: Digest,
    stages: &[(Name, Digest)],
) -> Result<(), OpenError> {
    let done = sqlx::query("UPDATE competition SET title = ?, definition = ? WHERE name = ?")
        .bind(title)
        .bind(definition.to_string())
        .bind(name.as_str())
        .execute(write.sql())
        .await?;
    if done.rows_affected() == 0 {
        return Err(OpenError::None);
    }
    for (stage, digest) in stages {
        if truths::newest_in(write, name, stage).await?.is_none() {
            truths::first(write, by, name, stage, *digest).await?;
        }
    }
    let subject = format!("competition {name}");
    let act = Act {
        actor: by,
        act: "redefine",
        subject: &subject,
        details: json!({ "definition": definition }),
        why: "",
    };
    write.tell(act).await?;
    // Titles and what is hidden may be others now.
    for (stage, _) in stages {
        queue::ask_board(write, name, stage).await?;
    }
    Ok(())
}

/// Shows a competition to everybody, or to hosts only.
pub async fn set_hidden(write: &mut Write, by: &str, name: &Name, hidden: bool) -> Result<()> {
    let done = sqlx::query("UPDATE competition SET hidden = ? WHERE name = ? AND hidden <> ?")
        .bind(hidden)
        .bind(name.as_str())
        .bind(hidden)
        .execute(write.sql())
        .await?;
    if done.rows_affected() > 0 {
        let subject = format!("competition {name}");
        let act = Act {
            actor: by,
            act: if hidden { "hide" } else { "publish" },
            subject: &subject,
            details: json!({}),
            why: "",
        };
        write.tell(act).await?;
    }
    Ok(())
}

const COLUMNS: &str =
    "SELECT name, title, definition, hidden, opened_by, opened_at FROM competition";

/// All, newest first.
pub async fn all(db: &Db) -> Result<Vec<Opened>> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY opened_at DESC, name"));
    let rows = sqlx::query(sql).fetch_all(db.read()).await?;
    rows.iter().map(opened).collect()
}

pub async fn find(db: &Db, name: &Name) -> Result<Option<Opened>> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name = ?"));
    let row = sqlx::query(sql)
        .bind(name.as_str())
        .fetch_optional(db.read())
        .await?;
    row.as_ref().map(opened).transpose()
}

fn opened(row: &SqliteRow) -> Result<Opened> {
    Ok(Opened {
        name: named(row.get(0))?,
        title: row.get(1),
        definition: digest(row.get(2))?,
        hidden: row.get(3),
        opened_by: row.get(4),
        opened_at: time(row.get(5))?,
    })
}

fn named(text: &str) -> Result<Name> {
    Name::new(text).map_err(|_| StateError::stored("the name", text))
}

fn digest(text: &str) -> Result<Digest> {
    text.parse()
        .map_err(|_| StateError::stored("the digest", text))
}

/// Accepts the rules of a competition, in a version of theirs. Once is enough.
pub async fn accept_rules(
    write: &mut Write,
    competition: &Name,
    account: (&str, &str),
    version: &str,
) -> Result<()> {
    let (id, name) = account;
    let now = text(write.now);
    let done = sqlx::query(
        "INSERT INTO accepted_rules (competition, account, version, at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
    )
    .bind(competition.as_str())
    .bind(id)
    .bind(version)
    .bind(now)
    .execute(write.sql())
    .await?;
    if done.rows_affected() > 0 {
        let subject = format!("rules of {competition}");
        let act = Act {
            actor: name,
            act: "accept",
            subject: &subject,
            details: json!({ "version": version }),
            why: "",
        };
        write.tell(act).await?;
    }
    Ok(())
}

pub async fn accepted_rules(
    db: &Db,
    competition: &Name,
    account: &str,
    version: &str,
) -> Result<bool> {
    let n: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM accepted_rules WHERE competition = ? AND account = ? AND version = ?",
    )
    .bind(competition.as_str())
    .bind(account)
    .bind(version)
    .fetch_one(db.read())
    .await?;
    Ok(n > 0)
}
