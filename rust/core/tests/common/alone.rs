//! What the tests of invocations that run alone share.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::ids::InvocationId;
use pynenc_core::memory::MemoryStore;
use pynenc_core::runner::{Engine, EngineConfig, Lines, Phase};
use pynenc_core::settle::Outcome;
use pynenc_core::store::Store;

use super::{config, submit};

pub const PATIENCE: Duration = Duration::from_secs(20);
pub const LEASE: Duration = Duration::from_secs(3600);

pub fn memory() -> Arc<dyn Store> {
    MemoryStore::open()
}

pub fn runner(store: &Arc<dyn Store>, slots: usize) -> Arc<Engine> {
    runner_of(store, slots, Lines::Both)
}

pub fn runner_of(store: &Arc<dyn Store>, slots: usize, lines: Lines) -> Arc<Engine> {
    let runner = Engine::new(store.clone(), EngineConfig { lines, ..config(slots, LEASE) }).unwrap();
    runner.start().unwrap();
    Arc::new(runner)
}

/// So many that ran beside each other when their process died.
pub fn suspects(store: &Arc<dyn Store>, count: usize) -> Vec<InvocationId> {
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

pub fn success() -> Outcome {
    Outcome::Success([].into())
}

/// A thread of the runner that asks for work once.
pub fn asks(runner: &Arc<Engine>) -> Receiver<Option<Claim>> {
    let (sender, receiver) = channel();
    let runner = runner.clone();
    std::thread::spawn(move || drop(sender.send(runner.next().unwrap())));
    receiver
}

pub fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

pub fn is_held(runner: &Engine, id: InvocationId) -> bool {
    runner.live().iter().any(|(owner, phase)| owner.id == id && *phase == Phase::Ahead)
}
