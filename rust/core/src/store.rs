//! The trait that every store implements: each verb is one transaction, one script, or one lock.

use std::sync::Arc;

use crate::call::{Payload, Submission};
use crate::claim::{ClaimRequest, Claimed};
use crate::error::Result;
use crate::ids::{InvocationId, Millis, Ownership, RunnerKey};
use crate::notify::Hub;
use crate::recover::{Recovered, RecoveryPolicy};
use crate::result::{Filter, History, Page, Record, Watched};
use crate::settle::{Settled, Settlement};
use crate::submit::Submitted;

/// What a body that wants to wait is told by [`Store::pause`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paused {
    /// Registered as waiting and `paused`: give the slot back and wait for a notification.
    Parked,
    /// These targets are finished already: nothing was changed, read them.
    Ready(Vec<InvocationId>),
}

/// What a client that withdraws an invocation is told by [`Store::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It was in the queue and is `cancelled` now.
    Done,
    /// A runner has it: the wish is recorded, and that runner learns of it by [`Store::beat`]. It ends as `cancelled`,
    /// unless its body returns or fails before it is interrupted; it does not run again in any case.
    Requested,
    /// A runner has claimed it; nothing changed.
    Claimed,
    /// It had finished; nothing changed.
    Finished,
}

/// Which invocations [`Store::cancel`] may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only one that no runner has claimed.
    Queue,
    /// Also one that a runner has claimed.
    Runners,
}

/// The `reason` recorded with an invocation that was cancelled before its body had started.
pub const CANCEL_REASON: &str = "withdrawn before its body had started";

/// The `reason` recorded with one that was cancelled while its body ran, and that would have been queued again.
pub const CANCELLED_WHILE_RUNNING: &str = "cancelled while it ran, and not run again";

/// At most so many cards of runners are read at once.
pub const MOST_RUNNERS: usize = 1000;

/// What a runner still owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beaten {
    /// All of it.
    pub owned: Vec<Ownership>,
    /// Those among it whose cancellation is wished for, until they are settled.
    pub cancelled: Vec<InvocationId>,
}

/// What [`Store::purge`] removes, or withdraws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// Finished invocations whose retention is over, at most so many.
    Expired {
        /// Upper bound of one call.
        limit: usize,
    },
    /// Everything, live or not.
    All,
    /// What waits for a runner, due or not, is withdrawn as [`Store::cancel`] does it, at most so many. Not what is parked
    /// under a concurrency key, unless a place comes free for it by this.
    Queued {
        /// Upper bound of one call.
        limit: usize,
    },
}

/// All state shared between clients and runners of one app.
///
/// Rules for every implementation, each held by a case of [`crate::conformance`]:
///
/// - A verb happens entirely or not at all, and concurrent verbs happen in some order.
/// - What a verb acknowledged survives the death of this process (except in memory).
/// - Sending a submission or settlement a second time, after its answer was lost, succeeds and changes nothing.
/// - Listeners of [`Store::hub`] are told *after* the change can be seen, and never while a lock of the store is held.
/// - Verbs block for the time of their I/O and may be called from any thread.
pub trait Store: Send + Sync + 'static {
    /// Where changes of this store are announced inside this process.
    fn hub(&self) -> &Arc<Hub>;

    /// A number for each batch that is about to be submitted, where a store has several shards: see [`Self::shard_for`].
    fn next_turn(&self) -> usize {
        0
    }

    /// The shard for the id of a call that is about to be submitted: calls under one concurrency or registration key must
    /// meet in one; others of a batch, which has one `turn`, go together.
    fn shard_for(&self, _call: &Submission, _turn: usize) -> u16 {
        0
    }

    /// Accept calls, all of them or, on an error, none; answers in the order of the submissions.
    ///
    /// A store that others must not wait for cuts a batch beyond some hundred or thousand calls into pieces, and accepts each
    /// of them or none of it: an error may leave the first pieces accepted. Sending all of it again completes it. What can be
    /// refused is refused before the first piece.
    ///
    /// An invocation holds its registration key until it is claimed for the first time, or ends; meanwhile
    /// [`crate::submit::meet_existing`] decides about calls under that key.
    fn submit(&self, batch: &[Submission]) -> Result<Vec<Submitted>>;

    /// Take up to `limit` due invocations in queue order, either of those that run alone in their process (a recovery has
    /// put them there) or of all others. Ownership, fence, lease, status and the place under the
    /// concurrency key change together. Whoever finds no place is parked or dropped on the way, and does not count.
    fn claim(&self, request: &ClaimRequest) -> Result<Claimed>;

    /// Start a claim that was taken with `begin: false`: `pending` to `running`. Repeating it is harmless.
    fn begin(&self, owner: Ownership) -> Result<()>;

    /// Record outcomes, each on its own: one that is refused does not stop the others. Answers in order.
    fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>>;

    /// Settle, then claim; in one round trip where the store has one. An error means neither is known to have happened.
    fn exchange(&self, batch: &[Settlement], request: Option<&ClaimRequest>) -> Result<(Vec<Settled>, Claimed)> {
        let settled = if batch.is_empty() { Vec::new() } else { self.settle(batch)? };
        let claimed = request.map_or_else(|| Ok(Claimed::default()), |request| self.claim(request))?;
        Ok((settled, claimed))
    }

    /// A running body waits until any of `targets` is finished: `running` to `paused`, or more targets for one that is
    /// `paused` already. The targets move to the front of the queue.
    ///
    /// Fails with [`crate::Error::Cycle`] if following waits and concurrency keys leads from a target back to the
    /// waiter, with `NotFound` for an unknown target, with `NotOwner` if the claim was lost; nothing is changed then.
    fn pause(&self, waiter: Ownership, targets: &[InvocationId]) -> Result<Paused>;

    /// Bodies go on: `paused` to `running`, and what they waited for is forgotten. `false` where the claim was lost.
    fn resume(&self, waiters: &[Ownership]) -> Result<Vec<bool>>;

    /// Withdraw an invocation: at once if no runner has it. With [`Reach::Runners`] the wish for one that a runner has is
    /// recorded: from then on a retry, a hand-back and a recovery end it as `cancelled`. The hubs announce the wish to
    /// the runner, as far as they can; a beat tells of it in any case.
    fn cancel(&self, id: InvocationId, reach: Reach) -> Result<Cancelled>;

    /// Extend the lease of everything `runner` owns to `lease` milliseconds from now; returns what that is.
    fn beat(&self, runner: &RunnerKey, lease: Millis) -> Result<Beaten>;

    /// Queue again, or bury, what dead runners left behind, as [`crate::recover::judge`] says. What had started waits
    /// in a line of its own from then on, which only claims with [`ClaimRequest::alone`] see.
    fn recover(&self, policy: RecoveryPolicy) -> Result<Recovered>;

    /// `runner` is known to be dead: [`Self::recover`] everything it owns now, without waiting for its leases to end.
    ///
    /// A store records `death`, a few words such as `killed by signal 9`, in the history and in the reason of what is
    /// buried. Without a verb of its own for that it ends the leases and recovers; the words are lost then. Whoever
    /// calls it must know that the process is gone: what a live one does afterwards is refused by its fence.
    fn revoke(&self, runner: &RunnerKey, death: &str, policy: RecoveryPolicy) -> Result<Recovered> {
        let owned = self.beat(runner, 0)?.owned;
        log::info!("{} claims of {runner} end: {death}", owned.len());
        self.recover(policy)
    }

    /// Look at invocations; answers in the order of `ids`.
    fn watch(&self, ids: &[InvocationId]) -> Result<Vec<Watched>>;

    /// Those of `ids` that a waiter has to look at first: of the end of the others this process will be told, because it
    /// has said so when it submitted them and has heard nothing of them since. A message may be lost all the same.
    fn must_look(&self, ids: Vec<InvocationId>) -> Vec<InvocationId> {
        ids
    }

    /// [`Self::watch`] for who may wait neither for a disk nor for a network: what this process knows without asking, and
    /// `None` for what has to be asked for. `None` for all: this store always asks.
    fn glance(&self, _ids: &[InvocationId]) -> Result<Option<Vec<Option<Watched>>>> {
        Ok(None)
    }

    /// The record of one invocation.
    fn get(&self, id: InvocationId) -> Result<Record>;

    /// Ids in order of submission.
    fn list(&self, filter: &Filter, page: Page) -> Result<Vec<InvocationId>>;

    /// How many invocations match.
    fn count(&self, filter: &Filter) -> Result<usize>;

    /// How many due invocations wait for a free slot in `queues` (none means all), counted up to `limit`. A retry that is
    /// not due yet, one parked under its concurrency key, and one that runs alone in its process are not among them: no
    /// further slot would run them.
    fn backlog(&self, queues: &[Arc<str>], limit: usize) -> Result<usize>;

    /// The history of one invocation, oldest first.
    fn history(&self, id: InvocationId) -> Result<History>;

    /// Remove invocations, or withdraw them; returns how many.
    fn purge(&self, what: Purge) -> Result<usize>;

    /// Keep `card`, what a runner says of itself, for `keep` milliseconds; 0 removes it. Replaces the card that the runner
    /// published before. Wakes nobody: cards are for people who want to know which runners there are.
    ///
    /// A store without a place for cards accepts and forgets them.
    fn publish_runner(&self, _runner: &RunnerKey, _card: &Payload, _keep: Millis) -> Result<()> {
        Ok(())
    }

    /// The cards that are kept now, at most [`MOST_RUNNERS`], in no order.
    fn runners(&self) -> Result<Vec<(RunnerKey, Payload)>> {
        Ok(Vec::new())
    }

    /// Whether [`Hub::changes`] moves with every change of the store, those of other processes among them. Where it does
    /// not, a runner looks for what dead runners left even if it has heard of nothing.
    fn hears_everything(&self) -> bool {
        true
    }

    /// Flush, stop the store's threads and release its files. Later verbs fail with [`crate::Error::Closed`]. Idempotent.
    fn close(&self) -> Result<()>;
}
