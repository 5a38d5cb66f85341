//! Few-shot: frozen episodes, answered by a class for each query
//! (`dataset,episode,sample_id,class`) or by an embedding for each sample.
//!
//! A query without an answer or an embedding is wrong; a support sample
//! without an embedding teaches nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fairframe_schemas::Column;
use fairframe_schemas::episode::{CLASS, DATASET, EPISODE, QUERY, ROLE, SUPPORT};
use fairframe_schemas::report::{
    DatasetRanks, DefectKind, FewShotReport, InputRole, Interval, IntervalMethod, Level,
    MetricReport, Shots, Verdict,
};
use rayon::prelude::*;

use super::{Judged, Shape};
use crate::check::{Defects, Ids, codes, repeats};
use crate::codes::Codes;
use crate::episodes::classify::{Task, nearest_centroid, nearest_neighbour};
use crate::episodes::embeddings::{self, Embeddings};
use crate::episodes::logistic::linear;
use crate::evaluate::{EvalError, ItemResults};
use crate::join::{Identity, Items, Rows};
use crate::metrics::Metric;
use crate::metrics::few_shot::{
    EMBEDDED, FewShot, NEAREST_CENTROID, NEAREST_NEIGHBOUR, PREDICTED, mean_and_half, ranks,
};
use crate::metrics::multi_label::Lists;
use crate::names::{Names, renumbered};
use crate::read::Table;
use crate::run::{LevelReport, Run};

const ANSWERS: &[&str] = &["class", "label", "prediction", "predicted_class"];

pub(super) const SHAPE: Shape = Shape {
    truth: &[CLASS, ROLE],
    answer: ANSWERS,
    value: None,
};

/// The frozen episodes in the order of the file.
#[derive(Default)]
struct Frozen {
    episodes: Vec<Episode>,
    samples: Names,
    classes: Names,
}

/// Shots are told apart in these steps: from each to before the next.
const STEPS: [u32; 7] = [1, 2, 5, 10, 20, 50, 100];

#[derive(Default)]
struct Episode {
    dataset: String,
    number: String,
    /// Numbers of [`Frozen::classes`].
    classes: Vec<u32>,
    support: Vec<(u32, u32)>,
    query: Vec<(u32, u32)>,
    rows: Vec<u32>,
}

/// Reads, checks, joins and judges.
pub(super) fn judge(
    run: &mut Run<'_>,
    solution: &Table,
    submission: &Table,
) -> Result<Judged, EvalError> {
    let mut headline = (PREDICTED[0].name.to_owned(), Level::Episode);
    for found in &solution.defects {
        let (kind, line) = (found.kind, Some(found.row));
        let column = found.column.clone();
        run.defects
            .add(InputRole::Solution, kind, line, column, &found.text);
    }
    let Some(frozen) = episodes(solution, &mut run.defects) else {
        return Ok((Vec::new(), headline));
    };
    let episodes = frozen.episodes.as_slice();
    let ids = submission.find(&[Column::SampleId.name()]);
    let predicted = ids
        .zip(submission.find(ANSWERS))
        .zip(submission.find(&[EPISODE]));
    let (metrics, answers) = match predicted {
        Some(((id, class), episode)) => {
            let metrics = wanted(run, PREDICTED)?;
            let columns = [id, class, episode];
            let answers = predictions(run, submission, columns, &frozen);
            (metrics, vec![answers])
        }
        None => {
            let metrics = wanted(run, EMBEDDED)?;
            headline.0 = EMBEDDED[0].name.to_owned();
            let answers = embedded(run, &frozen, &metrics)?;
            (metrics, answers)
        }
    };
    if run.defects.any_fatal() {
        return Ok((Vec::new(), headline));
    }
    run.note("A query without an answer, or without an embedding, is wrong; a support sample without an embedding teaches nothing.");
    run.note("Intervals by dataset are 1.96 population standard deviations over the root of the number of episodes.");
    let form = FewShot {
        metrics,
        right: answers.iter().map(|of| right(of, episodes)).collect(),
        queries: episodes.iter().map(|e| e.query.len() as u32).collect(),
        datasets: {
            let mut names = Names::default();
            episodes.iter().map(|e| names.code(&e.dataset)).collect()
        },
    };
    run.few_shot = Some(report(&form, episodes, &answers));
    let identity = identity(episodes);
    let (columns, clusters) = run.groups(solution, &identity)?;
    let items = Items {
        level: Level::Episode,
        identity,
        form,
    };
    let none = |_: &[u32]| vec![None; items.form.metrics.len()];
    let mut metrics = run.judge(&items, &columns, clusters.as_ref(), &none);
    if clusters.is_none() {
        normal_intervals(&mut metrics, &items.form, episodes);
    }
    let form = &items.form;
    let each = 0..episodes.len();
    let level = LevelReport {
        metrics,
        baselines: Vec::new(),
        equalised_odds: Vec::new(),
        items: ItemResults {
            level: Level::Episode,
            metric: form.metrics[0].name,
            value: each
                .clone()
                .map(|at| form.right[0][at].to_string())
                .collect(),
            truth: each
                .clone()
                .map(|at| form.queries[at].to_string())
                .collect(),
            score: each.map(|at| form.accuracy(0, at)).collect(),
            groups: columns,
            identity: items.identity,
        },
    };
    Ok((vec![level], headline))
}

/// The metrics that are asked for.
fn wanted(run: &Run<'_>, all: &[Metric]) -> Result<Vec<Metric>, EvalError> {
    let wanted = |metric: &&Metric| run.options.wants(metric.name);
    let metrics: Vec<Metric> = all.iter().filter(wanted).copied().collect();
    match metrics.is_empty() {
        false => Ok(metrics),
        true => Err(EvalError::UnknownMetric {
            metric: run.options.metrics.join("`, `"),
            known: all.iter().map(|m| m.name).collect::<Vec<_>>().join("`, `"),
        }),
    }
}

fn identity(episodes: &[Episode]) -> Identity {
    let mut names = Ids::default();
    let id = |episode: &Episode| format!("{}/{}", episode.dataset, episode.number);
    let ids = episodes.iter().map(|e| names.ids.code(&id(e)));
    let ids = ids.collect::<Vec<u32>>().into();
    let mut rows = Lists::default();
    episodes.iter().for_each(|e| rows.push(&mut e.rows.clone()));
    let mut identity = Identity::new(Arc::new(names), Rows::Several(rows));
    identity.ids = Arc::new(ids);
    identity.answered = vec![true; episodes.len()];
    identity
}

/// The frozen episodes; None, with defects, where the file holds none.
fn episodes(table: &Table, defects: &mut Defects) -> Option<Frozen> {
    let role = InputRole::Solution;
    let mut bad = |row: Option<usize>, text: &str| {
        let line = row.map(|row| table.line(row));
        defects.add(role, DefectKind::WrongHeader, line, None, text);
    };
    let find = |name| table.find(&[name]);
    let columns = (
        find(EPISODE),
        find(CLASS),
        find(ROLE),
        find(Column::SampleId.name()),
    );
    let (Some(episode), Some(class), Some(role_at), Some(id)) = columns else {
        let said = table.names.join("`, `");
        bad(
            None,
            &format!("no column `episode`, `class`, `role` or `sample_id` among `{said}`"),
        );
        return None;
    };
    let (mut datasets, mut numbers, mut roles) = <(Names, Names, Names)>::default();
    let mut frozen = Frozen::default();
    let of = |at: usize, names: &mut Names| codes(&table.columns[at], table.len(), names);
    let dataset_of = match find(DATASET) {
        Some(at) => of(at, &mut datasets),
        None => {
            datasets.code("");
            Arc::new(Codes::of(table.len(), 0, |_| 0))
        }
    };
    let number_of = of(episode, &mut numbers);
    let class_of = of(class, &mut frozen.classes);
    let role_of = of(role_at, &mut roles);
    let sample_of = of(id, &mut frozen.samples);
    let key = |row: usize| u64::from(dataset_of.get(row)) << 32 | u64::from(number_of.get(row));
    let (episode_of, keys) = renumbered((0..table.len()).map(key));
    let new = |key: &u64| Episode {
        dataset: datasets.get((key >> 32) as u32).to_owned(),
        number: numbers.get(*key as u32).to_owned(),
        ..Episode::default()
    };
    frozen.episodes.extend(keys.iter().map(new));
    let within = |of: &Codes| -> Vec<u64> {
        let both = episode_of.iter().zip(of.iter());
        both.map(|(episode, of)| u64::from(*episode) << 32 | u64::from(of))
            .collect()
    };
    // Classes by episode, and the place of each in its own.
    let (place_of, classes) = renumbered(within(&class_of).into_iter());
    let mut places = Vec::with_capacity(classes.len());
    for key in classes {
        let here = &mut frozen.episodes[(key >> 32) as usize].classes;
        places.push(here.len() as u32);
        here.push(key as u32);
    }
    let samples = within(&sample_of);
    let mut repeated = Vec::new();
    let mut seen: Option<HashMap<u64, usize>> =
        repeats(samples.len(), |at| samples[at]).then(HashMap::new);
    for row in 0..table.len() {
        if let Some(seen) = &mut seen {
            let earlier = *seen.entry(samples[row]).or_insert(row);
            if earlier != row {
                let what = |row| (class_of.get(row), role_of.get(row));
                let same = what(earlier) == what(row);
                repeated.push((row, earlier, same));
                continue;
            }
        }
        let here = &mut frozen.episodes[episode_of[row] as usize];
        let class = places[place_of[row] as usize];
        here.rows.push(row as u32);
        match roles.get(role_of.get(row)) {
            SUPPORT => here.support.push((sample_of.get(row), class)),
            QUERY => here.query.push((sample_of.get(row), class)),
            other => bad(
                Some(row),
                &format!("role `{other}` is neither support nor query"),
            ),
        }
    }
    for episode in &frozen.episodes {
        if episode.query.is_empty() || episode.support.is_empty() {
            let (dataset, number) = (&episode.dataset, &episode.number);
            bad(
                None,
                &format!("episode {number} of `{dataset}` lacks support or query"),
            );
        }
    }
    for (row, earlier, same) in repeated {
        let kind = match same {
            true => DefectKind::RepeatedId,
            false => DefectKind::ConflictingId,
        };
        let (sample, number) = (sample_of.get(row), number_of.get(row));
        let text = format!(
            "{} in episode {} (first in row {})",
            frozen.samples.get(sample),
            numbers.get(number),
            table.line(earlier)
        );
        let (line, column) = (Some(table.line(row)), Some(table.name(id)));
        defects.add(role, kind, line, column, &text);
    }
    if frozen.episodes.is_empty() {
        defects.add(role, DefectKind::NoRows, None, None, "no episodes");
        return None;
    }
    Some(frozen)
}

/// Per episode and query: the answered class, `u32::MAX` where none.
type Answers = Vec<Vec<u32>>;

fn right(answers: &Answers, episodes: &[Episode]) -> Vec<u32> {
    let of = |(given, episode): (&Vec<u32>, &Episode)| {
        let both = given.iter().zip(&episode.query);
        both.filter(|(answer, (_, truth))| *answer == truth).count() as u32
    };
    answers.iter().zip(episodes).map(of).collect()
}

fn predictions(
    run: &mut Run<'_>,
    table: &Table,
    [id, class, episode]: [usize; 3],
    frozen: &Frozen,
) -> Answers {
    let (episodes, names) = (frozen.episodes.as_slice(), &frozen.samples);
    let role = InputRole::Submission;
    for found in &table.defects {
        let column = found.column.clone();
        run.defects
            .add(role, found.kind, Some(found.row), column, &found.text);
    }
    let dataset = table.find(&[DATASET]);
    let several = episodes.iter().any(|e| e.dataset != episodes[0].dataset);
    if dataset.is_none() && several {
        let text = "no column `dataset`, and there are several";
        run.defects
            .add(role, DefectKind::WrongHeader, Some(1), None, text);
    }
    // (episode, class) of every class, and its place.
    let mut class_places: HashMap<(usize, u32), u32> = HashMap::new();
    // (episode, sample) of every query, and its place.
    let mut places: HashMap<(usize, u32), usize> = HashMap::new();
    let mut numbers: HashMap<(&str, &str), usize> = HashMap::new();
    for (at, episode) in episodes.iter().enumerate() {
        numbers.insert((&episode.dataset, &episode.number), at);
        for (place, class) in episode.classes.iter().enumerate() {
            class_places.insert((at, *class), place as u32);
        }
        for (place, (sample, _)) in episode.query.iter().enumerate() {
            places.insert((at, *sample), place);
        }
    }
    let mut answers: Answers = episodes
        .iter()
        .map(|e| vec![u32::MAX; e.query.len()])
        .collect();
    let mut texts: Vec<Vec<Option<String>>> =
        episodes.iter().map(|e| vec![None; e.query.len()]).collect();
    for row in 0..table.len() {
        let text = |at: usize| table.columns[at].text(row).trim().to_owned();
        let (sample, number, answer) = (text(id), text(episode), text(class));
        let of = dataset.map_or_else(|| episodes[0].dataset.clone(), text);
        let place = numbers.get(&(of.as_str(), number.as_str())).and_then(|at| {
            let code = names.find(&sample)?;
            Some((*at, *places.get(&(*at, code))?))
        });
        let line = Some(table.line(row));
        let said = format!("{sample} in episode {number} of `{of}`");
        let column = Some(table.name(id));
        let Some((at, place)) = place else {
            run.counts.unknown += 1;
            run.defects
                .add(role, DefectKind::UnknownId, line, column, &said);
            continue;
        };
        if let Some(earlier) = &texts[at][place] {
            let kind = match *earlier == answer {
                true => DefectKind::RepeatedId,
                false => DefectKind::ConflictingId,
            };
            run.defects.add(role, kind, line, column, &said);
            continue;
        }
        // A class that the episode does not have is a wrong answer.
        let known = frozen.classes.find(&answer);
        let code = known.and_then(|known| class_places.get(&(at, known)).copied());
        answers[at][place] = code.unwrap_or(u32::MAX);
        texts[at][place] = Some(answer);
    }
    for (episode, given) in episodes.iter().zip(&texts) {
        for ((sample, _), answer) in episode.query.iter().zip(given) {
            match answer {
                Some(_) => run.counts.answered += 1,
                None => {
                    run.counts.unanswered += 1;
                    let (number, of) = (&episode.number, &episode.dataset);
                    let name = names.get(*sample);
                    let text = format!("{name} in episode {number} of `{of}`");
                    crate::join::missing(&mut run.defects, &text);
                }
            }
        }
    }
    crate::join::settle(&mut run.defects, &mut run.counts);
    answers
}

fn embedded(
    run: &mut Run<'_>,
    frozen: &Frozen,
    metrics: &[Metric],
) -> Result<Vec<Answers>, EvalError> {
    let names = &frozen.samples;
    let options = run.options;
    let role = InputRole::Submission;
    let neither =
        "neither `episode`, `sample_id` and `class`, nor `sample_id` and a list of numbers";
    if !embeddings::can_be(&options.submission) {
        run.defects
            .add(role, DefectKind::WrongHeader, Some(1), None, neither);
        return Ok(Vec::new());
    }
    let found = embeddings::read(&options.submission, options.ids.as_deref(), &options.limits)?;
    for (line, text) in &found.bad {
        run.defects
            .add(role, DefectKind::NotANumber, Some(*line), None, text);
    }
    if found.rows.is_empty() {
        run.defects
            .add(role, DefectKind::WrongHeader, None, None, neither);
    }
    let rows: Vec<Option<u32>> = names.iter().map(|name| found.rows.find(name)).collect();
    for (name, row) in names.iter().zip(&rows) {
        match row {
            Some(_) => run.counts.answered += 1,
            None => {
                run.counts.unanswered += 1;
                crate::join::missing(&mut run.defects, name);
            }
        }
    }
    run.counts.submission_rows = (found.rows.len() + found.bad.len()) as u64;
    crate::join::settle(&mut run.defects, &mut run.counts);
    if run.defects.any_fatal() {
        return Ok(Vec::new());
    }
    let judged: Vec<Vec<Vec<u32>>> = frozen
        .episodes
        .par_iter()
        .map(|episode| classified(&found, &rows, episode, metrics))
        .collect();
    let mut answers = vec![Vec::with_capacity(judged.len()); metrics.len()];
    for episode in judged {
        for (of, answer) in answers.iter_mut().zip(episode) {
            of.push(answer);
        }
    }
    Ok(answers)
}

/// The answers of each metric's classifier.
fn classified(
    found: &Embeddings,
    rows: &[Option<u32>],
    episode: &Episode,
    metrics: &[Metric],
) -> Vec<Vec<u32>> {
    let row = |sample: u32| Some(found.row(rows[sample as usize]?));
    let support = episode.support.iter();
    let queries = episode.query.iter();
    let asked: Vec<Option<&[f32]>> = queries.map(|(sample, _)| row(*sample)).collect();
    let task = Task {
        way: episode.classes.len(),
        support: support
            .filter_map(|(s, class)| Some((row(*s)?, *class)))
            .collect(),
        query: asked.iter().flatten().copied().collect(),
    };
    let answers = |metric: &Metric| {
        if task.support.is_empty() {
            return vec![u32::MAX; asked.len()];
        }
        let mut answers = match metric.name {
            NEAREST_CENTROID => nearest_centroid(&task),
            NEAREST_NEIGHBOUR => nearest_neighbour(&task),
            _ => linear(&task),
        }
        .into_iter();
        let of = |asked: &Option<&[f32]>| asked.and_then(|_| answers.next());
        let given = asked.iter().map(of);
        given.map(|answer| answer.unwrap_or(u32::MAX)).collect()
    };
    metrics.iter().map(answers).collect()
}

/// The paper's interval for every cell of whole datasets or parts of them.
fn normal_intervals(metrics: &mut [MetricReport], form: &FewShot, episodes: &[Episode]) {
    for (at, metric) in metrics.iter_mut().enumerate() {
        for grouping in &mut metric.by_group {
            if grouping.columns != [DATASET] {
                continue;
            }
            for cell in &mut grouping.cells {
                if cell.estimate.verdict != Verdict::Shown {
                    continue;
                }
                let of = (0..episodes.len()).filter(|e| episodes[*e].dataset == cell.group[0]);
                let values: Vec<f64> = of.map(|e| form.accuracy(at, e)).collect();
                cell.estimate.interval = mean_and_half(&values).map(|(mean, half)| Interval {
                    method: IntervalMethod::Normal,
                    level: 0.95,
                    low: mean - half,
                    high: mean + half,
                    undefined_resamples: 0,
                });
            }
            if let Some(found) = &mut grouping.disparity {
                let worst = grouping.cells.iter().find(|c| c.group == found.worst_group);
                found.worst_bound = worst.and_then(|c| Some(c.estimate.interval?.low));
            }
        }
    }
}

/// Ranks by dataset, and accuracy against shots.
fn report(form: &FewShot, episodes: &[Episode], answers: &[Answers]) -> FewShotReport {
    let mut by_dataset: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, episode) in episodes.iter().enumerate() {
        by_dataset.entry(&episode.dataset).or_default().push(at);
    }
    let methods = 0..form.metrics.len();
    let datasets: Vec<DatasetRanks> = by_dataset
        .iter()
        .map(|(name, of)| {
            let result = |metric: usize| {
                let values: Vec<f64> = of.iter().map(|e| form.accuracy(metric, *e)).collect();
                mean_and_half(&values).unwrap_or_default()
            };
            let results: Vec<(f64, f64)> = methods.clone().map(result).collect();
            DatasetRanks {
                dataset: (*name).to_owned(),
                episodes: of.len() as u64,
                ranks: ranks(&results),
                means: results.iter().map(|r| r.0).collect(),
                half_widths: results.iter().map(|r| r.1).collect(),
            }
        })
        .collect();
    let average = |metric: usize| {
        let ranks = datasets.iter().map(|dataset| dataset.ranks[metric]);
        ranks.sum::<f64>() / datasets.len() as f64
    };
    // Per class of an episode: its shots, and the accuracy in its queries.
    let mut steps: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); form.metrics.len()]; STEPS.len()];
    for (at, episode) in episodes.iter().enumerate() {
        let mut shots = vec![0u32; episode.classes.len()];
        episode
            .support
            .iter()
            .for_each(|(_, class)| shots[*class as usize] += 1);
        for (metric, of) in answers.iter().enumerate() {
            let mut counts = vec![(0u32, 0u32); episode.classes.len()];
            for (answer, (_, truth)) in of[at].iter().zip(&episode.query) {
                let (right, n) = &mut counts[*truth as usize];
                *right += u32::from(answer == truth);
                *n += 1;
            }
            for (shots, (right, n)) in shots.iter().zip(counts) {
                let step = STEPS.partition_point(|from| from <= shots);
                if n > 0 && step > 0 {
                    steps[step - 1][metric].push(f64::from(right) / f64::from(n));
                }
            }
        }
    }
    let shots = steps.iter().enumerate().filter(|(_, of)| !of[0].is_empty());
    FewShotReport {
        metrics: form.metrics.iter().map(|m| m.name.to_owned()).collect(),
        average_ranks: methods.map(average).collect(),
        datasets,
        shots: shots
            .map(|(step, of)| {
                let found = of
                    .iter()
                    .map(|values| mean_and_half(values).unwrap_or_default());
                let found: Vec<(f64, f64)> = found.collect();
                Shots {
                    from: STEPS[step],
                    to: STEPS.get(step + 1).map(|next| next - 1),
                    classes: of[0].len() as u64,
                    means: found.iter().map(|f| f.0).collect(),
                    half_widths: found.iter().map(|f| f.1).collect(),
                }
            })
            .collect(),
    }
}
