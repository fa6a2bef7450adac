//! Step 3: the order in which invocations are claimed.

use super::kit::*;
use crate::claim::{ClaimRequest, QueueOrder};
use crate::ids::InvocationId;

pub fn equals_leave_in_the_order_of_their_arrival(f: &Fixture) {
    let ids = f.submit_plain(5);
    assert_eq!(f.claim_ids(5), ids);
}

pub fn one_batch_leaves_in_its_own_order(f: &Fixture) {
    let batch: Vec<_> = (0..20).map(|_| call().0).collect();
    f.store.submit(&batch).unwrap();
    let ids: Vec<InvocationId> = batch.iter().map(|one| one.id).collect();
    assert_eq!(f.claim_ids(20), ids);
}

pub fn a_higher_priority_leaves_first(f: &Fixture) {
    let of = |priority| f.submit(call().priority(priority));
    let (low, plain, high, higher) = (of(-100.0), of(0.0), of(0.25), of(0.5));
    assert_eq!(f.claim_ids(4), [higher, high, plain, low]);
}

pub fn among_equal_priorities_the_earlier_due_leaves_first(f: &Fixture) {
    let later = f.submit(call().due(START + 20));
    let sooner = f.submit(call().due(START + 10));
    f.clock.advance(15);
    let at_once = f.submit(call());
    f.clock.advance(15);
    assert_eq!(f.claim_ids(3), [sooner, at_once, later]);
}

pub fn what_is_not_due_stays_in_the_queue(f: &Fixture) {
    let id = f.submit(call().due(START + 100));
    f.clock.advance(99);
    assert_eq!(f.claim_ids(1), []);
    f.clock.advance(1);
    assert_eq!(f.claim_ids(1), [id]);
}

pub fn a_claim_says_when_the_next_one_becomes_due(f: &Fixture) {
    assert_eq!(f.claim_with(&request(5)).next_due, None);
    f.submit(call().due(START + 200));
    f.submit(call().due(START + 100));
    assert_eq!(f.claim_with(&request(5)).next_due, Some(START + 100));
    f.clock.advance(100);
    let claimed = f.claim_with(&request(5));
    assert_eq!((claimed.claims.len(), claimed.next_due), (1, Some(START + 200)));
}

pub fn the_next_due_time_is_that_of_the_queues_asked_for(f: &Fixture) {
    f.submit(call().queue("a").due(START + 100));
    f.submit(call().queue("b").due(START + 200));
    assert_eq!(f.claim_with(&request_from(1, &["b", "c"])).next_due, Some(START + 200));
    assert_eq!(f.claim_with(&request_from(1, &["b", "a"])).next_due, Some(START + 100));
    assert_eq!(f.claim_with(&request(1)).next_due, Some(START + 100));
    assert_eq!(f.claim_with(&request_from(1, &["c"])).next_due, None);
}

pub fn a_claim_takes_only_from_the_queues_asked_for(f: &Fixture) {
    let (a, b) = (f.submit(call().queue("a")), f.submit(call().queue("b")));
    assert!(f.claim_with(&request_from(5, &["c"])).claims.is_empty());
    assert_eq!(f.claim_with(&request_from(5, &["b"])).claims[0].id, b);
    assert_eq!(f.claim_ids(5), [a]);
}

pub fn the_best_place_over_all_queues_leaves_first(f: &Fixture) {
    let of = |queue, priority| f.submit(call().queue(queue).priority(priority));
    let (a1, b2, c9, a3, b1) = (of("a", 1.0), of("b", 2.0), of("c", 9.0), of("a", 3.0), of("b", 1.0));
    let claimed = f.claim_with(&request_from(3, &["a", "b"])).claims;
    assert_eq!(claimed.iter().map(|claim| claim.id).collect::<Vec<_>>(), [a3, b2, a1]);
    assert_eq!(f.claim_ids(5), [c9, b1]);
}

pub fn a_retry_goes_behind_what_came_before_it(f: &Fixture) {
    let owner = f.start(call());
    f.clock.advance(1);
    let other = f.submit(call());
    f.clock.advance(1);
    f.settle(owner, retry(0));
    assert_eq!(f.claim_ids(2), [other, owner.id]);
}

pub fn what_is_handed_back_keeps_its_place(f: &Fixture) {
    let owner = f.start(call());
    f.clock.advance(1);
    let other = f.submit(call());
    f.clock.advance(1);
    f.settle(owner, release(0));
    assert_eq!(f.claim_ids(2), [owner.id, other]);
}

pub fn what_is_handed_back_with_a_delay_waits_for_it(f: &Fixture) {
    let owner = f.start(call());
    f.settle(owner, release(START + 50));
    assert_eq!(f.claim_with(&request(1)).next_due, Some(START + 50));
    f.clock.advance(50);
    assert_eq!(f.claim_ids(1), [owner.id]);
}

pub fn what_a_body_waits_for_leaves_before_every_priority(f: &Fixture) {
    let waiter = f.start(call());
    f.submit(call().priority(100.0));
    let target = f.submit(call().priority(-100.0));
    f.pause(waiter, &[target]);
    assert_eq!(f.claim_ids(1), [target]);
}

pub fn what_the_deepest_body_waits_for_leaves_first(f: &Fixture) {
    let outer = f.start(call());
    let inner = f.start(call().depth(4));
    let (for_outer, for_inner) = (f.submit(call().priority(9.0)), f.submit(call()));
    f.pause(outer, &[for_outer]);
    f.pause(inner, &[for_inner]);
    assert_eq!(f.claim_ids(2), [for_inner, for_outer]);
}

pub fn another_shallower_waiter_does_not_move_it_back(f: &Fixture) {
    let deep = f.start(call().depth(4));
    let middle = f.start(call().depth(2));
    let shallow = f.start(call());
    let (shared, other) = (f.submit(call()), f.submit(call()));
    f.pause(deep, &[shared]);
    f.pause(middle, &[other]);
    f.pause(shallow, &[shared]);
    assert_eq!(f.claim_ids(2), [shared, other]);
}

pub fn being_waited_for_makes_nothing_due(f: &Fixture) {
    let waiter = f.start(call());
    let target = f.submit(call().due(START + 100));
    f.pause(waiter, &[target]);
    assert_eq!(f.claim_ids(1), []);
    f.clock.advance(100);
    assert_eq!(f.claim_ids(1), [target]);
}

pub fn what_is_waited_for_keeps_its_precedence_when_it_comes_back(f: &Fixture) {
    let waiter = f.start(call());
    let target = f.start(call());
    f.pause(waiter, &[target.id]);
    f.submit(call().priority(100.0));
    f.settle(target, retry(0));
    assert_eq!(f.claim_ids(1), [target.id]);
}

/// Six calls in two of three queues; the names of the queues in the order in which they are claimed, a few at a time.
fn served(f: &Fixture, order: QueueOrder, at_once: usize) -> String {
    for (queue, priority) in [("a", 0.0), ("a", 0.0), ("a", 1.0), ("b", 9.0), ("b", 9.0), ("b", 0.0)] {
        f.submit(call().queue(queue).priority(priority));
    }
    let mut served = String::new();
    while served.len() < 6 {
        let request = ClaimRequest { order, ..request_from(at_once, &["a", "none", "b"]) };
        let claims = f.claim_with(&request).claims;
        assert!(!claims.is_empty() && claims.len() <= at_once, "{served}, then {}", claims.len());
        claims.iter().for_each(|claim| served.push_str(&claim.queue));
    }
    served
}

pub fn queues_are_served_as_they_are_named_if_asked_for(f: &Fixture) {
    assert_eq!(served(f, QueueOrder::AsNamed, 4), "aaabbb");
    assert_eq!(served(f, QueueOrder::AsNamed, 1), "aaabbb");
}

pub fn queues_are_served_in_turn_if_asked_for(f: &Fixture) {
    assert_eq!(served(f, QueueOrder::InTurn, 6), "ababab");
    // Each claim begins with the first of its queues.
    assert_eq!(served(f, QueueOrder::InTurn, 3), "abaabb");
}

pub fn queues_are_served_as_one_if_nothing_is_asked_for(f: &Fixture) {
    assert_eq!(served(f, QueueOrder::Merged, 4), "bbaaab");
}

pub fn what_a_body_waits_for_comes_before_the_order_of_the_queues(f: &Fixture) {
    for order in [QueueOrder::AsNamed, QueueOrder::InTurn] {
        let waiter = f.start(call().queue("z"));
        let first = f.submit(call().queue("a"));
        let target = f.submit(call().queue("b"));
        f.pause(waiter, &[target]);
        let claims = f.claim_with(&ClaimRequest { order, ..request_from(2, &["a", "b"]) }).claims;
        assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [target, first]);
    }
}

pub fn an_invocation_that_is_put_off_delays_no_other_in_any_order_of_the_queues(f: &Fixture) {
    f.start(call().queue("z").parks("k", 1));
    for order in [QueueOrder::AsNamed, QueueOrder::InTurn] {
        f.submit(call().queue("a").parks("k", 1));
        let mut free = [f.submit(call().queue("a")), f.submit(call().queue("b"))];
        free.sort_unstable();
        let claims = f.claim_with(&ClaimRequest { order, ..request_from(2, &["a", "b"]) }).claims;
        let mut ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, free);
    }
}
