//! Files of releases and media: whole and in ranges, and none that may not be handed out.

use super::*;

#[tokio::test]
async fn no_path_leaves_a_release() {
    let app = TestApp::new().await;
    let outside = app.layout.root().join("secret");
    std::fs::write(&outside, "secret").unwrap();
    let folder = app
        .layout
        .release(&app.summary.dataset, app.summary.version);
    std::fs::write(folder.join("unlisted.txt"), "secret").unwrap();
    for path in [
        "/data/photos/2.0.0/../../../secret",
        "/data/photos/2.0.0/..%2f..%2f..%2fsecret",
        "/data/photos/2.0.0/%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret",
        "/data/photos/2.0.0/..%5c..%5csecret",
        "/data/..%2f..%2f/2.0.0/secret",
        "/data/photos/..%2f..%2f../secret",
        "/data/photos/2.0.0/%00",
        "/data/photos/2.0.0/unlisted.txt",
        "/data/photos/2.0.0/.",
        "/data/%2e%2e/restricted/photos/2.0.0/restricted.parquet",
        "/data/photos/2.0.0/restricted.parquet",
        "/restricted/photos/2.0.0/restricted.parquet",
        "/receipts/photos/x",
        "/journal/photos.sqlite",
        "/store/ab/cd/x",
        "/reports/first/secret.txt",
        "/reports/..%2fmanifests/report.html",
        "/media/..%2f..%2fsecret",
        "/datasets/..%2f/",
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.text().contains("secret"), "{path}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_a_release_is_not_followed() {
    let app = TestApp::new().await;
    let outside = app.layout.root().join("secret");
    std::fs::write(&outside, "secret").unwrap();
    let card = app
        .layout
        .release(&app.summary.dataset, app.summary.version)
        .join("card.html");
    std::fs::remove_file(&card).unwrap();
    std::os::unix::fs::symlink(&outside, &card).unwrap();
    let answer = app.get("/data/photos/2.0.0/card.html").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

/// Large answers go another way than small ones.
#[tokio::test]
async fn a_large_file_comes_whole_and_in_the_ranges_asked_for() {
    let app = TestApp::new().await;
    let folder = app
        .layout
        .release(&app.summary.dataset, app.summary.version);
    let bytes: Vec<u8> = (0..1_000_003u32).map(|n| ((n * 7) >> 4) as u8).collect();
    std::fs::write(folder.join("excluded.parquet"), &bytes).unwrap();
    let path = "/data/photos/2.0.0/excluded.parquet";
    let whole = app.get(path).await;
    assert_eq!((whole.status, &whole.bytes), (StatusCode::OK, &bytes));
    let length = bytes.len().to_string();
    assert_eq!(whole.header(header::CONTENT_LENGTH), length);
    for (range, from, to) in [
        ("bytes=1-", 1, bytes.len()),
        ("bytes=300000-999999", 300_000, 1_000_000),
        ("bytes=-700000", bytes.len() - 700_000, bytes.len()),
        ("bytes=5-9", 5, 10),
    ] {
        let part = app.ask(Method::GET, path, &[(header::RANGE, range)]).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.bytes, bytes[from..to], "{range}");
        let told = format!("bytes {from}-{}/{length}", to - 1);
        assert_eq!(part.header(header::CONTENT_RANGE), told);
    }
    let head = app.ask(Method::HEAD, path, &[]).await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    assert_eq!(head.header(header::CONTENT_LENGTH), length);
}

#[tokio::test]
async fn files_come_whole_in_ranges_and_not_at_all_when_known() {
    let app = TestApp::new().await;
    let path = "/data/photos/2.0.0/part-00000.parquet";
    let whole = app.get(path).await;
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(
        whole.header(header::CONTENT_TYPE),
        "application/vnd.apache.parquet"
    );
    assert!(!whole.header(header::LAST_MODIFIED).is_empty());
    assert_eq!(whole.header(header::ACCEPT_RANGES), "bytes");
    let etag = whole.header(header::ETAG).to_owned();
    assert_eq!(etag, format!("\"{}\"", Digest::of(&whole.bytes)));

    let part = app
        .ask(Method::GET, path, &[(header::RANGE, "bytes=4-103")])
        .await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes, whole.bytes[4..104]);
    let length = whole.bytes.len();
    assert_eq!(
        part.header(header::CONTENT_RANGE),
        format!("bytes 4-103/{length}")
    );
    let tail = app
        .ask(Method::GET, path, &[(header::RANGE, "bytes=-8")])
        .await;
    assert_eq!(tail.bytes, whole.bytes[length - 8..]);
    let beyond = format!("bytes={length}-");
    let beyond = app
        .ask(Method::GET, path, &[(header::RANGE, &beyond)])
        .await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);

    for known in [etag.as_str(), "\"x\", W/\"y\", *"] {
        let answer = app
            .ask(Method::GET, path, &[(header::IF_NONE_MATCH, known)])
            .await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{known}");
        assert!(answer.bytes.is_empty());
        assert_eq!(answer.header(header::ETAG), etag);
    }
    let since = whole.header(header::LAST_MODIFIED).to_owned();
    let answer = app
        .ask(Method::GET, path, &[(header::IF_MODIFIED_SINCE, &since)])
        .await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    // A tag that differs wins over a date that agrees.
    let both = [
        (header::IF_NONE_MATCH, "\"old\""),
        (header::IF_MODIFIED_SINCE, since.as_str()),
    ];
    assert_eq!(
        app.ask(Method::GET, path, &both).await.status,
        StatusCode::OK
    );

    let range = (header::RANGE, "bytes=0-3");
    let same = app
        .ask(
            Method::GET,
            path,
            &[range.clone(), (header::IF_RANGE, &etag)],
        )
        .await;
    assert_eq!(same.status, StatusCode::PARTIAL_CONTENT);
    let other = app
        .ask(Method::GET, path, &[range, (header::IF_RANGE, "\"old\"")])
        .await;
    assert_eq!((other.status, other.bytes.len()), (StatusCode::OK, length));
    let other = app
        .ask(Method::GET, path, &[(header::IF_MATCH, "\"old\"")])
        .await;
    assert_eq!(other.status, StatusCode::PRECONDITION_FAILED);

    let head = app.ask(Method::HEAD, path, &[]).await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    assert_eq!(head.header(header::CONTENT_LENGTH), length.to_string());
}

#[tokio::test]
async fn every_file_of_a_release_is_served_with_its_digest() {
    let app = TestApp::new().await;
    let sums = app.get("/data/photos/2.0.0/SHA256SUMS").await;
    assert_eq!(
        sums.header(header::CONTENT_TYPE),
        "text/plain; charset=utf-8"
    );
    let lines: Vec<&str> = sums.text().lines().collect();
    assert!(lines.len() >= 8, "{lines:?}");
    for line in lines {
        let (digest, name) = line.split_once("  ").unwrap();
        let file = app.get(&format!("/data/photos/2.0.0/{name}")).await;
        assert_eq!(file.status, StatusCode::OK, "{name}");
        assert_eq!(Digest::of(&file.bytes).to_string(), digest, "{name}");
    }
    let card = app.get("/data/photos/2.0.0/card.html").await;
    assert!(
        card.header(header::CONTENT_SECURITY_POLICY)
            .contains("sandbox")
    );
    let json_ld = app.get("/data/photos/2.0.0/croissant.json").await;
    assert!(
        json_ld
            .header(header::CONTENT_TYPE)
            .starts_with("application/ld+json")
    );
}

#[tokio::test]
async fn media_are_served_only_of_samples_that_may_be_handed_on() {
    let app = TestApp::new().await;
    let shown = app.digest("Farmhouse");
    for path in [format!("/media/{shown}"), format!("/thumbnails/{shown}")] {
        let answer = app.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header(header::CONTENT_TYPE), "image/jpeg");
        assert!(
            answer
                .header(header::CONTENT_SECURITY_POLICY)
                .contains("sandbox")
        );
        assert_eq!(Digest::of(&answer.bytes), shown);
    }
    // Withdrawn; shown without consent to redistribution; quarantined; known to nobody.
    let unknown = crate::support::keep(&app.layout, b"in the store, in no release");
    for digest in [
        app.digest("iguana"),
        app.digest("Avenue"),
        app.digest("Waterfall"),
        unknown,
    ] {
        assert!(app.layout.media(&digest).is_file());
        for path in [format!("/media/{digest}"), format!("/thumbnails/{digest}")] {
            assert_eq!(app.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn a_withdrawal_is_followed_at_once() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let samples = crate::support::photos(&layout);
    let release = |version, samples, recall| crate::support::Release {
        dataset: "later",
        version,
        previous: None,
        change: fairframe_schemas::version::Change::Major,
        about: Default::default(),
        samples,
        recall,
    };
    crate::support::publish(&layout, release("1.0.0", samples.clone(), None));
    let app = TestApp {
        router: crate::support::site::router(layout.clone()).await,
        summary: crate::support::demo(&Layout::new(root.path().join("other"))).1,
        layout: layout.clone(),
        samples,
        _root: root,
    };
    let path = format!("/media/{}", app.digest("iguana"));
    assert_eq!(app.get(&path).await.status, StatusCode::OK);
    // By a list that came without a release, as `recall` leaves it.
    let mut list = RecallList::new(Name::new("later").unwrap());
    list.extend([RecallEntry {
        sample_id: SampleId::new("elsewhere", "same bytes"),
        media_sha256: Some(app.digest("iguana")),
        reason: Reason::Withdrawn,
        withdrawn_in: "2.0.0".parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
    }]);
    let kept = app.layout.recall(&list.dataset);
    std::fs::write(&kept, list.to_json()).unwrap();
    assert_eq!(app.get(&path).await.status, StatusCode::NOT_FOUND);
    std::fs::remove_file(&kept).unwrap();
    assert_eq!(app.get(&path).await.status, StatusCode::OK);
    let rest = app
        .samples
        .iter()
        .filter(|s| s.title.as_deref() != Some("Head of an iguana"));
    crate::support::publish(&layout, release("2.0.0", rest.cloned().collect(), None));
    assert_eq!(app.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_older_version_does_not_show_what_was_withdrawn_since() {
    let app = TestApp::new().await;
    let page = app.get("/datasets/photos/1.0.0/samples").await;
    assert!(
        page.text().contains("Withdrawn since this version"),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("iguana"));
    assert!(page.text().contains("Waterfall"));
}
