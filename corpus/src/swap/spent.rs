//! Where the time goes.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Seconds spent on each part of the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    pub decode_s: f64,
    /// Following faces in frames that `frame` did not look at; finding them again in the fake.
    pub landmarks_s: f64,
    /// What both faces usually look like.
    pub learn_s: f64,
    /// What hides the face in each frame.
    pub hide_s: f64,
    /// Faces laid flat, and drawn into frames.
    pub warp_s: f64,
    /// Colours and seam made to agree, and smoothed.
    pub blend_s: f64,
    pub measure_s: f64,
    /// Fake and mask, contact sheet and table.
    pub encode_s: f64,
}

impl Spent {
    /// What each part is called, in order.
    pub fn parts(&self) -> [(&'static str, f64); 8] {
        [
            ("decode", self.decode_s),
            ("landmarks", self.landmarks_s),
            ("learn", self.learn_s),
            ("hide", self.hide_s),
            ("warp", self.warp_s),
            ("blend", self.blend_s),
            ("measure", self.measure_s),
            ("encode", self.encode_s),
        ]
    }

    pub fn add(&mut self, other: &Self) {
        self.decode_s += other.decode_s;
        self.landmarks_s += other.landmarks_s;
        self.learn_s += other.learn_s;
        self.hide_s += other.hide_s;
        self.warp_s += other.warp_s;
        self.blend_s += other.blend_s;
        self.measure_s += other.measure_s;
        self.encode_s += other.encode_s;
    }

    pub fn total_s(&self) -> f64 {
        self.parts().iter().map(|(_, s)| s).sum()
    }
}

/// Adds what `work` takes to `seconds`.
pub fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *seconds += began.elapsed().as_secs_f64();
    done
}
