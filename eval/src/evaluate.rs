//! The whole way of one evaluation.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use fairframe_schemas::report::{
    Counts, Input, InputRole, Level, REPORT_VERSION, Report, TaskForm,
};
use fairframe_schemas::{Column, Digest};
use rayon::prelude::*;
use sha2::Digest as _;

use crate::check::{self, Defects, Ids};
use crate::compare::Side;
use crate::episodes::embeddings::is_npy;
use crate::false_discovery;
use crate::forms;
use crate::groups::{GroupColumn, MAX_CROSSED};
use crate::join::Identity;
use crate::manifest::{self, ManifestError};
use crate::options::{EvalOptions, settings, validate};
use crate::read::{ReadError, Table, is_parquet, read_columns};
use crate::run::{Run, resolve_groups};
use crate::weights::WeightsError;
use crate::worst::worst_items;

/// Why nothing can be evaluated. Defects of a submission are none of these:
/// they stand in the report.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("group column `{column}` is neither in the solution{manifest}; there are: {known}")]
    UnknownColumn {
        column: String,
        manifest: &'static str,
        known: String,
    },
    #[error("`{columns}` crosses {n} columns; at most {MAX_CROSSED} may be crossed")]
    TooManyCrossed { columns: String, n: usize },
    #[error("`--{option} {value}` is out of range; give {wanted}")]
    Option {
        option: &'static str,
        value: String,
        wanted: &'static str,
    },
    #[error("there is no metric `{metric}`; there are: `{known}`")]
    UnknownMetric { metric: String, known: String },
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("`{path}` is not a task: {message}")]
    Task { path: PathBuf, message: String },
    #[error("no row of the solution has the usage `{usage}`; leave `--usage` out to score all")]
    NothingToScore { usage: String },
    #[error("`{path}` cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("`{path}` cannot be written: {message}")]
    WriteForm { path: PathBuf, message: String },
}

/// A report and the results it was summed from.
#[derive(Debug)]
pub struct Evaluation {
    pub report: Report,
    /// One per level; empty where the submission was refused.
    pub items: Vec<ItemResults>,
    /// Whether they were asked for.
    pub item_results: bool,
}

/// Per-item results of one level.
#[derive(Debug)]
pub struct ItemResults {
    pub level: Level,
    pub metric: &'static str,
    pub identity: Identity,
    pub value: Vec<String>,
    pub truth: Vec<String>,
    pub score: Vec<f64>,
    pub groups: Vec<GroupColumn>,
}

/// Evaluates one submission against one solution.
pub fn evaluate(options: &EvalOptions) -> Result<Evaluation, EvalError> {
    Ok(run(options, None)?.0)
}

/// Evaluates, and keeps the items of each level, the headline's first.
pub fn evaluate_keeping(options: &EvalOptions) -> Result<(Evaluation, Vec<Side>), EvalError> {
    run(options, Some(Mutex::default()))
}

fn run(
    options: &EvalOptions,
    sides: Option<Mutex<Vec<Side>>>,
) -> Result<(Evaluation, Vec<Side>), EvalError> {
    validate(options)?;
    let parts = match &options.manifest {
        Some(folder) => manifest::parts(folder)?,
        None => Vec::new(),
    };
    // A typed table may hold the truth beside the answers: then it is read once.
    let one = options.solution == options.submission && is_parquet(&options.solution);
    let mut files = vec![(InputRole::Solution, options.solution.as_path())];
    if !one {
        files.push((InputRole::Submission, options.submission.as_path()));
    }
    files.extend(
        parts
            .iter()
            .map(|part| (InputRole::Manifest, part.as_path())),
    );
    // Digests are found while the files are read, and not of what is refused.
    let refused = AtomicBool::new(false);
    let read = |roles: &[InputRole]| {
        let table = read(options, roles);
        refused.fetch_or(table.is_err(), Ordering::Relaxed);
        table
    };
    let digest = |(role, path): &(InputRole, &Path)| input(*role, path, &refused);
    let (inputs, (solution, submission)) = rayon::join(
        || {
            files
                .par_iter()
                .map(digest)
                .collect::<Result<Vec<Input>, _>>()
        },
        || match one {
            true => (read(&[InputRole::Solution, InputRole::Submission]), None),
            false => rayon::join(
                || read(&[InputRole::Solution]),
                || Some(read(&[InputRole::Submission])),
            ),
        },
    );
    let (solution, submission, mut inputs) = (solution?, submission.transpose()?, inputs?);
    if one {
        let role = InputRole::Submission;
        inputs.insert(
            1,
            Input {
                role,
                ..inputs[0].clone()
            },
        );
    }
    let given = submission.as_ref().unwrap_or(&solution);
    let mut run = Run {
        options,
        groupings: resolve_groups(options, &solution)?,
        ids: Ids::default(),
        defects: Defects::new(options.quiet_ids),
        counts: Counts {
            solution_rows: (solution.len() + solution.defects.len()) as u64,
            submission_rows: (given.len() + given.defects.len()) as u64,
            ..Counts::default()
        },
        notes: Vec::new(),
        parts,
        sides,
        few_shot: None,
        curves: Vec::new(),
    };
    let (levels, mut headline) = forms::judge(&mut run, solution, submission)?;
    if !options.wants(&headline.0) {
        headline.0.clone_from(&options.metrics[0]);
    }
    let sides = run.sides.take().map(Mutex::into_inner);
    let sides = sides.map_or_else(Vec::new, |sides| sides.unwrap_or_default());
    let refused = run.defects.any_fatal();
    let mut report = Report {
        report_version: REPORT_VERSION,
        fairframe: env!("CARGO_PKG_VERSION").to_owned(),
        task_form: options.form,
        headline,
        settings: settings(options),
        inputs,
        counts: run.counts,
        metrics: Vec::new(),
        baselines: Vec::new(),
        equalised_odds: Vec::new(),
        few_shot: run.few_shot.filter(|_| !refused),
        curves: run.curves,
        worst_items: Vec::new(),
        places: BTreeMap::new(),
        defects: run.defects.into_list(),
        notes: run.notes,
    };
    let mut items = Vec::new();
    if !refused {
        for level in levels {
            report.metrics.extend(level.metrics);
            let baselines = level.baselines.into_iter();
            report
                .baselines
                .extend(baselines.filter(|baseline| options.wants(&baseline.metric)));
            report.equalised_odds.extend(level.equalised_odds);
            if options.item_results() {
                report.worst_items.push(worst_items(&level.items));
                items.push(level.items);
            }
        }
        false_discovery::judge(&mut report);
        report.places = places(&report, &options.places);
    }
    let evaluation = Evaluation {
        report,
        items,
        item_results: options.item_results(),
    };
    Ok((evaluation, sides))
}

/// Codes of the countries that are reported by, where they are not their names.
fn places(report: &Report, known: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let groupings = report.metrics.iter().flat_map(|metric| &metric.by_group);
    let by_country = groupings.filter(|g| g.columns == [Column::Country.name()]);
    let names = by_country.flat_map(|g| g.cells.iter().flat_map(|cell| &cell.group));
    let coded = names.filter_map(|name| Some((name.clone(), known.get(name)?.clone())));
    coded.collect()
}

/// Reads the file that is all of `roles`.
fn read(options: &EvalOptions, roles: &[InputRole]) -> Result<Table, ReadError> {
    let role = roles[0];
    let path = match role {
        InputRole::Submission => &options.submission,
        _ => &options.solution,
    };
    if options.form == TaskForm::FewShot && is_npy(path) {
        // A matrix is no table: the task form reads it.
        return Ok(Table::default());
    }
    let part = forms::json_part(options.form, role);
    let is_header = |fields: &[String]| check::is_header(options.form, role, fields);
    // Detection alone reads columns by their roles only; it has the long files.
    let named = [&options.id, &options.cluster].into_iter().flatten();
    let named: Vec<&String> = named
        .chain(options.groups.iter().flatten())
        .chain(&options.controls)
        .collect();
    let wanted = |name: &str| {
        options.form != TaskForm::Detection
            || roles
                .iter()
                .any(|role| check::may_have_role(options.form, *role, name))
            || named
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(name.trim()))
    };
    read_columns(path, &options.limits, part, &is_header, &wanted)
}

/// Name, size and digest of a file; of a part of it once it is refused.
fn input(role: InputRole, path: &Path, refused: &AtomicBool) -> Result<Input, ReadError> {
    let io_error = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = crate::read::open(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    while !refused.load(Ordering::Relaxed) {
        let n = file.read(&mut buffer).map_err(io_error)?;
        if n == 0 {
            break;
        }
        bytes += n as u64;
        hasher.update(&buffer[..n]);
    }
    Ok(Input {
        role,
        name: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        bytes,
        sha256: Digest::from_bytes(hasher.finalize().into()),
    })
}
