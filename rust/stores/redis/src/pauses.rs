//! Pauses between attempts, which end when the handle closes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pynenc_core::ids::random_u64;
use pynenc_core::sync::{Condvar, Mutex};

/// Set once, when the handle closes. Wakes the threads that pause.
#[derive(Default)]
pub struct Closing {
    closed: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Closing {
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Close, and wake pausing threads. Returns `true` the first time.
    pub fn close(&self) -> bool {
        let first = !self.closed.swap(true, Ordering::AcqRel);
        drop(self.lock.lock());
        self.wake.notify_all();
        first
    }

    /// Sleep for `span`, or until the handle closes.
    pub fn pause(&self, span: Duration) {
        let deadline = Instant::now() + span;
        let mut guard = self.lock.lock();
        while !self.is_closed() && !self.wake.wait_until(&mut guard, deadline).timed_out() {}
    }
}

/// Pauses that double up to a limit, each shortened at random, so that many clients do not reconnect at the same time.
pub struct Backoff {
    next: Duration,
    limit: Duration,
}

impl Backoff {
    pub fn new(first: Duration, limit: Duration) -> Self {
        Self { next: first, limit }
    }

    /// The next pause.
    pub fn next(&mut self) -> Duration {
        let span = self.next;
        self.next = (span * 2).min(self.limit);
        jittered(span)
    }
}

/// A random time between half of `span` and all of it.
pub fn jittered(span: Duration) -> Duration {
    let half = span / 2;
    half + Duration::from_micros(random_u64() % (half.as_micros() as u64 + 1))
}
