//! `/datasets/{name}`: what it holds, how to get it, what changed.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{Html, Redirect},
};
use fairframe_schemas::{
    Name, SampleId, Status, Summary,
    release::UNKNOWN,
    text::{count, counted, percent},
    version::Change,
};
use serde_json::Value;

use super::{
    filters,
    samples::{Picture, pictures},
    snippets::{Snippet, snippets},
};
use crate::{
    App,
    access::Who,
    catalog::{self, Dataset, Release},
    error::{AppError, page},
    state::terms::Terms,
    terms,
};

/// Pictures at the head of the page.
const PICTURES: usize = 6;

#[derive(Template)]
#[template(path = "dataset.html")]
struct DatasetPage {
    dataset: Dataset,
    summary: Summary,
    is_latest: bool,
    countries: u64,
    statuses: Vec<(Status, u64, String)>,
    changes: Vec<String>,
    files: Vec<FileRow>,
    snippets: Vec<Snippet>,
    json_ld: Option<String>,
    pictures: Vec<Picture>,
    base: String,
    /// To accept first, and whether they are.
    terms: Option<(Terms, bool)>,
}

/// A file of a release.
pub(crate) struct FileRow {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    pub about: &'static str,
}

/// The files of a release, as its `SHA256SUMS` lists them.
pub(crate) fn files(release: &Release) -> Result<Vec<FileRow>, AppError> {
    let mut files = Vec::new();
    for listed in release.sums()? {
        let path = release.folder.join(&listed.name);
        files.push(FileRow {
            bytes: std::fs::metadata(path).map_err(AppError::internal)?.len(),
            sha256: listed.sha256.to_string(),
            about: about(&listed.name),
            name: listed.name,
        });
    }
    Ok(files)
}

pub async fn dataset(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Html<String>, AppError> {
    let dataset = find(&app, &name)?;
    let latest = dataset.latest().to_string();
    let release = catalog::release(&app.layout, &name, &latest)?;
    page(&show(&app, dataset, &release, &headers).await?)
}

pub async fn version(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Html<String>, AppError> {
    let dataset = find(&app, &name)?;
    let release = catalog::release(&app.layout, &name, &version)?;
    page(&show(&app, dataset, &release, &headers).await?)
}

pub async fn without_slash(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Redirect, AppError> {
    let dataset = find(&app, &name)?;
    Ok(Redirect::permanent(&format!("/datasets/{}", dataset.name)))
}

pub async fn with_slash(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Redirect, AppError> {
    let release = catalog::release(&app.layout, &name, &version)?;
    let (name, version) = (release.dataset, release.version);
    Ok(Redirect::permanent(&format!("/datasets/{name}/{version}/")))
}

fn find(app: &App, name: &str) -> Result<Dataset, AppError> {
    let name = Name::new(name).map_err(|_| AppError::NotFound("dataset"))?;
    catalog::dataset(&app.layout, &name)
        .map_err(AppError::internal)?
        .ok_or(AppError::NotFound("dataset"))
}

async fn show(
    app: &App,
    dataset: Dataset,
    release: &Release,
    headers: &HeaderMap,
) -> Result<DatasetPage, AppError> {
    let summary = release.summary()?;
    let base = format!("/data/{}/{}", release.dataset, release.version);
    let files = files(release)?;
    let parts: Vec<String> = files
        .iter()
        .filter(|f| f.name.starts_with("part-"))
        .map(|f| f.name.clone())
        .collect();
    let terms = terms::of(app, &Who::asking(), &release.dataset).await?;
    let c = &summary.counts;
    Ok(DatasetPage {
        is_latest: dataset.latest() == release.version,
        countries: c.countries.keys().filter(|k| *k != UNKNOWN).count() as u64,
        statuses: Status::ALL
            .iter()
            .map(|s| (*s, c.of(*s), percent(c.of(*s), c.out())))
            .filter(|(_, n, _)| *n > 0)
            .collect(),
        changes: changes(app, release, &summary)?,
        snippets: snippets(&app.origin(headers), &base, &parts, terms.is_some()),
        json_ld: json_ld(release, &format!("{}{base}", app.origin(headers)))?,
        pictures: pictures(app, release, PICTURES).await,
        terms,
        dataset,
        summary,
        files,
        base,
    })
}

/// What is different from the release before.
fn changes(app: &App, release: &Release, summary: &Summary) -> Result<Vec<String>, AppError> {
    let Some(previous) = summary.previous else {
        return Ok(vec!["The first release.".to_owned()]);
    };
    let mut out = vec![match summary.change {
        Change::None => format!("Nothing changed since {previous}."),
        Change::Patch => format!("Same samples and media as {previous}; descriptions changed."),
        Change::Minor => format!("Adds to {previous}; results on it still hold."),
        Change::Major => {
            format!("Samples of {previous} were changed or taken out: do not mix results.")
        }
    }];
    let recalled = release.recalled()?.entries.into_iter();
    let taken = recalled.filter(|e| e.withdrawn_in == release.version);
    let taken: BTreeSet<SampleId> = taken.map(|e| e.sample_id).collect();
    match taken.len() as u64 {
        0 => {}
        n => out.push(format!(
            "{} withdrawn in this version.",
            counted(n, "sample")
        )),
    }
    let name = release.dataset.as_str();
    if let Ok(before) = catalog::release(&app.layout, name, &previous.to_string()) {
        let (was, is) = (
            before.summary()?.counts.accepted(),
            summary.counts.accepted(),
        );
        out.push(format!(
            "Accepted: {} before, {} now.",
            count(was),
            count(is)
        ));
    }
    Ok(out)
}

/// What a file of a release is for.
fn about(name: &str) -> &'static str {
    match name {
        "excluded.parquet" => "samples not accepted, with reasons",
        "croissant.json" => "Croissant 1.1 with RAI",
        "card.html" => "dataset card",
        "ATTRIBUTION.csv" => "who made what, as a table",
        "ATTRIBUTION.html" => "who made what, to read",
        "recall.json" => "what was withdrawn",
        "summary.json" => "the card's figures",
        _ if name.starts_with("part-") => "accepted samples",
        _ => "",
    }
}

/// The Croissant description for the page: file addresses made whole, and safe inside `<script>`.
fn json_ld(release: &Release, base: &str) -> Result<Option<String>, AppError> {
    let path = release.folder.join("croissant.json");
    if !path.is_file() {
        return Ok(None);
    }
    let mut doc: Value = serde_json::from_str(&catalog::read_text(&path)?)
        .map_err(|e| AppError::Internal(format!("{}: {e}", path.display())))?;
    if let Some(files) = doc.get_mut("distribution").and_then(Value::as_array_mut) {
        for file in files {
            if let Some(Value::String(url)) = file.get_mut("contentUrl") {
                *url = format!("{base}/{url}");
            }
        }
    }
    let text = serde_json::to_string(&doc).map_err(AppError::internal)?;
    Ok(Some(
        text.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026"),
    ))
}
