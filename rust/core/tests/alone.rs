//! A runner and the invocations that run alone in their process: nothing runs beside them, and their turn comes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::flaky::Flaky;
use common::{config, submit, submit_below};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::ids::InvocationId;
use pynenc_core::memory::MemoryStore;
use pynenc_core::runner::slots::Phase;
use pynenc_core::runner::{Lines, Parked, Runner};
use pynenc_core::settle::Outcome;
use pynenc_core::status::Status;
use pynenc_core::store::Store;
use pynenc_core::wait::Waiter;

const PATIENCE: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_secs(3600);

fn memory() -> Arc<dyn Store> {
    MemoryStore::open()
}

fn runner(store: &Arc<dyn Store>, slots: usize) -> Arc<Runner> {
    runner_of(store, slots, Lines::Both)
}

fn runner_of(store: &Arc<dyn Store>, slots: usize, lines: Lines) -> Arc<Runner> {
    let runner =
        Runner::new(store.clone(), pynenc_core::runner::RunnerConfig { lines, ..config(slots, LEASE) }).unwrap();
    runner.start().unwrap();
    Arc::new(runner)
}

/// So many that ran beside each other when their process died.
fn suspects(store: &Arc<dyn Store>, count: usize) -> Vec<InvocationId> {
    let ids = submit(store, count);
    let request = ClaimRequest {
        runner: "dead".into(),
        limit: count,
        queues: Arc::new([]),
        lease: 60_000,
        begin: true,
        alone: false,
        order: Default::default(),
    };
    assert_eq!(store.claim(&request).unwrap().claims.len(), count);
    assert_eq!(store.revoke(&"dead".into(), "killed", Default::default()).unwrap().alone, count);
    ids
}

fn success() -> Outcome {
    Outcome::Success([].into())
}

/// A thread of the runner that asks for work once.
fn asks(runner: &Arc<Runner>) -> Receiver<Option<Claim>> {
    let (sender, receiver) = channel();
    let runner = runner.clone();
    std::thread::spawn(move || drop(sender.send(runner.next().unwrap())));
    receiver
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn is_held(runner: &Runner, id: InvocationId) -> bool {
    runner.live().iter().any(|(owner, phase)| owner.id == id && *phase == Phase::Ahead)
}

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
fn what_is_held_goes_back_when_its_runner_stops_and_nobody_is_counted() {
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

/// A thread of a user's own runner that claims once.
fn claims(runner: &Arc<Runner>, limit: usize) -> Receiver<Vec<InvocationId>> {
    let (sender, receiver) = channel();
    let runner = runner.clone();
    std::thread::spawn(move || {
        let claims = runner.claim(limit, &[]).unwrap();
        drop(sender.send(claims.iter().map(|claim| claim.id).collect()));
    });
    receiver
}

#[test]
fn a_thread_of_a_users_own_runner_gets_nothing_while_another_one_asks_for_what_runs_alone() {
    let flaky = Flaky::over(memory(), 0, 0);
    let store: Arc<dyn Store> = flaky.clone();
    let runner = runner(&store, 4);
    let ids = suspects(&store, 1);
    let plain = submit(&store, 1)[0];
    runner.look_alone(1);
    flaky.hold_claims(true);
    let first = claims(&runner, 4);
    until("it is claimed", || store.get(ids[0]).unwrap().status == Status::Pending);
    assert_eq!(claims(&runner, 4).recv_timeout(PATIENCE).unwrap(), []);
    assert_eq!(store.get(plain).unwrap().status, Status::Registered);
    flaky.hold_claims(false);
    assert_eq!(first.recv_timeout(PATIENCE).unwrap(), ids);
    assert_eq!(runner.claim(4, &[]).unwrap(), []);
    runner.settle_now(runner.live()[0].0, Outcome::Release { due: i64::MAX / 2, note: "".into() }).unwrap();
    assert_eq!(claims(&runner, 4).recv_timeout(PATIENCE).unwrap(), [plain]);
    runner.close().unwrap();
}

#[test]
fn a_users_own_runner_does_not_look_for_what_runs_alone_while_it_claims_other_work() {
    let inner = memory();
    let flaky = Flaky::over(inner.clone(), 0, 0);
    let store: Arc<dyn Store> = flaky.clone();
    let runner = runner(&store, 4);
    let plain = submit(&store, 1);
    flaky.hold_claims(true);
    let first = claims(&runner, 1);
    until("it is claimed", || store.get(plain[0]).unwrap().status == Status::Pending);
    let ids = suspects(&inner, 1);
    runner.look_alone(1);
    assert_eq!(claims(&runner, 1).recv_timeout(PATIENCE).unwrap(), []);
    assert_eq!(store.get(ids[0]).unwrap().status, Status::Rerouted, "its process is not at rest");
    flaky.hold_claims(false);
    assert_eq!(first.recv_timeout(PATIENCE).unwrap(), plain);
    runner.settle_now(runner.live()[0].0, Outcome::Release { due: i64::MAX / 2, note: "".into() }).unwrap();
    assert!(runner.wait_for_work(Instant::now() + PATIENCE));
    assert_eq!(claims(&runner, 1).recv_timeout(PATIENCE).unwrap(), ids);
    runner.close().unwrap();
}

#[test]
fn who_got_nothing_while_another_thread_looked_in_vain_is_told_to_ask_again() {
    let inner = memory();
    let flaky = Flaky::over(inner.clone(), 0, 0);
    let store: Arc<dyn Store> = flaky.clone();
    let runner = runner(&store, 4);
    runner.look_alone(1);
    flaky.hold_claims(true);
    let first = claims(&runner, 1);
    submit(&store, 2);
    // Until the other one has asked, this one would.
    let mut second = Vec::new();
    until("it gets nothing", || runner.live().is_empty() && flaky.asked.load(Ordering::SeqCst) > 0);
    while runner.wait_for_work(Instant::now() + Duration::from_millis(1)) {
        second.extend(claims(&runner, 1).recv_timeout(PATIENCE).unwrap());
    }
    assert_eq!(second, []);
    flaky.hold_claims(false);
    assert_eq!(first.recv_timeout(PATIENCE).unwrap().len(), 1);
    assert!(runner.wait_for_work(Instant::now() + PATIENCE));
    assert_eq!(runner.claim(1, &[]).unwrap().len(), 1);
    runner.close().unwrap();
}

#[test]
fn a_users_own_runner_looks_again_after_a_look_that_failed() {
    let flaky = Flaky::over(memory(), 0, 0);
    let store: Arc<dyn Store> = flaky.clone();
    let runner = runner(&store, 4);
    let ids = suspects(&store, 1);
    runner.look_alone(1);
    while runner.wait_for_work(Instant::now() + Duration::from_millis(1)) {}
    flaky.fail_claims.store(1, Ordering::SeqCst);
    assert!(runner.claim(4, &[]).is_err());
    assert!(runner.wait_for_work(Instant::now() + PATIENCE), "it is told to");
    assert_eq!(claims(&runner, 4).recv_timeout(PATIENCE).unwrap(), ids);
    runner.close().unwrap();
}

#[test]
fn a_users_own_runner_looks_again_after_a_look_in_some_queues() {
    let store = memory();
    let runner = runner(&store, 4);
    let ids = suspects(&store, 1);
    runner.look_alone(1);
    assert_eq!(runner.claim(4, &["empty".into()]).unwrap(), []);
    assert_eq!(claims(&runner, 4).recv_timeout(PATIENCE).unwrap(), ids);
    runner.close().unwrap();
}

#[test]
fn a_users_own_runner_is_told_when_what_runs_alone_is_due() {
    let store = memory();
    let runner = runner(&store, 4);
    let ids = suspects(&store, 1);
    runner.look_alone(1);
    let claim = runner.claim(4, &[]).unwrap().remove(0);
    runner.begin(claim.ownership()).unwrap();
    let due = pynenc_core::clock::Clock::wall(&pynenc_core::clock::SystemClock) + 150;
    runner.settle_now(claim.ownership(), Outcome::Retry { due, note: "again".into() }).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let again = loop {
        assert!(runner.wait_for_work(deadline), "it is told");
        if let Some(claim) = runner.claim(4, &[]).unwrap().pop() {
            break claim;
        }
    };
    assert_eq!((again.id, again.retries), (ids[0], 1));
    runner.close().unwrap();
}
