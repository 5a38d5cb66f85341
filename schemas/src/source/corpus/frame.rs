//! `[corpus.frame]`: which frames are looked at, and how faces are cut out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sample::text_enum;

/// How faces are found and cropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FrameRule {
    pub sample: Sampling,
    /// Side of a crop in pixels, e.g. 256, 299, 380.
    pub size: u32,
    /// Side of the crop as a multiple of the face's box.
    pub margin: f64,
    /// Turn and scale faces so that eyes, nose and mouth stand in the same places.
    pub align: bool,
    pub crops: Crops,
    /// Standard deviation in seconds of the Gaussian that boxes are smoothed with; 0: not.
    pub smooth_s: f64,
    /// Faces with a smaller box, in pixels, are not cut out.
    pub least_side: f64,
    /// A detector's score from which on something is looked at as a face.
    pub least_score: f64,
    /// Crops less sharp than this (variance of the Laplacian) are not kept; 0: all are.
    pub least_sharpness: f64,
    /// How long a face may be out of sight and still be the same.
    pub gap_s: f64,
    /// New faces are looked for in every so manieth frame, and wherever one was lost; known
    /// ones are followed in all.
    pub detect_every: u32,
}

/// Which frames are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    All,
    /// Every n-th, from the first on.
    Every(u32),
    /// So many, evenly spaced over the whole clip.
    Count(u32),
    /// So many a second.
    PerSecond(f64),
    /// The first, and each that begins another shot.
    Scenes,
}

text_enum! {
    /// How crops are kept.
    Crops {
        Jpeg = "jpeg",
        Png = "png",
        /// One lossless video of them.
        Clip = "clip",
        /// Only the table.
        None = "none",
    }
}

impl Default for FrameRule {
    fn default() -> Self {
        Self {
            sample: Sampling::All,
            size: 299,
            margin: 1.3,
            align: false,
            crops: Crops::Jpeg,
            smooth_s: 0.1,
            least_side: 32.0,
            least_score: 0.5,
            least_sharpness: 0.0,
            gap_s: 1.0,
            detect_every: 5,
        }
    }
}

impl FrameRule {
    /// Each number: its key, itself, least, most, and these two in words.
    pub(crate) fn numbers(&self) -> [(&'static str, f64, f64, f64, &'static str); 9] {
        let sample = match self.sample {
            Sampling::Every(n) => (
                "corpus.frame.sample.every",
                f64::from(n),
                1.0,
                1e6,
                "1 to 1000000",
            ),
            Sampling::Count(n) => (
                "corpus.frame.sample.count",
                f64::from(n),
                1.0,
                1e6,
                "1 to 1000000",
            ),
            Sampling::PerSecond(n) => (
                "corpus.frame.sample.per-second",
                n,
                0.001,
                1e3,
                "0.001 to 1000",
            ),
            Sampling::All | Sampling::Scenes => ("corpus.frame.sample", 0.0, 0.0, 0.0, "0"),
        };
        let size = f64::from(self.size);
        let every = f64::from(self.detect_every);
        [
            sample,
            ("corpus.frame.size", size, 16.0, 1024.0, "16 to 1024"),
            ("corpus.frame.margin", self.margin, 0.5, 4.0, "0.5 to 4"),
            ("corpus.frame.smooth_s", self.smooth_s, 0.0, 1.0, "0 to 1"),
            (
                "corpus.frame.least_side",
                self.least_side,
                1.0,
                1e4,
                "1 to 10000",
            ),
            (
                "corpus.frame.least_score",
                self.least_score,
                0.05,
                1.0,
                "0.05 to 1",
            ),
            (
                "corpus.frame.least_sharpness",
                self.least_sharpness,
                0.0,
                1e6,
                "0 to 1000000",
            ),
            ("corpus.frame.gap_s", self.gap_s, 0.0, 60.0, "0 to 60"),
            ("corpus.frame.detect_every", every, 1.0, 1e3, "1 to 1000"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_within_its_own_bounds() {
        for (key, value, least, most, _) in FrameRule::default().numbers() {
            assert!((least..=most).contains(&value), "{key}");
        }
    }

    #[test]
    fn samplings_are_words_or_one_number() {
        let read = |text: &str| toml::from_str::<FrameRule>(text).map(|r| r.sample);
        assert_eq!(read("sample = 'all'").unwrap(), Sampling::All);
        assert_eq!(read("sample = 'scenes'").unwrap(), Sampling::Scenes);
        let rate = read("sample = { per-second = 1.5 }").unwrap();
        assert_eq!(rate, Sampling::PerSecond(1.5));
        assert_eq!(read("sample = { every = 3 }").unwrap(), Sampling::Every(3));
        assert!(read("sample = { every = -3 }").is_err());
        assert!(read("sample = 'some'").is_err());
    }
}
