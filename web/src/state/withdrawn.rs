//! What was withdrawn by way of the server, in all datasets: it is not shown any more,
//! whether or not a release has followed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use fairframe_schemas::{Name, Pseudonym, SampleId};
use sqlx::Row;

use super::{Db, Result, StateError, audit};

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
