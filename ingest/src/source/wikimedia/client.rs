//! One request to an Action API, and what can come back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    http::{Http, HttpError},
    source::SourceError,
};

/// Most bytes of one answer, unpacked. The largest seen (500 pages with
/// metadata of EXIF-rich files) are under 8 MiB.
pub const MAX_ANSWER_BYTES: u64 = 32 << 20;

/// How often an answer that says "later" is asked for again, after the retries
/// of the HTTP client.
const MAX_WAITS: u32 = 8;

/// Longest single wait when the wiki names none.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Most different warnings logged.
const MAX_WARNED: usize = 100;

/// Longest text of a server quoted in a message, in characters.
const QUOTED: usize = 200;

/// Hosts that block clients without a contact in their `User-Agent`
/// (Wikimedia Foundation User-Agent Policy).
const WIKIMEDIA: &[&str] = &[
    "wikimedia.org",
    "wikipedia.org",
    "wikidata.org",
    "mediawiki.org",
    "wiktionary.org",
    "wikibooks.org",
    "wikinews.org",
    "wikiquote.org",
    "wikisource.org",
    "wikiversity.org",
    "wikivoyage.org",
    "wikimediafoundation.org",
];

/// Whoever answers requests: the HTTP client, or a recording in a test.
#[allow(async_fn_in_trait)]
pub trait Answerer {
    /// The JSON at `url`, of at most `max_bytes`.
    async fn answer(&self, url: &Url, max_bytes: u64) -> Result<(Value, HeaderMap), HttpError>;
}

impl Answerer for Http {
    async fn answer(&self, url: &Url, max_bytes: u64) -> Result<(Value, HeaderMap), HttpError> {
        self.get_json(url, max_bytes).await
    }
}

/// Parameters of a request, sorted: the same question is the same URL.
pub type Params = BTreeMap<String, String>;

/// The `error` object of an answer.
#[derive(Debug)]
pub struct ApiRefusal {
    pub url: String,
    pub code: String,
    pub info: String,
}

impl ApiRefusal {
    pub fn into_source_error(self) -> SourceError {
        let remedy = match self.code.as_str() {
            "maxlag" | "ratelimited" | "readonly" => {
                "the wiki is busy: run again later, it goes on where it stopped"
            }
            "badvalue" | "badgenerator" | "badparams" | "unknown_action" => {
                "this wiki does not offer what `[wikimedia]` asks for; leave it out"
            }
            "badcontinue" => "the wiki no longer knows this place of its listing; start a new run",
            "invalidcategory" | "invalidtitle" => "correct the name in `[wikimedia]`",
            "readapidenied" | "permissiondenied" => {
                "the wiki is closed to readers without an account"
            }
            _ => "see the wiki's API help for this code",
        };
        SourceError::Api {
            url: self.url,
            problem: format!("the API refuses with `{}`: {}", self.code, self.info),
            remedy: remedy.to_owned(),
        }
    }
}

/// A request failed: the wiki refused it, or there was no usable answer.
pub enum AskError {
    Refused(ApiRefusal),
    Failed(SourceError),
}

impl From<SourceError> for AskError {
    fn from(error: SourceError) -> Self {
        AskError::Failed(error)
    }
}

impl From<AskError> for SourceError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(refusal) => refusal.into_source_error(),
            AskError::Failed(error) => error,
        }
    }
}

/// An Action API.
pub struct ApiClient<A> {
    answerer: A,
    base: Url,
    maxlag: u32,
    /// Warnings already logged: a wiki repeats them with every answer.
    warned: Mutex<BTreeSet<String>>,
}

impl<A: Answerer> ApiClient<A> {
    /// `user_agent` is what `[fetch] user_agent` declares; Wikimedia's own
    /// hosts are not asked without a contact in it.
    pub fn new(
        answerer: A,
        api: &str,
        maxlag: u32,
        user_agent: Option<&str>,
    ) -> Result<Self, SourceError> {
        let error = |problem: &str, remedy: &str| SourceError::Api {
            url: quote(api),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        };
        let base = Url::parse(api)
            .ok()
            .filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
            .ok_or_else(|| {
                error(
                    "this is not an http(s) address",
                    "`api` in `[wikimedia]` must be the address of an `api.php`",
                )
            })?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(error(
                "the address already has parameters",
                "give `api` in `[wikimedia]` without `?` and `#`",
            ));
        }
        if wants_contact(&base, user_agent) {
            return Err(error(
                "Wikimedia asks every client to say who it is",
                "set `user_agent` in `[fetch]` to a name and a contact, \
                 e.g. `my-project/1.0 (https://example.org; me@example.org)`",
            ));
        }
        Ok(Self {
            answerer,
            base,
            maxlag,
            warned: Mutex::default(),
        })
    }

    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Asks, waits while the wiki says "later", and logs its warnings.
    pub async fn ask(&self, params: &Params) -> Result<Map<String, Value>, AskError> {
        let url = self.url(params);
        let mut waits = 0;
        loop {
            let (answer, headers) = self
                .answerer
                .answer(&url, MAX_ANSWER_BYTES)
                .await
                .map_err(|e| AskError::Failed(unusable(&url, &e)))?;
            let Value::Object(answer) = answer else {
                return Err(AskError::Failed(not_an_answer(&url)));
            };
            if let Some(refusal) = refusal(&url, &answer) {
                let later = matches!(refusal.code.as_str(), "maxlag" | "ratelimited" | "readonly");
                if !later || waits >= MAX_WAITS {
                    return Err(AskError::Refused(refusal));
                }
                let wait = asked_wait(&headers).unwrap_or(Duration::from_secs(5 << waits.min(3)));
                tracing::info!(
                    code = refusal.code,
                    wait_s = wait.as_secs(),
                    "the wiki asks to come back later"
                );
                tokio::time::sleep(wait.min(MAX_WAIT)).await;
                waits += 1;
                continue;
            }
            self.log_warnings(&answer);
            return Ok(answer);
        }
    }

    /// `warnings: { module: { warnings: "text" } }`. They name parameters the
    /// wiki does not know (a property of an extension it lacks), so the answer stands.
    fn log_warnings(&self, answer: &Map<String, Value>) {
        let Some(Value::Object(warnings)) = answer.get("warnings") else {
            return;
        };
        let mut warned = self.warned.lock().unwrap_or_else(|e| e.into_inner());
        for (module, warning) in warnings.iter().take(8) {
            let text = warning.get("warnings").and_then(Value::as_str);
            let (module, text) = (quote(module), quote(text.unwrap_or_default()));
            if warned.len() < MAX_WARNED && warned.insert(format!("{module}: {text}")) {
                tracing::warn!(module, text, "the wiki warns");
            }
        }
    }

    /// The whole address of a request.
    pub fn url(&self, params: &Params) -> Url {
        let mut url = self.base.clone();
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("format", "json");
            pairs.append_pair("formatversion", "2");
            pairs.append_pair("maxlag", &self.maxlag.to_string());
            for (key, value) in params {
                pairs.append_pair(key, value);
            }
        }
        url
    }
}

/// Whether a host is asked only by clients that say who they are, and this one does not.
pub fn wants_contact(url: &Url, user_agent: Option<&str>) -> bool {
    is_wikimedia(url) && !user_agent.is_some_and(has_contact)
}

fn is_wikimedia(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    WIKIMEDIA
        .iter()
        .any(|domain| host == *domain || host.ends_with(&format!(".{domain}")))
}

/// A mail address, or the address of a page that says who it is.
fn has_contact(user_agent: &str) -> bool {
    user_agent
        .split(|c: char| c.is_whitespace() || "()<>;,".contains(c))
        .any(|word| {
            let mail = word
                .split_once('@')
                .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
            let page = Url::parse(word)
                .is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
            mail || page
        })
}

fn refusal(url: &Url, answer: &Map<String, Value>) -> Option<ApiRefusal> {
    // `errors` is what newer error formats say instead of `error`.
    let error = answer
        .get("error")
        .or_else(|| answer.get("errors").and_then(|e| e.get(0)))?;
    let text = |key: &str| {
        let text = error.get(key).and_then(Value::as_str);
        text.map(quote).filter(|t| !t.is_empty())
    };
    Some(ApiRefusal {
        url: url.to_string(),
        code: text("code").unwrap_or_else(|| "unnamed".to_owned()),
        info: text("info")
            .or_else(|| text("text"))
            .unwrap_or_else(|| "no explanation given".to_owned()),
    })
}

fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    seconds.ok().map(Duration::from_secs)
}

fn unusable(url: &Url, error: &HttpError) -> SourceError {
    let remedy = match error {
        HttpError::NotJson { .. } => {
            "`api` in `[wikimedia]` must be the address of an `api.php`, and no login \
             or error page may stand before it"
        }
        HttpError::Refused(_) => "a private host must be declared in `[fetch] allow_private`",
        HttpError::TooLarge { .. } => "make `batch` in `[wikimedia]` smaller",
        HttpError::Status { status: 403, .. } => {
            "the server refuses us: check `user_agent` and `per_host_rate` in `[fetch]`"
        }
        HttpError::Status { status: 404, .. } => "check `api` in `[wikimedia]`",
        HttpError::Status { status: 414, .. } => "make `batch` in `[wikimedia]` smaller",
        _ => "run again later, it goes on where it stopped",
    };
    SourceError::Api {
        url: url.to_string(),
        problem: error.to_string(),
        remedy: remedy.to_owned(),
    }
}

fn not_an_answer(url: &Url) -> SourceError {
    SourceError::Api {
        url: url.to_string(),
        problem: "the JSON is no object, so it is no answer of an Action API".to_owned(),
        remedy: "`api` in `[wikimedia]` must be the address of an `api.php`".to_owned(),
    }
}

/// Foreign text for a message: short, on one line.
pub fn quote(text: &str) -> String {
    let line = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(QUOTED).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_a_mail_or_a_page() {
        for good in [
            "fairframe/0.1 (https://example.org; mail@example.org)",
            "x (me@example.org)",
            "x <http://example.org/me>",
        ] {
            assert!(has_contact(good), "{good}");
        }
        for bad in [
            "",
            "fairframe/0.1",
            "x (@)",
            "x (https://)",
            "a@b",
            "@example.org",
        ] {
            assert!(!has_contact(bad), "{bad}");
        }
    }

    #[test]
    fn wikimedia_hosts_are_known_by_their_ends() {
        let is = |u: &str| is_wikimedia(&Url::parse(u).unwrap());
        assert!(is("https://commons.wikimedia.org/w/api.php"));
        assert!(is("https://wikipedia.org/w/api.php"));
        assert!(is("https://COMMONS.wikimedia.org./w/api.php"));
        assert!(!is("https://notwikimedia.org/w/api.php"));
        assert!(!is("https://wikimedia.org.example/w/api.php"));
        assert!(!is("http://127.0.0.1/api.php"));
    }
}
