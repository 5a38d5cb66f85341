//! What curators decided, as an ingest reads it: one file a dataset, written by the
//! server when a release is approved, `decisions/<dataset>.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Label, Name, Pseudonym, Reason, Sample, SampleId, Status, Timestamp, sample::text_enum,
};

/// Largest file of decisions read, in bytes.
pub const MAX_BYTES: u64 = 1 << 30;

/// Who a label comes from that a curator gave.
pub const CURATOR: &str = "curator";

text_enum! {
    /// What becomes of a sample.
    Ruling {
        /// It stands, in spite of reasons that may be lifted ([`Reason::may_be_lifted`]).
        Accept = "accept",
        /// It waits.
        Quarantine = "quarantine",
        /// It does not belong in the dataset.
        Reject = "reject",
        /// It is taken out on request, from copies too, for ever.
        Withdraw = "withdraw",
    }
}

impl Ruling {
    /// The reason that stands in the manifest.
    pub fn reason(self) -> Reason {
        match self {
            Ruling::Accept => Reason::CuratorAccepted,
            Ruling::Quarantine => Reason::CuratorQuarantined,
            Ruling::Reject => Reason::CuratorRejected,
            Ruling::Withdraw => Reason::Withdrawn,
        }
    }
}

/// What was decided of one sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    pub sample_id: SampleId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
    /// These labels and no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}

impl Decision {
    /// Nothing decided: rulings of before are gone.
    pub fn none(sample_id: SampleId) -> Self {
        Self {
            sample_id,
            ruling: None,
            labels: None,
        }
    }

    /// The reasons of a sample with this decision, sorted, and the status they lead to.
    pub fn judge(&self, reasons: &[Reason]) -> (Vec<Reason>, Status) {
        let mut kept: Vec<Reason> = reasons
            .iter()
            .copied()
            .filter(|r| !r.is_ruling())
            .filter(|r| self.ruling != Some(Ruling::Accept) || !r.may_be_lifted())
            .collect();
        kept.extend(self.ruling.map(Ruling::reason));
        kept.sort();
        kept.dedup();
        let status = kept.iter().map(|r| r.status()).max();
        (kept, status.unwrap_or(Status::Accepted))
    }

    /// Writes it on a row. What was withdrawn stays so, unchanged.
    pub fn apply(&self, sample: &mut Sample) {
        if sample.status == Status::Withdrawn {
            return;
        }
        (sample.reasons, sample.status) = self.judge(&sample.reasons);
        if let Some(labels) = &self.labels {
            let given = labels.iter().map(|label| Label {
                label: label.clone(),
                confidence: None,
                origin: CURATOR.to_owned(),
            });
            sample.labels = given.collect();
        }
    }
}

/// A person of a source who withdrew by way of the server. It counts as an event
/// `ConsentWithdrawn` of each of the person's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonWithdrew {
    pub source: Name,
    pub subject_id: Pseudonym,
    pub at: Timestamp,
}

/// How a release came to be approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// What is new, for those who use the dataset.
    pub notes: String,
    /// How many different people proposed and approved it.
    pub persons: u32,
    /// Number and hash of the newest entry of the audit log that it rests on.
    pub audit_seq: i64,
    pub audit_hash: String,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    pub dataset: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Sorted by id, each sample once.
    pub samples: Vec<Decision>,
    /// Sorted by source and subject, each once.
    pub withdrew: Vec<PersonWithdrew>,
}

/// Why a file of decisions is not used.
#[derive(Debug, thiserror::Error)]
pub enum DecidedError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("decisions are about `{found}`, not about `{wanted}`")]
    Dataset { found: Name, wanted: Name },
    #[error("sample {0} stands out of order or twice")]
    Order(SampleId),
}

impl Decided {
    pub fn none(dataset: Name) -> Self {
        Self {
            dataset,
            approval: None,
            samples: Vec::new(),
            withdrew: Vec::new(),
        }
    }

    /// Reads and checks a file's text.
    pub fn parse(text: &str, dataset: &Name) -> Result<Self, DecidedError> {
        let decided: Self = serde_json::from_str(text)?;
        if decided.dataset != *dataset {
            return Err(DecidedError::Dataset {
                found: decided.dataset,
                wanted: dataset.clone(),
            });
        }
        let unordered = decided
            .samples
            .windows(2)
            .find(|w| w[0].sample_id >= w[1].sample_id);
        match unordered {
            Some(pair) => Err(DecidedError::Order(pair[1].sample_id)),
            None => Ok(decided),
        }
    }

    /// What was decided of a sample.
    pub fn of(&self, id: SampleId) -> Option<&Decision> {
        let at = self
            .samples
            .binary_search_by_key(&id, |d| d.sample_id)
            .ok()?;
        Some(&self.samples[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MediaType;

    fn decision(ruling: Option<Ruling>, labels: Option<&[&str]>) -> Decision {
        Decision {
            sample_id: SampleId::new("s", "k"),
            ruling,
            labels: labels.map(|l| l.iter().map(|l| (*l).to_owned()).collect()),
        }
    }

    #[test]
    fn an_acceptance_lifts_what_may_be_lifted_and_nothing_else() {
        let accept = decision(Some(Ruling::Accept), None);
        for &reason in Reason::ALL {
            let (reasons, status) = accept.judge(&[reason]);
            if reason.may_be_lifted() || reason.is_ruling() && reason != Reason::Withdrawn {
                assert_eq!(
                    (reasons, status),
                    (vec![Reason::CuratorAccepted], Status::Accepted),
                    "{reason}"
                );
            } else {
                assert_eq!(status, reason.status(), "{reason}");
                assert!(reasons.contains(&reason));
            }
        }
        assert!(!Reason::LicenceUnknown.may_be_lifted());
        assert!(!Reason::ConsentMissing.may_be_lifted());
    }

    #[test]
    fn the_last_ruling_replaces_the_one_before() {
        let mut sample = Sample::new("s", "k", MediaType::Image);
        sample.add_reason(Reason::DuplicateNear);
        for (ruling, status) in [
            (Ruling::Reject, Status::Rejected),
            (Ruling::Quarantine, Status::Quarantined),
            (Ruling::Accept, Status::Accepted),
        ] {
            decision(Some(ruling), None).apply(&mut sample);
            assert_eq!(sample.status, status);
            assert_eq!(sample.reasons.len(), 2, "{:?}", sample.reasons);
        }
        decision(None, Some(&["tree", "house"])).apply(&mut sample);
        assert_eq!(sample.reasons, [Reason::DuplicateNear]);
        let labels: Vec<_> = sample
            .labels
            .iter()
            .map(|l| (l.label.as_str(), l.origin.as_str()))
            .collect();
        assert_eq!(labels, [("tree", CURATOR), ("house", CURATOR)]);
    }

    #[test]
    fn what_was_withdrawn_stays_withdrawn() {
        let mut sample = Sample::new("s", "k", MediaType::Image);
        sample.add_reason(Reason::ConsentWithdrawn);
        let before = sample.clone();
        decision(Some(Ruling::Accept), Some(&["tree"])).apply(&mut sample);
        assert_eq!(sample, before);
    }

    #[test]
    fn a_file_out_of_order_or_of_another_dataset_is_refused() {
        let name = Name::new("photos").unwrap();
        let mut decided = Decided::none(name.clone());
        let text = serde_json::to_string(&decided).unwrap();
        assert_eq!(Decided::parse(&text, &name).unwrap(), decided);
        let other = Name::new("other").unwrap();
        assert!(matches!(
            Decided::parse(&text, &other),
            Err(DecidedError::Dataset { .. })
        ));
        let one = decision(Some(Ruling::Reject), None);
        decided.samples = vec![one.clone(), one];
        let text = serde_json::to_string(&decided).unwrap();
        assert!(matches!(
            Decided::parse(&text, &name),
            Err(DecidedError::Order(_))
        ));
        let unknown = text.replace("\"ruling\"", "\"rulling\"");
        assert!(matches!(
            Decided::parse(&unknown, &name),
            Err(DecidedError::Json(_))
        ));
    }
}
