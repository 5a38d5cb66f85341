//! `fairframe competition open`: a folder into the data folder, to hosts only until it is published.

use std::path::PathBuf;

use fairframe_schemas::Layout;
use fairframe_web::{competitions::opening, state::Db};
use serde_json::json;

use crate::{
    Common,
    exit::{self, Doing, Failure},
    ingest::clock,
};

/// Opens a competition; one that is open already gets this definition from now on
#[derive(Debug, clap::Args)]
pub struct OpenArgs {
    /// Its folder, with a `competition.toml`
    dir: PathBuf,
}

impl OpenArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let doing = || format!("open the competition in `{}`", self.dir.display());
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        let name = runtime.block_on(async {
            let layout = Layout::new(&common.root);
            let db = Db::open(&layout.state(), clock()).await.doing(doing())?;
            opening::open(&db, &layout, "console", &self.dir, None)
                .await
                .doing(doing())
        })?;
        if common.json {
            exit::print_json(&json!({ "competition": name }))?;
        } else {
            exit::print(&format!(
                "{name} is open to its hosts; they publish it at /competitions/{name}/host\n"
            ))?;
        }
        Ok(exit::OK)
    }
}
