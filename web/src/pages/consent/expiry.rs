//! `/datasets/{name}/consents/expiry`: whose consent ends when.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use chrono::Duration;
use fairframe_schemas::{Name, Timestamp};
use serde::Deserialize;

use super::{Desk, Line, PER_PAGE, filters, part, private};
use crate::{App, access::Who, error::AppError};

#[derive(Template)]
#[template(path = "consent/expiry.html")]
struct Expiry {
    dataset: Name,
    /// How many people's consent ends when.
    counts: Vec<(&'static str, u64)>,
    /// People whose consent has no end.
    open: u64,
    lines: Vec<(Line, Term)>,
    page: usize,
    pages: usize,
}

/// How far ahead an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term(usize);

const TERMS: [&str; 4] = ["over", "within 30 days", "within 90 days", "later"];

impl Term {
    fn of(end: Timestamp, now: Timestamp) -> Self {
        let ahead = end - now;
        Self(match ahead {
            _ if ahead <= Duration::zero() => 0,
            _ if ahead <= Duration::days(30) => 1,
            _ if ahead <= Duration::days(90) => 2,
            _ => 3,
        })
    }

    fn words(self) -> &'static str {
        TERMS[self.0]
    }

    fn is_near(self) -> bool {
        self.0 < 2
    }
}

#[derive(Deserialize)]
pub struct Wanted {
    page: Option<String>,
}

pub async fn expiry(
    State(app): State<App>,
    Path(name): Path<String>,
    who: Who,
    Query(wanted): Query<Wanted>,
) -> Result<Response, AppError> {
    let desk = Desk::open(&app, &who, &name).await?;
    let mut ends = Vec::new();
    let mut open = 0;
    for (key, person) in &desk.known.people {
        match desk.word(key, person) {
            "given" => match person.at(desk.now).until {
                Some(end) => ends.push((end, key, person)),
                None => open += 1,
            },
            "expired" => ends.extend(person.expired(desk.now).map(|end| (end, key, person))),
            _ => {}
        }
    }
    ends.sort_by_key(|(end, key, _)| (*end, *key));
    let mut counts = [0u64; 4];
    for (end, ..) in &ends {
        counts[Term::of(*end, desk.now).0] += 1;
    }
    let (number, pages) = part(&ends, wanted.page.as_deref(), PER_PAGE)?;
    let shown = ends.iter().skip((number - 1) * PER_PAGE).take(PER_PAGE);
    let lines = shown.map(|(end, key, person)| {
        let mut line = desk.line(key, person);
        line.until = Some(super::day(*end));
        (line, Term::of(*end, desk.now))
    });
    private(&Expiry {
        counts: TERMS.into_iter().zip(counts).collect(),
        open,
        lines: lines.collect(),
        page: number,
        pages,
        dataset: desk.dataset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_include_their_last_day() {
        let now: Timestamp = "2026-03-01T08:00:00Z".parse().unwrap();
        for (days, term) in [(-1, 0), (0, 0), (1, 1), (30, 1), (31, 2), (90, 2), (91, 3)] {
            assert_eq!(
                Term::of(now + Duration::days(days), now),
                Term(term),
                "{days}"
            );
        }
    }
}
