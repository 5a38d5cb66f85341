//! What is evaluated and how; checked before anything is read.

use std::path::PathBuf;

use fairframe_schemas::report::{Bootstrap, Settings, TaskForm};

use crate::evaluate::EvalError;
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
    pub seed: u64,
    pub resamples: u32,
    pub min_n: u64,
    pub interval_level: f64,
    pub calibration_bins: u32,
    /// Values only: no intervals, constant answers or results by item.
    pub values_only: bool,
    pub bootstrap: Bootstrap,
    /// Permutations behind the null of each gap; 0 for none.
    pub permutations: u32,
    /// Columns within whose levels groups are compared too.
    pub controls: Vec<String>,
    pub weights: Option<Weights>,
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
            seed: 0,
            resamples: 1000,
            min_n: 30,
            interval_level: 0.95,
            calibration_bins: 15,
            values_only: false,
            bootstrap: Bootstrap::Percentile,
            permutations: 1000,
            controls: Vec::new(),
            weights: None,
            limits: Limits::default(),
        }
    }
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
        values_only: options.values_only,
        bootstrap: options.bootstrap,
        permutations: options.permutations,
        controls: options.controls.clone(),
        weights: options.weights.as_ref().map(|w| w.name.clone()),
    }
}
