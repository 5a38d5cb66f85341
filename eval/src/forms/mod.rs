//! Task forms, one file each: the columns read, the check, the join, the
//! report of each level.

mod detection;
mod multi_label;

use fairframe_schemas::report::{InputRole, Level, TaskForm};

use crate::evaluate::EvalError;
use crate::read::Table;
use crate::run::{LevelReport, Run};

/// What the files of a task form look like.
pub(crate) struct Shape {
    /// Names of the solution's column with the truth.
    truth: &'static [&'static str],
    /// Names of the submission's column with the answer.
    answer: &'static [&'static str],
    /// Whether a field may be a truth or an answer: a first row without any
    /// is a header. None where every text may be one.
    pub value: Option<fn(&str) -> bool>,
}

impl Shape {
    pub fn names(&self, role: InputRole) -> &'static [&'static str] {
        match role {
            InputRole::Submission => self.answer,
            _ => self.truth,
        }
    }
}

pub(crate) fn shape(form: TaskForm) -> &'static Shape {
    match form {
        TaskForm::MultiLabel => &multi_label::SHAPE,
        TaskForm::Detection => &detection::SHAPE,
    }
}

/// The levels' reports (none where the files were refused), and the headline.
pub(crate) type Judged = (Vec<LevelReport>, (String, Level));

/// Reads, checks, joins and judges by the task form.
pub(crate) fn judge(
    run: &mut Run<'_>,
    solution: &Table,
    submission: &Table,
) -> Result<Judged, EvalError> {
    match run.options.form {
        TaskForm::MultiLabel => multi_label::judge(run, solution, submission),
        TaskForm::Detection => detection::judge(run, solution, submission),
    }
}
