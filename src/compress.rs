//! `fairframe compress`.

use std::path::PathBuf;

use fairframe_schemas::Timestamp;

use crate::{
    Common,
    corpus::{Compressed, Opened, workers},
    exit::{self, Failure},
};

/// Writes the real and fake clips of a corpus in every quality of its ladder.
///
/// Each fake is labelled in its own metadata. What is there already, made from the same, stays.
#[derive(Debug, clap::Args)]
pub struct CompressArgs {
    /// `source.toml` of a corpus
    #[arg(value_name = "SOURCE.TOML")]
    source: PathBuf,
    /// The moment at which consents are judged [default: now]
    #[arg(long, value_name = "RFC 3339")]
    at: Option<Timestamp>,
    /// Clips at a time [default: all cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

impl CompressArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let mut opened = Opened::at(&self.source, self.at, common)?;
        let outcome = opened.compress(&workers(self.workers)?, common)?;
        opened.again(self.at, common)?;
        match common.json {
            true => exit::print_json(&outcome)?,
            false => exit::print(&describe(&outcome))?,
        }
        Ok(exit::OK)
    }
}

/// What a person reads at the end.
fn describe(outcome: &Compressed) -> String {
    let Compressed {
        made,
        refused,
        folder,
    } = outcome;
    let folder = folder.display();
    format!("  {made:>9} files, masks among them\n  {refused:>9} refused\n  {folder}\n")
}
