//! CSV, TSV and semicolon-separated rows.

use std::io::BufRead;

use csv::{ByteRecord, StringRecord};

use super::{
    BadRow, Fail, TableLimits, TableOptions, decode,
    watched::{Late, OPEN_QUOTE, OPEN_QUOTE_REMEDY, Seen, Watched},
};
use crate::source::SourceError;

pub(super) const BUFFER: usize = 1 << 16;

pub(super) struct TextRows {
    reader: csv::Reader<Watched<Box<dyn BufRead + Send>>>,
    seen: Seen,
    delimiter: u8,
    /// Names of the columns, for errors.
    columns: Vec<String>,
    /// The first row, where it is no header.
    first: Option<(StringRecord, u64)>,
    declared: bool,
    /// Rows so far, where CR alone ends them: the reader counts LF only.
    cr_rows: Option<u64>,
}

/// The line a row began at: it ended with the LF before `end`, and held those in its cells.
fn first_line(row: &ByteRecord, end: u64) -> u64 {
    let inner = row.as_slice().iter().filter(|b| **b == b'\n').count() as u64;
    end.saturating_sub(inner + 1)
}

/// Whether every line of a row has as many separators as a row of its width.
fn reads_as_rows(row: &StringRecord, delimiter: char) -> bool {
    let whole = row.iter().collect::<Vec<_>>().join(&delimiter.to_string());
    let mut lines = whole.lines();
    row.len() > 1 && lines.all(|line| line.matches(delimiter).count() + 1 == row.len())
}

fn is_blank(row: &ByteRecord) -> bool {
    row.len() == 1 && matches!(&row[0], b"" | b"\r")
}

/// Takes the CR of a CRLF off the last cell.
fn trim_cr(row: &mut ByteRecord) {
    let Some(last) = row
        .iter()
        .next_back()
        .and_then(|cell| cell.strip_suffix(b"\r"))
    else {
        return;
    };
    let last = last.to_vec();
    row.truncate(row.len() - 1);
    row.push_field(&last);
}

impl TextRows {
    pub fn open(
        mut read: Box<dyn BufRead + Send>,
        options: &TableOptions,
        fail: Fail<'_>,
    ) -> Result<(Self, Vec<String>), SourceError> {
        let start = read.fill_buf().map_err(|e| fail.io(e))?;
        let delimiter = delimiter(start);
        // Old Macintosh tables end their rows with CR alone.
        let terminator = if start.contains(&b'\r') && !start.contains(&b'\n') {
            b"\r"
        } else {
            b"\n"
        };
        let (read, seen) = Watched::new(read, delimiter, terminator, options.limits.row_bytes);
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            // A row ends at one byte alone, and the last row always has it: then
            // the lines in a row tell where the next one begins.
            .terminator(csv::Terminator::Any(terminator[0]))
            .buffer_capacity(BUFFER)
            .from_reader(read);
        let mut rows = Self {
            reader,
            seen,
            delimiter,
            columns: Vec::new(),
            first: None,
            declared: options.encoding.is_some(),
            cr_rows: (terminator == b"\r").then_some(0),
        };
        let mut record = StringRecord::new();
        let Some(line) = rows.record(&mut record, fail)? else {
            return Err(fail.table(None, None, "is empty", "give a table with a header row"));
        };
        let cells = || record.iter().map(|cell| cell.trim().to_owned());
        let positional = options.positional;
        if positional.is_empty() || cells().any(|cell| positional.contains(&cell.as_str())) {
            rows.columns = cells().collect();
        } else {
            rows.first = Some((record, line));
            rows.columns = positional.iter().map(|n| (*n).to_owned()).collect();
        }
        let columns = rows.columns.clone();
        Ok((rows, columns))
    }

    /// Reads one record and gives its first line.
    fn record(
        &mut self,
        record: &mut StringRecord,
        fail: Fail<'_>,
    ) -> Result<Option<u64>, SourceError> {
        let mut bytes = std::mem::take(record).into_byte_record();
        let line = self.reader.position().line();
        loop {
            let more = self.read_bytes(&mut bytes, line, fail)?;
            let open = self.seen.row_ended();
            if !more {
                return Ok(None);
            }
            if open {
                return Err(self.open_quote(&bytes, fail));
            }
            if let Some(late) = self.seen.closed_late(self.reader.position().byte()) {
                let problem = Late::problem(late.closed);
                return Err(fail.table(Some(late.opened), None, &problem, OPEN_QUOTE_REMEDY));
            }
            if !is_blank(&bytes) {
                break;
            }
        }
        let line = match &mut self.cr_rows {
            Some(rows) => {
                *rows += 1;
                *rows
            }
            None => first_line(&bytes, self.reader.position().line()),
        };
        trim_cr(&mut bytes);
        *record = StringRecord::from_byte_record(bytes)
            .map_err(|e| self.not_utf8(e.into_byte_record(), line, fail))?;
        Ok(Some(line))
    }

    fn read_bytes(
        &mut self,
        bytes: &mut ByteRecord,
        line: u64,
        fail: Fail<'_>,
    ) -> Result<bool, SourceError> {
        self.reader.read_byte_record(bytes).map_err(|e| {
            let row = Some(line);
            match e.into_kind() {
                csv::ErrorKind::Io(error) => match fail.io(error) {
                    SourceError::Table {
                        problem, remedy, ..
                    } => fail.table(row, None, &problem, &remedy),
                    other => other,
                },
                other => fail.table(row, None, &format!("{other:?}"), "correct the row"),
            }
        })
    }

    /// A quotation that nothing closes has taken the rest of the file into the
    /// last cell of the last row.
    fn open_quote(&self, row: &ByteRecord, fail: Fail<'_>) -> SourceError {
        let line = match self.cr_rows {
            Some(rows) => rows + 1,
            None => {
                let cell = row.iter().next_back().unwrap_or_default();
                let inner = cell.iter().filter(|b| **b == b'\n').count() as u64;
                // The cell holds every line from its own to the end.
                self.reader.position().line().saturating_sub(inner)
            }
        };
        let column = self.columns.get(row.len().saturating_sub(1));
        fail.table(
            Some(line),
            column.map(String::as_str),
            OPEN_QUOTE,
            OPEN_QUOTE_REMEDY,
        )
    }

    fn not_utf8(&self, bytes: ByteRecord, row: u64, fail: Fail<'_>) -> SourceError {
        let bad = bytes.iter().enumerate().find_map(|(i, cell)| {
            std::str::from_utf8(cell)
                .err()
                .map(|e| (i, cell[e.valid_up_to()]))
        });
        let (cell, byte) = bad.unwrap_or((0, 0));
        let remedy = if self.declared {
            "correct `encoding` in source.toml".to_owned()
        } else {
            format!(
                "save it as UTF-8, or declare its encoding in source.toml, probably `encoding = \"{}\"`",
                decode::likely_encoding(bytes.as_slice())
            )
        };
        let problem = format!(
            "cell {} holds the byte 0x{byte:02x}, which is not UTF-8",
            cell + 1
        );
        fail.table(Some(row), None, &problem, &remedy)
    }

    pub fn read(
        &mut self,
        record: &mut StringRecord,
        columns: usize,
        limits: &TableLimits,
        fail: Fail<'_>,
    ) -> Result<Option<Result<u64, BadRow>>, SourceError> {
        let row = match self.first.take() {
            Some((first, line)) => {
                *record = first;
                line
            }
            None => match self.record(record, fail)? {
                Some(line) => line,
                None => return Ok(None),
            },
        };
        let bad = |problem: String, remedy| {
            Ok(Some(Err(BadRow {
                row,
                problem,
                remedy,
            })))
        };
        if record.as_slice().len() > limits.row_bytes {
            return bad(
                format!("is longer than {} bytes", limits.row_bytes),
                "shorten it",
            );
        }
        let lines = record.as_slice().matches('\n').count() as u64;
        if record.len() != columns {
            let mut problem = format!("has {} cells where the header has {columns}", record.len());
            if lines > 0 {
                problem += &format!(", and goes on to row {}", row + lines);
                return bad(problem, "look for a quotation mark that is not closed");
            }
            return bad(
                problem,
                "put cells that hold the separator between quotation marks",
            );
        }
        if lines > 0 && reads_as_rows(record, char::from(self.delimiter)) {
            tracing::warn!(
                file = %fail.0.display(),
                row,
                to = row + lines,
                "a quoted cell holds what would be rows without its quotation marks; {OPEN_QUOTE_REMEDY}"
            );
        }
        if record.as_slice().contains('\0') {
            return bad("has a NUL byte".to_owned(), "remove it");
        }
        Ok(Some(Ok(row)))
    }
}

/// Comma, tab or semicolon: whichever stands most often in the first line, outside quotes.
fn delimiter(first: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b'\t', 0), (b';', 0)];
    for &byte in first {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => {
                if let Some((_, n)) = counts.iter_mut().find(|(d, _)| *d == byte) {
                    *n += 1;
                }
            }
        }
    }
    // The first of equals: the comma.
    counts
        .iter()
        .rev()
        .max_by_key(|(_, n)| *n)
        .map_or(b',', |(d, _)| *d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_reads_as_rows_is_told_from_one_of_lines() {
        let reads = |cells: &[&str]| reads_as_rows(&StringRecord::from(cells.to_vec()), ',');
        // a,"open,x / b,y,z / c,5",z
        assert!(reads(&["a", "open,x\nb,y,z\nc,5", "z"]));
        assert!(reads(&["a", "open,x\r\nb,y,z\r\nc,5", "z"]));
        assert!(!reads(&["a", "two\nlines", "x"]));
        assert!(!reads(&["a", "a list: x, y\nand z", "x"]));
        assert!(!reads(&["two\nlines"]));
    }
}
