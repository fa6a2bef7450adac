//! Two handles, as in two processes: one is notified of outcomes that the other records.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use pynenc_core::Error;
use pynenc_core::ids::InvocationId;
use pynenc_core::purge::Purge;
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::status::Status;
use pynenc_core::store::{Hints, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_redis::RedisStore;

#[test]
fn an_outcome_comes_with_its_notification() {
    let (_server, options, client) = two();
    let worker = RedisStore::open(options).unwrap();
    // The first wait subscribes.
    let first = submit(&*client);
    let mut waiter = Waiter::new(client.clone(), &[first]);
    let owner = claim(&*worker, 1)[0].ownership();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            succeed(&*worker, owner);
        });
        assert_eq!(waiter.wait(Some(Instant::now() + PATIENCE)).unwrap().len(), 1);
    });
    for size in [5, 100_000] {
        let id = submit(&*client);
        let mut waiter = Waiter::new(client.clone(), &[id]);
        assert!(waiter.ready().unwrap().is_empty());
        let before = client.round_trips();
        let owner = claim(&*worker, 1)[0].ownership();
        let outcome = Outcome::Success(vec![1u8; size].into());
        worker.settle(&[Settlement { owner, outcome, started: 0, slot: 0 }]).unwrap();
        let ended = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
        assert_eq!((ended[0].status, ended[0].payload.as_ref().unwrap().len()), (Status::Success, size));
        if size == 5 {
            assert_eq!(client.round_trips(), before, "a small outcome needs no look");
        }
    }
}

/// Make the handle subscribe: it waits once.
fn listening(client: &Arc<RedisStore>) {
    let first = submit(&**client);
    let mut waiter = Waiter::new(client.clone(), &[first]);
    assert!(waiter.ready().unwrap().is_empty());
    succeed(&**client, claim(&**client, 1)[0].ownership());
    assert_eq!(waiter.wait(Some(Instant::now() + PATIENCE)).unwrap().len(), 1);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let id = submit(&**client);
        claim(&**client, 1);
        if client.must_poll(vec![id]).is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "it never subscribes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Wait until the client is notified of the end of each.
fn await_notices(client: &RedisStore, ids: &[InvocationId]) {
    let deadline = Instant::now() + PATIENCE;
    while client.must_poll(ids.to_vec()).len() < ids.len() {
        assert!(Instant::now() < deadline, "their messages never came");
        std::thread::yield_now();
    }
}

/// A client that is notified of the end of its submission, and has not read the outcome.
fn one_ended() -> (Server, Arc<RedisStore>, Arc<RedisStore>, InvocationId) {
    let (server, options, client) = two();
    let worker = RedisStore::open(options).unwrap();
    listening(&client);
    let id = submit(&*client);
    succeed(&*worker, claim(&*worker, 1)[0].ownership());
    await_notices(&client, &[id]);
    (server, client, worker, id)
}

#[test]
fn a_wait_for_an_own_submission_sends_no_request() {
    let (_server, options, client) = two();
    let worker = RedisStore::open(options).unwrap();
    listening(&client);
    for here in [false, true] {
        // Only the settlement, if it is made here. A poll may come in between, but not each time.
        let expected = u64::from(here);
        let trips: Vec<u64> = (0..10).map(|_| round_trips_of_a_wait(&client, &worker, here)).collect();
        assert_eq!(trips.iter().min(), Some(&expected), "{trips:?}");
    }
}

fn round_trips_of_a_wait(client: &Arc<RedisStore>, worker: &RedisStore, here: bool) -> u64 {
    let id = submit(&**client);
    let owner = claim(worker, 1)[0].ownership();
    let before = client.round_trips();
    let mut waiter = Waiter::new(client.clone(), &[id]);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(5));
            succeed(if here { &**client } else { worker }, owner);
        });
        waiter.wait(Some(Instant::now() + PATIENCE)).unwrap()
    });
    assert_eq!((ended[0].id, ended[0].status), (id, Status::Success));
    client.round_trips() - before
}

#[test]
fn outcomes_that_arrived_before_a_wait_are_read_without_a_request() {
    let (_server, options, client) = two();
    let worker = RedisStore::open(options).unwrap();
    listening(&client);
    let mut trips = Vec::new();
    for _ in 0..10 {
        let ids: Vec<_> = (0..50).map(|_| submit(&*client)).collect();
        claim(&*worker, 50).iter().for_each(|claim| succeed(&*worker, claim.ownership()));
        await_notices(&client, &ids);
        let before = client.round_trips();
        for id in ids {
            let ended = Waiter::new(client.clone(), &[id]).wait(Some(Instant::now() + PATIENCE)).unwrap();
            assert_eq!((ended[0].id, ended[0].status), (id, Status::Success));
        }
        trips.push(client.round_trips() - before);
    }
    // A poll may come in between, but not each time.
    assert_eq!(trips.iter().min(), Some(&0), "{trips:?}");
}

#[test]
fn an_outcome_from_before_a_purge_is_not_found_after_it() {
    let (_server, client, worker, id) = one_ended();
    worker.purge(Purge::All).unwrap();
    // The notification of this end comes behind that of the purge.
    let next = submit(&*client);
    succeed(&*worker, claim(&*worker, 1)[0].ownership());
    await_notices(&client, &[next]);
    let gone = Waiter::new(client.clone(), &[id]).wait(Some(Instant::now() + PATIENCE));
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
}

#[test]
fn outcomes_from_before_the_subscription_was_lost_are_read_again() {
    let (server, options, client) = two();
    let worker = RedisStore::open(options).unwrap();
    listening(&client);
    let mut connection = server.connect();
    let mut subscribed = || -> String {
        let list: String = redis::cmd("CLIENT").arg("LIST").arg("TYPE").arg("pubsub").query(&mut connection).unwrap();
        list.split_whitespace().find(|word| word.starts_with("id=")).unwrap_or_default().to_owned()
    };
    let ids: Vec<_> = (0..20).map(|_| submit(&*client)).collect();
    claim(&*worker, 20).iter().for_each(|claim| succeed(&*worker, claim.ownership()));
    await_notices(&client, &ids);
    let known = subscribed();
    let () = redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query(&mut server.connect()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while [known.as_str(), ""].contains(&subscribed().as_str()) {
        assert!(Instant::now() < deadline, "it never subscribes again");
        std::thread::yield_now();
    }
    // Another server may have taken over, which has lost these outcomes.
    let before = client.round_trips();
    for id in &ids {
        assert_eq!(Waiter::new(client.clone(), &[*id]).wait(Some(Instant::now() + PATIENCE)).unwrap().len(), 1);
    }
    let trips = client.round_trips() - before;
    assert!(trips >= 20, "it reads each again: {trips}");
}

#[test]
fn an_outcome_from_before_the_wait_is_found() {
    let (_server, client, _worker, id) = one_ended();
    let mut waiter = Waiter::new(client.clone(), &[id]);
    assert_eq!(waiter.wait(Some(Instant::now() + PATIENCE)).unwrap().len(), 1);
    let none = Waiter::new(client.clone(), &[submit(&*client)]).wait(Some(Instant::now()));
    assert!(none.unwrap().is_empty());
}

#[test]
fn an_outcome_whose_notification_is_lost_is_found_by_polling() {
    let (server, options, client) = two();
    let worker = RedisStore::open(options.clone()).unwrap();
    listening(&client);
    for _ in 0..3 {
        let id = submit(&*client);
        let owner = claim(&*worker, 1)[0].ownership();
        // The server forgets which process to notify.
        let key = [format!("{{{}:0}}i:", options.app_id).as_bytes(), &id.to_bytes()].concat();
        let mut connection = server.connect();
        let () = redis::cmd("SETRANGE").arg(key).arg(10).arg(&[0u8; 8]).query(&mut connection).unwrap();
        assert!(client.must_poll(vec![id]).is_empty(), "it expects a notification");
        succeed(&*worker, owner);
        let (mut waiter, began) = (Waiter::new(client.clone(), &[id]), Instant::now());
        assert_eq!(waiter.wait(Some(Instant::now() + PATIENCE)).unwrap().len(), 1);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

#[test]
fn a_flow_of_messages_does_not_hide_a_lost_notification() {
    let (server, options, client) = two();
    let worker = RedisStore::open(options.clone()).unwrap();
    // Neither submitted by this client nor subscribed: only a poll can find its end.
    let id = submit(&*worker);
    let owner = claim(&*worker, 1)[0].ownership();
    let mut waiter = Waiter::new(client.clone(), &[id]);
    assert!(waiter.wait(Some(Instant::now())).unwrap().is_empty());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = StopOnDrop(&stop);
        scope.spawn(|| {
            let mut connection = server.connect();
            while !stop.0.load(std::sync::atomic::Ordering::SeqCst) {
                let channels: Vec<Vec<u8>> = redis::cmd("PUBSUB").arg("SHARDCHANNELS").query(&mut connection).unwrap();
                for channel in channels {
                    let () = redis::cmd("SPUBLISH").arg(channel).arg("P").query(&mut connection).unwrap();
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let key = [format!("{{{}:0}}i:", options.app_id).as_bytes(), &id.to_bytes()].concat();
        let () = redis::cmd("SETRANGE").arg(key).arg(10).arg(&[0u8; 8]).query(&mut server.connect()).unwrap();
        succeed(&*worker, owner);
        let ended = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
        assert_eq!(ended.len(), 1, "found amid the messages");
        drop(stop);
    });
}

#[test]
fn processes_that_did_not_submit_can_wait_too() {
    let (_server, options, client) = two();
    let watchers: Vec<_> = (0..3).map(|_| RedisStore::open(options.clone()).unwrap()).collect();
    let id = submit(&*client);
    let owner = claim(&*client, 1)[0].ownership();
    std::thread::scope(|scope| {
        for store in &watchers {
            scope.spawn(move || {
                let mut waiter = Waiter::new(store.clone(), &[id]);
                let ended = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
                assert_eq!(ended.len(), 1);
            });
        }
        std::thread::sleep(Duration::from_millis(300));
        succeed(&*client, owner);
    });
}

#[test]
fn waiters_elsewhere_learn_that_everything_was_purged_or_flushed() {
    let (server, options, client) = two();
    for flush in [false, true] {
        let id = submit(&*client);
        let elsewhere = RedisStore::open(options.clone()).unwrap();
        let mut waiter = Waiter::new(elsewhere, &[id]);
        assert!(waiter.ready().unwrap().is_empty());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(100));
                if flush {
                    let () = server.run(&["FLUSHALL"]);
                } else {
                    client.purge(Purge::All).unwrap();
                }
            });
            assert_eq!(waiter.wait(Some(Instant::now() + PATIENCE)), Err(Error::NotFound(id)));
        });
    }
}
#[test]
fn a_subscription_that_is_killed_comes_back() {
    let (server, options, client) = two();
    let worker = RedisStore::open(options).unwrap();
    for _ in 0..rounds(5) {
        let ids: Vec<_> = (0..10).map(|_| submit(&*client)).collect();
        let mut waiter = Waiter::new(client.clone(), &ids);
        assert!(waiter.ready().unwrap().is_empty());
        for claim in claim(&*worker, 10) {
            let _: i64 = server.run(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            let _: i64 = server.run(&["CLIENT", "KILL", "TYPE", "normal"]);
            succeed(&*worker, claim.ownership());
        }
        let mut ended = 0;
        while !waiter.is_done() {
            let news = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
            assert!(!news.is_empty(), "{ended} of 10 ended");
            ended += news.len();
        }
    }
}
