//! A user's own runner and the invocations that run alone in their process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::alone::*;
use common::flaky::Flaky;
use common::submit;
use pynenc_core::ids::InvocationId;
use pynenc_core::runner::Engine;
use pynenc_core::settle::Outcome;
use pynenc_core::status::Status;
use pynenc_core::store::Store;

/// A thread of a user's own runner that claims once.
fn claims(runner: &Arc<Engine>, limit: usize) -> Receiver<Vec<InvocationId>> {
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
fn a_thread_that_got_nothing_during_a_vain_question_is_notified_to_ask_again() {
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
fn a_users_own_runner_is_notified_when_what_runs_alone_is_due() {
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
