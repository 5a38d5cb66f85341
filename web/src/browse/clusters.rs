//! Samples that are the same or look nearly the same, and what stands in two splits.
//!
//! Near-duplicates are found as an ingest finds them ([`near_pairs`]): by perceptual hash, pictures
//! among pictures and videos among videos of one length, samples made from others left out. Both
//! are worked out once for a release and kept: what is decided since moves no sample from one
//! cluster to another.

use std::{
    collections::BTreeMap,
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
    for (one, other) in same_bytes(index, &members) {
        groups.join(one, other);
    }
    if let Alike::Near(within) = alike {
        for (one, other) in near_pairs(&looks, within) {
            groups.join(hashed[one as usize], hashed[other as usize]);
        }
    }
    drop((hashed, looks));
    let roots: Vec<u32> = (0..members.len() as u32)
        .map(|at| groups.find(at))
        .collect();
    let mut sizes = vec![0u32; members.len()];
    for root in &roots {
        sizes[*root as usize] += 1;
    }
    let mut joined: Vec<(u32, u32)> = (roots.iter().copied())
        .zip(members)
        .filter(|(root, _)| sizes[*root as usize] > 1)
        .collect();
    joined.sort_unstable();
    let mut clusters: Vec<Cluster> = joined
        .chunk_by(|a, b| a.0 == b.0)
        .map(|same| same.iter().map(|(_, row)| *row).collect())
        .collect();
    clusters.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a[0].cmp(&b[0])));
    clusters
}

/// Indices into `members` whose rows have the same bytes, by pairs that join all of them.
fn same_bytes(index: &Index, members: &[u32]) -> Vec<(u32, u32)> {
    let digest = |at: u32| {
        let (block, place) = index.at(members[at as usize]);
        block.digests[place].as_ref()
    };
    // Eight bytes tell nearly all apart, in a fifth of the memory of a table of digests.
    let mut starts: Vec<(u64, u32)> = (0..members.len() as u32)
        .filter_map(|at| {
            Some((
                u64::from_be_bytes(*digest(at)?.as_bytes().first_chunk()?),
                at,
            ))
        })
        .collect();
    starts.par_sort_unstable();
    let mut pairs = Vec::new();
    for alike in starts.chunk_by_mut(|a, b| a.0 == b.0) {
        alike.sort_unstable_by_key(|(_, at)| (digest(*at), *at));
        let same = alike
            .windows(2)
            .filter(|w| digest(w[0].1) == digest(w[1].1));
        pairs.extend(same.map(|w| (w[0].1, w[1].1)));
    }
    pairs
}

/// What samples share: its key, the code of a sample's split, its row.
type Tie<K> = (K, u32, u32);

/// What two samples may share that is not a number: half of a digest, or an id.
type Bytes = [u8; 16];

fn leaks(index: &Index, end: u32) -> Vec<Leak> {
    // One kind after the other, so that the ties of one are in memory only.
    let subjects = torn(index, ties(index, end, subjects));
    let groups = torn(index, ties(index, end, groups));
    let bytes = torn(index, ties(index, end, bytes));
    let parents = torn(index, ties(index, end, parents));
    let subject = |key: u64| index.words(Facet::Subject).get(key as u32).to_owned();
    let of = |shared, name: String, splits| Leak {
        shared,
        name,
        splits,
    };
    let nameless = |shared| move |splits| of(shared, String::new(), splits);
    let mut leaks: Vec<Leak> = (subjects.into_iter())
        .map(|(key, splits)| of(Shared::Subject, subject(key), splits))
        .chain(parents.into_iter().map(|(key, splits)| {
            of(
                Shared::Parent,
                SampleId::from_bytes(key).to_string(),
                splits,
            )
        }))
        .chain((groups.into_iter().map(|g| g.1)).map(nameless(Shared::SplitGroup)))
        .chain((bytes.into_iter().map(|b| b.1)).map(nameless(Shared::Bytes)))
        .collect();
    let first = |leak: &Leak| leak.splits.values().map(|rows| rows[0]).min();
    leaks.sort_by_key(|leak| (leak.shared, first(leak)));
    leaks
}

/// The keys that stand in two splits, with their rows in each.
fn torn<K: Ord + Copy + Send>(
    index: &Index,
    mut ties: Vec<Tie<K>>,
) -> Vec<(K, BTreeMap<String, Vec<u32>>)> {
    ties.par_sort_unstable();
    ties.dedup();
    ties.chunk_by(|a, b| a.0 == b.0)
        .filter(|same| same[0].1 != same[same.len() - 1].1)
        .map(|same| {
            let mut splits: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            for (_, split, row) in same {
                let word = index.words(Facet::Split).get(*split).to_owned();
                splits.entry(word).or_default().push(*row);
            }
            (same[0].0, splits)
        })
        .collect()
}

/// What all rows before `end` that have a split share with others; `of` gives what a row of a
/// block may share.
fn ties<K>(
    index: &Index,
    end: u32,
    of: impl Fn(&Index, &Block, usize, &mut dyn FnMut(K)),
) -> Vec<Tie<K>> {
    let mut ties = Vec::new();
    for block in &index.blocks {
        for row in rows(block, end) {
            // The empty word comes first.
            let split = one(block, Facet::Split, row);
            if split != 0 {
                let number = block.first + row as u32;
                of(index, block, row, &mut |key| {
                    ties.push((key, split, number))
                });
            }
        }
    }
    ties
}

fn one(block: &Block, facet: Facet, row: usize) -> u32 {
    let mut found = 0;
    block.facets[facet as usize].each(row, |code| found = code);
    found
}

/// A pseudonym is of a source.
fn subjects(_: &Index, block: &Block, row: usize, push: &mut dyn FnMut(u64)) {
    let source = u64::from(one(block, Facet::Source, row));
    block.facets[Facet::Subject as usize].each(row, |subject| {
        if subject != 0 {
            push(source << 32 | u64::from(subject));
        }
    });
}

fn groups(_: &Index, block: &Block, row: usize, push: &mut dyn FnMut(u64)) {
    if block.groups[row] != 0 {
        push(block.groups[row]);
    }
}

fn bytes(_: &Index, block: &Block, row: usize, push: &mut dyn FnMut(Bytes)) {
    let digest = block.digests[row].as_ref();
    if let Some(half) = digest.and_then(|d| d.as_bytes().first_chunk()) {
        push(*half);
    }
}

/// A sample that others were made from stands with them.
fn parents(index: &Index, block: &Block, row: usize, push: &mut dyn FnMut(Bytes)) {
    let id = &block.ids[row];
    if index.made_from(id).next().is_some() {
        push(*id.as_bytes());
    }
    let number = block.first + row as u32;
    let start = block.parents.partition_point(|(_, of)| *of < number);
    let own = block.parents[start..].iter();
    for (parent, _) in own.take_while(|(_, of)| *of == number) {
        push(*parent.as_bytes());
    }
}
