//! Tables as people hand them in: CSV, TSV, semicolons, JSON lines or Parquet,
//! compressed or not, streamed row by row.
//!
//! What is wrong with the table as a whole (encoding, headers, a missing
//! column) is a [`SourceError`] that names file, row, column and remedy. What
//! is wrong with one row is a [`BadRow`], and reading goes on.
//!
//! An empty cell, a JSON `null` and a Parquet null are the same: the empty
//! text. Lists (JSON, Parquet) become texts joined by `|`.

mod decode;
mod json;
mod parquet;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod watched;

use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use csv::StringRecord;

use crate::source::SourceError;

/// What a table may cost. Memory stays at a few of `row_bytes`.
#[derive(Debug, Clone)]
pub struct TableLimits {
    /// Rows of a table.
    pub rows: u64,
    /// Bytes of one row.
    pub row_bytes: usize,
    pub columns: usize,
    /// Bytes of a whole table after decompression.
    pub bytes: u64,
}

impl Default for TableLimits {
    fn default() -> Self {
        Self {
            rows: 200_000_000,
            row_bytes: 1 << 20,
            columns: 1_000,
            bytes: 256 << 30,
        }
    }
}

/// How a table is read.
#[derive(Debug, Clone, Default)]
pub struct TableOptions {
    /// Declared text encoding (a WHATWG label); UTF-8, or UTF-16 with a byte order mark, when absent.
    pub encoding: Option<String>,
    /// Names of the columns of a table that may come without a header row. The
    /// first row is a header if one of its cells is one of these names.
    pub positional: &'static [&'static str],
    pub limits: TableLimits,
}

/// A row that cannot be used; the table goes on after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// 1 is the first line of the file (Parquet: the first row).
    pub row: u64,
    pub problem: String,
    pub remedy: &'static str,
}

/// One row, or why it is none.
pub type RowResult<'a> = Result<Row<'a>, BadRow>;

/// Cells of a row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// 1 is the first line of the file (Parquet: the first row).
    pub row: u64,
    cells: &'a StringRecord,
    selected: &'a [Option<usize>],
}

impl<'a> Row<'a> {
    /// The cell of the n-th selected column (see [`Table::select`]), without the
    /// white space around it; `None` where it is empty or not there.
    pub fn get(&self, n: usize) -> Option<&'a str> {
        let cell = self.cells.get((*self.selected.get(n)?)?)?.trim();
        (!cell.is_empty()).then_some(cell)
    }

    /// Every cell, in the order of [`Table::columns`].
    pub fn cells(&self) -> impl Iterator<Item = &'a str> {
        self.cells.iter().map(str::trim)
    }
}

enum Rows {
    Text(text::TextRows),
    Json(json::JsonRows),
    Parquet(parquet::ParquetRows),
}

/// A table being read.
pub struct Table {
    file: PathBuf,
    limits: TableLimits,
    columns: Vec<String>,
    wanted: Vec<String>,
    /// Where each wanted column stands.
    selected: Vec<Option<usize>>,
    /// Parquet columns of types that are no text, number, date or list of texts.
    unreadable: Vec<(String, String)>,
    rows: Rows,
    record: StringRecord,
    position: u64,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("file", &self.file)
            .field("columns", &self.columns)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// Opens a table. `file` is its name in errors; its format is taken from its content.
    pub fn open(
        read: Box<dyn Read + Send>,
        file: &Path,
        options: &TableOptions,
    ) -> Result<Self, SourceError> {
        let fail = Fail(file);
        let mut read = decode::decompressed(read, options.limits.bytes).map_err(|e| fail.io(e))?;
        let first = read.fill_buf().map_err(|e| fail.io(e))?;
        if first.is_empty() {
            return Err(fail.table(None, None, "is empty", "give a table with a header row"));
        }
        let mut table = Self {
            file: file.to_owned(),
            limits: options.limits.clone(),
            columns: Vec::new(),
            wanted: Vec::new(),
            selected: Vec::new(),
            unreadable: Vec::new(),
            rows: Rows::Json(json::JsonRows::new(Box::new(io::empty()))),
            record: StringRecord::new(),
            position: 0,
        };
        match first {
            [b'P', b'A', b'R', b'1', ..] => {
                let (rows, columns, unreadable) =
                    parquet::ParquetRows::open(read, &options.limits, fail)?;
                (table.columns, table.unreadable) = (columns, unreadable);
                table.rows = Rows::Parquet(rows);
            }
            [b'P', b'K', 3, 4, ..] => {
                return Err(fail.table(
                    None,
                    None,
                    "is a zip or spreadsheet file",
                    "export the sheet as CSV",
                ));
            }
            _ => {
                let text = decode::utf8(read, options.encoding.as_deref(), fail)?;
                let mut text = BufReader::with_capacity(text::BUFFER, text);
                let first = text.fill_buf().map_err(|e| fail.io(e))?;
                match first.iter().find(|b| !b.is_ascii_whitespace()) {
                    Some(b'{') => table.rows = Rows::Json(json::JsonRows::new(Box::new(text))),
                    Some(b'[') => {
                        return Err(fail.table(
                            Some(1),
                            None,
                            "is a JSON array",
                            "write one JSON object a line, without brackets and commas around them",
                        ));
                    }
                    Some(b'<') => {
                        return Err(fail.table(
                            Some(1),
                            None,
                            "is HTML or XML",
                            "give the table itself; was an error page saved in its place?",
                        ));
                    }
                    _ => {
                        let (rows, columns) = text::TextRows::open(Box::new(text), options, fail)?;
                        table.columns = columns;
                        table.rows = Rows::Text(rows);
                    }
                }
            }
        }
        table.check_headers()?;
        Ok(table)
    }

    fn check_headers(&self) -> Result<(), SourceError> {
        let fail = Fail(&self.file);
        if self.columns.len() > self.limits.columns {
            return Err(fail.table(
                Some(1),
                None,
                &format!(
                    "has {} columns, more than {}",
                    self.columns.len(),
                    self.limits.columns
                ),
                "leave out those that are not needed",
            ));
        }
        for (i, name) in self.columns.iter().enumerate() {
            let earlier = self.columns[..i].iter().position(|n| n == name);
            if let Some(j) = earlier.filter(|_| !name.is_empty()) {
                return Err(fail.table(
                    Some(1),
                    Some(name),
                    &format!("stands in columns {} and {}", j + 1, i + 1),
                    "rename or remove one of them",
                ));
            }
        }
        Ok(())
    }

    /// Names of the columns; of JSON lines, of those seen so far.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Says which columns [`Row::get`] is asked for; those that are not there
    /// are empty in every row.
    pub fn select<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), SourceError> {
        self.wanted = names.into_iter().map(str::to_owned).collect();
        self.find_selected()
    }

    fn find_selected(&mut self) -> Result<(), SourceError> {
        self.selected = self
            .wanted
            .iter()
            .map(|name| self.column(name))
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Where a column stands; an error where it holds what cannot be read as text.
    fn column(&self, name: &str) -> Result<Option<usize>, SourceError> {
        if let Some((_, kind)) = self.unreadable.iter().find(|(n, _)| n == name) {
            return Err(Fail(&self.file).table(
                None,
                Some(name),
                &format!("holds values of type `{kind}`"),
                "store it as text, number, date or list of texts",
            ));
        }
        Ok(self.columns.iter().position(|n| n == name))
    }

    /// A column that must be there; where it is not, the error names the nearest one.
    /// (Keys of JSON lines may come later, so there every column may be.)
    pub fn require(&self, name: &str) -> Result<(), SourceError> {
        if self.column(name)?.is_some() || matches!(self.rows, Rows::Json(_)) {
            return Ok(());
        }
        let nearest = self
            .columns
            .iter()
            .filter(|n| !n.is_empty())
            .map(|n| (strsim::damerau_levenshtein(&n.to_lowercase(), name), n))
            .min();
        let remedy = match nearest {
            Some((distance, n)) if distance <= 1 + name.len() / 3 => {
                format!("did you mean `{n}`? rename it, or name it under `columns` in source.toml")
            }
            _ => format!(
                "the columns are `{}`; add it, or name it under `columns` in source.toml",
                self.columns.join("`, `")
            ),
        };
        Err(Fail(&self.file).table(Some(1), Some(name), "is missing", &remedy))
    }

    /// Rows given out so far, bad ones included: where to go on.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes on after `rows` rows from the start. Only forward.
    pub fn skip_to(&mut self, rows: u64) -> Result<(), SourceError> {
        if let Rows::Parquet(parquet) = &mut self.rows {
            parquet.skip_to(rows, Fail(&self.file))?;
            self.position = rows;
        }
        while self.position < rows && self.next()?.is_some() {}
        Ok(())
    }

    /// The next row, `None` at the end.
    #[allow(clippy::should_implement_trait)] // it lends the row
    pub fn next(&mut self) -> Result<Option<RowResult<'_>>, SourceError> {
        let fail = Fail(&self.file);
        let width = self.columns.len();
        let read = match &mut self.rows {
            Rows::Text(rows) => rows.read(&mut self.record, self.columns.len(), &self.limits, fail),
            Rows::Json(rows) => rows.read(&mut self.record, &mut self.columns, &self.limits, fail),
            Rows::Parquet(rows) => rows.read(&mut self.record, &self.limits, fail),
        };
        let Some(outcome) = read? else {
            return Ok(None);
        };
        if self.position >= self.limits.rows {
            return Err(fail.table(
                None,
                None,
                &format!("has more than {} rows", self.limits.rows),
                "split it",
            ));
        }
        self.position += 1;
        if self.columns.len() != width {
            self.find_selected()?; // a line of JSON brought a new key
        }
        Ok(Some(outcome.map(|row| Row {
            row,
            cells: &self.record,
            selected: &self.selected,
        })))
    }
}

/// Makes errors about one file.
#[derive(Clone, Copy)]
struct Fail<'a>(&'a Path);

impl Fail<'_> {
    fn table(
        self,
        row: Option<u64>,
        column: Option<&str>,
        problem: &str,
        remedy: &str,
    ) -> SourceError {
        SourceError::Table {
            file: self.0.to_owned(),
            row,
            column: column.map(|c| c.chars().take(80).collect()),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    /// Errors of reading: those we made ourselves are about the content.
    fn io(self, error: io::Error) -> SourceError {
        match error
            .get_ref()
            .and_then(|e| e.downcast_ref::<decode::Unreadable>())
        {
            Some(content) => self.table(None, None, &content.problem, content.remedy),
            None => SourceError::Io {
                path: self.0.to_owned(),
                error,
            },
        }
    }
}
