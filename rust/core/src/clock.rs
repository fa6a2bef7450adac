//! Time, injected. Two clocks, because two questions are asked of time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ids::Millis;

/// Where the engine and the embedded stores get their time.
pub trait Clock: Send + Sync + 'static {
    /// Civil time in milliseconds since 1970, UTC: creation, due times, history, expiry of results.
    fn wall(&self) -> Millis;
    /// Milliseconds that never jump and are the same for every process of this machine since it booted: leases.
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
        // CLOCK_BOOTTIME counts suspended time too: a laptop that slept has let its leases expire.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }

    #[cfg(not(target_os = "linux"))]
    fn steady(&self) -> Millis {
        // No safe, portable clock shared between processes: civil time, whose jumps cost liveness, never safety.
        self.wall()
    }
}

/// A clock that moves only when told: for tests and simulation.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
}

impl ManualClock {
    /// Both clocks start at `now`.
    pub fn new(now: Millis) -> Self {
        Self { now: AtomicI64::new(now) }
    }

    /// Move both clocks forward by `by` milliseconds.
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
