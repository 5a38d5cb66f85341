//! What was withdrawn by way of the server, in all datasets: it is not shown any more,
//! whether or not a release has followed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use fairframe_schemas::{Name, Pseudonym, SampleId, decision::PersonWithdrew};
use serde_json::json;
use sqlx::Row;

use super::{
    Db, Result, StateError, Write,
    audit::{self, Act},
    text, time,
};

/// A person of a source of a dataset.
pub type Person = (Name, Name, Pseudonym);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// The audit chain's newest entry when this was first so.
    pub head: i64,
    /// With the dataset.
    pub samples: BTreeSet<(Name, SampleId)>,
    /// Dataset, source, pseudonym.
    pub people: BTreeSet<Person>,
}

/// Reads the tables.
async fn read(db: &Db, head: i64) -> Result<Withdrawn> {
    let stored = StateError::stored;
    let name = |text: &str| Name::new(text).map_err(|_| stored("the name", text));
    let rows = sqlx::query("SELECT dataset, sample_id FROM decision WHERE ruling = 'withdraw'")
        .fetch_all(db.read())
        .await?;
    let samples = rows.iter().map(|row| {
        let id: &str = row.get(1);
        let id = id.parse().map_err(|_| stored("the sample", id))?;
        Ok((name(row.get(0))?, id))
    });
    let samples = samples.collect::<Result<_>>()?;
    let rows = sqlx::query("SELECT dataset, source, subject_id FROM withdrew")
        .fetch_all(db.read())
        .await?;
    let people = rows.iter().map(|row| {
        let subject: &str = row.get(2);
        let subject = Pseudonym::new(subject).map_err(|_| stored("the pseudonym", subject))?;
        Ok((name(row.get(0))?, name(row.get(1))?, subject))
    });
    Ok(Withdrawn {
        head,
        samples,
        people: people.collect::<Result<_>>()?,
    })
}

/// The same, read again only when the audit chain has grown: nothing is withdrawn, and no
/// withdrawal undone, without an entry.
#[derive(Default)]
pub struct Watch {
    /// The chain's newest entry at the reading.
    held: Mutex<(Option<i64>, Arc<Withdrawn>)>,
}

impl Watch {
    pub async fn now(&self, db: &Db) -> Result<Arc<Withdrawn>> {
        // Before the tables: what comes between makes the next look a new reading.
        let (head, _) = audit::head(db).await?;
        {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.0.is_some_and(|known| known >= head) {
                return Ok(held.1.clone());
            }
        }
        let read = read(db, head).await?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0.is_none_or(|known| known < head) {
            held.0 = Some(head);
            let same = held.1.samples == read.samples && held.1.people == read.people;
            if !same {
                held.1 = Arc::new(read);
            }
        }
        Ok(held.1.clone())
    }
}

/// A person withdraws by way of the server. True if that is new.
pub async fn withdraw_person(
    write: &mut Write,
    dataset: &Name,
    person: (&Name, &Pseudonym),
    actor: &str,
    why: &str,
) -> Result<bool> {
    let (source, subject) = person;
    let at = text(write.now);
    let done = sqlx::query(
        "INSERT INTO withdrew (dataset, source, subject_id, at, actor) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (dataset, source, subject_id) DO NOTHING",
    )
    .bind(dataset.as_str())
    .bind(source.as_str())
    .bind(subject.as_str())
    .bind(at)
    .bind(actor)
    .execute(write.sql())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let told = format!("person {subject} of {dataset}");
    let act = Act {
        actor,
        act: "withdraw",
        subject: &told,
        details: json!({ "source": source.as_str() }),
        why,
    };
    write.tell(act).await?;
    Ok(true)
}

/// People who withdrew, by source and pseudonym.
pub async fn withdrew(db: &Db, dataset: &Name) -> Result<Vec<PersonWithdrew>> {
    let rows = sqlx::query(
        "SELECT source, subject_id, at FROM withdrew WHERE dataset = ? ORDER BY source, subject_id",
    )
    .bind(dataset.as_str())
    .fetch_all(db.read())
    .await?;
    rows.iter()
        .map(|row| {
            let stored = StateError::stored;
            let (source, subject): (&str, &str) = (row.get(0), row.get(1));
            Ok(PersonWithdrew {
                source: Name::new(source).map_err(|_| stored("the source", source))?,
                subject_id: Pseudonym::new(subject)
                    .map_err(|_| stored("the pseudonym", subject))?,
                at: time(row.get(2))?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Fixture, *};

    #[tokio::test]
    async fn a_person_withdraws_once() {
        let f = Fixture::new().await;
        let dataset = Name::new("photos").unwrap();
        let (source, person) = (Name::new("drop").unwrap(), Pseudonym::new("p-01").unwrap());
        for new in [true, false] {
            let mut write = f.db.write().await.unwrap();
            let done =
                withdraw_person(&mut write, &dataset, (&source, &person), "mira", "asked").await;
            assert_eq!(done.unwrap(), new);
            write.commit().await.unwrap();
        }
        let found = withdrew(&f.db, &dataset).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].subject_id.as_str(), "p-01");
    }
}
