//! `card.html`: a release on one page. No script, nothing from the network;
//! light and dark, on paper and on a telephone.

pub mod coverage;
pub mod map;

use askama::Template;
use fairframe_schemas::{
    Split, Status, Summary, licence,
    release::{Counts, OTHER, UNKNOWN},
    text::{count, counted, duration, percent, sentence, size},
    version::Change,
};

use self::{
    coverage::{Coverage, coverage},
    map::{Map, map},
};
use crate::{attribution::web_link, croissant::cite_as, place::BOUNDARIES_ATTRIBUTION};

/// Most rows of a list of licences or countries; the rest is summed in a last row.
const MAX_ROWS: usize = 12;

/// Why a card could not be made.
#[derive(Debug, thiserror::Error)]
#[error("render card of `{dataset}` {version}: {error}")]
pub struct CardError {
    dataset: String,
    version: String,
    error: askama::Error,
}

/// The page of a release. The same summary gives the same bytes.
pub fn card(summary: &Summary) -> Result<String, CardError> {
    Page::new(summary).render().map_err(|error| CardError {
        dataset: summary.dataset.to_string(),
        version: summary.version.to_string(),
        error,
    })
}

#[derive(Template)]
#[template(path = "card.html")]
struct Page<'a> {
    s: &'a Summary,
    change: String,
    url: Option<String>,
    facts: Vec<Fact>,
    flow: Vec<Part>,
    lost: Option<String>,
    reasons: Vec<ReasonRow>,
    map: Map,
    map_text: String,
    countries: Vec<BarRow>,
    coverage: Coverage,
    regions: Vec<RegionRow>,
    licences: Vec<BarRow>,
    types: Vec<BarRow>,
    splits: SplitTable,
    duplicates: String,
    consents: Vec<BarRow>,
    attributes: Vec<(String, Vec<BarRow>)>,
    opt_outs: Vec<BarRow>,
    restrictions: Vec<BarRow>,
    sources: Vec<SourceRow>,
    files: Vec<FileRow>,
    citation: String,
    boundaries: &'static str,
}

/// What the template writes numbers with.
mod filters {
    #[askama::filter_fn]
    pub fn count(n: &u64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(super::count(*n))
    }
}

/// A figure at the head of the page.
struct Fact {
    value: String,
    label: String,
}

/// A part of the bar that shows what became of the samples listed.
struct Part {
    status: Status,
    n: String,
    share: String,
    /// Start and length in percent.
    x: String,
    width: String,
}

struct ReasonRow {
    status: Status,
    code: &'static str,
    text: String,
    n: String,
    share: String,
}

/// A word with its count and share.
struct BarRow {
    label: String,
    /// The word as manifests have it, where the label is another.
    code: Option<String>,
    n: String,
    share: String,
    width: String,
    /// `unknown` and `other` look different from words.
    plain: bool,
}

struct RegionRow {
    region: String,
    listed: String,
    accepted: String,
    share: String,
    interval: String,
    plain: bool,
}

struct SplitTable {
    splits: Vec<Split>,
    rows: Vec<(String, Vec<String>)>,
    totals: Vec<String>,
}

struct SourceRow {
    source: String,
    kind: &'static str,
    origin: Option<String>,
    link: Option<String>,
    listed: String,
    accepted: String,
}

struct FileRow {
    name: String,
    size: String,
    rows: String,
    sha256: String,
}

impl<'a> Page<'a> {
    fn new(s: &'a Summary) -> Self {
        let c = &s.counts;
        let map = map(c);
        let coverage = coverage(c);
        let map_text = match (map.countries.len(), map.unknown) {
            (0, 0) => "No accepted sample.".to_owned(),
            (0, unknown) => format!("{} without a known country.", counted(unknown, "sample")),
            (_, unknown) => format!(
                "{} in {}; {} without a known country.",
                counted(c.accepted() - unknown, "sample"),
                match known(&c.countries) {
                    1 => "1 country".to_owned(),
                    n => format!("{n} countries"),
                },
                count(unknown)
            ),
        };
        Self {
            s,
            change: change(s),
            url: s.about.url.as_deref().and_then(web_link),
            facts: facts(s),
            flow: flow(s),
            lost: (c.listed != c.out()).then(|| {
                format!(
                    "{} listed, {} accounted for: the counts do not agree.",
                    count(c.listed),
                    count(c.out())
                )
            }),
            reasons: reasons(s),
            map,
            map_text,
            countries: bars(&c.countries, map::country_name)
                .into_iter()
                .map(|row| BarRow { code: None, ..row })
                .collect(),
            coverage,
            regions: regions(s),
            licences: bars(&c.licences, licence_words),
            types: bars(&c.mimes, str::to_owned),
            splits: splits(s),
            duplicates: duplicates(s),
            consents: bars(
                &c.consents
                    .iter()
                    .map(|(state, n)| (state.to_string(), *n))
                    .collect(),
                consent_words,
            )
            .into_iter()
            .map(|row| BarRow { code: None, ..row })
            .collect(),
            attributes: c
                .attributes
                .iter()
                .map(|(name, values)| (name.clone(), bars(values, str::to_owned)))
                .collect(),
            opt_outs: bars(&c.opt_outs, opt_out_words),
            restrictions: bars(&c.restrictions, restriction_words),
            sources: sources(s),
            files: files(s),
            citation: cite_as(s),
            boundaries: BOUNDARIES_ATTRIBUTION,
        }
    }
}

fn known(counts: &Counts) -> usize {
    counts
        .keys()
        .filter(|w| *w != UNKNOWN && *w != OTHER)
        .count()
}

fn change(s: &Summary) -> String {
    let Some(previous) = s.previous else {
        return "first release".to_owned();
    };
    match s.change {
        Change::None => format!("unchanged since {previous}"),
        Change::Patch => format!("patch to {previous}: same samples, same media"),
        Change::Minor => format!("adds to {previous}; nothing was taken out"),
        Change::Major => format!("replaces {previous}; samples were changed or withdrawn"),
    }
}

fn facts(s: &Summary) -> Vec<Fact> {
    let c = &s.counts;
    let fact = |value: String, label: &str| Fact {
        value,
        label: label.to_owned(),
    };
    let mut out = vec![
        fact(count(c.accepted()), "accepted samples"),
        fact(count(known(&c.countries) as u64), "countries"),
        fact(count(known(&c.licences) as u64), "licences"),
    ];
    if c.subjects > 0 {
        out.push(fact(count(c.subjects), "people shown"));
    }
    out.push(fact(size(c.media_bytes), "of media"));
    if c.duration_ms > 0 {
        out.push(fact(duration(c.duration_ms), "of video"));
    }
    out
}

fn flow(s: &Summary) -> Vec<Part> {
    let c = &s.counts;
    let whole = c.out();
    let mut start = 0;
    Status::ALL
        .iter()
        .filter(|status| c.of(**status) > 0)
        .map(|&status| {
            let n = c.of(status);
            let x = 100.0 * start as f64 / whole as f64;
            start += n;
            Part {
                status,
                n: count(n),
                share: percent(n, whole),
                x: format!("{x:.3}"),
                width: format!("{:.3}", 100.0 * n as f64 / whole as f64),
            }
        })
        .collect()
}

fn reasons(s: &Summary) -> Vec<ReasonRow> {
    let mut rows: Vec<_> = s.counts.decided_by.iter().collect();
    rows.sort_by(|a, b| {
        let by_status = a.0.status().cmp(&b.0.status());
        by_status.then(b.1.cmp(a.1)).then(a.0.cmp(b.0))
    });
    rows.into_iter()
        .map(|(reason, n)| ReasonRow {
            status: reason.status(),
            code: reason.code(),
            text: sentence(reason.text()),
            n: count(*n),
            share: percent(*n, s.counts.out()),
        })
        .collect()
}

/// Largest first; `unknown` and `other` last.
fn bars(counts: &Counts, name: impl Fn(&str) -> String) -> Vec<BarRow> {
    let whole: u64 = counts.values().sum();
    let special = |word: &str| word == UNKNOWN || word == OTHER;
    let mut words: Vec<(&String, u64)> = counts
        .iter()
        .filter(|(word, _)| !special(word))
        .map(|(word, n)| (word, *n))
        .collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let keep = if words.len() > MAX_ROWS {
        MAX_ROWS - 1
    } else {
        words.len()
    };
    let rest: u64 = words[keep..].iter().map(|w| w.1).sum();
    let more = words.len() - keep;
    let mut rows: Vec<(String, Option<String>, u64, bool)> = words[..keep]
        .iter()
        .map(|(word, n)| {
            let label = name(word);
            let code = (label != **word).then(|| (*word).clone());
            (label, code, *n, false)
        })
        .collect();
    let other = rest + counts.get(OTHER).copied().unwrap_or(0);
    if other > 0 {
        let label = if more > 0 {
            format!("{more} more")
        } else {
            OTHER.to_owned()
        };
        rows.push((label, None, other, true));
    }
    if let Some(n) = counts.get(UNKNOWN) {
        rows.push((UNKNOWN.to_owned(), None, *n, true));
    }
    let largest = rows.iter().map(|r| r.2).max().unwrap_or(1).max(1);
    rows.into_iter()
        .map(|(label, code, n, plain)| BarRow {
            label,
            code,
            n: count(n),
            share: percent(n, whole),
            width: format!("{:.2}", 100.0 * n as f64 / largest as f64),
            plain,
        })
        .collect()
}

/// Who is left out: how many of the samples listed for a region were accepted.
fn regions(s: &Summary) -> Vec<RegionRow> {
    let mut rows: Vec<_> = s.counts.region_status.iter().collect();
    rows.sort_by_key(|(region, _)| (*region == UNKNOWN, (*region).clone()));
    rows.into_iter()
        .map(|(region, by_status)| {
            let listed: u64 = by_status.values().sum();
            let accepted = by_status.get(&Status::Accepted).copied().unwrap_or(0);
            RegionRow {
                region: region.clone(),
                listed: count(listed),
                accepted: count(accepted),
                share: percent(accepted, listed),
                interval: coverage::wilson(accepted, listed).map_or_else(String::new, |(l, h)| {
                    format!("{:.1} to {:.1}%", 100.0 * l, 100.0 * h)
                }),
                plain: region == UNKNOWN,
            }
        })
        .collect()
}

fn splits(s: &Summary) -> SplitTable {
    let c = &s.counts;
    let splits: Vec<Split> = Split::ALL
        .iter()
        .copied()
        .filter(|split| c.splits.contains_key(split))
        .collect();
    let mut rows: Vec<_> = c.region_split.iter().collect();
    rows.sort_by_key(|(region, _)| (*region == UNKNOWN, (*region).clone()));
    SplitTable {
        rows: rows
            .into_iter()
            .map(|(region, by_split)| {
                let cell = |split| by_split.get(split).copied().unwrap_or(0);
                (
                    region.clone(),
                    splits.iter().map(|s| count(cell(s))).collect(),
                )
            })
            .collect(),
        totals: splits.iter().map(|split| count(c.splits[split])).collect(),
        splits,
    }
}

fn duplicates(s: &Summary) -> String {
    let d = s.counts.duplicates;
    let exact = match d.exact {
        0 => "No sample had the same bytes as another.".to_owned(),
        n => format!(
            "{} refused for having the same bytes as another.",
            counted(n, "sample")
        ),
    };
    let near = match d.near {
        0 => "None looks nearly like another.".to_owned(),
        n => format!(
            "{} nearly like another: kept, and kept together in {}, so that no split sees what another was trained on.",
            if n == 1 {
                "1 looks".to_owned()
            } else {
                format!("{} look", count(n))
            },
            counted(d.near_groups, "group")
        ),
    };
    format!("{exact} {near}")
}

fn licence_words(expression: &str) -> String {
    licence::words(expression).unwrap_or(expression).to_owned()
}

/// What is read of opt-outs, in words.
fn opt_out_words(code: &str) -> String {
    match code {
        "robots.txt" => "robots.txt keeps us out",
        "tdm-reservation" => "text and data mining is reserved (TDMRep)",
        _ => code,
    }
    .to_owned()
}

/// Wikimedia Commons' words for rights beside copyright, in ours.
fn restriction_words(code: &str) -> String {
    match code {
        "personality" => "personality rights of a person shown",
        "trademarked" => "a trademark is shown",
        "insignia" => "official insignia are shown",
        "currency" => "money is shown",
        "design" => "a protected design is shown",
        _ => code,
    }
    .to_owned()
}

fn consent_words(state: &str) -> String {
    state
        .strip_prefix("Consent")
        .unwrap_or(state)
        .to_lowercase()
}

fn sources(s: &Summary) -> Vec<SourceRow> {
    s.sources
        .iter()
        .map(|source| SourceRow {
            source: source.source.to_string(),
            kind: match source.kind.as_str() {
                "wikimedia" => "MediaWiki",
                "crowdsourced" => "crowdsourced drop",
                "actors" => "actor video session",
                _ => "other",
            },
            link: source.origin.as_deref().and_then(web_link),
            origin: source.origin.clone(),
            listed: count(source.by_status.values().sum()),
            accepted: count(
                source
                    .by_status
                    .get(&Status::Accepted)
                    .copied()
                    .unwrap_or(0),
            ),
        })
        .collect()
}

fn files(s: &Summary) -> Vec<FileRow> {
    s.files
        .iter()
        .map(|file| FileRow {
            name: file.name.clone(),
            size: size(file.bytes),
            rows: file.rows.map_or_else(String::new, count),
            sha256: file.sha256.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::{approval, summary};

    #[test]
    fn the_same_summary_gives_the_same_page() {
        assert_eq!(card(&summary()).unwrap(), card(&summary()).unwrap());
    }

    #[test]
    fn the_page_runs_nothing_and_asks_the_network_for_nothing() {
        let page = card(&summary()).unwrap();
        for word in [
            "<script",
            "javascript:",
            "@import",
            "url(",
            "<img",
            "<link",
            "onload",
        ] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn words_from_outside_are_escaped() {
        let mut s = summary();
        let evil = "<b onload=x>&\"'";
        s.about.title = Some(evil.into());
        s.about.description = Some(evil.into());
        s.about.url = Some("javascript:alert(1)".into());
        s.approval = Some(approval(evil));
        s.counts.licences.insert(evil.into(), 1);
        s.counts.opt_outs.insert(evil.into(), 1);
        s.counts
            .attributes
            .insert(evil.into(), [(evil.to_owned(), 1)].into());
        let page = card(&s).unwrap();
        assert!(!page.contains("<b "), "markup got through");
        assert!(!page.contains("javascript:"));
    }

    #[test]
    fn what_is_new_stands_where_somebody_wrote_it() {
        let mut s = summary();
        assert!(!card(&s).unwrap().contains("What is new"));
        s.approval = Some(approval("Two more islands."));
        let page = card(&s).unwrap();
        assert!(page.contains("What is new") && page.contains("Two more islands."));
        s.approval = Some(approval(" "));
        assert!(!card(&s).unwrap().contains("What is new"));
    }

    #[test]
    fn every_deciding_reason_stands_with_its_sentence() {
        let s = summary();
        let page = card(&s).unwrap();
        for reason in s.counts.decided_by.keys() {
            assert!(page.contains(reason.code()), "{reason}");
            assert!(
                page.contains(&fairframe_schemas::text::escape(&sentence(reason.text()))),
                "{reason}"
            );
        }
    }

    #[test]
    fn counts_that_do_not_agree_are_said_aloud() {
        let mut s = summary();
        assert!(!card(&s).unwrap().contains("do not agree"));
        s.counts.listed += 1;
        assert!(card(&s).unwrap().contains("do not agree"));
    }

    #[test]
    fn an_empty_release_has_a_page() {
        let mut s = summary();
        s.counts = Default::default();
        s.files.clear();
        s.sources.clear();
        let page = card(&s).unwrap();
        assert!(page.contains("No accepted sample"));
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn long_lists_end_in_a_sum() {
        let counts: Counts = (0..40).map(|i| (format!("w{i:02}"), 40 - i)).collect();
        let rows = bars(&counts, str::to_owned);
        assert_eq!(rows.len(), MAX_ROWS);
        assert_eq!(rows[MAX_ROWS - 1].label, "29 more");
    }
}
