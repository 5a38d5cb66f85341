//! Video: container and stream facts, and the middle frame, by FFmpeg.
//!
//! What the packets tell is read by `demux`. Then one frame, the middle one, is
//! decoded for the hash and the thumbnail.

use std::{fs::File, io::Read, path::Path};

use fairframe_schemas::{MediaType, Reason, source::MediaLimits};
use ffmpeg::{
    Packet, codec, ffi,
    format::{self, Pixel},
    frame,
    media::Type,
    software::scaling::{self, Flags},
};
use ffmpeg_next as ffmpeg;

use super::{
    DescribeError, Facts, MediaFailure, c2pa,
    demux::{self, Demuxed, boxes, open},
    picture::{self, HASH_SIDE, Picture, fit},
    sniff::HEAD,
};

/// Frames whose times are kept, to measure whether they come evenly.
const MEASURED_FRAMES: usize = 100_000;
/// Packets of the video stream that are decoded to reach the middle frame:
/// more lie between two key frames only in files made to be slow.
const MAX_DECODED: u64 = 20_000;

/// Describes a video file.
pub fn describe(
    path: &Path,
    thumbnail: Option<&Path>,
    limits: &MediaLimits,
) -> Result<Facts, DescribeError> {
    let mut demuxed = Demuxed::open(path, limits, MEASURED_FRAMES)?;
    let (width, height) = demuxed.shown();
    let mime = mime(&demuxed.input.format(), path);
    let mut facts = Facts::new(MediaType::Video, mime, width, height);
    facts.orientation = demuxed.orientation;
    facts.video_codec = Some(demuxed.codec);
    facts.has_audio = demuxed
        .input
        .streams()
        .any(|s| s.parameters().medium() == Type::Audio);
    facts.frame_count = Some(demuxed.packets.frames);
    facts.duration_s = demuxed.duration_s;
    facts.variable_frame_rate = Some(demuxed.varies);
    if let Some((num, den)) = demuxed.frame_rate {
        facts.frame_rate_ratio = Some((num, den));
        facts.frame_rate = Some(f64::from(num) / f64::from(den));
    }

    let middle = match (demuxed.packets.first, demuxed.packets.end) {
        (Some(first), Some(end)) => first + (end - first) / 2,
        _ => 0,
    };
    let (index, size) = (demuxed.index, demuxed.size);
    let side = limits.thumbnail.max(HASH_SIDE);
    let picture = match decode_at(&mut demuxed.input, index, middle, true, size, side) {
        Ok(Some(picture)) => picture,
        // Some files cannot be sought in: decode from the start.
        _ => decode_at(&mut open(path)?, index, middle, false, size, side)
            .map_err(|e| MediaFailure::new(Reason::MediaCorrupt, format!("no frame decodes: {e}")))?
            .ok_or_else(|| MediaFailure::new(Reason::MediaCorrupt, "no frame can be decoded"))?,
    };
    if has_c2pa_box(path)
        && let Ok(file) = File::open(path)
    {
        facts.c2pa_opt_out = c2pa::opt_outs(&facts.mime, file);
    }
    picture::finish(&mut facts, picture, thumbnail, limits.thumbnail)?;
    facts.reasons.sort_unstable();
    Ok(facts)
}

fn mime(format: &format::Input, path: &Path) -> &'static str {
    let names = format.name();
    let is = |name: &str| names.split(',').any(|n| n == name);
    if is("mp4") {
        "video/mp4"
    } else if is("matroska") {
        if is_webm(path) {
            "video/webm"
        } else {
            "video/x-matroska"
        }
    } else if is("ogg") {
        "video/ogg"
    } else if is("avi") {
        "video/x-msvideo"
    } else if is("mpegts") {
        "video/mp2t"
    } else if is("flv") {
        "video/x-flv"
    } else if is("asf") {
        "video/x-ms-asf"
    } else {
        "video/mpeg"
    }
}

/// FFmpeg reads WebM as Matroska: the EBML header's `DocType` (RFC 8794, id 0x4282) tells them apart.
fn is_webm(path: &Path) -> bool {
    let mut head = Vec::new();
    File::open(path).is_ok_and(|file| file.take(HEAD as u64).read_to_end(&mut head).is_ok())
        && head.windows(7).any(|w| w == b"\x42\x82\x84webm")
}

/// Decodes up to the first frame shown at `target` or later (or the last there
/// is), and makes it small. Stored orientation, square pixels.
fn decode_at(
    input: &mut format::context::Input,
    index: usize,
    target: i64,
    seek: bool,
    size: (u32, u32),
    side: u32,
) -> Result<Option<Picture>, ffmpeg::Error> {
    if seek {
        // SAFETY: the context is open, and `index` names one of its streams.
        let sought = unsafe {
            ffi::av_seek_frame(
                input.as_mut_ptr(),
                index as i32,
                target,
                ffi::AVSEEK_FLAG_BACKWARD,
            )
        };
        if sought < 0 {
            return Err(ffmpeg::Error::from(sought));
        }
    }
    let stream = input.stream(index).ok_or(ffmpeg::Error::StreamNotFound)?;
    let mut context = codec::context::Context::from_parameters(stream.parameters())?;
    // One thread: workers are the parallelism, and the answer must not depend on timing.
    context.set_threading(codec::threading::Config::count(1));
    let mut decoder = context.decoder().video()?;
    let mut frame = frame::Video::empty();
    let mut kept: Option<frame::Video> = None;
    let mut reached = false;
    let mut drain = |decoder: &mut ffmpeg::decoder::Video, kept: &mut Option<frame::Video>| {
        while decoder.receive_frame(&mut frame).is_ok() {
            let late = frame
                .timestamp()
                .or(frame.pts())
                .is_some_and(|t| t >= target);
            *kept = Some(std::mem::replace(&mut frame, frame::Video::empty()));
            if late {
                return true;
            }
        }
        false
    };
    let mut sent = 0;
    for _ in 0..demux::MAX_PACKETS {
        let mut packet = Packet::empty();
        if packet.read(input).is_err() || sent >= MAX_DECODED {
            break;
        }
        if packet.stream() != index {
            continue;
        }
        sent += 1;
        // A packet that does not decode is passed over, as players do.
        if decoder.send_packet(&packet).is_ok() && drain(&mut decoder, &mut kept) {
            reached = true;
            break;
        }
    }
    if !reached && decoder.send_eof().is_ok() {
        drain(&mut decoder, &mut kept);
    }
    kept.map(|frame| small_rgb(&frame, size, side)).transpose()
}

/// A frame as RGB, fitted into `side`, pixels made square.
fn small_rgb(
    frame: &frame::Video,
    (width, height): (u32, u32),
    side: u32,
) -> Result<Picture, ffmpeg::Error> {
    let (w, h) = fit(width as usize, height as usize, side);
    let mut scaler = scaling::Context::get(
        frame.format(),
        frame.width(),
        frame.height(),
        Pixel::RGB24,
        w as u32,
        h as u32,
        // The same bytes on every machine.
        Flags::AREA | Flags::ACCURATE_RND | Flags::BITEXACT | Flags::FULL_CHR_H_INT,
    )?;
    demux::set_colours(&mut scaler, frame);
    let mut rgb = frame::Video::empty();
    scaler.run(frame, &mut rgb)?;
    let row = w * 3;
    let stride = rgb.stride(0);
    let mut pixels = Vec::with_capacity(row * h);
    for line in rgb.data(0).chunks(stride).take(h) {
        pixels.extend_from_slice(&line[..row]);
    }
    Ok(Picture {
        width: w,
        height: h,
        rgb: pixels,
    })
}

/// A `uuid` box as C2PA uses in ISO files.
fn has_c2pa_box(path: &Path) -> bool {
    use std::os::unix::fs::FileExt;
    const C2PA: [u8; 16] = [
        0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c, 0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4,
        0x81,
    ];
    let Ok(file) = File::open(path) else {
        return false;
    };
    boxes(path).iter().any(|(kind, at, _)| {
        let mut id = [0u8; 16];
        kind == b"uuid" && file.read_exact_at(&mut id, at + 8).is_ok() && id == C2PA
    })
}
