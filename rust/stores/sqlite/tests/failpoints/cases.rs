//! The cases of each verb: a state, and a request that changes it.

use std::sync::Arc;

use pynenc_core::call::{Registration, Submission};
use pynenc_core::cancel::Reach;
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::ids::{Fence, InvocationId, Millis, Ownership};
use pynenc_core::pause::Paused;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::store::Store;

use super::common::*;
use super::{PERFORMED, SHORT};

pub struct Case {
    /// Makes the state. Returns the invocations of the request, claimed or with a fence of 0.
    pub prepare: fn(&dyn Store) -> Vec<Ownership>,
    /// Makes the request, which must be the same each time.
    pub perform: fn(&dyn Store, &[Ownership]),
    /// Whether each request changes the number of the last finish.
    pub leaps: bool,
}

fn case(prepare: fn(&dyn Store) -> Vec<Ownership>, perform: fn(&dyn Store, &[Ownership])) -> Case {
    Case { prepare, perform, leaps: false }
}

/// At least one case for each verb that writes.
pub fn cases_of(verb: &str) -> Vec<Case> {
    match verb {
        "submit" => vec![case(new_ids, submit_each)],
        "claim" => vec![case(a_queue, claim_all), case(those_that_run_alone, claim_all_alone)],
        "begin" => vec![case(a_claim_not_begun, begin_it)],
        "settle" => vec![case(a_claim_for_each_outcome, settle_each)],
        "exchange" => vec![case(a_claim_and_a_queue, exchange_it)],
        "pause" => vec![case(a_body_and_two_targets, pause_it)],
        "resume" => vec![case(a_paused_body, resume_it)],
        "cancel" => vec![case(a_claim, cancel_it), case(one_before_another_of_its_key, cancel_it)],
        "beat" => vec![case(two_claims, beat_for_them)],
        "recover" => vec![case(claims_for_each_verdict, recover_them)],
        "revoke" => vec![case(claims_for_each_verdict, revoke_them)],
        "purge_expired" => vec![case(finished_and_live, purge_expired)],
        "purge_queued" => vec![case(queued_and_claimed, purge_queued)],
        "tally" => vec![case(many_that_nobody_counted, count_them)],
        "publish_runner" => vec![case(two_cards, publish_another_card)],
        "purge_all" => vec![Case { leaps: true, ..case(finished_and_live, purge_all) }],
        _ => panic!("{verb} has no case: write one, a state and a request that changes it"),
    }
}

fn unclaimed(id: InvocationId) -> Ownership {
    Ownership { id, fence: Fence(0) }
}

/// Submit the batch, and return the ids.
fn accept(store: &dyn Store, batch: &[Submission]) -> Vec<InvocationId> {
    store.submit(batch).unwrap();
    batch.iter().map(|submission| submission.id).collect()
}

fn owners(claims: &[Claim]) -> Vec<Ownership> {
    claims.iter().map(Claim::ownership).collect()
}

/// Claims of a runner whose leases have ended when the verb runs.
fn short_claims(store: &dyn Store, limit: usize, begin: bool) -> Vec<Ownership> {
    let claims = store.claim(&ClaimRequest { lease: SHORT, begin, ..request("r1", limit) }).unwrap().claims;
    assert_eq!(claims.len(), limit);
    owners(&claims)
}

fn later(due: Millis) -> Submission {
    Submission { due, ..call() }
}

fn new_ids(_: &dyn Store) -> Vec<Ownership> {
    [call(), call(), call(), call()].map(|submission| unclaimed(submission.id)).to_vec()
}

fn submit_each(store: &dyn Store, ids: &[Ownership]) {
    let registration = Some(Registration { key: "r".into(), refuse_different: false });
    let mut batch = [call(), keyed("k"), later(PERFORMED + 5000), Submission { registration, ..call() }];
    batch.iter_mut().zip(ids).for_each(|(submission, new)| submission.id = new.id);
    store.submit(&batch).unwrap();
}

/// A plain call, two calls of one key, one that has become due, and one that has not.
fn a_queue(store: &dyn Store) -> Vec<Ownership> {
    accept(store, &[call(), keyed("k"), keyed("k"), later(PERFORMED), later(PERFORMED + 5000)]);
    Vec::new()
}

fn claim_all(store: &dyn Store, _: &[Ownership]) {
    claim(store, 9);
}

fn a_claim_not_begun(store: &dyn Store) -> Vec<Ownership> {
    submit(store);
    owners(&store.claim(&ClaimRequest { begin: false, ..request("r1", 1) }).unwrap().claims)
}

fn begin_it(store: &dyn Store, claims: &[Ownership]) {
    store.begin(claims[0]).unwrap();
}

fn outcomes() -> [Outcome; 5] {
    [
        Outcome::Success(b"value".as_slice().into()),
        Outcome::Failure(b"error".as_slice().into()),
        Outcome::Retry { due: PERFORMED + 100, note: "again".into() },
        Outcome::Release { due: 0, note: "not mine".into() },
        Outcome::Cancelled { reason: "stopped".into() },
    ]
}

/// Claims that each hold a key which blocks another call. A further body waits for the first claim.
fn a_claim_for_each_outcome(store: &dyn Store) -> Vec<Ownership> {
    let keys = ["a", "b", "c", "d", "e"];
    accept(store, &keys.map(keyed));
    let claims = owners(&claim(store, 5));
    accept(store, &keys.map(keyed));
    accept(store, &[call()]);
    let waiter = claim(store, 9);
    assert_eq!((claims.len(), waiter.len()), (5, 1), "the key blocks the others");
    assert_eq!(store.pause(waiter[0].ownership(), &[claims[0].id]), Ok(Paused::Parked));
    claims
}

fn settlement(owner: Ownership, outcome: Outcome) -> Settlement {
    Settlement { owner, outcome, started: PERFORMED - 10, slot: 1 }
}

fn settle_each(store: &dyn Store, claims: &[Ownership]) {
    let batch: Vec<_> = claims.iter().zip(outcomes()).map(|(owner, outcome)| settlement(*owner, outcome)).collect();
    store.settle(&batch).unwrap();
}

/// The queue has as many calls as the request asks for: a repetition finds nothing.
fn a_claim_and_a_queue(store: &dyn Store) -> Vec<Ownership> {
    submit(store);
    let claims = owners(&claim(store, 1));
    accept(store, &[call(), call()]);
    claims
}

fn exchange_it(store: &dyn Store, claims: &[Ownership]) {
    store.exchange(&[success(claims[0])], Some(&request("r1", 2))).unwrap();
}

fn a_body_and_two_targets(store: &dyn Store) -> Vec<Ownership> {
    submit(store);
    let body = claim(store, 1)[0].ownership();
    vec![body, unclaimed(submit(store)), unclaimed(submit(store))]
}

fn pause_it(store: &dyn Store, all: &[Ownership]) {
    assert_eq!(store.pause(all[0], &[all[1].id, all[2].id]), Ok(Paused::Parked));
}

fn a_paused_body(store: &dyn Store) -> Vec<Ownership> {
    let all = a_body_and_two_targets(store);
    pause_it(store, &all);
    all
}

fn resume_it(store: &dyn Store, all: &[Ownership]) {
    assert_eq!(store.resume(&all[..1]), Ok(vec![true]));
}

fn a_claim(store: &dyn Store) -> Vec<Ownership> {
    submit(store);
    owners(&claim(store, 1))
}

/// The key admits the first call again, and blocks the second.
fn one_before_another_of_its_key(store: &dyn Store) -> Vec<Ownership> {
    let ids = accept(store, &[keyed("k"), keyed("k"), keyed("k")]);
    let holder = claim(store, 9);
    assert_eq!(holder.len(), 1, "the key blocks the others");
    succeed(store, holder[0].ownership());
    vec![unclaimed(ids[1])]
}

fn cancel_it(store: &dyn Store, all: &[Ownership]) {
    store.cancel(all[0].id, Reach::Runners).unwrap();
}

fn two_claims(store: &dyn Store) -> Vec<Ownership> {
    accept(store, &[call(), call()]);
    owners(&claim(store, 2))
}

fn beat_for_them(store: &dyn Store, claims: &[Ownership]) {
    assert_eq!(store.beat(&"r1".into(), 50_000).unwrap().owned.len(), claims.len());
}

/// A claim that did not begin, a claim to cancel, and a claim to bury, each under a key that blocks others.
fn claims_for_each_verdict(store: &dyn Store) -> Vec<Ownership> {
    those_that_run_alone(store);
    let request = ClaimRequest { lease: SHORT, alone: true, ..request("r1", 1) };
    let mut alone = owners(&store.claim(&request).unwrap().claims);
    accept(store, &[keyed("a")]);
    let mut claims = short_claims(store, 1, false);
    accept(store, &[keyed("b"), keyed("c")]);
    claims.extend(short_claims(store, 2, true));
    store.cancel(claims[1].id, Reach::Runners).unwrap();
    accept(store, &[keyed("a"), keyed("b"), keyed("c")]);
    assert!(claim(store, 9).is_empty(), "the key blocks the others");
    claims.append(&mut alone);
    claims
}

/// Two invocations that ran side by side when their runner died.
fn those_that_run_alone(store: &dyn Store) -> Vec<Ownership> {
    accept(store, &[call(), call()]);
    let claims = owners(&claim(store, 2));
    assert_eq!(store.revoke(&"r1".into(), "killed", RecoveryPolicy::default()).unwrap().alone, 2);
    claims
}

fn claim_all_alone(store: &dyn Store, _: &[Ownership]) {
    claim_alone(store, 9);
}

/// An invocation that ran alone when its runner died is buried.
fn policy() -> RecoveryPolicy {
    RecoveryPolicy { max_recoveries: 0, limit: 100, ..Default::default() }
}

fn recover_them(store: &dyn Store, _: &[Ownership]) {
    store.recover(policy()).unwrap();
}

fn revoke_them(store: &dyn Store, _: &[Ownership]) {
    let runner: Arc<str> = "r1".into();
    store.revoke(&runner, "killed by signal 9", policy()).unwrap();
}

/// Finished invocations whose retention is over when the verb runs, and live ones.
fn finished_and_live(store: &dyn Store) -> Vec<Ownership> {
    accept(store, &[call(), call(), call(), call()]);
    let claims = owners(&claim(store, 3));
    claims[..2].iter().for_each(|owner| succeed(store, *owner));
    claims
}

fn purge_expired(store: &dyn Store, _: &[Ownership]) {
    store.purge(Purge::Expired { limit: 100 }).unwrap();
}

/// Two cards, of which the verb replaces one.
fn two_cards(store: &dyn Store) -> Vec<Ownership> {
    for runner in ["r1", "r2"] {
        store.publish_runner(&runner.into(), &b"old"[..].into(), 60_000).unwrap();
    }
    Vec::new()
}

fn publish_another_card(store: &dyn Store, _: &[Ownership]) {
    store.publish_runner(&"r1".into(), &b"new"[..].into(), 60_000).unwrap();
}

fn purge_all(store: &dyn Store, _: &[Ownership]) {
    store.purge(Purge::All).unwrap();
}

fn queued_and_claimed(store: &dyn Store) -> Vec<Ownership> {
    let claimed = a_claim(store);
    let queued = [submit(store), submit(store)];
    claimed.into_iter().chain(queued.into_iter().map(unclaimed)).collect()
}

fn purge_queued(store: &dyn Store, _: &[Ownership]) {
    store.purge(Purge::Queued { limit: 100 }).unwrap();
}

/// More invocations than a count reads one by one.
fn many_that_nobody_counted(store: &dyn Store) -> Vec<Ownership> {
    // Small batches, because the submit of a large batch adds up the tally.
    for _ in 0..2 {
        let batch: Vec<_> = (0..1_250).map(|_| call()).collect();
        store.submit(&batch).unwrap();
    }
    Vec::new()
}

fn count_them(store: &dyn Store, _: &[Ownership]) {
    assert_eq!(store.count(&Default::default()).unwrap(), 2_500);
}
