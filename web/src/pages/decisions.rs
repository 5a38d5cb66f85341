//! Deciding about samples, what was decided, and taking it back.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_schemas::{Name, Reason, Ruling, SampleId, Status};
use serde::Deserialize;

use super::filters;
use crate::{
    App,
    access::{self, Posted, Who},
    browse::{Facet, Filter, Overlay, Row, Scope, View},
    catalog,
    error::{AppError, page},
    state::{
        asked_once::{self, Key},
        audit::MAX_WHY,
        decisions::{self, Batch, Change, MAX_BATCH, MAX_LABEL, MAX_LABELS, Order},
    },
    viewer,
};

/// Batches of the list.
pub(crate) const NEWEST: u32 = 200;

/// The dataset of that name, for its curators.
pub(crate) fn curated(app: &App, who: &Who, name: &str) -> Result<catalog::Dataset, AppError> {
    let name = Name::new(name).map_err(|_| AppError::NotFound("dataset"))?;
    who.must_curate(&name)?;
    catalog::dataset(&app.layout, &name)
        .map_err(AppError::internal)?
        .ok_or(AppError::NotFound("dataset"))
}

#[derive(Deserialize)]
pub struct Form {
    /// `accept`, `quarantine`, `reject`, `clear` or `label`.
    change: String,
    /// The samples; or, where there are none, a filter as in the address of a page of samples.
    #[serde(default)]
    sample: Vec<String>,
    #[serde(default)]
    filter: String,
    /// How many the filter held when the form was made.
    #[serde(default)]
    held: Option<usize>,
    /// One a line, for `label`.
    #[serde(default)]
    labels: String,
    #[serde(default)]
    why: String,
    /// Where to go on to.
    #[serde(default)]
    next: String,
}

/// What somebody wants to be decided, as it was sent.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub change: String,
    pub samples: Vec<String>,
    pub filter: String,
    pub held: Option<usize>,
    pub labels: Vec<String>,
    pub why: String,
}

pub async fn decide(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Form>,
) -> Result<Response, AppError> {
    let dataset = curated(&app, &who, &name)?;
    let wish = Wish {
        change: form.change,
        samples: form.sample,
        filter: form.filter,
        held: form.held,
        labels: form.labels.lines().map(str::to_owned).collect(),
        why: form.why,
    };
    make(&app, &who, &dataset, &wish, None).await?;
    let fallback = format!("/datasets/{}/decisions", dataset.name);
    let next = match access::local(&form.next) {
        "/" => &fallback,
        next => next,
    };
    Ok(Redirect::to(next).into_response())
}

/// Decides, once for each key. Gives the batch.
pub(crate) async fn make(
    app: &App,
    who: &Who,
    dataset: &catalog::Dataset,
    wish: &Wish,
    key: Option<&Key>,
) -> Result<i64, AppError> {
    if let Some(key) = key
        && let Some(batch) = asked_once::done(&mut app.db.write().await?, key).await?
    {
        return Ok(batch);
    }
    let change = change(wish)?;
    let why = why(&wish.why, &change)?;
    let samples = chosen(app, dataset, wish, &change).await?;
    let order = Order {
        dataset: &dataset.name,
        actor: who.name(),
        change: &change,
        why,
        filter: &wish.filter,
    };
    let mut write = app.db.write().await?;
    // Once more: the same may have been asked twice at a time.
    if let Some(key) = key
        && let Some(batch) = asked_once::done(&mut write, key).await?
    {
        return Ok(batch);
    }
    let batch = decisions::decide(&mut write, &order, &samples).await?;
    if let Some(key) = key {
        asked_once::note(&mut write, key, batch).await?;
    }
    write.commit().await?;
    Ok(batch)
}

/// The samples that are meant, if all of them can be decided about like that.
async fn chosen(
    app: &App,
    dataset: &catalog::Dataset,
    wish: &Wish,
    change: &Change,
) -> Result<Vec<SampleId>, AppError> {
    const KIND: AppError = AppError::NotFound("sample");
    let version = dataset.latest().to_string();
    let release = catalog::release(&app.layout, dataset.name.as_str(), &version)?;
    let index = app.indexes.get(&release).await?;
    let overlay = viewer::overlay(app, &release, &index).await?;
    let asked = wish.samples.iter().map(|s| s.parse::<SampleId>());
    let mut samples = asked.collect::<Result<Vec<_>, _>>().map_err(|_| KIND)?;
    let filter = match samples.is_empty() {
        false => None,
        true if wish.held.is_none() => {
            return Err(AppError::Invalid("No sample was chosen.".to_owned()));
        }
        true => {
            let unread = |e| AppError::Invalid(format!("The filter cannot be read: {e}."));
            let pairs: Vec<(String, String)> =
                serde_html_form::from_str(&wish.filter).map_err(unread)?;
            Some(Filter::parse(&pairs, &[])?)
        }
    };
    let (change, held) = (change.clone(), wish.held);
    let choose = move || {
        let view = View::new(&index, Scope::All, &overlay);
        let released = Overlay::default();
        let released = View::new(&index, Scope::All, &released);
        if let Some(filter) = filter {
            samples = view.ids(&filter);
            if held != Some(samples.len()) {
                return Err(AppError::Conflict(format!(
                    "The filter holds {} samples by now: look again, then decide.",
                    samples.len()
                )));
            }
        }
        samples.sort();
        samples.dedup();
        if samples.len() > MAX_BATCH {
            return Err(AppError::Invalid(format!(
                "These are {} samples; decide about at most {MAX_BATCH} at once.",
                samples.len()
            )));
        }
        for id in &samples {
            let row = released.find(id).ok_or(KIND)?;
            let gone = row.is_withdrawn() || view.find(id).is_none_or(|r| r.is_withdrawn());
            if gone {
                return Err(KIND);
            }
            if let Some(reason) = against(&row, &change) {
                return Err(AppError::Conflict(format!(
                    "Sample {id} cannot be accepted: {}. That is not for a curator to lift.",
                    reason.text()
                )));
            }
        }
        Ok(samples)
    };
    tokio::task::spawn_blocking(choose)
        .await
        .map_err(AppError::internal)?
}

/// The gravest reason for which an acceptance would change nothing.
pub(crate) fn against(released: &Row<'_>, change: &Change) -> Option<Reason> {
    let Change::Rule(Ruling::Accept) = change else {
        return None;
    };
    let words = released.words(Facet::Reason);
    let reasons = words.iter().filter_map(|code| code.parse::<Reason>().ok());
    reasons
        .filter(|r| r.status() != Status::Accepted && !r.may_be_lifted() && !r.is_ruling())
        .max_by_key(|r| r.status())
}

fn change(wish: &Wish) -> Result<Change, AppError> {
    match wish.change.as_str() {
        "clear" => return Ok(Change::Clear),
        "label" => {}
        // Taking a sample out for ever has a page of its own.
        word => {
            return match word.parse() {
                Ok(ruling) if ruling != Ruling::Withdraw => Ok(Change::Rule(ruling)),
                _ => Err(AppError::Invalid(
                    "Choose to accept, quarantine, reject, label or clear.".to_owned(),
                )),
            };
        }
    }
    let labels: Vec<String> = wish
        .labels
        .iter()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    if labels.len() > MAX_LABELS {
        return Err(AppError::Invalid(format!(
            "Give at most {MAX_LABELS} labels."
        )));
    }
    match labels
        .iter()
        .any(|l| l.len() > MAX_LABEL || l.chars().any(char::is_control))
    {
        true => Err(AppError::Invalid(format!(
            "A label is one line of at most {MAX_LABEL} bytes."
        ))),
        false => Ok(Change::Label(labels)),
    }
}

/// The reason; one is wanted where a sample is refused.
fn why<'a>(text: &'a str, change: &Change) -> Result<&'a str, AppError> {
    let text = text.trim();
    if text.len() > MAX_WHY {
        return Err(AppError::Invalid(format!(
            "Give a reason of at most {MAX_WHY} bytes."
        )));
    }
    match change {
        Change::Rule(Ruling::Reject) if text.is_empty() => Err(AppError::Invalid(
            "Say why the samples are rejected.".to_owned(),
        )),
        _ => Ok(text),
    }
}

#[derive(Template)]
#[template(path = "decisions.html")]
struct Decisions {
    who: Who,
    dataset: Name,
    batches: Vec<Batch>,
    standing: u64,
}

pub async fn decisions(
    State(app): State<App>,
    Path(name): Path<String>,
    who: Who,
) -> Result<Html<String>, AppError> {
    let dataset = curated(&app, &who, &name)?.name;
    page(&Decisions {
        batches: decisions::batches(&app.db, &dataset, NEWEST).await?,
        standing: decisions::standing(&app.db, &dataset).await?.len() as u64,
        who,
        dataset,
    })
}

pub async fn undo(
    State(app): State<App>,
    Path((name, batch)): Path<(String, String)>,
    Posted { who, .. }: Posted<serde::de::IgnoredAny>,
) -> Result<Response, AppError> {
    let dataset = curated(&app, &who, &name)?.name;
    take_back(&app, &who, &dataset, &batch).await?;
    Ok(Redirect::to(&format!("/datasets/{dataset}/decisions")).into_response())
}

/// Undoes a batch. Gives the number of the undo.
pub(crate) async fn take_back(
    app: &App,
    who: &Who,
    dataset: &Name,
    batch: &str,
) -> Result<i64, AppError> {
    let batch = batch.parse().map_err(|_| AppError::NotFound("decision"))?;
    let mut write = app.db.write().await?;
    let seq = decisions::undo(&mut write, dataset, who.name(), batch).await?;
    write.commit().await?;
    Ok(seq)
}

/// What a batch did, in words.
pub(crate) fn told(batch: &Batch) -> String {
    let details: serde_json::Value = serde_json::from_str(&batch.details).unwrap_or_default();
    let change = details["change"].as_str().unwrap_or("decide");
    format!("{change} ({} samples)", batch.samples)
}
