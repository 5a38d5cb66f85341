//! `make demo` and `make test` build the same crates with the same features: what a test alone asks
//! of one would have all that stands on it compiled twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use crate::support::{ok, text, workspace};

/// Of each package, the sets of features with which it is built.
fn features(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(workspace())
        .args(["tree", "--workspace", "--offline", "--locked"])
        .args(["--prefix", "none", "--format", "{p}\t{f}", "--edges", edges]);
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for line in text(&ok(&mut tree).stdout).lines() {
        // A package that was listed before is marked.
        let line = line.trim_end_matches("(*)").trim_end();
        let (package, features) = line.split_once('\t').unwrap_or((line, ""));
        let sets = found.entry(package.trim_end().to_owned()).or_default();
        sets.insert(features.to_owned());
    }
    found
}

#[test]
fn tests_ask_no_more_of_what_the_program_is_made_of() {
    let (program, with_tests) = (features("normal,build"), features("normal,build,dev"));
    assert!(program.len() > 300 && with_tests.len() > program.len());
    for (package, features) in &program {
        assert_eq!(with_tests.get(package), Some(features), "{package}");
    }
}
