//! Reports: what a team may be told, and what its host may.

use std::path::Path;

use fairframe_eval::{EvalOptions, Evaluation, crossed, disparity::disparity, evaluate, report};
use fairframe_schemas::{
    competition::BoardToml,
    report::{Defect, DefectKind, InputRole, MetricReport, Report, Verdict},
};

use super::{Hidden, Looked, ScoreError, ScoreOptions, look, sound, usual};
use crate::{
    board::Side,
    prepare::{self, Facts, USAGE},
};

/// The team's report, of public rows, in `out/public/`; the host's, of all that is scored and item
/// by item, in `out/whole/`. Where a Ladder guards the board the team's has no scores, which would
/// tell what the Ladder keeps; `out/revealed/` has them, for when the stage is over.
///
/// # Errors
/// [`ScoreError`].
pub fn report(options: &ScoreOptions<'_>, out: &Path) -> Result<(), ScoreError> {
    let facts = Facts::read(options.truth)?;
    let defects = match look(options)? {
        Looked::Unreadable(defect) => vec![defect],
        Looked::Sheet(defects) => defects,
    };
    if defects.iter().any(|defect| defect.fatal) {
        return Err(ScoreError::Invalid);
    }
    let wanted = EvalOptions {
        no_items: true,
        ..usual(options, facts.file(options.truth, Side::Public))
    };
    let least = wanted.min_n;
    let mut public = evaluate(&wanted)?;
    sound(&public)?;
    harmless(&mut public.report, &facts, &defects, least);
    without_hidden(&mut public.report, &options.competition.toml.board);
    if options.competition.toml.board.ladder.is_some() {
        report::write(&public, &out.join("revealed"))?;
        without_scores(&mut public);
    }
    report::write(&public, &out.join("public"))?;
    let task = &options.competition.toml.task;
    let whole = prepare::whole(options.truth);
    let mut wanted = EvalOptions {
        usage: None,
        quiet_ids: true,
        ..EvalOptions::of_task(task, whole, options.submission.to_owned())
    };
    if !facts.both {
        wanted.groups.push(vec![USAGE.to_owned()]);
    }
    let mut whole = evaluate(&wanted)?;
    sound(&whole)?;
    for input in &mut whole.report.inputs {
        if input.role == InputRole::Submission {
            input.name = "submission".to_owned();
        }
    }
    with_own(&mut whole.report, &defects);
    report::write(&whole, &out.join("whole"))?;
    Ok(())
}

/// Puts what is known of the ids beside the report's own defects.
fn with_own(report: &mut Report, defects: &[Defect]) {
    for found in defects {
        if !report.defects.iter().any(|d| d.kind == found.kind) {
            report.defects.push(found.clone());
        }
    }
    report.defects.sort_by_key(|d| (!d.fatal, d.file, d.kind));
}

/// Takes out of a report on public rows what tells of single items or of the truth's file.
fn harmless(report: &mut Report, facts: &Facts, defects: &[Defect], least: u64) {
    // The digest of a small truth can be found by trying.
    report
        .inputs
        .retain(|input| input.role == InputRole::Submission);
    for input in &mut report.inputs {
        input.name = "submission".to_owned();
    }
    report.defects.retain(|d| d.file == InputRole::Submission);
    with_own(report, defects);
    // Ids are held against the sample submission: which of them are public is nobody's business.
    let count = |kind| -> u64 {
        let of_kind = report.defects.iter().filter(|d| d.kind == kind);
        of_kind.map(|d| d.count).sum()
    };
    let (missing, unknown) = (count(DefectKind::MissingId), count(DefectKind::UnknownId));
    let counts = &mut report.counts;
    counts.unanswered = missing;
    counts.answered = facts.asked.saturating_sub(missing);
    counts.unknown = unknown;
    counts.both_empty = 0;
    report.worst_items.clear();
    report.curves.clear();
    let hidden = Hidden::of(&report.metrics, least);
    for metric in &mut report.metrics {
        for columns in hide(metric, &hidden) {
            report.equalised_odds.retain(|odds| odds.columns != columns);
        }
    }
}

/// Takes away what is known of hidden groups but their size. Gives the groupings in which more is
/// hidden now.
fn hide(metric: &mut MetricReport, hidden: &Hidden) -> Vec<Vec<String>> {
    let mut changed = Vec::new();
    for grouping in &mut metric.by_group {
        grouping.within.clear();
        let mut more = false;
        for cell in &mut grouping.cells {
            if !hidden.hides(&grouping.columns, &cell.group) {
                continue;
            }
            more |= cell.estimate.verdict != Verdict::InsufficientData;
            cell.estimate.value = None;
            cell.estimate.interval = None;
            cell.estimate.verdict = Verdict::InsufficientData;
            cell.estimate.denominators.retain(|name, _| name == "items");
            cell.baseline = None;
            cell.beats_baseline = None;
        }
        if more {
            let higher = metric.higher_is_better;
            grouping.disparity = disparity(&grouping.cells, &metric.overall, higher);
            changed.push(grouping.columns.clone());
        }
    }
    changed
}

/// Takes away what a column of the board shows that is hidden until later.
fn without_hidden(report: &mut Report, board: &BoardToml) {
    for column in board.columns.iter().filter(|c| c.hidden_until.is_some()) {
        match &column.grouping {
            Some(grouping) => {
                // The parts of a group would tell it.
                let columns = crossed(grouping);
                let tells = |its: &[String]| columns.iter().all(|column| its.contains(column));
                for metric in &mut report.metrics {
                    metric.by_group.retain(|g| !tells(&g.columns));
                }
                report.equalised_odds.retain(|odds| !tells(&odds.columns));
            }
            None => {
                let metric = column.metric.as_ref().unwrap_or(&board.metric);
                // What ranks is shown in any case.
                if *metric != board.metric {
                    report.metrics.retain(|m| m.metric != *metric);
                    report.baselines.retain(|b| b.metric != *metric);
                }
            }
        }
    }
}

fn without_scores(evaluation: &mut Evaluation) {
    let report = &mut evaluation.report;
    report.metrics.clear();
    report.baselines.clear();
    report.equalised_odds.clear();
    report.few_shot = None;
    report.notes.push(
        "A Ladder guards this board: how each submission scored is shown when the stage is over."
            .to_owned(),
    );
}
