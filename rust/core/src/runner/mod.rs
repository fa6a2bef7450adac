//! Step 5, execute, seen from the engine: hand out claims to the threads that run bodies, keep the slots, collect the
//! outcomes. Python calls in (`next → execute → settle`); nothing here calls Python.
//!
//! Threads: the caller's own, of which one at a time does the I/O for all ([`pump`]), and one native thread
//! ([`heart`]) that renews leases, recovers the claims of dead runners, and keeps the time.

mod ahead;
mod alone;
mod cancel;
mod drops;
mod exchange;
mod foreign;
mod health;
mod heart;
mod lending;
pub mod outbox;
mod outside;
mod parking;
mod pump;
mod queues;
pub mod slots;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sync::Mutex;

use crate::claim::{Claim, ClaimRequest};
use crate::clock::Clock;
use crate::error::{Error, Part, Result};
use crate::history;
use crate::ids::{InvocationId, Millis, Ownership, RunnerKey, random_u64};
use crate::recover::RecoveryPolicy;
use crate::settle::{Outcome, Settled, Settlement};
use crate::status::Status;
use crate::store::Store;
pub use alone::Lines;
use health::Duty;
pub use lending::Lending;
pub use parking::{Parked, TARGETS_TOLD};
use pump::Pump;
pub use queues::QueueStrategy;
use queues::Turns;
use slots::Phase;

/// What a runner needs to know.
#[derive(Clone)]
pub struct RunnerConfig {
    /// The public id; the key under which claims are owned adds a random suffix.
    pub runner_id: Arc<str>,
    /// How many bodies run at a time; at least 1.
    pub slots: usize,
    /// Only from these queues; empty means every queue.
    pub queues: Arc<[Arc<str>]>,
    /// How it chooses among them.
    pub strategy: QueueStrategy,
    /// How long claims live without a beat.
    pub lease: Duration,
    /// When recovery gives an invocation up.
    pub recovery: RecoveryPolicy,
    /// Whether it claims what runs alone in its process.
    pub lines: Lines,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

/// More slots than a machine can serve: a larger number is a mistake, and would ask for memory that is not there.
pub const MOST_SLOTS: usize = 1_000_000;

static SERIAL: AtomicUsize = AtomicUsize::new(1);

/// Slots and claims of one runner in one process. Every method may be called from any thread.
pub struct Runner {
    shared: Arc<Shared>,
    heart: Mutex<Option<JoinHandle<()>>>,
}

pub(crate) struct Shared {
    store: Arc<dyn Store>,
    config: RunnerConfig,
    key: RunnerKey,
    /// Tells the runners of one process apart, from 1.
    serial: usize,
    pump: Mutex<Pump>,
    turns: Turns,
    /// Woken when threads shall be started, and on `stop`: whoever is in [`Runner::tend`] or waits for work.
    supervisor: crate::sync::Condvar,
    /// Woken when bodies are to be interrupted, and at the end: whoever is in [`Runner::next_cancels`].
    interrupter: crate::sync::Condvar,
    /// Woken when a claim ended or the outbox emptied: whoever is in [`Runner::drain`].
    quiet: crate::sync::Condvar,
    heart: heart::Alarm,
    valets: lending::Valets,
    /// Only locked where something was dropped.
    drops: Mutex<drops::Drops>,
    hurried: AtomicBool,
    /// Whether a cancellation was announced that no beat has fetched.
    cancellation: AtomicBool,
    /// Whether the store may have gone back in time since the last beat.
    doubt: AtomicBool,
    /// Until when the loop that runs the bodies counts as alive; `None` if it does not say.
    pulse: Mutex<Option<Instant>>,
}

impl Runner {
    /// A runner over `store`. Starts nothing.
    pub fn new(store: Arc<dyn Store>, config: RunnerConfig) -> Result<Self> {
        if config.slots == 0 {
            return Err(Error::Invalid("a runner needs at least one slot".into()));
        }
        if config.slots > MOST_SLOTS {
            return Err(Error::Invalid(format!("a runner cannot have {} slots: at most {MOST_SLOTS}", config.slots)));
        }
        if config.lease < Duration::from_millis(100) {
            return Err(Error::Invalid(format!("a lease of {:?} is too short: at least 0.1 s", config.lease)));
        }
        let key: RunnerKey = format!("{}#{:016x}", config.runner_id, random_u64()).into();
        let shared = Arc::new(Shared {
            pump: Mutex::new(Pump::new(config.slots, config.lease, config.lines)),
            turns: Turns::default(),
            store,
            config,
            key,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            supervisor: crate::sync::Condvar::new(),
            interrupter: crate::sync::Condvar::new(),
            quiet: crate::sync::Condvar::new(),
            heart: heart::Alarm::default(),
            valets: lending::Valets::default(),
            drops: Mutex::default(),
            hurried: AtomicBool::new(false),
            cancellation: AtomicBool::new(false),
            doubt: AtomicBool::new(false),
            pulse: Mutex::new(None),
        });
        Ok(Self { shared, heart: Mutex::new(None) })
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

    /// Start the native thread and listen for work. A second call does nothing.
    pub fn start(&self) -> Result<()> {
        let mut heart = self.heart.lock();
        if heart.is_some() {
            return Ok(());
        }
        if self.shared.pump.lock().closed {
            return Err(Error::Closed(Part::Runner));
        }
        let listener: Arc<dyn crate::notify::Listener> = self.shared.clone();
        self.shared.store.hub().listen(Arc::downgrade(&listener));
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("pynenc-heart".into()).spawn(move || heart::run(&shared));
        *heart = Some(thread.map_err(|error| Error::Backend {
            backend: "runner",
            message: format!("cannot start the thread that renews leases: {error}"),
        })?);
        Ok(())
    }

    /// The next invocation for the calling thread, its slot taken; see [`pump`]. `None`: the thread shall end.
    pub fn next(&self) -> Result<Option<Claim>> {
        self.shared.next()
    }

    /// As [`Self::next`], but only what takes no waiting of any kind; `None` says nothing about what there is. Whoever
    /// has a lock that others wait for, as a Python thread has, asks this first: giving such a lock away and getting it
    /// back for every short body costs more than the body.
    pub fn next_at_once(&self) -> Option<Claim> {
        self.shared.next_at_once()
    }

    /// For an event loop, called by the one thread that feeds it: the next invocations, up to `limit` of them, their
    /// slots taken. Blocks until there is one. Empty: the thread shall end.
    pub fn next_batch(&self, limit: usize) -> Result<Vec<Claim>> {
        self.shared.next_batch(limit)
    }

    /// End a claim obtained from [`Self::next_batch`], from any thread. Does not block.
    pub fn finish(&self, owner: Ownership, outcome: Outcome) {
        self.shared.finish(owner, outcome);
    }

    /// The loop that runs the bodies is alive: leases are renewed until `until`, and no longer without another pulse.
    /// Without a first pulse they are renewed for as long as the process lives.
    pub fn pulse(&self, until: Instant) {
        *self.shared.pulse.lock() = Some(until);
    }

    /// End a claim obtained from [`Self::next`], on the thread that will call `next` again. Does not block.
    ///
    /// An outcome for a claim that was handed back meanwhile is discarded.
    pub fn settle(&self, owner: Ownership, outcome: Outcome) {
        self.shared.settle(owner, outcome);
    }

    /// As [`Self::settle`], if that takes no waiting at all; else the outcome comes back.
    pub fn settle_at_once(&self, owner: Ownership, outcome: Outcome) -> Option<Outcome> {
        self.shared.settle_at_once(owner, outcome)
    }

    /// For a user's own runner: take up to `limit` due invocations without waiting and without taking slots. One that runs
    /// alone comes alone, and nothing else as long as it runs.
    ///
    /// From `queues` only, or from those of the runner if there are none.
    pub fn claim(&self, limit: usize, queues: &[Arc<str>]) -> Result<Vec<Claim>> {
        self.shared.claim_outside(limit, queues)
    }

    /// Start a claim obtained from [`Self::claim`].
    pub fn begin(&self, owner: Ownership) -> Result<()> {
        self.shared.store.begin(owner)?;
        self.shared.pump.lock().slots.start_outside(owner, self.shared.config.clock.wall());
        Ok(())
    }

    /// End a claim and return when the store has it.
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
        self.shared.note_end(&mut pump, owner);
        pump.slots.end(owner);
        if pump.alone.wants() {
            // Its process may have come to rest.
            pump.alone.announce();
            self.shared.supervisor.notify_all();
        }
        self.shared.slot_freed(&mut pump);
        Ok(settled.first().copied().unwrap_or(Settled::Stale))
    }

    /// Block until a claim may succeed, the runner stops, or `deadline`; `true` unless the deadline passed.
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

    /// Supervise until `deadline` at most: how many threads shall be started now. Each counts as started.
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

    /// Block until cancellations are wished for of bodies that run: which. Each is told once; empty: the runner is closed.
    pub fn next_cancels(&self) -> Vec<InvocationId> {
        self.shared.next_cancels()
    }

    /// Make the threads of this body that wait return at once, with or without news. Not its event loop.
    pub fn interrupt(&self, id: InvocationId) {
        self.shared.interrupt(id);
    }

    /// Claim no more; what was claimed and not begun goes back. Does not block on I/O.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// How many invocations waited to run alone, due or not, when the store was last swept for what dead runners left.
    pub fn waiting_alone(&self) -> usize {
        self.shared.pump.lock().alone.waiting()
    }

    /// Some wait to run alone: look for one, if this runner claims those.
    pub fn look_alone(&self, waiting: usize) {
        self.shared.hear_of_alone(waiting);
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.shared.pump.lock().stopping
    }

    /// Block until every claim is settled and stored, `deadline` passes, or [`Self::hurry`]: how many are unfinished.
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

    /// Make [`Self::drain`] return.
    pub fn hurry(&self) {
        self.shared.hurried.store(true, Ordering::Release);
        // Taking the lock orders this after a drain that has just checked the flag.
        drop(self.shared.pump.lock());
        self.shared.quiet.notify_all();
    }

    /// Whether [`Self::hurry`] was called.
    pub fn is_hurried(&self) -> bool {
        self.shared.hurried.load(Ordering::Acquire)
    }

    /// Give every unfinished claim back now: how many. Their bodies' outcomes will be discarded, their waits end.
    pub fn hand_back(&self, note: &str) -> Result<usize> {
        let count = self.shared.release_all(note);
        let flushed = self.shared.flush(Instant::now() + self.shared.config.lease);
        // Who stays until the last body has ended has none to wait for any more.
        self.shared.pump.lock().wake_all();
        flushed.map(|()| count)
    }

    /// Give back what no thread has taken: there may be none for it.
    pub fn hand_back_unbegun(&self, note: &str) -> Result<()> {
        self.shared.return_inbox(&mut self.shared.pump.lock(), note);
        self.shared.flush(Instant::now() + self.shared.config.lease)
    }

    /// For the waits of the body of `owner`: they go on while it has its claim and this runner runs.
    pub fn patience(&self, owner: Ownership) -> crate::wait::Patience {
        self.shared.patience(owner)
    }

    /// About to wait, see [`parking`].
    pub fn park(&self, owner: Ownership, waiter: &mut crate::wait::Waiter) -> Result<Parked> {
        self.shared.park(owner, waiter)
    }

    /// Go on after a wait, see [`parking`].
    pub fn unpark(&self, owner: Ownership, mailbox: &Arc<crate::notify::Mailbox>) -> Result<bool> {
        self.shared.unpark(owner, mailbox)
    }

    /// As [`Self::park`], for a body on an event loop, that waits for `targets` and others that `completions` watches:
    /// does not block. The wait is over when [`Self::end_lending`] was called and then `completions` says so.
    ///
    /// Of the targets the first [`TARGETS_TOLD`] are told to the store, for precedence and the detection of cycles.
    pub fn lend(
        &self,
        owner: Ownership,
        mut targets: Vec<InvocationId>,
        completions: &crate::completions::Completions,
    ) -> Arc<Lending> {
        targets.truncate(TARGETS_TOLD);
        self.shared.lend(owner, targets, completions)
    }

    /// End this wait: with the slot, which `completions` then tells of, or without one if not `returns`. Does not block.
    pub fn end_lending(&self, lending: &Arc<Lending>, returns: bool) {
        self.shared.end_lending(lending, returns);
    }

    /// For how long one of the calls that a runner lives by (claim, settle, renew, recover) has failed each time, whatever
    /// else works; `None` while none fails.
    pub fn failing_for(&self) -> Option<Duration> {
        self.shared.pump.lock().health.failing_for()
    }

    /// Every claim this runner owns and where it stands.
    pub fn live(&self) -> Vec<(Ownership, Phase)> {
        let pump = self.shared.pump.lock();
        pump.slots.all().map(|(id, live, phase)| (Ownership { id, fence: live.fence }, phase)).collect()
    }

    /// Stop, hand back, flush for up to a lease, end the native thread. Idempotent.
    pub fn close(&self) -> Result<()> {
        self.stop();
        self.shared.release_all("its runner closed");
        let flushed = self.shared.flush(Instant::now() + self.shared.config.lease);
        self.shared.shut();
        if let Some(thread) = self.heart.lock().take() {
            // A panic of that thread was logged when it happened; there is nothing left to do about it here.
            let _ = thread.join();
        }
        flushed
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.shared.shut();
    }
}

impl Shared {
    fn request(&self, limit: usize, begin: bool) -> ClaimRequest {
        let (queues, order) = self.turns.next(self.config.strategy, &self.config.queues);
        ClaimRequest { runner: self.key.clone(), limit, queues, order, lease: self.lease(), begin, alone: false }
    }

    fn lease(&self) -> Millis {
        self.config.lease.as_millis() as Millis
    }

    /// Send what the outbox holds on the calling thread; an error if it is not empty at `deadline`.
    fn flush(&self, deadline: Instant) -> Result<()> {
        let mut pause = Duration::from_millis(20);
        loop {
            let (batch, ticket) = {
                let mut pump = self.pump.lock();
                if pump.outbox.is_empty() {
                    return Ok(());
                }
                (pump.outbox.take(), pump.foreign.request_begins())
            };
            let count = batch.len();
            let answer = if count == 0 { Ok(Vec::new()) } else { self.store.settle(&batch) };
            let mut pump = self.pump.lock();
            pump.foreign.request_ends(ticket);
            let error = match answer {
                Ok(answers) => {
                    self.note_answers(&batch, &answers);
                    pump.outbox.delivered(count);
                    self.quiet.notify_all();
                    if count > 0 {
                        continue;
                    }
                    None
                }
                Err(error) => {
                    pump.outbox.returned(batch, &error);
                    Some(error)
                }
            };
            if Instant::now() >= deadline || matches!(error, Some(Error::Closed(_))) {
                return Err(error.unwrap_or(Error::Backend {
                    backend: "runner",
                    message: "outcomes are still on their way to the store at the deadline".into(),
                }));
            }
            // Either the store is failing, or another thread has a batch under way: look again shortly.
            self.quiet.wait_for(&mut pump, pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn note_answers(&self, batch: &[Settlement], answers: &[Settled]) {
        for (settlement, answer) in batch.iter().zip(answers) {
            // A hand-back of what was settled elsewhere meanwhile is no loss.
            if *answer == Settled::Stale && !matches!(settlement.outcome, Outcome::Release { .. }) {
                log::warn!(
                    "the outcome ({}) of invocation {} was refused: its claim was lost before it finished, and another \
                     run of it counts",
                    settlement.outcome.status(),
                    settlement.owner.id
                );
            }
        }
    }
}

/// Longest note kept in a history.
pub const NOTE_LIMIT: usize = history::TEXT_LIMIT;
