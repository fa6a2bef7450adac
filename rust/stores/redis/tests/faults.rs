//! Faults of server and network: whatever is lost, the answer is right, and the handle works afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::proxy::{Lose, Proxy};
use common::*;
use pynenc_core::Error;
use pynenc_core::call::{Concurrency, WhenBlocked};
use pynenc_core::claim::ClaimRequest;
use pynenc_core::ids::InvocationId;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::Watched;
use pynenc_core::settle::{Outcome, Settled};
use pynenc_core::store::{Reads, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{RedisOptions, RedisStore};

/// A store behind a proxy, with its connections made.
fn behind_proxy(server: &Server) -> (Proxy, Arc<RedisStore>) {
    let proxy = Proxy::before(server.port);
    let store = open(&proxy.url());
    (proxy, store)
}

#[test]
fn the_next_claim_delivers_a_claim_whose_answer_was_lost() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    let proxy = Proxy::before(server.port);
    let mut options = options(&proxy.url());
    options.retry_deadline = Duration::from_millis(1);
    options.connect_timeout = Duration::from_millis(300);
    let store = RedisStore::open(options).unwrap();
    let ids = [submit(&*store), submit(&*store)];
    proxy.lose(Lose::Answer);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("the claim arrived", || proxy.has_lost());
            server.kill();
        });
        let deadline = Instant::now() + PATIENCE;
        while store.claim(&request("r1", 1)).is_ok() {
            assert!(Instant::now() < deadline, "the server goes away");
        }
    });
    server.launch();
    let claims = store.claim(&request("r1", 5)).or_else(|_| store.claim(&request("r1", 5))).unwrap().claims;
    let mut given: Vec<_> = claims.iter().map(|claim| claim.id).collect();
    given.sort_unstable();
    let mut owned: Vec<_> = store.beat(&"r1".into(), 10_000).unwrap().owned.iter().map(|owner| owner.id).collect();
    owned.sort_unstable();
    assert!(given.iter().all(|id| ids.contains(id)));
    // A claim whose answer arrived before the fault is not delivered again, and still owns its invocation.
    assert!(given.iter().all(|id| owned.contains(id)));
    assert_eq!(owned.len(), 2);
}

/// Submit, claim and settle until `stop` is set. Every submission ends once.
fn traffic(store: &RedisStore, stop: &AtomicBool) -> Vec<InvocationId> {
    let mut ids = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        ids.push(submit(store));
        for claim in claim(store, 2) {
            assert_ne!(store.settle(&[success(claim.ownership())]).unwrap(), [Settled::Stale]);
        }
    }
    for claim in claim(store, 100) {
        store.settle(&[success(claim.ownership())]).unwrap();
    }
    ids
}

/// Run traffic while `fault` happens. Nothing may be lost, and no verb may fail.
fn under(server: &Server, fault: impl FnOnce()) {
    let store = open(&server.url());
    let stop = AtomicBool::new(false);
    let ids = std::thread::scope(|scope| {
        let running = scope.spawn(|| traffic(&store, &stop));
        let stopping = StopOnDrop(&stop);
        fault();
        drop(stopping);
        running.join().unwrap()
    });
    assert!(!ids.is_empty());
    for watched in store.watch(&ids).unwrap() {
        assert!(matches!(watched, Watched::Finished(_)), "{watched:?}");
    }
}

#[test]
fn flushed_scripts_are_sent_again() {
    let server = Server::start();
    under(&server, || {
        for _ in 0..rounds(30) {
            let () = server.run(&["SCRIPT", "FLUSH"]);
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn killed_connections_are_made_again() {
    let server = Server::start();
    under(&server, || {
        for _ in 0..rounds(30) {
            let _: i64 = server.run(&["CLIENT", "KILL", "TYPE", "normal"]);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn a_verb_waits_for_a_server_that_pauses_or_stops() {
    let server = Server::start();
    under(&server, || {
        let () = server.run(&["CLIENT", "PAUSE", "300", "ALL"]);
        std::thread::sleep(Duration::from_millis(400));
        server.signal("STOP");
        std::thread::sleep(Duration::from_millis(400));
        server.signal("CONT");
        std::thread::sleep(Duration::from_millis(50));
    });
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    let store = open(&server.url());
    let stop = AtomicBool::new(false);
    let ids = std::thread::scope(|scope| {
        let running = scope.spawn(|| traffic(&store, &stop));
        let stopping = StopOnDrop(&stop);
        for _ in 0..rounds(3) {
            std::thread::sleep(Duration::from_millis(150));
            server.kill();
            server.launch();
        }
        std::thread::sleep(Duration::from_millis(100));
        drop(stopping);
        running.join().unwrap()
    });
    let seen = store.watch(&ids).unwrap();
    assert!(seen.iter().all(|watched| matches!(watched, Watched::Finished(_))), "of {}", ids.len());
}

#[test]
fn a_server_that_cannot_save_refuses_work_and_ends_no_wait() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(&["--save", "3600 1000000", "--dir", folder.path().to_str().unwrap()]);
    drop(folder);
    let status = || -> String { server.run(&["INFO", "persistence"]) };
    let store = open(&server.url());
    let id = submit(&*store);
    let claims = claim(&*store, 1);
    let () = server.run(&["BGSAVE"]);
    eventually("saving has failed", || status().contains("rdb_last_bgsave_status:err"));
    let refused = store.submit(&[call()]).unwrap_err();
    assert!(matches!(&refused, Error::Backend { message, .. } if message.contains("MISCONF")), "{refused}");
    std::thread::scope(|scope| {
        let mut waiter = Waiter::new(store.clone(), &[id]);
        assert_eq!(waiter.wait(Some(Instant::now() + Duration::from_millis(50))), Ok(vec![]));
        let waiting = scope.spawn(move || waiter.wait(Some(Instant::now() + PATIENCE)));
        let () = server.run(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]);
        eventually("it takes outcomes again", || store.settle(&[success(claims[0].ownership())]).is_ok());
        assert_eq!(waiting.join().unwrap().unwrap().len(), 1);
    });
}

#[test]
fn a_server_with_full_memory_refuses_work_and_takes_outcomes() {
    let server = Server::start();
    let store = open(&server.url());
    let id = submit(&*store);
    let waiting = submit(&*store);
    let claims = claim(&*store, 1);
    let () = server.run(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let began = Instant::now();
    let refused = store.submit(&[call()]).unwrap_err();
    assert!(matches!(&refused, Error::Backend { message, .. } if message.contains("memory is full")), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(store.beat(&"r1".into(), 10_000).unwrap().owned.len(), 1);
    succeed(&*store, claims[0].ownership());
    assert!(matches!(store.watch(&[id]).unwrap()[0], Watched::Finished(_)));
    let claims = claim(&*store, 1);
    assert_eq!(claims[0].id, waiting);
    let release = Outcome::Release { due: 0, note: "".into() };
    assert_eq!(store.settle(&[settlement(&claims[0], release)]), Ok(vec![Settled::Done]));
    let () = server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    submit(&*store);
}

#[test]
fn a_server_that_may_evict_is_refused_unless_allowed() {
    let server = Server::with(&["--save", "", "--maxmemory-policy", "allkeys-lru"]);
    let error = RedisStore::open(options(&server.url())).err().expect("refused").to_string();
    assert!(error.contains("noeviction"), "{error}");
    let allowed = RedisOptions { allow_eviction: true, ..options(&server.url()) };
    RedisStore::open(allowed).unwrap();
}

#[test]
fn an_outage_longer_than_a_lease_gives_every_lease_a_second_chance() {
    let server = Server::start();
    let store = RedisStore::open(options(&server.url())).unwrap();
    let policy = RecoveryPolicy { grace: 200, ..RecoveryPolicy::default() };
    submit(&*store);
    let owner = store.claim(&ClaimRequest { lease: 200, ..request("r1", 1) }).unwrap().claims[0].ownership();
    store.beat(&"r1".into(), 200).unwrap();
    server.signal("STOP");
    std::thread::sleep(Duration::from_millis(500));
    server.signal("CONT");
    assert_eq!(store.recover(policy).unwrap().requeued, []);
    assert_eq!(store.beat(&"r1".into(), 200).map(|beaten| beaten.owned), Ok(vec![owner]));
    // A runner that is really dead is recovered when its second lease has ended.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(80));
        if store.recover(policy).unwrap().requeued == [owner.id] {
            return;
        }
    }
    panic!("never recovered");
}

#[test]
fn an_unreachable_server_fails_a_verb_within_the_deadline_and_is_named() {
    let mut server = Server::start();
    let options = RedisOptions { retry_deadline: Duration::from_millis(300), ..options(&server.url()) };
    let store = RedisStore::open(options).unwrap();
    server.kill();
    let began = Instant::now();
    let error = store.submit(&[call()]).unwrap_err();
    assert!(matches!(error, Error::Backend { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
    server.launch();
    submit(&*store);
}

#[test]
fn an_error_about_a_wrong_or_missing_password_does_not_show_it() {
    let server = Server::with(&["--save", "", "--requirepass", "s3cr3t-XYZ"]);
    for url in [server.url(), format!("redis://:wrong-XYZ@127.0.0.1:{}", server.port)] {
        let error = RedisStore::open(options(&url)).err().expect("refused");
        assert!(matches!(error, Error::Unusable { .. }), "{error}");
        assert!(!error.to_string().contains("XYZ"), "{error}");
    }
    let store = open(&format!("redis://:s3cr3t-XYZ@127.0.0.1:{}", server.port));
    submit(&*store);
}

#[test]
fn a_key_that_blocks_an_invocation_becomes_free_after_a_lost_outcome() {
    let server = Server::start();
    let (proxy, store) = behind_proxy(&server);
    // The server knows the scripts now, so the lost answer is not a request for their text.
    submit(&*store);
    succeed(&*store, claim(&*store, 1)[0].ownership());
    let keyed = || {
        let mut one = call();
        one.concurrency = Some(Concurrency { key: "k".into(), limit: 1, blocked: WhenBlocked::Wait });
        one
    };
    let batch = [keyed(), keyed(), keyed()];
    store.submit(&batch).unwrap();
    for one in &batch {
        let claims = claim(&*store, 3);
        assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [one.id]);
        proxy.lose(Lose::Answer);
        let outcome = Outcome::Success(b"v".as_slice().into());
        assert_eq!(store.settle(&[settlement(&claims[0], outcome)]), Ok(vec![Settled::Replayed]));
    }
}
