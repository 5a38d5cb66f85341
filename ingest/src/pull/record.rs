//! What a copy remembers between pulls: which files were read and found
//! right, what failed in the last run, which recall list was applied.
//!
//! **When a file is trusted.** A file under a digest's name is trusted if it
//! was once read to its end, had that digest, and still has the size, inode and
//! change time it had then; whatever alters a file, or puts another in its
//! place, alters its change time, and nobody can set that one back. A copy
//! moved to another disk is read again, once. Rows are committed after
//! [`crate::store::Store::sync`], so what is remembered is on disk. Losing the
//! record loses nothing: every file is read once more.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use fairframe_schemas::{Digest, Name, Reason, SampleId};
use rusqlite::{Connection, OptionalExtension, params};

use super::PullError;

const FORMAT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS checked (
        sha256 BLOB NOT NULL UNIQUE,
        bytes INTEGER NOT NULL, changed INTEGER NOT NULL, inode INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS failed (
        place INTEGER PRIMARY KEY,
        id TEXT NOT NULL, url TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS applied (dataset TEXT PRIMARY KEY, list BLOB NOT NULL);
";

/// What tells whether a file is still the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    bytes: i64,
    changed: i64,
    inode: i64,
}

impl Mark {
    /// Of a regular file; `None` where there is none.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        let meta = match fs::symlink_metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Ok(meta.is_file().then(|| Self {
            bytes: meta.len().cast_signed(),
            changed: meta
                .ctime()
                .wrapping_mul(1_000_000_000)
                .wrapping_add(meta.ctime_nsec()),
            inode: meta.ino().cast_signed(),
        }))
    }
}

/// A sample whose bytes did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// Row in the manifest.
    pub place: u64,
    pub sample_id: SampleId,
    /// Where the bytes were last asked for.
    pub url: String,
    pub reason: Reason,
    pub message: String,
}

/// A line of `failures.csv`.
pub(super) type FailedLine = [String; 4];

pub(super) struct Record {
    path: PathBuf,
    db: Connection,
}

type Result<T> = std::result::Result<T, PullError>;

impl Record {
    pub fn open(path: &Path) -> Result<Self> {
        let wrap = |error| PullError::Record {
            path: path.to_owned(),
            error,
        };
        let db = Connection::open(path).map_err(wrap)?;
        db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            .map_err(wrap)?;
        let found: i64 = db
            .query_row("PRAGMA user_version", [], |r| r.get(0))
            .map_err(wrap)?;
        if found != 0 && found != FORMAT {
            // Of another release of the program: what it knew is found out again.
            db.execute_batch(
                "DROP TABLE IF EXISTS checked; DROP TABLE IF EXISTS failed;
                 DROP TABLE IF EXISTS applied;",
            )
            .map_err(wrap)?;
        }
        db.execute_batch(TABLES).map_err(wrap)?;
        db.pragma_update(None, "user_version", FORMAT)
            .map_err(wrap)?;
        Ok(Self {
            path: path.to_owned(),
            db,
        })
    }

    fn wrap(&self, error: rusqlite::Error) -> PullError {
        PullError::Record {
            path: self.path.clone(),
            error,
        }
    }

    /// Whether the file that now has this mark was read and found right.
    pub fn trusts(&self, digest: &Digest, mark: &Mark) -> Result<bool> {
        let known = self
            .db
            .prepare_cached("SELECT bytes, changed, inode FROM checked WHERE sha256 = ?1")
            .and_then(|mut s| {
                s.query_row([digest.as_bytes()], |r| {
                    Ok(Mark {
                        bytes: r.get(0)?,
                        changed: r.get(1)?,
                        inode: r.get(2)?,
                    })
                })
                .optional()
            })
            .map_err(|e| self.wrap(e))?;
        Ok(known.as_ref() == Some(mark))
    }

    /// Commits what was found right; the store has been synced.
    pub fn checked(&self, files: &[(Digest, Mark)]) -> Result<()> {
        self.commit(|db| {
            let sql = "INSERT OR REPLACE INTO checked VALUES (?1, ?2, ?3, ?4)";
            let mut insert = db.prepare_cached(sql)?;
            for (digest, mark) in files {
                let Mark {
                    bytes,
                    changed,
                    inode,
                } = mark;
                insert.execute(params![digest.as_bytes(), bytes, changed, inode])?;
            }
            Ok(())
        })
    }

    /// Forgets the failures of an earlier run: this one finds its own.
    pub fn begin(&self) -> Result<()> {
        self.commit(|db| db.execute("DELETE FROM failed", []).map(|_| ()))
    }

    pub fn failed(&self, rows: &[Failed]) -> Result<()> {
        self.commit(|db| {
            let sql = "INSERT OR REPLACE INTO failed VALUES (?1, ?2, ?3, ?4, ?5)";
            let mut insert = db.prepare_cached(sql)?;
            for row in rows {
                insert.execute(params![
                    row.place.cast_signed(),
                    row.sample_id.to_string(),
                    row.url,
                    row.reason.code(),
                    row.message
                ])?;
            }
            Ok(())
        })
    }

    fn commit(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<()> {
        let commit = || {
            let transaction = self.db.unchecked_transaction()?;
            work(&self.db)?;
            transaction.commit()
        };
        commit().map_err(|e| self.wrap(e))
    }

    /// The failures of this run, in the order of the manifest.
    pub fn each_failed(&self, mut line: impl FnMut(FailedLine) -> Result<()>) -> Result<()> {
        let wrap = |e| self.wrap(e);
        let mut found = self
            .db
            .prepare("SELECT id, url, reason, message FROM failed ORDER BY place")
            .map_err(wrap)?;
        let mut rows = found.query([]).map_err(wrap)?;
        while let Some(row) = rows.next().map_err(wrap)? {
            let text = |at| row.get::<_, String>(at).map_err(wrap);
            line([text(0)?, text(1)?, text(2)?, text(3)?])?;
        }
        Ok(())
    }

    /// Whether this recall list was applied already.
    pub fn was_applied(&self, dataset: &Name, list: &Digest) -> Result<bool> {
        let sql = "SELECT list FROM applied WHERE dataset = ?1";
        let known: Option<Vec<u8>> = self
            .db
            .query_row(sql, [dataset.as_str()], |r| r.get(0))
            .optional()
            .map_err(|e| self.wrap(e))?;
        Ok(known.as_deref() == Some(list.as_bytes().as_slice()))
    }

    pub fn applied(&self, dataset: &Name, list: &Digest) -> Result<()> {
        self.commit(|db| {
            let sql = "INSERT OR REPLACE INTO applied VALUES (?1, ?2)";
            db.execute(sql, params![dataset.as_str(), list.as_bytes()])
                .map(|_| ())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_trusted_until_it_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "abc").unwrap();
        let digest = Digest::of(b"abc");
        let at = folder.path().join("journal.sqlite");
        let record = Record::open(&at).unwrap();
        let mark = Mark::of(&path).unwrap().unwrap();
        assert!(!record.trusts(&digest, &mark).unwrap());
        record.checked(&[(digest, mark)]).unwrap();
        drop(record);
        let record = Record::open(&at).unwrap();
        let now = Mark::of(&path).unwrap().unwrap();
        assert!(record.trusts(&digest, &now).unwrap());
        // The same size, put in its place.
        let other = folder.path().join("y");
        fs::write(&other, "abd").unwrap();
        fs::rename(&other, &path).unwrap();
        let now = Mark::of(&path).unwrap().unwrap();
        assert!(!record.trusts(&digest, &now).unwrap());
        fs::remove_file(&path).unwrap();
        assert_eq!(Mark::of(&path).unwrap(), None);
    }

    #[test]
    fn failures_come_in_manifest_order_and_only_of_this_run() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::open(&folder.path().join("journal.sqlite")).unwrap();
        let failed = |place| Failed {
            place,
            sample_id: SampleId::new("s", &place.to_string()),
            url: format!("http://h/{place}"),
            reason: Reason::FetchNotFound,
            message: "gone".to_owned(),
        };
        record.failed(&[failed(1)]).unwrap();
        record.begin().unwrap();
        record.failed(&[failed(9), failed(2)]).unwrap();
        let mut urls = Vec::new();
        record
            .each_failed(|[_, url, _, _]| {
                urls.push(url);
                Ok(())
            })
            .unwrap();
        assert_eq!(urls, ["http://h/2", "http://h/9"]);
    }

    #[test]
    fn a_list_counts_as_applied_until_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::open(&folder.path().join("journal.sqlite")).unwrap();
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let (a, b) = (Name::new("a").unwrap(), Name::new("b").unwrap());
        assert!(!record.was_applied(&a, &one).unwrap());
        record.applied(&a, &one).unwrap();
        record.applied(&b, &one).unwrap();
        record.applied(&a, &two).unwrap();
        assert!(record.was_applied(&a, &two).unwrap());
        assert!(!record.was_applied(&a, &one).unwrap());
        assert!(record.was_applied(&b, &one).unwrap());
    }
}
