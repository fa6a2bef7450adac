//! Running concurrency: never more claims under a key than its limit, and nothing blocked for longer than needed.

use super::kit::*;
use crate::cancel::{Cancelled, Reach};
use crate::claim::{ClaimRequest, DROP_REASON};
use crate::ids::{InvocationId, Ownership};
use crate::status::Status;

/// An invocation that runs under `k`, and `n` more that it blocks.
fn one_runs_and_parked(f: &Fixture, n: usize) -> (Ownership, Vec<InvocationId>) {
    let holder = f.start(call().parks("k", 1));
    let parked: Vec<_> = (0..n).map(|_| f.submit(call().parks("k", 1))).collect();
    assert_eq!(f.claim_ids(n + 1), []);
    (holder, parked)
}

pub fn as_many_as_the_limit_run_under_a_key(f: &Fixture) {
    let ids: Vec<_> = (0..5).map(|_| f.submit(call().parks("k", 2))).collect();
    assert_eq!(f.claim_ids(5), ids[..2]);
    for id in &ids[2..] {
        assert_eq!(f.status(*id), Status::ConcurrencyControlled);
    }
}

pub fn keys_do_not_disturb_each_other(f: &Fixture) {
    let ids = [f.submit(call().parks("a", 1)), f.submit(call().parks("b", 1)), f.submit(call())];
    assert_eq!(f.claim_ids(3), ids);
}

pub fn an_invocation_without_a_place_does_not_count_towards_the_limit(f: &Fixture) {
    f.start(call().parks("k", 1));
    f.submit(call().parks("k", 1));
    f.submit(call().drops("k", 1));
    let free = f.submit(call());
    assert_eq!(f.claim_ids(1), [free]);
}

pub fn a_claim_tells_what_was_dropped_on_its_way(f: &Fixture) {
    f.start(call().drops("k", 1));
    let other = call().drops("k", 1);
    let task = other.0.route.task.clone();
    let other = f.submit(other);
    let claimed = f.claim_with(&request(10));
    assert_eq!(claimed.claims, []);
    assert_eq!(claimed.dropped, [(other, task)]);
    assert_eq!(f.claim_with(&request(10)).dropped, [], "it is told once");
}

pub fn a_task_that_asks_for_it_is_dropped(f: &Fixture) {
    use Status::*;
    let holder = f.start(call().drops("k", 1));
    let dropped = f.submit(call().drops("k", 1));
    assert_eq!(f.claim_ids(1), []);
    let end = f.terminal(dropped);
    assert_eq!((end.status, end.payload), (ConcurrencyControlledFinal, None));
    assert_eq!(end.reason.as_deref(), Some(DROP_REASON));
    assert_eq!(f.trail(dropped), [Registered, ConcurrencyControlledFinal]);
    f.succeed(holder);
    assert_eq!(f.claim_ids(1), []);
}

pub fn a_settled_holder_lets_the_next_one_run(f: &Fixture) {
    use Status::*;
    let (mut holder, parked) = one_runs_and_parked(f, 3);
    for next in parked {
        f.succeed(holder);
        holder = f.claim_one();
        assert_eq!(holder.id, next);
        assert_eq!(f.claim_ids(5), []);
        assert_eq!(f.trail(next), [Registered, ConcurrencyControlled, Rerouted, Pending, Running]);
    }
}

pub fn only_the_first_of_the_blocked_is_unblocked(f: &Fixture) {
    let holder = f.start(call().parks("k", 1));
    let low = f.submit(call().parks("k", 1));
    let high = f.submit(call().parks("k", 1).priority(1.0));
    assert_eq!(f.claim_ids(5), []);
    f.succeed(holder);
    assert_eq!((f.status(high), f.status(low)), (Status::Rerouted, Status::ConcurrencyControlled));
}

pub fn a_place_is_taken_while_pending_and_while_paused(f: &Fixture) {
    let id = f.submit(call().parks("k", 1));
    let owner = f.claim_with(&ClaimRequest { begin: false, ..request(1) }).claims[0].ownership();
    assert_eq!(owner.id, id);
    f.submit(call().parks("k", 1));
    assert_eq!(f.claim_ids(1), []);
    f.store.begin(owner).unwrap();
    let target = f.submit(call());
    f.pause(owner, &[target]);
    f.submit(call().parks("k", 1));
    assert_eq!(f.claim_ids(5), [target]);
}

pub fn a_retried_or_handed_back_holder_gives_its_place_up(f: &Fixture) {
    for outcome in [retry(START + 1_000), release(START + 1_000)] {
        let (holder, parked) = one_runs_and_parked(f, 1);
        f.settle(holder, outcome);
        assert_eq!(f.claim_ids(5), parked);
        f.store.purge(crate::purge::Purge::All).unwrap();
    }
}

pub fn a_recovered_or_buried_holder_gives_its_place_up(f: &Fixture) {
    for max_recoveries in [3, 0] {
        let (holder, parked) = one_runs_and_parked(f, 1);
        f.clock.advance(LEASE);
        f.store.recover(crate::recover::RecoveryPolicy { max_recoveries, limit: 10, ..Default::default() }).unwrap();
        assert_eq!(f.status(parked[0]), Status::Rerouted);
        assert!(!f.status(holder.id).is_claimed());
        f.store.purge(crate::purge::Purge::All).unwrap();
    }
}

pub fn a_replayed_settlement_frees_no_second_place(f: &Fixture) {
    let (holder, parked) = one_runs_and_parked(f, 2);
    f.succeed(holder);
    f.settle(holder, success("value"));
    f.settle(stale(holder), success("value"));
    assert_eq!((f.status(parked[0]), f.status(parked[1])), (Status::Rerouted, Status::ConcurrencyControlled));
}

pub fn a_blocked_invocation_can_be_cancelled(f: &Fixture) {
    let (holder, parked) = one_runs_and_parked(f, 2);
    assert_eq!(f.store.cancel(parked[0], Reach::Queue), Ok(Cancelled::Done));
    f.succeed(holder);
    assert_eq!(f.claim_ids(5), parked[1..]);
}

pub fn the_next_is_unblocked_when_the_unblocked_one_is_cancelled(f: &Fixture) {
    let (holder, parked) = one_runs_and_parked(f, 2);
    f.succeed(holder);
    assert_eq!(f.store.cancel(parked[0], Reach::Queue), Ok(Cancelled::Done));
    assert_eq!(f.claim_ids(5), parked[1..]);
}

pub fn a_newcomer_may_take_the_place_and_the_unblocked_one_blocks_again(f: &Fixture) {
    let (holder, parked) = one_runs_and_parked(f, 1);
    let newcomer = f.submit(call().parks("k", 1).priority(1.0));
    f.succeed(holder);
    let owner = f.claim_one();
    assert_eq!(owner.id, newcomer);
    assert_eq!(f.claim_ids(1), []);
    f.succeed(owner);
    assert_eq!(f.claim_ids(1), parked);
}

pub fn two_limits_under_one_key_are_each_respected(f: &Fixture) {
    let holders = [f.start(call().parks("k", 2)), f.start(call().parks("k", 2))];
    let narrow = f.submit(call().parks("k", 1).priority(1.0));
    let wide = f.submit(call().parks("k", 2));
    assert_eq!(f.claim_ids(5), []);
    f.succeed(holders[0]);
    assert_eq!(f.claim_ids(5), [wide], "the narrow one is not in its way");
    f.succeed(holders[1]);
    assert_eq!(f.claim_ids(5), []);
    assert_eq!(f.status(narrow), Status::ConcurrencyControlled);
}

pub fn the_next_is_unblocked_when_the_unblocked_one_blocks_again(f: &Fixture) {
    let holders = [f.start(call().parks("k", 2)), f.start(call().parks("k", 2))];
    let [first, second] = [f.submit(call().parks("k", 2)), f.submit(call().parks("k", 2))];
    let narrow = f.submit(call().parks("k", 1).priority(1.0));
    assert_eq!(f.claim_ids(5), []);
    f.succeed(holders[0]);
    f.succeed(holders[1]);
    let waiter = f.start(call().priority(2.0));
    f.pause(waiter, &[first]);
    assert_eq!(f.claim_ids(5), [first, second], "the narrow one does not keep the second place");
    assert_eq!(f.status(narrow), Status::ConcurrencyControlled);
}

pub fn the_target_of_a_body_is_unblocked_first(f: &Fixture) {
    let (holder, parked) = one_runs_and_parked(f, 3);
    let waiter = f.start(call());
    f.pause(waiter, &parked[2..]);
    assert_eq!(f.status(parked[2]), Status::ConcurrencyControlled, "being waited for frees no place");
    f.succeed(holder);
    assert_eq!(f.claim_ids(1), parked[2..]);
}

pub fn a_key_of_a_delayed_retry_is_free_meanwhile(f: &Fixture) {
    let holder = f.start(call().parks("k", 1));
    f.settle(holder, retry(START + 500));
    let other = f.start(call().parks("k", 1));
    f.clock.advance(500);
    assert_eq!(f.claim_ids(1), []);
    assert_eq!(f.status(holder.id), Status::ConcurrencyControlled);
    f.succeed(other);
    assert_eq!(f.claim_ids(1), [holder.id]);
}
