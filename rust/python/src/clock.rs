//! The clock of a store for tests: a test moves civil time; leases use the clock of the machine.

use pynenc_core::clock::{Clock, ManualClock, SystemClock};
use pynenc_core::ids::Millis;

/// Due times and expiry follow the test. Leases do not: a test that moves the time must not expire the claims of a runner
/// beside it.
pub struct TestClock {
    wall: ManualClock,
}

impl TestClock {
    /// A clock whose civil time stands still at the time now.
    pub fn new() -> Self {
        Self { wall: ManualClock::new(SystemClock.wall()) }
    }

    /// Moves civil time forward by `by` milliseconds.
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
