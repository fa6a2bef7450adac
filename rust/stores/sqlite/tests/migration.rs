//! Files of schema version 3, made by the release that used it: `version3.db` has every kind of invocation.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use common::*;
use pynenc_core::call::{Registration, Submission};
use pynenc_core::claim::ClaimRequest;
use pynenc_core::ids::InvocationId;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_core::submit::Submitted;
use pynenc_core::wait::Waiter;
use pynenc_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::{Connection, params};
use tempfile::{TempDir, tempdir};

/// Invocations in the file of version 3, by status.
const HELD: [(Status, usize); 8] = [
    (Status::Registered, 5),
    (Status::Running, 2),
    (Status::Paused, 1),
    (Status::ConcurrencyControlled, 1),
    (Status::Rerouted, 2),
    (Status::Success, 2),
    (Status::Failed, 1),
    (Status::Cancelled, 1),
];

fn old_file() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.db");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/version3.db"), &path).unwrap();
    (folder, path)
}

fn open_app(path: &Path, app_id: &str) -> Arc<SqliteStore> {
    SqliteStore::open(SqliteOptions { app_id: app_id.into(), ..options(path) }).unwrap()
}

fn counts(store: &dyn Store) -> Vec<(Status, usize)> {
    let of = |status| store.count(&Filter { statuses: [status].into(), ..Filter::default() }).unwrap();
    HELD.iter().map(|(status, _)| (*status, of(*status))).collect()
}

fn version(path: &Path) -> i32 {
    Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[test]
fn the_first_app_that_opens_a_file_of_version_3_goes_on_with_its_work() {
    let (_folder, path) = old_file();
    assert_eq!(version(&path), 3);
    let store = open_app(&path, "first");
    assert_eq!(counts(&*store), HELD);
    let other = open_app(&path, "second");
    assert_eq!((other.count(&Filter::default()), claim(&*other, 99)), (Ok(0), vec![]));
    // The registration key is still held.
    let registration = Some(Registration { key: "r".into(), refuse_different: false });
    let again = store.submit(&[Submission { registration, ..call() }]).unwrap();
    assert!(matches!(again[..], [Submitted::Reused { .. }]), "{again:?}");
    // The earlier runners are gone. One invocation ran, one waited, and one was to be cancelled.
    let found = store.recover(RecoveryPolicy::default()).unwrap();
    assert_eq!((found.requeued.len(), found.cancelled.len(), found.buried.len()), (2, 1, 0));
    let mut ended = 0;
    let deadline = Instant::now() + PATIENCE;
    // Nine invocations, without the one that is due in months. Some wait for the backoff after a recovery.
    while ended < 9 {
        assert!(Instant::now() < deadline, "{ended} of 9");
        for alone in [false, true] {
            for claim in store.claim(&ClaimRequest { alone, ..request("r1", 9) }).unwrap().claims {
                assert_eq!(claim.payload.as_ref(), b"arguments");
                succeed(&*store, claim.ownership());
                ended += 1;
            }
        }
    }
    let done = store.list(&Filter { statuses: [Status::Success].into(), ..Filter::default() }, PAGE).unwrap();
    assert_eq!(done.len(), 11);
    for watched in store.watch(&done).unwrap() {
        assert!(matches!(&watched, Watched::Finished(end) if end.payload.as_deref() == Some(b"value")), "{watched:?}");
    }
    assert_eq!(store.count(&Filter::default()), Ok(15));
}

const PAGE: Page = Page { offset: 0, limit: 99 };

#[test]
fn processes_that_open_a_file_of_version_3_together_agree_on_its_app() {
    let (_folder, path) = old_file();
    let found: Vec<(String, usize)> = std::thread::scope(|scope| {
        let open = |number: usize| {
            let app_id = format!("app {}", number % 2);
            let count = open_app(&path, &app_id).count(&Filter::default()).unwrap();
            (app_id, count)
        };
        let opening: Vec<_> = (0..8).map(|number| scope.spawn(move || open(number))).collect();
        opening.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut owners: Vec<_> = found.iter().filter(|(_, count)| *count == 15).map(|(app_id, _)| app_id).collect();
    assert_eq!(owners.len(), 4, "{found:?}");
    owners.dedup();
    assert!(found.iter().all(|(app_id, count)| (*count == 15) == owners.contains(&app_id)), "{found:?}");
}

/// The statements of a process of schema version 3 that has the file open while another process migrates it.
struct Older(Connection);

impl Older {
    fn submit(&self) -> InvocationId {
        let call = call();
        let sql = "INSERT INTO invocation (id, task, args_id, parent, depth, queue, priority, due, registration_key,
                                           run_key, run_limit, run_drop, status, place, history)
                   VALUES (?1, 'shop.plain', '', NULL, 0, 'older', 0.0, 0, NULL, NULL, 0, 0, 1, 1, x'')";
        self.0.prepare_cached(sql).unwrap().execute([call.id.to_bytes()]).unwrap();
        let sql = "INSERT INTO arguments (seq, payload) VALUES (?1, ?2)";
        self.0.prepare_cached(sql).unwrap().execute(params![self.0.last_insert_rowid(), b"arguments"]).unwrap();
        call.id
    }

    fn claimable(&self) -> Vec<i64> {
        let sql =
            "SELECT seq FROM invocation WHERE place = 1 AND queue = ?1 ORDER BY rank DESC, priority DESC, due, seq";
        let mut statement = self.0.prepare_cached(sql).unwrap();
        statement.query_map(["older"], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn claim(&self, seq: i64) {
        let sql = "UPDATE invocation SET status = 6, place = 4, runner = 'old@v3', fence = 7, lease = 9000000000000,
                   last_fence = 0 WHERE seq = ?1";
        self.0.prepare_cached(sql).unwrap().execute([seq]).unwrap();
    }

    fn finish(&self, seq: i64) {
        let sql =
            "UPDATE invocation SET status = 11, place = 0, runner = NULL, fence = 0, lease = NULL, last_fence = 7,
                   finished_seq = (SELECT max(max(finished_seq), (SELECT value FROM meta WHERE key = 'finished_floor'))
                                   FROM invocation) + 1, expires = 9000000000000 WHERE seq = ?1";
        self.0.prepare_cached(sql).unwrap().execute([seq]).unwrap();
        let sql = "INSERT INTO outcome (seq, payload, reason) VALUES (?1, ?2, NULL)";
        self.0.prepare_cached(sql).unwrap().execute(params![seq, b"value"]).unwrap();
    }
}

#[test]
fn an_older_process_that_has_the_file_open_goes_on_with_the_work_of_the_first_app() {
    let (_folder, path) = old_file();
    let older = Older(Connection::open(&path).unwrap());
    older.0.busy_timeout(PATIENCE).unwrap();
    let before = older.submit();
    assert_eq!(older.claimable().len(), 1);
    let newer = open_app(&path, "first");
    let other = open_app(&path, "second");
    assert_eq!(version(&path), 4);
    // The newer and the older process see each other's calls.
    assert_eq!(newer.watch(&[before]), Ok(vec![Watched::Live(before, Status::Registered)]));
    let after = older.submit();
    let [first, second] = older.claimable()[..] else { unreachable!("two wait") };
    older.claim(first);
    let taken = newer.claim(&ClaimRequest { queues: ["older".into()].into(), ..request("r1", 9) }).unwrap().claims;
    assert_eq!(taken.iter().map(|claim| claim.id).collect::<Vec<_>>(), [after], "not what the older one has claimed");
    succeed(&*newer, taken[0].ownership());
    let mut waiter = Waiter::new(newer.clone(), &[before]);
    older.finish(first);
    let news = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
    assert_eq!(news[0].payload.as_deref(), Some(b"value".as_slice()));
    assert!(older.claimable().is_empty() && second > first);
    // The older process does not see the work of another app.
    submit(&*other);
    let plain: i64 = older.0.query_row("SELECT count(*) FROM invocation", [], |row| row.get(0)).unwrap();
    assert_eq!((plain, newer.count(&Filter::default())), (17, Ok(17)));
}

#[cfg(unix)]
mod killed {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use pynenc_store_sqlite::failpoint::{Stage, VARIABLE, name};

    use super::*;

    /// Names the file for the child.
    const DATABASE: &str = "PYNENC_TEST_MIGRATION_DATABASE";
    const TEST: &str = "killed::a_process_killed_during_a_migration_did_all_of_it_or_nothing";

    #[test]
    fn a_process_killed_during_a_migration_did_all_of_it_or_nothing() {
        if let Some(path) = std::env::var_os(DATABASE) {
            return drop(open_app(Path::new(&path), "first"));
        }
        for (stage, left) in [(Stage::Begun, 3), (Stage::Written, 3), (Stage::Committed, 4)] {
            let (_folder, path) = old_file();
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", TEST, "--nocapture"])
                .env(DATABASE, &path)
                .env(VARIABLE, name("open", stage))
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert_eq!(status.signal(), Some(9), "not killed at {stage:?}: {status}");
            assert_eq!(version(&path), left, "{stage:?}");
            let store = open_app(&path, "first");
            assert_eq!(counts(&*store), HELD, "{stage:?}");
            submit(&*open_app(&path, "second"));
            assert_eq!(store.count(&Filter::default()), Ok(15));
            store.close().unwrap();
        }
    }
}
