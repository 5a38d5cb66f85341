//! A researcher's copy, pulled by the real binary from the real server, from
//! plain file servers, and from servers that lie.

mod hostile;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::support::files::{Act, Files};
use crate::support::{Serving, datasets, fairframe, ok, text, tree};
use fairframe_schemas::{Digest, MediaType, Sample, Split};

const BEFORE: &str = "2026-09-01T00:00:00Z";
const AFTER: &str = "2026-11-01T00:00:00Z";
const FIRST: &str = "manifests/demo-actors/1.0.0";

/// An installation with the actors released, before one of them withdrew.
fn actors(root: &Path, at: &str) {
    let source = datasets().join("actors/source.toml");
    ok(fairframe(root).arg("ingest").arg(source).args(["--at", at]));
}

/// `fairframe pull` with its outcome as JSON.
fn pull(release: &str, copy: &Path) -> Command {
    let mut command = fairframe(copy);
    command.args(["--json", "pull", release, "--to"]).arg(copy);
    command
}

fn outcome(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)))
}

fn pulled(release: &str, copy: &Path) -> serde_json::Value {
    outcome(&ok(&mut pull(release, copy)))
}

/// Exit code, and what was said on stderr.
fn refused(release: &str, copy: &Path) -> (Option<i32>, String) {
    let output = pull(release, copy).output().expect("the binary starts");
    (output.status.code(), text(&output.stderr))
}

/// What a copy holds, without what only this machine's pull needs.
fn content(copy: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = tree(copy);
    found.retain(|name, _| !name.contains("pulled/record.sqlite") && !name.ends_with("lock"));
    found
}

/// The media of a data folder by digest.
fn media(root: &Path) -> BTreeMap<String, Vec<u8>> {
    if !root.join("store").exists() {
        return BTreeMap::new();
    }
    let mut found = tree(&root.join("store"));
    found.retain(|name, _| name.len() == 2 + 1 + 2 + 1 + 64);
    found
}

fn rows(path: PathBuf) -> Vec<String> {
    let text = std::fs::read_to_string(&path).expect("the table is there");
    text.lines().skip(1).map(str::to_owned).collect()
}

fn papers(copy: &Path, name: &str) -> PathBuf {
    copy.join("pulled/demo-actors/1.0.0").join(name)
}

fn verified(copy: &Path) {
    let mut verify = fairframe(copy);
    verify.arg("verify").arg(copy.join(FIRST)).arg("--media");
    ok(&mut verify);
}

fn same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) {
    let names = |tree: &BTreeMap<String, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (name, bytes) in found {
        assert_eq!(bytes, &expected[name], "{name}");
    }
}

#[test]
fn a_whole_pull_is_the_release_and_a_rerun_asks_for_nothing() {
    let root = tempfile::tempdir().unwrap();
    actors(root.path(), BEFORE);
    let serving = Serving::start(root.path());
    let copy = tempfile::tempdir().unwrap();
    let page = format!("{}datasets/demo-actors/1.0.0/", serving.url);
    let done = pulled(&page, copy.path());
    assert_eq!(done["samples"]["fetched"], 15, "{done}");
    assert_eq!(done["held"], 15);

    same(
        &tree(&copy.path().join(FIRST)),
        &tree(&root.path().join(FIRST)),
    );
    same(&media(copy.path()), &media(root.path()));
    verified(copy.path());
    let release = root.path().join(FIRST);
    for name in ["ATTRIBUTION.csv", "ATTRIBUTION.html"] {
        let of_copy = std::fs::read(papers(copy.path(), name)).unwrap();
        assert_eq!(
            of_copy,
            std::fs::read(release.join(name)).unwrap(),
            "{name}"
        );
    }
    assert!(rows(papers(copy.path(), "failures.csv")).is_empty());
    for row in rows(papers(copy.path(), "samples.csv")) {
        let file = row.rsplit(',').next().unwrap().to_owned();
        assert!(copy.path().join(&file).is_file(), "{row}");
    }

    // A folder and a plain file server give the same copy.
    let expected = content(copy.path());
    let files = Files::serve(root.path(), |_| Act::Serve);
    let folder = release.display().to_string();
    for origin in [&folder, &files.url(FIRST)] {
        let copy = tempfile::tempdir().unwrap();
        pulled(origin, copy.path());
        same(&content(copy.path()), &expected);
    }

    // Nothing is fetched again but what was changed here meanwhile.
    let asked = files.asked_for("store/").len();
    let done = pulled(&files.url(FIRST), copy.path());
    assert_eq!(done["samples"]["present"], 15, "{done}");
    assert_eq!(files.asked_for("store/").len(), asked);
    let (name, bytes) = media(copy.path()).into_iter().next().unwrap();
    std::fs::write(copy.path().join("store").join(&name), vec![0; bytes.len()]).unwrap();
    let card = copy.path().join(FIRST).join("card.html");
    std::fs::write(&card, "<p>other</p>").unwrap();
    let done = pulled(&files.url(FIRST), copy.path());
    assert_eq!(done["samples"]["fetched"], 1, "{done}");
    same(&content(copy.path()), &expected);
}

#[test]
fn a_split_and_metadata_alone() {
    let root = tempfile::tempdir().unwrap();
    actors(root.path(), BEFORE);
    let release = root.path().join(FIRST).display().to_string();
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path();
    let with = |arguments: &[&str]| outcome(&ok(pull(&release, copy).args(arguments)));

    let done = with(&["--only-metadata"]);
    assert_eq!(
        (&done["held"], &done["samples"]["wanted"]),
        (&0.into(), &0.into())
    );
    assert!(media(copy).is_empty() && rows(papers(copy, "ATTRIBUTION.csv")).is_empty());
    same(&tree(&copy.join(FIRST)), &tree(&root.path().join(FIRST)));

    let done = with(&["--split", "train"]);
    let train = done["held"].as_u64().unwrap();
    assert!(train > 0 && train < 15, "{done}");
    assert_eq!(media(copy).len() as u64, train);
    assert_eq!(rows(papers(copy, "ATTRIBUTION.csv")).len() as u64, train);
    let of_train = rows(papers(copy, "samples.csv"));
    assert!(
        of_train.iter().all(|row| row.contains(",train,")),
        "{of_train:?}"
    );

    // What the copy holds is attributed, whichever pull brought it.
    let done = with(&["--split", "test"]);
    let both = train + done["samples"]["fetched"].as_u64().unwrap();
    assert_eq!(rows(papers(copy, "ATTRIBUTION.csv")).len() as u64, both);
    assert_eq!(done["withdrawals_known"], true);

    // So it is when the record was lost: the bytes are read again.
    for name in ["record.sqlite", "record.sqlite-wal", "record.sqlite-shm"] {
        let _ = std::fs::remove_file(copy.join("pulled").join(name));
    }
    assert_eq!(with(&["--only-metadata"])["held"], both);
    assert_eq!(rows(papers(copy, "ATTRIBUTION.csv")).len() as u64, both);

    let wrong = pull(&release, copy)
        .args(["--split", "dev"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

/// Moments at which the process is killed.
const KILLS: u32 = 20;

#[test]
fn kills_lose_and_double_nothing() {
    let root = tempfile::tempdir().unwrap();
    actors(root.path(), BEFORE);
    // Slow enough that kills hit the middle of it.
    let files = Files::serve(root.path(), |_| Act::Wait(Duration::from_millis(10)));
    let release = files.url(FIRST);
    let command = |copy: &Path| {
        let mut command = pull(&release, copy);
        command.args(["--jobs", "2"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let calm = tempfile::tempdir().unwrap();
    let began = Instant::now();
    ok(&mut command(calm.path()));
    let whole = began.elapsed();
    let expected = content(calm.path());

    let mut killed = 0;
    let mut copy = tempfile::tempdir().unwrap();
    for attempt in 0..KILLS * 10 {
        // Spread over the run, in an order that jumps about (7 and 20 share no factor).
        let part = f64::from(attempt * 7 % KILLS) / f64::from(KILLS);
        let mut child = command(copy.path()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(part));
        child.kill().unwrap();
        let finished = child.wait().unwrap().success();
        // Whatever stands under its final name is whole.
        for (name, bytes) in media(copy.path()) {
            assert_eq!(bytes, expected[&format!("store/{name}")], "{name}");
        }
        if copy.path().join(FIRST).exists() {
            same(
                &tree(&copy.path().join(FIRST)),
                &tree(&root.path().join(FIRST)),
            );
        }
        killed += u32::from(!finished);
        if finished || killed % 4 == 0 {
            ok(&mut command(copy.path()));
            same(&content(copy.path()), &expected);
            copy = tempfile::tempdir().unwrap();
        }
        if killed == KILLS {
            return;
        }
    }
    panic!("only {killed} of {KILLS} kills hit a running process");
}

/// A drop with one picture of some 9 MB, and the digest it has.
fn large(root: &Path) -> String {
    let folder = root.join("drop");
    std::fs::create_dir_all(folder.join("media")).unwrap();
    let (width, height) = (1732u32, 1732u32);
    let pixels = width * height * 3;
    let mut bmp = b"BM".to_vec();
    for word in [
        54 + pixels,
        0,
        54,
        40,
        width,
        height,
        1 | (24 << 16),
        0,
        pixels,
        0,
        0,
        0,
        0,
    ] {
        bmp.extend(word.to_le_bytes());
    }
    let mut seed = 1u32;
    bmp.extend((0..pixels).map(|_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    }));
    std::fs::write(folder.join("media/noise.bmp"), &bmp).unwrap();
    std::fs::write(
        folder.join("contributions.csv"),
        "file,title,contributor,licence\nmedia/noise.bmp,Noise,nobody,CC0-1.0\n",
    )
    .unwrap();
    std::fs::copy(
        datasets().join("drop/source.toml"),
        folder.join("source.toml"),
    )
    .unwrap();
    ok(fairframe(root)
        .arg("ingest")
        .arg(folder.join("source.toml"))
        .args(["--at", BEFORE]));
    let (name, _) = media(root)
        .into_iter()
        .next()
        .expect("the picture was accepted");
    name.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn a_part_left_by_a_killed_pull_is_gone_on_with_by_a_range() {
    let root = tempfile::tempdir().unwrap();
    let digest = large(root.path());
    let release = "manifests/demo/1.0.0";
    let of = digest.clone();
    let files = Files::serve(root.path(), move |(path, start)| {
        match path.ends_with(&of) && start.is_none() {
            true => Act::Stall(6 << 20),
            false => Act::Serve,
        }
    });
    let copy = tempfile::tempdir().unwrap();
    let mut child = pull(&files.url(release), copy.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let partial = copy.path().join("store/partial");
    let part = || {
        let entries = std::fs::read_dir(&partial).into_iter().flatten().flatten();
        let mut parts = entries
            .map(|e| e.path())
            .filter(|p| p.extension().is_none());
        parts.next()
    };
    let until = Instant::now() + Duration::from_secs(60);
    while part().is_none_or(|p| p.metadata().unwrap().len() < 6 << 20) {
        assert!(Instant::now() < until, "no part was kept");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    // Shorter than it was: the range starts where the file now ends.
    let left = 5_000_000;
    let file = std::fs::File::options()
        .write(true)
        .open(part().unwrap())
        .unwrap();
    file.set_len(left).unwrap();
    let done = pulled(&files.url(release), copy.path());
    assert_eq!(done["samples"]["fetched"], 1, "{done}");
    let asked = files.asked_for(&digest);
    assert_eq!(asked.last().unwrap().1, Some(left), "{asked:?}");
    same(&media(copy.path()), &media(root.path()));
    assert_eq!(std::fs::read_dir(&partial).unwrap().count(), 0);
}

#[test]
fn a_broken_connection_is_taken_up_within_a_pull() {
    let root = tempfile::tempdir().unwrap();
    actors(root.path(), BEFORE);
    let files = Files::serve(root.path(), |(path, start)| {
        match path.starts_with("store/") && start.is_none() {
            true => Act::Break(10_000),
            false => Act::Serve,
        }
    });
    let copy = tempfile::tempdir().unwrap();
    pulled(&files.url(FIRST), copy.path());
    same(&media(copy.path()), &media(root.path()));
    let asked = files.asked_for("store/");
    assert_eq!(asked.iter().filter(|a| a.1 == Some(10_000)).count(), 15);
}

#[test]
fn changed_bytes_are_a_row_and_only_they_are_asked_for_again() {
    let root = tempfile::tempdir().unwrap();
    actors(root.path(), BEFORE);
    let names: Vec<String> = media(root.path()).into_keys().collect();
    let (same_length, longer, gone) = (names[0].clone(), names[1].clone(), names[2].clone());
    let store = media(root.path());
    let mut other = store[&same_length].clone();
    other[1000] ^= 1;
    let more = [store[&longer].as_slice(), b"more"].concat();
    let wrong = [same_length.clone(), longer.clone(), gone.clone()];
    let files = Files::serve(root.path(), move |(path, _)| {
        match path.strip_prefix("store/") {
            Some(name) if name == same_length => Act::Instead(other.clone()),
            Some(name) if name == longer => Act::Instead(more.clone()),
            Some(name) if name == gone => Act::NotFound,
            _ => Act::Serve,
        }
    });
    let copy = tempfile::tempdir().unwrap();
    let output = pull(&files.url(FIRST), copy.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let done = outcome(&output);
    assert_eq!(
        (&done["samples"]["failed"], &done["held"]),
        (&3.into(), &12.into())
    );
    let failures = rows(papers(copy.path(), "failures.csv"));
    assert_eq!(failures.len(), 3, "{failures:?}");
    let of = |name: &str| failures.iter().find(|row| row.contains(name)).unwrap();
    assert!(of(&wrong[0]).contains(",digest-mismatch,"), "{failures:?}");
    assert!(of(&wrong[1]).contains(",digest-mismatch,"), "{failures:?}");
    assert!(of(&wrong[2]).contains(",fetch-not-found,"), "{failures:?}");
    assert!(of(&wrong[0]).contains(&files.url("store/")), "{failures:?}");
    let held = media(copy.path());
    assert!(wrong.iter().all(|name| !held.contains_key(name)));
    assert_eq!(rows(papers(copy.path(), "ATTRIBUTION.csv")).len(), 12);

    let good = Files::serve(root.path(), |_| Act::Serve);
    pulled(&good.url(FIRST), copy.path());
    let mut asked: Vec<String> = good.asked_for("store/").into_iter().map(|a| a.0).collect();
    asked.sort();
    let wrong: Vec<String> = wrong.iter().map(|name| format!("store/{name}")).collect();
    assert_eq!(asked, wrong);
    assert!(rows(papers(copy.path(), "failures.csv")).is_empty());
    same(&media(copy.path()), &media(root.path()));
    verified(copy.path());
}

#[test]
fn what_was_withdrawn_since_is_removed_and_never_asked_for() {
    let root = tempfile::tempdir().unwrap();
    actors(root.path(), BEFORE);
    let before = media(root.path());
    let serving = Serving::start(root.path());
    let release = format!("{}data/demo-actors/1.0.0/", serving.url);
    let copy = tempfile::tempdir().unwrap();
    assert_eq!(pulled(&release, copy.path())["held"], 15);

    actors(root.path(), AFTER);
    // The same release, pulled again from the same server: the newest list holds.
    let done = pulled(&release, copy.path());
    assert_eq!(done["removed"].as_array().unwrap().len(), 5, "{done}");
    assert_eq!(
        (&done["samples"]["recalled"], &done["held"]),
        (&5.into(), &10.into())
    );
    same(&media(copy.path()), &media(root.path()));
    assert_eq!(rows(papers(copy.path(), "ATTRIBUTION.csv")).len(), 10);
    let again = pulled(&release, copy.path());
    assert_eq!(again["removed"].as_array().unwrap().len(), 0);
    verified(copy.path());

    // Bytes that came back are found.
    let (name, bytes) = before
        .iter()
        .find(|(n, _)| !media(copy.path()).contains_key(*n))
        .unwrap();
    let back = copy.path().join("store").join(name);
    std::fs::write(&back, bytes).unwrap();
    let mut verify = fairframe(copy.path());
    verify
        .arg("verify")
        .arg(copy.path().join(FIRST))
        .arg("--media");
    let output = verify.output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output.stdout).contains("withdrawn since"),
        "{}",
        text(&output.stdout)
    );
    std::fs::remove_file(&back).unwrap();

    // A server that still has the bytes, asked by a new copy and by one that was killed with a
    // part of them: nobody downloads them.
    for (name, bytes) in &before {
        std::fs::write(root.path().join("store").join(name), bytes).unwrap();
    }
    let files = Files::serve(root.path(), |_| Act::Serve);
    let new = tempfile::tempdir().unwrap();
    let gone: Vec<&String> = before
        .keys()
        .filter(|n| !media(copy.path()).contains_key(*n))
        .collect();
    assert_eq!(gone.len(), 5);
    for origin in [
        files.url(FIRST),
        root.path().join(FIRST).display().to_string(),
    ] {
        let done = pulled(&origin, new.path());
        assert_eq!(done["held"], 10, "{done}");
        assert!(gone.iter().all(|name| files.asked_for(name).is_empty()));
        assert!(
            gone.iter()
                .all(|name| !media(new.path()).contains_key(*name))
        );
    }

    // A server that forgets the list does not make the copy forget it.
    let forgetful = Files::serve(root.path(), |(path, _)| {
        match path.ends_with("demo-actors/recall.json") {
            true => Act::NotFound,
            false => Act::Serve,
        }
    });
    assert_eq!(pulled(&forgetful.url(FIRST), new.path())["held"], 10);

    // The command of before works on a copy too.
    let fresh = tempfile::tempdir().unwrap();
    let alone = tempfile::tempdir().unwrap();
    for folder in [FIRST, "store"] {
        let to = alone.path().join(folder);
        for (name, bytes) in tree(&root.path().join(folder)) {
            std::fs::create_dir_all(to.join(&name).parent().unwrap()).unwrap();
            std::fs::write(to.join(name), bytes).unwrap();
        }
    }
    let lonely = alone.path().join(FIRST).display().to_string();
    assert_eq!(pulled(&lonely, fresh.path())["held"], 15);
    let list = root.path().join("manifests/demo-actors/2.0.0/recall.json");
    let said = ok(fairframe(fresh.path())
        .arg("recall")
        .arg(fresh.path())
        .arg(list));
    assert!(
        text(&said.stdout).contains("5 files removed"),
        "{}",
        text(&said.stdout)
    );
}
