//! Duplicates, groups and the order of rows, on rows made here.

use std::collections::BTreeMap;

use super::*;

/// Which of the samples are flagged as near-duplicates, and the group of each.
fn decide(samples: &[(u64, Option<f64>)]) -> (Vec<bool>, Vec<u32>) {
    let mut gathered = Gathered::new(samples.len(), false);
    for (at, (hash, seconds)) in samples.iter().enumerate() {
        let media_type = seconds.map_or(MediaType::Image, |_| MediaType::Video);
        let mut sample = Sample::new("source", &at.to_string(), media_type);
        sample.perceptual_hash = Some(*hash);
        sample.duration_s = *seconds;
        gathered.add(&sample);
    }
    let decisions = gathered.decide(&Dedupe::default(), &SplitRule::default(), &Prior::default());
    (decisions.near, decisions.group)
}

#[test]
fn pictures_alike_stand_in_one_group() {
    let (near, group) = decide(&[(0, None), (0b11_1111, None), (0b111_1111 << 20, None)]);
    assert_eq!(near, [true, true, false]);
    assert_eq!(group[0], group[1]);
    assert_ne!(group[0], group[2]);
}

#[test]
fn videos_alike_are_near_only_when_as_long_as_each_other() {
    // Whatever the offset, a difference of 0.1 s is found.
    for step in 0..40 {
        let seconds = 2.0 + f64::from(step) * 0.01;
        let (near, group) = decide(&[(7, Some(seconds)), (5, Some(seconds + 0.0999))]);
        assert_eq!(near, [true, true], "{seconds}");
        assert_eq!(group[0], group[1]);
        let (near, group) = decide(&[(7, Some(seconds)), (5, Some(seconds + 0.201))]);
        assert_eq!(near, [false, false], "{seconds}");
        assert_ne!(group[0], group[1]);
    }
}

#[test]
fn a_video_is_no_near_duplicate_of_a_picture() {
    let (near, _) = decide(&[(7, Some(0.0)), (7, None)]);
    assert_eq!(near, [false, false]);
}

/// A sample with a media file of these bytes.
fn media(key: &str, bytes: &str) -> Sample {
    let mut sample = Sample::new("source", key, MediaType::Image);
    sample.media_sha256 = Some(Digest::of(bytes.as_bytes()));
    sample
}

/// Keys of `source`, in the order of the samples' ids.
fn keys(n: usize) -> Vec<String> {
    let mut keys: Vec<String> = (0..n).map(|k| k.to_string()).collect();
    keys.sort_by_key(|k| SampleId::new("source", k));
    keys
}

fn prior(rows: &[Sample]) -> Prior {
    Prior {
        version: Some(fairframe_schemas::DatasetVersion::FIRST),
        rows: rows.iter().map(|s| (s.sample_id, s.into())).collect(),
        recall: None,
    }
}

/// The samples as decided, by key.
fn decided(mut samples: Vec<Sample>, by_creator: bool, prior: &Prior) -> BTreeMap<String, Sample> {
    samples.sort_by_key(|s| s.sample_id);
    let mut gathered = Gathered::new(samples.len(), by_creator);
    for sample in &samples {
        gathered.add(sample);
    }
    let decisions = gathered.decide(&Dedupe::default(), &SplitRule::default(), prior);
    for (at, sample) in samples.iter_mut().enumerate() {
        decisions.apply(at as u32, sample);
        assert_eq!(
            sample.split.is_some(),
            sample.status == Status::Accepted,
            "what is accepted has a split, and nothing else"
        );
        assert_eq!(sample.split.is_some(), sample.split_group.is_some());
    }
    let by_key = samples.into_iter().map(|s| (s.source_key.clone(), s));
    by_key.collect()
}

/// Which samples stand in one group, as sets of keys; those alone are left out.
fn groups(samples: Vec<Sample>, by_creator: bool) -> BTreeSet<Vec<String>> {
    let mut groups: BTreeMap<String, Vec<(String, Option<Split>)>> = BTreeMap::new();
    for (key, sample) in decided(samples, by_creator, &Prior::default()) {
        if let Some(group) = sample.split_group {
            groups.entry(group).or_default().push((key, sample.split));
        }
    }
    let shared = groups.into_values().filter(|g| g.len() > 1);
    shared
        .map(|group| {
            let split = group[0].1;
            assert!(group.iter().all(|(_, s)| *s == split), "torn: {group:?}");
            group.into_iter().map(|(key, _)| key).collect()
        })
        .collect()
}

fn sets(expected: &[&[&str]]) -> BTreeSet<Vec<String>> {
    let set = |keys: &&[&str]| keys.iter().map(|k| (*k).to_owned()).collect();
    expected.iter().map(set).collect()
}

#[test]
fn of_equal_bytes_the_first_by_id_stays() {
    let keys = keys(4);
    let all = keys.iter().map(|k| media(k, "same")).collect();
    let rows = decided(all, true, &Prior::default());
    assert_eq!(
        (rows[&keys[0]].status, rows[&keys[0]].reasons.as_slice()),
        (Status::Accepted, &[][..])
    );
    for key in &keys[1..] {
        let row = &rows[key];
        assert_eq!(
            (row.status, row.reasons.as_slice()),
            (Status::Rejected, &[Reason::DuplicateExact][..])
        );
    }
}

#[test]
fn what_has_no_bytes_or_is_refused_anyway_duplicates_nothing() {
    let keys = keys(5);
    let mut refused = media(&keys[0], "same");
    refused.add_reason(Reason::LicenceNotAllowed);
    let record = |key: &str| Sample::new("source", key, MediaType::Image);
    let all = vec![
        refused,
        media(&keys[1], "same"),
        media(&keys[2], "other"),
        record(&keys[3]),
        record(&keys[4]),
    ];
    let rows = decided(all, true, &Prior::default());
    assert_eq!(rows[&keys[0]].reasons, [Reason::LicenceNotAllowed]);
    for key in &keys[1..] {
        assert_eq!(rows[key].status, Status::Accepted, "{key}");
    }
}

#[test]
fn a_sample_released_before_stays_when_its_duplicate_appears() {
    let keys = keys(3);
    let all = || keys.iter().map(|k| media(k, "same")).collect::<Vec<_>>();
    let stays = |released: &[&str], refused: &[&str]| {
        let mut before: Vec<Sample> = released.iter().map(|k| media(k, "same")).collect();
        for sample in &mut before {
            sample.split = Some(Split::Test);
        }
        before.extend(refused.iter().map(|k| {
            let mut sample = media(k, "same");
            sample.add_reason(Reason::DuplicateExact);
            sample
        }));
        let rows = decided(all(), true, &prior(&before));
        let mut stays = rows.values().filter(|s| s.status == Status::Accepted);
        let stayed = stays.next().expect("one stays");
        assert!(stays.next().is_none(), "one only");
        if !released.is_empty() {
            assert_eq!(stayed.split, Some(Split::Test), "its split stays too");
        }
        stayed.source_key.clone()
    };
    let [a, b, c] = [0, 1, 2].map(|at: usize| keys[at].as_str());
    assert_eq!(stays(&[], &[]), a);
    for released in [a, b, c] {
        let others: Vec<&str> = [a, b, c].into_iter().filter(|k| *k != released).collect();
        assert_eq!(stays(&[released], &[]), released);
        assert_eq!(stays(&[released], &others), released);
    }
    // Both were released, before they had the same bytes: the first by id.
    assert_eq!(stays(&[b, c], &[]), b);
    // Refused before is not released.
    assert_eq!(stays(&[], &[b]), a);
}

#[test]
fn subjects_creators_and_parents_hold_samples_together() {
    let plain = |key: &str| Sample::new("source", key, MediaType::Image);
    let by = |key: &str, creator: &str| {
        let mut sample = plain(key);
        sample.creator = Some(creator.into());
        sample
    };
    let of = |key: &str, subjects: &[&str]| {
        let mut sample = plain(key);
        sample.subject_ids = subjects.iter().map(|s| (*s).to_owned()).collect();
        sample
    };
    let from = |key: &str, parents: &[&str]| {
        let mut sample = plain(key);
        sample.derived_from = parents.iter().map(|p| SampleId::new("source", p)).collect();
        sample
    };
    let elsewhere = |mut sample: Sample| {
        sample.source = "elsewhere".into();
        sample.sample_id = SampleId::new("elsewhere", &sample.source_key);
        sample
    };
    let refused = |mut sample: Sample| {
        sample.add_reason(Reason::LicenceUnknown);
        sample
    };
    type Row<'a> = (&'a str, Vec<Sample>, bool, &'a [&'a [&'a str]]);
    #[rustfmt::skip]
    let cases: Vec<Row> = vec![
        ("nothing in common", vec![plain("a"), plain("b")], true, &[]),
        ("one creator", vec![by("a", "x"), by("b", "x"), by("c", "y")], true, &[&["a", "b"]]),
        ("creators do not count", vec![by("a", "x"), by("b", "x")], false, &[]),
        ("a name is another's in another source", vec![by("a", "x"), elsewhere(by("b", "x"))], true, &[]),
        ("one subject", vec![of("a", &["p"]), of("b", &["p"]), of("c", &["q"])], false, &[&["a", "b"]]),
        ("a subject is no creator", vec![of("a", &["p"]), by("b", "p")], true, &[]),
        ("a pseudonym is another's in another source", vec![of("a", &["p"]), elsewhere(of("b", &["p"]))], true, &[]),
        ("a chain over two subjects", vec![of("a", &["p"]), of("b", &["p", "q"]), of("c", &["q"])], false, &[&["a", "b", "c"]]),
        ("a chain over subject and creator", vec![of("a", &["p"]), { let mut s = of("b", &["p"]); s.creator = Some("x".into()); s }, by("c", "x")], true, &[&["a", "b", "c"]]),
        ("what is refused holds nothing together", vec![of("a", &["p"]), refused(of("b", &["p", "q"])), of("c", &["q"])], false, &[]),
        ("child and parent", vec![plain("a"), from("b", &["a"]), plain("c")], false, &[&["a", "b"]]),
        ("whichever comes first", vec![from("a", &["b"]), plain("b"), plain("c")], false, &[&["a", "b"]]),
        ("a pairing and its reverse", vec![plain("a"), plain("b"), from("ab", &["a", "b"]), from("ba", &["b", "a"])], false, &[&["a", "ab", "b", "ba"]]),
        ("children of a parent that is not there", vec![from("a", &["z"]), from("b", &["z"])], false, &[&["a", "b"]]),
        ("grandchildren", vec![plain("a"), from("b", &["a"]), from("c", &["b"])], false, &[&["a", "b", "c"]]),
    ];
    for (name, samples, by_creator, expected) in cases {
        let mut reversed = samples.clone();
        reversed.reverse();
        assert_eq!(groups(samples, by_creator), sets(expected), "{name}");
        assert_eq!(groups(reversed, by_creator), sets(expected), "{name}");
    }
}

/// `a` and `b` show p, `c` has b's bytes and shows q as `d` does, `e` looks like `d`,
/// and `f` was made from `e`: one group, although `b` or `c` does not stay.
#[test]
fn groups_grow_together_over_duplicates_too() {
    let keys = keys(6);
    for turn in 0..6 {
        // Each sample comes at each place of the order of ids.
        let key = |at: usize| keys[(at + turn) % 6].as_str();
        let [mut a, mut b, mut c, mut d, mut e, mut f] =
            [0, 1, 2, 3, 4, 5].map(|at| media(key(at), &at.to_string()));
        c.media_sha256 = b.media_sha256;
        (a.subject_ids, b.subject_ids) = (vec!["p".into()], vec!["p".into()]);
        (c.subject_ids, d.subject_ids) = (vec!["q".into()], vec!["q".into()]);
        (d.perceptual_hash, e.perceptual_hash) = (Some(0), Some(0b11_1111));
        f.derived_from = vec![e.sample_id];
        let rows = decided(vec![a, b, c, d, e, f], false, &Prior::default());
        let with = |r: Reason| rows.values().filter(move |s| s.reasons.contains(&r));
        assert_eq!(with(Reason::DuplicateExact).count(), 1);
        assert_eq!(with(Reason::DuplicateNear).count(), 2);
        let stay: Vec<_> = rows.values().filter(|s| s.split.is_some()).collect();
        assert_eq!(stay.len(), 5);
        assert!(
            stay.iter()
                .all(|s| s.split == stay[0].split && s.split_group == stay[0].split_group)
        );
    }
}

#[test]
fn rows_stand_by_region_country_and_id_and_the_unknown_last() {
    let keys = keys(7);
    let at = |key: &str, region: Option<&str>, country: Option<&str>| {
        let mut sample = media(key, key);
        (sample.region, sample.country) = (region.map(Into::into), country.map(Into::into));
        sample
    };
    let (europe, africa) = (Some("Europe"), Some("Africa"));
    let samples = [
        at(&keys[0], None, None),
        at(&keys[1], europe, None),
        at(&keys[2], europe, Some("DE")),
        at(&keys[3], africa, Some("KE")),
        at(&keys[4], europe, Some("DE")),
        at(&keys[5], africa, Some("DZ")),
        at(&keys[6], europe, Some("AT")),
    ];
    let mut gathered = Gathered::new(samples.len(), false);
    for sample in &samples {
        gathered.add(sample);
    }
    let decisions = gathered.decide(&Dedupe::default(), &SplitRule::default(), &Prior::default());
    assert_eq!(decisions.order(), [5, 3, 6, 2, 4, 1, 0]);
    assert_eq!(decisions.id(5), samples[5].sample_id);
}
