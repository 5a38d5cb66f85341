//! `/reports`: evaluations, each with its page and its tables.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{Html, Redirect},
};
use fairframe_schemas::Name;

use super::filters;
use crate::{
    App,
    error::{AppError, page},
    reports::{self, Report},
};

#[derive(Template)]
#[template(path = "reports.html")]
struct Reports {
    reports: Vec<Report>,
}

pub async fn reports(State(app): State<App>) -> Result<Html<String>, AppError> {
    page(&Reports {
        reports: reports::reports(&app.layout).map_err(AppError::internal)?,
    })
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    report: Report,
}

pub async fn report(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Html<String>, AppError> {
    let name = Name::new(&name).map_err(|_| AppError::NotFound("report"))?;
    let report = reports::report(&app.layout, name).ok_or(AppError::NotFound("report"))?;
    page(&ReportPage { report })
}

/// Relative links of the page need the slash.
pub async fn with_slash(Path(name): Path<String>) -> Result<Redirect, AppError> {
    let name = Name::new(&name).map_err(|_| AppError::NotFound("report"))?;
    Ok(Redirect::permanent(&format!("/reports/{name}/")))
}
