//! A team's own submissions: where each stands, what was wrong, what it scored. Nobody else's.

use askama::Template;
use axum::{
    extract::{Path, Query, Request, State},
    http::header,
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_competitions::{
    board::{Cell, Side},
    items::{ItemScores, Paired},
    ladder,
};
use fairframe_schemas::report::Defect;
use serde::Deserialize;

use super::Frame;
use crate::{
    App,
    access::{Posted, Who},
    competitions::{self, Open},
    error::{AppError, page},
    headers::DOCUMENT_POLICY,
    pages::filters,
    state::competitions::{
        queue::{self, State as Task},
        scores::Score,
        submissions::{self, MAX_NOTE, SelectError, State as At, Submission},
        teams::{self, Team},
    },
};

/// The competition, whoever asks' team, and a submission of it.
async fn own(
    app: &App,
    who: &Who,
    name: &str,
    seq: i64,
) -> Result<(Open, Option<Team>, Submission), AppError> {
    let open = competitions::find(app, who, name).await?;
    let account = who.known()?;
    let team = teams::of(&app.db, open.name(), &account.id).await?;
    let found = submissions::find(&app.db, seq).await?;
    let found = found.filter(|s| s.competition == *open.name());
    // What is another team's is not there.
    let mine = |s: &Submission| s.team.is_some() && s.team == team.as_ref().map(|t| t.id);
    let found = found.filter(|s| open.hosts || mine(s));
    Ok((open, team, found.ok_or(AppError::NotFound("submission"))?))
}

/// A submission in the history.
struct Line {
    submission: Submission,
    public: Option<f64>,
    /// Once it is shown.
    private: Option<f64>,
    stage: String,
}

#[derive(Template)]
#[template(path = "competitions/submissions.html")]
struct History {
    frame: Frame,
    csrf: String,
    lines: Vec<Line>,
    /// Stages in which something can be chosen: name, title, how many.
    choosing: Vec<(String, String, u32)>,
    compared: Option<Compared>,
}

/// Two submissions side by side.
struct Compared {
    a: i64,
    b: i64,
    /// `a - b` over the public items; none where that is not told.
    paired: Option<Paired>,
    values: [Option<f64>; 2],
}

impl Compared {
    fn first(&self) -> Option<f64> {
        self.values[0]
    }

    fn second(&self) -> Option<f64> {
        self.values[1]
    }

    fn words(&self) -> String {
        let Some(paired) = self.paired else {
            return "Item by item they cannot be compared: the Ladder keeps their scores, the stage has too few items, or one has no score.".to_owned();
        };
        let (low, high) = (
            paired.mean - 1.96 * paired.error,
            paired.mean + 1.96 * paired.error,
        );
        let verdict = match (low > 0.0, high < 0.0) {
            (true, _) | (_, true) => "they differ by more than chance",
            _ => "the items cannot tell them apart",
        };
        format!(
            "Difference {:.5} (95%: {low:.5} to {high:.5}) over {} public items: {verdict}.",
            paired.mean, paired.n
        )
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Compare {
    a: Option<i64>,
    b: Option<i64>,
}

pub async fn history(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Query(asked): Query<Compare>,
) -> Result<Html<String>, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    let account = competitions::submit::participant(&who, &open)?;
    let team = teams::of(&app.db, open.name(), &account.id).await?;
    let now = app.db.now();
    let all = match &team {
        Some(team) => submissions::of_team(&app.db, open.name(), team.id).await?,
        None => Vec::new(),
    };
    let mut lines = Vec::new();
    for submission in all {
        let stage = open.stage(submission.stage.as_str())?;
        let [public, private] = competitions::told(&app, &open, &submission).await?;
        lines.push(Line {
            public: public.and_then(|s| s.value),
            private: private.and_then(|s| s.value),
            stage: stage.title.clone(),
            submission,
        });
    }
    let most = open.competition.toml.limits.selections;
    let stages = open.competition.stages.iter();
    let choosing = stages.filter(|s| {
        now < s.closes
            && lines
                .iter()
                .any(|l| l.submission.stage == s.name && l.submission.state == At::Scored)
    });
    let choosing = choosing.map(|s| (s.name.to_string(), s.title.clone(), most));
    let choosing = choosing.collect();
    let compared = match (asked.a, asked.b) {
        (Some(a), Some(b)) if a != b => compare(&app, &open, &lines, a, b).await?,
        _ => None,
    };
    page(&History {
        frame: Frame::new(&app, &who, open, "Submissions"),
        csrf: who.csrf().to_owned(),
        lines,
        choosing,
        compared,
    })
}

async fn compare(
    app: &App,
    open: &Open,
    lines: &[Line],
    a: i64,
    b: i64,
) -> Result<Option<Compared>, AppError> {
    let find = |seq| lines.iter().find(|l| l.submission.seq == seq);
    let (Some(first), Some(second)) = (find(a), find(b)) else {
        return Err(AppError::NotFound("submission"));
    };
    let truth = competitions::truth(app, open, &first.submission.stage).await?;
    let stage = open.stage(first.submission.stage.as_str())?;
    // The difference of two would tell what a Ladder keeps.
    let kept =
        open.competition.toml.board.ladder.is_some() && !competitions::tells_all(app, open, stage);
    let items = |seq| {
        ItemScores::read(&ladder::public_items(
            &open.vault.results(seq, truth.version),
        ))
        .ok()
    };
    let paired = match (items(a), items(b)) {
        (Some(a), Some(b)) if !kept => a.paired(&b),
        _ => None,
    };
    Ok(Some(Compared {
        a,
        b,
        paired,
        values: [first.public, second.public],
    }))
}

#[derive(Template)]
#[template(path = "competitions/submission.html")]
struct One {
    frame: Frame,
    csrf: String,
    submission: Submission,
    stage: String,
    /// Before it in the queue; 0 while it is being scored.
    before: Option<i64>,
    defects: Vec<Defect>,
    sides: Vec<(Side, Score, Vec<(String, Cell)>)>,
    report: bool,
    /// How far the report is that is not there.
    awaited: Option<Awaited>,
    /// What the Ladder left out of it is shown by now.
    revealed: bool,
    mine: bool,
}

/// A report that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// It is being written, or will be.
    Written,
    /// It could not be written; hosts see why.
    SetAside,
}

impl One {
    fn state(&self) -> String {
        match (self.submission.state, self.before) {
            (At::Queued, Some(0)) => "is being scored".to_owned(),
            (At::Queued, Some(1)) => "is next in the queue".to_owned(),
            (At::Queued, Some(n)) => format!("waits; {} before it", n - 1),
            (At::Queued, None) => "waits".to_owned(),
            (At::Scored, _) => "has its score".to_owned(),
            (At::Invalid, _) => "was refused: it has defects".to_owned(),
            (At::Failed, _) => "could not be scored; it does not count".to_owned(),
            (At::Cancelled, _) => "was taken back".to_owned(),
        }
    }

    fn waits(&self) -> bool {
        self.submission.state == At::Queued
    }
}

pub async fn one(
    State(app): State<App>,
    who: Who,
    Path((name, seq)): Path<(String, i64)>,
) -> Result<Response, AppError> {
    let (open, team, submission) = own(&app, &who, &name, seq).await?;
    let now = app.db.now();
    let stage = open.stage(submission.stage.as_str())?.clone();
    let mut sides = Vec::new();
    let found = competitions::told(&app, &open, &submission).await?;
    for (side, score) in [Side::Public, Side::Private].into_iter().zip(found) {
        let Some(score) = score else {
            continue;
        };
        let shown = competitions::columns(&app, &open, &score)?;
        sides.push((side, score, shown));
    }
    let defects = match &submission.defects {
        Some(text) => serde_json::from_str(text).map_err(AppError::internal)?,
        None => Vec::new(),
    };
    let before = queue::before(&app.db, seq).await?;
    let truth = competitions::truth(&app, &open, &stage.name).await?;
    let report = open.vault.results(seq, truth.version).join("report");
    let written = report.join("public/report.html").is_file();
    let awaited = match queue::report(&app.db, seq, truth.version).await? {
        _ if written => None,
        Some(Task::Queued | Task::Running) => Some(Awaited::Written),
        Some(Task::SetAside) => Some(Awaited::SetAside),
        Some(Task::Done | Task::Cancelled) | None => None,
    };
    let waits = submission.state == At::Queued;
    let html = page(&One {
        report: written,
        awaited,
        revealed: open.competition.reveals(&stage, now)
            && report.join("revealed/report.html").is_file(),
        mine: submission.team.is_some() && submission.team == team.map(|t| t.id),
        frame: Frame::new(&app, &who, open, "Submissions"),
        csrf: who.csrf().to_owned(),
        stage: stage.title,
        before,
        defects,
        sides,
        submission,
    })?;
    let mut response = html.into_response();
    if waits {
        // Without script the page comes again by itself.
        let soon = header::HeaderValue::from_static("2");
        response.headers_mut().insert(header::REFRESH, soon);
    }
    Ok(response)
}

/// The bytes as they were sent.
pub async fn file(
    State(app): State<App>,
    who: Who,
    Path((name, seq)): Path<(String, i64)>,
    request: Request,
) -> Result<Response, AppError> {
    let (open, _, submission) = own(&app, &who, &name, seq).await?;
    let digest = &submission.sha256;
    let mut response =
        crate::files::serve(&open.vault.submission(digest), &digest.to_string(), request).await?;
    let headers = response.headers_mut();
    let named = crate::pages::download(&format!("submission-{seq}"));
    let kind = header::HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    let named = header::HeaderValue::from_str(&named).map_err(AppError::internal)?;
    headers.insert(header::CONTENT_DISPOSITION, named);
    Ok(response)
}

/// A file of the report: the team's, of public items; for hosts the whole one beside it.
pub async fn report(
    State(app): State<App>,
    who: Who,
    Path((name, seq, part, file)): Path<(String, i64, String, String)>,
) -> Result<Response, AppError> {
    const NONE: AppError = AppError::NotFound("report");
    let (open, _, submission) = own(&app, &who, &name, seq).await?;
    let stage = open.stage(submission.stage.as_str())?;
    let part = match part.as_str() {
        "public" => "public",
        // With a Ladder the scores the public one leaves out.
        "revealed" if open.competition.reveals(stage, app.db.now()) => "revealed",
        "whole" if open.hosts => "whole",
        _ => return Err(NONE),
    };
    let kind = match file.as_str() {
        "report.html" => "text/html; charset=utf-8",
        "report.json" => "application/json",
        "groups.parquet" | "disparities.parquet" => "application/vnd.apache.parquet",
        _ => return Err(NONE),
    };
    let truth = competitions::truth(&app, &open, &submission.stage).await?;
    let results = open.vault.results(seq, truth.version);
    let bytes = tokio::fs::read(results.join("report").join(part).join(&file)).await;
    let bytes = bytes.map_err(|_| NONE)?;
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, DOCUMENT_POLICY),
    ];
    Ok((headers, bytes).into_response())
}

#[derive(Deserialize)]
pub struct Note {
    #[serde(default)]
    note: String,
}

pub async fn note(
    State(app): State<App>,
    Path((name, seq)): Path<(String, i64)>,
    Posted { who, form }: Posted<Note>,
) -> Result<Redirect, AppError> {
    let (_, team, submission) = own(&app, &who, &name, seq).await?;
    must_be_mine(team.as_ref(), &submission)?;
    let text = crate::pages::takedown::clean(&form.note);
    let mut write = app.db.write().await?;
    submissions::note(&mut write, seq, &text).await?;
    write.commit().await?;
    Ok(to(&name, seq))
}

fn must_be_mine(team: Option<&Team>, submission: &Submission) -> Result<(), AppError> {
    match submission.team.is_some() && submission.team == team.map(|t| t.id) {
        true => Ok(()),
        false => Err(AppError::Forbidden),
    }
}

fn to(name: &str, seq: i64) -> Redirect {
    Redirect::to(&format!("/competitions/{name}/submissions/{seq}"))
}

#[derive(Deserialize)]
pub struct Nothing {}

pub async fn cancel(
    State(app): State<App>,
    Path((name, seq)): Path<(String, i64)>,
    Posted { who, .. }: Posted<Nothing>,
) -> Result<Redirect, AppError> {
    let (_, team, submission) = own(&app, &who, &name, seq).await?;
    must_be_mine(team.as_ref(), &submission)?;
    let mut write = app.db.write().await?;
    if !submissions::cancel(&mut write, &submission, who.name()).await? {
        return Err(AppError::Conflict(
            "It has its score already; it can no longer be taken back.".to_owned(),
        ));
    }
    write.commit().await?;
    Ok(to(&name, seq))
}

#[derive(Deserialize)]
pub struct Chosen {
    stage: String,
    #[serde(default)]
    chosen: Vec<i64>,
}

pub async fn choose(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Chosen>,
) -> Result<Redirect, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    let account = competitions::submit::participant(&who, &open)?;
    let team = teams::of(&app.db, open.name(), &account.id).await?;
    let team = team.ok_or(AppError::NotFound("team"))?;
    let stage = open.stage(&form.stage)?;
    let most = open.competition.toml.limits.selections;
    let mut write = app.db.write().await?;
    if write.now >= stage.closes {
        return Err(AppError::Conflict(format!(
            "{} is closed; what it is judged by can no longer be chosen.",
            stage.title
        )));
    }
    let of = (team.id, open.name(), &stage.name);
    let by = who.name();
    submissions::select(&mut write, by, of, &form.chosen, most).await?;
    write.commit().await?;
    Ok(Redirect::to(&format!("/competitions/{name}/submissions")))
}

impl From<SelectError> for AppError {
    fn from(error: SelectError) -> Self {
        match error {
            SelectError::State(error) => error.into(),
            other => AppError::Invalid(other.to_string()),
        }
    }
}
