//! The app of one run: a store behind a gate, its clock, and the expected fate of its invocations.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use pynenc_core::call::Submission;
use pynenc_core::call::WhenBlocked;
use pynenc_core::claim::Claim;
use pynenc_core::clock::Clock;
use pynenc_core::clock::{ManualClock, SystemClock};
use pynenc_core::ids::{InvocationId, Millis};
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::store::{Hints, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{RedisOptions, RedisStore, parse_url};

use crate::common::*;
use crate::verbs::{Verb, under_key, verb};

/// Longer than a run takes by its clock.
pub const RETENTION: Millis = 10_000_000;

/// The expected fate of an invocation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It was acknowledged, and ends.
    Ends,
    /// It ends if the verb is repeated. Otherwise it may be unknown.
    Asked,
    /// It may have been purged, or not.
    Doomed,
}

/// The app of one run.
pub struct World {
    pub options: RedisOptions,
    pub clock: Arc<ManualClock>,
    pub store: Arc<RedisStore>,
    pub known: RefCell<Vec<(InvocationId, Fate)>>,
    /// How many answers the verb receives before one is lost.
    pub answers: Cell<usize>,
    /// Which block of its writes is torn, counted from 1.
    pub block: Cell<usize>,
    /// Whether the verb removes everything. Counts are not exact after half of that, until somebody removes the rest.
    pub wiped: Cell<bool>,
    /// The URL of the server, past the gate.
    pub direct: String,
}

impl World {
    pub fn on(server: &Server, gate: &Gate, shards: u16) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.wall()));
        let options =
            RedisOptions { clock: Some(clock.clone()), shards, retention: RETENTION, ..options(&server.url()) };
        let store = RedisStore::open(RedisOptions { url: parse_url(&gate.url()).unwrap(), ..options.clone() }).unwrap();
        Self {
            options,
            clock,
            store,
            known: RefCell::default(),
            answers: Cell::new(0),
            block: Cell::new(1),
            wiped: Cell::new(false),
            direct: server.url(),
        }
    }

    /// A handle past the gate, as in another process.
    pub fn another(&self) -> Arc<RedisStore> {
        RedisStore::open(self.options.clone()).unwrap()
    }

    pub fn know(&self, calls: &[Submission], fate: Fate) {
        self.known.borrow_mut().extend(calls.iter().map(|one| (one.id, fate)));
    }

    /// Spoil the name of its task, which only a reader of the whole record notices.
    pub fn spoil(&self, id: InvocationId) {
        let mut connection = redis::Client::open(self.direct.as_str()).unwrap().get_connection().unwrap();
        let key = [format!("{{{}:0}}i:", self.options.app_id).as_bytes(), &id.to_bytes()].concat();
        let raw: Vec<u8> = redis::cmd("GET").arg(&key).query(&mut connection).unwrap();
        let at = raw.windows(3).position(|three| three == b"m.f").unwrap();
        let () = redis::cmd("SETRANGE").arg(&key).arg(at).arg(&b"\xff"[..]).query(&mut connection).unwrap();
    }

    /// From now on all known invocations may be purged.
    pub fn doom(&self) {
        self.known.borrow_mut().iter_mut().for_each(|(_, fate)| *fate = Fate::Doomed);
    }

    pub fn submit(&self, calls: &[Submission]) -> Vec<InvocationId> {
        self.know(calls, Fate::Ends);
        self.store.submit(calls).unwrap();
        calls.iter().map(|one| one.id).collect()
    }

    /// Submit plain calls with ascending ids, so that scripts visit them in the same order each time.
    pub fn submit_plain(&self, count: usize) -> Vec<InvocationId> {
        let mut calls: Vec<_> = (0..count).map(|_| call()).collect();
        calls.sort_by_key(|one| one.id);
        self.submit(&calls)
    }

    /// `count` invocations, claimed by `r1` and begun.
    pub fn running(&self, count: usize) -> Vec<Claim> {
        self.submit_plain(count);
        claim(&*self.store, count)
    }

    /// `count` invocations that ran side by side when their runner died.
    pub fn suspects(&self, count: usize) {
        self.running(count);
        assert_eq!(self.store.revoke(&"r1".into(), "killed", RecoveryPolicy::default()).unwrap().alone, count);
    }

    /// `count` claims that run alone in their process.
    pub fn alone(&self, count: usize) -> Vec<Claim> {
        self.suspects(count);
        claim_alone(&*self.store, count)
    }

    /// `count` finished invocations whose retention is over.
    pub fn expiring(&self, count: usize) {
        self.running(count).iter().for_each(|claim| succeed(&*self.store, claim.ownership()));
        self.doom();
        self.clock.advance(RETENTION + 1);
    }

    /// A running invocation, and `count - 1` that its key blocks.
    pub fn keyed(&self, count: usize) -> (Claim, Vec<InvocationId>) {
        let ids = self.submit(&(0..count).map(|_| under_key(WhenBlocked::Wait)).collect::<Vec<_>>());
        let mut claims = claim(&*self.store, count);
        assert_eq!(claims.len(), 1);
        (claims.remove(0), ids[1..].to_vec())
    }

    /// Make a handle subscribe: it waits once.
    pub fn listens(&self, store: &Arc<RedisStore>) {
        let known = self.submit_plain(1);
        Waiter::new(store.clone(), &known).ready().unwrap();
        eventually("it listens", || {
            let one = call();
            self.know(std::slice::from_ref(&one), Fate::Ends);
            store.submit(std::slice::from_ref(&one)).unwrap();
            store.must_poll(vec![one.id]).is_empty()
        });
    }

    pub fn submission(&self, calls: Vec<Submission>) -> Verb {
        self.know(&calls, Fate::Asked);
        verb(move |store| store.submit(&calls))
    }

    /// Keys that do not expire and that no empty app has, without those of the kinds in `kept`.
    pub fn left(&self, server: &Server, kept: &[&str]) -> BTreeSet<String> {
        let mut connection = server.connect();
        let pattern = format!("{{{}:*", self.options.app_id);
        let mut keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg(pattern).query(&mut connection).unwrap();
        keys.retain(|key| redis::cmd("PTTL").arg(key).query::<i64>(&mut connection).unwrap() < 0);
        let names = keys.iter().map(|key| String::from_utf8_lossy(key).split_once('}').unwrap().1.to_owned());
        let kind = |name: &String| name.split(':').next().unwrap().to_owned();
        let names = names.filter(|name| name != "m" && !kept.contains(&kind(name).as_str()));
        // Ids and numbers of chunks are no text.
        let text = |name: &String| name.chars().all(|one| one.is_ascii_graphic());
        names.map(|name| if text(&name) { name } else { format!("{}:", kind(&name)) }).collect()
    }
}
