//! `recall.json`: what was withdrawn from earlier releases of a dataset, so
//! that copies already downloaded can follow.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DatasetVersion, Digest, Name, Reason, SampleId, Timestamp};

/// The withdrawals of a dataset up to one release. Entries are never removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallList {
    pub dataset: Name,
    /// The number of releases that withdrew something; 0 for an empty list.
    pub recall_version: u64,
    /// Sorted by sample id, then digest. A sample that had other bytes in
    /// another release has an entry for each.
    pub entries: Vec<RecallEntry>,
}

/// A withdrawn sample, and bytes it had. Says no more than is needed to remove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallEntry {
    pub sample_id: SampleId,
    /// The bytes to remove; absent where none are known.
    pub media_sha256: Option<Digest>,
    pub reason: Reason,
    /// The first release that no longer holds the sample.
    pub withdrawn_in: DatasetVersion,
    pub at: Timestamp,
}

impl RecallList {
    /// Largest `recall.json` read, in bytes: some million entries.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// The list of a dataset that has withdrawn nothing.
    pub fn new(dataset: Name) -> Self {
        Self {
            dataset,
            recall_version: 0,
            entries: Vec::new(),
        }
    }

    /// Takes in entries of another list or sample: nothing is lost, nothing stands
    /// twice. What is there already stays as it is.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = RecallEntry>) {
        let key = |e: &RecallEntry| (e.sample_id, e.media_sha256);
        self.entries.extend(entries);
        // Stable: of equal ones the first stays.
        self.entries.sort_by_key(key);
        self.entries.dedup_by_key(|e| key(e));
        // An entry without bytes says nothing once there is one with them.
        let with_bytes = self.entries.iter().filter(|e| e.media_sha256.is_some());
        let with_bytes: BTreeSet<SampleId> = with_bytes.map(|e| e.sample_id).collect();
        self.entries
            .retain(|e| e.media_sha256.is_some() || !with_bytes.contains(&e.sample_id));
    }

    /// The samples, each once.
    pub fn samples(&self) -> BTreeSet<SampleId> {
        self.entries.iter().map(|e| e.sample_id).collect()
    }

    /// The bytes, each once.
    pub fn digests(&self) -> BTreeSet<Digest> {
        self.entries.iter().filter_map(|e| e.media_sha256).collect()
    }

    /// Text of `recall.json`: pretty, with a line end.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_and_unknown_keys_are_refused() {
        let mut list = RecallList::new(Name::new("demo").unwrap());
        list.recall_version = 1;
        list.entries.push(RecallEntry {
            sample_id: SampleId::new("s", "k"),
            media_sha256: Some(Digest::of(b"x")),
            reason: Reason::ConsentWithdrawn,
            withdrawn_in: DatasetVersion::FIRST,
            at: Timestamp::UNIX_EPOCH,
        });
        let text = list.to_json();
        assert_eq!(serde_json::from_str::<RecallList>(&text).unwrap(), list);
        let odd = text.replace("\"reason\"", "\"person\"");
        assert!(serde_json::from_str::<RecallList>(&odd).is_err());
    }

    #[test]
    fn every_digest_of_a_sample_has_one_entry() {
        let entry = |key: &str, bytes: Option<&str>, in_: &str| RecallEntry {
            sample_id: SampleId::new("s", key),
            media_sha256: bytes.map(|b| Digest::of(b.as_bytes())),
            reason: Reason::ConsentWithdrawn,
            withdrawn_in: in_.parse().unwrap(),
            at: Timestamp::UNIX_EPOCH,
        };
        let mut list = RecallList::new(Name::new("demo").unwrap());
        let (one, none) = (entry("a", Some("x"), "2.0.0"), entry("b", None, "2.0.0"));
        list.extend([none.clone(), one.clone()]);
        list.extend([entry("a", Some("x"), "3.0.0"), entry("b", None, "3.0.0")]);
        let mut both = vec![one.clone(), none.clone()];
        both.sort_by_key(|e| e.sample_id);
        assert_eq!(list.entries, both, "what was there stays");
        let other = entry("a", Some("y"), "3.0.0");
        let known = entry("b", Some("z"), "3.0.0");
        list.extend([other.clone(), known.clone()]);
        assert_eq!(list.entries.len(), 3);
        assert!([one, other, known].iter().all(|e| list.entries.contains(e)));
        assert_eq!((list.samples().len(), list.digests().len()), (2, 3));
    }
}
