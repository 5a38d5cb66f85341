//! Requests for something to be taken down, from people without an account.
//!
//! What they wrote and how they are reached stands here and nowhere else, and is emptied
//! when the case is closed. The audit chain has the number of the case.

use std::{fmt, str::FromStr, time::Duration};

use fairframe_schemas::{Name, SampleId, Timestamp};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Db, Result, StateError, Write,
    audit::Act,
    secret::{self, NoRandom},
    text, time,
};

/// Longest texts, in bytes.
pub const MAX_ABOUT: usize = 2_000;
pub const MAX_REASON: usize = 4_000;
pub const MAX_CONTACT: usize = 300;

/// Open cases at a time; those who ask then are told to write to the publisher.
pub const MAX_OPEN: i64 = 10_000;

/// When an answer is due: a month at the most (GDPR, Art. 12(3)), whichever month it is.
pub const DUE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Who receives a case, in the audit chain; no account can be called so.
pub const REQUESTER: &str = "(requester)";

/// What the person has to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    Shown,
    Rights,
    Other,
}

impl Relation {
    pub const ALL: [Relation; 3] = [Relation::Shown, Relation::Rights, Relation::Other];

    pub fn as_str(self) -> &'static str {
        match self {
            Relation::Shown => "shown",
            Relation::Rights => "rights",
            Relation::Other => "other",
        }
    }

    /// As the person says it.
    pub fn words(self) -> &'static str {
        match self {
            Relation::Shown => "I am shown in it",
            Relation::Rights => "I hold the rights to it",
            Relation::Other => "Something else",
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Relation {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self> {
        let found = Relation::ALL.into_iter().find(|r| r.as_str() == text);
        found.ok_or_else(|| StateError::stored("the relation", text))
    }
}

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    /// The sample, or all of the person, is withdrawn.
    Withdrawn,
    Declined,
}

impl State {
    const ALL: [State; 3] = [State::Open, State::Withdrawn, State::Declined];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Withdrawn => "withdrawn",
            State::Declined => "declined",
        }
    }
}

/// A sample that a case is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub dataset: Name,
    pub sample: SampleId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub number: i64,
    pub found: Option<Found>,
    pub relation: Relation,
    /// Empty once closed, as are `reason` and `contact`.
    pub about: String,
    pub reason: String,
    pub contact: String,
    pub received_at: Timestamp,
    pub due_at: Timestamp,
    pub state: State,
    /// What the person who asked is told.
    pub answer: String,
    pub closed_by: Option<String>,
    pub closed_at: Option<Timestamp>,
}

impl Case {
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub fn is_overdue(&self, now: &Timestamp) -> bool {
        self.is_open() && self.due_at < *now
    }
}

/// What is asked.
#[derive(Debug)]
pub struct Request<'a> {
    pub relation: Relation,
    pub about: &'a str,
    pub reason: &'a str,
    pub contact: &'a str,
    pub found: Option<&'a Found>,
}

/// Why a case is not received or changed.
#[derive(Debug, thiserror::Error)]
pub enum TakedownError {
    #[error("Say what it is about: its address, its number, or a description.")]
    NoAbout,
    #[error("Say why it should be taken down.")]
    NoReason,
    #[error("What it is about is longer than {MAX_ABOUT} bytes.")]
    LongAbout,
    #[error("The reason is longer than {MAX_REASON} bytes.")]
    LongReason,
    #[error("The way to reach you is longer than {MAX_CONTACT} bytes.")]
    LongContact,
    #[error(
        "There are too many open requests for this form. Write to the publisher named on the dataset's card."
    )]
    Full,
    #[error("The case was closed already.")]
    Closed,
    #[error(transparent)]
    Random(#[from] NoRandom),
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for TakedownError {
    fn from(error: sqlx::Error) -> Self {
        TakedownError::State(error.into())
    }
}

/// Opens a case. Gives its number, and the secret of its link, which is kept nowhere.
pub async fn receive(
    write: &mut Write,
    request: &Request<'_>,
) -> Result<(i64, String), TakedownError> {
    for (text, most, none, long) in [
        (
            request.about,
            MAX_ABOUT,
            Some(TakedownError::NoAbout),
            TakedownError::LongAbout,
        ),
        (
            request.reason,
            MAX_REASON,
            Some(TakedownError::NoReason),
            TakedownError::LongReason,
        ),
        (
            request.contact,
            MAX_CONTACT,
            None,
            TakedownError::LongContact,
        ),
    ] {
        match none {
            Some(none) if text.is_empty() => return Err(none),
            _ if text.len() > most => return Err(long),
            _ => {}
        }
    }
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM takedown WHERE state = 'open'")
        .fetch_one(write.sql())
        .await?;
    if open >= MAX_OPEN {
        return Err(TakedownError::Full);
    }
    let last: Option<i64> = sqlx::query_scalar("SELECT max(number) FROM takedown")
        .fetch_one(write.sql())
        .await?;
    let number = last.unwrap_or(0) + 1;
    let drawn = secret::draw()?;
    let due = write.now + DUE;
    let subject = subject(number);
    let act = Act {
        actor: REQUESTER,
        act: "ask",
        subject: &subject,
        details: json!({
            "relation": request.relation.as_str(),
            "due": text(due),
            "dataset": request.found.map(|f| f.dataset.as_str()),
            "sample": request.found.map(|f| f.sample.to_string()),
        }),
        why: "",
    };
    write.tell(act).await?;
    let now = text(write.now);
    sqlx::query(
        "INSERT INTO takedown (number, secret_sha256, dataset, sample_id, relation, about, reason,
         contact, received_at, due_at, state, answer)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', '')",
    )
    .bind(number)
    .bind(secret::digest(&drawn))
    .bind(request.found.map(|f| f.dataset.to_string()))
    .bind(request.found.map(|f| f.sample.to_string()))
    .bind(request.relation.as_str())
    .bind(request.about)
    .bind(request.reason)
    .bind(request.contact)
    .bind(now)
    .bind(text(due))
    .execute(write.sql())
    .await?;
    Ok((number, drawn))
}

/// Says which sample a case is about.
pub async fn link(
    write: &mut Write,
    case: i64,
    actor: &str,
    found: &Found,
) -> Result<(), TakedownError> {
    let done = sqlx::query(
        "UPDATE takedown SET dataset = ?, sample_id = ? WHERE number = ? AND state = 'open'",
    )
    .bind(found.dataset.as_str())
    .bind(found.sample.to_string())
    .bind(case)
    .execute(write.sql())
    .await?;
    if done.rows_affected() == 0 {
        return Err(TakedownError::Closed);
    }
    let subject = subject(case);
    let act = Act {
        actor,
        act: "link",
        subject: &subject,
        details: json!({ "dataset": found.dataset.as_str(), "sample": found.sample.to_string() }),
        why: "",
    };
    write.tell(act).await?;
    Ok(())
}

/// Ends a case: what the person wrote and how they are reached is emptied. Tell
/// [`Db::forget`] once it is committed. The answer is shown to the person, and stands in
/// the audit chain.
pub async fn close(
    write: &mut Write,
    case: i64,
    actor: &str,
    state: State,
    answer: &str,
) -> Result<(), TakedownError> {
    let now = text(write.now);
    let done = sqlx::query(
        "UPDATE takedown SET state = ?, answer = ?, closed_by = ?, closed_at = ?,
         about = '', reason = '', contact = '' WHERE number = ? AND state = 'open'",
    )
    .bind(state.as_str())
    .bind(answer)
    .bind(actor)
    .bind(now)
    .bind(case)
    .execute(write.sql())
    .await?;
    if done.rows_affected() == 0 {
        return Err(TakedownError::Closed);
    }
    let subject = subject(case);
    let act = Act {
        actor,
        act: "close",
        subject: &subject,
        details: json!({ "state": state.as_str() }),
        why: answer,
    };
    write.tell(act).await?;
    Ok(())
}

fn subject(case: i64) -> String {
    format!("takedown request {case}")
}

const CASE: &str = "SELECT number, dataset, sample_id, relation, about, reason, contact,
    received_at, due_at, state, answer, closed_by, closed_at FROM takedown";

/// The case of that number.
pub async fn find(db: &Db, number: i64) -> Result<Option<Case>> {
    let sql = sqlx::AssertSqlSafe(format!("{CASE} WHERE number = ?"));
    let row = sqlx::query(sql)
        .bind(number)
        .fetch_optional(db.read())
        .await?;
    row.as_ref().map(case).transpose()
}

/// The case that a link's secret opens.
pub async fn by_secret(db: &Db, drawn: &str) -> Result<Option<Case>> {
    let sql = sqlx::AssertSqlSafe(format!("{CASE} WHERE secret_sha256 = ?"));
    let row = sqlx::query(sql)
        .bind(secret::digest(drawn))
        .fetch_optional(db.read())
        .await?;
    row.as_ref().map(case).transpose()
}

/// Open cases, the most urgent first.
pub async fn open(db: &Db) -> Result<Vec<Case>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{CASE} WHERE state = 'open' ORDER BY due_at, number"
    ));
    let rows = sqlx::query(sql).fetch_all(db.read()).await?;
    rows.iter().map(case).collect()
}

/// Closed cases, the newest first.
pub async fn closed(db: &Db, limit: u32) -> Result<Vec<Case>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{CASE} WHERE state <> 'open' ORDER BY closed_at DESC, number DESC LIMIT ?"
    ));
    let rows = sqlx::query(sql).bind(limit).fetch_all(db.read()).await?;
    rows.iter().map(case).collect()
}

fn case(row: &SqliteRow) -> Result<Case> {
    let dataset: Option<&str> = row.get(1);
    let sample: Option<&str> = row.get(2);
    let found = match (dataset, sample) {
        (Some(dataset), Some(sample)) => Some(Found {
            dataset: Name::new(dataset).map_err(|_| StateError::stored("the dataset", dataset))?,
            sample: sample
                .parse()
                .map_err(|_| StateError::stored("the sample", sample))?,
        }),
        _ => None,
    };
    let state: &str = row.get(9);
    let known = State::ALL.into_iter().find(|s| s.as_str() == state);
    Ok(Case {
        number: row.get(0),
        found,
        relation: row.get::<&str, _>(3).parse()?,
        about: row.get(4),
        reason: row.get(5),
        contact: row.get(6),
        received_at: time(row.get(7))?,
        due_at: time(row.get(8))?,
        state: known.ok_or_else(|| StateError::stored("the state", state))?,
        answer: row.get(10),
        closed_by: row.get(11),
        closed_at: row.get::<Option<String>, _>(12).map(time).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Fixture, *};

    /// Nowhere else are these words.
    const CONTACT: &str = "zq-telephone-5550100";
    const ABOUT: &str = "zq-the-picture-by-the-river";

    fn request<'a>() -> Request<'a> {
        Request {
            relation: Relation::Shown,
            about: ABOUT,
            reason: "I did not agree.",
            contact: CONTACT,
            found: None,
        }
    }

    /// Whether any of the database's files holds the text.
    fn on_disk(f: &Fixture, words: &str) -> bool {
        let files = std::fs::read_dir(f.folder.path()).unwrap();
        let mut bytes = files.map(|e| std::fs::read(e.unwrap().path()).unwrap());
        bytes.any(|b| b.windows(words.len()).any(|w| w == words.as_bytes()))
    }

    #[tokio::test]
    async fn a_closed_case_keeps_nothing_of_what_was_written_not_even_on_the_disk() {
        let f = Fixture::new().await;
        let mut write = f.db.write().await.unwrap();
        let (number, drawn) = receive(&mut write, &request()).await.unwrap();
        write.commit().await.unwrap();
        assert!(on_disk(&f, CONTACT) && on_disk(&f, ABOUT));
        assert!(!on_disk(&f, &drawn));
        let case = by_secret(&f.db, &drawn).await.unwrap().unwrap();
        assert_eq!((case.number, case.contact.as_str()), (number, CONTACT));
        assert_eq!(case.due_at - case.received_at, chrono::Duration::days(30));

        let mut write = f.db.write().await.unwrap();
        close(
            &mut write,
            number,
            "mira",
            State::Declined,
            "It is not you.",
        )
        .await
        .unwrap();
        write.commit().await.unwrap();
        f.db.forget().await.unwrap();
        assert!(!on_disk(&f, CONTACT) && !on_disk(&f, ABOUT));
        let case = find(&f.db, number).await.unwrap().unwrap();
        assert_eq!((case.about, case.reason, case.contact), Default::default());
        assert_eq!(case.answer, "It is not you.");
        let mut write = f.db.write().await.unwrap();
        let again = close(&mut write, number, "mira", State::Withdrawn, "").await;
        assert!(matches!(again, Err(TakedownError::Closed)));
    }

    #[tokio::test]
    async fn the_most_urgent_stands_first_and_limits_hold() {
        let f = Fixture::new().await;
        for wait in [2, 0, 1] {
            f.pass(Duration::from_secs(wait));
            let mut write = f.db.write().await.unwrap();
            receive(&mut write, &request()).await.unwrap();
            write.commit().await.unwrap();
        }
        let numbers: Vec<i64> = open(&f.db)
            .await
            .unwrap()
            .iter()
            .map(|c| c.number)
            .collect();
        assert_eq!(numbers, [1, 2, 3]);
        let case = find(&f.db, 1).await.unwrap().unwrap();
        assert!(!case.is_overdue(&case.due_at));
        f.pass(DUE + Duration::from_secs(60));
        assert!(case.is_overdue(&f.db.now()));

        let long = "x".repeat(MAX_REASON + 1);
        let mut write = f.db.write().await.unwrap();
        let mut asked = request();
        asked.reason = &long;
        let refused = receive(&mut write, &asked).await;
        assert!(matches!(refused, Err(TakedownError::LongReason)));
        asked.reason = "";
        let refused = receive(&mut write, &asked).await;
        assert!(matches!(refused, Err(TakedownError::NoReason)));
        asked = request();
        asked.contact = "";
        assert!(receive(&mut write, &asked).await.is_ok());
    }
}
