//! Drops, opened safely: a folder, zip, tar, tar.gz or tar.zst of which nothing
//! is believed.
//!
//! Nothing is ever unpacked under a name that an archive gives, so there is no
//! path to slip out of (zip-slip): members are read through their offsets. A
//! compressed tar is first decompressed, as a whole and within limits, into one
//! unnamed temporary file. In folders no link is followed.
//!
//! A member that cannot be trusted stays in the list with its
//! [`MemberProblem`]; opening it is an error with a reason code. Only an archive
//! that cannot be listed at all is an error as a whole.

mod folder;
mod open;
pub mod path;
mod section;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex},
};

use fairframe_schemas::Reason;

use crate::{disk, source::MediaRef};
use path::NameProblem;
use section::{Exactly, Section};

/// What an archive may cost. Beyond it the archive (or the member) is refused.
#[derive(Debug, Clone)]
pub struct ArchiveLimits {
    /// Members of an archive, or files listed of a folder.
    pub members: u64,
    /// Bytes of all members together, as declared.
    pub total_bytes: u64,
    /// Most times a member or a compressed tar may grow ...
    pub ratio: u64,
    /// ... once it holds more than this many bytes.
    pub ratio_from: u64,
    /// Size of the temporary file for a compressed tar (in `TMPDIR`).
    pub spool_bytes: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            members: 2_000_000,
            total_bytes: 4 << 40,
            ratio: 200,
            ratio_from: 1 << 20,
            spool_bytes: 64 << 30,
        }
    }
}

/// Why a member is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemberProblem {
    #[error("its name {0}")]
    Name(NameProblem),
    #[error("it is a link")]
    Link,
    #[error("it is a device, pipe, socket or sparse file")]
    Special,
    #[error("it is a link, a folder or no regular file, or stands behind a link")]
    NotAFile,
    #[error("another member has the same name")]
    Duplicate,
    #[error("its bytes overlap another member's")]
    Overlap,
    #[error("it is encrypted")]
    Encrypted,
    #[error("its compression is none of stored, deflate, zstd")]
    Compression,
    #[error("it grows too much when decompressed")]
    Bomb,
}

/// Why a drop or a member cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{} is no folder, zip, tar, tar.gz or tar.zst; give one of these", path.display())]
    Unknown { path: PathBuf },
    #[error("{} cannot be read: {problem}; make the archive again", path.display())]
    Corrupt { path: PathBuf, problem: String },
    #[error("{}: {value} {what} are more than the {limit} allowed; split the drop", path.display())]
    Limit {
        path: PathBuf,
        what: &'static str,
        value: u64,
        limit: u64,
    },
    /// The temporary file of a compressed tar cannot be written.
    #[error("{}: {error}{}; `TMPDIR` names another folder", path.display(), disk::remedy(error))]
    Spool { path: PathBuf, error: io::Error },
    #[error("{} has no file `{name}`", path.display())]
    Missing { path: PathBuf, name: String },
    #[error("{}: `{name}` is refused: {problem}", path.display())]
    Refused {
        path: PathBuf,
        name: String,
        problem: MemberProblem,
    },
    #[error("the sample has no file in a drop")]
    NotInADrop,
}

impl ArchiveError {
    /// The reason code a sample gets whose file cannot be opened.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused { .. } => Reason::FileRefused,
            _ => Reason::FileMissing,
        }
    }
}

/// How a member's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Stored,
    Deflate,
    Zstd,
}

/// Where a member's bytes stand in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Located {
    /// tar: of the bytes; zip: of the local header before them.
    at: u64,
    stored: u64,
    method: Method,
    crc: Option<u32>,
    /// Length of the name in a zip's local header.
    zip_name: Option<u32>,
}

/// One file of a drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Canonical, unless its problem is the name.
    pub name: String,
    pub bytes: u64,
    pub problem: Option<MemberProblem>,
    /// Another member differs from this one in upper and lower case only: fine
    /// here, a clash on Windows and macOS.
    pub case_collision: bool,
    folder: bool,
    located: Located,
}

impl Member {
    fn new(
        raw: &[u8],
        bytes: u64,
        folder: bool,
        problem: Option<MemberProblem>,
        located: Located,
    ) -> Self {
        let text = std::str::from_utf8(raw).map_err(|_| NameProblem::NotUtf8);
        let (name, problem) = match text.and_then(path::canonical) {
            Ok(name) => (name, problem),
            Err(p) => (
                String::from_utf8_lossy(raw).into_owned(),
                Some(MemberProblem::Name(p)),
            ),
        };
        Self {
            name,
            bytes,
            problem,
            case_collision: false,
            folder,
            located,
        }
    }
}

/// A drop that was opened.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    limits: ArchiveLimits,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Folder,
    Members {
        file: Arc<File>,
        /// Of the archive when it was opened, see [`state`].
        state: String,
        members: BTreeMap<String, Member>,
    },
}

impl Archive {
    /// Opens a drop; of which kind it is, its content says, not its name.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        Self::open_within(path, &ArchiveLimits::default())
    }

    pub fn open_within(path: &Path, limits: &ArchiveLimits) -> Result<Self, ArchiveError> {
        let io_error = |error| ArchiveError::Io {
            path: path.to_owned(),
            error,
        };
        let metadata = std::fs::metadata(path).map_err(io_error)?;
        let content = if metadata.is_dir() {
            Content::Folder
        } else if metadata.is_file() {
            open::open_file(path, limits)?
        } else {
            return Err(ArchiveError::Unknown {
                path: path.to_owned(),
            });
        };
        Ok(Self {
            path: path.to_owned(),
            limits: limits.clone(),
            content,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file, sorted by name. Folders are walked now, archives were at opening.
    pub fn members(&self) -> Result<Vec<Member>, ArchiveError> {
        match &self.content {
            Content::Members { members, .. } => Ok(members.values().cloned().collect()),
            Content::Folder => {
                let mut found = Vec::new();
                self.walk("", &mut found)?;
                Ok(open::settle(found).into_values().collect())
            }
        }
    }

    fn walk(&self, below: &str, found: &mut Vec<Member>) -> Result<(), ArchiveError> {
        let here = self.path.join(below);
        let io_error = |error| ArchiveError::Io {
            path: here.clone(),
            error,
        };
        for entry in std::fs::read_dir(&here).map_err(io_error)? {
            let entry = entry.map_err(io_error)?;
            let metadata = entry.metadata().map_err(io_error)?; // of a link itself
            let file_name = entry.file_name();
            let mut raw = below.as_bytes().to_vec();
            if !raw.is_empty() {
                raw.push(b'/');
            }
            raw.extend_from_slice(file_name.as_encoded_bytes());
            let problem = if metadata.is_symlink() {
                Some(MemberProblem::Link)
            } else if !metadata.is_file() && !metadata.is_dir() {
                Some(MemberProblem::Special)
            } else {
                None
            };
            let located = Located {
                at: 0,
                stored: metadata.len(),
                method: Method::Stored,
                crc: None,
                zip_name: None,
            };
            let member = Member::new(&raw, metadata.len(), false, problem, located);
            if metadata.is_dir() && member.problem.is_none() {
                self.walk(&member.name, found)?;
                continue;
            }
            if found.len() as u64 >= self.limits.members {
                return Err(ArchiveError::Limit {
                    path: self.path.clone(),
                    what: "files",
                    value: found.len() as u64 + 1,
                    limit: self.limits.members,
                });
            }
            found.push(member);
        }
        Ok(())
    }

    /// Size of a file of the drop; an error where it is missing or refused.
    pub fn size(&self, name: &str) -> Result<u64, ArchiveError> {
        match &self.content {
            Content::Members { .. } => Ok(self.member(name)?.bytes),
            Content::Folder => {
                let file = self.file(name)?;
                let metadata = file.metadata().map_err(|error| ArchiveError::Io {
                    path: self.path.join(name),
                    error,
                })?;
                Ok(metadata.len())
            }
        }
    }

    /// Size of a file, and what tells its present state from an earlier one, so
    /// that a file changed in place is noticed. Of a folder's file that is size,
    /// inode and the times of the last changes; of a zip's, checksum and place;
    /// of a tar's, which has no checksums, the state of the archive and the place.
    pub fn state(&self, name: &str) -> Result<(u64, String), ArchiveError> {
        let Content::Members { state: whole, .. } = &self.content else {
            let file = self.file(name)?;
            let metadata = file.metadata().map_err(|error| ArchiveError::Io {
                path: self.path.join(name),
                error,
            })?;
            return Ok((metadata.len(), state(&metadata)));
        };
        let member = self.member(name)?;
        let Located { at, stored, .. } = member.located;
        let state = match member.located.crc {
            Some(crc) => format!("{stored}@{at}#{crc:08x}"),
            None => format!("{stored}@{at} of {whole}"),
        };
        Ok((member.bytes, state))
    }

    /// Opens one file for reading, decompressed and checked against its declared size and checksum.
    pub fn open_member(&self, name: &str) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let Content::Members { file, .. } = &self.content else {
            return Ok(Box::new(self.file(name)?));
        };
        let member = self.member(name)?;
        let io_error = |error| ArchiveError::Io {
            path: self.path.join(name),
            error,
        };
        let located = &member.located;
        let at = match located.zip_name {
            Some(_) => zip::data_at(file, located).map_err(io_error)?,
            None => located.at,
        };
        let section = Section::new(Arc::clone(file), at, located.stored);
        let (bytes, crc) = (member.bytes, located.crc);
        Ok(match located.method {
            Method::Stored => Box::new(Exactly::new(section, bytes, crc)),
            Method::Deflate => {
                let decoder = flate2::bufread::DeflateDecoder::new(BufReader::new(section));
                Box::new(Exactly::new(decoder, bytes, crc))
            }
            Method::Zstd => {
                let decoder = zstd_decoder(section).map_err(io_error)?;
                Box::new(Exactly::new(decoder, bytes, crc))
            }
        })
    }

    /// How the fetch stage refers to a file of this drop.
    pub fn media_ref(&self, name: &str) -> MediaRef {
        match &self.content {
            Content::Folder => MediaRef::File {
                root: self.path.clone(),
                path: name.into(),
            },
            Content::Members { .. } => MediaRef::Member {
                archive: self.path.clone(),
                name: name.to_owned(),
            },
        }
    }

    fn refused(&self, name: &str, problem: MemberProblem) -> ArchiveError {
        ArchiveError::Refused {
            path: self.path.clone(),
            name: name.to_owned(),
            problem,
        }
    }

    fn canonical(&self, name: &str) -> Result<String, ArchiveError> {
        path::canonical(name).map_err(|p| self.refused(name, MemberProblem::Name(p)))
    }

    fn member(&self, name: &str) -> Result<&Member, ArchiveError> {
        let canonical = self.canonical(name)?;
        let Content::Members { members, .. } = &self.content else {
            unreachable!("folders have no index")
        };
        let member = members
            .get(&canonical)
            .ok_or_else(|| ArchiveError::Missing {
                path: self.path.clone(),
                name: canonical,
            })?;
        match member.problem {
            Some(problem) => Err(self.refused(name, problem)),
            None => Ok(member),
        }
    }

    fn file(&self, name: &str) -> Result<File, ArchiveError> {
        let name = self.canonical(name)?;
        match folder::open_below(&self.path, &name) {
            Ok(folder::Opened::File(file)) => Ok(file),
            Ok(folder::Opened::Missing) => Err(ArchiveError::Missing {
                path: self.path.clone(),
                name,
            }),
            Ok(folder::Opened::Refused) => Err(self.refused(&name, MemberProblem::NotAFile)),
            Err(error) => Err(ArchiveError::Io {
                path: self.path.join(name),
                error,
            }),
        }
    }
}

fn zstd_decoder<R: Read>(read: R) -> io::Result<zstd::Decoder<'static, BufReader<R>>> {
    let mut decoder = zstd::Decoder::new(read)?;
    // A frame may ask for a window of 128 MiB at most.
    decoder.window_log_max(27)?;
    Ok(decoder)
}

/// What tells one state of a file from another. A change of content moves the
/// time of change (`ctime`), which no program can set, even where size and
/// `mtime` are put back.
fn state(metadata: &std::fs::Metadata) -> String {
    format!(
        "{} bytes, inode {}, {}.{:09} {}.{:09}",
        metadata.len(),
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

/// Which archive in which state.
type Stamp = (PathBuf, u64, String);

/// Archives opened last, so that a member costs no new listing. A changed file is listed anew.
static OPENED: LazyLock<Mutex<Vec<(Stamp, Arc<Archive>)>>> = LazyLock::new(Mutex::default);
const KEPT_OPEN: usize = 4;

/// Opens an archive, or gives the one still open from before.
pub fn open_shared(path: &Path) -> Result<Arc<Archive>, ArchiveError> {
    let metadata = std::fs::metadata(path).map_err(|error| ArchiveError::Io {
        path: path.to_owned(),
        error,
    })?;
    let stamp = (path.to_owned(), metadata.dev(), state(&metadata));
    // Held while opening: several callers of one archive wait for one listing.
    let mut opened = OPENED.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(at) = opened.iter().position(|(s, _)| *s == stamp) {
        let hit = opened.remove(at);
        let archive = Arc::clone(&hit.1);
        opened.push(hit);
        return Ok(archive);
    }
    let archive = Arc::new(Archive::open(path)?);
    if opened.len() >= KEPT_OPEN {
        opened.remove(0);
    }
    opened.push((stamp, Arc::clone(&archive)));
    Ok(archive)
}

/// Opens the bytes of a sample that lie in a drop.
pub fn open_media(media: &MediaRef) -> Result<Box<dyn Read + Send>, ArchiveError> {
    match media {
        MediaRef::File { root, path } => {
            let name = path.to_str().ok_or_else(|| ArchiveError::Refused {
                path: root.clone(),
                name: path.to_string_lossy().into_owned(),
                problem: MemberProblem::Name(NameProblem::NotUtf8),
            })?;
            Archive {
                path: root.clone(),
                limits: ArchiveLimits::default(),
                content: Content::Folder,
            }
            .open_member(name)
        }
        MediaRef::Member { archive, name } => open_shared(archive)?.open_member(name),
        MediaRef::None | MediaRef::Url(_) => Err(ArchiveError::NotInADrop),
    }
}
