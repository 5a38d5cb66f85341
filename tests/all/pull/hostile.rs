//! Releases, lists and addresses that lie.

use super::*;

#[test]
fn hostile_lists_of_files_write_nothing_outside() {
    let root = tempfile::tempdir().unwrap();
    actors(root.path(), BEFORE);
    let sums = std::fs::read_to_string(root.path().join(FIRST).join("SHA256SUMS")).unwrap();
    let digest = &sums[..64];
    let long = "a".repeat(200);
    let names = [
        "../../../escaped",
        "/tmp/escaped",
        "a/b",
        ".hidden",
        "a\\b",
        "..",
        "",
        &long,
    ];
    let mut lists: Vec<(Vec<u8>, &str)> = names
        .iter()
        .map(|name| {
            (
                format!("{sums}{digest}  {name}\n").into_bytes(),
                "no name of a release file",
            )
        })
        .collect();
    lists.push((b"not a list\n".to_vec(), "is not `<sha256>  <name>`"));
    lists.push((format!("{sums}{sums}").into_bytes(), "is named twice"));
    lists.push((vec![b'0'; 5 << 20], "more than 4194304 bytes"));
    lists.push((b"".to_vec(), "`summary.json` is not in it"));
    let many: String = (0..10_001).map(|n| format!("{digest}  f{n}\n")).collect();
    lists.push((many.into_bytes(), "more than 10000 files"));
    lists.push((vec![0xff, 0xfe], "utf-8"));
    for (list, problem) in lists {
        let files = Files::serve(root.path(), move |(path, _)| {
            match path.ends_with("SHA256SUMS") {
                true => Act::Instead(list.clone()),
                false => Act::Serve,
            }
        });
        let outside = tempfile::tempdir().unwrap();
        let copy = outside.path().join("a/b/copy");
        let (code, said) = refused(&files.url(FIRST), &copy);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(problem), "{problem}: {said}");
        let left = content(outside.path());
        assert!(left.is_empty(), "{:?}", left.keys());
    }
}

#[test]
fn a_release_file_with_other_bytes_is_named() {
    let root = tempfile::tempdir().unwrap();
    actors(root.path(), BEFORE);
    let files = Files::serve(root.path(), |(path, _)| match path.ends_with("card.html") {
        true => Act::Instead(b"<p>other</p>".to_vec()),
        false => Act::Serve,
    });
    let copy = tempfile::tempdir().unwrap();
    let (code, said) = refused(&files.url(FIRST), copy.path());
    assert_eq!(code, Some(1));
    for word in ["`card.html`", "sha256", "pull again"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(
        !copy.path().join(FIRST).exists(),
        "no half release is visible"
    );

    // A version never changes: another release under its name is refused.
    let good = Files::serve(root.path(), |_| Act::Serve);
    pulled(&good.url(FIRST), copy.path());
    let before = content(copy.path());
    let folder = root.path().join(FIRST);
    std::fs::write(folder.join("card.html"), "<p>new</p>").unwrap();
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let changed = sums.lines().map(|line| match line.ends_with("card.html") {
        true => format!("{}  card.html\n", sha256(b"<p>new</p>")),
        false => format!("{line}\n"),
    });
    std::fs::write(folder.join("SHA256SUMS"), changed.collect::<String>()).unwrap();
    let (code, said) = refused(&good.url(FIRST), copy.path());
    assert_eq!(code, Some(1));
    assert!(said.contains("a version never changes"), "{said}");
    same(&content(copy.path()), &before);
}

fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

#[test]
fn hostile_recall_lists_remove_nothing_but_media() {
    let root = tempfile::tempdir().unwrap();
    actors(root.path(), BEFORE);
    let copy = tempfile::tempdir().unwrap();
    let mine = copy.path().join("notes.txt");
    std::fs::write(&mine, "mine").unwrap();
    let list = format!(
        "{{\"dataset\":\"demo-actors\",\"recall_version\":1,\"entries\":[{{\"sample_id\":\"{}\",\
         \"media_sha256\":\"{}\",\"reason\":\"withdrawn\",\"withdrawn_in\":\"2.0.0\",\
         \"at\":\"2026-09-01T00:00:00Z\"}}]}}",
        "0".repeat(32),
        sha256(b"mine")
    );
    let other = list.replace("demo-actors", "other");
    let cases = [
        (list.into_bytes(), None),
        (other.into_bytes(), Some("it is of dataset `other`")),
        (b"<html>".to_vec(), Some("it cannot be read")),
    ];
    for (list, problem) in cases {
        let files = Files::serve(root.path(), move |(path, _)| {
            match path.ends_with("demo-actors/recall.json") {
                true => Act::Instead(list.clone()),
                false => Act::Serve,
            }
        });
        let (code, said) = refused(&files.url(FIRST), copy.path());
        match problem {
            None => assert_eq!(code, Some(0), "{said}"),
            Some(problem) => {
                assert_eq!(code, Some(1));
                assert!(said.contains(problem), "{said}");
            }
        }
        assert!(mine.exists());
    }
}

/// Eight photos of recorded Commons pages, whose addresses are on loopback.
#[test]
fn upstream_addresses_that_are_private_are_refused_unless_said() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let commons = datasets().join("demo-commons");
    let (address, _server) = runtime
        .block_on(crate::support::replay::serve(&commons.join("replay"), 0))
        .unwrap();
    let root = tempfile::tempdir().unwrap();
    let declared = std::fs::read_to_string(commons.join("source.toml")).unwrap();
    let source = root.path().join("source.toml");
    std::fs::write(
        &source,
        declared.replace("127.0.0.1:7433", &address.to_string()),
    )
    .unwrap();
    ok(fairframe(root.path())
        .arg("ingest")
        .arg(&source)
        .args(["--at", BEFORE]));
    let release = "manifests/demo/1.0.0";
    let all = media(root.path());

    // The server has no store: media are asked for upstream.
    let bare = Files::serve(root.path(), |(path, _)| match path.starts_with("store/") {
        true => Act::NotFound,
        false => Act::Serve,
    });
    let copy = tempfile::tempdir().unwrap();
    let output = pull(&bare.url(release), copy.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let failures = rows(copy.path().join("pulled/demo/1.0.0/failures.csv"));
    assert!(!failures.is_empty());
    for row in &failures {
        assert!(row.contains(",fetch-refused-address,"), "{row}");
        assert!(
            row.contains(&address.to_string()) && row.contains("loopback"),
            "{row}"
        );
    }
    assert!(media(copy.path()).is_empty());

    let mut said = pull(&bare.url(release), copy.path());
    said.args(["--allow-private", "127.0.0.1"]);
    let done = outcome(&ok(&mut said));
    assert_eq!(done["samples"]["fetched"], failures.len(), "{done}");
    let held = media(copy.path());
    assert_eq!(held.len(), failures.len());
    assert!(
        held.iter()
            .all(|(name, bytes)| all.get(name) == Some(bytes))
    );
}

/// A release of one sample, with an upstream address of our choice.
fn released(root: &Path, source_url: &str) {
    let mut sample = Sample::new("s", "k", MediaType::Image);
    sample.media_sha256 = Some(Digest::of(b"x"));
    sample.bytes = Some(1);
    sample.source_url = Some(source_url.to_owned());
    sample.licence = Some("CC0-1.0".to_owned());
    sample.split = Some(Split::Train);
    crate::support::releases::write(root, "one", "1.0.0", vec![sample], None);
}

#[test]
fn wikimedia_is_not_asked_without_a_contact_nor_anybody_on_a_private_address() {
    let root = tempfile::tempdir().unwrap();
    released(
        root.path(),
        "https://upload.wikimedia.org/wikipedia/commons/a/a8/A.jpg",
    );
    let release = root
        .path()
        .join("manifests/one/1.0.0")
        .display()
        .to_string();
    let copy = tempfile::tempdir().unwrap();
    for agent in ["", "me"] {
        let mut command = pull(&release, copy.path());
        if !agent.is_empty() {
            command.args(["--user-agent", agent]);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(
            said.contains("`upload.wikimedia.org`") && said.contains("--user-agent"),
            "{said}"
        );
    }

    for (address, kind) in [
        ("http://169.254.169.254/latest/meta-data/", "link-local"),
        ("http://[::1]:8080/x", "loopback"),
        ("http://0x7f.1/x", "loopback"),
        ("file:///etc/passwd", "not http or https"),
    ] {
        let root = tempfile::tempdir().unwrap();
        released(root.path(), address);
        let release = root
            .path()
            .join("manifests/one/1.0.0")
            .display()
            .to_string();
        let copy = tempfile::tempdir().unwrap();
        let output = pull(&release, copy.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        let failures = rows(copy.path().join("pulled/one/1.0.0/failures.csv"));
        assert!(
            failures[0].contains(",fetch-refused-address,"),
            "{failures:?}"
        );
        assert!(failures[0].contains(kind), "{failures:?}");
    }
}

#[test]
fn what_names_no_release_is_refused_with_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    let files = Files::serve(root.path(), |_| Act::Serve);
    let copy = tempfile::tempdir().unwrap();
    for (release, remedy) in [
        (files.url("data/demo/"), "name a release, as"),
        (files.url("data/demo/1.0.0/"), "has no `SHA256SUMS`"),
        (root.path().display().to_string(), "has no `SHA256SUMS`"),
        (root.path().join("nothing").display().to_string(), "nothing"),
        (
            files.url("data/demo/1.0.0/").replace("//", "//me:secret@"),
            "user name or password",
        ),
    ] {
        let (code, said) = refused(&release, copy.path());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(remedy), "{remedy}: {said}");
    }
    // Two pulls at one copy.
    let lock = std::fs::File::options()
        .append(true)
        .create(true)
        .open(copy.path().join("pulled/lock"))
        .unwrap();
    lock.lock().unwrap();
    let (code, said) = refused(&files.url("data/demo/1.0.0/"), copy.path());
    assert_eq!(code, Some(1));
    assert!(said.contains("another pull is at this copy"), "{said}");
}
