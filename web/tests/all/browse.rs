//! Browsing, in process: what filters find, what nobody may find, and what strangers write.

use std::collections::BTreeSet;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use fairframe_schemas::{
    ConsentState, Digest, Label, Layout, Manipulation, MediaType, Name, Purpose, Reason,
    RecallList, Sample, SampleId, Timestamp, recall::RecallEntry, version::Change,
};
use fairframe_web::state::accounts::Role;
use tower::ServiceExt;

const BASE: &str = "/datasets/odd/1.0.0/samples";
const SCRIPT: &str = "<script>alert(1)</script>\"' onmouseover=\"x";
const BACKWARDS: &str = "\u{202e}gpj.exe";

struct Site {
    public: Router,
    curator: Router,
    layout: Layout,
    _root: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    /// Where links of the page lead, decoded.
    fn links(&self) -> Vec<String> {
        let parts = self.text().split("href=\"").skip(1);
        let links = parts.filter_map(|p| p.split('"').next());
        links.map(|l| l.replace("&#38;", "&")).collect()
    }

    fn link(&self, rel: &str) -> Option<String> {
        let tag = self
            .text()
            .split("<a ")
            .find(|t| t.starts_with(&format!("rel=\"{rel}\"")))?;
        let link = tag.split("href=\"").nth(1)?.split('"').next()?;
        Some(link.replace("&#38;", "&"))
    }

    /// Addresses of single samples, in the order of the page.
    fn samples(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut links = self.links();
        links.retain(|l| l.starts_with(&format!("{BASE}/")) && seen.insert(l.clone()));
        links
    }
}

async fn ask(router: &Router, method: Method, path: &str, range: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(range) = range {
        request = request.header(header::RANGE, range);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        bytes: to_bytes(body, 64 << 20).await.unwrap().to_vec(),
    }
}

fn labelled(words: &[&str]) -> Vec<Label> {
    let label = |word: &&str| Label {
        label: (*word).to_owned(),
        confidence: Some(0.5),
        origin: SCRIPT.to_owned(),
    };
    words.iter().map(label).collect()
}

fn id(key: &str) -> SampleId {
    SampleId::new("odd", key)
}

/// What strangers write, a video, a fake with its pair, what was refused and what was withdrawn.
fn odd_samples(layout: &Layout) -> Vec<Sample> {
    let new = |key: &str, title: &str| {
        let mut s = Sample::new("odd", key, MediaType::Image);
        s.title = Some(title.to_owned());
        s.licence = Some("CC-BY-4.0".to_owned());
        s.media_sha256 = Some(crate::support::keep(
            layout,
            format!("bytes of {key}").as_bytes(),
        ));
        s.mime = Some("image/jpeg".to_owned());
        s.bytes = Some(1000);
        s.width = Some(100 + key.len() as i32);
        s.height = Some(100);
        s.licence_evidence = Some(format!("{{\"said\": \"{SCRIPT}\"}}"));
        s
    };
    let mut script = new("script", SCRIPT);
    script.creator = Some(SCRIPT.to_owned());
    script.description = Some("Castle by the river".to_owned());
    script.licence_url = Some("javascript:alert(1)".to_owned());
    script.landing_url = Some("javascript:alert(1)".to_owned());
    script.labels = labelled(&[SCRIPT, "tree"]);
    script.country = Some("IT".to_owned());
    script.region = Some("Europe".to_owned());
    (script.latitude, script.longitude) = (Some(43.5), Some(11.9));
    script.perceptual_hash = Some(0b1011);
    let mut backwards = new("backwards", BACKWARDS);
    backwards.labels = labelled(&["tree", BACKWARDS]);
    backwards.perceptual_hash = Some(0b1000);
    let mut long = new("long", &"long title ".repeat(400));
    long.labels = labelled(&[&"label".repeat(800)]);
    long.creator = Some("creator".repeat(500));
    long.country = Some("FJ".to_owned());
    (long.latitude, long.longitude) = (Some(-17.0), Some(179.5));
    let mut video = new("video", "A video of the castle");
    video.media_type = MediaType::Video;
    video.mime = Some("video/mp4".to_owned());
    video.duration_s = Some(61.0);
    video.captured_at = Some("2015-06-30T10:00:00Z".parse().unwrap());
    video.split_group = Some("group & co".to_owned());
    let mut person = new("person", "A person");
    person.subject_ids = vec!["p-01".to_owned()];
    person.consent_id = Some("secret-consent-id".to_owned());
    person.consent_state = Some(ConsentState::Given);
    person.consent_purposes = vec![Purpose::Redistribute];
    person.split_group = Some("group & co".to_owned());
    let mut fake = new("fake", "A fake of the video");
    fake.derived_from = vec![id("video"), id("person")];
    fake.manipulation = Some(Manipulation {
        method: "blend".to_owned(),
        target_sample: id("video"),
        source_sample: id("person"),
        mask_sha256: None,
        compression: Some("c23".to_owned()),
        parameters: Some("{\"seed\": 7}".to_owned()),
    });
    let mut waiting = new("waiting", "Quarantined lighthouse");
    waiting.country = Some("KE".to_owned());
    waiting.add_reason(Reason::LicenceContradiction);
    let mut refused = new("refused", "Refused windmill");
    refused.add_reason(Reason::OptOut);
    let mut gone = new("gone", "Withdrawn orchard");
    gone.country = Some("PE".to_owned());
    gone.labels = labelled(&["orchard"]);
    vec![
        script, backwards, long, video, person, fake, waiting, refused, gone,
    ]
}

impl Site {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let samples = odd_samples(&layout);
        crate::support::publish(
            &layout,
            crate::support::Release {
                dataset: "odd",
                version: "1.0.0",
                previous: None,
                change: Change::None,
                about: Default::default(),
                samples,
                recall: None,
            },
        );
        let site = Site {
            public: crate::support::site::router(layout.clone()).await,
            curator: crate::support::site::router_of(
                layout.clone(),
                &[(Role::Curator, Some("odd"))],
            )
            .await,
            layout,
            _root: root,
        };
        site.withdraw("gone");
        site
    }

    fn withdraw(&self, key: &str) {
        let mut list = RecallList::new(Name::new("odd").unwrap());
        list.extend([RecallEntry {
            sample_id: id(key),
            media_sha256: None,
            reason: Reason::Withdrawn,
            withdrawn_in: "2.0.0".parse().unwrap(),
            at: Timestamp::UNIX_EPOCH,
        }]);
        std::fs::write(self.layout.recall(&list.dataset), list.to_json()).unwrap();
    }

    async fn get(&self, path: &str) -> Answer {
        ask(&self.public, Method::GET, path, None).await
    }

    /// Samples that a query finds, for the public and for a curator.
    async fn found(&self, query: &str) -> [Vec<String>; 2] {
        let path = format!("{BASE}?{query}");
        let mut out = [Vec::new(), Vec::new()];
        for (router, out) in [&self.public, &self.curator].into_iter().zip(&mut out) {
            let answer = ask(router, Method::GET, &path, None).await;
            assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text());
            let keys = [
                "script",
                "backwards",
                "long",
                "video",
                "person",
                "fake",
                "waiting",
                "refused",
                "gone",
            ];
            for link in answer.samples() {
                let is = |key: &&&str| link.starts_with(&format!("{BASE}/{}", id(key)));
                out.push((*keys.iter().find(is).unwrap()).to_owned());
            }
            out.sort();
        }
        out
    }
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let site = Site::new().await;
    let all = ["backwards", "fake", "long", "person", "script", "video"];
    for (query, public) in [
        ("", &all[..]),
        ("country=IT&country=FJ", &["long", "script"]),
        ("country=", &["backwards", "fake", "person", "video"]),
        ("country!=IT&label=tree", &["backwards"]),
        ("text=CASTLE", &["script", "video"]),
        ("text=castle+river", &["script"]),
        ("text=%22castle+by%22", &["script"]),
        ("box=-20,170,-10,-170", &["long"]),
        ("box=40,10,45,12", &["script"]),
        ("captured-min=2015-06&captured-max=2015-06", &["video"]),
        ("captured-max=2015-05", &[]),
        ("duration-min=61", &["video"]),
        ("type!=image", &["video"]),
        ("method=blend&compression=c23", &["fake"]),
        ("group=group+%26+co", &["person", "video"]),
        ("subject=p-01", &["person"]),
        ("place=coordinates", &["long", "script"]),
        ("country=ZZ", &[]),
        ("label=no+such", &[]),
        ("consent=ConsentGiven&purpose=redistribute", &["person"]),
    ] {
        assert_eq!(site.found(query).await[0], public, "{query}");
    }
}

#[tokio::test]
async fn what_was_not_accepted_is_for_curators() {
    let site = Site::new().await;
    for (query, excluded) in [
        ("text=lighthouse", "waiting"),
        ("country=KE", "waiting"),
        ("status=rejected", "refused"),
        ("reason=opt-out", "refused"),
    ] {
        let [public, curator] = site.found(query).await;
        assert!(public.is_empty(), "{query}: {public:?}");
        assert_eq!(curator, [excluded], "{query}");
    }
    for key in ["waiting", "refused"] {
        let path = format!("{BASE}/{}", id(key));
        let answer = site.get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let answer = ask(&site.curator, Method::GET, &path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    let page = site.get(BASE).await;
    for word in ["lighthouse", "windmill", "Kenya", "quarantined", "rejected"] {
        assert!(!page.text().contains(word), "{word}");
    }
    let page = ask(&site.curator, Method::GET, BASE, None).await;
    for word in [
        "lighthouse",
        "windmill",
        "Kenya",
        "quarantined",
        "The rights holder",
    ] {
        assert!(page.text().contains(word), "{word}");
    }
}

#[tokio::test]
async fn of_what_was_withdrawn_only_that_is_known() {
    let site = Site::new().await;
    for router in [&site.public, &site.curator] {
        let page = ask(router, Method::GET, BASE, None).await;
        assert!(page.text().contains("Withdrawn since this version."));
        let path = format!("{BASE}/{}", id("gone"));
        let sample = ask(router, Method::GET, &path, None).await;
        assert_eq!(sample.status, StatusCode::GONE);
        for query in ["text=orchard", "country=PE", "label=orchard"] {
            let page = ask(router, Method::GET, &format!("{BASE}?{query}"), None).await;
            assert!(!page.text().contains("Withdrawn since"), "{query}");
            assert!(page.text().contains("No sample is meant"), "{query}");
        }
        for answer in [page, sample] {
            for word in ["orchard", "Peru"] {
                assert!(!answer.text().contains(word), "{word}");
            }
        }
    }
    // At once, though the release was looked at before.
    assert_eq!(site.found("text=river").await[0], ["script"]);
    // A list that is newer is seen by its time, which some file systems keep in steps.
    std::thread::sleep(std::time::Duration::from_millis(20));
    site.withdraw("script");
    assert_eq!(site.found("text=river").await[0], Vec::<String>::new());
}

#[tokio::test]
async fn what_strangers_write_stays_text() {
    let site = Site::new().await;
    let mut pages = vec![
        site.get(BASE).await,
        site.get(&format!("{BASE}?view=list")).await,
    ];
    for key in ["script", "backwards", "long", "video", "person", "fake"] {
        pages.push(site.get(&format!("{BASE}/{}", id(key))).await);
    }
    pages.push(
        site.get(&format!(
            "{BASE}?text=%3Cscript%3Ealert(1)&label={}",
            "%3Cb%3E"
        ))
        .await,
    );
    for page in &pages {
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        assert!(!page.text().contains("<script"), "{}", page.text());
        assert!(!page.text().contains("href=\"javascript:"));
        assert!(!page.text().contains(" onmouseover=\"x"));
        assert!(page.bytes.len() < 200_000, "{}", page.bytes.len());
    }
    // Words are cut where many samples stand.
    for list in &pages[..2] {
        assert!(list.text().contains(&"label".repeat(40)));
        assert!(!list.text().contains(&"label".repeat(41)));
        assert!(!list.text().contains(&"long title ".repeat(46)));
    }
    // A title that turns the direction of what follows is closed in.
    assert!(
        pages[0]
            .text()
            .contains(&format!("dir=\"auto\">{BACKWARDS}</span>"))
    );
    let sample = &pages[2];
    assert!(sample.text().contains("&#60;script&#62;alert(1)"));
    assert!(sample.text().contains("word for word"));
}

#[tokio::test]
async fn a_query_that_makes_no_sense_gets_a_page_that_says_so() {
    let site = Site::new().await;
    let long = "x".repeat(10_000);
    let many = "label=a&".repeat(2000);
    for (query, status, word) in [
        ("contry=IT", 400, "did you mean `country`?"),
        ("sort=captred", 400, "did you mean `captured`?"),
        ("view=gird", 400, "did you mean `grid`?"),
        ("status=acepted", 400, "did you mean `accepted`?"),
        ("box=NaN,0,1,1", 400, "south,west,north,east"),
        ("box=1,2,3", 400, "south,west,north,east"),
        ("width-min=wide", 400, "no number"),
        ("width-max=inf", 400, "no number"),
        ("captured-min=last+year", 400, "date such as"),
        ("page=-1", 400, "no page"),
        ("more=everything", 400, "no facet"),
        ("%00=%00", 400, "nothing that samples can be filtered by"),
        ("%ff=%fe", 400, "nothing that samples can be filtered by"),
        ("text=a+b+c+d+e+f+g+h+i", 400, "more than 8 words"),
        (&format!("text={long}"), 400, "more than 8192 bytes"),
        (
            &format!("text={}", "x".repeat(300)),
            400,
            "more than 200 characters",
        ),
        (&many, 400, "more than 8192 bytes"),
        ("page=0", 404, "page of samples"),
        ("page=2", 404, "page of samples"),
        ("page=18446744073709551615", 404, "page of samples"),
        ("page=99999999999999999999999", 404, "page of samples"),
    ] {
        let answer = site.get(&format!("{BASE}?{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}");
        assert!(answer.text().contains(word), "{query}: {}", answer.text());
        assert!(answer.text().contains("href=\"/\""));
        assert!(answer.bytes.len() < 4000, "{query}");
    }
    for path in ["zz", "..%2f", "00000000000000000000000000000000", "%ff"] {
        let answer = site.get(&format!("{BASE}/{path}")).await;
        assert!(answer.status.is_client_error(), "{path}");
    }
    let answer = site.get(&format!("{BASE}/{}?contry=x", id("script"))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        for path in [BASE.to_owned(), format!("{BASE}/{}", id("script"))] {
            let answer = ask(&site.public, method.clone(), &path, None).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn every_link_of_a_page_leads_somewhere() {
    let site = Site::new().await;
    let starts = [
        BASE.to_owned(),
        format!("{BASE}?label=tree&text=castle&width-min=1&view=list&sort=-pixels"),
        format!("{BASE}?country!=IT&more=label&box=-90,-180,90,180"),
        format!("{BASE}/{}", id("fake")),
        format!("{BASE}/{}", id("long")),
        format!("{BASE}/{}", id("person")),
        format!("{BASE}/{}?type=video", id("video")),
    ];
    for router in [&site.public, &site.curator] {
        let mut seen = BTreeSet::new();
        for start in &starts {
            let page = ask(router, Method::GET, start, None).await;
            assert_eq!(page.status, StatusCode::OK, "{start}: {}", page.text());
            for link in page.links() {
                if !link.starts_with('/') || !seen.insert(link.clone()) {
                    continue;
                }
                let answer = ask(router, Method::GET, &link, None).await;
                assert!(
                    answer.status.is_success() || answer.status.is_redirection(),
                    "{start} -> {link}: {}",
                    answer.status
                );
            }
        }
        assert!(seen.len() > 50, "{}", seen.len());
    }
}

#[tokio::test]
async fn samples_are_walked_in_the_order_of_their_filter() {
    let site = Site::new().await;
    for query in [
        "",
        "?sort=-width",
        "?type=image&sort=width",
        "?label=tree&view=list",
    ] {
        let page = site.get(&format!("{BASE}{query}")).await;
        let listed = page.samples();
        assert!(listed.len() > 1);
        let (mut at, mut walked) = (listed[0].clone(), Vec::new());
        loop {
            let sample = site.get(&at).await;
            assert_eq!(sample.status, StatusCode::OK, "{at}");
            walked.push(at.clone());
            assert_eq!(sample.link("prev"), walked.iter().rev().nth(1).cloned());
            match sample.link("next") {
                Some(next) => at = next,
                None => break,
            }
        }
        assert_eq!(walked, listed, "{query}");
    }
}

#[tokio::test]
async fn a_sample_has_a_page_with_everything_but_what_is_restricted() {
    let site = Site::new().await;
    let has = async |key: &str, words: &[&str]| {
        let page = site.get(&format!("{BASE}/{}", id(key))).await;
        for word in words {
            assert!(
                page.text().contains(word),
                "{key} lacks {word}: {}",
                page.text()
            );
        }
        assert!(!page.text().contains("secret-consent-id"));
        page
    };
    has(
        "script",
        &[
            "Italy",
            "43.5, 11.9",
            "/assets/world.svg#IT",
            "<circle",
            "Looks alike",
            "2 of 64 bits differ",
        ],
    )
    .await;
    has(
        "person",
        &[
            "ConsentGiven",
            "p-01",
            "redistribute",
            "Made from it",
            "group &#38; co",
        ],
    )
    .await;
    let video = has(
        "video",
        &[
            "<video controls",
            "1 min 1 s",
            "2015-06-30",
            "Kept in one split",
        ],
    )
    .await;
    assert!(video.text().contains(&id("person").to_string()));
    let fake = has(
        "fake",
        &["Made from", "blend", "c23", "Whose face", "&#34;seed&#34;"],
    )
    .await;
    for other in ["video", "person"] {
        assert!(fake.links().contains(&format!("{BASE}/{}", id(other))));
    }
    let world = site.get("/assets/world.svg").await;
    assert!(world.text().contains("<path id=\"IT\""));
}

#[tokio::test]
async fn videos_play_from_anywhere_and_pictures_are_asked_for_once() {
    let site = Site::new().await;
    let bytes = b"bytes of video";
    let path = format!("/media/{}", Digest::of(bytes));
    let whole = site.get(&path).await;
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(whole.headers[header::CONTENT_TYPE], "video/mp4");
    assert_eq!(whole.headers[header::ACCEPT_RANGES], "bytes");
    let part = ask(&site.public, Method::GET, &path, Some("bytes=6-7")).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes, b"of");
    assert_eq!(part.headers[header::CONTENT_RANGE], "bytes 6-7/14");
    let rest = ask(&site.public, Method::GET, &path, Some("bytes=9-")).await;
    assert_eq!(rest.bytes, b"video");
    let beyond = ask(&site.public, Method::GET, &path, Some("bytes=99-")).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    for path in [path, format!("/thumbnails/{}", Digest::of(bytes))] {
        let answer = site.get(&path).await;
        let caching = "private, max-age=86400, immutable";
        assert_eq!(answer.headers[header::CACHE_CONTROL], caching, "{path}");
    }
    // A page, and what is not there, are asked for each time.
    let unknown = format!("/thumbnails/{}", Digest::of(b"unknown"));
    for path in [BASE, unknown.as_str()] {
        let answer = site.get(path).await;
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-cache", "{path}");
    }
}

#[tokio::test]
async fn a_release_without_rows_and_one_that_cannot_be_read() {
    let site = Site::new().await;
    let release = crate::support::Release {
        dataset: "empty",
        version: "1.0.0",
        previous: None,
        change: Change::None,
        about: Default::default(),
        samples: Vec::new(),
        recall: None,
    };
    let summary = crate::support::publish(&site.layout, release);
    let path = "/datasets/empty/1.0.0/samples";
    let page = site.get(path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("No sample was accepted."));
    let folder = site.layout.release(&summary.dataset, summary.version);
    std::fs::write(folder.join("part-00000.parquet"), "not parquet").unwrap();
    let broken = ask(&site.curator, Method::GET, path, None).await;
    assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
    for word in ["parquet", "part-", "manifests"] {
        assert!(!broken.text().contains(word), "{}", broken.text());
    }
}
