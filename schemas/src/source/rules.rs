//! What is admitted, what it may cost, and how it is dealt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Purpose, sample::text_enum};

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
