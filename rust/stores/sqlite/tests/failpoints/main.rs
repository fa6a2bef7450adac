//! A process is killed at every failpoint of every verb that writes. Before the commit nothing has happened, after it everything.
//! A repetition of the request changes nothing. The claims of the dead process are recovered once and end once.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod dump;

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use cases::{Case, cases_of};
use common::*;
use dump::{Dump, dump};
use pynenc_core::clock::ManualClock;
use pynenc_core::ids::{Fence, InvocationId, Millis, Ownership};
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::settle::Settled;
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_sqlite::failpoint::{Stage, VARIABLE, VERBS, name};
use pynenc_store_sqlite::{SqliteOptions, SqliteStore};

/// The state of a case is made at this time.
const PREPARED: Millis = 1_000_000;
/// The verb runs at this time.
const PERFORMED: Millis = PREPARED + 1000;
/// Every lease has ended at this time.
const AFTERWARDS: Millis = PERFORMED + 1_000_000;
/// A span between the first two times: what lasts this long has ended when the verb runs.
const SHORT: Millis = 500;

const EVERYTHING: Page = Page { offset: 0, limit: usize::MAX };

const TEST: &str = "a_verb_whose_process_dies_at_a_failpoint_happened_entirely_or_not_at_all";

/// Variables for the child besides [`VARIABLE`]: the file, the verb, the number of the case, and its invocations.
const DATABASE: &str = "PYNENC_TEST_FAILPOINT_DATABASE";
const VERB: &str = "PYNENC_TEST_FAILPOINT_VERB";
const CASE: &str = "PYNENC_TEST_FAILPOINT_CASE";
const OWNERS: &str = "PYNENC_TEST_FAILPOINT_OWNERS";

fn open_at(path: &Path, now: Millis) -> Arc<SqliteStore> {
    let clock = Arc::new(ManualClock::new(now));
    SqliteStore::open(SqliteOptions { retention: SHORT, clock, ..options(path) }).unwrap()
}

#[test]
fn a_verb_whose_process_dies_at_a_failpoint_happened_entirely_or_not_at_all() {
    if let Some(path) = std::env::var_os(DATABASE) {
        return perform(Path::new(&path));
    }
    assert_eq!(VERBS.iter().collect::<HashSet<_>>().len(), VERBS.len(), "two verbs of one name");
    for verb in VERBS {
        for (number, case) in cases_of(verb).iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let scene = Scene::prepare(folder.path(), verb, number, case);
            for stage in Stage::ALL {
                scene.die(stage);
            }
        }
    }
}

/// The work of the process that is killed.
fn perform(path: &Path) {
    let said = |name: &str| std::env::var(name).unwrap();
    let verb = said(VERB);
    let case = cases_of(&verb).remove(said(CASE).parse().unwrap());
    (case.perform)(&*open_at(path, PERFORMED), &read_owners(&said(OWNERS)));
    // The verb is answered, and the writer may not have reached the failpoint yet.
    std::thread::sleep(PATIENCE);
}

fn write_owners(owners: &[Ownership]) -> String {
    owners.iter().map(|owner| format!("{} {}\n", owner.id, owner.fence.0)).collect()
}

fn read_owners(text: &str) -> Vec<Ownership> {
    let read = |line: &str| {
        let (id, fence) = line.split_once(' ').unwrap();
        Ownership { id: id.parse().unwrap(), fence: Fence(fence.parse().unwrap()) }
    };
    text.lines().map(read).collect()
}

/// A case with its database, before and after.
struct Scene<'a> {
    folder: &'a Path,
    verb: &'a str,
    number: usize,
    case: &'a Case,
    owners: Vec<Ownership>,
    before: Dump,
    /// The database after the verb, in a process that lives.
    after: Dump,
}

impl<'a> Scene<'a> {
    fn prepare(folder: &'a Path, verb: &'a str, number: usize, case: &'a Case) -> Self {
        let path = folder.join("prepared.db");
        let store = open_at(&path, PREPARED);
        let owners = (case.prepare)(&*store);
        store.close().unwrap();
        let before = dump(&path);
        let undisturbed = folder.join("undisturbed.db");
        std::fs::copy(&path, &undisturbed).unwrap();
        let store = open_at(&undisturbed, PERFORMED);
        (case.perform)(&*store, &owners);
        store.close().unwrap();
        let after = dump(&undisturbed);
        assert_ne!(before, after, "case {number} of {verb} changes nothing");
        Self { folder, verb, number, case, owners, before, after }
    }

    fn copy(&self, stage: Stage) -> PathBuf {
        let path = self.folder.join(format!("{stage:?}.db"));
        std::fs::copy(self.folder.join("prepared.db"), &path).unwrap();
        path
    }

    fn kill(&self, path: &Path, stage: Stage) {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(DATABASE, path)
            .env(VERB, self.verb)
            .env(CASE, self.number.to_string())
            .env(OWNERS, write_owners(&self.owners))
            .env(VARIABLE, name(self.verb, stage))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(9), "{status}: not killed at {}", self.at(stage));
    }

    fn at(&self, stage: Stage) -> String {
        format!("{}, case {}", name(self.verb, stage), self.number)
    }

    fn die(&self, stage: Stage) {
        let path = self.copy(stage);
        self.kill(&path, stage);
        let expected = if stage.is_kept() { &self.after } else { &self.before };
        assert_eq!(dump(&path), *expected, "{}", self.at(stage));
        self.replay(&path, stage);
        self.end(&path, stage);
    }

    /// Repeat the request, as a caller without an answer does.
    fn replay(&self, path: &Path, stage: Stage) {
        let store = open_at(path, PERFORMED);
        (self.case.perform)(&*store, &self.owners);
        store.close().unwrap();
        let (mut seen, mut expected) = (dump(path), self.after.clone());
        if self.case.leaps {
            seen.forget_the_number_of_the_last_finish();
            expected.forget_the_number_of_the_last_finish();
        }
        assert_eq!(seen, expected, "{}, once more", self.at(stage));
    }

    /// Three handles recover the claims of the dead process at once, and a runner does the rest.
    fn end(&self, path: &Path, stage: Stage) {
        let at = self.at(stage);
        let store = open_at(path, AFTERWARDS);
        let claimed = [Status::Pending, Status::Running, Status::Paused].into();
        let mut left = store.list(&Filter { statuses: claimed, ..Filter::default() }, EVERYTHING).unwrap();
        let mut found = race_to_recover(path);
        left.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, left, "{at}: each is recovered, and once");
        loop {
            let mut claims = claim(&*store, 10);
            claims.extend(claim_alone(&*store, 10));
            if claims.is_empty() {
                break;
            }
            claims.iter().for_each(|claim| succeed(&*store, claim.ownership()));
        }
        for owner in self.owners.iter().filter(|owner| owner.fence != Fence(0)) {
            assert_ne!(store.settle(&[success(*owner)]), Ok(vec![Settled::Done]), "{at}: the dead have no say");
        }
        let ids = store.list(&Filter::default(), EVERYTHING).unwrap();
        for (id, watched) in ids.iter().zip(store.watch(&ids).unwrap()) {
            assert!(matches!(watched, Watched::Finished(_)), "{at}: {watched:?}");
            let ends = store.history(*id).unwrap().iter().filter(|entry| entry.status.is_final()).count();
            assert_eq!(ends, 1, "{at}: {id}");
        }
        store.close().unwrap();
        dump::check(path);
    }
}

/// Ids that three handles have recovered, in all.
fn race_to_recover(path: &Path) -> Vec<InvocationId> {
    let start = Barrier::new(3);
    std::thread::scope(|scope| {
        let recover = || {
            let store = open_at(path, AFTERWARDS);
            start.wait();
            let recovered = store.recover(RecoveryPolicy::default()).unwrap();
            [recovered.requeued, recovered.buried, recovered.cancelled].concat()
        };
        let racing = [(); 3].map(|()| scope.spawn(recover));
        racing.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_waiter_learns_of_an_end_whose_process_died_before_it_notified_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases_of("settle");
    let scene = Scene::prepare(folder.path(), "settle", 0, &cases[0]);
    for stage in [Stage::Committed, Stage::Answered] {
        let path = scene.copy(stage);
        let store = open_at(&path, PERFORMED);
        let id = scene.owners[0].id;
        let mut waiter = Waiter::new(store.clone(), &[id]);
        assert!(waiter.ready().unwrap().is_empty());
        scene.kill(&path, stage);
        let news = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
        assert_eq!((news[0].id, news[0].status), (id, Status::Success), "{stage:?}");
    }
}
