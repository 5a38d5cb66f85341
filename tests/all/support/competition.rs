//! A competition that is open, with people who may take part by a token.

use std::{fs, path::Path, sync::Arc};

use fairframe_schemas::{Layout, Name};
use fairframe_web::{
    competitions::opening,
    state::{
        Db,
        accounts::{self, By, Held, Role},
        competitions as state,
        tokens::{self, Scope},
    },
};

/// Its name.
pub const LABELS: &str = "labels";

pub const TOML: &str = r#"
competition = "labels"
title = "Labels"
timezone = "UTC"

[task]
form = "multi-label"

[board]
metric = "f2_mean"
ladder = { form = "step", step = 0.01 }

[limits]
per_day = 1000
file_bytes = 100000

[[stage]]
name = "one"
title = "One"
opens = "2020-01-01"
closes = "2100-01-01"
solution = "solution.csv"
sample_submission = "sample.csv"
"#;

pub async fn open(root: &Path) -> Db {
    let path = Layout::new(root).state();
    Db::open(&path, Arc::new(chrono::Utc::now)).await.unwrap()
}

/// Opens the competition, publishes it, and gives a token to each of so many teams.
pub async fn begin(
    root: &Path,
    toml: &str,
    solution: &str,
    sample: &str,
    teams: usize,
) -> Vec<String> {
    let folder = root.join("competition");
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in [
        ("competition.toml", toml),
        ("solution.csv", solution),
        ("sample.csv", sample),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    let db = open(root).await;
    let layout = Layout::new(root);
    opening::open(&db, &layout, "console", &folder, None)
        .await
        .unwrap();
    let all = publish(&db, LABELS, teams).await;
    db.close().await;
    all
}

/// Publishes an open competition, and gives a token to each of so many teams; its rules are
/// accepted.
pub async fn publish(db: &Db, competition: &str, teams: usize) -> Vec<String> {
    let mut write = db.write().await.unwrap();
    let name = Name::new(competition).unwrap();
    state::set_hidden(&mut write, "console", &name, false)
        .await
        .unwrap();
    for n in 0..teams {
        let roles = [Held {
            role: Role::Participant,
            dataset: None,
        }];
        let called = format!("team{n}");
        accounts::create(&mut write, "console", &called, &roles.into())
            .await
            .unwrap();
    }
    write.commit().await.unwrap();
    let mut all = Vec::new();
    for n in 0..teams {
        let account = accounts::find(db, By::Name(&format!("team{n}"))).await;
        let account = account.unwrap().unwrap();
        let mut write = db.write().await.unwrap();
        let by = (account.id.as_str(), account.name.as_str());
        state::accept_rules(&mut write, &name, by, "1")
            .await
            .unwrap();
        let scopes = [Scope::Submit].into();
        let token = tokens::create(&mut write, &account, "t", &scopes, 30).await;
        all.push(token.unwrap());
        write.commit().await.unwrap();
    }
    all
}
