//! One sample: a row of the manifest.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Digest, Reason, SampleId};

/// Timestamps are UTC with microseconds, as in the manifest.
pub type Timestamp = DateTime<Utc>;

macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.write_str(self.as_str()) }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::sample::UnknownWord;
            fn from_str(text: &str) -> Result<Self, $crate::sample::UnknownWord> {
                $name::ALL.iter().copied().find(|v| v.as_str() == text).ok_or_else(|| $crate::sample::UnknownWord {
                    word: text.to_owned(),
                    known: $name::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>().join("`, `"),
                })
            }
        }
    };
}
pub(crate) use text_enum;

/// A word outside a closed list.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{word}` is not one of `{known}`")]
pub struct UnknownWord {
    pub word: String,
    pub known: String,
}

text_enum! {
    /// What a sample's bytes are.
    MediaType { Image = "image", Video = "video", Frame = "frame", Clip = "clip", }
}
text_enum! {
    /// Where a sample stands. Order is gravity: the gravest reason decides.
    Status {
        Accepted = "accepted",
        Quarantined = "quarantined",
        Failed = "failed",
        Rejected = "rejected",
        Withdrawn = "withdrawn",
    }
}
impl Status {
    /// What it means, for people.
    pub fn text(self) -> &'static str {
        match self {
            Status::Accepted => "stands in the dataset",
            Status::Quarantined => "waits for a person to decide",
            Status::Failed => "could not be fetched or read",
            Status::Rejected => "may not stand in the dataset",
            Status::Withdrawn => "was taken out",
        }
    }
}
text_enum! {
    /// The part of a dataset a sample is used in.
    Split { Train = "train", Validation = "validation", Test = "test", }
}
text_enum! {
    /// Which statement the place was taken from.
    PlaceOrigin {
        Exif = "exif",
        /// Read off the description page by MediaWiki (`imageinfo`).
        Extmetadata = "extmetadata",
        /// Kept by the extension GeoData (`prop=coordinates`).
        Geodata = "geodata",
        StructuredData = "structured-data",
        Category = "category",
        Declared = "declared",
    }
}
text_enum! {
    /// How exact `captured_at` is.
    CapturedPrecision { Second = "second", Day = "day", Month = "month", Year = "year", }
}
text_enum! {
    /// State of a consent, in terms of the W3C Data Privacy Vocabulary.
    ConsentState {
        Given = "ConsentGiven",
        Withdrawn = "ConsentWithdrawn",
        Expired = "ConsentExpired",
        Refused = "ConsentRefused",
        Requested = "ConsentRequested",
        Unknown = "ConsentUnknown",
        Invalidated = "ConsentInvalidated",
    }
}
text_enum! {
    /// What a person agreed to.
    Purpose {
        Collect = "collect",
        Redistribute = "redistribute",
        Train = "train",
        Evaluate = "evaluate",
        Manipulate = "manipulate",
    }
}

/// A label as the source gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Label {
    /// `/m/...`, a Q-id, or text.
    pub label: String,
    /// 0 to 1; absent where the source states none.
    pub confidence: Option<f64>,
    /// Who says so: `human`, `category`, `structured-data`, a model's name, ...
    pub origin: String,
}

/// A self-reported attribute of a subject, e.g. Monk tone or age band.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SubjectAttribute {
    pub subject_id: String,
    pub name: String,
    pub value: String,
    /// `self-reported` is the only origin accepted at ingest.
    pub origin: String,
}

/// How a fake was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manipulation {
    pub method: String,
    pub target_sample: SampleId,
    pub source_sample: SampleId,
    pub mask_sha256: Option<Digest>,
    pub compression: Option<String>,
    /// JSON text: every argument that shaped the result.
    pub parameters: Option<String>,
}

/// One row of the manifest, in the column order of [`crate::Column`]. As JSON
/// (in the journal) absent values are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub sample_id: SampleId,
    pub media_type: MediaType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_sha256: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Pixels after EXIF orientation (video: after rotation and pixel aspect).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// The same exactly, `30000/1001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate_ratio: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_count: Option<i64>,
    /// Whether the time between frames varies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable_frame_rate: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_audio: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perceptual_hash: Option<u64>,
    /// Variance of the Laplacian at 192 pixels, in grey levels squared; of the middle frame for video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharpness: Option<f64>,
    /// Mean luma, 0 (black) to 1 (white).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub luminance: Option<f64>,
    pub source: String,
    pub source_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_sha1: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_revision_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieved_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the source says it shows; plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence_url: Option<String>,
    /// The upstream words, verbatim, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence_evidence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution_required: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restrictions: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opt_out: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_state: Option<ConsentState>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent_purposes: Vec<Purpose>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_attributes: Vec<SubjectAttribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place_precision_m: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place_origin: Option<PlaceOrigin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subregion: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_precision: Option<CapturedPrecision>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_group: Option<String>,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived_from: Vec<SampleId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manipulation: Option<Manipulation>,
}

impl Sample {
    /// A sample of which nothing is known but where it came from.
    pub fn new(source: &str, source_key: &str, media_type: MediaType) -> Self {
        Self {
            sample_id: SampleId::new(source, source_key),
            media_type,
            media_sha256: None,
            bytes: None,
            width: None,
            height: None,
            mime: None,
            duration_s: None,
            frame_rate: None,
            frame_rate_ratio: None,
            frame_count: None,
            variable_frame_rate: None,
            video_codec: None,
            has_audio: None,
            perceptual_hash: None,
            sharpness: None,
            luminance: None,
            source: source.to_owned(),
            source_key: source_key.to_owned(),
            source_url: None,
            landing_url: None,
            upstream_sha1: None,
            upstream_revision_at: None,
            retrieved_at: None,
            title: None,
            description: None,
            creator: None,
            creator_url: None,
            credit: None,
            licence: None,
            licence_url: None,
            licence_evidence: None,
            attribution_required: None,
            restrictions: Vec::new(),
            opt_out: Vec::new(),
            consent_id: None,
            consent_state: None,
            consent_purposes: Vec::new(),
            subject_ids: Vec::new(),
            subject_attributes: Vec::new(),
            latitude: None,
            longitude: None,
            place_precision_m: None,
            place_origin: None,
            country: None,
            subregion: None,
            region: None,
            captured_at: None,
            captured_precision: None,
            labels: Vec::new(),
            split: None,
            split_group: None,
            status: Status::Accepted,
            reasons: Vec::new(),
            derived_from: Vec::new(),
            manipulation: None,
        }
    }

    /// Adds a reason (once, kept sorted) and lets the status follow: the
    /// gravest reason decides, and a status never becomes milder.
    pub fn add_reason(&mut self, reason: Reason) {
        if let Err(at) = self.reasons.binary_search(&reason) {
            self.reasons.insert(at, reason);
        }
        self.status = self.status.max(reason.status());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_reason_decides_the_status() {
        let mut sample = Sample::new("s", "k", MediaType::Image);
        sample.add_reason(Reason::DuplicateNear);
        assert_eq!(sample.status, Status::Accepted);
        sample.add_reason(Reason::ConsentWithdrawn);
        sample.add_reason(Reason::LicenceUnknown);
        sample.add_reason(Reason::LicenceUnknown);
        assert_eq!(sample.status, Status::Withdrawn);
        assert_eq!(sample.reasons.len(), 3);
    }
}
