//! Two submissions on the same items: how far they differ, and for whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{Input, Interval, Level, Settings, TaskForm, Verdict};

/// The version of the comparison's shape.
pub const COMPARISON_VERSION: u32 = 1;

/// Submission A, the one that is judged, and B, the one it is held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    pub comparison_version: u32,
    /// The release that wrote it.
    pub fairframe: String,
    pub task_form: TaskForm,
    pub settings: Settings,
    pub a: Input,
    pub b: Input,
    pub metrics: Vec<MetricComparison>,
    pub notes: Vec<String>,
}

/// One metric, overall and by group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricComparison {
    pub metric: String,
    pub title: String,
    pub level: Level,
    pub higher_is_better: bool,
    pub overall: Compared,
    pub by_group: Vec<ComparedGrouping>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedGrouping {
    pub columns: Vec<String>,
    pub cells: Vec<ComparedCell>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedCell {
    pub group: Vec<String>,
    pub compared: Compared,
}

/// Both values over the same items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    pub n: u64,
    pub a: Option<f64>,
    pub b: Option<f64>,
    /// A less B.
    pub difference: Option<f64>,
    /// Of the difference: both submissions on the same resamples.
    pub interval: Option<Interval>,
    pub verdict: Verdict,
    /// For shares of right answers over independent items.
    pub mcnemar: Option<McNemar>,
}

/// McNemar's test of whether two submissions are right equally often.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McNemar {
    /// Items that only A has right, and only B.
    pub only_a: u64,
    pub only_b: u64,
    /// Chi square with continuity correction; none where the test is exact.
    pub chi_square: Option<f64>,
    pub p: f64,
}
