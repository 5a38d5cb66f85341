//! Transfers that break off and go on: ranges, validators, parts.

use super::*;

#[tokio::test]
async fn a_broken_connection_is_taken_up_where_it_broke() {
    let whole = Arc::new(body(300_000, 0));
    let sent = whole.clone();
    let server = TestServer::start(move |asked, out| match asked.before {
        0 => break_off(out, "\"v1\"", &sent, 100_000),
        _ => serve_ranges(asked, out, "\"v1\"", &sent),
    });
    let bench = Bench::new(limits());
    let fetched = bench.fetch(&server, "/a").await.unwrap();
    assert_eq!(bench.stored(&fetched), *whole);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].range_start(), Some(100_000));
    assert_eq!(asked[1].header("if-range"), Some("\"v1\""));
}

#[tokio::test]
async fn a_server_that_ignores_ranges_sends_the_whole_again() {
    let whole = Arc::new(body(300_000, 0));
    let sent = whole.clone();
    let server = TestServer::start(move |asked, out| match asked.before {
        0 => break_off(out, "\"v1\"", &sent, 100_000),
        _ => out.answer("200 OK", &[("ETag", "\"v1\"")], &sent),
    });
    let bench = Bench::new(limits());
    let fetched = bench.fetch(&server, "/a").await.unwrap();
    assert_eq!(bench.stored(&fetched), *whole);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn without_a_strong_validator_nothing_is_joined() {
    let whole = Arc::new(body(300_000, 0));
    let sent = whole.clone();
    let server = TestServer::start(move |asked, out| match asked.before {
        0 => break_off(out, "W/\"weak\"", &sent, 100_000),
        _ => out.answer("200 OK", &[("ETag", "W/\"weak\"")], &sent),
    });
    let bench = Bench::new(limits());
    let fetched = bench.fetch(&server, "/a").await.unwrap();
    assert_eq!(bench.stored(&fetched), *whole);
    assert_eq!(server.asked()[1].range_start(), None);
}

#[tokio::test]
async fn last_modified_is_a_validator_too() {
    let whole = Arc::new(body(300_000, 0));
    let sent = whole.clone();
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let server = TestServer::start(move |asked, out| match asked.before {
        0 => {
            out.head("200 OK", &[("Last-Modified", date)], Some(sent.len()));
            out.raw(&sent[..5000]);
            out.close();
        }
        _ => {
            assert_eq!(asked.header("if-range"), Some(date));
            let range = format!("bytes 5000-{}/{}", sent.len() - 1, sent.len());
            out.answer("206 Partial", &[("Content-Range", &range)], &sent[5000..]);
        }
    });
    let bench = Bench::new(limits());
    let fetched = bench.fetch(&server, "/a").await.unwrap();
    assert_eq!(bench.stored(&fetched), *whole);
}

#[tokio::test]
async fn a_file_that_changes_between_ranges_is_never_mixed() {
    let old = Arc::new(body(300_000, 1));
    let new = Arc::new(body(300_000, 2));
    // An honest server answers `If-Range` with the whole new file; a careless
    // one sends the rest of the new file.
    for honest in [true, false] {
        let (first, then) = (old.clone(), new.clone());
        let server =
            TestServer::start(
                move |asked, out| match (asked.before, asked.range_start()) {
                    (0, _) => break_off(out, "\"v1\"", &first, 100_000),
                    (_, Some(start)) if !honest => {
                        let range = format!("bytes {start}-{}/{}", then.len() - 1, then.len());
                        out.answer(
                            "206 Partial Content",
                            &[("ETag", "\"v2\""), ("Content-Range", &range)],
                            &then[start..],
                        );
                    }
                    _ => serve_ranges(asked, out, "\"v2\"", &then),
                },
            );
        let bench = Bench::new(limits());
        let fetched = bench.fetch(&server, "/a").await.unwrap();
        assert!(bench.stored(&fetched) == *new, "honest: {honest}");
    }
}

#[tokio::test]
async fn the_same_validator_for_other_bytes_is_found_by_the_digest() {
    let old = Arc::new(body(300_000, 1));
    let new = Arc::new(body(300_000, 2));
    let (first, then) = (old.clone(), new.clone());
    let server = TestServer::start(move |asked, out| match asked.before {
        0 => break_off(out, "\"v\"", &first, 100_000),
        _ => serve_ranges(asked, out, "\"v\"", &then),
    });
    let bench = Bench::new(limits());
    let expected = Expected {
        sha256: Some(Digest::of(&new)),
        ..Expected::default()
    };
    let fetched = bench
        .fetch_expecting(&server, "/a", expected)
        .await
        .unwrap();
    assert!(bench.stored(&fetched) == *new);
    assert_eq!(server.asked().len(), 3, "broken, joined, whole");
}

#[tokio::test]
async fn a_file_that_keeps_changing_is_given_up() {
    let server = TestServer::start(|asked, out| {
        let etag = format!("\"v{}\"", asked.before);
        break_off(out, &etag, &body(300_000, asked.before as u8), 100_000);
    });
    let bench = Bench::new(limits());
    let failure = bench.fetch(&server, "/a").await.unwrap_err();
    assert_eq!(failure.reason, Reason::FetchChanged, "{failure}");
    assert!(bench.files("tmp").is_empty());
}

#[tokio::test]
async fn odd_parts_are_not_taken() {
    // (Content-Range of the second answer, whether asking again helps)
    for range in [
        "bytes 99999-299999/300000",
        "bytes 100000-299998/299999",
        "bytes 0-299999/300000",
        "bytes 100000-99999/300000",
        "nonsense",
    ] {
        let whole = Arc::new(body(300_000, 0));
        let sent = whole.clone();
        let server = TestServer::start(move |asked, out| match asked.before {
            0 => break_off(out, "\"v1\"", &sent, 100_000),
            1 => out.answer(
                "206 Partial Content",
                &[("ETag", "\"v1\""), ("Content-Range", range)],
                &sent[100_000..],
            ),
            _ => serve_ranges(asked, out, "\"v1\"", &sent),
        });
        let bench = Bench::new(limits());
        let fetched = bench.fetch(&server, "/a").await.unwrap();
        assert!(bench.stored(&fetched) == *whole, "{range}");
        assert_eq!(server.asked()[2].range_start(), None, "{range}");
    }
}

#[tokio::test]
async fn a_416_begins_anew() {
    let whole = Arc::new(body(300_000, 0));
    let sent = whole.clone();
    let server = TestServer::start(
        move |asked, out| match (asked.before, asked.range_start()) {
            (0, _) => break_off(out, "\"v1\"", &sent, 100_000),
            (_, Some(_)) => out.answer("416 Range Not Satisfiable", &[], b""),
            _ => out.answer("200 OK", &[("ETag", "\"v1\"")], &sent),
        },
    );
    let bench = Bench::new(limits());
    assert!(bench.stored(&bench.fetch(&server, "/a").await.unwrap()) == *whole);
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_refused() {
    let server = TestServer::start(|_, out| {
        out.answer(
            "206 Partial",
            &[("Content-Range", "bytes 5-9/10")],
            b"56789",
        )
    });
    let bench = Bench::new(limits());
    let failure = bench.fetch(&server, "/a").await.unwrap_err();
    assert_eq!(failure.reason, Reason::FetchHttpError);
}

#[tokio::test]
async fn a_long_transfer_is_gone_on_with_by_a_later_run() {
    let cut = KEEP_FROM as usize + 300_000;
    let whole = Arc::new(body(cut + 2_000_000, 0));
    let sent = whole.clone();
    let online = Arc::new(AtomicUsize::new(0));
    let state = online.clone();
    let server = TestServer::start(move |asked, out| {
        match (state.load(Ordering::SeqCst), asked.range_start()) {
            (0, None) => break_off(out, "\"v1\"", &sent, cut),
            (0, Some(_)) => out.close(),
            _ => serve_ranges(asked, out, "\"v1\"", &sent),
        }
    });
    let bench = Bench::new(limits());
    let failure = bench.fetch(&server, "/a").await.unwrap_err();
    assert!(failure.reason.status() == fairframe_schemas::Status::Failed);
    let name = id("/a").to_string();
    assert_eq!(
        bench.files("partial"),
        [name.clone(), format!("{name}.json")]
    );

    online.store(1, Ordering::SeqCst);
    let later = fetcher(&bench.layout, limits());
    let media = MediaRef::Url(server.url("/a").into());
    let fetched = later
        .fetch(id("/a"), &media, &Expected::default())
        .await
        .unwrap();
    assert!(bench.stored(&fetched) == *whole);
    assert_eq!(server.asked().last().unwrap().range_start(), Some(cut));
    assert!(bench.files("partial").is_empty());
}

#[tokio::test]
async fn a_part_of_another_url_or_start_of_the_machine_is_not_used() {
    let whole = Arc::new(body(1000, 0));
    let sent = whole.clone();
    let server = TestServer::start(move |asked, out| serve_ranges(asked, out, "\"v1\"", &sent));
    let url = server.url("/a").to_string();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let note = |url: &str, boot: &str| {
        format!(
            r#"{{"url": "{url}", "etag": "\"v1\"", "length": 1000, "opt_out": [], "boot": "{boot}"}}"#
        )
    };
    for (note, resumed) in [
        (note(&url, boot.trim()), true),
        (note("http://other.example/", boot.trim()), false),
        (note(&url, "another"), false),
        ("{".to_owned(), false),
        (String::new(), false),
    ] {
        let bench = Bench::new(limits());
        let folder = bench.layout.store().join("partial");
        std::fs::write(folder.join(id("/a").to_string()), &whole[..400]).unwrap();
        std::fs::write(folder.join(format!("{}.json", id("/a"))), &note).unwrap();
        let fetched = bench.fetch(&server, "/a").await.unwrap();
        assert!(bench.stored(&fetched) == *whole);
        let asked = server.asked().last().unwrap().range_start();
        assert_eq!(asked, resumed.then_some(400), "{note}");
    }
}
