//! Finding quotation marks that nothing closes, or the wrong thing.
//!
//! The last row of a file always gets a terminator. So a row that takes the
//! end of the file to end stands in an open quotation, which has taken the
//! rest of the file into its last cell.
//!
//! Where a later row has quotation marks, the first of them closes the one left
//! open, and the rows between are one cell: `"open` ... `"next"`. Every program
//! that writes CSV puts a separator or a line's end behind the closing mark; here
//! stands what the later cell begins with. That is sound where the cell spans
//! lines: a mark within a line (`"12" pipe"`) loses no row and is let be.

use std::{
    io::{self, Read},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use super::decode;

pub const OPEN_QUOTE: &str =
    "opens a quotation mark that is not closed, so the rest of the file is one cell";
pub const OPEN_QUOTE_REMEDY: &str = "close it, or write it twice where it belongs to the text";

/// Bytes that are read ahead of a row at most.
const AHEAD: usize = 1 << 17;

/// A table's bytes with a terminator behind them, watched as they pass.
pub struct Watched<R> {
    read: io::Chain<R, &'static [u8]>,
    marks: Marks,
    row_bytes: usize,
    seen: Seen,
}

/// What has passed. One reader on one thread at a time: no ordering is needed.
#[derive(Clone, Default)]
pub struct Seen(Arc<Shared>);

#[derive(Default)]
struct Shared {
    end: AtomicBool,
    since_row: AtomicUsize,
    late: OnceLock<Late>,
}

/// A quotation mark that a later row closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// Its place in bytes, from where reading began.
    at: u64,
    /// Its line, and that of the closing one; 1 is where reading began.
    pub opened: u64,
    pub closed: u64,
}

impl Late {
    pub fn problem(closed: u64) -> String {
        format!(
            "opens a quotation mark that is closed in row {closed}, so the rows between are one cell"
        )
    }
}

impl Seen {
    /// To be said after each row; whether it took the end of the file to end it.
    pub fn row_ended(&self) -> bool {
        self.0.since_row.store(0, Relaxed);
        self.0.end.load(Relaxed)
    }

    /// The first mark that a later row closes, where it stands before this byte: the end
    /// of the row that was read.
    pub fn closed_late(&self, before: u64) -> Option<Late> {
        self.0.late.get().copied().filter(|late| late.at < before)
    }
}

impl<R: Read> Watched<R> {
    /// `row_bytes`: most bytes of a row, so that an open quotation mark does not read the
    /// whole file into one cell.
    pub fn new(
        read: R,
        delimiter: u8,
        terminator: &'static [u8],
        row_bytes: usize,
    ) -> (Self, Seen) {
        let seen = Seen::default();
        let watched = Self {
            read: read.chain(terminator),
            marks: Marks::new(delimiter, terminator[0]),
            row_bytes,
            seen: seen.clone(),
        };
        (watched, seen)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.read.read(buffer)?;
        let seen = &self.seen.0;
        if got == 0 {
            seen.end.store(true, Relaxed);
        }
        if seen.late.get().is_none()
            && let Some(late) = self.marks.pass(&buffer[..got])
        {
            let _ = seen.late.set(late);
        }
        let total = seen.since_row.fetch_add(got, Relaxed) + got;
        if total > self.row_bytes + AHEAD {
            return Err(decode::unreadable(
                format!("has a row longer than {} bytes", self.row_bytes),
                "look for a quotation mark that is not closed",
            ));
        }
        Ok(got)
    }
}

/// Follows quotation marks as the csv library reads them.
struct Marks {
    delimiter: u8,
    terminator: u8,
    passed: u64,
    line: u64,
    /// Place and line of the mark that opened the cell.
    opened: (u64, u64),
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Where a cell begins: only here does a mark quote.
    Start,
    Plain,
    Quoted,
    /// Behind a mark in a quoted cell: the first of two, or the closing one.
    Mark,
    /// Behind the closing mark and white space.
    Closed,
}

impl Marks {
    fn new(delimiter: u8, terminator: u8) -> Self {
        Self {
            delimiter,
            terminator,
            passed: 0,
            line: 1,
            opened: (0, 1),
            at: At::Start,
        }
    }

    /// The first mark that opens a cell of several lines whose closing one has something
    /// behind it.
    fn pass(&mut self, bytes: &[u8]) -> Option<Late> {
        for &byte in bytes {
            self.at = match (self.at, byte) {
                (At::Start, b'"') => {
                    self.opened = (self.passed, self.line);
                    At::Quoted
                }
                (At::Quoted, b'"') => At::Mark,
                (At::Mark, b'"') => At::Quoted,
                (At::Quoted, _) => At::Quoted,
                (_, b) if b == self.delimiter || b == self.terminator => At::Start,
                (At::Mark | At::Closed, b' ' | b'\t' | b'\r') => At::Closed,
                (At::Mark | At::Closed, _) if self.line > self.opened.1 => {
                    return Some(Late {
                        at: self.opened.0,
                        opened: self.opened.1,
                        closed: self.line,
                    });
                }
                _ => At::Plain,
            };
            self.passed += 1;
            self.line += u64::from(byte == self.terminator);
        }
        None
    }
}
