//! `/datasets/{name}/recalls`: what was withdrawn, to read; and as Atom feeds (RFC 4287), of one
//! dataset and of all.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
};
use fairframe_schemas::{
    DatasetVersion, Digest, Layout, Name, Reason, SampleId, Timestamp, text::counted,
};

use super::filters;
use crate::{
    App,
    api::params,
    catalog,
    catalog::Dataset,
    error::{AppError, page},
};

/// Entries of a feed, and releases of the page.
const MOST: usize = 100;

/// Samples named in an entry and on the page; the list has all.
const NAMED: usize = 500;

/// What one release withdrew.
struct Withdrawal {
    dataset: Name,
    version: DatasetVersion,
    /// When the last of them was withdrawn.
    at: Timestamp,
    /// Each sample once.
    samples: BTreeMap<SampleId, Reason>,
}

impl Withdrawal {
    fn title(&self) -> String {
        let n = counted(self.samples.len() as u64, "sample");
        format!("{}: {n} withdrawn in {}", self.dataset, self.version)
    }

    /// The same wherever the feed is read: of dataset and version alone.
    fn id(&self) -> String {
        urn(&format!("recall {} {}", self.dataset, self.version))
    }

    fn time(&self) -> String {
        self.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    fn named(&self) -> impl Iterator<Item = (&SampleId, &Reason)> {
        self.samples.iter().take(NAMED)
    }

    fn total(&self) -> u64 {
        self.samples.len() as u64
    }

    fn is_cut(&self) -> bool {
        self.samples.len() > NAMED
    }
}

/// A UUID of our own making (RFC 9562, version 8) from a digest of the text.
fn urn(text: &str) -> String {
    let hex = Digest::of(text.as_bytes()).to_string();
    format!(
        "urn:uuid:{}-{}-8{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

/// Newest first.
fn withdrawals(layout: &Layout, dataset: &Dataset) -> Result<Vec<Withdrawal>, AppError> {
    let mut by_version: BTreeMap<DatasetVersion, Withdrawal> = BTreeMap::new();
    for entry in dataset.recalls(layout)?.entries {
        let of = by_version.entry(entry.withdrawn_in).or_insert(Withdrawal {
            dataset: dataset.name.clone(),
            version: entry.withdrawn_in,
            at: entry.at,
            samples: BTreeMap::new(),
        });
        of.at = of.at.max(entry.at);
        of.samples.insert(entry.sample_id, entry.reason);
    }
    Ok(by_version.into_values().rev().collect())
}

#[derive(Template)]
#[template(path = "recalls.html")]
struct Page {
    dataset: Name,
    withdrawals: Vec<Withdrawal>,
    samples: u64,
    list: String,
}

impl Page {
    fn counted(&self) -> String {
        counted(self.samples, "sample")
    }
}

pub async fn recalls(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Html<String>, AppError> {
    let dataset = params::dataset(&app, &name)?;
    let mut withdrawals = withdrawals(&app.layout, &dataset)?;
    let samples = withdrawals.iter().map(|w| w.samples.len() as u64).sum();
    withdrawals.truncate(MOST);
    page(&Page {
        list: format!("{}/data/{}/recall.json", app.origin(&headers), dataset.name),
        dataset: dataset.name,
        withdrawals,
        samples,
    })
}

#[derive(Template)]
#[template(path = "recalls.atom.xml")]
struct Feed {
    id: String,
    title: String,
    updated: String,
    /// Of this feed, and of the page to read.
    own: String,
    page: String,
    origin: String,
    author: String,
    entries: Vec<Withdrawal>,
}

impl Feed {
    fn answer(self) -> Result<Response, AppError> {
        let text = self.render().map_err(AppError::internal)?;
        let tag = format!("\"{}\"", Digest::of(text.as_bytes()));
        let kind = "application/atom+xml; charset=utf-8".to_owned();
        Ok(([(header::CONTENT_TYPE, kind), (header::ETAG, tag)], text).into_response())
    }
}

/// When anything was last withdrawn; until then, when the newest release was made.
fn updated(entries: &[Withdrawal], else_: Option<Timestamp>) -> String {
    let newest = entries.iter().map(|w| w.at).max();
    let at = newest.or(else_).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

pub async fn feed(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let dataset = params::dataset(&app, &name)?;
    let latest = dataset.latest().to_string();
    let summary = catalog::release(&app.layout, &name, &latest)?.summary()?;
    let mut entries = withdrawals(&app.layout, &dataset)?;
    entries.truncate(MOST);
    let origin = app.origin(&headers);
    let author = summary.about.publisher.clone();
    Feed {
        id: urn(&format!("recalls of {}", dataset.name)),
        title: format!("Withdrawn from {}", summary.title()),
        updated: updated(&entries, Some(summary.as_of)),
        own: format!("{origin}/datasets/{}/recalls.atom", dataset.name),
        page: format!("{origin}/datasets/{}/recalls", dataset.name),
        author: author.unwrap_or_else(|| dataset.name.to_string()),
        entries,
        origin,
    }
    .answer()
}

pub async fn feed_of_all(State(app): State<App>, headers: HeaderMap) -> Result<Response, AppError> {
    let (mut entries, mut made) = (Vec::new(), None);
    for dataset in catalog::datasets(&app.layout).map_err(AppError::internal)? {
        let latest = dataset.latest().to_string();
        let release = catalog::release(&app.layout, dataset.name.as_str(), &latest);
        let read = release.and_then(|r| Ok((r.summary()?, withdrawals(&app.layout, &dataset)?)));
        match read {
            Ok((summary, withdrawn)) => {
                made = made.max(Some(summary.as_of));
                entries.extend(withdrawn);
            }
            Err(error) => tracing::error!(dataset = %dataset.name, %error, "release passed over"),
        }
    }
    entries.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.dataset.cmp(&b.dataset)));
    entries.truncate(MOST);
    let origin = app.origin(&headers);
    Feed {
        id: urn("recalls of all datasets"),
        title: "Withdrawn from any dataset".to_owned(),
        updated: updated(&entries, made),
        own: format!("{origin}/recalls.atom"),
        page: format!("{origin}/"),
        author: "Fairframe".to_owned(),
        entries,
        origin,
    }
    .answer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_and_stays() {
        let id = urn("recall photos 2.0.0");
        assert_eq!(id, urn("recall photos 2.0.0"));
        assert_ne!(id, urn("recall photos 3.0.0"));
        let parts: Vec<&str> = id.trim_start_matches("urn:uuid:").split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|p| p.len()).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('8') && parts[3].starts_with('a'));
    }
}
