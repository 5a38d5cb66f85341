//! Decoding, once and in order.

use std::path::{Path, PathBuf};

use fairframe_ingest::media::{
    Picture,
    demux::{self, Demuxed, Stretch},
};
use fairframe_schemas::Reason;
use ffmpeg::{
    Packet, codec,
    format::{self, Pixel},
    frame,
    software::scaling::{self, Flags},
};
use ffmpeg_next as ffmpeg;

use super::{Facts, Frame, Limits, Timing};
use crate::{face::Rgb, item::Refusal};

/// The frames of a file's best video stream.
///
/// Memory does not grow with the clip's length, but for 8 to 32 bytes a frame. A packet or frame
/// that is damaged ends it, as soon as there are more than the limit.
pub struct Decoder {
    facts: Facts,
    input: format::context::Input,
    index: usize,
    decoder: ffmpeg::decoder::Video,
    clock: Clock,
    /// With square pixels, as stored.
    size: (u32, u32),
    scaler: Option<Scaler>,
    path: PathBuf,
    frame: frame::Video,
    /// Frames that came out.
    next: u64,
    last_s: Option<f64>,
    /// Indices of the only frames that are asked for, sorted.
    only: Option<Vec<u64>>,
    stretches: Stretches,
    all_sent: bool,
    damaged: u64,
    max_damaged: u64,
}

/// When each frame is shown.
struct Clock {
    /// Presentation times by frame, where every packet states its own.
    times: Option<Vec<i64>>,
    /// When the first frame is shown; known by then.
    first: Option<i64>,
    /// Seconds a tick, and seconds a frame on average.
    tick_s: f64,
    step_s: f64,
}

/// What of the stream is decoded, and where in it reading stands.
struct Stretches {
    /// In order; none where they are not known.
    all: Vec<Stretch>,
    /// Which of them hold a frame that is asked for; all do as long as nobody says.
    asked: Option<Vec<bool>>,
    /// Packets that were read.
    packets: u64,
    /// Those read since the last that was decoded were left out.
    left_out: bool,
    /// A packet that waits for the decoder to give what it holds from before a gap.
    waiting: Option<Packet>,
}

impl Stretches {
    fn new(all: Vec<Stretch>) -> Self {
        Self {
            all,
            asked: None,
            packets: 0,
            left_out: false,
            waiting: None,
        }
    }

    /// Only those with a frame shown at one of these times, sorted, are decoded.
    fn ask(&mut self, times: impl Fn(usize) -> Option<i64>, frames: &[u64]) {
        let mut asked = vec![false; self.all.len()];
        for time in frames.iter().filter_map(|f| times(*f as usize)) {
            let at = self.all.partition_point(|s| s.last < time);
            if let Some(asked) = asked.get_mut(at) {
                *asked = true;
            }
        }
        self.asked = Some(asked);
    }

    /// Whether the packet that is read next is to be decoded.
    fn next(&mut self) -> bool {
        let packet = self.packets;
        self.packets += 1;
        let Some(asked) = &self.asked else {
            return true;
        };
        match self.all.partition_point(|s| s.packet <= packet) {
            0 => true,
            within => asked[within - 1],
        }
    }
}

impl Clock {
    fn seconds(&self, ticks: i64) -> f64 {
        ticks.saturating_sub(self.first.unwrap_or(ticks)) as f64 * self.tick_s
    }
}

impl Decoder {
    /// Opens a file and reads its packets once, without decoding one. Refused is what is no
    /// video, over the limits, or ends early.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, Refusal> {
        let most = usize::try_from(limits.max_frames).unwrap_or(usize::MAX);
        let demuxed = Demuxed::open(path, &limits.media, most)?;
        let frames = demuxed.packets.frames;
        if frames > limits.max_frames {
            let message = format!(
                "{frames} frames are more than the {} allowed",
                limits.max_frames
            );
            return Err(Refusal::new(Reason::MediaTooLarge, message));
        }
        let (width, height) = demuxed.shown();
        let duration_s = demuxed.duration_s.unwrap_or(0.0);
        let rate = demuxed
            .frame_rate
            .unwrap_or_else(|| measured_rate(frames, duration_s));
        let timing = Timing {
            rate,
            variable: demuxed.varies,
        };
        let stated = demuxed.packets.stated;
        let stretches = demuxed.packets.stretches;
        let times = Some(demuxed.packets.times)
            .filter(|t| stated && t.len() as u64 == frames && t.is_sorted_by(|a, b| a < b));
        let base = demuxed.time_base;
        let clock = Clock {
            first: times.as_ref().and_then(|t| t.first().copied()),
            times,
            tick_s: f64::from(base.0) / f64::from(base.1.max(1)),
            step_s: 1.0 / timing.per_second(),
        };
        // Opened again, rather than sought to its start: some containers cannot seek.
        let input = demux::open(path)?;
        let corrupt = |e: ffmpeg::Error| {
            Refusal::new(
                Reason::MediaCorrupt,
                format!("the video stream cannot be decoded: {e}"),
            )
        };
        let stream = input
            .stream(demuxed.index)
            .ok_or_else(|| corrupt(ffmpeg::Error::StreamNotFound))?;
        let parameters = stream.parameters();
        let mut context = codec::context::Context::from_parameters(parameters).map_err(corrupt)?;
        context.set_threading(codec::threading::Config {
            kind: codec::threading::Type::Frame,
            count: limits.threads.clamp(1, 16),
            ..Default::default()
        });
        // SAFETY: the context is ours and not yet open.
        unsafe {
            let most = i64::try_from(limits.media.max_pixels).unwrap_or(i64::MAX);
            (*context.as_mut_ptr()).max_pixels = most;
        }
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(base);
        let decoder = decoder.video().map_err(corrupt)?;
        let pixel_format = decoder.format().descriptor().map_or("", |d| d.name());
        let full_range = decoder.color_range() == ffmpeg::color::Range::JPEG;
        let facts = Facts {
            width,
            height,
            timing,
            frames,
            duration_s,
            codec: demuxed.codec,
            // Old names of formats that are full-range by themselves.
            full_range: full_range || pixel_format.starts_with("yuvj"),
            pixel_format: pixel_format.to_owned(),
            orientation: demuxed.orientation,
        };
        Ok(Self {
            facts,
            input,
            index: demuxed.index,
            decoder,
            clock,
            size: demuxed.size,
            scaler: None,
            path: path.to_owned(),
            frame: frame::Video::empty(),
            next: 0,
            last_s: None,
            only: None,
            stretches: Stretches::new(stretches),
            all_sent: false,
            damaged: 0,
            max_damaged: limits.max_damaged,
        })
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// When each frame is to be shown, in seconds after the first: known before decoding.
    /// Where the container does not say, frames are taken to come evenly.
    pub fn times(&self) -> Vec<f64> {
        match &self.clock.times {
            Some(times) => times.iter().map(|t| self.clock.seconds(*t)).collect(),
            None => (0..self.facts.frames)
                .map(|n| n as f64 * self.clock.step_s)
                .collect(),
        }
    }

    /// Gives only the frames of these indices, with less work than giving all: no others are
    /// converted, those that no other frame is predicted from are not decoded, nor are groups
    /// of pictures without any that is asked for (H.264 and HEVC), and nothing is after the
    /// last. The frames are the same bytes. To be said before the first is taken.
    pub fn only(&mut self, indices: impl IntoIterator<Item = u64>) {
        let mut indices: Vec<u64> = indices.into_iter().collect();
        indices.sort_unstable();
        indices.dedup();
        if let Some(times) = &self.clock.times {
            self.stretches.ask(|at| times.get(at).copied(), &indices);
        }
        self.only = Some(indices);
    }

    /// The next frame.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Refusal> {
        self.next_where(|_, _| true)
    }

    /// The next frame that is `wanted`, by its index and its time in seconds; only it is
    /// converted to RGB. Nothing after the last frame.
    pub fn next_where(
        &mut self,
        mut wanted: impl FnMut(u64, f64) -> bool,
    ) -> Result<Option<Frame>, Refusal> {
        loop {
            if let Some(only) = &self.only
                && only.last().is_none_or(|last| *last < self.next)
            {
                return Ok(None);
            }
            if !self.decode()? {
                return Ok(None);
            }
            let (index, time_s) = self.moment();
            let asked = self
                .only
                .as_ref()
                .is_none_or(|only| only.binary_search(&index).is_ok());
            if asked && wanted(index, time_s) {
                let rgb = self.rgb()?;
                return Ok(Some(Frame { index, time_s, rgb }));
            }
        }
    }

    /// Index and time of the frame that was decoded last; both grow.
    fn moment(&mut self) -> (u64, f64) {
        let stated = self.frame.timestamp().or(self.frame.pts());
        self.clock.first = self.clock.first.or(stated);
        let known = self.clock.times.as_ref().zip(stated);
        let index = known
            .and_then(|(times, t)| times.binary_search(&t).ok())
            .map_or(self.next, |at| (at as u64).max(self.next));
        let usual = match self.last_s {
            Some(last) => last + self.clock.step_s,
            None => index as f64 * self.clock.step_s,
        };
        let time_s = match stated {
            Some(t) if self.last_s.is_none_or(|last| self.clock.seconds(t) > last) => {
                self.clock.seconds(t).max(0.0)
            }
            _ => usual,
        };
        self.next = index + 1;
        self.last_s = Some(time_s);
        (index, time_s)
    }

    /// Decodes the next frame in the order of showing; whether there was one.
    fn decode(&mut self) -> Result<bool, Refusal> {
        const AGAIN: ffmpeg::Error = ffmpeg::Error::Other {
            errno: ffmpeg::error::EAGAIN,
        };
        loop {
            match self.decoder.receive_frame(&mut self.frame) {
                Ok(()) => {
                    if self.frame.is_corrupt() || self.frame.has_decode_errors() {
                        self.damage("a frame")?;
                    }
                    return Ok(true);
                }
                Err(ffmpeg::Error::Eof) => match self.stretches.waiting.take() {
                    Some(packet) => {
                        self.decoder.flush();
                        self.hand(&packet)?;
                    }
                    None => return Ok(false),
                },
                Err(AGAIN) if !self.all_sent => self.send()?,
                Err(_) => self.damage("a frame")?,
            }
        }
    }

    /// Hands the decoder the next packet that is asked for, or the end: that of the stream, or of
    /// what stands before a gap.
    fn send(&mut self) -> Result<(), Refusal> {
        let corrupt =
            |e: ffmpeg::Error| Refusal::new(Reason::MediaCorrupt, format!("reading stopped: {e}"));
        loop {
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.index => {}
                Ok(()) if !self.stretches.next() => self.stretches.left_out = true,
                Ok(()) if std::mem::take(&mut self.stretches.left_out) => {
                    self.stretches.waiting = Some(packet);
                    return self.decoder.send_eof().map_err(corrupt);
                }
                Ok(()) => return self.hand(&packet),
                Err(ffmpeg::Error::Eof) => {
                    self.all_sent = true;
                    return self.decoder.send_eof().map_err(corrupt);
                }
                Err(error) => return Err(corrupt(error)),
            }
        }
    }

    fn hand(&mut self, packet: &Packet) -> Result<(), Refusal> {
        let discard = match self.is_asked(packet) {
            true => codec::discard::Discard::Default,
            false => codec::discard::Discard::NonReference,
        };
        self.decoder.skip_frame(discard);
        match self.decoder.send_packet(packet) {
            Ok(()) => Ok(()),
            Err(_) => self.damage("a packet"),
        }
    }

    /// Whether a packet's frame is among those that are asked for, as far as can be known.
    fn is_asked(&self, packet: &Packet) -> bool {
        let known = self.only.as_ref().zip(self.clock.times.as_ref());
        let Some(((only, times), pts)) = known.zip(packet.pts().or(packet.dts())) else {
            return true;
        };
        match times.binary_search(&pts) {
            Ok(at) => only.binary_search(&(at as u64)).is_ok(),
            Err(_) => true,
        }
    }

    fn damage(&mut self, what: &str) -> Result<(), Refusal> {
        self.damaged += 1;
        if self.damaged > self.max_damaged {
            let message = format!("{what} near frame {} is damaged", self.next);
            return Err(Refusal::new(Reason::MediaCorrupt, message));
        }
        Ok(())
    }

    /// The decoded frame as shown.
    fn rgb(&mut self) -> Result<Rgb, Refusal> {
        let (width, height) = self.size;
        let scaler = Scaler::get(&mut self.scaler, &self.frame, self.size)?;
        scaler
            .scaler
            .run(&self.frame, &mut scaler.rgb)
            .map_err(|e| Refusal::new(Reason::MediaCorrupt, format!("{e}")))?;
        let row = width as usize * 3;
        let mut data = Vec::with_capacity(row * height as usize);
        let stride = scaler.rgb.stride(0);
        for line in scaler.rgb.data(0).chunks(stride).take(height as usize) {
            data.extend_from_slice(&line[..row]);
        }
        let stored = Picture {
            width: width as usize,
            height: height as usize,
            rgb: data,
        };
        let upright = stored.upright(self.facts.orientation);
        Ok(Rgb {
            width: upright.width as u32,
            height: upright.height as u32,
            data: upright.rgb,
        })
    }
}

impl Iterator for Decoder {
    type Item = Result<Frame, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("path", &self.path)
            .field("facts", &self.facts)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Converts frames of one kind.
struct Scaler {
    kind: (Pixel, u32, u32, i32, i32),
    scaler: scaling::Context,
    rgb: frame::Video,
}

impl Scaler {
    /// The one there is, or another when a stream changes its kind of frame.
    fn get<'a>(
        slot: &'a mut Option<Self>,
        frame: &frame::Video,
        (width, height): (u32, u32),
    ) -> Result<&'a mut Self, Refusal> {
        // SAFETY: the frame is alive.
        let (space, range) =
            unsafe { ((*frame.as_ptr()).colorspace, (*frame.as_ptr()).color_range) };
        let kind = (
            frame.format(),
            frame.width(),
            frame.height(),
            space as i32,
            range as i32,
        );
        match slot.take() {
            Some(same) if same.kind == kind => Ok(slot.insert(same)),
            _ => {
                let unchanged = (frame.width(), frame.height()) == (width, height);
                // Chroma between its samples in both cases, the same bytes on every machine.
                let filter = if unchanged {
                    Flags::BILINEAR
                } else {
                    Flags::BICUBIC
                };
                let mut scaler = scaling::Context::get(
                    frame.format(),
                    frame.width(),
                    frame.height(),
                    Pixel::RGB24,
                    width,
                    height,
                    filter | Flags::ACCURATE_RND | Flags::BITEXACT | Flags::FULL_CHR_H_INT,
                )
                .map_err(|e| {
                    let message = format!("{:?} cannot be converted: {e}", frame.format());
                    Refusal::new(Reason::MediaCorrupt, message)
                })?;
                demux::set_colours(&mut scaler, frame);
                Ok(slot.insert(Self {
                    kind,
                    scaler,
                    rgb: frame::Video::empty(),
                }))
            }
        }
    }
}

/// Frames a second where no rate is stated: from what was counted, or 25.
fn measured_rate(frames: u64, duration_s: f64) -> (u32, u32) {
    let milliseconds = (duration_s * 1000.0).round();
    match i32::try_from(frames.saturating_mul(1000)) {
        Ok(frames) if frames > 0 && (1.0..2e9).contains(&milliseconds) => {
            (frames as u32, milliseconds as u32)
        }
        _ => (25, 1),
    }
}
