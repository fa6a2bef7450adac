//! Many threads on one handle: the verbs happen as if one after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::sync::Mutex;

use super::kit::*;
use crate::Error;
use crate::cancel::{Cancelled, Reach};
use crate::claim::{Claim, ClaimRequest};
use crate::ids::InvocationId;
use crate::pause::Paused;
use crate::result::Filter;
use crate::settle::Settled;
use crate::status::Status;
use crate::submit::Submitted;

/// Lets `threads` runners claim up to three at a time and give each claim to `body`, until `total` were claimed.
fn run_all(f: &Fixture, threads: usize, total: usize, body: impl Fn(&Claim) + Sync) {
    let done = AtomicUsize::new(0);
    let give_up = Instant::now() + PATIENCE;
    std::thread::scope(|scope| {
        for n in 0..threads {
            let (done, body) = (&done, &body);
            scope.spawn(move || {
                let request = ClaimRequest { runner: format!("r{n}").into(), ..request(3) };
                while done.load(Ordering::SeqCst) < total {
                    assert!(Instant::now() < give_up, "{done:?} of {total} came out of the queue");
                    for claim in f.claim_with(&request).claims {
                        body(&claim);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    std::thread::yield_now();
                }
            });
        }
    });
}

/// Lets two threads begin at the same time; returns both answers.
pub(super) fn race<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            start.wait();
            a()
        });
        start.wait();
        let second = b();
        (first.join().unwrap(), second)
    })
}

pub fn two_runners_never_share_an_invocation(f: &Fixture) {
    let ids: HashSet<InvocationId> = f.submit_plain(100).into_iter().collect();
    let taken = Mutex::new(HashMap::new());
    run_all(f, 6, 100, |claim| {
        assert_eq!(taken.lock().insert(claim.id, claim.fence), None, "claimed twice");
    });
    assert_eq!(taken.into_inner().into_keys().collect::<HashSet<_>>(), ids);
}

pub fn the_limit_of_a_key_holds_under_contention(f: &Fixture) {
    const LIMIT: u32 = 2;
    let (running, total) = (AtomicUsize::new(0), 60);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..total / 2 {
                    f.submit(call().parks("k", LIMIT));
                }
            });
        }
        run_all(f, 4, total, |claim| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(now <= LIMIT as usize, "{now} ran at a time under a limit of {LIMIT}");
            std::thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            f.succeed(claim.ownership());
        });
    });
    assert_eq!(f.store.count(&Filter { statuses: vec![Status::Success], ..Filter::default() }), Ok(total));
}

pub fn a_call_sent_by_many_threads_is_stored_once(f: &Fixture) {
    let one = call().0;
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(f.store.submit(std::slice::from_ref(&one)), Ok(vec![Submitted::New(one.id)])));
        }
    });
    assert_eq!(f.claim_ids(10), [one.id]);
}

pub fn a_registration_key_lets_one_of_many_threads_in(f: &Fixture) {
    let new = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let answer = f.store.submit(&[call().registration("k", false).0]).unwrap();
                new.fetch_add(matches!(answer[0], Submitted::New(_)) as usize, Ordering::SeqCst);
            });
        }
    });
    assert_eq!(new.into_inner(), 1);
    assert_eq!(f.claim_ids(10).len(), 1);
}

pub fn two_settlements_of_one_claim_leave_one_outcome(f: &Fixture) {
    for _ in 0..20 {
        let owner = f.start(call());
        let (a, b) = race(|| f.settle(owner, success("a")), || f.settle(owner, success("b")));
        let winner = match (a, b) {
            (Settled::Done, Settled::Replayed) => "a",
            (Settled::Replayed, Settled::Done) => "b",
            other => panic!("{other:?}"),
        };
        assert_eq!(f.terminal(owner.id).payload, Some(bytes(winner)));
    }
}

pub fn a_cancellation_and_a_claim_have_one_winner(f: &Fixture) {
    for _ in 0..20 {
        let id = f.submit(call());
        let (cancelled, claimed) = race(|| f.store.cancel(id, Reach::Queue).unwrap(), || f.claim(1));
        match (cancelled, claimed.first()) {
            (Cancelled::Done, None) => assert_eq!(f.status(id), Status::Cancelled),
            (Cancelled::Claimed, Some(claim)) => f.succeed(claim.ownership()),
            other => panic!("{other:?}"),
        }
    }
}

pub fn a_settlement_and_a_recovery_have_one_winner(f: &Fixture) {
    for _ in 0..20 {
        let owner = f.start(call());
        f.clock.advance(LEASE);
        let (settled, recovered) = race(|| f.settle(owner, success("v")), || f.recover().requeued);
        match (settled, &recovered[..]) {
            (Settled::Done, []) => assert_eq!(f.status(owner.id), Status::Success),
            (Settled::Stale, [id]) if *id == owner.id => f.succeed(f.claim_one_alone()),
            other => panic!("{other:?}"),
        }
    }
}

pub fn two_recoveries_queue_nothing_twice(f: &Fixture) {
    f.submit_plain(20);
    f.claim(20);
    f.clock.advance(LEASE);
    let (a, b) = race(|| f.recover().requeued, || f.recover().requeued);
    assert_eq!(a.iter().chain(&b).collect::<HashSet<_>>().len(), 20);
    assert_eq!((a.len() + b.len(), f.claim_alone(100).len()), (20, 20));
}

pub fn of_two_bodies_that_wait_for_each_other_one_is_refused(f: &Fixture) {
    for _ in 0..20 {
        let (a, b) = (f.start(call()), f.start(call()));
        match race(|| f.store.pause(a, &[b.id]), || f.store.pause(b, &[a.id])) {
            (Ok(Paused::Parked), Err(Error::Cycle(_))) | (Err(Error::Cycle(_)), Ok(Paused::Parked)) => {}
            other => panic!("{other:?}"),
        }
        f.succeed(a);
        f.succeed(b);
    }
}
