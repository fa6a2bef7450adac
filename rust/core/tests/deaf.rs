//! One verb of the store fails for good while the others work: the runner knows, whatever else it hears.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::passed_on::passed_on;
use common::{config, submit};
use pynenc_core::beat::Beaten;
use pynenc_core::claim::{ClaimRequest, Claimed};
use pynenc_core::clock::SystemClock;
use pynenc_core::error::{Error, Result};
use pynenc_core::ids::{Millis, RunnerKey};
use pynenc_core::memory::MemoryStore;
use pynenc_core::recover::{Recovered, RecoveryPolicy};
use pynenc_core::runner::Engine;
use pynenc_core::settle::{Outcome, Settled, Settlement};
use pynenc_core::store::{Cards, Hints, Reads, Store};
use pynenc_core::sync::Mutex;

const PATIENCE: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_millis(150);

/// A store of which one verb can be made to fail. Counts the calls of the others.
struct OneVerbFails {
    inner: Arc<dyn Store>,
    failing: Mutex<&'static str>,
    calls: Mutex<HashMap<&'static str, usize>>,
}

impl OneVerbFails {
    fn check(&self, verb: &'static str) -> Result<()> {
        *self.calls.lock().entry(verb).or_default() += 1;
        if *self.failing.lock() == verb {
            return Err(Error::Unusable { backend: "test", message: format!("NOPERM {verb}") });
        }
        Ok(())
    }

    fn count(&self, verb: &str) -> usize {
        self.calls.lock().get(verb).copied().unwrap_or(0)
    }
}

impl Store for OneVerbFails {
    passed_on! { hub submit begin pause resume cancel purge close }
    fn claim(&self, request: &ClaimRequest) -> Result<Claimed> {
        self.check("claim")?;
        self.inner.claim(request)
    }
    fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        self.check("settle")?;
        self.inner.settle(batch)
    }
    fn exchange(&self, batch: &[Settlement], request: Option<&ClaimRequest>) -> Result<(Vec<Settled>, Claimed)> {
        let settled = if batch.is_empty() { Vec::new() } else { self.settle(batch)? };
        let Some(request) = request else { return Ok((settled, Claimed::default())) };
        match self.check("a part of claim") {
            // As several shards do of which one fails: what the others do is done.
            Err(error) => Ok((settled, Claimed { failed: Some(error), ..self.inner.claim(request)? })),
            Ok(()) if batch.is_empty() => Ok((settled, self.claim(request)?)),
            Ok(()) => {
                let failed = |error| Claimed { failed: Some(error), ..Claimed::default() };
                Ok((settled, self.claim(request).unwrap_or_else(failed)))
            }
        }
    }
    fn beat(&self, runner: &RunnerKey, lease: Millis) -> Result<Beaten> {
        self.check("beat")?;
        self.inner.beat(runner, lease)
    }
    fn recover(&self, policy: RecoveryPolicy) -> Result<Recovered> {
        self.check("recover")?;
        self.inner.recover(policy)
    }
}

impl Reads for OneVerbFails {
    passed_on! { watch get list count backlog history }
}

impl Hints for OneVerbFails {}

impl Cards for OneVerbFails {}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A runner with two slots. The first body runs until `release`; the others end at once.
fn busy_runner(store: &Arc<dyn Store>, release: &Arc<AtomicBool>) -> Arc<Engine> {
    let runner = Arc::new(Engine::new(store.clone(), config(2, LEASE)).unwrap());
    runner.start().unwrap();
    let first = submit(store, 1)[0];
    for _ in 0..2 {
        let (runner, release) = (runner.clone(), release.clone());
        std::thread::spawn(move || {
            while let Ok(Some(claim)) = runner.next() {
                while claim.id == first && !release.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                runner.settle(claim.ownership(), Outcome::Success([].into()));
            }
        });
    }
    runner
}

fn a_runner_notices_that_this_fails_alone(verb: &'static str) {
    let inner: Arc<dyn Store> = MemoryStore::new(Arc::new(SystemClock), 86_400_000);
    let flawed = Arc::new(OneVerbFails { inner, failing: Mutex::new(""), calls: Mutex::default() });
    let store: Arc<dyn Store> = flawed.clone();
    let release = Arc::new(AtomicBool::new(false));
    let runner = busy_runner(&store, &release);
    eventually("the first body runs", || runner.live().len() == 1);
    assert_eq!(runner.failing_for(), None);

    *flawed.failing.lock() = verb;
    submit(&store, 1);
    eventually("the failure is known and lasts", || {
        // A change of the store, for which the sweep looks.
        submit(&store, 1);
        runner.failing_for().is_some_and(|span| span > 6 * LEASE)
    });
    let others: Vec<_> = ["beat", "recover"].into_iter().filter(|other| *other != verb).collect();
    let before: Vec<_> = others.iter().map(|other| flawed.count(other)).collect();
    let of_others = || others.iter().zip(&before).all(|(other, before)| flawed.count(other) > before + 1);
    eventually("the other verbs go on and succeed", || {
        submit(&store, 1);
        of_others()
    });
    assert!(runner.failing_for().is_some_and(|span| span > 6 * LEASE), "and clear nothing");

    *flawed.failing.lock() = "";
    eventually("a success of the verb itself does", || {
        submit(&store, 1);
        runner.failing_for().is_none()
    });
    release.store(true, Ordering::Release);
    runner.stop();
    runner.close().unwrap();
}

#[test]
fn a_runner_notices_that_claims_alone_fail() {
    a_runner_notices_that_this_fails_alone("claim");
}

#[test]
fn a_runner_notices_that_claims_fail_in_a_part_of_the_store() {
    a_runner_notices_that_this_fails_alone("a part of claim");
}

#[test]
fn a_runner_notices_that_claims_fail_while_their_outcomes_travel_along() {
    let inner: Arc<dyn Store> = MemoryStore::new(Arc::new(SystemClock), 86_400_000);
    let flawed = Arc::new(OneVerbFails { inner, failing: Mutex::new(""), calls: Mutex::default() });
    let store: Arc<dyn Store> = flawed.clone();
    let runner = Engine::new(store.clone(), config(1, LEASE)).unwrap();
    runner.start().unwrap();
    *flawed.failing.lock() = "a part of claim";
    let before = flawed.count("settle");
    let began = Instant::now();
    // Each exchange but the first carries the outcome of a body, and its claim fails.
    eventually("the failure is known and lasts", || {
        submit(&store, 1);
        let claim = runner.next().unwrap().unwrap();
        runner.settle(claim.ownership(), Outcome::Success([].into()));
        runner.failing_for().is_some_and(|span| span > 2 * LEASE)
    });
    assert!(began.elapsed() > 2 * LEASE && flawed.count("settle") > before + 1);
    runner.stop();
    runner.close().unwrap();
}

#[test]
fn a_runner_notices_that_settlements_alone_fail() {
    a_runner_notices_that_this_fails_alone("settle");
}

#[test]
fn a_runner_notices_that_beats_alone_fail() {
    a_runner_notices_that_this_fails_alone("beat");
}

#[test]
fn a_runner_notices_that_recoveries_alone_fail() {
    a_runner_notices_that_this_fails_alone("recover");
}

#[test]
fn a_runner_of_a_users_own_notices_that_its_claims_fail() {
    let inner: Arc<dyn Store> = MemoryStore::new(Arc::new(SystemClock), 86_400_000);
    let flawed = Arc::new(OneVerbFails { inner, failing: Mutex::new("claim"), calls: Mutex::default() });
    let store: Arc<dyn Store> = flawed.clone();
    let runner = Engine::new(store, config(1, LEASE)).unwrap();
    runner.start().unwrap();
    eventually("the failure is known and lasts", || {
        assert!(runner.claim(1, &[]).is_err());
        runner.failing_for().is_some_and(|span| span > LEASE)
    });
    *flawed.failing.lock() = "";
    assert_eq!(runner.claim(1, &[]), Ok(Vec::new()));
    assert_eq!(runner.failing_for(), None);
    runner.close().unwrap();
}
