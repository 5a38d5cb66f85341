//! Reading a part of a file at its own position: many readers, one descriptor.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    sync::Arc,
};

/// `left` bytes of `file` from `at`. Positional reads, so sections do not
/// disturb one another.
#[derive(Debug, Clone)]
pub struct Section {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Section {
    pub fn new(file: Arc<File>, at: u64, left: u64) -> Self {
        Self { file, at, left }
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let got = self.file.read_at(&mut buffer[..want], self.at)?;
        if got == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends inside the member",
            ));
        }
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

/// Passes through exactly `left` bytes: fewer is an error at the end, more is
/// an error at the first byte too many. A checksum is compared at the end.
pub struct Exactly<R> {
    inner: R,
    left: u64,
    crc: Option<(flate2::Crc, u32)>,
    done: bool,
}

impl<R: Read> Exactly<R> {
    pub fn new(inner: R, bytes: u64, crc: Option<u32>) -> Self {
        Self {
            inner,
            left: bytes,
            crc: crc.map(|c| (flate2::Crc::new(), c)),
            done: false,
        }
    }

    fn end(&mut self) -> io::Result<usize> {
        if !self.done {
            self.done = true;
            if self.inner.read(&mut [0u8; 1])? != 0 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the member holds more bytes than it declares",
                ));
            }
            if let Some((crc, expected)) = &self.crc
                && crc.sum() != *expected
            {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the member's checksum does not match",
                ));
            }
        }
        Ok(0)
    }
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return self.end();
        }
        let want = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let got = self.inner.read(&mut buffer[..want])?;
        if got == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the member holds fewer bytes than it declares",
            ));
        }
        if let Some((crc, _)) = &mut self.crc {
            crc.update(&buffer[..got]);
        }
        self.left -= got as u64;
        Ok(got)
    }
}
