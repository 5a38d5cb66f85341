//! The members of a tar file: one pass over the headers, then random reads.
//!
//! The pass is done here and not by the library, which would read a name of
//! any declared length into memory. Formats: POSIX.1-2017 `pax` (ustar and
//! extended headers), GNU long names and base-256 sizes.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use tar::{EntryType, Header};

use super::{ArchiveError, ArchiveLimits, Located, Member, MemberProblem, Method};

const BLOCK: u64 = 512;
/// Longest extended header or long name that is read.
pub(super) const MAX_EXTENSION: u64 = 1 << 20;

fn corrupt(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.to_owned())
}

/// Extended headers, in force for the next member.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    bytes: Option<u64>,
}

/// Indexes an uncompressed tar file.
pub(super) fn members(
    file: &File,
    length: u64,
    limits: &ArchiveLimits,
    path: &Path,
) -> Result<Vec<Member>, ArchiveError> {
    let wrap = |error: io::Error| ArchiveError::Corrupt {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let mut members = Vec::new();
    let mut extended = Extended::default();
    let mut at = 0;
    while let Some(head) = header(file, at, length).map_err(wrap)? {
        let kind = head.entry_type();
        let mut data_at = at + BLOCK;
        if kind == EntryType::GNUSparse {
            data_at = after_sparse_map(file, &head, data_at, length).map_err(wrap)?;
        }
        let stated = head.entry_size().map_err(wrap)?;
        let is_extension = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        let bytes = match extended.bytes {
            Some(bytes) if !is_extension => bytes,
            _ => stated,
        };
        let end = data_at
            .checked_add(bytes)
            .filter(|end| *end <= length)
            .ok_or_else(|| wrap(corrupt("it ends inside a member: it is truncated")))?;
        at = end.next_multiple_of(BLOCK);
        if is_extension {
            extend(file, kind, data_at, bytes, &mut extended).map_err(wrap)?;
            continue;
        }
        if members.len() as u64 >= limits.members {
            return Err(ArchiveError::Limit {
                path: path.to_owned(),
                what: "members",
                value: members.len() as u64 + 1,
                limit: limits.members,
            });
        }
        let problem = match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::Directory => None,
            EntryType::Symlink | EntryType::Link => Some(MemberProblem::Link),
            _ => Some(MemberProblem::Special),
        };
        let located = Located {
            at: data_at,
            stored: bytes,
            method: Method::Stored,
            crc: None,
            zip_name: None,
        };
        let name = std::mem::take(&mut extended).name;
        let name = name.unwrap_or_else(|| head.path_bytes().into_owned());
        // The oldest tars mark a folder by the slash at its end.
        let folder = kind == EntryType::Directory || name.last() == Some(&b'/');
        members.push(Member::new(&name, bytes, folder, problem, located));
    }
    Ok(members)
}

/// The header at `at`, or `None` at the end mark or the end of the file.
fn header(file: &File, at: u64, length: u64) -> io::Result<Option<Header>> {
    if at >= length {
        return Ok(None);
    }
    let mut block = [0u8; BLOCK as usize];
    file.read_exact_at(&mut block, at)
        .map_err(|_| corrupt("it ends inside a header: it is truncated"))?;
    if block.iter().all(|b| *b == 0) {
        return Ok(None);
    }
    let head = Header::from_byte_slice(&block);
    if head.cksum().ok() != Some(checksum(&block)) {
        return Err(corrupt("a header's checksum does not match"));
    }
    Ok(Some(head.clone()))
}

fn checksum(block: &[u8; BLOCK as usize]) -> u32 {
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    let own: u32 = block[148..156].iter().map(|b| u32::from(*b)).sum();
    sum - own + 8 * u32::from(b' ')
}

fn after_sparse_map(file: &File, head: &Header, mut at: u64, length: u64) -> io::Result<u64> {
    let mut more = head.as_bytes()[482] != 0;
    while more {
        if at >= length {
            return Err(corrupt("it ends inside a sparse map: it is truncated"));
        }
        let mut block = [0u8; BLOCK as usize];
        file.read_exact_at(&mut block, at)?;
        more = block[504] != 0;
        at += BLOCK;
    }
    Ok(at)
}

fn extend(
    file: &File,
    kind: EntryType,
    at: u64,
    bytes: u64,
    extended: &mut Extended,
) -> io::Result<()> {
    if kind.is_gnu_longlink() || kind.is_pax_global_extensions() {
        return Ok(());
    }
    if bytes > MAX_EXTENSION {
        return Err(corrupt("an extended header is larger than 1 MiB"));
    }
    let mut body = vec![0u8; bytes as usize];
    file.read_exact_at(&mut body, at)?;
    if kind.is_gnu_longname() {
        while body.last() == Some(&0) {
            body.pop();
        }
        extended.name = Some(body);
        return Ok(());
    }
    for pair in tar::PaxExtensions::new(&body) {
        let pair = pair?;
        match pair.key_bytes() {
            b"path" => extended.name = Some(pair.value_bytes().to_vec()),
            b"size" => {
                let size = pair.value().ok().and_then(|v| v.parse().ok());
                extended.bytes =
                    Some(size.ok_or_else(|| corrupt("an extended size is no number"))?);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a file begins with a tar header: its checksum must hold.
pub(super) fn is_tar(first: &[u8]) -> bool {
    first.first_chunk().is_some_and(|block| {
        Header::from_byte_slice(block).cksum().ok() == Some(checksum(block))
            && block.iter().any(|b| *b != 0)
    })
}
