//! Terms that a dataset asks people to accept before they download it, and who did.
//!
//! New terms are to be accepted anew. A dataset without terms is open to everybody.

use fairframe_schemas::{Name, Timestamp};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{Db, Result, StateError, Write, accounts::Account, audit::Act, text, time};

/// Longest terms, in bytes.
pub const MAX_TERMS: usize = 20_000;

/// Terms that stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Their number: that of their entry of the audit chain.
    pub seq: i64,
    pub dataset: Name,
    pub text: String,
    pub at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    #[error("The terms are longer than {MAX_TERMS} bytes.")]
    Long,
    #[error("These terms do not stand any more: read the new ones.")]
    Other,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for TermsError {
    fn from(error: sqlx::Error) -> Self {
        TermsError::State(error.into())
    }
}

const NEWEST: &str = "SELECT seq, dataset, text, at FROM terms";

fn terms(row: &SqliteRow) -> Result<Terms> {
    let dataset: &str = row.get(1);
    Ok(Terms {
        seq: row.get(0),
        dataset: Name::new(dataset).map_err(|_| StateError::Stored {
            what: "the dataset",
            value: dataset.to_owned(),
        })?,
        text: row.get(2),
        at: time(row.get(3))?,
    })
}

/// The terms of a dataset; none where there are none.
pub async fn of(db: &Db, dataset: &Name) -> Result<Option<Terms>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{NEWEST} WHERE dataset = ? ORDER BY seq DESC LIMIT 1"
    ));
    let row = sqlx::query(sql)
        .bind(dataset.as_str())
        .fetch_optional(db.read())
        .await?;
    let found = row.as_ref().map(terms).transpose()?;
    Ok(found.filter(|t| !t.text.is_empty()))
}

/// What a dataset asks for from now on; an empty text asks for nothing.
pub async fn set(
    write: &mut Write,
    dataset: &Name,
    actor: &str,
    new: &str,
) -> Result<(), TermsError> {
    let new = new.trim();
    if new.len() > MAX_TERMS {
        return Err(TermsError::Long);
    }
    let subject = format!("terms of {dataset}");
    let act = Act {
        actor,
        act: "set-terms",
        subject: &subject,
        details: json!({ "bytes": new.len() }),
        why: "",
    };
    let seq = write.tell(act).await?;
    let at = text(write.now);
    sqlx::query("INSERT INTO terms (seq, dataset, text, at, actor) VALUES (?, ?, ?, ?, ?)")
        .bind(seq)
        .bind(dataset.as_str())
        .bind(new)
        .bind(at)
        .bind(actor)
        .execute(write.sql())
        .await?;
    Ok(())
}

/// Accepts the terms of that number, if they are the ones that stand. Accepted twice is accepted.
pub async fn accept(
    write: &mut Write,
    dataset: &Name,
    account: &Account,
    seq: i64,
) -> Result<(), TermsError> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM terms WHERE dataset = ?")
        .bind(dataset.as_str())
        .fetch_one(write.sql())
        .await?;
    if newest != Some(seq) {
        return Err(TermsError::Other);
    }
    let at = text(write.now);
    let done = sqlx::query(
        "INSERT INTO terms_accepted (account, terms, at) VALUES (?, ?, ?)
         ON CONFLICT (account, terms) DO NOTHING",
    )
    .bind(&account.id)
    .bind(seq)
    .bind(at)
    .execute(write.sql())
    .await?;
    if done.rows_affected() == 1 {
        let subject = format!("terms of {dataset}");
        let act = Act {
            actor: &account.name,
            act: "accept-terms",
            subject: &subject,
            details: json!({ "terms": seq }),
            why: "",
        };
        write.tell(act).await?;
    }
    Ok(())
}

/// Whether an account has accepted the terms of that number.
pub async fn accepted(db: &Db, account: &str, seq: i64) -> Result<bool> {
    let n: i64 =
        sqlx::query_scalar("SELECT count(*) FROM terms_accepted WHERE account = ? AND terms = ?")
            .bind(account)
            .bind(seq)
            .fetch_one(db.read())
            .await?;
    Ok(n > 0)
}
