//! Unreadable records: each is set aside as failed, with a reason, and blocks nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::*;
use pynenc_core::Error;
use pynenc_core::call::{Concurrency, Submission, WhenBlocked};
use pynenc_core::cancel::Reach;
use pynenc_core::claim::ClaimRequest;
use pynenc_core::clock::{Clock, ManualClock, SystemClock};
use pynenc_core::ids::{InvocationId, Ownership};
use pynenc_core::pause::Paused;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::settle::Settled;
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_store_redis::{RedisOptions, RedisStore};

const LEASE: i64 = 10_000;

struct World {
    app: String,
    store: Arc<RedisStore>,
    clock: Arc<ManualClock>,
    connection: redis::Connection,
}

impl World {
    fn on(server: &Server) -> Self {
        let (app, clock) = (app_id(), Arc::new(ManualClock::new(SystemClock.wall())));
        let options = RedisOptions { app_id: app.clone(), clock: Some(clock.clone()), ..options(&server.url()) };
        Self { app, store: RedisStore::open(options).unwrap(), clock, connection: server.connect() }
    }

    fn key(&self, kind: &str, rest: &[u8]) -> Vec<u8> {
        [format!("{{{}:0}}{kind}", self.app).as_bytes(), rest].concat()
    }

    fn record(&mut self, id: InvocationId) -> Vec<u8> {
        let key = self.key("i:", &id.to_bytes());
        redis::cmd("GET").arg(key).query(&mut self.connection).unwrap()
    }

    /// Replace the record.
    fn plant(&mut self, id: InvocationId, damage: &Damage) {
        let key = self.key("i:", &id.to_bytes());
        let raw = self.record(id);
        match damage {
            Damage::Bytes(change) => {
                let () = redis::cmd("SET").arg(key).arg(change(raw)).query(&mut self.connection).unwrap();
            }
            Damage::Type => {
                let () = redis::cmd("DEL").arg(&key).query(&mut self.connection).unwrap();
                let () = redis::cmd("RPUSH").arg(key).arg("x").query(&mut self.connection).unwrap();
            }
        }
    }

    /// Claim, including invocations that run alone after the death of their runner.
    fn owned(&self, limit: usize) -> Vec<Ownership> {
        let claims =
            |alone| self.store.claim(&ClaimRequest { alone, ..request("r1", limit) }).expect("claims work").claims;
        [false, true].into_iter().flat_map(claims).map(|one| one.ownership()).collect()
    }

    /// Claim again, including invocations that run alone in their process.
    fn owned_again(&self, limit: usize) -> Vec<Ownership> {
        let mut owners = self.owned(limit);
        owners.extend(claim_alone(&*self.store, limit).iter().map(|one| one.ownership()));
        owners
    }

    /// Whether the invocation has been set aside. It may also be readable.
    fn is_aside(&self, id: InvocationId) -> bool {
        let watched = self.store.watch(&[id]).unwrap().remove(0);
        let Watched::Finished(end) = watched else { return false };
        let aside = end.reason.as_deref().is_some_and(|reason| reason.starts_with("unreadable: "));
        if aside {
            assert_eq!(end.status, Status::Failed);
            let record = self.store.get(id).unwrap();
            assert_eq!((record.status, record.note.is_some()), (Status::Failed, true));
            assert_eq!(self.store.history(id).unwrap().last().unwrap().status, Status::Failed);
        }
        aside
    }
}

type Change = Box<dyn Fn(Vec<u8>) -> Vec<u8>>;

enum Damage {
    Bytes(Change),
    Type,
}

/// Ways to damage a record of `length` bytes: cut at each length, each bit flipped, emptied, each status, another type.
fn damages(length: usize) -> Vec<(String, Damage)> {
    let mut all: Vec<(String, Damage)> = vec![("of another type".into(), Damage::Type)];
    let mut bytes = |name: String, change: Change| all.push((name, Damage::Bytes(change)));
    for at in 0..length {
        bytes(format!("cut at {at}"), Box::new(move |raw| raw[..at.min(raw.len())].to_vec()));
    }
    for bit in 0..length * 8 {
        let flip = move |mut raw: Vec<u8>| {
            raw[bit / 8] ^= 1 << (bit % 8);
            raw
        };
        bytes(format!("with bit {} of byte {} flipped", bit % 8, bit / 8), Box::new(flip));
    }
    for status in 0..=255 {
        let set = move |mut raw: Vec<u8>| {
            raw[0] = status;
            raw
        };
        bytes(format!("with status {status}"), Box::new(set));
    }
    bytes("doubled".into(), Box::new(|raw| [&raw[..], &raw[..]].concat()));
    bytes("of zeros".into(), Box::new(|raw| vec![0; raw.len()]));
    bytes("of ones".into(), Box::new(|raw| vec![255; raw.len()]));
    all
}

#[test]
fn an_unreadable_record_in_a_queue_blocks_nothing() {
    let server = Server::start();
    let length = {
        let mut world = World::on(&server);
        let id = submit(&*world.store);
        world.record(id).len()
    };
    let mut world = World::on(&server);
    let mut aside = 0;
    for (name, damage) in damages(length) {
        let bad = submit(&*world.store);
        world.plant(bad, &damage);
        let good: Vec<_> = (0..2).map(|_| submit(&*world.store)).collect();
        let mut settled = Vec::new();
        // One at a time, which takes the short way of the script; then all.
        for limit in [1, 1, 5] {
            for owner in world.owned(limit) {
                assert_eq!(world.store.settle(&[success(owner)]).unwrap(), [Settled::Done], "{name}");
                settled.push(owner.id);
            }
        }
        assert!(good.iter().all(|id| settled.contains(id)), "{name}: what stands behind it ran");
        let read = settled.contains(&bad);
        // A flipped bit may leave it blocked, or due later.
        let waits = matches!(world.store.watch(&[bad]).unwrap()[0], Watched::Live(..));
        let is_aside = world.is_aside(bad);
        let failed = Filter { statuses: vec![Status::Failed], ..Filter::default() };
        let listed = world.store.list(&failed, Page { offset: 0, limit: 10_000 }).unwrap();
        assert_eq!(listed.contains(&bad), is_aside, "{name}: so it is listed");
        assert!(read || is_aside, "{name}: {waits} {:?}", world.store.watch(&[bad]));
        aside += usize::from(is_aside);
    }
    assert!(aside > 500, "{aside}");
    assert!(world.owned(10).is_empty());
    assert_eq!(world.store.count(&Default::default()).unwrap(), world.store.purge(Purge::All).unwrap());
}

#[test]
fn an_unreadable_record_of_a_claim_blocks_neither_settlements_nor_recovery() {
    let server = Server::start();
    let length = {
        let mut world = World::on(&server);
        let id = submit(&*world.store);
        world.owned(1);
        world.record(id).len()
    };
    for settles in [true, false] {
        let mut world = World::on(&server);
        let mut aside = 0;
        for (name, damage) in damages(length) {
            let bad = submit(&*world.store);
            let good = submit(&*world.store);
            let owners = world.owned(2);
            assert_eq!(owners.iter().map(|owner| owner.id).collect::<Vec<_>>(), [bad, good]);
            world.plant(bad, &damage);
            if settles {
                let answers = world.store.settle(&[success(owners[0]), success(owners[1])]);
                let answers = answers.unwrap_or_else(|error| {
                    // Its status is `pending` now, and a runner drops refused outcomes.
                    assert!(matches!(error, Error::Transition { .. }), "{name}: {error}");
                    vec![Settled::Stale, world.store.settle(&[success(owners[1])]).unwrap()[0]]
                });
                assert_eq!(answers[1], Settled::Done, "{name}: the one beside it");
                let ended = answers[0] == Settled::Done && !world.is_aside(bad);
                aside += usize::from(world.is_aside(bad));
                assert!(ended || world.is_aside(bad) || answers[0] != Settled::Done, "{name}: {answers:?}");
            }
            world.clock.advance(LEASE + 1);
            let recovered = world.store.recover(RecoveryPolicy::default()).expect(&name);
            assert_eq!(recovered.requeued.contains(&good), !settles, "{name}: the one beside it");
            aside += recovered.unreadable.len();
            for owner in world.owned_again(5) {
                world.store.settle(&[success(owner)]).unwrap();
            }
            world.clock.advance(60_000);
            for owner in world.owned_again(5) {
                world.store.settle(&[success(owner)]).unwrap();
            }
            // A flipped bit of the due time delays it visibly.
            let left = world.store.watch(&[bad]).unwrap().remove(0);
            let is_put_off = || world.store.get(bad).unwrap().due > world.clock.wall();
            assert!(!matches!(left, Watched::Live(..)) || is_put_off(), "{name}: {left:?}");
            let leases: usize = redis::cmd("ZCARD").arg(world.key("l", b"")).query(&mut world.connection).unwrap();
            assert_eq!(leases, 0, "{name}: no lease is left");
        }
        assert!(aside > 300, "{aside}");
    }
}

#[test]
fn a_record_damaged_during_its_claim_is_set_aside_when_the_claim_ends() {
    let server = Server::start();
    for left in [0, 1, 9, 30] {
        let mut world = World::on(&server);
        let (bad, good) = (submit(&*world.store), submit(&*world.store));
        let owners = world.owned(2);
        world.plant(bad, &Damage::Bytes(Box::new(move |raw| raw[..left].to_vec())));
        assert_eq!(world.store.beat(&"r1".into(), LEASE).unwrap().owned.len(), 2, "nobody has looked at it");
        let answers = world.store.settle(&[success(owners[0])]).unwrap();
        assert_eq!(answers, [Settled::Stale]);
        assert!(world.is_aside(bad), "cut at {left}");
        for _ in 0..2 {
            world.clock.advance(1);
            assert_eq!(world.store.beat(&"r1".into(), LEASE).unwrap().owned, [owners[1]], "it is owned no longer");
        }
        assert_eq!(world.store.settle(&[success(owners[1])]).unwrap(), [Settled::Done]);
        let keys = ["l", "w:r1"].map(|kind| world.key(kind, b""));
        let there: usize = redis::cmd("EXISTS").arg(&keys[0]).arg(&keys[1]).query(&mut world.connection).unwrap();
        assert_eq!(there, 0, "nothing is left of the claims; {good} has ended");
    }
}

fn keyed() -> Submission {
    Submission { concurrency: Some(Concurrency { key: "k".into(), limit: 1, blocked: WhenBlocked::Wait }), ..call() }
}

#[test]
fn setting_an_invocation_aside_frees_its_key_and_notifies_waiters() {
    let server = Server::start();
    let mut world = World::on(&server);
    let ids = [(); 3].map(|()| {
        let one = keyed();
        world.store.submit(std::slice::from_ref(&one)).unwrap();
        one.id
    });
    let held = world.owned(3);
    assert_eq!(held.len(), 1, "the key blocks the others");
    let foreign = || {
        Damage::Bytes(Box::new(|mut raw| {
            raw[0] = 99;
            raw
        }))
    };
    // The first blocked invocation, too.
    world.plant(ids[1], &foreign());
    world.plant(ids[0], &foreign());
    world.clock.advance(LEASE + 1);
    let recovered = world.store.recover(RecoveryPolicy::default()).unwrap();
    assert!(recovered.unreadable.contains(&ids[0]), "{recovered:?}");
    let next = world.owned(1);
    assert_eq!(next.iter().map(|owner| owner.id).collect::<Vec<_>>(), [ids[2]], "its place is free");
    assert!(world.is_aside(ids[0]) && world.is_aside(ids[1]));
    let record = world.store.get(ids[0]).unwrap();
    assert_eq!((&*record.task, record.payload[0]), ("m.f", 99), "its task is known, its bytes are kept");
    assert!(record.note.unwrap().contains("its status is 99"));
    assert_eq!(world.store.settle(&[success(held[0])]).unwrap(), [Settled::Stale], "its owner is refused");
}

#[test]
fn an_unreadable_invocation_can_be_waited_for_and_cancelled() {
    let server = Server::start();
    let mut world = World::on(&server);
    submit(&*world.store);
    let waiter = world.owned(1)[0];
    for _ in 0..2 {
        let bad = submit(&*world.store);
        world.plant(bad, &Damage::Bytes(Box::new(|raw| raw[..30].to_vec())));
        assert_eq!(world.store.pause(waiter, &[bad]).unwrap(), Paused::Ready(vec![bad]));
        assert!(world.is_aside(bad));
    }
    let bad = submit(&*world.store);
    world.plant(bad, &Damage::Type);
    world.store.cancel(bad, Reach::Runners).unwrap();
    assert!(world.is_aside(bad));
}

#[test]
fn missing_arguments_and_outcomes_kept_apart_block_nothing() {
    let server = Server::start();
    let mut world = World::on(&server);
    let large = || Submission { payload: vec![7; 5_000].into(), ..call() };
    for wrong_type in [false, true] {
        let (bad, good) = (large(), large());
        world.store.submit(&[bad.clone(), good.clone()]).unwrap();
        spoil(&mut world, "d:", bad.id, wrong_type);
        let owners = world.owned(5);
        assert_eq!(owners.iter().map(|owner| owner.id).collect::<Vec<_>>(), [good.id]);
        assert!(world.is_aside(bad.id));

        let outcome = pynenc_core::settle::Outcome::Success(vec![1; 5_000].into());
        let settlement = pynenc_core::settle::Settlement { owner: owners[0], outcome, started: 1, slot: 0 };
        world.store.settle(&[settlement]).unwrap();
        spoil(&mut world, "e:", good.id, wrong_type);
        let fine = submit(&*world.store);
        let seen = world.store.watch(&[good.id, fine]).unwrap();
        assert!(matches!(seen[1], Watched::Live(..)), "{seen:?}");
        assert!(matches!(&seen[0], Watched::Unknown(_) | Watched::Finished(_)), "{seen:?}");
        assert!(!wrong_type || world.is_aside_for_readers(good.id));
        for owner in world.owned(1) {
            world.store.settle(&[success(owner)]).unwrap();
        }
    }
}

/// Flip one bit of the last occurrence of `part` in the value of this key.
fn flip(world: &mut World, kind: &str, id: InvocationId, part: &[u8]) {
    let key = world.key(kind, &id.to_bytes());
    let mut raw: Vec<u8> = redis::cmd("GET").arg(&key).query(&mut world.connection).unwrap();
    let at = (0..=raw.len() - part.len()).rev().find(|at| raw[*at..].starts_with(part)).unwrap();
    raw[at + part.len() / 2] ^= 4;
    let () = redis::cmd("SET").arg(key).arg(raw).arg("KEEPTTL").query(&mut world.connection).unwrap();
}

#[test]
fn a_flipped_bit_in_arguments_or_outcomes_is_detected() {
    let server = Server::start();
    let mut world = World::on(&server);
    for (size, arguments, outcome) in [(100, "i:", "i:"), (5_000, "d:", "e:"), (50_000, "d:", "e:")] {
        let (bad, good) = (
            Submission { payload: vec![7; size].into(), ..call() },
            Submission { payload: vec![8; size].into(), ..call() },
        );
        world.store.submit(&[bad.clone(), good.clone()]).unwrap();
        flip(&mut world, arguments, bad.id, &[7; 100]);
        assert!(world.store.get(bad.id).unwrap().note.unwrap().contains("unreadable"));
        let owners = world.owned(5);
        assert_eq!(owners.iter().map(|owner| owner.id).collect::<Vec<_>>(), [good.id]);
        assert!(world.is_aside(bad.id));

        let value = pynenc_core::settle::Outcome::Success(vec![9; size].into());
        let settlement = pynenc_core::settle::Settlement { owner: owners[0], outcome: value, started: 1, slot: 0 };
        world.store.settle(&[settlement]).unwrap();
        flip(&mut world, outcome, good.id, &[9; 100]);
        let Watched::Finished(end) = world.store.watch(&[good.id]).unwrap().remove(0) else { panic!("it has ended") };
        assert_eq!((end.status, end.payload), (Status::Failed, None));
        assert!(end.reason.unwrap().contains("does not match its checksum"));
    }
}

impl World {
    fn is_aside_for_readers(&self, id: InvocationId) -> bool {
        let Watched::Finished(end) = self.store.watch(&[id]).unwrap().remove(0) else { return false };
        end.status == Status::Failed && end.reason.unwrap().contains("its outcome is gone, or no string")
    }
}

fn spoil(world: &mut World, kind: &str, id: InvocationId, wrong_type: bool) {
    let key = world.key(kind, &id.to_bytes());
    let () = redis::cmd("DEL").arg(&key).query(&mut world.connection).unwrap();
    if wrong_type {
        let () = redis::cmd("RPUSH").arg(&key).arg("x").query(&mut world.connection).unwrap();
    }
}

#[test]
fn an_index_entry_without_a_record_blocks_nothing() {
    let server = Server::start();
    let mut world = World::on(&server);
    let (gone, good) = (submit(&*world.store), submit(&*world.store));
    let key = world.key("i:", &gone.to_bytes());
    let () = redis::cmd("DEL").arg(&key).query(&mut world.connection).unwrap();
    let owners = world.owned(1);
    let owners = if owners.is_empty() { world.owned(1) } else { owners };
    assert_eq!(owners[0].id, good);
    let key = world.key("i:", &good.to_bytes());
    let () = redis::cmd("DEL").arg(&key).query(&mut world.connection).unwrap();
    world.clock.advance(LEASE + 1);
    world.store.recover(RecoveryPolicy::default()).unwrap();
    assert_eq!(world.store.settle(&[success(owners[0])]).unwrap(), [Settled::Stale]);
    let leases: usize = redis::cmd("ZCARD").arg(world.key("l", b"")).query(&mut world.connection).unwrap();
    assert_eq!(leases, 0);
}
