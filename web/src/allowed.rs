//! Which media may be served: those of accepted, redistributable samples of
//! the latest release of a dataset; to curators also those of samples that are
//! quarantined, which nobody could judge unseen. A digest on any latest recall list is
//! refused, whoever else may hold the same bytes, and so is one that any
//! sample does not allow to be handed on, or that was withdrawn on this server ([`Withheld`]).

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arrow_array::{Array, ListArray, RecordBatch, StringArray};
use fairframe_ingest::manifest::ReleaseReader;
use fairframe_schemas::{
    Column, ConsentState, DatasetVersion, Digest, Layout, Name, Purpose, Status,
};

use rayon::prelude::*;

use crate::{
    access::Who,
    catalog::{self, SUMS},
    error::AppError,
    state::{
        Db,
        withdrawn::{Watch, Withdrawn},
    },
    withheld::Withheld,
};

/// Media types shown as they are; others are handed out as plain bytes.
const SHOWN: [&str; 14] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/tiff",
    "image/bmp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "video/ogg",
    "video/quicktime",
    "video/x-matroska",
    "video/x-msvideo",
    "video/mpeg",
];

/// Rows read at a time, on each core.
const STRETCH: u64 = 128 * 1024;

/// How long a page waits for the index.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is served where nothing better is known.
const BYTES: &str = "application/octet-stream";

/// The index of media, rebuilt when a release appears or goes.
pub struct Media {
    layout: Arc<Layout>,
    db: Db,
    watch: Watch,
    index: Mutex<Arc<Index>>,
    withheld: Mutex<Arc<Withheld>>,
}

/// What somebody may be served.
pub struct Allowed {
    index: Arc<Index>,
    withheld: Arc<Withheld>,
    who: Who,
}

impl Allowed {
    /// The media type under which a digest may be served; none if it may not be.
    pub fn mime(&self, digest: &Digest) -> Option<&'static str> {
        if self.withheld.refuses(digest) {
            return None;
        }
        let curated = self.index.waiting.iter();
        let mut curated = curated.filter(|(dataset, _)| self.who.curates(dataset));
        let waiting = || curated.find_map(|(_, media)| media.get(digest));
        let mut accepted = self.index.media.values();
        accepted
            .find_map(|media| media.get(digest))
            .or_else(waiting)
    }

    /// The datasets in which a digest stands accepted.
    pub fn datasets<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = &'a Name> {
        let all = self.index.media.iter();
        all.filter(|(_, media)| media.get(digest).is_some())
            .map(|(dataset, _)| dataset)
    }

    /// What was withdrawn on this server.
    pub fn withheld(&self) -> &Withheld {
        &self.withheld
    }
}

/// Media types by digest, sorted by it: half the memory of a table of hashes, and a release has
/// millions.
#[derive(Default)]
struct Served(Vec<(Digest, Mime)>);

/// Where a media type stands in [`SHOWN`]; none is for bytes.
type Mime = Option<u8>;

impl Served {
    fn finish(&mut self, refused: &HashSet<Digest>) {
        self.0.retain(|(digest, _)| !refused.contains(digest));
        self.0.par_sort_unstable();
        self.0.dedup_by_key(|(digest, _)| *digest);
        self.0.shrink_to_fit();
    }

    fn get(&self, digest: &Digest) -> Option<&'static str> {
        let at = self.0.binary_search_by_key(digest, |(d, _)| *d).ok()?;
        let shown = self.0[at].1.and_then(|n| SHOWN.get(usize::from(n)));
        Some(shown.copied().unwrap_or(BYTES))
    }
}

/// Media by digest, for one state of the data folder.
#[derive(Default)]
struct Index {
    state: State,
    /// Of accepted samples, by dataset.
    media: BTreeMap<Name, Served>,
    /// Of quarantined samples only: for the dataset's curators.
    waiting: BTreeMap<Name, Served>,
}

/// The latest version of every dataset, and when its list of files and the list of what
/// is withdrawn were written.
pub(crate) type State = BTreeMap<Name, (DatasetVersion, [Option<SystemTime>; 2])>;

impl Media {
    pub fn new(layout: Arc<Layout>, db: Db) -> Self {
        Self {
            layout,
            db,
            watch: Watch::default(),
            index: Mutex::default(),
            withheld: Mutex::default(),
        }
    }

    /// What may be served to somebody. Reads the folder names each time, and the parts when one
    /// has changed; [`AppError::Preparing`] where that takes long.
    pub async fn allowed(self: &Arc<Self>, who: &Who) -> Result<Allowed, AppError> {
        let withdrawn = self.watch.now(&self.db).await?;
        let this = self.clone();
        let look = tokio::task::spawn_blocking(move || {
            let state = this.state()?;
            let withheld = this.withheld(&state, withdrawn);
            Ok::<_, AppError>((this.current(state)?, withheld))
        });
        let found = tokio::time::timeout(PATIENCE, look).await;
        let (index, withheld) = found
            .map_err(|_| AppError::Preparing)?
            .map_err(AppError::internal)??;
        Ok(Allowed {
            index,
            withheld,
            who: who.clone(),
        })
    }

    fn current(&self, state: State) -> Result<Arc<Index>, AppError> {
        let mut held = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if held.state != state {
            *held = Arc::new(build(&self.layout, state));
        }
        Ok(held.clone())
    }

    fn withheld(&self, state: &State, withdrawn: Arc<Withdrawn>) -> Arc<Withheld> {
        let mut held = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.is_of(state, &withdrawn) {
            *held = Arc::new(Withheld::read(&self.layout, state.clone(), withdrawn));
        }
        held.clone()
    }

    fn state(&self) -> Result<State, AppError> {
        let datasets = catalog::datasets(&self.layout).map_err(AppError::internal)?;
        Ok(datasets
            .into_iter()
            .map(|dataset| {
                let version = dataset.latest();
                let sums = self.layout.release(&dataset.name, version).join(SUMS);
                let recall = self.layout.recall(&dataset.name);
                let written = |path| fs::metadata(path).and_then(|m| m.modified()).ok();
                (dataset.name, (version, [sums, recall].map(written)))
            })
            .collect())
    }
}

/// Media of one dataset.
#[derive(Default)]
struct Own {
    media: Served,
    waiting: Served,
}

fn build(layout: &Layout, state: State) -> Index {
    let mut media = BTreeMap::new();
    let mut waiting = BTreeMap::new();
    let mut refused = HashSet::new();
    for (name, (version, _)) in &state {
        let mut own = Own::default();
        // A dataset that cannot be read takes down its own media, not those of the others.
        match add_dataset(layout, name, *version, &mut own, &mut refused) {
            Ok(()) => {
                media.insert(name.clone(), own.media);
                waiting.insert(name.clone(), own.waiting);
            }
            Err(error) => {
                tracing::error!(dataset = %name, %version, ?error, "its media are not served")
            }
        }
    }
    for served in waiting.values_mut().chain(media.values_mut()) {
        served.finish(&refused);
    }
    Index {
        state,
        media,
        waiting,
    }
}

fn add_dataset(
    layout: &Layout,
    name: &Name,
    version: DatasetVersion,
    own: &mut Own,
    refused: &mut HashSet<Digest>,
) -> Result<(), AppError> {
    let release = catalog::release(layout, name.as_str(), &version.to_string())?;
    refused.extend(release.withdrawn(layout)?.digests());
    let reader = ReleaseReader::open(&release.folder).map_err(AppError::internal)?;
    let columns = [
        Column::Status,
        Column::MediaSha256,
        Column::Mime,
        Column::Licence,
        Column::ConsentState,
        Column::ConsentPurposes,
        Column::SubjectIds,
    ];
    let stretches = reader.stretches(STRETCH).map_err(AppError::internal)?;
    let read = stretches.par_iter().with_max_len(1).map(|stretch| {
        let (mut own, mut refused) = (Own::default(), HashSet::new());
        for batch in stretch.columns(&columns).map_err(AppError::internal)? {
            add(&mut own, &mut refused, &batch.map_err(AppError::internal)?)?;
        }
        Ok((own, refused))
    });
    for (read, refused_there) in read.collect::<Result<Vec<_>, AppError>>()? {
        own.media.0.extend(read.media.0);
        own.waiting.0.extend(read.waiting.0);
        refused.extend(refused_there);
    }
    Ok(())
}

fn add(own: &mut Own, refused: &mut HashSet<Digest>, batch: &RecordBatch) -> Result<(), AppError> {
    let statuses: &StringArray = column(batch, Column::Status)?;
    let digests: &StringArray = column(batch, Column::MediaSha256)?;
    let mimes: &StringArray = column(batch, Column::Mime)?;
    let licences: &StringArray = column(batch, Column::Licence)?;
    let states: &StringArray = column(batch, Column::ConsentState)?;
    let purposes: &ListArray = column(batch, Column::ConsentPurposes)?;
    let subjects: &ListArray = column(batch, Column::SubjectIds)?;
    for row in 0..batch.num_rows() {
        let Some(digest) = text(digests, row).and_then(|d| d.parse().ok()) else {
            continue;
        };
        let mime = text(mimes, row).and_then(|m| SHOWN.iter().position(|s| *s == m));
        let mime = mime.map(|at| at as u8);
        let status = text(statuses, row);
        if status != Some(Status::Accepted.as_str()) {
            if status == Some(Status::Quarantined.as_str()) {
                own.waiting.0.push((digest, mime));
            }
            continue;
        }
        let redistributable = text(licences, row).is_some_and(|l| !l.is_empty());
        let people = subjects.value_length(row) > 0 || text(states, row).is_some();
        let agreed = text(states, row) == Some(ConsentState::Given.as_str())
            && holds(purposes, row, Purpose::Redistribute.as_str());
        if redistributable && (!people || agreed) {
            own.media.0.push((digest, mime));
        } else {
            refused.insert(digest);
        }
    }
    Ok(())
}

/// A column of a release's table.
pub(crate) fn column<T: 'static>(batch: &RecordBatch, column: Column) -> Result<&T, AppError> {
    batch
        .column_by_name(column.name())
        .and_then(|array| array.as_any().downcast_ref())
        .ok_or_else(|| AppError::Internal(format!("column `{}` is not readable", column.name())))
}

pub(crate) fn text(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

fn holds(array: &ListArray, row: usize, word: &str) -> bool {
    let values = array.value(row);
    let words = values.as_any().downcast_ref::<StringArray>();
    words.is_some_and(|w| w.iter().flatten().any(|w| w == word))
}
