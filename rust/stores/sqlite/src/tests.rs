//! Answers of callers when a transaction fails.

use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use pynenc_core::Error;
use pynenc_core::call::{Route, Submission};
use pynenc_core::cancel::Reach;
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::ids::InvocationId;
use pynenc_core::store::{Reads, Store};
use pynenc_core::submit::Submitted;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::fault::Fault;
use crate::tx::Tx;
use crate::verbs::Named;
use crate::writer::Verb;
use crate::{Durability, SqliteOptions, SqliteStore};

const PATIENCE: Duration = Duration::from_secs(20);

fn options(folder: &TempDir, busy_timeout: Duration) -> SqliteOptions {
    SqliteOptions {
        path: folder.path().join("x.db"),
        app_id: "pynenc".into(),
        durability: Durability::Full,
        retention: 60_000,
        busy_timeout,
        clock: Arc::new(SystemClock),
    }
}

fn submission(payload: usize) -> Submission {
    Submission {
        id: InvocationId::generate(SystemClock.wall(), 0),
        route: Arc::new(Route { task: "m.f".into(), queue: "default".into(), priority: 0.0 }),
        payload: vec![7; payload].into(),
        args_id: "".into(),
        parent: None,
        depth: 0,
        due: 0,
        registration: None,
        concurrency: None,
    }
}

/// A verb that writes, and then fails in some way.
struct Spoil(fn() -> Fault);

impl Named for Spoil {
    const NAME: &'static str = "spoil";
}

impl Verb for Spoil {
    type Answer = ();

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), Fault> {
        tx.write("INSERT INTO meta VALUES ('half', 'done')", [])?;
        Err((self.0)())
    }
}

/// Hold the write lock while `callers` wait for it, so that one transaction runs them all.
fn together(store: &SqliteStore, callers: &[&(dyn Fn() + Sync)]) {
    let blocker = Connection::open(store.path()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let before = store.stats();
        let first = scope.spawn(|| store.submit(&[submission(1)]).unwrap());
        wait_until(|| store.stats().transactions > before.transactions);
        let waiting: Vec<ScopedJoinHandle<'_, ()>> = callers.iter().map(|call| scope.spawn(call)).collect();
        wait_until(|| store.stats().requests == before.requests + 1 + callers.len() as u64);
        blocker.execute_batch("ROLLBACK").unwrap();
        first.join().unwrap();
        waiting.into_iter().for_each(|caller| caller.join().unwrap());
    });
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain");
        std::thread::yield_now();
    }
}

#[test]
fn a_verb_that_fails_or_panics_does_not_affect_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(&folder, PATIENCE)).unwrap();
    let good = || {
        let call = submission(1);
        let id = call.id;
        assert_eq!(store.submit(&[call]), Ok(vec![Submitted::New(id)]));
    };
    let failing = || {
        let answer = store.write(Spoil(|| Fault::Driver(rusqlite::Error::InvalidQuery)));
        assert!(matches!(answer, Err(Error::Backend { .. })), "{answer:?}");
    };
    let panicking = || {
        let answer = store.write(Spoil(|| panic!("a bug")));
        assert!(matches!(&answer, Err(Error::Backend { message, .. }) if message.contains("bug")), "{answer:?}");
    };
    together(&store, &[&good, &failing, &good, &panicking, &good]);
    assert_eq!(store.count(&Default::default()), Ok(4));
    let raw = Connection::open(store.path()).unwrap();
    let half: i64 = raw.query_row("SELECT count(*) FROM meta WHERE key = 'half'", [], |row| row.get(0)).unwrap();
    assert_eq!(half, 0, "their writes are rolled back");
}

#[test]
fn a_refusal_does_not_affect_the_transaction_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(&folder, PATIENCE)).unwrap();
    let unknown = InvocationId::generate(0, 0);
    let good = || drop(store.submit(&[submission(1)]).unwrap());
    let refused = || assert_eq!(store.cancel(unknown, Reach::Queue), Err(Error::NotFound(unknown)));
    let before = store.stats().transactions;
    together(&store, &[&good, &refused, &good]);
    assert_eq!(store.stats().transactions - before, 2, "the first caller's, and one for the rest");
    assert_eq!(store.count(&Default::default()), Ok(3));
}

#[test]
fn a_full_disk_refuses_a_submission_and_keeps_acknowledged_work() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder, PATIENCE);
    let db = crate::open::open(&options.path, &options.app_id, PATIENCE).unwrap();
    let _: i64 = db.file().query_row("PRAGMA max_page_count = 200", [], |row| row.get(0)).unwrap();
    let store = SqliteStore::start(db, options, None).unwrap();
    let mut acknowledged = Vec::new();
    let error = loop {
        let call = submission(20_000);
        match store.submit(std::slice::from_ref(&call)) {
            Ok(_) => acknowledged.push(call.id),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 100, "the disk never fills up");
    };
    assert!(matches!(&error, Error::Backend { message, .. } if message.contains("full")), "{error}");
    assert!(!acknowledged.is_empty());
    assert_eq!(store.list(&Default::default(), pynenc_core::result::Page { offset: 0, limit: 100 }), Ok(acknowledged));
    // There is room for a small write, and the writer thread still runs.
    let small = submission(1);
    assert_eq!(store.submit(std::slice::from_ref(&small)), Ok(vec![Submitted::New(small.id)]));
    let raw = Connection::open(store.path()).unwrap();
    let verdict: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[test]
fn a_verb_waits_for_the_lock_of_another_process_up_to_the_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(&folder, Duration::from_millis(50))).unwrap();
    let blocker = Connection::open(store.path()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = store.submit(&[submission(1)]);
    assert!(matches!(&answer, Err(Error::Backend { message, .. }) if message.contains("locked")), "{answer:?}");
    assert_eq!(store.stats().busy, 1);
    // Readers need no lock.
    assert_eq!(store.count(&Default::default()), Ok(0));
    blocker.execute_batch("ROLLBACK").unwrap();
    assert!(store.submit(&[submission(1)]).is_ok());
    // Within the timeout callers only wait: see `together`.
}
