//! `pairs.parquet` and `pairing.json`: who is swapped with whom, and who is not, and why.

use std::collections::BTreeMap;

use arrow_schema::{DataType, Field, Fields};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table::table;
use crate::{
    Column, Digest, Name, PairId, Reason, SampleId, Split, Status, Timestamp, column::list_item,
    sample::text_enum,
};

/// The file of a corpus's folder that holds the plan; never served, as it names consents.
pub const PAIRS: &str = "pairs.parquet";
/// The file beside it that tells how the plan came out.
pub const PAIRING: &str = "pairing.json";

table! {
    /// A column of `pairs.parquet`.
    PairColumn {
        PairId "pair_id" always DataType::Utf8;
        Code "code" null DataType::Utf8;
        Direction "direction" null DataType::Utf8;
        WithinSubject "within_subject" always DataType::Boolean;
        TargetSample "target_sample" null DataType::Utf8;
        SourceSample "source_sample" null DataType::Utf8;
        TargetSubject "target_subject" null DataType::Utf8;
        SourceSubject "source_subject" null DataType::Utf8;
        Scene "scene" null DataType::Utf8;
        SourceScene "source_scene" null DataType::Utf8;
        Strata "strata" always DataType::List(list_item(DataType::Struct(stratum_fields())));
        Split "split" null DataType::Utf8;
        SplitGroup (Column::SplitGroup.name()) null DataType::Utf8;
        Seed "seed" always DataType::UInt64;
        TargetConsents "target_consents" always DataType::List(list_item(DataType::Utf8));
        SourceConsents "source_consents" always DataType::List(list_item(DataType::Utf8));
        Status "status" always DataType::Utf8;
        Reasons "reasons" always DataType::List(list_item(DataType::Utf8));
    }
}

/// Fields of one element of `strata`.
pub fn stratum_fields() -> Fields {
    Fields::from(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("target", DataType::Utf8, true),
        Field::new("source", DataType::Utf8, true),
    ])
}

text_enum! {
    /// Which way round a pair is swapped. The forward target is the video with the smaller id.
    Direction { Forward = "forward", Reverse = "reverse", }
}

/// Where both sides of a pair stand in one stratum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairStratum {
    pub name: String,
    /// `None`: not known.
    pub target: Option<String>,
    pub source: Option<String>,
}

/// One row of `pairs.parquet`: a directed pairing, or a video or person who is in none.
///
/// A pairing has both samples. It is `accepted`, or, where consent ended after it was drawn,
/// refused with its reason. What may not be paired at all is one row and not one for each
/// partner it might have had: a refused video has a `target_sample` and no source, a person
/// who is in no pair with another has neither. So everybody who may be shown has a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairRow {
    pub pair_id: PairId,
    /// Eight of `0-9A-Z`; the two directions share it.
    pub code: Option<String>,
    pub direction: Option<Direction>,
    /// Two clips of one person.
    pub within_subject: bool,
    /// Whose head and background stay.
    pub target_sample: Option<SampleId>,
    /// Whose face is put there.
    pub source_sample: Option<SampleId>,
    pub target_subject: Option<String>,
    pub source_subject: Option<String>,
    /// Of the target.
    pub scene: Option<String>,
    pub source_scene: Option<String>,
    /// In the order of `corpus.pair.strata`.
    pub strata: Vec<PairStratum>,
    pub split: Option<Split>,
    /// People who hang together by pairs, named after the smallest id of their videos in them.
    pub split_group: Option<SampleId>,
    /// The seed it was drawn with.
    pub seed: u64,
    /// Ids of the consent records it stands on.
    pub target_consents: Vec<String>,
    pub source_consents: Vec<String>,
    pub status: Status,
    pub reasons: Vec<Reason>,
}

impl PairRow {
    /// The videos of a pairing that may be made.
    pub fn accepted(&self) -> Option<(SampleId, SampleId)> {
        let sides = self.target_sample.zip(self.source_sample);
        sides.filter(|_| self.status == Status::Accepted)
    }
}

/// `pairing.json`: how a plan came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pairing {
    /// The corpus.
    pub dataset: Name,
    /// The actors' dataset and its release.
    pub actors: Name,
    pub actors_version: String,
    /// The moment consents were judged at.
    pub as_of: Timestamp,
    pub seed: u64,
    /// Pairs asked for; none: all there are.
    pub asked: Option<u64>,
    pub pairs: PairCounts,
    /// Of these, from an earlier plan.
    pub kept: u64,
    pub splits: BTreeMap<Split, SplitPairs>,
    /// Refused rows by their reasons.
    pub refused: BTreeMap<Reason, u64>,
    /// What is less even than asked for, and why.
    pub unbalanced: Vec<Unbalanced>,
    /// Digest of `pairs.parquet`.
    pub sha256: Digest,
}

/// Counts of accepted pairs; each is two rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairCounts {
    /// Of two people.
    pub across: u64,
    /// Of two clips of one person.
    pub within: u64,
}

/// One split of a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitPairs {
    pub pairs: PairCounts,
    /// Pairs of two people asked for; none: all there are.
    pub asked: Option<u64>,
    /// People whose consent includes `manipulate`, and their videos.
    pub subjects: u64,
    pub videos: u64,
    /// Pairs of two people there are, each of two videos.
    pub possible: u64,
    /// Fewest and most pairs of two people that a person is in.
    pub fewest: u64,
    pub most: u64,
    /// Stratum -> value -> its people and their sides of pairs of two people.
    pub strata: BTreeMap<String, BTreeMap<String, StratumPairs>>,
}

/// One value of a stratum.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StratumPairs {
    pub subjects: u64,
    /// Sides it has: each pair has two.
    pub sides: u64,
    /// Sides it would have if all known values had alike.
    pub even: f64,
}

text_enum! {
    /// Why something could not be balanced.
    Obstacle {
        /// Nobody of this value is in the split.
        NoSubjects = "no-subjects",
        /// So few people that they would be used more often than `reuse` allows.
        TooFewSubjects = "too-few-subjects",
        /// People of this value are there, but consent does not include them.
        Consent = "consent",
        /// Nobody else in the split has videos of the same scene (or value of `within`).
        Scene = "scene",
        /// All pairs were asked for, so that nothing was drawn.
        AllPairs = "all-pairs",
        /// Pairs of an earlier plan are kept as they are.
        Kept = "kept",
        /// Values of other strata go with this one: all cannot be even at once.
        Entangled = "entangled",
    }
}

/// A value of a stratum that has fewer sides than an even share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unbalanced {
    pub split: Split,
    pub stratum: String,
    pub value: String,
    pub sides: u64,
    pub even: f64,
    pub obstacles: Vec<Obstacle>,
    /// People of this value who were refused, in all splits, by reason.
    pub refused: BTreeMap<Reason, u64>,
}
