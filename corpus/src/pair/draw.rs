//! Drawing pairs among the people of one split, on numbers alone.
//!
//! The person who is used least for their weight is next, with the video of theirs that is
//! used least; among the people who have a video in its room, the one who is used least for
//! their weight is the other side. Ties, and the order within a round, are drawn.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sha2::{Digest, Sha256};

/// Others looked at for a side; when none of them will do, all are.
const CHOICE: usize = 16;

/// People and their videos in one split.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// Videos of each person, with their rooms.
    pub persons: Vec<Vec<(u32, Option<u32>)>>,
    /// How often each is to be used, against the others.
    pub weights: Vec<f64>,
    /// Pairs that are there already: not drawn again. Of two people.
    pub earlier: Vec<(u32, u32)>,
    /// Of these, how many count as used for each person.
    pub used: Vec<u64>,
}

/// What was drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawn {
    /// Pairs of videos, each once.
    pub pairs: Vec<(u32, u32)>,
    /// People who could be in no further pair.
    pub exhausted: Vec<bool>,
    /// All pairs there are were taken.
    pub all: bool,
}

/// A person's videos in a room.
type Member = (usize, Vec<u32>);

/// A generator of its own for each part of a plan.
pub fn generator(seed: u64, part: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(Sha256::digest(format!("pair\n{seed}\n{part}")).into())
}

/// A pair whichever way round.
pub fn unordered(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

impl Pool {
    fn rooms(&self) -> BTreeMap<u32, Vec<Member>> {
        let mut rooms: BTreeMap<u32, Vec<Member>> = BTreeMap::new();
        for (person, videos) in self.persons.iter().enumerate() {
            for (video, room) in videos {
                let Some(room) = room else { continue };
                let members = rooms.entry(*room).or_default();
                match members.last_mut() {
                    Some((last, videos)) if *last == person => videos.push(*video),
                    _ => members.push((person, vec![*video])),
                }
            }
        }
        rooms
    }

    /// Pairs of two people's videos there are, and of each person.
    pub fn possible(&self) -> (u64, Vec<u64>) {
        let mut each = vec![0; self.persons.len()];
        for members in self.rooms().values() {
            let all: u64 = members.iter().map(|(_, v)| v.len() as u64).sum();
            for (person, videos) in members {
                let own = videos.len() as u64;
                each[*person] += own * (all - own);
            }
        }
        (each.iter().sum::<u64>() / 2, each)
    }

    /// Draws `wanted` further pairs, or as many as there are. The caller bounds `wanted`, and,
    /// where all are wanted, what is possible.
    pub fn draw(&self, wanted: u64, mut rng: ChaCha8Rng) -> Drawn {
        let (possible, _) = self.possible();
        let taken = self.earlier.iter().map(|(a, b)| unordered(*a, *b));
        let taken: HashSet<(u32, u32)> = taken.collect();
        if wanted.saturating_add(taken.len() as u64) >= possible {
            return self.all(wanted, &taken, rng);
        }
        let mut draw = Draw::new(self, taken, &mut rng);
        let mut pairs = Vec::with_capacity(wanted as usize);
        while (pairs.len() as u64) < wanted {
            match draw.next(&mut rng) {
                Some(pair) => pairs.push(pair),
                None => break,
            }
        }
        Drawn {
            pairs,
            exhausted: draw.open.iter().map(BTreeSet::is_empty).collect(),
            all: false,
        }
    }

    /// Every pair that is not there yet, in a drawn order.
    fn all(&self, wanted: u64, taken: &HashSet<(u32, u32)>, mut rng: ChaCha8Rng) -> Drawn {
        let mut pairs = Vec::new();
        for members in self.rooms().values() {
            for (i, (_, videos)) in members.iter().enumerate() {
                let others = members[i + 1..].iter().flat_map(|(_, others)| others);
                for other in others {
                    let with = videos.iter().map(|video| unordered(*video, *other));
                    pairs.extend(with.filter(|pair| !taken.contains(pair)));
                }
            }
        }
        let mut drawn: Vec<_> = pairs.into_iter().map(|p| (rng.next_u64(), p)).collect();
        drawn.sort_unstable();
        // Earlier pairs may have been counted that a new rule would not allow.
        drawn.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        Drawn {
            pairs: drawn.into_iter().map(|(_, pair)| pair).collect(),
            exhausted: vec![true; self.persons.len()],
            all: true,
        }
    }
}

/// How urgent a use is: fewer uses for its weight first. Positive, so that its bits are in
/// order.
fn urgency(used: u64, weight: f64, rng: &mut ChaCha8Rng) -> u64 {
    let jitter = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    ((used as f64 + jitter) / weight).to_bits()
}

struct Draw<'a> {
    weights: &'a [f64],
    rooms: BTreeMap<u32, Vec<Member>>,
    room_of: BTreeMap<u32, u32>,
    taken: HashSet<(u32, u32)>,
    used: Vec<u64>,
    urgency: Vec<u64>,
    /// People who may still be in a pair, most urgent first.
    queue: BTreeSet<(u64, usize)>,
    /// Videos of each person that may still be in one: uses, a drawn number, the video.
    open: Vec<BTreeSet<(u64, u64, u32)>>,
    uses: BTreeMap<u32, (u64, u64)>,
}

impl<'a> Draw<'a> {
    fn new(pool: &'a Pool, taken: HashSet<(u32, u32)>, rng: &mut ChaCha8Rng) -> Self {
        let mut draw = Self {
            weights: &pool.weights,
            rooms: pool.rooms(),
            room_of: BTreeMap::new(),
            taken,
            used: pool.used.clone(),
            urgency: Vec::new(),
            queue: BTreeSet::new(),
            open: Vec::new(),
            uses: BTreeMap::new(),
        };
        let mut uses: BTreeMap<u32, u64> = BTreeMap::new();
        for (a, b) in &pool.earlier {
            *uses.entry(*a).or_default() += 1;
            *uses.entry(*b).or_default() += 1;
        }
        for (person, videos) in pool.persons.iter().enumerate() {
            let mut open = BTreeSet::new();
            for (video, room) in videos {
                if let Some(room) = room {
                    let used = uses.get(video).copied().unwrap_or(0);
                    let drawn = rng.next_u64();
                    draw.room_of.insert(*video, *room);
                    draw.uses.insert(*video, (used, drawn));
                    open.insert((used, drawn, *video));
                }
            }
            let urgency = urgency(draw.used[person], draw.weights[person], rng);
            if !open.is_empty() {
                draw.queue.insert((urgency, person));
            }
            draw.urgency.push(urgency);
            draw.open.push(open);
        }
        draw
    }

    fn next(&mut self, rng: &mut ChaCha8Rng) -> Option<(u32, u32)> {
        loop {
            let (_, person) = self.queue.first().copied()?;
            let Some(&(used, drawn, video)) = self.open[person].first() else {
                self.queue.pop_first();
                continue;
            };
            let Some((other, with)) = self.other_side(person, video, rng) else {
                // Its room has nobody left for it, and never will.
                self.open[person].remove(&(used, drawn, video));
                continue;
            };
            self.taken.insert(unordered(video, with));
            for (person, video) in [(person, video), (other, with)] {
                self.count(person, video, rng);
            }
            return Some(unordered(video, with));
        }
    }

    fn count(&mut self, person: usize, video: u32, rng: &mut ChaCha8Rng) {
        let waiting = self.queue.remove(&(self.urgency[person], person));
        self.used[person] += 1;
        self.urgency[person] = urgency(self.used[person], self.weights[person], rng);
        if waiting {
            self.queue.insert((self.urgency[person], person));
        }
        if let Some((used, drawn)) = self.uses.get_mut(&video) {
            let open = self.open[person].remove(&(*used, *drawn, video));
            (*used, *drawn) = (*used + 1, rng.next_u64());
            if open {
                self.open[person].insert((*used, *drawn, video));
            }
        }
    }

    /// The most urgent of some people of the video's room, or of all, and a video of theirs.
    fn other_side(&self, person: usize, video: u32, rng: &mut ChaCha8Rng) -> Option<(usize, u32)> {
        let members = self.rooms.get(self.room_of.get(&video)?)?;
        if members.len() > CHOICE {
            let some = (0..CHOICE).map(|_| {
                let at = u64::from(rng.next_u32()) * members.len() as u64;
                &members[(at >> 32) as usize]
            });
            let found = self.most_urgent(person, video, some.collect());
            if found.is_some() {
                return found;
            }
        }
        self.most_urgent(person, video, members.iter().collect())
    }

    fn most_urgent(
        &self,
        person: usize,
        video: u32,
        mut others: Vec<&Member>,
    ) -> Option<(usize, u32)> {
        others.retain(|(other, _)| *other != person);
        others.sort_unstable_by_key(|(other, _)| self.urgency[*other]);
        others.into_iter().find_map(|(other, videos)| {
            let free = videos
                .iter()
                .filter(|with| !self.taken.contains(&unordered(video, **with)));
            free.min_by_key(|with| self.uses.get(with))
                .map(|with| (*other, *with))
        })
    }
}

/// `wanted` pairs of two different videos of one person, each video used as often as the
/// others; fewer where there are not so many. `earlier` are not drawn again.
pub fn within(
    videos: &[u32],
    wanted: u64,
    earlier: &[(u32, u32)],
    mut rng: ChaCha8Rng,
) -> Vec<(u32, u32)> {
    let mut order: Vec<(u64, u32)> = videos.iter().map(|v| (rng.next_u64(), *v)).collect();
    order.sort_unstable();
    let mut taken: HashSet<_> = earlier.iter().map(|(a, b)| unordered(*a, *b)).collect();
    let mut pairs = Vec::new();
    // As on a round table: everybody with the next, then with the next but one.
    for distance in 1..=order.len() / 2 {
        for (at, (_, video)) in order.iter().enumerate() {
            if pairs.len() as u64 == wanted {
                return pairs;
            }
            let pair = unordered(*video, order[(at + distance) % order.len()].1);
            if taken.insert(pair) {
                pairs.push(pair);
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Videos numbered through; `rooms[p]` are the rooms of person `p`'s videos.
    fn pool(rooms: &[Vec<u32>]) -> Pool {
        let mut next = 0..;
        let videos = |rooms: &Vec<u32>| rooms.iter().map(|r| Some(*r)).collect::<Vec<_>>();
        let persons = rooms.iter().map(videos);
        Pool {
            persons: persons
                .map(|rooms| (&mut next).zip(rooms).collect())
                .collect(),
            weights: vec![1.0; rooms.len()],
            earlier: Vec::new(),
            used: vec![0; rooms.len()],
        }
    }

    #[test]
    fn everybody_is_used_alike() {
        let pool = pool(&vec![vec![0; 20]; 9]);
        let drawn = pool.draw(900, generator(1, "test"));
        assert_eq!(drawn.pairs.len(), 900);
        let (mut person, mut video) = ([0; 9], [0; 180]);
        for v in drawn.pairs.iter().flat_map(|(a, b)| [*a, *b]) {
            person[v as usize / 20] += 1;
            video[v as usize] += 1;
        }
        assert!(person.iter().all(|n| (199..=201).contains(n)), "{person:?}");
        assert!(video.iter().all(|n| (9..=11).contains(n)), "{video:?}");
    }

    #[test]
    fn weights_are_kept_to() {
        let mut pool = pool(&vec![vec![0; 10]; 8]);
        pool.weights = vec![2.0, 2.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5];
        let drawn = pool.draw(400, generator(1, "test"));
        let mut sides = [0; 8];
        for v in drawn.pairs.iter().flat_map(|(a, b)| [*a, *b]) {
            sides[v as usize / 10] += 1;
        }
        assert!(
            sides[0] > 185 && sides[2] > 90 && sides[2] < 110,
            "{sides:?}"
        );
        assert!(sides[4] > 40 && sides[4] < 60, "{sides:?}");
    }

    #[test]
    fn pairs_within_a_person_use_each_video_alike() {
        for n in [2u32, 5, 6] {
            let videos: Vec<u32> = (0..n).collect();
            let all = within(&videos, u64::MAX, &[], generator(0, ""));
            assert_eq!(all.len() as u32, n * (n - 1) / 2);
            let unique: BTreeSet<_> = all.iter().collect();
            assert_eq!(unique.len(), all.len());
        }
        let some = within(&[7, 8, 9, 10], 4, &[], generator(0, ""));
        for video in 7..11 {
            let of = some.iter().filter(|(a, b)| *a == video || *b == video);
            assert_eq!(of.count(), 2);
        }
        assert!(within(&[1], 3, &[], generator(0, "")).is_empty());
        assert_eq!(within(&[1, 2], 3, &[(2, 1)], generator(0, "")), []);
    }

    proptest! {
        #[test]
        fn pairs_are_of_two_people_in_one_room_each_once_and_as_many_as_there_are(
            rooms in prop::collection::vec(prop::collection::vec(0u32..4, 0..5), 0..24),
            wanted in 0u64..200,
            seed: u64,
        ) {
            let mut pool = pool(&rooms);
            let owner: Vec<(usize, u32)> = rooms.iter().enumerate()
                .flat_map(|(p, rooms)| rooms.iter().map(move |r| (p, *r))).collect();
            let (possible, _) = pool.possible();
            let first = pool.draw(wanted, generator(seed, "test"));
            prop_assert_eq!(first.pairs.len() as u64, wanted.min(possible));
            prop_assert_eq!(&first, &pool.draw(wanted, generator(seed, "test")));
            // Going on from there draws no pair again.
            pool.earlier = first.pairs.clone();
            for (a, b) in &pool.earlier {
                pool.used[owner[*a as usize].0] += 1;
                pool.used[owner[*b as usize].0] += 1;
            }
            let more = pool.draw(wanted, generator(seed, "more"));
            prop_assert_eq!(more.pairs.len() as u64, wanted.min(possible - pool.earlier.len() as u64));
            let mut seen = BTreeSet::new();
            for (a, b) in first.pairs.iter().chain(&more.pairs) {
                let (a, b) = (*a as usize, *b as usize);
                prop_assert!(a < b && owner[a].0 != owner[b].0 && owner[a].1 == owner[b].1);
                prop_assert!(seen.insert((a, b)));
            }
        }
    }
}
