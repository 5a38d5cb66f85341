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

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
};

use fairframe_eval::{
    EvalError, EvalOptions, crossed, evaluate,
    read::{Limits, ReadError},
    sheet::{self, Sheet},
};
use fairframe_schemas::{
    Digest,
    competition::Shows,
    episode::{DATASET, EPISODE, QUERY, ROLE},
    report::{Defect, InputRole, TaskForm, UNKNOWN_GROUP},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    board::Side,
    definition::{Competition, Stage},
    vault::{self, VaultError, digest_of},
};

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

/// A row's part in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usage {
    Public,
    Private,
    Ignored,
    /// Public and private.
    Both,
}

impl Usage {
    fn as_str(self) -> &'static str {
        match self {
            Usage::Public => "Public",
            Usage::Private => "Private",
            Usage::Ignored => "Ignored",
            Usage::Both => "",
        }
    }

    fn is_in(self, side: Side) -> bool {
        match side {
            Side::Public => matches!(self, Usage::Public | Usage::Both),
            Side::Private => matches!(self, Usage::Private | Usage::Both),
        }
    }
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
        problems.extend(evaluated(competition, solution, &sample)?);
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

/// What a row is of; `by_id`: its id alone, though it names a frame.
fn key(sheet: &Sheet, by_id: bool, row: usize) -> String {
    match sheet.roles.filter(|_| by_id) {
        Some(roles) => sheet.table.columns[roles.id].text(row).trim().to_owned(),
        None => sheet.key(row),
    }
}

/// A key for people.
pub(crate) fn words(key: &str) -> String {
    key.replace('\u{1f}', ", ")
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

/// What the evaluator finds wrong with the two files together.
fn evaluated(
    competition: &Competition,
    solution: &Path,
    sample: &Path,
) -> Result<Vec<String>, EvalError> {
    let task = &competition.toml.task;
    let options = EvalOptions {
        usage: None,
        groups: Vec::new(),
        controls: Vec::new(),
        cluster: None,
        values_only: true,
        metrics: vec![competition.toml.board.metric.clone()],
        ..EvalOptions::of_task(task, solution.to_owned(), sample.to_owned())
    };
    Ok(fatal(&evaluate(&options)?.report.defects).collect())
}

/// The rows of a truth in canonical order: by id, each once.
struct Rows<'a> {
    form: TaskForm,
    sheet: &'a Sheet,
    order: Vec<usize>,
    /// Few-shot: says which rows are queries.
    role: Option<usize>,
}

impl<'a> Rows<'a> {
    fn of(form: TaskForm, sheet: &'a Sheet, problems: &mut Vec<String>) -> Self {
        let table = &sheet.table;
        let positional = table.positional_frames;
        // Frames that are told apart by their place only: the video is what is said something of.
        let key = |row: usize| key(sheet, positional, row);
        let mut keyed: Vec<(String, usize)> = (0..table.len()).map(|row| (key(row), row)).collect();
        keyed.sort_unstable();
        let same = |a: usize, b: usize| {
            let mut columns = table.columns.iter().enumerate();
            columns.all(|(at, column)| {
                let frame = positional && sheet.roles.and_then(|r| r.frame) == Some(at);
                frame || column.text(a).trim() == column.text(b).trim()
            })
        };
        let mut order: Vec<usize> = Vec::with_capacity(keyed.len());
        let (mut twice, mut first) = (0, Vec::new());
        let mut before: Option<(&String, usize)> = None;
        for (key, row) in &keyed {
            match before {
                Some((earlier, at)) if earlier == key => {
                    if !same(at, *row) {
                        twice += 1;
                        if first.len() < NAMED {
                            first.push(format!("`{}`", words(key)));
                        }
                    }
                }
                _ => {
                    before = Some((key, *row));
                    order.push(*row);
                }
            }
        }
        if twice > 0 {
            problems.push(format!(
                "truth: {twice} rows say something else of an id than a row before ({}); say it once",
                first.join(", ")
            ));
        }
        let role = match form {
            TaskForm::FewShot => table.find(&[ROLE]),
            _ => None,
        };
        Self {
            form,
            sheet,
            order,
            role,
        }
    }

    fn key(&self, row: usize) -> String {
        key(self.sheet, self.sheet.table.positional_frames, row)
    }

    /// Whether rows are frames.
    fn has_frames(&self) -> bool {
        let frame = self.sheet.roles.and_then(|roles| roles.frame);
        frame.is_some() && !self.sheet.table.positional_frames
    }

    /// Rows that are scored, not those that teach, with their usage.
    fn scored<'b>(&'b self, usage: &'b [Usage]) -> impl Iterator<Item = (usize, Usage)> + 'b {
        let both = self.order.iter().zip(usage);
        both.map(|(row, usage)| (*row, *usage))
            .filter(|(row, usage)| *usage != Usage::Ignored && self.is_query(*row))
            .filter(|(row, _)| !self.is_unasked(*row))
    }

    /// A retrieval query with nothing to find is scored nowhere.
    fn is_unasked(&self, row: usize) -> bool {
        let value = self.sheet.roles.map(|roles| roles.value);
        let value = value.filter(|_| self.form == TaskForm::Retrieval);
        value.is_some_and(|at| self.sheet.table.columns[at].text(row).trim().is_empty())
    }

    fn is_query(&self, row: usize) -> bool {
        let role = self.role.map(|at| self.sheet.table.columns[at].text(row));
        role.is_none_or(|role| role.trim() == QUERY)
    }

    /// Whether all that is grouped, resampled or drawn by is a column.
    fn columns_are_there(
        &self,
        competition: &Competition,
        stage: &Stage,
        problems: &mut Vec<String>,
    ) {
        let task = &competition.toml.task;
        let columns = &competition.toml.board.columns;
        let groupings = columns.iter().filter_map(|c| c.grouping.as_ref());
        let mut wanted: BTreeSet<String> = groupings
            .chain(&task.groups)
            .flat_map(|grouping| crossed(grouping))
            .collect();
        wanted.extend(task.cluster.clone());
        wanted.extend(task.controls.iter().cloned());
        wanted.extend(stage.toml.drawn_by.clone());
        let table = &self.sheet.table;
        for name in wanted {
            if table.find(&[&name]).is_none() {
                let known = match table.names.is_empty() {
                    true => "it has no header".to_owned(),
                    false => format!("it has `{}`", table.names.join("`, `")),
                };
                problems.push(format!(
                    "the truth has no column `{name}`, which competition.toml names; {known}"
                ));
            }
        }
    }

    /// Which side each row is on.
    fn usage(&self, stage: &Stage, problems: &mut Vec<String>) -> Vec<Usage> {
        let table = &self.sheet.table;
        let named = match self.form {
            TaskForm::FewShot => table.find(&[USAGE]),
            _ => self.sheet.roles.and_then(|roles| roles.usage),
        };
        match (named, stage.toml.public_share) {
            (Some(_), Some(_)) => {
                problems.push(format!(
                    "the truth has a column `{USAGE}`, and `public_share` is declared; leave one of them out"
                ));
                Vec::new()
            }
            (Some(at), None) => self.usage_of(at, problems),
            (None, Some(share)) => {
                let drawn_by = stage.toml.drawn_by.as_ref();
                let column = drawn_by.and_then(|name| table.find(&[name]));
                let side = |row: &usize| {
                    let unit = column.map(|at| table.columns[at].text(*row).trim().to_owned());
                    let unit = unit
                        .filter(|unit| !unit.is_empty())
                        .unwrap_or_else(|| self.unit(*row));
                    match is_public(stage.toml.seed, &unit, share) {
                        true => Usage::Public,
                        false => Usage::Private,
                    }
                };
                self.order.iter().map(side).collect()
            }
            (None, None) => vec![Usage::Both; self.order.len()],
        }
    }

    fn usage_of(&self, column: usize, problems: &mut Vec<String>) -> Vec<Usage> {
        let (mut other, mut first) = (0, None);
        let read = |row: &usize| {
            let text = self.sheet.table.columns[column].text(*row);
            match text.trim().to_ascii_lowercase().as_str() {
                "public" => Usage::Public,
                "private" => Usage::Private,
                "ignored" => Usage::Ignored,
                _ => {
                    other += 1;
                    first.get_or_insert_with(|| {
                        let shown: String = text.chars().take(40).collect();
                        (self.sheet.table.line(*row), shown)
                    });
                    Usage::Ignored
                }
            }
        };
        let found = self.order.iter().map(read).collect();
        if let Some((line, text)) = first {
            problems.push(format!(
                "truth: {other} rows have another `{USAGE}` than `Public`, `Private` or `Ignored` (row {line}: `{text}`)"
            ));
        }
        found
    }

    /// What is drawn as one where nothing else is declared: an id with all its frames, an episode.
    fn unit(&self, row: usize) -> String {
        let table = &self.sheet.table;
        let text = |at: usize| table.columns[at].text(row).trim().to_owned();
        match (self.form, self.sheet.roles) {
            (TaskForm::FewShot, _) => [DATASET, EPISODE]
                .iter()
                .filter_map(|name| table.find(&[name]))
                .map(text)
                .collect::<Vec<_>>()
                .join("\u{1f}"),
            (_, Some(roles)) => text(roles.id),
            _ => self.key(row),
        }
    }

    /// Group sizes, and whether the groups that columns show are there.
    fn groups(
        &self,
        competition: &Competition,
        usage: &[Usage],
        problems: &mut Vec<String>,
    ) -> Vec<GroupFacts> {
        let table = &self.sheet.table;
        let columns = &competition.toml.board.columns;
        let groupings = columns.iter().filter_map(|c| c.grouping.as_ref());
        let groupings: BTreeSet<&String> = groupings.chain(&competition.toml.task.groups).collect();
        let mut all = Vec::new();
        for grouping in groupings {
            let names = crossed(grouping);
            let found: Option<Vec<usize>> = names.iter().map(|name| table.find(&[name])).collect();
            let Some(found) = found else {
                continue;
            };
            let mut cells: BTreeMap<Vec<String>, (u64, u64)> = BTreeMap::new();
            for (row, usage) in self.scored(usage) {
                let text = |at: &usize| match table.columns[*at].text(row).trim() {
                    "" => UNKNOWN_GROUP.to_owned(),
                    text => text.to_owned(),
                };
                let cell = cells.entry(found.iter().map(text).collect()).or_default();
                cell.0 += u64::from(usage.is_in(Side::Public));
                cell.1 += u64::from(usage.is_in(Side::Private));
            }
            let shown = columns.iter().enumerate().filter(|(_, column)| {
                column.shows == Shows::Group && column.grouping.as_ref() == Some(grouping)
            });
            for (at, column) in shown {
                if !cells.contains_key(&column.group) {
                    problems.push(format!(
                        "board.column[{at}].group: no row of the truth has `{}` as `{grouping}`",
                        column.group.join("+")
                    ));
                }
            }
            let groups = cells
                .into_iter()
                .map(|(g, (public, private))| (g, public, private));
            all.push(GroupFacts {
                grouping: grouping.clone(),
                groups: groups.collect(),
            });
        }
        all
    }

    fn write(
        &self,
        path: &Path,
        usage: &[Usage],
        with_usage: bool,
        is_in: impl Fn(Usage) -> bool,
    ) -> Result<(), PrepareError> {
        let failed = |error| PrepareError::Csv {
            path: path.to_owned(),
            error,
        };
        let table = &self.sheet.table;
        let roles = self.sheet.roles;
        let left_out = |at: usize| {
            let frame = table.positional_frames && roles.and_then(|r| r.frame) == Some(at);
            frame || roles.and_then(|r| r.usage) == Some(at) || table.find(&[USAGE]) == Some(at)
        };
        let columns: Vec<usize> = (0..table.columns.len())
            .filter(|at| !left_out(*at))
            .collect();
        let usual = sheet::column_names(self.form, InputRole::Solution);
        let name = |at: &usize| match (table.names.get(*at), usual.get(*at)) {
            (Some(name), _) => name.clone(),
            (None, Some(usual)) => (*usual).to_owned(),
            (None, None) => format!("column_{}", at + 1),
        };
        let mut header: Vec<String> = columns.iter().map(name).collect();
        if with_usage {
            header.push(USAGE.to_owned());
        }
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(&header).map_err(failed)?;
        for (row, usage) in self.order.iter().zip(usage) {
            if !is_in(*usage) {
                continue;
            }
            for at in &columns {
                let text = table.columns[*at].text(*row);
                out.write_field(text.as_bytes()).map_err(failed)?;
            }
            if with_usage {
                out.write_field(usage.as_str()).map_err(failed)?;
            }
            out.write_record(None::<&[u8]>).map_err(failed)?;
        }
        let bytes = out.into_inner().map_err(|e| at(path)(e.into_error()))?;
        Ok(vault::put(path, &bytes)?)
    }
}

/// Whether a unit is drawn as public: the first 53 bits of a digest of the seed and its name, as a
/// number from 0 to 1, are under the share. Each unit's draw is its own: what is added or withdrawn
/// moves no other one to the other side.
fn is_public(seed: u64, unit: &str, share: f64) -> bool {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(unit.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let first = digest.first_chunk::<8>().copied().unwrap_or_default();
    let number = (u64::from_be_bytes(first) >> 11) as f64 / (1u64 << 53) as f64;
    number < share
}
