//! What only the whole dataset decides: duplicates, split groups, splits, the
//! order of rows. Works on a few bytes a sample; rows stay in the journal.

use std::collections::{BTreeSet, HashMap, HashSet};

use fairframe_schemas::{
    Digest, MediaType, Reason, Sample, SampleId, Split, Status,
    recall::RecallList,
    source::{Dedupe, SplitRule},
};
use sha2::{Digest as _, Sha256};

use crate::{
    dedupe::{Look, near_pairs},
    prior::Prior,
    recall::Bytes,
    split::{Groups, Item, assign},
};

#[cfg(test)]
mod tests;

/// Bytes of withdrawn samples. They are nobody's: copies remove them and servers
/// refuse them whoever holds them, so a row that has them is withdrawn too.
#[derive(Default)]
pub struct RecalledBytes {
    all: HashSet<Digest>,
    /// Of the samples that are withdrawn in this dataset.
    of: Bytes,
}

impl RecalledBytes {
    /// Those on recall lists.
    pub fn on<'a>(lists: impl IntoIterator<Item = &'a RecallList>) -> Self {
        let all = lists.into_iter().flat_map(RecallList::digests);
        Self {
            all: all.collect(),
            of: Bytes::new(),
        }
    }

    /// What is known of a sample's bytes.
    pub fn of(&self, id: SampleId) -> Option<&BTreeSet<Digest>> {
        self.of.get(&id)
    }

    pub fn all(&self) -> BTreeSet<Digest> {
        self.all.iter().copied().collect()
    }

    /// Withdrawn rows whose bytes were not asked for yet.
    pub fn unasked(&self, gathered: &Gathered) -> BTreeSet<SampleId> {
        let withdrawn = gathered.lights.iter().filter(|l| l.withdrawn);
        let ids = withdrawn.map(|l| l.id);
        ids.filter(|id| !self.of.contains_key(id)).collect()
    }

    /// Takes up all bytes that withdrawn samples ever had; whether that withdraws
    /// further rows, so that they must be gathered again.
    pub fn grow(&mut self, withdrawn: BTreeSet<SampleId>, bytes: Bytes, rows: &Gathered) -> bool {
        self.all.extend(bytes.values().flatten());
        self.of
            .extend(withdrawn.into_iter().map(|id| (id, BTreeSet::new())));
        self.of.extend(bytes);
        let mut others = rows.lights.iter().filter(|l| !l.withdrawn);
        others.any(|l| l.digest.is_some_and(|d| self.all.contains(&d)))
    }

    pub fn judge(&self, sample: &mut Sample) {
        let held = sample.media_sha256.is_some_and(|d| self.all.contains(&d));
        if held && sample.status != Status::Withdrawn {
            sample.add_reason(Reason::Withdrawn);
        }
    }
}

/// What is kept of one sample.
struct Light {
    id: SampleId,
    accepted: bool,
    withdrawn: bool,
    digest: Option<Digest>,
    hash: Option<u64>,
    /// Seconds; videos only.
    duration: Option<f32>,
    region: Option<u16>,
    country: Option<[u8; 2]>,
    /// The split that a corpus drew before anything was made: it is kept.
    drawn: Option<Split>,
}

/// Takes assembled samples in the order of their ids.
pub struct Gathered {
    lights: Vec<Light>,
    regions: Vec<String>,
    groups: Groups,
    /// Subject, uploader or parent -> the first sample that has it.
    first: HashMap<[u8; 16], u32>,
    by_creator: bool,
}

/// What was decided of each sample, by its place in the order of ids.
pub struct Decisions {
    ids: Vec<SampleId>,
    exact: Vec<bool>,
    near: Vec<bool>,
    split: Vec<Option<Split>>,
    group: Vec<u32>,
    order: Vec<u32>,
}

impl Gathered {
    pub fn new(count: usize, by_creator: bool) -> Self {
        Self {
            lights: Vec::with_capacity(count),
            regions: Vec::new(),
            groups: Groups::new(count),
            first: HashMap::new(),
            by_creator,
        }
    }

    pub fn add(&mut self, sample: &Sample) {
        let index = self.lights.len() as u32;
        let accepted = sample.status == Status::Accepted;
        if accepted {
            let subjects = sample.subject_ids.iter().map(|s| ("subject", s.as_str()));
            let creator = sample.creator.iter().filter(|_| self.by_creator);
            let creator = creator.map(|c| ("creator", c.as_str()));
            let keys: Vec<_> = subjects
                .chain(creator)
                .map(|(kind, text)| key(kind, &sample.source, text))
                .collect();
            let parents = sample.derived_from.iter().map(|id| *id.as_bytes());
            for key in keys
                .into_iter()
                .chain(parents)
                .chain([*sample.sample_id.as_bytes()])
            {
                let first = *self.first.entry(key).or_insert(index);
                self.groups.join(first, index);
            }
        }
        let region = sample.region.as_ref().map(|region| {
            let known = self.regions.iter().position(|r| r == region);
            known.unwrap_or_else(|| {
                self.regions.push(region.clone());
                self.regions.len() - 1
            }) as u16
        });
        let country = sample
            .country
            .as_ref()
            .and_then(|c| c.as_bytes().try_into().ok());
        self.lights.push(Light {
            id: sample.sample_id,
            accepted,
            withdrawn: sample.status == Status::Withdrawn,
            digest: sample.media_sha256,
            // A clip looks like the video it was made from by design: that is no finding.
            hash: sample
                .perceptual_hash
                .filter(|_| sample.derived_from.is_empty()),
            duration: (sample.media_type == MediaType::Video)
                .then(|| sample.duration_s.unwrap_or_default() as f32),
            region,
            country,
            drawn: sample.split,
        });
    }

    pub fn decide(mut self, dedupe: &Dedupe, rule: &SplitRule, prior: &Prior) -> Decisions {
        let n = self.lights.len();
        let exact = self.exact_duplicates(prior);
        let kept = |i: usize| self.lights[i].accepted && !exact[i];

        let hashed: Vec<usize> = (0..n)
            .filter(|i| kept(*i) && self.lights[*i].hash.is_some())
            .collect();
        let mut near = vec![false; n];
        let looks: Vec<Look> = hashed
            .iter()
            .filter_map(|i| {
                let light = &self.lights[*i];
                let duration = light.duration;
                light.hash.map(|hash| Look { hash, duration })
            })
            .collect();
        for (first, other) in near_pairs(&looks, dedupe.max_distance) {
            let [first, other] = [first, other].map(|at| hashed[at as usize]);
            near[first] = true;
            near[other] = true;
            self.groups.join(first as u32, other as u32);
        }

        let split = self.splits(&exact, rule, prior);
        let group = (0..n as u32).map(|i| self.groups.find(i)).collect();
        let order = self.order();
        let ids = self.lights.iter().map(|l| l.id).collect();
        Decisions {
            ids,
            exact,
            near,
            split,
            group,
            order,
        }
    }

    /// Of samples with the same bytes one stays: the one released before, else the first by id.
    fn exact_duplicates(&mut self, prior: &Prior) -> Vec<bool> {
        let released = |id| {
            prior
                .rows
                .get(id)
                .is_some_and(|r| r.status == Status::Accepted)
        };
        let mut exact = vec![false; self.lights.len()];
        let mut stays: HashMap<Digest, usize> = HashMap::new();
        for (index, light) in self.lights.iter().enumerate() {
            let Some(digest) = light.digest.filter(|_| light.accepted) else {
                continue;
            };
            match stays.get(&digest).copied() {
                None => {
                    stays.insert(digest, index);
                }
                Some(other) => {
                    self.groups.join(other as u32, index as u32);
                    let better = released(&light.id) && !released(&self.lights[other].id);
                    let (stay, go) = if better {
                        (index, other)
                    } else {
                        (other, index)
                    };
                    exact[go] = true;
                    stays.insert(digest, stay);
                }
            }
        }
        exact
    }

    fn splits(&mut self, exact: &[bool], rule: &SplitRule, prior: &Prior) -> Vec<Option<Split>> {
        let dealt: Vec<usize> = (0..self.lights.len())
            .filter(|i| self.lights[*i].accepted && !exact[*i])
            .collect();
        let rank = self.ranks();
        let items: Vec<Item> = dealt
            .iter()
            .map(|i| {
                let light = &self.lights[*i];
                Item {
                    id: light.id,
                    stratum: light.region.map_or(u32::MAX, |r| rank[r as usize]),
                    previous: light
                        .drawn
                        .or_else(|| prior.rows.get(&light.id).and_then(|r| r.split)),
                }
            })
            .collect();
        // The same groups among the dealt samples only.
        let mut among = Groups::new(dealt.len());
        let mut first: HashMap<u32, u32> = HashMap::new();
        for (at, index) in dealt.iter().enumerate() {
            let root = self.groups.find(*index as u32);
            let leader = *first.entry(root).or_insert(at as u32);
            among.join(leader, at as u32);
        }
        let mut result = vec![None; self.lights.len()];
        for (index, split) in dealt.iter().zip(assign(&items, &mut among, rule)) {
            result[*index] = Some(split);
        }
        result
    }

    /// Regions by name, so that the order of discovery does not matter.
    fn ranks(&self) -> Vec<u32> {
        let sorted: BTreeSet<&String> = self.regions.iter().collect();
        let rank = |r: &String| sorted.iter().position(|s| *s == r).unwrap_or(0) as u32;
        self.regions.iter().map(rank).collect()
    }

    /// Manifest order: region, country, sample id; unknown last.
    fn order(&self) -> Vec<u32> {
        let rank = self.ranks();
        let mut order: Vec<u32> = (0..self.lights.len() as u32).collect();
        order.sort_by_key(|i| {
            let light = &self.lights[*i as usize];
            let region = light.region.map_or(u32::MAX, |r| rank[r as usize]);
            (region, light.country.unwrap_or([u8::MAX; 2]), light.id)
        });
        order
    }
}

fn key(kind: &str, source: &str, text: &str) -> [u8; 16] {
    let digest = Sha256::digest(format!("{kind}\n{source}\n{text}"));
    let mut short = [0u8; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

impl Decisions {
    /// Places in the order of ids, in manifest order.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    pub fn id(&self, at: u32) -> SampleId {
        self.ids[at as usize]
    }

    /// Writes on an assembled sample what was decided of it.
    pub fn apply(&self, at: u32, sample: &mut Sample) {
        let index = at as usize;
        if self.exact[index] {
            sample.add_reason(Reason::DuplicateExact);
        }
        if self.near[index] {
            sample.add_reason(Reason::DuplicateNear);
        }
        sample.split = self.split[index];
        if sample.split.is_some() {
            sample.split_group = Some(self.ids[self.group[index] as usize].to_string());
        }
    }
}
