//! A runner and the invocations that run alone in their process: nothing runs beside them, and their turn comes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::mpsc::channel;
use std::time::Instant;

use common::alone::*;
use common::{submit, submit_below};
use pynenc_core::runner::{Lines, Parked, Phase};
use pynenc_core::settle::Outcome;
use pynenc_core::status::Status;
use pynenc_core::wait::Waiter;

#[test]
fn what_runs_alone_begins_when_nothing_else_runs_and_nothing_begins_beside_it() {
    let store = memory();
    let runner = runner(&store, 3);
    submit(&store, 1);
    let plain = runner.next().unwrap().unwrap();
    let ids = suspects(&store, 2);
    let asked = asks(&runner);
    runner.look_alone(2);
    until("the first is held", || is_held(&runner, ids[0]));
    let later = submit(&store, 1)[0];
    assert_eq!(store.get(ids[0]).unwrap().status, Status::Pending, "it has not begun");
    runner.settle(plain.ownership(), success());
    let first = runner.next().unwrap().unwrap();
    assert_eq!((first.id, store.get(first.id).unwrap().status), (ids[0], Status::Running));
    assert_eq!(store.get(later).unwrap().status, Status::Registered, "nothing is claimed beside it");
    assert!(asked.try_recv().is_err());
    runner.settle(first.ownership(), success());
    let second = runner.next().unwrap().unwrap();
    assert_eq!(second.id, ids[1]);
    runner.settle(second.ownership(), success());
    assert_eq!(runner.next().unwrap().unwrap().id, later);
    runner.close().unwrap();
}

#[test]
fn a_body_that_waits_for_what_runs_alone_goes_on_after_it() {
    let store = memory();
    let runner = runner(&store, 1);
    submit(&store, 1);
    let parent = runner.next().unwrap().unwrap();
    let child = suspects(&store, 1);
    let mut waiter = Waiter::new(store.clone(), &child);
    assert!(matches!(runner.park(parent.ownership(), &mut waiter).unwrap(), Parked::Lent { .. }));
    runner.look_alone(1);
    let alone = runner.next().unwrap().unwrap();
    assert_eq!(alone.id, child[0]);
    let other = submit_below(&store, 1, Some(&alone));
    // The parent gives up waiting: it goes on when the other one has ended, and so does its child.
    let (sender, resumed) = channel();
    let (owner, mailbox, thread) = (parent.ownership(), waiter.mailbox().clone(), runner.clone());
    std::thread::spawn(move || sender.send(thread.unpark(owner, &mailbox).unwrap()));
    until("the parent is in line", || runner.live().contains(&(owner, Phase::Resuming)));
    assert!(resumed.try_recv().is_err());
    let mut waits = Waiter::new(store.clone(), &other);
    assert!(matches!(runner.park(alone.ownership(), &mut waits).unwrap(), Parked::Lent { .. }));
    assert!(resumed.recv_timeout(PATIENCE).unwrap());
    runner.settle(owner, success());
    let grandchild = runner.next().unwrap().unwrap();
    assert_eq!(grandchild.id, other[0]);
    runner.settle(grandchild.ownership(), success());
    let asked = asks(&runner);
    until("its outcome is sent", || store.get(other[0]).unwrap().status == Status::Success);
    assert!(runner.unpark(alone.ownership(), waits.mailbox()).unwrap());
    runner.settle(alone.ownership(), success());
    runner.stop();
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), None);
    runner.close().unwrap();
}

#[test]
fn steady_short_work_does_not_keep_what_runs_alone_waiting() {
    let store = memory();
    let runner = runner(&store, 2);
    let ids = suspects(&store, 1);
    submit(&store, 5_000);
    let mut at = None;
    for turn in 0..5_000 {
        if turn == 100 {
            runner.look_alone(1);
        }
        let claim = runner.next().unwrap().unwrap();
        if claim.id == ids[0] {
            at = Some(turn);
            let live = runner.live();
            assert_eq!(live, [(claim.ownership(), Phase::Holding)], "nothing was taken ahead");
        }
        runner.settle(claim.ownership(), success());
    }
    assert!(at.is_some_and(|turn| turn < 2_000), "{at:?}");
    runner.close().unwrap();
}

#[test]
fn a_held_claim_goes_back_when_its_runner_stops_and_does_not_count() {
    let store = memory();
    let runner = runner(&store, 1);
    submit(&store, 1);
    let plain = runner.next().unwrap().unwrap();
    let ids = suspects(&store, 1);
    assert_eq!(store.get(ids[0]).unwrap().recoveries, 1, "it was the only one");
    let asked = asks(&runner);
    runner.look_alone(1);
    until("it is held", || is_held(&runner, ids[0]));
    runner.stop();
    runner.settle(plain.ownership(), success());
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), None);
    runner.close().unwrap();
    let record = store.get(ids[0]).unwrap();
    assert_eq!((record.status, record.releases, record.recoveries), (Status::Rerouted, 1, 1));
}

#[test]
fn a_retry_of_what_runs_alone_comes_back_when_it_is_due() {
    let store = memory();
    let runner = runner(&store, 2);
    let ids = suspects(&store, 1);
    runner.look_alone(1);
    let claim = runner.next().unwrap().unwrap();
    let due = pynenc_core::clock::Clock::wall(&pynenc_core::clock::SystemClock) + 150;
    runner.settle(claim.ownership(), Outcome::Retry { due, note: "again".into() });
    let again = runner.next().unwrap().unwrap();
    assert_eq!((again.id, again.retries), (ids[0], 1));
    runner.settle(again.ownership(), success());
    runner.close().unwrap();
}

#[test]
fn a_runner_that_leaves_them_to_others_claims_none_and_knows_of_them() {
    let store = memory();
    let beside = runner_of(&store, 2, Lines::Beside);
    let ids = suspects(&store, 2);
    let plain = submit(&store, 1)[0];
    beside.look_alone(2);
    assert_eq!(beside.next().unwrap().unwrap().id, plain);
    assert_eq!(beside.waiting_alone(), 2);
    let alone = runner_of(&store, 1, Lines::Alone);
    submit(&store, 1);
    for id in &ids {
        let claim = alone.next().unwrap().unwrap();
        assert_eq!(claim.id, *id);
        alone.settle(claim.ownership(), success());
    }
    let asked = asks(&alone);
    until("its outcome is sent", || store.get(ids[1]).unwrap().status == Status::Success);
    alone.stop();
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), None, "it claims nothing else");
    alone.close().unwrap();
    beside.close().unwrap();
}

#[test]
fn a_users_own_runner_gets_one_that_runs_alone_by_itself() {
    let store = memory();
    let runner = runner(&store, 4);
    submit(&store, 1);
    let plain = runner.claim(4, &[]).unwrap().remove(0);
    let ids = suspects(&store, 2);
    submit(&store, 1);
    runner.look_alone(2);
    assert!(runner.wait_for_work(Instant::now() + PATIENCE));
    assert_eq!(runner.claim(4, &[]).unwrap(), [], "its process shall come to rest");
    runner.settle_now(plain.ownership(), Outcome::Release { due: 0, note: "".into() }).unwrap();
    for id in &ids {
        assert!(runner.wait_for_work(Instant::now() + PATIENCE));
        let claims = runner.claim(4, &[]).unwrap();
        assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [*id]);
        assert_eq!(runner.claim(4, &[]).unwrap(), [], "nothing beside it");
        runner.begin(claims[0].ownership()).unwrap();
        runner.settle_now(claims[0].ownership(), success()).unwrap();
    }
    assert_eq!(runner.claim(4, &[]).unwrap().len(), 2);
    runner.close().unwrap();
}

#[test]
fn one_that_runs_alone_goes_on_beside_a_long_body_when_that_takes_too_long() {
    let store = memory();
    let runner = runner(&store, 3);
    suspects(&store, 1);
    runner.look_alone(1);
    let parent = runner.next().unwrap().unwrap();
    let ids = submit_below(&store, 2, Some(&parent));
    let mut waiter = Waiter::new(store.clone(), &ids[..1]);
    assert!(matches!(runner.park(parent.ownership(), &mut waiter).unwrap(), Parked::Lent { .. }));
    let (child, long) = (runner.next().unwrap().unwrap(), runner.next().unwrap().unwrap());
    assert_eq!([child.id, long.id], [ids[0], ids[1]]);
    runner.settle(child.ownership(), success());
    let (sender, resumed) = channel();
    let (owner, mailbox, thread) = (parent.ownership(), waiter.mailbox().clone(), runner.clone());
    std::thread::spawn(move || sender.send(thread.unpark(owner, &mailbox).unwrap()));
    let later = submit(&store, 1)[0];
    let asked = asks(&runner);
    assert!(resumed.recv_timeout(PATIENCE).unwrap());
    assert!(runner.live().contains(&(long.ownership(), Phase::Holding)), "beside this");
    let third = asked.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(third.id, later, "the runner works on");
    for claim in [&parent, &long, &third] {
        runner.settle(claim.ownership(), success());
    }
    runner.close().unwrap();
}

#[test]
fn a_runner_learns_of_what_runs_alone_from_its_own_sweep() {
    let store = memory();
    let ids = suspects(&store, 1);
    let runner = runner(&store, 2);
    assert_eq!(runner.next().unwrap().unwrap().id, ids[0]);
    runner.close().unwrap();
}
