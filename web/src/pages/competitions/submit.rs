//! Handing in by a form.

use askama::Template;
use axum::{
    extract::{Multipart, Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};

use super::Frame;
use crate::{
    App,
    access::Who,
    competitions::{
        self, Open,
        arrive::{self, Arrived},
        submit::{self, External, MAX_DECLARED},
    },
    error::{AppError, page},
    pages::{filters, takedown::clean, text_of as text},
    state::competitions::{
        submissions::{Left, MAX_FILE_NAME},
        teams,
    },
};

#[derive(Template)]
#[template(path = "competitions/submit.html")]
struct SubmitPage {
    frame: Frame,
    csrf: String,
    /// Why nothing can be handed in now; empty where something can.
    closed: String,
    /// The rules stand in the way.
    rules: bool,
    stage: String,
    left: Option<Left>,
    problem: String,
    note: String,
    external: External,
}

impl SubmitPage {
    fn largest(&self) -> u64 {
        self.frame.open.competition.toml.limits.file_bytes
    }

    fn asks_external(&self) -> bool {
        self.frame.open.competition.toml.external_data.declare
    }

    fn licences(&self) -> String {
        self.frame
            .open
            .competition
            .toml
            .external_data
            .licences
            .join(", ")
    }
}

pub async fn form(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Html<String>, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    show(
        &app,
        &who,
        open,
        String::new(),
        String::new(),
        External::default(),
    )
    .await
}

async fn show(
    app: &App,
    who: &Who,
    open: Open,
    problem: String,
    note: String,
    external: External,
) -> Result<Html<String>, AppError> {
    let account = submit::participant(who, &open)?;
    let now = app.db.now();
    let rules = !submit::rules_accepted(app, &open, account).await?;
    let team = teams::of(&app.db, open.name(), &account.id).await?;
    let (mut closed, mut stage, mut left) = (String::new(), String::new(), None);
    match open.competition.stage_at(now) {
        Some(found) => {
            stage = found.title.clone();
            left = Some(submit::left(app, &open, found, team.map(|t| t.id)).await?);
        }
        None => closed = fairframe_competitions::calendar::words(&open.competition, now),
    }
    page(&SubmitPage {
        frame: Frame::new(app, who, open, "Submit"),
        csrf: who.csrf().to_owned(),
        closed,
        rules,
        stage,
        left,
        problem,
        note,
        external,
    })
}

/// What a form said.
#[derive(Default)]
struct Typed {
    note: String,
    /// Whether it said that outside data were used, or that none were.
    used: Option<bool>,
    external: External,
}

pub async fn submit(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    form: Multipart,
) -> Result<Response, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    match take(&app, &who, &open, form).await {
        Ok(seq) => {
            let to = format!("/competitions/{name}/submissions/{seq}");
            Ok(Redirect::to(&to).into_response())
        }
        Err((error @ (AppError::Invalid(_) | AppError::Conflict(_)), typed))
            if who.session().is_some() =>
        {
            let shown = show(
                &app,
                &who,
                open,
                error.to_string(),
                typed.note,
                typed.external,
            );
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown.await?).into_response())
        }
        Err((error, _)) => Err(error),
    }
}

/// Takes a submission off a form, whichever way it was sent; gives its number.
pub(crate) async fn by_form(
    app: &App,
    who: &Who,
    open: &Open,
    form: Multipart,
) -> Result<i64, AppError> {
    take(app, who, open, form).await.map_err(|(error, _)| error)
}

async fn take(
    app: &App,
    who: &Who,
    open: &Open,
    form: Multipart,
) -> Result<i64, (AppError, Typed)> {
    let mut typed = Typed::default();
    match fill(app, who, open, form, &mut typed).await {
        Ok(seq) => Ok(seq),
        Err(error) => Err((error, typed)),
    }
}

async fn fill(
    app: &App,
    who: &Who,
    open: &Open,
    mut form: Multipart,
    typed: &mut Typed,
) -> Result<i64, AppError> {
    let account = submit::participant(who, open)?;
    // Before a byte of a file is taken.
    submit::may_now(app, open, account).await?;
    let most = open.competition.toml.limits.file_bytes;
    let mut arrived: Option<Arrived> = None;
    let mut secret_shown = who.sent("");
    let unreadable = |_| AppError::Invalid("The form did not arrive whole.".to_owned());
    while let Some(mut field) = form.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "csrf" {
            secret_shown = who.sent(&text(field, MAX_DECLARED).await?);
            continue;
        }
        if !secret_shown {
            return Err(AppError::Stale);
        }
        match name.as_str() {
            "file" => {
                let called = clean(field.file_name().unwrap_or_default()).replace('\n', " ");
                let called: String = called.chars().take(MAX_FILE_NAME / 4).collect();
                arrived = Some(arrive::from_form(&open.vault, &mut field, called, most).await?);
            }
            "note" => typed.note = text(field, MAX_DECLARED).await?,
            "external" => typed.used = Some(text(field, MAX_DECLARED).await? == "yes"),
            "what" => typed.external.what = text(field, MAX_DECLARED).await?,
            "licence" => typed.external.licence = text(field, MAX_DECLARED).await?,
            "consent" => typed.external.consent = text(field, MAX_DECLARED).await?,
            _ => {}
        }
    }
    typed.external.used = typed.used == Some(true);
    let arrived = arrived.ok_or_else(|| AppError::Invalid("Choose a file.".to_owned()))?;
    let external = typed.used.map(|_| &typed.external);
    submit::submit(app, who, open, &arrived, &typed.note, external, None).await
}
