//! The demo's data folder: emptied on a rerun, so that the demo tells the same
//! story each time. Only what the demo itself made is removed.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// Says that a demo made what stands in this folder.
const MARKER: &str = ".fairframe-demo";

/// What a demo makes in its folder.
const MADE: [&str; 11] = [
    "corpora",
    "journal",
    "manifests",
    "pulled",
    super::COPY,
    "receipts",
    "reports",
    "restricted",
    "signing",
    "store",
    "thumbnails",
];

/// Names below `corpora`, `manifests` and `reports` that are the demo's; any other is of someone who used the folder since.
const NAMES: [(&str, &[&str]); 3] = [
    ("corpora", &["demo-corpus"]),
    ("manifests", &["demo", "demo-actors", "demo-corpus"]),
    ("reports", super::reports::NAMES),
];

#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error(
        "`{}` is not empty and no demo made it; give a folder that is new or empty (`--root DIR`, `DEMO_ROOT=DIR make demo`)",
        .0.display()
    )]
    NotOurs(PathBuf),
    #[error(
        "`{}` was not made by the demo, which empties its folder; move it, or give another folder (`--root DIR`, `DEMO_ROOT=DIR make demo`)",
        .0.display()
    )]
    UsedSince(PathBuf),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// Makes the folder a demo's, empty of what an earlier demo made.
pub fn prepare(root: &Path) -> Result<(), RootError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| RootError::Io { path, error }
    };
    fs::create_dir_all(root).map_err(failed(root))?;
    let marker = root.join(MARKER);
    if !marker.is_file() {
        let mut there = fs::read_dir(root).map_err(failed(root))?;
        if there.next().is_some() {
            return Err(RootError::NotOurs(root.to_owned()));
        }
        let says = "The next `fairframe demo` here removes what this one made.\n";
        return fs::write(&marker, says).map_err(failed(&marker));
    }
    for (folder, known) in NAMES {
        let folder = root.join(folder);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&folder)(error)),
        };
        for entry in entries {
            let name = entry.map_err(failed(&folder))?.file_name();
            if !known.iter().any(|k| name == *k) {
                return Err(RootError::UsedSince(folder.join(name)));
            }
        }
    }
    for name in MADE {
        let path = root.join(name);
        // A link is removed, not followed.
        let removed = match fs::symlink_metadata(&path) {
            Ok(is) if is.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(failed(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_demo_made_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("new");
        prepare(&root).unwrap();
        fs::create_dir_all(root.join("manifests/demo")).unwrap();
        fs::write(root.join("notes.txt"), "mine").unwrap();
        prepare(&root).unwrap();
        assert!(!root.join("manifests").exists());
        assert!(root.join("notes.txt").exists());

        for other in ["manifests/mine", "reports/mine"] {
            let other = root.join(other);
            fs::create_dir_all(&other).unwrap();
            let said = prepare(&root).unwrap_err();
            assert!(
                matches!(&said, RootError::UsedSince(at) if *at == other),
                "{said}"
            );
            assert!(other.exists());
            fs::remove_dir(&other).unwrap();
        }

        let foreign = folder.path().join("foreign");
        fs::create_dir_all(foreign.join("store")).unwrap();
        let said = prepare(&foreign).unwrap_err();
        assert!(matches!(said, RootError::NotOurs(_)), "{said}");
        assert!(foreign.join("store").exists());
    }
}
