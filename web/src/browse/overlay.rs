//! Decisions that are not released yet: they change what a sample's status,
//! reasons and labels are shown as, filtered and counted by.

use std::collections::HashMap;

use fairframe_schemas::{Reason, SampleId, Status};

use super::{Facet, Index, facet::kept, words::Words};

/// What is different from the release, by sample.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// Changes whenever `changes` does: what was worked out for one revision is kept for it.
    /// 0 is for no changes.
    pub revision: u64,
    pub changes: HashMap<SampleId, Change>,
}

/// What one sample is instead; `None` leaves it as it was released.
///
/// A sample whose status becomes [`Status::Withdrawn`] shows nothing else any more, as if it
/// had been released so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub status: Option<Status>,
    pub reasons: Option<Vec<Reason>>,
    pub labels: Option<Vec<String>>,
}

/// An overlay in the numbers of one index.
#[derive(Debug, Default)]
pub struct Patch {
    /// By row, rising.
    rows: Vec<Patched>,
    /// Labels that the release has not got; their codes follow its own.
    new_labels: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Patched {
    pub row: u32,
    pub gone: bool,
    status: Option<[u32; 1]>,
    reasons: Option<Vec<u32>>,
    labels: Option<Vec<u32>>,
}

/// The code of no word.
const NONE: &[u32] = &[0];

impl Patched {
    /// The codes of a facet, where they are other than released; never empty.
    pub fn codes(&self, facet: Facet) -> Option<&[u32]> {
        let own = match facet {
            Facet::Status => self.status.as_ref().map(|s| &s[..]),
            Facet::Reason => self.reasons.as_deref(),
            Facet::Label if !self.gone => self.labels.as_deref(),
            _ => self.gone.then_some(NONE),
        };
        own.map(|codes| if codes.is_empty() { NONE } else { codes })
    }
}

impl Patch {
    /// Samples that the index has not got are passed over, and so are those that were withdrawn:
    /// copies have let them go, and no decision brings them back.
    pub fn new(index: &Index, overlay: &Overlay) -> Self {
        let mut patch = Patch::default();
        let labels = index.words(Facet::Label);
        let known = labels.count();
        let mut new_codes: HashMap<&str, u32> = HashMap::new();
        let mut changes: Vec<(u32, &Change)> = overlay
            .changes
            .iter()
            .filter_map(|(id, change)| Some((index.find(id)?, change)))
            .filter(|(row, _)| !index.is_withdrawn(*row))
            .collect();
        changes.sort_unstable_by_key(|(row, _)| *row);
        for (row, change) in changes {
            let status = index.words(Facet::Status);
            let reasons = index.words(Facet::Reason);
            let label_codes = change.labels.as_ref().map(|words| {
                let codes = words.iter().map(|word| {
                    let word = kept(word);
                    labels.code(word).unwrap_or_else(|| {
                        let new = &mut patch.new_labels;
                        *new_codes.entry(word).or_insert_with(|| {
                            new.push(word.to_owned());
                            (known + new.len() - 1) as u32
                        })
                    })
                });
                distinct(codes.collect())
            });
            let code = |words: &Words, word| words.code(word).unwrap_or(0);
            patch.rows.push(Patched {
                row,
                gone: change.status == Some(Status::Withdrawn),
                status: change.status.map(|s| [code(status, s.as_str())]),
                reasons: change
                    .reasons
                    .as_ref()
                    .map(|list| distinct(list.iter().map(|r| code(reasons, r.code())).collect())),
                labels: label_codes,
            });
        }
        patch
    }

    /// Whether samples are withdrawn by it.
    pub fn takes_away(&self) -> bool {
        self.rows.iter().any(|p| p.gone)
    }

    pub fn get(&self, row: u32) -> Option<&Patched> {
        let at = self.rows.binary_search_by_key(&row, |p| p.row).ok()?;
        self.rows.get(at)
    }

    /// Those of the rows from `first` on.
    pub fn within(&self, first: u32, rows: usize) -> &[Patched] {
        let start = self.rows.partition_point(|p| p.row < first);
        let end = u64::from(first) + rows as u64;
        let end = self.rows.partition_point(|p| u64::from(p.row) < end);
        &self.rows[start..end]
    }

    /// How many codes a facet has.
    pub fn codes(&self, index: &Index, facet: Facet) -> usize {
        let new = (facet == Facet::Label).then_some(self.new_labels.len());
        index.words(facet).count() + new.unwrap_or(0)
    }

    pub fn word<'a>(&'a self, index: &'a Index, facet: Facet, code: u32) -> &'a str {
        let own = index.words(facet);
        let new = (code as usize).checked_sub(own.count());
        match new.filter(|_| facet == Facet::Label) {
            Some(new) => self.new_labels.get(new).map_or("", String::as_str),
            None => own.get(code),
        }
    }

    pub fn code(&self, index: &Index, facet: Facet, word: &str) -> Option<u32> {
        let own = index.words(facet);
        own.code(word).or_else(|| {
            let new = self.new_labels.iter().position(|l| l == word);
            let new = new.filter(|_| facet == Facet::Label)?;
            Some((own.count() + new) as u32)
        })
    }
}

fn distinct(mut codes: Vec<u32>) -> Vec<u32> {
    codes.sort_unstable();
    codes.dedup();
    codes
}
