//! The type of a file, from its first bytes.

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Jpeg,
    Png,
    Gif,
    WebP,
    Tiff,
    Bmp,
    /// A container that FFmpeg is asked about.
    Video,
    /// Known, and not read (AVIF, HEIC, ...): its name.
    Unread(&'static str),
    Unknown,
}

/// Bytes that [`sniff`] wants to see.
pub const HEAD: usize = 1024;

pub fn sniff(head: &[u8]) -> Kind {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..offset + magic.len())
            .is_some_and(|bytes| bytes == magic)
    };
    if at(0, b"\xff\xd8\xff") {
        Kind::Jpeg
    } else if at(0, b"\x89PNG\r\n\x1a\n") {
        Kind::Png
    } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
        Kind::Gif
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        Kind::WebP
    } else if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]
        .iter()
        .any(|m| at(0, *m))
    {
        Kind::Tiff
    } else if at(0, b"BM") && head.len() >= 26 {
        Kind::Bmp
    } else if at(4, b"ftyp") {
        match head.get(8..12) {
            Some(b"avif" | b"avis") => Kind::Unread("AVIF"),
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => {
                Kind::Unread("HEIC")
            }
            _ => Kind::Video,
        }
    } else if at(4, b"moov") || at(4, b"mdat") || at(4, b"wide") || at(4, b"free") {
        Kind::Video
    } else if at(0, b"\0\0\0\x0cJXL ") || at(0, b"\xff\x0a") {
        Kind::Unread("JPEG XL")
    } else if at(0, b"\0\0\0\x0cjP  ") {
        Kind::Unread("JPEG 2000")
    } else if at(0, b"\x1a\x45\xdf\xa3")
        || at(0, b"OggS")
        || (at(0, b"RIFF") && at(8, b"AVI "))
        || at(0, b"\0\0\x01\xba")
        || at(0, b"\0\0\x01\xb3")
        || at(0, b"FLV\x01")
        || at(0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")
        || (at(0, b"G") && at(188, b"G") && at(376, b"G"))
    {
        Kind::Video
    } else {
        Kind::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_not_media() {
        for text in [
            "",
            "<!DOCTYPE html>",
            "#EXTM3U\n",
            "ffconcat version 1.0",
            "%PDF-1.7",
            "BM",
        ] {
            assert_eq!(sniff(text.as_bytes()), Kind::Unknown, "{text}");
        }
        assert_eq!(sniff(b"\0\0\0\x1cftypavif"), Kind::Unread("AVIF"));
        assert_eq!(sniff(b"\0\0\0\x1cftypisom"), Kind::Video);
    }
}
