//! One episode, by the algorithm of Meta-Dataset (Triantafillou et al. 2020,
//! section 3.2 and appendix; `sampling.py`).

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use super::pool::Pool;
use super::{Drawing, EpisodeError, MAX_EPISODES, Shape};
use crate::intervals::{below, cell_key};

const MIN_WAY: usize = 5;
const MAX_WAY: usize = 50;
const MAX_QUERY: usize = 10;
const MAX_SUPPORT: usize = 500;
/// What one class adds to the size of the support set counts up to this.
const MAX_CONTRIBUTION: usize = 100;
/// Leaves that a node of a hierarchy may span.
const SPAN: std::ops::RangeInclusive<usize> = 5..=392;
/// Draws of the two sides of sources before giving up.
const ATTEMPTS: u32 = 100;

/// A class of an episode: indices of samples of its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawnClass {
    pub class: u32,
    pub support: Vec<u32>,
    pub query: Vec<u32>,
}

/// One episode, classes in the order drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    pub episode: u32,
    pub classes: Vec<DrawnClass>,
}

/// `min(500, sum of floor(beta min(100, remaining)) + 1)`.
pub fn support_total(beta: f64, remaining: &[usize]) -> usize {
    let of_class = |n: &usize| (beta * (*n).min(MAX_CONTRIBUTION) as f64).floor() as usize + 1;
    remaining
        .iter()
        .map(of_class)
        .sum::<usize>()
        .min(MAX_SUPPORT)
}

/// `min(floor(R (S - N)) + 1, remaining)` with R proportional to `n exp(alpha)`.
pub fn support_per_class(
    sizes: &[usize],
    alphas: &[f64],
    remaining: &[usize],
    total: usize,
) -> Vec<usize> {
    let weight = |(n, alpha): (&usize, &f64)| *n as f64 * alpha.exp();
    let weights: Vec<f64> = sizes.iter().zip(alphas).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    let spare = total.saturating_sub(sizes.len()) as f64;
    weights
        .iter()
        .zip(remaining)
        .map(|(w, remaining)| ((w / sum * spare).floor() as usize + 1).min(*remaining))
        .collect()
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn under(&mut self, bound: usize) -> usize {
        below(&mut self.0, bound as u32) as usize
    }

    /// The first `n` places become a draw without replacement.
    fn draw<T>(&mut self, list: &mut Vec<T>, n: usize) {
        for at in 0..n.min(list.len()) {
            let other = at + self.under(list.len() - at);
            list.swap(at, other);
        }
        list.truncate(n);
    }
}

/// Draws the episodes of one dataset. Each has a generator of its own, keyed
/// by seed, dataset and number: more episodes change none before them.
pub fn draw(pool: &Pool, drawing: &Drawing) -> Result<Vec<Drawn>, EpisodeError> {
    let option = |what, value, ok: bool, wanted| match ok {
        true => Ok(()),
        false => Err(EpisodeError::Option {
            what,
            value,
            wanted,
        }),
    };
    let n = drawing.episodes;
    option(
        "the number of episodes",
        n,
        (1..=MAX_EPISODES).contains(&n),
        "1 to 1000000",
    )?;
    if let Shape::Fixed { way, shot, query } = drawing.shape {
        option("the way", way, (2..=1000).contains(&way), "2 to 1000")?;
        option("the shot", shot, (1..=10_000).contains(&shot), "1 to 10000")?;
        option(
            "the query",
            query,
            (1..=10_000).contains(&query),
            "1 to 10000",
        )?;
    }
    let ways = Ways::of(pool, drawing.shape)?;
    (0..n)
        .into_par_iter()
        .map(|episode| {
            let key = cell_key(
                drawing.seed,
                "episode",
                std::slice::from_ref(&pool.name),
                &[episode.to_string()],
            );
            let mut dice = Dice(ChaCha8Rng::from_seed(key));
            let classes = ways.draw(&mut dice);
            let classes = match drawing.shape {
                Shape::Varied => varied(pool, classes, &mut dice),
                Shape::Fixed { shot, query, .. } => {
                    fixed(pool, classes, shot as usize, query as usize, &mut dice)
                }
            };
            classes
                .map(|classes| Drawn { episode, classes })
                .ok_or_else(|| EpisodeError::NotDisjoint {
                    dataset: pool.name.clone(),
                    episode,
                })
        })
        .collect()
}

/// What the classes of an episode are drawn from.
enum Ways {
    Uniform(Vec<u32>, Option<usize>),
    /// Classes of each alphabet.
    Alphabets(Vec<Vec<u32>>),
    /// Classes under each node.
    Nodes(Vec<Vec<u32>>),
}

impl Ways {
    fn of(pool: &Pool, shape: Shape) -> Result<Self, EpisodeError> {
        let eligible = |class: &u32| {
            let samples = &pool.classes[*class as usize].samples;
            let of = |at: &u32| &pool.samples[*at as usize];
            let support = samples.iter().filter(|at| of(at).support).count();
            let query = samples.iter().filter(|at| of(at).query).count();
            let mut sources: Vec<_> = samples.iter().filter_map(|at| of(at).source).collect();
            sources.sort_unstable();
            sources.dedup();
            let apart = sources.len() != 1;
            let (shot, asked) = match shape {
                Shape::Varied => (1, 1),
                Shape::Fixed { shot, query, .. } => (shot as usize, query as usize),
            };
            let enough = match pool.sided {
                true => support >= shot && query >= asked,
                false => samples.len() >= shot + asked,
            };
            enough && apart
        };
        let all: Vec<u32> = (0..pool.classes.len() as u32).filter(eligible).collect();
        let (way, needs) = match shape {
            Shape::Varied => (None, "two samples, or one on either side".to_owned()),
            Shape::Fixed { way, shot, query } => (
                Some(way as usize),
                format!("{shot} samples for support and {query} for query"),
            ),
        };
        let wanted = way.unwrap_or(MIN_WAY);
        if all.len() < wanted {
            return Err(EpisodeError::TooFewClasses {
                dataset: pool.name.clone(),
                found: all.len(),
                wanted,
                needs,
            });
        }
        // Fixed ways are drawn from all classes alike.
        if way.is_none()
            && let Some(nodes) = &pool.nodes
        {
            let kept = |classes: &Vec<u32>| -> Vec<u32> {
                let kept = classes.iter().filter(|c| all.binary_search(c).is_ok());
                kept.copied().collect()
            };
            let nodes = nodes.iter().map(kept);
            let nodes: Vec<_> = nodes.filter(|n| SPAN.contains(&n.len())).collect();
            if nodes.is_empty() {
                return Err(EpisodeError::NoNode {
                    dataset: pool.name.clone(),
                });
            }
            return Ok(Ways::Nodes(nodes));
        }
        let mut alphabets: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for class in &all {
            if let Some(name) = &pool.classes[*class as usize].alphabet {
                alphabets.entry(name).or_default().push(*class);
            }
        }
        if way.is_none() && !alphabets.is_empty() {
            let enough = |classes: &Vec<u32>| classes.len() >= MIN_WAY;
            let kept: Vec<_> = alphabets.into_values().filter(enough).collect();
            if kept.is_empty() {
                return Err(EpisodeError::TooFewClasses {
                    dataset: pool.name.clone(),
                    found: 0,
                    wanted,
                    needs: "4 others in its alphabet".to_owned(),
                });
            }
            return Ok(Ways::Alphabets(kept));
        }
        Ok(Ways::Uniform(all, way))
    }

    fn draw(&self, dice: &mut Dice) -> Vec<u32> {
        let uniform = |classes: &Vec<u32>, dice: &mut Dice| {
            let most = classes.len().min(MAX_WAY);
            MIN_WAY + dice.under(most - MIN_WAY + 1)
        };
        let (mut classes, way) = match self {
            Ways::Uniform(classes, Some(way)) => (classes.clone(), *way),
            Ways::Uniform(classes, None) => (classes.clone(), uniform(classes, dice)),
            Ways::Alphabets(alphabets) => {
                let classes = &alphabets[dice.under(alphabets.len())];
                (classes.clone(), uniform(classes, dice))
            }
            Ways::Nodes(nodes) => {
                let classes = &nodes[dice.under(nodes.len())];
                (classes.clone(), classes.len().min(MAX_WAY))
            }
        };
        dice.draw(&mut classes, way);
        classes
    }
}

/// Candidates of one class.
struct Candidates {
    class: u32,
    support: Vec<u32>,
    query: Vec<u32>,
    /// Both lists are the same: what is drawn for one is lost to the other.
    shared: bool,
}

/// Support and query candidates of each class; None where sources cannot be
/// set apart. `asked` is the query samples wanted of a class with n samples.
fn candidates(
    pool: &Pool,
    classes: &[u32],
    asked: &dyn Fn(usize) -> usize,
    enough: &dyn Fn(&Candidates) -> bool,
    dice: &mut Dice,
) -> Option<Vec<Candidates>> {
    let sample = |at: &u32| &pool.samples[*at as usize];
    let disjoint = classes.iter().any(|class| {
        let first = pool.classes[*class as usize].samples.first();
        first.is_some_and(|at| sample(at).source.is_some())
    });
    let sided = pool.sided;
    for _ in 0..ATTEMPTS {
        // true: query.
        let mut sides: BTreeMap<u32, bool> = BTreeMap::new();
        if disjoint {
            for class in classes {
                let samples = &pool.classes[*class as usize].samples;
                let wanted = asked(samples.len());
                let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
                for at in samples {
                    let counts = usize::from(sample(at).query);
                    *sizes.entry(sample(at).source?).or_default() += counts;
                }
                let mut order: Vec<(u32, usize)> = sizes.into_iter().collect();
                let n = order.len();
                dice.draw(&mut order, n);
                let on_query = |(source, n): &(u32, usize)| match sides.get(source) {
                    Some(true) => *n,
                    _ => 0,
                };
                let mut have: usize = order.iter().map(on_query).sum();
                let mut supporting = order.iter().any(|(s, _)| sides.get(s) == Some(&false));
                for (place, (source, n)) in order.iter().enumerate() {
                    if sides.contains_key(source) {
                        continue;
                    }
                    // The last one left supports, if none does yet.
                    let later = order[place + 1..].iter();
                    let last = !supporting && later.clone().all(|(s, _)| sides.contains_key(s));
                    let query = have < wanted && !last;
                    sides.insert(*source, query);
                    have += if query { *n } else { 0 };
                    supporting |= !query;
                }
            }
        }
        let found: Vec<Candidates> = classes
            .iter()
            .map(|class| {
                let samples = &pool.classes[*class as usize].samples;
                let on = |query: bool| {
                    let kept = samples.iter().filter(|at| {
                        let sample = sample(at);
                        let may = if query { sample.query } else { sample.support };
                        may && sample.source.is_none_or(|s| sides.get(&s) == Some(&query))
                    });
                    kept.copied().collect::<Vec<u32>>()
                };
                Candidates {
                    class: *class,
                    support: on(false),
                    query: on(true),
                    shared: !disjoint && !sided,
                }
            })
            .collect();
        if found.iter().all(enough) {
            return Some(found);
        }
        if !disjoint {
            break;
        }
    }
    None
}

fn take(candidates: Candidates, shot: usize, query: usize, dice: &mut Dice) -> DrawnClass {
    let Candidates {
        class,
        mut support,
        query: mut asked,
        shared,
    } = candidates;
    if shared {
        dice.draw(&mut support, shot + query);
        asked = support.split_off(shot);
    } else {
        dice.draw(&mut support, shot);
        dice.draw(&mut asked, query);
    }
    DrawnClass {
        class,
        support,
        query: asked,
    }
}

fn fixed(
    pool: &Pool,
    classes: Vec<u32>,
    shot: usize,
    query: usize,
    dice: &mut Dice,
) -> Option<Vec<DrawnClass>> {
    let enough = |c: &Candidates| match c.shared {
        true => c.support.len() >= shot + query,
        false => c.support.len() >= shot && c.query.len() >= query,
    };
    let found = candidates(pool, &classes, &|_| query, &enough, dice)?;
    let take = found.into_iter().map(|c| take(c, shot, query, dice));
    Some(take.collect())
}

fn varied(pool: &Pool, classes: Vec<u32>, dice: &mut Dice) -> Option<Vec<DrawnClass>> {
    let asked = |n: usize| (n / 2).min(MAX_QUERY);
    let enough = |c: &Candidates| !c.support.is_empty() && !c.query.is_empty();
    let found = candidates(pool, &classes, &asked, &enough, dice)?;
    let sizes: Vec<usize> = classes
        .iter()
        .map(|class| pool.classes[*class as usize].samples.len())
        .collect();
    // Where one list serves both sides at most half of it asks.
    let most = |c: &Candidates| c.query.len() / if c.shared { 2 } else { 1 };
    let query = found.iter().map(most).min()?.min(MAX_QUERY);
    let remaining: Vec<usize> = found
        .iter()
        .map(|c| c.support.len() - if c.shared { query } else { 0 })
        .collect();
    let beta = dice.unit();
    let total = support_total(beta, &remaining);
    let most = std::f64::consts::LN_2;
    let alphas: Vec<f64> = sizes
        .iter()
        .map(|_| (2.0 * dice.unit() - 1.0) * most)
        .collect();
    let shots = support_per_class(&sizes, &alphas, &remaining, total);
    let drawn = found.into_iter().zip(shots);
    Some(drawn.map(|(c, shot)| take(c, shot, query, dice)).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_worked_example_holds() {
        let sizes = [20, 8, 100, 40, 12];
        let query = sizes.iter().map(|n| n / 2).min().unwrap().min(MAX_QUERY);
        assert_eq!(query, 4);
        let remaining = sizes.map(|n| n - query);
        assert_eq!(support_total(0.35, &remaining), 58);
        let alphas = [0.0, 0.3, -0.5, 0.6, -0.2];
        let shots = support_per_class(&sizes, &alphas, &remaining, 58);
        assert_eq!(shots, [7, 4, 19, 23, 3]);
    }

    fn drawing(shape: Shape, episodes: u32) -> Drawing {
        Drawing {
            shape,
            episodes,
            seed: 7,
        }
    }

    #[test]
    fn varied_episodes_keep_the_papers_bounds() {
        let sizes: Vec<usize> = (0..70).map(|at| 4 + at * 3).collect();
        let pool = Pool::made(&sizes, |_, _| None);
        let drawn = draw(&pool, &drawing(Shape::Varied, 300)).unwrap();
        let mut ways = BTreeSet::new();
        for episode in &drawn {
            ways.insert(episode.classes.len());
            let classes: BTreeSet<u32> = episode.classes.iter().map(|c| c.class).collect();
            assert_eq!(classes.len(), episode.classes.len());
            let query = episode.classes[0].query.len();
            let least = classes
                .iter()
                .map(|c| sizes[*c as usize] / 2)
                .min()
                .unwrap();
            assert_eq!(query, least.min(10));
            let mut seen: BTreeSet<u32> = BTreeSet::new();
            for class in &episode.classes {
                assert_eq!(class.query.len(), query);
                assert!(!class.support.is_empty());
                let n = class.support.len() + query;
                assert!(n <= sizes[class.class as usize]);
                seen.extend(class.support.iter().chain(&class.query));
            }
            let all = episode.classes.iter().map(|c| c.support.len() + query);
            assert_eq!(seen.len(), all.sum::<usize>());
            let support: usize = episode.classes.iter().map(|c| c.support.len()).sum();
            assert!(support <= MAX_SUPPORT);
        }
        // 5 to 50 ways, uniformly: 300 draws meet nearly all of 46.
        assert_eq!((ways.first(), ways.last()), (Some(&5), Some(&50)));
        assert!(ways.len() > 40, "{}", ways.len());
    }

    #[test]
    fn a_seed_gives_the_same_episodes_and_fewer_are_the_first_of_more() {
        let pool = Pool::made(&[30; 12], |_, _| None);
        let all = draw(&pool, &drawing(Shape::Varied, 40)).unwrap();
        let few = draw(&pool, &drawing(Shape::Varied, 10)).unwrap();
        assert_eq!(all[..10], few[..]);
        let other = Drawing {
            seed: 8,
            ..drawing(Shape::Varied, 10)
        };
        assert_ne!(draw(&pool, &other).unwrap(), few);
    }

    #[test]
    fn fixed_shapes_are_what_they_say() {
        let pool = Pool::made(&[20, 21, 22, 23, 24, 5], |_, _| None);
        let shape = Shape::Fixed {
            way: 5,
            shot: 5,
            query: 15,
        };
        for episode in draw(&pool, &drawing(shape, 50)).unwrap() {
            assert_eq!(episode.classes.len(), 5);
            for class in episode.classes {
                assert_eq!((class.support.len(), class.query.len()), (5, 15));
                assert!(class.class < 5, "a class of 5 samples cannot give 20");
            }
        }
        let pool = Pool::made(&[19; 9], |_, _| None);
        let said = draw(&pool, &drawing(shape, 1)).unwrap_err().to_string();
        assert!(
            said.contains("0 classes") && said.contains("15 for query"),
            "{said}"
        );
    }

    #[test]
    fn sources_never_stand_on_both_sides() {
        // Each source gives three frames, and some sources two classes.
        let source = |class: usize, at: usize| Some(format!("{}-{}", class / 2, at / 3));
        let pool = Pool::made(&[30; 8], source);
        for shape in [
            Shape::Varied,
            Shape::Fixed {
                way: 5,
                shot: 4,
                query: 6,
            },
        ] {
            for episode in draw(&pool, &drawing(shape, 100)).unwrap() {
                let of = |list: &dyn Fn(&DrawnClass) -> Vec<u32>| -> BTreeSet<u32> {
                    let all = episode.classes.iter().flat_map(list);
                    all.filter_map(|at| pool.samples[at as usize].source)
                        .collect()
                };
                let support = of(&|class| class.support.clone());
                let query = of(&|class| class.query.clone());
                assert!(support.is_disjoint(&query));
                assert!(episode.classes.iter().all(|c| !c.query.is_empty()));
            }
        }
        // One source a class: nothing can be set apart.
        let pool = Pool::made(&[30; 8], |class, _| Some(class.to_string()));
        assert!(matches!(
            draw(&pool, &drawing(Shape::Varied, 1)),
            Err(EpisodeError::TooFewClasses { found: 0, .. })
        ));
    }
}
