//! What a server says of its datasets: as JSON, to whoever has its address, or a token.

use fairframe_schemas::RecallList;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::http::{Http, HttpConfig, HttpError, Token};

/// Largest list of datasets read, in bytes.
const MAX_LIST: u64 = 16 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("`{0}` is no address of a server; give one as `https://data.example.org/`")]
    Address(String),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("`{url}` gives no {wanted}: {error}")]
    Answer {
        url: String,
        wanted: &'static str,
        error: serde_json::Error,
    },
}

/// A dataset as `/api/v1/datasets` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub name: String,
    pub title: String,
    pub latest: String,
    /// Newest first.
    pub versions: Vec<String>,
    /// Samples of the newest version.
    pub accepted: u64,
}

#[derive(Deserialize)]
struct Datasets {
    items: Vec<Listed>,
}

/// Reads what was typed.
fn address(text: &str) -> Result<Url, ServerError> {
    let url = Url::parse(text).ok();
    let url = url.filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    url.ok_or_else(|| ServerError::Address(crate::ssrf::shown(text)))
}

async fn ask(url: &Url, token: Option<&str>, limit: u64) -> Result<Value, ServerError> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let config = HttpConfig {
        // Typing an address allows it.
        allow_private: vec![format!("{host}:{port}")],
        token: token.map(|token| Token::new(url, token)).transpose()?,
        ..HttpConfig::default()
    };
    Ok(Http::new(config)?.get_json(url, limit).await?.0)
}

/// The datasets of a server.
pub async fn datasets(server: &str, token: Option<&str>) -> Result<Vec<Listed>, ServerError> {
    let mut url = address(server)?;
    url.set_path("/api/v1/datasets");
    url.set_query(None);
    let answer = ask(&url, token, MAX_LIST).await?;
    let read = serde_json::from_value(answer);
    let Datasets { items } = read.map_err(|error| ServerError::Answer {
        url: crate::ssrf::shown(url.as_str()),
        wanted: "list of datasets",
        error,
    })?;
    Ok(items)
}

/// A recall list at an address.
pub async fn recall_list(text: &str, token: Option<&str>) -> Result<RecallList, ServerError> {
    let url = address(text)?;
    let answer = ask(&url, token, RecallList::MAX_BYTES).await?;
    serde_json::from_value(answer).map_err(|error| ServerError::Answer {
        url: crate::ssrf::shown(url.as_str()),
        wanted: "recall list",
        error,
    })
}
