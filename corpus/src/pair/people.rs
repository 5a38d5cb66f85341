//! Who may be paired: people and their videos, and the videos that nobody may use, with the
//! reason. Everything after it works on these lists alone, without consents and releases.

use std::collections::{BTreeMap, BTreeSet};

use fairframe_schemas::{
    Purpose, Reason, Sample, SampleId,
    source::{PairRule, Scenes},
};

use crate::cast::Cast;

/// Someone whose consent includes `manipulate`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    /// The consent records that say so.
    pub consents: Vec<String>,
    pub region: Option<String>,
    /// Values of [`People::strata`].
    pub strata: Vec<Option<String>>,
    /// Places in [`People::videos`].
    pub videos: Vec<u32>,
}

/// A video that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    pub sample: SampleId,
    /// Place in [`People::persons`].
    pub person: u32,
    pub scene: Option<String>,
    /// Videos of different people that have the same room may be paired; `None`: with nobody,
    /// as its scene, or an attribute both sides must share, is not known.
    pub room: Option<u32>,
}

/// A video that may not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub sample: SampleId,
    /// Where exactly one is named.
    pub subject: Option<String>,
    pub scene: Option<String>,
    pub strata: Vec<Option<String>>,
    pub consents: Vec<String>,
    pub reason: Reason,
}

/// Everybody that there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    /// The actors' source: part of everybody's identity.
    pub source: String,
    /// Names of the strata.
    pub strata: Vec<String>,
    /// By id.
    pub persons: Vec<Person>,
    /// By sample id.
    pub videos: Vec<Video>,
    /// By sample id.
    pub refused: Vec<Refused>,
}

impl People {
    pub fn of(cast: &Cast, rule: &PairRule) -> Self {
        let mut consents: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let (mut allowed, mut refused) = (Vec::new(), Vec::new());
        for video in &cast.videos {
            let sample = &video.sample;
            let subject = match sample.subject_ids.as_slice() {
                [one] => Some(one.as_str()),
                _ => None,
            };
            let records = subject.map(|subject| {
                let of = || {
                    let standing = cast.standing(subject, &[Purpose::Manipulate]);
                    standing.records.into_iter().collect()
                };
                &*consents.entry(subject).or_insert_with(of)
            });
            match (cast.against_manipulating(video), subject) {
                (None, Some(subject)) => allowed.push((subject, sample)),
                (reason, _) => refused.push(Refused {
                    sample: sample.sample_id,
                    subject: subject.map(str::to_owned),
                    scene: scene(sample, rule),
                    strata: values(sample, &rule.strata, rule),
                    consents: records.cloned().unwrap_or_default(),
                    reason: reason.unwrap_or(Reason::SubjectsNotOne),
                }),
            }
        }
        let source = cast.videos.first().map(|v| v.sample.source.clone());
        let mut people = Self {
            source: source.unwrap_or_default(),
            strata: rule.strata.clone(),
            refused,
            ..Self::default()
        };
        people.add(&allowed, &mut consents, rule);
        people
    }

    /// `allowed` in the order of sample ids.
    fn add<'a>(
        &mut self,
        allowed: &[(&'a str, &Sample)],
        consents: &mut BTreeMap<&'a str, Vec<String>>,
        rule: &PairRule,
    ) {
        let subjects: BTreeSet<&str> = allowed.iter().map(|(s, _)| *s).collect();
        let place: BTreeMap<&str, u32> = (0..).zip(&subjects).map(|(i, s)| (*s, i)).collect();
        self.persons = subjects
            .iter()
            .map(|subject| Person {
                id: (*subject).to_owned(),
                consents: consents.remove(subject).unwrap_or_default(),
                strata: vec![None; rule.strata.len()],
                ..Person::default()
            })
            .collect();
        // A person's value is that of their first video that has one.
        let mut alike: Vec<Vec<Option<String>>> =
            vec![vec![None; rule.within.len()]; subjects.len()];
        for (subject, sample) in allowed {
            let index = place[subject] as usize;
            let person = &mut self.persons[index];
            person.region = person.region.take().or_else(|| sample.region.clone());
            first(&mut person.strata, values(sample, &rule.strata, rule));
            first(&mut alike[index], values(sample, &rule.within, rule));
        }
        let mut rooms = BTreeMap::new();
        for (subject, sample) in allowed {
            let person = place[subject];
            let scene = scene(sample, rule);
            let shown = match rule.scenes {
                Scenes::Free => Some(None),
                Scenes::Matched => scene.clone().map(Some),
            };
            let key = shown.and_then(|scene| {
                let alike: Option<Vec<_>> = alike[person as usize].iter().cloned().collect();
                Some((scene, alike?))
            });
            let next = rooms.len() as u32;
            let room = key.map(|key| *rooms.entry(key).or_insert(next));
            self.persons[person as usize]
                .videos
                .push(self.videos.len() as u32);
            self.videos.push(Video {
                sample: sample.sample_id,
                person,
                scene,
                room,
            });
        }
    }
}

fn first(known: &mut [Option<String>], said: Vec<Option<String>>) {
    for (known, said) in known.iter_mut().zip(said) {
        *known = known.take().or(said);
    }
}

/// What a video shows: its labels of the declared origins, joined; `None` where it has none.
fn scene(sample: &Sample, rule: &PairRule) -> Option<String> {
    let of = |origin: &String| sample.labels.iter().find(|l| l.origin == *origin);
    let labels = rule.scene.iter().filter_map(of);
    let words: Vec<&str> = labels.map(|l| l.label.as_str()).collect();
    (!words.is_empty()).then(|| words.join("_"))
}

fn values(sample: &Sample, names: &[String], rule: &PairRule) -> Vec<Option<String>> {
    let value = |name: &String| {
        let said = match name.as_str() {
            "region" => sample.region.as_deref(),
            "subregion" => sample.subregion.as_deref(),
            "country" => sample.country.as_deref(),
            _ => {
                let mut said = sample.subject_attributes.iter();
                let said = said.find(|a| a.name == *name && sample.subject_ids == [&*a.subject_id]);
                said.map(|a| a.value.as_str())
            }
        }?;
        match rule.bands.get(name) {
            None => Some(said.to_owned()),
            Some(begins) => band(said, begins),
        }
    };
    names.iter().map(value).collect()
}

/// The band of a number, as `<30`, `30-50`, `50+`; `None` for what is no number.
fn band(value: &str, begins: &[i64]) -> Option<String> {
    let number: f64 = value.trim().parse().ok().filter(|n: &f64| n.is_finite())?;
    let from = begins.iter().filter(|b| **b as f64 <= number).max();
    let to = begins.iter().filter(|b| **b as f64 > number).min();
    match (from, to) {
        (None, None) => None,
        (None, Some(to)) => Some(format!("<{to}")),
        (Some(from), Some(to)) => Some(format!("{from}-{to}")),
        (Some(from), None) => Some(format!("{from}+")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_the_band_that_begins_at_or_below_it() {
        let bands = ["29.5", "30", "49", "50", "x", "nan", ""].map(|v| band(v, &[30, 50]));
        let expected = [Some("<30"), Some("30-50"), Some("30-50"), Some("50+")];
        assert_eq!(bands[..4], expected.map(|b| b.map(str::to_owned)));
        assert!(bands[4..].iter().all(Option::is_none));
        assert_eq!(band("7", &[]), None);
    }
}
