//! A store refuses waits that would never end, and no others.

use super::kit::*;
use crate::Error;
use crate::ids::{InvocationId, Ownership};
use crate::status::Status;

fn refused(f: &Fixture, waiter: Ownership, targets: &[InvocationId]) -> Vec<InvocationId> {
    match f.store.pause(waiter, targets) {
        Err(Error::Cycle(path)) => path,
        other => panic!("not refused as a cycle: {other:?}"),
    }
}

pub fn a_body_cannot_wait_for_itself(f: &Fixture) {
    let waiter = f.start(call());
    assert_eq!(refused(f, waiter, &[waiter.id]), [waiter.id, waiter.id]);
    assert_eq!(f.status(waiter.id), Status::Running);
}

pub fn two_bodies_cannot_wait_for_each_other(f: &Fixture) {
    let (a, b) = (f.start(call()), f.start(call()));
    f.pause(a, &[b.id]);
    assert_eq!(refused(f, b, &[a.id]), [b.id, a.id, b.id]);
    assert_eq!(f.status(b.id), Status::Running);
    assert_eq!(f.status(a.id), Status::Paused, "the one that waited first is untouched");
}

pub fn a_long_way_round_is_found(f: &Fixture) {
    let owners: Vec<_> = (0..50).map(|_| f.start(call())).collect();
    for pair in owners.windows(2) {
        f.pause(pair[0], &[pair[1].id]);
    }
    let (first, last) = (owners[0], owners[49]);
    let path = refused(f, last, &[first.id]);
    assert_eq!((path.len(), path[0], path[50]), (51, last.id, last.id));
    assert_eq!(path[1..50], owners[..49].iter().map(|owner| owner.id).collect::<Vec<_>>());
}

pub fn one_target_of_many_that_leads_back_is_enough(f: &Fixture) {
    let (a, b) = (f.start(call()), f.start(call()));
    let (x, y) = (f.submit(call()), f.submit(call()));
    f.pause(a, &[x, b.id, y]);
    assert_eq!(refused(f, b, &[y, a.id, x]), [b.id, a.id, b.id]);
}

pub fn a_refused_wait_changes_nothing(f: &Fixture) {
    let (a, b) = (f.start(call()), f.start(call()));
    f.pause(a, &[b.id]);
    let (target, other) = (f.submit(call().priority(-1.0)), f.submit(call()));
    let trail = f.trail(b.id);
    refused(f, b, &[target, a.id]);
    assert_eq!(f.trail(b.id), trail);
    assert_eq!(f.claim_ids(2), [other, target], "the target was not moved");
    f.succeed(b);
    assert_eq!(f.store.resume(&[a]), Ok(vec![true]));
}

pub fn chains_and_diamonds_are_no_cycles(f: &Fixture) {
    let [a, b, c, d] = [f.start(call()), f.start(call()), f.start(call()), f.start(call())];
    f.pause(a, &[b.id, c.id]);
    f.pause(b, &[d.id]);
    f.pause(c, &[d.id, b.id]);
    let target = f.submit(call());
    f.pause(d, &[target]);
}

pub fn a_body_that_went_on_waits_for_nothing(f: &Fixture) {
    let (a, b) = (f.start(call()), f.start(call()));
    f.pause(a, &[b.id]);
    f.store.resume(&[a]).unwrap();
    let target = f.submit(call());
    f.pause(a, &[target]);
    f.pause(b, &[a.id]);
}

pub fn a_body_that_lost_its_claim_waits_for_nothing(f: &Fixture) {
    let (a, b) = (f.start(call()), f.start(call()));
    f.pause(a, &[b.id]);
    f.settle(a, retry(0));
    let heir = f.claim_one();
    let target = f.submit(call());
    f.pause(heir, &[target]);
    f.pause(b, &[a.id]);
}

pub fn waiting_for_what_needs_ones_own_place_never_ends(f: &Fixture) {
    let parent = f.start(call().parks("k", 1));
    let child = f.submit(call().parks("k", 1));
    assert_eq!(refused(f, parent, &[child]), [parent.id, child, parent.id]);
    assert_eq!(f.claim_ids(1), []);
    assert_eq!(refused(f, parent, &[child]), [parent.id, child, parent.id], "parked by now");
}

pub fn a_cycle_can_lead_through_a_concurrency_key(f: &Fixture) {
    let holder = f.start(call().parks("k", 1));
    let (middle, waiter) = (f.start(call()), f.start(call()));
    let blocked = f.submit(call().parks("k", 1));
    f.pause(holder, &[middle.id]);
    f.pause(middle, &[waiter.id]);
    assert_eq!(refused(f, waiter, &[blocked]), [waiter.id, blocked, holder.id, middle.id, waiter.id]);
}

pub fn a_free_place_under_the_key_is_a_way_out(f: &Fixture) {
    let parent = f.start(call().parks("k", 2));
    let child = f.submit(call().parks("k", 2));
    f.pause(parent, &[child]);
    assert_eq!(f.claim_ids(1), [child]);
}

pub fn a_holder_that_runs_will_make_room(f: &Fixture) {
    let (holder, waiter) = (f.start(call().parks("k", 1)), f.start(call()));
    let blocked = f.submit(call().parks("k", 1));
    f.pause(waiter, &[blocked, holder.id]);
}

pub fn those_that_share_a_key_can_wait_for_each_other(f: &Fixture) {
    let (a, b) = (f.start(call().parks("k", 2)), f.start(call().parks("k", 2)));
    f.pause(a, &[b.id]);
}

pub fn many_ways_through_few_bodies_are_searched_quickly(f: &Fixture) {
    let layers: Vec<[Ownership; 3]> = (0..24).map(|_| [(); 3].map(|()| f.start(call()))).collect();
    for pair in layers.windows(2) {
        let next = pair[1].map(|owner| owner.id);
        pair[0].iter().for_each(|owner| f.pause(*owner, &next));
    }
    let top = f.start(call());
    f.pause(top, &layers[0].map(|owner| owner.id));
    assert_eq!(refused(f, layers[23][2], &[top.id]).len(), 26);
}

pub fn what_would_be_dropped_waits_for_no_place(f: &Fixture) {
    let parent = f.start(call().drops("k", 1));
    let child = f.submit(call().drops("k", 1));
    f.pause(parent, &[child]);
    assert_eq!(f.claim_ids(1), []);
    assert_eq!(f.status(child), Status::ConcurrencyControlledFinal);
}
