//! Prevents a fork while a thread is inside SQLite.
//!
//! SQLite keeps the locks of a process in the memory of that process, for all its connections to a file. If a child is forked
//! while the writer holds the lock, its memory says "locked by this process" for ever, and SQLite refuses every write of its own
//! connections as busy. The mutexes inside SQLite have the same problem. So a fork waits for a moment until no thread is inside,
//! and no thread enters until the fork is made.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The lowest bit is set while a fork is made. The rest counts the threads inside.
static GATE: AtomicUsize = AtomicUsize::new(0);
const FORKING: usize = 1;
const ONE: usize = 2;

/// Longer than a transaction takes. A transaction that waits for the lock of another process takes longer, but holds no lock.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_micros(50);

/// A thread is inside SQLite while this value lives.
pub(crate) struct Inside(());

/// Enter SQLite. Blocks while a fork is made.
pub(crate) fn enter() -> Inside {
    while GATE.fetch_add(ONE, Ordering::AcqRel) & FORKING != 0 {
        GATE.fetch_sub(ONE, Ordering::AcqRel);
        sleep(PAUSE);
    }
    Inside(())
}

impl Drop for Inside {
    fn drop(&mut self) {
        GATE.fetch_sub(ONE, Ordering::AcqRel);
    }
}

/// A lock for one thread of the process at a time. It is free in a forked child, whoever held it.
pub(crate) struct OnePerProcess(AtomicU32);

/// Holds a [`OnePerProcess`] until it is dropped.
pub(crate) struct Turn<'a>(&'a AtomicU32);

impl OnePerProcess {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Wait for the lock.
    pub(crate) fn lock(&self) -> Turn<'_> {
        let me = std::process::id();
        loop {
            let holder = self.0.load(Ordering::Relaxed);
            let is_free =
                holder != me && self.0.compare_exchange(holder, me, Ordering::Acquire, Ordering::Relaxed).is_ok();
            if is_free {
                return Turn(&self.0);
            }
            sleep(PAUSE);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

/// Before a fork: keep threads from entering, and wait until the threads inside have left. Blocks for half a second at most.
pub fn before() {
    let started = Instant::now();
    GATE.fetch_or(FORKING, Ordering::AcqRel);
    while GATE.load(Ordering::Acquire) >= ONE && started.elapsed() < PATIENCE {
        sleep(PAUSE);
    }
}

/// After a fork, in the parent.
pub fn after_in_parent() {
    GATE.fetch_and(!FORKING, Ordering::AcqRel);
}

/// After a fork, in the child, where the threads that were inside do not exist.
pub fn after_in_child() {
    GATE.store(0, Ordering::Release);
}
