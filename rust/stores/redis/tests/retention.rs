//! The index of finished invocations, after the retention was shortened.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::*;
use pynenc_core::clock::{Clock, ManualClock, SystemClock};
use pynenc_core::purge::Purge;
use pynenc_core::store::{Reads, Store};
use pynenc_store_redis::{RedisOptions, RedisStore};

const LONG: i64 = 1_000_000_000;
const SHORT: i64 = 1_000;

fn finish(store: &dyn Store, count: usize) {
    store.submit(&(0..count).map(|_| call()).collect::<Vec<_>>()).unwrap();
    claim(store, count).iter().for_each(|claim| succeed(store, claim.ownership()));
}

#[test]
fn an_entry_that_expires_later_does_not_keep_later_entries_in_the_index() {
    let server = Server::start();
    let clock = Arc::new(ManualClock::new(SystemClock.wall()));
    let long = RedisOptions { retention: LONG, clock: Some(clock.clone()), ..options(&server.url()) };
    let (before, app) = (RedisStore::open(long.clone()).unwrap(), long.app_id.clone());
    let baseline = server.keys();
    let after = RedisStore::open(RedisOptions { retention: SHORT, ..long }).unwrap();
    let length = |kind: &str, command: &str| server.run::<usize>(&[command, &format!("{{{app}:0}}{kind}")]);

    finish(&*before, 250);
    for round in 0..3 {
        finish(&*after, 250);
        clock.advance(SHORT + 1);
        let mut removed = 0;
        while let Ok(count @ 1..) = after.purge(Purge::Expired { limit: 100 }) {
            removed += count;
        }
        assert_eq!(removed, 250, "round {round}");
        assert_eq!(length("f", "LLEN") + length("g", "ZCARD"), 250, "only those that stay are in the index");
    }
    assert_eq!(after.count(&Default::default()), Ok(250), "and they stay");
    clock.advance(LONG);
    while after.purge(Purge::Expired { limit: 1_000 }).unwrap() > 0 {}
    after.claim(&request("r9", 1)).unwrap();
    assert_eq!(after.count(&Default::default()), Ok(0));
    assert_eq!(server.keys(), baseline);
}

#[test]
fn a_purge_of_everything_empties_both_indexes() {
    let server = Server::start();
    let clock = Arc::new(ManualClock::new(SystemClock.wall()));
    let long = RedisOptions { retention: LONG, clock: Some(clock.clone()), ..options(&server.url()) };
    let before = RedisStore::open(long.clone()).unwrap();
    let baseline = server.keys();
    let after = RedisStore::open(RedisOptions { retention: SHORT, ..long }).unwrap();
    finish(&*before, 120);
    finish(&*after, 120);
    clock.advance(SHORT + 1);
    while after.purge(Purge::Expired { limit: 1_000 }).unwrap() > 0 {}
    assert_eq!(after.purge(Purge::All), Ok(120));
    after.claim(&request("r9", 1)).unwrap();
    assert_eq!(server.keys(), baseline);
}
