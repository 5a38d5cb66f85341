//! Solution and submission, put together by id.
//!
//! What an item without an answer scores is the policy of its task form; such
//! items are counted. Ids that the solution does not have are left out and
//! counted.

use std::collections::HashMap;

use fairframe_schemas::report::{Counts, DefectKind, InputRole, Level};

use crate::check::{Checked, Defects, Roles};
use crate::metrics::multi_label::Lists;
use crate::read::Table;

/// Who the items of one level are.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub ids: Vec<String>,
    /// Frame names, where items are frames.
    pub frames: Option<Vec<String>>,
    pub answered: Vec<bool>,
    /// Rows of the solution's table each item rests on.
    pub rows: Lists,
}

impl Identity {
    pub fn push(&mut self, id: &str, answered: bool, rows: &[usize]) {
        self.ids.push(id.to_owned());
        self.answered.push(answered);
        let mut rows = rows.iter().map(|row| *row as u32).collect();
        self.rows.push(&mut rows);
    }
}

/// Items of one level.
#[derive(Debug)]
pub struct Items<F> {
    pub level: Level,
    pub identity: Identity,
    pub form: F,
}

/// Where the submission stands in its file, for defects.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub table: &'a Table,
    pub id_column: usize,
}

impl<'a> Place<'a> {
    pub fn new(table: &'a Table, roles: Roles) -> Self {
        Self {
            table,
            id_column: roles.id,
        }
    }

    pub fn unknown(&self, defects: &mut Defects, row: usize, text: &str) {
        defects.add(
            InputRole::Submission,
            DefectKind::UnknownId,
            Some(self.table.rows[row]),
            Some(self.table.name(self.id_column)),
            text,
        );
    }
}

/// Notes an id without an answer.
pub fn missing(defects: &mut Defects, text: &str) {
    defects.add(
        InputRole::Submission,
        DefectKind::MissingId,
        None,
        None,
        text,
    );
}

/// Counts what is scored; that no id at all is known is a defect of its own.
pub fn settle(defects: &mut Defects, counts: &mut Counts) {
    counts.scored = counts.answered + counts.unanswered;
    if counts.answered == 0 && counts.scored > 0 {
        defects.add(
            InputRole::Submission,
            DefectKind::NoIdKnown,
            None,
            None,
            &format!("0 of {} ids", counts.scored),
        );
    }
}

/// Finds the answer to each id of the solution, where ids stand once: who
/// the items are, and the index of each one's answer.
pub fn by_id<T, A>(
    solution: &Checked<T>,
    submission: &Checked<A>,
    place: Place<'_>,
    defects: &mut Defects,
    counts: &mut Counts,
) -> (Identity, Vec<Option<usize>>) {
    let mut answers: HashMap<&str, usize> = HashMap::with_capacity(submission.ids.len());
    for (at, id) in submission.ids.iter().enumerate() {
        answers.insert(id, at);
    }
    let mut identity = Identity::default();
    let mut found = Vec::with_capacity(solution.ids.len());
    for (at, id) in solution.ids.iter().enumerate() {
        let answer = answers.remove(id.as_str());
        identity.push(id, answer.is_some(), &[solution.rows[at]]);
        match answer {
            Some(_) => counts.answered += 1,
            None => {
                counts.unanswered += 1;
                missing(defects, id);
            }
        }
        found.push(answer);
    }
    let mut unknown: Vec<usize> = answers
        .into_iter()
        .filter(|(id, _)| !solution.left_out.contains(*id))
        .map(|(_, at)| at)
        .collect();
    unknown.sort_unstable();
    counts.unknown += unknown.len() as u64;
    for at in unknown {
        place.unknown(defects, submission.rows[at], &submission.ids[at]);
    }
    settle(defects, counts);
    (identity, found)
}
