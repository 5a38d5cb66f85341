//! Samples by place, and what is said of each place.

use std::cmp::Ordering;

use fairframe_ingest::card::coverage::wilson;
use fairframe_schemas::{Status, text::percent};

use super::{
    request::{By, Column, Show},
    scale::{MIN_SAMPLES, figure},
};
use crate::{
    browse::{Facet, Filter, GroupError, Key, Value, View},
    pages::samples::shown,
};

/// The samples of one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub value: Value,
    pub samples: u64,
    /// Those of them that were accepted.
    pub accepted: u64,
}

/// What is known of people, by place.
pub type People = std::collections::BTreeMap<&'static str, Option<u64>>;

/// The places that samples of a filter have, in their order; accepted ones are told apart for
/// those who see others.
pub fn count(
    view: &View,
    filter: &Filter,
    by: By,
    sees_all: bool,
) -> Result<Vec<Figure>, GroupError> {
    let keys = [by.group(), Key::Facet(Facet::Status)];
    let groups = view.group_by(filter, if sees_all { &keys } else { &keys[..1] })?;
    let mut figures: Vec<Figure> = Vec::new();
    for group in groups {
        let mut values = group.values.into_iter();
        let (Some(value), status) = (values.next(), values.next()) else {
            continue;
        };
        let is_accepted = status.is_none_or(|status| match status {
            Value::Word(word) => word == Status::Accepted.as_str(),
            _ => false,
        });
        let accepted = if is_accepted { group.samples } else { 0 };
        match figures.last_mut() {
            Some(last) if last.value == value => {
                last.samples += group.samples;
                last.accepted += accepted;
            }
            _ => figures.push(Figure {
                value,
                samples: group.samples,
                accepted,
            }),
        }
    }
    Ok(figures)
}

impl Figure {
    pub fn is_known(&self) -> bool {
        self.value != Value::None
    }

    pub fn name(&self, by: By) -> String {
        match (&self.value, by) {
            (Value::Word(word), By::Level(level)) => shown(level.facet(), word),
            (Value::Cell { south, west }, By::Squares(degrees)) => {
                let degrees = f64::from(degrees);
                let latitude = |v: f64| format!("{}°{}", v.abs(), if v < 0.0 { "S" } else { "N" });
                let longitude = |v: f64| format!("{}°{}", v.abs(), if v < 0.0 { "W" } else { "E" });
                let (north, east) = (south + degrees, west + degrees);
                format!(
                    "{} to {}, {} to {}",
                    latitude(*south),
                    latitude(north),
                    longitude(*west),
                    longitude(east)
                )
            }
            _ => "unknown".to_owned(),
        }
    }

    /// The people who live there; none where they are not counted.
    pub fn people(&self, people: &People) -> Option<u64> {
        match &self.value {
            Value::Word(word) => people.get(word.as_str()).copied().flatten(),
            _ => None,
        }
    }

    pub fn per_million(&self, people: &People) -> Option<f64> {
        let people = self.people(people).filter(|n| *n > 0)?;
        Some(self.samples as f64 / (people as f64 / 1e6))
    }

    pub fn refused(&self) -> u64 {
        self.samples - self.accepted
    }

    /// Percent not accepted; none of too few.
    pub fn share_refused(&self) -> Option<f64> {
        let told = self.samples >= MIN_SAMPLES;
        told.then(|| 100.0 * self.refused() as f64 / self.samples as f64)
    }

    /// The same in words, with n and the Wilson interval at 95%.
    pub fn refused_words(&self) -> String {
        let n = self.samples;
        match wilson(self.refused(), n).filter(|_| n >= MIN_SAMPLES) {
            None => String::new(),
            Some((low, high)) => format!(
                "{} ({:.1} to {:.1}%)",
                percent(self.refused(), n),
                100.0 * low,
                100.0 * high
            ),
        }
    }

    /// What the place is coloured by.
    pub fn shown(&self, show: Show, known: u64, people: &People) -> Option<f64> {
        match show {
            Show::Count => Some(self.samples as f64),
            Show::Share => Some(100.0 * self.samples as f64 / known.max(1) as f64),
            Show::PerMillion => self.per_million(people),
            Show::Refused => self.share_refused(),
        }
    }

    /// The same in words.
    pub fn shown_words(&self, show: Show, known: u64, people: &People) -> String {
        let samples = fairframe_schemas::text::counted(self.samples, "sample");
        match show {
            Show::Count => samples,
            Show::Share => format!("{samples}, {}", percent(self.samples, known)),
            Show::PerMillion => match self.per_million(people) {
                Some(rate) => format!("{samples}, {} per million people", figure(rate)),
                None => samples,
            },
            Show::Refused => match self.refused_words() {
                words if words.is_empty() => samples,
                words => format!("{samples}, not accepted {words}"),
            },
        }
    }
}

/// The places of a table, as numbers in the list of figures: what is unknown stands last. Without
/// names, places have the order of the list.
pub fn ordered(
    figures: &[Figure],
    names: &[String],
    order: Column,
    falling: bool,
    people: &People,
) -> Vec<usize> {
    let by_name = |a: usize, b: usize| names.get(a).cmp(&names.get(b)).then(a.cmp(&b));
    let number = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) if falling => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        // Without a figure, last either way.
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    let compare = |a: usize, b: usize| -> Ordering {
        let (one, other) = (&figures[a], &figures[b]);
        let by_column = match order {
            Column::Place if falling => by_name(b, a),
            Column::Place => by_name(a, b),
            Column::Samples => number(Some(one.samples as f64), Some(other.samples as f64)),
            Column::PerMillion => number(one.per_million(people), other.per_million(people)),
            Column::Refused => number(one.share_refused(), other.share_refused()),
        };
        let known = other.is_known().cmp(&one.is_known());
        known.then(by_column).then_with(|| a.cmp(&b))
    };
    let mut order: Vec<usize> = (0..figures.len()).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}
