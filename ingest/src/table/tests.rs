use std::{io::Write, sync::Arc};

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray, types::Int32Type,
};
use proptest::prelude::*;

use super::*;

fn open(bytes: &[u8], options: &TableOptions) -> Result<Table, SourceError> {
    let read = Box::new(io::Cursor::new(bytes.to_vec()));
    Table::open(read, Path::new("drop/contributions.csv"), options)
}

fn table(bytes: &[u8]) -> Table {
    open(bytes, &TableOptions::default()).unwrap()
}

/// Every row as `line: cells`, bad ones as `line! problem`.
fn rows(table: &mut Table) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(row) = table.next().unwrap() {
        all.push(match row {
            Ok(row) => {
                let cells: Vec<_> = row.cells.iter().collect();
                format!("{}: {}", row.row, cells.join("~"))
            }
            Err(bad) => format!("{}! {}", bad.row, bad.problem),
        });
    }
    all
}

fn message(bytes: &[u8]) -> String {
    match open(bytes, &TableOptions::default()) {
        Err(e) => e.to_string(),
        Ok(mut table) => loop {
            match table.next() {
                Err(e) => return e.to_string(),
                Ok(Some(_)) => {}
                Ok(None) => panic!("no error in {bytes:?}"),
            }
        },
    }
}

#[test]
fn csv_as_people_write_it() {
    let text = "\u{feff}file, licence \r\na.jpg,\"CC-BY-4.0\"\r\n\r\n\"b,1.jpg\",\"two\r\nlines \"\"q\"\"\"\r\nc.jpg,";
    let mut t = table(text.as_bytes());
    assert_eq!(t.columns(), ["file", "licence"]);
    assert_eq!(
        rows(&mut t),
        [
            "2: a.jpg~CC-BY-4.0",
            "4: b,1.jpg~two\r\nlines \"q\"",
            "6: c.jpg~"
        ]
    );
    let mut t = table(b"file\tlicence\na,b.jpg\tMIT\n");
    assert_eq!(rows(&mut t), ["2: a,b.jpg~MIT"]);
    let mut t = table(b"file;licence\na,b.jpg;MIT\n");
    assert_eq!(rows(&mut t), ["2: a,b.jpg~MIT"]);
    let mut t = table(b"file\ronly\rold mac\r");
    assert_eq!(t.columns(), ["file"]);
    assert_eq!(rows(&mut t).len(), 2);
}

#[test]
fn a_ragged_row_and_a_nul_are_bad_rows_and_the_others_stand() {
    let mut t = table(b"file,licence\na.jpg,MIT,x\nb.jpg\nc.jpg,M\0T\nd.jpg,MIT\n");
    assert_eq!(
        rows(&mut t),
        [
            "2! has 3 cells where the header has 2",
            "3! has 1 cells where the header has 2",
            "4! has a NUL byte",
            "5: d.jpg~MIT",
        ]
    );
    assert_eq!(t.position(), 4);
}

#[test]
fn what_is_wrong_with_a_table_names_file_row_column_and_remedy() {
    for (bytes, parts) in [
        (
            &b"file,licence,file\n"[..],
            &["column `file`", "columns 1 and 3", "rename"][..],
        ),
        (b"", &["drop/contributions.csv", "is empty"]),
        (b"\n\n", &["is empty"]),
        (b"<!DOCTYPE html>", &["is HTML"]),
        (b"[{\"file\":1}]", &["JSON array", "one JSON object a line"]),
        (
            b"PK\x03\x04....",
            &["spreadsheet", "export the sheet as CSV"],
        ),
        (b"\x1f\x8bno gzip at all", &["cannot be decompressed"]),
        (b"PAR1 no parquet", &["no readable Parquet file"]),
        ("file,by\na,José\n".as_bytes(), &["no error"]),
        (
            b"file,by\na,b\nb,Jos\xe9\n",
            &["row 3", "cell 2", "0xe9", "windows-1252"],
        ),
        (
            b"file,by\na,\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd\n",
            &["row 2", "shift_jis"],
        ),
        (b"file,by\na,\xd6\xd0\xce\xc4\xcd\xbc\xcf\xf1\n", &["gbk"]),
    ] {
        if parts == ["no error"] {
            assert_eq!(rows(&mut table(bytes)).len(), 1);
            continue;
        }
        let text = message(bytes);
        for part in parts {
            assert!(text.contains(part), "`{part}` not in: {text}");
        }
    }
    let russian = "file,by\na,Вид на город и реку с холма ранним утром; снято весной\n";
    let text = message(&encoding_rs::WINDOWS_1251.encode(russian).0);
    assert!(text.contains("windows-1251"), "{text}");
    let t = table(b"File,licens,x\n");
    let e = t.require("licence").unwrap_err().to_string();
    assert!(
        e.contains("column `licence`: is missing; did you mean `licens`?"),
        "{e}"
    );
    let e = t.require("file").unwrap_err().to_string();
    assert!(e.contains("did you mean `File`?"), "{e}");
    let e = t.require("consent").unwrap_err().to_string();
    assert!(e.contains("the columns are `File`, `licens`, `x`"), "{e}");
}

#[test]
fn declared_encodings_are_decoded() {
    let declared = |label: &str| TableOptions {
        encoding: Some(label.to_owned()),
        ..Default::default()
    };
    let mut t = open(b"file,by\na,Jos\xe9 \x80\n", &declared("windows-1252")).unwrap();
    assert_eq!(rows(&mut t), ["2: a~José €"]);
    let mut t = open(b"file,by\na,\x82\xb1\n", &declared("shift_jis")).unwrap();
    assert_eq!(rows(&mut t), ["2: a~こ"]);
    for big in [false, true] {
        let text = "\u{feff}file,by\na,日本\n";
        let utf16: Vec<u8> = text
            .encode_utf16()
            .flat_map(|u| {
                if big {
                    u.to_be_bytes()
                } else {
                    u.to_le_bytes()
                }
            })
            .collect();
        assert_eq!(rows(&mut table(&utf16)), ["2: a~日本"]);
    }
    let e = open(b"file\n", &declared("latin-99"))
        .unwrap_err()
        .to_string();
    assert!(e.contains("`latin-99`, which is unknown"), "{e}");
    let e = open(b"file,by\na,\x82\n\xff\xff", &declared("euc-jp"))
        .unwrap_err()
        .to_string();
    assert!(
        e.contains("is not `EUC-JP`") && e.contains("correct `encoding`"),
        "{e}"
    );
}

#[test]
fn a_quote_open_at_the_end_is_named_with_its_row_and_column() {
    let said = |row: u64, column: &str| {
        format!(
            "drop/contributions.csv, row {row}, column `{column}`: opens a quotation mark that is \
             not closed, so the rest of the file is one cell; close it, or write it twice where \
             it belongs to the text"
        )
    };
    let head = "file,note,licence\n";
    for (text, row, column) in [
        ("a,\"open,x\nb,y,z\nc,y,z\n", 2, "note"),
        ("a,\"open,x\nb,y,z", 2, "note"),
        ("a,x,y\nb,\"two\nlines\",\"open\nc,x,y\n", 4, "licence"),
        ("a,x,\"", 2, "licence"),
        ("a,x,\"\n", 2, "licence"),
        ("a,x,y\n\"open,x,y\n", 3, "file"),
        ("a,x,\"twice\"\"\n", 2, "licence"),
    ] {
        assert_eq!(
            message(format!("{head}{text}").as_bytes()),
            said(row, column),
            "{text}"
        );
        let crlf = format!("{head}{text}").replace('\n', "\r\n");
        assert_eq!(message(crlf.as_bytes()), said(row, column), "{text}, CRLF");
    }
    assert_eq!(
        message(b"file,\"note\na,b\n"),
        "drop/contributions.csv, row 1: opens a quotation mark that is not closed, so the rest of \
         the file is one cell; close it, or write it twice where it belongs to the text"
    );
    // The rows before it are read, and what is closed may span lines and end the file.
    let mut t = table(b"file,note\na,x\nb,\"open\n");
    assert_eq!(t.next().unwrap().unwrap().unwrap().row, 2);
    assert!(t.next().is_err());
    for closed in [
        "a,\"two\nlines\"",
        "a,\"two\nlines\n\"",
        "a,\"two\nlines\n\"\r\n\r\n",
        "a,\"\"",
    ] {
        let rows = rows(&mut table(format!("file,note\n{closed}").as_bytes()));
        assert_eq!(rows.len(), 1, "{closed:?}");
    }
}

#[test]
fn an_open_quote_does_not_swallow_the_file() {
    let mut bytes = b"file,licence\na,MIT\nb,\"MIT\n".to_vec();
    bytes.extend(b"c,MIT\n".repeat(1 << 19));
    let text = message(&bytes);
    assert!(text.contains("row 3: has a row longer than"), "{text}");
    assert!(text.contains("quotation mark"), "{text}");
    // A row just over the limit, with its end in sight, is a bad row.
    let mut bytes = b"file\n".to_vec();
    bytes.extend(vec![b'x'; (1 << 20) + 1]);
    bytes.extend(b"\nlast\n");
    let all = rows(&mut table(&bytes));
    assert_eq!(all, ["2! is longer than 1048576 bytes", "3: last"]);
}

#[test]
fn limits_hold() {
    let limits = |limits| TableOptions {
        limits,
        ..Default::default()
    };
    let few = limits(TableLimits {
        rows: 2,
        ..Default::default()
    });
    let mut t = open(b"f\n1\n2\n3\n", &few).unwrap();
    assert!(t.next().unwrap().is_some() && t.next().unwrap().is_some());
    assert!(
        t.next()
            .unwrap_err()
            .to_string()
            .contains("more than 2 rows")
    );
    let wide = limits(TableLimits {
        columns: 2,
        ..Default::default()
    });
    assert!(
        open(b"a,b,c\n", &wide)
            .unwrap_err()
            .to_string()
            .contains("3 columns")
    );
    // A compressed bomb: 64 MiB of one column against a limit of 1 MiB.
    let small = limits(TableLimits {
        bytes: 1 << 20,
        ..Default::default()
    });
    let bomb = zstd::encode_all(&b"f\n".repeat(32 << 20)[..], 1).unwrap();
    let mut t = open(&bomb, &small).unwrap();
    let error = loop {
        match t.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no limit"),
            Err(e) => break e.to_string(),
        }
    };
    assert!(error.contains("more than 1048576 bytes"), "{error}");
}

#[test]
fn compressed_tables_are_read_by_content() {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(b"file\na\n").unwrap();
    assert_eq!(rows(&mut table(&gz.finish().unwrap())), ["2: a"]);
    assert_eq!(
        rows(&mut table(&zstd::encode_all(&b"file\na\n"[..], 1).unwrap())),
        ["2: a"]
    );
    // Truncated: what could be read is followed by an error.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&b"file,licence\na,b\n".repeat(10_000))
        .unwrap();
    let whole = gz.finish().unwrap();
    let text = message(&whole[..whole.len() / 2]);
    assert!(text.contains("cannot be decompressed"), "{text}");
}

#[test]
fn a_table_may_come_without_header() {
    let options = TableOptions {
        positional: &["image_id", "labels"],
        ..Default::default()
    };
    let mut t = open(b"2b2b,/m/07j7r\n2b2c,/m/0k5j /m/09cjl\n", &options).unwrap();
    assert_eq!(t.columns(), ["image_id", "labels"]);
    assert_eq!(
        rows(&mut t),
        ["1: 2b2b~/m/07j7r", "2: 2b2c~/m/0k5j /m/09cjl"]
    );
    let mut t = open(b"labels,image_id\n/m/07j7r,2b2b\n", &options).unwrap();
    assert_eq!(t.columns(), ["labels", "image_id"]);
    assert_eq!(rows(&mut t), ["2: /m/07j7r~2b2b"]);
}

#[test]
fn json_lines() {
    let text = concat!(
        "{\"file\":\"a.jpg\",\"latitude\":1.5,\"labels\":[\"x\",\"y z\"],\"consent\":null}\n",
        "\n",
        "{\"file\":\"b.jpg\",\n",
        "{\"file\":\"c.jpg\",\"file\":\"d.jpg\"}\n",
        "{\"file\":{\"a\":1}}\n",
        "[1]\n",
        "{\"extra\":true}\r\n",
    );
    let mut t = table(text.as_bytes());
    let all = rows(&mut t);
    assert_eq!(all[0], "1: a.jpg~1.5~x|y z~");
    assert!(
        all[1].starts_with("3! is no JSON object at column"),
        "{all:?}"
    );
    assert!(all[2].contains("the key `file` stands twice"), "{all:?}");
    assert!(all[3].contains("holds an object in `file`"), "{all:?}");
    assert!(all[4].starts_with("6! is no JSON object"), "{all:?}");
    assert_eq!(all[5], "7: ~~~~true");
    assert_eq!(
        t.columns(),
        ["file", "latitude", "labels", "consent", "extra"]
    );
    // A line over the limit is one bad row.
    let long = format!(
        "{{\"file\":\"{}\"}}\n{{\"file\":\"b\"}}\n",
        "x".repeat(1 << 20)
    );
    let all = rows(&mut table(long.as_bytes()));
    assert_eq!(all, ["1! is longer than 1048576 bytes", "2: b"]);
    // Depth is bounded by the parser.
    let deep = format!("{{\"a\":{}1{}}}\n", "[".repeat(5000), "]".repeat(5000));
    assert!(rows(&mut table(deep.as_bytes()))[0].starts_with("1! is no JSON object"));
}

fn parquet_of(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn parquet_whose_cells_would_fill_the_memory_is_refused_unread() {
    let huge = "x".repeat(32 << 20);
    let bytes = parquet_of(vec![
        ("file", Arc::new(StringArray::from(vec!["a.jpg"]))),
        ("title", Arc::new(StringArray::from(vec![huge.as_str()]))),
    ]);
    let text = open(&bytes, &TableOptions::default())
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(text.contains("column `title`"), "{text}");
    assert!(text.contains("for 1 rows"), "{text}");
}

#[test]
fn parquet_is_read_as_text_and_wrong_types_are_named() {
    let ids: StringArray = (0..3000).map(|i| Some(format!("{i}.jpg"))).collect();
    let n = 3000;
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..n).map(|i| Some(vec![Some(i as i32), Some(7)])),
    );
    let image = StructArray::from(vec![(
        Arc::new(arrow_schema::Field::new(
            "bytes",
            arrow_schema::DataType::Int64,
            false,
        )),
        Arc::new(Int64Array::from(vec![1; n])) as ArrayRef,
    )]);
    let bytes = parquet_of(vec![
        ("file", Arc::new(ids)),
        ("image", Arc::new(image)),
        (
            "latitude",
            Arc::new(Float64Array::from(vec![Some(1.25); n])),
        ),
        ("labels", Arc::new(lists)),
        (
            "captured_at",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(
                    1_700_000_000_000_000
                );
                n
            ])),
        ),
        ("title", Arc::new(StringArray::new_null(n))),
    ]);
    let mut t = table(&bytes);
    assert_eq!(
        t.columns(),
        ["file", "latitude", "labels", "captured_at", "title"]
    );
    let e = t.column("image").unwrap_err().to_string();
    assert!(
        e.contains("column `image`: holds values of type `Struct"),
        "{e}"
    );
    let all = rows(&mut t);
    assert_eq!(all.len(), n);
    assert_eq!(
        all[1500],
        "1501: 1500.jpg~1.25~1500|7~2023-11-14T22:13:20Z~"
    );
    let mut t = table(&bytes);
    t.skip_to(2990).unwrap();
    assert_eq!(rows(&mut t), all[2990..]);
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let mut bytes = b"file\n".to_vec();
    for i in 0..5000 {
        bytes.extend(format!("{i}.jpg{}\n", if i % 7 == 0 { ",x" } else { "" }).bytes());
    }
    let all = rows(&mut table(&bytes));
    let mut t = table(&bytes);
    t.skip_to(4321).unwrap();
    assert_eq!(t.position(), 4321);
    assert_eq!(rows(&mut t), all[4321..]);
}

proptest! {
    /// What the csv library writes, we read; and no bytes make us panic.
    #[test]
    fn quoted_cells_come_back(cells in prop::collection::vec("[a,;\"\n\té ]{0,6}x", 3..12)) {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        writer.write_record(["one", "two", "three"]).unwrap();
        for row in cells.chunks_exact(3) {
            writer.write_record(row).unwrap();
        }
        let mut t = table(&writer.into_inner().unwrap());
        for row in cells.chunks_exact(3) {
            let got = t.next().unwrap().unwrap().unwrap();
            prop_assert_eq!(got.cells.iter().collect::<Vec<_>>(), row);
        }
        prop_assert!(t.next().unwrap().is_none());
    }

    #[test]
    fn any_bytes_are_a_table_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0usize..5) {
        let start: [&[u8]; 5] = [b"", b"a,b\n", b"{", b"PAR1", b"\x28\xb5\x2f\xfd"];
        let all = [start[kind], &bytes].concat();
        if let Ok(mut t) = open(&all, &TableOptions::default()) {
            while let Ok(Some(_)) = t.next() {}
        }
    }
}

#[test]
fn a_quote_that_a_later_row_closes_is_named() {
    let head = "file,note,licence\n";
    for (text, row, closed) in [
        ("a,\"open,x\nb,y,z\nc,\"d\",z\n", 2, 4),
        ("z,y,x\na,\"open,x\nb,y,z\n\"c\",y,z\nd,y,z\n", 3, 5),
        ("a,\"open,x\nb,y,\"z\"\n", 2, 3),
    ] {
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            let said = message(format!("{head}{text}").as_bytes());
            let expected = format!(
                "contributions.csv, row {row}: opens a quotation mark that is closed in row {closed}"
            );
            assert!(said.contains(&expected), "{text}: {said}");
        }
    }
    for fine in [
        "a,\"two\nlines\",x\n",
        "a,\"two\nlines\" ,x\n",
        "a,\"two\nlin\"\"es\",x\r\n",
        "a,\"two\nlines\"\"\",\"x\"",
        "a,\"one\"line,x\n",
        "a,12\" pipe,x\nb,5\",z\n",
    ] {
        let all = rows(&mut table(format!("{head}{fine}").as_bytes()));
        assert!(all.iter().all(|r| !r.contains('!')), "{all:?}");
    }
}
