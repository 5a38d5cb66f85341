//! `/takedowns`: requests to take something down, for curators; the most urgent first.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use fairframe_schemas::{Name, Timestamp};
use serde::Deserialize;

use super::{
    consent::{Tile, reason, sample_and_derived, take_out, tile},
    filters,
};
use crate::{
    App,
    access::{Posted, Who},
    catalog,
    error::{AppError, page},
    lookup,
    state::{
        Write,
        takedowns::{self, Case, MAX_ABOUT, State as CaseState, TakedownError},
    },
};

/// Closed cases shown.
const CLOSED: u32 = 20;

/// Letters of what a case is about that stand in the queue.
const TEASER: usize = 120;

#[derive(Template)]
#[template(path = "takedown/queue.html")]
struct Queue {
    open: Vec<Line>,
    closed: Vec<Case>,
    overdue: u64,
    ledgers: Vec<Name>,
}

struct Line {
    case: Case,
    teaser: String,
    /// Days until the answer is due; none once it is overdue.
    days: Option<i64>,
}

impl Line {
    fn new(case: Case, now: Timestamp) -> Self {
        let short: String = case.about.chars().take(TEASER).collect();
        Self {
            teaser: match short.len() < case.about.len() {
                true => format!("{short} …"),
                false => short,
            },
            days: (!case.is_overdue(&now)).then(|| (case.due_at - now).num_days()),
            case,
        }
    }
}

/// Whether somebody may see a case: curators of the dataset it is about; while nobody knows which,
/// all curators.
fn may_see(who: &Who, case: &Case) -> bool {
    match &case.found {
        Some(found) => who.curates(&found.dataset),
        None => who.curates_something(),
    }
}

pub async fn queue(State(app): State<App>, who: Who) -> Result<Response, AppError> {
    let now = app.db.now();
    let (open, closed) = seen(&app, &who).await?;
    let open = open.into_iter();
    let open: Vec<Line> = open.map(|case| Line::new(case, now)).collect();
    let datasets = catalog::datasets(&app.layout).map_err(AppError::internal)?;
    let datasets = datasets.into_iter().map(|d| d.name);
    private(&Queue {
        overdue: open.iter().filter(|line| line.days.is_none()).count() as u64,
        open,
        closed,
        ledgers: datasets.filter(|d| who.curates(d)).collect(),
    })
}

/// The open cases that somebody may see, the most urgent first, and the newest closed ones.
pub(crate) async fn seen(app: &App, who: &Who) -> Result<(Vec<Case>, Vec<Case>), AppError> {
    who.must_curate_something()?;
    let mut open = takedowns::open(&app.db).await?;
    let mut closed = takedowns::closed(&app.db, CLOSED).await?;
    for cases in [&mut open, &mut closed] {
        cases.retain(|case| may_see(who, case));
    }
    Ok((open, closed))
}

fn private(template: &impl Template) -> Result<Response, AppError> {
    Ok(([(header::CACHE_CONTROL, "no-store")], page(template)?).into_response())
}

/// The number of a case; who asks comes first.
fn parsed(who: &Who, number: &str) -> Result<i64, AppError> {
    who.must_curate_something()?;
    number.parse().map_err(|_| NO_CASE)
}

const NO_CASE: AppError = AppError::NotFound("takedown request");

/// A case that somebody may see; to others there is none.
async fn find(app: &App, who: &Who, number: i64) -> Result<Case, AppError> {
    who.must_curate_something()?;
    let case = takedowns::find(&app.db, number).await?;
    let case = case.filter(|case| may_see(who, case));
    case.ok_or(NO_CASE)
}

/// The same, still open.
pub(super) async fn open_case(app: &App, who: &Who, number: i64) -> Result<Case, AppError> {
    let case = find(app, who, number).await?;
    match case.is_open() {
        true => Ok(case),
        false => Err(AppError::Conflict(TakedownError::Closed.to_string())),
    }
}

/// Ends a case as part of something else.
pub(super) async fn end(
    write: &mut Write,
    case: i64,
    actor: &str,
    state: CaseState,
    answer: &str,
) -> Result<(), AppError> {
    let closed = takedowns::close(write, case, actor, state, answer).await;
    closed.map_err(|error| match error {
        TakedownError::Closed => AppError::Conflict(error.to_string()),
        other => AppError::internal(other),
    })
}

#[derive(Template)]
#[template(path = "takedown/handle.html")]
struct Handle {
    who: Who,
    case: Case,
    /// Until the answer is due; none once it is overdue.
    days: Option<i64>,
    sample: Option<Tile>,
    /// Samples that go with it, itself among them.
    goes: u64,
    /// Source and pseudonym of everybody shown.
    people: Vec<(String, String)>,
}

pub async fn handle(
    State(app): State<App>,
    Path(number): Path<String>,
    who: Who,
) -> Result<Response, AppError> {
    let case = find(&app, &who, parsed(&who, &number)?).await?;
    let (mut sample, mut people, mut goes) = (None, Vec::new(), 0);
    if let Some(found) = &case.found {
        let known = app.consents.known(&found.dataset).await?;
        let row = known.row(found.sample).cloned();
        let row = match row {
            Some(row) => Some(row),
            None => lookup::row(&app.layout, found).await?,
        };
        if let Some(row) = row {
            let source = |subject: &String| (row.source.clone(), subject.clone());
            people = row.subjects.iter().map(source).collect();
            sample = Some(tile(&app, &found.dataset, &known, &row).await?);
        }
        let going = sample_and_derived(&app, &found.dataset, found.sample).await?;
        goes = going.len() as u64;
    }
    let Line { case, days, .. } = Line::new(case, app.db.now());
    private(&Handle {
        who,
        case,
        days,
        sample,
        goes,
        people,
    })
}

#[derive(Deserialize)]
pub struct Link {
    #[serde(default)]
    sample: String,
}

/// Says which sample a case is about.
pub async fn link(
    State(app): State<App>,
    Path(number): Path<String>,
    Posted { who, form }: Posted<Link>,
) -> Result<Response, AppError> {
    let number = parsed(&who, &number)?;
    open_case(&app, &who, number).await?;
    let found = match form.sample.len() <= MAX_ABOUT {
        true => lookup::find(&app.layout, &form.sample).await?,
        false => None,
    };
    let found = found.ok_or(AppError::NotFound("sample"))?;
    let mut write = app.db.write().await?;
    let linked = takedowns::link(&mut write, number, who.name(), &found).await;
    linked.map_err(|error| AppError::Conflict(error.to_string()))?;
    write.commit().await?;
    // It may now be for others to see.
    let to = match who.curates(&found.dataset) {
        true => format!("/takedowns/{number}"),
        false => "/takedowns".to_owned(),
    };
    Ok(Redirect::to(&to).into_response())
}

#[derive(Deserialize)]
pub struct Why {
    #[serde(default)]
    why: String,
}

/// Withdraws the sample and what was made from it, and closes the case.
pub async fn withdraw(
    State(app): State<App>,
    Path(number): Path<String>,
    Posted { who, form }: Posted<Why>,
) -> Result<Response, AppError> {
    let number = parsed(&who, &number)?;
    let case = open_case(&app, &who, number).await?;
    let found = case.found.ok_or_else(|| {
        AppError::Conflict("Say first which sample the request is about.".to_owned())
    })?;
    who.must_curate(&found.dataset)?;
    let why = reason(&form.why)?;
    let mut write = app.db.write().await?;
    let samples = sample_and_derived(&app, &found.dataset, found.sample).await?;
    take_out(&mut write, &found.dataset, who.name(), why, &samples).await?;
    end(&mut write, number, who.name(), CaseState::Withdrawn, "").await?;
    write.commit().await?;
    app.db.forget().await?;
    Ok(Redirect::to("/takedowns").into_response())
}

/// Closes the case without taking anything down.
pub async fn decline(
    State(app): State<App>,
    Path(number): Path<String>,
    Posted { who, form }: Posted<Why>,
) -> Result<Response, AppError> {
    let number = parsed(&who, &number)?;
    open_case(&app, &who, number).await?;
    let why = reason(&form.why)?;
    let mut write = app.db.write().await?;
    end(&mut write, number, who.name(), CaseState::Declined, why).await?;
    write.commit().await?;
    app.db.forget().await?;
    Ok(Redirect::to("/takedowns").into_response())
}
