//! The pages: a struct beside its handler.

pub mod account;
pub mod admin;
pub mod audit;
pub mod changes;
pub mod competitions;
pub mod consent;
pub mod contribute;
pub mod coverage;
pub mod dataset;
pub mod decisions;
pub mod duplicates;
pub mod home;
pub mod jobs;
pub mod log_in;
pub mod map;
mod places;
pub mod preview;
pub mod quality;
pub mod recalls;
pub mod release;
pub mod reports;
pub mod samples;
pub mod schema;
mod snippets;
pub mod statistics;
pub mod table;
pub mod takedown;
pub mod takedowns;
pub mod terms;

use axum::{
    extract::multipart::Field,
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    browse::{Filter, query},
    error::AppError,
};

/// The one style sheet.
pub async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, include_str!("../../assets/style.css")).into_response()
}

/// Brings a job's page up to date as the job goes on.
pub async fn live() -> Response {
    script(include_str!("../../assets/live.js"))
}

/// Keys for deciding.
pub async fn review() -> Response {
    script(include_str!("../../assets/review.js"))
}

/// The years of a map as a slider.
pub async fn map_script() -> Response {
    script(include_str!("../../assets/map.js"))
}

/// A threshold of quality as a slider.
pub async fn quality_script() -> Response {
    script(include_str!("../../assets/quality.js"))
}

/// What both sliders do when they rest.
pub async fn follow() -> Response {
    script(include_str!("../../assets/follow.js"))
}

fn script(text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, text).into_response()
}

/// The sign in the browser's tab.
pub async fn icon() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, include_str!("../../assets/icon.svg")).into_response()
}

/// The pairs of a query that was written here.
fn pairs(query: &str) -> Vec<(String, String)> {
    serde_html_form::from_str(query).unwrap_or_default()
}

/// An address of a filter and what a page asks beside it.
pub fn address(path: &str, filter: &Filter, own: &[(String, String)]) -> String {
    let parts = [filter.to_string(), query(own)];
    let said: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    match said.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", said.join("&")),
    }
}

/// The header of a file that a browser keeps; names are of datasets and ours.
fn download(name: &str) -> String {
    format!("attachment; filename=\"{name}\"")
}

/// The text of a form's field that is no file, of at most so many bytes, cleaned.
async fn text_of(mut field: Field<'_>, most: usize) -> Result<String, AppError> {
    let mut bytes = Vec::new();
    let broken = || AppError::Invalid("The form did not arrive whole.".to_owned());
    while let Some(piece) = field.chunk().await.map_err(|_| broken())? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > most {
            let long = format!("A field is longer than {most} bytes.");
            return Err(AppError::Invalid(long));
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| broken())?;
    Ok(takedown::clean(&text))
}

/// What templates write numbers with.
pub mod filters {
    use std::borrow::Borrow;

    use fairframe_schemas::text;

    #[askama::filter_fn]
    pub fn count<T: Borrow<u64>>(n: T, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(text::count(*n.borrow()))
    }

    /// A time as it stands in the database, for people: to the minute, UTC.
    #[askama::filter_fn]
    pub fn when<T: AsRef<str>>(at: T, _: &dyn askama::Values) -> askama::Result<String> {
        let at = at.as_ref();
        Ok(at.get(..16).unwrap_or(at).replace('T', " "))
    }

    /// A score, to five places; a dash where there is none.
    #[askama::filter_fn]
    pub fn score<T: Borrow<Option<f64>>>(
        value: T,
        _: &dyn askama::Values,
    ) -> askama::Result<String> {
        let value = *value.borrow();
        Ok(value.map_or_else(|| "–".to_owned(), |v| format!("{v:.5}")))
    }

    #[askama::filter_fn]
    pub fn size<T: Borrow<u64>>(bytes: T, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(text::size(*bytes.borrow()))
    }
}
