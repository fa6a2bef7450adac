//! Helpers for the tests of a store crate that are not cases of the suite.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::{Concurrency, Route, Submission, WhenBlocked};
use crate::claim::{Claim, ClaimRequest};
use crate::clock::{Clock, SystemClock};
use crate::ids::{InvocationId, Ownership};
use crate::settle::{Outcome, Settled, Settlement};
use crate::store::Store;
use crate::submit::Submitted;

/// How long a test waits for an event before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A plain call: task `m.f`, queue `default`, due at once.
pub fn call() -> Submission {
    Submission {
        id: InvocationId::generate(SystemClock.wall(), 0),
        route: Arc::new(Route { task: "m.f".into(), queue: "default".into(), priority: 0.0 }),
        payload: b"arguments".as_slice().into(),
        args_id: "".into(),
        parent: None,
        depth: 0,
        due: 0,
        registration: None,
        concurrency: None,
    }
}

/// A call that is blocked while another invocation holds `key`.
pub fn keyed(key: &str) -> Submission {
    let concurrency = Concurrency { key: key.into(), limit: 1, blocked: WhenBlocked::Wait };
    Submission { concurrency: Some(concurrency), ..call() }
}

/// Submit one plain call.
pub fn submit(store: &dyn Store) -> InvocationId {
    let one = call();
    assert_eq!(store.submit(std::slice::from_ref(&one)), Ok(vec![Submitted::New(one.id)]));
    one.id
}

/// `runner` asks for up to `limit` invocations from any queue, to be started at once.
pub fn request(runner: &str, limit: usize) -> ClaimRequest {
    ClaimRequest {
        runner: runner.into(),
        limit,
        queues: [].into(),
        lease: 10_000,
        begin: true,
        alone: false,
        order: Default::default(),
    }
}

/// Claim up to `limit` invocations as the runner `r1`.
pub fn claim(store: &dyn Store, limit: usize) -> Vec<Claim> {
    store.claim(&request("r1", limit)).unwrap().claims
}

/// Claim up to `limit` invocations that run alone in their process, as the runner `r1`.
pub fn claim_alone(store: &dyn Store, limit: usize) -> Vec<Claim> {
    store.claim(&ClaimRequest { alone: true, ..request("r1", limit) }).unwrap().claims
}

/// The settlement of a body that returned a value.
pub fn success(owner: Ownership) -> Settlement {
    Settlement { owner, outcome: Outcome::Success(b"value".as_slice().into()), started: 1, slot: 0 }
}

/// End a claim with a value.
pub fn succeed(store: &dyn Store, owner: Ownership) {
    assert_eq!(store.settle(&[success(owner)]), Ok(vec![Settled::Done]));
}

/// Repeat `look` until it is true; fails after [`PATIENCE`].
pub fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < deadline, "did not happen: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
