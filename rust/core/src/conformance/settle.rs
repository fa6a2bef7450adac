//! Step 6: outcomes under their fence.

use super::kit::*;
use crate::Error;
use crate::claim::ClaimRequest;
use crate::clock::Clock;
use crate::ids::Ownership;
use crate::settle::{Settled, Settlement};
use crate::status::Status;

fn settlement(owner: Ownership, value: &str) -> Settlement {
    Settlement { owner, outcome: success(value), started: 0, slot: 0 }
}

fn pending(f: &Fixture) -> Ownership {
    f.submit(call());
    f.claim_with(&ClaimRequest { begin: false, ..request(1) }).claims[0].ownership()
}

pub fn a_returned_value_is_kept(f: &Fixture) {
    let owner = f.start(call());
    assert_eq!(f.settle(owner, success("v")), Settled::Done);
    let end = f.terminal(owner.id);
    assert_eq!((end.id, end.status, end.payload, end.reason), (owner.id, Status::Success, Some(bytes("v")), None));
    assert_eq!(f.status(owner.id), Status::Success);
}

pub fn a_raised_exception_is_kept(f: &Fixture) {
    let owner = f.start(call());
    assert_eq!(f.settle(owner, failure("e")), Settled::Done);
    let end = f.terminal(owner.id);
    assert_eq!((end.status, end.payload, end.reason), (Status::Failed, Some(bytes("e")), None));
}

pub fn an_empty_value_is_a_value(f: &Fixture) {
    let owner = f.start(call());
    f.settle(owner, success(""));
    assert_eq!(f.terminal(owner.id).payload, Some(bytes("")));
}

pub fn a_finished_invocation_is_not_claimed_again(f: &Fixture) {
    let owner = f.start(call());
    f.succeed(owner);
    f.clock.advance(10 * LEASE);
    assert_eq!(f.recover().requeued, []);
    assert_eq!(f.claim_ids(1), []);
}

pub fn a_retry_is_queued_again_and_counted(f: &Fixture) {
    let owner = f.start(call());
    assert_eq!(f.settle(owner, retry(0)), Settled::Done);
    let record = f.store.get(owner.id).unwrap();
    assert_eq!((record.status, record.retries, record.releases), (Status::Retry, 1, 0));
    assert_eq!((record.runner, record.note.as_deref(), record.due), (None, Some("again"), START));
    assert_eq!(f.claim_ids(1), [owner.id]);
}

pub fn a_retry_waits_until_it_is_due(f: &Fixture) {
    let owner = f.start(call());
    f.settle(owner, retry(START + 30));
    assert_eq!(f.claim_ids(1), []);
    assert_eq!(f.store.get(owner.id).unwrap().due, START + 30);
    f.clock.advance(30);
    assert_eq!(f.claim_ids(1), [owner.id]);
}

pub fn a_running_invocation_that_is_handed_back_was_killed(f: &Fixture) {
    use Status::*;
    let owner = f.start(call());
    assert_eq!(f.settle(owner, release(0)), Settled::Done);
    let record = f.store.get(owner.id).unwrap();
    assert_eq!((record.status, record.retries, record.releases), (Rerouted, 0, 1));
    assert_eq!(record.note.as_deref(), Some("handed back"));
    assert_eq!(f.trail(owner.id), [Registered, Pending, Running, Killed, Rerouted]);
}

pub fn a_pending_invocation_that_is_handed_back_was_not_killed(f: &Fixture) {
    use Status::*;
    let owner = pending(f);
    f.settle(owner, release(0));
    assert_eq!(f.trail(owner.id), [Registered, Pending, Rerouted]);
}

pub fn a_claim_can_fail_before_it_begins(f: &Fixture) {
    use Status::*;
    let owner = pending(f);
    assert_eq!(f.settle(owner, failure("does not decode")), Settled::Done);
    assert_eq!(f.trail(owner.id), [Registered, Pending, Running, Failed]);
}

pub fn a_body_that_never_began_cannot_return(f: &Fixture) {
    let (started, owner) = (f.start(call()), pending(f));
    let batch = [settlement(started, "fine"), settlement(owner, "too early")];
    let refused = Error::Transition { id: owner.id, from: Status::Pending, to: Status::Success };
    assert_eq!(f.store.settle(&batch), Err(refused));
    assert_eq!(f.status(owner.id), Status::Pending);
    assert_eq!(f.status(started.id), Status::Running, "on an error nothing is recorded");
}

pub fn a_paused_body_that_returns_was_running(f: &Fixture) {
    use Status::*;
    let owner = f.start(call());
    let target = f.submit(call());
    f.pause(owner, &[target]);
    f.succeed(owner);
    assert_eq!(f.trail(owner.id), [Registered, Pending, Running, Paused, Running, Success]);
}

pub fn a_stale_owner_cannot_settle(f: &Fixture) {
    let owner = f.start(call());
    for outcome in [success("stale"), failure("stale"), retry(0), release(0)] {
        assert_eq!(f.settle(stale(owner), outcome), Settled::Stale);
    }
    assert_eq!(f.status(owner.id), Status::Running);
    assert_eq!(f.trail(owner.id).len(), 3);
}

pub fn an_earlier_claim_cannot_settle_a_later_one(f: &Fixture) {
    let first = f.start(call());
    f.settle(first, retry(0));
    let second = f.claim_one();
    assert_eq!(f.settle(first, success("late")), Settled::Stale);
    f.succeed(second);
    assert_eq!(f.settle(first, success("later")), Settled::Stale);
    assert_eq!(f.terminal(first.id).payload, Some(bytes("value")));
}

pub fn settling_again_by_the_same_claim_is_a_replay(f: &Fixture) {
    let owner = f.start(call());
    f.succeed(owner);
    let before = f.trail(owner.id);
    assert_eq!(f.settle(owner, success("value")), Settled::Replayed);
    assert_eq!(f.settle(owner, failure("changed its mind")), Settled::Replayed);
    assert_eq!(f.terminal(owner.id).payload, Some(bytes("value")));
    assert_eq!(f.trail(owner.id), before);
}

pub fn a_replayed_retry_or_release_queues_nothing_twice(f: &Fixture) {
    for outcome in [retry(0), release(0)] {
        let owner = f.start(call());
        assert_eq!(f.settle(owner, outcome.clone()), Settled::Done);
        assert_eq!(f.settle(owner, outcome.clone()), Settled::Replayed);
        let again = f.claim(10);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].retries + again[0].releases, 1);
        assert_eq!(f.settle(owner, outcome), Settled::Stale, "claimed since");
        f.succeed(again[0].ownership());
    }
}

pub fn the_same_settlement_twice_in_one_batch_is_recorded_once(f: &Fixture) {
    let owner = f.start(call());
    let one = settlement(owner, "v");
    assert_eq!(f.store.settle(&[one.clone(), one]), Ok(vec![Settled::Done, Settled::Replayed]));
}

pub fn an_unknown_invocation_cannot_be_settled(f: &Fixture) {
    let owner = Ownership { id: unknown(), ..f.start(call()) };
    assert_eq!(f.settle(owner, success("v")), Settled::Stale);
}

pub fn a_refused_settlement_does_not_stop_the_others(f: &Fixture) {
    let owners = [f.start(call()), f.start(call()), f.start(call())];
    f.succeed(owners[1]);
    let batch = [settlement(stale(owners[0]), "a"), settlement(owners[1], "b"), settlement(owners[2], "c")];
    assert_eq!(f.store.settle(&batch), Ok(vec![Settled::Stale, Settled::Replayed, Settled::Done]));
    assert_eq!(f.status(owners[0].id), Status::Running);
    assert_eq!(f.terminal(owners[2].id).payload, Some(bytes("c")));
}

pub fn the_history_says_where_and_since_when_a_body_ran(f: &Fixture) {
    let owner = f.start(call());
    f.clock.advance(40);
    let one = Settlement { owner, outcome: retry(0), started: START + 1, slot: 5 };
    f.store.settle(&[one]).unwrap();
    let last = f.store.history(owner.id).unwrap().pop().unwrap();
    assert_eq!((last.status, last.at, &*last.runner), (Status::Retry, START + 40, "r1"));
    assert_eq!((last.slot, last.started, &*last.note), (5, START + 1, "again"));
}

pub fn a_lease_that_ended_unnoticed_can_still_be_settled(f: &Fixture) {
    let owner = f.start(call());
    f.clock.advance(2 * LEASE);
    assert_eq!(f.settle(owner, success("late but first")), Settled::Done);
}

pub fn an_exchange_settles_first_and_then_claims(f: &Fixture) {
    let owner = f.start(call().parks("k", 1));
    let next = f.submit(call().parks("k", 1));
    let (settled, claimed) = f.store.exchange(&[settlement(owner, "v")], Some(&request(1))).unwrap();
    assert_eq!((settled, claimed.claims[0].id), (vec![Settled::Done], next));
    let (settled, claimed) = f.store.exchange(&[], None).unwrap();
    assert_eq!((settled.len(), claimed.claims.len()), (0, 0));
}

pub fn a_history_does_not_grow_without_end(f: &Fixture) {
    let id = f.submit(call());
    let note = "n".repeat(900);
    for at in 0..120 {
        let outcome = crate::settle::Outcome::Release { due: 0, note: format!("{at}{note}").into() };
        f.settle(f.claim_one(), outcome);
    }
    f.succeed(f.claim_one());
    let history = f.store.history(id).unwrap();
    let notes: usize = history.iter().map(|entry| entry.note.len()).sum();
    assert!(notes < crate::history::SIZE_LIMIT, "{notes} bytes of notes");
    assert_eq!(history.last().unwrap().status, Status::Success, "the outcome is recorded all the same");
    assert_eq!(f.store.get(id).unwrap().releases, 120);
}

pub fn equal_hand_backs_in_a_row_are_counted_in_one(f: &Fixture) {
    for begin in [false, true] {
        let id = f.submit(call());
        let hand_back = |runner: &str, note: &str| {
            let request = ClaimRequest { runner: runner.into(), begin, ..request(1) };
            let owner = f.claim_with(&request).claims[0].ownership();
            assert_eq!(owner.id, id);
            f.clock.advance(1);
            let outcome = crate::settle::Outcome::Release { due: 0, note: note.into() };
            assert_eq!(f.settle(owner, outcome), Settled::Done);
        };
        for round in 0..50 {
            hand_back(if round % 2 == 0 { "r1" } else { "another runner" }, "no such task");
        }
        let cycle = if begin { 4 } else { 2 };
        let history = f.store.history(id).unwrap();
        assert_eq!(history.len(), 1 + cycle, "{history:?}");
        let last = history.last().unwrap();
        assert_eq!((last.status, last.times, &*last.note), (Status::Rerouted, 50, "no such task"));
        assert_eq!((&*last.runner, last.at), ("another runner", f.clock.wall()), "the last one is shown");
        assert_eq!(f.store.get(id).unwrap().releases, 50);

        // Another reason begins a new count, and so does the first reason after it.
        for (note, times) in [("stopping", 3), ("no such task", 2), ("", 2)] {
            (0..times).for_each(|_| hand_back("r1", note));
        }
        let history = f.store.history(id).unwrap();
        let counted: Vec<_> = history.iter().filter(|entry| entry.status == Status::Rerouted).collect();
        let counted: Vec<_> = counted.iter().map(|entry| (&*entry.note, entry.times)).collect();
        assert_eq!(counted, [("no such task", 50), ("stopping", 3), ("no such task", 2), ("", 2)]);
        f.succeed(f.claim_one());
        assert_eq!(f.trail(id).last(), Some(&Status::Success));
    }
}

pub fn hand_backs_of_bodies_that_waited_are_not_folded(f: &Fixture) {
    let target = f.submit(call().due(START + 1_000_000));
    let id = f.submit(call());
    for _ in 0..3 {
        let owner = f.claim_one();
        f.pause(owner, &[target]);
        f.settle(owner, crate::settle::Outcome::Release { due: 0, note: "stopping".into() });
    }
    let trail = f.trail(id);
    assert_eq!(trail.iter().filter(|status| **status == Status::Paused).count(), 3, "{trail:?}");
}
