//! The sha256 of a file.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use fairframe_schemas::Digest;
use sha2::{Digest as _, Sha256};

/// Digest and length of a file, read once in pieces.
pub fn of_file(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 256 << 10];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((Digest::from_bytes(hasher.finalize().into()), bytes));
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
}
