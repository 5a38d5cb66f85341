//! A baseline detector of fakes: statistics of a crop's frequencies and noise, and a linear
//! model over them, fitted on the people of the training split only.
//!
//! It is weak, and meant to be: it knows nothing of faces, and what it finds is how pictures
//! were resampled, blended and coded. A detector that is no better has learned no more.

mod logistic;
mod look;
mod residual;
mod spectrum;
mod stage;

pub use logistic::{FitError, Model};
pub use look::LookTask;
pub use stage::{Detected, DetectorError, run};

use std::path::PathBuf;

use fairframe_schemas::{Layout, Name};

use crate::face::Rgb;

/// Where the answers to a corpus's newest release stand, with their report.
pub fn folder(layout: &Layout, corpus: &Name) -> PathBuf {
    layout.reports().join(format!("{corpus}-baseline"))
}

/// How many numbers describe a crop.
pub const FEATURES: usize = spectrum::BINS + residual::FEATURES;

/// What is looked at in a crop of any size.
pub fn features(crop: &Rgb) -> Vec<f64> {
    let grey = Grey::of(crop);
    let mut features = spectrum::features(&grey);
    features.extend(residual::features(&grey));
    features
}

/// Luma, 0 to 255.
pub(crate) struct Grey {
    width: usize,
    height: usize,
    luma: Vec<f64>,
}

impl Grey {
    fn of(picture: &Rgb) -> Self {
        Self {
            width: picture.width as usize,
            height: picture.height as usize,
            luma: picture.luma().into_iter().map(f64::from).collect(),
        }
    }

    fn at(&self, x: usize, y: usize) -> f64 {
        self.luma[y * self.width + x]
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::face::Affine;

    /// Noise, as a camera has it; `soft`: moved by half a pixel, as a warp does.
    fn noise(seed: u64, soft: bool) -> Rgb {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut picture = Rgb::new(96, 96);
        picture.data.fill_with(|| random.random_range(90..160));
        match soft {
            true => picture.warp(&Affine([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]), 96, 96),
            false => picture,
        }
    }

    #[test]
    fn resampled_noise_is_told_from_fresh_noise() {
        let rows = |seeds: std::ops::Range<u64>| {
            let row = |seed: u64| (features(&noise(seed, seed % 2 == 1)), seed % 2 == 1);
            seeds.map(row).collect::<Vec<_>>()
        };
        let model = Model::fit(&rows(0..24), 1.0).unwrap();
        for (features, fake) in rows(100..120) {
            assert_eq!(model.score(&features) > 0.5, fake);
        }
    }

    #[test]
    fn pictures_of_any_size_have_all_features() {
        for (width, height) in [(1, 1), (1, 300), (7, 9), (299, 299), (256, 31)] {
            let features = features(&Rgb::new(width, height));
            assert_eq!(features.len(), FEATURES);
            assert!(features.iter().all(|f| f.is_finite()), "{width} x {height}");
        }
    }
}
