//! Task forms, one file each: the columns read, the check, the join, the
//! report of each level.

mod classification;
mod detection;
mod detection_labels;
mod few_shot;
mod multi_label;
mod recognition;
mod retrieval;

use fairframe_schemas::report::{InputRole, Level, TaskForm};

use crate::evaluate::EvalError;
use crate::metrics::{self, Metric};
use crate::read::{JsonPart, Table};
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
        TaskForm::DetectionLabels => &detection_labels::SHAPE,
        TaskForm::Recognition => &recognition::SHAPE,
        TaskForm::Retrieval => &retrieval::SHAPE,
        TaskForm::Classification => &classification::SHAPE,
        TaskForm::FewShot => &few_shot::SHAPE,
    }
}

/// All metrics of a task form.
pub(crate) fn metrics(form: TaskForm) -> Vec<&'static Metric> {
    let metrics: &[&[Metric]] = match form {
        TaskForm::MultiLabel => &[metrics::multi_label::METRICS],
        TaskForm::Detection => &[metrics::detection::METRICS],
        TaskForm::DetectionLabels => &[metrics::detection_labels::METRICS],
        TaskForm::Recognition => &[metrics::recognition::METRICS],
        TaskForm::Retrieval => &[metrics::retrieval::METRICS],
        TaskForm::Classification => &[metrics::classification::METRICS],
        TaskForm::FewShot => &[metrics::few_shot::PREDICTED, metrics::few_shot::EMBEDDED],
    };
    metrics.iter().flat_map(|of| of.iter()).collect()
}

/// What a JSON file of a task form holds.
pub(crate) fn json_part(form: TaskForm, role: InputRole) -> JsonPart {
    match (form, role) {
        (TaskForm::Detection, InputRole::Submission) => JsonPart::Probs,
        (TaskForm::Detection, _) => JsonPart::Targets,
        (TaskForm::FewShot, InputRole::Solution) => JsonPart::Episodes,
        (form, role) => JsonPart::Pairs(shape(form).names(role)[0]),
    }
}

/// The column a task form always reports by.
pub fn own_column(form: TaskForm) -> Option<&'static str> {
    match form {
        TaskForm::DetectionLabels => Some(detection_labels::METHOD),
        TaskForm::FewShot => Some(fairframe_schemas::episode::DATASET),
        _ => None,
    }
}

/// The grouping a task form always reports, where the solution has its column.
pub(crate) fn own_grouping(form: TaskForm, solution: &Table) -> Option<Vec<String>> {
    let at = solution.find(&[own_column(form)?])?;
    Some(vec![solution.names[at].clone()])
}

/// The levels' reports (none where the files were refused), and the headline.
pub(crate) type Judged = (Vec<LevelReport>, (String, Level));

/// Reads, checks, joins and judges by the task form. The solution is its own submission where
/// there is no other.
pub(crate) fn judge(
    run: &mut Run<'_>,
    solution: Table,
    submission: Option<Table>,
) -> Result<Judged, EvalError> {
    let judge: fn(&mut Run<'_>, &Table, &Table) -> Result<Judged, EvalError> =
        match run.options.form {
            TaskForm::Detection => return detection::judge(run, solution, submission),
            TaskForm::MultiLabel => multi_label::judge,
            TaskForm::DetectionLabels => detection_labels::judge,
            TaskForm::Recognition => recognition::judge,
            TaskForm::Retrieval => retrieval::judge,
            TaskForm::Classification => classification::judge,
            TaskForm::FewShot => few_shot::judge,
        };
    judge(run, &solution, submission.as_ref().unwrap_or(&solution))
}
