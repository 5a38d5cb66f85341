//! `fairframe recall`.

use std::path::PathBuf;

use fairframe_ingest::{pull::recall, recall::read_list};

use crate::{
    Common,
    exit::{self, Doing, Failure},
};

#[derive(Debug, clap::Args)]
pub struct RecallArgs {
    /// Folder of a copy already downloaded, or of an installation
    copy: PathBuf,
    /// `recall.json` of a later release
    list: PathBuf,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
}

impl RecallArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let list = read_list(&self.list).doing("read the recall list")?;
        let done = recall(&self.copy, list, self.dry_run)
            .doing(format!("recall from {}", self.copy.display()))?;
        if common.json {
            exit::print_json(&done)?;
        } else {
            for path in &done.removed {
                println!("{}", path.display());
            }
            let word = if self.dry_run {
                "would be removed"
            } else {
                "removed"
            };
            println!(
                "{} files {word}; of {} recalled samples the copy holds nothing",
                done.removed.len(),
                done.absent
            );
        }
        Ok(exit::OK)
    }
}
