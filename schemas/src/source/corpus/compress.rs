//! `[corpus.compress]`: the qualities every clip, real or fake, is written in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sample::text_enum;

/// The ladder. Real and fake clips go through the same rungs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressRule {
    /// Of the noise.
    pub seed: u64,
    pub rungs: Vec<Rung>,
}

/// One quality. Frames are made smaller, then drawn at another rate, then noisy, then encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// E.g. `c23`: small letters, digits and single hyphens; a part of file names.
    pub name: String,
    /// Of libx264: 0 (lossless) to 51.
    pub crf: u8,
    /// How pixels are given to x264. 4:2:0, as cameras and sites do, when not given.
    #[serde(default)]
    pub pixels: RungPixels,
    #[serde(default)]
    pub preset: RungPreset,
    /// Both sides are this much of what they were, more than 0 and up to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Frames a second, 1 to 240; frames are left out or repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<u32>,
    /// Standard deviation of the noise in each channel, in levels of 255, up to 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Encoded with these and decoded before, in order; up to 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<u8>,
}

text_enum! {
    /// `yuv420p`, `yuv444p`, or `rgb24` by libx264rgb.
    #[derive(Default)]
    RungPixels { #[default] Yuv420p = "yuv420p", Yuv444p = "yuv444p", Rgb24 = "rgb24", }
}

text_enum! {
    /// Of x264: how long it looks for a smaller encoding.
    #[derive(Default)]
    RungPreset {
        Ultrafast = "ultrafast", Veryfast = "veryfast", Fast = "fast",
        #[default] Medium = "medium", Slow = "slow", Veryslow = "veryslow",
    }
}

impl Rung {
    /// Encoded, and nothing else.
    pub fn plain(name: &str, crf: u8) -> Self {
        Self {
            name: name.to_owned(),
            crf,
            pixels: RungPixels::default(),
            preset: RungPreset::default(),
            scale: None,
            frame_rate: None,
            noise: None,
            before: Vec::new(),
        }
    }
}

impl Default for CompressRule {
    /// FaceForensics' ladder: c0 is lossless RGB, c23 and c40 lose more and more.
    fn default() -> Self {
        let c0 = Rung {
            pixels: RungPixels::Rgb24,
            ..Rung::plain("c0", 0)
        };
        Self {
            seed: 0,
            rungs: vec![c0, Rung::plain("c23", 23), Rung::plain("c40", 40)],
        }
    }
}

impl CompressRule {
    /// The key, value and what is allowed of the first setting that is out of range.
    pub(crate) fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        let within = |value: Option<f64>, low: f64, high: f64| {
            value.is_none_or(|v| (low..=high).contains(&v))
        };
        let mut names = Vec::new();
        for rung in &self.rungs {
            let fits = !rung.name.is_empty()
                && rung.name.len() <= 32
                && rung.name.split('-').all(|part| {
                    !part.is_empty()
                        && part
                            .bytes()
                            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                });
            if !fits || rung.name == "mask" || names.contains(&&rung.name) {
                return Some((
                    "corpus.compress.rungs.name",
                    rung.name.clone(),
                    "small letters, digits and single hyphens, each name once, and not `mask`",
                ));
            }
            names.push(&rung.name);
            if rung.crf > 51 || rung.before.iter().any(|crf| *crf > 51) {
                let value = rung.crf.max(rung.before.iter().copied().max().unwrap_or(0));
                return Some(("corpus.compress.rungs.crf", value.to_string(), "0 to 51"));
            }
            if rung.before.len() > 4 {
                let value = format!("{} long", rung.before.len());
                return Some(("corpus.compress.rungs.before", value, "up to 4"));
            }
            if !within(rung.scale, 0.01, 1.0) {
                let value = format!("{:?}", rung.scale.unwrap_or_default());
                return Some(("corpus.compress.rungs.scale", value, "0.01 to 1"));
            }
            if !within(rung.frame_rate.map(f64::from), 1.0, 240.0) {
                let value = rung.frame_rate.unwrap_or_default().to_string();
                return Some(("corpus.compress.rungs.frame_rate", value, "1 to 240"));
            }
            if !within(rung.noise, 0.0, 64.0) {
                let value = format!("{:?}", rung.noise.unwrap_or_default());
                return Some(("corpus.compress.rungs.noise", value, "0 to 64"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_out_of_range_are_named() {
        assert_eq!(CompressRule::default().out_of_range(), None);
        let wrong = |change: &dyn Fn(&mut Rung)| {
            let mut rule = CompressRule::default();
            change(&mut rule.rungs[1]);
            rule.out_of_range().map(|(key, ..)| key)
        };
        for name in ["", "C23", "a--b", "-a", "a/b", "..", "mask", "c40"] {
            let key = wrong(&|r| r.name = name.to_owned());
            assert_eq!(key, Some("corpus.compress.rungs.name"), "{name}");
        }
        assert_eq!(wrong(&|r| r.name = "c23-15fps".to_owned()), None);
        assert_eq!(wrong(&|r| r.crf = 52), Some("corpus.compress.rungs.crf"));
        assert_eq!(
            wrong(&|r| r.before = vec![60]),
            Some("corpus.compress.rungs.crf")
        );
        assert_eq!(
            wrong(&|r| r.before = vec![1; 5]),
            Some("corpus.compress.rungs.before")
        );
        for scale in [0.0, -1.0, 1.5, f64::NAN] {
            let key = wrong(&|r| r.scale = Some(scale));
            assert_eq!(key, Some("corpus.compress.rungs.scale"), "{scale}");
        }
        assert_eq!(
            wrong(&|r| r.frame_rate = Some(0)),
            Some("corpus.compress.rungs.frame_rate")
        );
        assert_eq!(
            wrong(&|r| r.noise = Some(65.0)),
            Some("corpus.compress.rungs.noise")
        );
    }
}
