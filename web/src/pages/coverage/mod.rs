//! `/datasets/{name}/{version}/coverage`: what is missing where, against a target.

mod declared;
mod gaps;
mod request;
mod target;
mod wishes;

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{Html, IntoResponse, Response},
};
use fairframe_ingest::card::coverage::{MIN_SAMPLES, wilson};
use fairframe_schemas::{
    DatasetVersion, Name, SampleCounts,
    release::UNKNOWN,
    text::{count, percent},
};

pub use self::target::{declare, page as target_page};
use self::{
    gaps::{Gap, Gaps, Target},
    request::{Asked, Kind},
    wishes::WishList,
};
use super::{
    download, filters,
    places::Level,
    samples::{Chip, chips, shown},
};
use crate::{
    App,
    access::Who,
    browse::{Facet, Filter, GroupError, View},
    catalog,
    error::{AppError, page},
    state::targets,
    viewer::Looking,
};

#[derive(Template)]
#[template(path = "coverage.html")]
struct CoveragePage {
    dataset: Name,
    version: DatasetVersion,
    title: String,
    asked: Asked,
    target: Target,
    chips: Vec<Chip>,
    gaps: Gaps,
    rows: Vec<Row>,
    has_declared: bool,
    /// Whether the target can be declared by whoever looks.
    may_declare: bool,
    before: Option<Before>,
    /// Whether decisions that are not released yet are counted in.
    is_decided: bool,
}

/// The version before, as it was released.
struct Before {
    version: DatasetVersion,
    distance: String,
    effective: String,
    known: u64,
}

/// A place.
struct Row {
    name: String,
    have: u64,
    before: Option<u64>,
    share: String,
    interval: String,
    target_share: String,
    difference: String,
    want: String,
    missing: u64,
    beyond: u64,
    /// Lengths in percent of the widest bar.
    bar: String,
    mark: String,
    samples: String,
    sources: String,
}

impl CoveragePage {
    fn kinds(&self) -> Vec<(Kind, bool)> {
        let all = Kind::ALL.into_iter();
        let there = all.filter(|kind| self.has_declared || *kind != Kind::Declared);
        there.map(|kind| (kind, kind == self.target.kind)).collect()
    }

    fn levels(&self) -> [(Level, bool); Level::ALL.len()] {
        Level::ALL.map(|level| (level, level == self.target.level))
    }

    fn distance(&self) -> String {
        distance(&self.gaps)
    }

    fn effective(&self) -> String {
        effective(self.gaps.effective)
    }

    fn effective_target(&self) -> String {
        effective(self.gaps.effective_target)
    }

    /// Shares of so few samples say nothing.
    fn is_few(&self) -> bool {
        self.gaps.known < MIN_SAMPLES
    }

    /// Samples of places that the target does not name.
    fn beside(&self) -> u64 {
        let rows = self.gaps.rows.iter();
        rows.filter(|gap| gap.weight == 0).map(|gap| gap.have).sum()
    }

    fn size(&self) -> String {
        self.asked.size.map_or_else(String::new, |n| n.to_string())
    }
}

fn distance(gaps: &Gaps) -> String {
    gaps.distance
        .map_or_else(|| "–".to_owned(), |d| format!("{:.1}%", 100.0 * d))
}

fn effective(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |n| format!("{n:.1}"))
}

pub async fn coverage(
    State(app): State<App>,
    who: Who,
    Path((name, version)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Html<String>, AppError> {
    let seen = Seen::of(&app, &who, &name, &version, &pairs).await?;
    let summary = seen.looking.release.summary()?;
    let gaps = seen.work(|_, _, _, gaps| Ok(gaps.clone())).await?;
    let before = match seen.asked.filter.is_empty() {
        true => summary.previous.and_then(|previous| {
            let before = catalog::release(&app.layout, &name, &previous.to_string()).ok()?;
            Some((previous, before.summary().ok()?.counts))
        }),
        false => None,
    };
    let before =
        before.map(|(version, counts)| (version, accepted_before(&counts, seen.target.level)));
    let rows = rows(
        &seen.asked,
        &seen.target,
        &gaps,
        before.as_ref().map(|b| &b.1),
    );
    let before = before.map(|(version, counts)| {
        let then = gaps::gaps(&counts, &seen.target, None);
        Before {
            version,
            distance: distance(&then),
            effective: effective(then.effective),
            known: then.known,
        }
    });
    let asked = seen.asked;
    page(&CoveragePage {
        title: summary.title().to_owned(),
        chips: chips(&asked.filter, |filter| asked.with(filter)),
        rows,
        gaps,
        has_declared: seen.has_declared,
        may_declare: who.curates(&seen.looking.release.dataset),
        is_decided: !seen.looking.viewer.overlay.changes.is_empty()
            && seen.looking.viewer.may_see_excluded,
        before,
        target: seen.target,
        dataset: seen.looking.release.dataset,
        version: seen.looking.release.version,
        asked,
    })
}

/// `/datasets/{name}/{version}/wish-list.csv` and `.json`: what to look for.
pub async fn wish_list(
    State(app): State<App>,
    who: Who,
    Path((name, version, file)): Path<(String, String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, AppError> {
    let kind = match file.as_str() {
        "wish-list.csv" => "text/csv; charset=utf-8",
        "wish-list.json" => "application/json",
        _ => return Err(AppError::NotFound("file")),
    };
    let seen = Seen::of(&app, &who, &name, &version, &pairs).await?;
    let release = &seen.looking.release;
    let list = |wishes, gaps: &Gaps, asked: &Asked, target: &Target| WishList {
        dataset: release.dataset.to_string(),
        version: release.version.to_string(),
        target: target.kind.key(),
        by: target.level.key(),
        filter: asked.filter.to_string(),
        size: gaps.size,
        have: gaps.known,
        place_unknown: gaps.unknown,
        missing: gaps.missing,
        wishes,
    };
    let work = |view: &View, asked: &Asked, target: &Target, gaps: &Gaps| {
        let wishes = wishes::wishes(view, &asked.filter, target, gaps)?;
        Ok((wishes, gaps.clone()))
    };
    let (wishes, gaps) = seen.work(work).await?;
    let list = list(wishes, &gaps, &seen.asked, &seen.target);
    let text = match kind {
        "application/json" => serde_json::to_string_pretty(&list).map_err(AppError::internal)?,
        _ => list.to_csv(),
    };
    let name = format!("{}-{}-{file}", release.dataset, release.version);
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, download(&name)),
    ];
    Ok((headers, text).into_response())
}

/// A release as somebody sees it, what they ask of it, and the target they mean.
struct Seen {
    looking: Looking,
    asked: Asked,
    target: Target,
    has_declared: bool,
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
        let declared = targets::of(&app.db, &release.dataset).await?;
        let has_declared = declared.is_some();
        let target = match (asked.kind, declared) {
            (None | Some(Kind::Declared), Some(own)) => Target {
                kind: Kind::Declared,
                level: Level::by_key(&own.level)
                    .ok_or_else(|| AppError::internal(format!("a target by {}", own.level)))?,
                weights: own.shares,
            },
            (Some(Kind::Declared), None) => return Err(AppError::NotFound("declared target")),
            (kind, _) => Target::ready(kind.unwrap_or(Kind::Population), asked.level),
        };
        Ok(Self {
            looking: Looking::at(app, who, release).await?,
            asked,
            target,
            has_declared,
        })
    }

    /// Off the threads that answer.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&View, &Asked, &Target, &Gaps) -> Result<T, GroupError> + Send + 'static,
    ) -> Result<T, AppError> {
        let (asked, target) = (self.asked.clone(), self.target.clone());
        let found = self.looking.ask(move |view| {
            let counts = gaps::count(view, &asked.filter, target.level)?;
            let gaps = gaps::gaps(&counts, &target, asked.size);
            work(view, &asked, &target, &gaps)
        });
        found.await?.map_err(AppError::internal)
    }
}

/// Accepted samples by place, as a summary has them.
fn accepted_before(counts: &SampleCounts, level: Level) -> BTreeMap<String, u64> {
    let counts = match level {
        Level::Country => &counts.countries,
        Level::Subregion => &counts.subregions,
        Level::Region => &counts.regions,
    };
    let word = |word: &String| if word == UNKNOWN { "" } else { word }.to_owned();
    counts.iter().map(|(k, n)| (word(k), *n)).collect()
}

fn rows(
    asked: &Asked,
    target: &Target,
    gaps: &Gaps,
    before: Option<&BTreeMap<String, u64>>,
) -> Vec<Row> {
    let part = |n: u64, of: u64| n as f64 / of.max(1) as f64;
    let share = |gap: &Gap| part(gap.have, gaps.known);
    let wanted = |gap: &Gap| part(gap.weight, gaps.weight);
    let widest = gaps.rows.iter().map(|gap| share(gap).max(wanted(gap)));
    let widest = widest.fold(0.0, f64::max).max(1e-9);
    let length = |share: f64| format!("{:.2}", 100.0 * share / widest);
    let facet = target.level.facet();
    let row = |gap: &Gap| {
        let filter = asked.filter.only(facet, &gap.place);
        let accepted = gaps::accepted(&filter).unwrap_or_else(|| filter.clone());
        Row {
            name: shown(facet, &gap.place),
            have: gap.have,
            before: before.map(|b| b.get(&gap.place).copied().unwrap_or(0)),
            share: percent(gap.have, gaps.known),
            interval: wilson(gap.have, gaps.known)
                .filter(|_| gaps.known >= MIN_SAMPLES)
                .map_or_else(String::new, |(low, high)| {
                    format!("{:.1} to {:.1}%", 100.0 * low, 100.0 * high)
                }),
            target_share: percent(gap.weight, gaps.weight),
            difference: signed(100.0 * (share(gap) - wanted(gap))),
            want: count(gap.want),
            missing: gap.missing(),
            beyond: gap.have.saturating_sub(gap.want),
            bar: length(share(gap)),
            mark: length(wanted(gap)),
            samples: samples(&asked.base, &accepted, ""),
            sources: samples(&asked.base, &filter, "more=source"),
        }
    };
    gaps.rows.iter().map(row).collect()
}

/// The samples of a filter; with `more`, beside all words of a facet.
fn samples(base: &str, filter: &Filter, more: &str) -> String {
    let parts = [filter.to_string(), more.to_owned()];
    let said: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    let to = if more.is_empty() {
        String::new()
    } else {
        format!("#f-{}", Facet::Source.key())
    };
    format!("{base}/samples?{}{to}", said.join("&"))
}

/// Percentage points, with a sign that is read as one.
fn signed(points: f64) -> String {
    match format!("{:.1}", points.abs()).as_str() {
        "0.0" => "0.0".to_owned(),
        text if points < 0.0 => format!("\u{2212}{text}"),
        text => format!("+{text}"),
    }
}
