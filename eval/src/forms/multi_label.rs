//! Multi-label: `image_id,labels`, labels separated by spaces.
//!
//! An image without an answer is scored as an answer without labels.

use std::collections::HashMap;

use fairframe_schemas::report::{Baseline, Counts, InputRole, Level, TaskForm};

use super::{Judged, Shape};
use crate::baselines;
use crate::check::{self, Checked, Defects, Roles, Usage, each_id, with_values};
use crate::evaluate::{EvalError, ItemResults};
use crate::groups::GroupColumn;
use crate::join::{Items, Place, by_id};
use crate::metrics::Form;
use crate::metrics::multi_label::{F2_MEAN, Lists, MultiLabel};
use crate::read::Table;
use crate::run::{LevelReport, Run};

pub(super) const SHAPE: Shape = Shape {
    truth: &["labels", "label", "classes"],
    answer: &["labels", "label", "classes"],
    value: None,
};

/// Reads, checks, joins and judges.
pub(super) fn judge(
    run: &mut Run<'_>,
    solution: &Table,
    submission: &Table,
) -> Result<Judged, EvalError> {
    let headline = (F2_MEAN.to_owned(), Level::Image);
    let (form, defects) = (TaskForm::MultiLabel, &mut run.defects);
    let truth_roles = check::roles(form, InputRole::Solution, solution, defects);
    let answer_roles = check::roles(form, InputRole::Submission, submission, defects);
    let (Some(truth_roles), Some(answer_roles)) = (truth_roles, answer_roles) else {
        return Ok((Vec::new(), headline));
    };
    let mut labels = Labels::default();
    let usage = Usage(run.options.usage.clone());
    let mut rows = |table, roles, role| -> Checked<Lists> {
        label_rows(table, roles, role, &usage, &mut labels, defects)
    };
    let truth = rows(solution, truth_roles, InputRole::Solution);
    let answers = rows(submission, answer_roles, InputRole::Submission);
    run.note_usage(truth.ignored, truth.ids.len())?;
    let items = join(
        &truth,
        &answers,
        Place {
            table: submission,
            id_column: answer_roles.id,
        },
        &mut run.defects,
        &mut run.counts,
    );
    if run.defects.any_fatal() {
        return Ok((Vec::new(), headline));
    }
    run.notes.push(
        "An image without an answer is scored as an answer without labels; a label that no image of the truth has is a false positive.".to_owned(),
    );
    let joined = run.join_manifest(&items.identity)?;
    let columns = run.columns(solution, &items.identity, joined.as_ref());
    let clusters = run.clusters(solution, &items.identity, joined.as_ref(), false);
    let level = level_report(run, items, &labels.names, columns, clusters);
    Ok((vec![level], headline))
}

/// Names for labels, shared by truth and answers.
#[derive(Debug, Default)]
struct Labels {
    codes: HashMap<String, u32>,
    names: Vec<String>,
}

impl Labels {
    fn code(&mut self, name: &str) -> u32 {
        if let Some(code) = self.codes.get(name) {
            return *code;
        }
        let code = self.names.len() as u32;
        self.codes.insert(name.to_owned(), code);
        self.names.push(name.to_owned());
        code
    }
}

/// Lists of labels: separated by spaces, order free, repeats collapse.
fn label_rows(
    table: &Table,
    roles: Roles,
    role: InputRole,
    usage: &Usage,
    labels: &mut Labels,
    defects: &mut Defects,
) -> Checked<Lists> {
    let mut lists = Lists::default();
    let mut list = Vec::new();
    let sorted = |row: usize| {
        let text = table.columns[roles.value].text(row).into_owned();
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.sort();
        words.dedup();
        words
    };
    let checked = each_id(
        table,
        roles,
        role,
        usage,
        defects,
        |row, _| {
            list.clear();
            let text = table.columns[roles.value].text(row);
            list.extend(text.split_whitespace().map(|name| labels.code(name)));
            lists.push(&mut list);
            true
        },
        |a, b| sorted(a) == sorted(b),
    );
    with_values(checked, lists)
}

/// Joins images by id.
fn join(
    solution: &Checked<Lists>,
    submission: &Checked<Lists>,
    place: Place<'_>,
    defects: &mut Defects,
    counts: &mut Counts,
) -> Items<MultiLabel> {
    let (identity, found) = by_id(solution, submission, place, defects, counts);
    let mut form = MultiLabel::default();
    for (at, answer) in found.into_iter().enumerate() {
        let labels = answer.map_or(&[][..], |at| submission.values.get(at));
        let truth = solution.values.get(at);
        form.truth.push(&mut truth.to_vec());
        form.answer.push(&mut labels.to_vec());
        counts.both_empty += u64::from(truth.is_empty() && labels.is_empty());
    }
    Items {
        level: Level::Image,
        identity,
        form,
    }
}

fn level_report(
    run: &Run<'_>,
    items: Items<MultiLabel>,
    names: &[String],
    columns: Vec<GroupColumn>,
    clusters: Option<Vec<u32>>,
) -> LevelReport {
    let form = &items.form;
    let constants = baselines::frequent_labels(form, names);
    let best = |cell: &[u32]| {
        let values = constants.iter().filter_map(|c| form.constant_f2(cell, c));
        vec![values.reduce(f64::max), None, None]
    };
    let metrics = run.judge(&items, &columns, clusters.as_deref(), &best);
    let all: Vec<u32> = (0..form.len() as u32).collect();
    let baselines = constants
        .iter()
        .enumerate()
        .map(|(at, constant)| Baseline {
            name: match at {
                0 => "the most frequent label for every image".to_owned(),
                _ => format!("the {} most frequent labels for every image", at + 1),
            },
            metric: F2_MEAN.to_owned(),
            level: items.level,
            n: form.len() as u64,
            value: form.constant_f2(&all, constant),
        })
        .collect();
    let text = |list: &[u32]| {
        let mut words: Vec<&str> = list.iter().map(|l| names[*l as usize].as_str()).collect();
        words.sort_unstable();
        words.join(" ")
    };
    let each = 0..form.len();
    let results = ItemResults {
        level: items.level,
        metric: "f2",
        value: each.clone().map(|at| text(form.answer.get(at))).collect(),
        truth: each.clone().map(|at| text(form.truth.get(at))).collect(),
        score: each.map(|at| form.f2(at)).collect(),
        groups: columns,
        identity: items.identity,
    };
    LevelReport {
        metrics,
        baselines,
        equalised_odds: Vec::new(),
        items: results,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::roles;
    use crate::check::tests::table;

    #[test]
    fn labels_collapse_and_usage_leaves_rows_out() {
        let text = "image_id,labels,Usage\na,y x y,Public\nb,,Private\nc,z,Ignored\na,x y,Public\n";
        let table = table(TaskForm::MultiLabel, InputRole::Solution, text);
        let mut defects = Defects::default();
        let mut labels = Labels::default();
        let roles = roles(
            TaskForm::MultiLabel,
            InputRole::Solution,
            &table,
            &mut defects,
        )
        .unwrap();
        let mut read = |usage: Usage| {
            label_rows(
                &table,
                roles,
                InputRole::Solution,
                &usage,
                &mut labels,
                &mut Defects::default(),
            )
        };
        let all = read(Usage::default());
        assert_eq!((all.ids.len(), all.ignored), (2, 1));
        assert_eq!((all.values.get(0).len(), all.values.get(1).len()), (2, 0));
        assert_eq!(read(Usage(Some("private".into()))).ids, ["b"]);
    }
}
