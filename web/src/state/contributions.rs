//! What people contributed on the server's pages. Once [`receive`] has been committed, it is
//! in the drop of every ingest to come until somebody takes it back.

use fairframe_schemas::{Name, Pseudonym, Timestamp, consent::ConsentRecord};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{Db, Result, StateError, Write, audit::Act, text, time};

/// Files an account may have in one source.
pub const MAX_FILES: i64 = 10_000;

/// Longest name to be credited by, in bytes.
pub const MAX_CREDIT: usize = 200;

/// What is contributed at once.
#[derive(Debug)]
pub struct Contribution<'a> {
    pub dataset: &'a Name,
    pub source: &'a Name,
    /// Id and name of the account.
    pub account: (&'a str, &'a str),
    pub licence: &'a str,
    pub country: &'a str,
    pub labels: &'a [String],
    pub credit: &'a str,
    /// Who is shown, and the record of their consent.
    pub shown: Option<(&'a Pseudonym, &'a ConsentRecord)>,
    /// Path in the drop, and bytes.
    pub files: &'a [(String, u64)],
}

/// Why nothing is received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error("You have contributed {MAX_FILES} pictures here, which is the most.")]
    Full,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for ReceiveError {
    fn from(error: sqlx::Error) -> Self {
        ReceiveError::State(error.into())
    }
}

/// A file as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub file: String,
    pub bytes: u64,
    pub contribution: i64,
    pub at: Timestamp,
    pub licence: String,
    pub country: String,
    pub labels: Vec<String>,
    pub credit: String,
    pub subject: Option<Pseudonym>,
    /// Its record's text.
    pub consent: Option<String>,
    pub taken_back: bool,
}

/// The files of these that the source has already, taken back or not.
pub async fn known(
    write: &mut Write,
    (dataset, source): (&Name, &Name),
    files: &[(String, u64)],
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (file, _) in files {
        let there: Option<i64> = sqlx::query_scalar(
            "SELECT contribution FROM contributed_file WHERE dataset = ? AND source = ? AND file = ?",
        )
        .bind(dataset.as_str())
        .bind(source.as_str())
        .bind(file)
        .fetch_optional(write.sql())
        .await?;
        found.extend(there.map(|_| file.clone()));
    }
    Ok(found)
}

/// Takes files in, of which the source has none yet. Gives the contribution's number.
pub async fn receive(write: &mut Write, new: &Contribution<'_>) -> Result<i64, ReceiveError> {
    let (dataset, source) = (new.dataset.as_str(), new.source.as_str());
    let (account, name) = new.account;
    let has: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM contributed_file f JOIN contribution c ON c.seq = f.contribution \
         WHERE c.account = ? AND c.dataset = ? AND c.source = ?",
    )
    .bind(account)
    .bind(dataset)
    .bind(source)
    .fetch_one(write.sql())
    .await?;
    if has + i64::try_from(new.files.len()).unwrap_or(i64::MAX) > MAX_FILES {
        return Err(ReceiveError::Full);
    }
    let subject = format!("source {source} of dataset {dataset}");
    let act = Act {
        actor: name,
        act: "contribute",
        subject: &subject,
        details: json!({
            "files": new.files.len(),
            "licence": new.licence,
            "consent": new.shown.map(|(_, record)| &record.processing.privacy_notice),
        }),
        why: "",
    };
    let seq = write.tell(act).await?;
    let consent = new.shown.map(|(_, record)| json!(record).to_string());
    sqlx::query("INSERT INTO contribution VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(seq)
        .bind(dataset)
        .bind(source)
        .bind(account)
        .bind(text(write.now))
        .bind(new.licence)
        .bind(new.country)
        .bind(json!(new.labels).to_string())
        .bind(new.credit)
        .bind(new.shown.map(|(subject, _)| subject.as_str().to_owned()))
        .bind(consent)
        .execute(write.sql())
        .await?;
    for (file, bytes) in new.files {
        sqlx::query("INSERT INTO contributed_file VALUES (?, ?, ?, ?, ?, NULL)")
            .bind(dataset)
            .bind(source)
            .bind(file)
            .bind(seq)
            .bind(i64::try_from(*bytes).unwrap_or(i64::MAX))
            .execute(write.sql())
            .await?;
    }
    Ok(seq)
}

/// Takes a file of one's own back. False where there is none, or it is taken back already.
pub async fn take_back(
    write: &mut Write,
    (dataset, source): (&Name, &Name),
    (account, name): (&str, &str),
    file: &str,
) -> Result<bool> {
    let theirs: Option<i64> = sqlx::query_scalar(
        "SELECT c.seq FROM contributed_file f JOIN contribution c ON c.seq = f.contribution \
         WHERE f.dataset = ? AND f.source = ? AND f.file = ? AND c.account = ? AND f.taken_back IS NULL",
    )
    .bind(dataset.as_str())
    .bind(source.as_str())
    .bind(file)
    .bind(account)
    .fetch_optional(write.sql())
    .await?;
    if theirs.is_none() {
        return Ok(false);
    }
    let subject = format!("source {source} of dataset {dataset}");
    let act = Act {
        actor: name,
        act: "take-back",
        subject: &subject,
        details: json!({ "file": file }),
        why: "",
    };
    let seq = write.tell(act).await?;
    sqlx::query(
        "UPDATE contributed_file SET taken_back = ? WHERE dataset = ? AND source = ? AND file = ?",
    )
    .bind(seq)
    .bind(dataset.as_str())
    .bind(source.as_str())
    .bind(file)
    .execute(write.sql())
    .await?;
    Ok(true)
}

/// What an account contributed to a source, the newest first.
pub async fn of(db: &Db, (dataset, source): (&Name, &Name), account: &str) -> Result<Vec<Given>> {
    let sql = format!("{SELECT} AND c.account = ? ORDER BY c.seq DESC, f.file");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(dataset.as_str())
        .bind(source.as_str())
        .bind(account)
        .fetch_all(db.read())
        .await?;
    rows.iter().map(given).collect()
}

/// All that a source has, in the order in which it came.
pub async fn all(db: &Db, (dataset, source): (&Name, &Name)) -> Result<Vec<Given>> {
    let sql = format!("{SELECT} ORDER BY c.seq, f.file");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(dataset.as_str())
        .bind(source.as_str())
        .fetch_all(db.read())
        .await?;
    rows.iter().map(given).collect()
}

const SELECT: &str = "SELECT f.file, f.bytes, c.seq, c.at, c.licence, c.country, c.labels, \
    c.credit, c.subject_id, c.consent, f.taken_back FROM contributed_file f \
    JOIN contribution c ON c.seq = f.contribution WHERE f.dataset = ? AND f.source = ?";

fn given(row: &SqliteRow) -> Result<Given> {
    let stored = StateError::stored;
    let labels: &str = row.get(6);
    let subject: Option<&str> = row.get(8);
    Ok(Given {
        file: row.get(0),
        bytes: u64::try_from(row.get::<i64, _>(1)).unwrap_or(0),
        contribution: row.get(2),
        at: time(row.get(3))?,
        licence: row.get(4),
        country: row.get(5),
        labels: serde_json::from_str(labels).map_err(|_| stored("the labels", labels))?,
        credit: row.get(7),
        subject: subject
            .map(|s| Pseudonym::new(s).map_err(|_| stored("the pseudonym", s)))
            .transpose()?,
        consent: row.get(9),
        taken_back: row.get::<Option<i64>, _>(10).is_some(),
    })
}
