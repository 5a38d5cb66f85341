//! `/account`: one's own roles, password and tokens.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::log_in::{self, Changed};
use crate::{
    App,
    access::{Posted, Who},
    error::{AppError, page},
    state::{
        accounts::Account,
        tokens::{self, Scope, Token},
    },
};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    who: Who,
    account: Account,
    tokens: Vec<Token>,
    /// A new token's secret: shown on this page and never again.
    made: Option<String>,
    done: bool,
}

#[derive(Deserialize)]
pub struct Done {
    done: Option<String>,
}

pub async fn account(
    State(app): State<App>,
    who: Who,
    Query(Done { done }): Query<Done>,
) -> Result<Html<String>, AppError> {
    show(&app, who, None, done.as_deref() == Some("password")).await
}

async fn show(
    app: &App,
    who: Who,
    made: Option<String>,
    done: bool,
) -> Result<Html<String>, AppError> {
    let account = who.session().ok_or(AppError::LogIn)?.account.clone();
    page(&AccountPage {
        tokens: tokens::of(&app.db, &account.id).await?,
        who,
        account,
        made,
        done,
    })
}

pub async fn password(
    State(app): State<App>,
    Posted { who, form }: Posted<Changed>,
) -> Result<Response, AppError> {
    log_in::change(&app, &who, form).await
}

#[derive(Deserialize)]
pub struct NewToken {
    name: String,
    days: u32,
    #[serde(default)]
    scope: Vec<String>,
}

/// Only a person makes tokens: a token cannot make others.
pub async fn create_token(
    State(app): State<App>,
    Posted { who, form }: Posted<NewToken>,
) -> Result<Html<String>, AppError> {
    let account = who.session().ok_or(AppError::LogIn)?.account.clone();
    let scopes = form.scope.iter().map(|s| s.parse::<Scope>());
    let scopes = scopes.collect::<Result<BTreeSet<Scope>, _>>();
    let scopes = scopes.map_err(|_| AppError::Invalid("There is no such scope.".to_owned()))?;
    let mut write = app.db.write().await?;
    let made = tokens::create(&mut write, &account, &form.name, &scopes, form.days).await?;
    write.commit().await?;
    show(&app, who, Some(made), false).await
}

pub async fn revoke_token(
    State(app): State<App>,
    Path(id): Path<String>,
    Posted { who, .. }: Posted<serde::de::IgnoredAny>,
) -> Result<Response, AppError> {
    let account = &who.session().ok_or(AppError::LogIn)?.account;
    let mut write = app.db.write().await?;
    if !tokens::revoke(&mut write, account, &id).await? {
        return Err(AppError::NotFound("token"));
    }
    write.commit().await?;
    Ok(Redirect::to("/account").into_response())
}
