//! The distribution that a dataset is to have, as its curators declared it. Targets before the
//! newest stand in the audit chain, whole.

use std::collections::BTreeMap;

use fairframe_schemas::{Name, Timestamp};
use serde_json::json;
use sqlx::Row;

use super::{Db, Result, StateError, Write, audit::Act, text, time};

/// A declared target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `country`, `subregion` or `region`.
    pub level: String,
    /// The weight of each place; some are positive.
    pub shares: BTreeMap<String, u64>,
    pub actor: String,
    pub at: Timestamp,
}

/// The target of a dataset, where one is declared.
pub async fn of(db: &Db, dataset: &Name) -> Result<Option<Target>> {
    let sql = "SELECT level, shares, actor, at FROM target WHERE dataset = ?";
    let row = sqlx::query(sql)
        .bind(dataset.as_str())
        .fetch_optional(db.read())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let shares: String = row.get(1);
    let shares = serde_json::from_str(&shares).map_err(|_| StateError::Stored {
        what: "the target",
        value: shares,
    })?;
    Ok(Some(Target {
        level: row.get(0),
        shares,
        actor: row.get(2),
        at: time(row.get(3))?,
    }))
}

/// Declares a target in the place of any before.
pub async fn declare(
    write: &mut Write,
    dataset: &Name,
    actor: &str,
    level: &str,
    shares: &BTreeMap<String, u64>,
    why: &str,
) -> Result<()> {
    let subject = format!("target of {dataset}");
    let act = Act {
        actor,
        act: "declare",
        subject: &subject,
        details: json!({ "level": level, "shares": shares }),
        why,
    };
    let seq = write.tell(act).await?;
    let now = text(write.now);
    sqlx::query(
        "INSERT INTO target (dataset, level, shares, declared, actor, at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (dataset) DO UPDATE SET level = excluded.level, shares = excluded.shares,
             declared = excluded.declared, actor = excluded.actor, at = excluded.at",
    )
    .bind(dataset.as_str())
    .bind(level)
    .bind(json!(shares).to_string())
    .bind(seq)
    .bind(actor)
    .bind(now)
    .execute(write.sql())
    .await?;
    Ok(())
}

/// Takes the target back; whether there was one.
pub async fn remove(write: &mut Write, dataset: &Name, actor: &str, why: &str) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM target WHERE dataset = ?")
        .bind(dataset.as_str())
        .execute(write.sql())
        .await?;
    if gone.rows_affected() == 0 {
        return Ok(false);
    }
    let subject = format!("target of {dataset}");
    let act = Act {
        actor,
        act: "remove",
        subject: &subject,
        details: json!({}),
        why,
    };
    write.tell(act).await?;
    Ok(true)
}
