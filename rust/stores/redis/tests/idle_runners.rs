//! Two handles, as in two processes: what one does wakes the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use common::*;
use pynenc_core::Error;
use pynenc_core::call::{Concurrency, WhenBlocked};
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::ids::InvocationId;
use pynenc_core::notify::Listener;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::status::Status;
use pynenc_core::store::{Purge, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{RedisOptions, RedisStore};

struct Bell(Sender<Instant>);

impl Listener for Bell {
    fn work_may_be_available(&self) {
        let _ = self.0.send(Instant::now());
    }
}

/// A handle like that of a runner process that found nothing to do: subscribed, and parked.
struct Idle {
    store: Arc<RedisStore>,
    rings: Receiver<Instant>,
    _bell: Arc<dyn Listener>,
}

impl Idle {
    fn new(options: &RedisOptions) -> Self {
        let store = RedisStore::open(options.clone()).unwrap();
        let (sender, rings) = channel();
        let bell: Arc<dyn Listener> = Arc::new(Bell(sender));
        store.hub().listen(Arc::downgrade(&bell));
        claim(&*store, 1);
        rings.recv_timeout(PATIENCE).expect("told to look again once it is subscribed");
        let idle = Self { store, rings, _bell: bell };
        idle.park();
        idle
    }

    fn park(&self) {
        assert_eq!(claim(&*self.store, 1), []);
        while self.rings.try_recv().is_ok() {}
    }

    /// Rung sooner than any slow look would.
    fn expect_ring(&self, change: impl FnOnce()) {
        let began = Instant::now();
        change();
        let rung = self.rings.recv_timeout(PATIENCE).expect("rung");
        assert!(rung - began < Duration::from_millis(800), "rung after {:?}", rung - began);
    }
}

#[test]
fn an_idle_runner_is_rung_by_a_submission_of_another_process() {
    let (_server, options, client) = two();
    let idle = Idle::new(&options);
    for _ in 0..5 {
        idle.expect_ring(|| {
            submit(&*client);
        });
        assert_eq!(claim(&*idle.store, 1).len(), 1);
        idle.park();
    }
}

#[test]
fn one_submission_rings_one_of_many_idle_runners() {
    let (_server, options, client) = two();
    let idle: Vec<Idle> = (0..4).map(|_| Idle::new(&options)).collect();
    let (rounds, mut rung) = (6, 0);
    for _ in 0..rounds {
        submit(&*client);
        std::thread::sleep(Duration::from_millis(30));
        rung += idle.iter().filter(|idle| idle.rings.try_recv().is_ok()).count();
        claim(&*client, 1);
        idle.iter().for_each(Idle::park);
    }
    // A slow look may come by in between and notice the work too; all of them at each time would be no accident.
    assert!((rounds..=2 * rounds).contains(&rung), "{rung}");
}

#[test]
fn a_runner_that_died_idle_eats_no_ring() {
    let (_server, options, client) = two();
    let (idle, dead) = (Idle::new(&options), Idle::new(&options));
    dead.store.close().unwrap();
    // From now on the slow look is so seldom that what rings at once is the bell.
    std::thread::sleep(Duration::from_millis(2_100));
    idle.park();
    idle.expect_ring(|| {
        submit(&*client);
    });
}

#[test]
fn an_idle_runner_is_rung_by_whatever_else_makes_work() {
    let (_server, options, client) = two();
    let idle = Idle::new(&options);
    submit(&*client);
    let owner = claim(&*client, 1)[0].ownership();
    idle.park();
    let retry = Outcome::Retry { due: 0, note: "".into() };
    idle.expect_ring(|| drop(client.settle(&[Settlement { owner, outcome: retry, started: 0, slot: 0 }]).unwrap()));
    let owner = claim(&*client, 1)[0].ownership();
    succeed(&*client, owner);
    let short = pynenc_core::claim::ClaimRequest { lease: 1, ..request("dead", 1) };
    submit(&*client);
    client.claim(&short).unwrap();
    idle.park();
    std::thread::sleep(Duration::from_millis(5));
    idle.expect_ring(|| assert_eq!(client.recover(RecoveryPolicy::default()).unwrap().requeued.len(), 1));
    claim(&*client, 1);
    let parked = || {
        let mut one = call();
        one.concurrency = Some(Concurrency { key: "k".into(), limit: 1, blocked: WhenBlocked::Park });
        one
    };
    client.submit(&[parked(), parked()]).unwrap();
    let holder = claim(&*client, 2)[0].ownership();
    idle.park();
    idle.expect_ring(|| succeed(&*client, holder));
    claim(&*client, 1);
    let mut later = call();
    later.due = SystemClock.wall() + 60_000;
    idle.park();
    idle.expect_ring(|| drop(client.submit(&[later]).unwrap()));
    let due = idle.store.claim(&request("r", 1)).unwrap().next_due.unwrap();
    assert!((due - SystemClock.wall() - 60_000).abs() < 5_000);
}

#[test]
fn an_idle_runner_notices_work_on_a_server_that_has_forgotten_everything_each_time() {
    let (server, options, client) = two();
    let idle = Idle::new(&options);
    for round in 0..3 {
        // Nobody is parked any more, so nobody is rung: only the slow look can see it.
        let () = server.run(&["FLUSHALL"]);
        submit(&*client);
        idle.rings.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("deaf in round {round}"));
        while idle.rings.try_recv().is_ok() {}
    }
}
