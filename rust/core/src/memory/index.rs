//! The sets of invocations: queued, blocked, held, leased, registered, finished.
//!
//! Numbers such as the places taken under a concurrency key are sizes of these sets, never counters.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::row::{Held, Row};
use crate::claim::QueueOrder;
use crate::ids::{InvocationId, Millis, RunnerKey};
use crate::queue::Place;

/// Available invocations of one queue.
#[derive(Default)]
struct Queue {
    /// Due invocations, the next first.
    ready: BTreeMap<Place, InvocationId>,
    /// Invocations that were not due when they came, by due time and arrival.
    scheduled: BTreeMap<(Millis, u64), (Place, InvocationId)>,
}

impl Queue {
    fn promote(&mut self, now: Millis) {
        while let Some(first) = self.scheduled.first_entry().filter(|first| first.key().0 <= now) {
            let (place, id) = first.remove();
            self.ready.insert(place, id);
        }
    }
}

/// Queues by name.
type Line = HashMap<Arc<str>, Queue>;

/// The queues (none means all) of one line that a claim takes from.
#[derive(Clone, Copy)]
pub struct From<'a> {
    pub names: &'a [Arc<str>],
    pub alone: bool,
    pub order: QueueOrder,
    /// The index after the last choice.
    pub turn: usize,
}

/// Every set except the invocations themselves.
#[derive(Default)]
pub struct Index {
    queues: Line,
    /// Invocations that run alone in their process.
    alone: Line,
    /// Blocked by a concurrency key, the first to unblock first.
    blocked: HashMap<Arc<str>, BTreeMap<Place, InvocationId>>,
    /// Claimed, by concurrency key.
    holders: HashMap<Arc<str>, HashSet<InvocationId>>,
    /// Accepted and not claimed yet, by registration key.
    registered: HashMap<Arc<str>, InvocationId>,
    /// Claimed, by the end of the lease (steady clock).
    leases: BTreeSet<(Millis, InvocationId)>,
    /// Claimed, by owner.
    owned: HashMap<RunnerKey, HashSet<InvocationId>>,
    /// Finished, by the end of their retention (wall clock).
    finished: BTreeSet<(Millis, InvocationId)>,
    /// Everything, in order of submission.
    pub order: BTreeMap<u64, InvocationId>,
}

impl Index {
    fn line(&self, alone: bool) -> &Line {
        if alone { &self.alone } else { &self.queues }
    }

    fn line_mut(&mut self, alone: bool) -> &mut Line {
        if alone { &mut self.alone } else { &mut self.queues }
    }

    /// Puts an available invocation into its queue.
    pub fn enqueue(&mut self, row: &Row, now: Millis) {
        let line = self.line_mut(row.alone);
        let queue = match line.get_mut(&row.call.route.queue) {
            Some(queue) => queue,
            None => line.entry(row.call.route.queue.clone()).or_default(),
        };
        if row.due <= now {
            queue.ready.insert(row.place(), row.id());
        } else {
            queue.scheduled.insert((row.due, row.sequence), (row.place(), row.id()));
        }
    }

    /// Takes an invocation out of its queue, or out of the blocked ones; returns whether it was in the queue.
    pub fn withdraw(&mut self, row: &Row) -> bool {
        self.unblock(row);
        self.line_mut(row.alone).get_mut(&row.call.route.queue).is_some_and(|queue| {
            queue.ready.remove(&row.place()).is_some() || queue.scheduled.remove(&(row.due, row.sequence)).is_some()
        })
    }

    /// Makes what has become due by `now` in these queues (none means all) claimable.
    pub fn promote(&mut self, from: From<'_>, now: Millis) {
        let line = self.line_mut(from.alone);
        if from.names.is_empty() {
            line.values_mut().for_each(|queue| queue.promote(now));
        }
        for name in from.names {
            if let Some(queue) = line.get_mut(name) {
                queue.promote(now);
            }
        }
    }

    /// Takes the next invocation out of these queues (none means all), and moves the turn on.
    pub fn pop(&mut self, from: &mut From<'_>) -> Option<InvocationId> {
        if from.order != QueueOrder::Merged && from.names.len() > 1 {
            let line = self.line(from.alone);
            let head = |name| line.get(name)?.ready.first_key_value().map(|(place, _)| *place);
            let heads: Vec<_> = from.names.iter().map(head).collect();
            let chosen = from.order.choose(from.turn, &heads)?;
            from.turn = chosen + 1;
            let queue = self.line_mut(from.alone).get_mut(&from.names[chosen])?;
            return queue.ready.pop_first().map(|(_, id)| id);
        }
        self.pop_best(*from)
    }

    fn pop_best(&mut self, from: From<'_>) -> Option<InvocationId> {
        let best = self.among(from).filter_map(|queue| queue.ready.first_key_value()).min()?;
        let (place, id) = (*best.0, *best.1);
        let line = self.line_mut(from.alone);
        if from.names.is_empty() {
            line.values_mut().find_map(|queue| queue.ready.remove(&place));
        } else {
            from.names.iter().find_map(|name| line.get_mut(name)?.ready.remove(&place));
        }
        Some(id)
    }

    /// When the next invocation that is not due yet becomes due in these queues (none means all).
    pub fn next_due(&self, from: From<'_>) -> Option<Millis> {
        self.among(from).filter_map(|queue| queue.scheduled.first_key_value()).map(|(key, _)| key.0).min()
    }

    /// How many are due by `now` in these queues (none means all), at most `limit`.
    pub fn backlog(&self, names: &[Arc<str>], now: Millis, limit: usize) -> usize {
        let due = |queue: &Queue| queue.ready.len() + queue.scheduled.range(..=(now, u64::MAX)).take(limit).count();
        self.among(From { names, alone: false, order: QueueOrder::Merged, turn: 0 }).map(due).sum::<usize>().min(limit)
    }

    /// How many invocations wait to run alone, due or not.
    pub fn waiting_alone(&self) -> usize {
        self.alone.values().map(|queue| queue.ready.len() + queue.scheduled.len()).sum()
    }

    fn among<'a>(&'a self, from: From<'a>) -> impl Iterator<Item = &'a Queue> {
        let line = self.line(from.alone);
        let all = from.names.is_empty().then(|| line.values());
        all.into_iter().flatten().chain(from.names.iter().filter_map(|name| line.get(name)))
    }

    /// Adds an invocation to those that its concurrency key blocks.
    pub fn block(&mut self, row: &Row) {
        if let Some(concurrency) = &row.call.concurrency {
            self.blocked.entry(concurrency.key.clone()).or_default().insert(row.place(), row.id());
        }
    }

    /// The inverse of [`Self::block`]; returns whether it was blocked.
    pub fn unblock(&mut self, row: &Row) -> bool {
        let Some(concurrency) = &row.call.concurrency else { return false };
        let Some(blocked) = self.blocked.get_mut(&concurrency.key) else { return false };
        let found = blocked.remove(&row.place()).is_some();
        if blocked.is_empty() {
            self.blocked.remove(&concurrency.key);
        }
        found
    }

    /// The invocations that `key` blocks, the first to unblock first.
    pub fn blocked(&self, key: &str) -> impl Iterator<Item = InvocationId> {
        self.blocked.get(key).into_iter().flat_map(|blocked| blocked.values().copied())
    }

    /// Enters the new claim of `row`: its lease, its owner, its place under the concurrency key.
    pub fn hold(&mut self, row: &Row) {
        let Some(held) = &row.held else { return };
        self.leases.insert((held.expires, row.id()));
        match self.owned.get_mut(&held.runner) {
            Some(owned) => owned.insert(row.id()),
            None => self.owned.entry(held.runner.clone()).or_default().insert(row.id()),
        };
        if let Some(concurrency) = &row.call.concurrency {
            self.holders.entry(concurrency.key.clone()).or_default().insert(row.id());
        }
    }

    /// The inverse of [`Self::hold`]: ends the claim of `row`.
    pub fn let_go(&mut self, row: &mut Row) -> Option<Held> {
        let held = row.held.take()?;
        let id = row.id();
        self.leases.remove(&(held.expires, id));
        remove_from(&mut self.owned, &held.runner, id);
        if let Some(concurrency) = &row.call.concurrency {
            remove_from(&mut self.holders, &concurrency.key, id);
        }
        Some(held)
    }

    /// The claimed invocations under `key`.
    pub fn holders(&self, key: &str) -> impl Iterator<Item = InvocationId> {
        self.holders.get(key).into_iter().flatten().copied()
    }

    /// How many places under `key` are taken.
    pub fn holder_count(&self, key: &str) -> u32 {
        self.holders.get(key).map_or(0, |holders| holders.len() as u32)
    }

    /// Every invocation that `runner` has claimed.
    pub fn owned(&self, runner: &RunnerKey) -> Vec<InvocationId> {
        self.owned.get(runner).into_iter().flatten().copied().collect()
    }

    /// Sets the end of the lease of `row`.
    pub fn renew(&mut self, row: &mut Row, expires: Millis) {
        let id = row.id();
        if let Some(held) = &mut row.held {
            self.leases.remove(&(held.expires, id));
            held.expires = expires;
            self.leases.insert((expires, id));
        }
    }

    /// The claims whose lease has expired by `steady`, the earliest first.
    pub fn leases_ended(&self, steady: Millis) -> impl Iterator<Item = InvocationId> {
        self.leases.iter().take_while(move |(expires, _)| *expires <= steady).map(|(_, id)| *id)
    }

    /// The claim whose lease expires first, with that time.
    pub fn first_lease(&self) -> Option<(Millis, InvocationId)> {
        self.leases.first().copied()
    }

    /// The invocation that holds a registration key.
    pub fn registered(&self, key: &str) -> Option<InvocationId> {
        self.registered.get(key).copied()
    }

    /// `row` takes its registration key.
    pub fn register(&mut self, row: &Row) {
        if let Some(registration) = &row.call.registration {
            self.registered.insert(registration.key.clone(), row.id());
        }
    }

    /// `row` is claimed or ends: its registration key is free.
    pub fn deregister(&mut self, row: &Row) {
        if let Some(registration) = &row.call.registration
            && self.registered.get(&registration.key) == Some(&row.id())
        {
            self.registered.remove(&registration.key);
        }
    }

    /// `row` has finished.
    pub fn finish(&mut self, row: &Row) {
        self.finished.insert((row.expires, row.id()));
    }

    /// Takes out one finished invocation whose retention is over by `now`.
    pub fn pop_expired(&mut self, now: Millis) -> Option<InvocationId> {
        let first = *self.finished.first().filter(|(expires, _)| *expires <= now)?;
        self.finished.remove(&first);
        Some(first.1)
    }
}

fn remove_from(sets: &mut HashMap<Arc<str>, HashSet<InvocationId>>, key: &Arc<str>, id: InvocationId) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(&id);
        // No key keeps an empty set.
        if set.is_empty() {
            sets.remove(key);
        }
    }
}
