//! What researchers see of a release, in process: columns, statistics, rows, terms, withdrawals,
//! and how answers are packed.

use std::io::Read;

use crate::support::site::{Answer, Browser, Site};
use axum::http::{Method, StatusCode, header};
use fairframe_schemas::Sample;
use fairframe_web::state::{
    accounts::{self, By, Role},
    audit,
    tokens::{self, Scope},
};

async fn site() -> (Site, Vec<Sample>) {
    let site = Site::new().await;
    let (samples, _) = crate::support::demo(&site.layout);
    (site, samples)
}

/// A page, once its index is there.
async fn see(browser: &mut Browser, path: &str) -> Answer {
    loop {
        let answer = browser.get(path).await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
    }
}

#[tokio::test]
async fn columns_statistics_and_rows_are_shown() {
    let (site, samples) = site().await;
    let mut v = site.visitor();
    let base = "/datasets/photos/2.0.0";
    let page = see(&mut v, &format!("{base}/")).await;
    for part in ["schema", "statistics", "preview"] {
        assert!(
            page.text().contains(&format!("href=\"{base}/{part}\"")),
            "{part}"
        );
    }
    let page = see(&mut v, &format!("{base}/schema")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("<code>latitude</code>") && page.text().contains("degrees"));
    assert!(!page.text().contains("consent_id") && !page.text().contains("precise_latitude"));

    let page = see(&mut v, &format!("{base}/statistics")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("id=\"by-country\"") && page.text().contains("id=\"by-bytes\""));
    assert!(page.text().contains(&format!("{base}/samples?licence=")));
    assert!(!page.text().contains("style="), "nothing inline");

    let page = see(&mut v, &format!("{base}/preview")).await;
    assert_eq!(page.status, StatusCode::OK);
    let accepted: Vec<&Sample> = samples.iter().filter(|s| s.reasons.is_empty()).collect();
    for sample in &accepted {
        assert!(page.text().contains(&sample.sample_id.to_string()));
    }
    let page = see(
        &mut v,
        &format!("{base}/preview?column=media_sha256&column=labels"),
    )
    .await;
    let shown = accepted[0].media_sha256.unwrap().to_string();
    assert!(page.text().contains(&shown) && !page.text().contains("<th scope=\"col\">title"));
    // A version that still has what was withdrawn since does not show it.
    let page = see(&mut v, "/datasets/photos/1.0.0/preview?column=title").await;
    assert!(page.text().contains("withdrawn"), "{}", page.text());
    assert!(!page.text().contains("iguana"), "{}", page.text());
    for (query, status) in [
        ("column=consent_id", 422),
        ("column=tilte", 422),
        ("colum=title", 422),
        ("page=0", 404),
        ("page=2", 404),
        ("page=x", 404),
        ("page=99999999999999999999", 404),
    ] {
        let page = see(&mut v, &format!("{base}/preview?{query}")).await;
        assert_eq!(page.status.as_u16(), status, "{query}");
    }
    for part in ["schema", "statistics", "preview"] {
        let page = see(&mut v, &format!("/datasets/photos/9.0.0/{part}")).await;
        assert_eq!(page.status.as_u16(), 404, "{part}");
    }
}

#[tokio::test]
async fn terms_are_said_by_curators_and_accepted_by_people_for_their_tokens() {
    let (site, samples) = site().await;
    let mut visitor = site.visitor();
    let mut mira = site
        .member("mira", &[(Role::Curator, Some("photos"))])
        .await;
    let mut rosa = site.member("rosa", &[(Role::Researcher, None)]).await;
    let token = {
        let db = &site.app.db;
        let rosa = accounts::find(db, By::Name("rosa")).await.unwrap().unwrap();
        let mut write = db.write().await.unwrap();
        let token = tokens::create(&mut write, &rosa, "t", &[Scope::Read].into(), 30).await;
        write.commit().await.unwrap();
        format!("Bearer {}", token.unwrap())
    };
    let one = samples
        .iter()
        .find(|s| s.reasons.is_empty() && s.consent_id.is_none())
        .unwrap();
    let media = format!("/media/{}", one.media_sha256.unwrap());
    let gated = [
        "/data/photos/2.0.0/part-00000.parquet",
        "/data/photos/2.0.0/excluded.parquet",
        "/data/photos/1.0.0/ATTRIBUTION.csv",
        "/datasets/photos/2.0.0/preview",
        "/api/v1/datasets/photos/versions/2.0.0/samples",
        &format!(
            "/api/v1/datasets/photos/versions/2.0.0/samples/{}",
            one.sample_id
        ),
        media.as_str(),
    ];
    let open = [
        "/data/photos/2.0.0/card.html",
        "/data/photos/2.0.0/SHA256SUMS",
        "/data/photos/2.0.0/summary.json",
        "/data/photos/recall.json",
        "/datasets/photos/2.0.0/schema",
        "/datasets/photos/2.0.0/statistics",
        "/datasets/photos/terms",
        "/api/v1/datasets/photos/versions/2.0.0",
    ];
    for path in gated.iter().chain(&open) {
        assert_eq!(
            see(&mut visitor, path).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    let page = visitor.get("/datasets/photos").await;
    assert!(!page.text().contains("/datasets/photos/terms"));
    // Lines to copy send no token where none is wanted.
    assert!(!page.text().contains("FAIRFRAME_TOKEN"));

    // Only its curators say them, in a form of their own.
    let terms = "/datasets/photos/terms";
    let text = [("text", "Research only. <script>alert(1)</script>")];
    assert_eq!(rosa.post(terms, &text).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        mira.post_raw(terms, &text).await.status,
        StatusCode::FORBIDDEN
    );
    let long = "x".repeat(20_001);
    assert_eq!(
        mira.post(terms, &[("text", &long)]).await.status.as_u16(),
        422
    );
    assert_eq!(mira.post(terms, &text).await.status, StatusCode::SEE_OTHER);

    for path in gated {
        let refused = see(&mut visitor, path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.text().contains(terms), "{path}: the way to accept");
        assert_eq!(
            see(&mut rosa, path).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert_eq!(see(&mut mira, path).await.status, StatusCode::OK, "{path}");
    }
    for path in open {
        assert_eq!(
            see(&mut visitor, path).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    // Ranges are no way round.
    let range = [(header::RANGE, "bytes=0-3")];
    let answer = visitor.ask(Method::GET, gated[0], &range, "").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // The page of a sample shows its small picture.
    let sample = format!("/datasets/photos/2.0.0/samples/{}", one.sample_id);
    let page = see(&mut visitor, &sample).await;
    assert!(
        page.text().contains("/thumbnails/") && !page.text().contains(&format!("src=\"{media}"))
    );

    let lines = visitor.get("/datasets/photos").await;
    let lines = lines.text().split("<h2>Open it</h2>").nth(1).unwrap();
    // Said before them, then in each but the last, which takes it by itself.
    assert_eq!(lines.matches("FAIRFRAME_TOKEN").count(), 6, "{lines}");

    let page = visitor.get(terms).await;
    assert!(page.text().contains("Log in to accept") && !page.text().contains("<script>alert"));
    let accept = "/datasets/photos/terms/accept";
    let number = |page: &Answer| {
        let (_, rest) = page.text().split_once("name=\"terms\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let seq = number(&rosa.get(terms).await);
    let bearer = [
        (header::AUTHORIZATION, token.as_str()),
        (header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
    ];
    let by_token = visitor
        .ask(Method::POST, accept, &bearer, format!("terms={seq}"))
        .await;
    assert_eq!(by_token.to(), "/login?next=%2F", "a person accepts");
    assert_eq!(
        rosa.post(accept, &[("terms", "1")]).await.status,
        StatusCode::CONFLICT
    );
    for _ in 0..2 {
        let answer = rosa.post(accept, &[("terms", &seq)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
    let acts = audit::after(&site.app.db, 0, 1000).await.unwrap();
    let accepted = acts.iter().filter(|w| w.entry.act == "accept-terms");
    assert_eq!(accepted.count(), 1);
    for path in gated {
        assert_eq!(see(&mut rosa, path).await.status, StatusCode::OK, "{path}");
        let answer = visitor.ask(Method::GET, path, &bearer[..1], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{path} by token");
        assert_eq!(
            see(&mut visitor, path).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    // New terms are accepted anew; none are none.
    assert_eq!(
        mira.post(terms, &[("text", "Other.")]).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(see(&mut rosa, gated[0]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        rosa.post(accept, &[("terms", &seq)]).await.status,
        StatusCode::CONFLICT
    );
    assert_eq!(
        mira.post(terms, &[("text", " ")]).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(see(&mut visitor, gated[0]).await.status, StatusCode::OK);
    assert!(audit::verify(&site.app.db).await.unwrap().is_ok());
}

#[tokio::test]
async fn withdrawals_are_read_and_followed() {
    let (site, samples) = site().await;
    let mut v = site.visitor();
    let iguana = samples
        .iter()
        .find(|s| s.title.as_deref().is_some_and(|t| t.contains("iguana")));
    let iguana = iguana.unwrap().sample_id.to_string();
    let page = v.get("/datasets/photos/recalls").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains(&iguana) && !page.text().contains("Marine"));
    let link = "rel=\"alternate\" type=\"application/atom+xml\"";
    for path in ["/", "/datasets/photos", "/datasets/photos/recalls"] {
        assert!(v.get(path).await.text().contains(link), "{path}");
    }
    for path in ["/datasets/photos/recalls.atom", "/recalls.atom"] {
        let feed = v.get(path).await;
        assert_eq!(feed.status, StatusCode::OK);
        assert!(
            feed.header(header::CONTENT_TYPE)
                .starts_with("application/atom+xml")
        );
        let text = feed.text();
        assert!(text.starts_with("<?xml"), "{text}");
        assert!(text.contains(&iguana));
        // Of the data: a later look sees the same.
        assert!(
            text.contains("<updated>2026-01-15T12:00:00Z</updated>"),
            "{text}"
        );
        site.pass(std::time::Duration::from_secs(7200));
        assert_eq!(v.get(path).await.bytes, feed.bytes);
        assert_eq!(text.matches("<id>").count(), 2);
        assert!(text.matches("urn:uuid:").count() == 2, "{text}");
    }
    assert_eq!(
        v.get("/datasets/nope/recalls.atom").await.status.as_u16(),
        404
    );
    assert_eq!(v.get("/datasets/nope/recalls").await.status.as_u16(), 404);
}

fn unpacked(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(&answer.bytes[..]);
    reader.read_to_end(&mut out).unwrap();
    out
}

#[tokio::test]
async fn text_is_packed_for_those_who_take_it_and_nothing_else_is() {
    let (site, samples) = site().await;
    let mut v = site.visitor();
    let gzip = [(header::ACCEPT_ENCODING, "gzip, br")];
    for path in [
        "/datasets/photos",
        "/assets/style.css",
        "/assets/world.svg",
        "/api/openapi.json",
        "/data/photos/2.0.0/summary.json",
        "/data/photos/2.0.0/card.html",
        "/data/photos/2.0.0/croissant.json",
    ] {
        let plain = v.ask(Method::GET, path, &[], "").await;
        assert_eq!(plain.header(header::CONTENT_ENCODING), "", "{path}");
        assert!(
            plain.header(header::VARY).contains("accept-encoding"),
            "{path}"
        );
        let packed = v.ask(Method::GET, path, &gzip, "").await;
        assert_eq!(packed.header(header::CONTENT_ENCODING), "gzip", "{path}");
        assert!(
            packed.header(header::VARY).contains("accept-encoding"),
            "{path}"
        );
        assert!(packed.bytes.len() < plain.bytes.len(), "{path}");
        assert_eq!(unpacked(&packed), plain.bytes, "{path}");
        let (strong, weak) = (plain.header(header::ETAG), packed.header(header::ETAG));
        if !strong.is_empty() {
            assert_eq!(weak, format!("W/{strong}"), "{path}");
            for tag in [strong, weak] {
                let known = [gzip[0].clone(), (header::IF_NONE_MATCH, tag)];
                let same = v.ask(Method::GET, path, &known, "").await;
                assert_eq!(same.status, StatusCode::NOT_MODIFIED, "{path} {tag}");
            }
        }
    }
    let file = "/data/photos/2.0.0/summary.json";
    let tag = v
        .ask(Method::GET, file, &gzip, "")
        .await
        .header(header::ETAG)
        .to_owned();
    let part = [gzip[0].clone(), (header::RANGE, "bytes=10-2009")];
    let ranged = v.ask(Method::GET, file, &part, "").await;
    assert_eq!(ranged.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(ranged.header(header::CONTENT_ENCODING), "");
    assert_eq!(ranged.bytes.len(), 2000);
    // A weak tag promises no bytes: the whole comes.
    let rest = [
        (header::RANGE, "bytes=10-2009"),
        (header::IF_RANGE, tag.as_str()),
    ];
    assert_eq!(
        v.ask(Method::GET, file, &rest, "").await.status,
        StatusCode::OK
    );
    let media = samples
        .iter()
        .find(|s| s.reasons.is_empty() && s.consent_id.is_none())
        .unwrap();
    for path in [
        "/data/photos/2.0.0/part-00000.parquet".to_owned(),
        format!("/media/{}", media.media_sha256.unwrap()),
    ] {
        let answer = v.ask(Method::GET, &path, &gzip, "").await;
        assert_eq!(answer.header(header::CONTENT_ENCODING), "", "{path}");
        assert!(answer.header(header::ETAG).starts_with('"'), "{path}");
        assert_eq!(answer.header(header::ACCEPT_RANGES), "bytes", "{path}");
    }
    // Pages with a session's secret stay as they are.
    let mut mira = site.member("mira", &[(Role::Curator, None)]).await;
    let page = mira.ask(Method::GET, "/datasets/photos", &gzip, "").await;
    assert_eq!(page.header(header::CONTENT_ENCODING), "");
}

#[tokio::test]
async fn lines_to_copy_name_the_scheme_that_readers_use() {
    let (site, _) = site().await;
    for (https, origin) in [
        (false, "http://data.example"),
        (true, "https://data.example"),
    ] {
        let mut app = site.app.clone();
        app.https = https;
        let mut v = Browser {
            router: fairframe_web::router(app),
            ..site.visitor()
        };
        let page = v.get("/datasets/photos").await;
        let lines = page.text();
        assert!(lines.contains(&format!("curl -fLO -C - {origin}/data/photos/2.0.0/")));
        assert!(
            lines.contains(&format!("\"contentUrl\":\"{origin}/data/photos/2.0.0/")),
            "{lines}"
        );
        let other = if https {
            "http://data.example"
        } else {
            "https://data.example"
        };
        assert!(!lines.contains(other));
        assert!(v.get("/api").await.text().contains(origin));
        let feed = v.get("/recalls.atom").await;
        assert!(feed.text().contains(&format!("href=\"{origin}/")));
    }
}
