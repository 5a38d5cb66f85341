//! A disk that does not take what is written: no sample's fault, so it ends
//! the run, and says what to do.

use std::{
    error::Error,
    fs::{File, TryLockError},
    io,
    path::PathBuf,
};

/// Something of our own cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}{}", path.display(), remedy(error))]
pub struct DiskError {
    pub path: PathBuf,
    pub error: io::Error,
}

/// A locked file, unlocked when dropped: closing alone would leave the lock to
/// whatever child is being forked at that moment.
pub struct Held(File);

impl Held {
    pub fn try_lock(file: File) -> Result<Held, TryLockError> {
        file.try_lock().map(|()| Held(file))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// What to do about an error, to stand behind it; empty where that is not known.
pub fn remedy(error: &(dyn Error + 'static)) -> &'static str {
    let mut at = Some(error);
    while let Some(error) = at {
        let kind = match error.downcast_ref::<io::Error>() {
            Some(error) => Some(error.kind()),
            None => match error.downcast_ref::<csv::Error>().map(csv::Error::kind) {
                Some(csv::ErrorKind::Io(error)) => Some(error.kind()),
                _ => None,
            },
        };
        match kind {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => return FULL,
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                return READ_ONLY;
            }
            _ => {}
        }
        at = error.source();
    }
    ""
}

/// The same of a database.
pub fn database_remedy(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
    match error.sqlite_error_code() {
        Some(DiskFull) => FULL,
        Some(ReadOnly | PermissionDenied) => READ_ONLY,
        Some(CannotOpen | SystemIoFailure) => {
            "; see that its disk has room and that this user may write there, then repeat the \
             command: it goes on where it stopped"
        }
        _ => "",
    }
}

const FULL: &str = "; make room on that disk, then repeat the command: it goes on where it stopped";
const READ_ONLY: &str =
    "; let this user write there, then repeat the command: it goes on where it stopped";
