//! `fairframe recall`.

use std::path::{Path, PathBuf};

use fairframe_ingest::{
    pull::recall,
    recall::read_list,
    server::{self, is_address},
};
use fairframe_schemas::RecallList;

use crate::{
    Common,
    exit::{self, Doing, Failure},
    server::Credentials,
};

#[derive(Debug, clap::Args)]
pub struct RecallArgs {
    /// Folder of a copy already downloaded, or of an installation
    copy: PathBuf,
    /// `recall.json` of a later release: a file, or where a server has it
    /// (`https://host/data/demo/recall.json`)
    list: String,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    credentials: Credentials,
}

impl RecallArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let list = self.list()?;
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
    fn list(&self) -> Result<RecallList, Failure> {
        const DOING: &str = "read the recall list";
        if !is_address(&self.list) {
            return read_list(Path::new(&self.list)).doing(DOING);
        }
        let token = self.credentials.token()?;
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        runtime
            .block_on(server::recall_list(&self.list, token.as_deref()))
            .doing(DOING)
    }
}
