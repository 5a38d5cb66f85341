//! The audit chain: who did what, when, why. Entries are only ever added.
//!
//! An entry's hash is the SHA-256 of its line of JSON, in which the hash of the entry
//! before stands; so whoever changes, removes or moves an entry must make all later
//! ones anew, and anybody who noted a later hash sees it. Decisions handed to an
//! ingest note the newest one.

use fairframe_schemas::{Digest, Name, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;

use super::{Db, Result, Write, text, time};

/// What stands before the first entry.
pub const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Longest reason a person can give, in bytes.
pub const MAX_WHY: usize = 4_000;

/// What is to be told. `actor` and `subject` are names and ids, never people's data.
#[derive(Debug, Clone)]
pub struct Act<'a> {
    pub actor: &'a str,
    /// A verb: `decide`, `invite`, `approve`, ...
    pub act: &'a str,
    /// What it was done to: `account mira`, `sample 3f..`, ...
    pub subject: &'a str,
    pub details: Value,
    pub why: &'a str,
}

/// An entry as it is hashed: the fields in this order, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub seq: i64,
    pub at: String,
    pub actor: String,
    pub act: String,
    pub subject: String,
    /// JSON text, verbatim.
    pub details: String,
    pub why: String,
    pub previous: String,
}

impl Entry {
    pub fn hash(&self) -> String {
        // A struct of texts and a number always has a JSON.
        let line = serde_json::to_string(self).unwrap_or_default();
        Digest::of(line.as_bytes()).to_string()
    }

    pub fn when(&self) -> Result<Timestamp> {
        time(self.at.clone())
    }
}

/// An entry with the hash that was written beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    #[serde(flatten)]
    pub entry: Entry,
    pub hash: String,
}

impl Write {
    /// Adds an entry; it stands once the transaction does. Gives its number.
    pub async fn tell(&mut self, act: Act<'_>) -> Result<i64> {
        let (last, previous) = head_in(self).await?;
        let seq = last + 1;
        let entry = Entry {
            seq,
            at: text(self.now),
            actor: act.actor.to_owned(),
            act: act.act.to_owned(),
            subject: act.subject.to_owned(),
            details: act.details.to_string(),
            why: act.why.to_owned(),
            previous,
        };
        sqlx::query(
            "INSERT INTO audit (seq, at, actor, act, subject, details, why, previous, hash)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(entry.seq)
        .bind(&entry.at)
        .bind(&entry.actor)
        .bind(&entry.act)
        .bind(&entry.subject)
        .bind(&entry.details)
        .bind(&entry.why)
        .bind(&entry.previous)
        .bind(entry.hash())
        .execute(self.sql())
        .await?;
        Ok(seq)
    }
}

/// A part of the log: what concerns some datasets, and whatever one account did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub actor: String,
    pub datasets: Vec<Name>,
}

/// Subjects that concern a dataset, whose name stands for `{}`: letters, digits and hyphens, so that no
/// name is taken for the end of another or for a pattern. Competitions have names of their own, which
/// may be a dataset's.
const CONCERN: [&str; 11] = [
    "sample % of {}",
    "% samples of {}",
    "decision % of {}",
    "person % of {}",
    "source % of dataset {}",
    "target of {}",
    "terms of {}",
    "ingest of {}",
    "retry of {}",
    "release of {}",
    "release of {} after %",
];

impl Part {
    /// Of SQL, with a `?` for each of [`Part::bound`].
    fn condition(&self) -> String {
        let mut any = vec!["actor = ?".to_owned()];
        for _ in &self.datasets {
            any.extend(CONCERN.map(|_| "subject LIKE ?".to_owned()));
            any.push(
                "subject IN (SELECT 'takedown request ' || number FROM takedown WHERE dataset = ?)"
                    .to_owned(),
            );
        }
        any.join(" OR ")
    }

    fn bound(&self) -> Vec<String> {
        let mut all = vec![self.actor.clone()];
        for dataset in &self.datasets {
            all.extend(CONCERN.map(|pattern| pattern.replace("{}", dataset.as_str())));
            all.push(dataset.to_string());
        }
        all
    }
}

/// Entries after a number, oldest first.
pub async fn after(db: &Db, seq: i64, limit: u32) -> Result<Vec<Written>> {
    entries(db, None, "seq > ? ORDER BY seq", seq, limit).await
}

/// The same of a part of the log (none: of all).
pub async fn after_in(db: &Db, part: Option<&Part>, seq: i64, limit: u32) -> Result<Vec<Written>> {
    entries(db, part, "seq > ? ORDER BY seq", seq, limit).await
}

/// Entries of a part of the log (none: of all) before a number, newest first.
pub async fn before(db: &Db, part: Option<&Part>, seq: i64, limit: u32) -> Result<Vec<Written>> {
    entries(db, part, "seq < ? ORDER BY seq DESC", seq, limit).await
}

async fn entries(
    db: &Db,
    part: Option<&Part>,
    place: &str,
    seq: i64,
    limit: u32,
) -> Result<Vec<Written>> {
    let condition = part.map_or_else(|| "TRUE".to_owned(), Part::condition);
    // Made of constants alone: what comes from outside is bound.
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT seq, at, actor, act, subject, details, why, previous, hash
         FROM audit WHERE ({condition}) AND {place} LIMIT ?"
    ));
    let bound = part.map(Part::bound).unwrap_or_default();
    let query = bound.into_iter().fold(sqlx::query(sql), |q, b| q.bind(b));
    let rows = query.bind(seq).bind(limit).fetch_all(db.read()).await?;
    Ok(rows.iter().map(written).collect())
}

/// The newest entry's number and hash.
pub async fn head(db: &Db) -> Result<(i64, String)> {
    let row = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .fetch_optional(db.read())
        .await?;
    Ok(row.map_or((0, NOTHING.to_owned()), |r| (r.get(0), r.get(1))))
}

/// The same inside a transaction, with its own entries.
pub async fn head_in(write: &mut Write) -> Result<(i64, String)> {
    let row = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .fetch_optional(write.sql())
        .await?;
    Ok(row.map_or((0, NOTHING.to_owned()), |r| (r.get(0), r.get(1))))
}

fn written(row: &sqlx::sqlite::SqliteRow) -> Written {
    Written {
        entry: Entry {
            seq: row.get(0),
            at: row.get(1),
            actor: row.get(2),
            act: row.get(3),
            subject: row.get(4),
            details: row.get(5),
            why: row.get(6),
            previous: row.get(7),
        },
        hash: row.get(8),
    }
}

/// Why a chain does not hold, at which entry.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Broken {
    #[error("entry {0} is missing")]
    Missing(i64),
    #[error("entry {0} was changed: its hash is another one")]
    Changed(i64),
    #[error("entry {0} does not follow from the one before")]
    Unlinked(i64),
}

/// Holds a chain together, entry by entry.
#[derive(Debug)]
pub struct Check {
    pub entries: i64,
    pub head: String,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            entries: 0,
            head: NOTHING.to_owned(),
        }
    }
}

impl Check {
    pub fn next(&mut self, written: &Written) -> Result<(), Broken> {
        let seq = written.entry.seq;
        if seq != self.entries + 1 {
            return Err(Broken::Missing(self.entries + 1));
        }
        if written.entry.hash() != written.hash {
            return Err(Broken::Changed(seq));
        }
        if written.entry.previous != self.head {
            return Err(Broken::Unlinked(seq));
        }
        self.entries = seq;
        self.head.clone_from(&written.hash);
        Ok(())
    }
}

/// Entries read at a time.
const PAGE: u32 = 1_000;

/// The whole chain, checked.
pub async fn verify(db: &Db) -> Result<Result<Check, Broken>> {
    let mut check = Check::default();
    loop {
        let page = after(db, check.entries, PAGE).await?;
        if page.is_empty() {
            return Ok(Ok(check));
        }
        for written in &page {
            if let Err(broken) = check.next(written) {
                return Ok(Err(broken));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::Fixture, *};

    async fn filled() -> Fixture {
        let f = Fixture::new().await;
        for n in 0..5 {
            let mut write = f.db.write().await.unwrap();
            let subject = format!("sample {n}");
            let act = Act {
                actor: "mira",
                act: "decide",
                subject: &subject,
                details: json!({"ruling": "reject", "n": n}),
                why: "blurred, \"very\"",
            };
            assert_eq!(write.tell(act).await.unwrap(), n + 1);
            write.commit().await.unwrap();
        }
        f
    }

    #[tokio::test]
    async fn a_chain_holds_and_its_export_can_be_checked_elsewhere() {
        let f = filled().await;
        let check = verify(&f.db).await.unwrap().unwrap();
        assert_eq!(check.entries, 5);
        assert_eq!((5, check.head.clone()), head(&f.db).await.unwrap());
        let mut elsewhere = Check::default();
        for written in after(&f.db, 0, 100).await.unwrap() {
            let line = serde_json::to_string(&written).unwrap();
            elsewhere
                .next(&serde_json::from_str(&line).unwrap())
                .unwrap();
        }
        assert_eq!(elsewhere.head, check.head);
        let newest = before(&f.db, None, i64::MAX, 2).await.unwrap();
        assert_eq!(
            newest.iter().map(|w| w.entry.seq).collect::<Vec<_>>(),
            [5, 4]
        );
    }

    #[tokio::test]
    async fn a_part_has_what_concerns_its_datasets_and_its_account() {
        let f = Fixture::new().await;
        let subjects = [
            "sample 3f of photos",
            "sample 3f of my-photos",
            "release of photos after 1.0.0",
            "source drop of dataset photos",
            "account noor",
            "sample 3f of all-of-photos",
            "release of other after 1.0.0",
            "setting two-persons",
            "team 7 of photos",
            "ingest of photos",
        ];
        let mut write = f.db.write().await.unwrap();
        for subject in subjects {
            let act = Act {
                actor: if subject == "account noor" {
                    "noor"
                } else {
                    "mira"
                },
                act: "do",
                subject,
                details: json!({}),
                why: "",
            };
            write.tell(act).await.unwrap();
        }
        write.commit().await.unwrap();
        let numbers = async |datasets: &[&str]| {
            let part = Part {
                actor: "noor".to_owned(),
                datasets: datasets.iter().map(|d| Name::new(d).unwrap()).collect(),
            };
            let found = after_in(&f.db, Some(&part), 0, 100).await.unwrap();
            let back = before(&f.db, Some(&part), i64::MAX, 100).await.unwrap();
            assert_eq!(
                back.iter().rev().collect::<Vec<_>>(),
                found.iter().collect::<Vec<_>>()
            );
            let one = before(&f.db, Some(&part), i64::MAX, 1).await.unwrap();
            assert_eq!(one.first(), back.first());
            found.iter().map(|w| w.entry.seq).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&["photos"]).await, [1, 3, 4, 5, 10]);
        assert_eq!(numbers(&["my-photos", "other"]).await, [2, 5, 7]);
        assert_eq!(numbers(&[]).await, [5]);
        assert_eq!(after(&f.db, 0, 100).await.unwrap().len(), subjects.len());
    }

    #[tokio::test]
    async fn whatever_is_done_to_an_entry_is_found() {
        for (sql, found) in [
            (
                "UPDATE audit SET why = 'none' WHERE seq = 3",
                Broken::Changed(3),
            ),
            (
                "UPDATE audit SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 1",
                Broken::Changed(1),
            ),
            ("DELETE FROM audit WHERE seq = 2", Broken::Missing(2)),
            ("DELETE FROM audit WHERE seq = 1", Broken::Missing(1)),
        ] {
            let f = filled().await;
            let mut write = f.db.write().await.unwrap();
            sqlx::query(sql).execute(write.sql()).await.unwrap();
            write.commit().await.unwrap();
            assert_eq!(verify(&f.db).await.unwrap().unwrap_err(), found, "{sql}");
        }
        // A changed entry with its hash made anew no longer fits the next one.
        let f = filled().await;
        let mut forged = after(&f.db, 2, 1).await.unwrap().remove(0).entry;
        forged.why = "none".to_owned();
        let mut write = f.db.write().await.unwrap();
        sqlx::query("UPDATE audit SET why = ?, hash = ? WHERE seq = 3")
            .bind(&forged.why)
            .bind(forged.hash())
            .execute(write.sql())
            .await
            .unwrap();
        write.commit().await.unwrap();
        assert_eq!(
            verify(&f.db).await.unwrap().unwrap_err(),
            Broken::Unlinked(4)
        );
    }
}
