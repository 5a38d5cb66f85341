//! What a server says of its datasets: as JSON, to whoever has its address, or a token.

use fairframe_schemas::RecallList;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::{
    diff::Diff,
    http::{Http, HttpConfig, HttpError, Token},
};

/// Largest list of datasets read, in bytes.
const MAX_LIST: u64 = 16 << 20;

/// Largest difference of two releases read, in bytes: of a million samples that are all other ones.
const MAX_DIFF: u64 = 256 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("`{0}` is no address of a server; give one as `https://data.example.org/`")]
    Address(String),
    #[error(
        "`{0}` is no address of a release; give one as `https://data.example.org/data/demo/1.0.0/`"
    )]
    Release(String),
    #[error("a server compares releases of one dataset that it has both of")]
    Apart,
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
pub(crate) fn address(text: &str) -> Result<Url, ServerError> {
    let url = Url::parse(text).ok();
    let url = url.filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    url.ok_or_else(|| ServerError::Address(crate::ssrf::shown(text)))
}

/// How one talks to the server of an address that somebody typed.
pub(crate) fn config(url: &Url, token: Option<&str>) -> Result<HttpConfig, HttpError> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    Ok(HttpConfig {
        // Typing an address allows it.
        allow_private: vec![format!("{host}:{port}")],
        token: token.map(|token| Token::new(url, token)).transpose()?,
        ..HttpConfig::default()
    })
}

async fn ask(url: &Url, token: Option<&str>, limit: u64) -> Result<Value, ServerError> {
    let http = Http::new(config(url, token)?)?;
    Ok(http.get_json(url, limit).await?.0)
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

/// Whether something typed is meant as an address, and not as a path.
pub fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// The dataset and version of a release's address (`/data/demo/1.0.0/`, or its page's).
fn release(text: &str) -> Result<(Url, String, String), ServerError> {
    let url = address(text)?;
    let mut parts = url.path().trim_end_matches('/').rsplitn(3, '/');
    let (version, dataset) = (parts.next(), parts.next());
    match (version, dataset) {
        (Some(version), Some(dataset)) if !dataset.is_empty() && !version.is_empty() => {
            Ok((url.clone(), dataset.to_owned(), version.to_owned()))
        }
        _ => Err(ServerError::Release(crate::ssrf::shown(text))),
    }
}

/// What a server says that one of its releases changes against another of the same dataset.
pub async fn diff(before: &str, after: &str, token: Option<&str>) -> Result<Diff, ServerError> {
    let (one, dataset, since) = release(before)?;
    let (mut url, other, version) = release(after)?;
    if one.origin() != url.origin() || dataset != other {
        return Err(ServerError::Apart);
    }
    url.set_path(&format!("/datasets/{dataset}/{version}/changes.json"));
    url.set_query(Some(&format!("since={since}")));
    let answer = ask(&url, token, MAX_DIFF).await?;
    serde_json::from_value(answer).map_err(|error| ServerError::Answer {
        url: crate::ssrf::shown(url.as_str()),
        wanted: "difference of releases",
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_named_by_its_files_or_its_page() {
        for text in [
            "http://127.0.0.1:8080/data/demo/1.0.0/",
            "http://127.0.0.1:8080/data/demo/1.0.0",
            "https://data.example.org/datasets/demo/1.0.0/",
        ] {
            let (_, dataset, version) = release(text).unwrap();
            assert_eq!((dataset.as_str(), version.as_str()), ("demo", "1.0.0"));
        }
        for text in [
            "http://127.0.0.1:8080/",
            "http://127.0.0.1:8080/demo",
            "demo/1.0.0",
        ] {
            assert!(release(text).is_err(), "{text}");
        }
    }
}
