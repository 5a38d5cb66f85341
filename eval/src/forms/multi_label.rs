//! Multi-label: `image_id,labels`, labels separated by spaces.
//!
//! An image without an answer is scored as an answer without labels.

use std::borrow::Cow;
use std::collections::BTreeSet;

use fairframe_schemas::report::{Baseline, InputRole, Level};
use rayon::prelude::*;

use super::{Judged, Shape};
use crate::baselines;
use crate::check::{Checked, Roles, Usage, each_id};
use crate::evaluate::{EvalError, ItemResults};
use crate::groups::GroupColumn;
use crate::join::{Items, Place};
use crate::metrics::Form;
use crate::metrics::multi_label::{F2_MEAN, Lists, MultiLabel};
use crate::names::{Names, words};
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
    let usage = run.usage();
    let truth = each_list(solution, truth_roles, InputRole::Solution, &usage, run);
    let usage = Usage::default();
    let answers = each_list(submission, answer_roles, InputRole::Submission, &usage, run);
    let place = Place::new(submission, answer_roles);
    let Some((identity, found)) = run.by_id(&truth, &answers, place)? else {
        return Ok((Vec::new(), headline));
    };
    let true_of = |item: usize| {
        let row = truth.rows[item] as usize;
        Some(solution.columns[truth_roles.value].text(row))
    };
    let given_to = |item: usize| {
        let row = answers.rows[found[item]?] as usize;
        Some(submission.columns[answer_roles.value].text(row))
    };
    let (form, labels) = lists(found.len(), true_of, given_to);
    let both_empty =
        |item: &usize| form.truth.get(*item).is_empty() && form.answer.get(*item).is_empty();
    run.counts.both_empty = (0..form.len()).filter(both_empty).count() as u64;
    run.note("An image without an answer is scored as an answer without labels; a label that no image of the truth has is a false positive.");
    let (columns, clusters) = run.groups(solution, &identity)?;
    let items = Items {
        level: Level::Image,
        identity,
        form,
    };
    let level = level_report(run, items, &labels, columns, clusters);
    Ok((vec![level], headline))
}

fn each_list(
    table: &Table,
    roles: Roles,
    role: InputRole,
    usage: &Usage,
    run: &mut Run<'_>,
) -> Checked<()> {
    let sorted = |row: usize| {
        let text = table.columns[roles.value].text(row);
        words(&text)
            .map(str::to_owned)
            .collect::<BTreeSet<String>>()
    };
    let (names, defects) = (&mut run.ids, &mut run.defects);
    let same = |a, b| sorted(a) == sorted(b);
    each_id(table, roles, role, usage, names, defects, |_, _| true, same)
}

/// Images that are read at once.
const CHUNK: usize = 1 << 14;

/// The labels of every image, separated by spaces, order free, repeats
/// collapse; labels are numbered in the order of their names, so that the
/// order of the files has no say.
fn lists<'a>(
    images: usize,
    true_of: impl Fn(usize) -> Option<Cow<'a, str>> + Sync,
    given_to: impl Fn(usize) -> Option<Cow<'a, str>> + Sync,
) -> (MultiLabel, Names) {
    let starts: Vec<usize> = (0..images).step_by(CHUNK).collect();
    let read = |start: usize| {
        let (mut names, mut list) = (Names::default(), Vec::new());
        let mut read = |of: &dyn Fn(usize) -> Option<Cow<'a, str>>| {
            let mut lists = Lists::default();
            for image in start..(start + CHUNK).min(images) {
                let text = of(image).unwrap_or_default();
                list.clear();
                list.extend(words(&text).map(|word| names.code(word)));
                lists.push(&mut list);
            }
            lists
        };
        let (truth, answer) = (read(&true_of), read(&given_to));
        (names, truth, answer)
    };
    let chunks: Vec<(Names, Lists, Lists)> = starts.into_par_iter().map(read).collect();
    let known: BTreeSet<&str> = chunks.iter().flat_map(|(names, ..)| names.iter()).collect();
    let mut names = Names::default();
    for name in known {
        names.code(name);
    }
    let codes: Vec<Vec<u32>> = chunks
        .iter()
        .map(|(local, ..)| local.iter().map(|name| names.code(name)).collect())
        .collect();
    let join = |part: fn(&(Names, Lists, Lists)) -> &Lists| {
        let mut all = Lists::default();
        for (chunk, codes) in chunks.iter().zip(&codes) {
            all.append(part(chunk), codes);
        }
        all
    };
    let (truth, answer) = rayon::join(|| join(|chunk| &chunk.1), || join(|chunk| &chunk.2));
    let form = MultiLabel {
        truth,
        answer,
        ..MultiLabel::default()
    };
    (form, names)
}

fn level_report(
    run: &Run<'_>,
    items: Items<MultiLabel>,
    names: &Names,
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
        let mut words: Vec<&str> = list.iter().map(|l| names.get(*l)).collect();
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
    use crate::check::tests::table;
    use crate::check::{Defects, Ids, roles};

    #[test]
    fn labels_collapse_and_are_numbered_by_name() {
        let truth = ["y x y", "", "z"];
        let given = [Some("w x"), None, Some("z\tz")];
        let (form, names) = lists(
            3,
            |at| Some(truth[at].into()),
            |at| given[at].map(Cow::from),
        );
        assert_eq!(names.iter().collect::<Vec<_>>(), ["w", "x", "y", "z"]);
        assert_eq!(
            [0, 1, 2].map(|at| form.truth.get(at)),
            [&[1, 2][..], &[], &[3]]
        );
        assert_eq!(
            [0, 1, 2].map(|at| form.answer.get(at)),
            [&[0, 1][..], &[], &[3]]
        );
    }

    #[test]
    fn usage_leaves_rows_out() {
        let text = "image_id,labels,Usage\na,y x y,Public\nb,,Private\nc,z,Ignored\na,x y,Public\n";
        let (form, role) = (TaskForm::MultiLabel, InputRole::Solution);
        let table = table(form, role, text);
        let roles = roles(form, role, &table, None, &mut Defects::default()).unwrap();
        let read = |usage: Usage| {
            let (mut ids, mut defects) = (Ids::default(), Defects::default());
            let all = each_id(
                &table,
                roles,
                role,
                &usage,
                &mut ids,
                &mut defects,
                |_, _| true,
                |_, _| true,
            );
            let names = all.ids.iter().map(|id| ids.ids.get(*id).to_owned());
            (names.collect::<Vec<_>>(), all.ignored)
        };
        assert_eq!(read(Usage::default()), (vec!["a".into(), "b".into()], 1));
        assert_eq!(read(Usage(Some("private".into()))).0, ["b"]);
    }
}
