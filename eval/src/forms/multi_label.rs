//! Multi-label: `image_id,labels`, labels separated by spaces.
//!
//! An image without an answer is scored as an answer without labels.

use fairframe_schemas::report::{Baseline, InputRole, Level};

use super::{Judged, Shape};
use crate::baselines;
use crate::check::{Checked, Defects, Labels, Roles, Usage, each_id, with_values};
use crate::evaluate::{EvalError, ItemResults};
use crate::groups::GroupColumn;
use crate::join::{Items, Place};
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
    let Some([truth_roles, answer_roles]) = run.roles(solution, submission) else {
        return Ok((Vec::new(), headline));
    };
    let mut labels = Labels::default();
    let (usage, defects) = (run.usage(), &mut run.defects);
    let mut rows = |table, roles, role| -> Checked<Lists> {
        label_rows(table, roles, role, &usage, &mut labels, defects)
    };
    let truth = rows(solution, truth_roles, InputRole::Solution);
    let answers = rows(submission, answer_roles, InputRole::Submission);
    let place = Place::new(submission, answer_roles);
    let Some((identity, found)) = run.by_id(&truth, &answers, place)? else {
        return Ok((Vec::new(), headline));
    };
    let mut form = MultiLabel::default();
    for (at, answer) in found.into_iter().enumerate() {
        let labels = answer.map_or(&[][..], |at| answers.values.get(at));
        let truth = truth.values.get(at);
        form.truth.push(&mut truth.to_vec());
        form.answer.push(&mut labels.to_vec());
        run.counts.both_empty += u64::from(truth.is_empty() && labels.is_empty());
    }
    run.note("An image without an answer is scored as an answer without labels; a label that no image of the truth has is a false positive.");
    let (columns, clusters) = run.groups(solution, &identity)?;
    let items = Items {
        level: Level::Image,
        identity,
        form,
    };
    let level = level_report(run, items, &labels.names, columns, clusters);
    Ok((vec![level], headline))
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

fn level_report(
    run: &Run<'_>,
    items: Items<MultiLabel>,
    names: &[String],
    columns: Vec<GroupColumn>,
    clusters: Option<Vec<u32>>,
) -> LevelReport {
    let form = &items.form;
    let constants = baselines::frequent_labels(&form.truth, names);
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
    let each = 0..match run.options.values_only {
        true => 0,
        false => form.len(),
    };
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
    use fairframe_schemas::report::TaskForm;

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
            None,
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
