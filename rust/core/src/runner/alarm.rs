//! Wakes the heart of a runner before its next duty is due.

use std::time::Instant;

use crate::sync::{Condvar, Mutex};

/// Wakes one sleeping thread. A ring before the sleep is not lost.
#[derive(Default)]
pub(super) struct Alarm {
    rung: Mutex<bool>,
    wake: Condvar,
}

impl Alarm {
    /// Wakes the thread, or keeps its next sleep from beginning.
    pub fn ring(&self) {
        *self.rung.lock() = true;
        self.wake.notify_one();
    }

    /// Blocks until the alarm rings or `deadline` passes.
    pub fn sleep_until(&self, deadline: Instant) {
        let mut rung = self.rung.lock();
        while !*rung {
            if self.wake.wait_until(&mut rung, deadline).timed_out() {
                break;
            }
        }
        *rung = false;
    }
}
