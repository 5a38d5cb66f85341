//! Deciding, undoing and proposing, in process; who may, and what cannot be.

use crate::support::site::{Browser, Site};
use axum::http::{Method, StatusCode};
use fairframe_schemas::{Reason, Sample};
use fairframe_web::state::{accounts::Role, audit};

struct Desk {
    site: Site,
    samples: Vec<Sample>,
    mira: Browser,
}

impl Desk {
    async fn new() -> Self {
        let site = Site::new().await;
        let (samples, _) = crate::support::demo(&site.layout);
        let mira = site
            .member("mira", &[(Role::Curator, Some("photos"))])
            .await;
        Self {
            site,
            samples,
            mira,
        }
    }

    fn id(&self, title: &str) -> String {
        let has = |s: &&Sample| s.title.as_deref().is_some_and(|t| t.contains(title));
        self.samples.iter().find(has).unwrap().sample_id.to_string()
    }

    async fn decide(&mut self, fields: &[(&str, &str)]) -> StatusCode {
        self.mira
            .post("/datasets/photos/decide", fields)
            .await
            .status
    }

    /// The page of samples of a filter, once its index is there.
    async fn samples(&mut self, query: &str) -> String {
        let path = format!("/datasets/photos/2.0.0/samples?{query}");
        loop {
            let answer = self.mira.get(&path).await;
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
                return answer.text().to_owned();
            }
        }
    }
}

#[tokio::test]
async fn a_decision_shows_at_once_to_curators_only_and_is_undone() {
    let mut desk = Desk::new().await;
    let farm = desk.id("Farmhouse");
    desk.samples("").await;
    let status = desk
        .decide(&[("sample", &farm), ("change", "reject"), ("why", "blurred")])
        .await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let page = desk.samples("status=rejected").await;
    assert!(page.contains("Farmhouse"), "{page}");
    let one = format!("/datasets/photos/2.0.0/samples/{farm}");
    let page = desk.mira.get(&one).await;
    assert!(
        page.text().contains("decided, not released yet"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("by mira"));
    let page = desk.mira.get("/datasets/photos").await;
    assert!(
        page.text().contains("/datasets/photos/release"),
        "{}",
        page.text()
    );
    let page = desk.site.visitor().get("/datasets/photos").await;
    assert!(!page.text().contains("/datasets/photos/release"));
    // Everybody else sees what was released.
    let page = desk.site.visitor().get(&one).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text().contains("decided") && !page.text().contains("mira"));

    let page = desk.mira.get("/datasets/photos/decisions").await;
    let at = page.text().find("/undo").unwrap();
    let batch = page.text()[..at].rsplit('/').next().unwrap().to_owned();
    let undo = format!("/datasets/photos/decisions/{batch}/undo");
    assert_eq!(
        desk.mira.post(&undo, &[]).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        desk.mira.post(&undo, &[]).await.status,
        StatusCode::CONFLICT
    );
    let page = desk.samples("status=rejected").await;
    assert!(!page.contains("Farmhouse"));
    assert!(audit::verify(&desk.site.app.db).await.unwrap().is_ok());
}

#[tokio::test]
async fn what_a_curator_cannot_give_cannot_be_accepted() {
    let mut desk = Desk::new().await;
    desk.samples("").await;
    // Quarantined for its licence.
    let waterfall = desk.id("Waterfall");
    let accept = [("sample", waterfall.as_str()), ("change", "accept")];
    let answer = desk.mira.post("/datasets/photos/decide", &accept).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let why = Reason::LicenceContradiction.text();
    assert!(answer.text().contains(why), "{}", answer.text());
    // Withdrawn: nothing to decide about.
    let iguana = desk.id("iguana");
    let farm = desk.id("Farmhouse");
    for (fields, status) in [
        (
            vec![("sample", iguana.as_str()), ("change", "quarantine")],
            404,
        ),
        (
            vec![
                ("sample", "0".repeat(32).leak() as &str),
                ("change", "quarantine"),
            ],
            404,
        ),
        (vec![("sample", "x"), ("change", "quarantine")], 404),
        (vec![("sample", farm.as_str()), ("change", "reject")], 422),
        (
            vec![
                ("sample", farm.as_str()),
                ("change", "withdraw"),
                ("why", "x"),
            ],
            422,
        ),
        (vec![("sample", farm.as_str()), ("change", "")], 422),
        (vec![("change", "quarantine")], 422),
        (
            vec![
                ("change", "quarantine"),
                ("filter", "colour=red"),
                ("held", "1"),
            ],
            400,
        ),
        (
            vec![
                ("sample", farm.as_str()),
                ("change", "label"),
                ("labels", "a\u{7}b"),
            ],
            422,
        ),
    ] {
        assert_eq!(desk.decide(&fields).await.as_u16(), status, "{fields:?}");
    }
    let long = "x".repeat(4_001);
    let fields = [
        ("sample", farm.as_str()),
        ("change", "reject"),
        ("why", long.as_str()),
    ];
    assert_eq!(desk.decide(&fields).await.as_u16(), 422);
    assert!(
        desk.mira
            .get("/datasets/photos/decisions")
            .await
            .text()
            .contains("Nothing stands decided")
    );
}

#[tokio::test]
async fn a_filter_is_decided_about_as_it_was_seen() {
    let mut desk = Desk::new().await;
    let page = desk.samples("status=accepted").await;
    let held = page.split("name=\"held\" value=\"").nth(1).unwrap();
    let held: usize = held.split('"').next().unwrap().parse().unwrap();
    let wrong = (held + 1).to_string();
    let held = held.to_string();
    let fields = |held| {
        [
            ("change", "quarantine"),
            ("filter", "status=accepted"),
            ("held", held),
        ]
    };
    assert_eq!(desk.decide(&fields(&wrong)).await, StatusCode::CONFLICT);
    assert_eq!(desk.decide(&fields(&held)).await, StatusCode::SEE_OTHER);
    let page = desk.samples("status=accepted").await;
    assert!(
        page.contains("No sample is meant by this filter."),
        "{page}"
    );
    let page = desk.mira.get("/datasets/photos/release").await;
    assert!(
        page.text()
            .contains("the next one is <strong>3.0.0</strong>"),
        "{}",
        page.text()
    );
    let page = desk.mira.get("/datasets/photos/decisions").await;
    assert!(
        page.text()
            .contains(&format!("quarantine ({held} samples)"))
    );
}

#[tokio::test]
async fn every_route_of_curating_asks_who_asks() {
    let desk = Desk::new().await;
    let mut mira = desk.mira.clone();
    let [mut other, mut reader, mut nobody] = desk.site.strangers().await;
    for (method, path, statuses) in [
        (
            Method::GET,
            "/datasets/photos/decisions",
            [200, 403, 403, 303],
        ),
        (
            Method::POST,
            "/datasets/photos/decide",
            [422, 403, 403, 303],
        ),
        (
            Method::POST,
            "/datasets/photos/decisions/1/undo",
            [404, 403, 403, 303],
        ),
        (
            Method::GET,
            "/datasets/photos/release",
            [200, 403, 403, 303],
        ),
        (
            Method::POST,
            "/datasets/photos/release",
            [422, 403, 403, 303],
        ),
        (
            Method::POST,
            "/datasets/photos/release/1/approve",
            [404, 403, 403, 303],
        ),
        (
            Method::POST,
            "/datasets/photos/release/1/decline",
            [404, 403, 403, 303],
        ),
        (
            Method::GET,
            "/datasets/nothing/release",
            [403, 403, 403, 303],
        ),
        (Method::GET, "/datasets/photos/decide", [405, 405, 405, 405]),
        (Method::GET, "/jobs", [200, 200, 403, 303]),
        (Method::POST, "/jobs", [404, 403, 403, 303]),
        (Method::GET, "/jobs/1", [404, 404, 403, 303]),
        (Method::GET, "/jobs/x/events", [404, 404, 403, 303]),
        (Method::POST, "/jobs/1/cancel", [404, 404, 403, 303]),
    ] {
        let people = [&mut mira, &mut other, &mut reader, &mut nobody];
        for (browser, status) in people.into_iter().zip(statuses) {
            let answer = match method {
                Method::POST => {
                    let form = [
                        ("change", "none"),
                        ("notes", ""),
                        ("dataset", "photos"),
                        ("kind", "ingest"),
                    ];
                    browser.post(path, &form).await
                }
                _ => browser.get(path).await,
            };
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{method} {path}: {}",
                answer.text()
            );
        }
    }
}
