//! Methods that are programs of others: frames out, frames in.
//!
//! The program is given a folder, whose path is its last argument and its working directory:
//!
//! ```text
//! job.json              {"version": 1, "target": SIDE, "source": SIDE}, where SIDE is
//!                       {"width", "height", "frames": [{"picture", "time_s", "mesh"}]}
//! target/000000.png     what it is to change, RGB; source/000000.png: whose face to take
//! ```
//!
//! `mesh` is 468 `[x, y, z]` in pixels, or null where no face was found. It leaves, for each
//! target frame it swapped, two files of the target's size, and exits with 0:
//!
//! ```text
//! fake/000000.png       RGB or RGBA, 8 bits; alpha is not looked at
//! mask/000000.png       grey, 8 bits: how strongly each pixel was replaced
//! ```
//!
//! A frame that lacks one of them keeps the target's pixels. It runs confined
//! (`worker::Program`), and what it leaves is judged as any file of strangers: read in a worker, sizes checked, and pixels outside of its own mask are
//! the target's whatever it painted there.

use std::{
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use fairframe_schemas::{Reason, source::SwapRule};
use image::{ColorType, ImageDecoder, ImageEncoder, codecs::png};
use serde::{Deserialize, Serialize};

use super::{
    spent::{Spent, timed},
    swapper::Swapped,
    task::{Side, SwapDone, Writer, broken, written},
};
use crate::{
    face::{Landmarker, Rgb},
    item::Refusal,
    video,
    worker::Task,
};

const JOB: &str = "job.json";
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Job {
    version: u32,
    target: JobSide,
    source: JobSide,
}

#[derive(Serialize)]
struct JobSide {
    width: u32,
    height: u32,
    frames: Vec<JobFrame>,
}

#[derive(Serialize)]
struct JobFrame {
    picture: String,
    time_s: f64,
    mesh: Option<Vec<[f32; 3]>>,
}

/// Lays out what a program is given.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandOut {
    pub(super) target: Side,
    pub(super) source: Side,
    pub(super) limits: video::Limits,
}

impl Task for HandOut {
    type Done = ();
    const NAME: &'static str = "swap-hand-out";

    fn reads(&self) -> Vec<PathBuf> {
        [&self.target, &self.source]
            .into_iter()
            .flat_map(|s| [s.video.clone(), s.frames.clone()])
            .collect()
    }

    fn work(self, out: &Path) -> Result<(), Refusal> {
        let landmarker = Landmarker::new().map_err(broken)?;
        let side = |side: &Side, name: &str| -> Result<JobSide, Refusal> {
            let faces = side.faces(&landmarker, &self.limits, &mut Spent::default())?;
            let folder = out.join(name);
            fs::create_dir(&folder).map_err(|e| written(&folder, e))?;
            let mut decoder = side.open(&self.limits)?;
            let (width, height) = (decoder.facts().width, decoder.facts().height);
            let mut frames = Vec::new();
            while let Some(frame) = decoder.next_frame()? {
                let picture = format!("{name}/{:06}.png", frame.index);
                let path = out.join(&picture);
                write_png(&path, &frame.rgb).map_err(|e| written(&path, e))?;
                let mesh = faces.meshes.get(frame.index as usize).cloned().flatten();
                frames.push(JobFrame {
                    picture,
                    time_s: frame.time_s,
                    mesh: mesh.map(|m| m.points.to_vec()),
                });
            }
            Ok(JobSide {
                width,
                height,
                frames,
            })
        };
        let job = Job {
            version: VERSION,
            target: side(&self.target, "target")?,
            source: side(&self.source, "source")?,
        };
        let path = out.join(JOB);
        let file = File::create(&path).map_err(|e| written(&path, e))?;
        let mut file = BufWriter::new(file);
        serde_json::to_writer(&mut file, &job).map_err(|e| written(&path, e))?;
        file.flush().map_err(|e| written(&path, e))
    }
}

fn write_png(path: &Path, picture: &Rgb) -> image::ImageResult<()> {
    let file = BufWriter::new(File::create(path)?);
    let encoder =
        png::PngEncoder::new_with_quality(file, png::CompressionType::Fast, png::FilterType::Sub);
    let (width, height) = (picture.width, picture.height);
    encoder.write_image(&picture.data, width, height, image::ExtendedColorType::Rgb8)
}

/// Takes in what a program left in `exchange`.
#[derive(Debug, Serialize, Deserialize)]
pub struct TakeIn {
    pub(super) target: Side,
    pub(super) exchange: PathBuf,
    pub(super) rule: SwapRule,
    pub(super) limits: video::Limits,
}

impl Task for TakeIn {
    type Done = (SwapDone, Spent);
    const NAME: &'static str = "swap-take-in";

    fn reads(&self) -> Vec<PathBuf> {
        vec![
            self.target.video.clone(),
            self.target.frames.clone(),
            self.exchange.clone(),
        ]
    }

    fn work(self, out: &Path) -> Result<Self::Done, Refusal> {
        let landmarker = Landmarker::new().map_err(broken)?;
        let mut spent = Spent::default();
        let faces = self.target.faces(&landmarker, &self.limits, &mut spent)?;
        let mut writer = Writer::open(&self.target, &self.limits, &self.rule, out)?;
        let mut decoder = timed(&mut spent.decode_s, || self.target.open(&self.limits))?;
        while let Some(frame) = timed(&mut spent.decode_s, || decoder.next_frame())? {
            let target = frame.rgb;
            let name = format!("{:06}.png", frame.index);
            let size = (target.width, target.height);
            let read = |folder: &str, channels: u8| {
                read_png(&self.exchange.join(folder).join(&name), size, channels)
            };
            let mut swapped = Swapped::kept(frame.index as usize, target);
            let pictures = timed(&mut spent.decode_s, || (read("fake", 3), read("mask", 1)));
            match (pictures.0?, pictures.1?) {
                (Some(fake), Some(mask)) => swapped.paint_over(&fake, mask),
                _ => swapped.reason = Some(Reason::SwapMethodFailed),
            }
            writer.take(swapped, &faces, &landmarker)?;
        }
        writer.spent.add(&spent);
        writer.finish()
    }
}

fn unusable(path: &Path, what: impl std::fmt::Display) -> Refusal {
    let message = format!("`{}`: {what}", path.display());
    Refusal::new(Reason::SwapMethodFailed, message)
}

/// The pixels of a PNG of this size and so many channels; `None` where there is no file.
fn read_png(path: &Path, size: (u32, u32), channels: u8) -> Result<Option<Vec<u8>>, Refusal> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
        Ok(facts) if !facts.is_file() => return Err(unusable(path, "it is no plain file")),
        Ok(_) => {}
    }
    let pixels = u64::from(size.0) * u64::from(size.1);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|f| f.take(8 * pixels + 65_536).read_to_end(&mut bytes))
        .map_err(|e| unusable(path, e))?;
    let decoder = png::PngDecoder::new(std::io::Cursor::new(bytes));
    let decoder = decoder.map_err(|e| unusable(path, e))?;
    if decoder.dimensions() != size {
        let (width, height) = decoder.dimensions();
        let message = format!("{width}x{height} pixels, not {}x{}", size.0, size.1);
        return Err(unusable(path, message));
    }
    let colour = decoder.color_type();
    let fits = match channels {
        1 => colour == ColorType::L8,
        _ => matches!(colour, ColorType::Rgb8 | ColorType::Rgba8),
    };
    if !fits {
        return Err(unusable(path, format!("its pixels are {colour:?}")));
    }
    let mut data = vec![0; decoder.total_bytes() as usize];
    decoder
        .read_image(&mut data)
        .map_err(|e| unusable(path, e))?;
    if colour == ColorType::Rgba8 {
        data = data
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[1], p[2]])
            .collect();
    }
    Ok(Some(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_leaves_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("000000.png");
        assert_eq!(read_png(&path, (4, 3), 3).unwrap(), None);
        let picture = Rgb {
            width: 4,
            height: 3,
            data: (0..36).collect(),
        };
        write_png(&path, &picture).unwrap();
        assert_eq!(read_png(&path, (4, 3), 3).unwrap(), Some(picture.data));
        let refused = |size, channels, word: &str| {
            let refusal = read_png(&path, size, channels).unwrap_err();
            assert_eq!(refusal.reason, Reason::SwapMethodFailed);
            assert!(refusal.message.contains(word), "{refusal}");
        };
        refused((3, 4), 3, "4x3 pixels, not 3x4");
        refused((4, 3), 1, "Rgb8");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        refused((4, 3), 3, "000000.png");
        fs::write(&path, b"no picture").unwrap();
        refused((4, 3), 3, "000000.png");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        refused((4, 3), 3, "no plain file");
    }
}
