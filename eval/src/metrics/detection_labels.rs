//! Detection by label: what is called real and what fake.

use super::{Form, Metric, Rests};

pub const ACCURACY: &str = "accuracy";

pub(crate) const METRICS: &[Metric] = &[
    Metric {
        name: ACCURACY,
        title: "Accuracy",
        definition: "Share of the images that are called rightly; one without an answer is not.",
        higher_is_better: true,
        proportion: true,
        rests: Rests::OnItems,
    },
    Metric {
        name: "accuracy_fake",
        title: "Accuracy on fakes",
        definition: "Share of the fakes (the positives) that are called fake.",
        higher_is_better: true,
        proportion: true,
        rests: Rests::OnPositives,
    },
    Metric {
        name: "accuracy_pristine",
        title: "Accuracy on pristine images",
        definition: "Share of the pristine images (the negatives) that are called real.",
        higher_is_better: true,
        proportion: true,
        rests: Rests::OnNegatives,
    },
    Metric {
        name: "balanced_accuracy",
        title: "Balanced accuracy",
        definition: "Mean of the accuracy on fakes and that on pristine images.",
        higher_is_better: true,
        proportion: false,
        rests: Rests::OnBoth,
    },
];

/// One image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called {
    pub fake: bool,
    /// None where there is no answer.
    pub called_fake: Option<bool>,
}

impl Called {
    pub fn right(self) -> bool {
        self.called_fake == Some(self.fake)
    }
}

/// Images of each truth, and those called rightly: `[pristine, fake]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LabelsState {
    pub(crate) n: [u64; 2],
    pub(crate) right: [u64; 2],
}

impl LabelsState {
    pub fn update(&mut self, image: Called) {
        self.add(image, 1);
    }

    fn add(&mut self, image: Called, times: u64) {
        let at = usize::from(image.fake);
        self.n[at] += times;
        self.right[at] += if image.right() { times } else { 0 };
    }

    pub fn merge(&mut self, other: &Self) {
        for at in 0..2 {
            self.n[at] += other.n[at];
            self.right[at] += other.right[at];
        }
    }

    /// Accuracy in all, on fakes, on pristine images, and the mean of these two.
    pub fn evaluate(&self) -> [Option<f64>; 4] {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let [pristine, fake] = [0, 1].map(|at| share(self.right[at], self.n[at]));
        let all = share(self.right.iter().sum(), self.n.iter().sum());
        let both = fake.zip(pristine).map(|(a, b)| (a + b) / 2.0);
        [all, fake, pristine, both]
    }
}

/// Images with truth and answer.
#[derive(Debug, Clone, Default)]
pub struct DetectionLabels {
    pub images: Vec<Called>,
}

impl DetectionLabels {
    /// The metrics of some images if every answer were `fake`.
    pub fn constant(&self, items: &[u32], fake: bool) -> [Option<f64>; 4] {
        let mut state = LabelsState::default();
        for item in items {
            state.update(Called {
                called_fake: Some(fake),
                ..self.images[*item as usize]
            });
        }
        state.evaluate()
    }
}

/// A cell of images.
pub struct Images {
    items: Vec<u32>,
    images: Vec<Called>,
}

impl Form for DetectionLabels {
    type Cell = Images;
    type Scratch = ();

    fn metrics(&self) -> &[Metric] {
        METRICS
    }

    fn len(&self) -> usize {
        self.images.len()
    }

    fn positive(&self, item: u32) -> Option<bool> {
        Some(self.images[item as usize].fake)
    }

    fn part(&self, metric: usize, item: u32) -> Option<f64> {
        let image = self.images[item as usize];
        (metric == 0).then(|| f64::from(u8::from(image.right())))
    }

    fn prepare(&self, items: &[u32]) -> Images {
        let images = items.iter().map(|at| self.images[*at as usize]);
        Images {
            images: images.collect(),
            items: items.to_vec(),
        }
    }

    fn order(cell: &Images) -> &[u32] {
        &cell.items
    }

    fn evaluate(&self, cell: &Images, weights: Option<&[u32]>, (): &mut ()) -> Vec<Option<f64>> {
        let mut state = LabelsState::default();
        for (at, image) in cell.images.iter().enumerate() {
            state.add(*image, weights.map_or(1, |weights| weights[at].into()));
        }
        state.evaluate().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_worked_example_of_the_benchmark_holds() {
        // Right and asked of each of four methods, then of pristine images.
        let asked = [(105, 110), (131, 137), (96, 103), (145, 150), (496, 500)];
        let mut state = LabelsState::default();
        for (at, (right, n)) in asked.into_iter().enumerate() {
            let fake = at < 4;
            for image in 0..n {
                let called_fake = Some(fake == (image < right));
                state.update(Called { fake, called_fake });
            }
        }
        let [all, fake, pristine, _] = state.evaluate();
        assert_eq!(all, Some(0.973));
        assert_eq!(fake, Some(477.0 / 500.0));
        assert_eq!(pristine, Some(0.992));
        assert_eq!(LabelsState::default().evaluate(), [None; 4]);
    }

    proptest! {
        #[test]
        fn any_partition_merges_to_the_same_bits(
            rows in prop::collection::vec((any::<bool>(), any::<Option<bool>>(), 0usize..3), 1..60)
        ) {
            let mut whole = LabelsState::default();
            let mut parts = [LabelsState::default(); 3];
            for (fake, called_fake, part) in rows {
                whole.update(Called { fake, called_fake });
                parts[part].update(Called { fake, called_fake });
            }
            let mut merged = LabelsState::default();
            parts.iter().rev().for_each(|part| merged.merge(part));
            prop_assert_eq!(whole, merged);
            prop_assert_eq!(whole.evaluate(), merged.evaluate());
        }
    }
}
