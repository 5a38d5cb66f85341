//! What glibc's allocator keeps for itself.
//!
//! It gives each thread that waits for another a heap of its own, up to eight a core, and what one heap
//! has let go another cannot use. Ours is a server of three pools of threads beside one index
//! of half a gigabyte: it would keep half as much again as it needs.

/// What is large, as columns of many rows are, goes back to the system as soon as it is let go; without it, a block of
/// the size of one that was let go is taken from heaps that keep it. Elsewhere than with glibc it does nothing.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: as below.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

/// One heap a core. Before threads are started; elsewhere than with glibc it does nothing.
pub fn keep_little() {
    #[cfg(target_env = "gnu")]
    {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let heaps = libc::c_int::try_from(cores).unwrap_or(libc::c_int::MAX);
        // SAFETY: mallopt takes no pointers; glibc lets any thread call it at any time. A refusal
        // costs memory, and nothing else.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
    }
}
