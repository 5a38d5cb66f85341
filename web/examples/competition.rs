//! Makes competitions of many teams for `benches/competition.py`, which serves and measures them.
//!
//! ```text
//! cargo run --release -p fairframe-web --example competition make DIR TEAMS AT_ONCE [SHARED]
//! cargo run --release -p fairframe-web --example competition correct DIR
//! ```
//!
//! `make`: as many teams with a submission each in the queue, and tokens of the first `AT_ONCE` in
//! `DIR/tokens.json`; with `SHARED`, the folder with the real Inclusive Images files, a competition
//! with their truth. `correct`: another truth, by which all is to be scored anew.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fairframe_schemas::{Layout, Name};
use fairframe_web::{
    competitions::{Competitions, opening, vault},
    state::{
        Db,
        accounts::{self, By, Held, Role},
        competitions::{
            self as state,
            submissions::{self, Allowance, New},
            teams,
        },
        tokens::{self, Scope},
    },
};

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// Names of the competitions.
const MANY: &str = "many-teams";
const REAL: &str = "inclusive-images";

/// Items of the small stage, and submissions that differ.
const ITEMS: usize = 500;
const DIFFERENT: usize = 200;

const TOML: &str = r#"
competition = "many-teams"
title = "Labels around the world"
summary = "What is seen, wherever it is seen: judged by mean F2, overall and by country."
timezone = "Europe/Berlin"

[task]
form = "multi-label"
groups = ["country"]
min_n = 10

[board]
metric = "f2_mean"
ladder = { form = "parameter-free" }

[[board.column]]
title = "Worst country"
shows = "worst-group"
grouping = "country"

[[board.column]]
title = "Largest difference"
shows = "difference"
grouping = "country"

[limits]
per_day = 100

[rules]
version = "2026-01"
file = "rules.md"

[[page]]
name = "about"
title = "About"
file = "about.md"

[[stage]]
name = "stage-1"
title = "Stage 1: places that are known"
opens = "2020-01-01"
closes = "2099-01-01"
solution = "solution.csv"
sample_submission = "sample.csv"
public_share = 0.3
seed = 5000000003

[[stage]]
name = "stage-2"
title = "Stage 2: places that are not"
opens = "2099-02-01"
closes = "2099-03-01"
solution = "solution.csv"
sample_submission = "sample.csv"
"#;

fn answers(right: usize) -> String {
    let mut text = "image_id,labels\n".to_owned();
    for item in 0..ITEMS {
        // Spread over the countries.
        let label = match item * 7 % ITEMS < right {
            true => ["cat", "dog", "tree"][item % 3],
            false => "bird",
        };
        text.push_str(&format!("i{item:04},{label}\n"));
    }
    text
}

fn solution() -> String {
    let mut text = "image_id,labels,country\n".to_owned();
    for item in 0..ITEMS {
        let country = ["India", "Brazil", "Germany", "Kenya"][item * 4 / ITEMS];
        text.push_str(&format!(
            "i{item:04},{},{country}\n",
            ["cat", "dog", "tree"][item % 3]
        ));
    }
    text
}

fn folder(at: &Path, toml: &str) -> Done<PathBuf> {
    let folder = at.join("competition");
    fs::create_dir_all(&folder)?;
    for (name, text) in [
        ("competition.toml", toml),
        ("solution.csv", &solution()),
        ("sample.csv", &answers(0)),
        (
            "rules.md",
            "# Rules\n\nOne account a person. Say what data you used.\n",
        ),
        (
            "about.md",
            "## What is asked\n\nSay what each picture shows. Pictures come from **four countries**; your score is the mean F2 over all of them, and the board also shows the country you do worst in.\n\n| label | meaning |\n| --- | --- |\n| cat | a cat |\n| dog | a dog |\n",
        ),
    ] {
        fs::write(folder.join(name), text)?;
    }
    Ok(folder)
}

/// Teams of one person with a submission each, at the queue.
async fn many(db: &Db, layout: &Layout, name: &Name, teams: usize) -> Done {
    let vault = vault(layout, name);
    let stage = Name::new("stage-1")?;
    let mut files = Vec::new();
    for n in 0..DIFFERENT {
        let text = answers(n * ITEMS / DIFFERENT);
        files.push((vault.keep_bytes(text.as_bytes())?, text.len() as u64));
    }
    let now = db.now();
    let allowed = Allowance {
        day: now..now + Duration::from_secs(86_400),
        per_day: 100,
        total: None,
        block_days: None,
    };
    let mut write = db.write().await?;
    for n in 0..teams {
        let called = format!("team{n}");
        let roles = [Held {
            role: Role::Participant,
            dataset: None,
        }];
        let id = accounts::create(&mut write, "host", &called, &roles.into()).await?;
        let by = (id.as_str(), called.as_str());
        let team = teams::own(&mut write, name, by).await?;
        let (sha256, bytes) = files[n * 31 % DIFFERENT];
        let new = New {
            competition: name,
            stage: &stage,
            team,
            account: by,
            name: "answers.csv",
            sha256,
            bytes,
            note: "",
            external: None,
        };
        submissions::submit(&mut write, &new, &allowed).await?;
    }
    Ok(write.commit().await?)
}

/// The real truth and sample submission of Inclusive Images.
fn real(dir: &Path, shared: &Path) -> Done<PathBuf> {
    let data = shared.join("data/inclusive-images");
    let folder = dir.join("real");
    fs::create_dir_all(&folder)?;
    let toml = TOML
        .replace("many-teams", REAL)
        .replace("groups = [\"country\"]\n", "")
        .replace("solution.csv", "solution.csv.gz")
        .replace("sample.csv", "sample.csv.gz");
    // Its truth has no groups.
    let (head, tail) = (toml.find("[[board.column]]"), toml.find("[limits]"));
    let (head, tail) = (head.ok_or("columns")?, tail.ok_or("limits")?);
    let toml = format!("{}{}", &toml[..head], &toml[tail..]);
    fs::write(folder.join("competition.toml"), toml)?;
    fs::write(folder.join("rules.md"), "# Rules\n")?;
    fs::write(folder.join("about.md"), "# About\n")?;
    for (from, to) in [
        (
            "inclusive_images_stage_1_solutions.csv.gz",
            "solution.csv.gz",
        ),
        ("stage_1_sample_submission.csv.gz", "sample.csv.gz"),
    ] {
        fs::copy(data.join(from), folder.join(to))?;
    }
    Ok(folder)
}

async fn show(db: &Db, layout: &Layout, folder: &Path) -> Done<Name> {
    let name = opening::open(db, layout, "host", folder, None).await?;
    let mut write = db.write().await?;
    state::set_hidden(&mut write, "host", &name, false).await?;
    write.commit().await?;
    Ok(name)
}

async fn make(dir: &Path, teams: usize, at_once: usize, shared: Option<&str>) -> Done {
    let layout = Layout::new(dir);
    let db = Db::open(&layout.state(), Arc::new(chrono::Utc::now)).await?;
    let name = show(&db, &layout, &folder(&dir.join("from"), TOML)?).await?;
    let mut all = vec![name.clone()];
    if let Some(shared) = shared {
        all.push(show(&db, &layout, &real(dir, Path::new(shared))?).await?);
    }
    many(&db, &layout, &name, teams).await?;
    let mut made = Vec::new();
    for n in 0..at_once {
        let account = accounts::find(&db, By::Name(&format!("team{n}"))).await?;
        let account = account.ok_or("no such team")?;
        let by = (account.id.as_str(), account.name.as_str());
        let mut write = db.write().await?;
        for name in &all {
            state::accept_rules(&mut write, name, by, "2026-01").await?;
        }
        let scopes = [Scope::Submit].into();
        made.push(tokens::create(&mut write, &account, "t", &scopes, 1).await?);
        write.commit().await?;
    }
    fs::write(dir.join("tokens.json"), serde_json::to_vec(&made)?)?;
    Ok(())
}

async fn correct(dir: &Path) -> Done {
    let layout = Layout::new(dir);
    let db = Db::open(&layout.state(), Arc::new(chrono::Utc::now)).await?;
    let corrected = dir.join("corrected.csv");
    fs::write(&corrected, solution().replace("i0000,cat", "i0000,dog"))?;
    let row = state::find(&db, &Name::new(MANY)?).await?;
    let row = row.ok_or("no competition")?;
    let competition = Competitions::default().definition(&layout, &row);
    let competition = competition.map_err(|e| e.to_string())?;
    let stage = Name::new("stage-1")?;
    opening::correct(
        &db,
        &layout,
        "host",
        competition,
        &stage,
        corrected,
        "A dog.",
    )
    .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["make", dir, teams, at_once, shared @ ..] => {
            let (teams, at_once) = (teams.parse()?, at_once.parse()?);
            make(Path::new(dir), teams, at_once, shared.first().copied()).await
        }
        ["correct", dir] => correct(Path::new(dir)).await,
        _ => Err("give make DIR TEAMS AT_ONCE [SHARED], or correct DIR".into()),
    }
}
