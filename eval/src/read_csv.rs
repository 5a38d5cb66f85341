//! CSV to tables. A file without quotes is cut into cells where it lies, its
//! chunks in parallel; one with quotes is read row by row.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use fairframe_schemas::report::DefectKind;
use memchr::{memchr, memchr_iter, memrchr};
use rayon::prelude::*;

use crate::read::{Limits, ReadDefect, ReadError, Table, Texts, Values};

/// Bytes of a chunk that is cut at once: it stays in a core's cache.
const CHUNK: usize = 1 << 18;

fn too_large(path: &Path, limit: u64, what: &'static str) -> ReadError {
    ReadError::TooLarge {
        path: path.to_owned(),
        limit,
        what,
    }
}

/// Reads a whole file; `size` is what it says of its length.
pub(crate) fn read_table(
    path: &Path,
    reader: impl Read,
    size: Option<u64>,
    limits: &Limits,
    is_header: &dyn Fn(&[String]) -> bool,
) -> Result<Table, ReadError> {
    let mut bytes = Vec::new();
    bytes.reserve_exact(size.unwrap_or(0).min(limits.bytes) as usize);
    let mut bounded = Bounded {
        inner: reader,
        total: 0,
        since_line_end: 0,
        limits: *limits,
    };
    bounded
        .read_to_end(&mut bytes)
        .map_err(|error| io_error(path, error))?;
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => match Cut::of(text.as_bytes(), limits, is_header) {
            Some(cut) => return cut.into_table(path, text, limits),
            None => text.into_bytes(),
        },
        Err(other) => other.into_bytes(),
    };
    quoted(path, &bytes, limits, is_header)
}

/// What one chunk was cut into; cells as from and to in the file.
#[derive(Default)]
struct Chunk {
    cells: Vec<Vec<(u32, u32)>>,
    /// The line of each row, from 0 within the chunk.
    lines: Vec<u32>,
    /// Lines with another number of cells, and that number.
    ragged: Vec<(u32, usize)>,
    all_lines: u32,
}

/// A file without quotes, in UTF-8, of at most 4 GiB: all cut.
struct Cut {
    names: Vec<String>,
    columns: usize,
    /// Lines before the chunks: the header, where there is one.
    before: u64,
    chunks: Vec<Chunk>,
}

impl Cut {
    /// None where the file must be read row by row.
    fn of(bytes: &[u8], limits: &Limits, is_header: &dyn Fn(&[String]) -> bool) -> Option<Self> {
        u32::try_from(bytes.len()).ok()?;
        let bom = bytes.starts_with(&[0xef, 0xbb, 0xbf]);
        let start = if bom { 3 } else { 0 };
        let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
        let first = trimmed(bytes, start, end);
        let cells: Vec<&[u8]> = bytes[first.0..first.1]
            .split(|byte| *byte == b',')
            .collect();
        // An odd first line is looked at with care.
        if cells.len() > limits.columns || first.0 == first.1 || memchr(b'"', cells[0]).is_some() {
            return None;
        }
        let columns = cells.len();
        let text = |cell: &[u8]| String::from_utf8_lossy(cell).trim().to_owned();
        let names: Vec<String> = cells.into_iter().map(text).collect();
        let headed = is_header(&names);
        let body = if headed {
            (end + 1).min(bytes.len())
        } else {
            start
        };
        let mut starts = vec![body];
        let mut at = body + CHUNK;
        while at < bytes.len() {
            match memchr(b'\n', &bytes[at..]) {
                Some(line_end) => starts.push(at + line_end + 1),
                None => break,
            }
            at = starts[starts.len() - 1] + CHUNK;
        }
        let ends = starts[1..].iter().copied().chain([bytes.len()]);
        let ranges: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
        let header = &bytes[start..body];
        if memchr(b'"', header).is_some() {
            return None;
        }
        let chunks: Option<Vec<Chunk>> = ranges
            .into_par_iter()
            .map(|(from, to)| cut(bytes, from, to, columns))
            .collect();
        Some(Self {
            names: if headed { names } else { Vec::new() },
            columns,
            before: u64::from(headed),
            chunks: chunks?,
        })
    }

    fn into_table(self, path: &Path, text: String, limits: &Limits) -> Result<Table, ReadError> {
        let rows: usize = self.chunks.iter().map(|chunk| chunk.lines.len()).sum();
        if rows as u64 > limits.rows {
            return Err(too_large(path, limits.rows, "rows"));
        }
        let mut table = Table {
            names: self.names,
            ..Table::default()
        };
        let mut spans = vec![Vec::with_capacity(rows); self.columns];
        let mut before = self.before;
        for chunk in self.chunks {
            for (all, cells) in spans.iter_mut().zip(&chunk.cells) {
                all.extend_from_slice(cells);
            }
            let line = |line: &u32| before + u64::from(*line) + 1;
            chunk.lines.iter().for_each(|at| table.lines.push(line(at)));
            for (at, n) in &chunk.ragged {
                table.defects.push(ragged(line(at), *n, self.columns));
            }
            before += u64::from(chunk.all_lines);
        }
        let file = Arc::new(text);
        let texts = |spans| {
            Values::Text(Texts::Spans {
                file: file.clone(),
                spans,
            })
        };
        table.columns = spans.into_iter().map(texts).collect();
        Ok(table)
    }
}

/// A line without the CR of a CRLF.
fn trimmed(bytes: &[u8], from: usize, to: usize) -> (usize, usize) {
    let cr = to > from && bytes[to - 1] == b'\r';
    (from, to - usize::from(cr))
}

/// Cuts the lines from `from` to `to`; None where there is a quote.
fn cut(bytes: &[u8], from: usize, to: usize, columns: usize) -> Option<Chunk> {
    let part = &bytes[from..to];
    if memchr(b'"', part).is_some() {
        return None;
    }
    let mut chunk = Chunk {
        cells: vec![Vec::new(); columns],
        ..Chunk::default()
    };
    let mut start = from;
    let mut ends: Vec<usize> = Vec::with_capacity(columns);
    let line_ends = memchr_iter(b'\n', part).map(|at| from + at).chain([to]);
    for end in line_ends {
        if start >= to {
            break;
        }
        let (first, last) = trimmed(bytes, start, end);
        start = end + 1;
        let line = chunk.all_lines;
        chunk.all_lines += 1;
        if first == last {
            continue;
        }
        ends.clear();
        ends.extend(memchr_iter(b',', &bytes[first..last]).map(|at| first + at));
        ends.push(last);
        if ends.len() != columns {
            chunk.ragged.push((line, ends.len()));
            continue;
        }
        let mut at = first;
        for (cells, end) in chunk.cells.iter_mut().zip(&ends) {
            cells.push((at as u32, *end as u32));
            at = end + 1;
        }
        chunk.lines.push(line);
    }
    Some(chunk)
}

fn ragged(row: u64, n: usize, columns: usize) -> ReadDefect {
    ReadDefect {
        kind: DefectKind::RaggedRow,
        row,
        column: None,
        text: format!("{n} fields instead of {columns}"),
    }
}

/// Refuses a stream that is too long, or too long without a line end.
struct Bounded<R> {
    inner: R,
    total: u64,
    since_line_end: u64,
    limits: Limits,
}

pub(crate) const TOO_MANY_BYTES: &str = "bytes";
pub(crate) const TOO_LONG_LINE: &str = "bytes without a line end";

#[derive(Debug, thiserror::Error)]
#[error("more than {limit} {what}")]
pub(crate) struct Exceeded {
    pub limit: u64,
    pub what: &'static str,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A line may pass unmeasured only within one call.
        let most = buffer.len().min(CHUNK);
        let n = self.inner.read(&mut buffer[..most])?;
        self.total += n as u64;
        let longest = match memchr(b'\n', &buffer[..n]) {
            Some(first) => {
                let last = memrchr(b'\n', &buffer[..n]).unwrap_or(first);
                let ended = self.since_line_end + first as u64;
                self.since_line_end = (n - last - 1) as u64;
                ended.max(self.since_line_end)
            }
            None => {
                self.since_line_end += n as u64;
                self.since_line_end
            }
        };
        let exceeded = |limit, what| Err(io::Error::other(Exceeded { limit, what }));
        if self.total > self.limits.bytes {
            return exceeded(self.limits.bytes, TOO_MANY_BYTES);
        }
        if longest > self.limits.line_bytes {
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

/// What is read after a file: a row of its own, unless the file ended within quotes.
const AFTER: &[u8] = b"\n\x01\n";

/// Row by row, with quoted fields and bad encoding.
fn quoted(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
    is_header: &dyn Fn(&[String]) -> bool,
) -> Result<Table, ReadError> {
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        // A row ends at LF alone, and the last one always has one: then the
        // reader's line count tells where a row began (see `first_line`).
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(bytes.chain(AFTER));
    let whole = (bytes.len() + AFTER.len()) as u64;
    let mut table = Table::default();
    let mut record = csv::ByteRecord::new();
    let mut columns: Vec<Texts> = Vec::new();
    let mut first = true;
    loop {
        if let Err(error) = csv.read_byte_record(&mut record) {
            return Err(csv_error(path, error));
        }
        let row = first_line(&record, csv.position().line());
        if csv.position().byte() == whole {
            if record.len() == 1 && record[0] == *b"\x01" {
                break;
            }
            // No LF ended this one.
            let begun = row + 1;
            return Err(ReadError::Csv {
                path: path.to_owned(),
                message: format!("a quote that opens in the row of line {begun} is not closed"),
            });
        }
        trim_cr(&mut record);
        if first {
            first = false;
            if record.len() > limits.columns {
                return Err(too_large(path, limits.columns as u64, "columns"));
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
        if table.len() as u64 > limits.rows {
            return Err(too_large(path, limits.rows, "rows"));
        }
    }
    table.columns = columns.into_iter().map(Values::Text).collect();
    Ok(table)
}

fn push_record(table: &mut Table, columns: &mut [Texts], record: &csv::ByteRecord, row: u64) {
    if record.len() != columns.len() {
        let defect = ragged(row, record.len(), columns.len());
        table.defects.push(defect);
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
    table.lines.push(row);
}

fn csv_error(path: &Path, error: csv::Error) -> ReadError {
    let path = path.to_owned();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => ReadError::Io { path, source },
        other => ReadError::Csv {
            path,
            message: format!("{other:?}"),
        },
    }
}

/// What a stream says that was unpacked or bounded here.
pub(crate) fn io_error(path: &Path, source: io::Error) -> ReadError {
    match source.get_ref().and_then(|e| e.downcast_ref()) {
        Some(Exceeded { limit, what }) => too_large(path, *limit, what),
        None => ReadError::Io {
            path: path.to_owned(),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8], quick: bool) -> Table {
        let (path, limits) = (Path::new("x.csv"), Limits::default());
        let headed = |fields: &[String]| fields[0] == "id";
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        match Cut::of(bytes, &limits, &headed) {
            Some(cut) if quick => cut.into_table(path, text, &limits).unwrap(),
            _ => quoted(path, bytes, &limits, &headed).unwrap(),
        }
    }

    fn cells(table: &Table) -> Vec<(u64, Vec<String>)> {
        let text = |row| {
            let columns = table.columns.iter();
            columns.map(|c| c.text(row).into_owned()).collect()
        };
        let rows = 0..table.len();
        rows.map(|at| (table.line(at), text(at))).collect()
    }

    #[test]
    fn chunks_are_put_together_with_their_lines() {
        let mut text = "id,x\n".to_owned();
        for at in 0..60_000 {
            // Blank, ragged and CRLF lines all along.
            text.push_str(&match at % 7 {
                0 => "\n".to_owned(),
                1 => format!("{at},1,2\n"),
                2 => format!("{at},\u{e9}\r\n"),
                _ => format!("{at},{at}\n"),
            });
        }
        assert!(text.len() > 2 * CHUNK);
        let (quick, slow) = (whole(text.as_bytes(), true), whole(text.as_bytes(), false));
        assert!(matches!(
            quick.columns[0],
            Values::Text(Texts::Spans { .. })
        ));
        assert!(matches!(
            slow.columns[0],
            Values::Text(Texts::Joined { .. })
        ));
        assert_eq!(cells(&quick), cells(&slow));
        let rows = |table: &Table| table.defects.iter().map(|d| d.row).collect::<Vec<_>>();
        assert_eq!(rows(&quick), rows(&slow));
    }

    proptest! {
        #[test]
        fn both_ways_read_alike(text in "(id,x\n)?([a-c]{0,2}(,[a-c\u{e9}]{0,2}){0,2}\r?\n){0,9}[ab]{0,2},?x?") {
            // The careful reader knows a blank line by there being columns.
            prop_assume!(text.lines().next().is_some_and(|line| line.contains(',')));
            let (quick, slow) = (whole(text.as_bytes(), true), whole(text.as_bytes(), false));
            prop_assert_eq!(cells(&quick), cells(&slow));
            prop_assert_eq!(&quick.names, &slow.names);
            let defects = |table: &Table| table.defects.iter().map(|d| (d.row, d.text.clone())).collect::<Vec<_>>();
            prop_assert_eq!(defects(&quick), defects(&slow));
        }
    }
}
