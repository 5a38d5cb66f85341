//! Archives with one table in them: zip and 7z. What the system adds beside
//! it (`__MACOSX/`, hidden files) is passed over.
//!
//! Bounded are the number of entries, the bytes unpacked, and these against
//! the archive's own; an archive within an archive is refused.

use std::io::{self, Read};

use sevenz_rust2::{ArchiveReader, EntryDecision, Password};

use crate::read::{Into, ReadError, Table, open};
use crate::read_csv::Exceeded;

/// Bytes that may be unpacked whatever the archive's size: 16 MiB.
const UNPACKED: u64 = 16 << 20;
/// Memory a 7z archive may ask for: 256 MiB.
const MEMORY_KB: usize = 256 << 10;
/// Names of entries that are shown.
const SHOWN: usize = 5;

/// Stops where the content is out of all proportion to the archive.
struct Measured<R> {
    inner: R,
    total: u64,
    limit: u64,
    ratio: u64,
}

impl<R: Read> Measured<R> {
    fn new(inner: R, packed: u64, ratio: u64) -> Self {
        Self {
            inner,
            total: 0,
            limit: packed.saturating_mul(ratio).max(UNPACKED),
            ratio,
        }
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.total += n as u64;
        if self.total > self.limit {
            return Err(io::Error::other(Exceeded {
                limit: self.ratio,
                what: "times its packed bytes",
            }));
        }
        Ok(n)
    }
}

/// Whether an entry is what a person put there.
fn is_content(name: &str) -> bool {
    let mut parts = name.split(['/', '\\']);
    let file = parts.next_back().unwrap_or_default();
    !file.is_empty() && !file.starts_with('.') && !parts.any(|part| part == "__MACOSX")
}

/// The one entry of those given; how many there are may not exceed the limit.
fn one(into: &Into<'_>, all: usize, content: &[(usize, String)]) -> Result<usize, ReadError> {
    if all > into.limits.entries {
        return Err(ReadError::TooLarge {
            path: into.path.to_owned(),
            limit: into.limits.entries as u64,
            what: "entries",
        });
    }
    match content {
        [(at, _)] => Ok(*at),
        _ => {
            let mut names: Vec<String> = content
                .iter()
                .take(SHOWN)
                .map(|(_, name)| format!("`{}`", name.chars().take(80).collect::<String>()))
                .collect();
            if content.len() > SHOWN {
                names.push("...".to_owned());
            }
            if names.is_empty() {
                names.push("none".to_owned());
            }
            Err(ReadError::Entries {
                path: into.path.to_owned(),
                n: content.len(),
                names: names.join(", "),
            })
        }
    }
}

pub(crate) fn read_zip(into: &Into<'_>, packed: u64) -> Result<Table, ReadError> {
    let wrong = |error: zip::result::ZipError| ReadError::Unpack {
        path: into.path.to_owned(),
        kind: "zip",
        message: error.to_string(),
    };
    let mut archive = zip::ZipArchive::new(open(into.path)?).map_err(wrong)?;
    let mut names = Vec::new();
    for (at, name) in archive.file_names().enumerate() {
        let name = name.map_err(wrong)?;
        if is_content(&name) {
            names.push((at, name.into_owned()));
        }
    }
    let at = one(into, archive.len(), &names)?;
    let entry = archive.by_index(at).map_err(wrong)?;
    into.read(Measured::new(entry, packed, into.limits.ratio), None)
}

pub(crate) fn read_seven_zip(into: &Into<'_>, packed: u64) -> Result<Table, ReadError> {
    let wrong = |message: String| ReadError::Unpack {
        path: into.path.to_owned(),
        kind: "7z",
        message,
    };
    let said = |error: sevenz_rust2::Error| wrong(error.to_string());
    let file = open(into.path)?;
    let password = Password::empty();
    let mut archive =
        ArchiveReader::new_with_memory_limit(file, password, MEMORY_KB).map_err(said)?;
    archive.set_thread_count(1);
    let files = &archive.archive().files;
    let content: Vec<(usize, String)> = files
        .iter()
        .enumerate()
        .filter(|(_, entry)| !entry.is_directory() && is_content(entry.name()))
        .map(|(at, entry)| (at, entry.name().to_owned()))
        .collect();
    let wanted = &files[one(into, files.len(), &content)?].name().to_owned();
    let mut table = None;
    archive
        .for_each_entries_with_decision(|entry, reader| {
            // What stands before it in a solid block is unpacked too.
            let mut measured = Measured::new(reader, packed, into.limits.ratio);
            if entry.name() != wanted {
                io::copy(&mut measured, &mut io::sink())?;
                return Ok(EntryDecision::Continue);
            }
            table = Some(into.read(measured, None));
            Ok(EntryDecision::Stop)
        })
        .map_err(said)?;
    table.unwrap_or_else(|| Err(wrong("its file is not there".to_owned())))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;
    use crate::read::{JsonPart, Limits, read_table};

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn seven_zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = sevenz_rust2::ArchiveWriter::new(io::Cursor::new(Vec::new())).unwrap();
        for (name, bytes) in files {
            let entry = sevenz_rust2::ArchiveEntry::new_file(name);
            writer.push_archive_entry(entry, Some(*bytes)).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Table, ReadError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        read_path(file.path())
    }

    fn read_path(path: &Path) -> Result<Table, ReadError> {
        let part = JsonPart::Pairs("label");
        read_table(path, &Limits::default(), part, &|fields| fields[0] == "id")
    }

    const JSON: &[u8] = br#"{"0000.png": "real", "0001.png": "fake"}"#;

    #[test]
    fn one_file_is_read_whatever_the_system_put_beside_it() {
        let files: [(&str, &[u8]); 3] = [
            ("__MACOSX/._a.json", b"x"),
            ("out/a.json", JSON),
            (".DS_Store", b"y"),
        ];
        for bytes in [zipped(&files), seven_zipped(&files)] {
            let table = read(&bytes).unwrap();
            assert_eq!(table.columns[1].text(1), "fake");
        }
        let csv: [(&str, &[u8]); 1] = [("a.csv", b"id,x\n1,2\n")];
        for bytes in [zipped(&csv), seven_zipped(&csv)] {
            assert_eq!(read(&bytes).unwrap().names, ["id", "x"]);
        }
    }

    #[test]
    fn none_or_several_or_one_within_another_are_refused() {
        let two: [(&str, &[u8]); 2] = [("a.json", JSON), ("b.json", JSON)];
        let nested = zipped(&[("a.json", JSON)]);
        for pack in [zipped, seven_zipped] {
            for (files, words) in [
                (&two[..], "2 files (`a.json`, `b.json`)"),
                (&[][..], "0 files (none)"),
                (&[("a.zip", &nested[..])][..], "a zip archive within"),
            ] {
                let error = read(&pack(files)).unwrap_err().to_string();
                assert!(error.contains(words), "{error}");
            }
        }
    }

    #[test]
    fn bombs_are_refused_while_they_unfold() {
        let zeros = vec![b'\n'; 64 << 20];
        for pack in [zipped, seven_zipped] {
            let bytes = pack(&[("a.csv", &zeros)]);
            assert!(bytes.len() < 200_000, "{}", bytes.len());
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains("more than 200 times its packed"), "{error}");
        }
    }

    #[test]
    fn too_many_entries_are_refused() {
        let names: Vec<String> = (0..1001).map(|at| format!(".{at}")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b""[..])).collect();
        let error = read(&zipped(&files)).unwrap_err().to_string();
        assert!(error.contains("more than 1000 entries"), "{error}");
    }

    #[test]
    fn any_cut_or_flipped_byte_is_an_error_or_a_table_and_never_a_crash() {
        for whole in [
            zipped(&[("a.json", JSON)]),
            seven_zipped(&[("a.json", JSON)]),
        ] {
            for at in 0..whole.len() {
                let _ = read(&whole[..at]);
                let mut copy = whole.clone();
                copy[at] ^= 0x5a;
                let _ = read(&copy);
            }
        }
    }
}
