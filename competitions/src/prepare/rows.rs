//! The rows of a truth: what each is of, and on which side it counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use fairframe_eval::{
    crossed,
    sheet::{self, Sheet},
};
use fairframe_schemas::{
    competition::Shows,
    episode::{DATASET, EPISODE, QUERY, ROLE},
    report::{InputRole, TaskForm, UNKNOWN_GROUP},
};
use sha2::{Digest as _, Sha256};

use super::{GroupFacts, NAMED, PrepareError, USAGE, at, words};
use crate::{
    board::Side,
    definition::{Competition, Stage},
    vault,
};

/// A row's part in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    Public,
    Private,
    Ignored,
    /// Public and private.
    Both,
}

impl Usage {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Usage::Public => "Public",
            Usage::Private => "Private",
            Usage::Ignored => "Ignored",
            Usage::Both => "",
        }
    }

    pub(super) fn is_in(self, side: Side) -> bool {
        match side {
            Side::Public => matches!(self, Usage::Public | Usage::Both),
            Side::Private => matches!(self, Usage::Private | Usage::Both),
        }
    }
}

/// What a row is of; `by_id`: its id alone, though it names a frame.
pub(super) fn key(sheet: &Sheet, by_id: bool, row: usize) -> String {
    match sheet.roles.filter(|_| by_id) {
        Some(roles) => sheet.table.columns[roles.id].text(row).trim().to_owned(),
        None => sheet.key(row),
    }
}

/// The rows of a truth in canonical order: by id, each once.
pub(super) struct Rows<'a> {
    pub(super) form: TaskForm,
    pub(super) sheet: &'a Sheet,
    pub(super) order: Vec<usize>,
    /// Few-shot: says which rows are queries.
    pub(super) role: Option<usize>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(form: TaskForm, sheet: &'a Sheet, problems: &mut Vec<String>) -> Self {
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

    pub(super) fn key(&self, row: usize) -> String {
        key(self.sheet, self.sheet.table.positional_frames, row)
    }

    /// Whether rows are frames.
    pub(super) fn has_frames(&self) -> bool {
        let frame = self.sheet.roles.and_then(|roles| roles.frame);
        frame.is_some() && !self.sheet.table.positional_frames
    }

    /// Rows that are scored, not those that teach, with their usage.
    pub(super) fn scored<'b>(
        &'b self,
        usage: &'b [Usage],
    ) -> impl Iterator<Item = (usize, Usage)> + 'b {
        let both = self.order.iter().zip(usage);
        both.map(|(row, usage)| (*row, *usage))
            .filter(|(row, usage)| *usage != Usage::Ignored && self.is_query(*row))
            .filter(|(row, _)| !self.is_unasked(*row))
    }

    /// A retrieval query with nothing to find is scored nowhere.
    pub(super) fn is_unasked(&self, row: usize) -> bool {
        let value = self.sheet.roles.map(|roles| roles.value);
        let value = value.filter(|_| self.form == TaskForm::Retrieval);
        value.is_some_and(|at| self.sheet.table.columns[at].text(row).trim().is_empty())
    }

    pub(super) fn is_query(&self, row: usize) -> bool {
        let role = self.role.map(|at| self.sheet.table.columns[at].text(row));
        role.is_none_or(|role| role.trim() == QUERY)
    }

    /// Whether all that is grouped, resampled or drawn by is a column.
    pub(super) fn columns_are_there(
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
    pub(super) fn usage(&self, stage: &Stage, problems: &mut Vec<String>) -> Vec<Usage> {
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
                let number = |row: &usize| {
                    let unit = column.map(|at| table.columns[at].text(*row).trim().to_owned());
                    let unit = unit
                        .filter(|unit| !unit.is_empty())
                        .unwrap_or_else(|| self.unit(*row));
                    drawn(stage.toml.seed.unwrap_or_default(), &unit)
                };
                let drawn: Vec<f64> = self.order.iter().map(number).collect();
                let least = drawn.iter().copied().fold(f64::INFINITY, f64::min);
                let most = drawn.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let side = |number: f64| match number < share {
                    // Few units may all fall on one side: the last of them is on the other.
                    true if least < most && most < share && number == most => Usage::Private,
                    false if least < most && least >= share && number == least => Usage::Public,
                    true => Usage::Public,
                    false => Usage::Private,
                };
                drawn.into_iter().map(side).collect()
            }
            (None, None) => vec![Usage::Both; self.order.len()],
        }
    }

    pub(super) fn usage_of(&self, column: usize, problems: &mut Vec<String>) -> Vec<Usage> {
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
    pub(super) fn unit(&self, row: usize) -> String {
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
    pub(super) fn groups(
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

    pub(super) fn write(
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

/// What a unit draws, public where it is under the share: the first 53 bits of a digest of the seed
/// and its name, as a number from 0 to 1. Each unit's draw is its own: what is added or withdrawn
/// moves no other one to the other side.
fn drawn(seed: u64, unit: &str) -> f64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(unit.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let first = digest.first_chunk::<8>().copied().unwrap_or_default();
    (u64::from_be_bytes(first) >> 11) as f64 / (1u64 << 53) as f64
}
