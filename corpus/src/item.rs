//! Items of a stage: a folder each, whole or not there.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use fairframe_schemas::Reason;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The file that tells what became of an item.
const OUTCOME: &str = "outcome.json";
const TEMPORARY: &str = ".tmp-";

/// Why something could not be made: a row, not an error of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
}

impl Refusal {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// What became of an item: what was made, or why nothing was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome<T> {
    /// Digest of all that it was made from: settings, inputs, versions. An item with
    /// another one is made again.
    pub made_from: String,
    #[serde(flatten)]
    pub result: Made<T>,
}

/// As [`Result`], for reading back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made<T> {
    Done(T),
    Refused(Refusal),
}

/// The items of one stage of a corpus.
#[derive(Debug, Clone)]
pub struct Stage {
    folder: PathBuf,
}

/// An item being made. Dropped without [`Work::finish`], nothing of it shows.
#[derive(Debug)]
pub struct Work {
    temporary: PathBuf,
    finished: PathBuf,
}

impl Stage {
    /// `corpus` is the corpus's folder, `stage` e.g. `frames`.
    pub fn new(corpus: &Path, stage: &str) -> Self {
        Self {
            folder: corpus.join(stage),
        }
    }

    /// Where an item stands, or would.
    pub fn folder(&self, item: &str) -> PathBuf {
        self.folder.join(item)
    }

    /// What became of an item; `None` when it is not there.
    pub fn outcome<T: DeserializeOwned>(&self, item: &str) -> io::Result<Option<Outcome<T>>> {
        let text = match fs::read(self.folder(item).join(OUTCOME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        // Written by another release: made again.
        Ok(serde_json::from_slice(&text).ok())
    }

    /// The same, unless it was made from something else.
    pub fn done<T: DeserializeOwned>(
        &self,
        item: &str,
        made_from: &str,
    ) -> io::Result<Option<Made<T>>> {
        let outcome = self.outcome(item)?;
        Ok(outcome
            .filter(|o| o.made_from == made_from)
            .map(|o| o.result))
    }

    /// Begins an item anew; what a killed process left of it is removed.
    pub fn begin(&self, item: &str) -> io::Result<Work> {
        let temporary = self.folder.join(format!("{TEMPORARY}{item}"));
        remove(&temporary)?;
        fs::create_dir_all(&temporary)?;
        Ok(Work {
            temporary,
            finished: self.folder(item),
        })
    }

    /// Takes an item away for good, finished or not; whether anything was there.
    pub fn remove(&self, item: &str) -> io::Result<bool> {
        let half = remove(&self.folder.join(format!("{TEMPORARY}{item}")))?;
        let whole = remove(&self.folder(item))?;
        if half || whole {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(half || whole)
    }

    /// Finished items, sorted by name.
    pub fn items(&self) -> io::Result<Vec<String>> {
        self.names(|name| !name.starts_with(TEMPORARY))
    }

    /// Items that a killed process left unfinished, sorted by name.
    pub fn unfinished(&self) -> io::Result<Vec<String>> {
        let names = self.names(|name| name.starts_with(TEMPORARY))?;
        Ok(names
            .into_iter()
            .map(|n| n[TEMPORARY.len()..].to_owned())
            .collect())
    }

    fn names(&self, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            if let Ok(name) = entry?.file_name().into_string()
                && wanted(&name)
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

impl Work {
    /// Where the item's files are to be written.
    pub fn folder(&self) -> &Path {
        &self.temporary
    }

    /// Makes the item visible, in place of an earlier one, once it is on the disk.
    pub fn finish<T: Serialize>(self, outcome: &Outcome<T>) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(outcome)?;
        // A worker wrote here: a link that it left leads elsewhere.
        let path = self.temporary.join(OUTCOME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        file.write_all(&text)?;
        let folder = File::open(&self.temporary)?;
        rustix::fs::syncfs(&folder)?;
        remove(&self.finished)?;
        fs::rename(&self.temporary, &self.finished)?;
        match self.finished.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Removes a folder with all that is in it; whether it was there.
fn remove(folder: &Path) -> io::Result<bool> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_whole_or_not_there() {
        let root = tempfile::tempdir().unwrap();
        let stage = Stage::new(root.path(), "frames");
        assert!(stage.items().unwrap().is_empty());
        let work = stage.begin("a").unwrap();
        fs::write(work.folder().join("x"), "1").unwrap();
        assert!(stage.items().unwrap().is_empty());
        drop(work);
        assert_eq!(stage.unfinished().unwrap(), ["a"]);
        // Begun anew: what was left is gone.
        let work = stage.begin("a").unwrap();
        assert!(!work.folder().join("x").exists());
        let outcome = |made_from: &str| Outcome {
            made_from: made_from.to_owned(),
            result: Made::Done(7),
        };
        work.finish(&outcome("1")).unwrap();
        assert_eq!(stage.done("a", "1").unwrap(), Some(Made::Done(7)));
        assert_eq!(stage.done::<i32>("a", "2").unwrap(), None);
        // In place of the earlier one.
        stage.begin("a").unwrap().finish(&outcome("2")).unwrap();
        assert_eq!(stage.done("a", "2").unwrap(), Some(Made::Done(7)));
        assert_eq!(stage.items().unwrap(), ["a"]);
        assert!(stage.remove("a").unwrap());
        assert!(!stage.remove("a").unwrap());
        assert!(stage.items().unwrap().is_empty());
    }

    #[test]
    fn a_link_that_a_worker_left_is_not_written_through() {
        let root = tempfile::tempdir().unwrap();
        let other = root.path().join("other");
        fs::write(&other, "kept").unwrap();
        let work = Stage::new(root.path(), "fakes").begin("a").unwrap();
        std::os::unix::fs::symlink(&other, work.folder().join(OUTCOME)).unwrap();
        let outcome = Outcome {
            made_from: String::new(),
            result: Made::Done(1),
        };
        work.finish(&outcome).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
        assert_eq!(
            Stage::new(root.path(), "fakes").done("a", "").unwrap(),
            Some(Made::Done(1))
        );
    }

    #[test]
    fn a_refusal_is_an_outcome() {
        let root = tempfile::tempdir().unwrap();
        let stage = Stage::new(root.path(), "fakes");
        let refused = Outcome::<i32> {
            made_from: String::new(),
            result: Made::Refused(Refusal::new(Reason::MediaCorrupt, "no")),
        };
        stage.begin("a").unwrap().finish(&refused).unwrap();
        assert_eq!(stage.outcome::<i32>("a").unwrap(), Some(refused));
    }
}
