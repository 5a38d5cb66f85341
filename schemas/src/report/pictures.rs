//! What a report draws or lists beside its metrics: curves, and the worst items.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Level;

/// ROC curves and reliability of one grouping, real against fake: all items, and the
/// worst and the best group by the headline metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Curves {
    pub level: Level,
    /// Of the grouping; empty where nothing is grouped.
    pub columns: Vec<String>,
    /// All items first.
    pub lines: Vec<Curve>,
}

/// One line of each chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Empty for all items.
    pub group: Vec<String>,
    /// (share of reals accused, share of fakes caught) from (0, 0) to (1, 1), thinned to
    /// steps of a hundredth; empty where too few of one class are there.
    pub roc: Vec<(f64, f64)>,
    /// Bins of equal mass, the lowest scores first.
    pub reliability: Vec<ReliabilityBin>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReliabilityBin {
    pub n: u64,
    pub mean_score: f64,
    pub share_of_fakes: f64,
}

/// The items of one level that score worst.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorstItems {
    pub level: Level,
    /// What an item's score is, as in `item_results.parquet`.
    pub metric: String,
    pub higher_is_better: bool,
    /// The worst first, at most 20; equal ones by id.
    pub items: Vec<WorstItem>,
    /// Further items that score as the last of these.
    pub more_alike: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorstItem {
    pub id: String,
    pub frame: Option<String>,
    /// At most 80 characters of it, as of `answer`.
    pub truth: String,
    pub answer: String,
    pub answered: bool,
    pub score: f64,
}
