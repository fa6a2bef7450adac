//! A store that is away: a body that waits goes on waiting, a client is told.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::flaky::Flaky;
use common::{config, submit, submit_below};
use pynenc_core::clock::SystemClock;
use pynenc_core::completions::Completions;
use pynenc_core::error::Error;
use pynenc_core::memory::MemoryStore;
use pynenc_core::poller::Poller;
use pynenc_core::runner::{Engine, Parked};
use pynenc_core::settle::Outcome;
use pynenc_core::store::Store;
use pynenc_core::wait::Waiter;

const PATIENCE: Duration = Duration::from_secs(20);

fn success() -> Outcome {
    Outcome::Success([].into())
}

fn flaky() -> (Arc<Flaky>, Arc<dyn Store>, Arc<Engine>) {
    let flaky = Flaky::over(MemoryStore::new(Arc::new(SystemClock), 86_400_000), 0, 0);
    let store: Arc<dyn Store> = flaky.clone();
    let runner = Engine::new(store.clone(), config(1, Duration::from_secs(60))).unwrap();
    runner.start().unwrap();
    (flaky, store, Arc::new(runner))
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it does not come true");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Be away until somebody was refused `times` more.
fn refuse(flaky: &Flaky, times: usize) {
    let before = flaky.refused.load(Ordering::SeqCst);
    wait_until(|| flaky.refused.load(Ordering::SeqCst) >= before + times);
    flaky.away.store(false, Ordering::SeqCst);
}

#[test]
fn a_wait_of_a_body_outlasts_the_absence_of_the_store_and_one_of_a_client_does_not() {
    let (flaky, store, runner) = flaky();
    submit(&store, 1);
    let claim = runner.next().unwrap().unwrap();
    let owner = claim.ownership();
    let child = submit_below(&store, 1, Some(&claim));
    let mut waiter = Waiter::new(store.clone(), &child);
    flaky.away.store(true, Ordering::SeqCst);
    assert_eq!(runner.park(owner, &mut waiter).unwrap(), Parked::Later);
    assert!(matches!(Waiter::new(store.clone(), &child).wait(None), Err(Error::Backend { .. })));
    assert!(waiter.wait(Some(Instant::now() + Duration::from_millis(300))).unwrap().is_empty(), "its deadline holds");
    flaky.away.store(false, Ordering::SeqCst);
    assert!(matches!(runner.park(owner, &mut waiter).unwrap(), Parked::Lent { .. }));
    let served = runner.next().unwrap().unwrap();
    runner.finish(served.ownership(), success());
    flaky.away.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        scope.spawn(|| runner.next());
        scope.spawn(|| refuse(&flaky, 3));
        // Told of the end of the child, it looks, and fails to.
        assert_eq!(waiter.wait(Some(Instant::now() + PATIENCE)).unwrap().len(), 1);
        flaky.away.store(true, Ordering::SeqCst);
        scope.spawn(|| refuse(&flaky, 3));
        assert!(runner.unpark(owner, waiter.mailbox()).unwrap());
        runner.stop();
    });
    runner.settle(owner, success());
    runner.close().unwrap();
}

#[test]
fn a_wait_of_a_body_ends_with_its_claim_though_the_store_is_away() {
    let (flaky, store, runner) = flaky();
    submit(&store, 1);
    let claim = runner.next().unwrap().unwrap();
    let child = submit_below(&store, 1, Some(&claim));
    let mut waiter = Waiter::new(store.clone(), &child);
    flaky.away.store(true, Ordering::SeqCst);
    assert_eq!(runner.park(claim.ownership(), &mut waiter).unwrap(), Parked::Later);
    runner.stop();
    runner.hand_back("over").unwrap();
    assert!(matches!(runner.park(claim.ownership(), &mut waiter), Err(Error::Backend { .. })));
    assert!(matches!(waiter.wait(Some(Instant::now() + PATIENCE)), Err(Error::Backend { .. })));
    runner.close().unwrap();
}

#[test]
fn a_body_on_an_event_loop_outlasts_the_absence_of_the_store_and_a_client_there_does_not() {
    let (flaky, store, runner) = flaky();
    submit(&store, 1);
    let owner = runner.next_batch(1).unwrap()[0].ownership();
    let never = submit(&store, 1);
    let poller = Poller::new();
    let (of_a_body, of_a_client) = (
        Completions::new(store.clone(), poller.clone(), || {}).unwrap(),
        Completions::new(store.clone(), poller, || {}).unwrap(),
    );
    of_a_body.set_patience(runner.patience(owner));
    flaky.away.store(true, Ordering::SeqCst);
    of_a_body.add(&never).unwrap();
    of_a_client.add(&never).unwrap();
    let lending = runner.lend(owner, never.clone(), &of_a_body);
    wait_until(|| !of_a_client.drain().failed.is_empty());
    // Its slot is not lent, and it looks again and again.
    refuse(&flaky, 5);
    assert!(of_a_body.drain().failed.is_empty());
    let other = runner.next_batch(1).unwrap().remove(0);
    assert_eq!(other.id, never[0], "the slot is lent out once the store is back");
    runner.finish(other.ownership(), success());
    let sender = runner.clone();
    let sent = std::thread::spawn(move || sender.next_batch(1));
    wait_until(|| !of_a_body.drain().finished.is_empty());
    flaky.away.store(true, Ordering::SeqCst);
    runner.end_lending(&lending, true);
    refuse(&flaky, 3);
    let mut regained = None;
    wait_until(|| {
        regained = of_a_body.drain().regained;
        regained.is_some()
    });
    assert_eq!(regained, Some(Ok(true)));
    runner.finish(owner, success());
    runner.close().unwrap();
    assert!(sent.join().unwrap().unwrap().is_empty());
}
