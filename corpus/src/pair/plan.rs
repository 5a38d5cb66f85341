//! The plan: people dealt to splits, pairs drawn within them, all as rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fairframe_ingest::split::{Groups, Item, assign};
use fairframe_schemas::{
    PairId, Reason, SampleId, Split, Status,
    corpus::pair::{Direction, PairRow, PairStratum},
    source::{MAX_PAIRS, PairRule, SplitRule},
};
use sha2::{Digest, Sha256};

use super::{
    PairError, balance,
    draw::{self, Drawn, Pool},
    people::{People, Refused},
};

/// Digits of a code.
const CODE: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const CODE_LENGTH: usize = 8;

/// All that was decided.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub rows: Vec<PairRow>,
    /// By split.
    pub drawings: BTreeMap<Split, Drawing>,
    /// The split of each person.
    pub splits: Vec<Split>,
    /// Accepted pairs of an earlier plan.
    pub kept: u64,
}

/// What was drawn in one split.
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    /// Places in [`People::persons`], and in the same order how often each was to be used.
    pub persons: Vec<u32>,
    pub weights: Vec<f64>,
    pub drawn: Drawn,
    pub asked: Option<u64>,
    pub possible: u64,
    pub kept: u64,
}

/// Plans pairs among people. Rows of an earlier plan stay as they are, at their places, but
/// for consent, which is judged anew; without one, the same people and rules give the same rows.
pub fn plan(
    people: &People,
    rule: &PairRule,
    split: &SplitRule,
    earlier: Vec<PairRow>,
) -> Result<Plan, PairError> {
    let planner = Planner::new(people, rule);
    let splits = planner.deal(&earlier, split);
    let mut rows = earlier;
    rows.retain(|r| r.target_sample.is_some() && r.source_sample.is_some());
    let earlier = planner.judge(&mut rows);
    let mut drawings = planner.pools(&splits, &earlier)?;
    planner.ask(&mut drawings, split);
    for (split, (drawing, pool)) in &mut drawings {
        let rng = draw::generator(rule.seed, &format!("{split} after {}", drawing.kept));
        let kept = drawing.kept;
        let wanted = drawing.asked.map_or(u64::MAX, |asked| asked - kept);
        drawing.drawn = pool.draw(wanted, rng);
        for (a, b) in &drawing.drawn.pairs {
            rows.extend(planner.both(*a, *b, *split));
        }
    }
    planner.within(&splits, &earlier, &mut rows);
    name_groups(&mut rows);
    let paired: BTreeSet<&str> = rows
        .iter()
        .filter(|r| !r.within_subject && r.status == Status::Accepted)
        .filter_map(|r| r.target_subject.as_deref())
        .collect();
    let alone = planner.alone(&drawings, &paired);
    rows.extend(people.refused.iter().map(|r| planner.refused(r)));
    rows.extend(
        alone
            .into_iter()
            .map(|(p, why)| planner.unpaired(p, why, &splits)),
    );
    let drawings: BTreeMap<Split, Drawing> =
        drawings.into_iter().map(|(s, (d, _))| (s, d)).collect();
    Ok(Plan {
        kept: drawings.values().map(|d| d.kept).sum(),
        rows,
        drawings,
        splits,
    })
}

/// Pairs of an earlier plan, each once: by places of videos.
#[derive(Default)]
struct Earlier {
    across: BTreeMap<(u32, u32), bool>,
    within: BTreeMap<(u32, u32), bool>,
}

struct Planner<'a> {
    people: &'a People,
    rule: &'a PairRule,
    /// Sample -> place in `people.videos`.
    place: HashMap<SampleId, u32>,
    against: HashMap<SampleId, &'a Refused>,
}

type Drawings = BTreeMap<Split, (Drawing, Pool)>;

impl<'a> Planner<'a> {
    fn new(people: &'a People, rule: &'a PairRule) -> Self {
        let videos = (0..).zip(&people.videos);
        Self {
            people,
            rule,
            place: videos.map(|(i, v)| (v.sample, i)).collect(),
            against: people.refused.iter().map(|r| (r.sample, r)).collect(),
        }
    }

    /// Judges the pairs of an earlier plan anew.
    fn judge(&self, rows: &mut [PairRow]) -> Earlier {
        let mut earlier = Earlier::default();
        for row in rows.iter_mut() {
            let mut reasons = BTreeSet::new();
            let mut places = Vec::new();
            let sides = [
                (
                    row.target_sample,
                    &row.target_subject,
                    &mut row.target_consents,
                ),
                (
                    row.source_sample,
                    &row.source_subject,
                    &mut row.source_consents,
                ),
            ];
            for (sample, subject, consents) in sides {
                let Some(sample) = sample else { continue };
                match (self.place.get(&sample), self.against.get(&sample)) {
                    (Some(place), _) => {
                        let video = &self.people.videos[*place as usize];
                        let person = &self.people.persons[video.person as usize];
                        if Some(&person.id) != subject.as_ref() {
                            // Another person is named now: it is another pair.
                            reasons.insert(Reason::SubjectUnknown);
                        }
                        consents.clone_from(&person.consents);
                        places.push(*place);
                    }
                    (None, Some(refused)) => {
                        consents.clone_from(&refused.consents);
                        reasons.insert(refused.reason);
                    }
                    (None, None) => {
                        reasons.insert(Reason::UpstreamUnlisted);
                    }
                }
            }
            let gravest = reasons.iter().map(|r| r.status()).max();
            row.status = gravest.unwrap_or(Status::Accepted);
            row.reasons = reasons.into_iter().collect();
            if row.status == Status::Withdrawn {
                row.strata.clear();
            }
            if let [a, b] = places[..] {
                let pairs = match row.within_subject {
                    true => &mut earlier.within,
                    false => &mut earlier.across,
                };
                let stands = row.status == Status::Accepted;
                pairs.insert(draw::unordered(a, b), stands);
            }
        }
        earlier
    }

    /// Deals people to splits; who stands in an earlier row stays.
    fn deal(&self, rows: &[PairRow], rule: &SplitRule) -> Vec<Split> {
        let mut before: HashMap<&str, Split> = HashMap::new();
        for row in rows {
            let subjects = [&row.target_subject, &row.source_subject];
            for subject in subjects.into_iter().flatten() {
                if let Some(split) = row.split {
                    before.insert(subject, split);
                }
            }
        }
        let persons = &self.people.persons;
        let regions: BTreeSet<&String> = persons.iter().flat_map(|p| &p.region).collect();
        let rank: BTreeMap<&String, u32> = regions.into_iter().zip(0..).collect();
        let mut items: Vec<(Item, usize)> = (0..persons.len())
            .map(|index| {
                let person = &persons[index];
                let item = Item {
                    id: SampleId::new(&self.people.source, &person.id),
                    stratum: person.region.as_ref().map_or(u32::MAX, |r| rank[r]),
                    previous: before.get(person.id.as_str()).copied(),
                };
                (item, index)
            })
            .collect();
        items.sort_by_key(|(item, _)| item.id);
        let dealt: Vec<Item> = items.iter().map(|(item, _)| *item).collect();
        let splits = assign(&dealt, &mut Groups::new(dealt.len()), rule);
        let mut of = vec![Split::Train; persons.len()];
        for ((_, index), split) in items.iter().zip(splits) {
            of[*index] = split;
        }
        of
    }

    /// The people of each split, with their weights and what is there already.
    fn pools(&self, splits: &[Split], earlier: &Earlier) -> Result<Drawings, PairError> {
        let people = self.people;
        let mut drawings: Drawings = BTreeMap::new();
        for split in Split::ALL {
            drawings.insert(*split, Default::default());
        }
        let mut at = vec![0; people.persons.len()];
        for (index, split) in splits.iter().enumerate() {
            let Some((drawing, pool)) = drawings.get_mut(split) else {
                continue;
            };
            at[index] = drawing.persons.len();
            drawing.persons.push(index as u32);
            let videos = &people.persons[index].videos;
            let rooms = videos.iter().map(|v| (*v, people.videos[*v as usize].room));
            pool.persons.push(rooms.collect());
        }
        for ((a, b), stands) in &earlier.across {
            let owners = [a, b].map(|v| people.videos[*v as usize].person as usize);
            let Some((drawing, pool)) = drawings.get_mut(&splits[owners[0]]) else {
                continue;
            };
            pool.used.resize(pool.persons.len(), 0);
            pool.earlier.push((*a, *b));
            if *stands {
                drawing.kept += 1;
                for owner in owners {
                    pool.used[at[owner]] += 1;
                }
            }
        }
        for (drawing, pool) in drawings.values_mut() {
            pool.used.resize(pool.persons.len(), 0);
            let (possible, each) = pool.possible();
            drawing.possible = possible;
            drawing.weights = self.weights(&drawing.persons, &each);
            pool.weights.clone_from(&drawing.weights);
        }
        let possible: u64 = drawings.values().map(|(d, _)| d.possible).sum();
        if self.rule.pairs.is_none() && possible > MAX_PAIRS {
            return Err(PairError::TooMany(possible));
        }
        Ok(drawings)
    }

    /// Weights of people who can be in a pair at all; of the others 1, which is not asked for.
    fn weights(&self, persons: &[u32], possible: &[u64]) -> Vec<f64> {
        let mut names: Vec<BTreeMap<&str, u32>> = vec![BTreeMap::new(); self.people.strata.len()];
        let mut values = Vec::new();
        let can = |at: &usize| possible[*at] > 0;
        let places: Vec<usize> = (0..persons.len()).filter(can).collect();
        for at in &places {
            let person = &self.people.persons[persons[*at] as usize];
            let number = |(stratum, value): (usize, &'a Option<String>)| {
                let known = &mut names[stratum];
                let next = known.len() as u32;
                value.as_deref().map(|v| *known.entry(v).or_insert(next))
            };
            values.push(person.strata.iter().enumerate().map(number).collect());
        }
        let mut all = vec![1.0; persons.len()];
        for (at, weight) in places
            .iter()
            .zip(balance::weights(&values, self.rule.reuse))
        {
            all[*at] = weight;
        }
        all
    }

    /// How many pairs each split is to have: in the proportions of `[split]`, as far as there
    /// are so many; what one has not got goes to the others.
    fn ask(&self, drawings: &mut Drawings, rule: &SplitRule) {
        let Some(pairs) = self.rule.pairs else { return };
        let share = |split: &Split| match split {
            Split::Train => rule.train,
            Split::Validation => rule.validation,
            Split::Test => rule.test,
        };
        let kept: u64 = drawings.values().map(|(d, _)| d.kept).sum();
        let mut left = pairs.saturating_sub(kept);
        for (drawing, _) in drawings.values_mut() {
            drawing.asked = Some(drawing.kept);
        }
        // First what each lacks of its share, then what is left over.
        for total in [Some(pairs), None] {
            loop {
                let open: Vec<(Split, u64)> = drawings
                    .iter()
                    .filter_map(|(split, (d, pool))| {
                        // Earlier pairs that no longer stand are not drawn again.
                        let fallen = pool.earlier.len() as u64 - d.kept;
                        let room = d.possible.saturating_sub(fallen);
                        let asked = d.asked.unwrap_or(0);
                        let lacks = match total {
                            Some(total) => (share(split) * total as f64).round() as u64,
                            None => u64::MAX,
                        };
                        let lacks = lacks.min(room).saturating_sub(asked);
                        (lacks > 0).then_some((*split, lacks))
                    })
                    .collect();
                let sum: f64 = open.iter().map(|(split, _)| share(split)).sum();
                if open.is_empty() || left == 0 {
                    break;
                }
                let before = left;
                for (split, lacks) in open {
                    let part = (share(&split) / sum * before as f64).floor().max(1.0);
                    let more = lacks.min(part as u64).min(left);
                    left -= more;
                    if let Some((drawing, _)) = drawings.get_mut(&split) {
                        drawing.asked = drawing.asked.map(|asked| asked + more);
                    }
                }
            }
        }
    }

    /// The two rows of a pair.
    fn both(&self, a: u32, b: u32, split: Split) -> [PairRow; 2] {
        let videos = &self.people.videos;
        let (a, b) = match videos[a as usize].sample <= videos[b as usize].sample {
            true => (a, b),
            false => (b, a),
        };
        [
            self.row(a, b, split, Direction::Forward),
            self.row(b, a, split, Direction::Reverse),
        ]
    }

    fn row(&self, target: u32, source: u32, split: Split, direction: Direction) -> PairRow {
        let [target, source] = [target, source].map(|v| &self.people.videos[v as usize]);
        let person = |v: &super::people::Video| &self.people.persons[v.person as usize];
        let strata = self.people.strata.iter().enumerate();
        PairRow {
            pair_id: PairId::new(target.sample, source.sample),
            code: Some(code(target.sample, source.sample)),
            direction: Some(direction),
            within_subject: target.person == source.person,
            target_sample: Some(target.sample),
            source_sample: Some(source.sample),
            target_subject: Some(person(target).id.clone()),
            source_subject: Some(person(source).id.clone()),
            scene: target.scene.clone(),
            source_scene: source.scene.clone(),
            strata: strata
                .map(|(at, name)| PairStratum {
                    name: name.clone(),
                    target: person(target).strata[at].clone(),
                    source: person(source).strata[at].clone(),
                })
                .collect(),
            split: Some(split),
            split_group: None,
            seed: self.rule.seed,
            target_consents: person(target).consents.clone(),
            source_consents: person(source).consents.clone(),
            status: Status::Accepted,
            reasons: Vec::new(),
        }
    }

    /// Adds pairs of two videos of one person.
    fn within(&self, splits: &[Split], earlier: &Earlier, rows: &mut Vec<PairRow>) {
        let mut there: BTreeMap<u32, (u64, Vec<(u32, u32)>)> = BTreeMap::new();
        for (pair, stands) in &earlier.within {
            let owner = self.people.videos[pair.0 as usize].person;
            let (kept, all) = there.entry(owner).or_default();
            *kept += u64::from(*stands);
            all.push(*pair);
        }
        for (index, person) in (0..).zip(&self.people.persons) {
            let (kept, all) = there.remove(&index).unwrap_or_default();
            let wanted = self.rule.within_subject.saturating_sub(kept);
            let rng = draw::generator(self.rule.seed, &format!("within {}", person.id));
            for (a, b) in draw::within(&person.videos, wanted, &all, rng) {
                rows.extend(self.both(a, b, splits[index as usize]));
            }
        }
    }

    /// People who are in no pair with another, and why.
    fn alone(&self, drawings: &Drawings, paired: &BTreeSet<&str>) -> Vec<(u32, Reason)> {
        let mut alone = Vec::new();
        for (drawing, pool) in drawings.values() {
            let (_, possible) = pool.possible();
            for (person, possible) in drawing.persons.iter().zip(possible) {
                let id = self.people.persons[*person as usize].id.as_str();
                if !paired.contains(id) {
                    let why = match possible {
                        0 => Reason::NoPartner,
                        _ => Reason::NotDrawn,
                    };
                    alone.push((*person, why));
                }
            }
        }
        alone.sort_unstable();
        alone
    }

    fn refused(&self, refused: &Refused) -> PairRow {
        let mut row = self.no_pair(PairId::of_video(refused.sample), refused.reason);
        row.target_sample = Some(refused.sample);
        row.target_subject.clone_from(&refused.subject);
        row.scene.clone_from(&refused.scene);
        row.target_consents.clone_from(&refused.consents);
        if row.status != Status::Withdrawn {
            row.strata = self.one_sided(&refused.strata);
        }
        row
    }

    fn unpaired(&self, person: u32, why: Reason, splits: &[Split]) -> PairRow {
        let split = splits[person as usize];
        let person = &self.people.persons[person as usize];
        let mut row = self.no_pair(PairId::of_subject(&person.id), why);
        row.target_subject = Some(person.id.clone());
        row.target_consents.clone_from(&person.consents);
        row.strata = self.one_sided(&person.strata);
        row.split = Some(split);
        row
    }

    fn one_sided(&self, values: &[Option<String>]) -> Vec<PairStratum> {
        let named = self.people.strata.iter().zip(values);
        named
            .map(|(name, value)| PairStratum {
                name: name.clone(),
                target: value.clone(),
                source: None,
            })
            .collect()
    }

    fn no_pair(&self, pair_id: PairId, reason: Reason) -> PairRow {
        PairRow {
            pair_id,
            code: None,
            direction: None,
            within_subject: false,
            target_sample: None,
            source_sample: None,
            target_subject: None,
            source_subject: None,
            scene: None,
            source_scene: None,
            strata: Vec::new(),
            split: None,
            split_group: None,
            seed: self.rule.seed,
            target_consents: Vec::new(),
            source_consents: Vec::new(),
            status: reason.status(),
            reasons: vec![reason],
        }
    }
}

/// Eight characters that the two directions share: of the digest of both ids, the smaller first.
pub fn code(a: SampleId, b: SampleId) -> String {
    let digest = Sha256::digest(format!("code\n{}\n{}", a.min(b), a.max(b)));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    let mut number = u64::from_le_bytes(bytes);
    let digits = (0..CODE_LENGTH).map(|_| {
        let digit = CODE[(number % 36) as usize];
        number /= 36;
        char::from(digit)
    });
    digits.collect()
}

/// People who hang together by accepted pairs are one group, named after the smallest sample
/// in it.
fn name_groups(rows: &mut [PairRow]) {
    let mut place: HashMap<String, u32> = HashMap::new();
    let mut number = |subject: &str| {
        let next = place.len() as u32;
        *place.entry(subject.to_owned()).or_insert(next)
    };
    let sides: Vec<Option<(u32, u32)>> = rows
        .iter()
        .map(|row| {
            row.accepted()?;
            let subjects = row
                .target_subject
                .as_deref()
                .zip(row.source_subject.as_deref());
            subjects.map(|(target, source)| (number(target), number(source)))
        })
        .collect();
    let mut groups = Groups::new(place.len());
    for (a, b) in sides.iter().flatten() {
        groups.join(*a, *b);
    }
    let mut least: HashMap<u32, SampleId> = HashMap::new();
    for (row, side) in rows.iter().zip(&sides) {
        if let (Some((a, _)), Some((target, source))) = (side, row.accepted()) {
            let name = least.entry(groups.find(*a)).or_insert(target);
            *name = (*name).min(target).min(source);
        }
    }
    for (row, side) in rows.iter_mut().zip(&sides) {
        if let Some((a, _)) = side {
            row.split_group = least.get(&groups.find(*a)).copied();
        }
    }
}
