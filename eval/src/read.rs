//! Files to tables: CSV, Parquet and per-frame JSON; plain, gzip or zstd.
//!
//! What a file is, is told from its first bytes, never from its name.
//! Everything is bounded by [`Limits`]; a file that exceeds one is refused.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use fairframe_schemas::report::DefectKind;

use crate::{read_json, read_parquet};

/// Bounds of what is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes after decompression: 4 GiB.
    pub bytes: u64,
    /// Bytes without a line end: 64 MiB.
    pub line_bytes: u64,
    /// Rows: 200 million.
    pub rows: u64,
    /// Columns: 1,000.
    pub columns: usize,
    /// Bytes of one JSON file: 1 GiB.
    pub json_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 4 << 30,
            line_bytes: 64 << 20,
            rows: 200_000_000,
            columns: 1_000,
            json_bytes: 1 << 30,
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
    #[error("`{path}` is a {what}; hand in CSV, Parquet or JSON, plain or as .gz or .zst")]
    Archive { path: PathBuf, what: &'static str },
    #[error("`{path}` is not readable CSV: {message}; quote fields that hold commas or line ends")]
    Csv { path: PathBuf, message: String },
    #[error("`{path}` is not readable Parquet: {message}; write it anew")]
    Parquet { path: PathBuf, message: String },
    #[error(
        "`{path}` is not per-frame JSON: {message}; expected {{\"{part}\": {{\"video\": [[number], ...]}}}}"
    )]
    Json {
        path: PathBuf,
        message: String,
        part: &'static str,
    },
}

/// Text cells of one column, end to end.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    bytes: String,
    ends: Vec<usize>,
}

impl Texts {
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    pub fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// One column: as text, or as numbers where the file is typed.
#[derive(Debug, Clone)]
pub enum Values {
    Text(Texts),
    /// Absent values are NaN.
    Number(Vec<f64>),
}

impl Values {
    /// The cell as text; an absent one is empty.
    pub fn text(&self, row: usize) -> std::borrow::Cow<'_, str> {
        match self {
            Values::Text(texts) => texts.get(row).into(),
            Values::Number(numbers) if numbers[row].is_nan() => "".into(),
            Values::Number(numbers) => numbers[row].to_string().into(),
        }
    }

    /// The cell as a number; none where it is not one.
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Values::Text(texts) => texts.get(row).trim().parse().ok(),
            Values::Number(numbers) => Some(numbers[row]),
        }
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
    pub rows: Vec<u64>,
    /// Rows with defects are not in the table.
    pub defects: Vec<ReadDefect>,
    /// Whether the frame column counts positions (per-frame JSON) rather
    /// than naming frames.
    pub positional_frames: bool,
}

impl Table {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
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

/// Which part of a per-frame JSON file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonPart {
    Probs,
    Targets,
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

/// Reads a whole file. `is_header` says whether a first CSV row names columns.
pub fn read_table(
    path: &Path,
    limits: &Limits,
    part: JsonPart,
    is_header: &dyn Fn(&[String]) -> bool,
) -> Result<Table, ReadError> {
    let io_error = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let file = open(path)?;
    let (start, file) = peek(file).map_err(io_error)?;
    if start.starts_with(b"PAR1") {
        drop(file);
        return read_parquet::read_table(path, limits);
    }
    let plain: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::Decoder::new(file).map_err(io_error)?;
        // 128 MiB of window: what `zstd -d` itself accepts unasked.
        decoder.window_log_max(27).map_err(io_error)?;
        Box::new(decoder)
    } else {
        Box::new(file)
    };
    let (start, plain) = peek(plain).map_err(io_error)?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(ReadError::Utf16 {
            path: path.to_owned(),
        });
    }
    for (magic, what) in [
        (&b"PK\x03\x04"[..], "zip archive"),
        (&b"7z\xbc\xaf\x27\x1c"[..], "7z archive"),
        (&b"PAR1"[..], "compressed Parquet file"),
        (&[0x1f, 0x8b][..], "file that is compressed twice"),
    ] {
        if start.starts_with(magic) {
            return Err(ReadError::Archive {
                path: path.to_owned(),
                what,
            });
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
        return read_json::read_table(path, plain, limits, part);
    }
    read_csv(path, plain, limits, is_header)
}

/// The first bytes of a stream, and the stream with them put back.
fn peek<R: Read>(mut reader: R) -> io::Result<(Vec<u8>, io::Chain<io::Cursor<Vec<u8>>, R>)> {
    let mut start = Vec::new();
    reader.by_ref().take(16).read_to_end(&mut start)?;
    Ok((start.clone(), io::Cursor::new(start).chain(reader)))
}

/// Refuses a stream that is too long, or too long without a line end.
struct Bounded<R> {
    inner: R,
    total: u64,
    since_line_end: u64,
    limits: Limits,
}

const TOO_MANY_BYTES: &str = "bytes";
const TOO_LONG_LINE: &str = "bytes without a line end";

#[derive(Debug, thiserror::Error)]
#[error("more than {limit} {what}")]
struct Exceeded {
    limit: u64,
    what: &'static str,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.total += n as u64;
        match buffer[..n].iter().rposition(|byte| *byte == b'\n') {
            Some(at) => self.since_line_end = (n - at - 1) as u64,
            None => self.since_line_end += n as u64,
        }
        let exceeded = |limit, what| Err(io::Error::other(Exceeded { limit, what }));
        if self.total > self.limits.bytes {
            return exceeded(self.limits.bytes, TOO_MANY_BYTES);
        }
        if self.since_line_end > self.limits.line_bytes {
            return exceeded(self.limits.line_bytes, TOO_LONG_LINE);
        }
        Ok(n)
    }
}

/// The line a row began at: it ended with the LF before `end`, and held those in its cells.
fn first_line(row: &csv::ByteRecord, end: u64) -> u64 {
    let inner = row.as_slice().iter().filter(|b| **b == b'\n').count() as u64;
    end.saturating_sub(inner + 1)
}

/// Takes the CR of a CRLF off the last cell.
fn trim_cr(row: &mut csv::ByteRecord) {
    let last = row
        .iter()
        .next_back()
        .and_then(|cell| cell.strip_suffix(b"\r"));
    let Some(last) = last.map(<[u8]>::to_vec) else {
        return;
    };
    row.truncate(row.len() - 1);
    row.push_field(&last);
}

fn read_csv(
    path: &Path,
    reader: impl Read,
    limits: &Limits,
    is_header: &dyn Fn(&[String]) -> bool,
) -> Result<Table, ReadError> {
    let bounded = Bounded {
        inner: reader,
        total: 0,
        since_line_end: 0,
        limits: *limits,
    };
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        // A row ends at LF alone, and the last one always has one: then the
        // reader's line count tells where a row began (see `first_line`).
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(BufReader::with_capacity(1 << 16, bounded).chain(&b"\n"[..]));
    let mut table = Table::default();
    let mut record = csv::ByteRecord::new();
    let mut columns: Vec<Texts> = Vec::new();
    let mut first = true;
    loop {
        match csv.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(csv_error(path, error)),
        }
        let row = first_line(&record, csv.position().line());
        trim_cr(&mut record);
        if first {
            first = false;
            if record.len() > limits.columns {
                return Err(ReadError::TooLarge {
                    path: path.to_owned(),
                    limit: limits.columns as u64,
                    what: "columns",
                });
            }
            columns.resize_with(record.len(), Texts::default);
            let fields: Vec<String> = record
                .iter()
                .map(|field| String::from_utf8_lossy(field).trim().to_owned())
                .collect();
            if is_header(&fields) {
                table.names = fields;
                continue;
            }
        }
        if record.len() == 1 && record[0].is_empty() && columns.len() > 1 {
            continue;
        }
        push_record(&mut table, &mut columns, &record, row);
        if table.rows.len() as u64 > limits.rows {
            return Err(ReadError::TooLarge {
                path: path.to_owned(),
                limit: limits.rows,
                what: "rows",
            });
        }
    }
    table.columns = columns.into_iter().map(Values::Text).collect();
    Ok(table)
}

fn push_record(table: &mut Table, columns: &mut [Texts], record: &csv::ByteRecord, row: u64) {
    if record.len() != columns.len() {
        table.defects.push(ReadDefect {
            kind: DefectKind::RaggedRow,
            row,
            column: None,
            text: format!("{} fields instead of {}", record.len(), columns.len()),
        });
        return;
    }
    for (at, field) in record.iter().enumerate() {
        if std::str::from_utf8(field).is_err() {
            table.defects.push(ReadDefect {
                kind: DefectKind::BadEncoding,
                row,
                column: Some(table.name(at)),
                text: String::from_utf8_lossy(field).into_owned(),
            });
            return;
        }
    }
    for (column, field) in columns.iter_mut().zip(record) {
        column.push(std::str::from_utf8(field).unwrap_or_default());
    }
    table.rows.push(row);
}

fn csv_error(path: &Path, error: csv::Error) -> ReadError {
    let path = path.to_owned();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => match source.get_ref().and_then(|e| e.downcast_ref()) {
            Some(Exceeded { limit, what }) => ReadError::TooLarge {
                path,
                limit: *limit,
                what,
            },
            None => ReadError::Io { path, source },
        },
        other => ReadError::Csv {
            path,
            message: format!("{other:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
        assert_eq!(table.rows, [2, 4]);
        assert_eq!(table.columns[1].text(0), "x, y");
        assert_eq!(table.columns[1].text(1), "");
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
        assert_eq!(table.rows, [4]);
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
