//! Which frames are looked at.

use fairframe_schemas::source::Sampling;

use crate::face::{Affine, Rgb};

/// Side of the small grey pictures that shots are told apart by.
const SMALL: u32 = 24;
/// Mean difference of two of them, of 255, from which on a new shot has begun.
const CUT: f32 = 24.0;

/// The indices to be decoded; `None`: all. `times` are those of the clip's frames in seconds.
pub fn indices(sampling: Sampling, times: &[f64]) -> Option<Vec<u64>> {
    let n = times.len() as u64;
    match sampling {
        Sampling::All | Sampling::Scenes => None,
        Sampling::Every(step) => Some((0..n).step_by(step.max(1) as usize).collect()),
        Sampling::Count(count) if u64::from(count) >= n => None,
        // The middles of `count` equal parts.
        Sampling::Count(count) => {
            let count = u64::from(count);
            Some((0..count).map(|i| (2 * i + 1) * n / (2 * count)).collect())
        }
        Sampling::PerSecond(rate) => {
            let mut wanted = Vec::new();
            for (index, time) in times.iter().enumerate() {
                // The first frame at or after each moment; rounding must not skip one.
                if time * rate + 1e-6 >= wanted.len() as f64 {
                    let moment = (time * rate + 1e-6).floor() as usize;
                    wanted.resize(moment, u64::MAX);
                    wanted.push(index as u64);
                }
            }
            wanted.retain(|i| *i != u64::MAX);
            Some(wanted)
        }
    }
}

/// Tells frames that begin another shot.
#[derive(Debug, Default)]
pub struct Cuts {
    before: Option<Vec<f32>>,
}

impl Cuts {
    /// Whether this frame is the first of a shot; asked of every frame, in order.
    pub fn begins(&mut self, frame: &Rgb) -> bool {
        let scale = |side: u32| side as f32 / SMALL as f32;
        let shrink = Affine([
            [scale(frame.width), 0.0, 0.0],
            [0.0, scale(frame.height), 0.0],
        ]);
        let now = frame.warp(&shrink, SMALL, SMALL).luma();
        let begins = self.before.as_ref().is_none_or(|before| {
            let off = before.iter().zip(&now).map(|(a, b)| (a - b).abs());
            off.sum::<f32>() / now.len() as f32 > CUT
        });
        self.before = Some(now);
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(n: u32, rate: f64) -> Vec<f64> {
        (0..n).map(|i| f64::from(i) / rate).collect()
    }

    #[test]
    fn frames_are_spaced_as_asked() {
        let t = times(100, 25.0);
        assert_eq!(indices(Sampling::All, &t), None);
        assert_eq!(indices(Sampling::Every(40), &t).unwrap(), [0, 40, 80]);
        assert_eq!(indices(Sampling::Count(4), &t).unwrap(), [12, 37, 62, 87]);
        assert_eq!(indices(Sampling::Count(1), &t).unwrap(), [50]);
        assert_eq!(indices(Sampling::Count(200), &t), None);
        let each = indices(Sampling::PerSecond(1.0), &t).unwrap();
        assert_eq!(each, [0, 25, 50, 75]);
        let half = indices(Sampling::PerSecond(0.5), &t).unwrap();
        assert_eq!(half, [0, 50]);
        // More than there are: each once.
        let all = indices(Sampling::PerSecond(60.0), &t).unwrap();
        assert_eq!(all.len(), 100);
        for sampling in [
            Sampling::Every(3),
            Sampling::Count(3),
            Sampling::PerSecond(1.0),
        ] {
            assert!(indices(sampling, &[]).is_none_or(|i| i.is_empty()));
        }
    }

    #[test]
    fn gaps_in_time_are_no_frames() {
        // Nothing for three seconds, then one frame.
        let t = [0.0, 0.5, 3.2, 3.3, 4.0];
        assert_eq!(indices(Sampling::PerSecond(1.0), &t).unwrap(), [0, 2, 4]);
    }

    #[test]
    fn a_cut_is_seen_and_a_slow_change_is_not() {
        let mut cuts = Cuts::default();
        let grey = |v: u8| {
            let mut frame = Rgb::new(40, 30);
            frame.data.fill(v);
            frame
        };
        let values = [10, 14, 20, 26, 200, 205, 90];
        let seen = values.map(|v| cuts.begins(&grey(v)));
        assert_eq!(seen, [true, false, false, false, true, false, true]);
    }
}
