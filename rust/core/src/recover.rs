//! Recovery of claims whose lease ran out, and removal of what has expired: decisions as functions of state and policy.

use crate::ids::{InvocationId, Millis};
use crate::status::Status;

/// How recovery treats what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryPolicy {
    /// An invocation whose runner died more often than this ends as `failed` instead of running again.
    pub max_recoveries: u32,
    /// At most so many in one call.
    pub limit: usize,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self { max_recoveries: 3, limit: 100 }
    }
}

/// What one call of [`crate::store::Store::recover`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Back in the queue.
    pub requeued: Vec<InvocationId>,
    /// Ended as `failed`: recovered too often.
    pub buried: Vec<InvocationId>,
    /// Ended as `cancelled`: that was wished for while they ran.
    pub cancelled: Vec<InvocationId>,
    /// Steady-clock time at which the next lease ends, if anything is claimed.
    pub next_expiry: Option<Millis>,
}

impl Recovered {
    /// How many claims of dead runners were found.
    pub fn found(&self) -> usize {
        self.requeued.len() + self.buried.len() + self.cancelled.len()
    }

    /// Add what another call did; the next expiry is that of `more`.
    pub fn extend(&mut self, more: Recovered) {
        self.requeued.extend(more.requeued);
        self.buried.extend(more.buried);
        self.cancelled.extend(more.cancelled);
        self.next_expiry = more.next_expiry;
    }
}

/// Verdict on one claim whose lease ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Queue it again, passing through this status.
    Requeue(Status),
    /// Bury it (dead letter), passing through this status.
    Bury(Status),
}

/// Judge a claimed invocation (`pending`, `running` or `paused`) that was recovered `recoveries` times before.
///
/// Only a body that had started can have killed its runner, so only those count towards the limit.
pub fn judge(status: Status, recoveries: u32, policy: RecoveryPolicy) -> Verdict {
    match status {
        Status::Pending => Verdict::Requeue(Status::PendingRecovery),
        _ if recoveries >= policy.max_recoveries => Verdict::Bury(Status::RunningRecovery),
        _ => Verdict::Requeue(Status::RunningRecovery),
    }
}

/// Delay before a recovered invocation may run again, so that a body that kills runners cannot kill them in a row.
pub fn backoff(recoveries: u32) -> Millis {
    match recoveries {
        0 | 1 => 0,
        n => (500 << (n - 2).min(6)).min(30_000),
    }
}

/// The `reason` recorded with a buried invocation.
pub fn burial_reason(recoveries: u32) -> String {
    format!(
        "its runner died or stopped renewing its lease {recoveries} times while running it; not run again. \
         Look for a crash (segfault, out of memory, os._exit) in the task"
    )
}

/// The same for an invocation whose last runner is known to have died, and of what.
pub fn burial_reason_of_death(recoveries: u32, death: &str) -> String {
    format!(
        "its runner died or stopped renewing its lease {recoveries} times while running it, the last time {death}; not \
         run again. Look for a crash (segfault, out of memory, os._exit) in the task"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_keeps_killing_its_runner_is_buried() {
        let policy = RecoveryPolicy { max_recoveries: 3, limit: 1 };
        assert_eq!(judge(Status::Running, 2, policy), Verdict::Requeue(Status::RunningRecovery));
        assert_eq!(judge(Status::Running, 3, policy), Verdict::Bury(Status::RunningRecovery));
        assert_eq!(judge(Status::Paused, 3, policy), Verdict::Bury(Status::RunningRecovery));
        assert_eq!(judge(Status::Pending, 99, policy), Verdict::Requeue(Status::PendingRecovery));
    }

    #[test]
    fn the_delay_grows_and_is_bounded() {
        assert_eq!((backoff(1), backoff(2), backoff(3), backoff(40)), (0, 500, 1000, 30_000));
    }
}
