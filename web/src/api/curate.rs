//! Decisions and proposals.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use fairframe_schemas::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sent::Sent;
use crate::{
    App,
    access::Who,
    error::{AppError, Problems},
    pages::{
        decisions::{self as pages, curated, make, take_back, told},
        release::{self, find, give_leave, refuse},
    },
    state::{
        decisions::{self, Batch},
        proposals::{self, Proposal},
    },
};

/// What was decided together.
#[derive(Serialize, ToSchema)]
pub struct BatchItem {
    /// Its number: that of its entry of the audit log.
    batch: i64,
    actor: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// In words.
    change: String,
    samples: i64,
    why: String,
    undone: bool,
}

impl From<Batch> for BatchItem {
    fn from(batch: Batch) -> Self {
        Self {
            change: told(&batch),
            batch: batch.seq,
            actor: batch.actor,
            at: batch.at,
            samples: batch.samples,
            why: batch.why,
            undone: batch.undone,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Decisions {
    /// Samples about which a decision stands.
    standing: u64,
    /// Newest first, at most 200.
    batches: Vec<BatchItem>,
}

/// What was decided
#[utoipa::path(get, path = "/datasets/{name}/decisions", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(("name" = String, Path, description = "Name of a dataset")),
    responses((status = 200, description = "Newest first", body = Decisions), Problems))]
pub async fn decisions(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Json<Decisions>, AppError> {
    let dataset = curated(&app, &who, &name)?.name;
    let batches = decisions::batches(&app.db, &dataset, pages::NEWEST).await?;
    Ok(Json(Decisions {
        standing: decisions::standing(&app.db, &dataset).await?.len() as u64,
        batches: batches.into_iter().map(BatchItem::from).collect(),
    }))
}

/// What is to be decided: of the samples named, or of all that a filter holds.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// `accept`, `quarantine`, `reject`, `clear` or `label`.
    #[schema(example = "quarantine")]
    change: String,
    /// Ids of samples.
    #[serde(default)]
    #[schema(example = json!(["{id}"]))]
    samples: Vec<String>,
    /// A filter as in the address of samples; with `held`.
    #[serde(default)]
    filter: String,
    /// How many samples the filter holds: if it holds others by then, nothing is decided.
    #[serde(default)]
    held: Option<usize>,
    /// For `label`: these and no others.
    #[serde(default)]
    labels: Vec<String>,
    /// Wanted for `reject`.
    #[serde(default)]
    #[schema(example = "to be looked at again")]
    why: String,
}

/// What was done.
#[derive(Serialize, ToSchema)]
pub struct Done {
    /// The number of its entry of the audit log.
    seq: i64,
}

fn created(seq: i64) -> (StatusCode, Json<Done>) {
    (StatusCode::CREATED, Json(Done { seq }))
}

/// Decides about samples
///
/// With `Idempotency-Key` the same request is done once, however often it is sent within a week.
#[utoipa::path(post, path = "/datasets/{name}/decisions", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(
        ("name" = String, Path, description = "Name of a dataset"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "A key of the program's own", max_length = 200, pattern = "^[!-~]+$"),
    ),
    request_body = Wish,
    responses((status = 201, description = "Decided: `seq` is the batch", body = Done), Problems))]
pub async fn decide(
    State(app): State<App>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), AppError> {
    let dataset = curated(&app, &sent.who, &name)?;
    let wish: Wish = sent.json()?;
    let wish = pages::Wish {
        change: wish.change,
        samples: wish.samples,
        filter: wish.filter,
        held: wish.held,
        labels: wish.labels,
        why: wish.why,
    };
    let key = sent.key(&format!("decide {}", dataset.name));
    make(&app, &sent.who, &dataset, &wish, key.as_ref())
        .await
        .map(created)
}

/// Takes a batch back
#[utoipa::path(post, path = "/datasets/{name}/decisions/{batch}/undo", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(
        ("name" = String, Path, description = "Name of a dataset"),
        ("batch" = String, Path, description = "Number of a batch"),
    ),
    responses((status = 201, description = "Undone", body = Done), Problems))]
pub async fn undo(
    State(app): State<App>,
    Path((name, batch)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), AppError> {
    let dataset = curated(&app, &sent.who, &name)?.name;
    let undone = take_back(&app, &sent.who, &dataset, &batch).await;
    undone.map(created)
}

/// A release that somebody proposes and somebody else approves.
#[derive(Serialize, ToSchema)]
pub struct ProposalItem {
    proposal: i64,
    /// The version it changes.
    base: String,
    notes: String,
    /// `open`, `declined`, `approved` or `released`.
    state: &'static str,
    proposed_by: String,
    #[schema(value_type = String, format = DateTime)]
    proposed_at: Timestamp,
    ended_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// The version it became.
    version: Option<String>,
    /// Samples decided about.
    samples: u64,
    /// People who withdrew.
    withdrew: u64,
}

impl From<Proposal> for ProposalItem {
    fn from(p: Proposal) -> Self {
        Self {
            proposal: p.seq,
            base: p.base.to_string(),
            notes: p.notes,
            state: p.state.as_str(),
            proposed_by: p.proposed_by,
            proposed_at: p.proposed_at,
            ended_by: p.ended_by,
            ended_at: p.ended_at,
            version: p.version.map(|v| v.to_string()),
            samples: p.decided.samples.len() as u64,
            withdrew: p.decided.withdrew.len() as u64,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Proposals {
    /// Newest first, at most 20.
    items: Vec<ProposalItem>,
}

/// Proposed releases
#[utoipa::path(get, path = "/datasets/{name}/proposals", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(("name" = String, Path, description = "Name of a dataset")),
    responses((status = 200, description = "Newest first", body = Proposals), Problems))]
pub async fn proposals(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Json<Proposals>, AppError> {
    let dataset = curated(&app, &who, &name)?.name;
    let found = proposals::of(&app.db, &dataset, release::NEWEST).await?;
    let items = found.into_iter().map(ProposalItem::from).collect();
    Ok(Json(Proposals { items }))
}

/// What is new.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// Published with the release.
    #[schema(example = "Three photos are set aside.")]
    notes: String,
}

/// Proposes a release of all that is decided by now
#[utoipa::path(post, path = "/datasets/{name}/proposals", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(("name" = String, Path, description = "Name of a dataset")),
    request_body = Notes,
    responses((status = 201, description = "Proposed: `seq` is the proposal", body = Done), Problems))]
pub async fn propose(
    State(app): State<App>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), AppError> {
    let dataset = curated(&app, &sent.who, &name)?;
    let Notes { notes } = sent.json()?;
    let (base, actor) = (dataset.latest(), sent.who.name());
    let seq = proposals::propose(&app.db, &dataset.name, base, actor, &notes).await?;
    Ok(created(seq))
}

/// One proposal
#[utoipa::path(get, path = "/datasets/{name}/proposals/{proposal}", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(
        ("name" = String, Path, description = "Name of a dataset"),
        ("proposal" = String, Path, description = "Number of a proposal"),
    ),
    responses((status = 200, description = "The proposal", body = ProposalItem), Problems))]
pub async fn proposal(
    State(app): State<App>,
    who: Who,
    Path((name, proposal)): Path<(String, String)>,
) -> Result<Json<ProposalItem>, AppError> {
    let dataset = curated(&app, &who, &name)?.name;
    let found = find(&app, &dataset, &proposal).await?;
    Ok(Json(found.into()))
}

/// Approves: by somebody else than who proposed. The release is made by a job
#[utoipa::path(post, path = "/datasets/{name}/proposals/{proposal}/approve", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(
        ("name" = String, Path, description = "Name of a dataset"),
        ("proposal" = String, Path, description = "Number of a proposal"),
    ),
    responses((status = 201, description = "Approved: `seq` is the job", body = Done), Problems))]
pub async fn approve(
    State(app): State<App>,
    Path((name, proposal)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), AppError> {
    let dataset = curated(&app, &sent.who, &name)?;
    let job = give_leave(&app, &sent.who, &dataset, &proposal).await;
    job.map(created)
}

/// Why something is refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    #[serde(default)]
    #[schema(example = "not yet")]
    why: String,
}

/// Declines a proposal
#[utoipa::path(post, path = "/datasets/{name}/proposals/{proposal}/decline", tag = "Curating",
    security(("token" = ["curate"]), ("session" = [])),
    params(
        ("name" = String, Path, description = "Name of a dataset"),
        ("proposal" = String, Path, description = "Number of a proposal"),
    ),
    request_body = Why,
    responses((status = 200, description = "Declined", body = ProposalItem), Problems))]
pub async fn decline(
    State(app): State<App>,
    Path((name, proposal)): Path<(String, String)>,
    sent: Sent,
) -> Result<Json<ProposalItem>, AppError> {
    let dataset = curated(&app, &sent.who, &name)?.name;
    let Why { why } = sent.json()?;
    refuse(&app, &sent.who, &dataset, &proposal, &why).await?;
    Ok(Json(find(&app, &dataset, &proposal).await?.into()))
}
