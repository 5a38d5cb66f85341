//! Which samples are meant: written as an address, read from one.
//!
//! ```text
//! country=IT&country=FR      one of these        country!=IT    none of these
//! label=                     no label at all     text=old "city wall"   every word, the phrase as it stands
//! width-min=1000&width-max=2000                  captured-min=2015-06   dates: a year, a month or a day
//! box=43,10,45.5,12          south, west, north, east; west > east goes across the antimeridian
//! group=...                  of one split group
//! ```
//!
//! Values of one key are joined by *or*, keys by *and*. [`Filter`]'s text is canonical: equal
//! filters have equal texts, so that it can be kept as a saved view.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write},
};

use chrono::{Days, Months, NaiveDate};

use super::{
    facet::{Facet, MAX_WORD, Number, nearest},
    text::{date, days, fold},
};

/// Characters of a searched text.
pub const MAX_TEXT: usize = 200;

/// Words and phrases of a searched text.
pub const MAX_NEEDLES: usize = 8;

/// Values of all facets of a filter.
pub const MAX_VALUES: usize = 200;

/// Bytes of a query that are read.
pub const MAX_QUERY: usize = 8 * 1024;

/// A condition on samples. The default holds all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    pub words: BTreeMap<Facet, Choice>,
    /// As it was typed, without blanks around it.
    pub text: String,
    pub ranges: BTreeMap<Number, Range>,
    pub area: Option<Area>,
    pub group: Option<String>,
}

/// Wanted and unwanted words of a facet; the empty one is for samples without any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    pub any: BTreeSet<String>,
    pub none: BTreeSet<String>,
}

/// Both ends belong to it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Range {
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// A box in degrees; west is greater than east where it goes across the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub south: f64,
    pub west: f64,
    pub north: f64,
    pub east: f64,
}

/// What is wrong with an address.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum FilterError {
    #[error("`{key}` is nothing that samples can be filtered by{}", meant(near))]
    Key { key: String, near: Option<String> },
    #[error("`{word}` is no {key}{}", meant(near))]
    Word {
        key: &'static str,
        word: String,
        near: Option<String>,
    },
    #[error("`{key}` is `{text}`, which is no {wanted}")]
    Value {
        key: String,
        text: String,
        wanted: &'static str,
    },
    #[error("a {what} of more than {most} {unit} is not read")]
    TooMuch {
        what: &'static str,
        most: usize,
        unit: &'static str,
    },
}

fn meant(near: &Option<String>) -> String {
    near.as_ref()
        .map_or(String::new(), |n| format!("; did you mean `{n}`?"))
}

/// Enough of a stranger's text to know it by.
fn shown(text: &str) -> String {
    let mut out: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if text.chars().count() > 60 {
        out.push('…');
    }
    out
}

impl Filter {
    /// Reads the pairs of a query, decoded. Keys in `others` are the page's own and passed over.
    pub fn parse(pairs: &[(String, String)], others: &[&str]) -> Result<Self, FilterError> {
        let length: usize = pairs.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
        if length > MAX_QUERY {
            return Err(FilterError::TooMuch {
                what: "query",
                most: MAX_QUERY,
                unit: "bytes",
            });
        }
        let mut filter = Filter::default();
        for (key, value) in pairs {
            if !others.contains(&key.as_str()) {
                filter.take(key, value, others)?;
            }
        }
        let values = filter.words.values();
        if values.map(|c| c.any.len() + c.none.len()).sum::<usize>() > MAX_VALUES {
            return Err(FilterError::TooMuch {
                what: "filter",
                most: MAX_VALUES,
                unit: "values",
            });
        }
        Ok(filter)
    }

    fn take(&mut self, key: &str, value: &str, others: &[&str]) -> Result<(), FilterError> {
        let value = value.trim();
        let (name, negated) = match key.strip_suffix('!') {
            Some(name) => (name, true),
            None => (key, false),
        };
        if let Some(facet) = Facet::by_key(name) {
            return self.take_word(facet, negated, value);
        }
        let end = |suffix| key.strip_suffix(suffix).and_then(Number::by_key);
        if let Some(number) = end("-min") {
            if let Some(low) = bound(number, key, value, false)? {
                self.ranges.entry(number).or_default().min = Some(low);
            }
            return Ok(());
        }
        if let Some(number) = end("-max") {
            if let Some(high) = bound(number, key, value, true)? {
                self.ranges.entry(number).or_default().max = Some(high);
            }
            return Ok(());
        }
        match key {
            _ if value.is_empty() && matches!(key, "text" | "box" | "group") => {}
            "text" => self.text = searched(value)?,
            "box" => self.area = Some(value.parse()?),
            "group" if value.len() <= MAX_WORD => self.group = Some(value.to_owned()),
            "group" => {
                return Err(FilterError::TooMuch {
                    what: "group",
                    most: MAX_WORD,
                    unit: "bytes",
                });
            }
            _ => {
                let ranges = Number::ALL
                    .iter()
                    .flat_map(|n| ["min", "max"].map(|end| format!("{}-{end}", n.key())));
                let known: Vec<String> = Facet::ALL
                    .iter()
                    .map(|f| f.key().to_owned())
                    .chain(ranges)
                    .chain(["text", "box", "group"].map(str::to_owned))
                    .chain(others.iter().map(|o| (*o).to_owned()))
                    .collect();
                return Err(FilterError::Key {
                    key: shown(key),
                    near: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
                });
            }
        }
        Ok(())
    }

    fn take_word(&mut self, facet: Facet, negated: bool, value: &str) -> Result<(), FilterError> {
        if let Some(known) = facet.known()
            && !value.is_empty()
            && !known.contains(&value)
        {
            return Err(FilterError::Word {
                key: facet.key(),
                word: shown(value),
                near: nearest(value, known).map(str::to_owned),
            });
        }
        if value.len() > MAX_WORD {
            return Err(FilterError::TooMuch {
                what: facet.key(),
                most: MAX_WORD,
                unit: "bytes",
            });
        }
        let choice = self.words.entry(facet).or_default();
        let words = match negated {
            true => &mut choice.none,
            false => &mut choice.any,
        };
        words.insert(value.to_owned());
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether a word of a facet is wanted.
    pub fn wants(&self, facet: Facet, word: &str) -> bool {
        self.words.get(&facet).is_some_and(|c| c.any.contains(word))
    }

    /// With a word wanted, or no longer where it was.
    pub fn toggled(&self, facet: Facet, word: &str) -> Filter {
        let mut filter = self.clone();
        let choice = filter.words.entry(facet).or_default();
        if !choice.any.remove(word) {
            choice.none.remove(word);
            choice.any.insert(word.to_owned());
        }
        filter.words.retain(|_, c| *c != Choice::default());
        filter
    }

    /// With a word unwanted, or no longer where it was.
    pub fn excluding(&self, facet: Facet, word: &str) -> Filter {
        let mut filter = self.clone();
        let choice = filter.words.entry(facet).or_default();
        if !choice.none.remove(word) {
            choice.any.remove(word);
            choice.none.insert(word.to_owned());
        }
        filter.words.retain(|_, c| *c != Choice::default());
        filter
    }

    /// With this word wanted and no other of its facet.
    pub fn only(&self, facet: Facet, word: &str) -> Filter {
        let mut filter = self.clone();
        filter.words.entry(facet).or_default().any = BTreeSet::from([word.to_owned()]);
        filter
    }

    /// Within a box that does not cross the antimeridian, besides what it is within already.
    pub fn within(&self, area: Area) -> Filter {
        let mut filter = self.clone();
        if filter.area.is_none() {
            filter.area = Some(area);
            return filter;
        }
        for (number, low, high) in [
            (Number::Latitude, area.south, area.north),
            (Number::Longitude, area.west, area.east),
        ] {
            let range = filter.ranges.entry(number).or_default();
            range.min = Some(range.min.map_or(low, |min| min.max(low)));
            range.max = Some(range.max.map_or(high, |max| max.min(high)));
        }
        filter
    }

    /// Captured from the first day of one year to the last day of another.
    pub fn captured_in(&self, from: Option<i32>, to: Option<i32>) -> Filter {
        let mut filter = self.clone();
        let day = |year: i32, month, day| NaiveDate::from_ymd_opt(year, month, day).map(days);
        let range = Range {
            min: from.and_then(|year| day(year, 1, 1)),
            max: to.and_then(|year| day(year, 12, 31)),
        };
        match range == Range::default() {
            true => filter.ranges.remove(&Number::Captured),
            false => filter.ranges.insert(Number::Captured, range),
        };
        filter
    }

    /// The words and phrases that are looked for, folded.
    pub fn needles(&self) -> Vec<String> {
        needles(&self.text)
    }
}

/// A text to look for, judged.
fn searched(text: &str) -> Result<String, FilterError> {
    let too_much = |most, unit| FilterError::TooMuch {
        what: "text to search",
        most,
        unit,
    };
    if text.chars().count() > MAX_TEXT {
        return Err(too_much(MAX_TEXT, "characters"));
    }
    if needles(text).len() > MAX_NEEDLES {
        return Err(too_much(MAX_NEEDLES, "words"));
    }
    Ok(text.to_owned())
}

/// `a "b c"` is `a` and `b c`; a quotation mark without its other one goes to the end.
fn needles(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (at, part) in text.split('"').enumerate() {
        let words: Vec<&str> = match at % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part.trim()],
        };
        for word in words.into_iter().filter(|w| !w.is_empty()) {
            let mut folded = String::new();
            fold(word, &mut folded);
            out.push(folded);
        }
    }
    out
}

/// One end of a range; none where nothing was filled in.
fn bound(number: Number, key: &str, text: &str, is_max: bool) -> Result<Option<f64>, FilterError> {
    if text.is_empty() {
        return Ok(None);
    }
    let value = match number {
        Number::Captured => day(text, is_max),
        _ => text.parse().ok().filter(|v: &f64| v.is_finite()),
    };
    let wanted = match number {
        Number::Captured => "date such as `2015`, `2015-06` or `2015-06-30`",
        _ => "number",
    };
    value.map(Some).ok_or_else(|| FilterError::Value {
        key: key.to_owned(),
        text: shown(text),
        wanted,
    })
}

/// The first day that a text names, or the last.
fn day(text: &str, last: bool) -> Option<f64> {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |at: usize, digits: usize| -> Option<u32> {
        let part = parts.get(at)?;
        let plain = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten()
    };
    let year = number(0, 4)? as i32;
    let (first, after) = match parts.len() {
        1 => {
            let first = NaiveDate::from_ymd_opt(year, 1, 1)?;
            (first, first.checked_add_months(Months::new(12))?)
        }
        2 => {
            let first = NaiveDate::from_ymd_opt(year, number(1, 2)?, 1)?;
            (first, first.checked_add_months(Months::new(1))?)
        }
        3 => {
            let first = NaiveDate::from_ymd_opt(year, number(1, 2)?, number(2, 2)?)?;
            (first, first.checked_add_days(Days::new(1))?)
        }
        _ => return None,
    };
    Some(days(first).max(if last { days(after) - 1.0 } else { f64::MIN }))
}

impl std::str::FromStr for Area {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let parts: Vec<f64> = text
            .split(',')
            .filter_map(|p| p.trim().parse().ok())
            .collect();
        let area = match parts[..] {
            [south, west, north, east] => Some(Area {
                south,
                west,
                north,
                east,
            }),
            _ => None,
        };
        area.filter(|a| {
            let latitudes = -90.0 <= a.south && a.south <= a.north && a.north <= 90.0;
            let in_world = |degrees: f64| (-180.0..=180.0).contains(&degrees);
            latitudes && in_world(a.west) && in_world(a.east) && text.split(',').count() == 4
        })
        .ok_or_else(|| FilterError::Value {
            key: "box".to_owned(),
            text: shown(text),
            wanted: "box `south,west,north,east` in degrees",
        })
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Area {
            south,
            west,
            north,
            east,
        } = self;
        write!(f, "{south},{west},{north},{east}")
    }
}

impl Area {
    #[inline]
    pub fn holds(&self, latitude: f64, longitude: f64) -> bool {
        let between = match self.west <= self.east {
            true => self.west <= longitude && longitude <= self.east,
            false => self.west <= longitude || longitude <= self.east,
        };
        between && self.south <= latitude && latitude <= self.north
    }
}

/// A number as it stands in an address.
pub fn written(number: Number, value: f64) -> String {
    match number {
        Number::Captured => date(value).map_or_else(String::new, |d| d.to_string()),
        _ => value.to_string(),
    }
}

/// The canonical query, without `?`.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        for (facet, choice) in &self.words {
            for word in &choice.any {
                out.push((facet.key().to_owned(), word.clone()));
            }
            for word in &choice.none {
                out.push((format!("{}!", facet.key()), word.clone()));
            }
        }
        if !self.text.is_empty() {
            out.push(("text".to_owned(), self.text.clone()));
        }
        for (number, range) in &self.ranges {
            for (end, value) in [("min", range.min), ("max", range.max)] {
                if let Some(value) = value {
                    out.push((format!("{}-{end}", number.key()), written(*number, value)));
                }
            }
        }
        out.extend(self.area.map(|area| ("box".to_owned(), area.to_string())));
        out.extend(self.group.iter().map(|g| ("group".to_owned(), g.clone())));
        f.write_str(&query(&out))
    }
}

/// The last value of a key of a query that says something.
pub fn last<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let mut found = pairs
        .iter()
        .filter(|(k, v)| k == key && !v.trim().is_empty());
    found.next_back().map(|(_, value)| value.trim())
}

/// Pairs as a query, encoded.
pub fn query(pairs: &[(String, String)]) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode(key, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(byte as char),
            b'-' | b'.' | b'_' | b'~' | b'!' | b',' | b':' | b'/' => out.push(byte as char),
            _ => {
                let _ = write!(out, "%{byte:02X}"); // to a String: cannot fail
            }
        }
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
