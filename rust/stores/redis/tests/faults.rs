//! Faults of server and network: whatever is lost on the way, the answer is right, and the handle works afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::proxy::{Lose, Proxy};
use common::*;
use pynenc_core::Error;
use pynenc_core::call::{Concurrency, Registration, WhenBlocked};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::ids::InvocationId;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::settle::{Outcome, Settled, Settlement};
use pynenc_core::status::Status;
use pynenc_core::store::{Cancelled, Paused, Purge, Reach, Store};
use pynenc_core::submit::Submitted;
use pynenc_store_redis::{RedisOptions, RedisStore};

fn settlement(claim: &Claim, outcome: Outcome) -> Settlement {
    Settlement { owner: claim.ownership(), outcome, started: 1, slot: 0 }
}

/// A store behind a proxy, with its connections made.
fn behind_proxy(server: &Server) -> (Proxy, Arc<RedisStore>) {
    let proxy = Proxy::before(server.port);
    let store = open(&proxy.url());
    (proxy, store)
}

fn each_loss(verb: impl Fn(&Proxy, &RedisStore, Lose)) {
    let server = Server::start();
    for lose in [Lose::Request, Lose::Answer] {
        let (proxy, store) = behind_proxy(&server);
        verb(&proxy, &store, lose);
        assert!(proxy.has_lost(), "{lose:?}");
        // The canary.
        let id = submit(&*store);
        let owners: Vec<_> = claim(&*store, 100).iter().map(Claim::ownership).collect();
        let canary = owners.iter().find(|owner| owner.id == id).expect("claimed");
        succeed(&*store, *canary);
    }
}

#[test]
fn a_lost_submission_is_stored_once() {
    each_loss(|proxy, store, lose| {
        let mut keyed = call();
        keyed.registration = Some(Registration { key: "k".into(), refuse_different: true });
        let batch = [call(), keyed, call()];
        proxy.lose(lose);
        let answers = store.submit(&batch).unwrap();
        assert_eq!(answers, batch.each_ref().map(|one| Submitted::New(one.id)));
        let ids: Vec<_> = claim(store, 10).iter().map(|claim| claim.id).collect();
        assert_eq!(ids, batch.each_ref().map(|one| one.id));
    });
}

#[test]
fn a_lost_claim_is_the_same_claim() {
    each_loss(|proxy, store, lose| {
        let ids: Vec<_> = (0..5).map(|_| submit(store)).collect();
        proxy.lose(lose);
        let claims = claim(store, 3);
        assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), ids[..3]);
        let owned = store.beat(&"r1".into(), 10_000).unwrap().owned;
        assert_eq!(owned.len(), 3, "nothing is owned that was not given");
        claims.iter().for_each(|claim| succeed(store, claim.ownership()));
    });
}

#[test]
fn a_lost_start_has_begun_once() {
    each_loss(|proxy, store, lose| {
        submit(store);
        let claims = store.claim(&ClaimRequest { begin: false, ..request("r1", 1) }).unwrap().claims;
        proxy.lose(lose);
        assert_eq!(store.begin(claims[0].ownership()), Ok(()));
        assert_eq!(store.history(claims[0].id).unwrap().len(), 3);
    });
}

#[test]
fn a_lost_outcome_is_recorded_once() {
    each_loss(|proxy, store, lose| {
        for outcome in [
            Outcome::Success(b"v".as_slice().into()),
            Outcome::Failure(b"e".as_slice().into()),
            Outcome::Retry { due: 0, note: "n".into() },
            Outcome::Release { due: 0, note: "n".into() },
        ] {
            let id = submit(store);
            let claims = claim(store, 1);
            proxy.lose(lose);
            let settled = store.settle(&[settlement(&claims[0], outcome)]).unwrap();
            let expected = if lose == Lose::Answer { Settled::Replayed } else { Settled::Done };
            assert_eq!(settled, [expected]);
            assert!(store.get(id).unwrap().retries + store.get(id).unwrap().releases <= 1);
            for rest in claim(store, 10) {
                succeed(store, rest.ownership());
            }
        }
    });
}

#[test]
fn a_lost_exchange_settles_once_and_gives_the_same_claims() {
    each_loss(|proxy, store, lose| {
        let ids = [submit(store), submit(store), submit(store)];
        let claims = claim(store, 1);
        proxy.lose(lose);
        let done = settlement(&claims[0], Outcome::Success(b"v".as_slice().into()));
        let (settled, claimed) = store.exchange(&[done], Some(&request("r1", 1))).unwrap();
        assert_ne!(settled, [Settled::Stale]);
        assert_eq!(claimed.claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), ids[1..2]);
        assert_eq!(store.beat(&"r1".into(), 10_000).unwrap().owned, [claimed.claims[0].ownership()]);
    });
}

#[test]
fn a_lost_pause_and_resume_happen_once() {
    each_loss(|proxy, store, lose| {
        submit(store);
        let waiter = claim(store, 1)[0].ownership();
        let target = submit(store);
        proxy.lose(lose);
        assert_eq!(store.pause(waiter, &[target]), Ok(Paused::Parked));
        assert!(proxy.has_lost());
        proxy.lose(lose);
        assert_eq!(store.resume(&[waiter]), Ok(vec![true]));
        assert_eq!(store.history(waiter.id).unwrap().len(), 5);
    });
}

#[test]
fn a_lost_cancellation_is_done_and_not_somebody_elses() {
    each_loss(|proxy, store, lose| {
        let id = submit(store);
        proxy.lose(lose);
        assert_eq!(store.cancel(id, Reach::Queue), Ok(Cancelled::Done));
        assert_eq!(store.cancel(id, Reach::Queue), Ok(Cancelled::Finished));
    });
}

#[test]
fn a_lost_beat_recovery_look_or_purge_is_made_again() {
    each_loss(|proxy, store, lose| {
        let id = submit(store);
        let owner = store.claim(&ClaimRequest { lease: 50, ..request("r1", 1) }).unwrap().claims[0].ownership();
        proxy.lose(lose);
        assert_eq!(store.beat(&"r1".into(), 20).map(|beaten| beaten.owned), Ok(vec![owner]));
        std::thread::sleep(Duration::from_millis(40));
        proxy.lose(lose);
        store.recover(RecoveryPolicy::default()).unwrap();
        assert_eq!(store.get(id).unwrap().recoveries, 1, "once, whatever was answered");
        proxy.lose(lose);
        assert_eq!(store.watch(&[id]), Ok(vec![Watched::Live(id, Status::Rerouted)]));
        proxy.lose(lose);
        assert_eq!(store.list(&Filter::default(), Page { offset: 0, limit: 9 }), Ok(vec![id]));
        proxy.lose(lose);
        store.purge(Purge::All).unwrap();
        assert_eq!(store.count(&Filter::default()), Ok(0));
    });
}

#[test]
fn a_claim_that_failed_for_good_is_delivered_by_the_next() {
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
    // A claim that was answered before the server went is not given again, and is still owned.
    assert!(given.iter().all(|id| owned.contains(id)));
    assert_eq!(owned.len(), 2);
}

/// Submit, claim, settle, until told to stop; every submission ends once.
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

/// Run traffic while `fault` happens; nothing may be lost or surface.
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
fn scripts_that_are_flushed_are_sent_again() {
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
fn a_server_that_pauses_or_stops_is_waited_for() {
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
fn a_full_memory_refuses_work_and_takes_outcomes() {
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
    let store = RedisStore::open(RedisOptions { grace: 200, ..options(&server.url()) }).unwrap();
    submit(&*store);
    let owner = store.claim(&ClaimRequest { lease: 200, ..request("r1", 1) }).unwrap().claims[0].ownership();
    store.beat(&"r1".into(), 200).unwrap();
    server.signal("STOP");
    std::thread::sleep(Duration::from_millis(500));
    server.signal("CONT");
    assert_eq!(store.recover(RecoveryPolicy::default()).unwrap().requeued, []);
    assert_eq!(store.beat(&"r1".into(), 200).map(|beaten| beaten.owned), Ok(vec![owner]));
    // One that is really dead is recovered once its second lease is over.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(80));
        if store.recover(RecoveryPolicy::default()).unwrap().requeued == [owner.id] {
            return;
        }
    }
    panic!("never recovered");
}

#[test]
fn a_server_that_is_away_fails_within_the_deadline_and_names_itself() {
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
fn a_password_that_is_wrong_or_missing_is_said_and_not_shown() {
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
fn a_key_that_is_parked_under_survives_its_holders_lost_outcome() {
    let server = Server::start();
    let (proxy, store) = behind_proxy(&server);
    // The server knows the scripts now: a lost answer is not the one that asks for their text.
    submit(&*store);
    succeed(&*store, claim(&*store, 1)[0].ownership());
    let keyed = || {
        let mut one = call();
        one.concurrency = Some(Concurrency { key: "k".into(), limit: 1, blocked: WhenBlocked::Park });
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
