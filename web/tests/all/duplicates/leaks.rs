//! What stands in two splits, and all of it against a plain walk.

use super::*;

#[tokio::test]
async fn leaks_are_said_and_are_those_that_verify_finds() {
    let mut desk = Desk::new().await;
    let text = page(&mut desk.site.visitor(), "").await;
    let leaks = text
        .split("<ul class=\"plain-list leaks\">")
        .nth(1)
        .unwrap();
    let leaks = leaks.split("</ul>").next().unwrap();
    assert_eq!(leaks.matches("<li>").count(), 2, "{leaks}");
    assert!(
        leaks.contains("Subject") && leaks.contains("subject=p-01"),
        "{leaks}"
    );
    assert!(
        leaks.contains("Made from") && leaks.contains(&desk.id("clip")),
        "{leaks}"
    );
    assert!(leaks.contains("train (1 sample)") && leaks.contains("test (1 sample)"));
    page(&mut desk.mira, "").await;

    // `fairframe verify --splits` of the same rows as a list.
    let folder = tempfile::tempdir().unwrap();
    let mut list = String::from("video,split,original,subject_ids\n");
    let standing = desk.samples.iter().filter(|s| s.status == Status::Accepted);
    for s in standing {
        let parent = s.derived_from.first().map(SampleId::to_string);
        list.push_str(&format!(
            "{},{},{},{}\n",
            s.sample_id,
            s.split.unwrap(),
            parent.unwrap_or_default(),
            s.subject_ids.join("|")
        ));
    }
    let path = folder.path().join("list.csv");
    std::fs::write(&path, list).unwrap();
    let verified = verify_splits(&[path], None).unwrap();
    let counts: BTreeMap<&str, u64> = verified.counts.into_iter().collect();
    assert_eq!(
        counts,
        BTreeMap::from([("identity", 1), ("source-video", 1)])
    );

    // Without splits there is nothing to leak.
    let site = Site::new().await;
    let mut samples = rows();
    samples.iter_mut().for_each(|s| s.split = None);
    crate::support::publish(&site.layout, release(samples));
    let text = page(&mut site.visitor(), "").await;
    assert!(
        text.contains("No sample of this release has a split"),
        "{text}"
    );
}

/// Clusters and leaks of rows drawn at random, against every pair compared.
#[test]
fn clusters_and_leaks_are_those_of_a_plain_walk() {
    let mut state = 7u64;
    let mut random = move |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % n
    };
    let mut rows: Vec<Sample> = (0..250)
        .map(|at| {
            let split = Split::ALL[random(3) as usize];
            let flips = (0..random(4)).fold(0, |bits, _| bits | 1u64 << random(64));
            let mut s = sample(&at.to_string(), far(random(40) as u32) ^ flips, split);
            if random(9) == 0 {
                s.media_sha256 = Some(Digest::of(&[random(6) as u8]));
            }
            if random(5) == 0 {
                s.subject_ids = vec![format!("p-{}", random(12))];
            }
            if random(6) == 0 {
                s.derived_from = vec![SampleId::new("drop", &random(250).to_string())];
            }
            if random(8) == 0 {
                s.split_group = Some(format!("g{}", random(5)));
            }
            if random(4) == 0 {
                s.media_type = MediaType::Video;
                s.duration_s = Some(random(3) as f64);
            }
            match random(12) {
                0 => s.add_reason(Reason::LicenceNotAllowed),
                1 => s.add_reason(Reason::DuplicateExact),
                2 => s.add_reason(Reason::PlaceContradiction),
                3 => s.add_reason(Reason::CuratorRejected),
                _ => {}
            }
            s
        })
        .collect();
    rows.sort_by_key(|s| (s.status != Status::Accepted, s.sample_id));
    let root = tempfile::tempdir().unwrap();
    let layout = fairframe_schemas::Layout::new(root.path());
    crate::support::publish(&layout, release(rows.clone()));
    let name = fairframe_schemas::Name::new("photos").unwrap();
    let folder = layout.release(&name, crate::support::version("1.0.0"));
    let index = Index::build(&folder, &BTreeSet::new()).unwrap();
    let nothing = Overlay::default();

    for scope in [Scope::Accepted, Scope::All] {
        let view = View::new(&index, scope, &nothing);
        let counts = |s: &&Sample| match scope {
            Scope::Accepted => s.status == Status::Accepted,
            Scope::All => {
                matches!(s.status, Status::Accepted | Status::Quarantined)
                    || s.reasons.contains(&Reason::DuplicateExact)
                    || s.reasons.contains(&Reason::CuratorRejected)
            }
        };
        let members: Vec<&Sample> = rows.iter().filter(counts).collect();
        let asked = [Alike::Exact].into_iter().chain(WITHIN.map(Alike::Near));
        for alike in asked {
            let together = |a: &Sample, b: &Sample| {
                let same = a.media_sha256 == b.media_sha256;
                let Alike::Near(within) = alike else {
                    return same;
                };
                let near = (a.perceptual_hash.unwrap() ^ b.perceptual_hash.unwrap()).count_ones();
                let plain = a.derived_from.is_empty() && b.derived_from.is_empty();
                let length = a.media_type == b.media_type && a.duration_s == b.duration_s;
                same || (plain && length && near <= within)
            };
            let mut label: Vec<usize> = (0..members.len()).collect();
            let mut moved = true;
            while moved {
                moved = false;
                for a in 0..members.len() {
                    for b in 0..members.len() {
                        if label[a] < label[b] && together(members[a], members[b]) {
                            label[b] = label[a];
                            moved = true;
                        }
                    }
                }
            }
            let mut expected: BTreeMap<usize, BTreeSet<SampleId>> = BTreeMap::new();
            for (at, s) in members.iter().enumerate() {
                expected.entry(label[at]).or_default().insert(s.sample_id);
            }
            let expected: BTreeSet<BTreeSet<SampleId>> =
                expected.into_values().filter(|c| c.len() > 1).collect();
            let found = view.clusters(alike);
            let found: BTreeSet<BTreeSet<SampleId>> = found
                .iter()
                .map(|c| c.iter().map(|row| index.id(*row)).collect())
                .collect();
            assert!(!expected.is_empty());
            assert_eq!(found, expected, "{scope:?} {alike:?}");
        }

        // Leaks: of what was accepted, whoever looks.
        let mut ties: BTreeMap<(Shared, String), BTreeMap<String, BTreeSet<SampleId>>> =
            BTreeMap::new();
        let accepted: Vec<&Sample> = rows
            .iter()
            .filter(|s| s.status == Status::Accepted)
            .collect();
        let parents: BTreeSet<SampleId> =
            rows.iter().flat_map(|s| s.derived_from.clone()).collect();
        for s in &accepted {
            let mut keys: Vec<(Shared, String)> = Vec::new();
            keys.extend(s.subject_ids.iter().map(|p| (Shared::Subject, p.clone())));
            keys.extend(
                s.derived_from
                    .iter()
                    .map(|p| (Shared::Parent, p.to_string())),
            );
            if parents.contains(&s.sample_id) {
                keys.push((Shared::Parent, s.sample_id.to_string()));
            }
            keys.extend(s.split_group.clone().map(|g| (Shared::SplitGroup, g)));
            keys.extend(s.media_sha256.map(|d| (Shared::Bytes, d.to_string())));
            for key in keys {
                let splits = ties.entry(key).or_default();
                let split = splits.entry(s.split.unwrap().to_string());
                split.or_default().insert(s.sample_id);
            }
        }
        type Counts = BTreeMap<String, u64>;
        let mut expected: Vec<(Shared, Counts)> = ties
            .into_iter()
            .filter(|(_, splits)| splits.len() > 1)
            .map(|((shared, _), splits)| {
                let counts = splits.into_iter().map(|(w, ids)| (w, ids.len() as u64));
                (shared, counts.collect())
            })
            .collect();
        let leaks = view.leaks();
        let mut found: Vec<(Shared, Counts)> = leaks
            .iter()
            .map(|leak| {
                let counts = leak
                    .splits
                    .iter()
                    .map(|(w, rows)| (w.clone(), rows.len() as u64));
                (leak.shared, counts.collect())
            })
            .collect();
        expected.sort();
        found.sort();
        assert!(!expected.is_empty());
        assert_eq!(found, expected, "{scope:?}");

        // What is withdrawn since takes its part in leaks with it.
        let gone = Change {
            status: Some(Status::Withdrawn),
            ..Change::default()
        };
        let first: Vec<u32> = leaks
            .iter()
            .flat_map(|l| l.splits.values().next().cloned())
            .flatten()
            .collect();
        let overlay = Overlay {
            revision: 1,
            changes: first
                .iter()
                .map(|row| (index.id(*row), gone.clone()))
                .collect(),
        };
        let left = View::new(&index, scope, &overlay).leaks();
        assert!(left.len() < leaks.len());
        let mut rows = left.iter().flat_map(|leak| leak.splits.values()).flatten();
        assert!(rows.all(|row| !first.contains(row)));
        assert!(left.iter().all(|leak| leak.splits.len() > 1));
    }
}
