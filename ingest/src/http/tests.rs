use std::{
    io::Write,
    sync::atomic::{AtomicUsize, Ordering},
};

use fairframe_schemas::Reason;

use super::*;
use crate::ssrf::Refused;
use crate::test_server::{Asked, Names, Out, TestServer};

fn config() -> HttpConfig {
    HttpConfig {
        user_agent: "fairframe-test/1".into(),
        per_host: 4,
        per_host_rate: 0.0,
        retries: 2,
        max_redirects: 5,
        timeout: Duration::from_secs(20),
        stall: Duration::from_secs(10),
        allow_private: vec!["127.0.0.1".into(), "good.test".into()],
        token: None,
    }
}

fn http(config: HttpConfig) -> Http {
    let names = Names(vec![
        ("good.test", "127.0.0.1"),
        ("rebound.test", "127.0.0.1"),
        ("metadata.test", "169.254.169.254"),
    ]);
    Http::build(config, Arc::new(names), Duration::from_millis(5)).unwrap()
}

fn serve(handler: impl Fn(&Asked, &mut Out) + Send + Sync + 'static) -> TestServer {
    TestServer::start(handler)
}

async fn json(server: &TestServer, path: &str) -> Result<serde_json::Value, HttpError> {
    http(config())
        .get_json(&server.url(path), 1 << 20)
        .await
        .map(|(value, _)| value)
}

#[tokio::test]
async fn json_comes_plain_and_gzipped() {
    let server = serve(|asked, out| {
        let body = br#"{"a": [1, 2]}"#;
        if asked.path == "/gzip" {
            assert_eq!(asked.header("accept-encoding"), Some("gzip"));
            let mut pack = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            pack.write_all(body).unwrap();
            out.answer(
                "200 OK",
                &[("Content-Encoding", "gzip")],
                &pack.finish().unwrap(),
            );
        } else {
            out.answer("200 OK", &[], body);
        }
    });
    for path in ["/plain", "/gzip"] {
        assert_eq!(json(&server, path).await.unwrap()["a"][1], 2);
    }
    assert_eq!(
        server.asked()[0].header("user-agent"),
        Some("fairframe-test/1")
    );
}

#[tokio::test]
async fn a_gzip_bomb_ends_at_the_limit() {
    let server = serve(|_, out| {
        let mut pack = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        pack.write_all(&vec![b' '; 64 << 20]).unwrap();
        out.answer(
            "200 OK",
            &[("Content-Encoding", "gzip")],
            &pack.finish().unwrap(),
        );
    });
    let error = json(&server, "/").await.unwrap_err();
    assert!(
        matches!(error, HttpError::TooLarge { limit: 1048576, .. }),
        "{error}"
    );
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_broken_gzip_is_an_error_that_names_the_url() {
    let server = serve(|_, out| out.answer("200 OK", &[("Content-Encoding", "gzip")], b"not gzip"));
    let error = json(&server, "/broken").await.unwrap_err();
    assert!(error.to_string().contains("/broken"), "{error}");
    assert!(matches!(error, HttpError::Encoding { .. }), "{error:?}");
}

#[tokio::test]
async fn an_endless_json_ends_at_the_limit() {
    let server = serve(|_, out| {
        out.head("200 OK", &[("Transfer-Encoding", "chunked")], None);
        for _ in 0..100 {
            out.raw(format!("10000\r\n{}\r\n", " ".repeat(0x10000)).as_bytes());
        }
        out.close();
    });
    let error = json(&server, "/").await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn html_instead_of_json_is_named_with_its_first_words() {
    let server = serve(|_, out| {
        out.answer(
            "200 OK",
            &[("Content-Type", "text/html")],
            b"\n<!DOCTYPE html>\n<title>Sign\tin\x07 first</title>",
        )
    });
    let text = json(&server, "/w/api.php").await.unwrap_err().to_string();
    assert!(text.contains("/w/api.php"), "{text}");
    assert!(text.contains("HTML where JSON"), "{text}");
    assert!(
        text.contains("<!DOCTYPE html> <title>Sign in first</title>"),
        "{text}"
    );
}

#[tokio::test]
async fn broken_json_says_where() {
    let server = serve(|_, out| out.answer("200 OK", &[], br#"{"a": }"#));
    let text = json(&server, "/").await.unwrap_err().to_string();
    assert!(
        text.contains("broken JSON") && text.contains("column 7"),
        "{text}"
    );
}

#[tokio::test]
async fn statuses_are_errors_with_their_words() {
    let server = serve(|asked, out| match asked.path.as_str() {
        "/404" => out.answer("404 Not Found", &[], b"no such page"),
        _ => out.answer("503 Service Unavailable", &[], b"tired"),
    });
    let error = json(&server, "/404").await.unwrap_err();
    assert!(
        error.to_string().contains("status 404: \"no such page\""),
        "{error}"
    );
    assert_eq!(error.reason(), Reason::FetchNotFound);
    assert_eq!(server.asked().len(), 1);
    let error = json(&server, "/503").await.unwrap_err();
    assert!(matches!(error, HttpError::Status { status: 503, .. }));
    assert_eq!(server.asked().len(), 1 + 3, "first and two retries");
}

#[tokio::test]
async fn a_tired_server_is_asked_again() {
    let server = serve(|asked, out| match asked.before {
        0 => out.answer("503 Service Unavailable", &[], b""),
        1 => out.close(),
        _ => out.answer("200 OK", &[], b"[]"),
    });
    assert!(json(&server, "/").await.unwrap().is_array());
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn maxlag_is_waited_for_and_then_told() {
    let server = serve(|asked, out| {
        let lagged = br#"{"error": {"code": "maxlag"}}"#;
        match (asked.path.as_str(), asked.before) {
            ("/once", 1..) => out.answer("200 OK", &[], b"{}"),
            _ => out.answer("200 OK", &[("Retry-After", "0")], lagged),
        }
    });
    assert!(json(&server, "/once").await.unwrap().get("error").is_none());
    let value = json(&server, "/always").await.unwrap();
    assert_eq!(value["error"]["code"], "maxlag");
    assert_eq!(server.asked().len(), 2 + 3);
}

#[test]
fn retry_after_holds_the_whole_host_back() {
    let http = http(config());
    let url = Url::parse("http://a.example/").unwrap();
    let pace = http.pace(&url);
    let start = Instant::now();
    pace.hold(start, Duration::from_secs(7));
    pace.hold(start, Duration::from_secs(3));
    let until = start + Duration::from_secs(7);
    assert_eq!(http.pace(&url).claim(start), Err(until));
    assert_eq!(pace.claim(until), Ok(()));
    let other = http.pace(&Url::parse("http://b.example/").unwrap());
    assert_eq!(other.claim(Instant::now()), Ok(()));
    other.hold(start, Duration::from_secs(1 << 40));
    assert_eq!(other.claim(start), Err(start + MAX_RETRY_AFTER));
}

#[test]
fn retry_after_is_read_in_both_forms() {
    let now = "1994-11-06T08:49:30Z".parse().unwrap();
    let read = |text| parse_retry_after(text, now).map(|d| d.as_secs());
    assert_eq!(read("5"), Some(5));
    assert_eq!(read("99999999999999999999999"), Some(120));
    assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
    assert_eq!(read("Sun, 06 Nov 1994 08:49:07 GMT"), Some(0));
    assert_eq!(read("Mon, 07 Nov 1994 08:49:37 GMT"), Some(120));
    assert_eq!(read("soon"), None);
    assert_eq!(read("-5"), None);
    assert_eq!(read(""), None);
}

#[test]
fn requests_are_spaced_by_the_rate() {
    let http = http(HttpConfig {
        per_host_rate: 2.0,
        ..config()
    });
    let pace = http.pace(&Url::parse("http://a.example/").unwrap());
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    assert_eq!(pace.claim(at(0)), Ok(()));
    let second = pace.claim(at(10)).unwrap_err();
    assert!(second > at(480) && second <= at(500));
    // A late waker takes its place and does not shift the next one.
    assert_eq!(pace.claim(second + Duration::from_millis(100)), Ok(()));
    let third = pace.claim(at(700)).unwrap_err();
    assert_eq!(third, second + Duration::from_millis(500));
    // Idle time is not saved up.
    assert_eq!(pace.claim(at(10_000)), Ok(()));
    assert_eq!(pace.claim(at(10_001)), Err(at(10_500)));
}

#[test]
fn clients_of_one_run_take_turns_and_the_stricter_limit_counts() {
    let paces = Paces::default();
    let client = |per_host, per_host_rate| {
        let config = HttpConfig {
            per_host,
            per_host_rate,
            ..config()
        };
        Http::in_step(config, &paces).unwrap()
    };
    let url = Url::parse("http://a.example/").unwrap();
    let loose = client(8, 0.0);
    let pace = loose.pace(&url);
    let held: Vec<_> = (0..7)
        .map(|_| pace.slots.clone().try_acquire_owned().unwrap())
        .collect();
    let strict = client(2, 2.0);
    // Seven are on their way: the eighth place is taken back, the others as they come free.
    strict.pace(&url);
    assert_eq!(pace.slots.available_permits(), 0);
    drop(held);
    strict.pace(&url);
    assert_eq!(loose.pace(&url).slots.available_permits(), 2);
    let start = Instant::now() + Duration::from_secs(1);
    assert_eq!(loose.pace(&url).claim(start), Ok(()));
    let second = start + Duration::from_millis(500);
    assert_eq!(strict.pace(&url).claim(start), Err(second));
    assert_eq!(loose.pace(&url).claim(start), Err(second));
    // Other hosts are not concerned.
    let other = loose.pace(&Url::parse("http://b.example/").unwrap());
    assert_eq!(other.slots.available_permits(), 8);
}

#[tokio::test]
async fn no_more_than_per_host_at_a_time() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (n, m) = (now.clone(), most.clone());
    let server = serve(move |_, out| {
        m.fetch_max(n.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        out.stall(Duration::from_millis(20));
        n.fetch_sub(1, Ordering::SeqCst);
        out.answer("200 OK", &[], b"{}");
    });
    let http = http(HttpConfig {
        per_host: 3,
        ..config()
    });
    let all = (0..20).map(|i| {
        let (http, url) = (http.clone(), server.url(&format!("/{i}")));
        tokio::spawn(async move { http.get_json(&url, 100).await.unwrap() })
    });
    futures_util::future::join_all(all).await;
    assert_eq!(server.asked().len(), 20);
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn redirects_are_followed_to_their_end() {
    let server = serve(|asked, out| match asked.path.as_str() {
        "/a" => out.answer("301 Moved", &[("Location", "b?x=1#frag")], b""),
        "/b?x=1" => out.answer("307 Moved", &[("Location", "/c")], b""),
        _ => out.answer("200 OK", &[], b"{}"),
    });
    let answer = http(config())
        .get(&server.url("/a"), HeaderMap::new())
        .await
        .unwrap();
    assert_eq!(answer.url().path(), "/c");
    assert_eq!(server.paths(), ["/a", "/b?x=1", "/c"]);
}

#[tokio::test]
async fn endless_redirects_and_circles_end() {
    let server = serve(|asked, out| {
        let to = match asked.path.as_str() {
            "/circle" => "/back".to_owned(),
            "/back" => "/circle".to_owned(),
            path => format!("{path}x"),
        };
        out.answer("302 Found", &[("Location", &to)], b"");
    });
    let error = json(&server, "/").await.unwrap_err();
    assert!(
        matches!(error, HttpError::TooManyRedirects { limit: 5, .. }),
        "{error}"
    );
    assert_eq!(error.reason(), Reason::FetchTooManyRedirects);
    assert_eq!(server.asked().len(), 6);
    let error = json(&server, "/circle").await.unwrap_err();
    assert!(matches!(error, HttpError::RedirectLoop { .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_judged_like_the_first_url() {
    let target = Arc::new(serve(|_, out| out.answer("200 OK", &[], b"{}")));
    let port = target.port;
    let server = serve(move |asked, out| {
        let to = match asked.path.as_str() {
            "/metadata" => "http://169.254.169.254/latest/meta-data".to_owned(),
            "/local" => format!("http://127.0.0.1:{port}/"),
            "/name" => format!("http://rebound.test:{port}/"),
            "/file" => "file:///etc/passwd".to_owned(),
            _ => format!("http://user:word@good.test:{port}/"),
        };
        out.answer("302 Found", &[("Location", &to)], b"");
    });
    let http = http(HttpConfig {
        allow_private: vec!["good.test".into()],
        ..config()
    });
    for path in ["/metadata", "/local", "/name", "/file", "/user"] {
        let error = http
            .get_json(&server.named("good.test", path), 100)
            .await
            .unwrap_err();
        assert_eq!(
            error.reason(),
            Reason::FetchRefusedAddress,
            "{path}: {error}"
        );
    }
    assert_eq!(target.asked().len(), 0, "nothing reached the other server");
    assert_eq!(server.asked().len(), 5, "a refusal is not retried");
}

#[tokio::test]
async fn a_name_that_resolves_to_private_is_refused_at_connection() {
    let server = serve(|_, out| out.answer("200 OK", &[], b"{}"));
    let http = http(config());
    let error = http
        .get_json(&server.named("rebound.test", "/"), 100)
        .await
        .unwrap_err();
    assert!(
        matches!(error, HttpError::Refused(Refused::Address { .. })),
        "{error:?}"
    );
    let error = http
        .get_json(&server.named("metadata.test", "/"), 100)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("link-local"), "{error}");
    let error = http
        .get_json(&server.named("nowhere.test", "/"), 100)
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Network { .. }), "{error:?}");
    assert_eq!(server.asked().len(), 0);
    assert!(
        http.get_json(&server.named("good.test", "/"), 100)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_stall_and_a_slow_drip_end() {
    let server = serve(|asked, out| {
        match asked.path.as_str() {
            "/silent" => {}
            "/stall" => out.head("200 OK", &[], Some(10)),
            _ => {
                out.head("200 OK", &[], Some(1000));
                for _ in 0..100 {
                    out.raw(b" ");
                    out.stall(Duration::from_millis(20));
                }
            }
        }
        out.stall(Duration::from_secs(3));
        out.close();
    });
    let http = http(HttpConfig {
        retries: 0,
        stall: Duration::from_millis(200),
        timeout: Duration::from_millis(600),
        ..config()
    });
    for path in ["/silent", "/stall", "/drip"] {
        let error = http.get_json(&server.url(path), 5000).await.unwrap_err();
        assert_eq!(error.reason(), Reason::FetchTimeout, "{path}: {error}");
        let whole = error.to_string().contains("whole transfer");
        assert_eq!(whole, path == "/drip", "{error}");
    }
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_an_error() {
    let server = serve(|_, out| {
        out.head("200 OK", &[], Some(100));
        out.raw(b"{}");
        out.close();
    });
    let error = json(&server, "/").await.unwrap_err();
    assert!(matches!(error, HttpError::Network { .. }), "{error:?}");
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn backoff_grows_to_its_cap_and_repeats() {
    let http = Http::new(config()).unwrap();
    let url = Url::parse("http://a.example/").unwrap();
    for attempt in 0..40 {
        let wait = http.backoff(&url, attempt);
        assert!(wait <= MAX_BACKOFF);
        assert!(wait >= Duration::from_millis(250 << attempt.min(6)).min(MAX_BACKOFF / 2));
        assert_eq!(wait, http.backoff(&url, attempt));
    }
    let other = Url::parse("http://a.example/2").unwrap();
    assert_ne!(http.backoff(&url, 0), http.backoff(&other, 0));
}

#[test]
fn a_user_agent_that_is_no_header_is_refused() {
    let error = Http::new(HttpConfig {
        user_agent: "a\nb".into(),
        ..config()
    })
    .err()
    .unwrap();
    assert!(error.to_string().contains("user agent"), "{error}");
}

#[tokio::test]
async fn a_token_goes_to_its_server_over_tls_or_at_home_and_to_no_other() {
    let other = serve(|asked, out| {
        assert_eq!(asked.header("authorization"), None);
        out.answer("200 OK", &[], b"{}");
    });
    let elsewhere = other.url("/");
    let server = serve(move |asked, out| {
        assert_eq!(asked.header("authorization"), Some("Bearer ff_secret"));
        match asked.path.as_str() {
            "/away" => out.answer("302 Found", &[("Location", elsewhere.as_str())], b""),
            _ => out.answer("200 OK", &[], b"{}"),
        }
    });
    let http = http(HttpConfig {
        token: Some(Token::new(&server.url("/"), " ff_secret\n").unwrap()),
        ..config()
    });
    for path in ["/", "/away"] {
        let answer = http.get(&server.url(path), HeaderMap::new()).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
    }
    let token = |url: &str, token: &str| Token::new(&Url::parse(url).unwrap(), token);
    assert!(token("http://data.example/", "ff_x").is_err());
    assert!(token("https://data.example/", "ff_x\r\nX: y").is_err());
    let fine = token("https://data.example/", "ff_secret").unwrap();
    assert!(!format!("{fine:?}").contains("ff_secret"));
}
