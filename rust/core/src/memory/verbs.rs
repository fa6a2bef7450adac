//! The verbs of the store, in the order of the steps. Each takes the time from its caller, and checks everything that it
//! can refuse before the first change.

use std::sync::Arc;

use super::index::From;
use super::news::News;
use super::row::{End, Held, Row};
use super::state::State;
use crate::beat::Beaten;
use crate::call::Submission;
use crate::cancel::{CANCEL_REASON, Cancelled, Reach};
use crate::claim::{Admission, Claim, ClaimRequest, Claimed, DROP_REASON};
use crate::error::{Error, Result};
use crate::history::Entry;
use crate::ids::{Fence, InvocationId, Millis, Ownership, RunnerKey};
use crate::pause::Paused;
use crate::queue::rank_for;
use crate::settle::{Outcome, Settled, Settlement};
use crate::status::Status;
use crate::submit::{Submitted, meet_existing};

impl State {
    pub fn submit(&mut self, call: &Submission, now: Millis, news: &mut News) -> Submitted {
        if self.rows.contains_key(&call.id) {
            return Submitted::New(call.id);
        }
        if let Some(registration) = &call.registration
            && let Some(existing) = self.index.registered(&registration.key)
            && let Some(row) = self.rows.get(&existing)
        {
            return meet_existing(registration, existing, &row.call.args_id, &call.args_id);
        }
        let row = Row::new(call.clone(), self.next_sequence, now);
        self.next_sequence += 1;
        self.index.order.insert(row.sequence, call.id);
        self.index.register(&row);
        self.index.enqueue(&row, now);
        self.rows.insert(call.id, row);
        // Also if it is not due yet: runners have to learn when it becomes due.
        news.work = true;
        Submitted::New(call.id)
    }

    pub fn claim(&mut self, request: &ClaimRequest, now: Millis, steady: Millis, news: &mut News) -> Claimed {
        let mut from = From { names: &request.queues, alone: request.alone, order: request.order, turn: 0 };
        self.index.promote(from, now);
        let expires = steady.saturating_add(request.lease);
        let (mut claims, mut dropped) = (Vec::new(), Vec::new());
        while claims.len() < request.limit
            && let Some(id) = self.index.pop(&mut from)
        {
            news.changed = true;
            match self.rows.get(&id).map(|row| self.admission(row)) {
                Some(Admission::Take) => claims.extend(self.take(id, request, now, expires)),
                Some(Admission::Block) => self.block(id, now, news),
                Some(Admission::Drop) => {
                    self.finish_unrun(id, Status::ConcurrencyControlledFinal, DROP_REASON, now, news);
                    dropped.extend(self.rows.get(&id).map(|row| (id, row.call.route.task.clone())));
                }
                None => {}
            }
        }
        Claimed { claims, next_due: self.index.next_due(from), dropped, failed: None }
    }

    fn take(&mut self, id: InvocationId, request: &ClaimRequest, now: Millis, expires: Millis) -> Option<Claim> {
        let row = self.rows.get_mut(&id)?;
        let fence = Fence::generate();
        self.index.deregister(row);
        row.held = Some(Held { runner: request.runner.clone(), fence, expires, cancelled: false });
        row.settled = None;
        row.enter(Status::Pending, now, &request.runner);
        if request.begin {
            row.enter(Status::Running, now, &request.runner);
        }
        self.index.hold(row);
        Some(row.claim(fence))
    }

    fn block(&mut self, id: InvocationId, now: Millis, news: &mut News) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.enter(Status::ConcurrencyControlled, now, &self.nobody);
            self.index.block(row);
        }
        // It may have been unblocked in place of an invocation with a higher limit.
        self.place_freed(id, now, news);
    }

    pub fn begin(&mut self, owner: Ownership, now: Millis) -> Result<()> {
        let row = self.held(owner)?;
        if row.status == Status::Pending {
            let runner = runner_of(row);
            row.enter(Status::Running, now, &runner);
        }
        Ok(())
    }

    /// Refuses settlements that the state machine does not allow, before any is recorded.
    pub fn check_settlements(&self, batch: &[Settlement]) -> Result<()> {
        for settlement in batch {
            let owner = settlement.owner;
            if let Some(row) = self.rows.get(&owner.id).filter(|row| row.is_held_by(owner.fence))
                && let Some(first) = settlement.outcome.path(row.status).first()
            {
                row.status.check(*first, owner.id)?;
            }
        }
        Ok(())
    }

    pub fn settle(&mut self, settlement: &Settlement, now: Millis, news: &mut News) -> Settled {
        let Ownership { id, fence } = settlement.owner;
        let Some(row) = self.rows.get_mut(&id) else { return Settled::Stale };
        if !row.is_held_by(fence) {
            return if row.settled == Some(fence) { Settled::Replayed } else { Settled::Stale };
        }
        let settlement = settlement.honouring(row.held.as_ref().is_some_and(|held| held.cancelled));
        row.settled = Some(fence);
        let runner = runner_of(row);
        record_outcome(row, &settlement, now, runner);
        if let Outcome::Cancelled { reason } = &settlement.outcome {
            row.note = Some(reason.clone());
        }
        self.let_go(id);
        match &settlement.outcome {
            Outcome::Success(payload) | Outcome::Failure(payload) => {
                self.finish(id, End { payload: Some(payload.clone()), reason: None }, now, news);
            }
            Outcome::Retry { due, note } => self.requeue(id, now, news, |row| {
                row.retries += 1;
                row.due = (*due).max(now);
                row.note = Some(note.clone()).filter(|note| !note.is_empty());
            }),
            Outcome::Release { due, note } => self.requeue(id, now, news, |row| {
                row.fold_release();
                row.releases += 1;
                // Handed back without delay, it keeps its place in the queue.
                row.due = if *due > 0 { (*due).max(now) } else { row.due };
                row.note = Some(note.clone()).filter(|note| !note.is_empty());
            }),
            Outcome::Cancelled { reason } => {
                self.finish(id, End { payload: None, reason: Some(reason.clone()) }, now, news);
            }
        }
        self.place_freed(id, now, news);
        news.changed = true;
        Settled::Done
    }

    pub fn requeue(&mut self, id: InvocationId, now: Millis, news: &mut News, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.get_mut(&id) {
            change(row);
            self.index.enqueue(row, now);
            news.work = true;
        }
    }

    pub fn pause(&mut self, waiter: Ownership, targets: &[InvocationId], now: Millis) -> Result<Paused> {
        let row = self.held(waiter)?;
        let (status, depth) = (row.status, row.call.depth);
        if status != Status::Paused {
            status.check(Status::Paused, waiter.id)?;
        }
        if targets.is_empty() {
            return Err(Error::Invalid(format!("invocation {} would wait for nothing, and so for ever", waiter.id)));
        }
        let mut ready = Vec::new();
        for &target in targets {
            if self.row(target)?.end.is_some() {
                ready.push(target);
            }
        }
        if !ready.is_empty() {
            return Ok(Paused::Ready(ready));
        }
        if let Some(path) = self.cycle(waiter.id, targets) {
            return Err(Error::Cycle(path));
        }
        for &target in targets {
            self.raise(target, rank_for(depth), now);
        }
        let row = self.held(waiter)?;
        if status != Status::Paused {
            let runner = runner_of(row);
            row.enter(Status::Paused, now, &runner);
        }
        row.waits_for.extend_from_slice(targets);
        row.waits_for.sort_unstable();
        row.waits_for.dedup();
        Ok(Paused::Parked)
    }

    /// Moves `id` before everything of a lower rank, in the queue or among the blocked.
    fn raise(&mut self, id: InvocationId, rank: u32, now: Millis) {
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.rank < rank) {
            let blocked = self.index.unblock(row);
            let queued = self.index.withdraw(row);
            row.rank = rank;
            if blocked {
                self.index.block(row);
            }
            if queued {
                self.index.enqueue(row, now);
            }
        }
    }

    pub fn resume(&mut self, waiter: Ownership, now: Millis) -> bool {
        let Ok(row) = self.held(waiter) else { return false };
        if row.status == Status::Paused {
            let runner = runner_of(row);
            row.waits_for.clear();
            row.enter(Status::Running, now, &runner);
        }
        true
    }

    pub fn cancel(&mut self, id: InvocationId, reach: Reach, now: Millis, news: &mut News) -> Result<Cancelled> {
        let row = self.rows.get_mut(&id).ok_or(Error::NotFound(id))?;
        if row.end.is_some() {
            return Ok(Cancelled::Finished);
        }
        if row.held.is_some() && reach == Reach::Queue {
            return Ok(Cancelled::Claimed);
        }
        if let Some(held) = &mut row.held {
            held.cancelled = true;
            news.cancellation = Some(held.runner.clone());
            return Ok(Cancelled::Requested);
        }
        let queued = self.index.withdraw(row);
        self.finish_unrun(id, Status::Cancelled, CANCEL_REASON, now, news);
        if queued {
            self.place_freed(id, now, news);
        }
        Ok(Cancelled::Done)
    }

    pub fn beat(&mut self, runner: &RunnerKey, lease: Millis, steady: Millis) -> Beaten {
        self.note_sign(steady, lease);
        let expires = steady.saturating_add(lease);
        let mut beaten = Beaten::default();
        for id in self.index.owned(runner) {
            if let Some(row) = self.rows.get_mut(&id) {
                self.index.renew(row, expires);
                if let Some(held) = &row.held {
                    beaten.owned.push(Ownership { id, fence: held.fence });
                    beaten.cancelled.extend(held.cancelled.then_some(id));
                }
            }
        }
        beaten
    }

    pub fn purge_all(&mut self, news: &mut News) -> usize {
        let removed = self.rows.len();
        self.rows.clear();
        self.index = Default::default();
        self.several.clear();
        news.look_again = true;
        removed
    }

    pub fn purge_queued(&mut self, now: Millis, limit: usize, news: &mut News) -> Result<usize> {
        let is_queued = |id: &InvocationId| self.rows.get(id).is_some_and(|row| row.status.is_available());
        let ids: Vec<_> = self.index.order.values().copied().filter(is_queued).take(limit).collect();
        for id in &ids {
            self.cancel(*id, Reach::Queue, now, news)?;
        }
        Ok(ids.len())
    }

    pub fn purge_expired(&mut self, now: Millis, limit: usize, news: &mut News) -> usize {
        let mut removed = 0;
        while removed < limit
            && let Some(id) = self.index.pop_expired(now)
        {
            if let Some(row) = self.rows.remove(&id) {
                self.index.order.remove(&row.sequence);
            }
            news.finished.push(id);
            removed += 1;
        }
        removed
    }
}

fn runner_of(row: &Row) -> Arc<str> {
    row.held.as_ref().map(|held| held.runner.clone()).unwrap_or_default()
}

/// Records the statuses that an outcome passes through; the last entry has the slot and the start of the body.
fn record_outcome(row: &mut Row, settlement: &Settlement, now: Millis, runner: Arc<str>) {
    let Some((last, passing)) = settlement.outcome.path(row.status).split_last() else { return };
    for status in passing {
        row.enter(*status, now, &runner);
    }
    let note = settlement.outcome.note();
    let Settlement { started, slot, .. } = *settlement;
    row.enter_with(Entry { status: *last, at: now, runner, slot, started, note, times: 1 });
}
