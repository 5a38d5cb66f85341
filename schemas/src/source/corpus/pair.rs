//! `[corpus.pair]`: who is swapped with whom.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sample::text_enum;

/// Most pairs of a plan.
pub const MAX_PAIRS: u64 = 10_000_000;

/// How pairs are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PairRule {
    pub seed: u64,
    /// Pairs of two people asked for, each in both directions; all there are when not given.
    pub pairs: Option<u64>,
    pub scenes: Scenes,
    /// Origins of the labels that together name a video's scene.
    pub scene: Vec<String>,
    /// Attributes whose values are to have alike many sides of pairs: `region`, `subregion`
    /// or `country` of the videos, others of `subject_attributes`.
    pub strata: Vec<String>,
    /// Attributes that are numbers, and where their bands begin: `age = [30, 50]` gives
    /// `<30`, `30-50` and `50+`.
    pub bands: BTreeMap<String, Vec<i64>>,
    /// Attributes in which both sides of a pair are alike.
    pub within: Vec<String>,
    /// To balance strata, nobody is used more often than so many times an even share, nor more
    /// seldom than that part of one.
    pub reuse: f64,
    /// Pairs of two clips of one person, for each person.
    pub within_subject: u64,
}

impl Default for PairRule {
    fn default() -> Self {
        Self {
            seed: 0,
            pairs: None,
            scenes: Scenes::Matched,
            scene: vec!["scene".to_owned()],
            strata: Vec::new(),
            bands: BTreeMap::new(),
            within: Vec::new(),
            reuse: 4.0,
            within_subject: 0,
        }
    }
}

text_enum! {
    /// Whether both sides of a pair show the same scene.
    Scenes { Matched = "matched", Free = "free", }
}
