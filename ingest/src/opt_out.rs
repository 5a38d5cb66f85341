//! What a rights holder says about machine use: `robots.txt`, TDMRep, `X-Robots-Tag`.
//!
//! The words found go into the manifest's `opt_out`; whether they exclude a
//! sample is the policy's decision, except that what `robots.txt` disallows is
//! not fetched at all.
//!
//! | word | stated by |
//! | --- | --- |
//! | `robots.txt` | RFC 9309, for our product token or `*` |
//! | `tdm-reservation` | W3C TDM Reservation Protocol: header or `/.well-known/tdmrep.json` |
//! | `x-robots-tag:noai`, `x-robots-tag:noimageai` | header, for all or for our product token |
//!
//! Where TDMRep's header and file disagree, the reservation counts.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::header::HeaderMap;
use texting_robots::Robot;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};
use url::{Position, Url};

use crate::http::{Http, HttpError};

/// How much of a `robots.txt` is read: RFC 9309 asks for at least this.
pub const MAX_ROBOTS: u64 = 500 << 10;

/// Largest `tdmrep.json` that is read.
pub const MAX_TDMREP: u64 = 256 << 10;

/// Rules of one `tdmrep.json`; a file with more is taken to reserve everything.
pub const MAX_TDM_RULES: usize = 1000;

/// Origins remembered at a time.
const MAX_ORIGINS: usize = 1024;

/// RFC 9309 lets a cached copy stand for a day.
const GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

/// When a server that could not answer is asked again.
const BAD_FOR: Duration = Duration::from_secs(60);

/// Opt-outs of the origins we fetch from. Clones share the memory.
#[derive(Clone)]
pub struct OptOuts {
    http: Http,
    token: String,
    origins: Arc<Mutex<BTreeMap<String, Slot>>>,
}

/// Locked while somebody asks, so that one question is asked once.
type Slot = Arc<AsyncMutex<Option<Known>>>;

#[derive(Clone)]
struct Known {
    until: Instant,
    answer: Result<Arc<Origin>, HttpError>,
}

struct Origin {
    robots: Robots,
    tdm: Vec<TdmRule>,
}

enum Robots {
    Absent,
    Rules(Box<Robot>),
    /// The server could not say, so everything is disallowed (RFC 9309, 2.3.1.4).
    Unavailable(String),
}

/// What is known before a URL is fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    pub words: Vec<String>,
    /// Why the URL may not be fetched.
    pub disallowed: Option<String>,
}

impl OptOuts {
    /// `robots.txt` groups are matched against the product token of the
    /// client's user agent: what stands before `/` or a space.
    pub fn new(http: Http) -> Self {
        let token = product_token(&http.config().user_agent);
        Self {
            http,
            token,
            origins: Arc::default(),
        }
    }

    /// Asks the URL's origin, or remembers its answer.
    pub async fn before(&self, url: &Url) -> Result<Before, HttpError> {
        let origin = self.origin(url).await?;
        let mut found = Before::default();
        let disallowed = match &origin.robots {
            Robots::Absent => None,
            Robots::Rules(robot) => (!robot.allowed(url.as_str())).then(|| {
                let host = url.host_str().unwrap_or_default();
                format!("`robots.txt` of `{host}` disallows `{}`", url.path())
            }),
            Robots::Unavailable(why) => Some(why.clone()),
        };
        if let Some(why) = disallowed {
            found.words.push("robots.txt".to_owned());
            found.disallowed = Some(why);
        }
        if reserved(
            &origin.tdm,
            &url[Position::BeforePath..Position::AfterQuery],
        ) {
            found.words.push("tdm-reservation".to_owned());
        }
        Ok(found)
    }

    /// What the headers of an answer say.
    pub fn in_headers(&self, headers: &HeaderMap) -> Vec<String> {
        words_in_headers(headers, &self.token)
    }

    async fn origin(&self, url: &Url) -> Result<Arc<Origin>, HttpError> {
        let slot = self.slot(url);
        let mut known = slot.lock().await;
        if let Some(known) = known.as_ref()
            && known.until > Instant::now()
        {
            return known.answer.clone();
        }
        let answer = self.ask(url).await;
        let bad = match &answer {
            Ok(origin) => matches!(origin.robots, Robots::Unavailable(_)),
            Err(_) => true,
        };
        let answer = answer.map(Arc::new);
        *known = Some(Known {
            until: Instant::now() + if bad { BAD_FOR } else { GOOD_FOR },
            answer: answer.clone(),
        });
        answer
    }

    fn slot(&self, url: &Url) -> Slot {
        let key = &url[..Position::BeforePath];
        let mut origins = self.origins.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(slot) = origins.get(key) {
            return slot.clone();
        }
        if origins.len() >= MAX_ORIGINS {
            origins.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        origins.entry(key.to_owned()).or_default().clone()
    }

    async fn ask(&self, url: &Url) -> Result<Origin, HttpError> {
        let robots = self.ask_robots(url).await?;
        // Who is not to be visited is not asked for more.
        let tdm = match robots {
            Robots::Unavailable(_) => Vec::new(),
            _ => self.ask_tdm(url).await,
        };
        Ok(Origin { robots, tdm })
    }

    async fn ask_robots(&self, url: &Url) -> Result<Robots, HttpError> {
        let Ok(at) = url.join("/robots.txt") else {
            return Ok(Robots::Absent);
        };
        let unavailable = |status| {
            Robots::Unavailable(format!(
                "`{at}` answered with status {status}, which means: do not fetch"
            ))
        };
        let response = match self.http.get(&at, HeaderMap::new()).await {
            Ok(response) => response,
            Err(HttpError::Status { status, .. }) => return Ok(unavailable(status)),
            // A redirect that leads nowhere is an absent file.
            Err(
                HttpError::TooManyRedirects { .. }
                | HttpError::RedirectLoop { .. }
                | HttpError::BadRedirect { .. },
            ) => return Ok(Robots::Absent),
            Err(error) => return Err(error),
        };
        match response.status().as_u16() {
            200..=299 => {}
            status @ 500..=599 => return Ok(unavailable(status)),
            _ => return Ok(Robots::Absent),
        }
        let text = response.start(MAX_ROBOTS).await?;
        // The parser is foreign code on hostile text.
        let parsed = catch_unwind(AssertUnwindSafe(|| Robot::new(&self.token, &text)));
        Ok(match parsed {
            Ok(Ok(robot)) => Robots::Rules(Box::new(robot)),
            _ => Robots::Unavailable(format!(
                "`{at}` cannot be read as robots.txt, so nothing is fetched"
            )),
        })
    }

    /// The rules of `tdmrep.json`; none where there is no readable one.
    async fn ask_tdm(&self, url: &Url) -> Vec<TdmRule> {
        let Ok(at) = url.join("/.well-known/tdmrep.json") else {
            return Vec::new();
        };
        let Ok(response) = self.http.get(&at, HeaderMap::new()).await else {
            return Vec::new();
        };
        if !response.status().is_success() {
            return Vec::new();
        }
        match response.bytes(MAX_TDMREP).await {
            Ok(body) => read_tdmrep(&body),
            Err(_) => Vec::new(),
        }
    }
}

/// `fairframe/0.1 (mail@example.org)` is `fairframe`.
fn product_token(user_agent: &str) -> String {
    let end = user_agent
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(user_agent.len());
    match &user_agent[..end] {
        "" => "fairframe".to_owned(),
        token => token.to_ascii_lowercase(),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TdmRule {
    location: String,
    reserved: bool,
}

/// Entries without a location or a reservation of 0 or 1 are left out.
fn read_tdmrep(body: &[u8]) -> Vec<TdmRule> {
    let Ok(serde_json::Value::Array(entries)) = serde_json::from_slice(body) else {
        return Vec::new();
    };
    if entries.len() > MAX_TDM_RULES {
        return vec![TdmRule {
            location: "/".to_owned(),
            reserved: true,
        }];
    }
    entries
        .iter()
        .filter_map(|entry| {
            let reserved = match entry.get("tdm-reservation")? {
                serde_json::Value::Number(n) => n.as_u64()?,
                serde_json::Value::String(s) => s.trim().parse().ok()?,
                _ => return None,
            };
            let location = entry.get("location")?.as_str()?;
            (reserved <= 1).then(|| TdmRule {
                location: location.to_owned(),
                reserved: reserved == 1,
            })
        })
        .collect()
}

/// The rule with the longest matching location decides; of two as long, the
/// one that reserves.
fn reserved(rules: &[TdmRule], path: &str) -> bool {
    rules
        .iter()
        .filter(|rule| matches_path(&rule.location, path))
        .max_by_key(|rule| (rule.location.len(), rule.reserved))
        .is_some_and(|rule| rule.reserved)
}

/// A prefix in which `*` stands for any characters and a final `$` for the
/// end, as in RFC 9309. Linear: each part is taken at its first place.
fn matches_path(pattern: &str, path: &str) -> bool {
    let (pattern, to_end) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return !to_end || rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    if to_end {
        rest.ends_with(last)
    } else {
        rest.contains(last)
    }
}

/// Directives of `X-Robots-Tag` that carry a value, so that their colon ends no agent's name.
const WITH_VALUE: &[&str] = &[
    "unavailable_after",
    "max-snippet",
    "max-image-preview",
    "max-video-preview",
];

fn words_in_headers(headers: &HeaderMap, token: &str) -> Vec<String> {
    let mut words = Vec::new();
    for value in headers.get_all("x-robots-tag") {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let mut for_us = true;
        for part in text.split(',') {
            let mut directive = part.trim();
            if let Some((name, rest)) = directive.split_once(':')
                && !WITH_VALUE.contains(&name.trim())
            {
                for_us = matches!(name.trim(), "*" | "robots") || name.trim() == token;
                directive = rest.trim();
            }
            if for_us && matches!(directive, "noai" | "noimageai") {
                words.push(format!("x-robots-tag:{directive}"));
            }
        }
    }
    let reserves = |value: &reqwest::header::HeaderValue| value.as_bytes().trim_ascii() == b"1";
    if headers.get_all("tdm-reservation").iter().any(reserves) {
        words.push("tdm-reservation".to_owned());
    }
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;
    use crate::{http::HttpConfig, test_server::TestServer};

    fn opt_outs() -> OptOuts {
        let config = HttpConfig {
            user_agent: "Fairframe-Test/1 (a@b.example)".into(),
            retries: 1,
            allow_private: vec!["127.0.0.1".into()],
            ..HttpConfig::default()
        };
        let lookup = Arc::new(crate::ssrf::SystemLookup);
        OptOuts::new(Http::build(config, lookup, Duration::from_millis(1)).unwrap())
    }

    #[tokio::test]
    async fn robots_rules_for_us_and_for_all() {
        let server = TestServer::start(|asked, out| {
            match asked.path.as_str() {
            "/robots.txt" => out.answer(
                "200 OK",
                &[],
                b"User-agent: *\nDisallow: /\n\nUser-agent: fairframe-test\nDisallow: /private\nAllow: /private/open\nDisallow: /*.gif$\n",
            ),
            _ => out.answer("404 Not Found", &[], b""),
        }
        });
        let opt_outs = opt_outs();
        for (path, allowed) in [
            ("/a.jpg", true),
            ("/private/a.jpg", false),
            ("/private/open/a.jpg", true),
            ("/a.gif", false),
            ("/a.gif?x", true),
        ] {
            let before = opt_outs.before(&server.url(path)).await.unwrap();
            assert_eq!(before.disallowed.is_none(), allowed, "{path}");
            assert_eq!(before.words.is_empty(), allowed, "{path}");
        }
        assert_eq!(
            server.paths(),
            ["/robots.txt", "/.well-known/tdmrep.json"],
            "asked once"
        );
    }

    #[tokio::test]
    async fn no_robots_allows_and_a_failing_server_disallows() {
        let absent = TestServer::start(|_, out| out.answer("404 Not Found", &[], b""));
        let before = opt_outs().before(&absent.url("/x")).await.unwrap();
        assert_eq!(before, Before::default());

        let failing = TestServer::start(|_, out| out.answer("503 Busy", &[], b""));
        let before = opt_outs().before(&failing.url("/x")).await.unwrap();
        assert_eq!(before.words, ["robots.txt"]);
        assert!(before.disallowed.unwrap().contains("503"));

        let circle = TestServer::start(|asked, out| {
            out.answer("302 Found", &[("Location", &asked.path)], b"")
        });
        let before = opt_outs().before(&circle.url("/x")).await.unwrap();
        assert_eq!(before.disallowed, None);

        let closed = TestServer::start(|_, out| out.close());
        assert!(opt_outs().before(&closed.url("/x")).await.is_err());
    }

    #[tokio::test]
    async fn an_endless_robots_txt_is_read_to_the_limit() {
        let server = TestServer::start(|asked, out| {
            if asked.path != "/robots.txt" {
                return out.answer("404 Not Found", &[], b"");
            }
            out.head("200 OK", &[("Transfer-Encoding", "chunked")], None);
            let text = "User-agent: *\nDisallow: /first\n";
            out.raw(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
            for _ in 0..200 {
                out.raw(format!("10000\r\n{}\r\n", "#".repeat(0x10000)).as_bytes());
            }
            out.close();
        });
        let opt_outs = opt_outs();
        let before = opt_outs.before(&server.url("/first")).await.unwrap();
        assert!(before.disallowed.is_some());
        let before = opt_outs.before(&server.url("/other")).await.unwrap();
        assert!(before.disallowed.is_none());
    }

    #[tokio::test]
    async fn tdmrep_goes_by_the_longest_location() {
        let server = TestServer::start(|asked, out| match asked.path.as_str() {
            "/.well-known/tdmrep.json" => out.answer(
                "200 OK",
                &[],
                br#"[{"location": "/", "tdm-reservation": 1, "tdm-policy": "https://a.example/p"},
                     {"location": "/free/*.jpg$", "tdm-reservation": 0},
                     {"location": 7}, "odd", {"location": "/free", "tdm-reservation": 7}]"#,
            ),
            _ => out.answer("404 Not Found", &[], b""),
        });
        let opt_outs = opt_outs();
        for (path, reserved) in [
            ("/a.jpg", true),
            ("/free/a.jpg", false),
            ("/free/a.png", true),
        ] {
            let before = opt_outs.before(&server.url(path)).await.unwrap();
            assert_eq!(before.words == ["tdm-reservation"], reserved, "{path}");
            assert_eq!(before.disallowed, None);
        }
    }

    #[test]
    fn broken_tdmrep_reserves_nothing_and_a_huge_one_everything() {
        for body in ["", "{}", "[", "null", "<html>"] {
            assert!(read_tdmrep(body.as_bytes()).is_empty(), "{body}");
        }
        let entry = r#"{"location": "/x", "tdm-reservation": 0}"#;
        let many = format!("[{}]", vec![entry; MAX_TDM_RULES + 1].join(","));
        assert!(reserved(&read_tdmrep(many.as_bytes()), "/y"));
    }

    #[test]
    fn patterns_match_as_in_robots_txt() {
        for (pattern, path, hit) in [
            ("/", "/a", true),
            ("/a", "/ab", true),
            ("/a$", "/ab", false),
            ("/a$", "/a", true),
            ("/*.jpg", "/x/y.jpg?z", true),
            ("/*.jpg$", "/x/y.jpg?z", false),
            ("/*.jpg$", "/x.jpg/y.jpg", true),
            ("/a*b*c", "/a-c-b", false),
            ("/a*b*c", "/a-b-c", true),
            ("*", "/anything", true),
            ("/ab*b$", "/ab", false),
            ("", "/a", true),
        ] {
            assert_eq!(matches_path(pattern, path), hit, "{pattern} {path}");
        }
    }

    #[test]
    fn header_words_are_scoped_to_agents() {
        let words = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-robots-tag", HeaderValue::from_static(value));
            }
            words_in_headers(&headers, "fairframe")
        };
        assert_eq!(words(&["noindex, noai"]), ["x-robots-tag:noai"]);
        assert_eq!(
            words(&["NoImageAI", "noai"]),
            ["x-robots-tag:noai", "x-robots-tag:noimageai"]
        );
        assert!(words(&["googlebot: noai"]).is_empty());
        assert!(words(&["googlebot: nofollow, noai"]).is_empty());
        assert_eq!(words(&["fairframe: noai"]), ["x-robots-tag:noai"]);
        assert_eq!(words(&["*: noai"]), ["x-robots-tag:noai"]);
        assert_eq!(
            words(&["bot: noindex, fairframe: noai"]),
            ["x-robots-tag:noai"]
        );
        assert_eq!(words(&["max-snippet: 5, noai"]), ["x-robots-tag:noai"]);
        assert!(words(&["noindex", "noaix"]).is_empty());
    }

    #[test]
    fn a_tdm_header_reserves() {
        let mut headers = HeaderMap::new();
        headers.insert("tdm-reservation", HeaderValue::from_static("0"));
        assert!(words_in_headers(&headers, "x").is_empty());
        headers.append("tdm-reservation", HeaderValue::from_static(" 1 "));
        assert_eq!(words_in_headers(&headers, "x"), ["tdm-reservation"]);
    }

    #[test]
    fn product_tokens() {
        assert_eq!(product_token("Fairframe/0.1 (x)"), "fairframe");
        assert_eq!(product_token("my-bot"), "my-bot");
        assert_eq!(product_token("(odd)"), "fairframe");
    }
}
