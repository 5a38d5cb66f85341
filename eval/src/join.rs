//! Solution and submission, put together by id.
//!
//! What an item without an answer scores is the policy of its task form; such
//! items are counted. Ids that the solution does not have are left out and
//! counted.

use std::ops::Range;
use std::sync::Arc;

use fairframe_schemas::report::{Counts, DefectKind, InputRole, Level};

use crate::check::{Checked, Defects, Ids, Kept, Roles};
use crate::codes::Codes;
use crate::metrics::multi_label::Lists;
use crate::names::Names;
use crate::read::Table;

/// Who the items of one level are.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    names: Arc<Ids>,
    /// Numbers of `names`.
    pub(crate) ids: Arc<Codes>,
    pub(crate) frames: Option<Arc<Codes>>,
    pub answered: Vec<bool>,
    pub(crate) rows: Rows,
}

/// Rows of the solution's table that each item rests on.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    One(Kept),
    /// Rows that follow each other: where those of each item end.
    Runs(Vec<usize>),
    Several(Lists),
    /// Many items rest on few lists: the list of each.
    Shared(Vec<u32>, Box<Rows>),
}

impl Rows {
    /// How many lists there are.
    pub fn lists(&self) -> usize {
        match self {
            Rows::One(rows) => rows.len(),
            Rows::Runs(ends) => ends.len(),
            Rows::Several(rows) => rows.len(),
            Rows::Shared(_, lists) => lists.lists(),
        }
    }

    /// The rows of a list.
    pub fn list(&self, at: usize) -> List<'_> {
        match self {
            Rows::One(rows) => List::Run(rows.get(at)..rows.get(at) + 1),
            Rows::Runs(ends) => {
                let start = at.checked_sub(1).map_or(0, |before| ends[before]);
                List::Run(start..ends[at])
            }
            Rows::Several(rows) => List::Each(rows.get(at).iter()),
            Rows::Shared(_, lists) => lists.list(at),
        }
    }

    /// What was found of each list, for each item.
    pub fn of_items(&self, of_lists: Vec<u32>) -> Vec<u32> {
        match self {
            Rows::Shared(of, _) => of.iter().map(|list| of_lists[*list as usize]).collect(),
            _ => of_lists,
        }
    }
}

/// Rows that an item rests on.
pub(crate) enum List<'a> {
    Run(Range<usize>),
    Each(std::slice::Iter<'a, u32>),
}

impl Iterator for List<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        match self {
            List::Run(rows) => rows.next(),
            List::Each(rows) => rows.next().map(|row| *row as usize),
        }
    }
}

impl Default for Rows {
    fn default() -> Self {
        Rows::One(Kept::default())
    }
}

impl Identity {
    /// Items whose ids and frames are numbers of `names`.
    pub(crate) fn new(names: Arc<Ids>, rows: Rows) -> Self {
        Self {
            names,
            rows,
            ..Self::default()
        }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn id(&self, item: usize) -> &str {
        self.names.ids.get(self.ids.get(item))
    }

    /// The frame's name, where items are frames.
    pub fn frame(&self, item: usize) -> Option<&str> {
        let frames = self.frames.as_ref()?;
        Some(self.names.frames.get(frames.get(item)))
    }

    /// The names of all ids there are, scored or not.
    pub(crate) fn names(&self) -> &Names {
        &self.names.ids
    }

    /// Whether both are of the same items in the same order.
    pub(crate) fn same_items(&self, other: &Self) -> bool {
        let same = |item| self.id(item) == other.id(item) && self.frame(item) == other.frame(item);
        self.len() == other.len() && (0..self.len()).all(same)
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
            Some(self.table.line(row)),
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

/// No answer to an id.
const NONE: u32 = u32::MAX;

/// Finds the answer to each id of the solution, where ids stand once: who
/// the items are, and the index of each one's answer.
pub fn by_id<T, A>(
    solution: &Checked<T>,
    submission: &Checked<A>,
    names: Ids,
    place: Place<'_>,
    defects: &mut Defects,
    counts: &mut Counts,
) -> (Identity, Vec<Option<usize>>) {
    let mut answers = vec![NONE; names.ids.len()];
    for (at, id) in submission.ids.iter().enumerate() {
        answers[id as usize] = at as u32;
    }
    let mut identity = Identity::new(Arc::new(names), Rows::One(solution.rows.clone()));
    identity.ids = solution.ids.clone();
    let mut found = Vec::with_capacity(solution.ids.len());
    for (item, id) in solution.ids.iter().enumerate() {
        let answer = match std::mem::replace(&mut answers[id as usize], NONE) {
            NONE => None,
            at => Some(at as usize),
        };
        match answer {
            Some(_) => counts.answered += 1,
            None => {
                counts.unanswered += 1;
                missing(defects, identity.id(item));
            }
        }
        identity.answered.push(answer.is_some());
        found.push(answer);
    }
    for (at, id) in submission.ids.iter().enumerate() {
        let left = answers[id as usize] == at as u32;
        if left && !solution.left_out.contains(&id) {
            counts.unknown += 1;
            let row = submission.rows.get(at);
            place.unknown(defects, row, identity.names().get(id));
        }
    }
    settle(defects, counts);
    (identity, found)
}
