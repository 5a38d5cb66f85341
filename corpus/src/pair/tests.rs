//! Whole plans: what must hold of every one.

use std::collections::{BTreeMap, BTreeSet};

use fairframe_schemas::{
    Reason, SampleId, Split, Status,
    corpus::pair::{Direction, Obstacle},
    source::{PairRule, SplitRule},
};
use proptest::prelude::*;

use super::*;

/// Person `p` has a video in each of `rooms[p]`; a region by number; those in `refused` did
/// not agree.
fn people(rooms: &[Vec<u32>], refused: &BTreeSet<usize>) -> People {
    let mut found = People {
        source: "actors".to_owned(),
        strata: vec!["region".to_owned(), "tone".to_owned()],
        ..People::default()
    };
    let mut videos = Vec::new();
    for (p, rooms) in rooms.iter().enumerate() {
        let strata = vec![
            Some(format!("r{}", p % 3)),
            (p % 4 > 0).then(|| (p % 2).to_string()),
        ];
        for (take, room) in rooms.iter().enumerate() {
            let sample = SampleId::new("actors", &format!("{p}/{take}"));
            videos.push((sample, p, *room, strata.clone()));
        }
    }
    videos.sort();
    let able: BTreeSet<usize> = videos
        .iter()
        .map(|v| v.1)
        .filter(|p| !refused.contains(p))
        .collect();
    let place: BTreeMap<usize, u32> = able.iter().copied().zip(0..).collect();
    found.persons = able
        .iter()
        .map(|p| Person {
            id: format!("person-{p:05}"),
            consents: vec![format!("consent-{p}")],
            region: Some(format!("r{}", p % 3)),
            strata: vec![
                Some(format!("r{}", p % 3)),
                (p % 4 > 0).then(|| (p % 2).to_string()),
            ],
            videos: Vec::new(),
        })
        .collect();
    for (sample, p, room, strata) in videos {
        match place.get(&p) {
            Some(person) => {
                found.persons[*person as usize]
                    .videos
                    .push(found.videos.len() as u32);
                found.videos.push(Video {
                    sample,
                    person: *person,
                    scene: Some(format!("scene-{room}")),
                    room: Some(room),
                });
            }
            None => found.refused.push(Refused {
                sample,
                subject: Some(format!("person-{p:05}")),
                scene: Some(format!("scene-{room}")),
                strata,
                consents: Vec::new(),
                reason: Reason::ConsentPurposeMissing,
            }),
        }
    }
    found
}

fn rule(seed: u64, pairs: Option<u64>, within_subject: u64) -> PairRule {
    PairRule {
        seed,
        pairs,
        within_subject,
        ..PairRule::default()
    }
}

fn split() -> SplitRule {
    SplitRule {
        train: 0.6,
        validation: 0.2,
        test: 0.2,
        ..SplitRule::default()
    }
}

/// What holds of every plan.
fn check(rows: &[PairRow], people: &People) {
    let ids: BTreeSet<_> = rows.iter().map(|r| r.pair_id).collect();
    assert_eq!(ids.len(), rows.len(), "every row has an id of its own");
    let allowed: BTreeMap<SampleId, &Video> = people.videos.iter().map(|v| (v.sample, v)).collect();
    let mut split_of: BTreeMap<&str, Split> = BTreeMap::new();
    let mut group_of: BTreeMap<&str, SampleId> = BTreeMap::new();
    let accepted: BTreeMap<_, _> = rows
        .iter()
        .filter_map(|r| r.accepted().map(|sides| (sides, r)))
        .collect();
    for ((target, source), row) in &accepted {
        // Nobody who did not agree.
        let (t, s) = (allowed[target], allowed[source]);
        let consents = |v: &Video| people.persons[v.person as usize].consents.clone();
        assert_eq!(
            (&row.target_consents, &row.source_consents),
            (&consents(t), &consents(s))
        );
        assert_ne!(target, source);
        assert_eq!(row.within_subject, t.person == s.person);
        assert!(row.within_subject || t.room == s.room);
        // Both directions.
        let back = accepted[&(*source, *target)];
        assert_eq!((&back.code, back.split), (&row.code, row.split));
        assert_ne!(back.direction, row.direction);
        assert_eq!(row.direction == Some(Direction::Forward), target < source);
        // One split and one group a person.
        for subject in [&row.target_subject, &row.source_subject] {
            let subject = subject.as_deref().unwrap();
            let (split, group) = (row.split.unwrap(), row.split_group.unwrap());
            assert_eq!(*split_of.entry(subject).or_insert(split), split);
            assert_eq!(*group_of.entry(subject).or_insert(group), group);
        }
    }
    // What is refused is a row, once.
    for refused in &people.refused {
        let its = rows
            .iter()
            .filter(|r| r.pair_id == fairframe_schemas::PairId::of_video(refused.sample));
        let its: Vec<_> = its.collect();
        assert_eq!(its.len(), 1);
        assert_eq!(
            (its[0].status, &its[0].reasons[..]),
            (refused.reason.status(), &[refused.reason][..])
        );
    }
    // Everybody who may be shown has one split.
    for person in &people.persons {
        let its = rows
            .iter()
            .filter(|r| r.target_subject.as_ref() == Some(&person.id));
        let its = its.filter(|r| r.status == Status::Accepted || r.reasons == [Reason::NoPartner]);
        let splits: BTreeSet<_> = its.map(|r| r.split.unwrap()).collect();
        assert_eq!(splits.len(), 1, "{}", person.id);
    }
    for row in rows.iter().filter(|r| r.status != Status::Accepted) {
        assert!(!row.reasons.is_empty());
    }
}

fn made(people: &People, rule: &PairRule, earlier: Vec<PairRow>) -> Plan {
    let plan = plan(people, rule, &split(), earlier).unwrap();
    check(&plan.rows, people);
    plan
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_plan_is_closed_disjoint_and_consented(
        rooms in prop::collection::vec(prop::collection::vec(0u32..3, 0..5), 0..30),
        refused in prop::collection::btree_set(0usize..30, 0..10),
        gone in prop::collection::btree_set(0usize..30, 0..4),
        pairs in prop::option::of(0u64..300),
        within in 0u64..3,
        seed: u64,
    ) {
        let rule = rule(seed, pairs, within);
        let half = people(&rooms[..rooms.len() / 2], &refused);
        let first = made(&half, &rule, Vec::new());
        prop_assert_eq!(&first.rows, &made(&half, &rule, Vec::new()).rows);

        // More people: what was there stays as it was, bit by bit, but for the names of
        // groups that grew together.
        let whole = people(&rooms, &refused);
        let more = made(&whole, &rule, first.rows.clone());
        let paired = |rows: &[PairRow]| -> Vec<PairRow> {
            rows.iter().filter(|r| r.source_sample.is_some()).cloned().collect()
        };
        let (before, after) = (paired(&first.rows), paired(&more.rows));
        let mut grown = BTreeMap::new();
        for (old, new) in before.iter().zip(&after) {
            let group = *grown.entry(old.split_group).or_insert(new.split_group);
            prop_assert_eq!(group, new.split_group);
            prop_assert_eq!(&PairRow { split_group: old.split_group, ..new.clone() }, old);
        }
        // Again, with the same people: nothing moves.
        prop_assert_eq!(&made(&whole, &rule, more.rows.clone()).rows, &more.rows);

        // Fewer consents: their rows say why, all others stay.
        let refused: BTreeSet<usize> = refused.union(&gone).copied().collect();
        let fewer = made(&people(&rooms, &refused), &rule, more.rows.clone());
        let kept = paired(&fewer.rows);
        let names: BTreeSet<String> = refused.iter().map(|p| format!("person-{p:05}")).collect();
        for (old, new) in after.iter().zip(&kept) {
            prop_assert_eq!(old.pair_id, new.pair_id);
            prop_assert_eq!(old.split, new.split);
            let sides = [&new.target_subject, &new.source_subject];
            let fallen = sides.into_iter().flatten().any(|s| names.contains(s));
            prop_assert_eq!(new.status == Status::Rejected, fallen);
            prop_assert_eq!(new.reasons.is_empty(), !fallen);
        }
    }
}

#[test]
fn strata_are_balanced_within_what_there_is() {
    // 3 regions of 80; tone is known of three in four.
    let people = people(&vec![vec![0, 1, 2]; 240], &BTreeSet::new());
    let rule = rule(1, Some(1000), 0);
    let plan = made(&people, &rule, Vec::new());
    let told = told(&plan, &people, &rule);
    assert_eq!(told.pairs.across, 1000);
    assert_eq!(told.unbalanced, []);
    let asked: Vec<_> = told.splits.values().map(|s| s.asked.unwrap()).collect();
    assert_eq!(asked, [600, 200, 200]);
    for of in told
        .splits
        .values()
        .flat_map(|s| s.strata["region"].values())
    {
        assert!(
            (of.sides as f64 - of.even).abs() <= 0.05 * of.even + 1.0,
            "{of:?}"
        );
    }
}

#[test]
fn what_could_not_be_balanced_says_why() {
    // Of region 2 nobody agreed; person 0 is the only one of region 0.
    let rooms: Vec<Vec<u32>> = (0..61)
        .map(|p| vec![u32::from(p % 3 == 0 && p > 0); 4])
        .collect();
    let refused = (0..61)
        .filter(|p| p % 3 == 2 || (p % 3 == 0 && *p > 0))
        .collect();
    let mut people = people(&rooms, &refused);
    people.strata.truncate(1);
    people.persons.iter_mut().for_each(|p| p.strata.truncate(1));
    people.refused.iter_mut().for_each(|r| r.strata.truncate(1));
    let rule = rule(1, Some(100), 0);
    let all = SplitRule {
        train: 1.0,
        validation: 0.0,
        test: 0.0,
        ..SplitRule::default()
    };
    let plan = plan(&people, &rule, &all, Vec::new()).unwrap();
    let told = told(&plan, &people, &rule);
    let train: Vec<_> = told
        .unbalanced
        .iter()
        .filter(|u| u.split == Split::Train)
        .collect();
    assert_eq!(train.len(), 2);
    assert_eq!(train[0].value, "r0");
    assert_eq!(
        train[0].obstacles,
        [Obstacle::TooFewSubjects, Obstacle::Consent]
    );
    // One of 21 people: of 200 sides four times an even share.
    assert!((30..=42).contains(&train[0].sides), "{}", train[0].sides);
    assert_eq!(train[1].value, "r2");
    assert_eq!(
        train[1].obstacles,
        [Obstacle::NoSubjects, Obstacle::Consent]
    );
    assert_eq!(
        train[1].refused,
        BTreeMap::from([(Reason::ConsentPurposeMissing, 20)])
    );
}

#[test]
fn somebody_with_nobody_to_be_paired_with_is_a_row() {
    let people = people(&[vec![0, 0], vec![0], vec![7, 8]], &BTreeSet::from([1]));
    let plan = made(&people, &rule(0, None, 1), Vec::new());
    let alone: Vec<_> = plan
        .rows
        .iter()
        .filter(|r| r.reasons == [Reason::NoPartner])
        .filter_map(|r| r.target_subject.as_deref())
        .collect();
    assert_eq!(alone, ["person-00000", "person-00002"]);
    // They are in pairs with themselves, for a detector to learn from.
    let within = plan.rows.iter().filter(|r| r.within_subject);
    assert_eq!(within.count(), 4);
}

#[test]
fn too_many_pairs_are_refused_before_they_are_made() {
    let people = people(&vec![vec![0; 100]; 100], &BTreeSet::new());
    let error = plan(&people, &rule(0, None, 0), &split(), Vec::new()).unwrap_err();
    assert!(
        matches!(error, PairError::TooMany(n) if n > 10_000_000),
        "{error}"
    );
}
