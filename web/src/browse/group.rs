//! Counts by any properties: for maps and tables.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{
    Area, Filter, View,
    block::Block,
    facet::{Facet, Number},
    overlay::Patched,
};

/// What is counted by.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// A sample with several words counts for each.
    Facet(Facet),
    /// Squares of so many degrees, of [`MIN_CELL`] at least.
    Cell { degrees: f64 },
    /// Bands of a number between edges, which rise; `n` edges make `n + 1` bands, each with its
    /// lower edge.
    Band { number: Number, edges: Vec<f64> },
}

/// The smallest squares, in degrees: what people's places are rounded to.
pub const MIN_CELL: f64 = 0.1;

/// One part of what a group is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Unknown, or none.
    None,
    Word(String),
    /// The south-west corner of a square, in degrees.
    Cell {
        south: f64,
        west: f64,
    },
    /// The band's number, from 0.
    Band(usize),
}

impl Value {
    /// The samples of a filter that have this value of a key; none for a band.
    pub fn of(&self, filter: &Filter, key: &Key) -> Option<Filter> {
        match (key, self) {
            (Key::Facet(facet), Value::None) => Some(filter.only(*facet, "")),
            (Key::Facet(facet), Value::Word(word)) => Some(filter.only(*facet, word)),
            (Key::Cell { degrees }, Value::Cell { south, west }) => {
                // A square ends before the next one begins; the last ones end with the world.
                let end = |start: f64, last: f64| match start + degrees {
                    end if end < last => end.next_down(),
                    _ => last,
                };
                Some(filter.within(Area {
                    south: *south,
                    west: *west,
                    north: end(*south, 90.0),
                    east: end(*west, 180.0),
                }))
            }
            _ => None,
        }
    }
}

/// Samples that have the same values.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// One for each key.
    pub values: Vec<Value>,
    pub samples: u64,
}

/// Keys that make no groups.
#[derive(Debug, Clone, thiserror::Error, PartialEq)]
pub enum GroupError {
    #[error("squares of {0} degrees are not counted by; {MIN_CELL} to 90 are")]
    Cell(f64),
    #[error("edges that do not rise are no bands")]
    Edges,
    #[error("more than {MAX_KEYS} keys are not counted by")]
    Keys,
    #[error("these keys make too many groups")]
    Groups,
}

/// Keys of one question.
pub const MAX_KEYS: usize = 3;

/// Groups up to which counts stand in one table, in all.
const DENSE: u64 = 1 << 19;

/// A key with its number of codes; code 0 is for none.
struct Coded<'k> {
    key: &'k Key,
    size: u64,
}

/// Counts by the codes of all keys, as one number.
enum Tally {
    Table(Vec<u32>),
    Map(HashMap<u64, u32>),
}

impl Tally {
    fn new(groups: u64) -> Self {
        match groups <= DENSE {
            true => Tally::Table(vec![0; groups as usize]),
            false => Tally::Map(HashMap::new()),
        }
    }

    fn add(&mut self, group: u64, samples: u32) {
        match self {
            Tally::Table(counts) => counts[group as usize] += samples,
            Tally::Map(counts) => *counts.entry(group).or_default() += samples,
        }
    }

    /// What was counted, by group.
    fn counted(self) -> Vec<(u64, u32)> {
        match self {
            Tally::Table(counts) => (0..).zip(counts).filter(|(_, n)| *n > 0).collect(),
            Tally::Map(counts) => {
                let mut counted: Vec<(u64, u32)> = counts.into_iter().collect();
                counted.sort_unstable();
                counted
            }
        }
    }

    fn merge(self, other: Tally) -> Tally {
        let mut own = self;
        other
            .counted()
            .into_iter()
            .for_each(|(group, n)| own.add(group, n));
        own
    }
}

impl View<'_> {
    /// How many samples of a filter have each combination of values; groups without samples are
    /// left out, the others sorted by their values. No keys give one group: all of them.
    pub fn group_by(&self, filter: &Filter, keys: &[Key]) -> Result<Vec<Group>, GroupError> {
        if keys.len() > MAX_KEYS {
            return Err(GroupError::Keys);
        }
        let keys: Vec<Coded> = keys
            .iter()
            .map(|k| self.coded(k))
            .collect::<Result<_, _>>()?;
        let mut sizes = keys.iter().map(|k| k.size);
        let groups = sizes.try_fold(1u64, |all, size| all.checked_mul(size));
        let groups = groups.ok_or(GroupError::Groups)?;
        let selection = self.selection(filter);
        let blocks = self.index.blocks.par_iter().with_max_len(1);
        let tally = blocks
            .filter(|block| selection.sees(block))
            .fold(
                || Tally::new(groups),
                |mut tally, block| {
                    let patched = !self.patch.within(block.first, block.rows).is_empty();
                    selection.all(block).each(|row| {
                        let patch = match patched {
                            true => self.patch.get(block.first + row as u32),
                            false => None,
                        };
                        count(&keys, block, row, patch, 0, &mut tally);
                    });
                    tally
                },
            )
            .reduce(|| Tally::new(groups), Tally::merge);
        let group = |(mut group, samples): (u64, u32)| {
            let mut values: Vec<Value> = Vec::with_capacity(keys.len());
            for key in keys.iter().rev() {
                values.push(self.value(key.key, (group % key.size) as u32));
                group /= key.size;
            }
            values.reverse();
            Group {
                values,
                samples: u64::from(samples),
            }
        };
        Ok(tally.counted().into_iter().map(group).collect())
    }

    fn coded<'k>(&self, key: &'k Key) -> Result<Coded<'k>, GroupError> {
        let size = match key {
            Key::Facet(facet) => self.patch.codes(self.index, *facet) as u64,
            Key::Cell { degrees } if (MIN_CELL..=90.0).contains(degrees) => {
                let [high, wide] = grid(*degrees);
                1 + high * wide
            }
            Key::Cell { degrees } => return Err(GroupError::Cell(*degrees)),
            Key::Band { edges, .. } => {
                let rise = edges.iter().all(|e| e.is_finite()) && edges.is_sorted_by(|a, b| a < b);
                if !rise {
                    return Err(GroupError::Edges);
                }
                edges.len() as u64 + 2
            }
        };
        Ok(Coded { key, size })
    }

    fn value(&self, key: &Key, code: u32) -> Value {
        match key {
            Key::Facet(facet) => match self.patch.word(self.index, *facet, code) {
                "" => Value::None,
                word => Value::Word(word.to_owned()),
            },
            _ if code == 0 => Value::None,
            Key::Cell { degrees } => {
                let [_, wide] = grid(*degrees);
                let cell = u64::from(code - 1);
                Value::Cell {
                    south: (cell / wide) as f64 * degrees - 90.0,
                    west: (cell % wide) as f64 * degrees - 180.0,
                }
            }
            Key::Band { .. } => Value::Band(code as usize - 1),
        }
    }
}

/// Squares from south to north, and from west to east.
fn grid(degrees: f64) -> [u64; 2] {
    [180.0, 360.0].map(|span| (span / degrees).ceil() as u64)
}

/// Adds one row for every combination of its codes.
fn count(
    keys: &[Coded],
    block: &Block,
    row: usize,
    patch: Option<&Patched>,
    group: u64,
    tally: &mut Tally,
) {
    let Some((key, rest)) = keys.split_first() else {
        tally.add(group, 1);
        return;
    };
    let mut next = |code: u64| count(rest, block, row, patch, group * key.size + code, tally);
    let gone = patch.is_some_and(|p| p.gone);
    match key.key {
        Key::Facet(facet) => match patch.and_then(|p| p.codes(*facet)) {
            Some(codes) => codes.iter().for_each(|code| next(u64::from(*code))),
            None => block.facets[*facet as usize].each(row, |code| next(u64::from(code))),
        },
        _ if gone => next(0),
        Key::Cell { degrees } => {
            let [latitude, longitude] =
                [Number::Latitude, Number::Longitude].map(|n| block.numbers[n as usize][row]);
            let [high, wide] = grid(*degrees);
            // The north pole and the antimeridian belong to the last squares.
            let at = |value: f64, span: f64, squares: u64| {
                (((value + span) / degrees) as u64).min(squares - 1)
            };
            next(match latitude.is_finite() && longitude.is_finite() {
                true => 1 + at(latitude, 90.0, high) * wide + at(longitude, 180.0, wide),
                false => 0,
            });
        }
        Key::Band { number, edges } => {
            let value = block.number(*number, row);
            next(match value.is_finite() {
                true => 1 + edges.partition_point(|edge| *edge <= value) as u64,
                false => 0,
            });
        }
    }
}
