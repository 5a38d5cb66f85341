//! `/datasets/{name}/release`: what a release would change, proposing and approving one.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_schemas::{
    DatasetVersion, Decision, Name, SampleId, Status, decision::PersonWithdrew, version::Change,
};
use serde::Deserialize;

use super::{decisions::curated, filters};
use crate::{
    App,
    access::{Posted, Who},
    catalog::Dataset,
    error::AppError,
    state::{
        audit::MAX_WHY,
        decisions,
        jobs::{self, Kind},
        proposals::{self, Proposal, State as Stage},
        settings, withdrawn,
    },
};

/// Proposals of the list.
pub(crate) const NEWEST: u32 = 20;

/// What decisions change against the newest release.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Samples by where they stood and will stand, where that differs.
    pub moved: BTreeMap<(Status, Status), u64>,
    /// Samples that stay accepted and say something else.
    pub relabelled: u64,
}

impl Difference {
    fn is_none(&self) -> bool {
        self.moved.is_empty() && self.relabelled == 0
    }

    /// Croissant's rule: MAJOR if something accepted is gone or other than it was, MINOR
    /// if something is new, PATCH for the rest.
    pub fn change(&self) -> Change {
        let mut change = match self.is_none() {
            true => Change::None,
            false => Change::Patch,
        };
        for (from, to) in self.moved.keys() {
            let this = match (from, to) {
                (Status::Accepted, _) | (_, Status::Withdrawn) => Change::Major,
                (_, Status::Accepted) => Change::Minor,
                _ => Change::Patch,
            };
            change = change.max(this);
        }
        if self.relabelled > 0 {
            change = change.max(Change::Major);
        }
        change
    }
}

#[derive(Template)]
#[template(path = "release.html")]
struct ReleasePage {
    who: Who,
    dataset: Name,
    base: DatasetVersion,
    /// Of what is decided and not proposed yet.
    difference: Difference,
    withdrew: Vec<PersonWithdrew>,
    change: Change,
    version: DatasetVersion,
    /// The one that waits or is being made.
    open: Option<Proposal>,
    earlier: Vec<Proposal>,
    two_persons: bool,
}

pub async fn page(
    State(app): State<App>,
    Path(name): Path<String>,
    who: Who,
) -> Result<Html<String>, AppError> {
    let dataset = curated(&app, &who, &name)?;
    let base = dataset.latest();
    let standing = decisions::standing(&app.db, &dataset.name).await?;
    let withdrew = withdrawn::withdrew(&app.db, &dataset.name).await?;
    let difference = difference(&app, &dataset, standing, &withdrew).await?;
    let mut earlier = proposals::of(&app.db, &dataset.name, NEWEST).await?;
    let open = earlier
        .iter()
        .position(|p| matches!(p.state, Stage::Open | Stage::Approved))
        .map(|at| earlier.remove(at));
    let two_persons = settings::get(&app.db, settings::TWO_PERSONS).await?;
    let change = difference.change();
    crate::error::page(&ReleasePage {
        who,
        dataset: dataset.name,
        base,
        change,
        version: base.after(change),
        difference,
        withdrew,
        open,
        earlier,
        two_persons: two_persons.as_deref() != Some("false"),
    })
}

/// Holds decisions against the rows of the newest release.
async fn difference(
    app: &App,
    dataset: &Dataset,
    standing: BTreeMap<SampleId, decisions::Standing>,
    withdrew: &[PersonWithdrew],
) -> Result<Difference, AppError> {
    let people: Vec<(String, String)> = withdrew
        .iter()
        .map(|p| (p.source.to_string(), p.subject_id.to_string()))
        .collect();
    app.rows(dataset, move |rows| {
        let mut difference = Difference::default();
        for row in rows {
            let sample = row?;
            if sample.status == Status::Withdrawn {
                continue;
            }
            let mut after = sample.clone();
            let none = || Decision::none(sample.sample_id);
            let decision = standing.get(&sample.sample_id).map(|s| s.decision.clone());
            decision.unwrap_or_else(none).apply(&mut after);
            let shown = |(source, subject): &(String, String)| {
                *source == sample.source && sample.subject_ids.contains(subject)
            };
            if people.iter().any(shown) {
                after.status = Status::Withdrawn;
            }
            if after.status != sample.status {
                *difference
                    .moved
                    .entry((sample.status, after.status))
                    .or_default() += 1;
            } else if after.status == Status::Accepted && after.labels != sample.labels {
                difference.relabelled += 1;
            }
        }
        Ok(difference)
    })
    .await
}

#[derive(Deserialize)]
pub struct Notes {
    notes: String,
}

pub async fn propose(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Notes>,
) -> Result<Response, AppError> {
    let dataset = curated(&app, &who, &name)?;
    let (base, actor) = (dataset.latest(), who.name());
    proposals::propose(&app.db, &dataset.name, base, actor, &form.notes).await?;
    Ok(Redirect::to(&format!("/datasets/{}/release", dataset.name)).into_response())
}

/// The proposal of that number, of that dataset.
pub(crate) async fn find(app: &App, dataset: &Name, seq: &str) -> Result<Proposal, AppError> {
    let seq = seq.parse().map_err(|_| AppError::NotFound("proposal"))?;
    let found = proposals::find(&app.db, seq).await?;
    found
        .filter(|p| p.dataset == *dataset)
        .ok_or(AppError::NotFound("proposal"))
}

pub async fn approve(
    State(app): State<App>,
    Path((name, seq)): Path<(String, String)>,
    Posted { who, .. }: Posted<serde::de::IgnoredAny>,
) -> Result<Response, AppError> {
    let dataset = curated(&app, &who, &name)?;
    let job = give_leave(&app, &who, &dataset, &seq).await?;
    Ok(Redirect::to(&format!("/jobs/{job}")).into_response())
}

/// Approves, and asks for the job that makes the release: both or neither. Gives the job.
pub(crate) async fn give_leave(
    app: &App,
    who: &Who,
    dataset: &Dataset,
    seq: &str,
) -> Result<i64, AppError> {
    let proposal = find(app, &dataset.name, seq).await?;
    if proposal.base != dataset.latest() {
        return Err(AppError::Conflict(format!(
            "The proposal changes version {}, and {} was released since: decline it and propose anew.",
            proposal.base,
            dataset.latest()
        )));
    }
    if app.workshop.of(&dataset.name).is_none() {
        return Err(AppError::Conflict(
            "No sources of this dataset are declared here: start the server with `--sources`."
                .to_owned(),
        ));
    }
    let mut write = app.db.write().await?;
    proposals::approve(&mut write, &proposal, who.name()).await?;
    let (kind, by) = (Kind::Release, who.name());
    let job = jobs::ask(&mut write, kind, &dataset.name, by, Some(proposal.seq)).await?;
    write.commit().await?;
    app.wake.notify_one();
    Ok(job)
}

#[derive(Deserialize)]
pub struct Declined {
    #[serde(default)]
    why: String,
}

pub async fn decline(
    State(app): State<App>,
    Path((name, seq)): Path<(String, String)>,
    Posted { who, form }: Posted<Declined>,
) -> Result<Response, AppError> {
    let dataset = curated(&app, &who, &name)?.name;
    refuse(&app, &who, &dataset, &seq, &form.why).await?;
    Ok(Redirect::to(&format!("/datasets/{dataset}/release")).into_response())
}

/// Declines a proposal.
pub(crate) async fn refuse(
    app: &App,
    who: &Who,
    dataset: &Name,
    seq: &str,
    why: &str,
) -> Result<(), AppError> {
    let proposal = find(app, dataset, seq).await?;
    if why.len() > MAX_WHY {
        return Err(AppError::Invalid(format!(
            "Give a reason of at most {MAX_WHY} bytes."
        )));
    }
    let mut write = app.db.write().await?;
    proposals::decline(&mut write, &proposal, who.name(), why.trim()).await?;
    write.commit().await?;
    Ok(())
}
