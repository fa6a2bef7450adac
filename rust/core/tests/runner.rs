//! The engine over the memory store: what a runner promises whatever store is below it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::flaky::Flaky;
use common::{config, submit, submit_below};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::error::Error;
use pynenc_core::ids::InvocationId;
use pynenc_core::memory::MemoryStore;
use pynenc_core::result::Filter;
use pynenc_core::runner::Phase;
use pynenc_core::runner::{Engine, Parked};
use pynenc_core::settle::{Outcome, Settled, Settlement};
use pynenc_core::status::Status;
use pynenc_core::store::Store;
use pynenc_core::wait::Waiter;

const PATIENCE: Duration = Duration::from_secs(20);

fn memory() -> Arc<dyn Store> {
    MemoryStore::new(Arc::new(SystemClock), 86_400_000)
}

fn runner(store: &Arc<dyn Store>, slots: usize) -> Arc<Engine> {
    let runner = Engine::new(store.clone(), config(slots, Duration::from_secs(30))).unwrap();
    runner.start().unwrap();
    Arc::new(runner)
}

fn success() -> Outcome {
    Outcome::Success([].into())
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in time");
        std::thread::yield_now();
    }
}

fn wait_all(store: &Arc<dyn Store>, ids: &[InvocationId]) -> Vec<Status> {
    let mut waiter = Waiter::new(store.clone(), ids);
    let (mut statuses, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while !waiter.is_done() {
        let news = waiter.wait(Some(deadline)).unwrap();
        assert!(!news.is_empty(), "{} of {} finished in time", statuses.len(), ids.len());
        statuses.extend(news.into_iter().map(|terminal| terminal.status));
    }
    statuses
}

/// Serve a runner as a built-in one does: threads that run `body`, more of them when the engine says so.
fn serve<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    runner: &Arc<Engine>,
    body: impl Fn(&Engine, &Claim, &dyn Fn()) -> Outcome + Send + Sync + 'static,
) {
    let body: Arc<Body> = Arc::new(body);
    let supervised = runner.clone();
    scope.spawn(move || {
        while !supervised.is_stopping() {
            for _ in 0..supervised.tend(Instant::now() + PATIENCE) {
                slot_thread(supervised.clone(), body.clone());
            }
        }
    });
}

type Body = dyn Fn(&Engine, &Claim, &dyn Fn()) -> Outcome + Send + Sync;

fn slot_thread(runner: Arc<Engine>, body: Arc<Body>) {
    std::thread::spawn(move || {
        while let Ok(Some(claim)) = runner.next() {
            let spawn = || slot_thread(runner.clone(), body.clone());
            let outcome = body(&runner, &claim, &spawn);
            runner.settle(claim.ownership(), outcome);
        }
    });
}

/// What `.result` does inside a body.
fn wait_inside(store: &Arc<dyn Store>, runner: &Engine, claim: &Claim, ids: &[InvocationId], spawn: &dyn Fn()) {
    let mut waiter = Waiter::new(store.clone(), ids);
    while !waiter.is_done() {
        if !waiter.ready().unwrap().is_empty() {
            continue;
        }
        let parked = runner.park(claim.ownership(), &mut waiter).unwrap();
        if parked == (Parked::Lent { spawn: true }) {
            spawn();
        }
        if parked != Parked::Not {
            waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
            assert!(runner.unpark(claim.ownership(), waiter.mailbox()).unwrap());
        }
    }
}

#[test]
fn every_invocation_runs_once_and_never_more_at_a_time_than_slots() {
    let store = memory();
    let runner = runner(&store, 3);
    let ids = submit(&store, 500);
    let (now, most, runs) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (now.clone(), most.clone(), runs.clone());
    std::thread::scope(|scope| {
        serve(scope, &runner, move |_, _, _| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            runs.fetch_add(1, Ordering::SeqCst);
            now.fetch_sub(1, Ordering::SeqCst);
            success()
        });
        assert!(wait_all(&store, &ids).iter().all(|status| *status == Status::Success));
        runner.stop();
    });
    assert_eq!(runner.drain(Instant::now() + PATIENCE), 0);
    assert_eq!((counters.0.load(Ordering::SeqCst), counters.2.load(Ordering::SeqCst)), (0, 500));
    assert!(counters.1.load(Ordering::SeqCst) <= 3);
    runner.close().unwrap();
}

#[test]
fn a_chain_of_waits_completes_with_one_slot() {
    const DEPTH: u32 = 200;
    let store = memory();
    let runner = runner(&store, 1);
    let ids = submit(&store, 1);
    let inner = store.clone();
    std::thread::scope(|scope| {
        serve(scope, &runner, move |runner, claim, spawn| {
            if claim.depth < DEPTH {
                let child = submit_below(&inner, 1, Some(claim));
                wait_inside(&inner, runner, claim, &child, spawn);
            }
            success()
        });
        assert_eq!(wait_all(&store, &ids), [Status::Success]);
        runner.stop();
    });
    runner.close().unwrap();
    assert_eq!(store.count(&Filter { statuses: vec![Status::Success], ..Filter::default() }).unwrap(), 201);
}

#[test]
fn a_body_that_can_go_on_gets_its_slot_before_new_work() {
    let store = memory();
    let runner = runner(&store, 1);
    let parent = submit(&store, 1)[0];
    let order = Arc::new(pynenc_core::sync::Mutex::new(Vec::new()));
    let (inner, seen) = (store.clone(), order.clone());
    std::thread::scope(|scope| {
        serve(scope, &runner, move |runner, claim, spawn| {
            seen.lock().push(claim.id);
            if claim.id == parent {
                let child = submit_below(&inner, 1, Some(claim));
                submit(&inner, 5);
                wait_inside(&inner, runner, claim, &child, spawn);
                seen.lock().push(claim.id);
            }
            success()
        });
        wait_all(&store, &[parent]);
        runner.stop();
    });
    let order = order.lock().clone();
    assert_eq!((order[0], order[2]), (parent, parent), "child second, then the parent goes on: {order:?}");
    runner.close().unwrap();
}

#[test]
fn what_was_claimed_and_not_begun_goes_back_at_stop() {
    let store = memory();
    let runner = runner(&store, 4);
    submit(&store, 4);
    let claim = runner.next().unwrap().unwrap();
    runner.stop();
    runner.settle(claim.ownership(), success());
    assert!(runner.next().unwrap().is_none());
    assert_eq!(runner.drain(Instant::now() + PATIENCE), 0);
    let count = |status| store.count(&Filter { statuses: vec![status], ..Filter::default() }).unwrap();
    assert_eq!((count(Status::Success), count(Status::Rerouted)), (1, 3));
    runner.close().unwrap();
}

#[test]
fn an_outcome_after_the_hand_back_is_discarded_and_its_wait_ends() {
    let store = memory();
    let runner = runner(&store, 1);
    submit(&store, 1);
    let claim = runner.next().unwrap().unwrap();
    let never = submit_below(&store, 1, Some(&claim));
    let mut waiter = Waiter::new(store.clone(), &never);
    assert_eq!(runner.park(claim.ownership(), &mut waiter).unwrap(), Parked::Lent { spawn: true });
    assert_eq!(runner.live(), [(claim.ownership(), Phase::Waiting)]);
    runner.stop();
    assert_eq!(runner.hand_back("over").unwrap(), 1);
    assert!(matches!(waiter.wait(Some(Instant::now() + PATIENCE)), Err(Error::Closed(_))));
    assert!(!runner.unpark(claim.ownership(), waiter.mailbox()).unwrap());
    runner.settle(claim.ownership(), success());
    runner.close().unwrap();
    assert_eq!(store.get(claim.id).unwrap().status, Status::Rerouted);
}

#[test]
fn a_live_claim_outlasts_its_lease_and_a_dead_runners_claim_does_not() {
    let store = memory();
    let short = Duration::from_millis(300);
    let alive = Engine::new(store.clone(), config(1, short)).unwrap();
    alive.start().unwrap();
    let ids = submit(&store, 2);
    let kept = alive.next().unwrap().unwrap();
    // Claimed by a runner that never beats: as good as dead.
    let request = ClaimRequest {
        runner: "dead".into(),
        limit: 1,
        queues: Arc::new([]),
        lease: 300,
        begin: true,
        alone: false,
        order: Default::default(),
    };
    let lost = store.claim(&request).unwrap().claims.remove(0);
    assert_eq!(HashSet::from([kept.id, lost.id]), ids.into_iter().collect());
    let deadline = Instant::now() + PATIENCE;
    while store.get(lost.id).unwrap().status != Status::Rerouted {
        assert!(Instant::now() < deadline, "the dead runner's claim is recovered");
        std::thread::yield_now();
    }
    assert_eq!(store.get(kept.id).unwrap().status, Status::Running);
    let settled = store.settle(&[Settlement { owner: lost.ownership(), outcome: success(), started: 0, slot: 0 }]);
    assert_eq!(settled.unwrap(), [Settled::Stale]);
    alive.settle(kept.ownership(), success());
    alive.close().unwrap();
    assert_eq!(store.get(kept.id).unwrap().status, Status::Success);
}

#[test]
fn a_scheduled_invocation_starts_when_it_is_due_without_being_asked_for() {
    let store = memory();
    let runner = runner(&store, 1);
    let id = submit(&store, 1)[0];
    let claim = runner.next().unwrap().unwrap();
    let due = SystemClock.wall() + 150;
    runner.settle(claim.ownership(), Outcome::Retry { due, note: "again".into() });
    let again = runner.next().unwrap().unwrap();
    assert_eq!((again.id, again.retries), (id, 1));
    assert!(SystemClock.wall() >= due);
    runner.close().unwrap();
}

#[test]
fn outcomes_outlive_failures_of_the_store_and_count_once() {
    let flaky = Flaky::over(memory(), 2, 2);
    let store: Arc<dyn Store> = flaky.clone();
    let runner = runner(&store, 2);
    let ids = submit(&store, 20);
    std::thread::scope(|scope| {
        serve(scope, &runner, |_, _, _| success());
        assert_eq!(wait_all(&store, &ids).len(), 20);
        runner.stop();
    });
    assert_eq!(runner.drain(Instant::now() + PATIENCE), 0);
    runner.close().unwrap();
    assert_eq!((flaky.fail_before.load(Ordering::SeqCst), flaky.fail_after.load(Ordering::SeqCst)), (0, 0));
    for id in ids {
        let ends = store.history(id).unwrap().iter().filter(|entry| entry.status.is_final()).count();
        assert_eq!(ends, 1);
    }
}

#[test]
fn a_runner_whose_loop_is_stuck_takes_nothing_back_and_nothing_new() {
    let store = memory();
    let lease = Duration::from_millis(300);
    let stuck = Arc::new(Engine::new(store.clone(), config(4, lease)).unwrap());
    stuck.start().unwrap();
    let held = submit(&store, 1)[0];
    assert_eq!(stuck.next_batch(4).unwrap().len(), 1);
    // The last sign of life of the loop; the thread that feeds it goes on.
    stuck.alive_until(Instant::now());
    let feeder = stuck.clone();
    let fed = std::thread::spawn(move || feeder.next_batch(4).map(|claims| claims.len()));
    wait_until(|| store.get(held).unwrap().recoveries == 1);
    let all_of_it: HashSet<_> = [held, submit(&store, 1)[0]].into();
    let mut taken = HashSet::new();
    wait_until(|| {
        for alone in [false, true] {
            let request = ClaimRequest {
                runner: "another".into(),
                limit: 4,
                queues: Arc::new([]),
                lease: 60_000,
                begin: true,
                alone,
                order: Default::default(),
            };
            taken.extend(store.claim(&request).unwrap().claims.iter().map(|claim| claim.id));
        }
        taken == all_of_it
    });
    stuck.close().unwrap();
    assert_eq!(fed.join().unwrap().unwrap(), 0);
}

#[test]
fn the_thread_that_feeds_a_loop_ends_when_everything_is_handed_back() {
    let store = memory();
    let runner = runner(&store, 2);
    let held = submit(&store, 1)[0];
    assert_eq!(runner.next_batch(2).unwrap().len(), 1);
    let (gone, feeder) = (std::sync::mpsc::channel(), runner.clone());
    let fed = std::thread::spawn(move || gone.0.send(feeder.next_batch(2).unwrap().len()));
    runner.stop();
    assert_eq!(runner.hand_back("it ends").unwrap(), 1);
    // Not only when the runner is closed.
    assert_eq!(gone.1.recv_timeout(PATIENCE).unwrap(), 0);
    fed.join().unwrap().unwrap();
    assert_eq!(store.get(held).unwrap().status, Status::Rerouted);
    runner.close().unwrap();
}
