//! Logging in and out; the one-time links with which a password is set.

use std::net::{IpAddr, Ipv4Addr};

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::{
    App,
    access::{self, Client, Posted, Who},
    error::{AppError, page},
    state::{
        accounts::{self, By},
        links, secret, sessions,
    },
};

/// Passwords hashed at a time: each takes 19 MiB and some 20 ms of a core.
static HASHING: Semaphore = Semaphore::const_new(4);

#[derive(Template)]
#[template(path = "log_in.html")]
struct LogIn {
    who: Who,
    name: String,
    next: String,
    problem: Option<&'static str>,
}

#[derive(Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

pub async fn form(who: Who, Query(Next { next }): Query<Next>) -> Result<Response, AppError> {
    if who.session().is_some() {
        return Ok(Redirect::to(access::local(&next)).into_response());
    }
    let form = LogIn {
        who,
        name: String::new(),
        next,
        problem: None,
    };
    Ok(page(&form)?.into_response())
}

#[derive(Deserialize)]
pub struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub async fn log_in(
    State(app): State<App>,
    client: Option<Extension<Client>>,
    Posted { who, form }: Posted<Credentials>,
) -> Result<Response, AppError> {
    let from = client.map_or(
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        |Extension(Client(ip))| ip,
    );
    let name = form.name.trim().to_lowercase();
    if name.len() > *accounts::NAME_LENGTH.end() || !app.limits.log_in(from, &name) {
        return Err(AppError::TooMany);
    }
    let stored = accounts::password(&app.db, &name).await?;
    // As long for a name nobody has: how long it takes must not tell.
    let right = hashing(move || secret::is_password(&form.password, stored.as_deref())).await?;
    if !right {
        let again = LogIn {
            who,
            name,
            next: form.next,
            problem: Some("The name or the password is wrong."),
        };
        return Ok((StatusCode::UNAUTHORIZED, page(&again)?).into_response());
    }
    let account = accounts::find(&app.db, By::Name(&name)).await?;
    let account = account.ok_or(AppError::Forbidden)?;
    let mut write = app.db.write().await?;
    let begun = sessions::begin(&mut write, &account.id).await?;
    write.commit().await?;
    let on = Redirect::to(access::local(&form.next));
    Ok((access::begun(app.https, begun), on).into_response())
}

pub async fn log_out(
    State(app): State<App>,
    Posted { who, .. }: Posted<serde::de::IgnoredAny>,
) -> Result<Response, AppError> {
    if let Some(session) = who.session() {
        let mut write = app.db.write().await?;
        sessions::end(&mut write, session).await?;
        write.commit().await?;
    }
    Ok((access::ended(app.https), Redirect::to("/")).into_response())
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    who: Who,
    name: String,
    link: String,
    problem: Option<String>,
}

/// The page that a one-time link opens. Opening it spends nothing: mail programs look at links.
pub async fn welcome(
    State(app): State<App>,
    Path(link): Path<String>,
    who: Who,
) -> Result<Html<String>, AppError> {
    let account = links::account(&app.db, &link).await?;
    page(&Welcome {
        who,
        name: account.ok_or(AppError::NotFound("link"))?.name,
        link,
        problem: None,
    })
}

#[derive(Deserialize)]
pub struct NewPassword {
    password: String,
    again: String,
}

pub async fn set(
    State(app): State<App>,
    Path(link): Path<String>,
    Posted { who, form }: Posted<NewPassword>,
) -> Result<Response, AppError> {
    let account = links::account(&app.db, &link).await?;
    let account = account.ok_or(AppError::NotFound("link"))?;
    if let Some(problem) = problem(&form, &account.name) {
        let again = Welcome {
            who,
            name: account.name,
            link,
            problem: Some(problem),
        };
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&again)?).into_response());
    }
    let hash = hashing(move || secret::hash(&form.password)).await?;
    let hash = hash.map_err(AppError::internal)?;
    let mut write = app.db.write().await?;
    if !links::spend(&mut write, &link).await? {
        return Err(AppError::NotFound("link"));
    }
    accounts::set_password(&mut write, &account, &hash).await?;
    let begun = sessions::begin(&mut write, &account.id).await?;
    write.commit().await?;
    Ok((access::begun(app.https, begun), Redirect::to("/")).into_response())
}

/// What is wrong with a new password, in words.
pub(super) fn problem(form: &NewPassword, name: &str) -> Option<String> {
    if form.password != form.again {
        return Some("The two passwords are not the same.".to_owned());
    }
    secret::judge(&form.password, name)
        .err()
        .map(|weak| weak.to_string())
}

/// Does slow work off the threads that serve, a few at a time.
async fn hashing<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    let _turn = HASHING.acquire().await.map_err(AppError::internal)?;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(AppError::internal)
}

#[derive(Deserialize)]
pub struct Changed {
    current: String,
    #[serde(flatten)]
    new: NewPassword,
}

/// Changes one's own password: the present one is asked for. Ends all sessions but a new one.
pub(super) async fn change(app: &App, who: &Who, form: Changed) -> Result<Response, AppError> {
    let account = who.session().ok_or(AppError::LogIn)?.account.clone();
    if !app.limits.password(&account.name) {
        return Err(AppError::TooMany);
    }
    let stored = accounts::password(&app.db, &account.name).await?;
    let right = hashing(move || secret::is_password(&form.current, stored.as_deref())).await?;
    if !right {
        return Err(AppError::Invalid(
            "The present password is wrong.".to_owned(),
        ));
    }
    if let Some(problem) = problem(&form.new, &account.name) {
        return Err(AppError::Invalid(problem));
    }
    let hash = hashing(move || secret::hash(&form.new.password)).await?;
    let hash = hash.map_err(AppError::internal)?;
    let mut write = app.db.write().await?;
    accounts::set_password(&mut write, &account, &hash).await?;
    let begun = sessions::begin(&mut write, &account.id).await?;
    write.commit().await?;
    let jar = access::begun(app.https, begun);
    Ok((jar, Redirect::to("/account?done=password")).into_response())
}
