//! Time, injected: one clock for civil time and one for leases.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ids::Millis;

/// The source of time of the engine and of the embedded stores.
pub trait Clock: Send + Sync + 'static {
    /// Civil time in milliseconds since 1970, UTC: for creation, due times, history, expiry of results.
    fn wall(&self) -> Millis;
    /// Milliseconds of a clock that never jumps and that all processes of this machine share: for leases.
    fn steady(&self) -> Millis;
}

/// The machine's clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Millis {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as Millis)
    }

    #[cfg(target_os = "linux")]
    fn steady(&self) -> Millis {
        // CLOCK_BOOTTIME counts suspended time too: leases expire while a laptop sleeps.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }

    #[cfg(not(target_os = "linux"))]
    fn steady(&self) -> Millis {
        // There is no safe, portable clock that processes share. Jumps of civil time cost liveness, never safety.
        self.wall()
    }
}

/// A clock that moves only by [`Self::advance`]: for tests and simulation.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
}

impl ManualClock {
    /// A clock whose civil and steady time are `now`.
    pub fn new(now: Millis) -> Self {
        Self { now: AtomicI64::new(now) }
    }

    /// Moves both forward by `by` milliseconds.
    pub fn advance(&self, by: Millis) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }

    fn steady(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn wall(&self) -> Millis {
        (**self).wall()
    }

    fn steady(&self) -> Millis {
        (**self).steady()
    }
}
