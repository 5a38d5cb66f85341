//! `fairframe pair`.

use std::path::PathBuf;

use fairframe_corpus::pair::Outcome;
use fairframe_schemas::Timestamp;

use crate::{
    Common,
    corpus::Opened,
    exit::{self, Failure},
};

/// Plans who is swapped with whom, from the newest release of the actors.
///
/// Only where both sides agreed to `manipulate`. The same release, consents and settings give
/// the same plan.
#[derive(Debug, clap::Args)]
pub struct PairArgs {
    /// `source.toml` of a corpus
    #[arg(value_name = "SOURCE.TOML")]
    source: PathBuf,
    /// The moment at which consents are judged [default: now]
    #[arg(long, value_name = "RFC 3339")]
    at: Option<Timestamp>,
    /// Keep the pairs and splits of the plan that is there, and add to them
    #[arg(long)]
    extend: bool,
}

impl PairArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let outcome = Opened::at(&self.source, self.at, common)?.pair(self.extend)?;
        match common.json {
            true => exit::print_json(&outcome)?,
            false => exit::print(&describe(&outcome))?,
        }
        Ok(exit::OK)
    }
}

/// What a person reads at the end: pairs by split, what was refused, what is uneven.
pub fn describe(outcome: &Outcome) -> String {
    let p = &outcome.pairing;
    let mut text = format!(
        "{}: pairs of {} {}\n",
        p.dataset, p.actors, p.actors_version
    );
    let mut line = |n: u64, words: String| text.push_str(&format!("  {n:>9} {words}\n"));
    line(
        p.pairs.across,
        "pairs of two people, in both directions".to_owned(),
    );
    if p.pairs.within > 0 {
        line(
            p.pairs.within,
            "pairs of two clips of one person".to_owned(),
        );
    }
    if p.kept > 0 {
        line(p.kept, "of them as they were".to_owned());
    }
    if outcome.dropped > 0 {
        let words = "rows of the plan before are gone (`--extend` keeps them)";
        line(outcome.dropped, words.to_owned());
    }
    for (split, s) in &p.splits {
        let (pairs, subjects, videos) = (s.pairs.across, s.subjects, s.videos);
        let of = s.possible;
        line(
            pairs,
            format!(
                "of {of} in {split}: {subjects} people, {videos} videos, each person in {} to {}",
                s.fewest, s.most
            ),
        );
    }
    for (reason, n) in &p.refused {
        line(*n, format!("refused, {reason}: {}", reason.text()));
    }
    for u in &p.unbalanced {
        let why: Vec<&str> = u.obstacles.iter().map(|o| o.as_str()).collect();
        let (split, stratum, value, even) = (u.split, &u.stratum, &u.value, u.even);
        line(
            u.sides,
            format!(
                "sides of {stratum} `{value}` in {split}, where {even:.0} were even: {}",
                why.join(", ")
            ),
        );
    }
    text.push_str(&format!("  {}\n", outcome.folder.display()));
    text
}
