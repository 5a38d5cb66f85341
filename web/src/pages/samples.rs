//! `/datasets/{name}/{version}/samples`: the samples themselves, page by page.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Html,
};
use fairframe_ingest::{attribution::web_link, manifest::ReleaseReader};
use fairframe_schemas::{DatasetVersion, Name, Sample, SampleId, licence, text::sentence};
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
    reasons: Vec<String>,
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
    let withdrawn: BTreeSet<SampleId> = match catalog::dataset(&app.layout, &release.dataset) {
        Ok(Some(dataset)) => {
            let latest = dataset.latest().to_string();
            let latest = catalog::release(&app.layout, dataset.name.as_str(), &latest)?;
            latest.withdrawn(&app.layout)?.samples()
        }
        _ => BTreeSet::new(),
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

/// SPDX ids are short and known; references of our own are neither.
fn licence_words(licence: Option<String>) -> String {
    let licence = licence.unwrap_or_else(|| "licence unknown".to_owned());
    match licence::words(&licence).filter(|_| licence.starts_with("LicenseRef-")) {
        Some(words) => words.to_owned(),
        None => licence,
    }
}

/// A sample at the head of a page.
pub struct Picture {
    pub digest: String,
    pub title: String,
}

/// Rows looked at for each picture wanted: not all have a thumbnail.
const ROWS_A_PICTURE: usize = 4;

/// The first samples that have a thumbnail and may be shown; a page does without where they cannot be read.
pub async fn pictures(app: &App, release: &catalog::Release, most: usize) -> Vec<Picture> {
    let folder = release.folder.clone();
    let limit = (most * ROWS_A_PICTURE) as u64;
    let rows = tokio::task::spawn_blocking(move || ReleaseReader::open(&folder)?.slice(0, limit));
    let mut out = Vec::new();
    for sample in rows.await.ok().and_then(Result::ok).unwrap_or_default() {
        let shown = match sample.media_sha256 {
            Some(digest) => app
                .media
                .allowed(digest)
                .await
                .ok()
                .flatten()
                .map(|_| digest),
            None => None,
        };
        if let Some(digest) = shown.filter(|d| app.layout.thumbnail(d).is_file()) {
            out.push(Picture {
                digest: digest.to_string(),
                title: sample.title.unwrap_or_else(|| sample.sample_id.to_string()),
            });
        }
        if out.len() == most {
            break;
        }
    }
    out
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
        licence: licence_words(sample.licence),
        licence_link: sample.licence_url.as_deref().and_then(web_link),
        place,
        link: link.or_else(|| sample.source_url.as_deref().and_then(web_link)),
        media: media.map(|digest| digest.to_string()),
        has_thumbnail,
        kind: sample.media_type.as_str(),
        reasons: sample.reasons.iter().map(|r| sentence(r.text())).collect(),
    })
}
