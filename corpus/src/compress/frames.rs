//! What is done to frames before they are encoded.

use fairframe_ingest::media::Picture;
use fairframe_schemas::Reason;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::{
    face::Rgb,
    item::Refusal,
    video::{Facts, Frame},
};

/// Smaller by `scale` on both sides, averaged.
pub fn resized(rgb: Rgb, scale: Option<f64>) -> Result<Rgb, Refusal> {
    let Some(scale) = scale else { return Ok(rgb) };
    let side = |length: u32| ((f64::from(length) * scale).round() as usize).max(2);
    let (width, height) = (side(rgb.width), side(rgb.height));
    let picture = Picture {
        width: rgb.width as usize,
        height: rgb.height as usize,
        rgb: rgb.data,
    };
    let small = picture.resized(width, height)?;
    Ok(Rgb {
        width: small.width as u32,
        height: small.height as u32,
        data: small.rgb,
    })
}

/// Without an odd last column or row, which 4:2:0 cannot hold: so that a clip and its mask are of
/// one size in every quality.
pub fn even(rgb: Rgb) -> Result<Rgb, Refusal> {
    let (width, height) = (rgb.width & !1, rgb.height & !1);
    if width == 0 || height == 0 {
        let message = format!(
            "{} x {} pixels are too few to encode",
            rgb.width, rgb.height
        );
        return Err(Refusal::new(Reason::MediaTooSmall, message));
    }
    if (width, height) == (rgb.width, rgb.height) {
        return Ok(rgb);
    }
    let rows = rgb.data.chunks(rgb.width as usize * 3);
    let rows = rows.take(height as usize);
    let data = rows.flat_map(|row| &row[..width as usize * 3]);
    Ok(Rgb {
        width,
        height,
        data: data.copied().collect(),
    })
}

/// Noise of each channel: nearly normal, being the sum of four uniform bytes (Irwin and Hall).
pub struct Noise {
    rng: ChaCha8Rng,
    /// Levels for each sum of four bytes.
    levels: Vec<i16>,
}

impl Noise {
    pub fn new(seed: [u8; 32], deviation: f64) -> Self {
        // Four uniform bytes: mean 510, variance 4 (256^2 - 1) / 12.
        let unit = (4.0 * (65_536.0 - 1.0) / 12.0_f64).sqrt();
        let level = |sum: u32| ((f64::from(sum) - 510.0) / unit * deviation).round() as i16;
        Self {
            rng: ChaCha8Rng::from_seed(seed),
            levels: (0..=4 * 255).map(level).collect(),
        }
    }

    pub fn add(&mut self, rgb: &mut Rgb) {
        for value in &mut rgb.data {
            let sum: u32 = self
                .rng
                .next_u32()
                .to_le_bytes()
                .map(u32::from)
                .iter()
                .sum();
            let noisy = i16::from(*value) + self.levels[sum as usize];
            *value = noisy.clamp(0, 255) as u8;
        }
    }
}

/// Hands on frames with the times they are to be shown at: their own, or with `rate` those of
/// an even grid, where each is the last frame shown by then.
pub fn shown_at(
    frames: impl Iterator<Item = Result<Frame, Refusal>>,
    facts: &Facts,
    rate: Option<u32>,
    put: &mut dyn FnMut(Rgb, f64) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let Some(rate) = rate.map(f64::from) else {
        for frame in frames {
            let frame = frame?;
            put(frame.rgb, frame.time_s)?;
        }
        return Ok(());
    };
    // Times are rounded in containers: to milliseconds at worst.
    const ROUNDING_S: f64 = 0.0006;
    let mut next = 0u64;
    let mut until = |held: &Frame, end_s: f64| -> Result<(), Refusal> {
        while next as f64 / rate < end_s - ROUNDING_S {
            put(held.rgb.clone(), next as f64 / rate)?;
            next += 1;
        }
        Ok(())
    };
    let mut held: Option<Frame> = None;
    for frame in frames {
        let frame = frame?;
        if let Some(held) = &held {
            until(held, frame.time_s)?;
        }
        held = Some(frame);
    }
    match held {
        Some(last) => until(&last, last.time_s + 1.0 / facts.timing.per_second()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::Timing;

    fn frames(times: &[f64]) -> Vec<Result<Frame, Refusal>> {
        let frame = |(n, time_s): (usize, &f64)| {
            let mut rgb = Rgb::new(2, 2);
            rgb.set(0, 0, [n as u8, 0, 0]);
            Ok(Frame {
                index: n as u64,
                time_s: *time_s,
                rgb,
            })
        };
        times.iter().enumerate().map(frame).collect()
    }

    fn facts(rate: (u32, u32)) -> Facts {
        Facts {
            width: 2,
            height: 2,
            timing: Timing::constant(rate.0, rate.1),
            frames: 0,
            duration_s: 0.0,
            codec: String::new(),
            pixel_format: String::new(),
            full_range: false,
            orientation: 1,
        }
    }

    /// Numbers of the frames shown, at a rate.
    fn shown(times: &[f64], from: u32, rate: Option<u32>) -> Vec<(u8, f64)> {
        let mut seen = Vec::new();
        shown_at(
            frames(times).into_iter(),
            &facts((from, 1)),
            rate,
            &mut |rgb, t| {
                seen.push((rgb.pixel(0, 0)[0], t));
                Ok(())
            },
        )
        .unwrap();
        seen
    }

    #[test]
    fn a_rate_leaves_out_and_repeats() {
        let times = [0.0, 0.033, 0.067, 0.1, 0.133, 0.167];
        assert_eq!(shown(&times, 30, None).len(), 6);
        let half: Vec<u8> = shown(&times, 30, Some(15)).iter().map(|s| s.0).collect();
        assert_eq!(half, [0, 2, 4]);
        let twice: Vec<u8> = shown(&times, 30, Some(60)).iter().map(|s| s.0).collect();
        assert_eq!(twice, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
        // A long pause is filled.
        let pause: Vec<u8> = shown(&[0.0, 0.5], 10, Some(10))
            .iter()
            .map(|s| s.0)
            .collect();
        assert_eq!(pause, [0, 0, 0, 0, 0, 1]);
        assert!(shown(&[], 10, Some(10)).is_empty());
    }

    #[test]
    fn noise_has_the_deviation_asked_for_and_follows_its_seed() {
        let grey = || Rgb {
            width: 100,
            height: 100,
            data: vec![128; 30_000],
        };
        let noisy = |seed: u8, deviation| {
            let mut rgb = grey();
            Noise::new([seed; 32], deviation).add(&mut rgb);
            rgb
        };
        assert_eq!(noisy(1, 5.0), noisy(1, 5.0));
        assert_ne!(noisy(1, 5.0), noisy(2, 5.0));
        assert_eq!(noisy(1, 0.0), grey());
        for deviation in [2.0, 8.0] {
            let rgb = noisy(3, deviation);
            let off = rgb.data.iter().map(|v| f64::from(*v) - 128.0);
            let mean = off.clone().sum::<f64>() / 30_000.0;
            let variance = off.map(|o| (o - mean).powi(2)).sum::<f64>() / 30_000.0;
            assert!(mean.abs() < 0.2, "{mean}");
            assert!((variance.sqrt() - deviation).abs() < deviation * 0.03 + 0.05);
        }
    }

    #[test]
    fn sides_become_even_and_smaller() {
        let mut odd = Rgb::new(5, 3);
        odd.set(3, 1, [7, 8, 9]);
        let cut = even(odd).unwrap();
        assert_eq!((cut.width, cut.height), (4, 2));
        assert_eq!(cut.pixel(3, 1), [7, 8, 9]);
        assert_eq!(cut.data.len(), 24);
        assert!(even(Rgb::new(1, 9)).is_err());
        let half = resized(Rgb::new(640, 480), Some(0.25)).unwrap();
        assert_eq!((half.width, half.height), (160, 120));
        assert_eq!(resized(Rgb::new(3, 3), None).unwrap(), Rgb::new(3, 3));
    }
}
