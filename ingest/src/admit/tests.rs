use fairframe_schemas::{MediaType, Name, Status};
use proptest::prelude::*;
use serde_json::json;

use super::fixture::{at, record, record_as, record_json};
use super::*;

mod records;

const SOURCE: &str = "actors";

fn source() -> Name {
    Name::new(SOURCE).unwrap()
}

fn ledger(records: impl IntoIterator<Item = ConsentRecord>) -> ConsentLedger {
    ConsentLedger::from_records(&source(), records)
}

fn sample(subjects: &[&str]) -> Sample {
    let mut sample = Sample::new(SOURCE, "k", MediaType::Video);
    sample.licence = Some("CC-BY-4.0".to_owned());
    sample.subject_ids = subjects.iter().map(|s| (*s).to_owned()).collect();
    sample
}

fn policy(purposes: &[Purpose]) -> Policy {
    Policy {
        purposes: purposes.to_vec(),
        ..Policy::default()
    }
}

fn judged(mut sample: Sample, policy: &Policy, ledger: &ConsentLedger) -> Sample {
    admit(&mut sample, policy, ledger, at("2026-06-01"));
    sample
}

#[test]
fn licences_are_judged_by_evaluation() {
    use Reason::{LicenceContradiction, LicenceMissing, LicenceNotAllowed, LicenceUnknown};
    for (licence, reason) in [
        (Some("CC-BY-4.0"), None),
        (Some("CC-BY-NC-4.0 OR CC-BY-SA-4.0"), None),
        (Some("LicenseRef-PD-USGov"), None),
        (Some("CC-BY-NC-4.0"), Some(LicenceNotAllowed)),
        (Some("CC-BY-4.0 AND CC-BY-NC-4.0"), Some(LicenceNotAllowed)),
        (Some("CC-BY-SA-3.0-DE"), Some(LicenceNotAllowed)),
        (Some("cc by"), Some(LicenceUnknown)),
        (None, Some(LicenceMissing)),
    ] {
        let mut s = sample(&[]);
        s.licence = licence.map(str::to_owned);
        let s = judged(s, &Policy::default(), &ConsentLedger::default());
        assert_eq!(s.reasons, Vec::from_iter(reason), "{licence:?}");
        let want = reason.map_or(Status::Accepted, Reason::status);
        assert_eq!(s.status, want, "{licence:?}");
    }
    // Why there is none has been said; it is not said again in other words.
    for said in [LicenceUnknown, LicenceContradiction] {
        let mut s = sample(&[]);
        s.licence = None;
        s.add_reason(said);
        let s = judged(s, &Policy::default(), &ConsentLedger::default());
        assert_eq!(s.reasons, [said]);
        assert_eq!(s.status, Status::Quarantined);
    }
}

#[test]
fn restrictions_of_the_policy_refuse() {
    let policy = Policy {
        refuse_restrictions: vec!["personality".to_owned()],
        ..Policy::default()
    };
    for (restriction, refused) in [
        ("Personality", true),
        (" personality ", true),
        ("trademarked", false),
    ] {
        let mut s = sample(&[]);
        s.restrictions = vec!["currency".to_owned(), restriction.to_owned()];
        let s = judged(s, &policy, &ConsentLedger::default());
        assert_eq!(s.reasons.contains(&Reason::RestrictionNotAllowed), refused);
    }
}

#[test]
fn opt_outs_refuse_or_are_recorded() {
    let mut s = sample(&[]);
    s.opt_out = vec!["tdm-reservation".to_owned()];
    let refused = judged(s.clone(), &Policy::default(), &ConsentLedger::default());
    assert_eq!(refused.reasons, [Reason::OptOut]);
    let record = Policy {
        opt_out: OptOutRule::Record,
        ..Policy::default()
    };
    let recorded = judged(s, &record, &ConsentLedger::default());
    assert_eq!(recorded.status, Status::Accepted);
    assert_eq!(recorded.opt_out, ["tdm-reservation"]);
}

/// One subject with one record: what its events come to on 2026-06-01.
#[test]
fn states_lead_to_reasons() {
    use ConsentState::{Expired, Given, Invalidated, Refused, Requested, Unknown, Withdrawn};
    use Reason::{
        ConsentExpired, ConsentInvalid, ConsentNotYetValid, ConsentPurposeMissing, ConsentRefused,
        ConsentWithdrawn,
    };
    let rows: &[(&[(&str, &str)], ConsentState, Option<Reason>)] = &[
        (&[("given", "2026-01-01")], Given, None),
        (&[("given", "2026-06-01")], Given, None),
        (
            &[("given:collect", "2026-01-01")],
            Given,
            Some(ConsentPurposeMissing),
        ),
        (
            &[("given", "2026-01-01"), ("withdrawn", "2026-02-01")],
            Withdrawn,
            Some(ConsentWithdrawn),
        ),
        // The withdrawal of a purpose that is needed calls the sample back.
        (
            &[("given", "2026-01-01"), ("withdrawn:train", "2026-02-01")],
            Given,
            Some(ConsentWithdrawn),
        ),
        (
            &[
                ("given", "2026-01-01"),
                ("withdrawn:manipulate", "2026-02-01"),
            ],
            Given,
            None,
        ),
        // Withdrawn later than the moment looked at.
        (
            &[("given", "2026-01-01"), ("withdrawn", "2026-07-01")],
            Given,
            None,
        ),
        (
            &[
                ("given", "2026-01-01"),
                ("withdrawn", "2026-02-01"),
                ("given", "2026-03-01"),
            ],
            Given,
            None,
        ),
        (
            &[("given@2026-01-01/2026-05-01", "2026-01-01")],
            Expired,
            Some(ConsentExpired),
        ),
        (
            &[("given@2026-01-01/2026-06-01", "2026-01-01")],
            Expired,
            Some(ConsentExpired),
        ),
        (
            &[("given", "2026-01-01"), ("expired", "2026-02-01")],
            Expired,
            Some(ConsentExpired),
        ),
        (
            &[("given@2026-07-01/2027-01-01", "2026-01-01")],
            Unknown,
            Some(ConsentNotYetValid),
        ),
        (
            &[("given", "2026-06-02")],
            Unknown,
            Some(ConsentNotYetValid),
        ),
        (
            &[("requested", "2026-01-01"), ("given", "2026-07-01")],
            Requested,
            Some(ConsentNotYetValid),
        ),
        (
            &[("requested", "2026-01-01")],
            Requested,
            Some(ConsentRefused),
        ),
        (&[("refused", "2026-01-01")], Refused, Some(ConsentRefused)),
        (
            &[("refused", "2026-01-01"), ("given", "2026-02-01")],
            Given,
            None,
        ),
        (
            &[("given", "2026-01-01"), ("invalidated", "2026-02-01")],
            Invalidated,
            Some(ConsentInvalid),
        ),
    ];
    for (events, state, reason) in rows {
        let ledger = ledger([record("a", events)]);
        let s = judged(
            sample(&["a"]),
            &policy(&[Purpose::Collect, Purpose::Train]),
            &ledger,
        );
        assert_eq!(s.consent_state, Some(*state), "{events:?}");
        assert_eq!(s.reasons, Vec::from_iter(*reason), "{events:?}");
        assert_eq!(s.consent_id.as_deref(), Some("consent-a"));
        assert_eq!(
            !s.consent_purposes.is_empty(),
            *state == Given,
            "{events:?}"
        );
    }
}

#[test]
fn when_consent_is_needed() {
    let nobody = ConsentLedger::default();
    for (rule, subjects, missing) in [
        (ConsentRule::Always, &[][..], true),
        (ConsentRule::Always, &["a"], true),
        (ConsentRule::WhenSubjects, &[], false),
        (ConsentRule::WhenSubjects, &["a"], true),
        (ConsentRule::Never, &[], false),
        (ConsentRule::Never, &["a"], false),
    ] {
        let policy = Policy {
            consent: rule,
            ..Policy::default()
        };
        let s = judged(sample(subjects), &policy, &nobody);
        let want = if missing {
            vec![Reason::ConsentMissing]
        } else {
            vec![]
        };
        assert_eq!(s.reasons, want, "{rule} {subjects:?}");
        let state = (!subjects.is_empty()).then_some(ConsentState::Unknown);
        assert_eq!(s.consent_state, state);
    }
    // None is needed, but one that is given must hold.
    let never = Policy {
        consent: ConsentRule::Never,
        ..Policy::default()
    };
    let gone = ledger([record(
        "a",
        &[("given", "2026-01-01"), ("withdrawn", "2026-02-01")],
    )]);
    assert_eq!(
        judged(sample(&["a"]), &never, &gone).reasons,
        [Reason::ConsentWithdrawn]
    );
}

#[test]
fn all_subjects_must_be_covered() {
    let two = ledger([
        record("a", &[("given:collect,train,evaluate", "2026-01-01")]),
        record("b", &[("given:evaluate,collect", "2026-01-01")]),
    ]);
    let s = judged(sample(&["a", "b"]), &policy(&[Purpose::Collect]), &two);
    assert_eq!(s.status, Status::Accepted);
    assert_eq!(s.consent_purposes, [Purpose::Collect, Purpose::Evaluate]);
    assert_eq!(s.consent_id.as_deref(), Some("consent-a consent-b"));

    let s = judged(sample(&["a", "b"]), &policy(&[Purpose::Train]), &two);
    assert_eq!(s.reasons, [Reason::ConsentPurposeMissing]);

    let s = judged(sample(&["a", "c"]), &policy(&[Purpose::Collect]), &two);
    assert_eq!(s.reasons, [Reason::ConsentMissing]);
    assert_eq!(s.consent_state, Some(ConsentState::Unknown));
    assert!(s.consent_purposes.is_empty());

    // The gravest state is the sample's.
    let mixed = ledger([
        record("a", &[("given", "2026-01-01")]),
        record("b", &[("given", "2026-01-01"), ("withdrawn", "2026-02-01")]),
        record("c", &[("given@2026-01-01/2026-02-01", "2026-01-01")]),
    ]);
    let s = judged(
        sample(&["a", "b", "c"]),
        &policy(&[Purpose::Collect]),
        &mixed,
    );
    assert_eq!(s.consent_state, Some(ConsentState::Withdrawn));
    assert_eq!(s.status, Status::Withdrawn);
    assert_eq!(
        s.reasons,
        [Reason::ConsentExpired, Reason::ConsentWithdrawn]
    );
}

#[test]
fn a_named_record_counts_for_its_subject() {
    let both = ledger([
        record_as("one", "a", &[("given:collect", "2026-01-01")]),
        record_as("two", "a", &[("given:collect,train", "2026-01-01")]),
    ]);
    let named = |id: &str| {
        let mut s = sample(&["a"]);
        s.consent_id = Some(id.to_owned());
        judged(s, &policy(&[Purpose::Train]), &both)
    };
    assert_eq!(named("two").status, Status::Accepted);
    assert_eq!(named("two").consent_id.as_deref(), Some("two"));
    assert_eq!(named("one").reasons, [Reason::ConsentPurposeMissing]);
    // A name that leads nowhere is a consent that is not there.
    assert_eq!(named("three").reasons, [Reason::ConsentMissing]);
    // Unnamed, the subject's records count together.
    let s = judged(sample(&["a"]), &policy(&[Purpose::Train]), &both);
    assert_eq!(s.consent_id.as_deref(), Some("one two"));
    assert_eq!(s.status, Status::Accepted);
}

#[test]
fn a_contributors_record_covers_nobody_shown() {
    let records = ledger([
        record("giver", &[("given", "2026-01-01")]),
        record("shown", &[("given:collect", "2026-01-01")]),
    ]);
    let mut s = sample(&[]);
    s.consent_id = Some("consent-giver".to_owned());
    let alone = judged(s.clone(), &Policy::default(), &records);
    assert_eq!(alone.status, Status::Accepted);
    assert_eq!(alone.consent_purposes.len(), 5);
    s.subject_ids = vec!["stranger".to_owned()];
    assert_eq!(
        judged(s.clone(), &Policy::default(), &records).reasons,
        [Reason::ConsentMissing]
    );
    // Both must agree.
    s.subject_ids = vec!["shown".to_owned()];
    let both = judged(s, &Policy::default(), &records);
    assert_eq!(both.consent_purposes, [Purpose::Collect]);
    assert_eq!(
        both.consent_id.as_deref(),
        Some("consent-giver consent-shown")
    );
}

#[test]
fn a_withdrawal_counts_in_any_record_of_the_subject() {
    let records = ledger([
        record_as("new", "a", &[("given", "2026-03-01")]),
        record_as(
            "old",
            "a",
            &[("given", "2026-01-01"), ("withdrawn", "2026-02-01")],
        ),
        record_as(
            "part",
            "b",
            &[("given", "2026-01-01"), ("withdrawn:train", "2026-02-01")],
        ),
        record_as("whole", "b", &[("given", "2026-03-01")]),
    ]);
    let mut s = sample(&["a"]);
    s.consent_id = Some("new".to_owned());
    let s = judged(s, &Policy::default(), &records);
    assert_eq!(s.reasons, [Reason::ConsentWithdrawn]);
    assert_eq!(s.consent_id.as_deref(), Some("new old"));
    // A purpose withdrawn in one record is not lent by another.
    let s = judged(sample(&["b"]), &Policy::default(), &records);
    assert_eq!(s.status, Status::Accepted);
    assert!(!s.consent_purposes.contains(&Purpose::Train));
}

#[test]
fn a_renewed_consent_is_in_force_and_a_later_refusal_is_not() {
    let renewed = ledger([
        record_as(
            "first",
            "a",
            &[("given@2025-01-01/2026-01-01", "2025-01-01")],
        ),
        record_as("second", "a", &[("given", "2026-02-01")]),
        record_as("yes", "b", &[("given", "2026-01-01")]),
        record_as("no", "b", &[("refused", "2026-02-01")]),
    ]);
    assert_eq!(
        judged(sample(&["a"]), &Policy::default(), &renewed).status,
        Status::Accepted
    );
    assert_eq!(
        judged(sample(&["b"]), &Policy::default(), &renewed).reasons,
        [Reason::ConsentRefused]
    );
}

#[test]
fn a_pseudonym_means_a_person_in_its_own_source_only() {
    let other = Name::new("elsewhere").unwrap();
    let mut records =
        ConsentLedger::from_records(&other, [record("a", &[("given", "2026-01-01")])]);
    assert_eq!(
        judged(sample(&["a"]), &Policy::default(), &records).reasons,
        [Reason::ConsentMissing]
    );
    records.extend(ledger([record("a", &[("refused", "2026-01-01")])]));
    assert_eq!(
        judged(sample(&["a"]), &Policy::default(), &records).reasons,
        [Reason::ConsentRefused]
    );
    assert_eq!(records.len(), 2);
}

fn events() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    proptest::sample::select(vec![
        vec![("given", "2026-01-01")],
        vec![("given:collect", "2026-01-01")],
        vec![("given", "2026-01-01"), ("withdrawn", "2026-02-01")],
        vec![("given", "2026-01-01"), ("withdrawn:collect", "2026-02-01")],
        vec![("given@2026-01-01/2026-03-01", "2026-01-01")],
        vec![("given", "2026-01-01"), ("invalidated", "2026-02-01")],
        vec![("refused", "2026-01-01")],
        vec![("requested", "2026-01-01")],
        vec![("given", "2026-09-01")],
    ])
}

proptest! {
    /// Whatever else there is: one whole withdrawal of one person shown.
    #[test]
    fn withdrawn_always_wins(
        people in proptest::collection::vec((0usize..3, events()), 0..6),
        shown in proptest::sample::subsequence(vec!["p0", "p1", "p2"], 0..=3),
        rule in proptest::sample::select(ConsentRule::ALL.to_vec()),
        named in proptest::option::of("r[0-6]( r[0-6])?"),
    ) {
        let mut records: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(i, (p, e))| record_as(&format!("r{i}"), &format!("p{p}"), e))
            .collect();
        records.push(record_as("gone", "gone", &[("given", "2026-01-01"), ("withdrawn", "2026-02-01")]));
        let mut s = sample(&shown);
        s.subject_ids.push("gone".to_owned());
        s.consent_id = named;
        let policy = Policy { consent: rule, ..Policy::default() };
        let s = judged(s, &policy, &ledger(records));
        prop_assert_eq!(s.status, Status::Withdrawn);
        prop_assert_eq!(s.consent_state, Some(ConsentState::Withdrawn));
        prop_assert!(s.reasons.contains(&Reason::ConsentWithdrawn));
        prop_assert!(s.consent_purposes.is_empty());
    }

    /// People are shown and one has no consent in force that covers the policy's purposes.
    #[test]
    fn without_consent_nobody_is_accepted(
        people in proptest::collection::vec((0usize..3, events()), 0..6),
        shown in proptest::sample::subsequence(vec!["p0", "p1", "p2"], 1..=3),
        rule in proptest::sample::select(vec![ConsentRule::Always, ConsentRule::WhenSubjects]),
        named in proptest::option::of("r[0-6]( r[0-6])?"),
    ) {
        let records: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(i, (p, e))| record_as(&format!("r{i}"), &format!("p{p}"), e))
            .collect();
        let now = at("2026-06-01");
        let uncovered = shown.iter().any(|s| {
            !records.iter().any(|r| {
                r.pii_principal_id.as_str() == *s && r.purposes_at(now).contains(&Purpose::Collect)
            })
        });
        let mut s = sample(&shown);
        s.consent_id = named;
        let policy = Policy { consent: rule, ..Policy::default() };
        let s = judged(s, &policy, &ledger(records));
        if uncovered {
            prop_assert!(s.status > Status::Quarantined, "{:?}", s.reasons);
        }
        if s.status == Status::Accepted {
            prop_assert!(s.consent_purposes.contains(&Purpose::Collect));
            prop_assert_eq!(s.consent_state, Some(ConsentState::Given));
        }
    }

    #[test]
    fn judging_twice_changes_nothing(
        people in proptest::collection::vec((0usize..3, events()), 0..6),
        shown in proptest::sample::subsequence(vec!["p0", "p1", "p2"], 0..=3),
    ) {
        let records: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(i, (p, e))| record_as(&format!("r{i}"), &format!("p{p}"), e))
            .collect();
        let ledger = ledger(records);
        let once = judged(sample(&shown), &Policy::default(), &ledger);
        prop_assert_eq!(judged(once.clone(), &Policy::default(), &ledger), once);
    }
}

#[test]
fn a_fake_needs_both_sides_to_have_agreed_to_manipulation() {
    let fake = |subjects: &[&str]| {
        let mut s = sample(subjects);
        s.manipulation = Some(fairframe_schemas::Manipulation {
            method: "face-swap".to_owned(),
            target_sample: s.sample_id,
            source_sample: s.sample_id,
            mask_sha256: None,
            compression: None,
            parameters: None,
        });
        s
    };
    let all = ("given", "2026-01-01");
    let without = [("given:collect,redistribute", "2026-01-01")];
    let back = [all, ("withdrawn:manipulate", "2026-05-01")];
    let ledger = ledger([
        record("both", &[all]),
        record("also", &[all]),
        record("never", &without),
        record("back", &back),
    ]);
    // Not even a policy that asks for no consent lets it pass.
    let lax = Policy {
        consent: ConsentRule::Never,
        ..policy(&[])
    };
    for policy in [lax, policy(&[Purpose::Collect])] {
        for (subjects, reason) in [
            (&["both", "also"][..], None),
            (&["both"], None),
            (&["both", "never"], Some(Reason::ConsentPurposeMissing)),
            (&["never", "both"], Some(Reason::ConsentPurposeMissing)),
            (&["both", "back"], Some(Reason::ConsentWithdrawn)),
            (&["both", "nobody"], Some(Reason::ConsentMissing)),
            (&[], Some(Reason::ConsentMissing)),
        ] {
            let s = judged(fake(subjects), &policy, &ledger);
            assert_eq!(s.reasons, Vec::from_iter(reason), "{subjects:?}");
        }
        // The same people's own videos stand.
        let s = judged(sample(&["never"]), &policy, &ledger);
        assert_eq!(s.status, Status::Accepted);
    }
}
