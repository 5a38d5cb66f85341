//! `/datasets/{name}/{version}/statistics`: how the accepted samples are spread, as bars and tables.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Html,
};
use fairframe_schemas::{DatasetVersion, Name, Status, text::percent};

use super::{filters, samples::words::shown};
use crate::{
    App,
    access::Who,
    browse::{self, Facet, Filter, Key, Number, Value, View, kept},
    catalog,
    error::{AppError, page},
    viewer::Looking,
};

/// What is shown, in order.
const FACETS: [Facet; 8] = [
    Facet::Region,
    Facet::Country,
    Facet::Licence,
    Facet::Source,
    Facet::PlaceOrigin,
    Facet::Year,
    Facet::Label,
    Facet::Split,
];

/// Words of one; the rest is summed up.
const MOST: usize = 20;

/// Edges of the larger side, in pixels.
const SIDES: [f64; 6] = [320.0, 640.0, 1280.0, 1920.0, 2560.0, 3840.0];

/// Edges of a file's size, in bytes.
const SIZES: [f64; 6] = [1e4, 1e5, 5e5, 1e6, 5e6, 2e7];

#[derive(Template)]
#[template(path = "statistics.html")]
struct Statistics {
    dataset: Name,
    version: DatasetVersion,
    title: String,
    total: u64,
    spreads: Vec<Spread>,
}

/// Samples by the words of one property.
struct Spread {
    id: String,
    title: String,
    /// What a sample with several is counted as.
    note: &'static str,
    bars: Vec<Bar>,
    /// Words that are not shown, and the samples they have.
    more: Option<(u64, u64)>,
}

struct Bar {
    word: String,
    samples: u64,
    share: String,
    /// Of a hundred, of the longest.
    width: u64,
    /// Those samples.
    href: Option<String>,
}

impl Spread {
    fn new(id: &str, title: &str, note: &'static str, mut bars: Vec<Bar>, sum: bool) -> Self {
        let rest = bars.split_off(bars.len().min(MOST));
        let of_rest = rest.iter().map(|b| b.samples).sum();
        let longest = bars.iter().map(|b| b.samples).max().unwrap_or(0).max(1);
        for bar in &mut bars {
            bar.width = (100 * bar.samples).div_ceil(longest);
        }
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            note,
            bars,
            more: (sum && !rest.is_empty()).then_some((rest.len() as u64, of_rest)),
        }
    }
}

/// `under 320`, `320 to 640`, ...
fn band(edges: &[f64], band: usize, word: fn(f64) -> String) -> String {
    match (band.checked_sub(1).map(|b| edges[b]), edges.get(band)) {
        (None, Some(high)) => format!("under {}", word(*high)),
        (Some(low), Some(high)) => format!("{} to {}", word(low), word(*high)),
        (Some(low), None) => format!("{} and more", word(low)),
        (None, None) => String::new(),
    }
}

fn pixels(n: f64) -> String {
    format!("{n:.0}")
}

fn bytes(n: f64) -> String {
    match n {
        n if n < 1e6 => format!("{:.0} kB", n / 1e3),
        n => format!("{:.0} MB", n / 1e6),
    }
}

pub async fn statistics(
    State(app): State<App>,
    who: Who,
    Path((name, version)): Path<(String, String)>,
) -> Result<Html<String>, AppError> {
    let release = catalog::release(&app.layout, &name, &version)?;
    let title = release.summary()?.title().to_owned();
    let looking = Looking::at(&app, &who, release).await?;
    let mut filter = Filter::default();
    let accepted = filter.words.entry(Facet::Status).or_default();
    accepted.any.insert(Status::Accepted.to_string());
    let bands = [
        (
            Number::Width,
            "Width, pixels",
            &SIDES[..],
            pixels as fn(f64) -> String,
        ),
        (Number::Height, "Height, pixels", &SIDES[..], pixels),
        (Number::Bytes, "Size of the file", &SIZES[..], bytes),
    ];
    let count = move |view: &View<'_>| {
        let found = view.query(&filter, Default::default(), 0..0, &FACETS);
        let banded = bands.map(|(number, title, edges, word)| {
            let edges_of = Key::Band {
                number,
                edges: edges.to_vec(),
            };
            let groups = view.group_by(&filter, &[edges_of]);
            groups.map(|groups| (number, title, edges, word, groups))
        });
        (found, banded)
    };
    let (found, banded) = looking.ask(count).await?;
    let (dataset, version) = (looking.release.dataset, looking.release.version);
    let samples = format!("/datasets/{dataset}/{version}/samples");
    let total = found.total;
    let mut spreads = Vec::new();
    for counts in found.facets {
        let facet = counts.facet;
        let only_none = counts.words.iter().all(|(word, _)| word.is_empty());
        if only_none && facet != Facet::Country && facet != Facet::Licence {
            continue;
        }
        let bar = |(word, n): (String, u64)| Bar {
            share: percent(n, total),
            href: Some(format!(
                "{samples}?{}",
                browse::query(&[(facet.key().to_owned(), kept(&word).to_owned())])
            )),
            word: shown(facet, &word),
            samples: n,
            width: 0,
        };
        let mut words = counts.words;
        if facet == Facet::Year {
            // In their order, which is what a reader looks for.
            words.sort();
        }
        let note = match facet.is_list() {
            true => "A sample with several counts for each.",
            false => "",
        };
        let bars = words.into_iter().map(bar).collect();
        spreads.push(Spread::new(
            facet.key(),
            facet.title(),
            note,
            bars,
            !facet.is_list(),
        ));
    }
    for banded in banded {
        let (number, title, edges, word, groups) = banded.map_err(AppError::internal)?;
        let bar = |group: browse::Group| Bar {
            word: match group.values.first() {
                Some(Value::Band(at)) => band(edges, *at, word),
                _ => "unknown".to_owned(),
            },
            share: percent(group.samples, total),
            samples: group.samples,
            width: 0,
            href: None,
        };
        let bars: Vec<Bar> = groups.into_iter().map(bar).collect();
        spreads.push(Spread::new(number.key(), title, "", bars, true));
    }
    page(&Statistics {
        dataset,
        version,
        title,
        total,
        spreads,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_said_in_words() {
        let words: Vec<String> = (0..=6).map(|n| band(&SIZES, n, bytes)).collect();
        assert_eq!(words[0], "under 10 kB");
        assert_eq!(words[3], "500 kB to 1 MB");
        assert_eq!(words[6], "20 MB and more");
        assert_eq!(band(&SIDES, 1, pixels), "320 to 640");
    }
}
