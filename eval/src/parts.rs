//! Rows in parts, for all cores.

use std::ops::Range;

/// Fewer rows are not parted.
const LEAST: usize = 1 << 16;

/// A few parts for each core, so that they end together; no more, as each may have counts of its
/// own.
pub(crate) fn parts(rows: usize) -> Vec<Range<usize>> {
    let size = rows.div_ceil(4 * rayon::current_num_threads()).max(LEAST);
    let part = |start: usize| start..(start + size).min(rows);
    (0..rows).step_by(size).map(part).collect()
}
