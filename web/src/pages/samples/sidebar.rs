//! The facets beside the samples, as links with counts; and what is chosen, as
//! links that take it away again.

use super::{request::Asked, words};
use crate::browse::{Area, Choice, Counts, Facet, Filter, Number, written};

/// Facets in the order of the sidebar.
pub const SHOWN: [Facet; 20] = [
    Facet::Status,
    Facet::Reason,
    Facet::Region,
    Facet::Country,
    Facet::Label,
    Facet::Year,
    Facet::MediaType,
    Facet::Mime,
    Facet::Licence,
    Facet::Consent,
    Facet::Purpose,
    Facet::Restriction,
    Facet::OptOut,
    Facet::Place,
    Facet::PlaceOrigin,
    Facet::Source,
    Facet::Split,
    Facet::Method,
    Facet::Compression,
    Facet::Subregion,
];

/// Words shown of a facet, and where all are asked for.
const FEW: usize = 7;
const MANY: usize = 500;

/// One facet.
pub struct Section {
    pub title: &'static str,
    pub id: &'static str,
    pub entries: Vec<Entry>,
    /// Words that are not shown, and where they are.
    pub hidden: u64,
    pub more: String,
    pub is_more: bool,
}

pub struct Entry {
    pub word: String,
    pub samples: u64,
    pub chosen: bool,
    pub excluded: bool,
    /// Puts it in or out.
    pub toggle: String,
    /// Leaves samples with it out.
    pub exclude: String,
}

/// A part of the filter.
pub struct Chip {
    pub text: String,
    pub without: String,
}

/// The sections that say something: where there is a choice, or one was made.
pub fn sections(asked: &Asked, counts: &[Counts]) -> Vec<Section> {
    let worth = |c: &&Counts| {
        let chosen = asked.filter.words.contains_key(&c.facet);
        let alone = c.words.iter().all(|(word, _)| word.is_empty());
        chosen || (c.words.len() > 1 && !alone)
    };
    counts
        .iter()
        .filter(worth)
        .map(|c| section(asked, c))
        .collect()
}

fn section(asked: &Asked, counts: &Counts) -> Section {
    let facet = counts.facet;
    let choice = asked.filter.words.get(&facet);
    let is_in = |set: fn(&Choice) -> &std::collections::BTreeSet<String>, word: &str| {
        choice.is_some_and(|c| set(c).contains(word))
    };
    let chosen = |word: &str| is_in(|c| &c.any, word) || is_in(|c| &c.none, word);
    // What was chosen stands there whether or not a sample has it.
    let mut words = counts.words.clone();
    for word in choice.into_iter().flat_map(|c| c.any.iter().chain(&c.none)) {
        if !words.iter().any(|(w, _)| w == word) {
            words.push((word.clone(), 0));
        }
    }
    let is_more = asked.more == Some(facet);
    let most = if is_more { MANY } else { FEW };
    words.sort_by_key(|(word, _)| !chosen(word));
    let total = words.len();
    words.truncate(most.max(words.iter().filter(|(w, _)| chosen(w)).count()));
    let mut entries: Vec<Entry> = words
        .into_iter()
        .map(|(word, samples)| Entry {
            toggle: asked.with(asked.filter.toggled(facet, &word)),
            exclude: asked.with(asked.filter.excluding(facet, &word)),
            chosen: is_in(|c| &c.any, &word),
            excluded: is_in(|c| &c.none, &word),
            word: words::shown(facet, &word),
            samples,
        })
        .collect();
    if is_more {
        // A word is looked for by its letters.
        entries.sort_by_key(|entry| entry.word.to_lowercase());
    }
    Section {
        title: facet.title(),
        id: facet.key(),
        hidden: (total - entries.len()) as u64,
        more: asked.with_more(if is_more { None } else { Some(facet) }),
        is_more,
        entries,
    }
}

/// The filter in words, with the address of the page with another one.
pub fn chips(filter: &Filter, with: impl Fn(Filter) -> String) -> Vec<Chip> {
    let mut chips = Vec::new();
    let mut push = |text: String, without: Filter| {
        let without = with(without);
        chips.push(Chip { text, without });
    };
    if !filter.text.is_empty() {
        let without = Filter {
            text: String::new(),
            ..filter.clone()
        };
        push(format!("“{}”", filter.text), without);
    }
    for (facet, choice) in &filter.words {
        let title = facet.title();
        for word in &choice.any {
            let shown = words::shown(*facet, word);
            push(format!("{title}: {shown}"), filter.toggled(*facet, word));
        }
        for word in &choice.none {
            let shown = words::shown(*facet, word);
            push(
                format!("{title}: not {shown}"),
                filter.excluding(*facet, word),
            );
        }
    }
    for (number, range) in &filter.ranges {
        let ends = [range.min, range.max].map(|end| end.map(|value| written(*number, value)));
        let name = short(*number);
        let text = match ends {
            [Some(min), Some(max)] => format!("{name}: {min} to {max}"),
            [Some(min), None] => format!("{name}: {min} or more"),
            [None, Some(max)] => format!("{name}: up to {max}"),
            [None, None] => continue,
        };
        let mut without = filter.clone();
        without.ranges.remove(number);
        push(text, without);
    }
    if let Some(area) = filter.area {
        // Squares of maps end right before the next one: to the decimetre is told.
        let near = |degrees: f64| (degrees * 1e6).round() / 1e6;
        let Area {
            south,
            west,
            north,
            east,
        } = area;
        let [south, west, north, east] = [south, west, north, east].map(near);
        push(
            format!("Box: {south},{west},{north},{east}"),
            Filter {
                area: None,
                ..filter.clone()
            },
        );
    }
    if let Some(group) = &filter.group {
        push(
            format!("Split group: {group}"),
            Filter {
                group: None,
                ..filter.clone()
            },
        );
    }
    chips
}

/// The name of a number without its unit.
pub fn short(number: Number) -> &'static str {
    let title = number.title();
    title.split_once(',').map_or(title, |(name, _)| name)
}
