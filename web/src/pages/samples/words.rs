//! Words of the manifest as they are said on a page.

use fairframe_ingest::card::map::country_name;
use fairframe_schemas::{Reason, licence, text};

use crate::browse::{Facet, Number, Row};

/// A word of a facet for people; the empty word says what is missing.
pub fn shown(facet: Facet, word: &str) -> String {
    if word.is_empty() {
        return match facet {
            Facet::Licence => "licence unknown",
            Facet::Country | Facet::Region | Facet::Subregion | Facet::Year => "unknown",
            _ => "none",
        }
        .to_owned();
    }
    match facet {
        Facet::Country => country_name(word),
        Facet::Reason => match word.parse::<Reason>() {
            Ok(reason) => text::sentence(reason.text()),
            Err(_) => word.to_owned(),
        },
        // SPDX ids are short and known; references of our own are neither.
        Facet::Licence if word.starts_with("LicenseRef-") => {
            licence::words(word).unwrap_or(word).to_owned()
        }
        Facet::Consent => word.strip_prefix("Consent").unwrap_or(word).to_lowercase(),
        Facet::Place => match word {
            "coordinates" => "coordinates known",
            "area" => "country or region only",
            _ => "unknown",
        }
        .to_owned(),
        _ => word.to_owned(),
    }
}

/// The country, or the region, or that neither is known.
pub fn place(row: &Row) -> String {
    let facets = [Facet::Country, Facet::Region].into_iter();
    let mut known = facets
        .map(|f| (f, row.word(f)))
        .filter(|(_, w)| !w.is_empty());
    match known.next() {
        Some((facet, word)) => shown(facet, word),
        None => "place unknown".to_owned(),
    }
}

/// `640 × 480, 1.23 MB`, of what is known; a part is not broken.
pub fn size(row: &Row) -> String {
    let whole = |number| row.number(number).map(|n| n as u64);
    let mut parts = Vec::new();
    if let (Some(width), Some(height)) = (whole(Number::Width), whole(Number::Height)) {
        parts.push(format!("{width} × {height}"));
    }
    if let Some(seconds) = row.number(Number::Duration) {
        parts.push(text::duration((seconds * 1000.0) as u64));
    }
    parts.extend(whole(Number::Bytes).map(text::size));
    let unbroken = parts.iter().map(|part| part.replace(' ', "\u{a0}"));
    unbroken.collect::<Vec<_>>().join(", ")
}
