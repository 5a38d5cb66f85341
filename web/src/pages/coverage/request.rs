//! What an address of the coverage page asks for: samples, a target, a size.

use fairframe_schemas::{DatasetVersion, Name};

use crate::{
    browse::{Filter, FilterError, last},
    pages::{address, places::Level, samples::unknown},
};

/// Keys of the page that are not of the filter.
const OWN: [&str; 3] = ["target", "by", "size"];

/// The largest dataset that can be wished for, in samples.
pub const MAX_SIZE: u64 = 1_000_000_000;

/// What samples are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As people live.
    Population,
    /// As many of each place.
    Uniform,
    /// As the dataset's curators declared.
    Declared,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Population, Kind::Uniform, Kind::Declared];

    pub fn key(self) -> &'static str {
        match self {
            Kind::Population => "population",
            Kind::Uniform => "uniform",
            Kind::Declared => "declared",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Kind::Population => "as people live",
            Kind::Uniform => "as many of each",
            Kind::Declared => "as declared",
        }
    }
}

/// An address of the coverage page, read.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `/datasets/NAME/VERSION`
    pub base: String,
    pub filter: Filter,
    /// None where it was left to us: as declared, else as people live.
    pub kind: Option<Kind>,
    /// Of a declared target, its own.
    pub level: Level,
    /// Samples of the dataset that is wished for.
    pub size: Option<u64>,
}

impl Asked {
    pub fn parse(
        dataset: &Name,
        version: DatasetVersion,
        pairs: &[(String, String)],
    ) -> Result<Self, FilterError> {
        let own = |key| last(pairs, key);
        let kind = |word: &str| {
            let found = Kind::ALL.into_iter().find(|kind| kind.key() == word);
            found.ok_or_else(|| unknown("target", word, Kind::ALL.map(Kind::key).to_vec()))
        };
        let level = |word: &str| {
            Level::by_key(word)
                .ok_or_else(|| unknown("by", word, Level::ALL.map(Level::key).to_vec()))
        };
        let size = |text: &str| {
            let size = text.parse().ok().filter(|n| (1..=MAX_SIZE).contains(n));
            size.ok_or_else(|| FilterError::Value {
                key: "size".to_owned(),
                text: text.chars().take(20).collect(),
                wanted: "number of samples from 1 to 1000000000",
            })
        };
        Ok(Self {
            base: format!("/datasets/{dataset}/{version}"),
            filter: Filter::parse(pairs, &OWN)?,
            kind: own("target").map(kind).transpose()?,
            level: own("by").map_or(Ok(Level::Subregion), level)?,
            size: own("size").map(size).transpose()?,
        })
    }

    pub fn link(&self, page: &str) -> String {
        let mut own = Vec::new();
        let mut push = |key: &str, value: String| own.push((key.to_owned(), value));
        if let Some(kind) = self.kind {
            push("target", kind.key().to_owned());
        }
        if self.level != Level::Subregion {
            push("by", self.level.key().to_owned());
        }
        if let Some(size) = self.size {
            push("size", size.to_string());
        }
        address(&format!("{}/{page}", self.base), &self.filter, &own)
    }

    pub fn with(&self, filter: Filter) -> String {
        let asked = Asked {
            filter,
            ..self.clone()
        };
        asked.link("coverage")
    }

    /// What the form sends along.
    pub fn hidden(&self) -> Vec<(String, String)> {
        crate::pages::pairs(&self.filter.to_string())
    }
}
