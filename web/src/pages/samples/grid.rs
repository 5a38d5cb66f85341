//! Many samples: facets, a page of thumbnails or rows.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Html,
};
use fairframe_schemas::{DatasetVersion, Name};

use super::{
    super::filters,
    Tile, Tiles,
    request::{Asked, SORTS},
    sidebar::{self, Chip, SHOWN, Section},
};
use crate::{
    App,
    access::Who,
    browse::{Number, Row, View, written},
    catalog,
    error::{AppError, page},
    viewer::Looking,
};

/// Samples of one page.
pub const PER_PAGE: u64 = 48;

/// Numbers that have fields in the sidebar.
const FIELDS: [Number; 6] = [
    Number::Captured,
    Number::Width,
    Number::Height,
    Number::Duration,
    Number::Sharpness,
    Number::Luminance,
];

#[derive(Template)]
#[template(path = "samples/grid.html")]
struct Samples {
    dataset: Name,
    version: DatasetVersion,
    title: String,
    asked: Asked,
    tiles: Vec<Tile>,
    sections: Vec<Section>,
    chips: Vec<Chip>,
    fields: Vec<Field>,
    total: u64,
    first: u64,
    last: u64,
    pages: u64,
    /// Whether only accepted samples are looked at.
    accepted_only: bool,
    /// The secret of the form for all of the filter: for curators, of the newest release.
    bulk: Option<String>,
}

/// Two ends of a number.
struct Field {
    title: &'static str,
    key: &'static str,
    hint: &'static str,
    min: String,
    max: String,
}

impl Samples {
    fn grid(&self) -> Tiles<'_> {
        Tiles { tiles: &self.tiles }
    }

    fn sorts(&self) -> [(&'static str, &'static str, bool); SORTS.len()] {
        let own = self.asked.sort_key();
        SORTS.map(|(key, title)| (key, title, key == own))
    }

    fn area(&self) -> String {
        self.asked
            .filter
            .area
            .map_or_else(String::new, |a| a.to_string())
    }

    /// What the form of the search sends along.
    fn search_hidden(&self) -> Vec<(String, String)> {
        self.asked.hidden(&["text", "sort"])
    }

    /// What the form of ranges sends along.
    fn ranges_hidden(&self) -> Vec<(String, String)> {
        let ends = FIELDS.map(|n| [format!("{}-min", n.key()), format!("{}-max", n.key())]);
        let mut but: Vec<&str> = ends.iter().flatten().map(String::as_str).collect();
        but.push("box");
        self.asked.hidden(&but)
    }
}

pub async fn samples(
    State(app): State<App>,
    who: Who,
    Path((name, version)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Html<String>, AppError> {
    let release = catalog::release(&app.layout, &name, &version)?;
    let asked = Asked::parse(&release.dataset, release.version, &pairs)?;
    let number = asked.page;
    if number == 0 {
        return Err(AppError::NotFound("page of samples"));
    }
    let title = release.summary()?.title().to_owned();
    let looking = Looking::at(&app, &who, release).await?;
    let query = asked.clone();
    let search = move |view: &View<'_>| {
        let first = (query.page - 1).saturating_mul(PER_PAGE);
        let places = first..first.saturating_add(PER_PAGE);
        view.query(&query.filter, query.sort, places, &SHOWN)
    };
    let found = looking.ask(search).await?;
    let pages = found.total.div_ceil(PER_PAGE).max(1);
    if number > pages {
        return Err(AppError::NotFound("page of samples"));
    }
    let (view, viewer) = (looking.view(), &looking.viewer);
    let rows = found.rows.iter().filter_map(|row| view.row(*row));
    let tile = |row: Row<'_>| Tile::new(&app, &looking.allowed, row, asked.sample(&row.id()));
    let tiles: Vec<Tile> = rows.map(tile).collect();
    let first = (number - 1) * PER_PAGE;
    let field = |n: Number| {
        let range = asked.filter.ranges.get(&n).copied().unwrap_or_default();
        let text = |end: Option<f64>| end.map_or_else(String::new, |v| written(n, v));
        Field {
            title: n.title(),
            key: n.key(),
            hint: if n == Number::Captured { "2015-06" } else { "" },
            min: text(range.min),
            max: text(range.max),
        }
    };
    page(&Samples {
        title,
        dataset: looking.release.dataset.clone(),
        version: looking.release.version,
        sections: sidebar::sections(&asked, &found.facets),
        chips: sidebar::chips(&asked.filter, |filter| asked.with(filter)),
        fields: FIELDS.into_iter().map(field).collect(),
        total: found.total,
        first: if found.total == 0 { 0 } else { first + 1 },
        last: first + tiles.len() as u64,
        pages,
        accepted_only: !viewer.may_see_excluded,
        bulk: (viewer.may_see_excluded && viewer.is_newest).then(|| who.csrf().to_owned()),
        tiles,
        asked,
    })
}
