//! Counts of queued and claimed invocations read neither the others nor each queued invocation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::*;
use pynenc_core::call::{Concurrency, Route, Submission, WhenBlocked};
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page};
use pynenc_core::settle::Outcome;
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_store_redis::{RedisOptions, RedisStore};

const QUEUED: [Status; 3] = [Status::Registered, Status::Rerouted, Status::Retry];
const RUNNING: [Status; 3] = [Status::Pending, Status::Running, Status::Paused];

fn filter(statuses: &[Status], queues: &[&str]) -> Filter {
    let queues = queues.iter().map(|queue| Arc::from(*queue)).collect();
    Filter { statuses: statuses.to_vec(), queues, ..Filter::default() }
}

fn filters() -> Vec<Filter> {
    let mut all = Vec::new();
    for queues in [&[][..], &["default"], &["other"], &["default", "other"], &["default", "default"], &["none"]] {
        all.extend([filter(&QUEUED, queues), filter(&RUNNING, queues), filter(&[Status::Running], queues)]);
        all.push(filter(&QUEUED[..2], queues));
        all.push(Filter { runner: Some("r1".into()), ..filter(&[], queues) });
        all.push(Filter { task: Some("m.f".into()), ..filter(&QUEUED, queues) });
    }
    all
}

fn agree(store: &RedisStore, when: &str) {
    for filter in filters() {
        let listed = store.list(&filter, Page { offset: 0, limit: usize::MAX }).unwrap().len();
        assert_eq!(store.count(&filter).unwrap(), listed, "{when}: {filter:?}");
    }
}

fn calls(count: usize) -> Vec<Submission> {
    let other = Arc::new(Route { task: "m.g".into(), queue: "other".into(), priority: 1.0 });
    let one = |n: usize| Submission {
        route: if n.is_multiple_of(3) { other.clone() } else { call().route },
        due: if n.is_multiple_of(7) { SystemClock.wall() + 1_000_000 } else { 0 },
        concurrency: (n.is_multiple_of(5)).then(|| Concurrency {
            key: "k".into(),
            limit: 1,
            blocked: WhenBlocked::Wait,
        }),
        ..call()
    };
    (0..count).map(one).collect()
}

#[test]
fn counts_by_queues_and_leases_agree_with_a_scan() {
    let server = Server::start();
    for shards in [1, 3] {
        let store = RedisStore::open(RedisOptions { shards, ..options(&server.url()) }).unwrap();
        agree(&store, "with nothing in it");
        store.submit(&calls(200)).unwrap();
        agree(&store, "with a queue");
        let claims = claim(&*store, 60);
        agree(&store, "with claims");
        let outcome = |n: usize| match n % 4 {
            0 => Some(Outcome::Retry { due: 0, note: "n".into() }),
            1 => Some(Outcome::Release { due: SystemClock.wall() + 1_000_000, note: "n".into() }),
            2 => Some(Outcome::Success([].into())),
            _ => None,
        };
        for (n, one) in claims.iter().enumerate() {
            if let Some(outcome) = outcome(n) {
                store.settle(&[settlement(one, outcome)]).unwrap();
            }
        }
        agree(&store, "with outcomes of all kinds");
        store.revoke(&"r1".into(), "killed", RecoveryPolicy::default()).unwrap();
        agree(&store, "with some that run alone next");
        store.purge(Purge::Queued { limit: 50 }).unwrap();
        agree(&store, "after a withdrawal");
        store.purge(Purge::All).unwrap();
        agree(&store, "after a purge");
    }
}

#[test]
fn counting_a_long_queue_takes_one_round_trip() {
    let server = Server::start();
    let store = open(&server.url());
    let calls: Vec<_> = (0..2_000).map(|_| call()).collect();
    store.submit(&calls).unwrap();
    claim(&*store, 3);
    // The server learns the script.
    store.count(&filter(&QUEUED, &[])).unwrap();
    for (filter, counted, most) in [
        (filter(&QUEUED, &[]), 1_997, 1),
        (filter(&QUEUED, &["default"]), 1_997, 1),
        (filter(&RUNNING, &[]), 3, 2),
        (Filter::default(), 2_000, 2),
    ] {
        let before = store.round_trips();
        assert_eq!(store.count(&filter), Ok(counted));
        assert!(store.round_trips() - before <= most, "{filter:?}: {}", store.round_trips() - before);
    }
}
