//! All rows of one release in memory.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use fairframe_ingest::manifest::{ManifestError, ReleaseReader, Stretch};
use fairframe_schemas::{Sample, SampleId, Status};
use rayon::prelude::*;

use super::{
    block::{BLOCK_ROWS, Block, Draft},
    clusters::Kept,
    facet::Facet,
    overlay::{Overlay, Patch},
    words::Words,
};

/// Overlays kept in an index's numbers: what curators see, what the public sees, and those before.
const MAX_PATCHES: usize = 4;

/// A release ready to be searched: accepted rows in manifest order, then the others.
/// Some 300 bytes a row; every row of what was withdrawn holds that it was, and nothing else.
pub struct Index {
    pub(super) blocks: Vec<Block>,
    /// Where the rows of each block are read in full.
    stretches: Vec<Stretch>,
    words: Vec<Words>,
    /// Rows in the order of their ids.
    by_id: Vec<u32>,
    /// What rows were made from, in the order of its ids.
    children: Vec<(SampleId, u32)>,
    rows: u32,
    accepted: u32,
    hasher: RandomState,
    /// By revision, the last used last.
    patches: Mutex<Vec<(u64, Arc<Patch>)>>,
    pub(super) kept: Kept,
}

/// Why a release cannot be browsed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("{0} rows are more than can be browsed")]
    TooMany(u64),
}

impl Index {
    /// Reads a release's folder on all cores.
    pub fn build(folder: &Path, withdrawn: &BTreeSet<SampleId>) -> Result<Self, IndexError> {
        Self::in_blocks(folder, withdrawn, BLOCK_ROWS)
    }

    pub(super) fn in_blocks(
        folder: &Path,
        withdrawn: &BTreeSet<SampleId>,
        block_rows: u64,
    ) -> Result<Self, IndexError> {
        let stretches = ReleaseReader::open(folder)?.stretches(block_rows)?;
        let total: u64 = stretches.iter().map(Stretch::rows).sum();
        let rows = u32::try_from(total).map_err(|_| IndexError::TooMany(total))?;
        let accepted = stretches.iter().filter(|s| s.is_accepted());
        let accepted = accepted.map(Stretch::rows).sum::<u64>() as u32;
        let hasher = RandomState::new();
        let drafts: Vec<Draft> = stretches
            .par_iter()
            .with_max_len(1)
            .map(|stretch| Draft::read(stretch, withdrawn, &hasher))
            .collect::<Result<_, _>>()?;
        let words: Vec<Words> = Facet::ALL
            .par_iter()
            .map(|facet| {
                let met = drafts.iter().flat_map(|d| d.words(*facet));
                Words::new(met.chain(facet.known().into_iter().flatten()))
            })
            .collect();
        let mut starts = Vec::with_capacity(stretches.len());
        let mut next = 0;
        for stretch in &stretches {
            starts.push(next);
            next += stretch.rows() as u32;
        }
        let codes: Vec<HashMap<&str, u32>> = words.par_iter().map(Words::codes).collect();
        let blocks: Vec<Block> = drafts
            .into_par_iter()
            .zip(starts)
            .with_max_len(1)
            .map(|(draft, first)| draft.finish(first, &codes))
            .collect();
        let mut by_id: Vec<(SampleId, u32)> = blocks
            .iter()
            .flat_map(|b| b.ids.iter().copied().zip(b.first..))
            .collect();
        by_id.par_sort_unstable();
        let mut children: Vec<(SampleId, u32)> = blocks
            .iter()
            .flat_map(|b| b.parents.iter().copied())
            .collect();
        children.sort_unstable();
        children.dedup();
        Ok(Self {
            by_id: by_id.into_iter().map(|(_, row)| row).collect(),
            blocks,
            stretches,
            words,
            children,
            rows,
            accepted,
            hasher,
            patches: Mutex::default(),
            kept: Kept::default(),
        })
    }

    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Rows that stand in the release; they come first.
    pub fn accepted(&self) -> u32 {
        self.accepted
    }

    /// Every word of a facet.
    pub fn words(&self, facet: Facet) -> &Words {
        &self.words[facet as usize]
    }

    /// The row of a sample.
    pub fn find(&self, id: &SampleId) -> Option<u32> {
        let at = self.by_id.binary_search_by_key(id, |row| self.id(*row));
        at.ok().map(|at| self.by_id[at])
    }

    pub fn id(&self, row: u32) -> SampleId {
        let (block, at) = self.at(row);
        block.ids[at]
    }

    /// Whether a row was withdrawn, in the release or since.
    pub(super) fn is_withdrawn(&self, row: u32) -> bool {
        let (block, at) = self.at(row);
        let withdrawn = self.words(Facet::Status).code(Status::Withdrawn.as_str());
        let mut is = false;
        block.facets[Facet::Status as usize].each(at, |code| is = Some(code) == withdrawn);
        is
    }

    /// The block of a row, and its place there.
    pub(super) fn at(&self, row: u32) -> (&Block, usize) {
        let (block, at) = self.place(row);
        (&self.blocks[block], at)
    }

    fn place(&self, row: u32) -> (usize, usize) {
        let block = self
            .blocks
            .partition_point(|b| b.first <= row)
            .saturating_sub(1);
        (block, (row - self.blocks[block].first) as usize)
    }

    /// Everything the release says of a row; read from its file.
    pub fn read(&self, row: u32) -> Result<Option<Sample>, ManifestError> {
        if row >= self.rows {
            return Ok(None);
        }
        let (block, at) = self.place(row);
        self.stretches[block].sample(at as u64)
    }

    /// Rows made from a sample.
    pub fn made_from(&self, id: &SampleId) -> impl Iterator<Item = u32> {
        let start = self.children.partition_point(|(parent, _)| parent < id);
        let own = self.children[start..].iter();
        own.take_while(move |(parent, _)| parent == id).map(|c| c.1)
    }

    /// The number by which rows of a split group are known here; never 0.
    pub(super) fn group(&self, group: &str) -> u64 {
        self.hasher.hash_one(group).max(1)
    }

    /// The overlay in this index's numbers, worked out once a revision.
    pub(super) fn patch(&self, overlay: &Overlay) -> Arc<Patch> {
        if overlay.changes.is_empty() {
            return Arc::default();
        }
        let mut held = self.patches.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held
            .iter()
            .position(|(revision, _)| *revision == overlay.revision);
        let patch = match known {
            Some(at) => held.remove(at).1,
            None => Arc::new(Patch::new(self, overlay)),
        };
        if held.len() == MAX_PATCHES {
            held.remove(0);
        }
        held.push((overlay.revision, patch.clone()));
        patch
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::bytes).sum::<usize>()
            + self.words.iter().map(Words::bytes).sum::<usize>()
            + self.by_id.capacity() * 4
            + self.children.capacity() * size_of::<(SampleId, u32)>()
    }
}
