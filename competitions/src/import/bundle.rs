//! Files of others, in a folder or a zip archive: read by name, one at a time, within limits.
//! Nothing is unpacked to names that an archive chose.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Cursor, Read, Seek, Write},
    path::{Path, PathBuf},
};

use zip::{ZipArchive, result::ZipError};

use crate::{definition, vault};

/// Most entries of a bundle.
pub const MAX_ENTRIES: usize = 1_000;
/// Most bytes of one file of it.
pub const MAX_FILE: u64 = 1 << 30;
/// Most bytes of all files that are read from it.
pub const MAX_UNPACKED: u64 = 4 << 30;
/// How much larger than the archive what is in it may be, beyond 16 MiB.
const MAX_RATIO: u64 = 200;
/// Folders within folders, at most.
const MAX_DEPTH: usize = 16;

const ZIP: &[u8] = b"PK\x03\x04";

/// Why a bundle is not read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("`{}` cannot be read: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("`{}` is neither a folder nor a zip archive", .0.display())]
    Neither(PathBuf),
    #[error("`{name}` is not a readable zip archive: {error}; pack it anew, without a password")]
    Zip { name: String, error: ZipError },
    #[error("`{0}` leaves the bundle; pack it anew with names within it")]
    Escapes(String),
    #[error("`{0}` is a link; put the file itself there")]
    Link(String),
    #[error("`{0}` is neither a file nor a folder")]
    Strange(String),
    #[error("it has more than {MAX_ENTRIES} entries; leave out what is not asked for")]
    Many,
    #[error("`{0}` lies more than {MAX_DEPTH} folders deep")]
    Deep(String),
    #[error("`{name}` has more than {limit} bytes unpacked")]
    Large { name: String, limit: u64 },
    #[error("`{0}` is not in the bundle")]
    Absent(String),
}

trait Bytes: Read + Seek {}
impl<R: Read + Seek> Bytes for R {}

enum Source {
    Folder(PathBuf),
    Zip(Box<ZipArchive<Box<dyn Bytes>>>),
}

/// Files by name, parts separated by `/`.
pub(super) struct Bundle {
    source: Source,
    /// Of a zip: where each stands.
    names: BTreeMap<String, usize>,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl Bundle {
    /// A folder, or a zip archive.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let failed = |error| BundleError::Io {
            path: path.to_owned(),
            error,
        };
        let facts = fs::metadata(path).map_err(failed)?;
        if facts.is_dir() {
            let mut names = BTreeMap::new();
            walk(path, &mut names)?;
            return Ok(Self {
                source: Source::Folder(path.to_owned()),
                names,
                left: MAX_UNPACKED,
            });
        }
        if !facts.is_file() {
            return Err(BundleError::Neither(path.to_owned()));
        }
        let mut file = File::open(path).map_err(failed)?;
        let mut start = Vec::new();
        Read::by_ref(&mut file)
            .take(4)
            .read_to_end(&mut start)
            .map_err(failed)?;
        file.rewind().map_err(failed)?;
        if start != ZIP {
            return Err(BundleError::Neither(path.to_owned()));
        }
        Self::zip(&path.display().to_string(), Box::new(file), facts.len())
    }

    /// The files of an archive within a bundle, or the file alone where it is none.
    pub fn within(name: &str, bytes: Vec<u8>) -> Result<Option<Self>, BundleError> {
        match bytes.starts_with(ZIP) {
            true => {
                let packed = bytes.len() as u64;
                Self::zip(name, Box::new(Cursor::new(bytes)), packed).map(Some)
            }
            false => Ok(None),
        }
    }

    fn zip(name: &str, bytes: Box<dyn Bytes>, packed: u64) -> Result<Self, BundleError> {
        let failed = |error| BundleError::Zip {
            name: name.to_owned(),
            error,
        };
        let mut archive = ZipArchive::new(bytes).map_err(failed)?;
        if archive.len() > MAX_ENTRIES {
            return Err(BundleError::Many);
        }
        let mut names = BTreeMap::new();
        for at in 0..archive.len() {
            let entry = archive.by_index_raw(at).map_err(failed)?;
            let own = entry.name().map_err(failed)?.into_owned();
            if entry.is_symlink() {
                return Err(BundleError::Link(own));
            }
            if !stays_within(&own) {
                return Err(BundleError::Escapes(own));
            }
            if own.matches('/').count() > MAX_DEPTH {
                return Err(BundleError::Deep(own));
            }
            if !entry.is_dir() && is_content(&own) {
                names.insert(own, at);
            }
        }
        let left = packed.saturating_mul(MAX_RATIO).max(16 << 20);
        Ok(Self {
            source: Source::Zip(Box::new(archive)),
            names,
            left: left.min(MAX_UNPACKED),
        })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Reads a file whole.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>, BundleError> {
        let mut bytes = Vec::new();
        self.copy(name, &mut bytes)?
            .map_err(|error| BundleError::Io {
                path: name.into(),
                error,
            })?;
        Ok(bytes)
    }

    /// Writes a file to `to`; the inner error is of writing.
    fn copy(&mut self, name: &str, to: &mut impl Write) -> Result<io::Result<()>, BundleError> {
        let absent = || BundleError::Absent(name.to_owned());
        let at = *self.names.get(name).ok_or_else(absent)?;
        let most = self.left.min(MAX_FILE);
        let copied = match &mut self.source {
            Source::Folder(folder) => {
                let path = folder.join(name);
                let failed = |error| BundleError::Io {
                    path: path.clone(),
                    error,
                };
                let facts = fs::symlink_metadata(&path).map_err(failed)?;
                if !facts.is_file() {
                    return Err(BundleError::Link(name.to_owned()));
                }
                pour(File::open(&path).map_err(failed)?, to, most).map_err(failed)?
            }
            Source::Zip(archive) => {
                let failed = |error| BundleError::Zip {
                    name: name.to_owned(),
                    error,
                };
                let entry = archive.by_index(at).map_err(failed)?;
                pour(entry, to, most).map_err(|error| failed(error.into()))?
            }
        };
        let n = match copied {
            Ok(n) => n,
            Err(error) => return Ok(Err(error)),
        };
        if n > most {
            return Err(BundleError::Large {
                name: name.to_owned(),
                limit: most,
            });
        }
        self.left -= n;
        Ok(Ok(()))
    }
}

/// Copies at most a byte more than `most`; the inner result is of writing.
fn pour(from: impl Read, to: &mut impl Write, most: u64) -> io::Result<io::Result<u64>> {
    let (mut from, mut piece, mut n) = (from.take(most + 1), vec![0; 64 << 10], 0);
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok(Ok(n)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if let Err(error) = to.write_all(&piece[..read]) {
            return Ok(Err(error));
        }
        n += read as u64;
    }
}

/// Unpacks the folder of a competition into `folder`, which is not there or empty: what lies beside
/// `competition.toml` and below it, whether that stands at the top of the archive or in one folder.
///
/// # Errors
/// [`BundleError`]; what was written by then is left.
pub fn unpack(archive: &Path, folder: &Path) -> Result<(), BundleError> {
    let mut bundle = Bundle::open(archive)?;
    let top = bundle
        .names()
        .filter_map(|name| name.strip_suffix(definition::FILE))
        .filter(|top| top.is_empty() || top.ends_with('/'))
        .min_by_key(|top| top.len())
        .map(str::to_owned);
    let top = top.ok_or_else(|| BundleError::Absent(definition::FILE.to_owned()))?;
    let names: Vec<String> = bundle.names().map(str::to_owned).collect();
    for name in names {
        let Some(within) = name.strip_prefix(&top) else {
            continue;
        };
        let path = folder.join(within);
        let failed = |error| BundleError::Io {
            path: within.into(),
            error,
        };
        let mut file = vault::create(&path).map_err(failed)?;
        bundle.copy(&name, &mut file)?.map_err(failed)?;
    }
    Ok(())
}

fn stays_within(name: &str) -> bool {
    name.len() <= 1_000
        && !name.contains(':')
        && definition::stays_within(name.trim_end_matches('/'))
}

/// Not what systems add.
fn is_content(name: &str) -> bool {
    let mut parts = name.split('/');
    !parts.any(|part| part.starts_with('.') || part == "__MACOSX")
}

fn walk(folder: &Path, names: &mut BTreeMap<String, usize>) -> Result<(), BundleError> {
    let mut waiting = vec![(folder.to_owned(), String::new(), 0)];
    let mut seen = 0;
    while let Some((path, within, depth)) = waiting.pop() {
        let failed = |error| BundleError::Io {
            path: path.clone(),
            error,
        };
        if depth > MAX_DEPTH {
            return Err(BundleError::Deep(within));
        }
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            seen += 1;
            if seen > MAX_ENTRIES {
                return Err(BundleError::Many);
            }
            let own = entry.file_name().to_string_lossy().into_owned();
            let name = match within.is_empty() {
                true => own,
                false => format!("{within}/{own}"),
            };
            if !is_content(&name) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_symlink() {
                return Err(BundleError::Link(name));
            } else if kind.is_dir() {
                waiting.push((entry.path(), name, depth + 1));
            } else if kind.is_file() {
                names.insert(name, 0);
            } else {
                return Err(BundleError::Strange(name));
            }
        }
    }
    Ok(())
}
