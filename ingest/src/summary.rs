//! Counts what a release holds, row by row. Mergeable, and independent of the
//! order of rows: the same rows give the same counts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Datelike;
use fairframe_schemas::{
    Digest, Reason, Sample, SampleCounts, Status,
    release::{CELL_DEGREES, Cell, Counts, MAX_GROUPS, OTHER, UNKNOWN},
};

/// Adds samples up. Holds a few counts a group, 8 bytes for each subject and each group of
/// near-duplicates, and never a row.
#[derive(Debug, Clone, Default)]
pub struct SummaryBuilder {
    counts: SampleCounts,
    by_source: BTreeMap<String, BTreeMap<Status, u64>>,
    near_groups: BTreeSet<u64>,
    subjects: BTreeSet<u64>,
    /// Subjects by attribute and value.
    attributes: BTreeMap<(String, String), BTreeSet<u64>>,
    /// Samples by cell of the map: rows from the south, columns from the west.
    cells: BTreeMap<(i32, i32), u64>,
}

/// What a [`SummaryBuilder`] has counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    pub counts: SampleCounts,
    /// By source id; goes into [`fairframe_schemas::release::SourceSummary`].
    pub by_source: BTreeMap<String, BTreeMap<Status, u64>>,
}

impl SummaryBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one sample, of any status.
    pub fn add(&mut self, sample: &Sample) {
        let status = sample.status;
        let c = &mut self.counts;
        *c.by_status.entry(status).or_default() += 1;
        let source = self.by_source.entry(sample.source.clone()).or_default();
        *source.entry(status).or_default() += 1;
        for &reason in &sample.reasons {
            *c.by_reason.entry(reason).or_default() += 1;
        }
        if status != Status::Accepted
            && let Some(reason) = deciding(sample)
        {
            *c.decided_by.entry(reason).or_default() += 1;
        }
        let region = sample.region.as_deref().unwrap_or(UNKNOWN);
        let by_status = c.region_status.entry(region.to_owned()).or_default();
        *by_status.entry(status).or_default() += 1;
        if let Some(state) = sample.consent_state {
            *c.consents.entry(state).or_default() += 1;
        }
        let opt_outs: BTreeSet<&str> = sample.opt_out.iter().map(String::as_str).collect();
        for opt_out in opt_outs {
            count(&mut c.opt_outs, Some(opt_out));
        }
        if sample.reasons.contains(&Reason::DuplicateExact) {
            c.duplicates.exact += 1;
        }
        if status == Status::Accepted {
            self.add_accepted(sample);
        }
    }

    fn add_accepted(&mut self, sample: &Sample) {
        let c = &mut self.counts;
        count(&mut c.licences, sample.licence.as_deref());
        *c.media_types.entry(sample.media_type).or_default() += 1;
        count(&mut c.mimes, sample.mime.as_deref());
        count(&mut c.countries, sample.country.as_deref());
        count(&mut c.subregions, sample.subregion.as_deref());
        count(&mut c.regions, sample.region.as_deref());
        count(
            &mut c.place_origins,
            sample.place_origin.map(|o| o.as_str()),
        );
        let year = sample.captured_at.map(|at| format!("{:04}", at.year()));
        count(&mut c.years, year.as_deref());
        for restriction in &sample.restrictions {
            count(&mut c.restrictions, Some(restriction));
        }
        if let Some(split) = sample.split {
            *c.splits.entry(split).or_default() += 1;
            let region = sample.region.as_deref().unwrap_or(UNKNOWN);
            let by_split = c.region_split.entry(region.to_owned()).or_default();
            *by_split.entry(split).or_default() += 1;
        }
        c.media_bytes += sample
            .bytes
            .and_then(|b| u64::try_from(b).ok())
            .unwrap_or(0);
        if let Some(seconds) = sample.duration_s.filter(|s| s.is_finite() && *s > 0.0) {
            // Whole milliseconds, so that the sum does not depend on the order of rows.
            c.duration_ms += (seconds * 1000.0).round() as u64;
        }
        if sample.reasons.contains(&Reason::DuplicateNear) {
            c.duplicates.near += 1;
            if let Some(group) = &sample.split_group {
                self.near_groups.insert(short(group));
            }
        }
        if let (Some(latitude), Some(longitude)) = (sample.latitude, sample.longitude)
            && let Some(cell) = cell_of(latitude, longitude)
        {
            *self.cells.entry(cell).or_default() += 1;
        }
        for subject in &sample.subject_ids {
            self.subjects.insert(short(subject));
        }
        for attribute in &sample.subject_attributes {
            let key = (attribute.name.clone(), attribute.value.clone());
            let people = self.attributes.entry(key).or_default();
            people.insert(short(&attribute.subject_id));
        }
    }

    /// Adds what another builder has counted of other rows.
    pub fn merge(&mut self, other: SummaryBuilder) {
        let (a, b) = (&mut self.counts, other.counts);
        add_counts(&mut a.by_status, b.by_status);
        add_counts(&mut a.by_reason, b.by_reason);
        add_counts(&mut a.decided_by, b.decided_by);
        add_counts(&mut a.licences, b.licences);
        add_counts(&mut a.media_types, b.media_types);
        add_counts(&mut a.mimes, b.mimes);
        add_counts(&mut a.countries, b.countries);
        add_counts(&mut a.subregions, b.subregions);
        add_counts(&mut a.regions, b.regions);
        for (region, counts) in b.region_status {
            add_counts(a.region_status.entry(region).or_default(), counts);
        }
        for (region, counts) in b.region_split {
            add_counts(a.region_split.entry(region).or_default(), counts);
        }
        add_counts(&mut a.splits, b.splits);
        add_counts(&mut a.place_origins, b.place_origins);
        add_counts(&mut a.years, b.years);
        a.duplicates.exact += b.duplicates.exact;
        a.duplicates.near += b.duplicates.near;
        a.media_bytes += b.media_bytes;
        a.duration_ms += b.duration_ms;
        add_counts(&mut a.consents, b.consents);
        add_counts(&mut a.opt_outs, b.opt_outs);
        add_counts(&mut a.restrictions, b.restrictions);
        for (source, counts) in other.by_source {
            add_counts(self.by_source.entry(source).or_default(), counts);
        }
        self.near_groups.extend(other.near_groups);
        self.subjects.extend(other.subjects);
        for (key, people) in other.attributes {
            self.attributes.entry(key).or_default().extend(people);
        }
        add_counts(&mut self.cells, other.cells);
    }

    /// The counts. `listed` is what the sources listed (the journal knows), so that the release
    /// shows whether anything was lost; `consents_refused` is the number of consent records that
    /// could not be used.
    pub fn finish(self, listed: u64, consents_refused: u64) -> Tally {
        let mut counts = self.counts;
        counts.listed = listed;
        counts.consents_refused = consents_refused;
        counts.duplicates.near_groups = self.near_groups.len() as u64;
        counts.subjects = self.subjects.len() as u64;
        for words in [
            &mut counts.licences,
            &mut counts.mimes,
            &mut counts.opt_outs,
            &mut counts.restrictions,
            &mut counts.years,
        ] {
            keep_largest(words);
        }
        for ((name, value), people) in self.attributes {
            let values = counts.attributes.entry(name).or_default();
            values.insert(value, people.len() as u64);
        }
        counts.attributes.values_mut().for_each(keep_largest);
        while counts.attributes.len() > MAX_GROUPS {
            counts.attributes.pop_last();
        }
        counts.cells = self
            .cells
            .into_iter()
            .map(|((row, column), samples)| Cell {
                latitude: (f64::from(row) + 0.5) * CELL_DEGREES - 90.0,
                longitude: (f64::from(column) + 0.5) * CELL_DEGREES - 180.0,
                samples,
            })
            .collect();
        Tally {
            counts,
            by_source: self.by_source,
        }
    }
}

/// The one reason a sample that was not accepted is counted under: the first of the gravest.
pub fn deciding(sample: &Sample) -> Option<Reason> {
    let gravest = sample.reasons.iter().map(|r| r.status()).max()?;
    let mut reasons = sample.reasons.iter().copied();
    reasons.find(|r| r.status() == gravest)
}

fn count(counts: &mut Counts, word: Option<&str>) {
    let word = word.filter(|w| !w.is_empty()).unwrap_or(UNKNOWN);
    match counts.get_mut(word) {
        Some(n) => *n += 1,
        None => {
            counts.insert(word.to_owned(), 1);
        }
    }
}

fn add_counts<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, n) in from {
        *into.entry(key).or_default() += n;
    }
}

/// Keeps the [`MAX_GROUPS`] largest groups (and `unknown`); the rest becomes `other`.
fn keep_largest(counts: &mut Counts) {
    if counts.len() <= MAX_GROUPS {
        return;
    }
    let mut ranked: Vec<(u64, String)> = counts
        .iter()
        .filter(|(word, _)| *word != UNKNOWN)
        .map(|(word, n)| (*n, word.clone()))
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut rest = 0;
    for (n, word) in ranked.into_iter().skip(MAX_GROUPS - 2) {
        counts.remove(&word);
        rest += n;
    }
    *counts.entry(OTHER.to_owned()).or_default() += rest;
}

/// The cell a place stands in; none for coordinates that are none.
fn cell_of(latitude: f64, longitude: f64) -> Option<(i32, i32)> {
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return None;
    }
    let rows = (180.0 / CELL_DEGREES) as i32;
    let row = (((latitude + 90.0) / CELL_DEGREES) as i32).min(rows - 1);
    let column = (((longitude + 180.0) / CELL_DEGREES) as i32).min(2 * rows - 1);
    Some((row, column))
}

/// The first 8 bytes of a digest: enough to tell some millions of words apart.
fn short(word: &str) -> u64 {
    let digest = Digest::of(word.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
pub(crate) mod tests {
    use fairframe_schemas::{
        DatasetVersion, MediaType, Name, ReleaseFile, Split, SubjectAttribute, Summary,
        decision::Approval, release::SourceSummary, source::About, version::Change,
    };

    use super::*;

    /// The summary of the samples below, as a run would write it; for tests of what is made from one.
    pub(crate) fn summary() -> Summary {
        let samples = samples();
        let tally = tally(&samples).finish(50, 1);
        let file = |name: &str, rows| ReleaseFile {
            name: name.to_owned(),
            bytes: 1234,
            sha256: Digest::of(name.as_bytes()),
            rows,
        };
        Summary {
            dataset: Name::new("demo").unwrap(),
            version: DatasetVersion::FIRST,
            previous: None,
            change: Change::None,
            as_of: fairframe_schemas::Timestamp::UNIX_EPOCH,
            generator: "fairframe test".to_owned(),
            schema_version: "1".to_owned(),
            about: About {
                title: Some("Demo".to_owned()),
                ..About::default()
            },
            approval: None,
            sources: tally
                .by_source
                .into_iter()
                .map(|(source, by_status)| SourceSummary {
                    source: Name::new(&source).unwrap(),
                    kind: "wikimedia".to_owned(),
                    origin: None,
                    by_status,
                })
                .collect(),
            counts: tally.counts,
            files: vec![
                file("excluded.parquet", Some(5)),
                file("part-00000.parquet", Some(45)),
            ],
        }
    }

    /// By two persons, with what they wrote.
    pub(crate) fn approval(notes: &str) -> Approval {
        Approval {
            notes: notes.to_owned(),
            persons: 2,
            audit_seq: 1,
            audit_hash: "0".repeat(64),
        }
    }

    fn samples() -> Vec<Sample> {
        (0..50u32)
            .map(|i| {
                let source = if i % 2 == 0 { "commons" } else { "drop" };
                let mut s = Sample::new(source, &i.to_string(), MediaType::Image);
                s.bytes = Some(i64::from(i) * 100);
                s.duration_s = (i % 5 == 0).then_some(0.1 * f64::from(i));
                s.licence = (i % 3 != 0).then(|| "CC-BY-4.0".to_owned());
                s.region = (i % 4 != 0).then(|| "Africa".to_owned());
                s.latitude = Some(f64::from(i) - 25.0);
                s.longitude = Some(180.0);
                s.split = Some(Split::Train);
                if i % 7 == 0 {
                    s.add_reason(Reason::DuplicateNear);
                    s.split_group = Some(format!("g{}", i / 14));
                }
                if i % 10 == 0 {
                    s.add_reason(Reason::LicenceMissing);
                    s.add_reason(Reason::OptOut);
                }
                s.subject_ids = vec![format!("p{}", i % 3)];
                s.subject_attributes = vec![SubjectAttribute {
                    subject_id: format!("p{}", i % 3),
                    name: "age band".into(),
                    value: if i % 3 == 0 { "60-69" } else { "20-29" }.into(),
                    origin: "self-reported".into(),
                }];
                s
            })
            .collect()
    }

    fn tally<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> SummaryBuilder {
        let mut builder = SummaryBuilder::new();
        for sample in samples {
            builder.add(sample);
        }
        builder
    }

    #[test]
    fn counts_in_equal_counts_out_and_every_refusal_has_one_deciding_reason() {
        let samples = samples();
        let counts = tally(&samples).finish(50, 0).counts;
        assert_eq!(counts.out(), counts.listed);
        assert_eq!(counts.accepted(), 45);
        let decided: u64 = counts.decided_by.values().sum();
        assert_eq!(decided, counts.listed - counts.accepted());
        assert_eq!(counts.decided_by[&Reason::OptOut], 5);
        assert_eq!(counts.by_reason[&Reason::LicenceMissing], 5);
        for groups in [&counts.licences, &counts.regions, &counts.countries] {
            assert_eq!(groups.values().sum::<u64>(), counts.accepted());
        }
        assert_eq!(counts.countries[UNKNOWN], 45);
        assert_eq!(counts.attributes["age band"]["60-69"], 1);
        assert_eq!(counts.attributes["age band"]["20-29"], 2);
        assert_eq!(counts.subjects, 3);
    }

    #[test]
    fn order_and_partition_do_not_matter() {
        let samples = samples();
        let whole = tally(&samples).finish(50, 2);
        let mut backwards = tally(samples[20..].iter().rev());
        backwards.merge(tally(samples[..20].iter().rev()));
        assert_eq!(backwards.finish(50, 2), whole);
    }

    #[test]
    fn many_words_from_outside_become_a_bounded_list_with_the_same_total() {
        let mut counts: Counts = (0..10_000).map(|i| (format!("w{i:05}"), 1)).collect();
        counts.insert("frequent".into(), 9);
        counts.insert(UNKNOWN.into(), 5);
        keep_largest(&mut counts);
        assert!(counts.len() <= MAX_GROUPS);
        assert_eq!(counts.values().sum::<u64>(), 10_014);
        assert_eq!((counts["frequent"], counts[UNKNOWN]), (9, 5));
    }

    #[test]
    fn the_edges_of_the_world_stand_in_cells() {
        assert_eq!(cell_of(90.0, 180.0), Some((89, 179)));
        assert_eq!(cell_of(-90.0, -180.0), Some((0, 0)));
        assert_eq!(cell_of(f64::NAN, 0.0), None);
        assert_eq!(cell_of(0.0, 181.0), None);
    }
}
