//! Errors as pages: a title, a sentence, a way back. What went wrong inside
//! goes to the log and never to the page.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_schemas::text;
use utoipa::openapi::{self, RefOr};

use crate::{
    access::Who,
    state::{
        StateError, accounts::AccountError, asked_once::KeyError, decisions::UndoError,
        jobs::JobError, proposals::ProposalError, terms::TermsError, tokens::TokenError,
    },
};

/// What a handler can answer instead of a page.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Names the kind of thing, never what was asked for.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// It was there, and was withdrawn.
    #[error("the {0} was withdrawn")]
    Gone(&'static str),
    #[error("method not allowed")]
    Method,
    /// An address that asks for something there is not.
    #[error(transparent)]
    Filter(#[from] crate::browse::FilterError),
    /// The page asks again by itself.
    #[error("the index is being made")]
    Preparing,
    /// Nobody has logged in.
    #[error("log in first")]
    LogIn,
    #[error("the token is not known, has expired or was revoked")]
    BadToken,
    #[error("not allowed")]
    Forbidden,
    /// A dataset whose terms were not accepted.
    #[error("accept the terms of {0} first")]
    Terms(fairframe_schemas::Name),
    /// A form of a session that has ended, or of no page of ours.
    #[error("the form is too old")]
    Stale,
    /// What was sent makes no sense; says why and what to do, as sentences.
    #[error("{0}")]
    Invalid(String),
    /// It made sense, but not now; says why.
    #[error("{0}")]
    Conflict(String),
    #[error("too many tries")]
    TooMany,
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

/// What the API answers in place of what was asked for, as OpenAPI describes it.
pub struct Problems;

impl utoipa::IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let content = openapi::ContentBuilder::new()
            .schema(Some(openapi::Ref::from_schema_name("Problem")))
            .build();
        let problem = openapi::ResponseBuilder::new()
            .description("A problem (RFC 9457)")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_owned(), problem.into())])
    }
}

/// An error as programs read it (RFC 9457): each answer that is one carries it, and
/// the API sends it instead of the page.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Problem {
    pub title: &'static str,
    pub status: u16,
    pub detail: String,
}

impl AppError {
    fn problem(&self) -> Problem {
        let (status, title, detail) = match self {
            AppError::NotFound(kind) => (
                StatusCode::NOT_FOUND,
                "Not found",
                format!("There is no such {kind} here, or it was withdrawn."),
            ),
            AppError::Gone(kind) => (
                StatusCode::GONE,
                "Withdrawn",
                format!("The {kind} was withdrawn. Copies of it should be deleted."),
            ),
            AppError::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "Not possible",
                "This address cannot be used that way.".to_owned(),
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
            AppError::LogIn => (
                StatusCode::UNAUTHORIZED,
                "Log in first",
                "This is not for everybody. Log in, or send a token.".to_owned(),
            ),
            AppError::BadToken => (
                StatusCode::UNAUTHORIZED,
                "Token refused",
                "The token is not known, has expired or was revoked.".to_owned(),
            ),
            AppError::Forbidden => (
                StatusCode::FORBIDDEN,
                "Not allowed",
                "Your account may not do this. Ask an administrator for the role it needs."
                    .to_owned(),
            ),
            AppError::Terms(dataset) => (
                StatusCode::FORBIDDEN,
                "Accept the terms first",
                format!(
                    "This dataset is handed on to people who accepted its terms: log in, read and accept them at /datasets/{dataset}/terms. A token then has the acceptance of its account."
                ),
            ),
            AppError::Stale => (
                StatusCode::FORBIDDEN,
                "Too old",
                "This form belongs to a session that has ended. Go back, load the page again and repeat."
                    .to_owned(),
            ),
            AppError::Invalid(detail) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Not understood", detail.clone())
            }
            AppError::Conflict(detail) => (StatusCode::CONFLICT, "Not now", detail.clone()),
            AppError::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many tries",
                "Wait a minute, then try again.".to_owned(),
            ),
            AppError::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong",
                "The server could not answer. The cause is in its log.".to_owned(),
            ),
        };
        Problem {
            title,
            status: status.as_u16(),
            detail,
        }
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let problem = self.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or_default();
        let mut response = match &self {
            // People are shown the way; programs read the status in the problem.
            AppError::LogIn => Redirect::to(&format!(
                "/login?{}",
                serde_html_form::to_string([("next", Who::asking().asked())]).unwrap_or_default()
            ))
            .into_response(),
            _ => {
                let page = ErrorPage {
                    title: problem.title,
                    sentence: problem.detail.clone(),
                };
                let body = page.render().unwrap_or_else(|_| problem.title.to_owned());
                (status, Html(body)).into_response()
            }
        };
        let headers = response.headers_mut();
        match self {
            AppError::Internal(cause) => tracing::error!(error = %cause, "request failed"),
            AppError::TooMany => {
                headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
            }
            AppError::Preparing => {
                let soon = header::HeaderValue::from_static("1");
                headers.insert(header::RETRY_AFTER, soon.clone());
                headers.insert(header::REFRESH, soon);
            }
            AppError::BadToken => {
                let scheme = header::HeaderValue::from_static("Bearer");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            _ => {}
        }
        response.extensions_mut().insert(problem);
        response
    }
}

impl From<StateError> for AppError {
    fn from(error: StateError) -> Self {
        AppError::internal(error)
    }
}

impl From<AccountError> for AppError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Name | AccountError::Taken => AppError::Invalid(error.to_string()),
            AccountError::LastAdmin => AppError::Conflict(error.to_string()),
            AccountError::Random(_) | AccountError::State(_) => AppError::internal(error),
        }
    }
}

impl From<TokenError> for AppError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Account(error) => error.into(),
            other => AppError::Invalid(other.to_string()),
        }
    }
}

impl From<KeyError> for AppError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::State(error) => error.into(),
            other => AppError::Invalid(other.to_string()),
        }
    }
}

impl From<TermsError> for AppError {
    fn from(error: TermsError) -> Self {
        match error {
            TermsError::State(error) => error.into(),
            TermsError::Long => AppError::Invalid(error.to_string()),
            TermsError::Other => AppError::Conflict(error.to_string()),
        }
    }
}

impl From<UndoError> for AppError {
    fn from(error: UndoError) -> Self {
        match error {
            UndoError::None => AppError::NotFound("decision"),
            UndoError::State(error) => error.into(),
            other => AppError::Conflict(other.to_string()),
        }
    }
}

impl From<ProposalError> for AppError {
    fn from(error: ProposalError) -> Self {
        match error {
            ProposalError::NoNotes | ProposalError::LongNotes => {
                AppError::Invalid(error.to_string())
            }
            ProposalError::State(error) => error.into(),
            other => AppError::Conflict(other.to_string()),
        }
    }
}

impl From<JobError> for AppError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::State(error) => error.into(),
            other => AppError::Conflict(other.to_string()),
        }
    }
}

/// A page as a response; a template that fails is an internal error.
pub fn page(template: &impl Template) -> Result<Html<String>, AppError> {
    template.render().map(Html).map_err(AppError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_ready_asks_again_by_itself() {
        let response = AppError::Preparing.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::REFRESH], "1");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
