//! `/datasets/{name}/{version}/changes`: what is different from another version.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    Json,
    extract::{Path, Query, State},
    response::Html,
};
use fairframe_ingest::diff::Diff;
use fairframe_schemas::{DatasetVersion, SampleId, Status, Summary, version::Change};
use serde::{Deserialize, Serialize};

use super::filters;
use crate::{
    App,
    catalog::{self, Release},
    error::{AppError, page},
};

/// Samples named of each kind; the JSON has all.
const NAMED: usize = 50;

#[derive(Deserialize)]
pub struct Since {
    since: Option<String>,
}

#[derive(Template)]
#[template(path = "changes.html")]
struct ChangesPage {
    summary: Summary,
    since: DatasetVersion,
    versions: Vec<DatasetVersion>,
    change: Change,
    diff: Arc<Diff>,
    regions: Vec<Region>,
    /// Where those that went stand now, and why.
    why: Vec<(String, u64)>,
    /// How many rows differ in each column.
    columns: Vec<(String, u64)>,
}

/// Accepted samples of a region.
struct Region {
    name: String,
    before: u64,
    now: u64,
}

impl Region {
    fn difference(&self) -> String {
        match self.now.cmp(&self.before) {
            std::cmp::Ordering::Less => format!("−{}", self.before - self.now),
            std::cmp::Ordering::Equal => "0".to_owned(),
            std::cmp::Ordering::Greater => format!("+{}", self.now - self.before),
        }
    }
}

/// The two releases, the earlier first.
fn releases(
    app: &App,
    (name, version): (&str, &str),
    since: Option<&str>,
) -> Result<(Release, Release, Summary), AppError> {
    let after = catalog::release(&app.layout, name, version)?;
    let summary = after.summary()?;
    let since = match (since, summary.previous) {
        (Some(since), _) => since.to_owned(),
        (None, Some(previous)) => previous.to_string(),
        (None, None) => return Err(AppError::NotFound("earlier version")),
    };
    let before = catalog::release(&app.layout, name, &since)?;
    Ok((before, after, summary))
}

pub async fn changes(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    Query(Since { since }): Query<Since>,
) -> Result<Html<String>, AppError> {
    let (before, after, summary) = releases(&app, (&name, &version), since.as_deref())?;
    let diff = app.changes.between(&before, &after).await?;
    let was = before.summary()?;
    let mut regions: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for (at, counts) in [&was.counts, &summary.counts].into_iter().enumerate() {
        for (region, n) in &counts.regions {
            regions.entry(region).or_default()[at] += n;
        }
    }
    let regions = regions.into_iter().map(|(name, [before, now])| Region {
        name: name.to_owned(),
        before,
        now,
    });
    let mut why: BTreeMap<String, u64> = BTreeMap::new();
    for gone in diff.removed.values() {
        let status = gone.status.map_or("no row any more", Status::as_str);
        let reasons = gone.reasons.join(", ");
        let said = match reasons.is_empty() {
            true => status.to_owned(),
            false => format!("{status}: {reasons}"),
        };
        *why.entry(said).or_default() += 1;
    }
    let mut columns: BTreeMap<String, u64> = BTreeMap::new();
    for column in diff.changed.values().flatten() {
        *columns.entry(column.clone()).or_default() += 1;
    }
    let dataset = catalog::dataset(&app.layout, &after.dataset).map_err(AppError::internal)?;
    page(&ChangesPage {
        since: before.version,
        versions: dataset.map(|d| d.versions).unwrap_or_default(),
        change: diff.change(),
        regions: regions.collect(),
        why: most_first(why),
        columns: most_first(columns),
        diff,
        summary,
    })
}

fn most_first(counts: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    counts
}

impl ChangesPage {
    /// By Croissant's rule, in words.
    fn verdict(&self) -> &'static str {
        match self.change {
            Change::None => "Nothing is different.",
            Change::Patch => "Descriptions only: the samples and their media are the same.",
            Change::Minor => {
                "Samples were added and none lost: results on the earlier one still hold."
            }
            Change::Major => {
                "Samples were lost, or their media or part changed: do not mix results of the two."
            }
        }
    }

    fn added(&self) -> Vec<&SampleId> {
        self.diff.added.iter().take(NAMED).collect()
    }

    fn changed(&self) -> Vec<(&SampleId, String)> {
        let changed = self.diff.changed.iter().take(NAMED);
        changed.map(|(id, c)| (id, c.join(", "))).collect()
    }

    fn removed(&self) -> Vec<(&SampleId, String)> {
        let removed = self.diff.removed.iter().take(NAMED);
        let said = |gone: &fairframe_ingest::diff::Gone| {
            let status = gone.status.map_or("no row any more", Status::as_str);
            format!("{status} {}", gone.reasons.join(" "))
        };
        removed.map(|(id, gone)| (id, said(gone))).collect()
    }

    fn more(&self, all: usize) -> usize {
        all.saturating_sub(NAMED)
    }
}

/// What `changes.json` holds.
#[derive(Serialize)]
pub struct Told {
    since: DatasetVersion,
    version: DatasetVersion,
    change: Change,
    #[serde(flatten)]
    diff: Diff,
}

pub async fn json(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    Query(Since { since }): Query<Since>,
) -> Result<Json<Told>, AppError> {
    let (before, after, _) = releases(&app, (&name, &version), since.as_deref())?;
    let diff = app.changes.between(&before, &after).await?;
    Ok(Json(Told {
        since: before.version,
        version: after.version,
        change: diff.change(),
        diff: Diff::clone(&diff),
    }))
}
