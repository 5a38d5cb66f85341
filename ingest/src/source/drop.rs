//! What the sources that read a drop have in common: its files, its tables,
//! its consent records, and errors that name them.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use fairframe_schemas::{MediaType, Reason, Sample, SourceToml, licence};

use super::{Expected, Listed, MediaRef, SourceError};
use crate::{
    archive::{self, Archive, ArchiveError, path},
    table::{BadRow, Table, TableOptions},
};

/// Bytes of one consent record.
const MAX_CONSENT: u64 = 1 << 20;

/// An opened drop, and the `source.toml` that declares it.
#[derive(Debug)]
pub(super) struct DropFiles {
    archive: Arc<Archive>,
    source: String,
    toml: PathBuf,
}

impl DropFiles {
    /// Opens the drop at `at`, relative to `folder`, where the `source.toml` stands.
    pub fn open(source: &SourceToml, folder: &Path, at: &Path) -> Result<Self, SourceError> {
        let root = folder.join(at);
        // Absolute, so that the fetch stage finds the files from anywhere.
        let root = std::path::absolute(&root).unwrap_or(root);
        let toml = folder.join("source.toml");
        match archive::open_shared(&root) {
            Ok(archive) => Ok(Self {
                archive,
                source: source.source.to_string(),
                toml,
            }),
            Err(ArchiveError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(SourceError::Table {
                    file: toml,
                    row: None,
                    column: None,
                    problem: format!("names the drop `{}`, which is not there", root.display()),
                    remedy: "correct `path`".to_owned(),
                })
            }
            Err(error) => Err(of_archive(error)),
        }
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// A path from the `source.toml` as a name in the drop.
    pub fn name(&self, path: &Path) -> Result<String, SourceError> {
        let text = path.to_string_lossy();
        path::canonical(&text).map_err(|problem| {
            self.source_toml(
                None,
                &format!("names the file `{text}` of the drop, which {problem}"),
                "name it relative to the drop",
            )
        })
    }

    /// The one of these files that is there. The rows of a second would go unread.
    pub fn one_of(&self, names: &[&str]) -> Result<String, SourceError> {
        let there: Vec<&str> = names.iter().copied().filter(|n| self.has(n)).collect();
        let (problem, remedy) = match there.as_slice() {
            [one] => return Ok((*one).to_owned()),
            [] => (
                format!("has none of `{}`", names.join("`, `")),
                "add one, or name the table in source.toml",
            ),
            several => (
                format!("has several tables: `{}`", several.join("`, `")),
                "name one of them in source.toml (`table`), and the others in sources of their own",
            ),
        };
        Err(SourceError::Table {
            file: self.archive.path().to_owned(),
            row: None,
            column: None,
            problem,
            remedy: remedy.to_owned(),
        })
    }

    pub fn has(&self, name: &str) -> bool {
        self.archive.size(name).is_ok()
    }

    /// Names of all files that can be opened; others are left to the rows that name them.
    pub fn names(&self) -> Result<Vec<String>, SourceError> {
        let members = self.archive.members().map_err(of_archive)?;
        Ok(members.into_iter().map(|m| m.name).collect())
    }

    pub fn table(&self, name: &str, options: &TableOptions) -> Result<Table, SourceError> {
        let read = self.archive.open_member(name).map_err(of_archive)?;
        Table::open(read, &self.path(name), options)
    }

    /// How a file is named in messages.
    pub fn path(&self, name: &str) -> PathBuf {
        self.archive.path().join(name)
    }

    pub fn source_toml(&self, key: Option<&str>, problem: &str, remedy: &str) -> SourceError {
        SourceError::Table {
            file: self.toml.clone(),
            row: None,
            column: key.map(str::to_owned),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    pub fn error(
        &self,
        name: &str,
        column: Option<&str>,
        problem: &str,
        remedy: &str,
    ) -> SourceError {
        SourceError::Table {
            file: self.path(name),
            row: None,
            column: column.map(str::to_owned),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    pub fn row_error(
        &self,
        name: &str,
        row: u64,
        column: &str,
        problem: &str,
        remedy: &str,
    ) -> SourceError {
        SourceError::Table {
            file: self.path(name),
            row: Some(row),
            column: Some(column.to_owned()),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    /// A licence declared in the `source.toml` must be SPDX: it stands for many rows.
    pub fn check_licence(&self, declared: Option<&str>) -> Result<(), SourceError> {
        match declared.map(licence::parse) {
            Some(Err(error)) => Err(self.source_toml(
                Some("licence"),
                &error.to_string(),
                "write an SPDX expression, e.g. `CC-BY-4.0`",
            )),
            _ => Ok(()),
        }
    }

    pub fn report(&self, name: &str, bad: &BadRow) {
        tracing::warn!(
            file = %self.path(name).display(),
            row = bad.row,
            problem = bad.problem,
            remedy = bad.remedy,
            "a row cannot be read and is listed as rejected"
        );
    }

    /// The sample for a row that cannot be read: its key is the place of the row.
    pub fn bad_row(&self, name: &str, row: u64) -> Listed {
        let mut sample = Sample::new(&self.source, &format!("{name}#row={row}"), MediaType::Image);
        sample.add_reason(Reason::RowInvalid);
        Listed {
            sample,
            media: MediaRef::None,
            expected: Expected::default(),
        }
    }

    pub fn media_ref(&self, name: &str) -> MediaRef {
        self.archive.media_ref(name)
    }

    /// Where the bytes of a file are, if it is there; otherwise the sample says why not.
    pub fn media(&self, name: &str, sample: &mut Sample, expected: &mut Expected) -> MediaRef {
        match self.archive.state(name) {
            Ok((bytes, state)) => {
                expected.bytes.get_or_insert(bytes);
                expected.state = Some(state);
                self.media_ref(name)
            }
            Err(error) => {
                sample.add_reason(error.reason());
                MediaRef::None
            }
        }
    }

    /// Every `*.json` below a folder of the drop, sorted by name. Other files are
    /// an error, except hidden ones, readmes and licences: under a name that is
    /// passed over, a withdrawal would go unread.
    pub fn consents(&self, folder: &Path) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        let below = format!("{}/", self.name(folder)?);
        let mut records = Vec::new();
        for name in self.names()? {
            let Some(inside) = name.strip_prefix(&below) else {
                continue;
            };
            let file = inside.rsplit('/').next().unwrap_or_default();
            let plain = file.to_ascii_lowercase();
            if !plain.ends_with(".json") {
                let beside = [".", "readme", "license", "licence"];
                if beside.iter().any(|b| plain.starts_with(b)) {
                    continue;
                }
                let problem = "stands among the consent records and does not end in `.json`";
                return Err(self.error(&name, None, problem, "rename it, or keep it elsewhere"));
            }
            let read = self.archive.open_member(&name).map_err(of_archive)?;
            let mut bytes = Vec::new();
            read.take(MAX_CONSENT + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| SourceError::Io {
                    path: self.path(&name),
                    error,
                })?;
            if bytes.len() as u64 > MAX_CONSENT {
                let problem = format!("is longer than {MAX_CONSENT} bytes");
                return Err(self.error(&name, None, &problem, "is it a consent record?"));
            }
            records.push((name, bytes));
        }
        Ok(records)
    }

    /// A folder of the drop on disk, where the drop is a folder.
    pub fn folder(&self, at: &Path) -> Option<PathBuf> {
        let folder = self.archive.path().join(self.name(at).ok()?);
        folder.is_dir().then_some(folder)
    }

    /// The number that a checkpoint holds; 0 at the start.
    pub fn checkpoint(
        &self,
        checkpoint: Option<&serde_json::Value>,
        key: &str,
    ) -> Result<u64, SourceError> {
        let Some(checkpoint) = checkpoint else {
            return Ok(0);
        };
        checkpoint[key].as_u64().ok_or_else(|| {
            self.source_toml(
                None,
                &format!("has the checkpoint `{checkpoint}`, which is not ours"),
                "start the ingest anew",
            )
        })
    }
}

/// An archive that cannot be read as a problem of the source.
pub(super) fn of_archive(error: ArchiveError) -> SourceError {
    let (path, problem, remedy) = match error {
        ArchiveError::Io { path, error } => return SourceError::Io { path, error },
        ArchiveError::Spool { path, error } => (
            path,
            error.to_string(),
            "make room there for the compressed tar, or name another folder in `TMPDIR`",
        ),
        ArchiveError::Unknown { path } => (
            path,
            "is no folder, zip, tar, tar.gz or tar.zst".to_owned(),
            "give one of these",
        ),
        ArchiveError::Corrupt { path, problem } => (
            path,
            format!("cannot be read: {problem}"),
            "make the archive again",
        ),
        ArchiveError::Limit {
            path,
            what,
            value,
            limit,
        } => (
            path,
            format!("has {value} {what}, more than the {limit} allowed"),
            "split the drop",
        ),
        ArchiveError::Missing { path, name } => (
            path,
            format!("has no file `{name}`"),
            "add it, or correct its name in source.toml",
        ),
        ArchiveError::Refused {
            path,
            name,
            problem,
        } => (
            path,
            format!("has `{name}`, which is refused: {problem}"),
            "put a regular file in its place",
        ),
        ArchiveError::NotInADrop => (PathBuf::new(), error.to_string(), "name a file of the drop"),
    };
    SourceError::Table {
        file: path,
        row: None,
        column: None,
        problem,
        remedy: remedy.to_owned(),
    }
}

/// Stable within one process, which is all that is asked of it.
pub(super) fn hash<'a>(cells: impl Iterator<Item = &'a str>) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    cells.for_each(|cell| cell.hash(&mut hasher));
    hasher.finish().max(1)
}

/// What was said of which sample: first 8 bytes of the sample id -> hash of
/// the row. A million rows take some 35 MB.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<u64, u64>);

impl Seen {
    /// Marks a sample that was listed before with other content. Said again
    /// word for word it is the same sample.
    pub fn note(&mut self, sample: &mut Sample, said: u64) {
        let id = sample.sample_id.as_bytes();
        let key = u64::from_le_bytes(*id.first_chunk().unwrap_or(&[0; 8]));
        if self
            .0
            .insert(key, said)
            .is_some_and(|before| before != said)
        {
            self.0.insert(key, 0); // once contradicted, always contradicted
            sample.add_reason(Reason::KeyRepeated);
        }
    }
}
