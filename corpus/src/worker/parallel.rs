//! Several items at a time.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use fairframe_ingest::reporter::Reporter;

/// Does `work` on each item in up to `threads` threads; results come in the order of the items,
/// and each finished one advances the reporter. The first error ends it: items not yet begun
/// are left, and of several errors the one of the first item is given.
pub fn parallel_map<I: Sync, O: Send, E: Send>(
    items: &[I],
    threads: usize,
    reporter: &dyn Reporter,
    work: impl Fn(&I) -> Result<O, E> + Sync,
) -> Result<Vec<O>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done: Mutex<Vec<Option<Result<O, E>>>> = Mutex::new(items.iter().map(|_| None).collect());
    let one = || {
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return };
            let result = work(item);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
            reporter.advance(1);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(one);
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use fairframe_ingest::reporter::Silent;

    use super::*;

    #[test]
    fn results_come_in_order_and_the_first_error_ends_it() {
        let items: Vec<u64> = (0..100).collect();
        let squares = parallel_map(&items, 7, &Silent, |n| Ok::<_, ()>(n * n)).unwrap();
        assert!(
            squares
                .iter()
                .eq(&items.iter().map(|n| n * n).collect::<Vec<_>>())
        );
        let done = AtomicUsize::new(0);
        let error = parallel_map(&items, 2, &Silent, |n| {
            done.fetch_add(1, Ordering::Relaxed);
            if *n < 5 { Ok(()) } else { Err(*n) }
        });
        assert_eq!(error.unwrap_err(), 5);
        assert!(done.into_inner() < 100);
        assert!(
            parallel_map(&[], 3, &Silent, |_: &u8| Ok::<_, ()>(()))
                .unwrap()
                .is_empty()
        );
    }
}
