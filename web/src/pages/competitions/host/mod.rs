//! For hosts: what comes in, what went wrong, correcting the truth, who moved.

pub mod export;
pub mod groups;

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Multipart, Path, State},
    response::{Html, Redirect},
};
use fairframe_competitions::{
    board::{Board, Row, Side},
    prepare::Facts,
    vault::{MAX_FOLDER, Vault},
};
use fairframe_schemas::Name;
use serde::Deserialize;

use super::Frame;
use crate::{
    App,
    access::{Posted, Who},
    competitions::{
        self, Open,
        arrive::{self, Arrived},
        opening::{self, OpeningError},
    },
    error::{AppError, page},
    pages::{filters, text_of},
    state::audit::MAX_WHY,
    state::competitions::{
        self as state,
        queue::{self, State as QueueState, Task},
        submissions::{self, Submission},
        truths::{self, Truth, TruthError, TruthState},
    },
};

/// Tasks shown.
const TASKS: u32 = 50;

/// A stage as its hosts see it.
struct StageView {
    name: String,
    title: String,
    state: &'static str,
    times: [String; 3],
    facts: Option<Facts>,
    truths: Vec<Truth>,
    submissions: usize,
    teams: usize,
    /// Days with submissions, and how many.
    by_day: Vec<(String, u32, f64)>,
    /// Kinds of defects, and submissions with them.
    defects: Vec<(String, u32)>,
    /// Median of private minus public, of scored teams; what fitting the board would make of it.
    gap: Option<f64>,
    /// Teams that a correction moved.
    moved: usize,
    /// Groups in which no team is better than a constant answer.
    failing: usize,
}

#[derive(Template)]
#[template(path = "competitions/host.html")]
struct HostPage {
    frame: Frame,
    csrf: String,
    stages: Vec<StageView>,
    tasks: Vec<Task>,
    counts: Vec<(String, i64)>,
}

pub async fn show(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Html<String>, AppError> {
    let open = competitions::find_hosted(&app, &who, &name).await?;
    let tasks = queue::of(&app.db, open.name(), TASKS).await?;
    let counts = queue::counts(&app.db, open.name()).await?;
    let frame = Frame::new(&app, &who, open, "Host");
    let mut stages = Vec::new();
    for stage in &frame.open.competition.stages {
        let all = submissions::of_stage(&app.db, frame.open.name(), &stage.name).await?;
        let all: Vec<Submission> = all.into_iter().filter(|s| s.team.is_some()).collect();
        let truths = truths::list(&app.db, frame.open.name(), &stage.name).await?;
        let current = truths
            .iter()
            .find(|t| t.state == truths::TruthState::Current);
        let boards = Boards::read(&app, &frame.open, &stage.name, &truths).await?;
        let teams: std::collections::BTreeSet<i64> = all.iter().filter_map(|s| s.team).collect();
        let facts = current.map(|t| frame.open.vault.truth(&stage.name, &t.digest));
        stages.push(StageView {
            name: stage.name.to_string(),
            title: stage.title.clone(),
            state: frame.state_of(stage),
            times: [stage.opens, stage.closes, stage.reveals].map(|at| frame.shown(at)),
            facts: facts.and_then(|folder| Facts::read(&folder).ok()),
            submissions: all.len(),
            teams: teams.len(),
            by_day: by_day(&frame, &all),
            defects: defects(&all),
            gap: boards.now.as_deref().and_then(gap),
            moved: boards.moved().len(),
            failing: match current {
                Some(truth) => {
                    let spread = groups::read(&frame.open, &stage.name, truth.version).await?;
                    spread.iter().filter(|s| s.fails_everyone()).count()
                }
                None => 0,
            },
            truths,
        });
    }
    page(&HostPage {
        csrf: who.csrf().to_owned(),
        stages,
        tasks,
        counts,
        frame,
    })
}

/// Submissions by day of the competition's zone, with each day's share of the busiest.
fn by_day(frame: &Frame, all: &[Submission]) -> Vec<(String, u32, f64)> {
    let zone = frame.open.competition.zone;
    let mut days: BTreeMap<String, u32> = BTreeMap::new();
    for submission in all {
        let day = submission.at.with_timezone(&zone).format("%Y-%m-%d");
        *days.entry(day.to_string()).or_default() += 1;
    }
    let most = days.values().copied().max().unwrap_or(1);
    let share = |n: u32| f64::from(n) / f64::from(most) * 100.0;
    days.into_iter()
        .map(|(day, n)| (day, n, share(n)))
        .collect()
}

fn defects(all: &[Submission]) -> Vec<(String, u32)> {
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for text in all.iter().filter_map(|s| s.defects.as_ref()) {
        let list: Vec<fairframe_schemas::report::Defect> =
            serde_json::from_str(text).unwrap_or_default();
        let own: std::collections::BTreeSet<String> =
            list.iter().map(|d| d.kind.title().to_owned()).collect();
        for kind in own {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let mut kinds: Vec<(String, u32)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    kinds
}

/// The boards of a stage by the truth that counts and by the one before.
struct Boards {
    now: Option<Arc<Board>>,
    before: Option<Arc<Board>>,
}

impl Boards {
    async fn read(
        app: &App,
        open: &Open,
        stage: &Name,
        truths: &[Truth],
    ) -> Result<Self, AppError> {
        let newest = |state| truths.iter().rev().find(|t: &&Truth| t.state == state);
        let mut found = [None, None];
        for (board, state) in found
            .iter_mut()
            .zip([TruthState::Current, TruthState::Past])
        {
            if let Some(truth) = newest(state) {
                *board = app
                    .competitions
                    .board(&open.vault, stage, truth.version)
                    .await?;
            }
        }
        let [now, before] = found;
        Ok(Self { now, before })
    }

    /// Teams that stand elsewhere in private than by the truth before, the furthest first. What came
    /// since that truth counted moves a team, too, but not by the correction.
    fn moved(&self) -> Vec<Moved<'_>> {
        let (Some(now), Some(before)) = (&self.now, &self.before) else {
            return Vec::new();
        };
        let made_at = before.made_at;
        let old = before.rows(Side::Private).iter();
        let old: BTreeMap<i64, &Row> = old.filter_map(|row| Some((row.team?, row))).collect();
        let rows = now.rows(Side::Private).iter();
        let moved = rows.filter_map(|row| {
            let before = *old.get(&row.team?)?;
            let same = before.rank == row.rank && before.value == row.value;
            (!same && row.at <= made_at).then_some(Moved { before, now: row })
        });
        let mut moved: Vec<Moved<'_>> = moved.collect();
        moved.sort_by_key(|m| {
            let from = m.before.rank.unwrap_or(0);
            (
                std::cmp::Reverse(from.abs_diff(m.now.rank.unwrap_or(0))),
                m.now.rank,
            )
        });
        moved
    }
}

/// A team that stands elsewhere by a corrected truth.
struct Moved<'a> {
    before: &'a Row,
    now: &'a Row,
}

/// Median over teams of private minus public.
fn gap(board: &Board) -> Option<f64> {
    let private: BTreeMap<i64, f64> = board
        .rows(Side::Private)
        .iter()
        .filter_map(|row| Some((row.team?, row.value?)))
        .collect();
    let public = board.rows(Side::Public).iter();
    let mut gaps: Vec<f64> = public
        .filter_map(|row| Some(private.get(&row.team?)? - row.value?))
        .collect();
    gaps.sort_by(f64::total_cmp);
    match gaps.len() {
        0 => None,
        n => Some((gaps[(n - 1) / 2] + gaps[n / 2]) / 2.0),
    }
}

#[derive(Deserialize)]
pub struct Shown {
    hidden: bool,
}

/// Shows the competition to everybody, or hides it.
pub async fn publish(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Shown>,
) -> Result<Redirect, AppError> {
    let open = competitions::find_hosted(&app, &who, &name).await?;
    let mut write = app.db.write().await?;
    state::set_hidden(&mut write, who.name(), open.name(), form.hidden).await?;
    write.commit().await?;
    Ok(back(&name))
}

fn back(name: &str) -> Redirect {
    Redirect::to(&format!("/competitions/{name}/host"))
}

#[derive(Deserialize)]
pub struct Again {
    task: i64,
}

/// Begins a task anew that was set aside.
pub async fn retry(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Again>,
) -> Result<Redirect, AppError> {
    let open = competitions::find_hosted(&app, &who, &name).await?;
    let mut write = app.db.write().await?;
    if !queue::retry(&mut write, open.name(), form.task).await? {
        return Err(AppError::Conflict(
            "That task is not set aside any more.".to_owned(),
        ));
    }
    write.commit().await?;
    Ok(back(&name))
}

/// Takes a corrected solution of a stage.
pub async fn correct(
    State(app): State<App>,
    who: Who,
    Path((name, stage)): Path<(String, String)>,
    form: Multipart,
) -> Result<Redirect, AppError> {
    let open = competitions::find_hosted(&app, &who, &name).await?;
    let stage = open.stage(&stage)?.name.clone();
    let (file, why) = sent(&who, &open.vault, form, "solution").await?;
    let file =
        file.ok_or_else(|| AppError::Invalid("Choose the corrected solution.".to_owned()))?;
    let path = open.vault.submission(&file.sha256);
    let competition = open.competition.clone();
    let corrected = opening::correct(
        &app.db,
        &app.layout,
        who.name(),
        competition,
        &stage,
        path,
        &why,
    );
    corrected.await?;
    Ok(back(&name))
}

/// What a host sends: a file, and why.
pub(super) async fn sent(
    who: &Who,
    vault: &Vault,
    mut form: Multipart,
    called: &str,
) -> Result<(Option<Arrived>, String), AppError> {
    let (mut why, mut file) = (String::new(), None);
    let mut secret_shown = who.sent("");
    let broken = || AppError::Invalid("The form did not arrive whole.".to_owned());
    while let Some(mut field) = form.next_field().await.map_err(|_| broken())? {
        match field.name().unwrap_or_default() {
            "csrf" => secret_shown = who.sent(&text_of(field, MAX_WHY).await?),
            _ if !secret_shown => return Err(AppError::Stale),
            "why" => why = text_of(field, MAX_WHY).await?,
            "file" => {
                let called = called.to_owned();
                file = Some(arrive::from_form(vault, &mut field, called, MAX_FOLDER).await?);
            }
            _ => {}
        }
    }
    Ok((file, why))
}

impl From<OpeningError> for AppError {
    fn from(error: OpeningError) -> Self {
        match error {
            OpeningError::Packed(_)
            | OpeningError::Definition(_)
            | OpeningError::Prepare(_)
            | OpeningError::Other { .. }
            | OpeningError::Scored(_)
            | OpeningError::Truth(TruthError::Why) => AppError::Invalid(error.to_string()),
            OpeningError::Truth(TruthError::Another | TruthError::Same) => {
                AppError::Conflict(error.to_string())
            }
            OpeningError::Truth(TruthError::None) => AppError::NotFound("stage"),
            other => AppError::internal(other),
        }
    }
}
