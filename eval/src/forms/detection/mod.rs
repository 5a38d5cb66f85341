//! Detection, real against fake: `filename,label` with the probability of
//! fake, or `video_id,frame,score`.
//!
//! A sample, frame or video without a score has 0.5. Ids that the solution
//! does not have are left out and counted.

mod join;

use std::collections::BTreeMap;
use std::sync::Arc;

use fairframe_schemas::report::{
    Baseline, DefectKind, EqualisedOdds, InputRole, Level, MetricReport,
};
use rayon::prelude::*;

use self::join::{Policy, join};
use super::{Judged, Shape};
use crate::baselines;
use crate::check::{Checked, Defects, First, Ids, Kept, Roles, Usage, each_id, with_values};
use crate::codes::Codes;
use crate::curves::curves;
use crate::evaluate::{EvalError, ItemResults};
use crate::groups::GroupColumn;
use crate::join::{Identity, Items};
use crate::metrics::Form;
use crate::metrics::detection::{self, Detection};
use crate::read::{Numbers, Table, Values};
use crate::run::{LevelReport, Run};

pub(super) const SHAPE: Shape = Shape {
    truth: &["label", "target", "truth", "is_fake", "y_true"],
    answer: &[
        "score",
        "label",
        "prob",
        "probability",
        "p_fake",
        "prediction",
        "y_score",
        "target",
    ],
    value: Some(|field| field.parse::<f64>().is_ok() || truth_word(field).is_some()),
};

/// Reads, checks, joins and judges. The tables are let go of before anything is judged: there may
/// be hundreds of millions of rows.
pub(super) fn judge(
    run: &mut Run<'_>,
    solution_table: Table,
    submission_table: Option<Table>,
) -> Result<Judged, EvalError> {
    let solution = &solution_table;
    let submission = submission_table.as_ref().unwrap_or(solution);
    let mut headline = (detection::LOG_LOSS.to_owned(), Level::Sample);
    let Some([truth_roles, answer_roles]) = run.roles(solution, submission) else {
        return Ok((Vec::new(), headline));
    };
    let (usage, names, defects) = (run.usage(), &mut run.ids, &mut run.defects);
    let soft = run.options.truth_threshold;
    let truth = truth_rows(solution, truth_roles, &usage, soft, names, defects);
    let answers = score_rows(submission, answer_roles, &usage, names, defects);
    if let Some(at) = soft {
        run.notes.push(format!(
            "A truth of {at} or more is read as fake, less as real."
        ));
    }
    if !run.defects.has(InputRole::Solution, DefectKind::SoftTruth) {
        run.note_usage(truth.ignored, truth.ids.len())?;
    }
    let levels = join(
        (&truth, solution),
        (&answers, submission),
        std::mem::take(&mut run.ids),
        answer_roles.id,
        (
            detection::Options {
                threshold: run.options.threshold,
                eps: run.options.eps,
                bins: run.options.calibration_bins,
            },
            Policy {
                pooling: run.options.pooling,
                no_score: run.options.no_score,
            },
        ),
        &mut run.defects,
        &mut run.counts,
    );
    drop((truth, answers));
    headline.1 = levels[0].level;
    if run.defects.any_fatal() {
        return Ok((Vec::new(), headline));
    }
    let no_score = run.options.no_score;
    run.notes.push(format!(
        "A sample, frame or video without a score is scored at {no_score}."
    ));
    if levels.len() > 1 {
        let pooling = run.options.pooling;
        run.notes.push(format!(
            "A video's score is the {pooling} of its frames' scores; at frame level whole videos are resampled, as frames of one video are not independent."
        ));
    }
    let joined = run.join_manifest(&levels[0].identity)?;
    let mut grouped = Vec::new();
    for mut items in levels {
        let columns = run.columns(solution, &items.identity, joined.as_ref());
        let framed = items.level == Level::Frame;
        let clusters = run.clusters(solution, &items.identity, joined.as_ref(), framed);
        if !run.options.item_results() && run.sides.is_none() {
            items.identity = Identity::default();
        }
        grouped.push((items, columns, clusters));
    }
    drop((solution_table, submission_table, joined));
    let report = |(items, columns, clusters)| level_report(run, items, columns, clusters);
    Ok((grouped.into_iter().map(report).collect(), headline))
}

fn truth_word(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("real") {
        Some(false)
    } else if text.eq_ignore_ascii_case("fake") {
        Some(true)
    } else {
        None
    }
}

/// Scores of a submission: numbers from 0 to 1.
fn score_rows(
    table: &Table,
    roles: Roles,
    usage: &Usage,
    names: &mut Ids,
    defects: &mut Defects,
) -> Checked<Numbers> {
    let role = InputRole::Submission;
    let column = &table.columns[roles.value];
    let number = |row: usize| column.number(row).unwrap_or(f64::NAN);
    let scores = match column {
        Values::Number(numbers) => numbers.narrow(),
        _ => Numbers::narrowed((0..table.len()).into_par_iter().map(number).collect()),
    };
    let is_score = |row: usize| (0.0..=1.0).contains(&scores.get(row));
    let ask = |row: usize, defects: &mut Defects| {
        if is_score(row) {
            return true;
        }
        let kind = match scores.get(row).is_nan() {
            true => DefectKind::NotANumber,
            false => DefectKind::OutOfRange,
        };
        let name = Some(table.name(roles.value));
        let line = Some(table.line(row));
        defects.add(role, kind, line, name, &column.text(row));
        false
    };
    let first = match (0..table.len()).into_par_iter().all(is_score) {
        true => First::Sound,
        false => First::Asked(ask),
    };
    let same = |a, b| scores.get(a) == scores.get(b);
    let checked = each_id(table, roles, role, usage, names, defects, first, same);
    let values = match &checked.rows {
        Kept::First(len) if *len == scores.len() => scores,
        rows => Numbers::narrowed(rows.iter().map(|row| scores.get(row)).collect()),
    };
    with_values(checked, values)
}

fn of_number(number: f64, truth_threshold: Option<f64>) -> Result<bool, DefectKind> {
    match truth_threshold {
        _ if number.is_nan() => Err(DefectKind::NotANumber),
        Some(threshold) => Ok(number >= threshold),
        None if number == 0.0 => Ok(false),
        None if number == 1.0 => Ok(true),
        None => Err(DefectKind::SoftTruth),
    }
}

/// The truth of a detection solution: 0 or `real`, 1 or `fake`, or a number
/// that `truth_threshold` divides.
fn truth_rows(
    table: &Table,
    roles: Roles,
    usage: &Usage,
    truth_threshold: Option<f64>,
    names: &mut Ids,
    defects: &mut Defects,
) -> Checked<Vec<bool>> {
    let role = InputRole::Solution;
    let column = &table.columns[roles.value];
    let text = |text: &str| match text.trim().parse() {
        Ok(number) => of_number(number, truth_threshold),
        Err(_) => truth_word(text.trim()).ok_or(DefectKind::NotANumber),
    };
    let coded: Vec<Result<bool, DefectKind>> = match column {
        Values::Coded { names, .. } => names.iter().map(text).collect(),
        _ => Vec::new(),
    };
    let read = |row: usize| match column {
        Values::Coded { codes, .. } => coded[codes.get(row) as usize],
        Values::Number(numbers) => of_number(numbers.get(row), truth_threshold),
        Values::Text(texts) => text(texts.get(row)),
    };
    let ask = |row: usize, defects: &mut Defects| match read(row) {
        Ok(_) => true,
        Err(kind) => {
            let name = Some(table.name(roles.value));
            let line = Some(table.line(row));
            defects.add(role, kind, line, name, &column.text(row));
            false
        }
    };
    let is_sound = match column {
        Values::Coded { .. } => coded.iter().all(Result::is_ok),
        _ => (0..table.len())
            .into_par_iter()
            .all(|row| read(row).is_ok()),
    };
    let first = match is_sound {
        true => First::Sound,
        false => First::Asked(ask),
    };
    let same = |a, b| read(a) == read(b);
    let checked = each_id(table, roles, role, usage, names, defects, first, same);
    let rows = &checked.rows;
    let fake = |at: usize| read(rows.get(at)) == Ok(true);
    let truth = (0..rows.len()).into_par_iter().map(fake).collect();
    with_values(checked, truth)
}

fn level_report(
    run: &mut Run<'_>,
    items: Items<Detection>,
    columns: Vec<GroupColumn>,
    clusters: Option<Arc<Codes>>,
) -> LevelReport {
    let form = &items.form;
    let rate = baselines::base_rate(form);
    let constant = |cell: &[u32]| -> Vec<Option<f64>> {
        let Some(rate) = rate else {
            return vec![None; form.metrics().len()];
        };
        let values = form.constant(cell, rate);
        let rivalled = |name| baselines::RIVALLED.contains(&name);
        form.metrics()
            .iter()
            .map(|m| values.get(m.name).filter(|_| rivalled(m.name)))
            .collect()
    };
    let metrics = run.judge(&items, &columns, clusters.as_ref(), &constant);
    let baselines = metrics
        .iter()
        .filter(|metric| metric.baseline.is_some())
        .map(|metric| Baseline {
            name: format!(
                "the share of fakes, {:.4}, for every {}",
                rate.unwrap_or_default(),
                items.level.as_str()
            ),
            metric: metric.metric.clone(),
            level: items.level,
            n: form.len() as u64,
            value: metric.baseline,
        })
        .collect();
    let equalised_odds = equalised_odds(&metrics, items.level);
    if !run.options.values_only {
        run.curves.extend(curves(form, &metrics, &columns));
    }
    let shown = match run.options.item_results() {
        true => form.len(),
        false => 0,
    };
    let each = || form.items.iter().take(shown);
    let results = ItemResults {
        level: items.level,
        metric: detection::LOG_LOSS,
        value: each().map(|s| s.score.to_string()).collect(),
        truth: each().map(|s| u8::from(s.fake).to_string()).collect(),
        score: each()
            .map(|s| detection::Loss::of(s, form.options.eps).log)
            .collect(),
        groups: columns,
        identity: items.identity,
    };
    LevelReport {
        metrics,
        baselines,
        equalised_odds,
        items: results,
    }
}

fn equalised_odds(metrics: &[MetricReport], level: Level) -> Vec<EqualisedOdds> {
    let gaps = |name: &str| -> BTreeMap<Vec<String>, f64> {
        let metric = metrics.iter().find(|metric| metric.metric == name);
        let groupings = metric.map_or(&[][..], |metric| &metric.by_group);
        groupings
            .iter()
            .filter_map(|g| Some((g.columns.clone(), g.disparity.as_ref()?.difference)))
            .collect()
    };
    let (tpr, fpr) = (gaps("tpr"), gaps("fpr"));
    tpr.into_iter()
        .filter_map(|(columns, tpr_difference)| {
            let fpr_difference = *fpr.get(&columns)?;
            Some(EqualisedOdds {
                level,
                columns,
                tpr_difference,
                fpr_difference,
                difference: tpr_difference.max(fpr_difference),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::{kinds, table};
    use fairframe_schemas::report::TaskForm;

    use crate::check::{MAX_SHOWN, roles};

    #[test]
    fn every_defect_is_named_at_once_with_its_row() {
        let text =
            "filename,label\na,0.5\nb,NaN\nc,inf\nd,-0.1\n,0.2\na,0.5\na,0.6\ne,half\nf,1.0\n";
        let table = table(TaskForm::Detection, InputRole::Submission, text);
        let mut defects = Defects::default();
        let roles = roles(
            TaskForm::Detection,
            InputRole::Submission,
            &table,
            None,
            &mut defects,
        )
        .unwrap();
        let mut ids = Ids::default();
        let checked = score_rows(&table, roles, &Usage::default(), &mut ids, &mut defects);
        let kept: Vec<&str> = checked.ids.iter().map(|id| ids.ids.get(id)).collect();
        assert_eq!(kept, ["a", "f"]);
        assert_eq!(
            kinds(defects),
            [
                (DefectKind::EmptyId, 1, vec![Some(6)]),
                (DefectKind::NotANumber, 2, vec![Some(3), Some(9)]),
                (DefectKind::OutOfRange, 2, vec![Some(4), Some(5)]),
                (DefectKind::ConflictingId, 1, vec![Some(8)]),
                (DefectKind::RepeatedId, 1, vec![Some(7)]),
            ]
        );
    }

    #[test]
    fn at_most_twenty_of_a_kind_are_shown() {
        let rows: String = (0..50).map(|at| format!("{at},2\n")).collect();
        let table = table(
            TaskForm::Detection,
            InputRole::Submission,
            &format!("id,score\n{rows}"),
        );
        let mut defects = Defects::default();
        let roles = roles(
            TaskForm::Detection,
            InputRole::Submission,
            &table,
            None,
            &mut defects,
        )
        .unwrap();
        let ids = &mut Ids::default();
        score_rows(&table, roles, &Usage::default(), ids, &mut defects);
        let list = defects.into_list();
        assert_eq!((list[0].count, list[0].shown.len()), (50, MAX_SHOWN));
    }

    #[test]
    fn smoothed_truth_is_refused_unless_told_how_to_read_it() {
        let text = "video,label\na,0.99\nb,0.01\n";
        let table = table(TaskForm::Detection, InputRole::Solution, text);
        for (threshold, ids) in [(None, 0), (Some(0.5), 2)] {
            let mut defects = Defects::default();
            let roles = roles(
                TaskForm::Detection,
                InputRole::Solution,
                &table,
                None,
                &mut defects,
            )
            .unwrap();
            let checked = truth_rows(
                &table,
                roles,
                &Usage::default(),
                threshold,
                &mut Ids::default(),
                &mut defects,
            );
            assert_eq!(checked.ids.len(), ids);
            assert_eq!(
                defects.has(InputRole::Solution, DefectKind::SoftTruth),
                threshold.is_none()
            );
        }
    }
}
