//! `/contribute`: pictures from those who took them, with a licence, a place and, where they are
//! shown, their consent.

use askama::Template;
use axum::{
    extract::{Multipart, Path, Query, State, multipart::Field},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_ingest::{
    contributed::{self, ArriveError, Arrived, Arriving},
    place::Gazetteer,
};
use fairframe_schemas::{Name, SampleId, licence};
use serde::Deserialize;

use super::{consent::take_out, takedown::clean, text_of as text};
use crate::{
    App,
    access::{Posted, Who},
    contribute::{self, Call, MAX_FORM, MAX_PICTURES},
    error::{AppError, page},
    state::{
        contributions::{self, Contribution, Given, MAX_CREDIT, ReceiveError},
        decisions::{MAX_LABEL, MAX_LABELS},
        secret,
    },
};

/// Longest text of a field that is no picture, in bytes.
const MAX_FIELD: usize = 4_000;

#[derive(Template)]
#[template(path = "contribute/calls.html")]
struct Calls {
    calls: Vec<Call>,
}

pub async fn calls(State(app): State<App>, who: Who) -> Result<Html<String>, AppError> {
    who.known()?;
    let calls = contribute::calls(&app.workshop).into_iter();
    page(&Calls {
        calls: calls.filter(|c| who.contributes(&c.dataset)).collect(),
    })
}

/// The call of that name, for those who may contribute to its dataset.
fn find(app: &App, who: &Who, (dataset, source): (&str, &str)) -> Result<Call, AppError> {
    who.known()?;
    let names = Name::new(dataset).ok().zip(Name::new(source).ok());
    let (dataset, source) = names.ok_or(AppError::NotFound("call for contributions"))?;
    who.must_contribute(&dataset)?;
    let calls = contribute::calls(&app.workshop);
    let found = calls.into_iter().find(|c| c.key() == (&dataset, &source));
    found.ok_or(AppError::NotFound("call for contributions"))
}

#[derive(Deserialize, Default)]
pub struct Done {
    #[serde(default)]
    given: usize,
}

#[derive(Template)]
#[template(path = "contribute/call.html")]
struct CallPage {
    who: Who,
    call: Call,
    typed: Typed,
    /// What is wrong with what was sent.
    problems: Vec<String>,
    /// Pictures that have just arrived.
    given: usize,
    own: Vec<Given>,
}

/// What a form says besides its pictures.
#[derive(Debug, Default)]
struct Typed {
    licence: String,
    country: String,
    labels: Vec<String>,
    further: String,
    credit: String,
    shows: String,
    agreed: String,
    /// Whether what the camera wrote is published.
    written: bool,
}

impl CallPage {
    fn countries(&self) -> Vec<(&str, &str)> {
        let all = Gazetteer::bundled().countries().iter();
        let mut all: Vec<(&str, &str)> =
            all.map(|c| (c.alpha2.as_str(), c.name.as_str())).collect();
        all.sort_unstable_by_key(|(_, name)| *name);
        all
    }

    fn most(&self) -> [String; 3] {
        [
            MAX_PICTURES.to_string(),
            (contributed::MAX_PICTURE >> 20).to_string(),
            (MAX_FORM >> 20).to_string(),
        ]
    }

    fn licence_name(&self, code: &str) -> String {
        licence::words(code).map_or_else(|| code.to_owned(), |name| format!("{name} ({code})"))
    }

    fn picture(&self, given: &Given) -> String {
        let (dataset, source) = self.call.key();
        let name = given.file.trim_start_matches("media/");
        format!("/contribute/{dataset}/{source}/pictures/{name}")
    }
}

pub async fn call(
    State(app): State<App>,
    who: Who,
    Path((dataset, source)): Path<(String, String)>,
    Query(Done { given }): Query<Done>,
) -> Result<Html<String>, AppError> {
    let call = find(&app, &who, (&dataset, &source))?;
    show(&app, who, call, Typed::default(), Vec::new(), given).await
}

async fn show(
    app: &App,
    who: Who,
    call: Call,
    typed: Typed,
    problems: Vec<String>,
    given: usize,
) -> Result<Html<String>, AppError> {
    let account = who.known()?;
    let own = contributions::of(&app.db, call.key(), &account.id).await?;
    page(&CallPage {
        who,
        call,
        typed,
        problems,
        given,
        own,
    })
}

/// Takes pictures in: all that are whole, or none where the form itself is wrong.
pub async fn give(
    State(app): State<App>,
    who: Who,
    Path((dataset, source)): Path<(String, String)>,
    mut form: Multipart,
) -> Result<Response, AppError> {
    let call = find(&app, &who, (&dataset, &source))?;
    let (mut typed, mut arrived, mut problems) = (Typed::default(), Vec::new(), Vec::new());
    let mut secret_shown = who.sent("");
    let unreadable = |_| {
        let most = MAX_FORM >> 20;
        AppError::Invalid(format!(
            "The form did not arrive whole. Send at most {most} MiB at once."
        ))
    };
    while let Some(mut field) = form.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "csrf" {
            secret_shown = who.sent(&text(field, MAX_FIELD).await?);
            continue;
        }
        // Stands first in the form: nothing of a stranger's reaches the disk.
        if !secret_shown {
            return Err(AppError::Stale);
        }
        if name != "pictures" {
            let text = text(field, MAX_FIELD).await?;
            match name.as_str() {
                "licence" => typed.licence = text,
                "country" => typed.country = text,
                "label" => typed.labels.push(text),
                "further" => typed.further = text,
                "credit" => typed.credit = text,
                "shows" => typed.shows = text,
                "agreed" => typed.agreed = text,
                // Stands before the pictures: those before it are bare.
                "written" => typed.written = text == "keep",
                _ => {}
            }
            continue;
        }
        let called = clean(field.file_name().unwrap_or_default());
        if called.is_empty() {
            continue;
        }
        if arrived.len() == MAX_PICTURES {
            problems.push(format!("Send at most {MAX_PICTURES} pictures at once."));
            break;
        }
        match arrive(&call, &mut field, typed.written).await? {
            Ok(picture) => arrived.push(picture),
            Err(why) => problems.push(format!("“{called}” is not taken: {why}.")),
        }
    }
    let given = checked(&call, &who, &typed, &app);
    let given = match given {
        Ok(given) if !arrived.is_empty() => given,
        Ok(_) => {
            if problems.is_empty() {
                problems.push("Choose at least one picture.".to_owned());
            }
            return again(&app, who, call, typed, problems).await;
        }
        Err(wrong) => {
            problems.extend(wrong);
            return again(&app, who, call, typed, problems).await;
        }
    };
    let taken = receive(&app, &who, &call, &given, arrived).await?;
    match taken {
        Ok((number, known)) => {
            if known > 0 {
                problems.push(match known {
                    1 => "One picture was here already and is not taken twice.".to_owned(),
                    n => format!("{n} pictures were here already and are not taken twice."),
                });
            }
            if problems.is_empty() {
                let (dataset, source) = call.key();
                let to = format!("/contribute/{dataset}/{source}?given={number}#given");
                return Ok(Redirect::to(&to).into_response());
            }
            let status = match number {
                0 => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::OK,
            };
            let shown = show(&app, who, call, typed, problems, number).await?;
            Ok((status, shown).into_response())
        }
        Err(full) => again(&app, who, call, typed, vec![full]).await,
    }
}

async fn again(
    app: &App,
    who: Who,
    call: Call,
    typed: Typed,
    problems: Vec<String>,
) -> Result<Response, AppError> {
    let shown = show(app, who, call, typed, problems, 0).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
}

/// Reads a picture off a form to the disk, holding no more than a piece of it.
async fn arrive(
    call: &Call,
    field: &mut Field<'_>,
    written: bool,
) -> Result<Result<Arrived, ArriveError>, AppError> {
    let name = secret::id().map_err(AppError::internal)?;
    let mut arriving = Arriving::create(&call.drop, &name).map_err(AppError::internal)?;
    let broken = |_| AppError::Invalid("A picture did not arrive whole.".to_owned());
    let mut refused = None;
    // Read to its end also when it is refused: the fields after it are wanted.
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        if refused.is_none() {
            refused = arriving.add(&piece).err();
        }
    }
    let arrived = match refused {
        Some(why) => Err(why),
        None => tokio::task::spawn_blocking(move || arriving.end(written))
            .await
            .map_err(AppError::internal)?,
    };
    match arrived {
        Err(ArriveError::Drop(error)) => Err(AppError::internal(error)),
        other => Ok(other),
    }
}

/// What a form says, checked.
struct Checked {
    licence: String,
    country: String,
    labels: Vec<String>,
    credit: String,
    shown: Option<(
        fairframe_schemas::Pseudonym,
        fairframe_schemas::consent::ConsentRecord,
    )>,
}

/// Everything that is wrong at once.
fn checked(call: &Call, who: &Who, typed: &Typed, app: &App) -> Result<Checked, Vec<String>> {
    let mut wrong = Vec::new();
    if !call.contribute.licences.contains(&typed.licence) {
        wrong.push("Choose one of the licences.".to_owned());
    }
    let country = Gazetteer::bundled()
        .countries()
        .iter()
        .find(|c| c.alpha2 == typed.country);
    if country.is_none() {
        wrong.push("Choose the country where the pictures were taken.".to_owned());
    }
    let further = typed.further.split(',').map(str::trim);
    let mut labels: Vec<String> = typed
        .labels
        .iter()
        .map(String::as_str)
        .chain(further)
        .filter(|l| !l.is_empty())
        .map(|l| l.replace(['|', '\n'], " "))
        .collect();
    labels.sort();
    labels.dedup();
    if labels.len() > MAX_LABELS || labels.iter().any(|l| l.len() > MAX_LABEL) {
        wrong.push(format!(
            "Give at most {MAX_LABELS} labels of at most {MAX_LABEL} bytes each."
        ));
    }
    if typed.credit.len() > MAX_CREDIT {
        wrong.push(format!(
            "The name to credit is longer than {MAX_CREDIT} bytes."
        ));
    }
    let mut shown = None;
    match typed.shows.as_str() {
        "nobody" => {}
        "me" => match (&call.text, who.account()) {
            (Some((version, _)), Some(account)) if typed.agreed == *version => {
                let subject = call.pseudonym(&account.id);
                shown = subject.and_then(|s| {
                    let record = call.consent(&s, app.db.now())?;
                    Some((s, record))
                });
                if shown.is_none() {
                    wrong.push(
                        "The consent text of this source cannot be used. Tell a curator."
                            .to_owned(),
                    );
                }
            }
            (Some(_), _) => wrong.push(
                "Pictures of you are taken only if you agree to the text as it stands now."
                    .to_owned(),
            ),
            (None, _) => wrong.push("Pictures of people are not taken here.".to_owned()),
        },
        _ => wrong.push("Say who can be recognised in the pictures.".to_owned()),
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Checked {
        licence: typed.licence.clone(),
        country: typed.country.clone(),
        labels,
        credit: typed.credit.clone(),
        shown,
    })
}

/// Keeps the pictures, then tells the database: how many are new, and how many were there; or
/// that the contributor has no room left.
async fn receive(
    app: &App,
    who: &Who,
    call: &Call,
    given: &Checked,
    arrived: Vec<Arrived>,
) -> Result<Result<(usize, usize), String>, AppError> {
    let account = who.known()?;
    let mut write = app.db.write().await?;
    let mut files: Vec<(String, u64)> = Vec::new();
    for picture in &arrived {
        let file = (picture.file.clone(), picture.bytes());
        if !files.contains(&file) {
            files.push(file);
        }
    }
    let sent = arrived.len();
    let known = contributions::known(&mut write, call.key(), &files).await?;
    files.retain(|(file, _)| !known.contains(file));
    let fresh: Vec<String> = files.iter().map(|(file, _)| file.clone()).collect();
    let keep = move || -> Result<(), contributed::DropError> {
        arrived
            .iter()
            .filter(|a| fresh.contains(&a.file))
            .try_for_each(Arrived::keep)
    };
    tokio::task::spawn_blocking(keep)
        .await
        .map_err(AppError::internal)?
        .map_err(AppError::internal)?;
    if files.is_empty() {
        return Ok(Ok((0, sent)));
    }
    let new = Contribution {
        dataset: &call.dataset,
        source: &call.source,
        account: (&account.id, &account.name),
        licence: &given.licence,
        country: &given.country,
        labels: &given.labels,
        credit: &given.credit,
        shown: given.shown.as_ref().map(|(s, r)| (s, r)),
        files: &files,
    };
    match contributions::receive(&mut write, &new).await {
        Ok(_) => {
            write.commit().await?;
            Ok(Ok((files.len(), sent - files.len())))
        }
        Err(full @ ReceiveError::Full) => {
            for (file, _) in &files {
                contributed::remove(&call.drop, file).map_err(AppError::internal)?;
            }
            Ok(Err(full.to_string()))
        }
        Err(ReceiveError::State(error)) => Err(error.into()),
    }
}

#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    file: String,
}

/// Takes a picture of one's own back: it leaves the drop, and every release to come.
pub async fn take_back(
    State(app): State<App>,
    Path((dataset, source)): Path<(String, String)>,
    Posted { who, form }: Posted<Which>,
) -> Result<Response, AppError> {
    let call = find(&app, &who, (&dataset, &source))?;
    let account = who.known()?;
    let mut write = app.db.write().await?;
    let own = (account.id.as_str(), account.name.as_str());
    if !contributions::take_back(&mut write, call.key(), own, &form.file).await? {
        return Err(AppError::NotFound("picture of yours"));
    }
    let sample = SampleId::new(call.source.as_str(), &form.file);
    let why = "taken back by whoever contributed it";
    take_out(&mut write, &call.dataset, &account.name, why, &[sample]).await?;
    write.commit().await?;
    contributed::remove(&call.drop, &form.file).map_err(AppError::internal)?;
    let (dataset, source) = call.key();
    Ok(Redirect::to(&format!("/contribute/{dataset}/{source}#own")).into_response())
}

/// A picture as it was sent: for whoever sent it.
pub async fn picture(
    State(app): State<App>,
    who: Who,
    Path((dataset, source, name)): Path<(String, String, String)>,
) -> Result<Response, AppError> {
    let call = find(&app, &who, (&dataset, &source))?;
    let account = who.known()?;
    let file = format!("media/{name}");
    let own = contributions::of(&app.db, call.key(), &account.id).await?;
    let has = own.iter().any(|g| g.file == file && !g.taken_back);
    let mime = match name.rsplit_once('.') {
        Some((_, "jpg")) => "image/jpeg",
        Some((_, "png")) => "image/png",
        Some((_, "webp")) => "image/webp",
        _ => "image/tiff",
    };
    let bytes = match has {
        true => tokio::fs::read(call.drop.join(&file)).await.ok(),
        false => None,
    };
    let bytes = bytes.ok_or(AppError::NotFound("picture of yours"))?;
    Ok(([(header::CONTENT_TYPE, mime)], bytes).into_response())
}
