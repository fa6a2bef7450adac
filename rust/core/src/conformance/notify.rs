//! Step 7: waiters and runners are notified after the change can be seen.

use std::time::Instant;

use super::kit::*;
use crate::cancel::Reach;
use crate::error::{Error, Part};
use crate::purge::Purge;
use crate::recover::RecoveryPolicy;
use crate::result::Watched;
use crate::status::Status;
use crate::wait::Waiter;

fn deadline() -> Option<Instant> {
    Some(Instant::now() + PATIENCE)
}

pub fn runners_are_notified_of_a_submission(f: &Fixture) {
    f.expect_work(|| f.submit(call()));
}

pub fn runners_are_notified_of_what_becomes_due_later(f: &Fixture) {
    f.expect_work(|| f.submit(call().due(START + 1_000)));
}

pub fn runners_are_notified_of_a_retry(f: &Fixture) {
    let owner = f.start(call());
    f.expect_work(|| f.settle(owner, retry(0)));
}

pub fn runners_are_notified_of_what_is_handed_back(f: &Fixture) {
    let owner = f.start(call());
    f.expect_work(|| f.settle(owner, release(0)));
}

pub fn runners_are_notified_when_a_place_under_a_key_comes_free(f: &Fixture) {
    let owner = f.start(call().parks("k", 1));
    f.submit(call().parks("k", 1));
    f.claim(1);
    f.expect_work(|| f.succeed(owner));
}

pub fn runners_are_notified_of_what_was_recovered(f: &Fixture) {
    f.start(call());
    f.clock.advance(LEASE);
    f.expect_work(|| f.recover());
}

pub fn waiters_are_notified_of_an_outcome(f: &Fixture) {
    for outcome in [success("v"), failure("e")] {
        let owner = f.start(call());
        f.expect_mail(&[owner.id], || f.settle(owner, outcome));
    }
}

pub fn waiters_are_notified_of_a_cancellation(f: &Fixture) {
    let id = f.submit(call());
    f.expect_mail(&[id], || f.store.cancel(id, Reach::Queue));
}

pub fn waiters_are_notified_of_a_dropped_invocation(f: &Fixture) {
    f.start(call().drops("k", 1));
    let id = f.submit(call().drops("k", 1));
    f.expect_mail(&[id], || f.claim(1));
}

pub fn waiters_are_notified_of_a_burial(f: &Fixture) {
    let owner = f.start(call());
    f.clock.advance(LEASE);
    let policy = RecoveryPolicy { max_recoveries: 0, limit: 1, ..Default::default() };
    f.expect_mail(&[owner.id], || f.store.recover(policy));
}

pub fn a_notified_waiter_sees_the_change(f: &Fixture) {
    for _ in 0..20 {
        let owner = f.start(call());
        let mut waiter = Waiter::new(f.store.clone(), &[owner.id]);
        assert!(waiter.ready().unwrap().is_empty());
        std::thread::scope(|scope| {
            scope.spawn(|| f.succeed(owner));
            let ended = waiter.wait(deadline()).unwrap();
            assert_eq!((ended.len(), ended[0].status), (1, Status::Success));
        });
    }
}

pub fn one_wait_covers_many_invocations(f: &Fixture) {
    let ids = f.submit_plain(30);
    let mut waiter = Waiter::new(f.store.clone(), &ids);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for claim in f.claim(30) {
                f.succeed(claim.ownership());
            }
        });
        let mut ended = 0;
        while !waiter.is_done() {
            let news = waiter.wait(deadline()).unwrap();
            assert!(!news.is_empty(), "{ended} of 30 ended");
            ended += news.len();
        }
        assert_eq!(ended, 30);
    });
}

pub fn waiters_learn_that_everything_was_purged(f: &Fixture) {
    let id = f.submit(call());
    let mut waiter = Waiter::new(f.store.clone(), &[id]);
    assert!(waiter.ready().unwrap().is_empty());
    f.store.purge(Purge::All).unwrap();
    assert_eq!(waiter.wait(deadline()), Err(Error::NotFound(id)));
}

pub fn waiters_learn_that_a_result_expired(f: &Fixture) {
    let owner = f.start(call());
    f.succeed(owner);
    f.clock.advance(RETENTION);
    f.expect_mail(&[owner.id], || f.store.purge(Purge::Expired { limit: 10 }));
    assert_eq!(f.store.watch(&[owner.id]), Ok(vec![Watched::Unknown(owner.id)]));
}

pub fn waiters_learn_that_the_store_was_closed(f: &Fixture) {
    let id = f.submit(call());
    let mut waiter = Waiter::new(f.store.clone(), &[id]);
    assert!(waiter.ready().unwrap().is_empty());
    f.store.close().unwrap();
    assert_eq!(waiter.wait(deadline()), Err(Error::Closed(Part::Store)));
}

pub fn a_claim_moves_the_number_of_changes(f: &Fixture) {
    f.submit(call());
    let before = f.store.hub().changes();
    f.claim_one();
    assert_ne!(f.store.hub().changes(), before, "by it, recovery learns that there is a lease to watch");
}
