//! Deciding about samples, what was decided, and taking it back.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_schemas::{Name, Ruling, SampleId};
use serde::Deserialize;

use crate::{
    App,
    access::{self, Posted, Who},
    catalog,
    error::{AppError, page},
    state::{
        audit::MAX_WHY,
        decisions::{self, Batch, Change, MAX_LABEL, MAX_LABELS, Order},
    },
};

/// Batches of the list.
const NEWEST: u32 = 200;

/// The dataset of that name, for its curators.
pub(super) fn curated(app: &App, who: &Who, name: &str) -> Result<catalog::Dataset, AppError> {
    let name = Name::new(name).map_err(|_| AppError::NotFound("dataset"))?;
    who.must_curate(&name)?;
    catalog::dataset(&app.layout, &name)
        .map_err(AppError::internal)?
        .ok_or(AppError::NotFound("dataset"))
}

#[derive(Deserialize)]
pub struct Wish {
    /// `accept`, `quarantine`, `reject`, `clear` or `label`.
    change: String,
    #[serde(default)]
    sample: Vec<String>,
    /// One a line, for `label`.
    #[serde(default)]
    labels: String,
    #[serde(default)]
    why: String,
    /// Where to go on to.
    #[serde(default)]
    next: String,
}

pub async fn decide(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Wish>,
) -> Result<Response, AppError> {
    let dataset = curated(&app, &who, &name)?;
    let change = change(&form)?;
    let why = why(&form.why, &change)?;
    let asked = form.sample.iter().map(|s| s.parse::<SampleId>());
    let mut samples = asked
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| AppError::NotFound("sample"))?;
    samples.sort();
    samples.dedup();
    if samples.is_empty() {
        return Err(AppError::Invalid("No sample was chosen.".to_owned()));
    }
    let there = app.decidable(&dataset, &samples).await?;
    if there < samples.len() {
        return Err(AppError::NotFound("sample"));
    }
    let order = Order {
        dataset: &dataset.name,
        actor: who.name(),
        change: &change,
        why,
        filter: "",
    };
    let mut write = app.db.write().await?;
    decisions::decide(&mut write, &order, &samples).await?;
    write.commit().await?;
    let fallback = format!("/datasets/{}/decisions", dataset.name);
    let next = match access::local(&form.next) {
        "/" => &fallback,
        next => next,
    };
    Ok(Redirect::to(next).into_response())
}

fn change(form: &Wish) -> Result<Change, AppError> {
    match form.change.as_str() {
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
    let labels: Vec<String> = form
        .labels
        .lines()
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
    let batch = batch.parse().map_err(|_| AppError::NotFound("decision"))?;
    let mut write = app.db.write().await?;
    decisions::undo(&mut write, &dataset, who.name(), batch).await?;
    write.commit().await?;
    Ok(Redirect::to(&format!("/datasets/{dataset}/decisions")).into_response())
}

/// What a batch did, in words.
fn told(batch: &Batch) -> String {
    let details: serde_json::Value = serde_json::from_str(&batch.details).unwrap_or_default();
    let change = details["change"].as_str().unwrap_or("decide");
    format!("{change} ({} samples)", batch.samples)
}
