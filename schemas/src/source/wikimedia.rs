//! `[wikimedia]`: what is asked of a MediaWiki.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::MediaType;

/// A MediaWiki Action API; Wikimedia Commons by default. At least one of
/// `categories`, `search`, `geosearch`, `titles`, `page_ids`, `uploaded` and
/// `file_urls` says what is wanted; several are joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wikimedia {
    #[serde(default = "commons_api")]
    pub api: String,
    /// Categories, with or without `Category:`.
    #[serde(default)]
    pub categories: Vec<String>,
    /// How many levels of subcategories are followed.
    #[serde(default)]
    pub depth: u32,
    /// Categories that are not entered; what is below them neither, unless another way leads there.
    #[serde(default)]
    pub exclude_categories: Vec<String>,
    #[serde(default)]
    pub search: Option<String>,
    #[serde(default)]
    pub geosearch: Vec<GeoSearch>,
    #[serde(default)]
    pub titles: Vec<String>,
    #[serde(default)]
    pub page_ids: Vec<u64>,
    /// Files by time of upload (`list=allimages`).
    #[serde(default)]
    pub uploaded: Option<TimeRange>,
    /// CSV files with `id,url` and optionally `landmark_id` or `label`, as Google Landmarks' `train.csv`.
    #[serde(default)]
    pub file_urls: Vec<PathBuf>,
    #[serde(default = "all_media")]
    pub media_types: Vec<MediaType>,
    /// Pages a request asks for.
    #[serde(default = "fifty")]
    pub batch: u32,
    /// Seconds of replication lag at which the server may send us away.
    #[serde(default = "five")]
    pub maxlag: u32,
    /// Stop after this many files.
    pub limit: Option<u64>,
    /// Ask for structured data (`wbgetentities`).
    #[serde(default = "yes")]
    pub structured_data: bool,
    /// Which statement of the place wins; `exif` is read after fetching.
    #[serde(default = "place_trust")]
    pub place_trust: Vec<crate::PlaceOrigin>,
}

fn commons_api() -> String {
    "https://commons.wikimedia.org/w/api.php".to_owned()
}
fn all_media() -> Vec<MediaType> {
    vec![MediaType::Image, MediaType::Video]
}
fn fifty() -> u32 {
    50
}
fn five() -> u32 {
    5
}
fn yes() -> bool {
    true
}
fn place_trust() -> Vec<crate::PlaceOrigin> {
    use crate::PlaceOrigin::{Exif, Extmetadata, Geodata, StructuredData};
    vec![StructuredData, Extmetadata, Geodata, Exif]
}

/// Files near a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeoSearch {
    pub latitude: f64,
    pub longitude: f64,
    /// 10 to 10000.
    pub radius_m: u32,
}

/// From (inclusive) and to (inclusive), RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    pub from: crate::Timestamp,
    pub to: crate::Timestamp,
}
