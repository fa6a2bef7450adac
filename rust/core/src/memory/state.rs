//! The state under the lock, and the moves of which the verbs are made. A move leaves every set of the index consistent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::index::Index;
use super::news::News;
use super::row::{End, Held, Row};
use crate::call::Payload;
use crate::cards::MOST_CARDS;
use crate::claim::{Admission, admit};
use crate::error::{Error, Result};
use crate::history::Entry;
use crate::ids::{InvocationId, Millis, Ownership, RunnerKey};
use crate::recover::{Signs, soon};
use crate::result::{Filter, Watched};
use crate::status::Status;

/// All invocations, and the sets they are in.
pub struct State {
    pub closed: bool,
    pub rows: HashMap<InvocationId, Row>,
    pub index: Index,
    pub next_sequence: u64,
    pub signs: Signs,
    /// Dead runners with several bodies, of which some are not recovered yet.
    pub several: HashSet<RunnerKey>,
    /// The cards of runners, and until when they are kept.
    pub runners: HashMap<RunnerKey, (Payload, Millis)>,
    /// How long finished invocations are kept, in milliseconds.
    pub retention: Millis,
    /// The runner in the history of a change that no runner made.
    pub nobody: Arc<str>,
}

impl State {
    pub fn new(retention: Millis) -> Self {
        Self {
            closed: false,
            rows: HashMap::new(),
            index: Index::default(),
            next_sequence: 0,
            signs: Signs::default(),
            several: HashSet::new(),
            runners: HashMap::new(),
            retention,
            nobody: Arc::default(),
        }
    }

    pub fn row(&self, id: InvocationId) -> Result<&Row> {
        self.rows.get(&id).ok_or(Error::NotFound(id))
    }

    /// A runner with leases of `lease` has renewed them, or recovers.
    pub fn note_sign(&mut self, now: Millis, lease: Millis) {
        let ends = self.index.first_lease().is_some_and(|(expires, _)| expires <= soon(now, lease));
        self.signs = self.signs.heard(now, lease, ends);
    }

    /// The invocation that `owner` holds, or the reason why it does not.
    pub fn held(&mut self, owner: Ownership) -> Result<&mut Row> {
        let row = self.rows.get_mut(&owner.id).ok_or(Error::NotFound(owner.id))?;
        if row.is_held_by(owner.fence) { Ok(row) } else { Err(Error::NotOwner { id: owner.id, status: row.status }) }
    }

    pub fn watch(&self, id: InvocationId) -> Watched {
        self.rows.get(&id).map_or(Watched::Unknown(id), Row::watched)
    }

    /// Keeps the card of a runner, and forgets those whose time is over.
    pub fn publish_runner(&mut self, runner: &RunnerKey, card: &Payload, keep: Millis, now: Millis) {
        self.runners.insert(runner.clone(), (card.clone(), now.saturating_add(keep)));
        self.runners.retain(|_, (_, until)| *until > now);
    }

    /// The cards whose time is not over.
    pub fn runners(&self, now: Millis) -> Vec<(RunnerKey, Payload)> {
        let kept = self.runners.iter().filter(|(_, (_, until))| *until > now);
        kept.take(MOST_CARDS).map(|(runner, (card, _))| (runner.clone(), card.clone())).collect()
    }

    /// Ids of what matches, in order of submission.
    pub fn matching(&self, filter: &Filter) -> impl Iterator<Item = InvocationId> {
        self.index.order.values().copied().filter(|id| self.rows.get(id).is_some_and(|row| row.matches(filter)))
    }

    /// How many are due in these queues (none means all), at most `limit`.
    pub fn backlog(&self, queues: &[Arc<str>], now: Millis, limit: usize) -> usize {
        self.index.backlog(queues, now, limit)
    }

    /// Whether a place under the concurrency key of `row` is free.
    pub fn admission(&self, row: &Row) -> Admission {
        let concurrency = row.call.concurrency.as_ref();
        admit(concurrency, concurrency.map_or(0, |concurrency| self.index.holder_count(&concurrency.key)))
    }

    /// Ends the claim on `id` and its wait. The caller gives the invocation its next status, and then calls
    /// [`Self::place_freed`].
    pub fn let_go(&mut self, id: InvocationId) -> Option<Held> {
        let row = self.rows.get_mut(&id)?;
        row.waits_for.clear();
        self.index.let_go(row)
    }

    /// Records the outcome of `id`, which has its final status.
    pub fn finish(&mut self, id: InvocationId, end: End, now: Millis, news: &mut News) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.end = Some(end);
            row.expires = now.saturating_add(self.retention);
            self.index.finish(row);
            news.finished.push(id);
        }
    }

    /// Ends `id` by a decision of the engine.
    pub fn finish_unrun(&mut self, id: InvocationId, status: Status, reason: &str, now: Millis, news: &mut News) {
        let reason: Arc<str> = reason.into();
        if let Some(row) = self.rows.get_mut(&id) {
            self.index.deregister(row);
            let note = reason.clone();
            row.enter_with(Entry { status, at: now, runner: self.nobody.clone(), slot: 0, started: 0, note, times: 1 });
            row.note = Some(reason.clone());
        }
        self.finish(id, End { payload: None, reason: Some(reason) }, now, news);
    }

    /// `id` held a place under its concurrency key, or was in the queue to take one, and does not need it any more: unblocks
    /// the first of the invocations that wait for a place.
    ///
    /// Unblocks only an invocation that could be claimed now: tasks with different limits can share a key.
    pub fn place_freed(&mut self, id: InvocationId, now: Millis, news: &mut News) {
        let Some(concurrency) = self.rows.get(&id).and_then(|row| row.call.concurrency.as_ref()) else { return };
        let admitted = |id: &InvocationId| self.rows.get(id).is_some_and(|row| self.admission(row) == Admission::Take);
        let Some(next) = self.index.blocked(&concurrency.key).find(admitted) else { return };
        if let Some(row) = self.rows.get_mut(&next) {
            self.index.unblock(row);
            row.enter(Status::Rerouted, now, &self.nobody);
            self.index.enqueue(row, now);
            news.work = true;
        }
    }
}
