//! A drop that grows: pictures that a server received, and the table that lists them. What
//! people contribute is read by [`crate::source`] like any other drop.

mod bare;

use std::{
    fs::{self, File},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use fairframe_schemas::{MediaType, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use self::bare::{BareError, bare};
use crate::{
    atomic,
    media::sniff::{HEAD, Kind, sniff},
};

/// Largest picture, in bytes.
pub const MAX_PICTURE: u64 = 64 << 20;

const TABLE: &str = "contributions.csv";
/// Where pictures stand in a drop, and where they are while they arrive.
const MEDIA: &str = "media";
const ARRIVING: &str = ".arriving";

/// After this long, what is still arriving never will.
const GIVEN_UP: Duration = Duration::from_secs(24 * 3600);

/// What goes wrong with a drop's folder.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct DropError {
    pub path: PathBuf,
    pub error: io::Error,
}

/// Why a picture is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArriveError {
    #[error("it is larger than {} MiB", MAX_PICTURE >> 20)]
    Large,
    #[error("it is no JPEG, PNG, WebP or TIFF picture")]
    Kind,
    #[error(transparent)]
    Bare(#[from] BareError),
    #[error(transparent)]
    Drop(#[from] DropError),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DropError + '_ {
    |error| DropError {
        path: path.to_owned(),
        error,
    }
}

/// A picture that arrives. Dropped before it is kept, nothing is left of it.
#[derive(Debug)]
pub struct Arriving {
    drop: PathBuf,
    path: PathBuf,
    out: File,
    bytes: u64,
    head: Vec<u8>,
    hash: Sha256,
}

/// A picture that is on the disk, whole, and not yet in the drop.
#[derive(Debug)]
pub struct Arrived {
    arriving: Arriving,
    /// Its path in the drop: the digest of its bytes, and an ending by what they are.
    pub file: String,
}

impl Arriving {
    /// `name` is nobody else's.
    pub fn create(drop: &Path, name: &str) -> Result<Self, DropError> {
        let folder = drop.join(ARRIVING);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let path = folder.join(name);
        let out = File::create_new(&path).map_err(at(&path))?;
        Ok(Self {
            drop: drop.to_owned(),
            path,
            out,
            bytes: 0,
            head: Vec::with_capacity(HEAD),
            hash: Sha256::new(),
        })
    }

    pub fn add(&mut self, piece: &[u8]) -> Result<(), ArriveError> {
        self.bytes += piece.len() as u64;
        if self.bytes > MAX_PICTURE {
            return Err(ArriveError::Large);
        }
        let lacks = HEAD.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..lacks]);
        self.hash.update(piece);
        self.out.write_all(piece).map_err(at(&self.path))?;
        Ok(())
    }

    /// Leaves out what was written into it unless that is to be kept (see [`bare`]), and waits for
    /// the disk.
    pub fn end(mut self, written: bool) -> Result<Arrived, ArriveError> {
        let kind = sniff(&self.head);
        let ending = match kind {
            Kind::Jpeg => "jpg",
            Kind::Png => "png",
            Kind::WebP => "webp",
            Kind::Tiff => "tiff",
            _ => return Err(ArriveError::Kind),
        };
        if !written {
            let whole = fs::read(&self.path).map_err(at(&self.path))?;
            let bytes = bare(kind, &whole)?;
            self.begin_anew().map_err(at(&self.path))?;
            self.add(&bytes)?;
        }
        self.out.sync_all().map_err(at(&self.path))?;
        let digest = hex::encode(self.hash.clone().finalize());
        Ok(Arrived {
            file: format!("{MEDIA}/{digest}.{ending}"),
            arriving: self,
        })
    }
}

impl Arriving {
    fn begin_anew(&mut self) -> io::Result<()> {
        (self.bytes, self.hash) = (0, Sha256::new());
        self.out.set_len(0)?;
        self.out.rewind()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Arrived {
    pub fn bytes(&self) -> u64 {
        self.arriving.bytes
    }

    /// Puts it where the drop has its pictures, for good.
    pub fn keep(&self) -> Result<(), DropError> {
        let drop = &self.arriving.drop;
        let (to, folder) = (drop.join(&self.file), drop.join(MEDIA));
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        fs::rename(&self.arriving.path, &to).map_err(at(&to))?;
        for folder in [&folder, drop] {
            let synced = File::open(folder).and_then(|f| f.sync_all());
            synced.map_err(at(folder))?;
        }
        Ok(())
    }
}

/// Removes a picture that was taken back; whether it was there.
pub fn remove(drop: &Path, file: &str) -> Result<bool, DropError> {
    let path = drop.join(file);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(at(&path)(error)),
    }
}

/// A row of a drop's table: its columns are those of `docs/sources.md`.
#[derive(Debug, Clone, Serialize)]
pub struct Contributed<'a> {
    pub file: &'a str,
    pub media_type: MediaType,
    pub licence: &'a str,
    pub country: &'a str,
    /// Separated by bars.
    pub labels: String,
    pub sha256: &'a str,
    pub bytes: u64,
    pub contributor: &'a str,
    pub subjects: &'a str,
    pub consent: String,
}

const COLUMNS: [&str; 10] = [
    "file",
    "media_type",
    "licence",
    "country",
    "labels",
    "sha256",
    "bytes",
    "contributor",
    "subjects",
    "consent",
];

/// Writes a drop's table, whole or not at all, and the consent records (by id) that are not
/// there yet: one that is may say more by now. Removes what will never arrive.
pub fn write(
    drop: &Path,
    consents: &Path,
    rows: &[Contributed<'_>],
    records: &[(String, &str)],
    now: Timestamp,
) -> Result<(), DropError> {
    for folder in [drop, consents] {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    for (id, record) in records {
        let path = consents.join(format!("{id}.json"));
        if !path.exists() {
            atomic::write(&path, record.as_bytes()).map_err(at(&path))?;
        }
    }
    let path = drop.join(TABLE);
    let table = table(rows).map_err(io::Error::other).map_err(at(&path))?;
    atomic::write(&path, &table).map_err(at(&path))?;
    let arriving = drop.join(ARRIVING);
    forget(&arriving, SystemTime::from(now)).map_err(at(&arriving))
}

/// With a head also where there is no row: a table that is empty is none.
fn table(rows: &[Contributed<'_>]) -> Result<Vec<u8>, csv::Error> {
    let mut out = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    out.write_record(COLUMNS)?;
    for row in rows {
        out.serialize(row)?;
    }
    out.into_inner().map_err(|e| e.into_error().into())
}

fn forget(folder: &Path, now: SystemTime) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let old = now.duration_since(entry.metadata()?.modified()?);
        if old.is_ok_and(|old| old > GIVEN_UP) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(rest: &[u8]) -> Vec<u8> {
        [&b"\xff\xd8\xff"[..], rest].concat()
    }

    #[test]
    fn a_picture_is_in_the_drop_once_it_is_kept_and_never_half() {
        let drop = tempfile::tempdir().unwrap();
        let bytes = jpeg(&[7; 5000]);
        let mut arriving = Arriving::create(drop.path(), "a").unwrap();
        for piece in bytes.chunks(999) {
            arriving.add(piece).unwrap();
        }
        let arrived = arriving.end(true).unwrap();
        let digest = hex::encode(Sha256::digest(&bytes));
        assert_eq!(arrived.file, format!("media/{digest}.jpg"));
        assert!(!drop.path().join(&arrived.file).exists());
        arrived.keep().unwrap();
        assert_eq!(fs::read(drop.path().join(&arrived.file)).unwrap(), bytes);
        let file = arrived.file.clone();
        std::mem::drop(arrived);
        assert!(drop.path().join(&file).exists());
        // Given up, or no picture: nothing is left.
        Arriving::create(drop.path(), "b")
            .unwrap()
            .add(b"x")
            .unwrap();
        let mut text = Arriving::create(drop.path(), "c").unwrap();
        text.add(b"<script>alert(1)</script>").unwrap();
        assert!(matches!(text.end(true), Err(ArriveError::Kind)));
        let left = fs::read_dir(drop.path().join(ARRIVING)).unwrap();
        assert_eq!(left.count(), 0);
        assert!(remove(drop.path(), &file).unwrap());
        assert!(!remove(drop.path(), &file).unwrap());
    }

    #[test]
    fn a_picture_over_the_limit_is_refused_as_it_arrives() {
        let drop = tempfile::tempdir().unwrap();
        let mut arriving = Arriving::create(drop.path(), "a").unwrap();
        let piece = vec![0u8; 8 << 20];
        for _ in 0..8 {
            arriving.add(&piece).unwrap();
        }
        assert!(matches!(arriving.add(&[0]), Err(ArriveError::Large)));
    }

    #[test]
    fn a_record_that_is_there_is_left_and_old_arrivals_go() {
        let drop = tempfile::tempdir().unwrap();
        let consents = drop.path().join("consents");
        let now: Timestamp = "2040-01-01T00:00:00Z".parse().unwrap();
        let arriving = drop.path().join(ARRIVING);
        fs::create_dir_all(&arriving).unwrap();
        fs::write(arriving.join("half"), "x").unwrap();
        let records = [("a".to_owned(), "first")];
        write(drop.path(), &consents, &[], &records, now).unwrap();
        let records = [("a".to_owned(), "second"), ("b".to_owned(), "new")];
        let row = Contributed {
            file: "media/a.jpg",
            media_type: MediaType::Image,
            licence: "CC0-1.0",
            country: "KE",
            labels: "cup|plate".to_owned(),
            sha256: "00",
            bytes: 7,
            contributor: "A, \"B\"",
            subjects: "",
            consent: String::new(),
        };
        write(drop.path(), &consents, &[row], &records, now).unwrap();
        let read = |name: &str| fs::read_to_string(consents.join(name)).unwrap();
        assert_eq!(
            (read("a.json").as_str(), read("b.json").as_str()),
            ("first", "new")
        );
        let table = fs::read_to_string(drop.path().join(TABLE)).unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            [
                COLUMNS.join(",").as_str(),
                "media/a.jpg,image,CC0-1.0,KE,cup|plate,00,7,\"A, \"\"B\"\"\",,",
            ]
        );
        assert!(!arriving.join("half").exists());
    }
}
