//! What is in the data folder: datasets, their versions, and the files of a
//! release. A name from a request becomes a path only after it was parsed, and
//! a file only if the release's `SHA256SUMS` lists it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub use fairframe_ingest::sums::{SUMS, SumsLine as Listed};
use fairframe_ingest::{
    manifest::{ManifestError, ReleaseReader},
    sums,
    versions::Versions,
};
use fairframe_schemas::{DatasetVersion, Digest, Layout, Name, RecallList, Sample, Summary};

use crate::{App, error::AppError};

/// Largest `summary.json`, `croissant.json` or `SHA256SUMS` read, in bytes.
pub const MAX_TEXT: u64 = 64 << 20;

/// A dataset with at least one release.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub name: Name,
    /// Newest first; never empty.
    pub versions: Vec<DatasetVersion>,
}

impl Dataset {
    pub fn latest(&self) -> DatasetVersion {
        self.versions[0]
    }

    /// What was ever withdrawn: the list beside the versions, or else the newest release's.
    pub fn recalls(&self, layout: &Layout) -> Result<RecallList, AppError> {
        recall_list(&self.recall_file(layout), &self.name)
    }

    /// Where that list stands.
    pub fn recall_file(&self, layout: &Layout) -> PathBuf {
        let published = layout.recall(&self.name);
        match published.is_file() {
            true => published,
            false => layout
                .release(&self.name, self.latest())
                .join("recall.json"),
        }
    }
}

/// A release that exists.
#[derive(Debug, Clone)]
pub struct Release {
    pub dataset: Name,
    pub version: DatasetVersion,
    pub folder: PathBuf,
}

/// All datasets, by name. A folder that is no release is passed over.
pub fn datasets(layout: &Layout) -> io::Result<Vec<Dataset>> {
    let mut out = Vec::new();
    for entry in folders(&layout.manifests())? {
        let Some(name) = entry.to_str().and_then(|n| Name::new(n).ok()) else {
            continue;
        };
        if let Some(dataset) = dataset(layout, &name)? {
            out.push(dataset);
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// One dataset; none without a release.
pub fn dataset(layout: &Layout, name: &Name) -> io::Result<Option<Dataset>> {
    let mut versions = Versions::of(&layout.dataset(name))?.versions;
    versions.reverse();
    Ok((!versions.is_empty()).then(|| Dataset {
        name: name.clone(),
        versions,
    }))
}

/// The release that two words of a request name.
pub fn release(layout: &Layout, name: &str, version: &str) -> Result<Release, AppError> {
    let dataset = Name::new(name).map_err(|_| AppError::NotFound("dataset"))?;
    let version = version.parse().map_err(|_| AppError::NotFound("version"))?;
    let folder = layout.release(&dataset, version);
    if !folder.join(SUMS).is_file() {
        return Err(AppError::NotFound("version"));
    }
    Ok(Release {
        dataset,
        version,
        folder,
    })
}

/// Names of the folders in a folder; none where there is no such folder.
fn folders(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            out.push(entry.file_name());
        }
    }
    Ok(out)
}

impl Release {
    /// The files of the release.
    pub fn sums(&self) -> Result<Vec<Listed>, AppError> {
        let text = read_text(&self.folder.join(SUMS))?;
        sums::parse(&text).map_err(AppError::internal)
    }

    /// The listed file of that name, `SHA256SUMS` included.
    pub fn file(&self, name: &str) -> Result<Listed, AppError> {
        if name == SUMS {
            let text = read_text(&self.folder.join(SUMS))?;
            return Ok(Listed {
                name: SUMS.to_owned(),
                sha256: Digest::of(text.as_bytes()),
            });
        }
        let mut files = self.sums()?.into_iter();
        files
            .find(|file| file.name == name)
            .ok_or(AppError::NotFound("file"))
    }

    pub fn summary(&self) -> Result<Summary, AppError> {
        let path = self.folder.join("summary.json");
        serde_json::from_str(&read_text(&path)?)
            .map_err(|e| AppError::Internal(format!("{}: {e}", path.display())))
    }

    /// What was withdrawn up to this release; an empty list where there is none.
    pub fn recalled(&self) -> Result<RecallList, AppError> {
        recall_list(&self.folder.join("recall.json"), &self.dataset)
    }

    /// What was withdrawn up to now, if this is the newest release: its own list, and
    /// the one beside the versions, which in a copy may be of a newer one.
    pub fn withdrawn(&self, layout: &Layout) -> Result<RecallList, AppError> {
        let mut list = self.recalled()?;
        let published = recall_list(&layout.recall(&self.dataset), &self.dataset)?;
        list.extend(published.entries);
        Ok(list)
    }
}

impl App {
    /// Works through every row of a dataset's newest release, off the threads that serve.
    pub async fn rows<T: Send + 'static>(
        &self,
        dataset: &Dataset,
        work: impl FnOnce(
            &mut dyn Iterator<Item = Result<Sample, ManifestError>>,
        ) -> Result<T, ManifestError>
        + Send
        + 'static,
    ) -> Result<T, AppError> {
        let folder = self.layout.release(&dataset.name, dataset.latest());
        let all = move || {
            let release = ReleaseReader::open(&folder)?;
            let batches = release.accepted().chain(release.excluded());
            let mut rows = batches.flat_map(|batch| match batch {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            });
            work(&mut rows)
        };
        tokio::task::spawn_blocking(all)
            .await
            .map_err(AppError::internal)?
            .map_err(AppError::internal)
    }
}

fn recall_list(path: &Path, dataset: &Name) -> Result<RecallList, AppError> {
    if !path.is_file() {
        return Ok(RecallList::new(dataset.clone()));
    }
    serde_json::from_str(&read_at_most(path, RecallList::MAX_BYTES)?)
        .map_err(|e| AppError::Internal(format!("{}: {e}", path.display())))
}

/// Text of at most [`MAX_TEXT`] bytes.
pub fn read_text(path: &Path) -> Result<String, AppError> {
    read_at_most(path, MAX_TEXT)
}

pub fn read_at_most(path: &Path, limit: u64) -> Result<String, AppError> {
    let failed =
        |error: &dyn std::fmt::Display| AppError::Internal(format!("{}: {error}", path.display()));
    let size = fs::metadata(path).map_err(|e| failed(&e))?.len();
    if size > limit {
        return Err(failed(&format!("{size} bytes, more than {limit}")));
    }
    fs::read_to_string(path).map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_folders_are_passed_over_and_versions_stand_newest_first() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        assert!(datasets(&layout).unwrap().is_empty());
        for version in ["1.2.0", "1.10.0", "nonsense", "2.0.0"] {
            let folder = layout.manifests().join("demo").join(version);
            fs::create_dir_all(&folder).unwrap();
            if version != "2.0.0" {
                fs::write(folder.join(SUMS), "").unwrap(); // 2.0.0 is not finished
            }
        }
        fs::create_dir_all(layout.manifests().join("Not A Name")).unwrap();
        let all = datasets(&layout).unwrap();
        assert_eq!(all.len(), 1);
        let versions: Vec<String> = all[0].versions.iter().map(|v| v.to_string()).collect();
        assert_eq!(versions, ["1.10.0", "1.2.0"]);
    }
}
