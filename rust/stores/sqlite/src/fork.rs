//! No fork while a thread is inside SQLite.
//!
//! SQLite keeps the locks of a process in the memory of that process, for all its connections to a file. A child that
//! is forked while the writer holds the lock has "locked by this process" in its memory for ever: whatever it writes
//! through a connection of its own is refused as busy. The same goes for the mutexes inside SQLite. So whoever forks
//! waits until no thread is inside, for a moment at most, and keeps others from entering until the fork is made.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The lowest bit says that a fork is being made; the rest counts the threads inside.
static GATE: AtomicUsize = AtomicUsize::new(0);
const FORKING: usize = 1;
const ONE: usize = 2;

/// Longer than transactions take. One that waits for the lock of another process takes longer, and holds nothing.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_micros(50);

/// A thread is inside SQLite for as long as this lives.
pub(crate) struct Inside(());

/// Enter SQLite. Blocks while a fork is being made.
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

/// A lock for one thread of the process at a time, which a fork leaves free in the child, whoever had it.
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

/// Before a fork: keep threads from entering, and wait until those inside have left, at most half a second.
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

/// After a fork, in the child: the threads that may have been inside do not exist here.
pub fn after_in_child() {
    GATE.store(0, Ordering::Release);
}
