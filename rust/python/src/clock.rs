//! The clock of a store for tests: civil time moves only when told, leases go by the machine's clock.

use pynenc_core::clock::{Clock, ManualClock, SystemClock};
use pynenc_core::ids::Millis;

/// Due times and expiry follow the test. Leases do not: a test that moves the time must not take the work of a runner
/// that runs beside it.
pub struct TestClock {
    wall: ManualClock,
}

impl TestClock {
    /// Civil time stands still at the time now.
    pub fn new() -> Self {
        Self { wall: ManualClock::new(SystemClock.wall()) }
    }

    /// Move civil time forward by `by` milliseconds.
    pub fn advance(&self, by: Millis) {
        self.wall.advance(by);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Millis {
        self.wall.wall()
    }

    fn steady(&self) -> Millis {
        SystemClock.steady()
    }
}
