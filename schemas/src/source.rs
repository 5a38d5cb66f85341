//! `source.toml`: what is declared about a source. Its JSON Schema is made
//! from these types (`fairframe schema source`).

use std::{collections::BTreeMap, fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{MediaType, Purpose, sample::text_enum};

/// A declared source of one dataset. Exactly one of `wikimedia`,
/// `crowdsourced` and `actors` says of which kind it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceToml {
    /// The dataset this source feeds. Several sources may feed one.
    pub dataset: Name,
    /// The source's id: part of every sample id, so it must never change.
    pub source: Name,
    #[serde(default)]
    pub about: About,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub fetch: FetchLimits,
    #[serde(default)]
    pub media: MediaLimits,
    #[serde(default)]
    pub dedupe: Dedupe,
    #[serde(default)]
    pub split: SplitRule,
    pub wikimedia: Option<Wikimedia>,
    pub crowdsourced: Option<Crowdsourced>,
    pub actors: Option<Actors>,
}

/// Lower-case letters, digits and inner hyphens; at most 64 characters. Safe
/// as a folder name and in a URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[schemars(transparent)]
pub struct Name(#[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"))] String);

impl Name {
    pub fn new(text: &str) -> Result<Self, NameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError(text.chars().take(80).collect()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be a dataset's or source's name.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a name: use 1 to 64 of `a-z`, `0-9` and inner `-`")]
pub struct NameError(pub String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Name::new(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// What the dataset card says. Sources of one dataset say it together: what one
/// states another may leave out, and none may contradict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct About {
    pub title: Option<String>,
    pub description: Option<String>,
    pub url: Option<String>,
    /// How to cite the dataset (BibTeX or text).
    pub citation: Option<String>,
    /// Who publishes it.
    pub publisher: Option<String>,
    /// Croissant RAI: how the data were collected.
    pub collection: Option<String>,
    /// Croissant RAI: what it must not be used for, known biases.
    pub limitations: Option<String>,
    /// Croissant RAI: what it is meant for.
    pub uses: Option<String>,
}

impl About {
    /// What both say; the key of which both state different things.
    pub fn join(self, other: &About) -> Result<About, &'static str> {
        Ok(About {
            title: said("title", self.title, &other.title)?,
            description: said("description", self.description, &other.description)?,
            url: said("url", self.url, &other.url)?,
            citation: said("citation", self.citation, &other.citation)?,
            publisher: said("publisher", self.publisher, &other.publisher)?,
            collection: said("collection", self.collection, &other.collection)?,
            limitations: said("limitations", self.limitations, &other.limitations)?,
            uses: said("uses", self.uses, &other.uses)?,
        })
    }
}

fn said(
    key: &'static str,
    one: Option<String>,
    other: &Option<String>,
) -> Result<Option<String>, &'static str> {
    match (one, other) {
        (Some(one), Some(other)) if one != *other => Err(key),
        (one, other) => Ok(one.or_else(|| other.clone())),
    }
}

/// What is admitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// SPDX ids admitted, one an entry; an expression is admitted when it can be
    /// satisfied from this list (`LicenseRef-PD` stands for every reason of public domain).
    pub licences: Vec<String>,
    /// Commons `Restrictions` that lead to rejection.
    pub refuse_restrictions: Vec<String>,
    /// What an opt-out of machine use leads to.
    pub opt_out: OptOutRule,
    /// Purposes every consent must cover.
    pub purposes: Vec<Purpose>,
    /// Whether a sample without a consent record is refused.
    pub consent: ConsentRule,
    /// Declared and EXIF place further apart than this contradict each other.
    pub place_tolerance_km: f64,
    /// Least length of the shorter side, in pixels.
    pub min_side: u32,
}

impl Default for Policy {
    fn default() -> Self {
        let licences = [
            "CC0-1.0",
            "CC-PDM-1.0",
            "CC-BY-2.0",
            "CC-BY-2.5",
            "CC-BY-3.0",
            "CC-BY-4.0",
            "CC-BY-SA-2.0",
            "CC-BY-SA-2.5",
            "CC-BY-SA-3.0",
            "CC-BY-SA-4.0",
            "LicenseRef-PD",
        ];
        Self {
            licences: licences.map(str::to_owned).to_vec(),
            refuse_restrictions: Vec::new(),
            opt_out: OptOutRule::Reject,
            purposes: vec![Purpose::Collect],
            consent: ConsentRule::WhenSubjects,
            place_tolerance_km: 50.0,
            min_side: 0,
        }
    }
}

text_enum! {
    /// What an opt-out leads to.
    OptOutRule { Reject = "reject", Record = "record", }
}

text_enum! {
    /// When a consent record is needed.
    ConsentRule {
        /// Every sample needs one.
        Always = "always",
        /// Samples that name subjects need one.
        WhenSubjects = "when-subjects",
        /// None is needed, but one that is given must hold.
        Never = "never",
    }
}

/// How files are fetched, and how much of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FetchLimits {
    /// Whether media are fetched at all; `false` writes records without media.
    pub media: bool,
    pub max_bytes: u64,
    /// Whole transfer, seconds.
    pub timeout_s: f64,
    /// Longest wait for the next byte, seconds.
    pub stall_s: f64,
    pub max_redirects: u32,
    /// Connections to one host at a time.
    pub per_host: u32,
    /// Requests to one host a second; 0 is unlimited.
    pub per_host_rate: f64,
    pub retries: u32,
    /// Hosts that may resolve to private or loopback addresses (`127.0.0.1`, `wiki.example`).
    pub allow_private: Vec<String>,
    /// Name and contact sent to servers, e.g. `fairframe/0.1 (https://example.org; mail@example.org)`.
    pub user_agent: Option<String>,
    /// Whether `robots.txt`, TDMRep and `X-Robots-Tag` are looked at.
    pub opt_outs: bool,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            media: true,
            max_bytes: 200 << 20,
            timeout_s: 300.0,
            stall_s: 20.0,
            max_redirects: 5,
            per_host: 8,
            per_host_rate: 0.0,
            retries: 4,
            allow_private: Vec::new(),
            user_agent: None,
            opt_outs: true,
        }
    }
}

/// What decoding may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MediaLimits {
    pub max_pixels: u64,
    pub max_duration_s: f64,
    /// Memory of one decoding process.
    pub memory_mb: u64,
    /// CPU seconds for one file.
    pub cpu_s: u64,
    /// Longer side of thumbnails; 0 makes none.
    pub thumbnail: u32,
    /// Whether animated pictures are taken without review.
    pub allow_animated: bool,
}

impl Default for MediaLimits {
    fn default() -> Self {
        Self {
            max_pixels: 150_000_000,
            max_duration_s: 4.0 * 3600.0,
            memory_mb: 2048,
            cpu_s: 60,
            thumbnail: 256,
            allow_animated: false,
        }
    }
}

/// What counts as a duplicate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dedupe {
    /// Perceptual hashes at most this many bits apart are near-duplicates; they share a split group.
    /// Videos by their middle frame, and only with videos of the same length.
    pub max_distance: u32,
}

impl Default for Dedupe {
    fn default() -> Self {
        Self { max_distance: 6 }
    }
}

/// How samples are dealt to train, validation and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SplitRule {
    pub seed: u64,
    pub train: f64,
    pub validation: f64,
    pub test: f64,
    /// Keep everything of one uploader together, where the source names one.
    pub by_creator: bool,
}

impl Default for SplitRule {
    fn default() -> Self {
        Self {
            seed: 0,
            train: 0.8,
            validation: 0.1,
            test: 0.1,
            by_creator: true,
        }
    }
}

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

/// A drop of contributions: a folder, zip or tar with a table and media.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crowdsourced {
    /// Folder, `.zip`, `.tar`, `.tar.gz` or `.tar.zst`, relative to the `source.toml`.
    pub path: PathBuf,
    /// The table inside the drop; found by its usual names when absent.
    pub table: Option<PathBuf>,
    /// Consent records (`*.json`) inside the drop.
    #[serde(default = "consents_folder")]
    pub consents: PathBuf,
    #[serde(default)]
    pub form: CrowdForm,
    /// Attributions beside an Inclusive Images label file (`image_id,source`).
    pub attributions: Option<PathBuf>,
    /// Text encoding of the table, e.g. `windows-1252`; UTF-8 when absent.
    pub encoding: Option<String>,
    /// Licence of rows that state none.
    pub licence: Option<String>,
    /// Renames columns: ours = theirs.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
}

fn consents_folder() -> PathBuf {
    "consents".into()
}

/// The shape of a drop's table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrowdForm {
    /// `file, contributor, consent, licence, country, latitude, longitude, labels, captured_at, ...`
    #[default]
    Contributions,
    /// Kaggle Inclusive Images: `image_id,labels`, with or without a header row.
    InclusiveImages,
}

/// Videos of consenting actors: a session folder or a list of names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Actors {
    /// The session folder, relative to the `source.toml`.
    pub path: PathBuf,
    /// Pattern of file names with `{subject}`, `{scene}`, `{take}` or any other `{word}`;
    /// DeepFakeDetection's by default.
    #[serde(default = "dfd_pattern")]
    pub pattern: String,
    /// Subjects and their self-reported attributes.
    #[serde(default = "subjects_csv")]
    pub subjects: PathBuf,
    #[serde(default = "scenes_csv")]
    pub scenes: PathBuf,
    #[serde(default = "consents_folder")]
    pub consents: PathBuf,
    /// A table `file,subject,...` where names do not say who is shown.
    pub files: Option<PathBuf>,
    /// A list of clips with `path,sha256,size` and no media, as CREMA-D's.
    pub list: Option<PathBuf>,
    /// Column of `subjects` that holds the pseudonym.
    #[serde(default = "subject_column")]
    pub subject_column: String,
    pub licence: Option<String>,
    pub licence_url: Option<String>,
    pub creator: Option<String>,
    /// ISO 3166-1 alpha-2 code of where the session took place.
    pub country: Option<String>,
}

fn dfd_pattern() -> String {
    "{subject}__{scene}".to_owned()
}
fn subjects_csv() -> PathBuf {
    "subjects.csv".into()
}
fn scenes_csv() -> PathBuf {
    "scenes.csv".into()
}
fn subject_column() -> String {
    "subject".to_owned()
}

/// What can be wrong with a `source.toml` (or a `task.toml`).
#[derive(Debug, Clone, thiserror::Error, PartialEq)]
pub enum SourceTomlError {
    #[error("line {line}, column {column}: {message}{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Toml {
        message: String,
        line: usize,
        column: usize,
        nearest: Option<String>,
    },
    #[error(
        "{0} of `[wikimedia]`, `[crowdsourced]`, `[actors]` stand in it; a source has exactly one"
    )]
    Kinds(usize),
    #[error("`[split]` fractions {train} + {validation} + {test} must each be 0 to 1 and sum to 1")]
    Fractions {
        train: f64,
        validation: f64,
        test: f64,
    },
    #[error("`{key}` is {value}, outside {allowed}")]
    Range {
        key: &'static str,
        value: String,
        allowed: &'static str,
    },
    #[error("policy licence {0}")]
    Licence(String),
}

impl SourceToml {
    /// Parses and checks a `source.toml`; an unknown key is an error that names the nearest known one.
    pub fn parse(text: &str) -> Result<Self, SourceTomlError> {
        let parsed: SourceToml = toml::from_str(text).map_err(|e| toml_error(text, &e))?;
        parsed.check()?;
        Ok(parsed)
    }

    /// The folder of consent records, if the source has one.
    pub fn consents_folder(&self, base: &std::path::Path) -> Option<PathBuf> {
        let below = |path: &PathBuf, consents: &PathBuf| {
            let folder = base.join(path).join(consents);
            folder.is_dir().then_some(folder)
        };
        match (&self.crowdsourced, &self.actors) {
            (Some(c), _) => below(&c.path, &c.consents),
            (_, Some(a)) => below(&a.path, &a.consents),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), SourceTomlError> {
        let kinds = [
            self.wikimedia.is_some(),
            self.crowdsourced.is_some(),
            self.actors.is_some(),
        ];
        let count = kinds.into_iter().filter(|k| *k).count();
        if count != 1 {
            return Err(SourceTomlError::Kinds(count));
        }
        let SplitRule {
            train,
            validation,
            test,
            ..
        } = self.split;
        let sums = (train + validation + test - 1.0).abs() < 1e-9;
        if !sums
            || [train, validation, test]
                .iter()
                .any(|f| !(0.0..=1.0).contains(f))
        {
            return Err(SourceTomlError::Fractions {
                train,
                validation,
                test,
            });
        }
        let range = |key, value: f64, low: f64, high: f64, allowed| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(SourceTomlError::Range {
                    key,
                    value: value.to_string(),
                    allowed,
                })
            }
        };
        range(
            "fetch.timeout_s",
            self.fetch.timeout_s,
            0.1,
            86_400.0,
            "0.1 to 86400",
        )?;
        range(
            "fetch.stall_s",
            self.fetch.stall_s,
            0.1,
            3_600.0,
            "0.1 to 3600",
        )?;
        range(
            "fetch.per_host",
            self.fetch.per_host.into(),
            1.0,
            256.0,
            "1 to 256",
        )?;
        range(
            "fetch.per_host_rate",
            self.fetch.per_host_rate,
            0.0,
            1e6,
            "0 to 1000000",
        )?;
        range(
            "fetch.max_redirects",
            self.fetch.max_redirects.into(),
            0.0,
            20.0,
            "0 to 20",
        )?;
        range(
            "fetch.retries",
            self.fetch.retries.into(),
            0.0,
            20.0,
            "0 to 20",
        )?;
        range(
            "media.thumbnail",
            self.media.thumbnail.into(),
            0.0,
            2048.0,
            "0 to 2048",
        )?;
        range(
            "media.memory_mb",
            self.media.memory_mb as f64,
            64.0,
            65_536.0,
            "64 to 65536",
        )?;
        range(
            "media.cpu_s",
            self.media.cpu_s as f64,
            1.0,
            3_600.0,
            "1 to 3600",
        )?;
        range(
            "dedupe.max_distance",
            self.dedupe.max_distance.into(),
            0.0,
            16.0,
            "0 to 16",
        )?;
        range(
            "policy.place_tolerance_km",
            self.policy.place_tolerance_km,
            0.0,
            20_040.0,
            "0 to 20040",
        )?;
        if let Some(w) = &self.wikimedia {
            range("wikimedia.batch", w.batch.into(), 1.0, 500.0, "1 to 500")?;
            for g in &w.geosearch {
                range(
                    "wikimedia.geosearch.radius_m",
                    g.radius_m.into(),
                    10.0,
                    10_000.0,
                    "10 to 10000",
                )?;
                range(
                    "wikimedia.geosearch.latitude",
                    g.latitude,
                    -90.0,
                    90.0,
                    "-90 to 90",
                )?;
                range(
                    "wikimedia.geosearch.longitude",
                    g.longitude,
                    -180.0,
                    180.0,
                    "-180 to 180",
                )?;
            }
        }
        for licence in &self.policy.licences {
            crate::licence::parse_entry(licence)
                .map_err(|e| SourceTomlError::Licence(e.to_string()))?;
        }
        Ok(())
    }
}

/// Where and what, with the nearest known word.
pub(crate) fn toml_error(text: &str, error: &toml::de::Error) -> SourceTomlError {
    let at = error.span().map_or(0, |s| s.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let message = error.message().trim().to_owned();
    SourceTomlError::Toml {
        line: before.matches('\n').count() + 1,
        column: before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1,
        nearest: nearest_known(&message),
        message,
    }
}

/// Serde says ``unknown field `x`, expected one of `a`, `b` ``: the nearest of them, if it is near.
fn nearest_known(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let wrong = quoted.next()?;
    quoted
        .map(|known| (strsim::damerau_levenshtein(wrong, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 3)
        .map(|(_, known)| known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "dataset = \"demo\"\nsource = \"commons\"\n";

    #[test]
    fn a_small_source_parses_with_defaults() {
        let s = SourceToml::parse(&format!(
            "{HEAD}[wikimedia]\ncategories = [\"Volcanoes\"]\n"
        ))
        .unwrap();
        assert_eq!(
            s.wikimedia.unwrap().api,
            "https://commons.wikimedia.org/w/api.php"
        );
        assert_eq!(s.fetch.max_bytes, 200 << 20);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_and_its_line() {
        let e = SourceToml::parse(&format!("{HEAD}[wikimedia]\ncategorys = []\n")).unwrap_err();
        assert!(e.to_string().contains("did you mean `categories`?"), "{e}");
        assert!(e.to_string().starts_with("line 4, column 1: "), "{e}");
        assert!(
            matches!(
                e,
                SourceTomlError::Toml {
                    line: 4,
                    column: 1,
                    ..
                }
            ),
            "{e:?}"
        );
    }

    #[test]
    fn a_source_has_one_kind() {
        assert_eq!(
            SourceToml::parse(HEAD).unwrap_err(),
            SourceTomlError::Kinds(0)
        );
        let both = format!("{HEAD}[wikimedia]\n[actors]\npath = \".\"\n");
        assert_eq!(
            SourceToml::parse(&both).unwrap_err(),
            SourceTomlError::Kinds(2)
        );
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in ["../x", "", "A", "a/b", "-a", "a-", "é", &"a".repeat(65)] {
            assert!(Name::new(name).is_err(), "{name}");
        }
        assert!(Name::new("commons-2026").is_ok());
    }

    #[test]
    fn fractions_must_sum_to_one() {
        let text = format!("{HEAD}[split]\ntrain = 0.9\n[wikimedia]\n");
        assert!(matches!(
            SourceToml::parse(&text),
            Err(SourceTomlError::Fractions { .. })
        ));
    }
}
