//! The indexes held in memory: built when first asked for, the least used ones given up.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use fairframe_schemas::{DatasetVersion, Layout, Name, SampleId};
use tokio::sync::watch;

use super::Index;
use crate::{
    catalog::{self, Release, SUMS},
    error::AppError,
};

/// Memory of all indexes but the one asked for last, in bytes: a release of 1M samples is
/// some 400 MB.
const MAX_BYTES: usize = 512 << 20;

/// How long a page waits for an index before it says that it is being made.
const PATIENCE: Duration = Duration::from_millis(500);

/// What an index was made from: it is made anew when one of these changes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    dataset: Name,
    version: DatasetVersion,
    /// When the release, the newest one and the recall list were written.
    latest: Option<DatasetVersion>,
    written: [Option<SystemTime>; 3],
}

/// Failures are told to all who wait, and tried again by the next.
type Outcome = Option<Result<Arc<Index>, String>>;

struct Held {
    state: State,
    outcome: watch::Receiver<Outcome>,
}

/// Indexes by release; the last used one stands last.
pub struct Indexes {
    layout: Arc<Layout>,
    held: Mutex<Vec<Held>>,
    /// Bytes.
    most: usize,
}

impl Indexes {
    pub fn new(layout: Arc<Layout>) -> Self {
        Self {
            layout,
            held: Mutex::default(),
            most: MAX_BYTES,
        }
    }

    /// The index of a release. [`AppError::Preparing`] while it is being made: the page that
    /// becomes of it asks again by itself.
    pub async fn get(&self, release: &Release) -> Result<Arc<Index>, AppError> {
        let mut outcome = self.start(release)?;
        let done = tokio::time::timeout(PATIENCE, outcome.wait_for(Option::is_some)).await;
        match done {
            Err(_) => Err(AppError::Preparing),
            Ok(Err(_)) => Err(AppError::internal("the index was given up")),
            Ok(Ok(outcome)) => match &*outcome {
                Some(Ok(index)) => Ok(index.clone()),
                Some(Err(error)) => Err(AppError::internal(error)),
                None => Err(AppError::Preparing),
            },
        }
    }

    fn start(&self, release: &Release) -> Result<watch::Receiver<Outcome>, AppError> {
        let state = self.state(release)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.iter().position(|h| h.state == state);
        if let Some(known) = known {
            let entry = held.remove(known);
            let failed = matches!(&*entry.outcome.borrow(), Some(Err(_)));
            if !failed {
                let outcome = entry.outcome.clone();
                held.push(entry);
                return Ok(outcome);
            }
        }
        // What the release was before is of no use any more, and may show what was withdrawn.
        held.retain(|h| (&h.state.dataset, h.state.version) != (&state.dataset, state.version));
        give_up(&mut held, self.most);
        let (done, outcome) = watch::channel(None);
        held.push(Held {
            state,
            outcome: outcome.clone(),
        });
        let (layout, release) = (self.layout.clone(), release.clone());
        tokio::task::spawn_blocking(move || {
            let index = build(&layout, &release);
            if let Err(error) = &index {
                tracing::error!(dataset = %release.dataset, version = %release.version, %error, "release cannot be browsed");
            }
            // Nobody may be waiting any more.
            let _ = done.send(Some(index.map(Arc::new)));
        });
        Ok(outcome)
    }

    fn state(&self, release: &Release) -> Result<State, AppError> {
        let written = |path: PathBuf| fs::metadata(path).and_then(|m| m.modified()).ok();
        let dataset = catalog::dataset(&self.layout, &release.dataset);
        let latest = dataset.map_err(AppError::internal)?.map(|d| d.latest());
        let newest = latest.map(|v| self.layout.release(&release.dataset, v).join(SUMS));
        Ok(State {
            written: [
                written(release.folder.join(SUMS)),
                newest.and_then(written),
                written(self.layout.recall(&release.dataset)),
            ],
            dataset: release.dataset.clone(),
            version: release.version,
            latest,
        })
    }
}

/// Lets the least used go until what is left is small enough.
fn give_up(held: &mut Vec<Held>, most: usize) {
    let bytes = |h: &Held| match &*h.outcome.borrow() {
        Some(Ok(index)) => index.bytes(),
        _ => 0,
    };
    let mut left: usize = held.iter().map(bytes).sum();
    while left > most {
        let first = held.remove(0);
        left -= bytes(&first);
    }
}

fn build(layout: &Layout, release: &Release) -> Result<Index, String> {
    let withdrawn = withdrawn(layout, release).map_err(|e| e.to_string())?;
    Index::build(&release.folder, &withdrawn).map_err(|e| e.to_string())
}

/// What was withdrawn up to now: an older version still has rows of it.
pub fn withdrawn(layout: &Layout, release: &Release) -> Result<BTreeSet<SampleId>, AppError> {
    let dataset = catalog::dataset(layout, &release.dataset).map_err(AppError::internal)?;
    let Some(dataset) = dataset else {
        return Ok(BTreeSet::new());
    };
    let latest = dataset.latest().to_string();
    let latest = catalog::release(layout, dataset.name.as_str(), &latest)?;
    Ok(latest.withdrawn(layout)?.samples())
}

#[cfg(test)]
mod tests {
    use fairframe_ingest::manifest::{ManifestWriter, Stamp};
    use fairframe_schemas::{MediaType, Sample};

    use super::*;

    fn publish(layout: &Layout, name: &str) -> Release {
        let (dataset, version) = (Name::new(name).unwrap(), DatasetVersion::FIRST);
        let folder = layout.release(&dataset, version);
        fs::create_dir_all(&folder).unwrap();
        let stamp = Stamp {
            dataset: dataset.clone(),
            version,
            recall_version: 0,
        };
        let restricted = layout.root().join("restricted.parquet");
        let mut writer = ManifestWriter::create(&folder, &restricted, stamp).unwrap();
        writer
            .add(Sample::new("s", name, MediaType::Image))
            .unwrap();
        writer.finish().unwrap();
        fs::write(folder.join(SUMS), "").unwrap();
        catalog::release(layout, name, "1.0.0").unwrap()
    }

    #[tokio::test]
    async fn the_least_used_go_and_the_last_one_stays() {
        let root = tempfile::tempdir().unwrap();
        let layout = Arc::new(Layout::new(root.path()));
        let [a, b, c] = ["a", "b", "c"].map(|name| publish(&layout, name));
        let mut indexes = Indexes::new(layout);
        let one = indexes.get(&a).await.unwrap().bytes();
        assert!(one > 0);
        indexes.most = 2 * one + one / 2;
        let held = |indexes: &Indexes| -> Vec<String> {
            let held = indexes.held.lock().unwrap();
            held.iter().map(|h| h.state.dataset.to_string()).collect()
        };
        let first = indexes.get(&a).await.unwrap();
        indexes.get(&b).await.unwrap();
        indexes.get(&c).await.unwrap();
        assert_eq!(held(&indexes), ["a", "b", "c"]);
        // Looked at again, it is the same, and the last to go.
        assert!(Arc::ptr_eq(&first, &indexes.get(&a).await.unwrap()));
        assert_eq!(held(&indexes), ["b", "c", "a"]);
        indexes.most = one + one / 2;
        let d = publish(&indexes.layout, "d");
        indexes.get(&d).await.unwrap();
        assert_eq!(held(&indexes), ["a", "d"]);
        indexes.most = 0;
        indexes.get(&b).await.unwrap();
        assert_eq!(held(&indexes), ["b"]);
    }
}
