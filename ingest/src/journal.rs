//! What a running ingest has done so far: one SQLite file a dataset.
//!
//! Every stage writes its outcome here in transactions; a run that was killed
//! at any moment finds all that was committed and does the rest. Media bytes
//! are in the store *before* the row that names them is committed.
//!
//! ```text
//! run      one row: as_of, settings digest, finished or not
//! source   name -> checkpoint, done
//! listed   sample id -> what the source says            (emptied by a new run)
//! fetched  sample id -> outcome of fetching             (kept for the next run)
//! replaced sample id -> sha256 that it had before       (kept for the next run)
//! facts    sha256 -> what the decoder says of the bytes (kept for the next run)
//! ```

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use fairframe_schemas::{DatasetVersion, Digest, Reason, SampleId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{
    disk,
    media::Facts,
    recall::Bytes,
    source::{Batch, Listed},
};

/// The journal's own format; a journal of another format is not continued.
const FORMAT: i64 = 1;

// Rows are appended and found by a slim index: clustered by id, which is a hash,
// each of them would rewrite a whole page of some other place.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS run (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        as_of TEXT NOT NULL, settings TEXT NOT NULL, prior TEXT,
        finished INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS source (
        name TEXT PRIMARY KEY, checkpoint TEXT, done INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS listed (
        id BLOB NOT NULL UNIQUE, json TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS fetched (
        id BLOB NOT NULL UNIQUE, json TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS replaced (
        id BLOB, sha256 BLOB, PRIMARY KEY (id, sha256)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS facts (
        sha256 BLOB PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
";

/// What can go wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{}: {error}{}", path.display(), disk::database_remedy(error))]
    Sqlite {
        path: PathBuf,
        error: rusqlite::Error,
    },
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Io {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: a row cannot be read ({error}); remove the file to ingest from the start", path.display())]
    Row {
        path: PathBuf,
        error: serde_json::Error,
    },
    #[error("{}: the journal is of format {found}, this release writes {FORMAT}; finish with the release that wrote it, or remove the file", path.display())]
    Format { path: PathBuf, found: i64 },
    #[error("{}: these sources, as they are declared now, were not listed to their end before; ingest them first", .0.display())]
    NotListed(PathBuf),
    #[error("{}: an unfinished ingest has other settings or another time; repeat it with the same files, or add `--restart`", .0.display())]
    OtherRun(PathBuf),
}

/// The outcome of fetching one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FetchRecord {
    /// Where the bytes were and what they were to be: fetched again when this changes.
    pub asked: String,
    /// The run that fetched: `retrieved_at` of the sample.
    pub at: Timestamp,
    #[serde(flatten)]
    pub outcome: FetchOutcome,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FetchOutcome {
    Stored {
        sha256: Digest,
        bytes: u64,
        content_type: Option<String>,
        opt_out: Vec<String>,
    },
    Failed {
        reason: Reason,
        message: String,
        opt_out: Vec<String>,
    },
}

/// What the decoder said of some bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactsRecord {
    Facts(Box<Facts>),
    Failed { reason: Reason, message: String },
}

impl FactsRecord {
    /// Whether it says all that is asked by now. Facts of an earlier release know nothing of a
    /// picture's quality: the bytes are looked at again, without being fetched.
    pub fn is_whole(&self) -> bool {
        match self {
            FactsRecord::Facts(facts) => facts.luminance.is_some(),
            FactsRecord::Failed { .. } => true,
        }
    }
}

/// What a run is started with.
pub struct Start<'a> {
    /// Digest of everything declared: another one is another run.
    pub settings: &'a str,
    pub asked: Option<Timestamp>,
    pub now: Timestamp,
    /// The latest release.
    pub prior: Option<DatasetVersion>,
    /// Forget an unfinished run.
    pub restart: bool,
    /// Begin anew instead of continuing an unfinished run of the same settings.
    pub anew: bool,
    pub listing: Listing,
}

/// What a run lists, and what it tries again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Listing {
    /// All sources, from the start.
    #[default]
    Anew,
    /// Nothing: what was listed last stands, but what failed is tried again.
    RetryFailures,
    /// Nothing, and nothing is fetched: a release of what is there, with what was decided since.
    AsListed,
}

impl Listing {
    /// Runs that differ in this are different runs.
    fn of(self, settings: &str) -> String {
        match self {
            Listing::Anew => settings.to_owned(),
            Listing::RetryFailures => format!("{settings} retry-failures"),
            Listing::AsListed => format!("{settings} as-listed"),
        }
    }
}

/// A run that was begun and not finished.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unfinished {
    pub as_of: Timestamp,
    pub prior: Option<DatasetVersion>,
}

/// What a run, new or continued, goes by. A continued one compares with the
/// release that was the latest when it began, even if its own is there already.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    pub as_of: Timestamp,
    pub prior: Option<DatasetVersion>,
    pub continued: bool,
}

/// One sample as far as the stages have come.
#[derive(Debug, Clone)]
pub struct Entry {
    pub listed: Listed,
    pub fetched: Option<FetchRecord>,
    pub facts: Option<FactsRecord>,
}

/// The journal of one dataset. One process writes it (the run holds a lock).
pub struct Journal {
    path: PathBuf,
    db: Connection,
}

type Result<T> = std::result::Result<T, JournalError>;

impl Journal {
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| JournalError::Io {
                path: folder.to_owned(),
                error,
            })?;
        }
        let wrap = |error| JournalError::Sqlite {
            path: path.to_owned(),
            error,
        };
        let db = Connection::open(path).map_err(wrap)?;
        // WAL with NORMAL: a kill loses nothing; power loss may lose the last
        // transactions but never tears one, and what they named is done again.
        // What a row said before it was replaced must not linger in its page.
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;
             PRAGMA secure_delete = FAST;",
        )
        .map_err(wrap)?;
        let found: i64 = db
            .query_row("PRAGMA user_version", [], |r| r.get(0))
            .map_err(wrap)?;
        if found != 0 && found != FORMAT {
            return Err(JournalError::Format {
                path: path.to_owned(),
                found,
            });
        }
        db.execute_batch(TABLES).map_err(wrap)?;
        db.pragma_update(None, "user_version", FORMAT)
            .map_err(wrap)?;
        Ok(Self {
            path: path.to_owned(),
            db,
        })
    }

    fn wrap(&self, error: rusqlite::Error) -> JournalError {
        JournalError::Sqlite {
            path: self.path.clone(),
            error,
        }
    }

    fn parse<T: for<'a> Deserialize<'a>>(&self, json: &str) -> Result<T> {
        serde_json::from_str(json).map_err(|error| JournalError::Row {
            path: self.path.clone(),
            error,
        })
    }

    /// Starts a run, or continues the unfinished one, whose `as_of` wins when
    /// none is asked for.
    pub fn begin(&mut self, start: &Start) -> Result<Run> {
        let wanted = start.listing.of(start.settings);
        let open: Option<(String, String, Option<String>)> = self
            .db
            .query_row(
                "SELECT as_of, settings, prior FROM run WHERE finished = 0",
                [],
                |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
            )
            .optional()
            .map_err(|e| self.wrap(e))?;
        if let Some((as_of, settings, prior)) = open.filter(|_| !start.restart) {
            let as_of: Timestamp = self.parse(&as_of)?;
            let same = settings == wanted && start.asked.is_none_or(|a| a == as_of);
            if same && !start.anew {
                let prior = prior.and_then(|v| v.parse().ok());
                return Ok(Run {
                    as_of,
                    prior,
                    continued: true,
                });
            }
            // One that listed nothing (a category misspelt, say) is no loss.
            if !same && self.has_listed()? {
                return Err(JournalError::OtherRun(self.path.clone()));
            }
        }
        if start.listing != Listing::Anew && !self.is_listed_to_the_end(start.settings)? {
            return Err(JournalError::NotListed(self.path.clone()));
        }
        let as_of = start.asked.unwrap_or(start.now);
        let prior = start.prior.map(|v| v.to_string());
        let text = serde_json::to_string(&as_of).map_err(|error| JournalError::Row {
            path: self.path.clone(),
            error,
        })?;
        self.transaction(|t| {
            if start.listing == Listing::Anew {
                t.execute("DELETE FROM listed", [])?;
                t.execute("DELETE FROM source", [])?;
            }
            // A failure is tried again by the next run, never by a resumed one.
            if start.listing != Listing::AsListed {
                t.execute(
                    "DELETE FROM fetched WHERE json_extract(json, '$.failed') IS NOT NULL",
                    [],
                )?;
                t.execute(
                    "DELETE FROM facts WHERE json_extract(json, '$.failed') IS NOT NULL",
                    [],
                )?;
            }
            t.execute("DELETE FROM run", [])?;
            t.execute(
                "INSERT INTO run VALUES (1, ?1, ?2, ?3, 0)",
                params![text, wanted, prior],
            )?;
            Ok(())
        })?;
        Ok(Run {
            as_of,
            prior: start.prior,
            continued: false,
        })
    }

    /// Whether the last run had these settings and was finished.
    fn is_listed_to_the_end(&self, settings: &str) -> Result<bool> {
        let last: Option<(String, bool)> = self
            .db
            .query_row("SELECT settings, finished FROM run", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()
            .map_err(|e| self.wrap(e))?;
        Ok(last
            .is_some_and(|(last, finished)| finished && last.split(' ').next() == Some(settings)))
    }

    fn has_listed(&self) -> Result<bool> {
        let found = self
            .db
            .query_row("SELECT EXISTS (SELECT 1 FROM source)", [], |r| r.get(0));
        found.map_err(|e| self.wrap(e))
    }

    pub fn finish(&mut self) -> Result<()> {
        self.db
            .execute("UPDATE run SET finished = 1", [])
            .map_err(|e| self.wrap(e))?;
        Ok(())
    }

    fn transaction(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let path = self.path.clone();
        let wrap = |error| JournalError::Sqlite { path, error };
        let run = || {
            let transaction = self.db.transaction()?;
            work(&transaction)?;
            transaction.commit()
        };
        run().map_err(wrap)
    }

    /// The checkpoint of a source and whether it is listed to the end.
    pub fn checkpoint(&self, source: &str) -> Result<(Option<serde_json::Value>, bool)> {
        let row: Option<(Option<String>, bool)> = self
            .db
            .query_row(
                "SELECT checkpoint, done FROM source WHERE name = ?1",
                [source],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional()
            .map_err(|e| self.wrap(e))?;
        match row {
            None => Ok((None, false)),
            Some((checkpoint, done)) => {
                let parsed = checkpoint.map(|c| self.parse(&c)).transpose()?;
                Ok((parsed, done))
            }
        }
    }

    /// Commits a batch together with the checkpoint after it. A sample listed
    /// again replaces its earlier row.
    pub fn list(&mut self, source: &str, batch: &Batch) -> Result<()> {
        let path = self.path.clone();
        let text = |l: &Listed| {
            serde_json::to_string(l).map_err(|error| JournalError::Row {
                path: path.clone(),
                error,
            })
        };
        let rows: Vec<(SampleId, String)> = batch
            .listed
            .iter()
            .map(|l| Ok((l.sample.sample_id, text(l)?)))
            .collect::<Result<_>>()?;
        let checkpoint = batch.checkpoint.to_string();
        self.transaction(|t| {
            let mut insert = t.prepare_cached(
                "INSERT INTO listed (id, json) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET json = ?2",
            )?;
            for (id, json) in &rows {
                insert.execute(params![id.as_bytes(), json])?;
            }
            t.execute(
                "INSERT INTO source VALUES (?1, ?2, 0)
                 ON CONFLICT (name) DO UPDATE SET checkpoint = ?2",
                params![source, checkpoint],
            )?;
            Ok(())
        })
    }

    pub fn listed_to_the_end(&mut self, source: &str) -> Result<()> {
        self.transaction(|t| {
            t.execute(
                "INSERT INTO source VALUES (?1, NULL, 1) ON CONFLICT (name) DO UPDATE SET done = 1",
                [source],
            )?;
            Ok(())
        })
    }

    /// Commits outcomes of fetching and decoding.
    pub fn record(
        &mut self,
        fetched: &[(SampleId, FetchRecord)],
        facts: &[(Digest, FactsRecord)],
    ) -> Result<()> {
        let path = self.path.clone();
        let wrap = |error| JournalError::Row {
            path: path.clone(),
            error,
        };
        let fetched: Vec<_> = fetched
            .iter()
            .map(|(id, r)| Ok((id, serde_json::to_string(r).map_err(wrap)?)))
            .collect::<Result<_>>()?;
        let facts: Vec<_> = facts
            .iter()
            .map(|(d, r)| Ok((d, serde_json::to_string(r).map_err(wrap)?)))
            .collect::<Result<_>>()?;
        self.transaction(|t| {
            let mut insert = t.prepare_cached("INSERT OR REPLACE INTO facts VALUES (?1, ?2)")?;
            for (digest, json) in &facts {
                insert.execute(params![digest.as_bytes(), json])?;
            }
            // Bytes that a sample no longer has are still its bytes.
            let mut replaced = t.prepare_cached(
                "INSERT OR IGNORE INTO replaced
                 SELECT id, unhex(json_extract(json, '$.stored.sha256')) FROM fetched
                 WHERE id = ?1 AND json_extract(json, '$.stored.sha256') IS NOT NULL",
            )?;
            let mut insert =
                t.prepare_cached("INSERT OR REPLACE INTO fetched (id, json) VALUES (?1, ?2)")?;
            for (id, json) in &fetched {
                replaced.execute([id.as_bytes()])?;
                insert.execute(params![id.as_bytes(), json])?;
            }
            Ok(())
        })
    }

    /// All bytes that were ever stored for these samples, and not forgotten.
    pub fn bytes(&self, samples: &BTreeSet<SampleId>) -> Result<Bytes> {
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT unhex(json_extract(json, '$.stored.sha256')) FROM fetched WHERE id = ?1
                 UNION SELECT sha256 FROM replaced WHERE id = ?1",
            )
            .map_err(|e| self.wrap(e))?;
        let mut found = Bytes::new();
        for id in samples {
            let rows = statement
                .query_map([id.as_bytes()], |r| r.get::<_, Option<[u8; 32]>>(0))
                .and_then(|rows| rows.collect::<rusqlite::Result<Vec<_>>>())
                .map_err(|e| self.wrap(e))?;
            for digest in rows.into_iter().flatten().map(Digest::from_bytes) {
                found.entry(*id).or_default().insert(digest);
            }
        }
        Ok(found)
    }

    /// Forgets that bytes were fetched and what was read from them, so that
    /// no page of the file says it any more.
    pub fn forget(&mut self, digests: &BTreeSet<Digest>) -> Result<()> {
        self.pragma("secure_delete", "ON")?;
        let mut found = 0;
        self.transaction(|t| {
            t.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS gone (sha256 BLOB PRIMARY KEY) WITHOUT ROWID;
                 DELETE FROM gone;",
            )?;
            let mut insert = t.prepare_cached("INSERT INTO gone VALUES (?1)")?;
            for digest in digests {
                insert.execute([digest.as_bytes()])?;
            }
            found = t.execute(
                "DELETE FROM fetched WHERE
                 unhex(json_extract(json, '$.stored.sha256')) IN (SELECT sha256 FROM gone)",
                [],
            )?;
            found += t.execute(
                "DELETE FROM replaced WHERE sha256 IN (SELECT sha256 FROM gone)",
                [],
            )?;
            found += t.execute(
                "DELETE FROM facts WHERE sha256 IN (SELECT sha256 FROM gone)",
                [],
            )?;
            Ok(())
        })?;
        self.pragma("secure_delete", "FAST")?;
        if found > 0 {
            self.pragma("wal_checkpoint", "TRUNCATE")?;
        }
        Ok(())
    }

    fn pragma(&self, name: &str, value: &str) -> Result<()> {
        let sql = format!("PRAGMA {name} = {value}");
        let row = self.db.query_row(&sql, [], |_| Ok(())).optional();
        row.map(|_| ()).map_err(|e| self.wrap(e))
    }

    /// The run that was begun and not finished, if there is one.
    pub fn unfinished(&self) -> Result<Option<Unfinished>> {
        let sql = "SELECT as_of, prior FROM run WHERE finished = 0";
        let found: Option<(String, Option<String>)> = self
            .db
            .query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()
            .map_err(|e| self.wrap(e))?;
        let read = |(as_of, prior): (String, Option<String>)| {
            Ok(Unfinished {
                as_of: self.parse(&as_of)?,
                prior: prior.and_then(|v| v.parse().ok()),
            })
        };
        found.map(read).transpose()
    }

    pub fn is_listed(&self, id: SampleId) -> Result<bool> {
        let mut statement = self
            .db
            .prepare_cached("SELECT 1 FROM listed WHERE id = ?1")
            .map_err(|e| self.wrap(e))?;
        statement.exists([id.as_bytes()]).map_err(|e| self.wrap(e))
    }

    pub fn count(&self) -> Result<u64> {
        let count = self
            .db
            .query_row("SELECT count(*) FROM listed", [], |r| r.get::<_, i64>(0));
        Ok(count.map_err(|e| self.wrap(e))?.max(0) as u64)
    }

    /// Entries after `after` in the order of their ids, at most `limit`.
    pub fn page(&self, after: Option<SampleId>, limit: usize) -> Result<Vec<Entry>> {
        let floor = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        self.entries(
            "SELECT l.json, f.json, x.json FROM listed l
             LEFT JOIN fetched f ON f.id = l.id
             LEFT JOIN facts x ON x.sha256 = unhex(json_extract(f.json, '$.stored.sha256'))
             WHERE l.id > ?1 ORDER BY l.id LIMIT ?2",
            params![floor, limit as i64],
        )
    }

    pub fn entry(&self, id: SampleId) -> Result<Option<Entry>> {
        let found = self.entries(
            "SELECT l.json, f.json, x.json FROM listed l
             LEFT JOIN fetched f ON f.id = l.id
             LEFT JOIN facts x ON x.sha256 = unhex(json_extract(f.json, '$.stored.sha256'))
             WHERE l.id = ?1",
            params![id.as_bytes()],
        )?;
        Ok(found.into_iter().next())
    }

    fn entries(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Entry>> {
        type Row = (String, Option<String>, Option<String>);
        let mut statement = self.db.prepare_cached(sql).map_err(|e| self.wrap(e))?;
        let rows = statement
            .query_map(params, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .and_then(|rows| rows.collect::<rusqlite::Result<Vec<Row>>>())
            .map_err(|e| self.wrap(e))?;
        rows.into_iter()
            .map(|(listed, fetched, facts)| {
                Ok(Entry {
                    listed: self.parse(&listed)?,
                    fetched: fetched.map(|j| self.parse(&j)).transpose()?,
                    facts: facts.map(|j| self.parse(&j)).transpose()?,
                })
            })
            .collect()
    }
}
