//! The tally agrees with counts that read each invocation, whatever was purged in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::*;
use pynenc_core::call::{Route, Submission};
use pynenc_core::clock::{Clock, ManualClock};
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page};
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_store_sqlite::{SqliteOptions, SqliteStore};

const TASKS: [&str; 3] = ["m.a", "m.b", "m.c"];
const QUEUES: [&str; 2] = ["default", "other"];

fn filters() -> Vec<Filter> {
    let tasks = std::iter::once(None).chain(TASKS.map(|task| Some(Arc::from(task))));
    let statuses = std::iter::once(Vec::new())
        .chain(Status::ALL.iter().map(|status| vec![*status]))
        .chain([
            vec![Status::Registered, Status::Rerouted, Status::Retry],
            vec![Status::Registered, Status::Success],
            vec![Status::Retry, Status::Running, Status::Failed],
            Status::ALL.to_vec(),
        ])
        .collect::<Vec<_>>();
    let queues = [vec![], vec![Arc::from(QUEUES[1]), Arc::from("none")]];
    let mut all = Vec::new();
    for task in tasks {
        for statuses in &statuses {
            for queues in &queues {
                all.push(Filter {
                    task: task.clone(),
                    statuses: statuses.clone(),
                    queues: queues.clone(),
                    ..Filter::default()
                });
            }
        }
    }
    all
}

fn agree(store: &SqliteStore, when: &str) {
    for filter in filters() {
        let listed = store.list(&filter, Page { offset: 0, limit: usize::MAX }).unwrap().len();
        assert_eq!(store.count(&filter).unwrap(), listed, "{when}: {filter:?}");
    }
}

fn calls(count: usize) -> Vec<Submission> {
    (0..count)
        .map(|n| {
            let mut one = if n % 11 == 0 { keyed("k") } else { call() };
            one.route = Arc::new(Route { task: TASKS[n % 3].into(), queue: QUEUES[n % 2].into(), priority: 0.0 });
            one
        })
        .collect()
}

#[test]
fn the_tally_agrees_with_a_scan() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let clock = Arc::new(ManualClock::new(1_764_000_000_000));
    let open = || SqliteStore::open(SqliteOptions { clock: clock.clone(), ..options(&path) }).unwrap();
    let store = open();
    agree(&store, "with nothing in it");
    for round in 0..2 {
        store.submit(&calls(2_300)).unwrap();
        agree(&store, "with a queue");
        let claims = claim(&*store, 1_500);
        for (n, one) in claims.iter().enumerate() {
            let outcome = match n % 10 {
                0 => Outcome::Failure([].into()),
                1 => Outcome::Retry { due: clock.wall() + 5_000, note: "n".into() },
                2 => Outcome::Release { due: 0, note: "n".into() },
                3 => continue,
                _ => Outcome::Success([].into()),
            };
            let settlement = Settlement { owner: one.ownership(), outcome, started: 1, slot: 0 };
            store.settle(&[settlement]).unwrap();
        }
        agree(&store, "with all kinds in it");
        agree(&open(), "by another handle");
        store.revoke(&"r1".into(), "killed", RecoveryPolicy::default()).unwrap();
        agree(&store, "with some that run alone next");
        if round == 1 {
            clock.advance(60_001);
            while store.purge(Purge::Expired { limit: 700 }).unwrap() > 0 {}
            agree(&store, "after a purge of what expired");
        }
    }
    store.purge(Purge::Queued { limit: usize::MAX }).unwrap();
    agree(&store, "after a withdrawal of the queue");
    clock.advance(60_001);
    while store.purge(Purge::Expired { limit: 5_000 }).unwrap() > 0 {}
    agree(&store, "after all that ended went");
    store.submit(&calls(10)).unwrap();
    agree(&store, "with numbers that are given out again");
    store.purge(Purge::All).unwrap();
    agree(&store, "after a purge of everything");
    store.submit(&calls(2_100)).unwrap();
    agree(&store, "from the beginning");
}
