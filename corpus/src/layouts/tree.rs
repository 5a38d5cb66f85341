//! Folders of layouts: written whole, and read without trust.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use fairframe_ingest::{archive::path::canonical, verify::splits::read_value};
use fairframe_schemas::Split;
use serde_json::Value;

use super::{LayoutError, Media};

/// Most files of a folder that is read.
pub const MAX_FILES: usize = 4_000_000;
/// Most folders below one another: no layout has more than four.
pub const MAX_DEPTH: usize = 8;

/// Endings of clips.
const CLIPS: [&str; 6] = ["mp4", "mkv", "webm", "mov", "avi", "mpg"];

pub fn io_at(path: &Path) -> impl FnOnce(io::Error) -> LayoutError {
    let path = path.to_owned();
    move |error| LayoutError::Io { path, error }
}

pub fn bad(path: &Path, problem: impl Into<String>, remedy: &'static str) -> LayoutError {
    LayoutError::Tree {
        path: path.to_owned(),
        problem: problem.into(),
        remedy,
    }
}

/// An export may not mix with what is there.
pub fn check_free(to: &Path) -> Result<(), LayoutError> {
    match fs::read_dir(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_at(to)(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(LayoutError::NotEmpty(to.to_owned())),
        },
    }
}

/// A folder being made beside its place; dropped unfinished, it is removed.
#[derive(Debug)]
pub struct Making {
    temporary: PathBuf,
    to: PathBuf,
    finished: bool,
}

impl Making {
    pub fn begin(to: &Path) -> Result<Self, LayoutError> {
        let to = std::path::absolute(to).map_err(io_at(to))?;
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let temporary = to.with_file_name(format!(".tmp-{name}"));
        match fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_at(&temporary)(error));
            }
            _ => {}
        }
        fs::create_dir_all(&temporary).map_err(io_at(&temporary))?;
        Ok(Self {
            temporary,
            to,
            finished: false,
        })
    }

    /// Where a file of a layout goes: our own names, held to the rules for those of others.
    fn at(&self, name: &str) -> Result<PathBuf, LayoutError> {
        let safe = canonical(name).ok().filter(|safe| safe == name);
        let safe = safe.ok_or_else(|| {
            let path = self.to.join(name);
            bad(
                &path,
                "is no plain name below the folder",
                "rename the person, scene or rung",
            )
        })?;
        let path = self.temporary.join(safe);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io_at(folder))?;
        }
        Ok(path)
    }

    pub fn place(&self, from: &Path, name: &str, media: Media) -> Result<(), LayoutError> {
        let path = self.at(name)?;
        // Another disk, or too many links: a copy does it.
        if media == Media::Link && fs::hard_link(from, &path).is_ok() {
            return Ok(());
        }
        fs::copy(from, &path).map(drop).map_err(io_at(from))
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LayoutError> {
        let path = self.at(name)?;
        fs::write(&path, bytes).map_err(io_at(&path))
    }

    pub fn finish(mut self) -> Result<(), LayoutError> {
        let sync = || -> io::Result<()> {
            rustix::fs::syncfs(File::open(&self.temporary)?)?;
            // An empty folder may stand there.
            fs::rename(&self.temporary, &self.to)?;
            match self.to.parent() {
                Some(above) => File::open(above)?.sync_all(),
                None => Ok(()),
            }
        };
        sync().map_err(io_at(&self.to))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

/// Clips below a folder, by their names with `/`, sorted. Links, and what is neither file nor
/// folder, are refused: they lead out of it.
pub fn clips(root: &Path) -> Result<Vec<String>, LayoutError> {
    let mut found = Vec::new();
    let mut seen = 0;
    let mut open = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, above, depth)) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(io_at(&folder))? {
            let entry = entry.map_err(io_at(&folder))?;
            let path = entry.path();
            seen += 1;
            if seen > MAX_FILES {
                let problem = format!("holds more than {MAX_FILES} files");
                return Err(bad(root, problem, "import a part of it"));
            }
            let kind = entry.file_type().map_err(io_at(&path))?;
            let name = entry.file_name();
            let name = name.to_str().map(|n| format!("{above}{n}"));
            let name = name.filter(|n| canonical(n).as_ref() == Ok(n));
            let Some(name) = name else {
                return Err(bad(&path, "has a name that is no plain text", "rename it"));
            };
            if kind.is_dir() {
                if depth == MAX_DEPTH {
                    let problem = format!("stands more than {MAX_DEPTH} folders deep");
                    return Err(bad(&path, problem, "name the folder of the corpus"));
                }
                open.push((path, format!("{name}/"), depth + 1));
            } else if !kind.is_file() {
                let problem = "is a link or no plain file";
                return Err(bad(&path, problem, "put the file itself there"));
            } else if is_clip(&name) {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_clip(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|e| CLIPS.iter().any(|c| e.eq_ignore_ascii_case(c)))
}

/// A name that a list gives for a file of the folder, checked.
pub fn named(list: &Path, name: &str) -> Result<String, LayoutError> {
    canonical(name).map_err(|problem| {
        let shown: String = name.chars().take(80).collect();
        let problem = format!("the name `{}` {problem}", shown.escape_debug());
        bad(list, problem, "name files below the folder, with `/`")
    })
}

/// Which word stands for a split; other corpora say `val`.
pub fn split(word: &str) -> Option<Split> {
    match word {
        "val" | "valid" | "validate" => Some(Split::Validation),
        word => word.parse().ok(),
    }
}

/// As FaceForensics' files and DeepfakeBench's keys.
pub fn word(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Validation => "val",
        Split::Test => "test",
    }
}

/// The splits of `train.json`, `val.json` and `test.json`, in the folder or in `splits`: of
/// each name in them. Lists of names, or of pairs of names.
pub fn splits(root: &Path) -> Result<BTreeMap<String, Split>, LayoutError> {
    let mut found = BTreeMap::new();
    for split in Split::ALL {
        let file = format!("{}.json", word(*split));
        let places = [root.join("splits").join(&file), root.join(&file)];
        let Some(path) = places.into_iter().find(|p| p.is_file()) else {
            continue;
        };
        let wrong = || {
            let problem = "is no list of names or pairs of names";
            bad(&path, problem, "see docs/splits.md for the forms of lists")
        };
        let value = read_value(&path)?;
        for entry in value.as_array().ok_or_else(wrong)? {
            let names = match entry {
                Value::Array(pair) => pair.as_slice(),
                one => std::slice::from_ref(one),
            };
            for name in names {
                let name = name.as_str().ok_or_else(wrong)?;
                found.insert(name.to_owned(), *split);
            }
        }
    }
    Ok(found)
}
