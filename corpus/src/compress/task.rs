//! One clip in one quality, in a working process.

use std::path::{Path, PathBuf};

use fairframe_ingest::digest;
use fairframe_schemas::{
    Reason,
    source::{Rung, RungPixels},
};
use serde::{Deserialize, Serialize};

use super::{
    CompressDone,
    frames::{Noise, even, resized, shown_at},
};
use crate::{
    face::Rgb,
    item::Refusal,
    video::{Codec, Decoder, Encoded, Encoder, Facts, Limits, Pixels, Timing, X264, libraries},
    worker::Task,
};

/// The file a clip's item holds.
pub const CLIP: &str = "clip.mp4";
/// The file a mask's item holds.
pub const MASK: &str = "mask.mkv";

/// Which libraries write clips, with their versions.
#[derive(Debug, Serialize, Deserialize)]
pub struct Libraries;

impl Task for Libraries {
    type Done = [String; 3];
    const NAME: &'static str = "libraries";

    fn reads(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn work(self, _out: &Path) -> Result<[String; 3], Refusal> {
        Ok(libraries())
    }
}

/// Decode, change, encode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encode {
    pub file: PathBuf,
    /// None of a mask.
    pub rung: Option<Rung>,
    /// Of the noise.
    pub seed: [u8; 32],
    /// For the container.
    pub tags: Vec<(String, String)>,
    pub limits: Limits,
}

impl Task for Encode {
    type Done = CompressDone;
    const NAME: &'static str = "compress";

    fn reads(&self) -> Vec<PathBuf> {
        vec![self.file.clone()]
    }

    fn work(self, out: &Path) -> Result<CompressDone, Refusal> {
        let (encoded, timing, before) = match &self.rung {
            Some(rung) => self.ladder(rung, out)?,
            None => self.mask(&out.join(MASK))?,
        };
        let file = if self.rung.is_some() { CLIP } else { MASK };
        let (sha256, bytes) = digest::of_file(&out.join(file)).map_err(|e| stored(out, &e))?;
        Ok(CompressDone {
            file: file.to_owned(),
            sha256,
            bytes,
            width: encoded.width,
            height: encoded.height,
            frames: encoded.frames,
            timing,
            encoder: encoded.library,
            before,
        })
    }
}

type Written = (Encoded, Timing, Vec<crate::video::Library>);

fn stored(path: &Path, error: &std::io::Error) -> Refusal {
    Refusal::new(
        Reason::StoreFailed,
        format!("`{}`: {error}", path.display()),
    )
}

impl Encode {
    /// All passes; the last one writes the clip and its tags.
    fn ladder(&self, rung: &Rung, out: &Path) -> Result<Written, Refusal> {
        let mut noise = rung.noise.map(|deviation| Noise::new(self.seed, deviation));
        let mut change = |rgb: Rgb| -> Result<Rgb, Refusal> {
            let mut rgb = even(resized(rgb, rung.scale)?)?;
            if let Some(noise) = &mut noise {
                noise.add(&mut rgb);
            }
            Ok(rgb)
        };
        let passes: Vec<u8> = rung.before.iter().copied().chain([rung.crf]).collect();
        let mut before = Vec::new();
        let mut input = self.file.clone();
        for (n, crf) in passes.iter().enumerate() {
            let last = n + 1 == passes.len();
            let target = out.join(if last {
                CLIP.to_owned()
            } else {
                format!("before-{n}.mp4")
            });
            let codec = Codec::X264(X264 {
                crf: *crf,
                preset: rung.preset.as_str().to_owned(),
                pixels: match rung.pixels {
                    RungPixels::Yuv420p => Pixels::Yuv420p,
                    RungPixels::Yuv444p => Pixels::Yuv444p,
                    RungPixels::Rgb24 => Pixels::Rgb24,
                },
            });
            let tags: &[(String, String)] = if last { &self.tags } else { &[] };
            let decoder = Decoder::open(&input, &self.limits)?;
            // What changes frames does so in the first pass.
            let (encoded, timing) = match n {
                0 => pass(decoder, &target, &codec, tags, rung.frame_rate, &mut change)?,
                _ => pass(decoder, &target, &codec, tags, None, &mut Ok)?,
            };
            if n > 0 {
                std::fs::remove_file(&input).map_err(|e| stored(&input, &e))?;
            }
            if last {
                return Ok((encoded, timing, before));
            }
            before.push(encoded.library);
            input = target;
        }
        Err(Refusal::new(Reason::MediaCorrupt, "no pass was made"))
    }

    fn mask(&self, target: &Path) -> Result<Written, Refusal> {
        let decoder = Decoder::open(&self.file, &self.limits)?;
        let timing = decoder.facts().timing;
        let mut encoder = None;
        for frame in decoder {
            let frame = frame?;
            let rgb = even(frame.rgb)?;
            let encoder = match &mut encoder {
                Some(encoder) => encoder,
                slot => slot.insert(Encoder::mask(target, (rgb.width, rgb.height), timing)?),
            };
            let grey: Vec<u8> = rgb.data.iter().step_by(3).copied().collect();
            encoder.push_grey(&grey, frame.time_s)?;
        }
        Ok((finished(encoder)?, timing, Vec::new()))
    }
}

/// Decodes, changes each frame that is shown, and encodes.
fn pass(
    decoder: Decoder,
    target: &Path,
    codec: &Codec,
    tags: &[(String, String)],
    rate: Option<u32>,
    change: &mut dyn FnMut(Rgb) -> Result<Rgb, Refusal>,
) -> Result<(Encoded, Timing), Refusal> {
    let facts: Facts = decoder.facts().clone();
    let timing = rate.map_or(facts.timing, |rate| Timing::constant(rate, 1));
    let mut encoder = None;
    shown_at(decoder, &facts, rate, &mut |rgb, time_s| {
        let rgb = change(rgb)?;
        let encoder = match &mut encoder {
            Some(encoder) => encoder,
            slot => slot.insert(Encoder::create(
                target,
                (rgb.width, rgb.height),
                timing,
                codec,
                tags,
            )?),
        };
        encoder.push(&rgb, time_s)
    })?;
    Ok((finished(encoder)?, timing))
}

fn finished(encoder: Option<Encoder>) -> Result<Encoded, Refusal> {
    encoder
        .ok_or_else(|| Refusal::new(Reason::MediaCorrupt, "no frame could be decoded"))?
        .finish()
}
