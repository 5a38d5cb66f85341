//! Encoding: lossless masters and masks, H.264 clips.
//!
//! One thread, FFmpeg's bit-exact flags and no clock: the same frames and settings give the
//! same bytes with the same libraries. x264 writes its own version and options into the stream;
//! they are read back into [`Library`].

use std::path::{Path, PathBuf};

use fairframe_schemas::Reason;
use ffmpeg::{
    Dictionary, Packet, Rational, codec, ffi,
    format::{self, Pixel},
    frame,
    software::scaling::{self, Flags},
};
use ffmpeg_next as ffmpeg;
use serde::{Deserialize, Serialize};

use super::Timing;
use crate::{face::Rgb, item::Refusal};

/// Ticks a second where the time between frames varies; divides the usual rates.
const VARIABLE_TICKS: u32 = 90_000;

/// How frames are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// FFV1 in Matroska, RGB: every pixel comes back as it was.
    Master,
    /// FFV1 in Matroska, one channel.
    Mask,
    /// H.264 in MP4, index first.
    X264(X264),
}

/// Arguments of libx264.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct X264 {
    /// 0 (lossless, of the pixels that it is given) to 51.
    pub crf: u8,
    /// E.g. `medium`.
    pub preset: String,
    pub pixels: Pixels,
}

/// How pixels are given to libx264.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pixels {
    /// A quarter of the colour: what cameras and sites use.
    Yuv420p,
    Yuv444p,
    /// By `libx264rgb`; nothing is converted.
    Rgb24,
}

impl Pixels {
    fn format(self) -> Pixel {
        match self {
            Self::Yuv420p => Pixel::YUV420P,
            Self::Yuv444p => Pixel::YUV444P,
            Self::Rgb24 => Pixel::RGB24,
        }
    }

    /// FFmpeg's name of the encoder, and of the format.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Yuv420p => ("libx264", "yuv420p"),
            Self::Yuv444p => ("libx264", "yuv444p"),
            Self::Rgb24 => ("libx264rgb", "rgb24"),
        }
    }
}

impl X264 {
    /// `-crf` and 4:2:0: FFmpeg's defaults for the rest.
    pub fn crf(crf: u8) -> Self {
        Self {
            crf,
            preset: "medium".to_owned(),
            pixels: Pixels::Yuv420p,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoded {
    pub width: u32,
    pub height: u32,
    pub frames: u64,
    pub bytes: u64,
    pub library: Library,
}

/// What wrote it: versions and arguments, for the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// E.g. `libavcodec 59.37.100`.
    pub avcodec: String,
    pub avformat: String,
    pub swscale: String,
    /// E.g. `libx264`.
    pub encoder: String,
    /// As FFmpeg's command line would have them.
    pub arguments: String,
    /// The line x264 writes into its stream: build and all options.
    pub x264: Option<String>,
}

/// Writes frames of one size to a file.
pub struct Encoder {
    output: format::context::Output,
    encoder: ffmpeg::encoder::Video,
    /// The encoder's, and the container's.
    bases: (Rational, Rational),
    ticks_a_second: f64,
    scaler: Option<scaling::Context>,
    picture: frame::Video,
    /// Of the frames that are handed in.
    size: (u32, u32),
    last: Option<i64>,
    frames: u64,
    library: Library,
    path: PathBuf,
}

/// Nothing of a sample's: the disk is full, an encoder is not there, a caller is wrong.
fn failed(path: &Path, what: impl std::fmt::Display) -> Refusal {
    let message = format!("`{}` cannot be written: {what}", path.display());
    Refusal::new(Reason::StoreFailed, message)
}

impl Encoder {
    /// A lossless RGB clip: what is made first, and everything else is made from.
    pub fn master(path: &Path, size: (u32, u32), timing: Timing) -> Result<Self, Refusal> {
        Self::create(path, size, timing, &Codec::Master, &[])
    }

    /// A lossless clip of one channel, for [`Encoder::push_grey`].
    pub fn mask(path: &Path, size: (u32, u32), timing: Timing) -> Result<Self, Refusal> {
        Self::create(path, size, timing, &Codec::Mask, &[])
    }

    /// Begins a file of frames of `size`. `tags` go into the container: MP4 keeps `title`,
    /// `comment` and the like, Matroska all.
    ///
    /// H.264 in 4:2:0 has even sides: an odd last column or row is left out.
    pub fn create(
        path: &Path,
        (width, height): (u32, u32),
        timing: Timing,
        codec: &Codec,
        tags: &[(String, String)],
    ) -> Result<Self, Refusal> {
        let wrap = |e: ffmpeg::Error| failed(path, e);
        ffmpeg::init().map_err(wrap)?;
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        let address = path
            .to_str()
            .map(|path| format!("file:{path}"))
            .ok_or_else(|| failed(path, "the path is not valid Unicode"))?;
        let (container, name, pixel, stored) = match codec {
            Codec::Master => ("matroska", "ffv1", Pixel::BGRZ, (width, height)),
            Codec::Mask => ("matroska", "ffv1", Pixel::GRAY8, (width, height)),
            Codec::X264(x264) => (
                "mp4",
                x264.pixels.names().0,
                x264.pixels.format(),
                match x264.pixels {
                    Pixels::Yuv420p => (width & !1, height & !1),
                    _ => (width, height),
                },
            ),
        };
        if stored.0 == 0 || stored.1 == 0 || stored.0 > 16_384 || stored.1 > 16_384 {
            return Err(failed(path, format!("frames of {width} x {height} pixels")));
        }
        let mut output = format::output_as(&address, container).map_err(wrap)?;
        let found = codec::encoder::find_by_name(name)
            .ok_or_else(|| failed(path, format!("FFmpeg has no encoder `{name}`")))?;
        let rate = Rational(timing.rate.0 as i32, timing.rate.1.max(1) as i32);
        let base = match timing.variable {
            true => Rational(1, VARIABLE_TICKS as i32),
            false => rate.invert(),
        };
        let mut context = codec::context::Context::new_with_codec(found);
        context.set_flags(codec::Flags::BITEXACT | codec::Flags::GLOBAL_HEADER);
        context.set_threading(codec::threading::Config::count(1));
        context.set_time_base(base);
        context.set_frame_rate(Some(rate));
        let mut video = context.encoder().video().map_err(wrap)?;
        video.set_width(stored.0);
        video.set_height(stored.1);
        video.set_format(pixel);
        video.set_aspect_ratio(Rational(1, 1));
        let mut options = Dictionary::new();
        let mut arguments = format!("-c:v {name}");
        match codec {
            Codec::X264(x264) => {
                options.set("crf", &x264.crf.to_string());
                options.set("preset", &x264.preset);
                if x264.pixels != Pixels::Rgb24 {
                    video.set_colorspace(matrix(stored.1));
                    video.set_color_range(ffmpeg::color::Range::MPEG);
                }
                arguments += &format!(
                    " -preset {} -crf {} -pix_fmt {} -threads 1 -movflags +faststart",
                    x264.preset,
                    x264.crf,
                    x264.pixels.names().1
                );
            }
            Codec::Master => arguments += " -level 3 -pix_fmt bgr0 -threads 1",
            Codec::Mask => arguments += " -level 3 -pix_fmt gray -threads 1",
        }
        if !matches!(codec, Codec::X264(_)) {
            options.set("level", "3");
        }
        let encoder = video.open_as_with(found, options).map_err(wrap)?;
        let mut stream = output.add_stream_with(&encoder).map_err(wrap)?;
        stream.set_time_base(base);
        stream.set_avg_frame_rate(rate);
        let mut metadata = Dictionary::new();
        for (key, value) in tags {
            metadata.set(key, value);
        }
        output.set_metadata(metadata);
        // SAFETY: the context is open and ours.
        unsafe {
            (*output.as_mut_ptr()).flags |= ffi::AVFMT_FLAG_BITEXACT;
        }
        let mut options = Dictionary::new();
        if container == "mp4" {
            options.set("movflags", "+faststart");
        }
        output.write_header_with(options).map_err(wrap)?;
        let container_base = output.stream(0).map_or(base, |s| s.time_base());
        let scaler = match codec {
            Codec::Mask => None,
            _ => Some(from_rgb(stored, pixel).map_err(wrap)?),
        };
        let [avcodec, avformat, swscale] = libraries();
        Ok(Self {
            output,
            encoder,
            bases: (base, container_base),
            ticks_a_second: f64::from(base.1) / f64::from(base.0),
            scaler,
            picture: frame::Video::empty(),
            size: (width, height),
            last: None,
            frames: 0,
            library: Library {
                avcodec,
                avformat,
                swscale,
                encoder: name.to_owned(),
                arguments,
                x264: None,
            },
            path: path.to_owned(),
        })
    }

    /// Adds a frame, shown at `time_s` seconds: rounded to the frame rate's ticks, or to
    /// 1/90,000 s where the time between frames varies, and always after the one before.
    pub fn push(&mut self, rgb: &Rgb, time_s: f64) -> Result<(), Refusal> {
        self.check(rgb.width, rgb.height, rgb.data.len(), 3)?;
        let Some(scaler) = &mut self.scaler else {
            return Err(failed(&self.path, "a mask has one channel"));
        };
        let format = self.encoder.format();
        let (width, height) = (self.encoder.width(), self.encoder.height());
        self.picture = frame::Video::new(format, width, height);
        let rows = [
            rgb.data.as_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            std::ptr::null(),
        ];
        let strides = [rgb.width as i32 * 3, 0, 0, 0];
        // SAFETY: `check` saw that the data hold `height` rows of that stride, of which the
        // scaler reads no more than its own width and height; the picture was allocated in
        // the scaler's output format and size.
        unsafe {
            let to = self.picture.as_mut_ptr();
            ffi::sws_scale(
                scaler.as_mut_ptr(),
                rows.as_ptr(),
                strides.as_ptr(),
                0,
                height as i32,
                (*to).data.as_ptr(),
                (*to).linesize.as_ptr(),
            );
        }
        self.send(time_s)
    }

    /// Adds a frame of a mask: `width * height` bytes, row by row.
    pub fn push_grey(&mut self, grey: &[u8], time_s: f64) -> Result<(), Refusal> {
        let (width, height) = self.size;
        self.check(width, height, grey.len(), 1)?;
        if self.scaler.is_some() {
            return Err(failed(&self.path, "it has three channels"));
        }
        self.picture = frame::Video::new(Pixel::GRAY8, width, height);
        let stride = self.picture.stride(0);
        let rows = self.picture.data_mut(0).chunks_mut(stride);
        for (to, from) in rows.zip(grey.chunks(width as usize)) {
            to[..from.len()].copy_from_slice(from);
        }
        self.send(time_s)
    }

    /// Writes what is left and closes the file.
    pub fn finish(mut self) -> Result<Encoded, Refusal> {
        let path = self.path.clone();
        let wrap = |e: ffmpeg::Error| failed(&path, e);
        if self.frames == 0 {
            return Err(failed(&path, "it has no frame"));
        }
        self.encoder.send_eof().map_err(wrap)?;
        self.write()?;
        self.output.write_trailer().map_err(wrap)?;
        let (width, height) = (self.encoder.width(), self.encoder.height());
        let (frames, library) = (self.frames, self.library.clone());
        drop(self);
        let bytes = std::fs::metadata(&path)
            .map_err(|e| failed(&path, e))?
            .len();
        Ok(Encoded {
            width,
            height,
            frames,
            bytes,
            library,
        })
    }

    fn check(&self, width: u32, height: u32, bytes: usize, channels: usize) -> Result<(), Refusal> {
        let (w, h) = self.size;
        if (width, height) != self.size || bytes != w as usize * h as usize * channels {
            let message = format!("a frame of {width} x {height} pixels among those of {w} x {h}");
            return Err(failed(&self.path, message));
        }
        Ok(())
    }

    fn send(&mut self, time_s: f64) -> Result<(), Refusal> {
        let ticks = (time_s * self.ticks_a_second).round() as i64;
        let pts = self.last.map_or(ticks, |last| ticks.max(last + 1));
        self.last = Some(pts);
        self.picture.set_pts(Some(pts));
        self.frames += 1;
        self.encoder
            .send_frame(&self.picture)
            .map_err(|e| failed(&self.path, e))?;
        self.write()
    }

    /// Writes the packets that are ready.
    fn write(&mut self) -> Result<(), Refusal> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            if self.library.encoder != "ffv1" && self.library.x264.is_none() {
                self.library.x264 = packet.data().and_then(x264_line);
            }
            packet.set_stream(0);
            packet.rescale_ts(self.bases.0, self.bases.1);
            packet
                .write_interleaved(&mut self.output)
                .map_err(|e| failed(&self.path, e))?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("path", &self.path)
            .field("size", &self.size)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// The matrix a clip is encoded by, and says so: as a player takes it when it is not said.
fn matrix(height: u32) -> ffmpeg::color::Space {
    match height > 576 {
        true => ffmpeg::color::Space::BT709,
        false => ffmpeg::color::Space::SMPTE170M,
    }
}

/// Full-range RGB to what is encoded: limited range and [`matrix`] where there is one.
fn from_rgb((width, height): (u32, u32), to: Pixel) -> Result<scaling::Context, ffmpeg::Error> {
    let mut scaler = scaling::Context::get(
        Pixel::RGB24,
        width,
        height,
        to,
        width,
        height,
        // Chroma as the mean of its four pixels, the same bytes on every machine.
        Flags::AREA | Flags::ACCURATE_RND | Flags::BITEXACT | Flags::FULL_CHR_H_INP,
    )?;
    let space = match matrix(height) {
        ffmpeg::color::Space::BT709 => ffi::SWS_CS_ITU709,
        _ => ffi::SWS_CS_ITU601,
    };
    // SAFETY: the scaler is alive; the tables are FFmpeg's own constants. Without effect from
    // RGB to RGB.
    unsafe {
        let table = ffi::sws_getCoefficients(space);
        ffi::sws_setColorspaceDetails(scaler.as_mut_ptr(), table, 1, table, 0, 0, 1 << 16, 1 << 16);
    }
    Ok(scaler)
}

/// The libraries' versions, as in [`Library`].
pub fn libraries() -> [String; 3] {
    [
        version("libavcodec", codec::version()),
        version("libavformat", format::version()),
        version("libswscale", ffmpeg::software::scaling::version()),
    ]
}

fn version(library: &str, number: u32) -> String {
    let (major, minor, micro) = (number >> 16, number >> 8 & 0xff, number & 0xff);
    format!("{library} {major}.{minor}.{micro}")
}

/// What x264 says of itself in the supplemental information of its first packet.
fn x264_line(packet: &[u8]) -> Option<String> {
    const MARK: &[u8] = b"x264 - core ";
    let from = packet.windows(MARK.len()).position(|w| w == MARK)?;
    let line = packet[from..].split(|b| *b == 0).next()?;
    Some(String::from_utf8_lossy(line).into_owned())
}
