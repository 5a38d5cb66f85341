//! `fairframe episodes`, through the real binary.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use crate::support::{fairframe, ok, text};
use fairframe_schemas::episode::Episode;

/// 12 classes in 3 alphabets, 40 samples each, of 10 sources in two regions.
fn samples(folder: &Path, turned: bool) -> String {
    let mut rows = Vec::new();
    for class in 0..12 {
        for at in 0..40 {
            let region = ["Europe", "Africa"][at % 2];
            let alphabet = class / 5;
            let id = format!("s{class:02}-{at:02}");
            let source = at / 4;
            rows.push(format!(
                "{id},c{class},a{alphabet},{region},v{class}-{source}"
            ));
        }
    }
    if turned {
        rows.reverse();
    }
    let mut table = "sample_id,class,alphabet,region,video\n".to_owned();
    for row in rows {
        writeln!(table, "{row}").unwrap();
    }
    let path = folder.join(if turned { "turned.csv" } else { "samples.csv" });
    fs::write(&path, table).unwrap();
    path.display().to_string()
}

fn drawn(root: &Path, args: &[&str]) -> Vec<u8> {
    let out = root.join("out.jsonl");
    ok(fairframe(root)
        .arg("episodes")
        .args(args)
        .arg("--out")
        .arg(&out));
    fs::read(out).unwrap()
}

fn episodes(bytes: &[u8]) -> Vec<Episode> {
    let lines = std::str::from_utf8(bytes).unwrap().lines();
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn the_same_samples_and_seed_give_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let data = format!("birds={}", samples(root.path(), false));
    let turned = format!("birds={}", samples(root.path(), true));
    let args = ["--episodes", "20", "--held-out", "birds"];
    let one = drawn(root.path(), &[&[data.as_str()], &args[..]].concat());
    let two = drawn(root.path(), &[&[turned.as_str()], &args[..]].concat());
    assert_eq!(one, two, "the order of rows has no say");
    let found = episodes(&one);
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|e| e.held_out && e.dataset == "birds"));
    let tables = ["a.parquet", "b.parquet"].map(|name| {
        let out = root.path().join(name);
        ok(fairframe(root.path())
            .arg("episodes")
            .arg(&data)
            .args(args)
            .arg("--out")
            .arg(&out));
        fs::read(out).unwrap()
    });
    assert_eq!(tables[0], tables[1]);
    assert!(tables[0].starts_with(b"PAR1"));
}

#[test]
fn alphabets_sources_and_regions_are_kept_apart() {
    let root = tempfile::tempdir().unwrap();
    let data = format!("d={}", samples(root.path(), false));
    let args = [data.as_str(), "--episodes", "30", "--alphabet", "alphabet"];
    for episode in episodes(&drawn(root.path(), &args)) {
        let of = |class: &String| class[1..].parse::<u32>().unwrap() / 5;
        let alphabets: BTreeSet<u32> = episode.support.keys().map(of).collect();
        assert_eq!(alphabets.len(), 1);
        assert_eq!(episode.support.len(), 5);
    }
    let args = [data.as_str(), "--episodes", "30", "--disjoint", "video"];
    for episode in episodes(&drawn(root.path(), &args)) {
        let videos = |side: &std::collections::BTreeMap<String, Vec<String>>| -> BTreeSet<String> {
            let of = |id: &String| {
                let (class, at) = id.split_once('-').unwrap();
                format!("{class}-{}", at.parse::<u32>().unwrap() / 4)
            };
            side.values().flatten().map(of).collect()
        };
        assert!(videos(&episode.support).is_disjoint(&videos(&episode.query)));
    }
    let args = [
        data.as_str(),
        "--way",
        "5",
        "--shot",
        "5",
        "--query",
        "15",
        "--episodes",
        "10",
        "--support-from",
        "region=Europe",
        "--query-from",
        "region=Africa",
    ];
    for episode in episodes(&drawn(root.path(), &args)) {
        let odd = |id: &String| id[4..].parse::<u32>().unwrap() % 2;
        assert!(episode.support.values().flatten().all(|id| odd(id) == 0));
        assert!(episode.query.values().flatten().all(|id| odd(id) == 1));
        assert!(episode.query.values().all(|ids| ids.len() == 15));
    }
}

#[test]
fn a_hierarchy_gives_the_classes_of_one_node() {
    let root = tempfile::tempdir().unwrap();
    let data = format!("d={}", samples(root.path(), false));
    let mut table = "child,parent\nleft,all\nright,all\n".to_owned();
    for class in 0..12 {
        let parent = if class < 7 { "left" } else { "right" };
        writeln!(table, "c{class},{parent}").unwrap();
    }
    let path = root.path().join("tree.csv");
    fs::write(&path, table).unwrap();
    let tree = format!("d={}", path.display());
    let args = [data.as_str(), "--episodes", "60", "--hierarchy", &tree];
    let found = episodes(&drawn(root.path(), &args));
    let ways: BTreeSet<usize> = found.iter().map(|e| e.support.len()).collect();
    assert_eq!(ways, BTreeSet::from([5, 7, 12]));
}

#[test]
fn what_cannot_be_drawn_is_said_with_its_remedy() {
    let root = tempfile::tempdir().unwrap();
    let data = format!("d={}", samples(root.path(), false));
    let said = |args: &[&str]| {
        let mut command = fairframe(root.path());
        command.arg("episodes").args(args);
        let output = command.args(["--out", "never.parquet"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let found = said(&[&data, "--class", "kind"]);
    assert!(
        found.contains("no column `kind`") && found.contains("`alphabet`"),
        "{found}"
    );
    let found = said(&[&data, "--way", "5", "--shot", "30", "--query", "30"]);
    assert!(found.contains("0 classes to draw from"), "{found}");
    assert!(said(&[&data, "--held-out", "x"]).contains("no dataset is named `x`"));
    assert!(said(&[&data, &data]).contains("two datasets"));
    assert!(said(&[&data, "--episodes", "0"]).contains("1 to 1000000"));
}

/// Accepted samples only; the class from one column, the sides from another.
#[test]
fn a_manifest_gives_its_accepted_samples() {
    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;

    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("manifests/street/1.0.0");
    fs::create_dir_all(&folder).unwrap();
    for (part, region) in ["Europe", "Africa"].iter().enumerate() {
        let rows: Vec<(String, String, &str)> = (0..60)
            .map(|at| {
                let status = if at % 6 == 5 { "withdrawn" } else { "accepted" };
                (format!("{region}-{at:02}"), format!("c{}", at % 5), status)
            })
            .collect();
        let column = |each: &dyn Fn(&(String, String, &str)) -> String| -> ArrayRef {
            std::sync::Arc::new(StringArray::from_iter_values(rows.iter().map(each)))
        };
        let batch = RecordBatch::try_from_iter([
            ("sample_id", column(&|row| row.0.clone())),
            ("country", column(&|row| row.1.clone())),
            ("region", column(&|_| (*region).to_owned())),
            ("status", column(&|row| row.2.to_owned())),
        ])
        .unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        let bytes = writer.into_inner().unwrap();
        fs::write(folder.join(format!("part-{part:05}.parquet")), bytes).unwrap();
    }
    let data = format!("street={}", folder.display());
    let sides = [
        "--support-from",
        "region=Europe",
        "--query-from",
        "region=Africa",
    ];
    let args = [
        &[data.as_str(), "--class", "country", "--episodes", "40"],
        &sides[..],
    ]
    .concat();
    let found = episodes(&drawn(root.path(), &args));
    assert_eq!(found.len(), 40);
    let mut seen = BTreeSet::new();
    for episode in &found {
        assert_eq!(episode.support.len(), 5);
        for (side, region) in [(&episode.support, "Europe"), (&episode.query, "Africa")] {
            for (class, ids) in side {
                for id in ids {
                    let (from, at) = id.split_once('-').unwrap();
                    let at: usize = at.parse().unwrap();
                    assert_eq!((from, class), (region, &format!("c{}", at % 5)));
                    assert!(at % 6 != 5, "{id} was withdrawn");
                    seen.insert(id.clone());
                }
            }
        }
    }
    assert!(seen.len() > 50, "{}", seen.len());
}
