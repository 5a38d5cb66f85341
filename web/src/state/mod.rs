//! What the server remembers: accounts, decisions, jobs, the audit chain.
//!
//! One SQLite file (WAL), every statement in this module, none elsewhere. There is
//! one writer at a time: [`Db::write`] takes the one writing connection and begins at
//! once, so that what a writer has read is still so when it writes. What is done and
//! the entry of the audit chain that tells of it are one transaction; once
//! [`Write::commit`] has returned, a `kill -9` or a power cut takes nothing back.

pub mod accounts;
pub mod asked_once;
pub mod audit;
pub mod competitions;
pub mod contributions;
pub mod decisions;
pub mod jobs;
pub mod links;
pub mod proposals;
pub mod secret;
pub mod sessions;
pub mod settings;
pub mod takedowns;
pub mod targets;
pub mod terms;
pub mod tokens;
pub mod withdrawn;

use std::{path::Path, sync::Arc, time::Duration};

use chrono::SecondsFormat;
use fairframe_schemas::Timestamp;
use sqlx::{
    Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// Readers at a time; more wait.
const READERS: u32 = 4;

/// How long a writer of another process (a backup, a command) is waited for.
const BUSY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error("bring the database up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the database holds {what} `{value}`, which this version cannot read")]
    Stored { what: &'static str, value: String },
    #[error("make a folder for the database: {0}")]
    Folder(std::io::Error),
    #[error("`{}` is there already; name a file that is not", .0.display())]
    Exists(std::path::PathBuf),
}

impl StateError {
    /// What stands in the database is no such thing.
    pub(crate) fn stored(what: &'static str, value: &str) -> Self {
        StateError::Stored {
            what,
            value: value.to_owned(),
        }
    }
}

pub type Result<T, E = StateError> = std::result::Result<T, E>;

/// Tells the time. Tests set their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone)]
pub struct Db {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Clock,
}

/// A transaction that writes. Dropped, it is as if it had never been.
pub struct Write {
    inner: Transaction<'static, Sqlite>,
    /// The one moment all of it happens at.
    pub now: Timestamp,
}

impl Db {
    /// Opens the file, makes it where there is none, and brings it up to date.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(StateError::Folder)?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What is emptied is overwritten: see [`Db::forget`].
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self {
            writer,
            readers,
            clock,
        })
    }

    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Where to read what is committed.
    pub fn read(&self) -> &SqlitePool {
        &self.readers
    }

    pub async fn write(&self) -> Result<Write> {
        let inner = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Write {
            inner,
            now: self.now(),
        })
    }

    /// A whole copy as of one moment, while others read and write.
    pub async fn back_up(&self, to: &Path) -> Result<()> {
        if to.exists() {
            return Err(StateError::Exists(to.to_owned()));
        }
        sqlx::query("VACUUM INTO ?")
            .bind(to.to_string_lossy().into_owned())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Moves what was written into the file and empties the write-ahead log, in which older
    /// pages stand: what was erased is then nowhere on the disk. While somebody reads, the
    /// next one does it.
    pub async fn forget(&self) -> Result<()> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Lets what is under way end, and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Write {
    pub fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }

    pub async fn commit(self) -> Result<()> {
        Ok(self.inner.commit().await?)
    }
}

/// As times stand in the database.
pub(crate) fn text(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub(crate) fn time(text: String) -> Result<Timestamp> {
    text.parse().map_err(|_| StateError::Stored {
        what: "the time",
        value: text,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A database in a folder of its own, whose clock stands until it is moved.
    pub struct Fixture {
        pub db: Db,
        pub folder: tempfile::TempDir,
        now: Arc<Mutex<Timestamp>>,
    }

    impl Fixture {
        pub async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let now = Arc::new(Mutex::new("2026-03-01T08:00:00Z".parse().unwrap()));
            let told = now.clone();
            let clock: Clock = Arc::new(move || *told.lock().unwrap());
            let db = Db::open(&folder.path().join("state.sqlite"), clock)
                .await
                .unwrap();
            Self { db, folder, now }
        }

        pub fn pass(&self, time: Duration) {
            *self.now.lock().unwrap() += time;
        }
    }

    #[tokio::test]
    async fn a_write_that_is_not_committed_leaves_nothing_and_a_backup_is_whole() {
        let f = Fixture::new().await;
        let mut write = f.db.write().await.unwrap();
        settings::set(&mut write, "two-persons", "false")
            .await
            .unwrap();
        drop(write);
        assert_eq!(settings::get(&f.db, "two-persons").await.unwrap(), None);

        let mut write = f.db.write().await.unwrap();
        settings::set(&mut write, "two-persons", "false")
            .await
            .unwrap();
        write.commit().await.unwrap();
        let copy = f.folder.path().join("copy.sqlite");
        f.db.back_up(&copy).await.unwrap();
        assert!(matches!(
            f.db.back_up(&copy).await,
            Err(StateError::Exists(_))
        ));
        let copy = Db::open(&copy, f.db.clock.clone()).await.unwrap();
        let found = settings::get(&copy, "two-persons").await.unwrap();
        assert_eq!(found.as_deref(), Some("false"));
    }

    #[tokio::test]
    async fn writers_wait_for_each_other() {
        let f = Fixture::new().await;
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let db = f.db.clone();
                tokio::spawn(async move {
                    let mut write = db.write().await.unwrap();
                    let old = settings::get_in(&mut write, "n").await.unwrap();
                    let n: u32 = old.map_or(0, |n| n.parse().unwrap());
                    settings::set(&mut write, "n", &(n + 1).to_string())
                        .await
                        .unwrap();
                    write.commit().await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(
            settings::get(&f.db, "n").await.unwrap().as_deref(),
            Some("20")
        );
    }
}
