//! What the store holds under the name of a runner that does not know of it, as after a server has gone back in time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::flaky::Flaky;
use common::{config, submit};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::SystemClock;
use pynenc_core::memory::MemoryStore;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::runner::Engine;
use pynenc_core::settle::Outcome;
use pynenc_core::status::Status;
use pynenc_core::store::Store;

const PATIENCE: Duration = Duration::from_secs(20);
/// Far longer than a test: nothing ends by itself.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(300);

fn memory() -> Arc<dyn Store> {
    MemoryStore::new(Arc::new(SystemClock), 86_400_000)
}

fn started(store: &Arc<dyn Store>, lease: Duration) -> Arc<Engine> {
    let runner = Arc::new(Engine::new(store.clone(), config(2, lease)).unwrap());
    runner.start().unwrap();
    runner
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in time");
        std::thread::yield_now();
    }
}

/// One invocation that the store says this runner runs, though it never heard of it.
fn forgotten(store: &Arc<dyn Store>, runner: &Engine) -> Claim {
    let id = submit(store, 1)[0];
    let request = ClaimRequest {
        runner: runner.key().clone(),
        limit: 1,
        queues: Arc::new([]),
        lease: 600_000,
        begin: true,
        alone: false,
        order: Default::default(),
    };
    let claim = store.claim(&request).unwrap().claims.remove(0);
    assert_eq!(claim.id, id);
    claim
}

fn was_given_back(store: &Arc<dyn Store>, claim: &Claim) -> bool {
    let record = store.get(claim.id).unwrap();
    assert_eq!(record.recoveries, 0);
    record.releases == 1
}

#[test]
fn a_runner_that_is_idle_gives_back_what_it_does_not_know_when_the_store_may_have_changed() {
    let store = memory();
    let runner = started(&store, LONG);
    submit(&store, 1);
    let known = runner.next().unwrap().unwrap();
    runner.settle_now(known.ownership(), Outcome::Success([].into())).unwrap();
    let claim = forgotten(&store, &runner);
    store.hub().look_again();
    wait_until(|| was_given_back(&store, &claim));
    let trail: Vec<_> = store.history(claim.id).unwrap().iter().map(|entry| entry.status).collect();
    assert!(trail.ends_with(&[Status::Killed, Status::Rerouted]), "{trail:?}");
    runner.close().unwrap();
}

#[test]
fn a_runner_that_is_busy_gives_back_what_it_does_not_know_and_keeps_what_it_runs() {
    let store = memory();
    let runner = started(&store, SHORT);
    submit(&store, 1);
    let known = runner.next().unwrap().unwrap();
    let claim = forgotten(&store, &runner);
    wait_until(|| was_given_back(&store, &claim));
    assert_eq!(runner.live()[0].0, known.ownership());
    runner.settle_now(known.ownership(), Outcome::Success([].into())).unwrap();
    assert_eq!(store.get(known.id).unwrap().status, Status::Success);
    runner.close().unwrap();
}

#[test]
fn a_claim_whose_answer_is_on_its_way_is_not_given_back() {
    let flaky = Flaky::over(memory(), 0, 0);
    let store: Arc<dyn Store> = flaky.clone();
    let runner = started(&store, SHORT);
    let id = submit(&store, 1)[0];
    flaky.hold_claims(true);
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| runner.next().unwrap().unwrap());
        wait_until(|| store.get(id).unwrap().status == Status::Running);
        let enough = flaky.beats.load(Ordering::SeqCst) + 10;
        wait_until(|| {
            store.hub().look_again();
            flaky.beats.load(Ordering::SeqCst) >= enough
        });
        assert_eq!(store.get(id).unwrap().releases, 0);
        flaky.hold_claims(false);
        let claim = taken.join().unwrap();
        runner.settle_now(claim.ownership(), Outcome::Success([].into())).unwrap();
    });
    let record = store.get(id).unwrap();
    assert_eq!((record.status, record.releases, record.recoveries), (Status::Success, 0, 0));
    runner.close().unwrap();
}

#[test]
fn what_is_given_back_while_claims_go_on_runs_once() {
    let store = memory();
    let runner = started(&store, SHORT);
    let claim = forgotten(&store, &runner);
    let deadline = Instant::now() + PATIENCE;
    let mut ran = 0;
    // One request after the other, as under load: hardly any look finds none under way.
    while ran == 0 {
        assert!(Instant::now() < deadline, "it is given back");
        submit(&store, 1);
        let next = runner.next().unwrap().unwrap();
        ran += usize::from(next.id == claim.id);
        runner.settle(next.ownership(), Outcome::Success([].into()));
    }
    runner.stop();
    assert_eq!(runner.drain(Instant::now() + PATIENCE), 0);
    let record = store.get(claim.id).unwrap();
    assert_eq!((record.status, record.releases, record.recoveries), (Status::Success, 1, 0));
    runner.close().unwrap();
}

#[test]
fn a_claim_that_was_lost_before_its_body_began_is_not_begun() {
    let store = memory();
    let runner = started(&store, SHORT);
    let ids = submit(&store, 2);
    let begun = runner.next().unwrap().unwrap();
    let other = ids.into_iter().find(|id| *id != begun.id).unwrap();
    assert!(runner.live().iter().any(|(owner, _)| owner.id == other), "it waits for a thread");
    store.revoke(runner.key(), "a test", RecoveryPolicy::default()).unwrap();
    wait_until(|| !runner.live().iter().any(|(owner, _)| owner.id == other));
    runner.close().unwrap();
    assert_eq!(store.get(other).unwrap().releases, 0, "it was not this runner's to give back");
}
