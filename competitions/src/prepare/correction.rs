//! What a corrected truth says otherwise than the one before.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use fairframe_eval::{
    crossed,
    read::{Limits, Table},
    sheet::{self, Sheet},
};
use fairframe_schemas::report::{InputRole, UNKNOWN_GROUP};

use super::{
    PrepareError, USAGE, fatal,
    rows::{Rows, Usage},
    whole,
};
use crate::definition::Competition;

/// Rows that are scored by one truth and not, or otherwise, by another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Scored now, and not before.
    pub added: u64,
    /// Scored before, and not now: rows that are gone, or ignored.
    pub withdrawn: u64,
    /// Scored by both, with something else in a column or on another side.
    pub changed: u64,
}

impl Counts {
    pub fn all(&self) -> u64 {
        self.added + self.withdrawn + self.changed
    }
}

/// How many rows a correction is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correction {
    pub rows: Counts,
    /// Grouping, group, and rows of it, by name; a row that changed counts where it is now. Groups
    /// that it is not about are left out.
    pub groups: Vec<(Vec<String>, Vec<String>, Counts)>,
}

/// Holds two prepared truths of a stage against each other.
///
/// # Errors
/// Where one of them cannot be read.
pub fn correction(
    competition: &Competition,
    stage: &str,
    before: &Path,
    now: &Path,
) -> Result<Correction, PrepareError> {
    let read = |folder: &Path| {
        let task = &competition.toml.task;
        let (form, id) = (task.form, task.id.as_deref());
        let path = whole(folder);
        sheet::read(form, InputRole::Solution, &path, id, &Limits::default())
    };
    let (old, new) = (read(before)?, read(now)?);
    let mut problems: Vec<String> = fatal(&old.defects).chain(fatal(&new.defects)).collect();
    let (old, new) = (
        Scored::of(competition, &old, &mut problems),
        Scored::of(competition, &new, &mut problems),
    );
    if !problems.is_empty() {
        return Err(PrepareError::Misfit {
            stage: stage.to_owned(),
            problems,
        });
    }
    let groupings: Vec<Vec<String>> = {
        let groups = competition.toml.task.groups.iter();
        groups.map(|grouping| crossed(grouping)).collect()
    };
    let mut found = Correction::default();
    let mut groups: BTreeMap<(usize, Vec<String>), Counts> = BTreeMap::new();
    let mut count = |of: &Scored<'_>, row: usize, add: fn(&mut Counts)| {
        add(&mut found.rows);
        for (at, columns) in groupings.iter().enumerate() {
            add(groups.entry((at, of.group(row, columns))).or_default());
        }
    };
    for (key, (row, usage)) in &new.rows {
        match old.rows.get(key) {
            None => count(&new, *row, |counts| counts.added += 1),
            Some((earlier, side)) if side != usage || !old.same(*earlier, &new, *row) => {
                count(&new, *row, |counts| counts.changed += 1);
            }
            Some(_) => {}
        }
    }
    for (key, (row, _)) in &old.rows {
        if !new.rows.contains_key(key) {
            count(&old, *row, |counts| counts.withdrawn += 1);
        }
    }
    found.groups = groups
        .into_iter()
        .map(|((at, group), counts)| (groupings[at].clone(), group, counts))
        .collect();
    Ok(found)
}

/// The rows of a truth that are scored, by what they are of.
struct Scored<'a> {
    sheet: &'a Sheet,
    rows: HashMap<String, (usize, Usage)>,
}

impl<'a> Scored<'a> {
    fn of(competition: &Competition, sheet: &'a Sheet, problems: &mut Vec<String>) -> Self {
        let rows = Rows::of(competition.toml.task.form, sheet, problems);
        let usage = match sheet.table.find(&[USAGE]) {
            Some(column) => rows.usage_of(column, problems),
            None => vec![Usage::Both; rows.order.len()],
        };
        let keyed = rows.scored(&usage);
        let keyed = keyed.map(|(row, usage)| (rows.key(row), (row, usage)));
        Self {
            rows: keyed.collect(),
            sheet,
        }
    }

    /// Whether two rows say the same, whatever order their columns have.
    fn same(&self, row: usize, other: &Self, its: usize) -> bool {
        let (table, others) = (&self.sheet.table, &other.sheet.table);
        let mut names = table.names.iter().chain(&others.names);
        names.all(|name| {
            let text = |table: &Table, row: usize| {
                let column = table.find(&[name]).map(|at| &table.columns[at]);
                column.map(|column| column.text(row).trim().to_owned())
            };
            name == USAGE || text(table, row) == text(others, its)
        })
    }

    fn group(&self, row: usize, columns: &[String]) -> Vec<String> {
        let table = &self.sheet.table;
        let value = |name: &String| {
            let column = table.find(&[name]).map(|at| &table.columns[at]);
            let text = column.map(|column| column.text(row).trim().to_owned());
            text.filter(|text| !text.is_empty())
                .unwrap_or_else(|| UNKNOWN_GROUP.to_owned())
        };
        columns.iter().map(value).collect()
    }
}
