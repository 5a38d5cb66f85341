//! A change that a program sends as JSON.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::header,
};
use fairframe_schemas::Digest;
use serde::de::DeserializeOwned;

use crate::{
    access::Who,
    error::AppError,
    state::asked_once::{Key, MAX_KEY},
};

/// The header that carries a session's secret.
const CSRF: &str = "x-csrf-token";

/// The header of a key under which a change is done once.
const IDEMPOTENCY: &str = "idempotency-key";

/// A change sent by a token, or by a session with its secret.
#[derive(Debug)]
pub struct Sent {
    pub who: Who,
    body: Bytes,
    key: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let who = Who::asking();
        who.known()?;
        let headers = request.headers();
        let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or_default());
        if !who.sent(text(CSRF).unwrap_or_default()) {
            return Err(AppError::Stale);
        }
        let stated = text(header::CONTENT_TYPE.as_str()).map(str::to_owned);
        let key = match text(IDEMPOTENCY) {
            None => None,
            Some(key) if (1..=MAX_KEY).contains(&key.len()) => Some(key.to_owned()),
            Some(_) => {
                return Err(AppError::Invalid(format!(
                    "`Idempotency-Key` is 1 to {MAX_KEY} visible ASCII characters."
                )));
            }
        };
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|_| AppError::Invalid("The body is too large.".to_owned()))?;
        let kind = stated.as_deref().and_then(|kind| kind.split(';').next());
        if !body.is_empty() && kind.map(str::trim) != Some("application/json") {
            let wanted = "A change is sent as application/json.";
            return Err(AppError::Invalid(wanted.to_owned()));
        }
        Ok(Self { who, body, key })
    }
}

impl Sent {
    /// The body as it is wanted.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, AppError> {
        serde_json::from_slice(&self.body)
            .map_err(|e| AppError::Invalid(format!("The body cannot be read: {e}.")))
    }

    /// The key under which `place` is changed like this.
    pub fn key(&self, place: &str) -> Option<Key> {
        self.key.as_ref().map(|key| Key {
            actor: self.who.name().to_owned(),
            key: key.clone(),
            request: Digest::of(&[place.as_bytes(), b"\n", &self.body].concat()),
        })
    }
}
