//! One polite client for API calls and files.
//!
//! What it sees to, so that nobody else has to:
//!
//! - **addresses**: every hop goes through [`crate::ssrf`]; redirects are
//!   followed here, one at a time, never by the library;
//! - **manners**: at most `per_host` requests to one host at a time (a request
//!   lasts until its body is read or dropped), evenly spaced by
//!   `per_host_rate`; `Retry-After` holds back *all* requests to that host;
//!   clients may share this, and the strictest then counts ([`pace`]);
//! - **limits**: a stall between two chunks, a whole time per attempt, the size
//!   of a JSON answer after decompression, the number of redirects;
//! - **retries**: 429, 5xx (but 501 and 505) and failed connections, with
//!   exponential backoff. The jitter comes from a generator seeded by user
//!   agent, URL and attempt: repeatable, and different between installations.
//!
//! Proxies from the environment are not used: they would resolve names for us.

mod error;
mod pace;
mod redirects;
mod response;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fairframe_schemas::source::FetchLimits;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::{
    Client,
    header::{self, HeaderMap, HeaderValue},
};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use url::Url;

pub use reqwest::Method;

pub use error::HttpError;
use error::{causes, is_transient, network};
use pace::HostPace;
pub use pace::Paces;
pub(crate) use redirects::Redirects;
pub use response::Response;
use response::read_json;

use crate::ssrf::{AddressRules, FilteredDns, Lookup, Reach, SystemLookup, shown};

/// Longest wait that a `Retry-After` may ask for; more is waited no longer.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// Longest backoff between two attempts.
pub const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// How much of a wrong answer is quoted, in characters.
const FIRST_WORDS: usize = 120;

/// How to talk to servers.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    pub user_agent: String,
    /// Requests to one host at a time; at least 1.
    pub per_host: u32,
    /// Requests to one host a second; 0 is unlimited.
    pub per_host_rate: f64,
    /// Attempts after the first.
    pub retries: u32,
    pub max_redirects: u32,
    /// Whole attempt, from the request to the last byte.
    pub timeout: Duration,
    /// Longest wait for a connection, for headers and between two chunks.
    pub stall: Duration,
    /// See [`AddressRules::new`].
    pub allow_private: Vec<String>,
    /// Who asks, told to one server and to no other, wherever it redirects to.
    pub token: Option<Token>,
}

/// A token for one server.
#[derive(Clone)]
pub struct Token {
    /// `https://host:port`, or `http://` to this machine.
    origin: url::Origin,
    value: HeaderValue,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Token").field(&self.origin).finish()
    }
}

impl Token {
    /// For the server of a URL. A token is sent over TLS only, or to this machine.
    pub fn new(server: &Url, token: &str) -> Result<Self, HttpError> {
        let setup = |problem: &str| HttpError::Setup(problem.to_owned());
        let here = match server.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if server.scheme() != "https" && !here {
            return Err(setup("a token is sent over https only"));
        }
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let mut value = value.map_err(|_| setup("the token is none"))?;
        value.set_sensitive(true);
        Ok(Self {
            origin: server.origin(),
            value,
        })
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self::from(&FetchLimits::default())
    }
}

impl From<&FetchLimits> for HttpConfig {
    fn from(limits: &FetchLimits) -> Self {
        Self {
            user_agent: limits
                .user_agent
                .clone()
                .unwrap_or_else(|| concat!("fairframe/", env!("CARGO_PKG_VERSION")).to_owned()),
            per_host: limits.per_host,
            per_host_rate: limits.per_host_rate,
            retries: limits.retries,
            max_redirects: limits.max_redirects,
            timeout: Duration::from_secs_f64(limits.timeout_s.clamp(0.0, 1e6)),
            stall: Duration::from_secs_f64(limits.stall_s.clamp(0.0, 1e6)),
            allow_private: limits.allow_private.clone(),
            token: None,
        }
    }
}

/// The client. Clones share connections, pace and limits.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    config: HttpConfig,
    rules: AddressRules,
    public: Client,
    /// Absent where the source declares no private hosts.
    private: Option<Client>,
    paces: Paces,
    backoff: Duration,
}

impl Http {
    pub fn new(config: HttpConfig) -> Result<Self, HttpError> {
        Self::in_step(config, &Paces::default())
    }

    /// As [`Http::new`], taking turns at each host with all clients of these paces.
    pub fn in_step(config: HttpConfig, paces: &Paces) -> Result<Self, HttpError> {
        Self::assemble(
            config,
            Arc::new(SystemLookup),
            Duration::from_millis(500),
            paces.clone(),
        )
    }

    /// As [`Http::new`], with other names and a shorter first backoff: for tests.
    #[doc(hidden)]
    pub fn build(
        config: HttpConfig,
        lookup: Arc<dyn Lookup>,
        backoff: Duration,
    ) -> Result<Self, HttpError> {
        Self::assemble(config, lookup, backoff, Paces::default())
    }

    fn assemble(
        config: HttpConfig,
        lookup: Arc<dyn Lookup>,
        backoff: Duration,
        paces: Paces,
    ) -> Result<Self, HttpError> {
        let rules = AddressRules::new(&config.allow_private)?;
        let agent = HeaderValue::from_str(&config.user_agent).map_err(|_| {
            HttpError::Setup(format!(
                "the user agent `{}` holds characters that a header cannot",
                config.user_agent
            ))
        })?;
        let client = |reach| {
            Client::builder()
                .user_agent(agent.clone())
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                // Files are kept as they are; JSON is unpacked here, within its limit.
                .gzip(false)
                .connect_timeout(config.stall)
                .dns_resolver(FilteredDns::new(reach, lookup.clone()))
                .build()
                .map_err(|e| HttpError::Setup(causes(&e)))
        };
        let public = client(Reach::Public)?;
        let private = if config.allow_private.is_empty() {
            None
        } else {
            Some(client(Reach::Private)?)
        };
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                rules,
                public,
                private,
                paces,
                backoff,
            }),
        })
    }

    pub fn config(&self) -> &HttpConfig {
        &self.inner.config
    }

    /// Asks for `url` and follows redirects. Statuses that another attempt may
    /// change are retried and end as an error; every other status, also 4xx, is
    /// a [`Response`]. The body is as sent, without decompression.
    pub async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Response, HttpError> {
        let mut attempt = 0;
        loop {
            match self.try_get(url, &headers).await {
                Err(error) if error.is_transient() && attempt < self.inner.config.retries => {}
                end => return end,
            }
            sleep(self.backoff(url, attempt)).await;
            attempt += 1;
        }
    }

    /// One attempt: a status that another attempt may change is an error
    /// already, and its `Retry-After` has been taken to heart.
    pub(crate) async fn try_get(
        &self,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Response, HttpError> {
        let response = self.follow(url, headers).await?;
        self.settle(response).await
    }

    /// Turns an answer that another attempt may change into an error.
    pub(crate) async fn settle(&self, response: Response) -> Result<Response, HttpError> {
        if !is_transient(response.status().as_u16()) {
            return Ok(response);
        }
        if let Some(wait) = retry_after(response.headers()) {
            self.hold(response.url(), wait);
        }
        Err(response.into_error().await)
    }

    /// Asks for JSON of at most `max_bytes` (after decompression). Besides what
    /// [`Http::get`] retries, an `error` object that comes with `Retry-After`
    /// (MediaWiki's `maxlag` and rate limits) is retried; the last one is
    /// returned as it is.
    pub async fn get_json(
        &self,
        url: &Url,
        max_bytes: u64,
    ) -> Result<(serde_json::Value, HeaderMap), HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let mut attempt = 0;
        loop {
            let last = attempt >= self.inner.config.retries;
            match self.try_json(url, &headers, max_bytes).await {
                Ok((at, value, headers)) => {
                    let wait = retry_after(&headers).filter(|_| value.get("error").is_some());
                    match wait {
                        Some(wait) if !last => self.hold(&at, wait),
                        _ => return Ok((value, headers)),
                    }
                }
                Err(error) if error.is_transient() && !last => {}
                Err(error) => return Err(error),
            }
            sleep(self.backoff(url, attempt)).await;
            attempt += 1;
        }
    }

    async fn try_json(
        &self,
        url: &Url,
        headers: &HeaderMap,
        max_bytes: u64,
    ) -> Result<(Url, serde_json::Value, HeaderMap), HttpError> {
        let response = self.try_get(url, headers).await?;
        let at = response.url().clone();
        let (value, headers) = read_json(response, max_bytes).await?;
        Ok((at, value, headers))
    }

    /// This URL and what it redirects to.
    async fn follow(&self, first: &Url, headers: &HeaderMap) -> Result<Response, HttpError> {
        let mut redirects = Redirects::new(first, self.inner.config.max_redirects);
        loop {
            let response = self.send(redirects.url(), headers).await?;
            match redirects.next(response)? {
                Some(response) => return Ok(response),
                None => continue,
            }
        }
    }

    /// One request, in its turn.
    pub(crate) async fn send(&self, url: &Url, headers: &HeaderMap) -> Result<Response, HttpError> {
        self.request(Method::GET, url, headers, None).await
    }

    /// One attempt at a request with a body. It may change something: whether it may be sent again,
    /// or where a redirect leads, is for whoever asks to say. Statuses that another attempt may
    /// change are an error.
    pub(crate) async fn send_body(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response, HttpError> {
        let response = self.request(method, url, headers, Some(body)).await?;
        self.settle(response).await
    }

    async fn request(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response, HttpError> {
        let inner = &self.inner;
        let client = match inner.rules.check_url(url)? {
            Reach::Public => &inner.public,
            Reach::Private => inner.private.as_ref().unwrap_or(&inner.public),
        };
        let permit = self.turn(url).await;
        let start = Instant::now();
        let deadline = start + inner.config.timeout;
        let stall = inner.config.stall;
        let mut headers = headers.clone();
        let token = inner.config.token.as_ref();
        if let Some(token) = token.filter(|t| t.origin == url.origin()) {
            headers.insert(header::AUTHORIZATION, token.value.clone());
        }
        let mut sending = client.request(method, url.clone()).headers(headers);
        let mut until = deadline.min(start + stall);
        if let Some(body) = body {
            sending = sending.body(body);
            // No answer comes before the body is sent, which takes its time.
            until = deadline;
        }
        let answer = timeout_at(until, sending.send())
            .await
            .map_err(|_| HttpError::Timeout {
                url: shown(url.as_str()),
                problem: "no answer in time".to_owned(),
            })?
            .map_err(|e| network(url, &e))?;
        Ok(Response::new(url.clone(), answer, deadline, stall, permit))
    }

    /// Waits for a free connection and for the pace of the URL's host.
    async fn turn(&self, url: &Url) -> OwnedSemaphorePermit {
        let pace = self.pace(url);
        let permit = pace
            .slots
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        // A `Retry-After` may arrive while we wait, so ask again afterwards.
        while let Err(slot) = pace.claim(Instant::now()) {
            sleep_until(slot).await;
        }
        permit
    }

    fn pace(&self, url: &Url) -> Arc<HostPace> {
        let config = &self.inner.config;
        let host = url.host_str().unwrap_or_default();
        self.inner
            .paces
            .of(host, config.per_host, config.per_host_rate)
    }

    /// Lets nobody ask this URL's host for a while.
    fn hold(&self, url: &Url, wait: Duration) {
        self.pace(url).hold(Instant::now(), wait);
    }

    /// How long to wait after this attempt (from 0): half fixed, half drawn.
    pub(crate) fn backoff(&self, url: &Url, attempt: u32) -> Duration {
        let full = self
            .inner
            .backoff
            .saturating_mul(1 << attempt.min(10))
            .min(MAX_BACKOFF);
        let mut hash = Sha256::new();
        hash.update(self.inner.config.user_agent.as_bytes());
        hash.update(b"\n");
        hash.update(url.as_str().as_bytes());
        hash.update(attempt.to_le_bytes());
        let mut random = ChaCha8Rng::from_seed(hash.finalize().into());
        full.mul_f64(0.5 + 0.5 * random.random::<f64>())
    }
}

/// The beginning of a text on one line, without control characters.
pub(crate) fn first_words(body: &[u8]) -> String {
    let start = &body[..body.len().min(FIRST_WORDS * 8)];
    let text = String::from_utf8_lossy(start);
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(FIRST_WORDS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// What `Retry-After` asks for, in seconds or as a date; at most [`MAX_RETRY_AFTER`].
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    #[expect(
        clippy::disallowed_methods,
        reason = "a date in Retry-After is measured from now"
    )]
    let now = SystemTime::now();
    parse_retry_after(text, now.into())
}

fn parse_retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit mean "very long".
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = DateTime::parse_from_rfc2822(text).ok()?;
        (until.with_timezone(&Utc) - now)
            .to_std()
            .unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
