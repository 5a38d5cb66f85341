//! `kill -9` at many moments of a real ingest: the resumed one writes the same
//! bytes as an undisturbed one, and loses and doubles nothing.

mod support;

use std::{path::Path, process::Stdio, time::Duration};

use support::{datasets, fairframe, ok, tree};

/// Moments at which the process is killed.
const KILLS: u64 = 50;

fn command(root: &Path) -> std::process::Command {
    let mut command = fairframe(root);
    command
        .arg("ingest")
        .arg(datasets().join("actors/source.toml"));
    command.args(["--at", "2026-09-01T00:00:00Z", "--decoders", "2"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn fifty_kills_change_nothing() {
    let calm = tempfile::tempdir().unwrap();
    let began = std::time::Instant::now();
    ok(&mut command(calm.path()));
    let whole = began.elapsed();
    let expected = tree(&calm.path().join("manifests"));

    // A resumed run is shorter than a whole one, so some kills come too late:
    // those finished runs are checked too, and do not count.
    let mut killed = 0;
    let mut on_this_root = 0;
    let mut root = tempfile::tempdir().unwrap();
    for attempt in 0..KILLS * 10 {
        // Spread over the whole run, in an order that jumps about (37 and 50 share no factor).
        let part = (attempt * 37 % KILLS) as f64 / KILLS as f64;
        let mut child = command(root.path()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * part));
        child.kill().unwrap();
        let finished = child.wait().unwrap().success();
        no_half_release(root.path());
        if !finished {
            killed += 1;
            on_this_root += 1;
        }
        // Several kills on one folder, then a fresh one.
        if finished || on_this_root == 5 || killed == KILLS {
            ok(&mut command(root.path()));
            let found = tree(&root.path().join("manifests"));
            assert!(found.keys().eq(expected.keys()), "{:?}", found.keys());
            for (name, bytes) in &found {
                assert_eq!(bytes, &expected[name], "{name} after {on_this_root} kills");
            }
            let partial = root.path().join("store/partial");
            assert_eq!(std::fs::read_dir(partial).map_or(0, Iterator::count), 0);
            root = tempfile::tempdir().unwrap();
            on_this_root = 0;
        }
        if killed == KILLS {
            return;
        }
    }
    panic!("only {killed} of {KILLS} kills hit a running process");
}

/// No half release under its final name, at any moment.
fn no_half_release(root: &Path) {
    let versions = std::fs::read_dir(root.join("manifests/demo-actors"));
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
