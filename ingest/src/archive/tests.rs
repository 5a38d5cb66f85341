use std::io::{Cursor, Write};

use ::zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};
use proptest::prelude::*;

use super::*;

fn write(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (i, (name, bytes)) in members.iter().enumerate() {
        let method = [CompressionMethod::Deflated, CompressionMethod::Stored][i % 2];
        zip.start_file(
            *name,
            SimpleFileOptions::default().compression_method(method),
        )
        .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Sets the name as it is, as an attacker would.
fn tar_of(members: &[(&str, ::tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = ::tar::Builder::new(Vec::new());
    for (name, kind, bytes) in members {
        let mut header = ::tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn read(archive: &Archive, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive
        .open_member(name)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn problem(archive: &Archive, name: &str) -> MemberProblem {
    match archive.open_member(name).map(|_| ()) {
        Err(ArchiveError::Refused { problem, .. }) => problem,
        other => panic!("`{name}`: {other:?}"),
    }
}

const REGULAR: ::tar::EntryType = ::tar::EntryType::Regular;

#[test]
fn the_same_drop_reads_the_same_in_every_form() {
    let photo = include_bytes!("../../../datasets/drop/media/DSCN0010.jpg");
    let folder = tempfile::tempdir().unwrap();
    let members: [(&str, &[u8]); 3] = [
        ("contributions.csv", b"file\n"),
        ("media/a.jpg", photo),
        ("media/empty.jpg", b""),
    ];
    let tar = tar_of(&members.map(|(n, b)| (n, REGULAR, b)));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar).unwrap();
    let plain = folder.path().join("plain");
    std::fs::create_dir_all(plain.join("media")).unwrap();
    for (name, bytes) in members {
        std::fs::write(plain.join(name), bytes).unwrap();
    }
    // Names say nothing: content decides.
    let forms = [
        plain,
        write(&folder, "a.bin", &zip_of(&members)),
        write(&folder, "b.zip", &tar),
        write(&folder, "c", &gz.finish().unwrap()),
        write(&folder, "d", &zstd::encode_all(tar.as_slice(), 1).unwrap()),
    ];
    for form in forms {
        let archive = Archive::open(&form).unwrap();
        let listed: Vec<_> = archive.members().unwrap();
        let names: Vec<_> = listed.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(
            names,
            ["contributions.csv", "media/a.jpg", "media/empty.jpg"]
        );
        assert!(
            listed
                .iter()
                .all(|m| m.problem.is_none() && !m.case_collision)
        );
        assert_eq!(read(&archive, "media/a.jpg"), photo);
        assert_eq!(read(&archive, "./media//empty.jpg"), b"");
        assert_eq!(archive.size("media/a.jpg").unwrap(), photo.len() as u64);
        let missing = archive.open_member("media/b.jpg").map(|_| ()).unwrap_err();
        assert_eq!(missing.reason(), Reason::FileMissing);
        let outside = archive.open_member("../c").map(|_| ()).unwrap_err();
        assert_eq!(outside.reason(), Reason::FileRefused);

        let mut bytes = Vec::new();
        open_media(&archive.media_ref("media/a.jpg"))
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(bytes, photo);
    }
    assert!(matches!(
        open_media(&MediaRef::None).map(|_| ()),
        Err(ArchiveError::NotInADrop)
    ));
}

#[test]
fn hostile_tar_members_are_refused_and_the_others_read() {
    use ::tar::EntryType as T;
    let folder = tempfile::tempdir().unwrap();
    let tar = tar_of(&[
        ("../slip", REGULAR, b"x"),
        ("/abs", REGULAR, b"x"),
        ("link", T::Symlink, b""),
        ("hard", T::Link, b""),
        ("pipe", T::Fifo, b""),
        ("device", T::Block, b""),
        ("twice", REGULAR, b"1"),
        ("./twice", REGULAR, b"2"),
        ("Photo.jpg", REGULAR, b"x"),
        ("photo.jpg", REGULAR, b"x"),
        ("good", REGULAR, b"good"),
    ]);
    let archive = Archive::open(&write(&folder, "x.tar", &tar)).unwrap();
    for name in ["link", "hard"] {
        assert_eq!(problem(&archive, name), MemberProblem::Link);
    }
    for name in ["pipe", "device"] {
        assert_eq!(problem(&archive, name), MemberProblem::Special);
    }
    assert_eq!(problem(&archive, "twice"), MemberProblem::Duplicate);
    assert_eq!(
        problem(&archive, "../slip"),
        MemberProblem::Name(NameProblem::Parent)
    );
    assert_eq!(read(&archive, "good"), b"good");
    let listed = archive.members().unwrap();
    let flagged = |name: &str| listed.iter().find(|m| m.name == name).unwrap();
    assert!(flagged("Photo.jpg").case_collision && !flagged("good").case_collision);
    assert_eq!(
        flagged("../slip").problem,
        Some(MemberProblem::Name(NameProblem::Parent))
    );
}

#[test]
fn long_tar_names_are_read_within_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/photo.jpg", "d".repeat(150));
    let mut tar = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(4);
    tar.append_data(&mut header, &long, &b"good"[..]).unwrap();
    let archive = Archive::open(&write(&folder, "x.tar", &tar.into_inner().unwrap())).unwrap();
    assert_eq!(read(&archive, &long), b"good");

    let name = vec![b'n'; tar::MAX_EXTENSION as usize + 1];
    let bytes = tar_of(&[
        ("L", ::tar::EntryType::GNULongName, &name),
        ("x", REGULAR, b""),
    ]);
    let error = Archive::open(&write(&folder, "y.tar", &bytes)).unwrap_err();
    assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
}

#[test]
fn hostile_zip_members_are_refused_and_the_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = SimpleFileOptions::default();
    for name in ["../slip", "/abs", "twice", "Twic2", "good"] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(name.as_bytes()).unwrap();
    }
    zip.add_symlink("link", "/etc/passwd", stored).unwrap();
    zip.start_file("bomb", deflated).unwrap();
    zip.write_all(&vec![0; 4 << 20]).unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    // The writer refuses duplicates; the attacker does not.
    while let Some(at) = bytes.windows(5).position(|w| w == b"Twic2") {
        bytes[at..at + 5].copy_from_slice(b"twice");
    }
    let archive = Archive::open(&write(&folder, "x.zip", &bytes)).unwrap();
    assert_eq!(problem(&archive, "link"), MemberProblem::Link);
    assert_eq!(problem(&archive, "bomb"), MemberProblem::Bomb);
    assert_eq!(problem(&archive, "twice"), MemberProblem::Duplicate);
    assert_eq!(read(&archive, "good"), b"good");
    let slips = archive.members().unwrap();
    let bad = |m: &&Member| matches!(m.problem, Some(MemberProblem::Name(_)));
    assert_eq!(slips.iter().filter(bad).count(), 2);
}

#[test]
fn lies_in_a_zip_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let good = zip_of(&[
        ("a", b"deflated text, deflated text"),
        ("b", b"stored text"),
    ]);
    let central = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();

    // A byte of stored content changed: the checksum tells.
    let mut bytes = good.clone();
    let at = bytes.windows(6).position(|w| w == b"stored").unwrap();
    bytes[at] ^= 1;
    let archive = Archive::open(&write(&folder, "1.zip", &bytes)).unwrap();
    let error = archive
        .open_member("b")
        .unwrap()
        .read_to_end(&mut Vec::new())
        .unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");

    // A smaller size declared than there is: reading stops there.
    let mut bytes = good.clone();
    bytes[central + 24] = 4;
    let archive = Archive::open(&write(&folder, "2.zip", &bytes)).unwrap();
    let mut read = Vec::new();
    let error = archive
        .open_member("a")
        .unwrap()
        .read_to_end(&mut read)
        .unwrap_err();
    assert!(error.to_string().contains("more bytes"), "{error}");
    assert_eq!(read.len(), 4);

    // Encrypted.
    let mut bytes = good.clone();
    bytes[central + 8] |= 1;
    let archive = Archive::open(&write(&folder, "3.zip", &bytes)).unwrap();
    assert_eq!(problem(&archive, "a"), MemberProblem::Encrypted);

    // Both members point at the same bytes.
    let mut bytes = good.clone();
    let second = central
        + 4
        + good[central + 4..]
            .windows(4)
            .position(|w| w == b"PK\x01\x02")
            .unwrap();
    bytes[second + 42..second + 46].fill(0);
    let archive = Archive::open(&write(&folder, "4.zip", &bytes)).unwrap();
    assert_eq!(problem(&archive, "b"), MemberProblem::Overlap);

    // Truncated, and a promise of more members than there are.
    let error = Archive::open(&write(&folder, "5.zip", &good[..good.len() - 5])).unwrap_err();
    assert!(error.to_string().contains("truncated"), "{error}");
    let mut bytes = good.clone();
    let end = bytes.len() - 22;
    bytes[end + 10] = 200;
    assert!(Archive::open(&write(&folder, "6.zip", &bytes)).is_err());
}

#[test]
fn limits_hold() {
    let folder = tempfile::tempdir().unwrap();
    let few = ArchiveLimits {
        members: 2,
        ..Default::default()
    };
    let three = [("a", &b"1"[..]), ("b", b"2"), ("c", b"3")];
    let plain = folder.path().join("plain");
    std::fs::create_dir(&plain).unwrap();
    for (name, bytes) in three {
        std::fs::write(plain.join(name), bytes).unwrap();
    }
    let zip = write(&folder, "a.zip", &zip_of(&three));
    let tar = write(
        &folder,
        "a.tar",
        &tar_of(&three.map(|(n, b)| (n, REGULAR, b))),
    );
    for path in [zip, tar] {
        let error = Archive::open_within(&path, &few).unwrap_err();
        assert!(matches!(
            error,
            ArchiveError::Limit {
                what: "members",
                limit: 2,
                ..
            }
        ));
    }
    let archive = Archive::open_within(&plain, &few).unwrap();
    assert!(matches!(
        archive.members(),
        Err(ArchiveError::Limit { what: "files", .. })
    ));

    // 64 MiB of zeros in a few kilobytes.
    let bomb = tar_of(&[("zeros", REGULAR, &vec![0; 64 << 20])]);
    let path = write(
        &folder,
        "b.tar.zst",
        &zstd::encode_all(bomb.as_slice(), 1).unwrap(),
    );
    let error = Archive::open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            ArchiveError::Limit {
                what: "decompressed bytes",
                ..
            }
        ),
        "{error}"
    );

    let small = ArchiveLimits {
        total_bytes: 1 << 20,
        ..Default::default()
    };
    let error = Archive::open_within(&write(&folder, "b.tar", &bomb), &small).unwrap_err();
    assert!(matches!(error, ArchiveError::Limit { what: "bytes", .. }));
}

#[test]
fn what_is_no_drop_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let gz = {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"file,licence\n").unwrap();
        gz.finish().unwrap()
    };
    for bytes in [&b""[..], b"<html>", &[0; 2048], &gz] {
        let error = Archive::open(&write(&folder, "x", bytes)).unwrap_err();
        assert!(matches!(error, ArchiveError::Unknown { .. }), "{error}");
    }
    let error = Archive::open(&folder.path().join("no")).unwrap_err();
    assert!(error.to_string().contains("no"), "{error}");
}

#[test]
fn a_replaced_archive_is_listed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "x.zip", &zip_of(&[("a", b"1")]));
    let first = open_shared(&path).unwrap();
    assert!(Arc::ptr_eq(&first, &open_shared(&path).unwrap()));
    std::fs::remove_file(&path).unwrap();
    write(&folder, "x.zip", &zip_of(&[("a", b"1"), ("b", b"2")]));
    assert_eq!(open_shared(&path).unwrap().members().unwrap().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Damage anywhere: an error or other content, never a panic or more bytes than declared.
    #[test]
    fn damage_is_an_error(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>(), tar in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = if tar {
            tar_of(&[("a", REGULAR, b"text text text"), ("b", REGULAR, b"more")])
        } else {
            zip_of(&[("a", b"text text text"), ("b", b"more")])
        };
        let i = at.index(bytes.len());
        bytes[i] ^= 1 << bit;
        bytes.truncate(bytes.len() - cut.index(bytes.len()) / 8);
        if let Ok(archive) = Archive::open(&write(&folder, "x", &bytes)) {
            for member in archive.members().unwrap() {
                if let Ok(mut read) = archive.open_member(&member.name) {
                    let mut out = Vec::new();
                    let _ = read.read_to_end(&mut out);
                    prop_assert!(out.len() as u64 <= member.bytes);
                }
            }
        }
    }
}

/// Bytes of the same length under the old time: what a listing by name, size
/// and time does not see.
#[test]
fn a_file_changed_in_place_has_another_state_in_every_form() {
    type Pack = fn(&[(&str, &[u8])]) -> Vec<u8>;
    let tar: Pack = |members| {
        let members: Vec<_> = members.iter().map(|(n, b)| (*n, REGULAR, *b)).collect();
        tar_of(&members)
    };
    let tar_zst: Pack = |members| {
        let members: Vec<_> = members.iter().map(|(n, b)| (*n, REGULAR, *b)).collect();
        zstd::encode_all(tar_of(&members).as_slice(), 1).unwrap()
    };
    let one: Pack = |members| members[0].1.to_vec();
    let folder = tempfile::tempdir().unwrap();
    let set = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).unwrap();
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    for (name, pack) in [
        ("a.zip", zip_of as Pack),
        ("b.tar", tar),
        ("c.tar.zst", tar_zst),
        ("d", one),
    ] {
        let (root, file) = match name {
            "d" => (folder.path().to_owned(), folder.path().join("d")),
            _ => (folder.path().join(name), folder.path().join(name)),
        };
        let member = if name == "d" { "d" } else { "a.jpg" };
        let state = || open_shared(&root).unwrap().state(member).unwrap();
        set(&file, &pack(&[(member, b"abc"), ("b.jpg", b"1")]));
        let before = state();
        assert_eq!(
            (before.0, state()),
            (3, before.clone()),
            "{name}: the same twice"
        );
        // The clock of the file system moves in steps of some milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        set(&file, &pack(&[(member, b"abd"), ("b.jpg", b"1")]));
        assert_ne!(state(), before, "{name}");
    }
}
