//! `fairframe diff`.

use std::path::Path;

use fairframe_ingest::{
    diff::{Diff, diff},
    server::{self, is_address},
};

use crate::{
    Common,
    exit::{self, Doing, Failure},
    server::Credentials,
};

#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// Folder of the earlier release, or where a server has it (`https://host/data/demo/1.0.0/`)
    before: String,
    /// Folder of the later release, or where the same server has it
    after: String,
    #[command(flatten)]
    credentials: Credentials,
}

impl DiffArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let diff = self.diff()?;
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
    fn diff(&self) -> Result<Diff, Failure> {
        const DOING: &str = "compare releases";
        if !is_address(&self.before) && !is_address(&self.after) {
            return diff(Path::new(&self.before), Path::new(&self.after)).doing(DOING);
        }
        let token = self.credentials.token()?;
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        let asked = server::diff(&self.before, &self.after, token.as_deref());
        runtime.block_on(asked).doing(DOING)
    }
}
