//! Leases, beats, and the recovery of claims of dead runners.

use std::collections::HashSet;
use std::sync::Arc;

use super::kit::*;
use crate::claim::ClaimRequest;
use crate::ids::Ownership;
use crate::recover::{RecoveryPolicy, backoff, burial_reason};
use crate::settle::Settled;
use crate::status::Status;

fn claim_as(f: &Fixture, runner: &str, begin: bool) -> Ownership {
    f.submit(call());
    let claimed = f.claim_with(&ClaimRequest { runner: runner.into(), begin, ..request(1) });
    claimed.claims[0].ownership()
}

fn beat(f: &Fixture, runner: &str) -> HashSet<Ownership> {
    f.store.beat(&Arc::from(runner), LEASE).unwrap().owned.into_iter().collect()
}

pub fn a_live_lease_is_left_alone(f: &Fixture) {
    let owner = f.start(call());
    f.clock.advance(LEASE - 1);
    let recovered = f.recover();
    assert_eq!((recovered.requeued.len(), recovered.next_expiry), (0, Some(START + LEASE)));
    assert_eq!(f.status(owner.id), Status::Running);
}

pub fn with_nothing_claimed_no_lease_ends(f: &Fixture) {
    f.submit(call());
    assert_eq!(f.recover(), Default::default());
}

pub fn a_running_invocation_whose_lease_ended_is_queued_again(f: &Fixture) {
    use Status::*;
    let owner = f.start(call());
    f.clock.advance(LEASE);
    let recovered = f.recover();
    assert_eq!((recovered.requeued, recovered.buried, recovered.next_expiry), (vec![owner.id], vec![], None));
    let record = f.store.get(owner.id).unwrap();
    assert_eq!((record.status, record.recoveries, record.runner), (Rerouted, 1, None));
    assert_eq!(f.trail(owner.id), [Registered, Pending, Running, RunningRecovery, Rerouted]);
    assert_eq!(f.claim_one_alone().id, owner.id);
}

pub fn the_history_names_the_runner_that_was_lost(f: &Fixture) {
    let owner = claim_as(f, "lost one", true);
    f.clock.advance(LEASE);
    f.recover();
    let history = f.store.history(owner.id).unwrap();
    let [.., recovery, rerouted] = &history[..] else { panic!("{history:?}") };
    assert_eq!((recovery.status, &*recovery.runner), (Status::RunningRecovery, "lost one"));
    assert_eq!((rerouted.status, &*rerouted.runner), (Status::Rerouted, ""));
}

pub fn a_pending_invocation_whose_lease_ended_is_not_blamed(f: &Fixture) {
    use Status::*;
    let owner = claim_as(f, "r1", false);
    f.clock.advance(LEASE);
    assert_eq!(f.recover().requeued, [owner.id]);
    assert_eq!(f.store.get(owner.id).unwrap().recoveries, 0);
    assert_eq!(f.trail(owner.id), [Registered, Pending, PendingRecovery, Rerouted]);
}

pub fn a_paused_invocation_whose_lease_ended_is_queued_again_and_waits_for_nothing(f: &Fixture) {
    use Status::*;
    let waiter = f.start(call());
    let target = claim_as(f, "r2", true);
    f.pause(waiter, &[target.id]);
    f.clock.advance(LEASE - 1);
    beat(f, "r2");
    f.clock.advance(1);
    assert_eq!(f.recover().requeued, [waiter.id]);
    assert_eq!(f.trail(waiter.id), [Registered, Pending, Running, Paused, RunningRecovery, Rerouted]);
    f.pause(target, &[waiter.id]);
}

pub fn a_recovered_claim_is_over_for_its_old_owner(f: &Fixture) {
    let owner = f.start(call());
    f.clock.advance(LEASE);
    f.recover();
    assert_eq!(f.settle(owner, success("late")), Settled::Stale);
    assert_eq!(beat(f, "r1"), [].into());
    let heir = f.claim_one_alone();
    assert_eq!(f.settle(owner, success("later")), Settled::Stale);
    f.succeed(heir);
    assert_eq!(f.terminal(owner.id).payload, Some(bytes("value")));
}

pub fn a_beat_extends_every_lease_of_its_runner_and_no_other(f: &Fixture) {
    let (a, b, other) = (claim_as(f, "r1", true), claim_as(f, "r1", false), claim_as(f, "r2", true));
    f.clock.advance(LEASE - 1);
    assert_eq!(beat(f, "r1"), [a, b].into());
    f.clock.advance(1);
    let recovered = f.recover();
    assert_eq!((recovered.requeued, recovered.next_expiry), (vec![other.id], Some(START + 2 * LEASE - 1)));
}

pub fn beats_follow_each_other_and_leave_no_lease_behind(f: &Fixture) {
    let owner = f.start(call());
    for _ in 0..4 {
        f.clock.advance(LEASE - 1);
        assert_eq!(beat(f, "r1"), [owner].into());
        assert_eq!(f.recover().requeued, []);
    }
    f.succeed(owner);
    assert_eq!(f.recover().next_expiry, None);
}

pub fn a_beat_names_only_what_is_still_owned(f: &Fixture) {
    let (settled, kept) = (claim_as(f, "r1", true), claim_as(f, "r1", true));
    f.succeed(settled);
    assert_eq!(beat(f, "r1"), [kept].into());
    assert_eq!(beat(f, "nobody"), [].into());
}

pub fn a_beat_renews_a_lease_that_ended_unnoticed(f: &Fixture) {
    let owner = f.start(call());
    f.clock.advance(3 * LEASE);
    assert_eq!(beat(f, "r1"), [owner].into());
    assert_eq!(f.recover().requeued, []);
}

pub fn each_claim_has_the_lease_it_asked_for(f: &Fixture) {
    f.submit_plain(2);
    let short = f.claim_with(&ClaimRequest { lease: 100, ..request(1) }).claims[0].id;
    f.claim_one();
    f.clock.advance(100);
    assert_eq!(f.recover().requeued, [short]);
}

pub fn a_body_that_keeps_killing_its_runner_is_buried(f: &Fixture) {
    use Status::*;
    let id = f.submit(call());
    let policy = RecoveryPolicy { max_recoveries: 1, limit: 10, ..Default::default() };
    for alone in [false, true] {
        assert_eq!(f.claim_with(&ClaimRequest { alone, ..request(1) }).claims[0].id, id);
        f.clock.advance(LEASE);
        let recovered = f.store.recover(policy).unwrap();
        assert_eq!(recovered.requeued.len() + recovered.buried.len(), 1);
    }
    let end = f.terminal(id);
    assert_eq!((end.status, end.payload, end.reason), (Failed, None, Some(burial_reason(2).into())));
    let trail = f.trail(id);
    assert_eq!(trail[trail.len() - 2..], [RunningRecovery, Failed]);
    let record = f.store.get(id).unwrap();
    assert_eq!((record.recoveries, record.note), (2, Some(burial_reason(2).into())));
    assert_eq!((f.claim_ids(1), f.claim_alone(1)), (vec![], vec![]));
}

pub fn repeated_recovery_waits_longer_and_longer(f: &Fixture) {
    let id = f.submit(call());
    let policy = RecoveryPolicy { max_recoveries: 9, limit: 10, ..Default::default() };
    for recoveries in 1..=4 {
        assert_eq!(f.claim_with(&ClaimRequest { alone: recoveries > 1, ..request(1) }).claims[0].id, id);
        f.clock.advance(LEASE);
        f.store.recover(policy).unwrap();
        let delay = backoff(recoveries);
        if delay > 0 {
            let now = crate::clock::Clock::wall(&f.clock);
            assert_eq!(f.store.get(id).unwrap().due, now + delay);
            f.clock.advance(delay - 1);
            assert_eq!(f.claim_alone(1), []);
            f.clock.advance(1);
        }
    }
    assert_eq!(f.claim_one_alone().id, id);
}

pub fn one_call_recovers_no_more_than_its_limit(f: &Fixture) {
    f.submit_plain(5);
    f.claim(5);
    f.clock.advance(LEASE);
    let policy = RecoveryPolicy { limit: 2, ..RecoveryPolicy::default() };
    let sizes: Vec<usize> = (0..4).map(|_| f.store.recover(policy).unwrap().requeued.len()).collect();
    assert_eq!(sizes, [2, 2, 1, 0]);
}

pub fn those_whose_lease_ended_first_are_recovered_first(f: &Fixture) {
    let first = claim_as(f, "r1", true);
    f.clock.advance(10);
    claim_as(f, "r2", true);
    f.clock.advance(LEASE);
    let policy = RecoveryPolicy { limit: 1, ..RecoveryPolicy::default() };
    assert_eq!(f.store.recover(policy).unwrap().requeued, [first.id]);
}

pub fn a_recovered_invocation_keeps_its_place_in_line(f: &Fixture) {
    let (first, second) = (f.start(call()), f.start(call()));
    f.clock.advance(LEASE);
    f.recover();
    assert_eq!((f.claim_one_alone().id, f.claim_one_alone().id), (first.id, second.id));
}

pub fn the_claims_of_a_dead_runner_are_recovered_at_once(f: &Fixture) {
    use Status::*;
    let (running, pending, other) = (claim_as(f, "r1", true), claim_as(f, "r1", false), claim_as(f, "r2", true));
    let recovered = f.store.revoke(&"r1".into(), "killed by signal 9", RecoveryPolicy::default()).unwrap();
    assert_eq!(recovered.requeued.into_iter().collect::<HashSet<_>>(), [running.id, pending.id].into());
    assert_eq!(f.trail(running.id), [Registered, Pending, Running, RunningRecovery, Rerouted]);
    assert_eq!(f.store.get(running.id).unwrap().recoveries, 1);
    assert_eq!(f.store.get(pending.id).unwrap().recoveries, 0);
    assert_eq!(f.settle(running, success("late")), Settled::Stale);
    assert_eq!(beat(f, "r2"), [other].into());
    let history = f.store.history(running.id).unwrap();
    let recovery = history.iter().find(|entry| entry.status == RunningRecovery).unwrap();
    assert_eq!(&*recovery.note, "killed by signal 9");
}

pub fn a_runner_that_is_known_to_die_with_a_body_again_and_again_buries_it(f: &Fixture) {
    let id = f.submit(call());
    let policy = RecoveryPolicy { max_recoveries: 1, limit: 10, ..Default::default() };
    for (runner, alone) in [("r1", false), ("r2", true)] {
        assert_eq!(f.claim_with(&ClaimRequest { runner: runner.into(), alone, ..request(1) }).claims[0].id, id);
        let recovered = f.store.revoke(&runner.into(), "killed by signal 11", policy).unwrap();
        assert_eq!(recovered.requeued.len() + recovered.buried.len(), 1);
    }
    let end = f.terminal(id);
    assert_eq!((end.status, end.payload), (Status::Failed, None));
    let reason = end.reason.unwrap();
    assert!(reason.starts_with("its runner died") && reason.contains("2 times"), "{reason}");
    assert!(reason.contains("killed by signal 11"), "{reason}");
}
