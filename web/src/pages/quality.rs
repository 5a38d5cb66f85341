//! `/datasets/{name}/{version}/quality`: whom a threshold of quality would take out. For a number
//! and a threshold, the share of each group that falls, with its interval.

mod scale;
mod words;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Html,
};
use fairframe_eval::intervals::{difference, quantile, wilson};
use fairframe_schemas::{DatasetVersion, Name, Status, text::percent};

use self::{
    scale::{Scale, Strip},
    words::{Measure, in_words, measure},
};
use super::{address, filters, pairs, samples};
use crate::{
    App,
    access::Who,
    browse::{Facet, Filter, FilterError, Range, Spread, Spreads, View, last},
    catalog,
    error::{AppError, page},
    viewer::Looking,
};

/// Keys of the page that are not of the filter.
const OWN: [&str; 5] = ["measure", "by", "at", "share", "least"];

/// What samples can be grouped by here.
const BY: [Facet; 10] = [
    Facet::Region,
    Facet::Subregion,
    Facet::Country,
    Facet::Licence,
    Facet::Source,
    Facet::Label,
    Facet::Year,
    Facet::MediaType,
    Facet::Split,
    Facet::PlaceOrigin,
];

/// Fewest measured samples of a group whose share is shown, unless told otherwise: as in a report.
const LEAST: u64 = 30;

/// Groups shown: those with the most samples.
const GROUPS: usize = 60;

/// Nominal coverage of the intervals.
const LEVEL: f64 = 0.95;

/// Shares of all samples for which thresholds are offered.
const OFFERED: [f64; 4] = [0.01, 0.05, 0.10, 0.25];

/// The share that the threshold takes out where none was given.
const USUAL: f64 = 0.05;

/// The slider's end, in percent of all samples; it goes by halves. Any share below all can be asked for.
const MOST: f64 = 50.0;

/// An address of the page, read.
#[derive(Debug, Clone)]
struct Asked {
    base: String,
    filter: Filter,
    measure: &'static Measure,
    by: Facet,
    /// In the measure's unit.
    at: Option<f64>,
    /// What the threshold is to take out, where none is given; in percent of all.
    share: Option<f64>,
    least: u64,
}

impl Asked {
    fn parse(
        dataset: &Name,
        version: DatasetVersion,
        pairs: &[(String, String)],
    ) -> Result<Self, FilterError> {
        let own = |key| last(pairs, key);
        let by = match own("by") {
            None => Facet::Region,
            Some(key) => {
                let found = BY.into_iter().find(|f| f.key() == key);
                found.ok_or_else(|| unknown("group", key))?
            }
        };
        let at = match own("at") {
            None => None,
            Some(text) => {
                let value = text.parse().ok();
                let value = value.filter(|v: &f64| v.is_finite() && *v >= 0.0);
                Some(value.ok_or_else(|| wrong("at", text, "number of 0 or more"))?)
            }
        };
        let share = match own("share") {
            None => None,
            Some(text) => {
                let value = text.parse().ok();
                let value = value.filter(|v: &f64| *v > 0.0 && *v < 100.0);
                Some(value.ok_or_else(|| wrong("share", text, "number between 0 and 100"))?)
            }
        };
        let least = match own("least") {
            None => LEAST,
            Some(text) => {
                let value = text.parse().ok().filter(|n| *n > 0);
                value.ok_or_else(|| wrong("least", text, "whole number of 1 or more"))?
            }
        };
        Ok(Self {
            base: format!("/datasets/{dataset}/{version}"),
            filter: Filter::parse(pairs, &OWN)?,
            measure: match own("measure") {
                None => &words::MEASURES[0],
                Some(key) => measure(key).ok_or_else(|| unknown("measure", key))?,
            },
            by,
            at,
            share,
            least,
        })
    }

    /// The address with another measure or threshold; without one, of what takes out as much.
    fn with(&self, measure: &Measure, at: Option<f64>) -> String {
        let mut own = vec![("measure", measure.key().to_owned())];
        if self.by != Facet::Region {
            own.push(("by", self.by.key().to_owned()));
        }
        if let Some(at) = at {
            own.push(("at", at.to_string()));
        } else if let Some(share) = self.share {
            own.push(("share", share.to_string()));
        }
        if self.least != LEAST {
            own.push(("least", self.least.to_string()));
        }
        let own: Vec<(String, String)> = own.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        address(&format!("{}/quality", self.base), &self.filter, &own)
    }

    fn samples(&self, filter: &Filter) -> String {
        address(&format!("{}/samples", self.base), filter, &[])
    }
}

fn wrong(key: &str, text: &str, wanted: &'static str) -> FilterError {
    FilterError::Value {
        key: key.to_owned(),
        text: text.chars().take(60).collect(),
        wanted,
    }
}

fn unknown(key: &'static str, word: &str) -> FilterError {
    FilterError::Word {
        key,
        word: word.chars().take(60).collect(),
        near: None,
    }
}

#[derive(Template)]
#[template(path = "quality.html")]
struct Quality {
    dataset: Name,
    version: DatasetVersion,
    asked: Asked,
    /// The filter in words.
    told: Vec<String>,
    measured: u64,
    unknown: u64,
    /// None where nothing was measured.
    threshold: Option<Threshold>,
    curates: bool,
}

/// What a threshold does.
struct Threshold {
    at: String,
    /// Where the slider stands, in percent.
    slider: String,
    offers: Vec<(String, String)>,
    all: Fall,
    rows: Vec<Row>,
    hidden: u64,
    verdict: String,
    /// Where the drawn distributions begin and end, in words.
    ends: [String; 2],
    line: String,
}

/// What falls of some samples.
struct Fall {
    falls: u64,
    n: u64,
    share: String,
    interval: String,
    /// Where they are, where an address can say so.
    samples: Option<String>,
}

/// One group.
struct Row {
    name: String,
    fall: Fall,
    /// Too few to say.
    few: bool,
    unknown: u64,
    /// Left, width: of the share's bar and of its interval, in percent of the column.
    bar: Option<[String; 3]>,
    strip: Option<Strip>,
}

impl Quality {
    fn measures(&self) -> impl Iterator<Item = (&'static Measure, String, bool)> {
        let own = self.asked.measure.number;
        words::MEASURES
            .iter()
            .map(move |m| (m, self.asked.with(m, None), m.number == own))
    }

    fn groupings(&self) -> [(&'static str, String, bool); BY.len()] {
        BY.map(|f| (f.key(), f.title().to_lowercase(), f == self.asked.by))
    }

    fn most(&self) -> f64 {
        MOST
    }

    /// What the form sends along.
    fn hidden(&self) -> Vec<(String, String)> {
        pairs(&self.asked.filter.to_string())
    }
}

pub async fn quality(
    State(app): State<App>,
    who: Who,
    Path((name, version)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Html<String>, AppError> {
    let release = catalog::release(&app.layout, &name, &version)?;
    let asked = Asked::parse(&release.dataset, release.version, &pairs)?;
    let looking = Looking::at(&app, &who, release).await?;
    // Of what was refused or withdrawn already, a threshold takes nothing.
    let mut filter = asked.filter.clone();
    if !filter.words.contains_key(&Facet::Status) {
        filter = filter.toggled(Facet::Status, Status::Accepted.as_str());
    }
    let own = asked.clone();
    let look = move |view: &View<'_>| {
        let spreads = view.spreads(&filter, own.measure.number, own.by);
        let threshold = threshold(&own, &filter, &spreads);
        (
            spreads.all.values.len() as u64,
            spreads.all.unknown,
            threshold,
        )
    };
    let (measured, unknown, threshold) = looking.ask(look).await?;
    let Looking {
        release, viewer, ..
    } = looking;
    page(&Quality {
        told: samples::told(&release.dataset, release.version, &asked.filter),
        dataset: release.dataset,
        version: release.version,
        asked,
        measured,
        unknown,
        threshold,
        curates: viewer.may_see_excluded && viewer.is_newest,
    })
}

fn threshold(asked: &Asked, filter: &Filter, spreads: &Spreads) -> Option<Threshold> {
    if spreads.all.values.is_empty() {
        return None;
    }
    let measure = asked.measure;
    let offer = |share: f64| {
        let at = if measure.over { 1.0 - share } else { share };
        quantile(&spreads.all.values, at).map(|v| measure.shown(v))
    };
    let at = match asked.at {
        Some(at) => at,
        None => offer(asked.share.map_or(USUAL, |percent| percent / 100.0))?,
    };
    let edge = measure.stored(at);
    let mut taken = filter.clone();
    let range = taken.ranges.entry(measure.number).or_default();
    // Both ends belong to a range: what lies on the threshold falls.
    *range = narrowed(*range, measure.over, edge);
    let falls = |spread: &Spread| match measure.over {
        true => spread.from(edge),
        false => spread.up_to(edge),
    };
    let fall = |spread: &Spread, filter: Option<&Filter>| {
        let (falls, n) = (falls(spread), spread.values.len() as u64);
        Fall {
            falls,
            n,
            share: percent(falls, n),
            interval: wilson(falls as f64, n, LEVEL).map_or_else(String::new, |(low, high)| {
                format!("{:.1} to {:.1}%", low * 100.0, high * 100.0)
            }),
            samples: filter
                .filter(|_| falls > 0)
                .map(|filter| asked.samples(filter)),
        }
    };
    let mut groups: Vec<&(String, Spread)> = spreads.groups.iter().collect();
    let size = |s: &Spread| s.values.len() as u64 + s.unknown;
    groups.sort_by_key(|(_, spread)| std::cmp::Reverse(size(spread)));
    let hidden = groups.len().saturating_sub(GROUPS) as u64;
    groups.truncate(GROUPS);
    let share = |s: &Spread| falls(s) as f64 / (s.values.len() as f64).max(1.0);
    let few = |s: &Spread| (s.values.len() as u64) < asked.least;
    groups.sort_by(|(_, a), (_, b)| {
        let order = few(a).cmp(&few(b));
        order.then(share(b).total_cmp(&share(a)))
    });
    let scale = Scale::new(measure, &spreads.all.values, edge);
    // As wide as the widest interval.
    let shown = groups.iter().filter(|(_, s)| !few(s));
    let widest = shown
        .filter_map(|(_, s)| wilson(falls(s) as f64, s.values.len() as u64, LEVEL))
        .fold(0.0, |most: f64, (_, high)| most.max(high));
    let rows = groups.iter().map(|(word, spread)| {
        let own = one_group(&taken, asked.by, word);
        let few = few(spread);
        let interval = wilson(falls(spread) as f64, spread.values.len() as u64, LEVEL);
        let bar = interval.filter(|_| !few).map(|(low, high)| {
            let part = |share: f64| format!("{:.2}%", share / widest.max(1e-9) * 100.0);
            [part(share(spread)), part(low), part(high - low)]
        });
        Row {
            name: samples::word(asked.by, word),
            fall: fall(spread, own.as_ref()),
            few,
            unknown: spread.unknown,
            bar,
            strip: scale.strip(&spread.values).filter(|_| !few),
        }
    });
    let offers = OFFERED.into_iter().filter_map(|share| {
        let at = offer(share)?;
        let words = format!("{:.0}%", share * 100.0);
        Some((words, asked.with(measure, Some(at))))
    });
    let all = &spreads.all;
    let taken_out = 100.0 * falls(all) as f64 / all.values.len() as f64;
    let slider = asked.share.filter(|_| asked.at.is_none());
    let slider = slider.unwrap_or((2.0 * taken_out).round() / 2.0);
    Some(Threshold {
        at: at.to_string(),
        slider: slider.clamp(0.5, MOST).to_string(),
        offers: offers.collect(),
        all: fall(&spreads.all, Some(&taken)),
        rows: rows.collect(),
        hidden,
        verdict: verdict(asked, &groups, &falls),
        ends: scale.ends(),
        line: scale.place(edge),
    })
}

/// The samples of a filter that have one word of a facet; none where no filter holds just them.
fn one_group(of: &Filter, facet: Facet, word: &str) -> Option<Filter> {
    let mut own = of.clone();
    if let Some(choice) = own.words.get_mut(&facet) {
        // Words of one facet are joined by *or*.
        if facet.is_list() && choice.any.iter().any(|other| other != word) {
            return None;
        }
        choice.any.clear();
    }
    Some(own.toggled(facet, word))
}

/// A range of which only what falls is left.
fn narrowed(range: Range, over: bool, edge: f64) -> Range {
    match over {
        true => Range {
            min: Some(range.min.map_or(edge, |min| min.max(edge))),
            ..range
        },
        false => Range {
            max: Some(range.max.map_or(edge, |max| max.min(edge))),
            ..range
        },
    }
}

/// The largest gap between two groups, in plain words.
fn verdict(asked: &Asked, groups: &[&(String, Spread)], falls: &dyn Fn(&Spread) -> u64) -> String {
    let judged: Vec<(&str, u64, u64)> = groups
        .iter()
        .map(|(word, spread)| (word.as_str(), falls(spread), spread.values.len() as u64))
        .filter(|(.., n)| *n >= asked.least)
        .collect();
    // The groups come by their shares.
    let [most, .., least] = judged[..] else {
        return format!(
            "Fewer than two groups have {} measured samples or more: there is nothing to compare.",
            asked.least
        );
    };
    let words = |(word, falls, n): (&str, u64, u64)| {
        format!(
            "{} of the samples {}",
            percent(falls, n),
            in_words(asked.by, word)
        )
    };
    let pair = |(_, falls, n): (&str, u64, u64)| (falls as f64, n);
    let gap = most.1 as f64 / most.2 as f64 - least.1 as f64 / least.2 as f64;
    let (low, high) = difference(pair(most), pair(least), LEVEL).unwrap_or((-1.0, 1.0));
    if gap == 0.0 {
        return "This threshold takes out the same share of every group.".to_owned();
    }
    let judgement = match low > 0.0 {
        true => "That is more than chance makes of two groups of these sizes.",
        false => "Groups of these sizes differ as much by chance.",
    };
    format!(
        "This threshold would take out {} and {}: a gap of {:.1} points (95% interval {:.1} to {:.1}), the largest among {} groups. {judgement}",
        words(most),
        words(least),
        gap * 100.0,
        low * 100.0,
        high * 100.0,
        judged.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_a_filter_is_said_by_a_filter_or_not_at_all() {
        let all = Filter::default();
        let [house, tree] = ["house", "tree"].map(|w| all.toggled(Facet::Label, w));
        assert_eq!(one_group(&all, Facet::Label, "tree"), Some(tree.clone()));
        assert_eq!(one_group(&tree, Facet::Label, "tree"), Some(tree.clone()));
        assert_eq!(one_group(&house, Facet::Label, "tree"), None);
        let without = all.excluding(Facet::Label, "house");
        let text = one_group(&without, Facet::Label, "tree").map(|f| f.to_string());
        assert_eq!(text.as_deref(), Some("label=tree&label!=house"));
        let two = all.toggled(Facet::Region, "Africa");
        let two = two.toggled(Facet::Region, "Europe");
        let africa = all.toggled(Facet::Region, "Africa");
        assert_eq!(one_group(&two, Facet::Region, "Africa"), Some(africa));
        let unknown = one_group(&two, Facet::Region, "").map(|f| f.to_string());
        assert_eq!(unknown.as_deref(), Some("region="));
    }

    #[test]
    fn what_falls_lies_within_the_filter() {
        let range = |min, max| Range { min, max };
        assert_eq!(
            narrowed(range(Some(1.0), Some(9.0)), false, 5.0),
            range(Some(1.0), Some(5.0))
        );
        assert_eq!(
            narrowed(range(None, Some(3.0)), false, 5.0),
            range(None, Some(3.0))
        );
        assert_eq!(
            narrowed(range(Some(7.0), None), true, 5.0),
            range(Some(7.0), None)
        );
        assert_eq!(
            narrowed(Range::default(), true, 5.0),
            range(Some(5.0), None)
        );
    }
}
