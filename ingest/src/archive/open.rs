//! Which kind of archive a file is, by its first bytes, and its members, settled.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io::{self, BufReader, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use super::{
    ArchiveError, ArchiveLimits, Content, Member, MemberProblem, section::Section, state, tar, zip,
    zstd_decoder,
};

pub(super) fn open_file(path: &Path, limits: &ArchiveLimits) -> Result<Content, ArchiveError> {
    let io_error = |error| ArchiveError::Io {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(io_error)?;
    let state = state(&file.metadata().map_err(io_error)?);
    let mut first = Vec::new();
    (&file)
        .take(512)
        .read_to_end(&mut first)
        .map_err(io_error)?;
    let mut file = Arc::new(file);
    let members = match first.as_slice() {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => {
            let length = file.metadata().map_err(io_error)?.len();
            zip::members(&file, length, limits, path)?
        }
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            file = Arc::new(spool(&file, first[0] == 0x1f, limits, path)?);
            let length = file.metadata().map_err(io_error)?.len();
            let mut block = [0u8; 512];
            if file.read_exact_at(&mut block, 0).is_err() || !tar::is_tar(&block) {
                return Err(ArchiveError::Unknown {
                    path: path.to_owned(),
                });
            }
            tar::members(&file, length, limits, path)?
        }
        block if tar::is_tar(block) => {
            let length = file.metadata().map_err(io_error)?.len();
            tar::members(&file, length, limits, path)?
        }
        _ => {
            return Err(ArchiveError::Unknown {
                path: path.to_owned(),
            });
        }
    };
    let total = members
        .iter()
        .fold(0u64, |sum, m| sum.saturating_add(m.bytes));
    if total > limits.total_bytes {
        return Err(ArchiveError::Limit {
            path: path.to_owned(),
            what: "bytes",
            value: total,
            limit: limits.total_bytes,
        });
    }
    Ok(Content::Members {
        file,
        state,
        members: settle(members),
    })
}

/// Decompresses a compressed tar into an unnamed temporary file.
fn spool(
    file: &Arc<File>,
    gzip: bool,
    limits: &ArchiveLimits,
    path: &Path,
) -> Result<File, ArchiveError> {
    let corrupt = |error: io::Error| ArchiveError::Corrupt {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let length = file.metadata().map_err(corrupt)?.len();
    let section = BufReader::with_capacity(1 << 16, Section::new(Arc::clone(file), 0, length));
    let mut decoder: Box<dyn Read> = if gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(section))
    } else {
        Box::new(zstd_decoder(section).map_err(corrupt)?)
    };
    // The smaller of both: what the disk may hold, and what an honest archive can grow to.
    let limit = limits
        .spool_bytes
        .min(length.saturating_mul(limits.ratio).max(limits.ratio_from));
    let mut spool = tempfile::tempfile().map_err(|error| ArchiveError::Spool {
        path: std::env::temp_dir(),
        error,
    })?;
    let mut buffer = vec![0u8; 1 << 16];
    let mut written = 0u64;
    loop {
        let got = decoder.read(&mut buffer).map_err(corrupt)?;
        if got == 0 {
            return Ok(spool);
        }
        written += got as u64;
        if written > limit {
            return Err(ArchiveError::Limit {
                path: path.to_owned(),
                what: "decompressed bytes",
                value: written,
                limit,
            });
        }
        spool
            .write_all(&buffer[..got])
            .map_err(|error| ArchiveError::Spool {
                path: std::env::temp_dir(),
                error,
            })?;
    }
}

/// Files by name: folders fall out, duplicates are refused, case collisions are flagged.
pub(super) fn settle(members: Vec<Member>) -> BTreeMap<String, Member> {
    let mut by_name: BTreeMap<String, Member> = BTreeMap::new();
    let mut lower: BTreeMap<String, u32> = BTreeMap::new();
    for member in members.into_iter().filter(|m| !m.folder) {
        match by_name.entry(member.name.clone()) {
            Entry::Occupied(mut first) => {
                first.get_mut().problem = Some(MemberProblem::Duplicate);
            }
            Entry::Vacant(slot) => {
                *lower.entry(member.name.to_lowercase()).or_default() += 1;
                slot.insert(member);
            }
        }
    }
    for member in by_name.values_mut() {
        member.case_collision = lower[&member.name.to_lowercase()] > 1;
    }
    by_name
}
