//! `/datasets/{name}/consents/{source}/{subject}`: a person, and what goes when they withdraw.

use std::{collections::BTreeSet, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use fairframe_schemas::{Decision, Digest, Name, Pseudonym, Ruling, SampleId, Status, Timestamp};
use serde::Deserialize;

use super::{Desk, Line, day, filters, private, words};
use crate::{
    App,
    access::{Posted, Who},
    catalog,
    consents::{Consents, Key, Known, Person, Record},
    error::AppError,
    pages::takedowns,
    state::{
        Write,
        audit::MAX_WHY,
        decisions::{self, Change, Order},
        takedowns::State as CaseState,
        withdrawn,
    },
    ties::Row,
    uses::{self, Uses},
};

/// Samples shown of each kind; of the rest, the number.
const SHOWN: usize = 48;

#[derive(Template)]
#[template(path = "consent/person.html")]
struct PersonPage {
    who: Who,
    dataset: Name,
    line: Line,
    withdrew: Option<Timestamp>,
    /// Whether the newest release still holds something of the person.
    waits: bool,
    records: Vec<RecordLine>,
    own: Tiles,
    derived: Tiles,
    /// Samples that a withdrawal takes away, of those that are not gone already.
    goes: u64,
    elsewhere: Vec<(Name, u64)>,
    uses: Uses,
    /// The takedown request on account of which somebody looks.
    case: Option<i64>,
}

struct RecordLine {
    id: String,
    state: &'static str,
    grave: bool,
    purposes: Vec<(&'static str, Option<String>)>,
    as_of: String,
    rests: u64,
}

struct Tiles {
    tiles: Vec<Tile>,
    more: u64,
}

/// A sample as a picture with its number.
pub(in crate::pages) struct Tile {
    pub dataset: Name,
    pub id: SampleId,
    pub version: String,
    pub picture: Option<Digest>,
    pub media: Option<Digest>,
    pub kind: &'static str,
    pub status: Status,
    /// Withdrawn here.
    pub gone: bool,
}

impl Desk {
    fn find(&self, source: &str, subject: &str) -> Result<(Key, &Person), AppError> {
        let wrong = AppError::NotFound("person");
        let (Ok(source), Ok(subject)) = (Name::new(source), Pseudonym::new(subject)) else {
            return Err(wrong);
        };
        let key = (source, subject);
        let person = self.known.people.get(&key).ok_or(wrong)?;
        Ok((key, person))
    }
}

#[derive(Deserialize)]
pub struct OnAccountOf {
    case: Option<i64>,
}

pub async fn person(
    State(app): State<App>,
    Path((name, source, subject)): Path<(String, String, String)>,
    Query(OnAccountOf { case }): Query<OnAccountOf>,
    who: Who,
) -> Result<Response, AppError> {
    let desk = Desk::open(&app, &who, &name).await?;
    let (key, person) = desk.find(&source, &subject)?;
    if let Some(case) = case {
        takedowns::open_case(&app, &who, case).await?;
    }
    let withdrew = withdrawn::withdrew(&app.db, &desk.dataset).await?;
    let withdrew = withdrew
        .into_iter()
        .find(|p| (&p.source, &p.subject_id) == (&key.0, &key.1));
    let shown: BTreeSet<SampleId> = desk.known.shown(person).map(|row| row.id).collect();
    let all = desk.known.goes(person);
    let (own, derived): (Vec<&Row>, Vec<&Row>) = all
        .iter()
        .partition(|row| shown.contains(&row.id) && row.parents.is_empty());
    let ids: BTreeSet<SampleId> = all.iter().map(|row| row.id).collect();
    let (layout, asked) = (app.layout.clone(), ids.clone());
    let uses = tokio::task::spawn_blocking(move || uses::of(&layout, &asked));
    let uses = uses.await.map_err(AppError::internal)??;
    private(&PersonPage {
        records: person.records.iter().map(|r| record(r, desk.now)).collect(),
        own: tiles(&app, &desk, &own).await?,
        derived: tiles(&app, &desk, &derived).await?,
        goes: to_withdraw(&app, &desk.dataset, &all).await?.len() as u64,
        elsewhere: elsewhere(&app, &desk.dataset, &all).await?,
        waits: desk.known.holds(person),
        line: desk.line(&key, person),
        withdrew: withdrew.map(|p| p.at),
        uses,
        case,
        who,
        dataset: desk.dataset,
    })
}

fn record(record: &Record, now: Timestamp) -> RecordLine {
    let state = super::word(record.state_at(now));
    let given = record.given_at(now);
    RecordLine {
        id: record.id.clone(),
        state: words(state),
        grave: state != "given",
        purposes: given
            .map(|(p, until)| (p.as_str(), until.map(day)))
            .collect(),
        as_of: day(record.as_of),
        rests: record.rests,
    }
}

async fn tiles(app: &App, desk: &Desk, rows: &[&Row]) -> Result<Tiles, AppError> {
    let mut tiles = Vec::new();
    for row in rows.iter().take(SHOWN) {
        tiles.push(tile(app, &desk.dataset, &desk.known, row).await?);
    }
    Ok(Tiles {
        more: (rows.len() - tiles.len()) as u64,
        tiles,
    })
}

pub(in crate::pages) async fn tile(
    app: &App,
    dataset: &Name,
    known: &Known,
    row: &Row,
) -> Result<Tile, AppError> {
    let allowed = app.media.allowed(&Who::asking()).await?;
    let media = row.digest.filter(|d| allowed.mime(d).is_some());
    Ok(Tile {
        dataset: dataset.clone(),
        id: row.id,
        version: known.version.to_string(),
        picture: media.filter(|digest| app.layout.thumbnail(digest).is_file()),
        media,
        kind: row.media_type.as_str(),
        status: row.status,
        gone: allowed.withheld().has(dataset, row.id),
    })
}

/// How many samples of other datasets are the same, or were made from them.
async fn elsewhere(app: &App, here: &Name, rows: &[&Row]) -> Result<Vec<(Name, u64)>, AppError> {
    let ids: BTreeSet<SampleId> = rows.iter().map(|row| row.id).collect();
    let bytes: BTreeSet<Digest> = rows.iter().filter_map(|row| row.digest).collect();
    let mut out = Vec::new();
    for dataset in catalog::datasets(&app.layout).map_err(AppError::internal)? {
        if dataset.name != *here {
            let known = app.consents.known(&dataset.name).await?;
            let touched = known.touched(&ids, &bytes);
            if touched > 0 {
                out.push((dataset.name, touched));
            }
        }
    }
    Ok(out)
}

/// Those of the rows that are not withdrawn by the release, nor by a decision that stands.
async fn to_withdraw(app: &App, dataset: &Name, rows: &[&Row]) -> Result<Vec<SampleId>, AppError> {
    let mut out = Vec::new();
    for row in rows.iter().filter(|row| row.status != Status::Withdrawn) {
        let stands = decisions::of(&app.db, dataset, row.id).await?;
        let ruling = stands.and_then(|s| s.decision.ruling);
        if ruling != Some(Ruling::Withdraw) {
            out.push(row.id);
        }
    }
    Ok(out)
}

/// `.../receipts/{record}`: the receipt of a record, as the ingest wrote it.
pub async fn receipt(
    State(app): State<App>,
    Path((name, source, subject, record)): Path<(String, String, String, String)>,
    who: Who,
) -> Result<Response, AppError> {
    let desk = Desk::open(&app, &who, &name).await?;
    let (_, person) = desk.find(&source, &subject)?;
    let consents: &Arc<Consents> = &app.consents;
    let path = consents.receipt(&desk.dataset, person, &record);
    let path = path.ok_or(AppError::NotFound("receipt"))?;
    let text = tokio::fs::read_to_string(&path).await;
    // Letters, digits and `-._:` only.
    let file = format!(
        "attachment; filename=\"{source}--{}.jsonld\"",
        record.replace(':', "_")
    );
    let headers = [
        (header::CONTENT_TYPE, "application/ld+json".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_DISPOSITION, file),
    ];
    Ok((headers, text.map_err(AppError::internal)?).into_response())
}

#[derive(Deserialize)]
pub struct Withdrawal {
    #[serde(default)]
    why: String,
    /// The takedown request that is answered by it.
    case: Option<i64>,
}

pub async fn withdraw(
    State(app): State<App>,
    Path((name, source, subject)): Path<(String, String, String)>,
    Posted { who, form }: Posted<Withdrawal>,
) -> Result<Response, AppError> {
    let desk = Desk::open(&app, &who, &name).await?;
    let (key, person) = desk.find(&source, &subject)?;
    let why = reason(&form.why)?;
    if let Some(case) = form.case {
        takedowns::open_case(&app, &who, case).await?;
    }
    let rows = desk.known.goes(person);
    let mut write = app.db.write().await?;
    // Whoever wrote before us is read: the writer is ours.
    let samples = to_withdraw(&app, &desk.dataset, &rows).await?;
    let told = (&key.0, &key.1);
    let new = withdrawn::withdraw_person(&mut write, &desk.dataset, told, who.name(), why).await?;
    if !new && samples.is_empty() && form.case.is_none() {
        return Err(AppError::Conflict(
            "The person withdrew already.".to_owned(),
        ));
    }
    // What shows the person goes at the next release by their records; what was made from it, and
    // people without a record, by these decisions.
    take_out(&mut write, &desk.dataset, who.name(), why, &samples).await?;
    if let Some(case) = form.case {
        takedowns::end(&mut write, case, who.name(), CaseState::Withdrawn, "").await?;
    }
    write.commit().await?;
    app.db.forget().await?;
    let to = format!("/datasets/{}/consents/{}/{}", desk.dataset, key.0, key.1);
    Ok(Redirect::to(&to).into_response())
}

/// A reason that can stand in the audit log.
pub(in crate::pages) fn reason(given: &str) -> Result<&str, AppError> {
    let why = given.trim();
    if why.is_empty() || why.len() > MAX_WHY {
        return Err(AppError::Invalid(format!(
            "Give a reason of at most {MAX_WHY} bytes; it stands in the audit log."
        )));
    }
    Ok(why)
}

/// Decides that samples are withdrawn, if there are any.
pub(in crate::pages) async fn take_out(
    write: &mut Write,
    dataset: &Name,
    actor: &str,
    why: &str,
    samples: &[SampleId],
) -> Result<(), AppError> {
    if samples.is_empty() {
        return Ok(());
    }
    let order = Order {
        dataset,
        actor,
        change: &Change::Rule(Ruling::Withdraw),
        why,
        filter: "",
    };
    decisions::decide(write, &order, samples).await?;
    Ok(())
}

/// One sample and what was made from it, of what is not withdrawn.
pub(in crate::pages) async fn sample_and_derived(
    app: &App,
    dataset: &Name,
    sample: SampleId,
) -> Result<Vec<SampleId>, AppError> {
    let known = app.consents.known(dataset).await?;
    let derived: Vec<&Row> = known.goes_with([sample]);
    let mut out = to_withdraw(app, dataset, &derived).await?;
    // A sample that shows nobody and was made from nothing is not among them.
    if known.row(sample).is_none() {
        let stands = decisions::of(&app.db, dataset, sample).await?;
        let stands = stands.map_or(Decision::none(sample), |s| s.decision);
        if stands.ruling != Some(Ruling::Withdraw) {
            out.push(sample);
        }
    }
    Ok(out)
}
