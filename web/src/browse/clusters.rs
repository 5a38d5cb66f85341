//! Samples that are the same or look nearly the same, and what stands in two splits.
//!
//! Near-duplicates are found as an ingest finds them ([`near_pairs`]): by perceptual hash, pictures
//! among pictures and videos among videos of one length, samples made from others left out. Both
//! are worked out once for a release and kept: what is decided since moves no sample from one
//! cluster to another.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use fairframe_ingest::{
    dedupe::{Look, near_pairs},
    split::Groups,
};
use fairframe_schemas::{MediaType, Reason, SampleId, Status};
use rayon::prelude::*;

use super::{
    Index, View,
    block::Block,
    facet::{Facet, Number},
};

/// Distances of perceptual hashes, in bits, at which near-duplicates can be looked for. A closed
/// list, so that what is kept is bounded; an ingest takes 6 unless told otherwise.
pub const WITHIN: [u32; 5] = [0, 2, 4, 6, 8];

/// What counts as a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alike {
    /// The same bytes.
    Exact,
    /// The same bytes, or hashes so many bits apart, one of [`WITHIN`]; chains count.
    Near(u32),
}

/// Rows that are duplicates of each other, rising; two at least.
pub type Cluster = Vec<u32>;

/// What must not stand in two splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// A person shown, in the source that the pseudonym is of.
    Subject,
    /// What samples were made from, or is one of them.
    Parent,
    /// Samples that the ingest kept together.
    SplitGroup,
    /// The same bytes.
    Bytes,
}

/// Samples that should stand in one split and do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    pub shared: Shared,
    /// The pseudonym of a subject, the id of what was made into others; else empty.
    pub name: String,
    /// The rows in each split, rising, by the split's word.
    pub splits: BTreeMap<String, Vec<u32>>,
}

/// What was found of a release, kept with its index.
#[derive(Default)]
pub(super) struct Kept {
    clusters: Mutex<BTreeMap<(u32, Alike), Arc<Vec<Cluster>>>>,
    leaks: Mutex<BTreeMap<u32, Arc<Vec<Leak>>>>,
}

/// Looks up, or works out with nobody else doing so meanwhile.
fn once<K: Ord, V>(held: &Mutex<BTreeMap<K, Arc<V>>>, key: K, work: impl FnOnce() -> V) -> Arc<V> {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let found = held.entry(key).or_insert_with(|| Arc::new(work()));
    found.clone()
}

/// By code of a facet: whether it is one of these words.
fn codes(index: &Index, facet: Facet, words: &[&str]) -> Vec<bool> {
    let known = index.words(facet);
    let mut table = vec![false; known.count()];
    for word in words {
        if let Some(code) = known.code(word) {
            table[code as usize] = true;
        }
    }
    table
}

impl View<'_> {
    /// All clusters of the rows that may be seen, the largest first, equal ones in manifest
    /// order. Of samples that were refused, those that a curator or their being duplicates
    /// refused stand in clusters, and no others. Rows that were withdrawn since the release may
    /// be among them.
    pub fn clusters(&self, alike: Alike) -> Arc<Vec<Cluster>> {
        once(&self.index.kept.clusters, (self.end, alike), || {
            clusters(self.index, self.end, alike)
        })
    }

    /// Everything of the release that stands in two splits and should not, by the bytes, people
    /// and origins of samples: what looks alike is for [`View::clusters`]. What was withdrawn
    /// since the release is in none.
    pub fn leaks(&self) -> Arc<Vec<Leak>> {
        // Only what was accepted has a split that counts.
        let end = self.end.min(self.index.accepted());
        let released = once(&self.index.kept.leaks, end, || leaks(self.index, end));
        if !self.patch.takes_away() {
            return released;
        }
        let there = |leak: &Leak| {
            let mut leak = leak.clone();
            for rows in leak.splits.values_mut() {
                rows.retain(|row| self.patch.get(*row).is_none_or(|p| !p.gone));
            }
            leak.splits.retain(|_, rows| !rows.is_empty());
            (leak.splits.len() > 1).then_some(leak)
        };
        Arc::new(released.iter().filter_map(there).collect())
    }
}

/// The rows of a block before `end`.
fn rows(block: &Block, end: u32) -> std::ops::Range<usize> {
    0..(end.saturating_sub(block.first) as usize).min(block.rows)
}

fn clusters(index: &Index, end: u32, alike: Alike) -> Vec<Cluster> {
    let stands = [Status::Accepted, Status::Quarantined].map(Status::as_str);
    let stands = codes(index, Facet::Status, &stands);
    let reasons = [Reason::DuplicateExact, Reason::CuratorRejected].map(Reason::code);
    let reasons = codes(index, Facet::Reason, &reasons);
    let withdrawn = codes(index, Facet::Status, &[Status::Withdrawn.as_str()]);
    let video = codes(index, Facet::MediaType, &[MediaType::Video.as_str()]);
    let is = |block: &Block, facet: Facet, row: usize, table: &[bool]| {
        let mut is = false;
        block.facets[facet as usize].each(row, |code| is |= table[code as usize]);
        is
    };
    let mut members: Vec<u32> = Vec::new();
    let (mut hashed, mut looks) = (Vec::new(), Vec::new());
    for block in &index.blocks {
        let derived: Vec<u32> = block.parents.iter().map(|(_, row)| *row).collect();
        for row in rows(block, end) {
            let counts = is(block, Facet::Status, row, &stands)
                || (is(block, Facet::Reason, row, &reasons)
                    && !is(block, Facet::Status, row, &withdrawn));
            if !counts {
                continue;
            }
            let number = block.first + row as u32;
            // Parents stand in the order of their rows.
            if let Some(hash) = block.hashes[row]
                && derived.binary_search(&number).is_err()
            {
                let seconds = block.number(Number::Duration, row) as f32;
                let seconds = if seconds.is_finite() { seconds } else { 0.0 };
                let duration = is(block, Facet::MediaType, row, &video).then_some(seconds);
                hashed.push(members.len() as u32);
                looks.push(Look { hash, duration });
            }
            members.push(number);
        }
    }
    let mut groups = Groups::new(members.len());
    let mut first: HashMap<_, u32> = HashMap::with_capacity(members.len());
    for (at, row) in (0u32..).zip(&members) {
        let (block, place) = index.at(*row);
        if let Some(digest) = block.digests[place] {
            groups.join(*first.entry(digest).or_insert(at), at);
        }
    }
    if let Alike::Near(within) = alike {
        for (one, other) in near_pairs(&looks, within) {
            groups.join(hashed[one as usize], hashed[other as usize]);
        }
    }
    let mut by_root: HashMap<u32, Cluster> = HashMap::new();
    for (at, row) in (0u32..).zip(&members) {
        by_root.entry(groups.find(at)).or_default().push(*row);
    }
    let mut clusters: Vec<Cluster> = by_root.into_values().filter(|c| c.len() > 1).collect();
    clusters.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a[0].cmp(&b[0])));
    clusters
}

/// What a sample shares with others: kind, key, code of its split, row.
type Tie = (Shared, u128, u32, u32);

fn leaks(index: &Index, end: u32) -> Vec<Leak> {
    let mut ties: Vec<Tie> = index
        .blocks
        .par_iter()
        .with_max_len(1)
        .flat_map_iter(|block| ties(index, block, end))
        .collect();
    ties.par_sort_unstable();
    ties.dedup();
    let mut leaks: Vec<Leak> = ties
        .chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
        .filter(|same| same[0].2 != same[same.len() - 1].2)
        .map(|same| {
            let mut splits: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            for (_, _, split, row) in same {
                let word = index.words(Facet::Split).get(*split).to_owned();
                splits.entry(word).or_default().push(*row);
            }
            let (shared, key, ..) = same[0];
            let name = match shared {
                Shared::Subject => index.words(Facet::Subject).get(key as u32).to_owned(),
                Shared::Parent => SampleId::from_bytes(key.to_be_bytes()).to_string(),
                Shared::SplitGroup | Shared::Bytes => String::new(),
            };
            Leak {
                shared,
                name,
                splits,
            }
        })
        .collect();
    let first = |leak: &Leak| leak.splits.values().map(|rows| rows[0]).min();
    leaks.sort_by_key(|leak| (leak.shared, first(leak)));
    leaks
}

fn ties(index: &Index, block: &Block, end: u32) -> Vec<Tie> {
    let mut ties = Vec::new();
    let rows = rows(block, end);
    let one = |facet: Facet, row: usize| {
        let mut found = 0;
        block.facets[facet as usize].each(row, |code| found = code);
        found
    };
    let key = |id: &SampleId| u128::from_be_bytes(*id.as_bytes());
    for row in rows.clone() {
        let split = one(Facet::Split, row);
        // The empty word comes first.
        if split == 0 {
            continue;
        }
        let number = block.first + row as u32;
        let mut push = |shared, key| ties.push((shared, key, split, number));
        let source = one(Facet::Source, row);
        block.facets[Facet::Subject as usize].each(row, |subject| {
            if subject != 0 {
                push(
                    Shared::Subject,
                    u128::from(source) << 32 | u128::from(subject),
                );
            }
        });
        if block.groups[row] != 0 {
            push(Shared::SplitGroup, u128::from(block.groups[row]));
        }
        let digest = block.digests[row].as_ref();
        if let Some(half) = digest.and_then(|d| d.as_bytes().first_chunk()) {
            push(Shared::Bytes, u128::from_be_bytes(*half));
        }
        // A sample that others were made from stands with them.
        let id = &block.ids[row];
        if index.made_from(id).next().is_some() {
            push(Shared::Parent, key(id));
        }
    }
    for (parent, number) in &block.parents {
        let row = (*number - block.first) as usize;
        if rows.contains(&row) && one(Facet::Split, row) != 0 {
            ties.push((Shared::Parent, key(parent), one(Facet::Split, row), *number));
        }
    }
    ties
}
