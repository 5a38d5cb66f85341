//! Containers of video: opened warily, and what their packets tell before any is decoded.
//!
//! Every packet is read once (not decoded): that counts the frames, measures
//! the time between them and notices a file that ends early.

use std::{fs::File, path::Path};

use fairframe_schemas::{Reason, source::MediaLimits};
use ffmpeg::{
    Dictionary, Packet, Rational,
    codec::{Id, packet::side_data},
    ffi,
    format::{self, Pixel},
    frame,
    media::Type,
    software::scaling,
};
use ffmpeg_next as ffmpeg;

use super::{MediaFailure, check_size};

/// Containers that are opened. Playlists and scripts (HLS, DASH, concat, SDP)
/// are not among them: they would make FFmpeg open other files and addresses.
const CONTAINERS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,avi,mpeg,mpegvideo,mpegts,flv,asf";
/// Streams a file may have.
const MAX_STREAMS: u32 = 64;
/// Packets that are read of one file: 4 hours of 60 frames a second and sound.
pub(super) const MAX_PACKETS: u64 = 4_000_000;
/// A video file and its best stream, before any frame is decoded.
pub struct Demuxed {
    pub input: format::context::Input,
    /// The stream's.
    pub index: usize,
    pub time_base: Rational,
    /// FFmpeg's name, e.g. `h264`.
    pub codec: String,
    /// Pixels with square pixels, as stored: before [`Demuxed::orientation`].
    pub size: (u32, u32),
    /// EXIF's 1 to 8, from the display matrix.
    pub orientation: u8,
    pub packets: Packets,
    /// Seconds, as the stream declares them, or measured, or as the file declares them.
    pub duration_s: Option<f64>,
    /// Frames a second, exactly.
    pub frame_rate: Option<(u32, u32)>,
    /// Whether the time between frames varies.
    pub varies: bool,
}

/// What one pass over the packets shows.
#[derive(Default)]
pub struct Packets {
    /// Packets that hold a frame to be shown.
    pub frames: u64,
    /// Presentation times of the first frames, sorted, in the stream's time base.
    pub times: Vec<i64>,
    /// Every one of these frames states when it is shown, not only when it is decoded.
    pub stated: bool,
    /// Stretches that decode without anything before them, in order, as far as times are kept.
    pub stretches: Vec<Stretch>,
    pub first: Option<i64>,
    /// End of the last frame.
    pub end: Option<i64>,
    /// End of whatever ends last in any stream, in seconds.
    end_s: f64,
    corrupt: bool,
    /// The reader stopped with an error other than the end of the file.
    broken: Option<ffmpeg::Error>,
}

/// Packets from one that decoding may begin at up to the next such: closed groups of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The packet it begins with, counted in the stream from 0.
    pub packet: u64,
    /// The first and the last presentation time of its packets.
    pub first: i64,
    pub last: i64,
}

impl Demuxed {
    /// Opens a file and reads its packets once; the times of up to `times` frames are kept.
    /// Refused is what is no video, over the limits, or ends early.
    pub fn open(path: &Path, limits: &MediaLimits, times: usize) -> Result<Self, MediaFailure> {
        ffmpeg::init().map_err(|e| MediaFailure::new(Reason::WorkerCrashed, e.to_string()))?;
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        let mut input = open(path)?;
        if input.nb_streams() > MAX_STREAMS {
            let message = format!("{} streams are more than {MAX_STREAMS}", input.nb_streams());
            return Err(MediaFailure::new(Reason::MediaTooLarge, message));
        }
        let stream = best_video(&input).ok_or_else(|| {
            MediaFailure::new(Reason::MediaTypeUnknown, "the file has no video stream")
        })?;
        let index = stream.index();
        let parameters = stream.parameters();
        let codec = parameters.id();
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
        let size = square_pixels(width, height, aspect, limits)?;

        too_long(
            declared_s.iter().flatten().copied().fold(0.0, f64::max),
            limits,
        )?;
        let nal = NalLength::of(&parameters);
        let packets = read_packets(&mut input, index, time_base, codec, nal, times);
        let measured = packets
            .first
            .zip(packets.end)
            .map(|(first, end)| end - first);
        let measured_s = measured.and_then(|ticks| seconds(ticks, time_base));
        too_long(measured_s.unwrap_or(0.0).max(packets.end_s), limits)?;
        check_whole(&packets, declared_frames, declared_s[1])?;
        let varies = varies(&packets.times);
        Ok(Self {
            input,
            index,
            time_base,
            codec: codec.name().to_owned(),
            size,
            orientation,
            duration_s: declared_s[0].or(measured_s).or(declared_s[1]),
            frame_rate: frame_rate(average, nominal, varies),
            varies,
            packets,
        })
    }

    /// The size as shown: square pixels, turned upright.
    pub fn shown(&self) -> (u32, u32) {
        let (width, height) = self.size;
        match self.orientation {
            5.. => (height, width),
            _ => (width, height),
        }
    }
}

/// Opens a local file as one of [`CONTAINERS`].
pub fn open(path: &Path) -> Result<format::context::Input, MediaFailure> {
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
fn read_packets(
    input: &mut format::context::Input,
    index: usize,
    base: Rational,
    codec: Id,
    nal: NalLength,
    times: usize,
) -> Packets {
    let mut seen = Packets {
        stated: true,
        ..Packets::default()
    };
    let mut own = 0;
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
        if let Some(time) = packet.pts()
            && seen.times.len() < times
        {
            let begins = packet.is_key() && nal.begins_anew(&packet, codec);
            add_to_stretches(&mut seen.stretches, own, time, begins);
        }
        own += 1;
        if is_hidden(&packet, codec) {
            continue;
        }
        seen.frames += 1;
        seen.stated &= packet.pts().is_some();
        if let Some(time) = packet.pts().or(packet.dts()) {
            seen.first = Some(seen.first.map_or(time, |t| t.min(time)));
            seen.end = seen.end.max(end);
            if seen.times.len() < times {
                seen.times.push(time);
            }
        }
    }
    seen.times.sort_unstable();
    seen
}

/// Adds a packet to the last stretch, or begins another. One that shows something before its own
/// first picture leans on the stretch before it: the two are one.
fn add_to_stretches(stretches: &mut Vec<Stretch>, packet: u64, time: i64, begins: bool) {
    if begins || stretches.is_empty() {
        let (first, last) = (time, time);
        stretches.push(Stretch {
            packet,
            first,
            last,
        });
        return;
    }
    let leans = stretches.last().is_some_and(|s| time < s.first);
    if leans && stretches.len() > 1 {
        let last = stretches.pop().map_or(time, |s| s.last);
        if let Some(before) = stretches.last_mut() {
            before.last = before.last.max(last);
        }
    }
    if let Some(stretch) = stretches.last_mut() {
        stretch.first = stretch.first.min(time);
        stretch.last = stretch.last.max(time);
    }
}

/// How a packet of H.264 or HEVC says where its units (NAL) end: by a length of so many bytes
/// before each (ISO/IEC 14496-15), or by start codes (Annex B).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NalLength {
    Bytes(usize),
    StartCodes,
}

impl NalLength {
    fn of(parameters: &ffmpeg::codec::Parameters) -> Self {
        // SAFETY: the parameters own their extra data for as long as they live.
        let extra = unsafe {
            let p = parameters.as_ptr();
            match ((*p).extradata, usize::try_from((*p).extradata_size)) {
                (data, Ok(size)) if !data.is_null() => std::slice::from_raw_parts(data, size),
                _ => &[],
            }
        };
        let at = match parameters.id() {
            Id::HEVC => 21,
            _ => 4,
        };
        match (extra.first(), extra.get(at)) {
            (Some(1), Some(byte)) => Self::Bytes(usize::from(byte & 3) + 1),
            _ => Self::StartCodes,
        }
    }

    /// Whether nothing before this packet is needed to decode it and all that is shown after it.
    /// A container's word for it alone is not enough: it may call a picture a key from which
    /// decoding only recovers by and by. Known for H.264 (an IDR picture) and HEVC (IRAP).
    fn begins_anew(self, packet: &Packet, codec: Id) -> bool {
        let kind = |header: u8| match codec {
            Id::HEVC => (header >> 1) & 0x3f,
            _ => header & 0x1f,
        };
        // The first unit that holds a part of a picture decides.
        let mut pictures = self
            .headers(packet.data().unwrap_or_default())
            .map(kind)
            .filter(|kind| match codec {
                Id::H264 => (1..=5).contains(kind),
                Id::HEVC => *kind < 32,
                _ => false,
            });
        pictures.next().is_some_and(|kind| match codec {
            Id::H264 => kind == 5,
            _ => (16..=21).contains(&kind),
        })
    }

    /// The first byte of each unit.
    fn headers(self, data: &[u8]) -> impl Iterator<Item = u8> {
        let mut at = 0usize;
        std::iter::from_fn(move || match self {
            Self::Bytes(bytes) => {
                let length = data.get(at..at.checked_add(bytes)?)?;
                let length = length.iter().fold(0, |l, b| (l << 8) | usize::from(*b));
                let header = *data.get(at + bytes)?;
                at = at.checked_add(bytes)?.checked_add(length)?;
                Some(header)
            }
            Self::StartCodes => {
                let code = data.get(at..)?.windows(3).position(|w| w == [0, 0, 1])?;
                at += code + 3;
                data.get(at).copied()
            }
        })
    }
}

/// A packet that is decoded and never shown: before an edit list's start, or a frame of VP8 that
/// only others are predicted from (RFC 6386, 9.1: `show_frame` is bit 4).
fn is_hidden(packet: &Packet, codec: Id) -> bool {
    let discarded = packet.flags().bits() & ffi::AV_PKT_FLAG_DISCARD != 0;
    let unshown = codec == Id::VP8
        && packet
            .data()
            .and_then(<[u8]>::first)
            .is_some_and(|b| b & 0x10 == 0);
    discarded || unshown
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

/// Top-level boxes of an ISO file (ISO/IEC 14496-12): type and body range, at most 10,000.
pub(super) fn boxes(path: &Path) -> Vec<([u8; 4], u64, u64)> {
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

/// Tells a scaler which numbers a frame's colours are: the stream's matrix (not stated: BT.709
/// above 576 lines, else BT.601, as players do) and range, to full-range RGB.
pub fn set_colours(scaler: &mut scaling::Context, frame: &frame::Video) {
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
}
