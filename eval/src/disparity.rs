//! Disparity: how far the groups that are shown stand apart.

use fairframe_schemas::report::{Cell, Disparity, Estimate, Verdict};

/// None where fewer than two groups have a value.
pub fn disparity(cells: &[Cell], overall: &Estimate, higher_is_better: bool) -> Option<Disparity> {
    let shown: Vec<(&Cell, f64)> = cells
        .iter()
        .filter(|cell| cell.estimate.verdict == Verdict::Shown)
        .filter_map(|cell| Some((cell, cell.estimate.value?)))
        .collect();
    if shown.len() < 2 {
        return None;
    }
    // Among equals the first by name, whichever end it is.
    let lowest = shown
        .iter()
        .fold(shown[0], |best, c| if c.1 < best.1 { *c } else { best });
    let highest = shown
        .iter()
        .fold(shown[0], |best, c| if c.1 > best.1 { *c } else { best });
    let (best, worst) = if higher_is_better {
        (highest, lowest)
    } else {
        (lowest, highest)
    };
    let worst_bound = worst.0.estimate.interval.map(|interval| {
        if higher_is_better {
            interval.low
        } else {
            interval.high
        }
    });
    let ratio = |a: f64, b: f64| (a.max(b) > 0.0).then(|| a.min(b) / a.max(b));
    Some(Disparity {
        groups_shown: shown.len() as u64,
        groups_suppressed: cells
            .iter()
            .filter(|cell| cell.estimate.verdict == Verdict::InsufficientData)
            .count() as u64,
        difference: highest.1 - lowest.1,
        ratio: ratio(lowest.1, highest.1),
        difference_to_overall: overall.value.map(|all| {
            shown
                .iter()
                .fold(0.0, |gap: f64, (_, v)| gap.max((v - all).abs()))
        }),
        ratio_to_overall: overall.value.and_then(|all| {
            shown
                .iter()
                .map(|(_, v)| ratio(*v, all))
                .try_fold(1.0, |least: f64, r| Some(least.min(r?)))
        }),
        best_group: best.0.group.clone(),
        best_value: best.1,
        worst_group: worst.0.group.clone(),
        worst_value: worst.1,
        worst_bound,
        macro_mean: shown.iter().map(|(_, v)| v).sum::<f64>() / shown.len() as f64,
        weighted_mean: None,
        null: None,
    })
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::report::{Interval, IntervalMethod};

    use super::*;

    fn estimate(value: f64, verdict: Verdict) -> Estimate {
        Estimate {
            n: 50,
            denominators: Default::default(),
            value: (verdict == Verdict::Shown).then_some(value),
            interval: Some(Interval {
                method: IntervalMethod::Bootstrap,
                level: 0.95,
                low: value - 0.1,
                high: value + 0.1,
                undefined_resamples: 0,
            }),
            verdict,
        }
    }

    fn cell(name: &str, value: f64, verdict: Verdict) -> Cell {
        Cell {
            group: vec![name.to_owned()],
            estimate: estimate(value, verdict),
            baseline: None,
            beats_baseline: None,
        }
    }

    #[test]
    fn suppressed_groups_have_no_say() {
        let cells = [
            cell("a", 0.8, Verdict::Shown),
            cell("b", 0.6, Verdict::Shown),
            cell("c", 0.1, Verdict::InsufficientData),
        ];
        let overall = estimate(0.75, Verdict::Shown);
        let found = disparity(&cells, &overall, true).unwrap();
        assert_eq!((found.groups_shown, found.groups_suppressed), (2, 1));
        assert!((found.difference - 0.2).abs() < 1e-15);
        assert!((found.ratio.unwrap() - 0.75).abs() < 1e-15);
        assert!((found.difference_to_overall.unwrap() - 0.15).abs() < 1e-15);
        assert!((found.ratio_to_overall.unwrap() - 0.8).abs() < 1e-15);
        assert_eq!(found.worst_group, ["b"]);
        assert!((found.worst_bound.unwrap() - 0.5).abs() < 1e-15);
        // Where less is better, the other end is the worst.
        let found = disparity(&cells, &overall, false).unwrap();
        assert_eq!(found.worst_group, ["a"]);
        assert!((found.worst_bound.unwrap() - 0.9).abs() < 1e-15);
        assert_eq!(disparity(&cells[1..], &overall, true), None);
    }

    #[test]
    fn all_zero_has_no_ratio() {
        let cells = [
            cell("a", 0.0, Verdict::Shown),
            cell("b", 0.0, Verdict::Shown),
        ];
        let found = disparity(&cells, &estimate(0.0, Verdict::Shown), true).unwrap();
        assert_eq!(
            (found.difference, found.ratio, found.ratio_to_overall),
            (0.0, None, None)
        );
    }
}
