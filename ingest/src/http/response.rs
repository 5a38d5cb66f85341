//! An answer and its body, read within limits.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use reqwest::{
    StatusCode,
    header::{self, HeaderMap},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use url::Url;

use super::{HttpError, error::network, first_words};
use crate::ssrf::shown;

/// How much of a wrong answer is read to quote it, in bytes.
const ERROR_BODY: u64 = 8 << 10;

/// An answer whose body has not been read. Holds its place in the host's queue.
pub struct Response {
    url: Url,
    inner: reqwest::Response,
    deadline: Instant,
    stall: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Response {
    pub(super) fn new(
        url: Url,
        inner: reqwest::Response,
        deadline: Instant,
        stall: Duration,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            url,
            inner,
            deadline,
            stall,
            _permit: permit,
        }
    }

    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// Where the redirects ended.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What `Content-Length` says of the body as sent.
    pub fn content_length(&self) -> Option<u64> {
        self.inner.content_length()
    }

    /// The next bytes as they came; `None` at the end. A body that ends before
    /// its `Content-Length` is a network error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        let now = Instant::now();
        let until = self.deadline.min(now + self.stall);
        match timeout_at(until, self.inner.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(e)) => Err(network(&self.url, &e)),
            Err(_) => Err(HttpError::Timeout {
                url: shown(self.url.as_str()),
                problem: if self.deadline <= Instant::now() {
                    "the whole transfer took too long".to_owned()
                } else {
                    format!("no byte came for {} s", self.stall.as_secs_f64())
                },
            }),
        }
    }

    /// The body, which may be `limit` bytes long.
    pub async fn bytes(mut self, limit: u64) -> Result<Vec<u8>, HttpError> {
        let too_large = |url: &Url| HttpError::TooLarge {
            url: shown(url.as_str()),
            limit,
        };
        if self.content_length().is_some_and(|n| n > limit) {
            return Err(too_large(&self.url));
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() as u64 + chunk.len() as u64 > limit {
                return Err(too_large(&self.url));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The body, or its first `limit` bytes.
    pub async fn start(mut self, limit: u64) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let room = limit.saturating_sub(body.len() as u64);
            let take = usize::try_from(room).map_or(chunk.len(), |room| chunk.len().min(room));
            body.extend_from_slice(&chunk[..take]);
            if take < chunk.len() {
                break;
            }
        }
        Ok(body)
    }

    /// The body unpacked as `Content-Encoding` says (`gzip` or none).
    pub async fn unpacked(mut self, limit: u64) -> Result<Vec<u8>, HttpError> {
        let encoding = self.headers().get(header::CONTENT_ENCODING).map(|v| {
            String::from_utf8_lossy(v.as_bytes())
                .trim()
                .to_ascii_lowercase()
        });
        match encoding.as_deref() {
            None | Some("" | "identity") => return self.bytes(limit).await,
            Some("gzip" | "x-gzip") => {}
            Some(other) => {
                return Err(HttpError::Encoding {
                    url: shown(self.url.as_str()),
                    problem: format!(
                        "the content encoding `{}` is not one we asked for",
                        first_words(other.as_bytes())
                    ),
                });
            }
        }
        let url = shown(self.url.as_str());
        let mut unpack = flate2::write::MultiGzDecoder::new(Capped {
            body: Vec::new(),
            limit,
        });
        let failed = |unpack: &flate2::write::MultiGzDecoder<Capped>, e: std::io::Error| {
            if unpack.get_ref().is_full() {
                HttpError::TooLarge {
                    url: url.clone(),
                    limit,
                }
            } else {
                HttpError::Encoding {
                    url: url.clone(),
                    problem: format!("the gzip content is broken: {e}"),
                }
            }
        };
        while let Some(chunk) = self.chunk().await? {
            if let Err(e) = unpack.write_all(&chunk) {
                return Err(failed(&unpack, e));
            }
        }
        if let Err(e) = unpack.try_finish() {
            return Err(failed(&unpack, e));
        }
        match unpack.finish() {
            Ok(capped) => Ok(capped.body),
            Err(e) => Err(HttpError::Encoding {
                url,
                problem: format!("the gzip content is broken: {e}"),
            }),
        }
    }

    /// This answer as an error, with the first words of its body.
    pub async fn into_error(self) -> HttpError {
        let url = shown(self.url.as_str());
        let status = self.status().as_u16();
        let words = match self.unpacked(ERROR_BODY).await {
            Ok(body) => first_words(&body),
            Err(_) => String::new(),
        };
        HttpError::Status { url, status, words }
    }
}

/// A buffer that refuses to grow over its limit.
struct Capped {
    body: Vec<u8>,
    limit: u64,
}

impl Capped {
    fn is_full(&self) -> bool {
        self.body.len() as u64 >= self.limit
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = self.limit.saturating_sub(self.body.len() as u64);
        let take = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if take == 0 && !bytes.is_empty() {
            return Err(std::io::Error::other("over the limit"));
        }
        self.body.extend_from_slice(&bytes[..take]);
        Ok(take)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The body as JSON.
pub(super) async fn read_json(
    response: Response,
    max_bytes: u64,
) -> Result<(serde_json::Value, HeaderMap), HttpError> {
    if !response.status().is_success() {
        return Err(response.into_error().await);
    }
    let url = shown(response.url().as_str());
    let headers = response.headers().clone();
    let body = response.unpacked(max_bytes).await?;
    match serde_json::from_slice(&body) {
        Ok(value) => Ok((value, headers)),
        Err(e) => {
            let start = body.trim_ascii_start();
            let kind = if start.first() == Some(&b'<') {
                "HTML".to_owned()
            } else if matches!(start.first(), Some(b'{' | b'[')) {
                format!("broken JSON ({e})")
            } else {
                headers
                    .get(header::CONTENT_TYPE)
                    .map(|v| first_words(v.as_bytes()))
                    .filter(|t| !t.contains("json"))
                    .unwrap_or_else(|| "text".to_owned())
            };
            Err(HttpError::NotJson {
                url,
                kind,
                words: first_words(&body),
            })
        }
    }
}
