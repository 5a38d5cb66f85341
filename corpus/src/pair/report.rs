//! How a plan came out: counts, and what could not be balanced, and why.

use std::collections::{BTreeMap, BTreeSet};

use fairframe_schemas::{
    Reason, Split, Status,
    corpus::pair::{Obstacle, PairCounts, PairRow, SplitPairs, StratumPairs, Unbalanced},
    source::PairRule,
};

use super::{
    people::People,
    plan::{Drawing, Plan},
};

/// What has fewer sides than this share of an even one, and misses more than one, is told.
const SHORT: f64 = 0.95;
/// A weight this near to the bound was cut off there.
const CUT: f64 = 0.999;

/// What is told of a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    pub pairs: PairCounts,
    pub splits: BTreeMap<Split, SplitPairs>,
    pub refused: BTreeMap<Reason, u64>,
    pub unbalanced: Vec<Unbalanced>,
}

pub fn told(plan: &Plan, people: &People, rule: &PairRule) -> Told {
    let mut told = Told::default();
    for row in plan.rows.iter().filter(|r| r.status != Status::Accepted) {
        for reason in &row.reasons {
            *told.refused.entry(*reason).or_default() += 1;
        }
    }
    let refused = refused_people(people);
    for (split, drawing) in &plan.drawings {
        let rows = || {
            let rows = plan.rows.iter().filter(|r| r.split == Some(*split));
            rows.filter(|r| r.accepted().is_some())
        };
        let mut found = count(rows(), drawing, people);
        found.strata = strata(drawing, people, &refused);
        let sides = sides(rows());
        for person in drawing.persons.iter().map(|p| &people.persons[*p as usize]) {
            let n = sides.get(person.id.as_str()).copied().unwrap_or(0);
            for (name, value) in people.strata.iter().zip(&person.strata) {
                let values = found.strata.get_mut(name);
                let value = value
                    .as_ref()
                    .zip(values)
                    .and_then(|(v, all)| all.get_mut(v));
                if let Some(value) = value {
                    value.sides += n;
                }
            }
        }
        for (at, name) in people.strata.iter().enumerate() {
            let Some(values) = found.strata.get_mut(name) else {
                continue;
            };
            let even = values.values().map(|v| v.sides).sum::<u64>() as f64 / values.len() as f64;
            for (value, of) in values {
                of.even = even;
                if of.sides as f64 >= even * SHORT || even - of.sides as f64 <= 1.0 {
                    continue;
                }
                let refused = refused.get(&(at, value.as_str())).cloned();
                let refused = refused.unwrap_or_default();
                told.unbalanced.push(Unbalanced {
                    split: *split,
                    stratum: name.clone(),
                    value: value.clone(),
                    sides: of.sides,
                    even,
                    obstacles: obstacles(drawing, people, (at, value), rule, !refused.is_empty()),
                    refused,
                });
            }
        }
        told.pairs.across += found.pairs.across;
        told.pairs.within += found.pairs.within;
        told.splits.insert(*split, found);
    }
    told
}

fn count<'a>(
    rows: impl Iterator<Item = &'a PairRow> + Clone,
    drawing: &Drawing,
    people: &People,
) -> SplitPairs {
    let within = rows.clone().filter(|r| r.within_subject).count() as u64;
    let sides = sides(rows.clone());
    let persons = drawing.persons.iter().map(|p| &people.persons[*p as usize]);
    let used = persons
        .clone()
        .map(|p| sides.get(p.id.as_str()).copied().unwrap_or(0));
    SplitPairs {
        pairs: PairCounts {
            across: (rows.count() as u64 - within) / 2,
            within: within / 2,
        },
        asked: drawing.asked,
        subjects: drawing.persons.len() as u64,
        videos: persons.map(|p| p.videos.len() as u64).sum(),
        possible: drawing.possible,
        fewest: used.clone().min().unwrap_or(0),
        most: used.max().unwrap_or(0),
        strata: BTreeMap::new(),
    }
}

/// How many pairs of two people each person is in: of the two rows of a pair each has the
/// person as target once.
fn sides<'a>(rows: impl Iterator<Item = &'a PairRow>) -> BTreeMap<&'a str, u64> {
    let mut sides = BTreeMap::new();
    for row in rows.filter(|r| !r.within_subject) {
        if let Some(target) = &row.target_subject {
            *sides.entry(target.as_str()).or_default() += 1;
        }
    }
    sides
}

/// People none of whose videos may be used, by stratum and value, by reason. What a withdrawn
/// person said of themselves is gone: they are in none.
fn refused_people(people: &People) -> BTreeMap<(usize, &str), BTreeMap<Reason, u64>> {
    let paired: BTreeSet<&str> = people.persons.iter().map(|p| p.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    let mut refused: BTreeMap<(usize, &str), BTreeMap<Reason, u64>> = BTreeMap::new();
    for video in &people.refused {
        let Some(subject) = video.subject.as_deref().filter(|s| !paired.contains(s)) else {
            continue;
        };
        for (at, value) in video.strata.iter().enumerate() {
            if let Some(value) = value
                && seen.insert((at, subject))
            {
                let reasons = refused.entry((at, value)).or_default();
                *reasons.entry(video.reason).or_default() += 1;
            }
        }
    }
    refused
}

/// Every value that is known anywhere, with its people in this split.
fn strata(
    drawing: &Drawing,
    people: &People,
    refused: &BTreeMap<(usize, &str), BTreeMap<Reason, u64>>,
) -> BTreeMap<String, BTreeMap<String, StratumPairs>> {
    let mut strata = BTreeMap::new();
    for (at, name) in people.strata.iter().enumerate() {
        let known = people
            .persons
            .iter()
            .filter_map(|p| p.strata[at].as_deref());
        let also = refused.keys().filter(|(s, _)| *s == at).map(|(_, v)| *v);
        let mut values: BTreeMap<String, StratumPairs> = known
            .chain(also)
            .map(|v| (v.to_owned(), StratumPairs::default()))
            .collect();
        for person in &drawing.persons {
            let value = people.persons[*person as usize].strata[at].as_ref();
            if let Some(of) = value.and_then(|v| values.get_mut(v)) {
                of.subjects += 1;
            }
        }
        strata.insert(name.clone(), values);
    }
    strata
}

/// Why a value has too few sides.
fn obstacles(
    drawing: &Drawing,
    people: &People,
    (stratum, value): (usize, &str),
    rule: &PairRule,
    refused: bool,
) -> Vec<Obstacle> {
    let is = |p: u32| people.persons[p as usize].strata[stratum].as_deref() == Some(value);
    let its: Vec<usize> = (0..drawing.persons.len())
        .filter(|at| is(drawing.persons[*at]))
        .collect();
    let mut found = BTreeSet::new();
    if refused {
        found.insert(Obstacle::Consent);
    }
    if its.is_empty() {
        found.insert(Obstacle::NoSubjects);
    } else {
        if its
            .iter()
            .all(|at| drawing.weights[*at] >= rule.reuse * CUT)
        {
            found.insert(Obstacle::TooFewSubjects);
        }
        if drawing.drawn.all {
            found.insert(Obstacle::AllPairs);
        } else if its.iter().any(|at| drawing.drawn.exhausted[*at]) {
            found.insert(Obstacle::Scene);
        }
        if found.is_empty() && drawing.kept > 0 {
            found.insert(Obstacle::Kept);
        }
        if found.is_empty() {
            found.insert(Obstacle::Entangled);
        }
    }
    found.into_iter().collect()
}
