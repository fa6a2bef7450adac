//! What these tests are written with.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pynenc_core::Result;
use pynenc_core::call::{Concurrency, Route, Submission, WhenBlocked};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::ids::{InvocationId, Ownership};
use pynenc_core::settle::{Outcome, Settled, Settlement};
use pynenc_core::store::Store;
use pynenc_core::submit::Submitted;
use pynenc_store_sqlite::{Durability, SqliteOptions, SqliteStore};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn options(path: &Path) -> SqliteOptions {
    SqliteOptions {
        path: path.to_owned(),
        app_id: "pynenc".into(),
        durability: Durability::Normal,
        retention: 60_000,
        busy_timeout: Duration::from_secs(10),
        clock: Arc::new(SystemClock),
    }
}

pub fn open(path: &Path) -> Arc<SqliteStore> {
    SqliteStore::open(options(path)).unwrap()
}

/// Why the file cannot be opened.
pub fn refusal(path: &Path) -> String {
    match SqliteStore::open(options(path)) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => {
            assert!(matches!(error, pynenc_core::Error::Unusable { backend: "sqlite", .. }), "{error:?}");
            let message = error.to_string();
            assert!(message.contains(&path.display().to_string()), "{message}");
            message
        }
    }
}

pub fn submission() -> Submission {
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

pub fn keyed(key: &str) -> Submission {
    let concurrency = Concurrency { key: key.into(), limit: 1, blocked: WhenBlocked::Wait };
    Submission { concurrency: Some(concurrency), ..submission() }
}

pub fn submit(store: &dyn Store) -> InvocationId {
    let submission = submission();
    assert_eq!(store.submit(std::slice::from_ref(&submission)).unwrap(), [Submitted::New(submission.id)]);
    submission.id
}

pub fn request(limit: usize) -> ClaimRequest {
    ClaimRequest {
        runner: "runner-1".into(),
        limit,
        queues: [].into(),
        lease: 10_000,
        begin: true,
        alone: false,
        order: Default::default(),
    }
}

pub fn claim(store: &dyn Store, limit: usize) -> Vec<Claim> {
    store.claim(&request(limit)).unwrap().claims
}

/// Claim what runs alone in its process.
pub fn claim_alone(store: &dyn Store, limit: usize) -> Vec<Claim> {
    store.claim(&ClaimRequest { alone: true, ..request(limit) }).unwrap().claims
}

pub fn success(owner: Ownership) -> Settlement {
    Settlement { owner, outcome: Outcome::Success(b"value".as_slice().into()), started: 1, slot: 0 }
}

pub fn succeed(store: &dyn Store, owner: Ownership) {
    assert_eq!(store.settle(&[success(owner)]).unwrap(), [Settled::Done]);
}

/// Wait until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// A transient failure is an error of the type that says so.
pub fn is_backend<T: std::fmt::Debug>(result: &Result<T>) -> bool {
    matches!(result, Err(pynenc_core::Error::Backend { backend: "sqlite", .. }))
}
