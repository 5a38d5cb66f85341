//! Questions to an index.

use std::{cmp::Ordering, sync::Arc};

use fairframe_schemas::{Digest, SampleId, Status};
use rayon::prelude::*;

use super::{
    Filter, Index, Overlay,
    bits::Bits,
    facet::{Facet, Number},
    overlay::Patch,
    select::Selection,
    words::Words,
};

/// A release as somebody may see it.
///
/// ```ignore
/// let view = View::new(&index, Scope::Accepted, &overlay);
/// let found = view.query(&filter, Sort::default(), 0..48, Facet::ALL);
/// let by_country_and_year = view.group_by(&filter, &[Key::Facet(Facet::Country), Key::Facet(Facet::Year)])?;
/// ```
pub struct View<'a> {
    pub(super) index: &'a Index,
    pub(super) patch: Arc<Patch>,
    /// Rows from here on are not seen.
    pub(super) end: u32,
}

/// Which rows somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What stands in the release.
    Accepted,
    /// And what was refused, for curators.
    All,
}

/// The order of rows. Rows without the number come last; equal ones in manifest order.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sort {
    /// Manifest order where there is none.
    pub by: Option<Number>,
    pub falling: bool,
}

/// What a query found.
#[derive(Debug, Default)]
pub struct Found {
    pub total: u64,
    /// The rows asked for.
    pub rows: Vec<u32>,
    /// In the order asked for.
    pub facets: Vec<Counts>,
}

/// How many samples have each word of a facet. Of a facet the filter has a condition on, as if
/// it had not, so that what else could be chosen is counted too.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts {
    pub facet: Facet,
    /// Most first, equal ones by word; the empty word is for samples without any.
    pub words: Vec<(String, u64)>,
}

/// Where a row stands among those a filter holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    pub before: Option<u32>,
    pub after: Option<u32>,
    /// From 1; none where the filter does not hold the row.
    pub place: Option<u64>,
    pub total: u64,
}

impl<'a> View<'a> {
    pub fn new(index: &'a Index, scope: Scope, overlay: &Overlay) -> Self {
        Self {
            index,
            patch: index.patch(overlay),
            end: match scope {
                Scope::Accepted => index.accepted(),
                Scope::All => index.rows(),
            },
        }
    }

    pub fn index(&self) -> &'a Index {
        self.index
    }

    pub(super) fn selection<'s>(&'s self, filter: &Filter) -> Selection<'s> {
        Selection::new(self.index, &self.patch, self.end, filter)
    }

    /// The rows at some places of the sorted result, how many there are, and counts of facets.
    pub fn query(
        &self,
        filter: &Filter,
        sort: Sort,
        places: std::ops::Range<u64>,
        facets: &[Facet],
    ) -> Found {
        let selection = self.selection(filter);
        let counters = || -> Vec<Vec<u32>> {
            let codes = facets.iter().map(|f| self.patch.codes(self.index, *f));
            codes.map(|codes| vec![0; codes]).collect()
        };
        let blocks: Vec<_> = self
            .index
            .blocks
            .iter()
            .filter(|b| selection.sees(b))
            .collect();
        let (mut rows, counts) = blocks
            .into_par_iter()
            .with_max_len(1)
            .fold(
                || (Vec::new(), counters()),
                |(mut all, mut counts), block| {
                    let selected = selection.select(block);
                    for (facet, counts) in facets.iter().zip(&mut counts) {
                        let own = selected.without.iter().find(|(f, _)| f == facet);
                        let rows = own.map_or(&selected.all, |(_, rows)| rows);
                        selection.count(*facet, block, rows, counts);
                    }
                    all.push((block.first, selected.all));
                    (all, counts)
                },
            )
            .reduce(
                || (Vec::new(), counters()),
                |(mut rows, mut counts), (more_rows, more_counts)| {
                    rows.extend(more_rows);
                    for (own, more) in counts.iter_mut().zip(more_counts) {
                        own.iter_mut()
                            .zip(more)
                            .for_each(|(own, more)| *own += more);
                    }
                    (rows, counts)
                },
            );
        rows.sort_unstable_by_key(|(first, _)| *first);
        let total = rows.iter().map(|(_, bits)| bits.count()).sum();
        let places = places.start.min(total)..places.end.min(total);
        Found {
            total,
            rows: match sort.by {
                None => in_order(&rows, sort.falling, total, places),
                Some(_) => self.sorted(&rows, sort, places),
            },
            facets: facets
                .iter()
                .zip(counts)
                .map(|(facet, counts)| self.counts(*facet, &counts))
                .collect(),
        }
    }

    fn counts(&self, facet: Facet, counts: &[u32]) -> Counts {
        let counted = counts.iter().enumerate().filter(|(_, n)| **n > 0);
        let mut words: Vec<(&str, u64)> = counted
            .map(|(code, n)| {
                (
                    self.patch.word(self.index, facet, code as u32),
                    u64::from(*n),
                )
            })
            .collect();
        words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let words = words.into_iter().map(|(word, n)| (word.to_owned(), n));
        Counts {
            facet,
            words: words.collect(),
        }
    }

    /// Rows that a filter holds, in manifest order.
    fn held(&self, filter: &Filter) -> Vec<(u32, Bits)> {
        let selection = self.selection(filter);
        let blocks: Vec<_> = self
            .index
            .blocks
            .iter()
            .filter(|b| selection.sees(b))
            .collect();
        blocks
            .into_par_iter()
            .with_max_len(1)
            .map(|block| (block.first, selection.all(block)))
            .collect()
    }

    /// How many samples a filter holds.
    pub fn count(&self, filter: &Filter) -> u64 {
        self.held(filter).iter().map(|(_, bits)| bits.count()).sum()
    }

    /// Every row that a filter holds, in manifest order.
    pub fn rows(&self, filter: &Filter) -> Vec<u32> {
        let held = self.held(filter);
        let total = held.iter().map(|(_, bits)| bits.count()).sum();
        in_order(&held, false, total, 0..total)
    }

    /// Every sample that a filter holds, in manifest order: what a decision on a filter is about.
    pub fn ids(&self, filter: &Filter) -> Vec<SampleId> {
        let rows = self.rows(filter).into_iter();
        rows.map(|row| self.index.id(row)).collect()
    }

    /// The rows before and after one.
    pub fn neighbours(&self, filter: &Filter, sort: Sort, row: u32) -> Neighbours {
        let held = self.held(filter);
        let mut own = None;
        if let Some((first, bits)) = held.iter().rfind(|(first, _)| *first <= row) {
            self.ranks(sort, *first, bits, |rank| {
                if self.unranked(sort, rank.1) == row {
                    own = Some(rank);
                }
            });
        }
        let total = held.iter().map(|(_, bits)| bits.count()).sum();
        let Some(own) = own else {
            return Neighbours {
                total,
                ..Neighbours::default()
            };
        };
        let (before, after, passed) = held
            .par_iter()
            .map(|(first, bits)| {
                let (mut before, mut after, mut passed) = (None, None, 0);
                self.ranks(sort, *first, bits, |rank| match rank.cmp(&own) {
                    Ordering::Less => {
                        passed += 1;
                        before = before.max(Some(rank));
                    }
                    Ordering::Greater if after.is_none_or(|a| rank < a) => after = Some(rank),
                    _ => {}
                });
                (before, after, passed)
            })
            .reduce(
                || (None, None, 0),
                |a, b| {
                    let after = [a.1, b.1].into_iter().flatten().min();
                    (a.0.max(b.0), after, a.2 + b.2)
                },
            );
        Neighbours {
            before: before.map(|(_, row)| self.unranked(sort, row)),
            after: after.map(|(_, row)| self.unranked(sort, row)),
            place: Some(passed + 1),
            total,
        }
    }

    /// What some rows of one block are sorted by.
    #[inline]
    fn ranks(&self, sort: Sort, first: u32, bits: &Bits, mut each: impl FnMut((u64, u32))) {
        let Some(number) = sort.by else {
            bits.each(|at| each((0, self.unranked(sort, first + at as u32))));
            return;
        };
        let (block, _) = self.index.at(first);
        let patched = !self.patch.within(block.first, block.rows).is_empty();
        bits.each(|at| {
            let row = first + at as u32;
            let value = match patched {
                true => self.number(number, row),
                false => block.number(number, at),
            };
            each((key(value, sort.falling), row));
        });
    }

    /// In manifest order, a row turned round where the order falls; and back.
    fn unranked(&self, sort: Sort, row: u32) -> u32 {
        match sort.by.is_none() && sort.falling {
            true => !row,
            false => row,
        }
    }

    fn sorted(&self, held: &[(u32, Bits)], sort: Sort, places: std::ops::Range<u64>) -> Vec<u32> {
        let (start, end) = (places.start as usize, places.end as usize);
        if start >= end {
            return Vec::new();
        }
        // Of each block, as many as the page could hold: only they are sorted.
        let first_ones = |mut keys: Vec<(u64, u32)>| {
            if end < keys.len() {
                keys.select_nth_unstable(end);
                keys.truncate(end);
            }
            keys
        };
        let of_block = |(first, bits): &(u32, Bits)| {
            let mut keys = Vec::with_capacity(bits.count() as usize);
            self.ranks(sort, *first, bits, |rank| keys.push(rank));
            first_ones(keys)
        };
        let keys: Vec<Vec<(u64, u32)>> = held.par_iter().map(of_block).collect();
        let mut keys = first_ones(keys.concat());
        if start > 0 {
            keys.select_nth_unstable(start);
        }
        let page = &mut keys[start..];
        page.sort_unstable();
        page.iter().map(|(_, row)| *row).collect()
    }

    /// The number of a row as it is seen; NaN where unknown.
    pub(super) fn number(&self, number: Number, row: u32) -> f64 {
        match self.is_gone(row) {
            true => f64::NAN,
            false => {
                let (block, at) = self.index.at(row);
                block.number(number, at)
            }
        }
    }

    fn is_gone(&self, row: u32) -> bool {
        self.patch.get(row).is_some_and(|p| p.gone)
    }

    /// The row of a sample that may be seen.
    pub fn find(&self, id: &SampleId) -> Option<Row<'_>> {
        self.index.find(id).and_then(|row| self.row(row))
    }

    /// A row that may be seen.
    pub fn row(&self, number: u32) -> Option<Row<'_>> {
        (number < self.end).then_some(Row { view: self, number })
    }

    /// Every word of a facet that the release knows, sorted.
    pub fn words(&self, facet: Facet) -> &Words {
        self.index.words(facet)
    }

    /// The rows whose pictures look most like a row's: the distance of the perceptual hashes
    /// in bits (0 to 64), at most `most` of them and none further than `within`.
    pub fn look_alikes(&self, row: u32, within: u32, most: usize) -> Vec<(u32, u32)> {
        let hash_of = |row: u32| {
            let (block, at) = self.index.at(row);
            block.hashes[at].filter(|_| !self.is_gone(row))
        };
        let Some(hash) = self.row(row).and_then(|_| hash_of(row)) else {
            return Vec::new();
        };
        let mut near: Vec<(u32, u32)> = self
            .index
            .blocks
            .par_iter()
            .flat_map_iter(|block| {
                let hashes = block.hashes.iter().zip(block.first..);
                hashes.filter_map(move |(other, number)| {
                    let distance = ((*other)? ^ hash).count_ones();
                    (distance <= within).then_some((distance, number))
                })
            })
            .filter(|(_, other)| *other != row && *other < self.end && !self.is_gone(*other))
            .collect();
        near.sort_unstable();
        near.truncate(most);
        near.into_iter()
            .map(|(distance, row)| (row, distance))
            .collect()
    }
}

/// A number as one that sorts without signs; unknown ones last.
fn key(value: f64, falling: bool) -> u64 {
    if value.is_nan() {
        return u64::MAX;
    }
    let bits = (value + 0.0).to_bits(); // one zero only
    let rising = if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    };
    if falling { !rising } else { rising }
}

/// Rows at some places, in manifest order or backwards.
fn in_order(
    held: &[(u32, Bits)],
    falling: bool,
    total: u64,
    places: std::ops::Range<u64>,
) -> Vec<u32> {
    let places = match falling {
        false => places,
        true => total - places.end..total - places.start,
    };
    let mut out = Vec::with_capacity((places.end - places.start) as usize);
    let mut passed = 0;
    for (first, bits) in held {
        let here = bits.count();
        if passed + here > places.start && passed < places.end {
            let mut at = passed;
            bits.each(|row| {
                if places.contains(&at) {
                    out.push(first + row as u32);
                }
                at += 1;
            });
        }
        passed += here;
    }
    if falling {
        out.reverse();
    }
    out
}

/// One sample as it is seen in lists. All that is known of it: [`Index::read`].
#[derive(Clone, Copy)]
pub struct Row<'v> {
    view: &'v View<'v>,
    pub number: u32,
}

impl<'v> Row<'v> {
    pub fn id(&self) -> SampleId {
        self.view.index.id(self.number)
    }

    /// Whether it was withdrawn: then nothing else is known.
    pub fn is_withdrawn(&self) -> bool {
        self.word(Facet::Status) == Status::Withdrawn.as_str()
    }

    /// The word of a facet; empty where there is none, the first where there are several.
    pub fn word(&self, facet: Facet) -> &'v str {
        self.words(facet).first().copied().unwrap_or_default()
    }

    /// The words of a facet.
    pub fn words(&self, facet: Facet) -> Vec<&'v str> {
        let View { index, patch, .. } = self.view;
        let mut words = Vec::new();
        let mut push = |code| match patch.word(index, facet, code) {
            "" => {}
            word => words.push(word),
        };
        match patch.get(self.number).and_then(|p| p.codes(facet)) {
            Some(codes) => codes.iter().copied().for_each(push),
            None => {
                let (block, at) = index.at(self.number);
                block.facets[facet as usize].each(at, &mut push);
            }
        }
        words
    }

    pub fn number(&self, number: Number) -> Option<f64> {
        let value = self.view.number(number, self.number);
        value.is_finite().then_some(value)
    }

    pub fn title(&self) -> Option<&'v str> {
        if self.view.is_gone(self.number) {
            return None;
        }
        let (block, at) = self.view.index.at(self.number);
        Some(block.titles.get(at)).filter(|t| !t.is_empty())
    }

    /// The perceptual hash.
    pub fn hash(&self) -> Option<u64> {
        let (block, at) = self.view.index.at(self.number);
        block.hashes[at].filter(|_| !self.view.is_gone(self.number))
    }

    pub fn digest(&self) -> Option<Digest> {
        if self.view.is_gone(self.number) {
            return None;
        }
        let (block, at) = self.view.index.at(self.number);
        block.digests[at]
    }
}
