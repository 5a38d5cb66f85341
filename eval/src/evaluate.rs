//! The whole way of one evaluation.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fairframe_schemas::report::{
    Baseline, Counts, DefectKind, EqualisedOdds, Grouping, Input, InputRole, Level, MetricReport,
    REPORT_VERSION, Report, Settings, TaskForm,
};
use fairframe_schemas::{Column, Digest};
use sha2::Digest as _;

use crate::baselines::{self, beats};
use crate::check::{self, Checked, Defects, Labels, Usage};
use crate::disparity::disparity;
use crate::groups::{
    GroupColumn, JudgedCell, Judging, MAX_CROSSED, grouping, judge_groups, judge_overall,
};
use crate::intervals::Resampling;
use crate::join::{self, Identity, Items};
use crate::manifest::{self, Joined, ManifestError};
use crate::metrics::Form;
use crate::metrics::detection::{self, Detection};
use crate::metrics::multi_label::{F2_MEAN, Lists, MultiLabel};
use crate::read::{JsonPart, Limits, ReadError, Table, read_table};

/// Groups of a video whose frames differ in a column.
pub const SEVERAL_GROUP: &str = "several";

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
            limits: Limits::default(),
        }
    }
}

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
    validate(options)?;
    let (solution, submission) = rayon::join(
        || read(options, InputRole::Solution),
        || read(options, InputRole::Submission),
    );
    let (solution, submission) = (solution?, submission?);
    let parts = match &options.manifest {
        Some(folder) => manifest::parts(folder)?,
        None => Vec::new(),
    };
    let mut inputs = vec![
        input(InputRole::Solution, &options.solution)?,
        input(InputRole::Submission, &options.submission)?,
    ];
    for part in &parts {
        inputs.push(input(InputRole::Manifest, part)?);
    }
    let mut run = Run {
        options,
        groupings: resolve_groups(options, &solution)?,
        defects: Defects::default(),
        counts: Counts {
            solution_rows: (solution.len() + solution.defects.len()) as u64,
            submission_rows: (submission.len() + submission.defects.len()) as u64,
            ..Counts::default()
        },
        notes: Vec::new(),
        parts,
    };
    let (levels, headline) = match options.form {
        TaskForm::MultiLabel => run.multi_label(&solution, &submission)?,
        TaskForm::Detection => run.detection(&solution, &submission)?,
    };
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
        defects: run.defects.into_list(),
        notes: run.notes,
    };
    let mut items = Vec::new();
    if !refused {
        for level in levels {
            report.metrics.extend(level.metrics);
            report.baselines.extend(level.baselines);
            report.equalised_odds.extend(level.equalised_odds);
            items.push(level.items);
        }
    }
    Ok(Evaluation { report, items })
}

fn validate(options: &EvalOptions) -> Result<(), EvalError> {
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
    let few = (100..=1_000_000).contains(&resamples);
    within("bootstrap", resamples.into(), few, "100 to 1000000")?;
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
        if columns.len() > MAX_CROSSED {
            return Err(EvalError::TooManyCrossed {
                columns: columns.join("+"),
                n: columns.len(),
            });
        }
    }
    Ok(())
}

fn read(options: &EvalOptions, role: InputRole) -> Result<Table, ReadError> {
    let (path, part) = match role {
        InputRole::Submission => (&options.submission, JsonPart::Probs),
        _ => (&options.solution, JsonPart::Targets),
    };
    let is_header = |fields: &[String]| check::is_header(options.form, role, fields);
    read_table(path, &options.limits, part, &is_header)
}

fn input(role: InputRole, path: &Path) -> Result<Input, ReadError> {
    let io_error = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(io_error)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
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

fn settings(options: &EvalOptions) -> Settings {
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
    }
}

/// The groupings asked for, once each; every column is known.
fn resolve_groups(options: &EvalOptions, solution: &Table) -> Result<Vec<Vec<String>>, EvalError> {
    let mut groupings: Vec<Vec<String>> = Vec::new();
    let asked = if options.groups.is_empty() && options.manifest.is_some() {
        [Column::Region, Column::Country]
            .map(|c| vec![c.name().to_owned()])
            .to_vec()
    } else {
        options.groups.clone()
    };
    for columns in asked {
        if !groupings.contains(&columns) {
            groupings.push(columns);
        }
    }
    for column in groupings.iter().flatten().chain(&options.cluster) {
        let in_solution = solution.find(&[column]).is_some();
        let in_manifest = options.manifest.is_some() && manifest::offers(column);
        if !in_solution && !in_manifest {
            let mut known = solution.names.clone();
            if options.manifest.is_some() {
                known.extend(manifest::OFFERED.iter().map(|c| c.name().to_owned()));
                known.push("subject.NAME".to_owned());
            }
            return Err(EvalError::UnknownColumn {
                column: column.clone(),
                manifest: match options.manifest {
                    Some(_) => " nor in the manifest",
                    None => " nor is a manifest given (`--manifest`)",
                },
                known: match known.is_empty() {
                    true => "none (the solution has no header)".to_owned(),
                    false => format!("`{}`", known.join("`, `")),
                },
            });
        }
    }
    Ok(groupings)
}

/// What one level adds to the report.
struct LevelReport {
    metrics: Vec<MetricReport>,
    baselines: Vec<Baseline>,
    equalised_odds: Vec<EqualisedOdds>,
    items: ItemResults,
}

type Judged = (Vec<LevelReport>, (String, Level));

struct Run<'a> {
    options: &'a EvalOptions,
    groupings: Vec<Vec<String>>,
    defects: Defects,
    counts: Counts,
    notes: Vec<String>,
    parts: Vec<PathBuf>,
}

impl Run<'_> {
    fn multi_label(&mut self, solution: &Table, submission: &Table) -> Result<Judged, EvalError> {
        let headline = (F2_MEAN.to_owned(), Level::Image);
        let (form, defects) = (TaskForm::MultiLabel, &mut self.defects);
        let truth_roles = check::roles(form, InputRole::Solution, solution, defects);
        let answer_roles = check::roles(form, InputRole::Submission, submission, defects);
        let (Some(truth_roles), Some(answer_roles)) = (truth_roles, answer_roles) else {
            return Ok((Vec::new(), headline));
        };
        let mut labels = Labels::default();
        let usage = Usage(self.options.usage.clone());
        let mut rows = |table, roles, role| -> Checked<Lists> {
            check::label_rows(table, roles, role, &usage, &mut labels, defects)
        };
        let truth = rows(solution, truth_roles, InputRole::Solution);
        let answers = rows(submission, answer_roles, InputRole::Submission);
        self.note_usage(truth.ignored, truth.ids.len())?;
        let items = join::multi_label(
            &truth,
            &answers,
            submission,
            answer_roles.id,
            &mut self.defects,
            &mut self.counts,
        );
        if self.defects.any_fatal() {
            return Ok((Vec::new(), headline));
        }
        self.notes.push(
            "An image without an answer is scored as an answer without labels; a label that no image of the truth has is a false positive.".to_owned(),
        );
        let joined = self.join_manifest(&items.identity)?;
        let columns = self.columns(solution, &items.identity, joined.as_ref());
        let clusters = self.clusters(solution, &items.identity, joined.as_ref(), false);
        let level = multi_label_level(self, items, &labels.names, columns, clusters);
        Ok((vec![level], headline))
    }

    fn detection(&mut self, solution: &Table, submission: &Table) -> Result<Judged, EvalError> {
        let mut headline = (detection::LOG_LOSS.to_owned(), Level::Sample);
        let (form, defects) = (TaskForm::Detection, &mut self.defects);
        let truth_roles = check::roles(form, InputRole::Solution, solution, defects);
        let answer_roles = check::roles(form, InputRole::Submission, submission, defects);
        let (Some(truth_roles), Some(answer_roles)) = (truth_roles, answer_roles) else {
            return Ok((Vec::new(), headline));
        };
        let usage = Usage(self.options.usage.clone());
        let soft = self.options.truth_threshold;
        let truth = check::truth_rows(solution, truth_roles, &usage, soft, defects);
        let answers = check::score_rows(submission, answer_roles, &usage, defects);
        if let Some(at) = soft {
            self.notes.push(format!(
                "A truth of {at} or more is read as fake, less as real."
            ));
        }
        if !self.defects.has(InputRole::Solution, DefectKind::SoftTruth) {
            self.note_usage(truth.ignored, truth.ids.len())?;
        }
        let levels = join::detection(
            (&truth, solution),
            (&answers, submission),
            answer_roles.id,
            detection::Options {
                threshold: self.options.threshold,
                eps: self.options.eps,
                bins: self.options.calibration_bins,
            },
            &mut self.defects,
            &mut self.counts,
        );
        headline.1 = levels[0].level;
        if self.defects.any_fatal() {
            return Ok((Vec::new(), headline));
        }
        self.notes
            .push("A sample, frame or video without a score is scored at 0.5.".to_owned());
        if levels.len() > 1 {
            self.notes.push(
                "A video's score is the mean of its frames' scores; at frame level whole videos are resampled, as frames of one video are not independent.".to_owned(),
            );
        }
        let joined = self.join_manifest(&levels[0].identity)?;
        let mut reports = Vec::new();
        for items in levels {
            let columns = self.columns(solution, &items.identity, joined.as_ref());
            let framed = items.level == Level::Frame;
            let clusters = self.clusters(solution, &items.identity, joined.as_ref(), framed);
            reports.push(detection_level(self, items, columns, clusters));
        }
        Ok((reports, headline))
    }

    fn note_usage(&mut self, ignored: u64, kept: usize) -> Result<(), EvalError> {
        self.counts.solution_ignored = ignored;
        match &self.options.usage {
            Some(usage) if kept == 0 && ignored > 0 => {
                return Err(EvalError::NothingToScore {
                    usage: usage.clone(),
                });
            }
            Some(usage) => self.notes.push(format!(
                "Only rows of the solution with the usage `{usage}` are scored."
            )),
            None if ignored > 0 => self.notes.push(format!(
                "{ignored} rows of the solution with the usage `Ignored` are not scored."
            )),
            None => {}
        }
        Ok(())
    }

    /// Reads what the manifest says of the ids; doubtful ones are defects.
    fn join_manifest(&mut self, identity: &Identity) -> Result<Option<Joined>, EvalError> {
        if self.parts.is_empty() {
            return Ok(None);
        }
        let ids: HashSet<&str> = identity.ids.iter().map(String::as_str).collect();
        let wanted: BTreeSet<String> = self
            .groupings
            .iter()
            .flatten()
            .chain(&self.options.cluster)
            .filter(|column| manifest::offers(column))
            .cloned()
            .collect();
        let joined = manifest::join(&self.parts, &ids, &wanted, &self.options.limits)?;
        for id in &identity.ids {
            if joined.is_ambiguous(id) {
                let kind = DefectKind::AmbiguousJoin;
                self.defects.add(InputRole::Manifest, kind, None, None, id);
            }
        }
        let found = identity.ids.iter().filter(|id| joined.has(id)).count() as u64;
        self.counts.joined = Some(found);
        let absent = identity.ids.len() as u64 - found;
        if absent > 0 {
            self.notes.push(format!(
                "{absent} of {} ids are not in the manifest: their groups are `unknown`.",
                identity.ids.len()
            ));
        }
        Ok(Some(joined))
    }

    /// One cell of a column: from the solution, else from the manifest.
    fn cells<'b>(
        &self,
        name: &str,
        solution: &Table,
        identity: &'b Identity,
        joined: Option<&'b Joined>,
    ) -> Vec<Option<std::borrow::Cow<'b, str>>> {
        let column = solution.find(&[name]).map(|at| &solution.columns[at]);
        (0..identity.ids.len())
            .map(|item| match column {
                Some(column) => {
                    let rows = identity.rows.get(item);
                    let first = column.text(*rows.first()? as usize).into_owned();
                    let same = |row: &u32| column.text(*row as usize) == first;
                    Some(match rows.iter().all(same) {
                        true => first.into(),
                        false => SEVERAL_GROUP.into(),
                    })
                }
                None => joined?.value(&identity.ids[item], name).map(Into::into),
            })
            .collect()
    }

    fn columns(
        &self,
        solution: &Table,
        identity: &Identity,
        joined: Option<&Joined>,
    ) -> Vec<GroupColumn> {
        let names: BTreeSet<&String> = self.groupings.iter().flatten().collect();
        names
            .into_iter()
            .map(|name| {
                let cells = self.cells(name, solution, identity, joined);
                GroupColumn::new(name, cells.iter().map(Option::as_deref))
            })
            .collect()
    }

    /// The cluster of each item; an item without one stands for itself (a
    /// frame for its video).
    fn clusters(
        &mut self,
        solution: &Table,
        identity: &Identity,
        joined: Option<&Joined>,
        framed: bool,
    ) -> Option<Vec<u32>> {
        let declared = self
            .options
            .cluster
            .as_ref()
            .map(|name| self.cells(name, solution, identity, joined));
        if declared.is_none() && !framed {
            return None;
        }
        #[derive(PartialEq, Eq, Hash)]
        enum Key<'a> {
            Declared(&'a str),
            Video(&'a str),
            Item(usize),
        }
        let mut known: HashMap<Key<'_>, u32> = HashMap::new();
        let mut clusters = Vec::with_capacity(identity.ids.len());
        for item in 0..identity.ids.len() {
            let cell = declared.as_ref().and_then(|cells| cells[item].as_deref());
            let key = match cell.filter(|cell| !cell.trim().is_empty()) {
                Some(cell) => Key::Declared(cell),
                None if framed => Key::Video(&identity.ids[item]),
                None => Key::Item(item),
            };
            let next = known.len() as u32;
            clusters.push(*known.entry(key).or_insert(next));
        }
        Some(clusters)
    }

    fn judging<'b>(&self, level: Level, clusters: Option<&'b [u32]>) -> Judging<'b> {
        Judging {
            min_n: self.options.min_n,
            resampling: Resampling {
                resamples: self.options.resamples,
                seed: self.options.seed,
                level: self.options.interval_level,
            },
            level: level.as_str(),
            clusters,
        }
    }

    /// Judges everything of one level. `constant` gives the best constant
    /// answer's value per metric over some items.
    fn judge<F: Form>(
        &self,
        items: &Items<F>,
        columns: &[GroupColumn],
        clusters: Option<&[u32]>,
        constant: &dyn Fn(&[u32]) -> Vec<Option<f64>>,
    ) -> Vec<MetricReport> {
        let judging = self.judging(items.level, clusters);
        let overall = judge_overall(&items.form, &judging);
        let overall_constant = constant(&overall.items);
        let judged: Vec<(Vec<&GroupColumn>, Vec<JudgedCell>, Vec<Vec<Option<f64>>>)> = self
            .groupings
            .iter()
            .map(|names| {
                let crossed: Vec<&GroupColumn> = names
                    .iter()
                    .filter_map(|name| columns.iter().find(|column| column.name == *name))
                    .collect();
                let cells = judge_groups(&items.form, &crossed, &judging);
                let constants = cells.iter().map(|cell| constant(&cell.items)).collect();
                (crossed, cells, constants)
            })
            .collect();
        let metrics = items.form.metrics().iter().enumerate();
        metrics
            .map(|(at, metric)| {
                let estimate = overall.estimates[at].clone();
                let better = |value: Option<f64>, baseline: Option<f64>| {
                    Some(beats(value?, baseline?, metric.higher_is_better))
                };
                let by_group: Vec<Grouping> = judged
                    .iter()
                    .map(|(crossed, cells, constants)| {
                        let mut group = grouping(crossed, cells, at);
                        for (cell, constant) in group.cells.iter_mut().zip(constants) {
                            let value = cell.estimate.value;
                            cell.baseline = constant[at].filter(|_| value.is_some());
                            cell.beats_baseline = better(value, cell.baseline);
                        }
                        group.disparity =
                            disparity(&group.cells, &estimate, metric.higher_is_better);
                        group
                    })
                    .collect();
                MetricReport {
                    metric: metric.name.to_owned(),
                    title: metric.title.to_owned(),
                    definition: metric.definition.to_owned(),
                    level: items.level,
                    higher_is_better: metric.higher_is_better,
                    baseline: overall_constant[at],
                    beats_baseline: better(estimate.value, overall_constant[at]),
                    overall: estimate,
                    at_threshold: None,
                    by_group,
                }
            })
            .collect()
    }
}

fn multi_label_level(
    run: &Run<'_>,
    items: Items<MultiLabel>,
    names: &[String],
    columns: Vec<GroupColumn>,
    clusters: Option<Vec<u32>>,
) -> LevelReport {
    let form = &items.form;
    let constants = baselines::frequent_labels(form, names);
    let best = |cell: &[u32]| {
        let values = constants.iter().filter_map(|c| form.constant_f2(cell, c));
        vec![values.reduce(f64::max), None, None]
    };
    let metrics = run.judge(&items, &columns, clusters.as_deref(), &best);
    let all: Vec<u32> = (0..form.len() as u32).collect();
    let baselines = constants
        .iter()
        .enumerate()
        .map(|(at, constant)| Baseline {
            name: match at {
                0 => "the most frequent label for every image".to_owned(),
                _ => format!("the {} most frequent labels for every image", at + 1),
            },
            metric: F2_MEAN.to_owned(),
            level: items.level,
            n: form.len() as u64,
            value: form.constant_f2(&all, constant),
        })
        .collect();
    let text = |list: &[u32]| {
        let mut words: Vec<&str> = list.iter().map(|l| names[*l as usize].as_str()).collect();
        words.sort_unstable();
        words.join(" ")
    };
    let each = 0..form.len();
    let results = ItemResults {
        level: items.level,
        metric: "f2",
        value: each.clone().map(|at| text(form.answer.get(at))).collect(),
        truth: each.clone().map(|at| text(form.truth.get(at))).collect(),
        score: each.map(|at| form.f2(at)).collect(),
        groups: columns,
        identity: items.identity,
    };
    LevelReport {
        metrics,
        baselines,
        equalised_odds: Vec::new(),
        items: results,
    }
}

fn detection_level(
    run: &Run<'_>,
    items: Items<Detection>,
    columns: Vec<GroupColumn>,
    clusters: Option<Vec<u32>>,
) -> LevelReport {
    let form = &items.form;
    let rate = baselines::base_rate(form);
    let constant = |cell: &[u32]| -> Vec<Option<f64>> {
        let Some(rate) = rate else {
            return vec![None; form.metrics().len()];
        };
        let values = form.constant(cell, rate);
        let rivalled = |name| baselines::RIVALLED.contains(&name);
        form.metrics()
            .iter()
            .map(|m| values.get(m.name).filter(|_| rivalled(m.name)))
            .collect()
    };
    let mut metrics = run.judge(&items, &columns, clusters.as_deref(), &constant);
    let all: Vec<u32> = (0..form.len() as u32).collect();
    let whole = form.values(&form.prepare(&all));
    for metric in &mut metrics {
        if metric.metric == "eer" {
            metric.at_threshold = whole.eer_threshold;
        }
    }
    let baselines = metrics
        .iter()
        .filter(|metric| metric.baseline.is_some())
        .map(|metric| Baseline {
            name: format!(
                "the share of fakes, {:.4}, for every {}",
                rate.unwrap_or_default(),
                items.level.as_str()
            ),
            metric: metric.metric.clone(),
            level: items.level,
            n: form.len() as u64,
            value: metric.baseline,
        })
        .collect();
    let equalised_odds = equalised_odds(&metrics, items.level);
    let results = ItemResults {
        level: items.level,
        metric: detection::LOG_LOSS,
        value: form.items.iter().map(|s| s.score.to_string()).collect(),
        truth: form
            .items
            .iter()
            .map(|s| u8::from(s.fake).to_string())
            .collect(),
        score: form
            .items
            .iter()
            .map(|s| detection::Loss::of(*s, form.options.eps).log)
            .collect(),
        groups: columns,
        identity: items.identity,
    };
    LevelReport {
        metrics,
        baselines,
        equalised_odds,
        items: results,
    }
}

fn equalised_odds(metrics: &[MetricReport], level: Level) -> Vec<EqualisedOdds> {
    let gaps = |name: &str| -> BTreeMap<Vec<String>, f64> {
        let metric = metrics.iter().find(|metric| metric.metric == name);
        let groupings = metric.map_or(&[][..], |metric| &metric.by_group);
        groupings
            .iter()
            .filter_map(|g| Some((g.columns.clone(), g.disparity.as_ref()?.difference)))
            .collect()
    };
    let (tpr, fpr) = (gaps("tpr"), gaps("fpr"));
    tpr.into_iter()
        .filter_map(|(columns, tpr_difference)| {
            let fpr_difference = *fpr.get(&columns)?;
            Some(EqualisedOdds {
                level,
                columns,
                tpr_difference,
                fpr_difference,
                difference: tpr_difference.max(fpr_difference),
            })
        })
        .collect()
}
