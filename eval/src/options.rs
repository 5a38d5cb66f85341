//! What is evaluated and how; checked before anything is read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fairframe_schemas::report::{Bootstrap, Settings, TaskForm};
use fairframe_schemas::{Pooling, TaskToml};

use crate::evaluate::EvalError;
use crate::forms;
use crate::groups::MAX_CROSSED;
use crate::read::Limits;
use crate::weights::Weights;

/// What is evaluated and how.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    pub form: TaskForm,
    pub solution: PathBuf,
    pub submission: PathBuf,
    /// Folder of a manifest version.
    pub manifest: Option<PathBuf>,
    /// Each one column, or up to three that are crossed. Empty means region
    /// and country where a manifest is given, nothing otherwise.
    pub groups: Vec<Vec<String>>,
    pub cluster: Option<String>,
    pub usage: Option<String>,
    pub threshold: f64,
    pub eps: f64,
    pub truth_threshold: Option<f64>,
    /// The column with the ids; found by its usual names where None.
    pub id: Option<String>,
    /// How a video's score is made of its frames'.
    pub pooling: Pooling,
    /// The score of a sample, frame or video that has none.
    pub no_score: f64,
    pub seed: u64,
    pub resamples: u32,
    pub min_n: u64,
    pub interval_level: f64,
    pub calibration_bins: u32,
    /// The metrics that are reported; empty means all of the form.
    pub metrics: Vec<String>,
    /// Values only: no intervals, constant answers or results by item.
    pub values_only: bool,
    /// No results by item.
    pub no_items: bool,
    pub bootstrap: Bootstrap,
    /// Permutations behind the null of each gap; 0 for none.
    pub permutations: u32,
    /// Columns within whose levels groups are compared too.
    pub controls: Vec<String>,
    pub weights: Option<Weights>,
    /// Names of the rows of a numpy matrix of embeddings.
    pub ids: Option<PathBuf>,
    /// Nothing is said that tells which ids have a truth ([`DefectKind::is_of_ids`]): whoever
    /// asks holds them against something else.
    ///
    /// [`DefectKind::is_of_ids`]: fairframe_schemas::report::DefectKind::is_of_ids
    pub quiet_ids: bool,
    /// ISO 3166-1 alpha-2 codes by whatever else countries are called, for the map.
    pub places: BTreeMap<String, String>,
    pub limits: Limits,
}

impl EvalOptions {
    /// The defaults of the command line.
    pub fn new(form: TaskForm, solution: PathBuf, submission: PathBuf) -> Self {
        Self {
            form,
            solution,
            submission,
            manifest: None,
            groups: Vec::new(),
            cluster: None,
            usage: None,
            threshold: 0.5,
            eps: 1e-15,
            truth_threshold: None,
            id: None,
            pooling: Pooling::Mean,
            no_score: 0.5,
            seed: 0,
            resamples: 1000,
            min_n: 30,
            interval_level: 0.95,
            calibration_bins: 15,
            metrics: Vec::new(),
            values_only: false,
            no_items: false,
            bootstrap: Bootstrap::Percentile,
            permutations: 1000,
            controls: Vec::new(),
            weights: None,
            ids: None,
            quiet_ids: false,
            places: BTreeMap::new(),
            limits: Limits::default(),
        }
    }

    /// Whether results by item are wanted.
    pub fn item_results(&self) -> bool {
        !self.values_only && !self.no_items
    }

    /// Whether a metric is to be reported.
    pub fn wants(&self, metric: &str) -> bool {
        self.metrics.is_empty() || self.metrics.iter().any(|wanted| wanted == metric)
    }

    /// The options a task declares, for two files.
    pub fn of_task(task: &TaskToml, solution: PathBuf, submission: PathBuf) -> Self {
        let usual = Self::new(task.form, solution, submission);
        let (metric, intervals) = (&task.metric, &task.intervals);
        Self {
            id: task.id.clone(),
            usage: task.usage.clone(),
            groups: task.groups.iter().map(|group| crossed(group)).collect(),
            cluster: task.cluster.clone(),
            controls: task.controls.clone(),
            min_n: task.min_n.unwrap_or(usual.min_n),
            threshold: metric.threshold.unwrap_or(usual.threshold),
            eps: metric.eps.unwrap_or(usual.eps),
            truth_threshold: metric.truth_threshold,
            pooling: metric.pooling.unwrap_or(usual.pooling),
            no_score: metric.no_score.unwrap_or(usual.no_score),
            calibration_bins: metric.calibration_bins.unwrap_or(usual.calibration_bins),
            seed: intervals.seed.unwrap_or(usual.seed),
            resamples: intervals.resamples.unwrap_or(usual.resamples),
            interval_level: intervals.level.unwrap_or(usual.interval_level),
            bootstrap: intervals.bootstrap.unwrap_or(usual.bootstrap),
            permutations: intervals.permutations.unwrap_or(usual.permutations),
            ..usual
        }
    }
}

/// The columns of a grouping as people write it: `country+method`.
pub fn crossed(group: &str) -> Vec<String> {
    group
        .split('+')
        .map(|column| column.trim().to_owned())
        .collect()
}

pub(crate) fn validate(options: &EvalOptions) -> Result<(), EvalError> {
    let within = |option, value: f64, ok: bool, wanted| {
        if ok {
            return Ok(());
        }
        let value = value.to_string();
        Err(EvalError::Option {
            option,
            value,
            wanted,
        })
    };
    let share = |value: f64| (0.0..=1.0).contains(&value);
    let (threshold, eps) = (options.threshold, options.eps);
    within("threshold", threshold, share(threshold), "0 to 1")?;
    let no_score = options.no_score;
    within("no-score", no_score, share(no_score), "0 to 1")?;
    within(
        "eps",
        eps,
        eps > 0.0 && eps < 0.5,
        "more than 0 and less than 0.5",
    )?;
    if let Some(at) = options.truth_threshold {
        within("truth-threshold", at, share(at), "0 to 1")?;
    }
    let level = options.interval_level;
    let inside = level > 0.0 && level < 1.0;
    within("level", level, inside, "more than 0 and less than 1")?;
    let resamples = options.resamples;
    let few_or_many = |n: u32| (100..=1_000_000).contains(&n);
    let few = few_or_many(resamples);
    within("bootstrap", resamples.into(), few, "100 to 1000000")?;
    let permutations = options.permutations;
    let some = permutations == 0 || few_or_many(permutations);
    within(
        "permutations",
        permutations.into(),
        some,
        "0, or 100 to 1000000",
    )?;
    within(
        "min-n",
        options.min_n as f64,
        options.min_n > 0,
        "1 or more",
    )?;
    let bins = options.calibration_bins;
    within(
        "bins",
        bins.into(),
        (1..=10_000).contains(&bins),
        "1 to 10000",
    )?;
    let known = forms::metrics(options.form);
    let known: Vec<&str> = known.into_iter().map(|metric| metric.name).collect();
    let unknown = |metric: &&String| !known.contains(&metric.as_str());
    if let Some(metric) = options.metrics.iter().find(unknown) {
        return Err(EvalError::UnknownMetric {
            metric: metric.clone(),
            known: known.join("`, `"),
        });
    }
    for columns in &options.groups {
        let apart = options.controls.iter().filter(|c| !columns.contains(c));
        let crossed: Vec<&String> = columns.iter().chain(apart).collect();
        if crossed.len() > MAX_CROSSED {
            let names: Vec<&str> = crossed.iter().map(|c| c.as_str()).collect();
            return Err(EvalError::TooManyCrossed {
                columns: names.join("+"),
                n: crossed.len(),
            });
        }
    }
    Ok(())
}

pub(crate) fn settings(options: &EvalOptions) -> Settings {
    Settings {
        threshold: options.threshold,
        eps: options.eps,
        truth_threshold: options.truth_threshold,
        cluster: options.cluster.clone(),
        usage: options.usage.clone(),
        min_n: options.min_n,
        resamples: options.resamples,
        seed: options.seed,
        interval_level: options.interval_level,
        calibration_bins: options.calibration_bins,
        pooling: options.pooling,
        no_score: options.no_score,
        metrics: options.metrics.clone(),
        values_only: options.values_only,
        bootstrap: options.bootstrap,
        permutations: options.permutations,
        controls: options.controls.clone(),
        weights: options.weights.as_ref().map(|w| w.name.clone()),
    }
}
