//! Media bytes by content: `store/ab/cd/<sha256>`.
//!
//! Bytes are written under a temporary name and appear under their digest in
//! one step, so a file with a digest's name is whole. Two writers of the same
//! bytes do no harm: the later rename replaces equal content.
//!
//! ```text
//! store/
//!   ab/cd/<sha256>           whole files
//!   tmp/<process>-<n>        being written; cleaned when nobody holds the lock
//!   partial/<sample_id>      a long transfer that a later run may go on with
//!   partial/<sample_id>.json what is needed for that
//!   lock                     held shared by every process that uses the store
//! ```
//!
//! **What a crash leaves.** After `kill -9` the page cache lives on: every
//! renamed file is whole. After a power cut, files renamed since the last
//! [`Store::sync`] may be short. The run therefore calls it once before each
//! journal commit; what the journal knows is on disk, and what it does not know
//! is fetched again and replaces what stands there. One `syncfs` for many files
//! costs far less than an `fsync` for each.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use fairframe_schemas::{Digest, Layout, SampleId};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::digest;

/// The store of a data folder. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    tmp: PathBuf,
    partial: PathBuf,
    /// Shared as long as the store is open.
    lock: File,
    serial: AtomicU64,
}

/// What is computed of the bytes as they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    Sha256,
    Sha256AndSha1,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub sha256: Digest,
    /// Lower-case hex, as Wikimedia gives it; none where it was not asked for.
    pub sha1: Option<String>,
    pub bytes: u64,
}

impl Store {
    /// Opens the store, making its folders. What an ended process left half
    /// written is removed, unless another process has the store open.
    pub fn open(layout: &Layout) -> io::Result<Self> {
        let root = layout.store();
        let tmp = root.join("tmp");
        let partial = root.join("partial");
        fs::create_dir_all(&tmp)?;
        fs::create_dir_all(&partial)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(root.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {
                for entry in fs::read_dir(&tmp)? {
                    fs::remove_file(entry?.path())?;
                }
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(e),
        }
        // Also turns an exclusive lock into a shared one. We have no temporary
        // file yet, so it does no harm if another process cleans in between.
        lock.lock_shared()?;
        Ok(Self {
            inner: Arc::new(Inner {
                layout: layout.clone(),
                tmp,
                partial,
                lock,
                serial: AtomicU64::new(0),
            }),
        })
    }

    /// Its folder.
    pub fn root(&self) -> PathBuf {
        self.inner.layout.store()
    }

    /// Where the bytes with this digest stand, if they do.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.inner.layout.media(digest)
    }

    pub fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Reads the bytes again: whether they are those of the digest.
    pub fn is_sound(&self, digest: &Digest) -> io::Result<bool> {
        match digest::of_file(&self.path(digest)) {
            Ok((found, _)) => Ok(found == *digest),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Takes bytes out for good; whether they were there.
    pub fn remove(&self, digest: &Digest) -> io::Result<bool> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => {
                if let Some(folder) = path.parent() {
                    File::open(folder)?.sync_all()?;
                }
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Returns when everything written so far would survive a power cut. Blocks.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.inner.lock)?)
    }

    /// Begins a new file.
    pub fn writer(&self, digests: Digests) -> io::Result<Writer> {
        loop {
            let serial = self.inner.serial.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{serial}", std::process::id());
            let path = self.inner.tmp.join(name);
            // Never one that is there: in another container a process has this number too.
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path);
            match file {
                Ok(file) => return Ok(Writer::new(self.clone(), file, path, digests)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Copies a stream of at most `max_bytes` into a new file with one read,
    /// which the caller judges and commits; `None` if there is more.
    pub fn copy_from(
        &self,
        from: &mut impl Read,
        max_bytes: u64,
        digests: Digests,
    ) -> io::Result<Option<Writer>> {
        let mut writer = self.writer(digests)?;
        let mut buffer = vec![0; COPY_BUFFER];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(Some(writer)),
                Ok(n) if writer.bytes() + n as u64 > max_bytes => return Ok(None),
                Ok(n) => writer.write_all(&buffer[..n])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Where the part of a long transfer stands.
    pub(crate) fn partial(&self, sample_id: SampleId) -> PathBuf {
        self.inner.partial.join(sample_id.to_string())
    }

    /// Removes what broken transfers left of these samples.
    pub fn forget_partial(&self, samples: &BTreeSet<SampleId>) -> io::Result<()> {
        for entry in fs::read_dir(&self.inner.partial)? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|s| s.to_str());
            let id = stem.and_then(|s| s.parse().ok());
            if id.is_some_and(|id| samples.contains(&id)) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Opens the part left by an earlier transfer and reads it (for the
    /// digests); `None` if there is none, or another process is at it.
    pub(crate) fn resume(
        &self,
        sample_id: SampleId,
        digests: Digests,
    ) -> io::Result<Option<Writer>> {
        let path = self.partial(sample_id);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        if !claim(&file, &path)? {
            return Ok(None);
        }
        let mut writer = Writer::new(self.clone(), file, path, digests);
        writer.kept = true;
        let mut buffer = vec![0; COPY_BUFFER];
        loop {
            match writer.file.read(&mut buffer)? {
                0 => return Ok(Some(writer)),
                n => writer.count(&buffer[..n]),
            }
        }
    }
}

const COPY_BUFFER: usize = 256 << 10;

/// Locks a partial file for this process and sees that it still has its name.
fn claim(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    let ours = file.metadata()?;
    Ok(match fs::symlink_metadata(path) {
        Ok(there) => there.ino() == ours.ino() && there.dev() == ours.dev(),
        Err(_) => false,
    })
}

/// A file on its way into the store. Dropped without [`Writer::commit`], it
/// vanishes, unless it is kept for a later run.
pub struct Writer {
    store: Store,
    file: File,
    path: PathBuf,
    sha256: Sha256,
    sha1: Option<Sha1>,
    bytes: u64,
    kept: bool,
    done: bool,
}

impl Writer {
    fn new(store: Store, file: File, path: PathBuf, digests: Digests) -> Self {
        Self {
            store,
            file,
            path,
            sha256: Sha256::new(),
            sha1: (digests == Digests::Sha256AndSha1).then(Sha1::new),
            bytes: 0,
            kept: false,
            done: false,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn count(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        self.bytes += bytes.len() as u64;
    }

    /// Forgets what was written.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.sha256 = Sha256::new();
        if let Some(sha1) = &mut self.sha1 {
            sha1.reset();
        }
        self.bytes = 0;
        Ok(())
    }

    /// Moves the file to where a later run finds it; whether that was possible
    /// (no other process is at the same sample).
    pub(crate) fn keep(&mut self, sample_id: SampleId) -> io::Result<bool> {
        if self.kept {
            return Ok(true);
        }
        let path = self.store.partial(sample_id);
        if let Ok(there) = File::open(&path)
            && matches!(there.try_lock(), Err(TryLockError::WouldBlock))
        {
            return Ok(false);
        }
        match self.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        fs::rename(&self.path, &path)?;
        self.path = path;
        self.kept = true;
        Ok(true)
    }

    /// Removes the file also if it was kept.
    pub(crate) fn discard(mut self) {
        self.kept = false;
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What has been written so far.
    pub fn written(&self) -> Written {
        Written {
            sha256: Digest::from_bytes(self.sha256.clone().finalize().into()),
            sha1: self.sha1.clone().map(|s| hex::encode(s.finalize())),
            bytes: self.bytes,
        }
    }

    /// Gives the file its name.
    pub fn commit(mut self) -> io::Result<Written> {
        let written = self.written();
        let path = self.store.path(&written.sha256);
        match fs::rename(&self.path, &path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                fs::rename(&self.path, &path)?;
            }
            other => other?,
        }
        self.done = true;
        Ok(written)
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.count(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.done && !self.kept {
            // What stays behind is cleaned at the next opening.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Layout::new(folder.path())).unwrap();
        (folder, store)
    }

    fn temporary(store: &Store) -> usize {
        fs::read_dir(&store.inner.tmp).unwrap().count()
    }

    #[test]
    fn bytes_stand_under_their_digest() {
        let (_folder, store) = store();
        let mut writer = store.writer(Digests::Sha256AndSha1).unwrap();
        writer.write_all(b"a").unwrap();
        writer.write_all(b"bc").unwrap();
        assert_eq!(temporary(&store), 1);
        let written = writer.commit().unwrap();
        // The published digests of `abc` (FIPS 180).
        assert_eq!(
            written.sha256.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d".to_owned();
        assert_eq!(written.sha1, Some(sha1));
        assert_eq!(written.bytes, 3);
        assert_eq!(fs::read(store.path(&written.sha256)).unwrap(), b"abc");
        assert!(store.contains(&written.sha256) && store.is_sound(&written.sha256).unwrap());
        assert_eq!(temporary(&store), 0);
        store.sync().unwrap();
        assert!(store.remove(&written.sha256).unwrap());
        assert!(!store.remove(&written.sha256).unwrap());
        assert!(!store.contains(&written.sha256));
    }

    #[test]
    fn a_dropped_writer_leaves_nothing() {
        let (_folder, store) = store();
        let mut writer = store.writer(Digests::Sha256).unwrap();
        writer.write_all(b"abc").unwrap();
        drop(writer);
        assert_eq!(temporary(&store), 0);
    }

    #[test]
    fn a_file_broken_by_a_power_cut_is_healed_by_writing_it_again() {
        let (_folder, store) = store();
        let digest = store
            .copy_from(&mut &b"abc"[..], 3, Digests::Sha256)
            .unwrap()
            .unwrap()
            .commit()
            .unwrap()
            .sha256;
        fs::write(store.path(&digest), b"").unwrap();
        assert!(!store.is_sound(&digest).unwrap());
        let again = store
            .copy_from(&mut &b"abc"[..], 3, Digests::Sha256)
            .unwrap()
            .unwrap();
        again.commit().unwrap();
        assert!(store.is_sound(&digest).unwrap());
    }

    #[test]
    fn copying_stops_at_the_limit() {
        let (_folder, store) = store();
        let endless = store
            .copy_from(&mut io::repeat(1), 1 << 20, Digests::Sha256)
            .unwrap();
        assert!(endless.is_none());
        assert_eq!(temporary(&store), 0);
        assert!(
            store
                .copy_from(&mut &b""[..], 0, Digests::Sha256)
                .unwrap()
                .is_some()
        );
    }

    /// Two containers over one data folder have processes of one number.
    #[test]
    fn a_file_that_another_process_writes_is_never_taken() {
        let (_folder, store) = store();
        let theirs = store.inner.tmp.join(format!("{}-0", std::process::id()));
        fs::write(&theirs, b"theirs").unwrap();
        let mut ours = store.writer(Digests::Sha256).unwrap();
        ours.write_all(b"ours").unwrap();
        assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
        let written = ours.commit().unwrap();
        assert!(store.is_sound(&written.sha256).unwrap());
        assert!(theirs.exists());
    }

    #[test]
    fn leftovers_go_when_nobody_holds_the_store() {
        let (folder, store) = store();
        let leftover = store.inner.tmp.join("1-0");
        fs::write(&leftover, b"half").unwrap();
        // `flock` is held by the open file, so a second opening acts like a second process.
        let second = Store::open(&Layout::new(folder.path())).unwrap();
        assert!(leftover.exists());
        drop((store, second));
        let _third = Store::open(&Layout::new(folder.path())).unwrap();
        assert!(!leftover.exists());
    }

    #[test]
    fn many_writers_of_the_same_bytes_agree() {
        let (_folder, store) = store();
        let body = vec![7; 300_000];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let writer = store
                            .copy_from(&mut &body[..], 1 << 20, Digests::Sha256)
                            .unwrap();
                        let written = writer.unwrap().commit().unwrap();
                        assert!(store.is_sound(&written.sha256).unwrap());
                    }
                });
            }
        });
        assert_eq!(temporary(&store), 0);
    }

    #[test]
    fn a_kept_part_is_found_again_by_one_at_a_time() {
        let (_folder, store) = store();
        let id = SampleId::new("s", "k");
        assert!(store.resume(id, Digests::Sha256).unwrap().is_none());
        let mut writer = store.writer(Digests::Sha256).unwrap();
        writer.write_all(b"ab").unwrap();
        assert!(writer.keep(id).unwrap());
        assert!(
            store.resume(id, Digests::Sha256).unwrap().is_none(),
            "the first is at it"
        );
        let mut other = store.writer(Digests::Sha256).unwrap();
        assert!(!other.keep(id).unwrap(), "the first is at it");
        drop((writer, other));
        let mut again = store.resume(id, Digests::Sha256).unwrap().unwrap();
        assert_eq!(again.bytes(), 2);
        again.write_all(b"c").unwrap();
        let written = again.commit().unwrap();
        assert_eq!(written.sha256, Digest::of(b"abc"));
        assert!(!store.partial(id).exists());
    }
}
