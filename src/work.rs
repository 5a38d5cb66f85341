//! `fairframe work`: scores what waits in the queue of competitions. Started by `serve`.

use std::sync::Arc;

use fairframe_schemas::Layout;
use fairframe_web::{competitions::work::Worker, state::Db};

use crate::{
    Common,
    exit::{self, Doing, Failure},
    ingest::clock,
};

/// What a worker ends with when a task is beyond its limits.
const BEYOND_LIMITS: i32 = 75;

/// A worker of the competitions' queue; `serve` starts its own
#[derive(Debug, clap::Args)]
pub struct WorkArgs {
    /// Its name in the queue, nobody else's
    #[arg(long)]
    name: Option<String>,
}

impl WorkArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        runtime.block_on(async {
            let layout = Layout::new(&common.root);
            let db = Db::open(&layout.state(), clock()).await;
            let worker = Worker {
                db: db.doing("open the database")?,
                layout: Arc::new(layout),
                name: self
                    .name
                    .unwrap_or_else(|| format!("{}-alone", std::process::id())),
                limit_memory,
                exit: || std::process::exit(BEYOND_LIMITS),
            };
            worker.run().await;
            Ok(exit::OK)
        })
    }
}

/// Lets this process have so many bytes more than it may have at all: allocating fails beyond, and
/// ends it.
fn limit_memory(bytes: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Data).maximum;
    let limit = Rlimit {
        current: Some(maximum.map_or(bytes, |most| bytes.min(most))),
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Data, limit) {
        tracing::warn!(%error, "the memory of this worker is not limited");
    }
}
