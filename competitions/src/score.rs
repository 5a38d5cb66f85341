//! A submission and a prepared truth to a score on both sides, and to reports.
//!
//! What a team is told of its file rests on the file and the sample submission alone: never on
//! the truth, nor on which ids have one. Groups of fewer than [`LEAST`] items are shown to nobody
//! but hosts, nor one that the others and the whole would tell.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use fairframe_eval::{
    EvalError, EvalOptions, Evaluation, compare::Side as Kept, crossed, evaluate::evaluate_keeping,
    intervals::normal_quantile,
};
use fairframe_schemas::{
    Digest, Name,
    competition::{BoardColumnToml, Shows},
    report::{Defect, Estimate, InputRole, MetricReport, TaskForm},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    board::{Cell, Side},
    definition::Competition,
    groups::{self, GroupScore},
    items::ItemScores,
    ladder,
    prepare::{Facts, PrepareError},
    vault::{self, VaultError},
};

mod hidden;
mod look;
mod terms;
mod told;

use hidden::Hidden;
use look::{Looked, look};
pub use told::report;

/// Fewest items of a group that boards and teams' reports show, whatever is declared.
pub const LEAST: u64 = 10;

/// The usual one, where the task says nothing.
const USUAL: u64 = 30;

/// What is scored.
#[derive(Debug, Clone, Copy)]
pub struct ScoreOptions<'a> {
    pub competition: &'a Competition,
    pub stage: &'a Name,
    /// A folder that [`crate::prepare::prepare`] wrote.
    pub truth: &'a Path,
    pub submission: &'a Path,
}

/// What came of a submission.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    Scored(Box<Scored>),
    /// It has defects with which nothing is scored: all of them, and those that alone would not
    /// have mattered.
    Invalid(Vec<Defect>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    pub public: Part,
    pub private: Part,
    /// Such as ids without an answer.
    pub defects: Vec<Defect>,
}

impl Scored {
    /// Keeps the items' scores of both sides, and the private ones by group, in a submission's
    /// folder of results.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn keep(&self, results: &Path) -> Result<(), VaultError> {
        groups::write(&vault::groups_of(results), &self.private.groups)?;
        if let Some(items) = &self.public.items {
            items.write(&ladder::public_items(results))?;
        }
        if let Some(items) = &self.private.items {
            items.write(&ladder::private_items(results))?;
        }
        Ok(())
    }
}

/// A score on one side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What ranks: the board's metric, or the weighted mean of the columns that have weights.
    pub value: Option<f64>,
    /// In the order of the board's columns.
    pub columns: Vec<Cell>,
    /// The board's metric in every group of every grouping; leaves a process as the items do.
    #[serde(skip)]
    pub groups: Vec<GroupScore>,
    /// Each item's score where what ranks is their mean and items are independent; else pseudo-values
    /// of blocks of items ([`crate::jackknife`]), which are held against each other in the same way.
    /// None where there are too few items for either. They leave a process as files
    /// ([`Scored::keep`]).
    #[serde(skip)]
    pub items: Option<ItemScores>,
    /// Items.
    pub n: usize,
}

/// Why nothing can be scored, by no fault of the submission.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    #[error(transparent)]
    Truth(#[from] PrepareError),
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error("the submission cannot be read: {0}")]
    Io(io::Error),
    #[error("the truth has defects: {0}")]
    Defects(String),
    #[error("the submission is not one that was scored")]
    Invalid,
    #[error("the report has no metric `{0}`")]
    Metric(String),
}

/// Scores a submission on both sides; values and items' scores only.
///
/// # Errors
/// [`ScoreError`], none of which is the team's fault.
pub fn score(options: &ScoreOptions<'_>) -> Result<Outcome, ScoreError> {
    let facts = Facts::read(options.truth)?;
    let of_side = |side| scored_side(options, &facts, side);
    let (looked, (public, private)) = rayon::join(
        || look(options),
        || match facts.both {
            true => (of_side(Side::Public), None),
            false => {
                let (public, private) =
                    rayon::join(|| of_side(Side::Public), || of_side(Side::Private));
                (public, Some(private))
            }
        },
    );
    let mut defects = match looked? {
        Looked::Unreadable(defect) => return Ok(Outcome::Invalid(vec![defect])),
        Looked::Sheet(defects) => defects,
    };
    let public = public?;
    let private = private.transpose()?;
    let sides = std::iter::once(&public).chain(&private);
    for found in sides.flat_map(Judged::iter_defects) {
        // The shape of the file was looked at already; values are the same on both sides.
        if !defects.iter().any(|d| d.kind == found.kind) {
            defects.push(found.clone());
        }
    }
    defects.sort_by_key(|defect| (!defect.fatal, defect.kind));
    if defects.iter().any(|defect| defect.fatal) {
        return Ok(Outcome::Invalid(defects));
    }
    let public = public.part(options.competition)?;
    let private = match private {
        Some(private) => private.part(options.competition)?,
        None => public.clone(),
    };
    Ok(Outcome::Scored(Box::new(Scored {
        public,
        private,
        defects,
    })))
}

/// One side, evaluated.
struct Judged {
    evaluation: Evaluation,
    sides: Vec<Kept>,
    hidden: Hidden,
    level: f64,
}

fn scored_side(
    options: &ScoreOptions<'_>,
    facts: &Facts,
    side: Side,
) -> Result<Judged, ScoreError> {
    let board = &options.competition.toml.board;
    let metrics = match options.competition.toml.task.form {
        // All metrics of these forms rest on the same items, and some take long.
        TaskForm::MultiLabel | TaskForm::FewShot => {
            let own = board.columns.iter().filter_map(|c| c.metric.clone());
            std::iter::once(board.metric.clone()).chain(own).collect()
        }
        // Groups are hidden by all metrics together, as in reports.
        _ => Vec::new(),
    };
    let solution = facts.file(options.truth, side);
    let wanted = EvalOptions {
        controls: Vec::new(),
        metrics,
        values_only: true,
        ..usual(options, solution)
    };
    let level = wanted.interval_level;
    let (evaluation, sides) = evaluate_keeping(&wanted)?;
    let judged = Judged {
        hidden: Hidden::of(&evaluation.report.metrics, least(options.competition)),
        evaluation,
        sides,
        level,
    };
    sound(&judged.evaluation)?;
    Ok(judged)
}

/// What all evaluations of a competition share.
fn usual(options: &ScoreOptions<'_>, solution: PathBuf) -> EvalOptions {
    let (task, board) = (
        &options.competition.toml.task,
        &options.competition.toml.board,
    );
    let mut wanted = EvalOptions {
        usage: None,
        min_n: least(options.competition),
        quiet_ids: true,
        ..EvalOptions::of_task(task, solution, options.submission.to_owned())
    };
    // Such as a form's own grouping, which no task names.
    for grouping in board.columns.iter().filter_map(|c| c.grouping.as_ref()) {
        let columns = crossed(grouping);
        if !wanted.groups.contains(&columns) {
            wanted.groups.push(columns);
        }
    }
    wanted
}

/// Fewest items of a group that is shown.
fn least(competition: &Competition) -> u64 {
    competition.toml.task.min_n.unwrap_or(USUAL).max(LEAST)
}

/// A truth was looked at when it was prepared: what is wrong with it now is our fault.
fn sound(evaluation: &Evaluation) -> Result<(), ScoreError> {
    let mut defects = evaluation.report.defects.iter();
    match defects.find(|d| d.fatal && d.file != InputRole::Submission) {
        Some(defect) => Err(ScoreError::Defects(defect.kind.title().to_owned())),
        None => Ok(()),
    }
}

impl Judged {
    fn iter_defects(&self) -> impl Iterator<Item = &Defect> {
        let defects = self.evaluation.report.defects.iter();
        defects.filter(|d| d.file == InputRole::Submission)
    }

    fn metric(&self, name: &str) -> Result<&MetricReport, ScoreError> {
        let report = &self.evaluation.report;
        let mut metrics = report.metrics.iter();
        let found = metrics.find(|m| m.metric == name && m.level == report.headline.1);
        found.ok_or_else(|| ScoreError::Metric(name.to_owned()))
    }

    /// Each item's part in a metric that is their mean.
    fn parts(&self, metric: &str) -> Option<Vec<f64>> {
        let side = self.sides.first()?;
        let at = side.form.metrics().iter().position(|m| m.name == metric)?;
        let items = 0..u32::try_from(side.identity.len()).ok()?;
        items.map(|item| side.form.part(at, item)).collect()
    }

    fn part(&self, competition: &Competition) -> Result<Part, ScoreError> {
        let board = &competition.toml.board;
        let ranking = self.metric(&board.metric)?;
        let mut columns = Vec::with_capacity(board.columns.len());
        for column in &board.columns {
            columns.push(self.cell(column, &board.metric)?);
        }
        let weighted = board.weight.is_some() || board.columns.iter().any(|c| c.weight.is_some());
        let (value, scores) = match weighted {
            false => (ranking.overall.value, self.parts(&board.metric)),
            true => self.combined(competition, ranking, &columns),
        };
        // Items of one cluster are not independent: clusters are then left out whole.
        let clustered = self
            .sides
            .first()
            .is_some_and(|side| side.clusters.is_some());
        let scores = match (value, scores) {
            (None, _) => None,
            (Some(_), Some(scores)) if !clustered => Some(scores),
            (Some(value), _) => self.pseudo_values(competition, value)?,
        };
        let items = scores.map(|scores| ItemScores {
            ids: self.ids(scores.len()),
            scores,
        });
        let groups = ranking.by_group.iter().flat_map(|grouping| {
            grouping.cells.iter().map(|cell| GroupScore {
                columns: grouping.columns.clone(),
                group: cell.group.clone(),
                n: cell.estimate.n,
                value: cell.estimate.value,
            })
        });
        Ok(Part {
            value,
            columns,
            groups: groups.collect(),
            items,
            n: usize::try_from(ranking.overall.n).unwrap_or(usize::MAX),
        })
    }

    /// The weighted mean of the metric and the columns that have weights; and as items' scores
    /// whose mean it is, where all of them are means over all items or over those of a group: an
    /// item of a group then counts `n / n of the group` times.
    fn combined(
        &self,
        competition: &Competition,
        ranking: &MetricReport,
        columns: &[Cell],
    ) -> (Option<f64>, Option<Vec<f64>>) {
        let board = &competition.toml.board;
        let own = (board.weight.unwrap_or(0.0), ranking.overall.value);
        let weighted = board.columns.iter().zip(columns);
        let all: Vec<(f64, Option<f64>)> = std::iter::once(own)
            .chain(weighted.map(|(column, cell)| (column.weight.unwrap_or(0.0), cell.value)))
            .filter(|(weight, _)| *weight > 0.0)
            .collect();
        let sum: f64 = all.iter().map(|(weight, _)| weight).sum();
        let value = all.iter().try_fold(0.0, |value, (weight, of)| {
            Some(value + weight * (*of)? / sum)
        });
        let items = || -> Option<Vec<f64>> {
            let side = self.sides.first()?;
            let mut scores = vec![0.0; side.identity.len()];
            let mut add = |weight: f64, metric: &str, items: Option<Vec<u32>>| -> Option<()> {
                let parts = self.parts(metric)?;
                let items = items.unwrap_or_else(|| (0..scores.len() as u32).collect());
                let share = weight / sum * scores.len() as f64 / items.len() as f64;
                // Spread around the group's own mean: which items are in it is no uncertainty.
                let total: f64 = items.iter().map(|item| parts[*item as usize]).sum();
                let mean = total / items.len() as f64;
                scores
                    .iter_mut()
                    .for_each(|score| *score += weight / sum * mean);
                for item in items {
                    scores[item as usize] += share * (parts[item as usize] - mean);
                }
                Some(())
            };
            if own.0 > 0.0 {
                add(own.0, &board.metric, None)?;
            }
            for column in board
                .columns
                .iter()
                .filter(|c| c.weight.is_some_and(|w| w > 0.0))
            {
                let metric = column.metric.as_ref().unwrap_or(&board.metric);
                let items = match column.shows {
                    Shows::Overall => None,
                    Shows::Group => Some(self.items_of(column)?),
                    Shows::WorstGroup | Shows::Difference => return None,
                };
                add(column.weight.unwrap_or(0.0), metric, items)?;
            }
            Some(scores)
        };
        (value, items())
    }

    /// The items of a column's group.
    fn items_of(&self, column: &BoardColumnToml) -> Option<Vec<u32>> {
        let names = crossed(column.grouping.as_ref()?);
        self.items_in(&names, &column.group)
    }

    fn items_in(&self, names: &[String], group: &[String]) -> Option<Vec<u32>> {
        let side = self.sides.first()?;
        let mut wanted = Vec::new();
        for (name, value) in names.iter().zip(group) {
            let column = side.columns.iter().find(|c| c.name == *name)?;
            let code = column.values.iter().position(|v| v == value)?;
            wanted.push((column, u32::try_from(code).ok()?));
        }
        let is_in = |item: &u32| {
            wanted
                .iter()
                .all(|(c, code)| c.codes.get(*item as usize) == *code)
        };
        Some((0..side.identity.len() as u32).filter(is_in).collect())
    }

    fn cell(&self, column: &BoardColumnToml, ranking: &str) -> Result<Cell, ScoreError> {
        let name = column.metric.as_deref().unwrap_or(ranking);
        let metric = self.metric(name)?;
        let Some(grouping) = &column.grouping else {
            return Ok(self.shown(name, &metric.overall, &[], &[]));
        };
        let names = crossed(grouping);
        let Some(found) = metric.by_group.iter().find(|g| g.columns == names) else {
            return Ok(Cell::default());
        };
        let seen = || {
            let cells = found.cells.iter();
            cells
                .filter(|cell| !self.hidden.hides(&names, &cell.group))
                .filter_map(|cell| Some((cell, cell.estimate.value?)))
        };
        let suppressed = Cell {
            suppressed: true,
            ..Cell::default()
        };
        Ok(match column.shows {
            Shows::Overall => self.shown(name, &metric.overall, &[], &[]),
            Shows::Group => match found.cells.iter().find(|c| c.group == column.group) {
                Some(cell) if !self.hidden.hides(&names, &cell.group) => {
                    self.shown(name, &cell.estimate, &names, &cell.group)
                }
                Some(cell) => Cell {
                    n: cell.estimate.n,
                    ..suppressed
                },
                None => suppressed,
            },
            Shows::WorstGroup => {
                // Among equals the first by name.
                let worse = |a: f64, b: f64| match metric.higher_is_better {
                    true => a < b,
                    false => a > b,
                };
                let worst = seen().reduce(|w, c| if worse(c.1, w.1) { c } else { w });
                match worst {
                    Some((cell, _)) => Cell {
                        group: Some(cell.group.join(", ")),
                        ..self.shown(name, &cell.estimate, &names, &cell.group)
                    },
                    None => suppressed,
                }
            }
            Shows::Difference => {
                let values: Vec<f64> = seen().map(|(_, value)| value).collect();
                if values.len() < 2 {
                    return Ok(suppressed);
                }
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                Cell {
                    value: Some(most - least),
                    n: seen().map(|(cell, _)| cell.estimate.n).sum(),
                    ..Cell::default()
                }
            }
        })
    }

    /// A value with its interval: Wilson's for a share; for another mean of items 1.96 (or as
    /// many as the task's level asks) standard errors around it, as far as the metric goes, whole
    /// clusters added up where there are any; none for what is no mean.
    fn shown(&self, metric: &str, of: &Estimate, names: &[String], group: &[String]) -> Cell {
        let bounds = match of.interval {
            Some(interval) => Some((interval.low, interval.high)),
            None => self.normal(metric, of.value, names, group),
        };
        Cell {
            value: of.value,
            lower: bounds.map(|b| b.0),
            upper: bounds.map(|b| b.1),
            n: of.n,
            group: None,
            suppressed: false,
        }
    }

    fn normal(
        &self,
        metric: &str,
        value: Option<f64>,
        names: &[String],
        group: &[String],
    ) -> Option<(f64, f64)> {
        let value = value?;
        let parts = self.parts(metric)?;
        let items = self.items_in(names, group)?;
        let n = items.len();
        let side = self.sides.first()?;
        let mut off: Vec<f64> = Vec::new();
        match &side.clusters {
            None => off.extend(items.iter().map(|item| parts[*item as usize] - value)),
            Some(clusters) => {
                let mut sums = BTreeMap::<u32, f64>::new();
                for item in items {
                    *sums.entry(clusters.get(item as usize)).or_default() +=
                        parts[item as usize] - value;
                }
                off.extend(sums.into_values());
            }
        }
        let units = off.len();
        if units < 2 {
            return None;
        }
        let squares: f64 = off.iter().map(|d| d * d).sum();
        let error = (squares * units as f64 / (units - 1) as f64).sqrt() / n as f64;
        let half = normal_quantile(0.5 + self.level / 2.0) * error;
        let most = side
            .form
            .metrics()
            .iter()
            .find(|m| m.name == metric)?
            .most();
        Some(((value - half).max(0.0), (value + half).min(most)))
    }

    /// A digest of the items' ids in their order, and of how many scores there are of them.
    fn ids(&self, scores: usize) -> Digest {
        let mut hash = Sha256::new();
        hash.update((scores as u64).to_le_bytes());
        if let Some(side) = self.sides.first() {
            for item in 0..side.identity.len() {
                let (id, frame) = (side.identity.id(item), side.identity.frame(item));
                for part in [id, frame.unwrap_or_default()] {
                    hash.update((part.len() as u64).to_le_bytes());
                    hash.update(part.as_bytes());
                }
            }
        }
        Digest::from_bytes(hash.finalize().into())
    }
}
