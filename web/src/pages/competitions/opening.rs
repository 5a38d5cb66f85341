//! `/hosting`: templates to begin with, and opening a competition from its folder, packed.

use axum::{
    extract::{Multipart, Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_competitions::{
    template::{self, Template},
    vault::{self, MAX_FOLDER, Vault},
};
use fairframe_schemas::Name;

use super::host::sent;
use crate::{
    App,
    access::Who,
    competitions::{self, opening},
    error::{AppError, page},
    pages::{download, filters},
    state::accounts::Role,
};

/// Days from now on which a template's first stage opens.
const OPENS_IN: chrono::Days = chrono::Days::new(28);

#[derive(askama::Template)]
#[template(path = "competitions/hosting.html")]
struct Hosting {
    csrf: String,
    /// Of a competition that is open already: its name.
    again: Option<Name>,
    /// What is wrong with what was sent, line by line.
    problems: Vec<String>,
}

impl Hosting {
    fn templates(&self) -> &'static [Template] {
        template::ALL
    }

    fn largest(&self) -> u64 {
        MAX_FOLDER
    }
}

pub async fn show(State(_): State<App>, who: Who) -> Result<Html<String>, AppError> {
    must_host(&who)?;
    page(&Hosting {
        csrf: who.csrf().to_owned(),
        again: None,
        problems: Vec::new(),
    })
}

/// Hosts of every competition open new ones; a host of one has it already.
fn must_host(who: &Who) -> Result<(), AppError> {
    who.known()?;
    match who.may(Role::Host, None) {
        true => Ok(()),
        false => Err(AppError::Forbidden),
    }
}

/// A template's folder, packed, with a seed of its own.
pub async fn pack(
    State(app): State<App>,
    who: Who,
    Path(file): Path<String>,
) -> Result<Response, AppError> {
    must_host(&who)?;
    let found = file.strip_suffix(".zip").and_then(template::find);
    let template = found.ok_or(AppError::NotFound("template"))?;
    let opens = app.db.now().date_naive() + OPENS_IN;
    let seed = opening::seed().map_err(AppError::internal)?;
    let bytes = template.pack(opens, seed).map_err(AppError::internal)?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, download(&file)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, bytes).into_response())
}

/// Opens what is sent, to hosts only.
pub async fn open(State(app): State<App>, who: Who, form: Multipart) -> Result<Response, AppError> {
    must_host(&who)?;
    answer(&app, &who, form, None).await
}

/// Puts what is sent in the place of a competition's definition.
pub async fn open_again(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    form: Multipart,
) -> Result<Response, AppError> {
    let open = competitions::find_hosted(&app, &who, &name).await?;
    answer(&app, &who, form, Some(open.name().clone())).await
}

async fn answer(
    app: &App,
    who: &Who,
    form: Multipart,
    again: Option<Name>,
) -> Result<Response, AppError> {
    let making = vault::opening(&app.layout.openings()).map_err(AppError::internal)?;
    match take(app, who, form, again.as_ref(), making.path()).await {
        Ok(name) => Ok(Redirect::to(&format!("/competitions/{name}/host")).into_response()),
        Err(AppError::Invalid(words)) => {
            let shown = page(&Hosting {
                csrf: who.csrf().to_owned(),
                again,
                problems: words.lines().map(|line| line.trim().to_owned()).collect(),
            })?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn take(
    app: &App,
    who: &Who,
    form: Multipart,
    wanted: Option<&Name>,
    making: &std::path::Path,
) -> Result<Name, AppError> {
    let vault = Vault::new(making.to_owned());
    let (file, _) = sent(who, &vault, form, "competition.zip").await?;
    let file = file.ok_or_else(|| AppError::Invalid("Choose a zip archive.".to_owned()))?;
    let (archive, folder) = (vault.submission(&file.sha256), making.join("folder"));
    // Where they stand here is nobody's business.
    let ours = [&archive, &folder].map(|path| path.display().to_string());
    let packed = (archive, folder);
    let opened = opening::open_packed(&app.db, &app.layout, who.name(), packed, wanted);
    opened.await.map_err(|error| match AppError::from(error) {
        AppError::Invalid(words) => AppError::Invalid(
            words
                .replace(&ours[0], "what was sent")
                .replace(&format!("{}/", ours[1]), ""),
        ),
        other => other,
    })
}
