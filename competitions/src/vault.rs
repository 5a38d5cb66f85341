//! What competitions keep on the disk: definitions as they were opened, prepared truths,
//! submissions, what they scored, boards. None of it is ever served as a file.
//!
//! Names are digests or numbers of ours. A file appears under its name by one rename, whole and
//! synced: a `kill -9` at any moment leaves at most something under a name that is nobody's.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use fairframe_schemas::{Digest, Name};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::ladder;

/// Largest competition folder, in bytes and files, its truths among them.
pub const MAX_FOLDER: u64 = 4 << 30;
pub const MAX_FILES: usize = 1_000;

/// Where things of competitions stand.
///
/// ```text
/// competitions/<name>/
///   definitions/<digest>/            folders as they were opened
///   truths/<stage>/<digest>/         prepared solutions
///   submissions/<sha256>             bytes as they were sent
///   arriving/<id>                    uploads under way
///   results/<submission>/<truth>/    items' scores, scores by group, reports (report/)
///   boards/<stage>-<truth>.json      the newest board
///   groups/<stage>-<truth>.json      how its teams do by group
/// ```
#[derive(Debug, Clone)]
pub struct Vault {
    folder: PathBuf,
}

/// A file or folder that could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("`{}`: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("`{}` is no plain file or folder; links and devices are not taken", .0.display())]
    Strange(PathBuf),
    #[error("`{}` has more than {MAX_FILES} files", .0.display())]
    Many(PathBuf),
    #[error("`{}` has more than {} GiB", .0.display(), MAX_FOLDER >> 30)]
    Large(PathBuf),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> VaultError + '_ {
    |error| VaultError::Io {
        path: path.to_owned(),
        error,
    }
}

impl Vault {
    /// Of a competition whose things stand in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn definition(&self, digest: &Digest) -> PathBuf {
        self.folder.join("definitions").join(digest.to_string())
    }

    pub fn truth(&self, stage: &Name, digest: &Digest) -> PathBuf {
        let truths = self.folder.join("truths").join(stage.as_str());
        truths.join(digest.to_string())
    }

    pub fn submission(&self, digest: &Digest) -> PathBuf {
        self.folder.join("submissions").join(digest.to_string())
    }

    pub fn results(&self, submission: i64, truth: i64) -> PathBuf {
        let of = self.folder.join("results").join(submission.to_string());
        of.join(truth.to_string())
    }

    pub fn board(&self, stage: &Name, truth: i64) -> PathBuf {
        let boards = self.folder.join("boards");
        boards.join(format!("{stage}-{truth}.json"))
    }

    /// How the teams of a board do by group.
    pub fn spread(&self, stage: &Name, truth: i64) -> PathBuf {
        let groups = self.folder.join("groups");
        groups.join(format!("{stage}-{truth}.json"))
    }

    fn arriving(&self, id: &str) -> PathBuf {
        self.folder.join("arriving").join(id)
    }

    /// Copies a competition's folder in, under the digest of what is in it.
    ///
    /// # Errors
    /// [`VaultError`] for links and devices, for more than [`MAX_FILES`] or [`MAX_FOLDER`], and
    /// where the disk fails; nothing is there then.
    pub fn keep_definition(&self, from: &Path) -> Result<Digest, VaultError> {
        let mut files = Vec::new();
        list(from, &mut files)?;
        files.sort();
        let copying = self.fresh()?;
        let result = copy(from, &copying, &files);
        let digest = match result {
            Ok(digest) => digest,
            Err(error) => {
                let _ = fs::remove_dir_all(&copying);
                return Err(error);
            }
        };
        settle(&copying, &self.definition(&digest))?;
        Ok(digest)
    }

    /// A folder for something to be made in; [`Self::keep_truth`] gives it its place.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn fresh(&self) -> Result<PathBuf, VaultError> {
        let folder = self.folder.join("making");
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let made = tempfile::Builder::new().prefix("").tempdir_in(&folder);
        Ok(made.map_err(at(&folder))?.keep())
    }

    /// Gives a prepared truth its place: the digest of its files.
    ///
    /// # Errors
    /// As [`Self::keep_definition`].
    pub fn keep_truth(&self, stage: &Name, made: &Path) -> Result<Digest, VaultError> {
        let mut files = Vec::new();
        list(made, &mut files)?;
        files.sort();
        let mut all = Sha256::new();
        for file in &files {
            let digest = digest_of(&made.join(file))?;
            named(&mut all, file, &digest);
        }
        let digest = Digest::from_bytes(all.finalize().into());
        settle(made, &self.truth(stage, &digest))?;
        Ok(digest)
    }

    /// Removes a folder that was made and is not wanted.
    pub fn discard(&self, made: &Path) {
        let _ = fs::remove_dir_all(made);
    }

    /// Adds a piece to an upload, `offset` bytes into it; gives how much is there then.
    ///
    /// # Errors
    /// Where `offset` is not what is there, and where the disk fails.
    pub fn add(&self, id: &str, offset: u64, piece: &[u8]) -> Result<u64, VaultError> {
        let path = self.arriving(id);
        let folder = self.folder.join("arriving");
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let mut out = open.map_err(at(&path))?;
        // One piece after the other, and none once it was handed in: the bytes are then a
        // submission's, too.
        out.lock().map_err(at(&path))?;
        if out.metadata().map_err(at(&path))?.nlink() > 1 {
            let message = "it was handed in already";
            return Err(at(&path)(io::Error::new(
                io::ErrorKind::InvalidInput,
                message,
            )));
        }
        let there = out.seek(SeekFrom::End(0)).map_err(at(&path))?;
        if there != offset {
            let message = format!("{there} bytes are there, not {offset}");
            return Err(at(&path)(io::Error::new(
                io::ErrorKind::InvalidInput,
                message,
            )));
        }
        out.write_all(piece).map_err(at(&path))?;
        Ok(there + piece.len() as u64)
    }

    /// How much of an upload is there.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn arrived(&self, id: &str) -> Result<u64, VaultError> {
        let path = self.arriving(id);
        match fs::metadata(&path) {
            Ok(there) => Ok(there.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// Puts an upload that is whole among the submissions; gives its digest and bytes. The upload
    /// stays until [`Self::drop_upload`]: a submission that is not taken can be sent once more.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn keep_submission(&self, id: &str) -> Result<(Digest, u64), VaultError> {
        let path = self.arriving(id);
        let file = File::open(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        file.sync_all().map_err(at(&path))?;
        let bytes = file.metadata().map_err(at(&path))?.len();
        let digest = digest_of(&path)?;
        let to = self.submission(&digest);
        let folder = self.folder.join("submissions");
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        match fs::hard_link(&path, &to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.map_err(at(&to))?,
        }
        sync(&folder)?;
        Ok((digest, bytes))
    }

    /// Removes an upload that is not wanted.
    pub fn drop_upload(&self, id: &str) {
        let _ = fs::remove_file(self.arriving(id));
    }

    /// Removes the bytes of a submission that nothing names.
    pub fn drop_submission(&self, digest: &Digest) {
        let _ = fs::remove_file(self.submission(digest));
    }

    /// Removes what was arriving or being made and has not grown since a moment: its upload was
    /// given up, or its server killed.
    pub fn forget_unfinished(&self, since: SystemTime) {
        for folder in ["arriving", "making"] {
            let entries = fs::read_dir(self.folder.join(folder));
            for entry in entries.into_iter().flatten().flatten() {
                let changed = entry.metadata().and_then(|facts| facts.modified());
                if changed.is_ok_and(|at| at < since) {
                    let path = entry.path();
                    let _ = match path.is_dir() {
                        true => fs::remove_dir_all(&path),
                        false => fs::remove_file(&path),
                    };
                }
            }
        }
    }

    /// Keeps bytes of ours (a constant answer) among the submissions.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn keep_bytes(&self, bytes: &[u8]) -> Result<Digest, VaultError> {
        let digest = Digest::of(bytes);
        put(&self.submission(&digest), bytes)?;
        Ok(digest)
    }

    /// Writes the board of a truth of a stage, and how its teams do by group, in the place of those
    /// before.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn keep_board(
        &self,
        stage: &Name,
        truth: i64,
        board: &[u8],
        spread: &[u8],
    ) -> Result<(), VaultError> {
        put(&self.spread(stage, truth), spread)?;
        put(&self.board(stage, truth), board)
    }

    /// Gives what a submission scored ([`Scored::keep`](crate::score::Scored::keep)) its place beside
    /// what is there, and nothing else that the folder holds: another try finds the same.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn keep_scores(&self, made: &Path, to: &Path) -> Result<(), VaultError> {
        for of in [ladder::public_items, ladder::private_items, groups_of] {
            let (own, target) = (of(made), of(to));
            if !own.is_file() {
                continue;
            }
            let folder = target.parent().unwrap_or(to);
            fs::create_dir_all(folder).map_err(at(folder))?;
            fs::rename(&own, &target).map_err(at(&target))?;
            sync(folder)?;
        }
        self.discard(made);
        Ok(())
    }

    /// Gives a folder of results its place, in the place of what an earlier try left there.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn keep_results(&self, made: &Path, to: &Path) -> Result<(), VaultError> {
        if to.exists() {
            fs::remove_dir_all(to).map_err(at(to))?;
        }
        settle(made, to)
    }
}

/// A submission's scores by group, in its folder of results.
pub fn groups_of(results: &Path) -> PathBuf {
    results.join("groups.json")
}

/// A folder of its own within `folder`, for what is unpacked; it goes with what is given.
///
/// # Errors
/// Where the disk fails.
pub fn opening(folder: &Path) -> Result<TempDir, VaultError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    tempfile::tempdir_in(folder).map_err(at(folder))
}

/// Removes what was unpacked in `folder` before `since`, by a process that was killed.
pub fn forget_openings(folder: &Path, since: SystemTime) {
    let all = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in all {
        let changed = entry.metadata().and_then(|facts| facts.modified());
        if changed.is_ok_and(|at| at < since) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Begins a file that is not there yet, and the folders above it.
///
/// # Errors
/// Where something stands in the way.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create_new(path)
}

/// Writes a file whole, or not at all.
///
/// # Errors
/// Where the disk fails.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(at(folder))?;
    let mut out = tempfile::NamedTempFile::new_in(folder).map_err(at(folder))?;
    out.write_all(bytes).map_err(at(path))?;
    out.as_file().sync_all().map_err(at(path))?;
    out.persist(path).map_err(|e| at(path)(e.error))?;
    sync(folder)
}

/// Gives what was made its name. Something of that name, which has the same content, stays.
fn settle(made: &Path, to: &Path) -> Result<(), VaultError> {
    let folder = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(at(folder))?;
    if to.exists() {
        fs::remove_dir_all(made).map_err(at(made))?;
    } else {
        sync(made)?;
        fs::rename(made, to).map_err(at(to))?;
    }
    sync(folder)
}

fn sync(folder: &Path) -> Result<(), VaultError> {
    let opened = File::open(folder).and_then(|f| f.sync_all());
    opened.map_err(at(folder))
}

/// The plain files of a folder and its folders, as paths within it.
fn list(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), VaultError> {
    let mut waiting = vec![PathBuf::new()];
    while let Some(within) = waiting.pop() {
        let path = folder.join(&within);
        for entry in fs::read_dir(&path).map_err(at(&path))? {
            let entry = entry.map_err(at(&path))?;
            let kind = entry.file_type().map_err(at(&path))?;
            let its = within.join(entry.file_name());
            if kind.is_dir() {
                waiting.push(its);
            } else if kind.is_file() {
                into.push(its);
            } else {
                return Err(VaultError::Strange(entry.path()));
            }
            if into.len() + waiting.len() > MAX_FILES {
                return Err(VaultError::Many(folder.to_owned()));
            }
        }
    }
    Ok(())
}

fn named(all: &mut Sha256, file: &Path, digest: &Digest) {
    let name = file.to_string_lossy();
    // A length before the name: no two lists of files are one text.
    all.update(format!("{}:{name}:{digest}\n", name.len()));
}

fn copy(from: &Path, to: &Path, files: &[PathBuf]) -> Result<Digest, VaultError> {
    let mut all = Sha256::new();
    let mut left = MAX_FOLDER;
    for file in files {
        let (source, target) = (from.join(file), to.join(file));
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(at(folder))?;
        }
        let mut reading = File::open(&source).map_err(at(&source))?.take(left + 1);
        let mut out = File::create_new(&target).map_err(at(&target))?;
        let n = io::copy(&mut reading, &mut out).map_err(at(&source))?;
        left = left
            .checked_sub(n)
            .ok_or_else(|| VaultError::Large(from.to_owned()))?;
        out.sync_all().map_err(at(&target))?;
        named(&mut all, file, &digest_of(&target)?);
    }
    Ok(Digest::from_bytes(all.finalize().into()))
}

pub(crate) fn digest_of(path: &Path) -> Result<Digest, VaultError> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer).map_err(at(path))?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
    }
    Ok(Digest::from_bytes(hash.finalize().into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn vault() -> (tempfile::TempDir, Vault) {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::new(folder.path().join("competitions/c"));
        (folder, vault)
    }

    #[test]
    fn a_definition_is_kept_once_by_what_is_in_it() {
        let (folder, vault) = vault();
        let from = folder.path().join("from");
        fs::create_dir_all(from.join("pages")).unwrap();
        fs::write(from.join("competition.toml"), "x").unwrap();
        fs::write(from.join("pages/a.md"), "# a").unwrap();
        let first = vault.keep_definition(&from).unwrap();
        assert_eq!(vault.keep_definition(&from).unwrap(), first);
        let kept = vault.definition(&first).join("pages/a.md");
        assert_eq!(fs::read_to_string(kept).unwrap(), "# a");
        fs::write(from.join("pages/a.md"), "# b").unwrap();
        assert_ne!(vault.keep_definition(&from).unwrap(), first);
        // The same bytes under another name are another folder.
        fs::rename(from.join("pages/a.md"), from.join("pages/b.md")).unwrap();
        let named = vault.keep_definition(&from).unwrap();
        assert_ne!(named, first);
        let left = fs::read_dir(folder.path().join("competitions/c/making")).unwrap();
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn links_are_not_followed_out_of_a_folder() {
        let (folder, vault) = vault();
        let from = folder.path().join("from");
        fs::create_dir_all(&from).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("solution.csv")).unwrap();
        let error = vault.keep_definition(&from).unwrap_err();
        assert!(matches!(error, VaultError::Strange(_)), "{error}");
        let many = folder.path().join("many");
        fs::create_dir_all(&many).unwrap();
        for n in 0..=MAX_FILES {
            fs::write(many.join(n.to_string()), "").unwrap();
        }
        let error = vault.keep_definition(&many).unwrap_err();
        assert!(matches!(error, VaultError::Many(_)), "{error}");
    }

    #[test]
    fn an_upload_grows_in_order_and_becomes_a_submission() {
        let (_folder, vault) = vault();
        assert_eq!(vault.arrived("u").unwrap(), 0);
        assert_eq!(vault.add("u", 0, b"id,la").unwrap(), 5);
        assert!(vault.add("u", 3, b"x").is_err());
        assert_eq!(vault.arrived("u").unwrap(), 5);
        assert_eq!(vault.add("u", 5, b"bel\n").unwrap(), 9);
        let (digest, bytes) = vault.keep_submission("u").unwrap();
        assert_eq!((digest, bytes), (Digest::of(b"id,label\n"), 9));
        assert_eq!(fs::read(vault.submission(&digest)).unwrap(), b"id,label\n");
        // Nobody took it: it can be sent once more.
        assert_eq!(vault.keep_submission("u").unwrap(), (digest, 9));
        // Its bytes stay what they are.
        assert!(vault.add("u", 9, b"more").is_err());
        assert_eq!(fs::read(vault.submission(&digest)).unwrap(), b"id,label\n");
        vault.drop_upload("u");
        assert_eq!(vault.arrived("u").unwrap(), 0);
        assert!(vault.submission(&digest).exists());
        // What nobody ends is forgotten, once it is old.
        vault.add("killed", 0, b"id").unwrap();
        let made = vault.fresh().unwrap();
        let began = fs::metadata(&made).unwrap().modified().unwrap();
        vault.forget_unfinished(began - Duration::from_secs(3_600));
        assert_eq!(vault.arrived("killed").unwrap(), 2);
        vault.forget_unfinished(began + Duration::from_secs(3_600));
        assert_eq!(vault.arrived("killed").unwrap(), 0);
        assert!(!made.exists() && vault.submission(&digest).exists());
    }
}
