//! `extmetadata`: what a file's description page says, as MediaWiki reads it off.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    page::some_text,
    place::{BadPlace, Place, Stated},
};
use crate::{html, source::cut};

/// What is asked for.
pub const ASKED: &str = "Artist|Attribution|AttributionRequired|Copyrighted|Credit|\
    DateTimeOriginal|GPSLatitude|GPSLongitude|ImageDescription|License|LicenseShortName|\
    LicenseUrl|NonFree|ObjectName|Permission|Restrictions|UsageTerms";

/// What speaks of the licence and of whom it asks to name.
const EVIDENCE: &[&str] = &[
    "Artist",
    "Attribution",
    "AttributionRequired",
    "Copyrighted",
    "Credit",
    "License",
    "LicenseShortName",
    "LicenseUrl",
    "NonFree",
    "Permission",
    "Restrictions",
    "UsageTerms",
];

/// Longest upstream value kept as licence evidence, in characters. It is kept
/// verbatim up to here; longer ones end in `…` and are named under [`CUT`].
const MAX_EVIDENCE: usize = 16_000;

/// Key of the evidence that names what was cut, with its whole length in characters.
const CUT: &str = "fairframe:cut";

/// `{ name: { value, source, hidden } }`.
pub struct Meta<'a>(pub &'a Map<String, Value>);

impl Meta<'_> {
    /// As upstream says it; numbers as text.
    pub fn raw(&self, name: &str) -> Option<String> {
        match self.0.get(name)?.get("value")? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// Flattened.
    pub fn flat(&self, name: &str, base: &str) -> Option<String> {
        Some(html::flatten_from(&self.raw(name)?, base).text)
    }

    /// Flattened and bounded; `None` when empty.
    pub fn text(&self, name: &str, base: &str) -> Option<String> {
        some_text(&self.flat(name, base)?)
    }

    pub fn place(&self) -> Stated {
        let (latitude, longitude) = match (self.raw("GPSLatitude"), self.raw("GPSLongitude")) {
            (None, None) => return None,
            (Some(a), Some(b)) if a.trim().is_empty() && b.trim().is_empty() => return None,
            (a, b) => (a.unwrap_or_default(), b.unwrap_or_default()),
        };
        Some(match (latitude.trim().parse(), longitude.trim().parse()) {
            (Ok(latitude), Ok(longitude)) => Place::new(latitude, longitude, None),
            _ => Err(BadPlace),
        })
    }

    /// The upstream words and statements as compact JSON with sorted keys;
    /// `None` when there are none.
    pub fn evidence(&self, licences: &[String], status: &[String]) -> Option<String> {
        let mut words: BTreeMap<&str, Value> = BTreeMap::new();
        let mut shortened: BTreeMap<&str, usize> = BTreeMap::new();
        for name in EVIDENCE {
            let Some(text) = self.raw(name).filter(|t| !t.is_empty()) else {
                continue;
            };
            let kept = cut(&text, MAX_EVIDENCE);
            if kept != text {
                shortened.insert(name, text.chars().count());
            }
            words.insert(name, Value::String(kept));
        }
        for (property, ids) in [("P275", licences), ("P6216", status)] {
            if !ids.is_empty() {
                words.insert(property, Value::from(ids.to_vec()));
            }
        }
        if !shortened.is_empty() {
            words.insert(CUT, json!(shortened));
        }
        if words.is_empty() {
            return None;
        }
        serde_json::to_string(&words).ok()
    }
}
