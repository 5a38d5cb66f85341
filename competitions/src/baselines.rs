//! Constant answers, rows of every board: who does not beat them has learnt nothing.
//!
//! They are made from the public part of the truth only (of episodes from the support, which
//! participants are given), and scored like any submission.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use fairframe_eval::{
    read::Limits,
    sheet::{self, Sheet},
};
use fairframe_schemas::{
    episode::{CLASS, DATASET, EPISODE, ROLE, SUPPORT},
    report::{InputRole, TaskForm},
};

use crate::{
    board::Side,
    definition::{Competition, Stage},
    prepare::{self, Asked, Facts, PrepareError},
};

/// How many of the most frequent labels are answered together.
const TOGETHER: [usize; 4] = [1, 2, 5, 10];

/// Ids a retrieval query is answered with.
const RETRIEVED: usize = 100;

/// A text by what it answers.
type Answer<'a> = Box<dyn Fn(&str) -> String + 'a>;

/// The constant answers of a stage, from its prepared truth: names for the board, and the bytes of
/// their files. The same truth gives the same bytes.
///
/// # Errors
/// Where the truth cannot be read.
pub fn of(
    competition: &Competition,
    stage: &Stage,
    truth: &Path,
) -> Result<Vec<(String, Vec<u8>)>, PrepareError> {
    let task = &competition.toml.task;
    let (form, id) = (task.form, task.id.as_deref());
    let facts = Facts::read(truth)?;
    let asked = Asked::read(truth)?;
    let file = match form {
        // Of episodes only the support is read, which participants are given.
        TaskForm::FewShot => prepare::whole(truth),
        _ => facts.file(truth, Side::Public),
    };
    let solution = sheet::read(form, InputRole::Solution, &file, id, &Limits::default())?;
    let threshold = task.metric.truth_threshold.unwrap_or(0.5);
    let answers = answers(form, &solution, threshold, &asked);
    let column = match form {
        TaskForm::FewShot => CLASS,
        _ => sheet::column_names(form, InputRole::Submission)[1],
    };
    // A sample without frames, say, has other columns than one with them.
    debug_assert!(!asked.columns.is_empty(), "stage {}", stage.name);
    answers
        .into_iter()
        .map(|(name, answer)| {
            let failed = |error| PrepareError::Csv {
                path: truth.to_owned(),
                error,
            };
            let mut out = csv::Writer::from_writer(Vec::new());
            let header = asked.columns.iter().map(String::as_str);
            out.write_record(header.chain([column])).map_err(failed)?;
            for key in &asked.keys {
                let parts = key.split('\u{1f}');
                let said = answer(key);
                out.write_record(parts.chain([said.as_str()]))
                    .map_err(failed)?;
            }
            let bytes = out.into_inner().map_err(|error| PrepareError::Io {
                path: truth.to_owned(),
                error: error.into_error(),
            })?;
            Ok((name, bytes))
        })
        .collect()
}

fn answers<'a>(
    form: TaskForm,
    solution: &'a Sheet,
    threshold: f64,
    asked: &'a Asked,
) -> Vec<(String, Answer<'a>)> {
    let same = |name: String, text: String| -> (String, Answer<'a>) {
        (name, Box::new(move |_: &str| text.clone()))
    };
    let frequent = || frequent(solution);
    match form {
        TaskForm::MultiLabel => {
            let labels = frequent();
            let few = TOGETHER.iter().filter(|k| **k <= labels.len());
            few.map(|k| {
                let name = match k {
                    1 => "the most frequent label for every image".to_owned(),
                    k => format!("the {k} most frequent labels for every image"),
                };
                same(name, labels[..*k].join(" "))
            })
            .collect()
        }
        TaskForm::Detection => {
            let mut found = vec![same("0.5 for all".to_owned(), "0.5".to_owned())];
            if let Some(share) = share_of_fakes(solution, threshold) {
                found.push(same(
                    "the share of fakes for all".to_owned(),
                    share.to_string(),
                ));
            }
            found
        }
        TaskForm::DetectionLabels => ["fake", "real"]
            .map(|word| same(format!("{word} for every image"), word.to_owned()))
            .into(),
        TaskForm::Recognition => {
            let first = frequent().into_iter().next();
            let named = first.map(|class| {
                same(
                    "the most frequent landmark for every query".to_owned(),
                    format!("{class} 1"),
                )
            });
            named.into_iter().collect()
        }
        TaskForm::Retrieval => {
            let mut ids = frequent();
            ids.truncate(RETRIEVED);
            match ids.is_empty() {
                true => Vec::new(),
                false => vec![same(
                    format!(
                        "the {} images most often wanted, for every query",
                        ids.len()
                    ),
                    ids.join(" "),
                )],
            }
        }
        TaskForm::Classification => {
            let first = frequent().into_iter().next();
            let named = first
                .map(|class| same("the most frequent class for every image".to_owned(), class));
            named.into_iter().collect()
        }
        TaskForm::FewShot => {
            let of = first_classes(solution);
            let columns = asked.columns.len();
            let name = "the first class of each episode for all its queries".to_owned();
            let answer = move |key: &str| {
                // The sample is the last part; what stands before names the episode.
                let parts: Vec<&str> = key.split('\u{1f}').collect();
                let episode = parts[..columns.saturating_sub(1).min(parts.len())].join("\u{1f}");
                of.get(&episode).cloned().unwrap_or_default()
            };
            vec![(name, Box::new(answer))]
        }
    }
}

/// What the truths say, the most frequent first; among equals the first by name.
fn frequent(solution: &Sheet) -> Vec<String> {
    let Some(roles) = solution.roles else {
        return Vec::new();
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in 0..solution.table.len() {
        let text = solution.table.columns[roles.value].text(row);
        // A label that stands twice in a row is said once.
        let labels: BTreeSet<&str> = text.split_whitespace().collect();
        for label in labels {
            *counts.entry(label.to_owned()).or_default() += 1;
        }
    }
    let mut order: Vec<(String, u64)> = counts.into_iter().collect();
    order.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    order.into_iter().map(|(label, _)| label).collect()
}

/// The share of fakes among ids; frames of a video are one.
fn share_of_fakes(solution: &Sheet, threshold: f64) -> Option<f64> {
    let roles = solution.roles?;
    let mut ids: BTreeMap<String, bool> = BTreeMap::new();
    for row in 0..solution.table.len() {
        let column = &solution.table.columns[roles.value];
        let fake = match column.number(row) {
            Some(number) => number >= threshold,
            None => column.text(row).trim().eq_ignore_ascii_case("fake"),
        };
        let id = solution.table.columns[roles.id].text(row);
        ids.insert(id.trim().to_owned(), fake);
    }
    let fakes = ids.values().filter(|fake| **fake).count();
    (!ids.is_empty()).then(|| fakes as f64 / ids.len() as f64)
}

/// The first class by name of each episode's support, by dataset and number.
fn first_classes(solution: &Sheet) -> BTreeMap<String, String> {
    let table = &solution.table;
    let of_episode = [DATASET, EPISODE].map(|name| table.find(&[name]));
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let (Some(class), Some(role)) = (table.find(&[CLASS]), table.find(&[ROLE])) else {
        return found;
    };
    for row in 0..table.len() {
        let text = |at: usize| table.columns[at].text(row).trim().to_owned();
        if text(role) != SUPPORT {
            continue;
        }
        let parts: Vec<String> = of_episode.iter().flatten().map(|at| text(*at)).collect();
        let own = text(class);
        let first = found
            .entry(parts.join("\u{1f}"))
            .or_insert_with(|| own.clone());
        if own < *first {
            *first = own;
        }
    }
    found
}
