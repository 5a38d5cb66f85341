//! The radially averaged power spectrum (Durall et al. 2020, "Watch your up-convolution").

use std::f64::consts::PI;

use super::Grey;

/// Rings of equal width, from the lowest frequency to half the sampling rate.
pub const BINS: usize = 32;
/// Side of the square that is looked at, at most; a power of two.
const SIDE: usize = 256;

/// Log power of each ring, less their mean: the contrast of a picture does not count.
pub fn features(grey: &Grey) -> Vec<f64> {
    let most = grey.width.min(grey.height).clamp(1, SIDE);
    // The largest power of two that fits.
    let side = 1usize << most.ilog2();
    let (x0, y0) = ((grey.width - side) / 2, (grey.height - side) / 2);
    let mean = grey.luma.iter().sum::<f64>() / grey.luma.len() as f64;
    // Hann's window: the edges of the square are no edges of the picture.
    let window = |i: usize| 0.5 - 0.5 * (2.0 * PI * (i as f64 + 0.5) / side as f64).cos();
    let mut field: Vec<Complex> = (0..side * side)
        .map(|i| {
            let (x, y) = (i % side, i / side);
            (
                (grey.at(x0 + x, y0 + y) - mean) * window(x) * window(y),
                0.0,
            )
        })
        .collect();
    transform(&mut field, side);
    let (mut power, mut count) = ([0.0; BINS], [0u32; BINS]);
    for (i, (re, im)) in field.iter().enumerate() {
        let frequency = |k: usize| k.min(side - k) as f64 / side as f64;
        let radius = frequency(i % side).hypot(frequency(i / side));
        let ring = (radius * 2.0 * BINS as f64) as usize;
        if ring < BINS {
            power[ring] += re * re + im * im;
            count[ring] += 1;
        }
    }
    let mut logs: Vec<f64> = (0..BINS)
        .map(|ring| (power[ring] / f64::from(count[ring].max(1)) + 1.0).ln())
        .collect();
    let level = logs.iter().sum::<f64>() / BINS as f64;
    logs.iter_mut().for_each(|l| *l -= level);
    logs
}

type Complex = (f64, f64);

/// The Fourier transform of a square: of its rows, then of its columns.
fn transform(field: &mut [Complex], side: usize) {
    for row in field.chunks_exact_mut(side) {
        line(row);
    }
    let mut column = vec![(0.0, 0.0); side];
    for x in 0..side {
        for (y, value) in column.iter_mut().enumerate() {
            *value = field[y * side + x];
        }
        line(&mut column);
        for (y, value) in column.iter().enumerate() {
            field[y * side + x] = *value;
        }
    }
}

/// In place, for lengths that are powers of two (Cooley & Tukey 1965).
fn line(values: &mut [Complex]) {
    let n = values.len();
    if n < 2 {
        return;
    }
    let bits = n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            values.swap(i, j);
        }
    }
    let mut half = 1;
    while half < n {
        for k in 0..half {
            let (sin, cos) = (-PI * k as f64 / half as f64).sin_cos();
            for start in (k..n).step_by(2 * half) {
                let (a, b) = (values[start], values[start + half]);
                let turned = (b.0 * cos - b.1 * sin, b.0 * sin + b.1 * cos);
                values[start] = (a.0 + turned.0, a.1 + turned.1);
                values[start + half] = (a.0 - turned.0, a.1 - turned.1);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_stands_in_its_ring() {
        // 16 periods in 64 pixels: a quarter of the sampling rate, ring 16 of 32.
        let luma = (0..64 * 64).map(|i| 100.0 + 50.0 * (PI / 2.0 * f64::from(i % 64)).cos());
        let grey = Grey {
            width: 64,
            height: 64,
            luma: luma.collect(),
        };
        let found = features(&grey);
        let highest = (0..BINS).max_by(|a, b| found[*a].total_cmp(&found[*b]));
        assert_eq!(highest, Some(16));
        assert!(found.iter().sum::<f64>().abs() < 1e-9);
    }

    #[test]
    fn the_transform_is_that_of_the_definition() {
        let values: Vec<Complex> = (0..8)
            .map(|i| (f64::from(i * i % 5), f64::from(i % 3)))
            .collect();
        let mut fast = values.clone();
        line(&mut fast);
        for (k, found) in fast.iter().enumerate() {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, value) in values.iter().enumerate() {
                let (sin, cos) = (-2.0 * PI * (k * n) as f64 / 8.0).sin_cos();
                re += value.0 * cos - value.1 * sin;
                im += value.0 * sin + value.1 * cos;
            }
            assert!((found.0 - re).abs() < 1e-9 && (found.1 - im).abs() < 1e-9);
        }
    }
}
