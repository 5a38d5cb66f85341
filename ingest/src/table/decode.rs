//! From the bytes of a table to UTF-8: compression and text encodings.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::Fail;
use crate::source::SourceError;

/// Content that cannot be read, carried through [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{problem}; {remedy}")]
pub(super) struct Unreadable {
    pub problem: String,
    pub remedy: &'static str,
}

pub(super) fn unreadable(problem: String, remedy: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Unreadable { problem, remedy })
}

/// gzip and zstd are noticed by their first bytes. Never gives more than `limit` bytes.
pub(super) fn decompressed(
    read: Box<dyn Read + Send>,
    limit: u64,
) -> io::Result<Box<dyn BufRead + Send>> {
    let mut read = BufReader::with_capacity(1 << 16, read);
    let plain: Box<dyn Read + Send> = match read.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(Compressed(flate2::bufread::MultiGzDecoder::new(read))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(read)?;
            decoder.window_log_max(27)?; // a window of 128 MiB at most
            Box::new(Compressed(decoder))
        }
        _ => Box::new(read),
    };
    let limited = Limited {
        read: plain,
        left: limit,
        limit,
    };
    Ok(Box::new(BufReader::with_capacity(1 << 16, limited)))
}

/// Says of a decoder's errors that they are about the content.
struct Compressed<R>(R);

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|e| {
            unreadable(
                format!("cannot be decompressed ({e})"),
                "compress it again with gzip or zstd",
            )
        })
    }
}

struct Limited<R> {
    read: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.read.read(buffer)?;
        self.left = self.left.checked_sub(got as u64).ok_or_else(|| {
            unreadable(
                format!("holds more than {} bytes", self.limit),
                "split the table",
            )
        })?;
        Ok(got)
    }
}

/// The text as UTF-8. Undeclared text passes through unchanged (rows check it),
/// unless a byte order mark says that it is UTF-16.
pub(super) fn utf8(
    mut read: Box<dyn BufRead + Send>,
    declared: Option<&str>,
    fail: Fail<'_>,
) -> Result<Box<dyn Read + Send>, SourceError> {
    let first = read.fill_buf().map_err(|e| fail.io(e))?;
    let marked = Encoding::for_bom(first);
    let encoding = match declared {
        Some(label) => Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| {
            fail.table(
                None,
                None,
                &format!("has the declared encoding `{label}`, which is unknown"),
                "use a name such as `utf-8`, `windows-1252`, `shift_jis` or `gb18030`",
            )
        })?,
        None => marked.map_or(UTF_8, |(encoding, _)| encoding),
    };
    if let Some((mark, length)) = marked.filter(|(mark, _)| *mark == encoding) {
        debug_assert!([UTF_8, UTF_16LE, UTF_16BE].contains(&mark));
        read.consume(length);
    }
    if encoding == UTF_8 {
        return Ok(Box::new(read));
    }
    Ok(Box::new(Decoded {
        read,
        decoder: encoding.new_decoder_without_bom_handling(),
        out: vec![0; 1 << 16],
        from: 0,
        to: 0,
        read_bytes: 0,
        ended: false,
    }))
}

struct Decoded {
    read: Box<dyn BufRead + Send>,
    decoder: encoding_rs::Decoder,
    out: Vec<u8>,
    from: usize,
    to: usize,
    read_bytes: u64,
    ended: bool,
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.from == self.to && !self.ended {
            let input = self.read.fill_buf()?;
            let last = input.is_empty();
            let (result, used, written) =
                self.decoder
                    .decode_to_utf8_without_replacement(input, &mut self.out, last);
            self.read.consume(used);
            self.read_bytes += used as u64;
            (self.from, self.to) = (0, written);
            match result {
                DecoderResult::InputEmpty => self.ended = last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    return Err(unreadable(
                        format!(
                            "is not `{}`: the bytes before byte {} mean nothing in it",
                            self.decoder.encoding().name(),
                            self.read_bytes
                        ),
                        "correct `encoding` in source.toml",
                    ));
                }
            }
        }
        let n = buffer.len().min(self.to - self.from);
        buffer[..n].copy_from_slice(&self.out[self.from..self.from + n]);
        self.from += n;
        Ok(n)
    }
}

/// A guess at the encoding of bytes that are not UTF-8, for the remedy only.
pub(super) fn likely_encoding(bytes: &[u8]) -> String {
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guess = detector.guess(None, chardetng::Utf8Detection::Deny);
    guess.name().to_ascii_lowercase()
}
