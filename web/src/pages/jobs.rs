//! `/jobs`: what the server is at, and where it is; live, and after a reload.

use std::{convert::Infallible, time::Duration};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{
        Html, IntoResponse, Redirect, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use fairframe_schemas::{Name, Reason, Status, text};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};

use super::filters;
use crate::{
    App,
    access::{Posted, Who},
    catalog,
    error::{AppError, page},
    jobs::Declared,
    state::jobs::{self, Job, Kind},
};

/// Jobs of the list.
pub(crate) const NEWEST: u32 = 50;

/// How often a page is told where a job is.
const TOLD_EVERY: Duration = Duration::from_millis(500);

#[derive(Template)]
#[template(path = "jobs.html")]
struct Jobs {
    who: Who,
    jobs: Vec<Job>,
    /// What may be asked for here.
    declared: Vec<Declared>,
}

pub async fn jobs(State(app): State<App>, who: Who) -> Result<Html<String>, AppError> {
    who.must_curate_something()?;
    let declared = match app.workshop.program {
        Some(_) => app.workshop.declared(),
        None => Vec::new(),
    };
    page(&Jobs {
        jobs: newest(&app, &who).await?,
        declared: declared
            .into_iter()
            .filter(|d| who.curates(&d.dataset))
            .collect(),
        who,
    })
}

/// The newest jobs of the datasets that somebody curates.
pub(crate) async fn newest(app: &App, who: &Who) -> Result<Vec<Job>, AppError> {
    who.must_curate_something()?;
    let mut jobs = jobs::newest(&app.db, NEWEST).await?;
    jobs.retain(|job| who.curates(&job.dataset));
    Ok(jobs)
}

#[derive(Deserialize)]
pub struct Wish {
    dataset: String,
    kind: String,
}

pub async fn ask(
    State(app): State<App>,
    Posted { who, form }: Posted<Wish>,
) -> Result<Response, AppError> {
    let seq = begin(&app, &who, &form.dataset, &form.kind).await?;
    Ok(Redirect::to(&format!("/jobs/{seq}")).into_response())
}

/// Asks for a job. Gives its number.
pub(crate) async fn begin(
    app: &App,
    who: &Who,
    dataset: &str,
    kind: &str,
) -> Result<i64, AppError> {
    who.must_curate_something()?;
    let dataset = Name::new(dataset).map_err(|_| AppError::NotFound("dataset"))?;
    let actor = who.must_curate(&dataset)?;
    if app.workshop.of(&dataset).is_none() {
        return Err(AppError::NotFound("declared source"));
    }
    // A release is asked for by approving one.
    let kind = match kind {
        "ingest" => Kind::Ingest,
        "retry" => Kind::Retry,
        _ => return Err(AppError::NotFound("kind of job")),
    };
    let mut write = app.db.write().await?;
    let seq = jobs::ask(&mut write, kind, &dataset, &actor.name, None).await?;
    write.commit().await?;
    app.wake.notify_one();
    Ok(seq)
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    who: Who,
    job: Job,
    counts: String,
    /// What was not accepted in the version it led to, by the reason that decided, the most first.
    reasons: Vec<(Reason, u64)>,
}

/// The job of that number, for those who curate its dataset.
pub(crate) async fn find(app: &App, who: &Who, seq: &str) -> Result<Job, AppError> {
    who.must_curate_something()?;
    let seq = seq.parse().map_err(|_| AppError::NotFound("job"))?;
    let job = jobs::find(&app.db, seq).await?;
    let job = job.filter(|job| who.curates(&job.dataset));
    job.ok_or(AppError::NotFound("job"))
}

pub async fn job(
    State(app): State<App>,
    who: Who,
    Path(seq): Path<String>,
) -> Result<Html<String>, AppError> {
    let job = find(&app, &who, &seq).await?;
    let counts = counts(&app, &job);
    let reasons = reasons(&app, &job);
    page(&JobPage {
        who,
        job,
        counts,
        reasons,
    })
}

/// None where there is no such version: it was not done, or was removed since.
fn reasons(app: &App, job: &Job) -> Vec<(Reason, u64)> {
    let release = catalog::release(&app.layout, job.dataset.as_str(), &job.outcome);
    let summary = release.and_then(|release| release.summary());
    let counts = summary.map(|s| s.counts.decided_by).unwrap_or_default();
    let mut reasons: Vec<(Reason, u64)> = counts.into_iter().collect();
    reasons.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    reasons
}

impl JobPage {
    /// Whether trying again may help some of them.
    fn has_failed(&self) -> bool {
        let failed = |(r, _): &(Reason, u64)| r.status() == Status::Failed;
        self.reasons.iter().any(failed)
    }
}

/// How far a job is, how fast, and how long it still takes if it goes on like that.
fn counts(app: &App, job: &Job) -> String {
    let number = |n: i64| text::count(u64::try_from(n).unwrap_or(0));
    let done = number(job.done);
    let Some(total) = job.total else {
        return done;
    };
    let all = format!("{done} of {}", number(total));
    let Some(began) = job.started_at.filter(|_| job.done > 0 && job.done < total) else {
        return all;
    };
    let passed = (app.db.now() - began).num_milliseconds() as f64 / 1e3;
    let rate = job.done as f64 / passed.max(0.1);
    let left = (total - job.done) as f64 / rate;
    format!("{all}, {rate:.0} a second, {left:.0} s left")
}

#[derive(Serialize)]
struct Told<'a> {
    stage: &'a str,
    done: i64,
    total: Option<i64>,
    counts: String,
    messages: &'a str,
}

/// Where the job is, as often as that changes, until it is over.
pub async fn events(
    State(app): State<App>,
    who: Who,
    Path(seq): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, AppError> {
    let seq = find(&app, &who, &seq).await?.seq;
    let events = stream::unfold((app, None, false), move |(app, last, over)| async move {
        if over {
            return None;
        }
        loop {
            let found = jobs::find(&app.db, seq).await.ok().flatten();
            let Some(job) = found.filter(|job| !job.state.is_over()) else {
                // Browsers pass over an event without data.
                let event = Event::default().event("over").data(seq.to_string());
                return Some((Ok(event), (app, last, true)));
            };
            if last.as_ref() != Some(&job) {
                let told = Told {
                    stage: if job.cancel {
                        "being cancelled"
                    } else {
                        &job.stage
                    },
                    done: job.done,
                    total: job.total,
                    counts: counts(&app, &job),
                    messages: &job.messages,
                };
                let data = serde_json::to_string(&told).unwrap_or_default();
                let event = Event::default().event("progress").data(data);
                return Some((Ok(event), (app, Some(job), false)));
            }
            tokio::time::sleep(TOLD_EVERY).await;
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

pub async fn cancel(
    State(app): State<App>,
    Path(seq): Path<String>,
    Posted { who, .. }: Posted<serde::de::IgnoredAny>,
) -> Result<Response, AppError> {
    let job = stop(&app, &who, &seq).await?;
    Ok(Redirect::to(&format!("/jobs/{}", job.seq)).into_response())
}

/// Asks for the end of a job.
pub(crate) async fn stop(app: &App, who: &Who, seq: &str) -> Result<Job, AppError> {
    let job = find(app, who, seq).await?;
    let mut write = app.db.write().await?;
    if !jobs::cancel(&mut write, &job, who.name()).await? {
        return Err(AppError::Conflict(
            "The job is over, or is being cancelled already.".to_owned(),
        ));
    }
    write.commit().await?;
    app.wake.notify_one();
    Ok(job)
}
