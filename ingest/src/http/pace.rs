//! The pace of each host: how many requests at a time, and how far apart.
//!
//! A run has one [`Paces`] over all its sources: two sources that name the same
//! host take turns at it, and where their limits differ the stricter one counts
//! from the moment both have asked it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::MAX_RETRY_AFTER;

/// Hosts whose pace is remembered at a time.
const MAX_HOSTS: usize = 4096;

/// The pace of every host. Clones share it.
#[derive(Clone, Default)]
pub struct Paces(Arc<Mutex<HashMap<String, Arc<HostPace>>>>);

/// The pace of one host.
pub(super) struct HostPace {
    pub slots: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    /// Earliest time of the next request.
    next: Instant,
    /// Requests at a time.
    per_host: usize,
    /// Least time between two.
    step: Duration,
}

impl Paces {
    pub(super) fn of(&self, host: &str, per_host: u32, rate: f64) -> Arc<HostPace> {
        let per_host = per_host.max(1) as usize;
        let step = match rate > 0.0 {
            true => Duration::from_secs_f64((1.0 / rate).min(1e6)),
            false => Duration::ZERO,
        };
        let mut hosts = lock(&self.0);
        if let Some(pace) = hosts.get(host) {
            pace.tighten(per_host, step);
            return pace.clone();
        }
        if hosts.len() >= MAX_HOSTS {
            let now = Instant::now();
            hosts.retain(|_, pace| Arc::strong_count(pace) > 1 || lock(&pace.state).next > now);
        }
        let pace = Arc::new(HostPace {
            slots: Arc::new(Semaphore::new(per_host)),
            state: Mutex::new(State {
                next: Instant::now(),
                per_host,
                step,
            }),
        });
        hosts.insert(host.to_owned(), pace.clone());
        pace
    }
}

impl HostPace {
    fn tighten(&self, per_host: usize, step: Duration) {
        let mut state = lock(&self.state);
        state.step = state.step.max(step);
        // What is in use cannot be taken away; the next call takes the rest.
        let excess = state.per_host.saturating_sub(per_host);
        state.per_host -= self.slots.forget_permits(excess);
    }

    /// Takes the place at `now` and moves the next one by the rate, or says when to ask again.
    pub fn claim(&self, now: Instant) -> Result<(), Instant> {
        let mut state = lock(&self.state);
        if state.next > now {
            return Err(state.next);
        }
        if state.step.is_zero() {
            return Ok(());
        }
        // Spaced from the last place and not from now: a late waker does
        // not slow the pace. Idle time is not saved up.
        let late = now - state.next < state.step;
        let from = if late { state.next } else { now };
        state.next = from + state.step;
        Ok(())
    }

    pub fn hold(&self, now: Instant, wait: Duration) {
        let mut state = lock(&self.state);
        state.next = (now + wait.min(MAX_RETRY_AFTER)).max(state.next);
    }
}

/// A panic elsewhere does not make a pace wrong.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_hosts_do_not_grow_the_table_for_ever() {
        let paces = Paces::default();
        for i in 0..MAX_HOSTS * 2 {
            paces.of(&format!("h{i}.example"), 4, 0.0);
        }
        assert!(lock(&paces.0).len() <= MAX_HOSTS);
    }
}
