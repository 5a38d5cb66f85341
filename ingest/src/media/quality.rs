//! How sharp and how bright a picture is.
//!
//! Sharpness is the variance of the Laplacian (Pech-Pacheco, Cristóbal, Chamorro-Martínez,
//! Fernández-Valdivia: "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR
//! 2000, `LAP4`): of the luma picture, with the kernel of four neighbours, over all pixels that
//! have four. It is given in grey levels squared, on the scale of 0 to 255 that OpenCV's
//! `Laplacian(grey).var()` has. Luma is BT.709's, of the values as they are stored.
//!
//! Both are measured on a copy whose longer side is [`SIDE`] pixels, averaged down from what was
//! decoded for the hash: a large picture and its small copy have about the same sharpness, that
//! which shows at the size at which models see pictures. It is smaller than the hashed picture so
//! that it is always averaged: pictures that libjpeg happens to decode at just the wanted size would
//! be sharper by a third. Smaller pictures are measured as they are, and as they are stored, not
//! turned upright, which changes neither number. Sums are of integers, so that the same pixels give
//! the same numbers on every machine.

/// Longer side of the measured picture.
pub const SIDE: u32 = 192;

/// Weights of red, green and blue (ITU-R BT.709, item 3.2), in 65536ths.
const WEIGHTS: [u32; 3] = [13_933, 46_871, 4_732];

/// Luma of a pixel is held in 256ths of a grey level.
const STEPS: f64 = 256.0;

/// What was measured of a picture; none where it has too few pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Grey levels squared, to the hundredth; none below 3 x 3 pixels.
    pub sharpness: Option<f64>,
    /// 0 to 1, to the ten-thousandth; none without pixels.
    pub luminance: Option<f64>,
}

/// Measures an RGB picture of 8 bits a channel whose rows of `width` pixels follow each other
/// without padding.
pub fn measure(rgb: &[u8], width: usize) -> Quality {
    let luma: Vec<i32> = rgb.as_chunks::<3>().0.iter().map(luma).collect();
    let sum: u64 = luma.iter().map(|l| *l as u64).sum();
    let mean = sum as f64 / luma.len() as f64 / (255.0 * STEPS);
    Quality {
        sharpness: laplacian_variance(&luma, width).map(|v| rounded(v / (STEPS * STEPS), 100.0)),
        luminance: (!luma.is_empty()).then(|| rounded(mean, 10_000.0)),
    }
}

/// 0 to 255 · 256.
fn luma(rgb: &[u8; 3]) -> i32 {
    let weighted = rgb.iter().zip(WEIGHTS).map(|(v, w)| u32::from(*v) * w);
    (weighted.sum::<u32>() >> 8) as i32
}

/// The variance over all inner pixels. A value is at most 4 · 65280, so that the sum of the squares
/// of a picture of a million pixels is far below 2^63.
fn laplacian_variance(luma: &[i32], width: usize) -> Option<f64> {
    let rows: Vec<&[i32]> = match width {
        0..3 => return None,
        _ => luma.chunks_exact(width).collect(),
    };
    let (mut n, mut sum, mut squares) = (0u64, 0i64, 0i64);
    for near in rows.windows(3) {
        let [above, row, below] = [near[0], near[1], near[2]];
        let inner = row.windows(3).zip(&above[1..]).zip(&below[1..]);
        for ((across, up), down) in inner {
            let value = i64::from(up + down + across[0] + across[2] - 4 * across[1]);
            sum += value;
            squares += value * value;
        }
        n += width as u64 - 2;
    }
    if n == 0 {
        return None;
    }
    // n Σx² - (Σx)² exactly, then one division.
    let (n, sum) = (i128::from(n), i128::from(sum));
    Some((n * i128::from(squares) - sum * sum) as f64 / (n * n) as f64)
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|v| [*v; 3]).collect()
    }

    #[test]
    fn worked_by_hand() {
        // One white pixel amid black: the only inner pixel of 3 x 3 has no variance.
        let mut one = [0; 9];
        one[4] = 255;
        assert_eq!(measure(&grey(&one), 3).sharpness, Some(0.0));
        assert_eq!(measure(&grey(&one), 3).luminance, Some(0.1111));
        // Of 4 x 3, two inner pixels: -4 · 100 and 100; mean -150, variance 250².
        let mut two = [0; 12];
        two[5] = 100;
        assert_eq!(measure(&grey(&two), 4).sharpness, Some(62_500.0));
        // BT.709: green is the brightest.
        let pure = [[255, 0, 0], [0, 255, 0], [0, 0, 255]].map(|p| measure(&p, 1).luminance);
        assert_eq!(pure, [Some(0.2126), Some(0.7152), Some(0.0722)]);
        assert_eq!(measure(&[255; 3], 1).luminance, Some(1.0));
    }

    #[test]
    fn flat_small_and_empty_pictures() {
        let flat = measure(&grey(&[77; 64]), 8);
        assert_eq!((flat.sharpness, flat.luminance), (Some(0.0), Some(0.302)));
        // An even slope has no edges.
        let slope: Vec<u8> = (0..64).map(|i| (i % 8 * 30) as u8).collect();
        assert_eq!(measure(&grey(&slope), 8).sharpness, Some(0.0));
        assert_eq!(measure(&grey(&[9; 4]), 2).sharpness, None);
        assert_eq!(measure(&grey(&[9; 6]), 3).sharpness, None);
        let nothing = measure(&[], 0);
        assert_eq!((nothing.sharpness, nothing.luminance), (None, None));
    }
}
