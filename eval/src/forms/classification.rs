//! Classification: `id,label`, the answer one class, a list of classes best
//! first, or a column for each (`label_1`, `label_2` ...); the truth one class
//! or several.
//!
//! An image without an answer is wrong.

use std::sync::Arc;

use fairframe_schemas::report::{DefectKind, InputRole, Level};

use super::{Judged, Shape};
use crate::baselines::frequent_labels;
use crate::check::{Checked, Defects, First, Roles, Usage, each_id, with_values};
use crate::codes::Codes;
use crate::evaluate::{EvalError, ItemResults};
use crate::groups::GroupColumn;
use crate::join::{Items, Place};
use crate::metrics::Form;
use crate::metrics::classification::{Classification, TOP_1};
use crate::metrics::multi_label::Lists;
use crate::names::Names;
use crate::read::Table;
use crate::run::{LevelReport, Run};

pub(super) const SHAPE: Shape = Shape {
    truth: &["label", "labels", "class", "classes", "target", "truth"],
    answer: &[
        "label",
        "labels",
        "class",
        "classes",
        "prediction",
        "predictions",
        "predicted_class",
        "label_1",
        "label1",
        "class_1",
        "class1",
        "top_1",
        "top1",
        "prediction_1",
        "pred_1",
    ],
    value: None,
};

/// Reads, checks, joins and judges.
pub(super) fn judge(
    run: &mut Run<'_>,
    solution: &Table,
    submission: &Table,
) -> Result<Judged, EvalError> {
    let headline = (TOP_1.to_owned(), Level::Image);
    let Some([truth_roles, answer_roles]) = run.roles(solution, submission) else {
        return Ok((Vec::new(), headline));
    };
    let mut labels = Names::default();
    let usage = run.usage();
    let truth = truth_rows(solution, truth_roles, &usage, &mut labels, run);
    let columns = ranked_columns(submission, answer_roles);
    let answers = answer_rows(submission, answer_roles, &columns, &mut labels, run);
    let place = Place::new(submission, answer_roles);
    let Some((identity, found)) = run.by_id(&truth, &answers, place)? else {
        return Ok((Vec::new(), headline));
    };
    let given: Vec<&[u32]> = found
        .iter()
        .map(|at| at.map_or(&[][..], |at| answers.values[at].as_slice()))
        .collect();
    let mut form = Classification {
        several: given.iter().any(|list| list.len() > 1),
        ..Classification::default()
    };
    for (at, list) in given.iter().enumerate() {
        let classes = truth.values.get(at);
        let right = |class: &u32| classes.binary_search(class).is_ok();
        let rank = list.iter().position(right).map_or(0, |at| at as u32 + 1);
        form.truth.push(&mut classes.to_vec());
        form.ranks.push(rank);
    }
    run.note("An image without an answer is wrong.");
    if !form.several {
        run.note("No image has more than one answer: there is no top-5.");
    }
    let text = |list: &[u32]| {
        let words = list.iter().map(|label| labels.get(*label));
        words.collect::<Vec<_>>().join(" ")
    };
    let (mut value, mut truths) = (Vec::new(), Vec::new());
    if !run.options.values_only {
        value.extend(given.iter().map(|list| text(list)));
        truths.extend((0..form.len()).map(|at| text(form.truth.get(at))));
    }
    let (columns, clusters) = run.groups(solution, &identity)?;
    let items = Items {
        level: Level::Image,
        identity,
        form,
    };
    let frequent = frequent_labels(&items.form.truth, &labels);
    let level = level_report(run, items, &frequent, (value, truths), columns, clusters);
    Ok((vec![level], headline))
}

/// The columns of the answers, best first: the one found, and those after it
/// that are numbered on (`label_1`, `label_2` ...); without a header all but
/// the first.
fn ranked_columns(table: &Table, roles: Roles) -> Vec<usize> {
    if table.names.is_empty() {
        return (1..table.columns.len()).collect();
    }
    let mut columns = vec![roles.value];
    if let Some(stem) = table.names[roles.value].strip_suffix('1') {
        let next = |n: usize| table.find(&[&format!("{stem}{n}")]);
        columns.extend((2..).map_while(next));
    }
    columns
}

fn truth_rows(
    table: &Table,
    roles: Roles,
    usage: &Usage,
    labels: &mut Names,
    run: &mut Run<'_>,
) -> Checked<Lists> {
    let role = InputRole::Solution;
    let column = &table.columns[roles.value];
    let mut lists = Lists::default();
    let checked = each_id(
        table,
        roles,
        role,
        usage,
        &mut run.ids,
        &mut run.defects,
        First::Asked(|row: usize, defects: &mut Defects| {
            let text = column.text(row);
            let mut list: Vec<u32> = text.split_whitespace().map(|w| labels.code(w)).collect();
            if list.is_empty() {
                let line = Some(table.line(row));
                let id = table.columns[roles.id].text(row);
                defects.add(role, DefectKind::EmptyTruth, line, None, &id);
                return false;
            }
            lists.push(&mut list);
            true
        }),
        |a, b| {
            column
                .text(a)
                .split_whitespace()
                .eq(column.text(b).split_whitespace())
        },
    );
    with_values(checked, lists)
}

/// Lists of classes, best first; a repeated one keeps its first place and
/// uses the other.
fn answer_rows(
    table: &Table,
    roles: Roles,
    columns: &[usize],
    labels: &mut Names,
    run: &mut Run<'_>,
) -> Checked<Vec<Vec<u32>>> {
    let mut lists = Vec::new();
    let words = |row: usize| {
        let cells = columns.iter().map(|at| table.columns[*at].text(row));
        let mut words: Vec<String> = Vec::new();
        cells.for_each(|cell| words.extend(cell.split_whitespace().map(str::to_owned)));
        words
    };
    let checked = each_id(
        table,
        roles,
        InputRole::Submission,
        &Usage::default(),
        &mut run.ids,
        &mut run.defects,
        First::Asked(|row: usize, _: &mut Defects| {
            lists.push(words(row).iter().map(|word| labels.code(word)).collect());
            true
        }),
        |a, b| words(a) == words(b),
    );
    with_values(checked, lists)
}

fn level_report(
    run: &Run<'_>,
    items: Items<Classification>,
    frequent: &[Vec<u32>],
    (value, truth): (Vec<String>, Vec<String>),
    columns: Vec<GroupColumn>,
    clusters: Option<Arc<Codes>>,
) -> LevelReport {
    let form = &items.form;
    let (one, five) = (frequent.first(), frequent.iter().take(5).next_back());
    let constant = |cell: &[u32]| {
        let of = |list: Option<&Vec<u32>>| list.map(|list| form.constant(cell, list));
        let first = of(one).map_or([None; 3], |values| values);
        let top_5 = of(five).and_then(|values| values[2]);
        let mut values = vec![first[0], first[1], top_5];
        values.truncate(form.metrics().len());
        values
    };
    let metrics = run.judge(&items, &columns, clusters.as_ref(), &constant);
    let (one, five) = (
        "the most frequent class for every image",
        "the five most frequent classes for every image",
    );
    let right = |rank: &u32| if *rank == 1 { 1.0 } else { 0.0 };
    LevelReport {
        baselines: Run::baselines(&items, &metrics, &[one, one, five]),
        metrics,
        equalised_odds: Vec::new(),
        items: ItemResults {
            level: items.level,
            metric: TOP_1,
            score: items.form.ranks.iter().map(right).collect(),
            value,
            truth,
            groups: columns,
            identity: items.identity,
        },
    }
}
