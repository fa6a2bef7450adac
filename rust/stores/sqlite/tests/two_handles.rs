//! Two handles on one file: a commit of one wakes the other. SQLite keeps the locks correct within one process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use common::*;
use pynenc_core::cancel::Reach;
use pynenc_core::clock::ManualClock;
use pynenc_core::notify::{Listener, Mailbox};
use pynenc_core::purge::Purge;
use pynenc_core::store::{Reads, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_sqlite::{SqliteOptions, SqliteStore};

/// The folder of the files of the test without sockets, which has no usual folder for them.
const CHILD: &str = "PYNENC_TEST_NO_SOCKETS";

fn folder() -> tempfile::TempDir {
    let Some(parent) = std::env::var_os(CHILD) else { return tempfile::tempdir().unwrap() };
    let folder = tempfile::tempdir_in(parent).unwrap();
    // A file in place of the folder for the sockets.
    std::fs::write(folder.path().join("x.db-bell"), "").unwrap();
    folder
}

struct Runner(Sender<()>);

impl Listener for Runner {
    fn work_may_be_available(&self) {
        let _ = self.0.send(());
    }
}

fn listen(store: &dyn Store) -> (Arc<dyn Listener>, Receiver<()>) {
    let (sender, wakes) = channel();
    let listener: Arc<dyn Listener> = Arc::new(Runner(sender));
    store.hub().listen(Arc::downgrade(&listener));
    (listener, wakes)
}

#[test]
fn a_wait_in_one_handle_ends_with_a_settle_in_the_other() {
    let folder = folder();
    let path = folder.path().join("x.db");
    let (client, runner) = (open(&path), open(&path));
    let id = submit(&*client);
    let mut waiter = Waiter::new(client.clone(), &[id]);
    let claims = claim(&*runner, 1);
    assert_eq!(claims[0].id, id);
    std::thread::scope(|scope| {
        scope.spawn(|| succeed(&*runner, claims[0].ownership()));
        let news = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
        assert_eq!(news[0].payload.as_deref(), Some(b"value".as_slice()));
    });
}

#[test]
fn work_of_one_handle_wakes_a_runner_on_the_other() {
    let folder = folder();
    let path = folder.path().join("x.db");
    let (client, runner) = (open(&path), open(&path));
    let (_listener, wakes) = listen(&*runner);
    submit(&*client);
    eventually("the runner finds the work it was told of", || {
        wakes.recv_timeout(PATIENCE).unwrap();
        claim(&*runner, 1).len() == 1
    });
}

#[test]
fn any_number_of_finishes_reaches_the_other_handle_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let (client, runner) = (open(&path), open(&path));
    // More finishes than the other handle reads one by one.
    let batch: Vec<_> = (0..6000).map(|_| call()).collect();
    client.submit(&batch).unwrap();
    let ids: Vec<_> = batch.iter().map(|submission| submission.id).collect();
    let mut waiter = Waiter::new(client.clone(), &ids);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let claims = claim(&*runner, ids.len());
            let settlements: Vec<_> = claims.iter().map(|claim| success(claim.ownership())).collect();
            for chunk in settlements.chunks(1500) {
                runner.settle(chunk).unwrap();
            }
        });
        let mut seen = 0;
        while !waiter.is_done() {
            let news = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
            assert!(!news.is_empty(), "{seen} of {} finishes arrived", ids.len());
            seen += news.len();
        }
        assert_eq!(seen, ids.len());
    });
}

#[test]
fn a_purge_in_one_handle_makes_waiters_of_the_other_poll() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let (client, other) = (open(&path), open(&path));
    let id = submit(&*client);
    let mailbox = Mailbox::new();
    let _kept = client.hub().subscribe(&mailbox, &[id]);
    assert_eq!(other.purge(Purge::All), Ok(1));
    assert!(mailbox.wait(Some(Instant::now() + PATIENCE)).look_again);
}

#[test]
fn finishes_after_a_purge_are_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let clock = Arc::new(ManualClock::new(1_000_000));
    let options = SqliteOptions { clock: clock.clone(), ..options(&path) };
    let (client, runner) = (SqliteStore::open(options.clone()).unwrap(), SqliteStore::open(options).unwrap());
    for _ in 0..3 {
        let id = submit(&*client);
        let mut waiter = Waiter::new(client.clone(), &[id]);
        assert!(waiter.ready().unwrap().is_empty());
        succeed(&*runner, claim(&*runner, 1)[0].ownership());
        assert_eq!(waiter.wait(Some(Instant::now() + PATIENCE)).unwrap()[0].id, id);
        // The record with the highest number of a finish is removed. Its number must not be reused.
        clock.advance(60_000);
        assert_eq!(runner.purge(Purge::Expired { limit: 10 }), Ok(1));
    }
}

#[test]
fn an_idle_handle_neither_locks_nor_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let idle = open(&path);
    let (_listener, wakes) = listen(&*idle);
    // The listener finds the log of the opening once. After that nothing changes.
    while wakes.recv_timeout(std::time::Duration::from_millis(1100)).is_ok() {}
    let before = idle.stats();
    assert!(wakes.recv_timeout(std::time::Duration::from_millis(2500)).is_err(), "nobody did anything");
    assert_eq!(idle.stats(), before);
}

#[test]
fn an_idle_recovery_and_an_idle_claim_take_no_write_lock() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("x.db"));
    assert!(claim(&*store, 4).is_empty());
    store.recover(Default::default()).unwrap();
    assert_eq!(store.purge(Purge::Expired { limit: 10 }), Ok(0));
    assert_eq!(store.stats().transactions, 0);
}

#[test]
fn a_closed_handle_refuses_verbs_and_leaves_no_socket_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let store = open(&path);
    let id = submit(&*store);
    store.close().unwrap();
    store.close().unwrap();
    assert_eq!(store.get(id), Err(pynenc_core::Error::Closed(pynenc_core::error::Part::Store)));
    assert_eq!(store.cancel(id, Reach::Queue), Err(pynenc_core::Error::Closed(pynenc_core::error::Part::Store)));
    drop(store);
    assert!(!folder.path().join("x.db-wal").exists(), "the last handle to go cleans up the log");
    assert_eq!(open(&path).get(id).unwrap().id, id);
}

#[test]
fn callers_that_come_together_share_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions {
        durability: pynenc_store_sqlite::Durability::Full,
        ..options(&folder.path().join("x.db"))
    })
    .unwrap();
    let (callers, calls) = (16, 20);
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                for _ in 0..calls {
                    submit(&*store);
                }
            });
        }
    });
    let transactions = store.stats().transactions;
    assert_eq!(store.count(&Default::default()), Ok(callers * calls));
    assert!(transactions < (callers * calls) as u64 / 2, "{transactions} transactions for {} calls", callers * calls);
}

#[test]
fn a_handle_without_a_socket_finds_changes_by_polling() {
    if std::env::var_os(CHILD).is_some() {
        a_wait_in_one_handle_ends_with_a_settle_in_the_other();
        return work_of_one_handle_wakes_a_runner_on_the_other();
    }
    // Only a process that starts without one has no folder for its sockets.
    let folder = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_handle_without_a_socket_finds_changes_by_polling"])
        .env(CHILD, folder.path())
        .env("TMPDIR", folder.path().join("missing").join("missing"))
        .env_remove("XDG_RUNTIME_DIR")
        .status();
    assert!(status.unwrap().success());
}
