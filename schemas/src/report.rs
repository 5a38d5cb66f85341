//! One evaluation's output: the only contract between the evaluator and
//! whatever shows it.

mod defect;
mod pictures;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    defect::{Defect, DefectAt, DefectKind, InputRole},
    pictures::{Curve, Curves, ReliabilityBin, WorstItem, WorstItems},
};
use crate::{Digest, Pooling};

/// The version of the report's shape.
pub const REPORT_VERSION: u32 = 1;

/// The group of samples of which the column says nothing.
pub const UNKNOWN_GROUP: &str = "unknown";

/// What a submission answers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TaskForm {
    /// Labels of images: F2.
    MultiLabel,
    /// Real against fake by score, for samples, or frames and videos.
    Detection,
    /// Real against fake by label, accuracy by method (FaceForensics).
    DetectionLabels,
    /// The landmark of an image, if any: GAP (Google Landmarks).
    Recognition,
    /// Images that show the same: mAP@100 (Google Landmarks).
    Retrieval,
    /// The class of an image: top-1, top-5, mean per class.
    Classification,
    /// Frozen episodes: accuracy by dataset (Meta-Dataset).
    FewShot,
}

impl TaskForm {
    pub fn as_str(self) -> &'static str {
        match self {
            TaskForm::MultiLabel => "multi-label",
            TaskForm::Detection => "detection",
            TaskForm::DetectionLabels => "detection-labels",
            TaskForm::Recognition => "recognition",
            TaskForm::Retrieval => "retrieval",
            TaskForm::Classification => "classification",
            TaskForm::FewShot => "few-shot",
        }
    }
}

/// What one scored item is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// One image.
    Image,
    /// One query of a recognition or retrieval task.
    Query,
    /// One row of a detection task that has no frames.
    Sample,
    /// One frame of a video.
    Frame,
    /// One video: its frames' scores pooled.
    Video,
    /// One few-shot episode.
    Episode,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Image => "image",
            Level::Query => "query",
            Level::Sample => "sample",
            Level::Frame => "frame",
            Level::Video => "video",
            Level::Episode => "episode",
        }
    }
}

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalMethod {
    /// Wilson's score interval for a proportion.
    Wilson,
    /// Percentile bootstrap over items.
    Bootstrap,
    /// Percentile bootstrap over whole clusters.
    ClusterBootstrap,
    /// Bias-corrected and accelerated bootstrap over items.
    Bca,
    /// Bias-corrected and accelerated bootstrap over whole clusters.
    ClusterBca,
    /// 1.96 population standard deviations over the root of n.
    Normal,
}

impl IntervalMethod {
    pub fn as_str(self) -> &'static str {
        match self {
            IntervalMethod::Wilson => "wilson",
            IntervalMethod::Bootstrap => "bootstrap",
            IntervalMethod::ClusterBootstrap => "cluster-bootstrap",
            IntervalMethod::Bca => "bca",
            IntervalMethod::ClusterBca => "cluster-bca",
            IntervalMethod::Normal => "normal",
        }
    }
}

/// Which bootstrap interval is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bootstrap {
    #[default]
    Percentile,
    /// Bias-corrected and accelerated (Efron 1987).
    Bca,
}

impl Bootstrap {
    pub fn as_str(self) -> &'static str {
        match self {
            Bootstrap::Percentile => "percentile",
            Bootstrap::Bca => "bca",
        }
    }
}

/// Uncertainty of one value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    pub method: IntervalMethod,
    /// Nominal coverage, in (0, 1).
    pub level: f64,
    pub low: f64,
    pub high: f64,
    /// Resamples in which the value was undefined and which the interval
    /// therefore leaves out; 0 for Wilson.
    pub undefined_resamples: u64,
}

/// What may be said of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Value and interval stand.
    Shown,
    /// A denominator is under the minimum: n is shown, the value is not.
    InsufficientData,
    /// The metric has no value here (such as AUC where the truth has one class).
    Undefined,
}

/// A value with what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Items in the cell.
    pub n: u64,
    /// What the metric divides by, by name (`items`, `positives`,
    /// `negatives`, and `clusters` where items are not independent).
    pub denominators: BTreeMap<String, u64>,
    pub value: Option<f64>,
    pub interval: Option<Interval>,
    pub verdict: Verdict,
}

/// One group of a grouping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// One value per column of the grouping.
    pub group: Vec<String>,
    pub estimate: Estimate,
    /// The best constant answer's value here, where there is one.
    pub baseline: Option<f64>,
    /// Whether the submission is better than every constant answer here.
    pub beats_baseline: Option<bool>,
}

/// How far groups stand apart, over the groups whose value is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disparity {
    pub groups_shown: u64,
    pub groups_suppressed: u64,
    /// Largest value less smallest.
    pub difference: f64,
    /// Smallest value over largest; none where the largest is 0.
    pub ratio: Option<f64>,
    /// Largest distance of a group to the overall value.
    pub difference_to_overall: Option<f64>,
    /// The smallest of value/overall and overall/value over the groups.
    pub ratio_to_overall: Option<f64>,
    pub best_group: Vec<String>,
    pub best_value: f64,
    pub worst_group: Vec<String>,
    pub worst_value: f64,
    /// The interval's unfavourable end of the worst group.
    pub worst_bound: Option<f64>,
    /// Mean over groups, each counting once.
    pub macro_mean: f64,
    /// Mean over groups by given weights; none where no weights fit the grouping.
    #[serde(default)]
    pub weighted_mean: Option<WeightedMean>,
    /// What `difference` is by chance alone; none where it was not asked for.
    #[serde(default)]
    pub null: Option<GapNull>,
}

/// A mean over groups by weights from outside, such as people per country.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedMean {
    pub value: f64,
    /// What the weights are.
    pub weights: String,
    /// Groups that are shown and have a weight.
    pub groups: u64,
    /// The part of all weight that stands on these groups, in [0, 1].
    pub share_of_weight: f64,
    /// Percentile bootstrap, each group resampled on its own; none within levels of the
    /// controls.
    #[serde(default)]
    pub interval: Option<Interval>,
}

/// The gap under the null: group labels permuted over items, or over clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GapNull {
    pub permutations: u64,
    /// Permutations in which fewer than two groups had a value; left out.
    pub undefined_permutations: u64,
    /// Mean gap of the permutations.
    pub mean: f64,
    /// Their 95th percentile.
    pub p95: f64,
    /// `(1 + permutations with a gap as large) / (1 + permutations)`.
    pub p: f64,
    /// Benjamini-Hochberg, over all metrics and groupings of the report.
    pub q: f64,
}

/// One metric over the cells of one grouping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grouping {
    /// One column, or up to three that are crossed.
    pub columns: Vec<String>,
    /// Ordered by group name, `unknown` last.
    pub cells: Vec<Cell>,
    /// None where fewer than two groups are shown.
    pub disparity: Option<Disparity>,
    /// The same groups within each level of the control columns.
    #[serde(default)]
    pub within: Vec<Within>,
}

/// The groups of a grouping among the items of one level of the controls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Within {
    /// The level: one value per control column.
    pub level: Vec<String>,
    /// All items of the level.
    pub overall: Estimate,
    pub cells: Vec<Cell>,
    pub disparity: Option<Disparity>,
}

/// One metric, overall and by group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricReport {
    /// Stable name, such as `f2_mean`.
    pub metric: String,
    /// Name for people.
    pub title: String,
    /// One sentence: what it is.
    pub definition: String,
    pub level: Level,
    pub higher_is_better: bool,
    pub overall: Estimate,
    /// The threshold the value was found at (equal error rate only).
    pub at_threshold: Option<f64>,
    pub baseline: Option<f64>,
    pub beats_baseline: Option<bool>,
    pub by_group: Vec<Grouping>,
}

/// A constant answer, scored on the same items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub name: String,
    pub metric: String,
    pub level: Level,
    pub n: u64,
    pub value: Option<f64>,
}

/// Equalised odds (Hardt, Price, Srebro 2016): the larger of the gaps in the
/// share of fakes caught and of reals accused, at the one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EqualisedOdds {
    pub level: Level,
    pub columns: Vec<String>,
    pub tpr_difference: f64,
    pub fpr_difference: f64,
    pub difference: f64,
}

/// A file the report rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub role: InputRole,
    /// The file's name, without its folder.
    pub name: String,
    pub bytes: u64,
    pub sha256: Digest,
}

/// The options that bear on the values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub threshold: f64,
    pub eps: f64,
    pub truth_threshold: Option<f64>,
    pub cluster: Option<String>,
    pub usage: Option<String>,
    pub min_n: u64,
    pub resamples: u32,
    pub seed: u64,
    pub interval_level: f64,
    pub calibration_bins: u32,
    /// How a video's score is made of its frames'.
    #[serde(default)]
    pub pooling: Pooling,
    /// The score of what has none.
    #[serde(default = "one_half")]
    pub no_score: f64,
    /// The metrics asked for; all where empty.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// No intervals, constant answers or results by item were asked for.
    pub values_only: bool,
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// Permutations behind each gap's null; 0 for none.
    #[serde(default)]
    pub permutations: u32,
    /// Columns within whose levels groups are compared too.
    #[serde(default)]
    pub controls: Vec<String>,
    /// What the weights of the weighted means are.
    #[serde(default)]
    pub weights: Option<String>,
}

fn one_half() -> f64 {
    0.5
}

/// How rows in became items scored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub solution_rows: u64,
    /// Rows of the solution left out by `Usage`.
    pub solution_ignored: u64,
    pub submission_rows: u64,
    /// Ids of the solution that are scored.
    pub scored: u64,
    pub answered: u64,
    pub unanswered: u64,
    /// Submission ids the solution does not have.
    pub unknown: u64,
    /// Images where truth and answer are both empty (they score 1).
    pub both_empty: u64,
    /// Ids found in the manifest, where one was given.
    pub joined: Option<u64>,
}

/// What few-shot episodes show beside their metrics. Lists are in the order
/// of `metrics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FewShotReport {
    pub metrics: Vec<String>,
    /// Mean of the ranks over datasets.
    pub average_ranks: Vec<f64>,
    pub datasets: Vec<DatasetRanks>,
    pub shots: Vec<Shots>,
}

/// The classifiers in one dataset; 1 is the best rank, ties share the mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetRanks {
    pub dataset: String,
    pub episodes: u64,
    pub means: Vec<f64>,
    /// Half the width of each 95% interval.
    pub half_widths: Vec<f64>,
    pub ranks: Vec<f64>,
}

/// Accuracy in classes with so many support samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shots {
    pub from: u32,
    /// None for the last step, which has no end.
    pub to: Option<u32>,
    /// Classes of episodes, each counted once per episode.
    pub classes: u64,
    pub means: Vec<f64>,
    pub half_widths: Vec<f64>,
}

/// One evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub report_version: u32,
    /// The release that wrote it.
    pub fairframe: String,
    pub task_form: TaskForm,
    /// The metric that stands on top, as (metric, level).
    pub headline: (String, Level),
    pub settings: Settings,
    pub inputs: Vec<Input>,
    pub counts: Counts,
    /// Empty where the submission has fatal defects.
    pub metrics: Vec<MetricReport>,
    pub baselines: Vec<Baseline>,
    pub equalised_odds: Vec<EqualisedOdds>,
    /// Of few-shot episodes only.
    #[serde(default)]
    pub few_shot: Option<FewShotReport>,
    /// Of detection only; none where only values were asked for.
    #[serde(default)]
    pub curves: Vec<Curves>,
    /// One per level; none where only values were asked for.
    #[serde(default)]
    pub worst_items: Vec<WorstItems>,
    /// ISO 3166-1 alpha-2 codes of the countries that groups name otherwise.
    #[serde(default)]
    pub places: BTreeMap<String, String>,
    pub defects: Vec<Defect>,
    /// Sentences on choices that bear on these values.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether the submission was refused.
    pub fn refused(&self) -> bool {
        self.defects.iter().any(|d| d.fatal)
    }

    pub fn headline_metric(&self) -> Option<&MetricReport> {
        self.metrics
            .iter()
            .find(|m| m.metric == self.headline.0 && m.level == self.headline.1)
    }
}
