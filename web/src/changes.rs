//! Differences between releases, found once: releases do not change.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use fairframe_ingest::diff::{Diff, diff};
use tokio::sync::Semaphore;

use crate::{catalog::Release, error::AppError};

/// Differences kept; one of a million samples that all came new has 16 MB.
const KEPT: usize = 4;

/// Found one at a time: a million rows take some seconds, and anybody may ask.
static FINDING: Semaphore = Semaphore::const_new(1);

#[derive(Default)]
pub struct Changes {
    held: Mutex<VecDeque<([PathBuf; 2], Arc<Diff>)>>,
}

impl Changes {
    pub async fn between(&self, before: &Release, after: &Release) -> Result<Arc<Diff>, AppError> {
        let key = [before.folder.clone(), after.folder.clone()];
        if let Some(found) = self.held(&key) {
            return Ok(found);
        }
        let _turn = FINDING.acquire().await.map_err(AppError::internal)?;
        // Whoever had the turn before may have looked for the same.
        if let Some(found) = self.held(&key) {
            return Ok(found);
        }
        let [a, b] = key.clone();
        let found = tokio::task::spawn_blocking(move || diff(&a, &b))
            .await
            .map_err(AppError::internal)?
            .map_err(AppError::internal)?;
        let found = Arc::new(found);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.push_front((key, found.clone()));
        held.truncate(KEPT);
        Ok(found)
    }

    fn held(&self, key: &[PathBuf; 2]) -> Option<Arc<Diff>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let found = held.iter().find(|(k, _)| k == key);
        found.map(|(_, diff)| diff.clone())
    }
}
