//! One invocation as the memory store keeps it.

use std::sync::Arc;

use crate::call::{Payload, Submission};
use crate::claim::Claim;
use crate::history::{self, Entry};
use crate::ids::{Fence, InvocationId, Millis, RunnerKey};
use crate::queue::Place;
use crate::result::{Filter, Record, Terminal, Watched};
use crate::status::Status;

/// The claim on an invocation.
pub struct Held {
    pub runner: RunnerKey,
    pub fence: Fence,
    /// When the lease expires, by the steady clock.
    pub expires: Millis,
    /// Whether its cancellation was requested.
    pub cancelled: bool,
}

/// The outcome of a finished invocation, except its status.
pub struct End {
    pub payload: Option<Payload>,
    pub reason: Option<Arc<str>>,
}

/// One invocation.
pub struct Row {
    pub call: Submission,
    /// Order of arrival in the store.
    pub sequence: u64,
    /// See [`Place::rank`].
    pub rank: u32,
    /// Whether it runs alone in its process. Changes only while it is claimed, so that it is in one line at a time.
    pub alone: bool,
    /// When it became or becomes due, by the wall clock.
    pub due: Millis,
    pub status: Status,
    /// The claim; `Some` exactly while the status is a claimed one.
    pub held: Option<Held>,
    /// Fence of the last claim if that was settled, until the next claim: distinguishes a replay from a stale write.
    pub settled: Option<Fence>,
    pub retries: u32,
    pub recoveries: u32,
    pub releases: u32,
    /// The targets of the body; empty unless `paused`. Sorted, without duplicates.
    pub waits_for: Vec<InvocationId>,
    pub note: Option<Arc<str>>,
    /// `Some` exactly if finished.
    pub end: Option<End>,
    /// When a finished invocation may be removed, by the wall clock.
    pub expires: Millis,
    /// Packed [`Entry`]s.
    pub history: Vec<u8>,
}

impl Row {
    /// A call that has just arrived. If it is due at once, its due time is the time of its arrival.
    pub fn new(call: Submission, sequence: u64, now: Millis) -> Self {
        let due = call.due.max(now);
        let mut row = Self {
            call,
            sequence,
            rank: 0,
            alone: false,
            due,
            status: Status::Registered,
            held: None,
            settled: None,
            retries: 0,
            recoveries: 0,
            releases: 0,
            waits_for: Vec::new(),
            note: None,
            end: None,
            expires: 0,
            history: Vec::new(),
        };
        row.record_entry(Entry::new(Status::Registered, now, ""));
        row
    }

    pub fn id(&self) -> InvocationId {
        self.call.id
    }

    pub fn place(&self) -> Place {
        Place { rank: self.rank, priority: self.call.route.priority, due: self.due, sequence: self.sequence }
    }

    pub fn is_held_by(&self, fence: Fence) -> bool {
        self.held.as_ref().is_some_and(|held| held.fence == fence)
    }

    /// Changes the status and records that without a note.
    pub fn enter(&mut self, status: Status, at: Millis, runner: &Arc<str>) {
        let note = Arc::default();
        self.enter_with(Entry { status, at, runner: runner.clone(), slot: 0, started: 0, note, times: 1 });
    }

    /// Changes the status to that of `entry` and records it.
    pub fn enter_with(&mut self, entry: Entry) {
        debug_assert!(self.status.can_become(entry.status), "{}: {} -> {}", self.id(), self.status, entry.status);
        self.status = entry.status;
        self.record_entry(entry);
    }

    fn record_entry(&mut self, entry: Entry) {
        if history::has_room(self.history.len(), entry.status) {
            entry.pack(&mut self.history);
        }
    }

    /// Merges the hand-back that was just recorded with an equal one before it.
    pub fn fold_release(&mut self) {
        if let Some(folded) = history::fold_release(&self.history) {
            self.history = folded;
        }
    }

    /// The claim with `fence`, for its runner.
    pub fn claim(&self, fence: Fence) -> Claim {
        Claim {
            id: self.id(),
            fence,
            task: self.call.route.task.clone(),
            payload: self.call.payload.clone(),
            parent: self.call.parent,
            depth: self.call.depth,
            queue: self.call.route.queue.clone(),
            retries: self.retries,
            recoveries: self.recoveries,
            releases: self.releases,
        }
    }

    pub fn record(&self) -> Record {
        Record {
            id: self.id(),
            task: self.call.route.task.clone(),
            queue: self.call.route.queue.clone(),
            priority: self.call.route.priority,
            payload: self.call.payload.clone(),
            args_id: self.call.args_id.clone(),
            parent: self.call.parent,
            depth: self.call.depth,
            status: self.status,
            runner: self.held.as_ref().map(|held| held.runner.clone()),
            retries: self.retries,
            recoveries: self.recoveries,
            releases: self.releases,
            due: self.due,
            note: self.note.clone(),
        }
    }

    pub fn watched(&self) -> Watched {
        match &self.end {
            None => Watched::Live(self.id(), self.status),
            Some(end) => Watched::Finished(Terminal {
                id: self.id(),
                status: self.status,
                payload: end.payload.clone(),
                reason: end.reason.clone(),
            }),
        }
    }

    pub fn matches(&self, filter: &Filter) -> bool {
        let runner = self.held.as_ref().map(|held| &held.runner);
        filter.task.as_ref().is_none_or(|task| *task == self.call.route.task)
            && (filter.statuses.is_empty() || filter.statuses.contains(&self.status))
            && (filter.queues.is_empty() || filter.queues.contains(&self.call.route.queue))
            && filter.parent.is_none_or(|parent| self.call.parent == Some(parent))
            && filter.args_id.as_ref().is_none_or(|args_id| *args_id == self.call.args_id)
            && filter.runner.as_ref().is_none_or(|wanted| runner == Some(wanted))
    }
}
