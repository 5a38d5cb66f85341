//! The perceptual hash: 64 bits of a discrete cosine transform.
//!
//! After Zauner, "Implementation and benchmarking of perceptual image hash
//! functions" (2010), section 3.2.1: the luma picture is averaged down to
//! 32 x 32, transformed by a two-dimensional DCT-II; of the 8 x 8 coefficients
//! with the lowest frequencies after the constant row and column, each sets its
//! bit when it lies above their median. All arithmetic is on integers, so every
//! machine gives the same bits.

use std::sync::OnceLock;

const SIDE: usize = 32;
const LOW: usize = 8;
/// Bits of fraction of the cosines.
const FRACTION: i32 = 14;

/// `cos((2x + 1) u pi / 64)` for u = 1..=8, scaled by 2^14 and rounded.
fn cosines() -> &'static [[i64; SIDE]; LOW] {
    static TABLE: OnceLock<[[i64; SIDE]; LOW]> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = [[0; SIDE]; LOW];
        for (u, row) in table.iter_mut().enumerate() {
            for (x, cell) in row.iter_mut().enumerate() {
                let angle = ((2 * x + 1) * (u + 1)) as f64 * std::f64::consts::PI / 64.0;
                // Rounded to 14 bits, where no two machines' cosines differ.
                *cell = (angle.cos() * f64::from(1 << FRACTION)).round() as i64;
            }
        }
        table
    })
}

/// The hash of an RGB picture (8 bits a channel, no padding between rows), or
/// none when the buffer does not hold `width` x `height` pixels. A picture of
/// one colour hashes to 0.
pub fn perceptual_hash(rgb: &[u8], width: usize, height: usize) -> Option<u64> {
    if width == 0 || height == 0 || rgb.len() != width.checked_mul(height)?.checked_mul(3)? {
        return None;
    }
    let small = average(rgb, width, height);
    let cosines = cosines();
    // Rows first: for each of 32 rows its 8 coefficients; then columns.
    let mut rows = [[0i64; LOW]; SIDE];
    for (line, out) in small.iter().zip(&mut rows) {
        for (cosine, cell) in cosines.iter().zip(out) {
            *cell = line.iter().zip(cosine).map(|(p, c)| p * c).sum::<i64>() >> FRACTION;
        }
    }
    let mut low = [0i64; LOW * LOW];
    for (v, cosine) in cosines.iter().enumerate() {
        for u in 0..LOW {
            let sum: i64 = rows.iter().zip(cosine).map(|(row, c)| row[u] * c).sum();
            low[v * LOW + u] = sum >> FRACTION;
        }
    }
    let mut sorted = low;
    sorted.sort_unstable();
    let twice_median = sorted[31] + sorted[32];
    let mut hash = 0;
    for (bit, value) in low.iter().enumerate() {
        hash |= u64::from(2 * value > twice_median) << bit;
    }
    Some(hash)
}

/// Luma (BT.601, 8 bits of fraction) averaged over 32 x 32 cells, with exact
/// shares of the pixels that lie in two cells.
fn average(rgb: &[u8], width: usize, height: usize) -> [[i64; SIDE]; SIDE] {
    let columns = shares(width);
    let mut cells = [[0u64; SIDE]; SIDE];
    let rows = shares(height);
    let mut line = [0u64; SIDE];
    for (y, pixels) in rgb.chunks_exact(width * 3).enumerate() {
        line.fill(0);
        for (pixel, share) in pixels.as_chunks::<3>().0.iter().zip(&columns) {
            let [r, g, b] = pixel.map(u32::from);
            let luma = u64::from((77 * r + 150 * g + 29 * b + 128) >> 8);
            for (cell, weight) in share {
                line[*cell] += luma * weight;
            }
        }
        for (cell, weight) in &rows[y] {
            for (sum, value) in cells[*cell].iter_mut().zip(&line) {
                *sum += value * weight;
            }
        }
    }
    // A cell's weights add up to width x height.
    let whole = (width * height) as u64;
    cells.map(|row| row.map(|sum| ((sum << 8) / whole) as i64))
}

/// For each of `n` pixels, the cells it lies in and its share of each, in
/// units of which a pixel has 32 and a cell `n`. At most two cells where
/// `n >= 32`; up to 32 where a pixel spans many.
fn shares(n: usize) -> Vec<Vec<(usize, u64)>> {
    (0..n)
        .map(|p| {
            let (from, to) = (p * SIDE, (p + 1) * SIDE);
            (from / n..=(to - 1) / n)
                .map(|cell| {
                    let overlap = to.min((cell + 1) * n) - from.max(cell * n);
                    (cell, overlap as u64)
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth picture of a few waves.
    fn waves(width: usize, height: usize, phase: f64) -> Vec<u8> {
        let mut rgb = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let (x, y) = (x as f64 / width as f64, y as f64 / height as f64);
                let v = 127.0
                    + 50.0 * (9.0 * x + phase).sin()
                    + 40.0 * (7.0 * y + 5.0 * x).cos()
                    + 30.0 * (15.0 * y * x).sin();
                rgb.extend([v as u8, (v * 0.8) as u8, (255.0 - v) as u8]);
            }
        }
        rgb
    }

    #[test]
    fn scale_brightness_and_noise_hardly_matter() {
        let base = perceptual_hash(&waves(256, 192, 0.0), 256, 192).unwrap();
        for (w, h) in [(255, 191), (640, 480), (100, 75), (1024, 768)] {
            let other = perceptual_hash(&waves(w, h, 0.0), w, h).unwrap();
            assert!((base ^ other).count_ones() <= 4, "{w} x {h}");
        }
        let dark: Vec<u8> = waves(256, 192, 0.0).iter().map(|v| v / 2).collect();
        let dark = perceptual_hash(&dark, 256, 192).unwrap();
        assert!((base ^ dark).count_ones() <= 4);
        // Another picture: the same, mirrored.
        let mirrored: Vec<u8> = waves(256, 192, 0.0)
            .chunks(256 * 3)
            .flat_map(|row| row.chunks(3).rev().flatten().copied().collect::<Vec<u8>>())
            .collect();
        let other = perceptual_hash(&mirrored, 256, 192).unwrap();
        assert!((base ^ other).count_ones() > 16);
    }

    #[test]
    fn half_the_bits_are_set() {
        let hash = perceptual_hash(&waves(256, 192, 0.3), 256, 192).unwrap();
        assert!((28..=32).contains(&hash.count_ones()), "{hash:016x}");
    }

    #[test]
    fn the_hash_is_the_same_everywhere() {
        // A picture made of integers only: these bits must never change.
        let rgb: Vec<u8> = (0..64usize * 48 * 3)
            .map(|i| ((i / 3 % 64) * (i / 192) / 12 + 40 * usize::from(i / 3 % 64 > 40)) as u8)
            .collect();
        let hash = perceptual_hash(&rgb, 64, 48).unwrap();
        assert_eq!(format!("{hash:016x}"), "952a55aa55aa55ab");
    }

    #[test]
    fn small_flat_and_wrong_buffers() {
        assert_eq!(perceptual_hash(&[200; 3 * 64 * 64], 64, 64), Some(0));
        assert_eq!(perceptual_hash(&[1, 2, 3], 1, 1), Some(0));
        assert!(perceptual_hash(&[9; 3 * 5 * 1000], 5, 1000).is_some());
        assert_eq!(perceptual_hash(&[0; 10], 2, 2), None);
        assert_eq!(perceptual_hash(&[], 0, 0), None);
        assert_eq!(perceptual_hash(&[], usize::MAX, 2), None);
    }
}
