//! The threads of a runner that have nothing to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sync::{Condvar, MutexGuard};

/// Threads asleep in `next`. The thread that slept least wakes first: its caches are warm.
#[derive(Default)]
pub(super) struct Idle {
    sleepers: Vec<Arc<Sleeper>>,
}

struct Sleeper {
    wake: Condvar,
    woken: AtomicBool,
}

impl Idle {
    /// How many threads sleep.
    pub fn len(&self) -> usize {
        self.sleepers.len()
    }

    /// Wakes one thread, if one sleeps.
    pub fn wake_one(&mut self) {
        if let Some(sleeper) = self.sleepers.pop() {
            sleeper.woken.store(true, Ordering::Release);
            sleeper.wake.notify_one();
        }
    }

    /// Adds a sleeper without a thread, for tests of decisions.
    #[cfg(test)]
    pub fn pretend(&mut self) {
        self.sleepers.push(Arc::new(Sleeper { wake: Condvar::new(), woken: AtomicBool::new(false) }));
    }
}

/// Sleeps until another thread wakes this one; releases the lock of `guarded` meanwhile. `idle` finds the list in it.
pub(super) fn sleep<T>(guarded: &mut MutexGuard<'_, T>, idle: impl FnOnce(&mut T) -> &mut Idle) {
    let me = Arc::new(Sleeper { wake: Condvar::new(), woken: AtomicBool::new(false) });
    idle(&mut *guarded).sleepers.push(me.clone());
    while !me.woken.load(Ordering::Acquire) {
        me.wake.wait(guarded);
    }
}
