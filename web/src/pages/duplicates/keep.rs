//! Keeping one of several duplicates: the others are rejected together, as one decision.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use fairframe_schemas::{Reason, Ruling, SampleId};
use serde::Deserialize;

use super::{Asked, Facet, Row, View, stands, there};
use crate::{
    App,
    access::{self, Posted},
    browse::Scope,
    catalog,
    error::AppError,
    pages::decisions::curated,
    state::decisions::{self, Change, MAX_BATCH, Order},
    viewer,
};

#[derive(Deserialize)]
pub struct Wish {
    /// The sample that stays.
    keep: String,
    /// What the page took for duplicates, as in its address.
    kind: String,
    within: String,
    /// How many others there were when the form was made.
    others: usize,
    #[serde(default)]
    next: String,
}

/// Whether a curator has rejected it: then it neither stays nor is rejected again.
pub(super) fn is_refused(row: &Row<'_>) -> bool {
    let refused = Reason::CuratorRejected.code();
    row.words(Facet::Reason).contains(&refused)
}

/// The one that stands with the next release where none does now: it was refused for nothing but
/// having the bytes of another, and a curator has refused all others since. Where several are left,
/// the ingest chooses, and none is named.
pub(super) fn next<'r, 'v>(rows: &'r [Row<'v>]) -> Option<&'r Row<'v>> {
    let is_copy = |row: &&Row<'_>| {
        let mut reasons = row.words(Facet::Reason);
        reasons.retain(|code| *code != Reason::DuplicateNear.code());
        reasons == [Reason::DuplicateExact.code()]
    };
    let mut copies = rows.iter().filter(is_copy);
    let (one, another) = (copies.next(), copies.next());
    let others_refused = |one: &&Row<'_>| {
        let others = rows.iter().filter(|row| row.number != one.number);
        others
            .filter(|row| row.digest() == one.digest())
            .all(is_refused)
    };
    let none_stands = !rows.iter().any(stands);
    one.filter(|_| another.is_none() && none_stands)
        .filter(others_refused)
}

/// Those that are rejected where one stays.
pub(super) fn others<'r, 'v>(
    rows: &'r [Row<'v>],
    stays: SampleId,
) -> impl Iterator<Item = SampleId> + use<'r, 'v> {
    let rows = rows.iter().filter(|row| !is_refused(row));
    rows.map(Row::id).filter(move |id| *id != stays)
}

pub async fn keep(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Wish>,
) -> Result<Response, AppError> {
    const KIND: AppError = AppError::NotFound("sample");
    let dataset = curated(&app, &who, &name)?;
    let latest = dataset.latest();
    let asked = Asked::parse(
        &dataset.name,
        latest,
        &[
            ("kind".to_owned(), form.kind),
            ("within".to_owned(), form.within),
        ],
    )?;
    let stays: SampleId = form.keep.parse().map_err(|_| KIND)?;
    let release = catalog::release(&app.layout, dataset.name.as_str(), &latest.to_string())?;
    let index = app.indexes.get(&release).await?;
    let overlay = viewer::overlay(&app, &release, &index).await?;
    let alike = asked.alike();
    let choose = move || {
        let view = View::new(&index, Scope::All, &overlay);
        let row = view.find(&stays).filter(|row| !row.is_withdrawn());
        let row = row.ok_or(KIND)?;
        if is_refused(&row) {
            return Err(AppError::Conflict(
                "This sample was rejected by a curator. Undo or clear that first.".to_owned(),
            ));
        }
        let clusters = view.clusters(alike);
        let own = clusters
            .iter()
            .find(|c| c.binary_search(&row.number).is_ok());
        let rows: Vec<Row> = own.map_or_else(Vec::new, |own| there(&view, own).collect());
        let others: Vec<SampleId> = others(&rows, stays).collect();
        if others.is_empty() {
            return Err(AppError::Conflict(
                "There are no duplicates of this sample to reject.".to_owned(),
            ));
        }
        Ok(others)
    };
    let others = tokio::task::spawn_blocking(choose).await;
    let mut others = others.map_err(AppError::internal)??;
    if others.len() != form.others {
        return Err(AppError::Conflict(format!(
            "There are {} duplicates of this sample by now: look again, then decide.",
            others.len()
        )));
    }
    if others.len() > MAX_BATCH {
        return Err(AppError::Invalid(format!(
            "These are {} samples; decide about at most {MAX_BATCH} at once.",
            others.len()
        )));
    }
    others.sort_unstable();
    let why = format!("duplicate of {stays}");
    let order = Order {
        dataset: &dataset.name,
        actor: who.name(),
        change: &Change::Rule(Ruling::Reject),
        why: &why,
        filter: "",
    };
    let mut write = app.db.write().await?;
    decisions::decide(&mut write, &order, &others).await?;
    write.commit().await?;
    let page = asked.with_page(1);
    let next = match access::local(&form.next) {
        "/" => &page,
        next => next,
    };
    Ok(Redirect::to(next).into_response())
}
