//! `fairframe swap`.

use fairframe_corpus::{
    item::Made,
    swap::{Outcome, Spent},
};

use crate::{
    Common,
    corpus::{Opened, StageArgs},
    exit::Failure,
};

/// Makes the fakes of a corpus: each pair that was planned, by each method.
///
/// Both people's consents are asked again right before. What is there already, made from the
/// same, is left; a refused fake is one line, and not made up for.
#[derive(Debug, clap::Args)]
pub struct SwapArgs {
    #[command(flatten)]
    stage: StageArgs,
}

impl SwapArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        self.stage.run(common, Opened::swap, describe)
    }
}

/// What a person reads at the end.
pub fn describe(outcome: &Outcome) -> String {
    let mut text = String::from("fakes:\n");
    let mut line = |n: u64, words: String| text.push_str(&format!("  {n:>9} {words}\n"));
    let (mut made, mut found, mut frames, mut swapped) = (0, 0, 0, 0);
    let mut errors = Vec::new();
    let (mut spent, mut timed) = (Spent::default(), 0);
    for fake in &outcome.fakes {
        if let Made::Done(done) = &fake.result {
            made += 1;
            found += u64::from(fake.found);
            frames += done.frames;
            swapped += done.swapped;
            if let Some(took) = &fake.spent {
                spent.add(took);
                timed += done.frames;
            }
            errors.extend(done.landmark_error.map(|error| (error, &fake.item)));
        }
    }
    line(made, format!("fakes, {found} of them as they were"));
    line(swapped, format!("of {frames} frames swapped"));
    for (reason, n) in outcome.refused() {
        line(n, format!("refused, {reason}: {}", reason.text()));
    }
    if outcome.removed > 0 {
        let words = "taken away: their pair may not be made any more";
        line(outcome.removed, words.to_owned());
    }
    let by_error = |a: &&(f64, &String), b: &&(f64, &String)| a.0.total_cmp(&b.0);
    for (what, found) in [
        ("best", errors.iter().min_by(by_error)),
        ("worst", errors.iter().max_by(by_error)),
    ] {
        if let Some((error, item)) = found {
            text.push_str(&format!("  {what}: {item} (landmark error {error:.3})\n"));
        }
    }
    if timed > 0 {
        let total = spent.total_s();
        let share = |(part, s)| format!("{part} {:.0}%", 100.0 * s / total);
        text.push_str(&format!(
            "  {:.1} frames a second and worker: {}\n",
            timed as f64 / total,
            spent.parts().map(share).join(", ")
        ));
    }
    text.push_str(&format!("  {}\n", outcome.folder.display()));
    text
}
