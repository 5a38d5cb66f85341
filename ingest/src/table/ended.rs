//! Finding a quotation mark that nothing closes.
//!
//! The last row of a file always gets a terminator. So a row that takes the
//! end of the file to end stands in an open quotation, which has taken the
//! rest of the file into its last cell.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

pub const OPEN_QUOTE: &str =
    "opens a quotation mark that is not closed, so the rest of the file is one cell";
pub const OPEN_QUOTE_REMEDY: &str = "close it, or write it twice where it belongs to the text";

/// A table's bytes with a terminator behind them.
pub struct Ended<R> {
    read: io::Chain<R, &'static [u8]>,
    end: End,
}

/// Whether the end was read.
#[derive(Clone)]
pub struct End(Arc<AtomicBool>);

impl End {
    /// After a row: whether it took the end of the file to end it.
    pub fn was_read(&self) -> bool {
        // One reader on one thread at a time: no ordering is needed.
        self.0.load(Ordering::Relaxed)
    }
}

impl<R: Read> Ended<R> {
    pub fn new(read: R, terminator: &'static [u8]) -> (Self, End) {
        let end = End(Arc::default());
        let ended = Self {
            read: read.chain(terminator),
            end: end.clone(),
        };
        (ended, end)
    }
}

impl<R: Read> Read for Ended<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.read.read(buffer)?;
        if got == 0 {
            self.end.0.store(true, Ordering::Relaxed);
        }
        Ok(got)
    }
}
