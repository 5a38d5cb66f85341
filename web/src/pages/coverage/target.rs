//! `/datasets/{name}/target`: the distribution that a dataset is to have, declared by its curators.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use fairframe_schemas::{Name, text::percent};
use serde::Deserialize;

use super::{
    super::{decisions::curated, filters, places::Level, samples::shown},
    declared::{Declared, Defects, MAX_ROWS, MAX_TEXT},
};
use crate::{
    App,
    access::{Posted, Who},
    error::{AppError, page as rendered},
    state::{
        audit::MAX_WHY,
        targets::{self, Target},
    },
};

#[derive(Template)]
#[template(path = "target.html")]
struct TargetPage {
    who: Who,
    dataset: Name,
    standing: Option<Target>,
    /// What was pasted, and what is wrong with it.
    text: String,
    defects: Defects,
}

impl TargetPage {
    /// Places and shares of the target that stands.
    fn shares(&self) -> Vec<(String, String)> {
        let Some(target) = &self.standing else {
            return Vec::new();
        };
        let sum = target.shares.values().sum();
        let name = |place: &str| match Level::by_key(&target.level) {
            Some(level) => shown(level.facet(), place),
            None => place.to_owned(),
        };
        let mut shares: Vec<(&String, u64)> = target.shares.iter().map(|(p, w)| (p, *w)).collect();
        shares.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let shares = shares.into_iter();
        shares.map(|(p, w)| (name(p), percent(w, sum))).collect()
    }
}

pub async fn page(
    State(app): State<App>,
    Path(name): Path<String>,
    who: Who,
) -> Result<Html<String>, AppError> {
    let dataset = curated(&app, &who, &name)?.name;
    rendered(&TargetPage {
        standing: targets::of(&app.db, &dataset).await?,
        text: String::new(),
        defects: Defects::default(),
        who,
        dataset,
    })
}

#[derive(Deserialize)]
pub struct Wish {
    #[serde(default)]
    text: String,
    #[serde(default)]
    why: String,
    /// `remove`, to take back the one that stands.
    #[serde(default)]
    act: String,
}

pub async fn declare(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Wish>,
) -> Result<Response, AppError> {
    let dataset = curated(&app, &who, &name)?.name;
    let why = form.why.trim();
    if why.len() > MAX_WHY {
        return Err(AppError::Invalid(format!(
            "Give a reason of at most {MAX_WHY} bytes."
        )));
    }
    let to = |page: &str| Redirect::to(&format!("/datasets/{dataset}/{page}")).into_response();
    if form.act == "remove" {
        let mut write = app.db.write().await?;
        if !targets::remove(&mut write, &dataset, who.name(), why).await? {
            return Err(AppError::Conflict("No target is declared.".to_owned()));
        }
        write.commit().await?;
        return Ok(to("target"));
    }
    let declared = match Declared::parse(&form.text) {
        Ok(declared) => declared,
        Err(defects) => {
            let mut text = form.text;
            if text.len() > MAX_TEXT {
                text.clear();
            }
            let again = rendered(&TargetPage {
                standing: targets::of(&app.db, &dataset).await?,
                text,
                defects,
                who,
                dataset,
            })?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, again).into_response());
        }
    };
    let mut write = app.db.write().await?;
    let level = declared.level.key();
    targets::declare(
        &mut write,
        &dataset,
        who.name(),
        level,
        &declared.shares,
        why,
    )
    .await?;
    write.commit().await?;
    Ok(to("target"))
}
