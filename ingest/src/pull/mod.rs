//! `fairframe pull`: a researcher's copy of a release.
//!
//! ```text
//! origin.rs   where the release is: a folder or a server
//! files.rs    the release's files, checked against SHA256SUMS
//! recalls.rs  what was withdrawn since
//! by_hand.rs  a recall list that somebody brings
//! media.rs    the bytes of the samples
//! record.rs   what the copy remembers, so that a rerun is cheap
//! papers.rs   attributions, places and failures of what the copy holds
//! ```
//!
//! A copy has the [`Layout`] of an installation: `verify`, `recall`, `serve` and
//! `eval` work on it as they do there. A killed pull is continued by the next one.

mod by_hand;
mod files;
mod media;
mod origin;
mod papers;
mod recalls;
mod record;

use std::{
    fs::{self, File, TryLockError},
    io,
    path::PathBuf,
};

use fairframe_schemas::{DatasetVersion, Layout, Name, Split, source::FetchLimits};

use crate::{
    disk::{self, DiskError, Held},
    fetch::{FetchSetupError, Fetcher},
    http::{Http, HttpConfig, HttpError, Token},
    manifest::ManifestError,
    recall::RecallError,
    reporter::Reporter,
    store::Store,
};
pub use by_hand::recall;
pub use media::{MAX_UNSTATED, Samples};
pub use origin::Origin;
pub use papers::{FAILURES, SAMPLES};

/// Largest file of a release: 256 GiB.
pub const MAX_RELEASE_FILE: u64 = 256 << 30;

/// Longest transfer of one file, in seconds; a stalled one ends sooner, and
/// either goes on where it stopped.
const TRANSFER_S: f64 = 6.0 * 3600.0;

/// What a pull is asked to do.
#[derive(Debug, Clone)]
pub struct Settings {
    pub origin: Origin,
    /// Folder of the copy.
    pub to: PathBuf,
    /// Only media of this split.
    pub split: Option<Split>,
    /// No media.
    pub only_metadata: bool,
    /// Transfers at a time, and connections to the release's server.
    pub jobs: usize,
    /// Connections to one upstream host.
    pub per_host: u32,
    /// Requests to one host a second; 0 is unlimited.
    pub rate: f64,
    /// Name and contact.
    pub user_agent: Option<String>,
    /// Upstream hosts that may have private addresses.
    pub allow_private: Vec<String>,
    /// For the release's server, where that asks who pulls.
    pub token: Option<String>,
}

/// What a pull did.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Pulled {
    pub dataset: Name,
    pub version: DatasetVersion,
    /// The release in the copy.
    pub folder: PathBuf,
    /// Attributions, places and failures.
    pub papers: PathBuf,
    /// Files of the release, all right.
    pub files: u64,
    pub samples: Samples,
    /// Samples of the release whose media the copy now holds.
    pub held: u64,
    /// Whether a recall list of the newest release was there; without one,
    /// what was withdrawn after this release is not known.
    pub withdrawals_known: bool,
    /// Removed because they were recalled.
    pub removed: Vec<PathBuf>,
}

/// Why a pull stopped. What came stands in the copy and is not fetched again.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error("`{address}` names no release: {problem}")]
    Address { address: String, problem: String },
    #[error(
        "`{0}` has no `SHA256SUMS`; name the folder of a release, as `manifests/demo/1.0.0`, or its URL"
    )]
    NoRelease(String),
    #[error("`SHA256SUMS` of `{origin}`: {problem}; the release is not relied on")]
    Sums { origin: String, problem: String },
    #[error(
        "release file `{name}`: {problem}; pull again, and if it stays so tell whoever publishes the release"
    )]
    ReleaseFile { name: String, problem: String },
    #[error(
        "the release cannot be used: {problem}; it is not taken into the copy; tell whoever publishes it"
    )]
    Unusable { problem: String },
    #[error(
        "{}: the copy holds other bytes of {dataset} {version} than the server, and a version never changes; pull into another folder", folder.display()
    )]
    OtherBytes {
        dataset: Name,
        version: DatasetVersion,
        folder: PathBuf,
    },
    #[error(
        "`{origin}` names {asked}, and its `summary.json` says it is {dataset} {version}; nothing is pulled from an address that gives something else"
    )]
    OtherRelease {
        origin: String,
        asked: String,
        dataset: Name,
        version: DatasetVersion,
    },
    #[error("recall list `{at}`: {problem}; nothing is pulled while withdrawals are not known")]
    Recall { at: String, problem: String },
    #[error(
        "`{host}` asks every client to say who it is; add `--user-agent 'my-project/1.0 (me@example.org)'`"
    )]
    Contact { host: String },
    #[error("{}: another pull is at this copy, or a recall; wait for it to end", .0.display())]
    Locked(PathBuf),
    #[error("{}: an ingest of this dataset is running; wait for it to end", .0.display())]
    Ingesting(PathBuf),
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: {error}{}", path.display(), record_remedy(error))]
    Record {
        path: PathBuf,
        error: rusqlite::Error,
    },
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Fetch(#[from] FetchSetupError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Applying(#[from] RecallError),
}

/// How to talk to the release's server and to upstream hosts: apart, so that
/// what typing a URL allows is allowed to the release and not to its manifest.
struct Clients {
    server: Http,
    server_limits: FetchLimits,
    from_server: Fetcher,
    from_upstream: Fetcher,
    user_agent: Option<String>,
}

impl Clients {
    fn new(settings: &Settings, store: &Store) -> Result<Self, PullError> {
        let upstream = FetchLimits {
            timeout_s: TRANSFER_S,
            per_host: settings.per_host,
            per_host_rate: settings.rate,
            allow_private: settings.allow_private.clone(),
            user_agent: settings.user_agent.clone(),
            ..FetchLimits::default()
        };
        let server_limits = FetchLimits {
            per_host: u32::try_from(settings.jobs).unwrap_or(u32::MAX).max(1),
            allow_private: settings.origin.typed_host().into_iter().collect(),
            // Whoever publishes a release means it to be pulled.
            opt_outs: false,
            ..upstream.clone()
        };
        let mut config = HttpConfig::from(&server_limits);
        if let (Some(token), Origin::Server { release, .. }) = (&settings.token, &settings.origin) {
            config.token = Some(Token::new(release, token)?);
        }
        let server = Http::new(config)?;
        Ok(Self {
            from_server: Fetcher::with_http(server.clone(), &server_limits, store.clone()),
            from_upstream: Fetcher::new(&upstream, store.clone())?,
            server,
            server_limits,
            user_agent: settings.user_agent.clone(),
        })
    }

    fn release_files(&self, store: Store) -> Fetcher {
        Fetcher::with_http(self.server.clone(), &self.server_limits, store)
            .limited(MAX_RELEASE_FILE)
    }
}

pub async fn run(settings: &Settings, reporter: &dyn Reporter) -> Result<Pulled, PullError> {
    let layout = Layout::new(&settings.to);
    let _lock = lock(&layout)?;
    let store = Store::open(&layout).map_err(|error| PullError::Io {
        path: layout.store(),
        error,
    })?;
    let record = record::Record::open(&layout.pulled().join("record.sqlite"))?;
    let clients = Clients::new(settings, &store)?;
    let origin = &settings.origin;

    let release = files::bring(&layout, origin, &clients, reporter).await?;
    let mut withdrawn = recalls::current(&layout, origin, &clients, &release).await?;
    let mut removed = recalls::apply(&layout, &record, &withdrawn)?.removed;
    record.begin()?;
    let mut samples = Samples::default();
    if !settings.only_metadata {
        let job = media::Job {
            origin,
            clients: &clients,
            store: &store,
            record: &record,
            withdrawn: &withdrawn,
            split: settings.split,
            jobs: settings.jobs,
        };
        samples = job.run(&release, reporter).await?;
        // Somebody may have withdrawn while the media came.
        withdrawn = recalls::current(&layout, origin, &clients, &release).await?;
        removed.extend(recalls::apply(&layout, &record, &withdrawn)?.removed);
    }
    let held = papers::write(&layout, &release, &store, &record, &withdrawn)?;
    if !removed.is_empty() {
        papers::rewrite(&layout, &store, &record)?;
    }
    removed.sort();
    Ok(Pulled {
        papers: papers::folder(&layout, &release),
        dataset: release.summary.dataset,
        version: release.summary.version,
        folder: release.folder,
        files: release.files,
        samples,
        held,
        withdrawals_known: withdrawn.known,
        removed,
    })
}

/// One pull or recall at a copy at a time.
fn lock(layout: &Layout) -> Result<Held, PullError> {
    let folder = layout.pulled();
    let path = folder.join("lock");
    let wrap = |error| PullError::Io {
        path: path.clone(),
        error,
    };
    fs::create_dir_all(&folder).map_err(wrap)?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(wrap)?;
    match Held::try_lock(file) {
        Ok(held) => Ok(held),
        Err(TryLockError::WouldBlock) => Err(PullError::Locked(layout.root().to_owned())),
        Err(TryLockError::Error(error)) => Err(wrap(error)),
    }
}

fn record_remedy(error: &rusqlite::Error) -> &'static str {
    match disk::database_remedy(error) {
        "" => "; the file may be removed: every medium is then read once more",
        remedy => remedy,
    }
}
