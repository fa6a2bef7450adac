//! The settings of an engine.

use std::sync::Arc;
use std::time::Duration;

use super::alone::Lines;
use super::queues::QueueStrategy;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::recover::RecoveryPolicy;

/// More slots than a machine can serve: a larger number is a mistake, and would ask for memory that is not there.
pub const MOST_SLOTS: usize = 1_000_000;

/// The settings of an engine.
#[derive(Clone)]
pub struct EngineConfig {
    /// The public id; the key under which claims are owned adds a random suffix.
    pub runner_id: Arc<str>,
    /// How many bodies run at a time; at least 1.
    pub slots: usize,
    /// Only from these queues; empty means every queue.
    pub queues: Arc<[Arc<str>]>,
    /// How the runner chooses among them.
    pub strategy: QueueStrategy,
    /// Lease duration: how long before a dead runner's work is retried. The runner renews every third of it.
    pub lease: Duration,
    /// When recovery gives an invocation up.
    pub recovery: RecoveryPolicy,
    /// Whether the runner claims what runs alone in its process.
    pub lines: Lines,
    /// Where the runner gets the time.
    pub clock: Arc<dyn Clock>,
}

impl EngineConfig {
    /// Fails with [`Error::Invalid`] for a value that no runner can work with.
    pub(super) fn check(&self) -> Result<()> {
        if self.slots == 0 {
            return Err(Error::Invalid("a runner needs at least one slot".into()));
        }
        if self.slots > MOST_SLOTS {
            return Err(Error::Invalid(format!("a runner cannot have {} slots: at most {MOST_SLOTS}", self.slots)));
        }
        if self.lease < Duration::from_millis(100) {
            return Err(Error::Invalid(format!("a lease of {:?} is too short: at least 0.1 s", self.lease)));
        }
        Ok(())
    }
}
