//! Plans pairs among many people, and says how long it took:
//! `cargo run --release -p fairframe-corpus --example plan_pairs [people] [videos of each] [pairs]`.

use std::time::Instant;

use fairframe_corpus::pair::{People, Person, Video, bytes, plan, told};
use fairframe_schemas::{
    SampleId,
    source::{PairRule, SplitRule},
};

fn main() {
    let number = |at: usize, or: u64| -> u64 {
        let given = std::env::args().nth(at);
        given.map_or(or, |n| n.parse().expect("a number"))
    };
    let (persons, each, pairs) = (number(1, 10_000), number(2, 10), number(3, 100_000));
    let strata = ["region", "monk_tone", "age_band", "gender_presentation"];
    let mut people = People {
        source: "actors".to_owned(),
        strata: strata.map(str::to_owned).to_vec(),
        ..People::default()
    };
    // Lopsided, as people are: most are of the first values.
    let lean = |p: u64, k: u64, of: u64| {
        let u = (p.wrapping_mul(2_654_435_761 + k * 40_503) >> 7) % 1000;
        Some(format!("v{}", u * u * of / 1_000_000))
    };
    let mut videos = Vec::new();
    for p in 0..persons {
        people.persons.push(Person {
            id: format!("person-{p:08}"),
            consents: vec![format!("consent-{p}")],
            region: lean(p, 0, 5),
            strata: vec![lean(p, 0, 5), lean(p, 1, 10), lean(p, 2, 6), lean(p, 3, 3)],
            videos: Vec::new(),
        });
        for v in 0..each {
            videos.push((
                SampleId::new("actors", &format!("{p}/{v}")),
                p as u32,
                v as u32,
            ));
        }
    }
    videos.sort();
    for (sample, person, room) in videos {
        let place = people.videos.len() as u32;
        people.persons[person as usize].videos.push(place);
        people.videos.push(Video {
            sample,
            person,
            scene: Some(format!("scene-{room}")),
            room: Some(room),
        });
    }
    let rule = PairRule {
        pairs: Some(pairs),
        strata: people.strata.clone(),
        ..PairRule::default()
    };
    let start = Instant::now();
    let plan = plan(&people, &rule, &SplitRule::default(), Vec::new()).expect("a plan");
    let planned = start.elapsed();
    let told = told(&plan, &people, &rule);
    let reported = start.elapsed();
    let size = bytes(&plan.rows).expect("bytes").len();
    println!(
        "{persons} people, {} videos, {} pairs: planned in {planned:.3?}, reported at {reported:.3?}, encoded at {:.3?} ({size} bytes)",
        people.videos.len(),
        told.pairs.across,
        start.elapsed(),
    );
    for (split, s) in &told.splits {
        println!(
            "{split}: {} pairs, each person in {} to {}",
            s.pairs.across, s.fewest, s.most
        );
        for (stratum, values) in &s.strata {
            let sides: Vec<u64> = values.values().map(|v| v.sides).collect();
            println!("  {stratum}: {sides:?}");
        }
    }
    for u in &told.unbalanced {
        println!(
            "{} {} {}: {} of {:.0}: {:?}",
            u.split, u.stratum, u.value, u.sides, u.even, u.obstacles
        );
    }
}
