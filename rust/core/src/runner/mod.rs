//! Step 5, execute: hand out claims to the threads that run bodies, keep the slots, collect the outcomes. Python calls in
//! (`next → execute → settle`); nothing here calls Python.
//!
//! Threads: the caller's own, one of which at a time does the I/O for all, and one native thread, the heart, that renews
//! leases, recovers expired claims, and keeps the time.
//!
//! Decisions are functions of state and event, without locks or I/O, and have tests of their own: `pump` (what a thread
//! does next, when to make a round trip, which threads wake), `slots`, `ahead`, `alone`, `outbox`, `waits`, `foreign`,
//! `health`, `queues`. The drivers perform them: `next`, `exchange`, `serve_alone`, `outside`, `parking`, `lend`,
//! `cancel` and `heart`. All share the state in `shared`.

mod ahead;
mod alarm;
mod alone;
mod cancel;
mod config;
mod drops;
mod exchange;
mod foreign;
mod hand_back;
mod health;
mod heart;
mod idle;
mod interrupts;
mod lend;
mod lending;
mod next;
mod outbox;
mod outside;
mod parking;
mod pump;
mod queues;
mod serve_alone;
mod shared;
mod slots;
mod waits;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sync::Mutex;

use crate::claim::Claim;
use crate::completions::Completions;
use crate::error::{Error, Part, Result};
use crate::ids::{InvocationId, Millis, Ownership, RunnerKey};
use crate::notify::{Listener, Mailbox};
use crate::settle::{Outcome, Settled, Settlement};
use crate::status::Status;
use crate::store::Store;
use crate::wait::{Patience, Waiter};
use health::Duty;
use shared::Shared;

pub use alone::Lines;
pub use config::{EngineConfig, MOST_SLOTS};
pub use lending::Lending;
pub use parking::{Parked, TARGETS_TOLD};
pub use queues::QueueStrategy;
pub use slots::Phase;

/// The Rust part of one running runner: slots and claims. Every method may be called from any thread.
pub struct Engine {
    shared: Arc<Shared>,
    heart: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// An engine over `store`. Starts nothing. Fails with [`Error::Invalid`] for settings that no runner can work with.
    pub fn new(store: Arc<dyn Store>, config: EngineConfig) -> Result<Self> {
        Ok(Self { shared: Arc::new(Shared::new(store, config)?), heart: Mutex::new(None) })
    }

    /// Name under which claims are owned.
    pub fn key(&self) -> &RunnerKey {
        &self.shared.key
    }

    /// Civil time by the clock of this runner, in milliseconds since 1970: what delays count from.
    pub fn now(&self) -> Millis {
        self.shared.config.clock.wall()
    }

    /// How many bodies run at a time.
    pub fn capacity(&self) -> usize {
        self.shared.config.slots
    }

    /// Starts the native thread and listens for work. A second call changes nothing.
    pub fn start(&self) -> Result<()> {
        let mut heart = self.heart.lock();
        if heart.is_some() {
            return Ok(());
        }
        if self.shared.pump.lock().closed {
            return Err(Error::Closed(Part::Runner));
        }
        let listener: Arc<dyn Listener> = self.shared.clone();
        self.shared.store.hub().listen(Arc::downgrade(&listener));
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("pynenc-heart".into()).spawn(move || heart::run(&shared));
        *heart = Some(thread.map_err(|error| Error::Backend {
            backend: "runner",
            message: format!("cannot start the thread that renews leases: {error}"),
        })?);
        Ok(())
    }

    /// The next claim for the calling thread, which holds a slot. Blocks until there is one. `None`: the thread shall end.
    pub fn next(&self) -> Result<Option<Claim>> {
        self.shared.next()
    }

    /// As [`Self::next`], without waiting of any kind, not even for a lock. `None` says nothing about the queue. A thread
    /// that holds a lock which others need, such as the GIL, calls this first: to release and acquire it again for every
    /// short body costs more than the body.
    pub fn next_at_once(&self) -> Option<Claim> {
        self.shared.next_at_once()
    }

    /// The next claims for an event loop, up to `limit`, each with a slot; for the thread that feeds the loop. Blocks until
    /// there is one. Empty: the thread shall end.
    pub fn next_batch(&self, limit: usize) -> Result<Vec<Claim>> {
        self.shared.next_batch(limit)
    }

    /// Ends a claim of [`Self::next_batch`], from any thread. Does not block.
    pub fn finish(&self, owner: Ownership, outcome: Outcome) {
        self.shared.finish(owner, outcome);
    }

    /// The loop that runs the bodies is alive: the runner renews its leases until `until`, and longer only after another
    /// call. Without a first call it renews them for as long as the process lives.
    pub fn alive_until(&self, until: Instant) {
        *self.shared.alive_until.lock() = Some(until);
    }

    /// Ends a claim of [`Self::next`], on the thread that will call `next` again. Does not block.
    ///
    /// Discards the outcome of a claim that was handed back meanwhile.
    pub fn settle(&self, owner: Ownership, outcome: Outcome) {
        self.shared.settle(owner, outcome);
    }

    /// As [`Self::settle`], without waiting for a lock; returns the outcome if that was not possible.
    pub fn settle_at_once(&self, owner: Ownership, outcome: Outcome) -> Option<Outcome> {
        self.shared.settle_at_once(owner, outcome)
    }

    /// For a user's own runner: takes up to `limit` due invocations without waiting and without slots. An invocation that
    /// runs alone is the only claim of its answer, and while it runs every answer is empty.
    ///
    /// Takes from `queues` only, or from those of the runner if there are none.
    pub fn claim(&self, limit: usize, queues: &[Arc<str>]) -> Result<Vec<Claim>> {
        self.shared.claim_outside(limit, queues)
    }

    /// Starts a claim of [`Self::claim`].
    pub fn begin(&self, owner: Ownership) -> Result<()> {
        self.shared.store.begin(owner)?;
        self.shared.pump.lock().slots.start_outside(owner, self.shared.config.clock.wall());
        Ok(())
    }

    /// Ends a claim and returns when the store has recorded the outcome.
    pub fn settle_now(&self, owner: Ownership, outcome: Outcome) -> Result<Settled> {
        let live =
            self.shared.pump.lock().slots.all().find(|(id, live, _)| *id == owner.id && live.fence == owner.fence);
        let (started, slot) = live.map_or((0, 0), |(_, live, _)| (live.started, live.slot));
        self.shared.pump.lock().health.begin(Duty::Settle);
        let settlement = Settlement { owner, outcome, started, slot };
        let mut settled = self.shared.store.settle(std::slice::from_ref(&settlement));
        if started > 0 && matches!(settled, Err(Error::Transition { from: Status::Pending, .. })) {
            // The store has forgotten that the body began.
            settled = self.shared.store.begin(owner).and_then(|()| self.shared.store.settle(&[settlement]));
        }
        let mut pump = self.shared.pump.lock();
        pump.health.end(Duty::Settle, settled.is_ok());
        let settled = settled?;
        pump.note_end(owner);
        pump.slots.end(owner);
        if pump.alone.wants() {
            // Its process may have come to rest.
            pump.alone.announce();
            self.shared.supervisor.notify_all();
        }
        self.shared.slot_freed(&mut pump);
        Ok(settled.first().copied().unwrap_or(Settled::Stale))
    }

    /// Blocks until a claim may succeed, the runner stops, or `deadline` passes; returns `false` only after the deadline.
    pub fn wait_for_work(&self, deadline: Instant) -> bool {
        let mut pump = self.shared.pump.lock();
        loop {
            if pump.take_work() || pump.stopping {
                return true;
            }
            if self.shared.supervisor.wait_until(&mut pump, deadline).timed_out() {
                return pump.take_work() || pump.stopping;
            }
        }
    }

    /// Supervises until `deadline` at most; returns how many threads to start now. Each counts as started.
    pub fn tend(&self, deadline: Instant) -> usize {
        let mut pump = self.shared.pump.lock();
        loop {
            let missing = pump.missing_threads();
            if missing > 0 || pump.stopping {
                pump.promised += missing;
                return missing;
            }
            if self.shared.supervisor.wait_until(&mut pump, deadline).timed_out() {
                return 0;
            }
        }
    }

    /// Blocks until the cancellation of bodies that run is requested; returns them, each once. Empty: the runner is closed.
    pub fn next_cancels(&self) -> Vec<InvocationId> {
        self.shared.next_cancels()
    }

    /// Makes the threads of this body that wait return at once, with or without news. Not its event loop.
    pub fn interrupt(&self, id: InvocationId) {
        self.shared.interrupt(id);
    }

    /// Claims no more; hands back what has not begun. Does not block on I/O.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// How many invocations waited to run alone, due or not, at the last recovery.
    pub fn waiting_alone(&self) -> usize {
        self.shared.pump.lock().alone.waiting()
    }

    /// So many invocations wait to run alone: asks for one, if this runner claims those.
    pub fn look_alone(&self, waiting: usize) {
        self.shared.note_alone(waiting);
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.shared.pump.lock().stopping
    }

    /// Blocks until every claim is settled and stored, `deadline` passes, or [`Self::hurry`] is called; returns how many
    /// are unfinished.
    ///
    /// After [`Self::stop`] the calling thread also sends outcomes: the threads that otherwise send them may have ended,
    /// or may be in bodies that were given up.
    pub fn drain(&self, deadline: Instant) -> usize {
        let mut pump = self.shared.pump.lock();
        loop {
            let unfinished = pump.slots.len() + pump.outbox.len();
            if (unfinished == 0 && !pump.exchanging) || self.shared.hurried.load(Ordering::Acquire) {
                return unfinished;
            }
            let now = Instant::now();
            if now >= deadline {
                return unfinished;
            }
            if pump.stopping && pump.wants_exchange(now) {
                if self.shared.exchange(&mut pump).is_err() {
                    return pump.slots.len() + pump.outbox.len();
                }
                continue;
            }
            let again = pump.not_before.filter(|_| pump.outbox.is_waiting());
            self.shared.quiet.wait_until(&mut pump, again.map_or(deadline, |at| at.min(deadline)));
        }
    }

    /// Makes [`Self::drain`] return.
    pub fn hurry(&self) {
        self.shared.hurried.store(true, Ordering::Release);
        // The lock orders this after a drain that has just checked the flag.
        drop(self.shared.pump.lock());
        self.shared.quiet.notify_all();
    }

    /// Whether [`Self::hurry`] was called.
    pub fn is_hurried(&self) -> bool {
        self.shared.hurried.load(Ordering::Acquire)
    }

    /// Hands back every unfinished claim now; returns how many. Their waits end, and later outcomes are discarded.
    pub fn hand_back(&self, note: &str) -> Result<usize> {
        let count = self.shared.release_all(note);
        let flushed = self.shared.flush(Instant::now() + self.shared.config.lease);
        // A thread that stays until the last body has ended has none to wait for any more.
        self.shared.wake_all(&mut self.shared.pump.lock());
        flushed.map(|()| count)
    }

    /// Hands back what no thread has taken.
    pub fn hand_back_unbegun(&self, note: &str) -> Result<()> {
        self.shared.pump.lock().return_inbox(note);
        self.shared.flush(Instant::now() + self.shared.config.lease)
    }

    /// The patience of the waits of the body of `owner`: they go on while it has its claim and this runner runs.
    pub fn patience(&self, owner: Ownership) -> Patience {
        self.shared.patience(owner)
    }

    /// The body of `owner` is about to wait on the calling thread: records that in the store and lends its slot.
    pub fn park(&self, owner: Ownership, waiter: &mut Waiter) -> Result<Parked> {
        self.shared.park(owner, waiter)
    }

    /// The wait with this mailbox is over: gets the slot back, unless other threads of the body wait. Blocks until the body
    /// has its slot. Returns whether it still has its claim.
    pub fn unpark(&self, owner: Ownership, mailbox: &Arc<Mailbox>) -> Result<bool> {
        self.shared.unpark(owner, mailbox)
    }

    /// As [`Self::park`], for a body on an event loop that waits for `targets` among what `completions` watches. Does not
    /// block. After [`Self::end_lending`] `completions` delivers the end of the wait.
    ///
    /// The store learns of the first [`TARGETS_TOLD`] targets, for precedence and the detection of cycles.
    pub fn lend(&self, owner: Ownership, mut targets: Vec<InvocationId>, completions: &Completions) -> Arc<Lending> {
        targets.truncate(TARGETS_TOLD);
        self.shared.lend(owner, targets, completions)
    }

    /// Ends this wait. A body that `returns` gets its slot back; `completions` delivers that. Does not block.
    pub fn end_lending(&self, lending: &Arc<Lending>, returns: bool) {
        self.shared.end_lending(lending, returns);
    }

    /// For how long one of the duties (claim, settle, renew, recover) has failed each time, even if the others work; `None`
    /// while none fails.
    pub fn failing_for(&self) -> Option<Duration> {
        self.shared.pump.lock().health.failing_for()
    }

    /// Every claim this runner owns and where it stands.
    pub fn live(&self) -> Vec<(Ownership, Phase)> {
        let pump = self.shared.pump.lock();
        pump.slots.all().map(|(id, live, phase)| (Ownership { id, fence: live.fence }, phase)).collect()
    }

    /// Stops, hands back, sends outcomes for up to a lease, and ends the native thread. A second call changes nothing.
    pub fn close(&self) -> Result<()> {
        self.stop();
        self.shared.release_all("its runner closed");
        let flushed = self.shared.flush(Instant::now() + self.shared.config.lease);
        self.shared.shut();
        if let Some(thread) = self.heart.lock().take() {
            // A panic of that thread was logged when it happened.
            let _ = thread.join();
        }
        self.shared.store.hub().outage().closed();
        flushed
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.shut();
    }
}
