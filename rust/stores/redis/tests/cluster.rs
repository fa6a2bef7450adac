//! Three primaries and three replicas: every verb stays in one slot, and slots may move.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::*;
use pynenc_core::Error;
use pynenc_core::call::{Concurrency, WhenBlocked};
use pynenc_core::claim::Claim;
use pynenc_core::conformance::Fixture;
use pynenc_core::ids::InvocationId;
use pynenc_core::pause::Paused;
use pynenc_core::result::Watched;
use pynenc_core::settle::{Outcome, Settled, Settlement};
use pynenc_core::store::{Hints, Reads, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{RedisOptions, RedisStore};

struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    fn start(replicas: usize) -> Self {
        let node = || {
            Server::with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1000",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
        };
        let nodes: Vec<Server> = (0..3 + replicas).map(|_| node()).collect();
        for (at, (from, to)) in [(0, 5460), (5461, 10922), (10923, 16383)].iter().enumerate() {
            let () = nodes[at].run(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
        }
        for (at, node) in nodes.iter().enumerate() {
            let () = node.run(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        for node in &nodes[1..] {
            let () = node.run(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string()]);
        }
        let cluster = Self { nodes };
        cluster.await_agreement(3 + replicas);
        for at in 0..replicas {
            let id: String = cluster.nodes[at].run(&["CLUSTER", "MYID"]);
            eventually("the replica knows its primary", || {
                let node = &cluster.nodes[3 + at];
                redis::cmd("CLUSTER").arg("REPLICATE").arg(&id).query::<()>(&mut node.connect()).is_ok()
            });
        }
        cluster
    }

    fn await_agreement(&self, count: usize) {
        let known = format!("cluster_known_nodes:{count}");
        eventually("the nodes agree", || {
            self.nodes.iter().all(|node| {
                let info: String = node.run(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(&known)
            })
        });
    }

    fn url(&self) -> String {
        let places: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", places.join(","))
    }
}

fn one_for_all() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(0))
}

mod one_shard {
    use super::*;

    fn single() -> Fixture {
        fixture(&one_for_all().url(), |_| {})
    }

    pynenc_core::store_conformance!(single());
}

fn many_shards() -> RedisOptions {
    RedisOptions { shards: 7, ..options(&one_for_all().url()) }
}

#[test]
fn work_spreads_over_all_shards_and_all_of_it_is_done() {
    let store = RedisStore::open(many_shards()).unwrap();
    let calls: Vec<_> = (0..70)
        .map(|_| {
            let mut one = call();
            one.id = store.placement().new_id(1_764_000_000_000, None, None);
            one
        })
        .collect();
    let shards: std::collections::HashSet<u16> = calls.iter().map(|one| one.id.shard()).collect();
    assert_eq!(shards.len(), 7);
    store.submit(&calls).unwrap();
    let ids: Vec<_> = calls.iter().map(|one| one.id).collect();
    let mut waiter = Waiter::new(store.clone(), &ids);
    assert!(waiter.ready().unwrap().is_empty());
    let worker = store.clone();
    let mut done = Vec::new();
    let mut first_ten = std::collections::HashSet::new();
    while done.len() < 70 {
        let (settled, claimed) = worker.exchange(&[], Some(&request("r1", 3))).unwrap();
        assert!(settled.is_empty() && !claimed.claims.is_empty());
        for claim in claimed.claims {
            if done.len() < 30 {
                first_ten.insert(claim.id.shard());
            }
            done.push(claim.id);
            succeed(&*worker, claim.ownership());
        }
    }
    assert_eq!(first_ten.len(), 7, "every shard is served from the beginning");
    let mut ended = 0;
    while !waiter.is_done() {
        let news = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
        assert!(!news.is_empty(), "{ended} of 70");
        ended += news.len();
    }
    assert_eq!(store.count(&Default::default()), Ok(70));
}

#[test]
fn calls_under_one_key_meet_in_one_shard() {
    let store = RedisStore::open(many_shards()).unwrap();
    let keyed = |key: &str| {
        let concurrency = Concurrency { key: key.into(), limit: 1, blocked: WhenBlocked::Wait };
        store.placement().new_id(0, None, Some(&concurrency)).shard()
    };
    assert!((0..20).all(|_| keyed("same") == keyed("same")));
    let several: std::collections::HashSet<u16> = (0..50).map(|n| keyed(&n.to_string())).collect();
    assert!(several.len() > 3);
}

#[test]
fn calls_of_one_batch_go_together_and_batches_take_turns() {
    let store = RedisStore::open(many_shards()).unwrap();
    let shard_of_batch = || {
        let placement = store.placement();
        let shards: std::collections::HashSet<u16> = (0..20).map(|_| placement.new_id(0, None, None).shard()).collect();
        assert_eq!(shards.len(), 1, "one script submits them");
        shards.into_iter().next().unwrap()
    };
    let all: std::collections::HashSet<u16> = (0..7).map(|_| shard_of_batch()).collect();
    assert_eq!(all.len(), 7);
}

#[test]
fn a_body_can_wait_for_an_invocation_of_another_shard() {
    let store = RedisStore::open(many_shards()).unwrap();
    let in_shard = |shard| {
        let mut one = call();
        one.id = InvocationId::generate(1_764_000_000_000, shard);
        store.submit(std::slice::from_ref(&one)).unwrap();
        one.id
    };
    let (a, b) = (in_shard(1), in_shard(2));
    let claims = claim(&*store, 10);
    let owner = |id| claims.iter().find(|claim| claim.id == id).unwrap().ownership();
    let other = in_shard(3);
    let target = in_shard(3);
    assert_eq!(store.pause(owner(a), &[b, target]), Ok(Paused::Parked));
    assert!(matches!(store.pause(owner(b), &[a]), Err(Error::Cycle(path)) if path == [b, a, b]));
    let order: Vec<_> = claim(&*store, 10).iter().map(|claim| claim.id).collect();
    assert_eq!(order, [target, other], "what is waited for leaves first");
    succeed(&*store, owner(b));
    assert_eq!(store.pause(owner(a), &[b]), Ok(Paused::Ready(vec![b])));
    let unknown = InvocationId::generate(1, 4);
    assert_eq!(store.pause(owner(a), &[unknown]), Err(Error::NotFound(unknown)));
}

/// Claims of all shards; `None` while a shard does not answer, when a runner would claim again later.
fn claim_from_some(store: &RedisStore, limit: usize) -> Option<Vec<Claim>> {
    match store.claim(&request("r1", limit)) {
        Ok(claimed) => Some(claimed.claims),
        Err(Error::Backend { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Submit, claim and settle until `stop` is set.
fn traffic(store: &RedisStore, stop: &AtomicBool) -> Vec<InvocationId> {
    let mut ids = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let mut one = call();
        one.id = store.placement().new_id(1_764_000_000_000, None, None);
        ids.push(one.id);
        store.submit(&[one]).unwrap();
        for claim in claim_from_some(store, 2).unwrap_or_default() {
            store.settle(&[success(claim.ownership())]).unwrap();
        }
    }
    // Two empty claims in a row, because the first may lack a shard that did not answer.
    let mut empty = 0;
    while empty < 2 {
        let claims = claim_from_some(store, 1_000);
        empty = if claims.as_ref().is_some_and(Vec::is_empty) { empty + 1 } else { 0 };
        for claim in claims.unwrap_or_default() {
            store.settle(&[success(claim.ownership())]).unwrap();
        }
    }
    ids
}

fn under_load(store: &RedisStore, change: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let ids = std::thread::scope(|scope| {
        let running = scope.spawn(|| traffic(store, &stop));
        let stopping = StopOnDrop(&stop);
        change();
        std::thread::sleep(Duration::from_millis(200));
        drop(stopping);
        running.join().unwrap()
    });
    let lost = store.watch(&ids).unwrap().iter().filter(|watched| !matches!(watched, Watched::Finished(_))).count();
    assert_eq!((lost, ids.is_empty()), (0, false), "of {}", ids.len());
}

#[test]
fn slots_move_and_primaries_change_under_load() {
    let cluster = Cluster::start(3);
    let options = RedisOptions { shards: 3, retry_deadline: Duration::from_secs(15), ..options(&cluster.url()) };
    let app = options.app_id.clone();
    let store = RedisStore::open(options).unwrap();
    under_load(&store, || {
        for shard in 0..3 {
            for _ in 0..rounds(1) {
                Move::begin(&cluster, &format!("{{{app}:{shard}}}m")).finish();
            }
        }
    });
    under_load(&store, || {
        for replica in 3..6 {
            // A manual failover gives up after a while; on a busy machine it takes several.
            eventually("the replica takes over", || {
                let node = &cluster.nodes[replica];
                let _ = node.try_run::<()>(&["CLUSTER", "FAILOVER"]);
                std::thread::sleep(Duration::from_millis(300));
                let info: String = node.try_run(&["INFO", "replication"]).unwrap_or_default();
                info.contains("role:master")
            });
        }
    });
}

/// A slot that moves from one primary to another, as the tool of an operator moves it.
struct Move<'a> {
    slot: String,
    from: &'a Server,
    to: &'a Server,
    rest: &'a Server,
    to_id: String,
}

impl<'a> Move<'a> {
    /// Begin to move the slot of `key`. No key has moved yet.
    fn begin(cluster: &'a Cluster, key: &str) -> Self {
        let slot: u16 = cluster.nodes[0].run(&["CLUSTER", "KEYSLOT", key]);
        let slot = slot.to_string();
        let primaries = &cluster.nodes[..3];
        let has = |node: &&Server| {
            redis::cmd("EXISTS").arg(key).query::<i64>(&mut node.connect()).is_ok_and(|found| found == 1)
        };
        let from = primaries.iter().find(has).unwrap();
        let to = primaries.iter().find(|node| node.port != from.port).unwrap();
        let rest = primaries.iter().find(|node| node.port != from.port && node.port != to.port).unwrap();
        let (from_id, to_id): (String, String) = (from.run(&["CLUSTER", "MYID"]), to.run(&["CLUSTER", "MYID"]));
        let () = to.run(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
        let () = from.run(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
        Self { slot, from, to, rest, to_id }
    }

    fn keys(&self, count: usize) -> Vec<Vec<u8>> {
        let mut connection = self.from.connect();
        redis::cmd("CLUSTER").arg("GETKEYSINSLOT").arg(&self.slot).arg(count).query(&mut connection).unwrap()
    }

    fn migrate(&self, keys: &[Vec<u8>]) {
        let mut migrate = redis::cmd("MIGRATE");
        migrate.arg("127.0.0.1").arg(self.to.port).arg("").arg(0).arg(5000).arg("KEYS");
        let _: redis::Value = migrate.arg(keys).query(&mut self.from.connect()).unwrap();
    }

    /// Move the rest of the keys, a few at a time, and then the slot.
    fn finish(self) {
        loop {
            let keys = self.keys(20);
            if keys.is_empty() {
                break;
            }
            self.migrate(&keys);
        }
        for node in [self.to, self.from, self.rest] {
            let () = node.run(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &self.to_id]);
        }
    }
}

#[test]
fn a_script_does_all_or_nothing_while_its_slot_moves() {
    let cluster = Cluster::start(0);
    let mut options = options(&cluster.url());
    options.retry_deadline = Duration::from_millis(200);
    let store = RedisStore::open(options.clone()).unwrap();
    let prefix = format!("{{{}:0}}", options.app_id);
    let keyed = || pynenc_core::call::Submission {
        concurrency: Some(Concurrency { key: "K".into(), limit: 1, blocked: WhenBlocked::Wait }),
        ..call()
    };
    // The index key that moves first, in each case another one.
    for first in [&[][..], &["l", "f", "i:"], &["l", "f", "m"], &["l", "w:r1", "Q", "b"]] {
        let (holder, blocked, large, plain) = (keyed(), keyed(), call(), call());
        store.submit(&[holder.clone(), large.clone()]).unwrap();
        let owner = |id| move |claims: &[Claim]| claims.iter().find(|claim| claim.id == id).unwrap().ownership();
        let claims = claim(&*store, 2);
        let (holding, running) = (owner(holder.id)(&claims), owner(large.id)(&claims));
        store.submit(std::slice::from_ref(&blocked)).unwrap();
        assert!(claim(&*store, 1).is_empty(), "the key blocks it");
        let outcome =
            Settlement { owner: running, outcome: Outcome::Success(vec![7; 5_000].into()), started: 1, slot: 0 };
        let moving = Move::begin(&cluster, &format!("{prefix}m"));
        let name = |kind: &&str| {
            let id = if *kind == "i:" { &holder.id.to_bytes()[..] } else { b"" };
            [prefix.as_bytes(), kind.as_bytes(), id].concat()
        };
        let leave: Vec<Vec<u8>> = first.iter().map(name).collect();
        if !leave.is_empty() {
            moving.migrate(&leave);
        }
        // It was refused, or it is complete: the retry afterwards shows it.
        let _ = store.submit(std::slice::from_ref(&plain));
        let _ = store.settle(&[success(holding)]);
        let _ = store.settle(std::slice::from_ref(&outcome));
        let _ = store.claim(&request("r1", 5));
        let _ = store.beat(&"r1".into(), 60_000);
        let _ = store.recover(Default::default());
        moving.finish();
        eventually("the slot is found again", || store.submit(std::slice::from_ref(&plain)).is_ok());
        let settled = store.settle(&[success(holding), outcome]).unwrap();
        assert!(settled.iter().all(|one| *one != Settled::Stale), "{first:?}: {settled:?}");
        let mut left: Vec<_> = [blocked.id, plain.id].into();
        eventually("the blocked invocation and the new one are claimed", || {
            for one in claim_from_some(&store, 5).unwrap_or_default() {
                left.retain(|id| *id != one.id);
                succeed(&*store, one.ownership());
            }
            for one in store.beat(&"r1".into(), 60_000).unwrap().owned {
                left.retain(|id| *id != one.id);
                succeed(&*store, one);
            }
            left.is_empty()
        });
        let all = [holder.id, large.id, blocked.id, plain.id];
        assert!(store.watch(&all).unwrap().iter().all(|one| matches!(one, Watched::Finished(_))), "{first:?}");
        assert!(store.beat(&"r1".into(), 60_000).unwrap().owned.is_empty(), "{first:?}: nothing is owned any more");
    }
}
