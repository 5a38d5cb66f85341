//! Errors as pages: a title, a sentence, a way back. What went wrong inside
//! goes to the log and never to the page.

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use fairframe_schemas::text;

/// What a handler can answer instead of a page.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Names the kind of thing, never what was asked for.
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("method not allowed")]
    Method,
    /// An address that asks for something there is not.
    #[error(transparent)]
    Filter(#[from] crate::browse::FilterError),
    /// The page asks again by itself.
    #[error("the index is being made")]
    Preparing,
    #[error("{0}")]
    Internal(String),
}

impl AppError {
    /// Hides a cause behind a page; the log has it.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        AppError::Internal(error.to_string())
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    title: &'static str,
    sentence: String,
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let (status, title, sentence) = match &self {
            AppError::NotFound(kind) => (
                StatusCode::NOT_FOUND,
                "Not found",
                format!("There is no such {kind} here, or it was withdrawn."),
            ),
            AppError::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "Not possible",
                "This address can be read, nothing else.".to_owned(),
            ),
            AppError::Filter(error) => (
                StatusCode::BAD_REQUEST,
                "This filter cannot be read",
                text::sentence(&error.to_string()),
            ),
            AppError::Preparing => (
                StatusCode::SERVICE_UNAVAILABLE,
                "One moment",
                "The samples of this release are being read. The page comes by itself.".to_owned(),
            ),
            AppError::Internal(cause) => {
                tracing::error!(error = %cause, "request failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong",
                    "The server could not answer. The cause is in its log.".to_owned(),
                )
            }
        };
        let page = ErrorPage { title, sentence };
        let body = page.render().unwrap_or_else(|_| title.to_owned());
        let mut response = (status, Html(body)).into_response();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = header::HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        if matches!(self, AppError::Preparing) {
            let headers = response.headers_mut();
            let soon = header::HeaderValue::from_static("1");
            headers.insert(header::RETRY_AFTER, soon.clone());
            headers.insert(header::REFRESH, soon);
        }
        response
    }
}

/// A page as a response; a template that fails is an internal error.
pub fn page(template: &impl Template) -> Result<Html<String>, AppError> {
    template.render().map(Html).map_err(AppError::internal)
}
