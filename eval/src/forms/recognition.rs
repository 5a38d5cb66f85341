//! Recognition: `id,landmarks`, the answer one class and its confidence, or
//! nothing; the truth none, one or several classes.
//!
//! A query without an answer is one for which nothing was named.

use std::collections::BTreeMap;
use std::sync::Arc;

use fairframe_schemas::report::{DefectKind, InputRole, Level};

use super::{Judged, Shape};
use crate::check::{Checked, Defects, Ids, Roles, SOUND, each_id, each_value};
use crate::codes::Codes;
use crate::evaluate::{EvalError, ItemResults};
use crate::groups::GroupColumn;
use crate::join::{Items, Place};
use crate::metrics::recognition::{self, GAP, Query, Recognition};
use crate::read::Table;
use crate::run::{LevelReport, Run};

const NAMES: &[&str] = &[
    "landmarks",
    "landmark",
    "landmark_id",
    "classes",
    "class",
    "label",
    "labels",
];

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
    let headline = (GAP.to_owned(), Level::Query);
    let Some([truth_roles, answer_roles]) = run.roles(solution, submission) else {
        return Ok((Vec::new(), headline));
    };
    let usage = run.usage();
    let role = InputRole::Solution;
    let text = |row: usize| solution.columns[truth_roles.value].text(row);
    let truth = each_id(
        solution,
        truth_roles,
        role,
        &usage,
        &mut run.ids,
        &mut run.defects,
        SOUND,
        |a, b| text(a).split_whitespace().eq(text(b).split_whitespace()),
    );
    let answers = answer_rows(submission, answer_roles, &mut run.ids, &mut run.defects);
    let place = Place::new(submission, answer_roles);
    let Some((identity, found)) = run.by_id(&truth, &answers, place)? else {
        return Ok((Vec::new(), headline));
    };
    run.note("A query without an answer, or with an empty one, names nothing; equal confidences are ranked by id, then by class. In a group its own queries are ranked.");
    let given: Vec<Option<&Answer>> = found
        .iter()
        .map(|at| at.and_then(|at| answers.values[at].as_ref()))
        .collect();
    let mut form = Recognition::default();
    for (row, answer) in truth.rows.iter().zip(&given) {
        let text = text(row);
        let mut classes = text.split_whitespace();
        form.queries.push(Query {
            landmark: !text.trim().is_empty(),
            answered: answer.is_some(),
            right: answer.is_some_and(|answer| classes.any(|class| class == answer.class)),
        });
    }
    let key = |at: &usize| {
        given[*at].map(|answer| {
            let id = identity.id(*at);
            (answer.confidence, id, answer.class.as_str())
        })
    };
    let mut order: Vec<usize> = (0..given.len()).collect();
    order.sort_unstable_by(|a, b| match (key(a), key(b)) {
        (Some(x), Some(y)) => recognition::order(x, y),
        (x, y) => y.is_some().cmp(&x.is_some()).then(a.cmp(b)),
    });
    form.places = places(&order);
    if !run.options.values_only {
        order.sort_unstable_by(|a, b| identity.id(*a).cmp(identity.id(*b)));
        form.by_id = places(&order);
    }
    let (columns, clusters) = run.groups(solution, &identity)?;
    let truths: Vec<String> = match run.options.values_only {
        true => Vec::new(),
        false => truth.rows.iter().map(|row| text(row).into()).collect(),
    };
    let values = given
        .iter()
        .map(|answer| answer.map_or_else(String::new, |a| format!("{} {}", a.class, a.confidence)));
    let values = values.take(truths.len()).collect();
    let items = Items {
        level: Level::Query,
        identity,
        form,
    };
    let level = level_report(run, items, (values, truths), columns, clusters);
    Ok((vec![level], headline))
}

/// Each item's place in an order.
fn places(order: &[usize]) -> Vec<u32> {
    let mut places = vec![0; order.len()];
    for (place, at) in (0..).zip(order) {
        places[*at] = place;
    }
    places
}

/// A class and how sure the submission is of it.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    class: String,
    confidence: f64,
}

/// Nothing, or one class and a finite number.
fn answer(text: &str) -> Result<Option<Answer>, ()> {
    let mut words = text.split_whitespace();
    let Some(class) = words.next() else {
        return Ok(None);
    };
    let number: f64 = words.next().and_then(|w| w.parse().ok()).ok_or(())?;
    if words.next().is_some() || !number.is_finite() {
        return Err(());
    }
    Ok(Some(Answer {
        class: class.to_owned(),
        // -0.0 would rank below 0.0.
        confidence: number + 0.0,
    }))
}

fn answer_rows(
    table: &Table,
    roles: Roles,
    names: &mut Ids,
    defects: &mut Defects,
) -> Checked<Vec<Option<Answer>>> {
    let text = |row: usize| table.columns[roles.value].text(row);
    each_value(
        table,
        roles,
        InputRole::Submission,
        &Default::default(),
        names,
        defects,
        |row| answer(&text(row)).map_err(|()| (roles.value, DefectKind::BadPair)),
        |a, b| answer(&text(a)) == answer(&text(b)),
    )
}

fn level_report(
    run: &Run<'_>,
    items: Items<Recognition>,
    (value, truth): (Vec<String>, Vec<String>),
    columns: Vec<GroupColumn>,
    clusters: Option<Arc<Codes>>,
) -> LevelReport {
    // The class that most queries show; among equals the first by name.
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for class in truth.iter().flat_map(|text| text.split_whitespace()) {
        *counts.entry(class).or_default() += 1;
    }
    let most = counts.values().max().copied();
    let class = counts.iter().find(|(_, n)| Some(**n) == most);
    let right: Vec<bool> = truth
        .iter()
        .map(|text| {
            text.split_whitespace()
                .any(|c| Some(c) == class.map(|c| *c.0))
        })
        .collect();
    let constant = |cell: &[u32]| match class {
        Some(_) => items.form.constant(cell, &right).to_vec(),
        None => vec![None; 3],
    };
    let metrics = run.judge(&items, &columns, clusters.as_ref(), &constant);
    let name = "the most frequent landmark for every query, always as sure";
    LevelReport {
        baselines: Run::baselines(&items, &metrics, &[name; 3]),
        metrics,
        equalised_odds: Vec::new(),
        items: ItemResults {
            level: items.level,
            metric: "gap_part",
            score: items.form.parts(),
            value,
            truth,
            groups: columns,
            identity: items.identity,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_class_and_a_finite_number_or_nothing() {
        let some = |class: &str, confidence| {
            let class = class.to_owned();
            Ok(Some(Answer { class, confidence }))
        };
        assert_eq!(answer(" "), Ok(None));
        assert_eq!(answer("9245 0.434406"), some("9245", 0.434406));
        assert_eq!(answer("a  7e2"), some("a", 700.0));
        for text in [
            "9245",
            "9245 x",
            "9245 nan",
            "9245 inf",
            "1 0.5 2 0.4",
            "1 0.5 2",
        ] {
            assert_eq!(answer(text), Err(()), "{text}");
        }
    }
}
