//! Which rows of a block a filter holds.

use super::{
    Filter, Index,
    bits::Bits,
    block::Block,
    facet::{Facet, Number},
    filter::{Area, Choice, Range},
    overlay::Patch,
    words::Codes,
};

/// A filter in the numbers of one index.
pub(super) struct Selection<'a> {
    patch: &'a Patch,
    /// Rows that may be seen at all come before this one.
    end: u32,
    tests: Vec<Test>,
}

/// One condition; all must hold.
enum Test {
    Words {
        facet: Facet,
        /// By code: whether it is wanted, whether it is unwanted.
        any: Option<Vec<bool>>,
        none: Vec<bool>,
    },
    Text(Vec<String>),
    Range(Number, Range),
    Area(Area),
    Group(u64),
}

/// The rows of one block that a filter holds.
pub(super) struct Selected {
    pub all: Bits,
    /// For each facet with a condition of its own: the rows that all the others hold, so that
    /// what else could be chosen is counted.
    pub without: Vec<(Facet, Bits)>,
}

impl<'a> Selection<'a> {
    pub fn new(index: &'a Index, patch: &'a Patch, end: u32, filter: &Filter) -> Self {
        let table = |facet: Facet, words: &std::collections::BTreeSet<String>| {
            let mut table = vec![false; patch.codes(index, facet)];
            for word in words {
                // A word that no sample has is wanted in vain.
                if let Some(code) = patch.code(index, facet, word) {
                    table[code as usize] = true;
                }
            }
            table
        };
        let words = filter
            .words
            .iter()
            .map(|(facet, Choice { any, none })| Test::Words {
                facet: *facet,
                any: (!any.is_empty()).then(|| table(*facet, any)),
                none: table(*facet, none),
            });
        let ranges = filter
            .ranges
            .iter()
            .map(|(n, range)| Test::Range(*n, *range));
        let needles = Some(filter.needles()).filter(|n| !n.is_empty());
        let group = filter.group.as_ref().map(|g| Test::Group(index.group(g)));
        let tests = words
            .chain(ranges)
            .chain(filter.area.map(Test::Area))
            .chain(group)
            .chain(needles.map(Test::Text))
            .collect();
        Self { patch, end, tests }
    }

    /// Rows of a block that may be seen.
    fn visible(&self, block: &Block) -> Bits {
        let end = self.end.saturating_sub(block.first) as usize;
        match end >= block.rows {
            true => Bits::all(block.rows),
            false => Bits::of(block.rows, |row| row < end),
        }
    }

    /// Whether a block has rows that may be seen.
    pub fn sees(&self, block: &Block) -> bool {
        block.first < self.end
    }

    pub fn all(&self, block: &Block) -> Bits {
        let mut all = self.visible(block);
        for test in &self.tests {
            all.and(&self.test(test, block));
        }
        all
    }

    pub fn select(&self, block: &Block) -> Selected {
        let visible = self.visible(block);
        let tested: Vec<Bits> = self.tests.iter().map(|t| self.test(t, block)).collect();
        let all_but = |left_out: Option<usize>| {
            let mut rows = visible.clone();
            for (at, bits) in tested.iter().enumerate() {
                if Some(at) != left_out {
                    rows.and(bits);
                }
            }
            rows
        };
        let facets = self
            .tests
            .iter()
            .enumerate()
            .filter_map(|(at, test)| match test {
                Test::Words { facet, .. } => Some((*facet, all_but(Some(at)))),
                _ => None,
            });
        Selected {
            without: facets.collect(),
            all: all_but(None),
        }
    }

    fn test(&self, test: &Test, block: &Block) -> Bits {
        let mut bits = match test {
            Test::Words { facet, any, none } => words(
                &block.facets[*facet as usize],
                block.rows,
                any.as_deref(),
                none,
            ),
            Test::Text(needles) => block.search.find(needles),
            Test::Range(number, Range { min, max }) => {
                let (min, max) = (min.unwrap_or(f64::MIN), max.unwrap_or(f64::MAX));
                Bits::of(block.rows, |row| {
                    let value = block.number(*number, row);
                    min <= value && value <= max
                })
            }
            Test::Area(area) => {
                let [latitudes, longitudes] =
                    [Number::Latitude, Number::Longitude].map(|n| &block.numbers[n as usize]);
                Bits::of(block.rows, |row| {
                    area.holds(latitudes[row], longitudes[row])
                })
            }
            Test::Group(group) => Bits::of(block.rows, |row| block.groups[row] == *group),
        };
        for patched in self.patch.within(block.first, block.rows) {
            let row = (patched.row - block.first) as usize;
            match test {
                Test::Words { facet, any, none } => {
                    if let Some(codes) = patched.codes(*facet) {
                        let is = |table: &[bool]| codes.iter().any(|c| table[*c as usize]);
                        bits.set(row, any.as_deref().is_none_or(is) && !is(none));
                    }
                }
                _ if patched.gone => bits.set(row, false),
                _ => {}
            }
        }
        bits
    }

    /// Counts the codes of a facet in some rows of a block, one a row and code.
    pub fn count(&self, facet: Facet, block: &Block, rows: &Bits, counts: &mut [u32]) {
        let codes = &block.facets[facet as usize];
        match codes {
            Codes::Byte(codes) if rows.is_all() => {
                codes.iter().for_each(|c| counts[*c as usize] += 1);
            }
            Codes::Byte(codes) => rows.each(|row| counts[codes[row] as usize] += 1),
            Codes::Wide(codes) => rows.each(|row| counts[codes[row] as usize] += 1),
            many => rows.each(|row| many.each(row, |code| counts[code as usize] += 1)),
        }
        for patched in self.patch.within(block.first, block.rows) {
            let row = (patched.row - block.first) as usize;
            if let Some(new) = patched.codes(facet)
                && rows.get(row)
            {
                codes.each(row, |code| counts[code as usize] -= 1);
                new.iter().for_each(|code| counts[*code as usize] += 1);
            }
        }
    }
}

fn words(codes: &Codes, rows: usize, any: Option<&[bool]>, none: &[bool]) -> Bits {
    let holds: Vec<bool> = match any {
        Some(any) => any
            .iter()
            .zip(none)
            .map(|(any, none)| *any && !none)
            .collect(),
        None => none.iter().map(|none| !none).collect(),
    };
    match codes {
        Codes::Byte(codes) => Bits::of(rows, |row| holds[codes[row] as usize]),
        Codes::Wide(codes) => Bits::of(rows, |row| holds[codes[row] as usize]),
        many => Bits::of(rows, |row| {
            let (mut wanted, mut unwanted) = (any.is_none(), false);
            many.each(row, |code| {
                wanted |= any.is_some_and(|any| any[code as usize]);
                unwanted |= none[code as usize];
            });
            wanted && !unwanted
        }),
    }
}
