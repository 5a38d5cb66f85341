//! Detection by label, as the FaceForensics benchmark asks: a JSON object of
//! `"0000.png": "real"` or `"fake"`, bare or in a zip or 7z archive, or
//! `image,label` as a table. The solution says how each image was made.
//!
//! An image without an answer is called wrongly.

use std::sync::Arc;

use fairframe_schemas::report::{DefectKind, InputRole, Level};

use super::{Judged, Shape};
use crate::check::{Checked, Defects, Ids, Roles, Usage, each_value};
use crate::codes::Codes;
use crate::evaluate::{EvalError, ItemResults};
use crate::groups::GroupColumn;
use crate::join::{Items, Place};
use crate::metrics::detection_labels::{ACCURACY, Called, DetectionLabels};
use crate::read::Table;
use crate::run::{LevelReport, Run};

/// The solution's column of methods.
pub(super) const METHOD: &str = "method";

/// Methods of images that are real.
const PRISTINE: &[&str] = &["pristine", "real", "original", "youtube", "actors"];

pub(super) const SHAPE: Shape = Shape {
    truth: &[METHOD, "label", "truth", "manipulation"],
    answer: &["label", "prediction", "answer"],
    value: None,
};

fn label(text: &str) -> Option<bool> {
    match text {
        "real" => Some(false),
        "fake" => Some(true),
        _ => None,
    }
}

fn is_pristine(method: &str) -> bool {
    PRISTINE
        .iter()
        .any(|name| method.eq_ignore_ascii_case(name))
}

/// Reads, checks, joins and judges.
pub(super) fn judge(
    run: &mut Run<'_>,
    solution: &Table,
    submission: &Table,
) -> Result<Judged, EvalError> {
    let headline = (ACCURACY.to_owned(), Level::Image);
    let Some([truth_roles, answer_roles]) = run.roles(solution, submission) else {
        return Ok((Vec::new(), headline));
    };
    let (usage, names, defects) = (run.usage(), &mut run.ids, &mut run.defects);
    let truth = truth_rows(solution, truth_roles, &usage, names, defects);
    let answers = answer_rows(submission, answer_roles, names, defects);
    let place = Place::new(submission, answer_roles);
    let Some((identity, found)) = run.by_id(&truth, &answers, place)? else {
        return Ok((Vec::new(), headline));
    };
    run.note("An image without an answer is called wrongly.");
    let form = DetectionLabels {
        images: found
            .iter()
            .zip(&truth.values)
            .map(|(answer, fake)| Called {
                fake: *fake,
                called_fake: answer.map(|at| answers.values[at]),
            })
            .collect(),
    };
    let column = &solution.columns[truth_roles.value];
    let method = |row: usize| column.text(row).into_owned();
    let truths = match run.options.values_only {
        true => Vec::new(),
        false => truth.rows.iter().map(method).collect(),
    };
    let (columns, clusters) = run.groups(solution, &identity)?;
    let items = Items {
        level: Level::Image,
        identity,
        form,
    };
    let level = level_report(run, items, truths, columns, clusters);
    Ok((vec![level], headline))
}

/// Whether each image is fake: by its method, or by its label.
fn truth_rows(
    table: &Table,
    roles: Roles,
    usage: &Usage,
    names: &mut Ids,
    defects: &mut Defects,
) -> Checked<Vec<bool>> {
    let role = InputRole::Solution;
    let column = &table.columns[roles.value];
    // Beside a method a label may stand: then it says so itself.
    let named = table.find(&["label"]).filter(|at| *at != roles.value);
    let read = |row: usize| -> Result<bool, DefectKind> {
        let method = column.text(row);
        match (named, method.trim()) {
            (Some(at), _) => label(table.columns[at].text(row).trim()).ok_or(DefectKind::BadLabel),
            (None, "") => Err(DefectKind::BadLabel),
            (None, method) => Ok(!is_pristine(method)),
        }
    };
    each_value(
        table,
        roles,
        role,
        usage,
        names,
        defects,
        |row| read(row).map_err(|kind| (named.unwrap_or(roles.value), kind)),
        |a, b| column.text(a) == column.text(b) && read(a) == read(b),
    )
}

fn answer_rows(
    table: &Table,
    roles: Roles,
    names: &mut Ids,
    defects: &mut Defects,
) -> Checked<Vec<bool>> {
    let text = |row: usize| table.columns[roles.value].text(row);
    each_value(
        table,
        roles,
        InputRole::Submission,
        &Usage::default(),
        names,
        defects,
        |row| label(&text(row)).ok_or((roles.value, DefectKind::BadLabel)),
        |a, b| text(a) == text(b),
    )
}

fn level_report(
    run: &Run<'_>,
    items: Items<DetectionLabels>,
    truth: Vec<String>,
    columns: Vec<GroupColumn>,
    clusters: Option<Arc<Codes>>,
) -> LevelReport {
    let form = &items.form;
    let fakes = form.images.iter().filter(|image| image.fake).count();
    let most = 2 * fakes >= form.images.len();
    // A constant wins or loses the accuracy on one class by construction.
    let constant = |cell: &[u32]| {
        let [all, _, _, both] = form.constant(cell, most);
        vec![all, None, None, both]
    };
    let metrics = run.judge(&items, &columns, clusters.as_ref(), &constant);
    let name = match most {
        true => "fake for every image",
        false => "real for every image",
    };
    let word = |image: &Called| match image.called_fake {
        Some(true) => "fake".to_owned(),
        Some(false) => "real".to_owned(),
        None => String::new(),
    };
    let right = |image: &Called| f64::from(u8::from(image.right()));
    LevelReport {
        baselines: Run::baselines(&items, &metrics, &[name; 4]),
        metrics,
        equalised_odds: Vec::new(),
        items: ItemResults {
            level: items.level,
            metric: ACCURACY,
            value: items.form.images.iter().map(word).collect(),
            score: items.form.images.iter().map(right).collect(),
            truth,
            groups: columns,
            identity: items.identity,
        },
    }
}
