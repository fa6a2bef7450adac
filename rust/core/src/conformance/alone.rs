//! Bodies that had started when their process died run alone from then on; only the death of a body by itself counts.

use std::collections::HashSet;

use super::kit::*;
use crate::cancel::{Cancelled, Reach};
use crate::claim::{Claim, ClaimRequest};
use crate::ids::{InvocationId, Ownership};
use crate::purge::Purge;
use crate::recover::{ALONE_NOTE, Recovered, RecoveryPolicy};
use crate::result::Filter;
use crate::settle::Settled;
use crate::status::Status;

fn alone(runner: &str) -> ClaimRequest {
    ClaimRequest { runner: runner.into(), alone: true, ..request(1) }
}

fn claim_alone(f: &Fixture, runner: &str) -> Vec<Claim> {
    f.claim_with(&alone(runner)).claims
}

/// Starts these beside each other as `runner`.
fn start_as(f: &Fixture, runner: &str, calls: Vec<Call>) -> Vec<Ownership> {
    let count = calls.len();
    let ids: HashSet<InvocationId> = calls.into_iter().map(|call| f.submit(call)).collect();
    let claims = f.claim_with(&ClaimRequest { runner: runner.into(), ..request(count) }).claims;
    assert_eq!(claims.iter().map(|claim| claim.id).collect::<HashSet<_>>(), ids, "nothing else was in the queue");
    claims.iter().map(Claim::ownership).collect()
}

fn revoke(f: &Fixture, runner: &str, max_recoveries: u32) -> Recovered {
    let policy = RecoveryPolicy { max_recoveries, ..Default::default() };
    f.store.revoke(&runner.into(), "killed by signal 11", policy).unwrap()
}

fn recoveries(f: &Fixture, owner: Ownership) -> u32 {
    f.store.get(owner.id).unwrap().recoveries
}

pub fn bodies_that_ran_beside_each_other_come_again_alone_and_are_not_counted(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call(), call(), call()]);
    let recovered = revoke(f, "r1", 0);
    assert_eq!((recovered.requeued.len(), recovered.buried.len(), recovered.alone), (3, 0, 3));
    assert_eq!(f.claim_ids(3), [], "no runner may start them beside others");
    for (at, owner) in owners.iter().enumerate() {
        assert_eq!(recoveries(f, *owner), 0);
        let claims = claim_alone(f, &format!("s{at}"));
        assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [owner.id]);
        f.succeed(claims[0].ownership());
    }
    assert_eq!(claim_alone(f, "s"), []);
}

pub fn a_body_that_dies_as_the_only_one_is_counted_and_buried(f: &Fixture) {
    let owner = start_as(f, "r1", vec![call()])[0];
    assert_eq!(revoke(f, "r1", 1).requeued, [owner.id]);
    assert_eq!(recoveries(f, owner), 1);
    let again = claim_alone(f, "s1");
    assert_eq!((again[0].id, again[0].recoveries), (owner.id, 1));
    let recovered = revoke(f, "s1", 1);
    assert_eq!((recovered.buried, recovered.alone), (vec![owner.id], 0));
    assert_eq!(f.terminal(owner.id).status, Status::Failed);
}

pub fn a_body_that_was_to_run_alone_is_counted_beside_bodies_that_wait(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call(), call()]);
    revoke(f, "r1", 0);
    let (waiter, other) = (claim_alone(f, "s1")[0].ownership(), owners[1]);
    let target = f.submit(call());
    f.pause(waiter, &[target]);
    assert_eq!(claim_alone(f, "s1")[0].id, other.id);
    let recovered = revoke(f, "s1", 0);
    assert_eq!((recovered.requeued, recovered.buried), (vec![waiter.id], vec![other.id]));
    assert_eq!(recoveries(f, waiter), 0);
}

pub fn a_body_that_ran_alone_and_dies_again_of_what_it_waits_for_is_counted_too(f: &Fixture) {
    let parent = f.submit(call());
    for (alone, counted) in [(false, 0), (true, 1), (true, 2)] {
        let owner = f.claim_with(&ClaimRequest { alone, ..request(1) }).claims[0].ownership();
        assert_eq!(owner.id, parent);
        // The body makes its two calls again each time; one of them waits for the other.
        let middle = start_as(f, "r1", vec![call()])[0];
        f.pause(owner, &[middle.id]);
        let child = start_as(f, "r1", vec![call()])[0];
        f.pause(middle, &[child.id]);
        revoke(f, "r1", 9);
        assert_eq!((recoveries(f, owner), recoveries(f, middle), recoveries(f, child)), (counted, 0, 1));
        for _ in 0..2 {
            let other = claim_alone(f, "s1")[0].ownership();
            assert_ne!(other.id, parent);
            f.succeed(other);
        }
        f.clock.advance(30_000);
    }
}

pub fn a_body_that_ran_alone_is_counted_if_it_waits_for_all_that_may_be_the_cause(f: &Fixture) {
    let parent = start_as(f, "r1", vec![call(), call()])[0];
    revoke(f, "r1", 9);
    let parent = f.claim_with(&alone("r1")).claims.iter().find(|claim| claim.id == parent.id).unwrap().ownership();
    let children = start_as(f, "r1", vec![call(), call()]);
    f.pause(parent, &[children[0].id, children[1].id]);
    revoke(f, "r1", 9);
    assert_eq!((recoveries(f, parent), children.map_counts(f)), (1, vec![0, 0]));
}

pub fn a_body_that_waits_for_some_of_those_that_may_be_the_cause_is_not_counted(f: &Fixture) {
    let parent = start_as(f, "r1", vec![call(), call()])[0];
    revoke(f, "r1", 9);
    let parent = f.claim_with(&alone("r1")).claims.iter().find(|claim| claim.id == parent.id).unwrap().ownership();
    let others = start_as(f, "r1", vec![call(), call()]);
    f.pause(parent, &[others[0].id]);
    revoke(f, "r1", 9);
    assert_eq!((recoveries(f, parent), others.map_counts(f)), (0, vec![0, 0]));
}

pub fn only_the_body_that_runs_is_counted_beside_those_that_wait(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call(), call(), call()]);
    f.pause(owners[0], &[owners[2].id]);
    f.pause(owners[1], &[owners[2].id]);
    revoke(f, "r1", 9);
    assert_eq!(owners.map_counts(f), [0, 0, 1]);
}

pub fn the_only_body_of_a_process_is_counted_even_if_it_waits(f: &Fixture) {
    let owner = start_as(f, "r1", vec![call()])[0];
    let child = f.submit(call());
    f.pause(owner, &[child]);
    revoke(f, "r1", 9);
    assert_eq!(recoveries(f, owner), 1);
}

pub fn a_claim_that_has_not_begun_neither_counts_nor_runs_alone(f: &Fixture) {
    let running = start_as(f, "r1", vec![call()])[0];
    let pending = f.submit(call());
    f.claim_with(&ClaimRequest { begin: false, ..request(1) });
    revoke(f, "r1", 9);
    assert_eq!((recoveries(f, running), f.store.get(pending).unwrap().recoveries), (1, 0));
    assert_eq!(f.claim_ids(9), [pending]);
    // Also for an invocation that waits for its process to come to rest.
    let claims = f.claim_with(&ClaimRequest { begin: false, ..alone("s1") }).claims;
    assert_eq!(claims[0].id, running.id);
    assert_eq!(revoke(f, "s1", 0).requeued, [running.id]);
    assert_eq!((recoveries(f, running), claim_alone(f, "s2")[0].id), (1, running.id));
}

pub fn leases_that_end_one_after_the_other_make_no_body_the_only_one(f: &Fixture) {
    let first = start_as(f, "r1", vec![call()])[0];
    f.clock.advance(10);
    let second = start_as(f, "r1", vec![call()])[0];
    f.clock.advance(LEASE - 10);
    assert_eq!(f.recover().requeued, [first.id]);
    f.clock.advance(10);
    assert_eq!(f.recover().requeued, [second.id]);
    assert_eq!([first, second].map_counts(f), [0, 0]);
    // All are recovered: the next death of this owner is a new one.
    let third = start_as(f, "r1", vec![call()])[0];
    f.clock.advance(LEASE);
    f.recover();
    assert_eq!(recoveries(f, third), 1);
}

pub fn a_recovery_in_pieces_makes_no_body_the_only_one(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call(), call(), call()]);
    f.clock.advance(LEASE);
    for _ in 0..3 {
        f.store.recover(RecoveryPolicy { limit: 1, max_recoveries: 0, ..Default::default() }).unwrap();
    }
    assert_eq!(owners.map_counts(f), [0, 0, 0]);
    assert_eq!(f.recover().alone, 3);
}

pub fn a_death_with_a_known_cause_counts_for_no_body(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call(), call()]);
    let policy = RecoveryPolicy { max_recoveries: 0, innocent: true, ..Default::default() };
    let recovered = f.store.revoke(&"r1".into(), "killed at a timeout", policy).unwrap();
    assert_eq!((recovered.requeued.len(), recovered.alone), (2, 0));
    assert_eq!(owners.map_counts(f), [0, 0]);
    assert_eq!(f.claim(2).len(), 2);
}

pub fn those_that_run_alone_leave_in_the_order_of_the_queue(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call().priority(-1.0), call(), call().priority(1.0), call().queue("other")]);
    revoke(f, "r1", 9);
    let by_priority = |priority: f64, queue: &str| {
        let is = |owner: &&Ownership| {
            let record = f.store.get(owner.id).unwrap();
            record.priority == priority && &*record.queue == queue
        };
        owners.iter().find(is).unwrap().id
    };
    let only = ClaimRequest { alone: true, ..request_from(1, &["other"]) };
    assert_eq!(f.claim_with(&only).claims[0].id, by_priority(0.0, "other"));
    assert_eq!(f.claim_with(&only).claims, []);
    let rest: Vec<_> = (0..3).map(|_| claim_alone(f, "s1")[0].id).collect();
    assert_eq!(rest, [1.0, 0.0, -1.0].map(|priority| by_priority(priority, "default")));
}

pub fn a_claim_of_one_line_sees_nothing_of_the_other(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call(), call()]);
    revoke(f, "r1", 9);
    let later = f.submit(call().due(START + 5_000));
    let plain = f.submit(call());
    assert_eq!(claim_alone(f, "s1")[0].id, owners[0].id);
    let claimed = f.claim_with(&request(9));
    assert_eq!(claimed.claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [plain]);
    assert_eq!(claimed.next_due, Some(START + 5_000));
    let claimed = f.claim_with(&ClaimRequest { limit: 9, ..alone("s1") });
    assert_eq!((claimed.claims.len(), claimed.next_due), (1, None));
    f.clock.advance(5_000);
    assert_eq!(claim_alone(f, "s1"), []);
    assert_eq!(f.claim_ids(9), [later]);
}

pub fn an_invocation_that_runs_alone_does_so_after_a_retry_and_a_hand_back(f: &Fixture) {
    start_as(f, "r1", vec![call(), call()]);
    revoke(f, "r1", 9);
    let owner = claim_alone(f, "s1")[0].ownership();
    assert_eq!(f.settle(owner, retry(START + 1_000)), Settled::Done);
    let other = claim_alone(f, "s1")[0].ownership();
    let claimed = f.claim_with(&alone("s1"));
    assert_eq!((claimed.claims.len(), claimed.next_due), (0, Some(START + 1_000)));
    f.clock.advance(1_000);
    assert_eq!(f.settle(other, release(0)), Settled::Done);
    assert_eq!(f.claim_ids(9), []);
    let ids: HashSet<_> = (0..2).map(|_| claim_alone(f, "s1")[0].id).collect();
    assert_eq!(ids, [owner.id, other.id].into());
    let record = f.store.get(other.id).unwrap();
    assert_eq!((record.retries, record.releases), (0, 1));
}

pub fn a_claim_returns_the_due_time_of_what_runs_alone(f: &Fixture) {
    let owner = start_as(f, "r1", vec![call()])[0];
    revoke(f, "r1", 9);
    claim_alone(f, "s1");
    let recovered = revoke(f, "s1", 9);
    assert_eq!(recovered.alone, 1, "those that are not due count too");
    let due = f.store.get(owner.id).unwrap().due;
    assert_eq!(f.claim_with(&alone("s1")).next_due, Some(due));
    f.clock.advance(due - START);
    assert_eq!(claim_alone(f, "s1")[0].id, owner.id);
}

pub fn what_a_body_waits_for_leaves_first_among_those_that_run_alone(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call().priority(9.0), call().depth(1), call()]);
    revoke(f, "r1", 9);
    let parent = start_as(f, "r2", vec![call()])[0];
    let child = owners.iter().find(|owner| f.store.get(owner.id).unwrap().depth == 1).unwrap().id;
    f.pause(parent, &[child]);
    assert_eq!(claim_alone(f, "s1")[0].id, child);
    assert_eq!(claim_alone(f, "s1")[0].id, owners[0].id);
}

pub fn a_concurrency_key_holds_for_those_that_run_alone(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call().parks("key", 2), call().parks("key", 2), call().drops("other", 1)]);
    revoke(f, "r1", 9);
    let holders =
        [start_as(f, "r2", vec![call().parks("key", 1)])[0], start_as(f, "r2", vec![call().drops("other", 1)])[0]];
    let first = claim_alone(f, "s1")[0].ownership();
    assert_eq!(claim_alone(f, "s2"), [], "one is parked, the other dropped");
    let parked = owners.iter().find(|owner| f.status(owner.id) == Status::ConcurrencyControlled).unwrap().id;
    assert_eq!(f.list(&Filter { statuses: vec![Status::ConcurrencyControlledFinal], ..Filter::default() }).len(), 1);
    f.succeed(first);
    f.succeed(holders[0]);
    assert_eq!(f.claim_ids(9), []);
    assert_eq!(claim_alone(f, "s1")[0].id, parked);
    f.succeed(holders[1]);
}

pub fn those_that_run_alone_are_listed_under_their_queue_and_no_slot_waits_for_them(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call().queue("a"), call().queue("a")]);
    let _plain = f.submit(call().queue("a"));
    revoke(f, "r1", 9);
    let of_queue = Filter { queues: vec!["a".into()], ..Filter::default() };
    assert_eq!((f.list(&of_queue).len(), f.store.count(&of_queue).unwrap()), (3, 3));
    assert_eq!(f.store.backlog(&[], 9).unwrap(), 1);
    assert_eq!(f.store.backlog(&["a".into()], 9).unwrap(), 1);
    assert_eq!(&*f.store.get(owners[0].id).unwrap().queue, "a");
    assert_eq!(&*claim_alone(f, "s1")[0].queue, "a");
}

pub fn what_waits_to_run_alone_can_be_cancelled_and_purged(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call(), call(), call()]);
    revoke(f, "r1", 9);
    assert_eq!(f.store.cancel(owners[0].id, Reach::Queue).unwrap(), Cancelled::Done);
    let running = claim_alone(f, "s1")[0].ownership();
    assert_ne!(running.id, owners[0].id);
    assert_eq!(f.store.cancel(running.id, Reach::Runners).unwrap(), Cancelled::Requested);
    assert_eq!(revoke(f, "s1", 9).cancelled, [running.id]);
    assert_eq!(f.store.purge(Purge::Queued { limit: 9 }), Ok(1));
    assert_eq!(f.recover().alone, 0);
    start_as(f, "r1", vec![call(), call()]);
    revoke(f, "r1", 9);
    f.store.purge(Purge::All).unwrap();
    assert_eq!((f.recover().alone, claim_alone(f, "s1")), (0, vec![]));
}

pub fn the_history_says_that_it_runs_alone_next(f: &Fixture) {
    use Status::*;
    let owner = start_as(f, "r1", vec![call(), call()])[0];
    revoke(f, "r1", 9);
    assert_eq!(f.trail(owner.id), [Registered, Pending, Running, RunningRecovery, Rerouted]);
    let history = f.store.history(owner.id).unwrap();
    let [.., death, rerouted] = &history[..] else { panic!("{history:?}") };
    assert_eq!((&*death.note, &*rerouted.note), ("killed by signal 11", ALONE_NOTE));
}

pub fn a_settled_claim_is_out_of_the_company(f: &Fixture) {
    let owners = start_as(f, "r1", vec![call(), call()]);
    f.succeed(owners[0]);
    revoke(f, "r1", 9);
    assert_eq!(recoveries(f, owners[1]), 1);
}

trait Counts {
    fn map_counts(&self, f: &Fixture) -> Vec<u32>;
}

impl<T: AsRef<[Ownership]>> Counts for T {
    fn map_counts(&self, f: &Fixture) -> Vec<u32> {
        self.as_ref().iter().map(|owner| recoveries(f, *owner)).collect()
    }
}
