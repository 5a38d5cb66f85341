//! `/datasets/{name}/terms`: what a dataset asks of those who download it; accepting it, and, for
//! curators, saying it.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_schemas::Name;
use serde::Deserialize;

use super::decisions::curated;
use crate::{
    App,
    access::{Posted, Who},
    api::params,
    error::{AppError, page},
    state::terms::{self as kept, MAX_TERMS, Terms},
    terms,
};

#[derive(Template)]
#[template(path = "terms.html")]
struct Page {
    who: Who,
    dataset: Name,
    terms: Option<Terms>,
    accepted: bool,
}

impl Page {
    fn curates(&self) -> bool {
        self.who.curates(&self.dataset)
    }

    fn most(&self) -> usize {
        MAX_TERMS
    }

    fn text(&self) -> &str {
        self.terms.as_ref().map_or("", |t| &t.text)
    }
}

pub async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    who: Who,
) -> Result<Html<String>, AppError> {
    let dataset = params::dataset(&app, &name)?.name;
    let found = terms::of(&app, &who, &dataset).await?;
    let (terms, accepted) = found.map_or((None, true), |(terms, ok)| (Some(terms), ok));
    page(&Page {
        who,
        dataset,
        terms,
        accepted,
    })
}

#[derive(Deserialize)]
pub struct Accepted {
    /// The number of the terms that were read.
    terms: i64,
}

/// A person accepts: a token cannot, but has what its account accepted.
pub async fn accept(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Accepted>,
) -> Result<Response, AppError> {
    let account = &who.session().ok_or(AppError::LogIn)?.account;
    let dataset = params::dataset(&app, &name)?.name;
    let mut write = app.db.write().await?;
    kept::accept(&mut write, &dataset, account, form.terms).await?;
    write.commit().await?;
    Ok(Redirect::to(&format!("/datasets/{dataset}")).into_response())
}

#[derive(Deserialize)]
pub struct Said {
    /// Empty for none.
    #[serde(default)]
    text: String,
}

pub async fn set(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Said>,
) -> Result<Response, AppError> {
    let dataset = curated(&app, &who, &name)?.name;
    let mut write = app.db.write().await?;
    kept::set(&mut write, &dataset, who.name(), &form.text).await?;
    write.commit().await?;
    Ok(Redirect::to(&terms::page(&dataset)).into_response())
}
