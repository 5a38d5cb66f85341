use std::{
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fairframe_schemas::Layout;

use super::{partial::KEEP_FROM, *};
use crate::{
    ssrf::SystemLookup,
    test_server::{Asked, Out, TestServer},
};

mod resume;

struct Bench {
    _folder: tempfile::TempDir,
    layout: Layout,
    fetcher: Fetcher,
}

fn limits() -> FetchLimits {
    FetchLimits {
        max_bytes: 20 << 20,
        retries: 3,
        allow_private: vec!["127.0.0.1".into()],
        opt_outs: false,
        ..FetchLimits::default()
    }
}

impl Bench {
    fn new(limits: FetchLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let fetcher = fetcher(&layout, limits);
        Self {
            _folder: folder,
            layout,
            fetcher,
        }
    }

    async fn fetch(&self, server: &TestServer, path: &str) -> Result<Fetched, FetchFailure> {
        self.fetch_expecting(server, path, Expected::default())
            .await
    }

    async fn fetch_expecting(
        &self,
        server: &TestServer,
        path: &str,
        expected: Expected,
    ) -> Result<Fetched, FetchFailure> {
        let media = MediaRef::Url(server.url(path).into());
        let fetched = self.fetcher.fetch(id(path), &media, &expected).await;
        fetched.map_err(of_sample)
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.layout.store().join(folder))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn stored(&self, fetched: &Fetched) -> Vec<u8> {
        std::fs::read(self.fetcher.store().path(&fetched.sha256)).unwrap()
    }
}

fn of_sample(error: FetchError) -> FetchFailure {
    match error {
        FetchError::Sample(failure) => failure,
        FetchError::Disk(error) => panic!("{error}"),
    }
}

fn fetcher(layout: &Layout, limits: FetchLimits) -> Fetcher {
    let http = Http::build(
        HttpConfig::from(&limits),
        Arc::new(SystemLookup),
        Duration::from_millis(2),
    )
    .unwrap();
    Fetcher::with_http(http, &limits, Store::open(layout).unwrap())
}

fn id(path: &str) -> SampleId {
    SampleId::new("test", path)
}

/// Bytes in which every place is recognisable.
fn body(length: usize, version: u8) -> Vec<u8> {
    (0..length)
        .map(|i| {
            // The first step of splitmix64.
            let x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (x >> 32) as u8 ^ version
        })
        .collect()
}

/// A server that does ranges right.
fn serve_ranges(asked: &Asked, out: &mut Out, etag: &str, body: &[u8]) {
    match asked.range_start() {
        Some(start) if asked.header("if-range") == Some(etag) => {
            let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
            out.answer(
                "206 Partial Content",
                &[("ETag", etag), ("Content-Range", &range)],
                &body[start..],
            );
        }
        _ => out.answer("200 OK", &[("ETag", etag)], body),
    }
}

/// Sends the head of a whole answer and a part of its body, then hangs up.
fn break_off(out: &mut Out, etag: &str, body: &[u8], at: usize) {
    out.head("200 OK", &[("ETag", etag)], Some(body.len()));
    out.raw(&body[..at]);
    out.close();
}

#[tokio::test]
async fn bytes_digests_and_type_of_a_plain_file() {
    let server = TestServer::start(|asked, out| {
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
        out.answer("200 OK", &[("Content-Type", "Image/JPEG; q=1")], b"abc");
    });
    let bench = Bench::new(limits());
    let fetched = bench.fetch(&server, "/a").await.unwrap();
    assert_eq!(fetched.sha256, Digest::of(b"abc"));
    assert_eq!(fetched.bytes, 3);
    assert_eq!(fetched.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(bench.stored(&fetched), b"abc");
    assert!(bench.files("tmp").is_empty() && bench.files("partial").is_empty());
}

#[tokio::test]
async fn what_the_source_expects_is_checked() {
    let server = TestServer::start(|_, out| out.answer("200 OK", &[], b"abc"));
    let bench = Bench::new(limits());
    let reason = async |expected| {
        let result = bench.fetch_expecting(&server, "/a", expected).await;
        result.err().map(|f| f.reason)
    };
    let sha1 = "A9993E364706816ABA3E25717850C26C9CD0D89D".to_owned();
    let right = Expected {
        sha1: Some(sha1.clone()),
        sha256: Some(Digest::of(b"abc")),
        bytes: Some(3),
        state: None,
    };
    assert_eq!(reason(right).await, None);
    let wrong = Expected {
        sha256: Some(Digest::of(b"abd")),
        bytes: Some(4),
        ..Expected::default()
    };
    assert_eq!(reason(wrong).await, Some(Reason::DigestMismatch));
    let wrong = Expected {
        sha1: Some(sha1.replace('A', "B")),
        ..Expected::default()
    };
    assert_eq!(reason(wrong).await, Some(Reason::DigestMismatch));
    let longer = Expected {
        bytes: Some(4),
        ..Expected::default()
    };
    assert_eq!(reason(longer).await, Some(Reason::FetchTruncated));
    assert!(bench.files("tmp").is_empty());
}

#[tokio::test]
async fn lies_about_the_length_are_found() {
    let server = TestServer::start(|asked, out| match asked.path.as_str() {
        "/short" => {
            out.head("200 OK", &[], Some(100));
            out.raw(b"only this");
            out.close();
        }
        // More than announced: what is over belongs to no answer, the source's
        // own statement tells.
        "/long" => {
            out.head("200 OK", &[], Some(4));
            out.raw(b"longer than that");
            out.close();
        }
        // A part that says less than it holds.
        _ => match asked.range_start() {
            None => break_off(out, "\"v\"", &[7; 100], 50),
            Some(start) => {
                let range = format!("bytes {start}-99/100");
                out.head(
                    "206 Partial",
                    &[
                        ("ETag", "\"v\""),
                        ("Content-Range", &range),
                        ("Transfer-Encoding", "chunked"),
                    ],
                    None,
                );
                out.raw(format!("ff\r\n{}\r\n0\r\n\r\n", "x".repeat(255)).as_bytes());
            }
        },
    });
    let bench = Bench::new(limits());
    let failure = bench.fetch(&server, "/short").await.unwrap_err();
    assert_eq!(failure.reason, Reason::FetchTruncated, "{failure}");
    assert!(failure.message.contains("9 of 100 bytes came"), "{failure}");
    let expected = Expected {
        bytes: Some(16),
        ..Expected::default()
    };
    let failure = bench
        .fetch_expecting(&server, "/long", expected)
        .await
        .unwrap_err();
    assert_eq!(failure.reason, Reason::FetchTruncated, "{failure}");
    let failure = bench.fetch(&server, "/over").await.unwrap_err();
    assert_eq!(failure.reason, Reason::FetchTruncated, "{failure}");
}

#[tokio::test]
async fn chunked_without_a_length_ends_with_its_last_chunk() {
    let server = TestServer::start(|asked, out| {
        out.head("200 OK", &[("Transfer-Encoding", "chunked")], None);
        out.raw(b"3\r\nabc\r\n");
        match asked.path.as_str() {
            "/whole" => out.raw(b"0\r\n\r\n"),
            _ => out.close(),
        }
    });
    let bench = Bench::new(limits());
    let fetched = bench.fetch(&server, "/whole").await.unwrap();
    assert_eq!(fetched.sha256, Digest::of(b"abc"));
    let failure = bench.fetch(&server, "/cut").await.unwrap_err();
    assert_eq!(failure.reason, Reason::FetchNetworkError, "{failure}");
}

#[tokio::test]
async fn too_much_is_refused_before_and_while_it_comes() {
    let server = TestServer::start(|asked, out| match asked.path.as_str() {
        "/announced" => out.head("200 OK", &[], Some(1 << 40)),
        _ => {
            out.head("200 OK", &[("Transfer-Encoding", "chunked")], None);
            for _ in 0..1000 {
                out.raw(format!("10000\r\n{}\r\n", "x".repeat(0x10000)).as_bytes());
            }
        }
    });
    let bench = Bench::new(FetchLimits {
        max_bytes: 1 << 20,
        ..limits()
    });
    for path in ["/announced", "/endless"] {
        let failure = bench.fetch(&server, path).await.unwrap_err();
        assert_eq!(failure.reason, Reason::FetchTooLarge, "{path}: {failure}");
    }
    assert_eq!(server.asked().len(), 2, "not asked again");
    assert!(bench.files("tmp").is_empty());
}

#[tokio::test]
async fn stalls_and_drips_time_out() {
    let server = TestServer::start(|asked, out| {
        out.head("200 OK", &[], Some(1000));
        if asked.path == "/drip" {
            for _ in 0..200 {
                out.raw(b"x");
                out.stall(Duration::from_millis(20));
            }
        }
        out.stall(Duration::from_secs(3));
        out.close();
    });
    let bench = Bench::new(FetchLimits {
        stall_s: 0.2,
        timeout_s: 0.6,
        retries: 0,
        ..limits()
    });
    for path in ["/stall", "/drip"] {
        let failure = bench.fetch(&server, path).await.unwrap_err();
        assert_eq!(failure.reason, Reason::FetchTimeout, "{path}: {failure}");
    }
}

#[tokio::test]
async fn statuses_become_reasons() {
    let server = TestServer::start(|asked, out| match asked.path.as_str() {
        "/404" => out.answer("404 Not Found", &[], b""),
        "/410" => out.answer("410 Gone", &[], b""),
        "/403" => out.answer("403 Forbidden", &[], b"who are you?"),
        "/once" if asked.before > 0 => out.answer("200 OK", &[], b"abc"),
        _ => out.answer("503 Busy", &[("Retry-After", "0")], b""),
    });
    let bench = Bench::new(limits());
    assert!(bench.fetch(&server, "/once").await.is_err() || server.asked().len() == 2);
    for (path, reason) in [
        ("/404", Reason::FetchNotFound),
        ("/410", Reason::FetchNotFound),
        ("/403", Reason::FetchHttpError),
        ("/503", Reason::FetchHttpError),
    ] {
        let failure = bench.fetch(&server, path).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{path}");
        assert!(failure.message.contains(path), "{failure}");
    }
    let tired = server.paths().iter().filter(|p| *p == "/503").count();
    assert_eq!(tired, 4, "first and three retries");
}

#[tokio::test]
async fn refused_addresses_and_things_that_are_no_urls() {
    let server = TestServer::start(|_, out| {
        out.answer("302 Found", &[("Location", "http://169.254.169.254/")], b"")
    });
    let bench = Bench::new(limits());
    let failure = bench.fetch(&server, "/a").await.unwrap_err();
    assert_eq!(failure.reason, Reason::FetchRefusedAddress);
    for text in [
        "",
        "no url",
        "file:///etc/passwd",
        "http://10.0.0.1/",
        "http://",
    ] {
        let media = MediaRef::Url(text.to_owned());
        let result = bench
            .fetcher
            .fetch(id("x"), &media, &Expected::default())
            .await
            .map_err(of_sample);
        assert_eq!(
            result.unwrap_err().reason,
            Reason::FetchRefusedAddress,
            "{text}"
        );
    }
}

#[tokio::test]
async fn gzip_that_nobody_asked_for_is_unpacked_within_the_limit() {
    let pack = |bytes: &[u8]| {
        let mut pack = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        pack.write_all(bytes).unwrap();
        pack.finish().unwrap()
    };
    let (good, bomb): (Vec<u8>, Vec<u8>) = (pack(&body(100_000, 0)), pack(&vec![0; 64 << 20]));
    let server = TestServer::start(move |asked, out| match asked.path.as_str() {
        "/good" => out.answer("200 OK", &[("Content-Encoding", "gzip")], &good),
        "/cut" => out.answer(
            "200 OK",
            &[("Content-Encoding", "gzip")],
            &good[..good.len() / 2],
        ),
        "/bomb" => out.answer("200 OK", &[("Content-Encoding", "gzip")], &bomb),
        _ => out.answer("200 OK", &[("Content-Encoding", "br")], b"..."),
    });
    let bench = Bench::new(limits());
    let fetched = bench.fetch(&server, "/good").await.unwrap();
    assert_eq!(bench.stored(&fetched), body(100_000, 0));
    for (path, reason) in [
        ("/cut", Reason::FetchTruncated),
        ("/bomb", Reason::FetchTooLarge),
        ("/br", Reason::FetchHttpError),
    ] {
        let failure = bench.fetch(&server, path).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{path}: {failure}");
    }
    assert!(bench.files("tmp").is_empty());
}

#[tokio::test]
async fn robots_txt_keeps_us_out_at_every_hop() {
    let other = Arc::new(TestServer::start(|asked, out| match asked.path.as_str() {
        "/robots.txt" => out.answer("200 OK", &[], b"User-agent: *\nDisallow: /\n"),
        "/.well-known/tdmrep.json" => out.answer("404 Not Found", &[], b""),
        _ => out.answer("200 OK", &[], b"abc"),
    }));
    let port = other.port;
    let server = TestServer::start(move |asked, out| match asked.path.as_str() {
        "/robots.txt" | "/.well-known/tdmrep.json" => out.answer("404 Not Found", &[], b""),
        "/a" => out.answer(
            "200 OK",
            &[("X-Robots-Tag", "noai"), ("TDM-Reservation", "1")],
            b"abc",
        ),
        _ => {
            let to = format!("http://127.0.0.1:{port}/a");
            out.answer("302 Found", &[("Location", &to)], b"");
        }
    });
    let bench = Bench::new(FetchLimits {
        opt_outs: true,
        per_host: 1,
        ..limits()
    });
    let fetched = bench.fetch(&server, "/a").await.unwrap();
    assert_eq!(fetched.opt_out, ["tdm-reservation", "x-robots-tag:noai"]);
    let failure = bench.fetch(&server, "/away").await.unwrap_err();
    assert_eq!(failure.reason, Reason::OptOut);
    assert_eq!(failure.opt_out, ["robots.txt"]);
    assert!(!other.paths().contains(&"/a".to_owned()));
}

#[tokio::test]
async fn files_of_a_drop_are_copied_and_links_refused() {
    let bench = Bench::new(limits());
    let drop = tempfile::tempdir().unwrap();
    std::fs::create_dir(drop.path().join("sub")).unwrap();
    std::fs::write(drop.path().join("sub/a.jpg"), b"abc").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", drop.path().join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", drop.path().join("folder")).unwrap();
    let fetch = async |path: &str, expected: Expected| {
        let media = MediaRef::File {
            root: drop.path().to_owned(),
            path: Path::new(path).to_owned(),
        };
        let fetched = bench.fetcher.fetch(id(path), &media, &expected).await;
        fetched.map_err(of_sample)
    };
    let fetched = fetch("sub/a.jpg", Expected::default()).await.unwrap();
    assert_eq!(fetched.sha256, Digest::of(b"abc"));
    assert_eq!(bench.stored(&fetched), b"abc");
    let wrong = Expected {
        sha256: Some(Digest::of(b"x")),
        ..Expected::default()
    };
    for (path, expected, reason) in [
        ("sub/a.jpg", wrong, Reason::DigestMismatch),
        ("missing.jpg", Expected::default(), Reason::FileMissing),
        ("link", Expected::default(), Reason::FileRefused),
        ("folder/hostname", Expected::default(), Reason::FileRefused),
        ("../x", Expected::default(), Reason::FileRefused),
        ("sub", Expected::default(), Reason::FileRefused),
    ] {
        let failure = fetch(path, expected).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{path}: {failure}");
    }
}
