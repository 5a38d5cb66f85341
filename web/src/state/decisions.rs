//! What curators decided about samples and is not yet, or already, released.
//!
//! A decision stands until another one about the same sample or an undo; a release
//! carries all that stand. A batch is decided in one transaction and undone in one.

use std::collections::{BTreeMap, HashMap};

use fairframe_schemas::{Decision, Name, Ruling, SampleId, Timestamp};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{Db, Result, StateError, Write, audit::Act, text, time};

/// Most samples decided at once: some seconds of the one writer.
pub const MAX_BATCH: usize = 100_000;

/// Most labels a curator gives a sample, and the longest, in bytes.
pub const MAX_LABELS: usize = 100;
pub const MAX_LABEL: usize = 200;

/// What is decided of every sample of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Rule(Ruling),
    /// These labels and no others.
    Label(Vec<String>),
    /// No ruling any more: the sample stands as its source and the policy have it.
    Clear,
}

/// A decision that stands, and who made it when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub decision: Decision,
    pub why: String,
    pub actor: String,
    pub at: Timestamp,
    pub batch: i64,
}

/// What was decided together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub seq: i64,
    pub actor: String,
    pub samples: i64,
    pub at: Timestamp,
    /// `decide` with its details in words, as the chain tells it.
    pub details: String,
    pub why: String,
    pub undone: bool,
}

/// What is to be decided.
#[derive(Debug)]
pub struct Order<'a> {
    pub dataset: &'a Name,
    pub actor: &'a str,
    pub change: &'a Change,
    pub why: &'a str,
    /// The filter that found the samples, as a URL's query; empty for a chosen one.
    pub filter: &'a str,
}

/// Decides. Samples that were withdrawn are for the caller to leave out. Gives the batch.
pub async fn decide(write: &mut Write, order: &Order<'_>, samples: &[SampleId]) -> Result<i64> {
    let details = json!({
        "change": told(order.change),
        "samples": samples.len(),
        "filter": order.filter,
    });
    let subject = subject(order.dataset, samples);
    let act = Act {
        actor: order.actor,
        act: "decide",
        subject: &subject,
        details,
        why: order.why,
    };
    let seq = write.tell(act).await?;
    begin(write, seq, order.dataset, order.actor, samples.len()).await?;
    let now = text(write.now);
    for samples in samples.chunks(AT_ONCE) {
        let ids: Vec<String> = samples.iter().map(SampleId::to_string).collect();
        let mut known = standing_of(write, order.dataset, &ids).await?;
        let before: Vec<(String, Stored)> = ids
            .into_iter()
            .map(|id| {
                let stored = known.remove(&id).unwrap_or_default();
                (id, stored)
            })
            .collect();
        keep(write, seq, &before).await?;
        let after = before.into_iter().map(|(id, stored)| {
            let (mut ruling, mut labels) = (stored.ruling, stored.labels);
            match order.change {
                Change::Rule(new) => ruling = Some(new.as_str().to_owned()),
                Change::Label(new) => labels = Some(json!(new).to_string()),
                Change::Clear => (ruling, labels) = (None, None),
            }
            let new = Stored {
                ruling,
                labels,
                why: order.why.to_owned(),
                actor: order.actor.to_owned(),
                at: now.clone(),
                batch: seq,
            };
            (id, new)
        });
        put(write, order.dataset, after.collect()).await?;
    }
    Ok(seq)
}

/// Why a batch is not undone.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    #[error("There is no such decision.")]
    None,
    #[error("It was undone already.")]
    Undone,
    #[error("Some of its samples were decided again since; undo that first.")]
    Since,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for UndoError {
    fn from(error: sqlx::Error) -> Self {
        UndoError::State(error.into())
    }
}

/// Puts every sample of a batch back to what stood before it. Gives the new entry's number.
pub async fn undo(
    write: &mut Write,
    dataset: &Name,
    actor: &str,
    batch: i64,
) -> Result<i64, UndoError> {
    let row = sqlx::query("SELECT undone, samples FROM batch WHERE seq = ? AND dataset = ?")
        .bind(batch)
        .bind(dataset.as_str())
        .fetch_optional(write.sql())
        .await?
        .ok_or(UndoError::None)?;
    if row.get::<Option<i64>, _>(0).is_some() {
        return Err(UndoError::Undone);
    }
    let samples: i64 = row.get(1);
    let since: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM before_batch mine
         JOIN before_batch later ON later.sample_id = mine.sample_id AND later.batch > mine.batch
         JOIN batch b ON b.seq = later.batch AND b.dataset = ? AND b.undone IS NULL
         WHERE mine.batch = ?",
    )
    .bind(dataset.as_str())
    .bind(batch)
    .fetch_one(write.sql())
    .await?;
    if since > 0 {
        return Err(UndoError::Since);
    }
    let subject = format!("decision {batch} of {dataset}");
    let act = Act {
        actor,
        act: "undo",
        subject: &subject,
        details: json!({ "samples": samples }),
        why: "",
    };
    let seq = write.tell(act).await?;
    let rows = sqlx::query(
        "SELECT ruling, labels, why, actor, at, of_batch, sample_id FROM before_batch WHERE batch = ?",
    )
    .bind(batch)
    .fetch_all(write.sql())
    .await?;
    for rows in rows.chunks(AT_ONCE) {
        let before = rows.iter().map(|row| (row.get(6), Stored::of(row)));
        put(write, dataset, before.collect()).await?;
    }
    sqlx::query("UPDATE batch SET undone = ? WHERE seq = ?")
        .bind(seq)
        .bind(batch)
        .execute(write.sql())
        .await?;
    Ok(seq)
}

/// Samples of one statement: with eight values each it stays far below the 32,766 that a statement
/// may have.
const AT_ONCE: usize = 500;

/// `(?, ?), (?, ?)`: places for the values of rows.
fn places(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
}

/// A row of `decision`, or what would be one.
#[derive(Default)]
struct Stored {
    ruling: Option<String>,
    labels: Option<String>,
    why: String,
    actor: String,
    at: String,
    batch: i64,
}

impl Stored {
    fn of(row: &SqliteRow) -> Self {
        Self {
            ruling: row.get(0),
            labels: row.get(1),
            why: row.get(2),
            actor: row.get(3),
            at: row.get(4),
            batch: row.get(5),
        }
    }

    fn is_nothing(&self) -> bool {
        self.ruling.is_none() && self.labels.is_none()
    }
}

async fn begin(
    write: &mut Write,
    seq: i64,
    dataset: &Name,
    actor: &str,
    samples: usize,
) -> Result<()> {
    sqlx::query("INSERT INTO batch (seq, dataset, actor, samples) VALUES (?, ?, ?, ?)")
        .bind(seq)
        .bind(dataset.as_str())
        .bind(actor)
        .bind(samples as i64)
        .execute(write.sql())
        .await?;
    Ok(())
}

/// What stands of some samples, by id.
async fn standing_of(
    write: &mut Write,
    dataset: &Name,
    ids: &[String],
) -> Result<HashMap<String, Stored>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT ruling, labels, why, actor, at, batch, sample_id FROM decision
         WHERE dataset = ? AND sample_id IN {}",
        places(1, ids.len())
    ));
    let query = sqlx::query(sql).bind(dataset.as_str());
    let query = ids.iter().fold(query, |query, id| query.bind(id));
    let rows = query.fetch_all(write.sql()).await?;
    let found = rows.iter().map(|row| (row.get(6), Stored::of(row)));
    Ok(found.collect())
}

/// Notes what stood before a batch.
async fn keep(write: &mut Write, seq: i64, before: &[(String, Stored)]) -> Result<()> {
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO before_batch (batch, sample_id, ruling, labels, why, actor, at, of_batch)
         VALUES {}",
        places(before.len(), 8)
    ));
    let query = before.iter().fold(sqlx::query(sql), |query, (id, stood)| {
        query
            .bind(seq)
            .bind(id)
            .bind(&stood.ruling)
            .bind(&stood.labels)
            .bind(&stood.why)
            .bind(&stood.actor)
            .bind(&stood.at)
            .bind(stood.batch)
    });
    query.execute(write.sql()).await?;
    Ok(())
}

/// Puts what is to stand of samples, at most [`AT_ONCE`], in the place of what stands.
async fn put(write: &mut Write, dataset: &Name, new: Vec<(String, Stored)>) -> Result<()> {
    let (gone, new): (Vec<_>, Vec<_>) = new.into_iter().partition(|(_, s)| s.is_nothing());
    if !gone.is_empty() {
        let sql = sqlx::AssertSqlSafe(format!(
            "DELETE FROM decision WHERE dataset = ? AND sample_id IN {}",
            places(1, gone.len())
        ));
        let query = sqlx::query(sql).bind(dataset.as_str());
        let query = gone.iter().fold(query, |query, (id, _)| query.bind(id));
        query.execute(write.sql()).await?;
    }
    if new.is_empty() {
        return Ok(());
    }
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO decision (dataset, sample_id, ruling, labels, why, actor, at, batch)
         VALUES {}
         ON CONFLICT (dataset, sample_id) DO UPDATE SET
         ruling = excluded.ruling, labels = excluded.labels, why = excluded.why,
         actor = excluded.actor, at = excluded.at, batch = excluded.batch",
        places(new.len(), 8)
    ));
    let query = new.iter().fold(sqlx::query(sql), |query, (id, new)| {
        query
            .bind(dataset.as_str())
            .bind(id)
            .bind(&new.ruling)
            .bind(&new.labels)
            .bind(&new.why)
            .bind(&new.actor)
            .bind(&new.at)
            .bind(new.batch)
    });
    query.execute(write.sql()).await?;
    Ok(())
}

const STANDING: &str = "SELECT ruling, labels, why, actor, at, batch, sample_id FROM decision";

/// Every decision that stands for a dataset, by sample.
pub async fn standing(db: &Db, dataset: &Name) -> Result<BTreeMap<SampleId, Standing>> {
    let sql = sqlx::AssertSqlSafe(format!("{STANDING} WHERE dataset = ?"));
    let rows = sqlx::query(sql)
        .bind(dataset.as_str())
        .fetch_all(db.read())
        .await?;
    rows.iter()
        .map(|row| stands(row).map(|s| (s.decision.sample_id, s)))
        .collect()
}

/// What stands of one sample.
pub async fn of(db: &Db, dataset: &Name, sample: SampleId) -> Result<Option<Standing>> {
    let sql = sqlx::AssertSqlSafe(format!("{STANDING} WHERE dataset = ? AND sample_id = ?"));
    let row = sqlx::query(sql)
        .bind(dataset.as_str())
        .bind(sample.to_string())
        .fetch_optional(db.read())
        .await?;
    row.as_ref().map(stands).transpose()
}

/// A number that grows with every decision about a dataset and every undo: as long as it
/// is the same, so is [`standing`].
pub async fn revision(db: &Db, dataset: &Name) -> Result<i64> {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT max(max(seq, coalesce(undone, 0))) FROM batch WHERE dataset = ?",
    )
    .bind(dataset.as_str())
    .fetch_one(db.read())
    .await?;
    Ok(found.unwrap_or(0))
}

/// The newest batches of a dataset.
pub async fn batches(db: &Db, dataset: &Name, limit: u32) -> Result<Vec<Batch>> {
    let rows = sqlx::query(
        "SELECT b.seq, b.actor, b.samples, a.at, a.details, a.why, b.undone IS NOT NULL
         FROM batch b JOIN audit a ON a.seq = b.seq
         WHERE b.dataset = ? ORDER BY b.seq DESC LIMIT ?",
    )
    .bind(dataset.as_str())
    .bind(limit)
    .fetch_all(db.read())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Batch {
                seq: row.get(0),
                actor: row.get(1),
                samples: row.get(2),
                at: time(row.get(3))?,
                details: row.get(4),
                why: row.get(5),
                undone: row.get(6),
            })
        })
        .collect()
}

fn stands(row: &SqliteRow) -> Result<Standing> {
    let stored = StateError::stored;
    let id: &str = row.get(6);
    let ruling: Option<&str> = row.get(0);
    let labels: Option<&str> = row.get(1);
    Ok(Standing {
        decision: Decision {
            sample_id: id.parse().map_err(|_| stored("the sample", id))?,
            ruling: ruling
                .map(|r| r.parse().map_err(|_| stored("the ruling", r)))
                .transpose()?,
            labels: labels
                .map(|l| serde_json::from_str(l).map_err(|_| stored("the labels", l)))
                .transpose()?,
        },
        why: row.get(2),
        actor: row.get(3),
        at: time(row.get(4))?,
        batch: row.get(5),
    })
}

/// What a change is, in the chain's words.
fn told(change: &Change) -> String {
    match change {
        Change::Rule(ruling) => ruling.to_string(),
        Change::Label(labels) => format!("labels: {}", labels.join(", ")),
        Change::Clear => "clear".to_owned(),
    }
}

fn subject(dataset: &Name, samples: &[SampleId]) -> String {
    match samples {
        [one] => format!("sample {one} of {dataset}"),
        many => format!("{} samples of {dataset}", many.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Fixture, *};

    fn name() -> Name {
        Name::new("photos").unwrap()
    }

    fn samples(n: usize) -> Vec<SampleId> {
        (0..n).map(|i| SampleId::new("s", &i.to_string())).collect()
    }

    async fn decide_one(f: &Fixture, change: Change, ids: &[SampleId]) -> i64 {
        let dataset = name();
        let order = Order {
            dataset: &dataset,
            actor: "mira",
            change: &change,
            why: "looked",
            filter: "country=PE",
        };
        let mut write = f.db.write().await.unwrap();
        let seq = decide(&mut write, &order, ids).await.unwrap();
        write.commit().await.unwrap();
        seq
    }

    async fn undo_one(f: &Fixture, batch: i64) -> Result<i64, UndoError> {
        let mut write = f.db.write().await.unwrap();
        let undone = undo(&mut write, &name(), "noor", batch).await;
        if undone.is_ok() {
            write.commit().await.unwrap();
        }
        undone
    }

    #[tokio::test]
    async fn a_batch_is_undone_to_what_stood_before_it() {
        let f = Fixture::new().await;
        let ids = samples(10);
        let first = decide_one(&f, Change::Rule(Ruling::Reject), &ids[..6]).await;
        let before = standing(&f.db, &name()).await.unwrap();
        assert_eq!(before.len(), 6);
        let labels = Change::Label(vec!["tree".to_owned()]);
        let second = decide_one(&f, labels, &ids[4..]).await;
        let both = &standing(&f.db, &name()).await.unwrap()[&ids[4]];
        assert_eq!(both.decision.ruling, Some(Ruling::Reject));
        assert_eq!(
            both.decision.labels.as_deref(),
            Some(&["tree".to_owned()][..])
        );
        assert!(matches!(undo_one(&f, first).await, Err(UndoError::Since)));
        let revision_before = revision(&f.db, &name()).await.unwrap();
        undo_one(&f, second).await.unwrap();
        assert!(revision(&f.db, &name()).await.unwrap() > revision_before);
        assert_eq!(standing(&f.db, &name()).await.unwrap(), before);
        assert!(matches!(undo_one(&f, second).await, Err(UndoError::Undone)));
        assert!(matches!(undo_one(&f, 999).await, Err(UndoError::None)));
        undo_one(&f, first).await.unwrap();
        assert!(standing(&f.db, &name()).await.unwrap().is_empty());
        let listed = batches(&f.db, &name(), 10).await.unwrap();
        assert_eq!(
            listed.iter().map(|b| (b.seq, b.undone)).collect::<Vec<_>>(),
            [(second, true), (first, true)]
        );
        assert!(listed[1].details.contains("country=PE"));
        assert_eq!(
            super::super::audit::verify(&f.db)
                .await
                .unwrap()
                .unwrap()
                .entries,
            4
        );
    }

    #[tokio::test]
    async fn more_samples_than_one_statement_takes_are_decided_and_undone_together() {
        let f = Fixture::new().await;
        let ids = samples(2 * AT_ONCE + 3);
        let across = &ids[AT_ONCE - 2..AT_ONCE + 2];
        decide_one(&f, Change::Label(vec!["tree".to_owned()]), across).await;
        let before = standing(&f.db, &name()).await.unwrap();
        let all = decide_one(&f, Change::Rule(Ruling::Reject), &ids).await;
        let after = standing(&f.db, &name()).await.unwrap();
        assert_eq!(after.len(), ids.len());
        for (id, stands) in &after {
            assert_eq!(stands.decision.ruling, Some(Ruling::Reject));
            assert_eq!(stands.decision.labels.is_some(), across.contains(id));
        }
        undo_one(&f, all).await.unwrap();
        assert_eq!(standing(&f.db, &name()).await.unwrap(), before);
        decide_one(&f, Change::Clear, &ids).await;
        assert!(standing(&f.db, &name()).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn clearing_takes_a_decision_away_and_undoing_that_brings_it_back() {
        let f = Fixture::new().await;
        let ids = samples(2);
        let first = decide_one(&f, Change::Rule(Ruling::Quarantine), &ids).await;
        let before = standing(&f.db, &name()).await.unwrap();
        let clear = decide_one(&f, Change::Clear, &ids[..1]).await;
        assert_eq!(standing(&f.db, &name()).await.unwrap().len(), 1);
        assert_eq!(of(&f.db, &name(), ids[0]).await.unwrap(), None);
        assert!(matches!(undo_one(&f, first).await, Err(UndoError::Since)));
        undo_one(&f, clear).await.unwrap();
        assert_eq!(standing(&f.db, &name()).await.unwrap(), before);
        // Of another dataset nothing is known.
        let other = Name::new("other").unwrap();
        assert!(standing(&f.db, &other).await.unwrap().is_empty());
        let mut write = f.db.write().await.unwrap();
        assert!(matches!(
            undo(&mut write, &other, "noor", 1).await,
            Err(UndoError::None)
        ));
    }
}
