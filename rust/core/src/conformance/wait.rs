//! Bodies that wait for other invocations: pause and resume.

use super::kit::*;
use crate::Error;
use crate::cancel::Reach;
use crate::claim::ClaimRequest;
use crate::ids::Ownership;
use crate::pause::Paused;
use crate::status::Status;

pub fn a_body_that_waits_is_paused_and_goes_on(f: &Fixture) {
    use Status::*;
    let waiter = f.start(call());
    let target = f.submit(call());
    f.pause(waiter, &[target]);
    assert_eq!(f.status(waiter.id), Paused);
    assert_eq!(f.store.get(waiter.id).unwrap().runner.as_deref(), Some("r1"), "it is still owned");
    assert_eq!(f.store.resume(&[waiter]), Ok(vec![true]));
    assert_eq!(f.trail(waiter.id), [Registered, Pending, Running, Paused, Running]);
}

pub fn a_finished_target_is_reported_and_nothing_changes(f: &Fixture) {
    let waiter = f.start(call());
    let done = f.start(call());
    f.succeed(done);
    let live = f.submit(call().priority(-1.0));
    let other = f.submit(call());
    assert_eq!(f.store.pause(waiter, &[live, done.id]), Ok(Paused::Ready(vec![done.id])));
    assert_eq!(f.status(waiter.id), Status::Running);
    assert_eq!(f.claim_ids(2), [other, live], "the live one was not moved");
}

pub fn every_way_to_finish_makes_a_target_ready(f: &Fixture) {
    let waiter = f.start(call());
    let failed = f.start(call());
    f.settle(failed, failure("e"));
    let cancelled = f.submit(call());
    f.store.cancel(cancelled, Reach::Queue).unwrap();
    let holder = f.start(call().drops("k", 1));
    let dropped = f.submit(call().drops("k", 1));
    f.claim(1);
    let targets = [failed.id, cancelled, holder.id, dropped];
    assert_eq!(f.store.pause(waiter, &targets), Ok(Paused::Ready(vec![failed.id, cancelled, dropped])));
}

pub fn an_unknown_target_is_refused(f: &Fixture) {
    let waiter = f.start(call());
    let (known, missing) = (f.submit(call()), unknown());
    assert_eq!(f.store.pause(waiter, &[known, missing]), Err(Error::NotFound(missing)));
    assert_eq!(f.status(waiter.id), Status::Running);
}

pub fn waiting_for_nothing_is_refused(f: &Fixture) {
    let waiter = f.start(call());
    assert!(matches!(f.store.pause(waiter, &[]), Err(Error::Invalid(_))));
    assert_eq!(f.status(waiter.id), Status::Running);
}

pub fn only_the_owner_can_pause(f: &Fixture) {
    let waiter = f.start(call());
    let target = f.submit(call());
    let refused = Error::NotOwner { id: waiter.id, status: Status::Running };
    assert_eq!(f.store.pause(stale(waiter), &[target]), Err(refused));
    let nobody = Ownership { id: unknown(), ..waiter };
    assert_eq!(f.store.pause(nobody, &[target]), Err(Error::NotFound(nobody.id)));
    assert_eq!(f.status(waiter.id), Status::Running);
}

pub fn what_has_not_begun_cannot_pause(f: &Fixture) {
    f.submit(call());
    let owner = f.claim_with(&ClaimRequest { begin: false, ..request(1) }).claims[0].ownership();
    let target = f.submit(call());
    let refused = Error::Transition { id: owner.id, from: Status::Pending, to: Status::Paused };
    assert_eq!(f.store.pause(owner, &[target]), Err(refused));
}

pub fn a_paused_body_can_wait_for_more(f: &Fixture) {
    let waiter = f.start(call());
    let (first, second) = (f.submit(call()), f.submit(call().priority(-5.0)));
    let other = f.submit(call());
    f.pause(waiter, &[first]);
    f.pause(waiter, &[second]);
    assert_eq!(f.trail(waiter.id).len(), 4, "paused once");
    assert_eq!(f.claim_ids(3), [first, second, other]);
}

pub fn a_target_given_twice_counts_once(f: &Fixture) {
    let waiter = f.start(call());
    let target = f.submit(call());
    f.pause(waiter, &[target, target]);
    f.pause(waiter, &[target]);
    assert_eq!(f.claim_ids(5), [target]);
}

pub fn many_bodies_can_wait_for_one(f: &Fixture) {
    let waiters: Vec<_> = (0..5).map(|_| f.start(call())).collect();
    let target = f.submit(call());
    waiters.iter().for_each(|waiter| f.pause(*waiter, &[target]));
    f.succeed(f.claim_one());
    assert_eq!(f.store.resume(&waiters), Ok(vec![true; 5]));
}

pub fn resuming_again_is_harmless(f: &Fixture) {
    let waiter = f.start(call());
    let target = f.submit(call());
    assert_eq!(f.store.resume(&[waiter]), Ok(vec![true]), "it runs");
    f.pause(waiter, &[target]);
    assert_eq!(f.store.resume(&[waiter, waiter]), Ok(vec![true, true]));
    assert_eq!(f.trail(waiter.id).len(), 5);
}

pub fn a_lost_claim_does_not_go_on(f: &Fixture) {
    let (waiter, lost) = (f.start(call()), f.start(call()));
    let target = f.submit(call());
    f.pause(waiter, &[target]);
    f.pause(lost, &[target]);
    let nobody = Ownership { id: unknown(), ..waiter };
    f.settle(lost, release(0));
    assert_eq!(f.store.resume(&[stale(waiter), lost, nobody, waiter]), Ok(vec![false, false, false, true]));
    assert_eq!(f.status(lost.id), Status::Rerouted);
}

pub fn a_waiting_body_keeps_its_claim_by_beats(f: &Fixture) {
    let waiter = f.start(call());
    let target = f.submit(call());
    f.pause(waiter, &[target]);
    f.clock.advance(LEASE - 1);
    assert_eq!(f.store.beat(&"r1".into(), LEASE).map(|beaten| beaten.owned), Ok(vec![waiter]));
    f.clock.advance(LEASE - 1);
    assert_eq!(f.recover().requeued, []);
    assert_eq!(f.store.resume(&[waiter]), Ok(vec![true]));
}
