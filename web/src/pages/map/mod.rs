//! `/datasets/{name}/{version}/map`: where the samples of a filter are, and when they were
//! taken: a map, its numbers as a table, the years as bars.

mod count;
mod draw;
mod request;
mod scale;
mod years;

use std::collections::HashMap;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{Html, IntoResponse, Response},
};
use fairframe_schemas::text::guard;
use fairframe_schemas::{DatasetVersion, Name, Status, text::percent};

use self::{
    count::People,
    draw::{Drawing, Shape},
    request::{Asked, By, Column, Show},
    scale::{Line, MIN_SAMPLES, Scale, Tint, figure},
    years::Years,
};
use super::{
    download, filters,
    samples::{Chip, chips},
};
use crate::{
    App,
    access::Who,
    browse::{Facet, GroupError, Value, View},
    catalog,
    error::{AppError, page},
    viewer::Looking,
};

/// Rows of the table, and squares of a map that lead to their samples; the file has them all.
const MAX_ROWS: usize = 500;

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage {
    dataset: Name,
    version: DatasetVersion,
    title: String,
    asked: Asked,
    chips: Vec<Chip>,
    found: Found,
    /// Whether all samples are looked at, or the accepted ones.
    sees_all: bool,
}

/// Everything that is worked out of the index.
struct Found {
    /// What is shown, which may not be what was asked for.
    show: Show,
    drawing: Drawing,
    legend: Vec<Line>,
    rows: Vec<Row>,
    /// All places.
    places: u64,
    total: u64,
    known: u64,
    years: Years,
    /// Places with samples that are too small for the map's shapes.
    undrawn: u64,
}

/// A line of the table.
struct Row {
    name: String,
    href: String,
    samples: u64,
    share: String,
    per_million: String,
    refused: u64,
    refused_href: String,
    refused_share: String,
}

impl MapPage {
    fn places(&self) -> [(By, bool); By::ALL.len()] {
        By::ALL.map(|by| (by, by == self.asked.by))
    }

    fn shows(&self) -> Vec<(Show, bool)> {
        let all = Show::ALL.into_iter();
        let may = all.filter(|s| self.sees_all || *s != Show::Refused);
        may.map(|show| (show, show == self.asked.show)).collect()
    }

    /// Columns of the table: key, name, address, `aria-sort`.
    fn columns(&self) -> Vec<(Column, String, &'static str)> {
        let all = Column::ALL.into_iter();
        let shown = all.filter(|column| match column {
            Column::PerMillion => self.has_people(),
            Column::Refused => self.sees_all,
            _ => true,
        });
        let sorted = |column: Column| match (self.asked.order == column, self.asked.falling) {
            (true, true) => "descending",
            (true, false) => "ascending",
            _ => "none",
        };
        shown
            .map(|c| (c, self.asked.by_column(c), sorted(c)))
            .collect()
    }

    fn has_people(&self) -> bool {
        matches!(self.asked.by, By::Level(_))
    }

    /// There are no people by squares to divide by.
    fn is_without_people(&self) -> bool {
        self.asked.show != self.found.show
    }
}

pub async fn map(
    State(app): State<App>,
    who: Who,
    Path((name, version)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Html<String>, AppError> {
    let seen = Seen::of(&app, &who, &name, &version, &pairs).await?;
    let title = seen.looking.release.summary()?.title().to_owned();
    let found = seen.work(look_up).await?;
    let asked = seen.asked;
    page(&MapPage {
        title,
        chips: chips(&asked.filter, |filter| asked.with(filter)),
        sees_all: seen.looking.viewer.may_see_excluded,
        dataset: seen.looking.release.dataset,
        version: seen.looking.release.version,
        asked,
        found,
    })
}

/// `/datasets/{name}/{version}/map.csv`: all numbers of the same map.
pub async fn table(
    State(app): State<App>,
    who: Who,
    Path((name, version)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, AppError> {
    let seen = Seen::of(&app, &who, &name, &version, &pairs).await?;
    let text = seen.work(csv).await?;
    let release = &seen.looking.release;
    let name = format!("{}-{}-map.csv", release.dataset, release.version);
    let kind = (header::CONTENT_TYPE, "text/csv; charset=utf-8");
    Ok((
        [kind],
        [(header::CONTENT_DISPOSITION, download(&name))],
        text,
    )
        .into_response())
}

/// A release as somebody sees it, and what they ask of it.
struct Seen {
    looking: Looking,
    asked: Asked,
}

impl Seen {
    async fn of(
        app: &App,
        who: &Who,
        name: &str,
        version: &str,
        pairs: &[(String, String)],
    ) -> Result<Self, AppError> {
        let release = catalog::release(&app.layout, name, version)?;
        let asked = Asked::parse(&release.dataset, release.version, pairs)?;
        let of_refused = asked.show == Show::Refused || asked.order == Column::Refused;
        if of_refused {
            who.must_curate(&release.dataset)?;
        }
        Ok(Self {
            looking: Looking::at(app, who, release).await?,
            asked,
        })
    }

    /// Off the threads that answer; is told whether all samples are seen.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&View, &Asked, bool) -> Result<T, GroupError> + Send + 'static,
    ) -> Result<T, AppError> {
        let (asked, sees_all) = (self.asked.clone(), self.looking.viewer.may_see_excluded);
        let found = self.looking.ask(move |view| work(view, &asked, sees_all));
        found.await?.map_err(AppError::internal)
    }
}

fn people(by: By) -> People {
    match by {
        By::Level(level) => level.people(),
        By::Squares(_) => People::new(),
    }
}

fn look_up(view: &View, asked: &Asked, sees_all: bool) -> Result<Found, GroupError> {
    let by = asked.by;
    let show = match by {
        By::Squares(_) if asked.show == Show::PerMillion => Show::Count,
        _ => asked.show,
    };
    let figures = count::count(view, &asked.filter, by, sees_all)?;
    let people = people(by);
    let total = figures.iter().map(|f| f.samples).sum();
    let known = figures.iter().filter(|f| f.is_known());
    let known = known.map(|f| f.samples).sum();
    let shown: Vec<Option<f64>> = figures
        .iter()
        .map(|f| f.shown(show, known, &people))
        .collect();
    let of_known = figures.iter().zip(&shown).filter(|(f, _)| f.is_known());
    let largest = of_known.filter_map(|(_, v)| *v).fold(0.0, f64::max);
    let scale = Scale::new(show, matches!(by, By::Squares(_)), largest);
    let tints: Vec<Tint> = shown.iter().map(|v| scale.tint(*v)).collect();
    // Squares have an order of their own: from south to north, from west to east.
    let names: Vec<String> = match (asked.order, by) {
        (Column::Place, By::Level(_)) => figures.iter().map(|f| f.name(by)).collect(),
        _ => Vec::new(),
    };
    let order = count::ordered(&figures, &names, asked.order, asked.falling, &people);
    let mut linked = HashMap::new();
    let mut rows = Vec::new();
    let key = by.group();
    for at in order.into_iter().take(MAX_ROWS) {
        let one = &figures[at];
        let Some(filter) = one.value.of(&asked.filter, &key) else {
            continue;
        };
        let mut refused = filter.clone();
        let status = refused.words.entry(Facet::Status).or_default();
        status.none.insert(Status::Accepted.to_string());
        let name = one.name(by);
        if one.is_known() {
            let shape = Shape {
                path: String::new(),
                class: tints[at].class(),
                href: asked.samples(&filter),
                title: format!("{name}: {}", one.shown_words(show, known, &people)),
                is_square: false,
            };
            linked.insert(at, shape);
        }
        rows.push(Row {
            name,
            href: asked.samples(&filter),
            samples: one.samples,
            share: match one.is_known() {
                true => percent(one.samples, known),
                false => String::new(),
            },
            per_million: one.per_million(&people).map_or_else(String::new, figure),
            refused: one.refused(),
            refused_href: asked.samples(&refused),
            refused_share: one.refused_words(),
        });
    }
    let drawing = draw::draw(by, &figures, &tints, &linked);
    let places = figures.iter().filter(|f| f.is_known()).count() as u64;
    Ok(Found {
        undrawn: match by {
            By::Level(_) => places - drawing.shapes.len() as u64,
            By::Squares(_) => 0,
        },
        show,
        drawing,
        legend: scale.legend(),
        rows,
        places,
        total,
        known,
        years: years::years(view, asked)?,
    })
}

fn csv(view: &View, asked: &Asked, sees_all: bool) -> Result<String, GroupError> {
    let figures = count::count(view, &asked.filter, asked.by, sees_all)?;
    let people = people(asked.by);
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut names = vec!["place", "name", "samples"];
    if matches!(asked.by, By::Level(_)) {
        names.extend(["people", "per_million"]);
    }
    if sees_all {
        names.push("not_accepted");
    }
    let number = |n: Option<f64>| n.map_or_else(String::new, |n| n.to_string());
    let mut lines = vec![names.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for one in &figures {
        let place = match &one.value {
            Value::Word(word) => guard(word),
            Value::Cell { south, west } => format!("{south} {west}"),
            _ => String::new(),
        };
        let mut line = vec![place, guard(&one.name(asked.by)), one.samples.to_string()];
        if matches!(asked.by, By::Level(_)) {
            line.push(number(one.people(&people).map(|n| n as f64)));
            line.push(number(one.per_million(&people)));
        }
        if sees_all {
            line.push(one.refused().to_string());
        }
        lines.push(line);
    }
    for line in lines {
        // To a Vec: cannot fail, every line as long as the first.
        let _ = out.write_record(line);
    }
    let bytes = out.into_inner().unwrap_or_default();
    Ok(String::from_utf8(bytes).unwrap_or_default())
}
