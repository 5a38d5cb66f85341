//! Metrics: read off statistics. One file per task form.

pub mod classification;
pub mod detection;
pub mod detection_labels;
pub mod few_shot;
pub mod multi_label;
pub mod recognition;
pub mod retrieval;

use fairframe_schemas::report::TaskForm;

use crate::codes::Codes;

/// All metrics of a task form, in the order of its reports.
pub fn of_form(form: TaskForm) -> Vec<&'static Metric> {
    crate::forms::metrics(form)
}

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

impl Metric {
    /// The largest value it can have; the least is 0.
    pub fn most(&self) -> f64 {
        match self.name {
            detection::LOG_LOSS | detection::LOG_LOSS_BALANCED => f64::INFINITY,
            _ => 1.0,
        }
    }
}

/// The cells of one grouping, for all to be evaluated at once.
pub struct Asked {
    /// The cell of each stratum of items.
    pub cells: Vec<u32>,
    /// Items and positives of each cell that is wanted.
    pub sizes: Vec<Option<(u64, u64)>>,
}

/// Evaluates the cells of all groupings at once, by the stratum of each item.
pub type EvaluateCells<F> = fn(&F, &Codes, &[Asked]) -> Vec<Vec<Option<Found>>>;

/// What is found of one cell: the value of each metric, and where it has one the threshold it is
/// read off at.
pub struct Found {
    pub values: Vec<Option<f64>>,
    pub thresholds: Vec<Option<f64>>,
}

/// Scored items of one task form: what groups and resampling need of them.
pub trait Form: Sync {
    /// A cell made ready for repeated evaluation.
    type Cell: Sync;
    /// Memory an evaluation may reuse.
    type Scratch: Send + Default;

    fn metrics(&self) -> &[Metric];

    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an item is of the positive class (fake); None where the task
    /// form has no classes.
    fn positive(&self, item: u32) -> Option<bool>;

    /// Whether an item is answered rightly; None where answers are not
    /// simply right or wrong.
    fn right(&self, _item: u32) -> Option<bool> {
        None
    }

    /// An item's part in a metric that is the mean of its items' parts; None
    /// where the metric is no such mean (AUC, GAP).
    fn part(&self, _metric: usize, _item: u32) -> Option<f64> {
        None
    }

    /// The stratum of each item: independent items are drawn within theirs.
    /// None where all are one.
    fn strata(&self) -> Option<&[u32]> {
        None
    }

    fn prepare(&self, items: &[u32]) -> Self::Cell;

    /// The items of a cell in the order its weights are given.
    fn order(cell: &Self::Cell) -> &[u32];

    /// Items of a cell that are alike to every metric that is wanted: one of
    /// each kind, and how many there are. None where few are alike.
    fn alike(&self, _cell: &Self::Cell) -> Option<(Vec<u32>, Vec<u32>)> {
        None
    }

    /// One value per metric, each item counted `weights[i]` times, or once.
    fn evaluate(
        &self,
        cell: &Self::Cell,
        weights: Option<&[u32]>,
        scratch: &mut Self::Scratch,
    ) -> Vec<Option<f64>>;

    /// The threshold at which a metric is read off a cell, if it has one.
    fn at_threshold(&self, _cell: &Self::Cell, _metric: usize) -> Option<f64> {
        None
    }

    /// The metrics of the cells that are wanted; None where a form has no way that is faster
    /// than cell by cell.
    fn evaluate_cells(&self) -> Option<EvaluateCells<Self>> {
        None
    }

    /// The metrics of each of `groups` groups, where the item `i` of the
    /// cell's order is of the group `codes[i]`; codes beyond count nowhere.
    fn evaluate_groups(
        &self,
        cell: &Self::Cell,
        codes: &[u32],
        groups: usize,
        scratch: &mut Self::Scratch,
    ) -> Vec<Vec<Option<f64>>> {
        let mut weights = vec![0; codes.len()];
        (0..groups as u32)
            .map(|group| {
                for (weight, code) in weights.iter_mut().zip(codes) {
                    *weight = u32::from(*code == group);
                }
                self.evaluate(cell, Some(&weights), scratch)
            })
            .collect()
    }
}

/// The places of each group's items, group after group, in their order: all
/// places, and where each group ends.
pub(crate) fn places_by_group(codes: &[u32], groups: usize) -> (Vec<u32>, Vec<usize>) {
    let mut ends = vec![0; groups + 1];
    for code in codes.iter().filter(|code| (**code as usize) < groups) {
        ends[*code as usize + 1] += 1;
    }
    for group in 0..groups {
        ends[group + 1] += ends[group];
    }
    let mut places = vec![0; ends[groups]];
    let mut next = ends.clone();
    for (place, code) in codes.iter().enumerate() {
        if (*code as usize) < groups {
            places[next[*code as usize]] = place as u32;
            next[*code as usize] += 1;
        }
    }
    (places, ends[1..].to_vec())
}
