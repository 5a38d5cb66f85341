//! `/admin/accounts`: who has an account, with which roles; and the settings.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_schemas::Name;
use serde::Deserialize;
use serde_json::json;

use crate::{
    App,
    access::{Posted, Who},
    catalog,
    error::{AppError, page},
    state::{
        accounts::{self, Account, By, Held, Role},
        audit::Act,
        links,
        settings::{self, TWO_PERSONS},
    },
};

#[derive(Template)]
#[template(path = "admin_accounts.html")]
struct Accounts {
    who: Who,
    accounts: Vec<Account>,
    datasets: Vec<Name>,
    /// A link just made, for whom: shown once.
    made: Option<(String, String)>,
    two_persons: bool,
}

impl Accounts {
    /// Roles in the order of the form.
    fn roles(&self) -> [Role; 5] {
        Role::ALL
    }
}

pub async fn accounts(State(app): State<App>, who: Who) -> Result<Html<String>, AppError> {
    who.must_be_admin()?;
    show(&app, who, None).await
}

async fn show(
    app: &App,
    who: Who,
    made: Option<(String, String)>,
) -> Result<Html<String>, AppError> {
    let datasets = catalog::datasets(&app.layout).map_err(AppError::internal)?;
    let two_persons = settings::get(&app.db, TWO_PERSONS).await?;
    page(&Accounts {
        who,
        accounts: accounts::all(&app.db).await?,
        datasets: datasets.into_iter().map(|d| d.name).collect(),
        made,
        two_persons: two_persons.as_deref() != Some("false"),
    })
}

/// Roles as a form sends them: `curator` or `curator:photos`.
fn roles_of(given: &[String]) -> Result<BTreeSet<Held>, AppError> {
    let wrong = || AppError::Invalid("There is no such role.".to_owned());
    given
        .iter()
        .filter(|g| !g.is_empty())
        .map(|text| {
            let (role, dataset) = match text.split_once(':') {
                None => (text.as_str(), None),
                Some((role, dataset)) => {
                    let name = Name::new(dataset);
                    (role, Some(name.map_err(|_| AppError::NotFound("dataset"))?))
                }
            };
            let role: Role = role.parse().map_err(|_| wrong())?;
            // There is no part of an installation to administer.
            match (role, &dataset) {
                (Role::Admin, Some(_)) => Err(wrong()),
                _ => Ok(Held { role, dataset }),
            }
        })
        .collect()
}

#[derive(Deserialize)]
pub struct Invitation {
    name: String,
    #[serde(default)]
    role: Vec<String>,
}

pub async fn invite(
    State(app): State<App>,
    Posted { who, form }: Posted<Invitation>,
) -> Result<Html<String>, AppError> {
    let by = who.must_be_admin()?.name.clone();
    let roles = roles_of(&form.role)?;
    let name = form.name.trim().to_lowercase();
    let mut write = app.db.write().await?;
    let id = accounts::create(&mut write, &by, &name, &roles).await?;
    let link = links::create(&mut write, &id).await?;
    write.commit().await?;
    show(&app, who, Some((name, format!("/welcome/{link}")))).await
}

#[derive(Deserialize)]
pub struct Roles {
    #[serde(default)]
    role: Vec<String>,
}

pub async fn roles(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Roles>,
) -> Result<Response, AppError> {
    let by = &who.must_be_admin()?.name;
    let account = find(&app, &name).await?;
    let mut write = app.db.write().await?;
    accounts::set_roles(&mut write, by, &account, &roles_of(&form.role)?).await?;
    write.commit().await?;
    Ok(Redirect::to("/admin/accounts").into_response())
}

/// A new link, for somebody who lost the password or the first link.
pub async fn link(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, .. }: Posted<serde::de::IgnoredAny>,
) -> Result<Html<String>, AppError> {
    let by = who.must_be_admin()?.name.clone();
    let account = find(&app, &name).await?;
    if account.disabled {
        return Err(AppError::Conflict(
            "The account is disabled; enable it first.".to_owned(),
        ));
    }
    let mut write = app.db.write().await?;
    let link = links::create(&mut write, &account.id).await?;
    links::told(&mut write, &by, &account.name).await?;
    write.commit().await?;
    show(&app, who, Some((account.name, format!("/welcome/{link}")))).await
}

#[derive(Deserialize)]
pub struct Disable {
    disabled: bool,
}

pub async fn disable(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Disable>,
) -> Result<Response, AppError> {
    let by = &who.must_be_admin()?.name;
    let account = find(&app, &name).await?;
    let mut write = app.db.write().await?;
    accounts::set_disabled(&mut write, by, &account, form.disabled).await?;
    write.commit().await?;
    Ok(Redirect::to("/admin/accounts").into_response())
}

async fn find(app: &App, name: &str) -> Result<Account, AppError> {
    let found = accounts::find(&app.db, By::Name(name)).await?;
    found.ok_or(AppError::NotFound("account"))
}

#[derive(Deserialize)]
pub struct Settings {
    two_persons: bool,
}

pub async fn settings(
    State(app): State<App>,
    Posted { who, form }: Posted<Settings>,
) -> Result<Response, AppError> {
    let by = &who.must_be_admin()?.name;
    let mut write = app.db.write().await?;
    settings::set(&mut write, TWO_PERSONS, &form.two_persons.to_string()).await?;
    let act = Act {
        actor: by,
        act: "set",
        subject: "setting two-persons",
        details: json!({ "value": form.two_persons }),
        why: "",
    };
    write.tell(act).await?;
    write.commit().await?;
    Ok(Redirect::to("/admin/accounts").into_response())
}
