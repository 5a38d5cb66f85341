//! Measures competitions: scoring, boards of many teams, scoring anew, submissions at once.
//!
//! ```text
//! cargo run --release -p fairframe-web --example competition DIR TEAMS AT_ONCE [SHARED]
//! ```
//!
//! `SHARED` is the folder with the real Inclusive Images files. `DIR` is served afterwards with
//! `fairframe --root DIR serve`.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, header},
};
use fairframe_schemas::{Layout, Name};
use fairframe_web::{
    App,
    competitions::{opening, vault, work::Worker},
    state::{
        accounts::{self, By, Held, Role},
        competitions::{
            self as state,
            submissions::{self, Allowance, New},
            teams, truths,
        },
        tokens::{self, Scope},
    },
};
use tower::ServiceExt;

type Done<T = ()> = Result<T, Box<dyn Error>>;

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

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |q: usize| times[(times.len() * q / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    format!("p50 {:.1} ms, p99 {:.1} ms", at(50), at(99))
}

fn worker(app: &App, name: &str) -> Worker {
    Worker {
        db: app.db.clone(),
        layout: app.layout.clone(),
        name: name.to_owned(),
        limit_memory: |_| {},
        exit: || std::process::exit(75),
    }
}

#[tokio::main]
async fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, teams, at_once, rest @ ..] = arguments.as_slice() else {
        return Err("give DIR TEAMS AT_ONCE [SHARED]".into());
    };
    let (teams, at_once): (usize, usize) = (teams.parse()?, at_once.parse()?);
    let dir = PathBuf::from(dir);
    let layout = Layout::new(&dir);
    let app = App::open(layout.clone(), Arc::new(chrono::Utc::now), false).await?;
    let from = folder(&dir.join("from"), TOML)?;
    let name = opening::open(&app.db, &layout, "host", &from, None).await?;
    let mut write = app.db.write().await?;
    state::set_hidden(&mut write, "host", &name, false).await?;
    write.commit().await?;
    many(&app, &name, teams).await?;
    let began = Instant::now();
    let done = worker(&app, "a").run_dry().await?;
    let time = began.elapsed();
    println!(
        "{done} tasks (scores, reports, boards) of {teams} teams in {:.1} s: {:.0} a second",
        time.as_secs_f64(),
        done as f64 / time.as_secs_f64()
    );
    boards(&app, &name, teams).await?;
    rescore(&app, &name, &dir, teams).await?;
    together(&app, &name, at_once).await?;
    if let [shared] = rest {
        real(&dir, Path::new(shared)).await?;
    }
    Ok(())
}

/// Teams of one person with a submission each, at the queue.
async fn many(app: &App, name: &Name, teams: usize) -> Done {
    let vault = vault(&app.layout, name);
    let stage = Name::new("stage-1")?;
    let mut files = Vec::new();
    for n in 0..DIFFERENT {
        let text = answers(n * ITEMS / DIFFERENT);
        files.push((vault.keep_bytes(text.as_bytes())?, text.len() as u64));
    }
    let now = app.db.now();
    let allowed = Allowance {
        day: now..now + Duration::from_secs(86_400),
        per_day: 100,
        total: None,
        block_days: None,
    };
    let mut write = app.db.write().await?;
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

async fn boards(app: &App, name: &Name, teams: usize) -> Done {
    let router = fairframe_web::router(app.clone());
    for path in [
        format!("/competitions/{name}/board"),
        format!("/competitions/{name}/board?page=37"),
        format!("/competitions/{name}/board?team=team99"),
        format!("/competitions/{name}/board.json"),
    ] {
        let mut times = Vec::new();
        for _ in 0..200 {
            let request = Request::get(&path)
                .header(header::HOST, "h")
                .body(Body::empty())?;
            let began = Instant::now();
            let answer = router.clone().oneshot(request).await?;
            assert!(answer.status().is_success(), "{path}");
            to_bytes(answer.into_body(), 64 << 20).await?;
            times.push(began.elapsed());
        }
        println!("{path} of {teams} teams: {}", quantiles(times));
    }
    Ok(())
}

async fn rescore(app: &App, name: &Name, dir: &Path, teams: usize) -> Done {
    let corrected = dir.join("corrected.csv");
    fs::write(&corrected, solution().replace("i0000,cat", "i0000,dog"))?;
    let row = state::find(&app.db, name).await?.ok_or("no competition")?;
    let competition = app.competitions.definition(&app.layout, &row);
    let competition = competition.map_err(|e| e.to_string())?;
    let stage = Name::new("stage-1")?;
    let (db, layout) = (&app.db, &app.layout);
    opening::correct(db, layout, "host", competition, &stage, corrected, "A dog.").await?;
    let began = Instant::now();
    let working = worker(app, "r");
    let until = async {
        loop {
            let truth = truths::current(db, name, &stage).await?;
            if truth.is_some_and(|t| t.version == 2) {
                return Ok::<(), Box<dyn Error>>(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = working.run_dry() => { done?; }
        done = until => done?,
    }
    let time = began.elapsed().as_secs_f64();
    println!(
        "{teams} submissions scored anew in {time:.1} s: {:.0} a second",
        teams as f64 / time
    );
    Ok(())
}

/// Submissions of as many teams at once, while two workers score.
async fn together(app: &App, name: &Name, at_once: usize) -> Done {
    let router = fairframe_web::router(app.clone());
    let (mut senders, mut requests) = (tokio::task::JoinSet::new(), Vec::new());
    let times: Arc<Mutex<Vec<Duration>>> = Arc::default();
    for n in 0..at_once {
        let account = accounts::find(&app.db, By::Name(&format!("team{n}"))).await?;
        let account = account.ok_or("no such team")?;
        let mut write = app.db.write().await?;
        let version = "2026-01";
        let by = (account.id.as_str(), account.name.as_str());
        state::accept_rules(&mut write, name, by, version).await?;
        let scopes = [Scope::Submit].into();
        let token = tokens::create(&mut write, &account, "t", &scopes, 1).await?;
        write.commit().await?;
        let text = answers(n % ITEMS);
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{text}\r\n--b--\r\n"
        );
        let request = Request::post(format!("/api/v1/competitions/{name}/submissions"))
            .header(header::HOST, "h")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
            .body(Body::from(body))?;
        requests.push(request);
    }
    let began = Instant::now();
    for request in requests {
        let (router, times) = (router.clone(), times.clone());
        senders.spawn(async move {
            let began = Instant::now();
            let answer = router.oneshot(request).await.unwrap();
            assert_eq!(answer.status().as_u16(), 201);
            times.lock().unwrap().push(began.elapsed());
        });
    }
    let mut scorers = tokio::task::JoinSet::new();
    while let Some(sent) = senders.join_next().await {
        sent?;
    }
    println!(
        "{at_once} submissions at once: taken {}",
        quantiles(times.lock().unwrap().clone())
    );
    for n in 0..2 {
        let worker = worker(app, &format!("t{n}"));
        scorers.spawn(async move { worker.run_dry().await.map_err(|e| e.to_string()) });
    }
    let stage = Name::new("stage-1")?;
    let scored = loop {
        let all = submissions::of_stage(&app.db, name, &stage).await?;
        let newest = all.iter().rev().take(at_once);
        let waits = |s: &&submissions::Submission| s.state == submissions::State::Queued;
        if newest.clone().filter(waits).count() == 0 {
            break newest
                .filter(|s| s.state == submissions::State::Scored)
                .count();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let time = began.elapsed().as_secs_f64();
    println!("{scored} of {at_once} scored by two workers {time:.1} s after they were sent");
    while let Some(done) = scorers.join_next().await {
        done??;
    }
    Ok(())
}

/// The real truth and a real submission of Inclusive Images, by a worker.
async fn real(dir: &Path, shared: &Path) -> Done {
    let data = shared.join("data/inclusive-images");
    let folder = dir.join("real");
    fs::create_dir_all(&folder)?;
    let toml = TOML
        .replace("many-teams", "inclusive-images")
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
    let competition = fairframe_competitions::definition::Competition::read(&folder)?;
    let prepared = dir.join("real-truth");
    fs::create_dir_all(&prepared)?;
    let stage = &competition.stages[0];
    fairframe_competitions::prepare::prepare(&competition, stage, None, &prepared)?;
    for entry in fs::read_dir(data.join("submissions"))? {
        let submission = entry?.path();
        let mut times = Vec::new();
        let mut shown = String::new();
        for _ in 0..20 {
            let began = Instant::now();
            let outcome = fairframe_competitions::score::score(
                &fairframe_competitions::score::ScoreOptions {
                    competition: &competition,
                    stage: &stage.name,
                    truth: &prepared,
                    submission: &submission,
                },
            )?;
            times.push(began.elapsed());
            if let fairframe_competitions::score::Outcome::Scored(scored) = outcome {
                shown = format!("{:?} {:?}", scored.public.value, scored.private.value);
            }
        }
        let file = submission
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        println!("{file}: {shown}, scored in {}", quantiles(times));
    }
    Ok(())
}
