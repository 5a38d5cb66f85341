//! What a release says of itself: `summary.json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ConsentState, DatasetVersion, Digest, MediaType, Name, Reason, Split, Status, Timestamp,
    decision::Approval, source::About, version::Change,
};

/// The group of samples of which a thing is not known. It is counted and
/// shown like any other group, never dropped from a total.
pub const UNKNOWN: &str = "unknown";

/// Where the rest stands when a free-text group has more than [`MAX_GROUPS`] values.
pub const OTHER: &str = "other";

/// Most values kept of a group whose words come from outside (licences,
/// restrictions, opt-outs, media types, attributes).
pub const MAX_GROUPS: usize = 256;

/// Counts by a word.
pub type Counts = BTreeMap<String, u64>;

/// `summary.json`: the one thing card, Croissant description and pages are made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    pub dataset: Name,
    pub version: DatasetVersion,
    /// The release before this one.
    pub previous: Option<DatasetVersion>,
    /// What this release changes against `previous`; `none` for the first one.
    pub change: Change,
    /// The moment for which consents and withdrawals were judged.
    pub as_of: Timestamp,
    /// Name and version of the program, e.g. `fairframe 0.1.0`.
    pub generator: String,
    /// Version of the manifest format.
    pub schema_version: String,
    pub about: About,
    /// How curators approved it; absent where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Every declared source, sorted by id.
    pub sources: Vec<SourceSummary>,
    pub counts: SampleCounts,
    /// The Parquet files and other data files of the release, sorted by name.
    /// `SHA256SUMS` lists these and what is made from this summary.
    pub files: Vec<ReleaseFile>,
}

/// A declared source and what became of its samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceSummary {
    pub source: Name,
    /// `wikimedia`, `crowdsourced` or `actors`.
    pub kind: String,
    /// Where it was listed from: an API address or the drop's name; no paths of a machine.
    pub origin: Option<String>,
    pub by_status: BTreeMap<Status, u64>,
}

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseFile {
    /// Name inside the release folder; no slashes.
    pub name: String,
    pub bytes: u64,
    pub sha256: Digest,
    /// Rows, for Parquet files.
    pub rows: Option<u64>,
}

/// What is counted. Unless said otherwise, of the accepted samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SampleCounts {
    /// Samples the sources listed.
    pub listed: u64,
    /// Every listed sample stands in exactly one of these.
    pub by_status: BTreeMap<Status, u64>,
    /// All samples, at each reason they have.
    pub by_reason: BTreeMap<Reason, u64>,
    /// Samples that were not accepted, at the one reason that decided: the first of the
    /// gravest. Sums to the number of samples not accepted.
    pub decided_by: BTreeMap<Reason, u64>,
    pub licences: Counts,
    pub media_types: BTreeMap<MediaType, u64>,
    pub mimes: Counts,
    /// By ISO 3166-1 alpha-2 code, and `unknown`.
    pub countries: Counts,
    /// By UN M49 subregion, and `unknown`.
    pub subregions: Counts,
    /// By UN M49 region, and `unknown`.
    pub regions: Counts,
    /// All samples, by region and status: who is left out.
    pub region_status: BTreeMap<String, BTreeMap<Status, u64>>,
    /// By region and split.
    pub region_split: BTreeMap<String, BTreeMap<Split, u64>>,
    /// By split.
    pub splits: BTreeMap<Split, u64>,
    /// Samples on a grid of [`CELL_DEGREES`], sorted; samples without coordinates stand in none.
    pub cells: Vec<Cell>,
    /// By which statement the place was taken from, and `unknown`.
    pub place_origins: Counts,
    /// By year of capture, and `unknown`.
    pub years: Counts,
    pub duplicates: Duplicates,
    /// Bytes of all media.
    pub media_bytes: u64,
    /// Length of all video, in milliseconds.
    pub duration_ms: u64,
    /// Different people shown.
    pub subjects: u64,
    /// People shown, by attribute and its self-reported value.
    pub attributes: BTreeMap<String, Counts>,
    /// All samples that show people or carry a consent, by state of that consent.
    pub consents: BTreeMap<ConsentState, u64>,
    /// Consent records that could not be read or were refused.
    pub consents_refused: u64,
    /// All samples, by opt-out found.
    pub opt_outs: Counts,
    /// By restriction named upstream.
    pub restrictions: Counts,
}

/// Degrees of latitude and longitude of one [`Cell`].
pub const CELL_DEGREES: f64 = 2.0;

/// A cell of the map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Middle of the cell, degrees.
    pub latitude: f64,
    pub longitude: f64,
    pub samples: u64,
}

/// Samples that stand more than once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Duplicates {
    /// Samples refused because an accepted one has the same bytes.
    pub exact: u64,
    /// Accepted samples that look nearly like another one.
    pub near: u64,
    /// Split groups those stand in.
    pub near_groups: u64,
}

impl SampleCounts {
    /// Samples of all states; equals `listed` where nothing was lost.
    pub fn out(&self) -> u64 {
        self.by_status.values().sum()
    }

    pub fn of(&self, status: Status) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    pub fn accepted(&self) -> u64 {
        self.of(Status::Accepted)
    }
}

impl Summary {
    /// Text of `summary.json`: pretty, with a line end; the same summary gives the same bytes.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What the dataset is called: its title, or its name.
    pub fn title(&self) -> &str {
        self.about.title.as_deref().unwrap_or(self.dataset.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keyed_by_closed_lists_are_written_with_their_words() {
        let mut counts = SampleCounts::default();
        counts.by_status.insert(Status::Accepted, 3);
        counts.by_status.insert(Status::Withdrawn, 1);
        counts.by_reason.insert(Reason::ConsentWithdrawn, 1);
        let json = serde_json::to_value(&counts).unwrap();
        assert_eq!(json["by_status"]["accepted"], 3);
        assert_eq!(json["by_reason"]["consent-withdrawn"], 1);
        let back: SampleCounts = serde_json::from_value(json).unwrap();
        assert_eq!(back, counts);
        assert_eq!(back.out(), 4);
        assert_eq!(back.accepted(), 3);
    }
}
