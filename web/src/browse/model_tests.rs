//! What an index answers is what a walk over the rows finds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike};
use fairframe_ingest::manifest::{ManifestWriter, Stamp};
use fairframe_schemas::{
    ConsentState, DatasetVersion, Label, Manipulation, MediaType, Name, PlaceOrigin, Purpose,
    Reason, Sample, SampleId, Split, Status,
};
use proptest::prelude::*;

use super::*;

/// Picks by a byte; none where it is of the upper quarter.
fn pick<T: Clone>(byte: u8, of: &[T]) -> Option<T> {
    (byte < 192).then(|| of[byte as usize % of.len()].clone())
}

fn text(byte: u8, of: &[&str]) -> Option<String> {
    pick(byte, of).map(str::to_owned)
}

const LABELS: [&str; 5] = ["tree", "Q1", "a & b", "日本", "<b>"];
const COUNTRIES: [&str; 4] = ["IT", "FR", "NA", "FJ"];
const LICENCES: [&str; 3] = ["CC0-1.0", "CC-BY-4.0", "LicenseRef-x"];
const TITLES: [&str; 5] = ["Old Castle", "castle", "ÉGLISE Saint-Paul", "x\ny", ""];
const CREATORS: [&str; 3] = ["Ana Ruiz", "castle keeper", "م"];
const WORDS: [&str; 6] = ["castle", "OLD cas", "église", "\"x y\"", "nothing", "s"];
const GROUPS: [&str; 3] = ["g1", "g2", "g3"];

fn sample(at: usize, bytes: &[u8; 24]) -> Sample {
    let mut s = Sample::new(
        "drop",
        &at.to_string(),
        MediaType::ALL[bytes[0] as usize % 4],
    );
    s.width = pick(bytes[1], &[0, 10, 200, 4000]);
    s.height = pick(bytes[2], &[0, 10, 300, 4000]);
    s.bytes = pick(bytes[3], &[0, 5, i64::MAX / 2]);
    s.duration_s = pick(bytes[4], &[0.0, 1.5, 60.0]);
    s.mime = text(bytes[5], &["image/jpeg", "video/mp4"]);
    s.title = text(bytes[6], &TITLES);
    s.creator = text(bytes[7], &CREATORS);
    s.description = text(bytes[8], &["An old wall.", "Paul"]);
    s.licence = text(bytes[9], &LICENCES);
    s.country = text(bytes[10], &COUNTRIES);
    s.region = text(bytes[10], &["Europe", "Europe", "Africa", "Oceania"]);
    s.latitude = pick(bytes[11], &[-90.0, -18.0, 0.0, 43.5, 90.0]);
    s.longitude = s
        .latitude
        .and_then(|_| pick(bytes[12] % 192, &[-180.0, -179.5, 0.0, 179.5, 180.0]));
    s.place_origin = pick(bytes[11], PlaceOrigin::ALL);
    let moment = |day: i64| DateTime::from_timestamp(day * 86_400 + 80_000, 0).unwrap();
    s.captured_at = pick(bytes[13], &[-400, -1, 0, 16_000, 16_400]).map(moment);
    s.labels = (0..bytes[14] % 4)
        .map(|n| Label {
            label: LABELS[(bytes[15].wrapping_add(n) % 5) as usize].to_owned(),
            confidence: None,
            origin: "human".to_owned(),
        })
        .collect();
    s.split = pick(bytes[16], Split::ALL);
    s.split_group = text(bytes[17], &GROUPS);
    s.consent_state = pick(bytes[18], ConsentState::ALL);
    s.consent_purposes =
        pick(bytes[18], &[vec![Purpose::Train, Purpose::Collect], vec![]]).unwrap_or_default();
    s.perceptual_hash = pick(bytes[19], &[0, 1, 7, u64::MAX]);
    s.sharpness = pick(bytes[3], &[0.0, 12.34, 9_999.0]);
    s.luminance = pick(bytes[4], &[0.0, 0.25, 1.0]);
    if bytes[20] > 200 {
        s.derived_from = vec![SampleId::new("drop", &(bytes[20] - 200).to_string())];
        s.manipulation = Some(Manipulation {
            method: "blend".to_owned(),
            target_sample: s.derived_from[0],
            source_sample: s.derived_from[0],
            mask_sha256: None,
            compression: text(bytes[21], &["c23", "c40"]),
            parameters: None,
        });
    }
    for n in 0..bytes[22] % 3 {
        s.add_reason(Reason::ALL[(bytes[23].wrapping_add(n * 40)) as usize % Reason::ALL.len()]);
    }
    s
}

/// What is seen of a sample that was withdrawn.
fn scrubbed(sample: &Sample) -> Sample {
    let mut s = Sample::new("drop", "", MediaType::Image);
    s.sample_id = sample.sample_id;
    s.status = Status::Withdrawn;
    s.reasons = sample.reasons.clone();
    s
}

fn words(s: &Sample, facet: Facet) -> Vec<String> {
    let gone = s.status == Status::Withdrawn;
    let one = |word: Option<&str>| vec![word.unwrap_or_default().to_owned()];
    let list = |words: Vec<&str>| match words.is_empty() {
        true => one(None),
        false => BTreeSet::from_iter(words)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    };
    match facet {
        Facet::Status => one(Some(s.status.as_str())),
        Facet::Reason => list(s.reasons.iter().map(|r| r.code()).collect()),
        _ if gone => one(None),
        Facet::Region => one(s.region.as_deref()),
        Facet::Subregion => one(s.subregion.as_deref()),
        Facet::Country => one(s.country.as_deref()),
        Facet::Place => one(Some(match (s.latitude, &s.country, &s.region) {
            (Some(_), ..) => "coordinates",
            (None, None, None) => "unknown",
            _ => "area",
        })),
        Facet::PlaceOrigin => one(s.place_origin.map(|p| p.as_str())),
        Facet::Year => vec![
            s.captured_at
                .map_or(String::new(), |at| at.year().to_string()),
        ],
        Facet::Licence => one(s.licence.as_deref()),
        Facet::Label => list(s.labels.iter().map(|l| l.label.as_str()).collect()),
        Facet::MediaType => one(Some(s.media_type.as_str())),
        Facet::Mime => one(s.mime.as_deref()),
        Facet::Source => one(Some(&s.source)),
        Facet::Split => one(s.split.map(|p| p.as_str())),
        Facet::Consent => one(s.consent_state.map(|c| c.as_str())),
        Facet::Purpose => list(s.consent_purposes.iter().map(|p| p.as_str()).collect()),
        Facet::Restriction => list(s.restrictions.iter().map(String::as_str).collect()),
        Facet::OptOut => list(s.opt_out.iter().map(String::as_str).collect()),
        Facet::Method => one(s.manipulation.as_ref().map(|m| m.method.as_str())),
        Facet::Compression => one(s
            .manipulation
            .as_ref()
            .and_then(|m| m.compression.as_deref())),
        Facet::Creator => one(s.creator.as_deref()),
        Facet::Subject => list(s.subject_ids.iter().map(String::as_str).collect()),
    }
}

fn number(s: &Sample, number: Number) -> Option<f64> {
    if s.status == Status::Withdrawn {
        return None;
    }
    let size = || Some((f64::from(s.width?), f64::from(s.height?)));
    match number {
        Number::Width => s.width.map(f64::from),
        Number::Height => s.height.map(f64::from),
        Number::Bytes => s.bytes.map(|b| b as f64),
        Number::Duration => s.duration_s,
        Number::Captured => s
            .captured_at
            .map(|at| at.timestamp().div_euclid(86_400) as f64),
        Number::Latitude => s.latitude,
        Number::Longitude => s.longitude,
        Number::Pixels => size().map(|(w, h)| w * h),
        Number::Sharpness => s.sharpness,
        Number::Luminance => s.luminance,
        Number::Aspect => size().map(|(w, h)| w / h).filter(|a| a.is_finite()),
        Number::Elongation => size()
            .map(|(w, h)| w.max(h) / w.min(h))
            .filter(|a| a.is_finite()),
    }
}

fn holds(s: &Sample, filter: &Filter, but: Option<Facet>) -> bool {
    let gone = s.status == Status::Withdrawn;
    let facets = filter
        .words
        .iter()
        .filter(|(facet, _)| Some(**facet) != but);
    let by_words = facets.into_iter().all(|(facet, choice)| {
        let own = words(s, *facet);
        let any = |set: &BTreeSet<String>| own.iter().any(|w| set.contains(w));
        (choice.any.is_empty() || any(&choice.any)) && !any(&choice.none)
    });
    let by_range = filter.ranges.iter().all(|(n, range)| {
        number(s, *n).is_some_and(|v| {
            range.min.is_none_or(|min| min <= v) && range.max.is_none_or(|max| v <= max)
        })
    });
    let by_area = filter.area.is_none_or(|a| {
        let (Some(lat), Some(lon)) = (s.latitude, s.longitude) else {
            return false;
        };
        let wide = if a.west <= a.east {
            a.west <= lon && lon <= a.east
        } else {
            lon >= a.west || lon <= a.east
        };
        !gone && wide && a.south <= lat && lat <= a.north
    });
    let by_group = filter.group.is_none() || (!gone && s.split_group == filter.group);
    let hay = [&s.title, &s.creator, &s.description].map(|t| {
        t.clone()
            .unwrap_or_default()
            .to_lowercase()
            .replace('\n', " ")
    });
    let by_text = filter
        .needles()
        .iter()
        .all(|n| !gone && hay.iter().any(|h| h.contains(n.as_str())));
    by_words && by_range && by_area && by_group && by_text
}

fn filter(parts: &[[u8; 4]]) -> Filter {
    let mut pairs = Vec::new();
    for [kind, a, b, _] in parts {
        let facet = Facet::ALL[*a as usize % Facet::ALL.len()];
        let of_facet: Vec<&str> = match facet {
            Facet::Country => COUNTRIES.to_vec(),
            Facet::Label => LABELS.iter().copied().chain(["new"]).collect(),
            Facet::Licence => LICENCES.to_vec(),
            Facet::Creator => CREATORS.to_vec(),
            Facet::Year => vec!["1969", "2013", "2014"],
            _ => facet
                .known()
                .unwrap_or_else(|| vec!["Europe", "image/jpeg", "blend", "c23", "no such"]),
        };
        let word = pick(*b, &of_facet).unwrap_or_default().to_owned();
        pairs.push(match kind % 8 {
            0..3 => (facet.key().to_owned(), word),
            3 => (format!("{}!", facet.key()), word),
            4 => (
                "text".to_owned(),
                WORDS[*b as usize % WORDS.len()].to_owned(),
            ),
            5 => {
                let number = Number::ALL[*a as usize % Number::ALL.len()];
                let end = ["min", "max"][*b as usize % 2];
                let at = match number {
                    Number::Captured => ["1970", "2013-10-22", "2014-11"][*b as usize % 3],
                    _ => ["0", "10", "-18", "1.5"][*b as usize % 4],
                };
                (format!("{}-{end}", number.key()), at.to_owned())
            }
            6 => (
                "box".to_owned(),
                ["-90,170,50,-170", "0,-10,90,10", "-90,-180,90,180"][*b as usize % 3].to_owned(),
            ),
            _ => ("group".to_owned(), GROUPS[*b as usize % 3].to_owned()),
        });
    }
    Filter::parse(&pairs, &[]).unwrap()
}

fn change(bytes: &[u8; 4]) -> Change {
    Change {
        status: pick(bytes[0], Status::ALL),
        reasons: pick(
            bytes[1],
            &[
                vec![],
                vec![Reason::OptOut],
                vec![Reason::Withdrawn, Reason::OptOut],
            ],
        ),
        labels: pick(
            bytes[2],
            &[
                vec![],
                vec!["tree".to_owned()],
                vec!["new".to_owned(), "Q1".to_owned()],
            ],
        ),
    }
}

fn changed(s: &mut Sample, change: &Change) {
    s.status = change.status.unwrap_or(s.status);
    if let Some(reasons) = &change.reasons {
        s.reasons = reasons.clone();
    }
    if let Some(labels) = &change.labels {
        let label = |l: &String| Label {
            label: l.clone(),
            confidence: None,
            origin: String::new(),
        };
        s.labels = labels.iter().map(label).collect();
    }
}

fn counted<'a>(groups: impl Iterator<Item = Vec<String>> + 'a) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    groups
        .flatten()
        .for_each(|word| *counts.entry(word).or_insert(0) += 1);
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_answers_as_a_walk_over_the_rows(
        rows in prop::collection::vec(any::<[u8; 24]>(), 0..90),
        filters in prop::collection::vec(prop::collection::vec(any::<[u8; 4]>(), 0..4), 4),
        changes in prop::collection::vec(any::<([u8; 4], u8)>(), 0..6),
        withdrawn in prop::collection::vec(any::<u8>(), 0..3),
        block_rows in 1..70u64,
        pages in any::<[u8; 3]>(),
        all in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let kept = tempfile::tempdir().unwrap();
        let stamp = Stamp { dataset: Name::new("d").unwrap(), version: DatasetVersion::FIRST, recall_version: 0 };
        let mut writer = ManifestWriter::create(folder.path(), &kept.path().join("r"), stamp).unwrap();
        let mut samples: Vec<Sample> = rows.iter().enumerate().map(|(at, bytes)| sample(at, bytes)).collect();
        samples.sort_by_key(|s| s.status != Status::Accepted);
        samples.iter().for_each(|s| writer.add(s.clone()).unwrap());
        writer.finish().unwrap();

        let withdrawn: BTreeSet<SampleId> = withdrawn.iter().map(|n| SampleId::new("drop", &n.to_string())).collect();
        let index = Index::in_blocks(folder.path(), &withdrawn, block_rows).unwrap();
        prop_assert_eq!(index.rows() as usize, samples.len());
        let accepted = samples.iter().filter(|s| s.status == Status::Accepted).count();
        prop_assert_eq!(index.accepted() as usize, accepted);
        let changes = changes.iter().map(|(bytes, at)| (SampleId::new("drop", &(at % 100).to_string()), change(bytes)));
        let overlay = Overlay { revision: 3, changes: changes.collect() };

        // What is seen, row by row.
        let mut seen: Vec<Sample> = samples.iter().map(|s| match withdrawn.contains(&s.sample_id) || s.status == Status::Withdrawn {
            true => scrubbed(s),
            false => s.clone(),
        }).collect();
        for s in &mut seen {
            if let Some(change) = overlay.changes.get(&s.sample_id).filter(|_| s.status != Status::Withdrawn) {
                changed(s, change);
                if change.status == Some(Status::Withdrawn) {
                    *s = scrubbed(s);
                }
            }
        }
        let scope = if all { Scope::All } else { Scope::Accepted };
        seen.truncate(if all { samples.len() } else { accepted });
        let view = View::new(&index, scope, &overlay);

        for parts in &filters {
            let filter = filter(parts);
            // Its text is the same filter.
            let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(
                &format!("/?{filter}").parse().unwrap()).unwrap().0;
            prop_assert_eq!(&Filter::parse(&pairs, &[]).unwrap(), &filter);

            let held: Vec<u32> = (0..seen.len()).filter(|at| holds(&seen[*at], &filter, None)).map(|at| at as u32).collect();
            prop_assert_eq!(&view.rows(&filter), &held, "{}", filter);
            prop_assert_eq!(view.count(&filter), held.len() as u64);
            let ids: Vec<SampleId> = held.iter().map(|row| seen[*row as usize].sample_id).collect();
            prop_assert_eq!(view.ids(&filter), ids);

            let by = Number::ALL.get(pages[2] as usize % (Number::ALL.len() + 1)).copied();
            let sort = Sort { by, falling: pages[2] > 127 };
            let mut sorted = held.clone();
            sorted.sort_by(|a, b| {
                let value = |row: &u32| by.and_then(|n| number(&seen[*row as usize], n));
                match (value(a), value(b)) {
                    _ if by.is_none() => if sort.falling { b.cmp(a) } else { a.cmp(b) },
                    (Some(x), Some(y)) => if sort.falling { y.total_cmp(&x) } else { x.total_cmp(&y) }.then(a.cmp(b)),
                    (x, y) => y.is_some().cmp(&x.is_some()).then(a.cmp(b)),
                }
            });
            let start = u64::from(pages[0] % 20);
            let end = start + u64::from(pages[1] % 20);
            let found = view.query(&filter, sort, start..end, Facet::ALL);
            prop_assert_eq!(found.total, held.len() as u64);
            let page: Vec<u32> = sorted.iter().skip(start as usize).take((end - start) as usize).copied().collect();
            prop_assert_eq!(&found.rows, &page, "{:?}", sort);
            for counts in &found.facets {
                let others = seen.iter().filter(|s| holds(s, &filter, Some(counts.facet)));
                let expected = counted(others.map(|s| words(s, counts.facet)));
                prop_assert_eq!(&counts.words.iter().cloned().collect::<BTreeMap<_, _>>(), &expected, "{:?} {}", counts.facet, filter);
                prop_assert!(counts.words.is_sorted_by_key(|(word, n)| (std::cmp::Reverse(*n), word.clone())));
            }

            if let Some(at) = sorted.get(start as usize) {
                let place = start as usize;
                let neighbours = view.neighbours(&filter, sort, *at);
                prop_assert_eq!(neighbours, Neighbours {
                    before: place.checked_sub(1).map(|p| sorted[p]),
                    after: sorted.get(place + 1).copied(),
                    place: Some(start + 1),
                    total: sorted.len() as u64,
                });
            }

            let keys = [
                Key::Facet(Facet::Label),
                Key::Cell { degrees: 30.0 },
                Key::Band { number: Number::Width, edges: vec![10.0, 300.0] },
            ];
            let mut expected: BTreeMap<String, u64> = BTreeMap::new();
            for row in &held {
                let s = &seen[*row as usize];
                let cell = number(s, Number::Latitude).zip(number(s, Number::Longitude)).map(|(lat, lon)| {
                    let corner = |v: f64, most: f64| (v / 30.0).floor().min(most / 30.0 - 1.0) * 30.0;
                    (corner(lat, 90.0), corner(lon, 180.0))
                });
                let band = number(s, Number::Width).map(|w| if w < 10.0 { 0 } else if w < 300.0 { 1 } else { 2 });
                for label in words(s, Facet::Label) {
                    *expected.entry(format!("{label} {cell:?} {band:?}")).or_insert(0) += 1;
                }
            }
            let groups: BTreeMap<String, u64> = view.group_by(&filter, &keys).unwrap().into_iter().map(|g| {
                let label = match &g.values[0] { Value::Word(w) => w.clone(), _ => String::new() };
                let cell = match &g.values[1] { Value::Cell { south, west } => Some((*south, *west)), _ => None };
                let band = match &g.values[2] { Value::Band(n) => Some(*n), _ => None };
                (format!("{label} {cell:?} {band:?}"), g.samples)
            }).collect();
            prop_assert_eq!(groups, expected);
        }

        for (number_of_row, s) in seen.iter().enumerate() {
            let row = view.row(number_of_row as u32).unwrap();
            prop_assert_eq!(row.id(), s.sample_id);
            prop_assert_eq!(view.find(&s.sample_id).unwrap().number as usize, number_of_row);
            prop_assert_eq!(row.is_withdrawn(), s.status == Status::Withdrawn);
            prop_assert_eq!(row.title().unwrap_or_default(), s.title.as_deref().unwrap_or_default());
            for facet in Facet::ALL {
                let own: Vec<String> = words(s, *facet).into_iter().filter(|w| !w.is_empty()).collect();
                prop_assert_eq!(row.words(*facet).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), own.into_iter().collect());
            }
            let read = index.read(number_of_row as u32).unwrap().unwrap();
            prop_assert_eq!(&read.sample_id, &s.sample_id);
            let made: BTreeSet<u32> = index.made_from(&s.sample_id).collect();
            let parents = samples.iter().zip(0u32..).filter(|(child, _)| {
                child.derived_from.contains(&s.sample_id) && child.status != Status::Withdrawn && !withdrawn.contains(&child.sample_id)
            });
            prop_assert_eq!(made, parents.map(|(_, row)| row).collect());
            let hash = |s: &Sample| s.perceptual_hash.filter(|_| s.status != Status::Withdrawn);
            let near: Vec<(u32, u32)> = view.look_alikes(number_of_row as u32, 2, 100);
            let mut expected: Vec<(u32, u32)> = seen.iter().zip(0u32..).filter_map(|(other, at)| {
                let distance = (hash(other)? ^ hash(s)?).count_ones();
                (distance <= 2 && at as usize != number_of_row).then_some((at, distance))
            }).collect();
            expected.sort_by_key(|(row, distance)| (*distance, *row));
            prop_assert_eq!(near, expected);
        }
    }
}

#[test]
fn groups_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let stamp = Stamp {
        dataset: Name::new("d").unwrap(),
        version: DatasetVersion::FIRST,
        recall_version: 0,
    };
    let writer = ManifestWriter::create(folder.path(), &kept.path().join("r"), stamp).unwrap();
    writer.finish().unwrap();
    let index = Index::build(folder.path(), &BTreeSet::new()).unwrap();
    let view = View::new(&index, Scope::All, &Overlay::default());
    let by = |key: Key| view.group_by(&Filter::default(), &[key]);
    for degrees in [0.0, 0.01, -1.0, 91.0, f64::NAN, f64::INFINITY] {
        assert!(by(Key::Cell { degrees }).is_err(), "{degrees}");
    }
    for edges in [vec![1.0, 1.0], vec![2.0, 1.0], vec![f64::NAN]] {
        assert!(
            by(Key::Band {
                number: Number::Width,
                edges
            })
            .is_err()
        );
    }
    let keys = vec![Key::Facet(Facet::Status); 4];
    assert_eq!(
        view.group_by(&Filter::default(), &keys),
        Err(GroupError::Keys)
    );
    assert_eq!(by(Key::Facet(Facet::Country)), Ok(Vec::new()));
    assert!(view.row(0).is_none());
    assert!(index.read(0).unwrap().is_none());
}
