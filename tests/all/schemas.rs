//! What is written down is committed as the real binary prints it, so that a
//! change of a format is seen where it is reviewed.

use std::{collections::BTreeSet, fs};

use crate::support::{fairframe, ok, text, workspace};

/// What `fairframe schema` takes, and the file it stands in.
const WRITTEN: [(&str, &str); 11] = [
    ("columns", "columns.tsv"),
    ("comparison", "comparison.json"),
    ("competition", "competition.json"),
    ("consent", "consent.json"),
    ("episode", "episode.json"),
    ("reasons", "reasons.tsv"),
    ("recall", "recall.json"),
    ("report", "report.json"),
    ("source", "source.json"),
    ("summary", "summary.json"),
    ("task", "task.json"),
];

#[test]
fn what_is_written_down_is_what_is_committed() {
    let root = tempfile::tempdir().unwrap();
    let folder = workspace().join("schemas/written");
    let mut stale = Vec::new();
    for (what, file) in WRITTEN {
        let said = text(&ok(fairframe(root.path()).args(["schema", what])).stdout);
        if fs::read_to_string(folder.join(file)).is_ok_and(|kept| kept == said) {
            continue;
        }
        stale.push(format!("fairframe schema {what} > schemas/written/{file}"));
    }
    assert!(
        stale.is_empty(),
        "a format has changed; if that is meant, refresh with:\n{}",
        stale.join("\n")
    );
}

#[test]
fn all_that_is_written_down_is_committed_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let refused = fairframe(root.path()).arg("schema").output().unwrap();
    let usage = fairframe(root.path()).args(["schema", "--help"]).output();
    let help = text(&usage.unwrap().stdout);
    assert_eq!(refused.status.code(), Some(2));
    // `- columns:   The manifest's columns`
    let offered: BTreeSet<&str> = help
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix("- ")?.split_once(':')?.0))
        .collect();
    assert_eq!(offered, WRITTEN.map(|(what, _)| what).into());
    let kept = fs::read_dir(workspace().join("schemas/written")).unwrap();
    let kept: BTreeSet<String> = kept
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(kept, WRITTEN.map(|(_, file)| file.to_owned()).into());
}

#[test]
fn tables_are_json_where_that_is_asked_for() {
    let root = tempfile::tempdir().unwrap();
    for (what, key) in [("columns", "column"), ("reasons", "reason")] {
        let lines = text(&ok(fairframe(root.path()).args(["schema", what])).stdout);
        let json = ok(fairframe(root.path()).args(["schema", what, "--json"])).stdout;
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
        let named: Vec<&str> = rows.iter().map(|row| row[key].as_str().unwrap()).collect();
        let first = lines.lines().map(|line| line.split('\t').next().unwrap());
        assert_eq!(named, first.collect::<Vec<_>>());
    }
}
