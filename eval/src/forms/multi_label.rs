//! Multi-label: `image_id,labels`, labels separated by spaces.
//!
//! An image without an answer is scored as an answer without labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use fairframe_schemas::report::{Baseline, InputRole, Level};
use rayon::prelude::*;

use super::{Judged, Shape};
use crate::baselines;
use crate::check::{Checked, Roles, SOUND, Usage, each_id};
use crate::codes::Codes;
use crate::evaluate::{EvalError, ItemResults};
use crate::groups::GroupColumn;
use crate::join::{Items, Place};
use crate::metrics::Form;
use crate::metrics::multi_label::{F2_MACRO, F2_MEAN, F2_MICRO, Lists, MultiLabel};
use crate::names::{Names, words};
use crate::read::{Table, Values};
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
    let true_column = &solution.columns[truth_roles.value];
    let given_column = &submission.columns[answer_roles.value];
    // Labels are read while ids are checked.
    let ((truth, answers), (lists, names)) = rayon::join(
        || {
            let truth = each_list(solution, truth_roles, InputRole::Solution, &usage, run);
            let all = Usage::default();
            let answers = each_list(submission, answer_roles, InputRole::Submission, &all, run);
            (truth, answers)
        },
        || {
            labels([
                (true_column, solution.len()),
                (given_column, submission.len()),
            ])
        },
    );
    let place = Place::new(submission, answer_roles);
    let Some((identity, found)) = run.by_id(&truth, &answers, place)? else {
        return Ok((Vec::new(), headline));
    };
    let given = |at: &Option<usize>| at.map(|at| answers.rows.get(at) as u32);
    let given: Vec<Option<u32>> = found.iter().map(given).collect();
    let asked: Vec<Option<u32>> = truth.rows.iter().map(|row| Some(row as u32)).collect();
    let form = MultiLabel::new(
        lists[0].select(&asked),
        lists[1].select(&given),
        !run.options.wants(F2_MICRO),
        !run.options.wants(F2_MACRO),
    );
    drop(lists);
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
    let level = level_report(run, items, &names, columns, clusters);
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
    each_id(table, roles, role, usage, names, defects, SOUND, same)
}

/// Rows that are read at once.
const CHUNK: usize = 1 << 15;

/// The labels of a column's rows, read by chunks that number them each for itself.
struct Labels {
    /// What each label of a chunk is numbered in the end.
    codes: Vec<Vec<u32>>,
    lists: Vec<Lists>,
}

impl Labels {
    /// The lists of some rows, an empty one where there is none.
    fn select(&self, rows: &[Option<u32>]) -> Lists {
        let of_rows = |rows: &[Option<u32>]| {
            let mut chosen = Lists::default();
            let mut list = Vec::new();
            for row in rows {
                list.clear();
                if let Some(row) = row.map(|row| row as usize) {
                    let codes = &self.codes[row / CHUNK];
                    let labels = self.lists[row / CHUNK].get(row % CHUNK);
                    list.extend(labels.iter().map(|label| codes[*label as usize]));
                }
                chosen.push(&mut list);
            }
            chosen
        };
        let chunks: Vec<Lists> = rows.par_chunks(CHUNK).map(of_rows).collect();
        Lists::concat(&chunks)
    }
}

/// The labels of every row of both columns, separated by spaces, order free,
/// repeats collapse; labels are numbered in the order of their names, so that
/// the order of the files has no say.
fn labels(columns: [(&Values, usize); 2]) -> ([Labels; 2], Names) {
    let starts = |(column, rows)| {
        (0..rows)
            .step_by(CHUNK)
            .map(move |start| (column, start, rows))
    };
    let chunks: Vec<(&Values, usize, usize)> = columns.into_iter().flat_map(starts).collect();
    let read = |(column, start, rows): (&Values, usize, usize)| {
        let (mut names, mut list) = (Names::default(), Vec::new());
        let mut lists = Lists::default();
        for row in start..(start + CHUNK).min(rows) {
            list.clear();
            list.extend(words(&column.text(row)).map(|word| names.code(word)));
            // Sorted when it has its numbers for good.
            lists.append(&list);
        }
        (names, lists)
    };
    let (local, mut lists): (Vec<Names>, Vec<Lists>) = chunks.into_par_iter().map(read).collect();
    let known: BTreeSet<&str> = local.iter().flat_map(Names::iter).collect();
    let mut names = Names::default();
    for name in known {
        names.code(name);
    }
    let find = |local: &Names| local.iter().filter_map(|name| names.find(name)).collect();
    let mut codes: Vec<Vec<u32>> = local.iter().map(find).collect();
    let first = columns[0].1.div_ceil(CHUNK);
    let second = Labels {
        codes: codes.split_off(first),
        lists: lists.split_off(first),
    };
    ([Labels { codes, lists }, second], names)
}

fn level_report(
    run: &Run<'_>,
    items: Items<MultiLabel>,
    names: &Names,
    columns: Vec<GroupColumn>,
    clusters: Option<Arc<Codes>>,
) -> LevelReport {
    let form = &items.form;
    let constants = match run.options.values_only {
        true => Vec::new(),
        false => baselines::most_frequent(&form.truth, names),
    };
    let best = |cell: &[u32]| {
        let values = form.constant_f2(cell, &constants).into_iter().flatten();
        vec![values.reduce(f64::max), None, None]
    };
    let metrics = run.judge(&items, &columns, clusters.as_ref(), &best);
    let all: Vec<u32> = (0..form.len() as u32).collect();
    let baselines = form
        .constant_f2(&all, &constants)
        .into_iter()
        .enumerate()
        .map(|(at, value)| Baseline {
            name: match at {
                0 => "the most frequent label for every image".to_owned(),
                _ => format!("the {} most frequent labels for every image", at + 1),
            },
            metric: F2_MEAN.to_owned(),
            level: items.level,
            n: form.len() as u64,
            value,
        })
        .collect();
    let text = |list: &[u32]| {
        // Numbered by name: they are in the order of their names.
        let words: Vec<&str> = list.iter().map(|l| names.get(*l)).collect();
        words.join(" ")
    };
    let each = 0..match run.options.item_results() {
        true => form.len(),
        false => 0,
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
    use crate::read::Texts;

    #[test]
    fn labels_collapse_and_are_numbered_by_name() {
        let column = |texts: [&str; 3]| {
            let mut column = Texts::default();
            texts.iter().for_each(|text| column.push(text));
            Values::Text(column)
        };
        let (truth, given) = (column(["y x y", "", "z"]), column(["w x", "", "z\tz"]));
        let ([truth, given], names) = labels([(&truth, 3), (&given, 3)]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["w", "x", "y", "z"]);
        let all = |lists: &Lists| [0, 1, 2].map(|at| lists.get(at).to_vec());
        let truth = truth.select(&[Some(0), Some(1), Some(2)]);
        assert_eq!(all(&truth), [vec![1, 2], vec![], vec![3]]);
        let chosen = given.select(&[Some(2), None, Some(0)]);
        assert_eq!(all(&chosen), [vec![3], vec![], vec![0, 1]]);
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
                SOUND,
                |_, _| true,
            );
            let names = all.ids.iter().map(|id| ids.ids.get(id).to_owned());
            (names.collect::<Vec<_>>(), all.ignored)
        };
        assert_eq!(read(Usage::default()), (vec!["a".into(), "b".into()], 1));
        assert_eq!(read(Usage(Some("private".into()))).0, ["b"]);
    }
}
