//! Recovery of claims whose lease expired: decisions as functions of state and policy.

use std::collections::{HashMap, HashSet};

use crate::ids::{InvocationId, Millis};
use crate::status::Status;

/// The settings of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryPolicy {
    /// An invocation that more deaths than this count for ends as `failed` instead of running again.
    pub max_recoveries: u32,
    /// The most claims that one call recovers.
    pub limit: usize,
    /// The lease of runners, in milliseconds, for [`Signs`]. Zero recovers every expired claim, even after a stall.
    pub grace: Millis,
    /// Whether the cause of the death is known and is none of the bodies: then no death counts, and no body runs alone.
    pub innocent: bool,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self { max_recoveries: 3, limit: 100, grace: 0, innocent: false }
    }
}

/// What one call of [`crate::store::Store::recover`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// In the queue again.
    pub requeued: Vec<InvocationId>,
    /// Ended as `failed`: recovered too often.
    pub buried: Vec<InvocationId>,
    /// Ended as `cancelled`: that was requested while they ran.
    pub cancelled: Vec<InvocationId>,
    /// Ended as `failed`: their records could not be read. Not counted by [`Self::found`].
    pub unreadable: Vec<InvocationId>,
    /// Steady-clock time at which the next lease expires, if anything is claimed.
    pub next_expiry: Option<Millis>,
    /// How many invocations wait for a process in which they run alone, due or not.
    pub alone: usize,
    /// Whether nothing was recovered because a stall is just over: see [`Signs`].
    pub stalled: bool,
}

impl Recovered {
    /// How many expired claims were found.
    pub fn found(&self) -> usize {
        self.requeued.len() + self.buried.len() + self.cancelled.len()
    }

    /// Adds the answer of a later call, and takes its next expiry and its number of invocations that run alone.
    pub fn extend(&mut self, more: Recovered) {
        self.requeued.extend(more.requeued);
        self.buried.extend(more.buried);
        self.cancelled.extend(more.cancelled);
        self.unreadable.extend(more.unreadable);
        self.next_expiry = more.next_expiry;
        self.alone = more.alone;
    }
}

/// A body that a dead runner had started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mate {
    /// The invocation.
    pub id: InvocationId,
    /// `running` or `paused`.
    pub status: Status,
    /// Whether it was claimed to run alone.
    pub alone: bool,
    /// The invocations it waits for, if it is `paused`.
    pub waits_for: Vec<InvocationId>,
}

/// The bodies that a runner had started when its process died, and which of them are blamed for the death.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Company {
    /// Whether there were several. A later call needs this, for the last body that is left may look like the only one.
    pub is_several: bool,
    blamed: HashSet<InvocationId>,
}

impl Company {
    /// Judges which of these bodies may have caused the death. `was_more`: an earlier call found several and recovered some.
    ///
    /// The cause is the only body that ran, because a body that waits does nothing meanwhile; or the body that was claimed
    /// to run alone, beside which a runner starts nothing. Of several that ran any may be the cause: none is blamed, and
    /// each runs alone next time. A body that ran alone before and waits for the cause (or for every possible cause) is
    /// blamed too: it would make the same call again, and die of it again, without end.
    pub fn new(mates: Vec<Mate>, was_more: bool) -> Self {
        let is_several = was_more || mates.len() > 1;
        let running: Vec<&Mate> = mates.iter().filter(|mate| mate.status == Status::Running).collect();
        let only = !was_more && running.len() == 1;
        let mut blamed: HashSet<InvocationId> =
            running.iter().filter(|mate| mate.alone || only).map(|mate| mate.id).collect();
        if running.is_empty() && !is_several {
            blamed.extend(mates.iter().map(|mate| mate.id));
        }
        let mut waiters: HashMap<InvocationId, Vec<&Mate>> = HashMap::new();
        for mate in &mates {
            mate.waits_for.iter().for_each(|target| waiters.entry(*target).or_default().push(mate));
        }
        let suspects: Vec<InvocationId> = if blamed.is_empty() {
            running.iter().map(|mate| mate.id).collect()
        } else {
            blamed.iter().copied().collect()
        };
        // For each body that waits: how many of the suspects it waits for, directly or through others.
        let mut waits_for: HashMap<InvocationId, usize> = HashMap::new();
        for suspect in &suspects {
            let (mut ahead, mut met) = (vec![*suspect], HashSet::new());
            while let Some(id) = ahead.pop() {
                for mate in waiters.get(&id).into_iter().flatten() {
                    if met.insert(mate.id) {
                        ahead.push(mate.id);
                        *waits_for.entry(mate.id).or_default() += usize::from(mate.alone);
                    }
                }
            }
        }
        blamed.extend(waits_for.iter().filter(|(_, count)| **count == suspects.len()).map(|(id, _)| *id));
        Self { is_several, blamed }
    }

    /// Whether this death counts for this body.
    pub fn blames(&self, id: InvocationId) -> bool {
        self.blamed.contains(&id)
    }
}

/// An expired claim, as recovery finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// `pending`, `running` or `paused`.
    pub status: Status,
    /// How many deaths have counted so far.
    pub recoveries: u32,
    /// Whether it was claimed to run alone.
    pub alone: bool,
    /// Whether it is blamed for the death: see [`Company::blames`].
    pub blamed: bool,
}

/// The decision about one expired claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The status that it passes through.
    pub passing: Status,
    /// Whether it ends as a dead letter; otherwise it is queued again.
    pub buried: bool,
    /// How many deaths have counted, with this one.
    pub recoveries: u32,
    /// Whether it runs alone from now on.
    pub alone: bool,
}

/// Decides about one expired claim.
///
/// Only a body that had started can have killed its process, and only a body that ran by itself must have: only that
/// death counts. Every body that had started runs alone from now on, so that the next death shows its cause.
pub fn judge(found: Found, policy: RecoveryPolicy) -> Verdict {
    let Found { status, recoveries, alone, blamed } = found;
    if status == Status::Pending {
        return Verdict { passing: Status::PendingRecovery, buried: false, recoveries, alone };
    }
    let passing = Status::RunningRecovery;
    if policy.innocent {
        return Verdict { passing, buried: false, recoveries, alone };
    }
    Verdict {
        passing,
        buried: blamed && recoveries >= policy.max_recoveries,
        recoveries: recoveries.saturating_add(u32::from(blamed)),
        alone: true,
    }
}

/// The last sign of life of any runner, kept by the store: distinguishes a dead runner from a stall of all runners.
///
/// While anything is claimed, a runner renews its leases every third of a lease, or recovers every half. If no runner did
/// either for longer, and a lease has expired or is about to, then no runner could: the store was locked or away, or all
/// processes were frozen. Every runner then gets one lease to renew its claims before anything is recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// The last renewal or recovery, on the clock of the leases; `None` before the first.
    pub heard: Option<Millis>,
    /// No claim is recovered before this time.
    pub quiet_until: Millis,
}

impl Signs {
    /// The signs after a runner with leases of `lease` has renewed or recovered at `now`. `ends`: whether a lease expires
    /// before [`soon`].
    #[must_use]
    pub fn heard(self, now: Millis, lease: Millis, ends: bool) -> Self {
        let silent = self.heard.is_none_or(|heard| now.saturating_sub(heard) > silence(lease));
        let quiet_until = if lease > 0 && ends && silent { now.saturating_add(lease) } else { self.quiet_until };
        Self { heard: Some(now), quiet_until }
    }

    /// Whether runners still have time to renew their leases.
    pub fn is_quiet(self, now: Millis, policy: RecoveryPolicy) -> bool {
        policy.grace > 0 && now < self.quiet_until
    }
}

/// A lease that expires before this may do so because of a stall that is just over: its runner retries in less time.
pub fn soon(now: Millis, lease: Millis) -> Millis {
    now.saturating_add(lease / 5)
}

/// How long without a sign of any runner is a stall. It lies between half a lease, the longest pause of runners that work,
/// and two thirds: in a shorter silence no lease expires that its runner was about to renew.
pub fn silence(lease: Millis) -> Millis {
    lease / 5 * 3
}

/// The note in the history of an invocation that is queued again to run alone.
pub const ALONE_NOTE: &str = "runs alone next: its body had started when its process died";

/// Delay before a recovered invocation may run again, so that one body cannot kill runners one after the other.
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

/// The `reason` recorded with a buried invocation if the cause of the last death is known.
pub fn burial_reason_of_death(recoveries: u32, death: &str) -> String {
    format!(
        "its runner died or stopped renewing its lease {recoveries} times while running it, the last time: {death}; not \
         run again. Look for a crash (segfault, out of memory, os._exit) in the task"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RecoveryPolicy = RecoveryPolicy { max_recoveries: 3, limit: 1, grace: 0, innocent: false };

    fn found(status: Status, recoveries: u32, blamed: bool) -> Found {
        Found { status, recoveries, alone: false, blamed }
    }

    fn id(n: u64) -> InvocationId {
        InvocationId::from_parts(0, 0, n)
    }

    fn runs(n: u64) -> Mate {
        Mate { id: id(n), status: Status::Running, alone: false, waits_for: Vec::new() }
    }

    fn waits(n: u64, target: u64) -> Mate {
        Mate { id: id(n), status: Status::Paused, alone: false, waits_for: vec![id(target)] }
    }

    fn alone(mate: Mate) -> Mate {
        Mate { alone: true, ..mate }
    }

    fn blamed(mates: Vec<Mate>, was_more: bool) -> Vec<InvocationId> {
        let ids: Vec<_> = mates.iter().map(|mate| mate.id).collect();
        let company = Company::new(mates, was_more);
        ids.into_iter().filter(|id| company.blames(*id)).collect()
    }

    #[test]
    fn a_body_that_keeps_killing_its_runner_is_buried() {
        for status in [Status::Running, Status::Paused] {
            let verdict = judge(found(status, 2, true), POLICY);
            assert_eq!((verdict.buried, verdict.recoveries, verdict.alone), (false, 3, true));
            let verdict = judge(found(status, 3, true), POLICY);
            assert_eq!((verdict.buried, verdict.recoveries), (true, 4));
        }
    }

    #[test]
    fn a_claim_that_has_not_begun_is_neither_counted_nor_suspected() {
        let passing = Status::PendingRecovery;
        let verdict = judge(found(Status::Pending, 99, false), POLICY);
        assert_eq!(verdict, Verdict { passing, buried: false, recoveries: 99, alone: false });
    }

    #[test]
    fn a_body_that_is_not_blamed_is_not_counted_and_runs_alone() {
        let verdict = judge(found(Status::Running, 3, false), POLICY);
        assert_eq!((verdict.buried, verdict.recoveries, verdict.alone), (false, 3, true));
    }

    #[test]
    fn a_death_with_a_known_cause_counts_for_no_body() {
        let policy = RecoveryPolicy { innocent: true, max_recoveries: 0, ..POLICY };
        for alone in [false, true] {
            let verdict = judge(Found { alone, ..found(Status::Running, 5, true) }, policy);
            assert_eq!((verdict.buried, verdict.recoveries, verdict.alone), (false, 5, alone));
        }
    }

    #[test]
    fn the_only_body_is_blamed_whether_it_runs_or_waits() {
        assert_eq!(blamed(vec![runs(1)], false), [id(1)]);
        assert_eq!(blamed(vec![waits(1, 9)], false), [id(1)]);
    }

    #[test]
    fn of_several_bodies_that_run_none_is_blamed() {
        assert_eq!(blamed(vec![runs(1), runs(2)], false), []);
        assert_eq!(blamed(vec![runs(1), runs(2), waits(3, 1)], false), []);
    }

    #[test]
    fn the_only_body_that_runs_is_blamed_beside_bodies_that_wait() {
        assert_eq!(blamed(vec![runs(1), waits(2, 1), waits(3, 9)], false), [id(1)]);
        assert_eq!(blamed(vec![waits(2, 9), waits(3, 9)], false), []);
    }

    #[test]
    fn what_an_earlier_call_has_left_is_not_taken_for_the_only_one() {
        assert_eq!(blamed(vec![runs(1)], true), []);
        assert_eq!(blamed(vec![waits(1, 9)], true), []);
    }

    #[test]
    fn a_body_that_was_to_run_alone_is_blamed_also_before_the_store_knows_all_waits() {
        assert_eq!(blamed(vec![runs(1), alone(runs(2)), runs(3)], false), [id(2)]);
        assert_eq!(blamed(vec![alone(runs(2))], true), [id(2)]);
    }

    #[test]
    fn a_body_that_dies_again_of_what_it_waits_for_is_blamed_too() {
        let chain = vec![runs(1), waits(2, 1), alone(waits(3, 2)), alone(waits(4, 9))];
        assert_eq!(blamed(chain, false), [id(1), id(3)]);
        let both = Mate { waits_for: vec![id(1), id(2)], ..alone(waits(3, 1)) };
        let fan = vec![runs(1), runs(2), both, alone(waits(4, 2)), waits(5, 3)];
        assert_eq!(blamed(fan, false), [id(3)], "a body that waits for only some of them may be innocent");
    }

    #[test]
    fn silence_is_a_stall_only_if_a_lease_ends() {
        let signs = Signs { heard: Some(0), quiet_until: 0 };
        assert_eq!(signs.heard(9_000, 10_000, false).quiet_until, 0);
        assert_eq!(
            signs.heard(6_000, 10_000, true).quiet_until,
            0,
            "another runner gave a sign while that lease expired"
        );
        assert_eq!(signs.heard(6_001, 10_000, true), Signs { heard: Some(6_001), quiet_until: 16_001 });
        assert_eq!(Signs::default().heard(6_001, 10_000, true).quiet_until, 16_001, "before the first renewal");
    }

    #[test]
    fn the_delay_grows_and_is_bounded() {
        assert_eq!((backoff(1), backoff(2), backoff(3), backoff(40)), (0, 500, 1000, 30_000));
    }
}
