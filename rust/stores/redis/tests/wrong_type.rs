//! Scripts are not rolled back: a script that meets a key of a wrong type must not have written anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use pynenc_core::Error;
use pynenc_core::call::{Concurrency, Registration, WhenBlocked};
use pynenc_core::cancel::Reach;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::store::Store;
use pynenc_store_redis::{RedisOptions, RedisStore};

const KEYS: [&str; 20] = [
    "m",
    "o",
    "Q",
    "l",
    "f",
    "b",
    "b:default",
    "q:default",
    "s:default",
    "w:r1",
    "k:c",
    "z:c",
    "r:r",
    "o:\0\0\0\0",
    "q:other",
    "k:d",
    "z:d",
    "s:other",
    "w:r2",
    "c:r1",
];

/// Content of every key, for comparison.
fn dump(server: &Server) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut connection = server.connect();
    let mut keys: Vec<Vec<u8>> = server.run(&["KEYS", "*"]);
    keys.sort();
    let dumped = |key: Vec<u8>| {
        let content = redis::cmd("DUMP").arg(&key).query(&mut connection).unwrap();
        (key, content)
    };
    keys.into_iter().map(dumped).collect()
}

type Verb = fn(&RedisStore, &State) -> Result<(), Error>;

struct State {
    held: pynenc_core::ids::Ownership,
    queued: pynenc_core::ids::InvocationId,
}

fn keyed(key: &str) -> pynenc_core::call::Submission {
    let mut one = call();
    one.concurrency = Some(Concurrency { key: key.into(), limit: 1, blocked: WhenBlocked::Wait });
    one
}

const VERBS: [(&str, Verb); 11] = [
    ("submit", |store, _| {
        let mut registered = call();
        registered.registration = Some(Registration { key: "r".into(), refuse_different: false });
        let mut later = call();
        later.due = 4_000_000_000_000;
        store.submit(&[call(), registered, later]).map(drop)
    }),
    ("submit, all alike", |store, _| store.submit(&[call(), call()]).map(drop)),
    ("claim", |store, _| store.claim(&request("r1", 5)).map(drop)),
    ("begin", |store, state| store.begin(state.held)),
    ("settle", |store, state| store.settle(&[success(state.held)]).map(drop)),
    ("retry", |store, state| {
        let outcome = Outcome::Retry { due: 0, note: "".into() };
        store.settle(&[Settlement { owner: state.held, outcome, started: 0, slot: 0 }]).map(drop)
    }),
    ("pause", |store, state| store.pause(state.held, &[state.queued]).map(drop)),
    ("cancel", |store, state| store.cancel(state.queued, Reach::Queue).map(drop)),
    ("beat", |store, _| store.beat(&"r1".into(), 5_000).map(drop)),
    ("recover", |store, _| store.recover(RecoveryPolicy::default()).map(drop)),
    ("purge", |store, _| store.purge(Purge::Expired { limit: 10 }).map(drop)),
];

#[test]
fn a_script_that_meets_a_key_of_a_wrong_type_writes_nothing() {
    let server = Server::start();
    let mut connection = server.connect();
    let mut refused = 0;
    for key in KEYS {
        for (name, verb) in VERBS {
            let () = server.run(&["FLUSHALL"]);
            let app = app_id();
            let store = RedisStore::open(RedisOptions { app_id: app.clone(), ..options(&server.url()) }).unwrap();
            store.submit(&[keyed("c"), keyed("c"), call()]).unwrap();
            let claims = claim(&*store, 1);
            let queued = claims[0].id;
            let state = State { held: claims[0].ownership(), queued };
            let state = State { queued: submit(&*store), ..state };
            assert_ne!(queued, state.queued);
            let full = format!("{{{app}:0}}{key}");
            let () = redis::cmd("DEL").arg(&full).query(&mut connection).unwrap();
            // A type that no key of the layout has.
            let () = redis::cmd("XADD").arg(&full).arg("*").arg("a").arg("b").query(&mut connection).unwrap();
            let before = dump(&server);
            if let Err(error) = verb(&store, &state) {
                assert!(matches!(error, Error::Unusable { .. }), "{name} with {key}: {error}");
                assert!(dump(&server) == before, "{name} with a wrong {key} wrote something");
                refused += 1;
            }
        }
    }
    assert!(refused > 40, "{refused}");
}

#[test]
fn a_batch_that_starts_a_chunk_of_a_wrong_type_writes_nothing() {
    let server = Server::start();
    let mut connection = server.connect();
    for key in ["o", "o:\0\0\0\0", "o:\0\0\0\u{1}", "Q", "m", "q:default"] {
        let app = app_id();
        let store = RedisStore::open(RedisOptions { app_id: app.clone(), ..options(&server.url()) }).unwrap();
        let calls = |n: usize| (0..n).map(|_| call()).collect::<Vec<_>>();
        store.submit(&calls(200)).unwrap();
        if key == "Q" {
            // The script reads it if the queue was empty.
            store.claim(&request("r1", 200)).unwrap();
        }
        let full = format!("{{{app}:0}}{key}");
        let () = redis::cmd("DEL").arg(&full).query(&mut connection).unwrap();
        let () = redis::cmd("XADD").arg(&full).arg("*").arg("a").arg("b").query(&mut connection).unwrap();
        let before = dump(&server);
        let error = store.submit(&calls(100)).unwrap_err();
        assert!(matches!(error, Error::Unusable { .. }), "{key:?}: {error}");
        assert!(dump(&server) == before, "a wrong {key:?} wrote something");
    }
}

#[test]
fn a_claim_reports_a_failed_shard_and_returns_the_claims_of_the_others() {
    let server = Server::start();
    let app = app_id();
    let store = RedisStore::open(RedisOptions { app_id: app.clone(), shards: 2, ..options(&server.url()) }).unwrap();
    for shard in [0, 1, 0, 1] {
        let id = pynenc_core::ids::InvocationId::generate(0, shard);
        store.submit(&[pynenc_core::call::Submission { id, ..call() }]).unwrap();
    }
    let () = server.run(&["DEL", &format!("{{{app}:1}}q:default")]);
    let () = server.run(&["XADD", &format!("{{{app}:1}}q:default"), "*", "a", "b"]);
    let answer = store.claim(&request("r1", 8)).unwrap();
    assert_eq!(answer.claims.len(), 2);
    assert!(matches!(answer.failed, Some(Error::Unusable { .. })), "{:?}", answer.failed);
    assert!(matches!(store.claim(&request("r1", 8)), Err(Error::Unusable { .. })), "nothing is left in the other one");
}

#[test]
fn an_unrelated_queue_of_a_wrong_type_does_not_fail_a_recovery() {
    let server = Server::start();
    let mut connection = server.connect();
    let app = app_id();
    let store = RedisStore::open(RedisOptions { app_id: app.clone(), ..options(&server.url()) }).unwrap();
    let full = |key: &str| format!("{{{app}:0}}{key}");
    for kind in ["q:", "s:"] {
        let other = full(&format!("{kind}\u{1}other"));
        let () = redis::cmd("SADD").arg(full("A")).arg("\u{1}other").query(&mut connection).unwrap();
        let () = redis::cmd("XADD").arg(&other).arg("*").arg("a").arg("b").query(&mut connection).unwrap();
        let ids = [submit(&*store), submit(&*store)];
        assert_eq!(claim(&*store, 2).len(), 2);
        let recovered = store.revoke(&"r1".into(), "killed", RecoveryPolicy::default()).unwrap();
        assert_eq!(recovered.requeued.len(), 2);
        assert_eq!(recovered.alone, 2, "with a wrong {kind}");
        assert!(store.recover(RecoveryPolicy::default()).is_ok());
        let listed: Vec<String> = redis::cmd("SMEMBERS").arg(full("A")).query(&mut connection).unwrap();
        assert!(listed.contains(&"\u{1}other".to_owned()), "it stays listed until someone has repaired it");
        let () = redis::cmd("DEL").arg(&other).query(&mut connection).unwrap();
        for id in ids {
            let again = claim_alone(&*store, 1);
            assert_eq!(again[0].id, id);
            succeed(&*store, again[0].ownership());
        }
    }
}
