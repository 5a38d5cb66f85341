//! Files that are no submissions, or mean harm: each is refused with its reason, nothing waits for
//! ever, and nothing of ours is told.

use std::io::{Cursor, Write};

use flate2::{Compression, write::GzEncoder};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Text of so many bytes that packs to next to nothing.
fn endless(bytes: usize) -> Vec<u8> {
    let mut text = b"image_id,labels\n".to_vec();
    text.extend(b"i000,cat cat cat\n".iter().cycle().take(bytes));
    text
}

/// What each is refused for, in part of its words.
fn files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    const DEFECTS: &str = "What is wrong with it";
    let good = answers(60).into_bytes();
    let mut cut = zipped(&[("a.csv", &good)]);
    cut.truncate(cut.len() / 2);
    let wide = format!("image_id,labels{}\n", ",x".repeat(20_000));
    let doubled: String = answers(60)
        .lines()
        .map(|l| format!("{l}\n{l}x\n"))
        .collect();
    let out: &[(&str, &[u8])] = &[("../../../etc/passwd", b"root"), ("/a", b"x")];
    let within = zipped(&[("a.zip", &zipped(&[("a.csv", &good)]))]);
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            "a zip archive that is cut off",
            cut,
            "not a readable zip archive",
        ),
        (
            "two tables in an archive",
            zipped(&[("a.csv", &good), ("b.csv", &good)]),
            "holds 2 files",
        ),
        ("an archive with a way out", zipped(out), "holds 2 files"),
        ("an archive in an archive", within, "a zip archive within"),
        ("an empty archive", zipped(&[]), "holds 0 files"),
        (
            "a bomb",
            gzipped(&gzipped(&endless(64 << 20))),
            "compressed twice",
        ),
        (
            "rows without end, packed",
            gzipped(&endless(16 << 20)),
            DEFECTS,
        ),
        (
            "7z's mark and no more",
            b"7z\xbc\xaf\x27\x1c\0\x04aaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec(),
            "not a readable 7z archive",
        ),
        (
            "zstandard's mark and no more",
            b"\x28\xb5\x2f\xfd\xff\xff\xff\xff".to_vec(),
            "incomplete frame",
        ),
        (
            "Parquet's marks around nothing",
            text("PAR1aaaaaaaaPAR1"),
            "not readable Parquet",
        ),
        ("zeros", vec![0; 4096], "wrong header"),
        (
            "no UTF-8",
            b"image_id,labels\ni000,\xff\xfe\xfd\n".to_vec(),
            DEFECTS,
        ),
        ("JSON that never ends", b"[".repeat(50_000), "wrong header"),
        (
            "a quote that is not closed",
            text("image_id,labels\ni000,cat\ni001,\"dog\ni002,tree\n"),
            "is not closed",
        ),
        (
            "too many columns",
            wide.into_bytes(),
            "more than 1000 columns",
        ),
        ("everything twice, otherwise", doubled.into_bytes(), DEFECTS),
        (
            "a page",
            text("<!doctype html><script>alert(1)</script>"),
            "wrong header",
        ),
        (
            "somebody else's columns",
            text("a,b\n=cmd|' /C calc'!A0,1\n"),
            DEFECTS,
        ),
    ]
}

#[tokio::test]
async fn hostile_files_are_refused_with_reasons_and_nothing_stays_under_way() {
    let game = Game::of(
        &TOML
            .replace("per_day = 3", "per_day = 40")
            .replace("total = 20", "total = 40"),
    )
    .await;
    let mut ana = game.player("ana").await;
    let ours = game.site.layout.root().display().to_string();
    for (what, bytes, words) in files() {
        assert!(bytes.len() <= 100_000, "{what}: {}", bytes.len());
        let path = "/competitions/labels/submit";
        let sent = send_with(&mut ana, path, &bytes, &[]).await;
        let seq = number(&sent);
        game.work().await;
        let page = ana
            .get(&format!("/competitions/labels/submissions/{seq}"))
            .await;
        let text = page.text();
        assert!(text.contains(words), "{what}: {text}");
        assert!(!text.contains(&ours), "{what}: {text}");
        assert!(!text.contains("<script>alert"), "{what}");
    }
    // None scored, none waits, none was tried three times.
    let mut host = game.host.clone();
    let all = host
        .get("/competitions/labels/host/one/submissions.csv")
        .await;
    let states: Vec<String> = all
        .text()
        .lines()
        .skip(1)
        .filter(|line| !line.split(',').nth(1).unwrap().is_empty())
        .map(|line| line.split(',').nth(4).unwrap().to_owned())
        .collect();
    assert!(
        !states.is_empty() && states.iter().all(|s| s == "invalid"),
        "{states:?}"
    );
    let page = host.get("/competitions/labels/host").await;
    assert!(!page.text().contains("set-aside"), "{}", page.text());
    // An archive is unpacked, whatever it says how much that is; whoever meant no harm is scored.
    let mut lying = zipped(&[("a.csv", answers(60).as_bytes())]);
    let entry = lying.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    lying[entry + 24..entry + 28].copy_from_slice(&u32::MAX.to_le_bytes());
    let path = "/competitions/labels/submit";
    for file in [lying, answers(60).into_bytes()] {
        let seq = number(&send_with(&mut ana, path, &file, &[]).await);
        game.work().await;
        let page = ana
            .get(&format!("/competitions/labels/submissions/{seq}"))
            .await;
        assert!(page.text().contains("has its score"), "{}", page.text());
    }
}
