//! `fairframe diff`.

use std::path::PathBuf;

use fairframe_ingest::diff::diff;

use crate::{
    Common,
    exit::{self, Doing, Failure},
};

#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// Folder of the earlier release
    before: PathBuf,
    /// Folder of the later release
    after: PathBuf,
}

impl DiffArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let diff = diff(&self.before, &self.after).doing("compare releases")?;
        if common.json {
            exit::print_json(&diff)?;
            return Ok(exit::OK);
        }
        for id in &diff.added {
            println!("+ {id}");
        }
        for (id, gone) in &diff.removed {
            let status = gone.status.map_or("no row", |s| s.as_str());
            println!("- {id} {status} {}", gone.reasons.join(" "));
        }
        for (id, columns) in &diff.changed {
            println!("~ {id} {}", columns.join(" "));
        }
        println!(
            "{} added, {} removed, {} changed, {} changed among the excluded, {} unchanged: a {:?} change",
            diff.added.len(),
            diff.removed.len(),
            diff.changed.len(),
            diff.excluded_changed.len(),
            diff.unchanged,
            diff.change(),
        );
        Ok(exit::OK)
    }
}
