//! Which versions of a dataset there are. A version is a folder that is named
//! like one and holds `SHA256SUMS`, the file that is written last.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use fairframe_schemas::DatasetVersion;

use crate::sums::SUMS;

/// What stands in a dataset's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// Oldest first.
    pub versions: Vec<DatasetVersion>,
    /// Named like a version and none: empty, unfinished, or no folder.
    pub strange: Vec<PathBuf>,
}

impl Versions {
    /// Those below a dataset's folder; none where there is no such folder.
    pub fn of(dataset: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        let entries = match fs::read_dir(dataset) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(version) = name.to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            if entry.path().join(SUMS).is_file() {
                found.versions.push(version);
            } else {
                found.strange.push(entry.path());
            }
        }
        found.versions.sort_unstable();
        found.strange.sort_unstable();
        Ok(found)
    }
}
