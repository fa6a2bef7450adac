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
    /// The lease of runners, in milliseconds, for [`Signs`]. Zero recovers whatever has ended, even after a stall.
    pub grace: Millis,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self { max_recoveries: 3, limit: 100, grace: 0 }
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
    /// Ended as `failed`: their records could not be read. Not among [`Self::found`].
    pub unreadable: Vec<InvocationId>,
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
        self.unreadable.extend(more.unreadable);
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

/// When runners were last heard of, kept by the store: tells a runner that died from a stall of everything.
///
/// While anything is claimed, a runner renews its leases every third of a lease, or looks for dead runners every half.
/// If nobody did either for longer, and a lease has ended or is about to, then nobody could: the store was locked or away, or all
/// processes were frozen. Every runner then gets one lease to renew what it holds before anything is recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// The last renewal or look, on the clock of the leases; `None` before the first.
    pub heard: Option<Millis>,
    /// Nothing is recovered before this time.
    pub quiet_until: Millis,
}

impl Signs {
    /// A runner whose leases last `lease` renews them, or looks for dead runners. `ends`: whether a lease ends before
    /// [`soon`].
    #[must_use]
    pub fn heard(self, now: Millis, lease: Millis, ends: bool) -> Self {
        let silent = self.heard.is_some_and(|heard| now.saturating_sub(heard) > silence(lease));
        let quiet_until = if lease > 0 && ends && silent { now.saturating_add(lease) } else { self.quiet_until };
        Self { heard: Some(now), quiet_until }
    }

    /// Whether runners still have time to renew their leases.
    pub fn is_quiet(self, now: Millis, policy: RecoveryPolicy) -> bool {
        policy.grace > 0 && now < self.quiet_until
    }
}

/// A lease that ends before this may do so because of a stall that is just over: its runner tries again within less.
pub fn soon(now: Millis, lease: Millis) -> Millis {
    now.saturating_add(lease / 5)
}

/// How long nobody is heard of before that is a stall. Between a half of a lease, the longest pause of runners that work,
/// and two thirds: with a shorter silence no lease ends that its runner was about to renew.
pub fn silence(lease: Millis) -> Millis {
    lease / 5 * 3
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
        let policy = RecoveryPolicy { max_recoveries: 3, limit: 1, grace: 0 };
        assert_eq!(judge(Status::Running, 2, policy), Verdict::Requeue(Status::RunningRecovery));
        assert_eq!(judge(Status::Running, 3, policy), Verdict::Bury(Status::RunningRecovery));
        assert_eq!(judge(Status::Paused, 3, policy), Verdict::Bury(Status::RunningRecovery));
        assert_eq!(judge(Status::Pending, 99, policy), Verdict::Requeue(Status::PendingRecovery));
    }

    #[test]
    fn silence_is_a_stall_only_if_a_lease_ends() {
        let signs = Signs { heard: Some(0), quiet_until: 0 };
        assert_eq!(signs.heard(9_000, 10_000, false).quiet_until, 0);
        assert_eq!(signs.heard(6_000, 10_000, true).quiet_until, 0, "others were heard while that lease ran out");
        assert_eq!(signs.heard(6_001, 10_000, true), Signs { heard: Some(6_001), quiet_until: 16_001 });
        assert_eq!(Signs::default().heard(6_001, 10_000, true).quiet_until, 0, "nobody was heard of before");
    }

    #[test]
    fn the_delay_grows_and_is_bounded() {
        assert_eq!((backoff(1), backoff(2), backoff(3), backoff(40)), (0, 500, 1000, 30_000));
    }
}
