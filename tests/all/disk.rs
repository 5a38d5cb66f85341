//! A disk that is full or may not be written: the run ends, says where and what
//! to do, and puts nothing down to a sample. Once there is room the next run goes
//! on, and writes the same bytes as one that was never disturbed.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{datasets, fairframe, ok, text, tree};

/// A file system of its own, in memory. Gone when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None`, said plainly, where this user may not mount.
    fn mount(at: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "fairframe-test"]);
        let output = command.arg(at).output().expect("the program `mount`");
        if output.status.success() {
            return Some(Self(at.to_owned()));
        }
        eprintln!("skipped: cannot mount: {}", text(&output.stderr).trim());
        None
    }

    fn resize(&self, kib: u32) {
        let mut command = Command::new("mount");
        command.args(["-o", &format!("remount,size={kib}k")]);
        assert!(command.arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn ingest(root: &Path) -> Command {
    let mut command = fairframe(root);
    command
        .arg("ingest")
        .arg(datasets().join("drop/source.toml"));
    command.args(["--at", "2026-09-01T00:00:00Z", "--decoders", "2"]);
    command
}

/// What an undisturbed ingest writes.
fn calm() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    ok(&mut ingest(root.path()));
    root
}

/// It failed, and said where and what to do.
fn says(output: &Output, at: &Path) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&at.display().to_string()), "{said}");
    assert!(said.contains("repeat the command"), "{said}");
    said
}

#[test]
fn a_full_disk_ends_the_run_and_a_resume_writes_the_same_bytes() {
    let calm = calm();
    let expected = tree(&calm.path().join("manifests"));
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("disk");
    let Some(disk) = Disk::mount(&root, "size=16k") else {
        return;
    };
    // Little by little more room: the disk is full at another step each time. The steps
    // are smaller than what any of the folders below takes.
    let mut met = Vec::new();
    for kib in (16..8192).step_by(12) {
        disk.resize(kib);
        let output = ingest(&root).output().unwrap();
        if output.status.success() {
            break;
        }
        met.push(says(&output, &root));
        // A release that is seen is whole, even where what comes after it has no room.
        let released = root.join("manifests/demo/1.0.0");
        if released.exists() {
            let whole = tree(&calm.path().join("manifests/demo/1.0.0"));
            assert!(tree(&released) == whole, "half a release: {met:?}");
        }
    }
    for place in ["journal/", "store: ", "manifests/demo/.tmp-1.0.0"] {
        assert!(
            met.iter().any(|said| said.contains(place)),
            "{place}: {met:#?}"
        );
    }
    let found = tree(&root.join("manifests"));
    assert!(found.keys().eq(expected.keys()), "{:?}", found.keys());
    assert!(found == expected, "other bytes");
}

#[test]
fn a_folder_that_may_not_be_written_ends_the_run_too() {
    let calm = calm();
    let expected = tree(&calm.path().join("manifests"));
    for folder in ["journal", "store", "thumbnails", "manifests", "restricted"] {
        let root = tempfile::tempdir().unwrap();
        let at = root.path().join(folder);
        let Some(disk) = Disk::mount(&at, "ro,size=4k") else {
            return;
        };
        let said = says(&ingest(root.path()).output().unwrap(), &at);
        assert!(said.contains("let this user write there"), "{said}");
        drop(disk);
        ok(&mut ingest(root.path()));
        assert!(tree(&root.path().join("manifests")) == expected, "{folder}");
    }
}

#[test]
fn a_full_disk_ends_a_pull_and_the_next_one_goes_on() {
    let calm = calm();
    let release = calm.path().join("manifests/demo/1.0.0");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("disk");
    let Some(disk) = Disk::mount(&copy, "size=16k") else {
        return;
    };
    let mut met = Vec::new();
    for kib in (16..8192).step_by(64) {
        disk.resize(kib);
        let mut pull = fairframe(folder.path());
        pull.arg("pull").arg(&release).arg("--to").arg(&copy);
        let output = pull.output().unwrap();
        if output.status.success() {
            break;
        }
        met.push(says(&output, &copy));
    }
    assert!(met.iter().any(|said| said.contains("store: ")), "{met:#?}");
    assert!(tree(&copy.join("manifests/demo/1.0.0")) == tree(&release));
    let mut verify = fairframe(&copy);
    ok(verify
        .args(["verify", "--media"])
        .arg(copy.join("manifests/demo/1.0.0")));
    let failures = std::fs::read_to_string(copy.join("pulled/demo/1.0.0/failures.csv"));
    assert_eq!(
        failures.unwrap_or_default().lines().count(),
        1,
        "the header only"
    );
}
