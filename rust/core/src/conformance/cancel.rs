//! Cancellation of invocations that a runner owns.

use super::kit::*;
use super::threads::race;
use crate::cancel::{CANCELLED_WHILE_RUNNING, Cancelled, Reach};
use crate::claim::ClaimRequest;
use crate::ids::{InvocationId, Ownership};
use crate::notify::Listener;
use crate::recover::RecoveryPolicy;
use crate::settle::{Outcome, Settled};
use crate::status::Status;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

fn wish(f: &Fixture, owner: Ownership) {
    assert_eq!(f.store.cancel(owner.id, Reach::Runners), Ok(Cancelled::Requested));
}

fn wished_of(f: &Fixture, runner: &str) -> Vec<InvocationId> {
    f.store.beat(&runner.into(), LEASE).unwrap().cancelled
}

pub fn an_invocation_in_the_queue_ends_at_once_with_either_reach(f: &Fixture) {
    let id = f.submit(call());
    assert_eq!(f.store.cancel(id, Reach::Runners), Ok(Cancelled::Done));
    assert_eq!(f.status(id), Status::Cancelled);
    assert_eq!(f.store.cancel(id, Reach::Runners), Ok(Cancelled::Finished));
}

pub fn a_request_changes_only_the_answer_of_a_beat(f: &Fixture) {
    let (owner, other) = (f.start(call()), f.start(call()));
    wish(f, owner);
    wish(f, owner);
    assert_eq!(f.status(owner.id), Status::Running);
    assert_eq!(wished_of(f, "r1"), [owner.id]);
    assert_eq!(wished_of(f, "r1"), [owner.id], "told until it is settled");
    assert_eq!(wished_of(f, "r2"), []);
    assert_eq!(f.settle(owner, Outcome::Cancelled { reason: "interrupted".into() }), Settled::Done);
    assert_eq!(wished_of(f, "r1"), []);
    let end = f.terminal(owner.id);
    assert_eq!((end.status, end.payload, end.reason.as_deref()), (Status::Cancelled, None, Some("interrupted")));
    assert_eq!(f.trail(owner.id), [Status::Registered, Status::Pending, Status::Running, Status::Cancelled]);
    assert_eq!(f.settle(owner, Outcome::Cancelled { reason: "again".into() }), Settled::Replayed);
    f.succeed(other);
}

pub fn a_body_that_ends_before_it_is_interrupted_has_its_own_outcome(f: &Fixture) {
    let (well, badly) = (f.start(call()), f.start(call()));
    wish(f, well);
    wish(f, badly);
    f.succeed(well);
    assert_eq!(f.settle(badly, failure("raised")), Settled::Done);
    assert_eq!((f.status(well.id), f.status(badly.id)), (Status::Success, Status::Failed));
    assert_eq!(wished_of(f, "r1"), []);
}

pub fn a_cancelled_body_is_neither_retried_nor_handed_back(f: &Fixture) {
    let (retried, released) = (f.start(call().parks("k", 2)), f.start(call().parks("k", 2)));
    let next = f.submit(call().parks("k", 2));
    assert_eq!(f.claim_ids(1), []);
    wish(f, retried);
    wish(f, released);
    assert_eq!(f.settle(retried, retry(0)), Settled::Done);
    assert_eq!(f.settle(released, release(0)), Settled::Done);
    for owner in [retried, released] {
        let end = f.terminal(owner.id);
        assert_eq!((end.status, end.reason.as_deref()), (Status::Cancelled, Some(CANCELLED_WHILE_RUNNING)));
    }
    assert_eq!(f.claim_ids(3), [next], "its place under the key is free");
}

pub fn a_body_that_waits_can_be_cancelled(f: &Fixture) {
    let target = f.submit(call());
    let waiter = {
        let id = f.submit(call().priority(1.0));
        let owner = f.claim_one();
        assert_eq!(owner.id, id);
        owner
    };
    f.pause(waiter, &[target]);
    wish(f, waiter);
    assert_eq!(wished_of(f, "r1"), [waiter.id]);
    assert_eq!(f.settle(waiter, Outcome::Cancelled { reason: "interrupted".into() }), Settled::Done);
    assert_eq!(f.claim_ids(2), [target], "what it waited for goes on");
    let trail = [Status::Registered, Status::Pending, Status::Running, Status::Paused, Status::Cancelled];
    assert_eq!(f.trail(waiter.id), trail, "it did not run again on its way");
}

pub fn a_body_that_waits_is_not_retried_after_a_request(f: &Fixture) {
    let waiter = f.start(call());
    f.pause(waiter, &[f.submit(call())]);
    wish(f, waiter);
    f.settle(waiter, retry(0));
    let trail = [Status::Registered, Status::Pending, Status::Running, Status::Paused, Status::Cancelled];
    assert_eq!(f.trail(waiter.id), trail);
}

pub fn what_was_claimed_and_not_begun_can_be_cancelled(f: &Fixture) {
    f.submit(call());
    let owner = f.claim_with(&ClaimRequest { begin: false, ..request(1) }).claims[0].ownership();
    wish(f, owner);
    assert_eq!(wished_of(f, "r1"), [owner.id]);
    assert_eq!(f.settle(owner, Outcome::Cancelled { reason: "not begun".into() }), Settled::Done);
    assert_eq!(f.trail(owner.id), [Status::Registered, Status::Pending, Status::Cancelled]);
}

pub fn a_cancelled_body_does_not_outlive_its_runner(f: &Fixture) {
    let (expired, other) = (f.start(call()), f.start(call()));
    wish(f, expired);
    f.clock.advance(LEASE + 1);
    let recovered = f.recover();
    assert_eq!((recovered.cancelled, recovered.requeued), (vec![expired.id], vec![other.id]));
    assert_eq!(f.terminal(expired.id).reason.as_deref(), Some(CANCELLED_WHILE_RUNNING));
    assert_eq!(f.settle(expired, success("late")), Settled::Stale);
    let killed = f.claim_one_alone();
    assert_eq!(killed.id, other.id);
    wish(f, killed);
    let recovered = f.store.revoke(&"r1".into(), "killed by signal 9", RecoveryPolicy::default()).unwrap();
    assert_eq!((recovered.cancelled, recovered.requeued), (vec![killed.id], vec![]));
    assert_eq!(wished_of(f, "r1"), []);
}

pub fn its_waiters_are_notified(f: &Fixture) {
    let owner = f.start(call());
    wish(f, owner);
    f.expect_mail(&[owner.id], || f.settle(owner, release(0)));
    let owner = f.start(call());
    wish(f, owner);
    f.clock.advance(LEASE + 1);
    f.expect_mail(&[owner.id], || f.recover());
}

struct RequestListener(Sender<Option<String>>);

impl Listener for RequestListener {
    fn work_may_be_available(&self) {}

    fn cancellation_requested(&self, runner: Option<&str>) {
        // The case may have ended.
        let _ = self.0.send(runner.map(str::to_owned));
    }
}

pub fn its_runner_is_notified_of_the_request(f: &Fixture) {
    let (sender, heard) = channel();
    let request_listener: Arc<dyn Listener> = Arc::new(RequestListener(sender));
    f.store.hub().listen(Arc::downgrade(&request_listener));
    wish(f, f.start(call()));
    let runner = heard.recv_timeout(PATIENCE).expect("the runner is told");
    assert!(runner.is_none_or(|runner| runner == "r1"));
}

pub fn a_request_and_an_end_have_one_winner(f: &Fixture) {
    for _ in 0..20 {
        let owner = f.start(call());
        let (wished, settled) =
            race(|| f.store.cancel(owner.id, Reach::Runners).unwrap(), || f.settle(owner, retry(0)));
        assert_eq!(settled, Settled::Done);
        match wished {
            // The request came in time, or the invocation was in the queue again.
            Cancelled::Requested | Cancelled::Done => assert_eq!(f.status(owner.id), Status::Cancelled),
            other => panic!("{other:?}"),
        }
        assert_eq!(f.claim_ids(1), []);
    }
}
