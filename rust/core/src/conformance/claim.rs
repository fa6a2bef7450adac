//! Step 4: ownership.

use std::collections::HashSet;

use super::kit::*;
use crate::Error;
use crate::cancel::Reach;
use crate::claim::ClaimRequest;
use crate::ids::Ownership;
use crate::result::Filter;
use crate::status::Status;

fn only_claim(limit: usize) -> ClaimRequest {
    ClaimRequest { begin: false, ..request(limit) }
}

pub fn an_empty_queue_yields_no_claims(f: &Fixture) {
    let claimed = f.claim_with(&request(10));
    assert_eq!((claimed.claims.len(), claimed.next_due), (0, None));
}

pub fn no_more_than_the_limit_is_claimed(f: &Fixture) {
    let ids = f.submit_plain(5);
    assert_eq!(f.claim_ids(0), []);
    assert_eq!(f.claim_ids(2), ids[..2]);
    assert_eq!(f.claim_ids(10), ids[2..]);
    assert_eq!(f.claim_ids(10), []);
}

pub fn a_claim_carries_the_call(f: &Fixture) {
    let parent = f.submit(call());
    f.claim_one();
    let id = f.submit(call().task("a.b").queue("q").payload(b"\0\xff").child_of(parent, 7));
    let claim = f.claim(1).remove(0);
    assert_eq!((claim.id, &*claim.task, &*claim.queue), (id, "a.b", "q"));
    assert_eq!((&claim.payload[..], claim.parent, claim.depth), (&b"\0\xff"[..], Some(parent), 7));
    assert_eq!((claim.retries, claim.recoveries, claim.releases), (0, 0, 0));
}

pub fn every_claim_has_a_fence_of_its_own(f: &Fixture) {
    let mut fences = HashSet::new();
    let mut owner = f.start(call());
    for _ in 0..20 {
        assert!(owner.fence.0 != 0 && fences.insert(owner.fence));
        f.settle(owner, release(0));
        owner = f.claim_one();
    }
}

pub fn the_owner_is_known_while_it_owns(f: &Fixture) {
    let owner = f.start(call());
    let by_runner = Filter { runner: Some("r1".into()), ..Filter::default() };
    assert_eq!(f.store.get(owner.id).unwrap().runner.as_deref(), Some("r1"));
    assert_eq!(f.list(&by_runner), [owner.id]);
    f.succeed(owner);
    assert_eq!(f.store.get(owner.id).unwrap().runner, None);
    assert_eq!(f.list(&by_runner), []);
}

pub fn a_claim_that_begins_records_both_steps(f: &Fixture) {
    f.clock.advance(3);
    let owner = f.start(call());
    let history = f.store.history(owner.id).unwrap();
    let lines: Vec<_> = history.iter().map(|line| (line.status, line.at, &*line.runner)).collect();
    let at = START + 3;
    assert_eq!(lines, [(Status::Registered, at, ""), (Status::Pending, at, "r1"), (Status::Running, at, "r1")]);
}

pub fn a_claim_that_does_not_begin_is_pending(f: &Fixture) {
    let id = f.submit(call());
    let owner = f.claim_with(&only_claim(1)).claims[0].ownership();
    assert_eq!(f.status(id), Status::Pending);
    f.store.begin(owner).unwrap();
    assert_eq!(f.status(id), Status::Running);
    assert_eq!(f.trail(id), [Status::Registered, Status::Pending, Status::Running]);
}

pub fn beginning_again_is_harmless(f: &Fixture) {
    let owner = f.start(call());
    let target = f.submit(call());
    f.store.begin(owner).unwrap();
    f.pause(owner, &[target]);
    f.store.begin(owner).unwrap();
    assert_eq!(f.trail(owner.id), [Status::Registered, Status::Pending, Status::Running, Status::Paused]);
}

pub fn only_the_owner_can_begin(f: &Fixture) {
    let id = f.submit(call());
    let owner = f.claim_with(&only_claim(1)).claims[0].ownership();
    assert_eq!(f.store.begin(stale(owner)), Err(Error::NotOwner { id, status: Status::Pending }));
    assert_eq!(f.status(id), Status::Pending);
    f.settle(owner, release(0));
    assert_eq!(f.store.begin(owner), Err(Error::NotOwner { id, status: Status::Rerouted }));
    let owner = Ownership { id: unknown(), ..owner };
    assert_eq!(f.store.begin(owner), Err(Error::NotFound(owner.id)));
}

pub fn a_claim_says_what_happened_before(f: &Fixture) {
    let owner = f.start(call());
    f.settle(owner, retry(0));
    f.settle(f.claim_one(), release(0));
    f.settle(f.claim_one(), release(0));
    f.claim_one();
    f.clock.advance(LEASE);
    f.recover();
    let claim = f.claim_alone(1).remove(0);
    assert_eq!((claim.retries, claim.releases, claim.recoveries), (1, 2, 1));
}

pub fn a_cancelled_invocation_is_not_claimed(f: &Fixture) {
    let ids = f.submit_plain(2);
    f.store.cancel(ids[0], Reach::Queue).unwrap();
    assert_eq!(f.claim_ids(5), ids[1..]);
}
