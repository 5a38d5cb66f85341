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

    let mut killed = 0;
    let mut root = tempfile::tempdir().unwrap();
    for kill in 0..KILLS {
        // Spread over the whole run, in an order that jumps about (37 and 50 share no factor).
        let part = (kill * 37 % KILLS) as f64 / KILLS as f64;
        let mut child = command(root.path()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * part));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        killed += u64::from(!status.success());
        // No half release under its final name, at any moment.
        if let Ok(versions) = std::fs::read_dir(root.path().join("manifests/demo-actors")) {
            for version in versions.flatten().map(|e| e.path()) {
                let hidden = version
                    .file_name()
                    .is_some_and(|n| n.to_string_lossy().starts_with('.'));
                assert!(
                    hidden || version.join("SHA256SUMS").exists(),
                    "{}",
                    version.display()
                );
            }
        }
        // Several kills on one folder, then a fresh one.
        if kill % 5 == 4 {
            ok(&mut command(root.path()));
            let found = tree(&root.path().join("manifests"));
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>()
            );
            for (name, bytes) in &found {
                assert_eq!(bytes, &expected[name], "{name} after {} kills", kill + 1);
            }
            let partial = root.path().join("store/partial");
            assert_eq!(std::fs::read_dir(partial).map_or(0, Iterator::count), 0);
            root = tempfile::tempdir().unwrap();
        }
    }
    assert!(
        killed >= KILLS / 2,
        "only {killed} of {KILLS} kills hit a running process"
    );
}
