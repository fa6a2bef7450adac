//! Random verbs on the store under test and on the memory store, with one clock: all answers must agree.
//!
//! `PYNENC_CONFORMANCE_SEED` repeats a run, `PYNENC_CONFORMANCE_ROUNDS` (default 12) sets how many are made.

use std::collections::HashMap;
use std::sync::Arc;

use super::kit::*;
use crate::cancel::Reach;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::history::Entry;
use crate::ids::{Fence, InvocationId, Ownership, RunnerKey, random_u64};
use crate::memory::MemoryStore;
use crate::purge::Purge;
use crate::recover::RecoveryPolicy;
use crate::result::{Filter, Page, Terminal, Watched};
use crate::settle::{Outcome, Settlement};
use crate::status::Status;
use crate::store::Store;

const STEPS: usize = 90;
/// Concurrency keys and their limits.
const KEYS: [(&str, u32); 2] = [("one", 1), ("two", 2)];

pub fn agrees_with_the_memory_store(f: &Fixture) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("PYNENC_CONFORMANCE_SEED");
    let rounds = number("PYNENC_CONFORMANCE_ROUNDS").unwrap_or(12);
    for _ in 0..if seed.is_some() { 1 } else { rounds } {
        let mut model = Model::new(f, seed.unwrap_or_else(random_u64));
        for _ in 0..STEPS {
            model.step();
        }
        model.look_at_everything();
        f.store.purge(Purge::All).unwrap();
    }
}

/// One claim, as each of the two stores knows it.
#[derive(Clone, Copy)]
struct Claimed {
    tested: Ownership,
    memory: Ownership,
}

struct Model<'a> {
    f: &'a Fixture,
    memory: Arc<MemoryStore>,
    rng: Rng,
    calls: Vec<Call>,
    /// Every claim of the run, so that late owners can try too.
    claims: Vec<Claimed>,
    ended: HashMap<InvocationId, Terminal>,
    runners: [RunnerKey; 2],
}

impl<'a> Model<'a> {
    fn new(f: &'a Fixture, seed: u64) -> Self {
        let memory = MemoryStore::new(f.clock.clone(), RETENTION);
        let runners = ["r1", "r2"].map(|name| format!("{name}#{:x}", random_u64()).into());
        let (calls, claims, ended) = (Vec::new(), Vec::new(), HashMap::new());
        Self { f, memory, rng: Rng::new(seed), calls, claims, ended, runners }
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..20 => self.submit(),
            20..42 => self.claim(),
            42..46 => self.begin(),
            46..66 => self.settle(),
            66..74 => self.pause(),
            74..79 => self.resume(),
            79..83 => self.cancel(),
            83..87 => self.beat(),
            87..95 => self.let_time_pass(),
            95..97 => self.recover(),
            97..99 => self.revoke(),
            _ => self.both(|store| store.purge(Purge::Expired { limit: 1000 })),
        }
        self.check();
    }

    /// Both stores give the same answer.
    fn both<T: PartialEq + std::fmt::Debug>(&self, verb: impl Fn(&dyn Store) -> Result<T>) {
        let (tested, memory) = (verb(&*self.f.store), verb(&*self.memory));
        // A store may name any of several cycles.
        if !matches!((&tested, &memory), (Err(Error::Cycle(_)), Err(Error::Cycle(_)))) {
            assert_eq!(tested, memory, "left: the store under test, right: the memory store");
        }
    }

    fn submit(&mut self) {
        let batch: Vec<Call> = (0..1 + self.rng.below(3)).map(|_| self.some_call()).collect();
        let submissions: Vec<_> = batch.iter().map(|one| one.0.clone()).collect();
        self.both(|store| store.submit(&submissions));
        self.calls.extend(batch);
    }

    fn some_call(&mut self) -> Call {
        if self.rng.below(10) == 0
            && let Some(known) = self.rng.pick(&self.calls)
        {
            return known.clone();
        }
        let rng = &mut self.rng;
        let mut one = call();
        // The seed makes the ids too, so that a run can be repeated.
        one.0.id = InvocationId::from_parts(START, 0, rng.next());
        one = one.queue(["a", "b"][rng.below(2)]).depth(rng.below(3) as u32);
        one = one.priority([0.0, 0.0, 5.0, -0.5][rng.below(4)]).args(["x", "y"][rng.below(2)]);
        let (key, limit) = KEYS[rng.below(2)];
        one = match rng.below(6) {
            0 | 1 => one.parks(key, limit),
            2 => one.drops(key, limit),
            _ => one,
        };
        if rng.below(5) == 0 {
            one = one.registration("r", rng.below(2) == 0);
        }
        if rng.below(5) == 0 {
            one = one.due(self.f.clock.wall() + rng.below(3_000) as i64);
        }
        one
    }

    fn claim(&mut self) {
        let queues: &[&str] = [&[][..], &["a"], &["b", "a"]][self.rng.below(3)];
        let mut wanted = request_from(1 + self.rng.below(3), queues);
        wanted.runner = self.some_runner();
        wanted.begin = self.rng.below(4) > 0;
        wanted.alone = self.rng.below(3) == 0;
        let (mut tested, mut memory) = (self.f.claim_with(&wanted), self.memory.claim(&wanted).unwrap());
        for (a, b) in tested.claims.iter_mut().zip(&mut memory.claims) {
            self.claims.push(Claimed { tested: a.ownership(), memory: b.ownership() });
            (a.fence, b.fence) = (Fence(0), Fence(0));
        }
        assert_eq!(tested, memory, "left: the store under test, right: the memory store");
    }

    /// One of two runners of this round: a store remembers dead runners for a while.
    fn some_runner(&mut self) -> RunnerKey {
        self.runners[self.rng.below(2)].clone()
    }

    /// A claim, mostly a late one: older claims have ended.
    fn some_claim(&mut self) -> Option<Claimed> {
        let recent = self.claims.len().saturating_sub(if self.rng.below(4) == 0 { 1000 } else { 8 });
        self.rng.pick(&self.claims[recent..]).copied()
    }

    fn on_claim<T: PartialEq + std::fmt::Debug>(
        &mut self,
        verb: impl Fn(&dyn Store, Ownership) -> Result<T>,
        or_else: impl FnOnce(&mut Self),
    ) {
        let Some(Claimed { tested, memory }) = self.some_claim() else { return or_else(self) };
        let (tested, memory) = (verb(&*self.f.store, tested), verb(&*self.memory, memory));
        if !matches!((&tested, &memory), (Err(Error::Cycle(_)), Err(Error::Cycle(_)))) {
            assert_eq!(tested, memory, "left: the store under test, right: the memory store");
        }
    }

    fn begin(&mut self) {
        self.on_claim(|store, owner| store.begin(owner), Self::claim);
    }

    fn settle(&mut self) {
        let now = self.f.clock.wall();
        let due = if self.rng.below(2) == 0 { 0 } else { now + self.rng.below(2_000) as i64 };
        let outcome = match self.rng.below(6) {
            0..3 => success("v"),
            3 => failure("e"),
            4 => retry(due),
            _ => release(due),
        };
        let slot = self.rng.below(4) as u32;
        let settle = move |store: &dyn Store, owner| {
            store.settle(&[Settlement { owner, outcome: Outcome::clone(&outcome), started: now, slot }])
        };
        self.on_claim(settle, Self::submit);
    }

    fn pause(&mut self) {
        let mut targets = Vec::new();
        for _ in 0..1 + self.rng.below(2) {
            targets.extend(self.rng.pick(&self.calls).map(|one| one.0.id));
        }
        self.on_claim(|store, owner| store.pause(owner, &targets), Self::submit);
    }

    fn resume(&mut self) {
        self.on_claim(|store, owner| store.resume(&[owner]), Self::claim);
    }

    fn cancel(&mut self) {
        if let Some(id) = self.rng.pick(&self.calls).map(|one| one.0.id) {
            let reach = [Reach::Queue, Reach::Runners][self.rng.below(2)];
            self.both(|store| store.cancel(id, reach));
        }
    }

    fn beat(&mut self) {
        let runner = self.some_runner();
        self.both(|store| {
            let mut ids: Vec<_> = store.beat(&runner, LEASE)?.owned.iter().map(|owner| owner.id).collect();
            ids.sort_unstable();
            Ok(ids)
        });
    }

    fn let_time_pass(&mut self) {
        let longest = [100, 1_000, LEASE, RETENTION][self.rng.below(4)];
        self.f.clock.advance(self.rng.below(longest as usize) as i64);
    }

    fn recover(&mut self) {
        self.both(|store| {
            let mut recovered =
                store.recover(RecoveryPolicy { max_recoveries: 2, limit: 1000, ..Default::default() })?;
            // Among leases that end at the same time any may come first.
            recovered.requeued.sort_unstable();
            recovered.buried.sort_unstable();
            recovered.cancelled.sort_unstable();
            Ok(recovered)
        });
    }

    fn revoke(&mut self) {
        let runner = self.some_runner();
        let policy = RecoveryPolicy { max_recoveries: 2, limit: 1000, grace: 0, innocent: self.rng.below(4) == 0 };
        self.both(|store| {
            let mut recovered = store.revoke(&runner, "killed", policy)?;
            recovered.requeued.sort_unstable();
            recovered.buried.sort_unstable();
            recovered.cancelled.sort_unstable();
            Ok(recovered)
        });
    }

    /// What must hold after every step in any store.
    fn check(&mut self) {
        let ids: Vec<InvocationId> = self.calls.iter().map(|one| one.0.id).collect();
        self.both(|store| store.watch(&ids));
        for watched in self.f.store.watch(&ids).unwrap() {
            match watched {
                Watched::Finished(end) => {
                    let first = self.ended.entry(end.id).or_insert_with(|| end.clone());
                    assert_eq!(*first, end, "an outcome changed after it was seen");
                }
                Watched::Live(id, _) => assert!(!self.ended.contains_key(&id), "{id} had finished and lives again"),
                // Removed after its retention. Sent again, it would be a new invocation.
                Watched::Unknown(id) => drop(self.ended.remove(&id)),
            }
        }
        for (key, limit) in KEYS {
            let holds = |one: &&Call| one.0.concurrency.as_ref().is_some_and(|wanted| &*wanted.key == key);
            let claimed = Status::ALL.iter().copied().filter(|status| status.is_claimed()).collect();
            let claimed = self.f.list(&Filter { statuses: claimed, ..Filter::default() });
            let holders = self.calls.iter().filter(holds).filter(|one| claimed.contains(&one.0.id));
            let holders = holders.map(|one| one.0.id).collect::<std::collections::HashSet<_>>().len();
            assert!(holders <= limit as usize, "{holders} hold {key}, whose limit is {limit}");
        }
    }

    /// Records, counts, lists and histories; rarely, because it takes a while.
    fn look_at_everything(&self) {
        let all = Page { offset: 0, limit: 10_000 };
        self.both(|store| store.list(&Filter::default(), all));
        for &status in Status::ALL {
            self.both(|store| store.count(&Filter { statuses: vec![status], ..Filter::default() }));
        }
        for one in &self.calls {
            self.both(|store| store.get(one.0.id));
            self.both(|store| store.history(one.0.id));
            if let Ok(history) = self.f.store.history(one.0.id) {
                follows_the_state_machine(one.0.id, &history);
            }
        }
    }
}

fn follows_the_state_machine(id: InvocationId, history: &[Entry]) {
    assert_eq!(history.first().map(|entry| entry.status), Some(Status::Registered));
    for pair in history.windows(2) {
        pair[0].status.check(pair[1].status, id).unwrap();
        assert!(pair[0].at <= pair[1].at);
    }
}
