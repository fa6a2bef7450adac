//! Withdrawal and removal of invocations, and the end of a store.

use std::time::Instant;

use super::kit::*;
use crate::cancel::{CANCEL_REASON, Cancelled, Reach};
use crate::clock::Clock;
use crate::error::{Error, Part};
use crate::purge::Purge;
use crate::result::{Filter, Watched};
use crate::settle::Settled;
use crate::status::Status;

fn purge_expired(f: &Fixture) -> usize {
    f.store.purge(Purge::Expired { limit: 100 }).unwrap()
}

pub fn a_queued_invocation_can_be_cancelled(f: &Fixture) {
    let id = f.submit(call());
    assert_eq!(f.store.cancel(id, Reach::Queue), Ok(Cancelled::Done));
    let end = f.terminal(id);
    assert_eq!((end.status, end.payload, end.reason.as_deref()), (Status::Cancelled, None, Some(CANCEL_REASON)));
    assert_eq!(f.store.cancel(id, Reach::Queue), Ok(Cancelled::Finished));
}

pub fn a_scheduled_invocation_can_be_cancelled(f: &Fixture) {
    let id = f.submit(call().due(START + 100));
    assert_eq!(f.store.cancel(id, Reach::Queue), Ok(Cancelled::Done));
    assert_eq!(f.claim_with(&request(1)).next_due, None);
    f.clock.advance(100);
    assert_eq!(f.claim_ids(1), []);
}

pub fn a_claimed_or_finished_invocation_cannot_be_cancelled(f: &Fixture) {
    let owner = f.start(call());
    assert_eq!(f.store.cancel(owner.id, Reach::Queue), Ok(Cancelled::Claimed));
    assert_eq!(f.status(owner.id), Status::Running);
    f.succeed(owner);
    assert_eq!(f.store.cancel(owner.id, Reach::Queue), Ok(Cancelled::Finished));
    assert_eq!(f.status(owner.id), Status::Success);
}

pub fn a_purge_removes_everything(f: &Fixture) {
    let owner = f.start(call().parks("k", 1));
    f.submit(call().parks("k", 1));
    f.claim(1);
    f.submit(call().registration("r", true).args("a"));
    f.submit(call().due(START + 100));
    assert_eq!(f.store.purge(Purge::All), Ok(4));
    assert_eq!(f.store.count(&Filter::default()), Ok(0));
    assert_eq!(f.settle(owner, success("v")), Settled::Stale);
    assert_eq!(f.store.beat(&"r1".into(), LEASE).map(|beaten| beaten.owned), Ok(vec![]));
    assert_eq!(f.claim_with(&request(10)), Default::default());
    assert_eq!(f.recover(), Default::default());
    f.submit(call().registration("r", true).args("b"));
    f.submit(call().parks("k", 1));
    assert_eq!(f.claim_ids(10).len(), 2, "no key is left taken");
}

pub fn a_purge_of_nothing_removes_nothing(f: &Fixture) {
    assert_eq!(f.store.purge(Purge::All), Ok(0));
    assert_eq!(purge_expired(f), 0);
}

pub fn an_outcome_is_kept_for_its_retention(f: &Fixture) {
    f.clock.advance(123);
    let owner = f.start(call());
    f.succeed(owner);
    f.clock.advance(RETENTION - 1);
    assert_eq!(purge_expired(f), 0);
    f.clock.advance(1);
    assert_eq!(f.store.watch(&[owner.id]).unwrap().len(), 1);
    assert_eq!(purge_expired(f), 1);
    assert_eq!(f.store.watch(&[owner.id]), Ok(vec![Watched::Unknown(owner.id)]));
    assert_eq!(f.store.get(owner.id), Err(Error::NotFound(owner.id)));
    assert_eq!(f.list(&Filter::default()), []);
}

pub fn every_way_to_finish_expires(f: &Fixture) {
    let failed = f.start(call());
    f.settle(failed, failure("e"));
    f.store.cancel(f.submit(call()), Reach::Queue).unwrap();
    let holder = f.start(call().drops("k", 1));
    f.submit(call().drops("k", 1));
    f.claim(1);
    f.clock.advance(RETENTION);
    assert_eq!(purge_expired(f), 3);
    assert_eq!(f.list(&Filter::default()), [holder.id]);
}

pub fn what_is_not_finished_never_expires(f: &Fixture) {
    f.start(call().parks("k", 1));
    f.submit(call().parks("k", 1));
    f.claim(1);
    f.submit(call());
    f.submit(call().due(START + 1));
    f.clock.advance(100 * RETENTION);
    assert_eq!(purge_expired(f), 0);
    assert_eq!(f.store.count(&Filter::default()), Ok(4));
}

pub fn one_call_removes_no_more_than_its_limit(f: &Fixture) {
    f.submit_plain(5);
    f.claim(5).iter().for_each(|claim| f.succeed(claim.ownership()));
    f.clock.advance(RETENTION);
    let sizes: Vec<_> = (0..4).map(|_| f.store.purge(Purge::Expired { limit: 2 }).unwrap()).collect();
    assert_eq!(sizes, [2, 2, 1, 0]);
}

pub fn a_replay_of_what_was_removed_is_stale(f: &Fixture) {
    let owner = f.start(call());
    f.succeed(owner);
    f.clock.advance(RETENTION);
    purge_expired(f);
    assert_eq!(f.settle(owner, success("value")), Settled::Stale);
}

pub fn a_withdrawal_costs_no_more_where_more_waits(f: &Fixture) {
    const LITTLE: usize = 400;
    const MUCH: usize = 40_000;
    let submit = |count: usize| {
        for _ in 0..count / LITTLE {
            f.store.submit(&(0..LITTLE).map(|_| call().0).collect::<Vec<_>>()).unwrap();
        }
    };
    // The fastest of several: other work on the machine only makes it slower.
    let fastest = || {
        let chunk = || {
            let began = Instant::now();
            assert_eq!(f.store.purge(Purge::Queued { limit: LITTLE / 4 }), Ok(LITTLE / 4));
            began.elapsed()
        };
        (0..4).map(|_| chunk()).min().unwrap_or_default()
    };
    submit(LITTLE);
    let of_little = fastest();
    submit(MUCH);
    let of_much = fastest();
    assert!(of_much < of_little * 20, "a hundred withdrawn among {LITTLE}: {of_little:?}, among {MUCH}: {of_much:?}");
}

pub fn a_closed_store_refuses_every_verb(f: &Fixture) {
    let owner = f.start(call());
    f.store.close().unwrap();
    let closed = Error::Closed(Part::Store);
    assert_eq!(f.store.submit(&[call().0]), Err(closed.clone()));
    assert_eq!(f.store.claim(&request(1)), Err(closed.clone()));
    assert_eq!(f.store.begin(owner), Err(closed.clone()));
    assert_eq!(f.store.settle(&[]), Err(closed.clone()));
    assert_eq!(f.store.pause(owner, &[owner.id]), Err(closed.clone()));
    assert_eq!(f.store.resume(&[owner]), Err(closed.clone()));
    assert_eq!(f.store.cancel(owner.id, Reach::Queue), Err(closed.clone()));
    assert_eq!(f.store.beat(&"r1".into(), LEASE).map(|beaten| beaten.owned), Err(closed.clone()));
    assert_eq!(f.store.recover(Default::default()), Err(closed.clone()));
    assert_eq!(f.store.watch(&[owner.id]), Err(closed.clone()));
    assert_eq!(f.store.get(owner.id), Err(closed.clone()));
    assert_eq!(f.store.count(&Filter::default()), Err(closed.clone()));
    assert_eq!(f.store.history(owner.id), Err(closed.clone()));
    assert_eq!(f.store.purge(Purge::All), Err(closed));
}

pub fn closing_again_is_harmless(f: &Fixture) {
    f.store.close().unwrap();
    f.store.close().unwrap();
}

pub fn what_waits_for_a_runner_is_withdrawn_at_once(f: &Fixture) {
    let running = f.start(call());
    let done = f.start(call());
    f.succeed(done);
    let retried = f.start(call());
    f.settle(retried, retry(f.clock.wall() + 1_000));
    let calls = [call(), call().queue("other"), call().due(START + 1_000_000), call().payload(&[7; 5_000])];
    let registered = f.submit(call().registration("r", false));
    let ids: Vec<_> = calls.into_iter().map(|call| f.submit(call)).chain([retried.id, registered]).collect();
    f.expect_mail(&ids[..1], || assert_eq!(f.store.purge(Purge::Queued { limit: 100 }), Ok(ids.len())));
    for id in &ids {
        let end = f.terminal(*id);
        assert_eq!((end.status, end.payload, end.reason.as_deref()), (Status::Cancelled, None, Some(CANCEL_REASON)));
        assert_eq!(f.store.history(*id).unwrap().last().unwrap().note.as_ref(), CANCEL_REASON);
    }
    assert_eq!((f.status(running.id), f.status(done.id)), (Status::Running, Status::Success));
    assert_eq!(f.store.purge(Purge::Queued { limit: 100 }), Ok(0));
    assert_eq!(f.claim_with(&request(1)).next_due, None);
    // Its key is free, and it goes with its retention.
    f.submit(call().registration("r", false));
    f.clock.advance(RETENTION + 1);
    assert_eq!(purge_expired(f), ids.len() + 1);
}

pub fn a_withdrawal_takes_no_more_than_its_limit_and_unblocks(f: &Fixture) {
    f.submit_plain(5);
    assert_eq!(f.store.purge(Purge::Queued { limit: 3 }), Ok(3));
    assert_eq!(f.store.count(&Filter { statuses: vec![Status::Registered], ..Filter::default() }), Ok(2));
    assert_eq!(f.store.purge(Purge::Queued { limit: 100 }), Ok(2));
    let holder = f.start(call().parks("k", 1));
    let parked: Vec<_> = (0..2).map(|_| f.submit(call().parks("k", 1))).collect();
    assert_eq!(f.claim_ids(5), []);
    assert_eq!(f.store.purge(Purge::Queued { limit: 100 }), Ok(0), "what is parked is no work for a runner");
    f.succeed(holder);
    // One is unblocked; when it is withdrawn, the other is unblocked.
    let mut withdrawn = 0;
    while let Ok(count @ 1..) = f.store.purge(Purge::Queued { limit: 100 }) {
        withdrawn += count;
    }
    assert_eq!(withdrawn, 2);
    assert!(parked.iter().all(|id| f.status(*id) == Status::Cancelled));
}
