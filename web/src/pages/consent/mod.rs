//! `/datasets/{name}/consents`: the ledger. For curators of the dataset only.

mod expiry;
mod person;

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{Html, IntoResponse, Response},
};
use fairframe_schemas::{ConsentState, DatasetVersion, Name, Status, Timestamp};
use serde::Deserialize;

pub(super) use self::person::{Tile, reason, sample_and_derived, take_out, tile};
pub use self::{
    expiry::expiry,
    person::{person, receipt, withdraw},
};
use super::filters;
use crate::{
    App,
    access::Who,
    consents::{Key, Known, Person},
    error::{AppError, page},
    state::withdrawn,
};

/// People of one page.
pub const PER_PAGE: usize = 50;

/// Longest piece of a pseudonym looked for, in bytes.
const MAX_SEARCH: usize = 64;

/// What a person's consent can be looked for by: in the address, and in words.
const STATES: [(&str, &str); 8] = [
    ("given", "given"),
    ("waiting", "withdrawn here, not released yet"),
    ("withdrawn", "withdrawn"),
    ("expired", "expired"),
    ("refused", "refused"),
    ("requested", "asked for"),
    ("invalid", "invalid"),
    ("unknown", "unknown"),
];

/// Where somebody's consent stands, as the address has it.
fn word(state: ConsentState) -> &'static str {
    match state {
        ConsentState::Given => "given",
        ConsentState::Withdrawn => "withdrawn",
        ConsentState::Expired => "expired",
        ConsentState::Refused => "refused",
        ConsentState::Requested => "requested",
        ConsentState::Unknown => "unknown",
        ConsentState::Invalidated => "invalid",
    }
}

/// The same for people.
fn words(word: &str) -> &'static str {
    STATES.iter().find(|(w, _)| *w == word).map_or("", |s| s.1)
}

/// The people of a dataset, and who of them withdrew here.
struct Desk {
    dataset: Name,
    known: std::sync::Arc<Known>,
    withdrew: BTreeSet<Key>,
    now: Timestamp,
}

impl Desk {
    async fn open(app: &App, who: &Who, name: &str) -> Result<Self, AppError> {
        let dataset = Name::new(name).map_err(|_| AppError::NotFound("dataset"))?;
        who.must_curate(&dataset)?;
        let withdrew = withdrawn::withdrew(&app.db, &dataset).await?;
        let withdrew = withdrew.into_iter().map(|p| (p.source, p.subject_id));
        Ok(Self {
            known: app.consents.known(&dataset).await?,
            withdrew: withdrew.collect(),
            now: app.db.now(),
            dataset,
        })
    }

    /// Where the person stands: `waiting` while the newest release does not follow.
    fn word(&self, key: &Key, person: &Person) -> &'static str {
        match self.withdrew.contains(key) {
            true if self.known.holds(person) => "waiting",
            true => "withdrawn",
            false => word(person.at(self.now).state),
        }
    }

    fn line(&self, key: &Key, person: &Person) -> Line {
        let word = self.word(key, person);
        let standing = person.at(self.now);
        let in_force = word == "given";
        let (mut accepted, mut others) = (0, 0);
        for row in self.known.shown(person).filter(|r| r.parents.is_empty()) {
            match row.status {
                Status::Accepted => accepted += 1,
                _ => others += 1,
            }
        }
        let goes = self.known.goes(person).len() as u64;
        let purposes = standing.purposes.iter().filter(|_| in_force);
        Line {
            source: key.0.clone(),
            subject: key.1.to_string(),
            state: words(word),
            grave: word != "given",
            purposes: purposes.map(|p| p.as_str()).collect(),
            until: standing.until.filter(|_| in_force).map(day),
            accepted,
            others,
            derived: goes - accepted - others,
        }
    }
}

/// A person in a table.
struct Line {
    source: Name,
    subject: String,
    state: &'static str,
    grave: bool,
    purposes: Vec<&'static str>,
    until: Option<String>,
    accepted: u64,
    others: u64,
    derived: u64,
}

fn day(at: Timestamp) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// A page that no cache keeps: it is about people.
fn private(template: &impl Template) -> Result<Response, AppError> {
    let html: Html<String> = page(template)?;
    Ok(([(header::CACHE_CONTROL, "no-store")], html).into_response())
}

/// The part of a list that a page shows, and how many pages there are; an error beyond.
pub(super) fn part<T>(
    all: &[T],
    page: Option<&str>,
    each: usize,
) -> Result<(usize, usize), AppError> {
    let pages = all.len().div_ceil(each).max(1);
    let number = page.map_or(Ok(1), str::parse);
    let number = number.ok().filter(|n| (1..=pages).contains(n));
    Ok((number.ok_or(AppError::NotFound("page"))?, pages))
}

#[derive(Template)]
#[template(path = "consent/ledger.html")]
struct Ledger {
    dataset: Name,
    version: DatasetVersion,
    lines: Vec<Line>,
    all: u64,
    found: u64,
    waiting: u64,
    unreadable: u64,
    state: String,
    q: String,
    page: usize,
    pages: usize,
    /// The filter as a query, to which a page is added.
    query: String,
}

impl Ledger {
    fn states(&self) -> [(&'static str, &'static str); 8] {
        STATES
    }

    fn is_state(&self, word: &str) -> bool {
        self.state == word
    }
}

#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    state: String,
    #[serde(default)]
    q: String,
    page: Option<String>,
}

pub async fn ledger(
    State(app): State<App>,
    Path(name): Path<String>,
    who: Who,
    Query(wanted): Query<Wanted>,
) -> Result<Response, AppError> {
    let desk = Desk::open(&app, &who, &name).await?;
    let state = wanted.state.as_str();
    if !state.is_empty() && words(state).is_empty() || wanted.q.len() > MAX_SEARCH {
        return Err(AppError::Invalid(
            "Choose a state from the list, and at most 64 letters of a pseudonym.".to_owned(),
        ));
    }
    let q = wanted.q.trim().to_ascii_lowercase();
    let people = &desk.known.people;
    let found: Vec<(&Key, &Person)> = people
        .iter()
        .filter(|((_, subject), _)| subject.as_str().to_ascii_lowercase().contains(&q))
        .filter(|(key, person)| state.is_empty() || desk.word(key, person) == state)
        .collect();
    let waiting = people.iter().filter(|(k, p)| desk.word(k, p) == "waiting");
    let waiting = waiting.count() as u64;
    let (number, pages) = part(&found, wanted.page.as_deref(), PER_PAGE)?;
    let lines = found.iter().skip((number - 1) * PER_PAGE).take(PER_PAGE);
    let lines = lines.map(|(key, person)| desk.line(key, person)).collect();
    let query = serde_html_form::to_string([("state", state), ("q", wanted.q.as_str())]);
    private(&Ledger {
        version: desk.known.version,
        lines,
        all: people.len() as u64,
        found: found.len() as u64,
        waiting,
        unreadable: desk.known.unreadable,
        state: wanted.state,
        q: wanted.q,
        page: number,
        pages,
        query: query.map_err(AppError::internal)?,
        dataset: desk.dataset,
    })
}
