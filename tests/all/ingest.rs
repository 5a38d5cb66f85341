//! What happens to sources between two ingests, and mistakes in what is given,
//! with the real binary.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{datasets, fairframe, ok, text, tree};

/// A data folder and, beside it, a copy of the shipped drop.
struct House(tempfile::TempDir);

impl House {
    fn new() -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(house.path("drop/media")).unwrap();
        for (name, bytes) in tree(&datasets().join("drop")) {
            let path = house.path("drop").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ingest(&self, at: &str, sources: &[&str]) -> Command {
        let mut command = fairframe(&self.path("data"));
        command.arg("ingest").args(["--at", at]);
        command.args(sources.iter().map(|s| self.path(s)));
        command
    }

    /// What an ingest says it released, and with which media.
    fn released(&self, day: u32, source: &str) -> (String, Vec<String>) {
        let at = format!("2026-09-{day:02}T00:00:00Z");
        let said = text(&ok(&mut self.ingest(&at, &[source])).stdout);
        let version = said.lines().next().unwrap().to_owned();
        let number = version.split(' ').nth(1).unwrap();
        let folder = self.path("data/manifests/demo").join(number);
        ok(fairframe(&self.path("data"))
            .arg("verify")
            .arg("--media")
            .arg(&folder));
        let mut media = Vec::new();
        for name in tree(&self.path("data/store")).into_keys() {
            media.extend(
                name.rsplit('/')
                    .next()
                    .filter(|n| n.len() == 64)
                    .map(str::to_owned),
            );
        }
        (version, media)
    }

    fn fails(&self, sources: &[&str]) -> String {
        let output = self
            .ingest("2026-09-01T00:00:00Z", sources)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        text(&output.stderr)
    }
}

/// Other bytes of the same length, and the old time: a picture that still decodes.
fn alter(path: &Path) {
    let before = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() - 1000;
    assert!(!bytes[at - 8..at + 8].contains(&0xff), "no marker");
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
    set_modified(path, before);
}

fn set_modified(path: &Path, time: std::time::SystemTime) {
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn a_file_of_a_folder_that_changed_in_place_is_read_again() {
    let house = House::new();
    let source = "drop/source.toml";
    let (version, media) = house.released(1, source);
    assert_eq!((version.as_str(), media.len()), ("demo 1.0.0", 4));
    alter(&house.path("drop/media/DSCN0012.jpg"));
    let (version, media) = house.released(2, source);
    assert_eq!((version.as_str(), media.len()), ("demo 2.0.0", 5));
    // Touched, or written again as it was: nothing has changed.
    let path = house.path("drop/media/DSCN0012.jpg");
    set_modified(&path, std::time::UNIX_EPOCH);
    let other = house.path("drop/media/DSCN0010.jpg");
    let bytes = fs::read(&other).unwrap();
    fs::remove_file(&other).unwrap();
    fs::write(&other, bytes).unwrap();
    let before = tree(&house.path("data/manifests"));
    let (version, _) = house.released(3, source);
    assert_eq!(version, "demo 2.0.0 (nothing changed: no new version)");
    assert!(tree(&house.path("data/manifests")) == before);
}

#[test]
fn a_member_of_a_tar_that_changed_is_read_again() {
    let house = House::new();
    let source = "tar.toml";
    let toml = fs::read_to_string(house.path("drop/source.toml")).unwrap();
    fs::write(
        house.path(source),
        toml.replace("path = \".\"", "path = \"drop.tar\""),
    )
    .unwrap();
    let pack = || {
        let mut tar = Command::new("tar");
        tar.args(["--sort=name", "-C"]).arg(house.path("drop"));
        tar.arg("-cf").arg(house.path("drop.tar")).arg(".");
        assert!(tar.status().unwrap().success());
        set_modified(&house.path("drop.tar"), std::time::UNIX_EPOCH);
    };
    pack();
    assert_eq!(house.released(1, source).0, "demo 1.0.0");
    alter(&house.path("drop/media/DSCN0012.jpg"));
    pack();
    assert_eq!(house.released(2, source).0, "demo 2.0.0");
    pack();
    let (version, _) = house.released(3, source);
    assert_eq!(version, "demo 2.0.0 (nothing changed: no new version)");
}

#[test]
fn a_mistake_in_a_source_leaves_nothing_to_restart() {
    let house = House::new();
    let path = house.path("drop/source.toml");
    let right = fs::read_to_string(&path).unwrap();
    for (wrong, said) in [
        (
            "table = \"contribution.csv\"",
            "has no file `contribution.csv`",
        ),
        ("columns = { file = \"fil\" }", "column `fil`"),
    ] {
        let toml = match wrong.starts_with("table") {
            true => right.replace("table = \"contributions.csv\"", wrong),
            false => format!("{right}\n{wrong}\n"),
        };
        fs::write(&path, toml).unwrap();
        let error = house.fails(&["drop/source.toml"]);
        assert!(error.contains(said), "{error}");
        fs::write(&path, &right).unwrap();
        // Corrected, and at another time: no `--restart`.
        let at = "2026-09-02T00:00:00Z";
        ok(&mut house.ingest(at, &["drop/source.toml"]));
        fs::remove_dir_all(house.path("data")).unwrap();
    }
}

#[test]
fn a_table_with_an_open_quote_is_named_and_goes_on_once_it_is_closed() {
    let house = House::new();
    let path = house.path("drop/contributions.csv");
    let right = fs::read_to_string(&path).unwrap();
    let wrong = right.replace(
        "\"Waterfall, stored on its side\"",
        "\"Waterfall, stored on its side",
    );
    assert_ne!(right, wrong);
    fs::write(&path, wrong).unwrap();
    let error = house.fails(&["drop/source.toml"]);
    assert!(
        error.contains("contributions.csv, row 5, column `title`: opens a quotation mark"),
        "{error}"
    );
    fs::write(&path, right).unwrap();
    let at = "2026-09-01T00:00:00Z";
    let said = text(&ok(&mut house.ingest(at, &["drop/source.toml"])).stdout);
    assert!(said.contains("4 listed"), "{said}");
}

#[test]
fn what_is_named_like_a_version_and_is_none_is_named() {
    let house = House::new();
    let source = ["drop/source.toml"];
    let strange = house.path("data/manifests/demo/9.0.0");
    fs::create_dir_all(&strange).unwrap();
    let (one, two) = ("2026-09-01T00:00:00Z", "2026-09-02T00:00:00Z");
    // Not with `--quiet`, which drops what is only said by the way.
    let mut spoken = Command::new(env!("CARGO_BIN_EXE_fairframe"));
    spoken.arg("--root").arg(house.path("data"));
    spoken
        .args(["ingest", "--at", one])
        .arg(house.path(source[0]));
    let output = ok(&mut spoken);
    assert!(text(&output.stdout).starts_with("demo 1.0.0"));
    let said = text(&output.stderr);
    assert!(
        said.contains("demo/9.0.0 is named like a version") && said.contains("remove it"),
        "{said}"
    );
    assert!(strange.is_dir(), "left as it is");

    // A release that lost its list of files is never passed over nor written over.
    fs::remove_dir(&strange).unwrap();
    let sums = house.path("data/manifests/demo/1.0.0/SHA256SUMS");
    let kept = fs::read(&sums).unwrap();
    fs::remove_file(&sums).unwrap();
    let before = tree(&house.path("data/manifests"));
    let error = house.fails(&source);
    assert!(
        error.contains("demo/1.0.0: holds files and no `SHA256SUMS`"),
        "{error}"
    );
    assert!(tree(&house.path("data/manifests")) == before);
    fs::write(&sums, kept).unwrap();
    let said = text(&ok(&mut house.ingest(two, &source)).stdout);
    assert!(said.starts_with("demo 1.0.0 (nothing changed"), "{said}");
}

#[test]
fn sources_say_together_what_the_dataset_is_and_do_not_contradict() {
    let house = House::new();
    let drop = fs::read_to_string(house.path("drop/source.toml")).unwrap();
    let second = drop.replace("source = \"drop\"", "source = \"second\"");
    let about = |text: &str, with: &str| {
        let from = text.find("[about]").unwrap();
        let to = text.find("[policy]").unwrap();
        format!("{}[about]\n{with}\n{}", &text[..from], &text[to..])
    };
    let put = |one: &str, two: &str| {
        fs::write(house.path("drop/source.toml"), about(&drop, one)).unwrap();
        fs::write(house.path("drop/second.toml"), about(&second, two)).unwrap();
    };
    let both = ["drop/source.toml", "drop/second.toml"];
    put("title = \"One\"", "title = \"Another\"");
    let error = house.fails(&both);
    for part in ["drop/source.toml", "drop/second.toml", "key `title`"] {
        assert!(error.contains(part), "{error}");
    }
    put("title = \"One\"", "title = \"One\"\npublisher = \"Us\"");
    ok(&mut house.ingest("2026-09-01T00:00:00Z", &both));
    let summary = fs::read(house.path("data/manifests/demo/1.0.0/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["about"]["title"], "One");
    assert_eq!(summary["about"]["publisher"], "Us");
}

#[test]
fn what_decodes_stands_beside_and_is_of_the_same_version() {
    const MEDIA: &str = env!("CARGO_BIN_EXE_fairframe-media");
    let house = House::new();
    // On one disk with what was built, for the link.
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = scratch.path().canonicalize().unwrap();
    let (program, media) = (folder.join("fairframe"), folder.join("fairframe-media"));
    fs::hard_link(env!("CARGO_BIN_EXE_fairframe"), &program).unwrap();
    let fails = || {
        let mut command = Command::new(&program);
        command.arg("--root").arg(house.path("data"));
        command.args(["ingest", "--at", "2026-09-01T00:00:00Z"]);
        let output = command.arg(house.path("drop/source.toml")).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    let said = fails();
    let absent = format!("{} is not there; install it beside", media.display());
    assert!(said.contains(&absent), "{said}");

    let other = format!("#!/bin/sh\nexec '{MEDIA}' --for 0.0.0 \"$3\"\n");
    fs::write(&media, other).unwrap();
    fs::set_permissions(&media, Permissions::from_mode(0o755)).unwrap();
    let said = fails();
    let wanted = format!("it is not of version {}", env!("CARGO_PKG_VERSION"));
    assert!(said.contains(&wanted), "{said}");

    let by_hand = Command::new(MEDIA).output().unwrap();
    assert_eq!(by_hand.status.code(), Some(2));
    assert!(text(&by_hand.stderr).contains("for `fairframe`, which starts it"));
}
