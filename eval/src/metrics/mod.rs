//! Metrics: read off statistics. One file per task form.

pub mod classification;
pub mod detection;
pub mod detection_labels;
pub mod multi_label;
pub mod recognition;
pub mod retrieval;

/// What a metric divides by; decides which cells are suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rests {
    OnItems,
    OnPositives,
    OnNegatives,
    OnBoth,
}

/// What is known of a metric beside its value.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub title: &'static str,
    pub definition: &'static str,
    pub higher_is_better: bool,
    /// A share of independent items, for which Wilson's interval holds.
    pub proportion: bool,
    pub rests: Rests,
}

/// Scored items of one task form: what groups and resampling need of them.
pub trait Form: Sync {
    /// A cell made ready for repeated evaluation.
    type Cell: Sync;
    /// Memory an evaluation may reuse.
    type Scratch: Send + Default;

    fn metrics(&self) -> &'static [Metric];

    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an item is of the positive class (fake); None where the task
    /// form has no classes.
    fn positive(&self, item: u32) -> Option<bool>;

    fn prepare(&self, items: &[u32]) -> Self::Cell;

    /// The items of a cell in the order its weights are given.
    fn order(cell: &Self::Cell) -> &[u32];

    /// One value per metric, each item counted `weights[i]` times, or once.
    fn evaluate(
        &self,
        cell: &Self::Cell,
        weights: Option<&[u32]>,
        scratch: &mut Self::Scratch,
    ) -> Vec<Option<f64>>;
}
