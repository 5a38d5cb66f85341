//! A form sent by one of our own pages.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::header,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::Who;
use crate::error::AppError;

/// A form (`application/x-www-form-urlencoded`) whose `csrf` is the session's, and who
/// sent it. At most axum's 2 MiB.
#[derive(Debug)]
pub struct Posted<T> {
    pub who: Who,
    pub form: T,
}

#[derive(Deserialize)]
struct Guard {
    #[serde(default)]
    csrf: String,
}

const FORM: &str = "application/x-www-form-urlencoded";

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Posted<T> {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let who = Who::asking();
        let stated = request.headers().get(header::CONTENT_TYPE);
        let stated = stated.and_then(|v| v.to_str().ok()).unwrap_or_default();
        if stated.split(';').next().map(str::trim) != Some(FORM) {
            return Err(AppError::Invalid(format!("A form is sent as {FORM}.")));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|_| AppError::Invalid("The form is too large.".to_owned()))?;
        let unreadable = |e| AppError::Invalid(format!("The form cannot be read: {e}."));
        let Guard { csrf } = serde_html_form::from_bytes(&body).map_err(unreadable)?;
        if !who.sent(&csrf) {
            return Err(AppError::Stale);
        }
        let form = serde_html_form::from_bytes(&body).map_err(unreadable)?;
        Ok(Self { who, form })
    }
}
