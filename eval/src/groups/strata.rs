//! Items that are alike in all columns, and the cells they are put together to.

use std::ops::Range;

use fairframe_schemas::report::UNKNOWN_GROUP;
use rayon::prelude::*;

use super::GroupColumn;
use crate::codes::Codes;
use crate::names::renumbered;
use crate::parts::parts;

/// Crossings of at most so many are numbered by a table.
pub(super) const TABLE: usize = 1 << 20;

/// Items that have the same values in all of some columns.
pub(super) struct Strata<'a> {
    pub(super) columns: Vec<&'a GroupColumn>,
    /// The stratum of each item.
    pub(super) codes: Codes,
    /// Of each stratum, its value in each column.
    pub(super) values: Vec<Vec<u32>>,
}

impl<'a> Strata<'a> {
    /// None is empty.
    pub(super) fn of(columns: &[&'a GroupColumn], items: usize) -> Self {
        let mut codes = Codes::of(items, 0, |_| 0);
        let mut values = vec![Vec::new(); items.min(1)];
        let mut left = match items {
            0 => &[],
            _ => columns,
        };
        while !left.is_empty() {
            // As many columns at once as a table can cross with what there is.
            let mut count = values.len();
            let within = |column: &&&GroupColumn| {
                count = count.saturating_mul(column.values.len());
                count <= TABLE
            };
            let n = left.iter().take_while(within).count();
            let here = left.split_off(..n.max(1)).unwrap_or_default();
            let keys: Vec<Vec<u32>>;
            (codes, keys) = match n {
                0 => crossed_by_hash(&codes, here[0]),
                _ => crossed_by_table(&codes, values.len(), here),
            };
            let with = |key: &Vec<u32>| -> Vec<u32> {
                let before: &Vec<u32> = &values[key[0] as usize];
                before.iter().chain(&key[1..]).copied().collect()
            };
            values = keys.iter().map(with).collect();
        }
        Self {
            columns: columns.to_vec(),
            codes,
            values,
        }
    }

    /// The cells of a grouping by some of the columns, in the order of their names, `unknown`
    /// last; and the cell of each stratum.
    pub(super) fn cells(&self, grouping: &[&GroupColumn]) -> (Vec<Vec<String>>, Vec<u32>) {
        let place = |wanted: &&GroupColumn| {
            let mut columns = self.columns.iter();
            columns.position(|column| column.name == wanted.name)
        };
        let places: Vec<usize> = grouping.iter().filter_map(place).collect();
        let name = |stratum: &Vec<u32>| -> Vec<&str> {
            let value = |at: &usize| {
                let column = self.columns[*at];
                column.values[stratum[*at] as usize].as_str()
            };
            places.iter().map(value).collect()
        };
        let named: Vec<Vec<&str>> = self.values.iter().map(name).collect();
        let mut order: Vec<u32> = (0..named.len() as u32).collect();
        order.par_sort_by(|a, b| by_name(&named[*a as usize]).cmp(by_name(&named[*b as usize])));
        let (mut names, mut cells) = (Vec::new(), vec![0; named.len()]);
        let mut last = None;
        for stratum in order {
            let name = &named[stratum as usize];
            if last != Some(name) {
                last = Some(name);
                names.push(name.iter().map(|value| (*value).to_owned()).collect());
            }
            cells[stratum as usize] = names.len() as u32 - 1;
        }
        (names, cells)
    }
}

/// The cells of a grouping in the order of their names, `unknown` last, and the items of each.
pub(crate) fn cells_of(columns: &[&GroupColumn], items: usize) -> Vec<(Vec<String>, Vec<u32>)> {
    let strata = Strata::of(columns, items);
    let (names, cells) = strata.cells(columns);
    let items = items_of(&strata, &cells, names.len());
    names.into_iter().zip(items).collect()
}

pub(super) fn items_of(strata: &Strata<'_>, cells: &[u32], count: usize) -> Vec<Vec<u32>> {
    let codes = strata.codes.renumbered(cells);
    let mut sizes = vec![0; count];
    codes.iter().for_each(|code| sizes[code as usize] += 1);
    let mut items: Vec<Vec<u32>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for (item, code) in (0..).zip(codes.iter()) {
        items[code as usize].push(item);
    }
    items
}

/// Numbers for what items are in columns and were before, of `count` kinds: of each item, and
/// what each stands for, first what it was before.
fn crossed_by_table(
    before: &Codes,
    count: usize,
    columns: &[&GroupColumn],
) -> (Codes, Vec<Vec<u32>>) {
    let widths: Vec<u32> = columns.iter().map(|c| c.values.len() as u32).collect();
    let all = count as u32 * widths.iter().product::<u32>();
    let keys = Codes::of(before.len(), all.saturating_sub(1), |item| {
        let with =
            |key: u32, (column, width): (&&GroupColumn, &u32)| key * width + column.codes.get(item);
        columns.iter().zip(&widths).fold(before.get(item), with)
    });
    let used = |items: Range<usize>| {
        let mut used = vec![false; all as usize];
        items.for_each(|item| used[keys.get(item) as usize] = true);
        used
    };
    let either = |mut a: Vec<bool>, b: Vec<bool>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a |= b);
        a
    };
    let used = parts(keys.len()).into_par_iter().map(used);
    let used = used.reduce(|| vec![false; all as usize], either);
    let (mut numbers, mut meaning) = (vec![0; all as usize], Vec::new());
    for key in (0..all).filter(|key| used[*key as usize]) {
        numbers[key as usize] = meaning.len() as u32;
        let mut rest = key;
        let mut value = |width: &u32| {
            let value = rest % width;
            rest /= width;
            value
        };
        let mut values: Vec<u32> = widths.iter().rev().map(&mut value).collect();
        values.push(rest);
        values.reverse();
        meaning.push(values);
    }
    (keys.renumbered(&numbers), meaning)
}

/// As [`crossed_by_table`], with one column of whatever many values.
fn crossed_by_hash(before: &Codes, column: &GroupColumn) -> (Codes, Vec<Vec<u32>>) {
    let pairs = before.iter().zip(column.codes.iter());
    let pairs = pairs.map(|(a, b)| u64::from(a) << 32 | u64::from(b));
    let (codes, pairs) = renumbered(pairs);
    let both = |pair: &u64| vec![(pair >> 32) as u32, *pair as u32];
    (codes.into(), pairs.iter().map(both).collect())
}

/// What a name is sorted by: `unknown` comes last.
fn by_name<'a>(name: &'a [&'a str]) -> impl Iterator<Item = (bool, &'a str)> {
    name.iter().map(|value| (*value == UNKNOWN_GROUP, *value))
}

/// The columns of some groupings, each once.
pub(super) fn columns_of<'a>(groupings: &[Vec<&'a GroupColumn>]) -> Vec<&'a GroupColumn> {
    let mut columns: Vec<&GroupColumn> = Vec::new();
    for column in groupings.iter().flatten() {
        if columns.iter().all(|known| known.name != column.name) {
            columns.push(column);
        }
    }
    columns
}

/// How many strata there may be.
pub(super) fn crossings(columns: &[&GroupColumn]) -> usize {
    let all = |all: usize, column: &&GroupColumn| all.saturating_mul(column.values.len());
    columns.iter().fold(1, all)
}
