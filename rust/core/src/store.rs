//! The traits that every store implements, one per role. Each verb is one transaction, one script, or one lock.
//!
//! [`Store`] changes invocations, [`Reads`] answers questions about them, [`Hints`] saves round trips, [`Cards`] holds
//! what runners publish about themselves. A later feature adds a role of its own, with its file in `conformance`.

use std::sync::Arc;

use crate::beat::Beaten;
use crate::call::{Payload, Submission};
use crate::cancel::{Cancelled, Reach};
use crate::claim::{ClaimRequest, Claimed};
use crate::error::Result;
use crate::ids::{InvocationId, Millis, Ownership, RunnerKey};
use crate::notify::Hub;
use crate::pause::Paused;
use crate::purge::Purge;
use crate::recover::{Recovered, RecoveryPolicy};
use crate::result::{Filter, History, Page, Record, Watched};
use crate::settle::{Settled, Settlement};
use crate::submit::{Placement, Submitted};

/// What changes invocations. Clients and runners of one app share all their state through it.
///
/// Rules for every implementation, each held by a case of `conformance`:
///
/// - A verb happens entirely or not at all, and concurrent verbs happen in some order.
/// - What a verb acknowledged survives the death of this process (except in memory).
/// - Sending a submission or settlement a second time, after its answer was lost, succeeds and changes nothing.
/// - A store notifies the listeners of [`Store::hub`] *after* the change can be seen, and while it holds no lock.
/// - Verbs block for the time of their I/O and may be called from any thread.
pub trait Store: Reads + Hints + Cards + Send + Sync + 'static {
    /// Where this store announces its changes inside this process.
    fn hub(&self) -> &Arc<Hub>;

    /// Accepts calls: all of them or, on an error, none. Answers in the order of the submissions.
    ///
    /// A store that serves others meanwhile cuts a batch beyond some hundred or thousand calls into pieces, and accepts
    /// each piece or none of it: an error may leave the first pieces accepted. Sending the whole batch again completes
    /// it. The store refuses what it can refuse before the first piece.
    ///
    /// An invocation holds its registration key until its first claim, or its end; meanwhile
    /// [`crate::submit::meet_existing`] decides about calls under that key.
    fn submit(&self, batch: &[Submission]) -> Result<Vec<Submitted>>;

    /// Takes up to `limit` due invocations in queue order, either from the line of those that run alone in their process
    /// (a recovery puts them there) or from the line of all others. Ownership, fence, lease, status and the place under
    /// the concurrency key change together. An invocation without a free place is blocked or dropped, and does not count.
    fn claim(&self, request: &ClaimRequest) -> Result<Claimed>;

    /// Starts a claim that was taken with `begin: false`: `pending` to `running`. A repetition changes nothing.
    fn begin(&self, owner: Ownership) -> Result<()>;

    /// Records outcomes, each on its own: a refused outcome does not stop the others. Answers in order.
    fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>>;

    /// Settles, then claims; in one round trip where the store has one. After an error either may have happened or not.
    fn exchange(&self, batch: &[Settlement], request: Option<&ClaimRequest>) -> Result<(Vec<Settled>, Claimed)> {
        let settled = if batch.is_empty() { Vec::new() } else { self.settle(batch)? };
        let claimed = request.map_or_else(|| Ok(Claimed::default()), |request| self.claim(request))?;
        Ok((settled, claimed))
    }

    /// Lets a running body wait until any of `targets` has finished: `running` to `paused`. A body that is `paused`
    /// already waits for these targets too. The targets move to the front of the queue.
    ///
    /// Fails with [`crate::Error::Cycle`] if following waits and concurrency keys leads from a target back to the
    /// waiter, with `NotFound` for an unknown target, with `NotOwner` if the claim was lost. An error changes nothing.
    fn pause(&self, waiter: Ownership, targets: &[InvocationId]) -> Result<Paused>;

    /// Lets waiting bodies go on: `paused` to `running`. The store forgets what they waited for. Answers `false` for a
    /// claim that was lost.
    fn resume(&self, waiters: &[Ownership]) -> Result<Vec<bool>>;

    /// Cancels an invocation, at once if no runner owns it. With [`Reach::Runners`] the store records the request for an
    /// invocation that a runner owns: from then on a retry, a hand-back and a recovery end it as `cancelled`. The hubs
    /// notify the runner as far as they can; its next beat tells it in any case.
    fn cancel(&self, id: InvocationId, reach: Reach) -> Result<Cancelled>;

    /// Renews every lease of `runner`: they end `lease` milliseconds from now. Returns what the runner owns.
    fn beat(&self, runner: &RunnerKey, lease: Millis) -> Result<Beaten>;

    /// Queues again, or buries, the claims whose lease has expired, as [`crate::recover::judge`] decides. A body that had
    /// started enters the line of those that run alone; only claims with [`ClaimRequest::alone`] take from it.
    fn recover(&self, policy: RecoveryPolicy) -> Result<Recovered>;

    /// Recovers everything that `runner` owns now, without waiting for its leases to expire. The caller must know that
    /// the process has died; the fences refuse what a living one does afterwards.
    ///
    /// A store records `death`, a few words such as `killed by signal 9`, in the history and in the reason of what it
    /// buries. This default ends the leases and recovers; it does not record the words.
    fn revoke(&self, runner: &RunnerKey, death: &str, policy: RecoveryPolicy) -> Result<Recovered> {
        let owned = self.beat(runner, 0)?.owned;
        log::info!("{} claims of {runner} end: {death}", owned.len());
        self.recover(policy)
    }

    /// Removes or cancels invocations; returns how many.
    fn purge(&self, what: Purge) -> Result<usize>;

    /// Flushes, stops the store's threads and releases its files. Later verbs fail with [`crate::Error::Closed`]. A
    /// repetition changes nothing.
    fn close(&self) -> Result<()>;
}

/// What answers questions about invocations and changes nothing.
pub trait Reads {
    /// The state of invocations, with the outcome of those that have finished; in the order of `ids`.
    fn watch(&self, ids: &[InvocationId]) -> Result<Vec<Watched>>;

    /// The record of one invocation.
    fn get(&self, id: InvocationId) -> Result<Record>;

    /// The ids that match, in order of submission.
    fn list(&self, filter: &Filter, page: Page) -> Result<Vec<InvocationId>>;

    /// How many invocations match.
    fn count(&self, filter: &Filter) -> Result<usize>;

    /// How many due invocations wait for a free slot in `queues` (none means all), counted up to `limit`. Leaves out what
    /// another slot would not run: a retry that is not due yet, an invocation blocked by its concurrency key, and an
    /// invocation that runs alone in its process.
    fn backlog(&self, queues: &[Arc<str>], limit: usize) -> Result<usize>;

    /// The history of one invocation, oldest first.
    fn history(&self, id: InvocationId) -> Result<History>;
}

/// What saves round trips and decides nothing: an answer may be missing or late, never wrong. A store without such
/// knowledge uses the defaults.
pub trait Hints {
    /// The shards for the calls of one batch that is about to be submitted.
    fn placement(&self) -> Placement {
        Placement::SINGLE
    }

    /// Returns the ids that must be polled before waiting. For the rest this process subscribed at submit time and
    /// expects a notification. Notifications are best effort.
    fn must_poll(&self, ids: Vec<InvocationId>) -> Vec<InvocationId> {
        ids
    }

    /// Non-blocking [`Reads::watch`]: answers from process-local knowledge only. Inner `None`: not known here. Outer
    /// `None`: this store has no local knowledge.
    fn glance(&self, _ids: &[InvocationId]) -> Result<Option<Vec<Option<Watched>>>> {
        Ok(None)
    }

    /// Whether [`Hub::changes`] moves with every change of the store, also with those that other processes make. Where it
    /// does not, a runner looks for expired leases even without a notification.
    fn sees_all_changes(&self) -> bool {
        true
    }
}

/// What runners publish about themselves. A store without a place for cards uses the defaults, which keep none.
pub trait Cards {
    /// Keeps `card` for `keep` milliseconds in place of the card that `runner` published before; 0 removes it. Notifies
    /// no listener.
    fn publish_runner(&self, _runner: &RunnerKey, _card: &Payload, _keep: Millis) -> Result<()> {
        Ok(())
    }

    /// The cards that are kept now, at most [`crate::cards::MOST_CARDS`], in no order.
    fn runners(&self) -> Result<Vec<(RunnerKey, Payload)>> {
        Ok(Vec::new())
    }
}
