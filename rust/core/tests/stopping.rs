//! What a runner does with outcomes that arrive after it was told to stop.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::flaky::Flaky;
use common::{config, submit};
use pynenc_core::clock::SystemClock;
use pynenc_core::memory::MemoryStore;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::runner::Engine;
use pynenc_core::settle::Outcome;
use pynenc_core::status::Status;
use pynenc_core::store::Store;

const PATIENCE: Duration = Duration::from_secs(20);

fn memory() -> Arc<dyn Store> {
    MemoryStore::new(Arc::new(SystemClock), 86_400_000)
}

fn started(store: &Arc<dyn Store>, lease: Duration) -> Engine {
    let runner = Engine::new(store.clone(), config(1, lease)).unwrap();
    runner.start().unwrap();
    runner
}

#[test]
fn a_stopping_runner_sends_the_outcome_of_a_body_whose_thread_never_returns() {
    let store = memory();
    let runner = started(&store, Duration::from_secs(30));
    let id = submit(&store, 1)[0];
    let claim = runner.next().unwrap().unwrap();
    runner.stop();
    // Given up by the thread that keeps the time; the thread of the body does not ask for more work.
    runner.finish(claim.ownership(), Outcome::Failure([].into()));
    assert_eq!(runner.drain(Instant::now() + PATIENCE), 0);
    assert_eq!(store.get(id).unwrap().status, Status::Failed);
    runner.close().unwrap();
}

#[test]
fn an_outcome_given_while_the_runner_drains_ends_the_drain() {
    let store = memory();
    let runner = started(&store, Duration::from_secs(30));
    let id = submit(&store, 1)[0];
    let claim = runner.next().unwrap().unwrap();
    runner.stop();
    std::thread::scope(|scope| {
        let drained = scope.spawn(|| runner.drain(Instant::now() + PATIENCE));
        runner.finish(claim.ownership(), Outcome::Failure([].into()));
        assert_eq!(drained.join().unwrap(), 0);
    });
    assert_eq!(store.get(id).unwrap().status, Status::Failed);
    runner.close().unwrap();
}

#[test]
fn a_lease_is_renewed_until_the_store_has_the_last_outcome() {
    let flaky = Flaky::over(memory(), usize::MAX, 0);
    let store: Arc<dyn Store> = flaky.clone();
    let runner = started(&store, Duration::from_millis(300));
    let id = submit(&store, 1)[0];
    let claim = runner.next().unwrap().unwrap();
    runner.stop();
    runner.finish(claim.ownership(), Outcome::Failure([].into()));
    std::thread::scope(|scope| {
        let drained = scope.spawn(|| runner.drain(Instant::now() + PATIENCE));
        let (deadline, enough) = (Instant::now() + PATIENCE, flaky.beats.load(Ordering::SeqCst) + 10);
        while flaky.beats.load(Ordering::SeqCst) < enough {
            assert!(Instant::now() < deadline, "the runner renews the lease");
            assert_eq!(store.recover(RecoveryPolicy::default()).unwrap().found(), 0);
            std::thread::yield_now();
        }
        flaky.fail_before.store(0, Ordering::SeqCst);
        assert_eq!(drained.join().unwrap(), 0);
    });
    let record = store.get(id).unwrap();
    assert_eq!((record.status, record.recoveries), (Status::Failed, 0));
    runner.close().unwrap();
}
