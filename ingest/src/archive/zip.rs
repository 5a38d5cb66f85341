//! The central directory of a zip file, read within limits.
//!
//! Source of the format: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3. Read
//! here and not by a library, because duplicate names, overlapping members and
//! the number of members must be known before anything is kept.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    sync::Arc,
};

use super::{
    ArchiveError, ArchiveLimits, Located, Member, MemberProblem, Method, section::Section,
};

const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn corrupt(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.to_owned())
}

struct Directory {
    members: u64,
    at: u64,
    bytes: u64,
}

/// Finds the end record: its comment must reach exactly to the end of the file.
fn directory(file: &File, length: u64) -> io::Result<Directory> {
    let tail_at = length.saturating_sub(22 + 65_535);
    let mut tail = vec![0u8; (length - tail_at) as usize];
    file.read_exact_at(&mut tail, tail_at)?;
    let at = (0..tail.len().saturating_sub(21))
        .rev()
        .find(|&i| {
            tail[i..i + 4] == END && i + 22 + usize::from(u16_at(&tail, i + 20)) == tail.len()
        })
        .ok_or_else(|| corrupt("it has no end record: it is truncated or no zip file"))?;
    let end = &tail[at..];
    if u16_at(end, 4) != 0 || u16_at(end, 6) != 0 {
        return Err(corrupt("it is one part of several; join the parts first"));
    }
    let mut found = Directory {
        members: u16_at(end, 10).into(),
        bytes: u32_at(end, 12).into(),
        at: u32_at(end, 16).into(),
    };
    let end_at = tail_at + at as u64;
    if found.members == 0xffff || found.bytes == 0xffff_ffff || found.at == 0xffff_ffff {
        let mut locator = [0u8; 20];
        file.read_exact_at(
            &mut locator,
            end_at
                .checked_sub(20)
                .ok_or_else(|| corrupt("its zip64 locator is missing"))?,
        )?;
        // Exactly 65,535 members need no zip64 record.
        if locator[..4] == LOCATOR_64 {
            let mut record = [0u8; 56];
            file.read_exact_at(&mut record, u64_at(&locator, 8))?;
            if record[..4] != END_64 {
                return Err(corrupt("its zip64 end record is not where it should be"));
            }
            found = Directory {
                members: u64_at(&record, 32),
                bytes: u64_at(&record, 40),
                at: u64_at(&record, 48),
            };
        }
    }
    if found
        .at
        .checked_add(found.bytes)
        .is_none_or(|stop| stop > end_at)
    {
        return Err(corrupt("its directory does not lie inside the file"));
    }
    Ok(found)
}

/// The members of a zip file, in the order of the directory, unchecked for duplicates.
pub(super) fn members(
    file: &Arc<File>,
    length: u64,
    limits: &ArchiveLimits,
    path: &std::path::Path,
) -> Result<Vec<Member>, ArchiveError> {
    let wrap = |error: io::Error| ArchiveError::Corrupt {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let found = directory(file, length).map_err(wrap)?;
    if found.members > limits.members {
        return Err(ArchiveError::Limit {
            path: path.to_owned(),
            what: "members",
            value: found.members,
            limit: limits.members,
        });
    }
    let mut read = BufReader::with_capacity(
        1 << 16,
        Section::new(Arc::clone(file), found.at, found.bytes),
    );
    let mut members = Vec::new();
    for _ in 0..found.members {
        members.push(member(&mut read, limits).map_err(wrap)?);
    }
    mark_overlaps(&mut members, found.at);
    Ok(members)
}

fn member(read: &mut impl Read, limits: &ArchiveLimits) -> io::Result<Member> {
    let mut head = [0u8; 46];
    read.read_exact(&mut head)?;
    if head[..4] != CENTRAL {
        return Err(corrupt("its directory is damaged"));
    }
    let mut name = vec![0u8; u16_at(&head, 28).into()];
    let mut extra = vec![0u8; u16_at(&head, 30).into()];
    read.read_exact(&mut name)?;
    read.read_exact(&mut extra)?;
    io::copy(&mut read.take(u16_at(&head, 32).into()), &mut io::sink())?;

    let mut bytes = u64::from(u32_at(&head, 24));
    let mut stored = u64::from(u32_at(&head, 20));
    let mut at = u64::from(u32_at(&head, 42));
    zip64(&extra, [&mut bytes, &mut stored, &mut at])?;

    let flags = u16_at(&head, 8);
    let method = match u16_at(&head, 10) {
        0 => Some(Method::Stored),
        8 => Some(Method::Deflate),
        93 => Some(Method::Zstd),
        _ => None,
    };
    // The upper byte of "version made by" says whose attributes these are: 3 is Unix.
    let kind = if head[5] == 3 {
        (u32_at(&head, 38) >> 16) & 0o170_000
    } else {
        0
    };
    let folder = name.last() == Some(&b'/') || kind == 0o040_000;
    let problem =
        match kind {
            0o120_000 => Some(MemberProblem::Link),
            0 | 0o100_000 | 0o040_000 => None,
            _ => Some(MemberProblem::Special),
        }
        .or((flags & 0x2041 != 0).then_some(MemberProblem::Encrypted))
        .or(method.is_none().then_some(MemberProblem::Compression))
        .or((bytes > limits.ratio_from && bytes / limits.ratio > stored)
            .then_some(MemberProblem::Bomb));
    let located = Located {
        at,
        stored,
        method: method.unwrap_or(Method::Stored),
        crc: Some(u32_at(&head, 16)),
        zip_name: Some(name.len() as u32),
    };
    Ok(Member::new(&name, bytes, folder, problem, located))
}

/// Fills in the 64-bit values that the zip64 extra field (0x0001) holds for each value at its maximum.
fn zip64(mut extra: &[u8], values: [&mut u64; 3]) -> io::Result<()> {
    while extra.len() >= 4 {
        let (id, size) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let Some(body) = extra.get(4..4 + size) else {
            break;
        };
        if id == 1 {
            let mut body = body;
            for value in values {
                if *value == 0xffff_ffff {
                    if body.len() < 8 {
                        return Err(corrupt("a zip64 field is too short"));
                    }
                    *value = u64_at(body, 0);
                    body = &body[8..];
                }
            }
            return Ok(());
        }
        extra = &extra[4 + size..];
    }
    Ok(())
}

/// Members whose bytes overlap (Fifield 2019, "A better zip bomb") are refused.
fn mark_overlaps(members: &mut [Member], directory_at: u64) {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|&i| (members[i].located.at, i));
    let mut reached = 0u64;
    for &i in &order {
        let m = &mut members[i];
        let head = 30 + u64::from(m.located.zip_name.unwrap_or(0));
        let end = m
            .located
            .at
            .saturating_add(head)
            .saturating_add(m.located.stored);
        if m.located.at < reached || end > directory_at {
            m.problem.get_or_insert(MemberProblem::Overlap);
        }
        reached = reached.max(end);
    }
}

/// Where a member's bytes begin: after its local header, which must be there.
pub(super) fn data_at(file: &File, located: &Located) -> io::Result<u64> {
    let mut head = [0u8; 30];
    file.read_exact_at(&mut head, located.at)?;
    if head[..4] != LOCAL || Some(u32::from(u16_at(&head, 26))) != located.zip_name {
        return Err(corrupt("the member's own header contradicts the directory"));
    }
    Ok(located.at + 30 + u64::from(u16_at(&head, 26)) + u64::from(u16_at(&head, 28)))
}
