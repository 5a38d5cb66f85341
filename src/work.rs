//! `fairframe work`: scores what waits in the queue of competitions. Started by `serve`.

use std::sync::Arc;

use fairframe_corpus::worker::{ForkServer, WorkerCommand};
use fairframe_schemas::Layout;
use fairframe_web::{competitions::work::Worker, state::Db};

use crate::{
    Common,
    exit::{self, Doing, Failure},
    ingest::clock,
    judge::Apart,
};

/// What a worker ends with when a task takes too long.
const BEYOND_LIMITS: i32 = 75;

/// How much a worker, and what it starts, lets others go first: the server that it shares the machine
/// with answers people.
const NICE: i32 = 5;

/// A worker of the competitions' queue; `serve` starts its own
#[derive(Debug, clap::Args)]
pub struct WorkArgs {
    /// Its name in the queue, nobody else's
    #[arg(long)]
    name: Option<String>,
}

impl WorkArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        // Where it may not, it works as everybody does.
        let _ = rustix::process::nice(NICE);
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
                judge: Arc::new(Apart(ForkServer::new(judging()))),
                exit: || std::process::exit(BEYOND_LIMITS),
            };
            worker.run().await;
            Ok(exit::OK)
        })
    }
}

/// This very program, even where another has taken its place on the disk.
fn judging() -> WorkerCommand {
    WorkerCommand {
        program: "/proc/self/exe".into(),
        arguments: Vec::new(),
    }
}
