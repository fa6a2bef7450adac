//! Two handles, as in two processes: new work of one wakes the idle runner of the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use common::*;
use pynenc_core::call::{Concurrency, WhenBlocked};
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::notify::Listener;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::store::Store;
use pynenc_store_redis::{RedisOptions, RedisStore};

struct Woken(Sender<Instant>);

impl Listener for Woken {
    fn work_may_be_available(&self) {
        let _ = self.0.send(Instant::now());
    }
}

/// A handle like that of a runner process that found no work: subscribed, and listed as idle.
struct Idle {
    store: Arc<RedisStore>,
    wakes: Receiver<Instant>,
    _listener: Arc<dyn Listener>,
}

impl Idle {
    fn new(options: &RedisOptions) -> Self {
        let store = RedisStore::open(options.clone()).unwrap();
        let (sender, wakes) = channel();
        let listener: Arc<dyn Listener> = Arc::new(Woken(sender));
        store.hub().listen(Arc::downgrade(&listener));
        claim(&*store, 1);
        wakes.recv_timeout(PATIENCE).expect("woken once it is subscribed");
        let idle = Self { store, wakes, _listener: listener };
        idle.get_idle();
        idle
    }

    fn get_idle(&self) {
        assert_eq!(claim(&*self.store, 1), []);
        while self.wakes.try_recv().is_ok() {}
    }

    /// Expect that `change` wakes the runner sooner than any poll would.
    fn expect_wake(&self, change: impl FnOnce()) {
        let began = Instant::now();
        change();
        let woken = self.wakes.recv_timeout(PATIENCE).expect("woken");
        assert!(woken - began < Duration::from_millis(800), "woken after {:?}", woken - began);
    }
}

#[test]
fn a_submission_of_another_process_wakes_an_idle_runner() {
    let (_server, options, client) = two();
    let idle = Idle::new(&options);
    for _ in 0..5 {
        idle.expect_wake(|| {
            submit(&*client);
        });
        assert_eq!(claim(&*idle.store, 1).len(), 1);
        idle.get_idle();
    }
}

#[test]
fn one_submission_wakes_one_of_many_idle_runners() {
    let (_server, options, client) = two();
    let idle: Vec<Idle> = (0..4).map(|_| Idle::new(&options)).collect();
    let (rounds, mut woken) = (6, 0);
    for _ in 0..rounds {
        submit(&*client);
        std::thread::sleep(Duration::from_millis(30));
        woken += idle.iter().filter(|idle| idle.wakes.try_recv().is_ok()).count();
        claim(&*client, 1);
        idle.iter().for_each(Idle::get_idle);
    }
    // A poll in between may find the work, too. All runners in each round would be no accident.
    assert!((rounds..=2 * rounds).contains(&woken), "{woken}");
}

#[test]
fn a_runner_that_died_idle_does_not_keep_others_asleep() {
    let (_server, options, client) = two();
    let (idle, dead) = (Idle::new(&options), Idle::new(&options));
    dead.store.close().unwrap();
    // From now on polls are so rare that an immediate wake is a notification.
    std::thread::sleep(Duration::from_millis(2_100));
    idle.get_idle();
    idle.expect_wake(|| {
        submit(&*client);
    });
}

#[test]
fn every_other_source_of_work_wakes_an_idle_runner() {
    let (_server, options, client) = two();
    let idle = Idle::new(&options);
    submit(&*client);
    let owner = claim(&*client, 1)[0].ownership();
    idle.get_idle();
    let retry = Outcome::Retry { due: 0, note: "".into() };
    idle.expect_wake(|| drop(client.settle(&[Settlement { owner, outcome: retry, started: 0, slot: 0 }]).unwrap()));
    let owner = claim(&*client, 1)[0].ownership();
    succeed(&*client, owner);
    let short = pynenc_core::claim::ClaimRequest { lease: 1, ..request("dead", 1) };
    submit(&*client);
    client.claim(&short).unwrap();
    idle.get_idle();
    std::thread::sleep(Duration::from_millis(5));
    idle.expect_wake(|| assert_eq!(client.recover(RecoveryPolicy::default()).unwrap().requeued.len(), 1));
    claim(&*client, 1);
    let keyed = || {
        let mut one = call();
        one.concurrency = Some(Concurrency { key: "k".into(), limit: 1, blocked: WhenBlocked::Wait });
        one
    };
    client.submit(&[keyed(), keyed()]).unwrap();
    let holder = claim(&*client, 2)[0].ownership();
    idle.get_idle();
    idle.expect_wake(|| succeed(&*client, holder));
    claim(&*client, 1);
    let mut later = call();
    later.due = SystemClock.wall() + 60_000;
    idle.get_idle();
    idle.expect_wake(|| drop(client.submit(&[later]).unwrap()));
    let due = idle.store.claim(&request("r", 1)).unwrap().next_due.unwrap();
    assert!((due - SystemClock.wall() - 60_000).abs() < 5_000);
}

#[test]
fn an_idle_runner_finds_work_on_a_server_that_was_emptied_several_times() {
    let (server, options, client) = two();
    let idle = Idle::new(&options);
    for round in 0..3 {
        // No runner is listed as idle any more, so only a poll can find the work.
        let () = server.run(&["FLUSHALL"]);
        submit(&*client);
        idle.wakes.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("deaf in round {round}"));
        while idle.wakes.try_recv().is_ok() {}
    }
}
