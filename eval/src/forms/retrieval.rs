//! Retrieval: `id,images`, ids separated by spaces, best first.
//!
//! A query without an answer scores 0; ids after the hundredth are left out.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use fairframe_schemas::report::{DefectKind, InputRole, Level};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rayon::prelude::*;

use super::{Judged, Shape};
use crate::check::{Defects, First, SOUND, each_id};
use crate::codes::Codes;
use crate::evaluate::{EvalError, ItemResults};
use crate::groups::GroupColumn;
use crate::join::{Items, Place};
use crate::metrics::retrieval::{MAP, MAX_ANSWERS, Retrieval, RetrievalState, Scored};
use crate::names::words;
use crate::read::Table;
use crate::run::{LevelReport, Run};

const NAMES: &[&str] = &["images", "image_ids", "ids", "labels"];

pub(super) const SHAPE: Shape = Shape {
    truth: NAMES,
    answer: NAMES,
    value: None,
};

/// Reads, checks, joins and judges.
pub(super) fn judge(
    run: &mut Run<'_>,
    solution: &Table,
    submission: &Table,
) -> Result<Judged, EvalError> {
    let headline = (MAP.to_owned(), Level::Query);
    let Some([truth_roles, answer_roles]) = run.roles(solution, submission) else {
        return Ok((Vec::new(), headline));
    };
    let usage = run.usage();
    let right = |row: usize| solution.columns[truth_roles.value].text(row);
    let given = |row: usize| submission.columns[answer_roles.value].text(row);
    let role = InputRole::Solution;
    let truth = each_id(
        solution,
        truth_roles,
        role,
        &usage,
        &mut run.ids,
        &mut run.defects,
        First::Asked(|row: usize, defects: &mut Defects| {
            let empty = right(row).trim().is_empty();
            if empty {
                let line = Some(solution.line(row));
                let id = solution.columns[truth_roles.id].text(row);
                defects.add(role, DefectKind::EmptyTruth, line, None, &id);
            }
            !empty
        }),
        |a, b| right(a).split_whitespace().eq(right(b).split_whitespace()),
    );
    let answers = each_id(
        submission,
        answer_roles,
        InputRole::Submission,
        &Default::default(),
        &mut run.ids,
        &mut run.defects,
        SOUND,
        |a, b| given(a).split_whitespace().eq(given(b).split_whitespace()),
    );
    let place = Place::new(submission, answer_roles);
    let Some((identity, found)) = run.by_id(&truth, &answers, place)? else {
        return Ok((Vec::new(), headline));
    };
    run.note(
        "A query without an answer scores 0; a repeated id uses its rank and counts for nothing.",
    );
    let answer_row = |item: usize| found[item].map(|at| answers.rows.get(at));
    let scored: Vec<(Scored, bool)> = (0..found.len())
        .into_par_iter()
        .with_min_len(64)
        .map_init(Matcher::default, |matcher, item| match answer_row(item) {
            Some(row) => matcher.score(&right(truth.rows.get(item)), &given(row)),
            None => (Scored::default(), false),
        })
        .collect();
    for (item, _) in scored.iter().enumerate().filter(|(_, (_, more))| *more) {
        let line = answer_row(item).map(|row| submission.line(row));
        let (kind, id) = (DefectKind::TooManyAnswers, identity.id(item));
        run.defects.add(InputRole::Submission, kind, line, None, id);
    }
    let (columns, clusters) = run.groups(solution, &identity)?;
    let form = Retrieval {
        queries: scored.into_iter().map(|(query, _)| query).collect(),
    };
    let (mut value, mut truths) = (Vec::new(), Vec::new());
    if !run.options.values_only {
        truths.extend(truth.rows.iter().map(|row| right(row).into_owned()));
        value.extend((0..found.len()).map(|item| match answer_row(item) {
            Some(row) => first_hundred(&given(row)).to_owned(),
            None => String::new(),
        }));
    }
    let items = Items {
        level: Level::Query,
        identity,
        form,
    };
    let level = level_report(run, items, (value, truths), columns, clusters);
    Ok((vec![level], headline))
}

/// A list up to its hundredth id.
fn first_hundred(text: &str) -> &str {
    match text.split_whitespace().nth(MAX_ANSWERS) {
        // The rest is a part of the text: where it begins is where to cut.
        Some(next) => text[..next.as_ptr() as usize - text.as_ptr() as usize].trim_end(),
        None => text,
    }
}

/// Which of a list's ids are right; keeps its memory from query to query.
#[derive(Default)]
struct Matcher {
    ranks: Vec<u8>,
    /// Right ids, as places in their text, and whether each was found.
    ids: Vec<(usize, usize, bool)>,
    places: HashTable<u32>,
    hasher: RandomState,
}

impl Matcher {
    /// The score, and whether there were more answers than are counted.
    fn score(&mut self, right: &str, given: &str) -> (Scored, bool) {
        let Self {
            ranks,
            ids,
            places,
            hasher,
        } = self;
        let hash = |id: &str| hasher.hash_one(id.as_bytes());
        let is = |ids: &[(usize, usize, bool)], at: u32, id: &str| {
            let (from, to, _) = ids[at as usize];
            right.as_bytes()[from..to] == *id.as_bytes()
        };
        ranks.clear();
        ids.clear();
        places.clear();
        for id in words(right) {
            let known = places.entry(
                hash(id),
                |at| is(ids, *at, id),
                |at| hash(&right[ids[*at as usize].0..ids[*at as usize].1]),
            );
            if let Entry::Vacant(free) = known {
                free.insert(ids.len() as u32);
                let from = id.as_ptr() as usize - right.as_ptr() as usize;
                ids.push((from, from + id.len(), false));
            }
        }
        let mut given = words(given);
        for (rank, id) in (1..=MAX_ANSWERS as u8).zip(&mut given) {
            let known = places.find(hash(id), |at| is(ids, *at, id));
            if let Some(at) = known
                && !std::mem::replace(&mut ids[*at as usize].2, true)
            {
                ranks.push(rank);
            }
        }
        (Scored::new(ranks, ids.len()), given.next().is_some())
    }
}

fn level_report(
    run: &Run<'_>,
    items: Items<Retrieval>,
    (value, truth): (Vec<String>, Vec<String>),
    columns: Vec<GroupColumn>,
    clusters: Option<Arc<Codes>>,
) -> LevelReport {
    // `truth` is empty where only values are wanted.
    let frequent = frequent_images(&truth);
    let constants: Vec<Scored> = truth
        .par_iter()
        .map_init(Matcher::default, |matcher, right| {
            matcher.score(right, &frequent).0
        })
        .collect();
    let constant = |cell: &[u32]| {
        let mut state = RetrievalState::default();
        cell.iter()
            .for_each(|item| state.update(constants[*item as usize]));
        state.evaluate().to_vec()
    };
    let metrics = run.judge(&items, &columns, clusters.as_ref(), &constant);
    let name = "the 100 images that are right most often, for every query";
    LevelReport {
        baselines: Run::baselines(&items, &metrics, &[name; 3]),
        metrics,
        equalised_odds: Vec::new(),
        items: ItemResults {
            level: items.level,
            metric: "average_precision_at_100",
            score: items.form.queries.iter().map(|query| query.ap).collect(),
            value,
            truth,
            groups: columns,
            identity: items.identity,
        },
    }
}

/// The hundred images that are right for most queries; among equals the
/// first by name.
fn frequent_images(truth: &[String]) -> String {
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for id in truth.iter().flat_map(|text| text.split_whitespace()) {
        *counts.entry(id).or_default() += 1;
    }
    let mut order: Vec<(&str, u32)> = counts.into_iter().collect();
    let by_count = |a: &(&str, u32), b: &(&str, u32)| b.1.cmp(&a.1).then(a.0.cmp(b.0));
    if order.len() > MAX_ANSWERS {
        order.select_nth_unstable_by(MAX_ANSWERS, by_count);
        order.truncate(MAX_ANSWERS);
    }
    order.sort_unstable_by(by_count);
    let names: Vec<&str> = order.into_iter().map(|(id, _)| id).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_use_their_rank_and_only_a_hundred_count() {
        let mut matcher = Matcher::default();
        let (query, more) = matcher.score("x y z", "x n y x");
        assert!((query.ap - 0.5556).abs() < 5e-5 && !more);
        let late = format!("{}x", "n ".repeat(100));
        let (query, more) = matcher.score("x", &late);
        assert_eq!((query.ap, more), (0.0, true));
        assert_eq!(first_hundred(&late).split(' ').count(), 100);
        assert_eq!(first_hundred("a b"), "a b");
    }

    #[test]
    fn the_most_frequent_images_come_first() {
        let truth = ["a b", "b c", "c b"].map(str::to_owned);
        assert_eq!(frequent_images(&truth), "b c a");
    }
}
