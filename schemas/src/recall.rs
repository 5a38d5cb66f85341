//! `recall.json`: what was withdrawn from earlier releases of a dataset, so
//! that copies already downloaded can follow.

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
    /// Sorted by sample id.
    pub entries: Vec<RecallEntry>,
}

/// One withdrawn sample. Says no more than is needed to remove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallEntry {
    pub sample_id: SampleId,
    /// The bytes to remove; absent where none were ever released.
    pub media_sha256: Option<Digest>,
    pub reason: Reason,
    /// The first release that no longer holds the sample.
    pub withdrawn_in: DatasetVersion,
    pub at: Timestamp,
}

impl RecallList {
    /// The list of a dataset that has withdrawn nothing.
    pub fn new(dataset: Name) -> Self {
        Self {
            dataset,
            recall_version: 0,
            entries: Vec::new(),
        }
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
}
