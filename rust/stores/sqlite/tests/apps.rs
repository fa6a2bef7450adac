//! Apps that share a file do not see each other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use common::*;
use pynenc_core::Error;
use pynenc_core::call::{Registration, Submission};
use pynenc_core::cancel::Reach;
use pynenc_core::claim::ClaimRequest;
use pynenc_core::clock::ManualClock;
use pynenc_core::ids::InvocationId;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_core::submit::Submitted;
use pynenc_core::wait::Waiter;
use pynenc_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::tempdir;

const EVERYTHING: Page = Page { offset: 0, limit: usize::MAX };

fn open_app(path: &Path, app_id: &str) -> Arc<SqliteStore> {
    SqliteStore::open(SqliteOptions { app_id: app_id.into(), ..options(path) }).unwrap()
}

fn two_apps(path: &Path) -> [Arc<SqliteStore>; 2] {
    ["a", "b"].map(|app_id| open_app(path, app_id))
}

fn all(store: &dyn Store) -> Vec<InvocationId> {
    store.list(&Filter::default(), EVERYTHING).unwrap()
}

fn count(store: &dyn Store, status: Status) -> usize {
    store.count(&Filter { statuses: [status].into(), ..Filter::default() }).unwrap()
}

#[test]
fn an_app_finds_claims_counts_and_cancels_only_its_own_work() {
    let folder = tempdir().unwrap();
    let [a, b] = two_apps(&folder.path().join("x.db"));
    let of_a = submit(&*a);
    assert_eq!((all(&*b), b.backlog(&[], 10), claim(&*b, 10)), (vec![], Ok(0), vec![]));
    assert_eq!(b.count(&Filter { task: Some("m.f".into()), ..Filter::default() }), Ok(0));
    assert_eq!(b.watch(&[of_a]), Ok(vec![Watched::Unknown(of_a)]));
    assert_eq!(b.get(of_a).unwrap_err(), Error::NotFound(of_a));
    assert_eq!(b.history(of_a).unwrap_err(), Error::NotFound(of_a));
    assert_eq!(b.cancel(of_a, Reach::Runners), Err(Error::NotFound(of_a)));
    let of_b = submit(&*b);
    assert_eq!(claim(&*a, 10).iter().map(|claim| claim.id).collect::<Vec<_>>(), [of_a]);
    assert_eq!(claim(&*b, 10).iter().map(|claim| claim.id).collect::<Vec<_>>(), [of_b]);
    assert_eq!((count(&*a, Status::Running), count(&*b, Status::Running)), (1, 1));
}

#[test]
fn apps_do_not_share_keys_of_the_same_name() {
    let folder = tempdir().unwrap();
    let [a, b] = two_apps(&folder.path().join("x.db"));
    let registration = Registration { key: "r".into(), refuse_different: false };
    let registered = || Submission { registration: Some(registration.clone()), ..call() };
    for store in [&a, &b] {
        let first = registered();
        let id = first.id;
        assert_eq!(store.submit(&[first]), Ok(vec![Submitted::New(id)]));
        assert_eq!(store.submit(&[registered()]), Ok(vec![Submitted::Reused { id, same_arguments: true }]));
        assert_eq!(store.purge(Purge::Queued { limit: 10 }), Ok(1));
    }
    for store in [&a, &b] {
        store.submit(&[keyed("k"), keyed("k")]).unwrap();
        assert_eq!(claim(&**store, 2).len(), 1, "a place under the key for each app");
    }
}

#[test]
fn a_purge_keeps_the_work_and_the_counts_of_the_other_app() {
    let folder = tempdir().unwrap();
    let [a, b] = two_apps(&folder.path().join("x.db"));
    for store in [&a, &b] {
        // A batch so large that its submit adds up the tally.
        let batch: Vec<_> = std::iter::repeat_with(call).take(2500).collect();
        store.submit(&batch).unwrap();
        succeed(&**store, claim(&**store, 1)[0].ownership());
    }
    assert_eq!(a.purge(Purge::Queued { limit: 10_000 }), Ok(2499));
    assert_eq!((count(&*a, Status::Registered), count(&*b, Status::Registered)), (0, 2499));
    assert_eq!(a.purge(Purge::All), Ok(2500));
    assert_eq!((a.count(&Filter::default()), b.count(&Filter::default())), (Ok(0), Ok(2500)));
    assert_eq!((all(&*b).len(), count(&*b, Status::Success)), (2500, 1));
    assert_eq!(claim(&*b, 1).len(), 1);
}

#[test]
fn a_runner_of_one_name_in_two_apps_is_two_runners() {
    let folder = tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(1_000_000));
    let [a, b] = ["a", "b"].map(|app_id| {
        let path = folder.path().join("x.db");
        SqliteStore::open(SqliteOptions { app_id: app_id.into(), clock: clock.clone(), ..options(&path) }).unwrap()
    });
    let runner = request("r1", 1).runner;
    let [of_a, of_b] = [&a, &b].map(|store| {
        submit(&**store);
        submit(&**store);
        claim(&**store, 2)
    });
    assert_eq!(a.beat(&runner, 60_000).unwrap().owned.len(), 2);
    let died = a.revoke(&runner, "killed by signal 9", RecoveryPolicy::default()).unwrap();
    assert_eq!((died.requeued.len(), died.alone), (2, 2));
    assert_eq!(b.beat(&runner, 10_000).unwrap().owned.len(), 2, "the runner of the other app lives");
    clock.advance(20_000);
    let found = a.recover(RecoveryPolicy::default()).unwrap();
    assert_eq!((found.requeued, found.next_expiry, found.alone), (vec![], None, 2));
    let mut found = b.recover(RecoveryPolicy::default()).unwrap().requeued;
    let mut expected: Vec<_> = of_b.iter().map(|claim| claim.id).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(b.claim(&ClaimRequest { alone: true, ..request("r1", 9) }).unwrap().claims.len(), 2);
    assert_eq!(a.claim(&ClaimRequest { alone: true, ..request("r1", 9) }).unwrap().claims.len(), of_a.len());
}

#[test]
fn a_finish_is_announced_to_other_handles_of_the_app() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.db");
    let [_a, b] = two_apps(&path);
    let other = open_app(&path, "b");
    let id = submit(&*b);
    let mut waiter = Waiter::new(b.clone(), &[id]);
    let claims = claim(&*other, 1);
    std::thread::scope(|scope| {
        scope.spawn(|| succeed(&*other, claims[0].ownership()));
        let news = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
        assert_eq!(news[0].payload.as_deref(), Some(b"value".as_slice()));
    });
}

#[test]
fn a_busy_app_does_not_wake_an_idle_one() {
    let folder = tempdir().unwrap();
    let [busy, idle] = two_apps(&folder.path().join("x.db"));
    let (before, started) = (idle.hub().changes(), Instant::now());
    for _ in 0..500 {
        submit(&*busy);
    }
    let woken = idle.hub().changes() - before;
    // The listener polls the log four times a second at most.
    let looks = started.elapsed().as_millis() as u64 / 200 + 2;
    assert!(woken <= looks, "woken {woken} times in {:?}", started.elapsed());
}

#[test]
fn apps_that_open_a_new_file_together_get_tables_of_their_own() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.db");
    std::thread::scope(|scope| {
        for number in 0..9 {
            let path = &path;
            scope.spawn(move || submit(&*open_app(path, &format!("app {}", number % 3))));
        }
    });
    for number in 0..3 {
        assert_eq!(all(&*open_app(&path, &format!("app {number}"))).len(), 3);
    }
}

#[test]
fn the_lost_table_of_a_second_app_is_detected() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.db");
    two_apps(&path).iter().for_each(|store| store.close().unwrap());
    rusqlite::Connection::open(&path).unwrap().execute_batch("DROP TABLE app2_outcome").unwrap();
    let refused = SqliteStore::open(SqliteOptions { app_id: "b".into(), ..options(&path) }).err().unwrap().to_string();
    assert!(refused.contains("4 of its 5 tables"), "{refused}");
    submit(&*open_app(&path, "a"));
}
