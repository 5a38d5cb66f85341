//! Competitions, router in process, the worker beside it: from a folder to a final board.

mod hostile;
mod limits;
mod open;
mod people;
mod play;
mod truth;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::support::site::{Answer, Browser, Site};
use axum::http::{Method, StatusCode, header};
use fairframe_schemas::{Name, Timestamp};
use fairframe_web::{
    competitions::{
        opening,
        work::{InProcess, Worker},
    },
    state::{
        accounts::Role,
        competitions::{self as state, truths},
    },
};

/// Items of the small competition, and their countries.
pub const ITEMS: usize = 200;

/// `competition.toml` of the small one. The site's clock stands at 2026-03-01 08:00 UTC.
pub const TOML: &str = r#"
competition = "labels"
title = "Labels & <places>"
summary = "What is seen, wherever it is seen"
timezone = "UTC"

[task]
form = "multi-label"
groups = ["country"]
min_n = 10

[board]
metric = "f2_mean"

[[board.column]]
title = "Worst country"
shows = "worst-group"
grouping = "country"

[limits]
per_day = 3
total = 20
selections = 2
file_bytes = 100000

[teams]
size = 2

[rules]
version = "1"
file = "rules.md"

[[page]]
name = "about"
title = "About"
file = "about.md"

[[stage]]
name = "one"
title = "Stage one"
opens = "2026-03-01"
closes = "2026-03-05"
reveals = "2026-03-06"
solution = "solution.csv"
sample_submission = "sample.csv"
public_share = 0.5
seed = 5000000002

[[stage]]
name = "two"
title = "Stage two"
opens = "2026-03-10"
closes = "2026-03-12"
solution = "solution.csv"
sample_submission = "sample.csv"
public_share = 0.5
seed = 5000000001
"#;

/// The label of an item.
pub fn label(item: usize) -> &'static str {
    ["cat", "dog", "tree"][item % 3]
}

/// A submission that has the first `right` of each hundred right.
pub fn answers(right: usize) -> String {
    let mut text = "image_id,labels\n".to_owned();
    for item in 0..ITEMS {
        let says = if item % 100 < right {
            label(item)
        } else {
            "bird"
        };
        text.push_str(&format!("i{item:03},{says}\n"));
    }
    text
}

pub fn solution() -> String {
    let mut text = "image_id,labels,country\n".to_owned();
    for item in 0..ITEMS {
        let country = ["IN", "BR", "DE"][item / 70];
        text.push_str(&format!("i{item:03},{},{country}\n", label(item)));
    }
    text
}

/// Writes a competition's folder.
pub fn folder(at: &Path, toml: &str) -> PathBuf {
    let folder = at.join("competition");
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in [
        ("competition.toml", toml),
        ("solution.csv", &solution()),
        ("sample.csv", &answers(0)),
        ("rules.md", "# Rules\n\nPlay fair.\n"),
        ("about.md", "# About\n\n<script>alert(1)</script> *Look.*\n"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    folder
}

/// A site with the competition, shown to everybody.
pub struct Game {
    pub site: Site,
    pub host: Browser,
    pub folder: tempfile::TempDir,
}

impl Game {
    pub async fn new() -> Self {
        Self::of(TOML).await
    }

    pub async fn of(toml: &str) -> Self {
        let site = Site::new().await;
        let temporary = tempfile::tempdir().unwrap();
        let from = folder(temporary.path(), toml);
        let opened = opening::open(&site.app.db, &site.layout, "hana", &from, None);
        assert_eq!(opened.await.unwrap().as_str(), "labels");
        let host = site.member("hana", &[(Role::Host, Some("labels"))]).await;
        let mut game = Self {
            site,
            host,
            folder: temporary,
        };
        game.host.get("/competitions/labels/host").await;
        let shown = [("hidden", "false")];
        let to = "/competitions/labels/host/publish";
        assert_eq!(
            game.host.post(to, &shown).await.status,
            StatusCode::SEE_OTHER
        );
        game
    }

    /// Somebody who takes part and has accepted the rules.
    pub async fn player(&self, name: &str) -> Browser {
        let mut player = self.site.member(name, &[(Role::Participant, None)]).await;
        player.get("/competitions/labels").await;
        let accepted = player
            .post("/competitions/labels/rules/accept", &[("version", "1")])
            .await;
        assert_eq!(
            accepted.status,
            StatusCode::SEE_OTHER,
            "{}",
            accepted.text()
        );
        player
    }

    pub fn worker(&self, name: &str) -> Worker {
        Worker {
            db: self.site.app.db.clone(),
            layout: Arc::new(self.site.layout.clone()),
            name: name.to_owned(),
            judge: Arc::new(InProcess),
            exit: || panic!("the worker ends itself"),
        }
    }

    /// Does all that waits.
    pub async fn work(&self) -> usize {
        self.worker("w").run_dry().await.unwrap()
    }

    /// Lets time pass up to a moment.
    pub fn until(&self, moment: &str) {
        let moment: Timestamp = moment.parse().unwrap();
        let time = moment - self.site.app.db.now();
        self.site.pass(time.to_std().unwrap());
    }

    pub async fn board(&self, side: &str, stage: &str) -> serde_json::Value {
        let path = format!("/competitions/labels/board.json?side={side}&stage={stage}");
        let answer = self.site.visitor().get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        serde_json::from_slice(&answer.bytes).unwrap()
    }

    pub async fn truths(&self) -> Vec<truths::Truth> {
        let (name, stage) = (Name::new("labels").unwrap(), Name::new("one").unwrap());
        truths::list(&self.site.app.db, &name, &stage)
            .await
            .unwrap()
    }
}

/// Sends a file by the form.
pub async fn send(who: &mut Browser, text: &str) -> Answer {
    send_with(who, "/competitions/labels/submit", text, &[]).await
}

pub async fn send_with(
    who: &mut Browser,
    path: &str,
    file: impl AsRef<[u8]>,
    fields: &[(&str, &str)],
) -> Answer {
    let mut body = String::new();
    let csrf = who.csrf.clone();
    for (name, value) in [&[("csrf", csrf.as_str())], fields].concat() {
        body.push_str(&format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n",
    );
    let body = [body.as_bytes(), file.as_ref(), b"\r\n--b--\r\n"].concat();
    let kind = [(header::CONTENT_TYPE, "multipart/form-data; boundary=b")];
    who.ask(Method::POST, path, &kind, body).await
}

/// The number of a submission that was taken.
pub fn number(answer: &Answer) -> i64 {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    answer.to().rsplit('/').next().unwrap().parse().unwrap()
}

pub fn rows(board: &serde_json::Value) -> Vec<(Option<u64>, &str, f64)> {
    board["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["baseline"] == false)
        .map(|row| {
            (
                row["rank"].as_u64(),
                row["team"].as_str().unwrap(),
                row["value"].as_f64().unwrap(),
            )
        })
        .collect()
}

pub fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3_600)
}

#[tokio::test]
async fn a_folder_that_makes_no_sense_is_not_opened_and_says_all_that_is_wrong() {
    let site = Site::new().await;
    let temporary = tempfile::tempdir().unwrap();
    let wrong = TOML
        .replace("f2_mean", "f3_mean")
        .replace("closes = \"2026-03-05\"", "closes = \"2026-02-05\"")
        .replace("file = \"about.md\"", "file = \"../about.md\"");
    let from = folder(temporary.path(), &wrong);
    let error = opening::open(&site.app.db, &site.layout, "hana", &from, None).await;
    let said = error.unwrap_err().to_string();
    for words in [
        "board.metric",
        "f3_mean",
        "stage[0].closes",
        "page[0].file",
        "leaves the folder",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(state::all(&site.app.db).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_definition_changes_texts_and_times_but_not_what_scores_mean() {
    let game = Game::new().await;
    let mut ana = game.player("ana").await;
    let again = async |toml: &str| {
        let from = folder(game.folder.path(), toml);
        let site = &game.site;
        opening::open(&site.app.db, &site.layout, "hana", &from, None).await
    };
    // Before anybody has submitted all may change.
    let other = TOML.replace("shows = \"worst-group\"", "shows = \"difference\"");
    again(&other).await.unwrap();
    again(TOML).await.unwrap();
    number(&send(&mut ana, &answers(60)).await);
    let said = again(&other).await.unwrap_err().to_string();
    assert!(said.contains("changes what columns show"), "{said}");
    let gone = TOML.replace("name = \"one\"", "name = \"first\"");
    let said = again(&gone).await.unwrap_err().to_string();
    assert!(said.contains("leaves out the stage `one`"), "{said}");
    let fine = TOML
        .replace("Worst country", "The worst")
        .replace("per_day = 3", "per_day = 4");
    again(&fine).await.unwrap();
    game.work().await;
    let page = game.site.visitor().get("/competitions/labels/board").await;
    assert!(page.text().contains("The worst"), "{}", page.text());
}
