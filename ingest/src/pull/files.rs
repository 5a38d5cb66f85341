//! The files of the release into the copy, each checked against `SHA256SUMS`.
//!
//! They come into a store of their own (`pulled/store/`), so that a killed pull
//! goes on where it stopped, and the release's folder appears by one rename.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use fairframe_schemas::{Digest, Layout, SampleId, Summary};

use super::{Clients, PullError, origin, origin::Origin};
use crate::{
    digest,
    fetch::FetchError,
    manifest::{ManifestError, ReleaseReader},
    reporter::Reporter,
    source::Expected,
    store::Store,
    sums::{self, MAX_SUMS, SUMS, SumsLine},
};

/// Largest `summary.json` read, in bytes.
const MAX_SUMMARY: u64 = 64 << 20;

/// The summary of a release: where it stands in the copy is read from it.
pub(super) const SUMMARY: &str = "summary.json";

/// A release that is in the copy.
pub(super) struct Release {
    pub folder: PathBuf,
    pub summary: Summary,
    pub files: u64,
}

pub(super) async fn bring(
    layout: &Layout,
    origin: &Origin,
    clients: &Clients,
    reporter: &dyn Reporter,
) -> Result<Release, PullError> {
    let sums = origin.sums(&clients.server, MAX_SUMS).await?;
    let wrong = |problem: String| PullError::Sums {
        origin: origin.to_string(),
        problem,
    };
    let text = str::from_utf8(&sums).map_err(|e| wrong(e.to_string()))?;
    let lines = sums::parse(text).map_err(|e| wrong(e.to_string()))?;
    let summary = lines.iter().find(|line| line.name == SUMMARY);
    let summary = summary.ok_or_else(|| wrong(format!("`{SUMMARY}` is not in it")))?;
    reporter.stage("release files", Some(lines.len() as u64));

    // The summary first: it says which release this is.
    let staged = Staged::open(layout, origin, clients)?;
    let told = staged.bring(summary).await?;
    let summary = read_summary(&told)?;
    if let Err(asked) = origin.names(&summary.dataset, summary.version) {
        staged.remove()?;
        return Err(PullError::OtherRelease {
            origin: origin.to_string(),
            asked,
            dataset: summary.dataset,
            version: summary.version,
        });
    }
    let folder = layout.release(&summary.dataset, summary.version);
    if folder.exists() {
        if origin::read(&folder.join(SUMS), MAX_SUMS)?.as_deref() != Some(&*sums) {
            staged.remove()?;
            return Err(PullError::OtherBytes {
                dataset: summary.dataset,
                version: summary.version,
                folder,
            });
        }
        for line in &lines {
            let path = folder.join(&line.name);
            if !is_right(&path, &line.sha256)? {
                place(&staged.bring(line).await?, &path)?;
            }
            reporter.advance(1);
        }
        staged.store.sync().map_err(|e| at(&folder, e))?;
    } else {
        let temporary = folder.with_file_name(format!(".tmp-{}", summary.version));
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(|e| at(&temporary, e))?;
        }
        fs::create_dir_all(&temporary).map_err(|e| at(&temporary, e))?;
        for line in &lines {
            place(&staged.bring(line).await?, &temporary.join(&line.name))?;
            reporter.advance(1);
        }
        fs::write(temporary.join(SUMS), &sums).map_err(|e| at(&temporary, e))?;
        staged.store.sync().map_err(|e| at(&temporary, e))?;
        if let Err(error) = check(&temporary, &summary) {
            // Nothing that cannot be used is ever seen under a release's name.
            fs::remove_dir_all(&temporary).map_err(|e| at(&temporary, e))?;
            return Err(error);
        }
        fs::rename(&temporary, &folder).map_err(|e| at(&folder, e))?;
        let parent = folder.parent().unwrap_or(&folder);
        let synced = File::open(parent).and_then(|f| f.sync_all());
        synced.map_err(|e| at(parent, e))?;
    }
    staged.remove()?;
    Ok(Release {
        folder,
        summary,
        files: lines.len() as u64,
    })
}

/// Reads every row: digests say that the bytes are those of the publisher, not
/// that they are a release.
fn check(folder: &Path, summary: &Summary) -> Result<(), PullError> {
    let unusable = |error: ManifestError| PullError::Unusable {
        problem: error.to_string(),
    };
    let reader = ReleaseReader::open(folder).map_err(unusable)?;
    let mut accepted = 0;
    for batch in reader.accepted() {
        accepted += batch.map_err(unusable)?.len() as u64;
    }
    for batch in reader.excluded() {
        batch.map_err(unusable)?;
    }
    if accepted == summary.counts.accepted() {
        return Ok(());
    }
    let stated = summary.counts.accepted();
    let problem = format!("`{SUMMARY}` states {stated} accepted rows, the parts hold {accepted}");
    Err(PullError::Unusable { problem })
}

/// Release files on their way.
struct Staged<'a> {
    store: Store,
    fetcher: crate::fetch::Fetcher,
    origin: &'a Origin,
    root: PathBuf,
}

impl<'a> Staged<'a> {
    fn open(layout: &Layout, origin: &'a Origin, clients: &Clients) -> Result<Self, PullError> {
        let own = Layout::new(layout.pulled());
        let root = own.store();
        let store = Store::open(&own).map_err(|e| at(&root, e))?;
        Ok(Self {
            fetcher: clients.release_files(store.clone()),
            store,
            origin,
            root,
        })
    }

    /// Where the bytes of a release file are, once they are there and right.
    async fn bring(&self, line: &SumsLine) -> Result<PathBuf, PullError> {
        let path = self.store.path(&line.sha256);
        if is_right(&path, &line.sha256)? {
            return Ok(path);
        }
        let media = self.origin.file(&line.name);
        let expected = Expected {
            sha256: Some(line.sha256),
            ..Expected::default()
        };
        let key = SampleId::new(SUMS, &line.name);
        match self.fetcher.fetch(key, &media, &expected).await {
            Ok(_) => Ok(path),
            Err(FetchError::Disk(error)) => Err(error.into()),
            Err(FetchError::Sample(failure)) => Err(PullError::ReleaseFile {
                name: line.name.clone(),
                problem: failure.message,
            }),
        }
    }

    fn remove(self) -> Result<(), PullError> {
        fs::remove_dir_all(&self.root).map_err(|e| at(&self.root, e))
    }
}

pub(super) fn read_summary(path: &Path) -> Result<Summary, PullError> {
    let bytes = origin::read(path, MAX_SUMMARY)?.unwrap_or_default();
    serde_json::from_slice(&bytes).map_err(|e| PullError::ReleaseFile {
        name: SUMMARY.to_owned(),
        problem: format!("it cannot be read: {e}"),
    })
}

fn is_right(path: &Path, sha256: &Digest) -> Result<bool, PullError> {
    let regular = fs::symlink_metadata(path).is_ok_and(|m| m.is_file());
    if !regular {
        return Ok(false);
    }
    let (found, _) = digest::of_file(path).map_err(|e| at(path, e))?;
    Ok(found == *sha256)
}

/// Gives staged bytes their name; a file system without links gets a copy.
fn place(staged: &Path, path: &Path) -> Result<(), PullError> {
    let new = staged.with_extension("link");
    let put = || {
        if fs::symlink_metadata(&new).is_ok() {
            fs::remove_file(&new)?;
        }
        if fs::hard_link(staged, &new).is_err() {
            fs::copy(staged, &new)?;
        }
        fs::rename(&new, path)
    };
    put().map_err(|e| at(path, e))
}

fn at(path: &Path, error: io::Error) -> PullError {
    PullError::Io {
        path: path.to_owned(),
        error,
    }
}
