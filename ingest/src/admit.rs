//! Admission: licence, restrictions, opt-outs and consent of one sample.
//!
//! Pure: the consent records are read before, and the moment is an argument.

mod ledger;

use std::collections::BTreeSet;

use fairframe_schemas::{
    ConsentRecord, ConsentState, Purpose, Reason, Sample, Timestamp, licence,
    source::{ConsentRule, OptOutRule, Policy},
};

pub use ledger::{ConsentLedger, InvalidConsent, LedgerLimits, UnreachedConsent};

/// Judges a sample by its dataset's policy and adds what stands against it.
///
/// Consent: every subject must be covered. Records named by the sample count
/// for their subjects, else all records of the subject in the same source. A
/// withdrawal counts in any record of a subject, named or not. A manipulated sample
/// needs `manipulate` of everybody, whatever the policy asks. Sets
/// `consent_state` (the gravest), `consent_purposes` (those that everybody
/// shown agreed to) and `consent_id` (of all records used, joined by a space).
pub fn admit(sample: &mut Sample, policy: &Policy, ledger: &ConsentLedger, as_of: Timestamp) {
    admit_licence(sample, policy);
    let refused = |r: &String| {
        let refuses = |p: &String| p.trim().eq_ignore_ascii_case(r.trim());
        policy.refuse_restrictions.iter().any(refuses)
    };
    if sample.restrictions.iter().any(refused) {
        sample.add_reason(Reason::RestrictionNotAllowed);
    }
    if !sample.opt_out.is_empty() && policy.opt_out == OptOutRule::Reject {
        sample.add_reason(Reason::OptOut);
    }
    admit_consent(sample, policy, ledger, as_of);
}

fn admit_licence(sample: &mut Sample, policy: &Policy) {
    let reason = match sample.licence.as_deref() {
        Some(expression) if licence::parse(expression).is_err() => Reason::LicenceUnknown,
        Some(expression) if licence::satisfied_by(expression, &policy.licences) => return,
        Some(_) => Reason::LicenceNotAllowed,
        None => {
            // Why there is none has been said when it was read.
            let said = [
                Reason::LicenceMissing,
                Reason::LicenceUnknown,
                Reason::LicenceContradiction,
            ];
            if said.iter().any(|r| sample.reasons.contains(r)) {
                return;
            }
            Reason::LicenceMissing
        }
    };
    sample.add_reason(reason);
}

/// Where one subject, or one record that the sample names, stands.
#[derive(Debug, Default)]
struct Cover {
    /// `None`: no record.
    state: Option<ConsentState>,
    not_yet: bool,
    /// In force.
    purposes: BTreeSet<Purpose>,
    withdrawn: BTreeSet<Purpose>,
    ids: BTreeSet<String>,
}

fn admit_consent(sample: &mut Sample, policy: &Policy, ledger: &ConsentLedger, as_of: Timestamp) {
    let named: Vec<String> = sample
        .consent_id
        .iter()
        .flat_map(|ids| ids.split_whitespace())
        .map(str::to_owned)
        .collect();
    let subjects: BTreeSet<&String> = sample.subject_ids.iter().collect();
    // Whatever the policy says: a person's face is not changed, nor put elsewhere, unasked.
    let manipulated = sample.manipulation.is_some();
    let asked = manipulated
        || match policy.consent {
            ConsentRule::Always => true,
            ConsentRule::WhenSubjects => !subjects.is_empty() || !named.is_empty(),
            ConsentRule::Never => false,
        };
    let mut purposes = policy.purposes.clone();
    if manipulated && !purposes.contains(&Purpose::Manipulate) {
        purposes.push(Purpose::Manipulate);
    }

    let mut covers = Vec::new();
    let mut ids: BTreeSet<String> = named.iter().cloned().collect();
    for subject in &subjects {
        covers.push(cover_subject(
            &sample.source,
            subject,
            &named,
            ledger,
            as_of,
        ));
    }
    for id in &named {
        let stands = cover_named(sample, id, ledger, as_of);
        // A record of a subject shown has been looked at with the subject.
        let of_subject = ledger
            .record(&sample.source, id)
            .is_some_and(|r| subjects.iter().any(|s| **s == r.pii_principal_id.as_str()));
        if !of_subject {
            covers.push(stands);
        }
    }
    ids.extend(covers.iter().flat_map(|c| c.ids.iter().cloned()));

    let mut reasons = BTreeSet::new();
    if covers.is_empty() && asked {
        reasons.insert(Reason::ConsentMissing);
    }
    for cover in &covers {
        reasons.extend(against(cover, &purposes, asked));
    }
    let gravest = covers
        .iter()
        .map(|c| c.state.unwrap_or(ConsentState::Unknown))
        .max_by_key(|s| gravity(*s));
    let all_given = covers.iter().all(|c| c.state == Some(ConsentState::Given));
    let common = covers
        .iter()
        .map(|c| c.purposes.clone())
        .reduce(|a, b| &a & &b)
        .filter(|_| all_given);
    sample.consent_state = gravest;
    sample.consent_purposes = common.into_iter().flatten().collect();
    sample.consent_id = (!ids.is_empty()).then(|| ids.into_iter().collect::<Vec<_>>().join(" "));
    for reason in reasons {
        sample.add_reason(reason);
    }
}

/// Where one person's consent stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What stands against it; `None`: all purposes are agreed to and in force.
    pub against: Option<Reason>,
    /// The records it was read from.
    pub records: BTreeSet<String>,
}

impl ConsentLedger {
    /// Where a person's consent to these purposes stands. By all their records.
    pub fn covers(
        &self,
        source: &str,
        subject: &str,
        purposes: &[Purpose],
        as_of: Timestamp,
    ) -> Standing {
        let cover = cover_subject(source, subject, &[], self, as_of);
        Standing {
            against: against(&cover, purposes, true),
            records: cover.ids,
        }
    }
}

/// What stands against a sample on account of one cover.
fn against(cover: &Cover, purposes: &[Purpose], asked: bool) -> Option<Reason> {
    match cover.state {
        None | Some(ConsentState::Unknown | ConsentState::Requested) if cover.not_yet => {
            Some(Reason::ConsentNotYetValid)
        }
        None | Some(ConsentState::Unknown) => asked.then_some(Reason::ConsentMissing),
        Some(ConsentState::Withdrawn) => Some(Reason::ConsentWithdrawn),
        Some(ConsentState::Invalidated) => Some(Reason::ConsentInvalid),
        Some(ConsentState::Refused | ConsentState::Requested) => Some(Reason::ConsentRefused),
        Some(ConsentState::Expired) => Some(Reason::ConsentExpired),
        Some(ConsentState::Given) => {
            let lacking = |p: &&Purpose| !cover.purposes.contains(p);
            let lacks: Vec<_> = purposes.iter().filter(lacking).collect();
            // What was released for a purpose that is withdrawn must be called back.
            if lacks.iter().any(|p| cover.withdrawn.contains(p)) {
                Some(Reason::ConsentWithdrawn)
            } else if lacks.is_empty() {
                None
            } else {
                Some(Reason::ConsentPurposeMissing)
            }
        }
    }
}

/// From harmless to grave.
fn gravity(state: ConsentState) -> u8 {
    match state {
        ConsentState::Given => 0,
        ConsentState::Unknown => 1,
        ConsentState::Requested => 2,
        ConsentState::Expired => 3,
        ConsentState::Refused => 4,
        ConsentState::Invalidated => 5,
        ConsentState::Withdrawn => 6,
    }
}

fn cover_subject(
    source: &str,
    subject: &str,
    named: &[String],
    ledger: &ConsentLedger,
    as_of: Timestamp,
) -> Cover {
    let all = ledger.of_subject(source, subject);
    let is_named = |r: &&ConsentRecord| named.contains(&r.record_id);
    let chosen: Vec<_> = if all.iter().any(is_named) {
        all.iter().copied().filter(is_named).collect()
    } else {
        all.clone()
    };
    let mut cover = Cover::default();
    let mut given_at = None;
    let mut refused_at = None;
    let mut grave: Option<ConsentState> = None;
    for record in &chosen {
        let state = record.state_at(as_of);
        match state {
            ConsentState::Given => given_at = given_at.max(record.decided_at(as_of)),
            ConsentState::Refused => refused_at = refused_at.max(record.decided_at(as_of)),
            _ => {}
        }
        cover.purposes.extend(record.purposes_at(as_of));
        cover.not_yet |= record.begins_after(as_of);
        cover.ids.insert(record.record_id.clone());
        grave = grave.into_iter().chain([state]).max_by_key(|s| gravity(*s));
    }
    // A withdrawal counts wherever it stands; so does a record that cannot be read.
    for record in &all {
        cover.withdrawn.extend(record.withdrawn_at(as_of));
    }
    let withdrawn: Vec<_> = all
        .iter()
        .filter(|r| r.state_at(as_of) == ConsentState::Withdrawn)
        .collect();
    cover
        .ids
        .extend(withdrawn.iter().map(|r| r.record_id.clone()));
    cover.purposes = &cover.purposes - &cover.withdrawn;
    let invalid = ledger.invalid_of(source, subject)
        || chosen
            .iter()
            .any(|r| r.state_at(as_of) == ConsentState::Invalidated);
    cover.state = if !withdrawn.is_empty() {
        Some(ConsentState::Withdrawn)
    } else if invalid {
        Some(ConsentState::Invalidated)
    } else if given_at.is_some() && given_at >= refused_at {
        // A consent that was renewed in another record is in force.
        Some(ConsentState::Given)
    } else {
        grave
    };
    cover.not_yet &= cover.state != Some(ConsentState::Given);
    if cover.state != Some(ConsentState::Given) {
        cover.purposes.clear();
    }
    cover
}

/// A record that the sample names: of somebody who is not shown (who gave the picture), or unknown.
fn cover_named(sample: &Sample, id: &str, ledger: &ConsentLedger, as_of: Timestamp) -> Cover {
    match ledger.record(&sample.source, id) {
        Some(record) => {
            let subject = record.pii_principal_id.as_str();
            cover_subject(&sample.source, subject, &[id.to_owned()], ledger, as_of)
        }
        None => Cover {
            state: ledger
                .invalid_id(&sample.source, id)
                .then_some(ConsentState::Invalidated),
            ..Cover::default()
        },
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
