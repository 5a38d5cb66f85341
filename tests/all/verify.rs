//! Whatever is done to a release, `fairframe verify` says so and names it.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path, process::Command};

use crate::support::{fairframe, ok, text, workspace};
use fairframe_schemas::{
    ConsentState, Digest, MediaType, Name, Reason, RecallList, Sample, SampleId, Split, Status,
    recall::RecallEntry,
};

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

/// The problems that `verify` finds, as `rule: problem`.
fn problems(root: &Path, folder: &Path) -> Vec<String> {
    let mut verify = fairframe(root);
    let said = verify.args(["--json", "verify"]).arg(folder).output();
    let said = said.expect("the binary starts");
    let found: serde_json::Value = serde_json::from_slice(&said.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", text(&said.stderr)));
    let list: Vec<String> = found["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|p| {
            format!(
                "{}: {}",
                p["rule"].as_str().unwrap(),
                p["problem"].as_str().unwrap()
            )
        })
        .collect();
    let code = if list.is_empty() { 0 } else { 3 };
    assert_eq!(said.status.code(), Some(code), "{list:?}");
    list
}

/// Two people in three videos, in manifest order.
fn sound() -> Vec<Sample> {
    let sample = |key: &str, subject: &str, split| {
        let mut sample = Sample::new("s", key, MediaType::Video);
        sample.media_sha256 = Some(Digest::of(key.as_bytes()));
        sample.licence = Some("CC-BY-4.0".to_owned());
        sample.split = Some(split);
        sample.split_group = Some(format!("group-of-{subject}"));
        sample.subject_ids = vec![subject.to_owned()];
        sample.consent_state = Some(ConsentState::Given);
        sample
    };
    let mut samples = vec![
        sample("a", "p1", Split::Train),
        sample("b", "p1", Split::Train),
        sample("c", "p2", Split::Test),
    ];
    samples.sort_by_key(|s| s.sample_id);
    samples
}

/// Each rule of a row catches a release that breaks it and is otherwise sound, with
/// all digests right.
#[test]
fn every_rule_of_a_row_is_checked() {
    type Break = fn(&mut Vec<Sample>);
    fn at<'a>(samples: &'a mut [Sample], key: &str) -> &'a mut Sample {
        samples.iter_mut().find(|s| s.source_key == key).unwrap()
    }
    let cases: [(&str, Break); 15] = [
        ("licence: accepted without a licence", |s| {
            at(s, "a").licence = None
        }),
        ("licence: `Public` is not an SPDX", |s| {
            at(s, "a").licence = Some("Public".into())
        }),
        ("consent: people are shown without a consent", |s| {
            at(s, "a").consent_state = None
        }),
        ("consent: people are shown without a consent", |s| {
            at(s, "a").consent_state = Some(ConsentState::Withdrawn);
        }),
        ("split: an accepted sample has no split", |s| {
            at(s, "b").split = None
        }),
        ("split: the group stands in `", |s| {
            at(s, "c").split_group = at(s, "a").split_group.clone();
        }),
        // One person in two groups.
        ("split: it stands in `", |s| {
            at(s, "c").subject_ids.push("p1".into());
        }),
        // The same bytes in two groups.
        ("split: it stands in `", |s| {
            at(s, "c").media_sha256 = at(s, "b").media_sha256;
        }),
        ("id: the id is not that of", |s| {
            at(s, "a").source_key = "another".into()
        }),
        ("id: the id stands twice", |s| {
            let again = at(s, "a").clone();
            let place = s.iter().position(|x| x.source_key == "a").unwrap();
            s.insert(place, again);
        }),
        ("order: the row stands out of order", |s| s.reverse()),
        ("order: the row stands out of order", |s| {
            s[2].region = Some("Africa".into())
        }),
        ("count: the status is milder than its reasons", |s| {
            at(s, "a").reasons = vec![Reason::Withdrawn];
        }),
        ("count: an excluded row gives no reason", |s| {
            at(s, "a").status = Status::Rejected
        }),
        ("count: the status is milder than its reasons", |s| {
            at(s, "a").status = Status::Quarantined;
            at(s, "a").reasons = vec![Reason::Withdrawn];
        }),
    ];
    let root = tempfile::tempdir().unwrap();
    let folder = crate::support::releases::write(root.path(), "sound", "1.0.0", sound(), None);
    assert_eq!(problems(root.path(), &folder), [""; 0]);
    for (i, (expected, spoil)) in cases.into_iter().enumerate() {
        let mut samples = sound();
        spoil(&mut samples);
        let dataset = format!("case-{i}");
        let folder = crate::support::releases::write(root.path(), &dataset, "1.0.0", samples, None);
        let found = problems(root.path(), &folder);
        assert!(
            !found.is_empty() && found.iter().all(|p| p.starts_with(expected)),
            "`{expected}` expected, not {found:?}"
        );
    }
}

/// Writes a file anew and makes `SHA256SUMS` agree, as one who means to deceive would.
fn resign(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).unwrap();
    let sums = folder.join("SHA256SUMS");
    let lines = fs::read_to_string(&sums).unwrap();
    let lines = lines
        .lines()
        .map(|line| match line.ends_with(&format!(" {name}")) {
            true => format!("{}  {name}\n", Digest::of(bytes)),
            false => format!("{line}\n"),
        });
    fs::write(&sums, lines.collect::<String>()).unwrap();
}

#[test]
fn right_digests_do_not_hide_a_wrong_file() {
    let root = tempfile::tempdir().unwrap();
    let mut samples = sound();
    samples[0].status = Status::Rejected;
    samples[0].reasons = vec![Reason::LicenceNotAllowed];
    let folder =
        crate::support::releases::write(root.path(), "sound", "1.0.0", samples.clone(), None);
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let parts: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("part-"))
        .collect();
    let [part] = parts.as_slice() else {
        panic!("{parts:?}")
    };
    let (accepted, excluded) = (read(part), read("excluded.parquet"));
    assert_eq!(problems(root.path(), &folder), [""; 0]);
    resign(&folder, part, &accepted);
    assert_eq!(problems(root.path(), &folder), [""; 0]);

    // The parts in each other's place.
    resign(&folder, part, &excluded);
    resign(&folder, "excluded.parquet", &accepted);
    let found = problems(root.path(), &folder);
    for expected in [
        "count: a row of status `rejected` stands among the accepted",
        "count: an accepted row stands among the excluded",
    ] {
        assert!(found.iter().any(|p| p == expected), "{found:?}");
    }
    // No Parquet at all.
    resign(&folder, part, b"PAR1 it is not");
    let found = problems(root.path(), &folder);
    assert!(found.iter().any(|p| p.starts_with("row: ")), "{found:?}");
    resign(&folder, part, &accepted);
    resign(&folder, "excluded.parquet", &excluded);

    // A summary that counts otherwise, of another version, or no summary.
    let summary = String::from_utf8(read("summary.json")).unwrap();
    for (from, to, expected) in [
        (r#""accepted": 2"#, r#""accepted": 3"#, "counts by status"),
        (r#""listed": 3"#, r#""listed": 4"#, "differ in number"),
        (
            r#""version": "1.0.0""#,
            r#""version": "2.0.0""#,
            "rows with `version` `1.0.0`",
        ),
        ("{", "[", "expected"),
    ] {
        assert!(summary.contains(from), "{summary}");
        resign(
            &folder,
            "summary.json",
            summary.replacen(from, to, 1).as_bytes(),
        );
        let found = problems(root.path(), &folder);
        assert!(
            found
                .iter()
                .any(|p| p.starts_with("count: ") && p.contains(expected)),
            "`{expected}` expected, not {found:?}"
        );
    }
    resign(&folder, "summary.json", summary.as_bytes());

    // A sample recalled, by its id or its bytes, and still accepted.
    let entry = |id, digest| RecallEntry {
        sample_id: id,
        media_sha256: digest,
        reason: Reason::Withdrawn,
        withdrawn_in: "1.0.0".parse().unwrap(),
        at: "2026-09-01T00:00:00Z".parse().unwrap(),
    };
    for (entry, expected) in [
        (
            entry(samples[1].sample_id, None),
            "the sample is on the recall list",
        ),
        (
            entry(SampleId::new("s", "elsewhere"), samples[1].media_sha256),
            "are on the recall list",
        ),
    ] {
        let mut list = RecallList::new(Name::new("sound").unwrap());
        list.recall_version = 1;
        list.extend([entry]);
        resign(&folder, "recall.json", list.to_json().as_bytes());
        let found = problems(root.path(), &folder);
        assert!(
            found
                .iter()
                .any(|p| p.starts_with("recall: ") && p.contains(expected)),
            "`{expected}` expected, not {found:?}"
        );
    }
}

#[test]
fn split_lists_of_another_corpus_are_judged_alone() {
    let root = tempfile::tempdir().unwrap();
    let lists = workspace().join("datasets/faceforensics");
    let run = |more: &[&OsStr]| {
        let mut verify = fairframe(root.path());
        verify
            .arg("verify")
            .arg("--splits")
            .arg(lists.join("splits"));
        let said = verify.args(more).output().unwrap();
        (said.status.code(), text(&said.stdout) + &text(&said.stderr))
    };
    let sources = lists.join("conversion_dict.json");
    let (code, said) = run(&["--sources".as_ref(), sources.as_os_str()]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("source-video: 7 in all"), "{said}");
    let (code, said) = run(&[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&["--sources".as_ref(), "/nowhere".as_ref()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("/nowhere"), "{said}");
    let (code, _) = run(&["--media".as_ref()]);
    assert_eq!(code, Some(2), "media are those of a release");
}
