use proptest::prelude::*;

use super::walk::most_within;
use super::*;
use crate::statistics::DetectionState;

fn values(rows: &[(f64, u8)], options: &Options) -> Values {
    let mut state = DetectionState::default();
    for (score, fake) in rows {
        state.update(*score, *fake == 1);
    }
    state.evaluate(options)
}

fn close(value: Option<f64>, wanted: f64, within: f64) {
    let value = value.unwrap();
    assert!((value - wanted).abs() <= within, "{value} is not {wanted}");
}

/// Single precision and double, and a negative zero among them.
#[test]
fn packed_scores_are_ranked_and_come_back_as_they_were() {
    for scores in [[0.5, 0.0, 1.0, 0.5, 0.25], [0.1, -0.0, 1.0, 0.1, -3.5]] {
        let item = |(at, score): (usize, f64)| Scored {
            score,
            fake: at % 3 > 0,
        };
        let items: ScoredItems = scores.into_iter().enumerate().map(item).collect();
        let ranked = Ranked::of(&items, &[0, 1, 2, 3, 4]);
        assert_eq!(matches!(ranked, Ranked::Single(_)), scores[0] == 0.5);
        let mut sorted: Vec<Scored> = items.iter().collect();
        sort(&mut sorted);
        for (at, wanted) in sorted.iter().enumerate() {
            let (found, number) = ranked.get(at);
            assert_eq!(
                (found, found.score.to_bits()),
                (*wanted, wanted.score.to_bits())
            );
            assert_eq!(items.get(number as usize), found);
        }
    }
}

#[test]
fn log_loss_at_three_eps() {
    let rows = [(0.9, 1), (0.2, 0), (0.0, 1), (0.6, 0)];
    for (eps, wanted) in [(1e-15, 8.9459), (0.01, 1.4625), (0.025, 1.2334)] {
        let options = Options {
            eps,
            ..Options::default()
        };
        close(values(&rows, &options).get("log_loss"), wanted, 5e-5);
    }
    let halves = values(&[(0.5, 1), (0.5, 0)], &Options::default());
    close(halves.get("log_loss"), std::f64::consts::LN_2, 1e-15);
    close(halves.get("auc"), 0.5, 0.0);
}

const REAL: [&[f64]; 2] = [&[0.10, 0.20, 0.15], &[0.40, 0.55, 0.35]];
const FAKE: [&[f64]; 4] = [
    &[0.95, 0.90, 0.85],
    &[0.30, 0.35, 0.40],
    &[0.80, 0.75, 0.70],
    &[0.20, 0.60, 0.55],
];

#[test]
fn the_worked_frames_hold() {
    let mut rows = Vec::new();
    rows.extend(REAL.iter().flat_map(|v| v.iter().map(|s| (*s, 0))));
    rows.extend(FAKE.iter().flat_map(|v| v.iter().map(|s| (*s, 1))));
    let found = values(&rows, &Options::default());
    close(found.get("auc"), 0.847222, 5e-7);
    close(found.get("average_precision"), 0.917668, 5e-7);
    close(found.get("eer"), 0.2778, 5e-5);
    let mean = |frames: &&[f64]| frames.iter().sum::<f64>() / frames.len() as f64;
    let mut videos: Vec<(f64, u8)> = REAL.iter().map(|v| (mean(v), 0)).collect();
    videos.extend(FAKE.iter().map(|v| (mean(v), 1)));
    close(values(&videos, &Options::default()).get("auc"), 0.875, 0.0);
}

#[test]
fn one_class_is_undefined_and_not_zero() {
    let found = values(&[(0.9, 1), (0.4, 1)], &Options::default());
    for name in [
        "auc",
        "average_precision",
        "eer",
        "fpr",
        "tpr_at_fpr_1pct",
        "balanced_accuracy",
        "log_loss_balanced",
    ] {
        assert_eq!(found.get(name), None, "{name}");
    }
    close(found.get("tpr"), 0.5, 0.0);
    close(found.get("accuracy"), 0.5, 0.0);
    assert!(found.eer_threshold.is_none());
}

#[test]
fn a_perfect_and_a_reversed_detector() {
    let rows = [(0.9, 1), (0.8, 1), (0.1, 0), (0.2, 0)];
    let found = values(&rows, &Options::default());
    close(found.get("auc"), 1.0, 0.0);
    close(found.get("eer"), 0.0, 0.0);
    close(found.get("tpr_at_fpr_0.1pct"), 1.0, 0.0);
    let reversed: Vec<_> = rows.iter().map(|(s, y)| (1.0 - s, *y)).collect();
    let found = values(&reversed, &Options::default());
    close(found.get("auc"), 0.0, 0.0);
    close(found.get("eer"), 1.0, 0.0);
    close(found.get("tpr_at_fpr_0.1pct"), 0.0, 0.0);
}

#[test]
fn a_weight_counts_like_a_repeated_item() {
    let form = Detection {
        items: [(0.9, true), (0.4, false), (0.4, true), (0.1, false)]
            .map(|(score, fake)| Scored { score, fake })
            .into_iter()
            .collect(),
        options: Options::default(),
    };
    let cell = form.prepare(&[0, 1, 2, 3]);
    // In the cell's order: 0.9 fake, 0.4 real, 0.4 fake, 0.1 real.
    let weighted = form.evaluate(&cell, Some(&[2, 1, 0, 3]), &mut ());
    let repeated = form.evaluate(&form.prepare(&[0, 0, 1, 3, 3, 3]), None, &mut ());
    for (a, b) in weighted.iter().zip(&repeated) {
        assert!((a.unwrap() - b.unwrap()).abs() < 1e-15);
    }
}

#[test]
fn groups_evaluated_together_are_what_they_are_alone() {
    let form = Detection {
        items: [(0.9, true), (0.4, false), (0.4, true), (0.1, false)]
            .map(|(score, fake)| Scored { score, fake })
            .into_iter()
            .collect(),
        options: Options::default(),
    };
    let cell = form.prepare(&[0, 1, 2, 3]);
    let both = form.evaluate_groups(&cell, &[0, 1, 7, 0], 2, &mut ());
    for (group, items) in [vec![0, 3], vec![1]].iter().enumerate() {
        let alone = form.evaluate(&form.prepare(items), None, &mut ());
        assert_eq!(both[group], alone);
    }
}

#[test]
fn calibration_error_of_zero_spread_is_the_distance_to_the_rate() {
    let rows = [(0.7, 1), (0.7, 0), (0.7, 1), (0.7, 1)];
    let found = values(&rows, &Options::default());
    close(found.get("ece"), 0.05, 1e-15);
    close(found.get("brier"), (3.0 * 0.09 + 0.49) / 4.0, 1e-15);
}

proptest! {
    #[test]
    fn false_alarms_are_bounded_as_their_share_says(all in 1u64..5_000, limit in 0.0f64..1.0) {
        let within = |n: u64| n as f64 / all as f64 <= limit;
        prop_assert_eq!((0..=all).filter(|n| within(*n)).count() as u64, most_within(all, limit) + 1);
    }

    #[test]
    fn bins_take_the_middle_of_each_run(runs in prop::collection::vec((0u64..9, 0u64..9), 1..40), count in 1u32..20) {
        let all = runs.iter().map(|(fakes, reals)| fakes + reals).sum::<u64>().max(1);
        let mut bins = Bins::new(count, all);
        let (mut wanted, mut seen) = (vec![(0, 0); count as usize], 0);
        for (fakes, reals) in runs {
            let n = fakes + reals;
            bins.add(0.5, fakes, n);
            let at = u128::from(count) * u128::from(2 * seen + n) / u128::from(2 * all);
            let bin = &mut wanted[at.min(u128::from(count) - 1) as usize];
            *bin = (bin.0 + n, bin.1 + fakes);
            seen += n;
        }
        let found: Vec<(u64, u64)> = bins.each().map(|(n, fakes, _)| (n, fakes)).collect();
        prop_assert_eq!(found, wanted);
    }
}
