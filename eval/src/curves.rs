//! ROC curves and reliability, for all items and for the groups that stand furthest apart.

use fairframe_schemas::report::{Curve, Curves, Level, MetricReport, ReliabilityBin, Verdict};

use crate::groups::GroupColumn;
use crate::metrics::Form;
use crate::metrics::detection::{Detection, LOG_LOSS, Scored};

/// Points of a ROC curve stand this far apart, but for the last.
const STEP: f64 = 0.01;

/// A grouping each; one of all items where there is none.
pub(crate) fn curves(
    form: &Detection,
    metrics: &[MetricReport],
    columns: &[GroupColumn],
) -> Vec<Curves> {
    let find = |name: &str| metrics.iter().find(|metric| metric.metric == name);
    let (Some(headline), Some(auc)) = (find(LOG_LOSS), find("auc")) else {
        return Vec::new();
    };
    let all: Vec<u32> = (0..form.len() as u32).collect();
    let whole = curve(form, Vec::new(), &all, auc.overall.verdict);
    let level = headline.level;
    if headline.by_group.is_empty() {
        return vec![one(level, &[], vec![whole])];
    }
    let groupings = headline.by_group.iter().zip(&auc.by_group);
    groupings
        .map(|(grouping, aucs)| {
            let mut lines = vec![whole.clone()];
            let ends = grouping.disparity.iter();
            for group in ends.flat_map(|found| [&found.worst_group, &found.best_group]) {
                let items = items_of(&grouping.columns, group, columns, form.len());
                let cell = aucs.cells.iter().find(|cell| cell.group == *group);
                let verdict = cell.map_or(Verdict::Undefined, |cell| cell.estimate.verdict);
                lines.push(curve(form, group.clone(), &items, verdict));
            }
            one(level, &grouping.columns, lines)
        })
        .collect()
}

fn one(level: Level, columns: &[String], lines: Vec<Curve>) -> Curves {
    let columns = columns.to_vec();
    Curves {
        level,
        columns,
        lines,
    }
}

fn items_of(names: &[String], group: &[String], columns: &[GroupColumn], items: usize) -> Vec<u32> {
    let wanted: Vec<(&GroupColumn, &String)> = names
        .iter()
        .zip(group)
        .filter_map(|(name, value)| Some((columns.iter().find(|c| c.name == *name)?, value)))
        .collect();
    (0..items as u32)
        .filter(|item| {
            wanted
                .iter()
                .all(|(c, value)| c.value(*item as usize) == *value)
        })
        .collect()
}

fn curve(form: &Detection, group: Vec<String>, items: &[u32], auc: Verdict) -> Curve {
    let mut sorted: Vec<Scored> = items
        .iter()
        .map(|at| form.items.get(*at as usize))
        .collect();
    crate::metrics::detection::sort(&mut sorted);
    Curve {
        group,
        roc: match auc {
            Verdict::Shown => roc(&sorted),
            _ => Vec::new(),
        },
        reliability: reliability(&sorted, form.options.bins),
    }
}

/// Fawcett 2006: a point after each run of equal scores, from the highest down.
fn roc(sorted: &[Scored]) -> Vec<(f64, f64)> {
    let fakes = sorted.iter().filter(|item| item.fake).count();
    let (p, n) = (fakes as f64, (sorted.len() - fakes) as f64);
    let (mut caught, mut accused) = (0u64, 0u64);
    let mut points = vec![(0.0, 0.0)];
    let mut kept = (0.0, 0.0);
    for run in sorted.chunk_by(|a, b| a.score == b.score) {
        let tied = run.iter().filter(|item| item.fake).count() as u64;
        caught += tied;
        accused += run.len() as u64 - tied;
        let point = (accused as f64 / n, caught as f64 / p);
        if point.0 - kept.0 >= STEP || point.1 - kept.1 >= STEP || point == (1.0, 1.0) {
            points.push(point);
            kept = point;
        }
    }
    points.dedup();
    points
}

/// The bins of the calibration error (`metrics/detection.rs`).
fn reliability(sorted: &[Scored], bins: u32) -> Vec<ReliabilityBin> {
    let mut found = crate::metrics::detection::Bins::new(bins, sorted.len() as u64);
    for run in sorted.chunk_by(|a, b| a.score == b.score) {
        let fakes = run.iter().filter(|item| item.fake).count() as u64;
        found.add(run[0].score, fakes, run.len() as u64);
    }
    let bins = found.each().filter(|(n, ..)| *n > 0);
    let mut bins: Vec<ReliabilityBin> = bins
        .map(|(n, fakes, scores)| ReliabilityBin {
            n,
            mean_score: scores / n as f64,
            share_of_fakes: fakes as f64 / n as f64,
        })
        .collect();
    bins.reverse();
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(rows: &[(f64, bool)]) -> Vec<Scored> {
        let mut rows: Vec<Scored> = rows
            .iter()
            .map(|(score, fake)| Scored {
                score: *score,
                fake: *fake,
            })
            .collect();
        crate::metrics::detection::sort(&mut rows);
        rows
    }

    #[test]
    fn a_roc_curve_goes_from_corner_to_corner_and_ties_are_one_step() {
        let points = roc(&scored(&[
            (0.9, true),
            (0.5, true),
            (0.5, false),
            (0.1, false),
        ]));
        assert_eq!(points, [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
    }

    #[test]
    fn a_thinned_curve_keeps_its_area_to_a_hundredth_and_is_short() {
        let rows: Vec<(f64, bool)> = (0..20_000)
            .map(|at| (f64::from(at * 7919 % 20_000) / 20_000.0, at % 3 != 0))
            .collect();
        let rows: Vec<(f64, bool)> = rows
            .iter()
            .map(|(s, fake)| (s * if *fake { 1.0 } else { 0.8 }, *fake))
            .collect();
        let sorted = scored(&rows);
        let points = roc(&sorted);
        assert!(points.len() <= 202, "{}", points.len());
        let area: f64 = points
            .windows(2)
            .map(|w| (w[1].0 - w[0].0) * (w[0].1 + w[1].1) / 2.0)
            .sum();
        let mut state = crate::statistics::DetectionState::default();
        sorted
            .iter()
            .for_each(|item| state.update(item.score, item.fake));
        let auc = state
            .evaluate(&crate::metrics::detection::Options::default())
            .get("auc")
            .unwrap();
        assert!((area - auc).abs() < 0.01, "{area} {auc}");
    }

    #[test]
    fn the_bins_are_those_of_the_calibration_error() {
        let rows: Vec<(f64, bool)> = (0..300)
            .map(|at| (f64::from(at) / 300.0, at % 4 == 0))
            .collect();
        let sorted = scored(&rows);
        let bins = reliability(&sorted, 15);
        assert_eq!(bins.len(), 15);
        assert!(bins.is_sorted_by_key(|bin| bin.mean_score));
        let error: f64 = bins
            .iter()
            .map(|b| b.n as f64 / 300.0 * (b.mean_score - b.share_of_fakes).abs())
            .sum();
        let mut state = crate::statistics::DetectionState::default();
        sorted
            .iter()
            .for_each(|item| state.update(item.score, item.fake));
        let ece = state
            .evaluate(&crate::metrics::detection::Options::default())
            .get("ece")
            .unwrap();
        assert!((error - ece).abs() < 1e-12, "{error} {ece}");
    }
}
