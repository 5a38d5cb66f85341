//! A number's values by group: for shares below a threshold, and quantiles.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{
    Filter, View,
    facet::{Facet, Number},
};

/// The values of one group.
#[derive(Debug, Default, PartialEq)]
pub struct Spread {
    /// Rising.
    pub values: Vec<f64>,
    /// Samples of which the number is not known.
    pub unknown: u64,
}

/// The values of all samples of a filter, and those of each word of a facet.
#[derive(Debug, Default, PartialEq)]
pub struct Spreads {
    pub all: Spread,
    /// By word, rising; the empty word is for samples without any. A sample with several words
    /// stands in each of their groups.
    pub groups: Vec<(String, Spread)>,
}

impl Spread {
    fn push(&mut self, value: f64) {
        match value.is_finite() {
            true => self.values.push(value),
            false => self.unknown += 1,
        }
    }

    fn append(&mut self, mut other: Spread) {
        self.values.append(&mut other.values);
        self.unknown += other.unknown;
    }

    /// Samples whose value is at most `edge`.
    pub fn up_to(&self, edge: f64) -> u64 {
        self.values.partition_point(|v| *v <= edge) as u64
    }

    /// Samples whose value is `edge` or more.
    pub fn from(&self, edge: f64) -> u64 {
        (self.values.len() - self.values.partition_point(|v| *v < edge)) as u64
    }
}

impl View<'_> {
    /// The values that a number has in the samples of a filter, by the words of a facet. Takes
    /// memory of two numbers a sample while it works.
    pub fn spreads(&self, filter: &Filter, number: Number, facet: Facet) -> Spreads {
        let selection = self.selection(filter);
        let blocks = self.index.blocks.par_iter().with_max_len(1);
        let parts = blocks.filter(|block| selection.sees(block)).map(|block| {
            let mut all = Spread::default();
            let mut groups: HashMap<u32, Spread> = HashMap::new();
            let patched = !self.patch.within(block.first, block.rows).is_empty();
            selection.all(block).each(|row| {
                let at = block.first + row as u32;
                let patch = match patched {
                    true => self.patch.get(at),
                    false => None,
                };
                let value = match patch {
                    Some(_) => self.number(number, at),
                    None => block.number(number, row),
                };
                all.push(value);
                let mut into = |code: u32| groups.entry(code).or_default().push(value);
                match patch.and_then(|p| p.codes(facet)) {
                    Some(codes) => codes.iter().copied().for_each(&mut into),
                    None => block.facets[facet as usize].each(row, &mut into),
                }
            });
            (all, groups)
        });
        let mut all = Spread::default();
        let mut groups: HashMap<u32, Spread> = HashMap::new();
        for (own_all, own) in parts.collect::<Vec<_>>() {
            all.append(own_all);
            for (code, spread) in own {
                groups.entry(code).or_default().append(spread);
            }
        }
        all.values.par_sort_unstable_by(f64::total_cmp);
        let mut groups: Vec<(u32, Spread)> = groups.into_iter().collect();
        groups
            .par_iter_mut()
            .for_each(|(_, spread)| spread.values.sort_unstable_by(f64::total_cmp));
        let word = |code| self.patch.word(self.index, facet, code).to_owned();
        let groups = groups.into_iter();
        let mut groups: Vec<(String, Spread)> =
            groups.map(|(code, spread)| (word(code), spread)).collect();
        groups.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Spreads { all, groups }
    }
}
