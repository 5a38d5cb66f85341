//! Files to tables: CSV and JSON, plain, gzip, zstd, zip or 7z; Parquet.
//!
//! What a file is, is told from its first bytes, never from its name.
//! Everything is bounded by [`Limits`]; a file that exceeds one is refused.

mod values;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use fairframe_schemas::report::DefectKind;

pub use self::values::{Numbers, Texts, Values};
use crate::{archive, read_csv, read_json, read_parquet};

/// Bounds of what is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes after decompression, of a typed file those that are kept: 4 GiB.
    pub bytes: u64,
    /// Bytes without a line end: 64 MiB.
    pub line_bytes: u64,
    /// Rows: 200 million.
    pub rows: u64,
    /// Columns: 1,000.
    pub columns: usize,
    /// Bytes of one JSON file: 1 GiB.
    pub json_bytes: u64,
    /// Entries of an archive: 1,000.
    pub entries: usize,
    /// How much larger than the archive its content may be, beyond 16 MiB: 200 times.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 4 << 30,
            line_bytes: 64 << 20,
            rows: 200_000_000,
            columns: 1_000,
            json_bytes: 1 << 30,
            entries: 1_000,
            ratio: 200,
        }
    }
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("`{path}` cannot be read: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("`{path}` is {what}, not a regular file; save what it gives to a file, and name that")]
    Irregular { path: PathBuf, what: &'static str },
    #[error("`{path}` holds more than {limit} {what}; split it or hand in less")]
    TooLarge {
        path: PathBuf,
        limit: u64,
        what: &'static str,
    },
    #[error("`{path}` is UTF-16; save it as UTF-8")]
    Utf16 { path: PathBuf },
    #[error("`{path}` holds a {what}; hand in CSV, Parquet or JSON, packed at most once")]
    Archive { path: PathBuf, what: &'static str },
    #[error(
        "`{path}` is not a readable {kind} archive: {message}; pack it anew, without a password"
    )]
    Unpack {
        path: PathBuf,
        kind: &'static str,
        message: String,
    },
    #[error("`{path}` holds {n} files ({names}); put one alone into it")]
    Entries {
        path: PathBuf,
        n: usize,
        names: String,
    },
    #[error("`{path}` is not readable CSV: {message}; quote fields that hold commas or line ends")]
    Csv { path: PathBuf, message: String },
    #[error("`{path}` is not a readable numpy matrix: {message}")]
    Npy { path: PathBuf, message: String },
    #[error("`{path}` is not readable Parquet: {message}; write it anew")]
    Parquet { path: PathBuf, message: String },
    #[error("`{path}` is not the JSON expected: {message}; write {expected}")]
    Json {
        path: PathBuf,
        message: String,
        expected: &'static str,
    },
}

/// Where rows stand in their file: runs of lines that follow each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// The first row of each run, and its line.
    runs: Vec<(usize, u64)>,
    len: usize,
}

impl Lines {
    /// So many rows from line 1 on.
    pub fn first(len: usize) -> Self {
        Self {
            runs: vec![(0, 1)],
            len,
        }
    }

    pub fn push(&mut self, line: u64) {
        let next = self.runs.last();
        let next = next.map(|(row, first)| first + (self.len - row) as u64);
        if next != Some(line) {
            self.runs.push((self.len, line));
        }
        self.len += 1;
    }

    pub fn get(&self, row: usize) -> u64 {
        let run = self.runs.partition_point(|(first, _)| *first <= row) - 1;
        let (first, line) = self.runs[run];
        line + (row - first) as u64
    }
}

/// A defect seen while reading: kind, row, column, text.
#[derive(Debug, Clone)]
pub struct ReadDefect {
    pub kind: DefectKind,
    pub row: u64,
    pub column: Option<String>,
    pub text: String,
}

/// A file's rows by column.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The header's names; empty where the file has none.
    pub names: Vec<String>,
    pub columns: Vec<Values>,
    /// Where each row stands in the file, 1-based.
    pub lines: Lines,
    /// Columns that are there and were not asked for.
    pub unread: Vec<String>,
    /// Rows with defects are not in the table.
    pub defects: Vec<ReadDefect>,
    /// Whether the frame column counts positions (per-frame JSON) rather
    /// than naming frames.
    pub positional_frames: bool,
}

impl Table {
    pub fn len(&self) -> usize {
        self.lines.len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a row stands in the file.
    pub fn line(&self, row: usize) -> u64 {
        self.lines.get(row)
    }

    /// The column with one of these names, ignoring case; the first name wins.
    pub fn find(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|wanted| {
            self.names
                .iter()
                .position(|name| name.trim().eq_ignore_ascii_case(wanted))
        })
    }

    /// The name of a column for people.
    pub fn name(&self, column: usize) -> String {
        match self.names.get(column) {
            Some(name) => name.clone(),
            None => format!("column {}", column + 1),
        }
    }
}

/// What is wanted of a JSON file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonPart {
    /// Scores by video and frame.
    Probs,
    /// Truths by video and frame.
    Targets,
    /// One object of ids with what is said of them; the name of that column.
    Pairs(&'static str),
    /// Few-shot episodes, one object a line.
    Episodes,
}

/// Opens a regular file. Whatever else has a name (a pipe, say) may be waited
/// for without end, and each file is read more than once.
pub(crate) fn open(path: &Path) -> Result<File, ReadError> {
    let io_error = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let kind = std::fs::metadata(path).map_err(io_error)?.file_type();
    if kind.is_file() {
        return File::open(path).map_err(io_error);
    }
    Err(ReadError::Irregular {
        path: path.to_owned(),
        what: match () {
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a pipe",
            () if kind.is_socket() => "a socket",
            () => "a device",
        },
    })
}

/// Whether a file is Parquet.
pub(crate) fn is_parquet(path: &Path) -> bool {
    starts_with(path, PARQUET)
}

pub(crate) fn starts_with<const N: usize>(path: &Path, magic: &[u8; N]) -> bool {
    let mut start = [0; N];
    open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok() && &start == magic)
}

/// Reads a whole file. `is_header` says whether a first CSV row names columns.
pub fn read_table(
    path: &Path,
    limits: &Limits,
    part: JsonPart,
    is_header: &dyn Fn(&[String]) -> bool,
) -> Result<Table, ReadError> {
    read_columns(path, limits, part, is_header, &|_| true)
}

/// Reads a whole file, of a typed one only the columns that are `wanted`.
pub(crate) fn read_columns(
    path: &Path,
    limits: &Limits,
    part: JsonPart,
    is_header: &dyn Fn(&[String]) -> bool,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Table, ReadError> {
    let io_error = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let file = open(path)?;
    let metadata = file.metadata().map_err(io_error)?;
    let (start, file) = peek(file).map_err(io_error)?;
    let into = Into {
        path,
        limits,
        part,
        is_header,
    };
    if start.starts_with(PARQUET) {
        drop(file);
        return read_parquet::read_table(path, limits, wanted);
    }
    if start.starts_with(ZIP) || start.starts_with(EMPTY_ZIP) {
        return archive::read_zip(&into, metadata.len());
    }
    if start.starts_with(SEVEN_ZIP) {
        return archive::read_seven_zip(&into, metadata.len());
    }
    if start.starts_with(GZIP) {
        return into.read(flate2::read::MultiGzDecoder::new(file), None);
    }
    if start.starts_with(ZSTD) {
        let mut decoder = zstd::Decoder::new(file).map_err(io_error)?;
        // 128 MiB of window: what `zstd -d` itself accepts unasked.
        decoder.window_log_max(27).map_err(io_error)?;
        return into.read(decoder, None);
    }
    into.read(file, Some(metadata.len()))
}

const PARQUET: &[u8; 4] = b"PAR1";
const ZIP: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP: &[u8] = b"PK\x05\x06";
const SEVEN_ZIP: &[u8] = b"7z\xbc\xaf\x27\x1c";
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// What a stream that is unpacked is read into.
#[derive(Clone, Copy)]
pub(crate) struct Into<'a> {
    pub path: &'a Path,
    pub limits: &'a Limits,
    part: JsonPart,
    is_header: &'a dyn Fn(&[String]) -> bool,
}

impl Into<'_> {
    /// Reads CSV or JSON; `size` where it is known.
    pub fn read(&self, plain: impl Read, size: Option<u64>) -> Result<Table, ReadError> {
        let path = self.path.to_owned();
        let (start, plain) = match peek(plain) {
            Ok(both) => both,
            Err(source) => return Err(ReadError::Io { path, source }),
        };
        if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
            return Err(ReadError::Utf16 { path });
        }
        for (magic, what) in [
            (ZIP, "zip archive within"),
            (SEVEN_ZIP, "7z archive within"),
            (&PARQUET[..], "compressed Parquet file"),
            (GZIP, "file that is compressed twice"),
            (ZSTD, "file that is compressed twice"),
        ] {
            if start.starts_with(magic) {
                return Err(ReadError::Archive { path, what });
            }
        }
        let text = start
            .strip_prefix(&[0xef, 0xbb, 0xbf][..])
            .unwrap_or(&start);
        let is_json = text
            .iter()
            .find(|byte| !byte.is_ascii_whitespace())
            .is_some_and(|byte| *byte == b'{');
        if is_json {
            return read_json::read_table(self.path, plain, self.limits, self.part);
        }
        read_csv::read_table(self.path, plain, size, self.limits, self.is_header)
    }
}

/// The first bytes of a stream, and the stream with them put back.
fn peek<R: Read>(mut reader: R) -> io::Result<(Vec<u8>, io::Chain<io::Cursor<Vec<u8>>, R>)> {
    let mut start = Vec::new();
    reader.by_ref().take(16).read_to_end(&mut start)?;
    Ok((start.clone(), io::Cursor::new(start).chain(reader)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::read_csv::{TOO_LONG_LINE, TOO_MANY_BYTES};

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn read(bytes: &[u8], limits: &Limits) -> Result<Table, ReadError> {
        read_table(file(bytes).path(), limits, JsonPart::Probs, &|fields| {
            fields[0] == "id"
        })
    }

    #[test]
    fn bom_crlf_quotes_and_blank_lines_are_read() {
        let text = b"\xef\xbb\xbfid,labels\r\n\"a\",\"x, y\"\r\n\r\nb,\r\n";
        let table = read(text, &Limits::default()).unwrap();
        assert_eq!(table.names, ["id", "labels"]);
        assert_eq!([0, 1].map(|row| table.line(row)), [2, 4]);
        assert_eq!(table.columns[1].text(0), "x, y");
        assert_eq!(table.columns[1].text(1), "");
    }

    #[test]
    fn a_quote_that_is_not_closed_does_not_take_the_rest_for_its_cell() {
        for text in [
            "id,x\na,1\n\"b,2\nc,3\n",
            "id,x\na,1\nb,\"2\n\x01\n",
            "\"id,x",
        ] {
            let error = read(text.as_bytes(), &Limits::default()).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("is not closed"), "{text:?}: {said}");
            assert!(text.starts_with('"') || said.contains("line 3"), "{said}");
        }
        for text in [
            "id,x\na,\"1\n2\"",
            "id,x\na,\"1\n2\"\n\n",
            "id,x\na,\"1\n2\"\r\n",
        ] {
            let table = read(text.as_bytes(), &Limits::default()).unwrap();
            assert_eq!((table.len(), table.line(0)), (1, 2), "{text:?}");
            assert_eq!(table.columns[1].text(0), "1\n2");
        }
    }

    #[test]
    fn compressed_files_are_told_by_their_bytes() {
        let text = b"id,x\na,1\n";
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text).unwrap();
        let gz = gz.finish().unwrap();
        let zst = zstd::encode_all(&text[..], 1).unwrap();
        for bytes in [&text[..], &gz, &zst] {
            let table = read(bytes, &Limits::default()).unwrap();
            assert_eq!(table.columns[1].number(0), Some(1.0));
        }
    }

    #[test]
    fn bombs_are_refused_while_they_unfold() {
        let limits = Limits {
            bytes: 1 << 20,
            line_bytes: 1 << 16,
            ..Limits::default()
        };
        for (content, what) in [
            (vec![b'a'; 1 << 18], TOO_LONG_LINE),
            (b"a,b\n".repeat(1 << 19), TOO_MANY_BYTES),
        ] {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(&content).unwrap();
            let error = read(&gz.finish().unwrap(), &limits).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
    }

    #[test]
    fn ragged_rows_and_other_encodings_are_defects_with_their_row() {
        let table = read(b"id,x\na,1,2\nb\xff,1\nc,3\n", &Limits::default()).unwrap();
        assert_eq!((table.len(), table.line(0)), (1, 4));
        let kinds: Vec<_> = table.defects.iter().map(|d| (d.kind, d.row)).collect();
        assert_eq!(
            kinds,
            [(DefectKind::RaggedRow, 2), (DefectKind::BadEncoding, 3)]
        );
        assert!(matches!(
            read(b"\xff\xfei\0d\0", &Limits::default()),
            Err(ReadError::Utf16 { .. })
        ));
        assert!(read(b"PK\x03\x04zip", &Limits::default()).is_err());
    }

    #[test]
    fn an_empty_file_is_an_empty_table() {
        assert!(read(b"", &Limits::default()).unwrap().is_empty());
        assert!(read(b"id,x\n", &Limits::default()).unwrap().is_empty());
    }
}
