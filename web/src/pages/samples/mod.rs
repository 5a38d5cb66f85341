//! `/datasets/{name}/{version}/samples`: the samples themselves: found by
//! filters, as a grid or a list, and each on a page of its own.

mod grid;
mod request;
mod sample;
mod sidebar;
pub(crate) mod words;

use askama::Template;
use fairframe_ingest::manifest::ReleaseReader;
use fairframe_schemas::{DatasetVersion, Digest, Name};

pub use grid::samples;
pub(super) use request::unknown;
pub use request::{Asked, sort};
pub use sample::{sample, world};
pub(super) use sidebar::{Chip, chips};
pub(super) use words::{place, shown, shown as word};

use crate::{
    App,
    access::Who,
    allowed::Allowed,
    browse::{Facet, Filter, Number, Row},
    catalog,
};

/// A sample in a grid or a list; nothing but its id where it was withdrawn.
pub(super) struct Tile {
    pub href: String,
    pub withdrawn: bool,
    pub title: String,
    creator: String,
    licence: String,
    place: String,
    captured: String,
    size: String,
    labels: String,
    status: String,
    reasons: Vec<String>,
    pub kind: String,
    /// A picture that may be shown.
    pub thumbnail: Option<Digest>,
    /// What is said in its stead.
    pub none: &'static str,
    /// What more there is to say where it is shown beside others.
    pub note: String,
}

impl Tile {
    pub fn new(app: &App, allowed: &Allowed, row: Row<'_>, href: String) -> Self {
        let id = row.id().to_string();
        let withdrawn = row.is_withdrawn();
        let word = |facet| words::shown(facet, row.word(facet));
        let media = row.digest().filter(|d| allowed.mime(d).is_some());
        let thumbnail = media.filter(|d| app.layout.thumbnail(d).is_file());
        Self {
            href,
            withdrawn,
            title: row.title().map_or(id, str::to_owned),
            creator: row.word(Facet::Creator).to_owned(),
            licence: words::shown(Facet::Licence, row.word(Facet::Licence)),
            place: words::place(&row),
            captured: row
                .number(Number::Captured)
                .and_then(crate::browse::date)
                .map_or_else(String::new, |d| d.to_string()),
            size: words::size(&row),
            labels: row.words(Facet::Label).join(", "),
            status: row.word(Facet::Status).to_owned(),
            reasons: row
                .words(Facet::Reason)
                .into_iter()
                .map(|r| words::shown(Facet::Reason, r))
                .collect(),
            kind: word(Facet::MediaType),
            none: match (withdrawn, media) {
                (true, _) => "withdrawn",
                (_, Some(_)) => "no thumbnail",
                _ => "no media to show",
            },
            thumbnail,
            note: String::new(),
        }
    }

    fn is_accepted(&self) -> bool {
        self.status == "accepted"
    }
}

/// A filter in words, part by part.
pub(super) fn told(dataset: &Name, version: DatasetVersion, filter: &Filter) -> Vec<String> {
    let asked = Asked::of(dataset, version, filter.clone());
    let chips = sidebar::chips(&asked.filter, |filter| asked.with(filter)).into_iter();
    chips.map(|chip| chip.text).collect()
}

/// A picture at the head of a page.
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
    let allowed = app.media.allowed(&Who::nobody()).await;
    let mut out = Vec::new();
    for sample in rows.await.ok().and_then(Result::ok).unwrap_or_default() {
        let may = |digest: &Digest| allowed.as_ref().is_ok_and(|a| a.mime(digest).is_some());
        let shown = sample.media_sha256.filter(may);
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

/// Tiles, for other templates.
#[derive(Template)]
#[template(path = "samples/tiles.html")]
struct Tiles<'a> {
    tiles: &'a [Tile],
}
