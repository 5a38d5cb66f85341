//! What is looked at in a clip: some of its faces, as they stand in its own pixels.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::features;
use crate::{
    face::Rgb,
    item::Refusal,
    video::{Decoder, Limits},
    worker::Task,
};

/// A crop's side in boxes of the face.
const MARGIN: f32 = 1.3;
/// Smallest side of a crop, in pixels of the clip.
const LEAST_SIDE: u32 = 16;

/// A face of the video that a clip was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub time_s: f64,
    /// x, y, width, height in shares of the frame: a rung may be smaller.
    pub bounds: [f32; 4],
}

/// A clip to be looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LookTask {
    pub clip: PathBuf,
    /// By time.
    pub places: Vec<Place>,
    pub limits: Limits,
}

impl Task for LookTask {
    /// Features of each crop.
    type Done = Vec<Vec<f64>>;
    const NAME: &'static str = "look";

    fn reads(&self) -> Vec<PathBuf> {
        vec![self.clip.clone()]
    }

    fn work(self, _out: &Path) -> Result<Self::Done, Refusal> {
        let mut decoder = Decoder::open(&self.clip, &self.limits)?;
        let times = decoder.times();
        // By time, as a rung may have fewer frames.
        let nearest = |at: f64| {
            let later = times.partition_point(|t| *t < at);
            let gap = |i: usize| times.get(i).map_or(f64::INFINITY, |t| (t - at).abs());
            match later {
                0 => 0,
                _ if gap(later) < gap(later - 1) => later,
                _ => later - 1,
            }
        };
        let mut wanted: Vec<(u64, [f32; 4])> = self
            .places
            .iter()
            .map(|p| (nearest(p.time_s) as u64, p.bounds))
            .collect();
        wanted.dedup_by_key(|w| w.0);
        decoder.only(wanted.iter().map(|w| w.0));
        let mut found = Vec::with_capacity(wanted.len());
        while let Some(frame) = decoder.next_frame()? {
            let place = wanted.iter().find(|w| w.0 == frame.index);
            if let Some(crop) = place.and_then(|(_, bounds)| crop(&frame.rgb, *bounds)) {
                found.push(features(&crop));
            }
        }
        Ok(found)
    }
}

/// The square around a face, not resampled: that would hide what is looked for. Cut off at
/// the frame's edge; `None` where too little is left.
fn crop(frame: &Rgb, [x, y, w, h]: [f32; 4]) -> Option<Rgb> {
    let (width, height) = (frame.width as f32, frame.height as f32);
    let side = (w * width).max(h * height) * MARGIN;
    let (cx, cy) = ((x + w / 2.0) * width, (y + h / 2.0) * height);
    let clamp = |v: f32, most: u32| v.round().clamp(0.0, most as f32) as u32;
    let (left, right) = (
        clamp(cx - side / 2.0, frame.width),
        clamp(cx + side / 2.0, frame.width),
    );
    let (top, bottom) = (
        clamp(cy - side / 2.0, frame.height),
        clamp(cy + side / 2.0, frame.height),
    );
    if right.saturating_sub(left) < LEAST_SIDE || bottom.saturating_sub(top) < LEAST_SIDE {
        return None;
    }
    let mut crop = Rgb::new(right - left, bottom - top);
    for y in 0..crop.height {
        for x in 0..crop.width {
            crop.set(x, y, frame.pixel(left + x, top + y));
        }
    }
    Some(crop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_the_square_around_the_face_and_never_beyond_the_frame() {
        let mut frame = Rgb::new(200, 100);
        frame.set(100, 50, [9, 9, 9]);
        // 40 x 40 pixels in the middle, 52 with the margin.
        let crop_of = |bounds| crop(&frame, bounds);
        let whole = crop_of([0.4, 0.3, 0.2, 0.4]).unwrap();
        assert_eq!((whole.width, whole.height), (52, 52));
        assert_eq!(whole.pixel(26, 26), [9, 9, 9]);
        let cut = crop_of([0.9, 0.3, 0.2, 0.4]).unwrap();
        assert!(cut.width < 52 && cut.height == 52);
        assert!(crop_of([2.0, 0.3, 0.2, 0.4]).is_none());
        assert!(crop_of([0.4, 0.3, 0.01, 0.02]).is_none());
        assert!(crop_of([f32::NAN, 0.0, f32::INFINITY, 1.0]).is_none());
    }
}
