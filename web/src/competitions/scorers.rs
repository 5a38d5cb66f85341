//! The worker processes of a server: started, watched, started again.
//!
//! They are children that die with the server, so that none works on beside the next one's.

use std::{path::PathBuf, process::Stdio, time::Duration};

use fairframe_competitions::vault;
use fairframe_schemas::Layout;
use tokio::{process::Command, task::JoinSet};

use crate::state::{
    Db, StateError,
    competitions::{self, queue, uploads},
};

/// How long a worker that ended is mourned: one that cannot start does not start all the time.
const PAUSE: Duration = Duration::from_secs(1);

/// How often uploads nobody finished are forgotten.
const TIDIED_EVERY: Duration = Duration::from_secs(3_600);

/// What starts workers.
pub struct Scorers {
    pub db: Db,
    pub layout: Layout,
    /// This binary.
    pub program: PathBuf,
    pub workers: usize,
}

impl Scorers {
    /// Keeps workers at work until it is dropped.
    pub async fn run(self) {
        if let Err(error) = queue::recover(&self.db).await {
            tracing::error!(%error, "tasks that were under way could not be taken up");
        }
        let mut all = JoinSet::new();
        for n in 0..self.workers {
            let (db, program) = (self.db.clone(), self.program.clone());
            let root = self.layout.root().to_owned();
            all.spawn(async move {
                let mut life = 0u64;
                loop {
                    let name = format!("{}-{n}-{life}", std::process::id());
                    let ended = one(&program, &root, &name).await;
                    tracing::warn!(worker = name, ended, "a worker ended; another is started");
                    let problem = format!("its worker ended: {ended}");
                    if let Err(error) = queue::died(&db, &name, &problem).await {
                        tracing::error!(%error, "what it had could not be freed");
                    }
                    life += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        loop {
            if let Err(error) = self.tidy().await {
                tracing::error!(%error, "uploads could not be forgotten");
            }
            tokio::time::sleep(TIDIED_EVERY).await;
        }
    }

    async fn tidy(&self) -> Result<(), StateError> {
        let before = self.db.now() - uploads::KEPT;
        let mut write = self.db.write().await?;
        uploads::forget(&mut write, before).await?;
        write.commit().await?;
        let all = competitions::all(&self.db).await?;
        let (layout, before) = (self.layout.clone(), before.into());
        let tidied = tokio::task::spawn_blocking(move || {
            vault::forget_openings(&layout.openings(), before);
            for competition in all {
                super::vault(&layout, &competition.name).forget_unfinished(before);
            }
        });
        if let Err(error) = tidied.await {
            tracing::error!(%error, "what never arrived could not be removed");
        }
        Ok(())
    }
}

/// Starts a worker and waits for its end; says how it ended.
async fn one(program: &PathBuf, root: &PathBuf, name: &str) -> String {
    let started = Command::new(program)
        .arg("--root")
        .arg(root)
        .args(["--progress-lines", &std::process::id().to_string()])
        .args(["work", "--name", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    match started {
        Err(error) => error.to_string(),
        Ok(mut child) => match child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        },
    }
}
