//! Pictures that are cut off, broken, none at all, or bombs.

use fairframe_schemas::{Reason, source::MediaLimits};

use crate::{
    describe_within,
    make::{crc32, cut, ffmpeg},
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
        // A header, and then noise.
        let mut bytes = std::fs::read(&whole).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 2_000].fill(0x5a);
        if whole.extension().is_some_and(|e| e == "png") {
            let path = folder.path().join("noise");
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(reason(&path), Reason::MediaCorrupt, "{whole:?}");
        }
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
    // A PNG of 60000 x 60000 whose data are a few bytes.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend(60_000u32.to_be_bytes());
    png.extend(60_000u32.to_be_bytes());
    png.extend([8, 2, 0, 0, 0]);
    let crc = crc32(&png[12..29]);
    png.extend(crc.to_be_bytes());
    png.extend(b"\0\0\0\x04IDAT\x78\x9c\x03\0");
    png.extend(crc32(b"IDAT\x78\x9c\x03\0").to_be_bytes());
    let path = folder.path().join("bomb.png");
    std::fs::write(&path, &png).unwrap();
    assert_eq!(reason(&path), Reason::MediaTooLarge);

    // A real photo whose frame header says 65500 x 65500.
    let mut jpeg = std::fs::read(photo("DSCN0010.jpg")).unwrap();
    // The last one: the first is that of the small picture inside the EXIF block.
    let sof = jpeg
        .windows(5)
        .rposition(|w| w == [0xff, 0xc0, 0, 0x11, 8])
        .unwrap();
    jpeg[sof + 5..sof + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let path = folder.path().join("bomb.jpg");
    std::fs::write(&path, &jpeg).unwrap();
    assert_eq!(reason(&path), Reason::MediaTooLarge);

    let few = MediaLimits {
        max_pixels: 640 * 480 - 1,
        ..MediaLimits::default()
    };
    let refused = describe_within(&photo("DSCN0010.jpg"), &few).unwrap_err();
    assert_eq!(refused.reason, Reason::MediaTooLarge);
    assert!(refused.message.contains("640 x 480"), "{refused}");
}
