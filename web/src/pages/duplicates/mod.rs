//! `/datasets/{name}/{version}/duplicates`: samples that are the same or look nearly the same, side by
//! side with what is different of them; and what stands in two splits.

mod keep;
mod leaks;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Html,
};
use fairframe_schemas::{DatasetVersion, Name, Reason, Status, text};

pub use keep::keep;

use self::leaks::{Said, leaks};
use super::{
    address, filters,
    samples::{Tile, place, word},
};
use crate::{
    App,
    access::Who,
    allowed::Allowed,
    browse::{
        Alike, Cluster, Facet, Filter, FilterError, Number, Row, View, WITHIN, last, nearest,
    },
    catalog,
    error::{AppError, page},
    viewer::Looking,
};

/// Clusters of one page.
const PER_PAGE: usize = 12;

/// Samples shown of a cluster.
const MEMBERS: usize = 8;

/// Bits by which an ingest takes hashes for near-duplicates, unless told otherwise.
const USUAL: u32 = 6;

/// Which duplicates are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    All,
    Exact,
    Near,
}

/// Which clusters are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// Of which two samples or more stand.
    Open,
    All,
    /// Whose samples are of several sources.
    Sources,
    /// Whose samples stand in several splits.
    Splits,
}

const KINDS: [(Kind, &str, &str); 3] = [
    (Kind::All, "all", "exact and near"),
    (Kind::Exact, "exact", "the same bytes"),
    (Kind::Near, "near", "only nearly the same"),
];

const SHOWS: [(Show, &str, &str); 4] = [
    (Show::Open, "open", "where two or more stand"),
    (Show::Sources, "sources", "across sources"),
    (Show::Splits, "splits", "across splits"),
    (Show::All, "all", "all, decided ones too"),
];

/// An address of the page, read.
#[derive(Debug, Clone)]
struct Asked {
    base: String,
    kind: Kind,
    within: u32,
    show: Show,
    page: u64,
}

impl Asked {
    fn parse(
        dataset: &Name,
        version: DatasetVersion,
        pairs: &[(String, String)],
    ) -> Result<Self, FilterError> {
        const KEYS: [&str; 4] = ["kind", "within", "show", "page"];
        if let Some((key, _)) = pairs.iter().find(|(k, _)| !KEYS.contains(&k.as_str())) {
            return Err(FilterError::Key {
                key: key.chars().take(60).collect(),
                near: nearest(key, KEYS).map(str::to_owned),
            });
        }
        let own = |key| last(pairs, key);
        let page = own("page").unwrap_or("1");
        let plain = page.bytes().all(|b| b.is_ascii_digit());
        Ok(Self {
            base: format!("/datasets/{dataset}/{version}"),
            kind: kind(own("kind").unwrap_or("all"))?,
            within: match own("within") {
                None => USUAL,
                Some(text) => within(text)?,
            },
            show: {
                let text = own("show").unwrap_or("open");
                let found = SHOWS.iter().find(|(_, key, _)| *key == text);
                let known = SHOWS.iter().map(|(_, key, _)| *key);
                found.ok_or_else(|| unknown("view", text, known))?.0
            },
            page: match page.parse() {
                Ok(page) => page,
                Err(_) if plain => u64::MAX, // there is no such page either
                Err(_) => return Err(unknown("page", page, [])),
            },
        })
    }

    fn alike(&self) -> Alike {
        match self.kind {
            Kind::Exact => Alike::Exact,
            _ => Alike::Near(self.within),
        }
    }

    fn with_page(&self, page: u64) -> String {
        let mut own = Vec::new();
        let mut push = |key: &str, value: String| own.push((key.to_owned(), value));
        if self.kind != Kind::All {
            push("kind", self.kind_key().to_owned());
        }
        if self.within != USUAL {
            push("within", self.within.to_string());
        }
        if let Some((_, key, _)) = SHOWS.iter().find(|(show, ..)| *show == self.show)
            && self.show != Show::Open
        {
            push("show", (*key).to_owned());
        }
        if page > 1 {
            push("page", page.to_string());
        }
        address(
            &format!("{}/duplicates", self.base),
            &Filter::default(),
            &own,
        )
    }

    /// The address of the page itself.
    fn here(&self) -> String {
        self.with_page(self.page)
    }

    fn kind_key(&self) -> &'static str {
        let found = KINDS.iter().find(|(kind, ..)| *kind == self.kind);
        found.map_or("all", |(_, key, _)| key)
    }
}

fn kind(text: &str) -> Result<Kind, FilterError> {
    let found = KINDS.iter().find(|(_, key, _)| *key == text);
    let known = KINDS.iter().map(|(_, key, _)| *key);
    Ok(found.ok_or_else(|| unknown("kind", text, known))?.0)
}

fn within(text: &str) -> Result<u32, FilterError> {
    let found = text.parse().ok().filter(|bits| WITHIN.contains(bits));
    found.ok_or_else(|| unknown("distance", text, []))
}

fn unknown<'a>(
    key: &'static str,
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> FilterError {
    FilterError::Word {
        key,
        word: word.chars().take(60).collect(),
        near: nearest(word, known).map(str::to_owned),
    }
}

#[derive(Template)]
#[template(path = "duplicates/page.html")]
struct Duplicates {
    dataset: Name,
    version: DatasetVersion,
    asked: Asked,
    clusters: Vec<Shown>,
    total: u64,
    samples: u64,
    pages: u64,
    /// None where no sample has a split.
    leaks: Option<Said>,
    /// The secret of forms: for curators, of the newest release.
    csrf: Option<String>,
}

/// One cluster, side by side.
struct Shown {
    members: Vec<Member>,
    hidden: u64,
    /// What is different: the name, and what each member has.
    differ: Vec<(&'static str, Vec<String>)>,
    /// What is the same.
    same: Vec<(&'static str, String)>,
    exact: bool,
    /// Several splits, joined.
    splits: Option<String>,
    /// How many samples of it stand.
    stand: u64,
    /// Whether none does, but one will with the next release.
    one_will: bool,
    /// Samples that are rejected where one of its members is kept.
    others: u64,
}

struct Member {
    id: String,
    tile: Tile,
    /// Whether it can be the one that stays.
    may_stay: bool,
    /// Whether it is the one that stands with the next release, where none does now.
    will_stand: bool,
}

impl Duplicates {
    fn kinds(&self) -> [(&'static str, &'static str, bool); KINDS.len()] {
        KINDS.map(|(kind, key, title)| (key, title, kind == self.asked.kind))
    }

    fn shows(&self) -> [(&'static str, &'static str, bool); SHOWS.len()] {
        SHOWS.map(|(show, key, title)| (key, title, show == self.asked.show))
    }

    fn distances(&self) -> [(u32, bool); WITHIN.len()] {
        WITHIN.map(|bits| (bits, bits == self.asked.within))
    }
}

/// Whether a sample stands in the dataset, or may yet.
fn stands(row: &Row<'_>) -> bool {
    [Status::Accepted, Status::Quarantined]
        .iter()
        .any(|s| row.word(Facet::Status) == s.as_str())
}

/// The members of a cluster that are there by now.
fn there<'v>(view: &'v View<'v>, cluster: &'v Cluster) -> impl Iterator<Item = Row<'v>> {
    let rows = cluster.iter().filter_map(|row| view.row(*row));
    rows.filter(|row| !row.is_withdrawn())
}

fn distinct<'v>(rows: &[Row<'v>], facet: Facet) -> Vec<&'v str> {
    let mut words: Vec<&str> = rows.iter().map(|row| row.word(facet)).collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn is_exact(rows: &[Row<'_>]) -> bool {
    rows.iter().all(|row| row.digest() == rows[0].digest())
}

/// Splits of those that stand; those that were refused have none that counts.
fn splits<'v>(rows: &[Row<'v>]) -> Vec<&'v str> {
    let standing: Vec<Row<'v>> = rows.iter().filter(|r| stands(r)).copied().collect();
    let mut splits = distinct(&standing, Facet::Split);
    splits.retain(|split| !split.is_empty());
    splits
}

fn is_wanted(asked: &Asked, rows: &[Row<'_>]) -> bool {
    let by_show = match asked.show {
        Show::Open => rows.iter().filter(|r| stands(r)).count() > 1,
        Show::Sources => distinct(rows, Facet::Source).len() > 1,
        Show::Splits => splits(rows).len() > 1,
        Show::All => true,
    };
    rows.len() > 1 && by_show && (asked.kind != Kind::Near || !is_exact(rows))
}

pub async fn duplicates(
    State(app): State<App>,
    who: Who,
    Path((name, version)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Html<String>, AppError> {
    const KIND: AppError = AppError::NotFound("page of duplicates");
    let release = catalog::release(&app.layout, &name, &version)?;
    let asked = Asked::parse(&release.dataset, release.version, &pairs)?;
    let first = asked.page.checked_sub(1).ok_or(KIND)?;
    let looking = Looking::at(&app, &who, release).await?;
    let own = asked.clone();
    let look = move |view: &View<'_>| {
        let clusters = view.clusters(own.alike());
        let mut wanted: Vec<Cluster> = Vec::new();
        let mut samples = 0;
        for cluster in clusters.iter() {
            let rows: Vec<Row> = there(view, cluster).collect();
            if is_wanted(&own, &rows) {
                samples += rows.len() as u64;
                wanted.push(rows.iter().map(|row| row.number).collect());
            }
        }
        let total = wanted.len() as u64;
        let start = first.saturating_mul(PER_PAGE as u64).min(total) as usize;
        let page: Vec<Cluster> = wanted.into_iter().skip(start).take(PER_PAGE).collect();
        let leaks = leaks(view, &own.base);
        (page, total, samples, leaks)
    };
    let (found, total, samples, leaks) = looking.ask(look).await?;
    let pages = total.div_ceil(PER_PAGE as u64).max(1);
    if asked.page > pages {
        return Err(KIND);
    }
    let view = looking.view();
    let show = |cluster: &Cluster| {
        let rows: Vec<Row> = there(&view, cluster).collect();
        shown(&app, &looking.allowed, &asked, &rows)
    };
    let clusters = found.iter().map(show).collect();
    let Looking {
        release, viewer, ..
    } = looking;
    page(&Duplicates {
        dataset: release.dataset,
        version: release.version,
        clusters,
        total,
        samples,
        pages,
        leaks,
        csrf: (viewer.may_see_excluded && viewer.is_newest).then(|| who.csrf().to_owned()),
        asked,
    })
}

fn shown(app: &App, allowed: &Allowed, asked: &Asked, rows: &[Row<'_>]) -> Shown {
    let shown = &rows[..rows.len().min(MEMBERS)];
    let next = keep::next(rows).map(|row| row.number);
    let members: Vec<Member> = shown
        .iter()
        .map(|row| {
            let id = row.id().to_string();
            let href = format!("{}/samples/{id}", asked.base);
            let mut tile = Tile::new(app, allowed, *row, href);
            // What is said of it stands in the table.
            tile.note = note(row, &shown[0]);
            Member {
                tile,
                id,
                may_stay: !keep::is_refused(row),
                will_stand: next == Some(row.number),
            }
        })
        .collect();
    let (mut differ, mut same) = (Vec::new(), Vec::new());
    for (name, values) in properties(shown) {
        match values.iter().all(|v| *v == values[0]) {
            true if values[0].is_empty() => {}
            true => same.extend(values.into_iter().next().map(|v| (name, v))),
            false => differ.push((name, values)),
        }
    }
    let splits = splits(rows);
    let others = |stays: &Row<'_>| keep::others(rows, stays.id()).count() as u64;
    Shown {
        hidden: (rows.len() - shown.len()) as u64,
        exact: is_exact(rows),
        splits: (splits.len() > 1).then(|| splits.join(" and ")),
        stand: rows.iter().filter(|r| stands(r)).count() as u64,
        one_will: next.is_some(),
        others: shown
            .iter()
            .find(|r| !keep::is_refused(r))
            .map_or(0, others),
        members,
        differ,
        same,
    }
}

/// How a member is like the first one.
fn note(row: &Row<'_>, first: &Row<'_>) -> String {
    match (row.hash(), first.hash()) {
        _ if row.number == first.number => String::new(),
        _ if row.digest().is_some() && row.digest() == first.digest() => {
            "the same bytes as the first".to_owned()
        }
        (Some(one), Some(other)) => match (one ^ other).count_ones() {
            0 => "looks the same as the first".to_owned(),
            bits => format!("{bits} of 64 bits differ from the first"),
        },
        _ => String::new(),
    }
}

/// What is compared, by name.
fn properties(rows: &[Row<'_>]) -> Vec<(&'static str, Vec<String>)> {
    let each = |of: &dyn Fn(&Row<'_>) -> String| rows.iter().map(of).collect::<Vec<String>>();
    let said = |facet: Facet| {
        each(&move |row| match row.word(facet) {
            "" => String::new(),
            known => word(facet, known),
        })
    };
    let number = |n: Number, of: &dyn Fn(f64) -> String| {
        each(&|row| row.number(n).map_or_else(String::new, of))
    };
    // What looks alike is what the page is about.
    let near = Reason::DuplicateNear.code();
    let reasons = each(&|row| {
        let words = row.words(Facet::Reason).into_iter();
        let words = words.filter(|code| *code != near);
        let words: Vec<String> = words.map(|w| word(Facet::Reason, w)).collect();
        words.join("; ")
    });
    let labels = each(&|row| row.words(Facet::Label).join(", "));
    vec![
        (
            "Pixels",
            each(
                &|row| match (row.number(Number::Width), row.number(Number::Height)) {
                    (Some(w), Some(h)) => format!("{w} × {h}"),
                    _ => String::new(),
                },
            ),
        ),
        ("File", number(Number::Bytes, &|b| text::size(b as u64))),
        ("Format", said(Facet::Mime)),
        (
            "Duration",
            number(Number::Duration, &|s| text::duration((s * 1000.0) as u64)),
        ),
        ("Sharpness", number(Number::Sharpness, &|v| v.to_string())),
        ("Luminance", number(Number::Luminance, &|v| v.to_string())),
        ("Source", said(Facet::Source)),
        ("Creator", said(Facet::Creator)),
        ("Licence", said(Facet::Licence)),
        ("Place", each(&|row| place(row))),
        (
            "Captured",
            number(Number::Captured, &|days| {
                crate::browse::date(days).map_or_else(String::new, |d| d.to_string())
            }),
        ),
        ("Labels", labels),
        ("Split", said(Facet::Split)),
        ("Status", said(Facet::Status)),
        ("Reasons", reasons),
    ]
}
