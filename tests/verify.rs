//! Whatever is done to a release, `fairframe verify` says so and names it.

mod support;

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path, process::Command};

use support::{fairframe, ok, text, workspace};

/// A release of the shipped drop.
fn release(root: &Path) -> std::path::PathBuf {
    let source = workspace().join("datasets/drop/source.toml");
    ok(fairframe(root).arg("ingest").arg(source));
    let folder = fs::read_dir(root.join("manifests")).unwrap();
    let dataset = folder.map(|e| e.unwrap().path()).next().unwrap();
    dataset.join("1.0.0")
}

fn verify(root: &Path, release: &Path) -> (Option<i32>, String) {
    let said = fairframe(root).arg("verify").arg(release).output().unwrap();
    (said.status.code(), text(&said.stdout) + &text(&said.stderr))
}

#[test]
fn every_file_is_watched() {
    let root = tempfile::tempdir().unwrap();
    let folder = release(root.path());
    assert_eq!(verify(root.path(), &folder).0, Some(0));
    let names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        let path = folder.join(&name);
        let kept = fs::read(&path).unwrap();
        for tampered in [
            Vec::new(),
            kept[..kept.len() / 2].to_vec(),
            [&kept[..], b"x"].concat(),
        ] {
            fs::write(&path, tampered).unwrap();
            let (code, said) = verify(root.path(), &folder);
            assert_eq!(code, Some(3), "{name}: {said}");
            assert!(said.contains(&name), "{name} is not named: {said}");
        }
        fs::remove_file(&path).unwrap();
        let (code, said) = verify(root.path(), &folder);
        assert_eq!(code, Some(3), "{name} is gone: {said}");
        // A pipe must not be waited for, nor a link followed.
        ok(Command::new("mkfifo").arg(&path));
        let (code, said) = verify(root.path(), &folder);
        assert_eq!(code, Some(3), "{name}: {said}");
        assert!(said.contains("no regular file"), "{said}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, kept).unwrap();
    }
    assert_eq!(verify(root.path(), &folder).0, Some(0));
}

#[test]
fn nothing_may_stand_beside_and_no_line_twice() {
    let root = tempfile::tempdir().unwrap();
    let folder = release(root.path());
    let beside = folder.join(OsStr::from_bytes(b"odd-\xff"));
    fs::write(&beside, "").unwrap();
    let (code, said) = verify(root.path(), &folder);
    assert_eq!(code, Some(3), "{said}");
    fs::remove_file(beside).unwrap();

    let sums = folder.join("SHA256SUMS");
    let kept = fs::read_to_string(&sums).unwrap();
    let first = kept.lines().next().unwrap();
    fs::write(&sums, format!("{kept}{first}\n")).unwrap();
    let (code, said) = verify(root.path(), &folder);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("twice"), "{said}");
}
