//! `fairframe backup`: the server's database, whole, as of one moment.

use std::path::PathBuf;

use fairframe_schemas::Layout;
use fairframe_web::state::Db;

use crate::{
    Common,
    exit::{self, Doing, Failure},
    ingest::clock,
};

#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// File to write; there must be none yet
    to: PathBuf,
}

impl BackupArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let doing = || format!("back up to {}", self.to.display());
        let path = Layout::new(&common.root).state();
        std::fs::metadata(&path).doing(format!("read {}", path.display()))?;
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        runtime.block_on(async {
            let db = Db::open(&path, clock()).await.doing(doing())?;
            db.back_up(&self.to).await.doing(doing())
        })?;
        Ok(exit::OK)
    }
}
