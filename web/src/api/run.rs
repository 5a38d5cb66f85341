//! Who asks; jobs, requests to take something down, the audit log.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use fairframe_schemas::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        path::{Parameter, ParameterIn},
        schema::{ObjectBuilder, Type},
    },
};

use super::{
    params::{self, query},
    sent::Sent,
};
use crate::{
    App,
    access::Who,
    browse::last,
    error::{AppError, Problems},
    pages::{
        audit as audit_pages,
        jobs::{begin, find, newest, stop},
        takedowns::seen,
    },
    state::{
        audit::{self, Written},
        jobs::Job,
        takedowns::Case,
    },
};

/// A role, for one dataset or for all.
#[derive(Serialize, ToSchema)]
pub struct RoleItem {
    role: String,
    /// None for all datasets.
    dataset: Option<String>,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
pub struct Me {
    name: String,
    roles: Vec<RoleItem>,
    /// What the token may be used for; none for a session.
    scopes: Option<Vec<String>>,
    /// What a session's changes carry in `X-CSRF-Token`; none for a token.
    csrf: Option<String>,
}

/// Who asks, and what they may
#[utoipa::path(get, path = "/me", tag = "Curating",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "The account", body = Me), Problems))]
pub async fn me(who: Who) -> Result<Response, AppError> {
    let account = who.known()?;
    let roles = account.roles.iter().map(|held| RoleItem {
        role: held.role.as_str().to_owned(),
        dataset: held.dataset.as_ref().map(ToString::to_string),
    });
    let scopes = who.scopes();
    let me = Me {
        name: account.name.clone(),
        roles: roles.collect(),
        scopes: scopes.map(|s| s.iter().map(ToString::to_string).collect()),
        csrf: who.session().map(|s| s.csrf.clone()),
    };
    Ok(private(me))
}

fn private(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// A job.
#[derive(Serialize, ToSchema)]
pub struct JobItem {
    job: i64,
    /// `ingest`, `retry` or `release`.
    kind: &'static str,
    dataset: String,
    /// What is released.
    proposal: Option<i64>,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    state: &'static str,
    /// Whether its end was asked for.
    cancel: bool,
    asked_by: String,
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    stage: String,
    done: i64,
    total: Option<i64>,
    /// The newest lines.
    messages: String,
    /// The version, or why it failed.
    outcome: String,
}

impl From<Job> for JobItem {
    fn from(job: Job) -> Self {
        Self {
            job: job.seq,
            kind: job.kind.as_str(),
            dataset: job.dataset.to_string(),
            proposal: job.proposal,
            state: job.state.as_str(),
            cancel: job.cancel,
            asked_by: job.asked_by,
            asked_at: job.asked_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
            stage: job.stage,
            done: job.done,
            total: job.total,
            messages: job.messages,
            outcome: job.outcome,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Jobs {
    /// Newest first, of the datasets that who asks curates.
    items: Vec<JobItem>,
}

/// Jobs
#[utoipa::path(get, path = "/jobs", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    responses((status = 200, description = "Newest first", body = Jobs), Problems))]
pub async fn jobs(State(app): State<App>, who: Who) -> Result<Json<Jobs>, AppError> {
    let jobs = newest(&app, &who).await?;
    let items = jobs.into_iter().map(JobItem::from).collect();
    Ok(Json(Jobs { items }))
}

/// What is to be run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    #[schema(example = "{name}")]
    dataset: String,
    /// `ingest`, or `retry` for what failed. A release is asked for by approving one.
    #[schema(example = "ingest")]
    kind: String,
}

/// Asks for a job
#[utoipa::path(post, path = "/jobs", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    request_body = Wanted,
    responses((status = 201, description = "Queued", body = JobItem), Problems))]
pub async fn ask(
    State(app): State<App>,
    sent: Sent,
) -> Result<(StatusCode, Json<JobItem>), AppError> {
    sent.who.must_curate_something()?;
    let Wanted { dataset, kind } = sent.json()?;
    let seq = begin(&app, &sent.who, &dataset, &kind).await?;
    let job = find(&app, &sent.who, &seq.to_string()).await?;
    Ok((StatusCode::CREATED, Json(job.into())))
}

/// One job
#[utoipa::path(get, path = "/jobs/{job}", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(("job" = String, Path, description = "Number of a job")),
    responses((status = 200, description = "The job", body = JobItem), Problems))]
pub async fn job(
    State(app): State<App>,
    who: Who,
    Path(job): Path<String>,
) -> Result<Json<JobItem>, AppError> {
    Ok(Json(find(&app, &who, &job).await?.into()))
}

/// Asks for the end of a job
#[utoipa::path(post, path = "/jobs/{job}/cancel", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(("job" = String, Path, description = "Number of a job")),
    responses((status = 200, description = "It will end", body = JobItem), Problems))]
pub async fn cancel(
    State(app): State<App>,
    Path(job): Path<String>,
    sent: Sent,
) -> Result<Json<JobItem>, AppError> {
    let job = stop(&app, &sent.who, &job).await?;
    let job = find(&app, &sent.who, &job.seq.to_string()).await?;
    Ok(Json(job.into()))
}

/// A request for something to be taken down.
#[derive(Serialize, ToSchema)]
pub struct CaseItem {
    number: i64,
    /// Once it is known which sample it is about.
    dataset: Option<String>,
    sample_id: Option<String>,
    /// `shown`, `rights` or `other`.
    relation: &'static str,
    /// What the person wrote; empty once closed, as are `reason` and `contact`.
    about: String,
    reason: String,
    contact: String,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    overdue: bool,
    /// `open`, `withdrawn` or `declined`.
    state: &'static str,
    answer: String,
    closed_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
    /// Where it is handled.
    page: String,
}

#[derive(Serialize, ToSchema)]
pub struct Cases {
    /// The most urgent first.
    open: Vec<CaseItem>,
    /// The newest.
    closed: Vec<CaseItem>,
}

/// Requests for something to be taken down
#[utoipa::path(get, path = "/takedowns", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    responses((status = 200, description = "The queue", body = Cases), Problems))]
pub async fn takedowns(State(app): State<App>, who: Who) -> Result<Response, AppError> {
    let (open, closed) = seen(&app, &who).await?;
    let now = app.db.now();
    let item = |case: Case| CaseItem {
        number: case.number,
        overdue: case.is_overdue(&now),
        dataset: case.found.as_ref().map(|f| f.dataset.to_string()),
        sample_id: case.found.as_ref().map(|f| f.sample.to_string()),
        relation: case.relation.as_str(),
        about: case.about,
        reason: case.reason,
        contact: case.contact,
        received_at: case.received_at,
        due_at: case.due_at,
        state: case.state.as_str(),
        answer: case.answer,
        closed_by: case.closed_by,
        closed_at: case.closed_at,
        page: format!("/takedowns/{}", case.number),
    };
    Ok(private(Cases {
        open: open.into_iter().map(&item).collect(),
        closed: closed.into_iter().map(&item).collect(),
    }))
}

/// An entry of the audit log, as it is hashed, with its hash.
#[derive(Serialize, ToSchema)]
pub struct EntryItem {
    seq: i64,
    at: String,
    actor: String,
    act: String,
    subject: String,
    /// JSON text, verbatim.
    details: String,
    why: String,
    /// The hash of the entry before.
    previous: String,
    hash: String,
}

impl From<Written> for EntryItem {
    fn from(Written { entry, hash }: Written) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor,
            act: entry.act,
            subject: entry.subject,
            details: entry.details,
            why: entry.why,
            previous: entry.previous,
            hash,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Entries {
    /// Oldest first.
    items: Vec<EntryItem>,
    /// What to ask for next, as `after`; none after the newest.
    next: Option<i64>,
}

/// Paging by number.
pub struct After;

impl IntoParams for After {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = |least: i64, most: u64| {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(least))
                .maximum(Some(most))
        };
        let after = number(0, i64::MAX as u64);
        vec![
            query(
                "after",
                "Entries after this number; 0 where it is not said",
                after,
            ),
            query(
                "limit",
                "Entries; 100 where it is not said",
                number(1, 1000),
            ),
        ]
    }
}

/// The audit log, page by page; for curators of single datasets what concerns those
#[utoipa::path(get, path = "/audit", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(After),
    responses((status = 200, description = "Oldest first", body = Entries), Problems))]
pub async fn audit(
    State(app): State<App>,
    who: Who,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Entries>, AppError> {
    let part = who.audits()?;
    let limit = params::limit(&pairs, 100, 1000)?;
    let after = last(&pairs, "after").unwrap_or("0").parse::<i64>();
    let after = after.ok().filter(|n| *n >= 0);
    let after =
        after.ok_or_else(|| AppError::Invalid("`after` is the number of an entry.".to_owned()))?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let found = audit::after_in(&app.db, part.as_ref(), after, limit).await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|w| w.entry.seq);
    Ok(Json(Entries {
        items: found.into_iter().map(EntryItem::from).collect(),
        next,
    }))
}

/// The whole audit log as lines of JSON, which `fairframe audit` checks anywhere; for curators of every dataset
#[utoipa::path(get, path = "/audit/export", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    responses(
        (status = 200, description = "An entry a line", body = String, content_type = "application/jsonl"),
        Problems,
    ))]
pub async fn export(state: State<App>, who: Who) -> Result<Response, AppError> {
    audit_pages::export(state, who).await
}
