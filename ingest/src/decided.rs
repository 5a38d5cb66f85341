//! What curators decided, read beside the sources: see [`fairframe_schemas::decision`].

use std::{fs, io, path::PathBuf};

use fairframe_schemas::{
    Decided, Layout, Name,
    decision::{DecidedError, MAX_BYTES},
};

use crate::atomic;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: larger than {MAX_BYTES} bytes; let the server write it again", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: {error}; let the server write it again, by approving a release", path.display())]
    Invalid { path: PathBuf, error: DecidedError },
}

/// Hands decisions over to the ingests to come: whole or not at all.
pub fn write(layout: &Layout, decided: &Decided) -> io::Result<()> {
    let text = serde_json::to_vec(decided)?;
    atomic::write(&layout.decisions(&decided.dataset), &text)
}

/// The decisions about a dataset; where there is no file, nothing was decided.
pub fn read(layout: &Layout, dataset: &Name) -> Result<Decided, ReadError> {
    let path = layout.decisions(dataset);
    let wrap = |error| ReadError::Io {
        path: path.clone(),
        error,
    };
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Decided::none(dataset.clone()));
        }
        other => {
            if other.map_err(wrap)?.len() > MAX_BYTES {
                return Err(ReadError::TooLarge(path));
            }
        }
    }
    let text = fs::read_to_string(&path).map_err(wrap)?;
    Decided::parse(&text, dataset).map_err(|error| ReadError::Invalid { path, error })
}
