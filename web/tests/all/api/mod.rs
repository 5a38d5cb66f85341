//! The API, in process: what it answers, to whom, and that its description is of it.

mod curating;

use std::collections::BTreeSet;

use crate::support::site::{Answer, Browser, Site};
use axum::http::{Method, StatusCode, header};
use fairframe_schemas::Sample;
use fairframe_web::{
    api,
    state::{
        accounts::{self, By, Role},
        audit, jobs,
        tokens::{self, Scope},
    },
};
use serde_json::{Value, json};

/// A program with a token, or without.
struct Program {
    browser: Browser,
    token: Option<String>,
}

impl Program {
    async fn get_any(&mut self, path: &str) {
        let answer = self.send(Method::GET, path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    }

    async fn send(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.with(method, path, body, &[]).await
    }

    async fn with(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        more: &[(header::HeaderName, &str)],
    ) -> Answer {
        let bearer = self.token.as_ref().map(|t| format!("Bearer {t}"));
        let mut headers = more.to_vec();
        if let Some(bearer) = &bearer {
            headers.push((header::AUTHORIZATION, bearer));
        }
        let text = body.map_or(String::new(), Value::to_string);
        if body.is_some() {
            headers.push((header::CONTENT_TYPE, "application/json"));
        }
        loop {
            let text = text.clone();
            let answer = self.browser.ask(method.clone(), path, &headers, text).await;
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    }

    async fn get(&mut self, path: &str) -> Value {
        let answer = self.send(Method::GET, path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/json");
        serde_json::from_slice(&answer.bytes).unwrap()
    }

    async fn post(&mut self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.send(Method::POST, path, Some(&body)).await;
        let value = serde_json::from_slice(&answer.bytes).unwrap_or(Value::Null);
        (answer.status.as_u16(), value)
    }
}

struct Desk {
    site: Site,
    samples: Vec<Sample>,
}

impl Desk {
    async fn new() -> Self {
        let site = Site::new().await;
        let (samples, _) = crate::support::demo(&site.layout);
        Self { site, samples }
    }

    fn id(&self, title: &str) -> String {
        let has = |s: &&Sample| s.title.as_deref().is_some_and(|t| t.contains(title));
        self.samples.iter().find(has).unwrap().sample_id.to_string()
    }

    /// A program of somebody with a role and a token of some scopes.
    async fn program(
        &self,
        name: &str,
        roles: &[(Role, Option<&str>)],
        scopes: &[Scope],
    ) -> Program {
        self.site.member(name, roles).await;
        let db = &self.site.app.db;
        let account = accounts::find(db, By::Name(name)).await.unwrap().unwrap();
        let scopes: BTreeSet<Scope> = scopes.iter().copied().collect();
        let mut write = db.write().await.unwrap();
        let token = tokens::create(&mut write, &account, "t", &scopes, 30).await;
        write.commit().await.unwrap();
        Program {
            browser: self.site.visitor(),
            token: Some(token.unwrap()),
        }
    }

    fn anybody(&self) -> Program {
        Program {
            browser: self.site.visitor(),
            token: None,
        }
    }

    async fn curator(&self) -> Program {
        let roles = [(Role::Curator, Some("photos"))];
        self.program("mira", &roles, &[Scope::Read, Scope::Curate])
            .await
    }

    /// A curator of every dataset, who may read all of the audit log.
    async fn curator_of_all(&self) -> Program {
        let scopes = [Scope::Read, Scope::Curate];
        self.program("ines", &[(Role::Curator, None)], &scopes)
            .await
    }
}

const RELEASE: &str = "/api/v1/datasets/photos/versions/latest";

#[tokio::test]
async fn datasets_releases_and_samples_are_read_by_anybody() {
    let desk = Desk::new().await;
    let mut p = desk.anybody();
    let all = p.get("/api/v1/datasets").await;
    assert_eq!(all["items"][0]["name"], "photos");
    assert_eq!(all["items"][0]["versions"], json!(["2.0.0", "1.0.0"]));
    assert_eq!(p.get("/api/v1/datasets/photos").await, all["items"][0]);

    let release = p.get(RELEASE).await;
    assert_eq!(
        (&release["version"], &release["is_latest"]),
        (&json!("2.0.0"), &json!(true))
    );
    assert_eq!(release["terms"], Value::Null);
    for file in release["files"].as_array().unwrap() {
        let got = p
            .send(Method::GET, file["href"].as_str().unwrap(), None)
            .await;
        assert_eq!(got.bytes.len() as u64, file["bytes"].as_u64().unwrap());
        let sha256 = fairframe_schemas::Digest::of(&got.bytes).to_string();
        assert_eq!(file["sha256"], sha256.as_str());
    }
    let recalls = p.get("/api/v1/datasets/photos/recalls").await;
    assert_eq!(recalls["items"][0]["sample_id"], desk.id("iguana").as_str());

    let schema = p.get(&format!("{RELEASE}/schema")).await;
    let rows = schema["rows"].as_u64().unwrap();
    let accepted: Vec<&Sample> = desk
        .samples
        .iter()
        .filter(|s| s.reasons.is_empty())
        .collect();
    assert_eq!(rows, accepted.len() as u64);
    for column in schema["columns"].as_array().unwrap() {
        let without = match column["name"].as_str().unwrap() {
            "sample_id" | "status" => 0,
            // Written without statistics.
            "media_sha256" => accepted.iter().filter(|s| s.media_sha256.is_none()).count(),
            "source_url" => accepted.iter().filter(|s| s.source_url.is_none()).count(),
            "latitude" => accepted.iter().filter(|s| s.latitude.is_none()).count(),
            "labels" => accepted.iter().filter(|s| s.labels.is_empty()).count(),
            "subject_ids" => accepted.iter().filter(|s| s.subject_ids.is_empty()).count(),
            "reasons" | "derived_from" | "subject_attributes" | "manipulation" => accepted.len(),
            "consent_id" | "precise_latitude" => panic!("a restricted column"),
            _ => continue,
        };
        assert_eq!(column["without"], without, "{column}");
    }

    let found = p.get(&format!("{RELEASE}/samples")).await;
    assert_eq!(found["total"], accepted.len());
    let one = found["items"][0]["href"].as_str().unwrap();
    let doc = p.get(one).await;
    assert_eq!(doc["sample"]["sample_id"], found["items"][0]["sample_id"]);
    assert!(doc["sample"].get("consent_id").is_none());
    let picture = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|i| i["media"].as_str());
    let picture = p.send(Method::GET, picture.unwrap(), None).await;
    assert_eq!(picture.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_of_samples_join_up_whatever_the_order() {
    let site = Site::new().await;
    let mut samples = Vec::new();
    for n in 0..23 {
        let mut s = Sample::new("s", &n.to_string(), fairframe_schemas::MediaType::Image);
        s.width = (n % 3 != 0).then_some(100 * (n % 4));
        s.country = Some(if n % 2 == 0 { "IT" } else { "FR" }.to_owned());
        samples.push(s);
    }
    crate::support::publish(
        &site.layout,
        crate::support::Release {
            dataset: "many",
            version: "1.0.0",
            previous: None,
            change: fairframe_schemas::version::Change::None,
            about: Default::default(),
            samples,
            recall: None,
        },
    );
    let mut p = Program {
        browser: site.visitor(),
        token: None,
    };
    for (query, total) in [("", 23), ("sort=width", 23), ("sort=-width&country=IT", 12)] {
        let whole = format!("/api/v1/datasets/many/versions/1.0.0/samples?{query}");
        let all = p.get(&whole).await;
        let ids = |page: &Value| -> Vec<String> {
            let items = page["items"].as_array().unwrap().iter();
            items
                .map(|i| i["sample_id"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(all["total"], total);
        assert_eq!((ids(&all).len(), &all["next"]), (total, &Value::Null));
        let (mut next, mut joined) = (Some(format!("{whole}&limit=5")), Vec::new());
        while let Some(path) = next {
            let page = p.get(&path).await;
            joined.extend(ids(&page));
            next = page["next"].as_str().map(str::to_owned);
        }
        assert_eq!(joined, ids(&all), "{query}");
    }
    let facets = p
        .get("/api/v1/datasets/many/versions/1.0.0/facets?facet=country")
        .await;
    let words = &facets["facets"][0]["words"];
    assert_eq!(
        words,
        &json!([{"word": "IT", "samples": 12}, {"word": "FR", "samples": 11}])
    );
    let by = "/api/v1/datasets/many/versions/1.0.0/groups?by=country&by=band:width:0,150";
    let groups = p.get(by).await;
    let counted = groups["groups"].as_array().unwrap().iter();
    assert_eq!(
        counted.map(|g| g["samples"].as_u64().unwrap()).sum::<u64>(),
        23
    );
    for wrong in [
        "samples?limit=0",
        "samples?limit=1001",
        "samples?limit=x",
        "samples?after=x",
        "samples?after=00000000000000000000000000000000",
        "facets?facet=contry",
        "groups?by=cell:0",
        "groups?by=cell:x",
        "groups?by=band:width:2,1",
        "groups?by=band:width",
        "groups?by=label&by=reason",
        "groups?by=country&by=year&by=split&by=licence",
    ] {
        let path = format!("/api/v1/datasets/many/versions/1.0.0/{wrong}");
        let answer = p.send(Method::GET, &path, None).await;
        assert_eq!(answer.status.as_u16(), 422, "{wrong}");
        assert_eq!(
            answer.header(header::CONTENT_TYPE),
            "application/problem+json"
        );
    }
    for wrong in [
        "samples?contry=IT",
        "samples?sort=widht",
        "facets?status=nonsense",
    ] {
        let path = format!("/api/v1/datasets/many/versions/1.0.0/{wrong}");
        let answer = p.send(Method::GET, &path, None).await;
        assert_eq!(answer.status.as_u16(), 400, "{wrong}");
        assert!(
            answer.text().contains("\"status\":400"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn what_is_not_there_or_was_withdrawn_is_a_problem() {
    let desk = Desk::new().await;
    let mut p = desk.anybody();
    let (iguana, waterfall) = (desk.id("iguana"), desk.id("Waterfall"));
    for (path, status) in [
        (format!("{RELEASE}/samples/{iguana}"), 410),
        // Not accepted: for curators.
        (format!("{RELEASE}/samples/{waterfall}"), 404),
        (format!("{RELEASE}/samples/x"), 404),
        ("/api/v1/datasets/nope".to_owned(), 404),
        ("/api/v1/datasets/photos/versions/9.9.9".to_owned(), 404),
        (
            "/api/v1/datasets/Not%20A%20Name/versions/latest".to_owned(),
            404,
        ),
        ("/api/v1/nonsense".to_owned(), 404),
        ("/api/v1/datasets/%ff".to_owned(), 400),
    ] {
        let answer = p.send(Method::GET, &path, None).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(
            answer.header(header::CONTENT_TYPE),
            "application/problem+json",
            "{path}"
        );
        let problem: Value = serde_json::from_slice(&answer.bytes).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().is_some_and(|d| d.ends_with('.')));
    }
    let answer = p.send(Method::DELETE, "/api/v1/datasets", None).await;
    assert_eq!(answer.status.as_u16(), 405);
    assert!(answer.header(header::ALLOW).contains("GET"));
}

/// Every operation of the description, with what stands in braces filled in. Those of a
/// competition have a matrix of their own (`tests/all/competitions/people.rs`).
fn operations() -> Vec<(Method, String, bool)> {
    let doc = serde_json::to_value(api::openapi()).unwrap();
    let mut out = Vec::new();
    for (path, item) in doc["paths"].as_object().unwrap() {
        if path.contains("/competitions/") {
            continue;
        }
        for (method, of) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            let path = path
                .replace("{name}", "photos")
                .replace("{version}", "2.0.0")
                .replace("{id}", &"0".repeat(32));
            let path = ["{batch}", "{proposal}", "{job}"]
                .iter()
                .fold(path, |p, n| p.replace(n, "1"));
            out.push((method, path, of.get("security").is_some()));
        }
    }
    out
}

#[tokio::test]
async fn every_operation_asks_who_it_is_for() {
    let desk = Desk::new().await;
    let all = operations();
    assert!(all.len() >= 24, "{}", all.len());
    let other = [(Role::Curator, Some("others"))];
    let mut anybody = desk.anybody();
    let mut forged = Program {
        browser: desk.site.visitor(),
        token: Some("ff_nonsense".to_owned()),
    };
    let mut reader = desk
        .program("noor", &[(Role::Curator, None)], &[Scope::Read])
        .await;
    let mut researcher = desk
        .program("rosa", &[(Role::Researcher, None)], &[Scope::Curate])
        .await;
    let mut elsewhere = desk.program("otto", &other, &[Scope::Curate]).await;
    let mut admin = desk
        .program("ada", &[(Role::Admin, None)], &[Scope::Curate])
        .await;
    for (method, path, secured) in all {
        let body = (method == Method::POST).then(|| json!({}));
        let body = body.as_ref();
        let answer = forged.send(method.clone(), &path, body).await;
        assert_eq!(answer.status.as_u16(), 401, "{method} {path}");
        assert_eq!(answer.header(header::WWW_AUTHENTICATE), "Bearer");
        assert_eq!(
            answer.header(header::CONTENT_TYPE),
            "application/problem+json"
        );
        let answer = anybody.send(method.clone(), &path, body).await;
        match secured {
            false => assert_ne!(answer.status.as_u16(), 401, "{path}"),
            true => assert_eq!(answer.status.as_u16(), 401, "{method} {path}"),
        }
        if !secured || path.ends_with("/me") {
            continue;
        }
        // Curators without the scope, the scope without the role.
        for program in [&mut reader, &mut researcher] {
            let answer = program.send(method.clone(), &path, body).await;
            assert_eq!(answer.status.as_u16(), 403, "{method} {path}");
        }
        // A token is never an administrator; other people's datasets are theirs.
        let answer = elsewhere.send(method.clone(), &path, body).await;
        let other_answer = admin.send(method.clone(), &path, body).await;
        match path.contains("/datasets/") || path.ends_with("/audit/export") {
            true => assert_eq!(answer.status.as_u16(), 403, "{method} {path}"),
            false => assert!(
                matches!(answer.status.as_u16(), 200 | 404 | 422),
                "{method} {path}"
            ),
        }
        let may_all = [200, 201, 404, 409, 422];
        let status = other_answer.status.as_u16();
        assert!(
            status == 403 || may_all.contains(&status),
            "{method} {path}: {status}"
        );
        // A method that is not there.
        let wrong = anybody.send(Method::PATCH, &path, None).await;
        assert_eq!(wrong.status.as_u16(), 405, "{path}");
    }
}

#[tokio::test]
async fn the_documentation_is_of_what_is_there_and_its_lines_work() {
    let desk = Desk::new().await;
    let mut p = desk.anybody();
    let doc = p.get("/api/openapi.json").await;
    assert_eq!(doc["openapi"], "3.1.0");
    let page = p.send(Method::GET, "/api", None).await;
    assert_eq!(page.status, StatusCode::OK);
    let html = page
        .text()
        .replace("&#38;", "&")
        .replace("&#39;", "'")
        .replace("&#34;", "\"");
    for (path, item) in doc["paths"].as_object().unwrap() {
        assert!(html.contains(path.as_str()), "{path}");
        for (_, of) in item.as_object().unwrap() {
            assert!(of["summary"].is_string() && of["responses"]["default"].is_object());
        }
    }
    let mut curator = desk.curator_of_all().await;
    let mut tried = 0;
    let codes = html.split("<code>curl -fsS").skip(1);
    for code in codes.map(|rest| rest.split("</code>").next().unwrap()) {
        let Some((_, url)) = code.split_once("'http://data.example") else {
            continue;
        };
        let url = url.split('\'').next().unwrap();
        // There is no competition here.
        if url.contains("/competitions/") {
            continue;
        }
        let secured = code.contains("$FAIRFRAME_TOKEN");
        let program = if secured { &mut curator } else { &mut p };
        if let Some((_, body)) = code.split_once("-d '") {
            let body: Value = serde_json::from_str(body.split('\'').next().unwrap()).unwrap();
            let (status, told) = program.post(url, body).await;
            assert!(matches!(status, 200 | 201 | 404 | 409), "{code}: {told}");
        } else if !code.contains("-X POST") && !url.ends_with("/1") {
            program.get_any(url).await;
        }
        tried += 1;
    }
    assert!(tried >= 25, "{tried}");
}
