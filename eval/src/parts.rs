//! Work on all cores.
//!
//! Each use of rayon's iterators is compiled with some forty functions of its own, which was a
//! third of all that is compiled here; what is generic, or stands in something generic, asks this
//! file instead.

use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

/// Fewer rows are not parted.
const LEAST: usize = 1 << 16;

/// A few parts for each core, so that they end together; no more, as each may have counts of its
/// own.
pub(crate) fn parts(rows: usize) -> Vec<Range<usize>> {
    parts_of(rows, LEAST)
}

/// The same, of things that are more work than a row is.
pub(crate) fn parts_of(things: usize, least: usize) -> Vec<Range<usize>> {
    let size = things
        .div_ceil(4 * rayon::current_num_threads())
        .max(least)
        .max(1);
    let part = |start: usize| start..(start + size).min(things);
    (0..things).step_by(size).map(part).collect()
}

/// `work` of 0, 1, ... `count - 1`, in any order.
fn run(count: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(work);
}

/// What `of` makes of 0, 1, ... `count - 1`, in that order.
pub(crate) fn mapped<T: Send>(count: usize, of: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let made: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    run(count, &|at| {
        let value = of(at);
        *made[at].lock().expect("held for a move only") = Some(value);
    });
    let value = |made: Mutex<Option<T>>| made.into_inner().ok().flatten();
    let all: Vec<T> = made.into_iter().filter_map(value).collect();
    assert_eq!(all.len(), count, "each is made");
    all
}

/// What `of` makes of each thing, in their order.
pub(crate) fn each<T: Send, R: Send>(things: Vec<T>, of: impl Fn(T) -> R + Sync) -> Vec<R> {
    let things: Vec<Mutex<Option<T>>> = things.into_iter().map(|t| Mutex::new(Some(t))).collect();
    mapped(things.len(), |at| {
        let thing = things[at].lock().ok().and_then(|mut thing| thing.take());
        of(thing.expect("taken once"))
    })
}

/// One number a row.
pub(crate) fn filled<T: Copy + Default + Send>(
    rows: usize,
    of: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let mut all = vec![T::default(); rows];
    let mut rest = all.as_mut_slice();
    let mut slots = Vec::new();
    for part in parts(rows) {
        let (here, after) = rest.split_at_mut(part.len());
        slots.push(Mutex::new((part.start, here)));
        rest = after;
    }
    run(slots.len(), &|at| {
        let mut slot = slots[at].lock().expect("each is taken once");
        let (start, here) = &mut *slot;
        for (value, row) in here.iter_mut().zip(*start..) {
            *value = of(row);
        }
    });
    drop(slots);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_out_and_the_order_is_kept() {
        for count in [0, 1, 2, 1000] {
            let wanted: Vec<usize> = (0..count).map(|at| at * at).collect();
            assert_eq!(mapped(count, |at| at * at), wanted);
            assert_eq!(each((0..count).collect(), |at| at * at), wanted);
        }
        for rows in [0, 1, LEAST, LEAST + 1, 40 * LEAST + 7] {
            let all = filled(rows, |row| row as u64 + 1);
            assert!(all.iter().copied().eq(1..=rows as u64));
            assert!(parts(rows).into_iter().flatten().eq(0..rows));
            assert!(parts_of(rows, 0).into_iter().flatten().eq(0..rows));
        }
    }

    #[test]
    fn a_panic_is_passed_on() {
        let found = std::panic::catch_unwind(|| mapped(8, |at| assert_ne!(at, 5, "no five")));
        assert!(found.is_err());
    }
}
