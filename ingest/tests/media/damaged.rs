//! Pictures that are cut off, broken, none at all, or bombs.

use fairframe_schemas::{Reason, source::MediaLimits};

use crate::{
    describe, describe_within,
    make::{PICTURES, bomb, broken, cut, encode, ffmpeg, picture},
    photo, reason,
};

#[test]
fn truncated_and_corrupt_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let decoded = image::open(photo("DSCN0012.jpg")).unwrap();
    let mut wholes = vec![photo("DSCN0012.jpg")];
    for name in ["w.png", "w.webp", "w.tiff", "w.bmp", "w.gif"] {
        let path = folder.path().join(name);
        decoded.save(&path).unwrap();
        wholes.push(path);
    }
    let progressive = ffmpeg(folder.path(), "p.jpg", "-i IN -frames:v 1");
    wholes.push(progressive);
    for whole in wholes {
        for share in [0.9, 0.5, 0.2] {
            let path = cut(folder.path(), &whole, "cut", share);
            assert_eq!(reason(&path), Reason::MediaTruncated, "{whole:?} {share}");
        }
    }
    // As long as they should be, and broken inside.
    for ending in PICTURES {
        let whole = encode(&picture(1), ending);
        let path = folder.path().join("broken");
        std::fs::write(&path, &whole).unwrap();
        assert!(describe(&path).is_ok(), "{ending}");
        std::fs::write(&path, broken(&whole, ending)).unwrap();
        assert_eq!(reason(&path), Reason::MediaCorrupt, "{ending}");
    }
}

#[test]
fn bytes_that_are_no_media() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    assert_eq!(reason(&file("empty.jpg", b"")), Reason::MediaEmpty);
    let html = b"<!DOCTYPE html><title>404</title>".repeat(100);
    assert_eq!(reason(&file("page.jpg", &html)), Reason::MediaTypeUnknown);
    assert_eq!(
        reason(&file("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0")),
        Reason::MediaTypeUnknown
    );
    // A playlist would make FFmpeg open other files: it is not even asked.
    let list = "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n";
    assert_eq!(
        reason(&file("list.mp4", list.as_bytes())),
        Reason::MediaTypeUnknown
    );
    assert_eq!(
        reason(&file("soi.jpg", b"\xff\xd8\xff")),
        Reason::MediaTruncated
    );
    for magic in [
        &b"\x89PNG\r\n\x1a\n"[..],
        b"GIF89a",
        b"RIFF\xff\xff\xff\x7fWEBP",
        b"II*\0",
    ] {
        let got = reason(&file("short", magic));
        assert!(
            matches!(got, Reason::MediaTruncated | Reason::MediaCorrupt),
            "{got} {magic:?}"
        );
    }
}

#[test]
fn bombs_are_refused_from_their_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb");
    for ending in PICTURES {
        std::fs::write(&path, bomb(&encode(&picture(1), ending), ending)).unwrap();
        assert_eq!(reason(&path), Reason::MediaTooLarge, "{ending}");
    }
    // With another, small picture in its EXIF block.
    let photo_of_camera = std::fs::read(photo("DSCN0010.jpg")).unwrap();
    std::fs::write(&path, bomb(&photo_of_camera, "jpg")).unwrap();
    assert_eq!(reason(&path), Reason::MediaTooLarge);

    let few = MediaLimits {
        max_pixels: 640 * 480 - 1,
        ..MediaLimits::default()
    };
    let refused = describe_within(&photo("DSCN0010.jpg"), &few).unwrap_err();
    assert_eq!(refused.reason, Reason::MediaTooLarge);
    assert!(refused.message.contains("640 x 480"), "{refused}");
}
