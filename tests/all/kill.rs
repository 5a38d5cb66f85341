//! `kill -9` at many moments of a real ingest: the resumed one writes the same
//! bytes as an undisturbed one, and loses and doubles nothing. Once of a session
//! of actors, once of its second ingest, which takes a person out who withdrew, and
//! once over HTTP: the recorded Commons, listed and fetched from the replay server
//! by the client that asks the live one.
//!
//! The moments are random; `FAIRFRAME_SEED` repeats those of a run that failed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::support::{datasets, fairframe, ok, random::Random, tree};

/// Moments at which each ingest is killed: 90 in all.
const KILLS: u64 = 30;

/// Kills on one data folder before the run is let through.
const ON_ONE_ROOT: u64 = 5;

const FIRST: &str = "2026-09-01T00:00:00Z";
/// One of the three actors has withdrawn by then.
const SECOND: &str = "2026-11-01T00:00:00Z";

fn command(root: &Path, source: &Path, at: &str) -> std::process::Command {
    let mut command = fairframe(root);
    command.arg("ingest").arg(source);
    command.args(["--at", at, "--decoders", "2"]);
    command.stdout(Stdio::null());
    command
}

/// A data folder in which the ingests before the one to be killed have run.
fn begin(source: &Path, before: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for at in before {
        ok(&mut command(root.path(), source, at));
    }
    root
}

/// All that an ingest leaves but its journal and the locks: releases, media,
/// thumbnails, receipts, what is restricted.
fn left(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = tree(root);
    found.retain(|name, _| !name.starts_with("journal/") && !name.ends_with("lock"));
    found
}

/// Kills the last of several ingests of a source until enough kills have hit a
/// running process.
fn survives(source: &Path, before: &[&str], at: &str) {
    let calm = begin(source, before);
    let began = std::time::Instant::now();
    ok(&mut command(calm.path(), source, at));
    let whole = began.elapsed();
    let expected = left(calm.path());
    assert!(expected.keys().any(|name| name.starts_with("store/")));

    // A resumed run is shorter than a whole one, so some kills come too late:
    // those finished runs are checked too, and do not count.
    let mut random = Random::new();
    let mut killed = 0;
    let mut on_this_root = 0;
    let mut root = begin(source, before);
    for _ in 0..KILLS * 10 {
        let mut run = command(root.path(), source, at);
        let mut child = run.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(random.next()));
        child.kill().unwrap();
        let finished = child.wait().unwrap().success();
        no_half_release(root.path());
        if !finished {
            killed += 1;
            on_this_root += 1;
        }
        // Several kills on one folder, then a fresh one.
        if finished || on_this_root == ON_ONE_ROOT || killed == KILLS {
            ok(&mut command(root.path(), source, at));
            let found = left(root.path());
            assert!(
                found.keys().eq(expected.keys()),
                "{:?} instead of {:?}",
                found.keys(),
                expected.keys()
            );
            for (name, bytes) in &found {
                assert_eq!(bytes, &expected[name], "{name} after {on_this_root} kills");
            }
            let partial = root.path().join("store/partial");
            assert_eq!(std::fs::read_dir(partial).map_or(0, Iterator::count), 0);
            root = begin(source, before);
            on_this_root = 0;
        }
        if killed == KILLS {
            return;
        }
    }
    panic!("only {killed} of {KILLS} kills hit a running process");
}

#[test]
fn kills_amid_a_drop_change_nothing() {
    survives(&datasets().join("actors/source.toml"), &[], FIRST);
}

#[test]
fn kills_amid_a_withdrawal_bring_nobody_back() {
    survives(&datasets().join("actors/source.toml"), &[FIRST], SECOND);
}

#[test]
fn kills_amid_an_ingest_over_http_change_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let commons = datasets().join("demo-commons");
    let (address, _server) = runtime
        .block_on(crate::support::replay::serve(&commons.join("replay"), 0))
        .unwrap();
    let text = std::fs::read_to_string(commons.join("source.toml")).unwrap();
    let here = text.replace("127.0.0.1:7433", &address.to_string());
    let folder = tempfile::tempdir().unwrap();
    let source: PathBuf = folder.path().join("source.toml");
    std::fs::write(&source, here).unwrap();
    survives(&source, &[], FIRST);
}

/// No half release under its final name, at any moment.
fn no_half_release(root: &Path) {
    for dataset in ["demo-actors", "demo"] {
        let versions = std::fs::read_dir(root.join("manifests").join(dataset));
        for version in versions.into_iter().flatten().flatten().map(|e| e.path()) {
            let name = version
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            assert!(
                version.is_file() || name.starts_with('.') || version.join("SHA256SUMS").exists(),
                "{name}"
            );
        }
    }
}
