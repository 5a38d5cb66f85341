//! The report of every task form, and of a comparison, as their readers see them: the real
//! binary, a real Chromium.

use std::{collections::BTreeMap, path::Path, process::Command};

use crate::support::{fairframe, has_chromium, ok, python, text, workspace};

/// Judges every form below `out`, a folder each.
fn judge_all(files: &Path, out: &Path) -> Vec<&'static str> {
    let mut judgings = crate::support::forms::judgings(files);
    judgings.push(crate::support::forms::few_shot(files));
    let mut names = Vec::new();
    for judging in judgings {
        let folder = out.join(judging.name);
        let mut eval = fairframe(files);
        eval.args(["--json", "eval"]).args(&judging.line);
        let said = ok(eval.arg("--out").arg(&folder)).stdout;
        // `--json` prints the report that is written.
        let written = std::fs::read(folder.join("report.json")).unwrap();
        assert!(said == written, "{}", text(&said));
        names.push(judging.name);
    }
    names
}

/// Widths, accessibility, print, nothing run or loaded: `tests/python/reports.py` says what
/// is looked at.
#[test]
fn every_form_has_a_report_that_anyone_can_read_and_print() {
    let Some(python) = python() else { return };
    if !has_chromium() {
        return;
    }
    let (files, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names = judge_all(files.path(), out.path());
    let mut look = Command::new(python);
    look.arg(workspace().join("tests/python/reports.py"))
        .arg(out.path())
        .args(std::env::var_os("FAIRFRAME_SHOTS"));
    let said = text(&ok(&mut look).stdout);
    let seen: BTreeMap<String, BTreeMap<String, u64>> = serde_json::from_str(&said).unwrap();
    assert_eq!(seen.len(), 2 * names.len(), "{said}");
    for (page, seen) in seen {
        let least = if page.ends_with("report.html") { 5 } else { 3 };
        assert!(seen["sections"] >= least, "{page}: {seen:?}");
        assert!(seen["text"] > 1_000, "{page}: {seen:?}");
        // A blank page has one page, no font, and some 800 bytes.
        assert!(seen["pdf_bytes"] > 20_000, "{page}: {seen:?}");
        assert!(
            seen["pdf_pages"] > 1 && seen["pdf_fonts"] > 1,
            "{page}: {seen:?}"
        );
    }
}

/// `fairframe schema` against what is written, form by form, by a validator that is not ours.
#[test]
fn every_report_is_what_its_schema_says() {
    let Some(python) = python() else { return };
    let (files, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names = judge_all(files.path(), out.path());
    // A refused submission is a report as well.
    let refused = out.path().join("refused");
    let truth = files.path().join("retrieval-truth.csv");
    let said = fairframe(files.path())
        .args(["eval", "--form", "detection", "--solution"])
        .arg(&truth)
        .arg("--submission")
        .arg(&truth)
        .arg("--out")
        .arg(&refused)
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(3), "{}", text(&said.stderr));
    for what in ["report", "comparison"] {
        let schema = files.path().join(format!("{what}.schema.json"));
        let printed = ok(fairframe(files.path()).args(["schema", what])).stdout;
        std::fs::write(&schema, printed).unwrap();
        let mut check = Command::new(&python);
        check.arg(workspace().join("tests/python/check_schema.py"));
        check.arg(&schema);
        check.args(
            names
                .iter()
                .map(|name| out.path().join(name).join(format!("{what}.json"))),
        );
        if what == "report" {
            check.arg(refused.join("report.json"));
        }
        ok(&mut check);
        // The validator does see what is wrong.
        let broken = files.path().join("broken.json");
        std::fs::write(&broken, "{}").unwrap();
        let mut check = Command::new(&python);
        check.arg(workspace().join("tests/python/check_schema.py"));
        assert_eq!(
            check.args([&schema, &broken]).status().unwrap().code(),
            Some(1)
        );
    }
}
