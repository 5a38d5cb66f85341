//! Places as maps and coverage tell them apart: countries and UN regions, with their people.

use std::collections::BTreeMap;

use fairframe_ingest::place::{Country, Gazetteer};

use crate::browse::Facet;

/// How finely places are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Country,
    Subregion,
    Region,
}

impl Level {
    pub const ALL: [Level; 3] = [Level::Country, Level::Subregion, Level::Region];

    /// The name in an address and at the head of a column.
    pub fn key(self) -> &'static str {
        self.facet().key()
    }

    pub fn by_key(key: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.key() == key)
    }

    pub fn facet(self) -> Facet {
        match self {
            Level::Country => Facet::Country,
            Level::Subregion => Facet::Subregion,
            Level::Region => Facet::Region,
        }
    }

    /// Several of them.
    pub fn plural(self) -> &'static str {
        match self {
            Level::Country => "countries",
            Level::Subregion => "UN subregions",
            Level::Region => "UN regions",
        }
    }

    /// The word that the manifest has for a country at this level.
    pub fn of(self, country: &Country) -> Option<&str> {
        match self {
            Level::Country => Some(&country.alpha2),
            Level::Subregion => country.subregion.as_deref(),
            Level::Region => country.region.as_deref(),
        }
    }

    /// The place that somebody means: a code, a name in English, a UN region.
    pub fn find(self, text: &str) -> Option<&'static str> {
        let gazetteer = Gazetteer::bundled();
        match self {
            Level::Country => gazetteer
                .by_code(text)
                .or_else(|| gazetteer.by_name(text))
                .map(|country| country.alpha2.as_str()),
            _ => {
                let mut all = gazetteer.countries().iter().filter_map(|c| self.of(c));
                all.find(|word| word.eq_ignore_ascii_case(text))
            }
        }
    }

    /// Every place, with the people who live there, where the World Bank counts any.
    pub fn people(self) -> BTreeMap<&'static str, Option<u64>> {
        let mut people: BTreeMap<&str, Option<u64>> = BTreeMap::new();
        for country in Gazetteer::bundled().countries() {
            if let Some(word) = self.of(country) {
                let sum = people.entry(word).or_default();
                *sum = match (*sum, country.population) {
                    (None, None) => None,
                    (a, b) => Some(a.unwrap_or(0) + b.unwrap_or(0)),
                };
            }
        }
        people
    }
}
