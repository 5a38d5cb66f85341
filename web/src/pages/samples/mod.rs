//! `/datasets/{name}/{version}/samples`: the samples themselves: found by
//! filters, as a grid or a list, and each on a page of its own.

mod grid;
mod request;
mod sample;
mod sidebar;
pub(crate) mod words;

use askama::Template;
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

/// The first samples that have a thumbnail and may be shown; a page does without where they cannot be read.
pub async fn pictures(app: &App, release: &catalog::Release, most: usize) -> Vec<Picture> {
    let (firsts, folder) = (app.firsts.clone(), release.folder.clone());
    let rows = tokio::task::spawn_blocking(move || firsts.of(&folder));
    let (Ok(Ok(rows)), Ok(allowed)) = (rows.await, app.media.allowed(&Who::nobody()).await) else {
        return Vec::new();
    };
    rows.iter()
        .filter(|row| allowed.mime(&row.digest).is_some())
        .filter(|row| app.layout.thumbnail(&row.digest).is_file())
        .take(most)
        .map(|row| Picture {
            digest: row.digest.to_string(),
            title: row.title.clone(),
        })
        .collect()
}

/// Tiles, for other templates.
#[derive(Template)]
#[template(path = "samples/tiles.html")]
struct Tiles<'a> {
    tiles: &'a [Tile],
}
