//! Cutting faces out: boxes smoothed over time, a square around each.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::Path,
};

use fairframe_schemas::{
    Reason,
    source::{Crops, FrameRule},
};
use turbojpeg::{Compressor, PixelFormat, Subsamp};

use crate::{
    face::{Affine, Canonical, Mesh, Rgb, Similarity, five_points, template},
    item::Refusal,
};

/// JPEG quality of crops; chroma is not subsampled.
const QUALITY: i32 = 95;
/// Side at which sharpness is measured.
const SHARPNESS_SIDE: u32 = 160;

/// What is smoothed: centre and side of the box, then the five points.
type Place = [f64; 13];

fn place(mesh: &Mesh) -> Place {
    let [x, y, w, h] = mesh.bounds();
    let mut place = [0.0; 13];
    place[0] = f64::from(x + w / 2.0);
    place[1] = f64::from(y + h / 2.0);
    place[2] = f64::from(w.max(h));
    for (to, from) in place[3..].iter_mut().zip(five_points(mesh).as_flattened()) {
        *to = f64::from(*from);
    }
    place
}

/// Places of the tracks around the present, in order of time.
#[derive(Debug, Default)]
pub struct Places {
    tracks: BTreeMap<u32, VecDeque<(f64, Place)>>,
}

impl Places {
    pub fn add(&mut self, track: u32, time_s: f64, mesh: &Mesh) {
        let places = self.tracks.entry(track).or_default();
        places.push_back((time_s, place(mesh)));
    }

    /// Forgets what is before a moment.
    pub fn forget(&mut self, before_s: f64) {
        self.tracks.retain(|_, places| {
            places.retain(|(time_s, _)| *time_s >= before_s);
            !places.is_empty()
        });
    }

    /// The mean around a moment, weighted by a Gaussian of this deviation in time.
    fn smooth(&self, track: u32, time_s: f64, deviation_s: f64) -> Option<Place> {
        let (mut sum, mut total) = ([0.0; 13], 0.0);
        for (t, place) in self.tracks.get(&track)? {
            let off = t - time_s;
            let weight = match deviation_s > 0.0 {
                true => (-off * off / (2.0 * deviation_s * deviation_s)).exp(),
                false => f64::from(u8::from(off == 0.0)),
            };
            total += weight;
            for (s, p) in sum.iter_mut().zip(place) {
                *s += weight * p;
            }
        }
        (total > 0.0).then(|| sum.map(|s| s / total))
    }
}

/// Cuts crops as a rule says.
pub struct Cutter<'a> {
    rule: &'a FrameRule,
    template: [[f32; 2]; 5],
}

/// A piece of a frame.
pub struct Cut {
    pub from: Affine,
    pub padded: bool,
    pub picture: Rgb,
}

impl<'a> Cutter<'a> {
    pub fn new(rule: &'a FrameRule, canonical: &Canonical) -> Self {
        let template = template(canonical, rule.size as f32, rule.margin as f32);
        Self { rule, template }
    }

    /// The crop of a track's face in a frame; `None` where its box is no box.
    pub fn cut(&self, frame: &Rgb, places: &Places, track: u32, time_s: f64) -> Option<Cut> {
        let place = places.smooth(track, time_s, self.rule.smooth_s)?;
        let size = self.rule.size as f32;
        let from = match self.rule.align {
            true => {
                let points: [[f32; 2]; 5] =
                    std::array::from_fn(|i| [place[3 + 2 * i] as f32, place[4 + 2 * i] as f32]);
                Similarity::between(&self.template, &points)?.affine()
            }
            false => {
                let side = place[2] * self.rule.margin;
                let scale = (side / f64::from(self.rule.size)) as f32;
                let corner = [place[0] - side / 2.0, place[1] - side / 2.0].map(|v| v as f32);
                Affine([[scale, 0.0, corner[0]], [0.0, scale, corner[1]]])
            }
        };
        // Also refuses what is no number.
        if !(from.scale() > 1e-3 && from.scale().is_finite()) {
            return None;
        }
        let (w, h) = (frame.width as f32, frame.height as f32);
        let corners = [(0.0, 0.0), (size, 0.0), (0.0, size), (size, size)];
        let padded = corners.iter().any(|(x, y)| {
            let (x, y) = from.apply(*x, *y);
            x < 0.0 || y < 0.0 || x > w || y > h
        });
        let picture = frame.warp(&from, self.rule.size, self.rule.size);
        Some(Cut {
            from,
            padded,
            picture,
        })
    }
}

/// Sharpness of a face: of its box, at one size for all.
pub fn sharpness(frame: &Rgb, mesh: &Mesh) -> f32 {
    let [x, y, w, h] = mesh.bounds();
    let side = w.max(h);
    let scale = side / SHARPNESS_SIDE as f32;
    let from = Affine([
        [scale, 0.0, x + w / 2.0 - side / 2.0],
        [0.0, scale, y + h / 2.0 - side / 2.0],
    ]);
    frame
        .warp(&from, SHARPNESS_SIDE, SHARPNESS_SIDE)
        .sharpness()
}

/// Writes a picture as JPEG, or as PNG where nothing may be lost.
pub fn save(picture: &Rgb, path: &Path, kind: Crops) -> Result<(), Refusal> {
    let failed = |e: &dyn std::fmt::Display| {
        let message = format!("`{}` cannot be written: {e}", path.display());
        Refusal::new(Reason::StoreFailed, message)
    };
    let bytes = match kind {
        Crops::Png | Crops::Clip => {
            let mut bytes = Vec::new();
            let (w, h) = (picture.width, picture.height);
            let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
            let colour = image::ExtendedColorType::Rgb8;
            image::ImageEncoder::write_image(encoder, &picture.data, w, h, colour)
                .map_err(|e| failed(&e))?;
            bytes
        }
        _ => jpeg(picture, QUALITY).map_err(|e| failed(&e))?,
    };
    fs::write(path, bytes).map_err(|e| failed(&e))
}

/// A picture as JPEG.
pub fn jpeg(picture: &Rgb, quality: i32) -> turbojpeg::Result<Vec<u8>> {
    let mut compressor = Compressor::new()?;
    compressor.set_quality(quality)?;
    compressor.set_subsamp(Subsamp::None)?;
    compressor.compress_to_vec(turbojpeg::Image {
        pixels: &picture.data[..],
        width: picture.width as usize,
        pitch: 3 * picture.width as usize,
        height: picture.height as usize,
        format: PixelFormat::RGB,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_smoothed_in_time() {
        let mesh = |x: f32| {
            let mut points = [[0.0f32; 3]; 468];
            for (i, p) in points.iter_mut().enumerate() {
                *p = [x + (i % 10) as f32, (i % 7) as f32, 0.0];
            }
            Mesh { points, score: 1.0 }
        };
        let mut places = Places::default();
        for i in 0..9 {
            // It jitters by one pixel about a line.
            let jitter = if i % 2 == 0 { 0.5 } else { -0.5 };
            places.add(3, f64::from(i) / 30.0, &mesh(i as f32 + jitter));
        }
        let at = |deviation| places.smooth(3, 4.0 / 30.0, deviation).unwrap()[0];
        assert_eq!(at(0.0), 4.5 + 4.5);
        assert!((at(0.1) - 8.5).abs() < 0.1, "{}", at(0.1));
        assert_eq!(places.smooth(4, 0.0, 0.1), None);
        places.forget(1.0);
        assert_eq!(places.smooth(3, 4.0 / 30.0, 0.1), None);
    }
}
