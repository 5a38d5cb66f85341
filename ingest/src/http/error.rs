//! Why there is no answer.

use std::error::Error;

use fairframe_schemas::Reason;
use url::Url;

use crate::ssrf::{Refused, refused_in, shown};

/// Why there is no answer. Every message names the URL.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    #[error("the http client cannot be set up: {0}")]
    Setup(String),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("`{url}` redirects more than {limit} times")]
    TooManyRedirects { url: String, limit: u32 },
    #[error("`{url}` redirects in a circle")]
    RedirectLoop { url: String },
    #[error("`{url}` redirects to `{location}`, which is no URL")]
    BadRedirect { url: String, location: String },
    #[error("`{url}` answered with status {status}{}", quoted(words))]
    Status {
        url: String,
        status: u16,
        /// The first words of the body.
        words: String,
    },
    #[error("`{url}`: {problem}")]
    Network { url: String, problem: String },
    #[error("`{url}`: {problem}")]
    Timeout { url: String, problem: String },
    #[error("`{url}` answers with more than {limit} bytes")]
    TooLarge { url: String, limit: u64 },
    #[error(
        "`{url}` answered with {kind} where JSON was expected{}",
        quoted(words)
    )]
    NotJson {
        url: String,
        /// `HTML`, a content type, or `text`.
        kind: String,
        words: String,
    },
    #[error("`{url}`: {problem}")]
    Encoding { url: String, problem: String },
}

fn quoted(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(": \"{words}\"")
    }
}

impl HttpError {
    /// The reason a sample gets whose bytes this error kept from us.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused(_) => Reason::FetchRefusedAddress,
            Self::TooManyRedirects { .. } | Self::RedirectLoop { .. } => {
                Reason::FetchTooManyRedirects
            }
            Self::Status {
                status: 404 | 410, ..
            } => Reason::FetchNotFound,
            Self::Status { .. } | Self::BadRedirect { .. } | Self::NotJson { .. } => {
                Reason::FetchHttpError
            }
            Self::Timeout { .. } => Reason::FetchTimeout,
            Self::TooLarge { .. } => Reason::FetchTooLarge,
            Self::Setup(_) | Self::Network { .. } | Self::Encoding { .. } => {
                Reason::FetchNetworkError
            }
        }
    }

    /// Whether another attempt may end better.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Timeout { .. } => true,
            Self::Status { status, .. } => is_transient(*status),
            _ => false,
        }
    }
}

/// Whether another attempt may change a status.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 506..=599)
}

pub(super) fn network(url: &Url, error: &reqwest::Error) -> HttpError {
    if let Some(refused) = refused_in(error) {
        return refused.into();
    }
    let url = shown(url.as_str());
    let problem = causes(error);
    if error.is_timeout() {
        HttpError::Timeout { url, problem }
    } else {
        HttpError::Network { url, problem }
    }
}

/// An error's causes in one line, without the URL.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut at = error.source();
    while let Some(e) = at {
        let text = e.to_string();
        // Wrappers often repeat what they wrap.
        if parts.last().is_none_or(|last| !last.contains(&text)) {
            parts.push(text);
        }
        at = e.source();
    }
    if parts.is_empty() {
        let kind = if error.is_builder() {
            "bad request"
        } else {
            "transfer failed"
        };
        parts.push(kind.to_owned());
    }
    parts.join(": ")
}
