//! What a runner logs when it recovers a claim of a dead one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{config, submit};
use pynenc_core::claim::ClaimRequest;
use pynenc_core::memory::MemoryStore;
use pynenc_core::runner::Engine;
use pynenc_core::store::Store;
use pynenc_core::sync::{Condvar, Mutex};

const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps what is logged.
struct Lines(Mutex<Vec<String>>, Condvar);

static LINES: Lines = Lines(Mutex::new(Vec::new()), Condvar::new());

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().push(record.args().to_string());
        self.1.notify_all();
    }
    fn flush(&self) {}
}

#[test]
fn a_claim_that_had_not_begun_is_not_said_to_run_alone() {
    log::set_logger(&LINES).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let store: Arc<dyn Store> = MemoryStore::open();
    let id = submit(&store, 1)[0];
    let (runner, queues) = ("dead".into(), Arc::new([]));
    let request =
        ClaimRequest { runner, limit: 1, queues, lease: 1, begin: false, alone: false, order: Default::default() };
    assert_eq!(store.claim(&request).unwrap().claims.len(), 1);
    let runner = Engine::new(store.clone(), config(1, Duration::from_millis(100))).unwrap();
    runner.start().unwrap();
    let (deadline, name) = (Instant::now() + PATIENCE, id.to_string());
    let mut lines = LINES.0.lock();
    let line = loop {
        if let Some(line) = lines.iter().find(|line| line.contains(&name)) {
            break line.clone();
        }
        assert!(!LINES.1.wait_until(&mut lines, deadline).timed_out(), "{:?}", *lines);
    };
    drop(lines);
    assert!(line.contains("queued again") && line.contains("if its body had started, it runs alone next"), "{line}");
    runner.close().unwrap();
}
