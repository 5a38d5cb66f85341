//! `/datasets/{name}/{version}/samples`: the samples themselves, page by page.

use std::collections::HashSet;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Html,
};
use fairframe_ingest::{attribution::web_link, manifest::ReleaseReader};
use fairframe_schemas::{DatasetVersion, Name, Sample, SampleId};
use serde::Deserialize;

use super::filters;
use crate::{
    App, catalog,
    error::{AppError, page},
};

/// Samples of one page.
pub const PER_PAGE: u64 = 48;

#[derive(Deserialize)]
pub struct PageQuery {
    #[serde(default)]
    page: Option<String>,
}

#[derive(Template)]
#[template(path = "samples.html")]
struct Samples {
    dataset: Name,
    version: DatasetVersion,
    title: String,
    /// None where the sample was withdrawn since.
    samples: Vec<Option<Tile>>,
    total: u64,
    page: u64,
    pages: u64,
    first: u64,
    last: u64,
}

struct Tile {
    title: String,
    creator: Option<String>,
    licence: String,
    licence_link: Option<String>,
    place: String,
    link: Option<String>,
    media: Option<String>,
    has_thumbnail: bool,
    kind: &'static str,
    reasons: Vec<&'static str>,
}

pub async fn samples(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<Html<String>, AppError> {
    let release = catalog::release(&app.layout, &name, &version)?;
    let number = match query.page.as_deref() {
        None => 1,
        Some(text) => text
            .parse()
            .map_err(|_| AppError::NotFound("page of samples"))?,
    };
    let summary = release.summary()?;
    let total = summary.counts.accepted();
    let pages = total.div_ceil(PER_PAGE).max(1);
    if !(1..=pages).contains(&number) {
        return Err(AppError::NotFound("page of samples"));
    }
    let offset = (number - 1) * PER_PAGE;
    let folder = release.folder.clone();
    let rows =
        tokio::task::spawn_blocking(move || ReleaseReader::open(&folder)?.slice(offset, PER_PAGE))
            .await
            .map_err(AppError::internal)?
            .map_err(AppError::internal)?;
    // An older version still has rows of what was withdrawn since: they are not shown.
    let withdrawn: HashSet<SampleId> = match catalog::dataset(&app.layout, &release.dataset) {
        Ok(Some(dataset)) => {
            let latest = dataset.latest().to_string();
            let latest = catalog::release(&app.layout, dataset.name.as_str(), &latest)?;
            let entries = latest.recalled()?.entries.into_iter();
            entries.map(|e| e.sample_id).collect()
        }
        _ => HashSet::new(),
    };
    let mut tiles = Vec::with_capacity(rows.len());
    for sample in rows {
        tiles.push(match withdrawn.contains(&sample.sample_id) {
            true => None,
            false => Some(tile(&app, sample).await?),
        });
    }
    page(&Samples {
        title: summary.title().to_owned(),
        dataset: release.dataset,
        version: release.version,
        first: if total == 0 { 0 } else { offset + 1 },
        last: offset + tiles.len() as u64,
        samples: tiles,
        total,
        page: number,
        pages,
    })
}

async fn tile(app: &App, sample: Sample) -> Result<Tile, AppError> {
    let media = match sample.media_sha256 {
        Some(digest) => app.media.allowed(digest).await?.map(|_| digest),
        None => None,
    };
    let has_thumbnail = media.is_some_and(|digest| app.layout.thumbnail(&digest).is_file());
    let place = match (&sample.country, &sample.region) {
        (Some(code), _) => fairframe_ingest::card::map::country_name(code),
        (None, Some(region)) => region.clone(),
        (None, None) => "place unknown".to_owned(),
    };
    let link = sample.landing_url.as_deref().and_then(web_link);
    Ok(Tile {
        title: sample.title.unwrap_or_else(|| sample.sample_id.to_string()),
        creator: sample.creator,
        licence: sample.licence.unwrap_or_else(|| "unknown".to_owned()),
        licence_link: sample.licence_url.as_deref().and_then(web_link),
        place,
        link: link.or_else(|| sample.source_url.as_deref().and_then(web_link)),
        media: media.map(|digest| digest.to_string()),
        has_thumbnail,
        kind: sample.media_type.as_str(),
        reasons: sample.reasons.iter().map(|r| r.text()).collect(),
    })
}
