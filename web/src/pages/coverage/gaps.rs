//! Accepted samples by place against a target: how far from it, and what is missing.

use std::collections::BTreeMap;

use fairframe_eval::coverage::{Cell, apportion, distance, effective, reach};
use fairframe_schemas::Status;

use super::request::Kind;
use crate::{
    browse::{Facet, Filter, GroupError, Key, Value, View},
    pages::places::Level,
};

/// A distribution over places.
#[derive(Debug, Clone)]
pub struct Target {
    pub kind: Kind,
    pub level: Level,
    /// Places without weight are beside the target.
    pub weights: BTreeMap<String, u64>,
}

impl Target {
    /// One of the ready ones: over the places that the World Bank counts people of.
    pub fn ready(kind: Kind, level: Level) -> Self {
        let counted = level.people().into_iter();
        let counted =
            counted.filter_map(|(place, people)| Some((place, people.filter(|n| *n > 0)?)));
        let weight = |people| if kind == Kind::Population { people } else { 1 };
        Self {
            kind,
            level,
            weights: counted
                .map(|(place, people)| (place.to_owned(), weight(people)))
                .collect(),
        }
    }
}

/// A place with what it has and should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub place: String,
    pub have: u64,
    pub weight: u64,
    /// Samples of it in the dataset that is wished for.
    pub want: u64,
}

impl Gap {
    pub fn missing(&self) -> u64 {
        self.want.saturating_sub(self.have)
    }
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Gaps {
    /// Most missing first, then most beyond what is wanted; equal ones by place.
    pub rows: Vec<Gap>,
    pub known: u64,
    /// Samples whose place is not known.
    pub unknown: u64,
    pub weight: u64,
    /// The size of the dataset that is wished for.
    pub size: u64,
    /// The smallest at which nothing need be removed.
    pub reach: u64,
    pub missing: u64,
    /// Total variation.
    pub distance: Option<f64>,
    pub effective: Option<f64>,
    pub effective_target: Option<f64>,
}

/// Accepted samples of a filter only; none where it wants no accepted ones.
pub fn accepted(filter: &Filter) -> Option<Filter> {
    let word = Status::Accepted.as_str();
    if let Some(choice) = filter.words.get(&Facet::Status)
        && (choice.none.contains(word) || !(choice.any.is_empty() || choice.any.contains(word)))
    {
        return None;
    }
    Some(filter.only(Facet::Status, word))
}

/// The accepted samples of a filter by place; the empty one is for those without.
pub fn count(
    view: &View,
    filter: &Filter,
    level: Level,
) -> Result<BTreeMap<String, u64>, GroupError> {
    let Some(filter) = accepted(filter) else {
        return Ok(BTreeMap::new());
    };
    let groups = view.group_by(&filter, &[Key::Facet(level.facet())])?;
    let word = |values: &[Value]| match values.first() {
        Some(Value::Word(word)) => word.clone(),
        _ => String::new(),
    };
    Ok(groups
        .into_iter()
        .map(|group| (word(&group.values), group.samples))
        .collect())
}

/// Holds counts against a target; without a size, that of the smallest dataset that meets it by
/// adding alone.
pub fn gaps(counts: &BTreeMap<String, u64>, target: &Target, size: Option<u64>) -> Gaps {
    let known = counts.iter().filter(|(place, _)| !place.is_empty());
    let mut places: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (place, have) in known {
        places.entry(place).or_default().0 = *have;
    }
    for (place, weight) in &target.weights {
        places.entry(place).or_default().1 = *weight;
    }
    let cells: Vec<Cell> = places
        .values()
        .map(|(have, weight)| Cell {
            have: *have,
            weight: *weight,
        })
        .collect();
    let weights: Vec<u64> = cells.iter().map(|c| c.weight).collect();
    let reach = reach(&cells).unwrap_or(0);
    let size = size.unwrap_or(reach);
    let wanted = apportion(size, &weights);
    let mut rows: Vec<Gap> = places
        .iter()
        .zip(wanted)
        .map(|((place, (have, weight)), want)| Gap {
            place: (*place).to_owned(),
            have: *have,
            weight: *weight,
            want,
        })
        .filter(|gap| gap.have > 0 || gap.weight > 0)
        .collect();
    rows.sort_by(|a, b| {
        let beyond = |gap: &Gap| gap.have.saturating_sub(gap.want);
        let missing = b.missing().cmp(&a.missing());
        missing
            .then(beyond(b).cmp(&beyond(a)))
            .then_with(|| a.place.cmp(&b.place))
    });
    Gaps {
        known: cells.iter().map(|c| c.have).sum(),
        unknown: counts.get("").copied().unwrap_or(0),
        weight: weights.iter().sum(),
        size,
        reach,
        missing: rows.iter().map(Gap::missing).sum(),
        distance: distance(&cells),
        effective: effective(cells.iter().map(|c| c.have)),
        effective_target: effective(weights.iter().copied()),
        rows,
    }
}
