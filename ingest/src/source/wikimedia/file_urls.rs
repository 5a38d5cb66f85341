//! Addresses of files become titles.
//!
//! Google Landmarks' `train.csv` (`id,url,landmark_id`) names files by where
//! their bytes were: `http://upload.wikimedia.org/wikipedia/commons/6/6d/Name.JPG`.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::client::quote;
use crate::{
    source::SourceError,
    table::watched::{Late, OPEN_QUOTE, OPEN_QUOTE_REMEDY, Seen, Watched},
};

/// Longest title asked for, in bytes; MediaWiki's own limit is 255.
pub const MAX_TITLE: usize = 255;

/// Longest row of a table, in bytes, over all its fields.
const MAX_ROW: usize = 64 << 10;

/// A row of a table of file URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// 1 = the header.
    pub line: u64,
    /// The title, or why there is none.
    pub title: Result<String, String>,
    /// What the table calls the row; the URL where it has no `id`.
    pub name: String,
    /// `(label, origin)`.
    pub labels: Vec<(String, &'static str)>,
}

/// A table being read from some place on.
pub struct Table {
    path: PathBuf,
    reader: csv::Reader<Watched<File>>,
    seen: Seen,
    /// Where `reader` began.
    from: u64,
    header: Vec<String>,
    url: usize,
    id: Option<usize>,
    labels: Vec<(usize, &'static str)>,
}

impl Table {
    /// Opens `path`, reads its header and goes to `position` (0: the first row).
    pub fn open(path: &Path, position: u64) -> Result<Self, SourceError> {
        let io_error = |error: io::Error| SourceError::Io {
            path: path.to_owned(),
            error,
        };
        let file = File::open(path).map_err(io_error)?;
        let mut options = csv::ReaderBuilder::new();
        options.flexible(true);
        let watched = |file| Watched::new(file, b',', b"\n", MAX_ROW);
        let (read, seen) = watched(file);
        let mut reader = options.from_reader(read);
        let broken = |e: csv::Error| table_error(path, &e);
        let header = reader.byte_headers().map_err(broken)?.clone();
        let names = header
            .iter()
            .map(|n| String::from_utf8_lossy(n).into_owned());
        let names: Vec<String> = names.collect();
        if seen.row_ended() && !header.is_empty() {
            return Err(quote_error(path, 1, None, OPEN_QUOTE));
        }
        let column = |wanted: &str| {
            header.iter().position(|name| {
                let name = name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name);
                name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
            })
        };
        let url = column("url").ok_or_else(|| SourceError::Table {
            file: path.to_owned(),
            row: Some(1),
            column: Some("url".to_owned()),
            problem: "the header has no such column".to_owned(),
            remedy: "the table needs `id,url` and optionally `landmark_id` or `label`".to_owned(),
        })?;
        let id = column("id");
        let labels = [("landmark_id", "landmark_id"), ("label", "declared")];
        let labels = labels
            .into_iter()
            .filter_map(|(name, origin)| Some((column(name)?, origin)))
            .collect();
        // Lines are counted by their own number, kept in the checkpoint.
        let from = match position {
            0 => reader.position().byte(),
            position => position,
        };
        let mut file = File::open(path).map_err(io_error)?;
        file.seek(SeekFrom::Start(from)).map_err(io_error)?;
        let (read, seen) = watched(file);
        Ok(Self {
            path: path.to_owned(),
            reader: options.has_headers(false).from_reader(read),
            seen,
            from,
            header: names,
            url,
            id,
            labels,
        })
    }

    /// The place in the file after the last row read, in bytes.
    pub fn position(&self) -> u64 {
        self.from + self.reader.position().byte()
    }

    /// At most `count` rows; `line` is the line of the first of them.
    pub fn rows(&mut self, count: usize, line: u64) -> Result<Vec<Row>, SourceError> {
        let mut rows = Vec::new();
        let mut record = csv::ByteRecord::new();
        while rows.len() < count {
            let more = self
                .reader
                .read_byte_record(&mut record)
                .map_err(|e| table_error(&self.path, &e))?;
            if !more {
                break;
            }
            let row = line + rows.len() as u64;
            if self.seen.row_ended() {
                let column = self.header.get(record.len().saturating_sub(1));
                return Err(quote_error(&self.path, row, column, OPEN_QUOTE));
            }
            if let Some(late) = self.seen.closed_late(self.reader.position().byte()) {
                let problem = Late::problem(row + late.closed - late.opened);
                return Err(quote_error(&self.path, row, None, &problem));
            }
            rows.push(self.row(&record, row));
        }
        Ok(rows)
    }

    fn row(&self, record: &csv::ByteRecord, line: u64) -> Row {
        let field = |at: usize| {
            let bytes = record.get(at)?.trim_ascii();
            (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
        };
        let url = field(self.url);
        let title = match &url {
            _ if record.as_slice().len() > MAX_ROW => {
                Err(format!("the row is longer than {MAX_ROW} bytes"))
            }
            None => Err("the row has no `url`".to_owned()),
            Some(url) => title_of(url).ok_or_else(|| format!("`{}` names no file", quote(url))),
        };
        let name = self.id.and_then(field).or(url);
        let labels = self
            .labels
            .iter()
            .filter_map(|&(at, origin)| Some((field(at).filter(|l| l.len() <= 1_000)?, origin)));
        Row {
            line,
            title,
            name: name.map_or_else(|| format!("row {line}"), |n| quote(&n)),
            labels: labels.collect(),
        }
    }
}

fn quote_error(path: &Path, row: u64, column: Option<&String>, problem: &str) -> SourceError {
    SourceError::Table {
        file: path.to_owned(),
        row: Some(row),
        column: column.map(|c| c.chars().take(80).collect()),
        problem: problem.to_owned(),
        remedy: OPEN_QUOTE_REMEDY.to_owned(),
    }
}

fn table_error(path: &Path, error: &csv::Error) -> SourceError {
    SourceError::Table {
        file: path.to_owned(),
        row: error.position().map(csv::Position::line),
        column: None,
        problem: error.to_string(),
        remedy: "save the table as CSV in UTF-8".to_owned(),
    }
}

/// `File:Name.JPG` of an address of a MediaWiki file: the file itself, its
/// thumbnail, an older version, its page or `Special:FilePath`.
pub fn title_of(address: &str) -> Option<String> {
    let address = match address.strip_prefix("//") {
        Some(rest) => format!("https://{rest}"),
        None => address.to_owned(),
    };
    let url = url::Url::parse(&address).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let parts: Vec<&str> = url.path_segments()?.filter(|p| !p.is_empty()).collect();
    let name = match *parts.as_slice() {
        [.., "wiki", page] => file_page(&decoded(page)?)?,
        [.., "wiki", "Special:FilePath", name] => decoded(name)?,
        // .../6/6d/Name.JPG and, below `thumb`, .../6/6d/Name.JPG/800px-Name.JPG
        [.., a, ab, name] if is_hashed(a, ab) => decoded(name)?,
        [.., a, ab, name, _] if is_hashed(a, ab) && parts.contains(&"thumb") => decoded(name)?,
        // A wiki without hashed folders.
        [.., "images", name] => decoded(name)?,
        _ => return None,
    };
    // An older version: archive/6/6d/20100101000000!Name.JPG
    let name = match name.split_once('!') {
        Some((time, rest)) if parts.contains(&"archive") && time.len() == 14 => rest.to_owned(),
        _ => name,
    };
    checked(&format!("File:{}", name.replace('_', " ").trim()))
}

fn file_page(title: &str) -> Option<String> {
    let (namespace, name) = title.split_once(':')?;
    match namespace.to_ascii_lowercase().as_str() {
        "file" | "image" => Some(name.to_owned()),
        "special" => Some(name.strip_prefix("FilePath/")?.to_owned()),
        _ => None,
    }
}

/// MediaWiki's folders: the first one and the first two hex digits of an MD5.
fn is_hashed(a: &str, ab: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    a.len() == 1 && ab.len() == 2 && ab.starts_with(a) && ab.bytes().all(hex)
}

/// A title that can be asked for among others: it cannot hold what separates
/// titles, fragments or lines.
pub fn checked(title: &str) -> Option<String> {
    let fits = |c: char| !c.is_control() && !"|#<>[]{}\u{fffd}".contains(c);
    let name = title.split_once(':').map_or(title, |(_, name)| name);
    let good = !name.trim().is_empty() && title.len() <= MAX_TITLE && title.chars().all(fits);
    good.then(|| title.to_owned())
}

/// Percent-encoding undone, where that is UTF-8.
pub fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_files_become_titles() {
        for (address, title) in [
            (
                "https://upload.wikimedia.org/wikipedia/commons/6/6d/Lateral_view_of_one_of_the_buildings.JPG",
                "File:Lateral view of one of the buildings.JPG",
            ),
            (
                "http://upload.wikimedia.org/wikipedia/commons/a/a8/Banco_de_M%C3%A9xico%27s_section.JPG",
                "File:Banco de México's section.JPG",
            ),
            (
                "//upload.wikimedia.org/wikipedia/commons/thumb/a/a8/A.jpg/800px-A.jpg",
                "File:A.jpg",
            ),
            (
                "https://upload.wikimedia.org/wikipedia/commons/archive/a/a8/20100101000000%21A.jpg",
                "File:A.jpg",
            ),
            (
                "https://commons.wikimedia.org/wiki/File:A_b.jpg",
                "File:A b.jpg",
            ),
            (
                "https://commons.wikimedia.org/wiki/Special:FilePath/A_b.jpg",
                "File:A b.jpg",
            ),
            ("http://127.0.0.1:8080/images/A_b.jpg", "File:A b.jpg"),
        ] {
            assert_eq!(title_of(address).as_deref(), Some(title), "{address}");
        }
    }

    #[test]
    fn a_quote_open_at_the_end_is_an_error_and_positions_are_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.csv");
        let head = "id,url,label\n1,http://a.example/images/A.jpg,\"two\nlines\"\n";
        std::fs::write(
            &path,
            format!("{head}2,http://a.example/images/B.jpg,\"open\n3,x,y\n"),
        )
        .unwrap();
        let mut table = Table::open(&path, 0).unwrap();
        let rows = table.rows(1, 2).unwrap();
        assert_eq!(rows[0].title.as_deref(), Ok("File:A.jpg"));
        assert_eq!(table.position(), head.len() as u64);
        let error = table.rows(10, 3).unwrap_err().to_string();
        assert!(
            error.contains("row 3, column `label`: opens a quotation mark"),
            "{error}"
        );
        // From there on, as after a kill; and to the end, with and without a last line end.
        for end in ["\n", ""] {
            std::fs::write(
                &path,
                format!("{head}2,http://a.example/images/B.jpg,x{end}"),
            )
            .unwrap();
            let mut table = Table::open(&path, head.len() as u64).unwrap();
            assert_eq!(table.rows(10, 3).unwrap().len(), 1);
            let mut table = Table::open(&path, table.position()).unwrap();
            assert_eq!(table.rows(10, 4).unwrap(), []);
        }
    }

    #[test]
    fn a_byte_order_mark_moves_no_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.csv");
        let text =
            "\u{feff}id,url\n1,http://a.example/images/A.jpg\n2,http://a.example/images/B.jpg\n";
        std::fs::write(&path, text).unwrap();
        let mut table = Table::open(&path, 0).unwrap();
        let first = table.rows(1, 2).unwrap();
        assert_eq!(
            (first[0].name.as_str(), first[0].title.as_deref()),
            ("1", Ok("File:A.jpg"))
        );
        let mut table = Table::open(&path, table.position()).unwrap();
        let second = table.rows(1, 3).unwrap();
        assert_eq!(
            (second[0].name.as_str(), second[0].title.as_deref()),
            ("2", Ok("File:B.jpg"))
        );
    }

    #[test]
    fn an_open_quote_does_not_read_the_file_into_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.csv");
        let row = "2,http://a.example/images/A.jpg\n";
        let text = format!("id,url\n1,\"http://a.example\n{}", row.repeat(100_000));
        std::fs::write(&path, text).unwrap();
        let error = Table::open(&path, 0)
            .unwrap()
            .rows(1, 2)
            .unwrap_err()
            .to_string();
        assert!(error.contains("longer than"), "{error}");
        let text = format!("id,url\n1,\"http://a.example\n{row}3,\"x\"\n");
        std::fs::write(&path, text).unwrap();
        let error = Table::open(&path, 0)
            .unwrap()
            .rows(1, 2)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("row 2: opens a quotation mark that is closed in row 4"),
            "{error}"
        );
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for address in [
            "",
            "None",
            "ftp://upload.wikimedia.org/wikipedia/commons/6/6d/A.jpg",
            "https://upload.wikimedia.org/wikipedia/commons/6/7d/A.jpg",
            "https://upload.wikimedia.org/wikipedia/commons/6/6d/%FF.jpg",
            "https://upload.wikimedia.org/wikipedia/commons/6/6d/A%7CB.jpg",
            "https://upload.wikimedia.org/wikipedia/commons/6/6d/A%0AB.jpg",
            "https://upload.wikimedia.org/wikipedia/commons/6/6d/%20",
            "https://commons.wikimedia.org/wiki/User:A",
        ] {
            assert_eq!(title_of(address), None, "{address}");
        }
        let long = "x".repeat(300);
        let address = format!("https://upload.wikimedia.org/wikipedia/commons/6/6d/{long}");
        assert_eq!(title_of(&address), None);
    }
}
