//! Video: container and stream facts, and the middle frame, by FFmpeg.
//!
//! Every packet is read once (not decoded): that counts the frames, measures
//! the time between them and notices a file that ends early. Then one frame,
//! the middle one, is decoded for the hash and the thumbnail.

use std::{fs::File, io::Read, path::Path};

use fairframe_schemas::{MediaType, Reason, source::MediaLimits};
use ffmpeg::{
    Dictionary, Packet, Rational,
    codec::{self, packet::side_data},
    ffi,
    format::{self, Pixel},
    frame,
    media::Type,
    software::scaling::{self, Flags},
};
use ffmpeg_next as ffmpeg;

use super::{
    DescribeError, Facts, MediaFailure, c2pa, check_size,
    picture::{self, HASH_SIDE, Picture, fit},
    sniff::HEAD,
};

/// Containers that are opened. Playlists and scripts (HLS, DASH, concat, SDP)
/// are not among them: they would make FFmpeg open other files and addresses.
const CONTAINERS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,avi,mpeg,mpegvideo,mpegts,flv,asf";
/// Streams a file may have.
const MAX_STREAMS: u32 = 64;
/// Packets that are read of one file: 4 hours of 60 frames a second and sound.
const MAX_PACKETS: u64 = 4_000_000;
/// Packets of the video stream that are decoded to reach the middle frame:
/// more lie between two key frames only in files made to be slow.
const MAX_DECODED: u64 = 20_000;

/// What one pass over the packets shows.
#[derive(Default)]
struct Packets {
    frames: u64,
    /// Presentation times of the first 100,000 frames, in the stream's time base.
    times: Vec<i64>,
    first: Option<i64>,
    /// End of the last frame.
    end: Option<i64>,
    /// End of whatever ends last in any stream, in seconds.
    end_s: f64,
    corrupt: bool,
    /// The reader stopped with an error other than the end of the file.
    broken: Option<ffmpeg::Error>,
}

/// Describes a video file.
pub fn describe(
    path: &Path,
    thumbnail: Option<&Path>,
    limits: &MediaLimits,
) -> Result<Facts, DescribeError> {
    ffmpeg::init().map_err(|e| MediaFailure::new(Reason::WorkerCrashed, e.to_string()))?;
    ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
    let mut input = open(path)?;
    if input.nb_streams() > MAX_STREAMS {
        let message = format!("{} streams are more than {MAX_STREAMS}", input.nb_streams());
        return Err(MediaFailure::new(Reason::MediaTooLarge, message).into());
    }
    let stream = best_video(&input).ok_or_else(|| {
        MediaFailure::new(Reason::MediaTypeUnknown, "the file has no video stream")
    })?;
    let index = stream.index();
    let parameters = stream.parameters();
    let codec_name = parameters.id().name().to_owned();
    let time_base = stream.time_base();
    let declared_frames = u64::try_from(stream.frames()).unwrap_or(0);
    let declared_s = [
        seconds(stream.duration(), time_base),
        seconds(input.duration(), Rational(1, ffi::AV_TIME_BASE)),
    ];
    let (average, nominal) = (stream.avg_frame_rate(), stream.rate());
    // SAFETY: the parameters belong to the stream, which outlives this read.
    let (coded_width, coded_height, parameters_aspect) = unsafe {
        let p = parameters.as_ptr();
        (
            (*p).width,
            (*p).height,
            Rational::from((*p).sample_aspect_ratio),
        )
    };
    // SAFETY: as above.
    let stream_aspect = unsafe { Rational::from((*stream.as_ptr()).sample_aspect_ratio) };
    let (width, height) = (positive(coded_width)?, positive(coded_height)?);
    check_size(limits, width, height, 12)?;
    let orientation = orientation(&stream);
    let aspect = [stream_aspect, parameters_aspect]
        .into_iter()
        .find(|r| r.0 > 0 && r.1 > 0)
        .unwrap_or(Rational(1, 1));
    let (shown_width, shown_height) = square_pixels(width, height, aspect, limits)?;

    too_long(
        declared_s.iter().flatten().copied().fold(0.0, f64::max),
        limits,
    )?;
    let packets = read_packets(&mut input, index, time_base);
    let measured = packets
        .first
        .zip(packets.end)
        .map(|(first, end)| end - first);
    let measured_s = measured.and_then(|ticks| seconds(ticks, time_base));
    too_long(measured_s.unwrap_or(0.0).max(packets.end_s), limits)?;
    check_whole(&packets, declared_frames, declared_s[1])?;

    let (turned_width, turned_height) = match orientation {
        5.. => (shown_height, shown_width),
        _ => (shown_width, shown_height),
    };
    let mime = mime(&input.format(), path);
    let mut facts = Facts::new(MediaType::Video, mime, turned_width, turned_height);
    facts.orientation = orientation;
    facts.video_codec = Some(codec_name);
    facts.has_audio = input
        .streams()
        .any(|s| s.parameters().medium() == Type::Audio);
    facts.frame_count = Some(packets.frames);
    facts.duration_s = declared_s[0].or(measured_s).or(declared_s[1]);
    let varies = varies(&packets.times);
    facts.variable_frame_rate = Some(varies);
    if let Some((num, den)) = frame_rate(average, nominal, varies) {
        facts.frame_rate_ratio = Some((num, den));
        facts.frame_rate = Some(f64::from(num) / f64::from(den));
    }

    let middle = match (packets.first, packets.end) {
        (Some(first), Some(end)) => first + (end - first) / 2,
        _ => 0,
    };
    let size = (shown_width, shown_height);
    let side = limits.thumbnail.max(HASH_SIDE);
    let picture = match decode_at(&mut input, index, middle, true, size, side) {
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

/// Opens a local file as one of [`CONTAINERS`].
fn open(path: &Path) -> Result<format::context::Input, MediaFailure> {
    let mut options = Dictionary::new();
    options.set("protocol_whitelist", "file");
    options.set("format_whitelist", CONTAINERS);
    // `file:` so that no path is read as an address.
    let address = format!("file:{}", path.to_str().unwrap_or_default());
    format::input_with_dictionary(&address, options).map_err(|e| {
        let reason = match e {
            ffmpeg::Error::DemuxerNotFound | ffmpeg::Error::DecoderNotFound => {
                Reason::MediaTypeUnknown
            }
            ffmpeg::Error::Eof => Reason::MediaTruncated,
            _ if moov_missing(path) => Reason::MediaTruncated,
            _ => Reason::MediaCorrupt,
        };
        MediaFailure::new(reason, format!("the container cannot be opened: {e}"))
    })
}

/// The video stream FFmpeg likes best, cover pictures left out.
fn best_video(input: &format::context::Input) -> Option<ffmpeg::Stream<'_>> {
    let cover = format::stream::Disposition::ATTACHED_PIC;
    input
        .streams()
        .best(Type::Video)
        .filter(|s| !s.disposition().contains(cover))
        .or_else(|| {
            input.streams().find(|s| {
                s.parameters().medium() == Type::Video && !s.disposition().contains(cover)
            })
        })
}

fn positive(length: i32) -> Result<u64, MediaFailure> {
    u64::try_from(length)
        .ok()
        .filter(|l| *l > 0)
        .ok_or_else(|| MediaFailure::new(Reason::MediaCorrupt, "the video stream states no size"))
}

fn seconds(ticks: i64, base: Rational) -> Option<f64> {
    let s = ticks as f64 * f64::from(base.0) / f64::from(base.1);
    (ticks > 0 && s.is_finite()).then_some(s)
}

fn too_long(duration_s: f64, limits: &MediaLimits) -> Result<(), MediaFailure> {
    if duration_s > limits.max_duration_s {
        let message = format!(
            "{duration_s:.1} s are more than the {} s allowed",
            limits.max_duration_s
        );
        return Err(MediaFailure::new(Reason::MediaTooLarge, message));
    }
    Ok(())
}

/// The size with square pixels: the width follows the sample aspect ratio, as players do.
fn square_pixels(
    width: u64,
    height: u64,
    aspect: Rational,
    limits: &MediaLimits,
) -> Result<(u32, u32), MediaFailure> {
    let (num, den) = (
        u64::from(aspect.0.unsigned_abs()),
        u64::from(aspect.1.unsigned_abs()),
    );
    let wide = ((width * num + den / 2) / den).max(1);
    check_size(limits, wide, height, 3)?;
    let fits = |v: u64| {
        i32::try_from(v)
            .map(|v| v as u32)
            .map_err(|_| MediaFailure::new(Reason::MediaTooLarge, format!("{v} pixels in a row")))
    };
    Ok((fits(wide)?, fits(height)?))
}

/// The display matrix as an EXIF orientation: quarter turns and a mirror.
fn orientation(stream: &ffmpeg::Stream) -> u8 {
    let matrix = stream
        .side_data()
        .find(|data| data.kind() == side_data::Type::DisplayMatrix)
        .and_then(|data| {
            let cells: Vec<i32> = data
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|c| i32::from_ne_bytes(*c))
                .collect();
            <[i32; 9]>::try_from(cells).ok()
        });
    // Rows (a b .)(c d .): a stored pixel (x, y) is shown at (a x + c y, b x + d y).
    let Some([a, b, _, c, d, ..]) = matrix else {
        return 1;
    };
    let straight = a.unsigned_abs().max(d.unsigned_abs()) >= b.unsigned_abs().max(c.unsigned_abs());
    match (straight, a < 0, d < 0, b < 0, c < 0) {
        (true, false, false, ..) => 1,
        (true, true, false, ..) => 2,
        (true, true, true, ..) => 3,
        (true, false, true, ..) => 4,
        (false, _, _, false, false) => 5,
        // Clockwise: stored x runs down, stored y runs left.
        (false, _, _, false, true) => 6,
        (false, _, _, true, true) => 7,
        (false, _, _, true, false) => 8,
    }
}

/// Reads all packets, or up to the limits.
fn read_packets(input: &mut format::context::Input, index: usize, base: Rational) -> Packets {
    let mut seen = Packets::default();
    let bases: Vec<Rational> = input.streams().map(|s| s.time_base()).collect();
    for _ in 0..MAX_PACKETS {
        let mut packet = Packet::empty();
        match packet.read(input) {
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => break,
            Err(error) => {
                seen.broken = Some(error);
                break;
            }
        }
        let length = packet.duration().max(0);
        let end = packet
            .pts()
            .or(packet.dts())
            .map(|t| t.saturating_add(length));
        let packet_base = bases.get(packet.stream()).copied().unwrap_or(base);
        if let Some(s) = end.and_then(|t| seconds(t, packet_base)) {
            seen.end_s = seen.end_s.max(s);
        }
        seen.corrupt |= packet.is_corrupt();
        if packet.stream() != index {
            continue;
        }
        seen.frames += 1;
        if let Some(time) = packet.pts().or(packet.dts()) {
            seen.first = Some(seen.first.map_or(time, |t| t.min(time)));
            seen.end = seen.end.max(end);
            if seen.times.len() < 100_000 {
                seen.times.push(time);
            }
        }
    }
    seen.times.sort_unstable();
    seen
}

/// Cut off: a reader's error, a packet cut short, fewer frames or seconds than declared.
fn check_whole(
    packets: &Packets,
    declared_frames: u64,
    declared_s: Option<f64>,
) -> Result<(), MediaFailure> {
    let truncated = |message: String| Err(MediaFailure::new(Reason::MediaTruncated, message));
    if packets.frames == 0 {
        return truncated("the video stream has no frame".to_owned());
    }
    if packets.frames < declared_frames {
        return truncated(format!(
            "{} of {declared_frames} frames are there",
            packets.frames
        ));
    }
    if packets.corrupt {
        return truncated("a packet is cut short".to_owned());
    }
    if let Some(error) = packets.broken {
        let message = format!("reading stopped: {error}");
        return Err(MediaFailure::new(Reason::MediaCorrupt, message));
    }
    if let Some(declared) = declared_s
        && declared - packets.end_s > 1.0_f64.max(declared * 0.05)
        && packets.end_s > 0.0
    {
        return truncated(format!("{:.1} of {declared:.1} s are there", packets.end_s));
    }
    Ok(())
}

/// Whether the time between frames varies: by more than one tick and a twentieth of the usual.
fn varies(times: &[i64]) -> bool {
    let mut steps: Vec<i64> = times
        .windows(2)
        .map(|w| w[1].saturating_sub(w[0]))
        .collect();
    steps.sort_unstable();
    let (Some(&least), Some(&most)) = (steps.first(), steps.last()) else {
        return false;
    };
    let usual = steps[steps.len() / 2];
    let spread = most.saturating_sub(least);
    spread > 1 && spread > usual / 20
}

/// The exact rate. Where frames come evenly, the nominal rate (30000/1001
/// survives there even where times are rounded to milliseconds); else the average.
fn frame_rate(average: Rational, nominal: Rational, varies: bool) -> Option<(u32, u32)> {
    let valid = |r: Rational| r.0 > 0 && r.1 > 0;
    let value = |r: Rational| f64::from(r.0) / f64::from(r.1);
    let even = valid(nominal)
        && !varies
        && (!valid(average) || (value(nominal) / value(average) - 1.0).abs() < 0.02);
    let rate = match (even, valid(average)) {
        (true, _) => nominal,
        (false, true) => average,
        (false, false) => return None,
    };
    let rate = rate.reduce();
    Some((rate.0.unsigned_abs(), rate.1.unsigned_abs()))
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
    for _ in 0..MAX_PACKETS {
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
    // SAFETY: the frame and the scaler are alive; the tables are FFmpeg's own constants.
    unsafe {
        let f = frame.as_ptr();
        let space = match (*f).colorspace {
            ffi::AVColorSpace::AVCOL_SPC_UNSPECIFIED if frame.height() > 576 => ffi::SWS_CS_ITU709,
            ffi::AVColorSpace::AVCOL_SPC_UNSPECIFIED => ffi::SWS_CS_DEFAULT,
            stated => stated as i32,
        };
        let full = matches!(
            frame.format(),
            Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P | Pixel::YUVJ411P
        ) || (*f).color_range == ffi::AVColorRange::AVCOL_RANGE_JPEG;
        let (from, to) = (
            ffi::sws_getCoefficients(space),
            ffi::sws_getCoefficients(ffi::SWS_CS_DEFAULT),
        );
        // Fails for formats without a matrix (RGB, grey), where there is nothing to set.
        ffi::sws_setColorspaceDetails(
            scaler.as_mut_ptr(),
            from,
            i32::from(full),
            to,
            1,
            0,
            1 << 16,
            1 << 16,
        );
    }
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

/// Top-level boxes of an ISO file (ISO/IEC 14496-12): type and body range, at most 10,000.
fn boxes(path: &Path) -> Vec<([u8; 4], u64, u64)> {
    use std::os::unix::fs::FileExt;
    let mut found = Vec::new();
    let Ok(file) = File::open(path) else {
        return found;
    };
    let length = file.metadata().map_or(0, |m| m.len());
    let mut at = 0u64;
    while found.len() < 10_000 {
        let mut head = [0u8; 16];
        if at + 8 > length || file.read_at(&mut head, at).unwrap_or(0) < 8 {
            break;
        }
        let [a, b, c, d, kind @ .., _, _, _, _, _, _, _, _] = head;
        let size = match u32::from_be_bytes([a, b, c, d]) {
            0 => length - at,
            1 => u64::from_be_bytes([
                head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15],
            ]),
            size => u64::from(size),
        };
        if size < 8 {
            break;
        }
        found.push((kind, at, size));
        at = at.saturating_add(size);
    }
    found
}

/// An ISO file whose index comes last and is missing, or whose last box is cut off.
fn moov_missing(path: &Path) -> bool {
    let found = boxes(path);
    let length = std::fs::metadata(path).map_or(0, |m| m.len());
    found.first().is_some_and(|(kind, ..)| kind == b"ftyp")
        && (!found.iter().any(|(kind, ..)| kind == b"moov")
            || found
                .last()
                .is_some_and(|(_, at, size)| at.saturating_add(*size) > length))
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
