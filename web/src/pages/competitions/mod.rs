//! `/competitions`: what is open, its texts, its boards, handing in, hosting.

pub mod board;
pub mod host;
pub mod mine;
pub mod opening;
pub mod submit;
pub mod team;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{Html, Redirect},
};
use fairframe_competitions::{definition::Stage, markdown};
use fairframe_schemas::Timestamp;
use serde::Deserialize;

use crate::{
    App,
    access::{Posted, Who},
    competitions::{self, Open},
    error::{AppError, page},
    state::{accounts::Role, competitions as state},
};

/// What the pages of a competition have in common: its name and tabs.
pub struct Frame {
    pub open: Open,
    /// The tab that is shown.
    pub tab: &'static str,
    pub now: Timestamp,
    pub takes_part: bool,
}

impl Frame {
    fn new(app: &App, who: &Who, open: Open, tab: &'static str) -> Self {
        Self {
            takes_part: competitions::submit::participant(who, &open).is_ok(),
            now: app.db.now(),
            tab,
            open,
        }
    }

    fn title(&self) -> &str {
        &self.open.competition.toml.title
    }

    fn base(&self) -> String {
        format!("/competitions/{}", self.open.row.name)
    }

    /// The tabs: words, address, whether it is this one.
    fn tabs(&self) -> Vec<(&'static str, String, bool)> {
        let base = self.base();
        let mut tabs = vec![
            ("Overview", base.clone()),
            ("Leaderboard", format!("{base}/board")),
        ];
        if self.takes_part {
            tabs.push(("Submit", format!("{base}/submit")));
            tabs.push(("Submissions", format!("{base}/submissions")));
            tabs.push(("Team", format!("{base}/team")));
        }
        if self.open.hosts {
            tabs.push(("Host", format!("{base}/host")));
        }
        let own = self.tab;
        tabs.into_iter()
            .map(|(words, to)| (words, to, words == own))
            .collect()
    }

    fn shown(&self, at: Timestamp) -> String {
        self.open.competition.shown(at)
    }

    /// What a stage is doing, in a word.
    fn state_of(&self, stage: &Stage) -> &'static str {
        match self.now {
            now if now < stage.opens => "to come",
            now if now < stage.closes => "open",
            now if now < stage.reveals => "closed",
            _ => "final",
        }
    }
}

/// A competition in the list.
struct Line {
    open: Open,
    state: String,
}

#[derive(Template)]
#[template(path = "competitions/list.html")]
struct List {
    lines: Vec<Line>,
    /// Whether whoever asks may open one.
    may_open: bool,
}

pub async fn list(State(app): State<App>, who: Who) -> Result<Html<String>, AppError> {
    let now = app.db.now();
    let all = competitions::all(&app, &who).await?.into_iter();
    let lines = all.map(|open| Line {
        state: state_now(&open, now),
        open,
    });
    page(&List {
        may_open: who.may(Role::Host, None),
        lines: lines.collect(),
    })
}

fn state_now(open: &Open, now: Timestamp) -> String {
    let competition = &open.competition;
    match competition.stage_at(now) {
        Some(stage) => format!(
            "{} is open until {}",
            stage.title,
            competition.shown(stage.closes)
        ),
        None if competition.is_over(now) => "ended; the final board is shown".to_owned(),
        None => fairframe_competitions::calendar::words(competition, now),
    }
}

#[derive(Template)]
#[template(path = "competitions/overview.html")]
struct Overview {
    frame: Frame,
    state: String,
    /// Names, titles, whether it is shown.
    texts: Vec<(String, String, bool)>,
    /// Made safe.
    text: String,
    /// Version of the rules, whether they were accepted; none without rules, or nobody to accept.
    rules: Option<(String, bool)>,
    csrf: String,
}

pub async fn overview(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Html<String>, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    let first = open.competition.toml.pages.first();
    let first = first.map(|p| p.name.to_string());
    show(&app, &who, open, first.as_deref()).await
}

pub async fn text(
    State(app): State<App>,
    who: Who,
    Path((name, text)): Path<(String, String)>,
) -> Result<Html<String>, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    show(&app, &who, open, Some(&text)).await
}

/// The name of the rules among the texts.
const RULES: &str = "rules";

async fn show(
    app: &App,
    who: &Who,
    open: Open,
    text: Option<&str>,
) -> Result<Html<String>, AppError> {
    let toml = &open.competition.toml;
    let mut all: Vec<(String, String, &str)> = toml
        .pages
        .iter()
        .map(|p| (p.name.to_string(), p.title.clone(), p.file.as_str()))
        .collect();
    if let Some(rules) = &toml.rules
        && !all.iter().any(|(name, _, _)| name == RULES)
    {
        all.push((RULES.to_owned(), "Rules".to_owned(), &rules.file));
    }
    let shown = match text {
        None => None,
        Some(name) => {
            let found = all.iter().find(|(own, _, _)| own == name);
            Some(found.ok_or(AppError::NotFound("page of the competition"))?)
        }
    };
    let html = match shown {
        Some((_, _, file)) => {
            let text = open.competition.text(file).map_err(AppError::internal)?;
            markdown::html(&text)
        }
        None => String::new(),
    };
    let texts = all
        .iter()
        .map(|(name, title, _)| (name.clone(), title.clone(), text == Some(name.as_str())))
        .collect();
    let rules = match (who.account(), &toml.rules) {
        (Some(account), Some(rules)) if competitions::submit::participant(who, &open).is_ok() => {
            let accepted = competitions::submit::rules_accepted(app, &open, account).await?;
            Some((rules.version.clone(), accepted))
        }
        _ => None,
    };
    page(&Overview {
        state: state_now(&open, app.db.now()),
        frame: Frame::new(app, who, open, "Overview"),
        texts,
        text: html,
        rules,
        csrf: who.csrf().to_owned(),
    })
}

#[derive(Deserialize)]
pub struct Accepted {
    version: String,
}

pub async fn accept(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Accepted>,
) -> Result<Redirect, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    let account = competitions::submit::participant(&who, &open)?;
    let rules = open.competition.toml.rules.as_ref();
    let rules = rules.ok_or(AppError::NotFound("page of the competition"))?;
    if rules.version != form.version {
        return Err(AppError::Conflict(
            "The rules have changed since you opened the page. Read them once more.".to_owned(),
        ));
    }
    let mut write = app.db.write().await?;
    let by = (account.id.as_str(), account.name.as_str());
    state::accept_rules(&mut write, open.name(), by, &rules.version).await?;
    write.commit().await?;
    Ok(Redirect::to(&format!("/competitions/{name}/submit")))
}
