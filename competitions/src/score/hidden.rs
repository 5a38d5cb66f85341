//! Which groups are shown to nobody but hosts.

use std::collections::{BTreeMap, BTreeSet};

use fairframe_schemas::report::{Cell, Grouping, MetricReport, Verdict};

/// Cells that are looked through for covers, beyond which a crossing is not shown at all.
const MAX_LOOKED: usize = 2_000_000;

/// Groups that are not shown, of all groupings of a report. A group is hidden in all metrics at
/// once, as one metric tells of another:
///
/// - where any metric's value would rest on fewer items than may be shown;
/// - within a group that is hidden by another grouping, as the parts together would tell it;
/// - where the whole, or in a crossing its margins, less what is shown would tell of a small group:
///   others are hidden with it (complementary suppression; Hundepool et al., Statistical Disclosure
///   Control, 2012, ch. 4). In a crossing these are the other corners of a square (of three columns,
///   of a cube) of groups that are large enough: every margin that has one corner has another, so
///   that no margins determine the small one. Where there is no such square the crossing is not shown.
///
/// Groups told by several crossings together, or by columns nested in one another, are not looked
/// for.
#[derive(Debug, Default)]
pub(super) struct Hidden(BTreeMap<Vec<String>, BTreeSet<Vec<String>>>);

/// What is known of a group over all metrics.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// The fewest that any value rests on.
    rests: u64,
    small: bool,
    has_value: bool,
}

type Sizes<'a> = BTreeMap<&'a [String], Size>;

impl Hidden {
    /// Of all metrics of a report, at all their levels.
    pub(super) fn of(metrics: &[MetricReport], least: u64) -> Self {
        let mut all: BTreeMap<&[String], Sizes<'_>> = BTreeMap::new();
        for grouping in metrics.iter().flat_map(|metric| &metric.by_group) {
            let sizes = all.entry(&grouping.columns).or_default();
            sized(grouping, least, sizes);
        }
        let mut order: Vec<(&[String], Sizes<'_>)> = all.into_iter().collect();
        order.sort_by_key(|(columns, _)| columns.len());
        let mut found = Self::default();
        for (columns, sizes) in &order {
            let mut hidden: BTreeSet<Vec<String>> = sizes
                .iter()
                .filter(|(group, size)| size.small || found.hides_a_wider(columns, group))
                .map(|(group, _)| group.to_vec())
                .collect();
            cover(columns.len(), sizes, least, &mut hidden);
            found.0.insert(columns.to_vec(), hidden);
        }
        found
    }

    pub(super) fn hides(&self, columns: &[String], group: &[String]) -> bool {
        let hidden = self.0.get(columns);
        hidden.is_some_and(|groups| groups.contains(group))
    }

    /// Whether a group of some of these columns that this one is part of is hidden.
    fn hides_a_wider(&self, columns: &[String], group: &[String]) -> bool {
        self.0.iter().any(|(wider, hidden)| {
            let place = |column| columns.iter().position(|c| c == column);
            let places: Option<Vec<usize>> = wider.iter().map(place).collect();
            let within = |places: Vec<usize>| -> Vec<String> {
                places.into_iter().map(|at| group[at].clone()).collect()
            };
            !hidden.is_empty() && places.is_some_and(|places| hidden.contains(&within(places)))
        })
    }
}

/// Adds what a grouping of one metric tells of its groups' sizes.
fn sized<'a>(grouping: &'a Grouping, least: u64, sizes: &mut Sizes<'a>) {
    for cell in &grouping.cells {
        let size = sizes.entry(&cell.group).or_insert(Size {
            rests: u64::MAX,
            small: false,
            has_value: false,
        });
        size.rests = size.rests.min(rests_on(cell));
        size.small |= cell.estimate.verdict == Verdict::InsufficientData || cell.estimate.n < least;
        size.has_value |= cell.estimate.value.is_some();
    }
}

/// The fewest that a cell's value rests on: of the positives of a share of them, say, not of all
/// items. Without any of them there is no value that could be told.
fn rests_on(cell: &Cell) -> u64 {
    let counted = cell.estimate.denominators.iter();
    let counted = counted.filter(|(name, n)| !name.ends_with("clusters") && **n > 0);
    counted.map(|(_, n)| *n).min().unwrap_or(cell.estimate.n)
}

/// Hides more, so that small groups are not told.
fn cover(columns: usize, sizes: &Sizes<'_>, least: u64, hidden: &mut BTreeSet<Vec<String>>) {
    let may_cover = |size: &Size| !size.small && size.has_value && size.rests >= least;
    if columns == 1 {
        let rests = |group: &Vec<String>| sizes.get(group.as_slice()).map_or(0, |s| s.rests);
        while !hidden.is_empty()
            && (hidden.len() == 1 || hidden.iter().map(rests).sum::<u64>() < least)
        {
            let shown = sizes.iter().filter(|(group, _)| !hidden.contains(**group));
            // One without a value would cover nothing.
            let shown = shown.filter(|(_, size)| size.has_value);
            let Some((group, _)) = shown.min_by_key(|(_, size)| size.rests) else {
                return;
            };
            hidden.insert(group.to_vec());
        }
        return;
    }
    let small: Vec<&[String]> = sizes
        .iter()
        .filter(|(_, s)| s.small)
        .map(|(g, _)| *g)
        .collect();
    if small.len() * sizes.len() > MAX_LOOKED {
        hidden.extend(sizes.keys().map(|group| group.to_vec()));
        return;
    }
    for group in small {
        // A square is told by the corner that shares no value with this one.
        let squares = sizes.keys().filter_map(|far| {
            if (0..columns).any(|at| far[at] == group[at]) {
                return None;
            }
            let corners: Vec<Vec<String>> = (1..1_usize << columns)
                .map(|chosen| {
                    let at = |at: usize| [group, *far][chosen >> at & 1][at].clone();
                    (0..columns).map(at).collect()
                })
                .collect();
            let of = |corner: &Vec<String>| sizes.get(corner.as_slice());
            let sound = corners
                .iter()
                .all(|corner| of(corner).is_some_and(may_cover));
            let new = corners.iter().filter(|corner| !hidden.contains(*corner));
            let new: Vec<u64> = new.filter_map(|c| Some(of(c)?.rests)).collect();
            sound.then(|| ((new.len(), new.iter().sum::<u64>()), corners))
        });
        match squares.min_by(|a, b| a.0.cmp(&b.0)) {
            Some((_, corners)) => hidden.extend(corners),
            None => {
                hidden.extend(sizes.keys().map(|group| group.to_vec()));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::report::{Estimate, Level};
    use proptest::prelude::*;

    use super::*;

    const LEAST: u64 = 30;

    /// A cell of items of which some are what its value rests on.
    fn cell(group: &[&str], n: u64, positives: u64) -> Cell {
        let denominators = [("items", n), ("positives", positives)];
        let verdict = match positives {
            0 => Verdict::Undefined,
            few if few < LEAST => Verdict::InsufficientData,
            _ => Verdict::Shown,
        };
        Cell {
            group: group.iter().map(|part| (*part).to_owned()).collect(),
            estimate: Estimate {
                n,
                denominators: denominators.map(|(name, n)| (name.to_owned(), n)).into(),
                value: (verdict == Verdict::Shown).then_some(0.5),
                interval: None,
                verdict,
            },
            baseline: None,
            beats_baseline: None,
        }
    }

    fn grouping(columns: &[&str], cells: Vec<Cell>) -> Grouping {
        Grouping {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            cells,
            disparity: None,
            within: Vec::new(),
        }
    }

    fn metric(by_group: Vec<Grouping>) -> MetricReport {
        let overall = cell(&[], 1, 1).estimate;
        MetricReport {
            metric: "m".to_owned(),
            title: String::new(),
            definition: String::new(),
            level: Level::Image,
            higher_is_better: true,
            overall,
            at_threshold: None,
            baseline: None,
            beats_baseline: None,
            by_group,
        }
    }

    /// Of each grouping, in its order, what is hidden.
    fn hidden(groupings: &[Grouping]) -> Vec<Vec<bool>> {
        let found = Hidden::of(&[metric(groupings.to_vec())], LEAST);
        let of = |g: &Grouping| -> Vec<bool> {
            let cells = g.cells.iter();
            cells.map(|c| found.hides(&g.columns, &c.group)).collect()
        };
        groupings.iter().map(of).collect()
    }

    #[test]
    fn what_the_others_would_tell_is_hidden_by_what_its_value_rests_on() {
        let of = |cells: Vec<Cell>| hidden(&[grouping(&["country"], cells)]).remove(0);
        let (a, b) = (cell(&["a"], 400, 300), cell(&["b"], 400, 200));
        let few = cell(&["c"], 50, 3);
        // Three fakes, however many items: the one with the fewest fakes goes too.
        assert_eq!(
            of(vec![a.clone(), b.clone(), few.clone()]),
            [false, true, true]
        );
        // One without a value covers nothing; five items are few without a positive, too.
        let none = cell(&["d"], 50, 0);
        let cells = vec![a.clone(), b.clone(), none, few.clone()];
        assert_eq!(of(cells), [false, true, false, true]);
        assert_eq!(
            of(vec![a.clone(), b.clone(), cell(&["d"], 5, 0)]),
            [false, true, true]
        );
        // Enough of them together tell of nobody.
        let more = cell(&["e"], 60, 28);
        assert_eq!(of(vec![a, b, few, more]), [false, false, true, true]);
    }

    #[test]
    fn what_one_metric_hides_all_do() {
        let of = |positives: u64| {
            let cells = vec![
                cell(&["a"], 400, 300),
                cell(&["b"], 90, 90),
                cell(&["c"], 50, positives),
            ];
            metric(vec![grouping(&["country"], cells)])
        };
        let found = Hidden::of(&[of(50), of(3)], LEAST);
        let columns = ["country".to_owned()];
        for (group, is_hidden) in [("a", false), ("b", true), ("c", true)] {
            assert_eq!(
                found.hides(&columns, &[group.to_owned()]),
                is_hidden,
                "{group}"
            );
        }
    }

    #[test]
    fn a_small_cell_of_a_crossing_has_a_square_of_hidden_ones() {
        let crossing = grouping(
            &["country", "method"],
            vec![
                cell(&["a", "x"], 100, 100),
                cell(&["a", "y"], 3, 3),
                cell(&["b", "x"], 80, 80),
                cell(&["b", "y"], 90, 90),
                cell(&["c", "x"], 70, 70),
                cell(&["c", "y"], 60, 60),
                cell(&["d", "y"], 31, 31),
            ],
        );
        // `d` has no `x`: it would be told by its own margin.
        let wanted = [true, true, false, false, true, true, false];
        assert_eq!(hidden(&[crossing]).remove(0), wanted);
        // Without any square nothing of it is shown.
        let cells = vec![
            cell(&["a", "x"], 100, 100),
            cell(&["a", "y"], 3, 3),
            cell(&["b", "x"], 80, 80),
        ];
        let crossing = grouping(&["country", "method"], cells);
        assert_eq!(hidden(&[crossing]).remove(0), [true; 3]);
    }

    #[test]
    fn the_parts_of_a_hidden_group_are_hidden() {
        let countries = grouping(
            &["country"],
            vec![
                cell(&["a"], 400, 400),
                cell(&["b"], 100, 100),
                cell(&["c"], 35, 35),
                cell(&["d"], 5, 5),
            ],
        );
        let crossing = grouping(
            &["method", "country"],
            vec![
                cell(&["x", "a"], 200, 200),
                cell(&["y", "a"], 200, 200),
                cell(&["x", "b"], 50, 50),
                cell(&["y", "b"], 50, 50),
                cell(&["x", "c"], 35, 35),
            ],
        );
        // `c` covers `d`.
        let found = hidden(&[crossing, countries]);
        assert_eq!(found[1], [false, false, true, true]);
        assert_eq!(found[0], [false, false, false, false, true]);
    }

    /// Whether all margins of hidden cells determine one: whether a combination of margins is that
    /// cell alone. By elimination over the margins' rows.
    fn is_determined(of: usize, hidden: &[usize], margins: &[Vec<usize>]) -> bool {
        let column = |cell: &usize| hidden.iter().position(|h| h == cell);
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for margin in margins {
            let mut row = vec![0.0; hidden.len()];
            for at in margin.iter().filter_map(column) {
                row[at] = 1.0;
            }
            rows.push(row);
        }
        let mut wanted = vec![0.0; hidden.len()];
        wanted[column(&of).unwrap()] = 1.0;
        let rank = |mut rows: Vec<Vec<f64>>| {
            let mut rank = 0;
            for at in 0..hidden.len() {
                let Some(pivot) = (rank..rows.len()).find(|r| rows[*r][at].abs() > 1e-9) else {
                    continue;
                };
                rows.swap(rank, pivot);
                let (done, below) = rows.split_at_mut(rank + 1);
                let pivot = &done[rank];
                for row in below {
                    let factor = row[at] / pivot[at];
                    for (cell, own) in row.iter_mut().zip(pivot).skip(at) {
                        *cell -= factor * own;
                    }
                }
                rank += 1;
            }
            rank
        };
        let before = rank(rows.clone());
        rows.push(wanted);
        rank(rows) == before
    }

    /// The cells that add up to each group of fewer columns, the whole among them.
    fn margins(grouping: &Grouping) -> Vec<Vec<usize>> {
        let columns = grouping.columns.len();
        let mut all = Vec::new();
        for chosen in 0..(1_usize << columns) - 1 {
            let mut of: BTreeMap<Vec<&String>, Vec<usize>> = BTreeMap::new();
            for (at, cell) in grouping.cells.iter().enumerate() {
                let places = (0..columns).filter(|at| chosen >> at & 1 == 1);
                let part = places.map(|at| &cell.group[at]).collect();
                of.entry(part).or_default().push(at);
            }
            all.extend(of.into_values());
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn margins_determine_no_small_group(
            columns in 2_usize..=3,
            sizes in proptest::collection::vec(0_u64..400, 36),
        ) {
            let names = ["p", "q", "r", "s"];
            let mut cells = Vec::new();
            for (at, n) in sizes.iter().enumerate().take([12, 36][columns - 2]) {
                if *n <= 20 {
                    continue;
                }
                let group = [names[at % 4], names[at / 4 % 3], names[at / 12]];
                cells.push(cell(&group[..columns], *n, *n));
            }
            let all = ["i", "j", "k"];
            let crossing = grouping(&all[..columns], cells);
            let found = hidden(std::slice::from_ref(&crossing)).remove(0);
            let hidden: Vec<usize> = (0..found.len()).filter(|at| found[*at]).collect();
            let known = margins(&crossing);
            // Where all is hidden, so are the margins' parts.
            if found.iter().all(|hidden| *hidden) {
                return Ok(());
            }
            for (at, cell) in crossing.cells.iter().enumerate() {
                if cell.estimate.n < LEAST {
                    prop_assert!(found[at]);
                    prop_assert!(!is_determined(at, &hidden, &known), "{:?}", cell.group);
                }
            }
        }
    }
}
