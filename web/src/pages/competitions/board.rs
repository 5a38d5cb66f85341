//! Leaderboards: a page, JSON, CSV and a picture to embed.

use std::sync::Arc;

use askama::Template;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::header,
    response::{Html, IntoResponse, Response},
};
use fairframe_competitions::{
    board::{Board, Cell, Row, Side},
    definition::Stage,
};
use serde::{Deserialize, Serialize};

use fairframe_schemas::competition::TieRule;

use super::Frame;
use crate::{
    App,
    access::Who,
    competitions::{self, Open},
    error::{AppError, page},
    headers::MEDIA_POLICY,
    pages::{filters, table},
    state::competitions::{teams, truths},
};

/// Rows on a page.
const ROWS: usize = 100;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    stage: Option<String>,
    side: Option<Side>,
    page: Option<usize>,
    /// Part of a team's name.
    team: String,
}

impl Asked {
    /// The board of a stage and a side.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for a side there is not.
    pub fn of(stage: Option<String>, side: Option<&str>) -> Result<Self, AppError> {
        let side = match side {
            None => None,
            Some("public") => Some(Side::Public),
            Some("private") => Some(Side::Private),
            Some(_) => {
                let known = "`side` is `public` or `private`.";
                return Err(AppError::Invalid(known.to_owned()));
            }
        };
        Ok(Self {
            stage,
            side,
            ..Self::default()
        })
    }
}

/// A board as whoever asks may see it.
struct Seen {
    open: Open,
    stage: Stage,
    side: Side,
    /// None before the first was made.
    board: Option<Arc<Board>>,
    /// Of each column, whether it is shown.
    shows: Vec<bool>,
    private: bool,
    truths: Vec<truths::Truth>,
}

async fn see(app: &App, who: &Who, name: &str, asked: &Asked) -> Result<Seen, AppError> {
    let open = competitions::find(app, who, name).await?;
    if open.competition.toml.board.public == Some(false) {
        who.known()?;
    }
    let now = app.db.now();
    let stage = match &asked.stage {
        Some(stage) => open.stage(stage)?.clone(),
        None => open.usual_stage(now).clone(),
    };
    // What is hidden is not there: no answer tells whether it exists.
    let private = open.hosts || open.competition.reveals(&stage, now);
    let side = asked
        .side
        .unwrap_or(match open.competition.reveals(&stage, now) {
            true => Side::Private,
            false => Side::Public,
        });
    if side == Side::Private && !private {
        return Err(AppError::NotFound("board"));
    }
    let truths = truths::list(&app.db, open.name(), &stage.name).await?;
    let current = truths
        .iter()
        .find(|t| t.state == truths::TruthState::Current);
    let board = match current {
        Some(truth) => {
            let boards = &app.competitions;
            boards
                .board(&open.vault, &stage.name, truth.version)
                .await?
        }
        None => None,
    };
    let hidden = open.competition.hidden_until.iter();
    let shows = hidden
        .map(|until| open.hosts || until.is_none_or(|until| until <= now))
        .collect();
    Ok(Seen {
        open,
        stage,
        side,
        board,
        shows,
        private,
        truths,
    })
}

/// The same, where a board was made.
async fn made(
    app: &App,
    who: &Who,
    name: &str,
    asked: &Asked,
) -> Result<(Seen, Arc<Board>), AppError> {
    let seen = see(app, who, name, asked).await?;
    let board = seen.board.clone().ok_or(AppError::NotFound("board"))?;
    Ok((seen, board))
}

#[derive(Template)]
#[template(path = "competitions/board.html")]
struct BoardPage {
    frame: Frame,
    seen: Seen,
    rows: Vec<Row>,
    own: Option<i64>,
    page: usize,
    pages: usize,
    team: String,
}

impl BoardPage {
    fn address(&self, stage: &str, side: Side, page: usize) -> String {
        let base = self.frame.base();
        let mut to = format!("{base}/board?stage={stage}&side={}", side.as_str());
        if page > 1 {
            to.push_str(&format!("&page={page}"));
        }
        to
    }

    fn side_of(&self, side: Side) -> String {
        self.address(self.seen.stage.name.as_str(), side, 1)
    }

    fn before(&self) -> String {
        self.address(self.seen.stage.name.as_str(), self.seen.side, self.page - 1)
    }

    fn after(&self) -> String {
        self.address(self.seen.stage.name.as_str(), self.seen.side, self.page + 1)
    }

    fn is_own(&self, row: &Row) -> bool {
        row.team.is_some() && row.team == self.own
    }

    /// Whether everybody sees the private board.
    fn is_shown(&self) -> bool {
        self.frame
            .open
            .competition
            .reveals(&self.seen.stage, self.frame.now)
    }

    fn reveals(&self) -> String {
        self.frame.shown(self.seen.stage.reveals)
    }

    fn file(&self, kind: &str) -> String {
        let (stage, side) = (&self.seen.stage.name, self.seen.side.as_str());
        format!(
            "{}/board.{kind}?stage={stage}&side={side}",
            self.frame.base()
        )
    }

    fn is_private(&self) -> bool {
        self.seen.side == Side::Private
    }

    /// The columns that are shown: their titles.
    fn titles(&self) -> Vec<&String> {
        let board = self.seen.board.as_ref();
        let titles = board.map(|b| b.columns.iter()).into_iter().flatten();
        let with = titles.zip(&self.seen.shows);
        with.filter(|(_, shows)| **shows).map(|(t, _)| t).collect()
    }

    fn cells<'a>(&self, row: &'a Row) -> Vec<&'a Cell> {
        let with = row.columns.iter().zip(&self.seen.shows);
        with.filter(|(_, shows)| **shows).map(|(c, _)| c).collect()
    }

    fn best(&self) -> f64 {
        let values = self.rows.iter().filter_map(|r| r.value);
        values.fold(0.0, |a: f64, b| a.max(b.abs()))
    }

    /// A score's share of the longest on the page, in percent.
    fn share(&self, row: &Row) -> f64 {
        match (row.value, self.best()) {
            (Some(value), best) if best > 0.0 => (value.abs() / best * 100.0).clamp(0.0, 100.0),
            _ => 0.0,
        }
    }

    fn correction(&self) -> Option<&truths::Truth> {
        let current = self.seen.truths.iter();
        let mut current = current.filter(|t| t.state == truths::TruthState::Current);
        current.next().filter(|t| t.version > 1)
    }
}

pub async fn board(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, AppError> {
    let seen = see(&app, &who, &name, &asked).await?;
    let own = match who.account() {
        Some(account) => teams::of(&app.db, seen.open.name(), &account.id).await?,
        None => None,
    };
    let rows = seen.board.as_ref().map_or(&[][..], |b| b.rows(seen.side));
    let wanted = asked.team.trim().to_lowercase();
    let found: Vec<&Row> = rows
        .iter()
        .filter(|row| wanted.is_empty() || row.name.to_lowercase().contains(&wanted))
        .collect();
    let pages = found.len().div_ceil(ROWS).max(1);
    let at = asked.page.unwrap_or(1).clamp(1, pages);
    let rows = found.into_iter().skip((at - 1) * ROWS).take(ROWS);
    let rows = rows.cloned().collect();
    page(&BoardPage {
        frame: Frame::new(&app, &who, seen.open.clone(), "Leaderboard"),
        own: own.map(|team| team.id),
        rows,
        seen,
        page: at,
        pages,
        team: asked.team.trim().to_owned(),
    })
}

/// A board as programs read it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BoardItem {
    competition: String,
    stage: String,
    side: String,
    /// The version of the truth.
    truth: i64,
    made_at: String,
    metric: String,
    higher_is_better: bool,
    rows: Vec<BoardRow>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BoardRow {
    /// None for a constant answer and where there is no score.
    rank: Option<u32>,
    team: String,
    /// Whether it is a constant answer.
    baseline: bool,
    value: Option<f64>,
    entries: u32,
    at: String,
    columns: Vec<BoardColumn>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BoardColumn {
    title: String,
    value: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    /// Items it rests on.
    n: u64,
    group: Option<String>,
    /// Rests on fewer items than may be shown.
    suppressed: bool,
}

impl BoardColumn {
    pub fn new(title: &str, cell: &Cell) -> Self {
        Self {
            title: title.to_owned(),
            value: cell.value,
            lower: cell.lower,
            upper: cell.upper,
            n: cell.n,
            group: cell.group.clone(),
            suppressed: cell.suppressed,
        }
    }
}

/// The board asked for, as programs read it.
///
/// # Errors
/// [`AppError::NotFound`] for what is not there or not shown.
pub async fn item(app: &App, who: &Who, name: &str, asked: &Asked) -> Result<BoardItem, AppError> {
    let (seen, board) = made(app, who, name, asked).await?;
    let utc =
        |at: fairframe_schemas::Timestamp| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let rows = board.rows(seen.side).iter().map(|row| BoardRow {
        rank: row.rank,
        team: row.name.clone(),
        baseline: row.team.is_none(),
        value: row.value,
        entries: row.entries,
        at: utc(row.at),
        columns: row
            .columns
            .iter()
            .zip(&board.columns)
            .zip(&seen.shows)
            .filter(|(_, shows)| **shows)
            .map(|((cell, title), _)| BoardColumn::new(title, cell))
            .collect(),
    });
    Ok(BoardItem {
        competition: board.competition.to_string(),
        stage: board.stage.to_string(),
        side: seen.side.as_str().to_owned(),
        truth: board.truth,
        made_at: utc(board.made_at),
        metric: board.metric.clone(),
        higher_is_better: board.higher_is_better,
        rows: rows.collect(),
    })
}

pub async fn json(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<BoardItem>, AppError> {
    Ok(Json(item(&app, &who, &name, &asked).await?))
}

async fn table(
    app: &App,
    who: &Who,
    name: &str,
    asked: &Asked,
    form: &str,
) -> Result<Response, AppError> {
    let (seen, board) = made(app, who, name, asked).await?;
    let named = format!("{name}-{}-{}", seen.stage.name, seen.side.as_str());
    table::sent(&board.table(seen.side, &seen.shows), &named, form)
}

pub async fn csv(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, AppError> {
    table(&app, &who, &name, &asked, "csv").await
}

pub async fn parquet(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, AppError> {
    table(&app, &who, &name, &asked, "parquet").await
}

/// A picture that others show on their pages.
pub async fn picture(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, AppError> {
    let (seen, board) = made(&app, &who, &name, &asked).await?;
    let title = format!(
        "{} · {}",
        seen.open.competition.toml.title, seen.stage.title
    );
    let shared = header::HeaderName::from_static("cross-origin-resource-policy");
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CONTENT_SECURITY_POLICY, MEDIA_POLICY),
        (shared, "cross-origin"),
    ];
    Ok((headers, board.to_svg(seen.side, &title)).into_response())
}
