//! When everything has ended, only the marker of the app is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::*;
use pynenc_core::call::{Concurrency, Registration, Submission, WhenBlocked};
use pynenc_core::cancel::Reach;
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::Filter;
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::store::{Reads, Store};
use pynenc_store_redis::{RedisOptions, RedisStore};

/// Calls of every kind.
fn calls() -> Vec<Submission> {
    let key = |blocked| Some(Concurrency { key: "key".into(), limit: 1, blocked });
    let mut calls: Vec<_> = (0..600).map(|_| call()).collect();
    for (at, one) in calls.iter_mut().enumerate() {
        match at % 8 {
            0 => one.concurrency = key(WhenBlocked::Wait),
            1 => one.concurrency = key(WhenBlocked::Drop),
            2 => one.registration = Some(Registration { key: format!("r{at}").into(), refuse_different: false }),
            3 => one.payload = vec![1; 5_000].into(),
            4 => one.due = SystemClock.wall() + 20,
            _ => {}
        }
    }
    calls
}

fn settle(store: &dyn Store, claims: &[Claim], round: usize) {
    let settlement = |(at, claim): (usize, &Claim)| {
        let outcome = match (at + round) % 6 {
            0 => Outcome::Retry { due: 0, note: "again".into() },
            1 => Outcome::Release { due: 0, note: "".into() },
            2 => Outcome::Success(vec![2; 5_000].into()),
            3 => Outcome::Failure(b"e".as_slice().into()),
            _ => Outcome::Success(b"v".as_slice().into()),
        };
        Settlement { owner: claim.ownership(), outcome, started: 1, slot: 0 }
    };
    store.settle(&claims.iter().enumerate().map(settlement).collect::<Vec<_>>()).unwrap();
}

fn run_all(store: &dyn Store) {
    let calls = calls();
    store.submit(&calls).unwrap();
    for one in calls.iter().step_by(50) {
        store.cancel(one.id, Reach::Queue).unwrap();
    }
    for round in 0.. {
        let claims = claim(store, 100);
        if claims.is_empty() {
            let claimed: Vec<_> =
                pynenc_core::status::Status::ALL.iter().copied().filter(|status| !status.is_final()).collect();
            if store.count(&Filter { statuses: claimed, ..Filter::default() }) == Ok(0) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        settle(store, &claims, round);
        assert!(round < 1_000, "it ends");
    }
}

#[test]
fn after_everything_expired_and_was_purged_only_the_marker_is_left() {
    let server = Server::start();
    let store = RedisStore::open(RedisOptions { retention: 300, ..options(&server.url()) }).unwrap();
    let baseline = server.keys();
    assert_eq!(baseline.len(), 1);
    for purge_before_expiry in [true, false] {
        run_all(&*store);
        if purge_before_expiry {
            store.purge(Purge::Expired { limit: 1000 }).unwrap();
        }
        std::thread::sleep(Duration::from_millis(400));
        store.purge(Purge::Expired { limit: 10_000 }).unwrap();
        claim(&*store, 1);
        assert_eq!(server.keys(), baseline);
    }
}

#[test]
fn every_key_of_a_finished_invocation_expires() {
    let server = Server::start();
    let store = open(&server.url());
    run_all(&*store);
    let mut connection = server.connect();
    for key in server.run::<Vec<Vec<u8>>>(&["KEYS", "*"]) {
        let name = String::from_utf8_lossy(&key).into_owned();
        let ttl: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
        let kind = name.split_once('}').unwrap().1;
        if ["i:", "d:", "e:"].iter().any(|prefix| kind.starts_with(prefix)) {
            assert!(ttl > 0, "{name}: {ttl}");
        } else {
            assert!(["m", "f", "o", "Q"].contains(&kind) || kind.starts_with("o:"), "{name}");
        }
    }
}

#[test]
fn a_purge_of_everything_leaves_only_the_marker() {
    let server = Server::start();
    let store = open(&server.url());
    let baseline = server.keys();
    let calls = calls();
    store.submit(&calls).unwrap();
    let claims = claim(&*store, 300);
    settle(&*store, &claims[..100], 0);
    let waiting = claims[200].ownership();
    store.pause(waiting, &[calls[599].id]).unwrap();
    store.claim(&ClaimRequest { lease: 1, ..request("dead", 50) }).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    store.recover(RecoveryPolicy::default()).unwrap();
    assert_eq!(store.purge(Purge::All), Ok(calls.len()));
    claim(&*store, 1);
    assert_eq!(server.keys(), baseline);
}

#[test]
fn data_of_another_layout_is_refused_before_the_first_write() {
    let server = Server::start();
    let options = options(&server.url());
    let meta = format!("{{{}:0}}m", options.app_id);
    RedisStore::open(options.clone()).unwrap().close().unwrap();
    assert!(server.run::<String>(&["HGET", &meta, "a"]).starts_with("3:"));
    for (marker, layout) in [("00f3a1", "layout 1"), ("4:00f3a1", "layout 4")] {
        server.run::<()>(&["HSET", &meta, "a", marker]);
        let before = server.keys();
        let error = RedisStore::open(options.clone()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(layout) && error.contains("layout 3") && error.contains("app_id"), "{error}");
        assert_eq!((server.run::<String>(&["HGET", &meta, "a"]), server.keys()), (marker.to_owned(), before));
    }
}

fn sized(payload: usize) -> Submission {
    Submission { payload: (0..payload).map(|at| (at % 251) as u8).collect::<Vec<_>>().into(), ..call() }
}

#[test]
fn large_arguments_arrive_as_they_were_sent_and_leave_nothing_behind() {
    let server = Server::start();
    let store = open(&server.url());
    let baseline = server.keys();
    let calls: Vec<_> = [0, 10, 2_049, 16_383, 16_384, 16_385, 1_000_000, 9_000_000, 9_000_000].map(sized).into();
    store.submit(&calls).unwrap();
    // The call is sent again, as after a lost answer.
    store.submit(&calls[3..8]).unwrap();
    assert_eq!(times(&server, "d:"), vec![-1; 7], "none of them ends");
    for one in &calls {
        assert_eq!(store.get(one.id).unwrap().payload, one.payload);
    }
    let claims = claim(&*store, calls.len());
    for (claim, call) in claims.iter().zip(&calls) {
        assert_eq!((claim.id, &claim.payload), (call.id, &call.payload));
    }
    settle(&*store, &claims, 2);
    assert_eq!(store.purge(Purge::All), Ok(calls.len()));
    claim(&*store, 1);
    assert_eq!(server.keys(), baseline);
}

/// Remaining lifetime of each key of a kind; -1 for a key that does not expire.
fn times(server: &Server, kind: &str) -> Vec<i64> {
    let mut connection = server.connect();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg(format!("*}}{kind}*")).query(&mut connection).unwrap();
    keys.iter().map(|key| redis::cmd("PTTL").arg(key).query(&mut connection).unwrap()).collect()
}

#[test]
fn large_arguments_of_a_refused_call_expire() {
    let server = Server::start();
    let store = open(&server.url());
    let registered = || Submission {
        registration: Some(Registration { key: "key".into(), refuse_different: false }),
        ..sized(100_000)
    };
    let (first, second) = (registered(), registered());
    assert_eq!(store.submit(&[first.clone(), second]).unwrap().len(), 2);
    assert_eq!(times(&server, "d:"), [-1], "those of the first alone");
    assert_eq!(claim(&*store, 2)[0].payload, first.payload);
    // A process that dies in between leaves a key that expires.
    let other = sized(100_000);
    let meta = server.keys().into_iter().find(|key| key.ends_with("}m")).unwrap();
    server.run::<()>(&["DEL", &meta]);
    server.run::<()>(&["SET", &meta, "of another type"]);
    assert!(store.submit(&[other]).is_err());
    let mut left = times(&server, "d:");
    left.sort_unstable();
    assert!(left.len() == 2 && left[0] == -1 && (1..=60_000).contains(&left[1]), "{left:?}");
}
