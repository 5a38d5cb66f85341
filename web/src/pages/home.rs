//! `/`: what there is.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, Redirect},
};
use fairframe_schemas::{Summary, release::UNKNOWN};

use super::{
    filters,
    samples::{Picture, pictures},
};
use crate::{
    App, catalog,
    error::{AppError, page},
    reports,
};

/// Pictures of one dataset.
const PICTURES: usize = 4;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    datasets: Vec<Entry>,
    reports: Vec<reports::Report>,
}

struct Entry {
    summary: Summary,
    versions: u64,
    countries: u64,
    pictures: Vec<Picture>,
}

pub async fn home(State(app): State<App>) -> Result<Html<String>, AppError> {
    let mut datasets = Vec::new();
    for dataset in catalog::datasets(&app.layout).map_err(AppError::internal)? {
        let version = dataset.latest().to_string();
        let release = catalog::release(&app.layout, dataset.name.as_str(), &version)?;
        let summary = match release.summary() {
            Ok(summary) => summary,
            Err(error) => {
                // One unreadable release must not hide the others.
                tracing::error!(dataset = %dataset.name, %error, "release passed over");
                continue;
            }
        };
        let countries = summary.counts.countries.keys().filter(|c| *c != UNKNOWN);
        datasets.push(Entry {
            countries: countries.count() as u64,
            pictures: pictures(&app, &release, PICTURES).await,
            versions: dataset.versions.len() as u64,
            summary,
        });
    }
    page(&Home {
        datasets,
        reports: reports::reports(&app.layout).map_err(AppError::internal)?,
    })
}

pub async fn to_home() -> Redirect {
    Redirect::permanent("/")
}
