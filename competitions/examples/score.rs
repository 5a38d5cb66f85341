//! How long a submission is scored for, in a process that has done so before:
//! `cargo run --release -p fairframe-competitions --example score -- SOLUTION SAMPLE SUBMISSION [ROUNDS]`
//! (Inclusive Images, its answers as they were sent.) Says the median and the slowest, and a
//! report's time once.

use std::{error::Error, fs, path::Path, time::Instant};

use fairframe_competitions::{
    definition::Competition,
    prepare,
    score::{self, Outcome, ScoreOptions},
};

const TOML: &str = "competition = \"c\"\ntitle = \"C\"\ntimezone = \"UTC\"\n\
    [task]\nform = \"multi-label\"\n[board]\nmetric = \"f2_mean\"\n\
    [[stage]]\nname = \"one\"\ntitle = \"One\"\nopens = \"2026-01-01\"\ncloses = \"2026-02-01\"\n\
    solution = \"solution\"\nsample_submission = \"sample\"\npublic_share = 0.34\n";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [solution, sample, submission, rest @ ..] = args.as_slice() else {
        return Err("give SOLUTION SAMPLE SUBMISSION [ROUNDS]".into());
    };
    let rounds: usize = rest.first().map_or(Ok(50), |n| n.parse())?;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("competition.toml"), TOML)?;
    fs::copy(solution, folder.path().join("solution"))?;
    fs::copy(sample, folder.path().join("sample"))?;
    let competition = Competition::read(folder.path())?;
    let stage = &competition.stages[0];
    let truth = folder.path().join("truth");
    let begun = Instant::now();
    let facts = prepare::prepare(&competition, stage, None, &truth)?;
    println!(
        "prepared {} public and {} private rows in {:.0} ms",
        facts.public,
        facts.private,
        begun.elapsed().as_secs_f64() * 1e3
    );
    let options = ScoreOptions {
        competition: &competition,
        stage: &stage.name,
        truth: &truth,
        submission: Path::new(submission),
    };
    let mut took = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let begun = Instant::now();
        let Outcome::Scored(scored) = score::score(&options)? else {
            return Err("the submission is refused".into());
        };
        let results = folder.path().join(round.to_string());
        scored.keep(&results)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        if round == 0 {
            println!(
                "scores {:?} {:?}",
                scored.public.value, scored.private.value
            );
        }
    }
    took.sort_by(f64::total_cmp);
    if let (Some(median), Some(slowest)) = (took.get(took.len() / 2), took.last()) {
        println!("scored {rounds} times: median {median:.1} ms, slowest {slowest:.1} ms");
    }
    let begun = Instant::now();
    score::report(&options, &folder.path().join("report"))?;
    println!("both reports in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}
