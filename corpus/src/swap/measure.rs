//! How well a frame came out: measured on the pixels, not believed.

use super::texture::eyes;
use crate::face::{Mesh, Rgb};

/// Mean distance of the landmarks of two meshes in the picture, in distances of the eyes.
pub fn landmark_error(found: &Mesh, wanted: &Mesh) -> f64 {
    let apart = |(a, b): (&[f32; 3], &[f32; 3])| f64::from((a[0] - b[0]).hypot(a[1] - b[1]));
    let pairs = found.points.iter().zip(&wanted.points);
    pairs.map(apart).sum::<f64>() / wanted.points.len() as f64 / f64::from(eyes(wanted)).max(1.0)
}

/// Mean gradient of the fake where the mask is neither empty nor full, over the target's there:
/// 1 where the border does not show. One level is added to both, so that noise in an even
/// picture is no seam. `None` without a border.
pub fn seam_energy(target: &Rgb, fake: &Rgb, mask: &[u8]) -> Option<f64> {
    let (width, height) = (target.width as usize, target.height as usize);
    let steepness = |picture: &Rgb, x: usize, y: usize| {
        let level = |x: usize, y: usize| {
            let at = (y * width + x) * 3;
            let sum: u16 = picture.data[at..at + 3].iter().map(|&v| u16::from(v)).sum();
            f64::from(sum) / 3.0
        };
        (level(x + 1, y) - level(x, y)).hypot(level(x, y + 1) - level(x, y))
    };
    let (mut of_fake, mut of_target, mut n) = (0.0, 0.0, 0.0f64);
    for y in 0..height.saturating_sub(1) {
        for x in 0..width.saturating_sub(1) {
            if (16..240).contains(&mask[y * width + x]) {
                of_fake += steepness(fake, x, y);
                of_target += steepness(target, x, y);
                n += 1.0;
            }
        }
    }
    (n > 0.0).then(|| (of_fake + n) / (of_target + n))
}

/// How much sharper the fake is than the target where it is all replaced: its mean Laplacian
/// over the target's; one level is added to both. `None` where nothing is.
pub fn sharpness(target: &Rgb, fake: &Rgb, mask: &[u8]) -> Option<f64> {
    let (width, height) = (target.width as usize, target.height as usize);
    let level = |picture: &Rgb, at: usize| {
        let three = &picture.data[at * 3..at * 3 + 3];
        three.iter().map(|&v| i32::from(v)).sum::<i32>()
    };
    let laplacian = |picture: &Rgb, at: usize| {
        let around = [at - 1, at + 1, at - width, at + width];
        let sum: i32 = around.iter().map(|&i| level(picture, i)).sum();
        u64::from((sum - 4 * level(picture, at)).unsigned_abs())
    };
    let (mut of_fake, mut of_target, mut n) = (0, 0, 0u64);
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let at = y * width + x;
            if mask[at] > 250 {
                of_fake += laplacian(fake, at);
                of_target += laplacian(target, at);
                n += 3;
            }
        }
    }
    (n > 0).then(|| (of_fake + n) as f64 / (of_target + n) as f64)
}

/// Mean difference of two pictures, in levels, over the pixels of which `weight` is above 0.
pub fn difference(a: &Rgb, b: &Rgb, weight: impl Fn(usize) -> f64) -> Option<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for (at, (a, b)) in a
        .data
        .chunks_exact(3)
        .zip(b.data.chunks_exact(3))
        .enumerate()
    {
        let weight = weight(at);
        if weight > 0.0 {
            let apart: u16 = a
                .iter()
                .zip(b)
                .map(|(a, b)| u16::from(a.abs_diff(*b)))
                .sum();
            sum += weight * f64::from(apart) / 3.0;
            total += weight;
        }
    }
    (total > 0.0).then(|| sum / total)
}

/// Share of the picture that was replaced.
pub fn mask_share(mask: &[u8]) -> f64 {
    let sum: u64 = mask.iter().map(|&v| u64::from(v)).sum();
    sum as f64 / 255.0 / mask.len().max(1) as f64
}

/// A frame of both clips, to compare the next one with.
pub struct Moment {
    pub target: Rgb,
    pub fake: Rgb,
    pub mask: Vec<u8>,
}

impl Moment {
    /// How much more the fake changed than the target, since the frame before, where both were
    /// swapped; one level is added to both.
    pub fn flicker(&self, before: &Self) -> Option<f64> {
        let both = |at: usize| f64::from(u8::from(self.mask[at] > 127 && before.mask[at] > 127));
        let fake = difference(&self.fake, &before.fake, both)?;
        let target = difference(&self.target, &before.target, both)?;
        Some((fake + 1.0) / (target + 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(level: u8) -> Rgb {
        Rgb {
            width: 32,
            height: 32,
            data: vec![level; 32 * 32 * 3],
        }
    }

    #[test]
    fn a_seam_is_seen_and_an_invisible_border_is_1() {
        let target = even(100);
        let mask: Vec<u8> = (0..32 * 32)
            .map(|i| match i % 32 {
                0..10 => 0,
                10..12 => 128,
                _ => 255,
            })
            .collect();
        assert_eq!(seam_energy(&target, &target, &mask), Some(1.0));
        let mut cut = even(100);
        for (at, pixel) in cut.data.chunks_exact_mut(3).enumerate() {
            if at % 32 > 10 {
                pixel.fill(160);
            }
        }
        assert!(seam_energy(&target, &cut, &mask).unwrap() > 10.0);
        assert_eq!(seam_energy(&target, &cut, &[0; 32 * 32]), None);
    }

    #[test]
    fn sharpness_is_detail_over_the_targets() {
        let pattern = |height: u8| {
            let mut picture = even(100);
            for (at, pixel) in picture.data.chunks_exact_mut(3).enumerate() {
                if (at % 32 + at / 32).is_multiple_of(2) {
                    pixel.fill(100 + height);
                }
            }
            picture
        };
        let (soft, sharp) = (pattern(4), pattern(8));
        let all = [255; 32 * 32];
        // 4 neighbours differ by the height: 16 levels against 32, and one more.
        assert_eq!(sharpness(&soft, &soft, &all), Some(1.0));
        assert_eq!(sharpness(&sharp, &soft, &all), Some(17.0 / 33.0));
        assert_eq!(sharpness(&soft, &sharp, &[250; 32 * 32]), None);
    }

    #[test]
    fn differences_are_means_over_the_mask() {
        let (a, b) = (even(100), even(103));
        assert_eq!(difference(&a, &b, |_| 1.0), Some(3.0));
        assert_eq!(difference(&a, &b, |_| 0.0), None);
        assert_eq!(mask_share(&[255, 0, 0, 255]), 0.5);
        let moment = |level| Moment {
            target: even(100),
            fake: even(level),
            mask: vec![255; 32 * 32],
        };
        assert_eq!(moment(109).flicker(&moment(100)), Some(10.0));
    }
}
