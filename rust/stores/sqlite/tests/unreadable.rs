//! Rows with values that no release wrote: each is set aside as failed, with a reason, and blocks nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::*;
use pynenc_core::call::Submission;
use pynenc_core::cancel::Reach;
use pynenc_core::claim::ClaimRequest;
use pynenc_core::clock::ManualClock;
use pynenc_core::ids::{InvocationId, Ownership};
use pynenc_core::pause::Paused;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::settle::Settled;
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;

/// Values that a column can store and that mean nothing there. Another test covers the column `id`.
const DAMAGES: [(&str, &str); 30] = [
    ("status", "99"),
    ("status", "0"),
    ("status", "-1"),
    ("status", "15"),
    ("status", "1000000000000"),
    ("task", "CAST(x'ff' AS TEXT)"),
    ("args_id", "CAST(x'c3' AS TEXT)"),
    ("parent", "x''"),
    ("parent", "x'0102'"),
    ("depth", "-1"),
    ("depth", "5000000000"),
    ("queue", "CAST(x'ff41' AS TEXT)"),
    ("rank", "-1"),
    ("rank", "5000000000"),
    ("run_key", "CAST(x'ff' AS TEXT)"),
    ("run_limit", "-1"),
    ("run_limit", "5000000000"),
    ("runner", "CAST(x'ff' AS TEXT)"),
    ("retries", "-1"),
    ("retries", "5000000000"),
    ("recoveries", "-1"),
    ("recoveries", "5000000000"),
    ("releases", "-1"),
    ("releases", "5000000000"),
    ("note", "CAST(x'ff' AS TEXT)"),
    ("history", "x''"),
    ("history", "x'ffffffffff'"),
    ("due", "-5"),
    ("priority", "9e999"),
    ("cancelled", "7"),
];

struct World {
    store: Arc<SqliteStore>,
    clock: Arc<ManualClock>,
    db: Connection,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let clock = Arc::new(ManualClock::new(1_764_000_000_000));
        let store = SqliteStore::open(SqliteOptions { clock: clock.clone(), ..options(&path) }).unwrap();
        Self { store, clock, db: Connection::open(path).unwrap(), _folder: folder }
    }

    fn plant(&self, id: InvocationId, column: &str, value: &str) {
        let sql = format!("UPDATE invocation SET {column} = {value} WHERE id = ?1");
        assert_eq!(self.db.execute(&sql, [id.to_bytes()]).unwrap(), 1, "{column}");
    }

    /// Claim, including invocations that run alone after the death of their runner.
    fn owned(&self, limit: usize) -> Vec<Ownership> {
        let claims =
            |alone| self.store.claim(&ClaimRequest { alone, ..request("r1", limit) }).expect("claims work").claims;
        [false, true].into_iter().flat_map(claims).map(|one| one.ownership()).collect()
    }

    fn is_aside(&self, id: InvocationId) -> bool {
        let Watched::Finished(end) = self.store.watch(&[id]).unwrap().remove(0) else { return false };
        let aside = end.reason.as_deref().is_some_and(|reason| reason.starts_with("unreadable: "));
        if aside {
            assert_eq!((end.status, end.payload), (Status::Failed, None));
            let record = self.store.get(id).unwrap();
            assert_eq!((record.status, &record.note), (Status::Failed, &end.reason));
            let nobody_was_there = record.note.unwrap().contains("a value in its row");
            let last = self.store.history(id).unwrap().last().unwrap().status;
            assert!(last == Status::Failed || nobody_was_there, "{last}");
        }
        aside
    }
}

#[test]
fn an_unreadable_row_in_a_queue_blocks_nothing() {
    let world = World::new();
    let mut aside = 0;
    for (column, value) in DAMAGES {
        let (bad, good) = (submit(&*world.store), submit(&*world.store));
        world.plant(bad, column, value);
        let mut settled = Vec::new();
        for limit in [1, 5] {
            for owner in world.owned(limit) {
                assert_eq!(world.store.settle(&[success(owner)]).unwrap(), [Settled::Done], "{column} {value}");
                settled.push(owner.id);
            }
        }
        assert!(settled.contains(&good), "{column} {value}: what stands behind it ran");
        assert!(settled.contains(&bad) || world.is_aside(bad), "{column} {value}: {:?}", world.store.watch(&[bad]));
        aside += usize::from(world.is_aside(bad));
    }
    assert!(aside >= 20, "{aside}");
    assert_eq!(world.store.list(&Filter::default(), Page { offset: 0, limit: 1000 }).unwrap().len(), 2 * DAMAGES.len());
    world.store.purge(Purge::All).unwrap();
}

#[test]
fn an_unreadable_row_of_a_claim_blocks_neither_settlements_nor_recovery() {
    for settles in [true, false] {
        let world = World::new();
        for (column, value) in DAMAGES {
            let (bad, good) = (submit(&*world.store), submit(&*world.store));
            let owners = world.owned(2);
            assert_eq!(owners.iter().map(|owner| owner.id).collect::<Vec<_>>(), [bad, good]);
            world.plant(bad, column, value);
            world.store.beat(&"r1".into(), 10_000).expect("beats work");
            if settles {
                let answers = world.store.settle(&[success(owners[0]), success(owners[1])]).expect(column);
                assert_eq!(answers[1], Settled::Done, "{column} {value}: the one beside it");
            }
            world.clock.advance(10_001);
            let mut requeued = Vec::new();
            for _ in 0..4 {
                requeued.extend(world.store.recover(RecoveryPolicy::default()).expect(column).requeued);
                world.clock.advance(10_001);
            }
            assert_eq!(requeued.contains(&good), !settles, "{column} {value}: the one beside it");
            for owner in world.owned(5) {
                world.store.settle(&[success(owner)]).unwrap();
            }
            let left = world.store.watch(&[bad]).unwrap().remove(0);
            assert!(matches!(left, Watched::Finished(_)), "{column} {value}: {left:?}");
            let held: i64 =
                world.db.query_row("SELECT count(*) FROM invocation WHERE place = 4", [], |row| row.get(0)).unwrap();
            assert_eq!(held, 0, "{column} {value}");
        }
    }
}

#[test]
fn setting_a_row_aside_frees_its_key_and_names_the_problem() {
    let world = World::new();
    let ids = [(); 3].map(|()| {
        let one = keyed("k");
        world.store.submit(std::slice::from_ref(&one)).unwrap();
        one.id
    });
    assert_eq!(world.owned(3).len(), 1, "the key blocks the others");
    world.plant(ids[0], "status", "99");
    // The first blocked invocation, too.
    world.plant(ids[1], "depth", "-7");
    world.clock.advance(10_001);
    let mut unreadable = Vec::new();
    for _ in 0..4 {
        unreadable.extend(world.store.recover(RecoveryPolicy::default()).unwrap().unreadable);
        world.clock.advance(10_001);
    }
    assert_eq!(unreadable, [ids[0]]);
    assert_eq!(world.owned(1).iter().map(|owner| owner.id).collect::<Vec<_>>(), [ids[2]], "its place is free");
    assert!(world.is_aside(ids[0]) && world.is_aside(ids[1]));
    let record = world.store.get(ids[1]).unwrap();
    assert_eq!(record.note.as_deref(), Some("unreadable: its depth is -7"));
    assert_eq!((&*record.task, &*record.payload), ("m.f", &b"arguments"[..]), "what can be read stays");
}

#[test]
fn an_unreadable_row_blocks_neither_waits_nor_cancellations_nor_withdrawals() {
    let world = World::new();
    submit(&*world.store);
    let waiter = world.owned(1)[0];
    let bad = submit(&*world.store);
    world.plant(bad, "status", "77");
    assert_eq!(world.store.pause(waiter, &[bad]).unwrap(), Paused::Ready(vec![bad]));
    let bad = submit(&*world.store);
    world.plant(bad, "status", "77");
    world.store.cancel(bad, Reach::Runners).unwrap();
    assert!(world.is_aside(bad));
    let bad = submit(&*world.store);
    world.plant(bad, "status", "77");
    assert!(world.is_aside(bad), "so a reader sees it who comes first");
    let good = submit(&*world.store);
    world.store.purge(Purge::Queued { limit: 100 }).unwrap();
    assert!(world.is_aside(bad));
    assert_eq!(world.store.get(good).unwrap().status, Status::Cancelled);
}

#[test]
fn missing_arguments_and_an_unreadable_id_block_nothing() {
    let world = World::new();
    let (gone, nameless, good) = (submit(&*world.store), submit(&*world.store), submit(&*world.store));
    let gone_seq = "SELECT seq FROM invocation WHERE id = ?1";
    world.db.execute(&format!("DELETE FROM arguments WHERE seq = ({gone_seq})"), [gone.to_bytes()]).unwrap();
    world.plant(nameless, "id", "x'01'");
    let owners: Vec<_> = (0..3).flat_map(|_| world.owned(1)).collect();
    assert_eq!(owners.iter().map(|owner| owner.id).collect::<Vec<_>>(), [good]);
    assert!(world.is_aside(gone));
    assert_eq!(world.store.get(gone).unwrap().note.as_deref(), Some("unreadable: its arguments are gone"));
    // It has an id now, by which it can be read.
    let listed = world.store.list(&Filter::default(), Page { offset: 0, limit: 10 }).unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().any(|id| ![gone, good].contains(id) && world.is_aside(*id)));

    let claimed = owners[0];
    world.plant(claimed.id, "id", "x'02'");
    world.store.beat(&"r1".into(), 10_000).unwrap();
    world.clock.advance(10_001);
    for _ in 0..4 {
        world.store.recover(RecoveryPolicy::default()).unwrap();
        world.clock.advance(10_001);
    }
    assert!(world.owned(1).is_empty());
    while world.store.purge(Purge::Expired { limit: 100 }).unwrap() > 0 {}
}

#[test]
fn a_large_batch_does_not_keep_others_from_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (one, other) = (open(&path), open(&path));
    let batch: Vec<Submission> = (0..30_000).map(|_| call()).collect();
    std::thread::scope(|scope| {
        let whole = scope.spawn(|| one.submit(&batch).unwrap());
        eventually("a piece of it is there", || other.count(&Filter::default()).unwrap() > 0);
        submit(&*other);
        assert!(!whole.is_finished(), "another process was served in the middle of it");
        assert!(other.count(&Filter::default()).unwrap() < batch.len());
        assert_eq!(whole.join().unwrap().len(), batch.len());
    });
    assert_eq!(other.count(&Filter::default()), Ok(batch.len() + 1));
    // A repetition, as after an error, changes nothing.
    one.submit(&batch).unwrap();
    assert_eq!(other.count(&Filter::default()), Ok(batch.len() + 1));
}
