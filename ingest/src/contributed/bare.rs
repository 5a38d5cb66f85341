//! A picture without what was written into it, pixel for pixel the same: nothing is decoded.
//!
//! What stays is named here, and all else goes, since a place can stand in EXIF, XMP, IPTC, a
//! camera's own notes, a thumbnail, a C2PA manifest or a video behind the picture: when it was
//! taken, with what, which way is up, and what colours mean.

use std::io::Cursor;

use exif::{Field, In, Reader, Tag, experimental::Writer};
use flate2::Crc;

use crate::media::sniff::Kind;

/// What of EXIF stays.
const KEPT: [Tag; 6] = [
    Tag::Make,
    Tag::Model,
    Tag::Orientation,
    Tag::DateTimeOriginal,
    Tag::SubSecTimeOriginal,
    Tag::OffsetTimeOriginal,
];

/// Longest field of EXIF that stays, in bytes; a camera's name is shorter.
const LONGEST: usize = 64;

/// Why what was written into a picture cannot be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BareError {
    #[error("its file is broken")]
    Broken,
    #[error("from TIFF what was written into it cannot be left out")]
    Tiff,
}

/// The picture with its pixels and what is named above.
pub fn bare(kind: Kind, bytes: &[u8]) -> Result<Vec<u8>, BareError> {
    let out = match kind {
        Kind::Jpeg => jpeg(bytes),
        Kind::Png => png(bytes),
        Kind::WebP => webp(bytes),
        _ => return Err(BareError::Tiff),
    };
    out.ok_or(BareError::Broken)
}

/// A new block of EXIF with what stays of the old one; none where nothing does.
fn exif(old: &[u8]) -> Option<Vec<u8>> {
    let read = Reader::new().continue_on_error(true).read_raw(old.to_vec());
    let read = read.or_else(|e| e.distill_partial_result(|_| {})).ok()?;
    let is_short = |field: &&Field| match &field.value {
        exif::Value::Ascii(texts) => texts.iter().map(Vec::len).sum::<usize>() <= LONGEST,
        exif::Value::Short(numbers) => numbers.len() == 1,
        _ => false,
    };
    let kept = KEPT
        .iter()
        .filter_map(|tag| read.get_field(*tag, In::PRIMARY));
    let kept: Vec<&Field> = kept.filter(is_short).collect();
    if kept.is_empty() {
        return None;
    }
    let mut writer = Writer::new();
    kept.into_iter().for_each(|field| writer.push_field(field));
    let mut out = Cursor::new(Vec::new());
    writer.write(&mut out, read.little_endian()).ok()?;
    Some(out.into_inner())
}

fn two(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?).into())
}

/// ISO 10918-1, annex B: segments, and after each start of a scan its data.
fn jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    const EXIF: &[u8] = b"Exif\0\0";
    /// What stands in JFIF before the size of its small picture.
    const JFIF_HEAD: usize = 12;
    let mut out = bytes.get(..2)?.to_vec();
    let mut at = 2;
    // JFIF wants to come first; our EXIF comes after it.
    let mut own = None;
    loop {
        let marker = *bytes.get(at + 1).filter(|_| bytes[at] == 0xff)?;
        match marker {
            // Any number of these fill a gap.
            0xff => {
                at += 1;
                continue;
            }
            0xd9 => {
                // What stands behind the picture is not of it.
                out.extend_from_slice(&[0xff, 0xd9]);
                break;
            }
            0x01 | 0xd0..=0xd8 => return None,
            _ => {}
        }
        let end = at + 2 + two(bytes, at + 2)?;
        let segment = bytes.get(at..end)?;
        let body = segment.get(4..)?;
        at = end;
        let stays = match marker {
            0xe0 => body.starts_with(b"JFIF\0"),
            0xe2 => body.starts_with(b"ICC_PROFILE\0"),
            0xee => body.starts_with(b"Adobe"),
            0xe1 => {
                if let Some(raw) = body.strip_prefix(EXIF) {
                    own = own.or_else(|| exif(raw));
                }
                false
            }
            // Tables, frames and scans.
            0xc0..=0xdf => true,
            _ => false,
        };
        if !stays {
            continue;
        }
        if marker != 0xe0
            && let Some(block) = own.take()
        {
            let length = u16::try_from(2 + EXIF.len() + block.len()).ok()?;
            out.extend_from_slice(&[0xff, 0xe1]);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(EXIF);
            out.extend_from_slice(&block);
        }
        if marker == 0xe0 {
            // Its density, and no small picture.
            let Some(head) = body.get(..JFIF_HEAD) else {
                continue;
            };
            out.extend_from_slice(&[0xff, 0xe0, 0, JFIF_HEAD as u8 + 4]);
            out.extend_from_slice(head);
            out.extend_from_slice(&[0, 0]);
            continue;
        }
        out.extend_from_slice(segment);
        if marker == 0xda {
            let rest = &bytes[at..];
            // Within a scan `ff 00` is data and `ff d0` to `ff d7` are marks to restart at.
            let next = rest
                .windows(2)
                .position(|w| w[0] == 0xff && !matches!(w[1], 0x00 | 0xff | 0xd0..=0xd7))?;
            out.extend_from_slice(&rest[..next]);
            at += next;
        }
    }
    Some(out)
}

/// W3C PNG, third edition: chunks. What is not needed to draw goes.
fn png(bytes: &[u8]) -> Option<Vec<u8>> {
    const DRAWN: [&[u8; 4]; 20] = [
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB",
        b"cICP", b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
    ];
    let mut out = bytes.get(..8)?.to_vec();
    let mut at = 8;
    let mut own = None;
    let mut pixels = Vec::new();
    loop {
        let length = u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize;
        let name: &[u8; 4] = bytes.get(at + 4..)?.first_chunk()?;
        let chunk = bytes.get(at..at.checked_add(length)?.checked_add(12)?)?;
        at += chunk.len();
        if name == b"eXIf" {
            own = own.or_else(|| exif(&chunk[8..8 + length]));
        }
        if !DRAWN.contains(&name) {
            continue;
        }
        // EXIF stands before the pixels, wherever it stood: they wait.
        let before = pixels.is_empty() && name != b"IDAT" && name != b"IEND";
        if before { &mut out } else { &mut pixels }.extend_from_slice(chunk);
        if name == b"IEND" {
            break;
        }
    }
    if let Some(block) = own {
        out.extend_from_slice(&u32::try_from(block.len()).ok()?.to_be_bytes());
        let mut crc = Crc::new();
        for part in [&b"eXIf"[..], &block] {
            crc.update(part);
            out.extend_from_slice(part);
        }
        out.extend_from_slice(&crc.sum().to_be_bytes());
    }
    out.append(&mut pixels);
    Some(out)
}

/// RFC 9649: chunks of a RIFF file.
fn webp(bytes: &[u8]) -> Option<Vec<u8>> {
    const DRAWN: [&[u8; 4]; 7] = [
        b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP",
    ];
    /// Flags of `VP8X`: there is EXIF, there is XMP.
    const HAS: [u8; 2] = [0x08, 0x04];
    let four = |at: usize| bytes.get(at..)?.first_chunk::<4>();
    let end = 8 + u32::from_le_bytes(*four(4)?) as usize;
    let mut out = bytes.get(..12)?.to_vec();
    let (mut at, mut own, mut flags) = (12, None, None);
    while at < end {
        let name = four(at)?;
        let length = u32::from_le_bytes(*four(at + 4)?) as usize;
        let body = bytes.get(at + 8..at.checked_add(8)?.checked_add(length)?)?;
        if name == b"EXIF" {
            // Some writers put JPEG's mark before it.
            own = own.or_else(|| exif(body.strip_prefix(b"Exif\0\0").unwrap_or(body)));
        }
        if DRAWN.contains(&name) {
            if name == b"VP8X" {
                flags = Some(out.len() + 8);
            }
            chunk(&mut out, name, body)?;
        }
        at += 8 + length + length % 2;
    }
    if let Some(flags) = flags {
        *out.get_mut(flags)? &= !(HAS[0] | HAS[1]);
        if let Some(block) = own {
            out[flags] |= HAS[0];
            chunk(&mut out, b"EXIF", &block)?;
        }
    }
    let size = u32::try_from(out.len() - 8).ok()?;
    out[4..8].copy_from_slice(&size.to_le_bytes());
    Some(out)
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) -> Option<()> {
    out.extend_from_slice(name);
    out.extend_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    out.extend_from_slice(body);
    out.resize(out.len() + body.len() % 2, 0);
    Some(())
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::source::MediaLimits;
    use image::{DynamicImage, ImageFormat};

    use super::*;
    use crate::media::{Facts, describe_here, sniff::sniff};

    fn facts(kind: Kind, bytes: &[u8]) -> Facts {
        assert_eq!(sniff(bytes), kind);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture");
        std::fs::write(&path, bytes).unwrap();
        describe_here(&path, None, &MediaLimits::default()).unwrap()
    }

    fn photo(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../datasets/drop/media/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    fn has(bytes: &[u8], words: &[u8]) -> bool {
        bytes.windows(words.len()).any(|w| w == words)
    }

    /// Everything but the place is as it was, pixels to the last bit.
    fn same_but_the_place(kind: Kind, format: ImageFormat, before: &[u8], after: &[u8]) {
        let (was, is) = (facts(kind, before), facts(kind, after));
        assert!(was.exif_place.is_some());
        let expected = Facts {
            exif_place: None,
            ..was
        };
        assert_eq!(is, expected);
        let pixels = |bytes: &[u8]| {
            let decoded = image::load_from_memory_with_format(bytes, format);
            decoded.unwrap().into_rgba8().into_raw()
        };
        assert!(pixels(before) == pixels(after));
        assert_eq!(bare(kind, after).unwrap(), after, "once is enough");
    }

    #[test]
    fn a_photo_keeps_its_pixels_time_and_orientation_and_loses_its_place() {
        let before = photo("DSCN0010.jpg");
        let after = bare(Kind::Jpeg, &before).unwrap();
        same_but_the_place(Kind::Jpeg, ImageFormat::Jpeg, &before, &after);
        assert!(facts(Kind::Jpeg, &after).exif_captured_at.is_some());
        assert!(has(&before, b"WGS-84") && !has(&after, b"WGS-84"));
        assert!(has(&after, b"NIKON"));

        let before = photo("landscape_6.jpg");
        let after = bare(Kind::Jpeg, &before).unwrap();
        assert_eq!(facts(Kind::Jpeg, &after).orientation, 6);
        assert_eq!(facts(Kind::Jpeg, &after), facts(Kind::Jpeg, &before));
    }

    #[test]
    fn what_else_stands_in_a_jpeg_goes_and_its_colours_stay() {
        let photo = photo("DSCN0010.jpg");
        let segment = |marker: u8, body: &[u8]| {
            let length = (body.len() as u16 + 2).to_be_bytes();
            [&[0xff, marker], &length[..], body].concat()
        };
        let before = [
            &photo[..2],
            &segment(0xe0, b"JFIF\0\x01\x02\x01\0\x48\0\x48\x01\x01abc"),
            &segment(0xf5, b"reserved"),
            &segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<exif:GPSLatitude>"),
            &segment(0xed, b"Photoshop 3.0\0 city"),
            &segment(0xeb, b"JP manifest"),
            &segment(0xe2, b"MPF\0 second picture"),
            &segment(0xe2, b"ICC_PROFILE\0 colours"),
            &segment(0xfe, b"comment"),
            &photo[2..],
            b"video behind it",
        ]
        .concat();
        let after = bare(Kind::Jpeg, &before).unwrap();
        for gone in [
            &b"GPSLatitude"[..],
            b"city",
            b"manifest",
            b"second",
            b"comment",
            b"behind",
            b"abc",
            b"reserved",
        ] {
            assert!(has(&before, gone) && !has(&after, gone), "{gone:?}");
        }
        assert!(has(&after, b"ICC_PROFILE\0 colours"));
        assert!(has(
            &after,
            b"\xff\xe0\0\x10JFIF\0\x01\x02\x01\0\x48\0\x48\0\0"
        ));
        assert!(after.ends_with(&[0xff, 0xd9]));
    }

    /// A block of EXIF with a place, of the photo.
    fn block() -> Vec<u8> {
        let photo = photo("DSCN0010.jpg");
        let at = photo.windows(6).position(|w| w == b"Exif\0\0").unwrap();
        let length = two(&photo, at - 2).unwrap();
        photo[at + 6..at - 2 + length].to_vec()
    }

    fn drawn(format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let picture = image::RgbImage::from_fn(31, 17, |x, y| {
            image::Rgb([x as u8 * 8, y as u8 * 15, (x * y) as u8])
        });
        DynamicImage::from(picture)
            .write_to(&mut out, format)
            .unwrap();
        out.into_inner()
    }

    #[test]
    fn png_and_webp_keep_pixels_and_time_and_lose_the_rest() {
        let chunk = |name: &[u8], body: &[u8]| {
            let mut crc = Crc::new();
            crc.update(name);
            crc.update(body);
            let length = (body.len() as u32).to_be_bytes();
            [&length[..], name, body, &crc.sum().to_be_bytes()].concat()
        };
        let plain = drawn(ImageFormat::Png);
        let before = [
            &plain[..33],
            &chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0place"),
            &chunk(b"eXIf", &block()),
            &plain[33..],
        ]
        .concat();
        let after = bare(Kind::Png, &before).unwrap();
        same_but_the_place(Kind::Png, ImageFormat::Png, &before, &after);
        assert!(!has(&after, b"place") && has(&after, b"eXIf"));

        let plain = drawn(ImageFormat::WebP);
        let mut before = plain[..12].to_vec();
        // Width and height less one.
        let canvas = [0x0c, 0, 0, 0, 30, 0, 0, 16, 0, 0];
        super::chunk(&mut before, b"VP8X", &canvas).unwrap();
        before.extend_from_slice(&plain[12..]);
        super::chunk(&mut before, b"EXIF", &block()).unwrap();
        super::chunk(&mut before, b"XMP ", b"<exif:GPSLatitude>").unwrap();
        let size = (before.len() as u32 - 8).to_le_bytes();
        before[4..8].copy_from_slice(&size);
        let after = bare(Kind::WebP, &before).unwrap();
        same_but_the_place(Kind::WebP, ImageFormat::WebP, &before, &after);
        assert!(!has(&after, b"GPSLatitude"));
        assert_eq!(bare(Kind::WebP, &plain).unwrap(), plain);
    }

    #[test]
    fn what_is_broken_is_refused_wherever_it_breaks_off() {
        assert_eq!(bare(Kind::Tiff, b"II*\0"), Err(BareError::Tiff));
        let photo = photo("DSCN0010.jpg");
        for (kind, whole) in [
            (Kind::Jpeg, photo),
            (Kind::Png, drawn(ImageFormat::Png)),
            (Kind::WebP, drawn(ImageFormat::WebP)),
        ] {
            for cut in (0..whole.len()).step_by(1 + whole.len() / 500) {
                // Breaking off is found, and never a reason to stop the server.
                let found = bare(kind, &whole[..cut]);
                assert_eq!(found, Err(BareError::Broken), "{kind:?} {cut}");
            }
            for at in (0..whole.len()).step_by(1 + whole.len() / 500) {
                let mut other = whole.clone();
                other[at] = !other[at];
                let _ = bare(kind, &other);
            }
        }
    }
}
