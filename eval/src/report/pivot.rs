//! Real against fake as a table of method by compression.

use fairframe_schemas::report::{Grouping, Level, Report, Verdict};

use super::text;

/// The share that is called rightly, under each form's name for it.
const RIGHTLY: &str = "accuracy";

/// Columns of a solution: how a fake was made, and how it was stored.
const METHOD: &str = "method";
const COMPRESSION: &str = "compression";

/// Rows are methods, columns compressions.
pub struct Pivot {
    pub columns: Vec<String>,
    pub rows: Vec<(String, Vec<PivotCell>)>,
}

/// One method at one compression.
pub struct PivotCell {
    pub value: String,
    pub interval: String,
    pub n: String,
    /// Worse than the whole with all of its interval.
    pub worse: bool,
}

/// None where the grouping is another one.
pub fn pivot(report: &Report, level: Level, grouping: &Grouping) -> Option<Pivot> {
    let turned = match &grouping.columns[..] {
        [a, b] if a == METHOD && b == COMPRESSION => false,
        [a, b] if a == COMPRESSION && b == METHOD => true,
        _ => return None,
    };
    let mut metrics = report.metrics.iter();
    let metric = metrics.find(|m| m.level == level && m.metric == RIGHTLY)?;
    let grouping = metric
        .by_group
        .iter()
        .find(|g| g.columns == grouping.columns)?;
    let names = |at: usize| -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for cell in &grouping.cells {
            if !names.contains(&cell.group[at]) {
                names.push(cell.group[at].clone());
            }
        }
        names.sort();
        names
    };
    let (rows, columns) = (names(usize::from(turned)), names(usize::from(!turned)));
    let cell = |row: &String, column: &String| {
        let group = match turned {
            true => [column, row],
            false => [row, column],
        };
        let found = grouping.cells.iter().find(|c| c.group.iter().eq(group));
        let Some(cell) = found else {
            let [value, interval, n] = [(); 3].map(|()| String::new());
            return PivotCell {
                value,
                interval,
                n,
                worse: false,
            };
        };
        let estimate = &cell.estimate;
        PivotCell {
            value: text::estimate(estimate),
            interval: estimate.interval.map(text::interval).unwrap_or_default(),
            n: text::count(estimate.n),
            worse: estimate.verdict == Verdict::Shown && super::plot::is_worse(metric, estimate),
        }
    };
    let rows = rows.into_iter().map(|row| {
        let cells = columns.iter().map(|column| cell(&row, column)).collect();
        (row, cells)
    });
    Some(Pivot {
        rows: rows.collect(),
        columns: columns.clone(),
    })
}
