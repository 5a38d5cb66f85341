//! What an address of a map asks for: a filter, places, what is shown, an order of the table.

use fairframe_schemas::{DatasetVersion, Name};

use crate::{
    browse::{Filter, FilterError, Key, last},
    pages::{address, places::Level, samples::unknown},
};

/// Keys of a map that are not of the filter.
const OWN: [&str; 3] = ["by", "show", "order"];

/// What samples are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Level(Level),
    /// Squares of so many degrees.
    Squares(u8),
}

impl By {
    pub const ALL: [By; 7] = [
        By::Level(Level::Country),
        By::Level(Level::Subregion),
        By::Level(Level::Region),
        By::Squares(10),
        By::Squares(5),
        By::Squares(2),
        By::Squares(1),
    ];

    pub fn key(self) -> &'static str {
        match self {
            By::Level(level) => level.key(),
            By::Squares(10) => "squares-10",
            By::Squares(5) => "squares-5",
            By::Squares(2) => "squares-2",
            By::Squares(_) => "squares-1",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            By::Level(level) => level.plural(),
            By::Squares(10) => "squares of 10°",
            By::Squares(5) => "squares of 5°",
            By::Squares(2) => "squares of 2°",
            By::Squares(_) => "squares of 1°",
        }
    }

    /// As it stands after what is counted.
    pub fn phrase(self) -> String {
        match self {
            By::Level(Level::Country) => "by country".to_owned(),
            By::Level(Level::Subregion) => "by UN subregion".to_owned(),
            By::Level(Level::Region) => "by UN region".to_owned(),
            By::Squares(_) => format!("in {}", self.words()),
        }
    }

    pub fn group(self) -> Key {
        match self {
            By::Level(level) => Key::Facet(level.facet()),
            By::Squares(degrees) => Key::Cell {
                degrees: f64::from(degrees),
            },
        }
    }
}

/// The figure that places are coloured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    Count,
    /// Of the samples with a known place.
    Share,
    PerMillion,
    /// Share of samples that were not accepted.
    Refused,
}

impl Show {
    pub const ALL: [Show; 4] = [Show::Count, Show::Share, Show::PerMillion, Show::Refused];

    pub fn key(self) -> &'static str {
        match self {
            Show::Count => "count",
            Show::Share => "share",
            Show::PerMillion => "per-million",
            Show::Refused => "not-accepted",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Show::Count => "samples",
            Show::Share => "share of samples",
            Show::PerMillion => "samples per million people",
            Show::Refused => "share not accepted",
        }
    }
}

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Place,
    Samples,
    PerMillion,
    Refused,
}

impl Column {
    pub const ALL: [Column; 4] = [
        Column::Place,
        Column::Samples,
        Column::PerMillion,
        Column::Refused,
    ];

    pub fn key(self) -> &'static str {
        match self {
            Column::Place => "place",
            Column::Samples => "samples",
            Column::PerMillion => "per-million",
            Column::Refused => "not-accepted",
        }
    }
}

/// An address of a map, read.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `/datasets/NAME/VERSION`
    pub base: String,
    pub filter: Filter,
    pub by: By,
    pub show: Show,
    pub order: Column,
    pub falling: bool,
}

impl Asked {
    pub fn parse(
        dataset: &Name,
        version: DatasetVersion,
        pairs: &[(String, String)],
    ) -> Result<Self, FilterError> {
        let own = |key| last(pairs, key);
        let by = own("by").unwrap_or_else(|| By::ALL[0].key());
        let show = own("show").unwrap_or_else(|| Show::Count.key());
        let order = own("order").unwrap_or("-samples");
        let (column, falling) = match order.strip_prefix('-') {
            Some(column) => (column, true),
            None => (order, false),
        };
        Ok(Self {
            base: format!("/datasets/{dataset}/{version}"),
            filter: Filter::parse(pairs, &OWN)?,
            by: known("by", by, By::ALL, By::key)?,
            show: known("show", show, Show::ALL, Show::key)?,
            order: known("order", column, Column::ALL, Column::key)?,
            falling,
        })
    }

    /// The address, without what need not be said.
    pub fn link(&self) -> String {
        self.at("map")
    }

    /// All numbers of the map, as a table.
    pub fn table(&self) -> String {
        self.at("map.csv")
    }

    fn at(&self, page: &str) -> String {
        let mut own = Vec::new();
        let mut push = |key: &str, value: String| own.push((key.to_owned(), value));
        if self.by != By::ALL[0] {
            push("by", self.by.key().to_owned());
        }
        if self.show != Show::Count {
            push("show", self.show.key().to_owned());
        }
        if (self.order, self.falling) != (Column::Samples, true) {
            let sign = if self.falling { "-" } else { "" };
            push("order", format!("{sign}{}", self.order.key()));
        }
        address(&format!("{}/{page}", self.base), &self.filter, &own)
    }

    pub fn with(&self, filter: Filter) -> String {
        let asked = Asked {
            filter,
            ..self.clone()
        };
        asked.link()
    }

    /// In the order of a column: the other way round where it is so already.
    pub fn by_column(&self, column: Column) -> String {
        let falling = match self.order == column {
            true => !self.falling,
            false => column != Column::Place,
        };
        let asked = Asked {
            order: column,
            falling,
            ..self.clone()
        };
        asked.link()
    }

    /// The samples of a filter.
    pub fn samples(&self, filter: &Filter) -> String {
        address(&format!("{}/samples", self.base), filter, &[])
    }

    /// What the form sends along: all but its own fields.
    pub fn hidden(&self) -> Vec<(String, String)> {
        let filter = self.filter.captured_in(None, None);
        crate::pages::pairs(&filter.to_string())
    }
}

/// The one of some things that has this key.
fn known<T: Copy, const N: usize>(
    name: &'static str,
    word: &str,
    all: [T; N],
    key: fn(T) -> &'static str,
) -> Result<T, FilterError> {
    let found = all.into_iter().find(|one| key(*one) == word);
    found.ok_or_else(|| unknown(name, word, all.map(key).to_vec()))
}
