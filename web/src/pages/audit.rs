//! `/audit`: who did what, when, why; checked, page by page, and as a file.

use askama::Template;
use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    http::header,
    response::{Html, IntoResponse, Response},
};
use fairframe_schemas::Name;
use futures_util::stream;
use serde::Deserialize;

use super::filters;
use crate::{
    App,
    access::Who,
    error::{AppError, page},
    state::audit::{self, Written},
};

/// Entries of one page.
const PER_PAGE: u32 = 50;

/// Entries of one piece of an export.
const PIECE: u32 = 1_000;

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    entries: Vec<Written>,
    /// How many entries hold together, or what is wrong.
    verdict: Result<i64, String>,
    head: String,
    older: Option<i64>,
    newest: bool,
    /// The datasets whose entries are shown; none where all are.
    of: Option<Vec<Name>>,
}

#[derive(Deserialize)]
pub struct From {
    before: Option<i64>,
}

pub async fn audit(
    State(app): State<App>,
    who: Who,
    Query(From { before }): Query<From>,
) -> Result<Html<String>, AppError> {
    let part = who.audits()?;
    let from = before.unwrap_or(i64::MAX);
    let entries = audit::before(&app.db, part.as_ref(), from, PER_PAGE).await?;
    let check = audit::verify(&app.db).await?;
    let (_, head) = audit::head(&app.db).await?;
    page(&Audit {
        older: (entries.get(PER_PAGE as usize - 1))
            .map(|w| w.entry.seq)
            .filter(|seq| *seq > 1),
        newest: before.is_none(),
        verdict: check
            .map(|c| c.entries)
            .map_err(|broken| broken.to_string()),
        head,
        entries,
        of: part.map(|p| p.datasets),
    })
}

/// The whole chain as JSON lines: `fairframe audit FILE` checks it anywhere. For those who may read
/// all of it: a part is no chain.
pub async fn export(State(app): State<App>, who: Who) -> Result<Response, AppError> {
    if who.audits()?.is_some() {
        return Err(AppError::Forbidden);
    }
    let pieces = stream::try_unfold(0, move |after| {
        let db = app.db.clone();
        async move {
            let page = audit::after(&db, after, PIECE).await?;
            let Some(last) = page.last() else {
                return Ok(None);
            };
            let last = last.entry.seq;
            let mut lines = Vec::new();
            for written in &page {
                serde_json::to_writer(&mut lines, written).map_err(AppError::internal)?;
                lines.push(b'\n');
            }
            Ok::<_, AppError>(Some((Bytes::from(lines), last)))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.jsonl\"",
        ),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
