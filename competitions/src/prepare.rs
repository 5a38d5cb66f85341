//! A stage's truth made ready: checked against the sample submission, drawn into public and
//! private, in an order of its own, so that the same truth is the same bytes.
//!
//! ```text
//! solution.csv   the whole truth, with `Usage`, by id
//! public.csv     what the public score rests on
//! private.csv    what the private score rests on
//! ids.json       what may be answered: the sample submission's ids
//! facts.json     what was found
//! ```
//!
//! Where nothing says which items are public, all are public and private at once: the two files of
//! the sides are not there.

mod correction;
mod rows;

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use fairframe_eval::{
    EvalError, EvalOptions, evaluate,
    read::{Limits, ReadError},
    sheet,
};
use fairframe_schemas::{
    Digest,
    report::{Defect, InputRole, TaskForm},
};
use serde::{Deserialize, Serialize};

use self::rows::{Rows, Usage, key};
use crate::{
    board::Side,
    definition::{Competition, Stage},
    vault::{self, VaultError, digest_of},
};

pub use correction::{Correction, Counts, correction};

/// The column that says which rows are public.
pub const USAGE: &str = "Usage";

const SOLUTION: &str = "solution.csv";
const IDS: &str = "ids.json";
const FACTS: &str = "facts.json";

/// The version of what is written.
const VERSION: u32 = 1;

/// Ids that are named where two files do not fit.
const NAMED: usize = 5;

/// What was found while a truth was made ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub version: u32,
    pub form: TaskForm,
    /// Rows of the truth that are scored in public; of few-shot episodes their queries.
    pub public: u64,
    pub private: u64,
    /// Rows that are scored nowhere.
    pub ignored: u64,
    /// Every row is public and private at once.
    pub both: bool,
    /// Ids a submission answers.
    pub asked: u64,
    /// Ids that are asked for and have no truth: any answer to them is as good.
    pub without_truth: Misfits,
    /// Truths nobody is asked for: all submissions score there as unanswered.
    pub not_asked: Misfits,
    pub groups: Vec<GroupFacts>,
    /// Of the files as they were given.
    pub solution: Digest,
    pub sample: Digest,
}

/// Ids of one file that the other does not have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Misfits {
    pub count: u64,
    /// The first of them, in order.
    pub first: Vec<String>,
}

/// How many rows each group of a grouping has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupFacts {
    pub grouping: String,
    /// Group, public rows, private rows; by name.
    pub groups: Vec<(Vec<String>, u64, u64)>,
}

/// Why a truth cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the truth of stage `{stage}` cannot be used:{}", Listed(problems))]
    Misfit {
        stage: String,
        problems: Vec<String>,
    },
    #[error("`{}`: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("`{}` is no prepared truth: {error}", path.display())]
    Form {
        path: PathBuf,
        error: serde_json::Error,
    },
    #[error("`{}` cannot be written: {error}", path.display())]
    Csv { path: PathBuf, error: csv::Error },
}

struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|text| write!(f, "\n  {text}"))
    }
}

impl Facts {
    /// Reads them from a prepared truth's folder.
    ///
    /// # Errors
    /// Where they are not there.
    pub fn read(truth: &Path) -> Result<Self, PrepareError> {
        read_json(&truth.join(FACTS))
    }

    /// Rows a side rests on.
    pub fn rows(&self, side: Side) -> u64 {
        match side {
            Side::Public => self.public,
            Side::Private => self.private,
        }
    }

    /// The file a side is scored by.
    pub(crate) fn file(&self, truth: &Path, side: Side) -> PathBuf {
        match self.both {
            true => whole(truth),
            false => truth.join(format!("{}.csv", side.as_str())),
        }
    }
}

/// The whole truth of a prepared folder.
pub(crate) fn whole(truth: &Path) -> PathBuf {
    truth.join(SOLUTION)
}

/// What a submission answers: the columns of its ids, and the ids, as [`Sheet::key`] has them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub columns: Vec<String>,
    pub keys: Vec<String>,
}

impl Asked {
    pub fn read(truth: &Path) -> Result<Self, PrepareError> {
        read_json(&truth.join(IDS))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PrepareError + '_ {
    |error| PrepareError::Io {
        path: path.to_owned(),
        error,
    }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, PrepareError> {
    let bytes = fs::read(path).map_err(at(path))?;
    serde_json::from_slice(&bytes).map_err(|error| PrepareError::Form {
        path: path.to_owned(),
        error,
    })
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), PrepareError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| PrepareError::Form {
        path: path.to_owned(),
        error,
    })?;
    bytes.push(b'\n');
    Ok(vault::put(path, &bytes)?)
}

/// Reads a stage's truth (its own, or a corrected one) and its sample submission, looks whether
/// they fit, and writes `out`. The same files give the same bytes, in whatever order their rows are.
///
/// # Errors
/// [`PrepareError`], with all that does not fit at once.
pub fn prepare(
    competition: &Competition,
    stage: &Stage,
    solution: Option<&Path>,
    out: &Path,
) -> Result<Facts, PrepareError> {
    let task = &competition.toml.task;
    let (form, id, limits) = (task.form, task.id.as_deref(), Limits::default());
    let own = competition.folder.join(&stage.toml.solution);
    let solution = solution.unwrap_or(&own);
    let sample = competition.folder.join(&stage.toml.sample_submission);
    let truth = sheet::read(form, InputRole::Solution, solution, id, &limits)?;
    let asked = sheet::read(form, InputRole::Submission, &sample, id, &limits)?;
    let mut problems = Vec::new();
    problems.extend(fatal(&truth.defects));
    problems.extend(fatal(&asked.defects));
    if problems.is_empty() {
        problems.extend(evaluated(competition, solution, &sample, false)?);
    }
    let refused = |problems| PrepareError::Misfit {
        stage: stage.name.to_string(),
        problems,
    };
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let rows = Rows::of(form, &truth, &mut problems);
    rows.columns_are_there(competition, stage, &mut problems);
    let usage = rows.usage(stage, &mut problems);
    let names = asked.keys();
    if names.len() < asked.table.len() {
        let twice = asked.table.len() - names.len();
        problems.push(format!(
            "the sample submission answers {twice} ids twice, or rows of it have no id; it has one row for each"
        ));
    }
    let of_side = |side| rows.scored(&usage).filter(|(_, u)| u.is_in(side)).count() as u64;
    let (public, private) = (of_side(Side::Public), of_side(Side::Private));
    for (n, side) in [(public, "public"), (private, "private")] {
        if n == 0 && problems.is_empty() {
            problems.push(format!(
                "no row of the truth is {side}; give both sides some, or leave `{USAGE}` and `public_share` out, which makes all rows public and private at once"
            ));
        }
    }
    let groups = rows.groups(competition, &usage, &mut problems);
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let keys: Vec<String> = {
        let mut keys: Vec<String> = names.iter().map(str::to_owned).collect();
        keys.sort_unstable();
        keys
    };
    // Where only one of the files names frames, ids are held against each other.
    let frames = asked.roles.and_then(|roles| roles.frame).is_some();
    let by_id = form == TaskForm::Detection && frames != rows.has_frames();
    let of_truth = |row: usize| match by_id {
        true => key(&truth, true, row),
        false => rows.key(row),
    };
    let of_sample = |row| key(&asked, by_id, row);
    let known: BTreeSet<String> = rows.order.iter().map(|row| of_truth(*row)).collect();
    let scored: BTreeSet<String> = rows.scored(&usage).map(|(row, _)| of_truth(row)).collect();
    let answered: BTreeSet<String> = (0..asked.table.len()).map(of_sample).collect();
    let facts = Facts {
        version: VERSION,
        form,
        public,
        private,
        ignored: usage.iter().filter(|u| **u == Usage::Ignored).count() as u64,
        both: usage.contains(&Usage::Both),
        asked: keys.len() as u64,
        without_truth: misfits(answered.difference(&known)),
        not_asked: misfits(scored.difference(&answered)),
        groups,
        solution: digest_of(solution)?,
        sample: digest_of(&sample)?,
    };
    rows.write(&whole(out), &usage, !facts.both, |_| true)?;
    if !facts.both {
        for side in [Side::Public, Side::Private] {
            rows.write(&facts.file(out, side), &usage, false, |u| u.is_in(side))?;
        }
    }
    // Each side by itself is what submissions are scored by.
    let sides: &[Side] = match facts.both {
        true => &[],
        false => &[Side::Public, Side::Private],
    };
    for side in sides {
        let found = evaluated(competition, &facts.file(out, *side), &sample, true)?;
        let of_side = |problem| format!("the {} part: {problem}", side.as_str());
        problems.extend(found.into_iter().map(of_side));
    }
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let columns = asked.key_columns().iter();
    let columns = columns
        .enumerate()
        .map(|(place, at)| match asked.table.names.get(*at) {
            Some(name) => name.clone(),
            None => sheet::column_names(form, InputRole::Submission)[place.min(1)].to_owned(),
        })
        .collect();
    write_json(&out.join(IDS), &Asked { columns, keys })?;
    write_json(&out.join(FACTS), &facts)?;
    Ok(facts)
}

/// Between the parts of a key.
const PART: char = '\u{1f}';

/// A key for people.
pub(crate) fn words(key: &str) -> String {
    key.replace(PART, ", ")
}

/// The id of a key that may name a frame, too.
pub(crate) fn id_of(key: &str) -> &str {
    key.split(PART).next().unwrap_or_default()
}

fn misfits<'a>(keys: impl Iterator<Item = &'a String>) -> Misfits {
    let mut found = Misfits::default();
    for key in keys {
        found.count += 1;
        if found.first.len() < NAMED {
            found.first.push(words(key));
        }
    }
    found
}

/// Fatal defects in words.
fn fatal(defects: &[Defect]) -> impl Iterator<Item = String> + '_ {
    defects.iter().filter(|d| d.fatal).map(|defect| {
        let file = match defect.file {
            InputRole::Submission => "sample submission",
            _ => "truth",
        };
        let shown = defect.shown.iter().take(NAMED).map(|at| match at.row {
            Some(row) => format!("row {row}: `{}`", at.text),
            None => format!("`{}`", at.text),
        });
        format!(
            "{file}: {} ({}: {}); {}",
            defect.kind.title(),
            defect.count,
            shown.collect::<Vec<_>>().join(", "),
            defect.kind.remedy()
        )
    })
}

/// What the evaluator finds wrong with the two files together; `quiet_ids`: whose ids need not fit.
fn evaluated(
    competition: &Competition,
    solution: &Path,
    sample: &Path,
    quiet_ids: bool,
) -> Result<Vec<String>, EvalError> {
    let task = &competition.toml.task;
    let options = EvalOptions {
        usage: None,
        groups: Vec::new(),
        controls: Vec::new(),
        cluster: None,
        values_only: true,
        metrics: vec![competition.toml.board.metric.clone()],
        quiet_ids,
        ..EvalOptions::of_task(task, solution.to_owned(), sample.to_owned())
    };
    Ok(fatal(&evaluate(&options)?.report.defects).collect())
}
