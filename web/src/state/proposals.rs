//! Releases that somebody proposes and somebody else approves.
//!
//! A proposal freezes the decisions as they stand when it is made; what is decided later
//! is for the next one. There is one at a time for a dataset.

use fairframe_schemas::{DatasetVersion, Decided, Name, Timestamp, decision::Approval};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Db, Result, StateError, Write,
    audit::{self, Act},
    decisions, settings, text, time, withdrawn,
};

/// Longest release notes, in bytes.
pub const MAX_NOTES: usize = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waits for somebody else.
    Open,
    Declined,
    /// Its decisions are handed over; the release is being made.
    Approved,
    Released,
}

impl State {
    const ALL: [State; 4] = [
        State::Open,
        State::Declined,
        State::Approved,
        State::Released,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Declined => "declined",
            State::Approved => "approved",
            State::Released => "released",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub seq: i64,
    pub dataset: Name,
    /// The version it changes.
    pub base: DatasetVersion,
    pub notes: String,
    pub proposed_by: String,
    pub proposed_at: Timestamp,
    pub decided: Decided,
    pub state: State,
    pub ended_by: Option<String>,
    pub ended_at: Option<Timestamp>,
    pub version: Option<DatasetVersion>,
}

/// Why a proposal is not made, approved or declined.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    #[error("Say in a sentence what is new: the notes are published with the release.")]
    NoNotes,
    #[error("The notes are longer than {MAX_NOTES} bytes.")]
    LongNotes,
    #[error("There is an open proposal for this dataset already; approve or decline it first.")]
    Another,
    #[error("The proposal is no longer open.")]
    Ended,
    #[error("You proposed it: somebody else must approve it.")]
    Own,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for ProposalError {
    fn from(error: sqlx::Error) -> Self {
        ProposalError::State(error.into())
    }
}

/// Proposes a release of all that is decided by now. Gives its number.
pub async fn propose(
    db: &Db,
    dataset: &Name,
    base: DatasetVersion,
    actor: &str,
    notes: &str,
) -> Result<i64, ProposalError> {
    let notes = notes.trim();
    if notes.is_empty() {
        return Err(ProposalError::NoNotes);
    }
    if notes.len() > MAX_NOTES {
        return Err(ProposalError::LongNotes);
    }
    // The writer first: nobody decides between reading the decisions and freezing them.
    let mut write = db.write().await?;
    let there: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM proposal WHERE dataset = ? AND state IN ('open', 'approved')",
    )
    .bind(dataset.as_str())
    .fetch_one(write.sql())
    .await?;
    if there > 0 {
        return Err(ProposalError::Another);
    }
    let standing = decisions::standing(db, dataset).await?;
    let decided = Decided {
        dataset: dataset.clone(),
        approval: None,
        samples: standing.into_values().map(|s| s.decision).collect(),
        withdrew: withdrawn::withdrew(db, dataset).await?,
    };
    let subject = format!("release of {dataset} after {base}");
    let act = Act {
        actor,
        act: "propose",
        subject: &subject,
        details: json!({
            "samples": decided.samples.len(),
            "people_withdrawn": decided.withdrew.len(),
        }),
        why: notes,
    };
    let seq = write.tell(act).await?;
    let at = text(write.now);
    let frozen = serde_json::to_string(&decided)
        .map_err(|_| StateError::stored("decisions", "to freeze"))?;
    sqlx::query(
        "INSERT INTO proposal (seq, dataset, base, notes, proposed_by, proposed_at, decided, state)
         VALUES (?, ?, ?, ?, ?, ?, ?, 'open')",
    )
    .bind(seq)
    .bind(dataset.as_str())
    .bind(base.to_string())
    .bind(notes)
    .bind(actor)
    .bind(at)
    .bind(frozen)
    .execute(write.sql())
    .await?;
    write.commit().await?;
    Ok(seq)
}

/// Approves: by somebody else than who proposed, unless that rule is off. Gives the
/// decisions as an ingest reads them, with how they were approved.
pub async fn approve(
    write: &mut Write,
    proposal: &Proposal,
    actor: &str,
) -> Result<Decided, ProposalError> {
    let alone = actor == proposal.proposed_by;
    let two = settings::get_in(write, settings::TWO_PERSONS).await?;
    if alone && two.as_deref() != Some("false") {
        return Err(ProposalError::Own);
    }
    end(write, proposal.seq, actor, State::Approved).await?;
    let subject = format!("release of {} after {}", proposal.dataset, proposal.base);
    let persons = if alone { 1 } else { 2 };
    let act = Act {
        actor,
        act: "approve",
        subject: &subject,
        details: json!({ "proposal": proposal.seq, "persons": persons }),
        why: "",
    };
    let seq = write.tell(act).await?;
    let (_, hash) = audit::head_in(write).await?;
    let mut decided = proposal.decided.clone();
    decided.approval = Some(Approval {
        notes: proposal.notes.clone(),
        persons,
        audit_seq: seq,
        audit_hash: hash,
    });
    let handed =
        serde_json::to_string(&decided).map_err(|_| StateError::stored("decisions", "approved"))?;
    sqlx::query("UPDATE proposal SET decided = ? WHERE seq = ?")
        .bind(handed)
        .bind(proposal.seq)
        .execute(write.sql())
        .await?;
    Ok(decided)
}

pub async fn decline(
    write: &mut Write,
    proposal: &Proposal,
    actor: &str,
    why: &str,
) -> Result<(), ProposalError> {
    end(write, proposal.seq, actor, State::Declined).await?;
    let subject = format!("release of {} after {}", proposal.dataset, proposal.base);
    let act = Act {
        actor,
        act: "decline",
        subject: &subject,
        details: json!({ "proposal": proposal.seq }),
        why,
    };
    write.tell(act).await?;
    Ok(())
}

/// Notes what an approved proposal became.
pub async fn released(write: &mut Write, seq: i64, version: DatasetVersion) -> Result<()> {
    sqlx::query(
        "UPDATE proposal SET state = 'released', version = ? WHERE seq = ? AND state = 'approved'",
    )
    .bind(version.to_string())
    .bind(seq)
    .execute(write.sql())
    .await?;
    Ok(())
}

async fn end(write: &mut Write, seq: i64, actor: &str, state: State) -> Result<(), ProposalError> {
    let at = text(write.now);
    let done = sqlx::query(
        "UPDATE proposal SET state = ?, ended_by = ?, ended_at = ? WHERE seq = ? AND state = 'open'",
    )
    .bind(state.as_str())
    .bind(actor)
    .bind(at)
    .bind(seq)
    .execute(write.sql())
    .await?;
    match done.rows_affected() {
        1 => Ok(()),
        _ => Err(ProposalError::Ended),
    }
}

const COLUMNS: &str = "SELECT seq, dataset, base, notes, proposed_by, proposed_at, decided, state,
    ended_by, ended_at, version FROM proposal";

pub async fn find(db: &Db, seq: i64) -> Result<Option<Proposal>> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE seq = ?"));
    let row = sqlx::query(sql).bind(seq).fetch_optional(db.read()).await?;
    row.as_ref().map(proposal).transpose()
}

/// Proposals for a dataset, newest first.
pub async fn of(db: &Db, dataset: &Name, limit: u32) -> Result<Vec<Proposal>> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE dataset = ? ORDER BY seq DESC LIMIT ?"
    ));
    let rows = sqlx::query(sql)
        .bind(dataset.as_str())
        .bind(limit)
        .fetch_all(db.read())
        .await?;
    rows.iter().map(proposal).collect()
}

fn proposal(row: &SqliteRow) -> Result<Proposal> {
    let (dataset, base, frozen, state): (&str, &str, &str, &str) =
        (row.get(1), row.get(2), row.get(6), row.get(7));
    let version = |text: &str| {
        text.parse()
            .map_err(|_| StateError::stored("the version", text))
    };
    Ok(Proposal {
        seq: row.get(0),
        dataset: Name::new(dataset).map_err(|_| StateError::stored("the dataset", dataset))?,
        base: version(base)?,
        notes: row.get(3),
        proposed_by: row.get(4),
        proposed_at: time(row.get(5))?,
        decided: serde_json::from_str(frozen)
            .map_err(|_| StateError::stored("decisions", "frozen"))?,
        state: State::ALL
            .into_iter()
            .find(|s| s.as_str() == state)
            .ok_or_else(|| StateError::stored("the state", state))?,
        ended_by: row.get(8),
        ended_at: row.get::<Option<String>, _>(9).map(time).transpose()?,
        version: row.get::<Option<&str>, _>(10).map(version).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::{Ruling, SampleId};

    use super::{super::tests::Fixture, *};

    fn name() -> Name {
        Name::new("photos").unwrap()
    }

    async fn reject(f: &Fixture, key: &str) {
        let dataset = name();
        let order = decisions::Order {
            dataset: &dataset,
            actor: "mira",
            change: &decisions::Change::Rule(Ruling::Reject),
            why: "",
            filter: "",
        };
        let mut write = f.db.write().await.unwrap();
        decisions::decide(&mut write, &order, &[SampleId::new("s", key)])
            .await
            .unwrap();
        write.commit().await.unwrap();
    }

    async fn approve_as(f: &Fixture, seq: i64, actor: &str) -> Result<Decided, ProposalError> {
        let proposal = find(&f.db, seq).await.unwrap().unwrap();
        let mut write = f.db.write().await.unwrap();
        let decided = approve(&mut write, &proposal, actor).await?;
        write.commit().await.unwrap();
        Ok(decided)
    }

    #[tokio::test]
    async fn somebody_else_approves_what_stood_when_it_was_proposed() {
        let f = Fixture::new().await;
        reject(&f, "1").await;
        let base = DatasetVersion::FIRST;
        assert!(matches!(
            propose(&f.db, &name(), base, "mira", " ").await,
            Err(ProposalError::NoNotes)
        ));
        let seq = propose(&f.db, &name(), base, "mira", "Blurred ones are out.")
            .await
            .unwrap();
        reject(&f, "2").await;
        assert!(matches!(
            propose(&f.db, &name(), base, "noor", "Another.").await,
            Err(ProposalError::Another)
        ));
        assert!(matches!(
            approve_as(&f, seq, "mira").await,
            Err(ProposalError::Own)
        ));
        let decided = approve_as(&f, seq, "noor").await.unwrap();
        assert_eq!(decided.samples.len(), 1);
        let approval = decided.approval.clone().unwrap();
        assert_eq!(approval.persons, 2);
        assert_eq!(
            (approval.audit_seq, approval.audit_hash),
            audit::head(&f.db).await.unwrap()
        );
        // What an ingest reads is what was written.
        let text = serde_json::to_string(&decided).unwrap();
        assert_eq!(Decided::parse(&text, &name()).unwrap(), decided);
        assert!(matches!(
            approve_as(&f, seq, "noor").await,
            Err(ProposalError::Ended)
        ));
        assert_eq!(find(&f.db, seq).await.unwrap().unwrap().decided, decided);
        let mut write = f.db.write().await.unwrap();
        released(&mut write, seq, "1.0.1".parse().unwrap())
            .await
            .unwrap();
        write.commit().await.unwrap();
        let done = &of(&f.db, &name(), 10).await.unwrap()[0];
        assert_eq!(
            (done.state, done.version.map(|v| v.to_string())),
            (State::Released, Some("1.0.1".to_owned()))
        );
        propose(&f.db, &name(), base, "noor", "The next.")
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn alone_only_where_the_rule_is_off_and_the_release_says_so() {
        let f = Fixture::new().await;
        let seq = propose(&f.db, &name(), DatasetVersion::FIRST, "mira", "Mine.")
            .await
            .unwrap();
        let mut write = f.db.write().await.unwrap();
        settings::set(&mut write, settings::TWO_PERSONS, "false")
            .await
            .unwrap();
        write.commit().await.unwrap();
        let decided = approve_as(&f, seq, "mira").await.unwrap();
        assert_eq!(decided.approval.unwrap().persons, 1);
    }

    #[tokio::test]
    async fn a_declined_one_makes_room() {
        let f = Fixture::new().await;
        let seq = propose(&f.db, &name(), DatasetVersion::FIRST, "mira", "Mine.")
            .await
            .unwrap();
        let proposal = find(&f.db, seq).await.unwrap().unwrap();
        let mut write = f.db.write().await.unwrap();
        decline(&mut write, &proposal, "mira", "too early")
            .await
            .unwrap();
        write.commit().await.unwrap();
        assert!(matches!(
            approve_as(&f, seq, "noor").await,
            Err(ProposalError::Ended)
        ));
        propose(&f.db, &name(), DatasetVersion::FIRST, "mira", "Again.")
            .await
            .unwrap();
    }
}
